//! Decisions, and what follows from them.
//!
//! The state of a search: which packages are there, which are not, and which are open. A decision
//! opens a level; what the rules make of it belongs to that level. Where that contradicts itself, a
//! rule is learned that says which earlier decisions cannot go together (the first unique
//! implication point, as in libsolv's `analyze` and every solver of its kind), and the later ones of
//! them are taken back.

use std::cell::Cell;
use std::collections::{BTreeSet, HashSet};

use super::logic::Literal;
use super::rules::Rules;
use super::universe::PackageId;

/// How many rules may be learned. What needs more is left to the other solver.
const MAX_LEARNED: usize = 5000;

/// Why a literal holds.
#[derive(Debug, Clone, Copy)]
enum Reason {
    Decision,
    /// All other literals of a rule are false.
    Rule(u32),
    /// Another version of the package is there.
    Twin(PackageId),
}

/// Packages that cannot go together, and why.
#[derive(Debug, Clone)]
struct Conflict {
    /// All false, although one of them must be true.
    literals: Vec<Literal>,
    origin: Origin,
}

/// Where a conflict, or a step on the way to it, comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Rule(u32),
    Twins(PackageId, PackageId),
}

/// That what is asked for cannot be.
#[derive(Debug)]
pub(super) enum Contradiction {
    /// Nothing was decided: these cannot hold together.
    Proven(Core),
    /// No decision may be taken back any more.
    Stuck,
}

/// Rules, and pairs of versions of one package, that cannot hold together.
#[derive(Debug, Default)]
pub(super) struct Core {
    pub(super) rules: BTreeSet<usize>,
    pub(super) twins: BTreeSet<(PackageId, PackageId)>,
}

#[derive(Debug)]
pub(super) struct State<'r, 'u, 'a> {
    pub(super) rules: &'r Rules<'u, 'a>,
    /// By package: 0 is open, else the level since when it is there, or less than 0 if it is not.
    values: Vec<i32>,
    /// All that holds, in the order in which that became known.
    trail: Vec<Literal>,
    /// By package, why it is there or not.
    reasons: Vec<Reason>,
    /// How much of the trail has been followed up.
    followed: usize,
    /// By level, from 1: how long the trail was before its decision.
    decisions: Vec<usize>,
    /// Rules that are numbered behind all others, and what they follow from.
    learned: Vec<(Vec<Literal>, Vec<Origin>)>,
    /// By literal, the rules that look at it: those where it is one of two that are not false.
    watching: Vec<Vec<u32>>,
    /// By rule, the two literals that it looks at.
    watched: Vec<[Literal; 2]>,
    /// Levels that are never taken back.
    floor: usize,
    /// The shortest that the trail was since somebody last asked.
    shortest: Cell<usize>,
}

impl<'r, 'u, 'a> State<'r, 'u, 'a> {
    pub(super) fn new(rules: &'r Rules<'u, 'a>) -> Result<Self, Contradiction> {
        let packages = rules.universe.len();
        let mut state = Self {
            rules,
            values: vec![0; packages],
            reasons: vec![Reason::Decision; packages],
            trail: Vec::new(),
            followed: 0,
            decisions: Vec::new(),
            learned: Vec::new(),
            watching: vec![Vec::new(); packages * 2],
            watched: Vec::with_capacity(rules.len()),
            floor: 0,
            shortest: Cell::new(usize::MAX),
        };
        for index in 0..rules.len() {
            state.watch(index)?;
        }
        match state.follow() {
            Ok(()) => Ok(state),
            Err(conflict) => Err(state.proof(conflict)),
        }
    }

    fn watch(&mut self, index: usize) -> Result<(), Contradiction> {
        let literals = self.rules.literals(index);
        let (Some(&first), Some(&last)) = (literals.first(), literals.last()) else {
            let rules = BTreeSet::from([index]);
            return Err(Contradiction::Proven(Core { rules, ..Core::default() }));
        };
        let rule = self.look_at(first, last);
        if first != last {
            return Ok(());
        }
        match self.value(first) {
            Some(true) => Ok(()),
            Some(false) => Err(self.proof(Conflict { literals: vec![first], origin: Origin::Rule(rule) })),
            None => {
                self.note(first, Reason::Rule(rule));
                Ok(())
            }
        }
    }

    /// Watches two literals of the next rule, which are one if it has only one.
    fn look_at(&mut self, first: Literal, second: Literal) -> u32 {
        let rule = u32::try_from(self.watched.len()).expect("there are fewer than 2^32 rules");
        self.watched.push([first, second]);
        if first != second {
            self.watching[first.index()].push(rule);
            self.watching[second.index()].push(rule);
        }
        rule
    }

