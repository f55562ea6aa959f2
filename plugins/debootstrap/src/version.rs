//! Versions of packages: `[epoch:]upstream[-revision]`, deb-version(7).
//!
//! The order is dpkg's, which is total: what is no version by the book (a foreign repository
//! may list one) has a place in it all the same, so a comparison never fails. Whether a text
//! is a version is a question of its own, [`validate`].

use std::cmp::Ordering;

/// Why a text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// It is empty, or empty behind the epoch.
    #[error("the version is empty")]
    Empty,
    /// What stands before the first colon is not a number up to 2147483647.
    #[error("the epoch is not a number from 0 to {}", i32::MAX)]
    Epoch,
    /// It ends in a hyphen.
    #[error("the revision is empty")]
    EmptyRevision,
    /// A character that this part of a version cannot hold.
    #[error("the version holds {0:?}")]
    Character(char),
}

/// Compares two versions as `dpkg --compare-versions` does.
pub fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (a, b) = (Parts::of(a.as_bytes()), Parts::of(b.as_bytes()));
    compare_part(a.epoch, b.epoch)
        .then_with(|| compare_part(a.upstream, b.upstream))
        .then_with(|| compare_part(a.revision, b.revision))
}

/// Checks the syntax as dpkg does when it reads a package.
///
/// # Errors
///
/// The first thing that is wrong. That the upstream version should begin with a digit is not
/// checked: dpkg only warns.
pub fn validate(version: &str) -> Result<(), VersionError> {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, version),
    };
    if epoch.is_some_and(|epoch| !is_epoch(epoch)) {
        return Err(VersionError::Epoch);
    }
    let (upstream, revision) = match rest.rsplit_once('-') {
        Some((upstream, revision)) => (upstream, Some(revision)),
        None => (rest, None),
    };
    if upstream.is_empty() {
        return Err(VersionError::Empty);
    }
    if revision == Some("") {
        return Err(VersionError::EmptyRevision);
    }
    let foreign =
        |text: &str, marks: &str| text.chars().find(|c| !c.is_ascii_alphanumeric() && !marks.contains(*c));
    let upstream = foreign(upstream, ".+-~:");
    match upstream.or_else(|| foreign(revision.unwrap_or_default(), ".+~")) {
        Some(c) => Err(VersionError::Character(c)),
        None => Ok(()),
    }
}

fn is_epoch(text: &str) -> bool {
    // `parse` alone would take a sign.
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<i32>().is_ok()
}

/// The three parts, an absent one empty: that sorts as `0` does.
struct Parts<'a> {
    epoch: &'a [u8],
    upstream: &'a [u8],
    revision: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(version: &'a [u8]) -> Self {
        let (epoch, rest) = match version.iter().position(|&b| b == b':') {
            Some(colon) => (&version[..colon], &version[colon + 1..]),
            None => (&[][..], version),
        };
        let (upstream, revision) = match rest.iter().rposition(|&b| b == b'-') {
            Some(hyphen) => (&rest[..hyphen], &rest[hyphen + 1..]),
            None => (rest, &[][..]),
        };
        Self { epoch, upstream, revision }
    }
}

/// Text and numbers in turn, each compared in its own way, until one differs.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let order = compare_text(&mut a, &mut b).then_with(|| compare_number(&mut a, &mut b));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Compares up to the next digit, and takes that off both.
fn compare_text(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    loop {
        let (x, y) = (a.first().copied(), b.first().copied());
        let order = weight(x).cmp(&weight(y));
        if order.is_ne() {
            return order;
        }
        // Equal weights: the same character, or both at a digit or the end.
        if weight(x) == 0 {
            return Ordering::Equal;
        }
        (*a, *b) = (&a[1..], &b[1..]);
    }
}

/// `~` before the end and before digits, those before letters, letters before the rest.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(byte),
        Some(byte) => i32::from(byte) + 256,
    }
}

/// Compares the digits in front as numbers of any length, and takes them off both.
fn compare_number(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let (x, y) = (take_number(a), take_number(b));
    x.len().cmp(&y.len()).then_with(|| x.cmp(y))
}

