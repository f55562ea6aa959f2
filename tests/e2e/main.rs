//! End-to-end tests, a file for each property. `cargo xtask test` sets up what they need.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::process::ExitCode;

use ctr_forge_tests::runner;

mod command_line;

fn main() -> ExitCode {
    runner::check_modules(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e"), &["command_line"]);
    runner::run(&[command_line::TESTS])
}
