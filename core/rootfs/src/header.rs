//! The 512-byte header block of a tar archive, for reading and for writing.
//!
//! Field positions are those of POSIX.1 `pax`, "ustar Interchange Format";
//! GNU tar keeps them and only gives the last 167 bytes another meaning. The
//! views of the `tar` crate are not used: its numbers know no sign and do not
//! report overflow, and both matter here.

use std::ops::Range;

/// Length of a header, and what all content is padded to, in bytes.
pub(crate) const BLOCK: usize = 512;

/// A field of the header: its byte range.
pub(crate) type Field = Range<usize>;

pub(crate) const NAME: Field = 0..100;
pub(crate) const MODE: Field = 100..108;
pub(crate) const UID: Field = 108..116;
pub(crate) const GID: Field = 116..124;
pub(crate) const SIZE: Field = 124..136;
pub(crate) const MTIME: Field = 136..148;
pub(crate) const CHECKSUM: Field = 148..156;
pub(crate) const TYPE: usize = 156;
pub(crate) const LINK: Field = 157..257;
pub(crate) const MAGIC: Field = 257..263;
pub(crate) const VERSION: Field = 263..265;
pub(crate) const USER: Field = 265..297;
pub(crate) const GROUP: Field = 297..329;
pub(crate) const MAJOR: Field = 329..337;
pub(crate) const MINOR: Field = 337..345;
pub(crate) const PREFIX: Field = 345..500;

/// Magic of ustar and PAX; GNU tar's differs in the last byte.
pub(crate) const USTAR: &[u8; 6] = b"ustar\0";
/// Magic of GNU tar's own format.
const GNU: &[u8; 6] = b"ustar ";

/// Bytes from the end of content of this size to the next block: 511 at most.
pub(crate) fn padding(size: u64) -> u64 {
    let block = BLOCK as u64;
    (block - size % block) % block
}

/// One header block.
#[derive(Clone)]
pub(crate) struct Header(pub(crate) [u8; BLOCK]);

/// Why a numeric field has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// Neither octal digits nor a base-256 number.
    Malformed,
    /// More than 64 bits with sign can hold.
    Overflow,
}

impl Header {
    /// A block of zeros.
    pub(crate) fn zeroed() -> Self {
        Self([0; BLOCK])
    }

    /// Whether this is a block of the end-of-archive marker.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().all(|&b| b == 0)
    }

    /// Whether the block is a header at all: nothing else tells it from content.
    pub(crate) fn checksum_matches(&self) -> bool {
        // Old tars of Sun and others summed signed bytes; POSIX says unsigned.
        let signed = |b: u8| i64::from(b as i8);
        let recorded = parse_number(&self.0[CHECKSUM]);
        recorded == Ok(self.sum(i64::from)) || recorded == Ok(self.sum(signed))
    }

    /// The sum of all bytes, the checksum field counted as spaces.
    fn sum(&self, value: impl Fn(u8) -> i64) -> i64 {
        let bytes = |range: &[u8]| range.iter().map(|&b| value(b)).sum::<i64>();
        bytes(&self.0[..CHECKSUM.start]) + 8 * value(b' ') + bytes(&self.0[CHECKSUM.end..])
    }

    /// Whether the block uses GNU tar's own format.
    pub(crate) fn is_gnu(&self) -> bool {
        self.0[MAGIC] == *GNU
    }

    /// What kind of entry it is.
    pub(crate) fn typeflag(&self) -> u8 {
        self.0[TYPE]
    }

    /// A text field up to its NUL; a full one has none.
    pub(crate) fn text(&self, field: Field) -> &[u8] {
        let bytes = &self.0[field];
        bytes.split(|&b| b == 0).next().unwrap_or(bytes)
    }

    /// The name, with the prefix that only ustar has: GNU tar keeps times there.
    pub(crate) fn name(&self) -> Vec<u8> {
        let name = self.text(NAME);
        let prefix = self.text(PREFIX);
        if self.0[MAGIC] != *USTAR || prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    /// A numeric field.
    pub(crate) fn number(&self, field: Field) -> Result<i64, NumberError> {
        parse_number(&self.0[field])
    }

    /// Puts `bytes` at the start of a text field, cut where it is full.
    pub(crate) fn set_text(&mut self, field: Field, bytes: &[u8]) {
        let length = bytes.len().min(field.len());
        self.0[field.start..][..length].copy_from_slice(&bytes[..length]);
    }

    /// Puts a number into a field as octal digits and a NUL; false, with the
    /// field left as it was, if it needs more digits.
    pub(crate) fn set_number(&mut self, field: Field, value: u64) -> bool {
        let width = field.len() - 1;
        let digits = format!("{value:0width$o}");
        if digits.len() > width {
            return false;
        }
        self.0[field.start..][..width].copy_from_slice(digits.as_bytes());
        true
    }

    /// Sets the checksum, once all else is in place.
    pub(crate) fn seal(&mut self) {
        let digits = format!("{:06o}\0 ", self.sum(i64::from));
        self.0[CHECKSUM].copy_from_slice(digits.as_bytes());
    }
}

