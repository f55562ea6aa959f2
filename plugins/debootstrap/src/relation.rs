//! Dependencies between packages: `Depends` and its kin, deb-control(5) and Debian Policy 7.1.
//!
//! A field is a list of groups; of each group one alternative must hold. Texts are borrowed:
//! an index has half a million relations, of which a build reads a few hundred.

use std::cmp::Ordering;
use std::fmt;

use crate::version;

/// The most relations that a field may have. Debian's longest has about 1200.
pub const MAX_RELATIONS: usize = 1 << 16;

/// How a version must relate to the one that a relation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `<<`.
    Earlier,
    /// `<=`, and the obsolete `<`.
    EarlierEqual,
    /// `=`.
    Equal,
    /// `>=`, and the obsolete `>`.
    LaterEqual,
    /// `>>`.
    Later,
}

impl Op {
    /// Whether `version` stands so to `bound`.
    pub fn holds(self, version: &str, bound: &str) -> bool {
        let order = version::compare(version, bound);
        match self {
            Op::Earlier => order == Ordering::Less,
            Op::EarlierEqual => order != Ordering::Greater,
            Op::Equal => order == Ordering::Equal,
            Op::LaterEqual => order != Ordering::Less,
            Op::Later => order == Ordering::Greater,
        }
    }

    /// Takes the operator off the front of `text`. dpkg reads a single `<` or `>` as "or equal".
    fn take(text: &str) -> Option<(Self, &str)> {
        const WRITTEN: [(&str, Op); 7] = [
            ("<<", Op::Earlier),
            ("<=", Op::EarlierEqual),
            (">>", Op::Later),
            (">=", Op::LaterEqual),
            ("=", Op::Equal),
            ("<", Op::EarlierEqual),
            (">", Op::LaterEqual),
        ];
        WRITTEN.iter().find_map(|&(written, op)| Some((op, text.strip_prefix(written)?)))
    }
}

/// As in a field, in the modern spelling.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Earlier => "<<",
            Op::EarlierEqual => "<=",
            Op::Equal => "=",
            Op::LaterEqual => ">=",
            Op::Later => ">>",
        })
    }
}

/// One alternative: a package, perhaps of some versions or architectures only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The package, real or virtual.
    pub name: &'a str,
    /// What follows the name's colon: `any`, `native` or an architecture.
    pub qualifier: Option<&'a str>,
    /// The versions that will do.
    pub constraint: Option<(Op, &'a str)>,
    /// Between brackets: the architectures it counts for, or with `!` those it does not.
    architectures: Option<&'a str>,
    /// One or several `<…>`: the build profiles it counts for.
    profiles: Option<&'a str>,
}

impl<'a> Relation<'a> {
    /// To a package of any version.
    pub fn to(name: &'a str) -> Self {
        Self { name, qualifier: None, constraint: None, architectures: None, profiles: None }
    }

    /// Whether it counts for `arch`, dpkg's name, when no build profile is active. Only the
    /// fields of source packages should restrict a relation so.
    pub fn applies(&self, arch: &str) -> bool {
        self.architectures.is_none_or(|list| lists_arch(list, arch))
            && self.profiles.is_none_or(holds_without_profiles)
    }

    /// Whether `version` is one that will do. What has no version satisfies none that is asked.
    pub fn accepts(&self, version: Option<&str>) -> bool {
        match (self.constraint, version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((op, bound)), Some(version)) => op.holds(version, bound),
        }
    }
}

/// As in a field, without the restrictions.
impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        match self.constraint {
            Some((op, version)) => write!(f, " ({op} {version})"),
            None => Ok(()),
        }
    }
}

/// A list is of one kind, all plain or all with `!`; Policy 7.1 leaves no other.
fn lists_arch(list: &str, arch: &str) -> bool {
    let mut words = list.split_ascii_whitespace().peekable();
    if words.peek().is_some_and(|first| first.starts_with('!')) {
        !words.any(|word| word.strip_prefix('!') == Some(arch))
    } else {
        words.any(|word| word == arch || word == "any")
    }
}

