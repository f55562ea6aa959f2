//! `lib/apk/db` and `etc/apk`, as apk writes them (apk-database; `database.c` of apk-tools 2.14).

use std::io::Write;

use ctr_forge_rootfs::{Entry, Kind, RootPath, Writer};

use super::{Install, InstallError, Record, Settled};
use crate::apk::SCRIPTS;

/// Where the database lies.
pub(crate) const DATABASE: &str = "lib/apk/db";

/// Writes it all.
pub(super) fn write<W: Write>(
    install: &mut Install<'_, W>,
    settled: &Settled<'_>,
) -> Result<(), InstallError> {
    for directory in ["etc/apk", "etc/apk/keys", "lib/apk", DATABASE] {
        if !install.exists(directory) && (directory != "etc/apk/keys" || !settled.keys.is_empty()) {
            install.put(directory, Kind::Directory, 0o755, b"")?;
        }
    }
    let mut world: Vec<&str> = settled.world.iter().map(String::as_str).collect();
    world.sort_unstable();
    world.dedup();
    let arch = install.settings.arch.to_owned();
    let files = [
        ("etc/apk/arch", lines(&[&arch])),
        ("etc/apk/world", lines(&world)),
        ("etc/apk/repositories", lines(settled.repositories)),
        ("lib/apk/db/installed", installed(install)),
        ("lib/apk/db/scripts.tar", scripts(install.records())?),
        ("lib/apk/db/triggers", triggers(install.records())),
    ];
    for (path, content) in files {
        if !install.exists(path) {
            put(install, path, &content)?;
        }
    }
    for (name, key) in settled.keys {
        let path = format!("etc/apk/keys/{name}");
        if !install.exists(&path) {
            put(install, &path, key)?;
        }
    }
    Ok(())
}

fn put<W: Write>(install: &mut Install<'_, W>, path: &str, content: &[u8]) -> Result<(), InstallError> {
    install.put(path, Kind::File { size: content.len() as u64 }, 0o644, content)
}

fn lines<S: AsRef<str>>(words: &[S]) -> Vec<u8> {
    words.iter().map(|word| format!("{}\n", word.as_ref())).collect::<String>().into_bytes()
}

/// A stanza for each package, with its files, sorted by name.
fn installed<W: Write>(install: &Install<'_, W>) -> Vec<u8> {
    let exclude = install.settings.exclude;
    let is_left_out = |path: &RootPath| exclude.excludes(path);
    let mut records: Vec<&Record> = install.records().iter().collect();
    records.sort_by(|a, b| a.chosen.name.cmp(&b.chosen.name));
    let mut bytes = Vec::new();
    for record in records {
        let Ok(package) = record.control.package() else { continue };
        let chosen = &record.chosen;
        let stanza = package.stanza(&chosen.identity, chosen.size, chosen.tag.as_deref());
        bytes.extend(stanza.into_bytes());
        bytes.extend(record.lines(is_left_out));
        bytes.push(b'\n');
    }
    bytes
}

/// A tar of all scripts, in the order of installation: `NAME-VERSION.IDENTITY.SCRIPT`.
fn scripts(records: &[Record]) -> Result<Vec<u8>, InstallError> {
    let mut writer = Writer::new(Vec::new());
    for record in records {
        let time = record.control.package().map_or(0, |package| package.build_time);
        for script in SCRIPTS {
            let Some(content) = record.control.scripts.get(script) else { continue };
            // An identity is Base64, so it may have a slash, as apk's own names have.
            let name = format!("{}.{}.{script}", record.title(), record.chosen.identity);
            let path = RootPath::new(name.as_bytes())?;
            let kind = Kind::File { size: content.len() as u64 };
            let entry = Entry { mtime: time, ..Entry::new(path, kind, 0o755) };
            writer.entry(&entry, &mut &**content).map_err(InstallError::Write)?;
        }
    }
    Ok(writer.finish().unwrap_or_default())
}

/// A line for each package with triggers: identity, patterns.
fn triggers(records: &[Record]) -> Vec<u8> {
    let line = |record: &Record| {
        let package = record.control.package().ok()?;
        let is_any = !package.triggers.is_empty();
        is_any.then(|| format!("{} {}\n", record.chosen.identity, package.triggers.join(" ")))
    };
    records.iter().filter_map(line).collect::<String>().into_bytes()
}
