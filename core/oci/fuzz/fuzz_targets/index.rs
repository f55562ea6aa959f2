//! Any bytes as the index of a layout: no panic, and what was read is written so that it is read
//! as the same, with one entry more.
#![no_main]

use ctr_forge_oci::{Descriptor, Index, layout, media_type, parse_rfc3339};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = layout::check(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = (layout::blob_path(text), parse_rfc3339(text));
    }
    let Ok(mut index) = Index::read(data) else { return };
    let count = index.len();
    let entry = Descriptor::new(media_type::MANIFEST, format!("sha256:{}", "e".repeat(64)), 1);
    index.add(&entry).expect("a descriptor can be encoded");
    let again = Index::read(&index.to_json().expect("it was JSON")).expect("and still is an index");
    assert!(again.len() == index.len() && again.len() - count <= 1);
    assert_eq!(again.to_json().expect("JSON"), index.to_json().expect("JSON"));
});
