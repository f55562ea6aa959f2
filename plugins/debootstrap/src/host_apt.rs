//! The host's apt configuration, which may carry the bytes.
//!
//! A host that builds images of Debian is often Debian itself, and told where a near mirror, a
//! cache or a proxy is. Those are transport: what comes from them is believed because of the
//! distribution's signature, so choosing a wrong one costs a round trip and nothing else, and
//! neither image nor lock names them. For the same reason nothing here is an error: what cannot
//! be read becomes a note. Passwords are never read, be it from `auth.conf` or from a URL.

mod conf;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::releases::{self, Release, SuiteKind};
use crate::repository::{self, Draft, MAX_TEXT, Repository, SignedBy};

/// Where apt has its configuration; mirror lists name each other from here.
const HOME: &str = "/etc/apt";
/// Files of one folder, and URLs of one mirror list, that are read.
const MAX_FILES: usize = 256;
const MAX_MIRRORS: usize = 64;

/// What the host's apt would use.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HostApt {
    root: PathBuf,
    repositories: Vec<Repository>,
    settings: conf::Settings,
    notes: Vec<String>,
}

/// A way to fetch what is in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// Stands for the repository's own URL; without a slash at the end.
    pub url: String,
    /// The proxy to ask, as a URL.
    pub proxy: Option<String>,
}

impl HostApt {
    /// Reads the configuration below `/etc/apt` or a folder like it. What is not there, or is
    /// of no use, is left out.
    pub fn read(root: &Path) -> Self {
        let mut apt = Self { root: root.to_owned(), ..Self::default() };
        let is_list = |name: &str| name.ends_with(".list") || name.ends_with(".sources");
        let is_conf = |name: &str| name.ends_with(".conf") || !name.contains('.');
        let mut confs = apt.files("apt.conf", "apt.conf.d", is_conf);
        // apt.conf comes after its folder, and so has the last word.
        confs.rotate_left(1);
        for path in confs {
            if let Some(text) = apt.text(&path) {
                apt.add_conf(&text);
            }
        }
        for path in apt.files("sources.list", "sources.list.d", is_list) {
            apt.read_sources(&path);
        }
        apt
    }

    /// Takes over what a file like `apt.conf` says about proxies. It replaces what an earlier
    /// one says.
    pub fn add_conf(&mut self, text: &str) {
        conf::read(text, &mut self.settings);
        let secrets: Vec<String> = self
            .settings
            .iter()
            .filter(|(_, value)| value.contains('@'))
            .map(|(name, _)| name.clone())
            .collect();
        for name in secrets {
            self.settings.remove(&name);
            self.notes.push(format!("apt's {name}: the URL names a user or password, which stays with apt"));
        }
    }

    /// What was left out and why, a fragment each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Ways to fetch a repository of a release, the likeliest first, besides its own URL without
    /// a proxy. Whoever uses them believes signatures and digests alone.
    pub fn transports(&self, repository: &Repository, release: &Release) -> Vec<Transport> {
        let kind = releases::suite_kind(&repository.suite).filter(|_| release.has_mirrors(repository));
        let mirrors =
            self.repositories.iter().filter(|at| kind.is_some_and(|kind| is_mirror(at, repository, kind)));
        let mut transports: Vec<Transport> = Vec::new();
        for url in mirrors.map(|mirror| &mirror.url).chain([&repository.url]) {
            let transport = Transport { url: url.clone(), proxy: self.proxy(url) };
            // That the host says http for https is no other place.
            let is_news = transport.proxy.is_some() || place(url) != place(&repository.url);
            if is_news && !transports.contains(&transport) {
                transports.push(transport);
            }
        }
        transports
    }

    /// The proxy for a URL. As in apt, a host's own setting comes first, and https has http's
    /// where it has none.
    fn proxy(&self, url: &str) -> Option<String> {
        let (scheme, rest) = url.split_once("://")?;
        let schemes: &[&str] = match scheme {
            "https" => &["https", "http"],
            "http" => &["http"],
            _ => return None,
        };
        let host = host(rest);
        let setting = |name: &str| self.settings.get(name).filter(|value| !value.is_empty());
        let of_host = schemes.iter().find_map(|scheme| setting(&format!("acquire::{scheme}::proxy::{host}")));
        let of_all = || schemes.iter().find_map(|scheme| setting(&format!("acquire::{scheme}::proxy")));
        let proxy = of_host.or_else(of_all)?;
        // What is no URL is "DIRECT".
        proxy.contains("://").then(|| proxy.trim_end_matches('/').to_owned())
    }

    /// One file and the fitting ones of one folder, in apt's order, as far as they exist.
    fn files(&mut self, file: &str, folder: &str, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        // Other characters make apt pass a file over, too.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let folder = self.root.join(folder);
        let mut files = match fs::read_dir(&folder) {
            Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect(),
            Err(error) => {
                self.note(&folder, &error);
                Vec::new()
            }
        };
        files.retain(|name| name.chars().all(is_plain) && fits(name));
        files.sort_unstable();
        files.truncate(MAX_FILES);
        std::iter::once(self.root.join(file)).chain(files.iter().map(|name| folder.join(name))).collect()
    }

