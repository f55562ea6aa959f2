//! `build`: from a lock to the root filesystem.

use std::fs::File;
use std::io::{BufWriter, Write};

use ctr_forge_plugin::{
    BuildTarget, Error, ErrorKind, Host, Request, Result, Script, ScriptOutcome, SourceReport,
};
use ctr_forge_rootfs::{Exclude, Writer};

use crate::archives::Archives;
use crate::choose::plan;
use crate::configure::{self, HELD_BACK, INSTALL, Modelled, TRIGGER};
use crate::install::{Chosen, Fault, Install, InstallError, Settings, Settled};
use crate::lock::{Lock, LockedPackage, LockedRepository};
use crate::options::{Options, Scripts};
use crate::places;
use crate::repository::Repository;

/// Bytes written at a time: the size of the pipe.
const BUFFER: usize = 1 << 20;

/// What a build is made with.
pub(crate) struct Task<'a> {
    pub(crate) host: &'a Host,
    pub(crate) lock: &'a Lock,
    pub(crate) options: &'a Options,
    pub(crate) settings: Settings<'a>,
    pub(crate) settled: Settled<'a>,
    pub(crate) archives: &'a Archives<'a>,
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
    let packages = if lock.packages.len() == 1 { "package" } else { "packages" };
    host.phase(format!("Fetching {} {packages}", lock.packages.len()));
    let archives = Archives::new(&lock, options, host)?;
    let stream = host.take(request.target.rootfs)?;
    let keys = keys(&lock, options, host)?;
    let repositories = repository_lines(&lock);
    let task = Task {
        host,
        lock: &lock,
        options,
        settings: Settings { arch: &lock.arch, exclude: &exclude },
        settled: Settled { world: &lock.world, repositories: &repositories, keys: &keys },
        archives: &archives,
        arch: &request.context.arch,
        epoch: request.context.epoch.unwrap_or(lock.epoch),
        exclude: patterns,
    };
    let built = match must_run(&task)? {
        true => configure::run(&task, &stream)?,
        false => stream_all(&task, stream)?,
    };
    let mut report = plan(&lock);
    for (index, package) in report.packages.iter_mut().enumerate() {
        package.digest = Some(archives.digest(index)?);
    }
    Ok(SourceReport { scripts: built.scripts, cleaned: built.cleaned, ..report })
}

/// Whether scripts have to run: one that is not known makes all of them.
fn must_run(task: &Task<'_>) -> Result<bool> {
    let wanted = match task.options.scripts {
        Scripts::Skip => return Ok(false),
        scripts => scripts,
    };
    let mut has_any = false;
    for index in 0..task.lock.packages.len() {
        let apk = task.archives.open(index)?;
        has_any |= INSTALL.iter().chain([&TRIGGER]).any(|script| apk.control.scripts.contains_key(script));
        if let Some(script) = configure::unknown(&apk.control, task.lock) {
            let title = task.lock.packages[index].title();
            task.host.debug(format!("{script} of {title} is not known line by line, so scripts run"));
            return Ok(true);
        }
    }
    Ok(has_any && wanted == Scripts::Run)
}

/// Writes the packages right into the stream, with what their scripts come to.
fn stream_all(task: &Task<'_>, stream: File) -> Result<Built> {
    task.host.phase("Unpacking packages");
    let sink = Writer::new(BufWriter::with_capacity(BUFFER, stream)).with_packages();
    let held_back = if task.options.scripts == Scripts::Skip { &[][..] } else { HELD_BACK };
    let mut install = Install::new(sink, task.settings, held_back);
    let mut modelled = Modelled::new(task.epoch);
    let mut skipped = Vec::new();
    for (index, package) in task.lock.packages.iter().enumerate() {
        let mut apk = task.archives.open(index)?;
        let control = apk.control.clone();
        let mut script = |install: &mut Install<'_, _>, script: &str| {
            if task.options.scripts == Scripts::Skip {
                skipped.extend(control.scripts.contains_key(script).then(|| skip(package, script)));
            } else if let Some(steps) = configure::steps(&control, script, task.lock) {
                let interpreter = configure::interpreter(&control, script);
                if let Some(missing) = interpreter.filter(|path| !install.exists(path)) {
                    return Err(configure::no_interpreter(&package.title(), script, missing));
                }
                modelled.script(install, (&package.name, script), &steps);
            }
            Ok(())
        };
        script(&mut install, INSTALL[0])?;
        install.package(&mut apk, &chosen(package, task.lock)).map_err(cannot_install)?;
        script(&mut install, INSTALL[1])?;
        task.archives.done(index)?;
        task.host.progress(index as u64 + 1, task.lock.packages.len() as u64, "packages")?;
    }
    match task.options.scripts {
        Scripts::Skip => {
            let triggers =
                install.records().iter().filter(|record| record.control.scripts.contains_key(TRIGGER));
            let names: Vec<String> = triggers.map(|record| record.chosen.name.clone()).collect();
            let packages = task.lock.packages.iter().filter(|package| names.contains(&package.name));
            skipped.extend(packages.map(|package| skip(package, TRIGGER)));
        }
        _ => modelled.finish(&mut install, task.lock)?,
    }
    let (_, sink) = install.finish(&task.settled).map_err(cannot_install)?;
    let finished = sink.finish().and_then(|mut stream| stream.flush());
    finished.map_err(|e| Error::io("cannot send the root filesystem", e))?;
    let scripts = if skipped.is_empty() { modelled.scripts } else { skipped };
    Ok(Built { scripts, cleaned: Vec::new() })
}

fn skip(package: &LockedPackage, script: &str) -> Script {
    Script {
        package: package.name.clone(),
        script: script.to_owned(),
        outcome: ScriptOutcome::Skipped,
        millis: None,
        changed: Vec::new(),
    }
}

pub(crate) fn chosen(package: &LockedPackage, lock: &Lock) -> Chosen {
    let repository = package.repository.and_then(|number| lock.repositories.get(number));
    Chosen {
        name: package.name.clone(),
        version: package.version.clone(),
        identity: package.identity.clone(),
        size: package.size,
        tag: repository.and_then(|repository| repository.tag.clone()),
    }
}

/// Lines of the image's `etc/apk/repositories`. A directory of the machine that builds is none in
/// a container.
pub(crate) fn repository_lines(lock: &Lock) -> Vec<String> {
    let elsewhere = lock.repositories.iter().filter(|repository| !repository.url.starts_with("file:"));
    let line = |repository: &LockedRepository| {
        Repository { url: repository.url.clone(), tag: repository.tag.clone() }.line()
    };
    elsewhere.map(line).collect()
}

/// The keys that the image's own apk needs; none where there is no apk and only what was named.
fn keys(lock: &Lock, options: &Options, host: &Host) -> Result<Vec<(String, Vec<u8>)>> {
    let has_apk = lock.packages.iter().any(|package| package.name == "apk-tools");
    match has_apk || !options.no_base {
        true => places::keys(options, &lock.arch, host),
        false => Ok(Vec::new()),
    }
}

pub(crate) fn cannot_install(error: InstallError) -> Error {
    let kind = match &error {
        InstallError::Caller(error) => return error.clone(),
        InstallError::Package { fault: Fault::Write(_), .. } | InstallError::Write(_) => ErrorKind::Io,
        InstallError::Package { fault: Fault::Apk(error), .. } => error.kind(),
        InstallError::Package { fault: Fault::Checksum { .. } | Fault::Other { .. }, .. } => {
            ErrorKind::Verification
        }
        _ => ErrorKind::Input,
    };
    Error::new(kind, "the packages cannot be installed").because(&error)
}
