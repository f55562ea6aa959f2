//! `--engine apk`: the machine's apk chooses and installs the packages, and we do the rest.
//!
//! The signed indexes are checked here first, by the keys that count; apk checks them once more
//! by the keys that it is handed. It works on a root of the host's, as root of a user namespace.

use std::collections::BTreeMap;

use ctr_forge_packages::root;
use ctr_forge_plugin::sandbox::{ROOT_IN_MACHINE, RunParams, View};
use ctr_forge_plugin::{
    BuildTarget, Check, Error, ErrorKind, Host, Package as Reported, Request, Resolved, Result, Rootfs,
    SourceReport,
};
use serde::Deserialize;

use crate::build::repository_lines;
use crate::choose::{self, apk_arch};
use crate::configure::date_shadow;
use crate::index;
use crate::lock::{Lock, LockedRepository};
use crate::options::{Options, Scripts};
use crate::package::{parse_index, purl};
use crate::places::{self, Places};
use crate::repository::{Place, Repository};

/// The tool.
const APK: &str = "apk";

/// Where it looks for repositories, in the root.
const REPOSITORIES: &str = "etc/apk/repositories";

/// What it leaves of the moment: its lock, an empty cache, the devices that it makes first, and
/// what the scripts' programs leave.
const LEFT: [&str; 11] = [
    "/dev/console",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/etc/apk/cache",
    "/etc/group-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/lib/apk/db/lock",
    "/var/cache/apk",
];

/// Who installs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    /// This plugin.
    #[default]
    Native,
    /// The machine's tool, whatever it is called.
    Host,
    /// apk(8).
    Apk,
}

/// Where apk is.
fn find(host: &Host) -> Result<String> {
    host.tool(APK)?.ok_or_else(|| {
        Error::new(ErrorKind::MissingTool, "apk is not installed on this machine")
            .hint("Without --engine nothing of the machine is needed.")
            .option("engine")
    })
}

/// The tools that the machine has, for `doctor`.
pub(crate) fn checks(host: &Host) -> Result<Vec<Check>> {
    let found = host.tool(APK)?;
    let check = |path| Check { name: format!("engine {APK}: {path}"), ok: true, hint: None };
    Ok(found.map(check).into_iter().collect())
}

/// As `choose::choose`: the signed indexes. Which packages it comes to, apk will say.
pub(crate) fn resolve(request: &Request<Options>, host: &Host) -> Result<Resolved> {
    let options = &request.options;
    find(host)?;
    if options.files().next().is_some() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "package files cannot be handed to the machine's apk",
        )
        .hint("Without --engine it can be done.")
        .option("package"));
    }
    let arch = apk_arch(&request.context.arch)?;
    let mut world = choose::world(options, host)?;
    world.sort();
    world.dedup();
    if world.is_empty() {
        return Err(Error::usage("no package was named").hint("Name packages, or leave --no-base away."));
    }
    let places = places::places(options, arch, host)?;
    let keys = |place: &Place| place.keys.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    if places.all.windows(2).any(|two| keys(&two[0]) != keys(&two[1])) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "apk takes each key for every repository, and these have keys of their own",
        )
        .hint("Without --engine each key vouches for its own repositories alone.")
        .option("engine"));
    }
    host.phase("Reading the signed indexes");
    let indexes = index::indexes(host, &places, arch, options.allow_untrusted)?;
    let newest = |index: &index::Index| {
        parse_index(&index.text).flatten().map(|package| package.build_time).max().unwrap_or(0)
    };
    let repository = |place: &Place| LockedRepository {
        url: place.repository.url.clone(),
        tag: place.repository.tag.clone(),
    };
    let lock = Lock {
        release: places.release.clone(),
        arch: arch.to_owned(),
        epoch: indexes.iter().map(newest).max().unwrap_or(0),
        repositories: places.all.iter().map(repository).collect(),
        trust: indexes.into_iter().map(|index| index.link).collect(),
        world,
        packages: Vec::new(),
    };
    let open = Some("apk chooses the packages while it installs them".to_owned());
    Ok(Resolved { lock: lock.to_value()?, open })
}

