//! Reads a plugin's manifest out of its ELF file, without loading it.
//!
//! The file is a stranger's: every offset and size is checked against the file
//! and against a bound before it is used. Only the program headers and the note
//! segments are read, so the cost does not grow with the library. The layout
//! is that of the System V ABI, chapters "Object Files" and "Program Loading".

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ctr_forge_plugin::note::{DESCRIPTION_HEADER, OWNER, TYPE};

/// Longest manifest accepted, in bytes. Real ones have a few thousand.
pub const MAX_MANIFEST: usize = 256 << 10;
/// Longest note segment read, in bytes.
const MAX_SEGMENT: u64 = 1 << 20;
/// Most program headers read; a linker writes about ten.
const MAX_HEADERS: usize = 128;
const PT_NOTE: u32 = 4;

/// What a plugin's note says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Major version of the ABI that the plugin was built for.
    pub abi_major: u32,
    /// Minor version of it.
    pub abi_minor: u32,
    /// Flags of [`ctr_forge_plugin::note`].
    pub flags: u32,
    /// `plugin.toml`, not yet parsed.
    pub manifest: Vec<u8>,
}

/// Why a file has no note that can be used.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// Not an ELF file at all: a script, say.
    #[error("not an ELF file")]
    NotElf,
    /// An ELF file, but for another processor.
    #[error("built for {found}, this ctr-forge for {ours}", ours = Machine::ours())]
    OtherMachine {
        /// What the file is for.
        found: Machine,
    },
    /// An ELF file without our note.
    #[error("has no ctr-forge note, so it is not a plugin")]
    Missing,
    /// Two plugins linked into one file.
    #[error("has more than one ctr-forge note: a plugin crate depends on another plugin crate")]
    Several,
    /// Cut short, or an offset that points nowhere.
    #[error("is truncated or damaged: {0}")]
    Damaged(&'static str),
    /// It could not be read.
    #[error("cannot be read")]
    Io(#[from] io::Error),
}

/// A processor and its data model, as ELF tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    machine: u16,
    wide: bool,
    little: bool,
}

impl Machine {
    /// The machine that this program was built for.
    pub fn ours() -> Self {
        let machine = match std::env::consts::ARCH {
            "x86" => 3,
            "arm" => 40,
            "powerpc64" => 21,
            "s390x" => 22,
            "x86_64" => 62,
            "aarch64" => 183,
            "riscv64" => 243,
            "loongarch64" => 258,
            _ => 0,
        };
        Self { machine, wide: cfg!(target_pointer_width = "64"), little: cfg!(target_endian = "little") }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.machine {
            3 => f.write_str("i386"),
            21 => f.write_str(if self.little { "ppc64le" } else { "ppc64" }),
            22 => f.write_str("s390x"),
            40 => f.write_str("arm"),
            62 => f.write_str(if self.wide { "amd64" } else { "x32" }),
            183 => f.write_str("arm64"),
            243 => f.write_str("riscv64"),
            258 => f.write_str("loong64"),
            other => write!(f, "ELF machine {other}"),
        }
    }
}

/// Something that can be read at an offset: a file, or bytes in a test.
pub trait ReadAt {
    /// Fills `buffer` from `offset`; `UnexpectedEof` where there is less.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Reads the note of a plugin built for this machine.
pub fn read<R: ReadAt + ?Sized>(file: &R) -> Result<Note, NoteError> {
    let elf = Elf::read(file)?;
    if elf.machine != Machine::ours() {
        return Err(NoteError::OtherMachine { found: elf.machine });
    }
    let mut found = None;
    for (offset, size, align) in elf.note_segments(file)? {
        if size > MAX_SEGMENT {
            return Err(NoteError::Damaged("a note segment is absurdly large"));
        }
        let mut segment = vec![0; size as usize];
        read_at(file, &mut segment, offset, "a note lies behind the end of the file")?;
        for note in elf.parse_notes(&segment, align)? {
            if found.replace(note).is_some() {
                return Err(NoteError::Several);
            }
        }
    }
    found.ok_or(NoteError::Missing)
}

fn read_at<R: ReadAt + ?Sized>(
    file: &R,
    buffer: &mut [u8],
    offset: u64,
    what: &'static str,
) -> Result<(), NoteError> {
    file.read_at(buffer, offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => NoteError::Damaged(what),
        _ => NoteError::Io(error),
    })
}

