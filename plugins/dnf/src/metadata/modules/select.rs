//! Which streams are enabled, and which packages that leaves for the solver.
//!
//! Enabled are the streams that the user names, the default ones, and what those need. dnf has a
//! solver for that; here it is worked out step by step, which comes to the same where each need
//! has one answer, as in all of RHEL's modules.

use std::collections::{BTreeMap, HashSet};

use super::{Modules, ModulesError, Stream};
use crate::package::Package;

/// Most steps of the search, each a comparison or two: where needs contradict each other, all ways
/// could be too many. All of RHEL 8 takes some thousands.
const MAX_STEPS: usize = 2_000_000;

/// Which streams are enabled, and what that means for packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The stream of each module that has one enabled.
    pub enabled: BTreeMap<String, String>,
    /// Which packages are hidden.
    pub filter: Filter,
}

/// Which packages are hidden.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Packages of streams that are enabled.
    shown: HashSet<String>,
    /// Packages of streams that are not.
    hidden: HashSet<String>,
    /// Names of packages of streams that are enabled: nobody else may offer those.
    names: HashSet<String>,
}

impl Filter {
    /// Whether the solver may not see a package. Repositories with `module_hotfixes`, and package
    /// files of the user's, are to be left out of this.
    pub fn hides(&self, package: &Package) -> bool {
        if self.hidden.is_empty() && self.names.is_empty() {
            return false;
        }
        let nevra = nevra(package);
        match self.shown.contains(&nevra) {
            true => false,
            false => {
                self.hidden.contains(&nevra)
                    || self.names.contains(&*package.name)
                    || package.provides.iter().any(|provided| self.names.contains(&*provided.name))
            }
        }
    }
}

impl Modules {
    /// Enables default streams and those that are `wanted`: modules, with a stream or without. A
    /// module's platform is that of the release: `platform:el9`; unknown, any will do.
    ///
    /// # Errors
    ///
    /// If a wanted stream is not there, or needs what cannot be had.
    pub fn visible(
        &self,
        wanted: &[(String, Option<String>)],
        platform: Option<&str>,
    ) -> Result<Selection, ModulesError> {
        let mut streams: BTreeMap<(&str, &str), Vec<&Stream>> = BTreeMap::new();
        for stream in &self.streams {
            streams.entry((&stream.name, &stream.stream)).or_default().push(stream);
        }
        streams.values_mut().for_each(in_order);
        let platform = platform.and_then(|platform| platform.split_once(':'));
        let (enabled, added) = (BTreeMap::new(), Vec::new());
        let mut search = Search { modules: self, streams, platform, enabled, added, left: MAX_STEPS };
        for (name, stream) in wanted {
            let stream = search.wanted(name, stream.as_deref())?;
            if search.enabled.insert(name.clone(), stream.clone()).is_some_and(|other| other != stream) {
                return Err(ModulesError::TwoStreams(name.clone()));
            }
        }
        for (name, _) in wanted {
            let stream = search.enabled.get(name).cloned().unwrap_or_default();
            let needs = |needs| ModulesError::Needs { name: name.clone(), stream: stream.clone(), needs };
            search.settle(name, &stream, &mut Vec::new()).map_err(needs)?;
        }
        search.defaults();
        let filter = search.filter();
        Ok(Selection { enabled: search.enabled, filter })
    }
}

struct Search<'a> {
    modules: &'a Modules,
    /// Builds of each stream of each module, the best first, of those with the same needs one.
    streams: BTreeMap<(&'a str, &'a str), Vec<&'a Stream>>,
    platform: Option<(&'a str, &'a str)>,
    enabled: BTreeMap<String, String>,
    /// The modules whose streams nobody has named, in the order in which they were enabled.
    added: Vec<String>,
    left: usize,
}

fn in_order(builds: &mut Vec<&Stream>) {
    builds.sort_by(|a, b| (b.version, &b.context).cmp(&(a.version, &a.context)));
    let mut seen = HashSet::new();
    builds.retain(|build| seen.insert(&build.requires));
}

impl<'a> Search<'a> {
    fn wanted(&self, name: &str, stream: Option<&str>) -> Result<String, ModulesError> {
        let default = || self.modules.defaults.get(name)?.stream.as_deref();
        let stream = match stream.or_else(default) {
            Some(stream) => stream,
            None if self.modules.has(name) => {
                return Err(ModulesError::NoDefault {
                    name: name.to_owned(),
                    known: self.modules.known(name),
                });
            }
            None => return Err(ModulesError::NoModule(name.to_owned())),
        };
        match self.streams.contains_key(&(name, stream)) {
            true => Ok(stream.to_owned()),
            false => Err(self.modules.no_stream(name, stream)),
        }
    }

    /// Enables the default streams whose needs can be met, each as far as nothing is in its way.
    fn defaults(&mut self) {
        for (name, defaults) in &self.modules.defaults {
            let Some(stream) = &defaults.stream else { continue };
            if self.enabled.contains_key(name)
                || !self.streams.contains_key(&(name.as_str(), stream.as_str()))
            {
                continue;
            }
            let before = self.added.len();
            self.enable(name, stream);
            if self.settle(name, stream, &mut Vec::new()).is_err() {
                self.undo(before);
            }
        }
    }

    /// Enables a stream of a module that has none enabled.
    fn enable(&mut self, name: &str, stream: &str) {
        self.enabled.insert(name.to_owned(), stream.to_owned());
        self.added.push(name.to_owned());
    }

    /// Enables nothing but the first so many that were added.
    fn undo(&mut self, added: usize) {
        for name in self.added.drain(added..) {
            self.enabled.remove(&name);
        }
    }

