//! Spec files: many packages in one, as a source package that brings them all.
//!
//! Their files come from a tree that is there already, so nothing of the spec runs at build time.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::openpgp::Key;

use super::{Item, Rpm, What, arch};

/// A start of `rpmbuild` for more than that takes longer than two at the same time.
const MOST: usize = 96;

/// Packages that one `rpmbuild` can build.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    /// Each with its place among all.
    pub(super) rpms: Vec<(usize, &'a Rpm)>,
    items: HashMap<&'a str, &'a What>,
    /// Directories that are above any of the items.
    folders: HashSet<&'a str>,
}

impl<'a> Batch<'a> {
    /// As few as can be.
    pub(super) fn of(rpms: &'a [Rpm]) -> Vec<Self> {
        let mut batches: Vec<Self> = Vec::new();
        for (place, rpm) in rpms.iter().enumerate() {
            let at = batches.iter().position(|batch| batch.takes(rpm)).unwrap_or(batches.len());
            if at == batches.len() {
                batches.push(Self::default());
            }
            let batch = &mut batches[at];
            batch.add(place, rpm);
        }
        batches
    }

    fn add(&mut self, place: usize, rpm: &'a Rpm) {
        self.items.extend(rpm.items.iter().map(|item| (item.path.as_str(), &item.what)));
        self.folders.extend(rpm.items.iter().flat_map(|item| parents(&item.path)));
        self.rpms.push((place, rpm));
    }

    /// They share a tree of files, names, and what is said to `rpmbuild` once.
    fn takes(&self, rpm: &Rpm) -> bool {
        let signer = |rpm: &Rpm| rpm.signer.as_ref().map(Key::fingerprint);
        let agrees = |other: &Rpm| {
            (target(rpm), &rpm.payload, signer(rpm)) == (target(other), &other.payload, signer(other))
        };
        let is_same = |path: &str, what: &What| self.items.get(path).is_none_or(|there| **there == *what);
        let fits = |item: &Item| {
            is_same(&item.path, &item.what)
                && parents(&item.path).all(|parent| is_same(parent, &What::Directory))
                && (item.what == What::Directory || !self.folders.contains(item.path.as_str()))
        };
        self.rpms.len() < MOST
            && self.rpms.first().is_none_or(|(_, other)| agrees(other))
            && self.rpms.iter().all(|(_, other)| other.name != rpm.name)
            && rpm.items.iter().all(fits)
    }

    /// The architecture that it is built for.
    pub(super) fn target(&self) -> &str {
        target(self.rpms[0].1)
    }

    pub(super) fn payload(&self) -> &str {
        &self.rpms[0].1.payload
    }

    pub(super) fn signer(&self) -> Option<&Key> {
        self.rpms[0].1.signer.as_ref()
    }

    /// The spec file.
    pub(super) fn spec(&self) -> String {
        let head =
            "Name: fixture\nVersion: 0\nRelease: 0\nSummary: made for a test\nLicense: MIT\n%description\n";
        self.rpms.iter().fold(head.to_owned(), |spec, (_, rpm)| spec + &section(rpm))
    }

    /// What the packages bring, with paths in the order of a sorted list.
    pub(super) fn contents(&self) -> Vec<(&'a str, &'a What)> {
        let mut items: Vec<_> = self.items.iter().map(|(path, what)| (*path, *what)).collect();
        items.sort_by_key(|(path, _)| *path);
        items
    }

    /// Writes the tree of files. Owners and modes are in the spec.
    pub(super) fn write(&self, root: &Path) {
        fs::create_dir_all(root).unwrap();
        let (links, others): (Vec<_>, Vec<_>) =
            self.contents().into_iter().partition(|(_, what)| matches!(what, What::Hardlink(_)));
        for (path, what) in others.into_iter().chain(links) {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match what {
                What::File(content) => fs::write(&path, content),
                What::Directory => fs::create_dir_all(&path),
                What::Symlink(target) => symlink(target, &path),
                What::Hardlink(original) => fs::hard_link(root.join(original), &path),
            }
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

/// The directories above a path.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

fn target(rpm: &Rpm) -> &str {
    match rpm.arch.as_str() {
        "noarch" => arch(),
        arch => arch,
    }
}

/// All sections of a package.
fn section(rpm: &Rpm) -> String {
    let Rpm { name, version, release, .. } = rpm;
    let mut spec = format!("\n%package -n {name}\nVersion: {version}\nRelease: {release}\nAutoReqProv: no\n");
    let mut line = |field: &str, value: &str| writeln!(spec, "{field}: {}", escaped(value)).unwrap();
    for (field, value) in [("Summary", "A package that is made for a test"), ("License", "MIT")] {
        if rpm.fields.iter().all(|(other, _)| other != field) {
            line(field, value);
        }
    }
    if let Some(epoch) = rpm.epoch {
        line("Epoch", &epoch.to_string());
    }
    if rpm.arch == "noarch" {
        line("BuildArch", "noarch");
    }
    rpm.fields.iter().for_each(|(field, value)| line(field, value));
    writeln!(spec, "\n%description -n {name}\n{name}, which is made for a test.\n").unwrap();
    for (head, text) in &rpm.scripts {
        writeln!(spec, "{head}\n{}\n", escaped(text.trim_end())).unwrap();
    }
    let files: String = rpm.items.iter().map(file).collect();
    spec + &format!("%files -n {name}\n{files}")
}

/// A line of a list of files.
fn file(item: &Item) -> String {
    let Item { path, what, mode, owner: (user, group), directives } = item;
    let (mode, kind) = match what {
        What::Symlink(_) => ("-".to_owned(), ""),
        What::Directory => (format!("{mode:04o}"), "%dir "),
        What::File(_) | What::Hardlink(_) => (format!("{mode:04o}"), ""),
    };
    format!("%attr({mode},{user},{group}) {directives} {kind}\"/{}\"\n", escaped(path))
}

/// Text in which rpm finds no macro.
fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}
