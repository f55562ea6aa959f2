//! What `resolve` hands to `build`: everything that decides the result.
//!
//! URLs in it are those of the distribution, or of the repository that the user named: whichever
//! mirror carried the bytes is of no account, as every file has its digest.

use ctr_forge_plugin::{Error, ErrorKind, Result, TrustLink};
use ctr_forge_rootfs::RootPath;
use serde::{Deserialize, Serialize};

use crate::install::MergedUsr;

/// The source's part of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Lock {
    /// The suite by its lasting name.
    pub(crate) release: String,
    /// `debian`, `ubuntu`, or what a repository calls itself.
    pub(crate) distribution: String,
    /// dpkg's name.
    pub(crate) arch: String,
    /// Architectures beside it, dpkg's names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) foreign: Vec<String>,
    /// Which of `bin`, `sbin` and `lib*` are links into `usr` from the start.
    pub(crate) merged_usr: MergedUsr,
    /// The newest date of the signed indexes, seconds since 1970.
    pub(crate) epoch: i64,
    /// The signed indexes.
    pub(crate) indexes: Vec<LockedIndex>,
    /// Who vouched for what when the packages were chosen.
    #[serde(default)]
    pub(crate) trust: Vec<TrustLink>,
    /// How many of the first strata are the variant's own.
    #[serde(default)]
    pub(crate) base: u32,
    /// The packages in the order of their installation.
    pub(crate) packages: Vec<LockedPackage>,
}

/// A signed index, as it was when the packages were chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LockedIndex {
    /// The repository's URL.
    pub(crate) url: String,
    /// Its suite.
    pub(crate) suite: String,
    /// Its components; empty for a repository that has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) components: Vec<String>,
    /// When it was signed, seconds since 1970.
    pub(crate) date: i64,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LockedPackage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) arch: String,
    /// Which of the indexes lists it; absent for a file of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<usize>,
    /// Its place below the repository's URL; for a file of the user's its name.
    pub(crate) path: String,
    /// `sha256:…` or `sha512:…`.
    pub(crate) digest: String,
    /// In bytes.
    pub(crate) size: u64,
    /// In which stratum it is installed: see `strata`.
    #[serde(default)]
    pub(crate) stratum: u32,
    pub(crate) purl: String,
}

impl LockedPackage {
    /// Where its repository offers it; `None` for a file of the user's.
    pub(crate) fn url(&self, lock: &Lock) -> Option<String> {
        let index = lock.indexes.get(self.index?)?;
        Some(format!("{}/{}", index.url, self.path))
    }

    /// What messages call it.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

impl Lock {
    /// The lock in a message. It may be the user's file, so it is checked like any input.
    pub(crate) fn parse(value: &serde_json::Value) -> Result<Self> {
        let bad = || Error::new(ErrorKind::Input, "the lock has no part for debootstrap that can be read");
        let hint = "Delete it to resolve anew.";
        let lock = Self::deserialize(value).map_err(|e| bad().because(&e).hint(hint))?;
        for index in &lock.indexes {
            if !["http://", "https://", "file://"].iter().any(|scheme| index.url.starts_with(scheme)) {
                let message = format!("the lock has an index at \"{}\", which is no URL", index.url);
                return Err(Error::new(ErrorKind::Input, message).hint(hint));
            }
        }
        for package in &lock.packages {
            let wrong = |what: &str| {
                Error::new(ErrorKind::Input, format!("the lock has {what} for {}", package.title()))
                    .hint(hint)
            };
            if package.index.is_some_and(|index| index >= lock.indexes.len()) {
                return Err(wrong("no index"));
            }
            if RootPath::new(package.path.as_bytes()).is_err() {
                return Err(wrong("an impossible path"));
            }
        }
        Ok(lock)
    }

    /// As JSON.
    pub(crate) fn to_value(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|e| Error::plugin("cannot encode the lock").because(&e))
    }
}
