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
use ctr_forge_plugin::{BuildTarget, Component, Duplicates, Error, Resolved, Result, Role, SourceReport};
use ctr_forge_rootfs::{Digest, Exclude, Hasher, Reader, Tree, Writer};
use serde::{Deserialize, Serialize};

use super::{
    Cancellable, CancellableFile, because, empty_tree, joined, possible_date, report_faults, request,
    require_tools, unless_cancelled,
};
use crate::destination::{StagedFile, refuse_inputs};
use crate::discovery::Plugin;
use crate::options::{Files, Options};
use crate::worker::{Job, Trace};
use crate::{Attachments, Forge};

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
    /// It is made and checked, and that is all.
    Nowhere,
}

/// What a source did, for `--report`.
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
    /// Entries in the root filesystem.
    pub entries: u64,
    /// Whether the plugin was cut off from the network, or why not.
    pub isolation: String,
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
            let (report, tree) = build(forge, plugin, request)?;
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
            let (report, tree) = build(forge, plugin, request).inspect_err(|_| {
                let _ = Writer::new(&stream).break_off();
            })?;
            let sink = CancellableFile::for_writing(&stream, &forge.cancel);
            write_tree(forge, &tree, sink.map_err(|e| Error::io("cannot write the stream", e))?)?;
            Ok(report)
        }
        Sink::Nowhere => build(forge, plugin, request).map(|(report, _)| report),
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

#[derive(Default)]
struct HashWriter(Hasher);

impl Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
fn build(forge: &Forge, plugin: &Plugin, request: &SourceRequest) -> Result<(Report, Tree)> {
    let (report, tree, trace) = build_traced(forge, plugin, request, None)?;
    report_faults(forge, plugin, &trace.faults);
    Ok((report, tree))
}

fn build_traced(
    forge: &Forge,
    plugin: &Plugin,
    request: &SourceRequest,
    limit: Option<Duration>,
) -> Result<(Report, Tree, Trace)> {
    let component = plugin.component(Role::Source, &request.component).ok_or_else(|| {
        Error::usage(format!("plugin \"{}\" has no source \"{}\"", plugin.manifest.name, request.component))
    })?;
    require_tools(forge, component)?;
    let tree = match component.duplicates {
        Duplicates::Refuse => empty_tree(forge, ctr_forge_rootfs::Duplicates::Refuse)?,
        Duplicates::LastWins => empty_tree(forge, ctr_forge_rootfs::Duplicates::LastWins)?,
    };
    let mut job = Job::start(forge, plugin, component)?;
    job.set_deadline(limit);
    let isolation = isolation(component, &job);
    let resolved = resolve(forge, &mut job, request)?;
    let (build, mut tree, trace) = run_build(forge, job, request, resolved, tree, component.duplicates)?;

    let epoch = forge.epoch.unwrap_or_else(|| possible_date(build.epoch.unwrap_or(0)));
    tree.normalise(epoch).map_err(|e| because(bad_stream(plugin, component.duplicates), &e))?;
    if !request.exclude.is_empty() {
        let kept = tree.retain(|path| !request.exclude.excludes(path));
        kept.map_err(|e| because("cannot leave paths out", &e))?;
    }
    for warning in tree.take_warnings() {
        forge.reporter.warning(&warning.to_string(), None);
    }
    let report = Report {
        format: 1,
        plugin: plugin.manifest.name.clone(),
        plugin_version: plugin.manifest.version.clone(),
        source: request.component.clone(),
        arch: request.arch.clone(),
        epoch,
        entries: tree.len() as u64,
        isolation,
        build,
    };
    Ok((report, tree, trace))
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
    request(forge, Role::Source, &asked.component, &asked.arch, options, target)
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
        Duplicates::Refuse => format!("plugin \"{name}\" sent a root filesystem that cannot be used"),
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
