//! Any bytes as a Release file: no panic, and what it lists stays below its directory.
#![no_main]

use ctr_forge_source_debootstrap::release::{Release, by_hash_path};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(release) = Release::parse(data) else { return };
    for now in [i64::MIN, 0, release.date, i64::MAX] {
        let _ = release.freshness(now, 10).map_err(|error| error.to_string());
    }
    let arch = release.architectures.first().map_or("amd64", String::as_str);
    let component = release.components.first().map_or("main", String::as_str);
    for file in release.packages(component, arch).into_iter().flatten().chain(release.flat_packages()) {
        assert!(!file.path.starts_with('/') && file.path.split('/').all(|part| part != ".."));
        assert!(by_hash_path(&file.path, &file.digest).is_some());
    }
});
