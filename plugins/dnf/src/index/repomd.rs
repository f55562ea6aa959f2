//! Which `repomd.xml` counts, and who vouches for it.

use std::fs::File;
use std::io::{Read, Seek, Write};

use ctr_forge_plugin::{
    CheckedBy, Error, ErrorKind, FetchRequest, FetchUrl, Fetched, Host, Result, Signer, TrustLink, Vouch,
};

use super::{canonical, listed};
use crate::metadata::repomd::Repomd;
use crate::places::{self, Place};
use crate::repository::metalink::{Metalink, MetalinkError, Version};
use crate::repository::{is_local, mirrorlist, url_of, without_login};

/// Where it is in a repository.
const REPOMD: &str = "repodata/repomd.xml";
/// Largest `repomd.xml`, metalink or mirror list, in bytes: a hundred times Fedora's.
const MAX_FILE: u64 = 16 << 20;
/// Largest detached signature, in bytes.
const MAX_SIGNATURE: u64 = 1 << 20;
/// Most mirrors that are asked for a file, and most that are asked one after the other.
const MAX_MIRRORS: usize = 20;

/// A `repomd.xml` that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) place: usize,
    pub(super) repomd: Repomd,
    /// Where the rest of the repository can be had, where this came from first.
    pub(super) bases: Vec<String>,
    /// What records call the repository.
    pub(super) canonical: String,
    /// What records call this file.
    pub(super) subject: String,
    /// Who vouches for it, where anybody does.
    pub(super) link: Option<TrustLink>,
}

impl Accepted {
    /// Whether it is one of this machine. Only then it can name other files of the machine.
    pub(super) fn is_local(&self) -> bool {
        self.bases.first().is_some_and(|base| is_local(base))
    }
}

/// A metalink, where there is one, with its URL as records have it.
type Named = Option<(String, Metalink)>;

/// The search for the `repomd.xml` of a place: what can be tried, and how much of it was.
#[derive(Debug)]
pub(super) struct Search {
    metalink: Named,
    bases: Vec<String>,
    tried: usize,
    /// Why nothing more is tried.
    refusal: Option<Error>,
    /// What is wrong with a `repomd.xml` that was found.
    bad: Option<Error>,
}

impl Search {
    /// Whether there is anything left to try.
    pub(super) fn has_more(&self) -> bool {
        self.refusal.is_none() && self.tried < self.tries()
    }

    /// Whether something was found that cannot be relied on: such a repository is not just away,
    /// whatever else is in the way.
    pub(super) fn has_bad(&self) -> bool {
        self.bad.is_some()
    }

    /// Where the repository can be had, of mirrors some.
    pub(super) fn into_bases(mut self) -> Vec<String> {
        self.bases.truncate(MAX_MIRRORS);
        self.bases
    }

    fn tries(&self) -> usize {
        match &self.metalink {
            Some((_, metalink)) => metalink.versions.len().min(MAX_MIRRORS),
            None => self.bases.len().min(MAX_MIRRORS),
        }
    }

    fn version(&self) -> Option<&Version> {
        self.metalink.as_ref().and_then(|(_, metalink)| metalink.versions.get(self.tried))
    }

    /// With a metalink any mirror will do, for the digest says which file counts.
    fn bases(&self) -> &[String] {
        match self.metalink {
            Some(_) => &self.bases[..self.bases.len().min(MAX_MIRRORS)],
            None => self.bases.get(self.tried..=self.tried).unwrap_or_default(),
        }
    }

    /// Takes note of why a file that came is of no use. Of a metalink no older version will do then:
    /// it is the one that is wanted, and whoever spoils its signature could choose another.
    fn refuse(&mut self, error: &Error) {
        if self.metalink.is_some() {
            self.refusal = Some(error.clone());
        }
        // A signature may be out of reach, and everything of one mirror.
        if error.kind != ErrorKind::Network && self.bad.is_none() {
            self.bad = Some(error.clone());
        }
    }

