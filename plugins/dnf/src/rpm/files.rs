//! The files that a header names.
//!
//! Each property of files is a list of its own in the header, and these lists are as long as each
//! other: `BASENAMES[i]` is in `DIRNAMES[DIRINDEXES[i]]` and has `FILEMODES[i]`. All of it is
//! somebody's claim, so it is all looked at before anything of it is used.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ctr_forge_rootfs::{PathError, RootPath};

use super::digest::{Algorithm, parse_hex};
use super::header::Header;
use super::tag;

/// Most files of one package. Each takes some hundred bytes of memory.
const MAX_FILES: usize = 1 << 20;

/// Most bytes of all names and targets of one package: 256 MiB. A directory is written once in
/// a header and once for each of its files here.
const MAX_NAMES: usize = 256 << 20;

/// A file of a package, as its header has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Where it goes.
    pub path: RootPath,
    /// What it is and who may do what with it: `st_mode` (stat(2)).
    pub mode: u16,
    /// Bytes of its content; of a link, of its target.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: u32,
    /// The name of its user.
    pub user: Arc<[u8]>,
    /// The name of its group.
    pub group: Arc<[u8]>,
    /// The digest of its content; only files have one.
    pub digest: Option<FileDigest>,
    /// Where a symbolic link leads; empty of all else.
    pub target: Box<[u8]>,
    /// The number of a device, in its old form of 16 bits: major and minor.
    pub rdev: u16,
    /// What kind of file it is to its package.
    pub flags: FileFlags,
    /// What `rpm --verify` looks at (`rpmVerifyAttrs`).
    pub verify: u32,
    /// The languages that it is for, with `|` in between; empty of one that is for all.
    pub langs: Arc<[u8]>,
    /// Its capabilities, as cap_from_text(3) reads them; empty for none.
    pub caps: Arc<[u8]>,
    /// With the same device and inode, files of one package are one file.
    pub device: u64,
    /// See `device`; 0 for a file that is none of several.
    pub inode: u64,
    /// 1 of an ELF file of 32 bits, 2 of one of 64 bits, 0 of all else.
    pub color: u32,
}

/// The digest of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// Which hash.
    pub algorithm: Algorithm,
    /// Its value.
    pub bytes: Box<[u8]>,
}

/// What kind of file it is to its package (`rpmfileAttrs`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileFlags(pub u32);

impl FileFlags {
    /// Configuration: `%config`.
    pub const CONFIG: Self = Self(1 << 0);
    /// Documentation: `%doc`.
    pub const DOC: Self = Self(1 << 1);
    /// May be missing: `%config(missingok)`.
    pub const MISSINGOK: Self = Self(1 << 3);
    /// Does not replace what the user has changed: `%config(noreplace)`.
    pub const NOREPLACE: Self = Self(1 << 4);
    /// Not in the payload: `%ghost`.
    pub const GHOST: Self = Self(1 << 6);
    /// Its licence: `%license`.
    pub const LICENSE: Self = Self(1 << 7);
    /// A by-product of building: `%artifact`.
    pub const ARTIFACT: Self = Self(1 << 12);

    /// Whether it is of this kind, too.
    pub fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl FileInfo {
    /// What it is; `None` where its mode says nothing that can be, as that of a ghost may.
    pub fn kind(&self) -> Option<FileKind> {
        Some(match self.mode >> 12 {
            0o01 => FileKind::Fifo,
            0o02 => FileKind::CharDevice,
            0o04 => FileKind::Directory,
            0o06 => FileKind::BlockDevice,
            0o10 => FileKind::File,
            0o12 => FileKind::Symlink,
            0o14 => FileKind::Socket,
            _ => return None,
        })
    }

    /// Whether it is not in the payload.
    pub fn is_ghost(&self) -> bool {
        self.flags.has(FileFlags::GHOST)
    }
}

/// Why a list of files is none.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// More than anything has.
    #[error("it has {count} files or directories, more than {MAX_FILES}")]
    TooMany {
        /// Its files.
        count: usize,
    },
    /// More than anything has.
    #[error("the names of its files have more than {MAX_NAMES} bytes")]
    TooLong,
    /// A list of another length.
    #[error("{tag} has {found} values for {count} files")]
    Count {
        /// The tag.
        tag: &'static str,
        /// Its values.
        found: usize,
        /// What there are.
        count: usize,
    },
    /// A file in a directory that is not in the list.
    #[error("{name} is in directory number {index} of {count}")]
    Directory {
        /// The file, without its directory.
        name: String,
        /// The directory.
        index: u64,
        /// Directories that there are.
        count: usize,
    },
    /// A name that is a path.
    #[error("{name} is no name of a file")]
    Name {
        /// The name.
        name: String,
    },
    /// A directory that does not begin with a slash.
    #[error("the directory {name} is relative")]
    Relative {
        /// The directory.
        name: String,
    },
    /// A path that cannot be.
    #[error("{path} {source}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// Two files at one place.
    #[error("{path} is there twice")]
    Twice {
        /// The path.
        path: RootPath,
    },
    /// Something that is no file of any kind.
    #[error("{path} has mode {mode:o}, which is that of no kind of file")]
    Kind {
        /// The path.
        path: RootPath,
        /// Its mode.
        mode: u16,
    },
    /// A number that no such property has.
    #[error("{path} has {value} as {what}")]
    Number {
        /// The path.
        path: RootPath,
        /// The property.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// A link with another size than its target has.
    #[error("the link {path} has a size of {size} and a target of {length} bytes")]
    Target {
        /// The path.
        path: RootPath,
        /// The size.
        size: u64,
        /// Bytes of the target.
        length: usize,
    },
    /// A digest that is none.
    #[error("{path} has no digest that could be one of {}", .algorithm.name())]
    Digest {
        /// The path.
        path: RootPath,
        /// The hash.
        algorithm: Algorithm,
    },
    /// A hash that is not known here.
    #[error("its files have digests of hash number {number}, which is not known")]
    Algorithm {
        /// OpenPGP's number of it.
        number: u64,
    },
}

/// The properties of all files, one list for each.
struct Columns<'h> {
    names: Vec<&'h [u8]>,
    directories: Vec<&'h [u8]>,
    directory: Vec<u64>,
    modes: Vec<u64>,
    sizes: Vec<u64>,
    mtimes: Vec<u64>,
    users: Vec<&'h [u8]>,
    groups: Vec<&'h [u8]>,
    digests: Vec<&'h [u8]>,
    targets: Vec<&'h [u8]>,
    rdevs: Vec<u64>,
    flags: Vec<u64>,
    verify: Vec<u64>,
    langs: Vec<&'h [u8]>,
    caps: Vec<&'h [u8]>,
    devices: Vec<u64>,
    inodes: Vec<u64>,
    colors: Vec<u64>,
    algorithm: Algorithm,
}

