//! The sandbox process: it enters its namespaces, then obeys one order after the other.
//!
//! It has one thread: a threaded process cannot enter a user namespace, and what it forks to
//! run programs must not find a lock held by a thread that is not there.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use ctr_forge_plugin::frame::{self, Frame, Kind, Receiver};
use ctr_forge_plugin::sandbox::{RootfsEntries, RunParams, Rung};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;
use rustix::process::DumpableBehavior;
use rustix::thread::{Gid, Uid, UnshareFlags};
use serde_json::Value;

use crate::apply::Packages;
use crate::order::{Answer, Order, Start, Told};
use crate::owners::Owners;
use crate::process::{die_with, no_host, take_socket};
use crate::root::Root;
use crate::{apply, emulate, export, files, run};

/// A method of a plugin, ready to be called.
pub type Method = Box<dyn FnOnce() -> Result<Value>>;

/// Loads a plugin's code, for a method that is called in a root. The process in which this is
/// done exists for that call alone, and has not entered the root yet.
pub trait Loader {
    /// Makes the method of `params` ready. `code` and `files` are what
    /// [`Sandbox::call`](crate::Sandbox::call) was given.
    ///
    /// # Errors
    ///
    /// If the code cannot be loaded.
    fn load(&self, params: &RunParams, code: &Value, files: &[OwnedFd]) -> Result<Method>;
}

/// Runs as a sandbox process, with the host's socket as standard input, until the host is done.
pub fn run_child(loader: &dyn Loader) -> ExitCode {
    match work(loader) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(error.kind.exit_code())
        }
    }
}

/// What the sandbox process holds.
pub(crate) struct Held {
    pub(crate) root: Root,
    pub(crate) owners: Owners,
    pub(crate) rung: Rung,
    /// Whether it has a mount namespace of its own.
    pub(crate) mounts: bool,
    /// Whether the root goes with this process.
    in_memory: bool,
    pub(crate) packages: Packages,
    /// When it began, in seconds since 1970: what is dated later was made by the build.
    pub(crate) began: i64,
    /// Open as long as the build lives.
    _lock: OwnedFd,
}

fn work(loader: &dyn Loader) -> Result<()> {
    let socket = take_socket()?;
    let mut host = Host { socket, receiver: Receiver::new() };
    let frame = host.receive()?.filter(|frame| frame.kind == Kind::Start).ok_or_else(no_host)?;
    let mut held = match start(&mut host, frame) {
        Ok(held) => held,
        Err(error) => return host.answer(0, Err(error)),
    };
    host.answer(0, Ok((Value::Null, None)))?;
    while let Some(frame) = host.receive()? {
        let id = frame.id;
        let outcome = obey(&mut held, &host, loader, frame);
        host.answer(id, outcome)?;
    }
    Ok(())
}

/// The host, as the sandbox process sees it.
pub(crate) struct Host {
    socket: OwnedFd,
    receiver: Receiver,
}

impl Host {
    fn receive(&mut self) -> Result<Option<Frame>> {
        self.receiver.receive(&self.socket).map_err(|e| Error::io("cannot read from the host", e))
    }

    pub(crate) fn tell(&self, told: &Told) -> Result<()> {
        let payload = serde_json::to_vec(told).unwrap_or_default();
        frame::send(&self.socket, Kind::Event, 0, &payload, &[])
            .map_err(|e| Error::io("cannot reach the host", e))
    }

    fn answer(&self, id: u32, outcome: Result<(Value, Option<OwnedFd>)>) -> Result<()> {
        let (answer, file) = match outcome {
            Ok((value, file)) => (Answer::Ok(value), file),
            Err(error) => (Answer::Error(error), None),
        };
        let payload = serde_json::to_vec(&answer).map_err(|e| internal(&e))?;
        let files: Vec<_> = file.iter().map(AsFd::as_fd).collect();
        let sent = frame::send(&self.socket, Kind::Result, id, &payload, &files);
        sent.map_err(|e| Error::io("cannot answer the host", e))
    }
}

fn internal(error: &serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "a message to the sandbox process is wrong").because(error)
}

