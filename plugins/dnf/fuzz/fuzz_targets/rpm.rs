//! Takes arbitrary bytes apart as a package file, and installs what that comes to.
//!
//! Must not panic, and nothing is installed under a name that leads out of the root.

#![no_main]

use std::io::Write;

use ctr_forge_rootfs::{Exclude, Reader, Writer};
use ctr_forge_source_dnf::install::{Chosen, Install, Settings};
use ctr_forge_source_dnf::rpm::Rpm;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::tempfile().expect("there is room");
    file.write_all(data).expect("there is room");
    let Ok(mut rpm) = Rpm::open(file) else { return };
    let Ok(package) = rpm.package() else { return };
    let (name, arch) = (package.name.to_string(), package.arch.to_string());
    let chosen = Chosen { name, evr: package.evr, arch };
    let exclude = Exclude::new::<&str>([]).expect("no pattern is wrong");
    let settings = Settings { arch: "x86_64", nodocs: true, langs: None, exclude: &exclude };
    let mut install = Install::new(Writer::new(Vec::new()), settings);
    if install.package(&mut rpm, &chosen).is_err() {
        return;
    }
    let (records, sink) = install.finish();
    assert_eq!(records[0].states.len(), records[0].files.len());
    let tar = sink.finish().expect("memory takes it all");
    let mut reader = Reader::new(&tar[..]);
    while let Some(entry) = reader.next_entry().expect("what was written can be read") {
        assert!(entry.path.components().all(|part| part != b".."));
    }
});
