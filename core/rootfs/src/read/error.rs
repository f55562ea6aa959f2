//! What can be wrong with an archive, and where.
//!
//! Archives come from strangers and from long pipes, so every error says which
//! entry, or which byte of the stream, it is about.

use std::fmt;
use std::io;

use crate::PathError;
use crate::pax::RecordError;

/// Most bytes of a name that a message shows: names of any length may come in.
const SHOWN: usize = 512;

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not one byte came: an empty archive still has its end-of-archive marker.
    #[error("the archive is empty: not even an end-of-archive marker came")]
    Empty,
    /// The very first block is no header.
    #[error("not a tar archive: it does not begin with a tar header")]
    NotTar,
    /// A later block is no header where one must be.
    #[error("no tar header at byte {offset}: the checksum is wrong")]
    BadHeader {
        /// Where the block begins.
        offset: u64,
    },
    /// The stream ended inside a header, content or padding.
    #[error("the archive is truncated: it ends at byte {offset}, inside {place}")]
    Truncated {
        /// What is incomplete.
        place: Place,
        /// Bytes that came.
        offset: u64,
    },
    /// The stream ended between entries. Other readers accept that, but a
    /// producer that died there must not pass for one that was done.
    #[error("the archive is truncated: it ends at byte {offset} without the end-of-archive marker")]
    NoEndMarker {
        /// Bytes that came.
        offset: u64,
    },
    /// A further archive follows the first.
    #[error(
        "another archive follows the end of the first, at byte {offset}: read them one by one, or join them \
         with \"tar --concatenate\""
    )]
    Concatenated {
        /// Where the further archive begins.
        offset: u64,
    },
    /// Something that is neither padding nor an archive follows the end.
    #[error("garbage follows the end-of-archive marker, at byte {offset}")]
    Trailing {
        /// Where the first byte other than zero lies.
        offset: u64,
    },
    /// Zeros follow the end for longer than [`Limits::max_trailing`](crate::Limits::max_trailing).
    #[error("more than {limit} bytes follow the end-of-archive marker")]
    TrailingTooLong {
        /// The limit, in bytes.
        limit: u64,
    },
    /// An entry, or a header between entries, cannot be taken.
    #[error("{place}: {fault}")]
    Refused {
        /// What it is about.
        place: Place,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The stream itself failed.
    #[error("cannot read the archive beyond byte {offset}")]
    Io {
        /// Bytes that came before.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The reader was used again after an error, when it no longer knows
    /// where the next header is.
    #[error("the archive cannot be read further after an error")]
    AfterError,
}

/// What an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The entry of this name.
    Entry(Name),
    /// The header that begins at this byte.
    Header(u64),
}

/// What is wrong with one entry, or with a header that describes others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name is no path inside a root.
    #[error("its name {0}")]
    Name(PathError),
    /// No name at all.
    #[error("its name is empty")]
    EmptyName,
    /// The target of a hard link is no path inside a root.
    #[error("its link target {0}")]
    Target(PathError),
    /// A link to nothing, or a hard link to the root.
    #[error("its link target is empty")]
    EmptyTarget,
    /// The target of a symbolic link that no system call takes: 4096 bytes
    /// or more, or with a NUL.
    #[error("its link target is not one that Linux could store")]
    SymlinkTarget,
    /// The root can be nothing but a directory.
    #[error("it is the root, yet no directory")]
    RootKind,
    /// A file by its type, a directory by its slash, and content follows.
    #[error("its name ends in a slash, yet it has content")]
    SlashWithContent,
    /// A numeric header field or PAX value that is no number.
    #[error("its {0} is not a number")]
    NotANumber(&'static str),
    /// A number that means nothing on Linux.
    #[error("its {0} is out of range")]
    OutOfRange(&'static str),
    /// A PAX extended header that cannot be taken apart.
    #[error("its extended header is malformed: {0}")]
    Records(RecordError),
    /// An extended attribute without a name, with NUL in it, or bad base64.
    #[error("one of its extended attributes is malformed")]
    Attribute,
    /// `CTRFORGE.package` is not UTF-8.
    #[error("its package name is not UTF-8")]
    Package,
    /// Two extended headers of the same kind: readers disagree which one counts.
    #[error("it has two extended headers of type \"{}\"", char::from(*.0))]
    Repeated(u8),
    /// The same thing is said both by a PAX record and by a GNU header:
    /// readers disagree which one counts.
    #[error("its {0} is given both as a PAX record and as a GNU long name")]
    TwoNames(&'static str),
    /// An extended header at the end of the archive.
    #[error("this extended header belongs to no entry")]
    Orphan,
    /// A global header sets what only one file can have.
    #[error("a global header cannot set \"{0}\", which belongs to single files")]
    Global(&'static str),
    /// A sparse file whose map contradicts itself.
    #[error("its map of sparse content is malformed: {0}")]
    Sparse(&'static str),
    /// Skipping it would lose content or give other entries wrong names.
    #[error("it is {0}, which is not supported")]
    Unsupported(&'static str),
    /// An extended header or sparse map beyond [`Limits::max_extension`](crate::Limits::max_extension).
    #[error("its extended header is longer than {0} bytes")]
    ExtensionTooLong(u64),
    /// More entries than [`Limits::max_entries`](crate::Limits::max_entries).
    #[error("the archive has more than {0} entries")]
    TooManyEntries(u64),
    /// More content than [`Limits::max_size`](crate::Limits::max_size).
    #[error("the archive has more than {0} bytes of content")]
    TooLarge(u64),
}

/// Something in an archive that was left out, or is odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// An entry that no root filesystem can have was skipped.
    Skipped {
        /// Its name.
        entry: Name,
        /// The type flag of its header.
        typeflag: u8,
    },
    /// The access control list of an entry was dropped: it came as star's
    /// text, not as the extended attribute that Linux keeps.
    Acl {
        /// The name of the entry.
        entry: Name,
    },
    /// So many more warnings were not kept.
    More(u64),
}

/// A name as it stood in an archive, unchecked; for messages only.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Box<[u8]>);

impl Name {
    pub(crate) fn new(name: &[u8]) -> Self {
        Self(name.into())
    }

    /// The name as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..SHOWN) {
            Some(start) if self.0.len() > SHOWN => write!(f, "\"{}...\"", start.escape_ascii()),
            _ => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Entry(name) => write!(f, "entry {name}"),
            Place::Header(offset) => write!(f, "the header at byte {offset}"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Skipped { entry, typeflag } => {
                write!(f, "entry {entry} skipped: its type \"{}\" is unknown", typeflag.escape_ascii())
            }
            Warning::Acl { entry } => write!(f, "entry {entry}: its access control list is dropped"),
            Warning::More(count) => write!(f, "{count} more warnings about this archive"),
        }
    }
}
