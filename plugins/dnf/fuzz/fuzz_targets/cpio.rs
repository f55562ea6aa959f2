//! Arbitrary bytes as the archive of a package with three files: no panic, no file for the second
//! time, and none that the header does not have.

#![no_main]

use std::io::Write;

use ctr_forge_source_dnf::rpm::Rpm;
use libfuzzer_sys::fuzz_target;

/// Type, number of values, bytes.
type Value = (u32, u32, Vec<u8>);

fn text(text: &str) -> Value {
    (6, 1, [text.as_bytes(), b"\0"].concat())
}

fn texts(texts: [&str; 3]) -> Value {
    (8, 3, texts.map(|text| format!("{text}\0")).concat().into_bytes())
}

fn numbers(numbers: [u32; 3]) -> Value {
    (4, 3, numbers.map(u32::to_be_bytes).concat())
}

fn header(region: u32, tags: &[(u32, Value)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, (kind, count, bytes)) in tags {
        // Numbers are aligned.
        data.resize(data.len().next_multiple_of(if *kind == 4 { 4 } else { 1 }), 0);
        index.extend([*tag, *kind, data.len() as u32, *count].map(u32::to_be_bytes).concat());
        data.extend(bytes);
    }
    let (entries, at) = (tags.len() as u32 + 1, data.len() as u32);
    data.extend([region, 7, (entries * 16).wrapping_neg(), 16].map(u32::to_be_bytes).concat());
    let size = [entries, data.len() as u32].map(u32::to_be_bytes).concat();
    let first = [region, 7, at, 16].map(u32::to_be_bytes).concat();
    [&[0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0], &size[..], &first, &index, &data].concat()
}

/// All of a package but its payload: a directory, a file of four bytes, a link to it.
fn begin() -> Vec<u8> {
    let mut lead = vec![0; 96];
    lead[..5].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3]);
    let mut signature = header(62, &[(257, (4, 1, vec![0; 4]))]);
    signature.resize(signature.len().next_multiple_of(8), 0);
    // The MD5 of "abcd".
    let digest = "e2fc714c4727ee9395f324cd2e7f331f";
    let tags = [
        (1000, text("n")),
        (1001, text("1")),
        (1002, text("1")),
        (1022, text("noarch")),
        (1028, numbers([0, 4, 1])),
        (1030, numbers([0o040_755, 0o100_644, 0o120_777])),
        (1034, numbers([0; 3])),
        (1035, texts(["", digest, ""])),
        (1036, texts(["", "", "f"])),
        (1039, texts(["root"; 3])),
        (1040, texts(["root"; 3])),
        (1116, numbers([0; 3])),
        (1117, texts(["d", "f", "l"])),
        (1118, (8, 1, b"/\0".to_vec())),
    ];
    [lead, signature, header(63, &tags)].concat()
}

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::tempfile().expect("there is room");
    file.write_all(&begin()).expect("there is room");
    file.write_all(data).expect("there is room");
    let mut rpm = Rpm::open(file).expect("what stands before the payload is whole");
    let files = rpm.files().expect("its files are three");
    let Ok(mut payload) = rpm.payload(&files) else { return };
    let mut seen = [false; 3];
    while let Ok(Some(member)) = payload.next() {
        for at in member.files {
            assert!(!std::mem::replace(&mut seen[at], true));
        }
    }
});
