//! Patterns for paths that are left out, as `--exclude-path` takes them.
//!
//! A pattern is matched name by name, so that nothing but `**` can cross a
//! slash, not even `[!a]`. It is matched on bytes: names on Linux need not be
//! UTF-8.

use globset::{Candidate, GlobBuilder, GlobMatcher};

use crate::RootPath;

/// Which paths are left out.
///
/// | pattern | leaves out |
/// |---|---|
/// | `usr/share/doc` | the directory and all below it |
/// | `usr/share/doc/**` | all below it, but not itself |
/// | `usr/share/doc/*` | the same: each child, and all below that |
/// | `**/*.pyc` | such files at any depth |
/// | `!usr/share/doc/*/copyright` | nothing; brings back what an earlier pattern left out |
///
/// Patterns begin at the root; a leading slash changes nothing, and neither
/// does a trailing one. `*` stands for any bytes but a slash, `?` for one such
/// byte, `[a-z]` and `[!a-z]` for one of a set, `{a,b}` for either, and `**`,
/// as a whole component, for any number of directories. A backslash takes the
/// meaning from the next character. The last pattern that matches a path
/// decides, as with dpkg's `path-exclude` and `path-include`.
#[derive(Debug, Clone, Default)]
pub struct Exclude(Vec<Pattern>);

/// A pattern that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("exclude pattern \"{pattern}\" {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

#[derive(Debug, Clone)]
struct Pattern {
    brings_back: bool,
    components: Vec<Component>,
}

#[derive(Debug, Clone)]
enum Component {
    /// `**`: any number of directories, or at the end, anything below.
    Any,
    Literal(Box<[u8]>),
    Glob(GlobMatcher),
}

impl Exclude {
    /// Understands `patterns`, in the order in which they were given.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, PatternError> {
        let parse = |pattern: P| {
            let pattern = pattern.as_ref();
            Pattern::parse(pattern).map_err(|reason| PatternError { pattern: pattern.to_owned(), reason })
        };
        patterns.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are no patterns, so that nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the patterns leave out `path`; never the root.
    ///
    /// A directory left out must stay nevertheless if something below it does,
    /// which no pattern can tell; [`Tree::retain`](crate::Tree::retain) sees to it.
    pub fn excludes(&self, path: &RootPath) -> bool {
        let names: Vec<&[u8]> = path.components().collect();
        let last = self.0.iter().rev().find(|pattern| pattern.matches(&names));
        !path.is_root() && last.is_some_and(|pattern| !pattern.brings_back)
    }
}

impl Pattern {
    /// On failure, returns why.
    fn parse(text: &str) -> Result<Self, String> {
        let (brings_back, path) = match text.strip_prefix('!') {
            Some(path) => (true, path),
            None => (false, text),
        };
        let path = path.strip_prefix("./").unwrap_or(path);
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Err("names nothing below the root".to_owned());
        }
        let components = path.split('/').map(Component::parse).collect::<Result<_, _>>()?;
        Ok(Self { brings_back, components })
    }

    /// Whether this matches the path of these `names`, or a directory above it.
    ///
    /// On a mismatch only the last `**` before it needs to take in one name
    /// more: what matched before that stays matched. So the effort is bounded
    /// by the product of both lengths.
    fn matches(&self, names: &[&[u8]]) -> bool {
        let (mut component, mut name) = (0, 0);
        let mut retry = None;
        loop {
            match self.components.get(component) {
                None => return true,
                Some(Component::Any) if component + 1 == self.components.len() => {
                    return name < names.len();
                }
                Some(Component::Any) => {
                    component += 1;
                    retry = Some((component, name + 1));
                    continue;
                }
                Some(pattern) if name < names.len() && pattern.matches(names[name]) => {
                    component += 1;
                    name += 1;
                    continue;
                }
                Some(_) => {}
            }
            let Some((component_again, name_again)) = retry.filter(|&(_, name)| name < names.len()) else {
                return false;
            };
            (component, name) = (component_again, name_again);
            retry = Some((component_again, name_again + 1));
        }
    }
}

