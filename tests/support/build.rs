//! Builds what the tests run: the binary and its plugins, and variants of both.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the workspace.
pub fn workspace_directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Cargo's directory for the profile that the tests were built with: `target/debug`.
pub fn profile_directory() -> PathBuf {
    // target/debug/deps/e2e-….
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().to_owned()
}

/// Cargo's target directory.
pub fn target_directory() -> PathBuf {
    profile_directory().parent().unwrap().to_owned()
}

/// Builds the binary and every plugin, as README says a user does.
pub fn workspace() {
    cargo(&["build", "--workspace"]);
}

/// Runs cargo in the workspace; panics if it fails.
pub fn cargo(arguments: &[&str]) {
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--quiet")
        .current_dir(workspace_directory())
        .status();
    assert!(status.unwrap().success(), "cargo {arguments:?} failed");
}
