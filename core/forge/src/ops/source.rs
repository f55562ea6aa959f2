//! `ctr-forge source`: from a request to a root filesystem as one tar stream.
//!
//! The plugin's stream is taken in whole and checked before a byte of the
//! result is written. What comes out is the canonical form: sorted, dated no
//! later than the epoch, the same bytes for the same input.

use std::fs::File;
use std::io::{self, BufWriter, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ctr_forge_plugin::message::method;
use ctr_forge_plugin::sandbox::Rung;
use ctr_forge_plugin::{
    BuildTarget, CheckedBy, Component, Duplicates, Error, ErrorKind, PlanTarget, Resolved, Result, Role,
    ScriptOutcome, SourceReport, TrustLink, Vouch,
};
use ctr_forge_rootfs::{Digest, Exclude, Reader, Tree, TreeWarning, Writer};
use ctr_forge_sandbox::{Choice, Ending};
use serde::{Deserialize, Serialize};

use super::inspect::HashWriter;
use super::{
    Cancellable, CancellableFile, because, empty_tree, joined, possible_date, report_faults, request,
    require_tools, unless_cancelled,
};
use crate::destination::{StagedFile, refuse_inputs};
use crate::discovery::Plugin;
use crate::lock::Lock;
use crate::options::{Files, Options};
use crate::worker::{Job, Trace, clean};
use crate::{Attachments, Forge, Reporter};

/// Bytes read or written at a time, and the size of the pipe from the plugin.
const BUFFER: usize = 1 << 20;

/// What `ctr-forge source` is asked for.
#[derive(Debug)]
pub struct SourceRequest {
    /// Which of the plugin's sources.
    pub component: String,
    /// Its options.
    pub options: Options,
    /// Architecture of the root filesystem, by its OCI name with the variant: `arm/v7`.
    pub arch: String,
    /// What is left out.
    pub exclude: Exclude,
    /// The patterns of `exclude`, for the plugin.
    pub exclude_patterns: Vec<String>,
    /// Which sandbox programs are to run in.
    pub sandbox: Choice,
    /// Where the lock is, or is to be made where there is none.
    pub lock: Option<PathBuf>,
    /// Where the stream goes.
    pub sink: Sink,
}

/// Where a stream goes.
#[derive(Debug)]
pub enum Sink {
    /// A file, which appears when it is complete.
    File(PathBuf),
    /// A descriptor to write into; standard output, mostly.
    Stream(OwnedFd),
    /// It is not made: what would go into it is found out, and that is all.
    Nowhere,
}

/// What a source did, for `--report`.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Version of this format: 1.
    pub format: u32,
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub plugin_version: String,
    /// The source.
    pub source: String,
    /// Architecture, by its OCI name.
    pub arch: String,
    /// No time in the root filesystem is later, in seconds since 1970.
    pub epoch: i64,
    /// Entries in the root filesystem; absent where none was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Whether the plugin was cut off from the network, or why not.
    pub isolation: String,
    /// How programs that ran in the root were kept apart from the machine; absent where none could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Rung>,
    /// What the plugin itself reports.
    pub build: SourceReport,
}

/// Makes a root filesystem with `plugin`.
pub fn source(forge: &Forge, plugin: &Plugin, request: &SourceRequest) -> Result<Report> {
    match &request.sink {
        Sink::File(path) => {
            refuse_inputs(path, request.options.paths())?;
            // Made first: a place that cannot be written should be known before the work.
            let staged = StagedFile::new(path)?;
            let (report, tree, _ending) = build(forge, plugin, request)?;
            write_tree(forge, &tree, Cancellable::new(staged.file(), &forge.cancel))?;
            staged.publish()?;
            Ok(report)
        }
        Sink::Stream(stream) => {
            let stream =
                stream.try_clone().map(File::from).map_err(|e| Error::io("cannot write the stream", e))?;
            // A reader of the pipe takes no bytes at all for an empty, whole
            // tar; so even then it must get something that it cannot accept.
            // (If it is gone itself, nobody is left to be misled.)
            let (report, tree, _ending) = build(forge, plugin, request).inspect_err(|_| {
                let _ = Writer::new(&stream).break_off();
            })?;
            let sink = CancellableFile::for_writing(&stream, &forge.cancel);
            write_tree(forge, &tree, sink.map_err(|e| Error::io("cannot write the stream", e))?)?;
            Ok(report)
        }
        Sink::Nowhere => plan(forge, plugin, request),
    }
}

