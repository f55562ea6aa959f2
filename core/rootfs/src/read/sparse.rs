//! Sparse files: which parts of a file were stored, and which are holes.
//!
//! GNU tar has written four forms (GNU tar manual, "Storing Sparse Files"):
//! its own type `S` with the map in the header and in blocks after it, and
//! three sets of PAX records, of which 1.0 puts the map before the content.

use std::io::Read;

use super::error::{Fault, Place, ReadError};
use super::input::Input;
use crate::header::{BLOCK, Header, parse_number};
use crate::pax::parse_decimal;

/// Where the maps of type `S` lie: pairs of offset and length, 12 bytes each.
const OLD_MAP: std::ops::Range<usize> = 386..482;
const OLD_MORE: usize = 482;
const OLD_SIZE: std::ops::Range<usize> = 483..495;
const OLD_FURTHER_MAP: std::ops::Range<usize> = 0..504;
const OLD_FURTHER_MORE: usize = 504;

/// A part of a file that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where it lies in the file.
    pub(super) offset: u64,
    /// Its length in bytes.
    pub(super) length: u64,
}

/// How a file lies in the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// As a whole.
    #[default]
    Whole,
    /// Type `S`.
    Old,
    /// PAX 0.0 and 0.1: the map came in records.
    Listed {
        /// The length with holes.
        size: u64,
        /// The map.
        map: Vec<Extent>,
    },
    /// PAX 1.0: the map comes before the content.
    Leading {
        /// The length with holes.
        size: u64,
    },
}

/// The `GNU.sparse.*` records of one extended header.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    /// The real name; `path` holds a made-up one then.
    pub(super) name: Option<Vec<u8>>,
    version: (Option<u64>, Option<u64>),
    size: Option<u64>,
    count: Option<u64>,
    /// The offset whose length has not come yet (0.0).
    offset: Option<u64>,
    map: Vec<Extent>,
}

impl Records {
    /// Takes in the record `GNU.sparse.{key}`.
    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        if key == b"name" {
            self.name = Some(value.to_vec());
            return Ok(());
        }
        if key == b"map" {
            self.map = listed(value)?;
            return Ok(());
        }
        let number = Some(parse_decimal(value).ok_or(Fault::Sparse("a value is not a number"))?);
        match key {
            b"major" => self.version.0 = number,
            b"minor" => self.version.1 = number,
            b"size" | b"realsize" => self.size = number,
            b"numblocks" => self.count = number,
            b"offset" if self.offset.is_none() => self.offset = number,
            b"numbytes" => {
                let (offset, length) =
                    self.offset.take().zip(number).ok_or(Fault::Sparse("a length without an offset"))?;
                self.map.push(Extent { offset, length });
            }
            _ => return Err(Fault::Sparse("an unknown or repeated record")),
        }
        Ok(())
    }

    /// What the records say together.
    pub(super) fn form(self) -> Result<Form, Fault> {
        let size = self.size.ok_or(Fault::Sparse("the size is missing"))?;
        match self.version {
            (Some(1), Some(0)) if self.map.is_empty() && self.offset.is_none() => Ok(Form::Leading { size }),
            (None, None) | (Some(0), Some(0 | 1)) => {
                let counted = self.count.is_none_or(|count| count == self.map.len() as u64);
                if !counted || self.offset.is_some() {
                    return Err(Fault::Sparse("parts are missing"));
                }
                Ok(Form::Listed { size, map: self.map })
            }
            _ => Err(Fault::Sparse("the version is unknown")),
        }
    }
}

/// The map of 0.1: `offset,length,offset,length`.
fn listed(value: &[u8]) -> Result<Vec<Extent>, Fault> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let mut numbers = value.split(|&b| b == b',').map(parse_decimal);
    let mut map = Vec::new();
    while let Some(offset) = numbers.next() {
        let length = numbers.next().flatten();
        let (offset, length) = offset.zip(length).ok_or(Fault::Sparse("the list is not made of pairs"))?;
        map.push(Extent { offset, length });
    }
    Ok(map)
}

