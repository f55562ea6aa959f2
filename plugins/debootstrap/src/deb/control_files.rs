//! The control files of a package: its description, scripts and lists.

use std::collections::BTreeMap;
use std::io::{self, Read};

use ctr_forge_rootfs::{Entry, Kind, Limits, Reader, RootPath};

use super::DebError;

/// Most bytes that the control files may take, unpacked and with all headers: 16 MiB.
/// The largest of Debian, of packages with 100 000 files, take less than 10 MiB.
pub const MAX_CONTROL: u64 = 16 << 20;

/// Longest name of a control file, as in dpkg (`MAXCONTROLFILENAME`).
const MAX_NAME: usize = 100;

const LIMITS: Limits =
    Limits { max_entries: 1024, max_extension: 64 << 10, max_size: MAX_CONTROL, max_trailing: MAX_CONTROL };

/// All control files of a package, by name.
///
/// dpkg keeps whatever it finds in `control.tar`. Here a file whose name is not made of
/// ASCII letters, digits, `-` and `_` is passed over: dpkg's database puts the name behind
/// the package's and a dot, so that one with a dot in it could be another package's file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control(BTreeMap<String, ControlFile>);

/// One control file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// Permission bits.
    pub mode: u16,
    /// Its content.
    pub content: Vec<u8>,
}

impl Control {
    /// The content of the file `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|file| file.content.as_slice())
    }

    /// The package's description: the file `control`, which is always there.
    pub fn description(&self) -> &[u8] {
        self.get("control").unwrap_or_default()
    }

    /// All files, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ControlFile)> {
        self.0.iter().map(|(name, file)| (name.as_str(), file))
    }

    /// Of files that were read before.
    pub(crate) fn from_files(files: BTreeMap<String, ControlFile>) -> Self {
        Self(files)
    }

    /// Reads the tar archive `member` of `deb`.
    pub(super) fn read(tar: impl Read, deb: &str, member: &str) -> Result<Self, DebError> {
        let failed = |source| DebError::Tar { deb: deb.to_owned(), member: member.to_owned(), source };
        let refused = |what| DebError::Control { deb: deb.to_owned(), member: member.to_owned(), what };
        let mut reader = Reader::with_limits(Bounded { inner: tar, left: MAX_CONTROL }, LIMITS);
        let mut control = Self::default();
        while let Some(entry) = reader.next_entry().map_err(failed)? {
            control.take(entry, &mut reader).map_err(|fault| match fault {
                Fault::What(what) => refused(what),
                Fault::Content(source) => {
                    DebError::Decode { deb: deb.to_owned(), member: member.to_owned(), source }
                }
            })?;
        }
        match control.0.contains_key("control") {
            true => Ok(control),
            false => Err(refused("has no file control".to_owned())),
        }
    }

    fn take(&mut self, entry: Entry, content: &mut impl Read) -> Result<(), Fault> {
        if entry.path.is_root() {
            return Ok(());
        }
        let shown = &entry.path;
        let file = match &entry.kind {
            Kind::File { .. } => {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes).map_err(Fault::Content)?;
                ControlFile { mode: entry.mode, content: bytes }
            }
            // `tar` writes the second of two linked scripts so.
            Kind::HardLink(target) => match name(target).and_then(|name| self.0.get(name)) {
                Some(file) => file.clone(),
                None => return Err(Fault::What(format!("links {shown} to {target}, which is not there"))),
            },
            _ => return Err(Fault::What(format!("has {shown}, which is no file"))),
        };
        let Some(name) = name(&entry.path) else {
            return Ok(());
        };
        if self.0.insert(name.to_owned(), file).is_some() {
            return Err(Fault::What(format!("has {shown} twice")));
        }
        // Links make more of the content than the archive has.
        let size: usize = self.0.values().map(|file| file.content.len()).sum();
        match size as u64 > MAX_CONTROL {
            true => Err(Fault::What(format!("has files of more than {MAX_CONTROL} bytes"))),
            false => Ok(()),
        }
    }
}

/// The name of a control file, if it is one that the database can hold.
fn name(path: &RootPath) -> Option<&str> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let name = std::str::from_utf8(path.as_bytes()).ok()?;
    (name.len() <= MAX_NAME && name.as_bytes().iter().all(plain)).then_some(name)
}

enum Fault {
    What(String),
    Content(io::Error),
}

/// A stream that may not be longer than it is believed to be.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(format!("it is more than {MAX_CONTROL} bytes unpacked"))),
        }
        Ok(count)
    }
}
