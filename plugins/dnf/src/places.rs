//! Which repositories a request uses, who may sign for them, and where they are.

mod identities;
mod keys;
#[cfg(test)]
mod tests;

use ctr_forge_packages::file as files;
use ctr_forge_packages::near;
use ctr_forge_plugin::{Error, ErrorKind, FetchIdentity, FetchRequest, Fetches, Host, PathValue, Result};

use self::identities::identities;
pub(crate) use self::keys::hinted;
use self::keys::{Copy, copies, keys};
use crate::options::Options;
use crate::releases::{self, Arch, Preset, Release, ReleaseError};
use crate::repository::{self, Repository, Variables, file};

/// Most repositories of a request.
const MAX_PLACES: usize = 64;

/// Keys, with their names for messages.
pub(crate) type Keys = Vec<(String, Vec<u8>)>;

/// What of a request decides on its repositories.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlacesOptions {
    /// A word for the release.
    pub release: Option<String>,
    /// The name of the distribution.
    pub distribution: Option<String>,
    /// The architecture, by OCI's name or rpm's.
    pub arch: String,
    /// Words of repositories: `URL` or `NAME=URL`.
    pub repo: Vec<String>,
    /// Files of repositories: their paths, and what is in them.
    pub repo_files: Vec<(String, String)>,
    /// Ids of the only repositories to use, where there are any: also of those that are off.
    pub from: Vec<String>,
    /// Keys that the user gave.
    pub keys: Keys,
    /// Ids of repositories that are used without a signature.
    pub allow_untrusted: Vec<String>,
    /// More variables, and their values.
    pub variables: Vec<(String, String)>,
}

/// What `--allow-untrusted` calls package files.
pub(crate) const FILES: &str = "files";

/// The repositories that the user's words come to.
pub(crate) fn of_request(options: &Options, arch: &str, host: &Host) -> Result<Places> {
    let key = |value: &PathValue| Ok((files::name(&value.path).to_owned(), files::content(value, host)?));
    let repo_file = |value: &PathValue| Ok((value.path.clone(), files::text(value, host)?));
    let untrusted = options.allow_untrusted.iter().filter(|word| *word != FILES);
    let words = PlacesOptions {
        release: options.release.clone(),
        distribution: options.distro.clone(),
        arch: arch.to_owned(),
        repo: options.repo.clone(),
        repo_files: options.repo_file.iter().map(repo_file).collect::<Result<_>>()?,
        from: options.from.clone(),
        keys: options.key.iter().map(key).collect::<Result<_>>()?,
        allow_untrusted: untrusted.cloned().collect(),
        variables: options.variables()?.into_iter().collect(),
    };
    places(&words, host)
}

/// The repositories of a request.
#[derive(Debug)]
pub(crate) struct Places {
    /// The release, where one is meant that is known.
    pub release: Option<Release>,
    /// The architecture.
    pub arch: &'static Arch,
    /// In the order of their numbers.
    pub all: Vec<Place>,
    /// Keys that the user gave.
    pub given: Keys,
    /// What the user should know of them.
    notes: Vec<String>,
}

impl Places {
    /// Says what the user should know. A command that chooses and builds comes here twice, and is
    /// to say it once.
    pub(crate) fn tell(&self, host: &Host) {
        self.notes.iter().for_each(|note| host.warn(note.as_str()));
    }
}

/// A repository of a request.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// What commands call it.
    pub id: String,
    /// Where it is, the best first, with a login where one is needed.
    pub bases: Vec<String>,
    /// The URL of its metalink, with a login where one is needed.
    pub metalink: Option<String>,
    /// The URL of its mirror list, likewise.
    pub mirrorlist: Option<String>,
    /// What records call it, where that is known before it is asked: without a login or a slash.
    pub canonical: Option<String>,
    /// How its servers are met, where that is not as usual.
    pub identities: Vec<FetchIdentity>,
    /// Keys that may sign.
    pub keys: Keys,
    /// Of those, only the ones with these fingerprints, where any is named.
    pub fingerprints: Vec<String>,
    /// Each package has to be signed.
    pub gpgcheck: bool,
    /// The metadata has to be signed.
    pub repo_gpgcheck: bool,
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
    /// For `$basearch` in its mirror list.
    pub(crate) variables: Variables,
}

