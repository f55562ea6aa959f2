//! One package's files into the stream.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

use ctr_forge_rootfs::{Device, Entry, Kind, RootPath, TOUCHED};

use super::error::Fault;
use super::ownership::Fate;
use super::root::Node;
use super::users::Users;
use super::{Chosen, Install, Installed, MACROS, capability, selection};
use crate::rpm::{FileInfo, FileKind, Member, Payload, Rpm, tag};

/// Most bytes of a file that something is learned from.
const MAX_KNOWN: u64 = 4 << 20;

/// What a running system mounts over. Packages have them as ghosts and make them in a script
/// before all else, where our sandbox has its own there already.
const MOUNTED: [&[u8]; 2] = [b"proc", b"sys"];

const SETUID: u16 = 0o4000;
const SETGID: u16 = 0o2000;

impl<W: Write> Install<'_, W> {
    /// Takes note of a package, and decides what becomes of each of its files.
    pub(super) fn begin(&mut self, rpm: &Rpm, chosen: &Chosen) -> Result<Vec<Fate>, Fault> {
        let found = identity(rpm)?;
        if found != *chosen {
            return Err(Fault::Other { found: found.title() });
        }
        let title = chosen.title();
        if self.records.iter().any(|record| record.title == title) {
            return Err(Fault::Again);
        }
        let files = rpm.files()?;
        let states = selection::states(&files, &self.settings).into_iter().map(|state| state as u8).collect();
        let index = self.records.len();
        self.records.push(Installed {
            title,
            name: chosen.name.clone(),
            header: rpm.header.clone(),
            signature: rpm.signature.clone(),
            files,
            states,
            color: selection::colors(self.settings.arch),
            strangers: Vec::new(),
        });
        self.place(index)
    }

    pub(super) fn unpack(&mut self, rpm: &mut Rpm, chosen: &Chosen) -> Result<(), Fault> {
        let index = self.records.len();
        let fates = self.begin(rpm, chosen)?;
        let files = self.records[index].files.clone();
        let mut current = Current {
            tag: chosen.name.as_str().into(),
            files: &files,
            fates: &fates,
            strangers: BTreeSet::new(),
        };
        let mut payload = rpm.payload(&files)?;
        while let Some(member) = payload.next()? {
            self.member(&mut current, &member, &mut payload)?;
        }
        self.mounted(&mut current)?;
        self.records[index].strangers = current.strangers.into_iter().collect();
        Ok(())
    }

    /// Writes an object under all of its names that are wanted.
    fn member(
        &mut self,
        current: &mut Current<'_>,
        member: &Member,
        payload: &mut Payload<'_>,
    ) -> Result<(), Fault> {
        let written = member.files.iter().filter_map(|&at| match &current.fates[at] {
            Fate::Written(real) => Some((at, real)),
            Fate::LeftOut => None,
        });
        let written: Vec<(usize, &RootPath)> = written.collect();
        // The last of its names says who owns a file, as that is done with the content.
        let (Some((_, first)), Some((last, _))) = (written.first(), written.last()) else { return Ok(()) };
        let entry = current.entry(&current.files[*last], (*first).clone(), &self.users)?;
        self.parents(current, first)?;
        match entry.kind {
            Kind::File { size } if size <= MAX_KNOWN && (Users::wants(first) || is_macros(first)) => {
                let mut content = Vec::new();
                payload.read_to_end(&mut content).map_err(|source| content_error(first, source))?;
                self.sink.entry(&entry, &mut &*content)?;
                match is_macros(first) {
                    true => self.macros = Some(content),
                    false => self.users.learn(&entry, &content),
                }
            }
            Kind::File { .. } => self.sink.entry(&entry, payload)?,
            _ => self.sink.entry(&entry, &mut io::empty())?,
        }
        for (_, name) in &written[1..] {
            self.parents(current, name)?;
            let kind = Kind::HardLink((*first).clone());
            let link = Entry { path: (*name).clone(), kind, ..entry.clone() };
            self.sink.entry(&link, &mut io::empty())?;
        }
        Ok(())
    }

    /// Makes the package's ghosts that are [`MOUNTED`].
    fn mounted(&mut self, current: &mut Current<'_>) -> Result<(), Fault> {
        let is_directory = |file: &&FileInfo| file.is_ghost() && file.kind() == Some(FileKind::Directory);
        for file in current.files.iter().filter(is_directory) {
            let path = &file.path;
            let is_one = MOUNTED.contains(&path.as_bytes());
            if !is_one || self.root.get(path).is_some() || self.settings.exclude.excludes(path) {
                continue;
            }
            self.root.insert(path.clone(), Node::Made);
            let entry = current.entry(file, path.clone(), &self.users)?;
            self.sink.entry(&entry, &mut io::empty())?;
        }
        Ok(())
    }

    /// Directories above a path that nobody has until now.
    fn parents(&mut self, current: &Current<'_>, path: &RootPath) -> Result<(), Fault> {
        let above = std::iter::successors(path.parent(), RootPath::parent);
        let missing: Vec<RootPath> = above.take_while(|path| self.root.get(path).is_none()).collect();
        for path in missing.into_iter().rev() {
            self.root.insert(path.clone(), Node::Made);
            let package = Some(current.tag.clone());
            let entry = Entry { mtime: TOUCHED, package, ..Entry::directory(path) };
            self.sink.entry(&entry, &mut io::empty())?;
        }
        Ok(())
    }
}

