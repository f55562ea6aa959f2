//! The package files that a lock names: downloaded or the user's own, and their
//! decompressed form where an earlier build kept it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;

use ctr_forge_packages::file;
use ctr_forge_plugin::{Error, ErrorKind, FetchRequest, FetchUrl, Fetches, Host, Result};

use crate::host_apt::HostApt;
use crate::install::{Archive, Chosen, Plain, Step};
use crate::lock::{Lock, LockedPackage};
use crate::options::{Options, Word};
use crate::places;
use crate::releases::{self, Release};
use crate::repository::Repository;

/// Where the package files of a lock come from, one after the other.
pub(crate) struct Archives<'a> {
    host: &'a Host,
    lock: &'a Lock,
    fetched: RefCell<Fetches<'a>>,
    /// The user's package files by their digest.
    locals: RefCell<HashMap<String, File>>,
    /// The decompressed forms being made, by the place of the package in the lock.
    drafts: RefCell<HashMap<usize, u32>>,
}

impl<'a> Archives<'a> {
    /// Begins to download.
    pub(crate) fn new(lock: &'a Lock, options: &Options, host: &'a Host) -> Result<Self> {
        Ok(Self {
            host,
            lock,
            locals: RefCell::new(locals(options, host)?),
            fetched: RefCell::new(host.fetch(downloads(lock, options))?),
            drafts: RefCell::default(),
        })
    }

    /// Takes note of the first `count` packages without looking into them. To be called before
    /// [`Archives::iter_from`], with the same number.
    pub(crate) fn pass(&self, count: usize) -> Result<()> {
        self.lock.packages.iter().take(count).try_for_each(|package| match package.index {
            Some(_) => self.download().map(drop),
            None => self.local(package).map(drop),
        })
    }

    /// The files in the order of the lock. May be called once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<Archive>> {
        self.iter_from(0)
    }

    /// As [`Archives::iter`], from this package on.
    pub(crate) fn iter_from(&self, first: usize) -> impl Iterator<Item = Result<Archive>> {
        self.lock.packages.iter().enumerate().skip(first).map(|(index, package)| {
            let (file, plain) = match package.index {
                Some(_) => (self.download()?, self.plain(index, package)?),
                None => (self.local(package)?, Plain::Unknown),
            };
            Ok(Archive { chosen: chosen(package), file, plain })
        })
    }

    /// Keeps what was made of a package for the next build.
    pub(crate) fn done(&self, step: Step) -> Result<()> {
        let draft = self.drafts.borrow_mut().remove(&step.index).filter(|_| step.copied);
        let package = self.lock.packages.get(step.index);
        match draft.zip(package) {
            Some((draft, package)) => self.host.keep(draft, plain_name(package)),
            None => Ok(()),
        }
    }

    /// An error if the user gave a package file that the lock does not have.
    pub(crate) fn check_all_used(&self) -> Result<()> {
        let locals = self.locals.borrow();
        let Some(digest) = locals.keys().min() else { return Ok(()) };
        let message = format!("the lock does not have a package file that is given, of {digest}");
        let error = Error::new(ErrorKind::Input, message).option("package");
        Err(error.hint("Delete the lock to resolve anew."))
    }

    fn download(&self) -> Result<File> {
        let lost = || Err(Error::new(ErrorKind::Internal, "a download was lost"));
        Ok(self.fetched.borrow_mut().next().unwrap_or_else(lost)?.file)
    }

    fn local(&self, package: &LockedPackage) -> Result<File> {
        self.locals.borrow_mut().remove(&package.digest).ok_or_else(|| missing(package))
    }

    fn plain(&self, index: usize, package: &LockedPackage) -> Result<Plain> {
        if let Some(file) = self.host.kept(plain_name(package))? {
            return Ok(Plain::Here(file));
        }
        let Some((draft, file)) = self.host.draft()? else { return Ok(Plain::Unknown) };
        self.drafts.borrow_mut().insert(index, draft);
        Ok(Plain::CopyTo(file))
    }
}

fn plain_name(package: &LockedPackage) -> String {
    format!("data.tar of {}", package.digest)
}

/// The user's package files by their digest.
fn locals(options: &Options, host: &Host) -> Result<HashMap<String, File>> {
    let mut locals = HashMap::new();
    for word in options.words()? {
        if let Word::File(value) = word {
            let file = file::package(&value, host)?;
            locals.insert(host.digest(&file)?.digest, file);
        }
    }
    Ok(locals)
}

fn missing(package: &LockedPackage) -> Error {
    let message = format!("the lock names a package file of {} that is not given", package.title());
    let cause = format!("{} with {} was expected", package.path, package.digest);
    let mut error = Error::new(ErrorKind::Input, message).option("package");
    error.causes.push(cause);
    error.hint("Has the file changed since the lock was made? Delete the lock to resolve anew.")
}

fn chosen(package: &LockedPackage) -> Chosen {
    Chosen {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: package.arch.clone(),
        file_name: package.path.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

/// Every package of a repository, from mirrors first.
fn downloads(lock: &Lock, options: &Options) -> Vec<FetchRequest> {
    let apt = HostApt::read(options.apt_config());
    let release = releases::find(&lock.release).cloned().unwrap_or_else(|| Release::unknown(&lock.release));
    let bases: Vec<Vec<FetchUrl>> = lock
        .indexes
        .iter()
        .map(|index| places::bases(&Repository::new(index.url.clone(), index.suite.clone()), &release, &apt))
        .collect();
    let request = |package: &LockedPackage| {
        let at = |base: &FetchUrl| FetchUrl {
            url: format!("{}/{}", base.url, places::escaped(&package.path)),
            proxy: base.proxy.clone(),
        };
        Some(FetchRequest {
            name: package.title(),
            urls: bases.get(package.index?)?.iter().map(at).collect(),
            digest: Some(package.digest.clone()),
            size: Some(package.size),
            ..FetchRequest::default()
        })
    };
    lock.packages.iter().filter_map(request).collect()
}
