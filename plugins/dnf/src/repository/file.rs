//! Repository files: `/etc/yum.repos.d/*.repo`, read as dnf reads them.
//!
//! An ini file (dnf.conf(5), libdnf5's `IniParser`): sections, which may be indented, `key = value`,
//! a line that begins with white space goes on with the value before, and `#` or `;` at the start
//! of a line makes a comment, there alone. A comment ends a value, and so does an empty line. A key
//! that is not known is told of and harms nobody.

use super::{Repository, Variables, is_id};

/// Largest file, in bytes.
const MAX_FILE: usize = 4 << 20;

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepoFile {
    /// Its repositories, in its order, enabled or not.
    pub repositories: Vec<Repository>,
    /// What was not understood, a sentence each.
    pub notes: Vec<String>,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is too large.
    #[error("it has more than {} MiB", MAX_FILE >> 20)]
    TooLarge,
    /// A line is none of what a line can be.
    #[error("line {line} \"{text}\" is no section, key or comment")]
    Line {
        /// From 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A value is before the first section, or goes on with none.
    #[error("line {0} belongs to nothing")]
    Outside(usize),
    /// A section's name can be no repository's.
    #[error("\"{0}\" can be no repository's id: letters, digits, \"-_.:\"")]
    Id(String),
    /// Two repositories have the same id.
    #[error("there are two repositories \"{0}\"")]
    Twice(String),
    /// A value is of the wrong sort.
    #[error("\"{value}\" is no {what} for \"{key}\" of {id}")]
    Value {
        /// The repository.
        id: String,
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What it should be.
        what: &'static str,
    },
}

/// A section: its name, keys and values.
struct Section {
    name: String,
    values: Vec<(String, String)>,
}

/// Reads a repository file.
///
/// # Errors
///
/// If it is no ini file, or if a value is of the wrong sort.
pub fn parse(text: &str, variables: &Variables) -> Result<RepoFile, FileError> {
    let mut file = RepoFile::default();
    for section in sections(text)? {
        // Options of dnf itself, which a file of repositories may begin with.
        if section.name == "main" {
            file.notes.push("its section [main] is left out".to_owned());
            continue;
        }
        let id = variables.expand(&section.name);
        if !is_id(&id) {
            return Err(FileError::Id(id.chars().take(80).collect()));
        }
        if file.repositories.iter().any(|known| known.id == id) {
            return Err(FileError::Twice(id));
        }
        let mut repository = Repository { id, ..Repository::default() };
        for (key, value) in &section.values {
            set(&mut repository, key, &variables.expand(unquoted(value)), &mut file.notes)?;
        }
        if repository.name.is_empty() {
            repository.name.clone_from(&repository.id);
        }
        file.repositories.push(repository);
    }
    Ok(file)
}

fn sections(text: &str) -> Result<Vec<Section>, FileError> {
    if text.len() > MAX_FILE {
        return Err(FileError::TooLarge);
    }
    let mut sections: Vec<Section> = Vec::new();
    // Whether the next line can go on with the last value.
    let mut is_open = false;
    // Not by `lines`: what ends in CR LF is not empty for dnf, and ends no value.
    for (number, line) in text.trim_start_matches('\u{feff}').split('\n').enumerate() {
        let number = number + 1;
        let outside = || FileError::Outside(number);
        let content = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            is_open = false;
        } else if content.is_empty() {
            // A line of white space ends nothing.
        } else if let Some(name) = section_name(content) {
            sections.push(Section { name: name.to_owned(), values: Vec::new() });
            is_open = false;
        } else if line.starts_with(char::is_whitespace) {
            let value = sections.last_mut().filter(|_| is_open).and_then(|section| section.values.last_mut());
            let (_, value) = value.ok_or_else(outside)?;
            value.push('\n');
            value.push_str(content);
        } else if let Some((key, value)) = content.split_once('=').filter(|_| !content.starts_with('[')) {
            let section = sections.last_mut().ok_or_else(outside)?;
            section.values.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
            is_open = true;
        } else {
            return Err(FileError::Line { line: number, text: content.chars().take(80).collect() });
        }
    }
    Ok(sections)
}

/// The name of the section that a line begins, where it does: behind it is a comment or nothing.
fn section_name(line: &str) -> Option<&str> {
    let (name, behind) = line.strip_prefix('[')?.split_once(']')?;
    let behind = behind.trim_start();
    (behind.is_empty() || behind.starts_with(['#', ';'])).then_some(name.trim())
}

/// A value, which may be in quotes as a whole.
fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

