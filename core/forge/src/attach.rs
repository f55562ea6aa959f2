//! Files that go along with a message.

use std::os::fd::OwnedFd;

use ctr_forge_plugin::FileRef;

/// The files of one message, in the order of their indices.
#[derive(Debug, Default)]
pub struct Attachments(Vec<OwnedFd>);

impl Attachments {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; what is returned stands for it in the message.
    pub fn add(&mut self, file: impl Into<OwnedFd>) -> FileRef {
        self.0.push(file.into());
        FileRef { fd: self.0.len() as i32 - 1 }
    }

    pub(crate) fn into_files(self) -> Vec<OwnedFd> {
        self.0
    }
}
