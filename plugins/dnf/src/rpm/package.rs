//! What a header says of its package: what repository metadata would say of it.

use std::sync::Arc;

use super::error::RpmError;
use super::header::Header;
use super::{Rpm, tag};
use crate::dependency::{Dependency, DependencyError, Relation};
use crate::package::{Package, Requirement};
use crate::version::Evr;

/// Flags of a requirement that must be met before the package's own scripts run: `PREREQ`,
/// `SCRIPT_PRE`, `SCRIPT_POST` (`rpmsenseFlags`).
const PRE: u32 = 1 << 6 | 1 << 9 | 1 << 10;

/// Most dependencies of one kind. The kernel's packages have some thousands.
const MAX_DEPENDENCIES: usize = 1 << 20;

impl Rpm {
    /// Name, epoch, version and release, architecture: what it is.
    ///
    /// # Errors
    ///
    /// If its epoch does not fit.
    pub fn evr(&self) -> Result<Evr, RpmError> {
        let text = |tag| self.header.text(tag).unwrap_or_default();
        let epoch = self.header.number(tag::EPOCH).unwrap_or(0);
        let epoch = u32::try_from(epoch).map_err(|_| RpmError::Number { what: "its epoch", value: epoch })?;
        Ok(Evr { epoch, version: text(tag::VERSION).into(), release: Some(text(tag::RELEASE).into()) })
    }

    /// What it says of itself. Where the package lies, how large its file is and what that comes
    /// to nobody says in a header: `location` and `digest` are empty and `size` is 0.
    ///
    /// # Errors
    ///
    /// If its dependencies cannot be understood, or its files do not fit together.
    pub fn package(&self) -> Result<Package, RpmError> {
        let header = &self.header;
        let shared = |tag| -> Arc<str> { header.text(tag).unwrap_or_default().into() };
        let owned = |tag| header.text(tag).unwrap_or_default().into_owned();
        let installed_size = header.number(tag::LONGSIZE).or_else(|| header.number(tag::SIZE));
        let files = self.files()?;
        Ok(Package {
            name: shared(tag::NAME),
            evr: self.evr()?,
            arch: shared(tag::ARCH),
            summary: owned(tag::SUMMARY),
            license: shared(tag::LICENSE),
            url: owned(tag::URL),
            vendor: shared(tag::VENDOR),
            source: shared(tag::SOURCERPM),
            installed_size: installed_size.unwrap_or(0),
            build_time: header.number(tag::BUILDTIME).and_then(|time| time.try_into().ok()).unwrap_or(0),
            provides: PROVIDES.read(header, relation)?,
            requires: REQUIRES.read(header, requirement)?,
            conflicts: CONFLICTS.read(header, dependency)?,
            obsoletes: OBSOLETES.read(header, relation)?,
            recommends: RECOMMENDS.read(header, dependency)?,
            suggests: SUGGESTS.read(header, dependency)?,
            supplements: SUPPLEMENTS.read(header, dependency)?,
            enhances: ENHANCES.read(header, dependency)?,
            // A ghost is among them: who needs it has it from this package.
            files: files.iter().map(|file| absolute(file.path.as_bytes())).collect(),
            ..Package::default()
        })
    }
}

fn absolute(path: &[u8]) -> Arc<str> {
    format!("/{}", String::from_utf8_lossy(path)).into()
}

/// Names, flags and versions of a kind of dependency.
struct Lists {
    what: &'static str,
    names: u32,
    flags: u32,
    versions: u32,
}

const fn lists(what: &'static str, names: u32, flags: u32, versions: u32) -> Lists {
    Lists { what, names, flags, versions }
}

const PROVIDES: Lists = lists("provides", tag::PROVIDENAME, tag::PROVIDEFLAGS, tag::PROVIDEVERSION);
const REQUIRES: Lists = lists("requires", tag::REQUIRENAME, tag::REQUIREFLAGS, tag::REQUIREVERSION);
const CONFLICTS: Lists = lists("conflicts", tag::CONFLICTNAME, tag::CONFLICTFLAGS, tag::CONFLICTVERSION);
const OBSOLETES: Lists = lists("obsoletes", tag::OBSOLETENAME, tag::OBSOLETEFLAGS, tag::OBSOLETEVERSION);
const RECOMMENDS: Lists = lists("recommends", tag::RECOMMENDNAME, tag::RECOMMENDFLAGS, tag::RECOMMENDVERSION);
const SUGGESTS: Lists = lists("suggests", tag::SUGGESTNAME, tag::SUGGESTFLAGS, tag::SUGGESTVERSION);
const SUPPLEMENTS: Lists =
    lists("supplements", tag::SUPPLEMENTNAME, tag::SUPPLEMENTFLAGS, tag::SUPPLEMENTVERSION);
const ENHANCES: Lists = lists("enhances", tag::ENHANCENAME, tag::ENHANCEFLAGS, tag::ENHANCEVERSION);

impl Lists {
    fn read<T>(
        &self,
        header: &Header,
        make: impl Fn(&str, u32, &str) -> Result<T, DependencyError>,
    ) -> Result<Vec<T>, RpmError> {
        let [names, flags, versions] = [self.names, self.flags, self.versions].map(|tag| header.count(tag));
        // Very old packages have names and nothing else of some kinds.
        let bare = flags == 0 && versions == 0;
        if names > MAX_DEPENDENCIES || (!bare && (names != flags || names != versions)) {
            return Err(RpmError::Uneven { what: self.what, names, flags, versions });
        }
        let mut flags = header.numbers(self.flags).into_iter();
        let mut versions = header.texts(self.versions);
        let mut all = Vec::new();
        for name in header.texts(self.names) {
            let value = flags.next().unwrap_or(0);
            let flags = u32::try_from(value)
                .map_err(|_| RpmError::Number { what: "flags of a dependency", value })?;
            all.push(make(&name, flags, &versions.next().unwrap_or_default())?);
        }
        Ok(all)
    }
}

fn relation(name: &str, flags: u32, evr: &str) -> Result<Relation, DependencyError> {
    Relation::of_header(name, flags, evr)
}

fn dependency(name: &str, flags: u32, evr: &str) -> Result<Dependency, DependencyError> {
    Dependency::of_header(name, flags, evr)
}

fn requirement(name: &str, flags: u32, evr: &str) -> Result<Requirement, DependencyError> {
    Ok(Requirement { dependency: dependency(name, flags, evr)?, pre: flags & PRE != 0 })
}
