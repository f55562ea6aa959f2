//! Who may sign for a repository: the keys that it names, that the user gives, or that are known
//! of a release.

use std::fs::File;
use std::io::Read;

use ctr_forge_plugin::{Error, ErrorKind, FetchRequest, FetchUrl, Host, Result};

use super::{Draft, Keys, PlacesOptions};
use crate::releases;

/// Largest file of keys, in bytes.
const MAX_KEYS: u64 = 1 << 20;

/// The keys that may sign for a repository, and of those the fingerprints that count.
pub(super) fn keys(
    options: &PlacesOptions,
    draft: &Draft,
    has_named: bool,
    hint: Option<&str>,
    host: &Host,
) -> Result<(Keys, Vec<String>)> {
    let id = &draft.repository.id;
    if draft.is_named {
        let mut keys =
            draft.repository.gpgkey.iter().map(|url| named_key(id, url, host)).collect::<Result<Keys>>()?;
        // What its own line names is enough; else what the user gives.
        if keys.is_empty() {
            keys.clone_from(&options.keys);
        }
        return match keys.is_empty() {
            false => Ok((keys, Vec::new())),
            true => Err(no_key(id, None)),
        };
    }
    // Keys that are given are for the repositories that are named, if there are any.
    if !options.keys.is_empty() && (!has_named || draft.fingerprints.is_empty()) {
        return Ok((options.keys.clone(), Vec::new()));
    }
    let shipped = |fingerprint: &String| Some((fingerprint.clone(), releases::key(fingerprint)?.to_vec()));
    let keys: Keys = draft.fingerprints.iter().filter_map(shipped).collect();
    match keys.is_empty() {
        false => Ok((keys, draft.fingerprints.clone())),
        true => Err(no_key(id, hint)),
    }
}

fn no_key(id: &str, hint: Option<&str>) -> Error {
    let message = format!("no key is known that may sign for repository {id}");
    let hint =
        hint.unwrap_or("Name a file with its public key: --key FILE, or gpgkey= in the repository's file.");
    Error::new(ErrorKind::Verification, message).hint(hint).option("key")
}

/// A key that a repository file names.
fn named_key(id: &str, url: &str, host: &Host) -> Result<(String, Vec<u8>)> {
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
    let fetched = host.fetch(vec![request])?.next().ok_or_else(lost)?.map_err(context)?;
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
