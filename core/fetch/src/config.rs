//! What the caller decides once for all downloads.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a [`Fetcher`](crate::Fetcher).
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of the cache, made when missing. `None`: temporary files only.
    ///
    /// It must belong to the user or to root and be writable by nobody else.
    pub cache: Option<PathBuf>,
    /// Where temporary files go that do not belong in the cache.
    pub temp_dir: PathBuf,
    /// Use the cache and `file://` only.
    pub offline: bool,
    /// Proxies by the scheme of the URL.
    pub proxies: Proxies,
    /// Files in the form of `apt_auth.conf(5)` or `.netrc`, and directories of
    /// such files (`auth.conf.d`: names without an extension or with `.conf`).
    /// Those that do not exist are skipped. Read when the network is first used.
    pub credentials: Vec<PathBuf>,
    /// PEM files of certificate authorities, in addition to the system's.
    pub certificates: Vec<PathBuf>,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// How many downloads of a batch run at once.
    pub parallel: NonZeroUsize,
    /// When to try again and when to give up.
    pub retry: Retry,
}

/// Proxies, as curl reads them: `[scheme://][user:password@]host[:port]`, with
/// scheme `http` (the default), `https`, `socks4`, `socks4a`, `socks5` or
/// `socks5h`, and port 1080 (`https`: 443) when none is given. An empty text is
/// no proxy.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For `http://` URLs.
    pub http: Option<String>,
    /// For `https://` URLs.
    pub https: Option<String>,
    /// For URLs that the others leave.
    pub all: Option<String>,
    /// Hosts to reach directly, separated by commas or spaces or as separate
    /// texts: a domain, which stands for its subdomains too, an address, a
    /// network (`192.0.2.0/24`), or `*` for every host.
    pub no_proxy: Vec<String>,
}

/// Passwords stay out.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |proxy: &Option<String>| proxy.as_deref().map(crate::address::redact);
        f.debug_struct("Proxies")
            .field("http", &shown(&self.http))
            .field("https", &shown(&self.https))
            .field("all", &shown(&self.all))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// When to try again, and how long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often each URL is tried.
    pub attempts: NonZeroU32,
    /// The longest pause before the second attempt; it doubles for each further
    /// one. The pause itself is drawn evenly from zero up to that, so that many
    /// clients do not come back at the same moment.
    pub delay: Duration,
    /// No pause is longer than this, whatever a server's `Retry-After` asks for.
    pub longest_delay: Duration,
    /// How long to wait for a name to be resolved, and for a connection.
    pub connect: Duration,
    /// How long to wait for a server that sends nothing.
    pub idle: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::MIN.saturating_add(3),
            delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(30),
            connect: Duration::from_secs(20),
            idle: Duration::from_secs(30),
        }
    }
}
