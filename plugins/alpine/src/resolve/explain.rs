//! Why there is no choice, in words.
//!
//! The solver hands out the relations that cannot hold together, as a graph. Each becomes a
//! line; what explains a line stands indented below it.

use std::cmp::Ordering;
use std::collections::HashSet;

use ctr_forge_packages::near::{self, list};
use ctr_forge_packages::prose::Lines;
use ctr_forge_packages::solve::Core;

use super::solve::{fitting, need};
use super::universe::{NameId, PackageId, Universe};
use crate::dependency::Dependency;
use crate::version;

/// The reasons, a line each, without a newline at the end.
pub(super) fn explain(universe: &Universe<'_>, core: &Core) -> String {
    let mut prose = Prose { universe, core, told: HashSet::new(), lines: Lines::default() };
    prose.depender(None, 0);
    match prose.lines.into_text() {
        text if text.is_empty() => "the packages asked for stand in each other's way".to_owned(),
        text => text,
    }
}

struct Prose<'n, 'a> {
    universe: &'n Universe<'a>,
    core: &'n Core,
    told: HashSet<Option<PackageId>>,
    lines: Lines,
}

impl Prose<'_, '_> {
    /// Why a package cannot be installed, or what the world wants. Nothing if that is told elsewhere.
    fn depender(&mut self, depender: Option<PackageId>, depth: usize) {
        if !self.told.insert(depender) || self.lines.are_full() {
            return;
        }
        let (universe, core) = (self.universe, self.core);
        for &other in core.conflicts.get(&depender).into_iter().flatten() {
            let text = conflict(universe, depender, other);
            self.lines.add(depth, &text);
        }
        for &index in core.needs.get(&depender).into_iter().flatten() {
            if let Some(need) = need(universe, depender, index) {
                self.need(depender, need, depth);
            }
        }
    }

    fn need(&mut self, depender: Option<PackageId>, need: &(NameId, Dependency<'_>), depth: usize) {
        let fitting = fitting(self.universe, depender, need);
        let who = match depender {
            None => format!("{} is asked for", need.1),
            Some(id) => format!("{} needs {}", self.universe.title(id), need.1),
        };
        if fitting.is_empty() {
            let why = missing(self.universe, need);
            return self.lines.add(depth, &format!("{who}, but {why}"));
        }
        match fitting.len() {
            1 => self.lines.add(depth, &who),
            _ => self.lines.add(depth, &format!("{who}, of which none can be had")),
        }
        for id in fitting {
            self.depender(Some(id), depth + 1);
        }
    }
}

/// "a-1.0 cannot stand b-2.0", and why.
fn conflict(universe: &Universe<'_>, depender: Option<PackageId>, other: PackageId) -> String {
    let against = universe.title(other);
    let has = |name: NameId| universe[other].names.iter().find(|(known, _)| *known == name);
    let Some(id) = depender else {
        let rules_out = |(name, want): &&(NameId, Dependency<'_>)| {
            has(*name).is_some_and(|&(_, version)| {
                !universe.accepts(None, want, super::universe::Provider { package: other, version })
            })
        };
        let want = universe.wants.iter().find(rules_out).map_or(String::new(), |(_, want)| want.to_string());
        return format!("{against} is ruled out: {want} is asked for");
    };
    let title = universe.title(id);
    for (name, need) in &universe[id].depends {
        let Some(&(_, version)) = has(*name) else { continue };
        let one = super::universe::Provider { package: other, version };
        if !universe.accepts(Some(id), need, one) {
            return match need.conflict {
                true => format!("{title} cannot be beside {against}: it has {need}"),
                false => format!("{title} needs {need}, which {against} is not"),
            };
        }
    }
    let shared = universe[id].names.iter().find(|(name, _)| has(*name).is_some());
    let name = shared.map_or("", |(name, _)| universe[*name].text);
    format!("{title} cannot be beside {against}: only one package can be {name}")
}

/// Why nobody fulfils a dependency.
fn missing(universe: &Universe<'_>, (name, dependency): &(NameId, Dependency<'_>)) -> String {
    let providers = &universe[*name].providers;
    if providers.is_empty() {
        return format!("there is no {}", dependency.name);
    }
    let fits = |one: &&super::universe::Provider<'_>| universe.accepts(None, dependency, **one);
    let titles = |fitting: bool| {
        let mut some: Vec<_> = providers.iter().filter(|one| fits(one) == fitting).collect();
        // The newest first.
        some.sort_by(|a, b| match (a.version, b.version) {
            (Some(a), Some(b)) => version::compare(b, a),
            _ => Ordering::Equal,
        });
        list(&some.into_iter().map(|one| universe.title(one.package)).collect::<Vec<_>>())
    };
    match providers.iter().any(|one| fits(&one)) {
        false => format!("there is only {}", titles(false)),
        true if universe[*name].providers.iter().all(|one| one.version.is_none()) => {
            format!("one of those that provide it must be named: {}", titles(true))
        }
        true => format!("{} is in a repository with a tag that is not named", titles(true)),
    }
}

/// Names that are spelled much the same, for a message; empty where there are none.
pub(super) fn near(universe: &Universe<'_>, wanted: &str) -> String {
    let own = (0..universe.package_count()).map(|id| universe[universe[id].name].text);
    let near = near::near(own, wanted);
    match near.as_slice() {
        [] => String::new(),
        near => format!("there is {}", list(near)),
    }
}
