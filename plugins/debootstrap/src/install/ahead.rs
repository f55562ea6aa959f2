//! Unpacks the next packages on other threads while one is written.
//!
//! Decompression is nearly all of the work, so it is done ahead: each thread takes the
//! next package and puts what comes out into a queue of its own, until that is full. One
//! thread empties the queues in the order of the packages, so the order of what is written
//! depends on nothing but theirs. The package whose turn it is has always been taken by a
//! thread before all later ones, so nobody waits for ever.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ctr_forge_plugin::Result as PluginResult;

use super::record::Record;
use super::{Archive, Chosen, InstallError, Plain, Settings};
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
    /// And whether all of it was copied, where that was asked for.
    End {
        copied: bool,
    },
    Failed(DebError),
}

struct Job {
    file: File,
    plain: Plain,
    name: String,
    out: SyncSender<Message>,
}

/// Calls `each` with each of `debs` in order, while `jobs` threads decompress.
pub(super) fn ahead(
    mut debs: impl Iterator<Item = PluginResult<Archive>>,
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
                let Archive { chosen, file, plain } = deb.map_err(InstallError::Caller)?;
                let (out, queue) = mpsc::sync_channel(QUEUE);
                // It fails only if all threads are gone, which the queue will tell.
                _ = work.send(Job { file, plain, name: chosen.file_name.clone(), out });
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
        let Self { file, plain, name, out } = self;
        // Whoever waits for the rest is gone if a message cannot be sent.
        _ = match decompress(file, plain, &name, &out) {
            Ok(copied) => out.send(Message::End { copied }),
            Err(error) => out.send(Message::Failed(error)),
        };
    }
}

/// Sends what is in a package; returns whether all of its data was copied too.
fn decompress(file: File, plain: Plain, name: &str, out: &SyncSender<Message>) -> Result<bool, DebError> {
    let mut deb = Deb::open(file, name)?;
    if out.send(Message::Control(deb.control()?)).is_err() {
        return Ok(false);
    }
    match plain {
        Plain::Here(mut data) => send(&mut data, None, name, out),
        Plain::CopyTo(copy) => send(&mut deb.data()?, Some(copy), name, out),
        Plain::Unknown => send(&mut deb.data()?, None, name, out),
    }
}

fn send(
    data: &mut dyn Read,
    mut copy: Option<File>,
    name: &str,
    out: &SyncSender<Message>,
) -> Result<bool, DebError> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = data.take(CHUNK as u64).read_to_end(&mut chunk);
        read.map_err(|source| DebError::Decode {
            deb: name.to_owned(),
            member: "data.tar".to_owned(),
            source,
        })?;
        if chunk.is_empty() {
            return Ok(copy.is_some());
        }
        // What cannot be copied (a full disk, mostly) is decompressed again the next time.
        copy = copy.filter(|mut copy| copy.write_all(&chunk).is_ok());
        if out.send(Message::Data(chunk)).is_err() {
            return Ok(false);
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
        Ok((record, Data { queue: self.queue, chunk: Vec::new(), position: 0, end: None }))
    }
}

/// The tar of a package's files, as it comes from the thread that decompresses it.
pub(super) struct Data {
    queue: Receiver<Message>,
    chunk: Vec<u8>,
    position: usize,
    /// Once it was reached, whether all was copied.
    end: Option<bool>,
}

impl Data {
    /// Whether all of it was read and copied.
    pub(super) fn is_copied(&self) -> bool {
        self.end == Some(true)
    }
}

impl Read for Data {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.position == self.chunk.len() && self.end.is_none() {
            match self.queue.recv() {
                Ok(Message::Data(chunk)) => (self.chunk, self.position) = (chunk, 0),
                Ok(Message::End { copied }) => self.end = Some(copied),
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
