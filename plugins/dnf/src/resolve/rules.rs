//! The rules that a set of packages must follow: clauses for everything that can be reached.
//!
//! A package's relations become rules when it is reached: because the request names it, or because
//! a rule of a reached package would be met by it. That is a part of a distribution only, often a
//! small one. Versions of one package exclude each other too, but that is no list of rules, which
//! would be a square of their number: see [`Rules::twins`].

use std::collections::{HashMap, VecDeque};

use super::ResolveError;
use super::arches::Rank;
use super::logic::{self, Clause, Clauses, Literal, TooComplex};
use super::universe::{PackageId, Universe};
use super::wants::Wanted;
use crate::dependency::{self, Dependency};
use crate::package::Package;

/// The most literals of all rules: 256 MiB. All of Fedora has a tenth of that.
const MAX_LITERALS: usize = 1 << 26;

/// Why there is a rule.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause<'a> {
    /// The request says so: its part of that number.
    Wanted(usize),
    /// The same, where only the best packages meet it.
    Best(usize),
    Requires(PackageId, &'a Dependency),
    Conflicts(PackageId, &'a Dependency),
    Obsoletes(PackageId),
    /// A package of a lesser architecture stands only beside the better one of its version.
    Lockstep(PackageId),
}

impl Cause<'_> {
    /// Whose rule it is; none if it is the request's.
    pub(super) fn owner(self) -> Option<PackageId> {
        match self {
            Self::Wanted(_) | Self::Best(_) => None,
            Self::Requires(id, _) | Self::Conflicts(id, _) | Self::Obsoletes(id) | Self::Lockstep(id) => {
                Some(id)
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Rule<'a> {
    start: u32,
    end: u32,
    pub(super) cause: Cause<'a>,
}

#[derive(Debug)]
pub(super) struct Rules<'u, 'a> {
    pub(super) universe: &'u Universe<'a>,
    pub(super) wanted: &'u [Wanted],
    pub(super) weak: bool,
    rules: Vec<Rule<'a>>,
    literals: Vec<Literal>,
    reached: Vec<bool>,
    /// By name, the packages that are reached.
    names: HashMap<&'a str, Vec<PackageId>>,
    /// The reached packages that say where they should come along.
    pub(super) supplementing: Vec<PackageId>,
    /// Whether a path is named that nobody is known to have.
    pub(super) misses_files: bool,
    /// So many literals may still be added, of which a dependency that is too complex takes as many
    /// as one may have; none if they were too few.
    left: Option<usize>,
    queue: VecDeque<PackageId>,
}

impl<'u, 'a> Rules<'u, 'a> {
    pub(super) fn new(
        universe: &'u Universe<'a>,
        wanted: &'u [Wanted],
        weak: bool,
    ) -> Result<Self, ResolveError> {
        let mut rules = Self {
            universe,
            wanted,
            weak,
            rules: Vec::new(),
            literals: Vec::new(),
            reached: vec![false; universe.len()],
            names: HashMap::new(),
            supplementing: Vec::new(),
            misses_files: false,
            left: Some(MAX_LITERALS),
            queue: VecDeque::new(),
        };
        for (index, wanted) in wanted.iter().enumerate() {
            wanted.clauses.iter().for_each(|clause| rules.add(clause, Cause::Wanted(index)));
        }
        rules.reach()?;
        if weak {
            rules.reach_supplementing()?;
        }
        rules.keep_in_step();
        for (index, wanted) in rules.wanted.iter().enumerate() {
            wanted.best.iter().for_each(|clause| rules.add(clause, Cause::Best(index)));
        }
        match rules.is_full() {
            true => Err(ResolveError::TooLarge),
            false => Ok(rules),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    pub(super) fn rule(&self, index: usize) -> Rule<'a> {
        self.rules[index]
    }

    /// The literals of a rule, sorted, each once.
    pub(super) fn literals(&self, index: usize) -> &[Literal] {
        let Rule { start, end, .. } = self.rules[index];
        &self.literals[start as usize..end as usize]
    }

    /// The packages, in no other form.
    pub(super) fn packages(&self, chosen: &[PackageId]) -> Vec<&'a Package> {
        chosen.iter().map(|&id| self.universe[id].package).collect()
    }

    /// The reached packages of the same name that cannot be beside one.
    pub(super) fn twins(&self, id: PackageId) -> impl Iterator<Item = PackageId> {
        let named = self.names.get(&*self.universe[id].package.name).map_or(&[][..], Vec::as_slice);
        named.iter().copied().filter(move |&other| self.universe.are_versions_of_one(id, other))
    }

    pub(super) fn is_reached(&self, id: PackageId) -> bool {
        self.reached[id.index()]
    }

    fn is_full(&self) -> bool {
        self.left.is_none()
    }

    fn spend(&mut self, literals: usize) {
        self.left = self.left.and_then(|left| left.checked_sub(literals));
    }

    fn add(&mut self, clause: &[Literal], cause: Cause<'a>) {
        self.spend(clause.len());
        if self.is_full() {
            return;
        }
        let start = self.literals.len();
        self.literals.extend_from_slice(clause);
        let unreached =
            clause.iter().filter(|literal| literal.is_positive()).map(|literal| literal.package());
        self.queue.extend(unreached.filter(|id| !self.reached[id.index()]));
        let place = |index: usize| u32::try_from(index).expect("there are no more literals than the limit");
        self.rules.push(Rule { start: place(start), end: place(self.literals.len()), cause });
    }

    /// Adds that a package needs a clause to be true.
    fn add_for(&mut self, id: PackageId, mut clause: Clause, cause: Cause<'a>) {
        let (it_is, it_is_not) = (Literal::is(id), Literal::is_not(id));
        if clause.binary_search(&it_is).is_ok() {
            return;
        }
        if let Err(place) = clause.binary_search(&it_is_not) {
            clause.insert(place, it_is_not);
        }
        self.add(&clause, cause);
    }

    fn reach(&mut self) -> Result<(), ResolveError> {
        while let Some(id) = self.queue.pop_front() {
            if std::mem::replace(&mut self.reached[id.index()], true) {
                continue;
            }
            let package = self.universe[id].package;
            self.names.entry(&package.name).or_default().push(id);
            if !package.supplements.is_empty() {
                self.supplementing.push(id);
            }
            self.add_requires(id, package);
            self.add_conflicts(id, package);
            self.add_obsoletes(id, package);
            self.reach_better(id);
            if self.weak {
                self.reach_recommended(package);
            }
            if self.is_full() {
                return Err(ResolveError::TooLarge);
            }
        }
        Ok(())
    }

    fn add_requires(&mut self, id: PackageId, package: &'a Package) {
        for requirement in &package.requires {
            let dependency = &requirement.dependency;
            let cause = Cause::Requires(id, dependency);
            if let Dependency::Simple(relation) = dependency {
                match dependency::is_met_by_rpmlib(relation) {
                    Some(true) => continue,
                    Some(false) => self.add_for(id, Vec::new(), cause),
                    None => {}
                }
            }
            self.note_files(dependency);
            for clause in self.clauses(dependency, true).unwrap_or_else(never) {
                self.add_for(id, clause, cause);
            }
            if self.is_full() {
                return;
            }
        }
    }

    /// The clauses of a dependency; none of one that is too complex.
    fn clauses(&mut self, dependency: &Dependency, holds: bool) -> Option<Clauses> {
        let clauses = logic::clauses(self.universe, dependency, holds);
        clauses.map_err(|TooComplex| self.spend(logic::MAX_LITERALS)).ok()
    }

    fn note_files(&mut self, dependency: &Dependency) {
        let universe = self.universe;
        dependency.each(&mut |relation| {
            self.misses_files |= relation.name.starts_with('/') && universe.satisfying(relation).is_empty();
        });
    }

    /// A package that conflicts with what it provides itself means the others.
    fn add_conflicts(&mut self, id: PackageId, package: &'a Package) {
        for dependency in &package.conflicts {
            self.note_files(dependency);
            for clause in self.clauses(dependency, false).unwrap_or_else(never) {
                if clause[..] != [Literal::is_not(id)] {
                    self.add_for(id, clause, Cause::Conflicts(id, dependency));
                }
            }
            if self.is_full() {
                return;
            }
        }
    }

    /// What can be installed in several versions obsoletes others as any package does (libsolv's
    /// `keepexplicitobsoletes`, which dnf leaves on).
    fn add_obsoletes(&mut self, id: PackageId, package: &'a Package) {
        for relation in &package.obsoletes {
            if self.is_full() {
                return;
            }
            for other in self.universe.called(&relation.name) {
                let universe = self.universe;
                let hits =
                    relation.bound.as_ref().is_none_or(|bound| bound.accepts(&universe[other].package.evr));
                if hits && other != id && universe[other].is_usable() {
                    self.add_for(id, vec![Literal::is_not(other)], Cause::Obsoletes(id));
                }
            }
        }
    }

    /// Reaches the packages of the same name and version, for better architectures and for all.
    fn reach_better(&mut self, id: PackageId) {
        let Some(Rank::Place(place)) = self.universe[id].rank else { return };
        if place > 1 {
            let better = self.same_version(id).filter(|&other| match self.universe[other].rank {
                Some(Rank::Place(better)) => better < place,
                rank => rank == Some(Rank::Any),
            });
            let better: Vec<_> = better.filter(|other| !self.reached[other.index()]).collect();
            self.queue.extend(better);
        }
    }

    fn same_version(&self, id: PackageId) -> impl Iterator<Item = PackageId> {
        let Package { name, evr, arch, .. } = self.universe[id].package;
        self.universe.called(name).filter(move |&other| {
            let entry = &self.universe[other];
            entry.is_usable() && entry.package.evr == *evr && entry.package.arch != *arch
        })
    }

    fn reach_recommended(&mut self, package: &Package) {
        for dependency in &package.recommends {
            let clauses = self.clauses(dependency, true).unwrap_or_default();
            let packages = clauses.iter().flatten().filter(|literal| literal.is_positive());
            self.queue
                .extend(packages.map(|literal| literal.package()).filter(|id| !self.reached[id.index()]));
        }
    }

    /// Reaches the packages that supplement what is reached, and what they need.
    fn reach_supplementing(&mut self) -> Result<(), ResolveError> {
        let universe = self.universe;
        let all: Vec<_> = universe
            .ids()
            .filter(|&id| universe[id].is_usable() && !universe[id].package.supplements.is_empty())
            .collect();
        loop {
            let can_hold = |dependency: &Dependency| self.is_possible(dependency);
            let new = all.iter().filter(|id| !self.is_reached(**id));
            let new: Vec<_> =
                new.filter(|id| universe[**id].package.supplements.iter().any(can_hold)).collect();
            if new.is_empty() {
                return Ok(());
            }
            self.queue.extend(new);
            self.reach()?;
        }
    }

    /// Whether a dependency could come to hold, at a guess.
    fn is_possible(&self, dependency: &Dependency) -> bool {
        use dependency::Rich;
        match dependency {
            Dependency::Rich(rich) => match &**rich {
                Rich::And(all) => all.iter().all(|one| self.is_possible(one)),
                Rich::Or(all) => all.iter().any(|one| self.is_possible(one)),
                Rich::If(..) | Rich::Unless(..) => true,
                Rich::With(_) | Rich::Without(..) => {
                    logic::providing(self.universe, dependency).into_iter().any(|id| self.is_reached(id))
                }
            },
            Dependency::Simple(relation) => {
                self.universe.satisfying(relation).into_iter().any(|id| self.is_reached(id))
            }
        }
    }

    /// Of packages for several architectures the best may stand alone, the others only beside it.
    fn keep_in_step(&mut self) {
        let place = |rules: &Self, id: PackageId| match rules.universe[id].rank {
            Some(Rank::Place(place)) => Some(place),
            _ => None,
        };
        let mut lesser = Vec::new();
        for group in self.names.values().filter(|group| group.len() > 1) {
            let best = group.iter().filter_map(|&id| place(self, id)).min();
            lesser.extend(
                group
                    .iter()
                    .copied()
                    .filter(|&id| place(self, id).is_some() && place(self, id) != best)
                    .map(|id| (id, best)),
            );
        }
        lesser.sort_unstable();
        for (id, best) in lesser {
            let beside = self.same_version(id).filter(|&other| match place(self, other) {
                None => true,
                place => place == best,
            });
            let clause = beside.map(Literal::is).collect();
            self.add_for(id, clause, Cause::Lockstep(id));
        }
        // What stands beside them is reached already.
        self.queue.clear();
    }
}

/// What cannot be fulfilled.
fn never() -> Clauses {
    vec![Clause::new()]
}
