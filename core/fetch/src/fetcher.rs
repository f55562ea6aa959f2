//! Batches of downloads: threads that take requests in order, outcomes in the same
//! order, progress, and stopping.
//!
//! Each batch has its own connections, so that dropping it can cut them: a thread
//! that waits for a silent server wakes at once. Only a name that is being resolved
//! or a connection that is being made cannot be interrupted; the thread is then left
//! behind, and ends by itself within [`Retry::connect`](crate::Retry::connect).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::tls::RootCerts;
use url::Url;

use crate::cache::Cache;
use crate::client;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::error::{FetchError, NetworkFault};
use crate::identity::Identity;
use crate::obtain::{Obtained, obtain};
use crate::request::{Fetched, Location, Progress, Request};
use crate::roots;

/// Progress alone wakes no more often than this.
const WAKE_INTERVAL: Duration = Duration::from_millis(100);

/// How long dropping a batch waits for its threads.
const STOP_TIME: Duration = Duration::from_millis(80);

/// Downloads files. What is needed only by some (cache, passwords, certificates) is
/// read when it is first needed.
pub struct Fetcher {
    config: Config,
    cache: OnceLock<Cache>,
    credentials: OnceLock<Credentials>,
    roots: OnceLock<RootCerts>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// With these settings. Nothing is read or made yet.
    pub fn new(config: Config) -> Self {
        Self { config, cache: OnceLock::new(), credentials: OnceLock::new(), roots: OnceLock::new() }
    }

    /// Starts to fetch `requests`. `wake` is called, from other threads, whenever there is
    /// an outcome to take, and about ten times a second while bytes arrive; it may still be
    /// under way when the batch has just been dropped.
    ///
    /// Servers that `identities` has are connected to as they say, and no others.
    pub fn start(
        self: &Arc<Self>,
        requests: Vec<Request>,
        identities: Vec<Identity>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Batch {
        let meters = requests.iter().map(Meter::new).collect();
        let outcomes = requests.iter().map(|_| None).collect();
        let shared = Arc::new(Shared {
            fetcher: Arc::clone(self),
            requests,
            meters,
            line: Mutex::new(Line { next: 0, outcomes, done: 0, workers: 0, stopped: false }),
            changed: Condvar::new(),
            agents: Mutex::default(),
            identities,
            wake: Box::new(wake),
            woken: Mutex::new(Instant::now()),
        });
        shared.start_workers();
        Batch { shared, handed_out: 0 }
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn cache(&self) -> Result<Option<&Cache>, FetchError> {
        self.config
            .cache
            .as_deref()
            .map(|root: &Path| read_once(&self.cache, || Cache::open(root)))
            .transpose()
    }

    pub(crate) fn credentials(&self) -> Result<&Credentials, FetchError> {
        read_once(&self.credentials, || Credentials::read(&self.config.credentials))
    }

    fn roots(&self) -> Result<&RootCerts, FetchError> {
        read_once(&self.roots, || roots::read(&self.config.certificates).map(RootCerts::from))
    }
}

/// Two threads may read at the same time; the first result stays.
fn read_once<T>(cell: &OnceLock<T>, read: impl FnOnce() -> Result<T, FetchError>) -> Result<&T, FetchError> {
    match cell.get() {
        Some(value) => Ok(value),
        None => read().map(|value| cell.get_or_init(|| value)),
    }
}

/// Requests that are being fetched. Dropping it stops them.
pub struct Batch {
    shared: Arc<Shared>,
    handed_out: usize,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("handed_out", &self.handed_out).finish_non_exhaustive()
    }
}

impl Batch {
    /// The outcome of the next request, in the order of the requests. `None`: it is not
    /// there yet, or all have been handed out.
    pub fn try_next(&mut self) -> Option<Result<Fetched, FetchError>> {
        let outcome = self.shared.lock().outcomes.get_mut(self.handed_out)?.take()?;
        self.handed_out += 1;
        Some(outcome.and_then(|Obtained { stored, url, origin }| {
            let file = stored.open()?;
            Ok(Fetched { file, sha256: stored.sha256, size: stored.size, url, origin })
        }))
    }

