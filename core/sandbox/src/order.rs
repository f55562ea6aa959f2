//! What the host tells the sandbox process, in the frames of the plugin protocol.
//!
//! START comes first, with the root's directory and the lock as files. The sandbox process
//! answers with an event when it is in its user namespace and somebody else has to map its
//! ids; the host does that and sends START again, empty. From then on each call is an
//! [`Order`], and while a program runs each line that it prints is an event.

use ctr_forge_plugin::Error;
use ctr_forge_plugin::sandbox::{RunParams, Rung};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The payload of the first START. Its files: the root's directory, the lock, and the
/// emulator where there is one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// The host's process.
    pub(crate) host: i32,
    pub(crate) rung: Rung,
    /// How programs of another architecture are told, where an emulator is sent along.
    pub(crate) emulate: Option<String>,
    /// Build the root in memory, where the kernel lets that be, and let it take no more bytes.
    pub(crate) memory: Option<u64>,
}

/// What is to be done. Files travel beside it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Takes in the tar stream of file 0.
    Apply,
    /// Writes the root to file 0, without what matches these patterns.
    Export(Vec<String>),
    /// Opens a regular file.
    Read(String),
    /// Names in a directory.
    List(String),
    /// Removes paths and all below them.
    Remove(Vec<String>),
    /// What changed since then, in nanoseconds since 1970.
    Changes(u64),
    /// Runs a program.
    Run(RunParams),
    /// Calls a method of the plugin whose code this is; the last of the files belongs to that.
    Call(RunParams, Value),
    /// Removes everything.
    Clear,
}

/// What became of an order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Ok(Value),
    Error(Error),
}

/// What the sandbox process tells while it works.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Told {
    /// It waits for its ids.
    Unmapped,
    /// A program printed a line.
    Line(String),
}
