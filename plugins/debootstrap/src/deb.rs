//! One package file, taken apart: deb(5).
//!
//! A package is an `ar` archive of three members in a fixed order: the version of the
//! format, the control files, and the files to install. Both tars are compressed by a
//! method that the member's name tells. Verified or not, nothing here trusts the file:
//! each number is checked against what is there, and the control files, which are held
//! in memory, may not grow beyond [`MAX_CONTROL`].

mod control_files;
mod error;
#[cfg(test)]
pub(crate) mod tests;

use std::io::{Read, Seek, SeekFrom, Take};

use ctr_forge_rootfs::{Compression, Decoder};

pub use control_files::{Control, ControlFile, MAX_CONTROL};
pub use error::DebError;

/// What an `ar` archive begins with.
const GLOBAL: &[u8] = b"!<arch>\n";

/// Bytes of a member's header.
const HEADER: usize = 60;

/// Members looked at before `data.tar`, those that are passed over included.
const MAX_MEMBERS: usize = 32;

/// A package file, its members found but not yet read.
#[derive(Debug)]
pub struct Deb<R> {
    file: R,
    name: String,
    control: Member,
    data: Member,
}

/// A member of the `ar` archive.
#[derive(Debug)]
struct Member {
    name: String,
    offset: u64,
    size: u64,
}

impl<R: Read + Seek> Deb<R> {
    /// Finds the members of the package `file`, which errors call `name`.
    ///
    /// # Errors
    ///
    /// If it is no package, or one of a format other than 2.x.
    pub fn open(file: R, name: &str) -> Result<Self, DebError> {
        let mut ar = Ar::new(file, name)?;
        let version = ar.expect("debian-binary", |member| member == "debian-binary")?;
        ar.check_version(&version)?;
        let control = ar.expect("control.tar", |member| is_tar(member, "control.tar"))?;
        let data = ar.expect("data.tar", |member| is_tar(member, "data.tar"))?;
        Ok(Self { file: ar.file, name: name.to_owned(), control, data })
    }

    /// Reads all control files.
    ///
    /// # Errors
    ///
    /// If they cannot be unpacked, are more than [`MAX_CONTROL`] bytes, or one of them is
    /// no file.
    pub fn control(&mut self) -> Result<Control, DebError> {
        const COMPRESSIONS: &[Compression] = &[Compression::Gzip, Compression::Xz, Compression::Zstd];
        let member = &self.control;
        let tar = member.decode(&mut self.file, &self.name, "control.tar", COMPRESSIONS)?;
        Control::read(tar, &self.name, &member.name)
    }

    /// The tar of the files to install, unpacked as it is read.
    ///
    /// How much may come out is for the reader to bound.
    ///
    /// # Errors
    ///
    /// If it is not compressed as its name says, or in a way that is not known.
    pub fn data(self) -> Result<impl Read + use<R>, DebError> {
        const COMPRESSIONS: &[Compression] =
            &[Compression::Gzip, Compression::Xz, Compression::Zstd, Compression::Bzip2];
        self.data.decode(self.file, &self.name, "data.tar", COMPRESSIONS)
    }
}

/// Whether `member` is `tar`, compressed or not.
fn is_tar(member: &str, tar: &str) -> bool {
    member.strip_prefix(tar).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Member {
    /// Unpacks this member, which must be one of `compressions` or none, and the one that
    /// the name announces: dpkg goes by the name, other tools by the content, and they
    /// must not see two different packages.
    fn decode<R: Read + Seek>(
        &self,
        mut file: R,
        deb: &str,
        tar: &str,
        compressions: &[Compression],
    ) -> Result<Decoder<Take<R>>, DebError> {
        let (name, deb) = (&self.name, || deb.to_owned());
        let announced = match name.strip_prefix(tar).unwrap_or_default() {
            "" => Compression::None,
            ".gz" => Compression::Gzip,
            ".xz" => Compression::Xz,
            ".zst" => Compression::Zstd,
            ".bz2" => Compression::Bzip2,
            _ => return Err(DebError::Compression { deb: deb(), member: name.clone() }),
        };
        if announced != Compression::None && !compressions.contains(&announced) {
            return Err(DebError::Compression { deb: deb(), member: name.clone() });
        }
        file.seek(SeekFrom::Start(self.offset)).map_err(|source| DebError::Io { deb: deb(), source })?;
        let decoder = Decoder::new(file.take(self.size)).map_err(|source| DebError::Decode {
            deb: deb(),
            member: name.clone(),
            source,
        })?;
        match decoder.compression() {
            found if found == announced => Ok(decoder),
            found => Err(DebError::Misnamed { deb: deb(), member: name.clone(), found }),
        }
    }
}

/// The `ar` archive, read member by member.
struct Ar<'n, R> {
    file: R,
    name: &'n str,
    /// Bytes of the whole file.
    length: u64,
    /// Where the next header is.
    offset: u64,
    members: usize,
}

