//! `ctr-forge clean`: removes what builds left.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::ops;
use ctr_forge_plugin::Result;
use serde_json::json;

use crate::cli::Session;
use crate::terminal;

pub(crate) fn cli() -> Command {
    Command::new("clean")
        .about("Remove what builds left that were killed, and the cache")
        .long_about(
            "Removes the directories of builds that were killed, which the next build would do too, \
             and prints their paths. Builds that still run are left alone.",
        )
        .arg(
            Arg::new("cache")
                .long("cache")
                .action(ArgAction::SetTrue)
                .help("Remove downloads too, and what was made of them; not while something is built"),
        )
        .after_help("Examples:\n  ctr-forge clean\n  ctr-forge clean --cache")
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let cleaned = ops::clean(&session.forge, matches.get_flag("cache"))?;
    let paths: Vec<_> = cleaned.directories.iter().map(|path| path.display().to_string()).collect();
    if session.json {
        let text = json!({ "directories": paths, "cache-bytes": cleaned.cache_bytes });
        terminal::print(&format!("{text:#}\n"))?;
    } else {
        terminal::print(&paths.iter().map(|path| format!("{path}\n")).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}