impl Place {
    /// What messages call it.
    pub(crate) fn title(&self) -> String {
        match self.canonical.as_ref().or(self.metalink.as_ref()).or(self.mirrorlist.as_ref()) {
            Some(url) => format!("{} ({})", self.id, repository::without_login(url)),
            None => self.id.clone(),
        }
    }
}

/// Begins to download from these places.
pub(crate) fn fetch<'h>(
    host: &'h Host,
    places: &[Place],
    requests: Vec<FetchRequest>,
) -> Result<Fetches<'h>> {
    let identities = places.iter().flat_map(|place| place.identities.iter().cloned());
    host.fetch_as(requests, identities.collect())
}

/// A repository, before its keys are there.
struct Draft {
    repository: Repository,
    canonical: Option<String>,
    fingerprints: Vec<String>,
    /// The user named it.
    is_named: bool,
}

/// The repositories of a request.
///
/// Those of the release come first, unless the user names repositories and no release. One that
/// the user names stands in for one of the release with the same id.
pub(crate) fn places(options: &PlacesOptions, host: &Host) -> Result<Places> {
    let arch = releases::arch(&options.arch).ok_or_else(|| {
        let message = format!("there is no architecture \"{}\" of rpm's", options.arch);
        Error::new(ErrorKind::NotFound, message).option("arch")
    })?;
    let release = release(options)?;
    let variables = variables(options, release.as_ref(), arch);
    let mut notes = Vec::new();
    let drafts = drafts(options, release.as_ref(), arch, &variables, &mut notes)?;
    let drafts = chosen(options, drafts)?;
    let is_pinned = drafts.iter().any(|draft| !draft.fingerprints.is_empty());
    let copies = if is_pinned { copies(&options.keys, &mut notes) } else { Vec::new() };
    let hint = release.as_ref().and_then(Release::key_hint);
    let place = |draft| place(options, draft, &copies, hint, &variables, host, &mut notes);
    let all: Vec<Place> = drafts.into_iter().map(place).collect::<Result<_>>()?;
    Ok(Places { release, arch, all, given: options.keys.clone(), notes })
}

/// The release that is meant; `None` where there are only repositories of the user's.
fn release(options: &PlacesOptions) -> Result<Option<Release>> {
    let has_named = !options.repo.is_empty() || !options.repo_files.is_empty();
    if has_named && options.release.is_none() && options.distribution.is_none() {
        return Ok(None);
    }
    match releases::find(options.release.as_deref(), options.distribution.as_deref()) {
        Ok(release) => Ok(Some(release)),
        // It is a `$releasever` then, of a distribution that is not known here.
        Err(ReleaseError::Release { .. }) if has_named && options.distribution.is_none() => Ok(None),
        Err(error) => Err(unknown(&error)),
    }
}

fn unknown(error: &ReleaseError) -> Error {
    let (kind, option) = match error {
        ReleaseError::Distribution { .. } => (ErrorKind::NotFound, "distro"),
        ReleaseError::Release { .. } => (ErrorKind::NotFound, "release"),
        ReleaseError::Arch { .. } => (ErrorKind::NotFound, "arch"),
    };
    let hinted = Error::new(kind, error.to_string()).option(option);
    match error {
        ReleaseError::Release { others, .. } if !others.is_empty() => {
            hinted.hint(format!("Did you mean {}?", others.join(" or ")))
        }
        ReleaseError::Arch { .. } => hinted,
        ReleaseError::Release { word, .. } if meant(word).is_some() => {
            hinted.hint(format!("Did you mean {}?", meant(word).unwrap_or_default()))
        }
        _ => hinted.hint("For another distribution name its repositories and key: --repo URL --key FILE."),
    }
}

/// The release of which a word is a misspelling, where it has the name of no distribution.
fn meant(word: &str) -> Option<String> {
    if releases::distributions().iter().any(|name| word.starts_with(name.as_str())) {
        return None;
    }
    let words = releases::words();
    near::near(words.iter().map(String::as_str), word).first().map(|&word| word.to_owned())
}

