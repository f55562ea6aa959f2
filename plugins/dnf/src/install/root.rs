//! What is in the root so far, and where a path leads in it.
//!
//! Packages name their files as if each directory were real, but in the root `/bin` may be a
//! link to `usr/bin`, which the package `filesystem` has. A stream has no links to follow, so it
//! is done here, as a kernel would with this root as `/`.
//!
//! Links count before they are there: Fedora's libgcc has files in `/lib64` and comes before
//! `filesystem`, whose script has made that link before all packages. rpm too looks through the
//! links of all packages first (`fpCachePopulate` in its `lib/fprint.c`).

use std::collections::HashMap;

use ctr_forge_rootfs::{PathError, RootPath};

/// Links followed for one path, as in Linux (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// The root as packages have it so far.
#[derive(Debug)]
pub(crate) struct Root {
    nodes: HashMap<RootPath, Node>,
    /// Links that packages will bring, by their real paths.
    expected: HashMap<RootPath, Box<[u8]>>,
}

/// A file of a package: both by their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) package: usize,
    pub(super) file: usize,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A directory that no package has, though there is something in it.
    Made,
    /// A directory that a package has.
    Directory(Owner),
    /// A link.
    Symlink(Owner, Box<[u8]>),
    /// A file, a device, a pipe.
    Other(Owner),
}

impl Node {
    /// Which file of which package it is.
    pub(super) fn owner(&self) -> Option<Owner> {
        match self {
            Node::Made => None,
            Node::Directory(owner) | Node::Symlink(owner, _) | Node::Other(owner) => Some(*owner),
        }
    }

    fn is_directory(&self) -> bool {
        matches!(self, Node::Made | Node::Directory(_))
    }
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Links lead in a circle, or through very many links.
    #[error("leads through more than {MAX_LINKS} symbolic links")]
    Loop,
    /// There is a file where a directory would have to be.
    #[error("is below {0}, which is no directory")]
    NotDirectory(RootPath),
    /// A link leads to a name that cannot be.
    #[error("leads to a name that {0}")]
    Name(#[from] PathError),
}

impl Root {
    /// Nothing but the root directory, which every stream has.
    pub(crate) fn new() -> Self {
        let nodes = HashMap::from([(RootPath::root(), Node::Made)]);
        Self { nodes, expected: HashMap::new() }
    }

    /// From now on these links are followed where nothing else is: path and target of each.
    pub(crate) fn expect(&mut self, mut links: Vec<(RootPath, Box<[u8]>)>) {
        // Those that others lie behind come first.
        links.sort_by_cached_key(|(path, _)| path.components().count());
        for (path, target) in links {
            // One that leads nowhere is refused when its package comes.
            if let Ok(real) = self.resolve(&path) {
                self.expected.entry(real).or_insert(target);
            }
        }
    }

    /// How many paths there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn get(&self, path: &RootPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    pub(super) fn insert(&mut self, path: RootPath, node: Node) {
        self.nodes.insert(path, node);
    }

    /// Where `path` lies, links above it followed. What is not there yet is taken for a directory
    /// to be made.
    pub(crate) fn resolve(&self, path: &RootPath) -> Result<RootPath, PathFault> {
        // Nodes have real paths, so nothing above a directory that is one is a link.
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        if self.get(&parent).is_some_and(Node::is_directory) {
            return Ok(path.clone());
        }
        let mut here = RootPath::root();
        // Components still to go, the next one last.
        let mut ahead: Vec<Vec<u8>> = Vec::new();
        push(&mut ahead, path.as_bytes());
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == b".." {
                // Above the root is the root.
                here = here.parent().unwrap_or_default();
                continue;
            }
            let next = here.join(&name)?;
            if ahead.is_empty() {
                return Ok(next);
            }
            if let Some(Node::Other(_)) = self.get(&next) {
                return Err(PathFault::NotDirectory(next));
            }
            let Some(target) = self.link(&next) else {
                here = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(PathFault::Loop);
            }
            if target.starts_with(b"/") {
                here = RootPath::root();
            }
            push(&mut ahead, target);
        }
        Ok(here)
    }

    /// The target of the link that is or will be at a real path.
    fn link(&self, path: &RootPath) -> Option<&[u8]> {
        match self.get(path) {
            Some(Node::Symlink(_, target)) => Some(target),
            Some(_) => None,
            None => self.expected.get(path).map(|target| &**target),
        }
    }
}

fn push(ahead: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    ahead.extend(names.rev().map(<[u8]>::to_vec));
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner { package: 0, file: 0 };

    fn path(name: &str) -> RootPath {
        RootPath::new(name.as_bytes()).unwrap()
    }

    fn root(links: &[(&str, &str)]) -> Root {
        let mut root = Root::new();
        for (name, target) in links {
            root.insert(path(name), Node::Symlink(OWNER, target.as_bytes().into()));
        }
        root
    }

    #[test]
    fn links_are_followed_as_in_the_root() {
        let root = root(&[
            ("bin", "usr/bin"),
            ("var/run", "/run"),
            ("a/up", "../bin"),
            ("x", "a/up/./y"),
            ("out", "../../etc"),
        ]);
        for (name, real) in [
            ("bin/sh", "usr/bin/sh"),
            ("bin", "bin"),
            ("var/run/lock", "run/lock"),
            ("a/up/ls", "usr/bin/ls"),
            ("x/z", "usr/bin/y/z"),
            ("out/passwd", "etc/passwd"),
            ("new/dir/file", "new/dir/file"),
            ("", ""),
        ] {
            assert_eq!(root.resolve(&path(name)), Ok(path(real)), "{name}");
        }
    }

    #[test]
    fn links_to_come_are_followed_until_something_else_is_there() {
        let mut root = Root::new();
        let links = [("usr/lib64/x", "../y"), ("lib64", "usr/lib64"), ("dir", "else"), ("loop", "loop/a")];
        root.expect(links.map(|(name, target)| (path(name), target.as_bytes().into())).into());
        root.insert(path("dir"), Node::Directory(OWNER));
        for (name, real) in [
            ("lib64/libgcc_s.so.1", "usr/lib64/libgcc_s.so.1"),
            ("lib64/x/file", "usr/y/file"),
            ("lib64", "lib64"),
            ("dir/file", "dir/file"),
        ] {
            assert_eq!(root.resolve(&path(name)), Ok(path(real)), "{name}");
        }
        assert_eq!(root.resolve(&path("loop/x")), Err(PathFault::Loop));
    }

    #[test]
    fn links_that_lead_nowhere_are_refused() {
        let mut root = root(&[("a", "b"), ("b", "a")]);
        root.insert(path("file"), Node::Other(OWNER));
        assert_eq!(root.resolve(&path("a/x")), Err(PathFault::Loop));
        assert_eq!(root.resolve(&path("file/x")), Err(PathFault::NotDirectory(path("file"))));
        assert_eq!(root.resolve(&path("a")), Ok(path("a")), "the link itself may lead anywhere");
    }
}
