//! One package's files into the stream.
//!
//! Where a path is taken already, it goes as with dpkg (`tarobject` in `archives.c`): a
//! directory, or a link to one, stays what it is; any other object may be in two packages
//! only if one replaces the other's, or if they are one package for two architectures and
//! the object is the same.

use std::io::{self, Read, Write};
use std::sync::Arc;

use ctr_forge_rootfs::{Entry, Kind, Limits, Reader, RootPath, TOUCHED, WriteError, Writer};

use super::diversions::Diversions;
use super::links::{Learned, Links, Source, Tap};
use super::record::{Record, Shipped, What};
use super::root::{Directory, Last, Node, PathFault, Root};
use super::{InstallError, Settings};

/// Where dpkg's database lies.
pub(super) const DATABASE: &str = "var/lib/dpkg";

/// Largest licence text that is reported: 1 MiB.
const MAX_LICENCE: u64 = 1 << 20;

/// Most memory for the names of all files: 512 MiB, each with what belongs to it.
const MAX_NAMES: usize = 512 << 20;

/// Memory of a name besides its bytes.
const PER_NAME: usize = 200;

/// What one package may ask of its reader: 256 GiB of files, which is 50 times the largest
/// package of Debian. How much there is room for the host knows.
const LIMITS: Limits =
    Limits { max_entries: 4 << 20, max_extension: 1 << 20, max_size: 256 << 30, max_trailing: 64 << 20 };

/// The stream, and what is known of the root in it.
pub(super) struct Unpack<'a, W: Write> {
    sink: Writer<W>,
    settings: &'a Settings<'a>,
    pub(super) root: Root,
    /// Links into `/usr` that the build makes, unless a package has them.
    merged: Vec<RootPath>,
    /// Memory that names take.
    pub(super) names: usize,
    /// Files of packages that are installed already which go to other names (`dpkg-divert(1)`).
    pub(super) diversions: Diversions,
    /// Files that were taken from packages that are installed already: from which, and which.
    pub(super) taken: Vec<(usize, RootPath)>,
    /// Packages before this one are in a root where files can be replaced.
    pub(super) settled: usize,
}

/// The package that is being unpacked.
struct Current<'r> {
    /// Its place among all.
    index: usize,
    record: &'r mut Record,
    earlier: &'r [Record],
    tag: Arc<str>,
    links: Links,
    /// As in [`Unpack`].
    settled: usize,
}

/// What becomes of an object.
enum Fate {
    /// It goes into the stream.
    Written,
    /// It is there already, or something that serves as well.
    There,
    /// It is there already, if the digest says so, in a package of another architecture.
    Shared { owner: usize, md5: Option<[u8; 16]> },
    /// The package goes without it.
    LeftOut,
}

impl<'a, W: Write> Unpack<'a, W> {
    pub(super) fn new(sink: Writer<W>, settings: &'a Settings<'a>) -> Self {
        let mut unpack = Self {
            sink,
            settings,
            root: Root::new(),
            merged: Vec::new(),
            names: 0,
            diversions: Diversions::default(),
            taken: Vec::new(),
            settled: 0,
        };
        // Known as directories from the start, so that no package can make them links.
        for path in ["var", "var/lib", DATABASE] {
            unpack.root.directory(&literal(path));
        }
        for name in super::root::merged(settings.arch, settings.merged_usr).iter() {
            let (link, target) = (literal(name), format!("usr/{name}"));
            unpack.root.directory(&literal("usr"));
            unpack.root.directory(&literal(&target));
            let target = target.into_bytes().into();
            unpack.root.insert(link.clone(), Node::Symlink { target, owner: None });
            unpack.merged.push(link);
        }
        unpack
    }

    /// What follows goes to `sink`; returns the one that was used until now.
    pub(super) fn redirect(&mut self, sink: Writer<W>) -> Writer<W> {
        std::mem::replace(&mut self.sink, sink)
    }

    /// What is in a root whose links are made.
    pub(super) fn recall(&mut self, root: Root, names: usize) {
        (self.root, self.names) = (root, names);
        self.merged.clear();
    }

    pub(super) fn into_sink(self) -> Writer<W> {
        self.sink
    }

