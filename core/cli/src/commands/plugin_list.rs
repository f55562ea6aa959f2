//! `ctr-forge plugin list`: the plugins found, and what was refused and why.

use std::process::ExitCode;

use clap::Command;
use ctr_forge_core::discovery::{Catalog, Code, Plugin};
use ctr_forge_plugin::{Result, Role};
use serde_json::{Value, json};

use crate::cli::Session;
use crate::terminal;

pub(crate) fn cli() -> Command {
    Command::new("list").about("Lists plugins: where each came from, what was refused and why").after_help(
        "No code of a plugin runs for this.\n\nExamples:\n  ctr-forge plugin list\n  ctr-forge plugin list --json | jq '.plugins[].name'",
    )
}

pub(crate) fn run(session: &Session) -> Result<ExitCode> {
    let text =
        if session.json { format!("{:#}\n", to_json(&session.catalog)) } else { to_text(&session.catalog) };
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn words(plugin: &Plugin) -> String {
    let of = |role: Role| {
        plugin.manifest.components(role).iter().map(move |c| format!("{} {}", role.name(), c.id))
    };
    of(Role::Source).chain(of(Role::Output)).collect::<Vec<_>>().join(", ")
}

fn shape(plugin: &Plugin) -> &'static str {
    match plugin.code {
        Code::Library(_) => "library",
        Code::Executable(_) => "program",
        Code::Bundled(_) => "built in",
    }
}

fn to_text(catalog: &Catalog) -> String {
    let mut text = String::new();
    for plugin in &catalog.plugins {
        let manifest = &plugin.manifest;
        text += &format!("{} {}: {}\n", manifest.name, manifest.version, manifest.summary);
        text += &format!("    {}\n    {}, {}\n", words(plugin), plugin.place(), plugin.origin.describe());
    }
    if catalog.plugins.is_empty() {
        text += "No plugin was found. In a checkout, \"cargo build\" makes them.\n";
    }
    for (plugin, by) in &catalog.shadowed {
        text += &format!(
            "\nshadowed: {} {}, {}\n    by {by}\n",
            plugin.manifest.name,
            plugin.manifest.version,
            plugin.place()
        );
    }
    for refused in &catalog.refused {
        text += &format!(
            "\nrefused: {}, {}\n    {}\n",
            refused.path.display(),
            refused.origin.describe(),
            refused.error
        );
        for hint in &refused.error.hints {
            text += &format!("    hint: {hint}\n");
        }
    }
    text
}

fn to_json(catalog: &Catalog) -> Value {
    let describe = |plugin: &Plugin| {
        let ids = |role| plugin.manifest.components(role).iter().map(|c| c.id.as_str()).collect::<Vec<_>>();
        json!({
            "name": plugin.manifest.name,
            "version": plugin.manifest.version,
            "summary": plugin.manifest.summary,
            "sources": ids(Role::Source),
            "outputs": ids(Role::Output),
            "path": plugin.path,
            "shape": shape(plugin),
            "origin": plugin.origin.describe(),
        })
    };
    let shadowed =
        catalog.shadowed.iter().map(|(plugin, by)| json!({ "plugin": describe(plugin), "by": by }));
    let refused = catalog.refused.iter().map(|refused| {
        json!({ "path": refused.path, "origin": refused.origin.describe(), "error": refused.error })
    });
    json!({
        "plugins": catalog.plugins.iter().map(describe).collect::<Vec<_>>(),
        "shadowed": shadowed.collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
    })
}
