//! What a registry asks for (RFC 9110 §11, distribution's `token.md`).

use std::collections::BTreeMap;

/// What `WWW-Authenticate` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token of the server `realm`.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The first challenge in a header that is understood; tokens before passwords.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let bearer = find(header, "bearer").and_then(|rest| {
            let mut fields = parameters(rest);
            let realm = fields.remove("realm")?;
            Some(Self::Bearer { realm, service: fields.remove("service"), scope: fields.remove("scope") })
        });
        bearer.or_else(|| find(header, "basic").map(|_| Self::Basic))
    }
}

/// What stands behind a scheme's name, which is a word of its own.
fn find<'a>(header: &'a str, scheme: &str) -> Option<&'a str> {
    let lower = header.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower[from..].find(scheme) {
        let (start, end) = (from + at, from + at + scheme.len());
        let before = lower[..start].trim_end().chars().next_back();
        let after = lower[end..].chars().next();
        if before.is_none_or(|c| c == ',') && after.is_none_or(|c| c == ' ' || c == ',') {
            return Some(&header[end..]);
        }
        from = end;
    }
    None
}

/// `name="value", name=value`, until something else comes.
fn parameters(mut rest: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((name, after)) = rest.split_once('=') else { return found };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return found;
        }
        let value = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut value = String::new();
                let mut chars = quoted.char_indices();
                let mut end = quoted.len();
                while let Some((at, c)) = chars.next() {
                    match c {
                        '\\' => value.extend(chars.next().map(|(_, c)| c)),
                        '"' => {
                            end = at + 1;
                            break;
                        }
                        c => value.push(c),
                    }
                }
                rest = &quoted[end..];
                value
            }
            None => {
                let end = after.find([',', ' ']).unwrap_or(after.len());
                rest = &after[end..];
                after[..end].to_owned()
            }
        };
        found.entry(name.to_ascii_lowercase()).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn challenges_of_registries() {
        let header = r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.example/token".into(),
            service: Some("r.example".into()),
            scope: Some("repository:a/b:pull,push".into()),
        };
        assert_eq!(Challenge::parse(header), Some(expected.clone()));
        assert_eq!(Challenge::parse(&format!("Basic realm=x, {header}")), Some(expected));
        assert_eq!(Challenge::parse("basic realm=\"a bearer of bad news\""), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Negotiate"), None);
        assert_eq!(Challenge::parse("Bearer service=x"), None);
    }

    proptest! {
        #[test]
        fn no_header_breaks_it(header in "(([Bb]earer|Basic|realm|service|=|\"|,| |\\\\|.)){0,20}") {
            let _ = Challenge::parse(&header);
        }
    }
}
