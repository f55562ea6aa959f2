//! `ctr-forge sign`: vouches for a file or an image.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::ops::{self, CosignRequest, ImageSignature};
use ctr_forge_plugin::{Error, Result};
use serde_json::json;

use crate::cli::Session;
use crate::commands::{attach, inspect, push};
use crate::terminal;

pub(crate) fn cli() -> Command {
    Command::new("sign")
        .about("Sign a file, or an image under a name, with a key of gpg's")
        .long_about(
            "Signs a file (an ACI, a tar) with a detached signature beside it, FILE.asc. With --as and \
             --lookaside it signs an image as container tools do: podman and skopeo accept it where \
             policy.json asks for the key and registries.d names the directory. With --cosign the signature \
             is attached to the image, in a layout or a registry, as \"cosign verify --key\" finds it. gpg \
             signs, with its agent: --cosign takes keys of NIST P-256 and RSA.",
        )
        .args(arguments())
        .arg(
            Arg::new("public-key")
                .long("public-key")
                .value_name("FILE")
                .requires("cosign")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Write the public key there too, as \"cosign verify --key\" reads it"),
        )
        .arg(
            Arg::new("sign-key")
                .long("sign-key")
                .value_name("ID")
                .required(true)
                .help("The secret key, by its fingerprint or address"),
        )
        .after_help(
            "Examples:\n  ctr-forge sign app.aci --sign-key ann@example.com\n  \
             ctr-forge sign image:1 --as registry.example/app:1 --lookaside sigs --sign-key ann@example.com\n  \
             ctr-forge sign registry.example/app:1 --cosign --sign-key ann@example.com --public-key cosign.pub",
        )
}

/// What `sign` and `verify` have in common.
pub(crate) fn arguments() -> [Arg; 6] {
    [
        Arg::new("image")
            .value_name("FILE|IMAGE[:NAME]")
            .required(true)
            .value_parser(clap::value_parser!(PathBuf))
            .help("A file; with --as or --cosign an image"),
        Arg::new("cosign")
            .long("cosign")
            .action(ArgAction::SetTrue)
            .help("A signature as cosign has it, attached to the image"),
        Arg::new("as")
            .long("as")
            .value_name("REFERENCE")
            .help("The name under which the image is in a registry: registry.example/app:1"),
        Arg::new("lookaside")
            .long("lookaside")
            .value_name("DIR")
            .requires("as")
            .conflicts_with("cosign")
            .value_parser(clap::value_parser!(PathBuf))
            .help("The directory of signatures, as registries.d names it"),
        inspect::arch(),
        push::plain_http().requires("cosign"),
    ]
}

/// The image that is meant, where it is one with its signature in a directory.
pub(crate) fn image(matches: &ArgMatches) -> Result<Option<ImageSignature>> {
    let arch = matches.get_one::<String>("arch").cloned();
    let Some(name) = matches.get_one::<String>("as").cloned() else {
        return match arch {
            None => Ok(None),
            Some(_) => {
                Err(Error::usage("a file has no architecture; an image is meant with --as or --cosign")
                    .option("arch"))
            }
        };
    };
    let lookaside = matches.get_one::<PathBuf>("lookaside").cloned().ok_or_else(|| {
        Error::usage("where is the signature of the image?")
            .hint("--lookaside DIR keeps it for podman and skopeo; --cosign attaches it to the image.")
            .option("lookaside")
    })?;
    let image = matches.get_one::<PathBuf>("image").cloned().unwrap_or_default();
    Ok(Some(ImageSignature { image, arch, name, lookaside }))
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let key = matches.get_one::<String>("sign-key").map_or("", String::as_str);
    let path = matches.get_one::<PathBuf>("image").ok_or_else(|| Error::usage("no file was named"))?;
    if matches.get_flag("cosign") {
        let asked = CosignRequest {
            image: attach::place(matches),
            name: matches.get_one::<String>("as").cloned(),
            key: key.to_owned(),
            public_key: matches.get_one::<PathBuf>("public-key").cloned(),
        };
        let attached = ops::cosign_sign(&session.forge, &asked)?;
        return attach::tell(session, &attached);
    }
    let signed = match image(matches)? {
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
