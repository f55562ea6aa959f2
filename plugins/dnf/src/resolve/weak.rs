//! What comes along because it is recommended, or supplements what is there (libsolv's
//! `resolve_weak`).

use std::collections::HashSet;

use super::choice::Search;
use super::hints;
use super::logic::{self, Literal};
use super::policy;
use super::state::{Contradiction, State};
use super::universe::PackageId;
use crate::dependency::Dependency;

impl Search<'_, '_, '_> {
    /// Decides on packages that may come along; whether there were any. What they need is decided
    /// afterwards, and if that cannot be had they stay away.
    pub(super) fn add_recommended(&mut self) -> Result<bool, Contradiction> {
        let mut recommended = Vec::new();
        let mut there: Vec<PackageId> = self.state.there().collect();
        there.sort_unstable();
        for id in there {
            for dependency in &self.state.rules.universe[id].package.recommends {
                open_for(&self.state, dependency, &mut recommended);
            }
        }
        let supplementing = self.supplementing();
        recommended.extend(&supplementing);
        let mut seen = HashSet::new();
        recommended.retain(|id| seen.insert(*id));
        match recommended[..] {
            [] => return Ok(false),
            [one] => {
                self.decide(Literal::is(one))?;
                return Ok(true);
            }
            _ => {}
        }
        let best: HashSet<PackageId> =
            policy::best(self.state.rules.universe, &recommended).into_iter().collect();
        let mut supplementing: Vec<_> = supplementing.into_iter().filter(|id| best.contains(id)).collect();
        policy::arrange(&self.state, &mut self.hints, &mut supplementing);
        for id in supplementing {
            if self.state.is_open(id) && !self.decide_and_see(|search| search.decide(Literal::is(id)))? {
                return Ok(true);
            }
        }
        self.take_recommended(&best)?;
        Ok(true)
    }

    /// For each recommendation that is not met the best of those that are left.
    fn take_recommended(&mut self, best: &HashSet<PackageId>) -> Result<(), Contradiction> {
        let there: Vec<PackageId> = self.state.there().collect();
        for id in there {
            for dependency in &self.state.rules.universe[id].package.recommends {
                let mut open = Vec::new();
                open_for(&self.state, dependency, &mut open);
                open.retain(|id| best.contains(id));
                if !open.is_empty() && !self.decide_and_see(|search| search.take_best(&open))? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether a decision held.
    fn decide_and_see(
        &mut self,
        decide: impl FnOnce(&mut Self) -> Result<(), Contradiction>,
    ) -> Result<bool, Contradiction> {
        let level = self.state.level();
        decide(self)?;
        Ok(self.state.level() > level)
    }

    /// Open packages that supplement what is there, but for those whose name is there in another
    /// architecture, or in another version beside which they could stand.
    fn supplementing(&self) -> Vec<PackageId> {
        let rules = self.state.rules;
        let universe = rules.universe;
        let has_sibling = |id: PackageId| {
            let (package, any) = (universe[id].package, universe[id].is_installonly);
            universe.called(&package.name).any(|other| {
                self.state.is_there(other) && (any || universe[other].package.arch != package.arch)
            })
        };
        let comes = |id: &PackageId| {
            self.state.is_open(*id)
                && hints::any_holds(&self.state, &universe[*id].package.supplements)
                && !has_sibling(*id)
        };
        let mut all: Vec<_> = rules.supplementing.iter().copied().filter(comes).collect();
        all.sort_unstable();
        all
    }
}

/// Adds the open packages that would meet a dependency that is not met.
fn open_for(state: &State<'_, '_, '_>, dependency: &Dependency, open: &mut Vec<PackageId>) {
    for clause in logic::clauses(state.rules.universe, dependency, true).unwrap_or_default() {
        let mut would = Vec::new();
        let is_open = clause.iter().all(|&literal| match (state.value(literal), literal.is_positive()) {
            (Some(false), _) => true,
            (None, true) => {
                would.push(literal.package());
                true
            }
            (Some(true), _) | (None, false) => false,
        });
        if is_open {
            open.extend(would);
        }
    }
}
