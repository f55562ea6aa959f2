//! The host's side of a sandbox: start its process, give orders, end it.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use ctr_forge_plugin::frame::{self, Kind, Receiver};
use ctr_forge_plugin::sandbox::{Change, RootfsEntries, RunOutcome, RunParams, Rung};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::emulate::Emulator;
use crate::ids::Mapping;
use crate::ladder::{self, Choice};
use crate::memory;
use crate::order::{Answer, Order, Start, Told};
use crate::place::Place;
use crate::{ARGUMENT, place};

/// What a sandbox is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This binary, which calls [`run_child`](crate::run_child) when its first word is [`ARGUMENT`].
    pub executable: PathBuf,
    /// The environment of the sandbox process.
    pub env: Vec<(OsString, OsString)>,
    /// Where the root's directory is made. It can be as large as the root.
    pub temp_dir: PathBuf,
    /// Which sandbox the user wants.
    pub choice: Choice,
    /// The architecture of the programs that will run, by its OCI name.
    pub arch: String,
    /// About how many bytes the root will hold, where it may be built in memory.
    pub bytes: Option<u64>,
}

/// A root being built, and the process that holds it.
#[derive(Debug)]
pub struct Sandbox {
    settings: Settings,
    process: Process,
    place: Place,
    rung: Rung,
    next: u32,
    ended: bool,
}

/// Ends a sandbox from elsewhere while it works.
#[derive(Debug)]
pub struct Ender(OwnedFd);

impl Ender {
    /// Ends it at once; whoever waits for it gets an error.
    pub fn end(&self) {
        // It fails only if the process is gone already.
        let _ = rustix::process::pidfd_send_signal(&self.0, Signal::KILL);
    }
}

impl Sandbox {
    /// Makes an empty root, in the best sandbox that can be had of those wanted. What dead
    /// builds left is removed on the way.
    ///
    /// # Errors
    ///
    /// If none can be had: why not, each in turn, and what would help.
    pub fn start(settings: &Settings) -> Result<Self> {
        // Failing at that is no reason to fail; `ctr-forge clean` tells.
        let _ = place::sweep(settings);
        let emulator = Emulator::find(&settings.arch)?;
        Self::climb(settings, Place::new(&settings.temp_dir)?, emulator)
    }

    /// A sandbox over a directory that another one left.
    pub(crate) fn over(settings: &Settings, place: Place) -> Result<Self> {
        let settings = Settings { bytes: None, ..settings.clone() };
        Self::climb(&settings, place, None)
    }

    fn climb(settings: &Settings, place: Place, emulator: Option<Emulator>) -> Result<Self> {
        let is_root = rustix::process::geteuid().is_root();
        let memory = settings.bytes.and_then(memory::limit);
        let mut failures = Vec::new();
        for &rung in settings.choice.rungs() {
            let process = Process::start(settings);
            match process.and_then(|process| process.enter(&place, rung, emulator.as_ref(), memory)) {
                Ok(process) => {
                    let settings = settings.clone();
                    return Ok(Self { settings, process, place, rung, next: 1, ended: false });
                }
                Err(error) => failures.push((rung, error)),
            }
        }
        let _ = place.remove();
        Err(ladder::none(settings.choice, &failures, is_root))
    }

    /// How programs are kept apart from the machine.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// The process, whose parent is this one.
    pub fn pid(&self) -> i32 {
        self.process.child.id().cast_signed()
    }

    /// A way to end it while it works.
    ///
    /// # Errors
    ///
    /// If there are too many open files.
    pub fn ender(&self) -> Result<Ender> {
        let pid = Pid::from_child(&self.process.child);
        let fd = rustix::process::pidfd_open(pid, PidfdFlags::empty());
        fd.map(Ender).map_err(|e| Error::io("cannot watch the sandbox process", e))
    }

    /// Takes a tar stream into the root. What is there already is replaced, a directory stays.
    ///
    /// # Errors
    ///
    /// If the stream is broken or an entry cannot be made.
    pub fn apply(&mut self, tar: OwnedFd) -> Result<RootfsEntries> {
        self.order(&Order::Apply, vec![tar], &mut |_| ()).and_then(value)
    }

