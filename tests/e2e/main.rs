//! End-to-end tests, a file for each property. `cargo xtask test` sets up what they need.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::process::ExitCode;

use ctr_forge_tests::runner;

mod broken_stream;
mod bundled;
mod cancel;
mod clients;
mod command_line;
mod conformance;
mod difficult_tree;
mod discovery;
mod faults;
mod hostile_input;
mod reproducible;
mod scratch;

fn main() -> ExitCode {
    let modules = [
        "broken_stream",
        "bundled",
        "cancel",
        "clients",
        "command_line",
        "conformance",
        "difficult_tree",
        "discovery",
        "faults",
        "hostile_input",
        "reproducible",
        "scratch",
    ];
    runner::check_modules(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e"), &modules);
    runner::run(&[
        broken_stream::TESTS,
        bundled::TESTS,
        cancel::TESTS,
        clients::TESTS,
        command_line::TESTS,
        conformance::TESTS,
        difficult_tree::TESTS,
        discovery::TESTS,
        faults::TESTS,
        hostile_input::TESTS,
        reproducible::TESTS,
        scratch::TESTS,
    ])
}
