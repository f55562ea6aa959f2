//! Builds what the tests run: the binary and its plugins, and variants of both.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The top of the workspace.
pub fn workspace_directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Cargo's directory for the profile that the tests were built with: `target/debug`.
pub fn profile_directory() -> PathBuf {
    // target/debug/deps/e2e-…, or target/release/ctr-forge-benches.
    let program = std::env::current_exe().unwrap();
    let directory = program.parent().unwrap();
    match directory.ends_with("deps") {
        true => directory.parent().unwrap().to_owned(),
        false => directory.to_owned(),
    }
}

/// Cargo's target directory.
pub fn target_directory() -> PathBuf {
    profile_directory().parent().unwrap().to_owned()
}

/// Builds the binary and every plugin, as README says a user does.
pub fn workspace() {
    cargo(&["build", "--workspace"]);
}

/// A tool of Rust, not yet started, with the environment of the tests.
///
/// The tests use the toolchains that are there: with its environment cut down,
/// rustup would fetch or update one, for everybody on this machine.
pub fn rust_tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("RUSTUP_AUTO_INSTALL", "0");
    command
}

/// Runs cargo in the workspace; panics if it fails.
pub fn cargo(arguments: &[&str]) {
    let status =
        rust_tool(env!("CARGO")).args(arguments).arg("--quiet").current_dir(workspace_directory()).status();
    assert!(status.unwrap().success(), "cargo {arguments:?} failed");
}

/// Builds the plugin that misbehaves; its library.
pub fn faulty() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        cargo(&["build", "--package", "ctr-forge-tests", "--example", "faulty"]);
        profile_directory().join("examples/libfaulty.so")
    })
}

/// Where what takes a target directory of its own is built, so that it is built once.
pub fn fixtures(name: &str) -> PathBuf {
    target_directory().join("fixtures").join(name)
}

/// Where the set-up (`cargo xtask setup`) has built a program of others that no package has.
pub fn tool(name: &str) -> PathBuf {
    workspace_directory().join("target/tools").join(name)
}
