//! What a tool leaves in the root that is no part of an image.

use ctr_forge_plugin::{Error, ErrorKind, Result, Rootfs};

use super::{KEPT, Tool};

/// The database, which all tools and rpm itself have in one file (`lib/backend/sqlite.cc`).
const DATABASE: &str = "rpmdb.sqlite";

/// Where dnf of version 4 makes a directory for what is chosen of modules.
const MODULES: &str = "/etc/dnf/modules.d";

/// Directories that are made for the tool, or by it, whether or not packages have them.
const MADE: [&str; 3] = ["/dev", "/etc", "/proc"];

/// An error unless there is a database, and the whole of it is in its file: what rpm has not
/// yet moved there from its log would be lost with that.
pub(super) fn check(rootfs: &Rootfs<'_>, tool: Tool, database: &str) -> Result<()> {
    let failed = |message: String| Err(Error::new(ErrorKind::ToolFailed, message));
    let names = rootfs.list(database)?.unwrap_or_default();
    let has = |name: &str| names.iter().any(|other| other == name);
    if !has(DATABASE) {
        return failed(format!("{} has made no database of packages at {database}/{DATABASE}", tool.name()));
    }
    let log = format!("{DATABASE}-wal");
    if has(&log) && !rootfs.read_all(&format!("{database}/{log}"))?.is_empty() {
        return failed(format!("{} has not finished the database of packages", tool.name()));
    }
    Ok(())
}

/// Removes what is left; the paths of what was there.
pub(super) fn clean(rootfs: &Rootfs<'_>, database: &str) -> Result<Vec<String>> {
    let mut paths = vec![KEPT.to_owned()];
    let database = database.trim_end_matches('/');
    let left = [".keyring.lock", ".rpm.lock", "rpmdb.sqlite-shm", "rpmdb.sqlite-wal"];
    paths.extend(left.map(|name| format!("{database}/{name}")));
    // The backups of who is known, which programs that make users leave.
    paths
        .extend(["group-", "gshadow-", "passwd-", "shadow-", ".pwd.lock"].map(|name| format!("/etc/{name}")));
    let mut gone = Vec::new();
    for path in paths {
        let (directory, name) = path.rsplit_once('/').unwrap_or_default();
        let directory = if directory.is_empty() { "/" } else { directory };
        let there = rootfs.list(directory)?.unwrap_or_default();
        gone.extend(there.iter().any(|other| other == name).then_some(path));
    }
    gone.extend(modules(rootfs)?);
    rootfs.remove(gone.clone())?;
    Ok(gone)
}

/// The directory of modules. Packages that have it have more beside it.
fn modules(rootfs: &Rootfs<'_>) -> Result<Option<String>> {
    let (above, name) = MODULES.rsplit_once('/').unwrap_or_default();
    let is_alone = rootfs.list(above)?.is_some_and(|names| names == [name]);
    let is_empty = is_alone && rootfs.list(MODULES)?.is_some_and(|names| names.is_empty());
    Ok(is_empty.then(|| above.to_owned()))
}

/// Removes directories that hold nothing and that no package has: those of [`MADE`].
pub(super) fn remove_empty(rootfs: &Rootfs<'_>, owned: &dyn Fn(&str) -> bool) -> Result<()> {
    let mut empty = Vec::new();
    for path in MADE.into_iter().filter(|path| !owned(path)) {
        if rootfs.list(path)?.is_some_and(|names| names.is_empty()) {
            empty.push(path.to_owned());
        }
    }
    rootfs.remove(empty)
}
