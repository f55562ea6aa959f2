//! Headers: the form in which rpm keeps all that it knows of a package (rpm's
//! `docs/manual/format_header.md`).
//!
//! A header is a number of index entries of 16 bytes (tag, type, offset, count; big endian)
//! and the data that they point into. All of it is checked when it is read, so that what asks
//! it later gets an answer or nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};

use super::tag;

mod build;
pub mod entry;

const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
/// Bytes before the index: the magic, the number of entries, the size of the data.
const INTRO: usize = 16;
/// Bytes of an index entry.
const ENTRY: usize = 16;
/// As rpm (`HEADER_TAGS_MAX`).
const MAX_ENTRIES: u32 = 0xffff;
/// What the host verifies at most; rpm itself would take four times as much.
const MAX_DATA: u32 = 63 << 20;

/// A header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    bytes: Vec<u8>,
    slots: BTreeMap<u32, Slot>,
    data: usize,
}

/// Where the value of a tag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    kind: Kind,
    offset: usize,
    count: usize,
    /// Bytes of the whole value.
    size: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    /// Of so many bytes each.
    Number(usize),
    String,
    Binary,
    Strings,
}

/// Why bytes are no header.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It cannot be read, or it ends early.
    #[error("a header cannot be read")]
    Read(#[from] io::Error),
    /// It does not begin as one.
    #[error("it has no header where one must be")]
    Magic,
    /// It says that it is larger than any may be.
    #[error("a header has {entries} entries and {data} bytes, more than one may have")]
    Size {
        /// Its entries.
        entries: u32,
        /// Bytes of its data.
        data: u32,
    },
    /// An entry does not fit.
    #[error("tag {tag} of a header {what}")]
    Entry {
        /// The tag.
        tag: u32,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Header {
    /// Reads one header, from its magic to the end of its data.
    ///
    /// # Errors
    ///
    /// If there is none, or if anything in it does not fit.
    pub fn read(reader: &mut impl Read) -> Result<Self, HeaderError> {
        let (header, entries) = Self::read_any(reader)?;
        header.check_region(entries)?;
        Ok(header)
    }

    /// As [`Header::read`], also where there is more than its region has, with the number of entries.
    fn read_any(reader: &mut impl Read) -> Result<(Self, u32), HeaderError> {
        let mut intro = [0; INTRO];
        reader.read_exact(&mut intro)?;
        if intro[..8] != MAGIC {
            return Err(HeaderError::Magic);
        }
        let (entries, data) = (big_endian(&intro[8..12]), big_endian(&intro[12..16]));
        if entries == 0 || entries > MAX_ENTRIES || data > MAX_DATA {
            return Err(HeaderError::Size { entries, data });
        }
        let size = entries as usize * ENTRY + data as usize;
        let mut bytes = intro.to_vec();
        // What it says may be a lie: memory is taken as the bytes come.
        if reader.take(size as u64).read_to_end(&mut bytes)? < size {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut header = Self { bytes, slots: BTreeMap::new(), data: INTRO + entries as usize * ENTRY };
        header.index(entries as usize)?;
        Ok((header, entries))
    }

    /// Reads a header that is all of `bytes`, without the magic: as the package database has it,
    /// with what was added when the package was installed.
    ///
    /// # Errors
    ///
    /// As [`Header::read`].
    pub fn of_blob(blob: &[u8]) -> Result<Self, HeaderError> {
        Self::read_any(&mut MAGIC.chain(blob)).map(|(header, _)| header)
    }

    /// All of it: what its digests and signatures are of.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All of it but the magic: what the package database keeps.
    pub fn blob(&self) -> &[u8] {
        &self.bytes[MAGIC.len()..]
    }

    /// Whether it has the tag.
    pub fn has(&self, tag: u32) -> bool {
        self.slots.contains_key(&tag)
    }

    /// The number of values of the tag; 0 where it is not there.
    pub fn count(&self, tag: u32) -> usize {
        self.slots.get(&tag).map_or(0, |slot| slot.count)
    }

    /// A binary value.
    pub fn binary(&self, tag: u32) -> Option<&[u8]> {
        self.slot(tag, |kind| kind == Kind::Binary).map(|slot| self.value(slot))
    }

    /// The numbers of a tag, of any width; none where it is not there.
    pub fn numbers(&self, tag: u32) -> Vec<u64> {
        let Some(slot) = self.slots.get(&tag) else { return Vec::new() };
        let Kind::Number(width) = slot.kind else { return Vec::new() };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        self.value(slot).chunks_exact(width).map(number).collect()
    }

    /// The first number of a tag.
    pub fn number(&self, tag: u32) -> Option<u64> {
        self.numbers(tag).first().copied()
    }

    /// The strings of a tag, or its only one, without their ends; none where it is not there. Of
    /// a translated one the first is that of no language.
    pub fn strings(&self, tag: u32) -> impl Iterator<Item = &[u8]> {
        let is_text = |kind| matches!(kind, Kind::String | Kind::Strings);
        let slot = self.slot(tag, is_text).filter(|slot| slot.count > 0);
        let value = slot.map(|slot| self.value(slot));
        let value = value.map(|value| value.strip_suffix(&[0]).unwrap_or(value));
        value.into_iter().flat_map(|value| value.split(|&byte| byte == 0))
    }

    /// The first string of a tag. What is no UTF-8 is shown replaced.
    pub fn text(&self, tag: u32) -> Option<Cow<'_, str>> {
        self.strings(tag).next().map(String::from_utf8_lossy)
    }

    /// All strings of a tag. What is no UTF-8 is shown replaced.
    pub fn texts(&self, tag: u32) -> impl Iterator<Item = Cow<'_, str>> {
        self.strings(tag).map(String::from_utf8_lossy)
    }

    fn slot(&self, tag: u32, is: impl Fn(Kind) -> bool) -> Option<&Slot> {
        self.slots.get(&tag).filter(|slot| is(slot.kind))
    }

    fn value(&self, slot: &Slot) -> &[u8] {
        &self.bytes[self.data + slot.offset..][..slot.size]
    }

    fn index(&mut self, entries: usize) -> Result<(), HeaderError> {
        for number in 0..entries {
            let entry = &self.bytes[INTRO + number * ENTRY..][..ENTRY];
            let [tag, kind, offset, count] = [0, 4, 8, 12].map(|start| big_endian(&entry[start..start + 4]));
            let bad = |what| HeaderError::Entry { tag, what };
            let data = &self.bytes[self.data..];
            let (offset, count) = (offset as usize, count as usize);
            let rest = data.get(offset..).ok_or_else(|| bad("points outside its data"))?;
            let (kind, size) = measure(kind, count, rest).map_err(bad)?;
            if self.slots.insert(tag, Slot { kind, offset, count, size }).is_some() {
                return Err(bad("is there twice"));
            }
        }
        Ok(())
    }

    /// The first entry says which entries were there when the header was made. In a package file
    /// that is all of them: what a signature is of has no additions.
    fn check_region(&self, entries: u32) -> Result<(), HeaderError> {
        let first = big_endian(&self.bytes[INTRO..INTRO + 4]);
        let bad = |what| HeaderError::Entry { tag: first, what };
        if ![tag::HEADERSIGNATURES, tag::HEADERIMMUTABLE].contains(&first) {
            return Err(bad("is first, where its region must be"));
        }
        let Some(trailer) = self.binary(first).filter(|value| value.len() == ENTRY) else {
            return Err(bad("is no region"));
        };
        // The trailer's offset is negative: the size of the index.
        let size = big_endian(&trailer[8..12]).wrapping_neg();
        let (of, kind) = (big_endian(&trailer[..4]), big_endian(&trailer[4..8]));
        // rpm itself has written the other tag into the trailer of signatures (`lib/header.c`).
        if kind != 7 || (of != first && of != tag::HEADERIMAGE) || size != entries * ENTRY as u32 {
            return Err(bad("is no region of the whole header"));
        }
        Ok(())
    }
}

/// What a value is and how many bytes of `rest` it takes (`rpmTagType`).
fn measure(kind: u32, count: usize, rest: &[u8]) -> Result<(Kind, usize), &'static str> {
    let kind = match kind {
        0 => Kind::Null,
        1 | 2 => Kind::Number(1),
        3 => Kind::Number(2),
        4 => Kind::Number(4),
        5 => Kind::Number(8),
        6 => Kind::String,
        7 => Kind::Binary,
        8 | 9 => Kind::Strings,
        _ => return Err("has a type that nobody knows"),
    };
    let size = match kind {
        Kind::Null => Some(0),
        Kind::Number(width) => count.checked_mul(width),
        Kind::Binary => Some(count),
        Kind::String if count != 1 => return Err("is one string and several"),
        Kind::String | Kind::Strings => strings_size(count, rest),
    };
    match size.filter(|&size| size <= rest.len()) {
        Some(size) => Ok((kind, size)),
        None => Err("ends outside its data"),
    }
}

/// Bytes of so many strings, with the zero at the end of each.
fn strings_size(count: usize, rest: &[u8]) -> Option<usize> {
    let mut ends = rest.iter().enumerate().filter(|(_, byte)| **byte == 0);
    match count {
        0 => Some(0),
        _ => ends.nth(count - 1).map(|(end, _)| end + 1),
    }
}

/// The caller gives four bytes.
fn big_endian(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte))
}

#[cfg(test)]
mod tests;
