use proptest::prelude::*;

use super::*;

const GENUINE: &[u8] = include_bytes!("../../testdata/bookworm.Release");
const SECURITY: &[u8] = include_bytes!("../../testdata/bookworm-security.Release");
const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A small Release file with `more` fields and these files, each with [`HEX`] and size 1.
fn release(more: &str, files: &[&str]) -> Result<Release, ReleaseError> {
    let lines: String = files.iter().map(|path| format!(" {HEX} 1 {path}\n")).collect();
    let date = if more.contains("Date:") { "" } else { "Date: Sat, 09 Nov 2024 10:00:00 UTC\n" };
    Release::parse(format!("{date}{more}SHA256:\n{lines}").as_bytes())
}

fn paths(files: Result<Vec<IndexFile>, ReleaseError>) -> Vec<String> {
    files.unwrap().into_iter().map(|file| file.path).collect()
}

#[test]
fn a_genuine_release_file() {
    let release = Release::parse(GENUINE).unwrap();
    assert_eq!((&*release.origin, &*release.label, &*release.version), ("Debian", "Debian", "12.15"));
    assert_eq!((&*release.suite, &*release.codename), ("oldstable", "bookworm"));
    assert_eq!((release.date, release.valid_until), (1_783_764_997, None));
    assert!(release.acquire_by_hash && release.all_in_every_index);
    assert_eq!(release.components, ["main", "contrib", "non-free-firmware", "non-free"]);
    assert_eq!(release.pin_priority(), 500);
    assert_eq!(
        release.packages("main", "amd64").unwrap(),
        [IndexFile {
            path: "main/binary-amd64/Packages.xz".into(),
            size: 8_790_396,
            digest: "sha256:9e0b5aabb2465b3d2e7a7fe27f9913846277833f7a2826e7767acccff5b588c5".into(),
        }]
    );
    assert_eq!(release.file("main/binary-amd64/Packages").map(|file| file.size), Some(50_060_337));
    assert_eq!(release.file("main/binary-amd64"), None);
}

#[test]
fn a_genuine_security_release_file() {
    let release = Release::parse(SECURITY).unwrap();
    assert_eq!(release.components[0], "updates/main");
    assert_eq!(release.valid_until, Some(release.date + 7 * 86_400));
    // It lists an index of packages for all, but has no such architecture: the others repeat them.
    assert!(release.file("main/binary-all/Packages.xz").is_some());
    assert_eq!(paths(release.packages("main", "amd64")), ["main/binary-amd64/Packages.xz"]);
    assert!(release.answers_to("bookworm-security") && release.answers_to("oldstable-security"));
    assert!(!release.answers_to("bookworm"));
}

#[test]
fn it_answers_to_its_suite_and_codename() {
    for (suite, codename, dist, answers) in [
        ("oldstable", "bookworm", "bookworm", true),
        ("oldstable", "bookworm", "oldstable", true),
        ("oldstable", "bookworm", "stable", false),
        ("oldstable-updates", "bookworm-updates", "bookworm", false),
        ("noble", "noble", "noble", true),
        ("noble-updates", "noble", "noble-updates", true),
        ("noble-updates", "noble", "noble", false),
        ("noble-security", "noble", "noble-updates", false),
        ("stable", "noble", "noble", true),
        ("oldstable", "buster", "buster/updates", true),
        ("", "", "anything", false),
        ("", "", "./", true),
        ("", "", "some/directory/", true),
    ] {
        let release = release(&format!("Suite: {suite}\nCodename: {codename}\n"), &[]).unwrap();
        assert_eq!(release.answers_to(dist), answers, "{suite} {codename} {dist}");
    }
}

#[test]
fn dates_are_read_in_every_spelling_of_utc() {
    for (text, seconds) in [
        ("Sat, 09 Nov 2024 10:00:00 UTC", Some(1_731_146_400)),
        ("Sat,  9 Nov 2024 10:00:00 +0000", Some(1_731_146_400)),
        ("Sat, 9 Nov 2024 9:59:59 GMT", Some(1_731_146_399)),
        ("Thu, 01 Jan 1970 00:00:00 Z", Some(0)),
        ("Sat, 09 Nov 2024 10:00:00 +0100", None),
        ("Sat, 09 Nov 2024 10:00:00", None),
        ("Sat, 09 Nov 2024 10:00:00 UTC UTC", None),
        ("Sun, 09 Nov 2024 10:00:00 UTC", None),
        ("Fri, 31 Feb 2024 10:00:00 UTC", None),
        ("Sat, 09 Nov 2024 24:00:00 UTC", None),
        ("2024-11-09", None),
        ("", None),
    ] {
        assert_eq!(date::parse(text), seconds, "{text}");
        let read = release(&format!("Date: {text}\n"), &[]);
        assert_eq!(read.is_ok(), seconds.is_some(), "{text}: {read:?}");
    }
}

