//! Any bytes as `plugin.toml`: no panic, and what is accepted can be asked for its options.
#![no_main]

use std::ffi::OsString;

use ctr_forge_core::options::{Files, Options};
use ctr_forge_core::{Attachments, manifest};
use libfuzzer_sys::fuzz_target;
use semver::Version;

fuzz_target!(|data: &[u8]| {
    let Ok(manifest) = manifest::parse(data, &Version::new(0, 1, 0)) else { return };
    for component in manifest.sources.iter().chain(&manifest.outputs) {
        // Whatever a word means for the option: the default alone must always be good.
        let _ = Options::parse(component, |_| vec![OsString::from("a=b:c,1")]);
        if let Ok(options) = Options::parse(component, |_| Vec::new()) {
            options.to_request(Files::Named, &mut Attachments::new()).expect("defaults were checked");
        }
    }
});
