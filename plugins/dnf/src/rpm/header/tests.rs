use proptest::prelude::*;

use super::super::testing::{Value, header};
use super::*;

fn sample() -> Vec<u8> {
    let tags = [
        (tag::NAME, Value::text("name")),
        (tag::SUMMARY, Value::texts(&["in no language", "auf Deutsch"])),
        (tag::FILEMODES, Value::Int16(vec![0o100_644, 0o040_755])),
        (tag::FILESIZES, Value::Int32(vec![1, 2, u32::MAX])),
        (tag::LONGFILESIZES, Value::Int64(vec![1 << 40])),
        (tag::RSAHEADER, Value::Binary(vec![0, 1, 2])),
    ];
    header(tag::HEADERIMMUTABLE, &tags)
}

fn read(bytes: &[u8]) -> Result<Header, HeaderError> {
    Header::read(&mut &*bytes)
}

/// The sample with the word at this place of this entry of its index changed.
fn changed(entry: usize, word: usize, value: u32) -> Result<Header, HeaderError> {
    let mut bytes = sample();
    bytes[INTRO + entry * ENTRY + 4 * word..][..4].copy_from_slice(&value.to_be_bytes());
    read(&bytes)
}

fn fault(result: Result<Header, HeaderError>) -> (u32, &'static str) {
    match result {
        Err(HeaderError::Entry { tag, what }) => (tag, what),
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_are_read_by_their_types() {
    let header = read(&sample()).unwrap();
    assert_eq!(header.text(tag::NAME).unwrap(), "name");
    assert_eq!(header.texts(tag::SUMMARY).collect::<Vec<_>>(), ["in no language", "auf Deutsch"]);
    assert_eq!(header.numbers(tag::FILEMODES), [0o100_644, 0o040_755]);
    assert_eq!(header.numbers(tag::FILESIZES), [1, 2, u64::from(u32::MAX)]);
    assert_eq!(header.number(tag::LONGFILESIZES), Some(1 << 40));
    assert_eq!(header.binary(tag::RSAHEADER), Some(&[0, 1, 2][..]));
    assert_eq!((header.count(tag::FILESIZES), header.count(tag::URL)), (3, 0));
}

#[test]
fn a_value_of_another_type_is_none() {
    let header = read(&sample()).unwrap();
    assert!(header.text(tag::FILESIZES).is_none() && header.binary(tag::NAME).is_none());
    assert!(header.numbers(tag::NAME).is_empty() && header.number(tag::RSAHEADER).is_none());
    assert!(!header.has(tag::URL) && header.strings(tag::URL).next().is_none());
}

#[test]
fn empty_texts_count_and_no_texts_do_not() {
    let tags = [(tag::FILELANGS, Value::texts(&["", "", ""])), (tag::FILECAPS, Value::texts(&[]))];
    let header = read(&header(tag::HEADERIMMUTABLE, &tags)).unwrap();
    assert_eq!(header.strings(tag::FILELANGS).collect::<Vec<_>>(), [b"", b"", b""]);
    assert_eq!(header.strings(tag::FILECAPS).count(), 0);
}

#[test]
fn it_ends_where_it_says() {
    let mut bytes = sample();
    let size = bytes.len();
    bytes.extend(b"more");
    let header = read(&bytes).unwrap();
    assert_eq!(header.bytes(), &bytes[..size]);
    assert_eq!(header.blob(), &bytes[8..size]);
    assert_eq!(Header::of_blob(header.blob()).unwrap(), header);
}

#[test]
fn what_is_no_header_is_told() {
    assert!(matches!(read(&[0; 32]), Err(HeaderError::Magic)));
    let bytes = sample();
    for end in 0..bytes.len() {
        assert!(matches!(read(&bytes[..end]), Err(HeaderError::Read(_))), "{end}");
    }
    for (at, value) in [(8, 0_u32), (8, 0x1_0000), (12, u32::MAX)] {
        let mut bytes = sample();
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        assert!(matches!(read(&bytes), Err(HeaderError::Size { .. })), "{at} {value}");
    }
}

#[test]
fn entries_that_do_not_fit_are_told_by_their_tags() {
    // The index is sorted: 63, 268, 1000, 1004, 1028, 1030, 5008.
    assert_eq!(fault(changed(2, 2, u32::MAX)), (tag::NAME, "points outside its data"));
    assert_eq!(fault(changed(4, 3, u32::MAX)), (tag::FILESIZES, "ends outside its data"));
    assert_eq!(fault(changed(3, 3, 1000)), (tag::SUMMARY, "ends outside its data"));
    assert_eq!(fault(changed(2, 3, 2)), (tag::NAME, "is one string and several"));
    assert_eq!(fault(changed(2, 1, 10)), (tag::NAME, "has a type that nobody knows"));
    assert_eq!(fault(changed(2, 0, tag::RSAHEADER)), (tag::RSAHEADER, "is there twice"));
}

#[test]
fn a_header_must_be_all_region() {
    assert_eq!(fault(changed(0, 0, 1)).0, 1);
    assert_eq!(fault(changed(0, 3, 15)), (tag::HEADERIMMUTABLE, "is no region"));
    // An entry more than the region has: what a signature is not of.
    let mut bytes = sample();
    let end = bytes.len();
    bytes[end - 8..end - 4].copy_from_slice(&(6_u32 * 16).wrapping_neg().to_be_bytes());
    assert_eq!(fault(read(&bytes)), (tag::HEADERIMMUTABLE, "is no region of the whole header"));
}

#[test]
fn signatures_may_have_the_older_trailer() {
    let mut bytes = header(tag::HEADERSIGNATURES, &[(tag::SIGSIZE, Value::Int32(vec![1]))]);
    let end = bytes.len();
    bytes[end - 16..end - 12].copy_from_slice(&tag::HEADERIMAGE.to_be_bytes());
    assert_eq!(read(&bytes).unwrap().number(tag::SIGSIZE), Some(1));
}

proptest! {
    #[test]
    fn a_broken_header_does_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = sample();
        for (at, byte) in changes {
            let at = 8 + at.index(bytes.len() - 8);
            bytes[at] = byte;
        }
        if let Ok(header) = read(&bytes) {
            for tag in header.slots.keys().copied() {
                let _ = (header.numbers(tag), header.binary(tag), header.strings(tag).count(), header.text(tag));
            }
        }
    }
}
