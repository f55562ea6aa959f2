//! Answers for the ids that a user namespace does not have.
//!
//! A program in a namespace with one id cannot give a file to another user, make a device or
//! become somebody else; scripts of packages do all three. A filter (`seccomp(2)`, user
//! notification) hands such calls to the sandbox process, which notes what was meant in its
//! table of [owners](crate::owners), and answers calls that ask for it with what was noted. So
//! what a program sees agrees with what it did, and the tar has the owners that were meant.
//!
//! It records and performs; it never authorises. What keeps the program from the machine is
//! the namespace; the worst that comes of a race with it is an odd owner in its own root.
//! Everything done for it is done below its own root (`openat2(2)`, `RESOLVE_IN_ROOT`).
//!
//! | module | what it holds |
//! |---|---|
//! | `calls` | which calls those are, by architecture |
//! | `filter` | the filter |
//! | `notice` | a call that waits, and its answer |
//! | `target` | the program that made it: its memory, its paths |
//! | `files` | owners, devices, attributes, what is born |
//! | `people` | who a process has become |
//!
//! Not answered: paths that lead through `/proc/self` other than to an open file, a root of a
//! program's own (`chroot` in a script), 32-bit programs on ARM. They get the kernel's answer.

mod calls;
mod files;
mod filter;
mod notice;
mod people;
mod target;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use self::calls::Call;
pub(crate) use self::filter::{Filter, install};
use self::notice::{Notice, Verdict};
use self::people::People;
use self::target::Target;
use crate::owners::Owners;

/// The calls of one program and all that it starts.
#[derive(Debug)]
pub(crate) struct Supervisor {
    listener: OwnedFd,
    people: People,
}

impl Supervisor {
    pub(crate) fn new(listener: OwnedFd) -> Self {
        notice::wake_at_once(listener.as_fd());
        Self { listener, people: People::default() }
    }

    /// Readable when a call waits.
    pub(crate) fn readable(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Answers one call that waits.
    pub(crate) fn serve(&mut self, owners: &mut Owners) -> Result<(), Errno> {
        let Some(notice) = Notice::receive(self.listener.as_fd())? else { return Ok(()) };
        let verdict = match Call::of(&notice) {
            Some(call) => self.decide(call, &notice, owners),
            // The filter asks only for calls that are known.
            None => Ok(Verdict::Continue),
        };
        let verdict = verdict.unwrap_or_else(Verdict::Error);
        notice.answer(self.listener.as_fd(), &verdict)
    }

    fn decide(&mut self, call: Call, notice: &Notice, owners: &mut Owners) -> Result<Verdict, Errno> {
        let target = Target::new(notice);
        match call {
            Call::Person(call) => self.people.answer(call, &target),
            Call::File(call) => files::answer(call, &target, &mut self.people, owners, self.listener.as_fd()),
        }
    }
}
