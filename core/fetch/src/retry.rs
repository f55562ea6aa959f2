//! When to try again: exponential backoff with full jitter, and `Retry-After`.

use std::time::{Duration, SystemTime};

use crate::config::Retry;
use crate::error::FetchError;

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: FetchError,
    /// Whether it may pass: the same attempt may succeed later.
    pub(crate) passing: bool,
    /// The server's `Retry-After`.
    pub(crate) after: Option<Duration>,
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self { error, passing: false, after: None }
    }
}

impl Failure {
    pub(crate) fn passing(error: FetchError) -> Self {
        Self { error, passing: true, after: None }
    }
}

/// How long to pause after attempt `attempt` (from 0). `asked`: the server's `Retry-After`.
///
/// The pause is drawn evenly from zero up to the exponential bound ("full
/// jitter"), which spreads many clients best; a server that says when to come
/// back is obeyed up to [`Retry::longest_delay`].
pub(crate) fn pause(retry: &Retry, attempt: u32, asked: Option<Duration>) -> Duration {
    let factor = 2_u32.checked_pow(attempt).unwrap_or(u32::MAX);
    let bound = retry.delay.saturating_mul(factor).min(retry.longest_delay);
    let jittered = bound.mul_f64(fastrand::f64());
    jittered.max(asked.unwrap_or_default()).min(retry.longest_delay)
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds, or the moment to come back at.
pub(crate) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(httpdate::parse_http_date(header).ok()?.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_bound() {
        let retry = Retry {
            delay: Duration::from_millis(10),
            longest_delay: Duration::from_millis(100),
            ..Retry::default()
        };
        for attempt in 0..200 {
            let bound = Duration::from_millis(10 << attempt.min(4)).min(retry.longest_delay);
            assert!(pause(&retry, attempt, None) <= bound);
        }
        assert_eq!(pause(&retry, 0, Some(Duration::from_millis(70))), Duration::from_millis(70));
        assert_eq!(pause(&retry, 0, Some(Duration::MAX)), retry.longest_delay);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sat, 06 Nov 1993 08:49:37 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
