//! Packages into a root on disk, their scripts run in a sandbox, and the root as a stream.
//!
//! The root is the host's: this goes no further than tar streams in, programs run, a tar
//! stream out. It goes stratum by stratum ([`strata`](crate::strata)):
//!
//! 1. the `preinst` of each package, when all that it pre-depends on is configured; of the
//!    essential packages after they are unpacked, for before there is no shell;
//! 2. all files of the stratum, and dpkg's database of them;
//! 3. `dpkg --configure`, which runs the other scripts and processes triggers.
//!
//! | module | what it does |
//! |---|---|
//! | `base` | what is common to all builds of a variant, kept for the next |
//! | `script` | what scripts find, and running a `preinst` |
//! | `dpkg` | `dpkg --configure`, and what it says of each script |
//! | `clean` | what is no part of an image |
//! | `sources` | where the image's own apt finds packages |

mod base;
pub(crate) mod clean;
mod dpkg;
mod script;
pub(crate) mod sources;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use ctr_forge_plugin::{Error, Host, Result, Rootfs, Script};
use ctr_forge_rootfs::{Entry, Kind, RootPath, Writer};

use crate::archives::Archives;
use crate::index::Place;
use crate::install::{Archive, Install, InstallError, Installed, Settings};
use crate::lock::Lock;
use crate::options::Options;
use crate::places;

/// Bytes written at a time.
const BUFFER: usize = 256 << 10;

/// Where packages go: the root, or nowhere if it has them.
type Sink = BufWriter<Box<dyn Write>>;

/// What a build is made with.
pub(crate) struct Task<'a> {
    pub(crate) host: &'a Host,
    pub(crate) lock: &'a Lock,
    pub(crate) options: &'a Options,
    pub(crate) settings: &'a Settings<'a>,
    pub(crate) archives: &'a Archives<'a>,
    /// OCI's name.
    pub(crate) arch: &'a str,
    /// What scripts take for the time, seconds since 1970.
    pub(crate) epoch: i64,
    /// Patterns of paths that no image of this build has.
    pub(crate) exclude: Vec<String>,
}

/// What came of it.
pub(crate) struct Configured {
    pub(crate) installed: Installed,
    pub(crate) scripts: Vec<Script>,
    pub(crate) cleaned: Vec<String>,
}

/// How many times its size a package may have when it is unpacked and configured: twice what most
/// have.
const UNPACKED: u64 = 8;

/// Builds the root and writes it to `stream`.
pub(crate) fn configure(task: &Task<'_>, stream: &File) -> Result<Configured> {
    let packed: u64 = task.lock.packages.iter().map(|package| package.size).sum();
    let rootfs = task.host.rootfs(task.arch, packed.checked_mul(UNPACKED))?;
    let mut build =
        Build { task, rootfs: &rootfs, install: Install::new(nowhere(), task.settings), scripts: Vec::new() };
    let (base, count) = base::load(&mut build)?;
    let mut archives = task.archives.iter_from(count);
    for (stratum, packages) in strata(task.lock) {
        if stratum < base {
            continue;
        }
        let count = packages.len();
        build.stratum(stratum, &mut archives.by_ref().take(count))?;
        if stratum + 1 == task.lock.base {
            base::keep(&build)?;
        }
    }
    task.host.phase("Finishing the root filesystem");
    let cleaned = clean::clean(&rootfs)?;
    let has_apt = task.lock.packages.iter().any(|package| package.name == "apt");
    sources::write(task.lock, &places(task)?, &rootfs, has_apt)?;
    rootfs.export_without(stream, &task.exclude)?;
    let (installed, _) = build.install.finish();
    Ok(Configured { installed, scripts: build.scripts, cleaned })
}

/// The repositories, with their keys.
fn places(task: &Task<'_>) -> Result<Vec<Place>> {
    let release = places::release(task.options)?;
    places::places(task.options, &release, &task.lock.arch, task.host)
}

/// The strata of a lock and the packages in each, by their places.
fn strata(lock: &Lock) -> Vec<(u32, Range<usize>)> {
    let mut strata: Vec<(u32, Range<usize>)> = Vec::new();
    for (index, package) in lock.packages.iter().enumerate() {
        match strata.last_mut() {
            Some((stratum, packages)) if *stratum == package.stratum => packages.end = index + 1,
            _ => strata.push((package.stratum, index..index + 1)),
        }
    }
    strata
}

/// A root on its way.
struct Build<'b, 'a> {
    task: &'b Task<'a>,
    rootfs: &'b Rootfs<'b>,
    install: Install<'a, Sink>,
    scripts: Vec<Script>,
}

