//! `ctr-forge attach`: something that is about an image, beside it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::ops::{self, AttachRequest, AttachedTo, ImagePlace};
use ctr_forge_plugin::{Error, Result};
use serde_json::json;

use crate::cli::Session;
use crate::commands::{inspect, push};
use crate::terminal::{self, Verbosity};

pub(crate) fn cli() -> Command {
    Command::new("attach")
        .about("Attach a file to an image: a bill of materials, a report")
        .long_about(
            "Puts a file beside an image, in its layout or in the registry where it is, as an artifact whose \
             subject is the image: tools find it by the image's digest. What is attached in a layout goes \
             along when the image is pushed. Its digest is printed.",
        )
        .arg(image("An OCI layout, or an image in a registry: registry.example/app:1"))
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("What is said of it"),
        )
        .arg(
            Arg::new("type")
                .long("type")
                .value_name("MEDIA-TYPE")
                .required(true)
                .help("What the file is: application/spdx+json, application/vnd.cyclonedx+json"),
        )
        .arg(
            Arg::new("annotation")
                .long("annotation")
                .value_name("NAME=VALUE")
                .action(ArgAction::Append)
                .help("Free words on it; may be given again"),
        )
        .arg(inspect::arch())
        .arg(push::plain_http())
        .after_help(
            "Examples:\n  ctr-forge attach image:1 sbom.spdx.json --type application/spdx+json\n  \
             ctr-forge attach registry.example/team/app:1.2 report.json --type application/json",
        )
}

/// An image on disk or in a registry.
pub(crate) fn image(help: &'static str) -> Arg {
    Arg::new("image")
        .value_name("IMAGE[:NAME]")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help(help)
}

/// The image that is meant.
pub(crate) fn place(matches: &ArgMatches) -> ImagePlace {
    ImagePlace {
        image: matches.get_one::<PathBuf>("image").cloned().unwrap_or_default(),
        arch: matches.get_one::<String>("arch").cloned(),
        plain_http: matches.get_flag("plain-http"),
    }
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => {
            let message =
                format!("\"{}\" does not fit --annotation: expected NAME=VALUE", word.escape_debug());
            Err(Error::usage(message).option("annotation"))
        }
    };
    let asked = AttachRequest {
        image: place(matches),
        file: matches.get_one::<PathBuf>("file").cloned().unwrap_or_default(),
        media_type: matches.get_one::<String>("type").cloned().unwrap_or_default(),
        annotations: matches
            .get_many::<String>("annotation")
            .into_iter()
            .flatten()
            .map(pair)
            .collect::<Result<_>>()?,
    };
    let attached = ops::attach(&session.forge, &asked)?;
    tell(session, &attached)
}

/// Prints what was attached.
pub(crate) fn tell(session: &Session, attached: &AttachedTo) -> Result<ExitCode> {
    session.forge.reporter.finish();
    let AttachedTo { digest, subject } = attached;
    let text = match session.json {
        true => json!({ "digest": digest, "subject": subject }).to_string(),
        false => digest.clone(),
    };
    terminal::print(&format!("{text}\n"))?;
    if session.verbosity >= Verbosity::Normal && !session.json {
        terminal::say(&format!("Attached to {subject}."));
    }
    Ok(ExitCode::SUCCESS)
}
