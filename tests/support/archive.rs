//! Tar archives made block by block, for those that no honest writer makes, and what is in one.

use std::io::Read;

use ctr_forge_rootfs::{Digest, Kind, Reader, dump_entry};

/// Length of a header, and what all content is padded to, in bytes.
pub const BLOCK: usize = 512;

/// A header that can say anything, with its content and a checksum that is right.
#[derive(Debug, Clone)]
pub struct Member {
    header: [u8; BLOCK],
    content: Vec<u8>,
}

impl Member {
    /// A member of this type: `b'0'` is a file, `b'5'` a directory.
    pub fn new(name: impl AsRef<[u8]>, typeflag: u8) -> Self {
        let mut member = Self { header: [0; BLOCK], content: Vec::new() };
        member.header[257..265].copy_from_slice(b"ustar\x0000");
        member.header[156] = typeflag;
        member.set(0, name.as_ref());
        member.set(100, b"0000644\0");
        member.set(108, b"0000000\0");
        member.set(116, b"0000000\0");
        member.claim(0).set(136, b"00000000000\0");
        member
    }

    /// A regular file.
    pub fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let mut member = Self::new(name, b'0');
        member.content = content.as_ref().to_vec();
        member.claim(member.content.len() as u64);
        member
    }

    /// A link: `b'1'` is a hard one, `b'2'` a symbolic one.
    pub fn link(name: impl AsRef<[u8]>, typeflag: u8, target: impl AsRef<[u8]>) -> Self {
        let mut member = Self::new(name, typeflag);
        member.set(157, target.as_ref());
        member
    }

    /// An extended header with these bytes: `b'x'` for the next member, `b'g'` for all that follow.
    pub fn extended(typeflag: u8, records: impl AsRef<[u8]>) -> Self {
        let mut member = Self::file("extended", records);
        member.header[156] = typeflag;
        member
    }

    /// Says that the content has this many bytes, whatever it has.
    pub fn claim(&mut self, size: u64) -> &mut Self {
        match format!("{size:011o}\0") {
            octal if octal.len() == 12 => self.set(124, octal.as_bytes()),
            // What needs more digits is written as GNU tar does, in base 256.
            _ => {
                self.set(124, &[0x80, 0, 0, 0]);
                self.set(128, &size.to_be_bytes())
            }
        }
    }

    /// Puts bytes at an offset of the header.
    pub fn set(&mut self, offset: usize, bytes: &[u8]) -> &mut Self {
        self.header[offset..][..bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Header, content and padding.
    pub fn bytes(&self) -> Vec<u8> {
        let mut header = self.header;
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut bytes = [&header, self.content.as_slice()].concat();
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }
}

/// A complete archive of these members.
pub fn archive(members: &[Member]) -> Vec<u8> {
    let mut bytes: Vec<u8> = members.iter().flat_map(Member::bytes).collect();
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

/// A PAX record with its length.
pub fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (rest..rest + 8).find(|length| length.to_string().len() + rest == *length).unwrap();
    format!("{length} {key}={value}\n")
}

/// The entries of an archive, one line each: see [`dump_entry`].
///
/// # Errors
///
/// If it is no archive that the host takes.
pub fn try_listing(archive: impl Read) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut reader = Reader::new(archive);
    let mut lines = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        reader.read_to_end(&mut content)?;
        let digest = matches!(entry.kind, Kind::File { .. }).then(|| Digest::of(&content));
        lines.push(dump_entry(&entry, digest));
    }
    Ok(lines)
}

/// As [`try_listing`], of an archive that must be good.
#[track_caller]
pub fn listing(archive: impl Read) -> Vec<String> {
    try_listing(archive).unwrap()
}

/// The content of the file at `path`, without its leading slash; `None` if there is none.
pub fn content(archive: impl Read, path: &str) -> Option<Vec<u8>> {
    let mut reader = Reader::new(archive);
    while let Some(entry) = reader.next_entry().unwrap() {
        if entry.path.as_bytes() == path.as_bytes() && matches!(entry.kind, Kind::File { .. }) {
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            return Some(content);
        }
    }
    None
}
