//! What a tree refuses, and what it remarks on.

use std::fmt;
use std::io;

use crate::{PathError, ReadError, RootPath, WalkError, WalkWarning, Warning, WriteError};

/// Warnings kept one by one; of the rest only the number is told, so that a
/// hostile archive cannot fill the memory with them.
const KEPT: usize = 100;

/// Why an entry could not be taken into a tree, or a tree not be written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// One path, two objects, in a stream that may not replace.
    #[error("{path} comes twice: as {first} and as {second}")]
    Duplicate {
        /// The path of both.
        path: RootPath,
        /// What it was.
        first: &'static str,
        /// What came later.
        second: &'static str,
    },
    /// An entry below something that is no directory, in a stream that may not replace.
    #[error("{path} lies below {parent}, which is {what}")]
    Parent {
        /// The entry.
        path: RootPath,
        /// What lies above it.
        parent: RootPath,
        /// What that is.
        what: &'static str,
    },
    /// The root itself as anything but a directory.
    #[error("the root cannot be {what}")]
    Root {
        /// What it came as.
        what: &'static str,
    },
    /// A hard link to a directory.
    #[error("{path} is a hard link to {target}, which is a directory")]
    LinkToDirectory {
        /// The link.
        path: RootPath,
        /// The directory.
        target: RootPath,
    },
    /// A hard link to a path where there is nothing, or only the link itself.
    #[error("{path} is a hard link to a file that is not there: {target}")]
    DanglingLink {
        /// The link.
        path: RootPath,
        /// Where the file should be.
        target: RootPath,
    },
    /// Links of the tree lead an entry to a path that cannot be.
    #[error("{path} cannot be placed: the path that the links above it lead to is none")]
    Path {
        /// The entry.
        path: RootPath,
        /// Why not.
        source: PathError,
    },
    /// The content that comes with an entry could not be read.
    #[error("cannot read the content of {path}")]
    Content {
        /// The entry.
        path: RootPath,
        /// Why not.
        source: io::Error,
    },
    /// The content that comes with an entry is shorter than the entry says.
    #[error("the content of {path} ends after {read} of {size} bytes")]
    Short {
        /// The entry.
        path: RootPath,
        /// Bytes that came.
        read: u64,
        /// Bytes the entry promised.
        size: u64,
    },
    /// The temporary file could not be written.
    #[error("cannot keep the content of {path} in a temporary file")]
    Spool {
        /// The entry.
        path: RootPath,
        /// Why not.
        source: io::Error,
    },
    /// An entry was given to be kept on the host that is no file of that size.
    #[error("{path} does not match the file on the host that has its content")]
    NotThatFile {
        /// The entry.
        path: RootPath,
    },
    /// The tree was to be written before it was normalised.
    #[error("the tree is not normalised: its dates and hard links are not settled yet")]
    NotNormalised,
    /// A directory on the host could not be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// A tar stream could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The caller wanted no more.
    #[error("stopped")]
    Stopped,
    /// An entry could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Something a tree did that the user may not have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeWarning {
    /// A later entry took a name.
    Replaced {
        /// The name.
        path: RootPath,
        /// What had it.
        old: &'static str,
        /// What has it.
        new: &'static str,
    },
    /// A later entry took the name of a directory.
    Removed {
        /// The name.
        path: RootPath,
        /// How many entries were below it.
        below: usize,
        /// What has the name.
        new: &'static str,
    },
    /// A directory was made of something else, because an entry lies below it.
    MadeDirectory {
        /// The directory.
        path: RootPath,
        /// What it was.
        old: &'static str,
        /// The entry below it.
        below: RootPath,
    },
    /// A walk left something out.
    Walk(WalkWarning),
    /// A tar held something that was passed over.
    Read(Warning),
    /// This many more warnings were not kept.
    More(u64),
}

impl fmt::Display for TreeWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeWarning::Replaced { path, old, new } => {
                write!(f, "{path}: {old} is replaced by {new} that comes later")
            }
            TreeWarning::Removed { path, below, new } => {
                write!(f, "{path}: a directory with {below} entries is replaced by {new} that comes later")
            }
            TreeWarning::MadeDirectory { path, old, below } => {
                write!(f, "{path}: {old} is replaced by a directory, because {below} lies below it")
            }
            TreeWarning::Walk(warning) => warning.fmt(f),
            TreeWarning::Read(warning) => warning.fmt(f),
            TreeWarning::More(count) => write!(f, "and {count} more like these"),
        }
    }
}

/// The first [`KEPT`] warnings and how many more there were.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    kept: Vec<TreeWarning>,
    more: u64,
}

impl Warnings {
    pub(super) fn push(&mut self, warning: TreeWarning) {
        match self.kept.len() < KEPT {
            true => self.kept.push(warning),
            false => self.more += 1,
        }
    }

    /// All so far; none are left.
    pub(super) fn take(&mut self) -> Vec<TreeWarning> {
        let Self { mut kept, more } = std::mem::take(self);
        kept.extend((more > 0).then_some(TreeWarning::More(more)));
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_warnings_is_counted() {
        let mut warnings = Warnings::default();
        let warning = TreeWarning::Replaced { path: RootPath::root(), old: "a file", new: "a symbolic link" };
        for _ in 0..KEPT + 7 {
            warnings.push(warning.clone());
        }
        let taken = warnings.take();
        assert_eq!(taken.len(), KEPT + 1);
        assert_eq!(taken[KEPT].to_string(), "and 7 more like these");
        assert!(warnings.take().is_empty());
    }
}
