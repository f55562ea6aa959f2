//! `ctr-forge push`: an image into a registry.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::ops::{self, PushRequest, Pushed};
use ctr_forge_plugin::Result;
use serde_json::json;

use crate::cli::Session;
use crate::commands::inspect;
use crate::terminal::{self, Verbosity};

pub(crate) fn cli() -> Command {
    Command::new("push")
        .about("Push an image of any format into a registry")
        .long_about(
            "Sends the blobs that the registry lacks, then the manifest; the tag moves last. An OCI layout \
             with images for several architectures becomes one index. Logins are those of podman, skopeo \
             and docker. The digest is printed, by which the image can be had from then on.",
        )
        .arg(
            Arg::new("image")
                .value_name("IMAGE[:NAME]")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("An OCI layout, or an archive of docker or podman"),
        )
        .arg(Arg::new("target").value_name("REFERENCE").required(true).help("registry.example/team/app:1.2"))
        .arg(inspect::arch())
        .arg(mount_from())
        .arg(plain_http())
        .after_help(
            "Examples:\n  ctr-forge push image:1 registry.example/team/app:1.2\n  \
             ctr-forge push app.tar 127.0.0.1:5000/app",
        )
}

/// `--mount-from`, of all that pushes.
pub(crate) fn mount_from() -> Arg {
    Arg::new("mount-from").long("mount-from").value_name("REPOSITORY").help(
        "Take over from this repository of the registry what it has of the image, instead of sending it: team/base",
    )
}

/// `--plain-http`, of all that speaks to registries.
pub(crate) fn plain_http() -> Arg {
    Arg::new("plain-http")
        .long("plain-http")
        .action(ArgAction::SetTrue)
        .help("Speak HTTP without TLS; to this machine itself that is done where need be")
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let asked = PushRequest {
        image: matches.get_one::<PathBuf>("image").cloned().unwrap_or_default(),
        arch: matches.get_one::<String>("arch").cloned(),
        target: matches.get_one::<String>("target").cloned().unwrap_or_default(),
        plain_http: matches.get_flag("plain-http"),
        mount_from: matches.get_one::<String>("mount-from").cloned(),
    };
    let pushed = ops::push(&session.forge, &asked)?;
    tell(session, &pushed)
}

/// Prints where the image is from now on.
pub(crate) fn tell(session: &Session, pushed: &Pushed) -> Result<ExitCode> {
    session.forge.reporter.finish();
    let Pushed { reference, digest, bytes } = pushed;
    if session.json {
        let text = json!({ "reference": reference, "digest": digest, "bytes": bytes });
        terminal::print(&format!("{text}\n"))?;
    } else {
        let name = reference.rsplit_once(':').map_or(reference.as_str(), |(name, _)| name);
        terminal::print(&format!("{name}@{digest}\n"))?;
        if session.verbosity >= Verbosity::Normal {
            terminal::say(&format!("Pushed {reference}, {bytes} bytes of which were not there."));
        }
    }
    Ok(ExitCode::SUCCESS)
}
