//! What the user asks for, as `plugin.toml` has it.

use std::path::Path;

use ctr_forge_packages::option::{self, WordOrPath};
use ctr_forge_plugin::{Error, PathValue, Result};
use serde::Deserialize;

use crate::engine::Engine;
use crate::package::{Package, Priority};
use crate::resolve::Want;

/// As `plugin.toml` has them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    #[serde(default)]
    suite: Option<String>,
    #[serde(default)]
    release: Option<String>,
    #[serde(default)]
    package: Vec<WordOrPath>,
    #[serde(default)]
    include: Vec<String>,
    /// Which packages, and what is done with them.
    #[serde(default)]
    pub variant: Variant,
    /// Packages never to be taken.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Parts of the archive.
    #[serde(default)]
    pub components: Vec<String>,
    /// The one archive to take the suite from.
    #[serde(default)]
    pub mirror: Option<String>,
    /// More repositories.
    #[serde(default)]
    pub repo: Vec<String>,
    /// Files with more repositories.
    #[serde(default)]
    pub repo_file: Vec<PathValue>,
    /// Public keys of the repositories that name none.
    #[serde(default)]
    pub key: Vec<PathValue>,
    /// Architectures beside the image's own.
    #[serde(default)]
    pub foreign_arch: Vec<String>,
    /// The moment of the archives.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// Accept indexes that are out of date.
    #[serde(default)]
    pub no_check_valid_until: bool,
    /// `yes`, `no` or `auto`: whether `/bin` and its like are links into `/usr`.
    #[serde(default)]
    pub merged_usr: Option<String>,
    /// What becomes of the scripts.
    #[serde(default)]
    pub scripts: Scripts,
    /// Seconds that all scripts of a stratum may take together.
    #[serde(default)]
    pub script_timeout: Option<String>,
    /// Leave out what a container can do without.
    #[serde(default)]
    pub slim: bool,
    /// Who installs.
    #[serde(default)]
    pub engine: Engine,
    /// The apt configuration of the host.
    #[serde(default)]
    pub apt_config: Option<PathValue>,
}

/// Which packages there are beside those that are named, and what is done with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// None; all are only unpacked.
    Extract,
    /// None.
    Custom,
    /// Those without which nothing works.
    Essential,
    /// And apt.
    Apt,
    /// And those of priority `required`.
    #[serde(alias = "minbase")]
    Required,
    /// Those of `apt`, and what it takes to build packages.
    Buildd,
    /// And those of priority `important`.
    #[default]
    #[serde(alias = "-", alias = "debootstrap")]
    Important,
    /// And those of priority `standard`.
    Standard,
}

impl Variant {
    /// The packages of the variant, as words on the command line.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Extract | Self::Custom => &[],
            Self::Essential => &["?essential"],
            Self::Apt => &["?essential", "apt"],
            Self::Required => &["?essential", "?priority(required)", "apt"],
            Self::Buildd => &["?essential", "apt", "build-essential"],
            Self::Important => &["?essential", "?priority(important)", "apt"],
            Self::Standard => &["?essential", "?priority(standard)", "apt"],
        }
    }

    /// Whether the variant itself has this package in it. Those that it depends on are not asked for.
    pub(crate) fn has(self, package: &Package<'_>) -> bool {
        match self {
            Self::Extract | Self::Custom => false,
            Self::Essential => package.essential,
            Self::Apt => package.name == "apt",
            Self::Required => package.name == "apt" || package.priority <= Priority::Required,
            Self::Buildd => ["apt", "build-essential"].contains(&package.name),
            Self::Important => package.name == "apt" || package.priority <= Priority::Important,
            Self::Standard => package.name == "apt" || package.priority <= Priority::Standard,
        }
    }
}

/// What becomes of the packages' scripts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scripts {
    /// They run.
    #[default]
    Run,
    /// They do not run.
    Skip,
}

/// A package that is wanted, as the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// Something that the resolver knows, with the suite it is to come from.
    Package {
        /// What the resolver looks for.
        want: Wanted,
        /// `NAME/SUITE`.
        suite: Option<String>,
    },
    /// A package file.
    File(PathValue),
}

/// As [`Want`], before repositories have numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Name { name: String, arch: Option<String>, version: Option<String> },
    Essential,
    Priority(Priority),
}

impl Options {
    /// The suite's name.
    pub(crate) fn suite(&self) -> Result<&str> {
        let word = self.release.as_deref().or(self.suite.as_deref());
        word.ok_or_else(|| {
            Error::usage("no suite was named")
                .hint("Name it first: ctr-forge source debootstrap bookworm …")
                .option("suite")
        })
    }

    /// The packages, in the order given.
    pub(crate) fn words(&self) -> Result<Vec<Word>> {
        let mut words =
            self.variant.words().iter().map(|word| parse_word(word)).collect::<Result<Vec<_>>>()?;
        for word in self.named()? {
            words.push(parse_word(word)?);
        }
        words.extend(self.files().map(|path| Word::File(path.clone())));
        match words.is_empty() {
            false => Ok(words),
            true => Err(Error::usage("no package was named: this variant takes none by itself")
                .hint("Name packages behind the suite, or \"?essential\" for the essential ones.")),
        }
    }

    /// The packages that are named, as the user wrote them.
    pub(crate) fn named(&self) -> Result<Vec<&str>> {
        let mut named = Vec::new();
        if let (Some(_), Some(first)) = (&self.release, &self.suite) {
            if ["/", "./", "../"].iter().any(|start| first.starts_with(start)) {
                return Err(Error::usage(format!("{first} stands where a package's name is expected"))
                    .hint("Name the release first, without --release, and the package file after it.")
                    .option("package"));
            }
            named.push(first.as_str());
        }
        named.extend(self.package.iter().filter_map(WordOrPath::word));
        named.extend(self.include.iter().map(String::as_str));
        Ok(named)
    }

