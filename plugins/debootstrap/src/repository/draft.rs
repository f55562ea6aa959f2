//! What a line or stanza says, before it is known to make sense.
//!
//! Both forms say the same things under slightly different names (sources.list(5), "The Deb and
//! Deb-Src Types: Options"), so both are read into a [`Draft`], which then becomes a repository
//! for each of its URLs and suites.

use std::path::PathBuf;

use super::{Problem, Repository, SignedBy, quoted};

/// The most repositories that one description may stand for.
pub(super) const MAX_REPOSITORIES: usize = 1024;

/// What a line or stanza says. URLs, suites and components are as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) urls: Vec<String>,
    pub(super) suites: Vec<String>,
    pub(super) components: Vec<String>,
    /// Whether it is for binary packages and enabled.
    used: bool,
    /// All but URL, suite and components.
    rest: Repository,
}

impl Default for Draft {
    fn default() -> Self {
        let rest = Repository::new(String::new(), String::new());
        Self { urls: Vec::new(), suites: Vec::new(), components: Vec::new(), used: true, rest }
    }
}

impl Draft {
    /// A URL alone, with the suite and components that are meant where nothing is said.
    pub(super) fn of_url(url: &str, suite: &str, components: &[&str]) -> Self {
        Self {
            urls: vec![url.to_owned()],
            suites: vec![suite.to_owned()],
            components: components.iter().map(|&component| component.to_owned()).collect(),
            ..Self::default()
        }
    }

    /// The same, for another URL.
    pub(crate) fn with_url(&self, url: String) -> Self {
        Self { urls: vec![url], ..self.clone() }
    }

    /// Takes an option of a line, or a field of a stanza, by either of its names.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let option = name.to_ascii_lowercase();
        match option.as_str() {
            "types" => self.used &= types(value)?,
            "enabled" => self.used &= yes(name, value)?,
            "uris" => self.urls = value.split_whitespace().map(str::to_owned).collect(),
            "suites" => self.suites = words(value),
            "components" => self.components = words(value),
            "arch" | "architectures" => self.rest.architectures = Some(architectures(value)?),
            "signed-by" => self.rest.signed_by = signed_by(name, value)?,
            "trusted" => self.rest.trusted = yes(name, value)?,
            "check-valid-until" => self.rest.check_valid_until = yes(name, value)?,
            "valid-until-min" => self.rest.valid_until_min = Some(seconds(name, value)?),
            "valid-until-max" => self.rest.valid_until_max = Some(seconds(name, value)?),
            "by-hash" => self.rest.by_hash = Some(value.eq_ignore_ascii_case("force") || yes(name, value)?),
            "allow-insecure" | "allow-weak" | "allow-downgrade-to-insecure" | "snapshot" => {
                nothing(name, value)?
            }
            // What apt downloads besides packages, and checks that are made in any case.
            "lang" | "languages" | "target" | "targets" | "pdiffs" | "check-date" | "date-max-future" => {}
            // More architectures than the one that is built, which is among them anyway.
            "arch+" | "architectures-add" | "lang+" | "languages-add" | "target+" | "targets-add" => {}
            "lang-" | "languages-remove" | "target-" | "targets-remove" => {}
            _ if option.starts_with("x-") => {}
            _ => return Err(Problem::Option(quoted(name))),
        }
        Ok(())
    }

    /// Whether it names what every repository has. What is not used need not.
    pub(super) fn is_complete(&self) -> Result<(), Problem> {
        match (self.used, self.urls.is_empty(), self.suites.is_empty()) {
            (true, true, _) => Err(Problem::Missing("URL")),
            (true, _, true) => Err(Problem::Missing("suite")),
            _ => Ok(()),
        }
    }

    /// A repository for each URL and suite. None for what is not used, and for installation
    /// media.
    pub(crate) fn repositories(self) -> Result<Vec<Repository>, Problem> {
        if !self.used {
            return Ok(Vec::new());
        }
        if self.urls.len().saturating_mul(self.suites.len()) > MAX_REPOSITORIES {
            return Err(Problem::TooMany);
        }
        let mut repositories = Vec::new();
        for written in self.urls.iter().filter(|url| !url.starts_with("cdrom:")) {
            let url = url(written)?;
            for suite in &self.suites {
                let (suite, components) = (suite_name(suite)?, self.components_of(suite)?);
                repositories.push(Repository { url: url.clone(), suite, components, ..self.rest.clone() });
            }
        }
        Ok(repositories)
    }

    /// The components, if a suite of this form can have them.
    fn components_of(&self, suite: &str) -> Result<Vec<String>, Problem> {
        match (suite.ends_with('/'), self.components.is_empty()) {
            (false, true) => Err(Problem::NoComponents(quoted(suite))),
            (true, false) => Err(Problem::FlatWithComponents(quoted(suite))),
            _ => match self.components.iter().find(|component| !is_path(component)) {
                Some(word) => Err(Problem::Word { what: "a component", word: quoted(word) }),
                None => Ok(self.components.clone()),
            },
        }
    }
}

