//! Verified content on disk, opened only when it is handed out.
//!
//! A batch may have thousands of files and a process only so many descriptors,
//! so a path is kept and not an open file. What is opened later must still be what
//! was verified: it is the same inode with the same size and times, or it is
//! hashed again. (Another process may have put an equal file in its place.)

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ctr_forge_rootfs::Digest;
use rustix::fs::OFlags;
use tempfile::TempPath;

use crate::digest::{Expected, Hashes, Sums};
use crate::error::FetchError;

/// How much is read at once, in bytes.
pub(crate) const CHUNK: usize = 64 << 10;

/// Verified content.
#[derive(Debug)]
pub(crate) struct Stored {
    place: Place,
    identity: Identity,
    pub(crate) sha256: Digest,
    pub(crate) size: u64,
}

/// Where it is.
#[derive(Debug)]
pub(crate) enum Place {
    /// In the cache, where it stays.
    Kept(PathBuf),
    /// In a file that goes away with this value.
    Temp(TempPath),
}

/// What tells a file from another one, and from itself after a change.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Stored {
    /// Content that was just verified through `file`, which is at `place` for good.
    pub(crate) fn new(place: Place, file: &File, sums: &Sums) -> Result<Self, FetchError> {
        let metadata = file.metadata().map_err(FetchError::io("examine", place.path()))?;
        let (identity, size) = (Identity::of(&metadata), metadata.len());
        Ok(Self { place, identity, sha256: sums.sha256, size })
    }

    /// The content, for reading, from its beginning.
    pub(crate) fn open(&self) -> Result<File, FetchError> {
        let path = self.place.path();
        let mut file = open_plain(path).map_err(FetchError::io("open", path))?;
        let metadata = file.metadata().map_err(FetchError::io("examine", path))?;
        if Identity::of(&metadata) != self.identity {
            let sums = hash(&file, path, None, || Ok(()))?;
            if sums.sha256 != self.sha256 {
                let changed = io::Error::new(io::ErrorKind::InvalidData, "it changed after it was verified");
                return Err(FetchError::io("use", path)(changed));
            }
            file.seek(SeekFrom::Start(0)).map_err(FetchError::io("read", path))?;
        }
        Ok(file)
    }
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Place::Kept(path) => path,
            Place::Temp(path) => path,
        }
    }
}

/// Opens a regular file for reading. Neither follows a link nor waits for the writer of a pipe.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    open_file(path, OFlags::NOFOLLOW | OFlags::NONBLOCK)
}

/// Opens a regular file for reading, with these flags.
pub(crate) fn open_file(path: &Path, flags: OFlags) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

/// Digests of all of a file; `check` is asked again and again whether to go on.
pub(crate) fn hash(
    mut file: &File,
    path: &Path,
    expected: Option<&Expected>,
    check: impl Fn() -> Result<(), FetchError>,
) -> Result<Sums, FetchError> {
    let mut hashes = Hashes::new(expected);
    let mut buffer = vec![0; CHUNK];
    loop {
        check()?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hashes.finish()),
            Ok(count) => hashes.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FetchError::io("read", path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn stored(path: &Path) -> Stored {
        let file = open_plain(path).unwrap();
        let sums = hash(&file, path, None, || Ok(())).unwrap();
        Stored::new(Place::Kept(path.to_owned()), &file, &sums).unwrap()
    }

    #[test]
    fn what_changed_is_not_handed_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, "good").unwrap();
        let stored = stored(&path);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "evil").unwrap();
        assert!(matches!(stored.open(), Err(FetchError::Io { .. })));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "good").unwrap();
        let mut text = String::new();
        stored.open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "good");
    }

    #[test]
    fn links_and_directories_are_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("f"), directory.path().join("l"));
        fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_plain(&link).is_err() && open_plain(directory.path()).is_err());
    }
}
