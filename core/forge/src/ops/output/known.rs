//! Layers of earlier runs: what is packed again is not compressed again.
//!
//! The cache has the blob that was made last of the same inputs, and what it consists of. A blob
//! that becomes part of an image layout lies there and in the cache as one file, where the file
//! system can do that. It is compared with its digest before any of it is used, while the input is
//! read. Folders in which nothing has changed, as their [fingerprint](Tree::fingerprint) tells, are
//! not even read.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use ctr_forge_fetch::FetchError;
use ctr_forge_plugin::Error;
use ctr_forge_rootfs::{
    Compression, Digest, Known, Layer, LayerError, LayerOptions, Pieces, Tree, Written, write_layer_upon,
};

use crate::{Cancel, Forge};

/// Trees with less content, in bytes, are packed anew faster than they are found.
const WORTH: u64 = 4 << 20;

/// Most bytes of what is known of a blob: enough for one of 20 GB and more.
const MAX_RECORD: u64 = 1 << 20;

/// What there is of a layer that was made of the same inputs.
pub(in crate::ops) struct Earlier {
    name: String,
    options: LayerOptions,
    record: Option<Record>,
    /// Files that changed last before this second since 1970 are known by their times; `None` where
    /// nothing is to be known of them.
    settled: Option<i64>,
    /// Reads the blob through; whoever wants it waits for that.
    blob: Mutex<Option<JoinHandle<Option<File>>>>,
}

/// What is kept beside a blob.
struct Record {
    /// Of the tree that it was made of, where that has one.
    fingerprint: Option<Digest>,
    pieces: Pieces,
}

