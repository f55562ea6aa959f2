//! Dates of Release files.
//!
//! They are those of HTTP (RFC 9110 §5.6.7), but say `UTC` or `+0000` for `GMT`, and some
//! repositories leave out the zero before a day or put a blank in its place. Like apt, this takes
//! no other zone than UTC, in any spelling.

use std::fmt;
use std::time::{Duration, SystemTime};

/// Seconds since 1970 of `Sat, 09 Nov 2024 10:00:00 UTC`.
pub(super) fn parse(text: &str) -> Option<i64> {
    let mut words = text.split_ascii_whitespace();
    let mut next = || words.next();
    let (weekday, day, month, year, time, zone) = (next()?, next()?, next()?, next()?, next()?, next()?);
    if words.next().is_some() || !matches!(zone, "UTC" | "GMT" | "Z" | "+0000" | "-0000") {
        return None;
    }
    let date =
        httpdate::parse_http_date(&format!("{weekday} {day:0>2} {month} {year} {time:0>8} GMT")).ok()?;
    let since = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// Seconds since 1970 as a date for people.
pub(super) struct Moment(pub(super) i64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The first second of the year 10000, which no date of HTTP can name.
        const END: u64 = 253_402_300_800;
        match u64::try_from(self.0) {
            Ok(seconds @ 0..END) => {
                let date = httpdate::HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
                write!(f, "{date}")
            }
            _ => write!(f, "second {} since 1970", self.0),
        }
    }
}

/// A number of seconds in the unit that suits it.
pub(super) struct Span(pub(super) i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0 {
            seconds @ ..120 => (seconds, "seconds"),
            seconds @ ..7_200 => (seconds / 60, "minutes"),
            seconds @ ..172_800 => (seconds / 3_600, "hours"),
            seconds => (seconds / 86_400, "days"),
        };
        write!(f, "{number} {unit}")
    }
}
