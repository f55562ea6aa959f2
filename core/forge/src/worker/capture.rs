//! What a worker prints: taken off its pipes line by line, the end kept for reports.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::fs::OFlags;

/// Lines kept for an error report.
const TAIL: usize = 20;
/// Lines taken from a worker that is ending that are passed on.
const MAX_KEPT: usize = 1000;
/// Longest line kept, in bytes; a longer one is cut into several.
const MAX_LINE: usize = 4096;

/// The reading end of a worker's standard output or error.
#[derive(Debug)]
pub(super) struct Capture {
    pipe: Option<OwnedFd>,
    partial: Vec<u8>,
    tail: VecDeque<String>,
    /// Lines taken while nobody could be told.
    kept: Vec<String>,
}

impl Capture {
    pub(super) fn new(pipe: OwnedFd) -> Self {
        // A grandchild may hold the other end for ever, so reading must never wait.
        let nonblocking = rustix::fs::fcntl_setfl(&pipe, OFlags::NONBLOCK).is_ok();
        Self {
            pipe: nonblocking.then_some(pipe),
            partial: Vec::new(),
            tail: VecDeque::new(),
            kept: Vec::new(),
        }
    }

    pub(super) fn pipe(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref()
    }

    /// Takes one piece of what is there; returns the lines that it completed.
    pub(super) fn read(&mut self) -> Vec<String> {
        let mut buffer = [0; 16 << 10];
        match self.pipe.as_ref().map(|pipe| rustix::io::read(pipe, &mut buffer)) {
            None | Some(Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR)) => Vec::new(),
            Some(Ok(0) | Err(_)) => {
                self.pipe = None;
                self.cut()
            }
            Some(Ok(count)) => self.lines(&buffer[..count]),
        }
    }

    /// Takes one piece of what is there, to be returned by [`Capture::drain`].
    pub(super) fn keep(&mut self) {
        let lines = self.read();
        let room = MAX_KEPT.saturating_sub(self.kept.len());
        self.kept.extend(lines.into_iter().take(room));
    }

    /// Takes all that is there, up to a bound, and the unfinished line.
    pub(super) fn drain(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.kept);
        for _ in 0..64 {
            let before = self.partial.len();
            let more = self.read();
            if more.is_empty() && self.partial.len() == before {
                break;
            }
            lines.extend(more);
        }
        lines.extend(self.cut());
        lines
    }

    /// The last lines.
    pub(super) fn tail(&self) -> impl Iterator<Item = &str> {
        self.tail.iter().map(String::as_str)
    }

    fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.partial.push(byte);
            }
            if byte == b'\n' || self.partial.len() == MAX_LINE {
                lines.extend(self.cut());
            }
        }
        lines
    }

    fn cut(&mut self) -> Vec<String> {
        if self.partial.is_empty() {
            return Vec::new();
        }
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.partial)).into_owned();
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.clone());
        vec![line]
    }
}
