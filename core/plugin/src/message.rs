//! What host and plugin say to each other: the JSON inside calls and frames.
//!
//! Receivers ignore fields that they do not know, so a message can grow within
//! one protocol version. Files never travel as bytes but as descriptors: an
//! object `{"$fd": N}`, see [`FileRef`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{LayerForm, Role};

/// Names of the methods that a plugin answers.
pub mod method {
    /// Which inputs a build would use: [`Request`](super::Request) → [`Resolved`](super::Resolved).
    pub const RESOLVE: &str = "resolve";
    /// Builds a rootfs: [`Request`](super::Request) with [`BuildTarget`](super::BuildTarget) →
    /// [`SourceReport`](super::SourceReport).
    pub const BUILD: &str = "build";
    /// Packages layers: [`Request`](super::Request) with [`PackageTarget`](super::PackageTarget) →
    /// [`OutputReport`](super::OutputReport).
    pub const PACKAGE: &str = "package";
    /// Values an option could take: [`CompleteRequest`](super::CompleteRequest) →
    /// [`Completions`](super::Completions).
    pub const COMPLETE: &str = "complete";
    /// What is missing on this machine: [`Request`](super::Request) → [`Diagnosis`](super::Diagnosis).
    pub const DOCTOR: &str = "doctor";
}

/// Names of the services that the host answers.
pub mod service {
    /// Who the host is: `{}` → [`HostInfo`](super::HostInfo).
    pub const HOST_INFO: &str = "host.info";
    /// An empty file on disk without a name: `{}` → [`FileAnswer`](super::FileAnswer).
    pub const FILE_TEMP: &str = "file.temp";
    /// SHA-256 and size of a file: [`FileAnswer`](super::FileAnswer) → [`FileDigest`](super::FileDigest).
    pub const FILE_DIGEST: &str = "file.digest";
}

/// A file that travels beside a message as a descriptor.
///
/// In a frame the number is an index into the descriptors sent with the frame;
/// at the C ABI it is the number of the descriptor in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// The index or number.
    #[serde(rename = "$fd")]
    pub fd: i32,
}

/// The value of an option of type `path` or `path-map`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathValue {
    /// The absolute path, for messages; bytes that are not UTF-8 are shown replaced.
    pub path: String,
    /// The file or folder, open for reading. Absent for standard input in `resolve`,
    /// because it can be read but once, and in `complete` and `doctor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileRef>,
    /// For `path-map`: what stands behind the first colon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// What every job is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Architecture of the image, by its OCI name: `amd64`, `arm64`, `arm/v7`.
    pub arch: String,
    /// `SOURCE_DATE_EPOCH`, where set: no time in what is made is later. Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// Threads that the job may use, at least 1. What is made must not depend on it.
    pub jobs: usize,
}

/// Parameters of `resolve`, `build`, `package` and `doctor`; `build` and `package` add a target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request<O = Value, T = ()> {
    /// [`PROTOCOL`](crate::PROTOCOL) of the host.
    pub protocol: u32,
    /// Whether a source or an output is meant.
    pub role: Role,
    /// Which of the plugin's sources or outputs is meant.
    pub component: String,
    /// The options by name, checked against the manifest, defaults filled in.
    pub options: O,
    /// What every job is told.
    pub context: Context,
    /// Where the result goes; `null` where there is nothing to make.
    pub target: T,
}

/// The answer to `resolve`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The source's part of the lock: all that decides the result. Handed to `build` as it is.
    pub lock: Value,
}

/// What `build` builds from and into.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildTarget {
    /// The answer of `resolve`, or the user's lock.
    pub lock: Value,
    /// A pipe that takes the root filesystem as a PAX tar stream.
    pub rootfs: FileRef,
}

/// The answer to `build`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// The packages that were installed, in the source's own order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Package>,
    /// The newest signed date among the inputs: bounds every time in the result
    /// where `SOURCE_DATE_EPOCH` is not set. Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name in the distribution.
    pub name: String,
    /// Its version, as the distribution writes it.
    pub version: String,
    /// Its architecture, as the distribution writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Digest of the package file: `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What `package` packages and where it goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackageTarget {
    /// How the image is run and named.
    pub image: ImageConfig,
    /// The layers, base first.
    pub layers: Vec<LayerRef>,
    /// Where the result goes.
    pub destination: Destination,
}

