//! Small worlds, written as an index.

use proptest::prelude::*;

use super::*;
use crate::dependency::Dependency;
use crate::package::parse_index;

/// `NAME VERSION; FIELD VALUE; …` a line; a field may be `@N`, the number of its repository.
fn index(lines: &str) -> Vec<(String, u64)> {
    let stanza = |line: &str| {
        let mut fields = line.split(';').map(str::trim);
        let (name, version) = fields.next().unwrap().split_once(' ').unwrap();
        let mut repository = 0;
        let identity = format!(
            "Q1{:026}A=",
            line.bytes().fold(7, |sum: u64, byte| (sum * 31 + u64::from(byte)) % (1 << 40))
        );
        let mut text = format!("C:{identity}\nP:{name}\nV:{version}\nA:x86\nS:1\nI:1\n");
        for field in fields {
            match field.strip_prefix('@') {
                Some(number) => repository = number.parse().unwrap(),
                None => {
                    let (letter, value) = field.split_once(' ').unwrap();
                    text.push_str(&format!("{letter}:{value}\n"));
                }
            }
        }
        (text, 1 << repository)
    };
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(stanza).collect()
}

fn try_solve(lines: &str, world: &str, tags: &[Option<&str>]) -> Result<Vec<String>, String> {
    let stanzas = index(lines);
    let offers: Vec<Offer<'_>> = stanzas
        .iter()
        .map(|(text, repositories)| Offer {
            package: parse_index(text).next().unwrap().unwrap(),
            repositories: *repositories,
        })
        .collect();
    let wants = Dependency::parse_all(world).unwrap();
    let chosen = resolve(&offers, &Request { wants: &wants, tags }).map_err(|error| error.to_string())?;
    Ok(chosen.into_iter().map(|id| offers[id].package.title()).collect())
}

fn solved(lines: &str, world: &str) -> String {
    tagged(lines, world, &[None])
}

fn tagged(lines: &str, world: &str, tags: &[Option<&str>]) -> String {
    match try_solve(lines, world, tags) {
        Ok(chosen) => chosen.join(" "),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn the_latest_version_and_what_it_needs() {
    let lines = "a 1; D b so:x
        a 2; D b so:x>=1
        b 1
        b 1.0-r1
        libx 3; p so:x=1";
    assert_eq!(solved(lines, "a"), "b-1.0-r1 libx-3 a-2");
    assert_eq!(solved(lines, "a<2"), "b-1.0-r1 libx-3 a-1");
    assert_eq!(solved(lines, "b=1 a"), "b-1 libx-3 a-2");
}

#[test]
fn of_several_providers_the_version_of_the_name_decides_then_the_priority() {
    let lines = "old 9; p so:x=1
        new 1; p so:x=2
        low 1; p mta; k 1
        high 1; p mta; k 5
        plain 1; p editor
        other 1; p editor";
    assert_eq!(solved(lines, "so:x"), "new-1");
    assert_eq!(solved(lines, "mta"), "high-1");
    // Nobody says how good he is, so one must be named.
    assert_eq!(
        solved(lines, "editor"),
        "error: editor is asked for, but one of those that provide it must be named: plain-1, other-1"
    );
    assert_eq!(solved(lines, "editor other"), "other-1");
}

#[test]
fn a_name_with_a_version_has_one_owner() {
    let lines = "a 1; p x=1
        b 1; p x=2
        c 1; p y
        d 1; p y";
    assert_eq!(solved(lines, "c d"), "c-1 d-1");
    assert!(solved(lines, "a b").contains("cannot be beside"), "{}", solved(lines, "a b"));
}

#[test]
fn what_waits_comes_by_itself() {
    let lines = "a 1
        b 1
        a-b-doc 1; i a b
        a-only 1; i a=2";
    assert_eq!(solved(lines, "a"), "a-1");
    assert_eq!(solved(lines, "a b"), "a-1 b-1 a-b-doc-1");
    assert_eq!(solved(lines, "a b !a-b-doc"), "a-1 b-1");
}

#[test]
fn a_tag_is_asked_for() {
    let lines = "a 1; D b
        b 1
        a 2; D b; @1
        b 2; @1";
    let tags = &[None, Some("edge")];
    assert_eq!(tagged(lines, "a", tags), "b-1 a-1");
    // What it needs may come from there, too, but need not.
    assert_eq!(tagged(lines, "a@edge", tags), "b-1 a-2");
    assert_eq!(tagged(lines, "a b@edge", tags), "b-2 a-1");
    assert!(tagged(lines, "a@testing", tags).contains("no repository has the tag \"@testing\""));
}

#[test]
fn where_apk_gives_up_another_choice_is_found() {
    // The latest of both cannot be together, and an older one can.
    let lines = "a 2; D c=2
        a 1; D c=1
        b 1; D d
        d 1; D c=1
        c 1
        c 2";
    assert_eq!(solved(lines, "a b"), "c-1 a-1 d-1 b-1");
}

#[test]
fn contradictions_are_told() {
    let lines = "nginx 1.2; D so:ssl.3
        libssl 3; p so:ssl.3=3; D !old
        old 1";
    let told = solved(lines, "nginx old");
    assert!(told.contains("libssl-3 cannot be beside old-1: it has !old"), "{told}");
    let told = solved(lines, "nginx !libssl");
    assert!(told.contains("libssl-3 is ruled out: !libssl is asked for"), "{told}");
    assert_eq!(solved(lines, "ngink"), "error: there is no package \"ngink\"; there is nginx");
    assert_eq!(solved(lines, "nginx>2"), "error: nginx>2 is asked for, but there is only nginx-1.2");
    assert_eq!(solved("a 1; D b", "a"), "error: a is asked for\n  a-1 needs b, but there is no b");
}

/// Packages with few names, so that they get in each other's way.
fn any_index() -> impl Strategy<Value = String> {
    let name = || (0..8u8).prop_map(|n| format!("p{n}"));
    let need = || {
        (name(), prop::sample::select(vec!["", "", "", ">=2", "<2", "=1"]), any::<bool>()).prop_map(
            |(name, version, no)| if no && version.is_empty() { format!("!{name}") } else { name + version },
        )
    };
    let package =
        (name(), 1..4u8, prop::collection::vec(need(), 0..3), prop::option::of(name()), any::<bool>());
    prop::collection::vec(package, 1..20).prop_map(|packages| {
        let line =
            |(name, version, needs, provides, versioned): (String, u8, Vec<String>, Option<String>, bool)| {
                let mut line = format!("{name} {version}");
                if !needs.is_empty() {
                    line += &format!("; D {}", needs.join(" "));
                }
                if let Some(provides) = provides {
                    line += &format!("; p {provides}{}", if versioned { "=1" } else { "" });
                }
                line
            };
        packages.into_iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

proptest! {
    #[test]
    fn what_is_chosen_holds_and_comes_once(lines in any_index(), world in prop::collection::vec(0..8u8, 1..4)) {
        let world: Vec<String> = world.into_iter().map(|n| format!("p{n}")).collect();
        let stanzas = index(&lines);
        let offers: Vec<Offer<'_>> = stanzas
            .iter()
            .map(|(text, repositories)| Offer { package: parse_index(text).next().unwrap().unwrap(), repositories: *repositories })
            .collect();
        let wants: Vec<_> = world.iter().map(|word| Dependency::parse(word).unwrap()).collect();
        let request = Request { wants: &wants, tags: &[None] };
        if let Ok(chosen) = resolve(&offers, &request) {
            let mut once = chosen.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), chosen.len());
            prop_assert!(check::holds(&Universe::new(&offers, &request), &chosen));
        }
    }
}
