//! An output at work, on layers known beforehand.

use std::fs;
use std::path::Path;

use ctr_forge_plugin::{Error, ErrorKind, Writes};
use ctr_forge_rootfs::{Digest, Entry, Hasher, Kind, RootPath, Writer};

use super::{Outcome, Subject, manners, text};
use crate::image::ImageWords;
use crate::ops::{self, OutputRequest, PlatformInputs};
use crate::worker::Trace;

pub(super) fn check(subject: &Subject<'_>, add: &mut dyn FnMut(&str, Outcome)) {
    let first = match package(subject) {
        Ok((digest, trace)) => {
            add("packages", Outcome::Passed);
            manners(&trace, add);
            digest
        }
        Err(error) if error.kind == ErrorKind::Usage => {
            let why = format!("{}: give options with --with NAME=VALUE", text(&error));
            return add("packages", Outcome::Skipped(why));
        }
        Err(error) => return add("packages", Outcome::Failed(text(&error))),
    };
    add(
        "same bytes twice",
        match package(subject) {
            Ok((second, _)) if second == first => Outcome::Passed,
            Ok((second, _)) => Outcome::Failed(format!("the same request gave {first}, then {second}")),
            Err(error) => Outcome::Failed(text(&error)),
        },
    );
}

/// Packages the known rootfs; returns a digest over all that was made.
fn package(subject: &Subject<'_>) -> Result<(Digest, Trace), Error> {
    let cannot = |e: std::io::Error| Error::io("cannot prepare the check", e);
    let directory = tempfile::tempdir_in(&subject.forge.temp_dir).map_err(cannot)?;
    let rootfs = directory.path().join("rootfs.tar");
    fs::write(&rootfs, known_rootfs()?).map_err(cannot)?;
    let target = directory.path().join("result");
    let asked = OutputRequest {
        component: subject.component.id.clone(),
        options: subject.options.clone(),
        platforms: vec![PlatformInputs { arch: Some("amd64".into()), inputs: vec![rootfs] }],
        image: ImageWords {
            entrypoint: Some("/hello".into()),
            env: vec!["GREETING=hello".into()],
            labels: vec!["org.example.label=value".into()],
            tags: vec!["conformance:1".into()],
            ..ImageWords::default()
        },
        preserve: false,
        base: None,
        plain_http: false,
        compression: None,
        target: target.clone(),
    };
    let (_, trace) = ops::output_traced(subject.forge, subject.plugin, &asked, Some(subject.limits.call))?;
    let mut hasher = Hasher::new();
    match subject.component.writes {
        Writes::File => hasher.update(&fs::read(&target).map_err(cannot)?),
        Writes::Directory => hash_directory(&target, &mut hasher).map_err(cannot)?,
    }
    Ok((hasher.finish(), trace))
}

fn hash_directory(directory: &Path, hasher: &mut Hasher) -> std::io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        hasher.update(entry.file_name().as_encoded_bytes());
        hasher.update(&[0]);
        match entry.file_type()?.is_dir() {
            true => hash_directory(&entry.path(), hasher)?,
            false => hasher.update(&fs::read(entry.path())?),
        }
    }
    Ok(())
}

fn known_rootfs() -> Result<Vec<u8>, Error> {
    let content: &[u8] = b"#!/bin/sh\necho hello\n";
    let entries: [(_, _, _, &[u8]); 3] = [
        ("etc", Kind::Directory, 0o755, &[]),
        ("hello", Kind::File { size: content.len() as u64 }, 0o755, content),
        ("link", Kind::Symlink((*b"hello").into()), 0o777, &[]),
    ];
    let broken = |e: &dyn std::error::Error| {
        Error::new(ErrorKind::Internal, "cannot make the known rootfs").because(e)
    };
    let mut writer = Writer::new(Vec::new());
    for (path, kind, mode, mut content) in entries {
        let path = RootPath::new(path.as_bytes()).map_err(|e| broken(&e))?;
        writer.entry(&Entry::new(path, kind, mode), &mut content).map_err(|e| broken(&e))?;
    }
    writer.finish().map_err(|e| broken(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_rootfs_can_be_made() {
        assert!(known_rootfs().is_ok_and(|rootfs| rootfs.ends_with(&[0; 1024])));
    }
}