    fn request(&self, place: &Place) -> FetchRequest {
        let version = self.version();
        FetchRequest {
            name: format!("repomd.xml of {}", place.id),
            urls: urls(self.bases(), REPOMD),
            digest: version.and_then(|version| version.digests.first().cloned()),
            size: version.and_then(|version| version.size).filter(|size| *size <= MAX_FILE),
            max_size: Some(MAX_FILE),
            ..FetchRequest::default()
        }
    }
}

/// A file of the repository, at each of its places.
pub(super) fn urls(bases: &[String], location: &str) -> Vec<FetchUrl> {
    bases
        .iter()
        .take(if location.contains("://") { 1 } else { MAX_MIRRORS })
        .map(|base| FetchUrl { url: url_of(base, location), proxy: None })
        .collect()
}

/// Where a place has its mirrors from, and whether that is a metalink. What is called a mirror list
/// is one, too, if its URL says so: dnf goes by that (libdnf's `Repo.cpp`).
fn list(place: &Place) -> Option<(&str, bool)> {
    let metalink = place.metalink.as_deref().map(|url| (url, true));
    metalink.or_else(|| place.mirrorlist.as_deref().map(|url| (url, url.contains("metalink"))))
}

/// Where to look for the `repomd.xml` of each place: metalinks and mirror lists, all at once.
pub(super) fn searches(host: &Host, places: &[Place]) -> Result<Vec<Search>> {
    let requests = places.iter().filter_map(|place| {
        let (url, is_metalink) = list(place)?;
        let kind = if is_metalink { "metalink" } else { "mirror list" };
        Some(FetchRequest {
            name: format!("the {kind} of {}", place.id),
            urls: vec![FetchUrl { url: url.to_owned(), proxy: None }],
            max_size: Some(MAX_FILE),
            ..FetchRequest::default()
        })
    });
    let mut fetches = places::fetch(host, places, requests.collect())?;
    let search = |place: &Place| {
        let mut search = Search { metalink: None, bases: Vec::new(), tried: 0, refusal: None, bad: None };
        if let Some((url, is_metalink)) = list(place) {
            let fetched = fetches.next().unwrap_or_else(|| Err(lost()));
            let metalink = is_metalink.then_some(url);
            match fetched.and_then(|fetched| mirrors(place, metalink, fetched)) {
                Ok((metalink, mirrors)) => (search.metalink, search.bases) = (metalink, mirrors),
                Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
                // Without its metalink nothing says what counts, so its own place is no way out.
                Err(error) if is_metalink => search.refusal = Some(error),
                Err(error) if place.bases.is_empty() => search.refusal = Some(error),
                Err(error) => host.debug(format!("{} has no mirrors: {error}", place.id)),
            }
        }
        for base in &place.bases {
            if !search.bases.contains(base) {
                search.bases.push(base.clone());
            }
        }
        Ok(search)
    };
    places.iter().map(search).collect()
}

/// What a metalink, of which this is the URL, or else a mirror list says. One of a server names no
/// files of this machine.
fn mirrors(place: &Place, metalink: Option<&str>, fetched: Fetched) -> Result<(Named, Vec<String>)> {
    let bytes = read(fetched.file, MAX_FILE)?;
    if let Some(url) = metalink {
        let bad = |e| input("its metalink is of no use", &e);
        let metalink = Metalink::parse(&bytes[..]).map_err(bad)?;
        let mut mirrors = metalink.mirrors.clone();
        mirrors.retain(|mirror| is_local(url) || !is_local(mirror));
        return match mirrors.is_empty() {
            false => Ok((Some((without_login(url), metalink)), mirrors)),
            true => Err(bad(MetalinkError::NoMirror)),
        };
    }
    let mut mirrors = mirrorlist::parse(&String::from_utf8_lossy(&bytes), &place.variables);
    let list = place.mirrorlist.as_deref().unwrap_or_default();
    mirrors.retain(|mirror| is_local(list) || !is_local(mirror));
    match mirrors.is_empty() {
        false => Ok((None, mirrors)),
        true => Err(Error::input("its mirror list has no mirror that can be used")),
    }
}

