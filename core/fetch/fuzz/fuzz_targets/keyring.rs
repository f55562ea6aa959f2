//! Any bytes as a keyring, and then as the judge of a sound signature.
//!
//! Must not panic. Begin with the samples in `testdata/openpgp/keys`.

#![no_main]

use std::time::{Duration, SystemTime};

use ctr_forge_fetch::openpgp::{Keyring, Policy, verify_cleartext};
use libfuzzer_sys::fuzz_target;

const MESSAGE: &[u8] = include_bytes!("../../testdata/openpgp/messages/subkey.asc");

fuzz_target!(|data: &[u8]| {
    let Ok(ring) = Keyring::read(&[("fuzz", data)]) else { return };
    let fingerprints = ring.fingerprints();
    assert!(!fingerprints.is_empty());
    // 1 January 2025.
    let policy = Policy { at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_600) };
    if let Ok(verified) = verify_cleartext(MESSAGE, &ring, &policy) {
        assert!(fingerprints.contains(&verified.signers[0].primary));
    }
    assert!(ring.restrict(&fingerprints).is_ok());
});
