//! Package URLs: `pkg:apk/alpine/NAME@VERSION?arch=…` (purl-spec, type `apk`).

/// The package URL of a package.
pub fn purl(distribution: &str, release: &str, name: &str, version: &str, arch: &str) -> String {
    let (name, version) = (encoded(&name.to_ascii_lowercase()), encoded(version));
    let mut purl = format!("pkg:apk/{}/{name}@{version}", encoded(distribution));
    let qualifiers: Vec<String> = [("arch", arch.to_owned()), ("distro", distro(distribution, release))]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={}", encoded(&value)))
        .collect();
    if !qualifiers.is_empty() {
        purl.push('?');
        purl.push_str(&qualifiers.join("&"));
    }
    purl
}

fn distro(distribution: &str, release: &str) -> String {
    match release.trim_start_matches('v') {
        "" => String::new(),
        release => format!("{distribution}-{release}"),
    }
}

/// Percent-encoded, as purl-spec has it: all but letters, digits and `.-_~:`.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ if b".-_~:".contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
