//! `fetch` and `fetch.take`: downloads go on while the plugin works, and are
//! handed out in the order asked for.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ctr_forge_fetch::{
    Batch, Expected, FetchError, Identity, Location, NetworkFault, ParseExpectedError, Progress, Request,
    Unpacked,
};
use ctr_forge_plugin::message::{FetchBatch, FetchIdentity, FetchOutcome, FetchParams, service};
use ctr_forge_plugin::{Error, ErrorKind, FetchRequest, Result};
use serde_json::Value;

use super::{Answer, Ledger, Reply, decode, encode};
use crate::{Attachments, Forge};

/// Batches that a job can have at once.
const MAX_BATCHES: usize = 64;
/// Files in one batch. Debian has 65 000 packages.
const MAX_REQUESTS: usize = 100_000;
/// Calls that can wait for one batch.
const MAX_CALLS: usize = 256;
/// The bound of a file whose size is not known and for which none is said, in bytes.
const DEFAULT_MAX_SIZE: u64 = 64 << 20;

/// The downloads of one job.
pub(super) struct Downloads {
    batches: BTreeMap<u32, Waiting>,
    next: u32,
    /// Whether the user wants no more.
    stopped: bool,
    /// Counts what has happened, to wake whoever polls.
    happened: Arc<OwnedFd>,
}

/// What is known of a file while it comes.
struct Asked {
    name: String,
    /// The digest that it is to have.
    digest: Option<String>,
}

/// A batch and the calls that wait for its next files.
struct Waiting {
    batch: Batch,
    asked: VecDeque<Asked>,
    calls: VecDeque<u32>,
    told: Progress,
}

impl Downloads {
    /// None yet; `happened` is written to when something has.
    pub(super) fn new(happened: Arc<OwnedFd>) -> Self {
        Self { batches: BTreeMap::new(), next: 1, stopped: false, happened }
    }

    /// Begins a batch.
    pub(super) fn begin(&mut self, forge: &Forge, params: Value) -> Result<Answer> {
        let params: FetchParams = decode(service::FETCH, params)?;
        if self.batches.len() >= MAX_BATCHES || params.requests.len() > MAX_REQUESTS {
            return Err(Error::usage(format!(
                "a job can have {MAX_BATCHES} batches of downloads at once, of {MAX_REQUESTS} files each"
            )));
        }
        let asked = params.requests.iter().map(|request| Asked {
            name: request.name.clone(),
            digest: request.unpacked.as_ref().map(|plain| plain.digest.clone()).or(request.digest.clone()),
        });
        let asked = asked.collect();
        let identities = params.identities.iter().map(identity).collect::<Result<Vec<_>>>()?;
        let requests = params.requests.into_iter().map(request).collect::<Result<Vec<_>>>()?;
        let happened = Arc::clone(&self.happened);
        let wake = move || {
            // It fails only where it has counted so far that whoever polls is awake already.
            let _ = rustix::io::write(&*happened, &1_u64.to_ne_bytes());
        };
        let batch = forge.fetcher.start(requests, identities, wake);
        let number = self.next;
        self.next += 1;
        let told = Progress::default();
        let waiting = Waiting { batch, asked, calls: VecDeque::new(), told };
        self.batches.insert(number, waiting);
        encode(FetchBatch { batch: number }, Attachments::new())
    }

    /// Takes note that call `id` waits for the next file of a batch.
    pub(super) fn take(&mut self, id: u32, params: Value) -> Reply {
        let params: FetchBatch = match decode(service::FETCH_TAKE, params) {
            Ok(params) => params,
            Err(error) => return Reply::Now(Err(error)),
        };
        match self.batches.get_mut(&params.batch) {
            Some(waiting) if waiting.calls.len() >= MAX_CALLS => {
                Reply::Now(Err(Error::usage("too many calls wait for one batch of downloads")))
            }
            Some(waiting) => {
                waiting.calls.push_back(id);
                // A file may be there already.
                let _ = rustix::io::write(&*self.happened, &1_u64.to_ne_bytes());
                Reply::Later
            }
            // Whoever had not waited yet when it was stopped.
            None if self.stopped => Reply::Now(stopped()),
            None if params.batch < self.next => Reply::Now(end()),
            None => Reply::Now(Err(Error::usage("there is no such batch of downloads"))),
        }
    }

    /// Ends all downloads; the answers to the calls that wait for them.
    pub(super) fn stop(&mut self) -> Vec<(u32, Result<Answer>)> {
        self.stopped = true;
        let batches = std::mem::take(&mut self.batches).into_values();
        batches.flat_map(|waiting| waiting.calls).map(|id| (id, stopped())).collect()
    }

    /// The calls that can be answered now.
    pub(super) fn ready(&mut self, forge: &Forge, ledger: &mut Ledger) -> Vec<(u32, Result<Answer>)> {
        let mut answers = Vec::new();
        for waiting in self.batches.values_mut() {
            waiting.tell(forge);
            waiting.answer(ledger, &mut answers);
        }
        self.batches.retain(|_, waiting| !waiting.is_over());
        answers
    }
}

impl Waiting {
    /// Whether the end, too, was handed out.
    fn is_over(&self) -> bool {
        self.batch.is_done() && self.calls.is_empty()
    }

    fn tell(&mut self, forge: &Forge) {
        let progress = self.batch.progress();
        if progress != self.told {
            forge.reporter.progress(progress.done_bytes, progress.total_bytes, "bytes");
            self.told = progress;
        }
    }

