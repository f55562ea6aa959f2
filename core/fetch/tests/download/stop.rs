//! Dropping a batch ends it, whatever the servers do.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ctr_forge_fetch::{Fetcher, Request};

use crate::server::{Reply, Server};
use crate::{config, request, request_of, sample, start};

/// Starts `request`, drops it when the server was asked, and waits for its threads.
fn start_and_drop(server: &Server, request: Request, directory: &Path) {
    let mut config = config(directory);
    let long = Duration::from_secs(60);
    (config.retry.idle, config.retry.delay, config.retry.longest_delay) = (long, long, long);
    let fetcher = Arc::new(Fetcher::new(config));
    let batch = fetcher.start(vec![request], Vec::new(), || {});
    while server.asked().is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(20));
    let begun = Instant::now();
    drop(batch);
    // Some 100 ms are promised; a machine that is busy with other tests may take longer.
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    while Arc::strong_count(&fetcher) > 1 {
        assert!(begun.elapsed() < Duration::from_secs(5), "a thread was left behind");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn while_a_server_is_silent() {
    for reply in [
        Reply::Silence,
        Reply::Stall(Some(9), b"abc".to_vec()),
        Reply::status(503).header("Retry-After", "60"),
    ] {
        let server = Server::new(move |_, _| reply.clone());
        let directory = tempfile::tempdir().unwrap();
        start_and_drop(&server, request(&server.url("/a")), directory.path());
    }
}

#[test]
fn a_body_that_we_cut_is_not_taken_for_whole() {
    // Without a length, the end of the connection is the end of the body.
    let server = Server::new(|_, _| Reply::Stall(None, sample(50_000)));
    let directory = tempfile::tempdir().unwrap();
    start_and_drop(&server, request(&server.url("/a")), directory.path());
    for place in ["sha256", "url"] {
        assert!(!directory.path().join("cache").join(place).exists());
    }
    assert_eq!(std::fs::read_dir(directory.path().join("cache/partial")).unwrap().count(), 0);
}

#[test]
fn what_had_come_is_kept_for_the_next_time() {
    let data = sample(100_000);
    let server = Server::new(|_, _| Reply::Stall(Some(100_000), sample(50_000)));
    let directory = tempfile::tempdir().unwrap();
    start_and_drop(&server, request_of(&server.url("/a"), &data), directory.path());
    assert_eq!(std::fs::read_dir(directory.path().join("cache/partial")).unwrap().count(), 1);
}

#[test]
fn nothing_more_is_begun() {
    let server = Server::new(|_, _| Reply::Silence);
    let directory = tempfile::tempdir().unwrap();
    let requests = (0..50).map(|n| request(&server.url(&format!("/{n}")))).collect();
    let (batch, _woken) = start(config(directory.path()), requests);
    while server.asked().len() < 4 {
        thread::sleep(Duration::from_millis(1));
    }
    drop(batch);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(server.asked().len(), 4);
}
