//! `dpkg --configure`, and what it says of each script.
//!
//! dpkg tells its status on a descriptor of its own (`--status-fd`): when a package becomes
//! `half-configured` its `postinst` begins, and with the next state it has ended. What a script
//! changed is told by when files changed, as exactly as the kernel's clock for files goes. A
//! file that several changed counts for the last one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, PipeReader};

use ctr_forge_plugin::sandbox::{Change, RunOutcome};
use ctr_forge_plugin::{Error, ErrorKind, FileRef, Result, Rootfs, Script, ScriptOutcome};

use super::script::{command, failed, is_reported};
use super::{Task, now};

/// The number of the descriptor on which dpkg tells its status.
const STATUS: i32 = 3;

/// A `postinst` that ran, its times in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    package: String,
    /// Whether a trigger was the reason.
    triggered: bool,
    began: u64,
    ended: u64,
}

/// Configures all that is unpacked; the first stratum is one whose dependencies may be a circle.
/// Returns whose scripts ran, and since when: nanoseconds since 1970.
pub(super) fn configure(task: &Task<'_>, rootfs: &Rootfs<'_>, first: bool) -> Result<(Vec<Run>, u64)> {
    let (reader, writer) = io::pipe().map_err(|e| Error::io("cannot make a pipe", e))?;
    let told = format!("--status-fd={STATUS}");
    let mut words = vec!["/usr/bin/dpkg", &told];
    if first {
        words.push("--force-depends");
    }
    words.extend(["--configure", "--pending"]);
    let mut params = command(task, &words)?;
    let file = std::os::fd::AsRawFd::as_raw_fd(&writer);
    params.files = BTreeMap::from([(STATUS, FileRef { fd: file })]);
    let (outcome, status) = std::thread::scope(|scope| {
        let status = scope.spawn(move || follow(reader));
        let outcome = rootfs.run(&params);
        // The other end sees the end of it only when nobody has this one open.
        drop(writer);
        (outcome, status.join())
    });
    let outcome = outcome?;
    let status = status.map_err(|_| Error::plugin("a thread that follows dpkg panicked"))?;
    if !outcome.is_success() || status.failure.is_some() {
        return Err(cannot_configure(&outcome, &status));
    }
    check(rootfs)?;
    let scripts = rootfs.list("/var/lib/dpkg/info")?.unwrap_or_default();
    let has_one = |run: &Run| {
        let of = |name: &str| scripts.binary_search(&format!("{name}.postinst")).is_ok();
        of(&run.package) || of(plain(&run.package))
    };
    Ok((status.runs.into_iter().filter(has_one).collect(), outcome.began))
}

/// What dpkg told.
#[derive(Debug, Default)]
struct Status {
    runs: Vec<Run>,
    /// The package whose script runs, whether a trigger is the reason, and since when.
    running: Option<(String, bool, u64)>,
    triggered: bool,
    failure: Option<(String, String)>,
}

fn follow(reader: PipeReader) -> Status {
    let mut status = Status::default();
    // What is no text tells nothing.
    for line in BufReader::new(reader).split(b'\n').map_while(io::Result::ok) {
        status.line(&String::from_utf8_lossy(&line), now());
    }
    status
}

impl Status {
    /// `processing: WHAT: PACKAGE`, `status: PACKAGE: STATE` or `status: PACKAGE : error : WHY`.
    fn line(&mut self, line: &str, now: u64) {
        if let Some(rest) = line.strip_prefix("processing: ") {
            self.triggered = rest.starts_with("trigproc:");
        } else if let Some(rest) = line.strip_prefix("status: ") {
            if let Some((package, why)) = rest.split_once(" : error : ") {
                self.failure.get_or_insert_with(|| (package.to_owned(), why.to_owned()));
            } else if let Some((package, state)) = rest.rsplit_once(": ") {
                self.state(package, state.trim(), now);
            }
        }
    }

    fn state(&mut self, package: &str, state: &str, now: u64) {
        if let Some((package, triggered, began)) = self.running.take() {
            self.runs.push(Run { package, triggered, began, ended: now });
        }
        if state == "half-configured" {
            self.running = Some((package.to_owned(), self.triggered, now));
        }
    }
}

