//! Any bytes as an index of packages: no panic, and what is taken keeps its promises.
#![no_main]

use ctr_forge_source_debootstrap::package;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(packages) = package::parse(data, 0, |arch| arch != "i386") else { return };
    for package in packages {
        assert!(!package.name.is_empty() && !package.version.is_empty() && package.arch != "i386");
        assert!(!package.filename.starts_with('/') && package.filename.split('/').all(|part| part != ".."));
        assert_eq!(package.digest.is_empty(), package.checked_digest().is_err());
        assert!(package.purl("debian", "sid").is_ascii());
    }
});
