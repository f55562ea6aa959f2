//! Decoding what others compressed.
//!
//! The data is hostile. Memory is bounded whatever a header asks for, the end
//! of the data is the end of the last member or an error, and an error stays
//! one: a stream that ends early must never look like one that is complete.
//! How much comes out is for the reader of the content to limit.

use std::fmt;
use std::io::{self, BufReader, Cursor, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream, TELL_UNSUPPORTED_CHECK};

use super::{Compression, MAGIC_LEN};

/// Bytes read at once: large enough that system calls do not count, and what
/// a pipe on Linux delivers at most (64 KiB) fits several times.
const INPUT_BUFFER: usize = 256 << 10;

/// Largest zstd window accepted, as a power of two: 128 MiB, the limit the
/// `zstd` program has too unless told `--long=31`.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Memory an xz decoder may use, in bytes. `xz -9` needs 65 MiB to decode;
/// this leaves room for dictionaries made larger by hand.
const XZ_MEMORY_LIMIT: u64 = 256 << 20;

/// Decodes a stream, whatever it is compressed with.
///
/// Concatenated gzip members, zstd frames (skippable ones too), xz streams and
/// bzip2 streams are read to the end of the last. Data cut short, anything else
/// behind the last member and a wrong checksum are errors; each names the
/// compression and keeps the cause. After an error every further read fails.
///
/// Uses up to 256 MiB for xz, 128 MiB for zstd and less for the others.
pub struct Decoder<R> {
    compression: Compression,
    format: Format<R>,
    failed: bool,
}

enum Format<R> {
    None(Source<R>),
    Gzip(Box<MultiGzDecoder<Source<R>>>),
    Zstd(zstd::Decoder<'static, Source<R>>),
    Xz(XzDecoder<Source<R>>),
    Bzip2(MultiBzDecoder<Source<R>>),
}

/// The compressed data: the head that was read to recognise it, then the rest.
type Source<R> = BufReader<io::Chain<Cursor<Vec<u8>>, Uninterrupted<R>>>;

impl<R: Read> Decoder<R> {
    /// Reads the first bytes of `reader` and prepares to decode what they announce.
    ///
    /// `reader` may be a pipe and needs no buffer of its own.
    pub fn new(reader: R) -> io::Result<Self> {
        let mut reader = Uninterrupted(reader);
        let mut head = Vec::with_capacity(MAGIC_LEN);
        reader.by_ref().take(MAGIC_LEN as u64).read_to_end(&mut head)?;
        let compression = Compression::from_magic(&head);
        let source = BufReader::with_capacity(INPUT_BUFFER, Cursor::new(head).chain(reader));
        let format = Format::new(compression, source).map_err(|cause| explain(compression, cause))?;
        Ok(Self { compression, format, failed: false })
    }

    /// What the stream turned out to be compressed with.
    pub fn compression(&self) -> Compression {
        self.compression
    }
}

impl<R: Read> Format<R> {
    fn new(compression: Compression, source: Source<R>) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(source),
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(source))),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(source)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Self::Zstd(decoder)
            }
            Compression::Xz => {
                // A check that cannot be verified must not pass for one that was.
                let flags = CONCATENATED | TELL_UNSUPPORTED_CHECK;
                let stream = Stream::new_stream_decoder(XZ_MEMORY_LIMIT, flags)?;
                Self::Xz(XzDecoder::new_stream(source, stream))
            }
            Compression::Bzip2 => Self::Bzip2(MultiBzDecoder::new(source)),
        })
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None(reader) => reader.read(buf),
            Self::Gzip(reader) => reader.read(buf),
            Self::Zstd(reader) => reader.read(buf),
            Self::Xz(reader) => reader.read(buf),
            Self::Bzip2(reader) => reader.read(buf),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.failed {
            // Some decoders report their end after an error.
            return Err(explain(self.compression, io::Error::other("an earlier read failed")));
        }
        self.format.read(buf).map_err(|cause| {
            self.failed = true;
            explain(self.compression, cause)
        })
    }
}

impl<R> fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("compression", &self.compression).finish_non_exhaustive()
    }
}

