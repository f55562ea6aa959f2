//! Single files of the root: read, listed, removed, and what changed.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use ctr_forge_plugin::sandbox::Change;
use ctr_forge_plugin::{Error, Result};
use ctr_forge_rootfs::RootPath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, StatxFlags, fstat, openat, statx, unlinkat};
use rustix::io::Errno;

use crate::root::Root;

/// Names as they are, with what they name where the file system tells.
type Names = Vec<(CString, FileType)>;

/// Opens the regular file at `path`; `None` where there is nothing.
pub(crate) fn read(root: &Root, path: &str) -> Result<Option<OwnedFd>> {
    let open = || -> Result<Option<OwnedFd>, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = root.open(path.as_bytes(), flags)?;
        match FileType::from_raw_mode(fstat(&fd)?.st_mode).is_file() {
            true => Ok(Some(fd)),
            false => Err(Errno::INVAL),
        }
    };
    absent(open()).map_err(|e| Error::io(format!("cannot read {path} in the root"), e))
}

/// Names in a directory, sorted; those that are not UTF-8 are left out. `None` where there is none.
pub(crate) fn list(root: &Root, path: &str) -> Result<Option<Vec<String>>> {
    let list = || -> Result<Option<Vec<String>>, Errno> {
        let names = names(&root.directory(path.as_bytes())?)?;
        let mut names: Vec<_> = names.into_iter().filter_map(|(name, _)| name.into_string().ok()).collect();
        names.sort();
        Ok(Some(names))
    };
    absent(list()).map_err(|e| Error::io(format!("cannot list {path} in the root"), e))
}

fn absent<T>(result: Result<Option<T>, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        result => result,
    }
}

/// Removes paths and all that is below them; what is not there is passed over.
pub(crate) fn remove(root: &Root, paths: &[String]) -> Result<()> {
    for path in paths {
        let remove = || -> Result<Option<()>, Errno> {
            let path = RootPath::new(path.as_bytes()).map_err(|_| Errno::INVAL)?;
            if path.is_root() {
                return Err(Errno::INVAL);
            }
            let parent = root.parent_of(&path)?;
            let name = CString::new(path.file_name()).map_err(|_| Errno::INVAL)?;
            remove_name(&parent, &name).map(Some)
        };
        absent(remove()).map_err(|e| Error::io(format!("cannot remove {path} in the root"), e))?;
    }
    Ok(())
}

/// Removes everything.
pub(crate) fn clear(root: &Root) -> Result<()> {
    let clear = || -> Result<(), Errno> { empty(&root.directory(b"/")?) };
    clear().map_err(|e| Error::io("cannot remove the root", e))
}

fn remove_name(parent: &OwnedFd, name: &CString) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        result => return result,
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty()).or_else(|error| match error {
        // A directory that even root may not read without the right: made so by its mode.
        Errno::ACCESS => {
            rustix::fs::chmodat(parent, name, Mode::from_raw_mode(0o700), AtFlags::empty())?;
            openat(parent, name, flags, Mode::empty())
        }
        error => Err(error),
    })?;
    empty(&directory)?;
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Removes what is in a directory. As deep as the tree is, so deep is the recursion: paths
/// in a root have at most 2048 components, and each takes little of the stack.
fn empty(directory: &OwnedFd) -> Result<(), Errno> {
    names(directory)?.iter().try_for_each(|(name, _)| remove_name(directory, name))
}

fn names(directory: &OwnedFd) -> Result<Names, Errno> {
    let mut buffer = vec![MaybeUninit::uninit(); 32 << 10];
    let mut listing = RawDir::new(directory, &mut buffer);
    let mut names = Vec::new();
    while let Some(item) = listing.next() {
        let item = item?;
        match item.file_name().to_bytes() {
            b"." | b".." => {}
            _ => names.push((item.file_name().to_owned(), item.file_type())),
        }
    }
    Ok(names)
}

/// What changed since `since` (nanoseconds since 1970), sorted by path. Directories are left
/// out: each name that comes or goes changes one.
pub(crate) fn changes(root: &Root, since: u64) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut walk = || -> Result<(), Errno> { look(&root.directory(b"/")?, "", since, &mut changes) };
    walk().map_err(|e| Error::io("cannot look for what changed in the root", e))?;
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

fn look(directory: &OwnedFd, path: &str, since: u64, changes: &mut Vec<Change>) -> Result<(), Errno> {
    for (name, kind) in names(directory)? {
        let below = format!("{path}/{}", name.to_string_lossy());
        if kind == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            look(&openat(directory, &name, flags, Mode::empty())?, &below, since, changes)?;
            continue;
        }
        let stat = statx(directory.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::CTIME)?;
        let seconds = u64::try_from(stat.stx_ctime.tv_sec).unwrap_or(0);
        let time = seconds.saturating_mul(1_000_000_000).saturating_add(stat.stx_ctime.tv_nsec.into());
        if time >= since {
            changes.push(Change { path: below, time });
        }
    }
    Ok(())
}
