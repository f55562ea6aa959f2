use super::super::Rpm;
use super::super::testing::{TestFile, TestPackage, Value};
use super::*;

fn files(package: &TestPackage) -> Result<Vec<FileInfo>, FilesError> {
    Rpm::open(package.file()).unwrap().files()
}

fn two() -> TestPackage {
    TestPackage::new("test", vec![TestFile::file("/etc/a", "1"), TestFile::file("/usr/b", "2")])
}

/// What becomes of two files if this tag has this value.
fn refused(tag: u32, value: Value) -> String {
    files(&two().with(tag, value)).unwrap_err().to_string()
}

#[test]
fn a_file_has_all_that_its_header_says() {
    let package = TestPackage::new(
        "test",
        vec![
            TestFile {
                caps: "cap_chown=p".into(),
                langs: "de|fr".into(),
                ..TestFile::file("/a b", "content")
            }
            .owned("ann", "users")
            .flagged(3)
            .colored(2),
            TestFile::link("/etc/l", "../a b"),
            TestFile { rdev: 0x0103, ..TestFile::new("/dev/null", 0o020_666, "") },
        ],
    );
    let files = files(&package).unwrap();
    let first = &files[0];
    assert_eq!((first.path.as_bytes(), first.mode, first.size), (&b"a b"[..], 0o100_644, 7));
    assert_eq!(
        (&*first.user, &*first.group, &*first.caps),
        (&b"ann"[..], &b"users"[..], &b"cap_chown=p"[..])
    );
    assert_eq!((&*first.langs, first.color, first.mtime), (&b"de|fr"[..], 2, 1_700_000_000));
    assert!(first.flags.has(FileFlags::CONFIG) && first.flags.has(FileFlags::DOC) && !first.is_ghost());
    assert_eq!(first.digest.as_ref().unwrap().algorithm, Algorithm::Sha256);
    assert_eq!((files[1].kind(), &*files[1].target), (Some(FileKind::Symlink), &b"../a b"[..]));
    assert_eq!((files[2].kind(), files[2].rdev), (Some(FileKind::CharDevice), 0x0103));
}

#[test]
fn a_package_without_files_has_none() {
    assert_eq!(files(&TestPackage::new("empty", Vec::new())).unwrap(), []);
}

#[test]
fn the_root_can_be_a_packages() {
    let found = files(&TestPackage::new("filesystem", vec![TestFile::directory("/")])).unwrap();
    assert!(found[0].path.is_root());
}

#[test]
fn lists_of_different_lengths_are_told_by_name() {
    assert_eq!(refused(tag::FILEMODES, Value::Int16(vec![1])), "FILEMODES has 1 values for 2 files");
    assert_eq!(refused(tag::FILEMODES, Value::text("x")), "FILEMODES has 1 values for 2 files");
    let owners = Value::texts(&["root", "root", "root"]);
    assert_eq!(refused(tag::FILEUSERNAME, owners), "FILEUSERNAME has 3 values for 2 files");
    assert_eq!(refused(tag::FILELANGS, Value::texts(&[""])), "FILELANGS has 1 values for 2 files");
    assert_eq!(refused(tag::LONGFILESIZES, Value::Int64(vec![1])), "LONGFILESIZES has 1 values for 2 files");
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    assert_eq!(refused(tag::DIRINDEXES, Value::Int32(vec![0, 2])), "b is in directory number 2 of 2");
    assert_eq!(refused(tag::DIRNAMES, Value::texts(&["etc/", "/usr/"])), "the directory etc/ is relative");
    assert_eq!(refused(tag::BASENAMES, Value::texts(&["a", "x/y"])), "x/y is no name of a file");
    assert_eq!(
        refused(tag::BASENAMES, Value::texts(&["a", ".."])),
        "/usr/.. contains \"..\", which could leave the root"
    );
    assert!(refused(tag::DIRNAMES, Value::texts(&["/etc/", "/a/../../"])).contains("leave the root"));
    let twice = two().with(tag::DIRINDEXES, Value::Int32(vec![0, 0]));
    let twice = twice.with(tag::BASENAMES, Value::texts(&["a", "a"]));
    assert_eq!(files(&twice).unwrap_err().to_string(), "/etc/a is there twice");
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let error = refused(tag::FILEMODES, Value::Int32(vec![0o100_644, 0x1_0000]));
    assert_eq!(error, "/usr/b has 65536 as its mode");
    assert!(refused(tag::FILEMODES, Value::Int16(vec![0, 0])).ends_with("no kind of file"));
    assert!(refused(tag::FILEDIGESTALGO, Value::Int32(vec![99])).contains("hash number 99"));
    assert!(refused(tag::FILEDIGESTS, Value::texts(&["ab", "cd"])).contains("SHA-256"));
    let link = TestPackage::new("test", vec![TestFile::link("/l", "x")]);
    let link = link.with(tag::FILESIZES, Value::Int32(vec![9]));
    let error = files(&link).unwrap_err().to_string();
    assert_eq!(error, "the link /l has a size of 9 and a target of 1 bytes");
}

#[test]
fn an_empty_file_may_have_zeros_for_a_digest() {
    let package = TestPackage::new("test", vec![TestFile::file("/a", "")]);
    for zeros in ["", "00000000000000000000000000000000"] {
        let package = package.clone().with(tag::FILEDIGESTS, Value::texts(&[zeros]));
        let found = files(&package.with(tag::FILEDIGESTALGO, Value::Int32(vec![1]))).unwrap();
        assert_eq!(found[0].digest.as_ref().unwrap().bytes[..2], [0xd4, 0x1d]);
    }
}

#[test]
fn a_ghost_may_be_of_no_kind() {
    let package = TestPackage::new("test", vec![TestFile::new("/run/x", 0, "").flagged(64)]);
    assert_eq!(files(&package).unwrap()[0].kind(), None);
}

#[test]
fn names_of_one_file_are_found() {
    let linked = |path: &str, inode| TestFile { inode, ..TestFile::file(path, "x") };
    let mut list = vec![linked("/a", 1), linked("/b", 2), linked("/c", 1), linked("/d", 0), linked("/e", 0)];
    list.push(linked("/g", 1).flagged(64));
    list.push(TestFile { inode: 2, ..TestFile::directory("/h") });
    let (set_of, sets) = hard_links(&files(&TestPackage::new("test", list)).unwrap());
    assert_eq!(sets, [[0, 2]]);
    assert_eq!(set_of, [Some(0), None, Some(0), None, None, None, None]);
}
