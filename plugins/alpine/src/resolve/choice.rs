//! apk's own way to choose: name by name, with what each choice leaves of the others.
//!
//! It never goes back. A package that contradicts what was chosen is ruled out; a name that
//! only one package is left for is settled; where several are left, what all of them need is
//! known to be needed before one of them is taken. So the packages that apk chooses follow
//! from the order in which names are settled, and from its preferences (`solver.c` of
//! apk-tools 2.14), and both are the same here.

use std::cmp::{Ordering, Reverse};
use std::collections::{HashMap, VecDeque};

use super::universe::{NameId, PackageId, Provider, Universe};
use crate::dependency::Dependency;
use crate::version;

/// The packages that apk would choose; `None` where it would give up.
pub(super) fn choose(universe: &Universe<'_>) -> Option<Vec<PackageId>> {
    let mut choice = Choice::new(universe);
    for &(name, _) in &universe.wants {
        choice.names[name.index()].is_wanted = true;
        choice.discover(name);
    }
    for (name, want) in &universe.wants {
        choice.constrain(None, *name, want);
    }
    loop {
        while let Some(name) = choice.dirty.pop_front() {
            choice.names[name.index()].is_dirty = false;
            choice.reconsider(name);
        }
        match choice.next() {
            Some(name) => choice.settle(name),
            None => break,
        }
    }
    (!choice.failed).then(|| choice.chosen())
}

#[derive(Debug, Default)]
struct NameState<'a> {
    is_seen: bool,
    /// The world names it.
    is_wanted: bool,
    /// The longest way down its dependencies, as far as it was known when it was found.
    depth: u32,
    /// Dependencies on it.
    requirers: u32,
    /// Set when it is settled: on nobody, perhaps.
    settled: Option<Option<Provider<'a>>>,
    is_open: bool,
    is_dirty: bool,
    /// Somebody's dependencies, or what he waits for, have to be looked at again.
    recheck_needs: bool,
    recheck_triggers: bool,
    /// Whether a package of it comes by itself, or none ever will.
    has_trigger: bool,
    no_trigger: bool,
    /// A package waits for it to be absent.
    is_awaited: bool,
    has_options: bool,
    /// All who might depend on it are settled.
    is_complete: bool,
}

#[derive(Debug, Default)]
struct PackageState {
    is_possible: bool,
    /// As that of a name.
    depth: Option<u32>,
    conflicts: u32,
    /// Repositories it may come from, and whether it can.
    allowed: u64,
    is_allowed: bool,
    is_preferred: bool,
    is_triggered: bool,
    /// It will not come by itself any more.
    never_triggers: bool,
    /// Its needs were looked at together with the others' of the name, now and the last time.
    was_merged: bool,
    in_last_merge: bool,
}

struct Choice<'u, 'a> {
    universe: &'u Universe<'a>,
    names: Vec<NameState<'a>>,
    packages: Vec<PackageState>,
    dirty: VecDeque<NameId>,
    /// Names that are to be settled, the last that came in at the end.
    open: Vec<NameId>,
    failed: bool,
}

impl<'u, 'a> Choice<'u, 'a> {
    fn new(universe: &'u Universe<'a>) -> Self {
        let package = |id: PackageId| {
            let offer = &universe.offers[id];
            // A file of the user's is in no repository, and as good as any.
            let is_untagged = offer.repositories == 0 || offer.repositories & universe.untagged != 0;
            PackageState {
                is_possible: true,
                allowed: universe.untagged,
                is_allowed: is_untagged,
                is_preferred: is_untagged,
                never_triggers: offer.package.install_if.is_empty(),
                ..PackageState::default()
            }
        };
        Self {
            universe,
            names: universe.names().iter().map(|_| NameState::default()).collect(),
            packages: (0..universe.package_count()).map(package).collect(),
            dirty: VecDeque::new(),
            open: Vec::new(),
            failed: false,
        }
    }

