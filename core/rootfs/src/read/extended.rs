//! What extended headers say about entries: PAX records, global and single,
//! and GNU tar's long names.

use std::sync::Arc;

use super::error::Fault;
use super::sparse;
use crate::Xattrs;
use crate::pax::{self, Records};

/// Before the name of an extended attribute in libarchive's spelling: name
/// with `%` escapes, value in base64.
const LIBARCHIVE_XATTR: &[u8] = b"LIBARCHIVE.xattr.";
const SPARSE: &[u8] = b"GNU.sparse.";

/// The extended headers before one entry, not yet taken apart: errors in them
/// shall name the entry.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) pax: Option<Vec<u8>>,
    pub(super) long_name: Option<Vec<u8>>,
    pub(super) long_link: Option<Vec<u8>>,
}

impl Extensions {
    /// Keeps the content of an extended header of this type.
    ///
    /// A second one of the same type is refused: tar keeps the last, others
    /// the first, so the entry would not be the same for everyone.
    pub(super) fn set(&mut self, typeflag: u8, data: Vec<u8>) -> Result<(), Fault> {
        let (slot, data) = match typeflag {
            b'L' => (&mut self.long_name, until_nul(data)),
            b'K' => (&mut self.long_link, until_nul(data)),
            _ => (&mut self.pax, data),
        };
        match slot.replace(data) {
            Some(_) => Err(Fault::Repeated(typeflag)),
            None => Ok(()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pax.is_none() && self.long_name.is_none() && self.long_link.is_none()
    }
}

fn until_nul(mut data: Vec<u8>) -> Vec<u8> {
    let end = data.iter().position(|&b| b == 0).unwrap_or(data.len());
    data.truncate(end);
    data
}

/// What global headers set for all entries that follow.
#[derive(Debug, Clone, Default)]
pub(super) struct Common {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<i64>,
    pub(super) package: Option<Arc<str>>,
}

/// What PAX records set for one entry.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    pub(super) common: Common,
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) xattrs: Xattrs,
    pub(super) sparse: Option<sparse::Records>,
    /// Whether an access control list was left out.
    pub(super) acl: bool,
    /// With names as they came, `%` escapes and all.
    libarchive_xattrs: Xattrs,
}

impl Common {
    /// Takes in a global header.
    ///
    /// What only one file can have is refused: readers disagree what it would
    /// mean, no writer does it, and one header with attributes would cost its
    /// length in memory again with every entry after it.
    pub(super) fn apply_global(&mut self, data: &[u8]) -> Result<(), Fault> {
        for record in Records::new(data) {
            let (key, value) = record.map_err(Fault::Records)?;
            if let Some(key) = single_file_key(key) {
                return Err(Fault::Global(key));
            }
            self.set(key, value)?;
        }
        Ok(())
    }

