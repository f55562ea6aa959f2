//! What the user asks for, as `plugin.toml` has it.

use std::collections::BTreeMap;

use ctr_forge_packages::option::{self, WordOrPath};
use ctr_forge_plugin::{Error, PathValue, Result};
use serde::Deserialize;

use crate::engine::Engine;

/// As `plugin.toml` has them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    #[serde(default)]
    package: Vec<WordOrPath>,
    /// The release.
    #[serde(default)]
    pub release: Option<String>,
    /// Whose.
    #[serde(default)]
    pub distro: Option<String>,
    /// More repositories.
    #[serde(default)]
    pub repo: Vec<String>,
    /// Files with more repositories.
    #[serde(default)]
    pub repo_file: Vec<PathValue>,
    /// The only repositories that are used.
    #[serde(default)]
    pub from: Vec<String>,
    #[serde(default)]
    var: Vec<String>,
    /// Public keys.
    #[serde(default)]
    pub key: Vec<PathValue>,
    /// Packages never to be taken.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Take what packages recommend.
    #[serde(default)]
    pub weak_deps: bool,
    /// Leave documentation in.
    #[serde(default)]
    pub docs: bool,
    #[serde(default)]
    langs: Vec<String>,
    /// Repositories whose packages need no signature.
    #[serde(default)]
    pub allow_untrusted: Vec<String>,
    /// What becomes of the scripts.
    #[serde(default)]
    pub scripts: Scripts,
    #[serde(default)]
    script_timeout: Option<String>,
    /// Who installs.
    #[serde(default)]
    pub(crate) engine: Engine,
}

/// What becomes of the packages' scripts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scripts {
    /// They run.
    #[default]
    Run,
    /// None runs.
    Skip,
}

impl Options {
    /// The packages that are named, as the user wrote them.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.package.iter().filter_map(WordOrPath::word)
    }

    /// The package files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathValue> {
        self.package.iter().filter_map(WordOrPath::path)
    }

    /// The languages whose translations stay; `None` for all.
    pub(crate) fn langs(&self) -> Option<Vec<String>> {
        match self.langs.as_slice() {
            [] => None,
            [none] if none == "none" => Some(Vec::new()),
            langs => Some(langs.to_vec()),
        }
    }

    /// The user's variables.
    pub(crate) fn variables(&self) -> Result<BTreeMap<String, String>> {
        let variable = |word: &String| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(Error::usage(format!("\"{word}\" is no NAME=VALUE")).option("var")),
        };
        self.var.iter().map(variable).collect()
    }

    /// How long a script may take, in seconds; `None` for as long as it likes.
    pub(crate) fn script_timeout(&self) -> Result<Option<u64>> {
        option::script_timeout(self.script_timeout.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_and_the_options_agree() {
        let manifest: ctr_forge_plugin::Manifest = toml::from_str(include_str!("../plugin.toml")).unwrap();
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
        for option in &manifest.sources[0].options {
            let of_any_type = ["x".into(), true.into(), serde_json::json!([])];
            let fits = of_any_type.iter().any(|value: &serde_json::Value| {
                let value = option.choices.first().map_or(value.clone(), |choice| choice.clone().into());
                serde_json::from_value::<Options>(serde_json::json!({ &option.name: value })).is_ok()
            });
            assert!(fits || option.kind == ctr_forge_plugin::ValueType::Path, "{}", option.name);
        }
    }
}