/// Makes a root filesystem and throws it away but for its digest. Each call
/// of the plugin has `limit` to answer.
pub(crate) fn source_digest(
    forge: &Forge,
    plugin: &Plugin,
    request: &SourceRequest,
    limit: Duration,
) -> Result<(Digest, Trace)> {
    let (_, tree, trace) = build_traced(forge, plugin, request, Some(limit))?;
    let mut writer = Writer::new(HashWriter::default());
    tree.write_to(&mut writer).map_err(|e| because("cannot read the root filesystem again", &e))?;
    let hashed = writer.finish().map_err(|e| Error::io("cannot read the root filesystem again", e))?;
    Ok((hashed.0.finish(), trace))
}

/// Writes the canonical stream. If that fails, the stream ends inside an entry.
fn write_tree(forge: &Forge, tree: &Tree, sink: impl Write) -> Result<()> {
    forge.reporter.phase("Writing the root filesystem");
    const WHAT: &str = "cannot write the root filesystem";
    let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, sink));
    if let Err(error) = tree.write_to(&mut writer) {
        let _ = writer.break_off();
        return Err(unless_cancelled(forge, because(WHAT, &error)));
    }
    let finished = writer.finish().and_then(|mut buffer| buffer.flush());
    finished.map_err(|e| unless_cancelled(forge, Error::io(WHAT, e)))
}

/// Runs the plugin, takes in its stream and brings it into the canonical form.
/// What comes last is what is still being removed; dropping it waits for that.
fn build(forge: &Forge, plugin: &Plugin, request: &SourceRequest) -> Result<(Report, Tree, Vec<Ending>)> {
    let (report, tree, trace) = build_traced(forge, plugin, request, None)?;
    report_faults(forge, plugin, &trace.faults);
    warn_of_scripts(&*forge.reporter, &report.build);
    Ok((report, tree, trace.endings))
}

/// Finds out what would be built.
fn plan(forge: &Forge, plugin: &Plugin, request: &SourceRequest) -> Result<Report> {
    let component = component(plugin, request)?;
    let mut locked = Locked::new(plugin, request)?;
    let mut job = Job::start(forge, plugin, component)?;
    let isolation = isolation(component, &job);
    let resolved = match locked.take() {
        Some(resolved) => resolved,
        None => resolve(forge, &mut job, request)?,
    };
    locked.resolved(&resolved)?;
    let mut files = Attachments::new();
    let options = request.options.to_request(Files::Named, &mut files)?;
    let target = PlanTarget { lock: resolved.lock };
    let build = job.call_optional(method::PLAN, message(forge, request, options, target), files)?;
    let build: SourceReport = build.unwrap_or_default();
    let trace = job.finish()?;
    report_faults(forge, plugin, &trace.faults);
    let build = locked.mark(build, &trace);
    locked.publish()?;
    Ok(report(forge, plugin, request, isolation, build))
}

fn build_traced(
    forge: &Forge,
    plugin: &Plugin,
    request: &SourceRequest,
    limit: Option<Duration>,
) -> Result<(Report, Tree, Trace)> {
    let component = component(plugin, request)?;
    require_tools(forge, component)?;
    let tree = match component.duplicates {
        Duplicates::Refuse => empty_tree(forge, ctr_forge_rootfs::Duplicates::Refuse)?,
        Duplicates::LastWins | Duplicates::Replace => {
            empty_tree(forge, ctr_forge_rootfs::Duplicates::LastWins)?
        }
    };
    let mut locked = Locked::new(plugin, request)?;
    let mut job = Job::start(forge, plugin, component)?;
    job.set_deadline(limit);
    job.set_sandbox(request.sandbox);
    let isolation = isolation(component, &job);
    let resolved = match locked.take() {
        Some(resolved) => resolved,
        None => {
            let resolved = resolve(forge, &mut job, request)?;
            locked.resolved(&resolved)?;
            resolved
        }
    };
    let (build, mut tree, trace) = run_build(forge, job, request, resolved, tree, component.duplicates)?;

    let mut report = report(forge, plugin, request, isolation, locked.mark(build, &trace));
    tree.normalise(report.epoch).map_err(|e| because(bad_stream(plugin, component.duplicates), &e))?;
    if !request.exclude.is_empty() {
        let kept = tree.retain(|path| !request.exclude.excludes(path));
        kept.map_err(|e| because("cannot leave paths out", &e))?;
    }
    for warning in tree.take_warnings() {
        if component.duplicates == Duplicates::Replace && matches!(warning, TreeWarning::Replaced { .. }) {
            continue;
        }
        forge.reporter.warning(&warning.to_string(), None);
    }
    report.entries = Some(tree.len() as u64);
    report.sandbox = trace.rung;
    locked.publish()?;
    Ok((report, tree, trace))
}

fn component<'a>(plugin: &'a Plugin, request: &SourceRequest) -> Result<&'a Component> {
    plugin.component(Role::Source, &request.component).ok_or_else(|| {
        Error::usage(format!("plugin \"{}\" has no source \"{}\"", plugin.manifest.name, request.component))
    })
}

