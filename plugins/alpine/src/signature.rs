//! The first member of an index or a package: who has signed what follows.
//!
//! A tar without its end that has a file `.SIGN.KIND.KEY` for each signature (apk-package(5)).

use std::io::Read;

use ctr_forge_plugin::SignatureKind;
use ctr_forge_rootfs::{Limits, ReadError, Reader};

/// Largest signature member, decompressed, in bytes: some hundred signatures.
pub const MAX: u64 = 256 << 10;

/// What ends a tar; members but the last one leave it out.
const END: [u8; 1024] = [0; 1024];

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// How it was made; `None` for a way that is not known here.
    pub kind: Option<SignatureKind>,
    /// That way's name: `RSA`, `RSA256`.
    pub word: String,
    /// The file name of the key.
    pub key: String,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// The signatures in a member; `None` where it is none of signatures.
///
/// # Errors
///
/// If it begins as one and is none.
pub fn parse(member: &[u8]) -> Result<Option<Vec<Signature>>, ReadError> {
    let mut signatures = Vec::new();
    let mut reader = reader(member);
    while let Some(entry) = reader.next_entry()? {
        let path = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
        let Some((word, key)) = path.strip_prefix(".SIGN.").and_then(|rest| rest.split_once('.')) else {
            return Ok(None);
        };
        let kind = match word {
            "RSA" => Some(SignatureKind::RsaPkcs1Sha1),
            "RSA256" => Some(SignatureKind::RsaPkcs1Sha256),
            "RSA512" => Some(SignatureKind::RsaPkcs1Sha512),
            _ => None,
        };
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(|error| error.downcast().unwrap_or(ReadError::AfterError))?;
        signatures.push(Signature { kind, word: word.to_owned(), key: key.to_owned(), bytes });
    }
    Ok(Some(signatures))
}

/// Reads the tar of a member that may lack its end.
pub fn reader(member: &[u8]) -> Reader<impl Read + '_> {
    let limits = Limits { max_entries: 1000, max_extension: 64 << 10, ..Limits::default() };
    Reader::with_limits(member.chain(&END[..]), limits)
}
