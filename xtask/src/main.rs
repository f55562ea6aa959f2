//! Chores of the repository: `cargo xtask WORD`.
//!
//! | word | what it does |
//! |---|---|
//! | `test` | sets up what the tests need, runs all of them, counts what was skipped and why |
//! | `setup` | the set-up alone |
//! | `matrix` | real packages of Debian: suites, architectures, sandboxes, engines |
//! | `demo` | README's first command: a root filesystem and a program become an image |

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to whoever runs it")]

mod demo;
mod matrix;
mod setup;
mod test;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["test", ref rest @ ..] => test::run(rest),
        ["setup"] => setup::run(),
        ["matrix"] => matrix::run(),
        ["demo"] => demo::run(),
        _ => Err("usage: cargo xtask test|setup|matrix|demo".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The top of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// The cargo that runs this.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(workspace());
    command
}

/// Runs a command that must succeed.
fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
