//! The moment of a snapshot.
//!
//! The snapshot services of Debian and Ubuntu name a moment in their URLs. People write it in
//! more ways than one, so it is read into seconds and written in the services' own form.

use std::fmt;
use std::str::FromStr;

/// A moment in UTC, to the second, from 1970 to 9999. Its text is that of the snapshot
/// services: `20250520T000000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

/// A text that names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: expected a form like \"20250520T000000Z\", \"2025-05-20\" or \"@1747699200\"")]
pub struct ParseStampError(String);

const DAY: u64 = 24 * 60 * 60;
/// The end of the year 9999, beyond which years have five digits.
const LAST: u64 = 253_402_300_799;
const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Stamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

/// Days from 1970-01-01 to the first day of a year not before 1970.
fn days_before(year: u64) -> u64 {
    let leap_days = |years: u64| years / 4 - years / 100 + years / 400;
    365 * (year - 1970) + leap_days(year - 1) - leap_days(1969)
}

/// Days of a month, counted from 0, in the Gregorian calendar.
fn days_in(year: u64, month: usize) -> u64 {
    let leap = days_before(year + 1) - days_before(year) == 366;
    MONTHS[month] + u64::from(leap && month == 1)
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut day, second) = (self.0 / DAY, self.0 % DAY);
        let mut year = 1970 + day / 366;
        while days_before(year + 1) <= day {
            year += 1;
        }
        day -= days_before(year);
        let mut month = 0;
        while day >= days_in(year, month) {
            day -= days_in(year, month);
            month += 1;
        }
        let (hour, minute) = (second / 3600, second / 60 % 60);
        write!(f, "{year:04}{:02}{:02}T{hour:02}{minute:02}{:02}Z", month + 1, day + 1, second % 60)
    }
}

/// Reads `20250520T000000Z`, `20250520`, `2025-05-20`, `2025-05-20T00:00:00Z` and, in seconds
/// since 1970, `@1747699200`. A day alone is its first second.
impl FromStr for Stamp {
    type Err = ParseStampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = match text.strip_prefix('@') {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            Some(_) => None,
            None => calendar(text),
        };
        match seconds {
            Some(seconds) if seconds <= LAST => Ok(Self(seconds)),
            _ => Err(ParseStampError(text.to_owned())),
        }
    }
}

/// Seconds since 1970 of a date, with or without a time.
fn calendar(text: &str) -> Option<u64> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if !["00000000T000000Z", "00000000", "0000-00-00", "0000-00-00T00:00:00Z"].contains(&shape.as_str()) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let field =
        |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |field| field.parse::<u64>().ok());
    let (year, month, day) = (field(0, 4)?, field(4, 6)?, field(6, 8)?);
    let (hour, minute, second) = (field(8, 10)?, field(10, 12)?, field(12, 14)?);
    let in_range = year >= 1970 && (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    let month = if in_range { usize::try_from(month - 1).ok()? } else { return None };
    if day == 0 || day > days_in(year, month) {
        return None;
    }
    let days = days_before(year) + (0..month).map(|month| days_in(year, month)).sum::<u64>() + day - 1;
    Some(days * DAY + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_one_is_written() {
        for (text, seconds, written) in [
            ("20250520T000000Z", 1_747_699_200, "20250520T000000Z"),
            ("2025-05-20", 1_747_699_200, "20250520T000000Z"),
            ("20250520", 1_747_699_200, "20250520T000000Z"),
            ("@1747699200", 1_747_699_200, "20250520T000000Z"),
            ("2024-02-29T23:59:59Z", 1_709_251_199, "20240229T235959Z"),
            ("@0", 0, "19700101T000000Z"),
            ("99991231T235959Z", LAST, "99991231T235959Z"),
        ] {
            let stamp: Stamp = text.parse().unwrap();
            assert_eq!((stamp.seconds(), stamp.to_string()), (seconds, written.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "@",
            "@-1",
            "@+1",
            "@253402300800",
            "2025",
            "2025-02-29",
            "2025-13-01",
            "2025-00-01",
            "2025-01-00",
            "20250520T240000Z",
            "20250520T006000Z",
            "20250520T000000",
            "19691231T235959Z",
            "yesterday",
            "２０２５0520",
        ] {
            let error = text.parse::<Stamp>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn written_and_read_again(seconds in 0..=LAST) {
            proptest::prop_assert_eq!(Stamp(seconds).to_string().parse(), Ok(Stamp(seconds)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}|@[0-9]{0,24}|[0-9]{8}T[0-9]{6}Z") {
            let _ = text.parse::<Stamp>();
        }
    }
}