/// The digits in front without leading zeros, so that the longer one is the greater.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    &digits[digits.iter().position(|&b| b != b'0').unwrap_or(end)..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_sort_as_deb_version_says() {
        let ascending = [
            "~",
            "~~a",
            "0",
            "0a",
            "1~rc1-1",
            "1~rc1-1+b1",
            "1",
            "1-0+x",
            "1-1~bpo1",
            "1-1",
            "1-1+deb12u1",
            "1-1.1",
            "1-2",
            "1-10",
            "1a",
            "1+b",
            "1.0",
            "1.0.0",
            "1.2-3-4",
            "1.02.1",
            "1.10",
            "2",
            "1:0",
            "1:0.9",
            "2:0",
            "10:0",
        ];
        // `~~` is the one exception to ascending order: it comes before `~`.
        assert_eq!(compare("~~", "~"), Ordering::Less);
        for pair in ascending[2..].windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
    }

    #[test]
    fn different_texts_can_be_the_same_version() {
        let same = [
            ("1", "1-0"),
            ("1", "0:1"),
            ("1.0", "1.00"),
            ("1.", "1.0"),
            ("", "0"),
            ("00:1", "1"),
            ("1-", "1"),
            ("1.01", "1.1"),
        ];
        for (a, b) in same {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn numbers_are_of_any_length() {
        assert_eq!(compare("99999999999999999999999", "100000000000000000000000"), Ordering::Less);
        assert_eq!(compare("000000000000000000000000001", "1"), Ordering::Equal);
    }

    #[test]
    fn syntax_is_dpkgs() {
        for good in ["1", "0:1", "1:2:3-1", "1.0-1-2", "1.2~rc+dfsg-0.1", "2147483647:1", "a1"] {
            assert_eq!(validate(good), Ok(()), "{good}");
        }
        let bad = [
            ("", VersionError::Empty),
            ("1:", VersionError::Empty),
            ("-1", VersionError::Empty),
            ("1-", VersionError::EmptyRevision),
            (":1", VersionError::Epoch),
            ("a:1", VersionError::Epoch),
            ("+1:1", VersionError::Epoch),
            ("2147483648:1", VersionError::Epoch),
            ("1 2", VersionError::Character(' ')),
            ("1_2", VersionError::Character('_')),
            ("1-2:3", VersionError::Epoch),
            ("1:1-2:3", VersionError::Character(':')),
            ("1é", VersionError::Character('é')),
        ];
        for (text, error) in bad {
            assert_eq!(validate(text), Err(error), "{text:?}");
        }
    }

    /// The definition of deb-version(7) in another shape: a part is a list of texts and
    /// numbers in turn, and such lists are compared item by item.
    mod definition {
        use std::cmp::Ordering;

        type Part = Vec<(Vec<i32>, u128)>;

        fn part(text: &str) -> Part {
            let (mut items, mut rest) = (Part::new(), text);
            while !rest.is_empty() {
                let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
                let (letters, tail) = rest.split_at(digits);
                let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
                // The end of a text sorts behind `~` and before all else.
                let letters = letters.chars().map(rank).chain([0]).collect();
                items.push((letters, tail[..end].parse().unwrap_or(0)));
                rest = &tail[end..];
            }
            items
        }

        fn rank(c: char) -> i32 {
            match c {
                '~' => -1,
                'A'..='Z' | 'a'..='z' => c as i32,
                _ => c as i32 + 1000,
            }
        }

        fn compare_parts(a: &Part, b: &Part) -> Ordering {
            let nothing = (vec![0], 0);
            (0..a.len().max(b.len()))
                .map(|i| a.get(i).unwrap_or(&nothing).cmp(b.get(i).unwrap_or(&nothing)))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        }

        pub(super) fn compare(a: &str, b: &str) -> Ordering {
            let split = |text: &str| {
                let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
                let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
                [part(epoch), part(upstream), part(revision)]
            };
            let (a, b) = (split(a), split(b));
            (0..3).map(|i| compare_parts(&a[i], &b[i])).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }
    }

    proptest! {
        #[test]
        fn the_order_is_the_definitions(a in "[0-2ab.+~:-]{0,8}", b in "[0-2ab.+~:-]{0,8}") {
            prop_assert_eq!(compare(&a, &b), definition::compare(&a, &b));
        }

        #[test]
        fn any_text_has_a_place_in_the_order(a in ".{0,8}", b in ".{0,8}", c in ".{0,8}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
            let _ = validate(&a);
        }
    }
}
