//! Mounts and exec: from a copy of the sandbox process to a program in the root.
//!
//! [`first`] is the first process of the program's namespaces. It arranges what the program
//! sees, forks it, and waits. What the program sees is the root and, mounted only for it:
//!
//! - `/proc` of its own process namespace;
//! - `/sys`, not writable;
//! - `/dev` with the handful of devices that every program expects, and terminals of its own.
//!   What a script writes there is gone with the program.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use ctr_forge_plugin::frame::{self, Kind};
use ctr_forge_plugin::sandbox::{Cover, RunParams, Rung, View};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::RootPath;
use rustix::fs::{Mode, OFlags, symlink};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_remount, move_mount, open_tree,
    unmount,
};
use rustix::process::{Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::child::{Loader, Method};
use crate::machine;
use crate::order::Answer;
use crate::root::{Root, working_directory};
use crate::run::number;
use crate::supervisor::{Filter, install};

/// What a program is to find.
pub(crate) struct Setup<'a> {
    pub(crate) root: &'a Root,
    pub(crate) rung: Rung,
    /// Whether there is a mount namespace to arrange.
    pub(crate) mounts: bool,
    pub(crate) params: &'a RunParams,
    pub(crate) covers: &'a [(RootPath, Cover)],
    /// Files of the call, by their place.
    pub(crate) files: &'a [OwnedFd],
    /// Where it prints.
    pub(crate) output: &'a OwnedFd,
    /// Where the first process says what became of it; from [`HIGH`] on.
    pub(crate) words: &'a OwnedFd,
    /// Instead of a program: who loads a plugin's code, and which.
    pub(crate) code: Option<(&'a dyn Loader, &'a Value)>,
    /// Where a method's answer goes; from [`HIGH`] on.
    pub(crate) answer: &'a OwnedFd,
    /// Where the program's calls wait for an answer: the filter's descriptor is sent there.
    pub(crate) calls: Option<(&'a OwnedFd, Filter)>,
}

/// What became of a program.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Word {
    /// It exited.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It did not begin.
    Failed(Error),
    /// Nobody could say.
    Silence,
}

/// Devices that every program expects.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links in `/dev`.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// What the machine is called inside.
const HOSTNAME: &[u8] = b"localhost";

/// Open files, the soft limit: programs that close all that could be open take long otherwise.
const OPEN_FILES: u64 = 1024;

/// What a process needs until exec lies from here on, above whatever a program is to find.
pub(crate) const HIGH: i32 = 500;

/// Becomes the first process; never returns.
pub(crate) fn first(setup: &Setup<'_>) -> ! {
    let word = match watch(setup) {
        Ok(word) => word,
        Err(error) => Word::Failed(error),
    };
    say(setup, &word);
    exit(0)
}

fn say(setup: &Setup<'_>, word: &Word) {
    let text = serde_json::to_vec(word).unwrap_or_default();
    if let Ok(fd) = setup.words.try_clone() {
        // Whoever does not hear it knows that something went wrong.
        let _ = File::from(fd).write_all(&text);
    }
}

fn exit(code: i32) -> ! {
    // SAFETY: ends the process; nothing of the process it is a copy of may run on the way.
    unsafe { libc::_exit(code) }
}

fn watch(setup: &Setup<'_>) -> Result<Word> {
    // Without the sandbox process nobody would end this one.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| Error::io("cannot bind a program to its sandbox", e))?;
    let cannot = |e| Error::io("cannot arrange the root for a program", e);
    // While the machine's libraries are to be seen.
    let load = |(loader, code): (&dyn Loader, &Value)| loader.load(setup.params, code, setup.files);
    let method = setup.code.map(load).transpose()?;
    match (setup.params.view, setup.mounts) {
        (View::Machine, _) => machine::arrange(setup)?,
        (View::Root, true) => arrange(setup)?,
        (View::Root, false) => {
            rustix::process::fchdir(setup.root)
                .and_then(|()| rustix::process::chroot("."))
                .map_err(cannot)?;
        }
    }
    rustix::process::chdir("/").map_err(cannot)?;
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        -1 => Err(cannot(Errno::AGAIN)),
        0 => {
            let error = execute(setup, method);
            say(setup, &Word::Failed(error));
            exit(127)
        }
        program => Ok(wait_for(program)),
    }
}

