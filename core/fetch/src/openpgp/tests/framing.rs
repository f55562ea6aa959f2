//! Which text a message holds, and which messages are refused for their frame.

use super::*;

fn framed(data: &[u8]) -> &'static str {
    match verify_cleartext(data, everybody(), &at(AFTER)) {
        Err(VerifyError::WrongFraming(why)) => why,
        other => panic!("{other:?} of {}", data.escape_ascii()),
    }
}

fn error(data: &[u8]) -> VerifyError {
    verify_cleartext(data, everybody(), &at(AFTER)).unwrap_err()
}

#[test]
fn the_text_is_what_gpgv_writes() {
    let mut seen = 0;
    for entry in fs::read_dir(path("messages/framing")).unwrap() {
        let signed = entry.unwrap().path();
        if signed.extension().is_some_and(|extension| extension == "asc") {
            let expected = fs::read(signed.with_extension("out")).unwrap();
            // The one difference: line ends are not signed, so they are all alike.
            let expected = expected.iter().copied().filter(|&byte| byte != b'\r').collect::<Vec<_>>();
            let verified =
                verify_cleartext(&fs::read(&signed).unwrap(), &ring("ed25519"), &at(AFTER)).unwrap();
            assert_eq!(verified.text.escape_ascii().to_string(), expected.escape_ascii().to_string());
            seen += 1;
        }
    }
    assert_eq!(seen, 9);
}

#[test]
fn a_mirror_cannot_choose_the_line_ends_or_blanks() {
    let original = message("ed25519");
    let text = sample("text");
    for changed in [replace(&original, "Suite: stable\n", "Suite: stable \t\r\n"), crlf(&original)] {
        assert_eq!(verify_cleartext(&changed, everybody(), &at(AFTER)).unwrap().text, text);
    }
    let empty = replace(&message("framing/empty"), "SHA256\n\n\n", "SHA256\n\n");
    assert_eq!(verify_cleartext(&empty, everybody(), &at(AFTER)).unwrap().text, b"\n");
}

fn crlf(data: &[u8]) -> Vec<u8> {
    data.iter().flat_map(|&byte| if byte == b'\n' { vec![b'\r', byte] } else { vec![byte] }).collect()
}

#[test]
fn nothing_may_stand_outside_of_the_signed_text() {
    let original = message("ed25519");
    let with = |before: &str, after: &str| [before.as_bytes(), &original, after.as_bytes()].concat();
    assert_eq!(framed(&with("Package: evil\n", "")), "something stands before the signed text");
    assert_eq!(framed(&with("\n", "")), "something stands before the signed text");
    for after in ["Package: evil\n", "\n\nPackage: evil", " ", "-----BEGIN PGP SIGNATURE-----\n"] {
        assert_eq!(framed(&with("", after)), "something follows its signature", "{after}");
    }
    assert_eq!(framed(&[&original[..], &original].concat()), "something follows its signature");
    assert!(verify_cleartext(&with("", "\r\n\n"), everybody(), &at(AFTER)).is_ok());
}

#[test]
fn no_header_but_the_hash_is_taken() {
    let original = message("ed25519");
    for header in [
        "NotDashEscaped: You need GnuPG to verify this message",
        "Comment: x",
        "Hash: SHA256\tx",
        "Hash:",
        " ",
        "\t",
    ] {
        let forged = replace(&original, "Hash: SHA256\n", &format!("Hash: SHA256\n{header}\n"));
        assert_eq!(framed(&forged), "it has a header other than \"Hash\"", "{header}");
    }
    for headers in ["", "Hash: SHA1\n", "Hash: SHA512,SHA3-256\nHash: none, at all\n"] {
        let other = replace(&original, "Hash: SHA256\n", headers);
        assert!(verify_cleartext(&other, everybody(), &at(AFTER)).is_ok(), "{headers}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let original = message("ed25519");
    for line in ["Suite: \0", "Suite:\rstable", "Suite\r\r"] {
        let changed = replace(&original, "Suite: stable", line);
        assert_eq!(framed(&changed), "the signed text holds a NUL or a stray CR");
    }
    for line in
        ["-Suite", "-", "-----", "- ", "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE----- "]
    {
        let changed = replace(&original, "Suite: stable", line);
        assert_eq!(framed(&changed), "the signed text has a dash that is not escaped");
    }
}

#[test]
fn a_message_that_ends_early_is_malformed() {
    let original = message("ed25519");
    for end in [35, 48, 49, 100, original.len() - 40, original.len() - 6] {
        assert!(matches!(error(&original[..end]), VerifyError::Malformed(_)), "{end}");
    }
    let nested = replace(&original, "-----END PGP SIGNATURE-----", "-----BEGIN PGP SIGNATURE-----");
    assert!(matches!(error(&nested), VerifyError::Malformed(_)));
}

#[test]
fn what_is_not_clear_signed_is_not_signed() {
    for data in [&b""[..], b"\n", b"Origin: Example\n", &[0x90; 40], &message("inline"), &message("detached")]
    {
        assert!(matches!(error(data), VerifyError::NoSignature), "{}", data.escape_ascii());
    }
    let original = message("ed25519");
    let cut = original.windows(2).rposition(|pair| pair == b"\n\n").unwrap();
    let bare = [&original[..cut], b"\n\n-----END PGP SIGNATURE-----\n"].concat();
    assert!(!matches!(error(&bare), VerifyError::BadSignature { .. }));
}

#[test]
fn a_signature_beside_the_data_comes_in_every_form() {
    let text = sample("text");
    let check = |name: &str| verify_detached(&text[..], &sample(name), everybody(), &at(AFTER)).unwrap();
    for (name, signers, unknown) in [
        ("messages/detached.sig", 1, 0),
        ("messages/detached.asc", 1, 0),
        ("messages/detached-two.sig", 2, 0),
        ("messages/detached-two.asc", 1, 1),
        ("messages/detached-text.sig", 1, 0),
    ] {
        let verified = check(name);
        assert_eq!((verified.signers.len(), verified.unknown.len()), (signers, unknown), "{name}");
        assert!(verified.text.is_empty());
    }
}

#[test]
fn several_armoured_signatures_may_follow_each_other_and_nothing_else() {
    let text = sample("text");
    let one = message("detached");
    let check = |signature: &[u8]| verify_detached(&text[..], signature, everybody(), &at(AFTER));
    assert_eq!(check(&[&one[..], &one].concat()).unwrap().signers.len(), 2);
    assert!(matches!(check(&[&one[..], b"x\n"].concat()), Err(VerifyError::WrongFraming(_))));
    assert!(matches!(check(&[b"x\n", &one[..]].concat()), Err(VerifyError::Malformed(_))));
    assert!(matches!(check(b""), Err(VerifyError::NoSignature)));
    assert!(matches!(check(&message("inline")), Err(VerifyError::Malformed(_))));
    assert!(matches!(check(&vec![b'x'; MAX_SIGNATURE + 1]), Err(VerifyError::TooLarge { .. })));
    let binary = sample("messages/detached.sig");
    assert!(matches!(check(&binary.repeat(MAX_SIGNATURES + 1)), Err(VerifyError::Malformed(_))));
    assert!(matches!(check(&binary[..binary.len() - 1]), Err(VerifyError::Malformed(_))));
}

#[test]
fn only_a_signature_of_text_is_blind_to_line_ends() {
    let text = crlf(&sample("text"));
    let check = |name: &str| verify_detached(&text[..], &sample(name), everybody(), &at(AFTER));
    assert!(check("messages/detached-text.sig").is_ok());
    assert!(matches!(check("messages/detached.sig"), Err(VerifyError::BadSignature { .. })));
}
