//! `apt.conf`, as far as it says which proxies to use (apt.conf(5)).
//!
//! A file is a tree of names: `Acquire { http { Proxy "…"; }; };` says what
//! `Acquire::http::Proxy "…";` says. Only `Acquire::http` and `Acquire::https` are kept. What is
//! malformed is passed over: this is the host's own file, and all that hangs on it is a detour.

use std::collections::BTreeMap;

/// Settings by name, in lower case: `acquire::http::proxy`.
pub(super) type Settings = BTreeMap<String, String>;

/// What is kept, and so all that can be asked for.
const KEPT: &str = "acquire::http";
/// Names below one another, their length in bytes, and settings: far more than files have.
const MAX_DEPTH: usize = 32;
const MAX_NAME: usize = 256;
const MAX_SETTINGS: usize = 1024;

/// A piece of the text.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A name or value; quotes are taken off.
    Word(String),
    Open,
    Close,
    End,
}

/// Takes over what a file says. A later word for a name replaces an earlier one.
pub(super) fn read(text: &str, settings: &mut Settings) {
    let mut scopes: Vec<String> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    // Depth of what is too deep, and so is left out as a whole.
    let mut ignored = 0_usize;
    for token in (Tokens { rest: text }) {
        match token {
            Token::Word(word) => words.push(word),
            Token::Open if ignored > 0 || scopes.len() >= MAX_DEPTH => ignored += 1,
            Token::Open => {
                state(&scopes, &words, settings);
                scopes.push(words.first().cloned().unwrap_or_default());
                words.clear();
            }
            Token::End => {
                if ignored == 0 {
                    state(&scopes, &words, settings);
                }
                words.clear();
            }
            Token::Close => {
                words.clear();
                if ignored == 0 {
                    scopes.pop();
                } else {
                    ignored -= 1;
                }
            }
        }
    }
}

/// One statement: a name, and what it is set to. `#clear NAME` unsets all that begins so.
fn state(scopes: &[String], words: &[String], settings: &mut Settings) {
    match words {
        [directive, name] if directive.eq_ignore_ascii_case("#clear") => {
            let name = full_name(scopes, name);
            settings.retain(|known, _| {
                known.strip_prefix(&name).is_none_or(|rest| !rest.is_empty() && !rest.starts_with("::"))
            });
        }
        [name, value] => {
            let name = full_name(scopes, name);
            if name.starts_with(KEPT) && (settings.len() < MAX_SETTINGS || settings.contains_key(&name)) {
                settings.insert(name, value.clone());
            }
        }
        _ => {}
    }
}

fn full_name(scopes: &[String], name: &str) -> String {
    let names = scopes.iter().map(String::as_str).chain([name]).filter(|name| !name.is_empty());
    names.collect::<Vec<_>>().join("::").to_ascii_lowercase()
}

struct Tokens<'a> {
    rest: &'a str,
}

impl Tokens<'_> {
    /// Takes what comes before `end`, and `end` itself. Without one, all that is left.
    fn take_past(&mut self, end: &str) -> &str {
        let (taken, rest) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Passes over blanks and comments: `// …`, `# …` and `/* … */`. `#clear` is no comment.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let directive = self.rest.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("#clear"));
            if self.rest.starts_with("/*") {
                self.take_past("*/");
            } else if self.rest.starts_with("//") || (self.rest.starts_with('#') && !directive) {
                self.take_past("\n");
            } else {
                return;
            }
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip();
        let first = self.rest.chars().next()?;
        let punctuation = match first {
            '{' => Some(Token::Open),
            '}' => Some(Token::Close),
            ';' => Some(Token::End),
            _ => None,
        };
        if punctuation.is_some() {
            self.rest = &self.rest[1..];
            return punctuation;
        }
        let word = match self.rest.strip_prefix('"') {
            Some(rest) => {
                self.rest = rest;
                self.take_past("\"")
            }
            None => {
                let ends = |c: char| c.is_whitespace() || "{};\"".contains(c);
                let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
                self.rest = rest;
                word
            }
        };
        Some(Token::Word(word.chars().take(MAX_NAME).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Vec<(String, String)> {
        let mut settings = Settings::new();
        read(text, &mut settings);
        settings.into_iter().collect()
    }

    #[test]
    fn every_way_to_write_a_proxy() {
        let proxy = vec![("acquire::http::proxy".to_owned(), "http://proxy.example:3142".to_owned())];
        for text in [
            "Acquire::http::Proxy \"http://proxy.example:3142\";",
            "Acquire::http::Proxy \"http://proxy.example:3142/x\";\nACQUIRE::HTTP::proxy http://proxy.example:3142;",
            "Acquire { http { Proxy \"http://proxy.example:3142\"; }; };",
            "Acquire\n{\n  http::Proxy \"http://proxy.example:3142\"; // remark };\n}",
            "# Acquire::http::Proxy \"x\";\n/* Acquire::http::Proxy \"y\"; */Acquire::http { Proxy\n\"http://proxy.example:3142\"; };",
            "APT { NeverAutoRemove { \"^linux-.*\"; }; };\nAPT::Keep:: \"x\";Acquire::http::Proxy \"http://proxy.example:3142\";",
        ] {
            assert_eq!(settings(text), proxy, "{text}");
        }
    }

    #[test]
    fn hosts_have_their_own() {
        let text = "Acquire::http::Proxy \"http://a.example\" { mirror.example DIRECT; };\nAcquire::https::Proxy \"DIRECT\";";
        let expected = [
            ("acquire::http::proxy", "http://a.example"),
            ("acquire::http::proxy::mirror.example", "DIRECT"),
            ("acquire::https::proxy", "DIRECT"),
        ];
        assert_eq!(settings(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn clear_unsets_a_name_and_what_is_below() {
        let text = "Acquire::http::Proxy a; Acquire::http::Proxy::b.example b; Acquire::http::ProxyAutoDetect c;\n\
                    #clear Acquire::http::Proxy;";
        assert_eq!(settings(text), [("acquire::http::proxyautodetect".to_owned(), "c".to_owned())]);
    }

    #[test]
    fn what_is_malformed_or_absurd_is_passed_over() {
        for text in [
            "}",
            "{",
            "\"",
            "/*",
            "#",
            ";",
            "#clear",
            "Acquire::http::Proxy",
            "Acquire::http::Proxy;",
            "é #é",
        ] {
            assert_eq!(settings(text), [], "{text}");
        }
        let deep =
            format!("{}Acquire::http::Proxy x;{}Acquire::http::Proxy y;", "a {".repeat(99), "};".repeat(99));
        assert_eq!(settings(&deep), [("acquire::http::proxy".to_owned(), "y".to_owned())]);
        let many: String = (0..2000).map(|i| format!("Acquire::http::Proxy::h{i} x;")).collect();
        assert_eq!(settings(&many).len(), MAX_SETTINGS);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(parts in proptest::collection::vec("Acquire|::|http|Proxy|#clear|#|//|/\\*|\\*/|\"|[{}; \n]|\\PC", 0..32)) {
            settings(&parts.concat());
        }
    }
}
