//! What is in the root so far, and where a path leads in it.
//!
//! Packages name their files as if each directory were real, but in the root `/bin` may be
//! a link to `usr/bin`. A stream has no links to follow, so it is done here, as a kernel
//! would with this root as `/`.

use super::MergedUsr;
use std::collections::HashMap;

use ctr_forge_rootfs::{Entry, PathError, RootPath};

/// Links followed for one path, as in Linux (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// The root as it was written so far.
#[derive(Debug)]
pub(super) struct Root(HashMap<RootPath, Node>);

/// What is at a path.
#[derive(Debug)]
pub(super) enum Node {
    Directory(Directory),
    Symlink {
        target: Box<[u8]>,
        /// The package that has it; `None` for one that the build makes.
        owner: Option<usize>,
    },
    /// A file, a device, a pipe.
    Other {
        /// The package that has it.
        owner: usize,
        /// The digest of a file, where several packages may have it.
        md5: Option<[u8; 16]>,
    },
}

/// A directory, which is written when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// Whether a package has it, so that its attributes are known.
    pub(super) shipped: bool,
    /// Whether it is in the stream.
    pub(super) written: bool,
    /// What to write, unless it is what a directory is that no package has.
    pub(super) entry: Option<Box<Entry>>,
}

/// The directories that merged /usr makes links into `/usr`, as Debian's debootstrap does
/// it on `arch`: those where a dynamic linker, or libraries of another ABI, would lie.
pub(super) fn merged(arch: &str, merged_usr: MergedUsr) -> Vec<&'static str> {
    match merged_usr {
        MergedUsr::No => return Vec::new(),
        MergedUsr::AllAbis => {}
        MergedUsr::OwnAbi => {
            let linker = ["amd64", "loong64", "mips64el", "ppc64", "ppc64el"].contains(&arch);
            return ["bin", "sbin", "lib"].into_iter().chain(linker.then_some("lib64")).collect();
        }
    }
    let more: &[&str] = match arch {
        "amd64" | "x32" => &["lib32", "lib64", "libx32"],
        "i386" => &["lib64", "libx32"],
        "mips" | "mipsel" | "ppc64" | "sparc64" => &["lib32", "lib64"],
        "loong64" | "powerpc" | "ppc64el" | "sparc" => &["lib64"],
        "s390x" => &["lib32"],
        _ if arch.starts_with("mips64") || arch.starts_with("mipsn32") => &["lib32", "lib64", "libo32"],
        // The Hurd's `/usr` is a link to its root.
        _ if arch.starts_with("hurd-") => return Vec::new(),
        _ => &[],
    };
    ["bin", "sbin", "lib"].into_iter().chain(more.iter().copied()).collect()
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Links lead in a circle, or through very many links.
    #[error("leads through more than {MAX_LINKS} symbolic links")]
    Loop,
    /// A link leads above the root.
    #[error("leads out of the root by the symbolic link {0}")]
    Escapes(RootPath),
    /// There is a file where a directory would have to be.
    #[error("is below {0}, which is no directory")]
    NotDirectory(RootPath),
    /// A link leads to a name that cannot be.
    #[error("leads to a name that {0}")]
    Name(#[from] PathError),
}

/// Whether a link at the end of the path is followed too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Stays,
    IsFollowed,
}

impl Root {
    /// Nothing but the root directory, which every stream has.
    pub(super) fn new() -> Self {
        let root = Directory { written: true, ..Directory::default() };
        Self(HashMap::from([(RootPath::root(), Node::Directory(root))]))
    }

