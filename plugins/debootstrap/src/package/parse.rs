//! A stanza as a package.
//!
//! The stanza is gone through once, and each field that matters put in its slot: asking for them
//! one by one would go through it twenty times. Nothing is looked at in a stanza of an
//! architecture that nobody wants, but for its architecture.

use super::{MultiArch, Package, PackageError, Priority};
use crate::control::{ControlError, Field, Stanza, Stanzas, excerpt};

/// Longest package name accepted, in bytes. dpkg's own files are called `NAME:ARCH.postinst`, and
/// a name in a filesystem has at most 255.
const MAX_NAME: usize = 200;

/// The fields that are read, of one stanza.
#[derive(Default)]
struct Slots<'a> {
    line: usize,
    package: Option<Field<'a>>,
    version: Option<Field<'a>>,
    architecture: Option<Field<'a>>,
    multi_arch: Option<Field<'a>>,
    essential: Option<Field<'a>>,
    priority: Option<Field<'a>>,
    section: Option<Field<'a>>,
    source: Option<Field<'a>>,
    pre_depends: Option<Field<'a>>,
    depends: Option<Field<'a>>,
    conflicts: Option<Field<'a>>,
    breaks: Option<Field<'a>>,
    provides: Option<Field<'a>>,
    replaces: Option<Field<'a>>,
    filename: Option<Field<'a>>,
    size: Option<Field<'a>>,
    installed_size: Option<Field<'a>>,
    sha256: Option<Field<'a>>,
    sha512: Option<Field<'a>>,
}

/// The package's file: what an index adds to the package's own `control`.
struct File<'a> {
    filename: &'a str,
    size: u64,
    digest: String,
}

/// The packages of a `Packages` index, in its order.
///
/// `repository` becomes [`Package::repository`]. Packages of which `wanted` refuses the
/// architecture are left out and not checked any further. An index with a stanza that is no
/// package is refused as a whole, as apt does. Memory: some 400 bytes for each package.
pub fn parse<'a>(
    index: &'a [u8],
    repository: usize,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Package<'a>>, PackageError> {
    let mut packages = Vec::new();
    for stanza in Stanzas::new(index) {
        let slots = Slots::of(&stanza?)?;
        if wanted(slots.required(slots.architecture, "Architecture")?) {
            packages.push(slots.package(slots.file()?, repository)?);
        }
    }
    Ok(packages)
}

impl<'a> Package<'a> {
    /// The package of a file that no index lists, of its own `control`.
    ///
    /// `filename` says where the file lies and is not checked, `size` is in bytes and `digest` is
    /// that of the file: `sha256:…`.
    pub fn of_control(
        control: &Stanza<'a>,
        filename: &'a str,
        size: u64,
        digest: String,
        repository: usize,
    ) -> Result<Self, PackageError> {
        control.check_unique()?;
        Slots::of(control)?.package(File { filename, size, digest }, repository)
    }
}

impl<'a> Slots<'a> {
    fn of(stanza: &Stanza<'a>) -> Result<Self, ControlError> {
        let mut slots = Self { line: stanza.line(), ..Self::default() };
        for field in stanza.fields() {
            if let Some(slot) = slots.slot(field.name_bytes())
                && slot.replace(field).is_some()
            {
                return Err(field.duplicate());
            }
        }
        Ok(slots)
    }

