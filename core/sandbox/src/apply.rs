//! A tar stream into the root.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::{Entry, Kind, Reader, RootPath, TOUCHED};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, fchmod, fchown,
    fsetxattr, futimens, linkat, makedev, mkdirat, mknodat, openat, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::child::Held;
use crate::owners::{Owner, device};
use crate::root::Root;

/// Bytes read or written at a time.
const BUFFER: usize = 256 << 10;

/// Which package brought what, for the way out.
pub(crate) type Packages = HashMap<RootPath, Arc<str>>;

/// Takes in all entries of `tar`; returns how many those were.
pub(crate) fn apply(held: &mut Held, tar: File) -> Result<u64> {
    // Fewer switches between the two, where it is a pipe and the kernel grants it.
    let _ = rustix::pipe::fcntl_setpipe_size(&tar, 1 << 20);
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER, tar));
    let mut into = Into { held, parent: None, buffer: vec![0; BUFFER] };
    let mut entries = 0;
    let broken = |e| Error::new(ErrorKind::Input, "a stream into the root is broken").because(&e);
    while let Some(entry) = reader.next_entry().map_err(broken)? {
        into.entry(&entry, &mut reader)?;
        entries += 1;
    }
    Ok(entries)
}

struct Into<'a> {
    held: &'a mut Held,
    /// The directory of the entry before, which is mostly that of the next.
    parent: Option<(RootPath, OwnedFd)>,
    buffer: Vec<u8>,
}

impl Into<'_> {
    fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<()> {
        match &entry.package {
            Some(package) => _ = self.held.packages.insert(entry.path.clone(), package.clone()),
            None => _ = self.held.packages.remove(&entry.path),
        }
        self.make(entry, content).map_err(|e| {
            Error::io(format!("cannot make {} in the root", shown(&entry.path)), e)
                .hint("TMPDIR names another place for the root while it is built.")
        })
    }

    fn make(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        if entry.path.is_root() {
            let fd = self.held.root.directory(b"/")?;
            return self.attributes(&fd, entry);
        }
        let path = entry.path.parent().unwrap_or_default();
        let (_, parent) = match self.parent.take() {
            Some(cached) if cached.0 == path => self.parent.insert(cached),
            _ => {
                let fd = make_directories(&self.held.root, &path)?;
                self.parent.insert((path, fd))
            }
        };
        let (parent, name) = (parent.try_clone()?, entry.path.file_name());
        match &entry.kind {
            Kind::Directory => {
                // The cached directory may be one that is replaced.
                let fd = directory(&parent, name)?;
                self.attributes(&fd, entry)
            }
            Kind::File { .. } => self.file(&parent, name, entry, content),
            Kind::Symlink(target) => {
                anew(&parent, name, || symlinkat(&**target, &parent, name))?;
                self.link_attributes(&parent, name, entry)
            }
            Kind::HardLink(target) => {
                let from = self.held.root.parent_of(target)?;
                Ok(anew(&parent, name, || {
                    linkat(&from, target.file_name(), &parent, name, AtFlags::empty())
                })?)
            }
            Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo => self.node(&parent, name, entry),
        }
    }

    fn file(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        entry: &Entry,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file =
            File::from(anew(parent, name, || openat(parent, name, flags, Mode::from_raw_mode(0o600)))?);
        loop {
            match content.read(&mut self.buffer)? {
                0 => break,
                count => file.write_all(&self.buffer[..count])?,
            }
        }
        self.attributes(&file.into(), entry)
    }

    /// A device or pipe; for a device that cannot be made here, an empty file.
    fn node(&mut self, parent: &OwnedFd, name: &[u8], entry: &Entry) -> io::Result<()> {
        let number = device(&entry.kind);
        if number.is_some() && !self.held.owners.can_make_nodes() {
            return self.file(parent, name, entry, &mut io::empty());
        }
        let kind = match entry.kind {
            Kind::CharDevice(_) => FileType::CharacterDevice,
            Kind::BlockDevice(_) => FileType::BlockDevice,
            _ => FileType::Fifo,
        };
        let number = number.map_or(0, |number| makedev(number.major, number.minor));
        anew(parent, name, || mknodat(parent, name, kind, Mode::from_raw_mode(0o600), number))?;
        self.link_attributes(parent, name, entry)?;
        rustix::fs::chmodat(parent, name, Mode::from_raw_mode(entry.mode.into()), AtFlags::empty())?;
        Ok(())
    }

    fn attributes(&mut self, fd: &OwnedFd, entry: &Entry) -> io::Result<()> {
        if self.held.owners.are_real() {
            fchown(fd, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))?;
        }
        self.record(fd, entry)?;
        // After the owner, whose change clears setuid.
        fchmod(fd, Mode::from_raw_mode(entry.mode.into()))?;
        for (name, value) in entry.xattrs.iter() {
            fsetxattr(fd, name, value, XattrFlags::empty())?;
        }
        if entry.mtime != TOUCHED {
            futimens(fd, &times(entry.mtime))?;
        }
        Ok(())
    }

    fn link_attributes(&mut self, parent: &OwnedFd, name: &[u8], entry: &Entry) -> io::Result<()> {
        if self.held.owners.are_real() {
            let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        } else {
            let fd = openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            self.record(&fd, entry)?;
        }
        if entry.mtime != TOUCHED {
            utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    /// Keeps what the file system cannot.
    fn record(&mut self, fd: &OwnedFd, entry: &Entry) -> Result<(), Errno> {
        let node = device(&entry.kind).is_some() && !self.held.owners.can_make_nodes();
        let owner = Owner { uid: entry.uid, gid: entry.gid, node: node.then(|| entry.kind.clone()) };
        let plain = (owner.uid, owner.gid) == (0, 0) && owner.node.is_none();
        if plain || (self.held.owners.are_real() && owner.node.is_none()) {
            return Ok(());
        }
        self.held.owners.record(fd.as_fd(), &owner)
    }
}

/// The times of a file dated `mtime`, in seconds since 1970.
fn times(mtime: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime, tv_nsec: 0 },
    }
}

/// Makes something, in place of what has the name.
fn anew<T>(parent: &OwnedFd, name: &[u8], make: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    match make() {
        Err(Errno::EXIST) => {
            unlinkat(parent, name, AtFlags::empty())?;
            make()
        }
        result => result,
    }
}

/// The directory `name`, made unless it is one.
fn directory(parent: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            let there = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if !FileType::from_raw_mode(there.st_mode).is_dir() {
                unlinkat(parent, name, AtFlags::empty())?;
                mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
            }
        }
        Err(error) => return Err(error),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// The directory `path`, with those above it that lack.
fn make_directories(root: &Root, path: &RootPath) -> Result<OwnedFd, Errno> {
    match root.directory(path.as_bytes()) {
        Err(Errno::NOENT) => {
            let parent = make_directories(root, &path.parent().unwrap_or_default())?;
            directory(&parent, path.file_name())
        }
        result => result,
    }
}

/// A path as messages have it.
pub(crate) fn shown(path: &RootPath) -> String {
    path.to_string()
}
