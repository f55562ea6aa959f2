//! Which packages hold together: a SAT solver, asked in the terms of packages.
//!
//! To the solver a *slot* is something that is chosen or not: a package in one version. Each is
//! a candidate of a name of its own, and where it can matter that it is not chosen, that is another
//! one. What a slot needs is a union of such candidates, the best in front; what cannot stand beside
//! it is a constraint that the other slot does not fulfil. Which slots there are, and in which order
//! they are to be tried, is the source's.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use resolvo::conflict::{ConflictEdge, ConflictGraph, ConflictNode};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider, Interner,
    KnownDependencies, NameId, Problem, Requirement, SolvableId, Solver, SolverCache, StringId,
    UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

/// What the solver asks a source. Slots and the needs of a slot are counted from 0; the needs of
/// nobody are those of the request.
pub trait Slots {
    /// How many slots there are.
    fn count(&self) -> usize;

    /// How many needs a slot has; `None` if it cannot be had at all.
    fn needs(&self, slot: usize) -> Option<usize>;

    /// What fulfils a need, the best first.
    fn fulfilling(&self, owner: Option<usize>, need: usize) -> Vec<Choice>;

    /// Whether [`Choice::Absent`] is ever among that.
    fn absence_counts(&self) -> bool {
        false
    }

    /// The slots that cannot stand beside this one.
    fn enemies(&self, slot: usize) -> Vec<usize>;
}

/// What becomes of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It is chosen.
    There(usize),
    /// It is not.
    Absent(usize),
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// So many needs of the request, which [`Slots::fulfilling`] knows.
    pub needs: usize,
    /// These slots.
    pub slots: Vec<usize>,
    /// None of these slots.
    pub without: Vec<usize>,
}

/// The relations that cannot hold together. Of nobody are those of the request.
#[derive(Debug, Default)]
pub struct Core {
    /// Slots that were asked for.
    pub wanted: BTreeSet<usize>,
    /// By slot, which of its needs cannot be met.
    pub needs: BTreeMap<Option<usize>, BTreeSet<usize>>,
    /// By slot, whom it cannot stand beside.
    pub conflicts: BTreeMap<Option<usize>, BTreeSet<usize>>,
}

/// Slots that hold together, in no order, with all that they need.
///
/// # Errors
///
/// Why there are none.
pub fn solve(slots: &impl Slots, wanted: &Wanted) -> Result<Vec<usize>, Core> {
    let provider = Provider { slots, unions: RefCell::default() };
    let needs = (0..wanted.needs).map(|need| provider.union(None, need).into());
    let single =
        |&slot: &usize| ConditionalRequirement::from(Requirement::Single(version_set(Choice::There(slot))));
    let requirements = needs.chain(wanted.slots.iter().map(single)).collect();
    let constraints = wanted.without.iter().map(|&slot| version_set(Choice::Absent(slot))).collect();
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(requirements).constraints(constraints)) {
        Ok(chosen) => Ok(chosen.into_iter().filter_map(there).collect()),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let graph = conflict.graph(&solver);
            Err(Core::new(&graph, solver.provider()))
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => unreachable!("nothing cancels the solver"),
    }
}

impl Core {
    /// The graph has an edge for each way out, in the order of the solver's thoughts; here each
    /// relation is once.
    fn new<S: Slots>(graph: &ConflictGraph, provider: &Provider<'_, S>) -> Self {
        let mut core = Self::default();
        let slot = |node| match graph.graph[node] {
            ConflictNode::Solvable(solvable) => there(solvable),
            _ => None,
        };
        for edge in graph.graph.edge_indices() {
            let Some((from, to)) = graph.graph.edge_endpoints(edge) else { continue };
            match (&graph.graph[edge], slot(to)) {
                (ConflictEdge::Requires(Requirement::Union(union)), _) => {
                    let (owner, need) = provider.need(*union);
                    core.needs.entry(owner).or_default().insert(need);
                }
                (ConflictEdge::Requires(Requirement::Single(_)), Some(to)) => _ = core.wanted.insert(to),
                (ConflictEdge::Conflict(_), Some(to)) => {
                    core.conflicts.entry(slot(from)).or_default().insert(to);
                }
                _ => {}
            }
        }
        core
    }
}

/// The slot whose being chosen a candidate is.
fn there(solvable: SolvableId) -> Option<usize> {
    let number = solvable.into_raw();
    number.is_multiple_of(2).then_some(number as usize / 2)
}

fn raw(number: usize) -> u32 {
    u32::try_from(number).expect("an index has fewer than 2^31 packages and relations")
}

