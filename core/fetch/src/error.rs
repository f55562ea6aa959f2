//! What can go wrong with a download, by what can be done about it.
//!
//! URLs in these texts are without user and password, see [`address`](crate::address).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Expected;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Every URL answered that there is no such file.
    #[error("{name} is not there: {}", urls.join(", "))]
    NotFound {
        /// What was asked for.
        name: String,
        /// Where it is not.
        urls: Vec<String>,
    },
    /// A server could not be reached or did not do its part.
    #[error("cannot fetch {url}: {fault}")]
    Network {
        /// Where from.
        url: String,
        /// What happened.
        fault: NetworkFault,
        /// The HTTP library's account.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// It is not in the cache, and the network is not to be used.
    #[error("{name} is not in the cache, and offline nothing can be fetched from {}", urls.join(", "))]
    Offline {
        /// What was asked for.
        name: String,
        /// Where it could be fetched.
        urls: Vec<String>,
    },
    /// The content is not what was asked for.
    #[error("{url} has the wrong content: expected {expected}, got {got}")]
    Digest {
        /// Where it came from.
        url: String,
        /// The digest it should have.
        expected: Expected,
        /// The digest it has.
        got: Expected,
    },
    /// The content has the wrong size.
    #[error("{url} has the wrong size: {fault}")]
    Size {
        /// Where it came from.
        url: String,
        /// What is wrong.
        fault: SizeFault,
    },
    /// The content is right, but not what it is said to be without its compression.
    #[error("{url} cannot be unpacked: {reason}")]
    Unpack {
        /// Where it came from.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Reading or writing a file of this host failed.
    #[error("cannot {action} {}", place.display())]
    Io {
        /// A verb: "read", "write".
        action: &'static str,
        /// The file or directory.
        place: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The URL, or that of a proxy, cannot be used.
    #[error("{url:?} cannot be used: {reason}")]
    Url {
        /// The text, without what may be a password.
        url: String,
        /// Why not.
        reason: String,
    },
    /// A file of credentials cannot be used.
    #[error("cannot use the credentials in {}: {reason}", place.display())]
    Credentials {
        /// The file.
        place: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The cache directory is one that others could change.
    #[error("the cache directory {} cannot be trusted: {reason}", place.display())]
    Cache {
        /// The directory.
        place: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The batch was dropped.
    #[error("stopped while fetching {name}")]
    Cancelled {
        /// What was asked for.
        name: String,
    },
    /// Each URL failed, for different reasons.
    #[error("cannot fetch {name} from any of {} places: {}", failures.len(), joined(failures))]
    Several {
        /// What was asked for.
        name: String,
        /// One failure for each URL, in their order.
        failures: Vec<FetchError>,
    },
}

/// What happened on the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkFault {
    /// No connection: unknown host, refused, no route.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// No connection or no data for too long.
    #[error("the server did not answer in time")]
    Timeout,
    /// The connection broke before all was sent.
    #[error("the connection was cut after {0} bytes")]
    Cut(u64),
    /// An HTTP status that is neither content nor "no such file".
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    /// No secure connection: certificate, handshake.
    #[error("no secure connection: {0}")]
    Tls(String),
    /// The server redirects to where we do not go.
    #[error("{0}")]
    Redirect(String),
    /// The proxy refuses or cannot be used.
    #[error("the proxy refuses: {0}")]
    Proxy(String),
    /// What the server sends is not HTTP as we know it.
    #[error("the answer makes no sense: {0}")]
    Protocol(String),
}

/// What is wrong with a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeFault {
    /// It is announced or found to be another one.
    #[error("{got} bytes instead of {expected}")]
    Differs {
        /// The size in the request, in bytes.
        expected: u64,
        /// The size of the content, in bytes.
        got: u64,
    },
    /// There is more than that.
    #[error("more than {limit} bytes")]
    TooLong {
        /// The most bytes there may be.
        limit: u64,
    },
}

impl FetchError {
    /// For [`FetchError::Several`], the failure that says most of what is wrong:
    /// bad content before a bad network before a missing file. Else the error itself.
    pub fn principal(&self) -> &FetchError {
        match self {
            FetchError::Several { failures, .. } => {
                failures.iter().min_by_key(|failure| failure.rank()).unwrap_or(self)
            }
            _ => self,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            FetchError::Digest { .. } => 0,
            FetchError::Size { .. } => 1,
            FetchError::Network { .. } => 2,
            FetchError::Offline { .. } => 3,
            FetchError::NotFound { .. } => 4,
            _ => 5,
        }
    }

    /// Whether another URL is worth trying: the fault is with this one.
    pub(crate) fn is_of_url(&self) -> bool {
        matches!(
            self,
            FetchError::NotFound { .. }
                | FetchError::Network { .. }
                | FetchError::Offline { .. }
                | FetchError::Digest { .. }
                | FetchError::Size { .. }
                | FetchError::Url { .. }
        )
    }

    /// What to say when these are the failures of every URL.
    pub(crate) fn of_all(name: &str, mut failures: Vec<FetchError>) -> Self {
        if failures.len() == 1 {
            return failures.remove(0);
        }
        let name = name.to_owned();
        if let Some(urls) = urls_of_all(&failures, |failure| match failure {
            FetchError::NotFound { urls, .. } => Some(urls),
            _ => None,
        }) {
            return FetchError::NotFound { name, urls };
        }
        if let Some(urls) = urls_of_all(&failures, |failure| match failure {
            FetchError::Offline { urls, .. } => Some(urls),
            _ => None,
        }) {
            return FetchError::Offline { name, urls };
        }
        FetchError::Several { name, failures }
    }

    /// For `map_err`: what was done to which file.
    pub(crate) fn io(action: &'static str, place: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| FetchError::Io { action, place: place.to_owned(), source }
    }

    /// A fault of the network that the HTTP library knows nothing of.
    pub(crate) fn network(url: impl fmt::Display, fault: NetworkFault) -> Self {
        FetchError::Network { url: url.to_string(), fault, source: None }
    }
}

fn joined(failures: &[FetchError]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The URLs of all failures, if all are of the kind that `pick` knows.
fn urls_of_all(failures: &[FetchError], pick: fn(&FetchError) -> Option<&[String]>) -> Option<Vec<String>> {
    Some(failures.iter().map(pick).collect::<Option<Vec<_>>>()?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_found(url: &str) -> FetchError {
        FetchError::NotFound { name: "a".to_owned(), urls: vec![url.to_owned()] }
    }

    #[test]
    fn not_found_everywhere_is_not_found() {
        let error = FetchError::of_all("a", vec![not_found("http://x/a"), not_found("http://y/a")]);
        assert_eq!(error.to_string(), "a is not there: http://x/a, http://y/a");
    }

    #[test]
    fn the_failure_that_matters_most_is_the_principal_one() {
        let status = FetchError::network("http://y/a", NetworkFault::Status(403));
        let error = FetchError::of_all("a", vec![not_found("http://x/a"), status]);
        assert!(matches!(error.principal(), FetchError::Network { fault: NetworkFault::Status(403), .. }));
        let text = error.to_string();
        assert!(text.contains("http://x/a") && text.contains("HTTP status 403"), "{text}");
    }
}
