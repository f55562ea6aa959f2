//! Compares arbitrary versions: no panic, and both ways around they say the same.

#![no_main]

use ctr_forge_source_alpine::dependency::Dependency;
use ctr_forge_source_alpine::version::{begins_with, compare, is_valid};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|versions: (&str, &str)| {
    let (a, b) = versions;
    assert_eq!(compare(a, b), compare(b, a).reverse());
    let _ = begins_with(a, b);
    if is_valid(a) {
        assert!(begins_with(a, a));
    }
    if let Ok(dependency) = Dependency::parse(a) {
        assert_eq!(Dependency::parse(&dependency.to_string()).as_ref(), Ok(&dependency));
    }
});
