//! What host and plugin say to each other: the JSON inside calls and frames.
//!
//! Receivers ignore fields that they do not know, so a message can grow within
//! one protocol version. Files never travel as bytes but as descriptors: an
//! object `{"$fd": N}`, see [`FileRef`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, LayerForm, Role};

/// Names of the methods that a plugin answers.
pub mod method {
    /// Which inputs a build would use: [`Request`](super::Request) → [`Resolved`](super::Resolved).
    pub const RESOLVE: &str = "resolve";
    /// What a build from a lock would report: [`Request`](super::Request) with
    /// [`PlanTarget`](super::PlanTarget) → [`SourceReport`](super::SourceReport).
    pub const PLAN: &str = "plan";
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
    /// In the root of a build, for [`RunParams::inside`](crate::sandbox::RunParams):
    /// [`InsideRequest`](super::InsideRequest) → whatever the plugin answers itself.
    pub const INSIDE: &str = "inside";
}

/// Names of the services that the host answers.
pub mod service {
    /// Who the host is: `{}` → [`HostInfo`](super::HostInfo).
    pub const HOST_INFO: &str = "host.info";
    /// An empty file on disk without a name: `{}` → [`FileAnswer`](super::FileAnswer).
    pub const FILE_TEMP: &str = "file.temp";
    /// SHA-256 and size of a file: [`FileAnswer`](super::FileAnswer) → [`FileDigest`](super::FileDigest).
    pub const FILE_DIGEST: &str = "file.digest";
    /// Begins to download: [`FetchParams`](super::FetchParams) → [`FetchBatch`](super::FetchBatch).
    pub const FETCH: &str = "fetch";
    /// Waits for the next file of a batch, in the order asked for: [`FetchBatch`](super::FetchBatch) →
    /// [`FetchOutcome`](super::FetchOutcome), or `null` behind the last.
    pub const FETCH_TAKE: &str = "fetch.take";
    /// Checks a signature: [`VerifyParams`](super::VerifyParams) → [`Verified`](super::Verified).
    pub const VERIFY: &str = "verify";
    /// What an earlier job of this plugin kept: [`KeptName`](super::KeptName) →
    /// [`FileAnswer`](super::FileAnswer), or `null` where there is nothing.
    pub const KEPT: &str = "kept";
    /// A file for something to be kept: `{}` → [`Draft`](super::Draft), or `null` where nothing is kept.
    pub const KEPT_DRAFT: &str = "kept.draft";
    /// Keeps a draft for later jobs: [`KeepDraft`](super::KeepDraft) → `null`.
    pub const KEPT_STORE: &str = "kept.store";
    /// Where a program of the machine is: [`ToolName`](super::ToolName) → its path, or `null`.
    pub const TOOL: &str = "tool";
    /// Makes an empty root on disk: [`RootfsParams`](crate::sandbox::RootfsParams) →
    /// [`RootfsCreated`](crate::sandbox::RootfsCreated).
    pub const ROOTFS_CREATE: &str = "rootfs.create";
    /// Takes a tar stream into a root: [`RootfsTar`](crate::sandbox::RootfsTar) →
    /// [`RootfsEntries`](crate::sandbox::RootfsEntries), when its end was reached.
    pub const ROOTFS_APPLY: &str = "rootfs.apply";
    /// Writes a root as a tar stream: [`RootfsTar`](crate::sandbox::RootfsTar) →
    /// [`RootfsEntries`](crate::sandbox::RootfsEntries).
    pub const ROOTFS_EXPORT: &str = "rootfs.export";
    /// Opens a file in a root: [`RootfsPath`](crate::sandbox::RootfsPath) →
    /// [`FileAnswer`](super::FileAnswer), or `null` where there is none.
    pub const ROOTFS_READ: &str = "rootfs.read";
    /// Names in a directory of a root: [`RootfsPath`](crate::sandbox::RootfsPath) → texts,
    /// sorted, or `null` where there is none.
    pub const ROOTFS_LIST: &str = "rootfs.list";
    /// Removes paths from a root: [`RootfsRemove`](crate::sandbox::RootfsRemove) → `null`.
    pub const ROOTFS_REMOVE: &str = "rootfs.remove";
    /// What changed in a root: [`RootfsChanges`](crate::sandbox::RootfsChanges) → a list of
    /// [`Change`](crate::sandbox::Change).
    pub const ROOTFS_CHANGES: &str = "rootfs.changes";
    /// Runs a program in a root: [`RunParams`](crate::sandbox::RunParams) →
    /// [`RunOutcome`](crate::sandbox::RunOutcome).
    pub const RUN: &str = "run";
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
    /// For sources: the patterns of `--exclude-path`, in order. The host leaves those paths out of
    /// the finished tree; a source with a database of files leaves them out there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// Parameters of all methods but `complete`; `plan`, `build` and `package` add a target.
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
    /// Why that is not so this time, where it is not: then no lock is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<String>,
}

