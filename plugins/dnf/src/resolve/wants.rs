//! What is asked for, as groups of packages: of each group one must be there.

use std::collections::BTreeMap;

use super::logic::{self, Clause, Clauses, Literal};
use super::near;
use super::pattern::{self, Form, Pattern, Text};
use super::policy;
use super::universe::{PackageId, Universe};
use super::{ResolveError, Want};
use crate::dependency::{Dependency, Relation};

/// A part of the request that must be true.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What people wrote.
    pub(super) words: String,
    pub(super) clauses: Clauses,
    /// The same, where only the best packages meet it.
    pub(super) best: Clauses,
}

impl Wanted {
    /// dnf's `best`: what is asked for comes as its newest version, or not at all.
    fn new(universe: &Universe<'_>, words: String, clauses: Clauses) -> Self {
        let best = |clause: &Clause| {
            let (would, mut rest): (Vec<Literal>, Clause) =
                clause.iter().partition(|literal| literal.is_positive());
            let would: Vec<_> = would.into_iter().map(Literal::package).collect();
            let best = policy::best(universe, &would);
            let is_less = best.len() < would.len();
            rest.extend(best.into_iter().map(Literal::is));
            rest.sort_unstable();
            is_less.then_some(rest)
        };
        let best = clauses.iter().filter_map(best).collect();
        Self { words, clauses, best }
    }
}

/// What must be there, in the order of the request.
pub(super) fn settle(universe: &Universe<'_>, wants: &[Want]) -> Result<Vec<Wanted>, ResolveError> {
    wants.iter().map(|want| settle_one(universe, want)).collect()
}

fn settle_one(universe: &Universe<'_>, want: &Want) -> Result<Wanted, ResolveError> {
    match want {
        Want::Offer(offer) => {
            let id = universe.id_of(*offer).ok_or(ResolveError::UnknownOffer(*offer))?;
            let words = universe[id].package.nevra();
            if !universe[id].is_usable() {
                let why = near::unfit(universe, &[id]);
                return Err(ResolveError::Unfit { word: words, why });
            }
            Ok(Wanted::new(universe, words, vec![vec![Literal::is(id)]]))
        }
        Want::Dependency(dependency) => settle_dependency(universe, dependency),
        Want::Word(word) => {
            let groups = groups(universe, word);
            if groups.is_empty() {
                return Err(unknown(universe, word));
            }
            let clauses = groups.iter().map(|group| one_of(group)).collect();
            Ok(Wanted::new(universe, word.clone(), clauses))
        }
    }
}

fn settle_dependency(universe: &Universe<'_>, dependency: &Dependency) -> Result<Wanted, ResolveError> {
    let words = dependency.to_string();
    let clauses = match dependency {
        Dependency::Simple(relation) => match universe.satisfying(relation) {
            all if all.is_empty() => return Err(unknown_relation(universe, relation)),
            all => vec![one_of(&all)],
        },
        Dependency::Rich(_) => {
            logic::clauses(universe, dependency, true).map_err(|_| ResolveError::TooLarge)?
        }
    };
    match clauses.iter().any(Vec::is_empty) {
        true => Err(ResolveError::Unknown { word: words, suggestions: Vec::new() }),
        false => Ok(Wanted::new(universe, words, clauses)),
    }
}

fn one_of(group: &[PackageId]) -> Clause {
    group.iter().copied().map(Literal::is).collect()
}

/// The packages that a word names, in groups of which one each must be there; all can be chosen.
fn groups(universe: &Universe<'_>, word: &str) -> Vec<Vec<PackageId>> {
    let pattern = Pattern::new(word);
    for form in &pattern.forms {
        let mut named = candidates(universe, form);
        named.retain(|&id| universe[id].is_usable() && form.names(universe[id].package));
        if !named.is_empty() {
            let is_name = form.is_just_name();
            let groups = split(universe, named, pattern::is_glob(word));
            return groups.into_iter().map(|group| with_obsoleters(universe, group, is_name)).collect();
        }
    }
    let whole = |whole: &Text<'_>| usable(universe, |id| whole.matches(&universe[id].package.nevra()));
    let provided = || match pattern::is_glob(word) {
        false => Relation::parse(word).map(|relation| universe.satisfying(&relation)).unwrap_or_default(),
        true => provided_glob(universe, word),
    };
    let mut named = pattern.whole.as_ref().map(whole).unwrap_or_default();
    if named.is_empty() {
        named = provided();
    }
    if named.is_empty() && word.starts_with('/') && pattern::is_glob(word) {
        let path = Text::new(word);
        named = usable(universe, |id| universe[id].package.files.iter().any(|file| path.matches(file)));
        return if named.is_empty() { Vec::new() } else { vec![named] };
    }
    split(universe, named, pattern::is_glob(word) && !word.starts_with('/'))
}