/// Checks a map against the length of the file and the bytes stored: parts in
/// order, none over another, none beyond the end, none missing.
pub(super) fn check(map: &[Extent], size: u64, stored: u64) -> Result<(), Fault> {
    // The bound of `off_t`, as for other files.
    i64::try_from(size).map_err(|_| Fault::OutOfRange("size"))?;
    let mut end = 0_u64;
    let mut covered = 0_u64;
    for part in map {
        if part.offset < end {
            return Err(Fault::Sparse("parts overlap"));
        }
        end = part.offset.checked_add(part.length).ok_or(Fault::Sparse("a part is too long"))?;
        // Parts do not overlap, so their sum is at most their end.
        covered += part.length;
    }
    if end > size {
        return Err(Fault::Sparse("a part lies beyond the end of the file"));
    }
    if covered != stored {
        return Err(Fault::Sparse("its parts are not as long as what is stored"));
    }
    Ok(())
}

/// Reads the map of type `S`: the file's size and its parts.
pub(super) fn read_old<R: Read>(
    input: &mut Input<R>,
    header: &Header,
    limit: u64,
    place: &Place,
) -> Result<(u64, Vec<Extent>), ReadError> {
    let refused = |fault| ReadError::Refused { place: place.clone(), fault };
    let size = old_number(&header.0[OLD_SIZE]).map_err(refused)?;
    let mut map = Vec::new();
    let mut complete = old_parts(&header.0[OLD_MAP], &mut map).map_err(refused)?;
    let mut more = header.0[OLD_MORE] != 0;
    let mut room = limit / BLOCK as u64;
    while more {
        if complete {
            return Err(refused(Fault::Sparse("it goes on after its end")));
        }
        room = room.checked_sub(1).ok_or_else(|| refused(Fault::ExtensionTooLong(limit)))?;
        let block = input.block_of(place)?;
        complete = old_parts(&block.0[OLD_FURTHER_MAP], &mut map).map_err(refused)?;
        more = block.0[OLD_FURTHER_MORE] != 0;
    }
    Ok((size, map))
}

/// Takes in pairs up to an empty one; whether there was one.
fn old_parts(fields: &[u8], map: &mut Vec<Extent>) -> Result<bool, Fault> {
    for pair in fields.as_chunks::<24>().0 {
        let (offset, length) = pair.split_at(12);
        if length[0] == 0 {
            return Ok(true);
        }
        map.push(Extent { offset: old_number(offset)?, length: old_number(length)? });
    }
    Ok(false)
}

fn old_number(field: &[u8]) -> Result<u64, Fault> {
    let number = parse_number(field).map_err(|_| Fault::Sparse("a field is not a number"))?;
    u64::try_from(number).map_err(|_| Fault::Sparse("a field is negative"))
}

/// Reads the map of PAX 1.0 from the first blocks of the content: decimal
/// numbers, each on a line, their count first. Returns it with the bytes it took.
pub(super) fn read_leading<R: Read>(
    input: &mut Input<R>,
    stored: u64,
    limit: u64,
    place: &Place,
) -> Result<(u64, Vec<Extent>), ReadError> {
    let mut lines = Lines { input, place, room: stored.min(limit), limit, block: None, used: 0, taken: 0 };
    let count = lines.number()?;
    let mut map = Vec::new();
    for _ in 0..count {
        map.push(Extent { offset: lines.number()?, length: lines.number()? });
    }
    Ok((lines.taken, map))
}

