//! Where packages come from, and how that is written.

pub mod file;
pub mod metalink;
pub mod mirrorlist;
mod variables;

pub use variables::Variables;

/// A repository as it is written down: in a `.repo` file, in a word, in what is known of a
/// release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// What commands call it.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Where it is; each has the same.
    pub baseurl: Vec<String>,
    /// The URL of its metalink.
    pub metalink: Option<String>,
    /// The URL of its mirror list.
    pub mirrorlist: Option<String>,
    /// Whether it is used where nothing is said.
    pub enabled: bool,
    /// Whether its packages are signed, where that is said.
    pub gpgcheck: Option<bool>,
    /// Whether its metadata is signed, where that is said.
    pub repo_gpgcheck: Option<bool>,
    /// URLs of the keys that may sign.
    pub gpgkey: Vec<String>,
    /// Lower comes before higher.
    pub priority: i32,
    /// Of two that are alike otherwise, the cheaper one is taken.
    pub cost: i32,
    /// Patterns of packages that are not taken from here.
    pub exclude: Vec<String>,
    /// Patterns of the only packages that are taken from here, where there are any.
    pub include: Vec<String>,
    /// Modules do not hide its packages.
    pub module_hotfixes: bool,
    /// It may be away.
    pub skip_if_unavailable: bool,
    /// How TLS is done.
    pub tls: Tls,
    /// Who asks.
    pub username: Option<String>,
    /// The password to that.
    pub password: Option<String>,
}

/// Files for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who vouches for the server.
    pub ca: Option<String>,
    /// The client's certificate.
    pub certificate: Option<String>,
    /// The client's key.
    pub key: Option<String>,
    /// The server is not checked.
    pub no_verify: bool,
}

/// dnf's own where nothing is said (dnf.conf(5)).
impl Default for Repository {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            baseurl: Vec::new(),
            metalink: None,
            mirrorlist: None,
            enabled: true,
            gpgcheck: None,
            repo_gpgcheck: None,
            gpgkey: Vec::new(),
            priority: 99,
            cost: 1000,
            exclude: Vec::new(),
            include: Vec::new(),
            module_hotfixes: false,
            skip_if_unavailable: false,
            tls: Tls::default(),
            username: None,
            password: None,
        }
    }
}

/// Why a word names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// There is no URL in it.
    #[error("\"{0}\" is no repository: it needs an http, https or file URL, or a path from the root on")]
    Url(String),
}

impl Repository {
    /// Reads a word of `--repo`: `URL` or `NAME=URL`, where a path from the root on is a URL too.
    /// `number` makes a name where there is none.
    ///
    /// # Errors
    ///
    /// If there is no URL in it.
    pub fn parse(word: &str, number: usize, variables: &Variables) -> Result<Self, WordError> {
        let word = word.trim();
        let named = word.split_once('=').filter(|(name, _)| is_id(name) && !name.contains(':'));
        let (id, url) = match named {
            Some((name, url)) => (name.to_owned(), url),
            None => (format!("repo-{}", number + 1), word),
        };
        let url = variables.expand(url.trim());
        let url = if url.starts_with('/') { format!("file://{url}") } else { url };
        let has_place = url.split_once("://").is_some_and(|(_, place)| !place.trim_matches('/').is_empty());
        match is_url(&url) && has_place {
            true => Ok(Self { name: id.clone(), id, baseurl: vec![url], ..Self::default() }),
            false => Err(WordError::Url(without_login(word))),
        }
    }
}

/// Whether a text can be a repository's id, as dnf has it.
pub fn is_id(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    !text.is_empty() && text.len() <= 255 && text.chars().all(is_good)
}

impl Repository {
    /// Whether it says where it is and nothing else.
    pub(crate) fn is_bare(&self) -> bool {
        let Self { id, name, baseurl, metalink, mirrorlist, .. } = self.clone();
        *self == Self { id, name, baseurl, metalink, mirrorlist, enabled: self.enabled, ..Self::default() }
    }
}

