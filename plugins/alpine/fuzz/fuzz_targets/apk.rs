//! Takes arbitrary bytes apart as a package file, and installs what that comes to.
//!
//! Must not panic, and nothing is installed under a name that leads out of the root.

#![no_main]

use std::io::Write;

use ctr_forge_rootfs::{Exclude, Reader, Writer};
use ctr_forge_source_alpine::apk::Apk;
use ctr_forge_source_alpine::install::{Chosen, Install, Settings, Settled};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::tempfile().expect("there is room");
    file.write_all(data).expect("there is room");
    let Ok(mut apk) = Apk::open(file) else { return };
    let Ok(package) = apk.control.package() else { return };
    let chosen = Chosen {
        name: package.name.to_owned(),
        version: package.version.to_owned(),
        identity: apk.identity.clone(),
        size: data.len() as u64,
        tag: None,
    };
    let exclude = Exclude::new::<&str>([]).expect("no pattern is wrong");
    let settings = Settings { arch: "x86_64", exclude: &exclude };
    let mut install = Install::new(Writer::new(Vec::new()), settings, &[]);
    if install.package(&mut apk, &chosen).is_err() {
        return;
    }
    let (_, sink) = install.finish(&Settled::default()).expect("memory takes it all");
    let tar = sink.finish().expect("memory takes it all");
    let mut reader = Reader::new(&tar[..]);
    while let Some(entry) = reader.next_entry().expect("what was written can be read") {
        assert!(entry.path.components().all(|part| part != b".."));
    }
});
