//! Redirects, and where they must not lead.

use ctr_forge_fetch::{FetchError, NetworkFault};

use crate::server::{Reply, Server};
use crate::{config, content, fetch, request};

fn error_of(server: &Server) -> FetchError {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.certificates.push(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/download/tls/ca.pem").into());
    fetch(config, request(&server.url("/a"))).unwrap_err()
}

#[test]
fn they_are_followed() {
    let target = Server::with(b"x");
    let location = target.url("/pool/x");
    let server = Server::new(move |asked, _| match asked.target.as_str() {
        "/dir/a" => Reply::redirect("../b"),
        _ => Reply::redirect(&location),
    });
    let directory = tempfile::tempdir().unwrap();
    let fetched = fetch(config(directory.path()), request(&server.url("/dir/a"))).unwrap();
    assert_eq!(fetched.url, server.url("/dir/a"));
    assert_eq!(content(Ok(fetched)), b"x");
    assert_eq!(server.asked()[1].target, "/b");
}

#[test]
fn ten_at_most() {
    let server = Server::new(|_, n| Reply::redirect(&format!("/{n}")));
    let error = error_of(&server);
    assert!(matches!(error, FetchError::Network { fault: NetworkFault::Redirect(_), .. }), "{error}");
    assert_eq!(server.asked().len(), 11);
}

#[test]
fn not_to_files_nor_from_https_to_http() {
    for location in ["file:///etc/passwd", "ftp://127.0.0.1/", "http://[/", "data:,x"] {
        let error = error_of(&Server::new(move |_, _| Reply::redirect(location)));
        assert!(matches!(error, FetchError::Network { fault: NetworkFault::Redirect(_), .. }), "{error}");
    }
    let plain = Server::with(b"x");
    let location = plain.url("/x");
    let error = error_of(&Server::tls(move |_, _| Reply::redirect(&location)));
    assert!(matches!(error, FetchError::Network { fault: NetworkFault::Redirect(_), .. }), "{error}");
    assert!(plain.asked().is_empty());
    assert!(error_of(&Server::new(|_, _| Reply::status(302))).to_string().contains("nowhere"));
}

#[test]
fn an_error_names_both_ends() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::new(move |_, _| Reply::redirect(&format!("http://u:secret@{gone}/b")));
    let text = error_of(&server).to_string();
    assert!(text.contains(&server.url("/a")) && text.contains(&format!("http://{gone}/b")), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
