//! What is worked on: real files for speed, made-up ones for memory.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};

use ctr_forge_rootfs::{Entry, Kind, RootPath, Writer};

use crate::Result;

/// About as much as a small distribution has, in bytes.
const TREE: u64 = 270_000_000;

/// Files above this, in bytes, would be most of the tree by themselves.
const LARGEST: u64 = 16 << 20;

/// Files of this many bytes make up a large content.
const FILE: u64 = 16 << 20;

/// A tree of real files: every Nth, by path, of what this machine has in
/// `/usr/lib` and `/usr/share`, with N such that they have about 270 MB.
pub(crate) fn tree(directory: &Path) -> Result<(u64, u64)> {
    let mut files = Vec::new();
    for root in ["/usr/lib", "/usr/share"] {
        list(Path::new(root), &mut files)?;
    }
    files.sort_unstable();
    let all: u64 = files.iter().map(|(_, size)| size).sum();
    let step = usize::try_from(all.div_ceil(TREE))?;
    for (path, _) in files.iter().skip(step - 1).step_by(step) {
        let copy = directory.join(path.strip_prefix("/")?);
        fs::create_dir_all(copy.parent().unwrap_or(directory))?;
        fs::copy(path, copy)?;
    }
    size(directory)
}

fn list(directory: &Path, files: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            list(&entry.path(), files)?;
        } else if metadata.is_file() && metadata.len() <= LARGEST {
            files.push((entry.path(), metadata.len()));
        }
    }
    Ok(())
}

/// Bytes of content and number of entries in a directory, itself included.
fn size(directory: &Path) -> Result<(u64, u64)> {
    let mut sum = (0, 1);
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (content, entries) = match entry.metadata()? {
            metadata if metadata.is_dir() => size(&entry.path())?,
            metadata => (metadata.len(), 1),
        };
        sum = (sum.0 + content, sum.1 + entries);
    }
    Ok(sum)
}

/// A tree that has another several times. No encoder notices: none looks back so far.
pub(crate) fn copies(from: &Path, to: &Path, count: usize) -> Result<(u64, u64)> {
    for number in 0..count {
        copy(from, &to.join(number.to_string()))?;
    }
    size(to)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &place)?,
            false => _ = fs::copy(entry.path(), place)?,
        }
    }
    Ok(())
}

/// A tar with few large files; half of each is noise, and half zeros.
pub(crate) fn content(file: &Path, bytes: u64) -> Result<(u64, u64)> {
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, File::create(file)?));
    let mut left = bytes;
    let mut count = 0;
    while left > 0 {
        let size = left.min(FILE);
        let path = RootPath::new(format!("srv/{count:06}").as_bytes())?;
        let mut noise = Noise(count + 1).take(size / 2).chain(io::repeat(0)).take(size);
        writer.entry(&Entry::new(path, Kind::File { size }, 0o644), &mut noise)?;
        (left, count) = (left - size, count + 1);
    }
    writer.finish()?;
    Ok((bytes, count))
}

/// A tar with many empty files, a thousand to a directory, with names as long as real ones.
pub(crate) fn entries(file: &Path, count: u64) -> Result<(u64, u64)> {
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, File::create(file)?));
    for number in 0..count {
        let (folder, name) = (number / 1000, number % 1000);
        let path = format!("usr/share/package-{folder:04}/resource-{name:03}.data");
        let path = RootPath::new(path.as_bytes())?;
        writer.entry(&Entry::new(path, Kind::File { size: 0 }, 0o644), &mut io::empty())?;
    }
    writer.finish()?;
    Ok((0, count))
}

/// Bytes that no encoder can shorten (xorshift64).
struct Noise(u64);

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for chunk in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
        Ok(buffer.len())
    }
}
