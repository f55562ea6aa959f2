//! `build`: from a lock to the root filesystem.

use std::fs::File;
use std::io::{BufWriter, Write};

use ctr_forge_plugin::{
    BuildTarget, Error, Host, Request, Result, Script, ScriptOutcome, SourceReport, TrustLink,
};
use ctr_forge_rootfs::{Exclude, RootPath, Writer};

use crate::archives::Archives;
use crate::choose::plan;
use crate::configure::declared::{self, Declared};
use crate::configure::sysusers::{self, Line};
use crate::configure::transaction::{Package, Presence};
use crate::database;
use crate::install::{self, Chosen, Install, InstallError, Installed, Settings};
use crate::lock::{Lock, LockedPackage};
use crate::options::{Options, Scripts};
use crate::places;
use crate::root;
use crate::version::Evr;

/// Bytes written at a time: the size of the pipe.
const BUFFER: usize = 1 << 20;

/// What a build is made with.
pub(crate) struct Task<'a> {
    pub(crate) host: &'a Host,
    pub(crate) lock: &'a Lock,
    pub(crate) options: &'a Options,
    pub(crate) settings: Settings<'a>,
    pub(crate) archives: &'a Archives<'a>,
    /// The keys that the image's own rpm is to know, armoured or not.
    pub(crate) keys: Vec<Vec<u8>>,
    /// OCI's name.
    pub(crate) arch: &'a str,
    /// What scripts take for the time, seconds since 1970.
    pub(crate) epoch: i64,
    /// Patterns of paths that the image has not.
    pub(crate) exclude: &'a [String],
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(crate) scripts: Vec<Script>,
    pub(crate) cleaned: Vec<String>,
}

/// Installs what the lock says.
pub(crate) fn build(request: &Request<Options, BuildTarget>, host: &Host) -> Result<SourceReport> {
    let options = &request.options;
    let lock = Lock::parse(&request.target.lock)?;
    let patterns = &request.context.exclude;
    let exclude = Exclude::new(patterns)
        .map_err(|e| Error::usage("a pattern is wrong").because(&e).option("exclude-path"))?;
    let places = places::of_request(options, &request.context.arch, host)?;
    let packages = if lock.packages.len() == 1 { "package" } else { "packages" };
    host.phase(format!("Fetching {} {packages}", lock.packages.len()));
    let archives = Archives::new(&lock, &places, options, host)?;
    let stream = host.take(request.target.rootfs)?;
    let langs = options.langs();
    let settings =
        Settings { arch: &lock.arch, nodocs: !options.docs, langs: langs.as_deref(), exclude: &exclude };
    let task = Task {
        host,
        lock: &lock,
        options,
        settings,
        archives: &archives,
        keys: database::keys(&lock, &places),
        arch: &request.context.arch,
        epoch: request.context.epoch.unwrap_or(lock.epoch),
        exclude: patterns,
    };
    let packages = planned(&task)?;
    let has_scripts = packages.iter().any(|planned| !planned.package.scriptlets.is_empty());
    let built = match has_scripts && options.scripts == Scripts::Run {
        true => root::build(&task, &packages, &stream)?,
        false => stream_all(&task, &packages, stream)?,
    };
    let mut report = plan(&lock);
    let known: Vec<String> = report.trust.iter().map(|link| link.subject.clone()).collect();
    let new = |link: &&TrustLink| !known.contains(&link.subject);
    report.trust.extend(archives.trust.iter().filter(new).cloned());
    Ok(SourceReport { scripts: built.scripts, cleaned: built.cleaned, ..report })
}

/// What is to be done for a package beside its files.
pub(crate) struct Planned {
    /// What it may run.
    pub(crate) package: Package,
    /// The users and groups that it declares, by the files that do.
    pub(crate) declared: Vec<Vec<Line>>,
    /// The links that it brings.
    pub(crate) links: Vec<(RootPath, Box<[u8]>)>,
}

/// That, for each package in the order of the lock.
fn planned(task: &Task<'_>) -> Result<Vec<Planned>> {
    let planned = |index| {
        let rpm = task.archives.open(index)?;
        let title = task.lock.packages[index].title();
        let files = rpm.files();
        let files = files.map_err(|e| Error::input(format!("{title} cannot be installed")).because(&e))?;
        let wanted = install::wanted(&files, &task.settings);
        let declared = sysusers::declared(&rpm.header).map_err(|e| {
            Error::input(format!("{title} declares users or groups that cannot be")).because(&e)
        })?;
        let package = Package::of(&rpm.header, |place| match wanted.get(place) {
            Some(true) => Presence::Brought,
            _ => Presence::Absent,
        });
        let links = install::links(&files, &task.settings);
        Ok(Planned { package, declared, links })
    };
    let mut packages = (0..task.lock.packages.len()).map(planned).collect::<Result<Vec<_>>>()?;
    foresee(task, &mut packages)?;
    Ok(packages)
}

