//! Tarballs and folders, taken in as they are.

use std::io::BufReader;
use std::path::Path;

use ctr_forge_plugin::{Error, Host, PathValue, Result};
use ctr_forge_rootfs::{Decoder, HostReader, Reader, Walk, WalkError, WriteError, walk_fd};

use crate::{BUFFER, Sink, take};

/// Streams the entries of a tarball; returns the latest of their dates.
pub(crate) fn tarball(sink: &mut Sink, value: &PathValue, host: &Host) -> Result<Option<i64>> {
    let (file, name) = take(value, host)?;
    host.phase(format!("Reading {name}"));
    let decoder = Decoder::new(BufReader::with_capacity(BUFFER, file))
        .map_err(|e| Error::io(format!("cannot read {name}"), e))?;
    let mut reader = Reader::new(decoder);
    let mut newest = None;
    loop {
        host.check_cancelled()?;
        let entry =
            reader.next_entry().map_err(|e| Error::input(format!("cannot use {name}")).because(&e))?;
        for warning in reader.take_warnings() {
            host.warn(format!("{name}: {warning}"));
        }
        let Some(entry) = entry else { return Ok(newest) };
        newest = newest.max(Some(entry.mtime));
        sink.entry(&entry, &mut reader)
            .map_err(|e| Error::input(format!("cannot use {name}")).because(&e))?;
    }
}

/// Streams the content of a folder, to be laid over the root.
pub(crate) fn folder(sink: &mut Sink, value: &PathValue, options: &Walk, host: &Host) -> Result<()> {
    let (directory, name) = take(value, host)?;
    if !directory.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::usage(format!("{name} is no folder"))
            .hint("A tarball is taken in with --tar, a file with --copy SRC:DST.")
            .option("overlay"));
    }
    host.phase(format!("Reading {name}"));
    let warnings = walk_fd(directory.into(), Path::new(&name), options, &mut |entry, file| {
        // The folder stands for the root; how the folder itself is kept on this machine says nothing of it.
        if entry.path.is_root() {
            return Ok(());
        }
        send(sink, &entry, file, host)
    });
    for warning in warnings.map_err(Failure::into_error)? {
        host.warn(warning.to_string());
    }
    Ok(())
}

/// Sends one entry of a folder.
pub(crate) fn send(
    sink: &mut Sink,
    entry: &ctr_forge_rootfs::Entry,
    file: Option<HostReader>,
    host: &Host,
) -> Result<(), Failure> {
    host.check_cancelled().map_err(Failure::Stopped)?;
    match file {
        Some(mut file) => sink.entry(entry, &mut file),
        None => sink.entry(entry, &mut std::io::empty()),
    }
    .map_err(Failure::Send)
}

/// Why a folder could not be sent.
pub(crate) enum Failure {
    Walk(WalkError),
    Send(WriteError),
    Stopped(Error),
}

impl From<WalkError> for Failure {
    fn from(error: WalkError) -> Self {
        Failure::Walk(error)
    }
}

impl Failure {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Failure::Walk(WalkError::Io { action, path, source }) => {
                Error::io(format!("cannot {action} {}", path.display()), source)
            }
            Failure::Walk(error) => Error::input(error.to_string()),
            Failure::Send(error) => Error::input("cannot send the root filesystem").because(&error),
            Failure::Stopped(error) => error,
        }
    }
}
