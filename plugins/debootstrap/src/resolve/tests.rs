//! What is chosen, and what is said where nothing can be.

use proptest::prelude::*;

use super::testing::{Words, archive, chosen, fault, want};
use super::{ResolveError, Want};
use crate::package::Priority;

#[test]
fn what_a_package_needs_comes_along() {
    let text = "a 1\n Pre-Depends: b\n Depends: c\nb 1\nc 1\n Depends: a\nd 1\n";
    assert_eq!(chosen(text, "a"), "a=1 b=1 c=1");
    assert_eq!(chosen(text, "d d"), "d=1");
    assert_eq!(chosen(text, ""), "");
}

#[test]
fn an_alternative_that_is_there_already_wins() {
    let text = "a 1\n Depends: x | y\nb 1\n Depends: y\nx 1\ny 1\n";
    assert_eq!(chosen(text, "a"), "a=1 x=1");
    assert_eq!(chosen(text, "b a"), "a=1 b=1 y=1");
    // Too late: apt goes depth first and never back.
    assert_eq!(chosen(text, "a b"), "a=1 b=1 x=1 y=1");
    // What is asked for is there before all else.
    assert_eq!(chosen(text, "a y"), "a=1 y=1");
}

#[test]
fn an_alternative_that_cannot_be_had_is_passed_over() {
    let text = "a 1\n Depends: x | nothing | y\nx 1\n Depends: missing\ny 1\n";
    assert_eq!(chosen(text, "a"), "a=1 y=1");
}

#[test]
fn a_package_comes_before_one_that_provides_its_name() {
    let text = "a 1\n Depends: x\nw 1\n Provides: x\n Priority: required\nx 1\n";
    assert_eq!(chosen(text, "a"), "a=1 x=1");
    assert_eq!(chosen(text, "a w"), "a=1 w=1");
}

#[test]
fn of_providers_the_more_important_wins_then_the_one_met_last() {
    let text = "p 1\n Provides: x\nq 1\n Provides: x\nr 1\n Provides: x\na 1\n Depends: x\n";
    assert_eq!(chosen(text, "a"), "a=1 r=1");
    // A mention counts as a meeting.
    assert_eq!(chosen(&format!("z 1\n Depends: r\n{text}"), "a"), "a=1 q=1");
    assert_eq!(chosen(&format!("z 1\n Conflicts: r:any, s, r\n{text}"), "a"), "a=1 q=1");
    let important = text.replacen("p 1\n", "p 1\n Priority: important\n", 1);
    assert_eq!(chosen(&important, "a"), "a=1 p=1");
    let essential = important.replacen("q 1\n", "q 1\n Essential: yes\n", 1);
    assert_eq!(chosen(&essential, "a"), "a=1 q=1");
}

#[test]
fn versions_of_provided_names_count() {
    let text = "a 1\n Depends: x (>= 2)\nb 1\n Depends: x (<< 2)\nc 1\n Depends: x\n\
                p 9\n Provides: x (= 1)\nq 1\n Provides: x (= 2)\nr 3\n Provides: x\n";
    assert_eq!(chosen(text, "a"), "a=1 q=1");
    assert_eq!(chosen(text, "b"), "b=1 p=9");
    assert_eq!(chosen(text, "c"), "c=1 r=3");
}

#[test]
fn the_candidate_is_of_the_highest_pin_then_the_highest_version() {
    let text = "a 1 amd64 0\na 3 amd64 1\na 2 amd64 2\nb 1 amd64 1\nc 1 amd64 3\nc 1 amd64 0\n";
    let words = Words { priorities: vec![500, 100, 500, -1], ..Words::new("a b c") };
    assert_eq!(words.resolve(text), "a=2 b=1 c=1");
    assert_eq!(words.indexes(&archive(text)), Ok(vec![2, 3, 5]));
    assert_eq!(chosen(text, "a=1 b"), "a=1 b=1");
    let unpinned = Words { priorities: vec![500, -1], ..Words::new("b") };
    assert_eq!(
        unpinned.resolve(text),
        "there is no package b; no repository that has it may be used for it (pin priority)"
    );
    // Asked for by version, the pin does not matter.
    assert_eq!(Words { priorities: vec![500, -1], ..Words::new("a=3") }.resolve(text), "a=3");
}

