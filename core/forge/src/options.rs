//! Option values: from the words of a command line to the JSON of a request.
//!
//! The manifest says what each value is; everything is checked here, before any
//! code of the plugin runs, and `path` values are opened here, so that a plugin
//! needs no access of its own to what the user names.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use ctr_forge_plugin::{Component, Error, ErrorKind, OptionSpec, PathValue, Result, ValueType};
use serde_json::{Map, Value, json};

use crate::Attachments;

/// The values given for a component's options, checked and typed.
#[derive(Debug, Clone, Default)]
pub struct Options {
    values: Vec<(OptionSpec, Vec<Given>)>,
}

#[derive(Debug, Clone)]
enum Given {
    Plain(Value),
    Path { path: PathBuf, to: Option<String> },
}

/// How `path` values enter a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Only their names.
    Named,
    /// Opened, but for standard input, which can be read but once.
    OpenedTwice,
    /// Opened.
    Opened,
}

impl Options {
    /// Types the words given for each option of `component`; `given` returns them by option name.
    pub fn parse(component: &Component, mut given: impl FnMut(&OptionSpec) -> Vec<OsString>) -> Result<Self> {
        let values = component.options.iter().map(|option| {
            let words = given(option);
            if option.required && words.is_empty() {
                let message = format!("{} is missing", written(option));
                return Err(Error::usage(message).option(&option.name));
            }
            let words = split(option, words);
            let values = words.iter().map(|word| parse_word(option, word)).collect::<Result<Vec<_>>>()?;
            Ok((option.clone(), values))
        });
        let options = Self { values: values.collect::<Result<_>>()? };
        let inputs = options.paths().filter(|path| path.as_os_str() == "-").count();
        match inputs {
            0 | 1 => Ok(options),
            _ => Err(Error::usage("standard input (\"-\") can be named only once")),
        }
    }

    /// The files and folders that the values name, `-` for standard input.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.values.iter().flat_map(|(_, values)| values).filter_map(|value| match value {
            Given::Path { path, .. } => Some(path),
            Given::Plain(_) => None,
        })
    }

    /// Whether the user gave this option.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.values.iter().any(|(option, values)| option.name == name && !values.is_empty())
    }

    /// The values that are no files, by option name: what a lock is compared by.
    pub(crate) fn words(&self) -> Result<Value> {
        let is_word = |given: &Given| matches!(given, Given::Plain(_));
        let words = self.values.iter().map(|(option, values)| {
            (option.clone(), values.iter().filter(|given| is_word(given)).cloned().collect())
        });
        Self { values: words.collect() }.to_request(Files::Named, &mut Attachments::new())
    }

    /// The `options` of a request; what it opens goes into `opened`.
    pub fn to_request(&self, files: Files, opened: &mut Attachments) -> Result<Value> {
        let mut object = Map::new();
        for (option, values) in &self.values {
            let mut values = values
                .iter()
                .map(|value| value.to_json(option, files, opened))
                .collect::<Result<Vec<_>>>()?;
            let value = match option {
                option if option.is_list() => Value::from(values),
                option if option.kind == ValueType::Bool => Value::from(!values.is_empty()),
                _ => values.pop().unwrap_or_else(|| default(option)),
            };
            // What is absent stays absent, so that a plugin's own Option and default work.
            if !value.is_null() {
                object.insert(option.name.clone(), value);
            }
        }
        Ok(object.into())
    }
}

fn default(option: &OptionSpec) -> Value {
    let default = option.default.as_deref().and_then(|default| plain_value(option, default).ok());
    default.unwrap_or(Value::Null)
}

fn split(option: &OptionSpec, words: Vec<OsString>) -> Vec<OsString> {
    let Some(separator) = option.separator.filter(char::is_ascii) else { return words };
    let parts = words.iter().flat_map(|word| word.as_bytes().split(|&byte| byte == separator as u8));
    parts.filter(|part| !part.is_empty()).map(|part| OsStr::from_bytes(part).to_owned()).collect()
}

/// An option as a person writes it.
fn written(option: &OptionSpec) -> String {
    match option.positional {
        true => format!("<{}>", option.value_name.as_deref().unwrap_or(&option.name).to_uppercase()),
        false => format!("--{}", option.name),
    }
}

fn parse_word(option: &OptionSpec, word: &OsStr) -> Result<Given> {
    let wrong = |reason: String| {
        let message = format!("\"{}\" does not fit {}: {reason}", word.display(), written(option));
        Error::usage(message).option(&option.name)
    };
    match option.kind {
        ValueType::Path => Ok(Given::Path { path: word.into(), to: None }),
        ValueType::WordOrPath if is_path(option, word) => Ok(Given::Path { path: word.into(), to: None }),
        ValueType::PathMap => {
            let bytes = word.as_bytes();
            let colon = bytes.iter().position(|&byte| byte == b':').filter(|&colon| colon > 0);
            let colon = colon.ok_or_else(|| wrong("expected SRC:DST".into()))?;
            let to =
                std::str::from_utf8(&bytes[colon + 1..]).map_err(|_| wrong("DST is not UTF-8".into()))?;
            if to.is_empty() {
                return Err(wrong("DST is empty".into()));
            }
            Ok(Given::Path { path: OsStr::from_bytes(&bytes[..colon]).into(), to: Some(to.to_owned()) })
        }
        _ => {
            let text = word.to_str().ok_or_else(|| wrong("it is not UTF-8".into()))?;
            plain_value(option, text).map(Given::Plain).map_err(wrong)
        }
    }
}

