//! Files that the host opened for an option: keys, lists of repositories, packages.

use std::fs::File;
use std::io::{self, Read, Seek};

use ctr_forge_plugin::{Error, ErrorKind, Host, PathValue, Result};

/// Largest file of keys, repositories or words, in bytes.
const MAX: u64 = 16 << 20;

/// Largest package file, in bytes: several times as much as anybody has made.
pub const MAX_PACKAGE: u64 = 32 << 30;

/// Bytes of a package file that are copied between two looks at whether the job goes on.
const STEP: u64 = 64 << 20;

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

/// A package file, copied: it is read more than once, and whoever may write to the file itself could
/// have it checked and then put something else in its place.
///
/// # Errors
///
/// If it is standard input, if it cannot be read, or if it has more than [`MAX_PACKAGE`] bytes.
pub fn package(value: &PathValue, host: &Host) -> Result<File> {
    let file = value
        .file
        .ok_or_else(|| Error::usage("a package cannot come from standard input").option("package"))?;
    let cannot = |e| Error::io(format!("cannot copy {}", value.path), e);
    let mut file = host.take(file)?;
    file.rewind().map_err(cannot)?;
    let mut copy = host.temp_file()?;
    let mut size = 0;
    loop {
        host.check_cancelled()?;
        let count = io::copy(&mut file.by_ref().take(STEP), &mut copy).map_err(cannot)?;
        size += count;
        if size > MAX_PACKAGE {
            let message = format!("{} has more than the {} GiB of a package", value.path, MAX_PACKAGE >> 30);
            return Err(Error::new(ErrorKind::Input, message).option("package"));
        }
        if count < STEP {
            break;
        }
    }
    copy.rewind().map_err(cannot)?;
    Ok(copy)
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
