//! Metalinks: what a repository's `repomd.xml` has to be, and mirrors that may have it.
//!
//! Metalink 3 as MirrorManager writes it, with its own `mm0:alternates` for mirrors that are a
//! step behind, and Metalink 4 (RFC 5854) as MirrorCache does. With the digests, which came from
//! the distribution itself over TLS, a mirror need not be trusted.

use std::io::BufRead;

use crate::metadata::checksum;
use crate::metadata::xml::{self, XmlError};
use crate::metadata::xml::{Element, Handler};

/// Most mirrors that are looked at.
const MAX_MIRRORS: usize = 1000;
/// Most versions of `repomd.xml`.
const MAX_VERSIONS: usize = 100;
/// What is asked for.
const REPOMD: &str = "repomd.xml";

/// What a metalink says of `repomd.xml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metalink {
    /// Versions of the file that will do, the newest first.
    pub versions: Vec<Version>,
    /// Repositories that may have one, the best first: URLs without a slash at their ends.
    pub mirrors: Vec<String>,
}

/// A version of `repomd.xml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// `sha512:…` or `sha256:…`, the stronger one first; never none.
    pub digests: Vec<String>,
    /// Its bytes.
    pub size: Option<u64>,
    /// When it was made, in seconds since 1970; 0 where that is not said.
    pub timestamp: i64,
}

/// Why a metalink cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetalinkError {
    /// It is no XML.
    #[error("the metalink {0}")]
    Xml(#[from] XmlError),
    /// It is of another file.
    #[error("the metalink says nothing of {REPOMD}")]
    NoRepomd,
    /// No digest that counts.
    #[error("the metalink has no SHA-256 or SHA-512 of {REPOMD}")]
    NoDigest,
    /// No mirror.
    #[error("the metalink has no mirror that can be used")]
    NoMirror,
}

impl Metalink {
    /// Reads a metalink.
    ///
    /// # Errors
    ///
    /// If it has no digest or no mirror of `repomd.xml`.
    pub fn parse(input: impl BufRead) -> Result<Self, MetalinkError> {
        let mut parser = Parser::default();
        xml::read(input, &mut parser)?;
        if !parser.has_repomd {
            return Err(MetalinkError::NoRepomd);
        }
        parser.versions.retain(|version| !version.digests.is_empty());
        for version in &mut parser.versions {
            version.digests.sort_by(|a, b| b.cmp(a));
            version.digests.dedup();
        }
        if parser.versions.is_empty() {
            return Err(MetalinkError::NoDigest);
        }
        // The best one first; the order of the file where two are alike.
        parser.mirrors.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        match parser.mirrors.is_empty() {
            true => Err(MetalinkError::NoMirror),
            false => Ok(Self {
                versions: parser.versions,
                mirrors: parser.mirrors.into_iter().map(|(_, url)| url).collect(),
            }),
        }
    }
}

#[derive(Default)]
struct Parser {
    in_repomd: bool,
    has_repomd: bool,
    versions: Vec<Version>,
    /// Rank, and URL.
    mirrors: Vec<(i64, String)>,
    hash: String,
    rank: i64,
}

impl Handler for Parser {
    type Error = MetalinkError;
    const ROOT: &'static str = "metalink";

