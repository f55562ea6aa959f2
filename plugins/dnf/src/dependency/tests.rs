use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Dependency {
    Dependency::parse(text).unwrap()
}

fn bound(text: &str) -> Bound {
    Relation::parse(&format!("x {text}")).unwrap().bound.unwrap()
}

#[test]
fn a_dependency_is_written_as_it_is_read() {
    for text in [
        "bash",
        "bash >= 5",
        "bash = 1:5-3.fc42",
        "/bin/sh",
        "libc.so.6(GLIBC_2.4)(64bit)",
        "config(bash) = 5-1",
        "(a or b)",
        "(a and b < 2 and c)",
        "(libc.so.6(GLIBC_2.4)(64bit) or glibc(x86-32))",
        "(a if b)",
        "(a if (b or c) else (d with e >= 1 with e < 2))",
        "(a unless b)",
        "(a unless b else c)",
        "(a without b)",
    ] {
        assert_eq!(parsed(text).to_string(), text);
    }
    assert_eq!(parsed(" ( a  or (b) or c ) ").to_string(), "(a or b or c)");
    assert_eq!(parsed("a => 1").to_string(), "a >= 1");
}

#[test]
fn what_is_no_dependency_is_told() {
    let fault = |text: &str| Dependency::parse(text).unwrap_err().to_string();
    assert_eq!(fault("(a or b"), "the dependency (a or b cannot be read: a parenthesis is not closed");
    for text in [
        "",
        "()",
        "(a or)",
        "(a b c)",
        "(a nor b)",
        "(a and b or c)",
        "(a if b if c)",
        "(a) b",
        "a >= ",
        "a >= -1",
        "a b",
    ] {
        assert!(Dependency::parse(text).is_err(), "{text}");
    }
    assert!(Dependency::parse("(a without b without c)").is_err());
    assert!(Dependency::parse("(a else b)").is_err());
    assert!(Dependency::parse("a = 99999999999:1").is_err());
}

#[test]
fn parentheses_are_not_followed_without_end() {
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(parsed(&nested(32)).to_string(), "a");
    assert!(Dependency::parse(&nested(33)).is_err());
    assert!(Dependency::parse(&nested(100_000)).is_err());
}

#[test]
fn metadata_and_headers_say_the_same() {
    let metadata = Dependency::of_metadata("a", Some("GE"), Some("1"), Some("2"), Some("3")).unwrap();
    let header = Dependency::of_header("a", 0x4000_000c, "1:2-3").unwrap();
    assert_eq!(metadata, header);
    assert_eq!(metadata.to_string(), "a >= 1:2-3");
    assert_eq!(Dependency::of_metadata("a", None, None, None, None).unwrap(), parsed("a"));
    assert_eq!(Dependency::of_header("a", 0x100, "").unwrap(), parsed("a"));
    assert_eq!(Dependency::of_header("(a or b)", 1 << 27, "").unwrap(), parsed("(a or b)"));
    assert_eq!(
        Dependency::of_metadata("a", Some("EQ"), Some("0"), Some("2"), None).unwrap(),
        parsed("a = 2")
    );
}

#[test]
fn ranges_meet_as_in_rpm() {
    let meet = |a: &str, b: &str| {
        let (a, b) = (bound(a), bound(b));
        assert_eq!(a.intersects(&b), b.intersects(&a));
        a.intersects(&b)
    };
    assert!(meet("= 2-1", ">= 2"));
    assert!(meet("= 2-1", "= 2"));
    assert!(meet("= 2", "= 2-1"));
    assert!(meet("<= 2", "= 2-1"));
    assert!(!meet("< 2", "= 2"));
    assert!(!meet("= 2-1", "> 2"));
    assert!(!meet("= 2-1", "< 2"));
    // A provide without a release stands for all of its releases, so some are newer.
    assert!(meet("= 2", "> 2-1"));
    assert!(meet("> 1", "< 9"));
    assert!(meet("> 9", "> 1"));
    assert!(!meet("< 1", "> 1"));
    assert!(!meet("<= 1", ">= 2"));
    assert!(meet("= 1:1", "> 2"));
}

#[test]
fn features_of_rpm_are_known_by_name_and_version() {
    let met = |text: &str| is_met_by_rpmlib(&Relation::parse(text).unwrap());
    assert_eq!(met("rpmlib(FileCaps) <= 4.6.1-1"), Some(true));
    assert_eq!(met("rpmlib(FileCaps)"), Some(true));
    assert_eq!(met("rpmlib(FileCaps) > 5"), Some(false));
    assert_eq!(met("rpmlib(Telepathy) <= 4.6.1-1"), Some(false));
    assert_eq!(met("rpm"), None);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_fail_otherwise(text in "[(ab )]{0,12}( (or|if|else|with) [(ab)]{1,3}){0,4}[)]{0,3}") {
        if let Ok(dependency) = Dependency::parse(&text) {
            prop_assert_eq!(Dependency::parse(&dependency.to_string()).unwrap(), dependency);
        }
    }
}
