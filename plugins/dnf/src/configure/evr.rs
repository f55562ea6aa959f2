//! Versions where scriptlets compare them: in a trigger's condition, and in Lua.
//!
//! Both compare texts of the form `[epoch:]version[-release]` whose parts may be absent, which
//! counts differently here and there (rpm-version(7)).

use std::cmp::Ordering;

pub(super) use crate::version::compare;

/// `RPMSENSE_LESS`
pub(super) const LESS: u64 = 1 << 1;
/// `RPMSENSE_GREATER`
pub(super) const GREATER: u64 = 1 << 2;
/// `RPMSENSE_EQUAL`
pub(super) const EQUAL: u64 = 1 << 3;

/// A version in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts<'t> {
    pub(super) epoch: Option<&'t str>,
    pub(super) version: &'t str,
    pub(super) release: Option<&'t str>,
}

/// Takes a version apart; `None` where it is empty.
pub(super) fn parse(text: &str) -> Option<Parts<'_>> {
    if text.is_empty() {
        return None;
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (epoch, rest) = match text[digits..].strip_prefix(':') {
        Some(rest) if digits == 0 => (Some("0"), rest),
        Some(rest) => (Some(&text[..digits]), rest),
        None => (None, text),
    };
    let (version, release) = match rest.rsplit_once('-') {
        Some((version, release)) => (version, Some(release)),
        None => (rest, None),
    };
    Some(Parts { epoch, version, release })
}

impl Parts<'_> {
    /// Orders whole versions (`rpmverCmp`): one without a release comes before those with one.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.compare_start(other).then_with(|| match (self.release, other.release) {
            (Some(one), Some(two)) => compare(one, two),
            (one, two) => one.is_some().cmp(&two.is_some()),
        })
    }

    fn compare_start(&self, other: &Self) -> Ordering {
        compare(self.epoch.unwrap_or("0"), other.epoch.unwrap_or("0"))
            .then_with(|| compare(self.version, other.version))
    }
}

/// Whether two ranges have a version in common; each is a version and on which side of it. A
/// version without a release stands for all of its releases.
pub(super) fn overlap((one, one_side): (&str, u64), (two, two_side): (&str, u64)) -> bool {
    let (Some(one), Some(two)) = (parse(one), parse(two)) else { return true };
    if (one_side | two_side) & (LESS | GREATER | EQUAL) == 0 {
        return true;
    }
    let release = |parts: &Parts<'_>| parts.release.is_some_and(|release| !release.is_empty());
    let order = match one.compare_start(&two) {
        Ordering::Equal if release(&one) && release(&two) => one.compare(&two),
        Ordering::Equal if release(&one) && two_side & EQUAL != 0 => return true,
        Ordering::Equal if release(&two) && one_side & EQUAL != 0 => return true,
        order => order,
    };
    match order {
        Ordering::Less => one_side & GREATER != 0 || two_side & LESS != 0,
        Ordering::Greater => one_side & LESS != 0 || two_side & GREATER != 0,
        Ordering::Equal => one_side & two_side & (LESS | GREATER | EQUAL) != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_rpms_order() {
        for (less, more) in [
            ("1.0", "1.1"),
            ("1.9", "1.10"),
            ("1.0~rc1", "1.0"),
            ("1.0", "1.0^git1"),
            ("1.0^git1", "1.0.1"),
            ("1.0a", "1.0b"),
            ("1.0.a", "1.0.1"),
            ("2.0", "2.0.1"),
            ("1.0^", "1.0^a"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more, less), Ordering::Greater, "{more} {less}");
        }
        for (one, two) in [("1.0", "1_0"), ("01", "1"), ("1.0", "1.0."), ("a", "a")] {
            assert_eq!(compare(one, two), Ordering::Equal, "{one} {two}");
        }
    }

    #[test]
    fn parts_may_be_absent() {
        let parts = |text| parse(text).map(|parts| (parts.epoch, parts.version, parts.release));
        assert_eq!(parts("1:2-3-4"), Some((Some("1"), "2-3", Some("4"))));
        assert_eq!(parts("2"), Some((None, "2", None)));
        assert_eq!(parts(":2"), Some((Some("0"), "2", None)));
        assert_eq!(parts(""), None);
        assert_eq!(parse("1-1").unwrap().compare(&parse("1").unwrap()), Ordering::Greater);
        assert_eq!(parse("0:1").unwrap().compare(&parse("1").unwrap()), Ordering::Equal);
    }

    #[test]
    fn ranges_overlap_where_a_version_is_in_both() {
        for (one, two, expected) in [
            (("1-1", EQUAL), ("1", EQUAL), true),
            (("1-1", EQUAL), ("1", LESS), false),
            (("1-1", EQUAL), ("2", LESS), true),
            (("1", LESS), ("1", GREATER), false),
            (("1", LESS | EQUAL), ("1", GREATER | EQUAL), true),
            (("2", GREATER), ("1", LESS), false),
            (("", 0), ("1", LESS), true),
        ] {
            assert_eq!(overlap(one, two), expected, "{one:?} {two:?}");
            assert_eq!(overlap(two, one), expected, "{two:?} {one:?}");
        }
    }
}
