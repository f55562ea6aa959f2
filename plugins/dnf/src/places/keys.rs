//! Who may sign for a repository: the keys that it names, that the user gives, or that are known
//! of a release.

use std::fs::File;
use std::io::Read;

use ctr_forge_plugin::{Error, ErrorKind, FetchIdentity, FetchRequest, FetchUrl, Host, Result};

use super::{Draft, Keys, PlacesOptions};
use crate::releases;
use crate::rpmdb::pubkey;

/// Largest file of keys, in bytes.
const MAX_KEYS: u64 = 1 << 20;

/// A certificate that the user gave.
pub(super) struct Copy {
    /// The file that it is in.
    name: String,
    /// In upper-case hexadecimal.
    fingerprint: String,
    packets: Vec<u8>,
}

/// The certificates in the files that the user gave. A file that has none may be of use elsewhere.
pub(super) fn copies(given: &Keys, notes: &mut Vec<String>) -> Vec<Copy> {
    let mut copies = Vec::new();
    for (name, file) in given {
        match pubkey::certificates(file) {
            Ok(certificates) => copies.extend(certificates.into_iter().map(|(fingerprint, packets)| Copy {
                name: name.clone(),
                fingerprint,
                packets,
            })),
            Err(error) => notes.push(format!("no renewed key is looked for in {name}: {error}")),
        }
    }
    copies
}

/// The keys with these fingerprints: copies that the user gave, which may have been renewed, and
/// those that come with the plugin. No other key may sign, whoever gives it.
///
/// The user's are in front, as the package database and other tools keep the first of two copies;
/// who verifies takes the two together.
pub(super) fn pinned(fingerprints: &[String], copies: &[Copy]) -> Keys {
    let is_pinned = |copy: &&Copy| fingerprints.contains(&copy.fingerprint);
    let renewed = copies.iter().filter(is_pinned).map(|copy| (copy.name.clone(), copy.packets.clone()));
    let shipped = |fingerprint: &String| Some((fingerprint.clone(), releases::key(fingerprint)?.to_vec()));
    renewed.chain(fingerprints.iter().filter_map(shipped)).collect()
}

/// Adds to why a signature does not hold what can be done where keys are pinned.
pub(crate) fn hinted(error: Error, fingerprints: &[String]) -> Error {
    let hint = match error.kind {
        _ if fingerprints.is_empty() => return error,
        ErrorKind::Expired => "If the key has been renewed, name a file with its new copy: --key FILE.",
        // The host's own hint says to name a key, which would not count here.
        ErrorKind::Verification if !error.hints.is_empty() => {
            "Only the release's own keys count for its repositories; one with other keys needs a name of its \
             own: --repo NAME=URL --key FILE."
        }
        _ => return error,
    };
    Error { hints: vec![hint.to_owned()], ..error }
}

/// The keys that may sign for a repository, and of those the fingerprints that count.
pub(super) fn keys(
    options: &PlacesOptions,
    draft: &Draft,
    copies: &[Copy],
    identities: &[FetchIdentity],
    hint: Option<&str>,
    host: &Host,
) -> Result<(Keys, Vec<String>)> {
    let id = &draft.repository.id;
    if draft.is_named {
        let named = draft.repository.gpgkey.iter().map(|url| named_key(id, url, identities, host));
        let mut keys = named.collect::<Result<Keys>>()?;
        // What its own line names is enough; else what the user gives.
        if keys.is_empty() {
            keys.clone_from(&options.keys);
        }
        return match keys.is_empty() {
            false => Ok((keys, Vec::new())),
            true => Err(no_key(id, None)),
        };
    }
    match (draft.fingerprints.is_empty(), options.keys.is_empty()) {
        (false, _) => Ok((pinned(&draft.fingerprints, copies), draft.fingerprints.clone())),
        (true, false) => Ok((options.keys.clone(), Vec::new())),
        (true, true) => Err(no_key(id, hint)),
    }
}

fn no_key(id: &str, hint: Option<&str>) -> Error {
    let message = format!("no key is known that may sign for repository {id}");
    let hint =
        hint.unwrap_or("Name a file with its public key: --key FILE, or gpgkey= in the repository's file.");
    Error::new(ErrorKind::Verification, message).hint(hint).option("key")
}

/// A key that a repository file names. The repository's own servers are met as it says.
fn named_key(id: &str, url: &str, identities: &[FetchIdentity], host: &Host) -> Result<(String, Vec<u8>)> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    let context = |error: Error| error.context(format!("cannot read {url}, a key of repository {id}"));
    if path.starts_with('/') {
        let bytes =
            File::open(path).and_then(bounded).map_err(|e| context(Error::io("it cannot be read", e)))?;
        return Ok((path.to_owned(), bytes));
    }
    // Over http anybody on the way could put in another.
    if !url.starts_with("https://") {
        let message = format!("\"{url}\" is no place for a key of repository {id}");
        return Err(
            Error::usage(message).hint("A key is a file, by its path from the root on, or an https URL.")
        );
    }
    let request = FetchRequest {
        name: format!("a key of {id}"),
        urls: vec![FetchUrl { url: url.to_owned(), proxy: None }],
        max_size: Some(MAX_KEYS),
        ..FetchRequest::default()
    };
    let lost = || Error::new(ErrorKind::Internal, "a download was lost");
    let fetches = host.fetch_as(vec![request], identities.to_vec());
    let fetched = fetches?.next().ok_or_else(lost)?.map_err(context)?;
    let bytes = bounded(fetched.file).map_err(|e| context(Error::io("it cannot be read", e)))?;
    Ok((url.to_owned(), bytes))
}

pub(super) fn bounded(file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match file.take(MAX_KEYS + 1).read_to_end(&mut bytes)? as u64 > MAX_KEYS {
        false => Ok(bytes),
        true => Err(std::io::Error::other(format!("it has more than {} MiB", MAX_KEYS >> 20))),
    }
}
