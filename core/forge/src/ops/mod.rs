//! One operation per command: the whole flow from request to result.

mod attach;
mod base;
mod clean;
mod cosign;
mod discovery;
mod inspect;
mod load;
mod output;
mod push;
mod sign;
mod source;
mod squash;

use std::error::Error as StdError;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;

use ctr_forge_plugin::{Component, Context, Error, ErrorKind, PROTOCOL, Request, Result, Role};
use ctr_forge_rootfs::{Duplicates, Tree};
use rustix::event::{PollFd, PollFlags};
use serde_json::Value;

pub use attach::{AttachRequest, AttachedTo, ImagePlace, attach};
pub(crate) use clean::settings;
pub use clean::{Cleaned, clean};
pub use cosign::{CosignRequest, cosign_sign, cosign_verify};
pub use discovery::{Discoverable, DiscoveryRequest, discovery};
pub use inspect::{Inspected, InspectedLayer, inspect};
pub use load::{Engine, load};
pub(crate) use output::output_traced;
pub use output::{OutputRequest, PlatformInputs, Published, form_name, output};
pub use push::{PushRequest, Pushed, mountable, place_in_passing, push};
pub use sign::{
    ImageSignature, Signed, VerifiedBy, public_key, sign_file, sign_image, verify_file, verify_image,
};
pub(crate) use source::source_digest;
pub use source::{Report, Sink, SourceRequest, source};
pub use squash::{SquashRequest, squash, squash_rootfs};

use crate::discovery::Plugin;
use crate::worker::Fault;
use crate::{Cancel, Forge};

/// A request to a component; its options are those of [`Options::to_request`](crate::options::Options::to_request).
pub(crate) fn request<T>(
    forge: &Forge,
    role: Role,
    component: &str,
    arch: &str,
    options: Value,
    target: T,
) -> Request<Value, T> {
    let context =
        Context { arch: arch.to_owned(), epoch: forge.epoch, jobs: forge.jobs.get(), exclude: Vec::new() };
    Request { protocol: PROTOCOL, role, component: component.to_owned(), options, context, target }
}

/// An error if a program that the component needs is not installed.
pub(crate) fn require_tools(forge: &Forge, component: &Component) -> Result<()> {
    match component.needs.tools.iter().find(|tool| find_tool(forge, tool).is_none()) {
        None => Ok(()),
        Some(tool) => {
            let message = format!(
                "\"{}\" needs the program \"{}\", which is not on PATH",
                component.id,
                tool.escape_debug()
            );
            Err(Error::new(ErrorKind::MissingTool, message).hint("Install it and try again."))
        }
    }
}

/// Directories that a user's search path often lacks, and that have programs which make roots.
const SYSTEM_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Where a program is, on the search path or where the system has its own.
pub(crate) fn find_tool(forge: &Forge, name: &str) -> Option<PathBuf> {
    let path = forge.worker_env.iter().find(|(variable, _)| variable == "PATH");
    let path = path.map(|(_, value)| value.as_os_str()).unwrap_or_default();
    let directories = std::env::split_paths(path).chain(SYSTEM_DIRECTORIES.map(PathBuf::from));
    // An empty or relative entry would mean whatever directory one happens to be in.
    let directories = directories.filter(|directory| directory.is_absolute());
    directories.map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// An empty tree, its content in the place for temporary files.
pub(crate) fn empty_tree(forge: &Forge, duplicates: Duplicates) -> Result<Tree> {
    // What tempfile itself says would name a file that nobody knows.
    Tree::new_in(&forge.temp_dir, duplicates).map_err(|e| no_temporary_file(forge, e.kind()))
}

/// A file without a name, in the place for temporary files.
pub(crate) fn temporary_file(forge: &Forge) -> Result<File> {
    tempfile::tempfile_in(&forge.temp_dir).map_err(|e| no_temporary_file(forge, e.kind()))
}

fn no_temporary_file(forge: &Forge, kind: io::ErrorKind) -> Error {
    let message = format!("cannot make a temporary file in {}", forge.temp_dir.display());
    Error::io(message, io::Error::from(kind)).hint("TMPDIR names another place.")
}

/// An error of the rootfs crate as people see it: its kind is told by what lies at its root.
pub(crate) fn because(what: impl Into<String>, error: &(dyn StdError + 'static)) -> Error {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    let mut kind = ErrorKind::Input;
    while let Some(cause) = next {
        if let Some(number) = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            kind = Error::io("", io::Error::from_raw_os_error(number)).kind;
        }
        next = cause.source();
    }
    Error::new(kind, what).because(error)
}

/// Tells the user what a plugin did wrong though its job succeeded.
pub(crate) fn report_faults(forge: &Forge, plugin: &Plugin, faults: &[Fault]) {
    for fault in faults {
        if let Fault::LeftProcesses(count) = fault {
            let message = format!(
                "plugin \"{}\" left {count} process(es) behind; they were ended",
                plugin.manifest.name
            );
            forge.reporter.warning(&message, None);
        }
    }
}

/// The last second that RFC 3339 can write, and so the last that an image can be dated: 9999-12-31T23:59:59Z.
const LATEST: i64 = 253_402_300_799;

/// A date that came with data, as one that an image can have.
pub(crate) fn possible_date(date: i64) -> i64 {
    date.clamp(0, LATEST)
}

/// A file that fails as soon as the user wants the work to end, even while it waits for a pipe.
#[derive(Debug)]
pub(crate) struct CancellableFile<'a> {
    file: File,
    cancel: &'a Cancel,
}

impl<'a> CancellableFile<'a> {
    /// For reading.
    pub(crate) fn new(file: File, cancel: &'a Cancel) -> Self {
        Self { file, cancel }
    }

    /// For writing. A pipe is opened anew, so that not to wait for it is our
    /// own affair and not that of all who share it.
    pub(crate) fn for_writing(file: &File, cancel: &'a Cancel) -> io::Result<Self> {
        let again = || {
            let mut options = OpenOptions::new();
            options
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
        };
        // Where that is not allowed, the pipe is waited for as any other file.
        let again = if file.metadata()?.file_type().is_fifo() { again().ok() } else { None };
        Ok(Self { file: again.map_or_else(|| file.try_clone(), Ok)?, cancel })
    }

    fn wait(&self, flags: PollFlags) -> io::Result<()> {
        loop {
            let wish = PollFd::from_borrowed_fd(self.cancel.readable(), PollFlags::IN);
            let mut fds = [PollFd::new(&self.file, flags), wish];
            match rustix::event::poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.cancel.check().map_err(io::Error::other)?;
            if !fds[0].revents().is_empty() {
                return Ok(());
            }
        }
    }
}

impl Read for CancellableFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(PollFlags::IN)?;
        self.file.read(buffer)
    }
}

impl Write for CancellableFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::OUT)?;
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that fails as soon as the user wants the work to end.
#[derive(Debug)]
pub(crate) struct Cancellable<'a, W> {
    inner: W,
    cancel: &'a Cancel,
}

impl<'a, W: Write> Cancellable<'a, W> {
    pub(crate) fn new(inner: W, cancel: &'a Cancel) -> Self {
        Self { inner, cancel }
    }
}

impl<W: Write> Write for Cancellable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The user's wish to end explains a failure better than what it led to.
pub(crate) fn unless_cancelled(forge: &Forge, error: Error) -> Error {
    forge.cancel.check().err().unwrap_or(error)
}

/// `Ok`, or that a thread panicked: a fault of ours.
pub(crate) fn joined<T>(result: std::thread::Result<T>) -> Result<T> {
    result.map_err(|_| Error::new(ErrorKind::Internal, "a thread panicked"))
}
