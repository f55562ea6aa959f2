//! Layers of earlier runs: what is packed again is not compressed again.
//!
//! The cache has the blob that was made last of the same inputs, and what it consists of. A blob
//! that becomes part of an image layout lies there and in the cache as one file, where the file
//! system can do that. It is compared with its digest before any of it is used, while the input is
//! read.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ctr_forge_fetch::FetchError;
use ctr_forge_plugin::Error;
use ctr_forge_rootfs::{
    Digest, Known, Layer, LayerError, LayerOptions, Pieces, Tree, Written, write_layer_upon,
};

use crate::Forge;

/// Trees with less content, in bytes, are packed anew faster than they are found.
const WORTH: u64 = 4 << 20;

/// Most bytes of what is known of a blob: enough for one of 20 GB and more.
const MAX_PIECES: u64 = 1 << 20;

/// Under which name the layer of some inputs is kept.
#[derive(Debug)]
pub(in crate::ops) struct Name(Digest);

impl Name {
    /// Of a layer that is made of `inputs`. What they hold need not be the same: that is told by
    /// the bytes themselves.
    pub(in crate::ops) fn new<'a>(inputs: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut words = Vec::new();
        for input in inputs {
            let path = input.canonicalize().unwrap_or_else(|_| input.to_owned());
            words.extend_from_slice(path.as_os_str().as_encoded_bytes());
            words.push(0);
        }
        Self(Digest::of(&words))
    }

    /// The name, where it is worth one.
    fn text(&self, tree: &Tree, options: &LayerOptions) -> Option<String> {
        let content: u64 = tree.entries().map(|entry| entry.kind.size()).sum();
        if content < WORTH {
            return None;
        }
        let epoch = options.epoch().ok()?;
        Some(format!("layer/{}/{}", Digest::of(epoch.as_bytes()).hex(), self.0.hex()))
    }
}

/// Writes a layer, with what is known of it, and keeps it for the next time. `fill` is called anew
/// where what was kept turns out to be of no use.
pub(super) fn write(
    forge: &Forge,
    name: &Name,
    tree: &Tree,
    options: &LayerOptions,
    blob: impl Fn() -> Result<File, Error>,
    mut fill: impl FnMut(&mut dyn Write) -> Result<(), Error>,
) -> Result<(Layer, File), LayerError<Error>> {
    let name = name.text(tree, options);
    let old = name.as_deref().and_then(|name| recall(forge, name));
    let known = match &old {
        None => None,
        Some(pieces) => {
            match write_upon(forge, options, pieces, blob().map_err(LayerError::Fill)?, &mut fill) {
                // Gone or damaged: as if it had never been.
                Err(LayerError::Known(_)) => None,
                other => Some(other?),
            }
        }
    };
    let (layer, blob, pieces) = match known {
        Some(found) => found,
        None => match write_layer_upon(blob().map_err(LayerError::Fill)?, options, None, &mut fill)? {
            Written::New { layer, blob, pieces } => (layer, blob, pieces),
            Written::Same(_) => return Err(LayerError::Known(io::ErrorKind::NotFound.into())),
        },
    };
    if let (Some(name), Some(pieces)) = (name, pieces) {
        keep(forge, &name, &pieces, old.as_ref(), &blob);
    }
    Ok((layer, blob))
}

/// A layer, its blob, and what that consists of if it is a new one.
type Upon = (Layer, File, Option<Pieces>);

/// Writes a layer upon a blob that the cache has. Whether that is what it was is seen meanwhile.
fn write_upon(
    forge: &Forge,
    options: &LayerOptions,
    pieces: &Pieces,
    blob: File,
    fill: &mut dyn FnMut(&mut dyn Write) -> Result<(), Error>,
) -> Result<Upon, LayerError<Error>> {
    std::thread::scope(|scope| {
        let find = || forge.fetcher.content(&pieces.digest, check(forge)).ok().flatten();
        let finding = Mutex::new(Some(scope.spawn(find)));
        let found = || {
            let thread = finding.lock().unwrap_or_else(PoisonError::into_inner).take();
            let file = thread.and_then(|thread| thread.join().ok().flatten());
            file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let known = Known { pieces, open: Box::new(&found) };
        Ok(match write_layer_upon(blob, options, Some(known), fill)? {
            Written::New { layer, blob, pieces } => (layer, blob, pieces),
            Written::Same(layer) => (layer, found().map_err(LayerError::Known)?, None),
        })
    })
}

fn check(forge: &Forge) -> impl Fn() -> Result<(), FetchError> {
    || match forge.cancel.times() {
        0 => Ok(()),
        _ => Err(FetchError::Cancelled { name: "a layer in the cache".into() }),
    }
}

fn recall(forge: &Forge, name: &str) -> Option<Pieces> {
    let mut bytes = Vec::new();
    forge.fetcher.kept(name, check(forge)).ok()??.take(MAX_PIECES).read_to_end(&mut bytes).ok()?;
    Pieces::from_bytes(&bytes)
}

/// Keeps a blob in the place of the one before. That it cannot be kept is no reason to fail.
fn keep(forge: &Forge, name: &str, pieces: &Pieces, old: Option<&Pieces>, blob: &File) {
    if forge.fetcher.keep_file(blob, &pieces.digest).is_err() {
        return;
    }
    let Ok(Some(draft)) = forge.fetcher.draft() else { return };
    let mut file = draft.file();
    if file.write_all(&pieces.to_bytes()).is_ok() && forge.fetcher.keep(name, draft, check(forge)).is_ok() {
        let old = old.map(|old| old.digest).filter(|old| *old != pieces.digest);
        let _ = old.map(|old| forge.fetcher.forget(&old));
    }
}
