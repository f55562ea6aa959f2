//! Any text as `apt.conf`: no panic, and no proxy with a password comes out.
#![no_main]

use ctr_forge_source_debootstrap::host_apt::HostApt;
use ctr_forge_source_debootstrap::releases;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut apt = HostApt::default();
    apt.add_conf(text);
    for release in releases::all() {
        for repository in release.repositories("amd64", &["main".to_owned()], None) {
            for transport in apt.transports(&repository, release) {
                assert!(transport.proxy.is_some_and(|proxy| !proxy.contains('@')));
            }
        }
    }
});
