//! Reads arbitrary text as a `.repo` file, a metalink, a mirror list, and a word of `--repo`.
//!
//! Must not panic; mirrors are URLs that can be followed.

#![no_main]

use ctr_forge_source_dnf::repository::metalink::Metalink;
use ctr_forge_source_dnf::repository::{Repository, Variables, file, mirrorlist};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let variables = Variables::new("42", "x86_64");
    _ = file::parse(text, &variables);
    _ = Repository::parse(text, 0, &variables);
    let mut mirrors = mirrorlist::parse(text, &variables);
    mirrors.extend(Metalink::parse(text.as_bytes()).map(|metalink| metalink.mirrors).unwrap_or_default());
    for mirror in mirrors {
        assert!(
            ["http://", "https://", "file:///"].iter().any(|scheme| mirror.starts_with(scheme)),
            "{mirror}"
        );
    }
});
