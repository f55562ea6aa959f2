//! Any bytes as a clear-signed message, and as a signature beside data.
//!
//! Must not panic, and nothing may come out but what the key did sign. Begin with
//! the samples in `testdata/openpgp/messages`.

#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use ctr_forge_fetch::openpgp::{Keyring, Policy, verify_cleartext, verify_detached};
use libfuzzer_sys::fuzz_target;

const TEXT: &[u8] = include_bytes!("../../testdata/openpgp/text");

/// The key of one sample alone, so that only one text can be right.
static RING: LazyLock<Keyring> = LazyLock::new(|| {
    let key = include_bytes!("../../testdata/openpgp/keys/nistp256.asc");
    Keyring::read(&[("nistp256.asc", key)]).expect("a sample is readable")
});

fuzz_target!(|data: &[u8]| {
    // 1 January 2025.
    let policy = Policy { at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_600) };
    if let Ok(verified) = verify_cleartext(data, &RING, &policy) {
        assert_eq!(verified.text, TEXT);
    }
    // The key has signed nothing like this.
    assert!(verify_detached(&b"other data"[..], data, &RING, &policy).is_err());
});
