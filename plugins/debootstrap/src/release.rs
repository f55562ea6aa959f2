//! The signed index of a repository.
//!
//! A Release file names every other index with its digest, so one signature is enough for all of
//! them; and it carries the dates that tell a current repository from one that somebody replays.
//! The text comes here when its signature has been verified, without the armour. Its form:
//! <https://wiki.debian.org/DebianRepository/Format>, and what apt makes of it.

mod date;
mod files;

pub use files::{IndexFile, by_hash_path};

use std::collections::BTreeMap;

use crate::control::{ControlError, Stanza};

/// The target of `No-Support-for-Architecture-all` that concerns packages.
const PACKAGES: &str = "Packages";

/// A Release file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `Origin`: whose repository it is. Empty where absent, as all texts here.
    pub origin: String,
    /// `Label`.
    pub label: String,
    /// `Suite`: `stable`, `noble-updates`.
    pub suite: String,
    /// `Codename`: `bookworm`.
    pub codename: String,
    /// `Version`: `12.15`.
    pub version: String,
    /// `Date` in seconds since 1970: when it was made.
    pub date: i64,
    /// `Valid-Until` in seconds since 1970, where the repository sets an end.
    pub valid_until: Option<i64>,
    /// `Acquire-By-Hash`: indexes can be had under [`by_hash_path`], which never changes.
    pub acquire_by_hash: bool,
    /// `Architectures`, in dpkg's names.
    pub architectures: Vec<String>,
    /// `Components`. Those of Debian's security suites have a prefix: `updates/main`.
    pub components: Vec<String>,
    /// `NotAutomatic`: nothing comes from here unless it is asked for.
    pub not_automatic: bool,
    /// `ButAutomaticUpgrades`: but what came from here is upgraded from here.
    pub but_automatic_upgrades: bool,
    /// `No-Support-for-Architecture-all: Packages`: the index of each architecture has the
    /// packages for all of them too.
    pub all_in_every_index: bool,
    /// Size and digest of every file that it lists with a strong one.
    files: BTreeMap<String, (u64, String)>,
}

/// Why a text is no Release file, or the repository cannot be used as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The text is not one stanza, or a field of it cannot be read.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A field without which it cannot be trusted is absent.
    #[error("the Release file has no {field}")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A date that is none, or not in UTC.
    #[error("{field} of the Release file is no date in UTC: \"{value}\"")]
    Date {
        /// The field.
        field: &'static str,
        /// The beginning of its value, odd bytes escaped.
        value: String,
    },
    /// MD5 and SHA-1 only, for which anybody can make files.
    #[error("the Release file has only MD5 or SHA-1 digests, which prove nothing")]
    WeakDigests,
    /// No digests at all.
    #[error("the Release file has no digests of any index")]
    NoDigests,
    /// A line of digests that is not a digest, a size and a path.
    #[error("{block} of the Release file has a line that is no digest, size and path: \"{line}\"")]
    Entry {
        /// `SHA256` or `SHA512`.
        block: &'static str,
        /// The beginning of the line, odd bytes escaped.
        line: String,
    },
    /// A digest that is not of its block's kind.
    #[error("{block} of the Release file has no {block} digest for {path}: \"{digest}\"")]
    EntryDigest {
        /// `SHA256` or `SHA512`.
        block: &'static str,
        /// The file.
        path: String,
        /// The beginning of what stands there, odd bytes escaped.
        digest: String,
    },
    /// A size that is no number of bytes.
    #[error("{block} of the Release file has no size in bytes for {path}: \"{size}\"")]
    EntrySize {
        /// `SHA256` or `SHA512`.
        block: &'static str,
        /// The file.
        path: String,
        /// The beginning of what stands there, odd bytes escaped.
        size: String,
    },
    /// A path that leads out of the suite's directory.
    #[error("{block} of the Release file lists a path outside the suite: \"{path}\"")]
    EntryPath {
        /// `SHA256` or `SHA512`.
        block: &'static str,
        /// The beginning of the path, odd bytes escaped.
        path: String,
    },
    /// A file with two sizes, or two digests of one kind.
    #[error("the Release file contradicts itself about {path}")]
    Contradiction {
        /// The file.
        path: String,
    },
    /// `Valid-Until` has passed.
    #[error(
        "the Release file expired on {}, {} ago: the mirror is out of date, or somebody replays an old one",
        date::Moment(*valid_until), date::Span(*since)
    )]
    Expired {
        /// `Valid-Until` in seconds since 1970.
        valid_until: i64,
        /// How many seconds ago that was.
        since: i64,
    },
    /// `Date` has not come yet.
    #[error("the Release file is dated {}, which is in the future: is this machine's clock right?",
        date::Moment(*date))]
    FromFuture {
        /// `Date` in seconds since 1970.
        date: i64,
    },
    /// A component that the repository does not have.
    #[error("there is no component \"{component}\" in this repository; there are: {known}")]
    Component {
        /// What was asked for.
        component: String,
        /// Those there are, separated by commas.
        known: String,
    },
    /// An architecture that the repository does not have.
    #[error("there is no architecture \"{arch}\" in this repository; there are: {known}")]
    Architecture {
        /// What was asked for, in dpkg's name.
        arch: String,
        /// Those there are, separated by commas.
        known: String,
    },
    /// Component and architecture are there, but no index for both.
    #[error("the Release file lists no {path}, in any compression known here")]
    NoPackages {
        /// The index, without compression.
        path: String,
    },
}

