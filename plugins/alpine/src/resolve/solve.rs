//! Another choice, where apk's contradicts itself: a SAT solver with apk's preferences.
//!
//! To the solver each version of a package is the one candidate of a name of its own. What is
//! needed is a union of such names, the best in front; what must not be together is a
//! constraint that no candidate of the other name fulfils.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider, Interner,
    KnownDependencies, NameId as SlotName, Problem, Requirement, SolvableId, Solver, SolverCache, StringId,
    UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use super::check;
use super::explain::{Core, explain};
use super::universe::{NameId, PackageId, Provider, Universe};
use crate::dependency::Dependency;
use crate::version;

/// Packages that hold together, or why there are none.
pub(super) fn solve(universe: &Universe<'_>) -> Result<Vec<PackageId>, String> {
    let mut extra = Vec::new();
    let mut chosen = solve_with(universe, &extra)?;
    // Packages that come by themselves, as long as they fit: each round adds one or none.
    let mut refused = Vec::new();
    while let Some(follower) = follower(universe, &chosen, &refused) {
        extra.push(follower);
        match solve_with(universe, &extra) {
            Ok(with) => chosen = with,
            Err(_) => {
                extra.pop();
                refused.push(follower);
            }
        }
    }
    match check::holds(universe, &chosen) {
        true => Ok(chosen),
        false => Err("the packages asked for stand in each other's way".to_owned()),
    }
}

/// A package that is not there and comes by itself, for all that it waits for is there.
fn follower(universe: &Universe<'_>, chosen: &[PackageId], refused: &[PackageId]) -> Option<PackageId> {
    let mut there: Vec<Option<Provider<'_>>> = vec![None; universe.names().len()];
    for &package in chosen {
        for &(name, version) in &universe[package].names {
            there[name.index()].get_or_insert(Provider { package, version });
        }
    }
    let is_met = |id: PackageId, (name, dependency): &(NameId, Dependency<'_>)| {
        there[name.index()].map_or(dependency.conflict, |one| universe.accepts(Some(id), dependency, one))
    };
    let comes = |&id: &PackageId| {
        let relations = &universe[id];
        !relations.install_if.is_empty()
            && there[relations.name.index()].is_none()
            && !refused.contains(&id)
            && is_allowed(universe, id)
            && relations.install_if.iter().all(|one| is_met(id, one))
    };
    let by_version = |a: &PackageId, b: &PackageId| {
        let (a, b) = (&universe.offers[*a].package, &universe.offers[*b].package);
        b.name.cmp(a.name).then_with(|| version::compare(a.version, b.version))
    };
    (0..universe.package_count()).filter(comes).max_by(by_version)
}

/// Whether a package may come from where it is: untagged, or with a tag that somebody names.
fn is_allowed(universe: &Universe<'_>, id: PackageId) -> bool {
    let named = universe.wants.iter().filter_map(|(_, want)| universe.tag(want.tag?));
    let allowed = named.fold(universe.untagged, |all, tag| all | tag);
    let repositories = universe.offers[id].repositories;
    repositories == 0 || repositories & allowed != 0
}

fn solve_with(universe: &Universe<'_>, extra: &[PackageId]) -> Result<Vec<PackageId>, String> {
    let provider = Slots { universe, unions: RefCell::default() };
    let wants = (0..universe.wants.len()).filter(|&want| !universe.wants[want].1.conflict);
    let mut requirements: Vec<ConditionalRequirement> =
        wants.map(|want| provider.union(None, want).into()).collect();
    let single = |&id: &PackageId| ConditionalRequirement::from(Requirement::Single(version_set(id, true)));
    requirements.extend(extra.iter().map(single));
    let unwanted = universe.wants.iter().flat_map(|(name, want)| misfits(universe, None, *name, want));
    let constraints = unwanted.map(|id| version_set(id, false)).collect();
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(requirements).constraints(constraints)) {
        Ok(chosen) => Ok(chosen.into_iter().map(package_of).collect()),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let graph = conflict.graph(&solver);
            Err(explain(universe, &Core::new(&graph, solver.provider())))
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => unreachable!("nothing cancels the solver"),
    }
}

/// Who answers to a name and does not fit what is asked of it: a constraint is for all of them.
fn misfits(
    universe: &Universe<'_>,
    depender: Option<PackageId>,
    name: NameId,
    dependency: &Dependency<'_>,
) -> impl Iterator<Item = PackageId> {
    let all = universe[name].providers.iter();
    all.filter(move |one| !universe.accepts(depender, dependency, **one)).map(|one| one.package)
}

