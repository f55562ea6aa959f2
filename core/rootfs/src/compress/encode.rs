//! Encoding in chunks that know nothing of each other.
//!
//! A chunk's bytes follow from its content and the level alone, whoever encodes
//! it and whatever was encoded before: each gets a fresh encoder. Resetting one
//! and giving it a dictionary is not the same, as the encoder then sees bytes
//! that an earlier chunk left in its window.

use std::cell::RefCell;
use std::fmt;
use std::io;

use flate2::{Compress, FlushCompress, Status};

use super::Compression;

/// The gzip level unless one is asked for: a quarter less time than level 6 for
/// 1.8 % more bytes. Below it, a layer is longer than other tools make it.
pub const GZIP_LEVEL: i32 = 4;

/// The zstd level unless one is asked for: its own default.
pub const ZSTD_LEVEL: i32 = 3;

/// Version of the deflate encoder in use. Another one may yield other bytes,
/// so it is part of [`LayerOptions::epoch`](crate::LayerOptions::epoch).
pub const ZLIB_RS_VERSION: &str = "0.6.8";

/// Bytes per gzip chunk. Costs 0.16 % in size against no chunks at all, and
/// keeps every thread busy from a few MiB on.
const GZIP_CHUNK: usize = 1 << 20;

/// Bytes per zstd frame. Larger than a gzip chunk because a frame cannot refer
/// to the one before it, and zstd gains more from a long memory.
const ZSTD_CHUNK: usize = 4 << 20;

/// Header of the only gzip member (RFC 1952, 2.3.1): deflate, no name, no time,
/// no remark on the level, operating system unknown.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The last deflate block, with nothing in it (RFC 1951, 3.2.6). The sync flush
/// before it ended on a byte boundary.
const DEFLATE_END: [u8; 2] = [0x03, 0x00];

/// Why a stream cannot be encoded as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncoderError {
    /// A compression that is only read.
    #[error("layers cannot be compressed with {0}: expected none, gzip or zstd")]
    Unsupported(Compression),
    /// A level the compression does not have.
    #[error("{compression} has no level {level}: expected {lowest} to {highest}")]
    Level {
        /// The compression asked for.
        compression: Compression,
        /// The level asked for.
        level: i32,
        /// The fastest one there is.
        lowest: i32,
        /// The smallest one there is.
        highest: i32,
    },
    /// A level without a compression.
    #[error("level {0} given for a layer that is not compressed")]
    NothingToLevel(i32),
}

/// Encodes chunks, and frames them into one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoder {
    Gzip { level: i32 },
    Zstd { level: i32 },
}

/// An encoded chunk.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) data: Vec<u8>,
    /// CRC-32 of what was encoded, to be combined in order; untouched for zstd.
    pub(crate) crc: crc32fast::Hasher,
}

impl Encoder {
    /// The encoder for `compression`; `None` if there is nothing to encode.
    pub(crate) fn new(compression: Compression, level: Option<i32>) -> Result<Option<Self>, EncoderError> {
        let check = |default, lowest, highest| match level.unwrap_or(default) {
            level if (lowest..=highest).contains(&level) => Ok(level),
            level => Err(EncoderError::Level { compression, level, lowest, highest }),
        };
        match (compression, level) {
            (Compression::None, None) => Ok(None),
            (Compression::None, Some(level)) => Err(EncoderError::NothingToLevel(level)),
            // Not level 0: it only stores, and where its blocks end depends on the output buffer.
            (Compression::Gzip, _) => Ok(Some(Self::Gzip { level: check(GZIP_LEVEL, 1, 9)? })),
            // Not above 19: those only enlarge the window, and a frame is smaller than it anyway.
            (Compression::Zstd, _) => Ok(Some(Self::Zstd { level: check(ZSTD_LEVEL, 1, 19)? })),
            (Compression::Xz | Compression::Bzip2, _) => Err(EncoderError::Unsupported(compression)),
        }
    }

    /// Bytes in each chunk but the last.
    pub(crate) fn chunk_size(self) -> usize {
        match self {
            Self::Gzip { .. } => GZIP_CHUNK,
            Self::Zstd { .. } => ZSTD_CHUNK,
        }
    }

    /// What comes before the first chunk.
    pub(crate) fn header(self) -> &'static [u8] {
        match self {
            Self::Gzip { .. } => &GZIP_HEADER,
            Self::Zstd { .. } => &[],
        }
    }

    /// Encodes one chunk.
    pub(crate) fn encode(self, chunk: &[u8]) -> io::Result<Encoded> {
        let mut crc = crc32fast::Hasher::new();
        let data = match self {
            Self::Gzip { level } => {
                crc.update(chunk);
                deflate(chunk, level)?
            }
            // The frame says how long its content is, and no checksum: the layer's digest covers it.
            Self::Zstd { level } => zstd_frame(chunk, level)?,
        };
        Ok(Encoded { data, crc })
    }

    /// What comes after the last chunk of `size` bytes in all.
    pub(crate) fn trailer(self, crc: crc32fast::Hasher, size: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip { .. } => {
                // RFC 1952, 2.3.1: ISIZE is the length modulo 2^32.
                let (crc, size) = (crc.finalize().to_le_bytes(), (size as u32).to_le_bytes());
                Ok([&DEFLATE_END[..], &crc, &size].concat())
            }
            // No bytes at all are no zstd stream; an empty frame is one.
            Self::Zstd { .. } if size == 0 => Ok(self.encode(&[])?.data),
            Self::Zstd { .. } => Ok(Vec::new()),
        }
    }
}

