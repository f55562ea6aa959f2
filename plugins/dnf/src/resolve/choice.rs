//! libsolv's choice: its decisions, in its order (`solver_run_sat` in `solver.c`).
//!
//! 1. What the request leaves no choice about, and what follows from that.
//! 2. The rest of the request, in its order.
//! 3. What packages need: rules in a fixed order, round and round, those first that leave no
//!    choice.
//! 4. What is recommended, if that is wanted; then again from 2.
//! 5. Where one of several was taken and another of them came later, that one alone may do: the
//!    choice is made again with it.
//!
//! Where decisions end in a contradiction, [`State`] learns from it and takes some of them back.

use super::hints::Hints;
use super::logic::{Clause, Literal};
use super::policy;
use super::rules::{Cause, Rules};
use super::state::{Contradiction, State};
use super::universe::PackageId;

/// How often a choice between several is made again.
const MAX_IMPROVEMENTS: usize = 200;

/// A set that holds.
pub(super) fn choose(rules: &Rules<'_, '_>) -> Result<Vec<PackageId>, Contradiction> {
    Search::new(rules)?.run()
}

/// A set that has all of `base`, which holds, and of what else may come what can.
pub(super) fn choose_above(rules: &Rules<'_, '_>, base: &[PackageId]) -> Vec<PackageId> {
    let extended = || {
        let mut search = Search::new(rules)?;
        for &id in base.iter().filter(|&&id| rules.is_reached(id)) {
            if search.state.is_open(id) {
                search.state.decide(Literal::is(id))?;
            }
        }
        search.state.settle();
        search.run()
    };
    extended().unwrap_or_else(|_: Contradiction| base.to_vec())
}

/// A choice between several.
#[derive(Debug)]
struct Branch {
    /// The decisions that hold before it.
    level: usize,
    /// What is taken, and what would have done, with whether that was tried.
    options: Vec<(PackageId, bool)>,
}

#[derive(Debug)]
pub(super) struct Search<'r, 'u, 'a> {
    pub(super) state: State<'r, 'u, 'a>,
    pub(super) hints: Hints<'a>,
    branches: Vec<Branch>,
    /// The rules that can leave a choice, in libsolv's order.
    choices: Vec<usize>,
    /// The last set that had all that is needed.
    found: Option<Vec<PackageId>>,
}

impl<'r, 'u, 'a> Search<'r, 'u, 'a> {
    fn new(rules: &'r Rules<'u, 'a>) -> Result<Self, Contradiction> {
        let positive =
            |rule: usize| rules.literals(rule).iter().filter(|literal| literal.is_positive()).count();
        let mut choices: Vec<usize> = (0..rules.len()).filter(|&rule| positive(rule) > 1).collect();
        // Packages first, the last of them in front; then the request, then the architectures,
        // then what is best.
        let place = |rule: usize| match rules.rule(rule).cause {
            Cause::Requires(..) | Cause::Conflicts(..) | Cause::Obsoletes(_) => 0,
            Cause::Wanted(_) => 1,
            Cause::Lockstep(_) => 2,
            Cause::Best(_) => 3,
        };
        choices.sort_by(|&a, &b| {
            let literals = || match place(a) {
                0 => rules.literals(a).cmp(rules.literals(b)),
                _ => a.cmp(&b),
            };
            place(a).cmp(&place(b)).then_with(literals)
        });
        choices.dedup_by(|a, b| place(*a) == 0 && rules.literals(*a) == rules.literals(*b));
        let state = State::new(rules)?;
        let (hints, branches) = (Hints::default(), Vec::new());
        Ok(Self { state, hints, branches, choices, found: None })
    }

    /// A set that has all that is needed. Where making it better leads nowhere, it is the last that
    /// was found.
    fn run(mut self) -> Result<Vec<PackageId>, Contradiction> {
        let end = self.find_best();
        self.found.map_or_else(|| end.map(|()| Vec::new()), Ok)
    }

    fn find_best(&mut self) -> Result<(), Contradiction> {
        self.decide_all()?;
        for _ in 0..MAX_IMPROVEMENTS {
            if !self.improve()? {
                break;
            }
            self.decide_all()?;
        }
        Ok(())
    }

    fn decide_all(&mut self) -> Result<(), Contradiction> {
        loop {
            let wanted = self.decide_wanted()?;
            self.decide_needed()?;
            if wanted {
                continue;
            }
            self.found = Some(self.state.there().collect());
            if !(self.state.rules.weak && self.add_recommended()?) {
                return Ok(());
            }
        }
    }

