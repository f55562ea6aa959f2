//! Layers, one upon the other, as the tree that a container sees (image-spec `layer.md`).
//!
//! A file called `.wh.NAME` says that NAME of the layers below is not there, `.wh..wh..opq` that
//! nothing of the directory's is. Both speak of the layers below alone, wherever they stand in
//! their own. In an ACI names have no such meaning.

use std::collections::BTreeSet;
use std::path::Path;

use ctr_forge_plugin::{Error, Result};
use ctr_forge_rootfs::{Digest, Duplicates, Entry, Kind, Reader, RootPath, Tree};

use crate::image::{Format, Image, Layer};

const PREFIX: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What AUFS kept for itself, and old images still have.
const OWN: &[u8] = b".wh..wh.";

/// What layers come to.
#[derive(Debug)]
pub struct Flattened {
    /// The tree, not normalised.
    pub tree: Tree,
    /// DiffID and length of each layer's tar stream, as they were found.
    pub layers: Vec<(Digest, u64)>,
}

/// Lays all layers of `image` one upon the other, and checks their digests. Content is kept in a
/// file without a name in `temporary`. `step` is called for each entry and may stop it.
///
/// # Errors
///
/// If a layer is broken, or not the one that the image says.
pub fn flatten(image: &Image, temporary: &Path, step: &mut dyn FnMut() -> Result<()>) -> Result<Flattened> {
    let mut tree = Tree::new_in(temporary, Duplicates::LastWins)
        .map_err(|e| Error::io(format!("cannot make a temporary file in {}", temporary.display()), e))?;
    let mut layers = Vec::new();
    for (index, layer) in image.layers.iter().enumerate() {
        let title = layer.title(index);
        let mut tar = layer.tar().map_err(|e| Error::io(format!("cannot read {title}"), e))?;
        let mut reader = Reader::new(&mut tar);
        let mut above = Above { whiteouts: image.format != Format::Aci, added: BTreeSet::new() };
        let broken =
            |e: &(dyn std::error::Error + 'static)| Error::input(format!("{title} is broken")).because(e);
        while let Some(entry) = reader.next_entry().map_err(|e| broken(&e))? {
            step()?;
            let Some(entry) = stripped(layer, entry) else { continue };
            if above.whiteout(&mut tree, &entry).map_err(|e| broken(&e))? {
                continue;
            }
            above.added.insert(entry.path.clone());
            tree.insert(entry, &mut reader).map_err(|e| broken(&e))?;
        }
        drop(reader);
        layers.push(tar.finish(layer, &title)?);
    }
    Ok(Flattened { tree, layers })
}

/// An entry by its path in the root; `None` for one outside of it.
fn stripped(layer: &Layer, mut entry: Entry) -> Option<Entry> {
    if layer.prefix.is_empty() {
        return Some(entry);
    }
    let strip = |path: &RootPath| {
        let rest = path.as_bytes().strip_prefix(layer.prefix.as_bytes())?;
        match rest {
            [] => Some(RootPath::root()),
            [b'/', rest @ ..] => RootPath::new(rest).ok(),
            _ => None,
        }
    };
    entry.path = strip(&entry.path)?;
    if let Kind::HardLink(target) = &entry.kind {
        entry.kind = Kind::HardLink(strip(target)?);
    }
    Some(entry)
}

/// The layer that is being laid upon the others.
struct Above {
    whiteouts: bool,
    /// What it has brought so far: its whiteouts do not mean that.
    added: BTreeSet<RootPath>,
}

/// Why a whiteout cannot be followed.
#[derive(Debug)]
enum WhiteoutError {
    Nameless(RootPath),
    Tree(ctr_forge_rootfs::TreeError),
}

impl std::fmt::Display for WhiteoutError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nameless(path) => write!(f, "{path} deletes nothing: it has no name behind \".wh.\""),
            Self::Tree(_) => f.write_str("a deletion cannot be followed"),
        }
    }
}

impl std::error::Error for WhiteoutError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Nameless(_) => None,
            Self::Tree(error) => Some(error),
        }
    }
}

impl Above {
    /// Follows a whiteout; `false` if the entry is none.
    fn whiteout(&self, tree: &mut Tree, entry: &Entry) -> Result<bool, WhiteoutError> {
        let name = entry.path.file_name();
        if !self.whiteouts || !name.starts_with(PREFIX) {
            return Ok(false);
        }
        let parent = entry.path.parent().unwrap_or_default();
        // A directory of the layers below may be reached through a link there.
        let parent = tree.resolve(&parent).unwrap_or(parent);
        if name == OPAQUE {
            self.remove(tree, |path| *path != parent && path.starts_with(&parent))?;
        } else if name == PREFIX {
            return Err(WhiteoutError::Nameless(entry.path.clone()));
        } else if !name.starts_with(OWN) {
            let mut path = parent.as_bytes().to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name[PREFIX.len()..]);
            let Ok(target) = RootPath::new(&path) else {
                return Err(WhiteoutError::Nameless(entry.path.clone()));
            };
            self.remove(tree, |path| path.starts_with(&target))?;
        }
        Ok(true)
    }

    /// Removes what is meant and of the layers below.
    fn remove(&self, tree: &mut Tree, is_meant: impl Fn(&RootPath) -> bool) -> Result<(), WhiteoutError> {
        let gone: Vec<RootPath> =
            tree.paths().filter(|path| is_meant(path) && !self.added.contains(path)).cloned().collect();
        // In the order of paths, what is below one follows it.
        let is_above_added = |path: &RootPath| {
            self.added.range(path.clone()..).next().is_some_and(|added| added.starts_with(path))
        };
        for path in gone {
            // What is below is in the list too, but for what this layer has brought.
            if !is_above_added(&path) {
                tree.remove(&path).map_err(WhiteoutError::Tree)?;
            }
        }
        Ok(())
    }
}
