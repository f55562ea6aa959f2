//! The directory of a build, its lock, and what dead builds left.
//!
//! ```text
//! ctr-forge-build-XXXXXX/   only the user may enter
//!   lock                    locked (flock) while host or sandbox process live
//!   root/                   the root being built
//! ```
//!
//! The lock goes with the last process that has it. So a directory whose lock can be had is
//! nobody's, and whoever comes next removes it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ctr_forge_plugin::{Error, Result};
use rustix::fs::{Mode, OFlags};

use crate::sandbox::{Sandbox, Settings};

/// How the directories of builds begin.
const PREFIX: &str = "ctr-forge-build-";

/// One that has no lock yet is being made, unless it is older.
const BEING_MADE: Duration = Duration::from_secs(60);

/// The directory of a build.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) lock: File,
}

impl Place {
    /// Makes one in `parent`.
    pub(crate) fn new(parent: &Path) -> Result<Self> {
        let make = || -> io::Result<Self> {
            let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            // Locked before it has its name, by which others judge whether anybody lives here.
            let (draft, path) = (directory.path().join("lock.new"), directory.path().join("lock"));
            let lock = File::create_new(&draft)?;
            lock.lock()?;
            fs::rename(draft, path)?;
            DirBuilder::new().mode(0o755).create(directory.path().join("root"))?;
            // Whatever the umask.
            fs::set_permissions(directory.path().join("root"), Permissions::from_mode(0o755))?;
            Ok(Self { directory: directory.keep(), lock })
        };
        make().map_err(|e| {
            Error::io(format!("cannot make a directory in {}", parent.display()), e)
                .hint("TMPDIR names another place.")
        })
    }

    /// The root's directory.
    pub(crate) fn root(&self) -> Result<OwnedFd> {
        open_directory(&self.root_path())
            .map_err(|e| Error::io(format!("cannot open {}", self.root_path().display()), e))
    }

    pub(crate) fn root_path(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// The same, for a sandbox that takes it over.
    pub(crate) fn again(&self) -> io::Result<Self> {
        Ok(Self { directory: self.directory.clone(), lock: self.lock.try_clone()? })
    }

    /// Removes the directory, whose root is empty or of files that this user can remove.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// What became of the directories of dead builds.
#[derive(Debug, Default)]
pub struct Swept {
    /// Those that were removed.
    pub removed: Vec<PathBuf>,
    /// Those that could not be.
    pub failed: Vec<(PathBuf, Error)>,
}

/// Removes what dead builds of this user left in `settings.temp_dir`.
///
/// # Errors
///
/// If the directory cannot be read.
pub fn sweep(settings: &Settings) -> Result<Swept> {
    let parent = &settings.temp_dir;
    let entries =
        fs::read_dir(parent).map_err(|e| Error::io(format!("cannot read {}", parent.display()), e))?;
    let mut swept = Swept::default();
    for entry in entries.flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Some(place) = dead(&entry.path()) else { continue };
        match bury(settings, place) {
            Ok(()) => swept.removed.push(entry.path()),
            Err(error) => swept.failed.push((entry.path(), error)),
        }
    }
    Ok(swept)
}

/// The place at `directory`, if it is this user's and nobody uses it any more.
fn dead(directory: &Path) -> Option<Place> {
    let metadata = fs::symlink_metadata(directory).ok()?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let is_old = || metadata.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > BEING_MADE));
    let path = directory.join("lock");
    let lock = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_old() => File::create(&path).ok()?,
        result => result.ok()?,
    };
    lock.try_lock().ok()?;
    Some(Place { directory: directory.to_owned(), lock })
}

/// Removes a dead place; where its files belong to ids of others, from inside a namespace that has them.
fn bury(settings: &Settings, place: Place) -> Result<()> {
    let cannot = |e| Error::io("cannot remove what a build left", e);
    match place.remove() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Sandbox::over(settings, place)?.end()
        }
        result => result.map_err(cannot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_uses_is_dead() {
        let parent = tempfile::tempdir().unwrap();
        let place = Place::new(parent.path()).unwrap();
        assert!(dead(&place.directory).is_none());
        let directory = place.directory.clone();
        drop(place);
        let place = dead(&directory).unwrap();
        place.remove().unwrap();
        assert!(!directory.exists());
        let being_made = parent.path().join("ctr-forge-build-x");
        fs::create_dir(&being_made).unwrap();
        assert!(dead(&being_made).is_none());
    }
}
