//! How the servers of repositories are met.

use std::fs::File;

use ctr_forge_plugin::{Error, FetchIdentity, Result};

use super::keys::bounded;
use crate::repository::{self, Repository};

/// How the servers of a repository are met, where its file says so (`sslcacert`, `sslclientcert`,
/// `sslclientkey`): each server that it names, and no mirror that these name.
pub(super) fn identities(
    repository: &Repository,
    urls: &[&String],
    notes: &mut Vec<String>,
) -> Result<Vec<FetchIdentity>> {
    let Repository { id, tls, .. } = repository;
    if tls.no_verify {
        notes.push(format!("the server of {id} is checked all the same: sslverify=0 is left out"));
    }
    let text = |path: &Option<String>| -> Result<Option<String>> {
        let Some(path) = path else { return Ok(None) };
        let read = File::open(path.strip_prefix("file://").unwrap_or(path)).and_then(bounded);
        let bytes =
            read.map_err(|e| Error::io(format!("cannot read {path}, a certificate or key of {id}"), e))?;
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|_| Error::input(format!("{path}, a certificate or key of {id}, is not in PEM")))
    };
    let (authorities, certificate, key) = (text(&tls.ca)?, text(&tls.certificate)?, text(&tls.key)?);
    if authorities.is_none() && certificate.is_none() {
        return Ok(Vec::new());
    }
    let identity = |url: &&String| FetchIdentity {
        url: repository::without_login(url),
        authorities: authorities.clone(),
        certificate: certificate.clone(),
        key: key.clone(),
    };
    Ok(urls.iter().filter(|url| url.starts_with("https://")).map(identity).collect())
}
