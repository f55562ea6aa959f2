//! Compressed streams: which compression it is, decoding, and encoding in
//! chunks.
//!
//! What comes in is recognised by its content, never by its name: names lie,
//! and a stream on standard input has none. What goes out is encoded in chunks
//! of a fixed size that know nothing of each other, so that any number of
//! threads yields the same bytes.

mod decode;
mod encode;

use std::fmt;
use std::str::FromStr;

pub use decode::Decoder;
pub(crate) use encode::{Encoded, Encoder};
pub use encode::{EncoderError, GZIP_LEVEL, ZLIB_RS_VERSION, ZSTD_LEVEL};

/// Bytes from the start of a stream that [`Compression::from_magic`] looks at;
/// bzip2 needs most.
pub const MAGIC_LEN: usize = 10;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
    /// The .xz file format 1.2; read only.
    Xz,
    /// bzip2; read only.
    Bzip2,
}

/// A text that names no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a compression: expected \"none\", \"gzip\", \"zstd\", \"xz\" or \"bzip2\"")]
pub struct ParseCompressionError(String);

impl Compression {
    const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Zstd, Self::Xz, Self::Bzip2];

    /// Recognises a stream by its first [`MAGIC_LEN`] bytes, or by all of them
    /// if it is shorter.
    ///
    /// A tar archive has no magic number at its start, only a file name, so
    /// whatever is unknown counts as [`None`](Self::None). For the same reason
    /// formats whose magic number is plain text are looked at further: a file
    /// may well be called `BZh9`.
    pub fn from_magic(head: &[u8]) -> Self {
        match head {
            // RFC 1952, 2.3.1: the only method is 8, and flag bits 5 to 7 must be zero.
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // RFC 8878, 3.1.2: a skippable frame, with which pzstd starts its files.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // The first block, or at once the end of an empty stream: pi or its root in decimal.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Self::Bzip2,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// The lower-case name: `none`, `gzip`, `zstd`, `xz`, `bzip2`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// The media type of an image layer compressed like this (OCI image-spec
    /// 1.1, `layer.md`); `None` if the specification knows no such layer.
    pub fn layer_media_type(self) -> Option<&'static str> {
        match self {
            Self::None => Some("application/vnd.oci.image.layer.v1.tar"),
            Self::Gzip => Some("application/vnd.oci.image.layer.v1.tar+gzip"),
            Self::Zstd => Some("application/vnd.oci.image.layer.v1.tar+zstd"),
            Self::Xz | Self::Bzip2 => None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = ParseCompressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|compression| compression.name() == text);
        found.ok_or_else(|| ParseCompressionError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognised_by_content() {
        let table: [(&[u8], Compression); 11] = [
            (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", Compression::Gzip),
            (b"\x1f\x8b\x08\xff\x00\x00\x00\x00\x00\xff", Compression::None),
            (b"\x28\xb5\x2f\xfd\x00", Compression::Zstd),
            (b"\x5f\x2a\x4d\x18\x00", Compression::Zstd),
            (b"\xfd7zXZ\x00\x00\x04", Compression::Xz),
            (b"BZh91AY&SY", Compression::Bzip2),
            (b"BZh9\x17\x72\x45\x38\x50\x90", Compression::Bzip2),
            (b"BZh9\0\0\0\0\0\0", Compression::None),
            (b"BZh9", Compression::None),
            (b"etc/passwd", Compression::None),
            (b"", Compression::None),
        ];
        for (head, compression) in table {
            assert_eq!(Compression::from_magic(head), compression, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn names_read_back() {
        for compression in Compression::ALL {
            assert_eq!(compression.to_string().parse(), Ok(compression));
        }
        assert!("gz".parse::<Compression>().is_err());
    }
}
