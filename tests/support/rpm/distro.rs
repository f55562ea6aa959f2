//! A small Fedora: about 300 packages with what is difficult in real ones, of which scripts run.
//!
//! Its shell and all that scripts call are the machine's static `busybox`; its libraries are texts.
//!
//! | package | what there is to it |
//! |---|---|
//! | `filesystem` | links of a merged `/usr`; Lua before the transaction and after unpacking; directories of all modes; ghosts |
//! | `setup` | users and groups; files that nobody may read; configuration; Lua |
//! | `fedora-release*` | two packages that provide the same and exclude each other; file in two places by a link |
//! | `glibc`, `glibc-common` | Lua; a trigger for libraries that runs `ldconfig`; a cycle of dependencies; a ghost; also for i686 |
//! | `glibc-*langpack*` | provide the same, one is suggested; `%lang`; supplements by a rich dependency |
//! | `glibc-gconv-extra` | Lua that forks and executes |
//! | `busybox`, `bash`, `coreutils*` … | a shell that runs; `/bin/sh` provided as a name; alternatives that conflict; hard links |
//! | `ca-certificates` | ghosts that a script fills; a trigger of another package |
//! | `alternatives`, `vim-*` | links that `%post` makes |
//! | `shadow-utils`, `sudo`, `iputils`, `util-linux` | capabilities, setuid, setgid, groups by name |
//! | `systemd`, `polkit`, `dbus-broker` | users of sysusers.d, by `user(…)` provided, by a file trigger, by `%pre` |
//! | `httpd*`, `nginx*` | `%pre` that makes users, files of theirs, rich, weak and conditional dependencies |
//! | `chrony` | needs files that only filelists have |
//! | `zlib-ng-compat`, `dnf5` … | obsolete others that are there too |
//! | `nano`, `kernel-core` | several versions: epoch, `~`, `^` |
//! | `steam` | for i686, with the libraries that it needs |
//! | 180 fillers | a random graph that is always the same; cycles; older versions |
//!
//! `comps.xml` has `@core`, `@standard`, `@everything` (all fillers) and the environment
//! `minimal-environment`.

mod base;
mod choices;
mod comps;
mod filler;
mod libraries;
mod programs;
mod services;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Repository, Rpm, arch};

pub use comps::{CORE, comps};

/// What its release is called.
pub const RELEASE: &str = "42";

/// Packages that come to the most of what is difficult and can be installed together.
pub const PROFILE: &[&str] = &[
    "@core",
    "httpd",
    "nginx",
    "chrony",
    "polkit",
    "iputils",
    "sudo",
    "vim-enhanced",
    "nano",
    "git-core",
    "ca-certificates",
    "glibc-langpack-de",
    "steam",
    "dnf5",
    "python3",
    "rich-user",
    "glibc-gconv-extra",
    "langpacks-core-de",
];

/// The whole repository: packages signed by [`super::signer`], and so is its metadata.
pub fn distro() -> Repository {
    Repository::new(packages()).comps(&comps())
}

/// All its packages.
pub fn packages() -> Vec<Rpm> {
    let parts = [
        base::packages(),
        libraries::packages(),
        programs::packages(),
        services::packages(),
        choices::packages(),
    ];
    parts.into_iter().flatten().chain(filler::packages()).collect()
}

/// A package for the machine's architecture with its licence and a text to read, as all have.
fn native(name: &str, evr: &str) -> Rpm {
    documented(Rpm::new(name, evr).arch(arch()), name)
}

/// As [`native`], for all architectures.
fn noarch(name: &str, evr: &str) -> Rpm {
    documented(Rpm::new(name, evr), name)
}

fn documented(rpm: Rpm, name: &str) -> Rpm {
    let (doc, license) = (format!("usr/share/doc/{name}"), format!("usr/share/licenses/{name}"));
    rpm.field("Vendor", "Mini Project")
        .field("URL", "https://example.org/")
        .dir(&doc, 0o755)
        .marked("%doc")
        .doc(&format!("{doc}/README"), &format!("{name} is made for a test.\n"))
        .dir(&license, 0o755)
        .license(&format!("{license}/COPYING"), "Do what you like.\n")
}

/// What rpm calls the machine's architecture in dependencies: `x86-64`.
fn isa() -> &'static str {
    match arch() {
        "x86_64" => "x86-64",
        "aarch64" => "aarch-64",
        other => other,
    }
}

/// The machine's busybox, which needs no library.
fn busybox() -> Arc<[u8]> {
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    let place = places.into_iter().find(|place| place.exists()).expect("busybox-static is installed");
    fs::read(place).unwrap().into()
}
