//! Whether a set of packages holds, judged from the packages alone: the rules of rpm, written
//! down without what the choice is made with.

use std::collections::HashMap;

use crate::dependency::{self, Bound, Dependency, Relation, Rich};
use crate::package::Package;

/// Chosen packages by what they provide: their indexes, and in which versions (none: in any).
struct Set<'a> {
    packages: &'a [&'a Package],
    provided: HashMap<&'a str, Vec<(usize, Option<Versions<'a>>)>>,
    /// Those of their files that a relation of one of them names.
    files: HashMap<&'a str, Vec<usize>>,
}

enum Versions<'a> {
    Own,
    Provided(&'a Bound),
}

/// What of the chosen packages does not hold, if anything.
pub(crate) fn fault(packages: &[&Package]) -> Option<String> {
    let set = Set::new(packages);
    (0..packages.len()).find_map(|index| set.fault_of(index))
}

impl<'a> Set<'a> {
    fn new(packages: &'a [&'a Package]) -> Self {
        let mut provided: HashMap<&str, Vec<_>> = HashMap::new();
        for (index, package) in packages.iter().enumerate() {
            let mut add = |name: &'a str, versions| provided.entry(name).or_default().push((index, versions));
            add(&package.name, Some(Versions::Own));
            let relations = package.provides.iter();
            relations.for_each(|one| add(&one.name, one.bound.as_ref().map(Versions::Provided)));
        }
        Self { packages, provided, files: files(packages) }
    }

    fn fault_of(&self, index: usize) -> Option<String> {
        let package = self.packages[index];
        let name = || package.nevra();
        let requires = package.requires.iter().map(|requirement| &requirement.dependency);
        let unmet =
            requires.filter(|one| !self.is_met(one)).map(|one| format!("{} needs {one}", name())).next();
        let hits = |one: &&Dependency| self.is_hit(one, index);
        let clash = package.conflicts.iter().find(hits).map(|one| format!("{} conflicts with {one}", name()));
        unmet.or(clash).or_else(|| self.obsoleted(index)).or_else(|| self.twin(index))
    }

    /// Which packages satisfy a relation.
    fn satisfying(&self, relation: &Relation) -> Vec<usize> {
        let fits = |(index, versions): &(usize, Option<Versions<'_>>)| {
            let is_within = match (versions, &relation.bound) {
                (None, _) | (_, None) => true,
                (Some(Versions::Own), Some(bound)) => bound.accepts(&self.packages[*index].evr),
                (Some(Versions::Provided(provided)), Some(bound)) => provided.intersects(bound),
            };
            is_within.then_some(*index)
        };
        let provided = self.provided.get(&*relation.name).map_or(&[][..], Vec::as_slice);
        let mut all: Vec<usize> = provided.iter().filter_map(fits).collect();
        if relation.bound.is_none() {
            all.extend(self.files.get(&*relation.name).into_iter().flatten());
        }
        all
    }

    /// Which packages a dependency speaks of, where it is about one of them.
    fn packages_of(&self, dependency: &Dependency) -> Vec<usize> {
        match dependency {
            Dependency::Simple(relation) => self.satisfying(relation),
            Dependency::Rich(rich) => match &**rich {
                Rich::With(all) => {
                    let sets: Vec<_> = all.iter().map(|one| self.packages_of(one)).collect();
                    let in_all = |index: &usize| sets.iter().all(|set| set.contains(index));
                    (0..self.packages.len()).filter(in_all).collect()
                }
                Rich::Without(first, second) => {
                    let without = self.packages_of(second);
                    self.packages_of(first).into_iter().filter(|index| !without.contains(index)).collect()
                }
                Rich::And(all) | Rich::Or(all) => all.iter().flat_map(|one| self.packages_of(one)).collect(),
                Rich::If(then, ..) | Rich::Unless(then, ..) => self.packages_of(then),
            },
        }
    }

    fn is_met(&self, dependency: &Dependency) -> bool {
        let of = |one: &Dependency| self.is_met(one);
        match dependency {
            Dependency::Simple(relation) => dependency::is_met_by_rpmlib(relation)
                .unwrap_or_else(|| !self.satisfying(relation).is_empty()),
            Dependency::Rich(rich) => match &**rich {
                Rich::And(all) => all.iter().all(of),
                Rich::Or(all) => all.iter().any(of),
                Rich::With(_) | Rich::Without(..) => !self.packages_of(dependency).is_empty(),
                Rich::If(then, condition, other) => {
                    if of(condition) {
                        of(then)
                    } else {
                        other.as_ref().is_none_or(of)
                    }
                }
                Rich::Unless(then, condition, other) => {
                    if of(condition) {
                        other.as_ref().is_some_and(of)
                    } else {
                        of(then)
                    }
                }
            },
        }
    }

    /// Whether a conflict of a package is one with others than itself.
    fn is_hit(&self, dependency: &Dependency, index: usize) -> bool {
        match dependency {
            Dependency::Simple(relation) => self.satisfying(relation).iter().any(|&other| other != index),
            Dependency::Rich(rich) => match &**rich {
                Rich::Or(all) => all.iter().any(|one| self.is_hit(one, index)),
                Rich::With(_) | Rich::Without(..) => {
                    self.packages_of(dependency).iter().any(|&one| one != index)
                }
                Rich::And(all) => {
                    all.iter().all(|one| self.is_met(one)) && all.iter().any(|one| self.is_hit(one, index))
                }
                _ => self.is_met(dependency) && !Set::new(&self.packages[index..=index]).is_met(dependency),
            },
        }
    }

    fn obsoleted(&self, index: usize) -> Option<String> {
        let package = self.packages[index];
        let hits = |relation: &Relation, other: &Package| {
            relation.name == other.name
                && relation.bound.as_ref().is_none_or(|bound| bound.accepts(&other.evr))
        };
        let others = self.packages.iter().enumerate().filter(|(other, _)| *other != index);
        let mut obsoleted = others
            .map(|(_, other)| *other)
            .filter(|other| package.obsoletes.iter().any(|relation| hits(relation, other)));
        obsoleted.next().map(|other| format!("{} obsoletes {}", package.nevra(), other.nevra()))
    }

    fn twin(&self, index: usize) -> Option<String> {
        let package = self.packages[index];
        let named =
            self.provided.get(&*package.name).into_iter().flatten().map(|(other, _)| self.packages[*other]);
        let mut twins = named.filter(|other| {
            let is_other_width = (bits(package) - bits(other)).abs() == 32;
            let are_installonly =
                is_installonly(package) && is_installonly(other) && package.evr != other.evr;
            other.name == package.name
                && !std::ptr::eq(*other, package)
                && !is_other_width
                && !are_installonly
        });
        twins.next().map(|twin| format!("{} stands beside {}", package.nevra(), twin.nevra()))
    }
}