impl<'h> Columns<'h> {
    fn read(header: &'h Header, count: usize) -> Result<Self, FilesError> {
        let check = |tag, found| match found {
            found if found == count => Ok(()),
            found => Err(FilesError::Count { tag, found, count }),
        };
        let numbers = |tag, name| {
            check(name, header.count(tag))?;
            let values = header.numbers(tag);
            check(name, values.len()).map(|()| values)
        };
        let strings = |tag, name| {
            check(name, header.count(tag))?;
            let values: Vec<&[u8]> = header.strings(tag).collect();
            check(name, values.len()).map(|()| values)
        };
        // What not all packages have.
        let more_numbers = |tag, name| match header.has(tag) {
            true => numbers(tag, name),
            false => Ok(vec![0; count]),
        };
        let more_strings = |tag, name| match header.has(tag) {
            true => strings(tag, name),
            false => Ok(vec![&b""[..]; count]),
        };
        let (size, size_name) = match header.has(tag::LONGFILESIZES) {
            true => (tag::LONGFILESIZES, "LONGFILESIZES"),
            false => (tag::FILESIZES, "FILESIZES"),
        };
        let number = header.number(tag::FILEDIGESTALGO).unwrap_or(1);
        Ok(Self {
            names: strings(tag::BASENAMES, "BASENAMES")?,
            directories: header.strings(tag::DIRNAMES).collect(),
            directory: numbers(tag::DIRINDEXES, "DIRINDEXES")?,
            modes: numbers(tag::FILEMODES, "FILEMODES")?,
            sizes: numbers(size, size_name)?,
            mtimes: numbers(tag::FILEMTIMES, "FILEMTIMES")?,
            users: strings(tag::FILEUSERNAME, "FILEUSERNAME")?,
            groups: strings(tag::FILEGROUPNAME, "FILEGROUPNAME")?,
            digests: more_strings(tag::FILEDIGESTS, "FILEDIGESTS")?,
            targets: more_strings(tag::FILELINKTOS, "FILELINKTOS")?,
            rdevs: more_numbers(tag::FILERDEVS, "FILERDEVS")?,
            flags: more_numbers(tag::FILEFLAGS, "FILEFLAGS")?,
            verify: more_numbers(tag::FILEVERIFYFLAGS, "FILEVERIFYFLAGS")?,
            langs: more_strings(tag::FILELANGS, "FILELANGS")?,
            caps: more_strings(tag::FILECAPS, "FILECAPS")?,
            devices: more_numbers(tag::FILEDEVICES, "FILEDEVICES")?,
            inodes: more_numbers(tag::FILEINODES, "FILEINODES")?,
            colors: more_numbers(tag::FILECOLORS, "FILECOLORS")?,
            algorithm: Algorithm::of_number(number).ok_or(FilesError::Algorithm { number })?,
        })
    }

    fn path(&self, at: usize) -> Result<RootPath, FilesError> {
        let (name, index) = (self.names[at], self.directory[at]);
        let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let directory = usize::try_from(index).ok().and_then(|index| self.directories.get(index));
        let Some(directory) = directory else {
            let count = self.directories.len();
            return Err(FilesError::Directory { name: shown(name), index, count });
        };
        if !directory.starts_with(b"/") {
            return Err(FilesError::Relative { name: shown(directory) });
        }
        if name.contains(&b'/') {
            return Err(FilesError::Name { name: shown(name) });
        }
        let path = [directory, name].concat();
        RootPath::new(&path).map_err(|source| FilesError::Path { path: shown(&path), source })
    }