/// Whether a text is a URL that can be followed.
pub(crate) fn is_url(text: &str) -> bool {
    let behind = ["https://", "http://", "file:///"].iter().find_map(|scheme| text.strip_prefix(scheme));
    behind.is_some_and(|rest| !rest.trim_matches('/').is_empty())
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Whether a URL is that of a file of this machine.
pub(crate) fn is_local(url: &str) -> bool {
    url.starts_with("file:")
}

/// The URL of a file in the repository at `base`; a location that is a whole URL is that.
///
/// Names on a server are bytes, and what a URL cannot have is escaped (RFC 3986, section 2.1):
/// versions have `^`. An escape that is there already stays.
pub(crate) fn url_of(base: &str, location: &str) -> String {
    let bytes = location.as_bytes();
    let is_escape =
        |at: usize| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let escape = |(at, &byte): (usize, &u8)| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ if b"-._~/!$&'()*+,;=:@?".contains(&byte) => char::from(byte).to_string(),
        b'%' if is_escape(at) => "%".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    let location_url: String = bytes.iter().enumerate().map(escape).collect();
    match location.contains("://") {
        true => location_url,
        // What is behind a "?" asks the server for something; it stays at the end.
        false => match base.split_once('?') {
            Some((base, query)) => format!("{}/{location_url}?{query}", base.trim_end_matches('/')),
            None => format!("{}/{location_url}", base.trim_end_matches('/')),
        },
    }
}

/// A URL without user and password, for messages and records.
pub(crate) fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// The URL of a repository for records: without user and password, without what stands behind a
/// "?", which may be a secret too, and without a slash at its end.
pub(crate) fn recorded(url: &str) -> String {
    let url = without_login(url);
    url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned()
}

/// A URL with user and password, as curl's users write it.
pub(crate) fn with_login(url: &str, username: &str, password: &str) -> String {
    let escaped = |text: &str| -> String {
        let escape = |byte: u8| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        text.bytes().map(escape).collect()
    };
    match without_login(url).split_once("://") {
        Some((scheme, rest)) if scheme != "file" => {
            format!("{scheme}://{}:{}@{rest}", escaped(username), escaped(password))
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_repositories() {
        let parse = |word| Repository::parse(word, 1, &Variables::new("42", "x86_64"));
        let own = parse("https://x/$releasever/os?a=b").unwrap();
        assert_eq!((own.id.as_str(), own.baseurl[0].as_str()), ("repo-2", "https://x/42/os?a=b"));
        let named = parse("site=/srv/rpm").unwrap();
        assert_eq!((named.id.as_str(), named.baseurl[0].as_str()), ("site", "file:///srv/rpm"));
        for bad in ["", "x", "x=", "a b=https://x", "https://", "file:///", "ftp://x", "a=b=c", "https://a b"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let error = parse("ftp://user:secret@x/").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn a_file_has_its_url() {
        assert_eq!(url_of("https://x/os/", "P/a-1^2~3+4 #%.rpm"), "https://x/os/P/a-1%5E2~3+4%20%23%25.rpm");
        assert_eq!(url_of("https://x/os", "a%2Bb"), "https://x/os/a%2Bb");
        assert_eq!(url_of("https://x/os", "https://y/b^.rpm"), "https://y/b%5E.rpm");
        assert_eq!(url_of("https://x/os?token=1", "b"), "https://x/os/b?token=1");
    }

    #[test]
    fn a_login_is_put_in_and_taken_out() {
        assert_eq!(with_login("https://h:1/p?q=a@b", "u@x", "p:/w"), "https://u%40x:p%3A%2Fw@h:1/p?q=a@b");
        assert_eq!(with_login("file:///p", "u", "p"), "file:///p");
        assert_eq!(without_login("https://u:p@h/p@q"), "https://h/p@q");
        assert_eq!(without_login("https://h/p"), "https://h/p");
        assert_eq!(recorded("https://u:p@h/p/?token=S@x/y#z"), "https://h/p");
    }
}