/// The paths that relations name, with who has them.
fn files<'a>(packages: &[&'a Package]) -> HashMap<&'a str, Vec<usize>> {
    let mut files: HashMap<&str, Vec<usize>> = HashMap::new();
    for Package { requires, conflicts, .. } in packages {
        let all = requires.iter().map(|requirement| &requirement.dependency).chain(conflicts);
        all.for_each(|dependency| {
            dependency.each(&mut |relation| {
                if relation.name.starts_with('/') {
                    files.entry(&relation.name).or_default();
                }
            });
        });
    }
    if !files.is_empty() {
        for (index, package) in packages.iter().enumerate() {
            for path in &package.files {
                if let Some(having) = files.get_mut(&**path) {
                    having.push(index);
                }
            }
        }
    }
    files
}

/// What it is built for; 0 for any.
fn bits(package: &Package) -> i32 {
    match &*package.arch {
        "noarch" => 0,
        arch if arch.contains("64") || arch == "s390x" => 64,
        _ => 32,
    }
}

fn is_installonly(package: &Package) -> bool {
    let is_marked = |name: &str| name.starts_with("installonlypkg(") || name == "multiversion(kernel)";
    let is_kernel = |name: &str| matches!(name, "kernel" | "kernel-PAE");
    let mut names = std::iter::once(&package.name).chain(package.provides.iter().map(|one| &one.name));
    names.any(|name| is_marked(name) || is_kernel(name))
}
