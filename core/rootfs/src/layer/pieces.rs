//! What is known of a blob that was made before, so that its pieces are used again.
//!
//! A chunk's bytes in a blob follow from the chunk alone. So where a stream has been the same as an
//! earlier one from its beginning, its blob is too, and nothing of that need be compressed. That it
//! is the same is told by the digest of the stream so far, which is computed anyway.

use super::Layer;
use crate::{Compression, Digest};

/// Bytes of a piece in [`Pieces::to_bytes`], and of what stands before the first.
const RECORD: usize = 48;
const HEAD: usize = 40;

/// A blob by its pieces: what it begins and ends with follows from those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Digest of the blob.
    pub digest: Digest,
    /// Length of the blob in bytes.
    pub size: u64,
    pub(super) all: Vec<Piece>,
}

/// A chunk of the stream, as it is in the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Digest of the stream up to the chunk's end.
    pub(super) upto: Digest,
    /// Where the piece ends in the blob.
    pub(super) end: u64,
    /// CRC-32 of the chunk.
    pub(super) crc: u32,
    /// Length of the chunk in bytes.
    pub(super) length: u32,
}

impl Pieces {
    /// The layer that the blob is, whose compression is the one that it was made with.
    pub fn layer(&self, compression: Compression) -> Layer {
        let diff_id = self.all.last().map_or_else(|| Digest::of(&[]), |piece| piece.upto);
        let diff_size = self.all.iter().map(|piece| u64::from(piece.length)).sum();
        Layer { diff_id, diff_size, digest: self.digest, size: self.size, compression }
    }

    /// As bytes, to be kept: digest and length of the blob, then 48 bytes for each piece; numbers
    /// with their lowest byte first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [&self.digest.as_bytes()[..], &self.size.to_le_bytes()].concat();
        for Piece { upto, end, crc, length } in &self.all {
            bytes.extend_from_slice(upto.as_bytes());
            bytes.extend_from_slice(&end.to_le_bytes());
            bytes.extend_from_slice(&crc.to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes
    }

    /// The same again; `None` of what cannot be that.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, records) = bytes.split_at_checked(HEAD)?;
        let (records, rest) = records.as_chunks::<RECORD>();
        let pieces = Self {
            digest: Digest::from_bytes(*head.first_chunk()?),
            size: u64::from_le_bytes(*head.last_chunk()?),
            all: records.iter().map(Piece::from_bytes).collect::<Option<_>>()?,
        };
        let ends = pieces.all.iter().map(|piece| piece.end);
        (rest.is_empty() && ends.clone().is_sorted() && ends.max().unwrap_or(0) <= pieces.size)
            .then_some(pieces)
    }
}

impl Piece {
    fn from_bytes(bytes: &[u8; RECORD]) -> Option<Self> {
        Some(Self {
            upto: Digest::from_bytes(*bytes.first_chunk()?),
            end: u64::from_le_bytes(*bytes[32..].first_chunk()?),
            crc: u32::from_le_bytes(*bytes[40..].first_chunk()?),
            length: u32::from_le_bytes(*bytes[44..].first_chunk()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_and_back() {
        let piece = |end| Piece { upto: Digest::of(b"x"), end, crc: 7, length: 9 };
        let pieces = |ends: &[u64]| Pieces {
            digest: Digest::of(b"blob"),
            size: 100,
            all: ends.iter().map(|&end| piece(end)).collect(),
        };
        for good in [&[][..], &[10], &[10, 100]] {
            assert_eq!(Pieces::from_bytes(&pieces(good).to_bytes()), Some(pieces(good)));
        }
        for bad in [&[101][..], &[20, 10]] {
            assert_eq!(Pieces::from_bytes(&pieces(bad).to_bytes()), None);
        }
        assert_eq!(Pieces::from_bytes(&pieces(&[10]).to_bytes()[..87]), None);
        assert_eq!(Pieces::from_bytes(b""), None);
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(pieces) = Pieces::from_bytes(&bytes) {
                prop_assert_eq!(pieces.to_bytes(), bytes);
            }
        }
    }
}
