//! Why a keyring or a signature is refused.
//!
//! The caller knows what the data is called, so these say only what is wrong with
//! it, as the end of a sentence that begins with its name.

use std::io;
use std::time::SystemTime;

use super::keyring::Skipped;

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// More bytes than [`MAX_KEYRING`](super::MAX_KEYRING) in all files together.
    #[error("the keys are larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Not one certificate could be read.
    #[error("there is no usable OpenPGP certificate{}", list(.skipped))]
    Empty {
        /// What was skipped.
        skipped: Vec<Skipped>,
    },
    /// Something else than the hexadecimal digits of a fingerprint.
    #[error("{0:?} is not a full OpenPGP fingerprint")]
    NotAFingerprint(String),
    /// A restriction that no certificate meets.
    #[error("none of the keys is {}", .fingerprints.join(" or "))]
    NoSuchKey {
        /// The fingerprints asked for.
        fingerprints: Vec<String>,
    },
}

fn list(skipped: &[Skipped]) -> String {
    skipped.iter().map(|skipped| format!("; {skipped}")).collect()
}

/// Why data does not count as signed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No signature at all; for a clear-signed message: it is none.
    #[error("is not signed")]
    NoSignature,
    /// There is a signature, but it cannot be read.
    #[error("has a signature that cannot be read: {0}")]
    Malformed(String),
    /// Something besides the signed text and its signature, or a frame that could
    /// be read in more than one way.
    #[error("is not cleanly signed: {0}")]
    WrongFraming(&'static str),
    /// Larger than anything a repository signs.
    #[error("is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Signed, but by none of the keys of the ring.
    #[error("is signed by {}, which is none of this repository's keys", .ids.join(" and "))]
    UnknownSigner {
        /// Fingerprints, or key IDs where a signature names no more than that.
        ids: Vec<String>,
    },
    /// A signature by a key of the ring that does not fit the data.
    #[error("is not what {key} signed")]
    BadSignature {
        /// Fingerprint of the key.
        key: String,
    },
    /// Signed by a key of the ring, in a way that does not count.
    #[error("is signed by {key}, but {why}")]
    Refused {
        /// Fingerprint of the key.
        key: String,
        /// What is wrong with the key or the signature.
        #[source]
        why: Refusal,
    },
    /// The data could not be read.
    #[error("cannot be read")]
    Read(#[from] io::Error),
}

/// Why a signature that fits does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The key, or the primary key of its certificate, has expired.
    #[error("the key expired on {}", date(.when))]
    KeyExpired {
        /// When it expired.
        when: SystemTime,
    },
    /// The signature has expired.
    #[error("the signature expired on {}", date(.when))]
    SignatureExpired {
        /// When it expired.
        when: SystemTime,
    },
    /// The key, or the primary key of its certificate, is revoked.
    #[error("the key is revoked as {reason}")]
    Revoked {
        /// The reason its owner gives.
        reason: &'static str,
    },
    /// A hash that can be forged.
    #[error("the signature is made with {hash}, which does not count: it is too weak")]
    WeakHash {
        /// The name of the hash.
        hash: String,
    },
    /// A key or a hash of a kind that is not known here, such as one of the algorithms that are
    /// to withstand quantum computers.
    #[error("its algorithm is not supported here: {algorithm}")]
    Unsupported {
        /// The name of the algorithm, or its number in OpenPGP.
        algorithm: String,
    },
    /// The signature is of the future.
    #[error("the signature is of the future: {}", date(.created))]
    NotYetValid {
        /// When it says that it was made.
        created: SystemTime,
    },
    /// The key may not sign, or the signature is not one of data.
    #[error("{0}")]
    NotAllowed(String),
}

fn date(time: &SystemTime) -> String {
    httpdate::fmt_http_date(*time)
}
