//! What is known of the distributions: their releases, archives and keys.
//!
//! The facts are data, `releases.toml`; this says what they mean. A release that is not in it
//! (one to come, or a derivative's) is no less buildable: [`Release::unknown`] stands for any
//! suite of which the user says where it is and whose key signs it.

mod arch;
mod keys;
mod stamp;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

pub use arch::{dpkg_arch, oci_arch};
pub use keys::key;
pub use stamp::Stamp;

use crate::repository::{Repository, SignedBy};

/// The content of `releases.toml`.
static DATA: LazyLock<Data> = LazyLock::new(|| {
    toml::from_str(include_str!("releases.toml")).expect("a test reads the compiled-in data")
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    distribution: BTreeMap<String, Distribution>,
    release: Vec<Release>,
}

/// Where a distribution publishes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Distribution {
    main: Archive,
    security: Archive,
    /// Code names of releases that are not in the data.
    other: Vec<String>,
}

/// One tree with a `dists` folder, or several that are published together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    url: String,
    /// Where the architectures other than amd64 and i386 are, if elsewhere.
    ports: Option<String>,
    /// Where releases go after their end of life, if elsewhere.
    retired: Option<String>,
    /// A snapshot, with `{stamp}` for its moment.
    snapshot: String,
    /// Fingerprints of what signs there.
    keys: Vec<String>,
}

/// What an archive is for; each has its own signing keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveKind {
    /// The releases, their updates and backports.
    Main,
    /// Security updates.
    Security,
}

/// Fingerprints per archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Keys {
    main: Vec<String>,
    security: Vec<String>,
}

/// A release of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// `debian` or `ubuntu`; `None` for a release that is not known.
    pub distribution: Option<String>,
    /// The suite by its lasting name: `bookworm`, never `stable`.
    pub codename: String,
    /// `12`, `24.04`; `None` for what is never released.
    #[serde(default)]
    pub version: Option<String>,
    /// Names that move from release to release: `oldstable`. As of this version of ctr-forge.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whether `bin`, `sbin` and `lib*` are links into `usr`, and have to be before the first
    /// package is unpacked. `None`: not known; a repository with a package `usr-is-merged` says
    /// yes, which is the rule of mmdebstrap's hook `maybe-merged-usr`.
    ///
    /// For Debian the data follow that rule, and so the official images: bullseye has no such
    /// package. For Ubuntu they follow debootstrap (`scripts/gutsy`), which merges from 19.04
    /// on: 21.04 to 22.04 are supported in no other way, but have no such package yet.
    pub merged_usr: Option<bool>,
    /// Whether base-files ships those links, and no more than its own ABI needs.
    #[serde(default)]
    pub links_in_base_files: bool,
    /// Moved to the archive of old releases.
    #[serde(default)]
    pub retired: bool,
    /// Suites that make up the release, where they are not those of [`Release::repositories`].
    #[serde(default)]
    suites: Vec<String>,
    #[serde(default)]
    keys: Keys,
}

/// What a suite's name says: `bookworm-security` belongs to Debian's security archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuiteKind {
    /// `debian` or `ubuntu`.
    pub distribution: &'static str,
    /// Where the suite is.
    pub archive: ArchiveKind,
}

impl Archive {
    /// Where this architecture (dpkg's name) is.
    fn url(&self, arch: &str) -> &str {
        match &self.ports {
            Some(ports) if !["amd64", "i386"].contains(&arch) => ports,
            _ => &self.url,
        }
    }

    /// Where to find a release, at a moment or now.
    fn url_of(&self, release: &Release, arch: &str, snapshot: Option<&Stamp>) -> String {
        match (snapshot, &self.retired) {
            (Some(stamp), _) => self.snapshot.replace("{stamp}", &stamp.to_string()),
            (None, Some(retired)) if release.retired => retired.clone(),
            (None, _) => self.url(arch).to_owned(),
        }
    }
}

impl Distribution {
    fn archive(&self, kind: ArchiveKind) -> &Archive {
        match kind {
            ArchiveKind::Main => &self.main,
            ArchiveKind::Security => &self.security,
        }
    }
}

impl Release {
    /// A release of which nothing is known but a suite's name. It has no repositories and no
    /// keys of its own: the user names both.
    pub fn unknown(suite: &str) -> Self {
        Self {
            distribution: None,
            codename: suite.to_owned(),
            version: None,
            aliases: Vec::new(),
            merged_usr: None,
            links_in_base_files: false,
            retired: false,
            suites: Vec::new(),
            keys: Keys::default(),
        }
    }

