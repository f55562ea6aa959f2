//! Whether a set of packages holds; what of it nobody needs.

use super::needs::Needs;
use super::universe::SlotId;

/// Membership of slots.
struct Set(Vec<bool>);

impl Set {
    fn new(needs: &Needs<'_, '_>, slots: &[SlotId]) -> Self {
        let mut set = vec![false; needs.universe.slots.len()];
        slots.iter().for_each(|slot| set[slot.index()] = true);
        Self(set)
    }

    fn has(&self, slot: &SlotId) -> bool {
        self.0[slot.index()]
    }

    /// Adds one; whether it is new.
    fn add(&mut self, slot: SlotId) -> bool {
        !std::mem::replace(&mut self.0[slot.index()], true)
    }
}

/// Whether all that is wanted is chosen, every need is met and no two packages conflict.
pub(super) fn holds(needs: &Needs<'_, '_>, wanted: &[SlotId], chosen: &[SlotId]) -> bool {
    let set = Set::new(needs, chosen);
    wanted.iter().all(|slot| set.has(slot))
        && chosen.iter().map(|&slot| needs.of(slot)).all(|need| {
            need.unreadable.is_none()
                && need.groups.iter().all(|g| g.iter().any(|a| a.slots.iter().any(|s| set.has(s))))
                && !need.clashes.iter().any(|clash| clash.slots.iter().any(|s| set.has(s)))
        })
}

/// The chosen packages that are wanted, essential, or satisfy a need of another such package.
/// Both ways of choosing can leave more behind: what a package brought that was then dropped.
pub(super) fn without_garbage(needs: &Needs<'_, '_>, wanted: &[SlotId], chosen: &[SlotId]) -> Vec<SlotId> {
    let set = Set::new(needs, chosen);
    let mut kept = Set::new(needs, &[]);
    let essential = chosen.iter().filter(|&&slot| needs.universe[slot].essential);
    let roots = wanted.iter().filter(|slot| set.has(slot)).chain(essential);
    let mut reached: Vec<SlotId> = roots.copied().collect();
    while let Some(slot) = reached.pop() {
        if kept.add(slot) {
            let alternatives = needs.of(slot).groups.iter().flatten();
            reached.extend(alternatives.flat_map(|a| &a.slots).filter(|slot| set.has(slot)));
        }
    }
    chosen.iter().copied().filter(|slot| kept.has(slot)).collect()
}
