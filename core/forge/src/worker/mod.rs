//! Every job of a plugin runs in a worker: this binary, started once more.
//!
//! A plugin that panics, aborts, exits, prints, hangs or leaves processes
//! behind is then an error report of the host, not its end; and what a job does
//! not need can be dropped before any of the plugin's code runs.
//!
//! | module | what it holds |
//! |---|---|
//! | `child` | the worker's own side: isolate, load, serve |
//! | `inside` | instead of a worker: a plugin in the root of a build |
//! | `process` | start it, watch it end, leave nothing behind |
//! | `job` | calls, answers, events, services, cancellation |
//! | `capture` | what it prints |
//!
//! Host and worker are joined by one socket, which the worker finds as its
//! standard input. The first frame is START: what to load, and the file itself
//! as a descriptor. Its answer, with id 0, says how far the worker is isolated.
//! From then on both speak the frames of `docs/PLUGIN-PROTOCOL.md`.

mod capture;
mod child;
mod inside;
mod job;
mod process;

use serde::{Deserialize, Serialize};

pub use child::run as run_child;
pub(crate) use inside::Inside;
pub use inside::PluginLoader;
pub(crate) use job::clean;
pub use job::{Fault, Job, Trace};

/// The word by which the binary knows that it is to be a worker.
pub const ARGUMENT: &str = "__worker";

/// The payload of START.
#[derive(Debug, Serialize, Deserialize)]
struct Start {
    /// The host's process: if the worker's parent is another, the host is gone.
    parent: i32,
    code: CodeKind,
    /// The plugin's name.
    name: String,
    /// The manifest that was checked; that in the loaded code must be the same.
    manifest: String,
    /// Whether the job may open network connections.
    network: bool,
    /// Whether the job reads files of this machine, whose owners it must see as they are.
    reads_files: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CodeKind {
    Library,
    Executable,
    Bundled,
}

/// The answer to START.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Started {
    /// Why the worker could not be cut off from the network though it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_isolated: Option<String>,
}
