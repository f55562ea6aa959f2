//! Which directories a trigger is told of.
//!
//! A pattern is that of a directory's path from the root on; `*` and `?` stop at a slash
//! (fnmatch(3) with `FNM_PATHNAME`). In a new root every directory has changed, so a pattern
//! with `+` in front, for those that have, is one like all others (apk-package(5)).

use std::collections::BTreeSet;

use crate::install::Record;

/// The directories of all packages that a package's patterns are for, sorted.
pub(super) fn directories(patterns: &[&str], records: &[Record]) -> Vec<String> {
    let patterns: Vec<&str> = patterns
        .iter()
        .map(|pattern| pattern.strip_prefix('+').unwrap_or(pattern))
        .filter(|pattern| pattern.starts_with('/'))
        .collect();
    let all = records.iter().flat_map(Record::directories);
    let paths: BTreeSet<String> =
        all.map(|path| format!("/{}", String::from_utf8_lossy(path.as_bytes()))).collect();
    let fits = |path: &String| patterns.iter().any(|pattern| matches(pattern.as_bytes(), path.as_bytes()));
    paths.into_iter().filter(fits).collect()
}

/// Whether a path fits a pattern. The work grows with the product of the lengths, never faster.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    // Which beginnings of the path fit the pattern so far.
    let mut fits = vec![false; path.len() + 1];
    fits[0] = true;
    let mut rest = pattern;
    while !rest.is_empty() {
        let (piece, length) = piece(rest);
        rest = &rest[length..];
        let mut next = vec![false; path.len() + 1];
        for at in 0..=path.len() {
            match piece {
                Piece::Many => {
                    next[at] = fits[at] || (at > 0 && next[at - 1] && path[at - 1] != b'/');
                }
                _ if at == 0 => {}
                Piece::One => next[at] = fits[at - 1] && path[at - 1] != b'/',
                Piece::Of(set) => {
                    next[at] = fits[at - 1] && path[at - 1] != b'/' && in_set(set, path[at - 1])
                }
                Piece::Byte(byte) => next[at] = fits[at - 1] && path[at - 1] == byte,
            }
        }
        fits = next;
    }
    fits[path.len()]
}

#[derive(Debug, Clone, Copy)]
enum Piece<'p> {
    Many,
    One,
    /// What stands between brackets.
    Of(&'p [u8]),
    Byte(u8),
}

/// The first piece of a pattern, and how long it is.
fn piece(pattern: &[u8]) -> (Piece<'_>, usize) {
    match pattern {
        [b'*', ..] => (Piece::Many, 1),
        [b'?', ..] => (Piece::One, 1),
        [b'\\', byte, ..] => (Piece::Byte(*byte), 2),
        [b'[', rest @ ..] => match rest.iter().skip(1).position(|&byte| byte == b']') {
            Some(end) => (Piece::Of(&rest[..=end]), end + 3),
            None => (Piece::Byte(b'['), 1),
        },
        [byte, ..] => (Piece::Byte(*byte), 1),
        [] => (Piece::Many, 0),
    }
}

fn in_set(set: &[u8], byte: u8) -> bool {
    let (negated, set) = match set {
        [b'!' | b'^', rest @ ..] => (true, rest),
        set => (false, set),
    };
    let mut at = 0;
    let mut found = false;
    while at < set.len() {
        match set[at..] {
            [from, b'-', to, ..] => {
                found |= (from..=to).contains(&byte);
                at += 3;
            }
            _ => {
                found |= set[at] == byte;
                at += 1;
            }
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_those_of_fnmatch() {
        for (pattern, path, expected) in [
            ("/bin", "/bin", true),
            ("/bin", "/bin/x", false),
            ("/usr/lib/*", "/usr/lib/a", true),
            ("/usr/lib/*", "/usr/lib/a/b", false),
            ("/usr/*/x?", "/usr/lib/xy", true),
            ("/lib/[a-c]x", "/lib/bx", true),
            ("/lib/[!a-c]x", "/lib/bx", false),
            ("/*", "/", true),
            ("/a*b*c", "/aXbYc", true),
            ("/[", "/[", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
        let hard = format!("/{}b", "*a".repeat(200));
        assert!(!matches(hard.as_bytes(), format!("/{}", "a".repeat(4000)).as_bytes()));
    }
}
