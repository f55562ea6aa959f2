//! The image layout that is at the final place already.
//!
//! It may be anybody's: nothing in it is followed (links), waited for (pipes),
//! read without a bound, or believed without its digest.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use ctr_forge_oci::layout::{self, BLOBS, INDEX_FILE, LAYOUT_FILE, SHA256};
use ctr_forge_oci::{Index, MAX_INDEX};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;

/// Largest `oci-layout` file that is read, in bytes.
const MAX_LAYOUT: u64 = 4096;

/// An image layout to which an image is added.
pub(crate) struct Existing<'a> {
    /// What it has.
    pub(crate) index: Index,
    /// `blobs/sha256`, if it is there.
    blobs: Option<OwnedFd>,
    /// Computes the digest of a file.
    digest: &'a dyn Fn(&File) -> Result<String>,
}

/// What an existing layout has of a blob.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Blob {
    /// Nothing.
    Missing,
    /// All of it.
    Intact,
    /// Something under its name that is not it.
    Damaged,
}

impl<'a> Existing<'a> {
    /// Opens the layout in `directory`; `None` if the directory is empty.
    ///
    /// What is neither is refused: the user meant another place.
    pub(crate) fn open(directory: File, digest: &'a dyn Fn(&File) -> Result<String>) -> Result<Option<Self>> {
        let metadata = directory.metadata().map_err(|e| Error::io("cannot look at what -o names", e))?;
        if !metadata.is_dir() {
            return Err(elsewhere(Error::usage("an image layout is a directory, and -o names a file")));
        }
        match read(&directory, LAYOUT_FILE, MAX_LAYOUT)? {
            Some(content) => layout::check(&content).map_err(elsewhere)?,
            None if is_empty(&directory)? => return Ok(None),
            None => {
                let message = "the directory that -o names is not empty, and no image layout: it has no";
                return Err(elsewhere(Error::usage(format!("{message} \"{LAYOUT_FILE}\""))));
            }
        }
        let index = match read(&directory, INDEX_FILE, MAX_INDEX)? {
            Some(json) => Index::read(&json).map_err(elsewhere)?,
            // What an interrupted tool leaves: the index is written last.
            None => Index::new(),
        };
        let blobs = match open_directory(&directory, BLOBS)? {
            Some(blobs) => open_directory(&blobs, SHA256)?,
            None => None,
        };
        Ok(Some(Self { index, blobs, digest }))
    }

    /// Whether it has the blob with this digest and size, by its content.
    pub(crate) fn blob(&self, digest: &str, size: u64) -> Result<Blob> {
        let Some(blobs) = &self.blobs else { return Ok(Blob::Missing) };
        let reading = |e| Error::io(format!("cannot read blob {digest} of the existing layout"), e);
        let file = match open(blobs, layout::blob_name(digest)?) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(Blob::Missing),
            Err(Errno::LOOP) => return Ok(Blob::Damaged),
            Err(e) => return Err(reading(e.into())),
        };
        let metadata = file.metadata().map_err(reading)?;
        let intact = metadata.is_file() && metadata.len() == size && (self.digest)(&file)? == digest;
        Ok(if intact { Blob::Intact } else { Blob::Damaged })
    }
}

/// Opens for reading what `name` is in `directory`, a link as little as a pipe's far end.
fn open(directory: impl AsFd, name: &str) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    openat(directory, name, flags, Mode::empty()).map(File::from)
}

fn open_directory(parent: impl AsFd, name: &str) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::DIRECTORY;
    match openat(parent, name, flags, Mode::empty()) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(Error::io(format!("cannot open \"{name}\" of the existing layout as a directory"), e)),
    }
}

/// The content of a file; `None` if there is none.
fn read(directory: &File, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    let reading = |e| Error::io(format!("cannot read \"{name}\" of the existing layout"), e);
    let file = match open(directory, name) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(reading(e.into())),
    };
    if !file.metadata().map_err(reading)?.is_file() {
        return Err(elsewhere(Error::input(format!("\"{name}\" of the existing layout is not a file"))));
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(reading)?;
    if content.len() as u64 > limit {
        let message = format!("\"{name}\" of the existing layout is longer than {limit} bytes");
        return Err(elsewhere(Error::input(message)));
    }
    Ok(Some(content))
}

/// Where the host itself keeps what is being made does not count.
fn is_empty(directory: &File) -> Result<bool> {
    let reading = |e: Errno| Error::new(ErrorKind::Io, "cannot list the directory that -o names").because(&e);
    for entry in Dir::read_from(directory).map_err(reading)? {
        let entry = entry.map_err(reading)?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") && !name.starts_with(b".ctr-forge-") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn elsewhere(error: Error) -> Error {
    error.hint("Choose another directory with -o: a new or empty one, or an image layout.")
}
