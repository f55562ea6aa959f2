//! Any bytes as an image in one file: of docker, of OCI, an ACI. No panic, and a tree comes out of
//! layers alone whose digests are those that the image gives.
#![no_main]

use std::io::Write;

use ctr_forge_image::{ImageFile, flatten};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // What would be decompressed to gigabytes is the disk's affair, not the parser's.
    if data.len() > 1 << 20 {
        return;
    }
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(data).expect("room for a megabyte");
    let temporary = std::env::temp_dir();
    let Ok(opened) = ImageFile::open(file.path(), &temporary) else { return };
    let _ = opened.image(Some("1"), Some("amd64"));
    for image in opened.images().unwrap_or_default() {
        let _ = (image.to_config(), image.annotations(), image.pack(), image.id());
        if let Ok(flat) = flatten(&image, &temporary, &mut || Ok(())) {
            for (layer, (diff_id, _)) in image.layers.iter().zip(&flat.layers) {
                assert!(layer.diff_id.is_none_or(|wanted| wanted == *diff_id));
            }
        }
    }
});
