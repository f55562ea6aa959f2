//! Which signatures count.

use ctr_forge_rootfs::Digest;

use super::*;

#[test]
fn the_common_algorithms_verify() {
    for name in ["rsa3072", "ed25519", "nistp256", "nistp384", "nistp521"] {
        let verified = verify(name, AFTER).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(verified.text, sample("text"));
        assert!(verified.unknown.is_empty() && verified.rejected.is_empty());
        let [signer] = &verified.signers[..] else { panic!("{name}") };
        assert_eq!(signer.algorithm, name);
        assert_eq!(signer.user_id.as_deref(), Some(format!("{name} <{name}@example.org>").as_str()));
        assert_eq!(signer.created, time(1_717_200_000));
        assert_eq!([&signer.fingerprint, &signer.primary], [&ring(name).fingerprints()[0]; 2]);
    }
}

#[test]
fn other_keys_do_not_count() {
    for (name, kind) in [("dsa2048", "dsa"), ("rsa1024", "rsa1024"), ("secp256k1", "secp256k1")] {
        let why = format!("keys of type {kind} do not count");
        assert_eq!(refusal(verify(name, AFTER)), Refusal::NotAllowed(why));
    }
}

#[test]
fn weak_hashes_do_not_count() {
    for hash in ["SHA1", "RIPEMD160", "SHA224"] {
        assert_eq!(
            refusal(verify(&format!("hash-{hash}"), AFTER)),
            Refusal::WeakHash { hash: hash.to_owned() }
        );
    }
    for hash in ["SHA256", "SHA384"] {
        assert_eq!(verify(&format!("hash-{hash}"), AFTER).unwrap().signers[0].hash, hash);
    }
}

#[test]
fn strangers_are_named_and_do_not_matter() {
    let Err(VerifyError::UnknownSigner { ids }) = verify("stranger", AFTER) else { panic!() };
    assert_eq!(ids[0].len(), 40);
    let verified = verify("with-stranger", AFTER).unwrap();
    assert_eq!((verified.unknown, verified.signers.len()), (ids, 1));
    assert_eq!(verify("two", AFTER).unwrap().signers.len(), 2);
    let alone = verify_cleartext(&message("two"), &ring("rsa3072"), &at(AFTER)).unwrap();
    assert_eq!((alone.signers.len(), alone.unknown.len()), (1, 1));
}

#[test]
fn an_altered_text_is_an_error() {
    for name in ["ed25519", "two", "with-stranger", "rsa3072"] {
        for (from, to) in [("stable", "Stable"), ("Last", "\nLast"), ("line\n", "line\n\n"), ("- - a", "- a")]
        {
            let altered = replace(&message(name), from, to);
            let result = verify_cleartext(&altered, everybody(), &at(AFTER));
            assert!(matches!(result, Err(VerifyError::BadSignature { .. })), "{name}: {result:?}");
        }
    }
}

#[test]
fn a_bad_signature_is_an_error_beside_a_good_one() {
    let text = sample("text");
    let good = sample("messages/detached.sig");
    let mut bad = sample("messages/detached-two.sig");
    *bad.last_mut().unwrap() ^= 1;
    for signature in [[&good[..], &bad].concat(), [&bad[..], &good].concat()] {
        let result = verify_detached(&text[..], &signature, everybody(), &at(AFTER));
        let Err(VerifyError::BadSignature { key }) = result else { panic!("{result:?}") };
        assert_eq!(key, ring("rsa3072").fingerprints()[0]);
    }
    // But a stranger's cannot be told from a good one.
    assert!(verify_detached(&text[..], &bad, &ring("ed25519"), &at(AFTER)).is_ok());
}

#[test]
fn one_that_counts_is_enough_beside_one_that_does_not() {
    let cut = |name: &str| {
        let data = message(name);
        let start = data.windows(10).position(|window| window == b"-----BEGIN").unwrap();
        armor::decode(&data[start..]).unwrap()
    };
    let both = [cut("detached"), sample("messages/detached-two.sig")].concat();
    let revoked = Keyring::read(&[("rsa", &key("rsa3072")), ("revoked", &key("revoked"))]).unwrap();
    assert_eq!(verify_detached(&sample("text")[..], &both, &revoked, &at(AFTER)).unwrap().signers.len(), 1);
}