fn set(
    repository: &mut Repository,
    key: &str,
    value: &str,
    notes: &mut Vec<String>,
) -> Result<(), FileError> {
    let id = repository.id.clone();
    let bad = |what| FileError::Value { id: id.clone(), key: key.to_owned(), value: value.to_owned(), what };
    let flag = || boolean(value).ok_or_else(|| bad("yes or no"));
    let number = || value.parse().map_err(|_| bad("number"));
    let text = || (!value.is_empty()).then(|| value.to_owned());
    match key {
        "name" => value.clone_into(&mut repository.name),
        "baseurl" => repository.baseurl = words(value),
        "metalink" => repository.metalink = text(),
        "mirrorlist" => repository.mirrorlist = text(),
        "enabled" => repository.enabled = flag()?,
        "gpgcheck" | "pkg_gpgcheck" => repository.gpgcheck = Some(flag()?),
        "repo_gpgcheck" => repository.repo_gpgcheck = Some(flag()?),
        "gpgkey" => repository.gpgkey = words(value),
        "priority" => repository.priority = number()?,
        "cost" => repository.cost = number()?,
        "exclude" | "excludepkgs" => repository.exclude.extend(words(value)),
        "includepkgs" => repository.include.extend(words(value)),
        "module_hotfixes" => repository.module_hotfixes = flag()?,
        "sslcacert" => repository.tls.ca = text(),
        "sslclientcert" => repository.tls.certificate = text(),
        "sslclientkey" => repository.tls.key = text(),
        "sslverify" => repository.tls.no_verify = !flag()?,
        "username" => repository.username = text(),
        "password" => repository.password = text(),
        "skip_if_unavailable" => repository.skip_if_unavailable = flag()?,
        _ if is_harmless(key) => {}
        _ => notes.push(format!("\"{key}\" of {id} is not known and left out")),
    }
    Ok(())
}

/// What is of no meaning where nothing is kept between two runs.
fn is_harmless(key: &str) -> bool {
    matches!(
        key,
        "metadata_expire"
            | "countme"
            | "type"
            | "enabled_metadata"
            | "autorefresh"
            | "keeppackages"
            | "fastestmirror"
            | "deltarpm"
            | "failovermethod"
            | "timeout"
            | "retries"
            | "keepcache"
            | "ui_repoid_vars"
            | "repo_id"
            | "mirrorlist_expire"
            | "minrate"
            | "max_parallel_downloads"
    )
}

/// dnf's words for yes and no (`OptionBool`).
fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Some(true),
        "0" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// A list: words apart by white space or commas (`OptionStringList`).
fn words(value: &str) -> Vec<String> {
    let words = value.split(|c: char| c.is_whitespace() || c == ',');
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{feff}# comment
[main]
cachedir=/x

[fedora-$basearch]
name=Fedora $releasever - $basearch
#baseurl=http://old/
metalink=https://mirrors.example/metalink?repo=fedora-$releasever&arch=$basearch
baseurl = https://a/$releasever/,https://b/
   https://c/
enabled=1
metadata_expire=7d
repo_gpgcheck=0
type=rpm
gpgcheck=True
gpgkey=file:///etc/a
\thttps://x/b;1
priority = 10
excludepkgs=kernel*, *.i686
includepkgs=a b
skip_if_unavailable=False
color=blue
sslverify=off
username=u
password='p w'

[off]
enabled=no
";

    #[test]
    fn a_file_is_read_as_dnf_reads_it() {
        let file = parse(FILE, &Variables::new("42", "x86_64")).unwrap();
        let [fedora, off] = &file.repositories[..] else { panic!("{file:?}") };
        assert_eq!((fedora.id.as_str(), fedora.name.as_str()), ("fedora-x86_64", "Fedora 42 - x86_64"));
        assert_eq!(fedora.baseurl, ["https://a/42/", "https://b/", "https://c/"]);
        assert!(fedora.metalink.as_deref().unwrap().ends_with("repo=fedora-42&arch=x86_64"));
        assert_eq!(fedora.gpgkey, ["file:///etc/a", "https://x/b;1"]);
        assert_eq!((fedora.gpgcheck, fedora.repo_gpgcheck), (Some(true), Some(false)));
        assert_eq!((fedora.priority, fedora.cost, fedora.tls.no_verify), (10, 1000, true));
        assert_eq!(
            (fedora.exclude.join(" "), fedora.include.join(" ")),
            ("kernel* *.i686".into(), "a b".into())
        );
        assert_eq!((fedora.username.as_deref(), fedora.password.as_deref()), (Some("u"), Some("p w")));
        assert!(!off.enabled && off.name == "off" && off.priority == 99);
        assert_eq!(file.notes.len(), 2, "{:?}", file.notes);
    }

    #[test]
    fn lines_are_indented_as_in_dnf() {
        let text = "[a] # first\r\nbaseurl='https://x\r\n \t\r\n # https://y'\r\n  [b]\nname=x\n";
        let file = parse(text, &Variables::default()).unwrap();
        let [a, b] = &file.repositories[..] else { panic!("{file:?}") };
        assert_eq!(a.baseurl, ["https://x", "#", "https://y"]);
        assert_eq!((b.id.as_str(), b.name.as_str()), ("b", "x"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |text: &str| parse(text, &Variables::default()).unwrap_err().to_string();
        assert_eq!(error("x=1"), "line 1 belongs to nothing");
        assert_eq!(error("[a]\n x"), "line 2 belongs to nothing");
        // A comment, or an empty line, ends a value.
        assert_eq!(error("[a]\nbaseurl=https://x\n# y\n https://z"), "line 4 belongs to nothing");
        assert_eq!(error("[a]\nbaseurl=https://x\n\n https://z"), "line 4 belongs to nothing");
        assert!(error("[a] b\n").contains("line 1 \"[a] b\" is no section"));
        assert!(error("[a=b\n").contains("line 1"));
        assert!(error("[a]\nnonsense").contains("line 2"));
        assert!(error("[a/b]\n").contains("can be no repository's id"));
        assert!(error("[a]\n[a]\n").contains("two repositories"));
        assert!(error("[a]\nenabled=perhaps").contains("is no yes or no for \"enabled\" of a"));
        assert!(error("[a]\npriority=high").contains("is no number"));
    }
}
