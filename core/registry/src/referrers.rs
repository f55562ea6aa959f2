//! What is about an image (distribution-spec 1.1, "Listing Referrers", "Referrers Tag Schema").
//!
//! A registry that knows of subjects lists by itself what is about a manifest. Elsewhere the list
//! is an index under a tag made of the digest, which whoever pushes keeps.

use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::Digest;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Attempt, Registry, is_passing};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Most entries of a list that are looked at.
const MAX_LISTED: usize = 1000;

/// Something that is about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// Of its manifest.
    pub digest: Digest,
    /// What it is, as a media type; empty where the list does not say.
    pub artifact_type: String,
}

#[derive(Debug, Default, Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Option<Vec<Listed>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    digest: String,
    #[serde(default)]
    artifact_type: String,
}

impl Registry {
    /// What is about the manifest `subject`.
    ///
    /// # Errors
    ///
    /// If the registry does not say.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Referrer>> {
        let list = match self.listed(subject)? {
            Some(list) => list,
            None => match self.found(&tag(subject))? {
                Some(list) => list,
                None => return Ok(Vec::new()),
            },
        };
        let list: Index = serde_json::from_slice(&list)
            .map_err(|e| self.broken("a list of referrers that cannot be read").because(&e))?;
        let all = list.manifests.unwrap_or_default().into_iter().take(MAX_LISTED);
        let all = all.filter_map(|one| {
            Some(Referrer { digest: one.digest.parse().ok()?, artifact_type: one.artifact_type })
        });
        Ok(all.collect())
    }

    /// Puts the manifest of something that is about `subject`; `entry` is its descriptor for the
    /// list. All that it names must be there.
    ///
    /// # Errors
    ///
    /// If the registry does not take it.
    pub fn put_referrer(&self, subject: &Digest, manifest: &[u8], entry: &Value) -> Result<()> {
        let media_type = entry["mediaType"].as_str().unwrap_or_default();
        let digest = Digest::of(manifest).to_string();
        if self.put(&digest, media_type, manifest)? {
            return Ok(());
        }
        let tag = tag(subject);
        let mut list = match self.found(&tag)? {
            None => json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }),
            Some(list) => serde_json::from_slice::<Value>(&list)
                .map_err(|e| self.broken("a list of referrers that cannot be read").because(&e))?,
        };
        let Some(entries) = list["manifests"].as_array_mut() else {
            return Err(self.broken(&format!("a list of referrers under {tag} that is none")));
        };
        if entries.iter().any(|known| known["digest"] == digest.as_str()) {
            return Ok(());
        }
        entries.push(entry.clone());
        let list = serde_json::to_vec(&list)
            .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode a list of referrers").because(&e))?;
        self.put_manifest(&tag, INDEX, &list)
    }

    /// The list of a registry that makes one; `None` of one that does not.
    fn listed(&self, subject: &Digest) -> Result<Option<Vec<u8>>> {
        self.retrying(|| {
            let headers = vec![("Accept", INDEX.to_owned())];
            let response = self.get(self.url(&format!("referrers/{subject}"))?, headers)?;
            Ok(match response.status().as_u16() {
                200 => Attempt::Done(Some(self.small(response)?)),
                status if is_passing(status) => {
                    Attempt::Passing(self.unexpected("list what is about an image", response))
                }
                401 | 403 => return Err(self.unexpected("list what is about an image", response)),
                _ => Attempt::Done(None),
            })
        })
    }

    /// The manifest `name`, where there is one.
    ///
    /// # Errors
    ///
    /// If the registry does not say.
    pub fn found(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.manifest(name) {
            Ok(pulled) => Ok(Some(pulled.bytes)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// `sha256-…`: where the list is that the registry does not make.
fn tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}
