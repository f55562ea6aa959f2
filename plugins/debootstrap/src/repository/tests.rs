//! Tests with what real systems have in their files.

use super::*;

const ARMOUR: &str =
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ+\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
const FINGERPRINT: &str = "04B54C3CDCA79751B16BC6B5225629DF75B188BD";

/// `URL SUITE COMPONENT…`, each in its own line.
fn shown(repositories: &[Repository]) -> Vec<String> {
    repositories.iter().map(ToString::to_string).collect()
}

fn lines(text: &str) -> Vec<String> {
    shown(&parse_lines(text).unwrap())
}

fn one(line: &str) -> Repository {
    let mut repositories = parse_lines(line).unwrap();
    assert_eq!(repositories.len(), 1, "{line}");
    repositories.remove(0)
}

#[test]
fn a_file_of_lines() {
    let text = "\
# See https://wiki.debian.org/SourcesList\n\
deb cdrom:[Debian GNU/Linux 11.0.0 _Bullseye_ - Official amd64 NETINST 20210814-10:07]/ bullseye main\n\
\n\
deb http://ftp.debian.org/debian/ bullseye main contrib # with a remark\n\
deb-src http://ftp.debian.org/debian/ bullseye main\n\
\tdeb [ arch=amd64 ] HTTP://Security.Debian.org/debian-security bullseye-security main\n\
deb [trusted=yes] file:/srv/repo ./\n";
    let expected = [
        "http://ftp.debian.org/debian bullseye main contrib",
        "http://security.debian.org/debian-security bullseye-security main",
        "file:///srv/repo ./",
    ];
    assert_eq!(lines(text), expected);
}

#[test]
fn options_of_a_line() {
    let options = "arch=amd64,i386 signed-by=/a.gpg,/b.asc trusted=yes check-valid-until=no \
                   valid-until-min=3600 valid-until-max=7200 by-hash=force lang=none pdiffs=no allow-weak=no";
    let repository = one(&format!("deb [{options}] https://mirror.example/debian trixie main"));
    let expected = Repository {
        components: vec!["main".into()],
        architectures: Some(vec!["amd64".into(), "i386".into()]),
        signed_by: SignedBy::Files(vec!["/a.gpg".into(), "/b.asc".into()]),
        trusted: true,
        check_valid_until: false,
        valid_until_min: Some(3600),
        valid_until_max: Some(7200),
        by_hash: Some(true),
        ..Repository::new("https://mirror.example/debian".into(), "trixie".into())
    };
    assert_eq!(repository, expected);
    let exact =
        one(&format!("deb [signed-by={}!] http://mirror.example/ x main", FINGERPRINT.to_lowercase()));
    assert_eq!(exact.signed_by, SignedBy::Fingerprints(vec![format!("{FINGERPRINT}!")]));
    assert!(!one("deb [trusted=no] http://mirror.example/ x main").trusted);
    assert_eq!(one("deb[arch=amd64]http://mirror.example/ x main").architectures, Some(vec!["amd64".into()]));
}

#[test]
fn places_of_the_signed_index() {
    for (line, expected) in [
        ("deb http://[2001:db8::1]:3142/debian/ sid main", "http://[2001:db8::1]:3142/debian/dists/sid"),
        ("deb http://mirror.example buster/updates main", "http://mirror.example/dists/buster/updates"),
        ("deb http://mirror.example/r ./", "http://mirror.example/r"),
        ("deb http://mirror.example/r /", "http://mirror.example/r"),
        ("deb http://mirror.example/r ./amd64/", "http://mirror.example/r/amd64"),
        ("deb http://mirror.example/r xUbuntu_24.04/", "http://mirror.example/r/xUbuntu_24.04"),
        ("deb copy:///srv/r/ sid main", "file:///srv/r/dists/sid"),
    ] {
        assert_eq!(one(line).index_url(), expected, "{line}");
    }
}

