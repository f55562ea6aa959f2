//! The machine's dnf and rpm, with nothing of the machine's or the user's settings: what ours is
//! compared with.

use std::process::Command;

use crate::forge::{Forge, Output};

use super::{DATE, signer};

/// Where distributions like Fedora have the database of packages.
pub const DATABASE: &str = "usr/lib/sysimage/rpm";

/// Runs dnf on the root of this name in the forge's directory, with a repository at each URL,
/// whose metadata and packages [`signer`] has signed. What dnf keeps for itself is in `.dnf` of the
/// root and is removed when it ends well.
pub fn dnf(forge: &Forge, root: &str, urls: &[String], words: &[&str]) -> Output {
    let place = |name: &str| forge.path(name).display().to_string();
    forge.write("dnf/.rpmmacros", format!("%_dbpath /{DATABASE}\n"));
    forge.write("dnf/dnf.conf", CONFIGURATION);
    forge.write("dnf/vars/none", "");
    let key = forge.write("dnf/key.asc", signer().public());
    for (number, url) in urls.iter().enumerate() {
        let text = format!(
            "[r{number}]\nname=r{number}\nbaseurl={url}\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://{}\n",
            key.display()
        );
        forge.write(format!("dnf/repos.d/r{number}.repo"), text);
    }
    std::fs::create_dir_all(forge.path(root)).unwrap();
    let mut command = prepare(forge, "dnf");
    command.args(["--assumeyes", "--config", &place("dnf/dnf.conf"), "--releasever", "42"]);
    command.arg(format!("--installroot={}", place(root)));
    command.arg(format!("--setopt=reposdir={}", place("dnf/repos.d")));
    command.arg(format!("--setopt=varsdir={}", place("dnf/vars")));
    let output = Output::of(command.args(words));
    if output.code == 0 {
        std::fs::remove_dir_all(forge.path(root).join(".dnf")).unwrap();
    }
    output
}

/// Runs rpm on such a root.
pub fn rpm(forge: &Forge, root: &str, words: &[&str]) -> Output {
    let mut command = prepare(forge, "rpm");
    command.arg("--root").arg(forge.path(root)).args(words);
    Output::of(&mut command)
}

/// Where it keeps what is its own is below the root, whatever is said.
const CONFIGURATION: &str = "[main]\nplugins=0\nbest=1\ninstall_weak_deps=0\nskip_if_unavailable=0\n\
    cachedir=/.dnf/cache\nlogdir=/.dnf/log\npersistdir=/.dnf/state\n";

fn prepare(forge: &Forge, program: &str) -> Command {
    let mut command = forge.prepare(program, [] as [&str; 0]);
    command.env("HOME", forge.path("dnf")).env("RPM_FORCE_DEBIAN", "1").env("LC_ALL", "C.UTF-8");
    command.env("TZ", "UTC").env("SOURCE_DATE_EPOCH", DATE.to_string());
    command
}
