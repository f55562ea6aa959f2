//! Through proxies.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use ctr_forge_fetch::{Config, FetchError, NetworkFault, Proxies};

use crate::server::{Reply, Server, tunnel};
use crate::{config, content, fetch, request};

/// "user:secret".
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

fn through(config: Config, proxy: &str) -> Config {
    Config { proxies: Proxies { all: Some(proxy.to_owned()), ..Proxies::default() }, ..config }
}

#[test]
fn plain_http_is_forwarded_with_its_whole_url() {
    let proxy = Server::new(|asked, _| Reply::whole(asked.target.as_bytes()));
    let directory = tempfile::tempdir().unwrap();
    let config = through(config(directory.path()), &format!("user:secret@{}", proxy.address));
    // Names that cannot be resolved here: that is for the proxy to do.
    for url in ["http://mirror.invalid/debian/a?b", "http://mirror.invalid:81/c"] {
        assert_eq!(content(fetch(config.clone(), request(url))), url.as_bytes());
    }
    let asked = &proxy.asked()[0];
    assert_eq!(asked.header("host"), Some("mirror.invalid"));
    assert_eq!(asked.header("proxy-authorization"), Some(BASIC));
    assert_eq!(asked.header("authorization"), None);
}

#[test]
fn a_connection_to_the_proxy_is_used_again() {
    let proxy = Server::new(|asked, _| Reply::whole(asked.target.as_bytes()));
    let directory = tempfile::tempdir().unwrap();
    let mut config = through(config(directory.path()), &proxy.url(""));
    config.parallel = std::num::NonZeroUsize::MIN;
    let urls = ["http://m.invalid/a", "http://m.invalid/b", "http://m.invalid/c"];
    let outcomes = crate::fetch_all(config, urls.iter().map(|url| request(url)).collect());
    for (url, outcome) in urls.iter().zip(outcomes) {
        assert_eq!(content(outcome), url.as_bytes());
    }
}

#[test]
fn https_goes_through_a_tunnel() {
    let server = Server::tls(|_, _| Reply::whole(b"x"));
    let address = server.address;
    let proxy = Server::new(move |asked, _| match asked.header("proxy-authorization") {
        Some(BASIC) => Reply::Tunnel(address),
        _ => Reply::status(407),
    });
    let directory = tempfile::tempdir().unwrap();
    let mut config = through(config(directory.path()), &proxy.url("").replace("://", "://user:secret@"));
    config.certificates.push(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/download/tls/ca.pem").into());
    assert_eq!(content(fetch(config.clone(), request("https://localhost/a"))), b"x");
    assert_eq!(proxy.asked()[0].target, "localhost:443");
    assert_eq!(server.asked()[0].header("proxy-authorization"), None);
    let error = fetch(through(config, &proxy.url("")), request("https://localhost/b")).unwrap_err();
    assert!(matches!(error, FetchError::Network { fault: NetworkFault::Proxy(_), .. }), "{error}");
}

/// A SOCKS5 proxy (RFC 1928, RFC 1929) for one connection by user "user" with "secret".
fn socks(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut take = |count: usize| {
            let mut data = vec![0; count];
            stream.read_exact(&mut data).unwrap();
            data
        };
        let methods = usize::from(take(2)[1]);
        assert!(take(methods).contains(&2));
        stream.write_all(&[5, 2]).unwrap();
        let mut login = [0; 13];
        stream.read_exact(&mut login).unwrap();
        assert_eq!(&login, b"\x01\x04user\x06secret");
        stream.write_all(&[1, 0]).unwrap();
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        // A name, for the proxy to resolve.
        assert_eq!(head[..4], [5, 1, 0, 3]);
        let mut name = vec![0; usize::from(head[4]) + 2];
        stream.read_exact(&mut name).unwrap();
        assert_eq!(name, b"mirror.invalid\x00\x50");
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        tunnel(&stream, to).unwrap();
    });
    address
}

#[test]
fn socks_with_a_password() {
    let server = Server::with(b"x");
    let directory = tempfile::tempdir().unwrap();
    let proxy = format!("socks5h://user:secret@{}", socks(server.address));
    assert_eq!(
        content(fetch(through(config(directory.path()), &proxy), request("http://mirror.invalid/a"))),
        b"x"
    );
}

#[test]
fn exceptions_and_requests_of_their_own() {
    let server = Server::with(b"direct");
    let proxy = Server::new(|_, _| Reply::whole(b"proxied"));
    let directory = tempfile::tempdir().unwrap();
    let mut config = through(config(directory.path()), &proxy.url(""));
    assert_eq!(content(fetch(config.clone(), request(&server.url("/a")))), b"proxied");
    let mut own = request(&server.url("/b"));
    own.urls[0].proxy = Some("DIRECT".to_owned());
    assert_eq!(content(fetch(config.clone(), own.clone())), b"direct");
    config.proxies.no_proxy.push("127.0.0.0/8".to_owned());
    assert_eq!(content(fetch(config.clone(), request(&server.url("/c")))), b"direct");
    own.urls[0].proxy = Some(proxy.url(""));
    own.urls[0].url = server.url("/d");
    assert_eq!(content(fetch(config.clone(), own.clone())), b"proxied");
    own.urls[0].proxy = Some("nonsense://user:secret@x".to_owned());
    own.urls[0].url = server.url("/e");
    let error = fetch(config, own).unwrap_err();
    assert!(matches!(error, FetchError::Url { .. }) && !error.to_string().contains("secret"), "{error}");
}