/// One of the `<…>` must hold, and of its words all; without profiles only `!…` hold.
fn holds_without_profiles(lists: &str) -> bool {
    lists
        .split(['<', '>'])
        .filter(|list| !list.trim_ascii().is_empty())
        .any(|list| list.split_ascii_whitespace().all(|word| word.starts_with('!')))
}

/// Alternatives, the preferred one first.
pub type Group<'a> = Vec<Relation<'a>>;

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelationError {
    /// An alternative that does not begin with a package's name.
    #[error("in {0:?}: there is no package name")]
    NoName(String),
    /// A qualifier that is empty or no word.
    #[error("in {0:?}: the architecture behind the colon is not a word")]
    Qualifier(String),
    /// Something between `(` and `)` that is not an operator and a version.
    #[error("in {0:?}: between parentheses stands no operator with a version")]
    Constraint(String),
    /// A version that is none.
    #[error("in {text:?}: {source}")]
    Version {
        /// The alternative.
        text: String,
        /// What is wrong with its version.
        source: version::VersionError,
    },
    /// Text behind the relation, or a bracket that is not closed.
    #[error("in {0:?}: text that is no part of a relation")]
    Trailing(String),
    /// `Provides` with another operator than `=`.
    #[error("in {0:?}: only an exact version can be provided")]
    ProvidedRange(String),
    /// More than [`MAX_RELATIONS`].
    #[error("there are more than {MAX_RELATIONS} relations")]
    TooMany,
}

/// Reads `Depends`, `Pre-Depends`, `Conflicts`, `Breaks` or `Replaces`.
///
/// # Errors
///
/// The first alternative that cannot be read, with its text.
pub fn parse(field: &str) -> Result<Vec<Group<'_>>, RelationError> {
    let mut count = 0;
    let mut group = |text| -> Result<Group<'_>, RelationError> {
        count += 1;
        alternatives(text, &mut count)
    };
    pieces(field).map(&mut group).collect()
}

fn alternatives<'a>(text: &'a str, count: &mut usize) -> Result<Group<'a>, RelationError> {
    let mut group = Group::new();
    for alternative in text.split('|') {
        if *count > MAX_RELATIONS {
            return Err(RelationError::TooMany);
        }
        group.push(relation(alternative)?);
        *count += 1;
    }
    Ok(group)
}

/// Reads `Provides`: each a name with perhaps one exact version.
///
/// # Errors
///
/// As items of the iterator: what cannot be read, and what is provided in a range of versions.
pub fn provides(field: &str) -> impl Iterator<Item = Result<Relation<'_>, RelationError>> {
    pieces(field).enumerate().map(|(count, text)| {
        if count >= MAX_RELATIONS {
            return Err(RelationError::TooMany);
        }
        let provided = relation(text)?;
        match provided.constraint {
            None | Some((Op::Equal, _)) => Ok(provided),
            Some(_) => Err(RelationError::ProvidedRange(excerpt(text))),
        }
    })
}

/// What stands between commas. A comma too many is common in hand-made packages.
fn pieces(field: &str) -> impl Iterator<Item = &str> {
    field.split(',').filter(|piece| !piece.trim_ascii().is_empty())
}

/// One alternative: name, qualifier, version, restrictions.
fn relation(text: &str) -> Result<Relation<'_>, RelationError> {
    let whole = text;
    let (name, rest) = word(text.trim_ascii());
    if !is_name(name) {
        return Err(RelationError::NoName(excerpt(whole)));
    }
    let (qualifier, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let (qualifier, rest) = word(rest);
            if !is_name(qualifier) {
                return Err(RelationError::Qualifier(excerpt(whole)));
            }
            (Some(qualifier), rest)
        }
        None => (None, rest),
    };
    let (inside, rest) = bracketed(rest, '(', ')', whole)?;
    let constraint = inside.map(|inside| constraint(inside, whole)).transpose()?;
    let (architectures, rest) = bracketed(rest, '[', ']', whole)?;
    let profiles = rest.trim_ascii();
    if !are_profiles(profiles) {
        return Err(RelationError::Trailing(excerpt(whole)));
    }
    let profiles = (!profiles.is_empty()).then_some(profiles);
    Ok(Relation { name, qualifier, constraint, architectures, profiles })
}

