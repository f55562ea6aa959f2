//! Why a package file is refused.

use std::fmt;
use std::io;

use ctr_forge_plugin::ErrorKind;

use super::header::HeaderError;
use crate::dependency::DependencyError;

/// Why a package file is refused.
#[derive(Debug, thiserror::Error)]
pub enum RpmError {
    /// It cannot be read, or it ends early.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It does not begin as one.
    #[error("it is no RPM package")]
    Lead,
    /// It has sources, which nobody installs in a root.
    #[error("it is a source package")]
    Source,
    /// A package of the last century.
    #[error("it is in the format of rpm 3, which is not read")]
    Old,
    /// One of its two headers is broken.
    #[error("its {part} cannot be used")]
    Header {
        /// Which.
        part: Part,
        /// Why not.
        source: HeaderError,
    },
    /// The header does not say something that every header says.
    #[error("its header has no {what}")]
    Lacks {
        /// What.
        what: &'static str,
    },
    /// What it calls itself can be no part of a path, or of what is printed.
    #[error("its header has an impossible {what}: {text:?}")]
    Name {
        /// What.
        what: &'static str,
        /// The beginning of it.
        text: String,
    },
    /// The header is not the one that the digest beside it is of.
    #[error("its header is damaged: its {algorithm} is {found}, and {expected:?} stands beside it")]
    Damaged {
        /// The name of the hash.
        algorithm: &'static str,
        /// The beginning of what stands beside the header.
        expected: String,
        /// What the header comes to.
        found: String,
    },
    /// The header has a digest of the payload that is none: this is its beginning.
    #[error("its header has a digest of the payload that is none: {0:?}")]
    PayloadDigest(String),
    /// Something that should be a signature is not even written as one.
    #[error("its signature number {number} is no Base64")]
    Signature {
        /// Which, from 1.
        number: usize,
        /// Why not.
        source: base64::DecodeError,
    },
    /// A dependency cannot be understood.
    #[error("its header has a dependency that cannot be")]
    Dependency(#[from] DependencyError),
    /// The lists of a kind of dependency have different lengths.
    #[error("its header has {names} names of {what}, {flags} flags and {versions} versions")]
    Uneven {
        /// Which kind.
        what: &'static str,
        /// Names of it.
        names: usize,
        /// Flags of it.
        flags: usize,
        /// Versions of it.
        versions: usize,
    },
    /// A number that does not fit.
    #[error("its header has {value} as {what}")]
    Number {
        /// Of what.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// The files that it names do not fit together.
    #[error("its list of files is broken")]
    Files(#[from] super::FilesError),
}

/// One of the two headers of a package file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// That of signatures.
    Signature,
    /// The main one.
    Main,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Signature => "header of signatures",
            Part::Main => "header",
        })
    }
}

/// As much of what a package says as a message can have: a header's text may have any length.
pub(super) fn beginning(text: &str) -> String {
    text.chars().take(80).collect()
}

impl RpmError {
    /// Which kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            RpmError::Read(error) if error.kind() != io::ErrorKind::UnexpectedEof => ErrorKind::Io,
            RpmError::Source | RpmError::Old => ErrorKind::Unsupported,
            RpmError::Damaged { .. } => ErrorKind::Verification,
            _ => ErrorKind::Input,
        }
    }
}
