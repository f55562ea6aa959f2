//! One request: from the cache, or from the first of its URLs that has it.

use std::io;
use std::path::Path;

use rustix::fs::OFlags;
use url::Url;

use crate::address::{self, Address};
use crate::cache::Record;
use crate::digest::Expected;
use crate::error::FetchError;
use crate::fetcher::Job;
use crate::incoming::Incoming;
use crate::request::Origin;
use crate::retry::Failure;
use crate::stored::{Stored, open_file};
use crate::transfer::{Answer, pour, transfer};
use crate::unpack::unpack;

/// Verified content, and where it is from.
#[derive(Debug)]
pub(crate) struct Obtained {
    pub(crate) stored: Stored,
    pub(crate) url: String,
    pub(crate) origin: Origin,
}

/// Gets what the request asks for.
pub(crate) fn obtain(job: &Job<'_>) -> Result<Obtained, FetchError> {
    let Some(unpacked) = &job.request.unpacked else { return as_it_is(job) };
    match cached(job, &unpacked.digest)? {
        Some(obtained) if obtained.stored.size == unpacked.size => Ok(obtained),
        _ => unpack(job, &as_it_is(job)?, unpacked),
    }
}

/// Gets the file at the request's URLs.
fn as_it_is(job: &Job<'_>) -> Result<Obtained, FetchError> {
    let request = job.request;
    if let Some(expected) = &request.digest
        && let Some(obtained) = cached(job, expected)?
    {
        request.check_size(&obtained.url, obtained.stored.size)?;
        return Ok(obtained);
    }
    if request.urls.is_empty() {
        return Err(FetchError::Url { url: String::new(), reason: format!("{} has no URL", request.name) });
    }
    let mut failures = Vec::new();
    for location in &request.urls {
        job.check()?;
        job.advance(0);
        match from(&job.at(location), &location.url) {
            Ok(obtained) => return Ok(obtained),
            Err(error) if error.is_of_url() => failures.push(error),
            Err(error) => return Err(error),
        }
    }
    Err(FetchError::of_all(&request.name, failures))
}

/// What the cache has under the digest.
fn cached(job: &Job<'_>, expected: &Expected) -> Result<Option<Obtained>, FetchError> {
    let Some(cache) = job.fetcher().cache()? else { return Ok(None) };
    let Some(stored) = cache.find(expected, || job.check())? else { return Ok(None) };
    let url = job.request.urls.first().map(|at| address::redact(&at.url)).unwrap_or_default();
    Ok(Some(Obtained { stored, url, origin: Origin::Cache }))
}

fn from(job: &Job<'_>, url: &str) -> Result<Obtained, FetchError> {
    match address::parse(url)? {
        Address::File(path) => from_file(job, &path, address::redact(url)),
        Address::Http(url) if job.fetcher().config().offline => from_record(job, &url),
        Address::Http(url) => from_network(job, &url),
    }
}

/// Copies a local file. The copy is what is verified and handed out: the file itself,
/// perhaps on a shared disk, could change between its verification and its use.
fn from_file(job: &Job<'_>, path: &Path, url: String) -> Result<Obtained, FetchError> {
    let file = match open_file(path, OFlags::NONBLOCK) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(FetchError::NotFound { name: job.request.name.clone(), urls: vec![url] });
        }
        Err(error) => return Err(FetchError::io("read", path)(error)),
    };
    let announced = file.metadata().map_err(FetchError::io("examine", path))?.len();
    job.request.check_size(&url, announced)?;
    let mut incoming = Incoming::temp(&job.fetcher().config().temp_dir, job.request.digest.as_ref())?;
    pour(job, &url, file, &mut incoming, |error, _| Failure::from(FetchError::io("read", path)(error)))
        .map_err(|failure| failure.error)?;
    verify(job, &url, &incoming)?;
    Ok(Obtained { stored: incoming.keep_for_now()?, url, origin: Origin::File })
}