/// Waits for the program, and for orphans that have become ours.
fn wait_for(program: i32) -> Word {
    loop {
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if pid == program {
            return match libc::WIFEXITED(status) {
                true => Word::Code(libc::WEXITSTATUS(status)),
                false => Word::Signal(libc::WTERMSIG(status)),
            };
        }
        if pid == -1 && std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return Word::Failed(Error::new(ErrorKind::Internal, "a program was lost"));
        }
    }
}

/// Mounts what the program sees and makes the root `/`.
fn arrange(setup: &Setup<'_>) -> Result<()> {
    let at = |what: &str| {
        let message = format!("cannot mount {what} for a program in the root");
        move |e: Errno| Error::io(message.clone(), e)
    };
    // Taken before the root changes: from then on no path leads to the machine.
    let root = working_directory().map_err(at("the root"))?;
    let tree = clone_of(&root, "").map_err(at("the root"))?;
    let devices = devices();
    let proc = clone_of(rustix::fs::CWD, "/proc");
    let sys = clone_of(rustix::fs::CWD, "/sys");
    // Any directory will do: it is left at once.
    attach(&tree, "/proc").map_err(at("the root"))?;
    rustix::process::fchdir(&tree).map_err(at("the root"))?;
    // pivot_root(2), "pivot_root(".", ".")": the old root lies on the new one until it is taken away.
    rustix::process::pivot_root(".", ".").map_err(at("the root"))?;
    let safe = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // A container may hide parts of /proc, and then the kernel allows no new one: its own is
    // taken, in which a program finds others' processes and not itself.
    mount("proc", "/proc", "proc", safe, None).or_else(|_| attach(&proc?, "/proc")).map_err(at("/proc"))?;
    // Without one, programs do.
    let _ = mount("sysfs", "/sys", "sysfs", safe | MountFlags::RDONLY, None).or_else(|_| {
        attach(&sys?, "/sys")?;
        mount_remount("/sys", safe | MountFlags::RDONLY | MountFlags::BIND, "")
    });
    // Not before: the kernel allows a new /proc only where an old one is to be seen.
    unmount(".", UnmountFlags::DETACH).map_err(at("the root"))?;
    rustix::process::chdir("/").map_err(at("the root"))?;
    fill_dev(devices).map_err(at("/dev"))?;
    cover(setup).map_err(at("a file"))?;
    rustix::system::sethostname(HOSTNAME).map_err(|e| Error::io("cannot name the machine", e))?;
    if setup.rung != Rung::Chroot && !setup.params.network {
        // It would be odd without, and harms nobody.
        let _ = raise_loopback();
    }
    Ok(())
}

/// The machine's devices, as mounts that are not attached anywhere.
pub(crate) fn devices() -> Vec<Result<OwnedFd, Errno>> {
    DEVICES.iter().map(|name| clone_of(rustix::fs::CWD, &format!("/dev/{name}"))).collect()
}