    /// Unpacks the last of `records`, whose tar is `data`.
    pub(super) fn package(&mut self, records: &mut [Record], data: impl Read) -> Result<(), InstallError> {
        let Some((record, earlier)) = records.split_last_mut() else {
            return Ok(());
        };
        let (index, tag) = (earlier.len(), Arc::from(record.name.as_str()));
        let settled = self.settled;
        let mut current = Current { index, record, earlier, tag, links: Links::default(), settled };
        let mut reader = Reader::with_limits(data, LIMITS);
        loop {
            let entry = reader.next_entry().map_err(|source| {
                let package = current.record.full_name();
                InstallError::Read { package, source }
            })?;
            match entry {
                Some(entry) => self.entry(&mut current, entry, &mut reader)?,
                None => return Ok(()),
            }
        }
    }

    /// Writes what the build makes and no package had.
    pub(super) fn finish(&mut self) -> Result<(), InstallError> {
        for link in std::mem::take(&mut self.merged) {
            let Some(Node::Symlink { target, owner: None }) = self.root.get(&link) else {
                continue;
            };
            let target = target.clone();
            let directory = self.root.target(&link, &target).unwrap_or_default();
            if !self.settings.exclude.excludes(&directory) {
                self.write_directory(&directory).map_err(InstallError::Database)?;
            }
            if !self.settings.exclude.excludes(&link) {
                let entry = Entry { mtime: TOUCHED, ..Entry::new(link, Kind::Symlink(target), 0o777) };
                self.sink.entry(&entry, &mut io::empty()).map_err(InstallError::Database)?;
            }
        }
        Ok(())
    }

    /// Writes a file of the build's own.
    pub(super) fn made(&mut self, path: RootPath, mode: u16, content: &[u8]) -> Result<(), WriteError> {
        self.write_parents(&path)?;
        let kind = Kind::File { size: content.len() as u64 };
        let entry = Entry { mtime: TOUCHED, ..Entry::new(path, kind, mode) };
        self.sink.entry(&entry, &mut &*content)
    }

    /// Writes the directory `path`, unless it is written.
    pub(super) fn write_directory(&mut self, path: &RootPath) -> Result<(), WriteError> {
        if self.root.is_written(path) {
            return Ok(());
        }
        self.write_parents(path)?;
        let Some(directory) = self.root.directory(path) else {
            return Ok(());
        };
        directory.written = true;
        let entry = match directory.entry.take() {
            Some(entry) => *entry,
            None => Entry { mtime: TOUCHED, ..Entry::directory(path.clone()) },
        };
        self.sink.entry(&entry, &mut io::empty())
    }

    fn write_parents(&mut self, path: &RootPath) -> Result<(), WriteError> {
        let above = std::iter::successors(path.parent(), RootPath::parent);
        let missing: Vec<_> = above.take_while(|path| !self.root.is_written(path)).collect();
        missing.iter().rev().try_for_each(|path| self.write_directory(path))
    }

    fn entry(
        &mut self,
        current: &mut Current<'_>,
        entry: Entry,
        content: &mut dyn Read,
    ) -> Result<(), InstallError> {
        let (package, path) = (current.record.full_name(), entry.path.clone());
        if path.as_bytes().contains(&b'\n') {
            return Err(InstallError::Newline { package, path });
        }
        self.names = self.names.saturating_add(2 * path.as_bytes().len() + PER_NAME);
        if self.names > MAX_NAMES {
            return Err(InstallError::TooMany { package });
        }
        let real = match self.diversions.of(&path, &current.record.name) {
            Some(elsewhere) if entry.kind != Kind::Directory => {
                self.resolve(current, &elsewhere.clone(), Last::Stays)?
            }
            _ => self.resolve(current, &path, Last::Stays)?,
        };
        let what = match entry.kind {
            Kind::Directory => self.directory(current, entry, real)?,
            _ => self.object(current, entry, real, content)?,
        };
        current.record.paths.push(Shipped { path, what });
        Ok(())
    }

    fn resolve(&self, current: &Current<'_>, path: &RootPath, last: Last) -> Result<RootPath, InstallError> {
        self.root.resolve(path, last).map_err(|fault| current.path_error(path, fault))
    }

