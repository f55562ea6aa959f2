//! The stream under a reader: blocks, exact lengths, and how far it got.

use std::io::{self, Read};

use super::error::{Place, ReadError};
use crate::header::{BLOCK, Header, padding};

/// A stream that knows its position, which errors name.
#[derive(Debug)]
pub(super) struct Input<R> {
    pub(super) inner: R,
    /// Bytes read so far.
    pub(super) offset: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, offset: 0 }
    }

    /// One read of the stream; 0 at its end.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            match self.inner.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError::Io { offset: self.offset, source }),
                // A stream that claims more than it was given room for is
                // broken; believing it would break the arithmetic here.
                Ok(count) => {
                    let count = count.min(buf.len());
                    self.offset = self.offset.saturating_add(count as u64);
                    return Ok(count);
                }
            }
        }
    }

    /// Fills `buf` unless the stream ends; the bytes that came.
    pub(super) fn fill(&mut self, buf: &mut [u8]) -> Result<usize, ReadError> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read(&mut buf[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// The next block; `None` if the stream ends right before it.
    pub(super) fn block(&mut self) -> Result<Option<Header>, ReadError> {
        let start = self.offset;
        let mut header = Header::zeroed();
        match self.fill(&mut header.0)? {
            0 => Ok(None),
            BLOCK => Ok(Some(header)),
            _ if start == 0 => Err(ReadError::NotTar),
            _ => Err(ReadError::Truncated { place: Place::Header(start), offset: self.offset }),
        }
    }

    /// The next block of something that is known to go on.
    pub(super) fn block_of(&mut self, place: &Place) -> Result<Header, ReadError> {
        let mut block = Header::zeroed();
        match self.fill(&mut block.0)? {
            BLOCK => Ok(block),
            _ => Err(self.truncated(place)),
        }
    }

    /// The content of an extended header, without its padding. The memory
    /// grows with what comes, not with what was announced.
    pub(super) fn content(&mut self, size: u64, place: &Place) -> Result<Vec<u8>, ReadError> {
        let mut data = Vec::new();
        let offset = self.offset;
        let mut limited = (&mut self.inner).take(size);
        let result = limited.read_to_end(&mut data);
        self.offset = offset.saturating_add(data.len() as u64);
        result.map_err(|source| ReadError::Io { offset: self.offset, source })?;
        if (data.len() as u64) < size {
            return Err(self.truncated(place));
        }
        self.skip(padding(size), place)?;
        Ok(data)
    }

    /// Reads and drops `count` bytes.
    pub(super) fn skip(&mut self, mut count: u64, place: &Place) -> Result<(), ReadError> {
        let mut scratch = [0; 16 * 1024];
        while count > 0 {
            let length = scratch.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            match self.read(&mut scratch[..length])? {
                0 => return Err(self.truncated(place)),
                done => count -= done as u64,
            }
        }
        Ok(())
    }

    pub(super) fn truncated(&self, place: &Place) -> ReadError {
        ReadError::Truncated { place: place.clone(), offset: self.offset }
    }
}
