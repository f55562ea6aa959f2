//! The one-line form: `deb [option=value …] URL SUITE COMPONENT…` (sources.list(5),
//! "One-Line-Style Format").

use super::{Draft, Problem, quoted};

/// Whether a line begins as this form does.
pub(super) fn has_type(line: &str) -> bool {
    ["deb", "deb-src"].contains(&split_type(line).0)
}

/// Each line that says something, with its number from 1.
pub(super) fn drafts(text: &str) -> impl Iterator<Item = (usize, Result<Draft, Problem>)> {
    let numbered = text.lines().enumerate().map(|(i, line)| (i + 1, without_comment(line).trim()));
    numbered.filter(|(_, line)| !line.is_empty()).map(|(number, line)| (number, draft(line)))
}

fn draft(line: &str) -> Result<Draft, Problem> {
    let (kind, rest) = split_type(line);
    let mut draft = Draft::default();
    draft.set("types", kind)?;
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(Problem::OpenOptions)?,
        None => ("", rest),
    };
    for option in options.split_whitespace() {
        let (name, value) = option.split_once('=').ok_or_else(|| Problem::Option(quoted(option)))?;
        draft.set(name, value)?;
    }
    if rest.trim_start().starts_with("cdrom:") {
        // Names of media have blanks and brackets; nothing after them is of use.
        return Ok(Draft::default());
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    draft.urls = words.next().into_iter().collect();
    draft.suites = words.next().into_iter().collect();
    draft.components = words.collect();
    draft.is_complete()?;
    Ok(draft)
}

/// The first word, and what comes after it and blanks. A bracket ends a word, too.
fn split_type(line: &str) -> (&str, &str) {
    let end = line.find(|c: char| c.is_whitespace() || c == '[').unwrap_or(line.len());
    let (kind, rest) = line.split_at(end);
    (kind, rest.trim_start())
}

/// The line up to `#`. In the options' brackets that is a character like any other.
fn without_comment(line: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in line.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '#' if depth == 0 => return &line[..at],
            _ => {}
        }
    }
    line
}
