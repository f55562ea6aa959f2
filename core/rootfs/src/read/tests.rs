//! Archives built byte by byte, as the tools write them.

mod hostile;

use super::*;
use crate::header::{CHECKSUM, GID, LINK, MAGIC, MAJOR, MINOR, MTIME, NAME, PREFIX, SIZE, TYPE, UID, USTAR};
use crate::{Device, PathError, RootPath, pax};

/// A header with checksum; `set` makes it special.
fn header(name: &[u8], typeflag: u8, size: u64, set: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::zeroed();
    header.set_text(MAGIC, USTAR);
    header.set_text(NAME, name);
    header.0[TYPE] = typeflag;
    header.set_number(header::MODE, 0o100644);
    header.set_number(SIZE, size);
    set(&mut header);
    header.seal();
    header.0.to_vec()
}

fn padded(content: &[u8]) -> Vec<u8> {
    let mut data = content.to_vec();
    data.resize(content.len().next_multiple_of(BLOCK), 0);
    data
}

fn member(name: &[u8], typeflag: u8, content: &[u8]) -> Vec<u8> {
    [header(name, typeflag, content.len() as u64, |_| ()), padded(content)].concat()
}

fn file(name: &str) -> Vec<u8> {
    member(name.as_bytes(), b'0', b"content")
}

fn records(typeflag: u8, pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in pairs {
        pax::append(&mut data, key.as_bytes(), value);
    }
    member(b"PaxHeaders/x", typeflag, &data)
}

fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    [&parts.concat()[..], &[0; 2 * BLOCK]].concat()
}

type Entries = Vec<(Entry, Vec<u8>)>;

fn read_with<R: Read>(reader: &mut Reader<R>) -> Result<Entries, ReadError> {
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).map_err(|error| error.downcast::<ReadError>().unwrap())?;
        assert_eq!(content.len() as u64, entry.kind.size());
        entries.push((entry, content));
    }
    Ok(entries)
}

fn read(parts: &[Vec<u8>]) -> Result<Entries, ReadError> {
    read_with(&mut Reader::new(&archive(parts)[..]))
}

fn one(parts: &[Vec<u8>]) -> Entry {
    let mut entries = read(parts).unwrap();
    assert_eq!(entries.len(), 1);
    entries.remove(0).0
}