fn usable(universe: &Universe<'_>, fits: impl Fn(PackageId) -> bool) -> Vec<PackageId> {
    universe.ids().filter(|&id| universe[id].is_usable() && fits(id)).collect()
}

/// Who may have the name of a form.
fn candidates(universe: &Universe<'_>, form: &Form<'_>) -> Vec<PackageId> {
    match form.name {
        Text::Plain(name) => universe.called(name).collect(),
        Text::Glob(_) => universe.ids().collect(),
    }
}

fn provided_glob(universe: &Universe<'_>, word: &str) -> Vec<PackageId> {
    let glob = Text::new(word);
    let names = universe.names().filter(|name| glob.matches(name));
    let mut ids: Vec<_> = names.flat_map(|name| universe.satisfying(&Relation::to(name))).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A glob asks for every name that it fits, all else for one package.
fn split(universe: &Universe<'_>, named: Vec<PackageId>, is_glob: bool) -> Vec<Vec<PackageId>> {
    let mut groups: BTreeMap<&str, Vec<PackageId>> = BTreeMap::new();
    for id in named {
        let name = if is_glob { &*universe[id].package.name } else { "" };
        groups.entry(name).or_default().push(id);
    }
    groups.into_values().collect()
}

/// Who asks for a name gets what took its place. dnf takes those in who obsolete any version of it;
/// we only those who obsolete the best.
fn with_obsoleters(universe: &Universe<'_>, mut group: Vec<PackageId>, is_name: bool) -> Vec<PackageId> {
    if is_name {
        let obsoleters: Vec<_> =
            policy::best(universe, &group).into_iter().flat_map(|id| universe.obsoleters(id)).collect();
        group.extend(obsoleters);
        group.sort_unstable();
        group.dedup();
    }
    group
}

fn unknown(universe: &Universe<'_>, word: &str) -> ResolveError {
    let pattern = Pattern::new(word);
    let is_named = |id: &PackageId| pattern.names(universe[*id].package);
    let mut unfit: Vec<_> = universe.ids().filter(is_named).collect();
    if unfit.is_empty() {
        unfit = Relation::parse(word).map(|relation| universe.providing(&relation)).unwrap_or_default();
    }
    match unfit.is_empty() {
        false => ResolveError::Unfit { word: word.to_owned(), why: near::unfit(universe, &unfit) },
        true => {
            ResolveError::Unknown { word: word.to_owned(), suggestions: near::suggestions(universe, word) }
        }
    }
}

fn unknown_relation(universe: &Universe<'_>, relation: &Relation) -> ResolveError {
    let word = relation.to_string();
    let any = Relation::to(relation.name.clone());
    match universe.providing(&any).is_empty() {
        false => ResolveError::Unfit { word, why: near::missing(universe, relation) },
        true => ResolveError::Unknown { word, suggestions: near::suggestions(universe, &relation.name) },
    }
}

/// Whether a path is wanted that nobody is known to have, or one of several of which not all are
/// known.
pub(super) fn is_unknown_path(universe: &Universe<'_>, want: &Want) -> bool {
    match want {
        Want::Word(word) if !word.starts_with('/') => false,
        Want::Word(word) => {
            pattern::is_glob(word) && !pattern::is_in_primary(word) || groups(universe, word).is_empty()
        }
        Want::Dependency(dependency) => {
            let mut is_unknown = false;
            dependency.each(&mut |relation| {
                is_unknown |= relation.name.starts_with('/') && universe.satisfying(relation).is_empty();
            });
            is_unknown
        }
        Want::Offer(_) => false,
    }
}
