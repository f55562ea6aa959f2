//! Signatures as RPM packages have them: binary, and of every version that there was.

use pgp::composed::{Deserializable, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{
    PacketTrait, Signature, SignatureConfig, SignatureType, SignatureVersionSpecific, Subpacket,
    SubpacketData,
};
use pgp::types::{Fingerprint, KeyDetails, KeyVersion, Password, SignatureBytes, SigningKey, Timestamp};

use super::*;

const DATA: &[u8] = b"a header";
const MADE: u32 = 1_717_200_000;

fn secret() -> &'static SignedSecretKey {
    static KEY: LazyLock<SignedSecretKey> =
        LazyLock::new(|| SignedSecretKey::from_armor_single(&sample("packages.secret.asc")[..]).unwrap().0);
    &KEY
}

/// As old packages have it.
fn v3(typ: SignatureType, hash: HashAlgorithm) -> SignatureConfig {
    let key = &secret().primary_key;
    SignatureConfig::v3(typ, key.algorithm(), hash, Timestamp::from_secs(MADE), key.legacy_key_id())
}

fn v4(hash: HashAlgorithm) -> SignatureConfig {
    let key = &secret().primary_key;
    let mut config = SignatureConfig::v4(SignatureType::Binary, key.algorithm(), hash);
    let made = SubpacketData::SignatureCreationTime(Timestamp::from_secs(MADE));
    let issuer = SubpacketData::IssuerFingerprint(key.fingerprint());
    config.hashed_subpackets = [made, issuer].map(|data| Subpacket::regular(data).unwrap()).into();
    config
}

/// The packet of a signature of `DATA`.
fn sign(config: SignatureConfig) -> Vec<u8> {
    let mut hasher = config.hash_alg.new_hasher().unwrap();
    hasher.update(DATA);
    let length = config.hash_signature_data(&mut hasher).unwrap();
    hasher.update(&config.trailer(length).unwrap());
    let digest = hasher.finalize();
    let bytes = secret().primary_key.sign(&Password::empty(), config.hash_alg, &digest).unwrap();
    packet(config, [digest[0], digest[1]], bytes)
}

fn packet(config: SignatureConfig, start: [u8; 2], bytes: SignatureBytes) -> Vec<u8> {
    let mut packet = Vec::new();
    let signature = Signature::from_config(config, start, bytes).unwrap();
    signature.to_writer_with_header(&mut packet).unwrap();
    packet
}

/// A certificate with a key of an algorithm that nobody knows.
fn unknown_key() -> Vec<u8> {
    let key = [&[0xc6, 14, 4][..], &MADE.to_be_bytes(), &[30], &[7; 8]].concat();
    [&key, &b"\xcd\x04test"[..]].concat()
}

/// A signature by that key.
fn unknown() -> Vec<u8> {
    let ring = Keyring::read(&[("new", &unknown_key())]).unwrap();
    let digits = ring.fingerprints().remove(0);
    let bytes: Vec<u8> =
        (0..20).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect();
    let mut config = v4(HashAlgorithm::Sha512);
    config.pub_alg = PublicKeyAlgorithm::from(30);
    let issuer = SubpacketData::IssuerFingerprint(Fingerprint::new(KeyVersion::V4, &bytes).unwrap());
    config.hashed_subpackets[1] = Subpacket::regular(issuer).unwrap();
    packet(config, [1, 2], SignatureBytes::Native(vec![7; 3000].into()))
}

fn check(data: &[u8], signature: &[u8]) -> Result<Verified, VerifyError> {
    verify_detached(data, signature, &ring("packages"), &at(AFTER))
}

#[test]
fn version_3_verifies() {
    for hash in [HashAlgorithm::Sha256, HashAlgorithm::Sha512] {
        let signature = sign(v3(SignatureType::Binary, hash));
        let verified = check(DATA, &signature).unwrap();
        let [signer] = &verified.signers[..] else { panic!() };
        assert_eq!(signer.fingerprint, ring("packages").fingerprints()[0]);
        assert_eq!((signer.created, &*signer.algorithm), (time(MADE.into()), "rsa2048"));
        assert!(matches!(check(b"another", &signature), Err(VerifyError::BadSignature { .. })));
        let stranger = verify_detached(DATA, &signature, &ring("ed25519"), &at(AFTER));
        assert!(matches!(stranger, Err(VerifyError::UnknownSigner { ids }) if ids[0].len() == 16));
    }
}

#[test]
fn weak_hashes_do_not_count_in_any_version() {
    for (hash, name) in [(HashAlgorithm::Sha1, "SHA1"), (HashAlgorithm::Md5, "MD5")] {
        for config in [v3(SignatureType::Binary, hash), v4(hash)] {
            // A signature with a hash that nobody makes any more need not even fit.
            let signature =
                packet(config, [0; 2], SignatureBytes::Mpis(vec![pgp::types::Mpi::from_slice(b"x")]));
            let refused = refusal(check(DATA, &signature));
            assert_eq!(refused, Refusal::WeakHash { hash: name.to_owned() });
            assert!(refused.to_string().ends_with("does not count: it is too weak"), "{refused}");
        }
    }
}

#[test]
fn version_3_of_something_else_than_data_does_not_count() {
    let signature = sign(v3(SignatureType::CertGeneric, HashAlgorithm::Sha256));
    let refused = refusal(check(DATA, &signature));
    assert_eq!(refused, Refusal::NotAllowed("the signature is not one of data".into()));
}

/// What is hashed of a signature of version 4 ends in what would be the end of one of version 3.
#[test]
fn one_version_is_not_taken_for_another() {
    let config = v4(HashAlgorithm::Sha256);
    let (mut first, rest) = (Vec::new(), sign(config.clone()));
    let mut hashed = config.hash_alg.new_hasher().unwrap();
    let length = config.hash_signature_data(&mut hashed).unwrap();
    let trailer = config.trailer(length).unwrap();
    first.extend_from_slice(DATA);
    first.extend_from_slice(&trailer[..1]);
    let mut forged = v3(SignatureType::from(trailer[1]), HashAlgorithm::Sha256);
    let created = Timestamp::from_secs(u32::from_be_bytes(*trailer[2..].first_chunk().unwrap()));
    let issuer_key_id = secret().primary_key.legacy_key_id();
    forged.version_specific = SignatureVersionSpecific::V3 { created, issuer_key_id };
    let Ok(parsed) = packets::signatures(&rest).unwrap().remove(0) else { panic!() };
    let forged = packet(forged, parsed.signed_hash_value().unwrap(), parsed.signature().unwrap().clone());
    assert!(matches!(refusal(check(&first, &forged)), Refusal::NotAllowed(_)));
}

#[test]
fn an_algorithm_that_nobody_knows_is_passed_over() {
    let ring = Keyring::read(&[("packages", &key("packages")), ("new", &unknown_key())]).unwrap();
    assert_eq!(ring.fingerprints().len(), 2);
    let check = |signature: &[u8]| verify_detached(DATA, signature, &ring, &at(AFTER));
    let alone = refusal(check(&unknown()));
    assert_eq!(alone, Refusal::Unsupported { algorithm: "ML-DSA-65+Ed25519".to_owned() });
    let good = sign(v4(HashAlgorithm::Sha256));
    for both in [[unknown(), good.clone()].concat(), [good, unknown()].concat()] {
        let verified = check(&both).unwrap();
        assert_eq!((verified.signers.len(), verified.rejected.len()), (1, 1));
    }
}
