//! Bare RSA signatures: PKCS #1 v1.5 (RFC 8017, section 8.2), as Alpine's indexes and
//! packages have them (apk-package(5)).
//!
//! A key has no name, date or owner here; its fingerprint is the SHA-256 of its
//! `SubjectPublicKeyInfo`, as `openssl pkey -pubin -outform der | sha256sum` has it.

use std::fmt::Write;

use ctr_forge_rootfs::Digest;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey};
use rsa::sha2::{Digest as _, Sha256, Sha512};
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use sha1_checked::Sha1;

/// Fewest bits of a key's modulus: what NIST SP 800-131A asks for.
const MIN_BITS: usize = 2048;

/// Of what data the digest is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1. Data that is made for a collision, as far as that can be told, is refused.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// A public key.
#[derive(Debug, Clone)]
pub struct Key {
    key: RsaPublicKey,
    fingerprint: String,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No PEM of an RSA key, or of one that is larger than this reads.
    #[error("is no RSA public key of at most 4096 bits in PEM")]
    NotAKey,
    /// So short that its secret half can be computed.
    #[error("is an RSA key of {0} bits, and such a short one can be forged")]
    Short(usize),
}

/// Why data does not count as signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RsaError {
    /// No key fits: the data was changed, or somebody else has signed.
    #[error("has a signature that none of the keys has made")]
    NoKeyFits,
    /// The data was made so that other data has the same SHA-1.
    #[error("is made so that other data has the same SHA-1")]
    Collision,
}

impl Key {
    /// The key in a PEM file: `PUBLIC KEY` or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    ///
    /// If there is none, or one that is too weak.
    pub fn read(pem: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(pem).map_err(|_| KeyError::NotAKey)?.trim();
        let key = RsaPublicKey::from_public_key_pem(text)
            .or_else(|_| RsaPublicKey::from_pkcs1_pem(text))
            .map_err(|_| KeyError::NotAKey)?;
        let bits = key.n().bits();
        if bits < MIN_BITS {
            return Err(KeyError::Short(bits));
        }
        let der = key.to_public_key_der().map_err(|_| KeyError::NotAKey)?;
        Ok(Self { fingerprint: hex(&Sha256::digest(der.as_bytes())), key })
    }

    /// The SHA-256 of its `SubjectPublicKeyInfo`, upper-case hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// Which of `keys` has signed `data`.
///
/// # Errors
///
/// If none has.
pub fn verify<'k>(data: &[u8], signature: &[u8], hash: Hash, keys: &'k [Key]) -> Result<&'k Key, RsaError> {
    let (scheme, digest) = match hash {
        Hash::Sha1 => {
            let result = Sha1::try_digest(data);
            if result.has_collision() {
                return Err(RsaError::Collision);
            }
            (Pkcs1v15Sign::new::<Sha1>(), result.hash().to_vec())
        }
        Hash::Sha256 => (Pkcs1v15Sign::new::<Sha256>(), Digest::of(data).as_bytes().to_vec()),
        Hash::Sha512 => (Pkcs1v15Sign::new::<Sha512>(), Sha512::digest(data).to_vec()),
    };
    let fits = |key: &&Key| key.key.verify(scheme.clone(), &digest, signature).is_ok();
    keys.iter().find(fits).ok_or(RsaError::NoKeyFits)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`; the signatures of
    /// `DATA` with `openssl dgst -shaN -sign`.
    const KEY: &[u8] = include_bytes!("../testdata/rsa/key.pem");
    const SHORT: &[u8] = include_bytes!("../testdata/rsa/short.pem");
    const DATA: &[u8] = b"index of packages\n";

    fn signature(hash: Hash) -> &'static [u8] {
        match hash {
            Hash::Sha1 => include_bytes!("../testdata/rsa/sha1.sig"),
            Hash::Sha256 => include_bytes!("../testdata/rsa/sha256.sig"),
            Hash::Sha512 => include_bytes!("../testdata/rsa/sha512.sig"),
        }
    }

    #[test]
    fn signatures_of_openssl_hold_and_others_do_not() {
        let keys = [Key::read(KEY).unwrap()];
        for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha512] {
            let good = signature(hash);
            assert_eq!(verify(DATA, good, hash, &keys).unwrap().fingerprint(), keys[0].fingerprint());
            assert_eq!(verify(b"index of packages", good, hash, &keys).unwrap_err(), RsaError::NoKeyFits);
            assert_eq!(verify(DATA, &good[1..], hash, &keys).unwrap_err(), RsaError::NoKeyFits);
            assert_eq!(verify(DATA, good, hash, &[]).unwrap_err(), RsaError::NoKeyFits);
        }
        assert!(verify(DATA, signature(Hash::Sha1), Hash::Sha256, &keys).is_err());
    }

    #[test]
    fn what_is_no_key_or_a_weak_one_is_refused() {
        assert!(matches!(Key::read(SHORT), Err(KeyError::Short(1024))));
        for bytes in [&b""[..], b"-----BEGIN PUBLIC KEY-----\n", b"\xff\xfe", DATA] {
            assert!(matches!(Key::read(bytes), Err(KeyError::NotAKey)));
        }
    }
}
