//! `ctr-forge plugin`: looks at, makes and tests plugins.

use std::process::ExitCode;

use clap::{ArgMatches, Command};
use ctr_forge_plugin::{Error, ErrorKind, Result};

use super::{plugin_info, plugin_list, plugin_new, plugin_test};
use crate::cli::Session;

pub(crate) fn cli() -> Command {
    Command::new("plugin")
        .about("Lists, describes, makes and tests plugins")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(plugin_list::cli())
        .subcommand(plugin_info::cli())
        .subcommand(plugin_new::cli())
        .subcommand(plugin_test::cli())
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    match matches.subcommand() {
        Some(("list", _)) => plugin_list::run(session),
        Some(("info", matches)) => plugin_info::run(session, matches),
        Some(("new", matches)) => plugin_new::run(matches),
        Some(("test", matches)) => plugin_test::run(session, matches),
        _ => Err(Error::new(ErrorKind::Internal, "a command without code")),
    }
}
