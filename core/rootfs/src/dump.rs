//! A tree as text, so that tests and people can compare trees line by line.
//!
//! One line for each entry, its columns separated by one space:
//!
//! ```text
//! PATH TYPE MODE UID:GID SIZE MTIME TARGET CONTENT PACKAGE [NAME=VALUE]...
//! /etc d 755 0:0 - 0 - - -
//! /etc/motd f 644 0:0 3 1700000000 - 98ea6e4f… base-files user.from=me
//! /etc/mtab l 777 0:0 - 0 ../proc/mounts - -
//! ```
//!
//! - TYPE: `f` file, `d` directory, `l` symbolic link, `h` hard link, `c` and
//!   `b` character and block device, `p` named pipe;
//! - MODE in octal, SIZE in bytes, MTIME in seconds since 1970;
//! - TARGET: of a link its target, of a device `MAJOR:MINOR`;
//! - CONTENT: SHA-256 in hexadecimal;
//! - then the extended attributes, sorted by name.
//!
//! `-` stands where there is nothing: also for the MTIME of what is [`TOUCHED`].
//! A column that would read `-` itself is `\x2d`, an empty one `\`. Bytes that
//! are not visible ASCII, and `\` and `=`, are `\xNN`.

use std::fmt::Write as _;
use std::io::Read;

use crate::{Digest, Entry, Hasher, Kind, TOUCHED, Tree, TreeError};

/// All entries of `tree`, one line each, in its order. Reads all content.
pub fn dump(tree: &Tree) -> Result<String, TreeError> {
    let mut text = String::new();
    for entry in tree.entries() {
        let content = match entry.kind {
            Kind::File { .. } => digest(tree, &entry)?,
            _ => None,
        };
        text.push_str(&dump_entry(&entry, content));
        text.push('\n');
    }
    Ok(text)
}

fn digest(tree: &Tree, entry: &Entry) -> Result<Option<Digest>, TreeError> {
    let Some(mut content) = tree.content(&entry.path)? else {
        return Ok(None);
    };
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 64 << 10]);
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(Some(hasher.finish())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(TreeError::Content { path: entry.path.clone(), source }),
        }
    }
}

/// The line of one entry, without its end; `content` is the digest of a file's content.
pub fn dump_entry(entry: &Entry, content: Option<Digest>) -> String {
    let path = escape(&[b"/", entry.path.as_bytes()].concat());
    let (letter, target) = describe(&entry.kind);
    let size = match entry.kind {
        Kind::File { size } => size.to_string(),
        _ => "-".into(),
    };
    let mtime = match entry.mtime {
        TOUCHED => "-".into(),
        mtime => mtime.to_string(),
    };
    let content = content.map_or("-".into(), |digest| digest.hex());
    let package = entry.package.as_ref().map_or("-".into(), |name| column(name.as_bytes()));
    let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
    let mut line =
        format!("{path} {letter} {mode:o} {uid}:{gid} {size} {mtime} {target} {content} {package}");
    for (name, value) in entry.xattrs.iter() {
        // Writing to a string cannot fail.
        _ = write!(line, " {}={}", escape(name), escape(value));
    }
    line
}

/// TYPE and TARGET.
fn describe(kind: &Kind) -> (char, String) {
    match kind {
        Kind::File { .. } => ('f', "-".into()),
        Kind::Directory => ('d', "-".into()),
        Kind::Symlink(target) => ('l', column(target)),
        Kind::HardLink(path) => ('h', escape(&[b"/", path.as_bytes()].concat())),
        Kind::CharDevice(device) => ('c', format!("{}:{}", device.major, device.minor)),
        Kind::BlockDevice(device) => ('b', format!("{}:{}", device.major, device.minor)),
        Kind::Fifo => ('p', "-".into()),
    }
}

fn column(bytes: &[u8]) -> String {
    match bytes {
        b"" => "\\".into(),
        b"-" => "\\x2d".into(),
        _ => escape(bytes),
    }
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' | b'=' => _ = write!(text, "\\x{byte:02x}"),
            b'!'..=b'~' => text.push(byte.into()),
            _ => _ = write!(text, "\\x{byte:02x}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, RootPath};

    fn line(name: &[u8], kind: Kind) -> String {
        dump_entry(&Entry::new(RootPath::new(name).unwrap(), kind, 0o644), None)
    }

    #[test]
    fn every_column() {
        let mut entry = Entry {
            uid: 1,
            gid: 2,
            mtime: -3,
            package: Some("base".into()),
            ..Entry::new(RootPath::new(b"bin/x").unwrap(), Kind::File { size: 3 }, 0o4755)
        };
        entry.xattrs.insert("user.b", "1 2");
        entry.xattrs.insert("user.a=", "");
        let hex = Digest::of(b"abc").hex();
        assert_eq!(
            dump_entry(&entry, Some(Digest::of(b"abc"))),
            format!("/bin/x f 4755 1:2 3 -3 - {hex} base user.a\\x3d= user.b=1\\x202")
        );
    }

    #[test]
    fn every_type() {
        let device = Device { major: 1, minor: 3 };
        assert_eq!(line(b"", Kind::Directory), "/ d 644 0:0 - 0 - - -");
        assert_eq!(line(b"l", Kind::Symlink(b"../a b".as_slice().into())), "/l l 644 0:0 - 0 ../a\\x20b - -");
        assert_eq!(line(b"h", Kind::HardLink(RootPath::new(b"l").unwrap())), "/h h 644 0:0 - 0 /l - -");
        assert_eq!(line(b"c", Kind::CharDevice(device)), "/c c 644 0:0 - 0 1:3 - -");
        assert_eq!(line(b"b", Kind::BlockDevice(device)), "/b b 644 0:0 - 0 1:3 - -");
        assert_eq!(line(b"p", Kind::Fifo), "/p p 644 0:0 - 0 - - -");
    }

    #[test]
    fn no_name_can_look_like_another_column() {
        let line = line(b"a\n\\ \xff", Kind::Symlink(b"-".as_slice().into()));
        assert_eq!(line, "/a\\x0a\\x5c\\x20\\xff l 644 0:0 - 0 \\x2d - -");
    }
}
