//! "Did you mean".

/// Of `known`, the word that `word` was probably meant to be.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|other| (strsim::jaro_winkler(word, other), other));
    // Below 0.8 the words look unrelated to a person.
    let best = scored.filter(|(score, _)| *score >= 0.8).max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_only() {
        let known = ["scratch", "debootstrap", "dnf"];
        assert_eq!(suggest("scrach", known), Some("scratch"));
        assert_eq!(suggest("deboostrap", known), Some("debootstrap"));
        assert_eq!(suggest("xyz", known), None);
    }
}
