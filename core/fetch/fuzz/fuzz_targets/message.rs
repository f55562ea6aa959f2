//! Any bytes as a signed message, compressed or not: no panic, and nothing comes out, for the key
//! has signed none.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use ctr_forge_fetch::openpgp::{Keyring, Policy, verify_message};
use libfuzzer_sys::fuzz_target;

static RING: LazyLock<Keyring> = LazyLock::new(|| {
    let key = include_bytes!("../../testdata/openpgp/keys/nistp256.asc");
    Keyring::read(&[("nistp256.asc", key)]).expect("a sample is readable")
});

fuzz_target!(|data: &[u8]| {
    // 1 January 2025.
    let policy = Policy { at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_600) };
    assert!(verify_message(data, &RING, &policy).is_err());
});
