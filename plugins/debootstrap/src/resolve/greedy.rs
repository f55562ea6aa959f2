//! apt's choice: depth first, the preferred alternative, never back.
//!
//! What is wanted is *firm*: it is marked before anything else, and nothing takes the mark
//! away. Firmness spreads to what there is no other choice for, and forbids what that
//! conflicts with. Everything else is tried: a package whose needs cannot be met is discarded
//! for good, and the next one that would do is tried. What a discarded package brought along
//! stays marked for the time being.
//!
//! The rules are those of apt 2.6 as far as they matter in an empty root, where there is
//! nothing to upgrade, hold or remove. The result may not hold; apt then repairs it or gives
//! up, and we ask the solver.

use super::needs::{Alternative, Need, Needs};
use super::universe::SlotId;

/// apt goes no deeper.
const MAX_DEPTH: usize = 3000;

/// What apt would install.
pub(super) fn choose(needs: &Needs<'_, '_>, wanted: &[SlotId]) -> Vec<SlotId> {
    let states = vec![State::default(); needs.universe.slots.len()];
    let mut marking = Marking { needs, states };
    for &slot in wanted {
        *marking.state(slot) = State { marked: true, firm: true, discarded: false };
    }
    for &slot in wanted {
        marking.mark(slot, 0);
    }
    needs.universe.slots().filter(|slot| marking.states[slot.index()].marked).collect()
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// To be installed.
    marked: bool,
    /// What it is, marked or not, it stays.
    firm: bool,
    /// It cannot be installed after all.
    discarded: bool,
}

struct Marking<'n, 'u, 'a> {
    needs: &'n Needs<'u, 'a>,
    states: Vec<State>,
}

impl<'n, 'a> Marking<'n, '_, 'a> {
    fn state(&mut self, slot: SlotId) -> &mut State {
        &mut self.states[slot.index()]
    }

    fn is_marked(&self, slot: SlotId) -> bool {
        self.states[slot.index()].marked
    }

    /// Marks a package and what it needs. Whether that went well; for a firm one the marks stay
    /// if it did not.
    fn mark(&mut self, slot: SlotId, depth: usize) -> bool {
        if !self.may_mark(slot, depth) {
            return false;
        }
        let State { marked, firm, .. } = self.states[slot.index()];
        let need = self.needs.of(slot);
        if marked && !firm && !self.is_broken(need) {
            return true;
        }
        if !self.is_satisfiable(need) {
            self.state(slot).discarded |= !firm;
            return false;
        }
        let open: Vec<_> =
            need.groups.iter().map(Vec::as_slice).filter(|g| firm || !self.is_met(g)).collect();
        let cleared = self.clear(need, firm);
        if !cleared && !firm {
            return false;
        }
        // While its needs are looked at, none of them may displace it.
        *self.state(slot) = State { marked: true, firm: true, discarded: false };
        let met = self.meet_all(&open, firm, depth);
        self.state(slot).firm = firm;
        if !met && !firm {
            *self.state(slot) = State { marked: false, firm, discarded: true };
        }
        cleared && met
    }

    fn may_mark(&self, slot: SlotId, depth: usize) -> bool {
        let State { marked, firm, discarded } = self.states[slot.index()];
        depth <= MAX_DEPTH && !discarded && (marked || !firm)
    }

    /// Marks a package alone: its needs are looked at later.
    fn mark_firmly(&mut self, slot: SlotId, depth: usize) -> bool {
        let may = self.may_mark(slot, depth);
        if may {
            *self.state(slot) = State { marked: true, firm: true, discarded: false };
        }
        may
    }

    fn is_met(&self, group: &[Alternative<'_>]) -> bool {
        group.iter().flat_map(|alternative| &alternative.slots).any(|&slot| self.is_marked(slot))
    }

    fn is_broken(&self, need: &Need<'_>) -> bool {
        !need.groups.iter().all(|group| self.is_met(group))
            || need.clashes.iter().flat_map(|clash| &clash.slots).any(|&slot| self.is_marked(slot))
    }

    /// Whether of each group something is left that could be installed.
    fn is_satisfiable(&self, need: &Need<'_>) -> bool {
        let left = |slot: &SlotId| {
            let State { marked, discarded, .. } = self.states[slot.index()];
            marked || !discarded
        };
        let group =
            |group: &Vec<Alternative<'_>>| group.iter().flat_map(|alternative| &alternative.slots).any(left);
        need.unreadable.is_none() && need.groups.iter().all(group)
    }

    /// Takes the marks off what a package conflicts with; for a firm one, forbids it too.
    fn clear(&mut self, need: &Need<'_>, firm: bool) -> bool {
        let hits = |slots: &[SlotId]| slots.iter().any(|&slot| self.is_marked(slot));
        let clashes: Vec<_> = need.clashes.iter().filter(|c| firm || hits(&c.slots)).collect();
        let mut cleared = true;
        for slot in clashes.iter().flat_map(|clash| &clash.slots) {
            let state = self.state(*slot);
            if state.discarded {
                continue;
            }
            if state.marked && state.firm {
                cleared = false;
                if !firm {
                    return false;
                }
                continue;
            }
            state.marked = false;
            if firm {
                *state = State { marked: false, firm: true, discarded: true };
            }
        }
        cleared
    }

    fn meet_all(&mut self, groups: &[&'n [Alternative<'a>]], firm: bool, depth: usize) -> bool {
        let mut all = true;
        for group in groups {
            all &= self.meet(group, firm, depth);
            if !all && !firm {
                break;
            }
        }
        all
    }

    /// Marks the first package that would do. What a firm package needs and only one package
    /// can be, is firm too.
    fn meet(&mut self, group: &[Alternative<'_>], firm: bool, depth: usize) -> bool {
        let met = self.is_met(group);
        if met && !firm {
            return true;
        }
        let mut solutions = self.solutions(group);
        if met {
            solutions.sort_unstable();
            solutions.dedup();
            return match solutions[..] {
                [only] if !self.state(only).firm => {
                    self.state(only).firm = true;
                    self.mark(only, depth + 1)
                }
                _ => true,
            };
        }
        let only = firm && solutions.len() == 1;
        solutions.into_iter().any(|slot| {
            !self.state(slot).discarded
                && (!only || self.mark_firmly(slot, depth + 1))
                && self.mark(slot, depth + 1)
        })
    }

    /// Who is left to satisfy a group, in the order in which they are tried: of those that
    /// satisfy the same alternative, firm ones first.
    fn solutions(&self, group: &[Alternative<'_>]) -> Vec<SlotId> {
        let mut solutions = Vec::new();
        for alternative in group {
            let mut slots = alternative.slots.clone();
            slots.retain(|slot| {
                let State { marked, firm, discarded } = self.states[slot.index()];
                !discarded && (marked || !firm)
            });
            slots.sort_by_key(|slot| !self.states[slot.index()].firm);
            solutions.extend(slots);
        }
        solutions.dedup();
        solutions
    }
}
