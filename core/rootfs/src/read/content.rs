//! The content of the current entry, holes filled in.

use std::io::Read;

use super::error::{Name, Place, ReadError};
use super::input::Input;
use super::sparse::Extent;
use crate::header::padding;

/// What is left of an entry's content.
#[derive(Debug)]
pub(super) struct Content {
    place: Place,
    /// The stored parts, in order.
    map: Vec<Extent>,
    /// The first of `map` that is not read to its end.
    next: usize,
    /// Bytes of the file handed out so far.
    position: u64,
    /// Length of the file with holes.
    size: u64,
    /// Stored bytes not read yet.
    stored: u64,
    /// Padding behind them.
    padding: u64,
    /// Content with padding that the header announced but may not follow.
    pub(super) doubtful: u64,
}

impl Content {
    /// No content, as before the first entry.
    pub(super) fn none() -> Self {
        Self::new(Place::Entry(Name::new(b"")), Vec::new(), 0, 0)
    }

    /// A file of `size` bytes of which `stored` follow, laid out as in `map`.
    pub(super) fn new(place: Place, map: Vec<Extent>, size: u64, stored: u64) -> Self {
        let padding = padding(stored);
        Self { place, map, next: 0, position: 0, size, stored, padding, doubtful: 0 }
    }

    /// A file stored as a whole.
    pub(super) fn whole(place: Place, size: u64) -> Self {
        Self::new(place, vec![Extent { offset: 0, length: size }], size, size)
    }

    /// `stored` bytes that nobody reads.
    pub(super) fn skipped(place: Place, stored: u64) -> Self {
        Self::new(place, Vec::new(), 0, stored)
    }

    /// `announced` bytes that may or may not follow.
    pub(super) fn doubtful(place: Place, announced: u64) -> Self {
        Self { doubtful: announced + padding(announced), ..Self::skipped(place, 0) }
    }

    /// The next bytes of the file; 0 at its end.
    pub(super) fn read<R: Read>(&mut self, input: &mut Input<R>, buf: &mut [u8]) -> Result<usize, ReadError> {
        while self.map.get(self.next).is_some_and(|part| part.offset + part.length <= self.position) {
            self.next += 1;
        }
        let part = self.map.get(self.next);
        let stored = part.filter(|part| part.offset <= self.position);
        let end = match (stored, part) {
            (Some(part), _) => part.offset + part.length,
            (None, Some(part)) => part.offset,
            (None, None) => self.size,
        };
        let length = usize::try_from(end - self.position).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..length];
        let count = match stored {
            _ if length == 0 => 0,
            Some(_) => self.read_stored(input, buf)?,
            None => {
                buf.fill(0);
                length
            }
        };
        self.position += count as u64;
        Ok(count)
    }

    fn read_stored<R: Read>(&mut self, input: &mut Input<R>, buf: &mut [u8]) -> Result<usize, ReadError> {
        let count = input.read(buf)?;
        if count == 0 {
            return Err(input.truncated(&self.place));
        }
        self.stored -= count as u64;
        Ok(count)
    }

    /// Reads and drops what is left, with the padding.
    pub(super) fn skip<R: Read>(&mut self, input: &mut Input<R>) -> Result<(), ReadError> {
        let left = std::mem::take(&mut self.stored) + std::mem::take(&mut self.padding);
        self.position = self.size;
        input.skip(left, &self.place)
    }
}
