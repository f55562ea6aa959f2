//! A directory on the host as a sequence of entries.
//!
//! The directory may belong to somebody else and change under our hands, so no
//! link below it is ever followed, and what is found is opened before it is
//! believed. The order is that of [`RootPath`], whatever the file system's.

mod attributes;
pub(crate) mod capability;
mod host;
mod stamp;

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, RawDir, Statx};
use rustix::io::Errno;

pub(crate) use self::host::LastFolder;
use self::host::{Folder, Root};
pub use self::host::{HostFile, HostReader};
use self::stamp::{Noting, Seen, Stamp};
use crate::{Device, Entry, Kind, PathError, RootPath};

/// How many directories on the way down are held open. Deeper trees cost a
/// reopening for each directory come back to, but never run out of descriptors.
const HELD_OPEN: usize = 64;

/// What a walk takes over from the host and where it goes.
#[derive(Debug, Clone)]
pub struct Walk {
    /// Where owners, modes and times come from.
    pub attributes: Attributes,
    /// Leave out what lies in directories of other file systems; the
    /// directory that is a mount point is itself an entry.
    pub one_file_system: bool,
}

/// Where the owners, modes, times and extended attributes of a walk come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attributes {
    /// From the host: owners, all mode bits, mtimes, and of extended
    /// attributes `user.*`, `trusted.*` (which only root can see),
    /// `security.capability` and POSIX ACLs. An ACL has to come along, because
    /// beside one the group bits of the mode mean something wider. SELinux
    /// labels, IMA, EVM and `trusted.overlay.*` are the host's own affair.
    /// Links, pipes and devices bring none.
    Preserve,
    /// From nowhere, so that the same files give the same bytes in every
    /// checkout: owned by root, `0755` for directories and whatever anyone may
    /// execute, `0644` for the rest, no extended attributes.
    Plain {
        /// Date of every entry; [`crate::TOUCHED`] where a [`crate::Tree`] will set it.
        mtime: i64,
    },
}

/// Why a directory could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The system refused something.
    #[error("cannot {action} {path:?}{}", hint(source))]
    Io {
        /// What was tried: "open", "read".
        action: &'static str,
        /// Path on the host.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something is not what it was a moment ago.
    #[error("{path:?} changed while it was read")]
    Changed {
        /// Path on the host.
        path: PathBuf,
    },
    /// The path, taken from the directory of the walk, is none for an image.
    #[error("{path:?} cannot be in an image")]
    Path {
        /// Path on the host.
        path: PathBuf,
        /// Why not.
        source: PathError,
    },
}

impl WalkError {
    fn io(action: &'static str, path: PathBuf, error: impl Into<io::Error>) -> Self {
        WalkError::Io { action, path, source: error.into() }
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => " (make it readable for this user, or leave it out)",
        _ => "",
    }
}

/// What a walk left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkWarning {
    /// A socket: it is bound to a process of the host, and no tar can hold it.
    Socket {
        /// Path on the host.
        path: PathBuf,
    },
}

impl std::fmt::Display for WalkWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WalkWarning::Socket { path } => write!(f, "{path:?} is a socket and is left out"),
        }
    }
}

/// Takes the entries of a walk; files come with a reader of their content.
pub type Visit<'a, E> = dyn FnMut(Entry, Option<HostReader>) -> Result<(), E> + 'a;

/// Visits the directory at `root`, as the entry with the empty path, and all below it.
///
/// Parents come before what they hold, names in the order of their bytes. A
/// file with several names is a file at the first and a [`Kind::HardLink`] to
/// that at the others. A [`HostReader`] read to its end has given one state of
/// the file, or failed; it need not be read at once, or at all.
pub fn walk<E: From<WalkError>>(
    root: &Path,
    options: &Walk,
    visit: &mut Visit<'_, E>,
) -> Result<Vec<WalkWarning>, E> {
    walk_fd(host::open_root(root)?, root, options, visit)
}

