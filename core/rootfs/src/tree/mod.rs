//! A root filesystem between its coming in and its going out.
//!
//! Entries come in any order and go out in one; so the whole index is held in
//! memory, as names and inodes, and the content on disk, once. Memory grows
//! with the number of entries, about 250 bytes each, never with their bytes.

mod error;
mod fingerprint;
mod inode;
mod merge;
mod normalise;
mod resolve;
mod spool;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use self::error::Warnings;
pub use self::error::{TreeError, TreeWarning};
use self::inode::{Inode, Object};
use self::resolve::{Last, resolve};
use self::spool::{Spool, SpoolError, SpoolReader};
use crate::walk::{LastFolder, capability};
use crate::{Entry, HostFile, HostReader, Kind, Reader, RootPath, Walk, Writer};

/// The mtime of what the build itself made or touched, and so has no date of
/// its own: later than any, so that [`Tree::normalise`] replaces it.
pub const TOUCHED: i64 = i64::MAX;

type Names = BTreeMap<RootPath, Arc<Inode>>;

/// What to do with an entry whose place is taken.
///
/// In both cases a directory over a directory brings its attributes and leaves
/// what is below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// One source's stream: an error, as is an entry below a link or a file.
    Refuse,
    /// A user's tar, and across inputs: the last wins, with a warning.
    ///
    /// - Anything but a directory over a directory removes all below it.
    /// - Links above an entry are followed inside the root, as in a running
    ///   container; where they lead to nothing yet, directories are made. With
    ///   `/bin` a link to `usr/bin`, `bin/x` becomes `usr/bin/x`.
    /// - A directory over a link to a directory leaves the link and the
    ///   directory as they are. Over any other object it takes its place.
    /// - What lies above an entry and is no directory becomes one.
    LastWins,
}

/// The index of a root filesystem in memory, its content in a temporary file.
///
/// The root directory is always there. So is every parent: one that nobody
/// described is `0755`, owned by root and [`TOUCHED`].
#[derive(Debug)]
pub struct Tree {
    /// Every parent of a name is a name, and a directory.
    names: Names,
    duplicates: Duplicates,
    spool: Spool,
    packages: HashSet<Arc<str>>,
    /// Names that were given to an [`Object::Awaited`].
    awaiting: Vec<RootPath>,
    warnings: Warnings,
    epoch: Option<i64>,
}

impl Tree {
    /// An empty tree that keeps content in a file without a name in `directory`.
    pub fn new_in(directory: &Path, duplicates: Duplicates) -> io::Result<Self> {
        Ok(Self {
            names: Names::from([(RootPath::root(), Arc::new(Inode::made()))]),
            duplicates,
            spool: Spool::new(directory)?,
            packages: HashSet::new(),
            awaiting: Vec::new(),
            warnings: Warnings::default(),
            epoch: None,
        })
    }

    /// Takes in `entry` and, if it is a file, exactly as many bytes of `content` as it says.
    ///
    /// A hard link may come before its file; of a hard link only path and
    /// target count, as the rest is the file's.
    pub fn insert(&mut self, entry: Entry, content: &mut dyn Read) -> Result<(), TreeError> {
        let object = match &entry.kind {
            Kind::File { size } => self.spool(&entry.path, *size, content)?,
            Kind::Directory => Object::Directory,
            Kind::Symlink(target) => Object::Symlink(target.clone()),
            Kind::CharDevice(device) => Object::CharDevice(*device),
            Kind::BlockDevice(device) => Object::BlockDevice(*device),
            Kind::Fifo => Object::Fifo,
            Kind::HardLink(target) => {
                let target = target.clone();
                return self.insert_link(entry, target);
            }
        };
        self.insert_object(entry, object)
    }

    /// Takes in a file whose content stays on the host until the tree is written.
    pub fn insert_host_file(&mut self, entry: Entry, file: HostFile) -> Result<(), TreeError> {
        match entry.kind {
            Kind::File { size } if size == file.size() => {
                self.insert_object(entry, Object::OnHost(Box::new(file)))
            }
            _ => Err(TreeError::NotThatFile { path: entry.path }),
        }
    }

    /// Takes in all that is left of a tar stream.
    pub fn read_tar<R: Read>(&mut self, reader: &mut Reader<R>) -> Result<(), TreeError> {
        while let Some(entry) = reader.next_entry()? {
            self.insert(entry, reader)?;
        }
        reader.take_warnings().into_iter().for_each(|warning| self.warnings.push(TreeWarning::Read(warning)));
        Ok(())
    }

    /// Takes in a directory of the host; the content of its files stays there.
    /// Ends with [`TreeError::Stopped`] when `go_on` says no.
    pub fn read_directory(
        &mut self,
        root: &Path,
        options: &Walk,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), TreeError> {
        let warnings = crate::walk::walk(root, options, &mut |entry, file| match file {
            _ if !go_on() => Err(TreeError::Stopped),
            Some(file) => self.insert_host_file(entry, file.into_source()),
            None => self.insert(entry, &mut io::empty()),
        })?;
        warnings.into_iter().for_each(|warning| self.warnings.push(TreeWarning::Walk(warning)));
        Ok(())
    }

    /// Removes the name `path` and all below it, and returns how many names
    /// that were. The root stays. Other names of a file keep its content.
    pub fn remove(&mut self, path: &RootPath) -> Result<usize, TreeError> {
        self.settle_links()?;
        let below = self.clear(path);
        let itself = !path.is_root() && self.names.remove(path).is_some();
        Ok(below + usize::from(itself))
    }

