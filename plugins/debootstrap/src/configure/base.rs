//! What is common to all builds of a variant, kept for the next.
//!
//! The first strata are the variant's own. What they come to depends on their packages, in
//! their order, and on how they are installed; under a digest of all that the root as it is
//! then is kept, as a tar stream. The next build takes it in and goes on from there, and ends
//! in the same bytes as one from nothing, which stops at the same point in the same state.

use std::io::{Seek, Write};

use ctr_forge_plugin::{Result, Script};
use serde::{Deserialize, Serialize};

use super::{Build, Task, cannot_install, nowhere, read};
use crate::install::Archive;

/// What is known of a kept root beside its files.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    scripts: Vec<Script>,
}

/// Takes in a root that was kept, if there is one for these packages. Returns how many strata
/// are in it.
pub(super) fn load(
    build: &mut Build<'_, '_>,
    archives: &mut dyn Iterator<Item = Result<Archive>>,
) -> Result<u32> {
    let task = build.task;
    let Some(name) = name(task) else { return Ok(0) };
    let (Some(tar), Some(known)) = (task.host.kept(&name)?, task.host.kept(format!("{name} scripts"))?)
    else {
        return Ok(0);
    };
    let Ok(known) = serde_json::from_reader::<_, Known>(known) else { return Ok(0) };
    task.host.phase("Taking in packages that were configured before");
    build.rootfs.apply(tar)?;
    build.scripts = known.scripts;
    // What they ship has to be known to the packages that follow.
    build.install.divert(&read(build.rootfs, "/var/lib/dpkg/diversions")?);
    let count = task.lock.packages.iter().filter(|package| package.stratum < task.lock.base).count();
    let unpacked = build.install.unpack(archives.take(count), |step| task.archives.done(step));
    unpacked.map_err(cannot_install)?;
    build.install.is_known();
    build.install.redirect(nowhere());
    Ok(task.lock.base)
}

/// Keeps the root as it is.
pub(super) fn keep(build: &Build<'_, '_>) -> Result<()> {
    let task = build.task;
    let Some(name) = name(task) else { return Ok(()) };
    let (Some((tar, file)), Some((scripts, mut known))) = (task.host.draft()?, task.host.draft()?) else {
        return Ok(());
    };
    task.host.phase("Keeping configured packages for later builds");
    build.rootfs.export(&file)?;
    let text = serde_json::to_vec(&Known { scripts: build.scripts.clone() }).unwrap_or_default();
    // A full disk is no reason to fail.
    if known.write_all(&text).is_ok() && known.rewind().is_ok() {
        task.host.keep(scripts, format!("{name} scripts"))?;
        task.host.keep(tar, name)?;
    }
    Ok(())
}

/// All that the variant's strata depend on. `None` where there are none.
fn name(task: &Task<'_>) -> Option<String> {
    let lock = task.lock;
    let packages: Vec<_> = lock.packages.iter().filter(|package| package.stratum < lock.base).collect();
    if packages.is_empty() {
        return None;
    }
    let packages = packages.iter().map(|package| {
        format!(
            "{}:{}={} {} {}\n",
            package.name, package.arch, package.version, package.digest, package.stratum
        )
    });
    let settings = task.settings;
    let mut text = format!(
        "arch {} foreign {:?} merged {:?} epoch {} exclude {:?}\n",
        settings.arch, settings.foreign, settings.merged_usr, task.epoch, task.exclude
    );
    text.extend(packages);
    Some(format!("configured {}", ctr_forge_rootfs::Digest::of(text.as_bytes())))
}
