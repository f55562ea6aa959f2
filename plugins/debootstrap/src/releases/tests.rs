//! Tests of the data and of what is made of them.

use std::collections::BTreeSet;

use super::*;

fn main_only() -> Vec<String> {
    vec!["main".to_owned()]
}

/// `URL SUITE COMPONENT…`, one a line.
fn listed(word: &str, arch: &str, snapshot: Option<&str>) -> String {
    let stamp = snapshot.map(|text| text.parse().unwrap());
    let repositories = find(word).unwrap().repositories(arch, &main_only(), stamp.as_ref());
    repositories.iter().map(|repository| format!("{repository}\n")).collect()
}

#[test]
fn releases_are_found_by_each_of_their_names() {
    for (word, codename) in [
        ("bullseye", "bullseye"),
        ("oldoldstable", "bullseye"),
        ("11", "bullseye"),
        ("oldstable", "bookworm"),
        ("12", "bookworm"),
        ("stable", "trixie"),
        ("13", "trixie"),
        ("testing", "forky"),
        ("unstable", "sid"),
        ("Sid", "sid"),
        ("rc-buggy", "experimental"),
        ("16.04", "xenial"),
        ("24.04", "noble"),
        ("26.04", "resolute"),
        ("25.10", "questing"),
    ] {
        assert_eq!(find(word).unwrap().codename, codename, "{word}");
    }
    for word in ["", "1", "24", "noble-updates", "buster", "warty"] {
        assert_eq!(find(word), None, "{word}");
    }
}

#[test]
fn no_name_means_two_releases() {
    let names: Vec<&str> = all().iter().flat_map(Release::names).collect();
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
}

#[test]
fn a_slip_of_the_finger_is_answered() {
    assert_eq!(suggest("bookwrom"), ["bookworm"]);

    assert_eq!(suggest("nobl"), ["noble"]);
    assert_eq!(suggest("trixy"), ["trixie"]);
    assert_eq!(suggest("stabel"), ["stable"]);
    assert_eq!(suggest("fedora"), Vec::<String>::new());
    assert_eq!(suggest(&"a".repeat(1 << 20)), Vec::<String>::new());
}

#[test]
fn default_repositories() {
    let debian = "https://ftp.debian.org/debian";
    let security = "https://security.debian.org/debian-security";
    for suite in ["bullseye", "bookworm", "trixie", "forky"] {
        let expected = format!(
            "{debian} {suite} main\n{debian} {suite}-updates main\n{security} {suite}-security main\n"
        );
        assert_eq!(listed(suite, "arm64", None), expected);
    }
    assert_eq!(listed("sid", "amd64", None), format!("{debian} sid main\n"));
    assert_eq!(
        listed("experimental", "amd64", None),
        format!("{debian} sid main\n{debian} experimental main\n")
    );
    for (arch, main, security) in [
        ("amd64", "https://archive.ubuntu.com/ubuntu", "https://security.ubuntu.com/ubuntu"),
        ("riscv64", "https://ports.ubuntu.com/ubuntu-ports", "https://ports.ubuntu.com/ubuntu-ports"),
    ] {
        let expected =
            format!("{main} noble main\n{main} noble-updates main\n{security} noble-security main\n");
        assert_eq!(listed("noble", arch, None), expected);
    }
}

#[test]
fn a_retired_release_is_with_the_old_ones_for_every_architecture() {
    let old = "https://old-releases.ubuntu.com/ubuntu";
    let expected = format!("{old} mantic main\n{old} mantic-updates main\n{old} mantic-security main\n");
    assert_eq!(listed("23.10", "arm64", None), expected);
}

