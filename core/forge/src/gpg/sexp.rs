//! Canonical S-expressions (RFC 9804, section 6.1): `(3:rsa(1:n2:..))`.

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 8;

/// An expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sexp {
    Atom(Vec<u8>),
    List(Vec<Self>),
}

impl Sexp {
    /// Reads one that is all of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let sexp = read(&mut rest, 0)?;
        rest.is_empty().then_some(sexp)
    }

    /// The list inside of this one that begins with the word `name`.
    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        let Self::List(items) = self else { return None };
        items.iter().find(|item| item.name() == Some(name.as_bytes()))
    }

    /// The value of `(name value)` inside of this list.
    pub(super) fn value(&self, name: &str) -> Option<&[u8]> {
        match self.find(name)? {
            Self::List(items) => match &items[..] {
                [_, Self::Atom(value)] => Some(value),
                _ => None,
            },
            Self::Atom(_) => None,
        }
    }

    fn name(&self) -> Option<&[u8]> {
        match self {
            Self::List(items) => match items.first()? {
                Self::Atom(name) => Some(name),
                Self::List(_) => None,
            },
            Self::Atom(_) => None,
        }
    }
}

fn read(rest: &mut &[u8], depth: usize) -> Option<Sexp> {
    if depth > MAX_DEPTH {
        return None;
    }
    if rest.first() != Some(&b'(') {
        return atom(rest).map(Sexp::Atom);
    }
    *rest = &rest[1..];
    let mut items = Vec::new();
    while *rest.first()? != b')' {
        items.push(read(rest, depth + 1)?);
    }
    *rest = &rest[1..];
    Some(Sexp::List(items))
}

fn atom(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let colon = rest.iter().take(8).position(|&byte| byte == b':')?;
    let length = std::str::from_utf8(&rest[..colon]).ok()?;
    // Digits alone: a number of Rust's may have a sign.
    let length: usize = length.bytes().all(|b| b.is_ascii_digit()).then(|| length.parse().ok())??;
    let value = rest.get(colon + 1..colon + 1 + length)?.to_vec();
    *rest = &rest[colon + 1 + length..];
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_signature_of_the_agent() {
        let sexp = Sexp::parse(b"(7:sig-val(5:ecdsa(1:r2:\x01\x02)(1:s1:))))").unwrap();
        let ecdsa = sexp.find("ecdsa").unwrap();
        assert_eq!((ecdsa.value("r"), ecdsa.value("s")), (Some(&b"\x01\x02"[..]), Some(&b")"[..])));
        assert_eq!(ecdsa.value("t"), None);
        for bad in ["", "(", "(1:a", "1:a)", "+1:a", "9:a", "(1:a))", "99999999999:a", "(())1:a"] {
            assert_eq!(Sexp::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(prop_oneof![
            Just(b'('), Just(b')'), Just(b':'), b'0'..=b'3', any::<u8>()
        ], 0..64)) {
            let _ = Sexp::parse(&bytes);
        }
    }
}