/// Reads octal digits or GNU tar's base-256. An empty field is 0, as GNU tar,
/// bsdtar and Go take it; what follows a space or NUL is ignored.
pub(crate) fn parse_number(field: &[u8]) -> Result<i64, NumberError> {
    match field {
        [first, ..] if first & 0x80 != 0 => parse_base256(field),
        _ => parse_octal(field),
    }
}

fn parse_octal(field: &[u8]) -> Result<i64, NumberError> {
    let digits = field.iter().skip_while(|b| matches!(b, b' ' | 0)).take_while(|b| !matches!(b, b' ' | 0));
    digits.copied().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value
            .checked_mul(8)
            .and_then(|value| value.checked_add(i64::from(digit - b'0')))
            .ok_or(NumberError::Overflow),
        _ => Err(NumberError::Malformed),
    })
}

/// Two's complement, most significant byte first. The top bit only says that
/// the field is base-256; the bit below it is the sign.
fn parse_base256(field: &[u8]) -> Result<i64, NumberError> {
    let start: i128 = if field[0] & 0x40 == 0 { 0 } else { -1 };
    // No field has more than 12 bytes, so 128 bits cannot overflow.
    let value = field.iter().enumerate().fold(start, |value, (i, &byte)| {
        let byte = match (i, start) {
            (0, 0) => byte & 0x7f,
            _ => byte,
        };
        value << 8 | i128::from(byte)
    });
    i64::try_from(value).map_err(|_| NumberError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_as_old_and_new_tars_write_it() {
        for (field, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"        ", 0),
            (b"77777777", 0o77777777),
            (b"12 junk\0", 0o12),
            (b"\x0000012\0\0", 0o12),
        ] {
            assert_eq!(parse_number(field), Ok(value), "{}", field.escape_ascii());
        }
        for field in [&b"0000648\0"[..], b"-1\0", b"0x10\0", b"12.5\0"] {
            assert_eq!(parse_number(field), Err(NumberError::Malformed), "{}", field.escape_ascii());
        }
    }

    #[test]
    fn base256_has_a_sign_and_a_range() {
        let wide = |first: u8, low: i64| {
            let mut field = [if first == 0xff { 0xff } else { 0 }; 12];
            field[0] = first;
            field[4..].copy_from_slice(&low.to_be_bytes());
            parse_number(&field)
        };
        assert_eq!(wide(0x80, 9 << 30), Ok(9 << 30));
        assert_eq!(wide(0xff, -1), Ok(-1));
        assert_eq!(wide(0xff, i64::MIN), Ok(i64::MIN));
        assert_eq!(wide(0x80, -1), Err(NumberError::Overflow), "2^64-1");
        assert_eq!(wide(0x81, 0), Err(NumberError::Overflow));
        assert_eq!(parse_number(b"\x80\0\0\0\xff\xff\xff\xfe"), Ok(4294967294));
        assert_eq!(parse_number(b"\xff\xff\xff\xff\xff\xff\xff\xfe"), Ok(-2));
    }

    #[test]
    fn numbers_that_do_not_fit_are_left_out() {
        let mut header = Header::zeroed();
        assert!(header.set_number(UID, 0o7777777));
        assert_eq!(&header.0[UID], b"7777777\0");
        assert!(!header.set_number(GID, 0o10000000));
        assert_eq!(header.0[GID], [0; 8]);
    }

    #[test]
    fn checksums_signed_and_unsigned() {
        let mut header = Header::zeroed();
        header.set_text(NAME, "größe".as_bytes());
        header.seal();
        assert!(header.checksum_matches());
        let signed = header.sum(|b| i64::from(b as i8));
        header.0[CHECKSUM].copy_from_slice(format!("{signed:06o}\0 ").as_bytes());
        assert!(header.checksum_matches());
        header.0[0] ^= 1;
        assert!(!header.checksum_matches());
    }

    #[test]
    fn the_prefix_belongs_to_ustar_alone() {
        let mut header = Header::zeroed();
        header.set_text(NAME, b"name");
        header.set_text(PREFIX, b"dir");
        assert_eq!(header.name(), b"name");
        header.set_text(MAGIC, USTAR);
        assert_eq!(header.name(), b"dir/name");
        header.set_text(MAGIC, GNU);
        assert_eq!(header.name(), b"name");
    }
}
