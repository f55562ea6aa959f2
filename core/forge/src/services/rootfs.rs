//! `rootfs.*` and `run`: roots on disk, each with a sandbox process, and programs in them.
//!
//! What takes long is done on a thread of its own, one for each call, so that the job goes on:
//! a plugin writes the tar that a root takes in, and follows what a program tells.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use ctr_forge_plugin::message::{FileAnswer, service};
use ctr_forge_plugin::sandbox::{
    RootfsChanges, RootfsCreated, RootfsParams, RootfsPath, RootfsRemove, RootfsTar, RunParams, Rung,
};
use ctr_forge_plugin::{Error, ErrorKind, Level, Result};
use ctr_forge_sandbox::{Choice, Ender, Ending, Sandbox};
use serde_json::Value;

use super::{Answer, Reply, decode, encode};
use crate::discovery::Plugin;
use crate::ops::settings;
use crate::worker::Inside;
use crate::{Attachments, Forge};

/// Roots that a job can have at once.
const MAX_ROOTS: usize = 8;
/// Calls under way at once.
const MAX_CALLS: usize = 64;
/// Lines of programs that wait to be shown; what comes beyond is lost, but for an error's end.
const MAX_LINES: usize = 10_000;

/// The roots of one job.
pub(super) struct Roots {
    /// Which sandbox the user wants.
    pub(super) choice: Choice,
    roots: BTreeMap<u32, Held>,
    calls: Vec<(u32, JoinHandle<()>)>,
    next: u32,
    outbox: Arc<Outbox>,
    /// Whose roots they are.
    plugin: Plugin,
}

/// A root and its sandbox.
struct Held {
    /// Empty when it is being removed.
    sandbox: Arc<Mutex<Option<Sandbox>>>,
    ender: Ender,
    process: i32,
    rung: Rung,
}

/// What threads have for the job.
struct Outbox {
    said: Mutex<Said>,
    happened: Arc<OwnedFd>,
}

#[derive(Default)]
struct Said {
    answers: Vec<(u32, Result<Answer>)>,
    lines: Vec<String>,
}

impl Outbox {
    fn say(&self, say: impl FnOnce(&mut Said)) {
        say(&mut lock(&self.said));
        // It fails only where it has counted so far that whoever polls is awake already.
        let _ = rustix::io::write(&*self.happened, &1_u64.to_ne_bytes());
    }
}

/// What a call does with its sandbox.
type Work = Box<dyn FnOnce(&mut Sandbox, &mut dyn FnMut(String)) -> Result<Answer> + Send>;

impl Roots {
    /// None yet; `happened` is written to when something has.
    pub(super) fn new(plugin: &Plugin, happened: Arc<OwnedFd>) -> Self {
        let outbox = Arc::new(Outbox { said: Mutex::default(), happened });
        let plugin = plugin.clone();
        Self { choice: Choice::Auto, roots: BTreeMap::new(), calls: Vec::new(), next: 1, outbox, plugin }
    }

    /// Makes a root.
    pub(super) fn create(&mut self, forge: &Forge, params: Value) -> Result<Answer> {
        let params: RootfsParams = decode(service::ROOTFS_CREATE, params)?;
        if self.roots.len() >= MAX_ROOTS {
            return Err(Error::usage(format!("a job can have {MAX_ROOTS} roots at once")));
        }
        // On this thread: the process ends with the thread that starts it.
        let sandbox = Sandbox::start(&settings(forge, self.choice, params.arch, params.bytes))?;
        let (rung, root) = (sandbox.rung(), self.next);
        let (ender, process) = (sandbox.ender()?, sandbox.pid());
        let sandbox = Arc::new(Mutex::new(Some(sandbox)));
        self.roots.insert(root, Held { sandbox, ender, process, rung });
        self.next += 1;
        encode(RootfsCreated { root, rung }, Attachments::new())
    }

    /// Begins call `id`, which is answered later.
    pub(super) fn begin(&mut self, id: u32, method: &str, params: Value, files: Vec<OwnedFd>) -> Reply {
        match self.try_begin(id, method, params, files) {
            Ok(()) => Reply::Later,
            Err(error) => Reply::Now(Err(error)),
        }
    }

    fn try_begin(&mut self, id: u32, method: &str, params: Value, files: Vec<OwnedFd>) -> Result<()> {
        self.calls.retain(|(_, thread)| !thread.is_finished());
        if self.calls.len() >= MAX_CALLS {
            return Err(Error::usage("too many calls for roots are under way"));
        }
        let (root, work) = work(&self.plugin, method, params, files)?;
        let held = self.roots.get(&root).ok_or_else(|| Error::usage("there is no such root"))?;
        let (sandbox, outbox) = (Arc::clone(&held.sandbox), Arc::clone(&self.outbox));
        let thread = std::thread::Builder::new().name("sandbox".into()).spawn(move || {
            let mut tell = |line| {
                outbox.say(|said| {
                    if said.lines.len() < MAX_LINES {
                        said.lines.push(line);
                    }
                });
            };
            let answer = match lock(&sandbox).as_mut() {
                Some(sandbox) => work(sandbox, &mut tell),
                None => Err(Error::usage("the root is gone")),
            };
            outbox.say(|said| said.answers.push((id, answer)));
        });
        self.calls.push((id, thread.map_err(|e| Error::io("cannot start a thread", e))?));
        Ok(())
    }