impl Release {
    /// Reads the text of a Release file, or of InRelease without its signature.
    pub fn parse(text: &[u8]) -> Result<Self, ReleaseError> {
        let stanza = Stanza::only(text)?;
        let text = |name| stanza.get(name).map(|value| value.unwrap_or_default().to_owned());
        let list = |name| match stanza.field(name) {
            Some(field) => Ok::<_, ControlError>(field.words()?.map(str::to_owned).collect()),
            None => Ok(Vec::new()),
        };
        let no_support: Vec<String> = list("No-Support-for-Architecture-all")?;
        Ok(Self {
            origin: text("Origin")?,
            label: text("Label")?,
            suite: text("Suite")?,
            codename: text("Codename")?,
            version: text("Version")?,
            date: date(&stanza, "Date")?.ok_or(ReleaseError::Missing { field: "Date" })?,
            valid_until: date(&stanza, "Valid-Until")?,
            acquire_by_hash: flag(&text("Acquire-By-Hash")?),
            architectures: list("Architectures")?,
            components: list("Components")?,
            not_automatic: flag(&text("NotAutomatic")?),
            but_automatic_upgrades: flag(&text("ButAutomaticUpgrades")?),
            all_in_every_index: no_support.iter().any(|target| target == PACKAGES),
            files: files::read(&stanza)?,
        })
    }

    /// Whether the file is neither expired nor from the future, at `now` in seconds since 1970.
    ///
    /// `leeway` in seconds is granted at both ends, for a clock that is a little wrong.
    pub fn freshness(&self, now: i64, leeway: u32) -> Result<(), ReleaseError> {
        let leeway = i64::from(leeway);
        if self.date.saturating_sub(leeway) > now {
            return Err(ReleaseError::FromFuture { date: self.date });
        }
        match self.valid_until {
            Some(valid_until) if valid_until.saturating_add(leeway) < now => {
                Err(ReleaseError::Expired { valid_until, since: now.saturating_sub(valid_until) })
            }
            _ => Ok(()),
        }
    }

    /// The priority that apt gives the packages of the repository, in the words of
    /// apt_preferences(5): 500, or 1 where they only come if asked for, or 100 where they
    /// are upgraded as well.
    pub fn pin_priority(&self) -> i32 {
        match (self.not_automatic, self.but_automatic_upgrades) {
            (true, true) => 100,
            (true, false) => 1,
            (false, _) => 500,
        }
    }

    /// Whether this is the Release file of `dist`, the directory below `dists/` that was asked for.
    ///
    /// One key signs all suites of a distribution, so a mirror could hand out another suite's.
    /// As in apt, `Suite` or `Codename` must be `dist`, whose last component does not count if it
    /// has several (`buster/updates`); and a repository without suites (`./`) can be any. Other
    /// than in apt, a codename does not count in a suite named after it: Ubuntu's `noble-updates`
    /// has the codename `noble`, but is not what `noble` asks for.
    pub fn answers_to(&self, dist: &str) -> bool {
        if dist.is_empty() || dist.ends_with('/') {
            return true;
        }
        let dist = dist.rsplit_once('/').map_or(dist, |(suite, _)| suite);
        let is_derived = || self.suite.strip_prefix(dist).is_some_and(|rest| rest.starts_with('-'));
        self.suite == dist || self.codename == dist && !is_derived()
    }
}

fn date(stanza: &Stanza<'_>, field: &'static str) -> Result<Option<i64>, ReleaseError> {
    let Some(value) = stanza.get(field)? else { return Ok(None) };
    let wrong = || ReleaseError::Date { field, value: crate::control::excerpt(value.as_bytes()) };
    date::parse(value).map(Some).ok_or_else(wrong)
}

/// The truth of a field, in apt's words. `force` is one of Acquire-By-Hash.
fn flag(value: &str) -> bool {
    const TRUE: [&str; 7] = ["yes", "true", "with", "on", "enable", "1", "force"];
    TRUE.iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
