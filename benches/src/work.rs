//! The place where a benchmark runs: a copy of the binary and its plugins, and room.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{Result, workspace};

/// What is measured; `cargo build --workspace` would bring one plugin more.
const PACKAGES: [&str; 6] = [
    "ctr-forge",
    "ctr-forge-source-alpine",
    "ctr-forge-source-debootstrap",
    "ctr-forge-source-dnf",
    "ctr-forge-source-scratch",
    "ctr-forge-output-oci",
];

/// The libraries that cargo makes of the plugins.
const PLUGINS: [&str; 5] = [
    "libctr_forge_source_alpine.so",
    "libctr_forge_source_debootstrap.so",
    "libctr_forge_source_dnf.so",
    "libctr_forge_source_scratch.so",
    "libctr_forge_output_oci.so",
];

/// A directory that goes when this does.
#[derive(Debug)]
pub(crate) struct Work {
    directory: TempDir,
}

impl Work {
    /// Builds ctr-forge with the profile of this program, and copies it out of
    /// the target directory: there it would find plugins without being told.
    pub(crate) fn new() -> Result<Self> {
        let built = std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default();
        if !built.ends_with("release") {
            return Err("only a release build says anything: cargo run --release -p ctr-forge-benches".into());
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--quiet"]).current_dir(workspace());
        cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
        if !cargo.status()?.success() {
            return Err("ctr-forge cannot be built".into());
        }
        // Not in /tmp, which is often memory.
        let directory = tempfile::Builder::new().prefix("ctr-forge-bench-").tempdir_in("/var/tmp")?;
        let work = Self { directory };
        fs::copy(built.join("ctr-forge"), work.path("ctr-forge"))?;
        fs::create_dir(work.path("plugins"))?;
        for plugin in PLUGINS {
            fs::copy(built.join(plugin), work.path("plugins").join(plugin))?;
        }
        Ok(work)
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// ctr-forge with its plugins and two threads, as the peers have.
    pub(crate) fn forge(&self, words: &[&str]) -> Command {
        self.forge_with("plugins", words)
    }

    /// ctr-forge with the plugins in a directory.
    pub(crate) fn forge_with(&self, plugins: &str, words: &[&str]) -> Command {
        let mut command = self.command(&self.path("ctr-forge"), &["--plugin-dir", plugins]);
        command.args(words);
        command
    }

    /// A program that runs in the directory, with little of the environment.
    pub(crate) fn command(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.directory.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.directory.path()).env("TMPDIR", self.directory.path());
        command.env("CTR_FORGE_JOBS", "2").env("GOMAXPROCS", "2");
        command
    }

    /// A shell script, for pipes.
    pub(crate) fn script(&self, script: &str) -> Command {
        self.command(Path::new("bash"), &["-euo", "pipefail", "-c", script])
    }

    /// A part of this program as a process of its own.
    pub(crate) fn child(&self, words: &[&str]) -> Result<Command> {
        Ok(self.command(&std::env::current_exe()?, &[&["child"], words].concat()))
    }

    /// Runs such a part, and reads the two numbers that it prints.
    pub(crate) fn fixture(&self, words: &[&str]) -> Result<(u64, u64)> {
        let output = self.child(words)?.output()?;
        let text = String::from_utf8(output.stdout)?;
        let numbers = text.trim().split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let failed = || format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        numbers.filter(|_| output.status.success()).ok_or_else(|| failed().into())
    }

    /// Removes a file or directory, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(fs::remove_dir_all(path)?),
            Ok(_) => Ok(fs::remove_file(path)?),
            Err(_) => Ok(()),
        }
    }
}
