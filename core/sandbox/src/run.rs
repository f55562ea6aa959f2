//! A program in the root, watched from outside.
//!
//! Each program has a process namespace of its own with a first process that is ours
//! ([`inside`](crate::inside)). When the program ends, that one ends, and the kernel ends
//! whatever else is in the namespace: no daemon outlives the script that started it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use ctr_forge_plugin::frame::Receiver;
use ctr_forge_plugin::sandbox::{Cover, RunOutcome, RunParams, Rung, View};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::RootPath;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use serde_json::Value;

use crate::child::{Held, Loader};
use crate::inside::{self, Setup, Word};
use crate::machine;
use crate::order::Answer;
use crate::owners::Owners;
use crate::root::Root;
use crate::supervisor::{Filter, Supervisor};

/// Most bytes of a program's output that are kept: its end.
const MAX_OUTPUT: usize = 64 << 10;

/// Longest line that is told, in bytes.
const MAX_LINE: usize = 4096;

/// Directories that something is mounted on.
const MOUNT_POINTS: [&str; 3] = ["proc", "sys", "dev"];

/// Most bytes of a method's answer.
const MAX_ANSWER: u64 = 16 << 20;

/// Runs a program, or the method of `params` from this code, and waits for its end; `line` is
/// told what it prints.
pub(crate) fn run(
    held: &mut Held,
    params: &RunParams,
    code: Option<(&dyn Loader, &Value)>,
    files: &[OwnedFd],
    line: &mut dyn FnMut(String) -> Result<()>,
) -> Result<RunOutcome> {
    if params.argv.is_empty() && code.is_none() {
        return Err(Error::usage("no program is named"));
    }
    let stubs = match params.view {
        View::Root => Stubs::make(&held.root, params),
        View::Machine => machine::check(held, params).map(|()| Stubs::none()),
    };
    let stubs = stubs?;
    let outcome = run_prepared(held, params, code, files, &stubs, line);
    stubs.remove(&held.root);
    outcome
}

/// What has to be there for something to be mounted on, and was not.
#[derive(Debug)]
struct Stubs {
    directories: Vec<&'static str>,
    files: Vec<RootPath>,
    /// The covers whose place is there.
    covers: Vec<(RootPath, Cover)>,
}

impl Stubs {
    fn none() -> Self {
        Self { directories: Vec::new(), files: Vec::new(), covers: Vec::new() }
    }

    fn make(root: &Root, params: &RunParams) -> Result<Self> {
        Self::try_make(root, params).map_err(|e| Error::io("cannot prepare the root for a program", e))
    }

