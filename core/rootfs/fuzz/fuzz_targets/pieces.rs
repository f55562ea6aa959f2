//! Any bytes as what is known of a layer: no panic, and a layer that is written upon it is the one
//! that is written without, or an error.
#![no_main]

use std::io::{Error, ErrorKind};
use std::num::NonZeroUsize;

use ctr_forge_rootfs::{Compression, Known, LayerOptions, Pieces, Written, write_layer, write_layer_upon};
use libfuzzer_sys::fuzz_target;

const OPTIONS: LayerOptions =
    LayerOptions { compression: Compression::Gzip, level: None, threads: NonZeroUsize::MIN };

fuzz_target!(|data: &[u8]| {
    let Some(pieces) = Pieces::from_bytes(data) else { return };
    assert_eq!(pieces.to_bytes(), data);
    let fill = |out: &mut dyn std::io::Write| -> Result<(), Error> { out.write_all(data) };
    let known = Known { pieces: &pieces, open: Box::new(|| Err(ErrorKind::NotFound.into())) };
    let Ok(written) = write_layer_upon(Vec::new(), &OPTIONS, Some(known), fill) else { return };
    let (layer, blob) = write_layer(Vec::new(), &OPTIONS, fill).expect("memory is writable");
    match written {
        Written::New { layer: upon, blob: bytes, .. } => assert!(upon == layer && bytes == blob),
        // The bytes would have to hold a digest of themselves.
        Written::Same(_) => unreachable!("nobody finds such bytes"),
    }
});