impl Build<'_, '_> {
    /// Installs the packages of one stratum.
    fn stratum(&mut self, stratum: u32, archives: &mut dyn Iterator<Item = Result<Archive>>) -> Result<()> {
        let host = self.task.host;
        let first = self.install.len();
        host.phase("Unpacking packages");
        if stratum == 0 {
            self.unpack(archives)?;
            self.preinsts_of_unpacked(first)?;
        } else {
            let archives = archives.collect::<Result<Vec<_>>>()?;
            self.preinsts(&archives)?;
            self.unpack(&mut archives.into_iter().map(Ok))?;
        }
        host.phase("Configuring packages");
        let (runs, began) = dpkg::configure(self.task, self.rootfs, stratum == 0)?;
        let changes = self.rootfs.changes(began)?;
        self.scripts.extend(dpkg::report(&runs, &changes));
        host.check_cancelled()
    }

    /// Unpacks packages into the root, with the database of them.
    fn unpack(&mut self, archives: &mut dyn Iterator<Item = Result<Archive>>) -> Result<()> {
        let status = self.rootfs.read_all("/var/lib/dpkg/status")?;
        self.install.divert(&self.rootfs.read_all("/var/lib/dpkg/diversions")?);
        let (task, install) = (self.task, &mut self.install);
        into_root(self.rootfs, |sink| {
            install.redirect(sink);
            install
                .unpack(archives, |step| {
                    task.archives.done(step)?;
                    task.host.check_cancelled()
                })
                .and_then(|()| install.database(&status))
                .map_err(cannot_install)?;
            finish(install.redirect(nowhere()))
        })
    }

    /// Runs the `preinst` of packages that are not unpacked yet.
    fn preinsts(&mut self, archives: &[Archive]) -> Result<()> {
        let control = |archive: &Archive| archive.control().map_err(|e| cannot_install(e.into()));
        for archive in archives {
            let chosen = &archive.chosen;
            let script =
                script::preinst(self.task, self.rootfs, &chosen.name, &chosen.arch, &control(archive)?)?;
            self.scripts.extend(script);
        }
        Ok(())
    }

    /// Runs the `preinst` of packages that are unpacked, from the one with this index on.
    fn preinsts_of_unpacked(&mut self, first: usize) -> Result<()> {
        let mut controls: Vec<_> = self.install.controls(first).collect();
        // Others need the users and directories that these make.
        controls.sort_by_key(|(package, ..)| match *package {
            "base-passwd" => 0,
            "base-files" => 1,
            _ => 2,
        });
        for (package, arch, control) in controls {
            self.scripts.extend(script::preinst(self.task, self.rootfs, package, arch, control)?);
        }
        Ok(())
    }
}

fn nowhere() -> Writer<Sink> {
    Writer::new(BufWriter::new(Box::new(io::sink())))
}

/// Writes a tar stream that the root takes in meanwhile.
fn into_root<T>(rootfs: &Rootfs<'_>, write: impl FnOnce(Writer<Sink>) -> Result<T>) -> Result<T> {
    rootfs.apply_from(|pipe| {
        let sink: Box<dyn Write> = Box::new(pipe);
        write(Writer::new(BufWriter::with_capacity(BUFFER, sink)).with_packages())
    })
}

/// Ends a stream into the root.
fn finish(writer: Writer<Sink>) -> Result<()> {
    let finished = writer.finish().and_then(|mut sink| sink.flush());
    finished.map_err(|e| Error::io("cannot write to the root", e))
}

/// Puts files of the build's own into the root.
fn put<'c>(rootfs: &Rootfs<'_>, files: impl Iterator<Item = (String, u16, &'c [u8])>) -> Result<()> {
    into_root(rootfs, |mut writer| {
        for (path, mode, mut content) in files {
            let path = RootPath::new(path.as_bytes())
                .map_err(|e| Error::plugin("a file of the build has an impossible path").because(&e))?;
            let kind = Kind::File { size: content.len() as u64 };
            let entry = Entry { mtime: ctr_forge_rootfs::TOUCHED, ..Entry::new(path, kind, mode) };
            writer
                .entry(&entry, &mut content)
                .map_err(|e| Error::plugin("cannot write to the root").because(&e))?;
        }
        finish(writer)
    })
}

fn cannot_install(error: InstallError) -> Error {
    crate::build::cannot_install(error)
}

/// In nanoseconds since 1970, as the kernel dates files.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