    /// Finds all names that may matter, and how deep each goes.
    fn discover(&mut self, first: NameId) {
        let mut stack = Vec::new();
        self.enter(first, &mut stack);
        while let Some((name, next)) = stack.last_mut() {
            let name = *name;
            match next.pop() {
                Some(other) => self.enter(other, &mut stack),
                None => {
                    stack.pop();
                    self.measure(name);
                }
            }
        }
    }

    fn enter(&mut self, name: NameId, stack: &mut Vec<(NameId, Vec<NameId>)>) {
        let universe = self.universe;
        let state = &mut self.names[name.index()];
        if std::mem::replace(&mut state.is_seen, true) {
            return;
        }
        let providers = &universe[name].providers;
        state.no_trigger = providers.iter().all(|one| self.packages[one.package].never_triggers);
        let needs =
            providers.iter().flat_map(|one| universe[one.package].depends.iter().map(|(name, _)| *name));
        let followers = providers.iter().flat_map(|one| {
            let names = universe[one.package].names.iter();
            names.flat_map(|(name, _)| universe.names_of(&universe[*name].triggers))
        });
        let mut next: Vec<NameId> = needs.chain(followers).collect();
        next.reverse();
        stack.push((name, next));
    }

    /// All that a name leads to was found.
    fn measure(&mut self, name: NameId) {
        let universe = self.universe;
        for one in &universe[name].providers {
            let needs = universe[one.package].depends.iter();
            let below = needs.map(|(name, _)| self.names[name.index()].depth + 1).max().unwrap_or(0);
            let depth = *self.packages[one.package].depth.get_or_insert(below);
            let state = &mut self.names[name.index()];
            state.depth = state.depth.max(depth);
        }
    }

    fn make_dirty(&mut self, name: NameId) {
        let state = &mut self.names[name.index()];
        let matters = state.requirers > 0 || state.recheck_triggers;
        if matters && state.settled.is_none() && !state.is_dirty {
            state.is_dirty = true;
            self.dirty.push_back(name);
        }
    }

    /// Takes a name to those that are to be settled, if somebody waits for it.
    fn queue(&mut self, name: NameId) {
        let state = &mut self.names[name.index()];
        if state.settled.is_some() {
            return;
        }
        match (state.requirers > 0 || state.has_trigger || state.is_awaited, state.is_open) {
            (true, false) => {
                state.is_open = true;
                self.open.push(name);
            }
            (false, true) => self.close(name),
            _ => {}
        }
    }

    fn close(&mut self, name: NameId) {
        if std::mem::take(&mut self.names[name.index()].is_open) {
            self.open.retain(|&open| open != name);
        }
    }

    /// The name to settle next: one that is clear, or the first by what the world names, by
    /// whose own name it is, by how deep it goes; of the same, the last that came in.
    fn next(&self) -> Option<NameId> {
        let state = |name: NameId| &self.names[name.index()];
        let is_clear = |name: NameId| {
            let state = state(name);
            state.is_complete && state.requirers > 0 && !state.has_options
        };
        let newest_first = || self.open.iter().rev().copied();
        newest_first().find(|&name| is_clear(name)).or_else(|| {
            newest_first().min_by_key(|&name| {
                let NameState { is_wanted, depth, requirers, .. } = *state(name);
                (!is_wanted, self.universe.sharing(name), Reverse(depth), requirers == 0)
            })
        })
    }

    fn recheck_dependers(&mut self, name: NameId) {
        let universe = self.universe;
        for depender in universe.names_of(&universe[name].dependers) {
            if self.names[depender.index()].is_seen {
                self.names[depender.index()].recheck_needs = true;
                self.make_dirty(depender);
            }
        }
    }

    fn recheck_followers(&mut self, name: NameId) {
        let universe = self.universe;
        for follower in universe.names_of(&universe[name].triggers) {
            let state = &mut self.names[follower.index()];
            if state.is_seen && !state.no_trigger {
                state.recheck_triggers = true;
                self.make_dirty(follower);
            }
        }
    }