/// What of the ELF header matters here.
struct Elf {
    machine: Machine,
    headers_at: u64,
    header_size: usize,
    header_count: usize,
}

impl Elf {
    fn read<R: ReadAt + ?Sized>(file: &R) -> Result<Self, NoteError> {
        let mut ident = [0; 16];
        match file.read_at(&mut ident, 0) {
            Ok(()) if ident.starts_with(b"\x7fELF") => {}
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
            _ => return Err(NoteError::NotElf),
        }
        let (wide, little) = match (ident[4], ident[5]) {
            (class @ 1..=2, data @ 1..=2) => (class == 2, data == 1),
            _ => return Err(NoteError::Damaged("unknown ELF class or byte order")),
        };
        let mut header = [0; 64];
        let header = &mut header[..if wide { 64 } else { 52 }];
        read_at(file, header, 0, "the ELF header is cut short")?;
        let mut elf = Self {
            machine: Machine { machine: 0, wide, little },
            headers_at: 0,
            header_size: if wide { 56 } else { 32 },
            header_count: 0,
        };
        elf.machine.machine = elf.u16(header, 18);
        elf.headers_at = if wide { elf.u64(header, 32) } else { elf.u32(header, 28).into() };
        let sizes_at = if wide { 54 } else { 42 };
        elf.header_count = elf.u16(header, sizes_at + 2).into();
        if usize::from(elf.u16(header, sizes_at)) != elf.header_size && elf.header_count > 0 {
            return Err(NoteError::Damaged("program headers of an unknown size"));
        }
        if elf.header_count > MAX_HEADERS {
            return Err(NoteError::Damaged("absurdly many program headers"));
        }
        Ok(elf)
    }

    /// Offset, size and alignment of every note segment.
    fn note_segments<R: ReadAt + ?Sized>(&self, file: &R) -> Result<Vec<(u64, u64, u64)>, NoteError> {
        let mut table = vec![0; self.header_size * self.header_count];
        read_at(file, &mut table, self.headers_at, "the program headers are cut short")?;
        let segments = table.chunks_exact(self.header_size).filter(|header| self.u32(header, 0) == PT_NOTE);
        Ok(segments
            .map(|header| match self.machine.wide {
                true => (self.u64(header, 8), self.u64(header, 32), self.u64(header, 48)),
                false => {
                    (self.u32(header, 4).into(), self.u32(header, 16).into(), self.u32(header, 28).into())
                }
            })
            .collect())
    }

    /// Our notes in a segment. A segment aligned to 8 bytes pads its notes to 8, any other to 4.
    fn parse_notes(&self, segment: &[u8], align: u64) -> Result<Vec<Note>, NoteError> {
        let align = if align == 8 { 8 } else { 4 };
        let damaged = NoteError::Damaged("a note is longer than its segment");
        let mut notes = Vec::new();
        let mut rest = segment;
        while rest.len() >= 12 {
            let (name_size, size) = (self.u32(rest, 0) as usize, self.u32(rest, 4) as usize);
            let note_type = self.u32(rest, 8);
            let start = (12usize.saturating_add(name_size)).next_multiple_of(align);
            let (Some(name), Some(text)) = (
                rest.get(12..12usize.saturating_add(name_size)),
                rest.get(start..start.saturating_add(size)),
            ) else {
                return Err(damaged);
            };
            if name == OWNER && note_type == TYPE {
                notes.push(self.parse_description(text)?);
            }
            let next = start.saturating_add(size).next_multiple_of(align).min(rest.len());
            rest = &rest[next..];
        }
        Ok(notes)
    }

