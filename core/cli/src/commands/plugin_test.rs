//! `ctr-forge plugin test`: does a plugin keep the contract?

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::conformance::{self, Check, Limits, Outcome};
use ctr_forge_core::discovery::{Catalog, Plugin, SearchPath};
use ctr_forge_core::options::Options;
use ctr_forge_plugin::{Component, Error, ErrorKind, Result};
use serde_json::json;

use crate::cli::Session;
use crate::{environment, terminal};

pub(crate) fn cli() -> Command {
    Command::new("test")
        .about("Checks that a plugin keeps the contract")
        .arg(
            Arg::new("plugin-file")
                .required(true)
                .value_name("PLUGIN")
                .help("A plugin's file, or the name of one that is found"),
        )
        .arg(
            Arg::new("with")
                .long("with")
                .value_name("NAME=VALUE")
                .action(ArgAction::Append)
                .help("Build with this option; may be given again"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .default_value("60")
                .value_parser(clap::value_parser!(u64).range(1..))
                .help("How long the plugin has for one call"),
        )
        .after_help(
            "Each check runs in a worker of its own. What cannot be checked is skipped and says why.\n\n\
             Examples:\n  ctr-forge plugin test target/debug/libmy_source.so\n  \
             ctr-forge plugin test scratch --with copy=/etc/hosts:/etc/hosts",
        )
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let word = matches.get_one::<String>("plugin-file").map(String::as_str).unwrap_or_default();
    let plugin = find(session, word)?;
    let with = given(matches)?;
    check_names(&plugin, &with)?;
    let options = |component: &Component| {
        Options::parse(component, |option| with.get(option.name.as_str()).cloned().unwrap_or_default())
    };
    let seconds = matches.get_one::<u64>("timeout").copied().unwrap_or(60);
    let limits = Limits { call: Duration::from_secs(seconds), ..Limits::default() };
    let mut tell = |check: &Check| {
        if !session.json {
            // If nobody reads them, the exit code still says what came of it.
            let _ = terminal::print(&line(check));
        }
    };
    let checks = conformance::test(&session.forge, &plugin, options, limits, &mut tell)?;
    let count = |wanted: fn(&Outcome) -> bool| checks.iter().filter(|check| wanted(&check.outcome)).count();
    let passed = count(|outcome| *outcome == Outcome::Passed);
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let skipped = checks.len() - passed - failed;
    match session.json {
        true => {
            terminal::print(&format!("{:#}\n", json!({ "plugin": plugin.manifest.name, "checks": checks })))?
        }
        false => terminal::print(&format!("{passed} passed, {failed} failed, {skipped} skipped\n"))?,
    }
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(ErrorKind::Plugin.exit_code()),
    })
}

fn line(check: &Check) -> String {
    match &check.outcome {
        Outcome::Passed => format!("ok   {}\n", check.name),
        Outcome::Failed(why) => format!("FAIL {}\n     {why}\n", check.name),
        Outcome::Skipped(why) => format!("skip {}\n     {why}\n", check.name),
    }
}

/// The plugin at a path, or found by name.
fn find(session: &Session, word: &str) -> Result<Plugin> {
    if !word.contains('/') && !Path::new(word).is_file() {
        let found = session.catalog.plugins.iter().find(|plugin| plugin.manifest.name == word);
        return found.cloned().ok_or_else(|| {
            Error::usage(format!("there is no file and no plugin \"{}\"", word.escape_debug()))
                .hint("\"ctr-forge plugin list\" lists the plugins that are found.")
        });
    }
    let search = SearchPath { files: vec![word.into()], ..SearchPath::default() };
    let catalog = Catalog::find(&search, &environment::policy()?, &session.forge.version);
    if let Some(refused) = catalog.refused.into_iter().next() {
        return Err(refused.error.context(format!("{word} cannot be used as a plugin")));
    }
    let plugin = catalog.plugins.into_iter().next();
    plugin.ok_or_else(|| Error::plugin(format!("{word} is no plugin")))
}

fn check_names(plugin: &Plugin, with: &BTreeMap<&str, Vec<OsString>>) -> Result<()> {
    let components = plugin.manifest.sources.iter().chain(&plugin.manifest.outputs);
    let known: Vec<_> =
        components.flat_map(|component| &component.options).map(|option| option.name.as_str()).collect();
    let Some(unknown) = with.keys().find(|name| !known.contains(name)) else { return Ok(()) };
    let error =
        Error::usage(format!("the plugin has no option \"{}\"", unknown.escape_debug())).option("with");
    Err(match ctr_forge_core::suggest(unknown, known) {
        Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
        None => error,
    })
}

fn given(matches: &ArgMatches) -> Result<BTreeMap<&str, Vec<OsString>>> {
    let mut with: BTreeMap<&str, Vec<OsString>> = BTreeMap::new();
    for word in matches.get_many::<String>("with").into_iter().flatten() {
        let (name, value) = word.split_once('=').ok_or_else(|| {
            Error::usage(format!("\"{word}\" does not fit --with: expected NAME=VALUE")).option("with")
        })?;
        with.entry(name).or_default().push(value.into());
    }
    Ok(with)
}