    fn rule_out(&mut self, package: PackageId) {
        self.packages[package].is_possible = false;
        let universe = self.universe;
        for &(name, _) in &universe[package].names {
            self.recheck_dependers(name);
        }
        for &(name, _) in &universe[package].names {
            self.recheck_followers(name);
        }
    }

    /// Whether a dependency can still be met.
    fn can_be_met(&self, depender: PackageId, name: NameId, dependency: &Dependency<'_>) -> bool {
        let universe = self.universe;
        let state = &self.names[name.index()];
        if let Some(settled) = state.settled {
            return settled
                .map_or(dependency.conflict, |one| universe.accepts(Some(depender), dependency, one));
        }
        let is_absent = state.requirers == 0 && dependency.conflict;
        is_absent
            || universe[name].providers.iter().any(|&one| {
                self.packages[one.package].is_possible && universe.accepts(Some(depender), dependency, one)
            })
    }

    /// A package is wanted by the world with this tag, or by `parent`: it may come from where that may.
    fn allow(&mut self, package: PackageId, parent: Option<PackageId>, tag: u64) {
        let repositories = self.universe.offers[package].repositories;
        let inherited = parent.map_or(tag, |parent| self.packages[parent].allowed);
        let untagged = self.universe.untagged;
        let state = &mut self.packages[package];
        state.allowed |= inherited;
        if parent.is_none() {
            let preferred = if tag == 0 { untagged } else { tag };
            state.is_preferred = repositories == 0 || repositories & preferred != 0;
        }
        state.is_allowed |= repositories & state.allowed != 0;
    }

    /// Takes in that `parent`, or the world, needs this: rules out who does not fit.
    fn constrain(&mut self, parent: Option<PackageId>, name: NameId, dependency: &Dependency<'_>) {
        if !dependency.conflict {
            self.require(name);
        }
        let universe = self.universe;
        let tag = dependency.tag.and_then(|tag| universe.tag(tag)).unwrap_or(0);
        for &one in &universe[name].providers {
            let fits = universe.accepts(parent, dependency, one);
            if fits {
                self.allow(one.package, parent, tag);
                continue;
            }
            self.packages[one.package].conflicts += 1;
            if self.packages[one.package].is_possible {
                self.rule_out(one.package);
            }
        }
    }

    fn require(&mut self, name: NameId) {
        self.names[name.index()].requirers += 1;
        if self.names[name.index()].requirers == 1 {
            self.queue(name);
            self.recheck_followers(name);
            self.make_dirty(name);
        }
    }

    /// Whether a provider is taken without being asked for: not one that has the name without a
    /// version, unless it says how good it is or is there anyway.
    fn is_taken_by_itself(&self, one: Provider<'_>) -> bool {
        one.version.is_some()
            || self.universe.offers[one.package].package.provider_priority > 0
            || self.names[self.universe[one.package].name.index()].requirers > 0
    }

    /// Looks at who is left for a name, and hands on what follows from that.
    fn reconsider(&mut self, name: NameId) {
        let universe = self.universe;
        let state = &mut self.names[name.index()];
        let recheck_needs = std::mem::take(&mut state.recheck_needs);
        let recheck_triggers = std::mem::take(&mut state.recheck_triggers);
        let is_required = state.requirers > 0;
        let (mut has_trigger, mut no_trigger) = (false, true);
        let mut not_allowed = false;
        let mut merge = Merge::default();
        for &one in &universe[name].providers {
            let id = one.package;
            self.packages[id].was_merged = false;
            if recheck_needs && self.packages[id].is_possible {
                let relations = &universe[id];
                if !relations.depends.iter().all(|(name, need)| self.can_be_met(id, *name, need)) {
                    self.rule_out(id);
                }
            }
            if !self.packages[id].is_possible {
                continue;
            }
            if recheck_triggers {
                self.recheck_trigger(id);
            }
            let package = &mut self.packages[id];
            has_trigger |= package.is_triggered;
            no_trigger &= package.never_triggers;
            if is_required {
                package.was_merged = true;
                not_allowed |= !package.is_allowed;
                merge.add(universe, one);
            }
        }
        let state = &mut self.names[name.index()];
        state.has_options = merge.options.len() > 1 || not_allowed;
        state.has_trigger = has_trigger;
        state.no_trigger = no_trigger;
        self.queue(name);
        if let Some(&first) = merge.options.first() {
            for one in &universe[name].providers {
                self.packages[one.package].in_last_merge = self.packages[one.package].was_merged;
            }
            self.hand_on(name, first, &merge);
        }
        let mut dependers = universe.names_of(&universe[name].dependers);
        let is_open = |name: NameId| {
            let state = &self.names[name.index()];
            state.is_seen && state.settled.is_none()
        };
        self.names[name.index()].is_complete = !dependers.any(is_open);
    }