#[test]
fn stanzas_of_debian_and_ubuntu() {
    let debian = "\
Types: deb\n\
# http://snapshot.debian.org/archive/debian/20250520T000000Z\n\
URIs: http://ftp.debian.org/debian\n\
Suites: bookworm bookworm-updates\n\
Components: main\n\
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\
\n\
Types: deb\n\
URIs: http://ftp.debian.org/debian-security\n\
Suites: bookworm-security\n\
Components: main\n\
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
    let repositories = parse_deb822(debian).unwrap();
    let expected = [
        "http://ftp.debian.org/debian bookworm main",
        "http://ftp.debian.org/debian bookworm-updates main",
        "http://ftp.debian.org/debian-security bookworm-security main",
    ];
    assert_eq!(shown(&repositories), expected);
    let keyring = SignedBy::Files(vec!["/usr/share/keyrings/debian-archive-keyring.gpg".into()]);
    assert!(repositories.iter().all(|repository| repository.signed_by == keyring));

    let ubuntu = "\
## See the sources.list(5) manual page for further settings.\n\
types: deb deb-src\r\n\
uris: http://archive.ubuntu.com/ubuntu/\n  http://mirror.example/ubuntu\n\
suites: noble\n# a comment inside\n\tnoble-backports\n\
components: main universe\n\
x-repolib-name: Ubuntu\n\
\n\
\n\
Types: deb-src\n\
\n\
Enabled: no\n\
URIs: http://security.ubuntu.com/ubuntu/\n";
    let expected = [
        "http://archive.ubuntu.com/ubuntu noble main universe",
        "http://archive.ubuntu.com/ubuntu noble-backports main universe",
        "http://mirror.example/ubuntu noble main universe",
        "http://mirror.example/ubuntu noble-backports main universe",
    ];
    assert_eq!(shown(&parse_deb822(ubuntu).unwrap()), expected);
}

#[test]
fn a_key_in_a_stanza() {
    let continued: String =
        ARMOUR.lines().map(|line| format!(" {}\n", if line.is_empty() { "." } else { line })).collect();
    for begin in ["Signed-By:\n", "Signed-By:"] {
        let text = format!("Types: deb\nURIs: http://mirror.example\nSuites: ./\n{begin}{continued}");
        assert_eq!(parse_deb822(&text).unwrap()[0].signed_by, SignedBy::Inline(ARMOUR.into()));
    }
    let text = format!("URIs: http://mirror.example\nSuites: ./\nSigned-By: {FINGERPRINT}\n {FINGERPRINT}\n");
    let both = SignedBy::Fingerprints(vec![FINGERPRINT.into(), FINGERPRINT.into()]);
    assert_eq!(parse_deb822(&text).unwrap()[0].signed_by, both);
}

#[test]
fn a_user_may_give_any_form() {
    let words = |text: &str| parse_words(text, "trixie", &["main", "contrib"]).map(|list| shown(&list));
    for (text, expected) in [
        (" https://mirror.example/debian/ ", "https://mirror.example/debian trixie main contrib"),
        ("file:///srv/debian", "file:///srv/debian trixie main contrib"),
        ("deb http://mirror.example sid main", "http://mirror.example sid main"),
        ("# mine\ndeb http://mirror.example sid main\n", "http://mirror.example sid main"),
        ("URIs: http://mirror.example\nSuites: sid\nComponents: main", "http://mirror.example sid main"),
    ] {
        assert_eq!(words(text), Ok(vec![expected.to_owned()]), "{text}");
    }
    for text in [
        "",
        "mirror.example",
        "http://mirror.example sid main",
        "/srv/repo",
        "http://a.example\nhttp://b.example",
    ] {
        assert!(matches!(words(text), Err(RepositoryError::Form(_))), "{text}: {:?}", words(text));
    }
}

