//! `verify`: whether data is signed by keys that its repository names.
//!
//! Keys are those of the call alone: there is no keyring of the host that would
//! let one repository's key vouch for another's data.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use ctr_forge_fetch::openpgp::{self, Keyring, Policy, Refusal, VerifyError};
use ctr_forge_fetch::rsa::{self, RsaError};
use ctr_forge_plugin::message::{Verified, VerifyParams, service};
use ctr_forge_plugin::{Error, ErrorKind, Result, SignatureKind, Signer};
use ctr_forge_rootfs::Digest;
use serde_json::Value;

use super::{Answer, Files, Ledger, decode, encode, read_all};
use crate::{Attachments, Forge};

/// Largest signed file, in bytes. The Release file of Debian's unstable has 200 kB.
const MAX_DATA: u64 = 64 << 20;
const KEY_HINT: &str = "If its key is to be trusted for this repository, name a file with it: --key FILE.";

/// Largest signature, and all keys of a call together, in bytes.
const MAX_SMALL: u64 = 16 << 20;

pub(super) fn verify(
    forge: &Forge,
    params: Value,
    files: Vec<OwnedFd>,
    ledger: &mut Ledger,
    check: &mut dyn FnMut() -> Result<()>,
) -> Result<Answer> {
    let params: VerifyParams = decode(service::VERIFY, params)?;
    let mut files = Files(files.into_iter().map(Some).collect());
    let data = read(&files.take(params.data)?, MAX_DATA, &params.name, check)?;
    if let Some(hash) = rsa_hash(params.kind) {
        return verify_rsa(&params, &data, hash, &mut files, ledger, check);
    }
    let ring = keyring(&params, &mut files, check)?;
    let policy = Policy { at: SystemTime::now() };
    let verified = match params.kind {
        SignatureKind::OpenpgpCleartext => openpgp::verify_cleartext(&data, &ring, &policy),
        _ => {
            let signature = signature(&params, &mut files, check)?;
            openpgp::verify_detached(data.as_slice(), &signature, &ring, &policy)
        }
    };
    let verified = verified.map_err(|error| refused(&params.name, &error))?;

    let digest = Digest::of(&data).to_string();
    let mut answer = Verified { digest: digest.clone(), ..Verified::default() };
    let text = if params.kind == SignatureKind::OpenpgpCleartext { &verified.text } else { &data };
    ledger.listed(&digest, text);
    for signer in verified.signers {
        ledger.signed(&digest, &signer.fingerprint);
        answer.signers.push(Signer {
            fingerprint: signer.fingerprint,
            primary: signer.primary,
            user_id: signer.user_id,
        });
    }
    let mut attachments = Attachments::new();
    if params.kind == SignatureKind::OpenpgpCleartext {
        let mut text = crate::ops::temporary_file(forge)?;
        text.write_all(&verified.text).map_err(|e| Error::io("cannot keep a signed text", e))?;
        answer.text = Some(attachments.add(text));
    }
    encode(answer, attachments)
}

fn rsa_hash(kind: SignatureKind) -> Option<rsa::Hash> {
    match kind {
        SignatureKind::OpenpgpCleartext | SignatureKind::OpenpgpDetached => None,
        SignatureKind::RsaPkcs1Sha1 => Some(rsa::Hash::Sha1),
        SignatureKind::RsaPkcs1Sha256 => Some(rsa::Hash::Sha256),
        SignatureKind::RsaPkcs1Sha512 => Some(rsa::Hash::Sha512),
    }
}

fn verify_rsa(
    params: &VerifyParams,
    data: &[u8],
    hash: rsa::Hash,
    files: &mut Files,
    ledger: &mut Ledger,
    check: &mut dyn FnMut() -> Result<()>,
) -> Result<Answer> {
    let signature = signature(params, files, check)?;
    let mut keys = Vec::new();
    for (name, bytes) in key_files(params, files, check)? {
        let key = rsa::Key::read(&bytes)
            .map_err(|error| Error::new(ErrorKind::Verification, format!("{name} {error}")))?;
        if params.fingerprints.is_empty() || params.fingerprints.iter().any(|one| one == key.fingerprint()) {
            keys.push(key);
        }
    }
    let signer = rsa::verify(data, &signature, hash, &keys).map_err(|error| {
        let said = Error::new(ErrorKind::Verification, format!("{} {error}", params.name));
        match error {
            RsaError::NoKeyFits => said.hint(KEY_HINT),
            RsaError::Collision => said,
        }
    })?;
    let digest = Digest::of(data).to_string();
    ledger.signed(&digest, signer.fingerprint());
    let signer = Signer {
        fingerprint: signer.fingerprint().to_owned(),
        primary: signer.fingerprint().to_owned(),
        user_id: None,
    };
    encode(Verified { digest, signers: vec![signer], text: None }, Attachments::new())
}

fn signature(
    params: &VerifyParams,
    files: &mut Files,
    check: &mut dyn FnMut() -> Result<()>,
) -> Result<Vec<u8>> {
    let signature = params.signature.ok_or_else(|| Error::usage("no signature came with \"verify\""))?;
    read(&files.take(signature)?, MAX_SMALL, "a signature", check)
}

/// The call's files of keys, with their names.
fn key_files(
    params: &VerifyParams,
    files: &mut Files,
    check: &mut dyn FnMut() -> Result<()>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut left = MAX_SMALL;
    let mut parts = Vec::new();
    for key in &params.keys {
        let bytes = read(&files.take(key.file)?, left, &key.name, check)?;
        left -= bytes.len() as u64;
        parts.push((key.name.clone(), bytes));
    }
    Ok(parts)
}

fn keyring(
    params: &VerifyParams,
    files: &mut Files,
    check: &mut dyn FnMut() -> Result<()>,
) -> Result<Keyring> {
    let parts = key_files(params, files, check)?;
    let parts: Vec<_> = parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let unusable = |error: &dyn std::error::Error| {
        Error::new(ErrorKind::Verification, "there is no key to check a signature with").because(error)
    };
    let ring = Keyring::read(&parts).map_err(|error| unusable(&error))?;
    match params.fingerprints.as_slice() {
        [] => Ok(ring),
        fingerprints => ring.restrict(fingerprints).map_err(|error| unusable(&error)),
    }
}

/// The whole file, from its beginning, wherever its offset stands.
fn read(file: &File, limit: u64, what: &str, check: &mut dyn FnMut() -> Result<()>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_all(file, check, &mut |part| {
        if (bytes.len() + part.len()) as u64 > limit {
            return Err(Error::new(ErrorKind::Input, format!("{what} has more than {limit} bytes")));
        }
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    Ok(bytes)
}

pub(crate) fn refused(name: &str, error: &VerifyError) -> Error {
    let said = match error {
        VerifyError::Read(_) => {
            return Error::new(ErrorKind::Io, format!("{name} cannot be read")).because(error);
        }
        VerifyError::Refused {
            why: Refusal::KeyExpired { .. } | Refusal::SignatureExpired { .. } | Refusal::NotYetValid { .. },
            ..
        } => Error::new(ErrorKind::Expired, format!("{name} {error}")),
        VerifyError::Refused { why: Refusal::Unsupported { .. }, .. } => {
            Error::new(ErrorKind::Unsupported, format!("{name} {error}"))
        }
        _ => Error::new(ErrorKind::Verification, format!("{name} {error}")),
    };
    match error {
        VerifyError::UnknownSigner { .. } => said.hint(KEY_HINT),
        _ => said,
    }
}
