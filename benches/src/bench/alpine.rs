//! Alpine from packages, beside apk.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use ctr_forge_tests::runner::alpine_packages;
use ctr_forge_tests::{Compression, archive};

use super::debootstrap::made;
use super::{Bench, Column, Goal, at_most_of};
use crate::Result;
use crate::measure::{Subject, in_turns};
use crate::record::{Record, Series};
use crate::work::Work;

pub(super) const BENCH: Bench = Bench {
    name: "alpine",
    title: "Alpine from packages",
    text: "`ctr-forge source alpine --repo REPOSITORY -o X.tar` installs the 14 packages of Alpine's \
           own image with what their scripts do, and writes a tar. `apk --root DIR --initdb add` 2.14, from \
           the same repository on the same disk, runs the scripts and leaves a directory. `run` has \
           ctr-forge run them too, in its sandbox. `5000 packages` is a repository that is made up, each \
           package with needs, versions and names that it provides: `ctr-forge … --dry-run` and \
           `apk --simulate` read the index and choose what thirty of them need.",
    tools: &["tar"],
    columns: &[
        Column::Milliseconds,
        Column::Cpu,
        Column::Time,
        Column::CpuTime,
        Column::Result,
        Column::Peak,
    ],
    run,
    goals,
};

const WARM: &str = "Alpine's image";
const SOLVER: &str = "5000 packages";
const OURS: &str = "ctr-forge";
const RUN: &str = "ctr-forge, run";
const THEIRS: &str = "apk";
const ROUNDS: usize = 15;
const TAR: &str = "ours.tar";
const BASE: &str = "alpine-baselayout alpine-keys apk-tools busybox libc-utils";
const PACKAGES: usize = 5000;
/// How long it may take, in seconds.
const BOUND: f64 = 0.15;

fn run(work: &Work) -> Result<Vec<Series>> {
    let Some(data) = alpine_packages() else {
        eprintln!("  Alpine's packages are not there");
        return Ok(Vec::new());
    };
    let succeeded = ours(work, &data, &[])?.status()?.success()
        && work.script("mkdir -p apk && tar -xpf ours.tar -C apk --numeric-owner").status()?.success();
    if !succeeded {
        return Err("the root with apk cannot be made".into());
    }
    let native = Subject::new(Series::new(WARM, OURS), || ours(work, &data, &[]));
    let run = Subject::new(Series::new(WARM, RUN), || ours(work, &data, &["--scripts", "run"]));
    let peer = Subject::new(Series::new(WARM, THEIRS), || {
        work.remove("new")?;
        let keys = format!("mkdir -p new/etc/apk/keys && cp {}/*.pub new/etc/apk/keys", data.display());
        Ok(work.script(&format!("{keys} && exec {} --initdb -X {} add {BASE}", apk("new"), data.display())))
    });
    let mut all = in_turns(ROUNDS, vec![made(work, TAR, native), made(work, TAR, run), peer])?;

    write_index(&work.path("many/x86_64"))?;
    let wants: Vec<String> = (0..30).map(|n| format!("p{}", n * 160)).collect();
    let wants: Vec<&str> = wants.iter().map(String::as_str).collect();
    let many = work.path("many").display().to_string();
    let native = Subject::new(Series::new(SOLVER, OURS), || {
        let words =
            ["-q", "source", "alpine", "--arch", "amd64", "--no-base", "--allow-untrusted", "--dry-run"];
        let mut command = work.forge(&[&words[..], &["--repo", &many], &wants].concat());
        command.env("CTR_FORGE_CACHE", work.path("cache"));
        Ok(command)
    });
    let empty = format!("mkdir empty && {} --initdb add", apk("empty"));
    if !work.script(&empty).status()?.success() {
        return Err("the empty root cannot be made".into());
    }
    let peer = Subject::new(Series::new(SOLVER, THEIRS), || {
        let words = format!("--allow-untrusted --simulate -X {many} add {} > log", wants.join(" "));
        Ok(work.script(&format!("exec {} {words}", apk("empty"))))
    });
    all.extend(in_turns(ROUNDS, vec![native, peer])?);
    Ok(all)
}

fn ours(work: &Work, data: &Path, more: &[&str]) -> Result<Command> {
    work.remove(TAR)?;
    let key = fs::read_dir(data)?.filter_map(|entry| Some(entry.ok()?.path()));
    let key = key.into_iter().find(|path| path.extension().is_some_and(|e| e == "pub"));
    let (key, data) = (key.ok_or("there is no key")?.display().to_string(), data.display().to_string());
    let words = ["-q", "source", "alpine", "--arch", "amd64", "--repo", &data, "--key", &key, "-o", TAR];
    let mut command = work.forge(&[&words[..], more].concat());
    command.env("CTR_FORGE_CACHE", work.path("cache"));
    Ok(command)
}

/// The real apk, by the loader of the root that it lies in.
fn apk(root: &str) -> String {
    let loader = "apk/lib/ld-musl-x86_64.so.1 --library-path apk/lib:apk/usr/lib apk/sbin/apk";
    format!("{loader} --root $PWD/{root} --arch x86_64 --no-cache --quiet")
}

/// An index of packages that nobody has made.
fn write_index(folder: &Path) -> Result<()> {
    let mut text = String::new();
    for number in 0..PACKAGES {
        for revision in 0..2 {
            writeln!(text, "C:Q1{:024}{revision}0A=\nP:p{number}\nV:1.{}-r{revision}", number, number % 9)?;
            writeln!(
                text,
                "A:x86_64\nS:1000\nI:4000\nT:Package {number}\nU:https://example.org\nL:MIT\nt:1"
            )?;
            let below = |step: usize| number / 2 + number * step % 7;
            writeln!(text, "D:so:lib{}.so.1 p{} p{}>=1 /bin/sh", number % 200, below(3), below(5))?;
            match number {
                0 => writeln!(text, "p:/bin/sh cmd:sh=1 so:lib0.so.1=1\nk:10")?,
                1..200 => writeln!(text, "p:so:lib{number}.so.1=1.{number} cmd:p{number}=1")?,
                _ => writeln!(text, "p:cmd:p{number}=1")?,
            }
            text.push('\n');
        }
    }
    let members = [archive::Member::file("DESCRIPTION", "made up"), archive::Member::file("APKINDEX", text)];
    fs::create_dir_all(folder)?;
    fs::write(folder.join("APKINDEX.tar.gz"), Compression::Gzip.encode(&archive::archive(&members)[..]))?;
    Ok(())
}

fn goals(record: &Record) -> Option<Vec<Goal>> {
    let within = |case| {
        let median = record.series(case, OURS)?.spread(|sample| sample.wall).median;
        Some(Goal {
            wanted: format!("{case}: less than {:.0} ms", BOUND * 1000.0),
            found: format!("{:.0} ms", median * 1000.0),
            met: median < BOUND,
        })
    };
    Some(vec![
        within(WARM)?,
        within(SOLVER)?,
        at_most_of(record, WARM, OURS, THEIRS, 1.0)?,
        at_most_of(record, SOLVER, OURS, THEIRS, 1.0)?,
    ])
}
