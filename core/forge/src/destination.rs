//! Results appear whole, by rename, or not at all.
//!
//! A file is written beside its final place, under a name of its own, and
//! renamed when it is complete. A directory is filled beside its final place
//! too; if something is at that place already, the new files are moved in one
//! by one, in an order in which nothing refers to what is not there yet.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ctr_forge_plugin::{Error, Result};
use ctr_forge_rootfs::RootPath;
use rustix::fs::{FlockOperation, Mode, OFlags};
use tempfile::{NamedTempFile, TempDir};

/// A file on its way to its final name. Dropped before [`StagedFile::publish`], it leaves nothing.
#[derive(Debug)]
pub struct StagedFile {
    file: NamedTempFile,
    target: PathBuf,
}

impl StagedFile {
    /// A new, empty file beside `target`. Anything but a file at `target` is an error.
    pub fn new(target: &Path) -> Result<Self> {
        let mut target = target.to_owned();
        if let Ok(metadata) = fs::metadata(&target) {
            if metadata.is_dir() {
                let place = target.display().to_string();
                return Err(Error::usage(format!("{place} is a directory, but the result is a file"))
                    .hint(format!("Name a file in it: -o {}/NAME", place.trim_end_matches('/'))));
            }
            if !metadata.is_file() {
                let message = format!("{} is a device or pipe, which a file would replace", target.display());
                return Err(Error::usage(message)
                    .hint(format!("Write to standard output: -o - > {}", target.display())));
            }
            // A link stays one: what it leads to is replaced.
            target = target.canonicalize().map_err(|e| cannot_write(&target, e))?;
        }
        let (parent, prefix) = beside(&target)?;
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            // As any new file: the umask decides, not the caution of temporary files.
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(&parent)
            .map_err(|e| cannot_write(&target, without_path(e)))?;
        Ok(Self { file, target })
    }

    /// The file, for writing.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its final name, in place of whatever had it.
    pub fn publish(self) -> Result<()> {
        let Self { file, target } = self;
        file.persist(&target).map(drop).map_err(|e| cannot_write(&target, e.error))
    }
}

/// What the names of staging places begin with. In an existing directory they
/// are the host's affair; outputs pass over them.
pub const STAGING_PREFIX: &str = ".ctr-forge-";

/// A directory on its way to its final name.
#[derive(Debug)]
pub struct StagedDirectory {
    staging: TempDir,
    target: PathBuf,
    /// What is at the target already.
    existing: Option<OwnedFd>,
}

impl StagedDirectory {
    /// A new, empty directory, in `target` if there is one, else beside it. A file at `target` is an error.
    pub fn new(target: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let existing = match rustix::fs::open(target, flags, Mode::empty()) {
            Ok(directory) => Some(directory),
            Err(rustix::io::Errno::NOENT) => None,
            Err(rustix::io::Errno::NOTDIR) => {
                return Err(Error::usage(format!(
                    "{} is a file, but the result is a directory",
                    target.display()
                ))
                .hint("Name another place with -o."));
            }
            Err(error) => return Err(cannot_write(target, error.into())),
        };
        // Inside, because beside it may be another file system, or nobody's to write.
        let (parent, prefix) = match existing {
            Some(_) => (target.to_owned(), OsString::from(STAGING_PREFIX)),
            None => beside(target)?,
        };
        let staging = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(fs::Permissions::from_mode(0o777))
            .tempdir_in(&parent)
            .map_err(|e| cannot_write(target, without_path(e)))?;
        Ok(Self { staging, target: target.to_owned(), existing })
    }

    /// The empty directory.
    pub fn open(&self) -> Result<OwnedFd> {
        let directory = File::open(self.staging.path()).map_err(|e| cannot_write(&self.target, e))?;
        Ok(directory.into())
    }

    /// A file without a name that can get one in the directory (`linkat(2)`),
    /// so that it need not be copied there; `None` if the file system has none.
    pub fn unnamed_file(&self) -> Option<File> {
        // Not with O_EXCL, as temporary files are: that is what forbids the name.
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        rustix::fs::open(self.staging.path(), flags, Mode::from_raw_mode(0o644)).ok().map(File::from)
    }

    /// What is at the final place already, locked until it is published, so
    /// that two who add to it take turns. `waiting` is called now and then
    /// while another has it, and may give up.
    pub fn existing(&self, waiting: &mut dyn FnMut() -> Result<()>) -> Result<Option<OwnedFd>> {
        let Some(existing) = &self.existing else { return Ok(None) };
        let cannot = |e: rustix::io::Errno| cannot_write(&self.target, e.into());
        while let Err(error) = rustix::fs::flock(existing, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(cannot(error));
            }
            waiting()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        existing.try_clone().map(Some).map_err(|e| cannot_write(&self.target, e))
    }

