//! The signatures of a text, weighed.

use std::io::Read;
use std::time::SystemTime;

use pgp::packet::{Signature, SignatureConfig, SignatureType, SignatureVersion, SubpacketData};
use pgp::types::{KeyVersion, SignatureBytes};

use super::certificate::{Key, Seconds, system_time};
use super::digest::{self, Digest};
use super::error::{Refusal, VerifyError};
use super::keyring::Keyring;
use super::{armor, cleartext, message, packets, strength};

/// Largest clear-signed message, in bytes. Indices of distributions have up to 1 MiB.
pub const MAX_CLEARTEXT: usize = 64 << 20;

/// Largest file of signatures, in bytes.
pub const MAX_SIGNATURE: usize = 1 << 20;

/// How far beyond the reference time a signature may lie, in seconds: a day.
///
/// A clock that was set to local time, or in the wrong time zone, is off by less.
pub const FUTURE_TOLERANCE: u64 = 24 * 60 * 60;

/// By what a signature is judged.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The time for which the answer holds; in general, now.
    pub at: SystemTime,
}

impl Policy {
    fn seconds(&self) -> Seconds {
        self.at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
    }
}

/// What is signed, and by whom.
#[derive(Debug)]
pub struct Verified {
    /// The signed text of a clear-signed message; empty for data with a signature
    /// beside it, which is signed as it is.
    pub text: Vec<u8>,
    /// The good signatures by keys of the ring: at least one.
    pub signers: Vec<Signer>,
    /// What signatures by keys outside of the ring say of themselves: a fingerprint
    /// or a key ID in upper-case hexadecimal, or why they cannot be read.
    pub unknown: Vec<String>,
    /// Signatures by keys of the ring that do not count.
    pub rejected: Vec<Rejected>,
}

/// A good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Fingerprint of the key that signed, in upper-case hexadecimal.
    pub fingerprint: String,
    /// Fingerprint of the primary key of its certificate.
    pub primary: String,
    /// The main user ID of its certificate. Free text of whoever made the key.
    pub user_id: Option<String>,
    /// When it was signed.
    pub created: SystemTime,
    /// The algorithm of the key as gpg calls it, such as `rsa4096`.
    pub algorithm: String,
    /// The hash, such as `SHA256`.
    pub hash: String,
}

/// A signature by a key of the ring that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Fingerprint of the key, in upper-case hexadecimal.
    pub fingerprint: String,
    /// Why it does not count.
    pub why: Refusal,
}

/// Verifies a clear-signed message (RFC 9580, section 7), such as `InRelease`.
///
/// The text in the answer is all that may be used of it.
pub fn verify_cleartext(data: &[u8], ring: &Keyring, policy: &Policy) -> Result<Verified, VerifyError> {
    if data.len() > MAX_CLEARTEXT {
        return Err(VerifyError::TooLarge { limit: MAX_CLEARTEXT });
    }
    let message = cleartext::split(data)?;
    let verified = weigh(&message.signed[..], &message.signatures, ring, policy)?;
    Ok(Verified { text: message.text, ..verified })
}

/// Verifies a message with its signature around it, as `gpg --sign` makes it, in binary form.
///
/// The text in the answer is all that may be used of it.
pub fn verify_message(data: &[u8], ring: &Keyring, policy: &Policy) -> Result<Verified, VerifyError> {
    if data.len() > MAX_SIGNATURE {
        return Err(VerifyError::TooLarge { limit: MAX_SIGNATURE });
    }
    let data = message::unpack(data)?;
    let message = message::split(&data)?;
    let verified = weigh(message.content, message.signatures, ring, policy)?;
    Ok(Verified { text: message.content.to_vec(), ..verified })
}