    /// Writes the root as a tar stream, sorted, with the owners that were meant; entries keep
    /// the package that they came with. What matches one of the patterns `exclude` is left out.
    ///
    /// # Errors
    ///
    /// If the root cannot be read or the stream not written.
    pub fn export(&mut self, tar: OwnedFd, exclude: Vec<String>) -> Result<RootfsEntries> {
        self.order(&Order::Export(exclude), vec![tar], &mut |_| ()).and_then(value)
    }

    /// Opens a regular file; `None` where there is nothing.
    ///
    /// # Errors
    ///
    /// If there is something else.
    pub fn read(&mut self, path: String) -> Result<Option<OwnedFd>> {
        Ok(self.order(&Order::Read(path), Vec::new(), &mut |_| ())?.1.pop())
    }

    /// The names in a directory, sorted; `None` where there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn list(&mut self, path: String) -> Result<Option<Vec<String>>> {
        self.order(&Order::List(path), Vec::new(), &mut |_| ()).and_then(value)
    }

    /// Removes paths and all that is below them.
    ///
    /// # Errors
    ///
    /// If something cannot be removed.
    pub fn remove(&mut self, paths: Vec<String>) -> Result<()> {
        self.order(&Order::Remove(paths), Vec::new(), &mut |_| ()).and_then(value)
    }

    /// What changed since then (nanoseconds since 1970), by path.
    ///
    /// # Errors
    ///
    /// If the root cannot be read.
    pub fn changes(&mut self, since: u64) -> Result<Vec<Change>> {
        self.order(&Order::Changes(since), Vec::new(), &mut |_| ()).and_then(value)
    }

    /// Runs a program in the root; `line` is told what it prints. `files` are those that
    /// `params` names, by their place.
    ///
    /// # Errors
    ///
    /// If it cannot be started. That it fails is an outcome.
    pub fn run(
        &mut self,
        params: RunParams,
        files: Vec<OwnedFd>,
        line: &mut dyn FnMut(String),
    ) -> Result<RunOutcome> {
        self.order(&Order::Run(params), files, line).and_then(value)
    }

    /// As [`Sandbox::run`], with a method of a plugin instead of a program. `code` and `files` are
    /// handed to the [`Loader`](crate::Loader) of the sandbox process; the files that `params`
    /// names come first.
    ///
    /// # Errors
    ///
    /// Those of the method too.
    pub fn call(
        &mut self,
        params: RunParams,
        code: Value,
        files: Vec<OwnedFd>,
        line: &mut dyn FnMut(String),
    ) -> Result<RunOutcome> {
        self.order(&Order::Call(params, code), files, line).and_then(value)
    }

    /// Begins to remove the root. The rest is done when what comes back is dropped, so that
    /// other work can go on meanwhile.
    pub fn begin_to_end(mut self) -> Ending {
        let told = self.send(&Order::Clear, &[]).is_ok();
        Ending { sandbox: self, told }
    }

    /// Removes the root and ends the process.
    ///
    /// # Errors
    ///
    /// If something cannot be removed.
    pub(crate) fn end(mut self) -> Result<()> {
        self.ended = true;
        let cleared = self.order(&Order::Clear, Vec::new(), &mut |_| ());
        self.process.kill();
        let removed = self.place.remove().map_err(|e| Error::io("cannot remove the root's directory", e));
        cleared.and(removed)
    }

    fn send(&mut self, order: &Order, files: &[OwnedFd]) -> Result<()> {
        let payload = serde_json::to_vec(order).map_err(|e| internal("cannot encode an order", &e))?;
        let lent: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        self.next += 1;
        frame::send(&self.process.socket, Kind::Call, self.next, &payload, &lent)
            .map_err(|e| Error::io("cannot reach the sandbox process", e))
    }

    fn order(
        &mut self,
        order: &Order,
        files: Vec<OwnedFd>,
        line: &mut dyn FnMut(String),
    ) -> Result<(Value, Vec<OwnedFd>)> {
        self.send(order, &files)?;
        // The other end of a pipe sees that it is closed only when nobody has it open.
        drop(files);
        loop {
            match self.process.hear()? {
                Heard::Told(Told::Line(text)) => line(text),
                Heard::Told(Told::Unmapped) => {}
                Heard::Answer(value, files) => return Ok((value, files)),
            }
        }
    }
}