#[test]
fn what_lapses_counts_until_it_does() {
    for name in ["expired", "subkey-expired"] {
        assert_eq!(refusal(verify(name, AFTER)), Refusal::KeyExpired { when: time(LAPSED) }, "{name}");
        assert_eq!(refusal(verify(name, LAPSED)), Refusal::KeyExpired { when: time(LAPSED) }, "{name}");
        assert!(verify(name, LAPSED - 1).is_ok(), "{name}");
    }
    assert_eq!(refusal(verify("expired-signature", AFTER)), Refusal::SignatureExpired { when: time(LAPSED) });
    assert!(verify("expired-signature", BEFORE).is_ok());
}

#[test]
fn a_compromised_key_never_counts_and_a_retired_one_until_its_date() {
    for seconds in [BEFORE, AFTER] {
        assert_eq!(refusal(verify("revoked", seconds)), Refusal::Revoked { reason: "compromised" });
    }
    for (name, reason) in [("superseded", "superseded"), ("subkey-revoked", "retired")] {
        assert_eq!(refusal(verify(name, AFTER)), Refusal::Revoked { reason });
        assert!(verify(name, BEFORE).is_ok(), "{name}");
    }
}

#[test]
fn a_signature_may_lie_a_day_ahead() {
    let made = 1_717_200_000;
    assert!(verify("ed25519", made - FUTURE_TOLERANCE).is_ok());
    let refused = refusal(verify("ed25519", made - FUTURE_TOLERANCE - 1));
    assert_eq!(refused, Refusal::NotYetValid { created: time(made) });
    assert!(
        refusal(verify_cleartext(&message("ed25519"), everybody(), &Policy { at: time(0) }))
            .to_string()
            .contains("01 Jun 2024")
    );
}

#[test]
fn the_key_flags_decide_who_may_sign() {
    assert_eq!(refusal(verify("usage", AFTER)), Refusal::NotAllowed("the key is not one for signing".into()));
    let signer = &verify("subkey", AFTER).unwrap().signers[0];
    assert_ne!(signer.fingerprint, signer.primary);
    assert_eq!(signer.primary, ring("subkey").fingerprints()[0]);
}

#[test]
fn a_certificate_may_rest_on_sha1_if_it_is_old_enough() {
    assert!(verify("sha1-2022", AFTER).is_ok());
    assert!(refusal(verify("sha1-2024", AFTER)).to_string().ends_with("there is one made with SHA1"));
}

#[test]
fn errors_say_who_and_why() {
    let error = verify("expired", AFTER).unwrap_err().to_string();
    let expected = format!(
        "is signed by {}, but the key expired on Sun, 01 Sep 2024 00:00:00 GMT",
        ring("expired").fingerprints()[0]
    );
    assert_eq!(error, expected);
}

#[test]
fn version_6_verifies() {
    let ring = Keyring::read(&[("key.asc", &sample("rfc9580/key.asc"))]).unwrap();
    let verified = verify_cleartext(&sample("rfc9580/message.asc"), &ring, &at(AFTER)).unwrap();
    assert!(verified.text.ends_with(b"\n\n- tofu\n- vegetables\n- noodles\n\n"));
    assert_eq!(verified.signers[0].fingerprint, ring.fingerprints()[0]);
    assert_eq!(verified.signers[0].user_id, None);
}

#[test]
fn debian_verifies() {
    let ring = Keyring::read(&[("keys.gpg", &sample("debian/keys.gpg"))]).unwrap();
    // 1 August 2026; the bookworm keys expire in January 2031, that of trixie in 2035.
    let verified = verify_cleartext(&sample("debian/InRelease"), &ring, &at(1_785_542_400)).unwrap();
    let signers: Vec<_> =
        verified.signers.iter().map(|signer| (&signer.fingerprint[32..], &signer.algorithm[..])).collect();
    assert_eq!(signers, [("2643E131", "rsa4096"), ("47EF2265", "rsa4096"), ("8783D481", "ed25519")]);
    assert!(verified.unknown.is_empty() && verified.rejected.is_empty());
    // Of what gpgv writes.
    let digest = "sha256:abcf5882746e0f68171f41adbb4ac01b74b49d62d203379befb9265804311a4f";
    assert_eq!(Digest::of(&verified.text).to_string(), digest);

    let later = verify_cleartext(&sample("debian/InRelease"), &ring, &at(1_932_000_000)).unwrap();
    assert_eq!((later.signers.len(), later.rejected.len()), (1, 2));
    let last = verify_cleartext(&sample("debian/InRelease"), &ring, &at(2_100_000_000));
    assert!(matches!(refusal(last), Refusal::KeyExpired { .. }));
}
