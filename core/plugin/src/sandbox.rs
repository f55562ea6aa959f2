//! Messages of the services `rootfs.*` and `run`: a root filesystem on disk, which the host
//! keeps for a job, and programs that run in it.
//!
//! A plugin never sees the directory. It hands in tar streams, has programs run, and takes
//! the result out as a tar stream again, in which every owner is the one that was meant,
//! whatever ids the kernel let the host use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::FileRef;
use crate::message::InsideRequest;

/// Parameters of `rootfs.create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RootfsParams {
    /// The architecture of the programs that will run, by its OCI name. Where it is not the
    /// machine's own, an emulator is looked for.
    pub arch: String,
    /// About how many bytes it will hold, where that is known: a root that fits well into memory
    /// is built there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// The answer to `rootfs.create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RootfsCreated {
    /// Its number.
    pub root: u32,
    /// How programs will be kept apart from the machine.
    pub rung: Rung,
}

/// How programs that run in a root are kept apart from the machine.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// In a user namespace with a range of ids of its own.
    Mapped,
    /// In a user namespace with one id; a supervisor answers for the others.
    Single,
    /// Not at all, but for chroot(2): as root of the machine.
    Chroot,
}

/// Parameters of `rootfs.apply` and `rootfs.export`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootfsTar {
    /// The root's number.
    pub root: u32,
    /// `apply`: open for reading. `export`: open for writing. A pipe will do.
    pub tar: FileRef,
    /// `export`: patterns of paths that are left out, as in
    /// [`Context::exclude`](crate::Context::exclude).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// The answer to `rootfs.apply` and `rootfs.export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootfsEntries {
    /// Entries that went in or came out.
    pub entries: u64,
}

/// Parameters of `rootfs.read` and `rootfs.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootfsPath {
    /// The root's number.
    pub root: u32,
    /// A path in it. Links in it are followed as they would be inside.
    pub path: String,
}

/// Parameters of `rootfs.remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootfsRemove {
    /// The root's number.
    pub root: u32,
    /// Paths in it; of directories, all that is below. What is not there is passed over.
    pub paths: Vec<String>,
}

/// Parameters of `rootfs.changes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootfsChanges {
    /// The root's number.
    pub root: u32,
    /// In nanoseconds since 1970. What changed then or later is told.
    pub since: u64,
}

/// A path that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// In the root; bytes that are not UTF-8 are shown replaced.
    pub path: String,
    /// When it changed last, its attributes included, in nanoseconds since 1970, as exact as
    /// the kernel's clock for files: some milliseconds.
    pub time: u64,
}

/// Parameters of `run`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunParams {
    /// The root's number.
    pub root: u32,
    /// The program, by its path in the root, and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// Instead of a program: the plugin itself. It is loaded into a process that then enters the
    /// root, and its method `inside` is called there. No service of the host can be had from
    /// there; what it logs is told as what a program prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<InsideRequest>,
    /// Its whole environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Further descriptors that it finds open, by their numbers: 0, its standard input, which is
    /// empty otherwise, and from 3 on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<i32, FileRef>,
    /// Which file system it sees.
    #[serde(default)]
    pub view: View,
    /// Files that it, and nothing else, sees at these absolute paths, executable for all.
    /// Those whose directory is not there are left out. In the view of the machine they have
    /// to lie below `/tmp`, and directories are made for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub covers: BTreeMap<String, Cover>,
    /// Whether it may use the network.
    #[serde(default)]
    pub network: bool,
    /// Seconds after which it is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// Which file system a program sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// The root and nothing else.
    #[default]
    Root,
    /// The machine's, for a tool of its own that makes a root filesystem: not writable, without
    /// the users' directories, and with the root at [`ROOT_IN_MACHINE`]. The program is root of
    /// a user namespace there, and may mount and chroot.
    Machine,
}

/// Where a program that sees the machine finds the root.
pub const ROOT_IN_MACHINE: &str = "/tmp/root";

/// What a program sees in a file's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cover {
    /// This text.
    Text(String),
    /// The content of this file.
    File(FileRef),
}

/// Lines of output that an error shows.
const SHOWN: usize = 15;

/// The answer to `run`. A program that fails is no error of the service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunOutcome {
    /// What the plugin's method answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// With what it exited, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether it had run as long as it might.
    #[serde(default)]
    pub timed_out: bool,
    /// The end of what it printed, both streams together.
    pub output: String,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// When it began, in nanoseconds since 1970, by the kernel's clock for files: what changed
    /// before is older.
    #[serde(default)]
    pub began: u64,
}

impl RunOutcome {
    /// Whether it ended by itself, content.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// How it ended, as the end of a sentence that begins with its name: `failed with exit status 1`.
    pub fn how(&self) -> String {
        match self {
            Self { timed_out: true, .. } => "took longer than it may".to_owned(),
            Self { code: Some(code), .. } => format!("failed with exit status {code}"),
            Self { signal: Some(signal), .. } => format!("was ended by signal {signal}"),
            _ => "failed".to_owned(),
        }
    }

    /// The last lines that it printed, for the causes of an error.
    pub fn last_lines(&self) -> Vec<String> {
        let lines: Vec<&str> =
            self.output.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(SHOWN)..].iter().map(|&line| line.to_owned()).collect()
    }
}
