//! Reads tar archives as a stream of [`Entry`]s.
//!
//! It takes what is in use: v7, ustar, PAX (POSIX.1-2001) and GNU tar's own
//! format with long names, base-256 numbers and sparse files. Where readers
//! disagree what an archive means, it is refused rather than guessed at: what
//! one tool checked must be what another unpacks. Nothing is allocated because
//! a header says so.

mod content;
mod error;
mod extended;
mod input;
mod member;
mod noted;
mod sparse;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::mem;
use std::sync::Arc;

pub use error::{Fault, Name, Place, ReadError, Warning};
pub(crate) use member::{MAX_MAJOR, MAX_MINOR};
pub use noted::Noted;

use crate::header::{self, BLOCK, Header};
use crate::{Entry, Kind};
use content::Content;
use error::ReadError::Refused;
use extended::{Common, Extensions};
use input::Input;
use member::Member;
use sparse::{Extent, Form};

/// Warnings kept until the caller asks; the rest is only counted.
const MAX_WARNINGS: usize = 1000;

/// What an archive may ask of its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most entries, those that are skipped included. Default: 4 Mi.
    pub max_entries: u64,
    /// Most bytes in one extended header (PAX or GNU long name) or in one map
    /// of a sparse file. Default: 1 MiB.
    pub max_extension: u64,
    /// Most bytes of content of all entries together, holes of sparse files
    /// included. Default: no limit.
    pub max_size: u64,
    /// Most bytes read after the end-of-archive marker. Tar pads to its record
    /// size, and a producer that could not write all of it would fail.
    /// Default: 1 GiB.
    pub max_trailing: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_entries: 4 << 20, max_extension: 1 << 20, max_size: u64::MAX, max_trailing: 1 << 30 }
    }
}

/// Reads the entries of a tar archive from a stream, which it never seeks.
///
/// Call [`next_entry`](Self::next_entry), then read the content of the entry
/// from the reader itself: exactly [`Kind::size`] bytes, holes as zeros. The
/// stream is read in small pieces, so wrap a file or pipe in a
/// [`BufReader`](io::BufReader).
///
/// ```
/// # use ctr_forge_rootfs::{Entry, Kind, Reader, RootPath, Writer};
/// # use std::io::Read as _;
/// # let mut writer = Writer::new(Vec::new());
/// # let entry = Entry::new(RootPath::new(b"etc/hostname")?, Kind::File { size: 4 }, 0o644);
/// # writer.entry(&entry, &mut &b"box\n"[..])?;
/// # let archive = writer.finish()?;
/// let mut reader = Reader::new(&archive[..]);
/// while let Some(entry) = reader.next_entry()? {
///     let mut content = Vec::new();
///     reader.read_to_end(&mut content)?;
///     assert_eq!(content.len() as u64, entry.kind.size());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<R>,
    limits: Limits,
    state: State,
    /// What global headers set.
    common: Common,
    /// Package names seen, so that entries share them.
    packages: BTreeSet<Arc<str>>,
    /// Members counted against the limit.
    entries: u64,
    /// Bytes of content counted against the limit.
    size: u64,
    current: Content,
    /// What is noted of the current entry, and the record that is part of it.
    noted: Option<(Noted, &'static [u8])>,
    warnings: Vec<Warning>,
    /// Warnings not kept.
    more_warnings: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Failed,
}

impl<R: Read> Reader<R> {
    /// A reader with the default [`Limits`].
    pub fn new(inner: R) -> Self {
        Self::with_limits(inner, Limits::default())
    }

    /// A reader that refuses archives beyond `limits`.
    pub fn with_limits(inner: R, limits: Limits) -> Self {
        Self {
            input: Input::new(inner),
            limits,
            state: State::Open,
            common: Common::default(),
            packages: BTreeSet::new(),
            entries: 0,
            size: 0,
            current: Content::none(),
            noted: None,
            warnings: Vec::new(),
            more_warnings: 0,
        }
    }

