//! Passwords go where they belong and nowhere else.

use std::fs;
use std::path::Path;

use ctr_forge_fetch::{Config, FetchError, NetworkFault};

use crate::server::{Reply, Server};
use crate::{config, content, fetch, request};

/// "user:secret".
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

fn guarded() -> Server {
    Server::new(|asked, _| match asked.header("authorization") {
        Some(BASIC) => Reply::whole(b"x"),
        _ => Reply::status(401),
    })
}

fn with_file(directory: &Path, text: &str) -> Config {
    let file = directory.join("auth.conf");
    fs::write(&file, text).unwrap();
    Config { credentials: vec![directory.join("missing"), file], ..config(directory) }
}

fn url_with_login(server: &Server, path: &str) -> String {
    server.url(path).replace("://", "://user:secret@")
}

#[test]
fn from_the_url() {
    let server = guarded();
    let directory = tempfile::tempdir().unwrap();
    let fetched = fetch(config(directory.path()), request(&url_with_login(&server, "/a"))).unwrap();
    assert_eq!(fetched.url, server.url("/a"));
    let error = fetch(config(directory.path()), request(&server.url("/a"))).unwrap_err();
    assert!(matches!(error, FetchError::Network { fault: NetworkFault::Status(401), .. }), "{error}");
}

#[test]
fn from_a_file_only_where_it_says_so() {
    let server = guarded();
    let directory = tempfile::tempdir().unwrap();
    let host = server.address;
    let line = format!("machine http://{host}/priv login user password secret\n");
    let config = with_file(directory.path(), &line);
    assert_eq!(content(fetch(config.clone(), request(&server.url("/private/a")))), b"x");
    assert!(fetch(config, request(&server.url("/public/a"))).is_err());
    let config = with_file(directory.path(), &format!("machine {host} login user password secret\n"));
    assert!(fetch(config, request(&server.url("/private/b"))).is_err());
}

#[test]
fn never_to_another_host() {
    let other = guarded();
    let location = other.url("/b");
    let server = Server::new(move |asked, _| match asked.target.as_str() {
        "/away" => Reply::redirect(&location),
        "/here" => Reply::redirect("/there"),
        _ => Reply::whole(b"x"),
    });
    let directory = tempfile::tempdir().unwrap();
    let error = fetch(config(directory.path()), request(&url_with_login(&server, "/away"))).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(other.asked()[0].header("authorization"), None);
    fetch(config(directory.path()), request(&url_with_login(&server, "/here"))).unwrap();
    assert!(server.asked().iter().all(|asked| asked.header("authorization") == Some(BASIC)));
}

#[test]
fn broken_files_are_named_and_only_when_needed() {
    let directory = tempfile::tempdir().unwrap();
    let config = with_file(directory.path(), "machine h login");
    let file = directory.path().join("f");
    fs::write(&file, "x").unwrap();
    assert!(fetch(config.clone(), request(&format!("file://{}", file.display()))).is_ok());
    let error = fetch(config, request(&guarded().url("/a"))).unwrap_err();
    assert!(
        matches!(&error, FetchError::Credentials { place, .. } if place.ends_with("auth.conf")),
        "{error}"
    );
}

#[test]
fn no_error_shows_a_password() {
    let server = Server::new(|asked, _| match asked.target.as_str() {
        "/status" => Reply::status(500),
        "/short" => Reply::whole(b"abc").cut(1),
        "/size" => Reply::whole(&[0; 2000]),
        "/loop" => Reply::redirect("/loop"),
        _ => Reply::status(404),
    });
    let directory = tempfile::tempdir().unwrap();
    for path in ["/status", "/short", "/size", "/loop", "/missing"] {
        let mut request = request(&url_with_login(&server, path));
        request.max_size = 1000;
        assert!(!format!("{request:?}").contains("secret"));
        let error = fetch(config(directory.path()), request).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
