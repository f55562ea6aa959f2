//! The threads behind a layer, and the channels between them.
//!
//! ```text
//! fill ─► Cutter ─► hasher ─┬───────────────────────► diffID
//!                           ├─► workers (queue) ─┐
//!                           └─► collector ◄──────┴──► blob, digest
//! ```
//! For each chunk the collector gets, in order, the receiving end of a channel
//! for one result, and a worker the sending end. So the results need no sorting,
//! and the collector's bounded queue bounds everything behind the cutter.
//!
//! The hasher is far faster than the workers. Where the digest of the stream so far
//! is that of a blob that is known, no worker gets the chunk: the collector takes
//! what the blob has, all at once, when the stream begins to differ.
//!
//! Every thread ends when the channel it reads from is closed, so whichever
//! fails first takes the others with it: no thread waits for one that is gone.

use std::io::{self, Read, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::pieces::Piece;
use super::{Known, LayerError};
use crate::compress::Encoded;
use crate::{Digest, Hasher};

/// Chunks that may wait for the hasher: this only smooths.
const HASHER_QUEUE: usize = 2;

/// Bytes of a known blob that are read at a time.
const READ: usize = 256 << 10;

/// A piece of the stream, which several threads look at.
type Chunk = Arc<Vec<u8>>;

/// All threads of one layer, running.
pub(super) struct Pipeline<'scope, 'k, W> {
    cutter: Cutter,
    stop: &'scope AtomicBool,
    hasher: ScopedJoinHandle<'scope, Hashed>,
    workers: Vec<ScopedJoinHandle<'scope, ()>>,
    collector: ScopedJoinHandle<'scope, Result<Blob<'k, W>, Stop>>,
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
    /// The known blob could not be read.
    Known(io::Error),
    /// A result will never come: a worker panicked or was told to stop.
    Abandoned,
}

/// The next part of the blob, for the collector.
enum Part {
    Plain(Chunk),
    /// The next piece of the known blob.
    Known,
    Encoded {
        upto: Digest,
        length: u32,
        result: Receiver<io::Result<Encoded>>,
    },
}

/// What a layer is made with.
pub(super) struct Parts<'a, W, F> {
    pub(super) blob: W,
    pub(super) header: &'static [u8],
    pub(super) known: Option<Known<'a>>,
    pub(super) chunk_size: usize,
    pub(super) threads: usize,
    /// Without it, the chunks are the blob.
    pub(super) encode: Option<F>,
}

/// A chunk to encode, and where the result goes.
struct Job {
    chunk: Chunk,
    result: SyncSender<io::Result<Encoded>>,
}

impl<'scope, 'k: 'scope, W: Write + Send + 'scope> Pipeline<'scope, 'k, W> {
    /// Starts the threads.
    ///
    /// If one cannot be started, those that run end by themselves.
    pub(super) fn start<'env, F>(
        scope: &'scope Scope<'scope, 'env>,
        stop: &'scope AtomicBool,
        parts: Parts<'k, W, F>,
    ) -> io::Result<Self>
    where
        F: Fn(&[u8]) -> io::Result<Encoded> + Copy + Send + 'scope,
    {
        let Parts { blob, header, known, chunk_size, threads, encode } = parts;
        let (to_hasher, for_hasher) = sync_channel(HASHER_QUEUE);
        // Each worker has one chunk in work and one waiting.
        let (to_collector, for_collector) = sync_channel(2 * threads);
        let pieces = known.as_ref().map_or(&[][..], |known| &known.pieces.all);
        let blob = Blob::new(blob, header, encode.is_some(), known);
        let collector = spawn(scope, "layer-write", move || collect(blob, for_collector, stop))?;
        let (to_workers, workers) = match encode {
            Some(encode) => start_workers(scope, stop, threads, encode).map(|(to, all)| (Some(to), all))?,
            None => (None, Vec::new()),
        };
        let way = Way { known: pieces, to_collector, to_workers };
        let hasher = spawn(scope, "layer-hash", move || hash(for_hasher, way))?;
        let cutter = Cutter { chunk: Vec::new(), chunk_size, to_hasher, broken: false };
        Ok(Self { cutter, stop, hasher, workers, collector })
    }

    /// Lets `fill` write the stream, and waits for the threads.
    pub(super) fn run<E>(
        mut self,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(Hashed, Blob<'k, W>), LayerError<E>> {
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
        self.broken |= self.to_hasher.send(chunk).is_err();
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

/// Hashes the stream, and sends each chunk on its way. It ends early if a thread behind it is gone.
fn hash(chunks: Receiver<Chunk>, mut way: Way<'_>) -> Hashed {
    let mut hasher = Hasher::new();
    let mut size = 0;
    for chunk in chunks {
        hasher.update(&chunk);
        size += chunk.len() as u64;
        if way.send(chunk, || hasher.clone().finish()).is_none() {
            break;
        }
    }
    Hashed { diff_id: hasher.finish(), size }
}

/// What is behind the hasher.
struct Way<'a> {
    /// What of the known blob may follow.
    known: &'a [Piece],
    to_collector: SyncSender<Part>,
    to_workers: Option<Sender<Job>>,
}

impl Way<'_> {
    /// `None` if a thread is gone. Only the first waits, for a thread that needs nothing from this
    /// one to go on. `upto` is the digest of the stream to the chunk's end.
    fn send(&mut self, chunk: Chunk, upto: impl FnOnce() -> Digest) -> Option<()> {
        let Some(to_workers) = &self.to_workers else {
            return self.to_collector.send(Part::Plain(chunk)).ok();
        };
        let upto = upto();
        if let Some((piece, rest)) = self.known.split_first()
            && piece.upto == upto
        {
            self.known = rest;
            return self.to_collector.send(Part::Known).ok();
        }
        // What has differed once has another digest up to every later place.
        self.known = &[];
        let (result, piece) = sync_channel(1);
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        self.to_collector.send(Part::Encoded { upto, length, result: piece }).ok()?;
        to_workers.send(Job { chunk, result }).ok()
    }
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

fn collect<'k, W: Write>(
    mut blob: Blob<'k, W>,
    parts: Receiver<Part>,
    stop: &AtomicBool,
) -> Result<Blob<'k, W>, Stop> {
    let result = parts.into_iter().try_for_each(|part| blob.append(part)).and_then(|()| blob.end());
    if result.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    result.map(|()| blob)
}

