//! Writes [`Entry`]s as a tar archive that every reader takes.
//!
//! An entry is a plain ustar header whenever ustar can say it, with PAX
//! records (POSIX.1-2001) only for what it cannot: small readers, busybox
//! among them, skip the records. For the same reason a long name is split
//! between ustar's two fields where that is possible, up to 255 bytes. Nothing
//! but the entries goes into the bytes: no clock, user name or process number.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use crate::header::{self, BLOCK, Field, Header, padding};
use crate::pax;
use crate::read::{MAX_MAJOR, MAX_MINOR};
use crate::{Device, Entry, Kind, MAX_PATH, RootPath};

/// The name every extended header has, which only readers without PAX show.
/// Python's `tarfile` uses it too; one with a process number would make each
/// run differ.
const EXTENDED: &[u8] = b"././@PaxHeader";

/// The name of the entry that [`Writer::break_off`] announces.
const BROKEN_OFF: &[u8] = b"././@BrokenOff";

/// Longest extended header in bytes: Go's `archive/tar`, under all of Docker,
/// Podman and containerd, refuses longer ones (`maxSpecialFileSize`).
const MAX_EXTENDED: usize = 1 << 20;

/// Bytes of content copied at once.
const BUFFER: usize = 64 * 1024;

/// Writes a tar archive to a stream. The same entries give the same bytes.
///
/// Header and padding come as writes of their own, so wrap a file or pipe in a
/// [`BufWriter`](io::BufWriter) if entries are small.
#[derive(Debug)]
pub struct Writer<W: Write> {
    inner: W,
    packages: bool,
    state: State,
    buffer: Box<[u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A header, or the end, may follow.
    Between,
    /// The content of an entry lacks this much, then comes padding.
    Inside { left: u64, padding: u64 },
    /// A write failed, so nobody knows what arrived.
    Failed,
}

/// Why an entry could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The entry is one that no archive can hold, or none that all readers take.
    #[error("cannot write {path}: {fault}")]
    Unfit {
        /// The entry.
        path: RootPath,
        /// What is wrong with it.
        fault: Unfit,
    },
    /// The content ended before the size of the entry.
    #[error("the content of {path} is {missing} bytes shorter than its size, {size}")]
    Short {
        /// The entry.
        path: RootPath,
        /// The size it was announced with.
        size: u64,
        /// Bytes that did not come.
        missing: u64,
    },
    /// The content went on beyond the size of the entry.
    #[error("the content of {path} is longer than its size, {size}")]
    Long {
        /// The entry.
        path: RootPath,
        /// The size it was announced with.
        size: u64,
    },
    /// The content could not be read.
    #[error("cannot read the content of {path}")]
    Content {
        /// The entry.
        path: RootPath,
        /// Why.
        source: io::Error,
    },
    /// The stream took no more.
    #[error("cannot write {path} to the archive")]
    Io {
        /// The entry.
        path: RootPath,
        /// Why.
        source: io::Error,
    },
    /// An entry before this one was not written completely.
    #[error("cannot write {path}: the archive broke off in an entry before it")]
    AfterError {
        /// The entry.
        path: RootPath,
    },
}

/// Why an archive cannot hold an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The root can be nothing but a directory, and no hard link can lead there.
    #[error("the root can only be a directory")]
    Root,
    /// A symbolic link to nothing, to 4096 bytes or more, or with a NUL in it.
    #[error("its link target is not one that Linux could store")]
    Target,
    /// A device number beyond the 12 and 20 bits of Linux.
    #[error("its device number is out of range")]
    Device,
    /// A size beyond 2^63-1 bytes, which no reader takes.
    #[error("its size is out of range")]
    Size,
    /// An attribute name that is empty, or has `=` or NUL in it: a PAX key ends
    /// at the first `=`.
    #[error("the name of its extended attribute \"{0}\" cannot be written as a PAX key")]
    Attribute(String),
    /// More than 1 MiB of extended header.
    #[error("its extended attributes take more than 1 MiB")]
    TooLong,
}

impl<W: Write> Writer<W> {
    /// An archive that begins here.
    pub fn new(inner: W) -> Self {
        Self { inner, packages: false, state: State::Between, buffer: vec![0; BUFFER].into() }
    }

    /// Keeps [`Entry::package`] in the stream, as the key `CTRFORGE.package`;
    /// else it is left out.
    pub fn with_packages(mut self) -> Self {
        self.packages = true;
        self
    }

