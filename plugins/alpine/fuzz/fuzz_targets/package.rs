//! Any text as an index, as `.PKGINFO`, as a repositories file, as a signature member: no panic, and
//! what is taken is the same when it is written and read again.

#![no_main]

use ctr_forge_source_alpine::package::{Package, parse_index, sha1_of};
use ctr_forge_source_alpine::repository::Repository;
use ctr_forge_source_alpine::signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = signature::parse(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    for package in parse_index(text).flatten() {
        assert!(!package.name.contains('/') && sha1_of(package.identity).is_some());
        let written = package.stanza(package.identity, package.size, None);
        assert_eq!(Package::of_index(&written).expect("it was one"), package);
    }
    let _ = Package::of_pkginfo(text);
    for line in text.lines() {
        if let Ok(Some(repository)) = Repository::parse(line) {
            assert_eq!(Repository::parse(&repository.line()).expect("it was one"), Some(repository));
        }
    }
});
