//! A job: calls to a plugin in its worker, and all that the worker says meanwhile.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ctr_forge_plugin::frame::{Frame, Kind, Outbox, Receiver};
use ctr_forge_plugin::sandbox::Rung;
use ctr_forge_plugin::{Component, Error, ErrorKind, Event, Level, Result};
use ctr_forge_sandbox::{Choice, Ending};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Started;
use super::process::{Process, describe};
use crate::discovery::Plugin;
use crate::services::{self, Answer, Ledger, Reply, Services};
use crate::{Attachments, Forge};

/// How long a cancelled plugin has to end by itself.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);
/// How long it has after SIGTERM, and a worker after its last answer.
const EXIT_PATIENCE: Duration = Duration::from_secs(2);
/// What the answers that a plugin leaves unread may cost before it is no longer
/// listened to, in bytes.
const MAX_UNREAD: usize = 1 << 20;
/// Most causes, and most hints, of a plugin's error that are shown.
const MAX_TEXTS: usize = 20;
/// How often a wait looks at clocks and flags that wake nobody.
const LOOK_AROUND: Duration = Duration::from_millis(100);
/// Faults of one job that are kept.
const MAX_FAULTS: usize = 100;
/// Longest text of a plugin that is shown, in characters.
const MAX_TEXT: usize = 4096;
/// Events shown of one job; what comes beyond is counted. A plugin that floods
/// is slowed by the socket, but a terminal or log need not suffer.
const MAX_EVENTS: u64 = 10_000;
/// What reports call the time before the first call.
const START: &str = "start";

/// A plugin in its worker.
#[derive(Debug)]
pub struct Job<'a> {
    forge: &'a Forge,
    plugin: &'a Plugin,
    process: Process,
    receiver: Receiver,
    outbox: Outbox,
    next_id: u32,
    /// How far cancelling has gone, and when it goes on.
    cancel: Option<(Cancelling, Instant)>,
    /// When a call must be answered, if it must.
    deadline: Option<Duration>,
    /// When the call that is awaited must be.
    end: Option<Instant>,
    panic: Option<String>,
    /// The last progress of this phase.
    progress: u64,
    trace: Trace,
    services: Services<'a>,
    not_isolated: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancelling {
    Asked,
    Terminated,
    Killed,
}

/// What a job's plugin did beside answering.
#[derive(Debug, Default)]
pub struct Trace {
    /// Events that came.
    pub events: u64,
    /// Services that were called.
    pub services: BTreeSet<&'static str>,
    /// What it should not have done.
    pub faults: Vec<Fault>,
    /// What the host checked for it.
    pub(crate) ledger: Ledger,
    /// How programs were kept apart from the machine, if there were any.
    pub(crate) rung: Option<Rung>,
    /// Roots that are being removed. Whoever drops this waits for that.
    pub(crate) endings: Vec<Ending>,
}

/// Something that a plugin should not do, though it need not end a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It printed on standard output.
    Printed(String),
    /// An event that cannot be read, and why.
    BadEvent(String),
    /// Progress that went back.
    ProgressWentBack,
    /// More events than anyone could read.
    Flood,
    /// Processes left behind, and how many.
    LeftProcesses(usize),
    /// It did not end after its last answer.
    DidNotExit,
}

impl<'a> Job<'a> {
    /// Starts a worker with `plugin` in it, which keeps what a job of `component` needs.
    ///
    /// One at a time in a process: what a job leaves behind is told by whose child it has become.
    pub fn start(forge: &'a Forge, plugin: &'a Plugin, component: &Component) -> Result<Self> {
        let process = Process::start(forge, plugin, component)
            .map_err(|error| error.context(format!("cannot run plugin \"{}\"", plugin.manifest.name)))?;
        let mut job = Self {
            forge,
            plugin,
            process,
            receiver: Receiver::new(),
            outbox: Outbox::default(),
            next_id: 1,
            cancel: None,
            deadline: None,
            end: None,
            panic: None,
            progress: 0,
            trace: Trace::default(),
            services: Services::new(forge, plugin)?,
            not_isolated: None,
        };
        let started =
            job.wait_for(0, START, &AtomicBool::new(false)).and_then(|frame| job.decode(frame, START));
        let started: Option<Started> = started.map_err(|error| {
            let name = &plugin.manifest.name;
            error.context(format!("plugin \"{name}\" ({}) cannot be used", plugin.place()))
        })?;
        job.not_isolated = started.unwrap_or_default().not_isolated;
        if let Some(reason) = &job.not_isolated {
            forge.reporter.log(
                Level::Info,
                &format!("plugin \"{}\" is not cut off from the network: {reason}", plugin.manifest.name),
            );
        }
        Ok(job)
    }

