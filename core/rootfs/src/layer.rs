//! A layer from its tar stream in one pass: diffID, compressed blob, digest.
//!
//! The stream is cut into chunks at fixed offsets. One thread hashes them for
//! the diffID, others compress them, each by itself, and one more puts the
//! results in order, hashes and writes them. Where a chunk ends depends on the
//! offset alone, so the blob is the same with any number of threads and however
//! the stream was written.

mod pieces;
mod pipeline;

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::thread;

use crate::compress::{Encoder, EncoderError};
use crate::{Compression, Digest};
pub use pieces::Pieces;
use pipeline::{Parts, Pipeline, Stop};

/// Bytes per chunk of a layer that is not compressed. Nothing in the blob
/// depends on it.
const PLAIN_CHUNK: usize = 1 << 20;

/// Most threads that are started: beyond this, reading the content is slower
/// than compressing it, and each thread takes memory.
const MAX_THREADS: usize = 256;

/// How a layer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerOptions {
    /// [`None`](Compression::None), [`Gzip`](Compression::Gzip) or [`Zstd`](Compression::Zstd).
    pub compression: Compression,
    /// 1 to 9 for gzip, 1 to 19 for zstd; unless given, [`GZIP_LEVEL`](crate::GZIP_LEVEL)
    /// or [`ZSTD_LEVEL`](crate::ZSTD_LEVEL).
    pub level: Option<i32>,
    /// Threads that compress, at most 256. The bytes do not depend on it.
    pub threads: NonZeroUsize,
}

impl LayerOptions {
    /// What decides on the bytes of a blob beside its content, in words:
    /// `gzip: zlib-rs 0.6.8, level 4, 1 MiB chunks`. Two blobs of the same tar
    /// stream are the same bytes if this is the same.
    pub fn epoch(&self) -> Result<String, EncoderError> {
        let encoder = Encoder::new(self.compression, self.level)?;
        Ok(encoder.map_or_else(|| Compression::None.to_string(), |encoder| encoder.to_string()))
    }
}

/// A finished layer: what a manifest and a configuration say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the tar stream (OCI image-spec, `config.md`, "Layer DiffID").
    pub diff_id: Digest,
    /// Length of the tar stream in bytes.
    pub diff_size: u64,
    /// Digest of the blob.
    pub digest: Digest,
    /// Length of the blob in bytes.
    pub size: u64,
    /// How the blob is compressed.
    pub compression: Compression,
}

/// Why a layer could not be written. The blob is incomplete then, and does not
/// look complete: its end is written last.
#[derive(Debug, thiserror::Error)]
pub enum LayerError<E> {
    /// The options ask for what there is not.
    #[error(transparent)]
    Options(#[from] EncoderError),
    /// Whoever fills the layer failed.
    #[error(transparent)]
    Fill(E),
    /// A thread could not be started.
    #[error("a thread for writing the layer cannot be started")]
    Thread(#[source] io::Error),
    /// The layer cannot be compressed.
    #[error("the layer cannot be compressed")]
    Encode(#[source] io::Error),
    /// The blob cannot be written.
    #[error("the layer's blob cannot be written")]
    Blob(#[source] io::Error),
    /// The blob that was made before is not what it was. Without it, all goes well.
    #[error("a layer that was kept cannot be used")]
    Known(#[source] io::Error),
}

/// A blob that was made before, with the same [epoch](LayerOptions::epoch).
pub struct Known<'a> {
    /// What it consists of.
    pub pieces: &'a Pieces,
    /// Opens it. Whoever does has compared it with its digest.
    pub open: Box<dyn FnOnce() -> io::Result<File> + Send + 'a>,
}

impl std::fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("pieces", self.pieces).finish_non_exhaustive()
    }
}

/// A layer that was written upon one that is [`Known`].
#[derive(Debug)]
pub enum Written<W> {
    /// It is another.
    New {
        /// The layer.
        layer: Layer,
        /// Its blob.
        blob: W,
        /// What the blob consists of; nothing of a layer that is not compressed.
        pieces: Option<Pieces>,
    },
    /// It is the very same: nothing was written, and its blob was not opened.
    Same(Layer),
}

/// Writes a layer to `blob`, and hands `blob` back.
///
/// `fill` writes the tar stream, in the calling thread. gzip becomes one member
/// of independent chunks, each ended by a sync flush, for readers that stop
/// after the first member; zstd becomes independent frames.
///
/// At most `3 * threads + 6` chunks of 1 MiB, 4 MiB for zstd, are in memory at
/// a time. An allocator that keeps what was freed can make two to three times
/// that of it.
///
/// On an error all threads have ended and the first cause is returned. An error
/// that `fill` got from writing is the consequence of another, which is returned
/// instead. A panic in a thread goes on in the caller.
pub fn write_layer<W, E>(
    blob: W,
    options: &LayerOptions,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(Layer, W), LayerError<E>>
where
    W: Write + Send,
{
    match write_layer_upon(blob, options, None, fill)? {
        Written::New { layer, blob, .. } => Ok((layer, blob)),
        Written::Same(_) => {
            Err(LayerError::Encode(io::Error::other("a layer is like one that is not known")))
        }
    }
}

/// As [`write_layer`], taking from a blob that is known what the layer has in common with it.
pub fn write_layer_upon<W, E>(
    blob: W,
    options: &LayerOptions,
    known: Option<Known<'_>>,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<Written<W>, LayerError<E>>
where
    W: Write + Send,
{
    let compression = options.compression;
    let encoder = Encoder::new(compression, options.level)?;
    let chunk_size = encoder.map_or(PLAIN_CHUNK, Encoder::chunk_size);
    let header = encoder.map_or(&[][..], Encoder::header);
    let encode = encoder.map(|encoder| move |chunk: &[u8]| encoder.encode(chunk));
    let threads = options.threads.get().min(MAX_THREADS);
    let stop = AtomicBool::new(false);
    // What is not compressed is written as fast as it is read.
    let known = known.filter(|_| encoder.is_some());
    let pieces = known.as_ref().map(|known| known.pieces);
    let (hashed, mut written) = thread::scope(|scope| {
        let parts = Parts { blob, header, known, chunk_size, threads, encode };
        Pipeline::start(scope, &stop, parts).map_err(LayerError::Thread)?.run(fill)
    })?;
    let layer =
        |digest, size| Layer { diff_id: hashed.diff_id, diff_size: hashed.size, digest, size, compression };
    if let Some(pieces) = pieces.filter(|_| written.is_known()) {
        return Ok(Written::Same(pieces.layer(compression)));
    }
    if let Some(encoder) = encoder {
        let trailer = encoder.trailer(written.crc.clone(), hashed.size).map_err(LayerError::Encode)?;
        written.write(&trailer).map_err(LayerError::Blob)?;
    }
    let all = written.take_pieces();
    let (blob, digest, size) = written.finish().map_err(LayerError::Blob)?;
    let digest = digest.unwrap_or(hashed.diff_id);
    let pieces = encoder.map(|_| Pieces { digest, size, all });
    Ok(Written::New { layer: layer(digest, size), blob, pieces })
}

impl<E> From<Stop> for LayerError<E> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Encode(error) => Self::Encode(error),
            Stop::Blob(error) => Self::Blob(error),
            Stop::Known(error) => Self::Known(error),
            Stop::Abandoned => Self::Encode(io::Error::other("the compressing threads have ended")),
        }
    }
}

#[cfg(test)]
mod tests;
