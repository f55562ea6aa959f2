//! Walks of directories that are as odd as directories can be.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, Mode, XattrFlags, mknodat, setxattr};
use tempfile::TempDir;

use super::*;
use crate::{Duplicates, TOUCHED, Tree, TreeError, dump_entry};

const PLAIN: Walk = Walk { attributes: Attributes::Plain { mtime: 0 }, one_file_system: false };
const PRESERVE: Walk = Walk { attributes: Attributes::Preserve, one_file_system: false };

fn entries(root: &Path, options: &Walk) -> (Vec<Entry>, Vec<WalkWarning>) {
    let mut entries = Vec::new();
    let warnings = walk(root, options, &mut |entry, file| -> Result<(), WalkError> {
        assert_eq!(matches!(entry.kind, Kind::File { .. }), file.is_some(), "{entry:?}");
        entries.push(entry);
        Ok(())
    });
    (entries, warnings.unwrap())
}

fn listing(root: &Path, options: &Walk) -> Vec<String> {
    entries(root, options).0.iter().map(|entry| dump_entry(entry, None)).collect()
}

fn write(directory: &TempDir, name: &str, content: &str, mode: u32) {
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_difficult_directory() {
    let directory = TempDir::new().unwrap();
    let at = |name: &[u8]| directory.path().join(OsStr::from_bytes(name));
    write(&directory, "a-b", "1", 0o600);
    fs::create_dir(at(b"a")).unwrap();
    write(&directory, "a/run", "22", 0o4511);
    fs::write(at(b"\xff\n"), "").unwrap();
    fs::hard_link(at(b"a/run"), at(b"a/z")).unwrap();
    fs::hard_link(at(b"a/run"), at(b"b")).unwrap();
    symlink("loop", at(b"loop")).unwrap();
    symlink("/../../etc", at(b"out")).unwrap();
    fs::hard_link(at(b"out"), at(b"out2")).unwrap();
    mknodat(CWD, at(b"pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _socket = UnixListener::bind(at(b"socket")).unwrap();
    assert_eq!(
        listing(directory.path(), &PLAIN),
        [
            "/ d 755 0:0 - 0 - - -",
            "/a d 755 0:0 - 0 - - -",
            "/a/run f 755 0:0 2 0 - - -",
            "/a/z h 755 0:0 - 0 /a/run - -",
            "/a-b f 644 0:0 1 0 - - -",
            "/b h 755 0:0 - 0 /a/run - -",
            "/loop l 777 0:0 - 0 loop - -",
            "/out l 777 0:0 - 0 /../../etc - -",
            "/out2 h 777 0:0 - 0 /out - -",
            "/pipe p 644 0:0 - 0 - - -",
            "/\\xff\\x0a f 644 0:0 0 0 - - -",
        ]
    );
    let (_, warnings) = entries(directory.path(), &PLAIN);
    assert_eq!(warnings, [WalkWarning::Socket { path: at(b"socket") }]);
}

#[test]
fn what_is_preserved() {
    let directory = TempDir::new().unwrap();
    write(&directory, "x", "1", 0o4711);
    let path = directory.path().join("x");
    let supported = setxattr(&path, "user.x", b"\0v", XattrFlags::empty()).is_ok();
    let ((preserved, _), (plain, _)) =
        (entries(directory.path(), &PRESERVE), entries(directory.path(), &PLAIN));
    let (entry, there) = (&preserved[1], fs::metadata(&path).unwrap());
    assert_eq!((entry.uid, entry.gid, entry.mtime), (there.uid(), there.gid(), there.mtime()));
    assert_eq!(entry.mode, 0o4711);
    if supported {
        assert_eq!(entry.xattrs.get(b"user.x"), Some(&b"\0v"[..]));
        assert!(plain[1].xattrs.is_empty());
    }
}

#[test]
fn deeper_than_directories_are_held_open() {
    let directory = TempDir::new().unwrap();
    let mut path = directory.path().to_path_buf();
    for _ in 0..300 {
        path.push("d");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("e"), "").unwrap();
    }
    let (entries, _) = entries(directory.path(), &PLAIN);
    assert_eq!(entries.len(), 601);
    assert!(entries.is_sorted_by_key(|entry| entry.path.clone()));
    assert_eq!(entries[600].path.to_string(), "/d/e");
}

#[test]
fn a_directory_swapped_behind_the_walk_is_noticed() {
    for (by_link, message) in [(true, "cannot open"), (false, "changed while it was read")] {
        let directory = TempDir::new().unwrap();
        let swapped = directory.path().join("d");
        fs::create_dir_all(directory.path().join("d/".repeat(HELD_OPEN + 5))).unwrap();
        fs::write(swapped.join("e"), "").unwrap();
        let result = walk(directory.path(), &PLAIN, &mut |entry, _| -> Result<(), WalkError> {
            if entry.path.components().count() == HELD_OPEN + 5 {
                fs::rename(&swapped, directory.path().join("old")).unwrap();
                match by_link {
                    true => symlink("old", &swapped).unwrap(),
                    false => fs::create_dir(&swapped).unwrap(),
                }
            }
            Ok(())
        });
        let error = result.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    let directory = TempDir::new().unwrap();
    write(&directory, "log", "0123456789", 0o644);
    let path = directory.path().join("log");
    for change in [Some("more"), None] {
        let result = walk(directory.path(), &PLAIN, &mut |_, file| -> Result<(), TestError> {
            let Some(mut file) = file else { return Ok(()) };
            let mut half = [0; 5];
            file.read_exact(&mut half)?;
            let mut log = fs::OpenOptions::new().append(true).open(&path)?;
            match change {
                Some(text) => log.write_all(text.as_bytes())?,
                None => log.set_len(2)?,
            }
            file.read_to_end(&mut Vec::new())?;
            Ok(())
        });
        let error = result.unwrap_err().to_string();
        assert_eq!(error, format!("{path:?} changed while it was read"));
    }
}

/// A visitor's own error, as a caller would have one.
#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[test]
fn a_file_read_later_must_be_the_one_the_walk_saw() {
    let directory = TempDir::new().unwrap();
    write(&directory, "x", "abc", 0o644);
    write(&directory, "y", "abc", 0o644);
    let mut tree = Tree::new_in(directory.path(), Duplicates::Refuse).unwrap();
    let options = Walk { attributes: Attributes::Plain { mtime: TOUCHED }, ..PLAIN };
    tree.read_directory(directory.path(), &options, &mut || true).unwrap();
    let (x, y) = (RootPath::new(b"x").unwrap(), RootPath::new(b"y").unwrap());
    let mut content = String::new();
    tree.content(&x).unwrap().unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "abc");

    write(&directory, "x", "ABCD", 0o644);
    fs::remove_file(directory.path().join("y")).unwrap();
    symlink("x", directory.path().join("y")).unwrap();
    let error = tree.content(&x).unwrap_err();
    assert_eq!(error.to_string(), format!("{:?} changed while it was read", directory.path().join("x")));
    assert!(matches!(tree.content(&y), Err(TreeError::Walk(WalkError::Io { action: "open", .. }))));
}

#[test]
fn what_may_not_be_read_is_named() {
    let directory = TempDir::new().unwrap();
    write(&directory, "secret", "", 0o000);
    let result = walk(directory.path(), &PLAIN, &mut |_, _| -> Result<(), WalkError> { Ok(()) });
    // Root may read everything.
    if !rustix::process::geteuid().is_root() {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("secret") && error.contains("make it readable"), "{error}");
    }
    let nothing = directory.path().join("nothing");
    let result = walk(&nothing, &PLAIN, &mut |_, _| -> Result<(), WalkError> { Ok(()) });
    assert_eq!(result.unwrap_err().to_string(), format!("cannot open {nothing:?}"));
}

#[test]
fn a_directory_becomes_a_tree() {
    let directory = TempDir::new().unwrap();
    write(&directory, "b", "1", 0o600);
    fs::hard_link(directory.path().join("b"), directory.path().join("a")).unwrap();
    let _socket = UnixListener::bind(directory.path().join("s")).unwrap();
    let mut tree = Tree::new_in(directory.path(), Duplicates::Refuse).unwrap();
    tree.read_directory(directory.path(), &PLAIN, &mut || true).unwrap();
    tree.normalise(0).unwrap();
    let kinds: Vec<Kind> = tree.entries().map(|entry| entry.kind).collect();
    let a = RootPath::new(b"a").unwrap();
    assert_eq!(kinds, [Kind::Directory, Kind::File { size: 1 }, Kind::HardLink(a)]);
    assert_eq!(tree.take_warnings().len(), 1);
}