fn fault(parts: &[Vec<u8>]) -> Fault {
    match read(parts) {
        Err(Refused { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

fn message(data: &[u8]) -> String {
    read_with(&mut Reader::new(data)).unwrap_err().to_string()
}

fn paths(parts: &[Vec<u8>]) -> Vec<String> {
    read(parts).unwrap().iter().map(|(entry, _)| entry.path.to_string()).collect()
}

#[test]
fn every_kind_of_entry() {
    let link = |name: &[u8], typeflag| header(name, typeflag, 0, |h| h.set_text(LINK, b"./a"));
    let device = |typeflag| {
        header(b"dev", typeflag, 0, |h| {
            h.set_number(MAJOR, 8);
            h.set_number(MINOR, 0o1000);
        })
    };
    let number = Device { major: 8, minor: 0o1000 };
    let a = RootPath::new(b"a").unwrap();
    for (part, kind) in [
        (file("a"), Kind::File { size: 7 }),
        (member(b"a", 0, b"x"), Kind::File { size: 1 }),
        (member(b"a", b'7', b"x"), Kind::File { size: 1 }),
        (link(b"b", b'1'), Kind::HardLink(a)),
        (link(b"b", b'2'), Kind::Symlink(b"./a"[..].into())),
        (device(b'3'), Kind::CharDevice(number)),
        (device(b'4'), Kind::BlockDevice(number)),
        (member(b"a", b'5', b""), Kind::Directory),
        (member(b"a/", b'0', b""), Kind::Directory),
        (member(b"a/", b'D', b"Yname\0\0"), Kind::Directory),
        (member(b"./", b'5', b""), Kind::Directory),
        (member(b"a", b'6', b""), Kind::Fifo),
    ] {
        let entry = one(std::slice::from_ref(&part));
        assert_eq!((entry.kind, entry.mode), (kind, 0o644));
    }
}

#[test]
fn numbers_of_gnu_and_negative_times() {
    let entry = one(&[header(b"a", b'0', 0, |h| {
        h.0[UID].copy_from_slice(b"\x80\0\0\0\xff\xff\xff\xfe");
        h.set_number(GID, 7);
        h.0[MTIME].copy_from_slice(&[0xff; 12]);
    })]);
    assert_eq!((entry.uid, entry.gid, entry.mtime), (4294967294, 7, -1));
    let uid = |field: &[u8; 8]| fault(&[header(b"a", b'0', 0, |h| h.0[UID].copy_from_slice(field))]);
    assert_eq!(uid(b"\x80\0\0\x01\0\0\0\0"), Fault::OutOfRange("uid"));
    assert_eq!(uid(&[0xff; 8]), Fault::OutOfRange("uid"));
    assert_eq!(uid(b"0000009\0"), Fault::NotANumber("uid"));
}

#[test]
fn names_of_every_format() {
    let long = "d/".repeat(90) + "end";
    let nul = format!("{long}\0");
    let prefixed = header(b"name", b'0', 0, |h| h.set_text(PREFIX, b"some/dir"));
    assert_eq!(paths(&[prefixed]), ["/some/dir/name"]);
    assert_eq!(paths(&[member(b"@LongLink", b'L', nul.as_bytes()), file("cut")]), [format!("/{long}")]);
    assert_eq!(paths(&[records(b'x', &[("path", long.as_bytes())]), file("cut")]), [format!("/{long}")]);
    assert_eq!(paths(&[records(b'X', &[("path", long.as_bytes())]), file("cut")]), [format!("/{long}")]);
    assert_eq!(paths(&[member(b"caf\xe9\n", b'0', b"")]), ["/caf\\xe9\\n"]);
    assert_eq!(paths(&[member(&[b'n'; 100], b'0', b"")]), [format!("/{}", "n".repeat(100))]);

    let link = member(b"l", b'2', b"");
    let target = Kind::Symlink(long.as_bytes().into());
    assert_eq!(one(&[member(b"@LongLink", b'K', nul.as_bytes()), link.clone()]).kind, target);
    assert_eq!(one(&[records(b'x', &[("linkpath", long.as_bytes())]), link]).kind, target);
}

#[test]
fn records_override_the_header() {
    let pairs: &[(&str, &[u8])] = &[
        ("size", b"3"),
        ("uid", b"4294967294"),
        ("gid", b"3000000"),
        ("mtime", b"-1.5"),
        ("hdrcharset", b"BINARY"),
        ("SCHILY.xattr.user.x", b"a\n12 b=c\0\xff"),
        ("CTRFORGE.package", "größe".as_bytes()),
    ];
    // The field says 0, so whoever ignores the record takes the content for a header.
    let part = [records(b'x', pairs), header(b"a", b'0', 0, |_| ()), padded(b"abc")].concat();
    let entries = read(&[part, file("b")]).unwrap();
    let (entry, content) = &entries[0];
    assert_eq!(content, b"abc");
    assert_eq!((entry.uid, entry.gid, entry.mtime), (4294967294, 3000000, -2));
    assert_eq!(entry.xattrs.get(b"user.x"), Some(&b"a\n12 b=c\0\xff"[..]));
    assert_eq!(entry.package.as_deref(), Some("größe"));
    assert_eq!(entries[1].0, Entry::new(RootPath::new(b"b").unwrap(), Kind::File { size: 7 }, 0o644));
}

#[test]
fn the_size_record_is_for_the_entry_and_not_for_headers_before_it() {
    let long = [b"n".repeat(120), b"\0".to_vec()].concat();
    let parts = [
        records(b'x', &[("size", b"3")]),
        member(b"@LongLink", b'L', &long),
        header(b"cut", b'0', 0, |_| ()),
        padded(b"abc"),
        file("b"),
    ];
    assert_eq!(paths(&parts), [format!("/{}", "n".repeat(120)), "/b".to_owned()]);
}

#[test]
fn global_records_hold_until_replaced() {
    let parts = [
        records(b'g', &[("uid", b"5"), ("mtime", b"7"), ("comment", b"x")]),
        file("a"),
        records(b'g', &[("uid", b"6")]),
        file("b"),
        records(b'x', &[("uid", b"9"), ("mtime", b"")]),
        file("c"),
        file("d"),
    ];
    let ids: Vec<_> = read(&parts).unwrap().iter().map(|(entry, _)| (entry.uid, entry.mtime)).collect();
    assert_eq!(ids, [(5, 7), (6, 7), (9, 0), (6, 7)]);
    assert_eq!(fault(&[records(b'g', &[("path", b"x")]), file("a")]), Fault::Global("path"));
}

#[test]
fn packages_share_their_name() {
    let package = |name: &[u8]| records(b'x', &[("CTRFORGE.package", name)]);
    let parts = [package(b"a"), file("1"), package(b"b"), file("2"), package(b"a"), file("3")];
    let entries = read(&parts).unwrap();
    let name = |i: usize| entries[i].0.package.clone().unwrap();
    assert!(Arc::ptr_eq(&name(0), &name(2)));
    assert_eq!(&*name(1), "b");
}

/// Type `S` with two parts in the header and one in a further block.
fn old_sparse() -> Vec<u8> {
    let part = |offset: u64, length: u64| format!("{offset:011o}\0{length:011o}\0").into_bytes();
    let head = header(b"sparse", b'S', 9, |h| {
        h.set_text(MAGIC, b"ustar ");
        h.set_text(263..265, b" \0");
        let map = [part(2, 2), part(600, 3), part(700, 0), part(800, 3)].concat();
        h.set_text(386..482, &map);
        h.0[482] = 1;
        h.set_text(483..495, format!("{:011o}\0", 1000).as_bytes());
    });
    [head, padded(&part(997, 1)), padded(b"aabbbcccd")].concat()
}

fn sparse_content() -> Vec<u8> {
    let mut content = vec![0; 1000];
    content[2..4].copy_from_slice(b"aa");
    content[600..603].copy_from_slice(b"bbb");
    content[800..803].copy_from_slice(b"ccc");
    content[997] = b'd';
    content
}

#[test]
fn sparse_files_of_every_form_are_filled_in() {
    let v00: &[(&str, &[u8])] = &[
        ("GNU.sparse.size", b"1000"),
        ("GNU.sparse.numblocks", b"4"),
        ("GNU.sparse.offset", b"2"),
        ("GNU.sparse.numbytes", b"2"),
        ("GNU.sparse.offset", b"600"),
        ("GNU.sparse.numbytes", b"3"),
        ("GNU.sparse.offset", b"800"),
        ("GNU.sparse.numbytes", b"3"),
        ("GNU.sparse.offset", b"997"),
        ("GNU.sparse.numbytes", b"1"),
    ];
    let v01: &[(&str, &[u8])] = &[
        ("GNU.sparse.name", b"sparse"),
        ("GNU.sparse.size", b"1000"),
        ("GNU.sparse.numblocks", b"4"),
        ("GNU.sparse.map", b"2,2,600,3,800,3,997,1"),
    ];
    let v10: &[(&str, &[u8])] = &[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"sparse"),
        ("GNU.sparse.realsize", b"1000"),
    ];
    let data = b"aabbbcccd";
    let map = b"4\n2\n2\n600\n3\n800\n3\n997\n1\n";
    let leading = [padded(map), data.to_vec()].concat();
    for part in [
        old_sparse(),
        [records(b'x', v00), member(b"sparse", b'0', data)].concat(),
        [records(b'x', v01), member(b"GNUSparseFile.1/x", b'0', data)].concat(),
        [records(b'x', v10), member(b"GNUSparseFile.1/x", b'0', &leading)].concat(),
    ] {
        let entries = read(&[part, file("after")]).unwrap();
        assert_eq!(entries[0].0.path.to_string(), "/sparse");
        assert!(entries[0].1 == sparse_content());
        assert_eq!(entries[1].0.path.to_string(), "/after");
    }
}

#[test]
fn sparse_files_can_be_skipped_in_the_middle() {
    let data = archive(&[old_sparse(), file("after")]);
    for taken in [0, 1, 3, 601, 999, 1000] {
        let mut reader = Reader::new(&data[..]);
        reader.next_entry().unwrap();
        reader.read_exact(&mut vec![0; taken]).unwrap();
        assert_eq!(reader.next_entry().unwrap().unwrap().path.to_string(), "/after");
    }
}

#[test]
fn huge_maps_are_not_believed() {
    let pairs: &[(&str, &[u8])] =
        &[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"9")];
    let leading = |map: &[u8]| [records(b'x', pairs), member(b"a", b'0', map)].concat();
    let many = "1\n".repeat(700 * 1024);
    assert!(matches!(fault(&[leading(b"18446744073709551615\n0\n0\n")]), Fault::Sparse(_)));
    assert!(matches!(fault(&[leading(b"99999999999999999999999\n")]), Fault::Sparse(_)));
    let long = format!("999999999\n{many}");
    assert_eq!(fault(&[leading(long.as_bytes())]), Fault::ExtensionTooLong(1 << 20));
}

#[test]
fn links_and_directories_with_a_size_keep_in_step() {
    let sized = |typeflag, size| header(b"b", typeflag, size, |h| h.set_text(LINK, b"a"));
    for typeflag in *b"12356" {
        let without = [file("a"), sized(typeflag, 600), file("c")];
        assert_eq!(paths(&without), ["/a", "/b", "/c"], "old tars store nothing");
        let with = [file("a"), sized(typeflag, 600), padded(&[b'x'; 600]), file("c")];
        assert_eq!(paths(&with), ["/a", "/b", "/c"], "pax -o linkdata does");
        let last = [file("a"), sized(typeflag, 600)];
        assert_eq!(paths(&last), ["/a", "/b"]);
    }
}

#[test]
fn what_no_root_can_have_is_skipped_with_a_warning() {
    let data = archive(&[
        member(b"label", b'V', b""),
        member(b"socket\n", b's', b"data"),
        records(b'x', &[("size", b"3")]),
        header(b"acl", b'A', 0, |_| ()),
        padded(b"abc"),
        records(b'x', &[("SCHILY.acl.access", b"user::rw-")]),
        file("a"),
    ]);
    let mut reader = Reader::new(&data[..]);
    assert_eq!(reader.next_entry().unwrap().unwrap().path.to_string(), "/a");
    let warnings: Vec<_> = reader.take_warnings().iter().map(Warning::to_string).collect();
    assert_eq!(
        warnings,
        [
            "entry \"socket\\n\" skipped: its type \"s\" is unknown",
            "entry \"acl\" skipped: its type \"A\" is unknown",
            "entry \"a\": its access control list is dropped",
        ]
    );
    assert!(reader.take_warnings().is_empty());
}

#[test]
fn warnings_are_bounded() {
    let data = archive(&[member(b"s", b's', b"").repeat(MAX_WARNINGS + 5)]);
    let mut reader = Reader::new(&data[..]);
    assert!(reader.next_entry().unwrap().is_none());
    let warnings = reader.take_warnings();
    assert_eq!((warnings.len(), warnings.last()), (MAX_WARNINGS + 1, Some(&Warning::More(5))));
}