#[test]
fn a_repository_that_is_asked_for_serves_the_needs_too() {
    let text = "a 1\na 2 amd64 1\n Depends: b (>= 2)\nb 1\nb 2 amd64 1\n Depends: c\nc 1\nc 2 amd64 1\n";
    let from = |name: &str| Want::Package {
        name: name.to_owned(),
        arch: None,
        version: None,
        repositories: Some(vec![1]),
    };
    let words = |name| Words { wants: vec![from(name)], priorities: vec![500, 100], ..Words::default() };
    assert_eq!(words("a").resolve(text), "a=2 b=2 c=1");
    let error = words("d").indexes(&archive("d 1\n"));
    let (name, available) = ("d".to_owned(), vec!["1".to_owned()]);
    let version = "in the repositories asked for".to_owned();
    assert_eq!(error, Err(ResolveError::UnknownVersion { name, version, available }));
}

#[test]
fn sets_of_packages_can_be_asked_for() {
    let text = "a 1\n Essential: yes\nb 1 all\n Priority: required\nc 1\n Priority: important\n\
                d 1\n Priority: standard\ne 1 arm64\n Essential: yes\n";
    let words = |want| Words { wants: vec![want], foreign: vec!["arm64".to_owned()], ..Words::default() };
    assert_eq!(words(Want::Essential).resolve(text), "a=1");
    assert_eq!(words(Want::Priority(Priority::Important)).resolve(text), "b=1 c=1");
    let without = Words { exclude: vec!["c".to_owned()], ..words(Want::Priority(Priority::Important)) };
    assert_eq!(without.resolve(text), "b=1");
}

#[test]
fn an_entry_can_be_asked_for() {
    let text = "a 2\na 1\n Depends: b\nb 1\nc 1 riscv64\n";
    let words = |index| Words { wants: vec![Want::Index(index)], ..Words::default() };
    assert_eq!(words(1).resolve(text), "a=1 b=1");
    for wrong in [3, 4] {
        let error = words(wrong).indexes(&archive(text));
        assert_eq!(error, Err(ResolveError::UnknownIndex(wrong)));
    }
}

#[test]
fn the_solver_finds_what_the_greedy_way_misses() {
    // apt takes x for a, as it comes first, and is left with a conflict.
    let text = "a 1\n Depends: x | y\nb 1\n Depends: c\nc 1\n Conflicts: x\nx 1\ny 1\n";
    assert_eq!(chosen(text, "a b"), "a=1 b=1 c=1 y=1");
    // It takes back what it tried only as far as it must.
    let text = format!("{text}d 1\n Depends: p | q\np 1\nq 1\n");
    assert_eq!(chosen(&text, "d a b"), "a=1 b=1 c=1 d=1 p=1 y=1");
}

#[test]
fn conflicts_exclude_what_they_name() {
    let text = "a 1\n Conflicts: x\n Provides: x\nb 2\n Provides: x (= 2)\nc 1\n Breaks: x (<< 2)\n\
                d 1\n Conflicts: x (>= 2)\ne 1\n Breaks: b (<< 2)\n";
    assert_eq!(chosen(text, "a"), "a=1");
    assert_eq!(chosen(text, "a b"), "a 1 conflicts with b 2, which provides x, and both are wanted");
    assert_eq!(chosen(text, "b c"), "b=2 c=1");
    assert_eq!(chosen(text, "b d"), "d 1 conflicts with b 2, which provides x, and both are wanted");
    assert_eq!(chosen(text, "a d"), "a=1 d=1");
    assert_eq!(chosen(text, "b e"), "b=2 e=1");
}

mod architectures {
    use super::*;

    fn multi(text: &str, words: &str) -> String {
        Words { foreign: vec!["arm64".to_owned()], ..Words::new(words) }.resolve(text)
    }

    #[test]
    fn a_need_is_for_the_same_architecture() {
        let text = "a 1 arm64\n Depends: b\nb 1 arm64\nb 2\nc 1 all\n Depends: b\n";
        assert_eq!(multi(text, "a:arm64"), "a:arm64=1 b:arm64=1");
        assert_eq!(multi(text, "c"), "b=2 c=1");
        assert_eq!(multi(text, "a"), "a:arm64=1 b:arm64=1");
        assert_eq!(multi(text, "b:native c:any"), "b=2 c=1");
    }

