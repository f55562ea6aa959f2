//! The worker's own side: take what it is given, drop the rest, load, serve.
//!
//! Everything up to the load happens while the process has one thread, because
//! a threaded process cannot enter a user namespace (`unshare(2)`, EINVAL).

use std::fs;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use ctr_forge_plugin::abi::{self, ABI_MAJOR, PluginTable};
use ctr_forge_plugin::frame::{self, Kind, Receiver, SOCKET_FD};
use ctr_forge_plugin::{Error, ErrorKind, Result, serve_on, symbol};
use ctr_forge_sandbox::process::{OWN_FDS, die_with, no_host, take_socket};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use rustix::process::{Resource, Rlimit};
use rustix::thread::UnshareFlags;
use serde_json::json;

use super::{CodeKind, Start, Started};
use crate::discovery::Bundled;

/// Runs as a worker, with the host's socket as standard input, until the host is done.
pub fn run(bundled: &[Bundled]) -> ExitCode {
    match work(bundled) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is the host's pipe: what is written there becomes part of its report.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn work(bundled: &[Bundled]) -> Result<()> {
    let socket = take_socket()?;
    let mut receiver = Receiver::new();
    let frame = receiver.receive(&socket).map_err(|e| Error::io("cannot read from the host", e))?;
    let Some(mut frame) = frame.filter(|frame| frame.kind == Kind::Start) else {
        return Err(no_host());
    };
    let start: Start = serde_json::from_slice(&frame.payload)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot read what to start").because(&e))?;
    let started = drop_what_is_not_needed(&start)?;
    let code = frame.files.pop();
    if start.code == CodeKind::Executable {
        answer(&socket, Ok(started))?;
        return Err(execute(socket, code, &start));
    }
    match load(start.code, &start.name, &start.manifest, code.as_ref(), bundled) {
        Ok(table) => {
            answer(&socket, Ok(started))?;
            // SAFETY: the table is that of a library that is never unloaded, or of this binary.
            unsafe { serve_on(socket, receiver, table) }.map_err(|e| Error::io("cannot serve the plugin", e))
        }
        Err(error) => answer(&socket, Err(error)),
    }
}

fn drop_what_is_not_needed(start: &Start) -> Result<Started> {
    let cannot = |e| Error::io("cannot set up the worker", e);
    die_with(start.parent)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::process::chdir("/").map_err(cannot)?;
    // A source may hold a file for each of a thousand packages. What cannot be raised stays.
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let not_isolated = if start.network { None } else { isolate(start.reads_files)? };
    Ok(Started { not_isolated })
}

/// Leaves the network: alone where privileges allow, else in a user namespace
/// of its own. Returns why neither can be had.
fn isolate(reads_files: bool) -> Result<Option<String>> {
    // SAFETY: a network namespace does not touch the descriptors or memory of this process.
    let Err(error) = (unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }) else {
        return Ok(None);
    };
    if reads_files {
        // Inside one, files of others would seem to belong to nobody.
        return Ok(Some(format!("{error}, and in a user namespace it could not see whose files are whose")));
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // SAFETY: as above; the process has one thread, as the kernel demands.
    let left = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNET) };
    if let Err(error) = left {
        return Ok(Some(error.to_string()));
    }
    // The ids stay what they are: what the user may read, the plugin may. There
    // is no way back from here, so a failure is one.
    fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")))
        .map(|()| None)
        .map_err(|e| Error::io("cannot set up the worker's user namespace", e))
}

fn answer(socket: &OwnedFd, result: Result<Started>) -> Result<()> {
    let payload = match result {
        Ok(started) => json!({ "ok": started }),
        Err(error) => json!({ "error": error }),
    };
    frame::send(socket, Kind::Result, 0, payload.to_string().as_bytes(), &[])
        .map_err(|e| Error::io("cannot answer the host", e))
}

