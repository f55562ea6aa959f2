//! What comes from elsewhere: downloads, a cache by digest, signatures.
//!
//! Plugins have no network; they ask the host, and the host asks this crate.
//! Servers, mirrors, proxies and the plugin that names the URLs are all taken to
//! be hostile: what is handed out has been verified, is bounded in size, and no
//! password goes anywhere but where its owner wrote that it may go.
//!
//! | module | what it holds |
//! |---|---|
//! | `config`, `request` | what the caller sets once; what is asked for and handed out |
//! | `fetcher` | batches: threads, order, progress, stopping |
//! | `obtain`, `unpack` | one request: the cache, then each of its URLs; without its compression |
//! | `transfer`, `range`, `retry` | one URL over HTTP: resumed, retried |
//! | `client`, `proxy`, `forward`, `roots`, `identity` | one GET: redirects, proxies, TLS |
//! | `http` | requests of any kind, for the client of registries |
//! | `credentials` | `apt_auth.conf(5)` and `.netrc` |
//! | `cache`, `incoming`, `stored` | content on disk: found, arriving, verified |
//! | `kept` | what was made of downloads, for the next time |
//! | `digest` | expected digests, and computing them |
//! | `address` | URLs, and how they are shown |
//! | `error` | what can go wrong |
//! | `openpgp`, `rsa` | signatures |
//!
//! Nothing here prints or reads the environment. Clocks and chance decide when
//! something is tried again and never what is handed out.

mod address;
mod cache;
mod client;
mod config;
mod credentials;
mod digest;
mod error;
mod fetcher;
mod forward;
mod http;
mod identity;
mod incoming;
mod kept;
mod obtain;
pub mod openpgp;
mod proxy;
mod range;
mod request;
mod retry;
mod roots;
pub mod rsa;
mod stored;
mod transfer;
mod unpack;

pub use config::{Config, Proxies, Retry};
pub use digest::{Algorithm, Expected, ParseExpectedError};
pub use error::{FetchError, NetworkFault, SizeFault};
pub use fetcher::{Batch, Fetcher};
pub use http::Http;
pub use identity::Identity;
pub use kept::Draft;
pub use request::{Fetched, Location, Origin, Progress, Request, Unpacked};
