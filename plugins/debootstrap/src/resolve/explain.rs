//! Why there is no choice, in words.
//!
//! The solver hands out the relations that cannot hold together, as a graph. Each becomes a
//! line: "x 1.0 needs y (>= 2), but the newest y is 1.5". What explains a line stands indented
//! below it.

use std::collections::HashSet;
use std::fmt::Write as _;

use ctr_forge_packages::near::{list, near};
use ctr_forge_packages::prose::Lines;
use ctr_forge_packages::solve::Core;

use super::needs::{Alternative, Cause, Needs};
use super::universe::{ArchId, SlotId, Universe};
use crate::package::MultiArch;
use crate::relation::Relation;
use crate::version;

/// The reasons, a line each, without a newline at the end.
pub(super) fn explain(needs: &Needs<'_, '_>, core: &Core) -> String {
    let mut prose = Prose { needs, core, told: HashSet::new(), lines: Lines::default() };
    for &slot in &core.wanted {
        prose.package(SlotId::new(slot), 0);
    }
    prose.lines.into_text()
}

struct Prose<'n, 'u, 'a> {
    needs: &'n Needs<'u, 'a>,
    core: &'n Core,
    told: HashSet<SlotId>,
    lines: Lines,
}

impl Prose<'_, '_, '_> {
    /// Why a package cannot be installed. Nothing if the reason is told elsewhere.
    fn package(&mut self, slot: SlotId, depth: usize) {
        if !self.told.insert(slot) || self.lines.are_full() {
            return;
        }
        let (needs, core) = (self.needs, self.core);
        let name = title(needs.universe, slot);
        if let Some((field, error)) = &needs.of(slot).unreadable {
            self.lines.add(depth, &format!("{name} cannot be used: its {field} cannot be read: {error}"));
        }
        for &other in core.conflicts.get(&Some(slot.index())).into_iter().flatten() {
            let text = self.conflict(slot, SlotId::new(other));
            self.lines.add(depth, &text);
        }
        for &group in core.needs.get(&Some(slot.index())).into_iter().flatten() {
            self.need(&name, &needs.of(slot).groups[group], depth);
        }
    }

    fn need(&mut self, name: &str, group: &[Alternative<'_>], depth: usize) {
        let relations: Vec<_> = group.iter().map(|a| a.relation.to_string()).collect();
        let relations = relations.join(" | ");
        let slots: Vec<_> = group.iter().flat_map(|a| &a.slots).copied().collect();
        if slots.is_empty() {
            let reasons: Vec<_> = group.iter().map(|a| missing(self.needs.universe, &a.relation)).collect();
            return self
                .lines
                .add(depth, &format!("{name} needs {relations}, but {}", reasons.join(", and ")));
        }
        let untold = slots.iter().filter(|&slot| self.has_reasons(*slot)).count();
        match untold {
            // The conflict that rules it out is told where the other side is.
            0 => {}
            1 if slots.len() == 1 => self.lines.add(depth, &format!("{name} needs {relations}")),
            _ => self.lines.add(depth, &format!("{name} needs {relations}, of which none can be had")),
        }
        slots.into_iter().for_each(|slot| self.package(slot, depth + 1));
    }

    fn has_reasons(&self, slot: SlotId) -> bool {
        !self.told.contains(&slot)
            && (self.needs.of(slot).unreadable.is_some()
                || self.core.conflicts.contains_key(&Some(slot.index()))
                || self.core.needs.contains_key(&Some(slot.index())))
    }

    /// "a 1.0 conflicts with b 2.0, and both are wanted: b by c 3.0".
    fn conflict(&self, slot: SlotId, other: SlotId) -> String {
        let universe = self.needs.universe;
        let clashes = &self.needs.of(slot).clashes;
        let cause = clashes.iter().find(|clash| clash.slots.contains(&other)).map(|c| c.cause);
        let (name, against) = (title(universe, slot), title(universe, other));
        let mut text = match cause {
            Some(Cause::Conflicts(relation)) => {
                format!("{name} conflicts with {}", hit(universe, &relation, other))
            }
            Some(Cause::Breaks(relation)) => {
                format!("{name} breaks {}", hit(universe, &relation, other))
            }
            Some(Cause::Sibling) | None => format!("{name} cannot be installed beside {against}"),
        };
        text.push_str(", and both are wanted");
        let by: Vec<_> = [slot, other].into_iter().filter_map(|s| self.wanted_by(s)).collect();
        if !by.is_empty() {
            let _ = write!(text, ": {}", by.join(", "));
        }
        text
    }

    /// "b by c 3.0", unless the request itself wants it.
    fn wanted_by(&self, slot: SlotId) -> Option<String> {
        if self.core.wanted.contains(&slot.index()) {
            return None;
        }
        let needs =
            self.core.needs.iter().filter_map(|(depender, groups)| Some((SlotId::new((*depender)?), groups)));
        let mut dependers = needs.filter(|(depender, groups)| {
            let all = &self.needs.of(*depender).groups;
            groups.iter().any(|&g| all[g].iter().any(|a| a.slots.contains(&slot)))
        });
        let (depender, _) = dependers.next()?;
        let universe = self.needs.universe;
        Some(format!("{} by {}", universe[slot].name, title(universe, depender)))
    }
}

