//! The package files that a lock names: downloaded, kept from an earlier build, or the user's own.
//!
//! An index has no digest of a package's file, so what is kept is named by the identity that it
//! has, and goes the whole way of checks again each time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek};

use ctr_forge_packages::file;
use ctr_forge_plugin::{Error, ErrorKind, FetchRequest, FetchUrl, Host, Result};

use crate::apk::{Apk, ApkError};
use crate::lock::{Lock, LockedPackage};
use crate::options::Options;
use crate::releases;
use crate::repository::package_url;

/// The package files of a lock, all open.
pub(crate) struct Archives<'a> {
    host: &'a Host,
    lock: &'a Lock,
    files: Vec<Archive>,
}

struct Archive {
    file: File,
    /// Whether it is to be kept once it was checked.
    is_new: bool,
}

impl<'a> Archives<'a> {
    /// Gets hold of all of them.
    pub(crate) fn new(lock: &'a Lock, options: &Options, host: &'a Host) -> Result<Self> {
        let mut found: Vec<Option<Archive>> = Vec::new();
        let mut locals = locals(options, host)?;
        for package in &lock.packages {
            let file = match package.repository {
                None => Some(locals.remove(&package.identity).ok_or_else(|| missing(package))?),
                Some(_) => host.kept(kept_name(package))?,
            };
            found.push(file.map(|file| Archive { file, is_new: false }));
        }
        if let Some(identity) = locals.keys().min() {
            let message = format!("the lock does not have a package file that is given, of {identity}");
            let error = Error::new(ErrorKind::Input, message).option("package");
            return Err(error.hint("Delete the lock to resolve anew."));
        }
        let wanted = lock.packages.iter().zip(&found).filter(|(_, found)| found.is_none());
        let requests = wanted.filter_map(|(package, _)| request(package, lock, options)).collect();
        let mut fetches = host.fetch(requests)?;
        let lost = || Err(Error::new(ErrorKind::Internal, "a download was lost"));
        let mut files = Vec::with_capacity(found.len());
        for archive in found {
            files.push(match archive {
                Some(archive) => archive,
                None => Archive { file: fetches.next().unwrap_or_else(lost)?.file, is_new: true },
            });
        }
        Ok(Self { host, lock, files })
    }

    /// The package at this place of the lock. What it says of itself is not compared yet.
    pub(crate) fn open(&self, index: usize) -> Result<Apk> {
        let package = &self.lock.packages[index];
        let cannot = |e: &ApkError| {
            Error::new(e.kind(), format!("{} cannot be installed", package.title())).because(e)
        };
        // Each handle of its own place in the file would need /proc, so they take turns.
        let file = self.files[index].file.try_clone().map_err(|e| cannot(&e.into()))?;
        let mut apk = Apk::open(file).map_err(|e| cannot(&e))?;
        match apk.must_be(&package.identity) {
            Ok(()) => {
                // apk does not look at the scripts of a package of nothing.
                if apk.control.package().is_ok_and(|package| package.installed_size == 0) {
                    apk.control.scripts.clear();
                }
                Ok(apk)
            }
            Err(error) => Err(cannot(&error)
                .hint("The repository may have changed since the packages were chosen: try again.")),
        }
    }

    /// The digest of its file, `sha256:…`.
    pub(crate) fn digest(&self, index: usize) -> Result<String> {
        Ok(self.host.digest(&self.files[index].file)?.digest)
    }

    /// All of it was checked: keeps it for the next build.
    pub(crate) fn done(&self, index: usize) -> Result<()> {
        let archive = &self.files[index];
        if !archive.is_new {
            return Ok(());
        }
        let Some((draft, mut copy)) = self.host.draft()? else { return Ok(()) };
        let mut copied = || {
            let mut file = archive.file.try_clone()?;
            file.rewind()?;
            io::copy(&mut file, &mut copy)
        };
        // A full disk is no reason to fail.
        match copied() {
            Ok(_) => self.host.keep(draft, kept_name(&self.lock.packages[index])),
            Err(_) => Ok(()),
        }
    }
}

fn kept_name(package: &LockedPackage) -> String {
    format!("apk {} {}", package.identity, package.size)
}

/// The user's package files by their identity.
fn locals(options: &Options, host: &Host) -> Result<HashMap<String, File>> {
    let mut locals = HashMap::new();
    for value in options.files() {
        let file = file::package(value, host)?;
        let clone = file.try_clone().map_err(|e| Error::io(format!("cannot read {}", value.path), e))?;
        let apk = Apk::open(clone)
            .map_err(|e| Error::new(e.kind(), format!("{} cannot be used", value.path)).because(&e))?;
        locals.insert(apk.identity, file);
    }
    Ok(locals)
}

fn missing(package: &LockedPackage) -> Error {
    let message = format!("the lock names a package file of {} that is not given", package.title());
    Error::new(ErrorKind::Input, message)
        .option("package")
        .hint("Has the file changed since the lock was made? Delete the lock to resolve anew.")
}

fn request(package: &LockedPackage, lock: &Lock, options: &Options) -> Option<FetchRequest> {
    let repository = lock.repositories.get(package.repository?)?;
    // A mirror is only where the bytes come from; the lock names Alpine's own place.
    let below = repository.url.strip_prefix(releases::url());
    let base = match (below, options.mirror.as_deref()) {
        (Some(below), Some(mirror)) => format!("{}{below}", mirror.trim_end_matches('/')),
        _ => repository.url.clone(),
    };
    Some(FetchRequest {
        name: package.title(),
        urls: vec![FetchUrl {
            url: package_url(&base, &lock.arch, &package.name, &package.version),
            proxy: None,
        }],
        size: Some(package.size),
        ..FetchRequest::default()
    })
}