    /// The package files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathValue> {
        self.package.iter().filter_map(WordOrPath::path)
    }

    /// How long scripts may take, in seconds; `None` for as long as they like.
    pub(crate) fn script_timeout(&self) -> Result<Option<u64>> {
        option::script_timeout(self.script_timeout.as_deref())
    }

    /// Where the host's apt configuration is.
    pub(crate) fn apt_config(&self) -> &Path {
        self.apt_config.as_ref().map_or(Path::new("/etc/apt"), |path| Path::new(&path.path))
    }
}

impl Word {
    /// What the resolver looks for; `repositories` are those of a suite.
    pub(crate) fn want(
        wanted: &Wanted,
        suite: Option<&str>,
        repositories: impl Fn(&str) -> Result<Vec<usize>>,
    ) -> Result<Want> {
        Ok(match wanted {
            Wanted::Essential => Want::Essential,
            Wanted::Priority(priority) => Want::Priority(*priority),
            Wanted::Name { name, arch, version } => Want::Package {
                name: name.clone(),
                arch: arch.clone(),
                version: version.clone(),
                repositories: suite.map(repositories).transpose()?,
            },
        })
    }
}

/// `NAME[:ARCH][=VERSION | /SUITE]`, `?essential`, `?priority(LEVEL)`.
fn parse_word(word: &str) -> Result<Word> {
    let wrong = |why: &str| Error::usage(format!("\"{word}\" names no package: {why}")).option("package");
    if let Some(pattern) = word.strip_prefix('?') {
        let want = match pattern {
            "essential" => Wanted::Essential,
            "priority(required)" => Wanted::Priority(Priority::Required),
            "priority(important)" => Wanted::Priority(Priority::Important),
            "priority(standard)" => Wanted::Priority(Priority::Standard),
            _ => return Err(wrong("expected ?essential or ?priority(required|important|standard)")),
        };
        return Ok(Word::Package { want, suite: None });
    }
    let (rest, version) = word.split_once('=').map_or((word, None), |(rest, version)| (rest, Some(version)));
    let (rest, suite) = rest.split_once('/').map_or((rest, None), |(rest, suite)| (rest, Some(suite)));
    let (name, arch) = rest.split_once(':').map_or((rest, None), |(name, arch)| (name, Some(arch)));
    // Debian policy, section 5.6.7.
    let is_name = |name: &str| {
        name.len() >= 2
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
    };
    if !is_name(name) {
        return Err(wrong("names are lower-case letters, digits, \"+\", \"-\" and \".\"")
            .hint("A package file is named with its folder: ./FILE.deb"));
    }
    if version.is_some() && suite.is_some() {
        return Err(wrong("it has a version and a suite"));
    }
    if version.is_some_and(|version| crate::version::validate(version).is_err()) {
        return Err(wrong("what stands behind \"=\" is no version"));
    }
    for part in [arch, version, suite].into_iter().flatten() {
        if part.is_empty() || part.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(wrong("what stands behind the name is empty or has blanks"));
        }
    }
    let owned = |part: Option<&str>| part.map(str::to_owned);
    let want = Wanted::Name { name: name.to_owned(), arch: owned(arch), version: owned(version) };
    Ok(Word::Package { want, suite: owned(suite) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str, arch: Option<&str>, version: Option<&str>, suite: Option<&str>) -> Word {
        let owned = |part: Option<&str>| part.map(str::to_owned);
        let want = Wanted::Name { name: name.into(), arch: owned(arch), version: owned(version) };
        Word::Package { want, suite: owned(suite) }
    }

    #[test]
    fn packages_are_written_as_for_apt() {
        for (word, expected) in [
            ("curl", name("curl", None, None, None)),
            ("libc6:i386", name("libc6", Some("i386"), None, None)),
            ("g++=4:12.2.0-3", name("g++", None, Some("4:12.2.0-3"), None)),
            ("curl/bookworm-backports", name("curl", None, None, Some("bookworm-backports"))),
            ("?essential", Word::Package { want: Wanted::Essential, suite: None }),
        ] {
            assert_eq!(parse_word(word).unwrap(), expected, "{word}");
        }
        for word in ["", "a", "Curl", "curl=", "curl/", "a b", "curl=1/sid", "?all", "cürl", "-curl"] {
            assert!(parse_word(word).is_err(), "{word}");
        }
    }

    #[test]
    fn with_release_every_word_is_a_package() {
        let options: Options = serde_json::from_value(serde_json::json!({
            "suite": "curl", "release": "bookworm", "package": ["dash"], "include": ["bash"], "variant": "extract",
        }))
        .unwrap();
        assert_eq!(options.suite().unwrap(), "bookworm");
        assert_eq!(options.words().unwrap().len(), 3);
    }

    #[test]
    fn the_manifest_and_the_options_agree() {
        let manifest: ctr_forge_plugin::Manifest = toml::from_str(include_str!("../plugin.toml")).unwrap();
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
        for option in &manifest.sources[0].options {
            let of_any_type = ["x".into(), true.into(), serde_json::json!([])];
            let fits = of_any_type.iter().any(|value: &serde_json::Value| {
                let mut object = serde_json::json!({ "variant": "extract" });
                let value =
                    if option.choices.is_empty() { value.clone() } else { option.choices[0].clone().into() };
                object[&option.name] = value;
                serde_json::from_value::<Options>(object).is_ok()
            });
            assert!(fits || option.kind == ctr_forge_plugin::ValueType::Path, "{}", option.name);
        }
    }
}
