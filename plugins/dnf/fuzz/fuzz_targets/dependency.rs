//! Reads arbitrary text as dependencies and versions.
//!
//! What was read can be written and read again, and versions have an order. A version with a hyphen
//! or a colon in it, which belong before a release and behind an epoch, may be another the second
//! time, and so may a name or a version with half a pair of parentheses.

#![no_main]

use ctr_forge_source_dnf::dependency::Dependency;
use ctr_forge_source_dnf::version::{Evr, compare};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(dependency) = Dependency::parse(text)
        && !is_ambiguous(&dependency)
    {
        let again = Dependency::parse(&dependency.to_string());
        assert_eq!(again.as_ref(), Ok(&dependency));
    }
    let (one, two) = text.split_at(text.floor_char_boundary(text.len() / 2));
    assert_eq!(compare(one, two), compare(two, one).reverse());
    if let (Ok(one), Ok(two)) = (Evr::parse(one), Evr::parse(two)) {
        assert_eq!(one.compare(&two), two.compare(&one).reverse());
    }
});

fn is_ambiguous(dependency: &Dependency) -> bool {
    let is_half = |text: &str| text.matches('(').count() != text.matches(')').count();
    let mut is_any = false;
    dependency.each(&mut |relation| {
        is_any |= is_half(&relation.name);
        is_any |= relation.bound.as_ref().is_some_and(|bound| {
            let (version, release) = (&bound.evr.version, bound.evr.release.as_deref().unwrap_or_default());
            version.contains(['-', ':']) || is_half(version) || is_half(release)
        });
    });
    is_any
}
