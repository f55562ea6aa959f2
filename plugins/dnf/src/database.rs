//! The package database of a build, put where the distribution has it.

use std::collections::HashSet;
use std::io::Write;

use ctr_forge_packages::{file, root};
use ctr_forge_plugin::{Error, ErrorKind, Host, Result, Rootfs};
use ctr_forge_rootfs::{Entry, Kind, RootPath, TOUCHED};

use crate::build::Task;
use crate::clean;
use crate::install::{Install, Installed, MACROS};
use crate::lock::Lock;
use crate::places::Places;
use crate::releases;
use crate::rpmdb::place::{self, Place, Reader};
use crate::rpmdb::{self, Row, pubkey};

/// The form of the keys in the database: that of rpm 4, which all versions read.
const RPM_VERSION: &str = "4.18.0";

/// The keys of the repositories that packages of the lock come from, armoured or not, each once.
pub(crate) fn keys(lock: &Lock, places: &Places) -> Vec<Vec<u8>> {
    let mut used: Vec<usize> = lock.packages.iter().filter_map(|package| package.repository).collect();
    used.sort_unstable();
    used.dedup();
    let ids = used.into_iter().map(|number| &lock.repositories[number].id);
    let places = ids.filter_map(|id| places.all.iter().find(|place| place.id == *id));
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for (_, key) in places.filter(|place| place.gpgcheck).flat_map(|place| &place.keys) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    keys
}

/// The bytes of the database. Times are the build's, as rpm has them with `SOURCE_DATE_EPOCH`.
fn bytes(task: &Task<'_>, records: &[Installed]) -> Result<Vec<u8>> {
    let start = u32::try_from(task.epoch).map_err(|_| {
        Error::new(ErrorKind::Input, format!("the package database cannot have the date {}", task.epoch))
    })?;
    let keys = keys_of(task)?;
    // dnf imports keys before it installs.
    let keys = keys.iter().map(|key| key.row(start));
    let times = (0..).map(|number| start.saturating_add(number));
    let packages = records.iter().zip(times).map(|(record, time)| Row {
        header: &record.header,
        signature: &record.signature,
        states: &record.states,
        color: Some(record.color),
        install_time: time,
        tid: start,
    });
    let rows: Vec<Row<'_>> = keys.chain(packages).collect();
    rpmdb::write(&rows)
        .map_err(|e| Error::new(ErrorKind::Input, "the package database cannot be made").because(&e))
}

fn keys_of(task: &Task<'_>) -> Result<Vec<pubkey::Key>> {
    let (mut keys, mut seen) = (Vec::new(), HashSet::new());
    for file in &task.keys {
        match pubkey::keys(&[file], RPM_VERSION) {
            // Of two copies of a key the first counts.
            Ok(more) => keys.extend(more.into_iter().filter(|key| seen.insert(key.fingerprint.clone()))),
            // The host has checked signatures with it all the same.
            Err(error) => task.host.warn(format!("a key is not in the package database: {error}")),
        }
    }
    Ok(keys)
}

/// Where it goes, and a warning if the root's own rpm cannot read it.
fn place_of(host: &Host, lock: &Lock, has: &dyn Fn(&str) -> bool, macros: Option<&str>) -> Place {
    let usual = releases::database(&lock.distro, &lock.release);
    let known = |path: &str| has(path) || macros.is_none() && usual == Some(path);
    let place = place::place(&known, macros);
    if let Reader::Other(kind) = &place.reader {
        tell_other(host, kind);
    }
    place
}

fn tell_other(host: &Host, kind: &str) {
    host.warn(format!(
        "the image's own rpm keeps its database as {kind} and will not read this one, in sqlite"
    ));
}

/// Where the root's rpm looks for its database, as far as it is known before the packages are there.
pub(crate) fn usual(lock: &Lock) -> String {
    let usual = releases::database(&lock.distro, &lock.release);
    format!("/{}", place::place(&|path| usual == Some(path), None).directory)
}

/// Where a tool is to have it, as an absolute path. Where nothing is known of the distribution it
/// is the newer place: some package may have a link at the older one.
pub(crate) fn of_tool(lock: &Lock) -> String {
    match releases::database(&lock.distro, &lock.release) {
        Some(_) => usual(lock),
        None => format!("/{}", place::SYSIMAGE),
    }
}