    #[test]
    fn foreign_ones_serve_all_and_allowed_ones_if_asked() {
        let text = "a 1 arm64\n Depends: f, g:any, n:native, x:arm64\nf 1\n Multi-Arch: foreign\n\
                    g 1\n Multi-Arch: allowed\nn 1\nx 1 arm64\nb 1 arm64\n Depends: g\n";
        assert_eq!(multi(text, "a:arm64"), "a:arm64=1 f=1 g=1 n=1 x:arm64=1");
        assert_eq!(multi(text, "b:arm64"), "b:arm64 1 needs g, but there is only g for amd64");
    }

    #[test]
    fn same_ones_stand_beside_each_other_in_one_version() {
        let same = "s 1\n Multi-Arch: same\n Conflicts: s\ns 1 arm64\n Multi-Arch: same\n";
        assert_eq!(multi(same, "s s:arm64"), "s=1 s:arm64=1");
        let skewed = same.replacen("s 1\n", "s 2\n", 1);
        assert_eq!(
            multi(&skewed, "s s:arm64"),
            "s 2 cannot be installed beside s:arm64 1, and both are wanted"
        );
        assert_eq!(
            multi("s 1\ns 1 arm64\n", "s s:arm64"),
            "s 1 cannot be installed beside s:arm64 1, and both are wanted"
        );
    }
}

mod explanations {
    use super::*;

    #[test]
    fn names_that_do_not_exist_are_explained() {
        let text =
            "curl 1\nwget 1\nexim4 1\n Provides: mta\npostfix 1\n Provides: mta\nonly 1\n Provides: one\n";
        assert_eq!(chosen(text, "crul"), "there is no package crul; there is curl");
        assert_eq!(chosen(text, "xxxxxxxx"), "there is no package xxxxxxxx");
        assert_eq!(
            chosen(text, "mta"),
            "there is no package mta; it is only virtual: provided by exim4, postfix"
        );
        assert_eq!(chosen(text, "one"), "only=1");
        assert_eq!(chosen(text, "curl:arm64"), "there is no package curl:arm64; there is curl for amd64");
        assert_eq!(chosen("a 1\na 2\n", "a=3"), "a has no version 3; it has 2, 1");
    }

    #[test]
    fn a_need_that_nothing_meets() {
        let text = "x 1.0\n Depends: y (>= 2)\ny 1.5\nz 1\n Depends: x\n\
                    m 1\n Depends: missing | y (= 9)\n\
                    v 1\n Depends: virtual (>= 2)\np 1\n Provides: virtual (= 1)\n\
                    u 1\n Depends: unversioned (>= 2)\nq 1\n Provides: unversioned\n";
        assert_eq!(chosen(text, "x"), "x 1.0 needs y (>= 2), but the newest y is 1.5");
        assert_eq!(chosen(text, "z"), "z 1 needs x\n  x 1.0 needs y (>= 2), but the newest y is 1.5");
        assert_eq!(
            chosen(text, "m"),
            "m 1 needs missing | y (= 9), but there is no missing, and the newest y is 1.5"
        );
        assert_eq!(chosen(text, "v"), "v 1 needs virtual (>= 2), but p provides virtual 1");
        assert_eq!(
            chosen(text, "u"),
            "u 1 needs unversioned (>= 2), but q provides unversioned without a version"
        );
        let pinned = Words { priorities: vec![500, 100], ..Words::new("x") };
        assert_eq!(
            pinned.resolve("x 1\n Depends: y (>= 2)\ny 1\ny 2 amd64 1\n"),
            "x 1 needs y (>= 2), but y 2 is not the version to install: 1 comes first"
        );
    }

    #[test]
    fn alternatives_that_all_fail() {
        let text = "a 1\n Depends: b | c\nb 1\n Depends: x\nc 1\n Depends: y (>= 2)\ny 1\n";
        assert_eq!(
            chosen(text, "a"),
            "a 1 needs b | c, of which none can be had\n  b 1 needs x, but there is no x\n  \
             c 1 needs y (>= 2), but the newest y is 1"
        );
    }

    #[test]
    fn a_conflict_names_who_wants_each_side() {
        let text = "a 1\n Conflicts: b\nb 1\nc 3\n Depends: b\nd 1\n Depends: a\n";
        assert_eq!(chosen(text, "a b"), "a 1 conflicts with b 1, and both are wanted");
        assert_eq!(chosen(text, "a c"), "a 1 conflicts with b 1, and both are wanted: b by c 3");
        assert_eq!(
            chosen(text, "d c"),
            "d 1 needs a\n  a 1 conflicts with b 1, and both are wanted: a by d 1, b by c 3"
        );
    }

