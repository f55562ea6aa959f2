//! What `resolve` and `build` are where a tool of the machine installs.

use std::collections::{BTreeMap, HashSet};

use ctr_forge_plugin::{
    BuildTarget, Error, ErrorKind, Host, Package as Reported, Request, Resolved, Result, SourceReport,
};
use ctr_forge_rootfs::RootPath;

use super::{Repository, Task, Tool, run};
use crate::clean::{self, Owned};
use crate::database;
use crate::index::{self, Wanted};
use crate::lock::{Lock, LockedRepository};
use crate::options::{Options, Scripts};
use crate::package::Package;
use crate::places::{self, Place, Places};
use crate::rpmdb;
use crate::version::Evr;

/// As `choose::choose`: the repositories, as far as they vouch for themselves. Which packages it
/// comes to, the tool will say.
pub(crate) fn resolve(request: &Request<Options>, host: &Host) -> Result<Resolved> {
    let options = &request.options;
    Tool::find(options.engine, host)?;
    if options.files().next().is_some() {
        let message = "package files cannot be handed to a tool of the machine";
        let error = Error::new(ErrorKind::Unsupported, message).option("package");
        return Err(error.hint("Without --engine it can be done."));
    }
    if options.words().next().is_none() {
        return Err(Error::usage("no package was named").hint("Name packages, or @core for a small system."));
    }
    let places = places::of_request(options, &request.context.arch, host)?;
    places.tell(host);
    if places.all.windows(2).any(|two| two[0].keys != two[1].keys) {
        host.warn("the tool takes the key of each repository for the packages of all others, too");
    }
    host.phase("Reading the repositories");
    let indexes =
        index::indexes(host, &places.all, &Wanted { arch: places.arch.rpm.clone(), groups: false })?;
    let repository = |index: &index::Index| LockedRepository {
        id: places.all[index.place].id.clone(),
        url: index.canonical.clone(),
    };
    let release = places.release.as_ref();
    let lock = Lock {
        distro: release.map(|release| release.id().to_owned()).unwrap_or_default(),
        release: version(options, &places),
        arch: places.arch.rpm.clone(),
        epoch: indexes.iter().map(|index| index.timestamp).max().unwrap_or(0),
        repositories: indexes.iter().map(repository).collect(),
        trust: indexes.into_iter().flat_map(|index| index.trust).collect(),
        packages: Vec::new(),
    };
    let open = Some("the tool chooses the packages while it installs them".to_owned());
    Ok(Resolved { lock: lock.to_value()?, open })
}

/// What `$releasever` stands for.
fn version(options: &Options, places: &Places) -> String {
    let known = places.release.as_ref().map(|release| release.version.clone());
    known.or(options.release.clone()).unwrap_or_default()
}

