//! The worker as a process: started with nothing it need not have, ended with all it left.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ctr_forge_plugin::frame::{self, Kind};
use ctr_forge_plugin::{Component, Error, ErrorKind, Result, ValueType};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};

use super::capture::Capture;
use super::{ARGUMENT, CodeKind, Start};
use crate::Forge;
use crate::discovery::{Code, Plugin};

/// A running worker.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pub(super) socket: OwnedFd,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
    /// Children that this process had before: they are none of the worker's.
    others: Vec<i32>,
    /// Children that the host has started since, for this job.
    pub(super) ours: Vec<i32>,
    /// Whether the worker has been waited for, so that its number may be another's by now.
    reaped: bool,
}

impl Process {
    /// Starts a worker and sends START.
    pub(super) fn start(forge: &Forge, plugin: &Plugin, component: &Component) -> Result<Self> {
        let cannot = |e: io::Error| Error::io("cannot start a worker", e);
        let (socket, theirs) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|e| cannot(e.into()))?;
        let others = children();
        let mut child = Command::new(&forge.executable)
            .arg(ARGUMENT)
            .env_clear()
            .envs(forge.worker_env.iter().cloned())
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group: what it starts can be ended with it, and Ctrl-C reaches us alone.
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        let pipes = child.stdout.take().zip(child.stderr.take());
        let (stdout, stderr) =
            pipes.ok_or_else(|| Error::new(ErrorKind::Internal, "a worker without pipes"))?;
        let process = Self {
            child,
            socket,
            stdout: Capture::new(stdout.into()),
            stderr: Capture::new(stderr.into()),
            others,
            ours: Vec::new(),
            reaped: false,
        };
        process.send_start(plugin, component).map_err(|e| Error::io("cannot reach the worker", e))?;
        Ok(process)
    }

    fn send_start(&self, plugin: &Plugin, component: &Component) -> io::Result<()> {
        let (code, file): (_, Option<&File>) = match &plugin.code {
            Code::Library(file) => (CodeKind::Library, Some(file)),
            Code::Executable(file) => (CodeKind::Executable, Some(file)),
            Code::Bundled(_) => (CodeKind::Bundled, None),
        };
        let start = Start {
            parent: rustix::process::getpid().as_raw_nonzero().get(),
            code,
            name: plugin.manifest.name.clone(),
            manifest: String::from_utf8_lossy(&plugin.manifest_bytes).into_owned(),
            network: component.needs.network,
            reads_files: component.options.iter().any(|option| {
                matches!(option.kind, ValueType::Path | ValueType::PathMap | ValueType::WordOrPath)
            }),
        };
        let files: Vec<_> = file.iter().map(|file| file.as_fd()).collect();
        frame::send(&self.socket, Kind::Start, 0, &serde_json::to_vec(&start)?, &files)
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Signals the worker and all of its process group.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().filter(|_| !self.reaped) {
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }

    /// Waits for the worker to end, at most so long; then it is killed, and the
    /// flag says so. What is left of its group is killed in any case.
    pub(super) fn wait(&mut self, patience: Duration) -> io::Result<(ExitStatus, bool)> {
        let end = Instant::now() + patience;
        let mut pause = Duration::from_micros(100);
        let mut exited = self.has_exited();
        while !exited && Instant::now() < end {
            // Nobody exits while it waits for us to read.
            self.stdout.keep();
            self.stderr.keep();
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
            exited = self.has_exited();
        }
        self.signal(Signal::KILL);
        let status = self.child.wait()?;
        self.reaped = true;
        Ok((status, !exited))
    }

    /// Whether the worker has ended. It is not reaped, so that its number stays its own.
    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.reaped
            || self.pid().is_none_or(|pid| {
                matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(Some(_)) | Err(_))
            })
    }

    /// Ends what the worker left behind, when it is gone itself; returns how many processes that were.
    ///
    /// They have become children of this process, if it is a subreaper (`prctl(2)`). `ours` are
    /// those that the host has started meanwhile.
    pub(super) fn end_leftovers(&self, ours: &[i32]) -> usize {
        let mut count = 0;
        // Ending a parent hands its children to us, so look until nobody is left.
        for _ in 0..100 {
            let left = children().into_iter().filter(|pid| !self.others.contains(pid) && !ours.contains(pid));
            let left = left.filter_map(Pid::from_raw);
            let ended: Vec<_> =
                left.filter(|&pid| rustix::process::kill_process(pid, Signal::KILL).is_ok()).collect();
            if ended.is_empty() {
                break;
            }
            for pid in ended {
                let ended = rustix::process::waitpid(Some(pid), WaitOptions::empty());
                count += usize::from(matches!(ended, Ok(Some(_))));
            }
        }
        count
    }
}

/// Nothing of a worker outlives its job, whatever way that ends.
impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
        self.end_leftovers(&self.ours);
    }
}

/// The children of every thread of this process (`proc(5)`); none where the kernel does not tell.
fn children() -> Vec<i32> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// How a process ended, as part of a sentence.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => match signal_name(signal) {
            Some(name) => format!("was ended by {name}"),
            None => format!("was ended by signal {signal}"),
        },
        (None, None) => "ended in an unknown way".into(),
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    let names = [
        (libc::SIGABRT, "SIGABRT (it aborted)"),
        (libc::SIGSEGV, "SIGSEGV (it used memory that is not its own)"),
        (libc::SIGBUS, "SIGBUS (a file that it had mapped was cut, or memory ran out)"),
        (libc::SIGILL, "SIGILL (an instruction that this processor does not have)"),
        (libc::SIGFPE, "SIGFPE (an impossible computation)"),
        (libc::SIGKILL, "SIGKILL (killed, perhaps for want of memory)"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGSYS, "SIGSYS (a forbidden system call)"),
    ];
    names.into_iter().find(|(number, _)| *number == signal).map(|(_, name)| name)
}
