use super::*;
use crate::rpm::header::entry::Entry;

fn user(name: &str) -> User {
    User { name: name.to_owned(), ..User::default() }
}

#[track_caller]
fn check_user(line: &str, expected: User) {
    assert_eq!(Line::parse(line), Ok(Line::User(expected)), "{line}");
}

#[test]
fn lines_are_read_as_systemd_reads_them() {
    check_user("u web", user("web"));
    check_user("  u   web\t-  \"\" - -", user("web"));
    check_user("u web /usr/bin/web", user("web"));
    check_user("u! web 33", User { uid: Some(33), is_locked: true, ..user("web") });
    let group = Primary::Named("www".into());
    check_user("u web 33:www", User { uid: Some(33), group: group.clone(), ..user("web") });
    check_user("u web -:www", User { group, ..user("web") });
    check_user("u web 33:34", User { uid: Some(33), group: Primary::Number(34), ..user("web") });
    let gecos = |text: &str| User { gecos: text.into(), ..user("web") };
    check_user("u web - 'a b'", gecos("a b"));
    check_user(r#"u web - "a\"b""#, gecos("a\"b"));
    check_user(r"u web - a\ b", gecos("a b"));
    check_user("u web - a\"b c\"d", gecos("ab cd"));
    check_user("u web - 100%%", gecos("100%"));
    let places = User { home: Some("/a/b".into()), shell: Some("/bin/sh".into()), ..user("web") };
    check_user("u web - - /a//./b/ /bin//sh", places);
    check_user("u web - - /", User { home: Some("/".into()), ..user("web") });
    assert_eq!(Line::parse("g web 5"), Ok(Line::Group { name: "web".into(), gid: Some(5) }));
    // A group's description is no part of it.
    assert_eq!(Line::parse("g web - \"The web\""), Line::parse("g web -"));
    assert_eq!(Line::parse("g web -"), Ok(Line::Group { name: "web".into(), gid: None }));
    let member = Line::Member { user: "a".into(), group: "b".into() };
    assert_eq!(Line::parse("m a b"), Ok(member));
}

#[test]
fn what_systemd_refuses_is_no_line() {
    let long = format!("u {} -", "a".repeat(32));
    let bad = [
        "",
        "u",
        "u -",
        "u 1a",
        "u a.b",
        "u web$",
        "u web 65535",
        "u web 4294967295",
        "u web 07",
        "u web -1",
        "u web +1",
        "u web 1:",
        "u web :1",
        "u web 1:-",
        "u web 1:2:3",
        "u web - a:b",
        "u web - \"a",
        "u web - a\\",
        "u web - - rel",
        "u web - - /a/../b",
        "u web - - /a:b",
        "u web - - /a b",
        "u web - - / / x",
        "u web - %m",
        "u web - \"a\u{7}\"",
        "g web 1:2",
        "g web 1 x /home",
        "m web",
        "m web 1",
        "m a b c",
        "g! web",
        "u!! web",
        "r - 500-600",
        "x web",
        &long,
    ];
    for line in bad {
        assert!(Line::parse(line).is_err(), "{line}");
    }
    let error = Line::parse("u 1a").unwrap_err().to_string();
    assert_eq!(error, "\"u 1a\" declares no user or group: it has a name that none can be");
}

fn declaring(provides: &[(&str, &str, u64)], more: Vec<Entry<'_>>) -> Header {
    let names: Vec<&str> = provides.iter().map(|provide| provide.0).collect();
    let versions: Vec<&str> = provides.iter().map(|provide| provide.1).collect();
    let flags: Vec<u32> = provides.iter().map(|provide| provide.2 as u32).collect();
    let mut entries = vec![
        Entry::texts(tag::PROVIDENAME, &names),
        Entry::texts(tag::PROVIDEVERSION, &versions),
        Entry::numbers(tag::PROVIDEFLAGS, &flags),
    ];
    entries.extend(more);
    Header::build(tag::HEADERIMMUTABLE, entries).unwrap()
}

/// As the manual has it, and others.
const PROVIDES: [(&str, &str, u64); 6] = [
    ("dnsmasq", "1-1", EQUAL),
    ("group(dnsmasq)", "", 0),
    ("groupmember(klangd/klong)", "bSBrbGFuZ2Qga2xvbmcA", EQUAL),
    ("user(a)", "not Base64!", EQUAL),
    ("user(b)", "dSBi", EQUAL),
    (
        "user(dnsmasq)",
        "dSBkbnNtYXNxIC0gIkRuc21hc3EgREhDUCBhbmQgRE5TIHNlcnZlciIgL3Zhci9saWIvZG5zbWFzcQAA",
        EQUAL,
    ),
];

#[test]
fn declarations_are_what_provides_have_for_versions() {
    let member = Line::Member { user: "klangd".into(), group: "klong".into() };
    let dnsmasq = User {
        gecos: "Dnsmasq DHCP and DNS server".into(),
        home: Some("/var/lib/dnsmasq".into()),
        ..user("dnsmasq")
    };
    let expected = [member, Line::User(user("b")), Line::User(dnsmasq)];
    assert_eq!(declared(&declaring(&PROVIDES, vec![])).unwrap(), [expected.to_vec()]);
    let [member, b, dnsmasq] = expected;
    let of = |provide: u32| u32::from(b'P') << 24 | provide;
    let origins = vec![
        Entry::numbers(tag::FILEDEPENDSX, &[0, 0, 2, 90]),
        Entry::numbers(tag::FILEDEPENDSN, &[0, 2, 1, 90]),
        Entry::numbers(tag::DEPENDSDICT, &[of(2), of(5), of(4)]),
    ];
    assert_eq!(declared(&declaring(&PROVIDES, origins)).unwrap(), [vec![member, dnsmasq], vec![b]]);
}

#[test]
fn a_declaration_that_is_no_line_is_an_error() {
    assert!(declared(&declaring(&[("user(x)", "eCB5", EQUAL)], vec![])).is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_fail(text: String, words in "[ugm]!? [a-z%'\"\\\\]{1,5} [0-9:/-]{0,9}( [a-z/]{0,5}){0,3}") {
        let _ = Line::parse(&text);
        let _ = Line::parse(&words);
    }
}
