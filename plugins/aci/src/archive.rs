//! The file itself: `manifest`, then all of the tree below `rootfs/` (appc `spec/aci.md`, "Image
//! Layout"), compressed. The image's id is the SHA-512 of the tar before it is compressed.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::num::NonZeroUsize;

use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::{Entry, Kind, LayerError, LayerOptions, Reader, RootPath, Writer, write_layer};
use serde::Deserialize;
use sha2::{Digest as _, Sha512};

/// Bytes read or written at a time.
const BUFFER: usize = 1 << 20;
/// Of xz, as its command has it.
const XZ_LEVEL: u32 = 6;

const MANIFEST: &str = "manifest";
const ROOTFS: &str = "rootfs";

/// How the file is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    #[default]
    Gzip,
    Xz,
    Bzip2,
    None,
}

/// How a file is written.
pub(crate) struct Settings {
    pub(crate) compression: Compression,
    /// When the manifest was made, in seconds since 1970.
    pub(crate) created: i64,
    /// Threads to use. The bytes do not depend on it.
    pub(crate) jobs: usize,
}

/// Writes the image and returns its id.
pub(crate) fn write(
    file: File,
    manifest: &[u8],
    layer: File,
    settings: &Settings,
    step: &mut dyn FnMut() -> Result<()>,
) -> Result<String> {
    let cannot = |e| Error::io("cannot write the image", e);
    let mut sha = Sha512::new();
    let mut fill = |out: &mut dyn Write| {
        let tee = Tee { out: BufWriter::with_capacity(BUFFER, out), sha: &mut sha };
        tar(tee, manifest, &layer, settings.created, step)
    };
    match settings.compression {
        Compression::Gzip | Compression::None => {
            let compression = match settings.compression {
                Compression::Gzip => ctr_forge_rootfs::Compression::Gzip,
                _ => ctr_forge_rootfs::Compression::None,
            };
            let options = LayerOptions {
                compression,
                level: None,
                threads: NonZeroUsize::new(settings.jobs).unwrap_or(NonZeroUsize::MIN),
            };
            write_layer(file, &options, |out| fill(out)).map_err(|error| match error {
                LayerError::Fill(error) => error,
                error => Error::new(ErrorKind::Io, "cannot write the image").because(&error),
            })?;
        }
        Compression::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(file, XZ_LEVEL);
            fill(&mut encoder)?;
            encoder.finish().map_err(cannot)?;
        }
        Compression::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(file, bzip2::Compression::best());
            fill(&mut encoder)?;
            encoder.finish().map_err(cannot)?;
        }
    }
    let id: String = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha512-{id}"))
}

/// Writes what is to be compressed, and sees its digest.
struct Tee<'a, W: Write> {
    out: W,
    sha: &'a mut Sha512,
}

impl<W: Write> Write for Tee<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sha.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn tar(
    out: impl Write,
    manifest: &[u8],
    mut layer: &File,
    created: i64,
    step: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let cannot = |e: &(dyn std::error::Error + 'static)| {
        Error::new(ErrorKind::Io, "cannot write the image").because(e)
    };
    let mut writer = Writer::new(out);
    let kind = Kind::File { size: manifest.len() as u64 };
    let entry = Entry { mtime: created, ..Entry::new(below(MANIFEST, &RootPath::root())?, kind, 0o644) };
    writer.entry(&entry, &mut &*manifest).map_err(|e| cannot(&e))?;
    layer.rewind().map_err(|e| cannot(&e))?;
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER, layer));
    let mut has_root = false;
    while let Some(mut entry) = reader.next_entry().map_err(|e| cannot(&e))? {
        step()?;
        if !has_root && !entry.path.is_root() {
            // There must be one; what it says of itself nobody had to say.
            let root = Entry { mtime: created, ..Entry::directory(below(ROOTFS, &RootPath::root())?) };
            writer.entry(&root, &mut io::empty()).map_err(|e| cannot(&e))?;
        }
        has_root = true;
        entry.path = below(ROOTFS, &entry.path)?;
        if let Kind::HardLink(target) = &entry.kind {
            entry.kind = Kind::HardLink(below(ROOTFS, target)?);
        }
        writer.entry(&entry, &mut reader as &mut dyn Read).map_err(|e| cannot(&e))?;
    }
    writer.finish().and_then(|mut out| out.flush()).map_err(|e| cannot(&e))
}

fn below(directory: &str, path: &RootPath) -> Result<RootPath> {
    let mut text = directory.as_bytes().to_vec();
    if !path.is_root() {
        text.push(b'/');
        text.extend_from_slice(path.as_bytes());
    }
    RootPath::new(&text)
        .map_err(|e| Error::new(ErrorKind::Unsupported, format!("{path} is too long for an ACI")).because(&e))
}
