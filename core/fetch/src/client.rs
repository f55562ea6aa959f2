//! One GET: redirects, proxies, passwords, TLS.

use std::io;
use std::sync::Arc;

use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, LOCATION, PROXY_AUTHORIZATION};
use ureq::http::{self, HeaderName, HeaderValue, Response};
use ureq::tls::{ClientCert, RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::{Agent, Body};
use url::Url;

use crate::address::{bare, shown};
use crate::config::Config;
use crate::credentials::Login;
use crate::error::{FetchError, NetworkFault};
use crate::fetcher::Job;
use crate::forward::{self, ForwardConnector};
use crate::proxy;
use crate::retry::Failure;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;

/// Connections for a batch. With ureq's features as they are here, nothing is
/// decompressed and no cookie kept.
pub(crate) fn agent(config: &Config, roots: RootCerts, client: Option<ClientCert>) -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(roots)
        .client_cert(client)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let retry = &config.retry;
    let settings = Agent::config_builder()
        .tls_config(tls)
        // The library's default is what the environment says.
        .proxy(None)
        .http_status_as_error(false)
        // Each redirect is judged here.
        .max_redirects(0)
        // Also said to proxies; line ends would be headers of their own.
        .user_agent(config.user_agent.replace(|c: char| !(' '..='~').contains(&c), ""))
        .timeout_resolve(Some(retry.connect))
        .timeout_connect(Some(retry.connect))
        .timeout_send_request(Some(retry.idle))
        .timeout_recv_response(Some(retry.idle))
        .timeout_per_read(Some(retry.idle))
        .timeout_per_write(Some(retry.idle))
        .build();
    Agent::with_parts(settings, ForwardConnector::default(), DefaultResolver::default())
}

/// Asks for `url` with these headers and follows redirects.
pub(crate) fn get(
    job: &Job<'_>,
    url: &Url,
    headers: &[(HeaderName, String)],
) -> Result<Response<Body>, Failure> {
    let mut at = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        job.check()?;
        let login = login(job, url, &at)?;
        let response = hop(job, &at, login, headers)
            .map_err(|failure| Failure { error: via(failure.error, url, &at), ..failure })?;
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(response);
        }
        at = redirected(&at, &response)
            .map_err(|reason| FetchError::network(shown(url), NetworkFault::Redirect(reason)))?;
    }
    let reason = format!("more than {MAX_REDIRECTS} redirects");
    Err(FetchError::network(shown(url), NetworkFault::Redirect(reason)).into())
}

/// Names the place that redirects led to, if any did.
fn via(error: FetchError, url: &Url, at: &Url) -> FetchError {
    match error {
        FetchError::Network { fault, source, .. } if url != at => FetchError::Network {
            url: format!("{} (redirected to {})", shown(url), shown(at)),
            fault,
            source,
        },
        other => other,
    }
}

/// Where a redirect leads, if that is a place to go to.
fn redirected(at: &Url, response: &Response<Body>) -> Result<Url, String> {
    let location = response.headers().get(LOCATION).ok_or("a redirect to nowhere")?;
    let location = String::from_utf8_lossy(location.as_bytes());
    let next = at.join(&location).map_err(|error| format!("a redirect to nonsense: {error}"))?;
    match (at.scheme(), next.scheme()) {
        ("http", "http" | "https") | ("https", "https") => {}
        (_, "http") => return Err(format!("a redirect from https to {}", shown(&next))),
        (_, scheme) => return Err(format!("a redirect to a URL of scheme {scheme:?}")),
    }
    // A server names no passwords for us.
    Ok(bare(&next))
}

/// The login for a hop: that in the URL for its own origin, else what the files say of the hop.
fn login(job: &Job<'_>, url: &Url, at: &Url) -> Result<Option<Login>, FetchError> {
    let has_login = !url.username().is_empty() || url.password().is_some();
    if has_login && url.origin() == at.origin() {
        let decode = |text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = (decode(url.username()), decode(url.password().unwrap_or_default()));
        return Ok(Some(Login { user, password }));
    }
    Ok(job.fetcher().credentials()?.find(at).cloned())
}

fn hop(
    job: &Job<'_>,
    at: &Url,
    login: Option<Login>,
    headers: &[(HeaderName, String)],
) -> Result<Response<Body>, Failure> {
    let config = job.fetcher().config();
    let url = shown(at);
    let proxy = proxy::choose(&config.proxies, job.proxy, at)?;
    if at.scheme() == "https" && !job.has_roots(at)? {
        let reason = "no certificate authorities are installed".to_owned();
        return Err(FetchError::network(url, NetworkFault::Tls(reason)).into());
    }
    let mut request = http::Request::get(url.as_str()).header(ACCEPT_ENCODING, "identity");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if let Some(login) = login {
        request = request.header(AUTHORIZATION, basic(&login.user, &login.password));
    }
    if let Some(proxy) = proxy.as_ref().filter(|proxy| forward::applies(at.scheme(), proxy))
        && let Some(user) = proxy.username()
    {
        let value = basic(user, proxy.password().unwrap_or_default());
        request = request.header(PROXY_AUTHORIZATION, value);
    }
    let request =
        request.body(()).map_err(|error| FetchError::Url { url: url.clone(), reason: error.to_string() })?;
    let agent = job.agent(at)?;
    // Without a proxy the settings stay the agent's, for which the library keeps its TLS state.
    let request = match proxy {
        Some(proxy) => agent.configure_request(request).proxy(Some(proxy)).build(),
        None => request,
    };
    agent.run(request).map_err(|error| failure(&url, error, 0))
}

/// What an error of the HTTP library means, after `done` bytes of content.
pub(crate) fn failure(url: &str, error: ureq::Error, done: u64) -> Failure {
    let (fault, passing) = match &error {
        ureq::Error::Timeout(_) => (NetworkFault::Timeout, true),
        // How the TLS library reports what it thinks of a certificate, through a stream.
        ureq::Error::Io(io) if io.kind() == io::ErrorKind::InvalidData => {
            (NetworkFault::Tls(io.to_string()), false)
        }
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::TlsRequired => {
            (NetworkFault::Tls(error.to_string()), false)
        }
        ureq::Error::Io(io) if is_cut(io) => (NetworkFault::Cut(done), true),
        ureq::Error::Io(io) => (NetworkFault::Unreachable(io.to_string()), true),
        ureq::Error::HostNotFound => (NetworkFault::Unreachable("unknown host".to_owned()), true),
        ureq::Error::ConnectionFailed => (NetworkFault::Unreachable(error.to_string()), true),
        ureq::Error::ConnectProxyFailed(reason) => (NetworkFault::Proxy(reason.clone()), true),
        other => (NetworkFault::Protocol(other.to_string()), false),
    };
    let error = FetchError::Network { url: url.to_owned(), fault, source: Some(Box::new(error)) };
    Failure { error, passing, after: None }
}

fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// The value of a header for basic authentication (RFC 7617).
fn basic(user: &str, password: &str) -> HeaderValue {
    let text = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
    let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

/// Base64 (RFC 4648 §4).
fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(data.len().div_ceil(3) * 4);
    for group in data.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for position in 0..4 {
            if position > group.len() {
                text.push('=');
            } else {
                text.push(char::from(DIGITS[(bits >> (18 - 6 * position) & 63) as usize]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        // RFC 4648 §10.
        for (data, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(base64(data.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
