//! The root being built: its directory, its namespaces, its owners, and programs in it.
//!
//! Packages bring scripts that must run as root, in a root of their own, and own files of
//! many users. A process of its own does that, the *sandbox process*: this binary, started
//! once more. It holds the namespaces and the table of owners, so that the host needs no
//! privileges and no thread of it ever enters a namespace; when it ends, all that it started
//! is gone, and what it mounted.
//!
//! | module | what it holds |
//! |---|---|
//! | `sandbox` | the host's side: start, give orders, end |
//! | `ladder`, `ids` | which kind of sandbox can be had, tried from the best down; ids of others |
//! | `place` | the directory of a build, its lock, and what dead builds left |
//! | `process` | becoming a process of its own, with a socket to its host |
//! | `order` | what the host tells the sandbox process |
//! | `child` | the sandbox process: enter, obey |
//! | `root` | opening what is in the root, never anything outside |
//! | `apply`, `export` | a tar stream into the root, the root as a tar stream |
//! | `files` | single files: read, list, remove, what changed |
//! | `owners` | who owns what, where the file system cannot say it |
//! | `supervisor` | answering for ids that a user namespace does not have |
//! | `run`, `inside` | a program in the root: watched from outside; mounts and exec |
//! | `machine` | what a tool of the machine's own sees instead |
//! | `emulate` | programs of other architectures |
//!
//! Nothing here prints or reads the environment. Whatever is in the root may be hostile:
//! what the sandbox process itself does with it never follows a link out of the root.

mod apply;
mod child;
mod emulate;
mod export;
mod files;
mod ids;
mod inside;
mod ladder;
mod machine;
mod memory;
mod order;
mod owners;
mod place;
pub mod process;
mod root;
mod run;
mod sandbox;
mod supervisor;

pub use child::{Loader, Method, run_child};
pub use ladder::{Choice, ParseChoiceError};
pub use place::{Swept, sweep};
pub use sandbox::{Ender, Ending, Sandbox, Settings};

/// The word by which the binary knows that it is to be a sandbox process.
pub const ARGUMENT: &str = "__sandbox";
