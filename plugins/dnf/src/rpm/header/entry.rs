//! The entries of a header as they stand in it, for whoever copies them into another header and
//! therefore needs their types, which [`Header`]'s other questions hide.

use std::borrow::Cow;

use super::Header;

/// Numbers of types (`rpmTagType`).
pub mod kind {
    /// Bytes that are characters.
    pub const CHAR: u32 = 1;
    /// Numbers of two bytes.
    pub const INT16: u32 = 3;
    /// Numbers of four bytes.
    pub const INT32: u32 = 4;
    /// Numbers of eight bytes.
    pub const INT64: u32 = 5;
    /// One string.
    pub const STRING: u32 = 6;
    /// Bytes.
    pub const BINARY: u32 = 7;
    /// Several strings.
    pub const STRINGS: u32 = 8;
    /// One text in several languages.
    pub const TRANSLATED: u32 = 9;
}

/// An entry of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The tag.
    pub tag: u32,
    /// The type, one of [`kind`].
    pub kind: u32,
    /// The number of values; of a binary one that of its bytes.
    pub count: u32,
    /// The values as a header has them: numbers big endian, strings with a zero behind each.
    pub value: Cow<'a, [u8]>,
}

impl<'a> Entry<'a> {
    /// One number of four bytes.
    pub fn number(tag: u32, number: u32) -> Self {
        Self::numbers(tag, &[number])
    }

    /// Numbers of four bytes.
    pub fn numbers(tag: u32, numbers: &[u32]) -> Self {
        let value: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        Self { tag, kind: kind::INT32, count: count(numbers.len()), value: value.into() }
    }

    /// One string, up to the first zero in it.
    pub fn text(tag: u32, text: impl AsRef<[u8]>) -> Self {
        Self { kind: kind::STRING, ..Self::texts(tag, &[text]) }
    }

    /// A text that could be there in several languages, in that of no country.
    pub fn translated(tag: u32, text: impl AsRef<[u8]>) -> Self {
        Self { kind: kind::TRANSLATED, ..Self::texts(tag, &[text]) }
    }

    /// Strings, each up to the first zero in it.
    pub fn texts(tag: u32, texts: &[impl AsRef<[u8]>]) -> Self {
        let end = |text: &[u8]| text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        let ended = |text: &[u8]| [&text[..end(text)], &[0]].concat();
        let value: Vec<u8> = texts.iter().flat_map(|text| ended(text.as_ref())).collect();
        Self { tag, kind: kind::STRINGS, count: count(texts.len()), value: value.into() }
    }

    /// Bytes, of the type that is given: [`kind::BINARY`] or [`kind::CHAR`].
    pub fn bytes(tag: u32, kind: u32, bytes: &'a [u8]) -> Self {
        Self { tag, kind, count: count(bytes.len()), value: bytes.into() }
    }
}

impl Header {
    /// Its entries in the order in which it has them.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.entry_count()).filter_map(|number| {
            let [tag, kind, _, count] = self.words(number);
            let value = self.value(self.slots.get(&tag)?).into();
            Some(Entry { tag, kind, count, value })
        })
    }

    /// The entry of a tag.
    pub fn entry(&self, tag: u32) -> Option<Entry<'_>> {
        self.has(tag).then(|| self.entries().find(|entry| entry.tag == tag)).flatten()
    }
}

/// What has more than can be written has more than a header may have, and is refused for that.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
