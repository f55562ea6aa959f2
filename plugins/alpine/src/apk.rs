//! One package file, taken apart: signatures, control, data.
//!
//! Three gzip members (apk-package(5)). The index gives the SHA-1 of the second, which gives
//! the SHA-256 of the third; behind that there is nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use ctr_forge_plugin::ErrorKind;
use ctr_forge_rootfs::ReadError;

use crate::members::{Member, MemberError, Sums, Tap, open_member, read_member};
use crate::package::{Package, PackageError, identity_of};
use crate::signature::{self, Signature};

/// Largest control member, decompressed, in bytes: it has a description and some scripts.
const MAX_CONTROL: u64 = 16 << 20;

/// Bytes read at once.
const BUFFER: usize = 256 << 10;

/// The scripts that a package may have, in the order in which apk's database has them.
pub const SCRIPTS: [&str; 7] = [
    "pre-install",
    "post-install",
    "pre-deinstall",
    "post-deinstall",
    "pre-upgrade",
    "post-upgrade",
    "trigger",
];

/// What a package says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    pkginfo: String,
    /// By name: `post-install`.
    pub scripts: BTreeMap<&'static str, Vec<u8>>,
}

/// A package file that is open.
#[derive(Debug)]
pub struct Apk {
    tap: Tap<BufReader<File>>,
    /// What it says of itself.
    pub control: Control,
    /// `Q1` and the SHA-1 of its control member.
    pub identity: String,
    /// Who has signed the control member.
    pub signatures: Vec<Signature>,
    /// Where the compressed control member begins and how long it is, in bytes.
    control_at: (u64, u64),
}

/// Why a package file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ApkError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// A package of apk 3's own format.
    #[error("it is in apk's version 3 format (ADB), which is not read yet")]
    Version3,
    /// One of its members is damaged.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// A tar in it is broken.
    #[error("its {member} is no tar that can be read")]
    Tar {
        /// Which member.
        member: &'static str,
        /// Why not.
        source: ReadError,
    },
    /// There is no `.PKGINFO`.
    #[error("its control member has no .PKGINFO")]
    NoPkginfo,
    /// `.PKGINFO` describes no package.
    #[error("its .PKGINFO describes no package")]
    Package(#[from] PackageError),
    /// It is not the package that was chosen.
    #[error("it is another package: the index has {expected}, and its control member comes to {found}")]
    Identity {
        /// The index's word.
        expected: String,
        /// What was found.
        found: String,
    },
    /// It does not say what its data comes to.
    #[error("it has no datahash, so nothing vouches for its files")]
    NoDataHash,
    /// The data is not what the control member says.
    #[error("its data member was changed: it comes to sha256 {found}, and its .PKGINFO says {expected}")]
    DataHash {
        /// What `.PKGINFO` says.
        expected: String,
        /// What was found.
        found: String,
    },
    /// There is more than there may be.
    #[error("there are bytes behind its last member")]
    Trailing,
}

impl ApkError {
    /// Which kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ApkError::Version3 => ErrorKind::Unsupported,
            ApkError::Io(_) => ErrorKind::Io,
            ApkError::Identity { .. }
            | ApkError::DataHash { .. }
            | ApkError::Trailing
            | ApkError::NoDataHash => ErrorKind::Verification,
            ApkError::Member(MemberError::Collision { .. }) => ErrorKind::Verification,
            _ => ErrorKind::Input,
        }
    }
}

impl Control {
    /// What `.PKGINFO` says.
    ///
    /// # Errors
    ///
    /// If it describes no package.
    pub fn package(&self) -> Result<Package<'_>, PackageError> {
        Package::of_pkginfo(&self.pkginfo)
    }

    fn parse(member: &[u8]) -> Result<Self, ApkError> {
        let tar = |source| ApkError::Tar { member: "control member", source };
        let mut control = Self::default();
        let mut reader = signature::reader(member);
        while let Some(entry) = reader.next_entry().map_err(tar)? {
            let name = entry.path.as_bytes();
            let script =
                name.strip_prefix(b".").and_then(|name| SCRIPTS.iter().find(|s| s.as_bytes() == name));
            if name != b".PKGINFO" && script.is_none() {
                continue;
            }
            let mut content = Vec::new();
            let read = reader.read_to_end(&mut content);
            read.map_err(|error| tar(error.downcast().unwrap_or(ReadError::AfterError)))?;
            match script {
                Some(script) => _ = control.scripts.insert(script, content),
                None => control.pkginfo = String::from_utf8(content).map_err(|_| PackageError::Encoding)?,
            }
        }
        match control.pkginfo.is_empty() {
            true => Err(ApkError::NoPkginfo),
            false => Ok(control),
        }
    }
}

