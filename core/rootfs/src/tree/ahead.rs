//! Files of the host, opened ahead of the one that is being read.
//!
//! In a tree of many small files most of the time goes into waiting for the disk, once for each
//! file. A second thread opens the next files meanwhile and asks the kernel for their beginning;
//! how much comes after that the kernel guesses well by itself.

use std::num::NonZeroU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use rustix::fs::{Advice, fadvise};

use crate::walk::{LastFolder, WalkError};
use crate::{HostFile, HostReader};

/// Files that are open and wait to be read.
const OPEN: usize = 32;
/// Bytes of each that are asked for.
const BEGINNING: NonZeroU64 = NonZeroU64::new(1 << 20).expect("a positive number");

/// A sequence of files, to be taken in its order.
#[derive(Debug)]
pub(super) struct Ahead {
    opened: Receiver<Result<HostReader, WalkError>>,
    folder: LastFolder,
}

impl Ahead {
    /// Begins to open `files`.
    pub(super) fn new<'scope, 'env, 'files: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        files: impl Iterator<Item = &'files HostFile> + Send + 'scope,
    ) -> Self {
        let (sender, opened) = sync_channel(OPEN);
        // Without a thread the sender is gone at once, and each file is opened when it is needed.
        _ = Builder::new().name("open files".into()).spawn_scoped(scope, move || open(files, &sender));
        Self { opened, folder: LastFolder::default() }
    }

    /// The next of the files, which is `file`.
    pub(super) fn next(&mut self, file: &HostFile) -> Result<HostReader, WalkError> {
        self.opened.recv().unwrap_or_else(|_| file.open(&mut self.folder))
    }
}

fn open<'a>(files: impl Iterator<Item = &'a HostFile>, sender: &SyncSender<Result<HostReader, WalkError>>) {
    let mut folder = LastFolder::default();
    for file in files {
        let opened = file.open(&mut folder);
        if let Ok(reader) = &opened {
            // Advice: where it cannot be taken, nothing is lost.
            _ = fadvise(reader.as_file(), 0, Some(BEGINNING), Advice::WillNeed);
        }
        if sender.send(opened).is_err() {
            return;
        }
    }
}
