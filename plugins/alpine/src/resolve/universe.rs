//! All packages by the names they answer to.
//!
//! A name is a package's own or one that packages provide; what a package needs are names too.

use std::collections::{HashMap, HashSet};

use super::{Offer, Request};
use crate::dependency::Dependency;

/// A name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(u32);

/// A package: its index among the offers.
pub(super) type PackageId = usize;

/// Who answers to a name, and with which version of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Provider<'a> {
    pub(super) package: PackageId,
    /// `None` where it is provided without one.
    pub(super) version: Option<&'a str>,
}

#[derive(Debug, Default)]
pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    pub(super) providers: Vec<Provider<'a>>,
    /// Packages that depend on it.
    pub(super) dependers: Vec<PackageId>,
    /// Packages that come by themselves where it is there.
    pub(super) triggers: Vec<PackageId>,
}

/// A package's relations, with their names looked up.
#[derive(Debug)]
pub(super) struct Relations<'a> {
    pub(super) name: NameId,
    pub(super) depends: Vec<(NameId, Dependency<'a>)>,
    /// Its own name and those it provides.
    pub(super) names: Vec<(NameId, Option<&'a str>)>,
    pub(super) install_if: Vec<(NameId, Dependency<'a>)>,
}

#[derive(Debug)]
pub(super) struct Universe<'a> {
    pub(super) offers: &'a [Offer<'a>],
    pub(super) wants: Vec<(NameId, Dependency<'a>)>,
    names: Vec<Name<'a>>,
    relations: Vec<Relations<'a>>,
    by_text: HashMap<&'a str, NameId>,
    /// Repositories without a tag.
    pub(super) untagged: u64,
    tags: HashMap<&'a str, u64>,
}

impl NameId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl<'a> Universe<'a> {
    pub(super) fn new(offers: &'a [Offer<'a>], request: &Request<'a>) -> Self {
        let mut universe = Self {
            offers,
            wants: Vec::new(),
            names: Vec::with_capacity(offers.len() * 2),
            relations: Vec::with_capacity(offers.len()),
            by_text: HashMap::with_capacity(offers.len() * 2),
            untagged: 0,
            tags: HashMap::new(),
        };
        for (number, tag) in request.tags.iter().enumerate().take(64) {
            match tag {
                None => universe.untagged |= 1 << number,
                Some(tag) => *universe.tags.entry(tag).or_default() |= 1 << number,
            }
        }
        for (id, offer) in offers.iter().enumerate() {
            universe.add(id, offer);
        }
        let mut wants: Vec<_> = request.wants.iter().map(|&want| (universe.name(want.name), want)).collect();
        // The world is sorted, so what is named first is no more than what is named last.
        wants.sort_by(|(_, a), (_, b)| a.name.cmp(b.name));
        universe.wants = wants;
        universe
    }

    fn add(&mut self, id: PackageId, offer: &'a Offer<'a>) {
        let package = &offer.package;
        let own = self.name(package.name);
        let mut names: Vec<(NameId, Option<&str>)> = Vec::with_capacity(1 + package.provides.len());
        let mut known = HashSet::new();
        for (text, version) in package.names() {
            let name = self.name(text);
            // Twice the same name is one.
            if known.insert(name) {
                names.push((name, version));
                self.names[name.index()].providers.push(Provider { package: id, version });
            }
        }
        let depends = self.lookup(&package.depends);
        for (name, _) in &depends {
            push_new(&mut self.names[name.index()].dependers, id);
        }
        let install_if = self.lookup(&package.install_if);
        for (name, _) in &install_if {
            push_new(&mut self.names[name.index()].triggers, id);
        }
        self.relations.push(Relations { name: own, depends, names, install_if });
    }

    fn lookup(&mut self, dependencies: &[Dependency<'a>]) -> Vec<(NameId, Dependency<'a>)> {
        dependencies.iter().map(|&dependency| (self.name(dependency.name), dependency)).collect()
    }

    fn name(&mut self, text: &'a str) -> NameId {
        if let Some(&known) = self.by_text.get(text) {
            return known;
        }
        let id = NameId(u32::try_from(self.names.len()).expect("an index has fewer than 2^32 names"));
        self.names.push(Name { text, ..Name::default() });
        self.by_text.insert(text, id);
        id
    }

    /// Whether there is a provider that fulfils a dependency of `depender`.
    ///
    /// A conflict is fulfilled by whom it does not mean, and never means who has it.
    pub(super) fn accepts(
        &self,
        depender: Option<PackageId>,
        dependency: &Dependency<'_>,
        provider: Provider<'_>,
    ) -> bool {
        if dependency.conflict && depender == Some(provider.package) {
            return true;
        }
        let identity = self.offers[provider.package].package.identity;
        dependency.constraint.accepts(provider.version, identity) != dependency.conflict
    }

    /// The repositories that packages with this tag may come from, beside those without one.
    pub(super) fn tag(&self, tag: &str) -> Option<u64> {
        self.tags.get(tag).copied()
    }

    pub(super) fn providers_of(&self, text: &str) -> &[Provider<'a>] {
        self.by_text.get(text).map_or(&[], |name| &self.names[name.index()].providers)
    }

    pub(super) fn names(&self) -> &[Name<'a>] {
        &self.names
    }

    pub(super) fn package_count(&self) -> usize {
        self.relations.len()
    }

    /// Whether all who answer to a name have it as their own (0), some (1), or none (2).
    pub(super) fn sharing(&self, name: NameId) -> u8 {
        let providers = &self[name].providers;
        let own = providers.iter().filter(|one| self[one.package].name == name).count();
        match own {
            own if own == providers.len() => 0,
            0 => 2,
            _ => 1,
        }
    }

    /// The names that packages answer to.
    pub(super) fn names_of<'s>(&'s self, packages: &'s [PackageId]) -> impl Iterator<Item = NameId> + 's {
        packages.iter().flat_map(|&package| self[package].names.iter().map(|(name, _)| *name))
    }

    /// A package as messages call it.
    pub(super) fn title(&self, id: PackageId) -> String {
        self.offers[id].package.title()
    }
}

impl<'a> std::ops::Index<NameId> for Universe<'a> {
    type Output = Name<'a>;

    fn index(&self, name: NameId) -> &Name<'a> {
        &self.names[name.index()]
    }
}

impl<'a> std::ops::Index<PackageId> for Universe<'a> {
    type Output = Relations<'a>;

    fn index(&self, package: PackageId) -> &Relations<'a> {
        &self.relations[package]
    }
}

/// Packages come one after the other, so a double one is the last.
fn push_new(packages: &mut Vec<PackageId>, package: PackageId) {
    if packages.last() != Some(&package) {
        packages.push(package);
    }
}
