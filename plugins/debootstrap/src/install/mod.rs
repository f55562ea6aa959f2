//! Packages into one root filesystem stream, with dpkg's database.
//!
//! Nothing is unpacked to disk: each package's files go from its archive right into the
//! stream, and what was written so far is known by a model of the root in memory. What
//! comes out is what `dpkg-deb --extract` of all packages would leave, and the database
//! that `dpkg --unpack` would write about it.
//!
//! | module | what it does |
//! |---|---|
//! | `ahead` | unpacks the next packages on other threads while one is written |
//! | `root` | what is in the root so far, and where a path leads in it |
//! | `unpack`, `links` | one package's files into the stream |
//! | `diversions` | files that go to other names |
//! | `replaces` | which package may take over whose files, and the order that needs |
//! | `model` | what is known of a root, kept for a later build |
//! | `record` | what is kept of a package for the database |
//! | `database`, `status`, `conffiles`, `triggers` | `/var/lib/dpkg` |
//!
//! Maintainer scripts do not run here; whoever runs them tells of the diversions that they made.
//! Owners are the numbers in the archive. dpkg looks up the names beside them in the root's
//! own `/etc/passwd`; but packages only have files of the ids that base-passwd gives out for
//! good, which are the same wherever a package was built.

mod ahead;
mod conffiles;
mod database;
mod diversions;
mod error;
mod links;
mod model;
mod record;
mod replaces;
mod root;
mod status;
#[cfg(test)]
mod tests;
mod triggers;
mod unpack;

use std::fs::File;
use std::io::Write;

use ctr_forge_plugin::Result as PluginResult;
use ctr_forge_rootfs::{Exclude, Writer};
use serde::{Deserialize, Serialize};

pub use error::InstallError;
pub(crate) use model::Model;
pub use replaces::order;

use self::ahead::Ahead;
use self::diversions::Diversions;
use self::record::Record;
use self::unpack::Unpack;
use crate::deb::{Control, Deb, DebError};

/// How packages are installed.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// dpkg's name of the root's own architecture: `amd64`.
    pub arch: &'a str,
    /// Further architectures of which packages may be installed.
    pub foreign: &'a [String],
    /// In which state packages are left.
    pub mode: Mode,
    /// What the user wants left out, by its final place in the root.
    pub exclude: &'a Exclude,
    /// Which directories are links into `/usr` from the start.
    pub merged_usr: MergedUsr,
    /// Packages that are decompressed at once. Each takes up to 32 MiB, and what its
    /// compression needs. The stream does not depend on it.
    pub jobs: usize,
}

/// Which of `/bin`, `/sbin` and `/lib*` are links into `/usr` before the first package is unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergedUsr {
    /// None.
    #[default]
    No,
    /// All that packages of any ABI may have files in, as debootstrap does it.
    AllAbis,
    /// Those that base-files itself has, from Debian 13 on.
    OwnAbi,
}

/// In which state packages are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All are unpacked, none is configured.
    Extract,
    /// Those that have nothing to run are installed: no `preinst`, no `postinst`, no
    /// trigger they are interested in. The others are unpacked.
    Custom,
}

/// A package as the repository's index describes it. Its own description must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// `Package`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`.
    pub arch: String,
    /// What to call the file in errors.
    pub file_name: String,
}

/// A package to install.
#[derive(Debug)]
pub struct Archive {
    /// What it is said to be.
    pub chosen: Chosen,
    /// The package file.
    pub file: File,
    /// Its `data.tar` without the compression.
    pub plain: Plain,
}

impl Archive {
    /// Its control files.
    ///
    /// # Errors
    ///
    /// If it is no package.
    pub fn control(&self) -> Result<Control, DebError> {
        Deb::open(&self.file, &self.chosen.file_name)?.control()
    }
}

/// Where the decompressed form of a package's `data.tar` is.
#[derive(Debug)]
pub enum Plain {
    /// Here, made from this very package file.
    Here(File),
    /// It is wanted here.
    CopyTo(File),
    /// Nowhere.
    Unknown,
}

/// How far installing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The place of the package that is done, from 0.
    pub index: usize,
    /// Whether its `data.tar` was copied, as asked for with [`Plain::CopyTo`].
    pub copied: bool,
}

/// What was installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// The packages in the order in which they came.
    pub packages: Vec<InstalledPackage>,
}

/// One package that was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// `Package`.
    pub name: String,
    /// `Architecture`.
    pub arch: String,
    /// The content of `/usr/share/doc/NAME/copyright`, also if it is left out of the root,
    /// where that is a file of at most 1 MiB. What is no UTF-8 is replaced.
    pub licence_text: Option<String>,
    /// What dpkg would run and was not run: `preinst`, `postinst`, and `triggers` for one
    /// that is to run its `postinst` when a trigger it is interested in is activated.
    pub scripts: Vec<String>,
    /// `Installed-Size` in KiB; 0 where absent.
    pub installed_size: u64,
    /// Files, links and devices that it has in the root; directories are not counted.
    pub files: u64,
}

