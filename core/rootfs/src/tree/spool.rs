//! File content in one temporary file, in the order it came.
//!
//! The file has no name, so nothing is left behind however the process ends.
//! It is only ever appended to; content nobody names any more stays until the end.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Small files go to the disk together, in writes of this many bytes.
const BUFFER: usize = 256 << 10;
/// So many bytes of a file must have come before its size is believed, and
/// held against the room on the disk: until then it is likelier to be cut short.
const SEEMS_REAL: u64 = 64 << 20;

/// An append-only temporary file that can be read while it grows.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    /// Bytes in the file; what follows is in `buffer`.
    written: u64,
    buffer: Box<[u8]>,
    filled: usize,
}

/// Why content could not be taken in.
#[derive(Debug)]
pub(super) enum SpoolError {
    /// The content could not be read.
    Read(io::Error),
    /// The content ended after this many bytes.
    Short(u64),
    /// The temporary file could not be written.
    Write(io::Error),
}

impl Spool {
    /// A spool in `directory`.
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(directory)?;
        Ok(Self { file, written: 0, buffer: vec![0; BUFFER].into_boxed_slice(), filled: 0 })
    }

    /// Takes in `size` bytes of `content` and returns the offset they got.
    pub(super) fn append(&mut self, content: &mut dyn Read, size: u64) -> Result<u64, SpoolError> {
        let start = self.written + self.filled as u64;
        let mut left = size;
        let mut room_is_known = false;
        while left > 0 {
            if self.filled == BUFFER {
                self.flush().map_err(SpoolError::Write)?;
            }
            if !room_is_known && size - left >= SEEMS_REAL {
                self.check_room(left).map_err(SpoolError::Write)?;
                room_is_known = true;
            }
            let room = &mut self.buffer[self.filled..];
            let wanted = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match content.read(&mut room[..wanted]) {
                Ok(0) => return Err(SpoolError::Short(size - left)),
                Ok(count) => {
                    self.filled += count;
                    left -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SpoolError::Read(error)),
            }
        }
        Ok(start)
    }

    /// An error if the disk has no room for this many bytes more: better than
    /// to fill it first, and a hole of a sparse file costs its author nothing.
    fn check_room(&self, bytes: u64) -> io::Result<()> {
        let disk = rustix::fs::fstatvfs(&self.file)?;
        match disk.f_bavail.saturating_mul(disk.f_frsize) < bytes {
            true => Err(rustix::io::Errno::NOSPC.into()),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer[..self.filled], self.written)?;
        self.written += self.filled as u64;
        self.filled = 0;
        Ok(())
    }

    /// Reads some bytes from `offset` on; none only at the very end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(buffered) = offset.checked_sub(self.written) {
            let from = usize::try_from(buffered).map_or(self.filled, |from| from.min(self.filled));
            return (&self.buffer[from..self.filled]).read(buffer);
        }
        let written = usize::try_from(self.written - offset).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(written);
        self.file.read_at(&mut buffer[..wanted], offset)
    }

    /// A reader of the `size` bytes at `offset`.
    pub(super) fn reader(&self, offset: u64, size: u64) -> SpoolReader<'_> {
        SpoolReader { spool: self, offset, left: size }
    }
}

/// Reads one content of a [`Spool`].
#[derive(Debug)]
pub(super) struct SpoolReader<'a> {
    spool: &'a Spool,
    offset: u64,
    left: u64,
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.spool.read_at(&mut buffer[..wanted], self.offset)?;
        if count == 0 && wanted > 0 {
            let text = "the temporary file that holds the content was cut short";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spool: &Spool, offset: u64, size: u64) -> Vec<u8> {
        let mut content = Vec::new();
        spool.reader(offset, size).read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn content_comes_back_from_file_and_buffer_alike() {
        let mut spool = Spool::new(&std::env::temp_dir()).unwrap();
        let contents: Vec<Vec<u8>> =
            [3, 0, BUFFER - 2, 7, 3 * BUFFER, 5].iter().map(|&size| vec![size as u8; size]).collect();
        let offsets: Vec<u64> =
            contents.iter().map(|data| spool.append(&mut &data[..], data.len() as u64).unwrap()).collect();
        for (content, offset) in contents.iter().zip(offsets) {
            assert_eq!(read(&spool, offset, content.len() as u64), *content);
        }
    }

    #[test]
    fn takes_exactly_the_size_or_says_what_is_missing() {
        let mut spool = Spool::new(&std::env::temp_dir()).unwrap();
        let mut content = &b"abcdef"[..];
        assert_eq!(spool.append(&mut content, 4).unwrap(), 0);
        assert_eq!(content, b"ef");
        assert!(matches!(spool.append(&mut content, 4), Err(SpoolError::Short(2))));
        let offset = spool.append(&mut &b"xyz"[..], 3).unwrap();
        assert_eq!(read(&spool, offset, 3), b"xyz");
    }

    #[test]
    fn a_file_larger_than_the_disk_does_not_fill_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(directory.path()).unwrap();
        let error = spool.append(&mut io::repeat(0), 1 << 60).unwrap_err();
        assert!(matches!(error, SpoolError::Write(error) if error.kind() == io::ErrorKind::StorageFull));
        assert!(spool.written <= SEEMS_REAL + BUFFER as u64);
    }
}