    /// The next entry, or `None` once the archive is complete. What is left of
    /// the previous entry's content is skipped.
    ///
    /// At the end of the archive the stream is read to its own end, so that
    /// its producer can finish. Entries that no root filesystem can have are
    /// skipped with a warning.
    ///
    /// # Errors
    ///
    /// If the stream fails, is cut off, is no tar archive, or an entry cannot
    /// be taken. There is no way on after an error; only
    /// [`ReadError::AfterError`] comes.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        match self.state {
            State::Open => {}
            State::Ended => return Ok(None),
            State::Failed => return Err(ReadError::AfterError),
        }
        let result = self.advance();
        self.state = match &result {
            Ok(Some(_)) => State::Open,
            Ok(None) => State::Ended,
            Err(_) => State::Failed,
        };
        result
    }

    /// Notes of each entry its owners' names and the value of the PAX record `key`.
    pub fn noting(self, key: &'static [u8]) -> Self {
        Self { noted: Some((Noted::default(), key)), ..self }
    }

    /// What was noted of the current entry; nothing unless [`noting`](Self::noting) was asked for.
    pub fn noted(&self) -> Option<&Noted> {
        self.noted.as_ref().map(|(noted, _)| noted)
    }

    /// The warnings since the last call.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        let mut warnings = mem::take(&mut self.warnings);
        match mem::take(&mut self.more_warnings) {
            0 => {}
            more => warnings.push(Warning::More(more)),
        }
        warnings
    }

    /// The stream, wherever it stands.
    pub fn into_inner(self) -> R {
        self.input.inner
    }

    fn advance(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut extensions = Extensions::default();
        loop {
            let Some(header) = self.header()? else {
                let place = Place::Header(self.input.offset - BLOCK as u64);
                self.drain()?;
                return match extensions.is_empty() {
                    true => Ok(None),
                    false => Err(Refused { place, fault: Fault::Orphan }),
                };
            };
            let place = Place::Header(self.input.offset - BLOCK as u64);
            match header.typeflag() {
                b'g' => {
                    let data = self.extension(&header, &place)?;
                    self.common.apply_global(&data).map_err(|fault| Refused { place, fault })?;
                }
                // `X` is Sun's, from before POSIX; the records are the same.
                flag @ (b'x' | b'X' | b'L' | b'K') => {
                    let data = self.extension(&header, &place)?;
                    extensions.set(flag, data).map_err(|fault| Refused { place, fault })?;
                }
                _ => {
                    if let Some((noted, key)) = &mut self.noted {
                        *noted = Noted::new(&header, &extensions, key);
                    }
                    let member = member::assemble(&header, mem::take(&mut extensions), &self.common)?;
                    if let Some(entry) = self.open(&header, member)? {
                        return Ok(Some(entry));
                    }
                }
            }
        }
    }

    /// The next header; `None` at the end-of-archive marker, of which one of
    /// two blocks is enough.
    fn header(&mut self) -> Result<Option<Header>, ReadError> {
        self.current.skip(&mut self.input)?;
        let offset = self.input.offset;
        let Some(header) = self.input.block()? else {
            return Err(if offset == 0 { ReadError::Empty } else { ReadError::NoEndMarker { offset } });
        };
        if header.is_zero() {
            return Ok(None);
        }
        if header.checksum_matches() {
            self.current.doubtful = 0;
            return Ok(Some(header));
        }
        match mem::take(&mut self.current.doubtful) {
            0 if offset == 0 => Err(ReadError::NotTar),
            0 => Err(ReadError::BadHeader { offset }),
            // So the announced content was there; this was its first block.
            length => {
                let place = Place::Header(offset);
                self.current = Content::skipped(place, length - BLOCK as u64);
                self.header()
            }
        }
    }

    /// The content of an extended header. The `size` record never counts for
    /// it: that one is for the entry which follows.
    fn extension(&mut self, header: &Header, place: &Place) -> Result<Vec<u8>, ReadError> {
        let refused = |fault| Refused { place: place.clone(), fault };
        let size = header.number(header::SIZE).map_err(|_| refused(Fault::NotANumber("size")))?;
        let size = u64::try_from(size).map_err(|_| refused(Fault::OutOfRange("size")))?;
        if size > self.limits.max_extension {
            return Err(refused(Fault::ExtensionTooLong(self.limits.max_extension)));
        }
        self.input.content(size, place)
    }

    /// Makes `member` the current one; `None` if it is skipped.
    fn open(&mut self, header: &Header, member: Member) -> Result<Option<Entry>, ReadError> {
        let Member { name, entry, form, stored, certain, acl } = member;
        let place = Place::Entry(name.clone());
        self.entries += 1;
        if self.entries > self.limits.max_entries {
            return Err(Refused { place, fault: Fault::TooManyEntries(self.limits.max_entries) });
        }
        let Some(mut entry) = entry else {
            // A volume label (`V`) is only a note on the archive.
            if header.typeflag() != b'V' {
                self.warn(Warning::Skipped { entry: name, typeflag: header.typeflag() });
            }
            self.current = Content::skipped(place, stored);
            return Ok(None);
        };
        if acl {
            self.warn(Warning::Acl { entry: name });
        }
        self.current = match &mut entry.kind {
            Kind::File { size } => self.file(header, place, form, stored, size)?,
            _ if certain => Content::skipped(place, stored),
            _ => Content::doubtful(place, stored),
        };
        entry.package = entry.package.map(|package| self.intern(package));
        Ok(Some(entry))
    }

    /// The content of a file; puts its length with holes into `size`.
    fn file(
        &mut self,
        header: &Header,
        place: Place,
        form: Form,
        mut stored: u64,
        size: &mut u64,
    ) -> Result<Content, ReadError> {
        let limit = self.limits.max_extension;
        let map: Option<Vec<Extent>> = match form {
            Form::Whole => None,
            Form::Old => {
                let (real, map) = sparse::read_old(&mut self.input, header, limit, &place)?;
                *size = real;
                Some(map)
            }
            Form::Listed { map, .. } => Some(map),
            Form::Leading { .. } => {
                let (taken, map) = sparse::read_leading(&mut self.input, stored, limit, &place)?;
                stored -= taken;
                Some(map)
            }
        };
        let refused = |fault| Refused { place: place.clone(), fault };
        self.size = self.size.saturating_add(*size);
        if self.size > self.limits.max_size {
            return Err(refused(Fault::TooLarge(self.limits.max_size)));
        }
        match map {
            None => Ok(Content::whole(place, *size)),
            Some(map) => {
                sparse::check(&map, *size, stored).map_err(refused)?;
                Ok(Content::new(place, map, *size, stored))
            }
        }
    }

    /// The same name as one allocation for all entries of a package.
    fn intern(&mut self, package: Arc<str>) -> Arc<str> {
        match self.packages.get(&package) {
            Some(known) => known.clone(),
            None => {
                self.packages.insert(package.clone());
                package
            }
        }
    }

    fn warn(&mut self, warning: Warning) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning);
        } else {
            self.more_warnings += 1;
        }
    }

    /// Reads what follows the first block of the end-of-archive marker: only
    /// zeros may. After anything else it reads on all the same, for the
    /// producer's broken pipe would hide the error that matters.
    fn drain(&mut self) -> Result<(), ReadError> {
        let limit = self.limits.max_trailing;
        let mut room = limit;
        let mut garbage = None;
        let mut block = Header::zeroed();
        loop {
            let offset = self.input.offset;
            let length = match self.input.fill(&mut block.0) {
                Ok(length) => length,
                Err(error) => return Err(garbage.unwrap_or(error)),
            };
            let data = &block.0[..length];
            if let (None, Some(at)) = (&garbage, data.iter().position(|&b| b != 0)) {
                garbage = Some(match length == BLOCK && block.checksum_matches() {
                    true => ReadError::Concatenated { offset },
                    false => ReadError::Trailing { offset: offset + at as u64 },
                });
            }
            if length < BLOCK {
                return garbage.map_or(Ok(()), Err);
            }
            room = match room.checked_sub(length as u64) {
                Some(room) => room,
                None => return Err(garbage.unwrap_or(ReadError::TrailingTooLong { limit })),
            };
        }
    }
}

/// The content of the current entry. Errors of the archive come wrapped: the
/// inner error is a [`ReadError`].
impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.state == State::Failed {
            return Err(io::Error::other(ReadError::AfterError));
        }
        self.current.read(&mut self.input, buf).map_err(|error| {
            self.state = State::Failed;
            let kind = match &error {
                ReadError::Io { source, .. } => source.kind(),
                _ => io::ErrorKind::UnexpectedEof,
            };
            io::Error::new(kind, error)
        })
    }
}