/// How an image is run and named, whatever its format.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Operating system, by its OCI name: `linux`.
    pub os: String,
    /// Architecture, by its OCI name: `amd64`.
    pub arch: String,
    /// Variant of the architecture: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// When it was made, seconds since 1970: never later than the epoch of its inputs.
    pub created: i64,
    /// The program that is always run, with its first arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// What follows it where the user says nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Environment, `NAME=VALUE` each, names unique.
    #[serde(default)]
    pub env: Vec<String>,
    /// `user`, `uid`, `user:group` or `uid:gid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// `80/tcp`.
    #[serde(default)]
    pub ports: BTreeSet<String>,
    /// Absolute paths.
    #[serde(default)]
    pub volumes: BTreeSet<String>,
    /// Free metadata.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `SIGTERM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Names for the image.
    #[serde(default)]
    pub tags: Vec<ImageName>,
}

/// A name of an image, taken apart and completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageName {
    /// As the user wrote it, without the tag: `hello`, `registry.example/team/app`.
    pub name: String,
    /// `latest` where the user gave none.
    pub tag: String,
    /// With the default registry and namespace that engines assume for a short name.
    pub full: String,
}

/// A finished layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRef {
    /// The layer in the form that `form` says. Read it from offset 0; do not write.
    pub file: FileRef,
    /// How `file` is compressed.
    pub form: LayerForm,
    /// Digest of `file`: `sha256:…`.
    pub digest: String,
    /// Size of `file` in bytes.
    pub size: u64,
    /// Digest of the tar inside: `sha256:…`.
    pub diff_id: String,
    /// Size of the tar inside in bytes.
    pub diff_size: u64,
}

/// Where an output writes. Nothing there is visible under its final name
/// before `package` has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Destination {
    /// One file, empty, open for writing.
    File {
        /// The file.
        file: FileRef,
    },
    /// An empty directory, whose content the host moves into place.
    Directory {
        /// The empty directory.
        directory: FileRef,
        /// What is at the final place already, for reading; `null` where nothing is.
        existing: Option<FileRef>,
    },
}

/// The answer to `package`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputReport {
    /// For a directory: the files made, relative, in the order in which they are to appear.
    /// What refers to others comes after them. Files not named are dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What the format calls the image's identity: `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Sentences on how to use the result; `{}` stands for its path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// Parameters of `complete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompleteRequest {
    /// [`PROTOCOL`](crate::PROTOCOL) of the host.
    pub protocol: u32,
    /// Whether a source or an output is meant.
    pub role: Role,
    /// Which of the plugin's sources or outputs is meant.
    pub component: String,
    /// The option whose value is sought.
    pub option: String,
    /// What the user has typed of it.
    pub prefix: String,
}

/// The answer to `complete`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completions {
    /// Values that the option could take.
    pub candidates: Vec<String>,
}

/// The answer to `doctor`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What was looked at, in order.
    pub checks: Vec<Check>,
}

/// One thing that `doctor` looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What to do where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a plugin tells while it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "t")]
pub enum Event {
    /// A line for whoever follows the work.
    Log {
        /// How much it matters.
        level: Level,
        /// The line.
        message: String,
    },
    /// Something the user should know of though the job goes on.
    Warning {
        /// A sentence.
        message: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// A new stretch of work begins.
    Phase {
        /// What is done in it.
        name: String,
    },
    /// How far the current stretch is. Never goes back within one phase.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all; 0 where that is not known.
        total: u64,
        /// What is counted: `bytes`, `packages`.
        unit: String,
    },
    /// The plugin panicked; sent before anything unwinds, so that it arrives even from an abort.
    Panic {
        /// The panic's message.
        message: String,
        /// Where in the source.
        location: String,
    },
    /// An event of a newer protocol.
    #[serde(other)]
    Unknown,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// For those who hunt a fault.
    Debug,
    /// For those who follow the work. Also what a level of a newer protocol reads as.
    #[serde(other)]
    Info,
}

/// The answer to `host.info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// `ctr-forge`.
    pub name: String,
    /// Version of the host, semver.
    pub version: String,
    /// [`PROTOCOL`](crate::PROTOCOL) of the host.
    pub protocol: u32,
    /// The services that the host has.
    pub services: Vec<String>,
}

/// A file alone: the answer to `file.temp`, the parameters of `file.digest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAnswer {
    /// The file.
    pub file: FileRef,
}

/// The answer to `file.digest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// `sha256:…` of the whole file, whatever its offset.
    pub digest: String,
    /// Bytes in the file.
    pub size: u64,
}