fn cannot_configure(outcome: &RunOutcome, status: &Status) -> Error {
    let running = status.running.as_ref().map(|(package, ..)| package.as_str());
    match (&status.failure, running) {
        (Some((package, why)), _) => {
            let mut error =
                Error::new(ErrorKind::ToolFailed, format!("{} cannot be configured", plain(package)));
            error.causes.push(why.clone());
            error.causes.extend(outcome.last_lines());
            error.hint("-v shows all that scripts print.")
        }
        (None, Some(package)) => failed(plain(package), "postinst", outcome),
        (None, None) => {
            let mut error = failed("dpkg", "--configure", outcome);
            error.message = "dpkg cannot configure the packages".to_owned();
            error
        }
    }
}

/// An error unless every package is installed.
fn check(rootfs: &Rootfs<'_>) -> Result<()> {
    let status = rootfs.read_all("/var/lib/dpkg/status")?;
    let text = String::from_utf8_lossy(&status);
    let mut package = "";
    let mut wrong = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Package: ") {
            package = name;
        } else if let Some(state) = line.strip_prefix("Status: ")
            && state != "install ok installed"
        {
            wrong.insert(format!("{package}: {state}"));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => {
            let mut error = Error::new(ErrorKind::ToolFailed, "dpkg left packages that are not configured");
            error.causes.extend(wrong);
            Err(error)
        }
    }
}

/// A package's name without its architecture.
fn plain(package: &str) -> &str {
    package.split(':').next().unwrap_or(package)
}

/// What the report says of the scripts that ran; `changes` are those since dpkg began.
pub(super) fn report(runs: &[Run], changes: &[Change]) -> Vec<Script> {
    let mut changed: Vec<Vec<String>> = vec![Vec::new(); runs.len()];
    for change in changes.iter().filter(|change| is_reported(&change.path)) {
        // The kernel's clock for files lags behind by a tick, so a change may seem to come before
        // its script; never after.
        let by = runs.partition_point(|run| run.ended < change.time);
        if let Some(changed) = changed.get_mut(by) {
            changed.push(change.path.clone());
        }
    }
    let script = |(run, changed): (&Run, Vec<String>)| Script {
        package: plain(&run.package).to_owned(),
        script: if run.triggered { "postinst triggered" } else { "postinst" }.to_owned(),
        outcome: ScriptOutcome::Run,
        millis: Some((run.ended - run.began) / 1_000_000),
        changed,
    };
    runs.iter().zip(changed).map(script).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(lines: &str) -> Status {
        let mut status = Status::default();
        lines.lines().zip(1..).for_each(|(line, time)| status.line(line, time * 1_000_000_000));
        status
    }

    #[test]
    fn scripts_are_told_by_their_states() {
        let status = status(
            "processing: configure: libc6:amd64\nstatus: libc6:amd64: half-configured\n\
             status: libc6:amd64: installed\nprocessing: trigproc: man-db\n\
             status: man-db: half-configured\nstatus: man-db: installed\n",
        );
        let change = |path: &str, seconds: u64| Change { path: path.into(), time: seconds * 1_000_000_000 };
        let changes =
            [change("/etc/a", 2), change("/var/x", 5), change("/var/lib/dpkg/status", 5), change("/z", 9)];
        let report = report(&status.runs, &changes);
        let lines: Vec<_> = report
            .iter()
            .map(|script| {
                (script.package.as_str(), script.script.as_str(), script.millis, script.changed.join(" "))
            })
            .collect();
        assert_eq!(
            lines,
            [
                ("libc6", "postinst", Some(1000), "/etc/a".to_owned()),
                ("man-db", "postinst triggered", Some(1000), "/var/x".to_owned())
            ]
        );
    }

    #[test]
    fn a_failure_names_its_package() {
        let status = status(
            "processing: configure: x\nstatus: x: half-configured\n\
             status: x : error : installed x package post-installation script subprocess returned error exit status 3\n",
        );
        let outcome = RunOutcome { code: Some(1), output: "a\n\nb: no\n".into(), ..RunOutcome::default() };
        let error = cannot_configure(&outcome, &status);
        assert_eq!(error.message, "x cannot be configured");
        assert!(error.causes[0].contains("exit status 3") && error.causes.ends_with(&["b: no".to_owned()]));
    }
}
