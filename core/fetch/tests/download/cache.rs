//! The cache, across fetchers as across processes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use ctr_forge_fetch::{FetchError, Origin, Request};

use crate::server::{Reply, Server};
use crate::{config, content, digest, fetch, request, request_of, sample};

fn place(directory: &Path, data: &[u8]) -> PathBuf {
    let digest = digest(data);
    directory.join("cache/sha256").join(&digest.hex()[..2]).join(digest.hex())
}

#[test]
fn content_is_fetched_once_and_verified_each_time() {
    let data = sample(1000);
    let server = Server::with(&data);
    let directory = tempfile::tempdir().unwrap();
    let ask = || fetch(config(directory.path()), request_of(&server.url("/a"), &data));
    assert_eq!(ask().unwrap().origin, Origin::Network);
    assert_eq!(ask().unwrap().origin, Origin::Cache);
    assert_eq!(server.asked().len(), 1);
    fs::write(place(directory.path(), &data), sample(999)).unwrap();
    let fetched = ask();
    assert_eq!(fetched.as_ref().unwrap().origin, Origin::Network);
    assert_eq!(content(fetched), data);
    assert_eq!(fs::read(place(directory.path(), &data)).unwrap(), data);
}

#[test]
fn racing_fetchers_share_a_cache() {
    let data = sample(300_000);
    let server = Server::with(&data);
    let directory = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let request = request_of(&server.url("/a"), &data);
                assert_eq!(content(fetch(config(directory.path()), request)), data);
            });
        }
    });
    assert_eq!(fs::read_dir(directory.path().join("cache/partial")).unwrap().count(), 0);
}

#[test]
fn what_has_no_digest_is_asked_for_conditionally() {
    let server = Server::new(|asked, n| match asked.header("if-none-match") {
        Some("\"1\"") if n < 2 => Reply::status(304),
        _ => Reply::whole(format!("answer {n}").as_bytes())
            .header("ETag", &format!("\"{}\"", n + 1))
            .header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    });
    let directory = tempfile::tempdir().unwrap();
    let ask = || fetch(config(directory.path()), request(&server.url("/Release")));
    assert_eq!(content(ask()), b"answer 0");
    let again = ask().unwrap();
    assert_eq!(again.origin, Origin::Cache);
    assert_eq!(content(Ok(again)), b"answer 0");
    assert_eq!(content(ask()), b"answer 2");
    let asked = server.asked();
    assert_eq!(asked[1].header("if-modified-since"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(asked[1].header("cache-control"), Some("max-age=0"));
    // A body that is damaged is no reason to ask conditionally.
    fs::write(place(directory.path(), b"answer 2"), "damaged").unwrap();
    assert_eq!(content(ask()), b"answer 3");
    assert_eq!(server.asked()[3].header("if-none-match"), None);
}

#[test]
fn a_304_that_was_not_asked_for_is_refused() {
    let server = Server::new(|_, _| Reply::status(304));
    let directory = tempfile::tempdir().unwrap();
    assert!(fetch(config(directory.path()), request(&server.url("/a"))).is_err());
}

#[test]
fn offline_uses_what_is_here() {
    let data = sample(10);
    let server = Server::with(&data);
    let directory = tempfile::tempdir().unwrap();
    let mut offline = config(directory.path());
    offline.offline = true;
    let missing = fetch(offline.clone(), request(&server.url("/Release"))).unwrap_err();
    assert!(matches!(missing, FetchError::Offline { .. }), "{missing}");
    assert!(missing.to_string().contains(&server.url("/Release")), "{missing}");
    fetch(config(directory.path()), request(&server.url("/Release"))).unwrap();
    fetch(config(directory.path()), request_of(&server.url("/deb"), &data)).unwrap();
    let count = server.asked().len();
    assert_eq!(content(fetch(offline.clone(), request(&server.url("/Release")))), data);
    assert_eq!(content(fetch(offline.clone(), request_of(&server.url("/deb"), &data))), data);
    let mut two = request_of(&server.url("/other"), b"other");
    two.urls.push(server.url("/another").into());
    assert!(matches!(fetch(offline, two), Err(FetchError::Offline { urls, .. }) if urls.len() == 2));
    assert_eq!(server.asked().len(), count);
}

#[test]
fn a_cache_that_others_can_write_is_refused() {
    let server = Server::with(b"x");
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    let error = fetch(config(directory.path()), request(&server.url("/a"))).unwrap_err();
    assert!(matches!(&error, FetchError::Cache { place, .. } if *place == cache), "{error}");
    assert!(server.asked().is_empty());
}

#[test]
fn without_a_cache_nothing_stays() {
    let server = Server::with(b"x");
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.cache = None;
    let fetched = fetch(config, request_of(&server.url("/a"), b"x"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(content(fetched), b"x");
}

#[test]
fn what_is_handed_out_cannot_be_written() {
    use std::io::Write;
    let server = Server::with(b"x");
    let directory = tempfile::tempdir().unwrap();
    let mut fetched = fetch(config(directory.path()), request(&server.url("/a"))).unwrap();
    assert!(fetched.file.write_all(b"y").is_err());
}

#[test]
fn a_size_that_the_cached_content_lacks_is_told() {
    let server = Server::with(b"x");
    let directory = tempfile::tempdir().unwrap();
    fetch(config(directory.path()), request_of(&server.url("/a"), b"x")).unwrap();
    let request = Request { size: Some(2), ..request_of(&server.url("/a"), b"x") };
    assert!(matches!(fetch(config(directory.path()), request), Err(FetchError::Size { .. })));
}