    #[test]
    fn exclusion_is_named() {
        let text = "a 1\n Depends: b\nb 1\nc 1\n Depends: v\np 1\n Provides: v\n";
        let words = |words| Words { exclude: vec!["b".to_owned(), "p".to_owned()], ..Words::new(words) };
        assert_eq!(words("a").resolve(text), "a 1 needs b, but b is excluded");
        assert_eq!(words("b").resolve(text), "b is wanted, and excluded");
        assert_eq!(words("c").resolve(text), "c 1 needs v, but p, which provides it, is excluded");
    }

    #[test]
    fn a_field_that_cannot_be_read_rules_its_package_out() {
        let text = "a 1\n Depends: b | c\nb 1\n Depends: x (?? 2)\nc 1\nd 1\n Depends: b\n";
        assert_eq!(chosen(text, "a"), "a=1 c=1");
        assert_eq!(
            chosen(text, "d"),
            "d 1 needs b\n  b 1 cannot be used: its Depends cannot be read: in \"x (?? 2)\": \
             between parentheses stands no operator with a version"
        );
    }
}

#[test]
fn chains_are_followed_as_deep_as_apt_does_and_deeper() {
    let link = |i: usize| format!("p{i} 1\n Depends: p{}\n", i + 1);
    for length in [2900, 3100] {
        let text: String = (0..length).map(link).chain([format!("p{length} 1\n")]).collect();
        let packages = archive(&text);
        let words = Words { wants: vec![want("p0")], ..Words::default() };
        assert_eq!(words.indexes(&packages).map(|chosen| chosen.len()), Ok(length + 1));
    }
}

/// Archives of a few packages with all sorts of relations between them.
fn archives() -> impl Strategy<Value = String> {
    let relation = (0..7_u8, 0..5_usize)
        .prop_map(|(name, version)| format!("p{name}{}", ["", "", " (>= 2)", " (<< 2)", " (= 1)"][version]));
    let group = prop::collection::vec(relation.clone(), 1..3).prop_map(|group| group.join(" | "));
    let depends = prop::collection::vec(group, 0..3).prop_map(|groups| groups.join(", "));
    let negative = prop::collection::vec(relation, 0..2).prop_map(|names| names.join(", "));
    let provides = prop::collection::vec((0..7_u8, 0..3_u8), 0..2).prop_map(|names| {
        let provided = names.iter().map(|(name, version)| match version {
            0 => format!("p{name}"),
            version => format!("p{name} (= {version})"),
        });
        provided.collect::<Vec<_>>().join(", ")
    });
    let package = (1..3_u8, depends, negative.clone(), negative, provides);
    prop::collection::vec(package, 5).prop_map(|packages| {
        let stanza = |(i, (version, depends, conflicts, breaks, provides)): (usize, _)| {
            let fields =
                [("Depends", depends), ("Conflicts", conflicts), ("Breaks", breaks), ("Provides", provides)];
            let fields: Vec<(&str, String)> = fields.into();
            let written = fields.iter().filter(|(_, value)| !value.is_empty());
            let fields: String = written.map(|(name, value)| format!(" {name}: {value}\n")).collect();
            let version: u8 = version;
            format!("p{i} {version}\n{fields}")
        };
        packages.into_iter().enumerate().map(stanza).collect()
    })
}

/// Every subset of the packages that holds and has the first two.
fn any_set_holds(text: &str) -> bool {
    let packages = archive(text);
    (0..1_u32 << packages.len()).filter(|set| set & 3 == 3).any(|set| {
        let chosen: Vec<_> =
            packages.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, p)| p).collect();
        fault(&chosen).is_none()
    })
}

proptest! {
    /// What is chosen holds, which `Words::indexes` asserts; and something is chosen whenever
    /// any set would hold.
    #[test]
    fn a_set_is_found_if_there_is_one(text in archives()) {
        let packages = archive(&text);
        let found = Words::new("p0 p1").indexes(&packages);
        prop_assert_eq!(found.is_ok(), any_set_holds(&text), "{:?}", found);
        if let Err(ResolveError::Unsatisfiable(why)) = found {
            prop_assert!(!why.is_empty());
        }
    }
}
