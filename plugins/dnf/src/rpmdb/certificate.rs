//! What rpm reads of an OpenPGP certificate to make a package of it: numbers of keys, dates, a
//! name (RFC 9580).
//!
//! Nothing is verified here. A key is trusted for who names it, and what it signs is checked by
//! the host; this is for the database's record of it alone.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &[u8] = b"-----END PGP PUBLIC KEY BLOCK-----";
/// Bytes of text: many times what the largest of distributions has.
const MAX_SIZE: usize = 4 << 20;

// Types of packets (RFC 9580, section 5).
const SIGNATURE: u8 = 2;
const SECRET_KEY: u8 = 5;
const PUBLIC_KEY: u8 = 6;
const SECRET_SUBKEY: u8 = 7;
const USER_ID: u8 = 13;
const PUBLIC_SUBKEY: u8 = 14;

/// A type of signature: a key says that a subkey is its own (section 5.2.1.8).
const SUBKEY_BINDING: u8 = 0x18;
/// A subpacket: what a key is for (section 5.2.3.29).
const KEY_FLAGS: u8 = 27;
/// It is for signatures on data.
const SIGNS_DATA: u8 = 2;

/// Why a text is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It is none at all.
    #[error("it is no public key")]
    None,
    /// It is absurdly large.
    #[error("it is larger than {} MiB, more than keys are", MAX_SIZE >> 20)]
    Size,
    /// It is damaged.
    #[error("its armour is damaged: {0}")]
    Armour(&'static str),
    /// It does not have the form of OpenPGP.
    #[error("it is no OpenPGP certificate: {0}")]
    Packet(&'static str),
    /// It is of a version that rpm does not know, or does no longer.
    #[error("it has a key of version {0}, which rpm does not read")]
    Version(u8),
    /// It does not fit into a header.
    #[error("rpm's record of it cannot be made")]
    Header(#[from] crate::rpm::header::HeaderError),
}

/// A certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    /// All of it.
    pub(super) bytes: Vec<u8>,
    pub(super) primary: Key,
    /// The last name, as rpm's own reader has it.
    pub(super) user: Option<Vec<u8>>,
    /// Subkeys that sign.
    pub(super) subkeys: Vec<Key>,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) version: u8,
    /// Seconds since 1970.
    pub(super) created: u32,
    pub(super) fingerprint: Vec<u8>,
}

/// All certificates in a file: in binary form, or in a text, where there may be several in a block
/// and several blocks.
pub(super) fn read(file: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    if file.len() > MAX_SIZE {
        return Err(CertificateError::Size);
    }
    let mut certificates = Vec::new();
    if is_binary(file) {
        read_packets(file, &mut certificates)?;
        return Ok(certificates);
    }
    let mut lines = file.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    while lines.any(|line| line == BEGIN) {
        read_packets(&dearmour(&mut lines)?, &mut certificates)?;
    }
    if certificates.is_empty() { Err(CertificateError::None) } else { Ok(certificates) }
}

/// Whether a file has packets rather than a text: the first bit of each is set (section 4.2).
pub(super) fn is_binary(file: &[u8]) -> bool {
    file.first().is_some_and(|byte| byte & 0x80 != 0)
}

fn read_packets(mut rest: &[u8], certificates: &mut Vec<Certificate>) -> Result<(), CertificateError> {
    while !rest.is_empty() {
        let certificate = Certificate::read(rest)?;
        rest = &rest[certificate.bytes.len()..];
        certificates.push(certificate);
    }
    Ok(())
}