/// Parameters of [`service::TOOL`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolName {
    /// The program's name: `mmdebstrap`.
    pub name: String,
}

/// What `plan` looks at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanTarget {
    /// The answer of `resolve`, or the user's lock.
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// The packages that were installed, in the source's own order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Package>,
    /// Who vouches for what was used, the root of trust first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<TrustLink>,
    /// What became of the packages' scripts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<Script>,
    /// What the build left behind and is no part of the result: logs, caches, locks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleaned: Vec<String>,
    /// The newest signed date among the inputs: bounds every time in the result
    /// where `SOURCE_DATE_EPOCH` is not set. Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
}

/// An installed package.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Package {
    /// Its name in the distribution.
    pub name: String,
    /// Its version, as the distribution writes it.
    pub version: String,
    /// Its architecture, as the distribution writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Digest of the package file: `sha256:…` or `sha512:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Size of the package file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its package URL: <https://github.com/package-url/purl-spec>.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    /// Where its distribution offers it, whichever mirror carried the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The licences that it names, as it names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<String>,
    /// Who compared the file with the digest. Set by the host.
    #[serde(default)]
    pub checked_by: CheckedBy,
}

/// One link of the chain from keys to packages.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrustLink {
    /// What is vouched for: the URL of an index.
    pub subject: String,
    /// Its digest: `sha256:…`.
    pub digest: String,
    /// How.
    pub how: Vouch,
    /// Fingerprints of the keys that signed, for [`Vouch::Signature`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// The subject of the link that lists this digest, for [`Vouch::Digest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_in: Option<String>,
    /// Who checked it. Set by the host.
    #[serde(default)]
    pub checked_by: CheckedBy,
}

/// How something is vouched for.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vouch {
    /// A signature by a key of its repository.
    Signature,
    /// What is vouched for itself lists its digest.
    Digest,
    /// The user's lock lists its digest.
    Lock,
    /// The user's explicit word. Also what a way of a newer protocol reads as.
    #[serde(other)]
    User,
}

/// Who checked a signature or digest.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckedBy {
    /// The host itself.
    Host,
    /// The plugin says that it did. Also what a word of a newer protocol reads as.
    #[default]
    #[serde(other)]
    Plugin,
}

/// A package's script, and what became of it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Script {
    /// The package.
    pub package: String,
    /// The script's name in the package: `postinst`.
    pub script: String,
    /// What became of it.
    pub outcome: ScriptOutcome,
    /// How long it took, where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millis: Option<u64>,
    /// The files that it changed, as far as that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

/// What became of a script.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScriptOutcome {
    /// It ran.
    Run,
    /// Every line of it is understood, and its work was done without it.
    Modelled,
    /// It did not run. Also what an outcome of a newer protocol reads as.
    #[serde(other)]
    Skipped,
}

/// What `package` packages and where it goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackageTarget {
    /// How the image is run and named.
    pub image: ImageConfig,
    /// The layers, base first.
    pub layers: Vec<LayerRef>,
    /// The same image for further platforms; none but for an output whose manifest says `platforms`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<PlatformImage>,
    /// Where the result goes.
    pub destination: Destination,
}

/// An image of several that are one but for their platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlatformImage {
    /// How the image is run and named: the names are those of the first.
    pub image: ImageConfig,
    /// The layers, base first.
    pub layers: Vec<LayerRef>,
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
    /// What is said of the image itself, and not of what it runs as.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
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
        /// Whether the host makes one tar archive of it, as the manifest's `archive` allows.
        #[serde(default)]
        archive: bool,
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

/// What a plugin asks of itself, in the root of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InsideRequest {
    /// [`Role::Source`].
    pub role: Role,
    /// Which of the plugin's components.
    pub component: String,
    /// What it is asked for, in its own words.
    pub name: String,
    /// With what.
    #[serde(default)]
    pub params: Value,
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

