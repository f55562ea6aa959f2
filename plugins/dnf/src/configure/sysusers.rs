//! Users and groups that a package declares.
//!
//! rpm makes them since 4.19 before it unpacks the files, which may be theirs. A package says what
//! it wants in its `Provides`: `user(x) = …`, with a line of sysusers.d(5) in Base64 for a version
//! (rpm-sysusers(7); rpm's `lib/psm.c`, `runSysusers`). Lines are read as systemd-sysusers does,
//! which most distributions run for it.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::rpm::header::Header;
use crate::rpm::tag;

/// `RPMSENSE_EQUAL`
const EQUAL: u64 = 1 << 3;
/// Which `Provides` declare something.
const DECLARING: [&[u8]; 3] = [b"user(", b"group(", b"groupmember("];
/// The type of an entry in the dictionary of what files have brought about.
const OF_PROVIDES: u64 = b'P' as u64;
/// Lines that a package may declare; real ones have a few dozen at most.
const MAX_LINES: usize = 4096;
/// Letters of a name (utmp(5) has no room for more).
const MAX_NAME: usize = 31;

/// A line of sysusers.d(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// `u NAME ID GECOS HOME SHELL`
    User(User),
    /// `g NAME ID`
    Group {
        /// Its name.
        name: String,
        /// Its number, if that is fixed.
        gid: Option<u32>,
    },
    /// `m USER GROUP`
    Member {
        /// Who is to be in the group.
        user: String,
        /// The group.
        group: String,
    },
}

/// A user who is to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The number, if that is fixed.
    pub uid: Option<u32>,
    /// The user's first group.
    pub group: Primary,
    /// Words about the user.
    pub gecos: String,
    /// The home directory, if it is not `/`.
    pub home: Option<String>,
    /// The shell, if it is not the usual one.
    pub shell: Option<String>,
    /// Nobody may log in by any means (`u!`).
    pub is_locked: bool,
}

/// A user's first group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Primary {
    /// One of the user's own name.
    #[default]
    Own,
    /// The one that has this number.
    Number(u32),
    /// The one that has this name.
    Named(String),
}

/// A line that systemd-sysusers would not take. rpm does not install such a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{line}\" declares no user or group: {what}")]
pub struct LineError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub what: &'static str,
}

/// What a package declares: the lines of each file that brings some, in the order in which rpm
/// hands them to systemd-sysusers, one file at a time.
///
/// What `--replace` adds to that is left out: lines of other files below `sysusers.d`, whose
/// packages have declared them by themselves.
///
/// # Errors
///
/// If a line is none. What is no Base64 is no declaration, as for rpm.
pub fn declared(header: &Header) -> Result<Vec<Vec<Line>>, LineError> {
    let origins = origins(header);
    let mut files: Vec<(Option<usize>, Vec<Line>)> = Vec::new();
    let versions = header.strings(tag::PROVIDEVERSION);
    let flags = header.numbers(tag::PROVIDEFLAGS);
    let mut count = 0;
    for (number, (name, version)) in header.strings(tag::PROVIDENAME).zip(versions).enumerate() {
        let is_equal = flags.get(number).is_some_and(|flags| flags & EQUAL != 0);
        if !is_equal || !DECLARING.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let Some(text) = decode(version) else { continue };
        let line = Line::parse(&text)?;
        count += 1;
        if count > MAX_LINES {
            return Err(LineError { line: text, what: "it is one of too many" });
        }
        let origin = origins.get(&number).copied();
        match files.iter_mut().find(|(file, _)| *file == origin) {
            Some((_, lines)) => lines.push(line),
            None => files.push((origin, vec![line])),
        }
    }
    Ok(files.into_iter().map(|(_, lines)| lines).collect())
}

/// Zeros fill the text up where Base64 would have `=`, which no version may have.
fn decode(version: &[u8]) -> Option<String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(version).ok()?;
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The first file that has brought about each of the `Provides` (`FILEDEPENDSX` and its like).
fn origins(header: &Header) -> HashMap<usize, usize> {
    let mut origins = HashMap::new();
    let dictionary = header.numbers(tag::DEPENDSDICT);
    let spans = header.numbers(tag::FILEDEPENDSX).into_iter().zip(header.numbers(tag::FILEDEPENDSN));
    for (file, (start, count)) in spans.enumerate() {
        // Of 32 bits each.
        let entries = dictionary.get(start as usize..(start + count) as usize).unwrap_or_default();
        for entry in entries.iter().filter(|&entry| entry >> 24 == OF_PROVIDES) {
            origins.entry((entry & 0x00ff_ffff) as usize).or_insert(file);
        }
    }
    origins
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// If it is none, or one that says something else on every machine.
    pub fn parse(line: &str) -> Result<Self, LineError> {
        let error = |what| LineError { line: line.to_owned(), what };
        let words = words(line).ok_or_else(|| error("a quotation in it does not end"))?;
        let words: Result<Vec<String>, _> = words.iter().map(|word| expand(word)).collect();
        parse(&words.map_err(error)?).map_err(error)
    }
}