    /// Removes every name that `keep` refuses, but no directory above one that
    /// is kept. Each path is asked for, also below a directory refused; other
    /// names of a file keep its content.
    pub fn retain(&mut self, mut keep: impl FnMut(&RootPath) -> bool) -> Result<(), TreeError> {
        self.settle_links()?;
        let mut refused = Vec::new();
        // Backwards, what a directory holds comes right before it.
        let mut kept = RootPath::root();
        for path in self.names.keys().rev() {
            match keep(path) || kept.starts_with(path) {
                true => kept = path.clone(),
                false => refused.push(path.clone()),
            }
        }
        for path in refused {
            self.names.remove(&path);
        }
        Ok(())
    }

    /// How many names there are, the root counted.
    #[expect(clippy::len_without_is_empty, reason = "there is always the root")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The object at `path`, which no link is followed to. Each name of a hard
    /// linked file has it as a file, as `stat(2)` would.
    pub fn get(&self, path: &RootPath) -> Option<Entry> {
        self.names.get(path).map(|inode| inode.entry(path.clone(), None, self.latest()))
    }

    /// The path of what is found at `path` in a running container, all links
    /// followed inside the root; `None` if there is nothing.
    pub fn resolve(&self, path: &RootPath) -> Option<RootPath> {
        resolve(&self.names, path, Last::IsFollowed).ok().filter(|end| self.names.contains_key(end))
    }

    /// The content of the file at `path`, which no link is followed to; `None`
    /// if there is no file.
    pub fn content(&self, path: &RootPath) -> Result<Option<Content<'_>>, TreeError> {
        match self.names.get(path) {
            Some(inode) if matches!(inode.object, Object::Spooled { .. } | Object::OnHost(_)) => {
                self.open(inode, &mut LastFolder::default()).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// All names, in order.
    pub fn paths(&self) -> impl Iterator<Item = &RootPath> {
        self.names.keys()
    }

    /// All entries in the order of [`RootPath`]. Of the names of one file the
    /// first is the file, and the others are hard links to it.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.listing().map(|(entry, _)| entry)
    }

    /// Writes all entries in the order of [`RootPath`], each file's content once.
    ///
    /// The tree must be [normalised](Tree::normalise). A file on the host that
    /// is not what it was when it was taken in is an error.
    pub fn write_to<W: Write>(&self, writer: &mut Writer<W>) -> Result<(), TreeError> {
        if self.epoch.is_none() || !self.awaiting.is_empty() {
            return Err(TreeError::NotNormalised);
        }
        let mut folder = LastFolder::default();
        for (entry, inode) in self.listing() {
            let mut content = match entry.kind {
                Kind::File { .. } => self.open(inode, &mut folder)?,
                _ => Content(Source::Nowhere),
            };
            writer.entry(&entry, &mut content)?;
        }
        Ok(())
    }

    /// The latest date that came with an entry, in seconds since 1970; `None`
    /// if none did.
    pub fn newest(&self) -> Option<i64> {
        self.names.values().map(|inode| inode.mtime).filter(|&mtime| mtime != TOUCHED).max()
    }

    /// What was remarked so far, at most a hundred and the number of others; none are left.
    pub fn take_warnings(&mut self) -> Vec<TreeWarning> {
        self.warnings.take()
    }

    fn latest(&self) -> i64 {
        self.epoch.unwrap_or(TOUCHED)
    }

    fn listing(&self) -> impl Iterator<Item = (Entry, &Inode)> {
        let mut first_names: HashMap<usize, &RootPath> = HashMap::new();
        self.names.iter().map(move |(path, inode)| {
            let first = match Arc::strong_count(inode) {
                1 => path,
                _ => *first_names.entry(Arc::as_ptr(inode).addr()).or_insert(path),
            };
            let first = (first != path).then(|| first.clone());
            (inode.entry(path.clone(), first, self.latest()), &**inode)
        })
    }

    fn open(&self, inode: &Inode, folder: &mut LastFolder) -> Result<Content<'_>, TreeError> {
        Ok(Content(match &inode.object {
            Object::Spooled { offset, size } => Source::Spool(self.spool.reader(*offset, *size)),
            Object::OnHost(file) => Source::Host(file.open(folder)?),
            _ => Source::Nowhere,
        }))
    }

    fn spool(&mut self, path: &RootPath, size: u64, content: &mut dyn Read) -> Result<Object, TreeError> {
        let path = path.clone();
        match self.spool.append(content, size) {
            Ok(offset) => Ok(Object::Spooled { offset, size }),
            Err(SpoolError::Read(source)) => Err(TreeError::Content { path, source }),
            Err(SpoolError::Write(source)) => Err(TreeError::Spool { path, source }),
            Err(SpoolError::Short(read)) => Err(TreeError::Short { path, read, size }),
        }
    }

    fn insert_object(&mut self, mut entry: Entry, object: Object) -> Result<(), TreeError> {
        capability::forget_namespace(&mut entry.xattrs);
        if let Some(package) = &mut entry.package {
            match self.packages.get(package) {
                Some(shared) => *package = shared.clone(),
                None => _ = self.packages.insert(package.clone()),
            }
        }
        let (path, inode) = Inode::new(entry, object);
        self.place(path, Arc::new(inode))
    }

    fn insert_link(&mut self, entry: Entry, target: RootPath) -> Result<(), TreeError> {
        match self.names.get(&self.link_target(&target)) {
            Some(inode) if inode.is_directory() => {
                Err(TreeError::LinkToDirectory { path: entry.path, target })
            }
            Some(inode) => self.place(entry.path, inode.clone()),
            None => self.insert_object(entry, Object::Awaited(target)),
        }
    }
}

/// The content of a file in a [`Tree`].
#[derive(Debug)]
pub struct Content<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    Spool(SpoolReader<'a>),
    Host(HostReader),
    Nowhere,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::Spool(reader) => reader.read(buffer),
            Source::Host(reader) => reader.read(buffer),
            Source::Nowhere => Ok(0),
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
