//! `--engine`: a tool of the machine chooses and installs the packages, and we do the rest.
//!
//! The signed indexes are checked here first, by the keys that count; the tool checks them
//! once more by the keys that it is handed. It works on a root of the host's, as root of a
//! user namespace ([`View::Machine`]). What comes out is cleaned as if it were our own, so
//! that it says nothing of the machine either.
//!
//! | module | what it knows |
//! |---|---|
//! | `mmdebstrap`, `debootstrap` | a tool's command line, and what it cannot do |

mod debootstrap;
mod mmdebstrap;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};

use ctr_forge_plugin::sandbox::{Cover, RunParams, View};
use ctr_forge_plugin::{
    BuildTarget, Check, Error, ErrorKind, Host, Package as Reported, Request, Resolved, Result, Rootfs,
    SourceReport, lend,
};
use serde::Deserialize;

use crate::choose::{self, distribution, locked_index};
use crate::configure::{clean, sources};
use crate::control::Stanzas;
use crate::index::{self, Place};
use crate::install::MergedUsr;
use crate::lock::Lock;
use crate::options::Options;
use crate::package::Package;
use crate::places;
use crate::releases::Release;

/// Who installs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// This plugin.
    #[default]
    Native,
    /// The first tool that the machine has.
    Host,
    /// mmdebstrap(1).
    Mmdebstrap,
    /// debootstrap(8).
    Debootstrap,
}

/// A tool of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Mmdebstrap,
    Debootstrap,
}

impl Tool {
    /// The better one first.
    const ALL: [Self; 2] = [Self::Mmdebstrap, Self::Debootstrap];

    fn name(self) -> &'static str {
        match self {
            Self::Mmdebstrap => "mmdebstrap",
            Self::Debootstrap => "debootstrap",
        }
    }

    /// The one that is wanted, and where it is.
    fn find(engine: Engine, host: &Host) -> Result<(Self, String)> {
        let wanted = |tool: &Self| match engine {
            Engine::Native => false,
            Engine::Host => true,
            Engine::Mmdebstrap => *tool == Self::Mmdebstrap,
            Engine::Debootstrap => *tool == Self::Debootstrap,
        };
        let wanted: Vec<Self> = Self::ALL.into_iter().filter(wanted).collect();
        for tool in &wanted {
            if let Some(path) = host.tool(tool.name())? {
                return Ok((*tool, path));
            }
        }
        let names: Vec<_> = wanted.iter().map(|tool| tool.name()).collect();
        let message = format!("{} is not installed on this machine", names.join(" or "));
        Err(Error::new(ErrorKind::MissingTool, message)
            .hint("Without --engine nothing of the machine is needed.")
            .option("engine"))
    }
}

/// The tools that the machine has, for `doctor`.
pub(crate) fn checks(host: &Host) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for tool in Tool::ALL {
        if let Some(path) = host.tool(tool.name())? {
            checks.push(Check { name: format!("engine {}: {path}", tool.name()), ok: true, hint: None });
        }
    }
    Ok(checks)
}

/// What a tool is to do.
struct Task<'a> {
    options: &'a Options,
    /// dpkg's name.
    arch: &'a str,
    release: &'a Release,
    places: &'a [Place],
    /// Where the tool is.
    program: &'a str,
    /// The keys of each place, where the tool finds them.
    keys: Vec<Vec<String>>,
}

/// What the tool is started with, beside what is the same for both.
struct Command {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
}

/// As `choose::choose`: the signed indexes. Which packages it comes to, the tool will say.
pub(crate) fn resolve(request: &Request<Options>, host: &Host) -> Result<Resolved> {
    let options = &request.options;
    let (tool, _) = Tool::find(options.engine, host)?;
    let arch = choose::dpkg_arch(&request.context.arch)?;
    let release = places::release(options)?;
    let places = usable(tool, places::places(options, &release, &arch, host)?, host);
    check(tool, options)?;
    places::warn_of_trusted(&places, host);
    host.phase("Reading the signed indexes");
    let signed = index::signed(host, &places)?;
    let lock = Lock {
        distribution: distribution(&release, &signed),
        release: release.codename,
        arch,
        foreign: Vec::new(),
        merged_usr: MergedUsr::No,
        epoch: signed.iter().map(|signed| signed.release.date).max().unwrap_or(0),
        indexes: places.iter().zip(&signed).map(|(place, signed)| locked_index(place, signed)).collect(),
        trust: signed.iter().map(|signed| signed.link.clone()).collect(),
        base: 0,
        packages: Vec::new(),
    };
    let open = format!("{} chooses the packages while it installs them", tool.name());
    Ok(Resolved { lock: lock.to_value()?, open: Some(open) })
}

/// The repositories that a tool can use, of those asked for.
fn usable(tool: Tool, mut places: Vec<Place>, host: &Host) -> Vec<Place> {
    if tool == Tool::Debootstrap && places.len() > 1 {
        for place in places.drain(1..) {
            host.warn(format!("debootstrap uses one repository; {} is left out", place.title()));
        }
    }
    places
}

