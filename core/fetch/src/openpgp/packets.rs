//! Packets (RFC 9580, section 4), cut but not yet understood.
//!
//! They are cut before they are parsed, so that one that nobody understands, such
//! as a key of a new algorithm, costs no more than itself.

use pgp::packet::{Packet, PacketHeader, Signature};
use pgp::types::{PacketLength, Tag};

use super::error::VerifyError;

/// Most signatures looked at in one message: repositories have up to four.
pub const MAX_SIGNATURES: usize = 32;

/// One packet of which only the header is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawPacket<'a> {
    header: PacketHeader,
    body: &'a [u8],
}

impl<'a> RawPacket<'a> {
    pub(super) fn tag(&self) -> Tag {
        self.header.tag()
    }

    pub(super) fn body(&self) -> &'a [u8] {
        self.body
    }

    pub(super) fn parse(&self) -> pgp::errors::Result<Packet> {
        Packet::from_reader(self.header, self.body)
    }
}

/// The packets in some bytes; ends with an error where no packet can be cut.
#[derive(Debug)]
pub(super) struct RawPackets<'a>(pub(super) &'a [u8]);

impl<'a> RawPackets<'a> {
    fn cut(&mut self) -> Option<RawPacket<'a>> {
        let header = PacketHeader::try_from_reader(&mut self.0).ok()?;
        // Other lengths are for data that is streamed; keys and signatures are not.
        let PacketLength::Fixed(len) = header.packet_length() else { return None };
        let (body, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(RawPacket { header, body })
    }
}

impl<'a> Iterator for RawPackets<'a> {
    type Item = Result<RawPacket<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let packet = self.cut().ok_or("broken OpenPGP packets");
        if packet.is_err() {
            self.0 = &[];
        }
        Some(packet)
    }
}

/// The signatures in `data`, each with the reason if it cannot be understood.
pub(super) fn signatures(data: &[u8]) -> Result<Vec<Result<Signature, String>>, VerifyError> {
    let mut found = Vec::new();
    for packet in RawPackets(data) {
        let packet = packet.map_err(|why| VerifyError::Malformed(why.to_owned()))?;
        match packet.tag() {
            Tag::Signature => found.push(parse_signature(packet)),
            // Says nothing by definition (section 5.8).
            Tag::Marker => {}
            other => return Err(VerifyError::Malformed(format!("it holds a packet of type {other:?}"))),
        }
        if found.len() > MAX_SIGNATURES {
            return Err(VerifyError::Malformed(format!("there are more than {MAX_SIGNATURES}")));
        }
    }
    Ok(found)
}

fn parse_signature(packet: RawPacket<'_>) -> Result<Signature, String> {
    match packet.parse() {
        Ok(Packet::Signature(signature)) if signature.config().is_some() => Ok(signature),
        Ok(Packet::Signature(signature)) => Err(format!("it is of {:?}", signature.version())),
        Ok(_) => Err("it is none".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
