//! What `resolve` hands to `build`: everything that decides the result.
//!
//! A package is pinned by its identity, the SHA-1 of its control member, and that has the
//! SHA-256 of its files; apk's indexes have no digest of the whole file.

use ctr_forge_plugin::{Error, ErrorKind, Result, TrustLink};
use serde::{Deserialize, Serialize};

use crate::dependency::Dependency;
use crate::package::sha1_of;
use crate::version;

/// The source's part of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Lock {
    /// The folder of the release; empty where there are only repositories of the user's.
    pub(crate) release: String,
    /// Alpine's name.
    pub(crate) arch: String,
    /// The newest date of the packages, seconds since 1970.
    pub(crate) epoch: i64,
    /// The repositories, in the order of their numbers.
    pub(crate) repositories: Vec<LockedRepository>,
    /// Who vouched for what when the packages were chosen.
    #[serde(default)]
    pub(crate) trust: Vec<TrustLink>,
    /// What was asked for, as apk will find it in `/etc/apk/world`.
    pub(crate) world: Vec<String>,
    /// The packages in the order of their installation.
    pub(crate) packages: Vec<LockedPackage>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LockedRepository {
    /// Without a slash at its end.
    pub(crate) url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LockedPackage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) arch: String,
    /// Which of the repositories has it; absent for a file of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<usize>,
    /// `Q1` and the SHA-1 of its control member in Base64.
    pub(crate) identity: String,
    /// Bytes of its file.
    pub(crate) size: u64,
    /// Bytes of what it installs.
    pub(crate) installed_size: u64,
    pub(crate) purl: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) licences: Vec<String>,
}

impl LockedPackage {
    /// What messages call it.
    pub(crate) fn title(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

impl Lock {
    /// The lock in a message. It may be the user's file, so it is checked like any input.
    pub(crate) fn parse(value: &serde_json::Value) -> Result<Self> {
        let bad = |what: String| Error::new(ErrorKind::Input, what).hint("Delete it to resolve anew.");
        let lock = Self::deserialize(value)
            .map_err(|e| bad("the lock has no part for alpine that can be read".into()).because(&e))?;
        for repository in &lock.repositories {
            let url = &repository.url;
            let is_word = |word: &str| !word.contains(|c: char| c.is_whitespace() || c.is_control());
            if !is_word(url) || !repository.tag.as_deref().is_none_or(is_word) {
                return Err(bad(format!("the lock has a repository {url:?} that is none")));
            }
            if !["http://", "https://", "file://"].iter().any(|scheme| url.starts_with(scheme)) {
                return Err(bad(format!("the lock has a repository at \"{url}\", which is no URL")));
            }
        }
        for word in &lock.world {
            Dependency::parse(word)
                .map_err(|e| bad(format!("the lock has {word:?} in its world")).because(&e))?;
        }
        let words = [&lock.arch, &lock.release];
        if let Some(word) = words.into_iter().find(|word| word.contains(|c: char| c.is_control())) {
            return Err(bad(format!("the lock has {word:?}, which is no word")));
        }
        for package in &lock.packages {
            let wrong = |what: &str| bad(format!("the lock has {what} for {}", package.title()));
            if package.repository.is_some_and(|number| number >= lock.repositories.len()) {
                return Err(wrong("no repository"));
            }
            let is_name = |name: &str| {
                !name.is_empty()
                    && !name.starts_with('.')
                    && !name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
            };
            if !is_name(&package.name) || !version::is_valid(&package.version) {
                return Err(wrong("an impossible name or version"));
            }
            if sha1_of(&package.identity).is_none() {
                return Err(wrong("no identity"));
            }
        }
        Ok(lock)
    }

    /// As JSON.
    pub(crate) fn to_value(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|e| Error::plugin("cannot encode the lock").because(&e))
    }
}
