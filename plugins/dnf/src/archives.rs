//! The package files that a lock names: downloaded or the user's own, with their signatures
//! checked.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;

use ctr_forge_packages::file;
use ctr_forge_plugin::{
    CheckedBy, Error, ErrorKind, FetchRequest, FetchUrl, Host, Result, Signer, TrustLink, Vouch,
};

use rustix::fs::{MemfdFlags, memfd_create};

use crate::dependency::{self, Relation};
use crate::index;
use crate::lock::{Lock, LockedPackage, LockedRepository};
use crate::options::Options;
use crate::package::Package;
use crate::places::{self, FILES, Keys, Place, Places};
use crate::repository::url_of;
use crate::resolve;
use crate::rpm::{Rpm, RpmError};

/// The package files of a lock, all open, in its order. Nobody else can write to them, so that what
/// was checked is what is used: they are the cache's, or copies.
pub(crate) struct Archives<'a> {
    lock: &'a Lock,
    files: Vec<File>,
    /// For each that is signed, by whom.
    pub(crate) trust: Vec<TrustLink>,
}

impl<'a> Archives<'a> {
    /// Gets hold of all of them, and checks who signed each before anything of it is used.
    pub(crate) fn new(lock: &'a Lock, places: &Places, options: &Options, host: &'a Host) -> Result<Self> {
        let mut locals = locals(options, host)?;
        let bases = bases(lock, places, host)?;
        let requests = lock.packages.iter().filter_map(|package| request(package, &bases).transpose());
        let mut fetches = places::fetch(host, &places.all, requests.collect::<Result<_>>()?)?;
        let lost = || Err(Error::new(ErrorKind::Internal, "a download was lost"));
        let mut archives = Self { lock, files: Vec::with_capacity(lock.packages.len()), trust: Vec::new() };
        let verifier = Verifier::new(host, places, options)?;
        let mut said = Vec::with_capacity(lock.packages.len());
        for (index, package) in lock.packages.iter().enumerate() {
            let file = match package.repository {
                None => locals.remove(&package.digest).ok_or_else(|| missing(package))?,
                Some(_) => fetches.next().unwrap_or_else(lost)?.file,
            };
            archives.files.push(file);
            let rpm = archives.open(index)?;
            let id = package.repository.map(|number| lock.repositories[number].id.as_str());
            let signers = verifier.check(&rpm, &package.title(), id)?;
            said.push(archives.check(index, &rpm)?);
            archives.trust.extend(link(package, &signers));
            host.progress(index as u64 + 1, lock.packages.len() as u64, "packages")?;
        }
        check_together(&said)?;
        match locals.keys().min() {
            None => Ok(archives),
            Some(digest) => {
                let message = format!("the lock does not have a package file that is given, of {digest}");
                let error = Error::new(ErrorKind::Input, message).option("package");
                Err(error.hint("Delete the lock to resolve anew."))
            }
        }
    }

    /// The package at this place of the lock.
    pub(crate) fn open(&self, index: usize) -> Result<Rpm> {
        // Each handle of its own place in the file would need /proc, so they take turns.
        let file = self.files[index].try_clone().map_err(|e| Error::io("cannot read a package", e))?;
        Rpm::open(file).map_err(|e| self.cannot(index, &e))
    }

    fn cannot(&self, index: usize, error: &RpmError) -> Error {
        let title = self.lock.packages[index].title();
        Error::new(error.kind(), format!("{title} cannot be installed")).because(error)
    }

    /// What the file of the package at this place says of itself, if it is that package's, and can be
    /// installed by us.
    fn check(&self, index: usize, rpm: &Rpm) -> Result<Package> {
        let package = &self.lock.packages[index];
        let said = rpm.package().map_err(|e| self.cannot(index, &e))?;
        let is_it = *said.name == *package.name
            && said.evr.to_string() == package.evr()
            && *said.arch == *package.arch;
        if !is_it {
            let what = format!("the file of {} is that of {}", package.title(), said.nevra());
            return Err(Error::new(ErrorKind::Verification, what));
        }
        match unknown_feature(&said) {
            None => Ok(said),
            Some(feature) => {
                let what = format!(
                    "{} needs {feature}, which is no feature of an rpm that is known here",
                    package.title()
                );
                Err(Error::new(ErrorKind::Unsupported, what))
            }
        }
    }
}

