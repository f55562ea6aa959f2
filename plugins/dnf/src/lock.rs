//! What `resolve` hands to `build`: everything that decides the result.

use ctr_forge_plugin::{Error, ErrorKind, Result, TrustLink};
use serde::{Deserialize, Serialize};

use crate::metadata::is_location;
use crate::metadata::primary::is_name;
use crate::repository::is_url;

/// The source's part of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Lock {
    /// Whose release, as os-release calls it: `fedora`; empty where there are only repositories of
    /// the user's.
    #[serde(default)]
    pub(crate) distro: String,
    /// What `$releasever` stands for.
    #[serde(default)]
    pub(crate) release: String,
    /// The architecture as rpm calls it: `x86_64`.
    pub(crate) arch: String,
    /// The newest date of the packages, seconds since 1970.
    pub(crate) epoch: i64,
    /// The repositories, in the order of their numbers.
    pub(crate) repositories: Vec<LockedRepository>,
    /// Who vouched for what when the packages were chosen.
    #[serde(default)]
    pub(crate) trust: Vec<TrustLink>,
    /// The packages in the order of their installation.
    pub(crate) packages: Vec<LockedPackage>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LockedRepository {
    /// As a `.repo` file calls it.
    pub(crate) id: String,
    /// Where its packages are, whichever mirror carries the bytes.
    pub(crate) url: String,
}

/// A package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LockedPackage {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) epoch: u32,
    pub(crate) version: String,
    pub(crate) release: String,
    pub(crate) arch: String,
    /// Which of the repositories has it; absent for a file of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<usize>,
    /// Its file below the repository, or a whole URL; empty for a file of the user's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) location: String,
    /// `sha256:…` or `sha512:…` of its file.
    pub(crate) digest: String,
    /// Bytes of its file.
    pub(crate) size: u64,
    /// Bytes of what it installs.
    pub(crate) installed_size: u64,
    pub(crate) purl: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) licences: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(epoch: &u32) -> bool {
    *epoch == 0
}

fn is_word(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Whether it is a digest to rely on, as downloads are asked for by it.
fn is_digest(text: &str) -> bool {
    let Some((kind, hex)) = text.split_once(':') else { return false };
    matches!((kind, hex.len()), ("sha256", 64) | ("sha512", 128))
        && hex.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

impl LockedPackage {
    /// What messages call it: `bash-5.2.32-1.fc42.x86_64`.
    pub(crate) fn title(&self) -> String {
        format!("{}-{}-{}.{}", self.name, self.version, self.release, self.arch)
    }

    /// Its whole version: `1:2.0-3`.
    pub(crate) fn evr(&self) -> String {
        match self.epoch {
            0 => format!("{}-{}", self.version, self.release),
            epoch => format!("{epoch}:{}-{}", self.version, self.release),
        }
    }
}

impl Lock {
    /// The lock in a message. It may be the user's file, so it is checked like any input.
    pub(crate) fn parse(value: &serde_json::Value) -> Result<Self> {
        let bad = |what: String| Error::new(ErrorKind::Input, what).hint("Delete it to resolve anew.");
        let lock = Self::deserialize(value)
            .map_err(|e| bad("the lock has no part for dnf that can be read".into()).because(&e))?;
        for repository in &lock.repositories {
            let url = &repository.url;
            if !is_url(url) || !is_word(&repository.id) || repository.id.is_empty() {
                return Err(bad(format!(
                    "the lock has a repository {:?} at {url:?} that is none",
                    repository.id
                )));
            }
        }
        if ![&lock.arch, &lock.release, &lock.distro].iter().all(|word| is_word(word)) {
            return Err(bad("the lock names a release that is none".into()));
        }
        for package in &lock.packages {
            let wrong = |what: &str| bad(format!("the lock has {what} for {:?}", package.title()));
            if package.repository.is_some_and(|number| number >= lock.repositories.len()) {
                return Err(wrong("no repository"));
            }
            if ![&package.name, &package.version, &package.release, &package.arch]
                .into_iter()
                .all(|word| is_name(word))
            {
                return Err(wrong("an impossible name or version"));
            }
            if !is_digest(&package.digest) {
                return Err(wrong("no digest"));
            }
            if package.repository.is_some() && !is_location(&package.location) {
                return Err(wrong("an impossible place"));
            }
        }
        Ok(lock)
    }

    /// As JSON.
    pub(crate) fn to_value(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|e| Error::plugin("cannot encode the lock").because(&e))
    }
}
