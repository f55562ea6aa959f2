//! Reads arbitrary text as each of the files below `repodata`.
//!
//! Must not panic; a place that it names is below the repository, or a whole URL.

#![no_main]

use ctr_forge_source_dnf::metadata::comps::Comps;
use ctr_forge_source_dnf::metadata::modules::Modules;
use ctr_forge_source_dnf::metadata::repomd::Repomd;
use ctr_forge_source_dnf::metadata::{Texts, filelists, primary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let bytes = text.as_bytes();
    let mut packages = Vec::new();
    let sink =
        primary::Sink { wanted: &|_| true, package: &mut |package| packages.push(package), bad: &mut |_| {} };
    _ = primary::read(bytes, &mut Texts::default(), sink);
    for package in packages {
        assert!(!package.location.split('/').any(|part| part == ".."), "{}", package.location);
        assert!(!package.location.starts_with('/') && !package.name.contains('/'));
    }
    _ = filelists::read(bytes, &mut Texts::default(), &|_| true, &mut |_| {});
    if let Ok(repomd) = Repomd::parse(bytes) {
        let all = [repomd.primary(), repomd.filelists(), repomd.group(), repomd.modules()];
        for file in all.into_iter().flatten() {
            assert!(!file.location.split('/').any(|part| part == ".."), "{}", file.location);
        }
    }
    _ = Comps::parse(bytes);
    if let Ok(modules) = Modules::parse(text) {
        _ = modules.visible(&[], Some("platform:el9"));
    }
});
