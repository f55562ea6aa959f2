//! A call that waits, and its answer: `seccomp_unotify(2)`.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// `_IOC` of `asm-generic/ioctl.h`, for type `!` (`linux/seccomp.h`).
const fn request(direction: u64, number: u64, size: usize) -> u64 {
    direction << 30 | (size as u64) << 16 | 0x21 << 8 | number
}

const READ_WRITE: u64 = 3;
const WRITE: u64 = 1;
const RECEIVE: u64 = request(READ_WRITE, 0, size_of::<libc::seccomp_notif>());
const SEND: u64 = request(READ_WRITE, 1, size_of::<libc::seccomp_notif_resp>());
const IS_VALID: u64 = request(WRITE, 2, size_of::<u64>());
const ADD_FD: u64 = request(WRITE, 3, size_of::<AddFd>());
const SET_FLAGS: u64 = request(WRITE, 4, size_of::<u64>());

/// `struct seccomp_notif_addfd`.
#[repr(C)]
struct AddFd {
    id: u64,
    flags: u32,
    srcfd: u32,
    newfd: u32,
    newfd_flags: u32,
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Notice(libc::seccomp_notif);

/// What becomes of it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The kernel does it.
    Continue,
    /// It is done, with this result.
    Value(i64),
    /// It fails.
    Error(Errno),
    /// It is done: the program gets a descriptor, closed at exec if asked for.
    Open(OwnedFd, bool),
}

impl Verdict {
    pub(super) const DONE: Self = Self::Value(0);
}

/// SAFETY of all calls: `argument` is what the request reads or writes, and outlives the call.
fn ioctl<T>(listener: BorrowedFd<'_>, request: u64, argument: *mut T) -> Result<i32, Errno> {
    loop {
        // SAFETY: as above.
        match unsafe { libc::ioctl(listener.as_raw_fd(), request as _, argument) } {
            -1 => match Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL) {
                Errno::INTR => {}
                error => return Err(error),
            },
            value => return Ok(value),
        }
    }
}

/// Has the kernel switch right to whoever waits, and back (Linux 6.6).
pub(super) fn wake_at_once(listener: BorrowedFd<'_>) {
    /// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`
    const SYNC_WAKE_UP: u64 = 1;
    // The request takes the flags themselves for its argument. Without, it is slower.
    let _ = ioctl(listener, SET_FLAGS, std::ptr::without_provenance_mut::<u64>(SYNC_WAKE_UP as usize));
}

impl Notice {
    /// The next call that waits; `None` if its program was ended meanwhile.
    pub(super) fn receive(listener: BorrowedFd<'_>) -> Result<Option<Self>, Errno> {
        // SAFETY: a struct of plain numbers; the kernel wants it zeroed.
        let mut notice: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        match ioctl(listener, RECEIVE, &raw mut notice) {
            Ok(_) => Ok(Some(Self(notice))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the program still waits, so that its number is its own.
    pub(super) fn is_valid(&self, listener: BorrowedFd<'_>) -> bool {
        let mut id = self.0.id;
        ioctl(listener, IS_VALID, &raw mut id).is_ok()
    }

    pub(super) fn number(&self) -> i32 {
        self.0.data.nr
    }

    pub(super) fn arch(&self) -> u32 {
        self.0.data.arch
    }

    /// The thread that made it, as this process sees it.
    pub(super) fn thread(&self) -> u32 {
        self.0.pid
    }

    pub(super) fn argument(&self, index: usize) -> u64 {
        self.0.data.args[index]
    }

    pub(super) fn answer(&self, listener: BorrowedFd<'_>, verdict: &Verdict) -> Result<(), Errno> {
        let (val, error, flags) = match verdict {
            Verdict::Open(fd, close) => return self.hand_in(listener, fd, *close),
            Verdict::Continue => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
            Verdict::Value(value) => (*value, 0, 0),
            Verdict::Error(error) => (0, -error.raw_os_error(), 0),
        };
        let mut answer = libc::seccomp_notif_resp { id: self.0.id, val, error, flags };
        match ioctl(listener, SEND, &raw mut answer) {
            // Nobody waits any more.
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn hand_in(&self, listener: BorrowedFd<'_>, fd: &OwnedFd, close: bool) -> Result<(), Errno> {
        /// `SECCOMP_ADDFD_FLAG_SEND`: with the descriptor as the answer (Linux 5.14).
        const SEND: u32 = 2;
        let mut add = AddFd {
            id: self.0.id,
            flags: SEND,
            srcfd: fd.as_raw_fd().cast_unsigned(),
            newfd: 0,
            newfd_flags: if close { libc::O_CLOEXEC.cast_unsigned() } else { 0 },
        };
        match ioctl(listener, ADD_FD, &raw mut add) {
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(error) => self.answer(listener, &Verdict::Error(error)),
        }
    }
}
