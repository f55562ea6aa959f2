//! Many requests: order, progress, mirrors, retries, sizes.

use std::thread;
use std::time::{Duration, Instant};

use ctr_forge_fetch::{Expected, FetchError, NetworkFault, Origin, Request, SizeFault};

use crate::server::{Reply, Server};
use crate::{config, content, digest, fetch, fetch_all, request, request_of, sample, start};

fn not_found(_: &crate::server::Asked, _: usize) -> Reply {
    Reply::status(404)
}

#[test]
fn outcomes_come_in_the_order_of_the_requests() {
    let server = Server::new(|asked, _| {
        // Earlier ones take longer.
        let number: u64 = asked.target[1..].parse().unwrap();
        thread::sleep(Duration::from_millis(20_u64.saturating_sub(number)));
        Reply::whole(asked.target.as_bytes())
    });
    let directory = tempfile::tempdir().unwrap();
    let requests = (0..30).map(|n| request(&server.url(&format!("/{n}")))).collect();
    let outcomes = fetch_all(config(directory.path()), requests);
    for (n, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(content(outcome), format!("/{n}").into_bytes());
    }
}

#[test]
fn many_files_need_few_descriptors() {
    let data = sample(10);
    let server = Server::with(&data);
    let directory = tempfile::tempdir().unwrap();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut config = config(directory.path());
    config.cache = None;
    let before = open();
    let requests = (0..200).map(|n| request_of(&server.url(&format!("/{n}")), &data)).collect();
    let (mut batch, woken) = start(config, requests);
    while batch.progress().done_files < 200 {
        woken.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    // Other tests in this process have files open too.
    assert!(open() < before + 150);
    for _ in 0..200 {
        assert_eq!(content(batch.try_next().unwrap()), data);
    }
    assert!(batch.is_done() && batch.try_next().is_none());
    drop(batch);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn progress_counts_bytes_and_files() {
    let data = sample(300_000);
    let server = Server::with(&data);
    let directory = tempfile::tempdir().unwrap();
    let missing = Server::new(not_found);
    let requests = vec![request_of(&server.url("/a"), &data), request(&missing.url("/b"))];
    let (mut batch, woken) = start(config(directory.path()), requests);
    assert_eq!((batch.progress().total_bytes, batch.progress().total_files), (300_000, 2));
    while batch.progress().done_files < 2 {
        woken.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    assert_eq!(batch.progress().done_bytes, 300_000);
    assert!(batch.try_next().unwrap().is_ok() && batch.try_next().unwrap().is_err());
}

#[test]
fn what_is_asked_for_is_plain() {
    let server = Server::with(b"x");
    let directory = tempfile::tempdir().unwrap();
    let fetched = fetch(config(directory.path()), request(&server.url("/a%20b?c=d"))).unwrap();
    assert_eq!((fetched.origin, fetched.url), (Origin::Network, server.url("/a%20b?c=d")));
    let asked = &server.asked()[0];
    assert_eq!(asked.target, "/a%20b?c=d");
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    assert_eq!(asked.header("user-agent"), Some("test/1"));
    assert_eq!((asked.header("range"), asked.header("authorization")), (None, None));
}

#[test]
fn content_encodings_are_left_alone() {
    let server = Server::new(|_, _| Reply::whole(b"not gzip at all").header("Content-Encoding", "gzip"));
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(content(fetch(config(directory.path()), request(&server.url("/a")))), b"not gzip at all");
}

#[test]
fn sha512_is_verified_too() {
    // FIPS 180-4, "abc".
    let abc: Expected = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        .parse()
        .unwrap();
    let server = Server::new(|asked, _| Reply::whole(if asked.target == "/abc" { b"abc" } else { b"abd" }));
    let directory = tempfile::tempdir().unwrap();
    let ask = |path| Request { digest: Some(abc.clone()), ..request(&server.url(path)) };
    let error = fetch(config(directory.path()), ask("/abd")).unwrap_err();
    assert!(
        matches!(&error, FetchError::Digest { expected, got, .. } if *expected == abc && *got != abc),
        "{error}"
    );
    assert_eq!(content(fetch(config(directory.path()), ask("/abc"))), b"abc");
    assert_eq!(fetch(config(directory.path()), ask("/abc")).unwrap().origin, Origin::Cache);
}

#[test]
fn the_next_url_is_tried_and_all_reasons_are_told() {
    let data = sample(100);
    let (missing, wrong, good) = (Server::new(not_found), Server::with(&sample(99)), Server::with(&data));
    let refused = Server::new(|_, _| Reply::status(403));
    let directory = tempfile::tempdir().unwrap();
    let mut request = request_of(&missing.url("/a"), &data);
    request.size = None;
    request.urls.extend([wrong.url("/a").into(), refused.url("/a").into()]);
    let error = fetch(config(directory.path()), request.clone()).unwrap_err();
    let text = error.to_string();
    for part in [missing.url("/a"), wrong.url("/a"), refused.url("/a"), "status 403".to_owned()] {
        assert!(text.contains(&part), "{text}");
    }
    assert!(matches!(error.principal(), FetchError::Digest { .. }));
    request.urls.push(good.url("/a").into());
    assert_eq!(content(fetch(config(directory.path()), request)), data);
    // Nothing of that passes with time.
    assert_eq!((missing.asked().len(), wrong.asked().len(), refused.asked().len()), (2, 2, 2));
}

#[test]
fn not_found_everywhere_is_not_found() {
    let server = Server::new(not_found);
    let directory = tempfile::tempdir().unwrap();
    let mut request = request(&server.url("/a"));
    request.urls.push(server.url("/b").into());
    let error = fetch(config(directory.path()), request).unwrap_err();
    assert!(matches!(&error, FetchError::NotFound { urls, .. } if urls.len() == 2), "{error}");
}

#[test]
fn what_may_pass_is_tried_again() {
    for status in [408, 429, 500, 503] {
        let server = Server::new(move |_, n| if n < 2 { Reply::status(status) } else { Reply::whole(b"x") });
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(content(fetch(config(directory.path()), request(&server.url("/a")))), b"x");
    }
    let server = Server::new(|_, _| Reply::status(503));
    let directory = tempfile::tempdir().unwrap();
    let error = fetch(config(directory.path()), request(&server.url("/a"))).unwrap_err();
    assert!(matches!(error, FetchError::Network { fault: NetworkFault::Status(503), .. }), "{error}");
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_server_says_when_to_come_back() {
    let server =
        Server::new(
            |_, n| if n == 0 { Reply::status(503).header("Retry-After", "1") } else { Reply::whole(b"x") },
        );
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    // "In a second" is more than we are ready to wait.
    config.retry.longest_delay = Duration::from_millis(60);
    let begun = Instant::now();
    assert_eq!(content(fetch(config, request(&server.url("/a")))), b"x");
    assert!(begun.elapsed() >= Duration::from_millis(60));
}

#[test]
fn nobody_there_and_nothing_said_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = fetch(config(directory.path()), request(&format!("http://{gone}/a"))).unwrap_err();
    assert!(matches!(error, FetchError::Network { fault: NetworkFault::Unreachable(_), .. }), "{error}");
    let silent = Server::new(|_, _| Reply::Silence);
    let mut config = config(directory.path());
    config.retry.idle = Duration::from_millis(40);
    let error = fetch(config, request(&silent.url("/a"))).unwrap_err();
    assert!(matches!(error, FetchError::Network { fault: NetworkFault::Timeout, .. }), "{error}");
    assert_eq!(silent.asked().len(), 3);
}

#[test]
fn a_wrong_length_is_refused_before_it_comes() {
    let data = sample(100);
    let server = Server::new(|_, _| Reply::Stall(Some(100_000), Vec::new()));
    let directory = tempfile::tempdir().unwrap();
    let error = fetch(config(directory.path()), request_of(&server.url("/a"), &data)).unwrap_err();
    let expected = SizeFault::Differs { expected: 100, got: 100_000 };
    assert!(matches!(&error, FetchError::Size { fault, .. } if *fault == expected), "{error}");
    let small = Request { max_size: 99_999, ..request(&server.url("/a")) };
    let error = fetch(config(directory.path()), small).unwrap_err();
    assert!(matches!(error, FetchError::Size { fault: SizeFault::TooLong { limit: 99_999 }, .. }), "{error}");
}

#[test]
fn too_much_is_refused_while_it_comes() {
    let server = Server::new(|_, _| Reply::undelimited(200, &sample(200_000)));
    let directory = tempfile::tempdir().unwrap();
    let small = Request { max_size: 70_000, ..request(&server.url("/a")) };
    let error = fetch(config(directory.path()), small).unwrap_err();
    assert!(matches!(error, FetchError::Size { fault: SizeFault::TooLong { limit: 70_000 }, .. }), "{error}");
    let known = Request { size: Some(5), digest: Some(digest(b"12345")), ..request(&server.url("/a")) };
    assert!(matches!(fetch(config(directory.path()), known), Err(FetchError::Size { .. })));
    let chunked = Server::new(|_, _| {
        Reply::undelimited(200, b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").header("Transfer-Encoding", "chunked")
    });
    assert_eq!(content(fetch(config(directory.path()), request(&chunked.url("/a")))), b"abcdefg");
    let small = Request { max_size: 6, ..request(&chunked.url("/b")) };
    assert!(matches!(fetch(config(directory.path()), small), Err(FetchError::Size { .. })));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let server = Server::with(b"x");
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.cache = None;
    config.temp_dir = directory.path().join("missing");
    let error = fetch(config.clone(), request(&server.url("/a"))).unwrap_err();
    assert!(matches!(&error, FetchError::Io { place, .. } if *place == config.temp_dir), "{error}");
}
