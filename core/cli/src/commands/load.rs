//! `ctr-forge load`: an archive into a running engine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use ctr_forge_core::ops;
use ctr_forge_plugin::{Error, Result};
use serde_json::json;

use crate::cli::Session;
use crate::{environment, terminal};

pub(crate) fn cli() -> Command {
    Command::new("load")
        .about("Load an image archive into a running engine")
        .long_about(
            "Hands an archive to docker or podman through the engine's socket: the one that DOCKER_HOST \
             names, else docker's or podman's in their usual places.",
        )
        .arg(
            Arg::new("image")
                .value_name("FILE")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("An archive, as \"ctr-forge output docker\" makes it"),
        )
        .after_help("Examples:\n  ctr-forge load app.tar\n  DOCKER_HOST=unix:///run/podman/podman.sock ctr-forge load app.tar")
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let image = matches.get_one::<PathBuf>("image").ok_or_else(|| Error::usage("no image was named"))?;
    load(session, image)
}

/// Loads the archive and prints what the engine says.
pub(crate) fn load(session: &Session, image: &std::path::Path) -> Result<ExitCode> {
    let said = ops::load(&session.forge, image, &environment::engines()?)?;
    session.forge.reporter.finish();
    if session.json {
        terminal::print(&format!("{}\n", json!({ "engine": said })))?;
    } else {
        terminal::print(&said.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}