    /// Moves `files`, in this order, to the final place. What is not named is dropped.
    pub fn publish(self, files: &[String]) -> Result<()> {
        let paths = files.iter().map(|file| staged_path(file)).collect::<Result<Vec<_>>>()?;
        let staging = self.open()?;
        for (index, path) in paths.iter().enumerate() {
            if paths[..index].contains(path) {
                return Err(Error::plugin(format!("the output names {} twice", path.display())));
            }
            if !is_file_beneath(&staging, path) {
                return Err(Error::plugin(format!(
                    "the output says it made {}, but did not",
                    path.display()
                )));
            }
        }
        match &self.existing {
            None => self.publish_new(&paths),
            Some(existing) => self.publish_into(existing, &staging, &paths),
        }
    }

    fn publish_new(self, files: &[PathBuf]) -> Result<()> {
        let cannot = |e| cannot_write(&self.target, e);
        drop_unnamed(self.staging.path(), self.staging.path(), files).map_err(cannot)?;
        rename_new(self.staging.path(), &self.target).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => {
                cannot(e).hint("Another process made it meanwhile: run this again to add to it.")
            }
            _ => cannot(e),
        })?;
        // It has its final name now, so there is nothing to clean up.
        let _ = self.staging.keep();
        Ok(())
    }

    fn publish_into(&self, existing: &OwnedFd, staging: &OwnedFd, files: &[PathBuf]) -> Result<()> {
        for file in files {
            let cannot = |e: rustix::io::Errno| cannot_write(&self.target.join(file), e.into());
            let (parent, name) =
                (file.parent().unwrap_or(Path::new("")), file.file_name().unwrap_or_default());
            let from = open_beneath(staging, parent).map_err(cannot)?;
            let to = make_beneath(existing, parent).map_err(cannot)?;
            rustix::fs::renameat(&from, name, &to, name).map_err(cannot)?;
        }
        Ok(())
    }
}

/// An error if `target` lies in one of the `inputs`, or one of them in it: what
/// is written there would be read, or read over.
pub fn refuse_inputs<'a>(target: &Path, inputs: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    // A place that does not exist is for whoever uses it to complain of.
    let Some(resolved) = resolve(target) else { return Ok(()) };
    for input in inputs.into_iter().filter(|input| input.as_os_str() != "-") {
        let Some(read) = resolve(input) else { continue };
        let how = match () {
            () if read == resolved => "is an input and would be written over",
            () if resolved.starts_with(&read) => "lies in an input, so it would be read while it is written",
            () if read.starts_with(&resolved) => "holds an input, which would be written over",
            () => continue,
        };
        let message = format!("{} {how}: {}", target.display(), input.display());
        return Err(Error::usage(message).hint("Name another place with -o.").option("output"));
    }
    Ok(())
}

/// Whether two results would be one.
pub fn same_place(one: &Path, other: &Path) -> bool {
    one == other || resolve(one).is_some_and(|one| resolve(other).is_some_and(|other| one == other))
}

/// The real path of something that is there, or could be made.
fn resolve(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let (parent, _) = beside(path).ok()?;
        Some(parent.canonicalize().ok()?.join(path.file_name()?))
    })
}

const NO_LINKS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens the directory `path` below `root`. No link is followed on the way.
fn open_beneath(root: &OwnedFd, path: &Path) -> Result<OwnedFd, rustix::io::Errno> {
    let mut directory = rustix::fs::openat(root, ".", NO_LINKS, Mode::empty())?;
    for name in path {
        directory = rustix::fs::openat(&directory, name, NO_LINKS, Mode::empty())?;
    }
    Ok(directory)
}

fn is_file_beneath(root: &OwnedFd, path: &Path) -> bool {
    let parent = open_beneath(root, path.parent().unwrap_or(Path::new("")));
    let stat = parent.and_then(|parent| {
        rustix::fs::statat(
            parent,
            path.file_name().unwrap_or_default(),
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
    });
    stat.is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file())
}

/// Opens the directory `path` below `root`, making what is missing. No link is
/// followed: what lies there already may be anybody's work.
fn make_beneath(root: &OwnedFd, path: &Path) -> Result<OwnedFd, rustix::io::Errno> {
    let mut directory = rustix::fs::openat(root, ".", NO_LINKS, Mode::empty())?;
    for name in path {
        match rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        directory = rustix::fs::openat(&directory, name, NO_LINKS, Mode::empty())?;
    }
    Ok(directory)
}

