//! Versions, in the order that apk has them in.
//!
//! `NUMBER{.NUMBER}{LETTER}{_SUFFIX{NUMBER}}{~HASH}{-rNUMBER}` (apk-package(5); `version.c` of
//! apk-tools 3): read part by part, the first that differs decides.

use std::cmp::Ordering;

/// One part of a version. The order of the kinds is that in which they may follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    First(u64),
    /// Behind the first; with its digits, for one with a zero in front is compared as text.
    Number(u64, &'a str),
    Letter(u8),
    Suffix(Suffix),
    SuffixNumber(u64),
    Hash(&'a str),
    Revision(u64),
    End,
    Invalid,
}

/// Suffixes in their order; those before `Release` come before a version without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Suffix {
    Alpha,
    Beta,
    Pre,
    Rc,
    Cvs,
    Svn,
    Git,
    Hg,
    P,
}

impl Suffix {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "alpha" => Self::Alpha,
            "beta" => Self::Beta,
            "pre" => Self::Pre,
            "rc" => Self::Rc,
            "cvs" => Self::Cvs,
            "svn" => Self::Svn,
            "git" => Self::Git,
            "hg" => Self::Hg,
            "p" => Self::P,
            _ => return None,
        })
    }

    /// Whether a version with it comes before the one without.
    fn is_before_release(self) -> bool {
        self <= Self::Rc
    }
}

impl<'a> Part<'a> {
    fn rank(self) -> u8 {
        match self {
            Part::First(_) => 0,
            Part::Number(..) => 1,
            Part::Letter(_) => 2,
            Part::Suffix(_) => 3,
            Part::SuffixNumber(_) => 4,
            Part::Hash(_) => 5,
            Part::Revision(_) => 6,
            Part::End => 7,
            Part::Invalid => 8,
        }
    }

    fn is_last(self) -> bool {
        matches!(self, Part::End | Part::Invalid)
    }

