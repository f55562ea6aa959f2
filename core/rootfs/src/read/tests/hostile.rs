//! Archives as nobody should write them, cut or changed on the way.

use proptest::prelude::*;

use super::*;

#[test]
fn hostile_entries_are_refused_by_name() {
    let link = |typeflag, target: &[u8]| header(b"l", typeflag, 0, |h| h.set_text(LINK, target));
    let device = |major| header(b"d", b'3', 0, |h| _ = h.set_number(MAJOR, major));
    let long = |flag| member(b"@LongLink", flag, b"long\0");
    for (parts, expected) in [
        (vec![file("../etc/passwd")], Fault::Name(PathError::Parent)),
        (vec![file("")], Fault::EmptyName),
        (vec![file(".")], Fault::RootKind),
        (vec![file("a/")], Fault::SlashWithContent),
        (vec![link(b'1', b"../a")], Fault::Target(PathError::Parent)),
        (vec![link(b'1', b"/")], Fault::EmptyTarget),
        (vec![link(b'2', b"")], Fault::EmptyTarget),
        (vec![records(b'x', &[("linkpath", b"a\0b")]), link(b'2', b"")], Fault::SymlinkTarget),
        (vec![records(b'x', &[("linkpath", &[b'a'; 4096])]), link(b'2', b"")], Fault::SymlinkTarget),
        (vec![device(0x1000)], Fault::OutOfRange("major device number")),
        (vec![records(b'x', &[("path", b"x")]), long(b'L'), file("a")], Fault::TwoNames("name")),
        (vec![records(b'x', &[("linkpath", b"x")]), long(b'K'), file("a")], Fault::TwoNames("link target")),
        (vec![long(b'L'), long(b'L'), file("a")], Fault::Repeated(b'L')),
        (vec![records(b'x', &[]), records(b'x', &[]), file("a")], Fault::Repeated(b'x')),
        (vec![file("a"), long(b'L')], Fault::Orphan),
        (vec![member(b"x", b'x', b"12 a=b"), file("a")], Fault::Records(crate::RecordError::TooLong)),
        (vec![member(b"a", b'M', b"")], Fault::Unsupported("the rest of a file from another volume")),
        (vec![member(b"a", b'S', b"")], Fault::Unsupported("a sparse file of star")),
    ] {
        assert_eq!(fault(&parts), expected);
    }
    let text = message(&archive(&[file("etc/../../x\n")]));
    assert_eq!(text, "entry \"etc/../../x\\n\": its name contains \"..\", which could leave the root");
}

#[test]
fn a_stream_must_be_complete() {
    let data = archive(&[file("a"), records(b'x', &[("uid", b"5")]), file("b")]);
    let end = data.len() - 2 * BLOCK;
    for cut in 0..=end {
        let text = message(&data[..cut]);
        let expected = match cut {
            0 => "the archive is empty",
            1..512 => "not a tar archive",
            _ => "the archive is truncated",
        };
        assert!(text.starts_with(expected), "{cut}: {text}");
    }
    assert_eq!(message(&data[..700]), "the archive is truncated: it ends at byte 700, inside entry \"a\"");
    assert!(message(&data[..end]).ends_with("without the end-of-archive marker"));
    for cut in [end + 512, end + 600, end + 1024] {
        assert_eq!(read_with(&mut Reader::new(&data[..cut])).unwrap().len(), 2, "{cut}");
    }
    assert!(read_with(&mut Reader::new(&[0; 512][..])).unwrap().is_empty());
}

#[test]
fn what_follows_the_end_is_read_and_must_be_zero() {
    let data = archive(&[file("a")]);
    let with = |more: &[u8]| [&data[..], more].concat();
    let mut rest = &with(&[0; 9000])[..];
    assert_eq!(read_with(&mut Reader::new(&mut rest)).unwrap().len(), 1);
    assert!(rest.is_empty());

    let mut rest = &with(&data.repeat(3))[..];
    let error = read_with(&mut Reader::new(&mut rest)).unwrap_err();
    assert!(matches!(error, ReadError::Concatenated { offset: 2048 }), "{error}");
    assert!(rest.is_empty(), "the producer got rid of all of it");

    let error = read_with(&mut Reader::new(&with(b"\0\0x")[..])).unwrap_err();
    assert!(matches!(error, ReadError::Trailing { offset: 2050 }), "{error}");

    let limits = Limits { max_trailing: 4096, ..Limits::default() };
    let endless = (&data[..]).chain(io::repeat(0));
    let error = read_with(&mut Reader::with_limits(endless, limits)).unwrap_err();
    assert!(matches!(error, ReadError::TrailingTooLong { limit: 4096 }), "{error}");
}