/// An error for what was asked for and the tool cannot do.
fn check(tool: Tool, options: &Options) -> Result<()> {
    let asked = [
        ("scripts", options.scripts == crate::options::Scripts::Skip),
        ("foreign-arch", !options.foreign_arch.is_empty()),
        ("package", options.files().next().is_some()),
    ];
    let own = match tool {
        Tool::Mmdebstrap => mmdebstrap::cannot(options),
        Tool::Debootstrap => debootstrap::cannot(options),
    };
    match asked.into_iter().find(|(_, asked)| *asked).map(|(option, _)| option).or(own) {
        None => Ok(()),
        Some(option) => {
            let message = format!("{} cannot do what --{option} asks for", tool.name());
            let hint = "Without --engine it can be done.";
            Err(Error::new(ErrorKind::Unsupported, message).hint(hint).option(option))
        }
    }
}

/// As `build::build`: has the tool make the root filesystem, and sends it.
pub(crate) fn build(request: &Request<Options, BuildTarget>, host: &Host) -> Result<SourceReport> {
    let options = &request.options;
    let lock = Lock::parse(&request.target.lock)?;
    let (tool, program) = Tool::find(options.engine, host)?;
    let release = places::release(options)?;
    let mut places = places::places(options, &release, &lock.arch, host)?;
    places.truncate(lock.indexes.len());
    let stream = host.take(request.target.rootfs)?;
    let rootfs = host.rootfs(&request.context.arch, None)?;

    let (keys, covers) = keys(&places, host)?;
    let task =
        Task { options, arch: &lock.arch, release: &release, places: &places, program: &program, keys };
    let command = match tool {
        Tool::Mmdebstrap => mmdebstrap::command(&task)?,
        Tool::Debootstrap => debootstrap::command(&task)?,
    };
    host.phase(format!("Running {}", tool.name()));
    let covers_of_keys = covers.iter().map(|(path, file)| (path.clone(), Cover::File(lend(file))));
    let outcome = rootfs.run(&RunParams {
        argv: command.argv,
        env: env(request.context.epoch.unwrap_or(lock.epoch), command.env),
        view: View::Machine,
        covers: covers_of_keys.collect(),
        network: true,
        timeout: options.script_timeout()?,
        ..RunParams::default()
    })?;
    if !outcome.is_success() {
        let message = match outcome.timed_out {
            true => format!("{} took longer than it may", tool.name()),
            false => format!("{} failed", tool.name()),
        };
        let mut error = Error::new(ErrorKind::ToolFailed, message);
        error.causes.extend(outcome.last_lines());
        return Err(error.hint("-v shows all that it prints."));
    }
    host.phase("Finishing the root filesystem");
    let mut cleaned = clean::clean(&rootfs)?;
    cleaned.extend(clean::clean_machine(&rootfs)?);
    let packages = packages(&rootfs, &lock)?;
    sources::write(&lock, &places, &rootfs, packages.iter().any(|package| package.name == "apt"))?;
    rootfs.export_without(&stream, &crate::build::patterns(options, &request.context.exclude))?;
    Ok(SourceReport {
        packages,
        trust: lock.trust.clone(),
        epoch: Some(lock.epoch),
        cleaned,
        ..SourceReport::default()
    })
}

/// The keys of each place as files: their paths, and the files to put there.
type Keys = (Vec<Vec<String>>, Vec<(String, File)>);

fn keys(places: &[Place], host: &Host) -> Result<Keys> {
    let (mut paths, mut files) = (Vec::new(), Vec::new());
    for place in places {
        let mut of_place = Vec::new();
        for (_, bytes) in &place.keys {
            let path = format!("/tmp/keys/{}.{}", files.len(), places::key_extension(bytes));
            let mut file = host.temp_file()?;
            let written = file.write_all(bytes).and_then(|()| file.rewind());
            written.map_err(|e| Error::io("cannot write a key", e))?;
            files.push((path.clone(), file));
            of_place.push(path);
        }
        paths.push(of_place);
    }
    Ok((paths, files))
}

fn env(epoch: i64, own: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let common = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOME", "/tmp".to_owned()),
        ("TMPDIR", "/tmp".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("DEBIAN_FRONTEND", "noninteractive".to_owned()),
        ("SOURCE_DATE_EPOCH", epoch.to_string()),
    ];
    common.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(own).collect()
}

/// Proxies as wget and apt find them. The image is told of none.
fn proxies(places: &[Place]) -> BTreeMap<String, String> {
    let proxies = places.iter().filter_map(|place| {
        let base = place.bases.first()?;
        let name = if base.url.starts_with("https:") { "https_proxy" } else { "http_proxy" };
        Some((name.to_owned(), base.proxy.clone()?))
    });
    proxies.collect()
}

/// What dpkg says is installed.
fn packages(rootfs: &Rootfs<'_>, lock: &Lock) -> Result<Vec<Reported>> {
    let status = rootfs.read_all("/var/lib/dpkg/status")?;
    let bad = |e: &dyn std::error::Error| {
        Error::new(ErrorKind::ToolFailed, "what dpkg says of the packages cannot be read").because(e)
    };
    let mut packages = Vec::new();
    for stanza in Stanzas::new(&status) {
        let stanza = stanza.map_err(|e| bad(&e))?;
        let package = Package::of_control(&stanza, "", 0, String::new(), 0).map_err(|e| bad(&e))?;
        packages.push(Reported {
            name: package.name.to_owned(),
            version: package.version.to_owned(),
            arch: Some(package.arch.to_owned()),
            purl: Some(package.purl(&lock.distribution, &lock.release)),
            ..Reported::default()
        });
    }
    Ok(packages)
}
