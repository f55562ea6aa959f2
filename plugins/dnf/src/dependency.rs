//! What a package needs and offers: names, bounds, and rpm's rich dependencies.
//!
//! They come from three places: as text (rich ones always, others from people), as the
//! attributes of an `rpm:entry` in repository metadata, and as a name, a word of flags and a
//! version in a package's header. All three make the same values.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::version::{EpochError, Evr};

mod parse;
mod rpmlib;

pub use rpmlib::is_met_by_rpmlib;

/// A name, perhaps with a bound on its version: `libc.so.6(GLIBC_2.34)(64bit)`, `bash >= 5`, `/bin/sh`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Relation {
    /// The name: of a package, a capability, or a path.
    pub name: Arc<str>,
    /// Which versions of it.
    pub bound: Option<Bound>,
}

/// A bound on a version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bound {
    /// On which side.
    pub operator: Operator,
    /// Of what; shared, as many relations say the same.
    pub evr: Arc<Evr>,
}

/// On which side of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

/// A dependency, simple or rich (rpm's `boolean_dependencies.md`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dependency {
    /// A name.
    Simple(Relation),
    /// `(a or b)` and its like.
    Rich(Box<Rich>),
}

/// A rich dependency.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Rich {
    /// `(a and b)`
    And(Vec<Dependency>),
    /// `(a or b)`
    Or(Vec<Dependency>),
    /// `(a if b)`, `(a if b else c)`
    If(Dependency, Dependency, Option<Dependency>),
    /// `(a unless b)`, `(a unless b else c)`
    Unless(Dependency, Dependency, Option<Dependency>),
    /// `(a with b)`: one package has both.
    With(Vec<Dependency>),
    /// `(a without b)`: one package has the first and not the second.
    Without(Dependency, Dependency),
}

/// Why a dependency cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DependencyError {
    /// It is no dependency.
    #[error("the dependency {text} cannot be read: {what}")]
    Malformed {
        /// All of it.
        text: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Its version has an epoch that cannot be.
    #[error("the dependency {text} cannot be read")]
    Version {
        /// All of it.
        text: String,
        /// What is wrong with the version.
        source: EpochError,
    },
}

impl Operator {
    const LESS: u32 = 1 << 1;
    const GREATER: u32 = 1 << 2;
    const EQUAL: u32 = 1 << 3;

    /// From the bits of a header (`RPMSENSE_LESS` and its like); none where it is unversioned.
    pub fn of_flags(flags: u32) -> Option<Self> {
        match (flags & Self::LESS != 0, flags & Self::GREATER != 0, flags & Self::EQUAL != 0) {
            (true, false, false) => Some(Self::Less),
            (true, false, true) => Some(Self::LessOrEqual),
            (false, false, true) => Some(Self::Equal),
            (false, true, true) => Some(Self::GreaterOrEqual),
            (false, true, false) => Some(Self::Greater),
            // No side, or both, which is every version.
            _ => None,
        }
    }

    /// From the attribute `flags` of repository metadata.
    pub fn of_metadata(flags: &str) -> Option<Self> {
        match flags {
            "LT" => Some(Self::Less),
            "LE" => Some(Self::LessOrEqual),
            "EQ" => Some(Self::Equal),
            "GE" => Some(Self::GreaterOrEqual),
            "GT" => Some(Self::Greater),
            _ => None,
        }
    }

    /// From the sign that people write.
    pub fn of_sign(sign: &str) -> Option<Self> {
        match sign {
            "<" => Some(Self::Less),
            "<=" | "=<" => Some(Self::LessOrEqual),
            "=" | "==" => Some(Self::Equal),
            ">=" | "=>" => Some(Self::GreaterOrEqual),
            ">" => Some(Self::Greater),
            _ => None,
        }
    }

    /// Whether it takes what stands in this order to the version.
    pub fn takes(self, order: Ordering) -> bool {
        match order {
            Ordering::Less => matches!(self, Self::Less | Self::LessOrEqual),
            Ordering::Equal => matches!(self, Self::LessOrEqual | Self::Equal | Self::GreaterOrEqual),
            Ordering::Greater => matches!(self, Self::GreaterOrEqual | Self::Greater),
        }
    }

    /// The sign that people write.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }
}

impl Bound {
    /// Whether a version lies in it. A missing release on either side is any release.
    pub fn accepts(&self, evr: &Evr) -> bool {
        self.operator.takes(evr.compare_in_relation(&self.evr))
    }

    /// Whether some version lies in both, as rpm and libsolv have it (`pool_intersect_evrs`).
    pub fn intersects(&self, other: &Self) -> bool {
        let both = |order| self.operator.takes(order) && other.operator.takes(order);
        if both(Ordering::Less) || both(Ordering::Greater) {
            return true;
        }
        match self.evr.compare_in_relation(&other.evr) {
            Ordering::Less => self.operator.takes(Ordering::Greater) || other.operator.takes(Ordering::Less),
            Ordering::Greater => {
                self.operator.takes(Ordering::Less) || other.operator.takes(Ordering::Greater)
            }
            Ordering::Equal => match (&self.evr.release, &other.evr.release) {
                // Who has no release stands for all of them, as long as he takes the version itself.
                (None, Some(_)) => self.operator.takes(Ordering::Equal),
                (Some(_), None) => other.operator.takes(Ordering::Equal),
                _ => both(Ordering::Equal),
            },
        }
    }
}

