//! Why a package file cannot be taken apart.

use std::io;

use ctr_forge_rootfs::{Compression, ReadError};

/// Why a package file cannot be taken apart. Each names the file, and the member if it
/// is one.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The file cannot be read.
    #[error("cannot read {deb}")]
    Io {
        /// The package file.
        deb: String,
        /// Why.
        source: io::Error,
    },
    /// The file is no `ar` archive.
    #[error("{deb} is no Debian package: it does not begin as an ar archive")]
    NotAr {
        /// The package file.
        deb: String,
    },
    /// A header of the `ar` archive is broken.
    #[error("{deb} is broken: the header at byte {offset} {what}")]
    Header {
        /// The package file.
        deb: String,
        /// Where the header begins.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A member is longer than the file.
    #[error("{deb} is cut short: {missing} bytes of {member} are missing")]
    CutShort {
        /// The package file.
        deb: String,
        /// The member.
        member: String,
        /// Bytes that are not there.
        missing: u64,
    },
    /// A member that has to be there is not.
    #[error("{deb} has no member {member}")]
    Missing {
        /// The package file.
        deb: String,
        /// The member.
        member: &'static str,
    },
    /// There is another member where one is expected.
    #[error("{deb} has a member {found} where {expected} belongs")]
    Unexpected {
        /// The package file.
        deb: String,
        /// The member that belongs there.
        expected: &'static str,
        /// The member that is there.
        found: String,
    },
    /// The format is of another version.
    #[error("{deb} is a package of format \"{version}\", not 2.x")]
    Version {
        /// The package file.
        deb: String,
        /// What `debian-binary` says.
        version: String,
    },
    /// A member is compressed in a way that is not known, or not allowed there.
    #[error("{deb}: {member} is compressed in a way that is not supported here")]
    Compression {
        /// The package file.
        deb: String,
        /// The member, whose name tells the compression.
        member: String,
    },
    /// A member is not compressed as its name says.
    #[error("{deb}: {member} is not what its name says: its compression is {found}")]
    Misnamed {
        /// The package file.
        deb: String,
        /// The member.
        member: String,
        /// How it is compressed.
        found: Compression,
    },
    /// A member cannot be decompressed.
    #[error("{deb}: cannot decompress {member}")]
    Decode {
        /// The package file.
        deb: String,
        /// The member.
        member: String,
        /// Why.
        source: io::Error,
    },
    /// A member is no tar archive, or a broken one.
    #[error("{deb}: cannot read {member}")]
    Tar {
        /// The package file.
        deb: String,
        /// The member.
        member: String,
        /// Why.
        source: ReadError,
    },
    /// The control files are something that no package needs.
    #[error("{deb}: {member} {what}")]
    Control {
        /// The package file.
        deb: String,
        /// The member.
        member: String,
        /// What is wrong with it.
        what: String,
    },
}

impl DebError {
    pub(super) fn io(deb: &str, source: io::Error) -> Self {
        Self::Io { deb: deb.to_owned(), source }
    }
}
