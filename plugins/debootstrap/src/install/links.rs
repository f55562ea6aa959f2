//! The files of the package that is being unpacked, for the hard links that follow them.
//!
//! A hard link names an earlier file of its package. That file may have been left out, or
//! have lost its place to another package; then the link becomes the file, so its content
//! is remembered for as long as the package lasts.

use std::collections::HashMap;
use std::io::{self, Read};
use std::mem;

use ctr_forge_rootfs::{Entry, RootPath};
use md5::{Digest as _, Md5};

/// Most bytes remembered of the files of one package that were left out: 32 MiB.
const MAX_HELD: usize = 32 << 20;

/// What is learned of content that passed: its digest and a copy, if they were asked for.
pub(super) type Learned = (Option<[u8; 16]>, Option<Vec<u8>>);

/// Files of one package, by all their names.
#[derive(Debug, Default)]
pub(super) struct Links {
    names: HashMap<RootPath, usize>,
    files: Vec<Source>,
    held: usize,
}

/// Where a file's content is.
#[derive(Debug)]
pub(super) enum Source {
    /// In the stream, under this path.
    Written(RootPath, Option<[u8; 16]>),
    /// Nowhere but here.
    Held(Box<Entry>, Vec<u8>),
    /// Nowhere: it was too large.
    Lost,
}

impl Links {
    /// Which file has the name `path`.
    pub(super) fn find(&self, path: &RootPath) -> Option<usize> {
        self.names.get(path).copied()
    }

    /// A file that came now.
    pub(super) fn add(&mut self, path: RootPath, source: Source) {
        self.names.insert(path, self.files.len());
        self.files.push(source);
    }

    /// A further name.
    pub(super) fn add_name(&mut self, path: RootPath, file: usize) {
        self.names.insert(path, file);
    }

    /// The source of `file`, to be put back if it is needed further.
    pub(super) fn take(&mut self, file: usize) -> Source {
        self.files.get_mut(file).map_or(Source::Lost, |source| mem::replace(source, Source::Lost))
    }

    pub(super) fn put_back(&mut self, file: usize, source: Source) {
        if let Some(place) = self.files.get_mut(file) {
            *place = source;
        }
    }

    /// Whether a file of `size` bytes may be remembered, which is then counted.
    pub(super) fn hold(&mut self, size: u64) -> bool {
        match usize::try_from(size).ok().and_then(|size| self.held.checked_add(size)) {
            Some(held) if held <= MAX_HELD => {
                self.held = held;
                true
            }
            _ => false,
        }
    }
}

/// Content on its way, and what is learned of it.
pub(super) struct Tap<'a> {
    inner: &'a mut dyn Read,
    md5: Option<Md5>,
    copy: Option<Vec<u8>>,
}

impl<'a> Tap<'a> {
    pub(super) fn new(inner: &'a mut dyn Read, hashed: bool, copied: bool) -> Self {
        Self { inner, md5: hashed.then(Md5::new), copy: copied.then(Vec::new) }
    }

    /// The digest and the copy, as far as they were asked for.
    pub(super) fn finish(self) -> Learned {
        (self.md5.map(|md5| md5.finalize().into()), self.copy)
    }
}

impl Read for Tap<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        if let Some(md5) = &mut self.md5 {
            md5.update(&buf[..count]);
        }
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(&buf[..count]);
        }
        Ok(count)
    }
}
