//! Dependencies as clauses over packages, and whether they hold.
//!
//! A clause is a set of literals (a package is there, or is not there) of which one must be true.
//! Every dependency is a conjunction of clauses: rich ones are turned into that form by the laws
//! of distribution, as in libsolv's `cplxdeps.c`.

use super::universe::{PackageId, Universe};
use crate::dependency::{Dependency, Rich};

/// That a package is there (positive), or that it is not. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Literal(i32);

impl Literal {
    pub(super) fn is(package: PackageId) -> Self {
        Self(i32::try_from(package.0 + 1).expect("there are fewer than 2^31 packages"))
    }

    pub(super) fn is_not(package: PackageId) -> Self {
        !Self::is(package)
    }

    pub(super) fn package(self) -> PackageId {
        PackageId(self.0.unsigned_abs() - 1)
    }

    pub(super) fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// A number of its own for each literal, from 0.
    pub(super) fn index(self) -> usize {
        self.package().index() * 2 + usize::from(!self.is_positive())
    }
}

impl std::ops::Not for Literal {
    type Output = Self;

    fn not(self) -> Self {
        Self(-self.0)
    }
}

/// Sorted literals, each once.
pub(super) type Clause = Vec<Literal>;

/// What a dependency comes to: clauses that must all be true. None: always; an empty clause: never.
pub(super) type Clauses = Vec<Clause>;

/// A dependency that has more literals than any real one.
#[derive(Debug)]
pub(super) struct TooComplex;

/// The most literals that may be written down on the way to the clauses of one dependency. A
/// condition counts both as it is and denied, so that the work doubles with each that is within
/// another. The largest dependencies in Fedora have some hundreds.
pub(super) const MAX_LITERALS: usize = 1 << 18;

/// What must be true for a dependency to hold (`holds`), or not to hold.
pub(super) fn clauses(
    universe: &Universe<'_>,
    dependency: &Dependency,
    holds: bool,
) -> Result<Clauses, TooComplex> {
    match dependency {
        Dependency::Simple(_) => Ok(one_of(&providing(universe, dependency), holds)),
        Dependency::Rich(_) => Expansion { universe, left: MAX_LITERALS }.of(dependency, holds),
    }
}

/// A rich dependency on its way to clauses.
struct Expansion<'u, 'a> {
    universe: &'u Universe<'a>,
    /// So many literals may still be written down.
    left: usize,
}

impl Expansion<'_, '_> {
    fn of(&mut self, dependency: &Dependency, holds: bool) -> Result<Clauses, TooComplex> {
        let Dependency::Rich(rich) = dependency else { return self.one_of(dependency, holds) };
        match &**rich {
            Rich::With(_) | Rich::Without(..) => self.one_of(dependency, holds),
            Rich::And(all) if holds => self.all_of(all, true),
            Rich::Or(all) if !holds => self.all_of(all, false),
            Rich::And(all) | Rich::Or(all) => self.any_of(all, holds),
            Rich::If(then, condition, other) => self.of_if(then, condition, other.as_ref(), holds),
            // (then and not condition) or (other and condition)
            Rich::Unless(then, condition, None) if holds => self.both((then, true), (condition, false)),
            Rich::Unless(then, condition, Some(other)) if holds => {
                let first = self.both((then, true), (condition, false))?;
                let second = self.both((other, true), (condition, true))?;
                self.either(&first, &second)
            }
            Rich::Unless(then, condition, other) => {
                let mut all = self.one((then, false), (condition, true))?;
                if let Some(other) = other {
                    all.extend(self.one((other, false), (condition, false))?);
                }
                Ok(all)
            }
        }
    }

    /// (then or not condition) and (other or condition)
    fn of_if(
        &mut self,
        then: &Dependency,
        condition: &Dependency,
        other: Option<&Dependency>,
        holds: bool,
    ) -> Result<Clauses, TooComplex> {
        match (holds, other) {
            (true, None) => self.one((then, true), (condition, false)),
            (true, Some(other)) => {
                let mut all = self.one((then, true), (condition, false))?;
                all.extend(self.one((other, true), (condition, true))?);
                Ok(all)
            }
            (false, None) => self.both((then, false), (condition, true)),
            (false, Some(other)) => {
                let first = self.both((then, false), (condition, true))?;
                let second = self.both((other, false), (condition, false))?;
                self.either(&first, &second)
            }
        }
    }

    fn all_of(&mut self, all: &[Dependency], holds: bool) -> Result<Clauses, TooComplex> {
        let mut whole = Vec::new();
        for part in all {
            whole.extend(self.of(part, holds)?);
        }
        Ok(whole)
    }

