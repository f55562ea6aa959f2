//! One package file, taken apart.
//!
//! A lead of 96 bytes, a header of signatures, padding to eight bytes, the main header, and the
//! payload, which is a compressed archive (rpm's `docs/manual/format_v4.md` and `format_v6.md`).
//! Signatures are over the main header, and that has the digest of the payload. So whoever
//! has verified a signature over [`Header::bytes`] and read the payload to its end knows all of
//! the package to be what was signed, if [`Rpm::content_is_signed`].
//!
//! | module | what it does |
//! |---|---|
//! | `lead`, `header`, `tag`, `signature` | what stands before the payload |
//! | `package` | what a header says of dependencies, as repository metadata would |
//! | `files` | the files that a header names |
//! | `payload`, `cpio` | their content |
//! | `digest` | digests of all of it |

mod cpio;
mod digest;
mod error;
mod files;
pub mod header;
mod lead;
mod package;
mod payload;
mod signature;
pub mod tag;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

pub use cpio::CpioError;
pub use digest::Algorithm;
pub use error::RpmError;
pub use files::{FileDigest, FileFlags, FileInfo, FileKind, FilesError};
pub use payload::{Member, Payload, PayloadError};

use self::digest::Expected;
use self::error::{Part, beginning};
use self::header::Header;
use crate::metadata::primary::is_name;

/// Bytes read at once of what stands before the payload.
const BUFFER: usize = 64 << 10;

/// A package file that is open.
#[derive(Debug)]
pub struct Rpm {
    /// The main header. Its bytes are what signatures are of.
    pub header: Header,
    /// The header of signatures. Nothing vouches for it but what it has itself.
    pub signature: Header,
    signatures: Vec<Vec<u8>>,
    expected: Option<Expected>,
    file: BufReader<File>,
    /// Where the payload begins.
    payload_at: u64,
}

impl Rpm {
    /// Reads all that stands before the payload, and compares the main header with the digests
    /// that stand beside it. These find damage; they prove nothing.
    ///
    /// # Errors
    ///
    /// If it is no package with programs, or one from before rpm 4, or damaged.
    pub fn open(file: File) -> Result<Self, RpmError> {
        let mut file = BufReader::with_capacity(BUFFER, file);
        file.seek(SeekFrom::Start(0))?;
        lead::check(&mut file)?;
        let signature = read(&mut file, Part::Signature)?;
        let padding = signature.bytes().len().wrapping_neg() % 8;
        file.seek_relative(padding as i64)?;
        let header = read(&mut file, Part::Main)?;
        let payload_at = file.stream_position()?;
        check(&header)?;
        signature::compare_digests(&signature, &header)?;
        let signatures = signature::all(&signature)?;
        let expected = Expected::of_payload(&header)?;
        Ok(Self { header, signature, signatures, expected, file, payload_at })
    }

    /// The OpenPGP signatures of the main header, as binary packets. Those over the payload too,
    /// which rpm made before version 4.14, are not among them.
    pub fn signatures(&self) -> &[Vec<u8>] {
        &self.signatures
    }

    /// Whether the main header has a digest of the payload, so that a signature of the one
    /// vouches for the other. Packages made before rpm 4.14 have none.
    pub fn payload_is_signed(&self) -> bool {
        self.expected.is_some()
    }

    /// Whether whoever signed the main header vouches for the content of all files: by the digest
    /// of the payload, or by that of each file. MD5 and SHA-1 do not count.
    ///
    /// # Errors
    ///
    /// As [`Rpm::files`].
    pub fn content_is_signed(&self) -> Result<bool, FilesError> {
        let is_weak = |file: &FileInfo| match (file.kind(), &file.digest) {
            (Some(FileKind::File) | None, Some(digest)) => {
                matches!(digest.algorithm, Algorithm::Md5 | Algorithm::Sha1)
            }
            (Some(FileKind::File) | None, None) => !file.is_ghost(),
            _ => false,
        };
        Ok(self.payload_is_signed() || !self.files()?.iter().any(is_weak))
    }

    /// The files that the header names, in its order.
    ///
    /// # Errors
    ///
    /// If what it says of them does not fit together.
    pub fn files(&self) -> Result<Vec<FileInfo>, FilesError> {
        files::read(&self.header)
    }

    /// The content of `files`, which are those of [`Rpm::files`], from the beginning.
    ///
    /// # Errors
    ///
    /// If the payload cannot be decompressed.
    pub fn payload<'a>(&'a mut self, files: &'a [FileInfo]) -> Result<Payload<'a>, PayloadError> {
        self.file.seek(SeekFrom::Start(self.payload_at)).map_err(PayloadError::Read)?;
        Payload::open(&mut self.file, &self.header, files, self.expected.clone())
    }
}

fn read(file: &mut BufReader<File>, part: Part) -> Result<Header, RpmError> {
    let region = match part {
        Part::Signature => tag::HEADERSIGNATURES,
        Part::Main => tag::HEADERIMMUTABLE,
    };
    Header::read(file, region).map_err(|source| RpmError::Header { part, source })
}

/// Whether it is a package of a kind that is read here.
fn check(header: &Header) -> Result<(), RpmError> {
    // rpmbuild marks source packages so, whatever their lead says.
    if header.has(tag::SOURCEPACKAGE) {
        return Err(RpmError::Source);
    }
    if header.has(tag::OLDFILENAMES) {
        return Err(RpmError::Old);
    }
    for (tag, name) in [
        (tag::NAME, "name"),
        (tag::VERSION, "version"),
        (tag::RELEASE, "release"),
        (tag::ARCH, "architecture"),
    ] {
        match header.text(tag).filter(|text| !text.is_empty()) {
            None => return Err(RpmError::Lacks { what: name }),
            Some(text) if !is_name(&text) => {
                return Err(RpmError::Name { what: name, text: beginning(&text) });
            }
            Some(_) => {}
        }
    }
    Ok(())
}
