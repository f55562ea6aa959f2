//! What a plugin can ask of the host.

use std::collections::HashMap;
use std::ffi::c_void;
use std::fs::File;
use std::io::{self, PipeWriter, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::abi::{self, Bytes, HostTable, Reply, field};
use crate::message::{
    Draft, FetchBatch, FetchIdentity, FetchOutcome, FetchParams, FileAnswer, InsideRequest, KeepDraft,
    KeptName, Key, ToolName, Verified, VerifyParams, service,
};
use crate::sandbox::{
    Change, RootfsChanges, RootfsCreated, RootfsEntries, RootfsParams, RootfsPath, RootfsRemove, RootfsTar,
    RunOutcome, RunParams, Rung,
};
use crate::{
    Error, ErrorKind, Event, FetchRequest, FileDigest, FileRef, HostInfo, Level, Result, Role, SignatureKind,
    Signer, map_files,
};

/// The host, for as long as one call lasts. All methods may be used from any thread.
#[derive(Debug)]
pub struct Host {
    raw: RawHost,
    files: Mutex<HashMap<i32, OwnedFd>>,
}

/// The host's functions, read from its table as far as it reaches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawHost {
    ctx: *mut c_void,
    event: Option<unsafe extern "C" fn(*mut c_void, Bytes) -> i32>,
    cancelled: Option<unsafe extern "C" fn(*mut c_void) -> i32>,
    call: Option<unsafe extern "C" fn(*mut c_void, Bytes, Bytes, *const Reply) -> i32>,
}

// SAFETY: the ABI allows every function of the host on any thread until
// `invoke` returns, and a `RawHost` is dropped, or cleared, before that.
unsafe impl Send for RawHost {}
// SAFETY: as above.
unsafe impl Sync for RawHost {}

impl RawHost {
    /// # Safety
    /// `table` must point to a host's table that is valid until the call ends.
    pub(crate) unsafe fn read(table: *const HostTable) -> Option<Self> {
        Some(Self {
            ctx: field!(table, HostTable, ctx)?,
            event: field!(table, HostTable, event).flatten(),
            cancelled: field!(table, HostTable, cancelled).flatten(),
            call: field!(table, HostTable, call).flatten(),
        })
    }

    /// Sends an event; an older host without the function misses it.
    pub(crate) fn event(&self, event: &Event) -> bool {
        let (Some(send), Ok(json)) = (self.event, serde_json::to_vec(event)) else { return false };
        // SAFETY: the ABI's contract; the bytes live for the call.
        unsafe { send(self.ctx, Bytes::new(&json)) != 0 }
    }
}

impl Host {
    pub(crate) fn new(raw: RawHost) -> Self {
        Self { raw, files: Mutex::default() }
    }

