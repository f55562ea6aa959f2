//! `ctr-forge output OUTPUT`: packages root filesystems as an image.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches};
use ctr_forge_core::image::ImageWords;
use ctr_forge_core::ops::{self, DiscoveryRequest, OutputRequest, PlatformInputs, Published, PushRequest};
use ctr_forge_plugin::{Component, Error, LayerForm, Merges, Result, Role, Writes};
use serde_json::json;

use crate::cli::Session;
use crate::commands::{load, push};
use crate::components;
use crate::terminal::{self, Verbosity};

/// What every output takes beside its own options.
pub(crate) fn arguments(component: &Component) -> Vec<Arg> {
    // An engine takes a file.
    let loads = component.writes == Writes::File && component.reserved_prefix.is_some();
    let mut arguments = vec![
        Arg::new("rootfs")
            .value_name("ROOTFS")
            .required(true)
            .num_args(1..)
            .value_parser(clap::value_parser!(PathBuf))
            .help("Root filesystem: a tar, compressed or not, a folder, or \"-\" for standard input; several become layers, base first"),
        Arg::new("output")
            .short('o')
            .long("output")
            .value_name("PATH")
            .required_unless_present_any(if loads { &["push", "load"][..] } else { &["push"] })
            .value_parser(clap::value_parser!(PathBuf))
            .help("Write the image here"),
        Arg::new("push")
            .long("push")
            .value_name("REFERENCE")
            .help("Push the image into a registry: registry.example/team/app:1.2"),
        push::mount_from().requires("push"),
        push::plain_http(),
        Arg::new("base")
            .long("base")
            .value_name("IMAGE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Build upon this image, its layers as they are: IMAGE[:NAME], or registry.example/app:1"),
        Arg::new("preserve")
            .long("preserve")
            .action(ArgAction::SetTrue)
            .help("Keep owners, modes, times and extended attributes of folders"),
    ];
    if loads {
        let load = Arg::new("load").long("load").action(ArgAction::SetTrue).conflicts_with("push");
        arguments.push(load.help("Load the image into a running docker or podman, through its socket"));
    }
    if component.layers.len() > 1 {
        arguments.push(compression());
    }
    if component.writes == Writes::File {
        let sign = Arg::new("sign-key").long("sign-key").value_name("KEY").requires("output");
        let ways: &[&str] = if loads { &["push", "load"] } else { &["push"] };
        arguments.push(sign.conflicts_with_all(ways).help("Sign the file with this key of gpg's: FILE.asc"));
    }
    if component.discovery {
        let discovery = Arg::new("discovery").long("discovery").value_name("DIR").requires("output");
        let discovery = discovery.conflicts_with("push");
        arguments.push(discovery.value_parser(clap::value_parser!(PathBuf)).help(
            "Also put it, with the page by which rkt finds it, where a web server shows DIR as https://HOST/",
        ));
    }
    let image = [
        ("tag", Some('t'), "NAME[:TAG]", true, "Name of the image; may be given again"),
        ("entrypoint", None, "JSON", false, "Program that is always run: '[\"/hello\"]'"),
        (
            "cmd",
            None,
            "JSON",
            false,
            "Its arguments, or the program, where the user says nothing else: '[\"/bin/sh\"]'",
        ),
        ("env", None, "NAME=VALUE", true, "Environment variable"),
        ("user", None, "USER[:GROUP]", false, "Who runs the program, by name or number"),
        ("workdir", None, "PATH", false, "Directory in which the program starts"),
        ("port", None, "PORT[/PROTO]", true, "Port on which the program listens"),
        ("volume", None, "PATH", true, "Place for data that outlives the container"),
        ("label", None, "NAME=VALUE", true, "Free metadata, which containers have too"),
        ("annotation", None, "NAME=VALUE", true, "Free metadata of the image alone"),
        ("stop-signal", None, "SIGNAL", false, "Signal that asks the program to end"),
        (
            "arch",
            None,
            "ARCH",
            component.platforms,
            match component.platforms {
                true => {
                    "Architecture of the image, this machine's by default; of several, that of what follows: amd64, arm64, arm/v7"
                }
                false => "Architecture of the image, this machine's by default: amd64, arm64, arm/v7",
            },
        ),
    ];
    for (name, short, value, repeat, help) in image {
        let mut argument = Arg::new(name).long(name).value_name(value).help(help).help_heading("Image");
        argument = argument.action(if repeat { ArgAction::Append } else { ArgAction::Set });
        arguments.push(match short {
            Some(short) => argument.short(short),
            None => argument,
        });
    }
    arguments
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let (id, matches) = matches.subcommand().ok_or_else(|| Error::usage("no output was named"))?;
    let (plugin, component) = session
        .catalog
        .component(Role::Output, id)
        .ok_or_else(|| Error::usage(format!("there is no output \"{id}\"")))?;
    let passing;
    let target = match matches.get_one::<PathBuf>("output") {
        Some(target) => target.clone(),
        None => {
            passing = ops::place_in_passing(&session.forge)?;
            passing.path().join("image")
        }
    };
    let pushed_to = matches.get_one::<String>("push");
    let loads = matches.try_get_one::<bool>("load").is_ok_and(|load| load.is_some_and(|load| *load));
    if (pushed_to.is_some() || loads) && target.as_os_str() == "-" {
        let (what, option) = if loads { ("loaded", "load") } else { ("pushed", "push") };
        let message = format!("an image cannot be {what} and written to standard output at once");
        return Err(Error::usage(message)
            .hint(format!("Leave out -o to have it {what} alone."))
            .option(option));
    }
    if let Merges::With(option) = &component.merges
        && (pushed_to.is_some() || loads)
        && matches.get_flag(option)
    {
        return Err(Error::usage(format!("what --{option} makes is no image that is pushed or loaded"))
            .hint("Write it to a file with -o.")
            .option(option));
    }
    if target.as_os_str() == "-" && std::io::stdout().is_terminal() {
        return Err(Error::usage("an image is not for a terminal")
            .hint("Name a file with -o FILE.")
            .option("output"));
    }
    let request = OutputRequest {
        component: id.to_owned(),
        options: components::options(component, matches)?,
        platforms: platforms(component, matches)?,
        image: image_words(matches),
        preserve: matches.get_flag("preserve"),
        base: matches.get_one::<PathBuf>("base").cloned(),
        plain_http: matches.get_flag("plain-http"),
        // Of one with a single form it is an option of its own.
        compression: if component.layers.len() > 1 { compression_of(matches) } else { None },
        target,
    };
    let signing = signing(matches, &request.target)?;
    let published = ops::output(&session.forge, plugin, &request)?;
    if let Some(signing) = signing {
        return signing.run(session, &published);
    }
    if loads {
        return load::load(session, &request.target);
    }
    if let Some(reference) = pushed_to {
        // In a layout with others it is the one of its tag.
        let tag = request.image.tags.first().and_then(|tag| tag.rsplit_once(':')).map(|(_, tag)| tag);
        let mut image = request.target.clone().into_os_string();
        if let Some(tag) = tag.filter(|_| matches.contains_id("output")) {
            image.push(format!(":{tag}"));
        }
        let plain_http = matches.get_flag("plain-http");
        // What the base has need not be sent again.
        let mount_from = matches.get_one::<String>("mount-from").cloned();
        let base = request.base.as_ref().and_then(|base| ops::mountable(base, reference));
        let mount_from = mount_from.or(base);
        let (image, target) = (image.into(), reference.clone());
        let asked = PushRequest { image, arch: None, target, plain_http, mount_from };
        let pushed = ops::push(&session.forge, &asked)?;
        return push::tell(session, &pushed);
    }
    tell(session, &published)
}

