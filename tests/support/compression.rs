//! The compressions of packages and indexes.

use std::io::{Read, Write};

use liblzma::stream::{LzmaOptions, Stream};

/// How a member of a package or an index is compressed. The bytes are the same at every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// As gzip does.
    Gzip,
    /// As bzip2 does: only for the data of old packages.
    Bzip2,
    /// As lzma did, before xz: only for the data of old packages.
    Lzma,
    /// As Debian does.
    Xz,
    /// As Ubuntu does.
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: &[Self] = &[Self::None, Self::Gzip, Self::Bzip2, Self::Lzma, Self::Xz, Self::Zstd];

    /// What it adds to a file's name: `.xz`, or nothing.
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Bzip2 => ".bz2",
            Self::Lzma => ".lzma",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
        }
    }

    /// Compresses all that comes, however much it is: only the result is held in memory.
    pub fn encode(self, content: impl Read) -> Vec<u8> {
        let bytes = Vec::new();
        match self {
            Self::None => fill(bytes, content),
            Self::Gzip => fill(flate2::write::GzEncoder::new(bytes, flate2::Compression::default()), content)
                .finish()
                .unwrap(),
            Self::Bzip2 => fill(bzip2::write::BzEncoder::new(bytes, bzip2::Compression::fast()), content)
                .finish()
                .unwrap(),
            Self::Lzma => {
                let stream = Stream::new_lzma_encoder(&LzmaOptions::new_preset(0).unwrap()).unwrap();
                fill(liblzma::write::XzEncoder::new_stream(bytes, stream), content).finish().unwrap()
            }
            Self::Xz => fill(liblzma::write::XzEncoder::new(bytes, 0), content).finish().unwrap(),
            Self::Zstd => {
                fill(zstd::stream::write::Encoder::new(bytes, 1).unwrap(), content).finish().unwrap()
            }
        }
    }
}

fn fill<W: Write>(mut encoder: W, mut content: impl Read) -> W {
    // `io::copy` is a hundred times slower with the zeros of a bomb, which it takes one by one.
    let mut buffer = vec![0; 1 << 20];
    loop {
        match content.read(&mut buffer).unwrap() {
            0 => return encoder,
            length => encoder.write_all(&buffer[..length]).unwrap(),
        }
    }
}
