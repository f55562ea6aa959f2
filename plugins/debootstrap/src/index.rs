//! From repositories to the packages that they offer: signed index, dates, digests.
//!
//! The signed index of each repository is tried at every place that may have it: mirrors of the
//! host's first, the repository's own URL last. A mirror is trusted with nothing: what it hands
//! out is signed by the repository's keys and in date, or the next place is asked. Every other
//! file is known by the digest that the signed index gives it.

use std::fs::File;
use std::io::{Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use ctr_forge_plugin::{
    Error, ErrorKind, FetchRequest, FetchUrl, Fetched, Host, Result, Signer, TrustLink, Unpacked, Vouch,
};
use ctr_forge_rootfs::Decoder;

use crate::places::escaped;
use crate::release::{IndexFile, Release, ReleaseError, by_hash_path};
use crate::repository::Repository;

/// Largest signed index, in bytes: a hundred times Debian's.
const MAX_RELEASE: u64 = 32 << 20;
/// Largest index of packages, unpacked, in bytes: ten times Debian's.
const MAX_PACKAGES: u64 = 1 << 30;
/// How far clocks may be apart, in seconds.
const LEEWAY: u32 = 60;

/// A repository, who may sign for it, and who may carry its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) repository: Repository,
    /// The keys that count, as files, with their names for messages.
    pub(crate) keys: Vec<(String, Vec<u8>)>,
    /// Of those, only the ones with these fingerprints, where any is named.
    pub(crate) fingerprints: Vec<String>,
    /// Where it can be had, without a slash at the end: mirrors, then its own URL.
    pub(crate) bases: Vec<FetchUrl>,
}

/// A signed index that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) release: Release,
    /// Who vouches for it.
    pub(crate) link: TrustLink,
    /// Which of the place's bases it came from.
    base: usize,
}

/// An index of packages, unpacked.
#[derive(Debug)]
pub(crate) struct Packages {
    /// Which of the places.
    pub(crate) place: usize,
    pub(crate) text: Vec<u8>,
    pub(crate) link: TrustLink,
}

impl Place {
    /// A file of the repository, at every base; `first` is asked first.
    pub(crate) fn urls(&self, first: usize, path: &str) -> Vec<FetchUrl> {
        let chosen = self.bases.get(first).into_iter();
        let others = self.bases.iter().enumerate().filter(|(index, _)| *index != first).map(|(_, base)| base);
        let at = |base: &FetchUrl| FetchUrl {
            url: format!("{}/{}", base.url, escaped(path)),
            proxy: base.proxy.clone(),
        };
        chosen.chain(others).map(at).collect()
    }

    /// The folder of the signed index, below the base, with a slash at its end.
    fn folder(&self) -> String {
        let folder = format!("{}/", self.repository.index_url());
        folder[self.repository.url.len() + 1..].to_owned()
    }

    /// What messages call it.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.repository.url, self.repository.suite)
    }

    fn subject(&self, file: &str) -> String {
        format!("{}/{}{file}", self.repository.url, self.folder())
    }
}

/// The signed index of each place, in their order.
pub(crate) fn signed(host: &Host, places: &[Place]) -> Result<Vec<Signed>> {
    let mut found: Vec<Option<Signed>> = places.iter().map(|_| None).collect();
    let mut errors: Vec<Vec<Error>> = places.iter().map(|_| Vec::new()).collect();
    let rounds = places.iter().map(|place| place.bases.len()).max().unwrap_or(0);
    for base in 0..rounds {
        let open: Vec<usize> =
            (0..places.len()).filter(|&n| found[n].is_none() && base < places[n].bases.len()).collect();
        let requests = open.iter().map(|&n| release_request(&places[n], base, "InRelease")).collect();
        // All of them are on their way while the first are looked at.
        for (&n, fetched) in open.iter().zip(host.fetch(requests)?) {
            match accept(host, &places[n], base, fetched) {
                Ok(signed) => found[n] = Some(signed),
                Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
                Err(error) => {
                    host.debug(format!("{} is of no use: {error}", places[n].bases[base].url));
                    errors[n].push(error);
                }
            }
        }
    }
    let all = found.into_iter().zip(places).zip(errors);
    all.map(|((signed, place), errors)| signed.ok_or_else(|| unusable(place, errors))).collect()
}

