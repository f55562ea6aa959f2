//! `ctr-forge verify`: who vouches for a file or an image.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::ops;
use ctr_forge_plugin::{Error, Result};
use serde_json::json;

use crate::cli::Session;
use crate::commands::{attach, sign};
use crate::terminal;

pub(crate) fn cli() -> Command {
    Command::new("verify")
        .about("Check the signature of a file, or of an image under a name")
        .long_about(
            "Checks a file by the signature FILE.asc beside it, or with --as and --lookaside an image by \
             the signatures that container tools keep, with --cosign by those attached to it. Only the keys \
             that are named count. No gpg is needed.",
        )
        .args(sign::arguments())
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("FILE")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(clap::value_parser!(PathBuf))
                .help(
                    "Public keys that may vouch for it; may be given again. Of OpenPGP; with --cosign in PEM",
                ),
        )
        .after_help(
            "Examples:\n  ctr-forge verify app.aci --key ann.asc\n  \
             ctr-forge verify image:1 --as registry.example/app:1 --lookaside sigs --key ann.asc\n  \
             ctr-forge verify registry.example/app:1 --cosign --key cosign.pub",
        )
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let keys: Vec<PathBuf> = matches.get_many::<PathBuf>("key").into_iter().flatten().cloned().collect();
    let path = matches.get_one::<PathBuf>("image").ok_or_else(|| Error::usage("no file was named"))?;
    if matches.get_flag("cosign") {
        return cosign(session, matches, &keys);
    }
    let verified = match sign::image(matches)? {
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

/// One of the keys is enough.
fn cosign(session: &Session, matches: &ArgMatches, keys: &[PathBuf]) -> Result<ExitCode> {
    let (image, name) = (attach::place(matches), matches.get_one::<String>("as").map(String::as_str));
    let mut failure = Error::usage("no key was named").option("key");
    for key in keys {
        match ops::cosign_verify(&session.forge, &image, name, key) {
            Ok(subject) => {
                session.forge.reporter.finish();
                let text = match session.json {
                    true => json!({ "subject": subject, "key": key }).to_string(),
                    false => subject,
                };
                terminal::print(&format!("{text}\n"))?;
                return Ok(ExitCode::SUCCESS);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
