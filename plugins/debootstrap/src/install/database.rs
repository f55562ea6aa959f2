//! `/var/lib/dpkg`, as dpkg itself would have written it.
//!
//! After `dpkg --unpack` into an empty root there are `info`, `triggers`, `updates` and
//! `status`; the other directories come with the package `dpkg`. Locks and the empty
//! `status-old` are left out: they are made when they are needed. The lists name what is in
//! the root, so not what the user excludes.

use std::collections::HashSet;
use std::io::Write;

use ctr_forge_rootfs::{RootPath, WriteError};

use super::conffiles::{hex, kept_digest};
use super::record::{Record, Shipped, What};
use super::root::Root;
use super::unpack::{DATABASE, Unpack, literal};
use super::{InstallError, Settings, status, triggers};

/// Control files that dpkg runs; all others are data (deb-control-files of dpkg's `infodb`).
const SCRIPTS: &[&str] = &["preinst", "postinst", "prerm", "postrm", "config"];

/// Writes the database of `records`, all of which are unpacked. The first `known` it has
/// already, and `status` of them.
pub(super) fn write<W: Write>(
    unpack: &mut Unpack<'_, W>,
    records: &[Record],
    known: usize,
    status: &[u8],
    settings: &Settings<'_>,
) -> Result<(), InstallError> {
    let write = |result: Result<(), WriteError>| result.map_err(InstallError::Database);
    for directory in ["info", "triggers", "updates"] {
        write(unpack.write_directory(&literal(&format!("{DATABASE}/{directory}"))))?;
    }
    let mut architectures = format!("{}\n", settings.arch);
    settings.foreign.iter().for_each(|arch| architectures.extend([arch.as_str(), "\n"]));
    // dpkg's own order, so that it does not depend on that of the downloads.
    let mut sorted: Vec<_> = records.iter().skip(known).collect();
    sorted.sort_by_key(|record| (&record.name, &record.arch));
    let mut stanzas = status.to_vec();
    stanzas.extend(sorted.into_iter().flat_map(|record| status::stanza(record, settings.mode)));
    write(unpack.made(literal(&format!("{DATABASE}/arch")), 0o644, architectures.as_bytes()))?;
    write(unpack.made(literal(&format!("{DATABASE}/status")), 0o644, &stanzas))?;
    write(unpack.made(literal(&format!("{DATABASE}/info/format")), 0o644, b"1\n"))?;
    for (index, record) in records.iter().enumerate() {
        if index >= known || record.changed {
            write_info(unpack, record)?;
        }
    }
    for (name, content) in triggers::files(records, known) {
        let path = literal(&format!("{DATABASE}/triggers/{name}"));
        write(unpack.made(path, 0o644, content.as_bytes()))?;
    }
    Ok(())
}

/// Writes `info/PACKAGE.*`.
fn write_info<W: Write>(unpack: &mut Unpack<'_, W>, record: &Record) -> Result<(), InstallError> {
    let put = |unpack: &mut Unpack<'_, W>, name: &str, mode: u16, content: &[u8]| {
        let package = record.full_name();
        let path = literal(&format!("{DATABASE}/info/{package}.{name}"));
        unpack.made(path, mode, content).map_err(InstallError::Database)
    };
    let gone: HashSet<&RootPath> = record
        .paths
        .iter()
        .filter(|shipped| !is_there(shipped, &unpack.root))
        .map(|shipped| &shipped.path)
        .collect();
    for (name, file) in record.control.iter() {
        let content = &file.content;
        match name {
            // The one is in `status`; the other is dpkg's own.
            "control" | "list" => {}
            "md5sums" => put(unpack, name, 0o644, &without(content, &gone, |line| line.get(34..)))?,
            "conffiles" => put(unpack, name, 0o644, &without(content, &gone, |line| Some(line)))?,
            _ if SCRIPTS.contains(&name) => put(unpack, name, 0o755, content)?,
            _ => put(unpack, name, 0o644, content)?,
        }
    }
    let list = list(record, &gone);
    put(unpack, "list", 0o644, &list)?;
    match record.control.get("md5sums") {
        Some(_) => Ok(()),
        None => put(unpack, "md5sums", 0o644, &md5sums(record)),
    }
}

fn is_there(shipped: &Shipped, root: &Root) -> bool {
    match &shipped.what {
        What::Directory { real } => root.is_written(real.as_ref().unwrap_or(&shipped.path)),
        What::Object { kept, .. } => *kept,
    }
}

/// The lines of `file` but those whose path, which `path` cuts out, is in `gone`.
fn without(file: &[u8], gone: &HashSet<&RootPath>, path: impl Fn(&[u8]) -> Option<&[u8]>) -> Vec<u8> {
    let is_gone = |line: &[u8]| {
        let path = path(line.trim_ascii_end()).and_then(|path| RootPath::new(path).ok());
        path.is_some_and(|path| gone.contains(&path))
    };
    match gone.is_empty() {
        true => file.to_vec(),
        false => {
            file.split_inclusive(|&b| b == b'\n').filter(|line| !is_gone(line)).flatten().copied().collect()
        }
    }
}

/// Each path as the package has it, whatever links it went through; the root first, unless
/// the package has nothing at all.
fn list(record: &Record, gone: &HashSet<&RootPath>) -> Vec<u8> {
    let mut list = if record.paths.is_empty() { Vec::new() } else { b"/.\n".to_vec() };
    for Shipped { path, .. } in &record.paths {
        if !path.is_root() && !gone.contains(path) {
            list.push(b'/');
            list.extend_from_slice(path.as_bytes());
            list.push(b'\n');
        }
    }
    list
}

/// The list that dpkg makes where a package has none: all files but the configuration's.
fn md5sums(record: &Record) -> Vec<u8> {
    let conffiles: HashSet<&RootPath> = record.conffiles.iter().map(|conffile| &conffile.path).collect();
    let mut sums = Vec::new();
    for Shipped { path, what } in &record.paths {
        if let Some(md5) = kept_digest(what).filter(|_| !conffiles.contains(path)) {
            sums.extend_from_slice(hex(&md5).as_bytes());
            sums.extend_from_slice(b"  ");
            sums.extend_from_slice(path.as_bytes());
            sums.push(b'\n');
        }
    }
    sums
}
