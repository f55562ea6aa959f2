//! Which package has which file, and which may take whose.
//!
//! A file has one owner. A package takes a file of another if it replaces that one, or if both
//! come from one build; if both replace each other, the higher priority has it, and the later
//! one where they are equal (`database.c` of apk-tools). A directory may have many owners: it
//! is the lowest user's and group's, and nobody of these may do more than each of them says.

use std::collections::{BTreeMap, HashMap};

use ctr_forge_rootfs::{Entry, RootPath, TOUCHED};

use super::error::Fault;
use super::record::{Access, Record};
use crate::package::Package;

/// Links followed for one path.
const MAX_LINKS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Ownership {
    nodes: HashMap<RootPath, Node>,
    /// Directories whose entries are still to be written.
    directories: BTreeMap<RootPath, Entry>,
}

#[derive(Debug)]
enum Node {
    Directory(Access),
    Object {
        /// The place of its package among all.
        owner: usize,
        /// A link's target.
        target: Option<Box<[u8]>>,
    },
}

/// What becomes of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes into the root.
    New,
    /// And this package does not have it any more.
    TakenFrom(usize),
    /// Another package's stays.
    LeftOut,
}

impl Ownership {
    /// How many paths there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn has(&self, path: &RootPath) -> bool {
        self.nodes.contains_key(path)
    }

    /// Whether there is something at a path once the links above it are followed: `bin/sh`, where
    /// `bin` leads to `usr/bin`.
    pub(super) fn leads_somewhere(&self, path: &RootPath) -> bool {
        let mut path = path.clone();
        for _ in 0..MAX_LINKS {
            let above = std::iter::successors(path.parent(), RootPath::parent);
            let link = above.filter_map(|above| Some((self.link(&above)?.to_vec(), above))).last();
            let Some((target, link)) = link else { break };
            let rest = &path.as_bytes()[link.as_bytes().len()..];
            let base = link.parent().filter(|_| !target.starts_with(b"/")).unwrap_or_default();
            // A link that leads through `..` is not followed.
            match RootPath::new(&[base.as_bytes(), b"/", &target, rest].concat()) {
                Ok(next) => path = next,
                Err(_) => return false,
            }
        }
        self.has(&path)
    }

    /// The target of a link.
    pub(super) fn link(&self, path: &RootPath) -> Option<&[u8]> {
        match self.nodes.get(path) {
            Some(Node::Object { target, .. }) => target.as_deref(),
            _ => None,
        }
    }

    /// A package has a directory. One that it only has files in has an `entry` of its own making.
    pub(super) fn directory(&mut self, entry: Entry) -> Result<(), Fault> {
        let access = Access::of(&entry);
        let merged = match self.nodes.get(&entry.path) {
            Some(Node::Object { target: Some(_), .. }) => return Ok(()),
            Some(Node::Object { .. }) => return Err(Fault::Kind { path: entry.path }),
            Some(Node::Directory(known)) => merge(*known, access),
            None => access,
        };
        self.nodes.insert(entry.path.clone(), Node::Directory(merged));
        // Its date is that of the last name put into it, which is the build's.
        let entry = Entry { uid: merged.uid, gid: merged.gid, mode: merged.mode, mtime: TOUCHED, ..entry };
        self.directories.insert(entry.path.clone(), entry);
        Ok(())
    }

    /// The directories that are not written yet.
    pub(super) fn take_directories(&mut self) -> impl Iterator<Item = Entry> + use<> {
        std::mem::take(&mut self.directories).into_values()
    }

    /// The package at `index` has a file.
    pub(super) fn file(
        &mut self,
        path: &RootPath,
        target: Option<&[u8]>,
        index: usize,
        package: &Package<'_>,
        earlier: &[Record],
    ) -> Result<Fate, Fault> {
        let fate = match self.nodes.get(path) {
            None => Fate::New,
            Some(Node::Directory(_)) => return Err(Fault::Kind { path: path.clone() }),
            Some(Node::Object { owner, .. }) if *owner == index => Fate::New,
            Some(Node::Object { owner, .. }) => {
                let other = &earlier[*owner];
                let theirs = other.control.package().map_err(crate::apk::ApkError::from)?;
                match takes(package, &theirs) {
                    Some(true) => Fate::TakenFrom(*owner),
                    Some(false) => return Ok(Fate::LeftOut),
                    None => return Err(Fault::Clash { path: path.clone(), owner: other.title() }),
                }
            }
        };
        let node = Node::Object { owner: index, target: target.map(Into::into) };
        self.nodes.insert(path.clone(), node);
        Ok(fate)
    }
}

/// Whether a package takes a file of another; `None` where neither says.
fn takes(package: &Package<'_>, other: &Package<'_>) -> Option<bool> {
    if package.name == other.name || (!package.origin.is_empty() && package.origin == other.origin) {
        return Some(true);
    }
    let priority = |of: &Package<'_>, over: &Package<'_>| {
        let means = |one: &crate::dependency::Dependency<'_>| {
            one.name == over.name && one.constraint.accepts(Some(over.version), over.identity)
        };
        of.replaces.iter().any(means).then_some(of.replaces_priority)
    };
    match (priority(package, other), priority(other, package)) {
        (None, None) => None,
        (mine, theirs) => Some(theirs <= mine),
    }
}

/// A directory that two packages have.
fn merge(a: Access, b: Access) -> Access {
    match (a.uid, a.gid).cmp(&(b.uid, b.gid)) {
        std::cmp::Ordering::Less => a,
        std::cmp::Ordering::Greater => b,
        std::cmp::Ordering::Equal => Access { mode: a.mode & b.mode, ..a },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RootPath {
        RootPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn links_above_a_path_are_followed() {
        let mut ownership = Ownership::default();
        let package = Package::default();
        for (link, target) in
            [("bin", "usr/bin"), ("usr/bin", "/opt/bin"), ("up", "../x"), ("a", "b"), ("b", "a")]
        {
            ownership.file(&path(link), Some(target.as_bytes()), 0, &package, &[]).unwrap();
        }
        ownership.file(&path("opt/bin/sh"), None, 0, &package, &[]).unwrap();
        for (asked, expected) in [
            ("bin/sh", true),
            ("usr/bin/sh", true),
            ("opt/bin/sh", true),
            ("bin/ls", false),
            ("up/sh", false),
            ("a/sh", false),
        ] {
            assert_eq!(ownership.leads_somewhere(&path(asked)), expected, "{asked}");
        }
    }
}
