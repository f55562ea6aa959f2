//! The packages of a repository.
//!
//! [`parse`] makes them of an index; [`Package::of_control`] makes one of a package file that no
//! index lists. What is in an index is signed, but by whoever owns the repository: each field that
//! is used is checked here, once.

mod parse;
mod purl;

pub use parse::parse;

use crate::control::ControlError;

/// A binary package, as its stanza in a `Packages` index describes it.
///
/// Text is borrowed from the index: there are 63 000 stanzas in Debian's, of which a build
/// needs a few dozen. Relations stay text for the same reason; see [`crate::relation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package<'a> {
    /// `Package`.
    pub name: &'a str,
    /// `Version`.
    pub version: &'a str,
    /// `Architecture`: dpkg's name, or `all`.
    pub arch: &'a str,
    /// `Multi-Arch`.
    pub multi_arch: MultiArch,
    /// `Essential: yes`.
    pub essential: bool,
    /// `Priority`.
    pub priority: Priority,
    /// `Section`.
    pub section: &'a str,
    /// `Source` without a version in parentheses; the package's own name where absent.
    pub source: &'a str,
    /// `Pre-Depends`; empty where absent, as all relations.
    pub pre_depends: &'a str,
    /// `Depends`.
    pub depends: &'a str,
    /// `Conflicts`.
    pub conflicts: &'a str,
    /// `Breaks`.
    pub breaks: &'a str,
    /// `Provides`.
    pub provides: &'a str,
    /// `Replaces`.
    pub replaces: &'a str,
    /// `Filename`: relative to the repository's URL. Checked: no `..`, not absolute.
    pub filename: &'a str,
    /// `Size` of the package file in bytes.
    pub size: u64,
    /// `Installed-Size` in KiB; 0 where absent.
    pub installed_size: u64,
    /// Of the package file: `sha256:…`, or `sha512:…` where there is no other, in lower case.
    /// Empty where the index has only weaker ones, so that a package which nobody chooses
    /// is no obstacle: see [`Package::checked_digest`].
    pub digest: String,
    /// Which of the request's repositories lists it: an index into them.
    pub repository: usize,
}

/// `Multi-Arch`: whom of another architecture a package serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MultiArch {
    /// Nobody.
    #[default]
    No,
    /// It can be installed for several architectures at once, in one version.
    Same,
    /// It satisfies dependencies of any architecture.
    Foreign,
    /// It satisfies those that say `:any`.
    Allowed,
}

/// `Priority`, the most important first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// `required`.
    Required,
    /// `important`.
    Important,
    /// `standard`.
    Standard,
    /// `optional`, and what is unknown.
    #[default]
    Optional,
    /// `extra`.
    Extra,
}

/// Why a stanza is no package, or a package cannot be used. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// The text is no stanza, or a field of it cannot be read.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A field that every package has is absent or empty.
    #[error("package {package} at line {line} has no {field}")]
    Missing {
        /// Its name.
        package: String,
        /// Where its stanza begins.
        line: usize,
        /// The field.
        field: &'static str,
    },
    /// A field has a value that it cannot have.
    #[error("package {package} at line {line}: {field} \"{value}\" {problem}")]
    Wrong {
        /// Its name.
        package: String,
        /// Where its stanza begins.
        line: usize,
        /// The field.
        field: &'static str,
        /// The beginning of its value, odd bytes escaped.
        value: String,
        /// Why it cannot be.
        problem: &'static str,
    },
    /// No SHA-256 and no SHA-512 of the package file.
    #[error("package {package} {version} is listed without a SHA-256 or SHA-512 digest")]
    WeakDigest {
        /// Its name.
        package: String,
        /// Its version.
        version: String,
    },
}

impl Package<'_> {
    /// The digest of the package file, for a package that is about to be used.
    pub fn checked_digest(&self) -> Result<&str, PackageError> {
        if self.digest.is_empty() {
            let (package, version) = (self.name.to_owned(), self.version.to_owned());
            return Err(PackageError::WeakDigest { package, version });
        }
        Ok(&self.digest)
    }
}

#[cfg(test)]
mod tests;
