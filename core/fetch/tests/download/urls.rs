//! `file://` URLs, and URLs that are none.

use std::fs;

use ctr_forge_fetch::{FetchError, Origin, Request};

use crate::{config, content, digest, fetch, request, request_of};

#[test]
fn files_are_copied_and_verified() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a b");
    fs::write(&file, "content").unwrap();
    let url = format!("file://localhost{}/a%20b", directory.path().display());
    let fetched = fetch(config(directory.path()), request_of(&url, b"content")).unwrap();
    fs::write(&file, "CONTENT").unwrap();
    assert_eq!((fetched.origin, &fetched.url), (Origin::File, &url));
    assert_eq!(content(Ok(fetched)), b"content");
    let error = fetch(config(directory.path()), request_of(&url, b"content")).unwrap_err();
    assert!(matches!(error, FetchError::Digest { .. }), "{error}");
    let large = Request { max_size: 6, ..request(&url) };
    assert!(matches!(fetch(config(directory.path()), large), Err(FetchError::Size { .. })));
}

#[test]
fn only_files_that_are_there_and_regular() {
    let directory = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("file://{}/{name}", directory.path().display());
    let error = fetch(config(directory.path()), request(&url("missing"))).unwrap_err();
    assert!(matches!(error, FetchError::NotFound { .. }), "{error}");
    assert!(matches!(fetch(config(directory.path()), request(&url(""))), Err(FetchError::Io { .. })));
    assert!(matches!(
        fetch(config(directory.path()), request("file:///dev/zero")),
        Err(FetchError::Io { .. })
    ));
    let host = request("file://server/a");
    assert!(matches!(fetch(config(directory.path()), host), Err(FetchError::Url { .. })));
}

#[test]
fn a_file_serves_offline_and_as_a_mirror() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a"), "x").unwrap();
    let mut config = config(directory.path());
    config.offline = true;
    let mut request = request("http://mirror.invalid/a");
    request.digest = Some(digest(b"x"));
    request.urls.push(format!("file://{}/a", directory.path().display()).into());
    assert_eq!(content(fetch(config, request)), b"x");
}

#[test]
fn nonsense_is_named_without_its_password() {
    let directory = tempfile::tempdir().unwrap();
    for url in ["ftp://user:secret@h/a", "http://user:secret@/a", "user:secret@h", ""] {
        let error = fetch(config(directory.path()), request(url)).unwrap_err();
        assert!(matches!(error, FetchError::Url { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let none = Request { urls: Vec::new(), ..request("x") };
    assert!(matches!(fetch(config(directory.path()), none), Err(FetchError::Url { .. })));
}