    /// Makes the descriptors that a message names this host's own, so that each is closed.
    ///
    /// # Safety
    /// `message` must have come over the boundary just now: its descriptors
    /// belong to this side and nobody else has taken them.
    pub(crate) unsafe fn adopt(&self, message: &mut Value) -> Result<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        map_files(message, &mut |number| {
            let fd = i32::try_from(number).ok().filter(|&fd| fd >= 0);
            let fd = fd.ok_or_else(|| Error::plugin(format!("the host sent file {number}")))?;
            // SAFETY: the caller vouches that the descriptor is ours, and the map that it is taken once.
            files.entry(fd).or_insert_with(|| unsafe { OwnedFd::from_raw_fd(fd) });
            Ok(number)
        })
    }

    /// The file behind a reference in the request or in an answer. Each can be taken once.
    pub fn take(&self, file: FileRef) -> Result<File> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files.remove(&file.fd).ok_or_else(|| {
            let message = format!("file {} was taken already, or did not come with the request", file.fd);
            Error::plugin(message)
        })?;
        Ok(file.into())
    }

    /// Tells something to whoever follows the work; returns whether the job was cancelled.
    pub fn event(&self, event: &Event) -> bool {
        self.raw.event(event)
    }

    /// A log line for whoever follows the work.
    pub fn info(&self, message: impl Into<String>) {
        self.event(&Event::Log { level: Level::Info, message: message.into() });
    }

    /// A log line for those who hunt a fault.
    pub fn debug(&self, message: impl Into<String>) {
        self.event(&Event::Log { level: Level::Debug, message: message.into() });
    }

    /// Something that the user should know of though the job goes on.
    pub fn warn(&self, message: impl Into<String>) {
        self.event(&Event::Warning { message: message.into(), hint: None });
    }

    /// A new stretch of work begins.
    pub fn phase(&self, name: impl Into<String>) {
        self.event(&Event::Phase { name: name.into() });
    }

    /// How far the stretch of work is, and an error if the job was cancelled.
    pub fn progress(&self, done: u64, total: u64, unit: &str) -> Result<()> {
        match self.event(&Event::Progress { done, total, unit: unit.into() }) {
            true => Err(cancelled()),
            false => Ok(()),
        }
    }

    /// An error if the job was cancelled: to be asked now and then in long work.
    pub fn check_cancelled(&self) -> Result<()> {
        // SAFETY: the ABI's contract.
        match self.raw.cancelled.is_some_and(|cancelled| unsafe { cancelled(self.raw.ctx) != 0 }) {
            true => Err(cancelled()),
            false => Ok(()),
        }
    }

    /// Calls a host service by name. The services of this version have methods of their own below.
    ///
    /// Descriptors in `params` stay the caller's; those in the answer are to be [taken](Self::take).
    pub fn call<R: DeserializeOwned>(&self, method: &str, params: impl Serialize) -> Result<R> {
        let unsupported = || {
            Error::new(ErrorKind::Unsupported, format!("this ctr-forge has no service \"{method}\""))
                .hint("Use a newer ctr-forge.")
        };
        let params =
            serde_json::to_vec(&params).map_err(|e| Error::plugin("cannot encode a call").because(&e))?;
        let mut answer = Vec::new();
        let reply = Reply { ctx: (&raw mut answer).cast(), put: Some(put) };
        let call = self.raw.call.ok_or_else(unsupported)?;
        // SAFETY: the ABI's contract; what is lent lives for the call.
        let code = unsafe { call(self.raw.ctx, Bytes::new(method.as_bytes()), Bytes::new(&params), &reply) };
        let broken = |e: serde_json::Error| {
            Error::new(ErrorKind::Internal, format!("the host's answer to \"{method}\" cannot be read"))
                .because(&e)
        };
        match code {
            abi::OK => {
                let mut answer: Value = serde_json::from_slice(&answer).map_err(broken)?;
                // SAFETY: the answer has just come over the boundary.
                unsafe { self.adopt(&mut answer)? };
                serde_json::from_value(answer).map_err(broken)
            }
            abi::UNKNOWN_METHOD => Err(unsupported()),
            _ => Err(serde_json::from_slice(&answer).unwrap_or_else(broken)),
        }
    }

    /// Who the host is and which services it has.
    pub fn host_info(&self) -> Result<HostInfo> {
        self.call(service::HOST_INFO, json!({}))
    }

    /// An empty file on disk without a name, for what is too large for memory.
    pub fn temp_file(&self) -> Result<File> {
        let answer: FileAnswer = self.call(service::FILE_TEMP, json!({}))?;
        self.take(answer.file)
    }

    /// SHA-256 and size of a file.
    pub fn digest(&self, file: &File) -> Result<FileDigest> {
        self.call(service::FILE_DIGEST, FileAnswer { file: lend(file) })
    }

    /// Begins to download files, all at once. They are taken in the order asked for.
    pub fn fetch(&self, requests: Vec<FetchRequest>) -> Result<Fetches<'_>> {
        self.fetch_as(requests, Vec::new())
    }

    /// As [`Host::fetch`]; these servers are connected to as their identity says.
    pub fn fetch_as(
        &self,
        requests: Vec<FetchRequest>,
        identities: Vec<FetchIdentity>,
    ) -> Result<Fetches<'_>> {
        let left = requests.len();
        let batch = self.call(service::FETCH, FetchParams { requests, identities })?;
        Ok(Fetches { host: self, batch, left })
    }

    /// What an earlier job of this plugin [kept](Self::keep) under this name, if it is still there.
    ///
    /// The file's offset is its own: others may read the same content at the same time.
    pub fn kept(&self, name: impl Into<String>) -> Result<Option<File>> {
        let kept: Option<FileAnswer> = self.call(service::KEPT, KeptName { name: name.into() })?;
        kept.map(|answer| self.take(answer.file)).transpose()
    }

    /// A file for something that later jobs could use, or `None` where nothing is kept.
    pub fn draft(&self) -> Result<Option<(u32, File)>> {
        let draft: Option<Draft> = self.call(service::KEPT_DRAFT, json!({}))?;
        draft.map(|draft| Ok((draft.draft, self.take(draft.file)?))).transpose()
    }

    /// Keeps a draft, written to its end, for later jobs. The name must say all that it
    /// depends on; builds of a plugin that differ do not see each other's.
    pub fn keep(&self, draft: u32, name: impl Into<String>) -> Result<()> {
        self.call(service::KEPT_STORE, KeepDraft { draft, name: name.into() })
    }

    /// Where a program of the machine is, if it is on the host's search path. A tool that makes
    /// root filesystems runs with [`View::Machine`](crate::sandbox::View).
    pub fn tool(&self, name: &str) -> Result<Option<String>> {
        self.call(service::TOOL, ToolName { name: name.to_owned() })
    }

    /// Makes an empty root for programs of `arch` (OCI's name) to run in: on disk, or in memory
    /// where it is known to take about so many `bytes` and they fit well.
    pub fn rootfs(&self, arch: &str, bytes: Option<u64>) -> Result<Rootfs<'_>> {
        let params = RootfsParams { arch: arch.to_owned(), bytes };
        Ok(Rootfs { host: self, created: self.call(service::ROOTFS_CREATE, params)? })
    }

    /// Checks a text with its signature around it, and returns the text alone and who signed it.
    ///
    /// Messages call it `name`. `keys` are the only ones that count, of those only the ones with
    /// one of `fingerprints` where any is named. An error where no signature holds.
    pub fn verify_cleartext(
        &self,
        name: &str,
        data: &File,
        keys: &[(String, File)],
        fingerprints: &[String],
    ) -> Result<(File, Vec<Signer>)> {
        let kind = SignatureKind::OpenpgpCleartext;
        let verified = self.verify(&verify_params(kind, name, (data, None), keys, fingerprints))?;
        let text = verified.text.ok_or_else(|| Error::plugin("the host sent no signed text"))?;
        Ok((self.take(text)?, verified.signers))
    }

    /// Checks data with its signature in another file, as [`Host::verify_cleartext`].
    pub fn verify_detached(
        &self,
        name: &str,
        data: &File,
        signature: &File,
        keys: &[(String, File)],
        fingerprints: &[String],
    ) -> Result<Vec<Signer>> {
        let kind = SignatureKind::OpenpgpDetached;
        let params = verify_params(kind, name, (data, Some(signature)), keys, fingerprints);
        Ok(self.verify(&params)?.signers)
    }

    /// Checks data with a bare signature in another file, as [`Host::verify_detached`].
    pub fn verify_rsa(
        &self,
        kind: SignatureKind,
        name: &str,
        data: &File,
        signature: &File,
        keys: &[(String, File)],
        fingerprints: &[String],
    ) -> Result<Vec<Signer>> {
        Ok(self.verify(&verify_params(kind, name, (data, Some(signature)), keys, fingerprints))?.signers)
    }

    fn verify(&self, params: &VerifyParams) -> Result<Verified> {
        self.call(service::VERIFY, params)
    }
}

