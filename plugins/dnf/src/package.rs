//! What a package says of itself: in a repository's metadata, and in its own header.

use std::sync::Arc;

use crate::dependency::{Dependency, Relation};
use crate::version::Evr;

/// A package. Texts that many packages share are shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: Arc<str>,
    /// Its version.
    pub evr: Evr,
    /// Its architecture, as rpm calls it: `x86_64`, `noarch`.
    pub arch: Arc<str>,
    /// One line.
    pub summary: String,
    /// Its licence.
    pub license: Arc<str>,
    /// Its home page.
    pub url: String,
    /// Who made it.
    pub vendor: Arc<str>,
    /// The file name of its source package.
    pub source: Arc<str>,
    /// Bytes of its file.
    pub size: u64,
    /// Bytes of what it installs.
    pub installed_size: u64,
    /// Seconds since 1970.
    pub build_time: i64,
    /// `sha256:…` (or sha512, sha384, sha1) of its file, as the metadata has it.
    pub digest: String,
    /// Where its file is: below the repository, or a whole URL.
    pub location: String,
    /// What it offers beside its files.
    pub provides: Vec<Relation>,
    /// What it needs.
    pub requires: Vec<Requirement>,
    /// What it cannot stand.
    pub conflicts: Vec<Dependency>,
    /// What it takes the place of.
    pub obsoletes: Vec<Relation>,
    /// What it should have with it.
    pub recommends: Vec<Dependency>,
    /// What goes well with it.
    pub suggests: Vec<Dependency>,
    /// It should come where these are.
    pub supplements: Vec<Dependency>,
    /// It goes well with these.
    pub enhances: Vec<Dependency>,
    /// Files that it has: those that primary metadata lists, or all where filelists were read.
    pub files: Vec<Arc<str>>,
}

/// Something that a package needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// What.
    pub dependency: Dependency,
    /// Whether it must be there before the package's own scripts run.
    pub pre: bool,
}

mod purl;

impl Package {
    /// `name-version-release.arch`, with an epoch in front of the version if it has one: how rpm,
    /// dnf and people name a package.
    pub fn nevra(&self) -> String {
        format!("{}-{}.{}", self.name, self.evr, self.arch)
    }
}

impl Package {
    /// Calls for every relation that it has to others.
    pub fn each_relation<'a>(&'a self, visit: &mut impl FnMut(&'a Relation)) {
        self.requires.iter().for_each(|requirement| requirement.dependency.each(visit));
        let weak = [&self.recommends, &self.suggests, &self.supplements, &self.enhances];
        self.conflicts.iter().chain(weak.into_iter().flatten()).for_each(|one| one.each(visit));
    }
}

impl From<Dependency> for Requirement {
    /// One that only must be there in the end.
    fn from(dependency: Dependency) -> Self {
        Self { dependency, pre: false }
    }
}
