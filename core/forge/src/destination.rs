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
    /// A new, empty file beside `target`. A directory at `target` is an error.
    pub fn new(target: &Path) -> Result<Self> {
        if target.is_dir() {
            return Err(Error::usage(format!(
                "{} is a directory, but the result is a file",
                target.display()
            ))
            .hint(format!(
                "Name a file in it: -o {}/NAME",
                target.display().to_string().trim_end_matches('/')
            )));
        }
        let (parent, prefix) = beside(target)?;
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            // As any new file: the umask decides, not the caution of temporary files.
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(&parent)
            .map_err(|e| cannot_write(target, e))?;
        Ok(Self { file, target: target.to_owned() })
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

/// A directory on its way to its final name.
#[derive(Debug)]
pub struct StagedDirectory {
    staging: TempDir,
    target: PathBuf,
    /// What is at the target already. Locked, so that two who add to it take turns.
    existing: Option<OwnedFd>,
}

impl StagedDirectory {
    /// A new, empty directory beside `target`. A file at `target` is an error.
    pub fn new(target: &Path) -> Result<Self> {
        let existing = match rustix::fs::open(
            target,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
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
        if let Some(existing) = &existing {
            rustix::fs::flock(existing, FlockOperation::LockExclusive)
                .map_err(|e| cannot_write(target, e.into()))?;
        }
        let (parent, prefix) = beside(target)?;
        let staging = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(fs::Permissions::from_mode(0o777))
            .tempdir_in(&parent)
            .map_err(|e| cannot_write(target, e))?;
        Ok(Self { staging, target: target.to_owned(), existing })
    }

    /// The empty directory.
    pub fn open(&self) -> Result<OwnedFd> {
        let directory = File::open(self.staging.path()).map_err(|e| cannot_write(&self.target, e))?;
        Ok(directory.into())
    }

    /// What is at the final place already.
    pub fn existing(&self) -> Result<Option<OwnedFd>> {
        let clone = self.existing.as_ref().map(OwnedFd::try_clone).transpose();
        clone.map_err(|e| cannot_write(&self.target, e))
    }

    /// Moves `files`, in this order, to the final place. What is not named is dropped.
    pub fn publish(self, files: &[String]) -> Result<()> {
        let paths = files.iter().map(|file| staged_path(file)).collect::<Result<Vec<_>>>()?;
        for path in &paths {
            let metadata = fs::symlink_metadata(self.staging.path().join(path));
            if !metadata.is_ok_and(|metadata| metadata.is_file()) {
                return Err(Error::plugin(format!(
                    "the output says it made {}, but did not",
                    path.display()
                )));
            }
        }
        match self.existing {
            None => self.publish_new(&paths),
            Some(_) => self.publish_into(&paths),
        }
    }

    fn publish_new(self, files: &[PathBuf]) -> Result<()> {
        let cannot = |e| cannot_write(&self.target, e);
        drop_unnamed(self.staging.path(), self.staging.path(), files).map_err(cannot)?;
        rename_new(self.staging.path(), &self.target).map_err(cannot)?;
        // It has its final name now, so there is nothing to clean up.
        let _ = self.staging.keep();
        Ok(())
    }

    fn publish_into(&self, files: &[PathBuf]) -> Result<()> {
        for file in files {
            let (from, to) = (self.staging.path().join(file), self.target.join(file));
            let parent = to.parent().unwrap_or(&self.target);
            fs::create_dir_all(parent)
                .and_then(|()| fs::rename(&from, &to))
                .map_err(|e| cannot_write(&to, e))?;
        }
        Ok(())
    }
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
    prefix.push(".ctr-forge-");
    Ok((parent.to_owned(), prefix))
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
        assert!(make(&["x"], &["../x"]).is_err(), "a name that leaves the directory");
        assert!(make(&[], &["x"]).is_err(), "a file that was not made");
        assert_eq!(names(parent.path()), ["image"], "nothing is left");
    }
}
