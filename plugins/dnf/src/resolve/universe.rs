//! All packages, by their names and by what they provide.
//!
//! Names are looked up once, here. Of files, which are many, only those count that some package or
//! the request asks for.

use std::collections::{HashMap, HashSet};

use super::arches::{self, Color, Rank};
use super::{Hidden, Names, Offer, Request, Want};
use crate::dependency::{Bound, Relation};
use crate::package::Package;

/// A package. They are numbered by repository, name, version and architecture, so that it does not
/// matter in which order a repository lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageId(pub(super) u32);

impl PackageId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is known of a package beside what it says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) package: &'a Package,
    /// Its index among the offers.
    offer: usize,
    /// Lower is better.
    pub(super) priority: u32,
    /// None if it does not run on the native architecture.
    pub(super) rank: Option<Rank>,
    pub(super) color: Color,
    pub(super) is_excluded: bool,
    pub(super) hidden: Option<Hidden<'a>>,
    /// Several versions of it can be installed beside each other.
    pub(super) is_installonly: bool,
}

impl Entry<'_> {
    /// Whether it may be chosen at all.
    pub(super) fn is_usable(&self) -> bool {
        self.rank.is_some() && !self.is_excluded && self.hidden.is_none()
    }
}

/// In which way a package has a name.
#[derive(Debug, Clone, Copy)]
enum Provided<'a> {
    /// It is its own, in its version.
    Own,
    /// It says so.
    Relation(Option<&'a Bound>),
    File,
}

#[derive(Debug)]
pub(super) struct Universe<'a> {
    entries: Vec<Entry<'a>>,
    names: HashMap<&'a str, u32>,
    /// By name, where in `providers` those stand that have it.
    starts: Vec<u32>,
    providers: Vec<(PackageId, Provided<'a>)>,
    /// By name, who obsoletes it.
    obsoleters: HashMap<&'a str, Vec<PackageId>>,
}

/// What lets a package be installed in several versions (dnf's `installonlypkgs`).
const INSTALLONLY: [&str; 6] = [
    "kernel",
    "kernel-PAE",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
];

