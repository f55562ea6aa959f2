//! The form of stanzas: `URIs: …`, `Suites: …` (sources.list(5), "deb822-Style Format").

use super::{Draft, Problem, quoted};

/// Whether a line begins as this form does: with a field that every stanza may have.
pub(super) fn has_field(line: &str) -> bool {
    const FIELDS: [&str; 9] = [
        "types",
        "uris",
        "suites",
        "components",
        "architectures",
        "signed-by",
        "trusted",
        "enabled",
        "check-valid-until",
    ];
    line.split_once(':')
        .is_some_and(|(name, _)| FIELDS.contains(&name.trim_end().to_ascii_lowercase().as_str()))
}

/// Each stanza with its number from 1.
pub(super) fn drafts(text: &str) -> impl Iterator<Item = (usize, Result<Draft, Problem>)> {
    stanzas(text).into_iter().enumerate().map(|(i, stanza)| (i + 1, stanza.and_then(|fields| draft(&fields))))
}

fn draft(fields: &[(String, String)]) -> Result<Draft, Problem> {
    let mut draft = Draft::default();
    for (name, value) in fields {
        draft.set(name, value)?;
    }
    draft.is_complete()?;
    Ok(draft)
}

/// The fields of a stanza. A value keeps its line breaks; ` .` is a line that is empty.
type Fields = Vec<(String, String)>;

/// The stanzas of a text, which empty lines part (deb822(5)). Lines that begin with `#` are
/// comments, even inside of a value.
fn stanzas(text: &str) -> Vec<Result<Fields, Problem>> {
    let mut stanzas = Vec::new();
    let mut fields: Result<Fields, Problem> = Ok(Vec::new());
    for line in text.lines().chain([""]).filter(|line| !line.starts_with('#')) {
        if line.trim().is_empty() {
            let stanza = std::mem::replace(&mut fields, Ok(Vec::new()));
            stanzas.extend((stanza != Ok(Vec::new())).then_some(stanza));
        } else if let Ok(known) = &mut fields
            && let Err(problem) = read_line(known, line)
        {
            fields = Err(problem);
        }
    }
    stanzas
}

fn read_line(fields: &mut Fields, line: &str) -> Result<(), Problem> {
    let no_field = || Problem::Field(quoted(line));
    if line.starts_with([' ', '\t']) {
        let (_, value) = fields.last_mut().ok_or_else(no_field)?;
        let more = line.trim();
        value.push('\n');
        value.push_str(if more == "." { "" } else { more });
        return Ok(());
    }
    let (name, value) = line.split_once(':').ok_or_else(no_field)?;
    fields.push((name.trim_end().to_owned(), value.trim().to_owned()));
    Ok(())
}
