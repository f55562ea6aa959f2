use std::cmp::Ordering::{self, Equal, Greater, Less};

use proptest::prelude::*;

use super::*;

/// Each is older than the one behind it. They follow rpm's own list, in the order of its ideas.
const RISING: &[&[&str]] = &[
    &["1.0", "2.0", "2.0.1", "2.0.1a", "2.0.2"],
    &["5.5p1", "5.5p2", "5.5p10", "5.6p1", "6.5p1"],
    &["10a2", "10b2", "10xyz", "10.1xyz"],
    &["xyz10", "xyz10.1"],
    // Letters are older than any number, and longer words newer than what they begin with.
    &["xyz.4", "2", "8"],
    &["6.0", "6.0.rc1"],
    &["1.0a", "1.0aa", "1.0b"],
    &["4.999.9", "5.0"],
    &["20101121", "20101122"],
    &["1.0~rc1~git123", "1.0~rc1", "1.0~rc1^git1", "1.0~rc2", "1.0", "1.0^", "1.0^git1~pre", "1.0^git1"],
    &["1.0^git1", "1.0^git2", "1.0.1", "1.01.2"],
    &["1.0^20160101", "1.0^20160101^git1", "1.0^20160102", "1.0.1"],
    &["1.0~1", "1.0^1"],
    &["99999999999999999999", "100000000000000000000"],
];

/// All of one line are equal.
const EQUAL: &[&[&str]] = &[
    &["2.0", "2_0", "2..0", "2.00", "02.0", "2.0."],
    &["10.0001", "10.1"],
    &["a", "a+", "a_", "+a", "_a"],
    &["", "+", "_", "+_"],
    // What is not ASCII only separates, as it always has.
    &["1.1.α", "1.1.β", "1.1.αα", "1.1."],
];

#[test]
fn versions_are_in_rpms_order() {
    for line in RISING {
        for (i, a) in line.iter().enumerate() {
            for (j, b) in line.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} and {b}");
            }
        }
    }
    for line in EQUAL {
        for a in *line {
            line.iter().for_each(|b| assert_eq!(compare(a, b), Equal, "{a} and {b}"));
        }
    }
}

fn evr(text: &str) -> Evr {
    Evr::parse(text).unwrap()
}

#[test]
fn an_epoch_and_a_release_are_told_from_the_version() {
    let parts = |text| {
        let evr = evr(text);
        (evr.epoch, evr.version.to_string(), evr.release.map(|release| release.to_string()))
    };
    let of =
        |epoch, version: &str, release: Option<&str>| (epoch, version.to_owned(), release.map(str::to_owned));
    assert_eq!(parts("1:2-3"), of(1, "2", Some("3")));
    assert_eq!(parts("2-3-4"), of(0, "2-3", Some("4")));
    assert_eq!(parts("2"), of(0, "2", None));
    assert_eq!(parts("2-"), of(0, "2", None));
    assert_eq!(parts(":2"), of(0, "2", None));
    assert_eq!(parts("a:2"), of(0, "a:2", None));
    assert!(Evr::parse("4294967296:1").is_err());
}

#[test]
fn what_is_written_is_what_was_read() {
    for text in ["1:2-3", "2-3", "2", "1:2"] {
        assert_eq!(evr(text).to_string(), text);
    }
    assert_eq!(evr("0:2-3").to_string(), "2-3");
}

#[test]
fn the_epoch_counts_first_and_the_release_last() {
    assert_eq!(evr("1:1-1").compare(&evr("2-2")), Greater);
    assert_eq!(evr("2-1").compare(&evr("1-2")), Greater);
    assert_eq!(evr("1-1").compare(&evr("1-2")), Less);
    assert_eq!(evr("1").compare(&evr("1-0")), Less);
}

#[test]
fn in_a_relation_a_missing_release_is_any() {
    assert_eq!(evr("1").compare_in_relation(&evr("1-5")), Equal);
    assert_eq!(evr("1-5").compare_in_relation(&evr("1")), Equal);
    assert_eq!(evr("1-5").compare_in_relation(&evr("1-6")), Less);
    assert_eq!(evr("2").compare_in_relation(&evr("1-6")), Greater);
}

fn any_version() -> impl Strategy<Value = String> {
    "[01ab.~^+]{0,6}"
}

proptest! {
    #[test]
    fn the_order_is_total(a in any_version(), b in any_version(), c in any_version()) {
        let (ab, bc, ac) = (compare(&a, &b), compare(&b, &c), compare(&a, &c));
        prop_assert_eq!(compare(&b, &a), ab.reverse());
        prop_assert_eq!(compare(&a, &a), Equal);
        let both: Option<Ordering> = match (ab, bc) {
            (Equal, order) | (order, Equal) => Some(order),
            (first, second) => (first == second).then_some(first),
        };
        if let Some(expected) = both {
            prop_assert_eq!(ac, expected, "{} {} {}", a, b, c);
        }
    }

    #[test]
    fn a_version_survives_writing(text in "([0-9]{1,3}:)?[a-z0-9.~^]{1,8}(-[a-z0-9.]{1,4})?") {
        let evr = evr(&text);
        prop_assert_eq!(Evr::parse(&evr.to_string()).unwrap(), evr);
    }
}
