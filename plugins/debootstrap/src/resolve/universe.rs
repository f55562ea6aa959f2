//! All packages by name: candidates, providers, who satisfies a relation.
//!
//! Built anew for each request in some ten milliseconds, so it only looks at names, versions
//! and `Provides`; other relations are read when their package is reached.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::Request;
use crate::package::{MultiArch, Package};
use crate::relation::{self, Relation};
use crate::version;

/// A name and an architecture: of those, at most one version is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SlotId(u32);

impl SlotId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    /// The reverse of [`SlotId::index`].
    pub(super) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("an index of 2^32 packages does not fit into memory"))
    }
}

/// An index into the request's architectures; 0 is the native one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ArchId(usize);

impl ArchId {
    pub(super) const NATIVE: Self = Self(0);
}

#[derive(Debug)]
pub(super) struct Slot<'a> {
    pub(super) name: &'a str,
    /// `all` counts as native.
    pub(super) arch: ArchId,
    /// Indexes of its versions, as listed.
    pub(super) versions: Vec<usize>,
    /// The version that may be installed.
    pub(super) candidate: Option<usize>,
    /// One of its versions is essential, which is what apt looks at.
    pub(super) essential: bool,
    /// The slot of the same name for another architecture.
    sibling: Option<SlotId>,
}

/// That a package provides a name.
#[derive(Debug)]
pub(super) struct Provider<'a> {
    pub(super) slot: SlotId,
    /// The index of the version that does.
    pub(super) package: usize,
    qualifier: Option<&'a str>,
    pub(super) version: Option<&'a str>,
}

/// Whom of a name a relation means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// `name`: of the depender's architecture, or one that serves all.
    Implicit(ArchId),
    /// `name:any`.
    Any,
    /// `name:native`, `name:arm64`.
    Exactly(ArchId),
}

#[derive(Debug)]
pub(super) struct Universe<'a> {
    pub(super) packages: &'a [Package<'a>],
    pub(super) arches: Vec<&'a str>,
    pub(super) slots: Vec<Slot<'a>>,
    names: HashMap<&'a str, SlotId>,
    provided: HashMap<&'a str, Vec<Provider<'a>>>,
    priorities: &'a [i32],
    exclude: &'a [String],
}