impl<'n, R: Read + Seek> Ar<'n, R> {
    fn new(mut file: R, name: &'n str) -> Result<Self, DebError> {
        let length = file.seek(SeekFrom::End(0)).map_err(|source| DebError::io(name, source))?;
        let mut ar = Self { file, name, length, offset: GLOBAL.len() as u64, members: 0 };
        if length < ar.offset || ar.bytes(0, GLOBAL.len())? != GLOBAL {
            return Err(DebError::NotAr { deb: name.to_owned() });
        }
        Ok(ar)
    }

    fn bytes(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, DebError> {
        let mut bytes = vec![0; count];
        let mut read = || {
            self.file.seek(SeekFrom::Start(offset))?;
            self.file.read_exact(&mut bytes)
        };
        read().map_err(|source| DebError::io(self.name, source))?;
        Ok(bytes)
    }

    /// The next member, which must be the one that `is` accepts. Others whose names begin
    /// with an underscore are passed over, as deb(5) asks.
    fn expect(&mut self, expected: &'static str, is: impl Fn(&str) -> bool) -> Result<Member, DebError> {
        while self.offset < self.length && self.members < MAX_MEMBERS {
            let member = self.next()?;
            if is(&member.name) {
                return Ok(member);
            }
            if !member.name.starts_with('_') || expected == "debian-binary" {
                return Err(DebError::Unexpected { deb: self.name.to_owned(), expected, found: member.name });
            }
        }
        Err(DebError::Missing { deb: self.name.to_owned(), member: expected })
    }

    fn next(&mut self) -> Result<Member, DebError> {
        let broken = |what| DebError::Header { deb: self.name.to_owned(), offset: self.offset, what };
        if self.length - self.offset < HEADER as u64 {
            return Err(broken("is cut short"));
        }
        let (offset, name) = (self.offset, self.name);
        let header = self.bytes(offset, HEADER)?;
        let broken = |what| DebError::Header { deb: name.to_owned(), offset, what };
        if &header[58..] != b"`\n" {
            return Err(broken("does not end as a header does"));
        }
        let member = member_name(&header[..16]).ok_or_else(|| broken("has a name that no package has"))?;
        let size = decimal(&header[48..58]).ok_or_else(|| broken("has a size that is no number"))?;
        let start = offset + HEADER as u64;
        let end = start.checked_add(size).filter(|&end| end <= self.length);
        let Some(end) = end else {
            let missing = size.saturating_sub(self.length - start);
            return Err(DebError::CutShort { deb: name.to_owned(), member, missing });
        };
        // Members begin at even offsets; the byte between is a newline, and may lack at the end.
        self.offset = end + end % 2;
        self.members += 1;
        if end % 2 == 1 && end < self.length && self.bytes(end, 1)? != b"\n" {
            return Err(broken("is followed by padding that is no newline"));
        }
        Ok(Member { name: member, offset: start, size })
    }

    fn check_version(&mut self, member: &Member) -> Result<(), DebError> {
        let length = usize::try_from(member.size.min(32)).unwrap_or(32);
        let text = self.bytes(member.offset, length)?;
        let line = text.split(|&b| b == b'\n').next().unwrap_or_default();
        let minor = line.strip_prefix(b"2.").filter(|_| line.len() < text.len());
        match minor {
            Some(minor) if !minor.is_empty() && minor.iter().all(u8::is_ascii_digit) => Ok(()),
            _ => {
                let version = line.escape_ascii().to_string();
                Err(DebError::Version { deb: self.name.to_owned(), version })
            }
        }
    }
}

/// A member's name as dpkg-deb reads it: padded with blanks, perhaps with a slash at the
/// end. The long names of GNU (`/12`) and BSD (`#1/12`) are not legal here.
fn member_name(field: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(field).ok()?.trim_end_matches(' ');
    let name = name.strip_suffix('/').unwrap_or(name);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+');
    (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_owned())
}

/// A number padded with blanks.
fn decimal(field: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(field).ok()?.trim_end_matches(' ');
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}
