//! ASCII armour (RFC 9580, section 6.2).
//!
//! Blocks are cut out here by their first and last line, so that nothing outside
//! of them is ever handed to a decoder that might look past it.

use std::io::Read;

use pgp::armor::Dearmor;

/// A line with its end, and what it holds without.
pub(super) fn lines(data: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    data.split_inclusive(|&byte| byte == b'\n').map(|line| (line, without_end(line)))
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether there is nothing but ends of lines.
pub(super) fn is_blank(data: &[u8]) -> bool {
    data.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// The block of this kind that `data` begins with, and what follows it.
///
/// `None` without such a block, or if another begins before it ends.
pub(super) fn split_block<'a>(data: &'a [u8], kind: &str) -> Option<(&'a [u8], &'a [u8])> {
    let begin = format!("-----BEGIN {kind}-----");
    let end = format!("-----END {kind}-----");
    let mut len = 0;
    for (line, content) in lines(data) {
        let first = len == 0;
        len += line.len();
        if first != (content == begin.as_bytes()) {
            return None;
        }
        if content == end.as_bytes() {
            return Some(data.split_at(len));
        }
        if !first && content.starts_with(b"-----") {
            return None;
        }
    }
    None
}

/// All blocks of this kind, wherever they stand. What surrounds them is ignored.
pub(super) fn blocks<'a>(data: &'a [u8], kind: &str) -> Vec<&'a [u8]> {
    let begin = format!("-----BEGIN {kind}-----");
    let mut found = Vec::new();
    let mut rest = data;
    while let Some((line, content)) = lines(rest).next() {
        match split_block(rest, kind) {
            Some((block, after)) if content == begin.as_bytes() => {
                found.push(block);
                rest = after;
            }
            _ => rest = &rest[line.len()..],
        }
    }
    found
}

/// The bytes inside of one block.
pub(super) fn decode(block: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    Dearmor::new(block).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &[u8] = b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn a_block_ends_where_it_says() {
        let twice = [BLOCK, BLOCK].concat();
        assert_eq!(split_block(&twice, "PGP SIGNATURE"), Some((BLOCK, BLOCK)));
        assert_eq!(decode(BLOCK).unwrap(), [0; 3]);
        assert_eq!(blocks(&[b"words\n", &twice[..], b"words"].concat(), "PGP SIGNATURE"), [BLOCK, BLOCK]);
    }

    #[test]
    fn no_block_holds_the_beginning_of_another() {
        let cut = &BLOCK[..BLOCK.len() - 5];
        assert_eq!(split_block(cut, "PGP SIGNATURE"), None);
        assert_eq!(split_block(&[cut, BLOCK].concat(), "PGP SIGNATURE"), None);
        assert_eq!(split_block(BLOCK, "PGP MESSAGE"), None);
        assert_eq!(split_block(b"", "PGP SIGNATURE"), None);
    }
}
