//! Variables in repository files: `$releasever`, `${basearch}`, dnf5's `${name:-default}`.
//!
//! As dnf5 (`libdnf5/repo/config_repo.cpp` and its documentation, dnf5.conf(5), "Variables"): a
//! variable that nobody knows stays as it is written.

use std::collections::BTreeMap;

/// Deepest nesting of `${a:-${b}}`.
const MAX_DEPTH: usize = 16;

/// Values of variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Those that each release has: `releasever`, with `_major` and `_minor`, `basearch`, `arch`.
    pub fn new(releasever: &str, basearch: &str) -> Self {
        let mut variables = Self::default();
        for (name, value) in [("releasever", releasever), ("basearch", basearch), ("arch", basearch)] {
            variables.set(name, value);
        }
        variables
    }

    /// Sets a variable; with `releasever` its two parts, too.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        if name == "releasever" {
            let (major, minor) = value.split_once('.').unwrap_or((&value, ""));
            self.0.insert("releasever_major".to_owned(), major.to_owned());
            self.0.insert("releasever_minor".to_owned(), minor.to_owned());
        }
        self.0.insert(name, value);
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The text with its variables replaced. What they are replaced with is not looked at again.
    pub fn expand(&self, text: &str) -> String {
        self.expand_to(text, 0)
    }

    fn expand_to(&self, text: &str, depth: usize) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            expanded.push_str(&rest[..at]);
            rest = &rest[at..];
            let (value, length) = self.variable(rest, depth);
            match value {
                Some(value) => expanded.push_str(&value),
                None => expanded.push_str(&rest[..length]),
            }
            rest = &rest[length..];
        }
        expanded.push_str(rest);
        expanded
    }

    /// The value of the variable that `text` begins with, and how much of the text it takes.
    fn variable(&self, text: &str, depth: usize) -> (Option<String>, usize) {
        let Some(braced) = text.strip_prefix("${") else {
            let length = name_length(&text[1..]);
            return (self.get(&text[1..=length]).map(str::to_owned), length + 1);
        };
        let Some(end) = closing(braced).filter(|_| depth < MAX_DEPTH) else { return (None, 1) };
        let (name, rest) = braced[..end].split_at(name_length(braced));
        let value = self.get(name);
        let is_set = value.is_some_and(|value| !value.is_empty());
        let expanded = match (rest.get(..2), rest) {
            (_, "") => value.map(str::to_owned),
            (Some(":-"), _) if is_set => value.map(str::to_owned),
            (Some(":-"), _) => Some(self.expand_to(&rest[2..], depth + 1)),
            (Some(":+"), _) if is_set => Some(self.expand_to(&rest[2..], depth + 1)),
            (Some(":+"), _) => Some(String::new()),
            _ => None,
        };
        (expanded, end + 3)
    }
}

/// Bytes of a variable's name at the start of a text.
fn name_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// Where the brace closes that is open before the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_in_each_of_their_forms() {
        let mut variables = Variables::new("9.4", "x86_64");
        variables.set("empty", "");
        variables.set("dollar", "$arch");
        for (text, expected) in [
            ("https://x/$releasever/$basearch/os", "https://x/9.4/x86_64/os"),
            ("${releasever}-stream", "9.4-stream"),
            ("$releasever_major.$releasever_minor$", "9.4$"),
            ("$unknown/${unknown}/$", "$unknown/${unknown}/$"),
            ("${unknown:-x${basearch}}", "xx86_64"),
            ("${empty:-x}${arch:+y}${empty:+z}", "xy"),
            ("${arch", "${arch"),
            ("${arch:?x}", "${arch:?x}"),
            ("$dollar", "$arch"),
            ("ü$arch€", "üx86_64€"),
        ] {
            assert_eq!(variables.expand(text), expected, "{text}");
        }
    }

    #[test]
    fn a_release_has_its_parts_whoever_sets_it() {
        let mut variables = Variables::new("8", "x86_64");
        variables.set("releasever", "9.4");
        assert_eq!(variables.expand("$releasever_major-${releasever_minor}"), "9-4");
        variables.set("releasever_minor", "5");
        assert_eq!(variables.expand("$releasever ${releasever_minor}"), "9.4 5");
    }

    #[test]
    fn deep_nesting_ends() {
        let text = format!("{}x{}", "${a:-".repeat(5000), "}".repeat(5000));
        assert!(Variables::default().expand(&text).contains('x'));
    }
}