/// Whether packages fit together by what they say themselves: that is signed, and what repositories
/// say of them need not be.
fn check_together(said: &[Package]) -> Result<()> {
    let Some(fault) = resolve::fault(&said.iter().collect::<Vec<_>>()) else { return Ok(()) };
    let message = "the packages are not what their repositories say of them";
    let mut error = Error::new(ErrorKind::Verification, message);
    error.causes.push(fault);
    Err(error.hint("The repository's metadata is damaged, or somebody has changed it: use another mirror."))
}

/// What a package needs of rpm itself that is not there. Metadata has nothing of that.
fn unknown_feature(package: &Package) -> Option<&Relation> {
    let mut unknown = None;
    for requirement in &package.requires {
        requirement.dependency.each(&mut |relation| {
            if dependency::is_met_by_rpmlib(relation) == Some(false) {
                unknown = unknown.or(Some(relation));
            }
        });
    }
    unknown
}

/// A package file of the user's, looked at.
pub(crate) struct Local {
    /// The file, as the user named it.
    pub(crate) path: String,
    pub(crate) rpm: Rpm,
    /// `sha256:…` of it.
    pub(crate) digest: String,
    pub(crate) size: u64,
}

/// The user's package files, in the order in which they are named, each once.
pub(crate) fn local_files(options: &Options, host: &Host) -> Result<Vec<Local>> {
    let local = |value: &ctr_forge_plugin::PathValue| {
        let file = file::package(value, host)?;
        let sum = host.digest(&file)?;
        let rpm = Rpm::open(file)
            .map_err(|e| Error::new(e.kind(), format!("{} cannot be used", value.path)).because(&e))?;
        Ok(Local { path: value.path.clone(), rpm, digest: sum.digest, size: sum.size })
    };
    let mut locals: Vec<Local> = options.files().map(local).collect::<Result<_>>()?;
    let mut known = HashSet::new();
    locals.retain(|local| known.insert(local.digest.clone()));
    Ok(locals)
}

/// The user's package files by their digest.
fn locals(options: &Options, host: &Host) -> Result<HashMap<String, File>> {
    let local = |value| {
        let file = file::package(value, host)?;
        Ok((host.digest(&file)?.digest, file))
    };
    options.files().map(local).collect()
}

fn missing(package: &LockedPackage) -> Error {
    let message = format!("the lock names a package file of {} that is not given", package.title());
    Error::new(ErrorKind::Input, message)
        .option("package")
        .hint("Has the file changed since the lock was made? Delete the lock to resolve anew.")
}

/// Where the packages of each of the lock's repositories can be had: from those that carry the
/// bytes in this request, then from where the lock says.
fn bases(lock: &Lock, places: &Places, host: &Host) -> Result<Vec<Vec<String>>> {
    let known = index::bases(host, &places.all)?;
    let of = |id: &str| {
        let place = places.all.iter().position(|place| place.id == id);
        place.map(|place| known[place].clone()).unwrap_or_default()
    };
    let with_own = |repository: &LockedRepository| {
        let mut bases = of(&repository.id);
        if !bases.contains(&repository.url) {
            bases.push(repository.url.clone());
        }
        bases
    };
    Ok(lock.repositories.iter().map(with_own).collect())
}