fn report(
    forge: &Forge,
    plugin: &Plugin,
    request: &SourceRequest,
    isolation: String,
    build: SourceReport,
) -> Report {
    Report {
        format: 1,
        plugin: plugin.manifest.name.clone(),
        plugin_version: plugin.manifest.version.clone(),
        source: request.component.clone(),
        arch: request.arch.clone(),
        epoch: forge.epoch.unwrap_or_else(|| possible_date(build.epoch.unwrap_or(0))),
        entries: None,
        isolation,
        sandbox: None,
        build,
    }
}

/// Most packages that the warning of scripts names.
const NAMED_PACKAGES: usize = 8;

/// One line that says whose scripts did not run: what they would have done is missing in the result.
fn warn_of_scripts(reporter: &dyn Reporter, build: &SourceReport) {
    let skipped = || build.scripts.iter().filter(|script| script.outcome == ScriptOutcome::Skipped);
    let mut packages: Vec<_> = skipped().map(|script| script.package.as_str()).collect();
    packages.dedup();
    if packages.is_empty() {
        return;
    }
    let more = match packages.len().saturating_sub(NAMED_PACKAGES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let count = skipped().count();
    let named = packages[..packages.len().min(NAMED_PACKAGES)].join(", ");
    let scripts = if count == 1 { "script was" } else { "scripts were" };
    reporter.warning(&format!("{count} {scripts} not run, of {named}{more}; --report names each"), None);
}

/// The lock of a request: what it says, or the place where it is to appear.
struct Locked {
    asked: Lock,
    found: Option<Resolved>,
    /// The link of a lock that was found.
    link: Option<TrustLink>,
    place: Option<StagedFile>,
}

impl Locked {
    fn new(plugin: &Plugin, request: &SourceRequest) -> Result<Self> {
        let manifest = &plugin.manifest;
        let asked = Lock::new(
            (&manifest.name, &manifest.version),
            &request.component,
            &request.arch,
            request.options.words()?,
            Resolved::default(),
        );
        let mut locked = Self { asked, found: None, link: None, place: None };
        let Some(path) = &request.lock else { return Ok(locked) };
        match Lock::read(path)? {
            Some((lock, digest)) => {
                lock.check(&locked.asked)?;
                locked.link = Some(TrustLink {
                    subject: path.display().to_string(),
                    digest: digest.to_string(),
                    how: Vouch::Lock,
                    signers: Vec::new(),
                    listed_in: None,
                    checked_by: CheckedBy::Host,
                });
                locked.found = Some(lock.resolved);
            }
            // Made first: a place that cannot be written should be known before the work.
            None => locked.place = Some(StagedFile::new(path)?),
        }
        Ok(locked)
    }

    /// The plugin's report with what the host has checked marked in it, and nothing else. What a
    /// lock says was checked when it was made; now it is the lock that vouches.
    fn mark(&self, mut build: SourceReport, trace: &Trace) -> SourceReport {
        trace.ledger.mark(&mut build);
        build.trust.splice(0..0, self.link.clone());
        build
    }

    /// What the lock says, if there was one.
    fn take(&mut self) -> Option<Resolved> {
        self.found.take()
    }

    fn resolved(&mut self, resolved: &Resolved) -> Result<()> {
        if self.place.is_none() {
            return Ok(());
        }
        if let Some(reason) = &resolved.open {
            let message = format!("no lock can be made: {}", clean(reason));
            return Err(Error::new(ErrorKind::Unsupported, message).option("lock"));
        }
        self.asked.resolved = resolved.clone();
        Ok(())
    }

    /// Lets a new lock appear.
    fn publish(self) -> Result<()> {
        let Some(place) = self.place else { return Ok(()) };
        self.asked.write(&place)?;
        place.publish()
    }
}

fn isolation(component: &Component, job: &Job<'_>) -> String {
    match job.not_isolated() {
        _ if component.needs.network => "may use the network, as its manifest asks".into(),
        Some(reason) => format!("not isolated: {reason}"),
        None => "isolated from the network".into(),
    }
}

fn resolve(forge: &Forge, job: &mut Job<'_>, request: &SourceRequest) -> Result<Resolved> {
    let mut files = Attachments::new();
    let options = request.options.to_request(Files::OpenedTwice, &mut files)?;
    let resolved = job.call_optional(method::RESOLVE, message(forge, request, options, ()), files)?;
    Ok(resolved.unwrap_or_default())
}

fn message<T: Serialize>(
    forge: &Forge,
    asked: &SourceRequest,
    options: serde_json::Value,
    target: T,
) -> impl Serialize {
    let mut message = request(forge, Role::Source, &asked.component, &asked.arch, options, target);
    message.context.exclude.clone_from(&asked.exclude_patterns);
    message
}

/// Calls `build` and reads the stream that it writes, both at once.
fn run_build(
    forge: &Forge,
    mut job: Job<'_>,
    request: &SourceRequest,
    resolved: Resolved,
    tree: Tree,
    duplicates: Duplicates,
) -> Result<(SourceReport, Tree, Trace)> {
    let plugin = job.plugin();
    let (stream, theirs) = io::pipe().map_err(|e| Error::io("cannot make a pipe", e))?;
    // Fewer switches between the two, where the kernel grants it.
    let _ = rustix::pipe::fcntl_setpipe_size(&stream, BUFFER);
    let refused = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read_stream(stream, tree, refused));
        let mut files = Attachments::new();
        let target = BuildTarget { lock: resolved.lock, rootfs: files.add(theirs) };
        let options = request.options.to_request(Files::Opened, &mut files);
        let sent = options.and_then(|options| {
            job.send_call(method::BUILD, message(forge, request, options, target), files)
        });
        let answer: Result<SourceReport> = sent.and_then(|id| job.wait_unless(id, method::BUILD, refused));
        // The worker ends before its stream is judged: whatever held the pipe open is gone then.
        let trace = match &answer {
            Ok(_) => job.finish()?,
            Err(_) => {
                drop(job);
                Trace::default()
            }
        };
        match (answer, joined(reader.join())?) {
            (Ok(answer), Ok(tree)) => Ok((answer, tree, trace)),
            (Ok(_), Err(refusal)) => {
                Err(unless_cancelled(forge, refusal.error.context(bad_stream(plugin, duplicates))))
            }
            // Its writer failed because the stream was refused, not the other way round.
            (Err(_), Err(refusal)) if !refusal.at_end => {
                Err(unless_cancelled(forge, refusal.error.context(bad_stream(plugin, duplicates))))
            }
            (Err(error), _) => Err(error),
        }
    })
}