    fn directory(
        &mut self,
        current: &mut Current<'_>,
        mut entry: Entry,
        mut real: RootPath,
    ) -> Result<What, InstallError> {
        if let Some(Node::Symlink { .. }) = self.root.get(&real) {
            real = self.resolve(current, &entry.path, Last::IsFollowed)?;
        }
        if let Some(Node::Other { owner, .. }) = self.root.get(&real) {
            return Err(current.overwrites(*owner, real));
        }
        let elsewhere = (real != entry.path).then(|| real.clone());
        let excluded = self.settings.exclude.excludes(&real);
        let Some(directory) = self.root.directory(&real) else {
            return Err(current.path_error(&entry.path, PathFault::NotDirectory(real)));
        };
        if !directory.shipped {
            let written = directory.written;
            entry.path = real.clone();
            entry.package = Some(current.tag.clone());
            *directory = Directory { shipped: true, written: false, entry: Some(Box::new(entry)) };
            // One that was made meanwhile gets its attributes now.
            if written || !excluded {
                self.write_directory(&real).map_err(|source| current.write_error(source))?;
            }
        }
        Ok(What::Directory { real: elsewhere })
    }

    fn object(
        &mut self,
        current: &mut Current<'_>,
        entry: Entry,
        real: RootPath,
        content: &mut dyn Read,
    ) -> Result<What, InstallError> {
        if real.starts_with(&literal(DATABASE)) {
            let package = current.record.full_name();
            return Err(InstallError::InDatabase { package, path: entry.path });
        }
        if let Kind::HardLink(target) = &entry.kind {
            let target = target.clone();
            return self.hard_link(current, entry, real, &target);
        }
        match self.fate(current, &entry, &real)? {
            Fate::There => Ok(What::Object { kept: true, md5: None }),
            Fate::Written => {
                let md5 = self.write(current, entry, real.clone(), content)?;
                current.links.add(real.clone(), Source::Written(real, md5));
                Ok(What::Object { kept: true, md5 })
            }
            Fate::Shared { owner, md5 } => {
                let (found, _) = self.pass_over(current, &entry, &real, content, false)?;
                if found != md5 {
                    return Err(current.differs(owner, real));
                }
                current.links.add(real.clone(), Source::Written(real, md5));
                Ok(What::Object { kept: true, md5 })
            }
            Fate::LeftOut => {
                let held = current.links.hold(entry.kind.size());
                let (md5, copy) = self.pass_over(current, &entry, &real, content, held)?;
                self.remember(current, &entry, &real, md5);
                let source = match copy {
                    Some(copy) => Source::Held(Box::new(entry), copy),
                    None => Source::Lost,
                };
                current.links.add(real, source);
                Ok(What::Object { kept: false, md5: None })
            }
        }
    }

    /// A further name of a file of the same package.
    fn hard_link(
        &mut self,
        current: &mut Current<'_>,
        mut entry: Entry,
        real: RootPath,
        target: &RootPath,
    ) -> Result<What, InstallError> {
        let behind = self.resolve(current, target, Last::Stays)?;
        let (package, path) = (current.record.full_name(), entry.path.clone());
        let Some(file) = current.links.find(&behind) else {
            return Err(InstallError::HardLink { package, path, target: target.clone() });
        };
        let there = What::Object { kept: true, md5: None };
        if behind == real {
            return Ok(there);
        }
        let fate = self.fate(current, &entry, &real)?;
        current.links.add_name(real.clone(), file);
        let source = current.links.take(file);
        let (what, source) = match (fate, source) {
            (Fate::There, source) => (there, source),
            (Fate::LeftOut, source) => (What::Object { kept: false, md5: None }, source),
            (Fate::Shared { md5, .. }, Source::Written(first, found)) if md5 == found => {
                (What::Object { kept: true, md5 }, Source::Written(first, found))
            }
            (Fate::Shared { owner, .. }, _) => return Err(current.differs(owner, real)),
            (Fate::Written, Source::Written(first, md5)) => {
                entry.kind = Kind::HardLink(first.clone());
                self.write(current, entry, real.clone(), &mut io::empty())?;
                self.root.insert(real, Node::Other { owner: current.index, md5 });
                (What::Object { kept: true, md5 }, Source::Written(first, md5))
            }
            (Fate::Written, Source::Held(file, copy)) => {
                let md5 = self.write(current, *file, real.clone(), &mut &*copy)?;
                (What::Object { kept: true, md5 }, Source::Written(real, md5))
            }
            (Fate::Written, Source::Lost) => {
                return Err(InstallError::LinkToLeftOut { package, path, target: target.clone() });
            }
        };
        current.links.put_back(file, source);
        Ok(what)
    }

