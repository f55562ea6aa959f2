//! Compares and checks arbitrary versions.
//!
//! Must not panic, and the order must be one: whatever two texts are, seen from the other
//! side it is the reverse, and three of them never go round in a circle.

#![no_main]

use ctr_forge_source_debootstrap::version::{compare, validate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|versions: (&str, &str, &str)| {
    let (a, b, c) = versions;
    assert_eq!(compare(a, b), compare(b, a).reverse());
    if compare(a, b).is_le() && compare(b, c).is_le() {
        assert!(compare(a, c).is_le());
    }
    let _ = validate(a);
});
