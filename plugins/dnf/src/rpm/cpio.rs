//! The payload's archive: cpio in its "new ASCII" form, and rpm's own shortening of it.
//!
//! An entry has a magic number, numbers of eight hexadecimal digits and a name, then content;
//! name and content are padded to four bytes. Where a package has files of 4 GiB, and always from
//! version 6 on, an entry has in place of all that the place of its file in the header
//! (rpm's `lib/cpio.c`). Who owns a file, and what it may do, is said in the header: what an
//! entry says of it is not looked at.

use std::io::{self, Read};

const NEW: &[u8; 6] = b"070701";
/// With a checksum, which nobody looks at.
const CRC: &[u8; 6] = b"070702";
const STRIPPED: &[u8; 6] = b"07070X";
const TRAILER: &[u8] = b"TRAILER!!!";

/// Bytes of an entry before its name, without the magic number.
const HEAD: usize = 104;
/// Longest name, with the zero at its end: rpm's own limit (`CPIO_NAMESIZE_MAX`) is `PATH_MAX`.
const MAX_NAME: u64 = 4096 + 3;

/// What begins an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// With a name and the size of its content.
    Named { name: Vec<u8>, size: u64 },
    /// The place of a file in the header, which knows its size.
    Index(u64),
    /// There are no more.
    End,
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CpioError {
    /// It cannot be decompressed, or it ends early.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// No entry where one must begin.
    #[error("there is no entry at byte {at}")]
    Magic {
        /// Bytes from the beginning, decompressed.
        at: u64,
    },
    /// A number that is none.
    #[error("the entry at byte {at} has a number that is none")]
    Number {
        /// Bytes from the beginning, decompressed.
        at: u64,
    },
    /// A name that is none.
    #[error("the entry at byte {at} has a name of {size} bytes")]
    Name {
        /// Bytes from the beginning, decompressed.
        at: u64,
        /// Bytes of it.
        size: u64,
    },
}

/// An archive that is read. Whoever asks for an entry has read all content of the one before.
#[derive(Debug)]
pub(super) struct Cpio<R> {
    inner: R,
    at: u64,
}

impl<R: Read> Cpio<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, at: 0 }
    }

    /// Bytes so far.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// What begins the next entry; its content can be read then.
    pub(super) fn head(&mut self) -> Result<Head, CpioError> {
        self.pad()?;
        let at = self.at;
        let mut magic = [0; 6];
        self.read_exact(&mut magic)?;
        match &magic {
            STRIPPED => {
                let mut index = [0; 8];
                self.read_exact(&mut index)?;
                self.pad()?;
                let index = hexadecimal(&index).ok_or(CpioError::Number { at })?;
                Ok(if index == u64::from(u32::MAX) { Head::End } else { Head::Index(index) })
            }
            NEW | CRC => self.named(at),
            _ => Err(CpioError::Magic { at }),
        }
    }

    fn named(&mut self, at: u64) -> Result<Head, CpioError> {
        let mut head = [0; HEAD];
        self.read_exact(&mut head)?;
        // Field by field: ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor,
        // rdevmajor, rdevminor, namesize, check.
        let field = |number: usize| hexadecimal(&head[8 * number..][..8]).ok_or(CpioError::Number { at });
        let (size, length) = (field(6)?, field(11)?);
        if length == 0 || length > MAX_NAME {
            return Err(CpioError::Name { at, size: length });
        }
        let mut name = vec![0; length as usize];
        self.read_exact(&mut name)?;
        self.pad()?;
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(CpioError::Name { at, size: length });
        }
        Ok(if name == TRAILER { Head::End } else { Head::Named { name, size } })
    }

    fn pad(&mut self) -> io::Result<()> {
        let count = (self.at.wrapping_neg() % 4) as usize;
        self.read_exact(&mut [0; 4][..count])
    }
}

impl<R: Read> Read for Cpio<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.at += count as u64;
        Ok(count)
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, &digit| Some(sum << 4 | u64::from(char::from(digit).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{index_entry, new_entry, trailer};
    use super::*;

    fn heads(archive: &[u8]) -> Result<Vec<Head>, CpioError> {
        let mut cpio = Cpio::new(archive);
        let mut heads = Vec::new();
        loop {
            match cpio.head()? {
                Head::End => return Ok(heads),
                Head::Named { name, size } => {
                    io::copy(&mut cpio.by_ref().take(size), &mut io::sink())?;
                    heads.push(Head::Named { name, size });
                }
                other => heads.push(other),
            }
        }
    }

    fn named(name: &str, size: u64) -> Head {
        Head::Named { name: name.into(), size }
    }

    #[test]
    fn entries_of_every_form_are_read() {
        let crc = new_entry("b", b"12").into_iter().enumerate();
        let crc: Vec<u8> = crc.map(|(at, byte)| if at == 5 { b'2' } else { byte }).collect();
        let archive =
            [new_entry("./a", b"123"), crc, index_entry(7, b""), new_entry("./dir/c", b""), trailer()]
                .concat();
        let expected = [named("./a", 3), named("b", 2), Head::Index(7), named("./dir/c", 0)];
        assert_eq!(heads(&archive).unwrap(), expected);
        assert_eq!(heads(b"07070XFFFFffff\0\0").unwrap(), []);
    }

    #[test]
    fn what_is_broken_is_told_with_its_place() {
        let whole = [new_entry("./a", b"123"), new_entry("./b", b"")].concat();
        let second = new_entry("./a", b"123").len() as u64;
        let broken = |at: usize, byte: u8| {
            let mut archive = whole.clone();
            archive[second as usize + at] = byte;
            heads(&archive).unwrap_err()
        };
        assert!(matches!(broken(0, b'1'), CpioError::Magic { at } if at == second));
        assert!(matches!(broken(6 + 6 * 8, b'-'), CpioError::Number { at } if at == second));
        assert!(matches!(broken(6 + 11 * 8 + 7, b'0'), CpioError::Name { at, size: 0 } if at == second));
        assert!(matches!(broken(6 + 11 * 8, b'f'), CpioError::Name { .. }));
        assert!(matches!(broken(110 + 3, b'x'), CpioError::Name { .. }), "no zero at its end");
        assert!(matches!(heads(&whole), Err(CpioError::Read(_))), "no trailer");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = heads(&bytes);
            let _ = heads(&[new_entry("x", b""), bytes].concat());
        }
    }
}
