//! The payload: the content of a package's files.
//!
//! It is read once, from its beginning to its end. On the way the compressed bytes go into the
//! digest that the header has of them, and each file's into its own. What comes out before the
//! end is reached is only as good as its compression's checksum, and must not be final before
//! [`Payload::next`] has said that there is nothing more.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use ctr_forge_plugin::ErrorKind;
use ctr_forge_rootfs::{Compression, Decoder, RootPath};
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;

use super::cpio::{Cpio, CpioError, Head};
use super::digest::{Expected, Hasher, hex};
use super::files::{FileInfo, FileKind, hard_links};
use super::header::Header;
use super::tag;

/// Memory that lzma may use, in bytes, as the decoder of xz.
const LZMA_MEMORY: u64 = 256 << 20;

/// Bytes read at once.
const BUFFER: usize = 64 << 10;

/// Most zeros behind the archive: cpio itself fills up blocks of up to 64 KiB.
const MAX_PADDING: u64 = 64 << 10;

/// Why a payload is refused.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// It cannot be read.
    #[error("its payload cannot be read")]
    Read(#[source] io::Error),
    /// An archive of another kind, such as a difference of two packages.
    #[error("its payload is in format \"{0}\", and only \"cpio\" is read")]
    Format(String),
    /// A compression that nobody here knows.
    #[error("its payload is compressed with \"{0}\", which is not known")]
    UnknownCompression(String),
    /// The payload does not begin as the header says.
    #[error("its payload begins as {found} data, and its header says \"{said}\"")]
    Compression {
        /// What the header says.
        said: String,
        /// What it begins as.
        found: Compression,
    },
    /// Its archive is broken.
    #[error("its payload is broken")]
    Archive(#[from] CpioError),
    /// A file that the header does not have.
    #[error("its payload has {name}, which its header has not")]
    Unknown {
        /// The name, or the place in the header's list.
        name: String,
    },
    /// A file for the second time.
    #[error("its payload has {path} twice")]
    Twice {
        /// The file.
        path: RootPath,
    },
    /// A file that does not come.
    #[error("its payload lacks {path}")]
    Missing {
        /// The file.
        path: RootPath,
    },
    /// A file of another size.
    #[error("{path} has {found} bytes in its payload, and {expected} in its header")]
    Size {
        /// The file.
        path: RootPath,
        /// What the header says.
        expected: u64,
        /// What the payload says.
        found: u64,
    },
    /// A link that leads elsewhere.
    #[error("the link {path} leads elsewhere in its payload than in its header")]
    Target {
        /// The link.
        path: RootPath,
    },
    /// A file with other content.
    #[error("{path} has not the {algorithm} that its header says")]
    Digest {
        /// The file.
        path: RootPath,
        /// The name of the hash.
        algorithm: &'static str,
    },
    /// Files that are said to be one, and are not.
    #[error("{path} and {other} are one file, and its header says different things of them")]
    Linked {
        /// A name of it.
        path: RootPath,
        /// Another.
        other: RootPath,
    },
    /// Something stands behind the archive.
    #[error("there is something behind the end of its payload")]
    Trailing,
    /// It is not what the header has the digest of.
    #[error("its payload was changed: its {algorithm} is {found}, and its header says {expected}")]
    Changed {
        /// The name of the hash.
        algorithm: &'static str,
        /// What the header says.
        expected: String,
        /// What it comes to.
        found: String,
    },
}

impl PayloadError {
    /// Which kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Format(_) | Self::UnknownCompression(_) => ErrorKind::Unsupported,
            Self::Digest { .. } | Self::Changed { .. } => ErrorKind::Verification,
            _ => ErrorKind::Input,
        }
    }
}

/// What comes next in a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its places in the list of files: of a file with several names that of each, in the
    /// header's order. The content of a file can be read now, from [`Payload`].
    pub files: Vec<usize>,
}

