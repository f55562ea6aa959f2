//! Whether a choice holds, whoever made it.

use super::universe::{NameId, PackageId, Provider, Universe};

/// Whether these packages are all that is wanted and all that they need, and none stands in the
/// way of another.
pub(super) fn holds(universe: &Universe<'_>, chosen: &[PackageId]) -> bool {
    let mut there: Vec<Vec<Provider<'_>>> = vec![Vec::new(); universe.names().len()];
    for &package in chosen {
        for &(name, version) in &universe[package].names {
            there[name.index()].push(Provider { package, version });
        }
    }
    // A name with a version belongs to one package; without one, it may be shared.
    let one_each = there.iter().all(|all| all.len() < 2 || all.iter().all(|one| one.version.is_none()));
    let is_met = |depender: Option<PackageId>, name: NameId, dependency: &_| {
        let all = &there[name.index()];
        let mut accepted = all.iter().map(|&one| universe.accepts(depender, dependency, one));
        // A constraint is for everybody who answers to the name.
        if dependency.conflict { accepted.all(|yes| yes) } else { !all.is_empty() && accepted.all(|yes| yes) }
    };
    one_each
        && universe.wants.iter().all(|(name, want)| is_met(None, *name, want))
        && chosen.iter().all(|&package| {
            universe[package]
                .depends
                .iter()
                .all(|(name, dependency)| is_met(Some(package), *name, dependency))
        })
}
