//! A small distribution that runs: packages made of this machine's own programs.
//!
//! It has what maintainer scripts and `dpkg --configure` need and nothing else, so it is made,
//! served, installed and configured within a second. The machine has to be a Debian with
//! merged `/usr`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::deb::Deb;

/// What dpkg calls for, and what scripts of tests do.
const TOOLS: &[&str] = &[
    "cat", "chgrp", "chmod", "chown", "cp", "cut", "date", "dd", "diff", "env", "grep", "head", "id",
    "install", "ln", "ls", "mkdir", "mkfifo", "mknod", "mv", "readlink", "rm", "rmdir", "runuser", "sed",
    "setpriv", "sh", "sleep", "sort", "stat", "tar", "touch", "true", "tty", "uname", "useradd", "groupadd",
    "whoami", "ldconfig",
];

/// dpkg itself.
const DPKG: &[&str] = &[
    "dpkg",
    "dpkg-deb",
    "dpkg-divert",
    "dpkg-query",
    "dpkg-split",
    "dpkg-statoverride",
    "dpkg-trigger",
    "start-stop-daemon",
    "update-alternatives",
];

/// The machine's architecture, in dpkg's name for it.
pub fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The essential packages, which run.
pub fn machine() -> Vec<Deb> {
    vec![base_files(), base_passwd(), package("coreutils", TOOLS), package("dpkg", DPKG), is_merged()]
}

fn essential(name: &str) -> Deb {
    Deb::new(name, "1.0").arch(arch()).field("Essential", "yes").field("Priority", "required")
}

fn base_files() -> Deb {
    let mut deb = essential("base-files").dir("tmp", 0o1777).dir("root", 0o700).dir("run/lock", 0o1777);
    for path in [
        "etc",
        "proc",
        "sys",
        "dev",
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "usr/lib64",
        "var/log",
        "var/tmp",
        "home",
    ] {
        deb = deb.dir(path, 0o755);
    }
    deb.conffile("/etc/issue", "a test\n")
}

/// Users are made by a `preinst`, before which there is nobody.
fn base_passwd() -> Deb {
    let script = "#!/bin/sh\nset -e\n\
        test \"$1\" = install\n\
        test -e /etc/passwd || printf 'root:x:0:0:root:/root:/bin/sh\\ndaemon:x:1:1:d:/:/bin/sh\\nnobody:x:65534:65534:n:/:/bin/sh\\n' > /etc/passwd\n\
        test -e /etc/group || printf 'root:x:0:\\ndaemon:x:1:\\nshadow:x:42:\\nstaff:x:50:\\nnogroup:x:65534:\\n' > /etc/group\n\
        test -e /etc/shadow || (umask 027; printf 'root:*:19000:0:99999:7:::\\n' > /etc/shadow; chown root:shadow /etc/shadow)\n";
    essential("base-passwd").script("preinst", script).file("usr/share/base-passwd/x", "x", 0o644)
}

fn is_merged() -> Deb {
    Deb::new("usr-is-merged", "1.0")
        .arch("all")
        // mmdebstrap's hook asks for that.
        .field("Source", "usrmerge")
        .script("preinst", "#!/bin/sh\ntest -L /bin && test -L /lib\n")
}

/// Programs with the libraries that they need; a library is in the first package that needs it.
fn package(name: &str, programs: &[&str]) -> Deb {
    let mut deb = essential(name);
    if name != "coreutils" {
        deb = deb.field("Pre-Depends", "coreutils");
    }
    let others: BTreeSet<PathBuf> = if name == "coreutils" { BTreeSet::new() } else { libraries(TOOLS) };
    let files = programs.iter().filter_map(|program| place(program)).chain(libraries(programs));
    for path in files.collect::<BTreeSet<_>>().difference(&others) {
        let real = path.strip_prefix("/").unwrap().to_str().unwrap();
        deb = deb.file(real, fs::read(path).unwrap(), 0o755);
    }
    deb
}

/// Where a program is, without links above it.
fn place(program: &str) -> Option<PathBuf> {
    let found = ["usr/bin", "usr/sbin"].iter().map(|dir| Path::new("/").join(dir).join(program));
    found.into_iter().find(|path| path.exists())
}

/// All that the loader would load for these programs, the loader included.
fn libraries(programs: &[&str]) -> BTreeSet<PathBuf> {
    let mut libraries = BTreeSet::new();
    for path in programs.iter().filter_map(|program| place(program)) {
        let output = Command::new("ldd").arg(path).output().expect("ldd is there");
        for word in
            String::from_utf8_lossy(&output.stdout).split_whitespace().filter(|word| word.starts_with('/'))
        {
            let (parent, name) = word.rsplit_once('/').unwrap();
            libraries.insert(fs::canonicalize(parent).unwrap().join(name));
        }
    }
    libraries
}
