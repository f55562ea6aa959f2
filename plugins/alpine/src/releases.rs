//! What is known of Alpine: releases, architectures, keys. The facts are in `releases.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// What `releases.toml` says.
#[derive(Debug, Deserialize)]
struct Releases {
    url: String,
    releases: Vec<String>,
    /// Fingerprints by the end of the key's name.
    keys: BTreeMap<String, String>,
    arch: Vec<Arch>,
}

/// An architecture.
#[derive(Debug, Deserialize)]
pub struct Arch {
    /// Alpine's name: `x86_64`.
    pub name: String,
    /// OCI's name, with its variant: `arm/v7`.
    pub oci: String,
    keys: Vec<String>,
}

/// A public key that comes with this plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its file name in `/etc/apk/keys`.
    pub name: String,
    /// It, in PEM.
    pub pem: &'static [u8],
    /// SHA-256 of its `SubjectPublicKeyInfo`, upper-case hexadecimal.
    pub fingerprint: String,
}

#[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
static KNOWN: LazyLock<Releases> =
    LazyLock::new(|| toml::from_str(include_str!("releases.toml")).expect("releases.toml can be read"));

macro_rules! keys {
    ($($id:literal),* $(,)?) => {
        &[$(($id, include_bytes!(concat!("../keys/", $id, ".rsa.pub")))),*]
    };
}

/// Keys by the end of their names.
const KEYS: &[(&str, &[u8])] = keys![
    "4a6a0840", "5243ef4b", "524d27bb", "5261cecb", "58199dcc", "58cbb476", "58e4f17d", "5e69ca50",
    "60ac2099", "6165ee59", "61666e3f", "616a9724", "616abc23", "616ac3bc", "616adfeb", "616ae350",
    "616db30d", "66ba20fe",
];

/// Where Alpine's own repositories are.
pub fn url() -> &'static str {
    &KNOWN.url
}

/// The known releases, the newest first.
pub fn all() -> &'static [String] {
    &KNOWN.releases
}

/// The folder of a release on a mirror: `v3.20` for `3.20`, `v3.20` and `3.20.3`. What is no
/// known release but looks like one is taken at its word, for there will be new ones.
pub fn branch(word: &str) -> Option<String> {
    match word {
        "edge" => return Some(word.to_owned()),
        "latest-stable" | "latest" | "stable" => return KNOWN.releases.first().cloned(),
        _ => {}
    }
    let mut numbers = word.strip_prefix('v').unwrap_or(word).split('.');
    let mut number = || numbers.next().filter(|digits| digits.parse::<u16>().is_ok());
    let (major, minor) = (number()?, number()?);
    Some(format!("v{major}.{minor}"))
}

/// The architecture with this name, OCI's or Alpine's.
pub fn arch(name: &str) -> Option<&'static Arch> {
    let name = if name == "arm64/v8" { "arm64" } else { name };
    KNOWN.arch.iter().find(|arch| arch.name == name || arch.oci == name)
}

/// The keys that sign for an architecture.
pub fn keys(arch: &str) -> Vec<Key> {
    let Some(arch) = self::arch(arch) else { return Vec::new() };
    let key = |id: &String| {
        let (_, pem) = KEYS.iter().find(|(known, _)| known == id)?;
        let name = format!("alpine-devel@lists.alpinelinux.org-{id}.rsa.pub");
        Some(Key { name, pem, fingerprint: KNOWN.keys.get(id)?.to_uppercase() })
    };
    arch.keys.iter().filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use sha2::Digest as _;

    use super::*;

    #[test]
    fn each_architecture_has_its_keys_and_they_are_what_their_fingerprints_say() {
        for arch in &KNOWN.arch {
            let keys = keys(&arch.oci);
            assert_eq!(keys.len(), arch.keys.len(), "{}", arch.name);
            for key in keys {
                let text = std::str::from_utf8(key.pem).unwrap();
                let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
                let der = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
                let digest: String =
                    sha2::Sha256::digest(&der).iter().map(|byte| format!("{byte:02X}")).collect();
                assert_eq!(digest, key.fingerprint, "{}", key.name);
            }
        }
        let mut used: Vec<_> = KNOWN.arch.iter().flat_map(|arch| &arch.keys).collect();
        used.sort();
        used.dedup();
        assert_eq!(used.len(), KEYS.len());
    }

    #[test]
    fn a_release_has_several_names() {
        for (word, expected) in [
            ("3.20", Some("v3.20")),
            ("v3.20", Some("v3.20")),
            ("3.20.3", Some("v3.20")),
            ("edge", Some("edge")),
            ("v9.99", Some("v9.99")),
            ("latest-stable", Some(all()[0].as_str())),
            ("bookworm", None),
            ("3", None),
        ] {
            assert_eq!(branch(word).as_deref(), expected, "{word}");
        }
    }
}
