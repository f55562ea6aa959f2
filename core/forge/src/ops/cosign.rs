//! Signatures as cosign makes and checks them, by a key (sigstore/cosign, `specs/SIGNATURE_SPEC.md`):
//! a small document that names the digest of a manifest, its signature an annotation beside it.
//!
//! It is attached to the image as any artifact is, where `cosign verify --experimental-oci11` looks.
//! In a registry it also gets the tag `sha256-….sig`, where cosign looks by itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ctr_forge_oci::{Descriptor, Document, media_type};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_registry::{Reference, Registry};
use ctr_forge_rootfs::Digest;
use serde::Deserialize;
use serde_json::Value;

use super::attach::{AttachedTo, Home, ImagePlace};
use super::sign::{Critical, Identity, Payload, SignedImage, small};
use crate::Forge;
use crate::destination::StagedFile;
use crate::gpg::{Agent, PublicKey};

/// What the artifact is.
const ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// What its document is.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Under which the document's signature stands.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What the document says of itself.
const KIND: &str = "cosign container image signature";

/// Largest file of a public key, in bytes.
const MAX_KEY: u64 = 64 << 10;
/// Most signatures that are looked at.
const MAX_SIGNATURES: usize = 64;

/// What is to be signed.
#[derive(Debug)]
pub struct CosignRequest {
    /// The image.
    pub image: ImagePlace,
    /// Its name in a registry, where that does not follow from the image.
    pub name: Option<String>,
    /// The key, as gpg calls it.
    pub key: String,
    /// Where to write the public key, which cosign asks for.
    pub public_key: Option<PathBuf>,
}

/// Signs an image with a key that gpg-agent has.
///
/// # Errors
///
/// If the image is not there, or the key does not sign.
pub fn cosign_sign(forge: &Forge, asked: &CosignRequest) -> Result<AttachedTo> {
    let agent = Agent::new(forge, &asked.key)?;
    let home = Home::of(forge, &asked.image)?;
    let payload = Payload {
        critical: Critical {
            identity: Identity { docker_reference: repository(&home, asked.name.as_deref())? },
            image: SignedImage { docker_manifest_digest: home.digest.to_string() },
            kind: KIND.to_owned(),
        },
        optional: None,
    };
    let payload = serde_json::to_vec(&payload)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode a signature").because(&e))?;
    let digest = Digest::of(&payload);
    let signature = STANDARD.encode(agent.sign(&digest)?);
    let key = asked
        .public_key
        .as_ref()
        .map(|path| Ok::<_, Error>((StagedFile::new(path)?, agent.public.to_pem()?)));
    let key = key.transpose()?;
    let mut layer = Descriptor::new(PAYLOAD, digest.to_string(), payload.len() as u64);
    layer.annotations.insert(SIGNATURE.into(), signature);
    let attached = home.attach(forge, ARTIFACT, vec![(layer, payload)], &BTreeMap::new())?;
    if let Some((staged, pem)) = key {
        let mut file = staged.file();
        std::io::Write::write_all(&mut file, pem.as_bytes())
            .map_err(|e| Error::io("cannot write the public key", e))?;
        staged.publish()?;
    }
    Ok(attached)
}

/// What the signature says the image is called: where it is, or will be.
fn repository(home: &Home, name: Option<&str>) -> Result<String> {
    let named = name.map(Reference::parse).transpose()?;
    let named = named.map(|name| format!("{}/{}", name.registry, name.repository));
    named.or_else(|| home.repository()).ok_or_else(|| {
        Error::usage("an image in a layout is signed under the name that it will have in a registry")
            .hint("--as registry.example/team/app")
            .option("as")
    })
}

