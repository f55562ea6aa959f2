//! Why packages cannot be installed.

use std::io;

use ctr_forge_plugin::Error;
use ctr_forge_rootfs::{PathError, ReadError, RootPath, WriteError};

use crate::apk::ApkError;

/// Why packages cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A package is of no use.
    #[error("{package} cannot be installed")]
    Package {
        /// Name and version.
        package: String,
        /// Why not.
        #[source]
        fault: Fault,
    },
    /// A path of the build's own is none.
    #[error("a path of the build is none")]
    Path(#[from] PathError),
    /// The stream takes no more.
    #[error("the root filesystem cannot be sent")]
    Write(#[source] WriteError),
    /// The scripts do not go into an archive.
    #[error("the packages' scripts cannot be kept")]
    Scripts(#[source] io::Error),
    /// Whoever was called in between has failed.
    #[error("{0}")]
    Caller(Error),
}

/// Why a package is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Its file is broken, or it is another one.
    #[error(transparent)]
    Apk(#[from] ApkError),
    /// Its files cannot be read.
    #[error("its data member is no tar that can be read")]
    Tar(#[from] ReadError),
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Content {
        /// Where it is to go.
        path: RootPath,
        /// Why not.
        source: io::Error,
    },
    /// The stream takes no more.
    #[error("the root filesystem cannot be sent")]
    Write(#[from] WriteError),
    /// It says of itself something else than the index.
    #[error("it says that it is {found}")]
    Other {
        /// Name and version that it says.
        found: String,
    },
    /// It is for other machines.
    #[error("it is for {found}, not for {wanted}")]
    Arch {
        /// What it is for.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// A name that belongs to the package's own control member.
    #[error("{path} has no place among its files")]
    Control {
        /// Where it is to go.
        path: RootPath,
    },
    /// A file that another package has, too.
    #[error("{path} is also in {owner}, and neither replaces the other")]
    Clash {
        /// The file.
        path: RootPath,
        /// Whose it is.
        owner: String,
    },
    /// A file where a directory has to be, or the other way round.
    #[error("{path} is a directory in one package and none in another")]
    Kind {
        /// The path.
        path: RootPath,
    },
    /// A second name of a file that the package does not have.
    #[error("{path} is a second name of {target}, which it does not have before")]
    HardLink {
        /// The second name.
        path: RootPath,
        /// The first.
        target: RootPath,
    },
    /// Not what the package says about it.
    #[error("{path} has not the checksum that the package says")]
    Checksum {
        /// The file.
        path: RootPath,
    },
    /// A path that apk's database cannot hold.
    #[error("{path} has a line break in its name")]
    Name {
        /// The path.
        path: RootPath,
    },
    /// More names than anything has.
    #[error("it has too many files")]
    TooMany,
}
