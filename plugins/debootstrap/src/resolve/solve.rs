//! Another choice, where apt's does not hold: a SAT solver with apt's preferences.
//!
//! As only one version of a package can be chosen at all, a slot is one thing to the solver. Of
//! those that satisfy a need, what apt had chosen is in front, then apt's order.

use std::collections::HashSet;

use ctr_forge_packages::solve::{self, Choice, Slots, Wanted};

use super::explain::explain;
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
    let wanted = Wanted { slots: wanted.iter().map(|slot| slot.index()).collect(), ..Wanted::default() };
    match solve::solve(&Preferring { needs, is_preferred }, &wanted) {
        Ok(chosen) => Ok(chosen.into_iter().map(SlotId::new).collect()),
        Err(core) => Err(explain(needs, &core)),
    }
}

/// Needs, with what is to be tried first.
struct Preferring<'n, 'u, 'a> {
    needs: &'n Needs<'u, 'a>,
    is_preferred: Vec<bool>,
}

impl Slots for Preferring<'_, '_, '_> {
    fn count(&self) -> usize {
        self.needs.universe.slots.len()
    }

    fn needs(&self, slot: usize) -> Option<usize> {
        let need = self.needs.of(SlotId::new(slot));
        need.unreadable.is_none().then_some(need.groups.len())
    }

    fn fulfilling(&self, owner: Option<usize>, need: usize) -> Vec<Choice> {
        // The request names slots, and has no needs of its own.
        let Some(owner) = owner else { return Vec::new() };
        let group = &self.needs.of(SlotId::new(owner)).groups[need];
        let mut slots: Vec<usize> = group.iter().flat_map(|a| &a.slots).map(|slot| slot.index()).collect();
        // Twice the same is what `a | b` is, where `a` is also provided by `b`.
        let mut seen = HashSet::new();
        slots.retain(|slot| seen.insert(*slot));
        slots.sort_by_key(|&slot| !self.is_preferred[slot]);
        slots.into_iter().map(Choice::There).collect()
    }

    fn enemies(&self, slot: usize) -> Vec<usize> {
        let need = self.needs.of(SlotId::new(slot));
        need.clashes.iter().flat_map(|clash| &clash.slots).map(|slot| slot.index()).collect()
    }
}