/// A payload that is read. As [`Read`] it is the content of the file that came last.
pub struct Payload<'a> {
    cpio: Cpio<Plain<'a>>,
    source: Shared<'a>,
    expected: Option<Expected>,
    files: &'a [FileInfo],
    paths: HashMap<&'a RootPath, usize>,
    set_of: Vec<Option<usize>>,
    sets: Vec<Vec<usize>>,
    seen: Vec<bool>,
    content: Option<Content>,
}

/// Content of a file that is still to be read.
struct Content {
    file: usize,
    left: u64,
    hasher: Hasher,
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("position", &self.cpio.position()).finish_non_exhaustive()
    }
}

impl<'a> Payload<'a> {
    pub(super) fn open(
        file: &'a mut BufReader<File>,
        header: &Header,
        files: &'a [FileInfo],
        expected: Option<Expected>,
    ) -> Result<Self, PayloadError> {
        if let Some(format) = header.text(tag::PAYLOADFORMAT).filter(|format| format != "cpio") {
            return Err(PayloadError::Format(format.into_owned()));
        }
        let hasher = expected.as_ref().map(|expected| Hasher::new(expected.algorithm));
        let source = Shared(Arc::new(Mutex::new(Source { file, hasher })));
        let plain = Plain::new(source.clone(), header.text(tag::PAYLOADCOMPRESSOR).as_deref())?;
        let (set_of, sets) = hard_links(files);
        check_links(files, &sets)?;
        Ok(Self {
            cpio: Cpio::new(plain),
            source,
            expected,
            files,
            paths: files.iter().enumerate().map(|(at, file)| (&file.path, at)).collect(),
            set_of,
            sets,
            seen: vec![false; files.len()],
            content: None,
        })
    }

    /// What comes next; `None` at the end, where all that came is what the header has the
    /// digest of, if it has one.
    ///
    /// # Errors
    ///
    /// If it is not what the header says, here or in the content that was not read. Nothing that
    /// follows an error means anything.
    #[expect(clippy::should_implement_trait, reason = "an iterator would not have the content")]
    pub fn next(&mut self) -> Result<Option<Member>, PayloadError> {
        self.step().map_err(|error| self.explain(error))
    }

    fn step(&mut self) -> Result<Option<Member>, PayloadError> {
        self.pass_over()?;
        loop {
            let (at, size) = match self.cpio.head()? {
                Head::End => return self.finish().map(|()| None),
                Head::Named { name, size } => (self.find(&name)?, Some(size)),
                Head::Index(index) => (self.at(index)?, None),
            };
            if let Some(member) = self.entry(at, size)? {
                return Ok(Some(member));
            }
        }
    }

    fn find(&self, name: &[u8]) -> Result<usize, PayloadError> {
        let path = RootPath::new(name).ok();
        let unknown = || PayloadError::Unknown { name: name.escape_ascii().to_string() };
        path.and_then(|path| self.paths.get(&path).copied()).ok_or_else(unknown)
    }

    fn at(&self, index: u64) -> Result<usize, PayloadError> {
        let at = usize::try_from(index).ok().filter(|&at| at < self.files.len());
        at.ok_or_else(|| PayloadError::Unknown { name: format!("file number {index}") })
    }