    /// Says that so many steps are taken for a module.
    fn spend(&mut self, steps: usize, name: &str) -> Result<(), String> {
        let left = self.left.checked_sub(steps);
        self.left = left.unwrap_or(0);
        left.map(|_| ()).ok_or_else(|| format!("{name}, after too long a search"))
    }

    /// Enables what a stream that is enabled needs, or says what cannot be had. One of its
    /// contexts has to be satisfied.
    fn settle(&mut self, name: &str, stream: &str, path: &mut Vec<String>) -> Result<(), String> {
        // What is being settled further up is enabled already; and no chain is that long.
        if path.iter().any(|above| above == name) || path.len() > 64 {
            return Ok(());
        }
        let builds = self.streams.get(&(name, stream)).map_or(0, Vec::len);
        self.spend(1 + builds, name)?;
        let builds = self.streams.get(&(name, stream)).cloned().unwrap_or_default();
        path.push(name.to_owned());
        let mut why = None;
        for build in builds {
            let before = self.added.len();
            match self.require(build, path) {
                Ok(()) => {
                    path.pop();
                    return Ok(());
                }
                Err(needs) => {
                    self.undo(before);
                    why.get_or_insert(needs);
                }
            }
        }
        path.pop();
        Err(why.unwrap_or_else(|| format!("{name}:{stream}")))
    }

    fn require(&mut self, build: &Stream, path: &mut Vec<String>) -> Result<(), String> {
        for (name, streams) in &build.requires {
            let needs = || match streams.as_slice() {
                [] => name.clone(),
                streams => format!("{name}:{}", streams.join(" or ")),
            };
            self.spend(1 + streams.len(), name)?;
            if name == "platform" {
                match self.platform.is_none_or(|(_, platform)| allows(streams, platform)) {
                    true => continue,
                    false => return Err(needs()),
                }
            }
            if let Some(enabled) = self.enabled.get(name) {
                match allows(streams, enabled) {
                    true => continue,
                    false => return Err(needs()),
                }
            }
            let known = self.of_module(name).count();
            self.spend(known.saturating_mul(1 + streams.len()), name)?;
            let stream = self.choose(name, streams).ok_or_else(needs)?;
            self.enable(name, &stream);
            self.settle(name, &stream, path)?;
        }
        Ok(())
    }

    /// The stream of a needed module: the default one if it will do, else the last that does.
    fn choose(&self, name: &str, allowed: &[String]) -> Option<String> {
        let default = self.modules.defaults.get(name).and_then(|defaults| defaults.stream.clone());
        let is_there = |stream: &String| self.streams.contains_key(&(name, stream.as_str()));
        let default = default.filter(|stream| allows(allowed, stream) && is_there(stream));
        let fits = self.of_module(name).filter(|stream| allows(allowed, stream));
        default.or_else(|| fits.last().map(str::to_owned))
    }

    /// The streams of a module, sorted.
    fn of_module<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let of_module = self.streams.range((name, "")..).take_while(move |((of, _), _)| *of == name);
        of_module.map(|((_, stream), _)| *stream)
    }

    /// Whether a build is one of those whose packages are there.
    fn is_active(&self, build: &Stream) -> bool {
        self.enabled.get(&build.name) == Some(&build.stream)
            && build.requires.iter().all(|(name, streams)| match name.as_str() {
                "platform" => self.platform.is_none_or(|(_, platform)| allows(streams, platform)),
                _ => self.enabled.get(name).is_some_and(|enabled| allows(streams, enabled)),
            })
    }

    fn filter(&self) -> Filter {
        let mut filter = Filter::default();
        for build in &self.modules.streams {
            let artifacts = build.artifacts.iter().map(|artifact| normal(artifact));
            match self.is_active(build) {
                false => filter.hidden.extend(artifacts),
                true => {
                    let names = build.artifacts.iter().filter(|artifact| !artifact.ends_with(".src"));
                    filter.names.extend(names.filter_map(|artifact| name_of(artifact)).map(str::to_owned));
                    filter.shown.extend(artifacts);
                }
            }
        }
        let active = self.modules.streams.iter().filter(|build| self.is_active(build));
        for name in active.flat_map(|build| &build.demodularized) {
            filter.names.remove(name);
        }
        filter
    }
}

/// Whether a stream is among those that will do.
fn allows(streams: &[String], stream: &str) -> bool {
    let is_not = |word: &String| word.strip_prefix('-').is_some_and(|not| not == stream);
    let mut positive = streams.iter().filter(|word| !word.starts_with('-')).peekable();
    !streams.iter().any(is_not) && (positive.peek().is_none() || positive.any(|word| word == stream))
}

/// As artifacts are written: always with an epoch.
fn nevra(package: &Package) -> String {
    let evr = &package.evr;
    let release = evr.release.as_deref().unwrap_or_default();
    format!("{}-{}:{}-{release}.{}", package.name, evr.epoch, evr.version, package.arch)
}

/// An artifact with its epoch, where it lacks one.
fn normal(artifact: &str) -> String {
    match name_of(artifact).map(|name| artifact.split_at(name.len() + 1)) {
        Some((name, evr)) if !evr.contains(':') => format!("{name}0:{evr}"),
        _ => artifact.to_owned(),
    }
}

/// The name of an artifact: all before the last but one dash.
fn name_of(artifact: &str) -> Option<&str> {
    let (rest, _) = artifact.rsplit_once('-')?;
    rest.rsplit_once('-').map(|(name, _)| name)
}
