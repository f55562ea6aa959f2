//! Where packages come from, who may sign for it, and how that is written.
//!
//! A line of `/etc/apk/repositories` (apk-repositories(5)): `[@TAG] URL`, where the URL is that of
//! a folder with a folder for each architecture, or of an index itself.

use ctr_forge_plugin::{Error, ErrorKind, Result};

use crate::releases;

/// The name of an index in its folder.
const INDEX: &str = "APKINDEX.tar.gz";

/// Most repositories of a build: as many as fit into the set that the resolver uses.
pub const MAX: usize = 64;

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Without a slash at its end.
    pub url: String,
    /// Its tag: only packages that ask for it come from here.
    pub tag: Option<String>,
}

/// A repository, who may sign for it and who carries its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) repository: Repository,
    /// The keys that count: their names and PEM.
    pub(crate) keys: Vec<(String, Vec<u8>)>,
    /// Of those, only the ones with these fingerprints, where any is named.
    pub(crate) fingerprints: Vec<String>,
    /// Where its bytes are to be had, if not at its URL.
    pub(crate) transport: Option<String>,
}

impl Repository {
    /// Reads a line of a repositories file; `None` for an empty one and a comment.
    ///
    /// # Errors
    ///
    /// If it names no repository.
    pub fn parse(line: &str) -> Result<Option<Self>> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let bad = |why: &str| Error::usage(format!("\"{line}\" is no repository: {why}"));
        let (tag, place) = match line.strip_prefix('@') {
            None => (None, line),
            Some(rest) => {
                let (tag, place) = rest
                    .split_once(|c: char| c.is_whitespace())
                    .ok_or_else(|| bad("behind the tag there is no URL"))?;
                (Some(tag.to_owned()), place.trim())
            }
        };
        if place.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(bad("there is more than a URL")
                .hint("Name one with its tag in one word: --repo '@edge https://…/edge/main'."));
        }
        let url = match place {
            _ if ["https://", "http://", "file:///"].iter().any(|scheme| place.starts_with(scheme)) => {
                place.to_owned()
            }
            _ if place.starts_with('/') => format!("file://{place}"),
            _ => return Err(bad("it needs a URL (https, http, file) or a path from the root on")),
        };
        let url = url.trim_end_matches('/');
        match url.ends_with(':') {
            true => Err(bad("behind its scheme there is nothing")),
            false => Ok(Some(Self { url: url.to_owned(), tag })),
        }
    }

    /// The URL of its index for an architecture.
    pub fn index_url(&self, arch: &str) -> String {
        index_url(&self.url, arch)
    }

    /// Whether it is one of Alpine's own, by its URL.
    pub fn is_alpines(&self) -> bool {
        self.url.strip_prefix(releases::url()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// As it stands in `/etc/apk/repositories`.
    pub fn line(&self) -> String {
        let place = self.url.strip_prefix("file://").unwrap_or(&self.url);
        self.tag.as_ref().map_or_else(|| place.to_owned(), |tag| format!("@{tag} {place}"))
    }
}

/// The URL of the index of a repository at `url`.
pub(crate) fn index_url(url: &str, arch: &str) -> String {
    match url.ends_with(".tar.gz") || url.ends_with(".adb") {
        true => url.to_owned(),
        false => format!("{url}/{arch}/{INDEX}"),
    }
}

/// The URL of a package's file in the repository at `url`.
pub(crate) fn package_url(url: &str, arch: &str, name: &str, version: &str) -> String {
    let index = index_url(url, arch);
    let folder = index.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{}", escaped(&format!("{name}-{version}.apk")))
}

/// A file name as it stands in a URL (RFC 3986, section 3.3).
fn escaped(name: &str) -> String {
    let escape = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ if b"-._~+".contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(escape).collect()
}

impl Place {
    /// Where its bytes are to be had.
    pub(crate) fn base(&self) -> &str {
        self.transport.as_deref().unwrap_or(&self.repository.url)
    }

    /// What messages call it.
    pub(crate) fn title(&self) -> &str {
        &self.repository.url
    }

    /// An error for a repository that nobody may sign for.
    pub(crate) fn no_key(&self) -> Error {
        Error::new(ErrorKind::Verification, format!("no key is known that may sign for {}", self.title()))
            .hint("Name a file with its public key: --key FILE.")
            .option("key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_apk_reads_them() {
        let parse = |line| Repository::parse(line).unwrap().unwrap();
        let edge = parse(" @edge https://dl-cdn.alpinelinux.org/alpine/edge/main/ ");
        assert_eq!((edge.tag.as_deref(), edge.is_alpines()), (Some("edge"), true));
        assert_eq!(edge.line(), "@edge https://dl-cdn.alpinelinux.org/alpine/edge/main");
        assert_eq!(
            edge.index_url("x86"),
            "https://dl-cdn.alpinelinux.org/alpine/edge/main/x86/APKINDEX.tar.gz"
        );
        let local = parse("/srv/apk");
        assert_eq!((local.url.as_str(), local.line().as_str()), ("file:///srv/apk", "/srv/apk"));
        assert!(!parse("https://dl-cdn.alpinelinux.org/alpinefake/v3.20/main").is_alpines());
        assert!(Repository::parse("# x").unwrap().is_none() && Repository::parse("  ").unwrap().is_none());
        for line in
            ["@edge", "ftp://x/y", "relative/path", "https://a b", "http://", "file:///", "//", "@a /"]
        {
            assert!(Repository::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_package_lies_beside_its_index() {
        assert_eq!(package_url("https://x/r", "x86_64", "a", "1-r0"), "https://x/r/x86_64/a-1-r0.apk");
        assert_eq!(package_url("https://x/r/i.tar.gz", "x86", "g++", "1:2"), "https://x/r/g++-1%3A2.apk");
    }
}