    /// Writes `entry` at `real`, and returns the digest of a file if digests are needed.
    fn write(
        &mut self,
        current: &mut Current<'_>,
        mut entry: Entry,
        real: RootPath,
        content: &mut dyn Read,
    ) -> Result<Option<[u8; 16]>, InstallError> {
        self.write_parents(&real).map_err(|source| current.write_error(source))?;
        entry.path = real.clone();
        entry.package = Some(current.tag.clone());
        let mut tap = Tap::new(content, current.is_hashed(&entry), current.is_licence(&entry, &real));
        self.sink.entry(&entry, &mut tap).map_err(|source| current.write_error(source))?;
        let (md5, copy) = tap.finish();
        current.note_licence(&entry, &real, copy.as_deref());
        self.remember(current, &entry, &real, md5);
        Ok(md5)
    }

    /// Reads the content of `entry`, as far as anybody wants to know of it.
    fn pass_over(
        &self,
        current: &mut Current<'_>,
        entry: &Entry,
        real: &RootPath,
        content: &mut dyn Read,
        held: bool,
    ) -> Result<Learned, InstallError> {
        let copied = held || current.is_licence(entry, real);
        let mut tap = Tap::new(content, current.is_hashed(entry), copied);
        io::copy(&mut tap, &mut io::sink()).map_err(|source| {
            current.write_error(WriteError::Content { path: entry.path.clone(), source })
        })?;
        let (md5, copy) = tap.finish();
        current.note_licence(entry, real, copy.as_deref());
        Ok((md5, copy.filter(|_| held)))
    }

    /// Notes what lies at `real`, unless something does already that stays.
    fn remember(&mut self, current: &Current<'_>, entry: &Entry, real: &RootPath, md5: Option<[u8; 16]>) {
        let taken = match self.root.get(real) {
            Some(Node::Symlink { owner: Some(owner), .. } | Node::Other { owner, .. }) => {
                Some(*owner).filter(|owner| *owner < self.settled && !current.keeps(*owner))
            }
            _ => None,
        };
        if let Some(owner) = taken {
            self.taken.push((owner, real.clone()));
        }
        if taken.is_some() || matches!(self.root.get(real), None | Some(Node::Symlink { owner: None, .. })) {
            let node = match &entry.kind {
                Kind::Symlink(target) => Node::Symlink { target: target.clone(), owner: Some(current.index) },
                _ => Node::Other { owner: current.index, md5 },
            };
            self.root.insert(real.clone(), node);
        }
    }

    /// What becomes of `entry`, which is no directory, at `real`.
    fn fate(&self, current: &Current<'_>, entry: &Entry, real: &RootPath) -> Result<Fate, InstallError> {
        let link = match &entry.kind {
            Kind::Symlink(target) => Some(&**target),
            _ => None,
        };
        // `/bin/x` as a link to `/usr/bin/x`, which with merged /usr is itself.
        if link.is_some_and(|target| self.root.target(real, target).is_ok_and(|end| end == *real)) {
            return Ok(Fate::There);
        }
        match self.root.get(real) {
            _ if self.settings.exclude.excludes(real) => Ok(Fate::LeftOut),
            None => Ok(Fate::Written),
            Some(node) => self.met(current, link, real, node),
        }
    }