/// The next `repomd.xml` that will do of each of the `open` places, or why there is none.
pub(super) fn accept(
    host: &Host,
    places: &[Place],
    searches: &mut [Search],
    open: &[usize],
) -> Result<Vec<(usize, Result<Accepted>)>> {
    let mut done: Vec<(usize, Result<Accepted>)> = Vec::new();
    let mut open = open.to_vec();
    while !open.is_empty() {
        let (more, over): (Vec<usize>, Vec<usize>) = open.iter().partition(|&&n| searches[n].has_more());
        done.extend(over.into_iter().map(|n| (n, Err(unusable(&searches[n], None)))));
        open = more;
        let requests = open.iter().map(|&n| searches[n].request(&places[n])).collect();
        let mut still_open = Vec::new();
        for (&n, fetched) in open.iter().zip(places::fetch(host, places, requests)?) {
            let search = &mut searches[n];
            let judged = match fetched {
                Ok(fetched) => judge(host, n, &places[n], search, fetched).inspect_err(|e| search.refuse(e)),
                Err(error) => Err(stale(search, error)),
            };
            search.tried += 1;
            match judged {
                Ok(accepted) => done.push((n, Ok(accepted))),
                Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
                Err(error) if searches[n].has_more() => {
                    host.debug(format!("repomd.xml of {} is of no use: {error}", places[n].id));
                    still_open.push(n);
                }
                Err(error) => done.push((n, Err(unusable(&searches[n], Some(error))))),
            }
        }
        open = still_open;
    }
    Ok(done)
}

fn unusable(search: &Search, error: Option<Error>) -> Error {
    let none = || Error::new(ErrorKind::NotFound, "there is no place to look at");
    let error = search.bad.clone().or(error).or_else(|| search.refusal.clone()).unwrap_or_else(none);
    match (&search.metalink, error.kind) {
        (None, ErrorKind::NotFound) => error
            .hint("That is no repository. The URL of one is that of the folder which has repodata in it."),
        _ => error,
    }
}

/// Why a `repomd.xml` did not come. Its digest and size are all that the mirrors of a metalink are
/// asked for: another file is an older or newer one.
fn stale(search: &Search, error: Error) -> Error {
    match (&search.metalink, error.kind) {
        (Some(_), ErrorKind::Verification) => {
            let message = "all its mirrors are stale: none has the metadata that its metalink names";
            Error::new(ErrorKind::Expired, message).because(&error).hint("Try again in some minutes.")
        }
        _ => error,
    }
}

/// Accepts what a place says is its `repomd.xml`, or says why not.
fn judge(host: &Host, n: usize, place: &Place, search: &Search, fetched: Fetched) -> Result<Accepted> {
    let bases = ordered(search, &fetched.url);
    let canonical = canonical(place, bases.first().map_or("", String::as_str));
    let subject = url_of(&canonical, REPOMD);
    let signers = match place.repo_gpgcheck {
        true => signers(host, place, search, &fetched)?,
        false => Vec::new(),
    };
    let link = link(place, search, &subject, &fetched.digest, &signers);
    let bytes = read(fetched.file, MAX_FILE)?;
    let repomd = Repomd::parse(&bytes[..]).map_err(|e| input("its repomd.xml cannot be used", &e))?;
    Ok(Accepted { place: n, repomd, bases, canonical, subject, link })
}

/// All places of the repository, that first where the file came from.
fn ordered(search: &Search, url: &str) -> Vec<String> {
    let is_source = |base: &String| without_login(&url_of(base, REPOMD)) == url;
    let at = match &search.metalink {
        Some(_) => search.bases.iter().position(is_source).unwrap_or(0),
        None => search.tried,
    };
    let mut bases: Vec<String> = search.bases.iter().skip(at).cloned().collect();
    bases.extend(search.bases.iter().take(at).cloned());
    bases
}

