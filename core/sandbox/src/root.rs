//! Opening what is in the root, never anything outside.
//!
//! Scripts have run in it: any component of any path may be a link to anywhere. Every path is
//! resolved by the kernel as if the root were `/` (`openat2(2)`, `RESOLVE_IN_ROOT`), and what
//! is made or removed is so in a directory that was opened like that, by a single name.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ctr_forge_rootfs::RootPath;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How often a path is tried again that is renamed while it is resolved (`openat2(2)`, EAGAIN).
const TRIES: usize = 100;

/// The root's directory.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The working directory, which is the root's, as the mount namespace of this process has it.
pub(crate) fn working_directory() -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(c".", flags, Mode::empty())
}

impl Root {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Opens a path as a program in the root would see it.
    pub(crate) fn open(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if path.is_empty() { b"/" } else { path };
        for _ in 0..TRIES {
            match rustix::fs::openat2(&self.fd, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(Errno::AGAIN) => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    /// The directory that `path` names, opened for what is in it.
    pub(crate) fn directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The directory that holds what `path` names.
    pub(crate) fn parent_of(&self, path: &RootPath) -> Result<OwnedFd, Errno> {
        self.directory(path.parent().unwrap_or_default().as_bytes())
    }
}
