//! The ELF note that carries a plugin's manifest.
//!
//! The host reads it from the file without loading the library, so listing
//! plugins, `--help` and version checks run no plugin code. A note, and not
//! just a section, because notes lie in a segment of their own: they survive
//! `strip`, and a reader needs only the program headers.

use crate::abi;

/// Owner name of the note, with the NUL that ELF demands.
pub const OWNER: &[u8; 10] = b"ctr-forge\0";
/// Type of the note.
pub const TYPE: u32 = 0x6374_6601;
/// Bytes of the description before the manifest: ABI major, ABI minor, flags, a reserved word.
pub const DESCRIPTION_HEADER: usize = 16;
/// Flag: a Rust plugin whose panics unwind, so that one becomes an error report.
pub const FLAG_UNWIND: u32 = 1;
/// Flag: built before ABI major version 1 was frozen.
pub const FLAG_UNSTABLE: u32 = 2;

/// The note as it lies in the file, for a manifest of `N` bytes.
///
/// Integers are in the machine's byte order, as everywhere in ELF.
#[repr(C, align(4))]
#[derive(Debug)]
pub struct Note<const N: usize> {
    name_size: u32,
    description_size: u32,
    note_type: u32,
    name: [u8; 12],
    abi_major: u32,
    abi_minor: u32,
    flags: u32,
    reserved: u32,
    manifest: [u8; N],
}

impl<const N: usize> Note<N> {
    /// The note for `manifest`; `unwind` says whether the plugin's panics unwind.
    pub const fn new(manifest: &[u8; N], unwind: bool) -> Self {
        Self {
            name_size: OWNER.len() as u32,
            description_size: (DESCRIPTION_HEADER + N) as u32,
            note_type: TYPE,
            name: *b"ctr-forge\0\0\0",
            abi_major: abi::ABI_MAJOR,
            abi_minor: abi::ABI_MINOR,
            flags: FLAG_UNSTABLE | if unwind { FLAG_UNWIND } else { 0 },
            reserved: 0,
            manifest: *manifest,
        }
    }

    /// The manifest inside the note.
    pub const fn manifest(&'static self) -> &'static [u8] {
        &self.manifest
    }
}
