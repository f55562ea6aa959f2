//! Who a server is told that we are, and whom it may be vouched for by, for one server alone:
//! client certificates, and authorities of one's own.

use std::fmt;
use std::io;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, parse_pem};
use url::{Origin, Url};

use crate::address::redact;
use crate::error::FetchError;
use crate::roots;

/// How connections to one server are made, where that is not as usual.
#[derive(Clone)]
pub struct Identity {
    origin: Origin,
    /// Instead of the usual ones.
    authorities: Option<RootCerts>,
    client: Option<ClientCert>,
}

/// Without the private key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("origin", &self.origin.ascii_serialization()).finish_non_exhaustive()
    }
}

impl Identity {
    /// For the server of `url`: `authorities` (PEM) are the only ones that may vouch for it;
    /// `client` is a certificate, with those between it and its authority, and its private key
    /// (PEM).
    ///
    /// # Errors
    ///
    /// If the URL is none, or there is no certificate or no key where one must be.
    pub fn new(
        url: &str,
        authorities: Option<&[u8]>,
        client: Option<(&[u8], &[u8])>,
    ) -> Result<Self, FetchError> {
        let refuse = |reason: String| FetchError::Url { url: redact(url), reason };
        let origin = Url::parse(url).map_err(|error| refuse(error.to_string()))?.origin();
        let bad = |what: &'static str| move |error: io::Error| refuse(format!("{what}: {error}"));
        let authorities = authorities.map(roots::certificates).transpose();
        let client = client.map(|(certificate, key)| client_certificate(certificate, key)).transpose();
        Ok(Self {
            origin,
            authorities: authorities.map_err(bad("its authorities cannot be read"))?.map(RootCerts::from),
            client: client.map_err(bad("the client certificate for it cannot be read"))?,
        })
    }

    /// Whether it is for the server of `url`.
    pub(crate) fn is_for(&self, url: &Url) -> bool {
        self.origin == url.origin()
    }

    pub(crate) fn authorities(&self) -> Option<&RootCerts> {
        self.authorities.as_ref()
    }

    pub(crate) fn client(&self) -> Option<&ClientCert> {
        self.client.as_ref()
    }
}

fn client_certificate(certificate: &[u8], key: &[u8]) -> io::Result<ClientCert> {
    let chain: Vec<Certificate<'static>> = roots::certificates(certificate)?;
    let key = parse_pem(key).find_map(|item| match item {
        Ok(PemItem::PrivateKey(key)) => Some(key),
        _ => None,
    });
    let key: PrivateKey<'static> = key.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "there is no private key in it that is not encrypted")
    })?;
    Ok(ClientCert::new_with_certs(&chain, key))
}