/// A root on disk, which the host keeps: see [`sandbox`](crate::sandbox). It goes with the job.
#[derive(Debug)]
pub struct Rootfs<'a> {
    host: &'a Host,
    created: RootfsCreated,
}

impl Rootfs<'_> {
    /// How programs in it are kept apart from the machine.
    pub fn rung(&self) -> Rung {
        self.created.rung
    }

    /// Takes in a tar stream to its end; from a pipe, another thread has to write it.
    pub fn apply(&self, tar: impl AsFd) -> Result<u64> {
        let answer: RootfsEntries = self.host.call(service::ROOTFS_APPLY, self.tar(&tar, &[]))?;
        Ok(answer.entries)
    }

    /// Takes in the tar stream that `write` writes meanwhile.
    ///
    /// # Errors
    ///
    /// Those of `write`, and of the host, if it does not take the stream.
    pub fn apply_from<T>(&self, write: impl FnOnce(PipeWriter) -> Result<T>) -> Result<T> {
        let (reader, writer) = io::pipe().map_err(|e| Error::io("cannot make a pipe", e))?;
        std::thread::scope(|scope| {
            let taken = scope.spawn(move || self.apply(reader));
            let written = write(writer);
            let taken = taken.join().map_err(|_| Error::plugin("a thread that fills the root panicked"))?;
            match (written, taken) {
                // Who writes fails because nobody takes it in any more, not the other way round.
                (Err(error), Err(refusal)) if error.kind == ErrorKind::Io => Err(refusal),
                (Err(error), _) | (Ok(_), Err(error)) => Err(error),
                (Ok(value), Ok(_)) => Ok(value),
            }
        })
    }

    /// Writes all of it as a tar stream.
    pub fn export(&self, tar: impl AsFd) -> Result<u64> {
        self.export_without(tar, &[])
    }

    /// As [`Rootfs::export`], without the paths that match one of these patterns.
    pub fn export_without(&self, tar: impl AsFd, exclude: &[String]) -> Result<u64> {
        let answer: RootfsEntries = self.host.call(service::ROOTFS_EXPORT, self.tar(&tar, exclude))?;
        Ok(answer.entries)
    }

    /// Opens a file; `None` where there is none.
    pub fn read(&self, path: impl Into<String>) -> Result<Option<File>> {
        let params = RootfsPath { root: self.created.root, path: path.into() };
        let answer: Option<FileAnswer> = self.host.call(service::ROOTFS_READ, params)?;
        answer.map(|answer| self.host.take(answer.file)).transpose()
    }

    /// All of a file, of at most 256 MiB; nothing where there is none.
    pub fn read_all(&self, path: &str) -> Result<Vec<u8>> {
        const MAX: u64 = 256 << 20;
        let mut content = Vec::new();
        if let Some(file) = self.read(path)? {
            let read = file.take(MAX).read_to_end(&mut content);
            read.map_err(|e| Error::io(format!("cannot read {path} in the root"), e))?;
        }
        Ok(content)
    }

    /// Names in a directory, sorted; `None` where there is none.
    pub fn list(&self, path: impl Into<String>) -> Result<Option<Vec<String>>> {
        self.host.call(service::ROOTFS_LIST, RootfsPath { root: self.created.root, path: path.into() })
    }

    /// Removes paths and all that is below them.
    pub fn remove(&self, paths: Vec<String>) -> Result<()> {
        self.host.call(service::ROOTFS_REMOVE, RootfsRemove { root: self.created.root, paths })
    }

    /// What changed since then, in nanoseconds since 1970.
    pub fn changes(&self, since: u64) -> Result<Vec<Change>> {
        self.host.call(service::ROOTFS_CHANGES, RootfsChanges { root: self.created.root, since })
    }

    /// Runs a program in it and waits for its end. The root in `params` is set to this one.
    pub fn run(&self, params: &RunParams) -> Result<RunOutcome> {
        self.host.call(service::RUN, RunParams { root: self.created.root, ..params.clone() })
    }

    /// Calls [`Source::inside`](crate::Source::inside) of this very plugin's source `component` in
    /// the root, in a process of its own.
    ///
    /// # Errors
    ///
    /// Those of the method, and if the process ended without an answer.
    pub fn run_inside(
        &self,
        component: &str,
        name: &str,
        params: Value,
        run: &RunParams,
    ) -> Result<(Value, RunOutcome)> {
        let inside = InsideRequest {
            role: Role::Source,
            component: component.to_owned(),
            name: name.to_owned(),
            params,
        };
        let mut outcome = self.run(&RunParams { inside: Some(inside), argv: Vec::new(), ..run.clone() })?;
        match outcome.answer.take() {
            Some(answer) => Ok((answer, outcome)),
            None => {
                let how = match (outcome.timed_out, outcome.signal) {
                    (true, _) => "took longer than it may".to_owned(),
                    (_, Some(signal)) => format!("was ended by signal {signal}"),
                    _ => "gave no answer".to_owned(),
                };
                Err(Error::new(ErrorKind::ToolFailed, format!("\"{name}\" in the root {how}")))
            }
        }
    }

    fn tar(&self, tar: &impl AsFd, exclude: &[String]) -> RootfsTar {
        RootfsTar { root: self.created.root, tar: lend(tar), exclude: exclude.to_vec() }
    }
}

