//! PAX records, the text of an extended header (POSIX.1 `pax`, "pax Header Block").
//!
//! A record is `LENGTH KEY=VALUE\n`, where the length counts the whole record,
//! itself included. It alone says where a record ends: values of extended
//! attributes hold newlines and NULs.

/// The package that brought an entry: our own key, inside a forge only.
pub(crate) const PACKAGE: &[u8] = b"CTRFORGE.package";
/// Before the name of an extended attribute with its raw value (star, GNU tar, Go).
pub(crate) const XATTR: &[u8] = b"SCHILY.xattr.";

/// Why the records of an extended header cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It does not begin with decimal digits and a space.
    #[error("a record does not begin with its length")]
    Length,
    /// Its length goes past the end of the header.
    #[error("a record is longer than its header")]
    TooLong,
    /// There is no newline where its length says it ends.
    #[error("a record does not end in a newline")]
    Newline,
    /// It has no `=`, or nothing before it.
    #[error("a record has no key")]
    Key,
}

/// The keys and values of an extended header, in its order.
#[derive(Debug)]
pub(crate) struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    /// Over the content of an extended header.
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    fn record(&mut self) -> Result<(&'a [u8], &'a [u8]), RecordError> {
        let space = self.0.iter().take(20).position(|&b| b == b' ').ok_or(RecordError::Length)?;
        let length = parse_decimal(&self.0[..space]).ok_or(RecordError::Length)?;
        let length = usize::try_from(length).map_err(|_| RecordError::TooLong)?;
        let record = self.0.get(..length).ok_or(RecordError::TooLong)?;
        let body = record.get(space + 1..).ok_or(RecordError::Length)?;
        let body = body.strip_suffix(b"\n").ok_or(RecordError::Newline)?;
        let equals = body.iter().position(|&b| b == b'=').filter(|&at| at > 0).ok_or(RecordError::Key)?;
        self.0 = &self.0[length..];
        Ok((&body[..equals], &body[equals + 1..]))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.0 = &[];
        }
        Some(record)
    }
}

/// A number of decimal digits alone, without sign; `None` too if it overflows.
pub(crate) fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// A time in seconds since 1970, rounded down: `-1.5` is -2, as a file time
/// cut to whole seconds lies before the time it had.
pub(crate) fn parse_time(text: &[u8]) -> Option<i64> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |&b| b == b'.');
    let seconds = i128::from(parse_decimal(parts.next()?)?);
    let fraction = parts.next().unwrap_or(b"");
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let partial = i128::from(fraction.iter().any(|&b| b != b'0'));
    i64::try_from(if negative { -seconds - partial } else { seconds }).ok()
}

/// Appends one record to `out`.
pub(crate) fn append(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    // Writing the length down can make it longer, which can make it longer by
    // one digit once more, never again.
    while rest + decimal_digits(length) != length {
        length = rest + decimal_digits(length);
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Pair<'a> = (&'a [u8], &'a [u8]);

    fn parse(data: &[u8]) -> Result<Vec<Pair<'_>>, RecordError> {
        Records::new(data).collect()
    }

    #[test]
    fn reads_what_posix_shows() {
        assert_eq!(
            parse(b"30 mtime=1321711775.972059463\n"),
            Ok(vec![(&b"mtime"[..], &b"1321711775.972059463"[..])])
        );
        assert_eq!(parse(b"8 a=b=c\n8 path=\n"), Ok(vec![(&b"a"[..], &b"b=c"[..]), (b"path", b"")]));
        assert_eq!(parse(b""), Ok(vec![]));
    }

    #[test]
    fn refuses_records_that_cannot_be_told_apart() {
        for (data, error) in [
            (&b"x"[..], RecordError::Length),
            (b" a=b\n", RecordError::Length),
            (b"-6 a=b\n", RecordError::Length),
            (b"0 a=b\n", RecordError::Length),
            (b"1 a=b\n", RecordError::Length),
            (b"2 a=b\n", RecordError::Newline),
            (b"99999999999999999999999 a=b\n", RecordError::Length),
            (b"18446744073709551615 a=b\n", RecordError::Length),
            (b"9999999999999999999 a=b\n", RecordError::TooLong),
            (b"7 a=b\n", RecordError::TooLong),
            (b"5 a=b\n", RecordError::Newline),
            (b"5 ab\n", RecordError::Key),
            (b"5 =b\n", RecordError::Key),
            (b"6 a=b\n\0", RecordError::Length),
        ] {
            assert_eq!(parse(data), Err(error), "{}", data.escape_ascii());
        }
    }

    #[test]
    fn times_are_rounded_down() {
        for (text, seconds) in [
            ("0", 0),
            ("1.999999999", 1),
            ("-1", -1),
            ("-1.0", -1),
            ("-1.5", -2),
            ("-0.000000001", -1),
            ("12.", 12),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_time(text.as_bytes()), Some(seconds), "{text}");
        }
        for text in ["", "-", "+1", ".5", "1e3", "1.5x", "--1", "9223372036854775808"] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_length_counts_itself() {
        for length in 0..1200 {
            let mut record = Vec::new();
            append(&mut record, b"k", &vec![b'v'; length]);
            assert!(record.starts_with(format!("{} k=", record.len()).as_bytes()), "{length}");
        }
    }

    proptest! {
        #[test]
        fn what_is_appended_is_read(pairs: Vec<(String, Vec<u8>)>) {
            let pairs: Vec<_> = pairs
                .into_iter()
                .map(|(key, value)| (format!("k{}", key.replace('=', "")).into_bytes(), value))
                .collect();
            let mut data = Vec::new();
            for (key, value) in &pairs {
                append(&mut data, key, value);
            }
            let expected: Vec<_> = pairs.iter().map(|(k, v)| (k.as_slice(), v.as_slice())).collect();
            prop_assert_eq!(parse(&data), Ok(expected));
        }

        #[test]
        fn arbitrary_text_never_panics(data: Vec<u8>) {
            let _ = parse(&data);
        }
    }
}
