//! What is no part of an image: logs, caches and locks of the build, and ids of a machine.
//!
//! What stays is the same whenever and wherever the image is built.

use std::collections::{BTreeSet, HashSet};

use ctr_forge_packages::root;
use ctr_forge_plugin::sandbox::RunParams;
use ctr_forge_plugin::{Error, Result, Rootfs};
use ctr_forge_rootfs::RootPath;
use serde_json::{Value, json};

use crate::build::Task;
use crate::install::{Installed, Root};
use crate::rpm::FileKind;
use crate::rpmdb;
use crate::rpmdb::place::{SYSIMAGE, VAR};

/// Files that say when something was done, or that are made anew where they are needed.
const FILES: &[&str] = &[
    "/etc/.pwd.lock",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/dbus/machine-id",
    "/var/lib/systemd/catalog/database",
    "/var/lib/systemd/random-seed",
];

/// Directories whose content is of a running system, or of the build.
const DIRECTORIES: &[&str] = &[
    "/run",
    "/tmp",
    "/var/cache/dnf",
    "/var/cache/libdnf5",
    "/var/cache/yum",
    "/var/lib/dnf",
    "/var/log",
    "/var/tmp",
];

/// What [`Source::inside`](ctr_forge_plugin::Source::inside) is asked for to date passwords.
pub(crate) const DATE_SHADOW: &str = "date-shadow";

const SHADOW: &str = "/etc/shadow";
const DAY: i64 = 24 * 60 * 60;

/// What packages have brought, by where it lies: behind the links that packages have above it.
pub(crate) struct Owned {
    links: Root,
    paths: HashSet<RootPath>,
    /// Directories that something of it is in.
    above: HashSet<RootPath>,
}

impl Owned {
    pub(crate) fn new<'p>(
        paths: impl Iterator<Item = &'p RootPath>,
        links: Vec<(RootPath, Box<[u8]>)>,
    ) -> Self {
        let mut root = Root::new();
        root.expect(links);
        let mut owned = Self { links: root, paths: HashSet::new(), above: HashSet::new() };
        for path in paths {
            let real = owned.links.resolve(path).unwrap_or_else(|_| path.clone());
            let mut above = std::iter::successors(real.parent(), RootPath::parent);
            while above.next().is_some_and(|path| owned.above.insert(path)) {}
            owned.paths.insert(real);
        }
        owned
    }

    /// Where a path lies.
    fn real(&self, path: &str) -> Option<RootPath> {
        let path = RootPath::new(path.as_bytes()).ok()?;
        self.links.resolve(&path).ok()
    }

    /// Whether packages have brought what is at a path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.real(path).is_some_and(|real| self.paths.contains(&real))
    }

    /// Whether that, or something below, is of packages.
    fn needs(&self, path: &str) -> bool {
        self.real(path).is_some_and(|real| self.paths.contains(&real) || self.above.contains(&real))
    }

    /// The directory that a path leads to.
    fn directory(&self, path: &str) -> String {
        // A link is followed where something lies behind it.
        match self.real(&format!("{path}/inside")).and_then(|inside| inside.parent()) {
            Some(real) => format!("/{}", String::from_utf8_lossy(real.as_bytes())),
            None => path.to_owned(),
        }
    }
}

/// Removes it all, but for what packages have brought; returns what was there.
pub(crate) fn clean(task: &Task<'_>, rootfs: &Rootfs<'_>, records: &[Installed]) -> Result<Vec<String>> {
    let present = || records.iter().flat_map(Installed::present);
    let links = present().filter(|file| file.kind() == Some(FileKind::Symlink));
    let links = links.map(|file| (file.path.clone(), file.target.clone())).collect();
    finish(rootfs, &Owned::new(present().map(|file| &file.path), links), task.epoch)
}

/// As [`clean`], of a root in which packages have brought what is `owned`.
pub(crate) fn finish(rootfs: &Rootfs<'_>, owned: &Owned, epoch: i64) -> Result<Vec<String>> {
    let mut cleaned = remove(rootfs, owned)?;
    // machine-id(5): an image that is used on several machines has an empty one.
    if !rootfs.read_all("/etc/machine-id")?.is_empty() {
        root::put(rootfs, [("etc/machine-id".to_owned(), 0o444, &b""[..])])?;
        cleaned.push("/etc/machine-id".to_owned());
    }
    date_shadow(rootfs, epoch)?;
    Ok(cleaned)
}

/// Removes what rpm leaves beside a database in this directory; returns what was there.
pub(crate) fn beside_database(rootfs: &Rootfs<'_>, directory: &str) -> Result<Vec<String>> {
    let directory = directory.trim_matches('/');
    let mut names = rootfs.list(format!("/{directory}"))?.unwrap_or_default();
    names.retain(|name| rpmdb::BESIDE.contains(&name.as_str()));
    let gone: Vec<String> = names.into_iter().map(|name| format!("/{directory}/{name}")).collect();
    rootfs.remove(gone.clone())?;
    Ok(gone)
}

