//! Which packages a request needs, as apk would choose.
//!
//! | module | what it does |
//! |---|---|
//! | `universe` | all packages by the names they answer to |
//! | `choice` | apk's own way: name by name, with what each choice leaves of the others |
//! | `solve`, `explain` | where that ends in a contradiction: another choice, or why there is none |
//! | `check` | whether a choice holds, whoever made it |
//! | `order` | in which order packages are installed |
//!
//! apk gives up where its first choice contradicts itself. A solver then looks for another
//! choice; so what apk installs is installed here, and some of what it refuses, too.

mod check;
mod choice;
mod explain;
mod order;
mod solve;
#[cfg(test)]
mod tests;
mod universe;

use crate::dependency::Dependency;
use crate::package::Package;

use self::universe::Universe;

/// A package, and where it can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<'a> {
    /// What it says of itself.
    pub package: Package<'a>,
    /// The repositories that have it: bit N for number N. None for a file of the user's.
    pub repositories: u64,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The words of the world.
    pub wants: &'a [Dependency<'a>],
    /// Each repository's tag.
    pub tags: &'a [Option<&'a str>],
}

/// Why packages cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nobody offers it.
    #[error("there is no package \"{name}\"{}", if .hints.is_empty() { String::new() } else { format!("; {}", .hints) })]
    Unknown {
        /// As it was asked for.
        name: String,
        /// What might have been meant.
        hints: String,
    },
    /// No repository has the tag.
    #[error("no repository has the tag \"@{tag}\" that \"{want}\" names")]
    UnknownTag {
        /// The tag.
        tag: String,
        /// Who names it.
        want: String,
    },
    /// It cannot all be had together.
    #[error("{0}")]
    Unsatisfiable(String),
}

/// The packages that fulfil a request, as indexes into `offers`, in the order of their installation.
///
/// # Errors
///
/// If there are none.
pub fn resolve(offers: &[Offer<'_>], request: &Request<'_>) -> Result<Vec<usize>, ResolveError> {
    let universe = Universe::new(offers, request);
    for want in request.wants {
        if let Some(tag) = want.tag.filter(|tag| universe.tag(tag).is_none()) {
            return Err(ResolveError::UnknownTag { tag: tag.to_owned(), want: want.to_string() });
        }
        if !want.conflict && universe.providers_of(want.name).is_empty() {
            let hints = explain::near(&universe, want.name);
            return Err(ResolveError::Unknown { name: want.name.to_owned(), hints });
        }
    }
    let chosen = match choice::choose(&universe) {
        Some(chosen) if check::holds(&universe, &chosen) => chosen,
        _ => solve::solve(&universe).map_err(ResolveError::Unsatisfiable)?,
    };
    Ok(order::order(&universe, &chosen))
}
