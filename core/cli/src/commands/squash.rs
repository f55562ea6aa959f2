//! `ctr-forge squash`: all layers of an image as one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::ops::{self, SquashRequest};
use ctr_forge_core::options::Options;
use ctr_forge_plugin::{Error, Result, Role};

use crate::cli::Session;
use crate::commands::{inspect, output};

/// The word for a root filesystem instead of an image.
const ROOTFS: &str = "rootfs";

pub(crate) fn cli() -> Command {
    Command::new("squash")
        .about("Make one layer of all the layers of an image, in any format")
        .long_about(
            "Lays the layers of an OCI layout, of an archive of docker or podman, or the content of an \
             ACI, one upon the other, follows their deletions, and writes what a container would see: as \
             an image of one layer with the same configuration, or as a root filesystem alone.",
        )
        .arg(
            Arg::new("image")
                .value_name("IMAGE[:NAME]")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("A layout or file; with a name, that image of it"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("PATH")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Write it here"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("OUTPUT")
                .default_value("oci")
                .help("An output, as \"ctr-forge output\" lists them, or \"rootfs\" for the tar alone"),
        )
        .arg(
            Arg::new("tag")
                .short('t')
                .long("tag")
                .value_name("NAME[:TAG]")
                .action(ArgAction::Append)
                .help("Name of the result, instead of the image's own; may be given again"),
        )
        .arg(inspect::arch())
        .arg(output::compression())
        .after_help(
            "Examples:\n  ctr-forge squash app.tar -o app --tag app:1\n  \
             ctr-forge squash image:1 --format docker -o app.tar\n  \
             ctr-forge squash image --format rootfs -o rootfs.tar",
        )
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let path = |name| matches.get_one::<PathBuf>(name).cloned().unwrap_or_default();
    let asked = SquashRequest {
        image: path("image"),
        arch: matches.get_one::<String>("arch").cloned(),
        tags: matches.get_many::<String>("tag").into_iter().flatten().cloned().collect(),
        compression: output::compression_of(matches),
        target: path("output"),
    };
    let format = matches.get_one::<String>("format").map_or("", String::as_str);
    if format == ROOTFS {
        ops::squash_rootfs(&session.forge, &asked)?;
        session.forge.reporter.finish();
        return Ok(ExitCode::SUCCESS);
    }
    let (plugin, component) = session.catalog.component(Role::Output, format).ok_or_else(|| {
        Error::usage(format!("there is no output \"{format}\""))
            .hint("\"ctr-forge plugin list\" shows those there are; \"rootfs\" is a tar alone.")
            .option("format")
    })?;
    let options = Options::parse(component, |_| Vec::new())?;
    let published = ops::squash(&session.forge, plugin, format, &options, &asked)?;
    output::tell(session, &published)
}