    /// Makes a call that is not answered within `limit` an error. Without it a call may take its time.
    pub fn set_deadline(&mut self, limit: Option<Duration>) {
        self.deadline = limit;
    }

    /// The sandbox that the user wants for programs that the plugin has run.
    pub fn set_sandbox(&mut self, choice: Choice) {
        self.services.set_sandbox(choice);
    }

    /// Why the worker has the network though it should not; `None` where it is cut off or may have it.
    pub fn not_isolated(&self) -> Option<&str> {
        self.not_isolated.as_deref()
    }

    /// Calls a method and waits for its answer.
    pub fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: impl Serialize,
        files: Attachments,
    ) -> Result<R> {
        let id = self.send_call(method, params, files)?;
        self.wait(id, method)
    }

    /// As [`Job::call`], for a method that a plugin need not have; `None` if it has not.
    pub fn call_optional<R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: impl Serialize,
        files: Attachments,
    ) -> Result<Option<R>> {
        let id = self.send_call(method, params, files)?;
        let frame = self.wait_for(id, method, &AtomicBool::new(false))?;
        self.decode(frame, method)
    }

    /// Sends a call without waiting; [`Job::wait`] takes its answer.
    pub fn send_call(&mut self, method: &str, params: impl Serialize, files: Attachments) -> Result<u32> {
        self.forge.cancel.check()?;
        let payload = serde_json::to_vec(&Call { method, params })
            .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode a request").because(&e))?;
        let id = self.next_id;
        self.next_id += 1;
        self.panic = None;
        self.outbox
            .push(Kind::Call, id, payload, files.into_files())
            .map_err(|e| Error::usage("the request is too large for a plugin").because(&e))?;
        Ok(id)
    }

    /// Waits for the answer to a call that was sent.
    pub fn wait<R: DeserializeOwned>(&mut self, id: u32, method: &str) -> Result<R> {
        self.wait_unless(id, method, &AtomicBool::new(false))
    }

    /// As [`Job::wait`], but gives up soon after `pointless` becomes true.
    pub(crate) fn wait_unless<R: DeserializeOwned>(
        &mut self,
        id: u32,
        method: &str,
        pointless: &AtomicBool,
    ) -> Result<R> {
        let frame = self.wait_for(id, method, pointless)?;
        self.decode(frame, method)?.ok_or_else(|| {
            let message = format!("plugin \"{}\" has no method \"{method}\"", self.plugin.manifest.name);
            Error::new(ErrorKind::Unsupported, message)
        })
    }

    /// Asks the plugin to stop the call with this id.
    pub fn cancel(&mut self, id: u32) {
        // It is within every limit.
        let _ = self.outbox.push(Kind::Cancel, id, Vec::new(), Vec::new());
    }

    /// Ends the job: the worker exits, nothing of it is left. What it did beside answering is returned.
    pub fn finish(mut self) -> Result<Trace> {
        rustix::net::shutdown(&self.process.socket, rustix::net::Shutdown::Both)
            .map_err(|e| Error::io("cannot close the connection to the worker", e))?;
        let (_, killed) =
            self.process.wait(EXIT_PATIENCE).map_err(|e| Error::io("cannot wait for the worker", e))?;
        if killed {
            self.fault(Fault::DidNotExit);
        }
        match self.process.end_leftovers(&self.process.ours) {
            0 => {}
            count => self.fault(Fault::LeftProcesses(count)),
        }
        self.drain_output();
        self.trace.ledger = self.services.take_ledger();
        self.trace.rung = self.services.rung();
        self.trace.endings = self.services.end();
        Ok(std::mem::take(&mut self.trace))
    }

    /// The plugin.
    pub fn plugin(&self) -> &'a Plugin {
        self.plugin
    }

    /// The answer in a frame; `None` if the plugin has no such method.
    fn decode<R: DeserializeOwned>(&self, frame: Frame, method: &str) -> Result<Option<R>> {
        let name = &self.plugin.manifest.name;
        let unreadable = |e: serde_json::Error| {
            Error::plugin(format!(
                "plugin \"{name}\" answered \"{method}\" with something that cannot be read"
            ))
            .because(&e)
            .hint(self.test_hint())
        };
        let mut answer: Value = serde_json::from_slice(&frame.payload).map_err(unreadable)?;
        if let Some(answer) = answer.get_mut("ok") {
            return serde_json::from_value(answer.take()).map(Some).map_err(unreadable);
        }
        if answer.get("unknown-method").is_some() {
            return Ok(None);
        }
        let error = answer.get_mut("error").map(Value::take).unwrap_or_default();
        Err(self.blame(bounded(serde_json::from_value(error).map_err(unreadable)?), method))
    }

    /// An error that is the plugin's fault says whose it is and what to do; others are the user's concern.
    fn blame(&self, mut error: Error, method: &str) -> Error {
        if error.kind != ErrorKind::Plugin || method == START {
            return error;
        }
        match self.panic.as_ref().map(|panic| format!("panicked: {panic}")) {
            Some(panic) if panic.starts_with(&error.message) => error.message = panic,
            panic => error.causes.extend(panic),
        }
        let message = format!("plugin \"{}\" failed in \"{method}\"", self.plugin.manifest.name);
        error.context(message).hint(self.test_hint())
    }

    fn test_hint(&self) -> String {
        format!(
            "This is a fault of the plugin; \"ctr-forge plugin test {}\" may show more.",
            self.plugin.place()
        )
    }

    /// Serves the worker until the answer to call `id` is there.
    fn wait_for(&mut self, id: u32, method: &str, pointless: &AtomicBool) -> Result<Frame> {
        self.end = self.deadline.map(|limit| Instant::now() + limit);
        loop {
            // Who asks without taking the answers is not listened to until it takes them.
            while self.outbox.cost() < MAX_UNREAD {
                let Some(frame) = self.receiver.take().map_err(|e| self.broken(&e))? else { break };
                match frame.kind {
                    Kind::Result if frame.id == id => return Ok(frame),
                    Kind::Event => self.event(&frame.payload),
                    Kind::Call => self.serve(frame)?,
                    _ => {}
                }
            }
            if self.outbox.cost() < MAX_UNREAD {
                for (id, answer) in self.services.ready() {
                    self.answer(id, answer)?;
                }
            }
            self.flush()?;
            if self.receiver.ended() && self.outbox.is_empty() {
                return Err(self.died(method));
            }
            self.go_on_cancelling(id)?;
            self.check_deadline(method)?;
            if pointless.load(Ordering::Acquire) {
                return Err(Error::plugin("what it does is of no use any more"));
            }
            self.poll()?;
        }
    }

    fn check_deadline(&self, method: &str) -> Result<()> {
        match self.end.is_some_and(|end| Instant::now() >= end) {
            false => Ok(()),
            true => {
                let message =
                    format!("plugin \"{}\" did not answer \"{method}\" in time", self.plugin.manifest.name);
                Err(Error::plugin(message).hint(self.test_hint()))
            }
        }
    }

    /// Sends what the worker has room for. That it is gone is noticed when it is read from.
    fn flush(&mut self) -> Result<()> {
        match self.outbox.flush_now(&self.process.socket) {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
            {
                self.outbox = Outbox::default();
                Ok(())
            }
            result => result.map_err(|e| Error::io("cannot send to the worker", e)),
        }
    }

    /// Waits for something to happen, at most [`LOOK_AROUND`], and takes in
    /// what the worker sent or printed.
    fn poll(&mut self) -> Result<()> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK_AROUND.subsec_nanos().into() };
        let mut wanted = if self.outbox.cost() < MAX_UNREAD { PollFlags::IN } else { PollFlags::empty() };
        if !self.outbox.is_empty() {
            wanted |= PollFlags::OUT;
        }
        let mut fds = vec![PollFd::new(&self.process.socket, wanted)];
        fds.extend(
            [&self.process.stdout, &self.process.stderr]
                .into_iter()
                .filter_map(|capture| capture.pipe().map(|pipe| PollFd::new(pipe, PollFlags::IN))),
        );
        fds.push(PollFd::from_borrowed_fd(self.services.readable(), PollFlags::IN));
        let cancel = self.forge.cancel.readable();
        if self.cancel.is_none() {
            fds.push(PollFd::from_borrowed_fd(cancel, PollFlags::IN));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::io("cannot wait for the worker", error)),
        }
        let happened = fds[0].revents();
        drop(fds);
        if happened.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.receiver.fill_now(&self.process.socket).map_err(|e| self.broken(&e))?;
        }
        self.read_output();
        Ok(())
    }

    /// Ctrl-C → CANCEL, then SIGTERM, then SIGKILL; a second Ctrl-C skips the waiting.
    fn go_on_cancelling(&mut self, id: u32) -> Result<()> {
        let now = Instant::now();
        let twice = self.forge.cancel.times() > 1;
        self.cancel = match self.cancel {
            None if self.forge.cancel.times() == 0 => None,
            None => {
                self.cancel(id);
                // Who waits for a download hears of it at once.
                for (id, answer) in self.services.stop() {
                    self.answer(id, answer)?;
                }
                Some((Cancelling::Asked, now + CANCEL_PATIENCE))
            }
            Some((Cancelling::Asked, next)) if twice || now >= next => {
                self.process.signal(Signal::TERM);
                Some((Cancelling::Terminated, now + EXIT_PATIENCE))
            }
            Some((Cancelling::Terminated, next)) if now >= next => {
                self.process.signal(Signal::KILL);
                Some((Cancelling::Killed, now + EXIT_PATIENCE))
            }
            Some((Cancelling::Killed, next)) if now >= next => return Err(self.stopped()),
            waiting => waiting,
        };
        Ok(())
    }

    fn stopped(&self) -> Error {
        Error::new(ErrorKind::Cancelled, format!("plugin \"{}\" was stopped", self.plugin.manifest.name))
    }

    fn serve(&mut self, frame: Frame) -> Result<()> {
        let id = frame.id;
        let mut call: Value = serde_json::from_slice(&frame.payload).unwrap_or_default();
        let method = call.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.trace.services.extend(services::SERVICES.iter().find(|service| **service == method));
        let (forge, end) = (self.forge, self.end);
        let mut check = || match end.is_some_and(|end| Instant::now() >= end) {
            true => Err(Error::plugin(format!("\"{}\" took too long", clean(&method)))),
            false => forge.cancel.check(),
        };
        // What is no object has no parameters either.
        let params = call.get_mut("params").map(Value::take).unwrap_or_default();
        let reply = self.services.call(id, &method, params, frame.files, &mut check);
        self.process.ours = self.services.processes();
        match reply {
            Reply::Now(answer) => self.answer(id, answer),
            Reply::Later => Ok(()),
            Reply::Unknown => {
                self.reply(id, &json!({ "unknown-method": clean(&method) }), Attachments::new())
            }
        }
    }

    fn answer(&mut self, id: u32, answer: Result<Answer>) -> Result<()> {
        match answer {
            Ok((answer, files)) => self.reply(id, &json!({ "ok": answer }), files),
            Err(error) => self.reply(id, &json!({ "error": error }), Attachments::new()),
        }
    }

    fn reply(&mut self, id: u32, reply: &Value, files: Attachments) -> Result<()> {
        let sent = self.outbox.push(Kind::Result, id, reply.to_string().into_bytes(), files.into_files());
        sent.map_err(|e| Error::new(ErrorKind::Internal, "an answer is too large").because(&e))
    }

    fn fault(&mut self, fault: Fault) {
        if self.trace.faults.len() < MAX_FAULTS {
            self.trace.faults.push(fault);
        }
    }

    fn event(&mut self, payload: &[u8]) {
        self.trace.events += 1;
        if self.trace.events > MAX_EVENTS {
            if self.trace.events == MAX_EVENTS + 1 {
                self.fault(Fault::Flood);
                let message = format!(
                    "plugin \"{}\" sends more than {MAX_EVENTS} events; the rest is not shown",
                    self.plugin.manifest.name
                );
                self.forge.reporter.warning(&message, None);
            }
            return;
        }
        let reporter = &self.forge.reporter;
        match serde_json::from_slice(payload) {
            Ok(Event::Log { level, message }) => reporter.log(level, &clean(&message)),
            Ok(Event::Warning { message, hint }) => {
                reporter.warning(&clean(&message), hint.as_deref().map(clean).as_deref());
            }
            Ok(Event::Phase { name }) => {
                reporter.phase(&clean(&name));
                self.progress = 0;
            }
            Ok(Event::Progress { done, total, unit }) => {
                reporter.progress(done, total, &clean(&unit));
                if done < self.progress {
                    self.fault(Fault::ProgressWentBack);
                }
                self.progress = done;
            }
            Ok(Event::Panic { message, location }) => {
                // The first is the cause; a thread that waited for it panics after it.
                self.panic.get_or_insert_with(|| clean(&format!("{message}, at {location}")));
            }
            Ok(_) => reporter.log(Level::Debug, &clean(&String::from_utf8_lossy(payload))),
            Err(error) => self.fault(Fault::BadEvent(clean(&error.to_string()))),
        }
    }

    fn read_output(&mut self) {
        let printed = self.process.stdout.read();
        let said = self.process.stderr.read();
        self.take_output(printed, said);
    }

    fn drain_output(&mut self) {
        let printed = self.process.stdout.drain();
        let said = self.process.stderr.drain();
        self.take_output(printed, said);
    }

    fn take_output(&mut self, printed: Vec<String>, said: Vec<String>) {
        let name = self.plugin.manifest.name.clone();
        for line in &said {
            self.forge.reporter.log(Level::Info, &format!("{name}: {}", clean(line)));
        }
        for line in printed {
            self.forge.reporter.log(Level::Info, &format!("{name} (stdout): {}", clean(&line)));
            self.fault(Fault::Printed(line));
        }
    }

    /// The report of a worker that is gone in the middle of a call.
    fn died(&mut self, method: &str) -> Error {
        let status = self.process.wait(EXIT_PATIENCE);
        self.drain_output();
        if self.cancel.is_some() {
            return self.stopped();
        }
        let how = match status {
            Ok((_, true)) => "closed its connection and did not exit".into(),
            Ok((status, false)) => describe(status),
            Err(error) => format!("is gone ({error})"),
        };
        let mut error = Error::plugin(format!(
            "plugin \"{}\" {how} in the middle of \"{method}\"",
            self.plugin.manifest.name
        ));
        error.causes.extend(self.panic.take().map(|panic| format!("it panicked: {panic}")));
        let said: Vec<_> = self.process.stderr.tail().map(clean).collect();
        if !said.is_empty() {
            error.causes.push(format!("it said last: {}", said.join("\n")));
        }
        error.hint(self.test_hint())
    }

    /// The report of a worker that sent what is no message.
    fn broken(&self, error: &io::Error) -> Error {
        Error::plugin(format!(
            "plugin \"{}\" ({}) broke the protocol",
            self.plugin.manifest.name,
            self.plugin.place()
        ))
        .because(error)
        .hint(self.test_hint())
    }
}

#[derive(Serialize)]
struct Call<'a, P> {
    method: &'a str,
    params: P,
}

/// A plugin's error, bounded, and without what could steer a terminal.
fn bounded(mut error: Error) -> Error {
    error.message = clean(&error.message);
    for texts in [&mut error.causes, &mut error.hints] {
        texts.truncate(MAX_TEXTS);
        texts.iter_mut().for_each(|text| *text = clean(text));
    }
    error.option = error.option.as_deref().map(clean);
    error
}

/// A plugin's words, bounded, and without what could steer a terminal.
pub(crate) fn clean(text: &str) -> String {
    let harmless = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    let mut clean: String = text.chars().take(MAX_TEXT).map(harmless).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        clean.push('…');
    }
    clean
}
