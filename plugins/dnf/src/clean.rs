//! What is no part of an image: logs, caches and locks of the build, and ids of a machine.
//!
//! What stays is the same whenever and wherever the image is built.

use ctr_forge_packages::root;
use ctr_forge_plugin::sandbox::RunParams;
use ctr_forge_plugin::{Error, Result, Rootfs};
use serde_json::{Value, json};

use crate::build::Task;
use crate::install::Installed;

/// Files that say when something was done, or that are made anew where they are needed.
const FILES: &[&str] = &[
    "/etc/.pwd.lock",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/usr/lib/sysimage/rpm/.rpm.lock",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/dbus/machine-id",
    "/var/lib/rpm/.rpm.lock",
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

/// Removes it all, but for what packages have brought; returns what was there.
pub(crate) fn clean(task: &Task<'_>, rootfs: &Rootfs<'_>, records: &[Installed]) -> Result<Vec<String>> {
    let owned = |path: &str| {
        let path = path.trim_start_matches('/').as_bytes();
        records.iter().any(|record| record.present().any(|file| file.path.as_bytes() == path))
    };
    finish(rootfs, &owned, task.epoch)
}

/// As [`clean`], of a root in which packages have brought what is `owned`; paths with a slash in
/// front.
pub(crate) fn finish(rootfs: &Rootfs<'_>, owned: &dyn Fn(&str) -> bool, epoch: i64) -> Result<Vec<String>> {
    let mut cleaned = remove(rootfs, owned)?;
    // machine-id(5): an image that is used on several machines has an empty one.
    if !rootfs.read_all("/etc/machine-id")?.is_empty() {
        root::put(rootfs, [("etc/machine-id".to_owned(), 0o444, &b""[..])])?;
        cleaned.push("/etc/machine-id".to_owned());
    }
    date_shadow(rootfs, epoch)?;
    Ok(cleaned)
}

/// Removes files and directories of the build that are not `owned`; returns what was there.
fn remove(rootfs: &Rootfs<'_>, owned: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for path in FILES {
        if rootfs.read(*path)?.is_some() {
            gone.push((*path).to_owned());
        }
    }
    for directory in DIRECTORIES {
        let names = rootfs.list(*directory)?.unwrap_or_default();
        gone.extend(names.into_iter().map(|name| format!("{directory}/{name}")));
    }
    gone.retain(|path| !owned(path));
    rootfs.remove(gone.clone())?;
    Ok(gone)
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
    use super::dated;

    #[test]
    fn only_dates_of_the_build_are_changed() {
        let text = b"root:*:10:0:99999:7:::\nnew:!:20000::::::\nold:!::::::\n";
        let dated_text = b"root:*:10:0:99999:7:::\nnew:!:15000::::::\nold:!::::::\n";
        assert_eq!(dated(text, 15000).unwrap(), dated_text);
        assert_eq!(dated(text, 20000), None);
    }
}