    fn start(&mut self, _: usize, element: &Element<'_>) -> Result<(), MetalinkError> {
        match element.name() {
            "file" => {
                self.in_repomd = element.attribute("name")?.as_deref() == Some(REPOMD);
                if self.in_repomd {
                    self.has_repomd = true;
                    self.versions.push(Version::default());
                }
            }
            "alternate" if self.in_repomd && self.versions.len() < MAX_VERSIONS => {
                self.versions.push(Version::default());
            }
            "hash" => self.hash = element.attribute("type")?.unwrap_or_default().into_owned(),
            "url" => self.rank = rank(element)?,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _: usize, name: &str, text: &str) -> Result<(), MetalinkError> {
        let text = text.trim();
        let Some(version) = self.versions.last_mut().filter(|_| self.in_repomd) else { return Ok(()) };
        match name {
            "file" => self.in_repomd = false,
            "size" => version.size = text.parse().ok(),
            "timestamp" => version.timestamp = text.parse().unwrap_or_default(),
            "hash" if version.digests.len() < 8 => {
                let kind = self.hash.replace('-', "").to_ascii_lowercase();
                let digest = checksum(&kind, text).ok().filter(|_| matches!(&*kind, "sha256" | "sha512"));
                version.digests.extend(digest);
            }
            "url" if self.mirrors.len() < MAX_MIRRORS => {
                let base = text.strip_suffix("/repodata/repomd.xml").filter(|base| super::is_url(base));
                self.mirrors.extend(base.map(|base| (self.rank, base.to_owned())));
            }
            _ => {}
        }
        Ok(())
    }
}

/// How good a mirror is: Metalink 3 counts up, with 100 for the best, Metalink 4 down from 1.
fn rank(element: &Element<'_>) -> Result<i64, XmlError> {
    let number = |name| {
        let value = element.attribute(name)?;
        Ok::<_, XmlError>(value.and_then(|value| value.parse::<u32>().ok()).map(i64::from))
    };
    Ok(match (number("preference")?, number("priority")?) {
        (Some(preference), _) => preference,
        (None, Some(priority)) => -priority,
        (None, None) => i64::MIN,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fedora() -> String {
        let file = |tag: &str, time: u64, digit: &str| {
            format!(
                "<{tag}><mm0:timestamp>{time}</mm0:timestamp><size>10</size><verification>\
                 <hash type='md5'>{}</hash><hash type='sha256'>{}</hash><hash type='sha512'>{}</hash>\
                 </verification>",
                digit.repeat(32),
                digit.repeat(64),
                digit.repeat(128)
            )
        };
        let new = file("file name='repomd.xml'", 20, "a");
        let old = file("mm0:alternate", 10, "b");
        format!(
            "<metalink version='3.0' xmlns:mm0='x'><files>{new}<mm0:alternates>{old}</mm0:alternate>\
             </mm0:alternates><resources maxconnections='1'>\
             <url protocol='rsync' preference='100'>rsync://r/x/repodata/repomd.xml</url>\
             <url protocol='http' preference='90'>http://b/x/repodata/repomd.xml</url>\
             <url protocol='https' preference='98'>https://a/x/repodata/repomd.xml</url>\
             <url protocol='https' preference='97'>https://c/x/other</url>\
             </resources></file></files></metalink>"
        )
    }

    #[test]
    fn versions_come_with_the_strongest_digest_first_and_mirrors_by_preference() {
        let metalink = Metalink::parse(fedora().as_bytes()).unwrap();
        assert_eq!(metalink.mirrors, ["https://a/x", "http://b/x"]);
        let [new, old] = &metalink.versions[..] else { panic!("{metalink:?}") };
        assert_eq!((new.timestamp, new.size, old.timestamp), (20, Some(10), 10));
        assert_eq!(
            new.digests,
            [format!("sha512:{}", "a".repeat(128)), format!("sha256:{}", "a".repeat(64))]
        );
    }

    #[test]
    fn the_newer_format_is_read_too() {
        let text = format!(
            "<metalink xmlns='urn:ietf:params:xml:ns:metalink'><file name='repomd.xml'><size>3</size>\
             <hash type='sha-256'>{}</hash><hash type='sha-1'>{}</hash>\
             <url priority='2'>https://b/repodata/repomd.xml</url>\
             <url priority='1'>https://a/repodata/repomd.xml</url></file></metalink>",
            "c".repeat(64),
            "d".repeat(40)
        );
        let metalink = Metalink::parse(text.as_bytes()).unwrap();
        assert_eq!(metalink.mirrors, ["https://a", "https://b"]);
        assert_eq!(metalink.versions[0].digests, [format!("sha256:{}", "c".repeat(64))]);
    }

    #[test]
    fn what_says_too_little_is_refused() {
        let parse = |text: &str| Metalink::parse(text.as_bytes());
        let weak = fedora().replace("sha256", "sha1").replace("sha512", "sha1");
        assert!(matches!(parse(&weak), Err(MetalinkError::NoDigest)));
        assert!(matches!(parse(&fedora().replace("/repomd.xml", "/x")), Err(MetalinkError::NoMirror)));
        assert!(matches!(parse(&fedora().replace("'repomd.xml'", "'x'")), Err(MetalinkError::NoRepomd)));
        assert!(parse("<html></html>").is_err());
    }
}
