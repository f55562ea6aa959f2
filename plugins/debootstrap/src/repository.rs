//! Where packages come from: a repository, and the forms in which apt's users write one down.
//!
//! People have a line of `sources.list` or a stanza of a `.sources` file at hand, so those are
//! taken as they are (sources.list(5)). What such text says about trust is never passed over in
//! silence: an option that would loosen a check in a way that is not offered here is refused.

mod deb822;
mod draft;
mod line;

use std::fmt;
use std::path::PathBuf;

pub(crate) use draft::Draft;

/// Longest text that is read, in bytes: a thousand times what people write.
pub(crate) const MAX_TEXT: usize = 1 << 20;

/// An apt repository: one suite at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Where `dists` or, in a flat repository, the suite's folder is: `http`, `https` or
    /// `file`, with scheme and host in lower case and no slash at the end.
    pub url: String,
    /// `bookworm`, `bookworm-security`. It ends in `/` in a flat repository: a path below the
    /// URL to the indexes themselves, `./` for the URL's own folder.
    pub suite: String,
    /// `main`; none in a flat repository.
    pub components: Vec<String>,
    /// Architectures to use it for, by dpkg's names; `None` for all.
    pub architectures: Option<Vec<String>>,
    /// Whose signature is asked for.
    pub signed_by: SignedBy,
    /// It is used even if nobody has signed it: somebody wrote `trusted=yes`.
    pub trusted: bool,
    /// Whether its `Valid-Until` counts.
    pub check_valid_until: bool,
    /// Its index is valid for at least so many seconds after its date.
    pub valid_until_min: Option<u64>,
    /// Its index is valid for no more than so many seconds after its date.
    pub valid_until_max: Option<u64>,
    /// Whether to fetch indexes by their digest; `None` for what the repository says.
    pub by_hash: Option<bool>,
}

/// Whose signature a repository has to carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SignedBy {
    /// Nothing is said: the keys of the distribution, or those that were given along.
    #[default]
    Default,
    /// Keys with these fingerprints, in upper case: 40 or 64 hexadecimal digits, then perhaps
    /// `!`, which means that very key and none of its subkeys.
    Fingerprints(Vec<String>),
    /// The certificates in these files.
    Files(Vec<PathBuf>),
    /// The certificates in this ASCII-armoured block.
    Inline(String),
}

/// What is wrong with a repository that was written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// In a line of the `sources.list` form.
    #[error("repository line {number}: {problem}")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// In a stanza of the deb822 form.
    #[error("repository stanza {number}: {problem}")]
    Stanza {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// In a URL that stands alone.
    #[error("repository: {0}")]
    Url(Problem),
    /// It is of none of the forms.
    #[error(
        "{0:?} is not a repository: expected a URL, a line that begins with \"deb\", or fields such as \"URIs:\""
    )]
    Form(String),
    /// More than [`MAX_TEXT`].
    #[error("a description of repositories is {0} bytes long: at most {MAX_TEXT} are read")]
    TooLong(usize),
}

