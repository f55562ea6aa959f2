//! Streams into a root on disk, in which scripts run.

use std::io::{self, BufWriter, Write};

use ctr_forge_plugin::{Error, Result, Rootfs};
use ctr_forge_rootfs::{Entry, Kind, RootPath, TOUCHED, Writer};

/// Bytes written at a time.
const BUFFER: usize = 256 << 10;

/// Where packages go: into a root, or nowhere while there is none to take them.
pub type Sink = BufWriter<Box<dyn Write>>;

/// A writer of what nobody needs.
pub fn nowhere() -> Writer<Sink> {
    Writer::new(BufWriter::new(Box::new(io::sink())))
}

/// Writes a tar stream that the root takes in meanwhile. `write` has to [`finish`] it.
///
/// # Errors
///
/// Those of `write`, and of the host, if it does not take the stream.
pub fn write<T>(rootfs: &Rootfs<'_>, write: impl FnOnce(Writer<Sink>) -> Result<T>) -> Result<T> {
    rootfs.apply_from(|pipe| {
        let sink: Box<dyn Write> = Box::new(pipe);
        write(Writer::new(BufWriter::with_capacity(BUFFER, sink)).with_packages())
    })
}

/// Ends a stream into the root.
///
/// # Errors
///
/// If its end cannot be written.
pub fn finish(writer: Writer<Sink>) -> Result<()> {
    let finished = writer.finish().and_then(|mut sink| sink.flush());
    finished.map_err(|e| Error::io("cannot write to the root", e))
}

/// Puts files of the build's own into the root: path, mode, content.
///
/// # Errors
///
/// If a path is none, or the root does not take them.
pub fn put<'c>(rootfs: &Rootfs<'_>, files: impl IntoIterator<Item = (String, u16, &'c [u8])>) -> Result<()> {
    let files = files.into_iter();
    let file = |(path, mode, content): (String, u16, &'c [u8])| {
        Ok((Entry::new(path_of(&path)?, Kind::File { size: content.len() as u64 }, mode), content))
    };
    entries(rootfs, files.map(file))
}

/// Makes directories in the root, parents first; those that are there become as new ones.
///
/// # Errors
///
/// As [`put`].
pub fn directories<'p>(rootfs: &Rootfs<'_>, paths: impl IntoIterator<Item = &'p str>) -> Result<()> {
    let directory = |path: &str| Ok((Entry::directory(path_of(path)?), &b""[..]));
    entries(rootfs, paths.into_iter().map(directory))
}

fn entries<'c>(rootfs: &Rootfs<'_>, entries: impl Iterator<Item = Result<(Entry, &'c [u8])>>) -> Result<()> {
    write(rootfs, |mut writer| {
        for entry in entries {
            let (entry, mut content) = entry?;
            let written = writer.entry(&Entry { mtime: TOUCHED, ..entry }, &mut content);
            written.map_err(|e| Error::plugin("cannot write to the root").because(&e))?;
        }
        finish(writer)
    })
}

fn path_of(path: &str) -> Result<RootPath> {
    RootPath::new(path.as_bytes())
        .map_err(|e| Error::plugin("a file of the build has an impossible path").because(&e))
}
