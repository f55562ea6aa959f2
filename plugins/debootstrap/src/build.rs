//! `build`: from a lock to the root filesystem.

use std::io::{BufWriter, Write};

use ctr_forge_plugin::{
    BuildTarget, Error, ErrorKind, Host, Request, Result, Script, ScriptOutcome, SourceReport,
};
use ctr_forge_rootfs::{Exclude, Writer};

use crate::archives::Archives;
use crate::choose::plan;
use crate::install::{self, InstallError, Installed, Mode, Settings};
use crate::licence;
use crate::lock::Lock;
use crate::options::{Options, Variant};

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
    let stream = BufWriter::with_capacity(BUFFER, host.take(request.target.rootfs)?);
    let mut sink = Writer::new(stream).with_packages();

    let packages = if lock.packages.len() == 1 { "package" } else { "packages" };
    host.phase(format!("Fetching and unpacking {} {packages}", lock.packages.len()));
    let archives = Archives::new(&lock, options, host)?;
    let installed = install::install(&mut sink, archives.iter(), &settings, |step| {
        archives.done(step)?;
        host.check_cancelled()
    });
    let installed = installed.map_err(cannot_install)?;
    archives.check_all_used()?;
    let finished = sink.finish().and_then(|mut stream| stream.flush());
    finished.map_err(|e| Error::io("cannot send the root filesystem", e))?;
    report(options, &lock, installed)
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
