//! The program that made a call: its memory, and where its paths lead.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};
use rustix::io::Errno;

use super::notice::Notice;

/// Longest path, with the NUL at its end: `PATH_MAX`.
const MAX_PATH: usize = 4096;

/// Who made a call.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) notice: &'a Notice,
}

/// A path of a call: where it is taken from, and its text.
#[derive(Debug)]
pub(super) struct Given {
    directory: i32,
    path: Vec<u8>,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    File(OwnedFd),
    /// Where only the kernel can follow.
    Elsewhere,
}

impl<'a> Target<'a> {
    pub(super) fn new(notice: &'a Notice) -> Self {
        Self { notice }
    }

    /// An argument that is a number of 32 bits, as most are.
    pub(super) fn number(&self, index: usize) -> u32 {
        self.notice.argument(index) as u32
    }

    /// A directory and a path, which are the arguments from `first` on.
    pub(super) fn path_at(&self, first: usize) -> Result<Given, Errno> {
        let path = self.text(self.notice.argument(first + 1))?;
        Ok(Given { directory: self.number(first).cast_signed(), path })
    }

    /// A path without a directory.
    pub(super) fn path(&self, index: usize) -> Result<Given, Errno> {
        Ok(Given { directory: libc::AT_FDCWD, path: self.text(self.notice.argument(index))? })
    }

    /// The text at an address of the program.
    pub(super) fn text(&self, address: u64) -> Result<Vec<u8>, Errno> {
        let mut text = vec![0; MAX_PATH];
        let mut length = 0;
        // Not beyond a page at a time: what follows may not be there.
        while length < MAX_PATH {
            let at = address.checked_add(length as u64).ok_or(Errno::FAULT)?;
            let page = 4096 - (at % 4096) as usize;
            let end = MAX_PATH.min(length + page);
            self.read(at, &mut text[length..end])?;
            if let Some(nul) = text[length..end].iter().position(|&byte| byte == 0) {
                text.truncate(length + nul);
                return Ok(text);
            }
            length = end;
        }
        Err(Errno::NAMETOOLONG)
    }

    /// Reads the program's memory.
    pub(super) fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        let length = into.len();
        let mut local = [IoSliceMut::new(into)];
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: length };
        let pid = self.notice.thread().cast_signed();
        // SAFETY: IoSliceMut has the layout of iovec; the kernel checks the other's addresses.
        let count =
            unsafe { libc::process_vm_readv(pid, local.as_mut_ptr().cast(), 1, &raw const remote, 1, 0) };
        if count == length as isize { Ok(()) } else { Err(Errno::FAULT) }
    }

    /// Writes into the program's memory.
    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes.len() };
        let pid = self.notice.thread().cast_signed();
        // SAFETY: the local bytes are only read; the kernel checks the other's addresses.
        let count = unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) };
        if count == bytes.len() as isize { Ok(()) } else { Err(Errno::FAULT) }
    }

    /// What a descriptor of the program is.
    pub(super) fn descriptor(&self, number: i32) -> Result<Found, Errno> {
        let path = format!("/proc/{}/fd/{number}", self.notice.thread());
        match openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => Ok(Found::File(fd)),
            Err(Errno::NOENT) => Err(Errno::BADF),
            Err(error) => Err(error),
        }
    }

    /// What a path leads to, a link at its end followed or not.
    pub(super) fn open(&self, given: &Given, follow: bool) -> Result<Found, Errno> {
        if let Some(number) = open_file(&given.path) {
            return if follow { self.descriptor(number) } else { Ok(Found::Elsewhere) };
        }
        let path = self.absolute(given)?;
        if path.starts_with(b"/proc/") {
            // It shows each process itself.
            return Ok(Found::Elsewhere);
        }
        let root = self.root()?;
        let flags = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        match openat2(
            &root,
            &*path,
            flags | OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        ) {
            Ok(fd) => Ok(Found::File(fd)),
            // There is nothing; or a link leads where only the kernel can follow. It will tell.
            Err(_) => Ok(Found::Elsewhere),
        }
    }

    /// The directory in which a path names something, and the name. `None` where only the kernel
    /// can follow.
    pub(super) fn parent(&self, given: &Given) -> Result<Option<(OwnedFd, Vec<u8>)>, Errno> {
        let mut path = self.absolute(given)?;
        while path.len() > 1 && path.ends_with(b"/") {
            path.pop();
        }
        let cut = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        let name = path.split_off(cut);
        if name.is_empty() || name == b"." || name == b".." {
            return Ok(None);
        }
        match self.open(&Given { directory: libc::AT_FDCWD, path }, true)? {
            Found::File(fd) => Ok(Some((fd, name))),
            Found::Elsewhere => Ok(None),
        }
    }

    /// The path from the program's root on. Where it is taken from, the kernel tells as the
    /// program's own mounts have it.
    fn absolute(&self, given: &Given) -> Result<Vec<u8>, Errno> {
        if given.path.is_empty() {
            return Err(Errno::NOENT);
        }
        if given.path.starts_with(b"/") {
            return Ok(given.path.clone());
        }
        let thread = self.notice.thread();
        let link = match given.directory {
            libc::AT_FDCWD => format!("/proc/{thread}/cwd"),
            number => format!("/proc/{thread}/fd/{number}"),
        };
        let from = readlinkat(CWD, link, Vec::new()).map_err(|_| Errno::BADF)?;
        let mut path = from.into_bytes();
        path.push(b'/');
        path.extend_from_slice(&given.path);
        Ok(path)
    }

    fn root(&self) -> Result<OwnedFd, Errno> {
        let path = format!("/proc/{}/root", self.notice.thread());
        openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    }

    /// A field of `/proc/PID/status`, numbers in the given base.
    pub(super) fn status(&self, field: &str, base: u32) -> Option<u32> {
        status_of(self.notice.thread(), field, base)
    }
}

impl Given {
    /// Whether it names what its directory is, by saying nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.path.is_empty()
    }

    pub(super) fn directory(&self) -> i32 {
        self.directory
    }
}

/// The descriptor that a path names: `/proc/self/fd/3`.
fn open_file(path: &[u8]) -> Option<i32> {
    let number = [&b"/proc/self/fd/"[..], b"/dev/fd/"].iter().find_map(|place| path.strip_prefix(*place))?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// A field of `/proc/PID/status`.
pub(super) fn status_of(pid: u32, field: &str, base: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    u32::from_str_radix(line.split_whitespace().next()?, base).ok()
}