/// Why compressed data could not be read to its end; the cause is its source.
#[derive(Debug, thiserror::Error)]
enum DecodeError {
    #[error("{0} data ends too early")]
    Truncated(Compression, #[source] io::Error),
    #[error("{0} data cannot be decoded")]
    Undecodable(Compression, #[source] io::Error),
}

fn explain(compression: Compression, cause: io::Error) -> io::Error {
    let kind = cause.kind();
    match (compression, kind) {
        (Compression::None, _) => cause,
        (_, io::ErrorKind::UnexpectedEof) => io::Error::new(kind, DecodeError::Truncated(compression, cause)),
        _ => io::Error::new(kind, DecodeError::Undecodable(compression, cause)),
    }
}

/// Repeats reads that a signal interrupted: some decoders take such a read for
/// the end of all things.
struct Uninterrupted<R>(R);

impl<R: Read> Read for Uninterrupted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io::Write;

    use super::*;

    const FORMATS: [Compression; 4] =
        [Compression::Gzip, Compression::Zstd, Compression::Xz, Compression::Bzip2];

    fn encode(compression: Compression, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match compression {
            Compression::None => out.extend_from_slice(data),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(&mut out, flate2::Compression::new(6));
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap();
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(&mut out, 1).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap();
            }
            Compression::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(&mut out, 0);
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap();
            }
            Compression::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(&mut out, bzip2::Compression::fast());
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap();
            }
        }
        out
    }

    fn decode(data: impl Read) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Decoder::new(data)?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn sample() -> Vec<u8> {
        (0..3000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 20).to_le_bytes()).collect()
    }

    /// A pipe that delivers one byte at a time, and a signal before each.
    struct Drip<'a>(&'a [u8], bool);

    impl Read for Drip<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = buf.len().min(1);
            self.0.read(&mut buf[..n])
        }
    }

    #[test]
    fn every_format_reads_back() {
        for compression in FORMATS.into_iter().chain([Compression::None]) {
            for data in [Vec::new(), b"x".to_vec(), sample()] {
                let encoded = encode(compression, &data);
                assert_eq!(decode(&encoded[..]).unwrap(), data, "{compression}");
                assert_eq!(decode(Drip(&encoded, false)).unwrap(), data, "{compression}");
            }
            let encoded = encode(compression, &sample());
            assert_eq!(Decoder::new(&encoded[..]).unwrap().compression(), compression);
        }
    }

    #[test]
    fn members_are_read_to_the_last() {
        for compression in FORMATS {
            let parts = [b"one, ".as_slice(), b"", b"two"].map(|data| encode(compression, data));
            assert_eq!(decode(&parts.concat()[..]).unwrap(), b"one, two", "{compression}");
        }
        let skippable = *b"\x50\x2a\x4d\x18\x03\0\0\0abc";
        let frame = encode(Compression::Zstd, b"data");
        let stream = [&skippable, &frame[..], &skippable, &frame, &skippable].concat();
        assert_eq!(decode(&stream[..]).unwrap(), b"datadata");
    }

    #[test]
    fn data_cut_short_anywhere_is_an_error() {
        for compression in FORMATS {
            let one = encode(compression, &sample()[..700]);
            let two = [&one[..], &one].concat();
            for end in (MAGIC_LEN..two.len()).filter(|&end| end != one.len()) {
                let error = decode(&two[..end]).expect_err(&format!("{compression} cut at {end}"));
                assert_eq!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof,
                    "{compression} cut at {end}: {error:?}"
                );
                assert_eq!(error.to_string(), format!("{compression} data ends too early"));
            }
        }
    }

    #[test]
    fn garbage_behind_the_data_is_an_error() {
        for compression in FORMATS {
            for garbage in [b"g".as_slice(), b"garbage behind the last member", b"\0"] {
                let encoded = [encode(compression, &sample()), garbage.to_vec()].concat();
                let error = decode(&encoded[..]).expect_err(compression.name());
                assert!(error.to_string().starts_with(compression.name()), "{error}");
                assert!(error.source().is_some());
            }
        }
    }

    #[test]
    fn damage_is_an_error_and_stays_one() {
        for compression in FORMATS {
            let mut encoded = encode(compression, &sample());
            let middle = encoded.len() / 2;
            encoded[middle] ^= 0x10;
            let mut decoder = Decoder::new(&encoded[..]).unwrap();
            let mut out = Vec::new();
            assert!(decoder.read_to_end(&mut out).is_err(), "{compression}");
            assert!(decoder.read(&mut [0; 64]).is_err(), "{compression}");
        }
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused() {
        // A frame header that asks for a window of 2^28 bytes (RFC 8878, 3.1.1.1.2).
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (28 - 10) << 3, 0x01, 0, 0, 0];
        assert!(decode(&frame[..]).unwrap_err().to_string().starts_with("zstd"));
    }

    #[test]
    fn a_failing_source_is_named_with_the_compression() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::new(io::ErrorKind::ConnectionReset, "line is dead"))
            }
        }
        for compression in FORMATS {
            let encoded = encode(compression, &sample());
            let error = decode(encoded[..100].chain(Broken)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert_eq!(error.to_string(), format!("{compression} data cannot be decoded"));
            assert_eq!(error.source().unwrap().to_string(), "line is dead");
        }
    }

    #[test]
    fn a_decoder_can_move_to_a_thread() {
        fn assert_send<T: Send>() {}
        assert_send::<Decoder<std::fs::File>>();
    }
}
