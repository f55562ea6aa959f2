//! `ctr-forge plugin info NAME`: what one plugin says of itself.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use ctr_forge_plugin::{Error, ErrorKind, Result, Role};

use crate::cli::Session;
use crate::terminal;

pub(crate) fn cli() -> Command {
    Command::new("info")
        .about("Describes one plugin")
        .arg(Arg::new("name").required(true).value_name("NAME"))
        .after_help("Examples:\n  ctr-forge plugin info scratch\n  ctr-forge plugin info scratch --json")
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let name = matches.get_one::<String>("name").map(String::as_str).unwrap_or_default();
    let plugins = &session.catalog.plugins;
    let plugin = plugins.iter().find(|plugin| plugin.manifest.name == name).ok_or_else(|| {
        let error = Error::usage(format!("there is no plugin \"{}\"", name.escape_debug()));
        match ctr_forge_core::suggest(name, plugins.iter().map(|plugin| plugin.manifest.name.as_str())) {
            Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
            None => error.hint("\"ctr-forge plugin list\" lists them."),
        }
    })?;
    let manifest = &plugin.manifest;
    if session.json {
        let json = serde_json::to_string_pretty(manifest)
            .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode a manifest").because(&e))?;
        terminal::print(&format!("{json}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("{} {}\n{}\n\n", manifest.name, manifest.version, manifest.summary);
    text += &format!(
        "requires: {}\nlicense: {}\n",
        manifest.requires,
        manifest.license.as_deref().unwrap_or("not stated")
    );
    text += &format!("from: {}, {}\n", plugin.place(), plugin.origin.describe());
    for role in [Role::Source, Role::Output] {
        for component in manifest.components(role) {
            text += &format!("\nctr-forge {} {}\n    {}\n", role.name(), component.id, component.summary);
            text +=
                &format!("    network of its own: {}\n", if component.needs.network { "yes" } else { "no" });
            if !component.needs.tools.is_empty() {
                text += &format!("    programs it needs: {}\n", component.needs.tools.join(", "));
            }
        }
    }
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