fn variables(options: &PlacesOptions, release: Option<&Release>, arch: &Arch) -> Variables {
    let mut variables = match (release, &options.release) {
        (Some(release), _) => release.variables(arch),
        (None, Some(word)) => Variables::new(word, arch.basearch()),
        (None, None) => {
            let mut variables = Variables::default();
            variables.set("basearch", arch.basearch());
            variables
        }
    };
    variables.set("arch", &*arch.rpm);
    for (name, value) in &options.variables {
        variables.set(name, value);
    }
    variables
}

fn drafts(
    options: &PlacesOptions,
    release: Option<&Release>,
    arch: &Arch,
    variables: &Variables,
    notes: &mut Vec<String>,
) -> Result<Vec<Draft>> {
    let presets =
        release.map(|release| release.presets(arch).map_err(|error| unknown(&error))).transpose()?;
    let of_preset = |Preset { repository, canonical, fingerprints }| Draft {
        repository,
        canonical,
        fingerprints,
        is_named: false,
    };
    let mut drafts: Vec<Draft> = presets.unwrap_or_default().into_iter().map(of_preset).collect();
    let mut named = Vec::new();
    for (path, text) in &options.repo_files {
        let bad = |e: file::FileError| Error::usage(format!("{path}: {e}")).option("repo-file");
        let file = file::parse(text, variables).map_err(bad)?;
        notes.extend(file.notes.iter().map(|note| format!("{path}: {note}")));
        named.extend(file.repositories);
    }
    for (number, word) in options.repo.iter().enumerate() {
        let repository = Repository::parse(word, number, variables);
        named.push(repository.map_err(|e| Error::usage(e.to_string()).option("repo"))?);
    }
    if named.iter().any(|repository| repository.id == FILES) {
        let message = format!("no repository can be called \"{FILES}\"");
        let hint =
            format!("--allow-untrusted {FILES} is of package files. Call it otherwise: NAME=URL, [NAME].");
        return Err(Error::usage(message).hint(hint));
    }
    let mut ids = std::collections::HashSet::new();
    if let Some(twice) = named.iter().find(|repository| !ids.insert(&repository.id)) {
        let message = format!("there are two repositories \"{}\"", twice.id);
        return Err(Error::usage(message).hint("Name them: --repo NAME=URL.").option("repo"));
    }
    for repository in named {
        let canonical = repository.baseurl.first().map(|url| repository::recorded(url));
        let draft = Draft { repository, canonical, fingerprints: Vec::new(), is_named: true };
        match drafts.iter_mut().find(|known| known.repository.id == draft.repository.id) {
            // A place for it and nothing else is a mirror: the same keys have to fit.
            Some(known) if !known.is_named && draft.repository.is_bare() => {
                let Repository { baseurl, metalink, mirrorlist, enabled, .. } = draft.repository;
                known.repository =
                    Repository { baseurl, metalink, mirrorlist, enabled, ..known.repository.clone() };
            }
            Some(known) => *known = draft,
            None => drafts.push(draft),
        }
    }
    Ok(drafts)
}

/// Those that are used: what `--from` names, else what is on.
fn chosen(options: &PlacesOptions, drafts: Vec<Draft>) -> Result<Vec<Draft>> {
    let known: Vec<String> = drafts.iter().map(|draft| draft.repository.id.clone()).collect();
    let unknown = |id: &&String| !known.contains(id);
    let error = |id: &String, option: &str| {
        let message = format!("there is no repository \"{id}\" in this request: it has {}", known.join(", "));
        Error::new(ErrorKind::NotFound, message).option(option)
    };
    if let Some(id) = options.from.iter().find(unknown) {
        return Err(error(id, "from"));
    }
    if let Some(id) = options.allow_untrusted.iter().find(unknown) {
        return Err(error(id, "allow-untrusted"));
    }
    let is_used = |draft: &Draft| match options.from.is_empty() {
        true => draft.repository.enabled,
        false => options.from.contains(&draft.repository.id),
    };
    let used: Vec<Draft> = drafts.into_iter().filter(is_used).collect();
    match used.len() {
        0 => Err(none_is_left(&known)),
        1..=MAX_PLACES => Ok(used),
        count => {
            let message = format!("there are {count} repositories, and at most {MAX_PLACES} can be used");
            Err(Error::usage(message).option("repo"))
        }
    }
}

