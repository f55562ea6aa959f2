//! End-to-end tests, a file for each property. `cargo xtask test` sets up what they need.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::process::ExitCode;

use ctr_forge_tests::runner;

mod broken_stream;
mod clients;
mod command_line;
mod difficult_tree;
mod hostile_input;
mod reproducible;
mod scratch;

fn main() -> ExitCode {
    let modules = [
        "broken_stream",
        "clients",
        "command_line",
        "difficult_tree",
        "hostile_input",
        "reproducible",
        "scratch",
    ];
    runner::check_modules(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e"), &modules);
    runner::run(&[
        broken_stream::TESTS,
        clients::TESTS,
        command_line::TESTS,
        difficult_tree::TESTS,
        hostile_input::TESTS,
        reproducible::TESTS,
        scratch::TESTS,
    ])
}
