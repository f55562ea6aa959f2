//! What is known of distributions: releases, repositories, architectures, keys. The facts are in
//! `releases.toml`.

mod keys;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use keys::key;
use serde::Deserialize;

use crate::repository::{Repository, Variables};

/// The distribution that is meant where none is named.
const DEFAULT: &str = "fedora";

/// What `releases.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    arch: Vec<Arch>,
    distribution: Vec<Distribution>,
}

/// An architecture.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arch {
    /// OCI's name, with its variant: `arm/v7`.
    pub oci: String,
    /// rpm's name: `armv7hl`.
    pub rpm: String,
    /// What repositories call it, where that is another name: `armhfp`.
    basearch: Option<String>,
}

/// A distribution.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// What commands call it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// `ID` of os-release, if that is another name.
    id: Option<String>,
    aliases: Vec<String>,
    default: String,
    archs: Vec<String>,
    /// Releases have minor ones, with repositories of their own.
    #[serde(default)]
    points: bool,
    #[serde(default)]
    repo_gpgcheck: bool,
    /// Values of variables by architecture; "" is for all others.
    #[serde(default)]
    variables: BTreeMap<String, BTreeMap<String, String>>,
    /// What to do about keys that are not here.
    key_hint: Option<String>,
    /// Where rpm has its database, below the root.
    rpmdb: Option<String>,
    release: Vec<KnownRelease>,
    repository: Vec<KnownRepository>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownRelease {
    version: String,
    #[serde(default)]
    words: Vec<String>,
    platform: Option<String>,
    #[serde(default)]
    keys: Vec<String>,
    archs: Option<Vec<String>>,
    /// `ID` of os-release, if this release has one of its own.
    id: Option<String>,
    /// Where this release has it, if elsewhere.
    rpmdb: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownRepository {
    id: String,
    name: String,
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    archs: Vec<String>,
    #[serde(default = "yes")]
    enabled: bool,
    keys: Option<Vec<String>>,
    metalink: Option<String>,
    mirrorlist: Option<String>,
    url: Option<String>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
static KNOWN: LazyLock<Known> =
    LazyLock::new(|| toml::from_str(include_str!("releases.toml")).expect("releases.toml can be read"));

/// A release that is asked for.
#[derive(Debug, Clone)]
pub struct Release {
    /// Of what.
    pub distribution: &'static Distribution,
    /// `$releasever`: `42`, or `9.4` where only that minor release is meant.
    pub version: String,
    known: &'static KnownRelease,
}

/// A repository that is known, and who signs for it.
#[derive(Debug, Clone)]
pub struct Preset {
    /// It.
    pub repository: Repository,
    /// What records call it, if that is not where it came from.
    pub canonical: Option<String>,
    /// Keys that may sign its packages and its metadata.
    pub fingerprints: Vec<String>,
}

/// Why a word is no release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// No distribution is called so.
    #[error("there is no distribution \"{word}\" here: known are {}", known.join(", "))]
    Distribution {
        /// What was asked for.
        word: String,
        /// What there is.
        known: Vec<String>,
    },
    /// It has no such release.
    #[error("there is no release \"{word}\" of {title} here: known are {}", known.join(", "))]
    Release {
        /// What was asked for.
        word: String,
        /// Of what.
        title: String,
        /// What there is.
        known: Vec<String>,
        /// The same word with other distributions.
        others: Vec<String>,
    },
    /// It is not made for the architecture.
    #[error("{release} is not made for {arch}, but for {}", known.join(", "))]
    Arch {
        /// The release.
        release: String,
        /// What was asked for.
        arch: String,
        /// What there is, by OCI's names.
        known: Vec<String>,
    },
}

impl Arch {
    /// What repositories call it: `$basearch`.
    pub fn basearch(&self) -> &str {
        self.basearch.as_deref().unwrap_or(&self.rpm)
    }
}

/// The architecture with this name, OCI's or rpm's.
pub fn arch(name: &str) -> Option<&'static Arch> {
    // The one variant of arm64, which some tools write out.
    let name = if name == "arm64/v8" { "arm64" } else { name };
    KNOWN.arch.iter().find(|arch| arch.oci == name || arch.rpm == name)
}

/// Words for all releases, as [`find`] takes them without a distribution.
pub fn words() -> Vec<String> {
    let of = |distribution: &'static Distribution| {
        distribution.release.iter().map(|release| format!("{}-{}", distribution.name, release.version))
    };
    KNOWN.distribution.iter().flat_map(of).collect()
}

/// Where a release's rpm has its database, below the root; `None` where that is not known.
pub fn database(distribution: &str, release: &str) -> Option<&'static str> {
    let releases = KNOWN.distribution.iter().filter_map(|known| known.release(release));
    let release = releases.into_iter().find(|release| release.id() == distribution)?;
    let distribution = release.distribution;
    release.known.rpmdb.as_deref().or(distribution.rpmdb.as_deref())
}

/// Names of all distributions.
pub fn distributions() -> Vec<String> {
    KNOWN.distribution.iter().map(|distribution| distribution.name.clone()).collect()
}

