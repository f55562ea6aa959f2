//! One package's files into the stream.

use std::io::{self, Read, Write};
use std::sync::Arc;

use ctr_forge_rootfs::{Entry, Kind, Limits, Noted, Reader, RootPath};
use sha1::{Digest as _, Sha1};

use super::database::DATABASE;
use super::error::Fault;
use super::ownership::Fate;
use super::record::{Access, File, Record};
use super::users::{GROUP, PASSWD};
use super::{Chosen, Install};
use crate::apk::{Apk, ApkError, Data, SCRIPTS};

/// The PAX record with a file's SHA-1 in hexadecimal (apk-package(5)).
const CHECKSUM: &[u8] = b"APK-TOOLS.checksum.SHA1";

/// What begins the name of a file that only keeps its directory in a repository of sources.
const KEEP: &[u8] = b".keep_";

/// What one package may ask of its reader: 64 GiB of files. How much there is room for the host
/// knows.
const LIMITS: Limits =
    Limits { max_entries: 2 << 20, max_extension: 1 << 20, max_size: 64 << 30, max_trailing: 64 << 20 };

/// Most paths of all packages together: each takes some hundred bytes of memory.
const MAX_PATHS: usize = 4 << 20;

/// Largest file that is held back: those have some kilobytes.
const MAX_DEFERRED: u64 = 4 << 20;