fn none_is_left(known: &[String]) -> Error {
    let error = Error::usage("no repository is left to use").option("repo");
    match known.first() {
        Some(first) => error.hint(format!(
            "All that are named are disabled ({}); --from {first} uses it all the same.",
            known.join(", ")
        )),
        None => error,
    }
}

fn place(
    options: &PlacesOptions,
    draft: Draft,
    copies: &[Copy],
    hint: Option<&str>,
    variables: &Variables,
    host: &Host,
    notes: &mut Vec<String>,
) -> Result<Place> {
    let (gpgcheck, repo_gpgcheck) = checks(options, &draft.repository, notes)?;
    let own = &draft.repository;
    let urls: Vec<&String> = own.baseurl.iter().chain(&own.metalink).chain(&own.mirrorlist).collect();
    let identities = identities(own, &urls, notes)?;
    let (keys, fingerprints) = match gpgcheck || repo_gpgcheck {
        true => keys(options, &draft, copies, &identities, hint, host)?,
        false => (Vec::new(), Vec::new()),
    };
    let Repository { id, baseurl, metalink, mirrorlist, username, password, .. } = draft.repository;
    let login = |url: String| match &username {
        Some(user) => repository::with_login(&url, user, password.as_deref().unwrap_or_default()),
        None => url,
    };
    let urls: Vec<&String> = baseurl.iter().chain(&metalink).chain(&mirrorlist).collect();
    for url in urls.iter().filter(|url| url.contains('$')) {
        let url = repository::without_login(url);
        notes.push(format!(
            "\"{url}\" of repository {id} has a variable without a value: --var NAME=VALUE, or --release"
        ));
    }
    if let Some(bad) = urls.iter().find(|url| !repository::is_url(url)) {
        let message = format!("\"{}\" of repository {id} is no URL", repository::without_login(bad));
        return Err(Error::usage(message).hint("It must be http, https or file, without unknown variables."));
    }
    if urls.is_empty() {
        return Err(Error::usage(format!("repository {id} has no baseurl, metalink or mirrorlist")));
    }
    let base = |url: String| login(url.trim_end_matches('/').to_owned());
    Ok(Place {
        id,
        bases: baseurl.into_iter().map(base).collect(),
        metalink: metalink.map(login),
        mirrorlist: mirrorlist.map(login),
        canonical: draft.canonical,
        identities,
        keys,
        fingerprints,
        gpgcheck,
        repo_gpgcheck,
        priority: draft.repository.priority,
        cost: draft.repository.cost,
        exclude: draft.repository.exclude,
        include: draft.repository.include,
        module_hotfixes: draft.repository.module_hotfixes,
        skip_if_unavailable: draft.repository.skip_if_unavailable,
        variables: variables.clone(),
    })
}

/// Whether packages, and whether metadata, has to be signed. One of the two, or the user's word.
fn checks(options: &PlacesOptions, repository: &Repository, notes: &mut Vec<String>) -> Result<(bool, bool)> {
    let id = &repository.id;
    if options.allow_untrusted.contains(id) {
        notes.push(format!("{id} is used without a signature, as --allow-untrusted says"));
        return Ok((false, false));
    }
    match (repository.gpgcheck.unwrap_or(true), repository.repo_gpgcheck.unwrap_or(false)) {
        (false, false) => {
            let message =
                format!("repository {id} has neither gpgcheck nor repo_gpgcheck: nobody vouches for it");
            let hint = format!("If you mean it, say so for this repository alone: --allow-untrusted {id}.");
            Err(Error::new(ErrorKind::Verification, message).hint(hint).option("allow-untrusted"))
        }
        checks => Ok(checks),
    }
}
