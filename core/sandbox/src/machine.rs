//! What a tool of the machine sees: the machine's own files, and the root that it is to fill.
//!
//! The tool is root of the user namespace, and runs packages' scripts in a root that it enters
//! by chroot(2), from which they can break out. So what is outside is not writable either, and
//! what it does not need is not there:
//!
//! - every mount is read-only (`mount_setattr(2)`), but for what follows;
//! - `/tmp` is empty, has the root at [`ROOT_IN_MACHINE`] and the files of the call;
//! - `/home`, `/root`, `/run`, `/var/tmp` are empty. Sockets of the machine's services lie in `/run`;
//! - `/proc` and `/dev` are its own, as in a root.

use std::fs;
use std::io;
use std::path::Path;

use ctr_forge_plugin::sandbox::{ROOT_IN_MACHINE, RunParams, Rung};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

use crate::child::Held;
use crate::inside::{Setup, attach, clone_of, devices, fill_dev, write};
use crate::root::working_directory;

/// Directories that are empty for a tool, where the machine has them.
const EMPTY: [&str; 4] = ["/home", "/root", "/run", "/var/tmp"];

/// Which servers answer for names. What it leads to often lies in `/run`.
const RESOLVER: &str = "/etc/resolv.conf";

/// Whether a tool can run at all.
pub(crate) fn check(held: &Held, params: &RunParams) -> Result<()> {
    let unsupported = |message: &str| Err(Error::new(ErrorKind::Unsupported, message));
    if !held.mounts {
        return unsupported("a tool of the machine runs only where a mount namespace can be made");
    }
    if held.rung == Rung::Single {
        let refused = unsupported("a tool of the machine needs a range of ids, and here is one id");
        return refused
            .map_err(|e| e.hint("--sandbox mapped says what is missing to have one.").option("sandbox"));
    }
    match params.covers.keys().find(|path| !path.starts_with("/tmp/") || path.contains("..")) {
        Some(path) => Err(Error::usage(format!("a tool of the machine cannot have a file at {path}"))),
        None => Ok(()),
    }
}

/// Mounts what the tool is to see.
pub(crate) fn arrange(setup: &Setup<'_>) -> Result<()> {
    let at = |what: &str| {
        let message = format!("cannot mount {what} for a tool of the machine");
        move |e: Errno| Error::io(message.clone(), e)
    };
    let root = working_directory().and_then(|root| clone_of(&root, "")).map_err(at("the root"))?;
    let (devices, resolver) = (devices(), resolver());
    rustix::process::chdir("/").map_err(at("the machine"))?;
    read_only().map_err(at("the machine"))?;
    for directory in EMPTY.into_iter().filter(|directory| Path::new(directory).is_dir()) {
        empty(directory).map_err(at(directory))?;
    }
    empty("/tmp").map_err(at("/tmp"))?;
    rustix::fs::mkdir(ROOT_IN_MACHINE, 0o755.into()).map_err(at(ROOT_IN_MACHINE))?;
    attach(&root, ROOT_IN_MACHINE).map_err(at(ROOT_IN_MACHINE))?;
    let safe = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", safe, None).map_err(at("/proc"))?;
    fill_dev(devices).map_err(at("/dev"))?;
    let cannot = |e| Error::io("cannot give a tool of the machine its files", e);
    if let Some((path, text)) = resolver {
        put(&path, |path| fs::write(path, text)).map_err(cannot)?;
    }
    for (path, content) in &setup.params.covers {
        put(path, |path| Ok(write(setup, path, content)?)).map_err(cannot)?;
    }
    Ok(())
}

/// The resolver's file, where it would be hidden.
fn resolver() -> Option<(String, Vec<u8>)> {
    let path = fs::canonicalize(RESOLVER).ok()?.to_str()?.to_owned();
    EMPTY
        .iter()
        .any(|directory| path.starts_with(directory))
        .then(|| Some((path.clone(), fs::read(path).ok()?)))?
}

fn put(path: &str, write: impl FnOnce(&str) -> io::Result<()>) -> io::Result<()> {
    fs::create_dir_all(Path::new(path).parent().unwrap_or(Path::new("/")))?;
    write(path)
}

fn empty(directory: &str) -> Result<(), Errno> {
    mount("tmpfs", directory, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=0755"))
}

/// Makes all mounts of this namespace read-only.
fn read_only() -> Result<(), Errno> {
    // struct mount_attr (mount_setattr(2)): attr_set, attr_clr, propagation, userns_fd.
    let attributes = [libc::MOUNT_ATTR_RDONLY, 0, 0, 0];
    // SAFETY: the path ends in NUL, and the attributes are of the size that is given; both outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            c"/".as_ptr(),
            libc::AT_RECURSIVE,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}
