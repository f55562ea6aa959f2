//! `ctr-forge sign` and `verify`: OpenPGP signatures of files and images.
//!
//! gpg signs, with its agent, so that secret keys stay where they are. A file gets a detached
//! signature beside it (`FILE.asc`), as rkt and people expect. An image gets one in the form of the
//! container tools ("simple signing", containers-signature(5)): a small document that says which
//! name and which manifest digest belong together, in a directory that a web server can hand out
//! (containers-registries.d(5), `lookaside`).

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ctr_forge_fetch::openpgp::{self, Keyring, MAX_KEYRING, Policy};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_registry::Reference;
use ctr_forge_rootfs::Digest;
use serde::{Deserialize, Serialize};

use super::inspect::open_all;
use super::push::{document, pack};
use crate::destination::StagedFile;
use crate::services::verify::refused;
use crate::{Forge, gpg};

/// Most signatures of one image that are looked at.
const MAX_SIGNATURES: u32 = 64;

/// What a signature of an image says (containers-signature(5)).
const KIND: &str = "atomic container signature";

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Where the signature is.
    pub signature: PathBuf,
    /// What whoever checks it should know.
    pub warning: Option<String>,
}

/// Which signature of an image is meant.
#[derive(Debug)]
pub struct ImageSignature {
    /// `PATH[:NAME]`.
    pub image: PathBuf,
    /// Which of several.
    pub arch: Option<String>,
    /// Under which name it is, or will be, in a registry.
    pub name: String,
    /// The directory of signatures.
    pub lookaside: PathBuf,
}