/// What is to be done with a finished file.
struct Signing {
    key: Option<String>,
    discovery: Option<PathBuf>,
}

fn signing(matches: &ArgMatches, target: &Path) -> Result<Option<Signing>> {
    let key = matches.try_get_one::<String>("sign-key").ok().flatten().cloned();
    let discovery = matches.try_get_one::<PathBuf>("discovery").ok().flatten().cloned();
    let option = if key.is_some() { "sign-key" } else { "discovery" };
    match (key.is_none() && discovery.is_none(), target.as_os_str() == "-") {
        (true, _) => Ok(None),
        (_, true) => Err(Error::usage(format!("--{option} is for a file, and this goes to standard output"))
            .hint("Name a file with -o FILE.")
            .option(option)),
        _ => Ok(Some(Signing { key, discovery })),
    }
}

impl Signing {
    fn run(&self, session: &Session, published: &Published) -> Result<ExitCode> {
        let forge = &session.forge;
        let signed =
            self.key.as_ref().map(|key| ops::sign_file(forge, &published.target, key)).transpose()?;
        if let Some(warning) = signed.as_ref().and_then(|signed| signed.warning.as_ref()) {
            forge.reporter.warning(warning, None);
        }
        let signature = signed.map(|signed| signed.signature);
        let found = self.discovery.as_ref().map(|directory| {
            let public_key = self.key.as_ref().map(|key| ops::public_key(forge, key)).transpose()?;
            let (image, signature, directory) =
                (published.target.clone(), signature.clone(), directory.clone());
            ops::discovery(forge, &DiscoveryRequest { image, signature, public_key, directory })
        });
        let found = found.transpose()?;
        if session.json {
            session.forge.reporter.finish();
            let found =
                found.map(|found| json!({ "image": found.image, "page": found.page, "url": found.url }));
            let result = json!({
                "path": published.target, "id": published.report.id, "signature": signature, "discovery": found
            });
            terminal::print(&format!("{result}\n"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let code = tell(session, published)?;
        if session.verbosity >= Verbosity::Normal {
            if let Some(signature) = signature {
                terminal::say(&format!("Signed: {}", signature.display()));
            }
            if let Some(found) = found {
                terminal::say(&format!(
                    "rkt will find it at {}, through {}.",
                    found.url,
                    found.page.display()
                ));
            }
        }
        Ok(code)
    }
}

/// Says what was made, and how to use it.
pub(crate) fn tell(session: &Session, published: &Published) -> Result<ExitCode> {
    session.forge.reporter.finish();
    // What went to standard output has a name that is for the user to know.
    let path = match published.target.as_os_str() == "-" {
        true => "FILE".to_owned(),
        false => published.target.display().to_string(),
    };
    let hints: Vec<_> = published.report.hints.iter().map(|hint| hint.replace("{}", &path)).collect();
    if session.json && published.target.as_os_str() != "-" {
        let result = json!({ "path": published.target, "id": published.report.id, "hints": hints });
        terminal::print(&format!("{result}\n"))?;
    } else if session.verbosity >= Verbosity::Normal && !session.json {
        hints.iter().for_each(|hint| terminal::say(hint));
    }
    Ok(ExitCode::SUCCESS)
}

/// `--compression`, of all that packs layers.
pub(crate) fn compression() -> Arg {
    Arg::new("compression")
        .long("compression")
        .value_name("FORM")
        .value_parser(FORMS.map(ops::form_name))
        .help("How layers are compressed; not every format and reader takes each")
}

const FORMS: [LayerForm; 3] = [LayerForm::Gzip, LayerForm::Zstd, LayerForm::Tar];

pub(crate) fn compression_of(matches: &ArgMatches) -> Option<LayerForm> {
    let word = matches.get_one::<String>("compression")?;
    FORMS.into_iter().find(|&form| ops::form_name(form) == word)
}

/// The root filesystems of each platform: with several `--arch`, those that follow it.
fn platforms(component: &Component, matches: &ArgMatches) -> Result<Vec<PlatformInputs>> {
    let inputs = || matches.get_many::<PathBuf>("rootfs").into_iter().flatten().cloned();
    let archs: Vec<&String> = matches.get_many::<String>("arch").into_iter().flatten().collect();
    if !component.platforms || archs.len() < 2 {
        let arch = archs.first().map(|&arch| arch.clone());
        return Ok(vec![PlatformInputs { arch, inputs: inputs().collect() }]);
    }
    let starts: Vec<usize> = matches.indices_of("arch").into_iter().flatten().collect();
    let mut platforms: Vec<_> = archs
        .into_iter()
        .map(|arch| PlatformInputs { arch: Some(arch.clone()), inputs: Vec::new() })
        .collect();
    for (input, at) in inputs().zip(matches.indices_of("rootfs").into_iter().flatten()) {
        let Some(platform) = starts.partition_point(|&start| start < at).checked_sub(1) else {
            let message = format!("{} stands before every --arch", input.display());
            return Err(Error::usage(message)
                .hint("Say of each root filesystem what it is for: --arch amd64 ROOTFS --arch arm64 ROOTFS")
                .option("arch"));
        };
        platforms[platform].inputs.push(input);
    }
    match platforms.iter().find(|platform| platform.inputs.is_empty()) {
        None => Ok(platforms),
        Some(empty) => {
            let arch = empty.arch.as_deref().unwrap_or_default();
            Err(Error::usage(format!("no root filesystem follows --arch {arch}")).option("arch"))
        }
    }
}

fn image_words(matches: &ArgMatches) -> ImageWords {
    let one = |name| matches.get_one::<String>(name).cloned();
    let all = |name| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    ImageWords {
        entrypoint: one("entrypoint"),
        cmd: one("cmd"),
        env: all("env"),
        user: one("user"),
        workdir: one("workdir"),
        ports: all("port"),
        volumes: all("volume"),
        labels: all("label"),
        annotations: all("annotation"),
        stop_signal: one("stop-signal"),
        tags: all("tag"),
    }
}