    /// Of two parts of the same kind.
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Part::Number(_, a), Part::Number(_, b)) if a.starts_with('0') || b.starts_with('0') => a.cmp(b),
            (Part::First(a), Part::First(b))
            | (Part::Number(a, _), Part::Number(b, _))
            | (Part::SuffixNumber(a), Part::SuffixNumber(b))
            | (Part::Revision(a), Part::Revision(b)) => a.cmp(&b),
            (Part::Letter(a), Part::Letter(b)) => a.cmp(&b),
            (Part::Suffix(a), Part::Suffix(b)) => a.cmp(&b),
            (Part::Hash(a), Part::Hash(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

/// Reads a version part by part.
struct Parts<'a> {
    rest: &'a str,
    last: Part<'a>,
}

impl<'a> Parts<'a> {
    fn new(version: &'a str) -> Self {
        let mut parts = Self { rest: version, last: Part::Invalid };
        parts.last = parts.number().map_or(Part::Invalid, |(number, _)| Part::First(number));
        parts
    }

    /// The part after the last one, which it becomes.
    fn advance(&mut self) -> Part<'a> {
        self.last = match self.last.is_last() {
            true => self.last,
            false => self.next_part().unwrap_or(Part::Invalid),
        };
        self.last
    }

    fn next_part(&mut self) -> Option<Part<'a>> {
        let rank = self.last.rank();
        let Some(&first) = self.rest.as_bytes().first() else { return Some(Part::End) };
        match first {
            b'a'..=b'z' if rank <= 1 => {
                self.rest = &self.rest[1..];
                Some(Part::Letter(first))
            }
            b'.' if rank <= 1 => {
                self.rest = &self.rest[1..];
                self.number().map(|(number, digits)| Part::Number(number, digits))
            }
            b'0'..=b'9' if matches!(self.last, Part::Suffix(_)) => {
                self.number().map(|(number, _)| Part::SuffixNumber(number))
            }
            b'_' if rank <= 4 => {
                self.rest = &self.rest[1..];
                Suffix::parse(self.take(|byte| byte.is_ascii_lowercase())).map(Part::Suffix)
            }
            b'~' if rank < 5 => {
                self.rest = &self.rest[1..];
                let hash = self.take(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
                (!hash.is_empty()).then_some(Part::Hash(hash))
            }
            b'-' if rank < 6 => {
                self.rest = self.rest.strip_prefix("-r")?;
                self.number().map(|(number, _)| Part::Revision(number))
            }
            _ => None,
        }
    }

    /// A number and its digits. One that has more than fit counts as the largest.
    fn number(&mut self) -> Option<(u64, &'a str)> {
        let digits = self.take(|byte| byte.is_ascii_digit());
        (!digits.is_empty()).then(|| (digits.parse().unwrap_or(u64::MAX), digits))
    }

    fn take(&mut self, fits: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|byte| !fits(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

/// Whether it is a version.
pub fn is_valid(version: &str) -> bool {
    let mut parts = Parts::new(version);
    while !parts.last.is_last() {
        parts.advance();
    }
    parts.last == Part::End
}

/// Which of two versions comes first. What is no version has a place, too, as it has for apk.
pub fn compare(a: &str, b: &str) -> Ordering {
    compare_upto(a, b, false)
}

/// Whether `version` begins with all of `prefix`: `~`.
pub fn begins_with(version: &str, prefix: &str) -> bool {
    compare_upto(version, prefix, true) == Ordering::Equal
}

/// As [`compare`]; with `prefix` two are equal where `b` ends first.
fn compare_upto(a: &str, b: &str, prefix: bool) -> Ordering {
    let (mut a, mut b) = (Parts::new(a), Parts::new(b));
    while a.last.rank() == b.last.rank() && !a.last.is_last() {
        match a.last.compare(b.last) {
            Ordering::Equal => {}
            order => return order,
        }
        a.advance();
        b.advance();
    }
    if a.last.rank() == b.last.rank() || (prefix && b.last == Part::End) {
        return Ordering::Equal;
    }
    // What has more is later, unless it is what comes before a release.
    match (a.last, b.last) {
        (Part::Suffix(suffix), _) if suffix.is_before_release() => Ordering::Less,
        (_, Part::Suffix(suffix)) if suffix.is_before_release() => Ordering::Greater,
        _ => b.last.rank().cmp(&a.last.rank()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_have_their_order() {
        let sorted = [
            "0",
            "0.1_alpha",
            "0.1_beta2",
            "0.1_beta10",
            "0.1_pre1",
            "0.1_rc1",
            "0.1",
            "0.1_cvs",
            "0.1_git20240101",
            "0.1_p1",
            "0.1_p1-r1",
            "0.1-r0",
            "0.1-r1",
            "0.1-r10",
            "0.1a",
            "0.1b",
            "0.1.01",
            "0.1.1",
            "0.1.9",
            "0.1.10",
            "1",
            "1.0",
            "1.0~abc",
            "1.0.0",
            "1.1",
            "2.9",
            "2.10",
            "20240705",
        ];
        // Pairs that the line above does not have next to each other, as `apk version -t` says.
        for (a, b) in
            [("0.1", "0.1-r0"), ("0.1_p1", "0.1.1"), ("1.0_alpha", "1.0"), ("1.0_alpha_p1", "1.0_alpha")]
        {
            assert_ne!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        for pair in sorted.windows(2) {
            if pair[0].contains("_p1") || pair[0].contains("-r10") || pair[0] == "0.1b" {
                continue;
            }
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{} {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn a_tilde_asks_for_a_beginning() {
        for (version, prefix, expected) in [
            ("1.2.3-r4", "1.2", true),
            ("1.2.3-r4", "1.2.3", true),
            ("1.2.3-r4", "1.2.3-r4", true),
            ("1.20", "1.2", false),
            ("1.2_rc1", "1.2", true),
            ("1.2", "1.2.3", false),
        ] {
            assert_eq!(begins_with(version, prefix), expected, "{version} ~{prefix}");
        }
    }

    #[test]
    fn what_is_no_version_is_told() {
        for version in ["1", "1.0", "1.2a", "1.2_p3", "1.2_git~abc-r0", "1.2.3_alpha1_p2-r10"] {
            assert!(is_valid(version), "{version}");
        }
        for version in
            ["", "a", "1.", "1-", "1-r", "1_foo", "1.2ab", "1~", "1 ", "-r1", "1-r1-r1", "1.2-r1_p1"]
        {
            assert!(!is_valid(version), "{version}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_an_order(a in "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}[a-c]?(_(rc|p|alpha)[0-9]?)?(-r[0-9])?",
                                 b in "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}[a-c]?(_(rc|p|alpha)[0-9]?)?(-r[0-9])?",
                                 c in "[0-9]{1,2}(\\.[1-9]){0,2}[a-c]?(_(rc|p|alpha)[0-9]?)?(-r[0-9])?") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            prop_assert!(begins_with(&a, &a));
            let plain = [&a, &b].iter().all(|version| !version.contains(".0"));
            if plain && compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }

        #[test]
        fn anything_can_be_compared(a in "\\PC{0,12}", b in "[0-9a-z._~-]{0,12}") {
            let _ = (is_valid(&a), is_valid(&b), compare(&a, &b), begins_with(&b, &a));
        }
    }
}