/// The release that is meant by a word (`42`, `fedora-42`, `fedora:42`, `al2023`) and, where it
/// is a number alone, by the name of its distribution; Fedora's where neither says so.
///
/// # Errors
///
/// If there is no such distribution, or no such release of it.
pub fn find(word: Option<&str>, distribution: Option<&str>) -> Result<Release, ReleaseError> {
    let named = distribution.map(|name| {
        let unknown = || ReleaseError::Distribution { word: name.to_owned(), known: distributions() };
        KNOWN.distribution.iter().find(|known| known.is_called(&normal(name))).ok_or_else(unknown)
    });
    let named = named.transpose()?;
    let word = word.map(normal);
    if let (None, Some(word)) = (named, &word)
        && let Some(release) = KNOWN.distribution.iter().find_map(|known| known.qualified(word))
    {
        return Ok(release);
    }
    let default = || KNOWN.distribution.iter().find(|known| known.name == DEFAULT);
    let Some(distribution) = named.or_else(default) else {
        return Err(ReleaseError::Distribution { word: DEFAULT.to_owned(), known: distributions() });
    };
    let word = word.unwrap_or_else(|| distribution.default.clone());
    let found = distribution.release(&word).or_else(|| distribution.qualified(&word));
    found.ok_or_else(|| {
        let others = KNOWN.distribution.iter().filter(|other| other.release(&word).is_some());
        ReleaseError::Release {
            title: distribution.title.clone(),
            known: distribution.release.iter().map(|release| release.version.clone()).collect(),
            others: others.map(|other| format!("{}-{word}", other.name)).collect(),
            word,
        }
    })
}

fn normal(word: &str) -> String {
    word.trim().to_ascii_lowercase().replace([':', ' ', '_'], "-")
}

impl Distribution {
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    fn is_called(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The release with this version or word.
    fn release(&'static self, word: &str) -> Option<Release> {
        let is =
            |known: &&KnownRelease| known.version == word || known.words.iter().any(|other| other == word);
        if let Some(known) = self.release.iter().find(is) {
            return Some(Release { distribution: self, version: known.version.clone(), known });
        }
        let (major, minor) = word.split_once('.').filter(|_| self.points)?;
        let known = self.release.iter().find(|known| known.version == major)?;
        let is_number =
            minor.len() <= 2 && minor.bytes().all(|byte| byte.is_ascii_digit()) && !minor.is_empty();
        is_number.then(|| Release { distribution: self, version: word.to_owned(), known })
    }

    /// The release with this version behind the distribution's name, or a word of its own.
    fn qualified(&'static self, word: &str) -> Option<Release> {
        let behind = |name: &str| {
            let rest = word.strip_prefix(name)?;
            self.release(rest.strip_prefix('-').unwrap_or(rest))
        };
        // A number alone is no release of any distribution.
        let is_own = word.contains(|c: char| c.is_ascii_alphabetic());
        let own = || is_own.then(|| self.release(word)).flatten();
        self.names().find_map(behind).or_else(own)
    }
}

impl Release {
    /// `ID` of os-release, by which scanners know it: `almalinux`.
    pub fn id(&self) -> &str {
        self.known.id.as_ref().or(self.distribution.id.as_ref()).unwrap_or(&self.distribution.name)
    }

    /// What messages call it: `Fedora 42`.
    pub fn title(&self) -> String {
        format!("{} {}", self.distribution.title, self.version)
    }

    /// What modules call it: `platform:el9`.
    pub fn platform(&self) -> Option<&str> {
        self.known.platform.as_deref()
    }

    /// What to do about keys that do not come with the plugin.
    pub fn key_hint(&self) -> Option<&str> {
        self.distribution.key_hint.as_deref()
    }

    /// Variables in what is written of its repositories.
    pub fn variables(&self, arch: &Arch) -> Variables {
        let mut variables = Variables::new(&self.version, arch.basearch());
        for (name, values) in &self.distribution.variables {
            if let Some(value) = values.get(&arch.rpm).or_else(|| values.get("")) {
                let value = variables.expand(value);
                variables.set(name, value);
            }
        }
        variables
    }

    /// Its repositories for an architecture, those that are off included.
    ///
    /// # Errors
    ///
    /// If it is not made for that.
    pub fn presets(&self, arch: &Arch) -> Result<Vec<Preset>, ReleaseError> {
        let archs = self.known.archs.as_ref().unwrap_or(&self.distribution.archs);
        if !archs.contains(&arch.rpm) {
            let oci = |name: &String| self::arch(name).map_or(name.clone(), |arch| arch.oci.clone());
            return Err(ReleaseError::Arch {
                release: self.title(),
                arch: arch.oci.clone(),
                known: archs.iter().map(oci).collect(),
            });
        }
        let variables = self.variables(arch);
        let version = &self.known.version;
        let here = |known: &&KnownRepository| {
            (known.only.is_empty() || known.only.contains(version))
                && !known.except.contains(version)
                && (known.archs.is_empty() || known.archs.contains(&arch.rpm))
        };
        let known = self.distribution.repository.iter().filter(here);
        Ok(known.map(|known| self.preset(known, &variables)).collect())
    }