/// In a line, commas part the words of a value; in a stanza, blanks.
fn words(value: &str) -> Vec<String> {
    value
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether binary packages are among the types.
fn types(value: &str) -> Result<bool, Problem> {
    let types = words(value);
    match types.iter().find(|kind| !["deb", "deb-src"].contains(&kind.as_str())) {
        Some(unknown) => Err(Problem::Type(quoted(unknown))),
        None => Ok(types.iter().any(|kind| kind == "deb")),
    }
}

fn value_error(option: &str, value: &str, expected: &'static str) -> Problem {
    Problem::Value { option: option.to_owned(), value: quoted(value), expected }
}

/// As apt reads a truth value.
fn yes(option: &str, value: &str) -> Result<bool, Problem> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "with" | "on" | "enable" | "1" => Ok(true),
        "no" | "false" | "without" | "off" | "disable" | "0" => Ok(false),
        _ => Err(value_error(option, value, "\"yes\" or \"no\"")),
    }
}

/// An option that is only taken where it asks for nothing.
fn nothing(option: &str, value: &str) -> Result<(), Problem> {
    const INSTEAD: &str = "\"no\"; an unsigned repository needs \"trusted=yes\", a snapshot its own URL";
    if yes(option, value) == Ok(false) { Ok(()) } else { Err(value_error(option, value, INSTEAD)) }
}

fn seconds(option: &str, value: &str) -> Result<u64, Problem> {
    value.parse().map_err(|_| value_error(option, value, "a number of seconds"))
}

fn architectures(value: &str) -> Result<Vec<String>, Problem> {
    let is_name =
        |word: &str| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let names = words(value);
    match names.iter().find(|word| !is_name(word)) {
        Some(word) => Err(Problem::Word { what: "an architecture", word: quoted(word) }),
        None => Ok(names),
    }
}

/// Files, fingerprints or a key itself, but no mixture.
fn signed_by(option: &str, value: &str) -> Result<SignedBy, Problem> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
    const EXPECTED: &str = "absolute paths, whole fingerprints, or a public key block";
    let block = value.trim();
    if block.starts_with(BEGIN) && block.ends_with(END) {
        return Ok(SignedBy::Inline(format!("{block}\n")));
    }
    let words = words(value);
    if words.is_empty() {
        Ok(SignedBy::Default)
    } else if words.iter().all(|word| word.starts_with('/')) {
        Ok(SignedBy::Files(words.into_iter().map(PathBuf::from).collect()))
    } else if words.iter().all(|word| is_fingerprint(word)) {
        Ok(SignedBy::Fingerprints(words.iter().map(|word| word.to_ascii_uppercase()).collect()))
    } else {
        Err(value_error(option, value, EXPECTED))
    }
}

/// Of a version 4 or a version 6 key (RFC 9580 section 5.5.4). Key IDs are too short to trust.
fn is_fingerprint(word: &str) -> bool {
    let digits = word.strip_suffix('!').unwrap_or(word);
    [40, 64].contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Names joined by slashes, none of which leads out or hides.
fn is_path(word: &str) -> bool {
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._~:".contains(&byte))
            && !name.is_empty()
            && !name.starts_with('.')
    };
    word.split('/').all(is_name)
}

/// The suite, with one way to write each: `/` and `./` are both the URL's own folder.
fn suite_name(written: &str) -> Result<String, Problem> {
    let name = written.trim_start_matches("./");
    if written.ends_with('/') && name.trim_matches('/').is_empty() {
        return Ok("./".to_owned());
    }
    // One slash at the end marks a flat repository.
    if is_path(name.strip_suffix('/').unwrap_or(name)) {
        Ok(name.to_owned())
    } else {
        Err(Problem::Word { what: "a suite", word: quoted(written) })
    }
}

/// A URL with scheme and host in lower case, and no slash at its end.
fn url(written: &str) -> Result<String, Problem> {
    let no_url = || Problem::Url(quoted(written));
    let (scheme, rest) = written.split_once(':').ok_or_else(no_url)?;
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}?#$".contains(c);
    match scheme.to_ascii_lowercase().as_str() {
        scheme @ ("http" | "https") => {
            let rest = rest.strip_prefix("//").ok_or_else(no_url)?.trim_end_matches('/');
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if host.contains('@') {
                return Err(Problem::Credentials);
            }
            let is_host = !host.is_empty() && !host.starts_with(':') && rest.chars().all(is_plain);
            is_host.then(|| format!("{scheme}://{}{path}", host.to_ascii_lowercase())).ok_or_else(no_url)
        }
        // "copy" is "file" for apt methods that cannot use a file in place.
        "file" | "copy" => {
            let path = rest.strip_prefix("//").unwrap_or(rest).trim_end_matches('/');
            let is_local = path.starts_with('/') && path.chars().all(is_plain);
            is_local.then(|| format!("file://{path}")).ok_or_else(no_url)
        }
        other
            if other.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                && !rest.contains('@') =>
        {
            Err(Problem::Scheme(quoted(other)))
        }
        _ => Err(no_url()),
    }
}
