//! Whether a copied program can run in what was made.
//!
//! A program that is linked dynamically, copied alone into an empty root,
//! fails with "no such file or directory", which names the program and means
//! its loader. That is worth a word while the image is made.

use std::fs::File;
use std::os::unix::fs::FileExt;

use ctr_forge_plugin::{Event, Host};
use ctr_forge_rootfs::RootPath;

use crate::copy::Copy;

/// The loader that a program names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interpreter(String);

/// Longest path of a loader believed, in bytes.
const MAX_PATH: usize = 256;
const PT_INTERP: u32 = 3;

/// The loader that an ELF file names (System V ABI, "Program Interpreter"), or
/// the interpreter in a script's first line.
pub(crate) fn of(file: &File) -> Option<Interpreter> {
    let mut start = [0; 4096];
    let count = file.read_at(&mut start, 0).ok()?;
    let start = &start[..count];
    if let Some(line) = start.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next()?;
        let word = line.trim_ascii_start().split(u8::is_ascii_whitespace).next()?;
        return path(word);
    }
    // Only 64-bit little-endian files are looked into: this is a courtesy, not a check.
    if !start.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let number = |at: usize, width: usize| {
        let bytes = start.get(at..at.checked_add(width)?)?;
        Some(bytes.iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte)))
    };
    let (table, count) = (number(32, 8)? as usize, number(56, 2)?);
    let headers = (0..count.min(64) as usize).filter_map(|index| table.checked_add(56 * index));
    let header = headers.into_iter().find(|&at| number(at, 4) == Some(PT_INTERP.into()))?;
    let (offset, size) = (number(header + 8, 8)?, number(header + 32, 8)? as usize);
    let mut name = vec![0; size.min(MAX_PATH)];
    file.read_exact_at(&mut name, offset).ok()?;
    path(name.split(|&byte| byte == 0).next()?)
}

fn path(name: &[u8]) -> Option<Interpreter> {
    let name = std::str::from_utf8(name).ok()?;
    (name.starts_with('/') && name.len() < MAX_PATH).then(|| Interpreter(name.to_owned()))
}

/// Warns of programs that name a loader which no copy brings.
pub(crate) fn warn_if_missing(programs: &[(&RootPath, Interpreter)], copies: &[Copy<'_>], host: &Host) {
    for (program, Interpreter(loader)) in programs {
        let Ok(place) = RootPath::new(loader.as_bytes()) else { continue };
        if copies.iter().any(|copy| place.starts_with(copy.destination())) {
            continue;
        }
        host.event(&Event::Warning {
            message: format!("{program} needs {loader}, which is not in this root filesystem"),
            hint: Some("Link it statically, or lay it over a root filesystem that has it (--tar).".into()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_programs_name_their_interpreter() {
        let of_bytes = |bytes: &[u8]| {
            let file = File::from(rustix::fs::memfd_create("t", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
            file.write_all_at(bytes, 0).unwrap();
            of(&file)
        };
        assert_eq!(of_bytes(b"#! /bin/sh -e\necho\n"), Some(Interpreter("/bin/sh".into())));
        assert_eq!(of_bytes(b"plain text"), None);
        assert_eq!(of_bytes(b"\x7fELF\x02\x01 and no more"), None);
        let ourselves = File::open("/proc/self/exe").unwrap();
        let loader = of(&ourselves);
        assert!(
            cfg!(target_feature = "crt-static")
                || loader.is_some_and(|Interpreter(path)| path.contains("ld"))
        );
    }
}
