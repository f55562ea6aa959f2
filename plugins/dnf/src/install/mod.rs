//! Packages into one root filesystem stream.
//!
//! Nothing is unpacked to disk: each package's files go from its payload right into the stream,
//! in the order of installation. What comes out is what `rpm --install` leaves, without its
//! database, for which everything is in the records.
//!
//! What becomes of each file is decided from a package's header, before its payload is touched:
//! files that are not wanted, files that another package has, too. rpm decides that for all
//! packages of a transaction before the first; here it is done package by package, and a
//! later one may take the place of what is in the stream already. So the stream may have a path
//! more than once, and the last counts.
//!
//! | module | what it does |
//! |---|---|
//! | `selection` | files that are not wanted |
//! | `ownership` | files that are in two packages |
//! | `root` | what is in the root so far, and where a path leads in it |
//! | `unpack` | one package's files into the stream |
//! | `users` | users and groups, by which files name their owners |
//! | `capability` | capabilities of files |
//! | `record` | what is kept of a package for the database |
//!
//! Scripts do not run here.

mod capability;
mod error;
mod ownership;
mod record;
mod root;
mod selection;
#[cfg(test)]
mod tests;
mod unpack;
mod users;

use std::io::Write;

use ctr_forge_rootfs::{Exclude, RootPath, Writer};

pub use capability::CapabilityError;
pub use error::{Fault, InstallError};
pub use record::{Installed, State};
pub use root::PathFault;
pub use selection::{links, wanted};
pub use users::Users;

use self::ownership::Fate;
pub(crate) use self::root::Root;
use crate::rpm::{FileInfo, Rpm};
use crate::version::Evr;

/// The macros of the root's own rpm: among them, where it has its database.
pub const MACROS: &str = "usr/lib/rpm/macros";

/// How packages are installed.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// rpm's name of the root's architecture: `x86_64`.
    pub arch: &'a str,
    /// Without documentation (`tsflags=nodocs`).
    pub nodocs: bool,
    /// The languages whose files are wanted (`%_install_langs`); all of them where nothing is said.
    pub langs: Option<&'a [String]>,
    /// What the user wants left out, by its final place in the root.
    pub exclude: &'a Exclude,
}

/// A package as the lock has it. Its own header must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// Its version.
    pub evr: Evr,
    /// Its architecture.
    pub arch: String,
}

/// Packages on their way into a root.
pub struct Install<'a, W: Write> {
    settings: Settings<'a>,
    sink: Writer<W>,
    root: Root,
    records: Vec<Installed>,
    users: Users,
    macros: Option<Vec<u8>>,
}

impl<W: Write> std::fmt::Debug for Install<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Install").field("records", &self.records.len()).finish_non_exhaustive()
    }
}

impl<'a, W: Write> Install<'a, W> {
    /// Into the stream `sink`, of which the last entry of a path counts.
    pub fn new(sink: Writer<W>, settings: Settings<'a>) -> Self {
        Self { settings, sink, root: Root::new(), records: Vec::new(), users: Users::default(), macros: None }
    }

    /// Links that packages will bring, path and target of each: files of packages that come before
    /// lie behind them, too.
    pub fn expect(&mut self, links: Vec<(RootPath, Box<[u8]>)>) {
        self.root.expect(links);
    }

    /// What follows goes to `sink`; returns the one that was used until now.
    pub fn redirect(&mut self, sink: Writer<W>) -> Writer<W> {
        std::mem::replace(&mut self.sink, sink)
    }

    /// The stream, for entries of the build's own.
    pub fn sink_mut(&mut self) -> &mut Writer<W> {
        &mut self.sink
    }

    /// The users and groups that files can belong to. Those of packages' own `/etc/passwd` and
    /// `/etc/group` are learned as these come.
    pub fn users_mut(&mut self) -> &mut Users {
        &mut self.users
    }

    /// The packages so far.
    pub fn records(&self) -> &[Installed] {
        &self.records
    }

    /// The content of [`MACROS`], if a package has brought it.
    pub fn macros(&self) -> Option<&[u8]> {
        self.macros.as_deref()
    }

    /// Whether there is something at a path, as packages have it, links above it followed.
    pub fn exists(&self, path: &RootPath) -> bool {
        self.root.resolve(path).is_ok_and(|real| self.root.get(&real).is_some())
    }

    /// Installs a package.
    ///
    /// # Errors
    ///
    /// If it is not the one that was chosen, or broken, or has a file of another that it may not
    /// have. The stream can then only be broken off.
    pub fn package(&mut self, rpm: &mut Rpm, chosen: &Chosen) -> Result<(), InstallError> {
        let unpacked = self.unpack(rpm, chosen);
        unpacked.map_err(|fault| InstallError { package: chosen.title(), fault: Box::new(fault) })
    }

    /// As [`Install::package`], without a word of it in the stream: which files come with the
    /// package, by their places. One that another has brought already does not.
    ///
    /// # Errors
    ///
    /// As there, as far as that can be told from headers.
    pub fn foresee(&mut self, rpm: &Rpm, chosen: &Chosen) -> Result<Vec<bool>, InstallError> {
        let fates = self.begin(rpm, chosen);
        let fates =
            fates.map_err(|fault| InstallError { package: chosen.title(), fault: Box::new(fault) })?;
        let files = self.records.last().map(|record| record.files.as_slice()).unwrap_or_default();
        let comes = |(file, fate): (&FileInfo, &Fate)| file.is_ghost() || *fate != Fate::LeftOut;
        Ok(files.iter().zip(&fates).map(comes).collect())
    }

    /// The packages in the order in which they came, and the stream, not finished.
    pub fn finish(self) -> (Vec<Installed>, Writer<W>) {
        (self.records, self.sink)
    }
}

impl Chosen {
    /// What messages call it: name, version, release and architecture.
    pub fn title(&self) -> String {
        let Evr { epoch, version, release } = &self.evr;
        let epoch = if *epoch == 0 { String::new() } else { format!("{epoch}:") };
        let release = release.as_deref().map(|release| format!("-{release}")).unwrap_or_default();
        format!("{}-{epoch}{version}{release}.{}", self.name, self.arch)
    }
}
