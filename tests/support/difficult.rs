//! A tree with all that has ever gone wrong in an image, made without root: as a tar.

use ctr_forge_rootfs::{Device, Entry, Kind, RootPath, Writer};

/// An object of the tree with its content.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it is.
    pub entry: Entry,
    /// Empty but for files.
    pub content: Vec<u8>,
}

/// A date that neither 33 bits nor an ext4 file system can hold: in the year 8307.
pub const FAR_FUTURE: i64 = 200_000_000_000;

/// The tree, in the order of its paths.
pub fn tree() -> Vec<Object> {
    let mut objects = vec![object("", Kind::Directory, 0o755)];
    objects.extend(modes_and_owners());
    objects.extend(names());
    objects.extend(special_files());
    objects.extend(links());
    objects.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
    for object in &mut objects {
        // Dates that all agree on, where a test is not about them.
        object.entry.mtime = if object.entry.mtime == 0 { 1_600_000_000 } else { object.entry.mtime };
    }
    objects
}

/// The tree as a tar.
pub fn tar() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for object in tree() {
        writer.entry(&object.entry, &mut &object.content[..]).unwrap();
    }
    writer.finish().unwrap()
}

fn object(path: impl AsRef<[u8]>, kind: Kind, mode: u16) -> Object {
    Object { entry: Entry::new(RootPath::new(path.as_ref()).unwrap(), kind, mode), content: Vec::new() }
}

fn file(path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Object {
    let content = content.as_ref().to_vec();
    Object { content: content.clone(), ..object(path, Kind::File { size: content.len() as u64 }, 0o644) }
}

fn with(mut object: Object, change: impl FnOnce(&mut Entry)) -> Object {
    change(&mut object.entry);
    object
}

fn modes_and_owners() -> Vec<Object> {
    let xattrs = |entry: &mut Entry| {
        entry.xattrs.insert("user.lines", "one\ntwo=2\0three\n");
        entry.xattrs.insert("user.empty", "");
        // cap_net_bind_service=ep, revision 2 of the format: full of NULs (linux/capability.h).
        entry.xattrs.insert("security.capability", [&[1, 0, 0, 2, 0, 4, 0, 0][..], &[0; 12]].concat());
    };
    vec![
        object("modes", Kind::Directory, 0o755),
        with(file("modes/setuid", "s"), |entry| entry.mode = 0o4755),
        with(file("modes/setgid", "g"), |entry| entry.mode = 0o2755),
        with(file("modes/all", "a"), |entry| entry.mode = 0o7777),
        with(file("modes/none", "n"), |entry| entry.mode = 0),
        object("modes/sticky", Kind::Directory, 0o1777),
        object("modes/setgid.d", Kind::Directory, 0o2755),
        object("modes/closed", Kind::Directory, 0),
        file("modes/closed/inside", "still there"),
        object("owners", Kind::Directory, 0o755),
        with(file("owners/wide", ""), |entry| (entry.uid, entry.gid) = (4_294_967_294, 4_294_967_294)),
        // One more than fits into the seven octal digits of a header.
        with(file("owners/octal", ""), |entry| (entry.uid, entry.gid) = (2_097_152, 2_097_152)),
        object("dates", Kind::Directory, 0o755),
        with(file("dates/before", ""), |entry| entry.mtime = -86_400),
        with(file("dates/wide", ""), |entry| entry.mtime = 1 << 33),
        with(file("dates/far", ""), |entry| entry.mtime = FAR_FUTURE),
        object("xattrs", Kind::Directory, 0o755),
        with(file("xattrs/file", "x"), xattrs),
        with(object("xattrs/directory", Kind::Directory, 0o755), |entry| {
            entry.xattrs.insert("user.of", "a directory");
        }),
    ]
}

fn names() -> Vec<Object> {
    let mut objects = vec![
        object("names", Kind::Directory, 0o755),
        file(format!("names/{}", "n".repeat(101)), "101"),
        file(format!("names/{}", "N".repeat(255)), "255"),
        file(b"names/\xff\xfe not utf-8 \x80", "bytes"),
        file([b"names/long \xff ".as_slice(), &[b'x'; 150]].concat(), "long bytes"),
        file("names/two\nlines", "newline"),
        file("names/ -rf *", "shell"),
        file("names/trailing ", "space"),
        file("names/...", "dots"),
        file("names/gr\u{f6}\u{df}e-\u{65e5}\u{672c}", "utf-8"),
        file("names/empty", ""),
        file("names/block", [7; 512]),
    ];
    // Beyond what ustar's two fields hold together, and what its second does alone.
    let mut path = "names".to_owned();
    for depth in 0..8 {
        path += &format!("/{depth}-{}", "deep".repeat(30));
        objects.push(object(&path, Kind::Directory, 0o755));
    }
    objects.push(file(format!("{path}/file"), "deep"));
    objects
}

fn special_files() -> Vec<Object> {
    let device = |major, minor| Device { major, minor };
    vec![
        object("dev", Kind::Directory, 0o755),
        object("dev/null", Kind::CharDevice(device(1, 3)), 0o666),
        object("dev/loop", Kind::BlockDevice(device(7, 0)), 0o660),
        object("dev/wide", Kind::CharDevice(device(4095, 1_048_575)), 0o600),
        object("dev/pipe", Kind::Fifo, 0o622),
    ]
}

fn links() -> Vec<Object> {
    let symlink = |path: &str, target: &[u8]| object(path, Kind::Symlink(target.into()), 0o777);
    let shared = with(file("links/a", "shared"), |entry| {
        (entry.uid, entry.mode) = (1000, 0o640);
        entry.xattrs.insert("user.shared", "yes");
    });
    let name = |path: &str| {
        let mut link = shared.clone();
        link.entry.path = RootPath::new(path.as_bytes()).unwrap();
        link.entry.kind = Kind::HardLink(shared.entry.path.clone());
        link.content.clear();
        link
    };
    vec![
        object("links", Kind::Directory, 0o755),
        name("links/b"),
        name("z/elsewhere"),
        object("z", Kind::Directory, 0o755),
        symlink("links/absolute", b"/etc/passwd"),
        symlink("links/dangling", b"nowhere/at/all"),
        symlink("links/up", b"../../../../../../etc"),
        symlink("links/itself", b"itself"),
        symlink("links/bytes", b"\xff\xfe"),
        symlink("links/long", "target/".repeat(140).as_bytes()),
        shared,
    ]
}