    /// The components to use where the user names none. As for debootstrap it is `main` alone
    /// for every distribution: mmdebstrap adds Ubuntu's `universe`, but what is essential,
    /// required or important is in `main`, and a package that is missing is soon noticed.
    pub fn default_components(&self) -> &'static [&'static str] {
        &["main"]
    }

    /// The repositories to use where the user names none, for an architecture by dpkg's name.
    ///
    /// As mmdebstrap chooses them: the suite, its updates and its security updates, but sid
    /// alone for sid. A snapshot's dates are long past, so its validity is not checked.
    /// Empty for a release that is not known.
    pub fn repositories(
        &self,
        arch: &str,
        components: &[String],
        snapshot: Option<&Stamp>,
    ) -> Vec<Repository> {
        let Some(distribution) = self.published() else { return Vec::new() };
        self.suites()
            .into_iter()
            .map(|(suite, kind)| {
                let url = distribution.archive(kind).url_of(self, arch, snapshot);
                let signed_by = SignedBy::Fingerprints(self.fingerprints(kind));
                let components = components.to_vec();
                let check_valid_until = snapshot.is_none();
                Repository { components, signed_by, check_valid_until, ..Repository::new(url, suite) }
            })
            .collect()
    }

    /// Fingerprints of the keys that may sign this release in an archive, in upper case.
    pub fn fingerprints(&self, archive: ArchiveKind) -> Vec<String> {
        let shared = self.published().map_or(&[][..], |distribution| &distribution.archive(archive).keys);
        let own = match archive {
            ArchiveKind::Main => &self.keys.main,
            ArchiveKind::Security => &self.keys.security,
        };
        shared.iter().chain(own).cloned().collect()
    }

    /// The keys of [`Release::fingerprints`], each a certificate in binary OpenPGP packets.
    pub fn keys(&self, archive: ArchiveKind) -> Vec<&'static [u8]> {
        self.fingerprints(archive).iter().filter_map(|fingerprint| key(fingerprint)).collect()
    }

    /// Whether a repository is one of the distribution's own in its canonical place, so that
    /// a mirror of the distribution can stand in for it. A snapshot is not, nor is an archive
    /// of old releases: mirrors have neither.
    pub fn has_mirrors(&self, repository: &Repository) -> bool {
        let (Some(published), Some(kind)) = (self.published(), suite_kind(&repository.suite)) else {
            return false;
        };
        let archive = published.archive(kind.archive);
        let canonical = archive.url == repository.url || archive.ports.as_ref() == Some(&repository.url);
        Some(kind.distribution) == self.distribution.as_deref() && canonical
    }

    fn published(&self) -> Option<&'static Distribution> {
        DATA.distribution.get(self.distribution.as_deref()?)
    }

    fn suites(&self) -> Vec<(String, ArchiveKind)> {
        if !self.suites.is_empty() {
            return self.suites.iter().map(|suite| (suite.clone(), ArchiveKind::Main)).collect();
        }
        [("", ArchiveKind::Main), ("-updates", ArchiveKind::Main), ("-security", ArchiveKind::Security)]
            .map(|(pocket, kind)| (format!("{}{pocket}", self.codename), kind))
            .into()
    }

    /// Code name, aliases and version: what it is called.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.suite_names().chain(self.version.as_deref())
    }

    /// Code name and aliases: what a suite can be called.
    fn suite_names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.codename.as_str()).chain(self.aliases.iter().map(String::as_str))
    }
}

/// Every release that is known, the oldest of each distribution first.
pub fn all() -> &'static [Release] {
    &DATA.release
}

/// The release of this code name, alias or version: `bookworm`, `oldstable`, `12`.
pub fn find(word: &str) -> Option<&'static Release> {
    all().iter().find(|release| release.names().any(|name| name.eq_ignore_ascii_case(word)))
}

/// Names of releases that a mistyped word may have meant: at most three, the nearest first.
pub fn suggest(word: &str) -> Vec<String> {
    const LONGEST: usize = 32;
    if word.len() > LONGEST {
        return Vec::new();
    }
    let word = word.to_ascii_lowercase();
    let mut near: Vec<(usize, &str)> = all()
        .iter()
        .flat_map(Release::suite_names)
        .map(|name| (distance(&word, name), name))
        .filter(|(distance, name)| *distance <= name.len() / 3)
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// How many characters to add, drop or replace to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Whose suite this is, and of which archive; `None` for one that is no distribution's.
///
/// Debian's `buster/updates` was the form of security suites before bullseye.
pub fn suite_kind(suite: &str) -> Option<SuiteKind> {
    const POCKETS: [(&str, ArchiveKind); 8] = [
        ("", ArchiveKind::Main),
        ("-updates", ArchiveKind::Main),
        ("-backports", ArchiveKind::Main),
        ("-backports-sloppy", ArchiveKind::Main),
        ("-proposed", ArchiveKind::Main),
        ("-proposed-updates", ArchiveKind::Main),
        ("-security", ArchiveKind::Security),
        ("/updates", ArchiveKind::Security),
    ];
    POCKETS.iter().find_map(|(pocket, archive)| {
        let distribution = distribution_of(suite.strip_suffix(pocket)?)?;
        Some(SuiteKind { distribution, archive: *archive })
    })
}

fn distribution_of(suite: &str) -> Option<&'static str> {
    let known = all().iter().find(|release| release.suite_names().any(|name| name == suite));
    let other = || DATA.distribution.iter().find(|(_, at)| at.other.iter().any(|name| name == suite));
    known
        .and_then(|release| release.distribution.as_deref())
        .or_else(|| other().map(|(name, _)| name.as_str()))
}

#[cfg(test)]
mod tests;