/// What is in front up to a blank or a mark of the syntax.
fn word(text: &str) -> (&str, &str) {
    let ends = |b: u8| b.is_ascii_whitespace() || b"()[]<>:".contains(&b);
    text.split_at(text.bytes().position(ends).unwrap_or(text.len()))
}

/// Policy 5.6.7, but leaves case, length and the first character to those who make packages.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

/// What brackets enclose, if there are any here, and what follows.
fn bracketed<'a>(
    text: &'a str,
    open: char,
    close: char,
    whole: &str,
) -> Result<(Option<&'a str>, &'a str), RelationError> {
    let text = text.trim_ascii_start();
    match text.strip_prefix(open).map(|inside| inside.split_once(close)) {
        None => Ok((None, text)),
        Some(Some((inside, rest))) => Ok((Some(inside), rest)),
        Some(None) => Err(RelationError::Trailing(excerpt(whole))),
    }
}

fn constraint<'a>(inside: &'a str, whole: &str) -> Result<(Op, &'a str), RelationError> {
    let (op, version) =
        Op::take(inside.trim_ascii_start()).ok_or_else(|| RelationError::Constraint(excerpt(whole)))?;
    let version = version.trim_ascii();
    version::validate(version).map_err(|source| RelationError::Version { text: excerpt(whole), source })?;
    Ok((op, version))
}

fn are_profiles(mut text: &str) -> bool {
    while !text.is_empty() {
        let Some((list, rest)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
            return false;
        };
        if list.contains('<') {
            return false;
        }
        text = rest.trim_ascii_start();
    }
    true
}