    /// All that is known, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&RootPath, &Node)> {
        self.0.iter()
    }

    pub(super) fn get(&self, path: &RootPath) -> Option<&Node> {
        self.0.get(path)
    }

    pub(super) fn insert(&mut self, path: RootPath, node: Node) {
        self.0.insert(path, node);
    }

    /// The directory at `path`, made known if there was nothing.
    pub(super) fn directory(&mut self, path: &RootPath) -> Option<&mut Directory> {
        if !self.0.contains_key(path) {
            self.insert(path.clone(), Node::Directory(Directory::default()));
        }
        match self.0.get_mut(path) {
            Some(Node::Directory(directory)) => Some(directory),
            _ => None,
        }
    }

    /// Whether the directory at `path` is in the stream.
    pub(super) fn is_written(&self, path: &RootPath) -> bool {
        matches!(self.0.get(path), Some(Node::Directory(Directory { written: true, .. })))
    }

    /// Where `path` lies, links above it followed. What is not there yet is taken for a
    /// directory to be made.
    pub(super) fn resolve(&self, path: &RootPath, last: Last) -> Result<RootPath, PathFault> {
        if last == Last::Stays
            && let Some(Node::Directory(_)) = path.parent().and_then(|parent| self.0.get(&parent))
        {
            // Nodes have real paths, so nothing above this one is a link.
            return Ok(path.clone());
        }
        self.walk(RootPath::root(), path.as_bytes(), last)
    }

    /// Where a link at `path` (itself resolved) with this `target` leads, the last
    /// component not followed.
    pub(super) fn target(&self, path: &RootPath, target: &[u8]) -> Result<RootPath, PathFault> {
        let from = match target.starts_with(b"/") {
            true => RootPath::root(),
            false => path.parent().unwrap_or_default(),
        };
        self.walk(from, target, Last::Stays)
    }

    fn walk(&self, from: RootPath, path: &[u8], last: Last) -> Result<RootPath, PathFault> {
        let mut here = from;
        // Components still to go, the next one last, and the link that each came from.
        let mut ahead: Vec<(Vec<u8>, RootPath)> = Vec::new();
        push(&mut ahead, path, &here);
        let mut links = 0;
        while let Some((name, link)) = ahead.pop() {
            if name == b".." {
                here = here.parent().ok_or(PathFault::Escapes(link))?;
                continue;
            }
            let next = here.join(&name)?;
            match self.0.get(&next) {
                Some(Node::Symlink { target, .. }) if !ahead.is_empty() || last == Last::IsFollowed => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(PathFault::Loop);
                    }
                    if target.starts_with(b"/") {
                        here = RootPath::root();
                    }
                    push(&mut ahead, target, &next);
                }
                Some(Node::Other { .. }) if !ahead.is_empty() => return Err(PathFault::NotDirectory(next)),
                _ => here = next,
            }
        }
        Ok(here)
    }
}

fn push(ahead: &mut Vec<(Vec<u8>, RootPath)>, path: &[u8], link: &RootPath) {
    let names = path.split(|&b| b == b'/').filter(|name| !matches!(*name, b"" | b"."));
    ahead.extend(names.rev().map(|name| (name.to_vec(), link.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> RootPath {
        RootPath::new(name.as_bytes()).unwrap()
    }

    fn root(links: &[(&str, &str)]) -> Root {
        let mut root = Root::new();
        for (name, target) in links {
            let target = target.as_bytes().into();
            root.insert(path(name), Node::Symlink { target, owner: None });
        }
        root
    }

    #[test]
    fn links_are_followed_as_in_the_root() {
        let root = root(&[("bin", "usr/bin"), ("var/run", "/run"), ("a/up", "../bin"), ("x", "a/up/./y")]);
        for (name, real) in [
            ("bin/sh", "usr/bin/sh"),
            ("bin", "bin"),
            ("var/run/lock", "run/lock"),
            ("a/up/ls", "usr/bin/ls"),
            ("x/z", "usr/bin/y/z"),
            ("new/dir/file", "new/dir/file"),
        ] {
            assert_eq!(root.resolve(&path(name), Last::Stays), Ok(path(real)), "{name}");
        }
        assert_eq!(root.resolve(&path("bin"), Last::IsFollowed), Ok(path("usr/bin")));
    }

    #[test]
    fn links_that_lead_nowhere_are_refused() {
        let mut root = root(&[("a", "b"), ("b", "a"), ("out", "../etc"), ("d/out", "../../x")]);
        root.insert(path("file"), Node::Other { owner: 0, md5: None });
        let resolve = |name| root.resolve(&path(name), Last::Stays);
        assert_eq!(resolve("a/x"), Err(PathFault::Loop));
        assert_eq!(resolve("out/x"), Err(PathFault::Escapes(path("out"))));
        assert_eq!(resolve("d/out/x"), Err(PathFault::Escapes(path("d/out"))));
        assert_eq!(resolve("file/x"), Err(PathFault::NotDirectory(path("file"))));
        assert_eq!(resolve("out"), Ok(path("out")), "the link itself may lead anywhere");
    }
}
