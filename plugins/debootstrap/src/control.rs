//! Stanzas of fields: the form of Release, Packages, control and sources files.
//!
//! Debian Policy §5.1 and deb822(5). An index has 50 MB and 63 000 stanzas, of which a build needs
//! a few dozen, so nothing is copied: a stanza is a slice of the index whose lines have been
//! checked, and its fields are found in that slice when somebody asks.
//!
//! Text is bytes. Old packages carry Latin-1 in fields that nobody here reads, such as
//! `Maintainer`; only a field that is read must be UTF-8, and an error names it.

/// Largest stanza accepted, in bytes. A Release file is one stanza, of up to 1 MB in the wild.
pub const MAX_STANZA: usize = 4 << 20;

/// Most fields accepted in one stanza. Packages have some thirty.
pub const MAX_FIELDS: usize = 256;

/// Characters of a bad line that an error shows.
const EXCERPT: usize = 60;

/// Why a text is not what Policy §5.1 describes, or a field cannot be read. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// A line without `name:` at its start.
    #[error("line {line} is neither a field nor the continuation of one: \"{text}\"")]
    NotAField {
        /// Its number.
        line: usize,
        /// Its beginning, odd bytes escaped.
        text: String,
    },
    /// A continuation line at the start of a stanza.
    #[error("line {line} continues a field, but no field comes before it: \"{text}\"")]
    NothingToContinue {
        /// Its number.
        line: usize,
        /// Its beginning, odd bytes escaped.
        text: String,
    },
    /// A comment in a file that people do not write.
    #[error("line {line} is a comment, which this kind of file cannot have: \"{text}\"")]
    Comment {
        /// Its number.
        line: usize,
        /// Its beginning, odd bytes escaped.
        text: String,
    },
    /// More than [`MAX_STANZA`] bytes.
    #[error("the stanza at line {line} is larger than {MAX_STANZA} bytes")]
    TooLarge {
        /// Where the stanza begins.
        line: usize,
    },
    /// More than [`MAX_FIELDS`] fields.
    #[error("the stanza at line {line} has more than {MAX_FIELDS} fields")]
    TooManyFields {
        /// Where the stanza begins.
        line: usize,
    },
    /// A field that is needed as text is not.
    #[error("line {line}: the value of {field} is not UTF-8")]
    NotUtf8 {
        /// Where the field begins.
        line: usize,
        /// Its name.
        field: String,
    },
    /// A comment between the lines of a value that is one text.
    #[error("line {line}: the value of {field} has a comment in it, which only a list may have")]
    CommentInValue {
        /// Where the field begins.
        line: usize,
        /// Its name.
        field: String,
    },
    /// A field for the second time (Policy §5.1: "must not").
    #[error("line {line}: the stanza already has a field {field}")]
    Duplicate {
        /// Where the second begins.
        line: usize,
        /// Its name.
        field: String,
    },
    /// No stanza where there should be one.
    #[error("has no fields")]
    Empty,
    /// More stanzas than one.
    #[error("a second stanza begins at line {line}, where there should be one alone")]
    Second {
        /// Where it begins.
        line: usize,
    },
}

/// The stanzas of a text, in its order. The first error ends it.
///
/// Stanzas are separated by lines that are empty, or hold only spaces and tabs. Lines end in
/// `\n` or `\r\n`; the last need not.
#[derive(Debug, Clone)]
pub struct Stanzas<'a> {
    rest: &'a [u8],
    /// Lines read so far.
    line: usize,
    comments: bool,
}

/// One stanza: lines of `Name: value` and their continuations. The lines are known to be such.
#[derive(Debug, Clone, Copy)]
pub struct Stanza<'a> {
    text: &'a [u8],
    line: usize,
}

/// The fields of a [`Stanza`], in its order.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
    line: usize,
}

/// One field of a [`Stanza`].
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
    line: usize,
    commented: bool,
}

/// What a line is by its first bytes.
enum Line {
    Blank,
    Comment,
    Continuation,
    Field,
    Unknown,
}