/// Of several reasons the one that says most; that a place cannot be reached says least.
fn unusable(place: &Place, errors: Vec<Error>) -> Error {
    let weight = |error: &Error| match error.kind {
        ErrorKind::Network => 0,
        ErrorKind::NotFound => 1,
        _ => 2,
    };
    let mut best: Option<Error> = None;
    for error in errors {
        if best.as_ref().is_none_or(|best| weight(&error) > weight(best)) {
            best = Some(error);
        }
    }
    let error = best.unwrap_or_else(|| Error::new(ErrorKind::NotFound, "there is no place to look at"));
    let suite = &place.repository.suite;
    match error.kind {
        ErrorKind::NotFound => {
            error.context(format!("there is no suite \"{suite}\" at {}", place.repository.url))
        }
        _ => error.context(format!("cannot use {}", place.title())),
    }
}

fn release_request(place: &Place, base: usize, file: &str) -> FetchRequest {
    let urls = place.bases.get(base).map(|base| FetchUrl {
        url: format!("{}/{}{file}", base.url, escaped(&place.folder())),
        proxy: base.proxy.clone(),
    });
    FetchRequest {
        name: format!("{file} of {}", place.repository.suite),
        urls: urls.into_iter().collect(),
        max_size: Some(MAX_RELEASE),
        ..FetchRequest::default()
    }
}

/// Accepts what a place says is its signed index, or says why not.
fn accept(host: &Host, place: &Place, base: usize, inrelease: Result<Fetched>) -> Result<Signed> {
    let title = format!("InRelease of {}", place.repository.suite);
    let (text, digest, file, signers) = match inrelease {
        Ok(fetched) if place.repository.trusted => {
            (unarmored(fetched.file)?, fetched.digest, "InRelease", vec![])
        }
        Ok(fetched) => {
            let (text, signers) =
                host.verify_cleartext(&title, &fetched.file, &key_files(host, place)?, &place.fingerprints)?;
            (read(text, MAX_RELEASE)?, fetched.digest, "InRelease", signers)
        }
        // The older form: https://wiki.debian.org/DebianRepository/Format
        Err(error) if error.kind == ErrorKind::NotFound => {
            let (text, digest, signers) = detached(host, place, base)?;
            (text, digest, "Release", signers)
        }
        Err(error) => return Err(error),
    };
    let mut release = Release::parse(&text).map_err(|e| refused(&e))?;
    release.valid_until = match place.repository.check_valid_until {
        true => valid_until(&place.repository, &release),
        false => None,
    };
    check(place, &release)?;
    Ok(Signed { release, link: link(place, file, digest, &signers), base })
}

fn link(place: &Place, file: &str, digest: String, signers: &[Signer]) -> TrustLink {
    TrustLink {
        subject: place.subject(file),
        digest,
        how: if place.repository.trusted { Vouch::User } else { Vouch::Signature },
        signers: signers.iter().map(|signer| signer.fingerprint.clone()).collect(),
        listed_in: None,
        checked_by: ctr_forge_plugin::CheckedBy::Plugin,
    }
}

/// Release and Release.gpg.
fn detached(host: &Host, place: &Place, base: usize) -> Result<(Vec<u8>, String, Vec<Signer>)> {
    let mut files = vec![release_request(place, base, "Release")];
    if !place.repository.trusted {
        files.push(release_request(place, base, "Release.gpg"));
    }
    let mut files = host.fetch(files)?;
    let lost = || Error::new(ErrorKind::Internal, "a download was lost");
    let release = files.next().ok_or_else(lost)??;
    let signers = match files.next() {
        None => Vec::new(),
        Some(Err(error)) if error.kind == ErrorKind::NotFound => {
            return Err(Error::new(ErrorKind::Verification, "it is not signed: there is a Release file without a signature")
                .hint("If you mean it, say so for this repository alone: --repo 'deb [trusted=yes] URL SUITE COMPONENT'."));
        }
        Some(signature) => {
            let keys = key_files(host, place)?;
            let title = format!("Release of {}", place.repository.suite);
            host.verify_detached(&title, &release.file, &signature?.file, &keys, &place.fingerprints)?
        }
    };
    Ok((read(release.file, MAX_RELEASE)?, release.digest, signers))
}

