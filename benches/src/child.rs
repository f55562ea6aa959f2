//! The parts that are processes of their own.
//!
//! Measured steps are, so that they are measured as the peers are. Fixtures
//! are made in one too: a process starts with the peak memory of the one that
//! started it, so `run` itself has to stay small.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::Path;

use ctr_forge_rootfs::{Attributes, Duplicates, Reader, Tree, Walk, Writer};

use crate::{Result, fixture, mirror};

/// Bytes read or written at a time, as in ctr-forge.
const BUFFER: usize = 1 << 20;

pub(crate) fn run(words: &[&str]) -> Result<()> {
    match words {
        ["tree", directory] => print(fixture::tree(Path::new(directory))?),
        ["copies", from, to, count] => {
            print(fixture::copies(Path::new(from), Path::new(to), count.parse()?)?)
        }
        ["content", file, bytes] => print(fixture::content(Path::new(file), bytes.parse()?)?),
        ["entries", file, count] => print(fixture::entries(Path::new(file), count.parse()?)?),
        ["write", directory, file] => return write(Path::new(directory), Path::new(file)),
        ["serve", directory] => return mirror::serve(Path::new(directory)),
        ["read"] => print(read()?),
        _ => return Err("no such part".into()),
    }
    Ok(())
}

fn print((first, second): (u64, u64)) {
    println!("{first} {second}");
}

/// A directory becomes a tar, the way `ctr-forge` makes one.
fn write(directory: &Path, file: &Path) -> Result<()> {
    let mut tree = Tree::new_in(directory.parent().unwrap_or(directory), Duplicates::LastWins)?;
    tree.read_directory(
        directory,
        &Walk { attributes: Attributes::Preserve, one_file_system: false },
        &mut || true,
    )?;
    tree.normalise(i64::MAX - 1)?;
    let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, File::create(file)?));
    tree.write_to(&mut writer)?;
    writer.finish()?;
    Ok(())
}

/// Reads a tar from standard input; its bytes of content, and entries.
fn read() -> Result<(u64, u64)> {
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER, io::stdin()));
    let mut read = (0, 0);
    while let Some(entry) = reader.next_entry()? {
        read = (read.0 + entry.kind.size(), read.1 + 1);
    }
    Ok(read)
}
