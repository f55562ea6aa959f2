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

/// Why the place that metadata names for a file is no place below its repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// It is absolute, empty, or has a `..`.
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
    let is_outside = href.is_empty()
        || href.starts_with('/')
        || href.contains(['\\', '\0', '\n', '\r'])
        || href.contains("://")
        || href.split('/').any(is_parent);
    if is_outside {
        return Err(LocationError::Outside(href.to_owned()));
    }
    let Some(base) = base.filter(|base| !base.is_empty()) else { return Ok(href.to_owned()) };
    let is_url = ["http://", "https://", "file:///"].iter().any(|scheme| base.starts_with(scheme));
    match is_url && !base.contains(|c: char| c.is_whitespace() || c.is_control()) {
        true => Ok(format!("{}/{href}", base.trim_end_matches('/'))),
        false => Err(LocationError::Base(base.to_owned())),
    }
}

/// Whether a server could take a part of a path for "one up", escaped or not.
fn is_parent(part: &str) -> bool {
    part.to_ascii_lowercase().replace("%2e", ".") == ".."
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
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a/%2E%2e/x", "https://x/y", "a\\b", "a\nb"] {
            assert!(plain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_base_makes_a_whole_url() {
        assert_eq!(location("a/b.rpm", Some("https://x/y/")).unwrap(), "https://x/y/a/b.rpm");
        assert_eq!(location("b.rpm", Some("")).unwrap(), "b.rpm");
        for bad in ["x", "ftp://x", "https://x y", "javascript:x"] {
            assert!(location("b.rpm", Some(bad)).is_err(), "{bad}");
        }
        assert!(location("../b.rpm", Some("https://x")).is_err());
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
