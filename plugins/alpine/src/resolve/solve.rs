//! Another choice, where apk's contradicts itself: a SAT solver with apk's preferences.

use std::cmp::Ordering;

use ctr_forge_packages::solve::{self, Choice, Slots, Wanted};

use super::check;
use super::explain::explain;
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
    let unwanted = universe.wants.iter().flat_map(|(name, want)| misfits(universe, None, *name, want));
    let wanted =
        Wanted { needs: needs(&universe.wants).count(), slots: extra.to_vec(), without: unwanted.collect() };
    solve::solve(universe, &wanted).map_err(|core| explain(universe, &core))
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

/// What is needed, without what must not be there.
pub(super) fn needs<'d, 'a>(
    dependencies: &'d [(NameId, Dependency<'a>)],
) -> impl Iterator<Item = &'d (NameId, Dependency<'a>)> {
    dependencies.iter().filter(|(_, dependency)| !dependency.conflict)
}

/// A need by its number among those of a package; of nobody, among those of the world.
pub(super) fn need<'u, 'a>(
    universe: &'u Universe<'a>,
    depender: Option<PackageId>,
    number: usize,
) -> Option<&'u (NameId, Dependency<'a>)> {
    let dependencies = depender.map_or(&universe.wants, |id| &universe[id].depends);
    needs(dependencies).nth(number)
}

impl Slots for Universe<'_> {
    fn count(&self) -> usize {
        self.package_count()
    }

    fn needs(&self, slot: PackageId) -> Option<usize> {
        Some(needs(&self[slot].depends).count())
    }

    fn fulfilling(&self, owner: Option<PackageId>, number: usize) -> Vec<Choice> {
        let fitting = need(self, owner, number).map(|need| fitting(self, owner, need));
        fitting.unwrap_or_default().into_iter().map(Choice::There).collect()
    }

    fn enemies(&self, slot: PackageId) -> Vec<PackageId> {
        let relations = &self[slot];
        let by_names = relations.names.iter().flat_map(|(name, version)| {
            let others = self[*name].providers.iter();
            others.filter(move |one| version.is_some() || one.version.is_some()).map(|one| one.package)
        });
        let by_needs =
            relations.depends.iter().flat_map(|(name, need)| misfits(self, Some(slot), *name, need));
        let mut enemies: Vec<PackageId> = by_names.chain(by_needs).filter(|&other| other != slot).collect();
        enemies.sort_unstable();
        enemies.dedup();
        enemies
    }
}
