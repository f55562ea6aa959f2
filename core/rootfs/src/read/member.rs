//! From a header, and the extended headers before it, to an entry.

use super::error::{Fault, Name, Place, ReadError};
use super::extended::{Common, Extensions, Overrides};
use super::sparse::Form;
use crate::header::{self, Field, Header, NumberError};
use crate::{Device, Entry, Kind, MAX_PATH, RootPath};

/// Largest device numbers of Linux (`kdev_t.h`: 12 and 20 bits).
pub(crate) const MAX_MAJOR: u32 = 0xfff;
pub(crate) const MAX_MINOR: u32 = 0xf_ffff;

/// One member of an archive, before its content.
#[derive(Debug)]
pub(super) struct Member {
    /// For messages.
    pub(super) name: Name,
    /// `None` for what no root filesystem can have.
    pub(super) entry: Option<Entry>,
    /// How the content lies in the archive.
    pub(super) form: Form,
    /// Bytes that the header announces.
    pub(super) stored: u64,
    /// Whether these bytes really follow: see [`Raw::stores_content`].
    pub(super) certain: bool,
    /// Whether an access control list was left out.
    pub(super) acl: bool,
}

/// Puts together what the header and the extended headers say.
pub(super) fn assemble(
    header: &Header,
    extensions: Extensions,
    common: &Common,
) -> Result<Member, ReadError> {
    let name = extensions.long_name.clone().unwrap_or_else(|| header.name());
    let refused = |name: &[u8], fault| ReadError::Refused { place: Place::Entry(Name::new(name)), fault };
    let raw = Raw::new(header, &name, extensions, common).map_err(|fault| refused(&name, fault))?;
    let name = raw.name.clone();
    raw.member().map_err(|fault| refused(&name, fault))
}

/// A header with its name, link target and PAX records resolved.
struct Raw<'a> {
    header: &'a Header,
    name: Vec<u8>,
    link: Vec<u8>,
    overrides: Overrides,
}

impl<'a> Raw<'a> {
    fn new(header: &'a Header, name: &[u8], extensions: Extensions, common: &Common) -> Result<Self, Fault> {
        let records = extensions.pax.as_deref().unwrap_or_default();
        let mut overrides = Overrides::new(common, records)?;
        // The name in the sparse records is the real one, `path` made up.
        let sparse_name = overrides.sparse.as_mut().and_then(|sparse| sparse.name.take());
        let path = sparse_name.or(overrides.path.take());
        let link = overrides.link.take();
        // GNU tar takes the record, Go the long name.
        if path.is_some() && extensions.long_name.is_some() {
            return Err(Fault::TwoNames("name"));
        }
        if link.is_some() && extensions.long_link.is_some() {
            return Err(Fault::TwoNames("link target"));
        }
        let name = path.unwrap_or_else(|| name.to_vec());
        let link = link.or(extensions.long_link).unwrap_or_else(|| header.text(header::LINK).to_vec());
        Ok(Self { header, name, link, overrides })
    }

    fn member(mut self) -> Result<Member, Fault> {
        let stored = match self.overrides.size {
            Some(size) => size,
            None => self.in_range("size", header::SIZE, 0, i64::MAX)? as u64,
        };
        let form = self.form()?;
        let size = match form {
            Form::Whole | Form::Old => stored,
            Form::Listed { size, .. } | Form::Leading { size } => size,
        };
        let entry = match self.kind(size)? {
            Some(kind) => Some(self.entry(kind)?),
            None => None,
        };
        Ok(Member {
            name: Name::new(&self.name),
            entry,
            form,
            stored,
            certain: self.stores_content(),
            acl: self.overrides.acl,
        })
    }

    fn is_regular(&self) -> bool {
        matches!(self.header.typeflag(), 0 | b'0' | b'7')
    }

    /// Whether content follows the header if its size says so.
    ///
    /// Only files have content. Yet old writers set the size of hard links
    /// and directories and store nothing, as GNU tar, Go and Python expect,
    /// while POSIX.1-2001 lets a hard link bring the content along
    /// (`pax -o linkdata`). The reader looks at the next block to find out.
    fn stores_content(&self) -> bool {
        !matches!(self.header.typeflag(), b'1'..=b'6')
    }