/// Those who fulfil a dependency, the best first.
pub(super) fn fitting(
    universe: &Universe<'_>,
    depender: Option<PackageId>,
    (name, dependency): &(NameId, Dependency<'_>),
) -> Vec<PackageId> {
    let tag = dependency.tag.and_then(|tag| universe.tag(tag)).unwrap_or(universe.untagged);
    let is_named = |id: PackageId| universe.wants.iter().any(|(want, _)| *want == universe[id].name);
    let fits = |one: &&Provider<'_>| {
        let is_real = one.version.is_some() || universe.offers[one.package].package.provider_priority > 0;
        universe.accepts(depender, dependency, **one)
            && is_allowed(universe, one.package)
            && (is_real || is_named(one.package))
    };
    let mut all: Vec<Provider<'_>> = universe[*name].providers.iter().filter(fits).copied().collect();
    let better = |a: &Provider<'_>, b: &Provider<'_>| {
        let (x, y) = (&universe.offers[a.package], &universe.offers[b.package]);
        let is_preferred =
            |offer: &super::Offer<'_>| offer.repositories == 0 || offer.repositories & tag != 0;
        let by_name = match (a.version, b.version) {
            (Some(a), Some(b)) => version::compare(a, b),
            _ => Ordering::Equal,
        };
        let by_own = version::compare(x.package.version, y.package.version);
        let is_same = x.package.name == y.package.name;
        (is_preferred(x).cmp(&is_preferred(y)))
            .then(by_name)
            .then(if is_same { by_own } else { Ordering::Equal })
            .then(x.package.provider_priority.cmp(&y.package.provider_priority))
            .then(y.repositories.trailing_zeros().cmp(&x.repositories.trailing_zeros()))
    };
    all.sort_by(|a, b| better(b, a));
    all.into_iter().map(|one| one.package).collect()
}

pub(super) fn package_of(solvable: SolvableId) -> PackageId {
    solvable.into_raw() as usize
}

fn raw(package: PackageId) -> u32 {
    u32::try_from(package).expect("an index has fewer than 2^32 packages")
}

/// The one candidate, or none: `require`d, or forbidden.
fn version_set(package: PackageId, require: bool) -> VersionSetId {
    VersionSetId(raw(package) * 2 + u32::from(!require))
}

fn package_of_set(set: VersionSetId) -> PackageId {
    set.0 as usize / 2
}

/// Each package as a name with one candidate.
pub(super) struct Slots<'u, 'a> {
    universe: &'u Universe<'a>,
    /// Whose dependency each union is (the world's without one), and which of them.
    unions: RefCell<Vec<(Option<PackageId>, usize)>>,
}

impl Slots<'_, '_> {
    /// Which dependency a union is.
    pub(super) fn dependency(&self, union: VersionSetUnionId) -> (Option<PackageId>, usize) {
        self.unions.borrow()[union.0 as usize]
    }

    fn union(&self, depender: Option<PackageId>, index: usize) -> Requirement {
        let mut unions = self.unions.borrow_mut();
        unions.push((depender, index));
        Requirement::Union(VersionSetUnionId(raw(unions.len() - 1)))
    }

    /// Who cannot be beside a package.
    fn enemies(&self, id: PackageId) -> Vec<PackageId> {
        let universe = self.universe;
        let relations = &universe[id];
        let by_names = relations.names.iter().flat_map(|(name, version)| {
            let others = universe[*name].providers.iter();
            others.filter(move |one| version.is_some() || one.version.is_some()).map(|one| one.package)
        });
        let by_needs =
            relations.depends.iter().flat_map(|(name, need)| misfits(universe, Some(id), *name, need));
        let mut enemies: Vec<PackageId> = by_names.chain(by_needs).filter(|&other| other != id).collect();
        enemies.sort_unstable();
        enemies.dedup();
        enemies
    }
}

impl Interner for Slots<'_, '_> {
    type NameId = SlotName;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        solvable.into_raw()
    }

    fn display_name(&self, name: SlotName) -> impl Display + '_ {
        name.into_raw()
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        set.0
    }

    fn display_string(&self, string: StringId) -> impl Display + '_ {
        string.0
    }

    fn version_set_name(&self, set: VersionSetId) -> SlotName {
        SlotName::from_raw(raw(package_of_set(set)))
    }

    fn solvable_name(&self, solvable: SolvableId) -> SlotName {
        SlotName::from_raw(solvable.into_raw())
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        let (depender, index) = self.dependency(union);
        let dependency = match depender {
            None => &self.universe.wants[index],
            Some(package) => &self.universe[package].depends[index],
        };
        let mut packages = fitting(self.universe, depender, dependency);
        if packages.is_empty() {
            // A name that nobody has, for what nobody fulfils.
            packages.push(self.universe.package_count());
        }
        packages.into_iter().map(|package| version_set(package, true))
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement has a condition")
    }
}

impl DependencyProvider for Slots<'_, '_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let all = set == version_set(package_of_set(set), true);
        if all == inverse { Vec::new() } else { candidates.to_vec() }
    }

    async fn get_candidates(&self, name: SlotName) -> Option<Candidates> {
        let is_known = (name.into_raw() as usize) < self.universe.package_count();
        let candidates = vec![SolvableId::from_raw(name.into_raw())];
        is_known.then(|| Candidates { candidates, ..Candidates::default() })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, _: &mut [SolvableId]) {}

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let id = package_of(solvable);
        let needs = self.universe[id].depends.iter().enumerate().filter(|(_, (_, need))| !need.conflict);
        let requirements = needs.map(|(index, _)| self.union(Some(id), index).into()).collect();
        let constrains = self.enemies(id).into_iter().map(|other| version_set(other, false)).collect();
        Dependencies::Known(KnownDependencies { requirements, constrains })
    }
}