/// Encoder, version, level and chunk size: all that decides on the bytes.
impl fmt::Display for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chunk = self.chunk_size() >> 20;
        match self {
            Self::Gzip { level } => {
                write!(f, "gzip: zlib-rs {ZLIB_RS_VERSION}, level {level}, {chunk} MiB chunks")
            }
            Self::Zstd { level } => {
                let version = zstd::zstd_safe::version_string();
                write!(f, "zstd: libzstd {version}, level {level}, {chunk} MiB frames")
            }
        }
    }
}

thread_local! {
    /// A compressor of zstd's with its level. Its memory is larger than a chunk, and having the
    /// kernel clear it anew for each took a tenth of the time. A frame knows nothing of what was
    /// compressed before it with the same one.
    static COMPRESSOR: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
}

/// Compresses `chunk` into a frame of its own.
fn zstd_frame(chunk: &[u8], level: i32) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some((known, compressor)) if *known == level => compressor,
            other => &mut other.insert((level, zstd::bulk::Compressor::new(level)?)).1,
        };
        compressor.compress(chunk)
    })
}

/// Deflates `chunk` and ends it with a sync flush, but does not end the stream.
fn deflate(chunk: &[u8], level: i32) -> io::Result<Vec<u8>> {
    // A literal takes nine bits at most where deflating does not pay; the rest
    // is for block headers and the flush. All in one call: a flush that runs
    // out of room is repeated, and then leaves more marks than one.
    let mut out = Vec::with_capacity(chunk.len() + chunk.len() / 8 + 1024);
    let mut encoder = Compress::new(flate2::Compression::new(level.unsigned_abs()), false);
    let status = encoder.compress_vec(chunk, &mut out, FlushCompress::Sync)?;
    if status != Status::Ok || encoder.total_in() != chunk.len() as u64 || out.len() == out.capacity() {
        return Err(io::Error::other("deflated data outgrew its buffer"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn levels_are_checked() {
        let encoder = |compression, level| Encoder::new(compression, level);
        assert_eq!(encoder(Compression::Gzip, None), Ok(Some(Encoder::Gzip { level: 4 })));
        assert_eq!(encoder(Compression::Zstd, Some(19)), Ok(Some(Encoder::Zstd { level: 19 })));
        assert_eq!(encoder(Compression::None, None), Ok(None));
        for (compression, level) in [
            (Compression::Gzip, Some(0)),
            (Compression::Gzip, Some(10)),
            (Compression::Zstd, Some(-1)),
            (Compression::Zstd, Some(20)),
            (Compression::None, Some(1)),
            (Compression::Xz, None),
        ] {
            assert!(encoder(compression, level).is_err(), "{compression} {level:?}");
        }
        let error = encoder(Compression::Gzip, Some(12)).unwrap_err();
        assert_eq!(error.to_string(), "gzip has no level 12: expected 1 to 9");
    }

    #[test]
    fn a_frame_is_the_same_whatever_was_compressed_before() {
        let mut state = 7_u64;
        let mut sample = |mask: u8, len: usize| -> Vec<u8> {
            let mut step = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8 & mask
            };
            (0..len).map(|_| step()).collect()
        };
        // Noise, text of few letters, repetitions, nothing, and a full chunk.
        let mut samples =
            vec![sample(0xff, 300_000), sample(3, 700_000), sample(15, 1000).repeat(900), Vec::new()];
        samples.push(sample(1, ZSTD_CHUNK));
        for level in [1, 3, 5, 9] {
            let encoder = Encoder::Zstd { level };
            let fresh = |data: &[u8]| zstd::bulk::compress(data, level).unwrap();
            for data in samples.iter().chain(samples.iter().rev()) {
                assert!(
                    encoder.encode(data).unwrap().data == fresh(data),
                    "level {level}, {} bytes",
                    data.len()
                );
            }
        }
    }

    #[test]
    fn noise_fits_its_buffer_at_every_level() {
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(200_000)
        .collect();
        for level in 1..=9 {
            for data in [&noise[..], &noise[..1], &[], &vec![255; 200_000]] {
                let out = deflate(data, level).unwrap();
                assert!(out.ends_with(&[0, 0, 0xff, 0xff]), "ends with a sync flush");
            }
        }
    }

    /// The version named is the one built. Where the crate is built by itself,
    /// no lock file says what that is.
    #[test]
    fn names_the_version_in_use() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
        let Ok(lock) = std::fs::read_to_string(lock) else { return };
        let package = format!("name = \"zlib-rs\"\nversion = \"{ZLIB_RS_VERSION}\"");
        assert!(lock.contains(&package), "ZLIB_RS_VERSION is not the version in Cargo.lock");
    }

    /// If this fails, layers get other digests than before: say so in the
    /// release notes. It also fails if another crate in the build makes flate2
    /// use another encoder.
    #[test]
    fn bytes_do_not_change_unnoticed() {
        let data: Vec<u8> = (0..300_000u32).flat_map(|i| (i.wrapping_mul(i) / 3500).to_be_bytes()).collect();
        let digest = |encoder: Encoder| Digest::of(&encoder.encode(&data).unwrap().data).hex();
        let gzip = Encoder::Gzip { level: GZIP_LEVEL };
        let zstd = Encoder::Zstd { level: ZSTD_LEVEL };
        assert_eq!(gzip.to_string(), "gzip: zlib-rs 0.6.8, level 4, 1 MiB chunks");
        assert_eq!(digest(gzip), "9b216d6ef9422b5515ccd1fa7108895f396acc54d4ec76da7888a698f2693d0e");
        assert_eq!(zstd.to_string(), "zstd: libzstd 1.5.7, level 3, 4 MiB frames");
        assert_eq!(digest(zstd), "412e70d83d7c2fcc31caec4ded0831b26863b33186f837ede29b476ddcc94d06");
    }
}
