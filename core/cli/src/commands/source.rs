//! `ctr-forge source SOURCE`: makes a root filesystem.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches};
use ctr_forge_core::destination::{StagedFile, same_place};
use ctr_forge_core::discovery::Plugin;
use ctr_forge_core::image;
use ctr_forge_core::ops::{self, Report, Sink, SourceRequest};
use ctr_forge_plugin::{Error, ErrorKind, Result, Role};
use ctr_forge_rootfs::Exclude;

use crate::cli::Session;
use crate::{components, terminal};

/// What every source takes beside its own options.
pub(crate) fn arguments() -> Vec<Arg> {
    vec![
        Arg::new("output")
            .short('o')
            .long("output")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Write the tar here; \"-\", the default, is standard output"),
        Arg::new("exclude-path")
            .long("exclude-path")
            .value_name("PATTERN")
            .action(ArgAction::Append)
            .help("Leave out what matches: 'usr/share/doc/**'; '!PATTERN' brings back"),
        Arg::new("arch")
            .long("arch")
            .value_name("ARCH")
            .help("Architecture of the root filesystem, this machine's by default: amd64, arm64, arm/v7"),
        Arg::new("report")
            .long("report")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Write what was done here, as JSON"),
    ]
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let (id, matches) = matches.subcommand().ok_or_else(|| Error::usage("no source was named"))?;
    let sink = sink(matches.get_one::<PathBuf>("output"))?;
    let to_stdout = matches!(sink, Sink::Stream(_));
    let prepared = prepare(session, id, matches, sink).inspect_err(|_| {
        if to_stdout {
            terminal::break_off_tar();
        }
    });
    let (plugin, request, place) = prepared?;
    let report = ops::source(&session.forge, plugin, &request)?;
    let report = text_of(&report)?;
    if let Some(place) = place {
        place.file().write_all(report.as_bytes()).map_err(|e| Error::io("cannot write the report", e))?;
        place.publish()?;
    }
    if session.json && !to_stdout {
        terminal::print(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All that can be wrong with the words, before any work.
fn prepare<'a>(
    session: &'a Session,
    id: &str,
    matches: &ArgMatches,
    sink: Sink,
) -> Result<(&'a Plugin, SourceRequest, Option<StagedFile>)> {
    let (plugin, component) = session
        .catalog
        .component(Role::Source, id)
        .ok_or_else(|| Error::usage(format!("there is no source \"{id}\"")))?;
    let patterns = matches.get_many::<String>("exclude-path").into_iter().flatten();
    let request = SourceRequest {
        component: id.to_owned(),
        options: components::options(component, matches)?,
        arch: architecture(matches.get_one::<String>("arch"))?,
        exclude: Exclude::new(patterns).map_err(|e| Error::usage(e.to_string()).option("exclude-path"))?,
        sink,
    };
    let report = matches.get_one::<PathBuf>("report");
    if let (Sink::File(output), Some(report)) = (&request.sink, report)
        && same_place(output, report)
    {
        return Err(Error::usage("the report would take the place of the root filesystem").option("report"));
    }
    let place = report.map(|path| StagedFile::new(path)).transpose()?;
    Ok((plugin, request, place))
}

fn architecture(word: Option<&String>) -> Result<String> {
    let (arch, variant) = match word {
        Some(word) => image::parse_arch(word)?,
        None => image::host_arch(),
    };
    Ok(variant.map_or(arch.clone(), |variant| format!("{arch}/{variant}")))
}

fn sink(path: Option<&PathBuf>) -> Result<Sink> {
    match path {
        Some(path) if path.as_os_str() != "-" => Ok(Sink::File(path.clone())),
        _ if std::io::stdout().is_terminal() => Err(Error::usage("a tar is not for a terminal")
            .hint("Name a file with -o FILE, or send it to a command: | docker import - NAME")
            .option("output")),
        _ => {
            let stdout = std::io::stdout().as_fd().try_clone_to_owned();
            stdout.map(Sink::Stream).map_err(|e| Error::io("cannot write to standard output", e))
        }
    }
}

fn text_of(report: &Report) -> Result<String> {
    let text = serde_json::to_string_pretty(report);
    text.map(|text| text + "\n")
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode the report").because(&e))
}
