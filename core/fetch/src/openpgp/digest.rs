//! The digests that signatures are made over, all in one pass over the data.
//!
//! What is signed may be a filesystem of a gigabyte, with several signatures that
//! use different hashes; it is read once and never held.

use std::io::{self, Read};

use pgp::packet::{SignatureConfig, SignatureType, SignatureVersionSpecific};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// A digest, or why there is none.
pub(super) type Digest = Result<Box<[u8]>, String>;

/// The digest that belongs to each of `configs` (RFC 9580, section 5.2.4).
pub(super) fn of(mut data: impl Read, configs: &[&SignatureConfig]) -> io::Result<Vec<Digest>> {
    let mut hashers = Vec::new();
    for config in configs {
        let mut hasher = config.hash_alg.new_hasher().map_err(io::Error::other)?;
        if let SignatureVersionSpecific::V6 { salt } = &config.version_specific {
            hasher.update(salt);
        }
        hashers.push((config, hasher));
    }
    let mut chunk = vec![0; CHUNK];
    let mut text = Text::default();
    loop {
        let len = match data.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        text.take(&chunk[..len]);
        for (config, hasher) in &mut hashers {
            let is_text = config.typ == SignatureType::Text;
            hasher.update(if is_text { &text.canonical } else { &chunk[..len] });
        }
    }
    let finish = |(config, mut hasher): (&&SignatureConfig, _)| {
        let len = config.hash_signature_data(&mut hasher)?;
        hasher.update(&config.trailer(len)?);
        Ok(hasher.finalize())
    };
    let digests = hashers.into_iter().map(finish);
    Ok(digests.map(|digest| digest.map_err(|error: pgp::errors::Error| error.to_string())).collect())
}

/// A chunk with its lines ended by CRLF, as signatures of text are made over
/// (section 5.2.1.2).
#[derive(Default)]
struct Text {
    canonical: Vec<u8>,
    after_cr: bool,
}

impl Text {
    fn take(&mut self, chunk: &[u8]) {
        self.canonical.clear();
        for &byte in chunk {
            if byte == b'\n' && !self.after_cr {
                self.canonical.push(b'\r');
            }
            self.canonical.push(byte);
            self.after_cr = byte == b'\r';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_lines_become_canonical_across_chunks() {
        let mut text = Text::default();
        let mut all = Vec::new();
        for chunk in ["a\nb\r", "\nc\r", "d\n\n"] {
            text.take(chunk.as_bytes());
            all.extend_from_slice(&text.canonical);
        }
        assert_eq!(all, b"a\r\nb\r\nc\rd\r\n\r\n");
    }
}
