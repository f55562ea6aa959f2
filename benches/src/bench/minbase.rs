//! A whole Debian, scripts run, beside mmdebstrap and debootstrap.

use std::cell::Cell;
use std::fs;
use std::process::Command;

use ctr_forge_tests::debian::host_mirror;

use super::debootstrap::{KEYS, made, must_be_alike};
use super::{Bench, Column, Goal, at_most_of};
use crate::Result;
use crate::measure::{Subject, in_turns};
use crate::mirror::{self, ARCH, SUITE, Served};
use crate::record::{Record, Series};
use crate::work::Work;

pub(super) const BENCH: Bench = Bench {
    name: "minbase",
    title: "Debian, configured",
    text: "`ctr-forge source debootstrap bookworm --variant minbase -o X.tar`, `mmdebstrap --mode=root \
           --variant=minbase` with its hook for a merged `/usr`, and `debootstrap --variant=minbase` with `tar` \
           install and configure the same packages from the same mirror: a copy of Debian's that this machine \
           serves to itself. ctr-forge runs the scripts in a user namespace with a range of ids; `single` has one \
           id. `cold` is without anything in its cache. `warm` has the packages, and no base that was configured \
           before: each run has another `SOURCE_DATE_EPOCH`, which is part of what such a base depends on. `one \
           more` adds the package hello to a base that is there. The peers keep nothing from run to run. ctr-forge \
           builds in memory what fits there well; `on disk` it has been told a directory (`TMPDIR`) as the peers \
           are, and `in memory` mmdebstrap has been told one in memory. `unshare` is mmdebstrap in a user \
           namespace, as a user has it.",
    tools: &["mmdebstrap", "debootstrap", "apt-get"],
    columns: &[Column::Seconds, Column::Cpu, Column::Time, Column::CpuTime, Column::Result, Column::Peak],
    run,
    goals,
};

const COLD: &str = "cold";
const WARM: &str = "warm";
const MORE: &str = "one more";
const OURS: &str = "ctr-forge";
const SINGLE: &str = "ctr-forge, single";
const ON_DISK: &str = "ctr-forge, on disk";
const THEIRS: &str = "mmdebstrap";
const UNSHARE: &str = "mmdebstrap, unshare";
const IN_MEMORY: &str = "mmdebstrap, in memory";
const OLD: &str = "debootstrap";
const ROUNDS: usize = 5;
const TAR: &str = "ours.tar";
const THEIR_TAR: &str = "theirs.tar";
const OLD_TAR: &str = "old.tar";

fn run(work: &Work) -> Result<Vec<Series>> {
    let Some(mirror) = host_mirror() else {
        eprintln!("  no mirror of Debian answers");
        return Ok(Vec::new());
    };
    let input = mirror::copy(work, &mirror, &["hello", "--variant", "minbase"])?;
    let served = Served::new(work)?;
    fs::create_dir(work.path("apt"))?;
    let url = served.url();
    let series = |case, subject| Series::new(case, subject).with_input(input);
    let epoch = Cell::new(1_700_000_000_u64);
    let anew = || {
        epoch.set(epoch.get() + 1);
        epoch.get()
    };
    let mmdebstrap = |case, name, more: &'static str| {
        let subject = Subject::new(series(case, name), move || mmdebstrap(work, url, name, more));
        made(work, THEIR_TAR, subject)
    };
    let theirs = |case, more| mmdebstrap(case, THEIRS, more);
    let one_more = |name| {
        let subject = Subject::new(series(MORE, name), move || {
            let command = forge(work, url, 1_600_000_000, &["hello"])?;
            Ok(placed(work, name, command))
        });
        made(work, TAR, subject)
    };
    let cold = Subject::new(series(COLD, OURS), || {
        work.remove("cache")?;
        forge(work, url, anew(), &[])
    });
    let mut all = in_turns(ROUNDS, vec![made(work, TAR, cold), theirs(COLD, "")])?;
    must_be_alike(work, TAR, THEIR_TAR)?;
    let warm = Subject::new(series(WARM, OURS), || forge(work, url, anew(), &[]));
    let single = Subject::new(series(WARM, SINGLE), || forge(work, url, anew(), &["--sandbox", "single"]));
    let on_disk =
        Subject::new(series(WARM, ON_DISK), || Ok(placed(work, ON_DISK, forge(work, url, anew(), &[])?)));
    let old = Subject::new(series(WARM, OLD), || debootstrap(work, url));
    all.extend(in_turns(
        ROUNDS,
        vec![
            made(work, TAR, warm),
            made(work, TAR, single),
            made(work, TAR, on_disk),
            theirs(WARM, ""),
            mmdebstrap(WARM, UNSHARE, ""),
            mmdebstrap(WARM, IN_MEMORY, ""),
            made(work, OLD_TAR, old),
        ],
    )?);
    let hello = "--include=hello";
    all.extend(in_turns(
        ROUNDS,
        vec![
            one_more(OURS),
            one_more(ON_DISK),
            theirs(MORE, hello),
            mmdebstrap(MORE, UNSHARE, hello),
            mmdebstrap(MORE, IN_MEMORY, hello),
        ],
    )?);
    Ok(all)
}

