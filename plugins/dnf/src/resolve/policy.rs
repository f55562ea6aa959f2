//! Who is preferred where several packages would do.
//!
//! The steps and their order are libsolv's (`policy_filter_unwanted` in `policy.c`); the table of
//! this folder's `mod.rs` has them in words.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::arches::Rank;
use super::hints::Hints;
use super::order;
use super::state::State;
use super::universe::{self, PackageId, Universe};
use crate::dependency::{Operator, Relation};
use crate::version::Evr;

/// The best of each name: of the best repository and architecture, the newest, obsoleted by none.
pub(super) fn best(universe: &Universe<'_>, packages: &[PackageId]) -> Vec<PackageId> {
    let mut all = packages.to_vec();
    keep_best_priority(universe, &mut all);
    keep_best_arch(universe, &mut all);
    keep_best_versions(universe, &mut all);
    all
}

/// Those between which [`choose`] would choose.
pub(super) fn eligible<'a>(
    state: &State<'_, '_, 'a>,
    hints: &mut Hints<'a>,
    packages: &[PackageId],
) -> Vec<PackageId> {
    let mut all = best(state.rules.universe, packages);
    if all.len() > 1 {
        hints.update(state);
        if all.iter().any(|&id| hints.is_recommended(state, id)) {
            all.retain(|&id| hints.is_recommended(state, id));
        }
    }
    all
}

/// Those that would do, the preferred one first.
pub(super) fn choose<'a>(
    state: &State<'_, '_, 'a>,
    hints: &mut Hints<'a>,
    packages: &[PackageId],
) -> Vec<PackageId> {
    let mut all = eligible(state, hints, packages);
    if all.len() > 1 {
        arrange(state, hints, &mut all);
    }
    all
}

/// Puts the preferred ones in front; all stay.
pub(super) fn arrange<'a>(state: &State<'_, '_, 'a>, hints: &mut Hints<'a>, packages: &mut [PackageId]) {
    let universe = state.rules.universe;
    hints.update(state);
    packages.sort_by_key(|&id| is_outdated(universe, id));
    sort_by_common_provides(universe, packages);
    packages.sort_by_key(|&id| !hints.is_suggested(state, id));
}

/// All of them, each before those that are less preferred.
pub(super) fn sorted<'a>(
    state: &State<'_, '_, 'a>,
    hints: &mut Hints<'a>,
    packages: &[PackageId],
) -> Vec<PackageId> {
    let mut rest = packages.to_vec();
    let mut all = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let next = choose(state, hints, &rest);
        rest.retain(|id| !next.contains(id));
        all.extend(next);
    }
    all
}

fn keep_best_priority(universe: &Universe<'_>, all: &mut Vec<PackageId>) {
    let best = all.iter().map(|&id| universe[id].priority).min();
    all.retain(|&id| Some(universe[id].priority) == best);
}

fn keep_best_arch(universe: &Universe<'_>, all: &mut Vec<PackageId>) {
    let place = |id: &PackageId| universe[*id].rank.filter(|rank| *rank != Rank::Any);
    if let Some(best) = all.iter().filter_map(place).min() {
        all.retain(|id| place(id).is_none_or(|place| place == best));
    }
}