/// A mount of what is at `path`, not attached anywhere.
pub(crate) fn clone_of(directory: impl AsFd, path: &str) -> Result<OwnedFd, Errno> {
    let mut flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    // What the machine has mounted below must come along, or the kernel refuses to reveal what is under it.
    if matches!(path, "/proc" | "/sys") {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(directory, path, flags)
}

pub(crate) fn attach(tree: &OwnedFd, path: impl rustix::path::Arg) -> Result<(), Errno> {
    move_mount(tree, "", rustix::fs::CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Mounts a `/dev` with these devices.
pub(crate) fn fill_dev(devices: Vec<Result<OwnedFd, Errno>>) -> Result<(), Errno> {
    let options = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("tmpfs", "/dev", "tmpfs", options, Some(c"mode=0755,size=1m"))?;
    for (name, device) in DEVICES.iter().zip(devices) {
        let Ok(device) = device else { continue };
        let path = format!("/dev/{name}");
        make(&path, 0o666)?;
        attach(&device, &*path)?;
    }
    for (target, link) in LINKS {
        symlink(target, link)?;
    }
    for name in ["/dev/pts", "/dev/shm"] {
        rustix::fs::mkdir(name, Mode::from_raw_mode(0o755))?;
    }
    let safe = MountFlags::NOSUID | MountFlags::NOEXEC;
    // No gid=5: with one id it would not be there (EINVAL).
    let pts = mount("devpts", "/dev/pts", "devpts", safe, Some(c"newinstance,ptmxmode=0666,mode=0620"));
    // Scripts without a terminal do without terminals.
    let _ = pts;
    mount("tmpfs", "/dev/shm", "tmpfs", safe | MountFlags::NODEV, Some(c"mode=1777"))
}

fn make(path: &str, mode: u32) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::from_raw_mode(mode))
}

/// Has the program see other files at these paths, where there are files.
fn cover(setup: &Setup<'_>) -> Result<(), Errno> {
    /// Files of their own file system, so that they need not be seen anywhere else.
    const PLACE: &str = "/dev/shm";
    if setup.covers.is_empty() {
        return Ok(());
    }
    mount("tmpfs", PLACE, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=0755,size=16m"))?;
    for (index, (path, content)) in setup.covers.iter().enumerate() {
        let draft = format!("{PLACE}/{index}");
        write(setup, &draft, content)?;
        let path: &std::path::Path = std::ffi::OsStr::from_bytes(path.as_bytes()).as_ref();
        attach(&clone_of(rustix::fs::CWD, &draft)?, std::path::Path::new("/").join(path))?;
    }
    unmount(PLACE, UnmountFlags::DETACH)
}

/// Makes a file of what a cover holds.
pub(crate) fn write(setup: &Setup<'_>, path: &str, content: &Cover) -> Result<(), Errno> {
    let mut file = File::from(make(path, 0o755)?);
    match content {
        Cover::Text(text) => file.write_all(text.as_bytes()).map_err(|_| Errno::NOSPC),
        Cover::File(given) => {
            let given = usize::try_from(given.fd).ok().and_then(|place| setup.files.get(place));
            let mut given = File::from(given.ok_or(Errno::BADF)?.try_clone().map_err(|_| Errno::MFILE)?);
            io::copy(&mut given, &mut file).map_err(|_| Errno::NOSPC)?;
            Ok(())
        }
    }
}

/// `ip link set lo up`: netdevice(7).
fn raise_loopback() -> Result<(), Errno> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: a struct of plain numbers, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is one that SIOCSIFFLAGS reads, and outlives the call.
    match unsafe { libc::ioctl(number(&socket), libc::SIOCSIFFLAGS as _, &raw mut request) } {
        0 => Ok(()),
        _ => Err(Errno::PERM),
    }
}

/// Becomes the program, or calls the method; returns only to say why that failed.
fn execute(setup: &Setup<'_>, method: Option<Method>) -> Error {
    match (prepare(setup), method) {
        (Ok(_), Some(method)) => call(setup, method),
        (Ok((argv, env)), None) => exec(&setup.params.argv[0], &argv, &env),
        (Err(error), _) => error,
    }
}

/// Calls the method, leaves its answer, and ends.
fn call(setup: &Setup<'_>, method: Method) -> Error {
    // There is no exec that would: the sandbox process's own descriptors are no business of a plugin.
    let own = [number(setup.answer), number(setup.words)];
    close_all_but(setup.params.files.keys().copied().chain([0, 1, 2]).chain(own).collect());
    let answer = match set_environment(setup.params).and_then(|()| method()) {
        Ok(value) => Answer::Ok(value),
        Err(error) => Answer::Error(error),
    };
    let written = serde_json::to_vec(&answer).map_err(io::Error::other).and_then(|text| {
        let mut file = File::from(setup.answer.try_clone()?);
        file.write_all(&text)
    });
    match written {
        Ok(()) => exit(0),
        Err(error) => Error::io("cannot answer from the root", error),
    }
}

/// Gives this process the environment that a program would have.
fn set_environment(params: &RunParams) -> Result<()> {
    if let Some(name) = params.env.keys().find(|name| name.is_empty() || name.contains('=')) {
        return Err(Error::usage(format!("a variable of the environment cannot be called \"{name}\"")));
    }
    for (name, _) in std::env::vars_os() {
        // SAFETY: this process has one thread.
        unsafe { std::env::remove_var(name) };
    }
    for (name, value) in &params.env {
        // SAFETY: as above. That there is no NUL in it was seen to before.
        unsafe { std::env::set_var(name, value) };
    }
    Ok(())
}

fn close_all_but(keep: BTreeSet<i32>) {
    let mut first = 0;
    for kept in keep.into_iter().map(i32::cast_unsigned).chain([libc::c_uint::MAX]) {
        if first < kept {
            // By number, because musl has no function for it.
            // SAFETY: nothing of this process uses what it closes: it calls one method and ends.
            unsafe { libc::syscall(libc::SYS_close_range, first, kept - 1, 0 as libc::c_uint) };
        }
        first = kept.saturating_add(1);
    }
}

type Words = Vec<CString>;

fn prepare(setup: &Setup<'_>) -> Result<(Words, Words)> {
    let params = setup.params;
    let nul = |_| Error::usage("a word of a command has a NUL byte in it");
    let word = |word: &str| CString::new(word).map_err(nul);
    let argv = params.argv.iter().map(|text| word(text)).collect::<Result<Words>>()?;
    let env = params.env.iter().map(|(name, value)| word(&format!("{name}={value}")));
    let env = env.collect::<Result<Words>>()?;
    let cannot = |e| Error::io("cannot prepare a program", e);
    rustix::process::setsid().map_err(cannot)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    reset_signals();
    let limit = Rlimit { current: Some(OPEN_FILES), ..rustix::process::getrlimit(Resource::Nofile) };
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
    let calls =
        setup.calls.map(|(socket, filter)| Ok((rustix::io::fcntl_dupfd_cloexec(socket, HIGH)?, filter)));
    let calls = calls.transpose().map_err(cannot)?;
    hand_over(setup).map_err(cannot)?;
    if let Some((socket, filter)) = calls {
        // Last of all: from here on calls wait for whoever has the descriptor.
        let listener = install(filter).map_err(|e| Error::io("cannot filter the calls of a program", e))?;
        frame::send(&socket, Kind::Event, 0, b"", &[listener.as_fd()])
            .map_err(|e| Error::io("cannot hand over the calls of a program", e))?;
    }
    Ok((argv, env))
}

/// Signals that this process ignores would be ignored by the program too.
fn reset_signals() {
    // SAFETY: sets dispositions and the mask of a process with one thread.
    unsafe {
        for signal in 1..libc::SIGRTMIN() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Puts the program's descriptors where it expects them. All others close at exec.
fn hand_over(setup: &Setup<'_>) -> Result<(), Errno> {
    let high = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, HIGH);
    let mut wanted = vec![(1, high(setup.output)?), (2, high(setup.output)?)];
    for (&target, file) in &setup.params.files {
        let place = usize::try_from(file.fd).map_err(|_| Errno::BADF)?;
        let file = setup.files.get(place).ok_or(Errno::BADF)?;
        // What it prints goes nowhere else.
        if target != 0 && !(3..HIGH).contains(&target) {
            return Err(Errno::BADF);
        }
        wanted.push((target, high(file)?));
    }
    for (target, file) in wanted {
        // SAFETY: both are numbers. What was open at the target is this copy's own, and what
        // it still needs, `words` and the originals here, lies above.
        if unsafe { libc::dup2(number(&file), target) } < 0 {
            return Err(Errno::BADF);
        }
    }
    Ok(())
}

fn exec(program: &str, argv: &Words, env: &Words) -> Error {
    let pointers = |words: &Words| {
        let pointers = words.iter().map(|word| word.as_ptr());
        pointers.chain([std::ptr::null()]).collect::<Vec<_>>()
    };
    let (argv_pointers, env_pointers) = (pointers(argv), pointers(env));
    // SAFETY: both lists end in null, and the words outlive the call.
    unsafe { libc::execve(argv[0].as_ptr(), argv_pointers.as_ptr(), env_pointers.as_ptr()) };
    let error = std::io::Error::last_os_error();
    Error::new(ErrorKind::ToolFailed, format!("cannot run {program} in the root")).because(&error)
}