/// The blob as far as it is written.
pub(super) struct Blob<'a, W> {
    writer: W,
    /// What comes first; empty when it is written.
    header: &'static [u8],
    /// A blob that has the same pieces so far, as long as it has.
    known: Option<Known<'a>>,
    pieces: Vec<Piece>,
    /// None for a blob that is the stream itself: that has a digest already.
    hasher: Option<Hasher>,
    size: u64,
    /// CRC-32 of what is encoded in it.
    pub(super) crc: crc32fast::Hasher,
}

impl<'a, W: Write> Blob<'a, W> {
    fn new(writer: W, header: &'static [u8], hashed: bool, known: Option<Known<'a>>) -> Self {
        let (hasher, crc, pieces) = (hashed.then(Hasher::new), crc32fast::Hasher::new(), Vec::new());
        Self { writer, header, known, pieces, hasher, size: 0, crc }
    }

    /// Whether it is the known one, and nothing of it was written.
    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    pub(super) fn take_pieces(&mut self) -> Vec<Piece> {
        std::mem::take(&mut self.pieces)
    }

    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(data);
        }
        self.size += data.len() as u64;
        self.writer.write_all(data)
    }

    fn append(&mut self, part: Part) -> Result<(), Stop> {
        match part {
            Part::Plain(chunk) => self.write(&chunk).map_err(Stop::Blob),
            Part::Known => {
                let all = self.known.as_ref().map_or(&[][..], |known| &known.pieces.all);
                let piece = *all.get(self.pieces.len()).ok_or(Stop::Abandoned)?;
                self.crc.combine(&crc32fast::Hasher::new_with_initial_len(piece.crc, piece.length.into()));
                self.pieces.push(piece);
                Ok(())
            }
            Part::Encoded { upto, length, result } => {
                self.begin()?;
                let encoded = result.recv().map_err(|_| Stop::Abandoned)?.map_err(Stop::Encode)?;
                self.crc.combine(&encoded.crc);
                self.write(&encoded.data).map_err(Stop::Blob)?;
                let crc = encoded.crc.finalize();
                self.pieces.push(Piece { upto, end: self.size, crc, length });
                Ok(())
            }
        }
    }

    /// After the last piece: a blob is the known one if it has all of it.
    fn end(&mut self) -> Result<(), Stop> {
        let all = self.known.as_ref().map_or(0, |known| known.pieces.all.len());
        if all > 0 && self.pieces.len() == all { Ok(()) } else { self.begin() }
    }

    /// Writes what comes before the first new piece, once: the header, or with it all that the
    /// known blob has.
    fn begin(&mut self) -> Result<(), Stop> {
        let header = std::mem::take(&mut self.header);
        let known = self.known.take();
        let Some((known, last)) = known.zip(self.pieces.last().copied()) else {
            return self.write(header).map_err(Stop::Blob);
        };
        let mut file = (known.open)().map_err(Stop::Known)?.take(last.end);
        let mut buffer = vec![0; READ];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.write(&buffer[..count]).map_err(Stop::Blob)?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Stop::Known(e)),
            }
        }
        if self.size == last.end { Ok(()) } else { Err(Stop::Known(io::ErrorKind::UnexpectedEof.into())) }
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
            let (blob, header, known) = (io::sink(), &b""[..], None);
            let parts = Parts { blob, header, known, chunk_size: 8, threads: 2, encode: Some(encode) };
            let pipeline = Pipeline::start(scope, &stop, parts).unwrap();
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
