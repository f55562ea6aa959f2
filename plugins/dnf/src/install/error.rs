//! Why packages cannot be installed.

use ctr_forge_plugin::ErrorKind;
use ctr_forge_rootfs::{RootPath, WriteError};

use super::capability::CapabilityError;
use super::root::PathFault;
use crate::rpm::{FilesError, PayloadError, RpmError};

/// Why a package cannot be installed.
#[derive(Debug, thiserror::Error)]
#[error("{package} cannot be installed")]
pub struct InstallError {
    /// Name, version and architecture.
    pub package: String,
    /// Why not.
    #[source]
    pub fault: Box<Fault>,
}

impl InstallError {
    /// Which kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match &*self.fault {
            Fault::Rpm(error) => error.kind(),
            Fault::Payload(error) => error.kind(),
            Fault::Write(WriteError::Content { source, .. }) => {
                let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<PayloadError>());
                inner.map_or(ErrorKind::Io, PayloadError::kind)
            }
            Fault::Write(_) => ErrorKind::Io,
            Fault::Other { .. } => ErrorKind::Verification,
            _ => ErrorKind::Input,
        }
    }
}

/// What is wrong with a package.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Its header is broken.
    #[error(transparent)]
    Rpm(#[from] RpmError),
    /// The files that it names do not fit together.
    #[error("its list of files is broken")]
    Files(#[from] FilesError),
    /// Its payload is broken.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The stream takes no more.
    #[error("its files cannot be sent")]
    Write(#[from] WriteError),
    /// It says of itself something else than the index.
    #[error("it says that it is {found}")]
    Other {
        /// Name, version and architecture that it says.
        found: String,
    },
    /// It is there already.
    #[error("it is installed already")]
    Again,
    /// A file that another package has, too, and they differ.
    #[error("{path} is another file than that of {owner}")]
    Clash {
        /// The file.
        path: RootPath,
        /// Whose the other is.
        owner: String,
    },
    /// Something else than a directory where there are files in one.
    #[error("{path} would take the place of a directory with files in it")]
    OverDirectory {
        /// The path.
        path: RootPath,
    },
    /// A path that leads nowhere.
    #[error("{path} {fault}")]
    Path {
        /// The path.
        path: RootPath,
        /// Why not.
        fault: PathFault,
    },
    /// Capabilities that are none.
    #[error("the capabilities of {path} cannot be understood")]
    Capability {
        /// The file.
        path: RootPath,
        /// Why not.
        source: CapabilityError,
    },
    /// Something that no archive holds.
    #[error("{path} is a socket, and sockets cannot be in an image")]
    Socket {
        /// The path.
        path: RootPath,
    },
    /// More names than anything has.
    #[error("all packages together have too many files")]
    TooMany,
}
