//! What is made of downloads at some cost, kept for the next time.
//!
//! Nobody has signed it. It is as trustworthy as the program that made it and the directory
//! that it lies in, which is its user's own: names therefore say what made it and of what, and
//! all that matters besides. Like all content it has a digest, and what has changed on disk
//! is as good as not there.

use std::fs::File;

use ctr_forge_rootfs::Digest;
use tempfile::NamedTempFile;

use crate::cache::{Cache, Record};
use crate::digest::Expected;
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::stored::hash;

/// Something that is being made, on disk. It goes away unless it is [kept](Fetcher::keep).
#[derive(Debug)]
pub struct Draft(NamedTempFile);

impl Draft {
    /// The file, for writing.
    pub fn file(&self) -> &File {
        self.0.as_file()
    }
}

impl Fetcher {
    /// What was kept under this name, from its beginning; `None` where nothing was.
    /// `check` is asked again and again whether to go on.
    ///
    /// # Errors
    ///
    /// If there is a cache and it cannot be used.
    pub fn kept(
        &self,
        name: &str,
        check: impl Fn() -> Result<(), FetchError>,
    ) -> Result<Option<File>, FetchError> {
        let Some(cache) = self.cache()? else { return Ok(None) };
        match cache.recall(&url(name), check)? {
            Some((_, stored)) => stored.open().map(Some),
            None => Ok(None),
        }
    }

    /// A file for something that is to be kept; `None` where there is no cache.
    ///
    /// # Errors
    ///
    /// If there is a cache and it cannot be used.
    pub fn draft(&self) -> Result<Option<Draft>, FetchError> {
        let Some(cache) = self.cache()? else { return Ok(None) };
        cache.draft().map(|temp| Some(Draft(temp)))
    }

    /// Removes all that the cache has; returns how many bytes those were. Downloads that are
    /// under way elsewhere fail.
    ///
    /// # Errors
    ///
    /// If there is a cache and it cannot be used.
    pub fn clear(&self) -> Result<u64, FetchError> {
        self.cache()?.map_or(Ok(0), Cache::clear)
    }

    /// Content that was kept by its digest, with which it has been compared; `None` where there is
    /// none.
    ///
    /// # Errors
    ///
    /// If there is a cache and it cannot be used.
    pub fn content(
        &self,
        digest: &Digest,
        check: impl Fn() -> Result<(), FetchError>,
    ) -> Result<Option<File>, FetchError> {
        let Some(cache) = self.cache()? else { return Ok(None) };
        match cache.find(&Expected::from(*digest), check)? {
            Some(stored) => stored.open().map(Some),
            None => Ok(None),
        }
    }

    /// Keeps a file that has this digest: as the same file under another name where the file
    /// system can do that.
    ///
    /// # Errors
    ///
    /// If the cache cannot be used.
    pub fn keep_file(&self, file: &File, digest: &Digest) -> Result<(), FetchError> {
        self.cache()?.map_or(Ok(()), |cache| cache.adopt_file(file, &Expected::from(*digest)))
    }

    /// Removes content, if it is there.
    ///
    /// # Errors
    ///
    /// If there is a cache and it cannot be used.
    pub fn forget(&self, digest: &Digest) -> Result<(), FetchError> {
        self.cache()?.map_or(Ok(()), |cache| cache.remove(&Expected::from(*digest)))
    }

    /// Keeps what was made under a name, in place of what had it.
    ///
    /// # Errors
    ///
    /// If the cache cannot be used.
    pub fn keep(
        &self,
        name: &str,
        draft: Draft,
        check: impl Fn() -> Result<(), FetchError>,
    ) -> Result<(), FetchError> {
        let Some(cache) = self.cache()? else { return Ok(()) };
        let file = draft.0.reopen().map_err(FetchError::io("read", draft.0.path()))?;
        let sha256: Digest = hash(&file, draft.0.path(), None, check)?.sha256;
        cache.adopt(draft.0, &Expected::from(sha256))?;
        let record = Record { url: url(name), sha256: sha256.hex(), etag: None, last_modified: None };
        cache.remember(&record)
    }
}

/// A name among the records of the cache, where no server's URL can be like it.
fn url(name: &str) -> String {
    format!("kept:{name}")
}
