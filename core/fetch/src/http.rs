//! HTTP for whoever speaks more of it than a download: the client of registries.
//!
//! It has the same authorities, proxies and patience as downloads. One hop only: redirects,
//! passwords and status codes are the caller's.

use ureq::http::{Request, Response, Uri};
use ureq::tls::RootCerts;
use ureq::{Agent, AsSendBody, Body};
use url::Url;

use crate::address::shown;
use crate::config::Config;
use crate::error::{FetchError, NetworkFault};
use crate::{client, proxy, roots};

/// Connections, kept open where servers allow it.
#[derive(Debug, Clone)]
pub struct Http {
    agent: Agent,
    config: Config,
    has_roots: bool,
}

impl Http {
    /// With these settings.
    ///
    /// # Errors
    ///
    /// If a file of certificates cannot be read.
    pub fn new(config: &Config) -> Result<Self, FetchError> {
        let roots = roots::read(&config.certificates)?;
        let has_roots = !roots.is_empty();
        let agent = client::agent(config, RootCerts::from(roots), None);
        Ok(Self { agent, config: config.clone(), has_roots })
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sends a request; any status is an answer.
    ///
    /// # Errors
    ///
    /// If no answer comes.
    pub fn send<B: AsSendBody>(&self, request: Request<B>) -> Result<Response<Body>, FetchError> {
        let url = parse(request.uri())?;
        if self.config.offline {
            let reason = "the network is not to be used".to_owned();
            return Err(FetchError::network(shown(&url), NetworkFault::Unreachable(reason)));
        }
        if url.scheme() == "https" && !self.has_roots {
            let reason = "no certificate authorities are installed".to_owned();
            return Err(FetchError::network(shown(&url), NetworkFault::Tls(reason)));
        }
        let request = match proxy::choose(&self.config.proxies, None, &url)? {
            Some(proxy) => self.agent.configure_request(request).proxy(Some(proxy)).build(),
            None => request,
        };
        self.agent.run(request).map_err(|error| client::failure(&shown(&url), error, 0).error)
    }
}

fn parse(uri: &Uri) -> Result<Url, FetchError> {
    Url::parse(&uri.to_string())
        .map_err(|error| FetchError::Url { url: uri.to_string(), reason: error.to_string() })
}
