//! A message with its signature around it (RFC 9580, section 10.3): what `gpg --sign` makes, and
//! what container tools keep as the signature of an image.

use pgp::types::Tag;

use super::error::VerifyError;
use super::packets::RawPackets;

/// What is signed, and the packets of its signatures.
pub(super) struct Message<'a> {
    pub(super) content: &'a [u8],
    pub(super) signatures: &'a [u8],
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
            (Tag::CompressedData, None) => return Err(malformed("it is compressed, which is not supported")),
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
