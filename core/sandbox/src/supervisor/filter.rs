//! The filter: which calls wait for an answer, which do nothing, and which there are not.
//!
//! Classic BPF (`linux/filter.h`, `seccomp(2)`): it sees the architecture, the number and the
//! arguments of a call, and no memory.

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::calls::{self, Call, FileCall};

/// What a filter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// All ids but one are answered for.
    Ids,
    /// Devices alone are.
    Devices,
}

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const ABOVE: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const ANY: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const ALWAYS: u16 = 0x05; // BPF_JMP | BPF_JA
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Where `struct seccomp_data` has them.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const WAIT: u32 = libc::SECCOMP_RET_USER_NOTIF;
const NOTHING: u32 = libc::SECCOMP_RET_ERRNO;
const MISSING: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// Calls of x32 have this bit in their numbers.
const X32: u32 = 0x4000_0000;

fn line(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// The low half of an argument; all flags and modes are in it.
fn argument(index: u32) -> u32 {
    16 + 8 * index + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// The lines of a filter.
fn lines(filter: Filter) -> Vec<libc::sock_filter> {
    let mut lines = vec![line(LOAD, ARCH, 0, 0)];
    for &arch in calls::of_this_machine() {
        let body = body(filter, arch);
        lines.push(line(EQUAL, arch, 1, 0));
        lines.push(line(ALWAYS, body.len() as u32, 0, 0));
        lines.extend(body);
    }
    lines.push(line(RETURN, ALLOW, 0, 0));
    lines
}

/// What holds for programs of one architecture. Each way through it ends in an answer.
fn body(filter: Filter, arch: u32) -> Vec<libc::sock_filter> {
    let mut body = vec![line(LOAD, NUMBER, 0, 0)];
    let answer = |body: &mut Vec<_>, number: u32, answer: u32| {
        body.push(line(EQUAL, number, 0, 1));
        body.push(line(RETURN, answer, 0, 0));
    };
    if arch == calls::X86_64 {
        body.push(line(ANY, X32, 0, 1));
        body.push(line(RETURN, MISSING, 0, 0));
    }
    for &number in calls::syncs(arch) {
        answer(&mut body, number, NOTHING);
    }
    for &(number, call) in calls::of(arch).unwrap_or_default() {
        match (filter, call) {
            (_, Call::File(FileCall::Mknod)) => device(&mut body, number, 1, filter),
            (_, Call::File(FileCall::MknodAt)) => device(&mut body, number, 2, filter),
            (Filter::Devices, _) => {}
            (Filter::Ids, Call::File(FileCall::Open)) => creates(&mut body, number, 1),
            (Filter::Ids, Call::File(FileCall::OpenAt)) => creates(&mut body, number, 2),
            (Filter::Ids, _) => answer(&mut body, number, WAIT),
        }
    }
    if filter == Filter::Ids {
        for &number in calls::REFUSED {
            answer(&mut body, number, MISSING);
        }
        // What is newer may do the same by yet another way.
        body.push(line(ABOVE, calls::NEWEST, 0, 1));
        body.push(line(RETURN, MISSING, 0, 0));
    }
    body.push(line(RETURN, ALLOW, 0, 0));
    body
}

/// A call that waits if it would make a file.
fn creates(body: &mut Vec<libc::sock_filter>, number: u32, flags: u32) {
    body.extend([
        line(EQUAL, number, 0, 4),
        line(LOAD, argument(flags), 0, 0),
        line(ANY, libc::O_CREAT.cast_unsigned(), 0, 1),
        line(RETURN, WAIT, 0, 0),
        line(RETURN, ALLOW, 0, 0),
    ]);
}

/// A call that waits if it would make a device, or anything where ids are answered for.
fn device(body: &mut Vec<libc::sock_filter>, number: u32, mode: u32, filter: Filter) {
    if filter == Filter::Ids {
        body.extend([line(EQUAL, number, 0, 1), line(RETURN, WAIT, 0, 0)]);
        return;
    }
    body.extend([
        line(EQUAL, number, 0, 6),
        line(LOAD, argument(mode), 0, 0),
        line(AND, libc::S_IFMT, 0, 0),
        line(EQUAL, libc::S_IFCHR, 1, 0),
        line(EQUAL, libc::S_IFBLK, 0, 1),
        line(RETURN, WAIT, 0, 0),
        line(RETURN, ALLOW, 0, 0),
    ]);
}

/// Installs a filter for this process and all that it starts; its calls wait at what is returned.
///
/// # Errors
///
/// If the kernel has no such filters (Linux 5.5), or the machine's architecture has none here.
pub(crate) fn install(filter: Filter) -> Result<OwnedFd, Errno> {
    if calls::of_this_machine().is_empty() {
        return Err(Errno::OPNOTSUPP);
    }
    let mut lines = lines(filter);
    let length = libc::c_ushort::try_from(lines.len()).map_err(|_| Errno::TOOBIG)?;
    let program = libc::sock_fprog { len: length, filter: lines.as_mut_ptr() };
    // A call that waits is interrupted by signals only where they kill (Linux 5.19).
    const WAIT_KILLABLE: libc::c_ulong = 1 << 5;
    let flags =
        [libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER];
    for flags in flags {
        // SAFETY: the program outlives the call; the kernel copies it.
        let fd = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        };
        if let Ok(fd) = i32::try_from(fd)
            && fd >= 0
        {
            // SAFETY: the kernel has just made the descriptor, for us.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do with the lines, for a call with these arguments.
    fn run(lines: &[libc::sock_filter], arch: u32, number: u32, arguments: [u32; 6]) -> u32 {
        let (mut at, mut value) = (0, 0_u32);
        loop {
            let line = lines[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { line.jt } else { line.jf });
            match line.code {
                LOAD if line.k == NUMBER => value = number,
                LOAD if line.k == ARCH => value = arch,
                LOAD => value = arguments[(line.k as usize - 16) / 8],
                AND => value &= line.k,
                EQUAL => at += jump(value == line.k),
                ABOVE => at += jump(value > line.k),
                ANY => at += jump(value & line.k != 0),
                ALWAYS => at += line.k as usize,
                _ => return line.k,
            }
        }
    }

    #[test]
    fn each_call_has_its_answer() {
        let ids = lines(Filter::Ids);
        let devices = lines(Filter::Devices);
        assert!(ids.len() < 4096, "BPF_MAXINSNS");
        for &arch in calls::of_this_machine() {
            let ask = |lines: &[_], number, second| run(lines, arch, number, [0, second, second, 0, 0, 0]);
            for &(number, call) in calls::of(arch).unwrap() {
                let is_open = matches!(call, Call::File(FileCall::Open | FileCall::OpenAt));
                let expected = if is_open { ALLOW } else { WAIT };
                assert_eq!(ask(&ids, number, 0), expected, "{call:?}");
                assert!(!is_open || ask(&ids, number, libc::O_CREAT.cast_unsigned() | 1) == WAIT);
                let is_node = matches!(call, Call::File(FileCall::Mknod | FileCall::MknodAt));
                assert_eq!(ask(&devices, number, libc::S_IFCHR | 0o600) == WAIT, is_node, "{call:?}");
                assert_eq!(ask(&devices, number, libc::S_IFIFO | 0o600), ALLOW, "{call:?}");
            }
            for &number in calls::syncs(arch) {
                assert_eq!((ask(&ids, number, 0), ask(&devices, number, 0)), (NOTHING, NOTHING));
            }
            assert_eq!(
                (ask(&ids, 425, 0), ask(&ids, 9999, 0), ask(&devices, 9999, 0)),
                (MISSING, MISSING, ALLOW)
            );
        }
        assert_eq!(run(&ids, 0x1234, 92, [0; 6]), ALLOW);
    }
}
