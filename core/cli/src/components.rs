//! Command lines made from plugins' manifests: no code of a plugin runs for `--help`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::discovery::Catalog;
use ctr_forge_core::options::Options;
use ctr_forge_plugin::{Component, OptionSpec, Result, Role, ValueType};

/// `ctr-forge source` or `ctr-forge output`, with a subcommand for each component.
pub(crate) fn command(role: Role, catalog: &Catalog) -> Command {
    let (about, heading, after) = match role {
        Role::Source => ("Makes a root filesystem", "Sources", SOURCE_HELP),
        Role::Output => ("Packages root filesystems as an image", "Outputs", OUTPUT_HELP),
    };
    let components = catalog.components(role);
    let after = match components.is_empty() {
        true => "No plugin was found; \"ctr-forge plugin list\" says where they are looked for.",
        false => after,
    };
    Command::new(role.name())
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand_help_heading(heading)
        .subcommand_value_name(role.name().to_uppercase())
        .disable_help_subcommand(true)
        .after_help(after)
        .subcommands(components.into_iter().map(|(_, component)| subcommand(role, component)))
}

const SOURCE_HELP: &str = "\"ctr-forge source SOURCE --help\" shows what a source takes.";
const OUTPUT_HELP: &str = "\"ctr-forge output OUTPUT --help\" shows what an output takes.";

fn subcommand(role: Role, component: &Component) -> Command {
    let own = component.options.iter().map(|option| match option.positional {
        true => argument(option),
        false => argument(option).help_heading(format!("Options of {}", component.id)),
    });
    let mut command = Command::new(component.id.clone()).about(component.summary.clone()).args(own);
    command = match role {
        Role::Source => command.args(crate::commands::source::arguments()),
        Role::Output => command.args(crate::commands::output::arguments(component)),
    };
    if let Some(description) = &component.description {
        command = command.long_about(format!("{}\n\n{}", component.summary, description.trim_end()));
    }
    if component.examples.is_empty() {
        return command;
    }
    command.after_help(format!("Examples:\n  {}", component.examples.join("\n  ")))
}

fn argument(option: &OptionSpec) -> Arg {
    let mut argument = Arg::new(option.name.clone())
        .help(option.help.clone())
        .hide(option.hidden)
        .required(option.required)
        .conflicts_with_all(option.conflicts.clone())
        .value_parser(value_parser(option));
    for needed in &option.needs {
        argument = argument.requires(needed.clone());
    }
    if option.kind == ValueType::Bool {
        argument = argument.action(ArgAction::SetTrue).value_parser(clap::value_parser!(bool));
    } else {
        let name = option.value_name.clone().unwrap_or_else(|| value_name(option).to_owned());
        argument = argument.value_name(name.to_uppercase());
        argument = argument.action(if option.is_list() { ArgAction::Append } else { ArgAction::Set });
    }
    if let Some(default) = &option.default {
        argument = argument.default_value(default.clone());
    }
    if option.positional {
        return if option.is_list() { argument.num_args(0..) } else { argument };
    }
    if let Some(short) = option.short {
        argument = argument.short(short);
    }
    argument.long(option.name.clone()).visible_aliases(option.aliases.clone())
}

/// Types are checked by the core, with one wording for every front end; clap checks the words it lists.
fn value_parser(option: &OptionSpec) -> ValueParser {
    match (option.kind, option.choices.is_empty()) {
        (ValueType::Path, _) => clap::value_parser!(PathBuf),
        (_, false) if option.separator.is_none() => PossibleValuesParser::new(option.choices.clone()).into(),
        _ => OsStringValueParser::new().into(),
    }
}

fn value_name(option: &OptionSpec) -> &str {
    match option.kind {
        ValueType::Int => "N",
        ValueType::Size => "SIZE",
        ValueType::Map => "NAME=VALUE",
        ValueType::Path => "PATH",
        ValueType::PathMap => "SRC:DST",
        _ if option.positional => &option.name,
        _ => "VALUE",
    }
}

/// The component's own options, typed and checked.
pub(crate) fn options(component: &Component, matches: &ArgMatches) -> Result<Options> {
    Options::parse(component, |option| {
        // A default is the core's to fill in: what is passed on is what was given.
        if matches.value_source(&option.name) != Some(clap::parser::ValueSource::CommandLine) {
            return Vec::new();
        }
        match option.kind {
            ValueType::Bool => vec!["true".into()],
            _ => matches.get_raw(&option.name).into_iter().flatten().map(OsString::from).collect(),
        }
    })
}
