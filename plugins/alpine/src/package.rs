//! What a package says of itself: in an index, and in its own `.PKGINFO`.
//!
//! Both say the same in two forms (apk-package(5), apk-v2(5)): an index has a letter for each
//! field, `.PKGINFO` a word.

mod purl;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::dependency::{Constraint, Dependency, DependencyError, list};
use crate::version;

pub use purl::purl;

/// A package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package<'a> {
    /// `Q1` and the SHA-1 of its control member in Base64; empty in `.PKGINFO`.
    pub identity: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its architecture, as Alpine calls it: `x86_64`, `noarch`.
    pub arch: &'a str,
    /// Bytes of its file; 0 in `.PKGINFO`.
    pub size: u64,
    /// Bytes of what it installs.
    pub installed_size: u64,
    /// One line.
    pub description: &'a str,
    /// Its home page.
    pub url: &'a str,
    /// Its licence, an SPDX expression mostly.
    pub license: &'a str,
    /// The package whose build it comes from.
    pub origin: &'a str,
    /// Who keeps it.
    pub maintainer: &'a str,
    /// Seconds since 1970; 0 where it does not say.
    pub build_time: i64,
    /// The commit of its recipe.
    pub commit: &'a str,
    /// Which of several that provide the same comes first: the highest.
    pub provider_priority: u32,
    /// What it needs, and what it cannot stand.
    pub depends: Vec<Dependency<'a>>,
    /// Names that it answers to beside its own.
    pub provides: Vec<Dependency<'a>>,
    /// It comes by itself where all of these are there.
    pub install_if: Vec<Dependency<'a>>,
    /// Packages whose files it may take over; `.PKGINFO` alone says that.
    pub replaces: Vec<Dependency<'a>>,
    /// Which of two that replace each other wins: the higher.
    pub replaces_priority: u32,
    /// Patterns of the directories that its trigger is for; `.PKGINFO` alone has them.
    pub triggers: Vec<&'a str>,
    /// SHA-256 of the data member in hexadecimal; `.PKGINFO` alone has it.
    pub datahash: &'a str,
}