impl Line {
    fn of(line: &[u8]) -> Self {
        match line {
            [] => Self::Blank,
            [b' ' | b'\t', ..] if line.trim_ascii().is_empty() => Self::Blank,
            [b' ' | b'\t', ..] => Self::Continuation,
            [b'#', ..] => Self::Comment,
            _ if is_field(line) => Self::Field,
            _ => Self::Unknown,
        }
    }
}

impl<'a> Stanzas<'a> {
    /// The stanzas of an index or a control file, which hold no comments.
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: text, line: 0, comments: false }
    }

    /// The stanzas of a file that people write: lines that begin with `#` are left out.
    pub fn with_comments(text: &'a [u8]) -> Self {
        Self { comments: true, ..Self::new(text) }
    }

    fn read(&mut self) -> Result<Option<Stanza<'a>>, ControlError> {
        let (mut start, mut stanza, mut fields) = (self.rest, Stanza { text: &[], line: 0 }, 0);
        while !self.rest.is_empty() {
            let here = self.rest;
            let (line, rest) = split_line(here);
            self.rest = rest;
            self.line += 1;
            match Line::of(line) {
                Line::Blank if fields > 0 => break,
                Line::Blank => continue,
                Line::Comment if self.comments && fields == 0 => continue,
                Line::Comment if self.comments => {}
                Line::Continuation if fields > 0 => {}
                Line::Field => {
                    if fields == 0 {
                        (start, stanza.line) = (here, self.line);
                    }
                    fields += 1;
                }
                wrong => return Err(wrong.error(self.line, line)),
            }
            stanza.text = &start[..start.len() - here.len() + line.len()];
            stanza.check_size(fields)?;
        }
        Ok((fields > 0).then_some(stanza))
    }
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = Result<Stanza<'a>, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        let stanza = self.read();
        if stanza.is_err() {
            self.rest = &[];
        }
        stanza.transpose()
    }
}

impl<'a> Stanza<'a> {
    /// The stanza that a file without comments consists of: a Release file, a package's `control`.
    ///
    /// No field is there twice.
    pub fn only(text: &'a [u8]) -> Result<Self, ControlError> {
        let mut stanzas = Stanzas::new(text);
        let stanza = stanzas.next().unwrap_or(Err(ControlError::Empty))?;
        match stanzas.next() {
            Some(second) => Err(ControlError::Second { line: second?.line }),
            None => stanza.check_unique().map(|()| stanza),
        }
    }

    /// Its lines as they are in the file, byte for byte, without what ends the last.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The line it begins at, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Its fields, in the order of the file.
    pub fn fields(&self) -> Fields<'a> {
        Fields { rest: self.text, line: self.line }
    }

    /// The first field of this name, in upper or lower case.
    pub fn field(&self, name: &str) -> Option<Field<'a>> {
        self.fields().find(|field| field.is(name))
    }

    /// The value of the field of this name, as [`Field::text`] has it; `None` without the field.
    pub fn get(&self, name: &str) -> Result<Option<&'a str>, ControlError> {
        self.field(name).map(|field| field.text()).transpose()
    }

    /// Fails if a field is there twice, of which one reader would take the first and another the
    /// last. An iteration does not check that: it costs more than all the rest.
    pub fn check_unique(&self) -> Result<(), ControlError> {
        let mut seen: Vec<&[u8]> = Vec::new();
        for field in self.fields() {
            if seen.iter().any(|name| name.eq_ignore_ascii_case(field.name)) {
                return Err(field.duplicate());
            }
            seen.push(field.name);
        }
        Ok(())
    }

    fn check_size(&self, fields: usize) -> Result<(), ControlError> {
        match fields {
            _ if self.text.len() > MAX_STANZA => Err(ControlError::TooLarge { line: self.line }),
            0..=MAX_FIELDS => Ok(()),
            _ => Err(ControlError::TooManyFields { line: self.line }),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        // A comment belongs to no field unless the value goes on after it, so what is left
        // always begins with a field.
        let (text, line) = (self.rest, self.line);
        let (first, mut rest) = split_line(text);
        let colon = first.iter().position(|&b| b == b':')?;
        let (mut end, mut comment, mut commented) = (first.len(), false, false);
        self.line += 1;
        while let Some(&byte @ (b' ' | b'\t' | b'#')) = rest.first() {
            let (next, after) = split_line(rest);
            if byte == b'#' {
                comment = true;
            } else {
                commented |= comment;
                end = text.len() - rest.len() + next.len();
            }
            rest = after;
            self.line += 1;
        }
        self.rest = rest;
        Some(Field { name: text[..colon].trim_ascii_end(), value: &text[colon + 1..end], line, commented })
    }
}

