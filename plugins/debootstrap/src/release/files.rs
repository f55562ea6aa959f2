//! What a Release file lists, and which of it holds the packages.

use std::collections::BTreeMap;

use super::{PACKAGES, Release, ReleaseError};
use crate::control::{Field, Stanza, excerpt};

/// Endings of an index, the one to be preferred first: the smallest that repositories have.
const ENDINGS: [&str; 5] = [".xz", ".zst", ".gz", ".bz2", ""];

/// The blocks of strong digests with the length of a digest in hexadecimal, the preferred last.
const BLOCKS: [(&str, &str, usize); 2] = [("SHA512", "sha512:", 128), ("SHA256", "sha256:", 64)];

/// An index that a Release file lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// Its path below the directory of the Release file: `main/binary-amd64/Packages.xz`.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// `sha256:…`, or `sha512:…` where there is no other, in lower case.
    pub digest: String,
}

impl Release {
    /// What it says of the file at `path`, relative to its own directory.
    pub fn file(&self, path: &str) -> Option<IndexFile> {
        let (size, digest) = self.files.get(path)?;
        Some(IndexFile { path: path.to_owned(), size: *size, digest: digest.clone() })
    }

    /// The indexes with the packages of `component` for `arch` (in dpkg's name), each in the
    /// best compression there is.
    ///
    /// There are two where packages for all architectures have an index of their own. The size of
    /// one without compression is often listed too, as [`Release::file`] of the path without
    /// ending: a bound for whoever unpacks it.
    pub fn packages(&self, component: &str, arch: &str) -> Result<Vec<IndexFile>, ReleaseError> {
        self.check_component(component)?;
        let for_all = self.index(&packages_path(component, "all")).filter(|_| self.has_own_index_for_all());
        if !self.lists_architecture(arch) {
            // Such a repository may still have packages for all.
            let arch = arch.to_owned();
            let none = || ReleaseError::Architecture { arch, known: self.architectures.join(", ") };
            return Ok(vec![for_all.ok_or_else(none)?]);
        }
        let path = packages_path(component, arch);
        let own = self.index(&path).ok_or(ReleaseError::NoPackages { path })?;
        Ok([own].into_iter().chain(for_all.filter(|_| arch != "all")).collect())
    }

    /// The index of a repository without suites and components (`deb URL ./`).
    pub fn flat_packages(&self) -> Result<IndexFile, ReleaseError> {
        self.index(PACKAGES).ok_or_else(|| ReleaseError::NoPackages { path: PACKAGES.to_owned() })
    }

    /// The file at `path` in the best compression there is.
    fn index(&self, path: &str) -> Option<IndexFile> {
        ENDINGS.iter().find_map(|ending| self.file(&format!("{path}{ending}")))
    }

    /// A repository that does not name its components, as apt sees it, may have any.
    fn check_component(&self, component: &str) -> Result<(), ReleaseError> {
        let is = |known: &String| known == component || known.rsplit('/').next() == Some(component);
        if self.components.is_empty() || self.components.iter().any(is) {
            return Ok(());
        }
        let known = self.components.join(", ");
        Err(ReleaseError::Component { component: component.to_owned(), known })
    }

    fn lists_architecture(&self, arch: &str) -> bool {
        self.architectures.is_empty() || self.architectures.iter().any(|known| known == arch)
    }

    fn has_own_index_for_all(&self) -> bool {
        self.lists_architecture("all") && !self.all_in_every_index
    }
}

/// Where the file at `path` lies under its digest (`sha256:…`), for a repository with
/// [`Release::acquire_by_hash`]: `main/binary-amd64/by-hash/SHA256/…`. `None` if that is no digest.
pub fn by_hash_path(path: &str, digest: &str) -> Option<String> {
    let (block, hex) = BLOCKS.iter().find_map(|&(block, prefix, digits)| {
        let hex = digest.strip_prefix(prefix)?;
        is_hex(hex, digits).then_some((block, hex))
    })?;
    let directory = path.rfind('/').map_or("", |slash| &path[..=slash]);
    Some(format!("{directory}by-hash/{block}/{hex}"))
}

/// The files of the blocks of strong digests.
pub(super) fn read(stanza: &Stanza<'_>) -> Result<BTreeMap<String, (u64, String)>, ReleaseError> {
    let mut files = BTreeMap::new();
    let mut is_strong = false;
    for (block, prefix, digits) in BLOCKS {
        if let Some(field) = stanza.field(block) {
            is_strong = true;
            read_block(&mut files, &field, (block, prefix, digits))?;
        }
    }
    let is_weak = || stanza.field("MD5Sum").or_else(|| stanza.field("SHA1")).is_some();
    match is_strong {
        true => Ok(files),
        false if is_weak() => Err(ReleaseError::WeakDigests),
        false => Err(ReleaseError::NoDigests),
    }
}

fn read_block(
    files: &mut BTreeMap<String, (u64, String)>,
    field: &Field<'_>,
    (block, prefix, digits): (&'static str, &'static str, usize),
) -> Result<(), ReleaseError> {
    for line in field.lines()?.filter(|line| !line.is_empty()) {
        let (path, size, hex) = entry(block, digits, line)?;
        let file = (size, format!("{prefix}{hex}"));
        match files.get(path) {
            // The digest of another block, which the preferred one takes the place of.
            Some((other, digest)) if *other == size && !digest.starts_with(prefix) => {}
            Some(same) if *same == file => continue,
            Some(_) => return Err(ReleaseError::Contradiction { path: path.to_owned() }),
            None => {}
        }
        files.insert(path.to_owned(), file);
    }
    Ok(())
}

/// Path, size and digest of a line of a block, in lower case.
fn entry<'a>(
    block: &'static str,
    digits: usize,
    line: &'a str,
) -> Result<(&'a str, u64, String), ReleaseError> {
    let mut words = line.split_ascii_whitespace();
    let (Some(hex), Some(size), Some(path), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(ReleaseError::Entry { block, line: excerpt(line.as_bytes()) });
    };
    // A repository without suites may name files as `find` does.
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.is_empty() || path.starts_with('/') || path.contains(char::is_control) || has_parent(path) {
        return Err(ReleaseError::EntryPath { block, path: excerpt(path.as_bytes()) });
    }
    let name = || excerpt(path.as_bytes());
    if !is_hex(hex, digits) {
        return Err(ReleaseError::EntryDigest { block, path: name(), digest: excerpt(hex.as_bytes()) });
    }
    let bytes = size.parse().ok().filter(|_| !size.starts_with('+'));
    let wrong = || ReleaseError::EntrySize { block, path: name(), size: excerpt(size.as_bytes()) };
    Ok((path, bytes.ok_or_else(wrong)?, hex.to_ascii_lowercase()))
}

fn has_parent(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn packages_path(component: &str, arch: &str) -> String {
    format!("{component}/binary-{arch}/{PACKAGES}")
}
