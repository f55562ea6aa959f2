//! Which algorithms count, and what they are called.

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, SubpacketData, SubpacketType};
use pgp::ser::Serialize;
use pgp::types::{EcdsaPublicParams, EddsaLegacyPublicParams, PublicParams, VerifyingKey};

/// Least size of an RSA key, in bits (NIST SP 800-131A).
const MIN_RSA: u16 = 2048;

/// Self-signatures made before this may be weak: 1 February 2023, in seconds since
/// 1970. From then on forging one had become affordable, and no program in use
/// made them any more.
pub(super) const WEAK_UNTIL: u64 = 1_675_209_600;

/// Whether a signature of data may use this hash.
pub(super) fn is_strong(hash: HashAlgorithm) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    matches!(hash, Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512)
}

/// The name of a hash that nobody here can compute.
pub(super) fn unknown_hash(hash: HashAlgorithm) -> Option<String> {
    match hash {
        HashAlgorithm::None | HashAlgorithm::Other(_) | HashAlgorithm::Private10 => {
            Some(format!("hash number {}", u8::from(hash)))
        }
        _ => None,
    }
}

/// The name of a key's algorithm if nobody here can do anything with it (RFC 9580, section 9.1;
/// `draft-ietf-openpgp-pqc`, section 2.3).
pub(super) fn unknown_key(key: &dyn VerifyingKey) -> Option<String> {
    let PublicParams::Unknown { .. } = key.public_params() else { return None };
    Some(match u8::from(key.algorithm()) {
        30 => "ML-DSA-65+Ed25519".to_owned(),
        31 => "ML-DSA-87+Ed448".to_owned(),
        32 => "SLH-DSA-SHAKE-128s".to_owned(),
        33 => "SLH-DSA-SHAKE-128f".to_owned(),
        34 => "SLH-DSA-SHAKE-256s".to_owned(),
        number => format!("key algorithm number {number}"),
    })
}

/// Whether a self-signature made at `made` may use this hash and this key.
pub(super) fn check_self_signature(hash: HashAlgorithm, key: &PublicParams, made: u64) -> Result<(), String> {
    let hash_counts = match hash {
        HashAlgorithm::Sha1 => made < WEAK_UNTIL,
        HashAlgorithm::Sha224 => true,
        hash => is_strong(hash),
    };
    if !hash_counts {
        return Err(format!("made with {hash}"));
    }
    match check_key(key) {
        Err(_) if made < WEAK_UNTIL => Ok(()),
        Err(name) => Err(format!("made by a key of type {name}")),
        Ok(()) => Ok(()),
    }
}

/// Whether this key may sign data; else its name.
///
/// The curve secp256k1 would be strong enough. But `pgp` takes only one of the two
/// forms that every such signature has, and gpg makes either: half of them would
/// look forged.
pub(super) fn check_key(key: &PublicParams) -> Result<(), String> {
    use EcdsaPublicParams::{P256, P384, P521};
    use PublicParams::{ECDSA, Ed448, Ed25519, EdDSALegacy, RSA};
    match key {
        RSA(_) if rsa_bits(key) >= MIN_RSA => Ok(()),
        ECDSA(P256 { .. } | P384 { .. } | P521 { .. }) => Ok(()),
        EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { .. }) | Ed25519(_) | Ed448(_) => Ok(()),
        _ => Err(name(key)),
    }
}

/// The name that gpg has for a type of key, such as `rsa4096`.
pub(super) fn name(key: &PublicParams) -> String {
    match key {
        PublicParams::RSA(_) => return format!("rsa{}", rsa_bits(key)),
        PublicParams::ECDSA(EcdsaPublicParams::P256 { .. }) => "nistp256",
        PublicParams::ECDSA(EcdsaPublicParams::P384 { .. }) => "nistp384",
        PublicParams::ECDSA(EcdsaPublicParams::P521 { .. }) => "nistp521",
        PublicParams::ECDSA(EcdsaPublicParams::Secp256k1 { .. }) => "secp256k1",
        PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { .. }) | PublicParams::Ed25519(_) => {
            "ed25519"
        }
        PublicParams::Ed448(_) => "ed448",
        PublicParams::DSA(_) => "dsa",
        PublicParams::Elgamal(_) => "elgamal",
        _ => "unknown",
    }
    .to_owned()
}

/// The size of an RSA key: the first number of its first MPI (section 3.2).
fn rsa_bits(key: &PublicParams) -> u16 {
    let bytes = key.to_bytes().unwrap_or_default();
    bytes.first_chunk().map_or(0, |bits| u16::from_be_bytes(*bits))
}

/// Refuses what a signature calls critical but nobody here understands (section
/// 5.2.3.7): it may say that the signature is not meant for this.
pub(super) fn check_critical(config: &SignatureConfig) -> Result<(), String> {
    let unknown = |part: &&pgp::packet::Subpacket| {
        matches!(part.data, SubpacketData::Notation(_))
            || matches!(part.typ(), SubpacketType::Experimental(_) | SubpacketType::Other(_))
    };
    match config.hashed_subpackets().filter(|part| part.is_critical).find(unknown) {
        Some(part) => Err(format!("it has a critical part that is not understood: {:?}", part.typ())),
        None => Ok(()),
    }
}
