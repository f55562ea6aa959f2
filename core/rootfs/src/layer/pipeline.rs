//! The threads behind a layer, and the channels between them.
//!
//! ```text
//! fill ─► Cutter ─┬─► hasher ─────────────────────► diffID
//!                 ├─► workers (shared queue) ─┐
//!                 └─► collector (in order) ◄──┴───► blob, digest
//! ```
//! For each chunk the collector gets, in order, the receiving end of a channel
//! for one result, and a worker the sending end. So the results need no sorting,
//! and the collector's bounded queue bounds everything behind the cutter.
//!
//! Every thread ends when the channel it reads from is closed, so whichever
//! fails first takes the others with it: no thread waits for one that is gone.

use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::LayerError;
use crate::compress::Encoded;
use crate::{Digest, Hasher};

/// Chunks that may wait for the hasher. It is far faster than the workers, so
/// this only smooths.
const HASHER_QUEUE: usize = 2;

/// A piece of the stream, which several threads look at.
type Chunk = Arc<Vec<u8>>;

/// All threads of one layer, running.
pub(super) struct Pipeline<'scope, W> {
    cutter: Cutter,
    stop: &'scope AtomicBool,
    hasher: ScopedJoinHandle<'scope, Hashed>,
    workers: Vec<ScopedJoinHandle<'scope, ()>>,
    collector: ScopedJoinHandle<'scope, Result<Blob<W>, Stop>>,
}

/// What the hasher saw: the uncompressed stream.
pub(super) struct Hashed {
    pub(super) diff_id: Digest,
    pub(super) size: u64,
}

/// Why the collector stopped.
pub(super) enum Stop {
    /// A chunk could not be encoded.
    Encode(io::Error),
    /// The blob could not be written.
    Blob(io::Error),
    /// A result will never come: a worker panicked or was told to stop.
    Abandoned,
}

/// The next part of the blob, for the collector.
enum Piece {
    Plain(Chunk),
    Encoded(Receiver<io::Result<Encoded>>),
}

/// A chunk to encode, and where the result goes.
struct Job {
    chunk: Chunk,
    result: SyncSender<io::Result<Encoded>>,
}

impl<'scope, W: Write + Send + 'scope> Pipeline<'scope, W> {
    /// Starts the threads; without `encode`, the chunks are the blob.
    ///
    /// If one cannot be started, those that run end by themselves.
    pub(super) fn start<'env, F>(
        scope: &'scope Scope<'scope, 'env>,
        stop: &'scope AtomicBool,
        blob: W,
        header: &'static [u8],
        chunk_size: usize,
        threads: usize,
        encode: Option<F>,
    ) -> io::Result<Self>
    where
        F: Fn(&[u8]) -> io::Result<Encoded> + Copy + Send + 'scope,
    {
        let (to_hasher, for_hasher) = sync_channel(HASHER_QUEUE);
        // Each worker has one chunk in work and one waiting.
        let (to_collector, for_collector) = sync_channel(2 * threads);
        let blob = Blob::new(blob, encode.is_some());
        let hasher = spawn(scope, "layer-hash", move || hash(for_hasher))?;
        let collector = spawn(scope, "layer-write", move || collect(blob, header, for_collector, stop))?;
        let (to_workers, workers) = match encode {
            Some(encode) => start_workers(scope, stop, threads, encode).map(|(to, all)| (Some(to), all))?,
            None => (None, Vec::new()),
        };
        let cutter =
            Cutter { chunk: Vec::new(), chunk_size, to_hasher, to_collector, to_workers, broken: false };
        Ok(Self { cutter, stop, hasher, workers, collector })
    }

    /// Lets `fill` write the stream, and waits for the threads.
    pub(super) fn run<E>(
        mut self,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(Hashed, Blob<W>), LayerError<E>> {
        let filled = fill(&mut self.cutter);
        if filled.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        let broken = self.cutter.close(filled.is_ok());
        let hashed = join(self.hasher);
        self.workers.into_iter().for_each(join);
        let blob = join(self.collector);
        match filled {
            Err(error) if !broken => Err(LayerError::Fill(error)),
            // An error of `fill` that the pipeline caused gives way to the cause.
            Err(error) => blob.map_err(LayerError::from).and(Err(LayerError::Fill(error))),
            Ok(()) => Ok((hashed, blob?)),
        }
    }
}

/// Starts a thread with a name, for people who look at a running build.
fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    run: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().name(name.to_owned()).spawn_scoped(scope, run)
}

type Workers<'scope> = (Sender<Job>, Vec<ScopedJoinHandle<'scope, ()>>);

fn start_workers<'scope, F>(
    scope: &'scope Scope<'scope, '_>,
    stop: &'scope AtomicBool,
    threads: usize,
    encode: F,
) -> io::Result<Workers<'scope>>
where
    F: Fn(&[u8]) -> io::Result<Encoded> + Copy + Send + 'scope,
{
    let (to_workers, jobs) = channel();
    // The workers alone own the receiver: with the last of them it goes, and
    // with it every job that nobody will do.
    let jobs = Arc::new(Mutex::new(jobs));
    let start = |_| {
        let jobs = Arc::clone(&jobs);
        spawn(scope, "layer-encode", move || work(&jobs, encode, stop))
    };
    let workers = (0..threads).map(start).collect::<io::Result<_>>()?;
    Ok((to_workers, workers))
}

