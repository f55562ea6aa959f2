//! Another choice, where libsolv's way takes too long: a SAT solver that is told the preferences,
//! but decides in its own order.

use ctr_forge_packages::solve::{self, Choice, Slots, Wanted};

use super::hints::Hints;
use super::logic::Literal;
use super::policy;
use super::rules::Rules;
use super::state::State;
use super::universe::PackageId;

/// Packages that hold together, if there are any.
pub(super) fn solve(rules: &Rules<'_, '_>) -> Option<Vec<PackageId>> {
    let packages = Packages::new(rules);
    let wanted = Wanted {
        needs: packages.wanted.needs.len(),
        without: packages.wanted.enemies.clone(),
        ..Wanted::default()
    };
    let chosen = solve::solve(&packages, &wanted).ok()?;
    Some(needed(rules, &chosen.into_iter().map(id).collect::<Vec<_>>()))
}

/// Of chosen packages those that the request names, and what meets a rule of such. The solver can
/// leave more behind: what a package brought that was then dropped.
fn needed(rules: &Rules<'_, '_>, chosen: &[PackageId]) -> Vec<PackageId> {
    let mut is_chosen = vec![false; rules.universe.len()];
    chosen.iter().for_each(|id| is_chosen[id.index()] = true);
    let by_package = by_package(rules);
    // Where a rule says what must be beside others, those others must be there.
    let meeting = |rule: usize| {
        let (would, must): (Vec<Literal>, Vec<_>) =
            rules.literals(rule).iter().partition(|literal| literal.is_positive());
        let applies = must.iter().all(|literal| is_chosen[literal.package().index()]);
        would.into_iter().filter(move |_| applies).map(Literal::package)
    };
    let wanted = (0..rules.len()).filter(|&rule| rules.rule(rule).cause.owner().is_none());
    let mut reached: Vec<PackageId> = wanted.flat_map(meeting).collect();
    let mut kept = vec![false; rules.universe.len()];
    while let Some(id) = reached.pop() {
        if is_chosen[id.index()] && !std::mem::replace(&mut kept[id.index()], true) {
            reached.extend(by_package[id.index()].iter().flat_map(|&rule| meeting(rule)));
        }
    }
    chosen.iter().copied().filter(|id| kept[id.index()]).collect()
}

fn by_package(rules: &Rules<'_, '_>) -> Vec<Vec<usize>> {
    let mut by_package = vec![Vec::new(); rules.universe.len()];
    for rule in 0..rules.len() {
        if let Some(id) = rules.rule(rule).cause.owner() {
            by_package[id.index()].push(rule);
        }
    }
    by_package
}

fn id(slot: usize) -> PackageId {
    PackageId(u32::try_from(slot).expect("there are fewer than 2^32 packages"))
}

/// Rules as what they ask of others than their owner.
#[derive(Debug, Clone, Default)]
struct Asked {
    /// Rules that others fulfil.
    needs: Vec<usize>,
    /// Packages that must not be, but for other versions of the owner, which would be a square of
    /// their number.
    enemies: Vec<usize>,
}

struct Packages<'r, 'u, 'a> {
    rules: &'r Rules<'u, 'a>,
    by_package: Vec<Asked>,
    wanted: Asked,
    /// Nothing is decided in it but what the rules leave no choice about.
    state: Option<State<'r, 'u, 'a>>,
}

impl<'r, 'u, 'a> Packages<'r, 'u, 'a> {
    fn new(rules: &'r Rules<'u, 'a>) -> Self {
        let mut packages = Self {
            rules,
            by_package: vec![Asked::default(); rules.universe.len()],
            wanted: Asked::default(),
            state: State::new(rules).ok(),
        };
        for rule in 0..rules.len() {
            packages.add(rule);
        }
        packages
    }

    fn add(&mut self, rule: usize) {
        let owner = self.rules.rule(rule).cause.owner();
        let others: Vec<Literal> = self.others(rule, owner).collect();
        let asked = match owner {
            Some(owner) => &mut self.by_package[owner.index()],
            None => &mut self.wanted,
        };
        match others[..] {
            [only] if !only.is_positive() => asked.enemies.push(only.package().index()),
            _ => asked.needs.push(rule),
        }
    }

    fn others(
        &self,
        rule: usize,
        owner: Option<PackageId>,
    ) -> impl Iterator<Item = Literal> + use<'r, 'u, 'a> {
        let is_owner = move |literal: &Literal| owner.is_some_and(|owner| *literal == Literal::is_not(owner));
        let rules = self.rules;
        rules.literals(rule).iter().copied().filter(move |literal| !is_owner(literal))
    }
}

impl Slots for Packages<'_, '_, '_> {
    fn count(&self) -> usize {
        self.by_package.len()
    }

    fn needs(&self, slot: usize) -> Option<usize> {
        Some(self.by_package[slot].needs.len())
    }

    fn fulfilling(&self, owner: Option<usize>, need: usize) -> Vec<Choice> {
        let asked = owner.map_or(&self.wanted, |slot| &self.by_package[slot]);
        let others = self.others(asked.needs[need], owner.map(id));
        let (would, others): (Vec<Literal>, Vec<_>) = others.partition(|literal| literal.is_positive());
        let mut packages: Vec<_> = would.into_iter().map(Literal::package).collect();
        if let Some(state) = &self.state {
            packages = policy::sorted(state, &mut Hints::default(), &packages);
        }
        // That a package is not there comes first: nothing is brought in that nobody asks for.
        let absent = others.into_iter().map(|literal| Choice::Absent(literal.package().index()));
        absent.chain(packages.into_iter().map(|id| Choice::There(id.index()))).collect()
    }

    fn absence_counts(&self) -> bool {
        true
    }

    fn enemies(&self, slot: usize) -> Vec<usize> {
        let asked = self.by_package[slot].enemies.iter().copied();
        let mut enemies: Vec<_> = asked.chain(self.rules.twins(id(slot)).map(PackageId::index)).collect();
        enemies.sort_unstable();
        enemies.dedup();
        enemies
    }
}