    /// Whether a package comes by itself now, or never will.
    fn recheck_trigger(&mut self, id: PackageId) {
        let universe = self.universe;
        let state = &self.packages[id];
        if !state.is_triggered && !state.never_triggers {
            let mut is_triggered = true;
            for (name, dependency) in &universe[id].install_if {
                match self.names[name.index()].settled {
                    None => {
                        if dependency.conflict {
                            self.names[name.index()].is_awaited = true;
                            self.queue(*name);
                        }
                        is_triggered = false;
                        break;
                    }
                    Some(settled) => {
                        let is_met = settled
                            .map_or(dependency.conflict, |one| universe.accepts(Some(id), dependency, one));
                        if !is_met {
                            self.packages[id].never_triggers = true;
                            is_triggered = false;
                            break;
                        }
                    }
                }
            }
            self.packages[id].is_triggered = is_triggered;
        }
        if self.packages[id].is_triggered {
            for (name, _) in &universe[id].install_if {
                if let Some(parent) = self.names[name.index()].settled.flatten() {
                    self.allow(id, Some(parent.package), 0);
                }
            }
        }
    }

    /// What all that are left for a name have in common holds whoever is taken.
    fn hand_on(&mut self, name: NameId, first: PackageId, merge: &Merge) {
        let universe = self.universe;
        let count = merge.options.len();
        for (other, need) in &universe[first].depends {
            if need.conflict || merge.needs.get(other) != Some(&count) {
                continue;
            }
            if count == 1 {
                self.constrain(Some(first), *other, need);
            } else if self.names[other.index()].requirers == 0 {
                self.require(*other);
                for one in &universe[*other].providers {
                    self.allow(one.package, Some(first), 0);
                }
            }
        }
        for (other, _) in &universe[first].names {
            if merge.names.get(other).is_some_and(|&(seen, _)| seen == count) && *other != name {
                let shared = merge.names[other].1;
                self.rule_out_others(*other, name, shared);
            }
        }
    }

    /// Whoever answers to `other` must answer to `name` too: the one who will be taken for `name`
    /// has both. With `shared`, names without a version are left alone.
    fn rule_out_others(&mut self, other: NameId, name: NameId, shared: bool) {
        let universe = self.universe;
        for &one in &universe[other].providers {
            if !self.packages[one.package].is_possible || (shared && one.version.is_none()) {
                continue;
            }
            let names = &universe[one.package].names;
            let has = names.iter().any(|(known, version)| *known == name || (shared && version.is_none()));
            if !has {
                self.rule_out(one.package);
            }
        }
    }

    /// Takes the best of those who are left for a name, or nobody.
    fn settle(&mut self, name: NameId) {
        if self.names[name.index()].settled.is_some() {
            return;
        }
        let universe = self.universe;
        let state = &self.names[name.index()];
        let (is_required, has_trigger) = (state.requirers > 0, state.has_trigger);
        let mut best: Option<Provider<'a>> = None;
        if is_required || has_trigger {
            for &one in &universe[name].providers {
                let package = &self.packages[one.package];
                let comes = package.is_triggered && package.is_allowed && package.is_possible;
                if (!is_required && !comes) || !self.is_taken_by_itself(one) {
                    continue;
                }
                if best.is_none_or(|best| self.prefer(one, best).is_gt()) {
                    best = Some(one);
                }
            }
        }
        let Some(best) = best else {
            self.failed |= is_required;
            return self.assign(name, None);
        };
        let package = &self.packages[best.package];
        self.failed |= !package.is_possible || !package.is_allowed;
        for &(name, version) in &universe[best.package].names {
            self.assign(name, Some(Provider { package: best.package, version }));
        }
        for (name, need) in &universe[best.package].depends {
            self.constrain(Some(best.package), *name, need);
        }
    }

