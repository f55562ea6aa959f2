//! What a package needs, has, replaces or cannot stand, as apk writes it (apk-world(5)).
//!
//! `NAME`, `NAME>=VERSION`, `NAME~VERSION`, `NAME><CHECKSUM`, `!NAME`, `NAME@TAG`. Prefixes
//! (`so:`, `cmd:`, `pc:`) and paths (`/bin/sh`) are parts of the name.

use std::cmp::Ordering;
use std::fmt;

use crate::version;

/// How a version must stand to another: any of what is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operator {
    less: bool,
    equal: bool,
    greater: bool,
    /// Equal as far as the other goes.
    fuzzy: bool,
}

/// What is asked of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Constraint<'a> {
    /// Any, or none at all.
    Any,
    /// It stands so to this one.
    Version(Operator, &'a str),
    /// The package itself is this one: `><Q1…`.
    Checksum(&'a str),
}

/// A dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dependency<'a> {
    /// Whether what it describes must not be there.
    pub conflict: bool,
    /// The name of a package, or what packages provide.
    pub name: &'a str,
    /// What is asked of its version.
    pub constraint: Constraint<'a>,
    /// The tag of the repositories it may come from, beside those without one.
    pub tag: Option<&'a str>,
}

/// Why a text is no dependency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no dependency: {why}")]
pub struct DependencyError {
    text: String,
    why: &'static str,
}

const OPERATORS: [char; 4] = ['<', '>', '=', '~'];

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        let has = |sign| text.contains(sign);
        let known = ["<", ">", "=", "<=", ">=", "~", "=~", "~=", "<~", ">~", "=<", "=>"];
        known.contains(&text).then(|| Self {
            less: has('<'),
            equal: has('=') || has('~'),
            greater: has('>'),
            fuzzy: has('~'),
        })
    }

    /// Whether `version` stands so to `other`.
    pub fn accepts(self, version: &str, other: &str) -> bool {
        if self.fuzzy && version::begins_with(version, other) {
            return true;
        }
        match version::compare(version, other) {
            Ordering::Less => self.less,
            Ordering::Equal => self.equal,
            Ordering::Greater => self.greater,
        }
    }
}

impl fmt::Display for Operator {
    /// As apk's database has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.less {
            f.write_str("<")?;
        }
        if self.greater {
            f.write_str(">")?;
        }
        match (self.fuzzy, self.equal) {
            (true, _) => f.write_str("~"),
            (false, true) => f.write_str("="),
            (false, false) => Ok(()),
        }
    }
}

impl Constraint<'_> {
    /// Whether a name of this version fulfils it; `None` is that of a name provided without one,
    /// which fulfils nothing that asks for a version. `checksum` is the package's own.
    pub fn accepts(self, version: Option<&str>, checksum: &str) -> bool {
        match (self, version) {
            (Constraint::Any, _) => true,
            (Constraint::Version(..), None) => false,
            (Constraint::Version(operator, wanted), Some(version)) => operator.accepts(version, wanted),
            (Constraint::Checksum(wanted), _) => wanted == checksum,
        }
    }
}

impl<'a> Dependency<'a> {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn parse(text: &'a str) -> Result<Self, DependencyError> {
        let bad = |why| DependencyError { text: text.to_owned(), why };
        let (conflict, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let name_end = rest.find(|c: char| OPERATORS.contains(&c) || c == '@').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(name_end);
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(bad("it has no name"));
        }
        // A word of a world is an argument of the machine's apk: none may be an option there.
        if text.starts_with('-') || name.starts_with('-') {
            return Err(bad("a name does not begin with a dash"));
        }
        // The tag stands behind the name or at the end.
        let (rest, tag) = match rest.split_once('@') {
            None => (rest, None),
            Some(("", behind)) => {
                let end = behind.find(OPERATORS).unwrap_or(behind.len());
                (&behind[end..], Some(&behind[..end]))
            }
            Some((before, tag)) => (before, Some(tag)),
        };
        if tag.is_some_and(|tag| tag.is_empty() || tag.contains(OPERATORS)) {
            return Err(bad("its tag is empty or has signs"));
        }
        let version_at = rest.find(|c| !OPERATORS.contains(&c)).unwrap_or(rest.len());
        let constraint = match rest.split_at(version_at) {
            ("", "") => Constraint::Any,
            (_, "") => return Err(bad("a version is missing")),
            ("><", checksum) => Constraint::Checksum(checksum),
            (signs, version) => {
                let operator = Operator::parse(signs).ok_or_else(|| bad("its signs mean nothing"))?;
                if !version::is_valid(version) {
                    return Err(bad("its version is none"));
                }
                Constraint::Version(operator, version)
            }
        };
        Ok(Self { conflict, name, constraint, tag })
    }

    /// Reads several, with blanks between them.
    ///
    /// # Errors
    ///
    /// If one is none.
    pub fn parse_all(text: &'a str) -> Result<Vec<Self>, DependencyError> {
        text.split_ascii_whitespace().map(Self::parse).collect()
    }
}

impl fmt::Display for Dependency<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conflict = if self.conflict { "!" } else { "" };
        write!(f, "{conflict}{}", self.name)?;
        if let Some(tag) = self.tag {
            write!(f, "@{tag}")?;
        }
        match self.constraint {
            Constraint::Any => Ok(()),
            Constraint::Version(operator, version) => write!(f, "{operator}{version}"),
            Constraint::Checksum(checksum) => write!(f, "><{checksum}"),
        }
    }
}

/// Dependencies in a row, as apk's database has them.
pub fn list(dependencies: &[Dependency<'_>]) -> String {
    dependencies.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn they_are_read_and_written_as_apk_does() {
        for (text, written) in [
            ("musl", "musl"),
            ("musl>=1.2.3_git20230424", "musl>=1.2.3_git20230424"),
            ("!uclibc", "!uclibc"),
            ("so:libc.musl-x86_64.so.1", "so:libc.musl-x86_64.so.1"),
            ("/bin/sh", "/bin/sh"),
            ("python3~3.12", "python3~3.12"),
            ("python3~=3.12", "python3~3.12"),
            ("a@edge", "a@edge"),
            ("a=1@edge", "a@edge=1"),
            ("a@edge=1", "a@edge=1"),
            ("!a<2", "!a<2"),
            ("a><Q1abc=", "a><Q1abc="),
        ] {
            assert_eq!(Dependency::parse(text).unwrap().to_string(), written, "{text}");
        }
        for text in
            ["", "!", "-a", "!-a", "--allow-untrusted", "=1", "a=", "a=x", "a@", "a<>=1", "a b", "a==1"]
        {
            assert!(Dependency::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn constraints_accept_what_they_say() {
        let accepts = |text, version| Dependency::parse(text).unwrap().constraint.accepts(version, "Q1x=");
        assert!(accepts("a", None) && accepts("a", Some("1")) && !accepts("a>2", None));
        assert!(accepts("a~1.2", Some("1.2.9-r3")) && !accepts("a~1.2", Some("1.20")));
        assert!(
            accepts("a<~1.2", Some("1.2.9"))
                && accepts("a<~1.2", Some("1.1"))
                && !accepts("a<~1.2", Some("1.3"))
        );
        assert!(accepts("a><Q1x=", Some("1")) && !accepts("a><Q1y=", Some("1")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "[!a-z:/@<>=~0-9.]{0,16}") {
            if let Ok(dependency) = Dependency::parse(&text) {
                let written = dependency.to_string();
                prop_assert_eq!(Dependency::parse(&written).unwrap(), dependency);
            }
        }
    }
}