/// Enough of a text to find it by.
fn excerpt(text: &str) -> String {
    text.trim_ascii().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_field_is_groups_of_alternatives() {
        let field = " a (>= 1.0) | b:any,\n c [amd64 !arm64] <!nocheck> , libfoo+2.0-x:i386(<<2:1-1)";
        let parsed = parse(field).unwrap();
        let first = Relation { constraint: Some((Op::LaterEqual, "1.0")), ..Relation::to("a") };
        assert_eq!(parsed[0], [first, Relation { qualifier: Some("any"), ..Relation::to("b") }]);
        let restricted = Relation {
            architectures: Some("amd64 !arm64"),
            profiles: Some("<!nocheck>"),
            ..Relation::to("c")
        };
        assert_eq!(parsed[1], [restricted]);
        let last = Relation {
            qualifier: Some("i386"),
            constraint: Some((Op::Earlier, "2:1-1")),
            ..Relation::to("libfoo+2.0-x")
        };
        assert_eq!(parsed[2], [last]);
        assert_eq!(parse("").unwrap(), Vec::<Group<'_>>::new());
        assert_eq!(parse(" , a,").unwrap(), [[Relation::to("a")]]);
    }

    #[test]
    fn operators_are_dpkgs() {
        let cases = [
            ("<< 2", [true, false, false]),
            ("<= 2", [true, true, false]),
            ("= 2", [false, true, false]),
            (">= 2", [false, true, true]),
            (">> 2", [false, false, true]),
            ("< 2", [true, true, false]),
            ("> 2", [false, true, true]),
            (">=2", [false, true, true]),
        ];
        for (written, expected) in cases {
            let field = format!("a ({written})");
            let relation = parse(&field).unwrap()[0][0];
            assert_eq!(["1", "2", "3"].map(|v| relation.accepts(Some(v))), expected, "{written}");
            assert!(!relation.accepts(None));
        }
        assert!(Relation::to("a").accepts(None));
    }

    #[test]
    fn restrictions_decide_whether_a_relation_counts() {
        let cases = [
            ("a", true),
            ("a [amd64]", true),
            ("a [arm64 amd64]", true),
            ("a [any]", true),
            ("a [arm64]", false),
            ("a [!arm64]", true),
            ("a [!arm64 !amd64]", false),
            ("a <!nocheck>", true),
            ("a <nocheck>", false),
            ("a <nocheck> <!cross>", true),
            ("a <!nocheck cross>", false),
            ("a [arm64] <!nocheck>", false),
        ];
        for (field, expected) in cases {
            assert_eq!(parse(field).unwrap()[0][0].applies("amd64"), expected, "{field}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let cases = [
            ("a, | b", "in \"\": there is no package name"),
            ("a |", "in \"\": there is no package name"),
            ("a, (>= 1)", "in \"(>= 1)\": there is no package name"),
            ("a: (>= 1)", "in \"a: (>= 1)\": the architecture behind the colon is not a word"),
            ("a (1)", "in \"a (1)\": between parentheses stands no operator with a version"),
            ("a (>= 1 2)", "in \"a (>= 1 2)\": the version holds ' '"),
            ("a (>=)", "in \"a (>=)\": the version is empty"),
            ("a (>= 1", "in \"a (>= 1\": text that is no part of a relation"),
            ("a b", "in \"a b\": text that is no part of a relation"),
            ("a <b", "in \"a <b\": text that is no part of a relation"),
        ];
        for (field, message) in cases {
            assert_eq!(parse(field).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn only_exact_versions_are_provided() {
        let read: Result<Vec<_>, _> = provides("a, b (= 1)").collect();
        let expected =
            [Relation::to("a"), Relation { constraint: Some((Op::Equal, "1")), ..Relation::to("b") }];
        assert_eq!(read.unwrap(), expected);
        let mut ranges = provides("a (>= 1), c");
        assert!(matches!(ranges.next(), Some(Err(RelationError::ProvidedRange(_)))));
        assert_eq!(ranges.next(), Some(Ok(Relation::to("c"))));
    }

    #[test]
    fn the_number_of_relations_is_bounded() {
        assert_eq!(parse(&"a|".repeat(MAX_RELATIONS + 1)), Err(RelationError::TooMany));
        assert_eq!(parse(&"a,".repeat(MAX_RELATIONS + 1)), Err(RelationError::TooMany));
        assert!(provides(&"a,".repeat(MAX_RELATIONS + 1)).any(|p| p == Err(RelationError::TooMany)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(field in "[ab(|),:<>=~ 1.\\[\\]!-]{0,24}") {
            let _ = parse(&field);
            let _ = provides(&field).count();
        }

        #[test]
        fn what_is_written_is_read_again(
            names in prop::collection::vec(("[a-z][a-z0-9+.-]{0,5}", 0..6_usize, 0..4_usize), 1..5),
        ) {
            let ops = ["<<", "<=", "=", ">=", ">>"];
            let written: Vec<String> = names
                .iter()
                .map(|(name, op, qualifier)| {
                    let qualifier = ["", ":any", ":native", ":arm64"][*qualifier];
                    let version = ops.get(*op).map(|op| format!(" ({op} 1:2-3)"));
                    format!("{name}{qualifier}{}", version.unwrap_or_default())
                })
                .collect();
            for (separator, groups) in [(", ", names.len()), (" | ", 1)] {
                let field = written.join(separator);
                let parsed = parse(&field).unwrap();
                prop_assert_eq!(parsed.len(), groups);
                let again: Vec<String> = parsed.iter().flatten().map(ToString::to_string).collect();
                prop_assert_eq!(&again, &written);
            }
        }
    }
}