/// Whose fault a bad stream is: one whose entries may replace each other is made of the user's own inputs.
fn bad_stream(plugin: &Plugin, duplicates: Duplicates) -> String {
    let name = &plugin.manifest.name;
    match duplicates {
        Duplicates::Refuse | Duplicates::Replace => {
            format!("plugin \"{name}\" sent a root filesystem that cannot be used")
        }
        Duplicates::LastWins => {
            format!("what was given to \"{name}\" makes no root filesystem that can be used")
        }
    }
}

/// Why a stream was refused, and whether all of it had been read by then.
struct Refusal {
    error: Error,
    at_end: bool,
}

fn read_stream(stream: PipeReader, mut tree: Tree, refused: &AtomicBool) -> Result<Tree, Refusal> {
    let mut stream = WatchEnd { stream, ended: false };
    let mut reader = Reader::new(io::BufReader::with_capacity(BUFFER, &mut stream));
    let outcome = tree.read_tar(&mut reader);
    drop(reader);
    match outcome {
        Ok(()) => Ok(tree),
        Err(error) => {
            refused.store(!stream.ended, Ordering::Release);
            Err(Refusal { error: because("its stream is refused", &error), at_end: stream.ended })
        }
    }
}

struct WatchEnd {
    stream: PipeReader,
    ended: bool,
}

impl Read for WatchEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.ended |= count == 0;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The schema is generated, and this keeps it true. `UPDATE=1 cargo test -p ctr-forge-core` writes it.
    #[test]
    fn the_published_schema_is_that_of_the_report() {
        let schema = schemars::schema_for!(Report);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.schema.json");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&place, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&place).unwrap(), text);
    }

    #[test]
    fn scripts_that_did_not_run_make_one_line() {
        struct Last(std::sync::Mutex<Vec<String>>);
        impl crate::Reporter for Last {
            fn log(&self, _: ctr_forge_plugin::Level, _: &str) {}
            fn warning(&self, message: &str, _: Option<&str>) {
                self.0.lock().unwrap().push(message.into());
            }
            fn phase(&self, _: &str) {}
            fn progress(&self, _: u64, _: u64, _: &str) {}
        }
        let script = |package: &str, outcome| ctr_forge_plugin::Script {
            package: package.into(),
            script: "postinst".into(),
            outcome,
            millis: None,
            changed: Vec::new(),
        };
        let mut build = SourceReport::default();
        let told = |build: &SourceReport| {
            let last = Last(std::sync::Mutex::default());
            warn_of_scripts(&last, build);
            last.0.into_inner().unwrap()
        };
        assert!(told(&build).is_empty());
        build.scripts = (0..10).map(|n| script(&format!("p{n}"), ScriptOutcome::Skipped)).collect();
        build.scripts.push(script("ran", ScriptOutcome::Run));
        let lines = told(&build);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].starts_with("10 scripts were not run, of p0, p1") && lines[0].contains("and 2 more")
        );
    }
}
