//! In which strata packages are installed.
//!
//! A stratum is unpacked as a whole and then configured as a whole. That is right as long as
//! no package in it pre-depends on another one of it: a `preinst` may use what its package
//! pre-depends on, which has to be configured by then (Debian Policy 7.2). The first stratum
//! is that of the essential packages, which have to work when they are only unpacked, and of
//! all that those depend on. What makes up the variant comes before what the user adds, so
//! that builds of one variant have their first strata in common.

use std::collections::HashMap;

use crate::package::Package;
use crate::relation;

/// No chain of pre-dependencies is as long; a circle is cut here.
const MAX_STRATA: u32 = 32;

/// The strata of a set of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Strata {
    /// The stratum of each package, from 0.
    pub(crate) of: Vec<u32>,
    /// How many of the first strata are the variant's.
    pub(crate) base: u32,
}

/// The strata of `packages`. `wanted` says whom the variant itself has in it.
pub(crate) fn strata(packages: &[&Package<'_>], wanted: impl Fn(&Package<'_>) -> bool) -> Strata {
    let needs = Needs::new(packages);
    let start = |is: &dyn Fn(&Package<'_>) -> bool| {
        let start = packages.iter().enumerate().filter(|(_, package)| is(package));
        needs.closure(start.map(|(index, _)| index))
    };
    let core = start(&|package| package.essential);
    let base = start(&|package| package.essential || wanted(package));
    let first = |index: usize| u32::from(!core[index]);
    let mut of: Vec<u32> = (0..packages.len()).map(first).collect();
    needs.raise(&mut of, |index| !core[index] && base[index]);
    let highest = |of: &[u32]| (0..of.len()).filter(|&index| base[index]).map(|index| of[index] + 1).max();
    let count = highest(&of).unwrap_or(0);
    for index in (0..packages.len()).filter(|&index| !base[index]) {
        of[index] = count;
    }
    needs.raise(&mut of, |index| !base[index]);
    Strata { of, base: count }
}

/// What packages need of each other.
struct Needs {
    /// Depends and Pre-Depends.
    all: Vec<Vec<usize>>,
    /// Pre-Depends.
    before: Vec<Vec<usize>>,
}

impl Needs {
    fn new(packages: &[&Package<'_>]) -> Self {
        let names = names(packages);
        let find = |field: &str| -> Vec<usize> {
            let groups = relation::parse(field).unwrap_or_default();
            groups
                .iter()
                .filter_map(|group| group.iter().find_map(|want| pick(packages, &names, want)))
                .collect()
        };
        let before: Vec<Vec<usize>> = packages.iter().map(|package| find(package.pre_depends)).collect();
        let all = packages.iter().zip(&before).map(|(package, before)| {
            let mut all = find(package.depends);
            all.extend(before);
            all
        });
        Self { all: all.collect(), before }
    }

    /// All that `start` need, and they themselves.
    fn closure(&self, start: impl Iterator<Item = usize>) -> Vec<bool> {
        let mut seen = vec![false; self.all.len()];
        let mut ahead: Vec<usize> = start.collect();
        while let Some(index) = ahead.pop() {
            if !std::mem::replace(&mut seen[index], true) {
                ahead.extend(&self.all[index]);
            }
        }
        seen
    }

    /// Raises those packages above all that has to be configured before they are unpacked, and
    /// to all that has to be before they are configured themselves.
    fn raise(&self, of: &mut [u32], which: impl Fn(usize) -> bool) {
        let mut changed = true;
        while changed {
            changed = false;
            for index in (0..of.len()).filter(|&index| which(index)) {
                let highest = |needs: &[usize]| needs.iter().map(|&other| of[other]).max();
                let above = highest(&self.before[index]).map_or(0, |highest| highest + 1);
                let least = above.max(highest(&self.all[index]).unwrap_or(0)).min(MAX_STRATA);
                if of[index] < least {
                    of[index] = least;
                    changed = true;
                }
            }
        }
    }
}

/// Who has, or provides, each name.
fn names<'p>(packages: &[&Package<'p>]) -> HashMap<&'p str, Vec<usize>> {
    let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, package) in packages.iter().enumerate() {
        names.entry(package.name).or_default().push(index);
        for provided in relation::provides(package.provides).flatten() {
            names.entry(provided.name).or_default().push(index);
        }
    }
    names
}

/// Who meets `want`: whoever has the name, else the most important of those that provide it.
fn pick(
    packages: &[&Package<'_>],
    names: &HashMap<&str, Vec<usize>>,
    want: &relation::Relation<'_>,
) -> Option<usize> {
    let candidates = names.get(want.name)?.iter().copied();
    candidates.min_by_key(|&index| (packages[index].name != want.name, packages[index].priority, index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{MultiArch, Priority};

    fn package<'a>(name: &'a str, depends: &'a str, pre_depends: &'a str) -> Package<'a> {
        Package {
            name,
            version: "1",
            arch: "all",
            multi_arch: MultiArch::No,
            essential: name.starts_with("ess"),
            priority: Priority::Optional,
            section: "",
            source: name,
            pre_depends,
            depends,
            conflicts: "",
            breaks: "",
            provides: if name == "mawk" { "awk" } else { "" },
            replaces: "",
            filename: "",
            size: 0,
            installed_size: 0,
            digest: String::new(),
            repository: 0,
        }
    }

    fn of(packages: &[Package<'_>], wanted: &[&str]) -> Strata {
        let packages: Vec<_> = packages.iter().collect();
        strata(&packages, |package| wanted.contains(&package.name))
    }

    #[test]
    fn essential_packages_and_what_they_need_come_first() {
        let packages = [
            package("curl", "libc, awk", ""),
            package("ess-base", "", "awk"),
            package("mawk", "libc (>= 1)", ""),
            package("libc", "", ""),
        ];
        assert_eq!(of(&packages, &[]), Strata { of: vec![1, 0, 0, 0], base: 1 });
    }

    #[test]
    fn who_pre_depends_comes_later_and_the_users_packages_last() {
        let packages = [
            package("ess", "", ""),
            package("apt", "adduser", "ess"),
            package("adduser", "debconf", ""),
            package("debconf", "", "ess"),
            package("needs-debconf", "", "debconf | cdebconf"),
            package("own", "other", ""),
            package("other", "", "ess"),
            package("own-pre", "", "own"),
            package("last", "own-pre", ""),
        ];
        let strata = of(&packages, &["apt", "needs-debconf"]);
        assert_eq!(strata, Strata { of: vec![0, 1, 1, 1, 2, 3, 3, 4, 4], base: 3 });
    }

    #[test]
    fn circles_end() {
        let packages = [package("a", "", "b"), package("b", "", "a")];
        assert!(of(&packages, &[]).of.iter().all(|&stratum| stratum <= MAX_STRATA));
    }
}