fn link(
    place: &Place,
    search: &Search,
    subject: &str,
    digest: &str,
    signers: &[Signer],
) -> Option<TrustLink> {
    let by = |how| TrustLink {
        subject: subject.to_owned(),
        digest: digest.to_owned(),
        how,
        signers: signers.iter().map(|signer| signer.fingerprint.clone()).collect(),
        listed_in: None,
        checked_by: CheckedBy::Plugin,
    };
    match (signers.is_empty(), &search.metalink) {
        (false, _) => Some(by(Vouch::Signature)),
        (true, Some((url, _))) => Some(listed(subject.to_owned(), digest, url)),
        (true, None) if !place.gpgcheck => Some(by(Vouch::User)),
        // Nobody does. Its packages are signed themselves.
        (true, None) => None,
    }
}

/// Who has signed it; at least one of the place's keys has. With a metalink all mirrors have the same
/// file, so that the signature of any will do.
fn signers(host: &Host, place: &Place, search: &Search, repomd: &Fetched) -> Result<Vec<Signer>> {
    let bases = ordered(search, &repomd.url);
    let count = if search.metalink.is_some() { MAX_MIRRORS } else { 1 };
    let keys = key_files(host, place)?;
    let name = format!("repomd.xml of {}", place.id);
    let (mut wrong, mut away) = (None, None);
    for base in bases.iter().take(count) {
        let signature = match signature(host, place, base) {
            Ok(signature) => signature,
            Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
            Err(error) if error.kind == ErrorKind::NotFound => continue,
            Err(error) => {
                away = away.or(Some(error));
                continue;
            }
        };
        match host.verify_detached(&name, &repomd.file, &signature, &keys, &place.fingerprints) {
            Ok(signers) => return Ok(signers),
            Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    let unsigned = || {
        Error::new(
            ErrorKind::Verification,
            "its metadata is not signed: there is a repomd.xml without repomd.xml.asc",
        )
        .hint("Where its packages are signed, gpgcheck=1 without repo_gpgcheck=1 is for that.")
    };
    let wrong = wrong.map(|error| places::hinted(error, &place.fingerprints));
    Err(wrong.or(away).unwrap_or_else(unsigned))
}

/// The signature that a mirror has.
fn signature(host: &Host, place: &Place, base: &str) -> Result<File> {
    let request = FetchRequest {
        name: format!("repomd.xml.asc of {}", place.id),
        urls: vec![FetchUrl { url: url_of(base, &format!("{REPOMD}.asc")), proxy: None }],
        max_size: Some(MAX_SIGNATURE),
        ..FetchRequest::default()
    };
    let mut fetches = places::fetch(host, std::slice::from_ref(place), vec![request])?;
    fetches.next().unwrap_or_else(|| Err(lost())).map(|fetched| fetched.file)
}

/// The keys of a place as files that the host can read.
fn key_files(host: &Host, place: &Place) -> Result<Vec<(String, File)>> {
    let written = place.keys.iter().map(|(name, bytes)| {
        let mut file = host.temp_file()?;
        file.write_all(bytes).map_err(|e| Error::io("cannot hand a key to the host", e))?;
        Ok((name.clone(), file))
    });
    written.collect()
}

fn read(mut file: File, limit: u64) -> Result<Vec<u8>> {
    let cannot = |e| Error::io("cannot read what was downloaded", e);
    let mut bytes = Vec::new();
    file.rewind().map_err(cannot)?;
    let count = file.take(limit + 1).read_to_end(&mut bytes).map_err(cannot)?;
    match count as u64 > limit {
        false => Ok(bytes),
        true => Err(Error::input(format!("an index of the repository has more than {} MiB", limit >> 20))),
    }
}

fn input(message: &str, cause: &dyn std::error::Error) -> Error {
    Error::input(message).because(cause)
}

fn lost() -> Error {
    Error::new(ErrorKind::Internal, "a download was lost")
}