    /// Writes one entry and its content, which must be exactly [`Kind::size`]
    /// bytes.
    ///
    /// # Errors
    ///
    /// If the entry cannot be represented, nothing was written and others may
    /// follow. After any other error the archive can only be broken off.
    pub fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), WriteError> {
        let path = || entry.path.clone();
        if self.state != State::Between {
            return Err(WriteError::AfterError { path: path() });
        }
        let head = head(entry, self.packages).map_err(|fault| WriteError::Unfit { path: path(), fault })?;
        self.write(&head).map_err(|source| WriteError::Io { path: path(), source })?;
        let size = entry.kind.size();
        self.state = State::Inside { left: size, padding: padding(size) };
        self.copy(entry, content)?;
        self.pad().map_err(|source| WriteError::Io { path: path(), source })
    }

    /// Ends the archive with two blocks of zeros and hands the stream back.
    ///
    /// # Errors
    ///
    /// If the stream fails, or the last entry is incomplete.
    pub fn finish(mut self) -> io::Result<W> {
        if self.state != State::Between {
            return Err(io::Error::other("the last entry of the archive is incomplete"));
        }
        self.inner.write_all(&[0; 2 * BLOCK])?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    /// Ends the stream inside an entry, so that every reader fails.
    ///
    /// Without this, what was written so far could pass for an archive: tar,
    /// bsdtar and Podman accept one that is cut between entries, and some
    /// readers accept an empty stream. So unless content is missing already, a
    /// header announces content that never comes.
    ///
    /// # Errors
    ///
    /// If the stream fails.
    pub fn break_off(mut self) -> io::Result<()> {
        match self.state {
            State::Between | State::Inside { left: 0, .. } => {
                self.pad()?;
                let mut header = plain_header(BROKEN_OFF, b'0');
                header.set_number(header::SIZE, BLOCK as u64);
                header.seal();
                self.inner.write_all(&header.0)?;
            }
            State::Inside { .. } | State::Failed => {}
        }
        self.inner.flush()
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.inner.write_all(data).inspect_err(|_| self.state = State::Failed)
    }

    /// Copies the content, which must end where the entry's size says.
    fn copy(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), WriteError> {
        let path = || entry.path.clone();
        let size = entry.kind.size();
        let failed = |source| WriteError::Content { path: path(), source };
        while let State::Inside { left, padding } = self.state
            && left > 0
        {
            let length = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = read(content, &mut self.buffer[..length]).map_err(failed)?;
            if count == 0 {
                return Err(WriteError::Short { path: path(), size, missing: left });
            }
            if let Err(source) = self.inner.write_all(&self.buffer[..count]) {
                self.state = State::Failed;
                return Err(WriteError::Io { path: path(), source });
            }
            self.state = State::Inside { left: left - count as u64, padding };
        }
        match read(content, &mut [0]).map_err(failed)? {
            0 => Ok(()),
            _ => Err(WriteError::Long { path: path(), size }),
        }
    }

    /// Fills up the last block of complete content.
    fn pad(&mut self) -> io::Result<()> {
        if let State::Inside { padding, .. } = self.state {
            self.write(&[0; BLOCK][..padding as usize])?;
            self.state = State::Between;
        }
        Ok(())
    }
}

/// One read of content, of which no more than was asked for is believed.
fn read(content: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match content.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(|count| count.min(buf.len())),
        }
    }
}

/// All that comes before the content of an entry, as bytes.
pub(crate) fn head(entry: &Entry, packages: bool) -> Result<Vec<u8>, Unfit> {
    Head::new(entry, packages).and_then(Head::into_bytes)
}