impl<'a> Universe<'a> {
    pub(super) fn new(offers: &'a [Offer<'a>], request: &Request<'a>) -> Self {
        let exclude = Names::of(request.exclude, offers.iter().map(|offer| offer.package));
        let mut entries: Vec<_> = offers
            .iter()
            .enumerate()
            .map(|(index, offer)| entry(index, offer, request.arch, &exclude))
            .collect();
        entries.sort_by(|a, b| {
            let (x, y) = (a.package, b.package);
            (offers[a.offer].repository.cmp(&offers[b.offer].repository))
                .then_with(|| x.name.cmp(&y.name))
                .then_with(|| x.evr.compare(&y.evr))
                .then_with(|| (&x.arch, &x.location, &x.digest).cmp(&(&y.arch, &y.location, &y.digest)))
        });
        let files = files_asked_for(offers, request);
        let provided: usize = entries.iter().map(|entry| 1 + entry.package.provides.len()).sum();
        let mut universe = Self {
            names: HashMap::with_capacity(provided),
            entries,
            starts: Vec::new(),
            providers: Vec::new(),
            obsoleters: HashMap::new(),
        };
        universe.index(&files);
        universe
    }

    fn index(&mut self, files: &HashSet<&'a str>) {
        let mut found: Vec<(u32, PackageId, Provided<'a>)> = Vec::with_capacity(self.names.capacity());
        let names = &mut self.names;
        for (index, entry) in self.entries.iter().enumerate() {
            let package = entry.package;
            let id = PackageId(u32::try_from(index).expect("there are fewer than 2^32 packages"));
            let mut add = |name: &'a str, provided| {
                let next = u32::try_from(names.len()).expect("there are fewer than 2^32 names");
                found.push((*names.entry(name).or_insert(next), id, provided));
            };
            add(&package.name, Provided::Own);
            for relation in &package.provides {
                add(&relation.name, Provided::Relation(relation.bound.as_ref()));
            }
            if !files.is_empty() {
                let asked_for = package.files.iter().filter(|path| files.contains(&***path));
                asked_for.for_each(|path| add(path, Provided::File));
            }
            for relation in &package.obsoletes {
                self.obsoleters.entry(&relation.name).or_default().push(id);
            }
        }
        self.starts = vec![0; names.len() + 1];
        found.iter().for_each(|(name, ..)| self.starts[*name as usize + 1] += 1);
        (1..self.starts.len()).for_each(|name| self.starts[name] += self.starts[name - 1]);
        let mut next = self.starts.clone();
        self.providers = vec![(PackageId(0), Provided::Own); found.len()];
        for (name, id, provided) in found {
            let place = &mut next[name as usize];
            self.providers[*place as usize] = (id, provided);
            *place += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = PackageId> + use<> {
        (0..self.entries.len()).map(|index| PackageId(index as u32))
    }

    /// The package that is this offer.
    pub(super) fn id_of(&self, offer: usize) -> Option<PackageId> {
        self.ids().find(|id| self[*id].offer == offer)
    }

    /// Its index among the offers.
    pub(super) fn offer(&self, id: PackageId) -> usize {
        self[id].offer
    }

    /// All names that packages have, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.keys().copied()
    }

    fn having(&self, name: &str) -> &[(PackageId, Provided<'a>)] {
        match self.names.get(name) {
            None => &[],
            Some(&name) => {
                &self.providers[self.starts[name as usize] as usize..self.starts[name as usize + 1] as usize]
            }
        }
    }

    /// The packages that are called so, whether they can be chosen or not.
    pub(super) fn called(&self, name: &str) -> impl Iterator<Item = PackageId> {
        let own = self.having(name).iter().filter(|(_, provided)| matches!(provided, Provided::Own));
        own.map(|(id, _)| *id)
    }

    /// Who satisfies a relation, whether it can be chosen or not; sorted, each once.
    pub(super) fn providing(&self, relation: &Relation) -> Vec<PackageId> {
        let fits = |(id, provided): &&(PackageId, Provided<'_>)| match (provided, &relation.bound) {
            (_, None) => true,
            (Provided::Own, Some(bound)) => bound.accepts(&self[*id].package.evr),
            // What is provided without a version is provided in every version (`rpmdsCompare`).
            (Provided::Relation(None), Some(_)) => true,
            (Provided::Relation(Some(provided)), Some(bound)) => provided.intersects(bound),
            (Provided::File, Some(_)) => false,
        };
        let mut ids: Vec<_> = self.having(&relation.name).iter().filter(fits).map(|(id, _)| *id).collect();
        ids.dedup();
        ids
    }

    /// Who satisfies a relation and can be chosen; sorted, each once.
    pub(super) fn satisfying(&self, relation: &Relation) -> Vec<PackageId> {
        let mut ids = self.providing(relation);
        ids.retain(|id| self[*id].is_usable());
        ids
    }

    /// Whether one package obsoletes another: by its name and version, whatever that provides.
    pub(super) fn obsoletes(&self, id: PackageId, other: PackageId) -> bool {
        let other = self[other].package;
        let hits = |relation: &Relation| names(relation, other);
        self[id].package.name != other.name && self[id].package.obsoletes.iter().any(hits)
    }

    /// Who obsoletes a package and can be chosen; sorted, each once.
    pub(super) fn obsoleters(&self, id: PackageId) -> Vec<PackageId> {
        let all = self.obsoleters.get(&*self[id].package.name).map_or(&[][..], Vec::as_slice);
        let mut ids: Vec<_> =
            all.iter().copied().filter(|&one| self[one].is_usable() && self.obsoletes(one, id)).collect();
        ids.dedup();
        ids
    }

    /// Whether two packages cannot both be installed, because they are versions of one.
    pub(super) fn are_versions_of_one(&self, a: PackageId, b: PackageId) -> bool {
        let (x, y) = (&self[a], &self[b]);
        if a == b || x.package.name != y.package.name || !x.color.clashes(y.color) {
            return false;
        }
        let is_same = || x.package.arch == y.package.arch && x.package.evr.compare(&y.package.evr).is_eq();
        !(x.is_installonly && y.is_installonly) || is_same()
    }
}

impl<'a> std::ops::Index<PackageId> for Universe<'a> {
    type Output = Entry<'a>;

    fn index(&self, id: PackageId) -> &Entry<'a> {
        &self.entries[id.index()]
    }
}

/// Whether a relation names a package itself.
pub(super) fn names(relation: &Relation, package: &Package) -> bool {
    relation.name == package.name && relation.bound.as_ref().is_none_or(|bound| bound.accepts(&package.evr))
}

fn entry<'a>(index: usize, offer: &Offer<'a>, native: &str, exclude: &Names<'_>) -> Entry<'a> {
    let package = offer.package;
    let provided = package.provides.iter().map(|relation| &relation.name);
    let mut all = std::iter::once(&package.name).chain(provided);
    Entry {
        package,
        offer: index,
        priority: if offer.is_local { 0 } else { offer.priority.saturating_add(1) },
        rank: arches::rank(native, &package.arch),
        color: Color::of(&package.arch),
        is_excluded: !offer.is_local && exclude.have(package),
        hidden: offer.hidden,
        is_installonly: all.any(|name| INSTALLONLY.contains(&&**name)),
    }
}

/// The paths that relations or the request name.
fn files_asked_for<'a>(offers: &[Offer<'a>], request: &Request<'a>) -> HashSet<&'a str> {
    let mut files = HashSet::new();
    let mut note = |relation: &'a Relation| {
        if relation.name.starts_with('/') {
            files.insert(&*relation.name);
        }
    };
    for Offer { package, .. } in offers {
        let Package { requires, conflicts, recommends, suggests, supplements, enhances, .. } = package;
        let weak = [conflicts, recommends, suggests, supplements, enhances];
        let weak = weak.into_iter().flatten();
        requires.iter().map(|one| &one.dependency).chain(weak).for_each(|one| one.each(&mut note));
    }
    for want in request.wants {
        if let Want::Dependency(dependency) = want {
            dependency.each(&mut note);
        }
    }
    files.extend(request.wants.iter().filter_map(|want| match want {
        Want::Word(word) if word.starts_with('/') => Some(&**word),
        _ => None,
    }));
    files
}
