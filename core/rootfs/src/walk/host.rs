//! Files that stay on the host until their bytes are wanted.
//!
//! Copying every file of a directory into a spool would double its bytes, so a
//! walk hands out [`HostFile`]s: where a file was and what it looked like. It
//! is opened when it is written out, beneath the directory the walk began in
//! and without following a link, and its reader fails unless the file is still,
//! and stays, the one that was seen.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;

use super::WalkError;
use super::stamp::{Seen, Stamp};
use crate::RootPath;

/// Never blocks on a pipe, never makes a terminal ours, never follows a link.
const OPEN: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The directory a walk began in, kept open: it is found again whatever is
/// renamed above it.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) fd: OwnedFd,
    /// What messages call it.
    pub(super) shown: PathBuf,
    pub(super) seen: Seen,
}

/// A directory of a walk, shared by the files in it.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) root: Arc<Root>,
    pub(super) path: RootPath,
}

impl Folder {
    /// How messages name `name` in this directory: by its path on the host.
    pub(super) fn shown(&self, name: &[u8]) -> PathBuf {
        let mut path = self.root.shown.clone();
        for part in self.path.components().chain([name]).filter(|part| !part.is_empty()) {
            path.push(std::ffi::OsStr::from_bytes(part));
        }
        path
    }

    /// Opens the directory; no component may be a link.
    ///
    /// One call does it (openat2(2), Linux 5.6) unless the kernel or a filter
    /// has none, or the path is too long for it. Then it is one component at a
    /// time.
    pub(super) fn open(&self) -> Result<OwnedFd, Errno> {
        if !self.path.is_root() {
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let path = self.path.as_bytes();
            match rustix::fs::openat2(&self.root.fd, path, OPEN | OFlags::DIRECTORY, Mode::empty(), resolve) {
                Ok(fd) => return Ok(fd),
                Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN | Errno::NAMETOOLONG) => {}
                Err(error) => return Err(error),
            }
        }
        let mut fd = open_directory(&self.root.fd, b".")?;
        for part in self.path.components() {
            fd = open_directory(&fd, part)?;
        }
        Ok(fd)
    }
}

/// Opens the directory `name` in `parent`.
pub(super) fn open_directory(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(parent, name, OPEN | OFlags::DIRECTORY, Mode::empty())
}

/// Opens the file `name` in `parent`, or whatever it has become since it was one.
pub(super) fn open_file(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(parent, name, OPEN, Mode::empty())
}

/// The attributes of `name` in `parent`; of `parent` itself if `name` is empty.
pub(super) fn stat(parent: impl AsFd, name: &[u8]) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    rustix::fs::statx(parent, name, flags, StatxFlags::BASIC_STATS)
}

/// The directory of the file that was opened last, held open for the next: in a
/// sequence that is sorted by path most files lie where the one before does.
#[derive(Debug, Default)]
pub(crate) struct LastFolder(Option<(Arc<Folder>, OwnedFd)>);

/// A regular file on the host, as a walk saw it.
#[derive(Debug, Clone)]
pub struct HostFile {
    pub(super) folder: Arc<Folder>,
    pub(super) name: Box<[u8]>,
    pub(super) stamp: Stamp,
}

impl HostFile {
    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.stamp.size
    }

    /// What stands for its content, if all that the walk saw changed last before this second since
    /// 1970, on file systems that note every change.
    pub(crate) fn settled_stamp(&self, before: i64) -> Option<[u64; 3]> {
        self.folder.root.seen.settled(&self.stamp, before)
    }

    /// Its path on the host, for messages.
    pub fn shown(&self) -> PathBuf {
        self.folder.shown(&self.name)
    }

    /// Opens it again for reading, in the directory that `last` holds if it is
    /// that file's; else `last` holds it afterwards.
    ///
    /// An error if it cannot be opened, or is not the file the walk saw or not
    /// in the state the walk saw.
    pub(crate) fn open(&self, last: &mut LastFolder) -> Result<HostReader, WalkError> {
        let held = last.0.take().filter(|(folder, _)| Arc::ptr_eq(folder, &self.folder));
        let fd = match held {
            Some((_, fd)) => fd,
            None => self.folder.open().map_err(|error| WalkError::io("open", self.shown(), error))?,
        };
        let reader = self.open_in(&fd);
        last.0 = Some((self.folder.clone(), fd));
        reader
    }

    pub(super) fn open_in(&self, folder: impl AsFd) -> Result<HostReader, WalkError> {
        let file =
            open_file(folder, &self.name).map_err(|error| WalkError::io("open", self.shown(), error))?;
        let reader = self.clone().read(file);
        reader.check()?;
        Ok(reader)
    }

    /// The bytes of this file, which `file` is.
    pub(super) fn read(self, file: OwnedFd) -> HostReader {
        HostReader { file: file.into(), left: self.size(), source: self }
    }
}

/// The bytes of a [`HostFile`]: exactly as many as the walk saw.
///
/// The last of them are given out only if the file has not changed since the
/// walk; so who has read all of them has read one state of the file.
#[derive(Debug)]
pub struct HostReader {
    file: File,
    left: u64,
    source: HostFile,
}

impl HostReader {
    /// The file this reads, to be opened again later.
    pub fn into_source(self) -> HostFile {
        self.source
    }

    pub(super) fn as_file(&self) -> &File {
        &self.file
    }

    fn check(&self) -> Result<(), WalkError> {
        let stat =
            stat(&self.file, b"").map_err(|error| WalkError::io("look at", self.source.shown(), error))?;
        match self.source.stamp == Stamp::of(&stat) {
            true => Ok(()),
            false => Err(WalkError::Changed { path: self.source.shown() }),
        }
    }
}

impl Read for HostReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = match self.file.read(&mut buffer[..wanted]) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let kind = error.kind();
                return Err(io::Error::new(kind, WalkError::io("read", self.source.shown(), error)));
            }
            result => result?,
        };
        if count == 0 {
            return Err(io::Error::other(WalkError::Changed { path: self.source.shown() }));
        }
        self.left -= count as u64;
        if self.left == 0 {
            self.check().map_err(io::Error::other)?;
        }
        Ok(count)
    }
}

/// Opens the directory a walk begins in; here, and only here, links are followed.
pub(super) fn open_root(path: &Path) -> Result<OwnedFd, WalkError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|error| WalkError::io("open", path.into(), error))
}
