//! What is kept of a package for the database: its directories, its files, what they are.

use std::collections::HashMap;
use std::fmt::Write as _;

use ctr_forge_rootfs::{Entry, RootPath, Xattrs};
use sha1::{Digest as _, Sha1};

use super::Chosen;
use crate::apk::Control;
use crate::package::identity_of;

/// A package that is installed.
#[derive(Debug, Clone)]
pub struct Record {
    pub(crate) chosen: Chosen,
    pub(crate) control: Control,
    directories: Vec<Directory>,
    /// Where each directory is among those.
    places: HashMap<RootPath, usize>,
}

/// A directory that a package has, or has files in.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    pub(super) path: RootPath,
    pub(super) access: Access,
    pub(super) files: Vec<File>,
}

/// A file of a package.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) name: Box<[u8]>,
    pub(super) access: Access,
    /// SHA-1 of its content, or of a link's target; devices and pipes have none.
    pub(super) sum: Option<[u8; 20]>,
}

/// Who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u16,
    /// SHA-1 over the extended attributes, if there are any.
    pub(super) xattrs: Option<[u8; 20]>,
}

impl Access {
    pub(super) const DIRECTORY: Self = Self { uid: 0, gid: 0, mode: 0o755, xattrs: None };
    const FILE: Self = Self { uid: 0, gid: 0, mode: 0o644, xattrs: None };

    pub(super) fn of(entry: &Entry) -> Self {
        Self { uid: entry.uid, gid: entry.gid, mode: entry.mode, xattrs: xattr_sum(&entry.xattrs) }
    }

    /// A line of the database, but for what goes without saying.
    fn line(self, letter: char, default: Self, text: &mut String) {
        if self != default {
            let _ = write!(text, "{letter}:{}:{}:{:o}", self.uid, self.gid, self.mode);
            if let Some(sum) = &self.xattrs {
                let _ = write!(text, ":{}", identity_of(sum));
            }
            text.push('\n');
        }
    }
}

/// Over each name and value, sorted, with their lengths in front (`io.c` of apk-tools).
fn xattr_sum(xattrs: &Xattrs) -> Option<[u8; 20]> {
    if xattrs.is_empty() {
        return None;
    }
    let mut sum = Sha1::new();
    for part in xattrs.iter().flat_map(|(name, value)| [name, value]) {
        sum.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        sum.update(part);
    }
    Some(sum.finalize().into())
}

impl Record {
    pub(super) fn new(chosen: Chosen, control: Control) -> Self {
        Self { chosen, control, directories: Vec::new(), places: HashMap::new() }
    }

    /// What messages call it.
    pub(crate) fn title(&self) -> String {
        format!("{}-{}", self.chosen.name, self.chosen.version)
    }

    /// The directory at `path`, made if the package does not have it yet.
    pub(super) fn directory(&mut self, path: &RootPath) -> &mut Directory {
        let index = *self.places.entry(path.clone()).or_insert_with(|| {
            let (path, access) = (path.clone(), Access::DIRECTORY);
            self.directories.push(Directory { path, access, files: Vec::new() });
            self.directories.len() - 1
        });
        &mut self.directories[index]
    }

    /// The checksum of a file that the package has.
    pub(super) fn sum(&self, path: &RootPath) -> Option<Option<[u8; 20]>> {
        let parent = path.parent()?;
        let directory = &self.directories[*self.places.get(&parent)?];
        let file = directory.files.iter().rfind(|file| *file.name == *path.file_name())?;
        Some(file.sum)
    }

    /// Another package has this file now.
    pub(super) fn lose(&mut self, path: &RootPath) {
        let Some(parent) = path.parent() else { return };
        if let Some(&place) = self.places.get(&parent) {
            self.directories[place].files.retain(|file| *file.name != *path.file_name());
        }
    }

    /// The directories that it has.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &RootPath> {
        self.directories.iter().map(|directory| &directory.path)
    }

    /// Whether it has something at an absolute path, or below it.
    pub(crate) fn has(&self, path: &str) -> bool {
        let Ok(path) = RootPath::new(path.trim_start_matches('/').as_bytes()) else { return false };
        self.directories.iter().any(|directory| directory.path.starts_with(&path))
            || self.sum(&path).is_some()
    }

    /// Its lines in `installed` after its stanza (`database.c` of apk-tools), without what
    /// `is_left_out`.
    pub(super) fn lines(&self, is_left_out: impl Fn(&RootPath) -> bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for directory in &self.directories {
            let is_kept =
                |file: &&File| directory.path.join(&file.name).is_ok_and(|path| !is_left_out(&path));
            let files: Vec<&File> = directory.files.iter().filter(is_kept).collect();
            // A file that is brought back brings its directory.
            if files.is_empty() && is_left_out(&directory.path) {
                continue;
            }
            let mut text = String::new();
            directory.access.line('M', Access::DIRECTORY, &mut text);
            line(&mut bytes, b"F:", directory.path.as_bytes());
            bytes.extend(text.into_bytes());
            for file in files {
                let mut text = String::new();
                file.access.line('a', Access::FILE, &mut text);
                if let Some(sum) = &file.sum {
                    let _ = writeln!(text, "Z:{}", identity_of(sum));
                }
                line(&mut bytes, b"R:", &file.name);
                bytes.extend(text.into_bytes());
            }
        }
        bytes
    }
}

fn line(bytes: &mut Vec<u8>, letter: &[u8], value: &[u8]) {
    bytes.extend([letter, value, b"\n"].concat());
}