fn is_macros(path: &RootPath) -> bool {
    path.as_bytes() == MACROS.as_bytes()
}

fn content_error(path: &RootPath, source: io::Error) -> Fault {
    Fault::Write(ctr_forge_rootfs::WriteError::Content { path: path.clone(), source })
}

/// What the package says that it is.
fn identity(rpm: &Rpm) -> Result<Chosen, Fault> {
    let text = |tag| rpm.header.text(tag).unwrap_or_default().into_owned();
    Ok(Chosen { name: text(tag::NAME), evr: rpm.evr()?, arch: text(tag::ARCH) })
}

/// The package that is being unpacked.
struct Current<'p> {
    tag: Arc<str>,
    files: &'p [FileInfo],
    fates: &'p [Fate],
    strangers: BTreeSet<String>,
}

impl Current<'_> {
    fn entry(&mut self, file: &FileInfo, path: RootPath, users: &Users) -> Result<Entry, Fault> {
        let mut entry = Entry::new(path, kind(file)?, file.mode & 0o7777);
        match users.user(&file.user) {
            Some(uid) => entry.uid = uid,
            None => {
                entry.mode &= !SETUID;
                self.strangers.insert(format!("user {}", String::from_utf8_lossy(&file.user)));
            }
        }
        match users.group(&file.group) {
            Some(gid) => entry.gid = gid,
            None => {
                entry.mode &= !SETGID;
                self.strangers.insert(format!("group {}", String::from_utf8_lossy(&file.group)));
            }
        }
        if let Kind::Symlink(_) = entry.kind {
            entry.mode = 0o777;
        }
        if let Kind::File { .. } = entry.kind {
            let text = String::from_utf8_lossy(&file.caps);
            let value = capability::attribute(&text)
                .map_err(|source| Fault::Capability { path: file.path.clone(), source })?;
            if let Some(value) = value {
                entry.xattrs.insert("security.capability", value);
            }
        }
        entry.mtime = file.mtime.into();
        entry.package = Some(self.tag.clone());
        Ok(entry)
    }
}

fn kind(file: &FileInfo) -> Result<Kind, Fault> {
    // As it was in the days of 16 bits: eight for each.
    let device = Device { major: u32::from(file.rdev >> 8), minor: u32::from(file.rdev & 0xff) };
    Ok(match file.kind() {
        Some(FileKind::Directory) => Kind::Directory,
        Some(FileKind::Symlink) => Kind::Symlink(file.target.clone()),
        Some(FileKind::CharDevice) => Kind::CharDevice(device),
        Some(FileKind::BlockDevice) => Kind::BlockDevice(device),
        Some(FileKind::Fifo) => Kind::Fifo,
        Some(FileKind::Socket) => return Err(Fault::Socket { path: file.path.clone() }),
        Some(FileKind::File) | None => Kind::File { size: file.size },
    })
}
