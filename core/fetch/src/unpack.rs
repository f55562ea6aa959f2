//! A compressed file without its compression.
//!
//! An index is read far more often than it changes, and unpacking is most of the
//! work. Where the signed index names the digest of the plain form as well, the
//! cache can have that, verified like everything else.

use std::io::{self, Read};

use ctr_forge_rootfs::Decoder;

use crate::error::FetchError;
use crate::fetcher::Job;
use crate::incoming::Incoming;
use crate::obtain::Obtained;
use crate::request::Unpacked;
use crate::stored::CHUNK;

/// Unpacks what is here and verified.
pub(crate) fn unpack(job: &Job<'_>, packed: &Obtained, unpacked: &Unpacked) -> Result<Obtained, FetchError> {
    let bad = |reason: String| FetchError::Unpack { url: packed.url.clone(), reason };
    let cache = job.fetcher().cache()?;
    let mut incoming = match cache {
        Some(cache) => cache.scratch(Some(&unpacked.digest))?,
        None => Incoming::temp(&job.fetcher().config().temp_dir, Some(&unpacked.digest))?,
    };
    let decoder = Decoder::new(packed.stored.open()?).map_err(|error| bad(error.to_string()))?;
    // One byte more than there may be tells that there is more.
    let mut plain = decoder.take(unpacked.size.saturating_add(1));
    let mut buffer = vec![0; CHUNK];
    loop {
        job.check()?;
        match plain.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => incoming.write(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(bad(error.to_string())),
        }
    }
    if incoming.len() != unpacked.size {
        return Err(bad(format!("it does not unpack to {} bytes", unpacked.size)));
    }
    let got = incoming.sums().like(&unpacked.digest);
    if got != unpacked.digest {
        return Err(bad(format!("it unpacks to {got} instead of {}", unpacked.digest)));
    }
    let stored = match cache {
        Some(cache) => cache.store(incoming, &unpacked.digest)?,
        None => incoming.keep_for_now()?,
    };
    Ok(Obtained { stored, url: packed.url.clone(), origin: packed.origin })
}