/// The keys of a place as files that the host can read.
fn key_files(host: &Host, place: &Place) -> Result<Vec<(String, File)>> {
    if place.keys.is_empty() {
        let message = format!("no key is known that may sign for {}", place.title());
        return Err(Error::new(ErrorKind::Verification, message).hint(
            "Name a file with its public key: --key FILE, or [signed-by=FILE] in the repository's line.",
        ));
    }
    let written = place.keys.iter().map(|(name, bytes)| {
        let mut file = host.temp_file()?;
        file.write_all(bytes).map_err(|e| Error::io("cannot hand a key to the host", e))?;
        Ok((name.clone(), file))
    });
    written.collect()
}

/// The text of an InRelease file whose signature the user does not ask for.
fn unarmored(file: File) -> Result<Vec<u8>> {
    let bytes = read(file, MAX_RELEASE)?;
    let text = String::from_utf8_lossy(&bytes);
    let Some(rest) = text.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----") else { return Ok(bytes) };
    let rest = rest.split_once("\n\n").map_or("", |(_, text)| text);
    Ok(rest.split("\n-----BEGIN PGP SIGNATURE-----").next().unwrap_or_default().into())
}

/// `Valid-Until` as the user's bounds for it leave it (sources.list(5)).
fn valid_until(repository: &Repository, release: &Release) -> Option<i64> {
    let after = |seconds: u64| release.date.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX));
    let latest = repository.valid_until_max.map(after);
    let until = match (release.valid_until, latest) {
        (Some(until), Some(latest)) => Some(until.min(latest)),
        (until, latest) => until.or(latest),
    };
    until.map(|until| until.max(repository.valid_until_min.map_or(i64::MIN, after)))
}

fn check(place: &Place, release: &Release) -> Result<()> {
    let suite = &place.repository.suite;
    if !release.answers_to(suite) {
        let message =
            format!("it is the index of \"{}\" ({}), not of \"{suite}\"", release.suite, release.codename);
        return Err(Error::new(ErrorKind::Verification, message));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    release.freshness(i64::try_from(now).unwrap_or(i64::MAX), LEEWAY).map_err(|error| match error {
        ReleaseError::Expired { .. } => refused(&error)
            .hint("Use another mirror, or --no-check-valid-until if an old state is what you want."),
        _ => refused(&error),
    })
}

fn refused(error: &ReleaseError) -> Error {
    let kind = match error {
        ReleaseError::Expired { .. } | ReleaseError::FromFuture { .. } => ErrorKind::Expired,
        ReleaseError::WeakDigests | ReleaseError::NoDigests => ErrorKind::Verification,
        ReleaseError::Component { .. } | ReleaseError::Architecture { .. } => ErrorKind::NotFound,
        _ => ErrorKind::Input,
    };
    Error::new(kind, error.to_string())
}

/// The indexes of packages of all places, for these architectures.
///
/// Where one has vanished or changed since its signed index was made, the archive is being
/// published: the signed index is asked for once more.
pub(crate) fn packages(
    host: &Host,
    places: &[Place],
    signed: &mut Vec<Signed>,
    archs: &[String],
) -> Result<Vec<Packages>> {
    // What the user asks for in vain is no sign of an archive that changes.
    for (place, signed) in places.iter().zip(&*signed) {
        index_files(place, &signed.release, archs)?;
    }
    match try_packages(host, places, signed, archs) {
        Err((n, error)) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Verification) => {
            host.debug(format!("{} may be changing: {error}", places[n].title()));
            let again = self::signed(host, places)?;
            let changed = again[n].link.digest != signed[n].link.digest;
            *signed = again;
            // Also where it has not changed: the files that it lists may come after it.
            try_packages(host, places, signed, archs).map_err(|(n, error)| match changed {
                true => error,
                false => error.context(format!("{} does not agree with its signed index", places[n].title())).hint(
                    "The mirror may be in the middle of an update: try again in some minutes, or use another.",
                ),
            })
        }
        result => result.map_err(|(_, error)| error),
    }
}

