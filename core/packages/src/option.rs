//! Words of the command line that every source of packages takes.

use ctr_forge_plugin::{Error, PathValue, Result};
use serde::Deserialize;

/// How long a script may take where nothing else is said: half an hour.
const DEFAULT_TIMEOUT: u64 = 1800;

/// A package as the user names it: a word, or a file of one's own.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum WordOrPath {
    /// A word, as its distribution writes packages.
    Word(String),
    /// A package file.
    Path(PathValue),
}

impl WordOrPath {
    /// The word, if it is one.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Path(_) => None,
        }
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&PathValue> {
        match self {
            Self::Word(_) => None,
            Self::Path(path) => Some(path),
        }
    }
}

/// How long a script may take, in seconds, as `--script-timeout` says; `None` for as long as it
/// likes.
///
/// # Errors
///
/// If the word is no number.
pub fn script_timeout(word: Option<&str>) -> Result<Option<u64>> {
    match word {
        None => Ok(Some(DEFAULT_TIMEOUT)),
        Some("0") => Ok(None),
        Some(word) => word.parse().map(Some).map_err(|_| {
            Error::usage(format!("\"{word}\" is no number of seconds")).option("script-timeout")
        }),
    }
}
