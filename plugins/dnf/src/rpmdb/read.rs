//! What a database says is installed, whoever wrote it.

use rusqlite::{Connection, MAIN_DB};

use crate::rpm::header::{Header, HeaderError};
use crate::rpm::tag;

/// Where a file says which readers and writers understand it: 2 is for those with a log beside
/// it, which is not there any more (sqlite's file format, section 1.3.3).
const VERSIONS: [usize; 2] = [18, 19];

/// `RPMFILE_GHOST`.
const GHOST: u64 = 1 << 6;

/// A package in the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// `[EPOCH:]VERSION-RELEASE`
    pub evr: String,
    /// Its architecture.
    pub arch: String,
    /// Its licence.
    pub license: String,
    /// The file name of its source package.
    pub source: String,
    /// Paths of the files that it brings, from the root on. What is no UTF-8 is shown replaced.
    pub files: Vec<String>,
    /// Paths of those that it has without bringing them.
    pub ghosts: Vec<String>,
}

/// Why a database cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is none of sqlite's.
    #[error("sqlite cannot read it")]
    Sqlite(#[from] rusqlite::Error),
    /// A package in it is none.
    #[error("it has a package that cannot be read")]
    Header(#[from] HeaderError),
}

/// The packages of a database of these bytes, without keys, in the order of their installation.
///
/// # Errors
///
/// If it cannot be read.
pub fn read(bytes: &[u8]) -> Result<Vec<Known>, ReadError> {
    let mut bytes = bytes.to_vec();
    for version in VERSIONS {
        if let Some(byte) = bytes.get_mut(version) {
            *byte = 1;
        }
    }
    let mut connection = Connection::open_in_memory()?;
    connection.deserialize_read_exact(MAIN_DB, &bytes[..], bytes.len(), true)?;
    let mut statement = connection.prepare("SELECT blob FROM Packages ORDER BY hnum")?;
    let blobs = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    let mut packages = Vec::new();
    for blob in blobs {
        let package = known(&Header::of_blob(&blob?)?);
        packages.extend(Some(package).filter(|package| package.name != "gpg-pubkey"));
    }
    Ok(packages)
}

fn known(header: &Header) -> Known {
    let text = |tag| header.text(tag).unwrap_or_default().into_owned();
    let epoch = header.number(tag::EPOCH).map(|epoch| format!("{epoch}:")).unwrap_or_default();
    let directories: Vec<_> = header.texts(tag::DIRNAMES).collect();
    let named = header.texts(tag::BASENAMES).zip(header.numbers(tag::DIRINDEXES));
    let flags = header.numbers(tag::FILEFLAGS).into_iter().chain(std::iter::repeat(0));
    let (mut files, mut ghosts) = (Vec::new(), Vec::new());
    for ((name, directory), flags) in named.zip(flags) {
        let directory = usize::try_from(directory).ok().and_then(|index| directories.get(index));
        let to = if flags & GHOST == 0 { &mut files } else { &mut ghosts };
        to.extend(directory.map(|directory| format!("{directory}{name}")));
    }
    Known {
        name: text(tag::NAME),
        evr: format!("{epoch}{}-{}", text(tag::VERSION), text(tag::RELEASE)),
        arch: text(tag::ARCH),
        license: text(tag::LICENSE),
        source: text(tag::SOURCERPM),
        files,
        ghosts,
    }
}
