//! What may have been meant with a word.

/// The most names that a list shows.
const MAX_NAMES: usize = 4;

/// Those of the names that are spelled much the same, the nearest first, in any case of letters.
pub fn near<'a>(names: impl Iterator<Item = &'a str>, wanted: &str) -> Vec<&'a str> {
    let limit = if wanted.len() < 5 { 1 } else { 2 };
    let wanted = wanted.to_lowercase();
    let mut near: Vec<(usize, &str)> = names
        .filter(|name| name.len().abs_diff(wanted.len()) <= limit)
        .map(|name| (distance(name.to_lowercase().as_bytes(), wanted.as_bytes()), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, name)| name).collect()
}

/// Some names as a part of a sentence: `a, b and 3 more`.
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().take(MAX_NAMES).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// How many bytes to insert, delete or replace, or neighbours to swap.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_comes_first() {
        let names = ["curl", "curls", "libcurl", "rucl"];
        assert_eq!(near(names.into_iter(), "crul"), ["curl"]);
        assert_eq!(near(names.into_iter(), "CURLS"), ["curls", "curl"]);
        assert_eq!(near(names.into_iter(), "wget"), [""; 0]);
    }

    #[test]
    fn a_list_has_an_end() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c", "d", "e", "f"]), "a, b, c, d and 2 more");
    }
}