/// What is wrong with one line, stanza or URL. Quotes the part at fault, but never a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Neither `deb` nor `deb-src`.
    #[error("unknown type {0:?}: expected \"deb\"")]
    Type(String),
    /// Something that has to be there is not.
    #[error("no {0}")]
    Missing(&'static str),
    /// A suite that is not flat needs components.
    #[error("no components for suite {0:?}: expected for example \"main\", or a suite that ends in \"/\"")]
    NoComponents(String),
    /// A flat repository has none.
    #[error("components for {0:?}, which ends in \"/\" and so is a flat repository without components")]
    FlatWithComponents(String),
    /// A URL of another kind.
    #[error("scheme {0:?} is not supported: expected \"http\", \"https\" or \"file\"")]
    Scheme(String),
    /// A text that is no URL.
    #[error("{0:?} is not the URL of a repository")]
    Url(String),
    /// A URL with a user's name or password in it.
    #[error("the URL names a user or password, which would end up in records: use apt's auth.conf")]
    Credentials,
    /// A suite, component or architecture with characters that none has.
    #[error("{word:?} is not the name of {what}")]
    Word {
        /// What it should be, with its article.
        what: &'static str,
        /// As written.
        word: String,
    },
    /// An option or field that nobody knows, or that would change what is built.
    #[error("{0:?} is not supported")]
    Option(String),
    /// A value that an option or field cannot have.
    #[error("{option} cannot be {value:?}: expected {expected}")]
    Value {
        /// Name of the option or field.
        option: String,
        /// As written.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// `[` without `]`.
    #[error("the options have no closing \"]\"")]
    OpenOptions,
    /// A line of a stanza that is neither a field nor its continuation.
    #[error("{0:?} is not a field: expected \"Name: value\"")]
    Field(String),
    /// URLs times suites are more than anybody means.
    #[error("more than {} repositories", draft::MAX_REPOSITORIES)]
    TooMany,
}

impl Repository {
    /// The repository of a suite, with everything else as it is where nothing is said. The URL
    /// is taken as it is.
    pub fn new(url: String, suite: String) -> Self {
        Self {
            url,
            suite,
            components: Vec::new(),
            architectures: None,
            signed_by: SignedBy::Default,
            trusted: false,
            check_valid_until: true,
            valid_until_min: None,
            valid_until_max: None,
            by_hash: None,
        }
    }

    /// Whether the packages are listed in one index without components.
    pub fn is_flat(&self) -> bool {
        self.suite.ends_with('/')
    }

    /// The folder of the signed index, without a slash at the end: `URL/dists/SUITE`.
    pub fn index_url(&self) -> String {
        match (self.is_flat(), self.suite.trim_start_matches("./").trim_end_matches('/')) {
            (false, suite) => format!("{}/dists/{suite}", self.url),
            (true, "") => self.url.clone(),
            (true, folder) => format!("{}/{folder}", self.url),
        }
    }
}

/// `URL SUITE COMPONENT…`, as in a line of `sources.list`.
impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.url, self.suite)?;
        self.components.iter().try_for_each(|component| write!(f, " {component}"))
    }
}

/// Reads lines of `sources.list`: `deb [arch=amd64 signed-by=/x.gpg] URL SUITE COMPONENT…`.
///
/// Comments, `deb-src` and installation media (`cdrom:`) are passed over.
pub fn parse_lines(text: &str) -> Result<Vec<Repository>, RepositoryError> {
    check_length(text)?;
    collect(line::drafts(text), |number, problem| RepositoryError::Line { number, problem })
}

/// Reads stanzas of a `.sources` file. Disabled ones, sources and installation media are passed
/// over.
pub fn parse_deb822(text: &str) -> Result<Vec<Repository>, RepositoryError> {
    check_length(text)?;
    collect(deb822::drafts(text), |number, problem| RepositoryError::Stanza { number, problem })
}

/// Reads what a user may say for a repository: lines, stanzas, or a URL alone, which has the
/// suite and components of the release that is built.
pub fn parse_words(
    text: &str,
    default_suite: &str,
    default_components: &[&str],
) -> Result<Vec<Repository>, RepositoryError> {
    check_length(text)?;
    let first =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or("");
    if line::has_type(first) {
        return parse_lines(text);
    }
    if deb822::has_field(first) {
        return parse_deb822(text);
    }
    if first.contains(char::is_whitespace) || !first.contains(':') || text.trim() != first {
        return Err(RepositoryError::Form(quoted(first)));
    }
    let draft = Draft::of_url(first, default_suite, default_components);
    draft.repositories().map_err(RepositoryError::Url)
}

/// The lines or stanzas of a file of the host's, each on its own: one that is wrong does not
/// keep the others from being used.
pub(crate) fn drafts(text: &str, deb822: bool) -> Vec<(usize, Result<Draft, Problem>)> {
    if deb822 { deb822::drafts(text).collect() } else { line::drafts(text).collect() }
}

/// A text as an error may repeat it: not at any length, and nothing before an `@`, which may be
/// a password.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let shown = text.rsplit_once('@').map_or(text.to_owned(), |(_, after)| format!("…@{after}"));
    shown.chars().take(LONGEST).collect()
}

fn check_length(text: &str) -> Result<(), RepositoryError> {
    if text.len() > MAX_TEXT { Err(RepositoryError::TooLong(text.len())) } else { Ok(()) }
}

fn collect(
    drafts: impl Iterator<Item = (usize, Result<Draft, Problem>)>,
    place: impl Fn(usize, Problem) -> RepositoryError,
) -> Result<Vec<Repository>, RepositoryError> {
    let mut repositories = Vec::new();
    for (number, draft) in drafts {
        let found = draft.and_then(Draft::repositories).map_err(|problem| place(number, problem))?;
        repositories.extend(found);
        if repositories.len() > draft::MAX_REPOSITORIES {
            return Err(place(number, Problem::TooMany));
        }
    }
    Ok(repositories)
}

#[cfg(test)]
mod tests;
