//! Keyrings: what is read, what is skipped, who may sign.

use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::packet::SubpacketType;
use pgp::ser::Serialize;

use super::*;

fn parse(name: &str) -> SignedPublicKey {
    SignedPublicKey::from_armor_single(&key(name)[..]).unwrap().0
}

fn read(key: &SignedPublicKey) -> Keyring {
    Keyring::read(&[("key.gpg", &key.to_bytes().unwrap())]).unwrap()
}

fn check(name: &str, ring: &Keyring) -> Result<Verified, VerifyError> {
    verify_cleartext(&message(name), ring, &at(BEFORE))
}

#[test]
fn files_hold_certificates_in_every_form() {
    let binary = [parse("ed25519").to_bytes().unwrap(), parse("rsa3072").to_bytes().unwrap()].concat();
    let armoured = [b"Of nistp256:\n\n", &key("nistp256")[..], b"\nand:\n", &key("nistp384")].concat();
    let ring = Keyring::read(&[("a.gpg", &binary), ("b.asc", &armoured)]).unwrap();
    let expected: Vec<_> = ["ed25519", "rsa3072", "nistp256", "nistp384"].map(ring_of).into();
    assert_eq!(ring.fingerprints(), expected);
    assert!(ring.skipped().is_empty());
}

fn ring_of(name: &str) -> String {
    super::ring(name).fingerprints().remove(0)
}

