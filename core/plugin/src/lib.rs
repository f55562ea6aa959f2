//! The contract between ctr-forge and its plugins.
//!
//! A plugin is a dynamic library or a program that makes root filesystems (a
//! [`Source`]) or packages them (an [`Output`]). In Rust it is a type with one
//! of these traits, a `plugin.toml` and one line:
//!
//! ```text
//! ctr_forge_plugin::export_plugin!(scratch: source "scratch" => Scratch);
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `source`, `output` | the two traits |
//! | `host` | what a plugin can ask of the host: files, events, services |
//! | [`message`] | the JSON of calls, answers and events |
//! | `manifest` | `plugin.toml` |
//! | `error` | kinds of failure, their exit codes, causes and hints |
//! | [`abi`], [`note`] | the C side: `include/ctr_forge_plugin.h`, the ELF note |
//! | [`frame`], [`serve`](serve()) | the wire: what a plugin that is a program speaks |
//! | [`export`] | what the macro needs |
//!
//! Nothing here prints, reads the environment, or knows a distribution. The
//! protocol for authors in other languages is `docs/PLUGIN-PROTOCOL.md`.

pub mod abi;
mod error;
pub mod export;
mod files;
pub mod frame;
mod host;
mod manifest;
pub mod message;
pub mod note;
mod output;
pub mod sandbox;
mod serve;
mod source;

pub use error::{Error, ErrorKind, Result};
pub use files::{map_files, to_frame};
pub use host::{Fetched, Fetches, Host, Rootfs, lend};
pub use manifest::{
    Component, Duplicates, FEATURES, LayerForm, Manifest, Merges, Needs, OptionSpec, PROTOCOL, Role,
    ValueType, Writes, is_name, symbol,
};
pub use message::{
    BuildTarget, Check, CheckedBy, Context, Destination, Event, FetchIdentity, FetchRequest, FetchUrl,
    FileDigest, FileRef, HostInfo, ImageConfig, ImageName, LayerRef, Level, OutputReport, Package,
    PackageTarget, PathValue, PlanTarget, PlatformImage, Request, Resolved, Script, ScriptOutcome,
    SignatureKind, Signer, SourceReport, TrustLink, Unpacked, Vouch,
};
pub use output::Output;
pub use serve::{invoke_alone, serve, serve_on};
pub use source::Source;

/// The C header, for whoever sets up a plugin in C.
pub const C_HEADER: &str = include_str!("../include/ctr_forge_plugin.h");
