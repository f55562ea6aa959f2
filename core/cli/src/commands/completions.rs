//! `ctr-forge completions SHELL`: what a shell completes, plugins' words included.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use clap_complete::Shell;
use ctr_forge_plugin::Result;

use crate::cli::{self, Session};
use crate::terminal;

pub(crate) fn cli() -> Command {
    Command::new("completions")
        .about("Prints completions for a shell")
        .arg(Arg::new("shell").required(true).value_name("SHELL").value_parser(clap::value_parser!(Shell)))
        .after_help(
            "The words of the plugins that are found now are included: print them again when plugins change.\n\n\
             Examples:\n  ctr-forge completions bash > ~/.local/share/bash-completion/completions/ctr-forge",
        )
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let mut script = Vec::new();
    if let Some(shell) = matches.get_one::<Shell>("shell") {
        clap_complete::generate(*shell, &mut cli::command(&session.catalog), "ctr-forge", &mut script);
    }
    terminal::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
