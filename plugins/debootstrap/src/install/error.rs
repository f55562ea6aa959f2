//! Why packages cannot be installed.

use std::io;

use ctr_forge_rootfs::{ReadError, RootPath, WriteError};

use super::root::PathFault;
use crate::deb::DebError;

/// Why packages cannot be installed. Each names the package, and the path if it is about one.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A package file is broken.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// The packages, or whoever follows the progress, failed.
    #[error(transparent)]
    Caller(ctr_forge_plugin::Error),
    /// A thread could not be started.
    #[error("cannot start a thread that unpacks packages")]
    Thread(#[source] io::Error),
    /// The description of a package is none.
    #[error("{file}: the package's description {what}")]
    Control {
        /// The package file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The package is not the one that the index promised.
    #[error("{file}: the package's {field} is {found}, but the index says {expected}")]
    Disagrees {
        /// The package file.
        file: String,
        /// The field of its description.
        field: &'static str,
        /// What the index says.
        expected: String,
        /// What the package says.
        found: String,
    },
    /// A package came twice.
    #[error("package {package} is there twice")]
    Twice {
        /// The package.
        package: String,
    },
    /// The files of a package cannot be read.
    #[error("cannot read the files of package {package}")]
    Read {
        /// The package.
        package: String,
        /// Why.
        source: ReadError,
    },
    /// A file could not be written.
    #[error("cannot unpack package {package}")]
    Write {
        /// The package.
        package: String,
        /// Why.
        source: WriteError,
    },
    /// What the build itself adds could not be written.
    #[error("cannot write dpkg's database")]
    Database(#[source] WriteError),
    /// A path of the package leads nowhere.
    #[error("package {package} has {path}, which {fault}")]
    Path {
        /// The package.
        package: String,
        /// As the package has it.
        path: RootPath,
        /// Why.
        fault: PathFault,
    },
    /// A name that dpkg's database, which has a line for each, cannot hold.
    #[error("package {package} has {path}, whose name has a newline in it")]
    Newline {
        /// The package.
        package: String,
        /// As the package has it.
        path: RootPath,
    },
    /// A package brings a file of dpkg's database.
    #[error("package {package} has {path}, but only dpkg itself may write files there")]
    InDatabase {
        /// The package.
        package: String,
        /// As the package has it.
        path: RootPath,
    },
    /// Two packages have the same file.
    #[error("package {package} has {path}, which is also in package {other}")]
    Overwrites {
        /// The later package.
        package: String,
        /// Where it would lie.
        path: RootPath,
        /// The earlier package.
        other: String,
    },
    /// A package replaces a file of another, but came after it.
    #[error("package {package} replaces {path} of package {other}, but is unpacked after it")]
    Order {
        /// The package that replaces.
        package: String,
        /// The file.
        path: RootPath,
        /// The package that came first.
        other: String,
    },
    /// A package has something that is no directory where there is one.
    #[error("package {package} has {path}, but that is a directory of other packages")]
    OverDirectory {
        /// The package.
        package: String,
        /// Where it would lie.
        path: RootPath,
    },
    /// A package has the same file twice.
    #[error("package {package} has {path} twice")]
    Repeated {
        /// The package.
        package: String,
        /// Where it would lie.
        path: RootPath,
    },
    /// Packages of several architectures share a file that is not the same.
    #[error("package {package} has {path}, which is different in package {other}")]
    Differs {
        /// The later package.
        package: String,
        /// Where it would lie.
        path: RootPath,
        /// The earlier package.
        other: String,
    },
    /// A hard link to what the package does not have.
    #[error("package {package} has {path}, a hard link to {target}, which is not a file that came before")]
    HardLink {
        /// The package.
        package: String,
        /// The link.
        path: RootPath,
        /// What it links to.
        target: RootPath,
    },
    /// A hard link to a file that was left out and is too large to be remembered.
    #[error("package {package} has {path}, a hard link to {target}, which is too large to leave out")]
    LinkToLeftOut {
        /// The package.
        package: String,
        /// The link.
        path: RootPath,
        /// What it links to.
        target: RootPath,
    },
    /// The names of all files are more than memory is given for.
    #[error("the packages up to {package} have more files than can be installed")]
    TooMany {
        /// The package with which it became too much.
        package: String,
    },
    /// A control file that says something impossible.
    #[error("package {package}: the control file {file} has the line \"{line}\", which {what}")]
    Line {
        /// The package.
        package: String,
        /// `triggers` or `conffiles`.
        file: &'static str,
        /// The line.
        line: String,
        /// What is wrong with it.
        what: &'static str,
    },
}
