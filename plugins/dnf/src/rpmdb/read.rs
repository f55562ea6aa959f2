//! What a database says is installed, whoever wrote it.

use ctr_forge_rootfs::RootPath;
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
    /// Paths of the files that it brings.
    pub files: Vec<RootPath>,
    /// The links among them: where they are, and where they lead.
    pub links: Vec<(RootPath, Box<[u8]>)>,
    /// Paths of those that it has without bringing them.
    pub ghosts: Vec<RootPath>,
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
    let Paths { files, links, ghosts } = paths(header);
    Known {
        name: text(tag::NAME),
        evr: format!("{epoch}{}-{}", text(tag::VERSION), text(tag::RELEASE)),
        arch: text(tag::ARCH),
        license: text(tag::LICENSE),
        source: text(tag::SOURCERPM),
        files,
        links,
        ghosts,
    }
}

#[derive(Default)]
struct Paths {
    files: Vec<RootPath>,
    links: Vec<(RootPath, Box<[u8]>)>,
    ghosts: Vec<RootPath>,
}

/// What a package has; no path that cannot be one.
fn paths(header: &Header) -> Paths {
    let directories: Vec<_> = header.strings(tag::DIRNAMES).collect();
    let named = header.strings(tag::BASENAMES).zip(header.numbers(tag::DIRINDEXES));
    let flags = header.numbers(tag::FILEFLAGS).into_iter().chain(std::iter::repeat(0));
    let targets = header.strings(tag::FILELINKTOS).chain(std::iter::repeat(&b""[..]));
    let mut paths = Paths::default();
    for (((name, directory), flags), target) in named.zip(flags).zip(targets) {
        let directory = usize::try_from(directory).ok().and_then(|index| directories.get(index));
        let path = directory.and_then(|directory| RootPath::new(&[directory, name].concat()).ok());
        let Some(path) = path else { continue };
        if flags & GHOST != 0 {
            paths.ghosts.push(path);
            continue;
        }
        if !target.is_empty() {
            paths.links.push((path.clone(), target.into()));
        }
        paths.files.push(path);
    }
    paths
}
