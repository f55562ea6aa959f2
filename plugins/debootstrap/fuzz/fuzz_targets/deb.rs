//! Takes arbitrary bytes apart as a package file.
//!
//! Must not panic, nor take more memory than the control files may have, and what was found
//! must not depend on how much of the data is read.

#![no_main]

use std::io::{Cursor, Read};

use ctr_forge_source_debootstrap::deb::{Deb, MAX_CONTROL};
use libfuzzer_sys::fuzz_target;

/// Unpacked data looked at, in bytes.
const LIMIT: u64 = 4 << 20;

fuzz_target!(|data: &[u8]| {
    let Ok(mut deb) = Deb::open(Cursor::new(data), "fuzz.deb") else {
        return;
    };
    if let Ok(control) = deb.control() {
        let size: usize = control.iter().map(|(_, file)| file.content.len()).sum();
        assert!(size as u64 <= MAX_CONTROL);
        assert_eq!(deb.control().ok(), Some(control), "the same when it is read again");
    }
    if let Ok(data) = deb.data() {
        let _ = std::io::copy(&mut data.take(LIMIT), &mut std::io::sink());
    }
});
