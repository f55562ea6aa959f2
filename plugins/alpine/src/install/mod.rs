//! Packages into one root filesystem stream, with apk's database.
//!
//! Nothing is unpacked to disk: each package's files go from its archive right into the
//! stream, in the order of their installation. What comes out is what `apk add` leaves.
//!
//! | module | what it does |
//! |---|---|
//! | `unpack` | one package's files into the stream |
//! | `ownership` | which package has which file, and which may take whose |
//! | `users` | users and groups, by which files name their owners |
//! | `record` | what is kept of a package for the database |
//! | `database` | `lib/apk/db`, `etc/apk` |
//!
//! Scripts do not run here: see `configure`.

mod database;
mod error;
mod ownership;
mod record;
mod unpack;
pub(crate) mod users;

use std::collections::BTreeMap;
use std::io::Write;

use ctr_forge_rootfs::{Entry, Exclude, Kind, RootPath, TOUCHED, Writer};

pub(crate) use database::DATABASE;
pub use error::{Fault, InstallError};
pub use record::Record;

use self::ownership::Ownership;
use self::users::Users;
use crate::apk::Apk;

/// How packages are installed.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Alpine's name of the architecture.
    pub arch: &'a str,
    /// What the user wants left out. The host does that in the end; here it goes into no database.
    pub exclude: &'a Exclude,
}

/// A package as the lock has it. Its own description must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `Q1…`.
    pub identity: String,
    /// Bytes of its file.
    pub size: u64,
    /// The tag of the repository it comes from.
    pub tag: Option<String>,
}

/// What is written of the build's own beside the packages.
#[derive(Debug, Clone, Default)]
pub struct Settled<'a> {
    /// Lines of `etc/apk/world`.
    pub world: &'a [String],
    /// Lines of `etc/apk/repositories`.
    pub repositories: &'a [String],
    /// Files of `etc/apk/keys`, where packages bring none of that name.
    pub keys: &'a [(String, Vec<u8>)],
}

/// Packages on their way into a root.
pub struct Install<'a, W: Write> {
    settings: Settings<'a>,
    sink: Writer<W>,
    ownership: Ownership,
    records: Vec<Record>,
    /// Users and groups of the root so far.
    pub(crate) users: Users,
    /// Files that are not written before the end, for scripts change them: by path.
    deferred: BTreeMap<RootPath, (Entry, Vec<u8>)>,
    /// Paths that are deferred when they come.
    held_back: &'static [&'static str],
}

impl<W: Write> std::fmt::Debug for Install<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Install").field("records", &self.records.len()).finish_non_exhaustive()
    }
}

impl<'a, W: Write> Install<'a, W> {
    /// Into the stream `sink`. Files at the paths `held_back` are written at the end.
    pub fn new(sink: Writer<W>, settings: Settings<'a>, held_back: &'static [&'static str]) -> Self {
        Self {
            settings,
            sink,
            ownership: Ownership::default(),
            records: Vec::new(),
            users: Users::default(),
            deferred: BTreeMap::new(),
            held_back,
        }
    }

    /// What follows goes to `sink`; returns the one that was used until now.
    pub fn redirect(&mut self, sink: Writer<W>) -> Writer<W> {
        std::mem::replace(&mut self.sink, sink)
    }

    /// The packages so far.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// What is at a path, as packages have it.
    pub(crate) fn is_link(&self, path: &str) -> Option<&[u8]> {
        self.ownership.link(&RootPath::new(path.as_bytes()).ok()?)
    }

    /// Whether there is something at a path, as packages have it, links above it followed.
    pub(crate) fn exists(&self, path: &str) -> bool {
        RootPath::new(path.as_bytes()).is_ok_and(|path| self.ownership.leads_somewhere(&path))
    }

    /// The content of a file that is held back.
    pub(crate) fn deferred(&mut self, path: &str) -> Option<&mut (Entry, Vec<u8>)> {
        self.deferred.get_mut(&RootPath::new(path.as_bytes()).ok()?)
    }

    /// Users and groups were changed in a file that is held back.
    pub(crate) fn relearn(&mut self, path: &str) {
        let Ok(path) = RootPath::new(path.as_bytes()) else { return };
        if let Some((_, content)) = self.deferred.get(&path) {
            self.users.learn(&path, content);
        }
    }

    /// Installs a package.
    ///
    /// # Errors
    ///
    /// If it is not the one that was chosen, or broken, or has a file of another that it may not
    /// take. The stream can then only be broken off.
    pub fn package(&mut self, apk: &mut Apk, chosen: &Chosen) -> Result<(), InstallError> {
        let title = format!("{}-{}", chosen.name, chosen.version);
        self.unpack(apk, chosen).map_err(|fault| InstallError::Package { package: title, fault })
    }

    /// Writes an entry of the build's own.
    ///
    /// # Errors
    ///
    /// If the stream takes no more.
    pub(crate) fn put(
        &mut self,
        path: &str,
        kind: Kind,
        mode: u16,
        content: &[u8],
    ) -> Result<(), InstallError> {
        let path = RootPath::new(path.as_bytes())?;
        let entry = Entry { mtime: TOUCHED, ..Entry::new(path, kind, mode) };
        self.sink.entry(&entry, &mut &*content).map_err(InstallError::Write)
    }

    /// Writes all directories, what was held back, and the database. Returns the packages and the
    /// stream, not finished.
    ///
    /// # Errors
    ///
    /// If the stream takes no more.
    pub fn finish(mut self, settled: &Settled<'_>) -> Result<(Vec<Record>, Writer<W>), InstallError> {
        self.directories()?;
        for (_, (entry, content)) in std::mem::take(&mut self.deferred) {
            let entry = Entry { kind: Kind::File { size: content.len() as u64 }, ..entry };
            self.sink.entry(&entry, &mut &*content).map_err(InstallError::Write)?;
        }
        database::write(&mut self, settled)?;
        Ok((self.records, self.sink))
    }

    /// Writes the directories of packages, as far as they are known now.
    pub(crate) fn directories(&mut self) -> Result<(), InstallError> {
        for entry in self.ownership.take_directories() {
            self.sink.entry(&entry, &mut std::io::empty()).map_err(InstallError::Write)?;
        }
        Ok(())
    }
}
