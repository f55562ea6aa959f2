//! OCI layouts and archives: from `index.json` to an image (image-spec 1.1).

use std::collections::BTreeMap;
use std::sync::Arc;

use ctr_forge_oci::layout::{self, INDEX_FILE, LAYOUT_FILE};
use ctr_forge_oci::{annotation, media_type};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::Digest;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::image::{Attached, Format, Image, Layer};
use crate::store::{Document, Store};

/// Indexes inside of indexes that are followed.
const MAX_DEPTH: usize = 4;

/// Most layers of an image.
const MAX_LAYERS: usize = 4096;

/// Docker's own names of the same things (distribution's `manifest-v2-2.md`).
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What points at a blob, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default)]
    annotations: Map<String, Value>,
    #[serde(default)]
    platform: Option<Platform>,
    /// What an artifact is, which is no image: a signature, an SBOM.
    #[serde(default)]
    artifact_type: Option<String>,
}

impl Descriptor {
    fn is_image(&self) -> bool {
        let kind = [media_type::MANIFEST, DOCKER_MANIFEST, ""].contains(&self.media_type.as_str());
        // What buildkit notes of a build goes for an image of no platform.
        let is_known = self.platform.as_ref().is_none_or(|platform| platform.architecture != "unknown");
        kind && self.artifact_type.is_none() && is_known
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// What a configuration says that matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) architecture: Option<String>,
    #[serde(default)]
    pub(crate) variant: Option<String>,
    #[serde(default)]
    pub(crate) created: Option<String>,
    #[serde(default)]
    pub(crate) rootfs: Rootfs,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Rootfs {
    #[serde(default)]
    pub(crate) diff_ids: Vec<String>,
}

/// An image of an index, before it is read.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) descriptor: Descriptor,
    /// What the outermost index calls it.
    pub(crate) names: Vec<String>,
    /// The index inside of that one which has it, with images for other platforms and nothing else.
    index: Option<Arc<Document>>,
}

impl Entry {
    /// OCI's name of its architecture, with the variant, where the index says.
    pub(crate) fn arch(&self) -> Option<String> {
        let platform = self.descriptor.platform.as_ref()?;
        Some(match &platform.variant {
            Some(variant) => format!("{}/{variant}", platform.architecture),
            None => platform.architecture.clone(),
        })
    }
}

/// The images of a layout. What is there under several names is there once.
pub(crate) fn entries(store: &Store) -> Result<Vec<Entry>> {
    if let Some(layout) = store.document(LAYOUT_FILE)? {
        layout::check(&layout.bytes)?;
    }
    let index = store.document(INDEX_FILE)?.ok_or_else(|| Error::input("there is no index.json"))?;
    let mut entries: Vec<Entry> = Vec::new();
    collect(store, &Arc::new(index), INDEX_FILE, &[], 0, &mut entries)?;
    Ok(entries)
}

fn collect(
    store: &Store,
    document: &Arc<Document>,
    title: &str,
    names: &[String],
    depth: usize,
    entries: &mut Vec<Entry>,
) -> Result<()> {
    let index: Index = parse(document, title)?;
    let whole = depth == 1 && index.manifests.iter().all(Descriptor::is_image);
    for descriptor in index.manifests {
        let mut names = names.to_vec();
        names.extend(name(&descriptor));
        match descriptor.media_type.as_str() {
            media_type::INDEX | DOCKER_LIST if depth < MAX_DEPTH => {
                let inner = Arc::new(verified(store, &descriptor)?);
                collect(store, &inner, &descriptor.digest, &names, depth + 1, entries)?;
            }
            _ if descriptor.is_image() => {
                match entries.iter_mut().find(|entry| entry.descriptor.digest == descriptor.digest) {
                    Some(entry) => entry.names.extend(names),
                    None => {
                        let index = whole.then(|| document.clone());
                        entries.push(Entry { descriptor, names, index });
                    }
                }
            }
            // Signatures, attestations, and what is yet to come.
            _ => {}
        }
    }
    Ok(())
}

/// What a descriptor of an index is called: its whole name where a tool has noted that, else its tag.
fn name(descriptor: &Descriptor) -> Option<String> {
    let text = |key| descriptor.annotations.get(key)?.as_str();
    text(annotation::IMAGE_NAME).or_else(|| text(annotation::REF_NAME)).map(str::to_owned)
}

/// Reads an image.
pub(crate) fn image(store: &Store, entry: &Entry, format: Format) -> Result<Image> {
    let document = verified(store, &entry.descriptor)?;
    let manifest: Manifest = parse(&document, "the manifest")?;
    let config = verified(store, &manifest.config)?;
    let read: Config = parse(&config, "the configuration")?;
    let diff_ids = diff_ids(&read)?;
    // An artifact has no diffIDs, for its layers are no tars.
    if !diff_ids.is_empty() && diff_ids.len() != manifest.layers.len() {
        let message = format!(
            "the manifest has {} layers and the configuration {} diffIDs",
            manifest.layers.len(),
            diff_ids.len()
        );
        return Err(Error::input(message));
    }
    if manifest.layers.len() > MAX_LAYERS {
        return Err(Error::input(format!("the image has more than {MAX_LAYERS} layers")));
    }
    let layers = manifest.layers.iter().enumerate();
    let layers = layers.map(|(index, descriptor)| layer(store, descriptor, diff_ids.get(index).copied()));
    Ok(Image {
        format,
        names: entry.names.clone(),
        index: entry.index.clone(),
        media_type: Some(match entry.descriptor.media_type.as_str() {
            "" => media_type::MANIFEST.to_owned(),
            other => other.to_owned(),
        }),
        manifest: Some(document),
        config,
        arch: read.architecture,
        variant: read.variant,
        created: read.created,
        layers: layers.collect::<Result<_>>()?,
    })
}

fn layer(store: &Store, descriptor: &Descriptor, diff_id: Option<Digest>) -> Result<Layer> {
    let digest = digest(&descriptor.digest)?;
    let blob = store.open(&layout::blob_path(&descriptor.digest)?)?;
    let blob = blob.ok_or_else(|| missing(&descriptor.digest))?;
    check_size(descriptor, blob.size)?;
    Ok(Layer {
        media_type: Some(descriptor.media_type.clone()),
        digest: Some(digest),
        diff_id,
        size: blob.size,
        prefix: "",
        blob,
    })
}

/// A document with the size and digest that its descriptor gives.
fn verified(store: &Store, descriptor: &Descriptor) -> Result<Document> {
    let expected = digest(&descriptor.digest)?;
    let document = store.document(&layout::blob_path(&descriptor.digest)?)?;
    let document = document.ok_or_else(|| missing(&descriptor.digest))?;
    check_size(descriptor, document.bytes.len() as u64)?;
    match document.digest == expected {
        true => Ok(document),
        false => {
            let mut error =
                Error::new(ErrorKind::Verification, format!("the blob {expected} is not what its name says"));
            error.causes.push(format!("its digest is {}", document.digest));
            Err(error)
        }
    }
}

fn check_size(descriptor: &Descriptor, found: u64) -> Result<()> {
    match descriptor.size == found {
        true => Ok(()),
        false => {
            let Descriptor { digest, size, .. } = descriptor;
            let message = format!("the blob {} has {found} bytes instead of {size}", digest.escape_debug());
            Err(Error::new(ErrorKind::Verification, message))
        }
    }
}

/// What a manifest that may be an artifact's says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AboutAnother {
    #[serde(default)]
    artifact_type: Option<String>,
    config: Descriptor,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// What a layout has about the manifests `subjects`, and about that again.
pub(crate) fn attached(store: &Store, subjects: &[Digest]) -> Result<Vec<Attached>> {
    let Some(index) = store.document(INDEX_FILE)? else { return Ok(Vec::new()) };
    let index: Index = parse(&index, INDEX_FILE)?;
    let mut candidates = Vec::new();
    for descriptor in index.manifests.iter().filter(|one| one.media_type == media_type::MANIFEST) {
        let document = match verified(store, descriptor) {
            // An image that nobody asked for may well be incomplete.
            Err(_) if descriptor.artifact_type.is_none() => continue,
            document => document?,
        };
        // What has another form is of another time, and not ours to judge.
        if let Ok(about) = serde_json::from_slice::<AboutAnother>(&document.bytes)
            && let Some(subject) = &about.subject
        {
            candidates.push((digest(&subject.digest)?, document, about));
        }
    }
    let mut wanted = subjects.to_vec();
    let mut found = Vec::new();
    while let Some(at) = candidates.iter().position(|(subject, ..)| wanted.contains(subject)) {
        let (subject, manifest, about) = candidates.remove(at);
        wanted.push(manifest.digest);
        let blobs = about.layers.iter().chain([&about.config]);
        found.push(Attached {
            blobs: blobs.map(|blob| layer(store, blob, None)).collect::<Result<_>>()?,
            artifact_type: about.artifact_type.unwrap_or(about.config.media_type),
            annotations: about.annotations,
            subject,
            manifest,
        });
    }
    Ok(found)
}

pub(crate) fn diff_ids(config: &Config) -> Result<Vec<Digest>> {
    config.rootfs.diff_ids.iter().map(|text| digest(text)).collect()
}

fn digest(text: &str) -> Result<Digest> {
    text.parse().map_err(|e| Error::input("a digest of the image is of no use").because(&e))
}

fn missing(digest: &str) -> Error {
    Error::input(format!("the image lacks the blob {}", digest.escape_debug()))
        .hint("A layout without all blobs cannot be used; copy it with skopeo or push it again.")
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(document: &'a Document, title: &str) -> Result<T> {
    serde_json::from_slice(&document.bytes)
        .map_err(|e| Error::input(format!("{} cannot be read", title.escape_debug())).because(&e))
}