/// The bytes of a block, from behind its first line to its last (section 6.2).
fn dearmour<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, CertificateError> {
    let (mut base64, mut checksum, mut is_ended) = (Vec::new(), None, false);
    for line in lines.by_ref().skip_while(|line| line.contains(&b':')) {
        match line {
            line if line == END => {
                is_ended = true;
                break;
            }
            [b'=', rest @ ..] if rest.len() == 4 => checksum = Some(rest),
            line => base64.extend_from_slice(line),
        }
    }
    if !is_ended {
        return Err(CertificateError::Armour("it does not end"));
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let decode =
        |base64: &[u8]| engine.decode(base64).map_err(|_| CertificateError::Armour("it is no Base64"));
    let bytes = decode(&base64)?;
    match checksum.map(decode).transpose()? {
        Some(sum) if sum != crc24(&bytes) => Err(CertificateError::Armour("its checksum is wrong")),
        _ => Ok(bytes),
    }
}

/// The checksum of an armour (section 6.1.1).
pub(super) fn crc24(bytes: &[u8]) -> [u8; 3] {
    let mut crc = 0x00b7_04ce_u32;
    for &byte in bytes {
        crc ^= u32::from(byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    let [_, sum @ ..] = crc.to_be_bytes();
    sum
}

impl Certificate {
    /// Reads the first certificate of `bytes`.
    fn read(bytes: &[u8]) -> Result<Self, CertificateError> {
        let (first, mut rest) = Packet::read(bytes)?;
        if first.kind != PUBLIC_KEY {
            return Err(CertificateError::Packet("it does not begin with a public key"));
        }
        let mut certificate =
            Self { bytes: Vec::new(), primary: Key::read(first.body)?, user: None, subkeys: Vec::new() };
        let mut subkey = None;
        while !rest.is_empty() {
            let (packet, behind) = Packet::read(rest)?;
            match packet.kind {
                PUBLIC_KEY => break,
                SECRET_KEY | SECRET_SUBKEY => {
                    return Err(CertificateError::Packet("there is a secret key in it"));
                }
                USER_ID => certificate.user = Some(packet.body.to_vec()),
                // Only what comes right behind a subkey says what it is for.
                SIGNATURE if signs_data(packet.body) => certificate.subkeys.extend(subkey.take()),
                _ => {}
            }
            subkey = (packet.kind == PUBLIC_SUBKEY).then(|| Key::read(packet.body)).transpose()?;
            rest = behind;
        }
        certificate.bytes = bytes[..bytes.len() - rest.len()].to_vec();
        Ok(certificate)
    }
}

impl Key {
    /// Reads the body of a key's packet (section 5.5.2).
    fn read(body: &[u8]) -> Result<Self, CertificateError> {
        let &[version, a, b, c, d, _, ..] = body else {
            return Err(CertificateError::Packet("a key in it is too short"));
        };
        let size = body.len() as u32;
        let fingerprint = match version {
            4 => sha1(&[&[0x99], &size.to_be_bytes()[2..], body].concat()),
            6 => sha256(&[&[0x9b], &size.to_be_bytes()[..], body].concat()),
            _ => return Err(CertificateError::Version(version)),
        };
        Ok(Self { version, created: u32::from_be_bytes([a, b, c, d]), fingerprint })
    }

    /// The number by which signatures name it (section 5.5.4).
    pub(super) fn id(&self) -> &[u8] {
        match self.version {
            4 => &self.fingerprint[self.fingerprint.len() - 8..],
            _ => &self.fingerprint[..8],
        }
    }
}

pub(super) fn sha1(bytes: &[u8]) -> Vec<u8> {
    use sha1::Digest as _;
    sha1::Sha1::digest(bytes).to_vec()
}

pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).to_vec()
}

/// A packet (section 4.2).
struct Packet<'a> {
    kind: u8,
    body: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The first packet, and what is behind it.
    fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), CertificateError> {
        let packet = || {
            let (&first, rest) = bytes.split_first()?;
            let (kind, size, rest) = match first {
                0xc0.. => {
                    let (size, rest) = length(rest)?;
                    (first & 0x3f, size, rest)
                }
                0x80.. => {
                    // The last of the four says that the packet goes to the end.
                    let width = 1 << (first & 3);
                    let (size, rest) = rest.split_at_checked(width).filter(|_| width < 8)?;
                    (first >> 2 & 0xf, big_endian(size), rest)
                }
                _ => return None,
            };
            let (body, rest) = rest.split_at_checked(size)?;
            Some((Packet { kind, body }, rest))
        };
        packet().ok_or(CertificateError::Packet("a packet in it does not fit"))
    }
}

