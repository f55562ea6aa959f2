//! Package files, genuine, built by hand, and broken.

use std::io::{Cursor, Read};

use proptest::prelude::*;

use super::*;

/// A member of an `ar` archive.
fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", content.len());
    let padding: &[u8] = if content.len() % 2 == 1 { b"\n" } else { b"" };
    [header.as_bytes(), content, padding].concat()
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let members = members.iter().flat_map(|(name, content)| member(name, content));
    GLOBAL.iter().copied().chain(members).collect()
}

/// An entry of a tar archive, as a hostile packer may write it.
pub(crate) fn tar_entry(name: &str, kind: u8, mode: u32, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", content.len()));
    put(136, "00000000011");
    put(148, "        ");
    put(157, link);
    put(257, "ustar");
    put(263, "00");
    header[156] = kind;
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut entry = [header.as_slice(), content].concat();
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

pub(crate) fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

/// A package of these control files and this tar.
pub(crate) fn deb(control: &[(&str, &str)], data: &[u8]) -> Vec<u8> {
    let entries: Vec<_> = control
        .iter()
        .map(|(name, content)| tar_entry(&format!("./{name}"), b'0', 0o644, "", content.as_bytes()))
        .collect();
    ar(&[("debian-binary", b"2.0\n"), ("control.tar", &tar(&entries)), ("data.tar", data)])
}

fn open(bytes: &[u8]) -> Result<Deb<Cursor<&[u8]>>, DebError> {
    Deb::open(Cursor::new(bytes), "a.deb")
}

fn refusal<T>(result: Result<T, DebError>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn a_genuine_package() {
    let bytes = include_bytes!("../../testdata/usr-is-merged.deb");
    let mut deb = open(bytes).unwrap();
    let control = deb.control().unwrap();
    let names: Vec<_> = control.iter().map(|(name, file)| (name, file.mode)).collect();
    assert_eq!(names, [("control", 0o644), ("md5sums", 0o644), ("postinst", 0o755), ("preinst", 0o755)]);
    assert!(control.description().starts_with(b"Package: usr-is-merged\n"));
    let mut data = Vec::new();
    deb.data().unwrap().read_to_end(&mut data).unwrap();
    assert_eq!(data.len(), 10240);
}

#[test]
fn members_that_begin_with_an_underscore_are_passed_over() {
    let control = tar(&[tar_entry("control", b'0', 0o644, "", b"Package: a\n")]);
    let members: &[(&str, &[u8])] = &[
        ("debian-binary/", b"2.1\nmore\n"),
        ("_x", b"odd"),
        ("control.tar/", &control),
        ("_y", b""),
        ("data.tar", b"data"),
        ("anything", b"behind"),
    ];
    let bytes = ar(members);
    let mut deb = open(&bytes).unwrap();
    assert_eq!(deb.control().unwrap().description(), b"Package: a\n");
}

#[test]
fn broken_archives_are_refused() {
    let version: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    let long = [b"!<arch>\n", member("data.tar", b"data").as_slice()].concat();
    let mut size = ar(&[version, ("control.tar", b"1234")]);
    let at = size.len() - 4 - 12;
    size[at..at + 4].copy_from_slice(b"1e5 ");
    for (bytes, message) in [
        (b"PK".to_vec(), "a.deb is no Debian package: it does not begin as an ar archive"),
        (GLOBAL.to_vec(), "a.deb has no member debian-binary"),
        (long, "a.deb has a member data.tar where debian-binary belongs"),
        (ar(&[("debian-binary", b"3.0\n")]), "a.deb is a package of format \"3.0\", not 2.x"),
        (ar(&[("debian-binary", b"2.0")]), "a.deb is a package of format \"2.0\", not 2.x"),
        (ar(&[version, ("data.tar", b"")]), "a.deb has a member data.tar where control.tar belongs"),
        (ar(&[version, ("control.tar", b"")]), "a.deb has no member data.tar"),
        (
            ar(&[version, ("/12", b"")]),
            "a.deb is broken: the header at byte 72 has a name that no package has",
        ),
        (
            ar(&[version, ("#1/12", b"")]),
            "a.deb is broken: the header at byte 72 has a name that no package has",
        ),
        (size, "a.deb is broken: the header at byte 72 has a size that is no number"),
    ] {
        assert_eq!(refusal(open(&bytes)), message);
    }
}

#[test]
fn cut_anywhere_it_is_refused() {
    let whole = deb(&[("control", "Package: a\n")], &tar(&[tar_entry("./x", b'0', 0o644, "", b"x")]));
    for length in 0..whole.len() {
        let result = open(&whole[..length]).and_then(|mut deb| deb.control());
        assert!(result.is_err(), "{length} of {} bytes", whole.len());
    }
    assert!(open(&whole).is_ok());
}

#[test]
fn compressions_are_those_that_names_tell() {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".as_slice();
    for (name, data, message) in [
        ("data.tar.lzma", gzip, "a.deb: data.tar.lzma is compressed in a way that is not supported here"),
        ("data.tar.xz", gzip, "a.deb: data.tar.xz is not what its name says: its compression is gzip"),
        ("data.tar", gzip, "a.deb: data.tar is not what its name says: its compression is gzip"),
    ] {
        let bytes = ar(&[("debian-binary", b"2.0\n"), ("control.tar.bz2", b""), (name, data)]);
        assert_eq!(refusal(open(&bytes).unwrap().data()), message);
        let message = "a.deb: control.tar.bz2 is compressed in a way that is not supported here";
        assert_eq!(refusal(open(&bytes).unwrap().control()), message);
    }
}

fn control_of(entries: &[Vec<u8>]) -> Result<Control, DebError> {
    open(&ar(&[("debian-binary", b"2.0\n"), ("control.tar", &tar(entries)), ("data.tar", b"")]))?.control()
}

#[test]
fn control_files_are_files() {
    let file = |name| tar_entry(name, b'0', 0o755, "", b"x");
    let control = control_of(&[
        tar_entry("./", b'5', 0o755, "", b""),
        file("./control"),
        tar_entry("./prerm", b'1', 0o755, "./control", b""),
        file("./other.list"),
    ]);
    let control = control.unwrap();
    let names: Vec<_> = control.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["control", "prerm"], "a dot could name another package's file");
    for (entry, message) in [
        (tar_entry("x", b'2', 0, "/etc/passwd", b""), "has /x, which is no file"),
        (tar_entry("d/", b'5', 0, "", b""), "has /d, which is no file"),
        (tar_entry("x", b'1', 0, "y", b""), "links /x to /y, which is not there"),
        (file("control"), "has /control twice"),
    ] {
        let result = control_of(&[file("control"), entry]);
        assert_eq!(refusal(result), format!("a.deb: control.tar {message}"));
    }
    assert_eq!(refusal(control_of(&[])), "a.deb: control.tar has no file control");
    assert!(control_of(&[file("../control")]).is_err());
}

#[test]
fn control_files_are_bounded() {
    let large = vec![0; 9 << 20];
    let one = tar_entry("control", b'0', 0o644, "", &large);
    assert!(control_of(std::slice::from_ref(&one)).is_ok());
    let two = [one.clone(), tar_entry("x", b'0', 0o644, "", &large)];
    assert!(control_of(&two).is_err());
    let linked = [one, tar_entry("x", b'1', 0o644, "control", b"")];
    assert_eq!(refusal(control_of(&linked)), "a.deb: control.tar has files of more than 16777216 bytes");
}

/// Reads all of a package that there is to read.
fn read_all(bytes: &[u8]) -> Result<(Control, Vec<u8>), DebError> {
    let mut deb = open(bytes)?;
    let control = deb.control()?;
    let mut data = Vec::new();
    // What breaks off in the middle of the data is told by whoever reads it as a tar.
    let _ = deb.data()?.take(1 << 20).read_to_end(&mut data);
    Ok((control, data))
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = read_all(&bytes);
    }

    #[test]
    fn a_damaged_package_is_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = include_bytes!("../../testdata/usr-is-merged.deb").to_vec();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let _ = read_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = read_all(&bytes);
    }

    #[test]
    fn what_was_packed_is_found(
        description in "[ -~]{0,200}",
        data in prop::collection::vec(any::<u8>(), 0..512),
    ) {
        // A data member that happens to look compressed is another matter.
        let data = [&[0][..], &data].concat();
        let (control, found) = read_all(&deb(&[("control", &description)], &data)).unwrap();
        prop_assert_eq!(control.description(), description.as_bytes());
        prop_assert_eq!(found, data);
    }
}
