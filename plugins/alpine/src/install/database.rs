//! `lib/apk/db` and `etc/apk`, as apk writes them (apk-database; `database.c` of apk-tools 2.14).

use std::io::{self, Write};

use ctr_forge_rootfs::{Kind, RootPath};

use super::{Install, InstallError, Record, Settled};
use crate::apk::SCRIPTS;

/// Where the database lies.
pub(crate) const DATABASE: &str = "lib/apk/db";

const REPOSITORIES: &str = "etc/apk/repositories";

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
        ("lib/apk/db/installed", installed(install)),
        ("lib/apk/db/scripts.tar", scripts(install.records()).map_err(InstallError::Scripts)?),
        ("lib/apk/db/triggers", triggers(install.records())),
    ];
    for (path, content) in files {
        put(install, path, &content)?;
    }
    // These a package may bring.
    if !install.exists(REPOSITORIES) {
        put(install, REPOSITORIES, &lines(settled.repositories))?;
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
///
/// An identity is Base64, which may have slashes, even two in a row. apk looks for just that name,
/// so it is written as it is, and not as the path that it looks like.
fn scripts(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for record in records {
        let time = record.control.package().map_or(0, |package| package.build_time);
        for script in SCRIPTS {
            let Some(content) = record.control.scripts.get(script) else { continue };
            let name = format!("{}.{}.{script}", record.title(), record.chosen.identity);
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(0o755);
            header.set_size(content.len() as u64);
            header.set_mtime(u64::try_from(time).unwrap_or(0));
            header.set_uid(0);
            header.set_gid(0);
            match header.as_old_mut().name.get_mut(..name.len()) {
                Some(field) => {
                    field.copy_from_slice(name.as_bytes());
                    header.set_cksum();
                    builder.append(&header, &**content)?;
                }
                None => builder.append_data(&mut header, &name, &**content)?,
            }
        }
    }
    builder.into_inner()
}

/// A line for each package with triggers: identity, patterns.
fn triggers(records: &[Record]) -> Vec<u8> {
    let line = |record: &Record| {
        let package = record.control.package().ok()?;
        let is_any = !package.triggers.is_empty() && package.installed_size != 0;
        is_any.then(|| format!("{} {}\n", record.chosen.identity, package.triggers.join(" ")))
    };
    records.iter().filter_map(line).collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::Control;
    use crate::install::Chosen;

    #[test]
    fn scripts_have_the_names_that_apk_looks_for() {
        let record = |name: &str| {
            let chosen = Chosen {
                name: name.into(),
                version: "1-r0".into(),
                identity: "Q15eEOp//q4Fabcdefghijklmnop0=".into(),
                size: 1,
                tag: None,
            };
            let mut control = Control::default();
            control.scripts.insert("post-install", b"#!/bin/sh\n".to_vec());
            Record::new(chosen, control)
        };
        let long = "a".repeat(120);
        let tar = scripts(&[record("a"), record(&long)]).unwrap();
        let mut archive = tar::Archive::new(&tar[..]);
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| String::from_utf8_lossy(&entry.unwrap().path_bytes()).into_owned())
            .collect();
        let name = |package: &str| format!("{package}-1-r0.Q15eEOp//q4Fabcdefghijklmnop0=.post-install");
        assert_eq!(names, [name("a"), name(&long)]);
    }
}