    fn try_make(root: &Root, params: &RunParams) -> Result<Self, Errno> {
        let mut stubs = Self::none();
        for name in MOUNT_POINTS {
            match mkdirat(root, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => stubs.directories.push(name),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        for (path, content) in &params.covers {
            let path = RootPath::new(path.as_bytes()).map_err(|_| Errno::INVAL)?;
            let parent = match root.parent_of(&path) {
                Ok(parent) => parent,
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(error) => return Err(error),
            };
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(&parent, path.file_name(), flags, Mode::from_raw_mode(0o755)) {
                Ok(_) => stubs.files.push(path.clone()),
                Err(Errno::EXIST) => {
                    let there = statat(&parent, path.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                    if !FileType::from_raw_mode(there.st_mode).is_file() {
                        continue;
                    }
                }
                Err(error) => return Err(error),
            }
            stubs.covers.push((path, content.clone()));
        }
        Ok(stubs)
    }

    /// What a program has put there meanwhile stays.
    fn remove(&self, root: &Root) {
        for path in &self.files {
            if let Ok(parent) = root.parent_of(path) {
                let empty = statat(&parent, path.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file() && stat.st_size == 0);
                if empty {
                    let _ = unlinkat(&parent, path.file_name(), AtFlags::empty());
                }
            }
        }
        for name in &self.directories {
            let _ = unlinkat(root, *name, AtFlags::REMOVEDIR);
        }
    }
}

fn run_prepared(
    held: &mut Held,
    params: &RunParams,
    code: Option<(&dyn Loader, &Value)>,
    files: &[OwnedFd],
    stubs: &Stubs,
    line: &mut dyn FnMut(String) -> Result<()>,
) -> Result<RunOutcome> {
    let since = moment();
    let began = Instant::now();
    let cannot = |e| Error::io("cannot start a program in the root", e);
    let (output, output_end) = pipe_with(PipeFlags::CLOEXEC).map_err(cannot)?;
    let (words, words_end) = pipe_with(PipeFlags::CLOEXEC).map_err(cannot)?;
    let words_end = rustix::io::fcntl_dupfd_cloexec(words_end, inside::HIGH).map_err(cannot)?;
    let answer = rustix::fs::memfd_create("answer", rustix::fs::MemfdFlags::CLOEXEC).map_err(cannot)?;
    let answer_end = rustix::io::fcntl_dupfd_cloexec(&answer, inside::HIGH).map_err(cannot)?;
    let filter = match (held.rung, params.view) {
        // Tools of the machine know that there are places without devices.
        (Rung::Mapped, View::Root) => Some(Filter::Devices),
        (Rung::Single, _) => Some(Filter::Ids),
        (Rung::Mapped, View::Machine) | (Rung::Chroot, _) => None,
    };
    let (calls, calls_end) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(cannot)?;
    let setup = Setup {
        root: &held.root,
        rung: held.rung,
        mounts: held.mounts,
        params,
        covers: &stubs.covers,
        files,
        output: &output_end,
        words: &words_end,
        code,
        answer: &answer_end,
        calls: filter.map(|filter| (&calls_end, filter)),
    };
    let first = First::start(&setup, held).map_err(cannot)?;
    drop((output_end, words_end, calls_end));
    let mut calls = Calls { socket: Some(calls), receiver: Receiver::new(), supervisor: None };
    let mut printed =
        Printed { pipe: File::from(output), tail: VecDeque::new(), line: Vec::new(), open: true };
    let deadline = params.timeout.map(|seconds| began + Duration::from_secs(seconds));
    let timed_out = first.watch(&mut printed, &mut calls, &mut held.owners, deadline, line)?;
    printed.drain(line)?;
    first.reap();
    let mut text = Vec::new();
    let _ = File::from(words).read_to_end(&mut text);
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let output = String::from_utf8_lossy(&Vec::from(printed.tail)).into_owned();
    let answer = answered(answer)?;
    let outcome = RunOutcome { answer, timed_out, output, millis, began: since, ..RunOutcome::default() };
    // Where the program could not be begun, both processes say so, the one that knows why first.
    match serde_json::Deserializer::from_slice(&text).into_iter().next().unwrap_or(Ok(Word::Silence)) {
        Ok(Word::Code(code)) => Ok(RunOutcome { code: Some(code), ..outcome }),
        Ok(Word::Signal(signal)) => Ok(RunOutcome { signal: Some(signal), ..outcome }),
        Ok(Word::Failed(error)) => Err(error),
        _ if timed_out => Ok(outcome),
        _ => Err(Error::new(ErrorKind::ToolFailed, "a program in the root was ended from outside")),
    }
}

/// What a method left as its answer, if it got so far.
fn answered(answer: OwnedFd) -> Result<Option<Value>> {
    let mut bytes = Vec::new();
    let mut file = File::from(answer);
    let read = file.rewind().and_then(|()| file.take(MAX_ANSWER + 1).read_to_end(&mut bytes));
    read.map_err(|e| Error::io("cannot read what was answered in the root", e))?;
    match bytes.len() as u64 {
        0 => Ok(None),
        length if length > MAX_ANSWER => Err(Error::plugin("what was answered in the root is too long")),
        _ => {
            let answer: Answer = serde_json::from_slice(&bytes)
                .map_err(|e| Error::plugin("what was answered in the root is no JSON").because(&e))?;
            match answer {
                Answer::Ok(value) => Ok(Some(value)),
                Answer::Error(error) => Err(error),
            }
        }
    }
}

/// A moment by the kernel's clock for files, which goes in steps of some milliseconds: all
/// that was changed until now is older. In nanoseconds since 1970.
fn moment() -> u64 {
    let now = || rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let start = now();
    let mut moment = start;
    // The slowest kernels make 100 steps a second. A clock that is set back is not waited for.
    for _ in 0..200 {
        if (moment.tv_sec, moment.tv_nsec) != (start.tv_sec, start.tv_nsec) {
            break;
        }
        std::thread::sleep(Duration::from_micros(200));
        moment = now();
    }
    let seconds = u64::try_from(moment.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(moment.tv_nsec).unwrap_or(0))
}

/// The first process of a program's namespace.
struct First {
    pid: Pid,
    fd: OwnedFd,
}

impl First {
    fn start(setup: &Setup<'_>, held: &Held) -> Result<Self, Errno> {
        let mut flags = libc::CLONE_PIDFD;
        if held.mounts {
            flags |= libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
        }
        if held.rung != Rung::Chroot && !setup.params.network {
            flags |= libc::CLONE_NEWNET;
        }
        let mut fd: libc::c_int = -1;
        // The first fields of struct clone_args (clone(2)), CLONE_ARGS_SIZE_VER0.
        let mut arguments = [0_u64; 8];
        arguments[0] = u64::from(flags.cast_unsigned());
        arguments[1] = (&raw mut fd).addr() as u64;
        arguments[4] = u64::from(libc::SIGCHLD.cast_unsigned());
        // SAFETY: without CLONE_VM the child is a copy as after fork(2); this process has one
        // thread, so no lock is held in it by a thread that is not there. `fd` outlives the call.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, arguments.as_mut_ptr(), size_of_val(&arguments)) };
        match pid {
            0 => inside::first(setup),
            -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
            pid => {
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::INVAL)?;
                // SAFETY: the kernel has just made the descriptor, for us.
                Ok(Self { pid, fd: unsafe { OwnedFd::from_raw_fd(fd) } })
            }
        }
    }

    /// Takes in what is printed until the end; returns whether that came by the deadline.
    fn watch(
        &self,
        printed: &mut Printed,
        calls: &mut Calls,
        owners: &mut Owners,
        deadline: Option<Instant>,
        line: &mut dyn FnMut(String) -> Result<()>,
    ) -> Result<bool> {
        let mut timed_out = false;
        loop {
            let left = deadline.filter(|_| !timed_out).map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                timed_out = true;
                let _ = pidfd_send_signal(&self.fd, Signal::KILL);
                continue;
            }
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut fds = vec![PollFd::new(&self.fd, PollFlags::IN)];
            if let Some(fd) = calls.readable() {
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
            }
            let waits_for_calls = fds.len() > 1;
            if printed.open {
                fds.push(PollFd::new(&printed.pipe, PollFlags::IN));
            }
            match poll(&mut fds, left.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Error::io("cannot wait for a program", error)),
            }
            let ended = !fds[0].revents().is_empty();
            let called = waits_for_calls && fds[1].revents().contains(PollFlags::IN);
            let nobody_calls = waits_for_calls && !called && !fds[1].revents().is_empty();
            let has_printed = printed.open && fds.last().is_some_and(|fd| !fd.revents().is_empty());
            drop(fds);
            if called {
                calls.serve(owners)?;
            } else if nobody_calls {
                calls.close();
            }
            if has_printed {
                printed.read(line)?;
            } else if ended && !called {
                return Ok(timed_out);
            }
        }
    }