    fn read_sources(&mut self, path: &Path) {
        let Some(text) = self.text(path) else { return };
        let deb822 = path.extension().is_some_and(|extension| extension == "sources");
        for (number, draft) in repository::drafts(&text, deb822) {
            let found = draft.map(|draft| self.with_mirrors(draft));
            let problems = match found {
                Ok(drafts) => drafts.into_iter().filter_map(|draft| self.take(draft).err()).collect(),
                Err(problem) => vec![problem],
            };
            let what = if deb822 { "stanza" } else { "line" };
            for problem in problems {
                self.notes.push(format!("{}, {what} {number}: {problem}", path.display()));
            }
        }
    }

    fn take(&mut self, draft: Draft) -> Result<(), repository::Problem> {
        self.repositories.extend(draft.repositories()?);
        Ok(())
    }

    /// A draft for each URL alone, so that one which is of no use leaves the others; and for
    /// each URL of a list that `mirror+file:` names.
    fn with_mirrors(&mut self, draft: Draft) -> Vec<Draft> {
        let mut urls = Vec::new();
        for url in &draft.urls {
            match url.strip_prefix("mirror+file:") {
                Some(list) => urls.extend(self.mirrors(list)),
                None => urls.push(url.clone()),
            }
        }
        urls.into_iter().map(|url| draft.with_url(url)).collect()
    }

    /// The URLs of a mirror list: one a line, then perhaps a tab and what they are good for
    /// (apt-transport-mirror(1)).
    fn mirrors(&mut self, list: &str) -> Vec<String> {
        let path = Path::new(list.strip_prefix("//").unwrap_or(list));
        let path = path.strip_prefix(HOME).map_or(path.to_owned(), |below| self.root.join(below));
        let text = self.text(&path).unwrap_or_default();
        let urls = text.lines().filter_map(|line| line.split_whitespace().next());
        urls.filter(|url| !url.starts_with('#')).take(MAX_MIRRORS).map(str::to_owned).collect()
    }

    /// The text of a file, if there is one that can be read.
    fn text(&mut self, path: &Path) -> Option<String> {
        let read = || {
            // A pipe would keep its reader waiting.
            if !fs::metadata(path)?.is_file() {
                return Err(io::Error::other("not a regular file"));
            }
            let mut bytes = Vec::new();
            File::open(path)?.take(MAX_TEXT as u64 + 1).read_to_end(&mut bytes)?;
            if bytes.len() > MAX_TEXT {
                return Err(io::Error::other("too large"));
            }
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().map_err(|error| self.note(path, &error)).ok()
    }

    /// That something is not there is no news.
    fn note(&mut self, path: &Path, error: &io::Error) {
        if error.kind() != io::ErrorKind::NotFound {
            self.notes.push(format!("{}: {error}", path.display()));
        }
    }
}

/// A URL without its scheme.
fn place(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, place)| place)
}

/// The name of the host, from a URL without its scheme.
fn host(place: &str) -> &str {
    let authority = place.split('/').next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Whether a repository of the host's likely holds what `canonical` does: any release of the
/// same distribution, from the same archive.
fn is_mirror(entry: &Repository, canonical: &Repository, kind: SuiteKind) -> bool {
    // The ports of Ubuntu are a tree of their own, wherever it is mirrored.
    let is_ports = |repository: &Repository| place(&repository.url).contains("ports");
    releases::suite_kind(&entry.suite) == Some(kind)
        && entry.components.iter().any(|component| component == "main")
        && !is_third_party(entry, kind.distribution)
        && (kind.distribution != "ubuntu" || is_ports(entry) == is_ports(canonical))
}

/// Whether an entry that looks like the distribution's is somebody else's: vendors write
/// `stable main` and `noble main`, too.
fn is_third_party(entry: &Repository, distribution: &str) -> bool {
    let place = place(&entry.url);
    match &entry.signed_by {
        SignedBy::Files(files) => {
            let keyring = format!("{distribution}-archive-");
            !files.iter().filter_map(|file| file.file_name()?.to_str()).any(|name| name.starts_with(&keyring))
        }
        SignedBy::Fingerprints(fingerprints) => {
            !fingerprints.iter().any(|fingerprint| releases::key(fingerprint.trim_end_matches('!')).is_some())
        }
        SignedBy::Inline(_) => true,
        SignedBy::Default if host(place).starts_with("ppa.") || place.contains("raspbian") => true,
        // A name that moves is anybody's, unless the URL says whose.
        SignedBy::Default => !is_codename(&entry.suite) && !place.contains(distribution),
    }
}

/// Whether a suite is called by a name that only its distribution uses.
fn is_codename(suite: &str) -> bool {
    let base = suite.split(['-', '/']).next().unwrap_or_default();
    !releases::all()
        .iter()
        .any(|release| release.aliases.iter().any(|alias| alias.split('-').next() == Some(base)))
}

#[cfg(test)]
mod tests;