    /// Where the field of this name goes, in upper or lower case; `None` if it does not matter.
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<Field<'a>>> {
        let mut lower = [0; "installed-size".len()];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"package" => &mut self.package,
            b"version" => &mut self.version,
            b"architecture" => &mut self.architecture,
            b"multi-arch" => &mut self.multi_arch,
            b"essential" => &mut self.essential,
            b"priority" => &mut self.priority,
            b"section" => &mut self.section,
            b"source" => &mut self.source,
            b"pre-depends" => &mut self.pre_depends,
            b"depends" => &mut self.depends,
            b"conflicts" => &mut self.conflicts,
            b"breaks" => &mut self.breaks,
            b"provides" => &mut self.provides,
            b"replaces" => &mut self.replaces,
            b"filename" => &mut self.filename,
            b"size" => &mut self.size,
            b"installed-size" => &mut self.installed_size,
            b"sha256" => &mut self.sha256,
            b"sha512" => &mut self.sha512,
            _ => return None,
        })
    }

    fn package(&self, file: File<'a>, repository: usize) -> Result<Package<'a>, PackageError> {
        let name = self.checked(self.package, "Package", is_name, "is no name of a package")?;
        Ok(Package {
            name,
            version: self.checked(self.version, "Version", is_version, "is no version")?,
            arch: self.checked(self.architecture, "Architecture", is_arch, "is no architecture")?,
            multi_arch: multi_arch(text(self.multi_arch)?),
            essential: text(self.essential)?.eq_ignore_ascii_case("yes"),
            priority: priority(text(self.priority)?),
            section: text(self.section)?,
            source: text(self.source)?.split_ascii_whitespace().next().unwrap_or(name),
            pre_depends: text(self.pre_depends)?,
            depends: text(self.depends)?,
            conflicts: text(self.conflicts)?,
            breaks: text(self.breaks)?,
            provides: text(self.provides)?,
            replaces: text(self.replaces)?,
            filename: file.filename,
            size: file.size,
            // It only informs, and what cannot be read of it informs nobody: apt takes 0 too.
            installed_size: number(text(self.installed_size)?).unwrap_or(0),
            digest: file.digest,
            repository,
        })
    }

    fn file(&self) -> Result<File<'a>, PackageError> {
        let filename = self.checked(self.filename, "Filename", is_filename, "is no place in a repository")?;
        let size = self.required(self.size, "Size")?;
        let no_size = || self.wrong("Size", size, "is no number of bytes");
        Ok(File { filename, size: number(size).ok_or_else(no_size)?, digest: self.digest()? })
    }

    /// As [`Package::digest`]: empty if the stanza has no good one.
    fn digest(&self) -> Result<String, PackageError> {
        let (field, name, prefix, digits) = match (self.sha256, self.sha512) {
            (Some(field), _) => (field, "SHA256", "sha256:", 64),
            (None, Some(field)) => (field, "SHA512", "sha512:", 128),
            (None, None) => return Ok(String::new()),
        };
        let hex = field.text()?;
        if hex.len() != digits || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(self.wrong(name, hex, "is no such digest"));
        }
        let mut digest = String::with_capacity(prefix.len() + digits);
        digest.push_str(prefix);
        digest.push_str(hex);
        digest.make_ascii_lowercase();
        Ok(digest)
    }

    fn checked(
        &self,
        field: Option<Field<'a>>,
        name: &'static str,
        sound: fn(&str) -> bool,
        problem: &'static str,
    ) -> Result<&'a str, PackageError> {
        let value = self.required(field, name)?;
        if sound(value) { Ok(value) } else { Err(self.wrong(name, value, problem)) }
    }

    fn required(&self, field: Option<Field<'a>>, name: &'static str) -> Result<&'a str, PackageError> {
        match text(field)? {
            "" => Err(PackageError::Missing { package: self.name(), line: self.line, field: name }),
            value => Ok(value),
        }
    }

    fn wrong(&self, field: &'static str, value: &str, problem: &'static str) -> PackageError {
        let value = excerpt(value.as_bytes());
        PackageError::Wrong { package: self.name(), line: self.line, field, value, problem }
    }

    /// The package's name for an error, or what stands in for it.
    fn name(&self) -> String {
        let name = text(self.package).unwrap_or_default();
        if name.is_empty() { "without a name".to_owned() } else { excerpt(name.as_bytes()) }
    }
}

/// The value of a field, empty without it.
fn text<'a>(field: Option<Field<'a>>) -> Result<&'a str, ControlError> {
    field.map_or(Ok(""), |field| field.text())
}

/// As dpkg takes names: Policy §5.6.7 allows no upper case and no `_`, but packages of others have
/// them.
fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

/// What a version may consist of (deb-version(7)); its order is the affair of `version`.
fn is_version(version: &str) -> bool {
    version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-~:_".contains(&b))
}

fn is_arch(arch: &str) -> bool {
    arch.starts_with(|first: char| first.is_ascii_alphanumeric())
        && arch.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A path below the repository's URL, however the two are put together.
fn is_filename(path: &str) -> bool {
    !path.starts_with('/')
        && !path.contains("://")
        && !path.contains(char::is_control)
        && path.split('/').all(|part| part != "..")
}

/// A number without sign, as all of Debian's are.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

fn multi_arch(value: &str) -> MultiArch {
    match value {
        _ if value.eq_ignore_ascii_case("same") => MultiArch::Same,
        _ if value.eq_ignore_ascii_case("foreign") => MultiArch::Foreign,
        _ if value.eq_ignore_ascii_case("allowed") => MultiArch::Allowed,
        _ => MultiArch::No,
    }
}

fn priority(value: &str) -> Priority {
    match value {
        _ if value.eq_ignore_ascii_case("required") => Priority::Required,
        _ if value.eq_ignore_ascii_case("important") => Priority::Important,
        _ if value.eq_ignore_ascii_case("standard") => Priority::Standard,
        _ if value.eq_ignore_ascii_case("extra") => Priority::Extra,
        _ => Priority::Optional,
    }
}
