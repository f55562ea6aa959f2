//! Another choice, where apt's does not hold: a SAT solver with apt's preferences.
//!
//! To the solver a package is one candidate of a name of its own, as only one version can be
//! chosen at all. A need is a union of such names in apt's order, with what apt had chosen in
//! front; a conflict is a constraint that no candidate of the other name fulfils.

use std::cell::RefCell;
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider, Interner,
    KnownDependencies, NameId, Problem, Requirement, SolvableId, Solver, SolverCache, StringId,
    UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use super::explain::{Core, explain};
use super::needs::Needs;
use super::universe::SlotId;

/// A set that holds, or why there is none.
pub(super) fn solve(
    needs: &Needs<'_, '_>,
    wanted: &[SlotId],
    preferred: &[SlotId],
) -> Result<Vec<SlotId>, String> {
    let mut is_preferred = vec![false; needs.universe.slots.len()];
    preferred.iter().for_each(|slot| is_preferred[slot.index()] = true);
    let unions = RefCell::default();
    let mut solver = Solver::new(Provider { needs, is_preferred, unions });
    let wanted = wanted.iter().map(|&slot| Requirement::Single(version_set(slot, true)).into());
    match solver.solve(Problem::new().requirements(wanted.collect())) {
        Ok(chosen) => Ok(chosen.into_iter().map(slot_of).collect()),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let graph = conflict.graph(&solver);
            Err(explain(needs, &Core::new(&graph, solver.provider())))
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => unreachable!("nothing cancels the solver"),
    }
}

pub(super) fn slot_of(solvable: SolvableId) -> SlotId {
    SlotId::new(solvable.into_raw() as usize)
}

fn raw(slot: SlotId) -> u32 {
    u32::try_from(slot.index()).expect("a slot's index is 32 bits wide")
}

/// All of a slot's candidates, or none: `require`d, or forbidden.
fn version_set(slot: SlotId, require: bool) -> VersionSetId {
    VersionSetId(raw(slot) * 2 + u32::from(!require))
}

fn slot_of_set(set: VersionSetId) -> SlotId {
    SlotId::new(set.0 as usize / 2)
}

pub(super) struct Provider<'n, 'u, 'a> {
    needs: &'n Needs<'u, 'a>,
    is_preferred: Vec<bool>,
    /// Whose need each union is, and which of them.
    unions: RefCell<Vec<(SlotId, usize)>>,
}

impl Provider<'_, '_, '_> {
    /// Which need of which package a union is.
    pub(super) fn need(&self, union: VersionSetUnionId) -> (SlotId, usize) {
        self.unions.borrow()[union.0 as usize]
    }

    /// A name that nobody has, for a need that nobody satisfies.
    fn nobody(&self) -> SlotId {
        SlotId::new(self.needs.universe.slots.len())
    }

    fn union(&self, slot: SlotId, group: usize) -> Requirement {
        let mut unions = self.unions.borrow_mut();
        unions.push((slot, group));
        let id = u32::try_from(unions.len() - 1).expect("an index has fewer than 2^32 relations");
        Requirement::Union(VersionSetUnionId(id))
    }
}

impl Interner for Provider<'_, '_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        solvable.into_raw()
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        name.into_raw()
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        set.0
    }

    fn display_string(&self, string: StringId) -> impl Display + '_ {
        string.0
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        NameId::from_raw(raw(slot_of_set(set)))
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_raw(solvable.into_raw())
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        let (slot, group) = self.need(union);
        let group = &self.needs.of(slot).groups[group];
        let mut slots: Vec<_> = group.iter().flat_map(|a| &a.slots).copied().collect();
        // Twice the same is what `a | b` is, where `a` is also provided by `b`.
        let mut seen = std::collections::HashSet::new();
        slots.retain(|slot| seen.insert(*slot));
        slots.sort_by_key(|slot| !self.is_preferred[slot.index()]);
        if slots.is_empty() {
            slots.push(self.nobody());
        }
        slots.into_iter().map(|slot| version_set(slot, true))
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement has a condition")
    }
}

impl DependencyProvider for Provider<'_, '_, '_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let all = set == version_set(slot_of_set(set), true);
        if all == inverse { Vec::new() } else { candidates.to_vec() }
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let known = (name.into_raw() as usize) < self.nobody().index();
        let candidates = vec![SolvableId::from_raw(name.into_raw())];
        known.then(|| Candidates { candidates, ..Candidates::default() })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, _: &mut [SolvableId]) {}

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let slot = slot_of(solvable);
        let need = self.needs.of(slot);
        if need.unreadable.is_some() {
            return Dependencies::Unknown(StringId(solvable.into_raw()));
        }
        let requirements: Vec<ConditionalRequirement> =
            (0..need.groups.len()).map(|group| self.union(slot, group).into()).collect();
        let clashes = need.clashes.iter().flat_map(|clash| &clash.slots);
        let constrains = clashes.map(|&other| version_set(other, false)).collect();
        Dependencies::Known(KnownDependencies { requirements, constrains })
    }
}