    /// Takes in a record, if it is one of these; an empty value takes the
    /// record back (POSIX.1 `pax`).
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<bool, Fault> {
        match key {
            b"uid" => self.uid = id("uid", value)?,
            b"gid" => self.gid = id("gid", value)?,
            b"mtime" if value.is_empty() => self.mtime = None,
            b"mtime" => self.mtime = Some(pax::parse_time(value).ok_or(Fault::NotANumber("mtime"))?),
            pax::PACKAGE if value.is_empty() => self.package = None,
            pax::PACKAGE => {
                let name = std::str::from_utf8(value).map_err(|_| Fault::Package)?;
                self.package = Some(name.into());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Overrides {
    /// The records of one extended header, over those of the global ones.
    pub(super) fn new(common: &Common, data: &[u8]) -> Result<Self, Fault> {
        let mut overrides = Self { common: common.clone(), ..Self::default() };
        for record in Records::new(data) {
            let (key, value) = record.map_err(Fault::Records)?;
            if !overrides.common.set(key, value)? {
                overrides.set(key, value)?;
            }
        }
        overrides.merge_xattrs()?;
        Ok(overrides)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let given = (!value.is_empty()).then_some(value);
        match key {
            b"path" => self.path = given.map(<[u8]>::to_vec),
            b"linkpath" => self.link = given.map(<[u8]>::to_vec),
            b"size" => self.size = given.map(size).transpose()?,
            _ => {
                if let Some(name) = key.strip_prefix(pax::XATTR) {
                    insert(&mut self.xattrs, name.to_vec(), value.to_vec())?;
                } else if let Some(name) = key.strip_prefix(LIBARCHIVE_XATTR) {
                    let value = decode_base64(value).ok_or(Fault::Attribute)?;
                    insert(&mut self.libarchive_xattrs, name.to_vec(), value)?;
                } else if let Some(key) = key.strip_prefix(SPARSE) {
                    self.sparse.get_or_insert_default().set(key, value)?;
                } else if key.starts_with(b"SCHILY.acl.") {
                    self.acl = true;
                }
            }
        }
        Ok(())
    }

    /// libarchive writes each attribute twice. The raw value is the one that
    /// others read too, so it wins; the name may be escaped in both.
    fn merge_xattrs(&mut self) -> Result<(), Fault> {
        for (escaped, value) in self.libarchive_xattrs.iter() {
            let name = decode_percent(escaped);
            if self.xattrs.get(escaped).is_none() && self.xattrs.get(&name).is_none() {
                insert(&mut self.xattrs, name, value.to_vec())?;
            }
        }
        Ok(())
    }
}

fn insert(xattrs: &mut Xattrs, name: Vec<u8>, value: Vec<u8>) -> Result<(), Fault> {
    if name.is_empty() || name.contains(&0) {
        return Err(Fault::Attribute);
    }
    xattrs.insert(name, value);
    Ok(())
}

/// The name of `key` if it makes sense for single files only.
fn single_file_key(key: &[u8]) -> Option<&'static str> {
    let is = |prefix: &[u8]| key.starts_with(prefix);
    match key {
        b"path" => Some("path"),
        b"linkpath" => Some("linkpath"),
        b"size" => Some("size"),
        _ if is(pax::XATTR) => Some("SCHILY.xattr"),
        _ if is(LIBARCHIVE_XATTR) => Some("LIBARCHIVE.xattr"),
        _ if is(SPARSE) => Some("GNU.sparse"),
        // The first entry goes on with a file of an earlier volume.
        b"GNU.volume.filename" => Some("GNU.volume.filename"),
        _ => None,
    }
}

fn id(field: &'static str, value: &[u8]) -> Result<Option<u32>, Fault> {
    if value.is_empty() {
        return Ok(None);
    }
    if !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::NotANumber(field));
    }
    let number = pax::parse_decimal(value).and_then(|id| u32::try_from(id).ok());
    number.map(Some).ok_or(Fault::OutOfRange(field))
}

fn size(value: &[u8]) -> Result<u64, Fault> {
    let size = pax::parse_decimal(value).ok_or(Fault::NotANumber("size"))?;
    // The bound of `off_t`, and of what a header field can say.
    i64::try_from(size).map_err(|_| Fault::OutOfRange("size"))?;
    Ok(size)
}

/// Undoes `%41`; a `%` without two digits stands for itself.
fn decode_percent(text: &[u8]) -> Vec<u8> {
    let nibble = |digit: &u8| char::from(*digit).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.first().and_then(nibble).zip(tail.get(1).and_then(nibble));
        match digits {
            Some((high, low)) if first == b'%' => {
                out.push((high << 4 | low) as u8);
                rest = &tail[2..];
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

/// RFC 4648 base64 with or without `=` at its end; libarchive writes it without.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|&b| b != b'=').map_or(0, |last| last + 1);
    let mut out = Vec::with_capacity(end / 4 * 3 + 2);
    for group in text[..end].chunks(4) {
        let mut bits = 0_u32;
        for &digit in group {
            bits = bits << 6 | u32::from(base64_digit(digit)?);
        }
        let bytes = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bits <<= 6 * (4 - group.len());
        out.extend_from_slice(&bits.to_be_bytes()[1..][..bytes]);
    }
    Some(out)
}

fn base64_digit(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(pairs: &[(&str, &[u8])]) -> Vec<u8> {
        let mut data = Vec::new();
        for (key, value) in pairs {
            pax::append(&mut data, key.as_bytes(), value);
        }
        data
    }

    fn overrides(pairs: &[(&str, &[u8])]) -> Result<Overrides, Fault> {
        Overrides::new(&Common::default(), &records(pairs))
    }

    #[test]
    fn base64_as_rfc_4648_shows() {
        for (text, data) in
            [("", ""), ("Zg", "f"), ("Zg==", "f"), ("Zm8", "fo"), ("Zm9v", "foo"), ("Zm9vYmE=", "fooba")]
        {
            assert_eq!(decode_base64(text.as_bytes()).as_deref(), Some(data.as_bytes()), "{text}");
        }
        assert_eq!(decode_base64(b"+/+/").unwrap(), b"\xfb\xff\xbf");
        for text in ["Z", "Zm9vY", "Zm 9", "Zm=9", "Zm9\n"] {
            assert_eq!(decode_base64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn percent_escapes() {
        assert_eq!(decode_percent(b"user.a%3Db%c3%bc"), "user.a=bü".as_bytes());
        assert_eq!(decode_percent(b"100%"), b"100%");
        assert_eq!(decode_percent(b"%4"), b"%4");
        assert_eq!(decode_percent(b"%%41%zz"), b"%A%zz");
    }

    #[test]
    fn raw_attributes_win_wherever_they_stand() {
        let raw: (&str, &[u8]) = ("SCHILY.xattr.user.x", b"a\nb\0c=");
        let coded: (&str, &[u8]) = ("LIBARCHIVE.xattr.user.x", b"Zm9v");
        for pairs in [[raw, coded], [coded, raw]] {
            assert_eq!(overrides(&pairs).unwrap().xattrs.get(b"user.x"), Some(&b"a\nb\0c="[..]));
        }
        assert_eq!(overrides(&[coded]).unwrap().xattrs.get(b"user.x"), Some(&b"foo"[..]));
        let escaped: [(&str, &[u8]); 2] =
            [("SCHILY.xattr.user.a%3Db", b"foo"), ("LIBARCHIVE.xattr.user.a%3Db", b"Zm9v")];
        assert_eq!(overrides(&escaped).unwrap().xattrs.iter().count(), 1);
        assert_eq!(overrides(&escaped[1..]).unwrap().xattrs.get(b"user.a=b"), Some(&b"foo"[..]));
        let empty = overrides(&[("SCHILY.xattr.user.x", b"")]).unwrap();
        assert_eq!(empty.xattrs.get(b"user.x"), Some(&b""[..]), "an empty attribute is one");
    }

    #[test]
    fn single_records_go_over_global_ones() {
        let mut common = Common::default();
        common.apply_global(&records(&[("uid", b"5"), ("mtime", b"7.5"), ("comment", b"x")])).unwrap();
        common.apply_global(&records(&[("uid", b"6")])).unwrap();
        let both = Overrides::new(&common, &records(&[("mtime", b"-1.5")])).unwrap();
        assert_eq!((both.common.uid, both.common.mtime), (Some(6), Some(-2)));
        let back = Overrides::new(&common, &records(&[("uid", b""), ("mtime", b"")])).unwrap();
        assert_eq!((back.common.uid, back.common.mtime), (None, None));
        for key in ["path", "linkpath", "size", "SCHILY.xattr.user.x", "GNU.sparse.major"] {
            assert!(matches!(common.apply_global(&records(&[(key, b"1")])), Err(Fault::Global(_))), "{key}");
        }
    }

    #[test]
    fn values_out_of_range() {
        assert_eq!(overrides(&[("uid", b"4294967295")]).unwrap().common.uid, Some(u32::MAX));
        assert_eq!(overrides(&[("uid", b"4294967296")]).unwrap_err(), Fault::OutOfRange("uid"));
        assert_eq!(overrides(&[("gid", b"99999999999999999999")]).unwrap_err(), Fault::OutOfRange("gid"));
        assert_eq!(overrides(&[("gid", b"-1")]).unwrap_err(), Fault::NotANumber("gid"));
        assert_eq!(overrides(&[("size", b"9223372036854775808")]).unwrap_err(), Fault::OutOfRange("size"));
        assert_eq!(overrides(&[("mtime", b"now")]).unwrap_err(), Fault::NotANumber("mtime"));
        assert_eq!(overrides(&[("CTRFORGE.package", b"\xff")]).unwrap_err(), Fault::Package);
        assert_eq!(overrides(&[("SCHILY.xattr.", b"x")]).unwrap_err(), Fault::Attribute);
        assert_eq!(overrides(&[("LIBARCHIVE.xattr.%00", b"Zg")]).unwrap_err(), Fault::Attribute);
        assert_eq!(overrides(&[("LIBARCHIVE.xattr.user.x", b"*")]).unwrap_err(), Fault::Attribute);
    }
}
