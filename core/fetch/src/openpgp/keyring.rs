//! Certificates from files, and which of them may sign.
//!
//! Keyrings of distributions keep keys for decades; some cannot be read by any
//! program of today. They are skipped and named, never an obstacle to the others.

use std::collections::HashMap;
use std::fmt;

use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::packet::Signature;
use pgp::types::Tag;

use super::armor;
use super::certificate::{Certificate, Key};
use super::error::KeyringError;
use super::packets::{RawPacket, RawPackets};

/// Most bytes of all files of a keyring together. Debian's has 55 KiB.
pub const MAX_KEYRING: usize = 16 << 20;

/// The certificates that a repository trusts.
#[derive(Debug)]
pub struct Keyring {
    certificates: Vec<Certificate>,
    skipped: Vec<Skipped>,
    /// A key has to be in each of these.
    restrictions: Vec<Vec<Allowed>>,
}

/// Something in a keyring that is no certificate, or none that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The name of the file it is in, as it was handed in.
    pub file: String,
    /// Why it was skipped.
    pub why: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.why)
    }
}

#[derive(Debug)]
struct Allowed {
    fingerprint: String,
    /// Not the subkeys of the key too.
    exact: bool,
}

impl Allowed {
    /// `FPR` or `FPR!`, as in apt's `Signed-By`.
    fn parse(text: &str) -> Result<Self, KeyringError> {
        let (digits, exact) = text.strip_suffix('!').map_or((text, false), |digits| (digits, true));
        let is_full = matches!(digits.len(), 40 | 64) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_full {
            return Err(KeyringError::NotAFingerprint(text.to_owned()));
        }
        Ok(Self { fingerprint: digits.to_ascii_uppercase(), exact })
    }

    fn permits(&self, key: Key<'_>) -> bool {
        self.fingerprint == key.fingerprint() || (!self.exact && self.fingerprint == key.primary())
    }
}

impl Keyring {
    /// Reads certificates from files, each with a name for messages.
    ///
    /// A file holds any number of certificates, binary (`.gpg`) or in any number of
    /// armoured blocks (`.asc`) with whatever around them. Copies of the same
    /// certificate become one. A keyring without any certificate is an error; what
    /// else cannot be read is [`skipped`](Self::skipped).
    pub fn read(files: &[(&str, &[u8])]) -> Result<Self, KeyringError> {
        let size = files.iter().fold(0_usize, |sum, (_, data)| sum.saturating_add(data.len()));
        if size > MAX_KEYRING {
            return Err(KeyringError::TooLarge { limit: MAX_KEYRING });
        }
        let mut building = Building::default();
        for (file, data) in files {
            building.read_file(file, data);
        }
        let Building { certificates, skipped, .. } = building;
        if certificates.is_empty() {
            return Err(KeyringError::Empty { skipped });
        }
        Ok(Self { certificates, skipped, restrictions: Vec::new() })
    }

    /// The fingerprints of the primary keys in upper-case hexadecimal, in the order
    /// of the files.
    pub fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(|certificate| certificate.fingerprint().to_owned()).collect()
    }

    /// What could not be read.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Lets only these keys sign, as apt's `Signed-By` does.
    ///
    /// A fingerprint stands for that key and, of a primary key, its subkeys; with a
    /// `!` behind it, for that key alone. All other keys are strangers from now on.
    pub fn restrict(mut self, fingerprints: &[String]) -> Result<Self, KeyringError> {
        let allowed = fingerprints.iter().map(|text| Allowed::parse(text)).collect::<Result<_, _>>()?;
        self.restrictions.push(allowed);
        let mut certificates = std::mem::take(&mut self.certificates);
        certificates.retain(|certificate| certificate.keys().any(|key| self.permits(key)));
        if certificates.is_empty() {
            return Err(KeyringError::NoSuchKey { fingerprints: fingerprints.to_vec() });
        }
        self.certificates = certificates;
        Ok(self)
    }

    fn permits(&self, key: Key<'_>) -> bool {
        self.restrictions.iter().all(|allowed| allowed.iter().any(|allowed| allowed.permits(key)))
    }

    /// The keys that a signature names as its issuer.
    ///
    /// A fingerprint is believed before a key ID, of which two can be made alike.
    pub(super) fn issuers(&self, signature: &Signature) -> Vec<Key<'_>> {
        let fingerprints = signature.issuer_fingerprint();
        let ids = signature.issuer_key_id();
        let is_issuer = |key: &Key<'_>| match fingerprints.as_slice() {
            [] => ids.contains(&&key.material().legacy_key_id()),
            _ => fingerprints.contains(&&key.material().fingerprint()),
        };
        let keys = self.certificates.iter().flat_map(Certificate::keys);
        keys.filter(|key| is_issuer(key) && self.permits(*key)).collect()
    }
}

