//! `modules.yaml`: which packages belong together as a stream of a module.
//!
//! RHEL 8 and 9 and what is made of them have, say, three versions of PostgreSQL at once. Each is
//! a stream of a module, and only packages of streams that are enabled are there for the solver
//! (libmodulemd's `yaml_specs/`; dnf's documentation, "Modularity").

mod select;
mod yaml;

use std::collections::BTreeMap;

pub use select::{Filter, Selection};
use yaml::Node;
pub use yaml::YamlError;

/// Most streams of all modules, each version and context counted.
const MAX_STREAMS: usize = 100_000;

/// The modules of one repository, or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules {
    streams: Vec<Stream>,
    defaults: BTreeMap<String, Defaults>,
}

/// One build of a stream of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stream {
    name: String,
    stream: String,
    version: u64,
    context: String,
    /// Modules and the streams of them that will do; any where there are none. `-X` is not X.
    requires: Vec<(String, Vec<String>)>,
    /// Packages of each profile.
    profiles: BTreeMap<String, Vec<String>>,
    /// `NAME-EPOCH:VERSION-RELEASE.ARCH`.
    artifacts: Vec<String>,
    /// Names that are no longer the module's.
    demodularized: Vec<String>,
}

/// What of a module is taken where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Defaults {
    stream: Option<String>,
    /// Profiles of each stream.
    profiles: BTreeMap<String, Vec<String>>,
}

