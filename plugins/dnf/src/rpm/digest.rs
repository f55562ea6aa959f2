//! Digests of headers, payloads and files, by the numbers that OpenPGP gives to algorithms
//! (RFC 9580, section 9.5; rpm's `rpmHashAlgo`).

use md5::Md5;
use sha1::{Digest as _, Sha1};
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

use super::error::{RpmError, beginning};
use super::header::Header;
use super::tag;

/// A hash that packages use. MD5 and SHA-1 find damage; what vouches for a file is the digest of
/// the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// What files have where nothing else is said.
    Md5,
    /// 20 bytes.
    Sha1,
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
    /// 28 bytes.
    Sha224,
}

impl Algorithm {
    /// The algorithm of this number.
    pub fn of_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Md5,
            2 => Self::Sha1,
            8 => Self::Sha256,
            9 => Self::Sha384,
            10 => Self::Sha512,
            11 => Self::Sha224,
            _ => return None,
        })
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha224 => "SHA-224",
        }
    }

    /// Bytes of a digest.
    pub fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A digest in the making.
#[derive(Debug, Clone)]
pub(super) enum Hasher {
    Md5(Md5),
    Sha1(Sha1),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Md5::default()),
            Algorithm::Sha1 => Self::Sha1(Sha1::default()),
            Algorithm::Sha224 => Self::Sha224(Sha224::default()),
            Algorithm::Sha256 => Self::Sha256(Sha256::default()),
            Algorithm::Sha384 => Self::Sha384(Sha384::default()),
            Algorithm::Sha512 => Self::Sha512(Sha512::default()),
        }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(data),
            Self::Sha1(hasher) => hasher.update(data),
            Self::Sha224(hasher) => hasher.update(data),
            Self::Sha256(hasher) => hasher.update(data),
            Self::Sha384(hasher) => hasher.update(data),
            Self::Sha512(hasher) => hasher.update(data),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha224(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha384(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// The digest of `data`, in hexadecimal.
pub(super) fn of(algorithm: Algorithm, data: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(data);
    hex(&hasher.finish())
}

/// As it is written: in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a digest of this algorithm; `None` if it is not one.
pub(super) fn parse_hex(algorithm: Algorithm, text: &[u8]) -> Option<Box<[u8]>> {
    let nibble = |digit: &u8| char::from(*digit).to_digit(16);
    let byte = |pair: &[u8; 2]| u8::try_from(nibble(&pair[0])? << 4 | nibble(&pair[1])?).ok();
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    (pairs.len() == algorithm.size()).then(|| pairs.iter().map(byte).collect())?
}

/// What something must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) algorithm: Algorithm,
    pub(super) digest: Box<[u8]>,
}

impl Expected {
    /// What the main header says of the payload as it is in the file. One strong digest is enough,
    /// though packages of version 6 have three.
    pub(super) fn of_payload(header: &Header) -> Result<Option<Self>, RpmError> {
        let number = header.number(tag::PAYLOADSHA256ALGO).unwrap_or(8);
        // The tag was once one for any algorithm. A weak one vouches for nothing.
        let algorithm = Algorithm::of_number(number).filter(|algorithm| {
            matches!(algorithm, Algorithm::Sha256 | Algorithm::Sha384 | Algorithm::Sha512)
        });
        let first = (tag::PAYLOADSHA256, algorithm);
        for (tag, algorithm) in [first, (tag::PAYLOADSHA512, Some(Algorithm::Sha512))] {
            let (Some(algorithm), Some(text)) = (algorithm, header.text(tag)) else { continue };
            let digest = parse_hex(algorithm, text.as_bytes());
            let digest = digest.ok_or_else(|| RpmError::PayloadDigest(beginning(&text)))?;
            return Ok(Some(Self { algorithm, digest }));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_empty_text() {
        for (number, expected) in [
            (1, "d41d8cd98f00b204e9800998ecf8427e"),
            (2, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (8, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (11, "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"),
        ] {
            let algorithm = Algorithm::of_number(number).unwrap();
            assert_eq!(of(algorithm, b""), expected);
            assert_eq!(parse_hex(algorithm, expected.as_bytes()).unwrap().len(), algorithm.size());
        }
        for number in [9, 10] {
            let algorithm = Algorithm::of_number(number).unwrap();
            assert_eq!(of(algorithm, b"x").len(), 2 * algorithm.size());
        }
        assert_eq!(Algorithm::of_number(3), None);
    }

    #[test]
    fn what_is_no_digest_is_none() {
        for text in [
            "",
            "d41d8cd98f00b204e9800998ecf8427",
            "d41d8cd98f00b204e9800998ecf8427g",
            "+41d8cd98f00b204e9800998ecf8427e",
        ] {
            assert_eq!(parse_hex(Algorithm::Md5, text.as_bytes()), None, "{text}");
        }
    }
}
