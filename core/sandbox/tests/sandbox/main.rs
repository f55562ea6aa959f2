//! Sandboxes as the host has them: real namespaces, real programs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod programs;
mod support;

use std::process::ExitCode;

use ctr_forge_plugin::sandbox::Rung;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(ctr_forge_sandbox::ARGUMENT) {
        return ctr_forge_sandbox::run_child(&support::NoPlugins);
    }
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = Vec::new();
    for rung in [Rung::Mapped, Rung::Single] {
        let reason = support::cannot_be_had(rung);
        let places = [("disk", false), ("memory", true)];
        let tests =
            places.into_iter().flat_map(|place| programs::TESTS.iter().map(move |test| (place, test)));
        for ((place, in_memory), (name, test)) in tests {
            let trial = Trial::test(format!("{}::{place}::{name}", support::word(rung)), move || {
                support::IN_MEMORY.set(in_memory);
                test(rung);
                Ok(())
            });
            // Told as skipped, with the reason in the place of the kind.
            trials.push(match &reason {
                None => trial,
                Some(reason) => trial.with_kind(reason.clone()).with_ignored_flag(true),
            });
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