fn parse(words: &[String]) -> Result<Line, &'static str> {
    let [kind, name, rest @ ..] = words else { return Err("it has no name") };
    if rest.len() > 4 {
        return Err("it has more than six words");
    }
    let name = check_name(name)?;
    let words = [0, 1, 2, 3].map(|word| rest.get(word).map(String::as_str).filter(|word| !is_none(word)));
    match (kind.as_str(), words) {
        ("u" | "u!", [id, gecos, home, shell]) => {
            let (uid, group) = parse_user_id(id.unwrap_or("-"))?;
            let gecos = check_field(gecos.unwrap_or_default())?;
            let (home, shell) = (parse_path(home)?, parse_path(shell)?);
            let is_locked = kind == "u!";
            Ok(Line::User(User { name, uid, group, gecos, home, shell, is_locked }))
        }
        // Some packages describe a group, too, and rpm's own `sysusers.sh` passes over that.
        ("g", [id, _, None, None]) => Ok(Line::Group { name, gid: parse_id(id.unwrap_or("-"))? }),
        ("m", [Some(group), None, None, None]) => Ok(Line::Member { user: name, group: check_name(group)? }),
        ("m", [None, ..]) => Err("it has no group"),
        ("g" | "m", _) => Err("it has words that only users have"),
        _ => Err("its type is not u, u!, g or m"),
    }
}

/// `-`, a number, one and that or the name of a group, or a path.
fn parse_user_id(text: &str) -> Result<(Option<u32>, Primary), &'static str> {
    match text.split_once(':').filter(|_| !text.starts_with('/')) {
        None => Ok((parse_id(text)?, Primary::Own)),
        Some((uid, group)) => {
            let group = match parse_number(group) {
                Ok(gid) => Primary::Number(gid),
                Err(_) => Primary::Named(check_name(group)?),
            };
            Ok((if uid == "-" { None } else { Some(parse_number(uid)?) }, group))
        }
    }
}

/// `-` or a number. A path stands for the owner of the file there. In a root that is being made
/// there is none yet, or it is root's, whose number is not for others.
fn parse_id(text: &str) -> Result<Option<u32>, &'static str> {
    if text == "-" || text.starts_with('/') { Ok(None) } else { parse_number(text).map(Some) }
}

/// Decimal, without signs or leading zeros. Two numbers say "none" to system calls.
fn parse_number(text: &str) -> Result<u32, &'static str> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = text.parse().ok().filter(|number| is_plain && ![0xffff, u32::MAX].contains(number));
    number.ok_or("it has no number where one must be")
}

fn check_name(name: &str) -> Result<String, &'static str> {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_name = name.bytes().next().is_some_and(is_first) && name.bytes().all(is_letter);
    if is_name && name.len() <= MAX_NAME {
        Ok(name.to_owned())
    } else {
        Err("it has a name that none can be")
    }
}

/// A field of passwd(5).
fn check_field(text: &str) -> Result<String, &'static str> {
    let is_bad = |letter: char| letter.is_ascii_control() || letter == ':' || letter == '\u{fffd}';
    if text.contains(is_bad) { Err("it has letters that no field can have") } else { Ok(text.to_owned()) }
}

/// An absolute path, without what says nothing in it.
fn parse_path(path: Option<&str>) -> Result<Option<String>, &'static str> {
    let Some(path) = path else { return Ok(None) };
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if !path.starts_with('/') || parts.contains(&"..") {
        return Err("it has a path that is not absolute");
    }
    check_field(&format!("/{}", parts.join("/"))).map(Some)
}

fn is_none(word: &str) -> bool {
    matches!(word, "" | "-")
}

/// The words of a line; quotes and backslashes hide blanks. None if a quotation does not end.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let is_blank = matches!(letter, ' ' | '\t' | '\n' | '\r');
        match letter {
            '\\' => word.get_or_insert_default().push(letters.next()?),
            _ if quote == Some(letter) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            _ if is_blank && quote.is_none() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// `%%` is a percent sign. What else may stand behind one depends on the machine.
fn expand(word: &str) -> Result<String, &'static str> {
    let mut expanded = String::new();
    let mut letters = word.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '%' {
            match letters.peek() {
                Some(next) if next.is_ascii_alphabetic() => return Err("it depends on the machine"),
                Some('%') => _ = letters.next(),
                _ => {}
            }
        }
        expanded.push(letter);
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests;
