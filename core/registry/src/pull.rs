//! Manifests and blobs out of a registry (distribution-spec 1.1, "Pull").

use std::fs::File;
use std::io::{Read, Write};

use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::{Digest, Hasher};
use ureq::http::header::CONTENT_TYPE;
use url::Url;

use crate::client::{Ask, Attempt, Payload, Registry, is_passing};

/// What can be read: OCI's manifests and indexes, and docker's of the same shape.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                      application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json";

const PULL: &str = "pull";

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

impl Registry {
    /// The manifest `name`, a tag or a digest, which then is compared.
    ///
    /// # Errors
    ///
    /// If there is none, or it is another one.
    pub fn manifest(&self, name: &str) -> Result<Pulled> {
        let pulled = self.retrying(|| {
            let headers = vec![("Accept", ACCEPT.to_owned())];
            let response = self.get(self.url(&format!("manifests/{name}"))?, headers)?;
            Ok(match response.status().as_u16() {
                200 => {
                    let media_type =
                        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                    let media_type = media_type.unwrap_or_default().to_owned();
                    let bytes = self.small(response)?;
                    Attempt::Done(Pulled { media_type, digest: Digest::of(&bytes), bytes })
                }
                status if is_passing(status) => {
                    Attempt::Passing(self.unexpected("give the manifest", response))
                }
                _ => return Err(self.unexpected(&format!("have {}", self.reference()), response)),
            })
        })?;
        match name.parse::<Digest>() {
            Ok(wanted) if wanted != pulled.digest => Err(wrong(&wanted, &pulled.digest)),
            _ => Ok(pulled),
        }
    }

    /// Writes a blob to `file`, whole and with its digest or not at all. What was there of it when a
    /// connection broke off is not asked for again.
    ///
    /// # Errors
    ///
    /// If it cannot be had.
    pub fn blob(&self, digest: &Digest, size: u64, file: &mut File, got: &dyn Fn(u64)) -> Result<()> {
        let (mut hasher, mut done) = (Hasher::new(), 0_u64);
        let what = format!("give the blob {digest}");
        self.retrying(|| {
            let range = (done > 0).then(|| ("Range", format!("bytes={done}-")));
            let response = self.get(self.url(&format!("blobs/{digest}"))?, range.into_iter().collect())?;
            let mut skip = match response.status().as_u16() {
                206 if done > 0 => 0,
                200 => done,
                status if is_passing(status) => {
                    return Ok(Attempt::Passing(self.unexpected(&what, response)));
                }
                _ => return Err(self.unexpected(&what, response)),
            };
            let mut body = response.into_body();
            let mut reader = body.as_reader();
            let mut buffer = vec![0; 256 << 10];
            loop {
                let count = match reader.read(&mut buffer) {
                    Ok(count) => count,
                    Err(e) => {
                        let message = format!("{} broke off in a blob", self.reference().registry);
                        return Ok(Attempt::Passing(Error::new(ErrorKind::Network, message).because(&e)));
                    }
                };
                if count == 0 {
                    break;
                }
                let passed = usize::try_from(skip).unwrap_or(count).min(count);
                skip -= passed as u64;
                let bytes = &buffer[passed..count];
                done += bytes.len() as u64;
                if done > size {
                    return Err(Error::new(
                        ErrorKind::Verification,
                        format!("the blob {digest} is larger than the {size} bytes that its manifest says"),
                    ));
                }
                hasher.update(bytes);
                file.write_all(bytes).map_err(|e| Error::io("cannot write a blob", e))?;
                got(bytes.len() as u64);
            }
            match done == size {
                true => Ok(Attempt::Done(())),
                false => Ok(Attempt::Passing(Error::new(
                    ErrorKind::Network,
                    format!("{} gave {done} of {size} bytes of a blob", self.reference().registry),
                ))),
            }
        })?;
        let found = hasher.finish();
        if found == *digest { Ok(()) } else { Err(wrong(digest, &found)) }
    }

    pub(crate) fn get(
        &self,
        url: Url,
        headers: Vec<(&'static str, String)>,
    ) -> Result<ureq::http::Response<ureq::Body>> {
        self.send(&Ask {
            method: "GET",
            url,
            headers,
            payload: Payload::None,
            actions: PULL,
            also: Vec::new(),
        })
    }
}

fn wrong(wanted: &Digest, found: &Digest) -> Error {
    let mut error =
        Error::new(ErrorKind::Verification, format!("the registry gave something else than {wanted}"));
    error.causes.push(format!("its digest is {found}"));
    error
}
