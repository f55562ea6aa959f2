//! Blobs and manifests into a registry (distribution-spec 1.1, "Push").

use std::io::Read;

use ctr_forge_plugin::{ErrorKind, Result};
use ctr_forge_rootfs::Digest;
use ureq::Body;
use ureq::http::Response;
use ureq::http::header::RANGE;
use url::Url;

use crate::client::{Ask, Attempt, Payload, Registry, is_passing};

/// Blobs up to this size go in one piece, others in pieces of it: what was sent of one that
/// breaks off need not be sent again.
const PIECE: u64 = 32 << 20;

/// How often an upload begins anew.
const UPLOADS: usize = 3;

const PUSH: &str = "pull,push";

/// Reads a blob from an offset on.
type Open<'a> = dyn Fn(u64) -> Result<Box<dyn Read>> + Sync + 'a;

/// Something to push.
pub struct Blob<'a> {
    /// Its digest.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Reads it from an offset on.
    pub open: Box<Open<'a>>,
}

impl std::fmt::Debug for Blob<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blob").field("digest", &self.digest).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Registry {
    /// Whether a blob is there.
    ///
    /// # Errors
    ///
    /// If the registry does not say.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool> {
        self.retrying(|| {
            let response = self.ask("HEAD", self.url(&format!("blobs/{digest}"))?, PUSH, Payload::None)?;
            Ok(match response.status().as_u16() {
                200 => Attempt::Done(true),
                404 => Attempt::Done(false),
                status if is_passing(status) => {
                    Attempt::Passing(self.unexpected("say which blobs it has", response))
                }
                _ => return Err(self.unexpected("say which blobs it has", response)),
            })
        })
    }

    /// Sends a blob, unless it is there or can be had from the repository `from` of the same
    /// registry. Returns how many bytes had to be sent.
    ///
    /// # Errors
    ///
    /// If it cannot be sent.
    pub fn push_blob(&self, blob: &Blob<'_>, from: Option<&str>, sent: &(dyn Fn(u64) + Sync)) -> Result<u64> {
        if self.has_blob(&blob.digest)? {
            return Ok(0);
        }
        for attempt in 1.. {
            match self.upload(blob, from, sent) {
                Ok(bytes) => return Ok(bytes),
                Err(error) if error.kind == ErrorKind::Network && attempt < UPLOADS => {}
                Err(error) => return Err(error.context(format!("cannot push {}", blob.digest))),
            }
        }
        Ok(0)
    }

    fn upload(&self, blob: &Blob<'_>, from: Option<&str>, sent: &(dyn Fn(u64) + Sync)) -> Result<u64> {
        let Some(location) = self.begin(blob, from)? else { return Ok(0) };
        if blob.size <= PIECE {
            let open = || (blob.open)(0);
            let payload = Payload::Stream(blob.size, &open);
            let url = with_digest(location, &blob.digest);
            let response = self.bytes("PUT", url, Vec::new(), payload)?;
            self.finished(response)?;
            sent(blob.size);
            return Ok(blob.size);
        }
        let mut at = Piece { location, offset: 0 };
        while at.offset < blob.size {
            let before = at.offset;
            at = self.piece(blob, at)?;
            sent(at.offset - before);
        }
        let response = self.ask("PUT", with_digest(at.location, &blob.digest), PUSH, Payload::Bytes(b""))?;
        self.finished(response)?;
        Ok(blob.size)
    }

    /// Where to send a blob; `None` if the registry has taken it over from elsewhere.
    fn begin(&self, blob: &Blob<'_>, from: Option<&str>) -> Result<Option<Url>> {
        let mut url = self.url("blobs/uploads/")?;
        if let Some(from) = from {
            url.query_pairs_mut().append_pair("mount", &blob.digest.to_string()).append_pair("from", from);
        }
        self.retrying(|| {
            let ask = Ask {
                method: "POST",
                url: url.clone(),
                headers: Vec::new(),
                payload: Payload::Bytes(b""),
                actions: PUSH,
                also: from.iter().map(|&name| name.to_owned()).collect(),
            };
            let response = self.send(&ask)?;
            Ok(match response.status().as_u16() {
                201 => Attempt::Done(None),
                202 => Attempt::Done(Some(self.location(&url, &response)?)),
                status if is_passing(status) => {
                    Attempt::Passing(self.unexpected("begin an upload", response))
                }
                _ => return Err(self.unexpected("begin an upload", response)),
            })
        })
    }

    /// Sends the next piece of a blob.
    fn piece(&self, blob: &Blob<'_>, at: Piece) -> Result<Piece> {
        let mut at = at;
        self.retrying(|| {
            let size = PIECE.min(blob.size - at.offset);
            if size == 0 {
                return Ok(Attempt::Done(at.clone()));
            }
            let headers = vec![
                ("Content-Range", format!("{}-{}", at.offset, at.offset + size - 1)),
                ("Content-Type", "application/octet-stream".to_owned()),
            ];
            let offset = at.offset;
            let open = || (blob.open)(offset);
            let answer = self.bytes("PATCH", at.location.clone(), headers, Payload::Stream(size, &open));
            let failure = match answer {
                Ok(response) if response.status().as_u16() == 202 => {
                    let location = self.location(&at.location, &response)?;
                    return Ok(Attempt::Done(Piece { location, offset: at.offset + size }));
                }
                Ok(response)
                    if response.status().as_u16() == 416 || is_passing(response.status().as_u16()) =>
                {
                    self.unexpected("take a piece of a blob", response)
                }
                Ok(response) => return Err(self.unexpected("take a piece of a blob", response)),
                Err(error) if error.kind == ErrorKind::Network => error,
                Err(error) => return Err(error),
            };
            // What of it has arrived, the registry knows.
            if let Ok(Some(there)) = self.progress(&at.location)
                && there.offset <= blob.size
            {
                at = there;
            }
            Ok(Attempt::Passing(failure))
        })
    }

    /// How far an upload is.
    fn progress(&self, location: &Url) -> Result<Option<Piece>> {
        let response = self.ask("GET", location.clone(), PUSH, Payload::None)?;
        if response.status().as_u16() != 204 {
            return Ok(None);
        }
        let range = response.headers().get(RANGE).and_then(|value| value.to_str().ok());
        let last = range.and_then(|range| range.rsplit('-').next()?.parse::<u64>().ok());
        // "0-0" is also what distribution says of an upload with nothing in it.
        let offset = match last {
            Some(0) | None => 0,
            Some(last) => last + 1,
        };
        Ok(Some(Piece { location: self.location(location, &response)?, offset }))
    }

    fn finished(&self, response: Response<Body>) -> Result<()> {
        match response.status().as_u16() {
            201 | 204 => Ok(()),
            _ => Err(self.unexpected("take the blob", response)),
        }
    }

    /// Puts a manifest under `name`, a tag or its digest. All that it names must be there.
    ///
    /// # Errors
    ///
    /// If the registry does not take it.
    pub fn put_manifest(&self, name: &str, media_type: &str, bytes: &[u8]) -> Result<()> {
        self.put(name, media_type, bytes).map(drop)
    }

    /// The same; whether the registry lists it with what it is about by itself (`OCI-Subject`).
    pub(crate) fn put(&self, name: &str, media_type: &str, bytes: &[u8]) -> Result<bool> {
        self.retrying(|| {
            let url = self.url(&format!("manifests/{name}"))?;
            let headers = vec![("Content-Type", media_type.to_owned())];
            let response = self.bytes("PUT", url, headers, Payload::Bytes(bytes))?;
            Ok(match response.status().as_u16() {
                200..=299 => Attempt::Done(response.headers().contains_key("OCI-Subject")),
                status if is_passing(status) => {
                    Attempt::Passing(self.unexpected("take the manifest", response))
                }
                _ => return Err(self.unexpected("take the manifest", response)),
            })
        })
    }

    fn ask(&self, method: &str, url: Url, actions: &str, payload: Payload<'_>) -> Result<Response<Body>> {
        self.send(&Ask { method, url, headers: Vec::new(), payload, actions, also: Vec::new() })
    }

    fn bytes(
        &self,
        method: &str,
        url: Url,
        headers: Vec<(&'static str, String)>,
        payload: Payload<'_>,
    ) -> Result<Response<Body>> {
        self.send(&Ask { method, url, headers, payload, actions: PUSH, also: Vec::new() })
    }
}

/// How far an upload is, and where it goes on.
#[derive(Clone)]
struct Piece {
    location: Url,
    offset: u64,
}

/// The location may have a query of its own, which has to stay.
fn with_digest(mut location: Url, digest: &Digest) -> Url {
    location.query_pairs_mut().append_pair("digest", &digest.to_string());
    location
}