    fn file(&self, at: usize, texts: &mut Texts) -> Result<FileInfo, FilesError> {
        let path = self.path(at)?;
        let narrow = |what, value| u32::try_from(value).map_err(|_| number(&path, what, value));
        let short = |what, value| u16::try_from(value).map_err(|_| number(&path, what, value));
        let mut file = FileInfo {
            mode: short("its mode", self.modes[at])?,
            size: self.sizes[at],
            mtime: narrow("its date", self.mtimes[at])?,
            user: texts.get(self.users[at]),
            group: texts.get(self.groups[at]),
            digest: None,
            target: Box::default(),
            rdev: short("the number of its device", self.rdevs[at])?,
            flags: FileFlags(narrow("its flags", self.flags[at])?),
            verify: narrow("what is verified of it", self.verify[at])?,
            langs: texts.get(self.langs[at]),
            caps: texts.get(self.caps[at]),
            device: self.devices[at],
            inode: self.inodes[at],
            color: narrow("its colour", self.colors[at])?,
            path,
        };
        match file.kind() {
            _ if file.is_ghost() => {}
            None => return Err(FilesError::Kind { path: file.path, mode: file.mode }),
            Some(FileKind::File) => file.digest = Some(self.digest(at, &file)?),
            Some(FileKind::Symlink) => {
                let (size, length) = (file.size, self.targets[at].len());
                if size != length as u64 {
                    return Err(FilesError::Target { path: file.path, size, length });
                }
                file.target = self.targets[at].into();
            }
            Some(_) => {}
        }
        Ok(file)
    }

    fn digest(&self, at: usize, file: &FileInfo) -> Result<FileDigest, FilesError> {
        let algorithm = self.algorithm;
        let bytes = match self.digests[at] {
            // What old packages have of an empty file is nothing, or zeros (`rpmfi.c`).
            text if file.size == 0 && text.iter().all(|&digit| digit == b'0') => {
                super::digest::Hasher::new(algorithm).finish().into()
            }
            text => parse_hex(algorithm, text)
                .ok_or_else(|| FilesError::Digest { path: file.path.clone(), algorithm })?,
        };
        Ok(FileDigest { algorithm, bytes })
    }
}

fn number(path: &RootPath, what: &'static str, value: u64) -> FilesError {
    FilesError::Number { path: path.clone(), what, value }
}

/// Texts that many files share.
#[derive(Default)]
struct Texts(HashMap<Vec<u8>, Arc<[u8]>>);

impl Texts {
    fn get(&mut self, text: &[u8]) -> Arc<[u8]> {
        match self.0.get(text) {
            Some(shared) => shared.clone(),
            None => self.0.entry(text.to_vec()).or_insert(text.into()).clone(),
        }
    }
}

/// All files that the header names.
pub(super) fn read(header: &Header) -> Result<Vec<FileInfo>, FilesError> {
    let count = header.count(tag::BASENAMES);
    if count == 0 {
        return Ok(Vec::new());
    }
    // Directories that have no file are odd and no error (`indexSane`).
    if let Some(count) = [count, header.count(tag::DIRNAMES)].into_iter().find(|&count| count > MAX_FILES) {
        return Err(FilesError::TooMany { count });
    }
    let columns = Columns::read(header, count)?;
    let mut texts = Texts::default();
    let mut left = MAX_NAMES;
    let mut files: Vec<FileInfo> = Vec::new();
    for at in 0..count {
        let file = columns.file(at, &mut texts)?;
        let size = file.path.as_bytes().len() + file.target.len();
        left = left.checked_sub(size).ok_or(FilesError::TooLong)?;
        files.push(file);
    }
    let mut paths = HashSet::new();
    match files.iter().find(|file| !paths.insert(&file.path)) {
        Some(file) => Err(FilesError::Twice { path: file.path.clone() }),
        None => Ok(files),
    }
}

/// The sets of files that are one: for each file, the number of its set. Only files in the
/// payload count (`rpmfilesBuildNLink`).
pub(super) fn hard_links(files: &[FileInfo]) -> (Vec<Option<usize>>, Vec<Vec<usize>>) {
    let mut known: HashMap<(u64, u64), Vec<usize>> = HashMap::new();
    let linked = |file: &FileInfo| file.kind() == Some(FileKind::File) && !file.is_ghost() && file.inode != 0;
    for (at, file) in files.iter().enumerate().filter(|(_, file)| linked(file)) {
        known.entry((file.device, file.inode)).or_default().push(at);
    }
    let mut sets: Vec<Vec<usize>> = known.into_values().filter(|set| set.len() > 1).collect();
    sets.sort_unstable();
    let mut set_of = vec![None; files.len()];
    for (number, set) in sets.iter().enumerate() {
        set.iter().for_each(|&at| set_of[at] = Some(number));
    }
    (set_of, sets)
}

#[cfg(test)]
mod tests;
