//! Decodes arbitrary bytes, whatever they claim to be.
//!
//! Must not panic or exceed the decoders' memory limits, an error must stay one,
//! and the outcome must not depend on how the input arrives.

#![no_main]

use std::io::{self, Read};

use ctr_forge_rootfs::Decoder;
use libfuzzer_sys::fuzz_target;

/// Output looked at, in bytes: enough for several blocks of each format.
const LIMIT: u64 = 8 << 20;

/// A pipe that delivers a few bytes at a time.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = buf.len().min(3);
        self.0.read(&mut buf[..len])
    }
}

/// The decoded bytes if there are fewer than [`LIMIT`], or that they ended in
/// an error.
fn decode(reader: impl Read) -> Option<io::Result<Vec<u8>>> {
    let mut decoder = match Decoder::new(reader) {
        Ok(decoder) => decoder,
        Err(error) => return Some(Err(error)),
    };
    let mut out = Vec::new();
    let result = decoder.by_ref().take(LIMIT).read_to_end(&mut out);
    if result.is_err() {
        assert!(decoder.read(&mut [0]).is_err(), "an error stays one");
    }
    (out.len() < LIMIT as usize).then(|| result.map(|_| out))
}

fuzz_target!(|data: &[u8]| {
    if let (Some(whole), Some(dripped)) = (decode(data), decode(Drip(data))) {
        assert_eq!(whole.ok(), dripped.ok());
    }
});