/// Verifies data with a signature beside it, such as `Release` with `Release.gpg`.
///
/// `signature` holds one or more signatures, binary or armoured, and nothing else.
/// `data` is read to its end, once, unless no signature can count anyway.
pub fn verify_detached(
    data: impl Read,
    signature: &[u8],
    ring: &Keyring,
    policy: &Policy,
) -> Result<Verified, VerifyError> {
    if signature.len() > MAX_SIGNATURE {
        return Err(VerifyError::TooLarge { limit: MAX_SIGNATURE });
    }
    // The first bit of every packet is set (RFC 9580, section 4.2), and of no text.
    if signature.first().is_some_and(|byte| byte & 0x80 != 0) {
        return weigh(data, signature, ring, policy);
    }
    weigh(data, &unarmor(signature)?, ring, policy)
}

/// The packets of all blocks of a file that holds only such.
fn unarmor(mut text: &[u8]) -> Result<Vec<u8>, VerifyError> {
    let mut packets = Vec::new();
    while let Some((block, rest)) = armor::split_block(text, "PGP SIGNATURE") {
        packets.extend(armor::decode(block).map_err(VerifyError::Malformed)?);
        text = rest;
    }
    match (packets.is_empty(), armor::is_blank(text)) {
        (false, true) => Ok(packets),
        (true, true) => Err(VerifyError::NoSignature),
        (true, false) => Err(VerifyError::Malformed("it is not an OpenPGP signature".to_owned())),
        (false, false) => Err(VerifyError::WrongFraming("something stands beside its signature")),
    }
}

/// A signature by a key of the ring that is worth its digest.
struct Case<'a> {
    config: &'a SignatureConfig,
    start: [u8; 2],
    bytes: &'a SignatureBytes,
    /// More than one only if key IDs collide, or certificates share a key.
    keys: Vec<Key<'a>>,
}

/// Judges all signatures in `packets` over `data`.
fn weigh(data: impl Read, packets: &[u8], ring: &Keyring, policy: &Policy) -> Result<Verified, VerifyError> {
    let signatures = packets::signatures(packets)?;
    let mut tally = Tally::default();
    let cases: Vec<_> = signatures.iter().filter_map(|signature| tally.open(signature, ring)).collect();
    let configs: Vec<_> = cases.iter().map(|case| case.config).collect();
    let digests = if cases.is_empty() { Vec::new() } else { digest::of(data, &configs)? };
    for (case, digest) in cases.iter().zip(digests) {
        tally.close(case, digest, policy.seconds());
    }
    tally.verdict()
}

/// What has been found so far.
#[derive(Default)]
struct Tally {
    signers: Vec<Signer>,
    unknown: Vec<String>,
    unreadable: Vec<String>,
    rejected: Vec<Rejected>,
    bad: Option<String>,
}

impl Tally {
    /// Sorts out what needs no look at the data.
    fn open<'a>(&mut self, signature: &'a Result<Signature, String>, ring: &'a Keyring) -> Option<Case<'a>> {
        let signature = match signature {
            Ok(signature) => signature,
            Err(why) => {
                self.unreadable.push(why.clone());
                return None;
            }
        };
        let (config, start, bytes) =
            (signature.config()?, signature.signed_hash_value()?, signature.signature()?);
        let keys = ring.issuers(signature);
        let Some(key) = keys.first() else {
            self.unknown.push(issuer(signature));
            return None;
        };
        if let Err(why) = check_config(config) {
            self.reject(*key, why);
            return None;
        }
        Some(Case { config, start, bytes, keys })
    }

    /// Judges a signature, now that its digest is known.
    fn close(&mut self, case: &Case<'_>, digest: Digest, at: Seconds) {
        let digest = match digest {
            Ok(digest) => digest,
            Err(why) => {
                return case.keys.iter().for_each(|key| self.reject(*key, Refusal::NotAllowed(why.clone())));
            }
        };
        let mut refused = Vec::new();
        for key in &case.keys {
            match case.judge(*key, &digest, at) {
                Some(Ok(signer)) => return self.signers.push(signer),
                Some(Err(why)) => refused.push((*key, why)),
                None => {}
            }
        }
        if refused.is_empty() {
            self.bad = case.keys.first().map(|key| key.fingerprint().to_owned());
        }
        refused.into_iter().for_each(|(key, why)| self.reject(key, why));
    }

    fn reject(&mut self, key: Key<'_>, why: Refusal) {
        self.rejected.push(Rejected { fingerprint: key.fingerprint().to_owned(), why });
    }