/// A length in the new form (section 4.2.1); no partial one, which keys do not have.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..192 => Some((first.into(), rest)),
        192..224 => {
            let (&second, rest) = rest.split_first()?;
            Some(((usize::from(first) - 192) * 256 + usize::from(second) + 192, rest))
        }
        255 => rest.split_at_checked(4).map(|(size, rest)| (big_endian(size), rest)),
        _ => None,
    }
}

/// Whether a signature binds a subkey that is to sign (section 5.2.3).
fn signs_data(signature: &[u8]) -> bool {
    let flags = || {
        let (&[version, kind, _, _], rest) = signature.split_first_chunk()?;
        let width = if version == 6 { 4 } else { 2 };
        let (size, rest) = rest.split_at_checked(width)?;
        let mut rest = rest.get(..big_endian(size)).filter(|_| version >= 4 && kind == SUBKEY_BINDING)?;
        while !rest.is_empty() {
            let (size, behind) = subpacket_length(rest)?;
            let (subpacket, behind) = behind.split_at_checked(size)?;
            match subpacket {
                [kind, flags, ..] if kind & 0x7f == KEY_FLAGS => return Some(*flags),
                _ => rest = behind,
            }
        }
        None
    };
    flags().is_some_and(|flags| flags & SIGNS_DATA != 0)
}

/// Here all of 192 to 254 begin a length of two bytes (section 5.2.3.7).
fn subpacket_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [first @ 224..=254, second, ref rest @ ..] => {
            Some(((usize::from(first) - 192) * 256 + usize::from(second) + 192, rest))
        }
        _ => length(bytes),
    }
}

/// The caller gives four bytes at most.
fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_in_all_forms() {
        let check = |bytes: &[u8], kind: u8, size: usize| {
            let bytes = [bytes, &[0; 9000]].concat();
            let (packet, rest) = Packet::read(&bytes).unwrap();
            assert_eq!((packet.kind, packet.body.len()), (kind, size));
            assert!(rest.len() + size <= 9000 + bytes.len());
        };
        check(&[0x98, 51], 6, 51);
        check(&[0x99, 1, 0], 6, 256);
        check(&[0x9a, 0, 0, 1, 0], 6, 256);
        check(&[0xcd, 191], 13, 191);
        check(&[0xcd, 192, 0], 13, 192);
        check(&[0xcd, 223, 255], 13, 8383);
        check(&[0xcd, 255, 0, 0, 1, 0], 13, 256);
        // To the end; in parts; no packet; too short.
        for bad in [&[0x9b, 0][..], &[0xcd, 224, 0], &[0x42, 0], &[0xcd, 5, 0], &[0x99, 0], &[]] {
            assert!(Packet::read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_the_flags_of_a_binding_that_is_signed_count() {
        let signature = |kind: u8, subpackets: &[u8]| {
            let size = (subpackets.len() as u16).to_be_bytes();
            signs_data(&[&[4, kind, 1, 8], &size[..], subpackets, &[3, KEY_FLAGS, 2, 0]].concat())
        };
        assert!(signature(SUBKEY_BINDING, &[5, 2, 0, 0, 0, 0, 2, KEY_FLAGS | 0x80, 2]));
        assert!(!signature(SUBKEY_BINDING, &[2, KEY_FLAGS, 0x0c]));
        assert!(!signature(0x28, &[2, KEY_FLAGS, 2]));
        assert!(!signature(SUBKEY_BINDING, &[]));
        assert!(!signature(SUBKEY_BINDING, &[9, KEY_FLAGS]));
        assert!(!signs_data(&[4, SUBKEY_BINDING]));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fail(bytes: Vec<u8>) {
            let _ = Certificate::read(&bytes);
            let _ = Certificate::read(&[&[0x98, 51], &[4; 51][..], &bytes].concat());
            let _ = read(&[BEGIN, b"\n\n", &bytes, b"\n", END].concat());
        }
    }
}
