//! The package database, as rpm writes it with its sqlite backend (rpm's `lib/rpmdb.c`,
//! `lib/backend/sqlite.c`; the same from 4.16 to 6).
//!
//! A table has the header of each package, eighteen others say which packages have a name, a file,
//! a dependency. All of it is written at once, in the order of the installation, so that the same
//! packages make the same bytes.
//!
//! | module | what it does |
//! |---|---|
//! | `blob` | a header with what rpm adds when it installs the package |
//! | `keys`, `rich` | under which keys a package stands in the other tables |
//! | `read` | what another rpm has written |
//! | `schema` | the tables, and how they become bytes |
//! | `place` | where the database goes, and whether the root's own rpm reads it |
//! | `pubkey`, `certificate` | the packages that stand for keys |

mod blob;
mod certificate;
mod keys;
pub mod place;
pub mod pubkey;
mod read;
mod rich;
mod schema;

use crate::rpm::header::entry::Entry;
use crate::rpm::header::{Header, HeaderError};
use crate::rpm::tag;

pub use certificate::CertificateError;
pub use read::{Known, ReadError, read};

/// The name of the file in the database's directory.
pub const FILE: &str = "rpmdb.sqlite";

/// What an rpm that uses the database has beside it, and may leave there: locks, and sqlite's logs
/// with their index. A log that is left would be played into whatever database is put there.
pub(crate) const BESIDE: [&str; 5] =
    [".keyring.lock", ".rpm.lock", "rpmdb.sqlite-journal", "rpmdb.sqlite-shm", "rpmdb.sqlite-wal"];

/// An installed package.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its main header.
    pub header: &'a Header,
    /// The signature header of its file.
    pub signature: &'a Header,
    /// What has become of each of its files (`rpmfileState`: 0 installed, 1 replaced, 2 not
    /// installed, 3 on a shared file system, 4 of another colour); as many as it has files.
    pub states: &'a [u8],
    /// The colours of the transaction (`%_transaction_color`: 1 for 32 bits, 2 for 64, 3 for both,
    /// 0 where an architecture has only one); nothing for a key.
    pub color: Option<u32>,
    /// When it was installed, in seconds since 1970. Where SOURCE_DATE_EPOCH says when, rpm gives
    /// the first package that time and each of the others a second more.
    pub install_time: u32,
    /// The number of the transaction: when that began, in seconds since 1970.
    pub tid: u32,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// sqlite fails.
    #[error("the package database cannot be written")]
    Sqlite(#[from] rusqlite::Error),
    /// A package does not go into it.
    #[error("{package} cannot be put into the package database")]
    Package {
        /// Name, version and release.
        package: String,
        /// Why not.
        #[source]
        fault: Fault,
    },
}

/// Why a package does not go into the database.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// rpm would not read the package.
    #[error("tag {tag} of its signature header is not of the type and size that it must have")]
    Signature {
        /// The tag in the signature header.
        tag: u32,
    },
    /// What rpm adds is there.
    #[error("its header has tag {tag}, which only an installed package has")]
    Installed {
        /// The tag.
        tag: u32,
    },
    /// A file has no state.
    #[error("it has {files} files and {states} states of files")]
    States {
        /// Its files.
        files: usize,
        /// The states that were given.
        states: usize,
    },
    /// It does not fit.
    #[error("its header is too large")]
    Header(#[from] HeaderError),
}

/// A package with all that rpm adds to its header.
struct Installed<'a> {
    row: Row<'a>,
    added: Vec<Entry<'a>>,
}

/// The bytes of the database with these packages, in the order of their installation.
///
/// # Errors
///
/// If a package has a header that rpm would not take, or if sqlite fails.
pub fn write(rows: &[Row<'_>]) -> Result<Vec<u8>, DatabaseError> {
    let installed: Result<Vec<Installed<'_>>, DatabaseError> = rows
        .iter()
        .map(|&row| {
            let added = blob::added(&row).map_err(|fault| fault.of(row.header))?;
            Ok(Installed { row, added })
        })
        .collect();
    schema::write(&installed?)
}

impl Fault {
    fn of(self, header: &Header) -> DatabaseError {
        let text = |tag| header.text(tag).unwrap_or_default();
        let package = format!("{}-{}-{}", text(tag::NAME), text(tag::VERSION), text(tag::RELEASE));
        DatabaseError::Package { package, fault: self }
    }
}

#[cfg(test)]
mod tests;