/// Checks that the key in a PEM file has signed an image; returns what was signed.
///
/// The name in the signature is compared only with one that is given: whoever copies an image into
/// another registry takes its signatures along.
///
/// # Errors
///
/// If no signature of the image is of the key.
pub fn cosign_verify(forge: &Forge, image: &ImagePlace, name: Option<&str>, key: &Path) -> Result<String> {
    let pem = String::from_utf8_lossy(&small(key, MAX_KEY)?).into_owned();
    let key = PublicKey::from_pem(&pem).ok_or_else(|| {
        Error::new(ErrorKind::Verification, format!("{} is no key that cosign's signatures are checked with", key.display()))
            .hint("It is a PEM file, BEGIN PUBLIC KEY, of RSA or NIST P-256: ctr-forge sign --cosign --public-key FILE")
            .option("key")
    })?;
    let home = Home::of(forge, image)?;
    let name = name.map(|name| repository(&home, Some(name))).transpose()?;
    let mut manifests = home.attached(forge, ARTIFACT)?;
    if let Some(registry) = home.registry() {
        manifests.extend(registry.found(&tag(&home.digest))?);
    }
    let mut causes = Vec::new();
    for signature in signatures(&manifests) {
        match check(forge, &home, &signature, &key, name.as_deref()) {
            Ok(subject) => return Ok(subject),
            Err(error) => causes.push(error.to_string()),
        }
    }
    if causes.is_empty() {
        causes.push("it has no signature of cosign's kind".to_owned());
    }
    let mut error =
        Error::new(ErrorKind::Verification, format!("that key does not vouch for {}", home.digest));
    causes.dedup();
    error.causes = causes;
    Err(error)
}

/// A signature as its manifest has it.
#[derive(Debug, Deserialize)]
struct Listed {
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

fn signatures(manifests: &[Vec<u8>]) -> Vec<Listed> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(default)]
        layers: Vec<Listed>,
    }
    let manifests = manifests.iter().filter_map(|bytes| serde_json::from_slice::<Manifest>(bytes).ok());
    let all = manifests.flat_map(|manifest| manifest.layers);
    all.filter(|layer| layer.annotations.contains_key(SIGNATURE)).take(MAX_SIGNATURES).collect()
}

fn check(forge: &Forge, home: &Home, listed: &Listed, key: &PublicKey, name: Option<&str>) -> Result<String> {
    let refused = |why: String| Error::new(ErrorKind::Verification, why);
    let digest: Digest = listed.digest.parse().map_err(|_| refused("a signature without a digest".into()))?;
    let signature = listed.annotations.get(SIGNATURE).and_then(|text| STANDARD.decode(text).ok());
    let signature = signature.ok_or_else(|| refused("a signature that cannot be read".into()))?;
    // Of the document nothing counts before its digest is known to be signed.
    if !key.verifies(&digest, &signature) {
        return Err(refused("a signature is not of that key".into()));
    }
    let payload: Payload = serde_json::from_slice(&home.small_blob(forge, &digest, listed.size)?)
        .map_err(|e| refused("what was signed is not understood".into()).because(&e))?;
    let Critical { identity, image, kind } = payload.critical;
    if kind != KIND {
        return Err(refused("it vouches for something else than an image".into()));
    }
    if image.docker_manifest_digest != home.digest.to_string() {
        let other = image.docker_manifest_digest.escape_debug().to_string();
        return Err(refused(format!("it vouches for the digest {other}")));
    }
    let known = identity.docker_reference;
    if name.is_some_and(|name| name != known) {
        return Err(refused(format!("it vouches for the name {}", known.escape_debug())));
    }
    Ok(format!("{known}@{}", home.digest))
}

/// Where cosign looks by itself.
fn tag(subject: &Digest) -> String {
    format!("sha256-{}.sig", subject.hex())
}

/// Puts a signature under the tag where cosign looks, with those that are there; nothing for
/// another artifact.
pub(super) fn put(registry: &Registry, subject: &Digest, manifest: &Document) -> Result<()> {
    if manifest.descriptor.artifact_type.as_deref() != Some(ARTIFACT) {
        return Ok(());
    }
    let broken = |e: serde_json::Error| Error::input("a list of signatures cannot be read").because(&e);
    let tag = tag(subject);
    let Some(known) = registry.found(&tag)? else {
        return registry.put_manifest(&tag, media_type::MANIFEST, &manifest.bytes);
    };
    let mut list: Value = serde_json::from_slice(&known).map_err(broken)?;
    let new: Value = serde_json::from_slice(&manifest.bytes).map_err(broken)?;
    let layers = list["layers"].as_array_mut();
    let layers = layers.ok_or_else(|| Error::input(format!("{tag} has no signatures that can be read")))?;
    let new: Vec<_> = new["layers"].as_array().into_iter().flatten().collect();
    if new.iter().all(|layer| layers.contains(layer)) {
        return Ok(());
    }
    layers.extend(new.into_iter().cloned());
    let media_type = list["mediaType"].as_str().unwrap_or(media_type::MANIFEST).to_owned();
    let bytes = serde_json::to_vec(&list).map_err(broken)?;
    registry.put_manifest(&tag, &media_type, &bytes)
}