/// Has a build of ours be where its series says.
fn placed(work: &Work, name: &str, mut command: Command) -> Command {
    if name == ON_DISK {
        command.env("TMPDIR", work.path(""));
    }
    command
}

fn forge(work: &Work, url: &str, epoch: u64, more: &[&str]) -> Result<Command> {
    work.remove(TAR)?;
    let source = ["-q", "source", "debootstrap", SUITE, "--variant", "minbase", "--arch", ARCH];
    let files = ["--mirror", url, "--apt-config", "apt", "-o", TAR];
    let mut command = work.forge(&[&source[..], more, &files].concat());
    // As users have it: where nobody names a place, a root is built in memory.
    command.env_remove("TMPDIR");
    command.env("CTR_FORGE_CACHE", work.path("cache")).env("SOURCE_DATE_EPOCH", epoch.to_string());
    Ok(command)
}

fn mmdebstrap(work: &Work, url: &str, name: &str, more: &str) -> Result<Command> {
    work.remove(THEIR_TAR)?;
    let mode = if name == UNSHARE { "unshare" } else { "root" };
    let hook = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr";
    let options = format!("--mode={mode} --variant=minbase --architectures={ARCH} {hook} {more}");
    let line = format!("deb [signed-by={KEYS}] {url} {SUITE} main");
    let mut command = work.script(&format!("exec mmdebstrap --quiet {options} {SUITE} {THEIR_TAR} '{line}'"));
    match name {
        IN_MEMORY => command.env("TMPDIR", "/dev/shm"),
        // The directory of the benchmark is closed to the ids of the namespace.
        UNSHARE => command.env("TMPDIR", "/var/tmp"),
        _ => &mut command,
    };
    Ok(command)
}

fn debootstrap(work: &Work, url: &str) -> Result<Command> {
    work.remove(OLD_TAR)?;
    Ok(work.script(&format!(
        "rm -rf old; debootstrap --variant=minbase --arch={ARCH} --keyring={KEYS} {SUITE} old {url} > old.log 2>&1; \
         tar --sort=name --xattrs --numeric-owner -C old -cf {OLD_TAR} ."
    )))
}

fn goals(record: &Record) -> Option<Vec<Goal>> {
    Some(vec![
        at_most_of(record, COLD, OURS, THEIRS, 0.45)?,
        at_most_of(record, WARM, OURS, THEIRS, 0.35)?,
        at_most_of(record, WARM, OURS, UNSHARE, 0.35)?,
        at_most_of(record, WARM, SINGLE, THEIRS, 0.5)?,
        at_most_of(record, WARM, OURS, OLD, 0.35)?,
        at_most_of(record, MORE, OURS, THEIRS, 0.15)?,
    ])
}