/// Why a text describes no package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Something that every package has is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field cannot be.
    #[error("{field} cannot be {value:?}")]
    Field {
        /// What it is.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// A dependency is none.
    #[error(transparent)]
    Dependency(#[from] DependencyError),
    /// It is no text.
    #[error("it is not UTF-8")]
    Encoding,
}

impl<'a> Package<'a> {
    /// Reads a stanza of an index: lines of a letter, a colon and a value.
    ///
    /// # Errors
    ///
    /// If it describes no package.
    pub fn of_index(stanza: &'a str) -> Result<Self, PackageError> {
        let mut package = Self::default();
        for line in stanza.lines() {
            let Some((letter, value)) = line.split_once(':') else { continue };
            match letter {
                "C" => package.identity = identity(value)?,
                "P" => package.name = value,
                "V" => package.version = value,
                "A" => package.arch = value,
                "S" => package.size = number("its size", value)?,
                "I" => package.installed_size = number("its installed size", value)?,
                "T" => package.description = value,
                "U" => package.url = value,
                "L" => package.license = value,
                "o" => package.origin = value,
                "m" => package.maintainer = value,
                "t" => package.build_time = number("its build time", value)?,
                "c" => package.commit = value,
                "k" => package.provider_priority = number("its priority", value)?,
                "D" => package.depends = Dependency::parse_all(value)?,
                "p" => package.provides = Dependency::parse_all(value)?,
                "i" => package.install_if = Dependency::parse_all(value)?,
                "r" => package.replaces = Dependency::parse_all(value)?,
                "q" => package.replaces_priority = number("its priority", value)?,
                // An upper-case letter that nobody knows changes what the package means.
                _ if letter.len() == 1 && letter.starts_with(|c: char| c.is_ascii_uppercase()) => {
                    return Err(field("a field of its stanza", line));
                }
                _ => {}
            }
        }
        match package.identity {
            "" => Err(PackageError::Missing("its checksum")),
            _ => package.checked(),
        }
    }

    /// Reads `.PKGINFO`: lines of `word = value`.
    ///
    /// # Errors
    ///
    /// If it describes no package.
    pub fn of_pkginfo(text: &'a str) -> Result<Self, PackageError> {
        let mut package = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((word, value)) = line.split_once(" = ") else { continue };
            match word {
                "pkgname" => package.name = value,
                "pkgver" => package.version = value,
                "arch" => package.arch = value,
                "size" => package.installed_size = number("its installed size", value)?,
                "pkgdesc" => package.description = value,
                "url" => package.url = value,
                "license" => package.license = value,
                "origin" => package.origin = value,
                "maintainer" => package.maintainer = value,
                "builddate" => package.build_time = number("its build time", value)?,
                "commit" => package.commit = value,
                "provider_priority" => package.provider_priority = number("its priority", value)?,
                "depend" => package.depends.extend(Dependency::parse_all(value)?),
                "provides" => package.provides.extend(Dependency::parse_all(value)?),
                "install_if" => package.install_if.extend(Dependency::parse_all(value)?),
                "replaces" => package.replaces.extend(Dependency::parse_all(value)?),
                "replaces_priority" => package.replaces_priority = number("its priority", value)?,
                "triggers" => package.triggers.extend(value.split_ascii_whitespace()),
                "datahash" => package.datahash = value,
                _ => {}
            }
        }
        package.checked()
    }

    /// What is common to both forms: the names are such as may be in a path and in a line.
    fn checked(self) -> Result<Self, PackageError> {
        if self.name.is_empty() {
            return Err(PackageError::Missing("its name"));
        }
        let is_word = |word: &str| !word.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/');
        if !is_word(self.name) || self.name.starts_with(['.', '-', '!']) {
            return Err(field("its name", self.name));
        }
        if !version::is_valid(self.version) {
            return Err(field("its version", self.version));
        }
        if !is_word(self.arch) {
            return Err(field("its architecture", self.arch));
        }
        match self.provides.iter().find(|provided| is_demand(provided)) {
            Some(provided) => Err(field("what it provides", &provided.to_string())),
            None => Ok(self),
        }
    }

    /// The names it answers to, each with its version: its own first.
    pub fn names(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + '_ {
        let provided = self.provides.iter().map(|provided| match provided.constraint {
            Constraint::Version(_, version) => (provided.name, Some(version)),
            _ => (provided.name, None),
        });
        std::iter::once((self.name, Some(self.version))).chain(provided)
    }

    /// What messages call it.
    pub fn title(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Its stanza in `lib/apk/db/installed`, without its files (`package.c`, `database.c` of
    /// apk-tools 2.14). `tag` is that of the repository it comes from.
    pub fn stanza(&self, identity: &str, size: u64, tag: Option<&str>) -> String {
        let mut text = format!("C:{identity}\nP:{}\nV:{}\n", self.name, self.version);
        let mut line = |letter: char, value: &str, is_always: bool| {
            if is_always || !value.is_empty() {
                text.push_str(&format!("{letter}:{value}\n"));
            }
        };
        let positive = |number: i64| if number > 0 { number.to_string() } else { String::new() };
        line('A', self.arch, false);
        line('S', &size.to_string(), true);
        line('I', &self.installed_size.to_string(), true);
        for (letter, value) in [('T', self.description), ('U', self.url), ('L', self.license)] {
            line(letter, value, true);
        }
        let lists = [&self.depends, &self.provides, &self.install_if, &self.replaces].map(|all| list(all));
        let [depends, provides, install_if, replaces] = &lists;
        for (letter, value) in [
            ('o', self.origin),
            ('m', self.maintainer),
            ('t', &positive(self.build_time)),
            ('c', self.commit),
            ('k', &positive(self.provider_priority.into())),
            ('D', depends),
            ('p', provides),
            ('i', install_if),
            ('r', replaces),
            ('q', &positive(self.replaces_priority.into())),
            ('s', tag.unwrap_or_default()),
        ] {
            line(letter, value, false);
        }
        text
    }
}

/// What is provided is a name or a name with its version, nothing that is asked for.
fn is_demand(provided: &Dependency<'_>) -> bool {
    let is_version = match provided.constraint {
        Constraint::Any => true,
        Constraint::Version(operator, _) => operator.to_string() == "=",
        Constraint::Checksum(_) => false,
    };
    provided.conflict || !is_version
}

fn field(field: &'static str, value: &str) -> PackageError {
    PackageError::Field { field, value: value.chars().take(80).collect() }
}

fn number<T: std::str::FromStr>(name: &'static str, value: &str) -> Result<T, PackageError> {
    value.parse().map_err(|_| field(name, value))
}

/// An identity that this plugin can compare.
fn identity(value: &str) -> Result<&str, PackageError> {
    match sha1_of(value) {
        Some(_) => Ok(value),
        None => Err(field("its checksum", value)),
    }
}

/// The SHA-1 that an identity stands for.
pub fn sha1_of(identity: &str) -> Option<[u8; 20]> {
    STANDARD.decode(identity.strip_prefix("Q1")?).ok()?.try_into().ok()
}

/// The identity of what has this SHA-1.
pub fn identity_of(sha1: &[u8; 20]) -> String {
    format!("Q1{}", STANDARD.encode(sha1))
}

/// The packages of an index, each stanza parsed by itself: one that is of no use leaves the others.
pub fn parse_index(text: &str) -> impl Iterator<Item = Result<Package<'_>, (&str, PackageError)>> {
    let stanzas =
        text.split("\n\n").map(|stanza| stanza.trim_matches('\n')).filter(|stanza| !stanza.is_empty());
    stanzas.map(|stanza| Package::of_index(stanza).map_err(|error| (stanza, error)))
}

#[cfg(test)]
mod tests;
