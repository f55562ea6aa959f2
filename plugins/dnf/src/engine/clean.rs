//! What a tool leaves in the root that is no part of an image.

use ctr_forge_plugin::{Error, ErrorKind, Result, Rootfs};

use super::{KEPT, Tool};
use crate::clean;
use crate::rpmdb::FILE as DATABASE;

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
    let is_there = |name: &String| Some(name.as_str()) == KEPT.strip_prefix('/');
    let kept = rootfs.list("/")?.unwrap_or_default().iter().any(is_there).then(|| KEPT.to_owned());
    let gone: Vec<String> = kept.into_iter().chain(modules(rootfs)?).collect();
    rootfs.remove(gone.clone())?;
    Ok([gone, clean::beside_database(rootfs, database)?].concat())
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