impl<'a> Field<'a> {
    /// Its name, as the file spells it.
    pub fn name(&self) -> &'a str {
        // Names were checked to be ASCII when the stanza was read.
        str::from_utf8(self.name).unwrap_or_default()
    }

    /// Whether this is its name, in upper or lower case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The line it begins at, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// All that follows the colon, byte for byte.
    pub fn bytes(&self) -> &'a [u8] {
        self.value
    }

    /// The value without the blanks around it. One of several lines still has their line ends
    /// and the blank that each begins with: see [`Field::lines`] and [`Field::words`].
    pub fn text(&self) -> Result<&'a str, ControlError> {
        if self.commented {
            return Err(ControlError::CommentInValue { line: self.line, field: self.name().to_owned() });
        }
        self.utf8().map(str::trim_ascii)
    }

    /// The lines of the value: what follows the colon, which may be empty, then the continuation
    /// lines without the blank that makes them such. Blanks at their ends are left out, comments
    /// too, and ` .` is an empty line (Policy §5.6.13).
    pub fn lines(&self) -> Result<impl Iterator<Item = &'a str> + use<'a>, ControlError> {
        let (first, rest) = self.utf8().map(|text| text.split_once('\n').unwrap_or((text, "")))?;
        let rest = rest.lines().filter(|line| !line.starts_with('#'));
        Ok(std::iter::once(first.trim_ascii()).chain(rest.map(|line| {
            let line = line.strip_prefix([' ', '\t']).unwrap_or(line).trim_ascii_end();
            if line == "." { "" } else { line }
        })))
    }

    /// The words of the value, which is a list separated by blanks and ends of lines.
    pub fn words(&self) -> Result<impl Iterator<Item = &'a str> + use<'a>, ControlError> {
        Ok(self.lines()?.flat_map(str::split_ascii_whitespace))
    }

    /// Its name in the bytes of the file.
    pub(crate) fn name_bytes(&self) -> &'a [u8] {
        self.name
    }

    /// The error that this is the second of its name.
    pub(crate) fn duplicate(&self) -> ControlError {
        ControlError::Duplicate { line: self.line, field: self.name().to_owned() }
    }

    fn utf8(&self) -> Result<&'a str, ControlError> {
        let error = |_| ControlError::NotUtf8 { line: self.line, field: self.name().to_owned() };
        str::from_utf8(self.value).map_err(error)
    }
}

impl Line {
    /// The error that a line of this sort is where it is.
    fn error(&self, line: usize, text: &[u8]) -> ControlError {
        let text = excerpt(text);
        match self {
            Self::Comment => ControlError::Comment { line, text },
            Self::Continuation => ControlError::NothingToContinue { line, text },
            _ => ControlError::NotAField { line, text },
        }
    }
}

/// The first line without what ends it, and all that follows.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(end) = text.iter().position(|&b| b == b'\n') else { return (text, &[]) };
    let line = &text[..end];
    (line.strip_suffix(b"\r").unwrap_or(line), &text[end + 1..])
}

/// Whether the line begins with the name of a field and a colon. Blanks between the two are
/// against Policy, but apt and dpkg take them.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|&b| b == b':') else { return false };
    let name = line[..colon].trim_ascii_end();
    !matches!(name, [] | [b'-', ..]) && name.iter().all(u8::is_ascii_graphic)
}

/// The beginning of `text` for an error, odd bytes escaped.
pub(crate) fn excerpt(text: &[u8]) -> String {
    match text.get(..EXCERPT) {
        Some(start) if text.len() > EXCERPT => format!("{}…", start.escape_ascii()),
        _ => text.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests;