#[test]
fn an_old_and_a_future_file_are_told_apart() {
    let dates = "Date: Sat, 09 Nov 2024 10:00:00 UTC\nValid-Until: Sat, 16 Nov 2024 10:00:00 UTC\n";
    let release = release(dates, &[]).unwrap();
    let (date, until) = (1_731_146_400, 1_731_751_200);
    for (now, leeway, expected) in [
        (date, 0, Ok(())),
        (until, 0, Ok(())),
        (date - 1, 0, Err(ReleaseError::FromFuture { date })),
        (date - 10, 10, Ok(())),
        (until + 1, 0, Err(ReleaseError::Expired { valid_until: until, since: 1 })),
        (until + 10, 10, Ok(())),
        (i64::MIN, 10, Err(ReleaseError::FromFuture { date })),
        (i64::MAX, 10, Err(ReleaseError::Expired { valid_until: until, since: i64::MAX - until })),
    ] {
        assert_eq!(release.freshness(now, leeway), expected, "{now} {leeway}");
    }
    let message = release.freshness(until + 14 * 86_400, 0).unwrap_err().to_string();
    assert!(message.contains("expired on Sat, 16 Nov 2024 10:00:00 GMT, 14 days ago"), "{message}");
    let message = release.freshness(0, 0).unwrap_err().to_string();
    assert!(message.contains("dated Sat, 09 Nov 2024 10:00:00 GMT, which is in the future"), "{message}");
    // An error that somebody else made must be printable too.
    for odd in [i64::MIN, -1, i64::MAX] {
        assert!(ReleaseError::FromFuture { date: odd }.to_string().contains(&odd.to_string()));
    }
}

#[test]
fn priorities_are_those_of_apt() {
    for (fields, priority) in [
        ("", 500),
        ("ButAutomaticUpgrades: yes\n", 500),
        ("NotAutomatic: yes\n", 1),
        ("NotAutomatic: yes\nButAutomaticUpgrades: yes\n", 100),
        ("NotAutomatic: no\n", 500),
    ] {
        assert_eq!(release(fields, &[]).unwrap().pin_priority(), priority, "{fields}");
    }
}

#[test]
fn weak_digests_and_none_are_different_errors() {
    let parse =
        |text: &str| Release::parse(format!("Date: Sat, 09 Nov 2024 10:00:00 UTC\n{text}").as_bytes());
    assert_eq!(parse(""), Err(ReleaseError::NoDigests));
    for weak in ["MD5Sum:\n 00 1 a\n", "SHA1:\n 00 1 a\n"] {
        assert_eq!(parse(weak), Err(ReleaseError::WeakDigests));
    }
    assert_eq!(Release::parse(b"Suite: a\n"), Err(ReleaseError::Missing { field: "Date" }));
    let only_512 = parse(&format!("SHA512:\n {HEX}{HEX} 1 a\n")).unwrap().file("a").unwrap();
    assert_eq!(only_512.digest, format!("sha512:{HEX}{HEX}"));
    let both = parse(&format!("SHA512:\n {HEX}{HEX} 1 a\nSHA256:\n {HEX} 1 a\n")).unwrap();
    assert_eq!(both.file("a").unwrap().digest, format!("sha256:{HEX}"));
}

#[test]
fn entries_are_checked() {
    let read = |line: &str| {
        release("", &[]).and(Release::parse(
            format!("Date: Sat, 09 Nov 2024 10:00:00 UTC\nSHA256:\n {line}\n").as_bytes(),
        ))
    };
    let entry = |path: &str| read(&format!("{HEX} 1 {path}")).map(|_| ()).map_err(|error| error.to_string());
    for path in ["/etc/passwd", "../x", "a/../b", "a/.."] {
        let expected = format!("SHA256 of the Release file lists a path outside the suite: \"{path}\"");
        assert_eq!(entry(path), Err(expected));
    }
    assert_eq!(entry("./a..b/c"), Ok(()));
    assert!(matches!(read(&format!("{HEX} 1")), Err(ReleaseError::Entry { .. })));
    assert!(matches!(read(&format!("{HEX} 1 a b")), Err(ReleaseError::Entry { .. })));
    assert!(matches!(read(&format!("{HEX}0 1 a")), Err(ReleaseError::EntryDigest { .. })));
    assert!(matches!(read(&format!("{HEX} -1 a")), Err(ReleaseError::EntrySize { .. })));
    assert!(matches!(read(&format!("{HEX} +1 a")), Err(ReleaseError::EntrySize { .. })));
    let twice = |size| read(&format!("{HEX} 1 a\n {HEX} {size} a"));
    assert!(twice(1).is_ok());
    assert_eq!(twice(2), Err(ReleaseError::Contradiction { path: "a".into() }));
}