#[test]
fn what_is_no_header_is_said() {
    assert_eq!(message(&[b'x'; 5000]), "not a tar archive: it does not begin with a tar header");
    let mut data = archive(&[file("a"), file("b")]);
    data[1024 + CHECKSUM.start] ^= 1;
    assert_eq!(message(&data), "no tar header at byte 1024: the checksum is wrong");
}

#[test]
fn limits_hold_before_anything_is_allocated() {
    let refused = |data: &[u8], limits| match read_with(&mut Reader::with_limits(data, limits)) {
        Err(Refused { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    let two = archive(&[file("a"), file("b")]);
    let limits = Limits { max_entries: 1, ..Limits::default() };
    assert_eq!(refused(&two, limits), Fault::TooManyEntries(1));
    let limits = Limits { max_size: 13, ..Limits::default() };
    assert_eq!(refused(&two, limits), Fault::TooLarge(13));
    let limits = Limits { max_size: 999, ..Limits::default() };
    assert_eq!(refused(&archive(&[old_sparse()]), limits), Fault::TooLarge(999));

    let huge = |flag| header(b"h", flag, 0o77777777777, |_| ());
    for flag in *b"xgLK" {
        assert_eq!(fault(&[huge(flag)]), Fault::ExtensionTooLong(1 << 20));
    }
    assert!(message(&archive(&[huge(b'0')])).contains("truncated"));
}

#[test]
fn after_an_error_nothing_comes() {
    let data = archive(&[file(".."), file("b")]);
    let mut reader = Reader::new(&data[..]);
    assert!(reader.next_entry().is_err());
    assert!(matches!(reader.next_entry(), Err(ReadError::AfterError)));
    assert!(reader.read(&mut [0]).is_err());

    let data = file("a");
    let mut reader = Reader::new(&data[..600]);
    reader.next_entry().unwrap();
    let mut reader = Reader::new(&data[..515]);
    reader.next_entry().unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("inside entry \"a\""), "{error}");
    assert!(matches!(reader.next_entry(), Err(ReadError::AfterError)));
}

/// Reads everything under tight limits; the bytes of content that came.
fn survive(data: &[u8]) -> u64 {
    let limits = Limits { max_entries: 50, max_extension: 4096, max_size: 20_000, max_trailing: 4096 };
    let mut reader = Reader::with_limits(data, limits);
    let mut total = 0;
    while let Ok(Some(entry)) = reader.next_entry() {
        let read = io::copy(&mut reader, &mut io::sink());
        assert!(read.as_ref().is_ok_and(|&read| read == entry.kind.size()) || read.is_err());
        total += read.unwrap_or(0);
    }
    total
}

/// A bit of everything the reader has code for.
fn sample() -> Vec<u8> {
    let pairs: &[(&str, &[u8])] = &[
        ("size", b"7"),
        ("mtime", b"1.5"),
        ("SCHILY.xattr.user.x", b"y"),
        ("LIBARCHIVE.xattr.user.z%41", b"Zm9v"),
    ];
    let leading: &[(&str, &[u8])] =
        &[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"900")];
    let listed: &[(&str, &[u8])] = &[("GNU.sparse.size", b"99"), ("GNU.sparse.map", b"1,2,9,1")];
    archive(&[
        records(b'g', &[("uid", b"5")]),
        member(b"./", b'5', b""),
        records(b'x', pairs),
        file("a"),
        member(b"@LongLink", b'L', b"long\0"),
        member(b"@LongLink", b'K', b"a\0"),
        member(b"b", b'1', b""),
        old_sparse(),
        records(b'x', leading),
        member(b"c", b'0', &[padded(b"1\n5\n3\n"), b"abc".to_vec()].concat()),
        records(b'x', listed),
        member(b"d", b'0', b"abc"),
    ])
}

#[test]
fn the_sample_is_sound() {
    assert_eq!(survive(&sample()), 7 + 1000 + 900 + 99);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..3000)) {
        survive(&data);
    }

    #[test]
    fn mutated_archives_stay_within_their_limits(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        seal: bool,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut data = sample();
        for (at, byte) in changes {
            // Half of the bytes are padding, where a change does little.
            let at = at.index(data.len());
            data[at] = byte;
            // Without a new checksum, nothing behind it would ever be reached.
            let start = at / BLOCK * BLOCK;
            let mut block = Header(data[start..start + BLOCK].try_into().unwrap());
            if seal && block.0[MAGIC.start..].starts_with(b"ustar") {
                block.seal();
                data[start..start + BLOCK].copy_from_slice(&block.0);
            }
        }
        prop_assert!(survive(&data) <= 20_000);
        prop_assert!(survive(&data[..cut.index(data.len())]) <= 20_000);
    }
}
