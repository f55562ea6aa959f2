//! Debian from packages, beside mmdebstrap.

use std::fs::{self, File};

use ctr_forge_tests::debian::host_mirror;

use super::{Bench, Column, Goal, at_most_of};
use crate::Result;
use crate::measure::{Subject, in_turns};
use crate::mirror::{self, ARCH, SUITE, Served};
use crate::record::{Record, Series};
use crate::work::Work;

pub(super) const BENCH: Bench = Bench {
    name: "debootstrap",
    title: "Debian from packages",
    text: "`ctr-forge source debootstrap bookworm --variant extract '?essential' -o X.tar` and `mmdebstrap \
           --mode=root --variant=extract --include='?essential' bookworm X.tar` unpack the same packages of \
           the same mirror: a copy of Debian's, with its signatures, that this machine serves to itself. It \
           has one suite and one component. Both write to the same directory. ctr-forge also writes dpkg's \
           database, mmdebstrap also some of `/dev` and `/etc`; the rest of the two tars is about the same, \
           or nothing is measured. mmdebstrap keeps nothing from run to run. `cold` is without anything in \
           the cache of ctr-forge, `warm` with all that it needs; with `--lock` it reads no index. The \
           processor time of the server is not counted.",
    tools: &["mmdebstrap", "apt-get"],
    columns: &[Column::Seconds, Column::Cpu, Column::Time, Column::CpuTime, Column::Result, Column::Peak],
    run,
    goals,
};

/// What is unpacked.
const PACKAGES: &str = "?essential";
const COLD: &str = "cold";
const WARM: &str = "warm";
const OURS: &str = "ctr-forge";
const LOCKED: &str = "ctr-forge --lock";
const THEIRS: &str = "mmdebstrap";
pub(super) const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const ROUNDS: usize = 5;
const TAR: &str = "ours.tar";
const THEIR_TAR: &str = "theirs.tar";
/// How far the two tars may differ, in content and in entries.
const DIFFERENCE: f64 = 0.1;

fn run(work: &Work) -> Result<Vec<Series>> {
    let Some(mirror) = host_mirror() else {
        eprintln!("  no mirror of Debian answers");
        return Ok(Vec::new());
    };
    let input = mirror::copy(work, &mirror, &[PACKAGES, "--variant", "extract"])?;
    let served = Served::new(work)?;
    fs::create_dir(work.path("apt"))?;
    let series = |case, subject| Series::new(case, subject).with_input(input);
    let cold = Subject::new(series(COLD, OURS), || {
        work.remove("cache")?;
        ours(work, served.url(), &[])
    });
    let peer =
        |case| made(work, THEIR_TAR, Subject::new(series(case, THEIRS), || theirs(work, served.url())));
    let mut all = in_turns(ROUNDS, vec![made(work, TAR, cold), peer(COLD)])?;
    must_be_alike(work, TAR, THEIR_TAR)?;
    let warm = Subject::new(series(WARM, OURS), || ours(work, served.url(), &[]));
    // The run before the first round makes the file.
    let locked = Subject::new(series(WARM, LOCKED), || ours(work, served.url(), &["--lock", "lock.json"]));
    all.extend(in_turns(ROUNDS, vec![made(work, TAR, warm), made(work, TAR, locked), peer(WARM)])?);
    Ok(all)
}

/// With the length of the tar that it makes.
pub(super) fn made<'a>(work: &'a Work, tar: &'static str, subject: Subject<'a>) -> Subject<'a> {
    subject.with_result(move || Ok(Some(fs::metadata(work.path(tar))?.len())))
}

fn ours(work: &Work, url: &str, more: &[&str]) -> Result<std::process::Command> {
    work.remove(TAR)?;
    let source = ["-q", "source", "debootstrap", SUITE, PACKAGES, "--variant", "extract", "--arch", ARCH];
    let files = ["--mirror", url, "--apt-config", "apt", "-o", TAR];
    let mut command = work.forge(&[&source[..], &files, more].concat());
    command.env("CTR_FORGE_CACHE", work.path("cache"));
    Ok(command)
}

fn theirs(work: &Work, url: &str) -> Result<std::process::Command> {
    work.remove(THEIR_TAR)?;
    let options = format!("--mode=root --variant=extract --architectures={ARCH} --include='{PACKAGES}'");
    let line = format!("deb [signed-by={KEYS}] {url} {SUITE} main");
    Ok(work.script(&format!("exec mmdebstrap --quiet {options} {SUITE} {THEIR_TAR} '{line}'")))
}

/// A race is fair only between those who make the same.
pub(super) fn must_be_alike(work: &Work, ours: &str, theirs: &str) -> Result<()> {
    let (ours, theirs) = (size(work, ours)?, size(work, theirs)?);
    let alike = |a: u64, b: u64| a.abs_diff(b) as f64 <= DIFFERENCE * b as f64;
    match alike(ours.0, theirs.0) && alike(ours.1, theirs.1) {
        true => Ok(()),
        false => Err(format!("the tars differ: {ours:?} and {theirs:?} bytes and entries").into()),
    }
}

/// Bytes of content in a tar, and its entries.
fn size(work: &Work, tar: &str) -> Result<(u64, u64)> {
    let output = work.child(&["read"])?.stdin(File::open(work.path(tar))?).output()?;
    let text = String::from_utf8(output.stdout)?;
    let (content, entries) = text.trim().split_once(' ').ok_or("the tar cannot be read")?;
    Ok((content.parse()?, entries.parse()?))
}

fn goals(record: &Record) -> Option<Vec<Goal>> {
    let (locked, peer) = (record.series(WARM, LOCKED)?, record.series(WARM, THEIRS)?);
    let time = locked.ratio(peer, |sample| sample.wall);
    let lock = Goal {
        wanted: format!("{WARM}, {LOCKED}: no bound"),
        found: format!("{:.2} ({:.2}–{:.2}) of the time of {THEIRS}", time.median, time.lowest, time.highest),
        met: true,
    };
    let cold = at_most_of(record, COLD, OURS, THEIRS, 0.5)?;
    Some(vec![cold, at_most_of(record, WARM, OURS, THEIRS, 0.25)?, lock])
}
