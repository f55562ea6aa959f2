//! The host services: what a plugin may ask for while it works.
//!
//! One entry for each; what a service needs comes in as parameters and files,
//! what it gives goes out the same way. Services never trust what they are
//! handed: a plugin may be anybody's.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use ctr_forge_plugin::message::{FileAnswer, service};
use ctr_forge_plugin::{Error, FileDigest, HostInfo, PROTOCOL, Result};
use ctr_forge_rootfs::{Digest, Hasher};
use serde_json::Value;

use crate::{Attachments, Forge};

/// All services of this version, by name.
pub const SERVICES: &[&str] = &[service::HOST_INFO, service::FILE_TEMP, service::FILE_DIGEST];

/// An answer and the files that go along with it.
pub(crate) type Answer = (Value, Attachments);

/// Answers a call; `None` where there is no such service. `check` may stop one that takes long.
pub(crate) fn answer(
    forge: &Forge,
    method: &str,
    params: Value,
    files: Vec<OwnedFd>,
    check: &mut dyn FnMut() -> Result<()>,
) -> Option<Result<Answer>> {
    Some(match method {
        service::HOST_INFO => host_info(forge),
        service::FILE_TEMP => file_temp(forge),
        service::FILE_DIGEST => file_digest(params, files, check),
        _ => return None,
    })
}

fn host_info(forge: &Forge) -> Result<Answer> {
    let info = HostInfo {
        name: "ctr-forge".into(),
        version: forge.version.to_string(),
        protocol: PROTOCOL,
        services: SERVICES.iter().map(ToString::to_string).collect(),
    };
    encode(info, Attachments::new())
}

fn file_temp(forge: &Forge) -> Result<Answer> {
    let mut files = Attachments::new();
    let file = files.add(crate::ops::temporary_file(forge)?);
    encode(FileAnswer { file }, files)
}

fn file_digest(params: Value, files: Vec<OwnedFd>, check: &mut dyn FnMut() -> Result<()>) -> Result<Answer> {
    let params: FileAnswer = serde_json::from_value(params)
        .map_err(|e| Error::usage("the parameters of \"file.digest\" are wrong").because(&e))?;
    let file = usize::try_from(params.file.fd).ok().and_then(|index| files.into_iter().nth(index));
    let file = File::from(file.ok_or_else(|| Error::usage("no file came with \"file.digest\""))?);
    let (digest, size) = digest_of(&file, check)?;
    encode(FileDigest { digest: digest.to_string(), size }, Attachments::new())
}

fn encode(answer: impl serde::Serialize, files: Attachments) -> Result<Answer> {
    let value =
        serde_json::to_value(answer).map_err(|e| Error::plugin("cannot encode an answer").because(&e))?;
    Ok((value, files))
}

/// Digest and size of a whole file, wherever its offset stands. `check` may stop it.
pub(crate) fn digest_of(file: &File, check: &mut dyn FnMut() -> Result<()>) -> Result<(Digest, u64)> {
    let cannot_read = |e: std::io::Error| Error::io("cannot read a file for its digest", e);
    // A pipe has no offsets, and reading it here would take its bytes from whoever waits for them.
    if !rustix::fs::fstat(file.as_fd())
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file())
    {
        return Err(Error::usage("only a regular file has a digest"));
    }
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        check()?;
        match file.read_at(&mut buffer, size).map_err(cannot_read)? {
            0 => return Ok((hasher.finish(), size)),
            count => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
}
