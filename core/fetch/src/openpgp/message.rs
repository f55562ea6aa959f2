//! A message with its signature around it (RFC 9580, section 10.3): what `gpg --sign` makes, and
//! what container tools keep as the signature of an image.

use std::borrow::Cow;
use std::io::{self, Read};

use pgp::packet::PacketHeader;
use pgp::types::{PacketLength, Tag};

use super::error::VerifyError;
use super::packets::RawPackets;
use super::verify::MAX_CLEARTEXT;

/// What is signed, and the packets of its signatures.
pub(super) struct Message<'a> {
    pub(super) content: &'a [u8],
    pub(super) signatures: &'a [u8],
}

/// The message inside of one that is compressed as a whole (section 5.6), which is how gpg signs
/// unless told otherwise; any other as it is.
pub(super) fn unpack(data: &[u8]) -> Result<Cow<'_, [u8]>, VerifyError> {
    let malformed = |why: &str| VerifyError::Malformed(why.to_owned());
    let mut rest = data;
    let Ok(header) = PacketHeader::try_from_reader(&mut rest) else { return Ok(Cow::Borrowed(data)) };
    if header.tag() != Tag::CompressedData {
        return Ok(Cow::Borrowed(data));
    }
    let body = match header.packet_length() {
        PacketLength::Fixed(length) => usize::try_from(length).ok().and_then(|length| rest.get(..length)),
        // Up to the end of all (section 4.2.2): gpg's way.
        PacketLength::Indeterminate => Some(rest),
        PacketLength::Partial(_) => return Err(malformed("it is cut into parts")),
    };
    let (&algorithm, body) = body.and_then(<[u8]>::split_first).ok_or_else(|| malformed("it is cut off"))?;
    let mut content = Vec::new();
    let limit = MAX_CLEARTEXT as u64 + 1;
    let read = match algorithm {
        1 => flate2::read::DeflateDecoder::new(body).take(limit).read_to_end(&mut content),
        2 => flate2::read::ZlibDecoder::new(body).take(limit).read_to_end(&mut content),
        3 => bzip2::read::BzDecoder::new(body).take(limit).read_to_end(&mut content),
        0 => body.take(limit).read_to_end(&mut content),
        _ => Err(io::Error::other("unknown")),
    };
    match read {
        Ok(length) if length as u64 == limit => Err(malformed("it is too long")),
        Ok(_) => Ok(Cow::Owned(content)),
        Err(_) => Err(malformed("it cannot be decompressed")),
    }
}

/// Takes a binary message apart. One that is compressed, encrypted or cut into parts is refused.
pub(super) fn split(data: &[u8]) -> Result<Message<'_>, VerifyError> {
    let malformed = |why: &str| VerifyError::Malformed(why.to_owned());
    let mut packets = RawPackets(data);
    let mut content = None;
    loop {
        let rest = packets.0;
        let packet = packets.next().ok_or_else(|| malformed("it has no signature"))?;
        let packet = packet.map_err(malformed)?;
        match (packet.tag(), content) {
            (Tag::OnePassSignature | Tag::Marker, None) => {}
            (Tag::LiteralData, None) => {
                content = Some(literal(packet.body()).ok_or_else(|| malformed("its content is cut off"))?);
            }
            (Tag::Signature, Some(content)) => return Ok(Message { content, signatures: rest }),
            (Tag::CompressedData, None) => return Err(malformed("it is compressed twice")),
            (other, _) => return Err(malformed(&format!("it holds a packet of type {other:?}"))),
        }
    }
}

/// The content of a literal data packet (section 5.9): behind format, file name and date.
fn literal(body: &[u8]) -> Option<&[u8]> {
    let (_, rest) = body.split_first()?;
    let (&length, rest) = rest.split_first()?;
    rest.get(usize::from(length) + 4..)
}