impl Apk {
    /// Reads all but the data.
    ///
    /// # Errors
    ///
    /// If it is no package.
    pub fn open(mut file: File) -> Result<Self, ApkError> {
        file.rewind()?;
        let mut magic = [0; 4];
        let read = read_start(&mut file, &mut magic)?;
        if is_version_3(&magic[..read]) {
            return Err(ApkError::Version3);
        }
        file.rewind()?;
        let mut tap = Tap::new(BufReader::with_capacity(BUFFER, file));
        let (first, sum) = read_member(&mut tap, Sums::Sha1, "first member", MAX_CONTROL)?;
        let tar = |source| ApkError::Tar { member: "signature member", source };
        // A package that nobody signed begins with its control member.
        let (signatures, control, sum, start) = match signature::parse(&first).map_err(tar)? {
            Some(signatures) => {
                let (control, control_sum) =
                    read_member(&mut tap, Sums::Sha1, "control member", MAX_CONTROL)?;
                (signatures, control, control_sum, sum.size)
            }
            None => (Vec::new(), first, sum, 0),
        };
        Ok(Self {
            tap,
            control: Control::parse(&control)?,
            identity: identity_of(&sum.sha1.unwrap_or_default()),
            signatures,
            control_at: (start, sum.size),
        })
    }

    /// An error unless it is the package that the index calls `identity`.
    ///
    /// # Errors
    ///
    /// If it is another one.
    pub fn must_be(&self, identity: &str) -> Result<(), ApkError> {
        match self.identity == identity {
            true => Ok(()),
            false => Err(ApkError::Identity { expected: identity.to_owned(), found: self.identity.clone() }),
        }
    }

    /// The compressed control member of `file`, which this was opened from: what is signed.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn signed(&self, file: &mut File) -> io::Result<Vec<u8>> {
        let (start, length) = self.control_at;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The tar of its files. It must be read to its end and [finished](Data::finish) before
    /// anything relies on it.
    ///
    /// # Errors
    ///
    /// If it does not say what the data comes to.
    pub fn data(&mut self) -> Result<Data<'_>, ApkError> {
        let expected = self.control.package()?.datahash.to_ascii_lowercase();
        match expected.len() == 64 && expected.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Data { member: open_member(&mut self.tap, Sums::Sha256), expected }),
            false => Err(ApkError::NoDataHash),
        }
    }

    /// An error unless the file ends here.
    ///
    /// # Errors
    ///
    /// If there is more.
    pub fn must_end(&mut self) -> Result<(), ApkError> {
        match self.tap.is_at_end()? {
            true => Ok(()),
            false => Err(ApkError::Trailing),
        }
    }
}

/// The tar of a package's files.
#[derive(Debug)]
pub struct Data<'a> {
    member: Member<'a, BufReader<File>>,
    expected: String,
}

impl Read for Data<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.member.read(buf)
    }
}

impl Data<'_> {
    /// Compares what was read with what the package says.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub fn finish(self) -> Result<(), ApkError> {
        let damaged = |source| MemberError::Gzip { member: "data member", source };
        let sum = self.member.finish().map_err(damaged)?.unwrap_or_default();
        let found: String = sum.sha256.unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
        match found == self.expected {
            true => Ok(()),
            false => Err(ApkError::DataHash { expected: self.expected, found }),
        }
    }
}

/// Whether these are the first bytes of apk 3's own format (`adb.h` of apk-tools 3).
pub fn is_version_3(start: &[u8]) -> bool {
    start.len() >= 4 && start.starts_with(b"ADB") && b".dc".contains(&start[3])
}

fn read_start(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