impl<W: Write> Install<'_, W> {
    pub(super) fn unpack(&mut self, apk: &mut Apk, chosen: &Chosen) -> Result<(), Fault> {
        apk.must_be(&chosen.identity)?;
        let control = apk.control.clone();
        let package = control.package().map_err(ApkError::from)?;
        if (package.name, package.version) != (&*chosen.name, &*chosen.version) {
            return Err(Fault::Other { found: package.title() });
        }
        if !["noarch", "all", "", self.settings.arch].contains(&package.arch) {
            let (found, wanted) = (package.arch.to_owned(), self.settings.arch.to_owned());
            return Err(Fault::Arch { found, wanted });
        }
        self.records.push(Record::new(chosen.clone(), control.clone()));
        // Of a package of nothing apk does not even look at what it has.
        if package.installed_size == 0 {
            return Ok(());
        }
        let mut reader = Reader::with_limits(apk.data()?, LIMITS).noting(CHECKSUM);
        let tag: Arc<str> = package.name.into();
        while let Some(entry) = reader.next_entry()? {
            let noted = reader.noted().cloned().unwrap_or_default();
            self.entry(Entry { package: Some(tag.clone()), ..entry }, &noted, &package, &mut reader)?;
        }
        reader.into_inner().finish()?;
        Ok(apk.must_end()?)
    }

    fn entry(
        &mut self,
        mut entry: Entry,
        noted: &Noted,
        package: &crate::package::Package<'_>,
        content: &mut Reader<Data<'_>>,
    ) -> Result<(), Fault> {
        let path = entry.path.clone();
        if path.as_bytes().contains(&b'\n') {
            return Err(Fault::Name { path });
        }
        // As apk: what begins with a dot is none of the files. A second control member is refused.
        if path.as_bytes().starts_with(b".") {
            let name = &path.as_bytes()[1..];
            let is_control = name == b"PKGINFO"
                || name.starts_with(b"SIGN.")
                || SCRIPTS.iter().any(|script| script.as_bytes() == name);
            return if is_control { Err(Fault::Control { path }) } else { Ok(()) };
        }
        let below = path.as_bytes().strip_prefix(DATABASE.as_bytes());
        if below.is_some_and(|rest| rest.starts_with(b"/")) && entry.kind != Kind::Directory {
            return Err(Fault::Control { path });
        }
        if self.ownership.len() > MAX_PATHS {
            return Err(Fault::TooMany);
        }
        entry.uid = self.users.user(&noted.user, entry.uid);
        entry.gid = self.users.group(&noted.group, entry.gid);
        let index = self.records.len() - 1;
        if entry.kind == Kind::Directory {
            self.records[index].directory(&path).access = Access::of(&entry);
            return self.ownership.directory(entry);
        }
        let name = path.file_name();
        if name.len() > KEEP.len() && name.starts_with(KEEP) {
            return Ok(());
        }
        self.parents(index, &path)?;
        let target = match &entry.kind {
            Kind::Symlink(target) => Some(target.clone()),
            _ => None,
        };
        let (earlier, own) = self.records.split_at(index);
        let first_sum = match &entry.kind {
            Kind::HardLink(first) => Some(
                own[0]
                    .sum(first)
                    .ok_or_else(|| Fault::HardLink { path: path.clone(), target: first.clone() })?,
            ),
            _ => None,
        };
        match self.ownership.file(&path, target.as_deref(), index, package, earlier)? {
            Fate::LeftOut => return Ok(()),
            Fate::TakenFrom(owner) => self.records[owner].lose(&path),
            Fate::New => {}
        }
        let access = Access::of(&entry);
        let sum = self.write(entry, noted, first_sum, content)?;
        let parent = path.parent().unwrap_or_else(RootPath::root);
        let files = &mut self.records[index].directory(&parent).files;
        files.push(File { name: name.into(), access, sum });
        Ok(())
    }

    /// The directories above a path are the package's, too.
    fn parents(&mut self, index: usize, path: &RootPath) -> Result<(), Fault> {
        let Some(parent) = path.parent() else { return Ok(()) };
        if !self.ownership.has(&parent) && !parent.is_root() {
            self.parents(index, &parent)?;
            self.ownership.directory(Entry::directory(parent.clone()))?;
        }
        self.records[index].directory(&parent);
        Ok(())
    }

    /// Writes an object, or holds it back; returns its checksum.
    fn write(
        &mut self,
        entry: Entry,
        noted: &Noted,
        first_sum: Option<Option<[u8; 20]>>,
        content: &mut Reader<Data<'_>>,
    ) -> Result<Option<[u8; 20]>, Fault> {
        let path = entry.path.clone();
        let expected = noted.record.as_deref().map(|hex| parse_hex(hex).ok_or(())).transpose();
        let wrong = |()| Fault::Checksum { path: path.clone() };
        let expected = expected.map_err(wrong)?;
        let found = match &entry.kind {
            Kind::File { size } => {
                let is = |held: &&str| held.as_bytes() == path.as_bytes();
                let held_back = self.held_back.iter().any(&is);
                let mut hashing = Hashing { inner: content, sum: Sha1::new() };
                if (held_back || [PASSWD, GROUP].iter().any(&is)) && *size <= MAX_DEFERRED {
                    let mut bytes = Vec::new();
                    let read = hashing.read_to_end(&mut bytes);
                    read.map_err(|source| Fault::Content { path: path.clone(), source })?;
                    self.users.learn(&path, &bytes);
                    match held_back {
                        true => _ = self.deferred.insert(path.clone(), (entry, bytes)),
                        false => self.sink.entry(&entry, &mut &bytes[..])?,
                    }
                } else {
                    self.deferred.remove(&path);
                    self.sink.entry(&entry, &mut hashing)?;
                }
                Some(hashing.sum.finalize().into())
            }
            Kind::Symlink(target) => {
                self.deferred.remove(&path);
                let sum = Sha1::digest(target).into();
                self.sink.entry(&entry, &mut io::empty())?;
                Some(sum)
            }
            _ => {
                self.deferred.remove(&path);
                self.sink.entry(&entry, &mut io::empty())?;
                first_sum.flatten()
            }
        };
        match (expected, found) {
            (Some(expected), Some(found)) if expected != found && first_sum.is_none() => Err(wrong(())),
            _ => Ok(found),
        }
    }
}

/// Hashes what is read through it.
struct Hashing<'r, R> {
    inner: &'r mut R,
    sum: Sha1,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.sum.update(&buf[..count]);
        Ok(count)
    }
}

fn parse_hex(hex: &[u8]) -> Option<[u8; 20]> {
    let digits = std::str::from_utf8(hex).ok().filter(|hex| hex.len() == 40 && hex.is_ascii())?;
    let mut sum = [0; 20];
    for (at, byte) in sum.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(sum)
}