/// A keyring while it is read.
#[derive(Default)]
struct Building {
    certificates: Vec<Certificate>,
    skipped: Vec<Skipped>,
    places: HashMap<String, usize>,
}

impl Building {
    fn skip(&mut self, file: &str, why: impl Into<String>) {
        self.skipped.push(Skipped { file: file.to_owned(), why: why.into() });
    }

    fn read_file(&mut self, file: &str, data: &[u8]) {
        // The first bit of every packet is set (RFC 9580, section 4.2), and of no text.
        if data.first().is_some_and(|byte| byte & 0x80 != 0) {
            return self.read_packets(file, data);
        }
        if data.get(8..12) == Some(b"KBXf") {
            return self.skip(file, "a keybox of GnuPG; export the keys with gpg --export");
        }
        let blocks = armor::blocks(data, "PGP PUBLIC KEY BLOCK");
        if blocks.is_empty() {
            self.skip(file, "no OpenPGP keys");
        }
        for block in blocks {
            match armor::decode(block) {
                Ok(packets) => self.read_packets(file, &packets),
                Err(why) => self.skip(file, why),
            }
        }
    }

    fn read_packets(&mut self, file: &str, data: &[u8]) {
        let mut current: Vec<RawPacket<'_>> = Vec::new();
        for packet in RawPackets(data) {
            match packet {
                Ok(packet) if matches!(packet.tag(), Tag::PublicKey | Tag::SecretKey) => {
                    self.add(file, &std::mem::replace(&mut current, vec![packet]));
                }
                Ok(packet) => current.push(packet),
                Err(why) => {
                    // What was cut off may have been a revocation.
                    current.clear();
                    self.skip(file, why);
                }
            }
        }
        self.add(file, &current);
    }

    fn add(&mut self, file: &str, packets: &[RawPacket<'_>]) {
        if packets.is_empty() {
            return;
        }
        match parse(packets) {
            Ok(certificate) => match self.places.get(certificate.fingerprint()) {
                Some(&place) => self.certificates[place].merge(certificate),
                None => {
                    self.places.insert(certificate.fingerprint().to_owned(), self.certificates.len());
                    self.certificates.push(certificate);
                }
            },
            Err(why) => self.skip(file, why),
        }
    }
}

/// One certificate: a primary key and the packets up to the next.
fn parse(packets: &[RawPacket<'_>]) -> Result<Certificate, String> {
    match packets.first().map(RawPacket::tag) {
        Some(Tag::PublicKey) => {}
        Some(Tag::SecretKey) => return Err("a secret key".to_owned()),
        _ => return Err("packets that belong to no key".to_owned()),
    }
    let mut parsed = Vec::new();
    let mut lost = false;
    for (place, packet) in packets.iter().enumerate() {
        // Signatures belong to what stands before them. GnuPG's trust packets stand
        // between and are nobody's business.
        match packet.tag() {
            Tag::Signature if lost => continue,
            Tag::Signature => {}
            Tag::PublicKey | Tag::PublicSubkey | Tag::UserId | Tag::UserAttribute => lost = false,
            _ => continue,
        }
        match packet.parse() {
            Ok(packet) => parsed.push(Ok(packet)),
            Err(error) if place == 0 => return Err(format!("a key that cannot be read: {error}")),
            Err(_) => lost = packet.tag() != Tag::Signature,
        }
    }
    let key = SignedPublicKey::from_packets(parsed.into_iter().peekable()).next();
    Certificate::new(key.ok_or("no key")?.map_err(|error| error.to_string())?)
}