#[test]
fn snapshots_have_their_own_places_and_are_not_checked_for_age() {
    let stamp = "20250520T000000Z";
    let debian = format!("https://snapshot.debian.org/archive/debian/{stamp}");
    let security = format!("https://snapshot.debian.org/archive/debian-security/{stamp}");
    let expected = format!(
        "{debian} bookworm main\n{debian} bookworm-updates main\n{security} bookworm-security main\n"
    );
    assert_eq!(listed("12", "amd64", Some("2025-05-20")), expected);
    assert!(
        listed("plucky", "s390x", Some(stamp))
            .starts_with(&format!("https://snapshot.ubuntu.com/ubuntu/{stamp} "))
    );
    let age_is_checked =
        |snapshot| find("12").unwrap().repositories("amd64", &main_only(), snapshot)[0].check_valid_until;
    assert!(age_is_checked(None) && !age_is_checked(Some(&stamp.parse().unwrap())));
}

#[test]
fn keys_are_those_of_the_archive() {
    let bookworm = find("bookworm").unwrap();
    let (main, security) =
        (bookworm.fingerprints(ArchiveKind::Main), bookworm.fingerprints(ArchiveKind::Security));
    assert!(main.iter().all(|fingerprint| !security.contains(fingerprint)));
    assert!(main.contains(&"4D64FEC119C2029067D6E791F8D2585B8783D481".to_owned()), "its stable key");
    assert!(!main.contains(&"41587F7DB8C774BCCF131416762F67A0B2C39DE4".to_owned()), "trixie's stable key");
    assert_eq!(bookworm.repositories("amd64", &[], None)[2].signed_by, SignedBy::Fingerprints(security));
    let noble = find("noble").unwrap().fingerprints(ArchiveKind::Security);
    assert_eq!(noble, ["F6ECB3762474EDA9D21B7022871920D1991BC93C"]);
}

#[test]
fn every_key_that_is_named_is_there_and_every_key_is_named() {
    let mut named = BTreeSet::new();
    for release in all() {
        for archive in [ArchiveKind::Main, ArchiveKind::Security] {
            let fingerprints = release.fingerprints(archive);
            assert!(!fingerprints.is_empty(), "{}", release.codename);
            assert_eq!(release.keys(archive).len(), fingerprints.len(), "{}", release.codename);
            named.extend(fingerprints);
        }
    }
    assert_eq!(named, keys::fingerprints().into_iter().map(str::to_owned).collect());
}

#[test]
fn merged_usr() {
    for (word, merged) in
        [("bullseye", false), ("bookworm", true), ("sid", true), ("bionic", false), ("focal", true)]
    {
        assert_eq!(find(word).unwrap().merged_usr, Some(merged), "{word}");
    }
}

#[test]
fn an_unknown_release_claims_nothing() {
    let kali = Release::unknown("kali-rolling");
    assert_eq!((kali.codename.as_str(), kali.merged_usr), ("kali-rolling", None));
    assert_eq!(kali.default_components(), ["main"]);
    assert!(kali.repositories("amd64", &main_only(), None).is_empty());
    assert!(kali.fingerprints(ArchiveKind::Main).is_empty());
    assert!(
        !kali.has_mirrors(&Repository::new("https://ftp.debian.org/debian".into(), "kali-rolling".into()))
    );
}

#[test]
fn suites_say_whose_they_are() {
    use ArchiveKind::{Main, Security};
    for (suite, expected) in [
        ("bookworm", Some(("debian", Main))),
        ("stable", Some(("debian", Main))),
        ("stable-updates", Some(("debian", Main))),
        ("bookworm-backports-sloppy", Some(("debian", Main))),
        ("bookworm-proposed-updates", Some(("debian", Main))),
        ("bookworm-security", Some(("debian", Security))),
        ("buster/updates", Some(("debian", Security))),
        ("rc-buggy", Some(("debian", Main))),
        ("noble-proposed", Some(("ubuntu", Main))),
        ("noble-security", Some(("ubuntu", Security))),
        ("devel", Some(("ubuntu", Main))),
        ("bookworm-pgdg", None),
        ("kali-rolling", None),
        ("12", None),
        ("-updates", None),
        ("", None),
    ] {
        let found = suite_kind(suite).map(|kind| (kind.distribution, kind.archive));
        assert_eq!(found, expected, "{suite}");
    }
}