    fn assign(&mut self, name: NameId, provider: Option<Provider<'a>>) {
        let universe = self.universe;
        if let Some(settled) = self.names[name.index()].settled {
            // A name without a version can be shared.
            let is_shared = |one: Option<Provider<'_>>| one.is_none_or(|one| one.version.is_none());
            self.failed |= !(is_shared(settled) && is_shared(provider));
            return;
        }
        let state = &mut self.names[name.index()];
        state.settled = Some(provider);
        self.close(name);
        let version = provider.and_then(|one| one.version);
        for &other in &universe[name].providers {
            let is_same = provider.is_some_and(|one| one.package == other.package);
            if !is_same && (version.is_some() || other.version.is_some()) {
                self.rule_out(other.package);
            }
        }
        self.recheck_dependers(name);
        match provider {
            Some(one) => {
                universe[one.package].names.iter().for_each(|(name, _)| self.recheck_followers(*name));
            }
            None => self.recheck_followers(name),
        }
    }

    /// Which of two is better for a name.
    fn prefer(&self, a: Provider<'_>, b: Provider<'_>) -> Ordering {
        let (first, second) = (&self.packages[a.package], &self.packages[b.package]);
        let (x, y) = (&self.universe.offers[a.package], &self.universe.offers[b.package]);
        let by_name = || match (a.version, b.version) {
            (Some(a), Some(b)) => version::compare(a, b),
            _ => Ordering::Equal,
        };
        let by_own_name = || match x.package.name == y.package.name {
            true => version::compare(x.package.version, y.package.version),
            false => Ordering::Equal,
        };
        // The lowest number; a file of the user's comes before all.
        let repository = |offer: &super::Offer<'_>| match offer.repositories {
            0 => 0,
            repositories => repositories.trailing_zeros() + 1,
        };
        (first.is_possible.cmp(&second.is_possible))
            .then(first.in_last_merge.cmp(&second.in_last_merge))
            .then(second.conflicts.cmp(&first.conflicts))
            .then(first.is_allowed.cmp(&second.is_allowed))
            .then(first.is_preferred.cmp(&second.is_preferred))
            .then_with(by_name)
            .then_with(by_own_name)
            .then(x.package.provider_priority.cmp(&y.package.provider_priority))
            .then_with(|| repository(y).cmp(&repository(x)))
    }

    fn chosen(&self) -> Vec<PackageId> {
        let settled = self.names.iter().filter_map(|state| state.settled.flatten());
        let mut chosen: Vec<PackageId> = settled.map(|one| one.package).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }
}

/// What those who are left for a name have in common.
#[derive(Debug, Default)]
struct Merge {
    options: Vec<PackageId>,
    /// How many of the first options need a name, without a gap.
    needs: HashMap<NameId, usize>,
    /// How many have a name, and whether one has it without a version.
    names: HashMap<NameId, (usize, bool)>,
}

impl Merge {
    fn add(&mut self, universe: &Universe<'_>, one: Provider<'_>) {
        let so_far = self.options.len();
        let relations = &universe[one.package];
        for (name, _) in relations.depends.iter().filter(|(_, need)| !need.conflict) {
            let count = self.needs.entry(*name).or_default();
            if *count == so_far {
                *count += 1;
            }
        }
        for (name, version) in &relations.names {
            let (count, shared) = self.names.entry(*name).or_default();
            if *count == so_far {
                *count += 1;
                // A package's own name counts as it is asked for.
                let version = if *name == relations.name { one.version } else { *version };
                *shared |= version.is_none();
            }
        }
        self.options.push(one.package);
    }
}
