//! Downloads against servers on this machine that behave well, badly and worse.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod batch;
mod cache;
mod kept;
mod login;
mod proxy;
mod redirect;
mod resume;
mod server;
mod stop;
mod tls;
mod unpack;
mod urls;

use std::io::Read;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ctr_forge_fetch::{Batch, Config, Expected, FetchError, Fetched, Fetcher, Proxies, Request, Retry};
use ctr_forge_rootfs::Digest;

/// Settings with a cache and temporary files in `directory`, and no patience.
fn config(directory: &Path) -> Config {
    Config {
        cache: Some(directory.join("cache")),
        temp_dir: directory.to_owned(),
        offline: false,
        proxies: Proxies::default(),
        credentials: Vec::new(),
        certificates: Vec::new(),
        user_agent: "test/1".to_owned(),
        parallel: NonZeroUsize::new(4).unwrap(),
        retry: Retry {
            attempts: NonZeroU32::new(3).unwrap(),
            delay: Duration::from_millis(2),
            longest_delay: Duration::from_millis(10),
            connect: Duration::from_secs(2),
            idle: Duration::from_secs(2),
        },
    }
}

/// A request without a digest.
fn request(url: &str) -> Request {
    Request {
        name: url.rsplit('/').next().unwrap_or_default().to_owned(),
        urls: vec![url.to_owned().into()],
        unpacked: None,
        digest: None,
        size: None,
        max_size: 1 << 20,
    }
}

/// A request for exactly this content.
fn request_of(url: &str, content: &[u8]) -> Request {
    let size = Some(content.len() as u64);
    Request { digest: Some(digest(content)), size, ..request(url) }
}

fn digest(content: &[u8]) -> Expected {
    Digest::of(content).into()
}

/// Starts a batch; the receiver is told of every wake.
fn start(config: Config, requests: Vec<Request>) -> (Batch, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel();
    // Nobody listens any more once the batch is dropped.
    let wake = move || _ = sender.send(());
    (Arc::new(Fetcher::new(config)).start(requests, Vec::new(), wake), receiver)
}

/// All outcomes of a batch.
fn fetch_all(config: Config, requests: Vec<Request>) -> Vec<Result<Fetched, FetchError>> {
    let (mut batch, woken) = start(config, requests);
    let mut outcomes = Vec::new();
    while !batch.is_done() {
        match batch.try_next() {
            Some(outcome) => outcomes.push(outcome),
            None => woken.recv_timeout(Duration::from_secs(20)).unwrap(),
        }
    }
    outcomes
}

fn fetch(config: Config, request: Request) -> Result<Fetched, FetchError> {
    fetch_all(config, vec![request]).remove(0)
}

/// What was fetched.
fn content(fetched: Result<Fetched, FetchError>) -> Vec<u8> {
    let mut fetched = fetched.unwrap();
    let mut content = Vec::new();
    fetched.file.read_to_end(&mut content).unwrap();
    assert_eq!(fetched.size, content.len() as u64);
    assert_eq!(fetched.sha256, Digest::of(&content));
    content
}

/// Bytes that differ from place to place.
fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}
