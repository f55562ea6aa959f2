//! The host side of ctr-forge: everything behind the command line.
//!
//! Data flows one way: request → source → rootfs stream → image → output.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ops`] | one function per command: the flow from request to result |
//! | [`discovery`] | which plugins there are; `note` and [`manifest`] read them, [`policy`] judges them |
//! | [`worker`] | the process in which a plugin's code runs |
//! | [`services`] | what a plugin may ask of the host |
//! | `lock` | everything that decides what a source makes, in a file |
//! | [`options`] | from words on the command line to the JSON of a request |
//! | [`image`] | how an image is run and named |
//! | [`destination`] | results appear whole or not at all |
//! | [`conformance`] | `ctr-forge plugin test` |
//! | [`scaffold`] | `ctr-forge plugin new` |
//!
//! Nothing here talks to people or reads the environment: [`Forge`] holds what
//! the command line learned, and a [`Reporter`] takes what is to be said. Standard
//! input and output are touched only where the user named them with `-`.

mod attach;
mod cancel;
pub mod conformance;
pub mod destination;
pub mod discovery;
mod gpg;
pub mod image;
mod lock;
pub mod manifest;
pub mod note;
pub mod ops;
pub mod options;
pub mod policy;
mod reporter;
pub mod scaffold;
pub mod services;
mod suggest;
pub mod worker;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

pub use ctr_forge_sandbox as sandbox;

use ctr_forge_fetch::Fetcher;

pub use attach::Attachments;
pub use cancel::Cancel;
pub use reporter::{Reporter, Silent};
pub use suggest::suggest;

/// All that a job of ctr-forge depends on beside its request.
pub struct Forge {
    /// This ctr-forge's version: what `requires` in manifests is held against.
    pub version: semver::Version,
    /// This binary, to be started again as a worker.
    pub executable: PathBuf,
    /// The whole environment of a worker.
    pub worker_env: Vec<(OsString, OsString)>,
    /// Where temporary files go. They can be as large as the root filesystem.
    pub temp_dir: PathBuf,
    /// Whether roots may be built in memory: not where the user has named a place for them.
    pub memory: bool,
    /// `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub epoch: Option<i64>,
    /// Threads to use. No result depends on it.
    pub jobs: NonZeroUsize,
    /// Downloads for plugins.
    pub fetcher: Arc<Fetcher>,
    /// What `gpg` needs of the environment to find keys and its agent.
    pub gpg_env: Vec<(OsString, OsString)>,
    /// Where logins for registries are looked up, the first that knows one decides.
    pub auth_files: Vec<PathBuf>,
    /// Takes progress and messages.
    pub reporter: Box<dyn Reporter>,
    /// The user's wish to stop.
    pub cancel: Cancel,
}

impl std::fmt::Debug for Forge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forge").field("version", &self.version).finish_non_exhaustive()
    }
}
