//! Any text as a repository, in each of the forms: no panic, and what is taken is sound and
//! means the same when it is written down and read again.
#![no_main]

use ctr_forge_source_debootstrap::repository::{parse_deb822, parse_lines, parse_words};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for parsed in [parse_lines(text), parse_deb822(text), parse_words(text, "sid", &["main"])] {
        for repository in parsed.unwrap_or_default() {
            assert_eq!(repository.is_flat(), repository.components.is_empty());
            assert!(!repository.suite.contains(".."));
            let again = parse_lines(&format!("deb {repository}")).expect("what was read once");
            assert_eq!(again[0].index_url(), repository.index_url());
        }
    }
});
