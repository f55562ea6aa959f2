//! Users and passwords for servers: `apt_auth.conf(5)`, and `.netrc`, which it extends.
//!
//! ```text
//! machine [scheme://]host[:port][/path] login NAME password PASSWORD
//! ```
//!
//! Tokens stand between blanks and line ends, and unknown ones are skipped. The
//! first entry that matches a URL decides. What is not written is not assumed:
//! an entry without a scheme is for HTTPS alone, as in apt, and `default` (an
//! entry for every host) is not heeded, since it is a plugin that names the hosts.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use url::Url;

use crate::error::FetchError;

/// No file of credentials is longer than this, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// Without the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// All that the configured files say.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    entries: Vec<Entry>,
    /// Files that this user may not read: root's `auth.conf` is no obstacle to those
    /// who need no password, but worth a word to those who do.
    unreadable: Vec<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    machine: Machine,
    login: Login,
}

/// What follows `machine`.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    scheme: String,
    host: String,
    port: Option<u16>,
    /// The path of the URL begins so.
    path: String,
}

impl Credentials {
    /// Reads files and directories of files.
    pub(crate) fn read(places: &[PathBuf]) -> Result<Self, FetchError> {
        let mut credentials = Self::default();
        for place in places {
            for file in files(place)? {
                credentials.add(file)?;
            }
        }
        Ok(credentials)
    }

    fn add(&mut self, file: PathBuf) -> Result<(), FetchError> {
        let error = |reason: String| FetchError::Credentials { place: file.clone(), reason };
        match read_bounded(&file) {
            Ok(text) => self.entries.extend(parse(&text).map_err(error)?),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
            Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => self.unreadable.push(file),
            Err(fault) => return Err(error(fault.to_string())),
        }
        Ok(())
    }

    /// The login for a URL.
    pub(crate) fn find(&self, url: &Url) -> Option<&Login> {
        self.entries.iter().find(|entry| entry.machine.matches(url)).map(|entry| &entry.login)
    }

    /// A file that exists and could not be read, where a password may have been.
    pub(crate) fn unreadable(&self) -> Option<&Path> {
        self.unreadable.first().map(PathBuf::as_path)
    }
}

/// The file itself, or the files of a directory that apt would read, in their order.
fn files(place: &Path) -> Result<Vec<PathBuf>, FetchError> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let counts = |path: &Path| path.extension().is_none_or(|extension| extension == "conf") && !path.is_dir();
    let mut files = fs::read_dir(place)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>())
        .map_err(|error| FetchError::Credentials { place: place.to_owned(), reason: error.to_string() })?;
    // Hidden files have no extension in Rust's eyes, and are editors' leavings.
    files.retain(|path| {
        counts(path) && path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
    });
    files.sort();
    Ok(files)
}

fn read_bounded(file: &Path) -> io::Result<String> {
    let metadata = fs::metadata(file)?;
    if metadata.len() > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 1 MiB"));
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file"));
    }
    // A comment may be in any encoding, and no login that counts here is other than UTF-8.
    Ok(String::from_utf8_lossy(&fs::read(file)?).into_owned())
}

/// The words of the text; a `#` where a keyword may stand begins a comment.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn keyword(&mut self) -> Option<&'a str> {
        loop {
            let word = self.value()?;
            if !word.starts_with('#') {
                return Some(word);
            }
            self.skip_line();
        }
    }

    fn value(&mut self) -> Option<&'a str> {
        // Not Unicode's blanks: a password may have them.
        let blank = |character: char| character.is_ascii_whitespace();
        let text = self.0.trim_start_matches(blank);
        let end = text.find(blank).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Past the end of this line.
    fn skip_line(&mut self) {
        self.0 = self.0.split_once('\n').map_or("", |(_, rest)| rest);
    }

    /// Past the next empty line: a `.netrc` macro ends there.
    fn skip_macro(&mut self) {
        while !self.0.is_empty() {
            self.skip_line();
            if self.0.starts_with('\n') || self.0.starts_with("\r\n") {
                return;
            }
        }
    }
}

fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut words = Words(text);
    let mut entries: Vec<Entry> = Vec::new();
    // Whether what follows belongs to the last entry.
    let mut open = false;
    while let Some(word) = words.keyword() {
        let mut value = || words.value().ok_or_else(|| format!("\"{word}\" at the end has no value"));
        match word {
            "machine" => {
                let login = Login { user: String::new(), password: String::new() };
                let machine = Machine::parse(value()?);
                open = machine.is_some();
                entries.extend(machine.map(|machine| Entry { machine, login }));
            }
            "default" => open = false,
            "macdef" => words.skip_macro(),
            "login" | "password" | "account" => {
                let value = value()?;
                if let Some(entry) = entries.last_mut().filter(|_| open) {
                    match word {
                        "login" => value.clone_into(&mut entry.login.user),
                        "password" => value.clone_into(&mut entry.login.password),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    entries.retain(|entry| !entry.login.user.is_empty() || !entry.login.password.is_empty());
    Ok(entries)
}

impl Machine {
    /// `None` for schemes and ports that no URL of ours has.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            // The colon of an IPv6 address stands before its bracket.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (authority, None),
        };
        let scheme = scheme.to_ascii_lowercase();
        let known = matches!(scheme.as_str(), "http" | "https") && !host.is_empty();
        known.then(|| Self { scheme, host: host.to_owned(), port, path: path.to_owned() })
    }

    fn matches(&self, url: &Url) -> bool {
        url.scheme() == self.scheme
            && url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
            && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
            && url.path().starts_with(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find(text: &str, url: &str) -> Option<(String, String)> {
        let credentials = Credentials { entries: parse(text).unwrap(), unreadable: Vec::new() };
        let login = credentials.find(&Url::parse(url).unwrap())?;
        Some((login.user.clone(), login.password.clone()))
    }

    #[test]
    fn the_examples_of_the_manual_page() {
        let url = "https://example.org/debian/dists/bookworm";
        for machine in ["example.org", "example.org/deb", "example.org/debian", "example.org/debian/"] {
            let login = find(&format!("machine {machine} login apt password debian"), url);
            assert_eq!(login, Some(("apt".to_owned(), "debian".to_owned())), "{machine}");
        }
        for machine in [
            "example.org:80",
            "example.org/deb/",
            "example.org/ubuntu",
            "example.orga",
            "example.net",
            "http://example.org",
        ] {
            assert_eq!(find(&format!("machine {machine} login apt password debian"), url), None, "{machine}");
        }
    }

    #[test]
    fn plain_http_only_where_it_is_written() {
        assert_eq!(find("machine h login a password b", "http://h/"), None);
        assert!(find("machine http://h login a password b", "http://h/").is_some());
        assert!(find("machine http://[::1]:8080/x login a password b", "http://[::1]:8080/x").is_some());
    }

    #[test]
    fn the_first_match_decides_and_netrc_is_understood() {
        let text = "# machine h login no password no\nmachine h/a\n\tlogin u1 account x\n\tpassword #1\n\
                    macdef init\n machine h login m password m\n\nmachine h login u2 password p2\n\
                    default login all password all\n";
        assert_eq!(find(text, "https://h/a/b"), Some(("u1".to_owned(), "#1".to_owned())));
        assert_eq!(find(text, "https://h/b"), Some(("u2".to_owned(), "p2".to_owned())));
        assert_eq!(find(text, "https://other/"), None);
    }

    #[test]
    fn a_word_without_its_value_is_an_error() {
        for text in ["machine", "machine h login", "machine h login a password\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_directory_is_read_as_apt_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name, host| {
            let line = format!("machine {host} login {name} password p\n");
            fs::write(directory.path().join(name), line).unwrap();
        };
        put("20.conf", "h");
        put("10", "h");
        put("30.conf.bak", "bak");
        put(".hidden", "hidden");
        let missing = directory.path().join("missing");
        let credentials = Credentials::read(&[missing, directory.path().to_owned()]).unwrap();
        let find = |url| credentials.find(&Url::parse(url).unwrap()).map(|login| login.user.as_str());
        assert_eq!(find("https://h/"), Some("10"));
        assert_eq!((find("https://bak/"), find("https://hidden/")), (None, None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            host in "[a-z][a-z0-9.]{0,9}[a-z]",
            path in "(/[a-z]{1,5}){0,3}",
            user in "[^\\s\u{85}]{1,9}",
            password in "[^\\s\u{85}]{1,9}",
            blank in "[ \t\n]{1,3}",
        ) {
            let text = format!("machine{blank}{host}{path}{blank}login{blank}{user}{blank}password{blank}{password}");
            let entries = parse(&text).unwrap();
            let login = Login { user, password };
            let machine = Machine { scheme: "https".to_owned(), host, port: None, path };
            prop_assert_eq!(entries, vec![Entry { machine, login }]);
        }

        #[test]
        fn no_text_breaks_it(text in "((machine|login|password|default|macdef|#|[a-z:/\\[\\]@0-9.]{0,9}|.)[ \n]?){0,20}") {
            let _ = parse(&text);
        }
    }
}
