//! What somebody's unpacker made of a tree, and what it should have made.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use ctr_forge_rootfs::{Device, Digest, Entry, Kind, RootPath, dump_entry};

use crate::difficult::Object;

/// One line for each path, root excluded: an entry as [`dump_entry`] writes it, and its number of names.
pub type Listing = BTreeMap<RootPath, String>;

/// What `objects` should look like on disk. `keeps` says which dates survive.
pub fn expected(objects: &[Object], keeps: fn(&Entry) -> bool) -> Listing {
    let find = |path: &RootPath| objects.iter().find(|object| object.entry.path == *path).unwrap();
    let file_of = |object: &Object| match &object.entry.kind {
        Kind::HardLink(target) => target.clone(),
        _ => object.entry.path.clone(),
    };
    let names = |file: &RootPath| objects.iter().filter(|other| file_of(other) == *file).count();
    let below_root = objects.iter().filter(|object| !object.entry.path.is_root());
    let line = |object: &Object| {
        let file = find(&file_of(object));
        let mut entry = Entry { path: object.entry.path.clone(), ..file.entry.clone() };
        if !keeps(&entry) {
            entry.mtime = 0;
        }
        let count = if entry.kind == Kind::Directory { 1 } else { names(&file.entry.path) };
        (entry.path.clone(), line_of(&entry, &file.content, count as u64))
    };
    below_root.map(line).collect()
}

/// What lies below `root`. Dates that `keeps` refuses are not looked at.
pub fn found(root: &Path, keeps: fn(&Entry) -> bool) -> Listing {
    let mut listing = Listing::new();
    visit(root, &RootPath::root(), keeps, &mut listing);
    listing
}

fn visit(root: &Path, folder: &RootPath, keeps: fn(&Entry) -> bool, listing: &mut Listing) {
    let place = |path: &RootPath| root.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
    for child in fs::read_dir(place(folder)).unwrap() {
        let path = folder.join(child.unwrap().file_name().as_bytes()).unwrap();
        let (mut entry, content, names) = look(&place(&path), path.clone());
        if !keeps(&entry) {
            entry.mtime = 0;
        }
        if entry.kind == Kind::Directory {
            visit(root, &path, keeps, listing);
        }
        listing.insert(path, line_of(&entry, &content, names));
    }
}

fn look(place: &Path, path: RootPath) -> (Entry, Vec<u8>, u64) {
    let metadata = fs::symlink_metadata(place).unwrap();
    let kind = metadata.file_type();
    let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    let mut content = Vec::new();
    let kind = if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Symlink(fs::read_link(place).unwrap().as_os_str().as_bytes().into())
    } else if kind.is_char_device() {
        Kind::CharDevice(Device { major, minor })
    } else if kind.is_block_device() {
        Kind::BlockDevice(Device { major, minor })
    } else if kind.is_fifo() {
        Kind::Fifo
    } else {
        content = fs::read(place).unwrap();
        Kind::File { size: metadata.len() }
    };
    let mut entry = Entry::new(path, kind, (metadata.mode() & 0o7777) as u16);
    (entry.uid, entry.gid, entry.mtime) = (metadata.uid(), metadata.gid(), metadata.mtime());
    read_xattrs(place, &mut entry);
    let names = if entry.kind == Kind::Directory { 1 } else { metadata.nlink() };
    (entry, content, names)
}

fn read_xattrs(place: &Path, entry: &mut Entry) {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(place, &mut names[..]).unwrap();
    for name in names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 65536];
        let length = rustix::fs::lgetxattr(place, name, &mut value[..]).unwrap();
        // A label is the host's own affair.
        if name != b"security.selinux" {
            entry.xattrs.insert(name, &value[..length]);
        }
    }
}

fn line_of(entry: &Entry, content: &[u8], names: u64) -> String {
    let digest = matches!(entry.kind, Kind::File { .. }).then(|| Digest::of(content));
    format!("{} [{names}]", dump_entry(entry, digest))
}

/// Panics with the lines that differ.
#[track_caller]
pub fn assert_same(what: &str, expected: &Listing, found: &Listing) {
    let differ = |a: &Listing, b: &Listing, sign: &str| -> String {
        a.iter()
            .filter(|(path, line)| b.get(path) != Some(line))
            .map(|(_, line)| format!("{sign} {line}\n"))
            .collect()
    };
    let report = differ(expected, found, "-") + &differ(found, expected, "+");
    assert!(report.is_empty(), "{what}:\n{report}");
}
