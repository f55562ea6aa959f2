//! Which packages a request needs, as dnf would choose.
//!
//! dnf leaves the choice to libsolv: a SAT solver whose decisions follow a fixed policy wherever
//! there is a choice. [`choice`] makes the same decisions in the same order, and learns from
//! contradictions as libsolv does. If there is no choice, [`explain`] puts into words what of the
//! rules contradicts itself. Where contradictions go on for too long, a solver that is made for
//! hard problems and knows less of preferences, [`solve`], looks for a set that holds.
//!
//! | module | what it does |
//! |---|---|
//! | `arches` | which architectures fit, and which is best |
//! | `universe` | all packages by what they provide |
//! | `wants` | what is asked for, as packages; `pattern` reads the words |
//! | `logic` | rich dependencies as clauses, and whether one holds |
//! | `rules` | the clauses of all packages that can be reached |
//! | `state` | decisions, what follows from them, and what is learned from contradictions |
//! | `policy` | who is preferred where several packages would do; `hints` is what weak dependencies say of it |
//! | `choice` | libsolv's choice; `weak` is its part that weak dependencies add |
//! | `solve` | another choice, where libsolv's way takes too long |
//! | `check` | whether a set of packages holds, judged from the packages alone |
//! | `order` | in which order they are installed |
//! | `explain` | why there is no choice; `near` finds what may have been meant |
//!
//! The policy, where several packages would do (libsolv's `policy_filter_unwanted`, without what
//! needs installed packages):
//!
//! 1. Only those of the repository with the best priority are left; a local file is before all.
//! 2. Only those of the best architecture are left, and those of none.
//! 3. Of each name only the newest is left, and of those only what no other of them obsoletes.
//! 4. If some are recommended by a chosen package, or supplement one, only they are left. This is
//!    so even where weak dependencies are not installed.
//! 5. Sorted by name, then: who has a newer version elsewhere goes behind the others; who
//!    provides something in an older version than another does, too; who is suggested by a chosen
//!    package, or enhances one, goes in front. The first is taken.
//!
//! A dependency that leaves one package after step 4 is decided before those that leave several.
//! In the end, where another of several turned out to be needed anyway, the choice is made again
//! with that one.
//!
//! Where it differs: who asks for a name is given an obsoleter of its newest version only, not of
//! any; and whether a better architecture exists is judged without packages that only weak
//! dependencies lead to, unless those are installed.
//!
//! As Fedora builds libsolv: packages of one name for different word sizes can stand beside each
//! other, but the lesser one only together with the better one of the same version.

mod arches;
mod check;
mod choice;
mod explain;
mod hints;
mod logic;
mod near;
mod order;
mod pattern;
mod policy;
mod rules;
mod solve;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod universe;
mod wants;
mod weak;

use crate::dependency::{Dependency, DependencyError};
use crate::package::Package;
pub(crate) use check::fault;
use rules::Rules;
use state::Contradiction;
use universe::{PackageId, Universe};

/// A package that can be had.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The package.
    pub package: &'a Package,
    /// The number of its repository, in the order in which they were given.
    pub repository: usize,
    /// dnf's priority of the repository: lower is preferred, 99 is usual.
    pub priority: u32,
    /// Whether it is a file of the user's. It comes before all repositories.
    pub is_local: bool,
    /// Why it may not be chosen, if so. It is known nonetheless, for what is said of it.
    pub hidden: Option<Hidden<'a>>,
}

/// Why a package that is there may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hidden<'a> {
    /// The repository of this name excludes it, or includes only others.
    ByRepository(&'a str),
    /// It is of a module's stream that is not enabled, or one that is has its name.
    ByModules,
}

/// A part of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// A word that names packages, as dnf reads it: a package in any of the forms `name`,
    /// `name.arch`, `name-version`, `name-version-release` and `name-epoch:version-release.arch`,
    /// else what packages provide, else a path. All of them can have `*`, `?` and `[…]`.
    Word(String),
    /// Something that must be provided: `bash >= 5`, `(a or b)`.
    Dependency(Dependency),
    /// Exactly this offer: a local file.
    Offer(usize),
}

impl Want {
    /// Reads what people write where dnf takes a package.
    ///
    /// # Errors
    ///
    /// If it looks like a relation or a rich dependency, and is none.
    pub fn parse(word: &str) -> Result<Self, DependencyError> {
        let word = word.trim();
        let is_relation =
            word.contains(|character: char| character.is_whitespace() || "<>=".contains(character));
        match word.starts_with('(') || is_relation && !word.starts_with('/') {
            true => Dependency::parse(word).map(Self::Dependency),
            false => Ok(Self::Word(word.to_owned())),
        }
    }
}