    fn parse_description(&self, text: &[u8]) -> Result<Note, NoteError> {
        let manifest = text
            .get(DESCRIPTION_HEADER..)
            .filter(|manifest| manifest.len() <= MAX_MANIFEST)
            .ok_or(NoteError::Damaged("the ctr-forge note has an impossible size"))?;
        Ok(Note {
            abi_major: self.u32(text, 0),
            abi_minor: self.u32(text, 4),
            flags: self.u32(text, 8),
            manifest: manifest.to_vec(),
        })
    }

    // The callers have checked the lengths; a number that is not there reads as 0.
    fn u16(&self, bytes: &[u8], at: usize) -> u16 {
        let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        if self.machine.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
    }

    fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        if self.machine.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    }

    fn u64(&self, bytes: &[u8], at: usize) -> u64 {
        let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        if self.machine.little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A minimal ELF file of this machine with these notes in one segment.
    fn elf(notes: &[(&[u8], u32, &[u8])]) -> Vec<u8> {
        let mut segment = Vec::new();
        for (name, note_type, text) in notes {
            for number in [name.len() as u32, text.len() as u32, *note_type] {
                segment.extend(number.to_ne_bytes());
            }
            for part in [*name, *text] {
                segment.extend(part);
                segment.resize(segment.len().next_multiple_of(4), 0);
            }
        }
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(&[
            0x7f,
            b'E',
            b'L',
            b'F',
            2,
            if cfg!(target_endian = "little") { 1 } else { 2 },
        ]);
        file[18..20].copy_from_slice(&Machine::ours().machine.to_ne_bytes());
        file[32..40].copy_from_slice(&64u64.to_ne_bytes());
        file[54..56].copy_from_slice(&56u16.to_ne_bytes());
        file[56..58].copy_from_slice(&1u16.to_ne_bytes());
        file[64..68].copy_from_slice(&PT_NOTE.to_ne_bytes());
        file[72..80].copy_from_slice(&120u64.to_ne_bytes());
        file[96..104].copy_from_slice(&(segment.len() as u64).to_ne_bytes());
        file[112..120].copy_from_slice(&4u64.to_ne_bytes());
        file.extend(segment);
        file
    }

    fn description(manifest: &[u8]) -> Vec<u8> {
        [[1u32, 0, 2, 0].map(u32::to_ne_bytes).concat(), manifest.to_vec()].concat()
    }

    #[test]
    fn finds_the_note_among_others() {
        let text = description(b"name = \"x\"");
        let file = elf(&[(b"GNU\0", 3, b"build-id"), (OWNER, TYPE, &text), (OWNER, 1, b"another type")]);
        let note = read(file.as_slice()).unwrap();
        assert_eq!(
            (note.abi_major, note.flags, note.manifest.as_slice()),
            (1, 2, b"name = \"x\"".as_slice())
        );
    }

    #[test]
    fn refuses_what_is_no_plugin() {
        let text = description(b"");
        let of = |file: &[u8]| read(file).unwrap_err();
        assert!(matches!(of(b"#!/bin/sh\necho hello\n"), NoteError::NotElf));
        assert!(matches!(of(b""), NoteError::NotElf));
        assert!(matches!(of(&elf(&[])), NoteError::Missing));
        assert!(matches!(of(&elf(&[(OWNER, TYPE, &text), (OWNER, TYPE, &text)])), NoteError::Several));
        assert!(matches!(of(&elf(&[(OWNER, TYPE, b"short")])), NoteError::Damaged(_)));
        let mut foreign = elf(&[(OWNER, TYPE, &text)]);
        foreign[18] = 22;
        assert_eq!(
            of(&foreign).to_string(),
            format!("built for s390x, this ctr-forge for {}", Machine::ours())
        );
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let file = elf(&[(OWNER, TYPE, &description(b"name = \"x\""))]);
        // The last two bytes are padding behind the manifest, yet in the segment.
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_err(), "cut at {length}");
        }
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0usize..200, byte: u8, length in 0usize..200) {
            let mut file = elf(&[(OWNER, TYPE, &description(b"name = \"x\""))]);
            let at = at % file.len();
            file[at] = byte;
            file.truncate(length.max(1));
            let _ = read(file.as_slice());
        }
    }
}