    fn verdict(self) -> Result<Verified, VerifyError> {
        let Self { signers, mut unknown, unreadable, mut rejected, bad } = self;
        if let Some(key) = bad {
            return Err(VerifyError::BadSignature { key });
        }
        if !signers.is_empty() {
            unknown.extend(unreadable);
            return Ok(Verified { text: Vec::new(), signers, unknown, rejected });
        }
        if !rejected.is_empty() {
            let Rejected { fingerprint, why } = rejected.swap_remove(0);
            return Err(VerifyError::Refused { key: fingerprint, why });
        }
        if !unknown.is_empty() {
            return Err(VerifyError::UnknownSigner { ids: unknown });
        }
        Err(unreadable.into_iter().next().map_or(VerifyError::NoSignature, VerifyError::Malformed))
    }
}

impl Case<'_> {
    /// `None` if the signature is not one of this key over this digest.
    fn judge(&self, key: Key<'_>, digest: &[u8], at: Seconds) -> Option<Result<Signer, Refusal>> {
        let material = key.material();
        let is_v6 = self.config.version() == SignatureVersion::V6;
        if is_v6 != (material.version() == KeyVersion::V6) {
            return None;
        }
        if let Some(algorithm) = strength::unknown_key(material) {
            return Some(Err(Refusal::Unsupported { algorithm }));
        }
        if let Err(name) = strength::check_key(material.public_params()) {
            return Some(Err(Refusal::NotAllowed(format!("keys of type {name} do not count"))));
        }
        if !digest.starts_with(&self.start)
            || material.verify(self.config.hash_alg, digest, self.bytes).is_err()
        {
            return None;
        }
        Some(self.check_times(key, at).map(|created| Signer {
            fingerprint: key.fingerprint().to_owned(),
            primary: key.primary().to_owned(),
            user_id: key.user(at).map(str::to_owned),
            created: system_time(created),
            algorithm: strength::name(material.public_params()),
            hash: self.config.hash_alg.to_string(),
        }))
    }

    /// When it was signed, if that counts.
    fn check_times(&self, key: Key<'_>, at: Seconds) -> Result<Seconds, Refusal> {
        let made =
            self.config.created().ok_or_else(|| Refusal::NotAllowed("the signature has no date".into()))?;
        let made = Seconds::from(made.as_secs());
        if made > at + FUTURE_TOLERANCE {
            return Err(Refusal::NotYetValid { created: system_time(made) });
        }
        let lifetime = self.config.hashed_subpackets().find_map(|part| match part.data {
            SubpacketData::SignatureExpirationTime(time) => Some(Seconds::from(time.as_secs())),
            _ => None,
        });
        match lifetime {
            // Zero seconds stand for no end (section 5.2.3.18).
            Some(lifetime) if lifetime > 0 && made + lifetime <= at => {
                Err(Refusal::SignatureExpired { when: system_time(made + lifetime) })
            }
            _ => key.check(made, at).map(|()| made),
        }
    }
}

/// Whether a signature can count at all, whatever it is over.
fn check_config(config: &SignatureConfig) -> Result<(), Refusal> {
    if !matches!(config.typ, SignatureType::Binary | SignatureType::Text) {
        return Err(Refusal::NotAllowed("the signature is not one of data".into()));
    }
    if let Some(algorithm) = strength::unknown_hash(config.hash_alg) {
        return Err(Refusal::Unsupported { algorithm });
    }
    if !strength::is_strong(config.hash_alg) {
        return Err(Refusal::WeakHash { hash: config.hash_alg.to_string() });
    }
    strength::check_critical(config).map_err(Refusal::NotAllowed)
}

/// Whom a signature names as its issuer.
fn issuer(signature: &Signature) -> String {
    if let Some(fingerprint) = signature.issuer_fingerprint().first() {
        return format!("{fingerprint:X}");
    }
    match signature.issuer_key_id().first() {
        Some(id) => id.to_string().to_ascii_uppercase(),
        None => "a key that it does not name".to_owned(),
    }
}
