//! Digests as indexes name them, SHA-256 or SHA-512, and computing both.
//!
//! The rest of the workspace knows SHA-256 only, so that is computed of
//! everything; SHA-512 where it is what the index gives.

use std::fmt;
use std::str::FromStr;

use ctr_forge_rootfs::{Digest, Hasher};
use sha2::Digest as _;

/// A digest algorithm that is strong enough to name content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-256, `sha256`.
    Sha256,
    /// SHA-512, `sha512`.
    Sha512,
}

impl Algorithm {
    /// As in a digest's text and in the cache: `sha256`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    fn hex_len(self) -> usize {
        match self {
            Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        }
    }
}

/// The digest that content must have. Its text is `sha256:` and 64 or `sha512:`
/// and 128 hexadecimal digits; upper case is read and lower case written.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Expected {
    algorithm: Algorithm,
    hex: String,
}

/// A text that is not a digest of a known algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a digest: expected \"sha256:\" or \"sha512:\" and 64 or 128 hexadecimal digits")]
pub struct ParseExpectedError(String);

impl Expected {
    /// How it is computed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal digits alone, in lower case.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl From<Digest> for Expected {
    fn from(digest: Digest) -> Self {
        Self { algorithm: Algorithm::Sha256, hex: digest.hex() }
    }
}

impl FromStr for Expected {
    type Err = ParseExpectedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseExpectedError(text.to_owned());
        let (name, hex) = text.split_once(':').ok_or_else(error)?;
        let algorithm = [Algorithm::Sha256, Algorithm::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(error)?;
        if hex.len() != algorithm.hex_len() || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(error());
        }
        Ok(Self { algorithm, hex: hex.to_ascii_lowercase() })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes SHA-256, and SHA-512 if that is expected, of data that comes in pieces.
#[derive(Debug, Clone)]
pub(crate) struct Hashes {
    sha256: Hasher,
    sha512: Option<sha2::Sha512>,
}

/// What [`Hashes`] computed.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    pub(crate) sha256: Digest,
    sha512: Option<Expected>,
}

impl Hashes {
    pub(crate) fn new(expected: Option<&Expected>) -> Self {
        let long = expected.is_some_and(|expected| expected.algorithm == Algorithm::Sha512);
        Self { sha256: Hasher::new(), sha512: long.then(sha2::Sha512::default) }
    }

    /// The same algorithms, before any data.
    pub(crate) fn restarted(&self) -> Self {
        Self { sha256: Hasher::new(), sha512: self.sha512.as_ref().map(|_| sha2::Sha512::default()) }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        self.sha256.update(data);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(data);
        }
    }

    pub(crate) fn finish(self) -> Sums {
        let hex = |sum: &[u8]| sum.iter().map(|byte| format!("{byte:02x}")).collect();
        let sha512 =
            self.sha512.map(|sha512| Expected { algorithm: Algorithm::Sha512, hex: hex(&sha512.finalize()) });
        Sums { sha256: self.sha256.finish(), sha512 }
    }
}

impl Sums {
    /// The digest that can be compared with `expected`: the same algorithm, if that was computed.
    pub(crate) fn like(&self, expected: &Expected) -> Expected {
        match (expected.algorithm, &self.sha512) {
            (Algorithm::Sha512, Some(sha512)) => sha512.clone(),
            _ => self.sha256.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form() {
        let text = format!("sha512:{}", "aB".repeat(64));
        let expected: Expected = text.parse().unwrap();
        assert_eq!(expected.to_string(), text.to_lowercase());
        for bad in
            ["", "sha256", "sha256:", "md5:00", &text[..100], &format!("{text}0"), &text.replace('a', "g")]
        {
            assert!(bad.parse::<Expected>().is_err(), "{bad}");
        }
    }

    #[test]
    fn both_algorithms() {
        // FIPS 180-4, examples of the one-block message "abc".
        let sha512: Expected = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                                2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
            .parse()
            .unwrap();
        let mut hashes = Hashes::new(Some(&sha512));
        hashes.update(b"abc");
        let sums = hashes.finish();
        assert_eq!(sums.like(&sha512), sha512);
        assert_eq!(sums.sha256, Digest::of(b"abc"));
    }
}