    /// What becomes of an object at `real`, the target of which is `link` if it is one,
    /// when `node` is there.
    fn met(
        &self,
        current: &Current<'_>,
        link: Option<&[u8]>,
        real: &RootPath,
        node: &Node,
    ) -> Result<Fate, InstallError> {
        let over = || InstallError::OverDirectory { package: current.record.full_name(), path: real.clone() };
        let end = |target: &[u8]| self.root.target(real, target).ok();
        match (node, link) {
            (Node::Directory(_), Some(_)) => Ok(Fate::There),
            (Node::Directory(_), None) => Err(over()),
            (Node::Symlink { owner: None, target }, Some(link)) if end(link) == end(target) => {
                Ok(Fate::Written)
            }
            (Node::Symlink { owner: None, .. }, _) => Err(over()),
            (Node::Symlink { owner: Some(owner), target }, Some(link))
                if **target == *link && (*owner == current.index || current.shares(*owner)) =>
            {
                Ok(Fate::There)
            }
            (Node::Other { owner, md5 }, None) if current.shares(*owner) => {
                Ok(Fate::Shared { owner: *owner, md5: *md5 })
            }
            (Node::Symlink { owner: Some(owner), .. } | Node::Other { owner, .. }, _) => {
                current.settle(*owner, real)
            }
        }
    }
}

impl Current<'_> {
    /// Whether the package with index `owner` is this one for another architecture.
    fn shares(&self, owner: usize) -> bool {
        let same = |other: &Record| other.same && self.record.same && other.name == self.record.name;
        self.earlier.get(owner).is_some_and(same)
    }

    /// Whether an earlier package keeps a file that this one has too.
    fn keeps(&self, owner: usize) -> bool {
        self.earlier.get(owner).is_none_or(|other| other.replaces(self.record) || self.shares(owner))
    }

    /// Who of two packages keeps `path`.
    fn settle(&self, owner: usize, path: &RootPath) -> Result<Fate, InstallError> {
        let (package, path) = (self.record.full_name(), path.clone());
        let Some(other) = self.earlier.get(owner) else {
            return Err(InstallError::Repeated { package, path });
        };
        if self.shares(owner) {
            return Err(self.differs(owner, path));
        }
        match (other.replaces(self.record), self.record.replaces(other)) {
            (true, _) => Ok(Fate::LeftOut),
            // What lies in a root, and not in a stream, can be replaced.
            (false, true) if owner < self.settled => Ok(Fate::Written),
            (false, true) => Err(InstallError::Order { package, path, other: other.full_name() }),
            (false, false) => Err(self.overwrites(owner, path)),
        }
    }

    fn other_name(&self, owner: usize) -> String {
        self.earlier.get(owner).unwrap_or(self.record).full_name()
    }

    fn overwrites(&self, owner: usize, path: RootPath) -> InstallError {
        let (package, other) = (self.record.full_name(), self.other_name(owner));
        InstallError::Overwrites { package, path, other }
    }

    fn differs(&self, owner: usize, path: RootPath) -> InstallError {
        let (package, other) = (self.record.full_name(), self.other_name(owner));
        InstallError::Differs { package, path, other }
    }

    fn path_error(&self, path: &RootPath, fault: PathFault) -> InstallError {
        InstallError::Path { package: self.record.full_name(), path: path.clone(), fault }
    }

    fn write_error(&self, source: WriteError) -> InstallError {
        InstallError::Write { package: self.record.full_name(), source }
    }

    fn is_hashed(&self, entry: &Entry) -> bool {
        self.record.hashed && matches!(entry.kind, Kind::File { .. })
    }

    fn is_licence(&self, entry: &Entry, real: &RootPath) -> bool {
        let name = || format!("usr/share/doc/{}/copyright", self.record.name);
        matches!(entry.kind, Kind::File { size } if size <= MAX_LICENCE)
            && real.file_name() == b"copyright"
            && real.as_bytes() == name().as_bytes()
    }

    fn note_licence(&mut self, entry: &Entry, real: &RootPath, copy: Option<&[u8]>) {
        if let Some(copy) = copy.filter(|_| self.is_licence(entry, real)) {
            self.record.licence_text = Some(String::from_utf8_lossy(copy).into_owned());
        }
    }
}

/// A path that is known to be one.
pub(super) fn literal(path: &str) -> RootPath {
    RootPath::new(path.as_bytes()).unwrap_or_default()
}