impl Relation {
    /// A name, of any version.
    pub fn to(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), bound: None }
    }

    /// From repository metadata: the attributes of an `rpm:entry`.
    ///
    /// # Errors
    ///
    /// If the epoch cannot be.
    pub fn of_metadata(
        name: impl Into<Arc<str>>,
        flags: Option<&str>,
        epoch: Option<&str>,
        version: Option<&str>,
        release: Option<&str>,
    ) -> Result<Self, DependencyError> {
        let name = name.into();
        let (Some(operator), Some(version)) = (flags.and_then(Operator::of_metadata), version) else {
            return Ok(Self { name, bound: None });
        };
        let evr = Evr::of_parts(epoch, version, release).map_err(|source| bad_version(&name, source))?;
        Ok(Self { name, bound: Some(Bound { operator, evr: Arc::new(evr) }) })
    }

    /// From a header: an element of each of its three lists.
    ///
    /// # Errors
    ///
    /// If the epoch cannot be.
    pub fn of_header(name: impl Into<Arc<str>>, flags: u32, evr: &str) -> Result<Self, DependencyError> {
        let name = name.into();
        let operator = Operator::of_flags(flags).filter(|_| !evr.is_empty());
        let Some(operator) = operator else { return Ok(Self { name, bound: None }) };
        let evr = Evr::parse(evr).map_err(|source| bad_version(&name, source))?;
        Ok(Self { name, bound: Some(Bound { operator, evr: Arc::new(evr) }) })
    }

    /// Reads `name` or `name >= version`.
    ///
    /// # Errors
    ///
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, DependencyError> {
        parse::relation(text)
    }
}

impl Dependency {
    /// From repository metadata: the attributes of an `rpm:entry`; in a rich one the name is all.
    ///
    /// # Errors
    ///
    /// If the epoch cannot be, or if it looks rich and is not.
    pub fn of_metadata(
        name: impl Into<Arc<str>>,
        flags: Option<&str>,
        epoch: Option<&str>,
        version: Option<&str>,
        release: Option<&str>,
    ) -> Result<Self, DependencyError> {
        let name = name.into();
        match name.starts_with('(') {
            true => parse::rich(&name),
            false => Relation::of_metadata(name, flags, epoch, version, release).map(Self::Simple),
        }
    }

    /// From a header: an element of each of its three lists.
    ///
    /// # Errors
    ///
    /// As [`Dependency::of_metadata`].
    pub fn of_header(name: impl Into<Arc<str>>, flags: u32, evr: &str) -> Result<Self, DependencyError> {
        let name = name.into();
        match name.starts_with('(') {
            true => parse::rich(&name),
            false => Relation::of_header(name, flags, evr).map(Self::Simple),
        }
    }

    /// Reads `name`, `name >= version` or a rich dependency in parentheses.
    ///
    /// # Errors
    ///
    /// If it is none of them.
    pub fn parse(text: &str) -> Result<Self, DependencyError> {
        let text = text.trim();
        match text.starts_with('(') {
            true => parse::rich(text),
            false => parse::relation(text).map(Self::Simple),
        }
    }

    /// Calls for every relation in it, from left to right.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Relation)) {
        match self {
            Self::Simple(relation) => visit(relation),
            Self::Rich(rich) => match &**rich {
                Rich::And(all) | Rich::Or(all) | Rich::With(all) => {
                    all.iter().for_each(|one| one.each(visit))
                }
                Rich::If(first, second, third) | Rich::Unless(first, second, third) => {
                    [Some(first), Some(second), third.as_ref()]
                        .into_iter()
                        .flatten()
                        .for_each(|one| one.each(visit));
                }
                Rich::Without(first, second) => [first, second].into_iter().for_each(|one| one.each(visit)),
            },
        }
    }
}

impl From<Relation> for Dependency {
    fn from(relation: Relation) -> Self {
        Self::Simple(relation)
    }
}

fn bad_version(text: &str, source: EpochError) -> DependencyError {
    DependencyError::Version { text: text.to_owned(), source }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.bound {
            Some(bound) => write!(f, " {} {}", bound.operator.sign(), bound.evr),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(relation) => relation.fmt(f),
            Self::Rich(rich) => rich.fmt(f),
        }
    }
}

impl fmt::Display for Rich {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = |f: &mut fmt::Formatter<'_>, word: &str, all: &[Dependency]| {
            f.write_str("(")?;
            for (index, one) in all.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                one.fmt(f)?;
            }
            f.write_str(")")
        };
        match self {
            Self::And(all) => chain(f, "and", all),
            Self::Or(all) => chain(f, "or", all),
            Self::With(all) => chain(f, "with", all),
            Self::Without(first, second) => write!(f, "({first} without {second})"),
            Self::If(then, condition, None) => write!(f, "({then} if {condition})"),
            Self::If(then, condition, Some(other)) => write!(f, "({then} if {condition} else {other})"),
            Self::Unless(then, condition, None) => write!(f, "({then} unless {condition})"),
            Self::Unless(then, condition, Some(other)) => {
                write!(f, "({then} unless {condition} else {other})")
            }
        }
    }
}

#[cfg(test)]
mod tests;
