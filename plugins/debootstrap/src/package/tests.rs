use proptest::prelude::*;

use super::*;
use crate::control::Stanza;

const GENUINE: &[u8] = include_bytes!("../../testdata/bookworm.Packages");
const HEX: &str = "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef";

/// A whole stanza, in which `change` replaces the line of a field, or is one more.
fn stanza(change: &str) -> String {
    let lines = [
        "Package: hello",
        "Version: 2.10-3",
        "Architecture: amd64",
        "Filename: pool/hello.deb",
        "Size: 53081",
        &format!("SHA256: {HEX}"),
    ];
    let name = change.split(':').next().unwrap_or_default();
    let kept = lines.iter().filter(|line| !line.starts_with(&format!("{name}:")));
    kept.map(|line| format!("{line}\n")).collect::<String>() + change + "\n"
}

fn one(text: &str) -> Result<Package<'_>, PackageError> {
    parse(text.as_bytes(), 0, |_| true).map(|packages| packages[0].clone())
}

fn message(change: &str) -> String {
    one(&stanza(change)).unwrap_err().to_string()
}

#[test]
fn genuine_stanzas_are_packages() {
    let packages = parse(GENUINE, 7, |_| true).unwrap();
    assert_eq!(packages.len(), 13);
    let busybox = packages.iter().find(|package| package.name == "busybox-static").unwrap();
    let expected = Package {
        name: "busybox-static",
        version: "1:1.35.0-4+deb12u1+b1",
        arch: "amd64",
        multi_arch: MultiArch::No,
        essential: false,
        priority: Priority::Optional,
        section: "shells",
        source: "busybox",
        pre_depends: "",
        depends: "",
        conflicts: "busybox",
        breaks: "",
        provides: "busybox",
        replaces: "busybox",
        filename: "pool/main/b/busybox/busybox-static_1.35.0-4+deb12u1+b1_amd64.deb",
        size: 928_188,
        installed_size: 2024,
        digest: "sha256:3d3fdbe91d4660c873e14b092c213fe81c1da6362daa236eb25d0171eb108744".into(),
        repository: 7,
    };
    assert_eq!(*busybox, expected);
    assert_eq!(busybox.checked_digest(), Ok(&*expected.digest));
}

#[test]
fn genuine_stanzas_have_their_attributes() {
    let packages = parse(GENUINE, 0, |_| true).unwrap();
    let of = |name| packages.iter().find(|package| package.name == name).unwrap();
    assert_eq!((of("libc6").multi_arch, of("libc6").source), (MultiArch::Same, "glibc"));
    assert_eq!((of("dash").essential, of("dash").priority), (true, Priority::Required));
    assert_eq!((of("dash").multi_arch, of("dash").source), (MultiArch::Foreign, "dash"));
    assert_eq!(of("debconf").arch, "all");
    assert!(of("dash").pre_depends.starts_with("libc6 (>= "));
}

#[test]
fn an_architecture_nobody_wants_is_left_out() {
    let only_all = parse(GENUINE, 0, |arch| arch == "all").unwrap();
    assert!(!only_all.is_empty() && only_all.iter().all(|package| package.arch == "all"));
    // Not even what it lacks matters.
    let broken = stanza("Size: many");
    assert_eq!(parse(broken.as_bytes(), 0, |arch| arch == "arm64"), Ok(Vec::new()));
}

#[test]
fn what_every_package_has_must_be_there() {
    for field in ["Version", "Architecture", "Filename", "Size"] {
        let text = format!("\n{}", stanza(&format!("{field}:")));
        let error = PackageError::Missing { package: "hello".into(), line: 2, field };
        assert_eq!(one(&text), Err(error), "{text}");
    }
    assert_eq!(message("Package:"), "package without a name at line 1 has no Package");
}

#[test]
fn values_are_checked() {
    for (change, problem) in [
        ("Package: ../x", "is no name of a package"),
        ("Package: -x", "is no name of a package"),
        ("Version: 1 2", "is no version"),
        ("Version: 1/2", "is no version"),
        ("Architecture: any all", "is no architecture"),
        ("Architecture: ../x", "is no architecture"),
        ("Filename: /etc/passwd", "is no place in a repository"),
        ("Filename: pool/../../x", "is no place in a repository"),
        ("Filename: https://elsewhere/x.deb", "is no place in a repository"),
        ("Filename: pool/\u{1b}x", "is no place in a repository"),
        ("Size: -1", "is no number of bytes"),
        ("Size: +1", "is no number of bytes"),
        ("Size: 18446744073709551616", "is no number of bytes"),
        ("SHA256: 0123", "is no such digest"),
        (&format!("SHA256: g{}", &HEX[1..]), "is no such digest"),
    ] {
        let message = message(change);
        assert!(message.ends_with(problem), "{change}: {message}");
    }
    assert!(message(&format!("Package: {}", "a".repeat(1000))).len() < 200);
    // As a repository without suites names them, and names beyond Policy that dpkg takes.
    for sound in ["Filename: ./a b~1_%3a.deb", "Package: A_b+c.d-e", "Multi-Arch: odd", "Installed-Size: odd"]
    {
        assert!(one(&stanza(sound)).is_ok(), "{sound}");
    }
}

