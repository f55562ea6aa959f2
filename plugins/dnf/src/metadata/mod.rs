//! What repositories say of themselves: the files under `repodata/`.
//!
//! | module | file |
//! |---|---|
//! | `repomd` | `repomd.xml`: the other files, with their digests |
//! | `primary` | packages, with their dependencies |
//! | `filelists` | all files of all packages |
//! | `comps` | groups and environments |
//! | `modules` | modules: which packages belong together in which stream |
//! | `xml` | XML as these files are written in, and no more of it than they need |
//!
//! The formats have no specification of their own; createrepo_c writes what counts, and its
//! `doc/` and dnf's readers are what is followed here.

pub mod comps;
pub mod filelists;
pub mod modules;
pub mod primary;
pub mod repomd;
mod texts;
pub mod xml;

pub use texts::Texts;

use crate::repository::is_url;

/// Why the place that metadata names for a file is no place below its repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// It is absolute, empty, or leads upwards.
    #[error("\"{0}\" is no place below the repository")]
    Outside(String),
    /// Its `xml:base` is no URL that can be followed.
    #[error("its base \"{0}\" is no http, https or file URL")]
    Base(String),
}

/// The place of a file: below the repository, or a whole URL where an `xml:base` is given.
///
/// # Errors
///
/// If it leads out of the repository.
pub fn location(href: &str, base: Option<&str>) -> Result<String, LocationError> {
    if href.contains("://") || !is_location(href) {
        return Err(LocationError::Outside(href.to_owned()));
    }
    let Some(base) = base.filter(|base| !base.is_empty()) else { return Ok(href.to_owned()) };
    let whole = format!("{}/{href}", base.trim_end_matches('/'));
    match is_url(base) && is_location(&whole) {
        true => Ok(whole),
        false => Err(LocationError::Base(base.to_owned())),
    }
}

/// Whether a text is a place as [`location`] gives it: below a repository, or a whole URL.
pub fn is_location(text: &str) -> bool {
    let path = match text.split_once("://") {
        Some(("http" | "https", path)) => path,
        Some(("file", path)) if path.starts_with('/') => path,
        Some(_) => return false,
        None if text.starts_with('/') => return false,
        None => text,
    };
    // Who follows it undoes the escapes first, and looks for `/` and `..` then.
    unescaped(path).is_some_and(|path| !path.is_empty() && !path.split(|&byte| byte == b'/').any(is_parent))
}

fn is_parent(part: &[u8]) -> bool {
    part == b".."
}

/// A path without its escapes (RFC 3986, section 2.1); `None` where it has what no name of a file
/// has, or a slash that is escaped.
fn unescaped(path: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let [first, behind @ ..] = rest {
        let escaped = match behind {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (byte, behind) = match escaped {
            Some((high, low)) => (u8::try_from(high << 4 | low).ok()?, &behind[2..]),
            None => (*first, behind),
        };
        if byte.is_ascii_control() || byte == b'\\' || byte == b'/' && escaped.is_some() {
            return None;
        }
        bytes.push(byte);
        rest = behind;
    }
    Some(bytes)
}

/// What is wrong with a checksum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{kind}\" and \"{hex}\" are no checksum that can be used")]
pub struct ChecksumError {
    kind: String,
    hex: String,
}

/// A checksum as `sha256:…`, from its type and its hexadecimal digits.
///
/// # Errors
///
/// If the type is not known, or if the digits are not those of one. Whether it is one to rely on is
/// for the caller to say.
pub fn checksum(kind: &str, hex: &str) -> Result<String, ChecksumError> {
    let bad = || ChecksumError { kind: kind.to_owned(), hex: hex.chars().take(160).collect() };
    let (name, digits) = match kind {
        // What createrepo called SHA-1 once.
        "md5" => ("md5", 32),
        "sha" | "sha1" => ("sha1", 40),
        "sha224" => ("sha224", 56),
        "sha256" => ("sha256", 64),
        "sha384" => ("sha384", 96),
        "sha512" => ("sha512", 128),
        _ => return Err(bad()),
    };
    match hex.len() == digits && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(format!("{name}:{}", hex.to_ascii_lowercase())),
        false => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_below_the_repository() {
        let plain = |href| location(href, None);
        assert_eq!(plain("Packages/g/g++-1%2B~1^2.rpm").unwrap(), "Packages/g/g++-1%2B~1^2.rpm");
        assert_eq!(plain("..a/b..").unwrap(), "..a/b..");
        assert_eq!(plain("a b/100%/%zz%.rpm").unwrap(), "a b/100%/%zz%.rpm");
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a/%2E%2e/x", "https://x/y", "a\\b", "a\nb"] {
            assert!(plain(bad).is_err(), "{bad}");
        }
        for bad in ["..%2f..%2Fetc/x", "a%2fb", ".%2e", "%2e./x", "a%00", "a%5cb", "a%0ab", "a\tb", "ä/.."] {
            assert!(plain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_base_makes_a_whole_url() {
        assert_eq!(location("a/b.rpm", Some("https://x/y/")).unwrap(), "https://x/y/a/b.rpm");
        assert_eq!(location("b.rpm", Some("")).unwrap(), "b.rpm");
        assert_eq!(location("a b.rpm", Some("file:///x")).unwrap(), "file:///x/a b.rpm");
        for bad in ["x", "ftp://x", "https://x y", "javascript:x", "file://host/x", "file:///x/%2e./y"] {
            assert!(location("b.rpm", Some(bad)).is_err(), "{bad}");
        }
        assert!(location("../b.rpm", Some("https://x")).is_err());
    }

    #[test]
    fn what_is_found_to_be_a_place_stays_one() {
        for good in ["a/b.rpm", "a b", "https://x/y/a b.rpm", "file:///x/y"] {
            assert!(is_location(good), "{good}");
        }
        for bad in
            ["", "/a", "..", "a/%2e%2e/b", "a%2fb", "ftp://x/y", "a/http://x/y", "file://x/y", "file:///../y"]
        {
            assert!(!is_location(bad), "{bad}");
        }
    }

    #[test]
    fn a_checksum_has_the_digits_of_its_type() {
        let hex = "AB".repeat(32);
        assert_eq!(checksum("sha256", &hex).unwrap(), format!("sha256:{}", hex.to_lowercase()));
        assert_eq!(checksum("sha", &"0".repeat(40)).unwrap(), format!("sha1:{}", "0".repeat(40)));
        for (kind, hex) in
            [("sha512", hex.as_str()), ("md4", &hex[..32]), ("sha256", &"x".repeat(64)), ("", "")]
        {
            assert!(checksum(kind, hex).is_err(), "{kind}");
        }
    }
}
