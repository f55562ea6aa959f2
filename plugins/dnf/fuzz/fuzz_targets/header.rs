//! Any bytes as a header: no panic, every question gets an answer or nothing, and what is taken is
//! the same when it is read again.

#![no_main]

use ctr_forge_source_dnf::rpm::header::Header;
use ctr_forge_source_dnf::rpm::tag;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Behind the magic number, which nobody has to guess.
    let Ok(header) = Header::of_blob(data) else { return };
    assert_eq!(header.blob(), data);
    assert_eq!(Header::of_blob(header.blob()).expect("it was one"), header);
    // A package file has those alone that are all region.
    for region in [tag::HEADERSIGNATURES, tag::HEADERIMMUTABLE] {
        if let Ok(again) = Header::read(&mut header.bytes(), region) {
            assert_eq!(again, header);
        }
    }
    for tag in (0..300).chain(1000..1200).chain(5000..5130) {
        let (numbers, strings) = (header.numbers(tag), header.strings(tag).count());
        assert!(numbers.is_empty() || numbers.len() == header.count(tag));
        assert!(strings == 0 || strings == header.count(tag));
        assert_eq!(header.number(tag), numbers.first().copied());
        let _ = (header.binary(tag), header.text(tag), header.texts(tag).count());
    }
});