impl Component {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("has an empty component".to_owned()),
            "." | ".." => Err(format!("has a component \"{text}\", which no path in the root has")),
            "**" => Ok(Self::Any),
            _ if !text.contains(['*', '?', '[', ']', '{', '}', '\\']) => {
                Ok(Self::Literal(text.as_bytes().into()))
            }
            _ => {
                let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
                let glob =
                    glob.map_err(|error| format!("has a bad component \"{text}\": {}", error.kind()))?;
                Ok(Self::Glob(glob.compile_matcher()))
            }
        }
    }

    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(literal) => **literal == *name,
            Self::Glob(glob) => glob.is_match_candidate(&Candidate::from_bytes(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(name: impl AsRef<[u8]>) -> RootPath {
        RootPath::new(name.as_ref()).unwrap()
    }

    #[test]
    fn patterns() {
        let table: &[(&[&str], &[&str], &[&str])] = &[
            // patterns, left out, kept
            (&[], &[], &["", "a", "a/b"]),
            (&["usr/share/doc"], &["usr/share/doc", "usr/share/doc/a/b"], &["usr/share", "usr/share/docs"]),
            (&["/usr/share/doc/"], &["usr/share/doc", "usr/share/doc/a"], &["doc"]),
            (&["./a"], &["a"], &["b/a"]),
            (&["usr/share/doc/**"], &["usr/share/doc/a", "usr/share/doc/a/b"], &["usr/share/doc"]),
            (&["/usr/share/doc/*"], &["usr/share/doc/a", "usr/share/doc/a/b"], &["usr/share/doc"]),
            (&["*"], &["a", "a/b"], &[""]),
            (&["**"], &["a", "a/b"], &[""]),
            (&["*.pyc"], &["a.pyc"], &["b/a.pyc"]),
            (&["**/*.pyc"], &["a.pyc", "b/a.pyc", "b/c/a.pyc"], &["a.py", "a.pyc2"]),
            (&["usr/**/test"], &["usr/test", "usr/a/b/test", "usr/a/test/c"], &["test", "usr/a/tests"]),
            (&["**/a/**/b/*.c"], &["a/b/x.c", "x/a/y/a/b/b/z.c"], &["a/b", "a/x.c", "b/a/x.c"]),
            (&["a/**/**/b"], &["a/b", "a/x/b"], &["b"]),
            (&["a/**/*"], &["a/b", "a/b/c"], &["a"]),
            (&["usr/lib[!6]*"], &["usr/lib32", "usr/lib32/a"], &["usr/lib/a", "usr/lib64", "usr/lib"]),
            (&["usr/lib?x"], &["usr/lib-x"], &["usr/lib/x"]),
            (&["{lib,lib64}/x[0-9]"], &["lib/x1", "lib64/x9"], &["lib/xa", "libx/x1"]),
            (&[r"a\*", r"\!b", "[*]c"], &["a*", "!b", "*c"], &["ab", "b", "cc"]),
            (&["caf\u{e9}"], &["caf\u{e9}/x"], &["cafe"]),
        ];
        for (patterns, left_out, kept) in table {
            let exclude = Exclude::new(*patterns).unwrap();
            for name in *left_out {
                assert!(exclude.excludes(&path(name)), "{patterns:?} leaves out {name}");
            }
            for name in *kept {
                assert!(!exclude.excludes(&path(name)), "{patterns:?} keeps {name}");
            }
        }
    }

    /// What a pattern means, tried in every way there is.
    fn matches_slowly(components: &[Component], names: &[&[u8]]) -> bool {
        match components {
            [] => true,
            [Component::Any] => !names.is_empty(),
            [Component::Any, rest @ ..] => (0..=names.len()).any(|n| matches_slowly(rest, &names[n..])),
            [first, rest @ ..] => names
                .split_first()
                .is_some_and(|(name, below)| first.matches(name) && matches_slowly(rest, below)),
        }
    }

    proptest! {
        #[test]
        fn matching_tries_enough(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**"]), 1..7),
            names in prop::collection::vec(prop::sample::select(vec![b"a".as_slice(), b"b", b"c"]), 0..9),
        ) {
            let pattern = Pattern::parse(&pattern.join("/")).unwrap();
            prop_assert_eq!(pattern.matches(&names), matches_slowly(&pattern.components, &names));
        }
    }

    #[test]
    fn bytes_need_not_be_utf8() {
        let exclude = Exclude::new(["a/*.txt", "b/?"]).unwrap();
        assert!(exclude.excludes(&path(b"a/\xff\xfe.txt")));
        assert!(exclude.excludes(&path(b"b/\xff")));
        assert!(!exclude.excludes(&path("b/\u{e9}")), "two bytes");
    }

    #[test]
    fn the_last_match_decides() {
        let exclude =
            Exclude::new(["usr/share/doc/**", "!usr/share/doc/*/copyright", "**/gpl*/copyright"]).unwrap();
        assert!(exclude.excludes(&path("usr/share/doc/bash/NEWS")));
        assert!(!exclude.excludes(&path("usr/share/doc/bash/copyright")));
        assert!(exclude.excludes(&path("usr/share/doc/gpl2/copyright")));
        let exclude = Exclude::new(["!a/b", "a"]).unwrap();
        assert!(exclude.excludes(&path("a/b")), "brought back before it was left out");
    }

    #[test]
    fn errors_name_pattern_and_reason() {
        let table = [
            ("", "exclude pattern \"\" names nothing below the root"),
            ("!/", "exclude pattern \"!/\" names nothing below the root"),
            ("a//b", "exclude pattern \"a//b\" has an empty component"),
            ("a/../b", "exclude pattern \"a/../b\" has a component \"..\", which no path in the root has"),
            (
                "a/[b",
                "exclude pattern \"a/[b\" has a bad component \"[b\": unclosed character class; missing ']'",
            ),
        ];
        for (pattern, message) in table {
            assert_eq!(Exclude::new([pattern]).unwrap_err().to_string(), message);
        }
        assert!(Exclude::new(["{a/b,c}"]).is_err(), "alternatives do not cross a slash");
    }

    #[test]
    fn many_wildcards_take_no_more_time_than_names() {
        let exclude = Exclude::new(["**/a/".repeat(30) + "b"]).unwrap();
        assert!(!exclude.excludes(&path("a/".repeat(2000))));
    }
}
