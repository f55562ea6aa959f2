//! Headers that are made here: that of a signing key in the package database, and what rpm adds to
//! the header of a package that it has installed (rpm's `lib/header.c`, `doExport`).

use super::entry::{Entry, kind};
use super::{ENTRY, Header, HeaderError, MAGIC, MAX_ENTRIES, MAX_INSTALLED_DATA};

impl Header {
    /// A header that is these entries in one region, as rpmbuild would write it.
    ///
    /// # Errors
    ///
    /// If that is more than a header may have, or if a tag is there twice.
    pub fn build(region: u32, entries: Vec<Entry<'_>>) -> Result<Self, HeaderError> {
        let (index, data) = lay_out(entries, 0);
        let size = index.len() + ENTRY;
        let bytes = [
            &MAGIC[..],
            &word(size / ENTRY),
            &word(data.len() + ENTRY),
            &index_entry([region, kind::BINARY], data.len(), ENTRY),
            &index,
            &data,
            // The trailer's offset is negative: the size of the index.
            &index_entry([region, kind::BINARY], size.wrapping_neg(), ENTRY),
        ];
        Self::read(&mut &bytes.concat()[..], region)
    }

    /// The header as the package database keeps it, without the magic: its region, byte for byte,
    /// as signatures are of it, and behind that the entries that rpm adds, sorted by their tags.
    ///
    /// # Errors
    ///
    /// If that is more than rpm would read again.
    pub fn blob_with(&self, entries: Vec<Entry<'_>>) -> Result<Vec<u8>, HeaderError> {
        let data = self.bytes.len() - self.data;
        let (added_index, added_data) = lay_out(entries, data);
        let (index, data) = self.bytes[MAGIC.len() + 8..].split_at(self.data - MAGIC.len() - 8);
        let counts = [(index.len() + added_index.len()) / ENTRY, data.len() + added_data.len()];
        let [entries, size] = counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        if entries > MAX_ENTRIES || size > MAX_INSTALLED_DATA {
            return Err(HeaderError::Size { entries, data: size });
        }
        let counts = [entries.to_be_bytes(), size.to_be_bytes()].concat();
        Ok([&counts, index, &added_index, data, &added_data].concat())
    }
}

/// The index and the data of entries whose data comes behind so many bytes of other data. Numbers
/// are aligned, and an entry without a value is left out, as rpm does.
fn lay_out(mut entries: Vec<Entry<'_>>, start: usize) -> (Vec<u8>, Vec<u8>) {
    entries.sort_by_key(|entry| entry.tag);
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for entry in entries.iter().filter(|entry| !entry.value.is_empty()) {
        let alignment = match entry.kind {
            kind::INT16 => 2,
            kind::INT32 => 4,
            kind::INT64 => 8,
            _ => 1,
        };
        let offset = (start + data.len()).next_multiple_of(alignment);
        data.resize(offset - start, 0);
        data.extend_from_slice(&entry.value);
        index.extend(index_entry([entry.tag, entry.kind], offset, entry.count as usize));
    }
    (index, data)
}

fn index_entry([tag, kind]: [u32; 2], offset: usize, count: usize) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    let words = [tag.to_be_bytes(), kind.to_be_bytes(), word(offset), word(count)];
    entry.copy_from_slice(words.as_flattened());
    entry
}

/// The lower four bytes: a negative offset stays one, and what is too large fails when the whole
/// is read.
fn word(number: usize) -> [u8; 4] {
    (number as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpm::tag;

    fn sample() -> Vec<Entry<'static>> {
        vec![
            Entry::text(tag::VERSION, "1.0"),
            Entry::text(tag::NAME, "foo"),
            Entry::numbers(tag::BUILDTIME, &[7]),
            Entry::texts(tag::BASENAMES, &["a", "bc"]),
        ]
    }

    #[test]
    fn a_built_header_says_what_it_was_built_of() {
        let header = Header::build(tag::HEADERIMMUTABLE, sample()).unwrap();
        assert_eq!(header.text(tag::NAME).as_deref(), Some("foo"));
        assert_eq!(header.number(tag::BUILDTIME), Some(7));
        assert_eq!(header.texts(tag::BASENAMES).collect::<Vec<_>>(), ["a", "bc"]);
        let entries: Vec<u32> = header.entries().map(|entry| entry.tag).collect();
        assert_eq!(entries, [tag::HEADERIMMUTABLE, tag::NAME, tag::VERSION, tag::BUILDTIME, tag::BASENAMES]);
        assert_eq!(header.entry(tag::VERSION), Some(Entry::text(tag::VERSION, "1.0")));
    }

    #[test]
    fn a_tag_that_is_there_twice_is_refused() {
        let twice = [sample(), sample()].concat();
        assert!(matches!(Header::build(tag::HEADERIMMUTABLE, twice), Err(HeaderError::Entry { .. })));
    }

    #[test]
    fn what_is_added_comes_behind_a_region_that_stays_as_it_was() {
        let header = Header::build(tag::HEADERIMMUTABLE, sample()).unwrap();
        let data = header.bytes.len() - header.data;
        let added = vec![
            Entry::number(tag::INSTALLTIME, 0x0102_0304),
            Entry::text(tag::SHA1HEADER, "x"),
            Entry::bytes(tag::FILESTATES, kind::CHAR, b""),
        ];
        let blob = header.blob_with(added).unwrap();
        let index = header.data - 16;
        assert_eq!(blob[..4], word(header.entries().count() + 2));
        assert_eq!(blob[8..8 + index], header.bytes[16..header.data]);
        let (more, rest) = blob[8 + index..].split_at(2 * ENTRY);
        assert_eq!(&more[..8], [tag::SHA1HEADER.to_be_bytes(), kind::STRING.to_be_bytes()].as_flattened());
        assert_eq!(rest[..data], header.bytes[header.data..]);
        let padding = (data + 2).next_multiple_of(4) - data - 2;
        assert_eq!(rest[data..], [&b"x\0"[..], &vec![0; padding], &[1, 2, 3, 4]].concat());
        assert_eq!(blob[4..8], word(rest.len()));
    }
}