fn try_packages(
    host: &Host,
    places: &[Place],
    signed: &[Signed],
    archs: &[String],
) -> Result<Vec<Packages>, (usize, Error)> {
    let mut wanted = Vec::new();
    for (n, (place, signed)) in places.iter().zip(signed).enumerate() {
        let files = index_files(place, &signed.release, archs).map_err(|error| (n, error))?;
        wanted.extend(files.into_iter().map(|file| (n, file)));
    }
    let requests = wanted.iter().map(|(n, file)| index_request(&places[*n], &signed[*n], file)).collect();
    let mut fetches = host.fetch(requests).map_err(|error| (0, error))?;
    let mut packages = Vec::new();
    for (n, file) in wanted {
        let fetched = fetches
            .next()
            .unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "a download was lost")))
            .map_err(|error| (n, error))?;
        let text = unpack(fetched, &file).map_err(|error| (n, error))?;
        let file = plain(&signed[n], &file).unwrap_or(file);
        let link = TrustLink {
            subject: places[n].subject(&file.path),
            digest: file.digest.clone(),
            how: Vouch::Digest,
            signers: Vec::new(),
            listed_in: Some(signed[n].link.subject.clone()),
            checked_by: ctr_forge_plugin::CheckedBy::Plugin,
        };
        packages.push(Packages { place: n, text, link });
    }
    Ok(packages)
}

/// The indexes of a place that matter.
fn index_files(place: &Place, release: &Release, archs: &[String]) -> Result<Vec<IndexFile>> {
    let cannot = |e: ReleaseError| refused(&e).context(format!("cannot use {}", place.title()));
    if place.repository.is_flat() {
        return Ok(vec![release.flat_packages().map_err(cannot)?]);
    }
    let allowed = |arch: &&String| match &place.repository.architectures {
        Some(archs) => archs.contains(arch),
        None => true,
    };
    let mut files: Vec<IndexFile> = Vec::new();
    for component in &place.repository.components {
        for arch in archs.iter().filter(allowed) {
            let more = release.packages(component, arch).map_err(cannot)?;
            files.extend(more.into_iter().filter(|file| !files.contains(file)).collect::<Vec<_>>());
        }
    }
    Ok(files)
}

/// The index without its compression, where the signed index has its digest.
fn plain(signed: &Signed, file: &IndexFile) -> Option<IndexFile> {
    let (plain, ending) = file.path.rsplit_once('.')?;
    let is_compressed = ["xz", "zst", "gz", "bz2"].contains(&ending);
    signed.release.file(plain).filter(|plain| is_compressed && plain.size <= MAX_PACKAGES)
}

fn index_request(place: &Place, signed: &Signed, file: &IndexFile) -> FetchRequest {
    let folder = place.folder();
    let by_hash = place.repository.by_hash.unwrap_or(signed.release.acquire_by_hash);
    let mut urls = Vec::new();
    if by_hash && let Some(path) = by_hash_path(&file.path, &file.digest) {
        urls.extend(place.urls(signed.base, &format!("{folder}{path}")));
    }
    urls.extend(place.urls(signed.base, &format!("{folder}{}", file.path)));
    FetchRequest {
        name: format!("{} of {}", file.path, place.repository.suite),
        urls,
        digest: Some(file.digest.clone()),
        size: Some(file.size),
        unpacked: plain(signed, file).map(|plain| Unpacked { digest: plain.digest, size: plain.size }),
        max_size: None,
    }
}

/// An index without its compression.
fn unpack(fetched: Fetched, index: &IndexFile) -> Result<Vec<u8>> {
    let bad = |why: &dyn std::error::Error| {
        Error::new(ErrorKind::Input, format!("{} cannot be unpacked", index.path)).because(why)
    };
    let decoder = Decoder::new(fetched.file).map_err(|e| bad(&e))?;
    // Mostly it is unpacked already, and this is all the room it takes.
    let mut text = Vec::with_capacity(usize::try_from(fetched.size.min(MAX_PACKAGES) + 1).unwrap_or(0));
    let count = decoder.take(MAX_PACKAGES + 1).read_to_end(&mut text).map_err(|e| bad(&e))?;
    match count as u64 > MAX_PACKAGES {
        false => Ok(text),
        true => {
            let message = format!("{} unpacks to more than {} MiB", index.path, MAX_PACKAGES >> 20);
            Err(Error::new(ErrorKind::Input, message))
        }
    }
}

fn read(file: File, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    use std::io::Seek;
    let mut file = file;
    let cannot = |e| Error::io("cannot read what was downloaded", e);
    file.rewind().map_err(cannot)?;
    let count = file.take(limit + 1).read_to_end(&mut bytes).map_err(cannot)?;
    match count as u64 > limit {
        false => Ok(bytes),
        true => Err(Error::new(ErrorKind::Input, format!("a signed index has more than {limit} bytes"))),
    }
}