/// Parameters of `fetch`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FetchParams {
    /// What to download. Any number: those not yet taken wait on disk.
    pub requests: Vec<FetchRequest>,
    /// How connections are made to servers that ask for more than the usual.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<FetchIdentity>,
}

/// How connections to one server are made.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FetchIdentity {
    /// A URL of that server: scheme, host and port count.
    pub url: String,
    /// The only authorities that may vouch for it: certificates in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// The certificate to show it, and those between it and its authority, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The private key of that, in PEM; absent where it stands behind the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Without the private key.
impl std::fmt::Debug for FetchIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchIdentity").field("url", &self.url).finish_non_exhaustive()
    }
}

/// One file to download.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FetchRequest {
    /// What messages call it: `libc6 2.36-9`.
    pub name: String,
    /// Where it is: the same bytes at each, tried in this order. `http`, `https` or `file`.
    pub urls: Vec<FetchUrl>,
    /// Its digest, `sha256:…` or `sha512:…`. With it the file comes from the cache if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where it is compressed with gzip, xz, zstd or bzip2 and wanted without: what it is then.
    /// Needs `digest`. The cache keeps that form, too, for what is read often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpacked: Option<Unpacked>,
    /// Its size in bytes, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Most bytes that it may have where its size is not known; 64 MiB where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
}

/// A file without its compression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unpacked {
    /// `sha256:…` or `sha512:…`.
    pub digest: String,
    /// In bytes.
    pub size: u64,
}

/// A place to download from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FetchUrl {
    /// The URL.
    pub url: String,
    /// The proxy for it, where it is not the user's: a URL, or `DIRECT` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

/// A batch of downloads: the answer to `fetch`, the parameters of `fetch.take`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchBatch {
    /// Its number.
    pub batch: u32,
}

/// What became of one download. One that failed ends neither its batch nor the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FetchOutcome {
    /// It is here.
    Fetched {
        /// Open for reading. It has the digest and size that were asked for.
        file: FileRef,
        /// `sha256:…` of it.
        digest: String,
        /// Its size in bytes.
        size: u64,
        /// Where it came from, without credentials.
        url: String,
    },
    /// It is not.
    Failed(Error),
}

/// Parameters of `kept`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptName {
    /// Names what was made by all that it depends on. Each build of a plugin has names of its own.
    pub name: String,
}

/// The answer to `kept.draft`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Its number.
    pub draft: u32,
    /// Empty, open for reading and writing.
    pub file: FileRef,
}

/// Parameters of `kept.store`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepDraft {
    /// The draft's number. Nothing may be written to it any more.
    pub draft: u32,
    /// As in [`KeptName`].
    pub name: String,
}

/// Parameters of `verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VerifyParams {
    /// What messages call the data: `InRelease of bookworm`.
    pub name: String,
    /// How it is signed.
    pub kind: SignatureKind,
    /// What is signed; for [`SignatureKind::OpenpgpCleartext`] with the signature in it. At most 64 MiB.
    pub data: FileRef,
    /// The signature, where it is apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<FileRef>,
    /// The only keys that count.
    pub keys: Vec<Key>,
    /// Of those, only the ones with these fingerprints; all where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
}

/// A file with public keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Key {
    /// What messages call it.
    pub name: String,
    /// The keys: of OpenPGP armored or not, of RSA one in PEM.
    pub file: FileRef,
}

/// How something is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureKind {
    /// OpenPGP, signature and text in one file (RFC 9580, section 7).
    OpenpgpCleartext,
    /// OpenPGP, signature in a file of its own.
    OpenpgpDetached,
    /// RSA over SHA-1 (RFC 8017, section 8.2), signature in a file of its own, keys in PEM.
    RsaPkcs1Sha1,
    /// As [`SignatureKind::RsaPkcs1Sha1`], over SHA-256.
    RsaPkcs1Sha256,
    /// As [`SignatureKind::RsaPkcs1Sha1`], over SHA-512.
    RsaPkcs1Sha512,
}

/// The answer to `verify`: at least one signature holds. Where none does, the answer is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verified {
    /// The signed text alone, where it came with its signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<FileRef>,
    /// `sha256:…` of `data` as it was handed in.
    pub digest: String,
    /// Who signed.
    pub signers: Vec<Signer>,
}

/// Whose signature holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signer {
    /// Fingerprint of the key that signed, upper-case hexadecimal; of a key for RSA alone the
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub fingerprint: String,
    /// Fingerprint of the primary key that it belongs to.
    pub primary: String,
    /// Whom the key is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}