/// Leaves one of each name, sorted by name.
fn keep_best_versions(universe: &Universe<'_>, all: &mut Vec<PackageId>) {
    if all.len() < 2 {
        return;
    }
    let name = |id: &PackageId| &*universe[*id].package.name;
    let arch = |id: &PackageId| universe[*id].rank.filter(|rank| *rank != Rank::Any);
    all.sort_by(|a, b| {
        let arches = match (arch(a), arch(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        };
        name(a).cmp(name(b)).then(arches).then(a.cmp(b))
    });
    let mut best: Vec<PackageId> = Vec::new();
    for &id in all.iter() {
        match best.last_mut() {
            Some(last) if name(last) == name(&id) => {
                if universe[*last].package.evr.compare(&universe[id].package.evr).is_lt() {
                    *last = id;
                }
            }
            _ => best.push(id),
        }
    }
    *all = best;
    if all.len() > 1 {
        drop_obsoleted(universe, all);
    }
}

/// Drops who is obsoleted by another, unless they obsolete each other, if only in a circle.
fn drop_obsoleted(universe: &Universe<'_>, all: &mut Vec<PackageId>) {
    let named = |id: PackageId| universe[id].package;
    let places: HashMap<&str, usize> =
        all.iter().enumerate().map(|(place, &id)| (&*named(id).name, place)).collect();
    let obsoleted_by = |id: PackageId| -> BTreeSet<usize> {
        let hits = |relation: &Relation| {
            let place = *places.get(&*relation.name).filter(|&&place| all[place] != id)?;
            universe::names(relation, named(all[place])).then_some(place)
        };
        named(id).obsoletes.iter().filter_map(hits).collect()
    };
    let obsoleted: Vec<_> = all.iter().map(|&id| obsoleted_by(id)).collect();
    if obsoleted.iter().all(BTreeSet::is_empty) {
        return;
    }
    let mut gone = HashSet::new();
    for circle in order::circles(&obsoleted) {
        let by_it = circle.iter().flat_map(|&place| &obsoleted[place]);
        gone.extend(by_it.filter(|place| !circle.contains(place)).map(|&place| all[place]));
    }
    all.retain(|id| !gone.contains(id));
}

/// Whether there is a newer version of the package, or one of a better repository, be it one that
/// may not be chosen: so dnf has it, with libsolv's `POOL_FLAG_WHATPROVIDESWITHDISABLED`.
fn is_outdated(universe: &Universe<'_>, id: PackageId) -> bool {
    let entry = &universe[id];
    universe.called(&entry.package.name).any(|other| {
        let other = &universe[other];
        let order = entry.priority.cmp(&other.priority);
        other.package.arch == entry.package.arch
            && order.then_with(|| other.package.evr.compare(&entry.package.evr)).is_gt()
    })
}

/// Something that one of the candidates provides, up to a version.
struct Provide<'a> {
    candidate: usize,
    name: &'a str,
    evr: &'a Evr,
    is_below: bool,
}

impl Provide<'_> {
    /// The newest first; who has no release behind who has one.
    fn compare(&self, other: &Self) -> Ordering {
        let releases = other.evr.release.is_some().cmp(&self.evr.release.is_some());
        let versions = other.evr.compare_in_relation(self.evr);
        versions.then(releases).then(self.is_below.cmp(&other.is_below))
    }

    /// Whether another is older for certain.
    fn is_newer(&self, other: &Self) -> bool {
        let is_certain = self.evr.release.is_some() == other.evr.release.is_some();
        match other.evr.compare_in_relation(self.evr) {
            Ordering::Equal => is_certain && !self.is_below && other.is_below,
            order => order.is_lt(),
        }
    }
}

/// Who provides something in an older version than another does goes behind it.
fn sort_by_common_provides(universe: &Universe<'_>, packages: &mut [PackageId]) {
    let mut provides = Vec::new();
    for (candidate, &id) in packages.iter().enumerate() {
        for relation in &universe[id].package.provides {
            let Some(bound) = &relation.bound else { continue };
            let is_digest = || bound.operator == Operator::Equal && is_digest(&bound.evr);
            if matches!(bound.operator, Operator::Less | Operator::LessOrEqual | Operator::Equal)
                && !is_digest()
            {
                let is_below = bound.operator == Operator::Less;
                provides.push(Provide { candidate, name: &relation.name, evr: &bound.evr, is_below });
            }
        }
    }
    provides.sort_by(|a, b| a.name.cmp(b.name).then_with(|| a.compare(b)));
    let mut badness = vec![0_usize; packages.len()];
    let mut bad = 0;
    for (index, one) in provides.iter().enumerate() {
        match index.checked_sub(1).map(|before| &provides[before]).filter(|before| before.name == one.name) {
            None => bad = 0,
            Some(before) => {
                bad += usize::from(before.candidate != one.candidate && before.is_newer(one));
            }
        }
        badness[one.candidate] += bad;
    }
    let mut sorted: Vec<_> = packages.iter().copied().zip(badness).collect();
    sorted.sort_by_key(|(_, badness)| *badness);
    packages.iter_mut().zip(sorted).for_each(|(place, (id, _))| *place = id);
}

/// A version that is a hash says nothing of age.
fn is_digest(evr: &Evr) -> bool {
    let text = &evr.version;
    evr.epoch == 0
        && evr.release.is_none()
        && text.len() >= 4
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