/// As `build::build`: has apk make the root filesystem, and sends it.
pub(crate) fn build(request: &Request<Options, BuildTarget>, host: &Host) -> Result<SourceReport> {
    let options = &request.options;
    let lock = Lock::parse(&request.target.lock)?;
    let epoch = request.context.epoch.unwrap_or(lock.epoch);
    let program = find(host)?;
    let places = places::places(options, &lock.arch, host)?;
    let stream = host.take(request.target.rootfs)?;
    let rootfs = host.rootfs(&request.context.arch, None)?;
    prepare(&rootfs, &places)?;
    host.phase("Running apk");
    let outcome = rootfs.run(&RunParams {
        argv: command(options, &lock, program),
        env: env(epoch),
        view: View::Machine,
        network: true,
        timeout: options.script_timeout()?,
        ..RunParams::default()
    })?;
    if !outcome.is_success() {
        let mut error = Error::new(ErrorKind::ToolFailed, format!("apk {}", outcome.how()));
        error.causes.extend(outcome.last_lines());
        return Err(error.hint("-v shows all that it prints."));
    }
    host.phase("Finishing the root filesystem");
    let packages = packages(&rootfs, &lock)?;
    let lines: String = repository_lines(&lock).into_iter().map(|line| line + "\n").collect();
    root::put(&rootfs, [(REPOSITORIES.to_owned(), 0o644, lines.as_bytes())])?;
    let cleaned = clean(&rootfs)?;
    date_shadow(host, &rootfs, epoch)?;
    rootfs.export_without(&stream, &request.context.exclude)?;
    Ok(SourceReport {
        packages,
        trust: lock.trust.clone(),
        epoch: Some(lock.epoch),
        cleaned,
        ..SourceReport::default()
    })
}

fn line(url: &str, tag: Option<&str>) -> String {
    Repository { url: url.to_owned(), tag: tag.map(str::to_owned) }.line() + "\n"
}

/// The keys and the repositories, where apk looks for them: in the root.
fn prepare(rootfs: &Rootfs<'_>, places: &Places) -> Result<()> {
    let keys = places.all.iter().flat_map(|place| place.keys.iter());
    let mut files: Vec<(String, Vec<u8>)> =
        keys.map(|(name, pem)| (format!("etc/apk/keys/{name}"), pem.clone())).collect();
    files.sort();
    files.dedup();
    let lines: String =
        places.all.iter().map(|place| line(place.base(), place.repository.tag.as_deref())).collect();
    files.push((REPOSITORIES.to_owned(), lines.into_bytes()));
    root::put(rootfs, files.iter().map(|(path, content)| (path.clone(), 0o644, &content[..])))
}

fn command(options: &Options, lock: &Lock, program: String) -> Vec<String> {
    let mut argv = vec![program];
    let words = ["--root", ROOT_IN_MACHINE, "--arch", &lock.arch, "--initdb", "--no-cache", "--no-progress"];
    argv.extend(words.map(str::to_owned));
    let flags =
        [("--no-scripts", options.scripts == Scripts::Skip), ("--allow-untrusted", options.allow_untrusted)];
    argv.extend(flags.into_iter().filter(|(_, wanted)| *wanted).map(|(flag, _)| flag.to_owned()));
    argv.push("add".to_owned());
    argv.extend(lock.world.iter().cloned());
    argv
}

fn env(epoch: i64) -> BTreeMap<String, String> {
    let words = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOME", "/tmp".to_owned()),
        ("TMPDIR", "/tmp".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("SOURCE_DATE_EPOCH", epoch.to_string()),
    ];
    words.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What apk says is installed.
fn packages(rootfs: &Rootfs<'_>, lock: &Lock) -> Result<Vec<Reported>> {
    let installed = rootfs.read_all("/lib/apk/db/installed")?;
    let installed = String::from_utf8_lossy(&installed);
    // Lines of files are none of a stanza of an index.
    let is_package = |line: &&str| !["F:", "M:", "R:", "Z:"].iter().any(|start| line.starts_with(start));
    let text: Vec<&str> = installed.lines().filter(is_package).collect();
    let mut packages = Vec::new();
    for package in parse_index(&text.join("\n")) {
        let package = package.map_err(|(_, error)| {
            Error::new(ErrorKind::ToolFailed, "what apk says of the packages cannot be read").because(&error)
        })?;
        packages.push(Reported {
            name: package.name.to_owned(),
            version: package.version.to_owned(),
            arch: Some(package.arch.to_owned()),
            purl: Some(purl("alpine", &lock.release, package.name, package.version, package.arch)),
            licences: vec![package.license.to_owned()],
            ..Reported::default()
        });
    }
    Ok(packages)
}

fn clean(rootfs: &Rootfs<'_>) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for path in LEFT {
        let (directory, name) = path.rsplit_once('/').unwrap_or_default();
        let there = rootfs.list(directory)?.unwrap_or_default();
        gone.extend(there.iter().any(|other| other == name).then(|| path.to_owned()));
    }
    rootfs.remove(gone.clone())?;
    Ok(gone)
}