/// The lines of a leading map, block by block.
struct Lines<'a, R> {
    input: &'a mut Input<R>,
    place: &'a Place,
    /// Bytes that may still be read.
    room: u64,
    limit: u64,
    block: Option<Header>,
    /// Bytes of `block` that were used up.
    used: usize,
    /// Bytes read in all.
    taken: u64,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> Result<u64, ReadError> {
        let mut digits = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                digit if digits.len() < 20 => digits.push(digit),
                _ => return Err(self.refused(Fault::Sparse("a line is too long"))),
            }
        }
        parse_decimal(&digits).ok_or_else(|| self.refused(Fault::Sparse("a line is not a number")))
    }

    fn byte(&mut self) -> Result<u8, ReadError> {
        if let Some(byte) = self.block.as_ref().and_then(|block| block.0.get(self.used)) {
            self.used += 1;
            return Ok(*byte);
        }
        let size = BLOCK as u64;
        self.room = self.room.checked_sub(size).ok_or_else(|| match self.taken + size > self.limit {
            true => self.refused(Fault::ExtensionTooLong(self.limit)),
            false => self.refused(Fault::Sparse("it is longer than the content")),
        })?;
        let block = self.input.block_of(self.place)?;
        let first = block.0[0];
        (self.block, self.used, self.taken) = (Some(block), 1, self.taken + size);
        Ok(first)
    }

    fn refused(&self, fault: Fault) -> ReadError {
        ReadError::Refused { place: self.place.clone(), fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(pairs: &[(u64, u64)]) -> Vec<Extent> {
        pairs.iter().map(|&(offset, length)| Extent { offset, length }).collect()
    }

    fn records(pairs: &[(&str, &str)]) -> Result<Form, Fault> {
        let mut records = Records::default();
        for (key, value) in pairs {
            records.set(key.as_bytes(), value.as_bytes())?;
        }
        records.form()
    }

    #[test]
    fn maps_must_fit_the_file() {
        assert_eq!(check(&parts(&[(0, 5), (5, 5), (20, 0)]), 20, 10), Ok(()));
        assert_eq!(check(&[], 7, 0), Ok(()), "all hole");
        for (map, size, stored) in [
            (&[(5, 5), (0, 5)][..], 20, 10),
            (&[(0, 6), (5, 5)], 20, 11),
            (&[(16, 5)], 20, 5),
            (&[(0, 5)], 20, 6),
            (&[(u64::MAX, 2)], 20, 2),
            (&[(1, u64::MAX)], 20, u64::MAX),
            (&[], 1 << 63, 0),
        ] {
            assert!(check(&parts(map), size, stored).is_err(), "{map:?} of {size}");
        }
    }

    #[test]
    fn records_of_every_version() {
        let map = parts(&[(1, 2), (9, 0)]);
        let listed = Ok(Form::Listed { size: 9, map });
        assert_eq!(records(&[("size", "9"), ("numblocks", "2"), ("map", "1,2,9,0")]), listed);
        let pairs = [("size", "9"), ("offset", "1"), ("numbytes", "2"), ("offset", "9"), ("numbytes", "0")];
        assert_eq!(records(&pairs), listed);
        assert_eq!(
            records(&[("major", "1"), ("minor", "0"), ("realsize", "9")]),
            Ok(Form::Leading { size: 9 })
        );
    }

    #[test]
    fn records_that_contradict_themselves() {
        for pairs in [
            &[("name", "x")][..],
            &[("map", "1,2")],
            &[("size", "x")],
            &[("size", "9"), ("map", "1")],
            &[("size", "9"), ("map", "1,2,")],
            &[("size", "9"), ("numblocks", "2"), ("map", "1,2")],
            &[("size", "9"), ("offset", "1")],
            &[("size", "9"), ("offset", "1"), ("offset", "2")],
            &[("size", "9"), ("numbytes", "1")],
            &[("size", "9"), ("major", "2"), ("minor", "0")],
            &[("size", "9"), ("major", "1"), ("minor", "0"), ("map", "1,2")],
            &[("size", "9"), ("other", "1")],
        ] {
            assert!(records(pairs).is_err(), "{pairs:?}");
        }
    }
}
