//! The relations of one package, read when it is reached.

use std::cell::OnceCell;

use super::order::Order;
use super::universe::{ArchId, SlotId, Universe};
use crate::package::{MultiArch, Package};
use crate::relation::{self, Group, Relation, RelationError};

/// What the candidate of a slot needs and what it cannot be with.
#[derive(Debug)]
pub(super) struct Need<'a> {
    /// One alternative of each must be installed.
    pub(super) groups: Vec<Vec<Alternative<'a>>>,
    /// None of these must be.
    pub(super) clashes: Vec<Clash<'a>>,
    /// The field that cannot be read. Such a package is never chosen.
    pub(super) unreadable: Option<(&'static str, RelationError)>,
}

#[derive(Debug)]
pub(super) struct Alternative<'a> {
    pub(super) relation: Relation<'a>,
    /// Who satisfies it, the preferred one first.
    pub(super) slots: Vec<SlotId>,
}

/// What a package cannot be with.
#[derive(Debug)]
pub(super) struct Clash<'a> {
    pub(super) cause: Cause<'a>,
    /// Whom it hits.
    pub(super) slots: Vec<SlotId>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Cause<'a> {
    Conflicts(Relation<'a>),
    Breaks(Relation<'a>),
    /// It cannot be installed for two architectures at once, or not in two versions.
    Sibling,
}

/// The needs of all packages, each read once.
#[derive(Debug)]
pub(super) struct Needs<'u, 'a> {
    pub(super) universe: &'u Universe<'a>,
    pub(super) order: Order,
    /// Boxed, as few of them are ever read.
    read: Vec<OnceCell<Box<Need<'a>>>>,
}

impl<'u, 'a> Needs<'u, 'a> {
    pub(super) fn new(universe: &'u Universe<'a>) -> Self {
        let read = universe.slots().map(|_| OnceCell::new()).collect();
        Self { universe, order: Order::default(), read }
    }

    /// Of the candidate; without one there are no needs.
    pub(super) fn of(&self, slot: SlotId) -> &Need<'a> {
        self.read[slot.index()].get_or_init(|| Box::new(self.read(slot)))
    }

    fn read(&self, slot: SlotId) -> Need<'a> {
        let mut need = Need { groups: Vec::new(), clashes: Vec::new(), unreadable: None };
        let Some(package) = self.universe.candidate_of(slot) else { return need };
        // apt's order, by which it also installs.
        let positive = [("Pre-Depends", package.pre_depends), ("Depends", package.depends)];
        for (field, text) in positive {
            let groups = self.fields(&mut need, field, text);
            need.groups.extend(groups.iter().map(|group| self.alternatives(slot, group)));
        }
        let negative = [
            ("Conflicts", package.conflicts, Cause::Conflicts as fn(Relation<'a>) -> Cause<'a>),
            ("Breaks", package.breaks, Cause::Breaks),
        ];
        for (field, text, cause) in negative {
            let groups = self.fields(&mut need, field, text);
            let clashes = groups
                .iter()
                .flatten()
                .map(|relation| Clash { cause: cause(*relation), slots: self.hit(slot, package, relation) });
            need.clashes.extend(clashes);
        }
        let slots = self.unlike_siblings(slot, package);
        need.clashes.push(Clash { cause: Cause::Sibling, slots });
        need.clashes.retain(|clash| !clash.slots.is_empty());
        need
    }

    /// The groups of a field without the relations that do not count for this architecture.
    fn fields(&self, need: &mut Need<'a>, field: &'static str, text: &'a str) -> Vec<Group<'a>> {
        let mut groups = relation::parse(text).unwrap_or_else(|error| {
            need.unreadable = Some((field, error));
            Vec::new()
        });
        let native = self.universe.arch_name(ArchId::NATIVE);
        groups.iter_mut().for_each(|group| group.retain(|relation| relation.applies(native)));
        groups.retain(|group| !group.is_empty());
        groups
    }

    fn alternatives(&self, slot: SlotId, group: &Group<'a>) -> Vec<Alternative<'a>> {
        let arch = self.universe[slot].arch;
        let alternative = |relation: &Relation<'a>| {
            let mut slots = self.universe.satisfying(relation, arch);
            self.order.sort(self.universe, relation, &mut slots);
            Alternative { relation: *relation, slots }
        };
        group.iter().map(alternative).collect()
    }

    /// Whom a conflict hits: other packages of any architecture, unless it names one. A package
    /// never conflicts with itself, nor with what it is for another architecture if it is made
    /// to stand beside that.
    fn hit(&self, slot: SlotId, package: &Package<'_>, relation: &Relation<'_>) -> Vec<SlotId> {
        let universe = self.universe;
        let arches = match relation.qualifier {
            Some(_) => 1,
            None => universe.arches.len(),
        };
        let name = universe[slot].name;
        let mut slots: Vec<_> = (universe.arches[..arches].iter())
            .filter_map(|arch| universe.arch(arch))
            .flat_map(|arch| universe.satisfying(relation, arch))
            .filter(|&other| {
                let same = relation.name == name && package.multi_arch != MultiArch::Same;
                other != slot && (universe[other].name != name || same)
            })
            .collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// The same name for another architecture, unless both are `Multi-Arch: same` and of the
    /// same version.
    fn unlike_siblings(&self, slot: SlotId, package: &Package<'_>) -> Vec<SlotId> {
        let beside = |other: SlotId| {
            self.universe.candidate_of(other).is_some_and(|other| {
                package.multi_arch == MultiArch::Same && other.version == package.version
            })
        };
        let siblings = self.universe.siblings(package.name);
        let known = |&other: &SlotId| self.universe[other].candidate.is_some();
        siblings.filter(|&other| other != slot).filter(known).filter(|&o| !beside(o)).collect()
    }
}