/// [`walk`] for a directory that is already open; messages call it `shown`.
pub fn walk_fd<E: From<WalkError>>(
    root: OwnedFd,
    shown: &Path,
    options: &Walk,
    visit: &mut Visit<'_, E>,
) -> Result<Vec<WalkWarning>, E> {
    let root = Arc::new(Root { fd: root, shown: shown.into(), seen: Seen::nothing() });
    let device = device(&host::stat(&root.fd, b"").map_err(|e| WalkError::io("look at", shown.into(), e))?);
    let (frames, links, warnings) = (Vec::new(), HashMap::new(), Vec::new());
    let noting = Noting::default();
    let mut walker = Walker { options, visit, device, noting, frames, links, warnings };
    let folder = Arc::new(Folder { root, path: RootPath::root() });
    let fd = folder.open().map_err(|error| WalkError::io("open", shown.into(), error))?;
    walker.directory(folder, fd)?;
    while let Some(frame) = walker.frames.last_mut() {
        match frame.names.next() {
            Some((name, said)) => walker.object(name, said)?,
            None => _ = walker.frames.pop(),
        }
    }
    Ok(walker.warnings)
}

/// A directory that is being read.
struct Frame {
    folder: Arc<Folder>,
    /// Its device and inode number, to know it again.
    identity: (u64, u64),
    /// `None` once it lies too far up to be held open.
    fd: Option<Arc<OwnedFd>>,
    /// What is left in it, and what the directory says it is.
    names: std::vec::IntoIter<Name>,
}

struct Walker<'a, 'b, E> {
    options: &'a Walk,
    visit: &'a mut Visit<'b, E>,
    /// The file system the walk began on.
    device: u64,
    noting: Noting,
    frames: Vec<Frame>,
    /// First names of files that have several, by device and inode number.
    links: HashMap<(u64, u64), RootPath>,
    warnings: Vec<WalkWarning>,
}

/// A name just read from a directory, and what it stood for then.
struct Found {
    parent: Arc<OwnedFd>,
    folder: Arc<Folder>,
    name: Box<[u8]>,
    path: RootPath,
    stat: Statx,
    /// The file, if it is one and was opened before it was looked at.
    file: Option<OwnedFd>,
}

impl Found {
    fn error(&self, action: &'static str) -> impl Fn(Errno) -> WalkError {
        move |error| WalkError::io(action, self.folder.shown(&self.name), error)
    }
}

impl<E: From<WalkError>> Walker<'_, '_, E> {
    /// Visits a directory and lines up its names.
    fn directory(&mut self, folder: Arc<Folder>, fd: OwnedFd) -> Result<(), E> {
        let error = |action| {
            let folder = folder.clone();
            move |error: Errno| WalkError::io(action, folder.shown(b""), error)
        };
        let stat = host::stat(&fd, b"").map_err(error("look at"))?;
        let mut entry = self.options.attributes.entry(folder.path.clone(), Kind::Directory, &stat);
        self.read_xattrs(&mut entry, &fd).map_err(error("read the extended attributes of"))?;
        (self.visit)(entry, None)?;
        if self.options.one_file_system && device(&stat) != self.device {
            return Ok(());
        }
        let names = names(&fd).map_err(error("list"))?.into_iter();
        if let Some(above) = self.frames.len().checked_sub(HELD_OPEN) {
            self.frames[above].fd = None;
        }
        self.frames.push(Frame { folder, identity: identity(&stat), fd: Some(Arc::new(fd)), names });
        Ok(())
    }

    /// Visits `name` in the innermost directory, which says that it is a `said`.
    fn object(&mut self, name: Box<[u8]>, said: FileType) -> Result<(), E> {
        let found = self.find(name, said)?;
        let file_type = FileType::from_raw_mode(found.stat.stx_mode.into());
        if file_type == FileType::Directory {
            let fd = host::open_directory(&found.parent, &found.name).map_err(found.error("open"))?;
            let folder = Folder { root: found.folder.root.clone(), path: found.path };
            return self.directory(Arc::new(folder), fd);
        }
        if file_type == FileType::Socket {
            self.warnings.push(WalkWarning::Socket { path: found.folder.shown(&found.name) });
            return Ok(());
        }
        if let Some(first) = self.first_name(&found) {
            return self.emit(found, Kind::HardLink(first));
        }
        let number = Device { major: found.stat.stx_rdev_major, minor: found.stat.stx_rdev_minor };
        match file_type {
            FileType::RegularFile => self.file(found),
            FileType::Symlink => self.symlink(found),
            FileType::CharacterDevice => self.emit(found, Kind::CharDevice(number)),
            FileType::BlockDevice => self.emit(found, Kind::BlockDevice(number)),
            FileType::Fifo => self.emit(found, Kind::Fifo),
            _ => Err(found.error("tell the type of")(Errno::INVAL).into()),
        }
    }