    /// An entry for a file. `size` is what the entry says, if it does.
    fn entry(&mut self, at: usize, size: Option<u64>) -> Result<Option<Member>, PayloadError> {
        let files = self.files;
        let file = &files[at];
        if std::mem::replace(&mut self.seen[at], true) {
            return Err(PayloadError::Twice { path: file.path.clone() });
        }
        // Before version 4.11 rpm has put in some that it should not have.
        if file.is_ghost() {
            self.skip(size.unwrap_or(0))?;
            return Ok(None);
        }
        let is_last = self.set_of[at].is_none_or(|set| self.sets[set].last() == Some(&at));
        let expected = match file.kind() {
            Some(FileKind::File) if is_last => file.size,
            Some(FileKind::Symlink) => file.size,
            _ => 0,
        };
        if let Some(found) = size.filter(|&size| size != expected) {
            return Err(PayloadError::Size { path: file.path.clone(), expected, found });
        }
        match (file.kind(), &file.digest) {
            // The content comes with the last of its names.
            (Some(FileKind::File), _) if !is_last => return Ok(None),
            (Some(FileKind::File), Some(digest)) => {
                let hasher = Hasher::new(digest.algorithm);
                self.content = Some(Content { file: at, left: expected, hasher });
            }
            (Some(FileKind::Symlink), _) => self.compare_target(file)?,
            _ => {}
        }
        // Once for each set, which may have as many names as the package has files.
        let set = self.set_of[at].map(|set| self.sets[set].clone());
        Ok(Some(Member { files: set.unwrap_or_else(|| vec![at]) }))
    }

    fn compare_target(&mut self, file: &FileInfo) -> Result<(), PayloadError> {
        let mut found = vec![0; file.target.len()];
        self.cpio.read_exact(&mut found).map_err(CpioError::Read)?;
        match found == *file.target {
            true => Ok(()),
            false => Err(PayloadError::Target { path: file.path.clone() }),
        }
    }

    fn skip(&mut self, size: u64) -> Result<(), PayloadError> {
        let read = io::copy(&mut self.cpio.by_ref().take(size), &mut io::sink());
        match read.map_err(CpioError::Read)? == size {
            true => Ok(()),
            false => Err(CpioError::Read(io::ErrorKind::UnexpectedEof.into()).into()),
        }
    }

    /// Reads what nobody has read of the content that came last.
    fn pass_over(&mut self) -> Result<(), PayloadError> {
        let mut buffer = vec![0; if self.content.is_some() { BUFFER } else { 0 }];
        while self.content.is_some() {
            self.read_content(&mut buffer)?;
        }
        Ok(())
    }

    fn read_content(&mut self, buf: &mut [u8]) -> Result<usize, PayloadError> {
        let Some(content) = &mut self.content else { return Ok(0) };
        let wanted = usize::try_from(content.left).unwrap_or(usize::MAX).min(buf.len());
        let count = self.cpio.read(&mut buf[..wanted]).map_err(CpioError::Read)?;
        if count == 0 && wanted > 0 {
            return Err(CpioError::Read(io::ErrorKind::UnexpectedEof.into()).into());
        }
        content.hasher.update(&buf[..count]);
        content.left -= count as u64;
        if content.left == 0 {
            self.compare_content()?;
        }
        Ok(count)
    }

    fn compare_content(&mut self) -> Result<(), PayloadError> {
        let Some(Content { file, hasher, .. }) = self.content.take() else { return Ok(()) };
        let FileInfo { path, digest: Some(digest), .. } = &self.files[file] else { return Ok(()) };
        match hasher.finish() == *digest.bytes {
            true => Ok(()),
            false => Err(PayloadError::Digest { path: path.clone(), algorithm: digest.algorithm.name() }),
        }
    }

    /// The archive is at its end, and so must be all else.
    fn finish(&mut self) -> Result<(), PayloadError> {
        let mut came = self.seen.iter().zip(self.files);
        if let Some((_, file)) = came.find(|(seen, file)| !**seen && !file.is_ghost()) {
            return Err(PayloadError::Missing { path: file.path.clone() });
        }
        let mut buffer = [0; 4096];
        let mut left = MAX_PADDING;
        loop {
            let count = self.cpio.read(&mut buffer).map_err(CpioError::Read)?;
            if count == 0 {
                break;
            }
            if buffer[..count].iter().any(|&byte| byte != 0) || count as u64 > left {
                return Err(PayloadError::Trailing);
            }
            left -= count as u64;
        }
        self.compare_payload()
    }

