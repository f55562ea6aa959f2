//! Headers: the form in which rpm keeps all that it knows of a package (rpm's
//! `docs/manual/format_header.md`).
//!
//! A header is a number of index entries of 16 bytes (tag, type, offset, count; big endian)
//! and the data that they point into. All of it is checked when it is read, so that what asks
//! it later gets an answer or nothing.
//!
//! The rules are rpm's own (`lib/header.c`, `hdrblobVerifyRegion` and `hdrblobVerifyInfo`): values
//! lie in the order of the index and do not overlap, so that each byte is looked at but once, and
//! nothing lies over the end of the region, which is what signatures are of.

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
/// Entries of a header of signatures, as rpm (`hdrblobVerifyLengths`).
const MAX_SIGNATURE_ENTRIES: u32 = 32;
/// What the host verifies at most; rpm itself would take four times as much.
const MAX_DATA: u32 = 63 << 20;
/// Bytes of data that rpm takes (`HEADER_DATA_MAX`).
const MAX_INSTALLED_DATA: u32 = (256 << 20) - 1;
/// Most values of a tag, but bytes (`HEADER_ARRAY_MAX`).
const MAX_VALUES: usize = 0xf_ffff;
/// The first tag that is that of no region (`HEADER_I18NTABLE`).
const FIRST_TAG: u32 = 100;

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
    /// What should be one header is more than that.
    #[error("there is something behind a header")]
    Trailing,
    /// An entry does not fit.
    #[error("tag {tag} of a header {what}")]
    Entry {
        /// The tag.
        tag: u32,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The entries that were there when the header was made, and the end of their data: what is behind
/// was added by whoever installed the package.
#[derive(Debug, Clone, Copy)]
struct Region {
    tag: u32,
    entries: usize,
    /// Where the trailer begins in the data, and with it the region ends.
    trailer: usize,
}

impl Header {
    /// Reads one header of a package file, from its magic to the end of its data. All of it is one
    /// region of the tag `region`, for a signature is of no additions.
    ///
    /// # Errors
    ///
    /// If there is none, or if anything in it does not fit.
    pub fn read(reader: &mut impl Read, region: u32) -> Result<Self, HeaderError> {
        let entries = if region == tag::HEADERSIGNATURES { MAX_SIGNATURE_ENTRIES } else { MAX_ENTRIES };
        let header = Self::read_all(reader, entries, MAX_DATA)?;
        let (first, found) = header.region()?;
        let bad = |what| HeaderError::Entry { tag: first, what };
        let found = found.filter(|found| found.tag == region);
        let found = found.ok_or_else(|| bad("is first, where its region must be"))?;
        if found.entries != header.entry_count() || found.trailer + ENTRY != header.values().len() {
            return Err(bad("is no region of the whole header"));
        }
        header.indexed(Some(found))
    }

    /// Reads a header that is all of `blob`, without the magic: as the package database has it,
    /// with what was added when the package was installed, and with a region or, of old packages,
    /// without.
    ///
    /// # Errors
    ///
    /// If there is none, if anything in it does not fit, or if there is something behind it.
    pub fn of_blob(blob: &[u8]) -> Result<Self, HeaderError> {
        let mut reader = MAGIC.chain(blob);
        let header = Self::read_all(&mut reader, MAX_ENTRIES, MAX_INSTALLED_DATA)?;
        if header.blob().len() < blob.len() {
            return Err(HeaderError::Trailing);
        }
        let (_, region) = header.region()?;
        header.indexed(region)
    }

    /// All of it, before anybody knows what is in it.
    fn read_all(reader: &mut impl Read, max_entries: u32, max_data: u32) -> Result<Self, HeaderError> {
        let mut intro = [0; INTRO];
        reader.read_exact(&mut intro)?;
        if intro[..8] != MAGIC {
            return Err(HeaderError::Magic);
        }
        let (entries, data) = (big_endian(&intro[8..12]), big_endian(&intro[12..16]));
        if entries == 0 || entries > max_entries || data > max_data {
            return Err(HeaderError::Size { entries, data });
        }
        let size = entries as usize * ENTRY + data as usize;
        let mut bytes = intro.to_vec();
        // What it says may be a lie: memory is taken as the bytes come.
        if reader.take(size as u64).read_to_end(&mut bytes)? < size {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(Self { bytes, slots: BTreeMap::new(), data: INTRO + entries as usize * ENTRY })
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
        self.each_number(tag).collect()
    }

    /// The first number of a tag.
    pub fn number(&self, tag: u32) -> Option<u64> {
        self.each_number(tag).next()
    }

    fn each_number(&self, tag: u32) -> impl Iterator<Item = u64> {
        let width = |slot: &Slot| match slot.kind {
            Kind::Number(width) => Some(width),
            _ => None,
        };
        let found = self.slots.get(&tag).and_then(|slot| Some((self.value(slot), width(slot)?)));
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        found.into_iter().flat_map(|(value, width)| value.chunks_exact(width)).map(number)
    }

    /// The strings of a tag, or its only one, without their ends; none where it is not there. Of
    /// a translated one the first is that of no language.
    pub fn strings(&self, tag: u32) -> impl Iterator<Item = &[u8]> {
        let is_text = |kind| matches!(kind, Kind::String | Kind::Strings);
        let slot = self.slot(tag, is_text);
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

    fn values(&self) -> &[u8] {
        &self.bytes[self.data..]
    }

    fn entry_count(&self) -> usize {
        (self.data - INTRO) / ENTRY
    }

    /// Tag, type, offset and count of an entry.
    fn words(&self, number: usize) -> [u32; 4] {
        words(&self.bytes[INTRO + number * ENTRY..][..ENTRY])
    }

    /// The tag of the first entry, and if that is one, the region: it says which entries were there
    /// when the header was made.
    fn region(&self) -> Result<(u32, Option<Region>), HeaderError> {
        let [tag, kind, offset, count] = self.words(0);
        if ![tag::HEADERIMAGE, tag::HEADERSIGNATURES, tag::HEADERIMMUTABLE].contains(&tag) {
            return Ok((tag, None));
        }
        let bad = |what| HeaderError::Entry { tag, what };
        let offset = offset as usize;
        let trailer = self.values().get(offset..).and_then(|rest| rest.get(..ENTRY));
        let trailer = trailer.filter(|_| kind == entry::kind::BINARY && count as usize == ENTRY);
        let [of, kind, size, count] = words(trailer.ok_or_else(|| bad("is no region"))?);
        // The trailer's offset is negative: the size of the index.
        let size = size.wrapping_neg() as usize;
        // rpm itself has written the other tag into the trailer of signatures.
        let is_old = tag == tag::HEADERSIGNATURES && of == tag::HEADERIMAGE;
        let is_one = (of == tag || is_old) && kind == entry::kind::BINARY && count as usize == ENTRY;
        let entries = size / ENTRY;
        match is_one && size.is_multiple_of(ENTRY) && (1..=self.entry_count()).contains(&entries) {
            true => Ok((tag, Some(Region { tag, entries, trailer: offset }))),
            false => Err(bad("has another end than that of its region")),
        }
    }

    /// With all entries known.
    fn indexed(mut self, region: Option<Region>) -> Result<Self, HeaderError> {
        let mut end = 0;
        if let Some(Region { tag, trailer, .. }) = region {
            let slot = Slot { kind: Kind::Binary, offset: trailer, count: ENTRY, size: ENTRY };
            self.slots.insert(tag, slot);
        }
        for number in usize::from(region.is_some())..self.entry_count() {
            let [tag, ..] = self.words(number);
            let bad = |what| HeaderError::Entry { tag, what };
            let slot = self.slot_of(number, end, region).map_err(bad)?;
            end = slot.offset + slot.size;
            if self.slots.insert(tag, slot).is_some() {
                return Err(bad("is there twice"));
            }
        }
        Ok(self)
    }

    /// Where the value of an entry is, which may not begin before `start`.
    fn slot_of(&self, number: usize, start: usize, region: Option<Region>) -> Result<Slot, &'static str> {
        let [tag, kind, offset, count] = self.words(number);
        let (offset, count) = (offset as usize, count as usize);
        if tag < FIRST_TAG {
            return Err("can be that of no value");
        }
        let rest = self.values().get(offset..).ok_or("points outside its data")?;
        if offset < start {
            return Err("points into another value, or before it");
        }
        let (kind, size) = measure(kind, count, rest)?;
        if let Kind::Number(width) = kind
            && offset % width != 0
        {
            return Err("is not aligned");
        }
        if let Some(Region { trailer, .. }) = region
            && offset < trailer + ENTRY
            && offset + size > trailer
        {
            return Err("reaches into the end of the region");
        }
        Ok(Slot { kind, offset, count, size })
    }
}

/// What a value is and how many bytes of `rest` it takes (`rpmTagType`).
fn measure(kind: u32, count: usize, rest: &[u8]) -> Result<(Kind, usize), &'static str> {
    let kind = match kind {
        1 | 2 => Kind::Number(1),
        3 => Kind::Number(2),
        4 => Kind::Number(4),
        5 => Kind::Number(8),
        6 => Kind::String,
        7 => Kind::Binary,
        8 | 9 => Kind::Strings,
        _ => return Err("has a type that nobody knows"),
    };
    if count == 0 {
        return Err("has no value");
    }
    let size = match kind {
        Kind::Number(width) => count.checked_mul(width),
        Kind::Binary => Some(count),
        Kind::String if count != 1 => return Err("is one string and several"),
        Kind::String | Kind::Strings => strings_size(count, rest),
    };
    match size.filter(|&size| size <= rest.len()) {
        Some(_) if kind != Kind::Binary && count > MAX_VALUES => Err("has more values than a tag may"),
        Some(size) => Ok((kind, size)),
        None => Err("ends outside its data"),
    }
}

/// Bytes of so many strings, at least one, with the zero at the end of each.
fn strings_size(count: usize, rest: &[u8]) -> Option<usize> {
    let mut ends = rest.iter().enumerate().filter(|(_, byte)| **byte == 0);
    ends.nth(count.checked_sub(1)?).map(|(end, _)| end + 1)
}

/// Tag, type, offset and count. The caller gives the bytes of an entry.
fn words(entry: &[u8]) -> [u32; 4] {
    [0, 4, 8, 12].map(|start| big_endian(&entry[start..start + 4]))
}

/// The caller gives four bytes.
fn big_endian(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte))
}

#[cfg(test)]
mod tests;