    fn literals(&self, rule: u32) -> &[Literal] {
        match (rule as usize).checked_sub(self.rules.len()) {
            None => self.rules.literals(rule as usize),
            Some(learned) => &self.learned[learned].0,
        }
    }

    /// Whether a literal is true; none where that is open.
    pub(super) fn value(&self, literal: Literal) -> Option<bool> {
        match self.values[literal.package().index()] {
            0 => None,
            level => Some((level > 0) == literal.is_positive()),
        }
    }

    pub(super) fn is_there(&self, id: PackageId) -> bool {
        self.values[id.index()] > 0
    }

    pub(super) fn is_open(&self, id: PackageId) -> bool {
        self.values[id.index()] == 0
    }

    /// The number of decisions that hold.
    pub(super) fn level(&self) -> usize {
        self.decisions.len()
    }

    /// Since which level a package is there; none if it is not.
    pub(super) fn there_since(&self, id: PackageId) -> Option<usize> {
        usize::try_from(self.values[id.index()]).ok()?.checked_sub(1)
    }

    /// All that holds, in the order in which that became known.
    pub(super) fn trail(&self) -> &[Literal] {
        &self.trail
    }

    /// The shortest that the trail was since [`State::forget_shortest`].
    pub(super) fn shortest(&self) -> usize {
        self.shortest.get()
    }

    /// Lets [`State::shortest`] begin anew.
    pub(super) fn forget_shortest(&self) {
        self.shortest.set(self.trail.len());
    }

    /// The packages that are there, in the order in which that became known.
    pub(super) fn there(&self) -> impl Iterator<Item = PackageId> {
        self.trail.iter().filter(|literal| literal.is_positive()).map(|literal| literal.package())
    }

    /// What holds now is never taken back.
    pub(super) fn settle(&mut self) {
        self.floor = self.level();
    }

    /// Decides, and follows that up. Where it leads to a contradiction, that is learned from, and
    /// decisions are taken back as far as that says.
    pub(super) fn decide(&mut self, literal: Literal) -> Result<(), Contradiction> {
        self.decisions.push(self.trail.len());
        self.note(literal, Reason::Decision);
        while let Err(conflict) = self.follow() {
            if self.level() == 0 {
                return Err(self.proof(conflict));
            }
            if self.level() <= self.floor || self.learned.len() >= MAX_LEARNED {
                return Err(Contradiction::Stuck);
            }
            self.learn(conflict);
        }
        Ok(())
    }

    fn learn(&mut self, conflict: Conflict) {
        let now = self.level();
        let (mut seen, mut unresolved) = (HashSet::new(), 0);
        let (mut rule, mut literals, mut origins) = (Vec::new(), conflict.literals, vec![conflict.origin]);
        let mut trail = self.trail.iter().rev();
        let turning_point = loop {
            for literal in literals {
                let level = self.level_of(literal.package());
                if level > 0 && seen.insert(literal.package()) {
                    match level == now {
                        true => unresolved += 1,
                        false => rule.push(literal),
                    }
                }
            }
            let Some(&last) = trail.find(|literal| seen.contains(&literal.package())) else {
                return self.take_back(0);
            };
            unresolved -= 1;
            if unresolved == 0 {
                break last;
            }
            literals = self.reasons_of(last);
            origins.extend(self.origin_of(last));
        };
        let latest = rule.iter().copied().max_by_key(|literal| self.level_of(literal.package()));
        let level = latest.map_or(0, |literal| self.level_of(literal.package()));
        self.take_back(level.max(self.floor));
        rule.insert(0, !turning_point);
        self.learned.push((rule, origins));
        let number = self.look_at(!turning_point, latest.unwrap_or(!turning_point));
        self.note(!turning_point, Reason::Rule(number));
    }

    /// The literals that had to be false for this one to become true.
    fn reasons_of(&self, literal: Literal) -> Vec<Literal> {
        match self.reasons[literal.package().index()] {
            Reason::Decision => Vec::new(),
            Reason::Rule(rule) => {
                self.literals(rule).iter().copied().filter(|other| *other != literal).collect()
            }
            Reason::Twin(twin) => vec![Literal::is_not(twin)],
        }
    }