/// "b 2.0", or "b 2.0 (as mail-transport-agent)" where that is what a relation says.
fn hit(universe: &Universe<'_>, relation: &Relation<'_>, slot: SlotId) -> String {
    let title = title(universe, slot);
    if universe[slot].name == relation.name {
        title
    } else {
        format!("{title}, which provides {}", relation.name)
    }
}

/// Name and version, with the architecture if that is a foreign one.
fn title(universe: &Universe<'_>, slot: SlotId) -> String {
    let name = universe[slot].name;
    let version = universe.candidate_of(slot).map_or("", |package| package.version);
    match universe[slot].arch {
        ArchId::NATIVE => format!("{name} {version}"),
        arch => format!("{name}:{} {version}", universe.arch_name(arch)),
    }
}

/// Why nothing satisfies a relation.
fn missing(universe: &Universe<'_>, relation: &Relation<'_>) -> String {
    let name = relation.name;
    if universe.is_excluded(name) {
        return format!("{name} is excluded");
    }
    let candidates = || universe.siblings(name).filter_map(|slot| universe.candidate_of(slot));
    if let Some(candidate) = candidates().next() {
        return unfit(universe, relation, candidate);
    }
    let mut providers = universe.providers(name).iter().filter(|p| universe.is_candidate(p));
    if let Some(provider) = providers.next() {
        let provider_name = universe[provider.slot].name;
        return match provider.version {
            Some(version) => format!("{provider_name} provides {name} {version}"),
            None => format!("{provider_name} provides {name} without a version"),
        };
    }
    let excluded = universe.providers(name).iter().map(|p| universe[p.slot].name);
    if let Some(excluded) = excluded.into_iter().find(|name| universe.is_excluded(name)) {
        return format!("{excluded}, which provides it, is excluded");
    }
    format!("there is no {name}")
}

/// Why the package of that name does not satisfy a relation.
fn unfit(
    universe: &Universe<'_>,
    relation: &Relation<'_>,
    candidate: &crate::package::Package<'_>,
) -> String {
    let name = relation.name;
    if relation.accepts(Some(candidate.version)) {
        return match relation.qualifier {
            Some("any") if candidate.multi_arch != MultiArch::Allowed => {
                format!("{name} does not serve other architectures")
            }
            _ => format!("there is only {name} for {}", candidate.arch),
        };
    }
    let versions: Vec<_> = universe
        .siblings(name)
        .flat_map(|slot| &universe[slot].versions)
        .map(|&index| universe.packages[index].version)
        .collect();
    if let Some(other) = versions.iter().find(|version| relation.accepts(Some(version))) {
        return format!("{name} {other} is not the version to install: {} comes first", candidate.version);
    }
    let newer = versions.iter().any(|v| version::compare(v, candidate.version).is_gt());
    let word = if newer { "version of" } else { "newest" };
    format!("the {word} {name} is {}", candidate.version)
}

/// What might have been meant with the name of a package that there is not.
pub(super) fn suggestions(universe: &Universe<'_>, wanted: &str) -> Vec<String> {
    let (name, arch) = match wanted.split_once(':') {
        Some((name, arch)) => (name, Some(arch)),
        None => (wanted, None),
    };
    let mut suggestions = Vec::new();
    let arches: Vec<_> = universe
        .siblings(name)
        .filter(|&slot| universe[slot].candidate.is_some())
        .map(|slot| universe.arch_name(universe[slot].arch))
        .collect();
    if arch.is_some() && !arches.is_empty() {
        suggestions.push(format!("there is {name} for {}", arches.join(", ")));
    }
    if arches.is_empty() && universe.siblings(name).next().is_some() {
        suggestions.push("no repository that has it may be used for it (pin priority)".to_owned());
    }
    let mut providers: Vec<_> =
        universe.providers(name).iter().map(|provider| universe[provider.slot].name).collect();
    providers.sort_unstable();
    providers.dedup();
    if !providers.is_empty() {
        suggestions.push(format!("it is only virtual: provided by {}", list(&providers)));
    }
    if suggestions.is_empty() {
        let near = near(universe.names(), name);
        if !near.is_empty() {
            suggestions.push(format!("there is {}", list(&near)));
        }
    }
    suggestions
}

/// The tail of an error's message.
pub(super) fn hints(suggestions: &[String]) -> String {
    suggestions.iter().map(|suggestion| format!("; {suggestion}")).collect()
}
