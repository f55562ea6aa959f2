//! Which package may take over whose files, and the order that needs.
//!
//! When two packages have the same file, dpkg lets the one keep it that says that it
//! `Replaces` the other, whichever is unpacked later. A stream cannot take back what was
//! written, so the package that replaces has to come first; then the other's file is just
//! passed over. Who replaces whom the index tells before anything is fetched.

use std::collections::HashMap;

use super::record::Record;
use crate::package::Package;
use crate::relation::{self, Op};

/// One of the packages in a field `Replaces`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replaces {
    name: String,
    /// Which versions of it.
    version: Option<(Op, String)>,
}

/// The order in which `packages` have to be installed, as indices into them.
///
/// It is theirs as far as it can be: `base-files` comes first, because it knows the
/// attributes of the root's directories best, and each package comes after those that
/// replace its files. Packages that replace each other's keep their order.
pub fn order(packages: &[&Package<'_>]) -> Vec<usize> {
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, package) in packages.iter().enumerate() {
        by_name.entry(package.name).or_default().push(index);
    }
    let mut replaced_by: Vec<Vec<usize>> = vec![Vec::new(); packages.len()];
    for (index, package) in packages.iter().enumerate() {
        for replaces in parse(package.replaces) {
            for &other in by_name.get(replaces.name.as_str()).into_iter().flatten() {
                if other != index && replaces.covers(packages[other].version) {
                    replaced_by[other].push(index);
                }
            }
        }
    }
    let base = packages.iter().position(|package| package.name == "base-files");
    let mut order = Vec::with_capacity(packages.len());
    let mut seen = vec![false; packages.len()];
    for start in base.into_iter().chain(0..packages.len()) {
        place(start, &replaced_by, &mut seen, &mut order);
    }
    order
}

/// Places all that replace `start`, then itself. Not by recursion, for chains may be long.
fn place(start: usize, replaced_by: &[Vec<usize>], seen: &mut [bool], order: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut path = vec![(start, replaced_by[start].iter())];
    while let Some((package, before)) = path.last_mut() {
        match before.next() {
            Some(&next) if std::mem::replace(&mut seen[next], true) => {}
            Some(&next) => path.push((next, replaced_by[next].iter())),
            None => {
                order.push(*package);
                path.pop();
            }
        }
    }
}

impl Record {
    /// Whether this package may keep a file that `other` has too. Only the real name
    /// counts, not what `other` provides (dpkg's `does_replace`).
    pub(super) fn replaces(&self, other: &Record) -> bool {
        self.replaces.iter().any(|replaces| replaces.name == other.name && replaces.covers(&other.version))
    }
}

impl Replaces {
    fn covers(&self, version: &str) -> bool {
        self.version.as_ref().is_none_or(|(op, bound)| op.holds(version, bound))
    }
}

/// Reads a field `Replaces`. One that makes no sense replaces nothing.
pub(super) fn parse(field: &str) -> Vec<Replaces> {
    let groups = relation::parse(field).unwrap_or_default();
    let owned = |relation: relation::Relation<'_>| Replaces {
        name: relation.name.to_owned(),
        version: relation.constraint.map(|(op, bound)| (op, bound.to_owned())),
    };
    groups.into_iter().flatten().map(owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{MultiArch, Priority};

    fn package<'a>(name: &'a str, version: &'a str, replaces: &'a str) -> Package<'a> {
        Package {
            name,
            version,
            arch: "all",
            multi_arch: MultiArch::No,
            essential: false,
            priority: Priority::Optional,
            section: "",
            source: name,
            pre_depends: "",
            depends: "",
            conflicts: "",
            breaks: "",
            provides: "",
            replaces,
            filename: "",
            size: 0,
            installed_size: 0,
            digest: String::new(),
            repository: 0,
        }
    }

    fn ordered(packages: &[Package<'_>]) -> Vec<String> {
        let packages: Vec<_> = packages.iter().collect();
        order(&packages).into_iter().map(|index| packages[index].name.to_owned()).collect()
    }

    #[test]
    fn who_replaces_comes_first() {
        let packages = [
            package("a", "1", ""),
            package("b", "1", "a (<< 2), c"),
            package("c", "1", "a (>> 1)"),
            package("d", "1", "c:any (= 1)"),
        ];
        assert_eq!(ordered(&packages), ["b", "a", "d", "c"]);
    }

    #[test]
    fn base_files_comes_first_and_circles_end() {
        let packages = [package("a", "1", "b"), package("b", "1", "a"), package("base-files", "1", "")];
        assert_eq!(ordered(&packages), ["base-files", "b", "a"]);
    }
}
