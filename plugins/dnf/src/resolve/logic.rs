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

/// The most literals of one dependency. The largest in Fedora have some hundreds.
const MAX_LITERALS: usize = 1 << 18;

/// What must be true for a dependency to hold (`holds`), or not to hold.
pub(super) fn clauses(
    universe: &Universe<'_>,
    dependency: &Dependency,
    holds: bool,
) -> Result<Clauses, TooComplex> {
    let of = |dependency: &Dependency, holds: bool| clauses(universe, dependency, holds);
    let Dependency::Rich(rich) = dependency else {
        return Ok(one_of(&providing(universe, dependency), holds));
    };
    match &**rich {
        Rich::With(_) | Rich::Without(..) => Ok(one_of(&providing(universe, dependency), holds)),
        Rich::And(all) | Rich::Or(all) => {
            let is_conjunction = matches!(**rich, Rich::And(_)) == holds;
            let parts = all.iter().map(|one| of(one, holds));
            match is_conjunction {
                true => parts.collect::<Result<Vec<_>, _>>().map(|parts| parts.concat()),
                false => parts.reduce(|a, b| either(a?, b?)).unwrap_or_else(|| Ok(vec![Vec::new()])),
            }
        }
        // (then or not condition) and (other or condition)
        Rich::If(then, condition, other) => {
            let other = other.as_ref();
            match (holds, other) {
                (true, _) => {
                    let mut all = either(of(then, true)?, of(condition, false)?)?;
                    if let Some(other) = other {
                        all.extend(either(of(other, true)?, of(condition, true)?)?);
                    }
                    Ok(all)
                }
                (false, None) => Ok([of(then, false)?, of(condition, true)?].concat()),
                (false, Some(other)) => either(
                    [of(then, false)?, of(condition, true)?].concat(),
                    [of(other, false)?, of(condition, false)?].concat(),
                ),
            }
        }
        // (then and not condition) or (other and condition)
        Rich::Unless(then, condition, other) => match (holds, other) {
            (true, None) => Ok([of(then, true)?, of(condition, false)?].concat()),
            (true, Some(other)) => either(
                [of(then, true)?, of(condition, false)?].concat(),
                [of(other, true)?, of(condition, true)?].concat(),
            ),
            (false, other) => {
                let mut all = either(of(then, false)?, of(condition, true)?)?;
                if let Some(other) = other {
                    all.extend(either(of(other, false)?, of(condition, false)?)?);
                }
                Ok(all)
            }
        },
    }
}

/// That one of the packages is there, or that none is.
fn one_of(packages: &[PackageId], holds: bool) -> Clauses {
    match holds {
        true => vec![packages.iter().map(|&package| Literal::is(package)).collect()],
        false => packages.iter().map(|&package| vec![Literal::is_not(package)]).collect(),
    }
}

/// That one of two conjunctions is true.
fn either(a: Clauses, b: Clauses) -> Result<Clauses, TooComplex> {
    let mut all = Vec::new();
    let mut size = 0;
    for x in &a {
        for y in &b {
            let mut clause = [&x[..], y].concat();
            clause.sort_unstable();
            clause.dedup();
            size += clause.len() + 1;
            if size > MAX_LITERALS {
                return Err(TooComplex);
            }
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