/// Writes it into the stream behind the packages.
pub(crate) fn into_stream<W: Write>(task: &Task<'_>, install: &mut Install<'_, W>) -> Result<()> {
    let path = |path: &str| {
        RootPath::new(path.as_bytes()).map_err(|e| Error::plugin("the database has no place").because(&e))
    };
    let exists = |name: &str| path(name).is_ok_and(|path| install.exists(&path));
    let macros = install.macros().map(|macros| String::from_utf8_lossy(macros).into_owned());
    let place = place_of(task.host, task.lock, &exists, macros.as_deref());
    let content = bytes(task, install.records())?;
    let file = path(&format!("{}/{}", place.directory, rpmdb::FILE))?;
    let above = std::iter::successors(file.parent(), RootPath::parent).take_while(|path| !path.is_root());
    let missing: Vec<RootPath> = above.filter(|path| !install.exists(path)).collect();
    let kind = Kind::File { size: content.len() as u64 };
    let entries = missing.into_iter().rev().map(Entry::directory).chain([Entry::new(file, kind, 0o644)]);
    for entry in entries {
        let content = if matches!(entry.kind, Kind::File { .. }) { &content[..] } else { &[] };
        let written = install.sink_mut().entry(&Entry { mtime: TOUCHED, ..entry }, &mut &*content);
        written.map_err(|e| Error::plugin("cannot write the package database").because(&e))?;
    }
    Ok(())
}

/// Puts it into the root, where nothing of another may be beside it; returns what was.
pub(crate) fn into_root(task: &Task<'_>, rootfs: &Rootfs<'_>, records: &[Installed]) -> Result<Vec<String>> {
    let macros = macros_in(rootfs)?;
    let place = place_of(task.host, task.lock, &|path| exists(rootfs, path), macros.as_deref());
    let gone = clean::beside_database(rootfs, &place.directory)?;
    put(rootfs, &place, &bytes(task, records)?)?;
    Ok(gone)
}

/// Moves the one that a tool has put at `from` to its place. `owned` says what packages have brought.
pub(crate) fn relocate(
    host: &Host,
    lock: &Lock,
    rootfs: &Rootfs<'_>,
    from: &str,
    owned: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let macros = macros_in(rootfs)?;
    let place = place_of(host, lock, &|path| owned(&format!("/{path}")), macros.as_deref());
    if format!("/{}", place.directory) == from {
        return Ok(());
    }
    let file = format!("{from}/{}", rpmdb::FILE);
    put(rootfs, &place, &rootfs.read_all(&file)?)?;
    rootfs.remove(vec![file])?;
    let above = std::iter::successors(Some(from), |path| path.rsplit_once('/').map(|(above, _)| above));
    for directory in above.take_while(|path| !path.is_empty() && !owned(path)) {
        if rootfs.list(directory)?.is_none_or(|names| !names.is_empty()) {
            break;
        }
        rootfs.remove(vec![directory.to_owned()])?;
    }
    Ok(())
}

fn macros_in(rootfs: &Rootfs<'_>) -> Result<Option<String>> {
    let Some(file) = rootfs.read(format!("/{MACROS}"))? else { return Ok(None) };
    let content =
        file::bounded(file).map_err(|e| Error::io(format!("cannot read {MACROS} in the root"), e))?;
    Ok(Some(String::from_utf8_lossy(&content).into_owned()))
}

fn exists(rootfs: &Rootfs<'_>, path: &str) -> bool {
    rootfs.list(format!("/{path}")).is_ok_and(|names| names.is_some())
}

fn put(rootfs: &Rootfs<'_>, place: &Place, content: &[u8]) -> Result<()> {
    let mut above = Vec::new();
    for (end, _) in place.directory.match_indices('/').chain([(place.directory.len(), "")]) {
        let directory = &place.directory[..end];
        if !exists(rootfs, directory) {
            above.push(directory);
        }
    }
    root::directories(rootfs, above)?;
    root::put(rootfs, [(format!("{}/{}", place.directory, rpmdb::FILE), 0o644, content)])
}