#[test]
fn what_cannot_be_read_is_skipped_and_named() {
    let good = parse("ed25519").to_bytes().unwrap();
    let v3_key = [0x99, 0x00, 0x0b, 3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    let unknown = [0xc6, 0x06, 9, 0, 0, 0, 0, 1];
    let signature_first = [0xc2, 0x01, 4];
    let files: [(&str, &[u8]); 6] = [
        ("odd.gpg", &[&unknown[..], &v3_key, &good, &unknown].concat()),
        ("loose.gpg", &[&signature_first[..], &good].concat()),
        ("cut.gpg", &good[..good.len() - 1]),
        ("text", b"words"),
        ("box.kbx", b"\0\0\0\x20\x01\x01\0\x02KBXf\0\0\0\0"),
        ("broken.asc", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!!\n-----END PGP PUBLIC KEY BLOCK-----\n"),
    ];
    let ring = Keyring::read(&files).unwrap();
    assert_eq!(ring.fingerprints().len(), 1);
    let skipped: Vec<_> = ring.skipped().iter().map(|skipped| &skipped.file[..]).collect();
    let expected = ["odd.gpg", "odd.gpg", "odd.gpg", "loose.gpg", "cut.gpg", "text", "box.kbx", "broken.asc"];
    assert_eq!(skipped, expected, "{:?}", ring.skipped());
    assert!(check("ed25519", &ring).is_ok());
}

#[test]
fn a_keyring_without_keys_is_an_error() {
    assert!(matches!(Keyring::read(&[]), Err(KeyringError::Empty { .. })));
    let error = Keyring::read(&[("keys.asc", b"words")]).unwrap_err();
    assert_eq!(error.to_string(), "there is no usable OpenPGP certificate; keys.asc: no OpenPGP keys");
    let large = vec![0; MAX_KEYRING];
    let error = Keyring::read(&[("a", &large), ("b", b"x")]).unwrap_err();
    assert!(matches!(error, KeyringError::TooLarge { .. }));
}

#[test]
fn copies_of_a_certificate_are_one() {
    let whole = parse("revoked");
    let mut former = whole.clone();
    former.details.revocation_signatures.clear();
    assert!(check("revoked", &read(&former)).is_ok());
    let [whole, former] = [whole, former].map(|key| key.to_bytes().unwrap());
    for files in [[("a", &whole[..]), ("b", &former)], [("a", &former[..]), ("b", &whole)]] {
        let ring = Keyring::read(&files).unwrap();
        assert_eq!(ring.fingerprints().len(), 1);
        assert!(matches!(refusal(check("revoked", &ring)), Refusal::Revoked { .. }));
    }
}

#[test]
fn a_subkey_must_agree() {
    let mut key = parse("subkey");
    let binding = &mut key.public_subkeys[0].signatures[0];
    let back = |part: &pgp::packet::Subpacket| part.typ() == SubpacketType::EmbeddedSignature;
    let place = binding.config().unwrap().unhashed_subpackets().position(back).unwrap();
    binding.unhashed_subpacket_remove(place).unwrap();
    let why = refusal(check("subkey", &read(&key))).to_string();
    assert_eq!(why, "the subkey has not signed that it belongs to its certificate");
}

#[test]
fn a_stolen_back_signature_does_not_help() {
    let other = parse("subkey-revoked").public_subkeys.remove(0);
    let other = other.signatures.iter().find_map(|signature| {
        signature
            .config()?
            .unhashed_subpackets()
            .find(|part| part.typ() == SubpacketType::EmbeddedSignature)
            .cloned()
    });
    let mut key = parse("subkey");
    let binding = &mut key.public_subkeys[0].signatures[0];
    let count = binding.config().unwrap().unhashed_subpackets.len();
    for _ in 0..count {
        binding.unhashed_subpacket_remove(0).unwrap();
    }
    binding.unhashed_subpacket_push(other.unwrap()).unwrap();
    assert!(refusal(check("subkey", &read(&key))).to_string().contains("has not signed"));
}

#[test]
fn a_subkey_must_be_bound_by_its_own_primary_key() {
    let mut key = parse("subkey-expired");
    key.public_subkeys = parse("subkey").public_subkeys;
    assert!(refusal(check("subkey", &read(&key))).to_string().contains("no self-signature for it"));
    let both = Keyring::read(&[("a", &key.to_bytes().unwrap()), ("b", &super::key("subkey"))]).unwrap();
    assert!(check("subkey", &both).is_ok());
}

#[test]
fn a_certificate_must_speak_for_itself() {
    let mut key = parse("ed25519");
    key.details.users = parse("nistp256").details.users;
    assert!(refusal(check("ed25519", &read(&key))).to_string().contains("no self-signature"));
    key.details.users.clear();
    assert!(refusal(check("ed25519", &read(&key))).to_string().contains("no self-signature"));
}

#[test]
fn a_part_that_nobody_understands_costs_only_itself() {
    let key = parse("subkey");
    let mut data = key.to_bytes().unwrap();
    // A subkey of an unknown version with what would be its binding, GnuPG's note of
    // trust, and a packet of a type to come.
    let binding = &key.public_subkeys[0].signatures[0];
    let mut packet = Vec::new();
    pgp::packet::PacketTrait::to_writer_with_header(binding, &mut packet).unwrap();
    data.extend([&[0xce, 0x02, 9, 9][..], &packet, &[0xcc, 0x02, 0, 0], &[0xf0, 0x01, 0]].concat());
    let ring = Keyring::read(&[("key.gpg", &data)]).unwrap();
    assert!(ring.skipped().is_empty());
    assert!(check("subkey", &ring).is_ok());
}

#[test]
fn trust_packets_hide_nothing() {
    let key = parse("ed25519");
    let bytes = key.to_bytes().unwrap();
    let mut data = Vec::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let before = rest;
        assert!(packets::RawPackets(rest).next().unwrap().is_ok());
        let mut one = packets::RawPackets(rest);
        one.next();
        rest = one.0;
        data.extend_from_slice(&before[..before.len() - rest.len()]);
        data.extend_from_slice(&[0xb0, 0x02, 0, 0]);
    }
    assert!(check("ed25519", &Keyring::read(&[("pubring.gpg", &data)]).unwrap()).is_ok());
}

#[test]
fn only_the_keys_named_may_sign() {
    let signer = verify("subkey", BEFORE).unwrap().signers.remove(0);
    let restricted = |text: String| read_all().restrict(&[text]).unwrap();
    for text in
        [signer.primary.clone(), signer.fingerprint.to_lowercase(), format!("{}!", signer.fingerprint)]
    {
        let ring = restricted(text);
        assert_eq!(ring.fingerprints(), [&signer.primary[..]]);
        assert!(check("subkey", &ring).is_ok());
        assert!(matches!(check("ed25519", &ring), Err(VerifyError::UnknownSigner { .. })));
    }
    let only_primary = restricted(format!("{}!", signer.primary));
    assert!(matches!(check("subkey", &only_primary), Err(VerifyError::UnknownSigner { .. })));
}

#[test]
fn a_restriction_cannot_be_widened() {
    let signer = verify("subkey", BEFORE).unwrap().signers.remove(0);
    let ring = read_all().restrict(&[format!("{}!", signer.primary)]).unwrap();
    let ring = ring.restrict(&[signer.primary, ring_of("ed25519")]).unwrap();
    assert!(check("subkey", &ring).is_err() && check("ed25519", &ring).is_err());
}

#[test]
fn a_restriction_needs_whole_fingerprints_of_keys_that_are_there() {
    for text in ["", "!", "2643E131", "6ED0E7B82643E131", &"x".repeat(40)] {
        let error = read_all().restrict(&[text.to_owned()]).unwrap_err();
        assert!(matches!(error, KeyringError::NotAFingerprint(_)), "{text}");
    }
    let error = read_all().restrict(&["0".repeat(40)]).unwrap_err();
    assert!(matches!(error, KeyringError::NoSuchKey { .. }));
}
