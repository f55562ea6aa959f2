//! Which packages a request needs, as apt would choose.
//!
//! People know what `apt-get install --no-install-recommends` gives them in an empty root, so
//! that is what they get here, package for package. apt's way is greedy: depth first, with a
//! fixed preference wherever there is a choice, and it never takes a choice back. [`greedy`]
//! goes that way. Where it ends in a set that does not hold, a SAT solver, [`solve`], starts
//! from the same preferences and takes choices back until one holds; so we succeed where apt
//! gives up. If nothing holds, [`explain`] puts the solver's reasons in words.
//!
//! | module | what it does |
//! |---|---|
//! | `universe` | all packages by name: candidates, providers, who satisfies a relation |
//! | `wants` | what is asked for, as places in the universe |
//! | `needs` | the relations of one package, read when it is reached |
//! | `order` | whom apt prefers where several satisfy a relation |
//! | `greedy` | apt's choice |
//! | `check` | whether a set of packages holds; what of it nobody needs |
//! | `solve` | another choice, where apt's does not hold |
//! | `explain` | why there is no choice |
//!
//! As apt does, of each package only the candidate is considered: the version of the highest
//! pin priority, of those the newest, unless the request names another.

mod check;
mod explain;
mod greedy;
mod needs;
mod order;
mod solve;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod universe;
mod wants;

use std::thread;

use crate::package::{Package, Priority};
use needs::Needs;
use universe::Universe;

/// What to resolve, and by which rules.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The native architecture, in dpkg's name for it.
    pub arch: &'a str,
    /// Further architectures, the preferred one first.
    pub foreign: &'a [String],
    /// What must be in the result.
    pub wants: &'a [Want],
    /// Names of packages that must not be, of any architecture.
    pub exclude: &'a [String],
    /// Pin priority by [`Package::repository`], apt_preferences(5); 500 where the list ends.
    /// Versions of a repository with 0 or less are no candidates.
    pub priorities: &'a [i32],
}

/// A part of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// A package by its name; or the only one that provides the name.
    Package {
        /// The package.
        name: String,
        /// Its architecture: dpkg's name. Native if it is not said.
        arch: Option<String>,
        /// Exactly this version, whatever its priority.
        version: Option<String>,
        /// The newest version that one of these repositories has, whatever its priority; what
        /// it needs is taken from them too where the candidates do not satisfy it.
        repositories: Option<Vec<usize>>,
    },
    /// All packages with `Essential: yes` of the native architecture.
    Essential,
    /// All packages of the native architecture of this priority or a more important one.
    Priority(Priority),
    /// Exactly this entry of the universe: a local file.
    Index(usize),
}

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No such package, or none that can be chosen.
    #[error("there is no package {name}{}", explain::hints(suggestions))]
    UnknownPackage {
        /// What was asked for: `name` or `name:arch`.
        name: String,
        /// What might have been meant, each a lower-case fragment.
        suggestions: Vec<String>,
    },
    /// The package has no such version.
    #[error("{name} has no version {version}; it has {}", available.join(", "))]
    UnknownVersion {
        /// The package.
        name: String,
        /// What was asked for: a version, or repositories.
        version: String,
        /// What there is, the newest first.
        available: Vec<String>,
    },
    /// An entry that the universe does not have, or of an architecture that is not asked for.
    #[error(
        "entry {0} of the packages cannot be chosen: there is no such entry, or its architecture is none of the request's"
    )]
    UnknownIndex(usize),
    /// There is no set of packages that holds. The text is for people: reasons, a line each,
    /// indented below what they explain.
    #[error("{0}")]
    Unsatisfiable(String),
    /// The system gives no thread to work in.
    #[error("cannot start a thread to resolve dependencies in: {0}")]
    Thread(String),
}

/// apt's way recurses, as deep as chains of dependencies go; [`greedy`] has the limit. This is
/// enough for that in any build. It is address space, of which only what is touched is memory.
const STACK: usize = 64 << 20;

/// Chooses packages for a request: indexes into `packages`, sorted by name, then architecture.
///
/// `packages` is in the order in which apt would read them: by repository, then as listed.
///
/// # Errors
///
/// [`ResolveError`]: what is asked for does not exist, or cannot be had together.
pub fn resolve(packages: &[Package<'_>], request: &Request<'_>) -> Result<Vec<usize>, ResolveError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || choose(packages, request))
            .map_err(|error| ResolveError::Thread(error.to_string()))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn choose(packages: &[Package<'_>], request: &Request<'_>) -> Result<Vec<usize>, ResolveError> {
    let mut universe = Universe::new(packages, request);
    let wanted = wants::settle(&mut universe, request.wants)?;
    let needs = Needs::new(&universe);
    let preferred = greedy::choose(&needs, &wanted);
    let chosen = check::without_garbage(&needs, &wanted, &preferred);
    let chosen = if check::holds(&needs, &wanted, &chosen) {
        chosen
    } else {
        let solved = solve::solve(&needs, &wanted, &preferred).map_err(ResolveError::Unsatisfiable)?;
        check::without_garbage(&needs, &wanted, &solved)
    };
    Ok(universe.indexes(&chosen))
}