#[test]
fn errors_name_the_part_at_fault() {
    let url = "http://mirror.example";
    for (text, expected) in [
        ("\nrpm http://x y z", r#"repository line 2: unknown type "rpm": expected "deb""#),
        ("deb", "repository line 1: no URL"),
        ("deb http://mirror.example", "repository line 1: no suite"),
        ("deb http://mirror.example sid", r#"no components for suite "sid""#),
        ("deb http://mirror.example ./ main", r#"components for "./""#),
        ("deb [arch=amd64 http://mirror.example sid main", r#"no closing "]""#),
        ("deb [arch] http://mirror.example sid main", r#""arch" is not supported"#),
        ("deb [trused=yes] http://mirror.example sid main", r#""trused" is not supported"#),
        ("deb [inrelease-path=x] http://mirror.example sid main", r#""inrelease-path" is not supported"#),
        ("deb [arch-=i386] http://mirror.example sid main", r#""arch-" is not supported"#),
        ("deb [allow-insecure=yes] http://mirror.example sid main", r#"needs "trusted=yes""#),
        ("deb [trusted=maybe] http://mirror.example sid main", r#"trusted cannot be "maybe""#),
        ("deb [signed-by=B188BD] http://mirror.example sid main", r#"signed-by cannot be "B188BD""#),
        ("deb [arch=AMD] http://mirror.example sid main", r#""AMD" is not the name of an architecture"#),
        ("deb ftp://mirror.example sid main", r#"scheme "ftp" is not supported"#),
        ("deb mirror+http://mirror.example/list sid main", r#"scheme "mirror+http" is not supported"#),
        ("deb mirror.example sid main", r#""mirror.example" is not the URL"#),
        ("deb http:///debian sid main", r#""http:///debian" is not the URL"#),
        ("deb http://mirror.example/?a sid main", "is not the URL"),
        ("deb file:srv sid main", r#""file:srv" is not the URL"#),
        ("deb http://mirror.example ../sid main", r#""../sid" is not the name of a suite"#),
        ("deb http://mirror.example a//b main", r#""a//b" is not the name of a suite"#),
        ("deb http://mirror.example binary-$(ARCH)/", "is not the name of a suite"),
        ("deb http://mirror.example sid main/../x", r#""main/../x" is not the name of a component"#),
    ] {
        let error = parse_lines(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for (text, expected) in [
        (format!("Types: deb-src\n\nURIs: {url}\n"), "repository stanza 2: no suite"),
        (" continued\n".to_owned(), r#"stanza 1: " continued" is not a field"#),
        ("URIs http\n".to_owned(), r#""URIs http" is not a field"#),
        (format!("URIs: {url}\nSuites: sid\nComponent: main"), r#""Component" is not supported"#),
        (format!("URIs: {url}\nSuites: sid\n"), r#"no components for suite "sid""#),
        (format!("URIs: {url}\nSuites: sid\nSigned-By: /a.gpg {FINGERPRINT}"), "Signed-By cannot be"),
    ] {
        let error = parse_deb822(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn passwords_are_refused_and_not_repeated() {
    for url in [
        "https://user:secret@mirror.example/debian",
        "https://secret@mirror.example",
        "user:secret@mirror.example",
    ] {
        for text in
            [format!("deb {url} sid main"), format!("deb {url} sid"), format!("{url} sid main"), url.into()]
        {
            let error = parse_words(&text, "sid", &["main"]).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let error = parse_lines(&format!("[a={url}] http://mirror.example")).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    for url in ["https://user:secret@mirror.example/debian", "https://secret@mirror.example"] {
        let error = parse_words(url, "sid", &["main"]).unwrap_err().to_string();
        assert!(error.contains("auth.conf"), "{error}");
    }
}

#[test]
fn a_few_words_cannot_stand_for_millions() {
    let urls = "http://mirror.example ".repeat(2000);
    let suites = "sid ".repeat(2000);
    let text = format!("URIs: {urls}\nSuites: {suites}\nComponents: main\n");
    assert!(parse_deb822(&text).unwrap_err().to_string().ends_with("more than 1024 repositories"));
    let text = "deb http://mirror.example sid main\n".repeat(1025);
    assert!(parse_lines(&text).unwrap_err().to_string().contains("line 1025"));
    assert_eq!(parse_lines(&" ".repeat(MAX_TEXT + 1)), Err(RepositoryError::TooLong(MAX_TEXT + 1)));
}

/// Words that parsers of either form look at, in any order.
fn text() -> impl proptest::strategy::Strategy<Value = String> {
    let part = "deb|deb-src|\\[|\\]|arch=|trusted=yes|signed-by=|http://h|file:|cdrom:|/|\\./|\\.\\.|main|#| |\n|\t\
                |URIs:|Suites: |Types: deb|Signed-By:|:|@|=|,|\\PC";
    proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

use proptest::strategy::Strategy as _;

proptest::proptest! {
    #[test]
    fn no_text_panics_and_what_is_taken_is_sound(text in text()) {
        for parsed in [parse_lines(&text), parse_deb822(&text), parse_words(&text, "sid", &["main"])] {
            for repository in parsed.unwrap_or_default() {
                proptest::prop_assert_eq!(repository.is_flat(), repository.components.is_empty());
                proptest::prop_assert!(!repository.url.ends_with('/') || repository.url == "file://");
                proptest::prop_assert!(!repository.suite.contains(".."));
                let again = parse_lines(&format!("deb {repository}")).unwrap();
                proptest::prop_assert_eq!(again[0].index_url(), repository.index_url());
            }
        }
    }
}
