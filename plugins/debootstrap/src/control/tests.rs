use proptest::prelude::*;

use super::*;

fn all(text: &[u8]) -> Result<Vec<Stanza<'_>>, ControlError> {
    Stanzas::new(text).collect()
}

/// Names and trimmed values of each stanza.
fn read(text: &str) -> Vec<Vec<(&str, &str)>> {
    let fields = |stanza: Stanza<'static>| stanza.fields().map(|f| (f.name(), f.text().unwrap())).collect();
    all(text.to_owned().leak().as_bytes()).unwrap().into_iter().map(fields).collect()
}

fn lines<'a>(stanza: &Stanza<'a>, name: &str) -> Vec<&'a str> {
    stanza.field(name).unwrap().lines().unwrap().collect()
}

#[test]
fn stanzas_end_at_blank_lines_of_any_kind() {
    let expected = [vec![("A", "1"), ("B", "2 3")], vec![("A", "4")]];
    for text in [
        "A: 1\nB: 2 3\n\nA: 4\n",
        "\n\n \t\nA: 1\nB:2 3\t\n \t \n\n\nA: 4",
        "A: 1\r\nB: 2 3\r\n\r\nA: 4\r\n\r\n",
    ] {
        assert_eq!(read(text), expected, "{text:?}");
    }
    assert!(all(b"").unwrap().is_empty() && all(b" \n\n").unwrap().is_empty());
}

#[test]
fn genuine_stanzas_keep_every_byte() {
    let index = include_str!("../../testdata/bookworm.Packages");
    let stanzas = all(index.as_bytes()).unwrap();
    let texts: Vec<_> = stanzas.iter().map(|stanza| str::from_utf8(stanza.text()).unwrap()).collect();
    assert_eq!(texts.join("\n\n") + "\n\n", index);
    assert_eq!(stanzas[1].line(), 23);
    let dash = stanzas.iter().find(|stanza| stanza.get("package") == Ok(Some("dash"))).unwrap();
    assert_eq!(dash.get("ESSENTIAL"), Ok(Some("yes")));
    assert_eq!(dash.get("Source"), Ok(None));
    assert_eq!(dash.fields().next().map(|field| (field.name(), field.line())), Some(("Package", 67)));
}

#[test]
fn the_text_of_a_stanza_keeps_blanks_and_line_ends() {
    let stanza = all(b"\nA: 1 \n b \nC:  \n\nD: 1\n").unwrap()[0];
    assert_eq!(stanza.text(), b"A: 1 \n b \nC:  ");
    assert_eq!(all(b"A: 1\r\nB: 2\r\n").unwrap()[0].text(), b"A: 1\r\nB: 2");
}

#[test]
fn values_go_on_in_lines_that_begin_with_a_blank() {
    let text = b"Description: short\n long\n .\n  verbatim \r\n\tmore\nList:\n a b\n c:d\nNone:\n";
    let stanza = Stanza::only(text).unwrap();
    assert_eq!(lines(&stanza, "Description"), ["short", "long", "", " verbatim", "more"]);
    assert_eq!(lines(&stanza, "List"), ["", "a b", "c:d"]);
    assert_eq!(lines(&stanza, "None"), [""]);
    assert_eq!(stanza.get("list"), Ok(Some("a b\n c:d")));
    assert_eq!(stanza.get("None"), Ok(Some("")));
    let words: Vec<_> = stanza.field("List").unwrap().words().unwrap().collect();
    assert_eq!(words, ["a", "b", "c:d"]);
    assert_eq!(stanza.field("List").unwrap().bytes(), b"\n a b\n c:d");
}

#[test]
fn comments_are_left_out_where_people_write() {
    let text = b"# first\n\n# second\nURIs: a\n# inside\n b\n#after\nTypes: deb\n# last\n\n#only\n";
    let stanzas: Vec<_> = Stanzas::with_comments(text).map(Result::unwrap).collect();
    let [stanza] = stanzas[..] else { panic!("{stanzas:?}") };
    assert_eq!(stanza.line(), 4);
    assert_eq!(stanza.field("Types").map(|field| field.line()), Some(8));
    assert_eq!(stanza.get("Types"), Ok(Some("deb")));
    assert_eq!(lines(&stanza, "URIs"), ["a", "b"]);
    let error = ControlError::CommentInValue { line: 4, field: "URIs".into() };
    assert_eq!(stanza.get("URIs"), Err(error));
    let error = ControlError::Comment { line: 2, text: "# b".into() };
    assert_eq!(all(b"A: 1\n# b\n").unwrap_err(), error);
}

#[test]
fn errors_say_which_line() {
    let not_a_field = |line, text: &str| ControlError::NotAField { line, text: text.into() };
    for (text, error) in [
        (&b"A: 1\n\nno field\n"[..], not_a_field(3, "no field")),
        (b": 1\n", not_a_field(1, ": 1")),
        (b"-----BEGIN: 1\n", not_a_field(1, "-----BEGIN: 1")),
        (b"A b: 1\n", not_a_field(1, "A b: 1")),
        (b"\xe9: 1\n", not_a_field(1, "\\xe9: 1")),
        (b"\x0cA: 1\n", not_a_field(1, "\\x0cA: 1")),
        (b"\n b: 1\n", ControlError::NothingToContinue { line: 2, text: " b: 1".into() }),
    ] {
        assert_eq!(all(text).unwrap_err(), error);
    }
    let long = "x".repeat(1000);
    let message = all(long.as_bytes()).unwrap_err().to_string();
    assert!(message.len() < 150 && message.contains("line 1 is neither"), "{message}");
}

