//! Unpacks the next packages on other threads while one is written.
//!
//! Decompression is nearly all of the work, so it is done ahead: each thread takes the
//! next package and puts what comes out into a queue of its own, until that is full. One
//! thread empties the queues in the order of the packages, so the order of what is written
//! depends on nothing but theirs. The package whose turn it is has always been taken by a
//! thread before all later ones, so nobody waits for ever.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ctr_forge_plugin::Result as PluginResult;

use super::record::Record;
use super::{Chosen, InstallError, Settings};
use crate::deb::{Control, Deb, DebError};

/// Bytes passed on at once.
const CHUNK: usize = 256 << 10;

/// Chunks that wait in a queue: 16 MiB.
const QUEUE: usize = 64;

/// Packages under way for each thread, those that are decompressed and wait included: one
/// to work on, and one more, so that a thread goes on while a large package is written.
const PER_THREAD: usize = 2;

/// A package under way.
pub(super) struct Ahead {
    chosen: Chosen,
    queue: Receiver<Message>,
}

enum Message {
    Control(Control),
    Data(Vec<u8>),
    End,
    Failed(DebError),
}

struct Job {
    file: File,
    name: String,
    out: SyncSender<Message>,
}

/// Calls `each` with each of `debs` in order, while `jobs` threads decompress.
pub(super) fn ahead(
    mut debs: impl Iterator<Item = PluginResult<(Chosen, File)>>,
    jobs: usize,
    mut each: impl FnMut(Ahead) -> Result<(), InstallError>,
) -> Result<(), InstallError> {
    let jobs = jobs.clamp(1, 256);
    let (work, queue) = mpsc::channel();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        for _ in 0..jobs {
            let thread = thread::Builder::new().name("unpack".to_owned());
            thread.spawn_scoped(scope, || run_jobs(&queue)).map_err(InstallError::Thread)?;
        }
        // Moved in, so that the threads end however this does.
        let work: Sender<Job> = work;
        let mut under_way = VecDeque::new();
        loop {
            while under_way.len() < jobs * PER_THREAD
                && let Some(deb) = debs.next()
            {
                let (chosen, file) = deb.map_err(InstallError::Caller)?;
                let (out, queue) = mpsc::sync_channel(QUEUE);
                // It fails only if all threads are gone, which the queue will tell.
                _ = work.send(Job { file, name: chosen.file_name.clone(), out });
                under_way.push_back(Ahead { chosen, queue });
            }
            match under_way.pop_front() {
                Some(next) => each(next)?,
                None => return Ok(()),
            }
        }
    })
}

fn run_jobs(queue: &Mutex<Receiver<Job>>) {
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(job) = next() {
        job.run();
    }
}

impl Job {
    fn run(self) {
        let Self { file, name, out } = self;
        // Whoever waits for the rest is gone if a message cannot be sent.
        _ = match decompress(file, &name, &out) {
            Ok(()) => out.send(Message::End),
            Err(error) => out.send(Message::Failed(error)),
        };
    }
}

fn decompress(file: File, name: &str, out: &SyncSender<Message>) -> Result<(), DebError> {
    let mut deb = Deb::open(file, name)?;
    if out.send(Message::Control(deb.control()?)).is_err() {
        return Ok(());
    }
    let mut data = deb.data()?;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = data.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
        read.map_err(|source| DebError::Decode {
            deb: name.to_owned(),
            member: "data.tar".to_owned(),
            source,
        })?;
        if chunk.is_empty() || out.send(Message::Data(chunk)).is_err() {
            return Ok(());
        }
    }
}

impl Ahead {
    /// Waits for the control files, and returns them with the data that follows.
    pub(super) fn into_record(self, settings: &Settings<'_>) -> Result<(Record, Data), InstallError> {
        let control = match self.queue.recv() {
            Ok(Message::Control(control)) => control,
            Ok(Message::Failed(error)) => return Err(error.into()),
            Ok(_) | Err(_) => return Err(InstallError::Thread(io::Error::other("it ended too early"))),
        };
        let record = Record::new(self.chosen, control, settings)?;
        Ok((record, Data { queue: self.queue, chunk: Vec::new(), position: 0, ended: false }))
    }
}

/// The tar of a package's files, as it comes from the thread that decompresses it.
pub(super) struct Data {
    queue: Receiver<Message>,
    chunk: Vec<u8>,
    position: usize,
    ended: bool,
}

impl Read for Data {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.position == self.chunk.len() && !self.ended {
            match self.queue.recv() {
                Ok(Message::Data(chunk)) => (self.chunk, self.position) = (chunk, 0),
                Ok(Message::End) => self.ended = true,
                Ok(Message::Failed(error)) => return Err(io::Error::other(error)),
                Ok(Message::Control(_)) | Err(_) => {
                    return Err(io::Error::other("the thread that decompresses it is gone"));
                }
            }
        }
        let count = buf.len().min(self.chunk.len() - self.position);
        buf[..count].copy_from_slice(&self.chunk[self.position..][..count]);
        self.position += count;
        Ok(count)
    }
}
