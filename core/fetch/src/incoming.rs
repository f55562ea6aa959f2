//! Content on its way in: written, counted and hashed in one pass.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::digest::{Expected, Hashes, Sums};
use crate::error::FetchError;
use crate::stored::{CHUNK, Place, Stored};

/// A file that is being filled.
#[derive(Debug)]
pub(crate) struct Incoming {
    file: File,
    landing: Landing,
    hashes: Hashes,
    len: u64,
    resumed: bool,
}

/// Where the bytes land.
#[derive(Debug)]
enum Landing {
    /// Of use to this download alone.
    Temp(TempPath),
    /// Named after the digest, for whoever continues.
    Partial(Partial),
}

/// The name of a partial file, which is removed unless there is something in it to keep.
#[derive(Debug)]
struct Partial {
    path: PathBuf,
    keep: bool,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.keep {
            // A leftover costs nothing but its name.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Incoming {
    /// Into a temporary file in `directory`.
    pub(crate) fn temp(directory: &Path, expected: Option<&Expected>) -> Result<Self, FetchError> {
        let temp = tempfile::Builder::new()
            .prefix("ctr-forge-")
            .tempfile_in(directory)
            .map_err(FetchError::io("make a temporary file in", directory))?;
        Ok(Self::into_temp(temp, expected))
    }

    /// Into this temporary file, which is empty.
    pub(crate) fn into_temp(temp: NamedTempFile, expected: Option<&Expected>) -> Self {
        let (file, path) = temp.into_parts();
        let hashes = Hashes::new(expected);
        Self { file, landing: Landing::Temp(path), hashes, len: 0, resumed: false }
    }

    /// After what an earlier download left in `file`, which is at `path` and locked.
    /// What is longer than `limit` cannot be the beginning of the content.
    pub(crate) fn resume(
        file: File,
        path: PathBuf,
        expected: &Expected,
        limit: u64,
        check: impl Fn() -> Result<(), FetchError>,
    ) -> Result<Self, FetchError> {
        let landing = Landing::Partial(Partial { path, keep: true });
        let mut incoming =
            Self { file, landing, hashes: Hashes::new(Some(expected)), len: 0, resumed: false };
        let mut buffer = vec![0; CHUNK];
        loop {
            check()?;
            match incoming.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    incoming.hashes.update(&buffer[..count]);
                    incoming.len += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FetchError::io("read", incoming.path())(error)),
            }
            if incoming.len > limit {
                break;
            }
        }
        incoming.resumed = incoming.len > 0;
        if incoming.len == 0 || incoming.len > limit {
            incoming.restart()?;
        }
        Ok(incoming)
    }

    /// How many bytes are here.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whether some of it is from an earlier answer, so that a wrong digest may be
    /// due to two pieces that do not belong together.
    pub(crate) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// What comes next continues what is here.
    pub(crate) fn continues(&mut self) {
        self.resumed = true;
    }

    /// The digests of what is here.
    pub(crate) fn sums(&self) -> Sums {
        self.hashes.clone().finish()
    }

    /// Appends.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), FetchError> {
        if let Err(error) = self.file.write_all(data) {
            // A disk that is full shall not stay so because of us.
            let _ = self.restart();
            return Err(FetchError::io("write", self.path())(error));
        }
        self.hashes.update(data);
        self.len += data.len() as u64;
        self.keep(true);
        Ok(())
    }

    /// Forgets all that is here.
    pub(crate) fn restart(&mut self) -> Result<(), FetchError> {
        self.keep(false);
        self.hashes = self.hashes.restarted();
        self.len = 0;
        self.resumed = false;
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map(|_| ()).map_err(FetchError::io("empty", self.path()))
    }

    /// Moves the verified content to `path`, on the same file system; it appears there
    /// whole or not at all.
    pub(crate) fn keep_at(self, path: PathBuf) -> Result<Stored, FetchError> {
        let sums = self.hashes.finish();
        match self.landing {
            Landing::Temp(temp) => {
                temp.persist(&path).map_err(|error| FetchError::io("write", &path)(error.error))?;
            }
            Landing::Partial(mut partial) => {
                fs::rename(&partial.path, &path).map_err(FetchError::io("write", &path))?;
                partial.keep = true;
            }
        }
        // The lock on a partial file is held until here, when the name is no more.
        Stored::new(Place::Kept(path), &self.file, &sums)
    }

    /// Keeps the verified content for this batch only.
    pub(crate) fn keep_for_now(self) -> Result<Stored, FetchError> {
        let sums = self.hashes.finish();
        let place = match self.landing {
            Landing::Temp(temp) => Place::Temp(temp),
            Landing::Partial(mut partial) => {
                partial.keep = true;
                Place::Kept(partial.path.clone())
            }
        };
        Stored::new(place, &self.file, &sums)
    }

    fn keep(&mut self, keep: bool) {
        if let Landing::Partial(partial) = &mut self.landing {
            partial.keep = keep;
        }
    }

    fn path(&self) -> &Path {
        match &self.landing {
            Landing::Temp(path) => path,
            Landing::Partial(partial) => &partial.path,
        }
    }
}

#[cfg(test)]
mod tests {
    use ctr_forge_rootfs::Digest;

    use super::*;

    #[test]
    fn a_partial_file_is_continued_and_kept_only_when_it_holds_something() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p");
        let expected = Expected::from(Digest::of(b"abcdef"));
        let open = || {
            let file =
                File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
            Incoming::resume(file, path.clone(), &expected, 6, || Ok(())).unwrap()
        };
        let mut incoming = open();
        incoming.write(b"abc").unwrap();
        drop(incoming);
        let mut incoming = open();
        assert!(incoming.len() == 3 && incoming.is_resumed());
        incoming.write(b"def").unwrap();
        assert_eq!(incoming.sums().like(&expected), expected);
        incoming.restart().unwrap();
        drop(incoming);
        assert!(!path.exists());
        fs::write(&path, "too long for it").unwrap();
        assert_eq!(open().len(), 0);
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_file_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p");
        fs::write(&path, "").unwrap();
        let mut incoming = Incoming {
            file: File::options().write(true).open("/dev/full").unwrap(),
            landing: Landing::Partial(Partial { path: path.clone(), keep: true }),
            hashes: Hashes::new(None),
            len: 0,
            resumed: false,
        };
        let error = incoming.write(b"abc").unwrap_err();
        let FetchError::Io { place, source, .. } = error else { panic!("{error}") };
        assert_eq!((place, source.kind()), (path.clone(), io::ErrorKind::StorageFull));
        drop(incoming);
        assert!(!path.exists());
    }
}
