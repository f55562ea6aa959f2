//! Bytes that nobody meant: never a panic, never a text that was not signed.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A change of some bytes: a place, how many go, and what comes.
fn changes() -> impl Strategy<Value = Vec<(Index, usize, Vec<u8>)>> {
    let what = prop_oneof![
        vec(any::<u8>(), 0..4),
        prop::sample::select(vec![
            "\n",
            "\r\n",
            "- ",
            "-----",
            "Hash: SHA1\n",
            " ",
            "\t",
            "\0",
            "=",
            "Comment: x\n"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    vec((any::<Index>(), 0_usize..4, what), 1..3)
}

fn change(mut data: Vec<u8>, changes: Vec<(Index, usize, Vec<u8>)>) -> Vec<u8> {
    for (place, gone, new) in changes {
        let start = place.index(data.len() + 1);
        let end = (start + gone).min(data.len());
        data.splice(start..end, new);
    }
    data
}

proptest! {
    #[test]
    fn a_changed_message_never_yields_another_text(
        name in prop::sample::select(vec!["ed25519", "two", "with-stranger", "framing/dashes", "framing/blank-lines"]),
        changes in changes(),
    ) {
        let text = verify(name, AFTER).unwrap().text;
        if let Ok(verified) = verify_cleartext(&change(message(name), changes), everybody(), &at(AFTER)) {
            prop_assert_eq!(verified.text, text);
        }
    }

    #[test]
    fn changed_lines_never_yield_another_text(moves in vec((any::<Index>(), any::<Index>(), any::<bool>()), 1..3)) {
        let data = message("ed25519");
        let mut lines: Vec<_> = data.split_inclusive(|&byte| byte == b'\n').collect();
        for (from, to, keep) in moves {
            let line = lines[from.index(lines.len())];
            if !keep {
                lines.remove(from.index(lines.len()));
            }
            lines.insert(to.index(lines.len() + 1), line);
        }
        if let Ok(verified) = verify_cleartext(&lines.concat(), everybody(), &at(AFTER)) {
            prop_assert_eq!(verified.text, sample("text"));
        }
    }

    #[test]
    fn changed_data_never_verifies(changes in changes()) {
        let text = sample("text");
        let changed = change(text.clone(), changes);
        let signature = sample("messages/detached-two.sig");
        let result = verify_detached(&changed[..], &signature, everybody(), &at(AFTER));
        prop_assert_eq!(result.is_ok(), changed == text);
    }

    #[test]
    fn changed_signatures_and_keys_do_no_harm(changes in changes(), armoured in any::<bool>()) {
        let name = if armoured { "messages/detached.asc" } else { "messages/detached-two.sig" };
        let signature = change(sample(name), changes.clone());
        let key = change(key("subkey"), changes);
        let _ = verify_detached(&sample("text")[..], &signature, everybody(), &at(AFTER));
        if let Ok(ring) = Keyring::read(&[("key", &key)]) {
            let _ = verify_cleartext(&message("subkey"), &ring, &at(AFTER));
        }
    }

    #[test]
    fn changed_packets_of_keys_do_no_harm(changes in changes()) {
        let key = change(sample("debian/keys.gpg")[..600].to_vec(), changes);
        if let Ok(ring) = Keyring::read(&[("key", &key)]) {
            let _ = verify_cleartext(&sample("debian/InRelease"), &ring, &at(AFTER));
        }
    }

    #[test]
    fn noise_does_no_harm(noise in vec(any::<u8>(), 0..200), first in any::<u8>()) {
        let packets = [&[first | 0x80][..], &noise].concat();
        for data in [&noise, &packets] {
            prop_assert!(verify_cleartext(data, everybody(), &at(AFTER)).is_err());
            prop_assert!(verify_detached(&data[..], data, everybody(), &at(AFTER)).is_err());
            let _ = Keyring::read(&[("noise", data)]);
        }
    }
}
