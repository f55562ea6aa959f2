//! `HOST/NAME:TAG`: an image in a registry (distribution's `reference` grammar).

use std::fmt;

use ctr_forge_plugin::{Error, Result};
use ctr_forge_rootfs::Digest;

/// The registry that engines assume for a name without one, and where its API is.
const DEFAULT: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host and port, as in the name.
    pub registry: String,
    /// `team/app`.
    pub repository: String,
    /// The tag; `latest` where neither tag nor digest is given.
    pub tag: Option<String>,
    /// The digest of its manifest.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Takes a name apart.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::usage(format!("\"{}\" names no image in a registry: {why}", text.escape_debug()))
                .hint("It is written as registry.example/team/app:1.2")
        };
        let plain = text.strip_prefix("docker://").unwrap_or(text);
        let (name, digest) = match plain.split_once('@') {
            Some((name, digest)) => (
                name,
                Some(digest.parse().map_err(|_| wrong("what stands behind \"@\" is no SHA-256 digest"))?),
            ),
            None => (plain, None),
        };
        let slash = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[slash..].split_once(':') {
            Some((_, tag)) => (&name[..name.len() - tag.len() - 1], Some(tag)),
            None => (name, None),
        };
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, rest.to_owned())
            }
            Some(_) => (DEFAULT.0, name.to_owned()),
            None => (DEFAULT.0, format!("library/{name}")),
        };
        let tag_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if let Some(tag) = tag
            && (tag.len() > 128
                || !tag.starts_with(tag_char)
                || !tag.chars().all(|c| tag_char(c) || c == '.' || c == '-'))
        {
            return Err(wrong("its tag is not one"));
        }
        let is_part = |part: &str| {
            let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            part.starts_with(ends)
                && part.ends_with(ends)
                && part.chars().all(|c| ends(c) || "._-".contains(c))
        };
        if path.len() > 255 || !path.split('/').all(is_part) {
            return Err(wrong(
                "its name is not one: lower-case letters and digits, in parts separated by \"/\"",
            ));
        }
        let host_char = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if registry.is_empty() || !registry.chars().all(host_char) {
            return Err(wrong("its registry is no host"));
        }
        let tag = tag.map(str::to_owned).or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { registry: registry.to_owned(), repository: path, tag, digest })
    }

    /// Host and port of the API.
    pub fn api(&self) -> &str {
        if self.registry == DEFAULT.0 { DEFAULT.1 } else { &self.registry }
    }

    /// What the API knows the image by: digest, else tag.
    pub fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match (&self.digest, &self.tag) {
            (Some(digest), _) => write!(f, "@{digest}"),
            (None, Some(tag)) => write!(f, ":{tag}"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, shown, api) in [
            ("alpine", "docker.io/library/alpine:latest".to_owned(), "registry-1.docker.io"),
            ("team/app:1", "docker.io/team/app:1".to_owned(), "registry-1.docker.io"),
            ("docker://localhost/a", "localhost/a:latest".to_owned(), "localhost"),
            ("127.0.0.1:5000/a/b:v1", "127.0.0.1:5000/a/b:v1".to_owned(), "127.0.0.1:5000"),
            (&format!("r.example/a:1@{digest}"), format!("r.example/a@{digest}"), "r.example"),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!((reference.to_string(), reference.api()), (shown, api), "{text}");
        }
        for bad in
            ["", "A", "a:", "r.example/", "r.example//a", "a@sha256:1", "a:b:c", "r ex.ample/a", "a/../b"]
        {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[a-z0-9./:@_-]{0,40}|.{0,20}") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap().to_string(), reference.to_string());
            }
        }
    }
}
