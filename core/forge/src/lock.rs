//! A source's lock: everything that decides what a build makes.
//!
//! JSON, format 1: which source with which options for which architecture, the
//! plugin's own part, which is handed to `build` as it is and which is all that the result
//! depends on. Files that options name are not in it: their place may differ from
//! machine to machine. Of those that go into the result the plugin's part has digests.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ctr_forge_plugin::{Error, ErrorKind, Resolved, Result};
use ctr_forge_rootfs::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::destination::StagedFile;

/// Version of the format.
const FORMAT: u32 = 1;
/// Largest lock that is read, in bytes: a hundred times that of a large desktop.
const MAX_SIZE: u64 = 64 << 20;

/// A lock, as in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Lock {
    format: u32,
    /// The plugin's name.
    pub(crate) plugin: String,
    /// The version that made the lock.
    pub(crate) plugin_version: String,
    /// Which of its sources.
    pub(crate) source: String,
    /// Architecture, by its OCI name.
    pub(crate) arch: String,
    /// The options without those that name files.
    pub(crate) options: Value,
    /// The plugin's part, and what it would build.
    #[serde(flatten)]
    pub(crate) resolved: Resolved,
}

impl Lock {
    /// A lock of this format.
    pub(crate) fn new(
        plugin: (&str, &str),
        source: &str,
        arch: &str,
        options: Value,
        resolved: Resolved,
    ) -> Self {
        Self {
            format: FORMAT,
            plugin: plugin.0.to_owned(),
            plugin_version: plugin.1.to_owned(),
            source: source.to_owned(),
            arch: arch.to_owned(),
            options,
            resolved,
        }
    }

    /// The lock in a file, and the file's digest; `None` where there is no such file.
    pub(crate) fn read(path: &Path) -> Result<Option<(Self, Digest)>> {
        let cannot = |e: std::io::Error| Error::io(format!("cannot read the lock {}", path.display()), e);
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(cannot)?,
        };
        let mut text = Vec::new();
        file.take(MAX_SIZE + 1).read_to_end(&mut text).map_err(cannot)?;
        Self::parse(&text)
            .map(|lock| Some((lock, Digest::of(&text))))
            .map_err(|error| error.context(format!("the lock {} cannot be used", path.display())))
    }

    fn parse(text: &[u8]) -> Result<Self> {
        let bad = |why: &str| Error::new(ErrorKind::Input, why);
        if text.len() as u64 > MAX_SIZE {
            return Err(bad("it is larger than 64 MiB"));
        }
        let value: Value = serde_json::from_slice(text).map_err(|e| bad("it is not a lock").because(&e))?;
        match value["format"].as_u64() {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => {
                let message = format!("it has format {format}, this ctr-forge knows {FORMAT}");
                return Err(Error::new(ErrorKind::Unsupported, message).hint("Use a newer ctr-forge."));
            }
            None => return Err(bad("it is not a lock")),
        }
        if names_files(&value) {
            // The host would take the number for a file of its own.
            return Err(bad("it has a member called \"$fd\""));
        }
        serde_json::from_value(value).map_err(|e| bad("it is not a lock").because(&e))
    }

    /// An error unless this lock answers the request that `asked` would be the lock of.
    pub(crate) fn check(&self, asked: &Lock) -> Result<()> {
        let differs = |what: &str, was: &str, is: &str| {
            let message = format!("the lock was made for {what} {was}, and this is for {is}");
            Err(Error::usage(message)
                .option("lock")
                .hint("Delete the lock, or name another, to resolve anew."))
        };
        if (&self.plugin, &self.source) != (&asked.plugin, &asked.source) {
            return differs("source", &self.source, &asked.source);
        }
        if self.arch != asked.arch {
            return differs("architecture", &self.arch, &asked.arch);
        }
        let (Some(was), Some(is)) = (self.options.as_object(), asked.options.as_object()) else {
            return differs("options", &self.options.to_string(), &asked.options.to_string());
        };
        let names = was.keys().chain(is.keys());
        match names.into_iter().find(|name| was.get(*name) != is.get(*name)) {
            None => Ok(()),
            Some(name) => {
                let text = |value: Option<&Value>| value.map_or("nothing".into(), Value::to_string);
                differs(&format!("{name} ="), &text(was.get(name)), &text(is.get(name)))
            }
        }
    }

    /// Writes the lock to a place prepared for it.
    pub(crate) fn write(&self, place: &StagedFile) -> Result<()> {
        use std::io::Write;
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode the lock").because(&e))?;
        writeln!(place.file(), "{text}").map_err(|e| Error::io("cannot write the lock", e))
    }
}

/// Whether `value` has an object that a message would take for a file.
fn names_files(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.contains_key("$fd") || object.values().any(names_files),
        Value::Array(values) => values.iter().any(names_files),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lock(options: Value) -> Lock {
        Lock::new(("p", "1.0.0"), "s", "amd64", options, Resolved::default())
    }

    #[test]
    fn what_is_written_is_read() {
        let lock = lock(json!({ "include": ["curl"] }));
        let text = serde_json::to_vec(&lock).unwrap();
        assert_eq!(Lock::parse(&text).unwrap(), lock);
    }

    #[test]
    fn another_request_is_told_by_the_option_that_differs() {
        let made = lock(json!({ "include": ["curl"], "suite": "bookworm" }));
        assert!(made.check(&made).is_ok());
        let error = made.check(&lock(json!({ "include": ["wget"], "suite": "bookworm" }))).unwrap_err();
        assert!(error.message.contains(r#"include = ["curl"]"#), "{error}");
        let error = made.check(&lock(json!({ "suite": "bookworm" }))).unwrap_err();
        assert!(error.message.contains("nothing"), "{error}");
    }

    #[test]
    fn bad_locks_are_refused() {
        for (text, word) in [
            ("", "not a lock"),
            ("{}", "not a lock"),
            (r#"{"format": 2}"#, "format 2"),
            (r#"{"format": 1}"#, "not a lock"),
            (r#"{"format": 1, "lock": {"a": [{"$fd": 0}]}}"#, "$fd"),
        ] {
            let error = Lock::parse(text.as_bytes()).unwrap_err();
            assert!(error.message.contains(word), "{text}: {error}");
        }
    }
}