impl<'a> Universe<'a> {
    pub(super) fn new(packages: &'a [Package<'a>], request: &Request<'a>) -> Self {
        let foreign = request.foreign.iter().map(String::as_str);
        let mut universe = Self {
            packages,
            arches: std::iter::once(request.arch).chain(foreign).collect(),
            slots: Vec::with_capacity(packages.len()),
            names: HashMap::with_capacity(packages.len()),
            provided: HashMap::new(),
            priorities: request.priorities,
            exclude: request.exclude,
        };
        for (index, package) in packages.iter().enumerate() {
            universe.add(index, package);
        }
        for index in 0..universe.slots.len() {
            universe.slots[index].candidate = universe.candidate(&universe.slots[index]);
        }
        universe
    }

    fn add(&mut self, index: usize, package: &'a Package<'a>) {
        let Some(arch) = self.arch(package.arch) else { return };
        let slot = self.make_slot(package.name, arch);
        let entry = &mut self.slots[slot.index()];
        entry.versions.push(index);
        entry.essential |= package.essential;
        if package.provides.is_empty() {
            return;
        }
        // What cannot be read is not provided. Whoever needs it is told that nobody does.
        for Relation { name, qualifier, constraint, .. } in relation::provides(package.provides).flatten() {
            let version = constraint.map(|(_, version)| version);
            let provider = Provider { slot, package: index, qualifier, version };
            self.provided.entry(name).or_default().push(provider);
        }
    }

    fn make_slot(&mut self, name: &'a str, arch: ArchId) -> SlotId {
        if let Some(slot) = self.slot(name, arch) {
            return slot;
        }
        let slot = SlotId::new(self.slots.len());
        let sibling = self.names.insert(name, slot);
        let (versions, candidate, essential) = (Vec::new(), None, false);
        self.slots.push(Slot { name, arch, versions, candidate, essential, sibling });
        slot
    }

    /// apt_preferences(5): the highest priority, then the highest version.
    fn candidate(&self, slot: &Slot<'_>) -> Option<usize> {
        if self.is_excluded(slot.name) {
            return None;
        }
        let priority = |index: usize| self.pin(self.packages[index].repository);
        let better = |a: &usize, b: &usize| {
            let versions = || version::compare(self.packages[*a].version, self.packages[*b].version);
            // Of the same version in two repositories, the one listed first.
            priority(*a).cmp(&priority(*b)).then_with(versions).then(Reverse(a).cmp(&Reverse(b)))
        };
        slot.versions.iter().copied().filter(|&v| priority(v) > 0).max_by(better)
    }

    /// The pin priority of a repository.
    pub(super) fn pin(&self, repository: usize) -> i32 {
        self.priorities.get(repository).copied().unwrap_or(500)
    }

    pub(super) fn is_excluded(&self, name: &str) -> bool {
        self.exclude.iter().any(|excluded| excluded == name)
    }

    /// The architecture of that name, if it is one of the request's.
    pub(super) fn arch(&self, name: &str) -> Option<ArchId> {
        if name == "all" {
            return Some(ArchId::NATIVE);
        }
        self.arches.iter().position(|&arch| arch == name).map(ArchId)
    }

    pub(super) fn arch_name(&self, arch: ArchId) -> &'a str {
        self.arches[arch.0]
    }

    pub(super) fn slot(&self, name: &str, arch: ArchId) -> Option<SlotId> {
        self.siblings(name).find(|&slot| self[slot].arch == arch)
    }

    /// The slots of a name, for all architectures that have it.
    pub(super) fn siblings(&self, name: &str) -> impl Iterator<Item = SlotId> {
        let first = self.names.get(name).copied();
        std::iter::successors(first, |&slot| self[slot].sibling)
    }

    /// Real names, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.keys().copied()
    }

    /// All slots, in the order of the index.
    pub(super) fn slots(&self) -> impl Iterator<Item = SlotId> + use<> {
        (0..self.slots.len()).map(SlotId::new)
    }

    /// The package that would be installed.
    pub(super) fn candidate_of(&self, slot: SlotId) -> Option<&'a Package<'a>> {
        self[slot].candidate.map(|index| &self.packages[index])
    }

    /// Makes another version the candidate, because the request says so.
    pub(super) fn set_candidate(&mut self, slot: SlotId, candidate: usize) {
        self.slots[slot.index()].candidate = Some(candidate);
    }

    /// Who provides a name, in the order of the index; candidates or not.
    pub(super) fn providers(&self, name: &str) -> &[Provider<'a>] {
        self.provided.get(name).map_or(&[], Vec::as_slice)
    }

    /// All slots that provide something, some of them repeatedly.
    pub(super) fn providing(&self) -> impl Iterator<Item = SlotId> {
        self.provided.values().flatten().map(|provider| provider.slot)
    }

    /// Whether this version is its slot's candidate.
    pub(super) fn is_candidate(&self, provider: &Provider<'_>) -> bool {
        self[provider.slot].candidate == Some(provider.package)
    }

    /// The candidates that satisfy what a package of `arch` depends on, in no useful order.
    pub(super) fn satisfying(&self, relation: &Relation<'_>, arch: ArchId) -> Vec<SlotId> {
        let reach = match relation.qualifier {
            None => Reach::Implicit(arch),
            Some("any") => Reach::Any,
            Some("native") => Reach::Exactly(ArchId::NATIVE),
            Some(name) => match self.arch(name) {
                Some(arch) => Reach::Exactly(arch),
                None => return Vec::new(),
            },
        };
        let real = self.siblings(relation.name).filter(|&slot| {
            self.candidate_of(slot).is_some_and(|package| {
                relation.accepts(Some(package.version)) && self.is_real(slot, package, reach)
            })
        });
        let virtually = self.providers(relation.name).iter().filter(|provider| {
            self.is_candidate(provider)
                && relation.accepts(provider.version)
                && self.is_provided(provider, reach)
        });
        let mut slots: Vec<_> = real.chain(virtually.map(|provider| provider.slot)).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    fn is_real(&self, slot: SlotId, package: &Package<'_>, reach: Reach) -> bool {
        match reach {
            Reach::Implicit(arch) => self[slot].arch == arch || package.multi_arch == MultiArch::Foreign,
            Reach::Any => package.multi_arch == MultiArch::Allowed,
            Reach::Exactly(arch) => self[slot].arch == arch,
        }
    }

    /// A virtual package has the architecture and `Multi-Arch` of its provider, unless
    /// `Provides` says otherwise.
    fn is_provided(&self, provider: &Provider<'_>, reach: Reach) -> bool {
        match (provider.qualifier, reach) {
            (None, reach) => self.is_real(provider.slot, &self.packages[provider.package], reach),
            (Some("any"), reach) => reach == Reach::Any,
            (Some(_), Reach::Any) => false,
            (Some(name), Reach::Implicit(arch) | Reach::Exactly(arch)) => name == self.arch_name(arch),
        }
    }

    /// The candidates of these slots, sorted by name, then architecture.
    pub(super) fn indexes(&self, chosen: &[SlotId]) -> Vec<usize> {
        let mut chosen = chosen.to_vec();
        chosen.sort_unstable_by_key(|&slot| (self[slot].name, self.arch_name(self[slot].arch)));
        chosen.iter().filter_map(|&slot| self[slot].candidate).collect()
    }
}

impl<'a> std::ops::Index<SlotId> for Universe<'a> {
    type Output = Slot<'a>;

    fn index(&self, slot: SlotId) -> &Slot<'a> {
        &self.slots[slot.index()]
    }
}