    /// The calls that can be answered now.
    pub(super) fn ready(&mut self, forge: &Forge) -> Vec<(u32, Result<Answer>)> {
        let said = std::mem::take(&mut *lock(&self.outbox.said));
        for line in said.lines {
            forge.reporter.log(Level::Info, &crate::worker::clean(&line));
        }
        said.answers
    }

    /// Ends all roots and what runs in them; the answers to the calls that wait.
    pub(super) fn stop(&mut self) -> Vec<(u32, Result<Answer>)> {
        self.abandon();
        let stopped = |id| (id, Err(Error::new(ErrorKind::Cancelled, "what ran in the root was stopped")));
        lock(&self.outbox.said).answers.drain(..).map(|(id, _)| stopped(id)).collect()
    }

    /// Processes that roots have.
    pub(super) fn processes(&self) -> Vec<i32> {
        self.roots.values().map(|held| held.process).collect()
    }

    /// How programs are kept apart.
    pub(super) fn rung(&self) -> Option<Rung> {
        self.roots.values().next().map(|held| held.rung)
    }

    /// Begins to remove all roots.
    pub(super) fn end(&mut self) -> Vec<Ending> {
        // A call that nobody waits for any more is of no use either.
        if self.calls.iter().any(|(_, thread)| !thread.is_finished()) {
            self.abandon();
            return Vec::new();
        }
        let roots = std::mem::take(&mut self.roots).into_values();
        roots.filter_map(|held| lock(&held.sandbox).take()).map(Sandbox::begin_to_end).collect()
    }

    /// Ends all, and waits until threads have noticed and directories are gone.
    fn abandon(&mut self) {
        self.roots.values().for_each(|held| held.ender.end());
        for (_, thread) in self.calls.drain(..) {
            // One that panicked has nothing to tell.
            let _ = thread.join();
        }
        self.roots.clear();
    }
}

impl Drop for Roots {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Which root a call is for, and what it does.
fn work(plugin: &Plugin, method: &str, params: Value, mut files: Vec<OwnedFd>) -> Result<(u32, Work)> {
    let mut tar = |params: Value| -> Result<(RootfsTar, OwnedFd)> {
        let params: RootfsTar = decode(method, params)?;
        match files.pop() {
            Some(file) if files.is_empty() && params.tar.fd == 0 => Ok((params, file)),
            _ => Err(Error::usage("a file that the call names did not come with it")),
        }
    };
    let none = Attachments::new;
    Ok(match method {
        service::ROOTFS_APPLY => {
            let (RootfsTar { root, .. }, tar) = tar(params)?;
            (root, Box::new(move |sandbox, _| encode(sandbox.apply(tar)?, none())))
        }
        service::ROOTFS_EXPORT => {
            let (RootfsTar { root, exclude, .. }, tar) = tar(params)?;
            (root, Box::new(move |sandbox, _| encode(sandbox.export(tar, exclude)?, none())))
        }
        service::ROOTFS_READ => {
            let RootfsPath { root, path } = decode(method, params)?;
            (root, Box::new(move |sandbox, _| read(sandbox.read(path)?)))
        }
        service::ROOTFS_LIST => {
            let RootfsPath { root, path } = decode(method, params)?;
            (root, Box::new(move |sandbox, _| encode(sandbox.list(path)?, none())))
        }
        service::ROOTFS_REMOVE => {
            let RootfsRemove { root, paths } = decode(method, params)?;
            (root, Box::new(move |sandbox, _| encode(sandbox.remove(paths)?, none())))
        }
        service::ROOTFS_CHANGES => {
            let RootfsChanges { root, since } = decode(method, params)?;
            (root, Box::new(move |sandbox, _| encode(sandbox.changes(since)?, none())))
        }
        _ => {
            let params: RunParams = decode(method, params)?;
            let root = params.root;
            match params.inside {
                None => {
                    (root, Box::new(move |sandbox, line| encode(sandbox.run(params, files, line)?, none())))
                }
                Some(_) => {
                    let (code, file) = Inside::of(plugin)?;
                    files.extend(file);
                    let call = move |sandbox: &mut Sandbox, line: &mut dyn FnMut(String)| {
                        encode(sandbox.call(params, code, files, line)?, none())
                    };
                    (root, Box::new(call))
                }
            }
        }
    })
}

fn read(file: Option<OwnedFd>) -> Result<Answer> {
    let mut files = Attachments::new();
    let answer = file.map(|file| FileAnswer { file: files.add(file) });
    encode(answer, files)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