fn start(host: &mut Host, frame: Frame) -> Result<Held> {
    let start: Start = serde_json::from_slice(&frame.payload).map_err(|e| internal(&e))?;
    let mut files = frame.files.into_iter();
    let (Some(root), Some(lock)) = (files.next(), files.next()) else {
        return Err(Error::new(ErrorKind::Internal, "no root came to the sandbox process"));
    };
    die_with(start.host)?;
    // What is made here has exactly the mode that is asked for.
    rustix::process::umask(rustix::fs::Mode::empty());
    // A new mount namespace takes the working directory along, and no other descriptor: so it
    // is the root's from here on, here and in what is forked to run programs.
    rustix::process::fchdir(&root).map_err(|e| Error::io("cannot enter the root's directory", e))?;
    match start.rung {
        Rung::Chroot if !rustix::process::geteuid().is_root() => {
            return Err(Error::new(ErrorKind::Permission, "without a user namespace it takes root"));
        }
        Rung::Chroot => {}
        Rung::Mapped | Rung::Single => enter_user_namespace(host, &start)?,
    }
    let mounts = enter_mount_namespace();
    if start.rung != Rung::Chroot {
        mounts.as_ref().map_err(|e| Error::io("cannot make a mount namespace", io::Error::from(e.kind())))?;
    }
    if let (Some(rule), Some(file)) = (&start.emulate, files.next()) {
        let place = Path::new("/proc/sys/fs/binfmt_misc");
        let place = if place.is_dir() { place } else { Path::new("/sys") };
        emulate::register(rule, &File::from(file), place)?;
    }
    let in_memory = match start.memory {
        // What cannot be had in memory is had on disk.
        Some(limit) if start.rung != Rung::Chroot => mount_memory(limit).is_ok(),
        _ => false,
    };
    let root =
        crate::root::working_directory().map_err(|e| Error::io("cannot open the root's directory", e))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Held {
        root: Root::new(root),
        owners: Owners::new(start.rung),
        rung: start.rung,
        mounts: mounts.is_ok(),
        in_memory,
        packages: Packages::default(),
        began: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        _lock: lock,
    })
}

fn enter_user_namespace(host: &mut Host, start: &Start) -> Result<()> {
    // SAFETY: a user namespace does not touch the descriptors or memory of this process.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }
        .map_err(|e| Error::io("a user namespace cannot be made", e))?;
    host.tell(&Told::Unmapped)?;
    host.receive()?;
    let cannot = |e| Error::io("cannot become root of the user namespace", e);
    if start.rung == Rung::Mapped {
        // This process has one thread, so what is said of it is said of all of it.
        rustix::thread::set_thread_groups(&[]).map_err(cannot)?;
    }
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    rustix::thread::set_thread_res_gid(group, group, group).map_err(cannot)?;
    rustix::thread::set_thread_res_uid(user, user, user).map_err(cannot)?;
    // Both are lost when ids change (prctl(2)). /proc/self must stay ours.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(cannot)?;
    die_with(start.host)
}

/// Mounts that are made from here on are this process's own.
fn enter_mount_namespace() -> io::Result<()> {
    let flags = UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    // SAFETY: as above.
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    let change = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    Ok(rustix::mount::mount_change("/", change)?)
}

/// Puts a file system in memory over the root's directory, and enters it.
fn mount_memory(limit: u64) -> Result<(), Errno> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_string,
        fsmount, fsopen, move_mount,
    };
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in [("mode", "0755"), ("size", &limit.to_string())] {
        fsconfig_set_string(&context, name, value)?;
    }
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::empty();
    let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    // By descriptors alone: the way there by its path is closed to ids of others.
    let here = crate::root::working_directory()?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&mount, c"", &here, c"", flags)?;
    rustix::process::fchdir(&mount)
}

fn obey(held: &mut Held, host: &Host, loader: &dyn Loader, frame: Frame) -> Result<(Value, Option<OwnedFd>)> {
    let order: Order = serde_json::from_slice(&frame.payload).map_err(|e| internal(&e))?;
    let mut given = frame.files.into_iter();
    let mut file =
        || given.next().ok_or_else(|| Error::new(ErrorKind::Internal, "no file came with an order"));
    let value = match order {
        Order::Apply => {
            let entries = apply::apply(held, File::from(file()?))?;
            serde_json::to_value(RootfsEntries { entries })
        }
        Order::Export(exclude) => {
            let entries = export::export(held, File::from(file()?), &exclude)?;
            serde_json::to_value(RootfsEntries { entries })
        }
        Order::Read(path) => return Ok((Value::Null, files::read(&held.root, &path)?)),
        Order::List(path) => serde_json::to_value(files::list(&held.root, &path)?),
        Order::Remove(paths) => serde_json::to_value(files::remove(&held.root, &paths)?),
        Order::Changes(since) => serde_json::to_value(files::changes(&held.root, since)?),
        Order::Clear if held.in_memory => serde_json::to_value(()),
        Order::Clear => serde_json::to_value(files::clear(&held.root)?),
        Order::Run(params) => serde_json::to_value(run_program(held, host, &params, None, given.collect())?),
        Order::Call(params, code) => {
            let code = Some((loader, &code));
            serde_json::to_value(run_program(held, host, &params, code, given.collect())?)
        }
    };
    Ok((value.map_err(|e| internal(&e))?, None))
}

fn run_program(
    held: &mut Held,
    host: &Host,
    params: &RunParams,
    code: Option<(&dyn Loader, &Value)>,
    files: Vec<OwnedFd>,
) -> Result<ctr_forge_plugin::sandbox::RunOutcome> {
    run::run(held, params, code, &files, &mut |line| host.tell(&Told::Line(line)))
}