/// Who vouches for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBy {
    /// Fingerprint of the key that signed.
    pub fingerprint: String,
    /// Free text of whoever made it.
    pub user_id: Option<String>,
    /// What is vouched for.
    pub subject: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Payload {
    pub(super) critical: Critical,
    /// What cosign has nothing to say in is `null`.
    #[serde(default)]
    pub(super) optional: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Critical {
    pub(super) identity: Identity,
    pub(super) image: SignedImage,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Identity {
    pub(super) docker_reference: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SignedImage {
    pub(super) docker_manifest_digest: String,
}

/// Signs a file; the signature is beside it.
///
/// # Errors
///
/// If gpg does not sign.
pub fn sign_file(forge: &Forge, path: &Path, key: &str) -> Result<Signed> {
    if !path.is_file() {
        return Err(Error::input(format!("{} is no file", path.display()))
            .hint("An image layout is signed under a name: --as registry.example/app:1 --lookaside DIR"));
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".asc");
    let staged = StagedFile::new(Path::new(&name))?;
    let input = File::open(path).map_err(|e| Error::io(format!("cannot read {}", path.display()), e))?;
    let signature = gpg::sign(forge, key, &["--armor", "--detach-sign"], input.into())?;
    put(&staged, &signature)?;
    staged.publish()?;
    let is_aci = path.extension().is_some_and(|extension| extension == "aci");
    let warning = match is_aci && gpg::algorithm(forge, key).is_some_and(|algorithm| algorithm != "1") {
        true => Some("rkt takes signatures of RSA keys alone, and this key is none".to_owned()),
        false => None,
    };
    Ok(Signed { signature: name.into(), warning })
}

/// The public half of a key, in armor.
///
/// # Errors
///
/// If gpg does not have it.
pub fn public_key(forge: &Forge, key: &str) -> Result<Vec<u8>> {
    gpg::export(forge, key)
}

/// Signs an image under a name.
///
/// # Errors
///
/// If it is no image of a registry's kind, or gpg does not sign.
pub fn sign_image(forge: &Forge, asked: &ImageSignature, key: &str) -> Result<Signed> {
    let (reference, digest) = subject(forge, asked)?;
    let payload = Payload {
        critical: Critical {
            identity: Identity { docker_reference: reference.to_string() },
            image: SignedImage { docker_manifest_digest: digest.to_string() },
            kind: KIND.to_owned(),
        },
        optional: Some(
            [("creator".to_owned(), format!("ctr-forge {}", forge.version).into())].into_iter().collect(),
        ),
    };
    let text = serde_json::to_vec(&payload)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode a signature").because(&e))?;
    let mut input = super::temporary_file(forge)?;
    let written = input.write_all(&text).and_then(|()| std::io::Seek::rewind(&mut input));
    written.map_err(|e| Error::io("cannot write what is to be signed", e))?;
    // Not compressed: a few hundred bytes, which readers other than gpg should understand.
    let signature = gpg::sign(forge, key, &["--compress-algo", "none", "--sign"], input.into())?;
    let directory = directory(asked, &reference, &digest);
    fs::create_dir_all(&directory)
        .map_err(|e| Error::io(format!("cannot make {}", directory.display()), e))?;
    let free = (1..=MAX_SIGNATURES).map(|number| directory.join(format!("signature-{number}")));
    let place = free.into_iter().find(|path| !path.exists()).ok_or_else(|| {
        Error::usage(format!("{} has {MAX_SIGNATURES} signatures already", directory.display()))
    })?;
    let staged = StagedFile::new(&place)?;
    put(&staged, &signature)?;
    staged.publish()?;
    Ok(Signed { signature: place, warning: None })
}

/// Checks a file by the signature beside it.
///
/// # Errors
///
/// If no key of `keys` has signed this very file.
pub fn verify_file(path: &Path, keys: &[PathBuf]) -> Result<VerifiedBy> {
    let ring = keyring(keys)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".asc");
    let name = PathBuf::from(name);
    let signature = small(&name, openpgp::MAX_SIGNATURE as u64)
        .map_err(|error| error.hint("A file is signed by: ctr-forge sign FILE --sign-key ID"))?;
    let file = File::open(path).map_err(|e| Error::io(format!("cannot read {}", path.display()), e))?;
    let policy = Policy { at: SystemTime::now() };
    let verified = openpgp::verify_detached(
        std::io::BufReader::with_capacity(1 << 20, file),
        &signature,
        &ring,
        &policy,
    );
    let verified = verified.map_err(|error| refused(&path.display().to_string(), &error))?;
    signer(verified.signers, path.display().to_string())
}

/// Checks an image by the signatures under its name.
///
/// # Errors
///
/// If no key of `keys` says that this image has this name.
pub fn verify_image(forge: &Forge, asked: &ImageSignature, keys: &[PathBuf]) -> Result<VerifiedBy> {
    let ring = keyring(keys)?;
    let (reference, digest) = subject(forge, asked)?;
    let directory = directory(asked, &reference, &digest);
    let mut causes = Vec::new();
    for number in 1..=MAX_SIGNATURES {
        let path = directory.join(format!("signature-{number}"));
        if !path.exists() {
            break;
        }
        let checked = small(&path, openpgp::MAX_SIGNATURE as u64)
            .and_then(|message| check(&message, &ring, &reference, &digest));
        match checked {
            Ok(found) => return Ok(found),
            Err(error) => causes.push(format!("{}: {error}", path.display())),
        }
    }
    let mut error = Error::new(
        ErrorKind::Verification,
        format!("nobody of those keys vouches for {reference} as {digest}"),
    );
    if causes.is_empty() {
        causes.push(format!("there is no signature in {}", directory.display()));
    }
    error.causes = causes;
    Err(error)
}

fn check(message: &[u8], ring: &Keyring, reference: &Reference, digest: &Digest) -> Result<VerifiedBy> {
    let policy = Policy { at: SystemTime::now() };
    let verified =
        openpgp::verify_message(message, ring, &policy).map_err(|error| refused("the signature", &error))?;
    let payload: Payload = serde_json::from_slice(&verified.text)
        .map_err(|e| Error::new(ErrorKind::Verification, "what was signed is not understood").because(&e))?;
    let Critical { identity, image, kind } = payload.critical;
    let another = |what: &str| Err(Error::new(ErrorKind::Verification, format!("it vouches for {what}")));
    if kind != KIND {
        return another("something else than an image");
    }
    if image.docker_manifest_digest != digest.to_string() {
        return another(&format!("the digest {}", image.docker_manifest_digest.escape_debug()));
    }
    if identity.docker_reference != reference.to_string() {
        return another(&format!("the name {}", identity.docker_reference.escape_debug()));
    }
    signer(verified.signers, format!("{reference} as {digest}"))
}

fn signer(signers: Vec<openpgp::Signer>, subject: String) -> Result<VerifiedBy> {
    let first = signers.into_iter().next();
    let first = first.ok_or_else(|| Error::new(ErrorKind::Internal, "a good signature by nobody"))?;
    Ok(VerifiedBy { fingerprint: first.fingerprint, user_id: first.user_id, subject })
}

/// The name, and the digest that the image has in a registry.
fn subject(forge: &Forge, asked: &ImageSignature) -> Result<(Reference, Digest)> {
    let reference = Reference::parse(&asked.name)?;
    if reference.digest.is_some() {
        return Err(Error::usage("an image is signed under a name with a tag"));
    }
    let images = open_all(forge, &asked.image, asked.arch.as_deref())?;
    let (manifest, _) = document(&images, &pack(&images, &asked.image)?)?;
    Ok((reference, Digest::of(&manifest)))
}

/// Where container tools look for the signatures of an image.
fn directory(asked: &ImageSignature, reference: &Reference, digest: &Digest) -> PathBuf {
    asked.lookaside.join(format!("{}@sha256={}", reference.repository, digest.hex()))
}

fn keyring(keys: &[PathBuf]) -> Result<Keyring> {
    let mut files = Vec::new();
    for path in keys {
        files.push((path.display().to_string(), small(path, MAX_KEYRING as u64)?));
    }
    let parts: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    Keyring::read(&parts).map_err(|e| {
        Error::new(ErrorKind::Verification, "there is no key to check a signature with")
            .because(&e)
            .option("key")
    })
}

pub(super) fn small(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let cannot = |e| Error::io(format!("cannot read {}", path.display()), e);
    let file = File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, limit + 1), &mut bytes).map_err(cannot)?;
    match bytes.len() as u64 > limit {
        false => Ok(bytes),
        true => Err(Error::input(format!("{} has more than {limit} bytes", path.display()))),
    }
}

fn put(staged: &StagedFile, bytes: &[u8]) -> Result<()> {
    let mut file = staged.file();
    file.write_all(bytes).map_err(|e| Error::io("cannot write the signature", e))
}
