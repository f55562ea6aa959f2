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
use ctr_forge_core::sandbox::{Choice, ParseChoiceError};
use ctr_forge_plugin::{Error, ErrorKind, Package, Result, Role};
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
        Arg::new("lock")
            .long("lock")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Build exactly what this file says; where it is not there, make it"),
        Arg::new("sandbox")
            .long("sandbox")
            .value_name("SANDBOX")
            .value_parser(["auto", "mapped", "single", "chroot"])
            .default_value("auto")
            .help(
                "What keeps packages' programs apart from this machine: user namespaces with many ids or one, \
                 or nothing but chroot; \"auto\" takes the first of the namespaces that can be had",
            ),
        Arg::new("dry-run")
            .long("dry-run")
            .action(ArgAction::SetTrue)
            .help("Find out what would be built, print its packages, and build nothing"),
    ]
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let (id, matches) = matches.subcommand().ok_or_else(|| Error::usage("no source was named"))?;
    let dry_run = matches.get_flag("dry-run");
    let sink = if dry_run { Sink::Nowhere } else { sink(matches.get_one::<PathBuf>("output"))? };
    let to_stdout = matches!(sink, Sink::Stream(_));
    let prepared = prepare(session, id, matches, sink).inspect_err(|_| {
        if to_stdout {
            terminal::break_off_tar();
        }
    });
    let (plugin, request, place) = prepared?;
    let report = ops::source(&session.forge, plugin, &request)?;
    if dry_run && !session.json {
        terminal::print(&packages(&report))?;
    }
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
    let patterns: Vec<_> = patterns.cloned().collect();
    let request = SourceRequest {
        component: id.to_owned(),
        options: components::options(component, matches)?,
        arch: architecture(matches.get_one::<String>("arch"))?,
        exclude: Exclude::new(&patterns).map_err(|e| Error::usage(e.to_string()).option("exclude-path"))?,
        exclude_patterns: patterns,
        sandbox: choice(matches)?,
        lock: matches.get_one::<PathBuf>("lock").cloned(),
        sink,
    };
    let report = matches.get_one::<PathBuf>("report");
    let output = if let Sink::File(output) = &request.sink { Some(output) } else { None };
    let places = [("output", output), ("report", report), ("lock", request.lock.as_ref())];
    refuse_one_place(&places)?;
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

fn choice(matches: &ArgMatches) -> Result<Choice> {
    let word = matches.get_one::<String>("sandbox").map_or("auto", String::as_str);
    word.parse().map_err(|e: ParseChoiceError| Error::usage(e.to_string()).option("sandbox"))
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

/// An error if two results would take each other's place.
fn refuse_one_place(places: &[(&str, Option<&PathBuf>)]) -> Result<()> {
    for (index, (name, place)) in places.iter().enumerate() {
        for (other, taken) in &places[..index] {
            if let (Some(place), Some(taken)) = (place, taken)
                && same_place(taken, place)
            {
                let message = format!("--{name} and --{other} name the same file, {}", place.display());
                return Err(Error::usage(message).option(*name));
            }
        }
    }
    Ok(())
}

/// The packages of a report, a line each: name, version and architecture, between tabs.
fn packages(report: &Report) -> String {
    let line = |package: &Package| {
        let arch = package.arch.as_deref().unwrap_or_default();
        format!("{}\t{}\t{arch}\n", package.name, package.version)
    };
    report.build.packages.iter().map(line).collect()
}

fn text_of(report: &Report) -> Result<String> {
    let text = serde_json::to_string_pretty(report);
    text.map(|text| text + "\n")
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode the report").because(&e))
}
