//! One URL over HTTP until its content is here: continued where it was cut, tried
//! again where that may help.
//!
//! A continuation asks for the rest (`Range`, RFC 9110 §14.2). A server that answers
//! with the whole (200) is right to do so, and one that answers with nonsense is
//! asked for the whole. Two pieces may be of two versions; content with a digest
//! shows that in the end, so it is continued at any time, and content without one
//! only if the server vouches for the version by a strong validator.

use std::io::{self, Read};
use std::time::SystemTime;

use ureq::http::header::{
    CACHE_CONTROL, CONTENT_RANGE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
    RETRY_AFTER,
};
use ureq::http::{HeaderMap, HeaderName, Response};
use ureq::{Body, Error as HttpError};
use url::Url;

use crate::address;
use crate::cache::Record;
use crate::client;
use crate::error::{FetchError, NetworkFault, SizeFault};
use crate::fetcher::Job;
use crate::incoming::Incoming;
use crate::range;
use crate::retry::{self, Failure};
use crate::stored::CHUNK;

/// A validator longer than this, in bytes, is not kept.
const MAX_VALIDATOR: usize = 1024;

/// How a transfer ends well.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The content is here.
    Complete(Validators),
    /// The server says that what is known is current.
    NotModified,
}

/// What a server gives to recognise a version of its content by (RFC 9110 §8.8).
#[derive(Debug, Clone, Default)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| {
            let value = headers.get(name)?.to_str().ok()?;
            (value.len() <= MAX_VALIDATOR).then(|| value.to_owned())
        };
        Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    /// An entity tag that changes with every byte.
    fn strong_etag(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| !etag.starts_with("W/"))
    }
}

/// Fetches `url` into `incoming`; `known` is what the URL had before.
pub(crate) fn transfer(
    job: &Job<'_>,
    url: &Url,
    incoming: &mut Incoming,
    known: Option<&Record>,
) -> Result<Answer, FetchError> {
    let retry = &job.fetcher().config().retry;
    let mut transfer =
        Transfer { job, url, shown: address::shown(url), known, validators: Validators::default() };
    let mut attempt = 0;
    loop {
        let failure = match transfer.attempt(incoming) {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        // Stopping cuts connections, so it comes in many disguises.
        job.check()?;
        if matches!(failure.error, FetchError::Size { .. }) {
            incoming.restart()?;
        }
        attempt += 1;
        if !failure.passing || attempt >= retry.attempts.get() {
            return Err(failure.error);
        }
        job.sleep(retry::pause(retry, attempt - 1, failure.after))?;
    }
}

struct Transfer<'a> {
    job: &'a Job<'a>,
    url: &'a Url,
    /// The URL for messages.
    shown: String,
    known: Option<&'a Record>,
    /// Of what is in the incoming file, if this transfer began it.
    validators: Validators,
}

impl Transfer<'_> {
    fn attempt(&mut self, incoming: &mut Incoming) -> Result<Answer, Failure> {
        let has_digest = self.job.request.digest.is_some();
        if !has_digest && self.validators.strong_etag().is_none() {
            incoming.restart()?;
        }
        let have = incoming.len();
        let response = client::get(self.job, self.url, &self.headers(have))?;
        let size = self.job.request.size;
        match response.status().as_u16() {
            200 => {
                incoming.restart()?;
                self.validators = Validators::of(response.headers());
            }
            206 if have > 0
                && header(&response, CONTENT_RANGE)
                    .is_some_and(|range| range::is_the_rest(range, have, size)) =>
            {
                incoming.continues();
            }
            // Neither comes again, for now there is nothing to continue.
            206 | 416 if have > 0 => {
                incoming.restart()?;
                return self.attempt(incoming);
            }
            304 if have == 0 && self.known.is_some() => return Ok(Answer::NotModified),
            _ => return Err(self.refused(&response)),
        }
        self.body(response, incoming)?;
        Ok(Answer::Complete(self.validators.clone()))
    }

    /// The headers of a request when `have` bytes are here.
    fn headers(&self, have: u64) -> Vec<(HeaderName, String)> {
        let mut headers = Vec::new();
        let has_digest = self.job.request.digest.is_some();
        if !has_digest {
            // What has no digest may change at any time, and a proxy shall look whether it did.
            headers.push((CACHE_CONTROL, "max-age=0".to_owned()));
        }
        if have > 0 {
            headers.push((RANGE, format!("bytes={have}-")));
            let date = self.validators.last_modified.as_deref().filter(|_| has_digest);
            headers.extend(self.validators.strong_etag().or(date).map(|value| (IF_RANGE, value.to_owned())));
        } else if let Some(known) = self.known {
            headers.extend(known.etag.clone().map(|value| (IF_NONE_MATCH, value)));
            headers.extend(known.last_modified.clone().map(|value| (IF_MODIFIED_SINCE, value)));
        }
        headers
    }

    fn body(&self, response: Response<Body>, incoming: &mut Incoming) -> Result<(), Failure> {
        let request = self.job.request;
        if let Some(announced) = response.body().content_length() {
            let total = incoming.len().saturating_add(announced);
            request.check_size(&self.shown, total)?;
            self.job.expect(total);
        }
        let reader = response.into_body().into_reader();
        pour(self.job, &self.shown, reader, incoming, |error, done| {
            client::failure(&self.shown, HttpError::from(error), done)
        })?;
        match request.size {
            Some(size) if incoming.len() < size => {
                Err(Failure::passing(FetchError::network(&self.shown, NetworkFault::Cut(incoming.len()))))
            }
            _ => Ok(()),
        }
    }

    /// What an answer without content means.
    fn refused(&self, response: &Response<Body>) -> Failure {
        let status = response.status().as_u16();
        if matches!(status, 404 | 410) {
            let name = self.job.request.name.clone();
            return FetchError::NotFound { name, urls: vec![self.shown.clone()] }.into();
        }
        if matches!(status, 401 | 403)
            && let Ok(credentials) = self.job.fetcher().credentials()
            && let Some(place) = credentials.unreadable()
        {
            let reason = format!("it may not be read, and {} wants a password", self.shown);
            return FetchError::Credentials { place: place.to_owned(), reason }.into();
        }
        let after =
            header(response, RETRY_AFTER).and_then(|text| retry::retry_after(text, SystemTime::now()));
        let passing = matches!(status, 408 | 429 | 500..=599);
        Failure { error: FetchError::network(&self.shown, NetworkFault::Status(status)), passing, after }
    }
}

fn header(response: &Response<Body>, name: HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

/// Writes all of `reader` to `incoming`, as long as that is not more than was asked for.
/// `failure`: what an error of the reader after so many bytes is.
pub(crate) fn pour(
    job: &Job<'_>,
    url: &str,
    mut reader: impl Read,
    incoming: &mut Incoming,
    failure: impl Fn(io::Error, u64) -> Failure,
) -> Result<(), Failure> {
    let limit = job.request.limit();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = reader.read(&mut buffer);
        // Also at the end: a connection that is cut by us may look like one that ended well.
        job.check()?;
        let count = match read {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failure(error, incoming.len())),
        };
        if count as u64 > limit.saturating_sub(incoming.len()) {
            return Err(FetchError::Size { url: url.to_owned(), fault: SizeFault::TooLong { limit } }.into());
        }
        incoming.write(&buffer[..count])?;
        job.advance(incoming.len());
    }
}