/// Whether a word names a file where it might also be something else.
fn is_path(option: &OptionSpec, word: &OsStr) -> bool {
    let word = word.as_bytes();
    let suffixes = &option.path_suffixes;
    ["/", "./", "../"].iter().any(|start| word.starts_with(start.as_bytes()))
        && (suffixes.is_empty() || suffixes.iter().any(|suffix| word.ends_with(suffix.as_bytes())))
}

/// The JSON of a value that is not a file; the error says what is expected.
pub(crate) fn plain_value(option: &OptionSpec, text: &str) -> Result<Value, String> {
    if !option.choices.is_empty() && !option.choices.iter().any(|choice| choice == text) {
        return Err(format!("expected one of {}", option.choices.join(", ")));
    }
    match option.kind {
        ValueType::Bool => Ok(true.into()),
        ValueType::Int => text.parse::<i64>().map(Value::from).map_err(|_| "expected a whole number".into()),
        ValueType::Size => parse_size(text)
            .map(Value::from)
            .ok_or_else(|| "expected bytes, as in 512, 64K, 10M or 2G".into()),
        ValueType::Map => match text.split_once('=') {
            // "$fd" would be taken for a file.
            Some((name, value)) if !name.is_empty() && !name.starts_with('$') => Ok(json!({ name: value })),
            _ => Err("expected NAME=VALUE, where NAME does not begin with \"$\"".into()),
        },
        ValueType::String | ValueType::Path | ValueType::PathMap | ValueType::WordOrPath => Ok(text.into()),
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl Given {
    fn to_json(&self, option: &OptionSpec, files: Files, opened: &mut Attachments) -> Result<Value> {
        let (path, to) = match self {
            Given::Plain(value) => return Ok(value.clone()),
            Given::Path { path, to } => (path, to),
        };
        let stdin = path.as_os_str() == "-";
        let absolute = std::path::absolute(path).map_err(|e| cannot_open(path, option, e))?;
        let mut value =
            PathValue { path: absolute.to_string_lossy().into_owned(), file: None, to: to.clone() };
        if stdin {
            value.path = "-".into();
        }
        if files == Files::Opened || (files == Files::OpenedTwice && !stdin) {
            let file = match stdin {
                true => std::io::stdin().as_fd().try_clone_to_owned(),
                false => File::open(path).map(OwnedFd::from),
            };
            let file = file.map_err(|e| cannot_open(path, option, e))?;
            value.file = Some(opened.add(file));
        }
        serde_json::to_value(value)
            .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode a path").because(&e))
    }
}

fn cannot_open(path: &std::path::Path, option: &OptionSpec, error: std::io::Error) -> Error {
    Error::io(format!("cannot open {} for {}", path.display(), written(option)), error).option(&option.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(options: &str) -> Component {
        toml::from_str(&format!("id = \"x\"\nsummary = \"\"\n{options}")).unwrap()
    }

    fn parse(options: &str, words: &[(&str, &[&str])]) -> Result<Value> {
        let component = component(options);
        let given = |option: &OptionSpec| {
            let found = words.iter().find(|(name, _)| *name == option.name);
            found.map_or(Vec::new(), |(_, words)| words.iter().map(OsString::from).collect())
        };
        Options::parse(&component, given)?.to_request(Files::Named, &mut Attachments::new())
    }

    #[test]
    fn values_are_typed_and_defaults_filled_in() {
        let options = r#"
            option = [
              { name = "text", help = "", default = "d" },
              { name = "flag", help = "", type = "bool" },
              { name = "depth", help = "", type = "int", default = "3" },
              { name = "limit", help = "", type = "size" },
              { name = "label", help = "", type = "map", repeat = true },
              { name = "copy", help = "", type = "path-map", repeat = true },
              { name = "packages", help = "", separator = "," },
              { name = "add", help = "", type = "word-or-path", repeat = true },
              { name = "file", help = "", type = "word-or-path", path-suffixes = [".rpm"], repeat = true },
            ]"#;
        let words: &[(&str, &[&str])] = &[
            ("limit", &["64K"]),
            ("label", &["a=b=c"]),
            ("copy", &["/etc/hosts:/etc/hosts:0:0"]),
            ("packages", &["a,b", "c,"]),
            ("add", &["a/stable", "/b.deb"]),
            ("file", &["/usr/bin/git", "/b.rpm"]),
        ];
        let expected = json!({
            "text": "d", "flag": false, "depth": 3, "limit": 65536, "label": [{"a": "b=c"}],
            "copy": [{"path": "/etc/hosts", "to": "/etc/hosts:0:0"}], "packages": ["a", "b", "c"],
            "add": ["a/stable", {"path": "/b.deb"}],
            "file": ["/usr/bin/git", {"path": "/b.rpm"}],
        });
        assert_eq!(parse(options, words).unwrap(), expected);
        assert_eq!(parse(options, &[("flag", &["true"])]).unwrap()["flag"], true);
    }

    #[test]
    fn wrong_values_name_the_option() {
        let options = r#"
            option = [
              { name = "depth", help = "", type = "int" },
              { name = "size", help = "", type = "size" },
              { name = "how", help = "", choices = ["run", "skip"] },
              { name = "copy", help = "", type = "path-map" },
            ]"#;
        let cases = [
            ("depth", "three"),
            ("size", "1T"),
            ("size", "99999999999G"),
            ("how", "maybe"),
            ("copy", "nocolon"),
            ("copy", "a:"),
        ];
        for (name, word) in cases {
            let error = parse(options, &[(name, &[word])]).unwrap_err();
            assert_eq!((error.kind, error.option.as_deref()), (ErrorKind::Usage, Some(name)), "{word}");
        }
        let required = r#"option = [{ name = "suite", help = "", required = true, positional = true }]"#;
        assert_eq!(parse(required, &[]).unwrap_err().message, "<SUITE> is missing");
    }
}
