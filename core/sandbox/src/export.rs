//! The root as a tar stream.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::{
    Attributes, Entry, Exclude, Kind, RootPath, TOUCHED, Walk, WalkError, WriteError, Writer, walk_fd,
};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use crate::child::Held;

/// Bytes written at a time.
const BUFFER: usize = 1 << 20;

/// Writes all that is in the root to `tar`, but for what matches one of the patterns; returns
/// how many entries that were.
pub(crate) fn export(held: &Held, tar: File, exclude: &[String]) -> Result<u64> {
    let exclude = Exclude::new(exclude).map_err(|e| Error::usage("a pattern is wrong").because(&e))?;
    let _ = rustix::pipe::fcntl_setpipe_size(&tar, BUFFER);
    let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, tar)).with_packages();
    let options = Walk { attributes: Attributes::Preserve, one_file_system: true };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root =
        openat(&held.root, c".", flags, Mode::empty()).map_err(|e| Error::io("cannot open the root", e))?;
    let mut entries = 0;
    walk_fd(root, Path::new("/"), &options, &mut |mut entry, content| {
        if exclude.excludes(&entry.path) {
            return Ok(());
        }
        entries += 1;
        finish(held, &mut entry)?;
        match content.filter(|_| matches!(entry.kind, Kind::File { .. })) {
            Some(mut content) => write(&mut writer, &entry, &mut content),
            None => write(&mut writer, &entry, &mut io::empty()),
        }
    })
    .map_err(|failure| {
        let Failure(cause) = failure;
        Error::new(ErrorKind::Io, "cannot take the root filesystem out of its sandbox").because(&*cause)
    })?;
    let written = writer.finish().and_then(|mut stream| stream.flush());
    written.map_err(|e| Error::io("cannot take the root filesystem out of its sandbox", e))?;
    Ok(entries)
}

/// What ended the walk.
struct Failure(Box<dyn std::error::Error>);

impl From<WalkError> for Failure {
    fn from(error: WalkError) -> Self {
        Self(Box::new(error))
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self(Box::new(error))
    }
}

fn write<W: Write>(writer: &mut Writer<W>, entry: &Entry, content: &mut dyn Read) -> Result<(), Failure> {
    Ok(writer.entry(entry, content)?)
}

/// What the file system does not know.
fn finish(held: &Held, entry: &mut Entry) -> Result<(), Failure> {
    // A directory is dated by the last name that came or went, which is the build's own affair.
    if entry.mtime >= held.began || entry.kind == Kind::Directory {
        entry.mtime = TOUCHED;
    }
    entry.package = held.packages.get(&entry.path).cloned();
    if held.owners.is_empty() {
        return Ok(());
    }
    let owner = open(held, &entry.path).and_then(|file| held.owners.lookup(file.as_fd()));
    let owner = owner.map_err(|e| Failure(Box::new(io::Error::from(e))))?;
    if let Some(owner) = owner {
        if !held.owners.are_real() {
            (entry.uid, entry.gid) = (owner.uid, owner.gid);
        }
        if let (Some(node), Kind::File { .. }) = (&owner.node, &entry.kind) {
            entry.kind = node.clone();
        }
    }
    Ok(())
}

/// What is at a path, no link followed.
fn open(held: &Held, path: &RootPath) -> Result<OwnedFd, Errno> {
    let path = if path.is_root() { &b"."[..] } else { path.as_bytes() };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(&held.root, path, flags, Mode::empty(), resolve) {
        // It is a link itself.
        Err(Errno::LOOP) => openat2(&held.root, path, flags, Mode::empty(), ResolveFlags::BENEATH),
        result => result,
    }
}