    fn form(&mut self) -> Result<Form, Fault> {
        match self.overrides.sparse.take() {
            Some(records) if self.is_regular() => records.form(),
            Some(_) => Err(Fault::Sparse("it is no regular file")),
            None if self.header.typeflag() != b'S' => Ok(Form::Whole),
            None if self.header.is_gnu() => Ok(Form::Old),
            None => Err(Fault::Unsupported("a sparse file of star")),
        }
    }

    fn kind(&self, size: u64) -> Result<Option<Kind>, Fault> {
        Ok(Some(match self.header.typeflag() {
            // Before ustar, directories had no type but a slash; GNU tar and
            // libarchive see one for every regular type to this day.
            0 | b'0' | b'7' | b'S' if self.name.ends_with(b"/") => match size {
                0 => Kind::Directory,
                _ => return Err(Fault::SlashWithContent),
            },
            0 | b'0' | b'7' | b'S' => Kind::File { size },
            b'1' => Kind::HardLink(self.hard_link()?),
            b'2' => Kind::Symlink(self.symlink()?),
            b'3' => Kind::CharDevice(self.device()?),
            b'4' => Kind::BlockDevice(self.device()?),
            // GNU tar's `D` has a list of names as content.
            b'5' | b'D' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'M' => return Err(Fault::Unsupported("the rest of a file from another volume")),
            b'N' => return Err(Fault::Unsupported("a list of long names of an old GNU tar")),
            _ => return Ok(None),
        }))
    }

    fn entry(&mut self, kind: Kind) -> Result<Entry, Fault> {
        if self.name.is_empty() {
            return Err(Fault::EmptyName);
        }
        let path = RootPath::new(&self.name).map_err(Fault::Name)?;
        if path.is_root() && kind != Kind::Directory {
            return Err(Fault::RootKind);
        }
        let mode = self.in_range("mode", header::MODE, i64::MIN, i64::MAX)? & 0o7777;
        let common = std::mem::take(&mut self.overrides.common);
        let mtime = match common.mtime {
            Some(mtime) => mtime,
            None => self.in_range("mtime", header::MTIME, i64::MIN, i64::MAX)?,
        };
        Ok(Entry {
            path,
            kind,
            mode: mode as u16,
            uid: self.id("uid", header::UID, common.uid)?,
            gid: self.id("gid", header::GID, common.gid)?,
            mtime,
            xattrs: std::mem::take(&mut self.overrides.xattrs),
            package: common.package,
        })
    }

    fn hard_link(&self) -> Result<RootPath, Fault> {
        let target = RootPath::new(&self.link).map_err(Fault::Target)?;
        if target.is_root() { Err(Fault::EmptyTarget) } else { Ok(target) }
    }

    /// The target may point anywhere, but `symlink(2)` must be able to take it.
    fn symlink(&self) -> Result<Box<[u8]>, Fault> {
        if self.link.is_empty() {
            return Err(Fault::EmptyTarget);
        }
        if self.link.len() >= MAX_PATH || self.link.contains(&0) {
            return Err(Fault::SymlinkTarget);
        }
        Ok(self.link.as_slice().into())
    }

    fn device(&self) -> Result<Device, Fault> {
        let major = self.in_range("major device number", header::MAJOR, 0, MAX_MAJOR.into())?;
        let minor = self.in_range("minor device number", header::MINOR, 0, MAX_MINOR.into())?;
        Ok(Device { major: major as u32, minor: minor as u32 })
    }

    fn id(&self, what: &'static str, field: Field, record: Option<u32>) -> Result<u32, Fault> {
        match record {
            Some(id) => Ok(id),
            None => Ok(self.in_range(what, field, 0, u32::MAX.into())? as u32),
        }
    }

    fn in_range(&self, what: &'static str, field: Field, min: i64, max: i64) -> Result<i64, Fault> {
        let value = self.header.number(field).map_err(|error| match error {
            NumberError::Malformed => Fault::NotANumber(what),
            NumberError::Overflow => Fault::OutOfRange(what),
        })?;
        if (min..=max).contains(&value) { Ok(value) } else { Err(Fault::OutOfRange(what)) }
    }
}
