//! The files that an image consists of, in a directory or in a tar archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ctr_forge_plugin::{Error, Result};
use ctr_forge_rootfs::{Compression, Decoder, Digest, MAGIC_LEN};
use rustix::fs::OFlags;

/// Largest manifest, index or configuration, in bytes: what registries take.
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// Most members that an archive may have.
const MAX_MEMBERS: usize = 100_000;

/// A JSON document as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

impl Document {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { digest: Digest::of(&bytes), bytes }
    }
}

/// Where the files are.
#[derive(Debug)]
pub(crate) enum Store {
    Directory(PathBuf),
    Archive { file: Arc<File>, members: BTreeMap<String, (u64, u64)> },
}

/// One file of an image. Each reader of it has an offset of its own.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    file: Arc<File>,
    at: u64,
    pub(crate) size: u64,
}

impl Store {
    /// An image layout.
    pub(crate) fn directory(path: &Path) -> Self {
        Self::Directory(path.to_owned())
    }

    /// A tar archive. One that is compressed is decompressed into a file without a name in `temporary`.
    pub(crate) fn archive(path: &Path, temporary: &Path) -> Result<(Self, Compression)> {
        let cannot = |e| Error::io(format!("cannot read {}", path.display()), e);
        let mut file = File::open(path).map_err(cannot)?;
        let mut head = [0; MAGIC_LEN];
        let length = read_up_to(&mut file, &mut head).map_err(cannot)?;
        file.rewind().map_err(cannot)?;
        let compression = Compression::from_magic(&head[..length]);
        if compression != Compression::None {
            let mut plain = tempfile::tempfile_in(temporary).map_err(|e| {
                Error::io(format!("cannot make a temporary file in {}", temporary.display()), e)
            })?;
            let mut decoder = Decoder::new(BufReader::new(file)).map_err(cannot)?;
            io::copy(&mut decoder, &mut plain)
                .map_err(|e| Error::io(format!("cannot decompress {}", path.display()), e))?;
            plain.rewind().map_err(cannot)?;
            file = plain;
        }
        let members = members(&mut file).map_err(|e| {
            Error::input(format!("{} is no image that can be read", path.display()))
                .because(&e)
                .hint("An image is an OCI layout, an archive of docker or podman, or an ACI.")
        })?;
        Ok((Self::Archive { file: Arc::new(file), members }, compression))
    }

    /// The file `name`; `None` where there is none.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Blob>> {
        match self {
            Self::Directory(directory) => {
                let path = directory.join(name);
                // A pipe in its place is not waited for.
                let flags = OFlags::NONBLOCK.bits().cast_signed();
                let file = match File::options().read(true).custom_flags(flags).open(&path) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                    result => result.map_err(|e| Error::io(format!("cannot read {}", path.display()), e))?,
                };
                let metadata =
                    file.metadata().map_err(|e| Error::io(format!("cannot read {}", path.display()), e))?;
                if !metadata.is_file() {
                    return Err(Error::input(format!("{} is no file", path.display())));
                }
                Ok(Some(Blob { file: Arc::new(file), at: 0, size: metadata.len() }))
            }
            Self::Archive { file, members } => {
                let member = members.get(name).copied();
                Ok(member.map(|(at, size)| Blob { file: file.clone(), at, size }))
            }
        }
    }

    /// A document, whole; `None` where there is none.
    pub(crate) fn document(&self, name: &str) -> Result<Option<Document>> {
        let Some(blob) = self.open(name)? else { return Ok(None) };
        if blob.size > MAX_DOCUMENT {
            let message =
                format!("\"{}\" has {} bytes, and may have {MAX_DOCUMENT}", name.escape_debug(), blob.size);
            return Err(Error::input(message));
        }
        let mut bytes = Vec::new();
        blob.reader()
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io(format!("cannot read \"{}\"", name.escape_debug()), e))?;
        Ok(Some(Document::new(bytes)))
    }

    /// Whether there is such a file.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Directory(directory) => directory.join(name).is_file(),
            Self::Archive { members, .. } => members.contains_key(name),
        }
    }
}

impl Blob {
    /// The whole of a file.
    pub(crate) fn of(file: Arc<File>, size: u64) -> Self {
        Self { file, at: 0, size }
    }

    pub(crate) fn reader(&self) -> BlobReader {
        self.reader_at(0)
    }

    pub(crate) fn reader_at(&self, offset: u64) -> BlobReader {
        BlobReader { blob: self.clone(), read: offset.min(self.size) }
    }
}

/// Reads a [`Blob`] from its beginning.
#[derive(Debug)]
pub(crate) struct BlobReader {
    blob: Blob,
    read: u64,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.blob.size - self.read).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let count = self.blob.file.read_at(&mut buffer[..length], self.blob.at + self.read)?;
        if count == 0 && length > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read += count as u64;
        Ok(count)
    }
}

/// The regular files of a tar archive: where each begins, and its size. Later ones win.
fn members(file: &mut File) -> io::Result<BTreeMap<String, (u64, u64)>> {
    let mut members = BTreeMap::new();
    let mut archive = tar::Archive::new(&*file);
    let mut links = Vec::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let Ok(path) = String::from_utf8(entry.path_bytes().into_owned()) else { continue };
        let name = plain(&path).to_owned();
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                members.insert(name, (entry.raw_file_position(), entry.size()));
            }
            // docker save of old links layers that images share.
            tar::EntryType::Symlink | tar::EntryType::Link => {
                if let Some(target) = entry.link_name_bytes() {
                    links.push((
                        name,
                        String::from_utf8_lossy(&target).into_owned(),
                        entry.header().entry_type(),
                    ));
                }
            }
            _ => {}
        }
        if members.len() + links.len() > MAX_MEMBERS {
            return Err(io::Error::other(format!("it has more than {MAX_MEMBERS} members")));
        }
    }
    for (name, target, kind) in links {
        let target = match kind {
            tar::EntryType::Link => plain(&target).to_owned(),
            _ => beside(&name, &target),
        };
        if let Some(&place) = members.get(&target) {
            members.insert(name, place);
        }
    }
    Ok(members)
}

fn plain(path: &str) -> &str {
    path.trim_start_matches("./").trim_end_matches('/')
}

/// Where a relative link of `name` leads inside the archive.
fn beside(name: &str, target: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}