    fn reap(&self) {
        let _ = waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED);
    }
}

/// Nothing goes on when the sandbox process stops waiting for it.
impl Drop for First {
    fn drop(&mut self) {
        if pidfd_send_signal(&self.fd, Signal::KILL).is_ok() {
            self.reap();
        }
    }
}

/// Calls of a program that wait for an answer.
struct Calls {
    /// Where the descriptor comes from, until it has.
    socket: Option<OwnedFd>,
    receiver: Receiver,
    supervisor: Option<Supervisor>,
}

impl Calls {
    fn readable(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd).or(self.supervisor.as_ref().map(Supervisor::readable))
    }

    /// All who could call are gone.
    fn close(&mut self) {
        (self.socket, self.supervisor) = (None, None);
    }

    fn serve(&mut self, owners: &mut Owners) -> Result<()> {
        if let Some(socket) = self.socket.take() {
            let frame = self.receiver.receive(&socket);
            let frame = frame.map_err(|e| Error::io("cannot take over the calls of a program", e))?;
            // None, if there is no filter or the program never got so far.
            self.supervisor = frame.and_then(|mut frame| frame.files.pop()).map(Supervisor::new);
            return Ok(());
        }
        let served = self.supervisor.as_mut().map_or(Ok(()), |supervisor| supervisor.serve(owners));
        served.map_err(|e| Error::io("cannot answer the calls of a program", e))
    }
}

/// What a program prints.
struct Printed {
    pipe: File,
    tail: VecDeque<u8>,
    line: Vec<u8>,
    open: bool,
}

impl Printed {
    fn read(&mut self, line: &mut dyn FnMut(String) -> Result<()>) -> Result<()> {
        let mut buffer = [0; 16 << 10];
        let count = match self.pipe.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            result => result.map_err(|e| Error::io("cannot read what a program prints", e))?,
        };
        self.open = count > 0;
        self.tail.extend(&buffer[..count]);
        let surplus = self.tail.len().saturating_sub(MAX_OUTPUT);
        self.tail.drain(..surplus);
        for &byte in &buffer[..count] {
            if byte != b'\n' {
                self.line.push(byte);
            }
            if byte == b'\n' || self.line.len() >= MAX_LINE {
                self.tell(line)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, line: &mut dyn FnMut(String) -> Result<()>) -> Result<()> {
        let text = std::mem::take(&mut self.line);
        line(String::from_utf8_lossy(&text).into_owned())
    }

    /// Takes in the rest. All who could print are gone, but in a plain chroot, where a
    /// daemon may still hold the pipe: it is not waited for.
    fn drain(&mut self, line: &mut dyn FnMut(String) -> Result<()>) -> Result<()> {
        while self.open {
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            let mut fds = [PollFd::new(&self.pipe, PollFlags::IN)];
            if !matches!(poll(&mut fds, Some(&now)), Ok(1..)) {
                break;
            }
            self.read(line)?;
        }
        if self.line.is_empty() { Ok(()) } else { self.tell(line) }
    }
}

/// The number of a descriptor, for a process that was forked with it.
pub(crate) fn number(fd: impl AsFd) -> i32 {
    fd.as_fd().as_raw_fd()
}
