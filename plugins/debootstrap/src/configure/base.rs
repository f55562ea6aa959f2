//! What is common to all builds of a variant, kept for the next.
//!
//! The first strata are the variant's own. What they come to depends on their packages, in
//! their order, and on how they are installed; under a digest of all that the root as it is
//! then is kept, as a tar stream. The next build takes it in and goes on from there, and ends
//! in the same bytes as one from nothing, which stops at the same point in the same state.

use std::fs::File;
use std::io::{Read, Seek, Write};

use ctr_forge_plugin::{Error, Result, Script};
use serde::{Deserialize, Serialize};

use super::{Build, Task};
use crate::install::Model;
use crate::lock::LockedPackage;

/// What is known of a kept root beside its files.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    scripts: Vec<Script>,
    model: Model,
}

/// Takes in a root that was kept, if there is one for these packages. Returns how many strata
/// are in it, and how many packages.
pub(super) fn load(build: &mut Build<'_, '_>) -> Result<(u32, usize)> {
    let task = build.task;
    let Some((tar, known)) = find(task)? else { return Ok((0, 0)) };
    let count = base_packages(task).count();
    if !build.install.recall(known.model) {
        return Ok((0, 0));
    }
    build.scripts = known.scripts;
    task.host.phase("Taking in packages that were configured before");
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| build.rootfs.apply(tar));
        // They still have the digests that the lock says.
        let passed = task.archives.pass(count);
        let taken = taken.join().map_err(|_| Error::plugin("a thread that fills the root panicked"))?;
        passed.and(taken)
    })?;
    Ok((task.lock.base, count))
}

/// The root that was kept and what is known of it, if both are there and whole.
fn find(task: &Task<'_>) -> Result<Option<(File, Known)>> {
    let Some(name) = name(task) else { return Ok(None) };
    let Some(mut known) = task.host.kept(format!("{name} known"))? else { return Ok(None) };
    let mut text = Vec::new();
    let read = known.read_to_end(&mut text);
    let known = read.ok().and_then(|_| serde_json::from_slice::<Known>(&text).ok());
    let is_of_these = |known: &Known| {
        let wanted = base_packages(task).map(|package| [&*package.name, &*package.version, &*package.arch]);
        known.model.packages().eq(wanted)
    };
    let Some(known) = known.filter(is_of_these) else { return Ok(None) };
    Ok(task.host.kept(&name)?.map(|tar| (tar, known)))
}

/// Keeps the root as it is.
pub(super) fn keep(build: &Build<'_, '_>) -> Result<()> {
    let task = build.task;
    let (Some(name), Some(model)) = (name(task), build.install.model()) else { return Ok(()) };
    let (Some((tar, file)), Some((beside, mut known))) = (task.host.draft()?, task.host.draft()?) else {
        return Ok(());
    };
    task.host.phase("Keeping configured packages for later builds");
    build.rootfs.export(&file)?;
    let text = serde_json::to_vec(&Known { scripts: build.scripts.clone(), model }).unwrap_or_default();
    // A full disk is no reason to fail.
    if known.write_all(&text).is_ok() && known.rewind().is_ok() {
        task.host.keep(beside, format!("{name} known"))?;
        task.host.keep(tar, name)?;
    }
    Ok(())
}

/// The packages of the variant's strata, which come first.
fn base_packages<'a>(task: &Task<'a>) -> impl Iterator<Item = &'a LockedPackage> {
    let base = task.lock.base;
    task.lock.packages.iter().filter(move |package| package.stratum < base)
}

/// All that the variant's strata depend on. `None` where there are none.
fn name(task: &Task<'_>) -> Option<String> {
    let packages: Vec<_> = base_packages(task).collect();
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