    fn answer(&mut self, ledger: &mut Ledger, answers: &mut Vec<(u32, Result<Answer>)>) {
        while let Some(&id) = self.calls.front() {
            if self.batch.is_done() {
                answers.push((id, end()));
            } else if let Some(outcome) = self.batch.try_next() {
                answers.push((id, answer(outcome, self.asked.pop_front(), ledger)));
            } else {
                return;
            }
            self.calls.pop_front();
        }
    }
}

fn stopped() -> Result<Answer> {
    Err(Error::new(ErrorKind::Cancelled, "the download was stopped"))
}

/// The answer behind the last file of a batch.
fn end() -> Result<Answer> {
    encode(None::<FetchOutcome>, Attachments::new())
}

fn answer(
    outcome: Result<ctr_forge_fetch::Fetched, FetchError>,
    asked: Option<Asked>,
    ledger: &mut Ledger,
) -> Result<Answer> {
    let mut files = Attachments::new();
    let outcome = match outcome {
        Ok(fetched) => {
            asked.and_then(|asked| asked.digest).iter().for_each(|digest| ledger.compared(digest));
            FetchOutcome::Fetched {
                file: files.add(fetched.file),
                digest: fetched.sha256.to_string(),
                size: fetched.size,
                url: fetched.url,
            }
        }
        Err(error) => {
            let name = asked.map_or_else(|| "a file".into(), |asked| asked.name);
            FetchOutcome::Failed(failed(&name, &error))
        }
    };
    encode(outcome, files)
}

fn identity(asked: &FetchIdentity) -> Result<Identity> {
    let client = match (&asked.certificate, &asked.key) {
        (Some(certificate), Some(key)) => Some((certificate.as_bytes(), key.as_bytes())),
        (Some(both), None) => Some((both.as_bytes(), both.as_bytes())),
        (None, _) => None,
    };
    let authorities = asked.authorities.as_deref().map(str::as_bytes);
    Identity::new(&asked.url, authorities, client)
        .map_err(|error| failed("from a server with certificates of its own", &error))
}

fn request(asked: FetchRequest) -> Result<Request> {
    if asked.unpacked.is_some() && asked.digest.is_none() {
        return Err(Error::usage(format!("only what has a digest can be unpacked: {}", asked.name)));
    }
    let unpacked = asked
        .unpacked
        .map(|unpacked| Ok::<_, Error>(Unpacked { digest: digest(&unpacked.digest)?, size: unpacked.size }));
    Ok(Request {
        digest: asked.digest.as_deref().map(digest).transpose()?,
        unpacked: unpacked.transpose()?,
        name: asked.name,
        urls: asked.urls.into_iter().map(|at| Location { url: at.url, proxy: at.proxy }).collect(),
        size: asked.size,
        max_size: asked.max_size.unwrap_or(DEFAULT_MAX_SIZE),
    })
}

fn digest(text: &str) -> Result<Expected> {
    text.parse().map_err(|e: ParseExpectedError| Error::usage("a download has no digest").because(&e))
}

/// A failed download as people see it.
pub(super) fn failed(name: &str, error: &FetchError) -> Error {
    let principal = error.principal();
    let mut said = Error::new(kind(principal), format!("cannot fetch {name}"));
    match error {
        // Each place with its own reason, a line each.
        FetchError::Several { failures, .. } => {
            said.causes = failures.iter().map(ToString::to_string).collect();
        }
        // What the HTTP library says is in it already.
        FetchError::Network { .. } => said.causes.push(error.to_string()),
        _ => said = said.because(error),
    }
    match principal {
        FetchError::Offline { .. } => said.hint("Run it once without --offline."),
        FetchError::Network { fault: NetworkFault::Status(401 | 403), .. } => {
            said.hint("Logins are looked up in ~/.netrc and in apt's auth.conf.")
        }
        FetchError::Network { .. } => {
            said.hint("Is the network there? Proxies are taken from http_proxy and https_proxy.")
        }
        FetchError::Cache { .. } => said.hint("CTR_FORGE_CACHE names another directory."),
        _ => said,
    }
}

fn kind(error: &FetchError) -> ErrorKind {
    match error {
        FetchError::NotFound { .. } => ErrorKind::NotFound,
        FetchError::Digest { .. } | FetchError::Size { .. } => ErrorKind::Verification,
        FetchError::Io { action, source, .. } => {
            let io = std::io::Error::from(source.kind());
            Error::io(*action, io).kind
        }
        FetchError::Unpack { .. } => ErrorKind::Input,
        FetchError::Url { .. } => ErrorKind::Usage,
        FetchError::Credentials { .. } => ErrorKind::Config,
        FetchError::Cache { .. } => ErrorKind::Permission,
        FetchError::Cancelled { .. } => ErrorKind::Cancelled,
        _ => ErrorKind::Network,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_asks_after_the_stop_hears_of_it() {
        let happened = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
        let mut downloads = Downloads::new(Arc::new(happened));
        downloads.next = 2;
        let mut kind = || match downloads.take(7, json!({ "batch": 1 })) {
            Reply::Now(answer) => answer.map(|_| ()).map_err(|error| error.kind),
            _ => panic!("nothing is awaited"),
        };
        assert_eq!(kind(), Ok(()));
        downloads.stop();
        let Reply::Now(Err(error)) = downloads.take(7, json!({ "batch": 1 })) else {
            panic!("it was stopped")
        };
        assert_eq!(error.kind, ErrorKind::Cancelled);
    }
}
