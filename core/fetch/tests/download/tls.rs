//! HTTPS: `tls/server.pem` (for 127.0.0.1 and localhost) is signed by `tls/ca.pem`, whose
//! key is not kept; both are valid for a hundred years and trusted by nobody else.

use ctr_forge_fetch::{FetchError, NetworkFault};

use crate::server::{Reply, Server};
use crate::{config, content, fetch, request};

#[test]
fn an_authority_can_be_added() {
    let server = Server::tls(|_, _| Reply::whole(b"x"));
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.certificates.push(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/download/tls/ca.pem").into());
    assert_eq!(content(fetch(config.clone(), request(&server.url("/a")))), b"x");
    // The name counts too.
    let elsewhere = server.url("/b").replace("127.0.0.1", "127.0.0.2");
    assert!(fetch(config, request(&elsewhere)).is_err());
}

#[test]
fn an_unknown_authority_is_refused_at_once() {
    let server = Server::tls(|_, _| Reply::whole(b"x"));
    let directory = tempfile::tempdir().unwrap();
    let error = fetch(config(directory.path()), request(&server.url("/a"))).unwrap_err();
    assert!(matches!(error, FetchError::Network { fault: NetworkFault::Tls(_), .. }), "{error}");
    assert!(server.asked().is_empty());
}
