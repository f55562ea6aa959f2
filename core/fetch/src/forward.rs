//! Plain HTTP through an HTTP proxy: the whole URL in the request line (RFC 9112 §3.2.2).
//!
//! The HTTP library asks every proxy for a tunnel (`CONNECT`). For plain HTTP the
//! usual caches of a distribution's archive refuse that: squid allows tunnels to
//! port 443 only, apt-cacher-ng none, and a cache that cannot see the request is
//! no cache. So the connection goes to the proxy as if that were the server, and
//! the request line is completed on its way out.
//!
//! This stands on the library's transport interface, which may change with a
//! minor version of it.

use std::fmt;

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, RustlsConnector, TcpConnector,
    Transport,
};
use ureq::{Proxy, ProxyProtocol};

/// Every request is a GET, see [`Client`](crate::client::Client).
const METHOD: &[u8] = b"GET ";

/// Whether requests with this scheme go to that proxy as they are, without a tunnel.
pub(crate) fn applies(scheme: &str, proxy: &Proxy) -> bool {
    scheme == "http" && matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https)
}

/// Connects: forwarding where that [applies], else as the library does.
#[derive(Debug, Default)]
pub(crate) struct ForwardConnector {
    tcp: TcpConnector,
    tls: RustlsConnector,
    other: DefaultConnector,
}

impl Connector<()> for ForwardConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let scheme = details.uri.scheme_str().unwrap_or_default();
        let Some(proxy) = details.config.proxy().filter(|proxy| applies(scheme, proxy)) else {
            return self.other.connect(details, chained);
        };
        let authority = details.uri.authority().map(ToString::to_string).unwrap_or_default();
        let to_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs: details.resolver.resolve(proxy.uri(), details.config, details.timeout)?,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let plain = self.tcp.connect(&to_proxy, None::<Box<dyn Transport>>)?;
        let Some(inner) = self.tls.connect(&to_proxy, plain)? else { return Ok(None) };
        let prefix = format!("{scheme}://{authority}").into_bytes();
        Ok(Some(Box::new(Forward { inner, prefix, at_start: true })))
    }
}

/// A connection to a proxy that writes whole URLs.
struct Forward<T> {
    inner: T,
    /// Scheme and authority of the server.
    prefix: Vec<u8>,
    /// Whether the next output begins a request. Requests here have no body, so one
    /// ends where its header does.
    at_start: bool,
}

impl<T: Transport> Transport for Forward<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let output = self.inner.buffers().output();
        let starts = std::mem::replace(&mut self.at_start, output[..amount].ends_with(b"\r\n\r\n"));
        let mut amount = amount;
        if starts && output[..amount].starts_with(METHOD) {
            let grown = amount + self.prefix.len();
            if grown > output.len() {
                return Err(ureq::Error::Other("the request is too long for the proxy".into()));
            }
            let target = METHOD.len() + self.prefix.len();
            output.copy_within(METHOD.len()..amount, target);
            output[METHOD.len()..target].copy_from_slice(&self.prefix);
            amount = grown;
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<T> fmt::Debug for Forward<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").finish_non_exhaustive()
    }
}
