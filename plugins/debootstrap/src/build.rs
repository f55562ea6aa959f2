//! `build`: from a lock to the root filesystem.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};

use ctr_forge_plugin::{
    BuildTarget, Error, ErrorKind, FetchRequest, FetchUrl, Host, Request, Result, Script, ScriptOutcome,
    SourceReport,
};
use ctr_forge_rootfs::{Exclude, Writer};

use crate::choose::{open, plan};
use crate::host_apt::HostApt;
use crate::install::{self, Chosen, InstallError, Installed, Mode, Settings};
use crate::licence;
use crate::lock::{Lock, LockedPackage};
use crate::options::{Options, Variant, Word};
use crate::places;
use crate::releases::{self, Release};
use crate::repository::Repository;

/// Most packages that are decompressed at once.
const MAX_JOBS: usize = 8;
/// Bytes written at a time: the size of the pipe.
const BUFFER: usize = 1 << 20;

/// Installs what the lock says.
pub(crate) fn build(request: &Request<Options, BuildTarget>, host: &Host) -> Result<SourceReport> {
    let options = &request.options;
    let lock = Lock::parse(&request.target.lock)?;
    let exclude = Exclude::new(&request.context.exclude)
        .map_err(|e| Error::usage("a pattern is wrong").because(&e).option("exclude-path"))?;
    let settings = Settings {
        arch: &lock.arch,
        foreign: &lock.foreign,
        mode: match options.variant {
            Variant::Extract => Mode::Extract,
            Variant::Custom => Mode::Custom,
        },
        exclude: &exclude,
        merged_usr: lock.merged_usr,
        // Each holds some megabytes of what it has unpacked.
        jobs: request.context.jobs.min(MAX_JOBS),
    };
    let mut locals = locals(options, host)?;
    let stream = BufWriter::with_capacity(BUFFER, host.take(request.target.rootfs)?);
    let mut sink = Writer::new(stream).with_packages();

    let packages = if lock.packages.len() == 1 { "package" } else { "packages" };
    host.phase(format!("Fetching and unpacking {} {packages}", lock.packages.len()));
    let mut fetched = host.fetch(downloads(&lock, options))?;
    let debs = lock.packages.iter().map(|package| {
        let file = match package.index {
            Some(_) => {
                let lost = || Err(Error::new(ErrorKind::Internal, "a download was lost"));
                fetched.next().unwrap_or_else(lost)?.file
            }
            None => locals.remove(&package.digest).ok_or_else(|| missing(package))?,
        };
        Ok((chosen(package), file))
    });
    let installed = install::install(&mut sink, debs, &settings, |_| host.check_cancelled());
    let installed = installed.map_err(cannot_install)?;
    if let Some(digest) = locals.keys().next() {
        let message = format!("the lock does not have a package file that is given, of {digest}");
        let error = Error::new(ErrorKind::Input, message).option("package");
        return Err(error.hint("Delete the lock to resolve anew."));
    }
    let finished = sink.finish().and_then(|mut stream| stream.flush());
    finished.map_err(|e| Error::io("cannot send the root filesystem", e))?;
    report(options, &lock, installed)
}

/// The user's package files by their digest.
fn locals(options: &Options, host: &Host) -> Result<HashMap<String, File>> {
    let mut locals = HashMap::new();
    for word in options.words()? {
        if let Word::File(value) = word {
            let file = open(&value, host)?;
            locals.insert(host.digest(&file)?.digest, file);
        }
    }
    Ok(locals)
}

fn missing(package: &LockedPackage) -> Error {
    let message = format!("the lock names a package file of {} that is not given", package.title());
    let cause = format!("{} with {} was expected", package.path, package.digest);
    let mut error = Error::new(ErrorKind::Input, message).option("package");
    error.causes.push(cause);
    error.hint("Has the file changed since the lock was made? Delete the lock to resolve anew.")
}

fn chosen(package: &LockedPackage) -> Chosen {
    Chosen {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: package.arch.clone(),
        file_name: package.path.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

/// Every package of a repository, from mirrors first.
fn downloads(lock: &Lock, options: &Options) -> Vec<FetchRequest> {
    let apt = HostApt::read(options.apt_config());
    let release = releases::find(&lock.release).cloned().unwrap_or_else(|| Release::unknown(&lock.release));
    let bases: Vec<Vec<FetchUrl>> = lock
        .indexes
        .iter()
        .map(|index| places::bases(&Repository::new(index.url.clone(), index.suite.clone()), &release, &apt))
        .collect();
    let request = |package: &LockedPackage| {
        let at = |base: &FetchUrl| FetchUrl {
            url: format!("{}/{}", base.url, places::escaped(&package.path)),
            proxy: base.proxy.clone(),
        };
        Some(FetchRequest {
            name: package.title(),
            urls: bases.get(package.index?)?.iter().map(at).collect(),
            digest: Some(package.digest.clone()),
            size: Some(package.size),
            ..FetchRequest::default()
        })
    };
    lock.packages.iter().filter_map(request).collect()
}

fn cannot_install(error: InstallError) -> Error {
    match error {
        InstallError::Caller(error) => error,
        InstallError::Write { .. } => {
            Error::new(kind_of(&error), "cannot send the root filesystem").because(&error)
        }
        error => Error::new(ErrorKind::Input, "the packages cannot be unpacked").because(&error),
    }
}

/// What lies at the root of an error with a cause of the system's.
fn kind_of(error: &(dyn std::error::Error + 'static)) -> ErrorKind {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return Error::io("", std::io::Error::from(io.kind())).kind;
        }
        next = cause.source();
    }
    ErrorKind::Input
}

fn report(options: &Options, lock: &Lock, installed: Installed) -> Result<SourceReport> {
    let mut report = plan(lock);
    for (package, installed) in report.packages.iter_mut().zip(&installed.packages) {
        package.licences = installed
            .licence_text
            .as_deref()
            .map(|text| licence::licences(text.as_bytes()))
            .unwrap_or_default();
    }
    for package in installed.packages {
        let skipped =
            |script| Script { package: package.name.clone(), script, outcome: ScriptOutcome::Skipped };
        report.scripts.extend(package.scripts.into_iter().map(skipped));
    }
    match (options.variant, options.scripts, report.scripts.first()) {
        (Variant::Custom, None, Some(first)) => {
            let message =
                format!("{} has a {} to run, and scripts cannot be run yet", first.package, first.script);
            Err(Error::new(ErrorKind::Unsupported, message)
                .hint("--scripts skip leaves all scripts undone; --variant extract only unpacks.")
                .option("variant"))
        }
        _ => Ok(report),
    }
}