/// Removes files and directories of the build that are not `owned`; returns what was there.
fn remove(rootfs: &Rootfs<'_>, owned: &Owned) -> Result<Vec<String>> {
    let mut gone = BTreeSet::new();
    let beside = [SYSIMAGE, VAR].iter().flat_map(|at| rpmdb::BESIDE.map(|name| format!("/{at}/{name}")));
    for path in FILES.iter().map(|&path| path.to_owned()).chain(beside) {
        if !owned.has(&path) && rootfs.read(&path)?.is_some() {
            gone.insert(path);
        }
    }
    let mut kept = Vec::new();
    for directory in DIRECTORIES {
        let directory = owned.directory(directory);
        for name in rootfs.list(&directory)?.unwrap_or_default() {
            let path = format!("{directory}/{name}");
            match owned.needs(&path) {
                true => kept.push(path + "/"),
                false => drop(gone.insert(path)),
            }
        }
    }
    if !kept.is_empty() {
        gone.extend(strays(rootfs, owned, &kept)?);
    }
    let gone: Vec<String> = gone.into_iter().collect();
    rootfs.remove(gone.clone())?;
    Ok(gone)
}

/// Files below these directories that no package has brought. Directories stay: a program may need
/// the one that a script has made for it.
fn strays(rootfs: &Rootfs<'_>, owned: &Owned, directories: &[String]) -> Result<Vec<String>> {
    // What has changed since ever is all that there is, by its real path: no link is followed.
    let all = rootfs.changes(0)?.into_iter().map(|change| change.path);
    let is_stray =
        |path: &String| directories.iter().any(|above| path.starts_with(above)) && !owned.has(path);
    Ok(all.filter(is_stray).collect())
}

/// Passwords have the date of the packages, not that of the build (shadow(5), the third field):
/// not every program that adds users knows of `SOURCE_DATE_EPOCH`.
fn date_shadow(rootfs: &Rootfs<'_>, epoch: i64) -> Result<()> {
    let day = epoch.div_euclid(DAY);
    if dated(&rootfs.read_all(SHADOW)?, day).is_none() {
        return Ok(());
    }
    rootfs.run_inside("dnf", DATE_SHADOW, json!({ "day": day }), &RunParams::default()).map(drop)
}

/// In the root: writes the file anew with those dates. Its owner and mode stay.
pub(crate) fn date_shadow_inside(params: &Value) -> Result<Value> {
    let day = params["day"].as_i64().ok_or_else(|| Error::plugin("there is no day"))?;
    let cannot = |e| Error::io("cannot date etc/shadow", e);
    if let Some(text) = dated(&std::fs::read(SHADOW).map_err(cannot)?, day) {
        std::fs::write(SHADOW, text).map_err(cannot)?;
    }
    // Null would be taken for no answer.
    Ok(Value::Bool(true))
}

/// The file with no password of a later day; nothing if there is none.
fn dated(text: &[u8], day: i64) -> Option<Vec<u8>> {
    let mut is_late = false;
    let line = |line: &[u8]| {
        let mut fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        let days = fields.get(2).and_then(|days| std::str::from_utf8(days).ok()?.parse::<i64>().ok());
        let new = day.to_string();
        if days.is_some_and(|days| days > day) {
            is_late = true;
            fields[2] = new.as_bytes();
        }
        fields.join(&b':')
    };
    let lines: Vec<Vec<u8>> = text.split(|&byte| byte == b'\n').map(line).collect();
    is_late.then(|| lines.join(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::{Owned, dated};
    use ctr_forge_rootfs::RootPath;

    #[test]
    fn what_is_of_packages_is_found_behind_links_and_below() {
        let path = |path: &str| RootPath::new(path.as_bytes()).unwrap();
        let paths = ["/var/run", "/var/run/foo", "/var/log/bar/log", "/etc/passwd-"].map(path);
        let owned = Owned::new(paths.iter(), vec![(path("/var/run"), (*b"../run").into())]);
        for (name, has, needs) in [
            ("/run/foo", true, true),
            ("/var/run/foo", true, true),
            ("/run/other", false, false),
            ("/var/log/bar", false, true),
            ("/var/log/bar/log", true, true),
            ("/var/log/ba", false, false),
            ("/etc/passwd-", true, true),
        ] {
            assert_eq!((owned.has(name), owned.needs(name)), (has, needs), "{name}");
        }
        assert_eq!(owned.directory("/var/run"), "/run");
        assert_eq!(owned.directory("/var/log"), "/var/log");
    }

    #[test]
    fn only_dates_of_the_build_are_changed() {
        let text = b"root:*:10:0:99999:7:::\nnew:!:20000::::::\nold:!::::::\n";
        let dated_text = b"root:*:10:0:99999:7:::\nnew:!:15000::::::\nold:!::::::\n";
        assert_eq!(dated(text, 15000).unwrap(), dated_text);
        assert_eq!(dated(text, 20000), None);
    }
}
