//! The binary: reads the command line and the environment, calls an operation, prints.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cli`] | the tree of commands and what all share |
//! | [`components`] | command lines made from plugins' manifests |
//! | [`commands`] | one file per command: arguments in, operation called, result printed |
//! | [`environment`] | the only place that reads environment variables |
//! | [`terminal`] | the only place that prints |
//!
//! Logic lives in `ctr-forge-core`; a command here is thin.

mod cli;
mod commands;
mod components;
mod environment;
mod terminal;

use std::process::ExitCode;

use ctr_forge_core::discovery::Bundled;
use ctr_forge_core::{sandbox, worker};

/// The plugins linked into this binary.
#[cfg(feature = "bundled")]
const BUNDLED: &[Bundled] = &[
    Bundled { entry: ctr_forge_source_alpine::ctr_forge_plugin },
    Bundled { entry: ctr_forge_source_debootstrap::ctr_forge_plugin },
    Bundled { entry: ctr_forge_source_dnf::ctr_forge_plugin },
    Bundled { entry: ctr_forge_source_scratch::ctr_forge_plugin },
    Bundled { entry: ctr_forge_output_oci::ctr_forge_plugin },
    Bundled { entry: ctr_forge_output_aci::ctr_forge_plugin },
    Bundled { entry: ctr_forge_output_docker::ctr_forge_plugin },
];
/// The plugins linked into this binary.
#[cfg(not(feature = "bundled"))]
const BUNDLED: &[Bundled] = &[];

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    // Neither must get further than this while it has but one thread.
    if words.first().is_some_and(|word| word == worker::ARGUMENT) {
        return worker::run_child(BUNDLED);
    }
    if words.first().is_some_and(|word| word == sandbox::ARGUMENT) {
        return sandbox::run_child(&worker::PluginLoader { bundled: BUNDLED });
    }
    let json = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    match cli::run(&words) {
        Ok(code) => code,
        Err(error) => {
            terminal::print_error(&error, json);
            ExitCode::from(error.kind.exit_code())
        }
    }
}