#[test]
fn the_best_compression_is_chosen() {
    let names =
        ["", ".bz2", ".gz", ".zst", ".xz", ".lz4"].map(|end| format!("main/binary-amd64/Packages{end}"));
    for count in 1..=names.len() {
        let files: Vec<_> = names[..count].iter().map(String::as_str).collect();
        let best = &names[(count - 1).min(4)];
        assert_eq!(paths(release("", &files).unwrap().packages("main", "amd64")), [best.as_str()]);
    }
    let flat = release("", &["./Packages.gz", "./Packages"]).unwrap();
    assert_eq!(flat.flat_packages().unwrap().path, "Packages.gz");
}

#[test]
fn packages_for_all_have_an_index_of_their_own_or_not() {
    let files = ["main/binary-amd64/Packages.xz", "main/binary-all/Packages.gz"];
    let packages = |fields: &str, arch| release(fields, &files).unwrap().packages("main", arch);
    let both = "Architectures: amd64 all\n";
    assert_eq!(paths(packages(both, "amd64")), files);
    assert_eq!(paths(packages(both, "all")), files[1..]);
    assert_eq!(paths(packages(both, "arm64")), files[1..], "there may be some for all");
    let no_support = format!("{both}No-Support-for-Architecture-all: Packages\n");
    assert_eq!(paths(packages(&no_support, "amd64")), files[..1]);
    assert_eq!(paths(packages("Architectures: amd64\n", "amd64")), files[..1]);
    assert!(packages(&no_support, "arm64").is_err());
}

#[test]
fn what_the_repository_lacks_is_named_with_what_it_has() {
    let release = release("Components: main updates/contrib\nArchitectures: amd64 i386\n", &["a"]).unwrap();
    let message = |component, arch| release.packages(component, arch).unwrap_err().to_string();
    assert_eq!(
        message("universe", "amd64"),
        "there is no component \"universe\" in this repository; there are: main, updates/contrib"
    );
    assert_eq!(
        message("contrib", "arm64"),
        "there is no architecture \"arm64\" in this repository; there are: amd64, i386"
    );
    assert_eq!(
        message("main", "amd64"),
        "the Release file lists no main/binary-amd64/Packages, in any compression known here"
    );
}

#[test]
fn indexes_lie_under_their_digest_too() {
    let digest = format!("sha256:{HEX}");
    let path = by_hash_path("main/binary-amd64/Packages.xz", &digest);
    assert_eq!(path, Some(format!("main/binary-amd64/by-hash/SHA256/{HEX}")));
    assert_eq!(by_hash_path("Packages", &digest), Some(format!("by-hash/SHA256/{HEX}")));
    let path = by_hash_path("a/b", &format!("sha512:{HEX}{HEX}"));
    assert_eq!(path, Some(format!("a/by-hash/SHA512/{HEX}{HEX}")));
    for bad in ["", "sha256:", "md5:00", "sha256:../../x", &digest[1..]] {
        assert_eq!(by_hash_path("a/b", bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read(
        suite in "[a-z-]{0,9}",
        date in 0i64..4_000_000_000,
        files in prop::collection::btree_map("[a-z]{1,5}(/[a-z.]{1}[a-z0-9]{1,5}){0,3}", any::<u64>(), 0..9),
    ) {
        let lines: String = files.iter().map(|(path, size)| format!(" {HEX} {size:>8} {path}\n")).collect();
        let shown = date::Moment(date).to_string().replace("GMT", "UTC");
        let text = format!("Suite: {suite}\nDate: {shown}\nSHA256:\n{lines}");
        let release = Release::parse(text.as_bytes()).unwrap();
        prop_assert_eq!((&release.suite, release.date), (&suite, date));
        for (path, size) in &files {
            prop_assert_eq!(release.file(path).map(|file| file.size), Some(*size));
        }
    }

    #[test]
    fn any_bytes_are_a_release_file_or_an_error(bytes: Vec<u8>, line in "\\PC{0,90}", date in "\\PC{0,40}") {
        let _ = Release::parse(&bytes);
        let _ = Release::parse(format!("Date: {date}\nValid-Until: {date}\n").as_bytes());
        if let Ok(release) = release(&format!("Components: {line}\n"), &[&line]) {
            let _ = release.packages(&line, &line).map_err(|error| error.to_string());
        }
    }
}
