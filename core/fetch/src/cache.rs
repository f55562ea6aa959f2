//! The cache: content by its digest, and by URL what has none.
//!
//! ```text
//! sha256/ab/abcd…   content; likewise sha512
//! url/0123…         JSON: which content a URL had, and the server's validators
//! partial/          downloads under way, and those that can be continued
//! ```
//!
//! Content and the record of a URL appear by rename, the content first; a record
//! names its content by digest, so the two cannot disagree whenever a process is
//! killed. Nothing is believed: content is hashed whenever it is used.
//!
//! Files in `partial` are locked (`flock`) by whoever fills them. The lock goes with
//! the process, so a file that can be locked is nobody's. Processes need no other
//! agreement: two may download the same content, and the last rename wins.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ctr_forge_rootfs::Digest;
use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::digest::Expected;
use crate::error::FetchError;
use crate::incoming::Incoming;
use crate::stored::{CHUNK, Place, Stored, hash, open_plain};

/// Partial files that nobody continued for so long are removed.
const STALE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How names of temporary files in `partial` begin; the others are digests.
const TEMP: &str = "tmp-";

/// A record of a URL is not longer than this, in bytes.
const MAX_RECORD: u64 = 64 << 10;

/// An open cache.
#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// What a URL had when it was last fetched, and how to ask whether it still has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) url: String,
    pub(crate) sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_modified: Option<String>,
}

impl Cache {
    /// Opens or makes a cache, and removes what dead downloads left in it.
    pub(crate) fn open(root: &Path) -> Result<Self, FetchError> {
        let make = DirBuilder::new().recursive(true).mode(0o700).create(root);
        make.map_err(FetchError::io("make the cache directory", root))?;
        // A user may well have put a link there to a larger disk; where it leads is judged.
        judge(root, &fs::metadata(root).map_err(FetchError::io("examine", root))?)?;
        let cache = Self { root: root.to_owned() };
        directory(&cache.partial())?;
        cache.sweep();
        Ok(cache)
    }