/// Tells file triggers which files come with which package. rpm too decides that for all packages
/// before the first script runs.
fn foresee(task: &Task<'_>, packages: &mut [Planned]) -> Result<()> {
    if !packages.iter().any(|planned| planned.package.scriptlets.has_file_triggers()) {
        return Ok(());
    }
    let mut install = Install::new(ctr_forge_packages::root::nowhere(), task.settings);
    install.expect(links(packages));
    let foreseen = task.lock.packages.iter().enumerate().map(|(index, package)| {
        install.foresee(&task.archives.open(index)?, &chosen(package)?).map_err(cannot_install)
    });
    let foreseen = foreseen.collect::<Result<Vec<_>>>()?;
    let (records, _) = install.finish();
    for ((planned, record), comes) in packages.iter_mut().zip(&records).zip(foreseen) {
        let presence = |place: usize| match (record.states.get(place), comes.get(place)) {
            (Some(0), Some(true)) => Presence::Brought,
            (Some(0), _) => Presence::Shared,
            _ => Presence::Absent,
        };
        planned.package = Package::of(&record.header, presence);
    }
    Ok(())
}

/// All links that packages bring.
pub(crate) fn links(packages: &[Planned]) -> Vec<(RootPath, Box<[u8]>)> {
    packages.iter().flat_map(|planned| planned.links.iter().cloned()).collect()
}

/// Writes the packages right into the stream.
fn stream_all(task: &Task<'_>, packages: &[Planned], stream: File) -> Result<Built> {
    task.host.phase("Unpacking packages");
    let sink = Writer::new(BufWriter::with_capacity(BUFFER, stream)).with_packages();
    let mut install = Install::new(sink, task.settings);
    install.expect(links(packages));
    let mut declared = Declared::default();
    for (index, planned) in packages.iter().enumerate() {
        let mut rpm = task.archives.open(index)?;
        if !planned.declared.is_empty() {
            declared.add(&planned.declared);
            let contents = declared.apply(install.users_mut().contents(), task.epoch, task.host);
            declared::learn(install.users_mut(), &contents);
        }
        install.package(&mut rpm, &chosen(&task.lock.packages[index])?).map_err(cannot_install)?;
        task.host.progress(index as u64 + 1, task.lock.packages.len() as u64, "packages")?;
    }
    let before = install.users_mut().contents();
    declared::write(&mut install, &before, &declared.apply(before.clone(), task.epoch, task.host))?;
    tell_strangers(task.host, install.records());
    database::into_stream(task, &mut install)?;
    let (_, sink) = install.finish();
    let finished = sink.finish().and_then(|mut stream| stream.flush());
    finished.map_err(|e| Error::io("cannot send the root filesystem", e))?;
    Ok(Built {
        scripts: packages.iter().flat_map(|planned| skipped(&planned.package)).collect(),
        cleaned: Vec::new(),
    })
}

/// The scripts of a package, none of which ran.
fn skipped(package: &Package) -> impl Iterator<Item = Script> + '_ {
    package.scriptlets.names().into_iter().map(|script| Script {
        package: package.name.clone(),
        script,
        outcome: ScriptOutcome::Skipped,
        millis: None,
        changed: Vec::new(),
    })
}

/// Says whose files have become root's.
pub(crate) fn tell_strangers(host: &Host, records: &[Installed]) {
    for record in records.iter().filter(|record| !record.strangers.is_empty()) {
        let who = record.strangers.join(", ");
        host.warn(format!("{} has files of {who}, which nobody knows: they are root's", record.title));
    }
}

pub(crate) fn chosen(package: &LockedPackage) -> Result<Chosen> {
    let evr = Evr::parse(&package.evr())
        .map_err(|e| Error::input(format!("the lock has no version of {}", package.name)).because(&e))?;
    Ok(Chosen { name: package.name.clone(), evr, arch: package.arch.clone() })
}

pub(crate) fn cannot_install(error: InstallError) -> Error {
    Error::new(error.kind(), "the packages cannot be installed").because(&error)
}
