//! The header `Content-Range` (RFC 9110 §14.4), as an answer to "the rest, please".

/// Whether `header` says that what follows is exactly the content from `first`
/// to its end. `size`: how long the content is, if that is known.
///
/// Anything else (a piece from the middle, another unit, nonsense) cannot be
/// appended to what is there, and the caller starts over.
pub(crate) fn is_the_rest(header: &str, first: u64, size: Option<u64>) -> bool {
    parse(header).is_some_and(|range| {
        range.first == first
            && range.size.is_none_or(|all| range.last.checked_add(1) == Some(all))
            && size.is_none_or(|all| range.last.checked_add(1) == Some(all))
    })
}

/// `bytes FIRST-LAST/SIZE`; size `*` is unknown.
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    first: u64,
    last: u64,
    size: Option<u64>,
}

fn parse(header: &str) -> Option<ContentRange> {
    let (unit, rest) = header.trim().split_once(' ')?;
    let (range, size) = rest.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let size = if size == "*" { None } else { Some(number(size)?) };
    let (first, last) = (number(first)?, number(last)?);
    let valid = unit.eq_ignore_ascii_case("bytes") && first <= last && size.is_none_or(|size| last < size);
    valid.then_some(ContentRange { first, last, size })
}

/// Digits alone; `u64::from_str` takes a plus sign too.
fn number(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_rest_is_the_rest() {
        assert!(is_the_rest("bytes 5-9/10", 5, Some(10)));
        assert!(is_the_rest("Bytes 5-9/*", 5, Some(10)));
        assert!(is_the_rest("bytes 5-9/10", 5, None));
        for bad in [
            "bytes 4-9/10",
            "bytes 5-8/10",
            "bytes 5-9/11",
            "bytes 5-10/11",
            "bytes */10",
            "bytes 5-/10",
            "bytes +5-9/10",
            "items 5-9/10",
            "bytes 5-18446744073709551615/*",
            "5-9/10",
            "",
        ] {
            assert!(!is_the_rest(bad, 5, Some(10)), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(first in 0..u64::MAX / 2, more in 0..u64::MAX / 4, after in 1..u64::MAX / 4) {
            let (last, size) = (first + more, first + more + after);
            let header = format!("bytes {first}-{last}/{size}");
            prop_assert_eq!(parse(&header), Some(ContentRange { first, last, size: Some(size) }));
            let to_the_end = format!("bytes {first}-{last}/{}", last + 1);
            prop_assert!(is_the_rest(&to_the_end, first, None));
        }

        #[test]
        fn no_text_breaks_it(text in "(bytes )?[0-9*/ +-]{0,50}|.*", first: u64, size: Option<u64>) {
            if is_the_rest(&text, first, size) {
                prop_assert!(text.contains(&first.to_string()));
            }
        }
    }
}