/// A candidate, and the set of versions that has only it, have the same number.
fn number(choice: Choice) -> u32 {
    match choice {
        Choice::There(slot) => raw(slot * 2),
        Choice::Absent(slot) => raw(slot * 2 + 1),
    }
}

fn version_set(choice: Choice) -> VersionSetId {
    VersionSetId(number(choice))
}

/// Slots as the solver knows them.
struct Provider<'s, S> {
    slots: &'s S,
    /// Whose need each union is, and which of them.
    unions: RefCell<Vec<(Option<usize>, usize)>>,
}

impl<S: Slots> Provider<'_, S> {
    fn need(&self, union: VersionSetUnionId) -> (Option<usize>, usize) {
        self.unions.borrow()[union.0 as usize]
    }

    fn union(&self, owner: Option<usize>, need: usize) -> Requirement {
        let mut unions = self.unions.borrow_mut();
        unions.push((owner, need));
        Requirement::Union(VersionSetUnionId(raw(unions.len() - 1)))
    }
}

impl<S: Slots> Interner for Provider<'_, S> {
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
        NameId::from_raw(set.0 / 2)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_raw(solvable.into_raw() / 2)
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        let (owner, need) = self.need(union);
        let mut choices = self.slots.fulfilling(owner, need);
        if choices.is_empty() {
            // A name that nobody has, for what nobody fulfils.
            choices.push(Choice::There(self.slots.count()));
        }
        choices.into_iter().map(version_set)
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement has a condition")
    }
}

impl<S: Slots> DependencyProvider for Provider<'_, S> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        candidates.iter().copied().filter(|candidate| (candidate.into_raw() == set.0) != inverse).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let slot = name.into_raw() as usize;
        let absent = self.slots.absence_counts().then_some(Choice::Absent(slot));
        let choices = [Choice::There(slot)].into_iter().chain(absent);
        let candidates = choices.map(|choice| SolvableId::from_raw(number(choice))).collect();
        (slot < self.slots.count()).then(|| Candidates { candidates, ..Candidates::default() })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, _: &mut [SolvableId]) {}

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let Some(slot) = there(solvable) else {
            return Dependencies::Known(KnownDependencies::default());
        };
        let Some(needs) = self.slots.needs(slot) else {
            return Dependencies::Unknown(StringId(solvable.into_raw()));
        };
        let requirements = (0..needs).map(|need| self.union(Some(slot), need).into()).collect();
        let constrains =
            self.slots.enemies(slot).into_iter().map(|other| version_set(Choice::Absent(other))).collect();
        Dependencies::Known(KnownDependencies { requirements, constrains })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By slot, what it needs and whom it cannot stand.
    struct Few(Vec<(Vec<Vec<usize>>, Vec<usize>)>);

    impl Slots for Few {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn needs(&self, slot: usize) -> Option<usize> {
            Some(self.0[slot].0.len())
        }

        fn fulfilling(&self, owner: Option<usize>, need: usize) -> Vec<Choice> {
            let slots = owner.map_or_else(|| vec![0], |slot| self.0[slot].0[need].clone());
            slots.into_iter().map(Choice::There).collect()
        }

        fn enemies(&self, slot: usize) -> Vec<usize> {
            self.0[slot].1.clone()
        }
    }

    fn first(few: &Few) -> Result<Vec<usize>, Core> {
        let mut chosen = solve(few, &Wanted { needs: 1, ..Wanted::default() })?;
        chosen.sort_unstable();
        Ok(chosen)
    }

    #[test]
    fn the_best_that_holds_is_chosen() {
        let few = Few(vec![(vec![vec![1, 2]], vec![]), (vec![], vec![]), (vec![], vec![])]);
        assert_eq!(first(&few).unwrap(), [0, 1]);
        let few = Few(vec![(vec![vec![1, 2]], vec![]), (vec![], vec![0]), (vec![], vec![])]);
        assert_eq!(first(&few).unwrap(), [0, 2]);
    }

    #[test]
    fn the_core_names_what_stands_in_the_way() {
        let few = Few(vec![(vec![vec![1], vec![]], vec![]), (vec![], vec![])]);
        let core = first(&few).unwrap_err();
        assert_eq!(core.needs[&Some(0)], BTreeSet::from([1]));
        let few = Few(vec![(vec![vec![1]], vec![]), (vec![], vec![0])]);
        let core = first(&few).unwrap_err();
        assert_eq!(core.conflicts[&Some(1)], BTreeSet::from([0]));
    }
}