/// Packages on their way into a root, one stratum after the other or all at once.
pub struct Install<'a, W: Write> {
    settings: &'a Settings<'a>,
    unpack: Unpack<'a, W>,
    records: Vec<Record>,
    /// Packages that the database has already.
    known: usize,
}

impl<W: Write> std::fmt::Debug for Install<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Install").field("records", &self.records.len()).finish_non_exhaustive()
    }
}

impl<'a, W: Write> Install<'a, W> {
    /// Into the stream `sink`.
    pub fn new(sink: Writer<W>, settings: &'a Settings<'a>) -> Self {
        Self { settings, unpack: Unpack::new(sink, settings), records: Vec::new(), known: 0 }
    }

    /// What follows goes to `sink`; returns the one that was used until now.
    pub fn redirect(&mut self, sink: Writer<W>) -> Writer<W> {
        self.unpack.redirect(sink)
    }

    /// What the root's `/var/lib/dpkg/diversions` says: packages that follow obey it.
    pub fn divert(&mut self, diversions: &[u8]) {
        self.unpack.diversions = Diversions::parse(diversions);
    }

    /// Unpacks `debs`, in their order.
    ///
    /// The stream is not finished, so that more can follow. `done` is told of each package that
    /// is. The attributes of a directory that several packages ship are those of the first, as
    /// with dpkg. A package that replaces files of another must come before it, in the order of
    /// [`order`]; or in a later call, when the files that it takes over are those of a root.
    ///
    /// # Errors
    ///
    /// If a package is broken or is not the one that was chosen, if two packages have the
    /// same file and neither replaces the other's, if a path leads out of the root, and if
    /// `debs` or `done` fail. The stream can then only be broken off.
    pub fn unpack(
        &mut self,
        debs: impl Iterator<Item = PluginResult<Archive>>,
        mut done: impl FnMut(Step) -> PluginResult<()>,
    ) -> Result<(), InstallError> {
        let Self { settings, unpack, records, .. } = self;
        unpack.settled = records.len();
        ahead::ahead(debs, settings.jobs, |ahead: Ahead| {
            let (record, mut data) = ahead.into_record(settings)?;
            if records.iter().any(|other| other.name == record.name && other.arch == record.arch) {
                return Err(InstallError::Twice { package: record.full_name() });
            }
            records.push(record);
            unpack.package(records, &mut data)?;
            let step = Step { index: records.len() - 1, copied: data.is_copied() };
            done(step).map_err(InstallError::Caller)
        })?;
        unpack.finish()?;
        for (owner, path) in std::mem::take(&mut unpack.taken) {
            records[owner].lose(&path);
        }
        Ok(())
    }

    /// What is known of the root and its packages, if it can be kept. All of them must be in the
    /// database.
    pub(crate) fn model(&self) -> Option<Model> {
        Model::of(&self.unpack.root, self.unpack.names, &self.records)
    }

    /// Goes on in a root of which this is known. Returns whether that is of any use.
    pub(crate) fn recall(&mut self, model: Model) -> bool {
        let Some((root, names, records)) = model.into_parts(self.settings) else { return false };
        self.unpack.recall(root, names);
        self.known = records.len();
        self.records = records;
        true
    }

    /// Writes into the database what was unpacked since the last time. `status` is the file of
    /// this name as it is in the root, empty where there is none.
    ///
    /// # Errors
    ///
    /// If the stream cannot be written.
    pub fn database(&mut self, status: &[u8]) -> Result<(), InstallError> {
        database::write(&mut self.unpack, &self.records, self.known, status, self.settings)?;
        self.known = self.records.len();
        Ok(())
    }

    /// Name, architecture and control files of each package, from that with this index on.
    pub fn controls(&self, from: usize) -> impl Iterator<Item = (&str, &str, &Control)> {
        let records = self.records.iter().skip(from);
        records.map(|record| (record.name.as_str(), record.arch.as_str(), &record.control))
    }

    /// Packages so far.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no package yet.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What was installed, and the stream.
    pub fn finish(self) -> (Installed, Writer<W>) {
        (Installed { packages: self.records.iter().map(Record::report).collect() }, self.unpack.into_sink())
    }
}

/// Installs `debs`, in their order, with the database of them all. Returns the stream, not finished.
///
/// # Errors
///
/// Those of [`Install::unpack`].
pub fn install<W: Write>(
    sink: Writer<W>,
    debs: impl Iterator<Item = PluginResult<Archive>>,
    settings: &Settings<'_>,
    done: impl FnMut(Step) -> PluginResult<()>,
) -> Result<(Installed, Writer<W>), InstallError> {
    let mut install = Install::new(sink, settings);
    install.unpack(debs, done)?;
    install.database(b"")?;
    Ok(install.finish())
}
