//! `ctr-forge sign`: vouches for a file or an image.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use ctr_forge_core::ops::{self, ImageSignature};
use ctr_forge_plugin::{Error, Result};
use serde_json::json;

use crate::cli::Session;
use crate::commands::inspect;
use crate::terminal;

pub(crate) fn cli() -> Command {
    Command::new("sign")
        .about("Sign a file, or an image under a name, with a key of gpg's")
        .long_about(
            "Signs a file (an ACI, a tar) with a detached signature beside it, FILE.asc. With --as and \
             --lookaside it signs an image as container tools do: podman and skopeo accept it where \
             policy.json asks for the key and registries.d names the directory. gpg signs, with its agent.",
        )
        .args(arguments())
        .arg(
            Arg::new("sign-key")
                .long("sign-key")
                .value_name("ID")
                .required(true)
                .help("The secret key, by its fingerprint or address"),
        )
        .after_help(
            "Examples:\n  ctr-forge sign app.aci --sign-key ann@example.com\n  \
             ctr-forge sign image:1 --as registry.example/app:1 --lookaside sigs --sign-key ann@example.com",
        )
}

/// What `sign` and `verify` have in common.
pub(crate) fn arguments() -> [Arg; 4] {
    [
        Arg::new("image")
            .value_name("FILE|IMAGE[:NAME]")
            .required(true)
            .value_parser(clap::value_parser!(PathBuf))
            .help("A file, or with --as an image"),
        Arg::new("as")
            .long("as")
            .value_name("REFERENCE")
            .requires("lookaside")
            .help("The name under which the image is in a registry: registry.example/app:1"),
        Arg::new("lookaside")
            .long("lookaside")
            .value_name("DIR")
            .requires("as")
            .value_parser(clap::value_parser!(PathBuf))
            .help("The directory of signatures, as registries.d names it"),
        inspect::arch().requires("as"),
    ]
}

/// The image that is meant, where it is one.
pub(crate) fn image(matches: &ArgMatches) -> Option<ImageSignature> {
    Some(ImageSignature {
        image: matches.get_one::<PathBuf>("image")?.clone(),
        arch: matches.get_one::<String>("arch").cloned(),
        name: matches.get_one::<String>("as")?.clone(),
        lookaside: matches.get_one::<PathBuf>("lookaside")?.clone(),
    })
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let key = matches.get_one::<String>("sign-key").map_or("", String::as_str);
    let path = matches.get_one::<PathBuf>("image").ok_or_else(|| Error::usage("no file was named"))?;
    let signed = match image(matches) {
        Some(image) => ops::sign_image(&session.forge, &image, key)?,
        None => ops::sign_file(&session.forge, path, key)?,
    };
    if let Some(warning) = &signed.warning {
        session.forge.reporter.warning(warning, None);
    }
    session.forge.reporter.finish();
    let signature = signed.signature.display().to_string();
    let text = if session.json { json!({ "signature": signature }).to_string() } else { signature };
    terminal::print(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}
