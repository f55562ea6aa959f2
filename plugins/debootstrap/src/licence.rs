//! The licences that a package's `copyright` file names.
//!
//! Many are in the machine-readable form of
//! <https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/> ("DEP-5"), but people
//! write them and nobody checks them: they have lines that belong to no field, and Latin-1. A
//! bill of materials is better off with what can be read of them than with an error, so this
//! reads lines by itself, skips what it does not understand, and cannot fail.

use std::collections::BTreeSet;

/// Most of a file that is read, in bytes. The largest, those of browsers, have 2 MB.
const MAX_TEXT: usize = 8 << 20;

/// Most names taken from one file.
const MAX_NAMES: usize = 1_000;

/// Longest name taken, in bytes: an expression such as `GPL-2+ or Artistic`, not a sentence.
const MAX_NAME: usize = 256;

/// The short names of the licences in a `copyright` file, such as `GPL-2+` or
/// `GPL-2+ or Artistic`: sorted, each once. None if it is not machine-readable.
///
/// They are the first lines of the `License` fields of the header and of the paragraphs with
/// `Files`; those of other paragraphs only give the text of a licence its name.
pub fn licences(copyright: &[u8]) -> Vec<String> {
    let text = &copyright[..copyright.len().min(MAX_TEXT)];
    let mut paragraphs = Paragraphs(text.split(|&b| b == b'\n'));
    let Some(header) = paragraphs.next().filter(|header| header.has_format) else { return Vec::new() };
    let mut names = BTreeSet::from_iter(header.licence);
    for paragraph in paragraphs.filter(|paragraph| paragraph.has_files) {
        if names.len() < MAX_NAMES {
            names.extend(paragraph.licence);
        }
    }
    names.into_iter().collect()
}

/// What matters of a paragraph.
#[derive(Default)]
struct Paragraph {
    has_format: bool,
    has_files: bool,
    licence: Option<String>,
}

impl Paragraph {
    /// Takes in a line; continuations and what is no field do not matter.
    fn read(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|&b| b == b':') else { return };
        let value = || String::from_utf8_lossy(&line[colon + 1..]);
        match line[..colon].trim_ascii_end().to_ascii_lowercase().as_slice() {
            b"format" | b"format-specification" => self.has_format = is_format(&value()),
            b"files" => self.has_files = true,
            b"license" => self.licence = self.licence.take().or_else(|| short_name(&value())),
            _ => {}
        }
    }
}

/// The paragraphs of lines, which empty lines separate.
struct Paragraphs<I>(I);

impl<'a, I: Iterator<Item = &'a [u8]>> Iterator for Paragraphs<I> {
    type Item = Paragraph;

    fn next(&mut self) -> Option<Paragraph> {
        let mut lines = self.0.by_ref().skip_while(|line| line.trim_ascii().is_empty());
        let mut paragraph = Paragraph::default();
        paragraph.read(lines.next()?);
        lines.take_while(|line| !line.trim_ascii().is_empty()).for_each(|line| paragraph.read(line));
        Some(paragraph)
    }
}

/// Whether a `Format` is DEP-5, by the addresses that it had as a draft and has now.
fn is_format(value: &str) -> bool {
    value.contains("/copyright-format/") || value.contains("/dep5")
}

/// A name with its words one blank apart, so that each licence has one spelling.
fn short_name(value: &str) -> Option<String> {
    let name = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_name = !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control);
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n";

    #[test]
    fn a_genuine_file_names_its_licences() {
        let genuine = include_bytes!("../testdata/base-passwd.copyright");
        assert_eq!(licences(genuine), ["GPL-2", "public-domain"]);
    }

    #[test]
    fn names_are_sorted_and_each_is_there_once() {
        let text = format!(
            "{HEADER}License:  Expat\n text\n\nFiles: *\nLicense: GPL-2+  or Artistic\n .\n more\n\n\
             files: debian/*\nLICENSE: Expat\n\nLicense: BSD-3-clause\n its text\n\n\
             Files: a\nLicense:\n a text without a name\n"
        );
        assert_eq!(licences(text.as_bytes()), ["Expat", "GPL-2+ or Artistic"]);
    }

    #[test]
    fn prose_names_nothing() {
        for text in ["", "\n \n", "This is free software.\nLicense: MIT\n", "Format: 1.0\nLicense: MIT\n"] {
            assert!(licences(text.as_bytes()).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_skipped() {
        let head = format!("{HEADER}\nFiles: *\nan odd line\nCopyright: Andr").into_bytes();
        let text = [&head[..], b"\xe9\r\nLicense: MIT\r\n \xff\r\n"].concat();
        assert_eq!(licences(&text), ["MIT"]);
    }

    #[test]
    fn names_are_bounded_in_number_and_length() {
        let paragraph = |n: usize| format!("\nFiles: {n}\nLicense: L-{n}\n");
        let many: String = (0..2 * MAX_NAMES).map(paragraph).collect();
        assert_eq!(licences(format!("{HEADER}{many}").as_bytes()).len(), MAX_NAMES);
        let long = "x".repeat(MAX_NAME + 1);
        assert!(licences(format!("{HEADER}License: {long}\n").as_bytes()).is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, text in "(Format: /dep5|Files:|License:|[a-z \n\r:])*") {
            licences(&bytes);
            let names = licences(text.as_bytes());
            prop_assert!(names.is_sorted_by(|a, b| a < b));
        }
    }
}
