//! Why there is no choice, in words.
//!
//! What cannot hold together is a number of rules. Each becomes a line: "x-1 needs y >= 2, but the
//! newest is y-1". What explains a line stands indented below it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ctr_forge_packages::near::list;
use ctr_forge_packages::prose::Lines;

use super::near;
use super::rules::{Cause, Rules};
use super::state::Core;
use super::universe::{PackageId, Universe};
use crate::dependency::{self, Dependency};

/// The most packages that are named as the ways to meet one need.
const MAX_WAYS: usize = 6;

/// What cannot hold together, by whose rule it is.
#[derive(Debug, Default)]
struct Reasons {
    /// Parts of the request, with their rules.
    wanted: BTreeMap<usize, BTreeSet<usize>>,
    /// By package, its rules that need something.
    rules: BTreeMap<PackageId, BTreeSet<usize>>,
    /// By package, who is in its way, and it in theirs; with the rule, if it is not that they are
    /// versions of one.
    clashes: BTreeMap<PackageId, BTreeMap<PackageId, Option<usize>>>,
}

impl Reasons {
    fn new(rules: &Rules<'_, '_>, core: &Core) -> Self {
        let mut reasons = Self::default();
        for &rule in &core.rules {
            let cause = rules.rule(rule).cause;
            match (cause, rules.literals(rule)) {
                (Cause::Wanted(index) | Cause::Best(index), _) => {
                    reasons.wanted.entry(index).or_default().insert(rule);
                }
                (_, [a, b]) if !a.is_positive() && !b.is_positive() => {
                    reasons.add_clash(a.package(), b.package(), Some(rule));
                }
                (
                    Cause::Requires(id, _)
                    | Cause::Conflicts(id, _)
                    | Cause::Obsoletes(id)
                    | Cause::Lockstep(id),
                    _,
                ) => {
                    reasons.rules.entry(id).or_default().insert(rule);
                }
            }
        }
        core.twins.iter().for_each(|&(a, b)| reasons.add_clash(a, b, None));
        reasons
    }

    fn add_clash(&mut self, a: PackageId, b: PackageId, rule: Option<usize>) {
        self.clashes.entry(a).or_default().insert(b, rule);
        self.clashes.entry(b).or_default().insert(a, rule);
    }
}

/// The reasons, a line each, without a newline at the end.
pub(super) fn explain(rules: &Rules<'_, '_>, core: &Core) -> String {
    let core = Reasons::new(rules, core);
    let mut prose = Prose { rules, core: &core, told: HashSet::new(), lines: Lines::default() };
    for (&index, of_it) in &core.wanted {
        for &rule in of_it {
            prose.wanted(&rules.wanted[index].words, rule);
        }
    }
    prose.lines.into_text()
}

struct Prose<'r, 'u, 'a> {
    rules: &'r Rules<'u, 'a>,
    core: &'r Reasons,
    told: HashSet<PackageId>,
    lines: Lines,
}