    /// Long chains are of names, which are one clause each: those are joined at once.
    fn any_of(&mut self, all: &[Dependency], holds: bool) -> Result<Clauses, TooComplex> {
        let (mut whole, mut joined) = (vec![Clause::new()], Clause::new());
        for part in all {
            let part = self.of(part, holds)?;
            match &part[..] {
                [one] => joined.extend(one),
                _ => whole = self.either(&whole, &part)?,
            }
        }
        self.either(&whole, &[joined])
    }

    fn both(&mut self, a: (&Dependency, bool), b: (&Dependency, bool)) -> Result<Clauses, TooComplex> {
        let mut all = self.of(a.0, a.1)?;
        all.extend(self.of(b.0, b.1)?);
        Ok(all)
    }

    fn one(&mut self, a: (&Dependency, bool), b: (&Dependency, bool)) -> Result<Clauses, TooComplex> {
        let (a, b) = (self.of(a.0, a.1)?, self.of(b.0, b.1)?);
        self.either(&a, &b)
    }

    fn one_of(&mut self, dependency: &Dependency, holds: bool) -> Result<Clauses, TooComplex> {
        let packages = providing(self.universe, dependency);
        self.spend(1 + packages.len())?;
        Ok(one_of(&packages, holds))
    }

    fn spend(&mut self, literals: usize) -> Result<(), TooComplex> {
        self.left = self.left.checked_sub(literals).ok_or(TooComplex)?;
        Ok(())
    }

    /// That one of two conjunctions is true.
    fn either(&mut self, a: &[Clause], b: &[Clause]) -> Result<Clauses, TooComplex> {
        let mut all = Vec::new();
        for x in a {
            for y in b {
                let mut clause = [&x[..], y].concat();
                clause.sort_unstable();
                clause.dedup();
                self.spend(clause.len() + 1)?;
                let is_always_true = clause
                    .iter()
                    .any(|&literal| literal.is_positive() && clause.binary_search(&!literal).is_ok());
                if !is_always_true {
                    all.push(clause);
                }
            }
        }
        Ok(all)
    }
}

/// That one of the packages is there, or that none is.
fn one_of(packages: &[PackageId], holds: bool) -> Clauses {
    match holds {
        true => vec![packages.iter().map(|&package| Literal::is(package)).collect()],
        false => packages.iter().map(|&package| vec![Literal::is_not(package)]).collect(),
    }
}

/// The packages of which one must be there: for what is no conjunction in itself. Sorted, each once.
pub(super) fn providing(universe: &Universe<'_>, dependency: &Dependency) -> Vec<PackageId> {
    let Dependency::Rich(rich) = dependency else {
        let Dependency::Simple(relation) = dependency else { return Vec::new() };
        return universe.satisfying(relation);
    };
    match &**rich {
        Rich::With(all) => {
            let sets = all.iter().map(|one| providing(universe, one));
            let both = |mut a: Vec<PackageId>, b: Vec<PackageId>| {
                a.retain(|id| b.binary_search(id).is_ok());
                a
            };
            sets.reduce(both).unwrap_or_default()
        }
        Rich::Without(first, second) => {
            let without = providing(universe, second);
            let mut set = providing(universe, first);
            set.retain(|id| without.binary_search(id).is_err());
            set
        }
        Rich::And(all) | Rich::Or(all) => {
            let mut set: Vec<_> = all.iter().flat_map(|one| providing(universe, one)).collect();
            set.sort_unstable();
            set.dedup();
            set
        }
        Rich::If(then, ..) | Rich::Unless(then, ..) => providing(universe, then),
    }
}

/// Whether a dependency is true where these packages are there.
pub(super) fn holds(
    universe: &Universe<'_>,
    dependency: &Dependency,
    is_there: &impl Fn(PackageId) -> bool,
) -> bool {
    let of = |dependency: &Dependency| holds(universe, dependency, is_there);
    let Dependency::Rich(rich) = dependency else {
        return providing(universe, dependency).into_iter().any(is_there);
    };
    match &**rich {
        Rich::And(all) => all.iter().all(of),
        Rich::Or(all) => all.iter().any(of),
        Rich::With(_) | Rich::Without(..) => providing(universe, dependency).into_iter().any(is_there),
        Rich::If(then, condition, other) => match of(condition) {
            true => of(then),
            false => other.as_ref().is_none_or(of),
        },
        Rich::Unless(then, condition, other) => match of(condition) {
            true => other.as_ref().is_some_and(of),
            false => of(then),
        },
    }
}