    /// Whether every outcome was handed out.
    pub fn is_done(&self) -> bool {
        self.handed_out == self.shared.requests.len()
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let sum = |pick: fn(&Meter) -> &AtomicU64| {
            let values = self.shared.meters.iter().map(|meter| pick(meter).load(Ordering::Relaxed));
            values.fold(0, u64::saturating_add)
        };
        Progress {
            done_bytes: sum(|meter| &meter.done),
            total_bytes: sum(|meter| &meter.total),
            done_files: self.shared.lock().done,
            total_files: self.shared.requests.len(),
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.lock().stopped = true;
        shared.changed.notify_all();
        // After the mark, so that no agent is made that nobody shuts down.
        std::mem::take(&mut *lock(&shared.agents)).into_values().for_each(|agent| agent.shutdown());
        let ended = shared.changed.wait_timeout_while(shared.lock(), STOP_TIME, |line| line.workers > 0);
        drop(ended);
    }
}

/// What the threads of a batch share.
pub(crate) struct Shared {
    fetcher: Arc<Fetcher>,
    requests: Vec<Request>,
    meters: Vec<Meter>,
    line: Mutex<Line>,
    /// A thread ended, or all are to end.
    changed: Condvar,
    /// By the place of an identity; `None` for servers without one.
    agents: Mutex<BTreeMap<Option<usize>, Agent>>,
    identities: Vec<Identity>,
    wake: Box<dyn Fn() + Send + Sync>,
    woken: Mutex<Instant>,
}

struct Line {
    /// The request that is taken next.
    next: usize,
    outcomes: Vec<Option<Result<Obtained, FetchError>>>,
    /// How many outcomes there have been.
    done: usize,
    workers: usize,
    stopped: bool,
}

/// Bytes of one request.
struct Meter {
    done: AtomicU64,
    /// 0 while it is not known.
    total: AtomicU64,
}

impl Meter {
    fn new(request: &Request) -> Self {
        Self { done: AtomicU64::new(0), total: AtomicU64::new(request.size.unwrap_or(0)) }
    }
}

/// A mutex whose holder panicked still holds whole values here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }

    fn start_workers(self: &Arc<Self>) {
        let wanted = self.fetcher.config.parallel.get().min(self.requests.len());
        for started in 0..wanted {
            let shared = Arc::clone(self);
            self.lock().workers += 1;
            let thread = thread::Builder::new().name("fetch".to_owned()).spawn(move || shared.work());
            if let Err(error) = thread {
                self.lock().workers -= 1;
                if started == 0 {
                    self.fail_all(&error);
                }
                return;
            }
        }
    }

    /// Without a single thread nothing will ever come.
    fn fail_all(&self, error: &io::Error) {
        for index in 0..self.requests.len() {
            let error = io::Error::new(error.kind(), error.to_string());
            self.finish(index, Err(FetchError::io("start a thread for", Path::new("downloads"))(error)));
        }
    }

    fn work(&self) {
        let _leaving = Leaving(self);
        while let Some(index) = self.take() {
            let (request, meter) = (&self.requests[index], &self.meters[index]);
            let job = Job { shared: self, request, proxy: None, meter };
            // A caller that waits for an outcome must get one, even if a server found a way to
            // trip a library.
            let outcome = catch_unwind(AssertUnwindSafe(|| obtain(&job))).unwrap_or_else(|_| {
                let fault = NetworkFault::Protocol("a fault in ctr-forge itself".to_owned());
                Err(FetchError::network(&job.request.name, fault))
            });
            self.finish(index, outcome);
        }
    }

