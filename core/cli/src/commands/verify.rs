//! `ctr-forge verify`: who vouches for a file or an image.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::ops;
use ctr_forge_plugin::{Error, Result};
use serde_json::json;

use crate::cli::Session;
use crate::commands::sign;
use crate::terminal;

pub(crate) fn cli() -> Command {
    Command::new("verify")
        .about("Check the signature of a file, or of an image under a name")
        .long_about(
            "Checks a file by the signature FILE.asc beside it, or with --as and --lookaside an image by \
             the signatures that container tools keep. Only the keys that are named count. No gpg is needed.",
        )
        .args(sign::arguments())
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("FILE")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Public keys that may vouch for it; may be given again"),
        )
        .after_help(
            "Examples:\n  ctr-forge verify app.aci --key ann.asc\n  \
             ctr-forge verify image:1 --as registry.example/app:1 --lookaside sigs --key ann.asc",
        )
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let keys: Vec<PathBuf> = matches.get_many::<PathBuf>("key").into_iter().flatten().cloned().collect();
    let path = matches.get_one::<PathBuf>("image").ok_or_else(|| Error::usage("no file was named"))?;
    let verified = match sign::image(matches) {
        Some(image) => ops::verify_image(&session.forge, &image, &keys)?,
        None => ops::verify_file(path, &keys)?,
    };
    session.forge.reporter.finish();
    let user = verified.user_id.as_deref().unwrap_or_default();
    let text = match session.json {
        true => json!({ "subject": verified.subject, "fingerprint": verified.fingerprint, "user-id": user })
            .to_string(),
        false => format!("{} {}", verified.fingerprint, user.escape_debug()).trim_end().to_owned(),
    };
    terminal::print(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}
