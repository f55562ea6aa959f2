//! The host services: what a plugin may ask for while it works.
//!
//! One entry for each; what a service needs comes in as parameters and files,
//! what it gives goes out the same way. Services never trust what they are
//! handed: a plugin may be anybody's.
//!
//! | module | services |
//! |---|---|
//! | this one | `host.info`, `file.temp`, `file.digest`, `tool` |
//! | `fetch` | `fetch`, `fetch.take` |
//! | `kept` | `kept`, `kept.draft`, `kept.store` |
//! | `rootfs` | `rootfs.*`, `run` |
//! | `verify` | `verify` |
//! | `ledger` | what was checked here, so that a report can say who checked |

mod fetch;
mod kept;
mod ledger;
mod rootfs;
pub(crate) mod verify;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ctr_forge_plugin::message::{FileAnswer, ToolName, service};
use ctr_forge_plugin::sandbox::Rung;
use ctr_forge_plugin::{Error, ErrorKind, FileDigest, FileRef, HostInfo, PROTOCOL, Result};
use ctr_forge_rootfs::{Digest, Hasher};
use ctr_forge_sandbox::{Choice, Ending};
use rustix::event::{EventfdFlags, eventfd};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::discovery::Plugin;
use crate::{Attachments, Forge};
pub(crate) use ledger::Ledger;

/// All services of this version, by name.
pub const SERVICES: &[&str] = &[
    service::HOST_INFO,
    service::FILE_TEMP,
    service::FILE_DIGEST,
    service::FETCH,
    service::FETCH_TAKE,
    service::VERIFY,
    service::KEPT,
    service::KEPT_DRAFT,
    service::KEPT_STORE,
    service::TOOL,
    service::ROOTFS_CREATE,
    service::ROOTFS_APPLY,
    service::ROOTFS_EXPORT,
    service::ROOTFS_READ,
    service::ROOTFS_LIST,
    service::ROOTFS_REMOVE,
    service::ROOTFS_CHANGES,
    service::RUN,
];

/// An answer and the files that go along with it.
pub(crate) type Answer = (Value, Attachments);

/// When a call is answered.
pub(crate) enum Reply {
    /// At once.
    Now(Result<Answer>),
    /// When what it waits for has happened: see [`Services::ready`].
    Later,
    /// Never: there is no such service.
    Unknown,
}

/// The services as one job has them: what it has begun, and what was checked for it.
pub(crate) struct Services<'a> {
    forge: &'a Forge,
    /// Counts what has happened, to wake whoever polls.
    happened: Arc<OwnedFd>,
    downloads: fetch::Downloads,
    kept: kept::Kept,
    roots: rootfs::Roots,
    ledger: Ledger,
}

impl std::fmt::Debug for Services<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl<'a> Services<'a> {
    /// For a job of `plugin`.
    pub(crate) fn new(forge: &'a Forge, plugin: &Plugin) -> Result<Self> {
        let happened = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|e| Error::io("cannot make an event descriptor", e))?;
        let happened = Arc::new(happened);
        Ok(Self {
            forge,
            downloads: fetch::Downloads::new(Arc::clone(&happened)),
            kept: kept::Kept::new(plugin),
            roots: rootfs::Roots::new(plugin, Arc::clone(&happened)),
            ledger: Ledger::default(),
            happened,
        })
    }

    /// Answers call `id`, or takes note of it. `check` may stop one that takes long.
    pub(crate) fn call(
        &mut self,
        id: u32,
        method: &str,
        params: Value,
        files: Vec<OwnedFd>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Reply {
        Reply::Now(match method {
            service::HOST_INFO => host_info(self.forge),
            service::FILE_TEMP => file_temp(self.forge),
            service::FILE_DIGEST => file_digest(params, files, check),
            service::FETCH => self.downloads.begin(self.forge, params),
            service::FETCH_TAKE => return self.downloads.take(id, params),
            service::KEPT => self.kept.find(self.forge, params, check),
            service::KEPT_DRAFT => self.kept.draft(self.forge),
            service::KEPT_STORE => self.kept.store(self.forge, params, check),
            service::TOOL => tool(self.forge, params),
            service::ROOTFS_CREATE => self.roots.create(self.forge, params),
            service::ROOTFS_APPLY
            | service::ROOTFS_EXPORT
            | service::ROOTFS_READ
            | service::ROOTFS_LIST
            | service::ROOTFS_REMOVE
            | service::ROOTFS_CHANGES
            | service::RUN => return self.roots.begin(id, method, params, files),
            service::VERIFY => verify::verify(self.forge, params, files, &mut self.ledger, check),
            _ => return Reply::Unknown,
        })
    }

    /// The answers to calls that had to wait. Tells how far they are, too.
    pub(crate) fn ready(&mut self) -> Vec<(u32, Result<Answer>)> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.happened, &mut count);
        let mut answers = self.downloads.ready(self.forge, &mut self.ledger);
        answers.extend(self.roots.ready(self.forge));
        answers
    }

    /// Ends what was begun; the answers to calls that wait for it.
    pub(crate) fn stop(&mut self) -> Vec<(u32, Result<Answer>)> {
        let mut answers = self.downloads.stop();
        answers.extend(self.roots.stop());
        answers
    }

    /// Readable when [`Services::ready`] may have something.
    pub(crate) fn readable(&self) -> BorrowedFd<'_> {
        self.happened.as_fd()
    }

    /// The sandbox that the user wants for roots that are made from here on.
    pub(crate) fn set_sandbox(&mut self, choice: Choice) {
        self.roots.choice = choice;
    }

    /// Processes that roots have.
    pub(crate) fn processes(&self) -> Vec<i32> {
        self.roots.processes()
    }

    /// How programs were kept apart from the machine, if roots were made.
    pub(crate) fn rung(&self) -> Option<Rung> {
        self.roots.rung()
    }

    /// Begins to remove the roots.
    pub(crate) fn end(&mut self) -> Vec<Ending> {
        self.roots.end()
    }

    /// What was checked.
    pub(crate) fn take_ledger(&mut self) -> Ledger {
        std::mem::take(&mut self.ledger)
    }
}

