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
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use ctr_forge_packages::root;
use ctr_forge_plugin::{Error, Host, Result, Rootfs, Script};

use crate::archives::Archives;
use crate::index::Place;
use crate::install::{Archive, Install, InstallError, Installed, Settings};
use crate::lock::Lock;
use crate::options::Options;
use crate::places;

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
    let mut build = Build {
        task,
        rootfs: &rootfs,
        install: Install::new(root::nowhere(), task.settings),
        scripts: Vec::new(),
    };
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
    install: Install<'a, root::Sink>,
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
        root::write(self.rootfs, |sink| {
            install.redirect(sink);
            install
                .unpack(archives, |step| {
                    task.archives.done(step)?;
                    task.host.check_cancelled()
                })
                .and_then(|()| install.database(&status))
                .map_err(cannot_install)?;
            root::finish(install.redirect(root::nowhere()))
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

fn cannot_install(error: InstallError) -> Error {
    crate::build::cannot_install(error)
}

/// In nanoseconds since 1970, as the kernel dates files.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