/// What to resolve, and by which rules.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What must be in the result.
    pub wants: &'a [Want],
    /// The native architecture, in rpm's name for it: `x86_64`, `aarch64`.
    pub arch: &'a str,
    /// Whether what chosen packages recommend is chosen too, and what supplements them.
    pub weak: bool,
    /// Packages that must not be: as dnf's `--exclude`, in the forms of [`Want::Word`] that name
    /// packages.
    pub exclude: &'a [String],
}

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such package.
    #[error("no package is called {word}, and none provides it{}", near::hints(suggestions))]
    Unknown {
        /// What was asked for.
        word: String,
        /// What might have been meant, each a lower-case fragment.
        suggestions: Vec<String>,
    },
    /// There is such a package, but it is excluded, hidden or of another architecture.
    #[error("{word} cannot be had: {why}")]
    Unfit {
        /// What was asked for.
        word: String,
        /// Why nothing that it names can be chosen.
        why: String,
    },
    /// An offer that there is not.
    #[error("there is no offer {0}")]
    UnknownOffer(usize),
    /// There is no set of packages that holds. The text is for people: reasons, a line each,
    /// indented below what they explain.
    #[error("{0}")]
    Unsatisfiable(String),
    /// The relations of the packages that can be reached are more than any real repository has.
    #[error("the packages have too many relations to each other to be resolved")]
    TooLarge,
}

/// Chooses packages for a request: indexes into `offers`, in the order of installation.
///
/// The order of offers within a repository does not count.
///
/// # Errors
///
/// [`ResolveError`]: what is asked for does not exist, or cannot be had together.
pub fn resolve(offers: &[Offer<'_>], request: &Request<'_>) -> Result<Vec<usize>, ResolveError> {
    let universe = Universe::new(offers, request);
    let wanted = wants::settle(&universe, request.wants)?;
    let rules = Rules::new(&universe, &wanted, request.weak)?;
    let chosen = choose(&rules)?;
    Ok(order::sort(&universe, &chosen))
}

fn choose(rules: &Rules<'_, '_>) -> Result<Vec<PackageId>, ResolveError> {
    let fault = |chosen: &[PackageId]| check::fault(&rules.packages(chosen));
    match choice::choose(rules) {
        Ok(chosen) if fault(&chosen).is_none() => return Ok(chosen),
        Err(Contradiction::Proven(core)) => {
            return Err(ResolveError::Unsatisfiable(explain::explain(rules, &core)));
        }
        Ok(_) | Err(Contradiction::Stuck) => {}
    }
    let unsatisfiable = |why: &str| ResolveError::Unsatisfiable(format!("no set of packages holds: {why}"));
    let base = solve::solve(rules).ok_or_else(|| unsatisfiable("the reasons are too many to be told"))?;
    let chosen = choice::choose_above(rules, &base);
    if fault(&chosen).is_none() {
        return Ok(chosen);
    }
    match fault(&base) {
        None => Ok(base),
        Some(fault) => Err(unsatisfiable(&fault)),
    }
}

/// Whether packages of `arch` can be installed where `native` is the architecture.
pub fn runs(native: &str, arch: &str) -> bool {
    arches::rank(native, arch).is_some()
}

/// Words that name packages, as `--exclude` and `excludepkgs` have them.
#[derive(Debug)]
pub struct Names<'a>(Vec<pattern::Pattern<'a>>);

impl<'a> Names<'a> {
    /// Reads the words: each in the first of its forms that names any of all `packages`.
    pub fn of<'p>(words: &'a [String], packages: impl Iterator<Item = &'p Package> + Clone) -> Self {
        Self(words.iter().map(|word| pattern::Pattern::among(word, packages.clone())).collect())
    }

    /// Whether one of them names the package.
    pub fn have(&self, package: &Package) -> bool {
        self.0.iter().any(|pattern| pattern.names(package))
    }
}

/// Paths that are asked for: by packages, and by words, which can be patterns.
#[derive(Debug, Default)]
pub struct Paths<'a> {
    named: std::collections::HashSet<&'a str>,
    patterns: Vec<pattern::Text<'a>>,
}

impl<'a> Paths<'a> {
    /// Those of the packages' relations, and of these words.
    pub fn of(packages: impl Iterator<Item = &'a Package>, words: impl Iterator<Item = &'a str>) -> Self {
        let mut named = std::collections::HashSet::new();
        for package in packages {
            package.each_relation(&mut |relation| {
                if relation.name.starts_with('/') {
                    named.insert(&*relation.name);
                }
            });
        }
        let paths: Vec<&str> = words.filter(|word| word.starts_with('/')).collect();
        named.extend(paths.iter().copied());
        let patterns =
            paths.into_iter().filter(|path| pattern::is_glob(path)).map(pattern::Text::new).collect();
        Self { named, patterns }
    }

    /// Those that are written out.
    pub fn named(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.named.iter().copied()
    }

    /// Whether anybody asks for this one.
    pub fn have(&self, path: &str) -> bool {
        self.named.contains(path) || self.patterns.iter().any(|pattern| pattern.matches(path))
    }
}

/// Whether files that only a repository's file lists have can decide: a path is wanted, or needed
/// by a package that can be reached, and no package is known to have it.
///
/// If so, read the file lists, merge them into [`Package::files`], and resolve then.
pub fn needs_filelists(offers: &[Offer<'_>], request: &Request<'_>) -> bool {
    let universe = Universe::new(offers, request);
    if request.wants.iter().any(|want| wants::is_unknown_path(&universe, want)) {
        return true;
    }
    let known = |want| wants::settle(&universe, std::slice::from_ref(want)).ok();
    let known: Vec<_> = request.wants.iter().filter_map(known).collect();
    Rules::new(&universe, &known.concat(), request.weak).is_ok_and(|rules| rules.misses_files)
}
