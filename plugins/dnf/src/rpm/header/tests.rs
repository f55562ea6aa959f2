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
    Header::read(&mut &*bytes, tag::HEADERIMMUTABLE)
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
fn empty_texts_count_and_no_texts_are_refused() {
    let langs = (tag::FILELANGS, Value::texts(&["", "", ""]));
    let good = read(&header(tag::HEADERIMMUTABLE, std::slice::from_ref(&langs))).unwrap();
    assert_eq!(good.strings(tag::FILELANGS).collect::<Vec<_>>(), [b"", b"", b""]);
    let none = header(tag::HEADERIMMUTABLE, &[langs, (tag::FILECAPS, Value::texts(&[]))]);
    assert_eq!(fault(read(&none)), (tag::FILECAPS, "has no value"));
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
    assert!(matches!(Header::of_blob(&bytes[8..]), Err(HeaderError::Trailing)));
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
    assert_eq!(fault(changed(2, 0, 99)), (99, "can be that of no value"));
    assert_eq!(fault(changed(5, 2, 49)), (tag::FILEMODES, "is not aligned"));
}

#[test]
fn values_must_lie_one_behind_the_other_and_before_the_end_of_the_region() {
    let overlaps = "points into another value, or before it";
    assert_eq!(fault(changed(3, 2, 3)), (tag::SUMMARY, overlaps));
    assert_eq!(fault(changed(3, 2, 7)), (tag::SUMMARY, overlaps));
    assert_eq!(fault(changed(6, 3, 2)), (tag::LONGFILESIZES, "reaches into the end of the region"));
    assert_eq!(fault(changed(1, 3, 1000)), (tag::RSAHEADER, "ends outside its data"));
}

#[test]
fn many_entries_of_the_same_bytes_cost_nothing() {
    let (entries, data) = (0xffff_u32, 8_u32 << 20);
    let mut bytes = [&MAGIC[..], &entries.to_be_bytes(), &data.to_be_bytes()].concat();
    let mut entry = |words: [u32; 4]| bytes.extend(words.map(u32::to_be_bytes).as_flattened());
    entry([tag::HEADERIMMUTABLE, 7, data - 16, 16]);
    // Each is all of the data.
    (1..entries).for_each(|number| entry([1000 + number, 6, 0, 1]));
    bytes.resize(bytes.len() + data as usize - 17, b'x');
    bytes.push(0);
    bytes.extend(
        [tag::HEADERIMMUTABLE, 7, (entries * 16).wrapping_neg(), 16].map(u32::to_be_bytes).as_flattened(),
    );
    assert_eq!(fault(read(&bytes)), (1002, "points into another value, or before it"));
    assert!(Header::of_blob(&bytes[8..]).is_err());
}

#[test]
fn more_values_than_a_tag_may_have_are_refused() {
    let many = |kind: fn(Vec<u8>) -> Value| {
        header(tag::HEADERIMMUTABLE, &[(tag::FILESTATES, kind(vec![0; 0x10_0000]))])
    };
    assert!(read(&many(Value::Binary)).is_ok());
    let texts = |all: Vec<u8>| Value::Texts(vec![String::new(); all.len()]);
    assert_eq!(fault(read(&many(texts))), (tag::FILESTATES, "has more values than a tag may"));
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
    // The database has such headers.
    assert!(Header::of_blob(&bytes[8..]).is_ok());
    bytes[end - 8..end - 4].copy_from_slice(&(8_u32 * 16).wrapping_neg().to_be_bytes());
    assert_eq!(fault(read(&bytes)).1, "has another end than that of its region");
    assert!(Header::of_blob(&bytes[8..]).is_err());
}

#[test]
fn a_region_suits_its_header() {
    let of_signatures = |bytes: &[u8]| Header::read(&mut &*bytes, tag::HEADERSIGNATURES);
    assert_eq!(fault(of_signatures(&sample())), (tag::HEADERIMMUTABLE, "is first, where its region must be"));
    let signatures = |count: u32| {
        let tags: Vec<_> = (1..count).map(|number| (1000 + number, Value::Int32(vec![1]))).collect();
        header(tag::HEADERSIGNATURES, &tags)
    };
    assert_eq!(fault(read(&signatures(2))).0, tag::HEADERSIGNATURES);
    assert!(of_signatures(&signatures(32)).is_ok());
    assert!(matches!(of_signatures(&signatures(33)), Err(HeaderError::Size { entries: 33, .. })));
}

#[test]
fn signatures_may_have_the_older_trailer() {
    let mut bytes = header(tag::HEADERSIGNATURES, &[(tag::SIGSIZE, Value::Int32(vec![1]))]);
    let end = bytes.len();
    bytes[end - 16..end - 12].copy_from_slice(&tag::HEADERIMAGE.to_be_bytes());
    let read = |bytes: &[u8], region| Header::read(&mut &*bytes, region);
    assert_eq!(read(&bytes, tag::HEADERSIGNATURES).unwrap().number(tag::SIGSIZE), Some(1));
    let mut main = sample();
    let end = main.len();
    main[end - 16..end - 12].copy_from_slice(&tag::HEADERIMAGE.to_be_bytes());
    assert!(read(&main, tag::HEADERIMMUTABLE).is_err());
}

proptest! {
    #[test]
    fn a_broken_header_does_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = sample();
        for (at, byte) in changes {
            let at = 8 + at.index(bytes.len() - 8);
            bytes[at] = byte;
        }
        for header in [read(&bytes), Header::of_blob(&bytes[8..])].into_iter().flatten() {
            for tag in header.slots.keys().copied() {
                let _ = (header.numbers(tag), header.binary(tag), header.strings(tag).count(), header.text(tag));
            }
        }
    }
}