fn request(package: &LockedPackage, bases: &[Vec<String>]) -> Result<Option<FetchRequest>> {
    let Some(repository) = package.repository else { return Ok(None) };
    // What a repository says of sizes is not always signed, and is what a disk may have to hold.
    if package.size > file::MAX_PACKAGE {
        let (title, size, max) = (package.title(), package.size, file::MAX_PACKAGE >> 30);
        let message = format!("{title} has {size} bytes, more than the {max} GiB that a package may have");
        return Err(Error::input(message));
    }
    let bases = &bases[repository];
    let url = |base: &String| FetchUrl { url: url_of(base, &package.location), proxy: None };
    Ok(Some(FetchRequest {
        name: package.title(),
        urls: bases.iter().map(url).collect(),
        digest: Some(package.digest.clone()),
        size: Some(package.size),
        ..FetchRequest::default()
    }))
}

fn link(package: &LockedPackage, signers: &[Signer]) -> Option<TrustLink> {
    let signers: Vec<String> = signers.iter().map(|signer| signer.fingerprint.clone()).collect();
    (!signers.is_empty()).then(|| TrustLink {
        subject: package.title(),
        digest: package.digest.clone(),
        how: Vouch::Signature,
        signers,
        listed_in: None,
        checked_by: CheckedBy::Plugin,
    })
}

/// Keys that may sign, as files for the host.
type KeyFiles = Vec<(String, File)>;

/// Those, and the fingerprints that count of them.
type Keyring = (KeyFiles, Vec<String>);

/// Who may sign what. Each repository has keys of its own: rpm itself would take any key of any
/// repository for every package.
pub(crate) struct Verifier<'a> {
    host: &'a Host,
    /// By repository, `None` for the user's files; nothing where nobody has to sign.
    keys: HashMap<Option<String>, Option<Keyring>>,
}

impl<'a> Verifier<'a> {
    pub(crate) fn new(host: &'a Host, places: &Places, options: &Options) -> Result<Self> {
        let files = |keys: &Keys| -> Result<KeyFiles> {
            keys.iter().map(|(name, key)| Ok((name.clone(), handed(key)?))).collect()
        };
        let mut keys = HashMap::new();
        for place in &places.all {
            let own = match place.gpgcheck {
                true => Some((files(&place.keys)?, place.fingerprints.clone())),
                false => None,
            };
            keys.insert(Some(place.id.clone()), own);
        }
        let is_trusted = options.allow_untrusted.iter().any(|word| word == FILES);
        // A key that is given has to fit; without one those of the repositories may have signed.
        let own = match (places.given.is_empty(), is_trusted) {
            (_, true) => None,
            (false, _) => Some((files(&places.given)?, Vec::new())),
            (true, _) => Some(of_all(&places.all, &files)?),
        };
        keys.insert(None, own);
        Ok(Self { host, keys })
    }

    /// Who signed a package, of those who may; nobody where nobody has to.
    ///
    /// # Errors
    ///
    /// If none of its signatures holds.
    pub(crate) fn check(&self, rpm: &Rpm, title: &str, repository: Option<&str>) -> Result<Vec<Signer>> {
        let Some(keys) = self.keys.get(&repository.map(str::to_owned)) else {
            let message = format!("the lock takes {title} from a repository that this request does not have");
            return Err(Error::new(ErrorKind::Input, message)
                .hint("Name the repositories as when the lock was made."));
        };
        let Some((keys, fingerprints)) = keys else { return Ok(Vec::new()) };
        let nobody = || {
            let word = repository.unwrap_or(FILES);
            Error::new(ErrorKind::Verification, format!("nobody has signed {title}"))
                .hint(format!("If you mean it: --allow-untrusted {word}."))
        };
        if rpm.signatures().is_empty() {
            return Err(nobody());
        }
        if keys.is_empty() {
            let word = repository.unwrap_or("package files");
            return Err(Error::new(
                ErrorKind::Verification,
                format!("there is no key for {word}, so {title} cannot be checked"),
            )
            .hint("Name the file with the public keys: --key FILE."));
        }
        let data = handed(rpm.header.bytes())?;
        let mut refusals = Vec::new();
        for signature in rpm.signatures() {
            let signature = handed(signature)?;
            match self.host.verify_detached(title, &data, &signature, keys, fingerprints) {
                Ok(signers) => {
                    refuse_loose(rpm, title)?;
                    return Ok(signers);
                }
                // Another signature may be of a key that counts, has not expired, or is understood.
                Err(error) if is_refusal(error.kind) => refusals.push(error),
                Err(error) => return Err(error),
            }
        }
        let refusal = refusals.into_iter().min_by_key(distance).unwrap_or_else(nobody);
        Err(match repository {
            Some(id) => places::hinted(refusal, fingerprints)
                .context(format!("{title} of repository {id} cannot be used")),
            None => refusal,
        })
    }
}