impl Earlier {
    /// Looks for one, before the inputs are read. Its blob is compared with its digest from now on,
    /// while other things are done.
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
        let record = recall(forge, &name);
        let blob = record.as_ref().map(|record| {
            let (fetcher, digest) = (Arc::clone(&forge.fetcher), record.pieces.digest);
            let cancel = forge.cancel.clone();
            std::thread::spawn(move || fetcher.content(&digest, check(&cancel)).ok().flatten())
        });
        let is_kept = forge.fetcher.config().cache.is_some() && options.compression != Compression::None;
        let settled = if is_kept { settled() } else { None };
        Self { name, options, record, settled, blob: Mutex::new(blob) }
    }

    fn open(&self) -> io::Result<File> {
        let thread = self.blob.lock().unwrap_or_else(PoisonError::into_inner).take();
        let file = thread.and_then(|thread| thread.join().ok().flatten());
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The fingerprint of a tree that was read since, if it has one.
    pub(super) fn fingerprint(&self, tree: &Tree) -> Option<Digest> {
        // Mounts are numbered anew when the machine starts.
        let start = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
        let fingerprint = tree.fingerprint(self.settled?)?;
        let words = [fingerprint.as_bytes(), env!("CARGO_PKG_VERSION").as_bytes(), &start];
        Some(Digest::of(&words.concat()))
    }

    /// The layer, where the tree of this fingerprint is the one that it was made of.
    pub(super) fn unchanged(&self, fingerprint: Digest) -> Option<(Layer, File)> {
        let record = self.record.as_ref().filter(|record| record.fingerprint == Some(fingerprint))?;
        Some((record.pieces.layer(self.options.compression), self.open().ok()?))
    }

    /// Writes a layer of a tree with it, and keeps it for the next time. `fill` is called anew where
    /// what was kept turns out to be of no use.
    pub(super) fn write(
        &self,
        forge: &Forge,
        (tree, fingerprint): (&Tree, Option<Digest>),
        blob: impl Fn() -> Result<File, Error>,
        mut fill: impl FnMut(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<(Layer, File), LayerError<Error>> {
        let known = match &self.record {
            None => None,
            Some(record) => {
                let blob = blob().map_err(LayerError::Fill)?;
                match self.write_upon(&record.pieces, blob, &mut fill) {
                    // Gone or damaged: as if it had never been.
                    Err(LayerError::Known(_)) => None,
                    other => Some(other?),
                }
            }
        };
        let (layer, blob, pieces) = match known {
            Some(found) => found,
            None => self.write_anew(blob().map_err(LayerError::Fill)?, &mut fill)?,
        };
        let content: u64 = tree.entries().map(|entry| entry.kind.size()).sum();
        if content >= WORTH {
            self.keep(forge, fingerprint, pieces, &blob);
        }
        Ok((layer, blob))
    }

    /// Keeps a blob in the place of the one before; without `pieces` it is that one, of which
    /// something else may be known now. That it cannot be kept is no reason to fail.
    fn keep(&self, forge: &Forge, fingerprint: Option<Digest>, pieces: Option<Pieces>, blob: &File) {
        let Some(pieces) = pieces else {
            if let Some(Record { fingerprint: old, pieces }) = &self.record
                && fingerprint.is_some()
                && *old != fingerprint
                // Another run may have put another blob in its place.
                && recall(forge, &self.name).is_some_and(|now| now.pieces.digest == pieces.digest)
            {
                note(forge, &self.name, fingerprint, pieces);
            }
            return;
        };
        if forge.fetcher.keep_file(blob, &pieces.digest).is_err() {
            return;
        }
        let old = self.record.as_ref().map(|old| old.pieces.digest).filter(|old| *old != pieces.digest);
        if note(forge, &self.name, fingerprint, &pieces) {
            let _ = old.map(|old| forge.fetcher.forget(&old));
        }
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

/// Before which second since 1970 a file must have changed last, so that its times tell of the next
/// change: what was written to it through a mapping before is on the disk by now, and for a minute
/// at least. `None` if the kernel does not say when it writes, or writes when it likes.
fn settled() -> Option<i64> {
    let setting = |name: &str| -> Option<i64> {
        fs::read_to_string(format!("/proc/sys/vm/{name}")).ok()?.trim().parse().ok()
    };
    let writeback = setting("dirty_writeback_centisecs").filter(|&every| every > 0)?;
    let takes = setting("dirty_expire_centisecs")?.saturating_add(writeback.saturating_mul(2)) / 100;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(now).ok()?.checked_sub(takes.max(60))
}

fn check(cancel: &Cancel) -> impl Fn() -> Result<(), FetchError> {
    || match cancel.times() {
        0 => Ok(()),
        _ => Err(FetchError::Cancelled { name: "a layer in the cache".into() }),
    }
}

fn recall(forge: &Forge, name: &str) -> Option<Record> {
    // A cache is not made to find nothing in it.
    forge.fetcher.config().cache.as_ref().filter(|cache| cache.exists())?;
    let mut bytes = Vec::new();
    forge.fetcher.kept(name, check(&forge.cancel)).ok()??.take(MAX_RECORD).read_to_end(&mut bytes).ok()?;
    Record::from_bytes(&bytes)
}

/// Keeps what is known of a blob; whether that went well.
fn note(forge: &Forge, name: &str, fingerprint: Option<Digest>, pieces: &Pieces) -> bool {
    let Ok(Some(draft)) = forge.fetcher.draft() else { return false };
    let mut file = draft.file();
    let written =
        file.write_all(&Record::head(fingerprint)).and_then(|()| file.write_all(&pieces.to_bytes()));
    written.is_ok() && forge.fetcher.keep(name, draft, check(&forge.cancel)).is_ok()
}

/// What a record begins with: none that another version has written is taken for one of this form.
const FORM: &[u8; 8] = b"layer 2\n";

impl Record {
    /// What stands before the pieces: the form, and the fingerprint or as many zeros.
    fn head(fingerprint: Option<Digest>) -> Vec<u8> {
        let fingerprint = fingerprint.map_or([0; 32], |fingerprint| *fingerprint.as_bytes());
        [&FORM[..], &fingerprint].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (fingerprint, pieces) = bytes.strip_prefix(FORM)?.split_first_chunk::<32>()?;
        let fingerprint = (*fingerprint != [0; 32]).then(|| Digest::from_bytes(*fingerprint));
        Some(Self { fingerprint, pieces: Pieces::from_bytes(pieces)? })
    }
}
