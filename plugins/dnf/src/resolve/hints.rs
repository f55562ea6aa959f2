//! What the weak dependencies of chosen packages say about packages that could be chosen.

use std::collections::HashSet;

use super::logic::{self, Literal};
use super::state::State;
use super::universe::PackageId;
use crate::dependency::Dependency;

/// Brought up to date when somebody asks.
#[derive(Debug, Default)]
pub(super) struct Hints<'a> {
    /// How much of the trail is read.
    read: usize,
    recommended: Would<'a>,
    suggested: Would<'a>,
}

/// Who would meet weak dependencies.
#[derive(Debug, Default)]
struct Would<'a> {
    packages: HashSet<PackageId>,
    /// Rich ones: who would meet those can change with what is chosen.
    rich: Vec<&'a Dependency>,
}

impl<'a> Hints<'a> {
    /// Reads what was decided since the last time.
    pub(super) fn update(&mut self, state: &State<'_, '_, 'a>) {
        let trail = state.trail();
        if state.shortest() < self.read {
            *self = Self::default();
        }
        if trail.len() > self.read {
            let new = trail[self.read..].iter().filter(|literal| literal.is_positive());
            for package in new.map(|literal| state.rules.universe[literal.package()].package) {
                self.recommended.add(state, &package.recommends);
                self.suggested.add(state, &package.suggests);
            }
            [&mut self.recommended, &mut self.suggested].into_iter().for_each(|would| would.update(state));
        }
        self.read = trail.len();
        state.forget_shortest();
    }

    /// Whether a chosen package recommends it, or it supplements one.
    pub(super) fn is_recommended(&self, state: &State<'_, '_, '_>, id: PackageId) -> bool {
        let package = state.rules.universe[id].package;
        self.recommended.packages.contains(&id) || any_holds(state, &package.supplements)
    }

    /// Whether a chosen package suggests it, or it enhances one.
    pub(super) fn is_suggested(&self, state: &State<'_, '_, '_>, id: PackageId) -> bool {
        let package = state.rules.universe[id].package;
        self.suggested.packages.contains(&id) || any_holds(state, &package.enhances)
    }
}

/// Whether one of the dependencies is met by what is there.
pub(super) fn any_holds(state: &State<'_, '_, '_>, dependencies: &[Dependency]) -> bool {
    dependencies.iter().any(|one| logic::holds(state.rules.universe, one, &|id| state.is_there(id)))
}

impl<'a> Would<'a> {
    fn add(&mut self, state: &State<'_, '_, 'a>, dependencies: &'a [Dependency]) {
        for dependency in dependencies {
            match dependency {
                Dependency::Simple(relation) => {
                    self.packages.extend(state.rules.universe.satisfying(relation))
                }
                Dependency::Rich(_) => self.rich.push(dependency),
            }
        }
    }

    fn update(&mut self, state: &State<'_, '_, 'a>) {
        for dependency in &self.rich {
            for clause in logic::clauses(state.rules.universe, dependency, true).unwrap_or_default() {
                let (would, must): (Vec<Literal>, Vec<_>) =
                    clause.into_iter().partition(|literal| literal.is_positive());
                if must.iter().all(|literal| state.value(*literal) == Some(false)) {
                    self.packages.extend(would.into_iter().map(Literal::package));
                }
            }
        }
    }
}
