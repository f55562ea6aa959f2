//! What a name in the tree stands for.
//!
//! As in a file system, names and what they name are two things: hard links
//! are names that share one [`Inode`], which is gone when its last name is.

use std::sync::Arc;

use super::TOUCHED;
use crate::{Device, Entry, HostFile, Kind, RootPath, Xattrs};

/// An object of the tree without its names. 72 bytes: there may be millions.
#[derive(Debug)]
pub(super) struct Inode {
    pub(super) object: Object,
    mode: u16,
    uid: u32,
    gid: u32,
    pub(super) mtime: i64,
    xattrs: Xattrs,
    package: Option<Arc<str>>,
}

#[derive(Debug)]
pub(super) enum Object {
    /// A file whose content is in the spool.
    Spooled {
        offset: u64,
        size: u64,
    },
    /// A file whose content is still on the host.
    OnHost(Box<HostFile>),
    Directory,
    Symlink(Box<[u8]>),
    CharDevice(Device),
    BlockDevice(Device),
    Fifo,
    /// A hard link to what has not come yet.
    Awaited(RootPath),
}

impl Inode {
    /// An object with the attributes of `entry`, and its path.
    pub(super) fn new(entry: Entry, object: Object) -> (RootPath, Self) {
        let Entry { path, kind: _, mode, uid, gid, mtime, xattrs, package } = entry;
        (path, Self { object, mode, uid, gid, mtime, xattrs, package })
    }

    /// A directory nobody described.
    pub(super) fn made() -> Self {
        let made = Entry { mtime: TOUCHED, ..Entry::directory(RootPath::root()) };
        Self::new(made, Object::Directory).1
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.object, Object::Directory)
    }

    pub(super) fn link_target(&self) -> Option<&[u8]> {
        match &self.object {
            Object::Symlink(target) => Some(target),
            _ => None,
        }
    }

    /// With its article, for messages.
    pub(super) fn what(&self) -> &'static str {
        match self.object {
            Object::Spooled { .. } | Object::OnHost(_) => "a file",
            Object::Directory => "a directory",
            Object::Symlink(_) => "a symbolic link",
            Object::CharDevice(_) => "a character device",
            Object::BlockDevice(_) => "a block device",
            Object::Fifo => "a named pipe",
            Object::Awaited(_) => "a hard link",
        }
    }

    fn kind(&self) -> Kind {
        match &self.object {
            Object::Spooled { size, .. } => Kind::File { size: *size },
            Object::OnHost(file) => Kind::File { size: file.size() },
            Object::Directory => Kind::Directory,
            Object::Symlink(target) => Kind::Symlink(target.clone()),
            Object::CharDevice(device) => Kind::CharDevice(*device),
            Object::BlockDevice(device) => Kind::BlockDevice(*device),
            Object::Fifo => Kind::Fifo,
            Object::Awaited(target) => Kind::HardLink(target.clone()),
        }
    }

    /// The entry that gives this object the name `path`: a hard link to
    /// `first` if the object has that name already. No date is later than `latest`.
    pub(super) fn entry(&self, path: RootPath, first: Option<RootPath>, latest: i64) -> Entry {
        Entry {
            path,
            kind: first.map_or_else(|| self.kind(), Kind::HardLink),
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime.min(latest),
            xattrs: self.xattrs.clone(),
            package: self.package.clone(),
        }
    }
}
