//! Any bytes as a plugin's file: no panic, no more memory than a note may take,
//! and what is found lies in the file.
#![no_main]

use ctr_forge_core::note::{self, MAX_MANIFEST};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(note) = note::read(data) {
        assert!(note.manifest.len() <= MAX_MANIFEST);
        let manifest = &note.manifest[..];
        assert!(manifest.is_empty() || data.windows(manifest.len()).any(|window| window == manifest));
    }
});
