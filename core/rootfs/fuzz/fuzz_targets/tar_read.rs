//! Any bytes as an archive: no panic, no more content than the limits allow,
//! and what was taken can be written and read again as the same.
#![no_main]

use std::io::Read as _;

use ctr_forge_rootfs::{Entry, Limits, Reader, Writer};
use libfuzzer_sys::fuzz_target;

const MAX_SIZE: u64 = 1 << 20;

/// The entries with their content, as far as the archive is sound.
fn read(data: &[u8]) -> Vec<(Entry, Vec<u8>)> {
    let limits = Limits { max_size: MAX_SIZE, ..Limits::default() };
    let mut reader = Reader::with_limits(data, limits);
    let mut entries = Vec::new();
    while let Ok(Some(entry)) = reader.next_entry() {
        let mut content = Vec::new();
        if reader.read_to_end(&mut content).is_err() {
            break;
        }
        assert_eq!(content.len() as u64, entry.kind.size());
        entries.push((entry, content));
    }
    assert!(entries.iter().map(|(_, content)| content.len() as u64).sum::<u64>() <= MAX_SIZE);
    entries
}

fuzz_target!(|data: &[u8]| {
    let mut writer = Writer::new(Vec::new()).with_packages();
    let mut taken = Vec::new();
    for (entry, content) in read(data) {
        // Refused are only attributes: names with `=`, or more than the writer takes.
        if writer.entry(&entry, &mut &content[..]).is_ok() {
            taken.push((entry, content));
        }
    }
    let written = writer.finish().expect("every entry is complete");
    assert!(read(&written) == taken);
});