/// A file that was downloaded.
#[derive(Debug)]
pub struct Fetched {
    /// Open for reading. It has the digest and size that were asked for.
    pub file: File,
    /// `sha256:…` of it.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where it came from, without credentials.
    pub url: String,
}

/// Downloads, in the order asked for. The host goes on with the later ones meanwhile.
#[derive(Debug)]
pub struct Fetches<'a> {
    host: &'a Host,
    batch: FetchBatch,
    left: usize,
}

impl Iterator for Fetches<'_> {
    type Item = Result<Fetched>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let outcome = self.host.call::<Option<FetchOutcome>>(service::FETCH_TAKE, self.batch);
        let fetched = outcome.and_then(|outcome| match outcome {
            Some(FetchOutcome::Fetched { file, digest, size, url }) => {
                Ok(Fetched { file: self.host.take(file)?, digest, size, url })
            }
            Some(FetchOutcome::Failed(error)) => Err(error),
            None => Err(Error::new(ErrorKind::Internal, "the host lost a download")),
        });
        Some(fetched)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

fn verify_params(
    kind: SignatureKind,
    name: &str,
    (data, signature): (&File, Option<&File>),
    keys: &[(String, File)],
    fingerprints: &[String],
) -> VerifyParams {
    VerifyParams {
        name: name.to_owned(),
        kind,
        data: lend(data),
        signature: signature.map(lend),
        keys: keys.iter().map(|(name, file)| Key { name: name.clone(), file: lend(file) }).collect(),
        fingerprints: fingerprints.to_vec(),
    }
}

/// A file as a call names it; it stays the caller's.
pub fn lend(file: &impl AsFd) -> FileRef {
    FileRef { fd: file.as_fd().as_raw_fd() }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the job was cancelled")
}

/// Appends to the `Vec<u8>` behind `ctx`.
///
/// # Safety
/// `ctx` must point to a `Vec<u8>` that nobody else uses during the call.
pub(crate) unsafe extern "C" fn put(ctx: *mut c_void, part: Bytes) {
    // SAFETY: the caller's promise, and the ABI's for the bytes.
    unsafe { (*ctx.cast::<Vec<u8>>()).extend_from_slice(part.as_slice()) }
}