    /// Content with this digest. What has another one is removed.
    pub(crate) fn find(
        &self,
        expected: &Expected,
        check: impl Fn() -> Result<(), FetchError>,
    ) -> Result<Option<Stored>, FetchError> {
        let path = self.path_of(expected);
        let file = match open_plain(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FetchError::io("read", &path)(error)),
        };
        let sums = hash(&file, &path, Some(expected), check)?;
        if sums.like(expected) != *expected {
            // Unless another process has just put good content there.
            if is_at(&file, &path).map_err(FetchError::io("examine", &path))? {
                fs::remove_file(&path)
                    .or_else(absent)
                    .map_err(FetchError::io("remove the damaged file", &path))?;
            }
            return Ok(None);
        }
        Stored::new(Place::Kept(path), &file, &sums).map(Some)
    }

    /// The record of a URL with its content, if both are here.
    pub(crate) fn recall(
        &self,
        url: &str,
        check: impl Fn() -> Result<(), FetchError>,
    ) -> Result<Option<(Record, Stored)>, FetchError> {
        let Some(record) = self.record(url).filter(|record| record.url == url) else { return Ok(None) };
        let Ok(expected) = format!("sha256:{}", record.sha256).parse() else { return Ok(None) };
        Ok(self.find(&expected, check)?.map(|stored| (record, stored)))
    }

    /// A record that cannot be read or understood is as good as none; it is soon replaced.
    fn record(&self, url: &str) -> Option<Record> {
        let mut text = Vec::new();
        open_plain(&self.path_of_url(url)).ok()?.take(MAX_RECORD).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes the record of a URL, whose content is stored already.
    pub(crate) fn remember(&self, record: &Record) -> Result<(), FetchError> {
        let path = self.path_of_url(&record.url);
        directory(&self.root.join("url"))?;
        let write = || {
            let mut temp = self.temp()?;
            temp.write_all(&serde_json::to_vec(record)?)?;
            temp.persist(&path).map_err(|error| error.error)
        };
        write().map(|_| ()).map_err(FetchError::io("write", &path))
    }

    /// A place for content to come in, with what an earlier download left of it.
    pub(crate) fn incoming(
        &self,
        expected: Option<&Expected>,
        limit: u64,
        check: impl Fn() -> Result<(), FetchError>,
    ) -> Result<Incoming, FetchError> {
        if let Some(expected) = expected {
            let path = self.partial().join(format!("{}-{}", expected.algorithm().name(), expected.hex()));
            if let Some(file) = claim(&path).map_err(FetchError::io("open", &path))? {
                return Incoming::resume(file, path, expected, limit, check);
            }
        }
        self.scratch(expected)
    }

    /// A place for content that nobody else could continue.
    pub(crate) fn scratch(&self, expected: Option<&Expected>) -> Result<Incoming, FetchError> {
        let temp = self.temp().map_err(FetchError::io("make a file in", &self.partial()))?;
        Ok(Incoming::into_temp(temp, expected))
    }

    /// Stores verified content under its digest.
    pub(crate) fn store(&self, incoming: Incoming, digest: &Expected) -> Result<Stored, FetchError> {
        incoming.keep_at(self.place_for(digest)?)
    }

    /// A file for content that does not come from a server.
    pub(crate) fn draft(&self) -> Result<NamedTempFile, FetchError> {
        self.temp().map_err(FetchError::io("make a file in", &self.partial()))
    }

    /// Stores what is in this file, which has this digest.
    pub(crate) fn adopt(&self, draft: NamedTempFile, digest: &Expected) -> Result<(), FetchError> {
        let path = self.place_for(digest)?;
        draft.persist(&path).map(|_| ()).map_err(|error| FetchError::io("write", &path)(error.error))
    }

    /// Stores an open file, which has this digest, under another name of it or as a copy.
    pub(crate) fn adopt_file(&self, file: &File, digest: &Expected) -> Result<(), FetchError> {
        let path = self.place_for(digest)?;
        // The way of open(2), under O_TMPFILE, for those without CAP_DAC_READ_SEARCH.
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        let link = |path: &Path| Ok(linkat(CWD, &own, CWD, path, AtFlags::SYMLINK_FOLLOW)?);
        let linked = tempfile::Builder::new().prefix(TEMP).make_in(self.partial(), link);
        if let Ok(linked) = linked {
            return linked
                .persist(&path)
                .map(drop)
                .map_err(|error| FetchError::io("write", &path)(error.error));
        }
        let copy = || {
            let mut temp = self.temp()?;
            // As a file of the user's: it may get a name elsewhere too.
            temp.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
            let (mut offset, mut buffer) = (0, vec![0; CHUNK]);
            loop {
                match file.read_at(&mut buffer, offset)? {
                    0 => break,
                    count => {
                        temp.write_all(&buffer[..count])?;
                        offset += count as u64;
                    }
                }
            }
            temp.persist(&path).map_err(|error| error.error)
        };
        copy().map(drop).map_err(FetchError::io("write", &path))
    }

    /// Removes content, if it is there.
    pub(crate) fn remove(&self, digest: &Expected) -> Result<(), FetchError> {
        let path = self.path_of(digest);
        fs::remove_file(&path).or_else(absent).map_err(FetchError::io("remove", &path))
    }

    /// Where content with this digest goes, the directories above it made.
    fn place_for(&self, digest: &Expected) -> Result<PathBuf, FetchError> {
        let path = self.path_of(digest);
        for part in path.ancestors().skip(1).take(2).collect::<Vec<_>>().into_iter().rev() {
            directory(part)?;
        }
        Ok(path)
    }

    /// A temporary file that [`sweep`](Self::sweep) leaves alone while it is open.
    fn temp(&self) -> io::Result<NamedTempFile> {
        loop {
            let temp = tempfile::Builder::new().prefix(TEMP).tempfile_in(self.partial())?;
            let ours = match temp.as_file().try_lock() {
                Ok(()) => is_at(temp.as_file(), temp.path())?,
                // Being swept at this moment.
                Err(fs::TryLockError::WouldBlock) => false,
                // Where files cannot be locked, they are not swept either.
                Err(fs::TryLockError::Error(_)) => true,
            };
            if ours {
                return Ok(temp);
            }
        }
    }

    /// Removes the files of downloads that are dead and of no use to anybody.
    /// Failing at that is no reason to fail.
    fn sweep(&self) {
        for entry in fs::read_dir(self.partial()).into_iter().flatten().flatten() {
            let is_temp = entry.file_name().as_encoded_bytes().starts_with(TEMP.as_bytes());
            let is_old = || {
                entry
                    .metadata()
                    .and_then(|m| m.modified())
                    .is_ok_and(|date| date.elapsed().is_ok_and(|age| age > STALE))
            };
            if !is_temp && !is_old() {
                continue;
            }
            let Ok(file) = open_plain(&entry.path()) else { continue };
            if file.try_lock().is_ok() && is_at(&file, &entry.path()).unwrap_or(false) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Removes everything; returns how many bytes those were.
    pub(crate) fn clear(&self) -> Result<u64, FetchError> {
        let mut bytes = 0;
        // What it has never had may be somebody else's.
        for name in ["sha256", "sha512", "url", "partial"] {
            let path = self.root.join(name);
            bytes += size_of_files(&path);
            fs::remove_dir_all(&path).or_else(absent).map_err(FetchError::io("remove", &path))?;
        }
        directory(&self.partial())?;
        Ok(bytes)
    }

    fn partial(&self) -> PathBuf {
        self.root.join("partial")
    }

    fn path_of(&self, digest: &Expected) -> PathBuf {
        let hex = digest.hex();
        self.root.join(digest.algorithm().name()).join(&hex[..2]).join(hex)
    }

    fn path_of_url(&self, url: &str) -> PathBuf {
        self.root.join("url").join(Digest::of(url.as_bytes()).hex())
    }
}

/// Bytes of all files below a directory.
fn size_of_files(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of_files(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// Opens and locks the partial file at `path`, made when missing. `None`: somebody else has it.
fn claim(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    // Between opening and locking, its owner may have finished and moved it away:
    // then it is verified content by now, and not to be written to.
    let ours = file.try_lock().is_ok() && is_at(&file, path)?;
    Ok(ours.then_some(file))
}

/// Whether this open file is what is at `path`.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let there = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let here = file.metadata()?;
    Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// For removing: what is not there need not be removed.
fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Makes a directory of the cache, and judges it if it is there: a link is refused.
fn directory(path: &Path) -> Result<(), FetchError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(FetchError::io("make the cache directory", path)(error));
        }
        _ => {}
    }
    judge(path, &fs::symlink_metadata(path).map_err(FetchError::io("examine", path))?)
}

/// Refuses what is no directory, and a directory in which others could put things.
fn judge(path: &Path, metadata: &Metadata) -> Result<(), FetchError> {
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    let reason = if !metadata.is_dir() {
        "it is not a directory".to_owned()
    } else if owner != user && owner != 0 {
        format!("it belongs to user {owner}, neither to user {user} nor to root")
    } else if metadata.mode() & 0o022 != 0 {
        format!("others may write to it (mode {:03o})", metadata.mode() & 0o7777)
    } else {
        return Ok(());
    };
    Err(FetchError::Cache { place: path.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn digest(data: &[u8]) -> Expected {
        Digest::of(data).into()
    }

    fn put(cache: &Cache, data: &[u8]) -> PathBuf {
        let mut incoming = cache.incoming(Some(&digest(data)), 100, || Ok(())).unwrap();
        incoming.write(data).unwrap();
        cache.store(incoming, &digest(data)).unwrap();
        cache.path_of(&digest(data))
    }

    #[test]
    fn damaged_content_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("c")).unwrap();
        let path = put(&cache, b"abc");
        assert!(cache.find(&digest(b"abc"), || Ok(())).unwrap().is_some());
        fs::write(&path, "abd").unwrap();
        assert!(cache.find(&digest(b"abc"), || Ok(())).unwrap().is_none());
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_that_others_can_change_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("c");
        Cache::open(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
        let error = Cache::open(&root).unwrap_err();
        assert!(error.to_string().contains("others may write"), "{error}");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
        symlink("/tmp", root.join("sha256")).unwrap();
        let cache = Cache::open(&root).unwrap();
        let incoming = cache.incoming(None, 9, || Ok(())).unwrap();
        assert!(matches!(cache.store(incoming, &digest(b"")), Err(FetchError::Cache { .. })));
    }

    #[test]
    fn leftovers_of_the_dead_are_removed_and_files_in_use_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let mut living = cache.incoming(None, 9, || Ok(())).unwrap();
        living.write(b"x").unwrap();
        let in_partial = |name: &str| cache.partial().join(name);
        for name in ["tmp-dead", "sha256-recent", "sha256-old"] {
            fs::write(in_partial(name), "x").unwrap();
        }
        let old = std::time::SystemTime::now() - 2 * STALE;
        File::options().write(true).open(in_partial("sha256-old")).unwrap().set_modified(old).unwrap();
        Cache::open(directory.path()).unwrap();
        assert!(!in_partial("tmp-dead").exists() && !in_partial("sha256-old").exists());
        assert!(in_partial("sha256-recent").exists());
        assert!(cache.store(living, &digest(b"x")).is_ok());
    }

    #[test]
    fn a_partial_file_has_one_owner() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let expected = digest(b"abc");
        let mut first = cache.incoming(Some(&expected), 9, || Ok(())).unwrap();
        first.write(b"abc").unwrap();
        assert_eq!(cache.incoming(Some(&expected), 9, || Ok(())).unwrap().len(), 0);
        drop(first);
        assert_eq!(cache.incoming(Some(&expected), 9, || Ok(())).unwrap().len(), 3);
    }

    #[test]
    fn a_record_without_its_content_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let path = put(&cache, b"abc");
        let record = Record {
            url: "http://h/".to_owned(),
            sha256: Digest::of(b"abc").hex(),
            etag: Some("\"1\"".to_owned()),
            last_modified: None,
        };
        cache.remember(&record).unwrap();
        assert_eq!(cache.recall("http://h/", || Ok(())).unwrap().unwrap().0, record);
        fs::remove_file(path).unwrap();
        assert!(cache.recall("http://h/", || Ok(())).unwrap().is_none());
    }
}