/// Why modules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// They are no YAML.
    #[error("the modules' metadata {0}")]
    Yaml(#[from] YamlError),
    /// A document lacks something.
    #[error("a module in the modules' metadata has no good {what}: \"{text}\"")]
    Document {
        /// What is missing or wrong.
        what: &'static str,
        /// What it is instead.
        text: String,
    },
    /// There are too many.
    #[error("the modules' metadata has more than {MAX_STREAMS} streams")]
    TooMany,
    /// No repository has the module.
    #[error("there is no module \"{0}\"")]
    NoModule(String),
    /// The module has no such stream.
    #[error("module \"{name}\" has no stream \"{stream}\", but {}", known.join(", "))]
    NoStream {
        /// The module.
        name: String,
        /// What was asked for.
        stream: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The module has no default stream.
    #[error("module \"{name}\" has no default stream: choose one of {}", known.join(", "))]
    NoDefault {
        /// The module.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Two streams of a module are asked for.
    #[error("of module \"{0}\" two streams are asked for, and only one can be enabled")]
    TwoStreams(String),
    /// What the stream needs cannot be had.
    #[error("stream \"{stream}\" of module \"{name}\" needs {needs}, which cannot be enabled")]
    Needs {
        /// The module.
        name: String,
        /// Its stream.
        stream: String,
        /// What is missing.
        needs: String,
    },
    /// The stream has no such profile.
    #[error("stream \"{stream}\" of module \"{name}\" has no profile \"{profile}\", but {}", known.join(", "))]
    NoProfile {
        /// The module.
        name: String,
        /// Its stream.
        stream: String,
        /// What was asked for.
        profile: String,
        /// What there is.
        known: Vec<String>,
    },
}

impl Modules {
    /// Reads `modules.yaml`, without its compression. Documents of other kinds than streams and
    /// defaults, as translations, are passed over.
    ///
    /// # Errors
    ///
    /// If it is no YAML, or if a stream has no name: packages that should be hidden would show.
    pub fn parse(text: &str) -> Result<Self, ModulesError> {
        let mut modules = Self::default();
        yaml::documents(text, |document| modules.add(&document))?;
        Ok(modules)
    }

    /// Adds those of another repository. Its defaults come after those that are here.
    pub fn merge(&mut self, other: Self) {
        self.streams.extend(other.streams);
        for (name, defaults) in other.defaults {
            self.defaults.entry(name).or_insert(defaults);
        }
    }

    /// Whether there are none, so that nothing is hidden.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether a module of this name is there.
    pub fn has(&self, name: &str) -> bool {
        self.streams.iter().any(|stream| stream.name == name)
    }

    /// The packages of a profile of a stream: of the named one, else of those that come by
    /// default, else of `common` or the only one, else none.
    ///
    /// # Errors
    ///
    /// If there is no such stream, or if it has no profile of that name.
    pub fn profile(
        &self,
        name: &str,
        stream: &str,
        profile: Option<&str>,
    ) -> Result<Vec<String>, ModulesError> {
        let builds = self.streams.iter().filter(|build| build.name == name && build.stream == stream);
        let newest = builds.max_by_key(|build| build.version).ok_or_else(|| self.no_stream(name, stream))?;
        let by_default = self.defaults.get(name).and_then(|defaults| defaults.profiles.get(stream));
        let names: Vec<&str> = match (profile, by_default) {
            (Some(profile), _) => vec![profile],
            (None, Some(names)) => names.iter().map(String::as_str).collect(),
            (None, None) if newest.profiles.contains_key("common") => vec!["common"],
            (None, None) if newest.profiles.len() == 1 => {
                newest.profiles.keys().map(String::as_str).collect()
            }
            (None, None) => Vec::new(),
        };
        let mut packages = Vec::new();
        for profile in names {
            let known = || newest.profiles.keys().cloned().collect();
            let missing = || ModulesError::NoProfile {
                name: name.to_owned(),
                stream: stream.to_owned(),
                profile: profile.to_owned(),
                known: known(),
            };
            packages.extend(newest.profiles.get(profile).ok_or_else(missing)?.iter().cloned());
        }
        Ok(packages)
    }

    fn no_stream(&self, name: &str, stream: &str) -> ModulesError {
        match self.has(name) {
            false => ModulesError::NoModule(name.to_owned()),
            true => ModulesError::NoStream {
                name: name.to_owned(),
                stream: stream.to_owned(),
                known: self.known(name),
            },
        }
    }

    /// The streams of a module, sorted.
    fn known(&self, name: &str) -> Vec<String> {
        let of_module = self.streams.iter().filter(|stream| stream.name == name);
        let mut known: Vec<String> = of_module.map(|stream| stream.stream.clone()).collect();
        known.sort();
        known.dedup();
        known
    }

    fn add(&mut self, document: &Node) -> Result<(), ModulesError> {
        let data = document.get("data");
        match document.get("document").text() {
            "modulemd" | "modulemd-stream" => {
                if self.streams.len() >= MAX_STREAMS {
                    return Err(ModulesError::TooMany);
                }
                self.streams.push(stream(data)?);
            }
            "modulemd-defaults" => {
                let name = required(data, "module")?;
                self.defaults.insert(name, defaults(data));
            }
            _ => {}
        }
        Ok(())
    }
}

fn required(data: &Node, what: &'static str) -> Result<String, ModulesError> {
    let text = data.get(what).text();
    let is_good = !text.is_empty() && text.len() <= 255 && !text.contains(|c: char| c.is_control());
    match is_good {
        true => Ok(text.to_owned()),
        false => Err(ModulesError::Document { what, text: text.chars().take(80).collect() }),
    }
}

fn stream(data: &Node) -> Result<Stream, ModulesError> {
    let dependencies = data.get("dependencies");
    // Version 1 has one map of single streams, version 2 a list of maps of lists.
    let requires = match dependencies {
        Node::Map(_) => requires(dependencies),
        _ => dependencies.list().iter().flat_map(requires).collect(),
    };
    let version = data.get("version").text();
    let bad = |_| ModulesError::Document { what: "version", text: version.chars().take(80).collect() };
    Ok(Stream {
        name: required(data, "name")?,
        stream: required(data, "stream")?,
        version: if version.is_empty() { 0 } else { version.parse().map_err(bad)? },
        context: data.get("context").text().to_owned(),
        requires,
        profiles: packages_of(data.get("profiles")),
        artifacts: data.get("artifacts").get("rpms").texts(),
        demodularized: data.get("demodularized").get("rpms").texts(),
    })
}

fn requires(dependencies: &Node) -> Vec<(String, Vec<String>)> {
    let streams = |node: &Node| match node.text() {
        "" => node.texts(),
        text => vec![text.to_owned()],
    };
    dependencies.get("requires").map().iter().map(|(name, node)| (name.clone(), streams(node))).collect()
}

fn packages_of(profiles: &Node) -> BTreeMap<String, Vec<String>> {
    profiles.map().iter().map(|(name, profile)| (name.clone(), profile.get("rpms").texts())).collect()
}

fn defaults(data: &Node) -> Defaults {
    let stream = data.get("stream").text();
    let profiles = data.get("profiles").map().iter();
    Defaults {
        stream: (!stream.is_empty()).then(|| stream.to_owned()),
        profiles: profiles.map(|(stream, names)| (stream.clone(), names.texts())).collect(),
    }
}

#[cfg(test)]
mod tests;
