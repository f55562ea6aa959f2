//! What is wrong with a word that names nothing, and what may have been meant.

use ctr_forge_packages::near::{self, list};

use super::universe::{PackageId, Universe};
use crate::dependency::Relation;

/// Why packages cannot be chosen at all.
pub(super) fn unfit(universe: &Universe<'_>, ids: &[PackageId]) -> String {
    let excluded = ids.iter().filter(|id| universe[**id].is_excluded);
    let excluded: Vec<_> = excluded.map(|id| universe[*id].package.nevra()).collect();
    match excluded.is_empty() {
        false => format!("{} excluded", are(&excluded)),
        true => {
            let all: Vec<_> = ids.iter().map(|id| universe[*id].package.nevra()).collect();
            format!("{} of an architecture that does not run here", are(&all))
        }
    }
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
    if let Some(newest) =
        universe.called(name).max_by(|a, b| universe[*a].package.evr.compare(&universe[*b].package.evr))
    {
        return format!("the newest is {}", universe[newest].package.nevra());
    }
    match universe.providing(&any).first() {
        Some(&id) => {
            let provides = universe[id].package.provides.iter().find(|one| &*one.name == name);
            format!("{} provides {}", universe[id].package.nevra(), provides.unwrap_or(&any))
        }
        None => "nothing provides it".to_owned(),
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