    pub(super) fn decide(&mut self, literal: Literal) -> Result<(), Contradiction> {
        self.state.decide(literal)?;
        let level = self.state.level();
        while self.branches.last().is_some_and(|branch| branch.level >= level) {
            self.branches.pop();
        }
        Ok(())
    }

    /// Takes the best of several.
    pub(super) fn take_best(&mut self, packages: &[PackageId]) -> Result<(), Contradiction> {
        let options = policy::choose(&self.state, &mut self.hints, packages);
        let Some(&best) = options.first() else { return Ok(()) };
        if options.len() > 1 {
            let level = self.state.level();
            let options = options.into_iter().map(|id| (id, id == best)).collect();
            self.branches.push(Branch { level, options });
        }
        self.decide(Literal::is(best))
    }

    /// The packages that would meet a clause; none if it is met, or has not come true.
    fn open(&self, literals: &[Literal]) -> Option<Vec<PackageId>> {
        let mut open = Vec::new();
        for &literal in literals {
            match self.state.value(literal) {
                Some(false) => {}
                None if literal.is_positive() => open.push(literal.package()),
                Some(true) | None => return None,
            }
        }
        Some(open).filter(|open| !open.is_empty())
    }

    /// Decides what the request leaves open; whether that was anything.
    fn decide_wanted(&mut self) -> Result<bool, Contradiction> {
        let rules = self.state.rules;
        let parts: Vec<&'u Clause> = rules.wanted.iter().flat_map(|wanted| &wanted.clauses).collect();
        let mut any = false;
        loop {
            let Some(open) = parts.iter().find_map(|clause| self.open(clause)) else { return Ok(any) };
            self.take_best(&open)?;
            any = true;
        }
    }

    /// Decides what packages need. Rules that leave several packages wait until none is left that
    /// leaves only one.
    pub(super) fn decide_needed(&mut self) -> Result<(), Contradiction> {
        let count = self.choices.len();
        let mut waiting: Option<usize> = None;
        let mut waits = true;
        let (mut place, mut unchanged) = (0, 0);
        if count == 0 {
            return Ok(());
        }
        loop {
            if unchanged >= count {
                match waiting.take() {
                    Some(first) if waits => (place, unchanged, waits) = (first, 0, false),
                    _ => return Ok(()),
                }
            }
            let rule = self.choices[place];
            let this = place;
            place = (place + 1) % count;
            unchanged += 1;
            let Some(open) = self.open(self.state.rules.literals(rule)) else { continue };
            if waits && policy::eligible(&self.state, &mut self.hints, &open).len() > 1 {
                waiting.get_or_insert(this);
                continue;
            }
            self.take_best(&open)?;
            unchanged = 0;
        }
    }

    /// Makes one choice again, where another option came later anyway or could not be had although
    /// it is recommended; whether there was such a one. The earliest comes first.
    fn improve(&mut self) -> Result<bool, Contradiction> {
        self.hints.update(&self.state);
        let Some((branch, option)) = (0..self.branches.len())
            .find_map(|index| self.better_option(&self.branches[index]).map(|option| (index, option)))
        else {
            return Ok(false);
        };
        self.branches.truncate(branch + 1);
        let Some(branch) = self.branches.last_mut() else { return Ok(false) };
        branch.options[option].1 = true;
        let (level, id) = (branch.level, branch.options[option].0);
        self.state.take_back(level);
        // It stays on the list, unless this ends in a contradiction.
        self.decide(Literal::is(id))?;
        Ok(true)
    }

    fn better_option(&self, branch: &Branch) -> Option<usize> {
        let untried = || branch.options.iter().enumerate().filter(|(_, (_, tried))| !tried);
        let came_later = |id: PackageId| self.state.there_since(id).is_some_and(|since| since > branch.level);
        if let Some((index, _)) = untried().find(|(_, (id, _))| came_later(*id)) {
            return Some(index);
        }
        let (index, _) = untried().find(|(_, (id, _))| self.hints.is_recommended(&self.state, *id))?;
        let taken = branch
            .options
            .iter()
            .find(|(id, tried)| *tried && self.state.there_since(*id) == Some(branch.level + 1));
        taken.filter(|(id, _)| !self.hints.is_recommended(&self.state, *id)).map(|_| index)
    }
}
