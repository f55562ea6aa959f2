//! A root from RPM packages, beside dnf.

use std::fs;
use std::process::Command;

use ctr_forge_tests::Server;
use ctr_forge_tests::rpm::{self, distro};

use super::debootstrap::made;
use super::{Bench, Column, Goal, at_most_of};
use crate::Result;
use crate::measure::{Subject, in_turns};
use crate::record::{Record, Series};
use crate::work::Work;

pub(super) const BENCH: Bench = Bench {
    name: "dnf",
    title: "A small Fedora from RPM packages",
    text: "`ctr-forge source dnf … --repo URL -o X.tar` installs the packages of the tests' own small \
           Fedora from a server on this machine, runs their scripts in its sandbox, and writes a tar. `dnf \
           --installroot` 4.14 installs the same from the same server and leaves a directory. Both check \
           every signature. `cold`: neither has anything of the repository. `warm`: both have all of it, \
           ctr-forge in its cache, dnf in the cache of its root. `profile` is what the tests install, \
           `everything` has all packages that can stand beside each other.",
    tools: &["rpmbuild", "createrepo_c", "dnf", "tar"],
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

const OURS: &str = "ctr-forge";
const THEIRS: &str = "dnf";
const CASES: [(&str, &[&str]); 2] = [("profile", &[]), ("everything", &["@everything"])];
const ROUNDS: usize = 7;
const TAR: &str = "ours.tar";
const KEY: &str = "key.asc";

fn run(work: &Work) -> Result<Vec<Series>> {
    distro::distro().write(&work.path("repository"));
    fs::write(work.path(KEY), rpm::signer().public())?;
    let server = Server::new(work.path("repository"));
    let url = server.url("");
    configure(work, &url)?;
    let mut all = Vec::new();
    for (name, more) in CASES {
        let words = [distro::PROFILE, more].concat();
        for is_warm in [false, true] {
            let case = format!("{name}, {}", if is_warm { "warm" } else { "cold" });
            fill(work, &url, &words)?;
            let native = Subject::new(Series::new(&case, OURS), || {
                if !is_warm {
                    work.remove("cache")?;
                }
                ours(work, &url, &words)
            });
            let peer = Subject::new(Series::new(&case, THEIRS), || theirs(work, is_warm, &words));
            all.extend(in_turns(ROUNDS, vec![made(work, TAR, native), peer])?);
        }
    }
    Ok(all)
}

/// Fills both caches.
fn fill(work: &Work, url: &str, words: &[&str]) -> Result<()> {
    work.remove("kept")?;
    let ours = ours(work, url, words)?.status()?.success();
    let theirs = theirs(work, false, words)?.status()?.success();
    let kept = work.script("cp -a new/.dnf kept").status()?.success();
    match ours && theirs && kept {
        true => Ok(()),
        false => Err("the packages cannot be installed".into()),
    }
}

fn ours(work: &Work, url: &str, words: &[&str]) -> Result<Command> {
    work.remove(TAR)?;
    let fixed = ["-q", "source", "dnf", "--repo", url, "--key", KEY, "-o", TAR];
    let mut command = work.forge(&[&fixed[..], words].concat());
    command.env("CTR_FORGE_CACHE", work.path("cache"));
    Ok(command)
}

/// dnf, with settings of its own and none of the machine's.
fn configure(work: &Work, url: &str) -> Result<()> {
    fs::create_dir_all(work.path("dnf/repos.d"))?;
    fs::create_dir_all(work.path("dnf/vars"))?;
    fs::write(work.path("dnf/.rpmmacros"), "%_dbpath /usr/lib/sysimage/rpm\n")?;
    let main = "[main]\nplugins=0\nbest=1\ninstall_weak_deps=0\ntsflags=nodocs\nkeepcache=1\ncachedir=/.dnf/cache\n\
                logdir=/.dnf/log\npersistdir=/.dnf/state\n";
    fs::write(work.path("dnf/dnf.conf"), main)?;
    let key = work.path(KEY);
    let repository =
        format!("[r]\nname=r\nbaseurl={url}\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://{}\n", key.display());
    Ok(fs::write(work.path("dnf/repos.d/r.repo"), repository)?)
}

fn theirs(work: &Work, is_warm: bool, words: &[&str]) -> Result<Command> {
    work.remove("new")?;
    fs::create_dir_all(work.path("new"))?;
    let kept = if is_warm { "cp -al kept new/.dnf && " } else { "" };
    let environment = "HOME=$PWD/dnf RPM_FORCE_DEBIAN=1 LC_ALL=C.UTF-8";
    let fixed = "--quiet --assumeyes --config $PWD/dnf/dnf.conf --releasever 42 --installroot=$PWD/new \
                 --setopt=reposdir=$PWD/dnf/repos.d --setopt=varsdir=$PWD/dnf/vars";
    Ok(work
        .script(&format!("{kept}exec env {environment} dnf {fixed} install {} > log 2>&1", words.join(" "))))
}

fn goals(record: &Record) -> Option<Vec<Goal>> {
    let cases = CASES.iter().flat_map(|(name, _)| ["cold", "warm"].map(|how| format!("{name}, {how}")));
    cases.map(|case| at_most_of(record, &case, OURS, THEIRS, 0.5)).collect()
}
