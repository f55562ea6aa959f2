use proptest::prelude::*;

use super::*;

const STANZA: &str = "C:Q10hzvNEMgxBIo2kylyIOZ4FH92Eo=\nP:apk-tools\nV:2.14.4-r0\nA:x86_64\nS:120293\nI:303104\n\
T:Alpine Package Keeper\nU:https://example.org\nL:GPL-2.0-only\no:apk-tools\nt:1713279057\nk:100\n\
D:musl>=1.2.3_git20230424 so:libz.so.1 !old\np:so:libapk.so.2.14.0=2.14.0 cmd:apk=2.14.4-r0 bare\ni:a b=1\n";

#[test]
fn a_stanza_is_read_and_written_again() {
    let package = Package::of_index(STANZA).unwrap();
    assert_eq!((package.name, package.size, package.provider_priority), ("apk-tools", 120_293, 100));
    assert_eq!(package.names().nth(3), Some(("bare", None)));
    assert_eq!(package.names().next(), Some(("apk-tools", Some("2.14.4-r0"))));
    assert_eq!(package.stanza(package.identity, package.size, None), STANZA);
}

#[test]
fn pkginfo_says_the_same() {
    let text = "# by hand\npkgname = apk-tools\npkgver = 2.14.4-r0\npkgdesc = Alpine Package Keeper\n\
        url = https://example.org\nbuilddate = 1713279057\nsize = 303104\narch = x86_64\norigin = apk-tools\n\
        license = GPL-2.0-only\nprovider_priority = 100\ndepend = musl>=1.2.3_git20230424\ndepend = so:libz.so.1\n\
        depend = !old\nprovides = so:libapk.so.2.14.0=2.14.0\nprovides = cmd:apk=2.14.4-r0 bare\ninstall_if = a b=1\n\
        triggers = /bin /sbin/*\nreplaces = x\nreplaces_priority = 3\ndatahash = abc\n";
    let package = Package::of_pkginfo(text).unwrap();
    assert_eq!(package.triggers, ["/bin", "/sbin/*"]);
    let written = package.stanza("Q10hzvNEMgxBIo2kylyIOZ4FH92Eo=", 120_293, Some("edge"));
    assert_eq!(written, format!("{STANZA}r:x\nq:3\ns:edge\n"));
}

#[test]
fn what_is_no_package_is_refused() {
    let with = |from: &str, to: &str| Package::of_index(&STANZA.replace(from, to)).map(|_| ()).unwrap_err();
    for (from, to) in [
        ("P:apk-tools", "P:../apk"),
        ("P:apk-tools\n", ""),
        ("V:2.14.4-r0", "V:x"),
        ("C:Q10", "C:Q2"),
        ("C:", "c:"),
        ("S:120293", "S:-1"),
        ("D:musl", "D:="),
        ("p:so", "p:!so"),
        ("T:", "X:"),
        ("A:x86_64", "A:../x"),
    ] {
        with(from, to);
    }
    assert_eq!(parse_index(&format!("{STANZA}\nP:broken\n\n{STANZA}")).filter(Result::is_ok).count(), 2);
}

#[test]
fn purls_are_those_of_the_specification() {
    assert_eq!(
        purl("alpine", "v3.20", "libstdc++", "1.2-r0", "x86_64"),
        "pkg:apk/alpine/libstdc%2B%2B@1.2-r0?arch=x86_64&distro=alpine-3.20"
    );
    assert_eq!(purl("alpine", "", "a", "1", ""), "pkg:apk/alpine/a@1");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(([CPVASITULotckDpirqX]:|pkgname = |size = )[a-zA-Z0-9=<>~!@ +/]{0,12}\n){0,8}") {
        let _ = Package::of_index(&text);
        let _ = Package::of_pkginfo(&text);
        for package in parse_index(&text).flatten() {
            let written = package.stanza(package.identity, package.size, None);
            prop_assert_eq!(Package::of_index(&written).unwrap(), package);
        }
    }
}
