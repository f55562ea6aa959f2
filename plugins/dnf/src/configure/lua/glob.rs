//! Lua's `rpm.glob`: paths by a pattern, as glob(3) with braces finds them.

use std::fs;
use std::path::Path;

use globset::GlobBuilder;

/// Most patterns that braces may come to, and most paths that are found.
const MAX: usize = 100_000;

/// The paths that fit, sorted; the pattern itself where none does.
pub(super) fn glob(pattern: &str) -> Vec<String> {
    let mut found = Vec::new();
    for one in braces(pattern) {
        let paths = paths(&one);
        match paths.is_empty() {
            true => found.push(one),
            false => found.extend(paths),
        }
    }
    found
}

/// A pattern for each of the words between braces.
fn braces(pattern: &str) -> Vec<String> {
    let Some((start, words, end)) = first_braces(pattern) else { return vec![pattern.to_owned()] };
    let all = words.iter().flat_map(|word| braces(&format!("{start}{word}{end}")));
    all.take(MAX).collect()
}

fn first_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let open = pattern.find('{')?;
    let (mut depth, mut from, mut words) = (0_u32, open + 1, Vec::new());
    for (at, c) in pattern.char_indices().skip_while(|(at, _)| *at < open) {
        match (c, depth) {
            ('{', _) => depth += 1,
            ('}', 1) => {
                words.push(&pattern[from..at]);
                return Some((&pattern[..open], words, &pattern[at + 1..]));
            }
            ('}', _) => depth -= 1,
            (',', 1) => {
                words.push(&pattern[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    None
}

fn is_pattern(part: &str) -> bool {
    part.contains(['*', '?', '['])
}

fn paths(pattern: &str) -> Vec<String> {
    let (start, rest) = match pattern.strip_prefix('/') {
        Some(rest) => ("/", rest),
        None => ("", pattern),
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = vec![start.to_owned()];
    for part in parts {
        found = found.iter().flat_map(|directory| below(directory, part)).take(MAX).collect();
    }
    found.retain(|path| !path.is_empty());
    found
}

/// The paths in a directory whose last part fits.
fn below(directory: &str, part: &str) -> Vec<String> {
    let join = |name: &str| match directory {
        "" => name.to_owned(),
        _ => format!("{}/{name}", directory.trim_end_matches('/')),
    };
    if !is_pattern(part) {
        let path = join(part);
        return if Path::new(&path).symlink_metadata().is_ok() { vec![path] } else { Vec::new() };
    }
    let glob = GlobBuilder::new(part).literal_separator(true).backslash_escape(true).build();
    let Ok(matcher) = glob.map(|glob| glob.compile_matcher()) else { return Vec::new() };
    let place = if directory.is_empty() { "." } else { directory };
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // A dot at the start is found by a dot alone.
    let fits = |name: &String| matcher.is_match(name) && (!name.starts_with('.') || part.starts_with('.'));
    let mut names: Vec<String> = names.filter(fits).collect();
    names.sort();
    names.iter().map(|name| join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_str().unwrap();
        for name in ["a.conf", "b.conf", ".c.conf", "d/e.conf"] {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = |pattern: &str| {
            let found = glob(&format!("{root}/{pattern}"));
            let short = |path: String| path.strip_prefix(&format!("{root}/")).unwrap().to_owned();
            found.into_iter().map(short).collect::<Vec<_>>()
        };
        assert_eq!(found("*.conf"), ["a.conf", "b.conf"]);
        assert_eq!(found("*/e.conf"), ["d/e.conf"]);
        assert_eq!(found(".*.conf"), [".c.conf"]);
        assert_eq!(found("{b,a,x{1,2}}.conf"), ["b.conf", "a.conf", "x1.conf", "x2.conf"]);
        assert_eq!(found("none*"), ["none*"]);
        assert_eq!(found("[ab].conf"), ["a.conf", "b.conf"]);
        assert_eq!(glob("{"), ["{"]);
        assert_eq!(glob("/"), ["/"]);
    }
}
