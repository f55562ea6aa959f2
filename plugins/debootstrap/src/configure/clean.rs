//! What is no part of an image: logs, caches and locks of the build, and ids of a machine.
//!
//! What stays is the same whenever and wherever the image is built.

use ctr_forge_packages::root;
use ctr_forge_plugin::{Result, Rootfs};

/// Files that say when something was done, or that are made anew where they are needed.
const FILES: &[&str] = &[
    "/etc/.pwd.lock",
    "/var/cache/apt/pkgcache.bin",
    "/var/cache/apt/srcpkgcache.bin",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/apt/lists/lock",
    "/var/lib/dbus/machine-id",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/triggers/Lock",
    "/var/log/alternatives.log",
    "/var/log/apt/eipp.log.xz",
    "/var/log/apt/history.log",
    "/var/log/apt/term.log",
    "/var/log/bootstrap.log",
    "/var/log/dpkg.log",
];

/// Directories whose content is of a running system; `/run/lock` stays, as `/var/lock` leads there.
const DIRECTORIES: &[(&str, &[&str])] = &[
    ("/run", &["lock"]),
    ("/tmp", &[]),
    ("/var/cache/apt/archives", &["partial"]),
    ("/var/lib/apt/lists", &["partial"]),
];

/// What a tool takes over from the machine, or writes for it: the mirror is the machine's too.
const OF_THE_MACHINE: &[(&str, &[&str])] =
    &[("/etc", &["hostname", "resolv.conf"]), ("/etc/apt", &["sources.list"])];

/// Removes what a tool has left of the machine; returns what was there.
pub(crate) fn clean_machine(rootfs: &Rootfs<'_>) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for (directory, names) in OF_THE_MACHINE {
        let there = rootfs.list(*directory)?.unwrap_or_default();
        let theirs = there.into_iter().filter(|name| names.contains(&name.as_str()));
        gone.extend(theirs.map(|name| format!("{directory}/{name}")));
    }
    const LISTS: &str = "/etc/apt/sources.list.d";
    let lists = rootfs.list(LISTS)?.unwrap_or_default();
    gone.extend(lists.into_iter().map(|name| format!("{LISTS}/{name}")));
    rootfs.remove(gone.clone())?;
    Ok(gone)
}

/// Removes it all; returns what was there.
pub(crate) fn clean(rootfs: &Rootfs<'_>) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for path in FILES {
        if rootfs.read(*path)?.is_some() {
            gone.push((*path).to_owned());
        }
    }
    for (directory, staying) in DIRECTORIES {
        let names = rootfs.list(*directory)?.unwrap_or_default();
        let names = names.into_iter().filter(|name| !staying.contains(&name.as_str()));
        gone.extend(names.map(|name| format!("{directory}/{name}")));
    }
    gone.sort_unstable();
    gone.dedup();
    rootfs.remove(gone.clone())?;
    // machine-id(5): an image that is used on several machines has an empty one.
    if rootfs.read("/etc/machine-id")?.is_some() {
        root::put(rootfs, [("etc/machine-id".to_owned(), 0o644, &b""[..])])?;
        gone.push("/etc/machine-id".to_owned());
    }
    Ok(gone)
}
