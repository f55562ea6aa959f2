//! Clear-signed messages (RFC 9580, section 7).
//!
//! The frame is what attacks on such messages aim at: text that stands outside of
//! it, or that one program takes for text and another for a header. So there is
//! one way to read it, and whatever could be read in another is refused.

use super::armor;
use super::error::VerifyError;

const BEGIN: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// A clear-signed message, taken apart but not verified.
#[derive(Debug)]
pub(super) struct Cleartext {
    /// The text with its lines ended by LF, the last one too.
    pub(super) text: Vec<u8>,
    /// The same text as it is hashed: CRLF between lines, none after the last.
    pub(super) signed: Vec<u8>,
    /// The signature packets.
    pub(super) signatures: Vec<u8>,
}

/// Takes a whole file apart.
pub(super) fn split(data: &[u8]) -> Result<Cleartext, VerifyError> {
    let rest = skip_headers(data)?;
    let (text, signed, len) = read_text(rest)?;
    let (block, after) = armor::split_block(&rest[len..], "PGP SIGNATURE")
        .ok_or_else(|| VerifyError::Malformed("its armour has no end".to_owned()))?;
    if !armor::is_blank(after) {
        return Err(VerifyError::WrongFraming("something follows its signature"));
    }
    let signatures = armor::decode(block).map_err(VerifyError::Malformed)?;
    Ok(Cleartext { text, signed, signatures })
}

/// What follows the first line, the headers and the empty line after them.
fn skip_headers(data: &[u8]) -> Result<&[u8], VerifyError> {
    let mut lines = armor::lines(data);
    let mut len = match lines.next() {
        Some((line, BEGIN)) => line.len(),
        _ if lines.any(|(_, content)| content == BEGIN) => {
            return Err(VerifyError::WrongFraming("something stands before the signed text"));
        }
        _ => return Err(VerifyError::NoSignature),
    };
    for (line, content) in lines {
        len += line.len();
        if content.is_empty() {
            return Ok(&data[len..]);
        }
        if !is_hash_header(content) {
            return Err(VerifyError::WrongFraming("it has a header other than \"Hash\""));
        }
    }
    Err(VerifyError::Malformed("it ends within its headers".to_owned()))
}

/// `Hash`, the one header that is allowed (section 7.1). What it says is not
/// signed, so nothing is made of it: the signatures tell their hashes themselves.
fn is_hash_header(line: &[u8]) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b',' | b' ');
    line.strip_prefix(b"Hash: ").is_some_and(|names| names.iter().all(word))
}

/// The text, the text as hashed, and how many bytes of `data` both took.
fn read_text(data: &[u8]) -> Result<(Vec<u8>, Vec<u8>, usize), VerifyError> {
    let mut text = Vec::with_capacity(data.len());
    let mut signed = Vec::with_capacity(data.len());
    let mut len = 0;
    for (line, content) in armor::lines(data) {
        if content == BEGIN_SIGNATURE {
            // Without a line and with one empty line hash alike; one answer for both.
            if text.is_empty() {
                text.push(b'\n');
            }
            return Ok((text, signed, len));
        }
        let content = plain(content)?;
        if len > 0 {
            signed.extend_from_slice(b"\r\n");
        }
        signed.extend_from_slice(content);
        text.extend_from_slice(content);
        text.push(b'\n');
        len += line.len();
    }
    Err(VerifyError::Malformed("there is none after the signed text".to_owned()))
}

/// A line without its dash escape (section 7.2) and the blanks at its end.
fn plain(line: &[u8]) -> Result<&[u8], VerifyError> {
    // A CR that ends no line is one to some programs and text to others.
    if line.iter().any(|byte| matches!(byte, 0 | b'\r')) {
        return Err(VerifyError::WrongFraming("the signed text holds a NUL or a stray CR"));
    }
    let blanks = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let line = &line[..line.len() - blanks];
    match line {
        [b'-', b' ', rest @ ..] => Ok(rest),
        // Also an escaped empty line: without its blank it would be a dash.
        [b'-', ..] => Err(VerifyError::WrongFraming("the signed text has a dash that is not escaped")),
        _ => Ok(line),
    }
}
