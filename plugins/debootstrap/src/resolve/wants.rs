//! What is asked for, as places in the universe.

use super::explain;
use super::universe::{ArchId, SlotId, Universe};
use super::{ResolveError, Want};
use crate::package::Package;
use crate::relation::Relation;
use crate::{relation, version};

/// The slots that must be installed, each once, in the order of the request. Where the request
/// names a version, that becomes the candidate.
pub(super) fn settle(universe: &mut Universe<'_>, wants: &[Want]) -> Result<Vec<SlotId>, ResolveError> {
    let mut wanted = Vec::new();
    let mut released = Vec::new();
    for want in wants {
        match want {
            Want::Essential => wanted.extend(all(universe, |package| package.essential)),
            Want::Priority(least) => {
                wanted.extend(all(universe, |package| package.priority <= *least));
            }
            Want::Index(index) => wanted.push(entry(universe, *index)?),
            Want::Package { name, arch, version, repositories } => {
                let slot = named(universe, name, arch.as_deref(), version, repositories)?;
                released.extend(repositories.as_ref().map(|repositories| (slot, repositories)));
                wanted.push(slot);
            }
        }
    }
    for (slot, repositories) in released {
        follow(universe, slot, repositories);
    }
    let mut seen = std::collections::HashSet::new();
    wanted.retain(|slot| seen.insert(*slot));
    Ok(wanted)
}

/// The native packages of a kind, sorted by name: those that are excluded have no candidate.
fn all(universe: &Universe<'_>, is_one: impl Fn(&Package<'_>) -> bool) -> Vec<SlotId> {
    let mut slots: Vec<_> = universe
        .slots()
        .filter(|&slot| universe[slot].arch == ArchId::NATIVE)
        .filter(|&slot| universe.candidate_of(slot).is_some_and(&is_one))
        .collect();
    slots.sort_unstable_by_key(|&slot| universe[slot].name);
    slots
}

fn entry(universe: &mut Universe<'_>, index: usize) -> Result<SlotId, ResolveError> {
    let unknown = ResolveError::UnknownIndex(index);
    let Some(package) = universe.packages.get(index) else { return Err(unknown) };
    let slot = universe.arch(package.arch).and_then(|arch| universe.slot(package.name, arch));
    let Some(slot) = slot else { return Err(unknown) };
    refuse_excluded(universe, package.name)?;
    universe.set_candidate(slot, index);
    Ok(slot)
}

fn refuse_excluded(universe: &Universe<'_>, name: &str) -> Result<(), ResolveError> {
    if universe.is_excluded(name) {
        let text = format!("{name} is wanted, and excluded");
        return Err(ResolveError::Unsatisfiable(text));
    }
    Ok(())
}

fn named(
    universe: &mut Universe<'_>,
    name: &str,
    arch: Option<&str>,
    version: &Option<String>,
    repositories: &Option<Vec<usize>>,
) -> Result<SlotId, ResolveError> {
    refuse_excluded(universe, name)?;
    // apt's other words for architectures.
    let arch = arch.filter(|arch| *arch != "any");
    let arch = arch.map(|arch| if arch == "native" { universe.arches[0] } else { arch });
    let slot = real(universe, name, arch).or_else(|| only_provider(universe, name, arch));
    let Some(slot) = slot else {
        let name = arch.map_or_else(|| name.to_owned(), |arch| format!("{name}:{arch}"));
        let suggestions = explain::suggestions(universe, &name);
        return Err(ResolveError::UnknownPackage { name, suggestions });
    };
    if version.is_some() || repositories.is_some() {
        let chosen = version_of(universe, slot, version.as_deref(), repositories.as_deref())?;
        universe.set_candidate(slot, chosen);
    }
    Ok(slot)
}

/// The package of that name: without an architecture, the native one or else the first foreign.
fn real(universe: &Universe<'_>, name: &str, arch: Option<&str>) -> Option<SlotId> {
    let arch = arch.map(|arch| universe.arch(arch));
    if arch == Some(None) {
        return None;
    }
    universe
        .siblings(name)
        .filter(|&slot| universe[slot].candidate.is_some())
        .filter(|&slot| arch.flatten().is_none_or(|arch| universe[slot].arch == arch))
        .min_by_key(|&slot| universe[slot].arch)
}

/// A virtual package stands for the package that provides it, if there is only one.
fn only_provider(universe: &Universe<'_>, name: &str, arch: Option<&str>) -> Option<SlotId> {
    let arch = match arch {
        Some(arch) => universe.arch(arch)?,
        None => ArchId::NATIVE,
    };
    let slots = universe.satisfying(&Relation::to(name), arch);
    let first = *slots.first()?;
    let same = slots.iter().all(|&slot| universe[slot].name == universe[first].name);
    slots.into_iter().filter(|_| same).min_by_key(|&slot| universe[slot].arch)
}

/// The version asked for. It counts as text: `1.0` is not `1.00`.
fn version_of(
    universe: &Universe<'_>,
    slot: SlotId,
    wanted: Option<&str>,
    repositories: Option<&[usize]>,
) -> Result<usize, ResolveError> {
    let packages = universe.packages;
    let versions = newest_first(universe, slot);
    let fits = |package: &Package<'_>| {
        wanted.is_none_or(|version| version == package.version)
            && repositories.is_none_or(|list| list.contains(&package.repository))
    };
    versions.iter().copied().find(|&index| fits(&packages[index])).ok_or_else(|| {
        let mut available: Vec<_> =
            versions.iter().map(|&index| packages[index].version.to_owned()).collect();
        available.dedup();
        ResolveError::UnknownVersion {
            name: universe[slot].name.to_owned(),
            version: wanted.unwrap_or("in the repositories asked for").to_owned(),
            available,
        }
    })
}

fn newest_first(universe: &Universe<'_>, slot: SlotId) -> Vec<usize> {
    let mut versions = universe[slot].versions.clone();
    let version = |index: usize| universe.packages[index].version;
    versions.sort_by(|&a, &b| version::compare(version(b), version(a)).then(a.cmp(&b)));
    versions
}

/// Takes from the same repositories what a package needs in a version that the candidates do
/// not have; `name/suite` would be of little use without.
fn follow(universe: &mut Universe<'_>, slot: SlotId, repositories: &[usize]) {
    let mut reached = vec![slot];
    let mut seen = std::collections::HashSet::from([slot]);
    while let Some(slot) = reached.pop() {
        let Some(package) = universe.candidate_of(slot) else { continue };
        let arch = universe[slot].arch;
        let fields = [package.pre_depends, package.depends];
        let groups = fields.into_iter().flat_map(|field| relation::parse(field).unwrap_or_default());
        for group in groups {
            if group.iter().any(|relation| !universe.satisfying(relation, arch).is_empty()) {
                continue;
            }
            let switch = group.iter().find_map(|relation| {
                let slot = universe.slot(relation.name, arch)?;
                let chosen = version_of(universe, slot, None, Some(repositories)).ok()?;
                let accepted = relation.accepts(Some(universe.packages[chosen].version));
                (accepted && !universe.is_excluded(relation.name)).then_some((slot, chosen))
            });
            if let Some((slot, chosen)) = switch {
                universe.set_candidate(slot, chosen);
                if seen.insert(slot) {
                    reached.push(slot);
                }
            }
        }
    }
}
