//! Which repositories a request uses, who may sign for them and who may carry their bytes.

use std::fs;

use ctr_forge_packages::file;
use ctr_forge_plugin::{Error, ErrorKind, FetchUrl, Host, Result};

use crate::host_apt::HostApt;
use crate::index::Place;
use crate::options::Options;
use crate::releases::{self, ArchiveKind, Release, Stamp};
use crate::repository::{self, Repository, SignedBy};

/// The release that is asked for, known or not.
pub(crate) fn release(options: &Options) -> Result<Release> {
    let suite = options.suite()?;
    if let Some(release) = releases::find(suite) {
        return Ok(release.clone());
    }
    if options.mirror.is_some() || !options.repo.is_empty() || !options.repo_file.is_empty() {
        return Ok(Release::unknown(suite));
    }
    let error =
        Error::new(ErrorKind::NotFound, format!("there is no release \"{suite}\" of Debian or Ubuntu"))
            .option("suite");
    Err(match releases::suggest(suite).as_slice() {
        [] => error.hint("For another distribution name its archive and key: --mirror URL --key FILE."),
        near => error.hint(format!("Did you mean {}?", near.join(" or "))),
    })
}

/// The repositories of a request, in the order of their numbers.
pub(crate) fn places(options: &Options, release: &Release, arch: &str, host: &Host) -> Result<Vec<Place>> {
    let given = given_keys(options, host)?;
    let apt = HostApt::read(options.apt_config());
    for note in apt.notes() {
        host.debug(format!("{}: {note}", options.apt_config().display()));
    }
    // The distribution's own have its keys; those given are for what the user names, if anything.
    let names_others = !options.repo.is_empty() || !options.repo_file.is_empty();
    let (own, named) = repositories(options, release, arch, host)?;
    let own = own.into_iter().map(|mut repository| {
        let given = if names_others { &[][..] } else { &given[..] };
        if !given.is_empty() {
            repository.signed_by = SignedBy::Default;
        }
        (repository, given)
    });
    let named = named.into_iter().map(|repository| (repository, &given[..]));
    let mut places = Vec::new();
    for (mut repository, given) in own.chain(named) {
        repository.check_valid_until &= !options.no_check_valid_until;
        let (keys, fingerprints) = keys(&repository, release, given)?;
        let bases = bases(&repository, release, &apt);
        places.push(Place { repository, keys, fingerprints, bases });
    }
    Ok(places)
}

/// Says which repositories nobody vouches for.
pub(crate) fn warn_of_trusted(places: &[Place], host: &Host) {
    for place in places.iter().filter(|place| place.repository.trusted) {
        host.warn(format!("{} is used without a signature, as its line says", place.repository));
    }
}

/// How files with such a key are called: apt(8) goes by that.
pub(crate) fn key_extension(key: &[u8]) -> &'static str {
    if key.trim_ascii_start().starts_with(b"-----BEGIN") { "asc" } else { "gpg" }
}

/// The distribution's own repositories, unless `--mirror` stands for them, and those that the user names.
fn repositories(
    options: &Options,
    release: &Release,
    arch: &str,
    host: &Host,
) -> Result<(Vec<Repository>, Vec<Repository>)> {
    let components: Vec<String> = match options.components.is_empty() {
        true => release.default_components().iter().map(ToString::to_string).collect(),
        false => options.components.clone(),
    };
    let snapshot = options.snapshot.as_deref().map(str::parse::<Stamp>).transpose();
    let snapshot = snapshot.map_err(|e| Error::usage(e.to_string()).option("snapshot"))?;
    let named: Vec<&str> = components.iter().map(String::as_str).collect();
    let words = |text: &str, option: &str| {
        repository::parse_words(text, &release.codename, &named)
            .map_err(|e| Error::usage(e.to_string()).option(option))
    };
    let (own, mut repositories) = match &options.mirror {
        Some(mirror) => (Vec::new(), words(mirror, "mirror")?),
        None => (release.repositories(arch, &components, snapshot.as_ref()), Vec::new()),
    };
    if let (Some(_), Some(snapshot)) = (&options.mirror, &snapshot) {
        for repository in &mut repositories {
            repository.url = format!("{}/{snapshot}", repository.url);
            repository.check_valid_until = false;
        }
    }
    for text in &options.repo {
        repositories.extend(words(text, "repo")?);
    }
    for value in &options.repo_file {
        let bytes = file::content(value, host)?;
        let text = String::from_utf8_lossy(&bytes);
        let found = repository::parse_words(&text, &release.codename, &named);
        repositories
            .extend(found.map_err(|e| Error::usage(format!("{}: {e}", value.path)).option("repo-file"))?);
    }
    match own.is_empty() && repositories.is_empty() {
        false => Ok((own, repositories)),
        true => Err(Error::usage("no repository was named").option("repo")),
    }
}

