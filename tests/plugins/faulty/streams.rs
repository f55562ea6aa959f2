//! Root filesystems as streams: a good one, and what can be wrong with one.

use ctr_forge_rootfs::{Entry, Kind, RootPath, Writer};

const BLOCK: usize = 512;

/// A directory and a file, with the end marker.
pub(crate) fn good(content: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let path = |name: &str| RootPath::new(name.as_bytes()).unwrap();
    writer.entry(&Entry::directory(path("etc")), &mut std::io::empty()).unwrap();
    let file = Entry::new(path("etc/faulty"), Kind::File { size: content.len() as u64 }, 0o644);
    writer.entry(&file, &mut &*content).unwrap();
    writer.finish().unwrap()
}

/// The stream of the fault `stream-NAME`.
pub(crate) fn bad(name: &str) -> Vec<u8> {
    let end = [0; 2 * BLOCK];
    match name {
        "empty" => Vec::new(),
        "garbage" => b"no tar at all ".repeat(10_000),
        "half" => good(&[b'x'; 4096])[..6 * BLOCK].to_vec(),
        "unended" => {
            let mut stream = good(b"content");
            stream.truncate(stream.len() - end.len());
            stream
        }
        "twice" => [empty_file("etc/twice").as_slice(), &empty_file("etc/twice"), &end].concat(),
        "dotdot" => [empty_file("../x").as_slice(), &end].concat(),
        _ => panic!("there is no stream \"{name}\""),
    }
}

/// A ustar header, whatever the path.
fn empty_file(path: &str) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let fields: [(usize, &[u8]); 8] = [
        (0, path.as_bytes()),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, b"00000000000\0"),
        (136, b"00000000000\0"),
        (148, b"        0"),
        (257, b"ustar\x0000"),
    ];
    for (at, bytes) in fields {
        header[at..at + bytes.len()].copy_from_slice(bytes);
    }
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