/// A plugin's word for a file, as a path below the directory it was given.
fn staged_path(file: &str) -> Result<PathBuf> {
    let path = RootPath::new(file.as_bytes()).map_err(|e| {
        Error::plugin(format!("the output names a file \"{}\" that {e}", file.escape_debug()))
    })?;
    Ok(PathBuf::from(OsStr::from_bytes(path.as_bytes())))
}

/// Removes what is below `directory` and not in `files`; both are below `root`.
fn drop_unnamed(root: &Path, directory: &Path, files: &[PathBuf]) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let relative = path.strip_prefix(root).unwrap_or(&path);
        if files.iter().any(|file| file == relative) {
            continue;
        }
        match path.symlink_metadata()?.is_dir() {
            true if files.iter().any(|file| file.starts_with(relative)) => drop_unnamed(root, &path, files)?,
            true => fs::remove_dir_all(&path)?,
            false => fs::remove_file(&path)?,
        }
    }
    Ok(())
}

/// Renames, but never over something that has appeared meanwhile.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let cwd = rustix::fs::CWD;
    match rustix::fs::renameat_with(cwd, from, cwd, to, rustix::fs::RenameFlags::NOREPLACE) {
        // The file system does not know the flag; rename(2) itself refuses all but an empty directory.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::rename(from, to),
        result => Ok(result?),
    }
}

/// The directory of `target`, and the start of a hidden name in it.
fn beside(target: &Path) -> Result<(PathBuf, OsString)> {
    let name = target.file_name().ok_or_else(|| {
        Error::usage(format!("{} is not a name for a result", target.display())).option("output")
    })?;
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(STAGING_PREFIX);
    Ok((parent.to_owned(), prefix))
}

/// What tempfile says without the name of the temporary file, which means nothing to anyone.
fn without_path(error: io::Error) -> io::Error {
    use rustix::io::Errno;
    match error.kind() {
        io::ErrorKind::PermissionDenied => Errno::ACCESS.into(),
        io::ErrorKind::NotFound => Errno::NOENT.into(),
        io::ErrorKind::NotADirectory => Errno::NOTDIR.into(),
        io::ErrorKind::ReadOnlyFilesystem => Errno::ROFS.into(),
        io::ErrorKind::StorageFull => Errno::NOSPC.into(),
        kind => kind.into(),
    }
}

fn cannot_write(target: &Path, error: io::Error) -> Error {
    Error::io(format!("cannot write {}", target.display()), error)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("result");
        fs::write(&target, "before").unwrap();
        let staged = StagedFile::new(&target).unwrap();
        staged.file().write_all(b"half").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"before");
        drop(staged);
        assert_eq!(names(directory.path()), ["result"], "nothing is left");
        let staged = StagedFile::new(&target).unwrap();
        staged.file().write_all(b"after").unwrap();
        staged.publish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"after");
        assert!(StagedFile::new(directory.path()).is_err(), "a directory is in the way");
        assert!(StagedFile::new(Path::new("/dev/null")).is_err(), "a device is in the way");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        StagedFile::new(&link).unwrap().publish().unwrap();
        assert_eq!((fs::read(&target).unwrap().len(), fs::read_link(&link).unwrap()), (0, target.clone()));
        let inside = |place: &str, input: &str| {
            refuse_inputs(&directory.path().join(place), &[directory.path().join(input)]).is_err()
        };
        assert!(inside("new", "") && inside("result", "result") && inside("", "result"));
        assert!(!inside("new", "result"));
    }

    #[test]
    fn a_directory_appears_and_is_added_to() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("image");
        let make = |files: &[&str], named: &[&str]| {
            let staged = StagedDirectory::new(&target).unwrap();
            for file in files {
                let path = staged.staging.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, file).unwrap();
            }
            staged.publish(&named.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        make(&["a/x", "index", "junk/y", "a/z"], &["a/x", "index"]).unwrap();
        assert_eq!(
            (names(&target), names(&target.join("a"))),
            (vec!["a".into(), "index".into()], vec!["x".into()])
        );
        make(&["b/new", "index"], &["b/new", "index"]).unwrap();
        assert_eq!(names(&target), ["a", "b", "index"]);
        std::os::unix::fs::symlink(parent.path(), target.join("link")).unwrap();
        assert!(make(&["link/x"], &["link/x"]).is_err(), "a link in what was there");
        assert!(make(&["x"], &["x", "x"]).is_err(), "a name twice");
        assert!(!target.join("x").exists(), "and nothing was published");
        assert!(make(&["x"], &["../x"]).is_err(), "a name that leaves the directory");
        assert!(make(&[], &["x"]).is_err(), "a file that was not made");
        assert_eq!(names(parent.path()), ["image"], "nothing is left");
    }
}