    /// What is wrong first: where the payload is not what the header has the digest of, all else
    /// follows from that.
    fn explain(&mut self, error: PayloadError) -> PayloadError {
        match self.compare_payload() {
            Err(changed @ PayloadError::Changed { .. }) => changed,
            _ => error,
        }
    }

    /// Reads what nobody has read, and compares all of it with its digest.
    fn compare_payload(&mut self) -> Result<(), PayloadError> {
        // lzma does not say where it ends; what is behind it is in the digest all the same.
        io::copy(&mut self.source, &mut io::sink()).map_err(PayloadError::Read)?;
        let Some((expected, hasher)) = self.expected.take().zip(self.source.take_hasher()) else {
            return Ok(());
        };
        let found = hasher.finish();
        match found == *expected.digest {
            true => Ok(()),
            false => Err(PayloadError::Changed {
                algorithm: expected.algorithm.name(),
                expected: hex(&expected.digest),
                found: hex(&found),
            }),
        }
    }
}

impl Read for Payload<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_content(buf).map_err(|error| io::Error::other(self.explain(error)))
    }
}

/// Names of one file must agree on what it is.
fn check_links(files: &[FileInfo], sets: &[Vec<usize>]) -> Result<(), PayloadError> {
    for set in sets {
        let first = &files[set[0]];
        let differs = |file: &&FileInfo| file.size != first.size || file.digest != first.digest;
        if let Some(other) = set.iter().map(|&at| &files[at]).find(differs) {
            return Err(PayloadError::Linked { path: first.path.clone(), other: other.path.clone() });
        }
    }
    Ok(())
}

/// The payload as it is in the file.
struct Source<'a> {
    file: &'a mut BufReader<File>,
    hasher: Option<Hasher>,
}

/// The decoder reads it, and when that is done the rest is read past the decoder.
#[derive(Clone)]
struct Shared<'a>(Arc<Mutex<Source<'a>>>);

impl Shared<'_> {
    fn take_hasher(&self) -> Option<Hasher> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hasher.take()
    }
}

impl Read for Shared<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = source.file.read(buf)?;
        if let Some(hasher) = &mut source.hasher {
            hasher.update(&buf[..count]);
        }
        Ok(count)
    }
}

/// The payload without its compression.
enum Plain<'a> {
    Decoder(Decoder<Shared<'a>>),
    Lzma(XzDecoder<BufReader<Shared<'a>>>),
}

impl<'a> Plain<'a> {
    /// `said` is the header's word; nothing is said of gzip in old packages, nor of what is not
    /// compressed at all.
    fn new(source: Shared<'a>, said: Option<&str>) -> Result<Self, PayloadError> {
        let expected: &[Compression] = match said {
            None => &[Compression::Gzip, Compression::None],
            Some("gzip") => &[Compression::Gzip],
            Some("bzip2") => &[Compression::Bzip2],
            Some("xz") => &[Compression::Xz],
            Some("zstd") => &[Compression::Zstd],
            Some("none" | "identity") => &[Compression::None],
            Some("lzma") => {
                let stream = Stream::new_lzma_decoder(LZMA_MEMORY).map_err(io::Error::other);
                let buffered = BufReader::with_capacity(BUFFER, source);
                return Ok(Self::Lzma(XzDecoder::new_stream(buffered, stream.map_err(PayloadError::Read)?)));
            }
            Some(other) => return Err(PayloadError::UnknownCompression(other.to_owned())),
        };
        let decoder = Decoder::new(source).map_err(PayloadError::Read)?;
        let found = decoder.compression();
        match expected.contains(&found) {
            true => Ok(Self::Decoder(decoder)),
            false => Err(PayloadError::Compression { said: said.unwrap_or_default().to_owned(), found }),
        }
    }
}

impl Read for Plain<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Decoder(decoder) => decoder.read(buf),
            Self::Lzma(decoder) => decoder.read(buf),
        }
    }
}

#[cfg(test)]
mod tests;