#[test]
fn a_field_that_counts_is_there_once() {
    let twice = stanza(&format!("sha256: {HEX}"));
    let error = ControlError::Duplicate { line: 7, field: "sha256".into() };
    assert_eq!(one(&twice), Err(error.into()));
}

#[test]
fn digests_are_the_strong_ones_in_lower_case() {
    let hex = HEX.to_ascii_lowercase();
    assert_eq!(one(&stanza("")).unwrap().digest, format!("sha256:{hex}"));
    let both = stanza(&format!("SHA512: {HEX}{HEX}"));
    assert_eq!(one(&both).unwrap().digest, format!("sha256:{hex}"));
    let other = both.replace("SHA256", "Unused");
    assert_eq!(one(&other).unwrap().digest, format!("sha512:{hex}{hex}"));
}

#[test]
fn a_weak_digest_is_an_error_of_whoever_is_chosen() {
    let weak = stanza("").replace("SHA256", "SHA1");
    let package = one(&weak).unwrap();
    assert_eq!(package.digest, "");
    let message = package.checked_digest().unwrap_err().to_string();
    assert_eq!(message, "package hello 2.10-3 is listed without a SHA-256 or SHA-512 digest");
}

#[test]
fn bytes_that_are_no_text_do_harm_only_where_they_are_read() {
    let with = |field| [stanza(&format!("{field}: Andr")).trim_end().as_bytes(), b"\xe9\n"].concat();
    assert!(parse(&with("Maintainer"), 0, |_| true).is_ok());
    let error = parse(&with("Depends"), 0, |_| true).unwrap_err();
    assert_eq!(error.to_string(), "line 7: the value of Depends is not UTF-8");
}

#[test]
fn a_package_of_its_own_control_file() {
    let text = b"Package: hello\nVersion: 1:2\nArchitecture: all\nSource: greetings (2)\n\
                 Description: says hello\n to all\n";
    let control = Stanza::only(text).unwrap();
    let package = Package::of_control(&control, "/home/me/hello.deb", 12, "sha256:00".into(), 1).unwrap();
    assert_eq!((package.source, package.filename), ("greetings", "/home/me/hello.deb"));
    assert_eq!((package.size, package.repository, &*package.digest), (12, 1, "sha256:00"));
}

#[test]
fn purls_are_encoded() {
    let packages = parse(GENUINE, 0, |_| true).unwrap();
    let purl =
        |name| packages.iter().find(|package| package.name == name).unwrap().purl("debian", "bookworm");
    assert_eq!(purl("dash"), "pkg:deb/debian/dash@0.5.12-2?arch=amd64&distro=bookworm");
    assert_eq!(
        purl("libstdc++6"),
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm"
    );
    // The type's own example.
    let attr = stanza("Version: 1:2.4.47-2+b1").replace("hello", "attr");
    assert_eq!(one(&attr).unwrap().purl("debian", ""), "pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64");
    let tilde = stanza("Version: 1~rc1");
    assert_eq!(
        one(&tilde).unwrap().purl("ubuntu", "24.04"),
        "pkg:deb/ubuntu/hello@1~rc1?arch=amd64&distro=24.04"
    );
}

proptest! {
    #[test]
    fn what_is_printed_is_read(
        name in "[a-z0-9][a-z0-9+.-]{1,20}",
        version in "([0-9]:)?[0-9][A-Za-z0-9.+~]{0,9}(-[0-9a-z]+)?",
        depends in "[!-~&&[^#]]{1,9}( \\([<>=]+ [0-9]\\))?(,\n? [a-z]{2,5})?",
        size: u64,
        essential: bool,
    ) {
        let text = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nDepends: {depends}\nFilename: a\n\
             Size: {size}\nEssential: {}\n", if essential { "yes" } else { "no" },
        );
        let package = one(&text).unwrap();
        prop_assert_eq!((package.name, package.version, package.depends), (&*name, &*version, &*depends));
        prop_assert_eq!((package.size, package.essential), (size, essential));
    }

    #[test]
    fn any_bytes_are_packages_or_an_error(
        bytes: Vec<u8>,
        field in prop::sample::select(vec!["Package", "Version", "Size", "Filename", "SHA256", "Depends"]),
        value in "\\PC{0,20}",
    ) {
        let _ = parse(&bytes, 0, |_| true);
        let _ = one(&stanza(&format!("{field}: {value}")));
    }
}
