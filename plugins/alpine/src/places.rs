//! Which repositories a request uses, and who may sign for them.

use ctr_forge_packages::file;
use ctr_forge_plugin::{Error, ErrorKind, Host, Result};

use crate::options::Options;
use crate::releases;
use crate::repository::{self, Place, Repository};

/// Alpine's repositories that are used where nothing else is said.
const COMPONENTS: [&str; 2] = ["main", "community"];

/// Keys, with their names.
pub(crate) type Keys = Vec<(String, Vec<u8>)>;

/// The repositories of a request.
#[derive(Debug)]
pub(crate) struct Places {
    /// In the order of their numbers.
    pub(crate) all: Vec<Place>,
    /// Keys that may sign for package files of the user's.
    pub(crate) file_keys: (Keys, Vec<String>),
    /// The folder of the release; empty where there are only repositories of the user's.
    pub(crate) release: String,
}

/// The repositories of a request for an architecture, Alpine's name of it.
pub(crate) fn places(options: &Options, arch: &str, host: &Host) -> Result<Places> {
    let given: Keys = options
        .key
        .iter()
        .map(|key| Ok((file::name(&key.path).to_owned(), file::content(key, host)?)))
        .collect::<Result<_>>()?;
    let named = named(options, host)?;
    let release = release(options)?;
    let shipped = shipped(arch);
    // Keys that are given are for repositories of others, if there are any.
    let has_others = named.iter().any(|repository| !repository.is_alpines());
    let own_keys = if given.is_empty() || has_others { shipped.clone() } else { (given.clone(), Vec::new()) };
    let mut all = Vec::new();
    if let Some(release) = &release {
        let components: Vec<&str> = match options.components.is_empty() {
            true => COMPONENTS.to_vec(),
            false => options.components.iter().map(String::as_str).collect(),
        };
        for component in components {
            let url = format!("{}/{release}/{component}", releases::url());
            let mirror = options.mirror.as_deref().map(|mirror| mirror.trim_end_matches('/'));
            all.push(Place {
                transport: mirror.map(|mirror| format!("{mirror}/{release}/{component}")),
                repository: Repository { url, tag: None },
                keys: own_keys.0.clone(),
                fingerprints: own_keys.1.clone(),
            });
        }
    }
    for repository in named {
        let (keys, fingerprints) = match repository.is_alpines() {
            true => own_keys.clone(),
            false => (given.clone(), Vec::new()),
        };
        all.push(Place { repository, keys, fingerprints, transport: None });
    }
    if all.is_empty() {
        return Err(Error::usage("no repository was named").option("repo-file"));
    }
    if all.len() > repository::MAX {
        let message =
            format!("there are {} repositories, and at most {} can be used", all.len(), repository::MAX);
        return Err(Error::usage(message).option("repo"));
    }
    let file_keys = if given.is_empty() { shipped } else { (given, Vec::new()) };
    Ok(Places { all, file_keys, release: release.unwrap_or_default() })
}

/// The release's folder; `None` where the user names repositories instead.
fn release(options: &Options) -> Result<Option<String>> {
    let Some(word) = &options.release else {
        if options.names_repositories() && options.mirror.is_none() && options.components.is_empty() {
            return Ok(None);
        }
        return Ok(releases::all().first().cloned());
    };
    releases::branch(word).map(Some).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("there is no release \"{word}\" of Alpine"))
            .hint("Releases are called v3.20, edge or latest-stable.")
            .option("release")
    })
}

/// The repositories that the user names.
fn named(options: &Options, host: &Host) -> Result<Vec<Repository>> {
    let mut repositories = Vec::new();
    for line in &options.repo {
        let repository = Repository::parse(line).map_err(|error| error.option("repo"))?;
        repositories.push(repository.ok_or_else(|| Error::usage("a repository is empty").option("repo"))?);
    }
    for value in &options.repo_file {
        for line in file::text(value, host)?.lines() {
            let repository = Repository::parse(line);
            let repository =
                repository.map_err(|error| error.context(value.path.clone()).option("repo-file"))?;
            repositories.extend(repository);
        }
    }
    Ok(repositories)
}

/// The keys of a request's repositories, for the image's own apk, each once.
pub(crate) fn keys(options: &Options, arch: &str, host: &Host) -> Result<Keys> {
    let mut keys: Keys = places(options, arch, host)?.all.into_iter().flat_map(|place| place.keys).collect();
    keys.sort();
    keys.dedup_by(|a, b| a.0 == b.0);
    Ok(keys)
}

/// The keys that come with this plugin, and their fingerprints.
fn shipped(arch: &str) -> (Keys, Vec<String>) {
    let keys = releases::keys(arch).into_iter();
    keys.map(|key| ((key.name, key.pem.to_vec()), key.fingerprint)).unzip()
}