/// Waits for a thread; its panic becomes one of this thread.
fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
}

/// Cuts what is written to it into chunks, and hands them out.
struct Cutter {
    chunk: Vec<u8>,
    chunk_size: usize,
    to_hasher: SyncSender<Chunk>,
    to_collector: SyncSender<Piece>,
    to_workers: Option<Sender<Job>>,
    /// Whether a thread is gone, so that nothing more can be written.
    broken: bool,
}

impl Cutter {
    /// Hands out the last chunk if the stream is `complete`, and closes the
    /// channels. Returns whether a thread was gone before.
    fn close(mut self, complete: bool) -> bool {
        if complete && !self.chunk.is_empty() {
            self.hand_out();
        }
        self.broken
    }

    fn hand_out(&mut self) {
        let chunk = Arc::new(std::mem::take(&mut self.chunk));
        self.broken |= self.send(chunk).is_none();
    }

    /// `None` if a thread is gone. Only the first two wait, for threads that
    /// need nothing from this one to go on.
    fn send(&self, chunk: Chunk) -> Option<()> {
        let Some(to_workers) = &self.to_workers else {
            self.to_collector.send(Piece::Plain(Arc::clone(&chunk))).ok()?;
            return self.to_hasher.send(chunk).ok();
        };
        let (result, piece) = sync_channel(1);
        self.to_collector.send(Piece::Encoded(piece)).ok()?;
        self.to_hasher.send(Arc::clone(&chunk)).ok()?;
        to_workers.send(Job { chunk, result }).ok()
    }
}

impl Write for Cutter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the layer can no longer be written"));
        }
        if self.chunk.capacity() == 0 {
            self.chunk.reserve_exact(self.chunk_size);
        }
        let taken = data.len().min(self.chunk_size - self.chunk.len());
        self.chunk.extend_from_slice(&data[..taken]);
        if self.chunk.len() == self.chunk_size {
            self.hand_out();
        }
        Ok(taken)
    }

    /// Does nothing: the bytes of the blob must not depend on when it is called.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hash(chunks: Receiver<Chunk>) -> Hashed {
    let mut hasher = Hasher::new();
    let mut size = 0;
    for chunk in chunks {
        hasher.update(&chunk);
        size += chunk.len() as u64;
    }
    Hashed { diff_id: hasher.finish(), size }
}

fn work(jobs: &Mutex<Receiver<Job>>, encode: impl Fn(&[u8]) -> io::Result<Encoded>, stop: &AtomicBool) {
    loop {
        // Nothing can panic while the lock is held, so a poisoned one is as good.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { chunk, result }) = job else { return };
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // Nobody waits for the result if the collector has failed meanwhile.
        let _ = result.send(encode(&chunk));
    }
}

fn collect<W: Write>(
    mut blob: Blob<W>,
    header: &[u8],
    pieces: Receiver<Piece>,
    stop: &AtomicBool,
) -> Result<Blob<W>, Stop> {
    let header = blob.write(header).map_err(Stop::Blob);
    let result = header.and_then(|()| pieces.into_iter().try_for_each(|piece| blob.append(piece)));
    if result.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    result.map(|()| blob)
}

/// The blob as far as it is written.
pub(super) struct Blob<W> {
    writer: W,
    /// None for a blob that is the stream itself: that has a digest already.
    hasher: Option<Hasher>,
    size: u64,
    /// CRC-32 of what is encoded in it.
    pub(super) crc: crc32fast::Hasher,
}

impl<W: Write> Blob<W> {
    fn new(writer: W, hashed: bool) -> Self {
        Self { writer, hasher: hashed.then(Hasher::new), size: 0, crc: crc32fast::Hasher::new() }
    }

    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(data);
        }
        self.size += data.len() as u64;
        self.writer.write_all(data)
    }

    fn append(&mut self, piece: Piece) -> Result<(), Stop> {
        match piece {
            Piece::Plain(chunk) => self.write(&chunk).map_err(Stop::Blob),
            Piece::Encoded(result) => {
                let encoded = result.recv().map_err(|_| Stop::Abandoned)?.map_err(Stop::Encode)?;
                self.crc.combine(&encoded.crc);
                self.write(&encoded.data).map_err(Stop::Blob)
            }
        }
    }

    /// The writer, flushed; the digest, if computed; the length in bytes.
    pub(super) fn finish(mut self) -> io::Result<(W, Option<Digest>, u64)> {
        self.writer.flush()?;
        Ok((self.writer, self.hasher.map(Hasher::finish), self.size))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn run(encode: impl Fn(&[u8]) -> io::Result<Encoded> + Copy + Send) -> Result<(), LayerError<io::Error>> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let pipeline = Pipeline::start(scope, &stop, io::sink(), b"", 8, 2, Some(encode)).unwrap();
            pipeline.run(|out| out.write_all(&[0; 1000])).map(|_| ())
        })
    }

    #[test]
    fn a_panic_of_a_worker_is_not_swallowed() {
        let panic = thread::spawn(|| run(|_| panic!("chunk trouble"))).join().unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"chunk trouble"));
    }

    #[test]
    fn an_error_of_a_worker_is_the_one_returned() {
        let error = run(|_| Err(io::Error::other("chunk trouble"))).unwrap_err();
        assert!(matches!(error, LayerError::Encode(cause) if cause.to_string() == "chunk trouble"));
    }
}
