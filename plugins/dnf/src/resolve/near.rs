//! What is wrong with a word that names nothing, and what may have been meant.

use std::collections::BTreeMap;

use ctr_forge_packages::near::{self, list};

use super::Hidden;
use super::universe::{PackageId, Universe};
use crate::dependency::Relation;

/// Why packages cannot be chosen at all. Of those for other architectures something is said only if
/// there are no others.
pub(super) fn unfit(universe: &Universe<'_>, ids: &[PackageId]) -> String {
    let mut reasons: BTreeMap<Reason<'_>, Vec<String>> = BTreeMap::new();
    for &id in ids {
        let entry = &universe[id];
        let reason = match (entry.rank, entry.is_excluded, entry.hidden) {
            (None, ..) => Reason::Foreign,
            (_, true, _) => Reason::Excluded,
            (_, _, Some(hidden)) => Reason::Hidden(hidden),
            _ => continue,
        };
        reasons.entry(reason).or_default().push(entry.package.nevra());
    }
    if reasons.len() > 1 {
        reasons.remove(&Reason::Foreign);
    }
    let told = reasons.iter().map(|(reason, names)| match reason {
        Reason::Excluded => format!("{} excluded", are(names)),
        Reason::Hidden(Hidden::ByRepository(id)) => format!("{} excluded in the repository {id}", are(names)),
        Reason::Hidden(Hidden::ByModules) => {
            format!("{} hidden by modules, whose streams are enabled by @module:stream", are(names))
        }
        Reason::Foreign => format!("{} of an architecture that does not run here", are(names)),
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Why a package cannot be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason<'a> {
    Excluded,
    Hidden(Hidden<'a>),
    Foreign,
}

/// "a is", "a and 2 more are"
fn are(names: &[String]) -> String {
    format!("{} {}", list(names), if names.len() == 1 { "is" } else { "are" })
}

/// Why nothing satisfies a relation.
pub(super) fn missing(universe: &Universe<'_>, relation: &Relation) -> String {
    let unfit_ids = universe.providing(relation);
    if !unfit_ids.is_empty() {
        return unfit(universe, &unfit_ids);
    }
    let any = Relation::to(relation.name.clone());
    let name = &*relation.name;
    let usable = universe.called(name).filter(|id| universe[*id].is_usable());
    if let Some(newest) = usable.max_by(|a, b| universe[*a].package.evr.compare(&universe[*b].package.evr)) {
        return format!("the newest is {}", universe[newest].package.nevra());
    }
    match universe.satisfying(&any).first() {
        Some(&id) => {
            let provides = universe[id].package.provides.iter().find(|one| &*one.name == name);
            format!("{} provides {}", universe[id].package.nevra(), provides.unwrap_or(&any))
        }
        None => match universe.providing(&any) {
            none if none.is_empty() => "nothing provides it".to_owned(),
            unfit_ids => unfit(universe, &unfit_ids),
        },
    }
}

/// What might have been meant with a word.
pub(super) fn suggestions(universe: &Universe<'_>, word: &str) -> Vec<String> {
    let near: Vec<_> = near(universe, word).into_iter().map(str::to_owned).collect();
    match near.is_empty() {
        true => Vec::new(),
        false => vec![format!("there is {}", list(&near))],
    }
}

/// The tail of an error's message.
pub(super) fn hints(suggestions: &[String]) -> String {
    suggestions.iter().map(|suggestion| format!("; {suggestion}")).collect()
}

/// Names of packages that are spelled much the same, the nearest first.
fn near<'a>(universe: &Universe<'a>, wanted: &str) -> Vec<&'a str> {
    let usable = universe.ids().filter(|&id| universe[id].is_usable());
    near::near(usable.map(|id| &*universe[id].package.name), wanted)
}