    fn take(&self) -> Option<usize> {
        let mut line = self.lock();
        let index = line.next;
        if line.stopped || index == self.requests.len() {
            return None;
        }
        line.next += 1;
        Some(index)
    }

    fn finish(&self, index: usize, outcome: Result<Obtained, FetchError>) {
        if let Ok(obtained) = &outcome {
            let meter = &self.meters[index];
            meter.done.store(obtained.stored.size, Ordering::Relaxed);
            meter.total.store(obtained.stored.size, Ordering::Relaxed);
        }
        let mut line = self.lock();
        line.outcomes[index] = Some(outcome);
        line.done += 1;
        let stopped = line.stopped;
        drop(line);
        if !stopped {
            (self.wake)();
        }
    }

    fn wake_for_progress(&self) {
        let mut woken = lock(&self.woken);
        if woken.elapsed() < WAKE_INTERVAL {
            return;
        }
        *woken = Instant::now();
        drop(woken);
        (self.wake)();
    }
}

/// Counts a thread out, also when it panics.
struct Leaving<'a>(&'a Shared);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.lock().workers -= 1;
        self.0.changed.notify_all();
    }
}

/// One request, as those see it who work on it.
pub(crate) struct Job<'a> {
    pub(crate) request: &'a Request,
    /// The proxy that the URL in hand asks for.
    pub(crate) proxy: Option<&'a str>,
    shared: &'a Shared,
    meter: &'a Meter,
}

impl<'a> Job<'a> {
    /// The same for one of the request's URLs.
    pub(crate) fn at(&self, location: &'a Location) -> Self {
        Self { proxy: location.proxy.as_deref(), ..*self }
    }

    pub(crate) fn fetcher(&self) -> &Fetcher {
        &self.shared.fetcher
    }

    /// Fails if the batch was dropped.
    pub(crate) fn check(&self) -> Result<(), FetchError> {
        if self.shared.lock().stopped {
            return Err(FetchError::Cancelled { name: self.request.name.clone() });
        }
        Ok(())
    }

    /// Pauses, unless the batch is dropped.
    pub(crate) fn sleep(&self, pause: Duration) -> Result<(), FetchError> {
        let line = self.shared.lock();
        drop(self.shared.changed.wait_timeout_while(line, pause, |line| !line.stopped));
        self.check()
    }

    /// So many bytes are here.
    pub(crate) fn advance(&self, done: u64) {
        self.meter.done.store(done, Ordering::Relaxed);
        self.shared.wake_for_progress();
    }

    /// So many bytes there will be, a server says.
    pub(crate) fn expect(&self, total: u64) {
        self.meter.total.store(total, Ordering::Relaxed);
    }

    /// The batch's connections to the server of `url`.
    pub(crate) fn agent(&self, url: &Url) -> Result<Agent, FetchError> {
        let place = self.shared.identities.iter().position(|identity| identity.is_for(url));
        let mut agents = lock(&self.shared.agents);
        self.check()?;
        if let Some(agent) = agents.get(&place) {
            return Ok(agent.clone());
        }
        let client = self.identity(url).and_then(Identity::client).cloned();
        let agent = client::agent(&self.fetcher().config, self.roots(url)?.clone(), client);
        agents.insert(place, agent.clone());
        Ok(agent)
    }

    /// Whether any authority could vouch for the server of `url`.
    pub(crate) fn has_roots(&self, url: &Url) -> Result<bool, FetchError> {
        Ok(matches!(self.roots(url)?, RootCerts::Specific(roots) if !roots.is_empty()))
    }

    fn roots(&self, url: &Url) -> Result<&RootCerts, FetchError> {
        match self.identity(url).and_then(Identity::authorities) {
            Some(roots) => Ok(roots),
            None => self.fetcher().roots(),
        }
    }

    fn identity(&self, url: &Url) -> Option<&Identity> {
        self.shared.identities.iter().find(|identity| identity.is_for(url))
    }
}
