//! Reads arbitrary bytes as keys, as a package database, and as lines that declare users.
//!
//! Must not panic.

#![no_main]

use ctr_forge_source_dnf::configure::sysusers::Line;
use ctr_forge_source_dnf::rpmdb::{self, pubkey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(keys) = pubkey::keys(&[data], "4.18.0") {
        let rows: Vec<_> = keys.iter().map(|key| key.row(0)).collect();
        let database = rpmdb::write(&rows).expect("keys go into a database");
        assert_eq!(rpmdb::read(&database).expect("what was written can be read"), []);
    }
    _ = rpmdb::read(data);
    if let Ok(text) = std::str::from_utf8(data) {
        _ = Line::parse(text);
    }
});
