//! URLs: reading them, and showing them without what is secret in them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::FetchError;

/// Where a URL leads.
#[derive(Debug)]
pub(crate) enum Address {
    /// `http` or `https`. It may hold a user and a password.
    Http(Url),
    /// A file of this host.
    File(PathBuf),
}

/// Reads an `http`, `https` or `file` URL.
pub(crate) fn parse(text: &str) -> Result<Address, FetchError> {
    let refuse = |reason: String| FetchError::Url { url: redact(text), reason };
    let url = Url::parse(text).map_err(|error| refuse(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(Address::Http(url)),
        "file" => file_path(&url).map(Address::File).map_err(|reason| refuse(reason.to_owned())),
        scheme => Err(refuse(format!("{scheme:?} is none of http, https and file"))),
    }
}

/// The path of a `file` URL (RFC 8089).
fn file_path(url: &Url) -> Result<PathBuf, &'static str> {
    if !matches!(url.host_str(), None | Some("" | "localhost")) {
        return Err("a file on another host cannot be read");
    }
    let path: Vec<u8> = percent_decode_str(url.path()).collect();
    match path.first() {
        Some(b'/') if !path.contains(&0) => Ok(PathBuf::from(OsString::from_vec(path))),
        _ => Err("it names no absolute path"),
    }
}

/// The URL without user, password and fragment.
pub(crate) fn shown(url: &Url) -> String {
    bare(url).to_string()
}

/// The URL without user, password and fragment.
pub(crate) fn bare(url: &Url) -> Url {
    let mut url = url.clone();
    // Only URLs that can have none refuse to lose them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url
}

/// A text that may be a URL, without what may be a user and a password in it.
pub(crate) fn redact(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.has_host() => shown(&url),
        // Who knows where in this a password ends: rather lose too much than too little.
        _ => match (text.split_once("://"), text.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
            (None, Some((_, rest))) => rest.to_owned(),
            (_, None) => text.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_urls_are_decoded_and_local() {
        let path = |text| match parse(text) {
            Ok(Address::File(path)) => path,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(path("file:///a%20b/%C3%A9"), PathBuf::from("/a b/é"));
        assert_eq!(path("file://localhost/a"), PathBuf::from("/a"));
        assert_eq!(path("file:/a/../b"), PathBuf::from("/b"));
        for bad in ["file://server/a", "file:///a%00b", "ftp://h/a", "gopher:x", "a/b", "", "http://"] {
            assert!(matches!(parse(bad), Err(FetchError::Url { .. })), "{bad}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let url = Url::parse("https://user:secret@host:8080/p?q#f").unwrap();
        assert_eq!(shown(&url), "https://host:8080/p?q");
        for text in
            ["https://user:secret@host/p", "user:secret@host", "ftp://u:secret@h", "http://u:sec/secret@h:x/"]
        {
            assert!(!redact(text).contains("secret"), "{text}");
        }
        assert_eq!(redact("http://host:8080/a@b"), "http://host:8080/a@b");
        assert!(!parse("ht!tp://u:secret@host/").unwrap_err().to_string().contains("secret"));
    }
}