    fn preset(&self, known: &KnownRepository, variables: &Variables) -> Preset {
        let expand = |text: &String| variables.expand(text);
        let canonical = known.url.as_ref().map(expand);
        let repository = Repository {
            id: expand(&known.id),
            name: expand(&known.name),
            baseurl: canonical.iter().cloned().collect(),
            metalink: known.metalink.as_ref().map(expand),
            mirrorlist: known.mirrorlist.as_ref().map(expand),
            enabled: known.enabled,
            gpgcheck: Some(true),
            repo_gpgcheck: Some(self.distribution.repo_gpgcheck),
            ..Repository::default()
        };
        let fingerprints = known.keys.as_ref().unwrap_or(&self.known.keys).clone();
        Preset { repository, canonical, fingerprints }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::repository::{is_id, is_url};

    fn found(word: &str, distribution: Option<&str>) -> String {
        find(Some(word), distribution).map_or_else(|e| e.to_string(), |release| release.title())
    }

    #[test]
    fn a_release_has_several_names() {
        for (word, distribution, title) in [
            ("42", None, "Fedora 42"),
            ("fedora-42", None, "Fedora 42"),
            ("Fedora:42", None, "Fedora 42"),
            ("f42", None, "Fedora 42"),
            ("rawhide", None, "Fedora rawhide"),
            ("9", Some("centos-stream"), "CentOS Stream 9"),
            ("centos-stream-9", None, "CentOS Stream 9"),
            ("centos-stream-9", Some("centos"), "CentOS Stream 9"),
            ("rocky-9", None, "Rocky Linux 9"),
            ("rocky9.4", None, "Rocky Linux 9.4"),
            ("alma-9", None, "AlmaLinux 9"),
            ("leap-15.6", None, "openSUSE 15.6"),
            ("tumbleweed", None, "openSUSE tumbleweed"),
            ("opensuse-tumbleweed", None, "openSUSE tumbleweed"),
            ("tumbleweed", Some("opensuse"), "openSUSE tumbleweed"),
            ("al2023", None, "Amazon Linux 2023"),
            ("azurelinux-3", None, "Azure Linux 3.0"),
            ("ubi9", None, "Red Hat Universal Base Image 9"),
        ] {
            assert_eq!(found(word, distribution), title, "{word}");
        }
        assert_eq!(find(None, None).unwrap().title(), "Fedora 44");
        assert_eq!(find(None, Some("rocky")).unwrap().title(), "Rocky Linux 10");
    }

    #[test]
    fn what_is_unknown_is_said_with_what_is_known() {
        let Err(ReleaseError::Release { known, others, .. }) = find(Some("9"), None) else { panic!() };
        assert!(known.contains(&"42".to_owned()));
        assert_eq!(others, ["centos-stream-9", "rocky-9", "alma-9", "ubi-9"]);
        assert!(
            found("bookworm", None)
                .starts_with("there is no release \"bookworm\" of Fedora here: known are 40")
        );
        assert!(found("9.4", Some("centos-stream")).contains("no release"));
        assert!(found("9", Some("debian")).contains("no distribution \"debian\""));
        for bad in ["rocky-9.x", "rocky-9.", "rocky-9.123", "", "-", "fedora-"] {
            assert!(find(Some(bad), None).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_release_has_repositories_with_good_urls_and_known_keys() {
        let mut used = BTreeSet::new();
        for word in words() {
            let release = find(Some(&word), None).unwrap();
            for arch in &KNOWN.arch {
                let Ok(presets) = release.presets(arch) else { continue };
                assert!(presets.iter().any(|preset| preset.repository.enabled), "{word} {}", arch.oci);
                let ids: BTreeSet<_> = presets.iter().map(|preset| &preset.repository.id).collect();
                assert_eq!(ids.len(), presets.len(), "{word}");
                for Preset { repository, fingerprints, .. } in &presets {
                    let Repository { metalink, mirrorlist, baseurl, id, .. } = repository;
                    let urls: Vec<_> = metalink.iter().chain(mirrorlist).chain(baseurl).collect();
                    assert!(is_id(id) && !urls.is_empty(), "{word} {id}");
                    assert!(urls.iter().all(|url| is_url(url) && !url.contains('$')), "{urls:?}");
                    assert_eq!(fingerprints.is_empty(), release.key_hint().is_some(), "{word} {id}");
                    assert!(fingerprints.iter().all(|fingerprint| key(fingerprint).is_some()), "{word} {id}");
                    used.extend(fingerprints.iter().cloned());
                }
            }
        }
        assert_eq!(used.iter().map(String::as_str).collect::<Vec<_>>(), keys::fingerprints());
    }

    #[test]
    fn architectures_have_two_names() {
        for name in ["amd64", "x86_64"] {
            assert_eq!(arch(name).unwrap().basearch(), "x86_64");
        }
        assert_eq!(arch("arm/v7").unwrap().basearch(), "armhfp");
        assert_eq!(arch("arm64/v8").unwrap().rpm, "aarch64");
        let error = find(Some("42"), None).unwrap().presets(arch("386").unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "Fedora 42 is not made for 386, but for amd64, arm64, ppc64le, s390x");
    }
}
