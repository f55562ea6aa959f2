//! Any bytes as a header: no panic, every question gets an answer or nothing, and what is taken is
//! the same when it is read again.

#![no_main]

use ctr_forge_source_dnf::rpm::header::Header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Behind the magic number, which nobody has to guess.
    let Ok(header) = Header::of_blob(data) else { return };
    assert_eq!(Header::read(&mut header.bytes()).expect("it was one"), header);
    for tag in (0..300).chain(1000..1200).chain(5000..5130) {
        let (numbers, strings) = (header.numbers(tag), header.strings(tag).count());
        assert!(numbers.is_empty() || numbers.len() == header.count(tag));
        assert!(strings == 0 || strings == header.count(tag));
        let _ = (header.binary(tag), header.text(tag), header.texts(tag).count());
    }
});