/// Whether it is the fault of one signature.
fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Verification | ErrorKind::Expired | ErrorKind::Unsupported)
}

/// How far a signature was from being a good one: of several that do not count, the nearest says
/// what is wrong.
fn distance(refusal: &Error) -> u8 {
    match refusal.kind {
        // It fits, and its key is known.
        ErrorKind::Expired => 0,
        _ if refusal.hints.is_empty() => 1,
        // Whoever it is: the hint is how to make the key known.
        _ => 2,
    }
}

/// Refuses a package whose signature says nothing of what it installs.
fn refuse_loose(rpm: &Rpm, title: &str) -> Result<()> {
    let broken = |e| Error::input(format!("{title} cannot be used")).because(&e);
    match rpm.content_is_signed().map_err(broken)? {
        true => Ok(()),
        false => {
            let what = format!(
                "the signature of {title} does not cover its files, as it was made by a very old rpm"
            );
            Err(Error::new(ErrorKind::Verification, what))
        }
    }
}

/// The keys of all repositories, with all that counts of them.
fn of_all(places: &[Place], files: &dyn Fn(&Keys) -> Result<KeyFiles>) -> Result<Keyring> {
    let (mut keys, mut fingerprints) = (Vec::new(), Vec::new());
    for place in places.iter().filter(|place| !place.fingerprints.is_empty()) {
        keys.extend(files(&place.keys)?);
        fingerprints.extend(place.fingerprints.iter().cloned());
    }
    Ok((keys, fingerprints))
}

/// Bytes as a file that can be handed to the host.
pub(crate) fn handed(bytes: &[u8]) -> Result<File> {
    let file = memfd_create("handed", MemfdFlags::CLOEXEC).map_err(std::io::Error::from);
    let written = file.map(File::from).and_then(|mut file| file.write_all(bytes).map(|()| file));
    written.map_err(|e| Error::io("cannot hand data to the host", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_no_package_has_is_refused() {
        let of = |size| {
            let package = LockedPackage {
                name: "big".into(),
                epoch: 0,
                version: "1".into(),
                release: "1".into(),
                arch: "noarch".into(),
                repository: Some(0),
                location: "big.rpm".into(),
                digest: format!("sha256:{}", "0".repeat(64)),
                size,
                installed_size: 0,
                purl: String::new(),
                licences: Vec::new(),
            };
            request(&package, &[vec!["https://a/os".into()]]).map(|request| request.and_then(|one| one.size))
        };
        assert_eq!(of(5 << 30).unwrap(), Some(5 << 30));
        let error = of(1 << 60).unwrap_err();
        assert!(error.message.contains("more than the 32 GiB"), "{error}");
    }

    #[test]
    fn the_refusal_that_is_told_is_that_of_a_key_that_is_known() {
        let error = |kind, hint: bool| {
            let error = Error::new(kind, "x");
            if hint { error.hint("Name the key.") } else { error }
        };
        let unknown = error(ErrorKind::Verification, true);
        let weak = error(ErrorKind::Verification, false);
        let expired = error(ErrorKind::Expired, false);
        assert!(distance(&expired) < distance(&weak) && distance(&weak) < distance(&unknown));
    }
}
