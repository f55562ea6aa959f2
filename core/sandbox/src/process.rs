//! Becoming a process that belongs to a host: a socket instead of standard input, nothing
//! else open, and no life without the host.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use ctr_forge_plugin::{Error, ErrorKind, Result};
use rustix::process::Signal;

/// Descriptors of such a process lie from here on, clear of those that a plugin is promised.
pub const OWN_FDS: i32 = 10;

/// Moves the socket away from standard input, puts `/dev/null` there and closes all else.
///
/// To be called first of all, while the process has one thread and no descriptor of its own.
///
/// # Errors
///
/// If standard input is no socket: somebody else used the word that is ctr-forge's own.
pub fn take_socket() -> Result<OwnedFd> {
    let cannot = |e| Error::io("cannot take over the host's socket", e);
    let stdin = io::stdin();
    let socket = rustix::io::fcntl_dupfd_cloexec(stdin.as_fd(), OWN_FDS).map_err(cannot)?;
    if rustix::net::sockopt::socket_type(&socket).is_err() {
        return Err(no_host());
    }
    let null = fs::File::open("/dev/null").map_err(|e| Error::io("cannot open /dev/null", e))?;
    rustix::stdio::dup2_stdin(null).map_err(cannot)?;
    // Whatever else the host's own parent left open is none of our business.
    let own = socket.as_raw_fd() as libc::c_uint;
    for (first, last) in [(3, own - 1), (own + 1, libc::c_uint::MAX)] {
        // By number, because musl has no function for it.
        // SAFETY: this process has just begun: it owns no descriptor from 3 on but the socket.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0 as libc::c_uint) };
    }
    Ok(socket)
}

/// What to say to whoever is not the host.
pub fn no_host() -> Error {
    Error::usage("this is a word of ctr-forge's own, for processes that it starts; nobody else can use it")
}

/// Ends this process when its host, the process `host`, ends.
///
/// # Errors
///
/// If the host is gone already.
pub fn die_with(host: i32) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| Error::io("cannot bind this process to its host", e))?;
    // It may have died before that took effect.
    match rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) {
        Some(parent) if parent == host => Ok(()),
        _ => Err(Error::new(ErrorKind::Cancelled, "the host is gone")),
    }
}
