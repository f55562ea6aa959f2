//! The one error type of the project's surface: a kind, a sentence, causes and hints.
//!
//! The kind decides the exit code and what a program may do about it; the
//! sentence says what failed and on what; the causes say why; the hints say
//! what to do next. It crosses the plugin boundary as JSON, so an error looks
//! the same whichever side and language it comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is wrong: an unknown option, a value that cannot be.
    Usage,
    /// A configuration file of ctr-forge or of the host is wrong.
    Config,
    /// Data that was handed in is broken or hostile: an archive, an index, an image.
    Input,
    /// Reading or writing failed: no such file, disk full.
    Io,
    /// The system refuses: ownership, privileges, policy.
    Permission,
    /// A program that is needed is not installed.
    MissingTool,
    /// A server could not be reached or answered wrongly.
    Network,
    /// A signature or digest does not hold, or there is none.
    Verification,
    /// A program that was run failed.
    ToolFailed,
    /// It is asked for something that this build, kernel or plugin cannot do.
    Unsupported,
    /// A plugin broke its contract: it crashed, hung, or cannot be loaded.
    Plugin,
    /// What is asked for does not exist: a release, a package, a file on a server.
    NotFound,
    /// Signed data is out of date, or from the future.
    Expired,
    /// No set of packages meets the request.
    Unsatisfiable,
    /// The user, or a signal, stopped the job.
    Cancelled,
    /// A fault in ctr-forge itself. Also what a kind of a newer peer reads as.
    #[serde(other)]
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of the exit codes.
    pub const ALL: [ErrorKind; 16] = [
        ErrorKind::Internal,
        ErrorKind::Usage,
        ErrorKind::Config,
        ErrorKind::Input,
        ErrorKind::Io,
        ErrorKind::Permission,
        ErrorKind::MissingTool,
        ErrorKind::Network,
        ErrorKind::Verification,
        ErrorKind::ToolFailed,
        ErrorKind::Unsupported,
        ErrorKind::Plugin,
        ErrorKind::NotFound,
        ErrorKind::Expired,
        ErrorKind::Unsatisfiable,
        ErrorKind::Cancelled,
    ];

    /// The exit code of a command that failed so. Stable: scripts depend on it.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Internal => 1,
            ErrorKind::Usage => 2,
            ErrorKind::Config => 3,
            ErrorKind::Input => 4,
            ErrorKind::Io => 5,
            ErrorKind::Permission => 6,
            ErrorKind::MissingTool => 7,
            ErrorKind::Network => 8,
            ErrorKind::Verification => 9,
            ErrorKind::ToolFailed => 10,
            ErrorKind::Unsupported => 11,
            ErrorKind::Plugin => 12,
            ErrorKind::NotFound => 13,
            ErrorKind::Expired => 14,
            ErrorKind::Unsatisfiable => 15,
            // What a shell reports for a command that Ctrl-C ended.
            ErrorKind::Cancelled => 130,
        }
    }

    /// What the kind means, in a few words for a table.
    pub fn meaning(self) -> &'static str {
        match self {
            ErrorKind::Internal => "a fault in ctr-forge itself",
            ErrorKind::Usage => "the command line is wrong",
            ErrorKind::Config => "a configuration file is wrong",
            ErrorKind::Input => "data handed in is broken or hostile",
            ErrorKind::Io => "reading or writing failed",
            ErrorKind::Permission => "the system refuses",
            ErrorKind::MissingTool => "a program that is needed is not installed",
            ErrorKind::Network => "a server could not be reached or answered wrongly",
            ErrorKind::Verification => "a signature or digest does not hold",
            ErrorKind::ToolFailed => "a program that was run failed",
            ErrorKind::Unsupported => "not possible with this build, kernel or plugin",
            ErrorKind::Plugin => "a plugin broke its contract or cannot be loaded",
            ErrorKind::NotFound => "a release, package or file does not exist",
            ErrorKind::Expired => "signed data is out of date, or from the future",
            ErrorKind::Unsatisfiable => "no set of packages meets the request",
            ErrorKind::Cancelled => "stopped by the user or a signal",
        }
    }
}

/// As in JSON: `missing-tool`.
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What failed, on what, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// What sort of failure.
    pub kind: ErrorKind,
    /// What failed, on what: a lower-case fragment without a full stop.
    pub message: String,
    /// Why, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do next, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The option at fault, without dashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new(), option: None }
    }

    /// [`ErrorKind::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// [`ErrorKind::Input`].
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// [`ErrorKind::Plugin`].
    pub fn plugin(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Plugin, message)
    }

    /// An operating system's error, its kind told from its number.
    pub fn io(message: impl Into<String>, error: impl Into<std::io::Error>) -> Self {
        let error = error.into();
        let kind = match error.kind() {
            std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            // What this crate's own readers say of data, not of the disk.
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => ErrorKind::Input,
            _ => ErrorKind::Io,
        };
        Self::new(kind, message).because(&error)
    }

    /// Adds a cause and all that it names as its own sources.
    #[must_use]
    pub fn because(mut self, cause: &dyn std::error::Error) -> Self {
        let mut next = Some(cause);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Libraries differ in whether a message repeats its source's; once is enough.
            if !self.causes.last().is_some_and(|last| last.ends_with(&text)) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// Adds a hint: what to do next, as a sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names the option at fault, without dashes.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>) -> Self {
        self.option = Some(name.into());
        self
    }

    /// Puts `message` before this one, which becomes the first cause.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.message, message.into()));
        self
    }
}

/// The message and its causes on one line; hints are left to whoever prints for people.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_an_exit_code_of_its_own() {
        let mut codes = ErrorKind::ALL.map(ErrorKind::exit_code);
        assert!(codes.is_sorted());
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]) && !codes.contains(&0));
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let document = include_str!("../../../docs/EXIT-CODES.md");
        for kind in ErrorKind::ALL {
            let row = format!("| {} | {kind} | {} |", kind.exit_code(), kind.meaning());
            assert!(document.contains(&row), "docs/EXIT-CODES.md lacks: {row}");
        }
    }

    #[test]
    fn a_kind_of_a_newer_peer_is_internal() {
        let error: Error = serde_json::from_str(r#"{"kind":"novel","message":"m"}"#).unwrap();
        assert_eq!(error.kind, ErrorKind::Internal);
        assert_eq!(ErrorKind::MissingTool.to_string(), "missing-tool");
    }

    #[test]
    fn causes_are_kept_in_order_and_said_once() {
        let inner = Error::input("bad checksum").hint("fetch it again");
        let error = inner.context("cannot read rootfs.tar");
        assert_eq!(error.to_string(), "cannot read rootfs.tar: bad checksum");
        assert_eq!(error.hints, ["fetch it again"]);
    }
}