/// As `build::build`: has the tool make the root filesystem, and sends it.
pub(crate) fn build(request: &Request<Options, BuildTarget>, host: &Host) -> Result<SourceReport> {
    let options = &request.options;
    let lock = Lock::parse(&request.target.lock)?;
    let epoch = request.context.epoch.unwrap_or(lock.epoch);
    let (tool, program) = Tool::find(options.engine, host)?;
    let places = places::of_request(options, &request.context.arch, host)?;
    let stream = host.take(request.target.rootfs)?;
    let rootfs = host.rootfs(&request.context.arch, None)?;
    let packages: Vec<String> = options.words().map(str::to_owned).collect();
    // Those that were away, and may be, are not in the lock.
    let is_there = |place: &&Place| lock.repositories.iter().any(|known| known.id == place.id);
    let repositories: Vec<Repository> = places.all.iter().filter(is_there).map(repository).collect();
    let variables: BTreeMap<String, String> = options.variables()?;
    let directory = database::of_tool(&lock);
    let langs = options.langs();
    let task = Task {
        program: &program,
        packages: &packages,
        exclude: &options.exclude,
        repositories: &repositories,
        release: &lock.release,
        foreign_arch: (lock.arch != machine()).then_some(lock.arch.as_str()),
        variables: &variables,
        platform: places.release.as_ref().and_then(|release| release.platform()),
        weak_deps: options.weak_deps,
        docs: options.docs,
        scripts: options.scripts == Scripts::Run,
        languages: langs.as_deref(),
        database: &directory,
        epoch,
        timeout: options.script_timeout()?,
    };
    let mut cleaned = run(host, &rootfs, tool, &task)?;
    host.phase("Finishing the root filesystem");
    let installed = rpmdb::read(&rootfs.read_all(&format!("{directory}/{}", rpmdb::FILE))?).map_err(|e| {
        Error::new(ErrorKind::ToolFailed, "the tool's package database cannot be read").because(&e)
    })?;
    let links = installed.iter().flat_map(|package| package.links.iter().cloned()).collect();
    let owned = Owned::new(installed.iter().flat_map(|package| &package.files), links);
    let ghosts: HashSet<&[u8]> =
        installed.iter().flat_map(|package| &package.ghosts).map(RootPath::as_bytes).collect();
    let is_owned = |path: &str| owned.has(path);
    database::relocate(host, &lock, &rootfs, &directory, &is_owned)?;
    cleaned.extend(clean::finish(&rootfs, &owned, epoch)?);
    let is_known = |path: &str| is_owned(path) || ghosts.contains(path.trim_start_matches('/').as_bytes());
    super::clean::remove_empty(&rootfs, &is_known)?;
    rootfs.export_without(&stream, &request.context.exclude)?;
    Ok(SourceReport {
        packages: installed.iter().map(|package| reported(package, &lock)).collect(),
        trust: lock.trust.clone(),
        epoch: Some(lock.epoch),
        cleaned,
        ..SourceReport::default()
    })
}

/// A repository as the tool is told of it. Logins are in its URLs already; what is as it is where
/// nothing is said is not said.
pub(super) fn repository(place: &Place) -> Repository {
    let usual = crate::repository::Repository::default();
    let cost = (place.cost != usual.cost).then(|| place.cost.to_string());
    let more = [
        ("includepkgs", place.include.join(",")),
        ("cost", cost.unwrap_or_default()),
        ("module_hotfixes", if place.module_hotfixes { "1" } else { "" }.to_owned()),
    ];
    let more = more.into_iter().filter(|(_, value)| !value.is_empty());
    Repository {
        id: place.id.clone(),
        baseurls: place.bases.clone(),
        metalink: place.metalink.clone(),
        mirrorlist: place.mirrorlist.clone(),
        keys: place.keys.iter().map(|(_, key)| key.clone()).collect(),
        gpgcheck: place.gpgcheck,
        repo_gpgcheck: place.repo_gpgcheck,
        priority: (place.priority != usual.priority).then_some(place.priority),
        exclude: place.exclude.clone(),
        identity: place.identities.first().cloned(),
        more: more.map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

/// What rpm calls the architecture of this machine.
fn machine() -> &'static str {
    of_rpm(std::env::consts::ARCH, cfg!(target_endian = "little"))
}

/// What rpm calls an architecture of Rust's.
pub(super) fn of_rpm(arch: &str, is_little_endian: bool) -> &str {
    match (arch, is_little_endian) {
        ("powerpc64", true) => "ppc64le",
        ("powerpc64", false) => "ppc64",
        ("arm", _) => "armv7hl",
        ("x86", _) => "i686",
        (same, _) => same,
    }
}

fn reported(installed: &rpmdb::Known, lock: &Lock) -> Reported {
    let package = Package {
        name: installed.name.as_str().into(),
        evr: Evr::parse(&installed.evr).unwrap_or_default(),
        arch: installed.arch.as_str().into(),
        source: installed.source.as_str().into(),
        ..Package::default()
    };
    Reported {
        purl: Some(package.purl(&lock.distro, &lock.release)),
        name: installed.name.clone(),
        version: installed.evr.clone(),
        arch: Some(installed.arch.clone()),
        licences: Some(installed.license.clone()).filter(|license| !license.is_empty()).into_iter().collect(),
        ..Reported::default()
    }
}