/// What the cache has under the URL, for a request without a digest.
fn from_record(job: &Job<'_>, url: &Url) -> Result<Obtained, FetchError> {
    let url = address::shown(url);
    if let Some((_, stored)) = recall(job, &url)? {
        job.request.check_size(&url, stored.size)?;
        return Ok(Obtained { stored, url, origin: Origin::Cache });
    }
    Err(FetchError::Offline { name: job.request.name.clone(), urls: vec![url] })
}

fn recall(job: &Job<'_>, url: &str) -> Result<Option<(Record, Stored)>, FetchError> {
    match job.fetcher().cache()? {
        Some(cache) if job.request.digest.is_none() => cache.recall(url, || job.check()),
        _ => Ok(None),
    }
}

fn from_network(job: &Job<'_>, url: &Url) -> Result<Obtained, FetchError> {
    let shown = address::shown(url);
    let known =
        recall(job, &shown)?.filter(|(_, stored)| job.request.check_size(&shown, stored.size).is_ok());
    let mut incoming = incoming(job)?;
    job.advance(incoming.len());
    let answer = match &job.request.digest {
        // A process that was killed just before it gave the content its name.
        Some(_) if incoming.len() > 0 && verify(job, &shown, &incoming).is_ok() => None,
        _ => Some(verified_transfer(job, url, &mut incoming, known.as_ref().map(|(record, _)| record))?),
    };
    match (answer, known) {
        (Some(Answer::NotModified), Some((_, stored))) => {
            Ok(Obtained { stored, url: shown, origin: Origin::Cache })
        }
        (answer, _) => {
            Ok(Obtained { stored: keep(job, incoming, &shown, answer)?, url: shown, origin: Origin::Network })
        }
    }
}

fn incoming(job: &Job<'_>) -> Result<Incoming, FetchError> {
    let expected = job.request.digest.as_ref();
    match job.fetcher().cache()? {
        Some(cache) => cache.incoming(expected, job.request.limit(), || job.check()),
        None => Incoming::temp(&job.fetcher().config().temp_dir, expected),
    }
}

/// Transfers until the digest is right. Content of two pieces that do not fit gets one
/// more chance, in one piece.
fn verified_transfer(
    job: &Job<'_>,
    url: &Url,
    incoming: &mut Incoming,
    known: Option<&Record>,
) -> Result<Answer, FetchError> {
    let shown = address::shown(url);
    let mut last = false;
    loop {
        let answer = transfer(job, url, incoming, known)?;
        if matches!(answer, Answer::NotModified) {
            return Ok(answer);
        }
        let Err(error) = verify(job, &shown, incoming) else { return Ok(answer) };
        let again = incoming.is_resumed() && !std::mem::replace(&mut last, true);
        incoming.restart()?;
        if !again {
            return Err(error);
        }
    }
}

fn verify(job: &Job<'_>, url: &str, incoming: &Incoming) -> Result<(), FetchError> {
    job.request.check_size(url, incoming.len())?;
    let Some(expected) = &job.request.digest else { return Ok(()) };
    let got = incoming.sums().like(expected);
    if got == *expected {
        return Ok(());
    }
    Err(FetchError::Digest { url: url.to_owned(), expected: expected.clone(), got })
}

/// Stores verified content in the cache, if there is one, and records its URL if it has no digest.
fn keep(job: &Job<'_>, incoming: Incoming, url: &str, answer: Option<Answer>) -> Result<Stored, FetchError> {
    let Some(cache) = job.fetcher().cache()? else { return incoming.keep_for_now() };
    if let Some(expected) = &job.request.digest {
        return cache.store(incoming, expected);
    }
    let sha256 = incoming.sums().sha256;
    let stored = cache.store(incoming, &sha256.into())?;
    if let Some(Answer::Complete(validators)) = answer {
        let (etag, last_modified) = (validators.etag, validators.last_modified);
        cache.remember(&Record { url: url.to_owned(), sha256: sha256.hex(), etag, last_modified })?;
    }
    Ok(stored)
}
