//! The gzip members that an index or a package is a row of.
//!
//! Signatures and digests are those of the compressed bytes of a member, so where one ends
//! is known to the byte, and its bytes are hashed as they are read (apk-package(5)).

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use sha1_checked::{Digest as _, Sha1};
use sha2::{Digest as _, Sha256};

/// Why members cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The bytes are no gzip, cut off, or damaged.
    #[error("its {member} cannot be decompressed")]
    Gzip {
        /// What the member is.
        member: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Decompressed it is larger than such a member ever is.
    #[error("its {member} has more than {limit} bytes")]
    TooLarge {
        /// What the member is.
        member: &'static str,
        /// In bytes.
        limit: u64,
    },
    /// It is compressed from bytes that also give another member's digest.
    #[error("its {member} is made so that other data has the same SHA-1")]
    Collision {
        /// What the member is.
        member: &'static str,
    },
}

/// Passes bytes on, and hashes those that were used.
#[derive(Debug)]
pub struct Tap<R> {
    inner: R,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
    /// Bytes used since the hashing began.
    count: u64,
}

/// Which digests are wanted of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sums {
    /// None.
    None,
    /// SHA-1: a package's identity.
    Sha1,
    /// SHA-256: `datahash`.
    Sha256,
}

/// A member's digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// Where it was asked for.
    pub sha1: Option<[u8; 20]>,
    /// Where it was asked for.
    pub sha256: Option<[u8; 32]>,
    /// Compressed bytes of the member.
    pub size: u64,
}

impl<R: BufRead> Tap<R> {
    /// Over `inner`.
    pub fn new(inner: R) -> Self {
        Self { inner, sha1: None, sha256: None, count: 0 }
    }

    fn begin(&mut self, sums: Sums) {
        self.sha1 = (sums == Sums::Sha1).then(Sha1::new);
        self.sha256 = (sums == Sums::Sha256).then(Sha256::new);
        self.count = 0;
    }

    /// What was hashed; `None` where it was made for a collision.
    fn end(&mut self) -> Option<Sum> {
        let sha1 = match self.sha1.take().map(Sha1::try_finalize) {
            Some(result) if result.has_collision() => return None,
            result => result.map(|result| (*result.hash()).into()),
        };
        let sha256 = self.sha256.take().map(|hasher| hasher.finalize().into());
        Some(Sum { sha1, sha256, size: self.count })
    }

    /// Whether there is nothing more.
    pub fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.inner.fill_buf()?.is_empty())
    }

    /// What lies below, wherever it stands.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: BufRead> Read for Tap<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buf.len());
        buf[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Tap<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // What is to be consumed is in the buffer already, so this reads nothing.
        if let Ok(buffer) = self.inner.fill_buf() {
            let used = &buffer[..count.min(buffer.len())];
            if let Some(sha1) = &mut self.sha1 {
                sha1.update(used);
            }
            if let Some(sha256) = &mut self.sha256 {
                sha256.update(used);
            }
        }
        self.count += count as u64;
        self.inner.consume(count);
    }
}

/// Reads the next member, of at most `limit` bytes, into memory.
///
/// # Errors
///
/// If there is none, or it is damaged or larger.
pub fn read_member<R: BufRead>(
    tap: &mut Tap<R>,
    sums: Sums,
    member: &'static str,
    limit: u64,
) -> Result<(Vec<u8>, Sum), MemberError> {
    let mut content = Vec::new();
    let mut reader = open_member(tap, sums);
    let read = reader.by_ref().take(limit + 1).read_to_end(&mut content);
    read.map_err(|source| MemberError::Gzip { member, source })?;
    if content.len() as u64 > limit {
        return Err(MemberError::TooLarge { member, limit });
    }
    let sum = reader.finish().map_err(|source| MemberError::Gzip { member, source })?;
    Ok((content, sum.ok_or(MemberError::Collision { member })?))
}

/// One member, decompressed as it is read.
#[derive(Debug)]
pub struct Member<'a, R: BufRead>(GzDecoder<&'a mut Tap<R>>);

/// The next member.
pub fn open_member<R: BufRead>(tap: &mut Tap<R>, sums: Sums) -> Member<'_, R> {
    tap.begin(sums);
    Member(GzDecoder::new(tap))
}

impl<R: BufRead> Read for Member<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<R: BufRead> Member<'_, R> {
    /// What the member's compressed bytes come to; it must have been read to its end. `None` where
    /// they were made for a collision.
    ///
    /// # Errors
    ///
    /// If more is left of it than its checksum.
    pub fn finish(mut self) -> io::Result<Option<Sum>> {
        if self.0.read(&mut [0])? > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "there is more of it"));
        }
        Ok(self.0.into_inner().end())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn each_member_is_hashed_to_the_byte() {
        let (first, second) = (gzip(b"one"), gzip(&[7; 100_000]));
        let both = [&first[..], &second].concat();
        for capacity in [1, 7, 64 << 10] {
            let mut tap = Tap::new(io::BufReader::with_capacity(capacity, &both[..]));
            let (content, sum) = read_member(&mut tap, Sums::Sha1, "control", 10).unwrap();
            assert_eq!((&content[..], sum.size), (&b"one"[..], first.len() as u64));
            assert_eq!(sum.sha1.unwrap()[..], sha1_checked::Sha1::try_digest(&first).hash()[..]);
            let (content, sum) = read_member(&mut tap, Sums::Sha256, "data", 100_000).unwrap();
            assert_eq!(content.len(), 100_000);
            assert_eq!(sum.sha256.unwrap()[..], sha2::Sha256::digest(&second)[..]);
            assert!(tap.is_at_end().unwrap());
        }
    }

    #[test]
    fn bombs_cuts_and_damage_are_errors() {
        let bomb = gzip(&vec![0; 1 << 20]);
        let read = |bytes: &[u8]| read_member(&mut Tap::new(bytes), Sums::None, "control", 1000).unwrap_err();
        assert!(matches!(read(&bomb), MemberError::TooLarge { .. }));
        let whole = gzip(b"something");
        for end in 0..whole.len() {
            assert!(matches!(read(&whole[..end]), MemberError::Gzip { .. }), "{end}");
        }
        let mut damaged = whole;
        damaged[14] ^= 1;
        assert!(matches!(read(&damaged), MemberError::Gzip { .. }));
    }
}
