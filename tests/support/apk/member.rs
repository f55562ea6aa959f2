//! What a package's data is made of, and how members are compressed.

use std::io::Read;

use crate::archive::{Member, record};
use crate::compression::Compression;
use crate::debian::Hash;

use super::DATE;

/// Where the names of owner and group are in a header.
const USER: usize = 265;
const GROUP: usize = 297;

/// A member of the data with what PAX says of it.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Without a slash at its end.
    pub(super) path: String,
    mode: u32,
    member: Member,
    /// SHA-1 in hexadecimal.
    pub(super) checksum: Option<String>,
    /// Further records.
    pub(super) records: String,
}

impl Item {
    pub(super) fn file(path: &str, content: &[u8], mode: u32) -> Self {
        let sum = Hash::Sha1.of(content);
        Self::new(path, Member::file(path, content), mode, Some(sum))
    }

    pub(super) fn directory(path: &str, mode: u32) -> Self {
        Self::new(path, Member::new(format!("{path}/"), b'5'), mode, None)
    }

    /// What a link leads to is its content.
    pub(super) fn symlink(path: &str, target: &str) -> Self {
        let sum = Hash::Sha1.of(target.as_bytes());
        Self::new(path, Member::link(path, b'2', target), 0o777, Some(sum))
    }

    /// A further name for this file, of the same mode.
    pub(super) fn hardlink(&self, path: &str) -> Self {
        Self::new(path, Member::link(path, b'1', &self.path), self.mode, None)
    }

    fn new(path: &str, mut member: Member, mode: u32, checksum: Option<String>) -> Self {
        member.set(100, format!("{mode:07o}\0").as_bytes()).set(136, format!("{DATE:011o}\0").as_bytes());
        member.set(USER, b"root").set(GROUP, b"root");
        Self { path: path.into(), mode, member, checksum, records: String::new() }
    }

    pub(super) fn owner(&mut self, (uid, user): (u32, &str), (gid, group): (u32, &str)) {
        let number = |id| format!("{id:07o}\0").into_bytes();
        self.member.set(108, &number(uid)).set(116, &number(gid));
        self.member.set(USER, format!("{user:\0<32}").as_bytes());
        self.member.set(GROUP, format!("{group:\0<32}").as_bytes());
    }

    /// As it stands among files.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let sum = self.checksum.iter().map(|sum| record("APK-TOOLS.checksum.SHA1", sum));
        let records: String = sum.chain([self.records.clone()]).collect();
        match records.is_empty() {
            true => self.plain_bytes(),
            false => [Member::extended(b'x', records).bytes(), self.plain_bytes()].concat(),
        }
    }

    /// Without what PAX says of it.
    pub(super) fn plain_bytes(&self) -> Vec<u8> {
        self.member.bytes()
    }
}

/// A gzip member of these bytes.
pub fn gzip(content: impl Read) -> Vec<u8> {
    Compression::Gzip.encode(content)
}
