//! One object of a root filesystem: its path, kind and attributes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::RootPath;

/// One object of a root filesystem, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies in the root.
    pub path: RootPath,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky: `0o7777` at most.
    pub mode: u16,
    /// Numeric owner. Linux knows no wider one, so a wider one in an archive is an error.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time in whole seconds since 1970; negative before that.
    pub mtime: i64,
    /// Extended attributes, by full name (`security.capability`, `user.x`).
    pub xattrs: Xattrs,
    /// The package that brought it; travels as PAX key `CTRFORGE.package` and
    /// is left out of every finished layer.
    pub package: Option<Arc<str>>,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file with this many bytes of content.
    File {
        /// Content length in bytes, holes of a sparse file included.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link and its target, which may point anywhere: it is
    /// followed only inside a running container.
    Symlink(Box<[u8]>),
    /// A further name for the file at this path of the same stream.
    HardLink(RootPath),
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
}

/// The number of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Selects the driver; 12 bits on Linux.
    pub major: u32,
    /// Selects the device; 20 bits on Linux.
    pub minor: u32,
}

impl Kind {
    /// Bytes of content that follow the entry in a stream: 0 but for files.
    pub fn size(&self) -> u64 {
        match self {
            Kind::File { size } => *size,
            _ => 0,
        }
    }
}

impl Entry {
    /// An entry owned by root, dated 1970, without extended attributes.
    pub fn new(path: RootPath, kind: Kind, mode: u16) -> Self {
        Self { path, kind, mode, uid: 0, gid: 0, mtime: 0, xattrs: Xattrs::default(), package: None }
    }

    /// A directory `0755` owned by root, as made for a parent nobody described.
    pub fn directory(path: RootPath) -> Self {
        Self::new(path, Kind::Directory, 0o755)
    }
}

/// Extended attributes of an entry, sorted by name.
///
/// One word wide while empty, as nearly all are: a tree may hold millions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::box_collection, reason = "one word in each of a million entries, not three")]
pub struct Xattrs(Option<Box<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl Xattrs {
    /// Sets `name` (with its namespace: `user.x`) to `value`; an earlier value is replaced.
    pub fn insert(&mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.get_or_insert_default().insert(name.into(), value.into());
    }

    /// The value of `name`.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.as_ref()?.get(name).map(Vec::as_slice)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().flat_map(|map| map.iter()).map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|map| map.is_empty())
    }
}