impl Prose<'_, '_, '_> {
    fn ways(&self, rule: usize) -> Vec<PackageId> {
        let positive = self.rules.literals(rule).iter().filter(|literal| literal.is_positive());
        positive.map(|literal| literal.package()).collect()
    }

    fn wanted(&mut self, words: &str, rule: usize) {
        let ways = self.ways(rule);
        let is_best = matches!(self.rules.rule(rule).cause, Cause::Best(_));
        let text = match ways[..] {
            [one] if is_best => {
                format!("{words} is wanted in its newest version, which is {}", self.title(one))
            }
            [_, ..] if is_best => format!("{words} is wanted in its newest version, which cannot be had"),
            [] => format!("{words} is wanted, and forbids what else is needed"),
            [one] if self.title(one) == words => format!("{words} is wanted"),
            [one] => format!("{words} is wanted, which is {}", self.title(one)),
            _ => format!("{words} is wanted, of which none can be had"),
        };
        self.lines.add(0, &text);
        self.packages(&ways, 1);
    }

    fn packages(&mut self, ways: &[PackageId], depth: usize) {
        for &id in ways.iter().rev().take(MAX_WAYS) {
            self.package(id, depth);
        }
        if ways.len() > MAX_WAYS {
            self.lines.add(depth, &format!("and {} others, for the like reasons", ways.len() - MAX_WAYS));
        }
    }

    /// Why a package cannot be installed. Nothing if the reason is told elsewhere.
    fn package(&mut self, id: PackageId, depth: usize) {
        if !self.told.insert(id) || self.lines.are_full() {
            return;
        }
        let core = self.core;
        for (&other, &rule) in core.clashes.get(&id).into_iter().flatten() {
            let text = self.clash(id, other, rule);
            self.lines.add(depth, &text);
            if !self.told.contains(&other) && core.rules.contains_key(&other) {
                self.package(other, depth + 1);
            }
        }
        for &rule in core.rules.get(&id).into_iter().flatten() {
            self.rule(id, rule, depth);
        }
    }

    fn rule(&mut self, id: PackageId, rule: usize, depth: usize) {
        let name = self.title(id);
        let ways = self.ways(rule);
        let need = match self.rules.rule(rule).cause {
            Cause::Requires(_, dependency) => format!("needs {dependency}"),
            Cause::Lockstep(_) => "stands only beside the same version for the best architecture".to_owned(),
            Cause::Conflicts(_, dependency) => format!("conflicts with {dependency}"),
            Cause::Wanted(_) | Cause::Best(_) | Cause::Obsoletes(_) => return,
        };
        let beside = self.beside(id, rule);
        match (ways.len(), self.rules.rule(rule).cause) {
            (0, Cause::Conflicts(..)) => {
                let others = self.others(id, rule);
                let why = match others.is_empty() {
                    true => ", which holds in any case".to_owned(),
                    false => format!(", which holds beside {}", list(&others)),
                };
                self.lines.add(depth, &format!("{name} {need}{why}"));
            }
            (0, Cause::Requires(_, dependency)) => {
                let why = missing(self.rules.universe, dependency);
                self.lines.add(depth, &format!("{name} {need}{beside}, but {why}"));
            }
            (0, _) => self.lines.add(depth, &format!("{name} {need}{beside}, and there is none")),
            (1, _) => {
                self.lines.add(depth, &format!("{name} {need}{beside}, which is {}", self.title(ways[0])))
            }
            _ => self.lines.add(depth, &format!("{name} {need}{beside}, of which none can be had")),
        }
        self.packages(&ways, depth + 1);
    }

    /// The packages beside which a rich dependency asks for others.
    fn others(&self, id: PackageId, rule: usize) -> Vec<String> {
        let negative = self.rules.literals(rule).iter().filter(|literal| !literal.is_positive());
        let others = negative.map(|literal| literal.package()).filter(|other| *other != id);
        let mut others: Vec<_> = others.map(|other| self.title(other)).collect();
        others.sort_unstable();
        others
    }

    fn beside(&self, id: PackageId, rule: usize) -> String {
        let others = self.others(id, rule);
        match others.is_empty() {
            true => String::new(),
            false => format!(" beside {}", list(&others)),
        }
    }

    /// "a-1 conflicts with b, which is b-2, needed by c-3".
    fn clash(&self, id: PackageId, other: PackageId, rule: Option<usize>) -> String {
        let universe = self.rules.universe;
        let (name, against) = (self.title(id), self.title(other));
        let by = self.needed_by(other);
        match rule.map(|rule| self.rules.rule(rule).cause) {
            Some(Cause::Conflicts(owner, dependency)) => {
                let (subject, object) = if owner == id { (name, against) } else { (against, name) };
                let what = dependency.to_string();
                let is_name = universe[if owner == id { other } else { id }].package.name[..] == what[..];
                match is_name {
                    true => format!("{subject} conflicts with {object}{by}"),
                    false => format!("{subject} conflicts with {what}, which is {object}{by}"),
                }
            }
            Some(Cause::Obsoletes(owner)) => match owner == id {
                true => format!("{name} obsoletes {against}{by}"),
                false => format!("{name} is obsoleted by {against}{by}"),
            },
            _ => format!("{name} cannot be installed beside {against}{by}"),
        }
    }

    /// ", needed by c-3", or ", which is wanted".
    fn needed_by(&self, id: PackageId) -> String {
        let offers = |rule: &usize| self.ways(*rule).contains(&id);
        if self.core.wanted.values().flatten().any(offers) {
            return ", which is wanted".to_owned();
        }
        let owner = self.core.rules.iter().find(|(owner, rules)| **owner != id && rules.iter().any(offers));
        owner.map_or_else(String::new, |(owner, _)| format!(", needed by {}", self.title(*owner)))
    }

    fn title(&self, id: PackageId) -> String {
        self.rules.universe[id].package.nevra()
    }
}

/// Why nothing meets a dependency.
fn missing(universe: &Universe<'_>, dependency: &Dependency) -> String {
    let Dependency::Simple(relation) = dependency else {
        return "nothing meets that".to_owned();
    };
    match dependency::is_met_by_rpmlib(relation) {
        Some(false) => "that is no feature of an rpm that is known here".to_owned(),
        _ => near::missing(universe, relation),
    }
}