/// Whatever way a build ends, nothing of it runs on, and nothing stays that can be removed.
impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.process.kill();
        if let Err(error) = self.place.remove()
            && error.kind() == std::io::ErrorKind::PermissionDenied
            && let Ok(place) = self.place.again()
        {
            // Failing now, it waits for the next build, which will try again.
            let _ = Self::over(&self.settings, place).and_then(Self::end);
        }
    }
}

/// A sandbox that is removing its root.
#[derive(Debug)]
pub struct Ending {
    sandbox: Sandbox,
    told: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.told && self.sandbox.process.hear().is_ok() {
            self.sandbox.ended = true;
            self.sandbox.process.kill();
            let _ = self.sandbox.place.remove();
        }
    }
}

/// A sandbox process.
#[derive(Debug)]
struct Process {
    child: Child,
    socket: OwnedFd,
    receiver: Receiver,
}

/// What a sandbox process says.
enum Heard {
    Told(Told),
    Answer(Value, Vec<OwnedFd>),
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    fn start(settings: &Settings) -> Result<Self> {
        let cannot = |e| Error::io("cannot start a sandbox process", e);
        let (socket, theirs) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|e| cannot(e.into()))?;
        let child = Command::new(&settings.executable)
            .arg(ARGUMENT)
            .env_clear()
            .envs(settings.env.iter().cloned())
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            // Ctrl-C reaches the host alone.
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        Ok(Self { child, socket, receiver: Receiver::new() })
    }

    /// Has the process climb to a rung, with the root of `place`.
    fn enter(
        mut self,
        place: &Place,
        rung: Rung,
        emulator: Option<&Emulator>,
        memory: Option<u64>,
    ) -> Result<Self> {
        let mapping = Mapping::for_rung(rung)?;
        if let Some(mapping) = &mapping {
            mapping.own(&place.root_path())?;
        }
        let start = Start {
            host: rustix::process::getpid().as_raw_nonzero().get(),
            rung,
            emulate: emulator.map(|emulator| emulator.rule.clone()),
            memory,
        };
        let payload = serde_json::to_vec(&start).map_err(|e| internal("cannot encode an order", &e))?;
        let root = place.root()?;
        let mut files = vec![root.as_fd(), place.lock.as_fd()];
        files.extend(emulator.map(|emulator| emulator.file.as_fd()));
        self.send(Kind::Start, &payload, &files)?;
        loop {
            match self.hear()? {
                Heard::Told(Told::Unmapped) => {
                    if let Some(mapping) = &mapping {
                        mapping.give_to(self.child.id())?;
                    }
                    self.send(Kind::Start, b"{}", &[])?;
                }
                Heard::Told(Told::Line(_)) => {}
                Heard::Answer(..) => return Ok(self),
            }
        }
    }

    fn send(&self, kind: Kind, payload: &[u8], files: &[BorrowedFd<'_>]) -> Result<()> {
        frame::send(&self.socket, kind, 0, payload, files)
            .map_err(|e| Error::io("cannot reach the sandbox process", e))
    }

    fn hear(&mut self) -> Result<Heard> {
        let frame = self.receiver.receive(&self.socket);
        let frame = frame.map_err(|e| Error::io("cannot read from the sandbox process", e))?;
        let Some(frame) = frame else {
            return Err(Error::new(ErrorKind::Internal, "the sandbox process ended"));
        };
        let unreadable = |e| internal("the sandbox process said something that cannot be read", &e);
        if frame.kind == Kind::Event {
            return serde_json::from_slice(&frame.payload).map(Heard::Told).map_err(unreadable);
        }
        match serde_json::from_slice(&frame.payload).map_err(unreadable)? {
            Answer::Ok(value) => Ok(Heard::Answer(value, frame.files)),
            Answer::Error(error) => Err(error),
        }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn value<T: DeserializeOwned>((value, _): (Value, Vec<OwnedFd>)) -> Result<T> {
    serde_json::from_value(value).map_err(|e| internal("an answer of the sandbox process cannot be read", &e))
}

fn internal(what: &str, cause: &serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, what).because(cause)
}