/// Becomes the program; returns only to say why that failed.
fn execute(socket: OwnedFd, file: Option<OwnedFd>, start: &Start) -> Error {
    let Some(file) = file else { return Error::new(ErrorKind::Internal, "no program came with START") };
    // Out of the socket's way. A script's interpreter opens this path again
    // after exec, so the descriptor must survive it.
    let file = rustix::io::fcntl_dupfd_cloexec(&file, OWN_FDS)
        .and_then(|file| rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).map(|()| file));
    let file = match file {
        Ok(file) => file,
        Err(error) => return Error::io("cannot pass the program on", error),
    };
    // SAFETY: the number is only written to; whatever was open there is replaced, as dup2(2) does.
    let mut target = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(SOCKET_FD) });
    if let Err(error) = rustix::io::dup2(&socket, &mut target) {
        return Error::io("cannot pass the socket on", error);
    }
    let error = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())).exec();
    Error::io(format!("cannot run the plugin \"{}\"", start.name), error)
}

/// Loads a plugin whose manifest is known.
pub(super) fn load(
    code: CodeKind,
    name: &str,
    manifest: &str,
    file: Option<&OwnedFd>,
    bundled: &[Bundled],
) -> Result<*const PluginTable> {
    let table = match code {
        CodeKind::Bundled => {
            let matches = |table: &*const PluginTable| manifest_of(*table) == Some(manifest.as_bytes());
            let mut tables = bundled.iter().map(|bundled| (bundled.entry)());
            tables
                .find(matches)
                .ok_or_else(|| Error::new(ErrorKind::Internal, "no such plugin is built in"))?
        }
        _ => {
            let file = file.ok_or_else(|| Error::new(ErrorKind::Internal, "no library came with START"))?;
            load_library(file, name)?
        }
    };
    match manifest_of(table) {
        Some(found) if found == manifest.as_bytes() => Ok(table),
        _ => {
            Err(Error::plugin("the manifest in its code is not the one in its note")
                .hint("Rebuild the plugin."))
        }
    }
}

fn manifest_of(table: *const PluginTable) -> Option<&'static [u8]> {
    // SAFETY: entries return tables that live as long as the process.
    if table.is_null() { None } else { unsafe { abi::plugin_manifest(table) } }
}

fn load_library(file: &OwnedFd, name: &str) -> Result<*const PluginTable> {
    // Through the descriptor: the file that was checked is the file that is loaded.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: this runs the library's constructors: the plugin's code, in a
    // process that exists for it alone. NOW, so that a missing symbol is an
    // error here and not a crash later; LOCAL, so that its symbols meet no others.
    let library =
        unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }.map_err(|e| cannot_load(&e))?;
    // Never unloaded: threads and thread-locals of the plugin may outlive any moment we could choose.
    let library = ManuallyDrop::new(library);
    let symbol = symbol(name);
    // SAFETY: the ABI gives the symbol this type.
    let entry = unsafe { library.get::<abi::Entry>(symbol.as_bytes()) }.map_err(|_| {
        Error::plugin(format!("it does not export {symbol}"))
            .hint("The name in plugin.toml and the name given to export_plugin! must agree.")
    })?;
    // SAFETY: the ABI: the entry takes nothing and returns the plugin's static table.
    Ok(unsafe { entry() })
}

/// The loader's complaint, with what it means where that can be told.
fn cannot_load(error: &libloading::Error) -> Error {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let refusal = Error::plugin("it cannot be loaded").because(&io::Error::other(cause.clone()));
    if cause.contains("GLIBC_") {
        return refusal.hint(
            "It was built on a system with a newer C library: build it on the oldest one it is to run on.",
        );
    }
    if cause.contains("static TLS") {
        return refusal.hint("Plugins must use the system's allocator, not jemalloc or mimalloc.");
    }
    if cause.contains("Dynamic loading not supported") {
        return refusal.hint(format!(
            "This ctr-forge is linked statically (plugin ABI v{ABI_MAJOR}): use plugins that are programs, or those built in."
        ));
    }
    refusal.hint("Install what it needs, or build it again.")
}
