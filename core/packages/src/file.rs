//! Files that the host opened for an option: keys, lists of repositories, packages.

use std::fs::File;
use std::io::{self, Read};

use ctr_forge_plugin::{Error, ErrorKind, Host, PathValue, Result};

/// Largest file of keys, repositories or words, in bytes.
const MAX: u64 = 16 << 20;

/// The content of a file of keys or words.
///
/// # Errors
///
/// If it cannot be read, or has more than 16 MiB.
pub fn content(value: &PathValue, host: &Host) -> Result<Vec<u8>> {
    let file = value.file.ok_or_else(|| Error::usage(format!("{} cannot be read here", value.path)))?;
    bounded(host.take(file)?).map_err(|e| Error::io(format!("cannot read {}", value.path), e))
}

/// As [`content`], of a text.
///
/// # Errors
///
/// As [`content`], and if it is not UTF-8.
pub fn text(value: &PathValue, host: &Host) -> Result<String> {
    String::from_utf8(content(value, host)?)
        .map_err(|_| Error::new(ErrorKind::Input, format!("{} is no text", value.path)))
}

/// A package file.
///
/// # Errors
///
/// If it is standard input, which can be read but once.
pub fn package(value: &PathValue, host: &Host) -> Result<File> {
    let file = value
        .file
        .ok_or_else(|| Error::usage("a package cannot come from standard input").option("package"))?;
    host.take(file)
}

/// All of a file that is to be small.
///
/// # Errors
///
/// If it cannot be read, or has more than 16 MiB.
pub fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match file.take(MAX + 1).read_to_end(&mut bytes)? as u64 > MAX {
        false => Ok(bytes),
        true => Err(io::Error::other(format!("it has more than {} MiB", MAX >> 20))),
    }
}

/// A path's last part.
pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
