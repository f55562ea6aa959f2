//! Package URLs: the name of a package in bills of materials (ECMA-427, "purl").

/// The URL of a package of the type `kind` (`deb`, `rpm`, `apk`), without an empty `namespace` and
/// empty qualifiers. Names and namespace are written as the type has them: lower case, mostly.
///
/// `qualifiers` come sorted by their names.
pub fn purl(kind: &str, namespace: &str, name: &str, version: &str, qualifiers: &[(&str, &str)]) -> String {
    let namespace = if namespace.is_empty() { String::new() } else { encoded(namespace) + "/" };
    let mut purl = format!("pkg:{kind}/{namespace}{}@{}", encoded(name), encoded(version));
    let there = qualifiers.iter().filter(|(_, value)| !value.is_empty());
    for (index, (name, value)) in there.enumerate() {
        let separator = if index == 0 { '?' } else { '&' };
        purl.push_str(&format!("{separator}{name}={}", encoded(value)));
    }
    purl
}

/// With all encoded that is not plain in any component. The colon of an epoch stays as it is:
/// ECMA-427 forbids to encode it anywhere.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ if b".-_~:".contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
