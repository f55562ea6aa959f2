//! Whether the user wants the work to end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ctr_forge_plugin::{Error, ErrorKind, Result};

/// A wish to stop, as all who work on one job share it.
///
/// Asking twice means it: whoever waits for something to end in its own time
/// stops waiting.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    times: AtomicUsize,
    /// Becomes readable with the first wish, to wake whoever polls.
    readable: OwnedFd,
    writable: OwnedFd,
}

impl Cancel {
    /// No wish yet.
    pub fn new() -> Result<Self> {
        let (readable, writable) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|e| Error::io("cannot make a pipe", e))?;
        Ok(Self(Arc::new(Shared { times: AtomicUsize::new(0), readable, writable })))
    }

    /// Wishes the work to end.
    pub fn cancel(&self) {
        self.0.times.fetch_add(1, Ordering::AcqRel);
        // Whether or not the byte gets through, the counter has been set.
        let _ = rustix::io::write(&self.0.writable, &[0]);
    }

    /// How often it was wished.
    pub fn times(&self) -> usize {
        self.0.times.load(Ordering::Acquire)
    }

    /// An error if the work is to end.
    pub fn check(&self) -> Result<()> {
        match self.times() {
            0 => Ok(()),
            _ => Err(Error::new(ErrorKind::Cancelled, "stopped")),
        }
    }

    /// Readable as soon as the work is to end.
    pub(crate) fn readable(&self) -> BorrowedFd<'_> {
        self.0.readable.as_fd()
    }
}