#[test]
fn the_first_error_is_the_last_item() {
    let mut stanzas = Stanzas::new(b"A: 1\n\nbad\n\nB: 2\n");
    assert!(stanzas.next().unwrap().is_ok() && stanzas.next().unwrap().is_err());
    assert!(stanzas.next().is_none());
}

#[test]
fn only_fields_that_are_read_must_be_utf_8() {
    let stanza = Stanza::only(b"Package: a\nMaintainer: Andr\xe9\n").unwrap();
    assert_eq!(stanza.get("Package"), Ok(Some("a")));
    let error = ControlError::NotUtf8 { line: 2, field: "Maintainer".into() };
    assert_eq!(stanza.get("Maintainer"), Err(error));
    assert_eq!(stanza.field("Maintainer").unwrap().bytes(), b" Andr\xe9");
}

#[test]
fn a_file_of_one_stanza_has_no_more_and_no_field_twice() {
    assert_eq!(Stanza::only(b"\n").unwrap_err(), ControlError::Empty);
    assert_eq!(Stanza::only(b"A: 1\n\n\nB: 2\n").unwrap_err(), ControlError::Second { line: 4 });
    let error = ControlError::Duplicate { line: 3, field: "a".into() };
    assert_eq!(Stanza::only(b"A: 1\nB: 2\na: 3\n").unwrap_err(), error);
    // A space before the colon is against Policy, but makes no other name of it.
    assert!(Stanza::only(b"A: 1\nA : 2\n").is_err());
}

#[test]
fn stanzas_are_bounded() {
    let error = |text: &str| all(text.as_bytes()).map(|_| ()).unwrap_err();
    let many: String = (0..=MAX_FIELDS).map(|n| format!("F{n}: 1\n")).collect();
    assert_eq!(error(&many), ControlError::TooManyFields { line: 1 });
    let large = ["A:", &"x".repeat(MAX_STANZA)].concat();
    assert_eq!(error(&large), ControlError::TooLarge { line: 1 });
    let large = ["\nA:", &" x\n".repeat(MAX_STANZA / 3 + 1)].concat();
    assert_eq!(error(&large), ControlError::TooLarge { line: 2 });
}

prop_compose! {
    /// A field and the lines of its value, the first perhaps empty.
    fn field()(
        name in "[!-~&&[^:#-]][!-~&&[^:]]{0,8}",
        first in "([!-~é]( ?[!-~é]){0,9})?",
        rest in prop::collection::vec("[ \t]{0,2}[!-~é]{1,9}( [!-~é]{1,9})?|", 0..4),
    ) -> (String, Vec<String>) {
        // A line of one dot alone is written for an empty one.
        let rest = rest.into_iter().map(|line| if line == "." { "..".to_owned() } else { line });
        (name, std::iter::once(first).chain(rest).collect())
    }
}

fn print(stanzas: &[Vec<(String, Vec<String>)>], end: &str) -> String {
    let value = |lines: &[String]| {
        let rest = lines[1..].iter().map(|line| if line.is_empty() { "." } else { line });
        rest.fold(lines[0].clone(), |text, line| format!("{text}{end} {line}"))
    };
    let field = |(name, lines): &(String, Vec<String>)| format!("{name}: {}{end}", value(lines));
    let stanza = |fields: &Vec<_>| fields.iter().map(field).collect::<String>();
    stanzas.iter().map(stanza).collect::<Vec<_>>().join(end)
}

#[test]
fn a_return_ends_a_line_only_before_a_newline() {
    for text in ["A:\r\r\n", "A: \r", "A:\r\n"] {
        let stanza = Stanzas::new(text.as_bytes()).next().unwrap().unwrap();
        assert_eq!(Stanza::only(stanza.text()).unwrap().text(), stanza.text(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read(
        stanzas in prop::collection::vec(prop::collection::vec(field(), 1..5), 0..4),
        crlf: bool,
    ) {
        let printed = print(&stanzas, if crlf { "\r\n" } else { "\n" });
        let read: Vec<Vec<_>> = all(printed.as_bytes()).unwrap().iter().map(|stanza| {
            let lines = |field: &Field<'_>| field.lines().unwrap().map(str::to_owned).collect::<Vec<_>>();
            stanza.fields().map(|field| (field.name().to_owned(), lines(&field))).collect()
        }).collect();
        prop_assert_eq!(read, stanzas);
    }

    #[test]
    fn any_bytes_are_stanzas_or_an_error(
        bytes in prop::collection::vec(prop_oneof![
            3 => prop::sample::select(&b"A:. \t\n\r#-"[..]),
            1 => any::<u8>(),
        ], 0..60),
        comments: bool,
    ) {
        let stanzas = Stanzas { comments, ..Stanzas::new(&bytes) };
        for stanza in stanzas.map_while(Result::ok) {
            prop_assert!(stanza.fields().count() > 0);
            // A stanza alone is itself again.
            let again = Stanzas { comments, ..Stanzas::new(stanza.text()) }.next().unwrap().unwrap();
            prop_assert_eq!(again.text(), stanza.text());
            for field in stanza.fields() {
                prop_assert!(!field.name().is_empty());
                prop_assert!(stanza.field(field.name()).is_some());
                let (text, lines) = (field.text().is_ok(), field.lines().map(Iterator::count).is_ok());
                prop_assert!(!text || lines);
            }
        }
    }
}
