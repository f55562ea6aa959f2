//! The bytes of the writer, and that the reader gets out what went in.

use std::io::Cursor;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{Reader, Xattrs};

fn path(name: impl AsRef<[u8]>) -> RootPath {
    RootPath::new(name.as_ref()).unwrap()
}

fn file(name: impl AsRef<[u8]>, size: u64) -> Entry {
    Entry::new(path(name), Kind::File { size }, 0o644)
}

fn content(entry: &Entry) -> impl Read {
    io::repeat(b'x').take(entry.kind.size())
}

fn write(entries: &[Entry]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for entry in entries {
        writer.entry(entry, &mut content(entry)).unwrap();
    }
    writer.finish().unwrap()
}

fn read(data: &[u8]) -> Vec<Entry> {
    let mut reader = Reader::new(data);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        assert_eq!(content, vec![b'x'; entry.kind.size() as usize]);
        entries.push(entry);
    }
    entries
}

fn unfit(entry: &Entry) -> Unfit {
    match Writer::new(Vec::new()).entry(entry, &mut io::empty()) {
        Err(WriteError::Unfit { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_entry_is_one_ustar_header() {
    let entry = Entry { uid: 0o1777777, gid: 5, mtime: 0o17, ..file("etc/hostname", 3) };
    let data = write(&[entry]);
    assert_eq!(data.len(), 4 * BLOCK);
    let text = |field: std::ops::Range<usize>| data[field].escape_ascii().to_string();
    assert_eq!(text(0..13), "etc/hostname\\x00");
    assert_eq!(text(100..124), "0000644\\x001777777\\x000000005\\x00");
    assert_eq!(text(124..148), "00000000003\\x0000000000017\\x00");
    assert_eq!(text(156..157), "0");
    assert_eq!(text(257..265), "ustar\\x0000");
    assert!(data[157..257].iter().chain(&data[265..512]).all(|&b| b == 0), "no link, owner name, device");
    assert_eq!(&data[512..1024], [&b"xxx"[..], &[0; 509]].concat());
    assert!(data[1024..].iter().all(|&b| b == 0));
}

#[test]
fn directories_end_in_a_slash_and_the_root_is_a_dot() {
    let data = write(&[Entry::directory(RootPath::root()), Entry::directory(path("a/b"))]);
    assert!(data.starts_with(b"./\0"));
    assert!(data[BLOCK..].starts_with(b"a/b/\0"));
}

#[test]
fn devices_alone_have_device_numbers() {
    let device = Device { major: 8, minor: 300 };
    let data = write(&[Entry::new(path("sda"), Kind::BlockDevice(device), 0o660)]);
    assert_eq!(&data[329..345], b"0000010\x000000454\0");
}

#[test]
fn records_come_only_where_needed_and_sorted() {
    let mut entry = Entry { uid: 4294967294, gid: 2097152, mtime: -1, ..file("a", 0) };
    entry.xattrs.insert("user.b", &b"line\nNUL\0"[..]);
    entry.xattrs.insert("security.capability", &b"\x01"[..]);
    entry.package = Some(Arc::from("coreutils"));
    let data = write(&[entry]);
    assert!(data.starts_with(b"././@PaxHeader\0"));
    let records = b"38 SCHILY.xattr.security.capability=\x01\n33 SCHILY.xattr.user.b=line\nNUL\0\n\
        15 gid=2097152\n12 mtime=-1\n18 uid=4294967294\n\0";
    assert!(data[BLOCK..].starts_with(records), "no package: {}", data[BLOCK..2 * BLOCK].escape_ascii());
    assert_eq!(&data[2 * BLOCK + 108..][..16], b"0000000\x000000000\0");
}

#[test]
fn names_are_split_where_ustar_can() {
    let component = "c".repeat(50);
    for (name, prefix) in [
        ("n".repeat(100), 0),
        (format!("{}/{component}", "d".repeat(60)), 60),
        (format!("{component}/{component}/{component}/{}", "n".repeat(100)), 152),
        (format!("{}/{}", "p".repeat(155), "n".repeat(100)), 155),
    ] {
        let data = write(&[file(&name, 0)]);
        assert_eq!(data.len(), 3 * BLOCK, "{name}");
        assert_eq!(data[345..500].iter().filter(|&&b| b != 0).count(), prefix, "{name}");
        assert_eq!(read(&data)[0].path, path(&name));
    }
    for name in [
        "n".repeat(101),
        format!("{}/n", "p".repeat(156)),
        format!("p/{}", "n".repeat(101)),
        "d/".repeat(150) + "n",
    ] {
        let data = write(&[file(&name, 0)]);
        assert!(data.starts_with(b"././@PaxHeader\0"), "{name}");
        assert_eq!(read(&data)[0].path, path(&name));
    }
    // With its slash, the name has 101 bytes.
    let directory = Entry::directory(path("d".repeat(100)));
    assert_eq!(read(&write(std::slice::from_ref(&directory))), [directory]);
}

#[test]
fn a_cut_name_does_not_look_like_a_directory() {
    let name = format!("{}/{}", "d".repeat(99), "n".repeat(200));
    let data = write(&[file(&name, 0)]);
    assert_eq!(data[2 * BLOCK + 98..][..2], *b"d\0");
}

#[test]
fn names_that_are_not_ascii_are_bytes() {
    for name in [&b"caf\xe9"[..], "größe".as_bytes()] {
        assert_eq!(write(&[file(name, 0)]).len(), 3 * BLOCK);
        let data = write(&[file(name.repeat(30), 0)]);
        let position = |text: &[u8]| data.windows(text.len()).position(|part| part == text).unwrap();
        assert!(position(b"21 hdrcharset=BINARY\n") < position(b" path="));
    }
}

#[test]
fn files_beyond_8_gib() {
    let size = 9 << 30;
    let mut writer = Writer::new(Vec::new());
    let error = writer.entry(&file("big", size), &mut io::empty()).unwrap_err();
    assert!(matches!(error, WriteError::Short { missing, .. } if missing == size), "{error}");
    writer.break_off().unwrap();
    let head = Head::new(&file("big", size), false).and_then(Head::into_bytes).unwrap();
    assert!(head[BLOCK..].starts_with(b"19 size=9663676416\n"));
    let entry = Reader::new(&head[..]).next_entry().unwrap().unwrap();
    assert_eq!(entry.kind.size(), size);
    assert_eq!(write(&[Entry { mtime: 0o77777777777, ..file("a", 0) }]).len(), 3 * BLOCK);
}

#[test]
fn what_no_archive_can_hold_is_refused_and_leaves_no_trace() {
    let with_xattr = |name: &str, length| {
        let mut entry = file("a", 0);
        entry.xattrs.insert(name, vec![0; length]);
        entry
    };
    let device = |major, minor| Entry::new(path("d"), Kind::CharDevice(Device { major, minor }), 0);
    let symlink = |target: &[u8]| Entry::new(path("l"), Kind::Symlink(target.into()), 0o777);
    for (entry, expected) in [
        (file("", 0), Unfit::Root),
        (Entry::new(path("l"), Kind::HardLink(RootPath::root()), 0), Unfit::Root),
        (symlink(b""), Unfit::Target),
        (symlink(b"a\0"), Unfit::Target),
        (symlink(&[b'a'; 4096]), Unfit::Target),
        (device(0x1000, 0), Unfit::Device),
        (device(0, 0x10_0000), Unfit::Device),
        (file("a", 1 << 63), Unfit::Size),
        (with_xattr("user.a=b", 1), Unfit::Attribute("user.a=b".to_owned())),
        (with_xattr("", 1), Unfit::Attribute(String::new())),
        (with_xattr("user.a", 1 << 20), Unfit::TooLong),
    ] {
        assert_eq!(unfit(&entry), expected);
    }
    let mut writer = Writer::new(Vec::new());
    writer.entry(&file("a", 1 << 63), &mut io::empty()).unwrap_err();
    writer.entry(&file("b", 0), &mut io::empty()).unwrap();
    assert_eq!(writer.finish().unwrap(), write(&[file("b", 0)]));
}

#[test]
fn content_must_be_as_long_as_it_says() {
    for (given, text) in [
        (999, "the content of /a is 1 bytes shorter than its size, 1000"),
        (1001, "the content of /a is longer than its size, 1000"),
    ] {
        let mut writer = Writer::new(Vec::new());
        let error = writer.entry(&file("a", 1000), &mut io::repeat(b'x').take(given)).unwrap_err();
        assert_eq!(error.to_string(), text);
        let error = writer.entry(&file("b", 0), &mut io::empty()).unwrap_err();
        assert!(matches!(error, WriteError::AfterError { .. }), "{error}");
        assert!(writer.finish().is_err());
    }
    let mut writer = Writer::new(Vec::new());
    assert!(writer.entry(&Entry::directory(path("d")), &mut &b"x"[..]).is_err(), "a directory has none");
}

#[test]
fn a_stream_broken_off_fails_every_reader() {
    let broken = |entries: &[u64], last: Option<u64>| {
        let mut data = Vec::new();
        let mut writer = Writer::new(&mut data);
        for &size in entries {
            writer.entry(&file("a", size), &mut io::repeat(b'x').take(size)).unwrap();
        }
        if let Some(given) = last {
            writer.entry(&file("b", 1000), &mut io::repeat(b'x').take(given)).unwrap_err();
        }
        writer.break_off().unwrap();
        data
    };
    for data in [
        broken(&[], None),
        broken(&[0, 700], None),
        broken(&[], Some(0)),
        broken(&[], Some(512)),
        broken(&[5], Some(999)),
        broken(&[5], Some(1001)),
    ] {
        let mut reader = Reader::new(&data[..]);
        let error = loop {
            match reader.next_entry() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("taken for complete"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("inside entry"), "{error}");
    }
}

#[test]
fn a_failing_stream_is_named() {
    let mut room = [0; 700];
    let mut writer = Writer::new(Cursor::new(&mut room[..]));
    let error = writer.entry(&file("a", 1000), &mut io::repeat(0).take(1000)).unwrap_err();
    assert_eq!(error.to_string(), "cannot write /a to the archive");
    assert!(writer.finish().is_err());
}

fn any_path() -> impl Strategy<Value = RootPath> {
    let name =
        prop::collection::vec(any::<u8>().prop_filter("slash or NUL", |b| !b"/\0".contains(b)), 1..120);
    let name = name.prop_filter("dots", |name| name != b"." && name != b"..");
    prop::collection::vec(name, 1..5).prop_map(|parts| path(parts.join(&b'/')))
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let device = || (0..=MAX_MAJOR, 0..=MAX_MINOR).prop_map(|(major, minor)| Device { major, minor });
    prop_oneof![
        (0..2000_u64).prop_map(|size| Kind::File { size }),
        Just(Kind::Directory),
        Just(Kind::Fifo),
        prop::collection::vec(1..=255_u8, 1..300).prop_map(|target| Kind::Symlink(target.into())),
        any_path().prop_map(Kind::HardLink),
        device().prop_map(Kind::CharDevice),
        device().prop_map(Kind::BlockDevice),
    ]
}

fn any_xattrs() -> impl Strategy<Value = Xattrs> {
    let value = prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::btree_map("[a-z]{1,8}\\.[^=\0]{1,9}", value, 0..3).prop_map(|map| {
        let mut xattrs = Xattrs::default();
        for (name, value) in map {
            xattrs.insert(name, value);
        }
        xattrs
    })
}

prop_compose! {
    fn any_entry()(
        path in any_path(),
        kind in any_kind(),
        mode in 0..=0o7777_u16,
        (uid, gid) in any::<(u32, u32)>(),
        mtime in prop_oneof![any::<i64>(), 0..2_000_000_000_i64],
        xattrs in any_xattrs(),
        package in prop::option::of("[^\0]{1,9}"),
    ) -> Entry {
        Entry { path, kind, mode, uid, gid, mtime, xattrs, package: package.map(Arc::from) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_written_is_read(entries in prop::collection::vec(any_entry(), 0..5)) {
        let mut writer = Writer::new(Vec::new()).with_packages();
        for entry in &entries {
            writer.entry(entry, &mut content(entry)).unwrap();
        }
        let data = writer.finish().unwrap();
        prop_assert_eq!(read(&data), entries.clone());

        let stripped = write(&entries);
        prop_assert_eq!(&stripped, &write(&entries), "same entries, same bytes");
        prop_assert!(read(&stripped).iter().all(|entry| entry.package.is_none()));
    }
}
