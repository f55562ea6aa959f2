//! Seconds since 1970 as RFC 3339, the only form of a date that image readers take.

/// 0001-01-01T00:00:00Z: before it, Go's `time.Time`, which readers are built on, wraps.
const FIRST: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z: RFC 3339 has four digits for the year.
const LAST: i64 = 253_402_300_799;

const SECONDS_PER_DAY: i64 = 86_400;
/// From 0000-03-01 to 1970-01-01 in the Gregorian calendar carried back.
const DAYS_BEFORE_1970: i64 = 719_468;
const DAYS_PER_400_YEARS: i64 = 146_097;
const DAYS_PER_100_YEARS: i64 = 36_524;
const DAYS_PER_4_YEARS: i64 = 1_461;

/// `seconds` since 1970 as RFC 3339 in UTC, `1970-01-01T00:00:00Z`; `None` outside of the years 1 to 9999.
pub fn rfc3339(seconds: i64) -> Option<String> {
    if !(FIRST..=LAST).contains(&seconds) {
        return None;
    }
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// Seconds since 1970 of a date in RFC 3339, without its fractions; `None` if it is none, or
/// outside of the years 1 to 9999.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    let number = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse::<i64>().ok() } else { None }
    };
    let [year, month, day] = fields(day, '-')?.map(number);
    let (year, month, day) = (year?, month?, day?);
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [hour, minute, second] = fields(time, ':')?.map(number);
    let (hour, minute, second) = (hour?, minute?, second?);
    let rest = match rest.strip_prefix('.') {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let offset = match rest {
        "Z" | "z" => 0,
        _ => {
            let sign = if rest.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = rest.strip_prefix(['+', '-'])?.split_once(':')?;
            sign * (number(hours)? * 3600 + number(minutes)? * 60)
        }
    };
    let seconds = (days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second.min(59);
    // What is no day of the calendar comes out as another one.
    let is_real =
        civil(days(year, month, day)) == (year, month, day) && hour < 24 && minute < 60 && second <= 60;
    Some(seconds - offset).filter(|seconds| is_real && (FIRST..=LAST).contains(seconds))
}

fn fields(text: &str, separator: char) -> Option<[&str; 3]> {
    let mut fields = text.split(separator);
    let three = [fields.next()?, fields.next()?, fields.next()?];
    fields.next().is_none().then_some(three)
}

/// The inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    cycle * DAYS_PER_400_YEARS + year * 365 + year / 4 - year / 100 + day_of_year - DAYS_BEFORE_1970
}

/// Year, month and day of a day counted from 1970-01-01, not before the year 1.
fn civil(day: i64) -> (i64, i64, i64) {
    // Years that begin in March have the leap day, if any, as their last day;
    // so a span's odd day is its last, which `min` keeps from beginning a new one.
    let day = day + DAYS_BEFORE_1970;
    let (cycles, day) = (day / DAYS_PER_400_YEARS, day % DAYS_PER_400_YEARS);
    let centuries = (day / DAYS_PER_100_YEARS).min(3);
    let day = day - centuries * DAYS_PER_100_YEARS;
    let (leaps, day) = (day / DAYS_PER_4_YEARS, day % DAYS_PER_4_YEARS);
    let years = (day / 365).min(3);
    let day = day - years * 365;
    // The five months from March have 153 days, and so have the five that follow.
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let year = 400 * cycles + 100 * centuries + 4 * leaps + years;
    match month {
        0..=9 => (year, month + 3, day_of_month),
        _ => (year + 1, month - 9, day_of_month),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_of_others_are_read() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2023-11-14T22:13:20.123456789Z", Some(1_700_000_000)),
            ("2023-11-15T00:13:20+02:00", Some(1_700_000_000)),
            ("2023-11-14T17:43:20-04:30", Some(1_700_000_000)),
            ("2023-02-29T00:00:00Z", None),
            ("2023-11-14", None),
            ("yesterday", None),
            ("2023-11-14T25:00:00Z", None),
        ] {
            assert_eq!(parse_rfc3339(text), seconds, "{text}");
        }
    }

    #[test]
    fn known_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (-2_203_891_200, "1900-03-01T00:00:00Z"),
            (FIRST, "0001-01-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds).as_deref(), Some(text));
        }
    }

    #[test]
    fn years_outside_of_four_digits_have_no_text() {
        for seconds in [FIRST - 1, LAST + 1, i64::MIN, i64::MAX] {
            assert_eq!(rfc3339(seconds), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in FIRST..=LAST) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(seconds).unwrap()), Some(seconds));
        }

        #[test]
        fn no_text_breaks_it(text in ".{0,30}") {
            let _ = parse_rfc3339(&text);
        }

        /// Counting days month by month, as the calendar's rules have it, leads back to the same day.
        #[test]
        fn agrees_with_the_calendar_rules(day in FIRST / SECONDS_PER_DAY..=LAST / SECONDS_PER_DAY) {
            let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let (year, month, day_of_month) = civil(day);
            let february = if leap(year) { 29 } else { 28 };
            let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            prop_assert!((1..=months[month as usize - 1]).contains(&day_of_month));
            let full = year - 1;
            let before: i64 = months[..month as usize - 1].iter().sum();
            let counted = 365 * full + full / 4 - full / 100 + full / 400 + before + day_of_month - 1;
            prop_assert_eq!(counted, day - FIRST / SECONDS_PER_DAY);
        }
    }
}
