//! `build`: from a lock to the root filesystem.

use std::io::{BufWriter, Write};

use ctr_forge_plugin::{
    BuildTarget, Error, ErrorKind, Host, Request, Result, Script, ScriptOutcome, SourceReport,
};
use ctr_forge_rootfs::{Exclude, Writer};

use crate::archives::Archives;
use crate::choose::plan;
use crate::configure::{self, Configured, Task};
use crate::install::{self, InstallError, Installed, Mode, Settings};
use crate::licence;
use crate::lock::Lock;
use crate::options::{Options, Scripts, Variant};

/// Most packages that are decompressed at once.
const MAX_JOBS: usize = 8;
/// Bytes written at a time: the size of the pipe.
const BUFFER: usize = 1 << 20;

/// Installs what the lock says.
pub(crate) fn build(request: &Request<Options, BuildTarget>, host: &Host) -> Result<SourceReport> {
    let options = &request.options;
    let lock = Lock::parse(&request.target.lock)?;
    let patterns = patterns(options, &request.context.exclude);
    let exclude = Exclude::new(&patterns)
        .map_err(|e| Error::usage("a pattern is wrong").because(&e).option("exclude-path"))?;
    let runs_scripts = runs_scripts(options, &lock);
    let settings = Settings {
        arch: &lock.arch,
        foreign: &lock.foreign,
        mode: match options.variant {
            Variant::Custom if !runs_scripts => Mode::Custom,
            _ => Mode::Extract,
        },
        exclude: &exclude,
        merged_usr: lock.merged_usr,
        // Each holds some megabytes of what it has unpacked.
        jobs: request.context.jobs.min(MAX_JOBS),
    };
    let packages = if lock.packages.len() == 1 { "package" } else { "packages" };
    host.phase(format!("Fetching and unpacking {} {packages}", lock.packages.len()));
    let archives = Archives::new(&lock, options, host)?;
    let stream = host.take(request.target.rootfs)?;
    if runs_scripts {
        let epoch = request.context.epoch.unwrap_or(lock.epoch);
        let arch = &request.context.arch;
        let (lock, settings, archives) = (&lock, &settings, &archives);
        let task = Task { host, lock, options, settings, archives, arch, epoch, exclude: patterns };
        let configured = configure::configure(&task, &stream)?;
        archives.check_all_used()?;
        return Ok(report_configured(lock, configured));
    }
    let sink = Writer::new(BufWriter::with_capacity(BUFFER, stream)).with_packages();
    let installed = install::install(sink, archives.iter(), &settings, |step| {
        archives.done(step)?;
        host.check_cancelled()
    });
    let (installed, sink) = installed.map_err(cannot_install)?;
    archives.check_all_used()?;
    let finished = sink.finish().and_then(|mut stream| stream.flush());
    finished.map_err(|e| Error::io("cannot send the root filesystem", e))?;
    report(options, &lock, installed)
}

/// Whether the scripts of packages run. Those of `custom` do where there is a dpkg to run them.
fn runs_scripts(options: &Options, lock: &Lock) -> bool {
    match (options.scripts, options.variant) {
        (Scripts::Skip, _) | (_, Variant::Extract) => false,
        (Scripts::Run, Variant::Custom) => lock.packages.iter().any(|package| package.name == "dpkg"),
        (Scripts::Run, _) => true,
    }
}

/// What Debian's own slim images leave out (debuerreotype, `.slimify-excludes`).
const SLIM: &[&str] = &[
    "usr/share/doc/**",
    "!usr/share/doc/*/copyright",
    "usr/share/info/**",
    "usr/share/linda/**",
    "usr/share/lintian/overrides/**",
    "usr/share/locale/**",
    "usr/share/man/**",
];

/// Patterns of paths to leave out. The user's come last and so have the last word.
pub(crate) fn patterns(options: &Options, asked: &[String]) -> Vec<String> {
    let slim: &[&str] = if options.slim { SLIM } else { &[] };
    slim.iter().map(|&pattern| pattern.to_owned()).chain(asked.iter().cloned()).collect()
}

pub(crate) fn cannot_install(error: InstallError) -> Error {
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

/// The report of a build, scripts aside.
fn report_installed(lock: &Lock, installed: &Installed) -> SourceReport {
    let mut report = plan(lock);
    for (package, installed) in report.packages.iter_mut().zip(&installed.packages) {
        let text = installed.licence_text.as_deref();
        package.licences = text.map(|text| licence::licences(text.as_bytes())).unwrap_or_default();
    }
    report
}

fn report_configured(lock: &Lock, configured: Configured) -> SourceReport {
    let report = report_installed(lock, &configured.installed);
    SourceReport { scripts: configured.scripts, cleaned: configured.cleaned, ..report }
}

fn report(options: &Options, lock: &Lock, installed: Installed) -> Result<SourceReport> {
    let mut report = report_installed(lock, &installed);
    for package in installed.packages {
        let skipped = |script| Script {
            package: package.name.clone(),
            script,
            outcome: ScriptOutcome::Skipped,
            millis: None,
            changed: Vec::new(),
        };
        report.scripts.extend(package.scripts.into_iter().map(skipped));
    }
    match (options.variant, options.scripts, report.scripts.first()) {
        (Variant::Custom, Scripts::Run, Some(first)) => {
            let message = format!(
                "{} has a {} to run, and there is no dpkg among the packages that would run it",
                first.package, first.script
            );
            Err(Error::new(ErrorKind::Unsupported, message)
                .hint("Name dpkg and what it needs, or --variant essential.")
                .hint("--scripts skip leaves all scripts undone; --variant extract only unpacks.")
                .option("variant"))
        }
        _ => Ok(report),
    }
}
