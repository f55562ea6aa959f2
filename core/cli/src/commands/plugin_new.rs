//! `ctr-forge plugin new NAME`: a plugin that works, to be changed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use ctr_forge_core::scaffold::{self, Language, Sdk};
use ctr_forge_plugin::{Error, Result, Role};

use crate::{environment, terminal};

pub(crate) fn cli() -> Command {
    Command::new("new")
        .about("Makes a new plugin that works, to be changed")
        .arg(Arg::new("name").required(true).value_name("NAME").help("Its name, and that of its source or output: my-source"))
        .arg(
            Arg::new("kind")
                .long("kind")
                .default_value("source")
                .value_parser(["source", "output"])
                .help("What it is to be"),
        )
        .arg(
            Arg::new("lang")
                .long("lang")
                .default_value("rust")
                .value_parser(["rust", "c", "python"])
                .help("Language to write it in"),
        )
        .arg(
            Arg::new("directory")
                .long("dir")
                .value_name("DIR")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Where to make it, ./NAME by default"),
        )
        .after_help("Examples:\n  ctr-forge plugin new my-source --kind source --lang rust\n  ctr-forge plugin new my-output --kind output --lang python")
}

pub(crate) fn run(matches: &ArgMatches) -> Result<ExitCode> {
    let word = |name| matches.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    let name = word("name");
    let role = if word("kind") == "output" { Role::Output } else { Role::Source };
    let language = match word("lang") {
        "c" => Language::C,
        "python" => Language::Python,
        _ => Language::Rust,
    };
    let directory = matches.get_one::<PathBuf>("directory").cloned().unwrap_or_else(|| PathBuf::from(name));
    // Built in a checkout, it can use the crates that lie there; elsewhere, those that were published.
    let sdk = environment::checkout().map_or(Sdk::Published, Sdk::Checkout);
    let files = scaffold::new(&directory, name, role, language, &sdk)?;
    for file in &files {
        terminal::say(&format!("made {}", directory.join(file).display()));
    }
    if !files.iter().any(|file| file == "README.md") {
        return Err(Error::new(ctr_forge_plugin::ErrorKind::Internal, "a template without README.md"));
    }
    terminal::say(&format!("{} says how to build and test it.", directory.join("README.md").display()));
    Ok(ExitCode::SUCCESS)
}