/// All that comes before the content of an entry.
struct Head {
    header: Header,
    /// Sorted, so that their order depends on nothing.
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Head {
    fn new(entry: &Entry, packages: bool) -> Result<Self, Unfit> {
        if entry.path.is_root() && entry.kind != Kind::Directory {
            return Err(Unfit::Root);
        }
        let mut head = Self { header: plain_header(b"", typeflag(&entry.kind)), records: BTreeMap::new() };
        head.set_name(entry);
        head.header.set_number(header::MODE, u64::from(entry.mode & 0o7777));
        head.set_number("uid", header::UID, entry.uid.into());
        head.set_number("gid", header::GID, entry.gid.into());
        head.set_number("mtime", header::MTIME, entry.mtime);
        let size = i64::try_from(entry.kind.size()).map_err(|_| Unfit::Size)?;
        head.set_number("size", header::SIZE, size);
        match &entry.kind {
            Kind::HardLink(target) if target.is_root() => return Err(Unfit::Root),
            Kind::HardLink(target) => head.set_link(target.as_bytes()),
            Kind::Symlink(target) if !is_target(target) => return Err(Unfit::Target),
            Kind::Symlink(target) => head.set_link(target),
            Kind::CharDevice(device) | Kind::BlockDevice(device) => head.set_device(*device)?,
            Kind::File { .. } | Kind::Directory | Kind::Fifo => {}
        }
        head.set_xattrs(entry)?;
        if let Some(package) = entry.package.as_deref().filter(|name| packages && !name.is_empty()) {
            head.record(pax::PACKAGE, package.as_bytes());
        }
        Ok(head)
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        self.records.insert(key.to_vec(), value.to_vec());
    }

    /// A number where the header has room for it, else a record and 0: readers
    /// that know the record never look at the field.
    fn set_number(&mut self, key: &str, field: Field, value: i64) {
        let fits = u64::try_from(value).is_ok_and(|value| self.header.set_number(field.clone(), value));
        if !fits {
            self.header.set_number(field, 0);
            self.record(key.as_bytes(), value.to_string().as_bytes());
        }
    }

    fn set_name(&mut self, entry: &Entry) {
        let mut name = match entry.path.is_root() {
            true => b".".to_vec(),
            false => entry.path.as_bytes().to_vec(),
        };
        if entry.kind == Kind::Directory {
            name.push(b'/');
        }
        match split(&name) {
            Some((prefix, rest)) => {
                self.header.set_text(header::PREFIX, prefix);
                self.header.set_text(header::NAME, rest);
            }
            None => self.set_text("path", header::NAME, &name),
        }
    }

    fn set_link(&mut self, target: &[u8]) {
        self.set_text("linkpath", header::LINK, target);
    }

    /// A text where the header has room for it, else a record and its start.
    fn set_text(&mut self, key: &str, field: Field, text: &[u8]) {
        let Some(start) = text.get(..field.len()).filter(|start| start.len() < text.len()) else {
            self.header.set_text(field, text);
            return;
        };
        // A start that ends in a slash would be a directory to some readers,
        // whatever the record says.
        let end = start.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
        self.header.set_text(field, &start[..end]);
        self.record(key.as_bytes(), text);
        // Names are bytes. Records are UTF-8 unless they say otherwise, and
        // libarchive fails on what it cannot convert to the user's locale.
        if !text.is_ascii() {
            self.record(b"hdrcharset", b"BINARY");
        }
    }

    fn set_device(&mut self, device: Device) -> Result<(), Unfit> {
        if device.major > MAX_MAJOR || device.minor > MAX_MINOR {
            return Err(Unfit::Device);
        }
        self.header.set_number(header::MAJOR, device.major.into());
        self.header.set_number(header::MINOR, device.minor.into());
        Ok(())
    }

    fn set_xattrs(&mut self, entry: &Entry) -> Result<(), Unfit> {
        for (name, value) in entry.xattrs.iter() {
            if name.is_empty() || name.iter().any(|b| matches!(b, b'=' | 0)) {
                return Err(Unfit::Attribute(name.escape_ascii().to_string()));
            }
            self.record(&[pax::XATTR, name].concat(), value);
        }
        Ok(())
    }

    fn into_bytes(mut self) -> Result<Vec<u8>, Unfit> {
        let mut bytes = Vec::with_capacity(BLOCK);
        if !self.records.is_empty() {
            let mut records = Vec::new();
            for (key, value) in &self.records {
                pax::append(&mut records, key, value);
            }
            if records.len() > MAX_EXTENDED {
                return Err(Unfit::TooLong);
            }
            let mut extended = plain_header(EXTENDED, b'x');
            extended.set_number(header::SIZE, records.len() as u64);
            extended.seal();
            bytes.extend_from_slice(&extended.0);
            bytes.append(&mut records);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        }
        self.header.seal();
        bytes.extend_from_slice(&self.header.0);
        Ok(bytes)
    }
}

/// A ustar header that says nothing but name and type. User and group names
/// stay empty, so that the numbers count; fields for devices stay empty too.
fn plain_header(name: &[u8], typeflag: u8) -> Header {
    let mut header = Header::zeroed();
    header.set_text(header::MAGIC, header::USTAR);
    header.set_text(header::VERSION, b"00");
    header.set_text(header::NAME, name);
    header.0[header::TYPE] = typeflag;
    header.set_number(header::MODE, 0o644);
    for field in [header::UID, header::GID, header::SIZE, header::MTIME] {
        header.set_number(field, 0);
    }
    header
}

fn typeflag(kind: &Kind) -> u8 {
    match kind {
        Kind::File { .. } => b'0',
        Kind::HardLink(_) => b'1',
        Kind::Symlink(_) => b'2',
        Kind::CharDevice(_) => b'3',
        Kind::BlockDevice(_) => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    }
}

fn is_target(target: &[u8]) -> bool {
    !target.is_empty() && target.len() < MAX_PATH && !target.contains(&0)
}

/// Splits a name too long for its field at a slash, which is not stored: at
/// most 155 bytes before it and 1 to 100 after it (POSIX.1 `pax`, "ustar
/// Interchange Format"). `None` if it need not or cannot be split.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= header::NAME.len() {
        return None;
    }
    // The slash that ends a directory is part of the name.
    let before = name.len().min(header::PREFIX.len() + 2) - 1;
    let slash = name[..before].iter().rposition(|&b| b == b'/').filter(|&slash| slash > 0)?;
    let rest = &name[slash + 1..];
    (rest.len() <= header::NAME.len()).then_some((&name[..slash], rest))
}
