//! Layers of earlier runs: what is packed again is not compressed again.
//!
//! The cache has the blob that was made last of the same inputs, and what it consists of. A blob
//! that becomes part of an image layout lies there and in the cache as one file, where the file
//! system can do that. It is compared with its digest before any of it is used, while the input is
//! read.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

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

/// What there is of a layer that was made of the same inputs.
pub(in crate::ops) struct Earlier {
    name: String,
    options: LayerOptions,
    pieces: Option<Pieces>,
    /// Reads the blob through; whoever wants it waits for that.
    blob: Mutex<Option<JoinHandle<Option<File>>>>,
}

impl Earlier {
    /// Looks for one. Its blob is compared with its digest from now on, while other things are done.
    ///
    /// What `inputs` hold need not be the same: that is told by the bytes themselves.
    pub(in crate::ops) fn find<'a>(
        forge: &Forge,
        options: LayerOptions,
        inputs: impl IntoIterator<Item = &'a Path>,
    ) -> Self {
        let mut words = options.epoch().unwrap_or_default().into_bytes();
        for input in inputs {
            let path = input.canonicalize().unwrap_or_else(|_| input.to_owned());
            words.push(0);
            words.extend_from_slice(path.as_os_str().as_encoded_bytes());
        }
        let name = format!("layer/{}", Digest::of(&words).hex());
        let pieces = recall(forge, &name);
        let blob = pieces.as_ref().map(|pieces| {
            let (fetcher, digest) = (Arc::clone(&forge.fetcher), pieces.digest);
            std::thread::spawn(move || fetcher.content(&digest, || Ok(())).ok().flatten())
        });
        Self { name, options, pieces, blob: Mutex::new(blob) }
    }

    fn open(&self) -> io::Result<File> {
        let thread = self.blob.lock().unwrap_or_else(PoisonError::into_inner).take();
        let file = thread.and_then(|thread| thread.join().ok().flatten());
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Writes a layer of `tree` with it, and keeps it for the next time. `fill` is called anew where
    /// what was kept turns out to be of no use.
    pub(super) fn write(
        &self,
        forge: &Forge,
        tree: &Tree,
        blob: impl Fn() -> Result<File, Error>,
        mut fill: impl FnMut(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<(Layer, File), LayerError<Error>> {
        let known = match &self.pieces {
            None => None,
            Some(pieces) => match self.write_upon(pieces, blob().map_err(LayerError::Fill)?, &mut fill) {
                // Gone or damaged: as if it had never been.
                Err(LayerError::Known(_)) => None,
                other => Some(other?),
            },
        };
        let (layer, blob, pieces) = match known {
            Some(found) => found,
            None => self.write_anew(blob().map_err(LayerError::Fill)?, &mut fill)?,
        };
        let content: u64 = tree.entries().map(|entry| entry.kind.size()).sum();
        if let Some(pieces) = pieces.filter(|_| content >= WORTH) {
            keep(forge, &self.name, &pieces, self.pieces.as_ref(), &blob);
        }
        Ok((layer, blob))
    }

    fn write_upon(
        &self,
        pieces: &Pieces,
        blob: File,
        fill: &mut Fill<'_>,
    ) -> Result<Upon, LayerError<Error>> {
        let known = Known { pieces, open: Box::new(|| self.open()) };
        Ok(match write_layer_upon(blob, &self.options, Some(known), fill)? {
            Written::New { layer, blob, pieces } => (layer, blob, pieces),
            Written::Same(layer) => (layer, self.open().map_err(LayerError::Known)?, None),
        })
    }

    fn write_anew(&self, blob: File, fill: &mut Fill<'_>) -> Result<Upon, LayerError<Error>> {
        match write_layer_upon(blob, &self.options, None, fill)? {
            Written::New { layer, blob, pieces } => Ok((layer, blob, pieces)),
            Written::Same(_) => Err(LayerError::Known(io::ErrorKind::NotFound.into())),
        }
    }
}

/// Writes the tar stream.
type Fill<'a> = dyn FnMut(&mut dyn Write) -> Result<(), Error> + 'a;

/// A layer, its blob, and what that consists of if it is a new one.
type Upon = (Layer, File, Option<Pieces>);

fn check(forge: &Forge) -> impl Fn() -> Result<(), FetchError> {
    || match forge.cancel.times() {
        0 => Ok(()),
        _ => Err(FetchError::Cancelled { name: "a layer in the cache".into() }),
    }
}

fn recall(forge: &Forge, name: &str) -> Option<Pieces> {
    // A cache is not made to find nothing in it.
    forge.fetcher.config().cache.as_ref().filter(|cache| cache.exists())?;
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