/// Keys, with their names for messages.
type Keys = Vec<(String, Vec<u8>)>;

fn given_keys(options: &Options, host: &Host) -> Result<Keys> {
    options.key.iter().map(|key| Ok((key.path.clone(), file::content(key, host)?))).collect()
}

/// The keys that may sign for a repository, and of those the fingerprints that count.
fn keys(
    repository: &Repository,
    release: &Release,
    given: &[(String, Vec<u8>)],
) -> Result<(Keys, Vec<String>)> {
    match &repository.signed_by {
        SignedBy::Inline(text) => {
            Ok((vec![("the key in its line".into(), text.clone().into_bytes())], vec![]))
        }
        SignedBy::Files(paths) => {
            let files = paths.iter().map(|path| {
                let name = path.display().to_string();
                let bytes = fs::File::open(path).and_then(file::bounded);
                bytes
                    .map(|bytes| (name.clone(), bytes))
                    .map_err(|e| Error::io(format!("cannot read {name}, the key of {repository}"), e))
            });
            Ok((files.collect::<Result<_>>()?, vec![]))
        }
        SignedBy::Fingerprints(named) if given.is_empty() => Ok((shipped(named), named.clone())),
        SignedBy::Fingerprints(named) => Ok((given.to_vec(), named.clone())),
        SignedBy::Default if !given.is_empty() => Ok((given.to_vec(), vec![])),
        SignedBy::Default => {
            let kind = releases::suite_kind(&repository.suite);
            let archive = kind.map_or(ArchiveKind::Main, |kind| kind.archive);
            Ok((shipped(&release.fingerprints(archive)), vec![]))
        }
    }
}

/// The keys that come with this plugin, of these fingerprints.
fn shipped(fingerprints: &[String]) -> Keys {
    let key = |fingerprint: &String| {
        let plain = fingerprint.trim_end_matches('!');
        Some((plain.to_owned(), releases::key(plain)?.to_vec()))
    };
    fingerprints.iter().filter_map(key).collect()
}

/// Where a repository can be had: at the host's mirrors, and at its own URL.
pub(crate) fn bases(repository: &Repository, release: &Release, apt: &HostApt) -> Vec<FetchUrl> {
    let transports = apt.transports(repository, release).into_iter();
    let mut bases: Vec<FetchUrl> =
        transports.map(|transport| FetchUrl { url: transport.url, proxy: transport.proxy }).collect();
    bases.push(FetchUrl { url: repository.url.clone(), proxy: None });
    bases
}

/// A path as it stands in a URL (RFC 3986, section 3.3).
pub(crate) fn escaped(path: &str) -> String {
    let escape = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ if b"-._~/!$&'()*+,;=:@".contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_file_name_with_a_percent_sign_is_found_on_the_server() {
        assert_eq!(escaped("pool/main/g/g++/g++_4%3a12~1 x.deb"), "pool/main/g/g++/g++_4%253a12~1%20x.deb");
    }
}