    fn find(&mut self, name: Box<[u8]>, said: FileType) -> Result<Found, WalkError> {
        let parent = self.innermost()?;
        let folder = self.frames[self.frames.len() - 1].folder.clone();
        let path = match folder.path.join(&name) {
            Ok(path) => path,
            Err(source) => return Err(WalkError::Path { path: folder.shown(&name), source }),
        };
        // What will be opened anyway is looked at once, when it is open. What
        // became something else in between is asked for by its name again.
        if said == FileType::RegularFile {
            let file = host::open_file(&parent, &name)
                .map_err(|error| WalkError::io("open", folder.shown(&name), error))?;
            let stat = host::stat(&file, b"")
                .map_err(|error| WalkError::io("look at", folder.shown(&name), error))?;
            if FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile {
                return Ok(Found { parent, folder, name, path, stat, file: Some(file) });
            }
        }
        match host::stat(&parent, &name) {
            Ok(stat) => Ok(Found { parent, folder, name, path, stat, file: None }),
            Err(error) => Err(WalkError::io("look at", folder.shown(&name), error)),
        }
    }

    /// The innermost directory, opened again if it was closed on the way down.
    fn innermost(&mut self) -> Result<Arc<OwnedFd>, WalkError> {
        let innermost = self.frames.len() - 1;
        let frame = &mut self.frames[innermost];
        if let Some(fd) = &frame.fd {
            return Ok(fd.clone());
        }
        let shown = || frame.folder.shown(b"");
        let fd = frame.folder.open().map_err(|error| WalkError::io("open", shown(), error))?;
        let stat = host::stat(&fd, b"").map_err(|error| WalkError::io("look at", shown(), error))?;
        if identity(&stat) != frame.identity {
            return Err(WalkError::Changed { path: shown() });
        }
        Ok(frame.fd.insert(Arc::new(fd)).clone())
    }

    /// The name under which the object was visited before; this one is noted if there is none.
    fn first_name(&mut self, found: &Found) -> Option<RootPath> {
        if found.stat.stx_nlink < 2 {
            return None;
        }
        let identity = identity(&found.stat);
        let first = self.links.get(&identity).cloned();
        if first.is_none() {
            self.links.insert(identity, found.path.clone());
        }
        first
    }

    fn file(&mut self, found: Found) -> Result<(), E> {
        let stamp = Stamp::of(&found.stat);
        let source = HostFile { folder: found.folder, name: found.name, stamp };
        let reader = match found.file {
            Some(file) => source.clone().read(file),
            None => source.open_in(&found.parent)?,
        };
        self.noting.see(&source.folder.root.seen, &found.stat, reader.as_file());
        let kind = Kind::File { size: source.size() };
        let mut entry = self.options.attributes.entry(found.path, kind, &found.stat);
        self.read_xattrs(&mut entry, reader.as_file())
            .map_err(|error| WalkError::io("read the extended attributes of", source.shown(), error))?;
        (self.visit)(entry, Some(reader))
    }

    fn symlink(&mut self, found: Found) -> Result<(), E> {
        let target = rustix::fs::readlinkat(&found.parent, &*found.name, Vec::new());
        let target = target.map_err(found.error("read"))?.into_bytes();
        self.emit(found, Kind::Symlink(target.into()))
    }

    fn emit(&mut self, found: Found, kind: Kind) -> Result<(), E> {
        (self.visit)(self.options.attributes.entry(found.path, kind, &found.stat), None)
    }

    fn read_xattrs(&self, entry: &mut Entry, file: impl AsFd) -> Result<(), Errno> {
        if self.options.attributes == Attributes::Preserve {
            entry.xattrs = attributes::xattrs(file)?;
        }
        Ok(())
    }
}

/// A name, and the type that the directory has for it; not every file system has one.
type Name = (Box<[u8]>, FileType);

/// The names in a directory in the order of their bytes.
fn names(directory: &OwnedFd) -> Result<Vec<Name>, Errno> {
    let mut buffer = vec![MaybeUninit::uninit(); 32 << 10];
    let mut listing = RawDir::new(directory, &mut buffer);
    let mut names: Vec<Name> = Vec::new();
    while let Some(item) = listing.next() {
        let item = item?;
        match item.file_name().to_bytes() {
            b"." | b".." => {}
            name => names.push((name.into(), item.file_type())),
        }
    }
    names.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(names)
}

fn device(stat: &Statx) -> u64 {
    u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor)
}

fn identity(stat: &Statx) -> (u64, u64) {
    (device(stat), stat.stx_ino)
}

#[cfg(test)]
mod tests;