/// The files that came with a call.
struct Files(Vec<Option<OwnedFd>>);

impl Files {
    /// The file behind a reference; each can be taken once.
    fn take(&mut self, file: FileRef) -> Result<File> {
        let place = usize::try_from(file.fd).ok().and_then(|index| self.0.get_mut(index));
        let file = place.and_then(Option::take).map(File::from);
        file.ok_or_else(|| Error::usage("a file that the call names did not come with it"))
    }
}

fn host_info(forge: &Forge) -> Result<Answer> {
    let info = HostInfo {
        name: "ctr-forge".into(),
        version: forge.version.to_string(),
        protocol: PROTOCOL,
        services: SERVICES.iter().map(ToString::to_string).collect(),
    };
    encode(info, Attachments::new())
}

fn tool(forge: &Forge, params: Value) -> Result<Answer> {
    let params: ToolName = decode(service::TOOL, params)?;
    if params.name.is_empty() || params.name.contains(['/', '\0']) {
        return Err(Error::usage("a program is asked for by its name alone"));
    }
    let path = crate::ops::find_tool(forge, &params.name);
    encode(path.and_then(|path| path.to_str().map(str::to_owned)), Attachments::new())
}

fn file_temp(forge: &Forge) -> Result<Answer> {
    let mut files = Attachments::new();
    let file = files.add(crate::ops::temporary_file(forge)?);
    encode(FileAnswer { file }, files)
}

fn file_digest(params: Value, files: Vec<OwnedFd>, check: &mut dyn FnMut() -> Result<()>) -> Result<Answer> {
    let params: FileAnswer = decode(service::FILE_DIGEST, params)?;
    let file = Files(files.into_iter().map(Some).collect()).take(params.file)?;
    let (digest, size) = digest_of(&file, check)?;
    encode(FileDigest { digest: digest.to_string(), size }, Attachments::new())
}

fn decode<T: DeserializeOwned>(method: &str, params: Value) -> Result<T> {
    serde_json::from_value(params)
        .map_err(|e| Error::usage(format!("the parameters of \"{method}\" are wrong")).because(&e))
}

fn encode(answer: impl serde::Serialize, files: Attachments) -> Result<Answer> {
    let value = serde_json::to_value(answer)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode an answer").because(&e))?;
    Ok((value, files))
}

/// Digest and size of a whole file, wherever its offset stands. `check` may stop it.
pub(crate) fn digest_of(file: &File, check: &mut dyn FnMut() -> Result<()>) -> Result<(Digest, u64)> {
    let mut hasher = Hasher::new();
    let mut size = 0;
    read_all(file, check, &mut |bytes| {
        hasher.update(bytes);
        size += bytes.len() as u64;
        Ok(())
    })?;
    Ok((hasher.finish(), size))
}

/// Reads a whole regular file, wherever its offset stands. `check` may stop it.
fn read_all(
    file: &File,
    check: &mut dyn FnMut() -> Result<()>,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    // A pipe has no offsets, and reading it here would take its bytes from whoever waits for
    // them; other files may never have any.
    let regular = rustix::fs::fstat(file.as_fd())
        .ok()
        .filter(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file());
    let stat = regular.ok_or_else(|| Error::usage("only a regular file can be read here"))?;
    // Signatures and keys are small and many; one byte more finds the end.
    let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX).saturating_add(1);
    let mut buffer = vec![0; size.min(1 << 20)];
    let mut offset = 0;
    loop {
        check()?;
        match file.read_at(&mut buffer, offset).map_err(|e| Error::io("cannot read a file", e))? {
            0 => return Ok(()),
            count => {
                take(&buffer[..count])?;
                offset += count as u64;
            }
        }
    }
}
