//! What is asked for, what is handed out, and how far it is.

use std::fmt;
use std::fs::File;

use ctr_forge_rootfs::Digest;

use crate::address;
use crate::digest::Expected;
use crate::error::{FetchError, SizeFault};

/// One file to fetch.
#[derive(Clone)]
pub struct Request {
    /// What people call it, for messages and progress.
    pub name: String,
    /// Where the same bytes are, in order of preference: `http`, `https`, `file`.
    pub urls: Vec<Location>,
    /// The digest it must have.
    pub digest: Option<Expected>,
    /// It is compressed (gzip, xz, zstd, bzip2), and wanted without. Needs `digest`.
    pub unpacked: Option<Unpacked>,
    /// Its size in bytes, if known.
    pub size: Option<u64>,
    /// The most bytes to take when `size` is not known.
    pub max_size: u64,
}

/// What a compressed file is without its compression. The cache keeps it in that form, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest it must have.
    pub digest: Expected,
    /// Its size in bytes.
    pub size: u64,
}

/// Where a file is, and the way there.
#[derive(Clone)]
pub struct Location {
    /// `http`, `https` or `file`.
    pub url: String,
    /// A proxy for this URL alone; `DIRECT` for none. `None`: as configured.
    pub proxy: Option<String>,
}

impl From<String> for Location {
    fn from(url: String) -> Self {
        Self { url, proxy: None }
    }
}

/// Without passwords.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location")
            .field("url", &address::redact(&self.url))
            .field("proxy", &self.proxy.as_deref().map(address::redact))
            .finish()
    }
}

/// URLs without passwords.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls.iter().map(|at| address::redact(&at.url)).collect();
        f.debug_struct("Request")
            .field("name", &self.name)
            .field("urls", &urls)
            .field("digest", &self.digest)
            .field("unpacked", &self.unpacked)
            .field("size", &self.size)
            .field("max_size", &self.max_size)
            .finish()
    }
}

impl Request {
    /// The most bytes that may arrive.
    pub(crate) fn limit(&self) -> u64 {
        self.size.unwrap_or(self.max_size)
    }

    /// Judges a length that is announced or, once everything is there, found.
    pub(crate) fn check_size(&self, url: &str, got: u64) -> Result<(), FetchError> {
        let fault = match self.size {
            Some(expected) if expected != got => SizeFault::Differs { expected, got },
            None if got > self.max_size => SizeFault::TooLong { limit: self.max_size },
            _ => return Ok(()),
        };
        Err(FetchError::Size { url: url.to_owned(), fault })
    }
}

/// A file that was fetched and verified.
#[derive(Debug)]
pub struct Fetched {
    /// Open for reading only, at offset 0.
    pub file: File,
    /// Its SHA-256, computed here.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it comes from, without credentials; for what was in the cache by its
    /// digest, the first URL of the request.
    pub url: String,
    /// How it came.
    pub origin: Origin,
}

/// How a file came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A server sent it.
    Network,
    /// It was in the cache, and if it has no digest, the server said that it is current.
    Cache,
    /// It was read from a `file://` URL.
    File,
}

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes in all, of the files whose size is known.
    pub total_bytes: u64,
    /// Files that are here or have failed.
    pub done_files: usize,
    /// Files in all.
    pub total_files: usize,
}