    fn origin_of(&self, literal: Literal) -> Option<Origin> {
        let id = literal.package();
        match self.reasons[id.index()] {
            Reason::Decision => None,
            Reason::Rule(rule) => Some(Origin::Rule(rule)),
            Reason::Twin(twin) => Some(Origin::Twins(id.min(twin), id.max(twin))),
        }
    }

    /// All that a conflict follows from, where nothing is decided.
    fn proof(&self, conflict: Conflict) -> Contradiction {
        let mut core = Core::default();
        let (mut seen, mut next) = (BTreeSet::new(), vec![conflict.origin]);
        while let Some(origin) = next.pop() {
            if !seen.insert(origin) {
                continue;
            }
            let literals = match origin {
                Origin::Twins(a, b) => {
                    core.twins.insert((a, b));
                    vec![Literal::is_not(a), Literal::is_not(b)]
                }
                Origin::Rule(rule) => {
                    match (rule as usize).checked_sub(self.rules.len()) {
                        None => _ = core.rules.insert(rule as usize),
                        Some(learned) => next.extend(&self.learned[learned].1),
                    }
                    self.literals(rule).to_vec()
                }
            };
            let false_ones = literals.into_iter().filter(|literal| self.value(*literal) == Some(false));
            next.extend(false_ones.filter_map(|literal| self.origin_of(literal)));
        }
        Contradiction::Proven(core)
    }

    /// How many decisions there were when it became known whether a package is there.
    fn level_of(&self, id: PackageId) -> usize {
        (self.values[id.index()].unsigned_abs() as usize).saturating_sub(1)
    }

    /// Takes back all decisions above a level.
    pub(super) fn take_back(&mut self, level: usize) {
        let Some(&length) = self.decisions.get(level) else { return };
        self.decisions.truncate(level);
        for literal in self.trail.drain(length..) {
            self.values[literal.package().index()] = 0;
        }
        self.followed = length;
        self.shortest.set(self.shortest.get().min(length));
    }

    fn note(&mut self, literal: Literal, reason: Reason) {
        let level = i32::try_from(self.level() + 1).expect("there are fewer levels than packages");
        let index = literal.package().index();
        self.values[index] = if literal.is_positive() { level } else { -level };
        self.reasons[index] = reason;
        self.trail.push(literal);
    }

    /// Follows up what holds.
    fn follow(&mut self) -> Result<(), Conflict> {
        while let Some(&literal) = self.trail.get(self.followed) {
            self.followed += 1;
            if literal.is_positive() {
                self.exclude_twins(literal.package())?;
            }
            let looking = std::mem::take(&mut self.watching[(!literal).index()]);
            let mut rules = looking.iter();
            let mut kept = Vec::with_capacity(looking.len());
            let mut conflict = None;
            for &rule in rules.by_ref() {
                let (keeps, is_met) = self.look_again(rule, !literal);
                if keeps {
                    kept.push(rule);
                }
                if !is_met {
                    conflict = Some(rule);
                    break;
                }
            }
            kept.extend(rules);
            self.watching[(!literal).index()] = kept;
            if let Some(rule) = conflict {
                return Err(Conflict { literals: self.literals(rule).to_vec(), origin: Origin::Rule(rule) });
            }
        }
        Ok(())
    }

    fn exclude_twins(&mut self, id: PackageId) -> Result<(), Conflict> {
        let rules = self.rules;
        for twin in rules.twins(id) {
            match self.value(Literal::is_not(twin)) {
                None => self.note(Literal::is_not(twin), Reason::Twin(id)),
                Some(true) => {}
                Some(false) => {
                    let literals = vec![Literal::is_not(id), Literal::is_not(twin)];
                    return Err(Conflict { literals, origin: Origin::Twins(id.min(twin), id.max(twin)) });
                }
            }
        }
        Ok(())
    }

    /// Looks at a rule of which a watched literal has become false: whether the rule goes on to
    /// watch it, and whether it can still be met.
    fn look_again(&mut self, rule: u32, literal: Literal) -> (bool, bool) {
        let [first, second] = self.watched[rule as usize];
        let other = if first == literal { second } else { first };
        if self.value(other) == Some(true) {
            return (true, true);
        }
        let is_next = |one: &Literal| *one != other && self.value(*one) != Some(false);
        if let Some(next) = self.literals(rule).iter().copied().find(is_next) {
            self.watched[rule as usize] = [other, next];
            self.watching[next.index()].push(rule);
            return (false, true);
        }
        match self.value(other) {
            None => {
                self.note(other, Reason::Rule(rule));
                (true, true)
            }
            Some(is_met) => (true, is_met),
        }
    }
}
