//! `ctr-forge push`: an image into a registry, blobs first and the manifest last.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ctr_forge_fetch::Http;
use ctr_forge_image::{Image, ImageFile, Layer, Packed, split_reference};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_registry::{Blob, Reference, Registry, Settings};
use ctr_forge_rootfs::Digest;
use serde_json::{Value, json};

use super::attach::push_attached;
use super::base::in_registry;
use super::inspect::open_all;
use crate::Forge;

/// Blobs that are sent at once.
const PARALLEL: usize = 4;

/// Media type of an index of images.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What `ctr-forge push` is asked for.
#[derive(Debug)]
pub struct PushRequest {
    /// `PATH[:NAME]`.
    pub image: PathBuf,
    /// Which of several; without it, all become one index.
    pub arch: Option<String>,
    /// `HOST/NAME:TAG`.
    pub target: String,
    /// Speak HTTP without TLS.
    pub plain_http: bool,
    /// Another repository of the registry that may have the blobs: they are taken over from there.
    pub mount_from: Option<String>,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Its name there.
    pub reference: String,
    /// The digest by which it can be had from now on.
    pub digest: String,
    /// Bytes that had to be sent.
    pub bytes: u64,
}

/// Pushes an image, or all of a layout as one index.
///
/// # Errors
///
/// If it is no image that registries take, or the registry does not take it. The tag is moved last.
pub fn push(forge: &Forge, asked: &PushRequest) -> Result<Pushed> {
    let reference = Reference::parse(&asked.target)?;
    if reference.digest.is_some() {
        return Err(Error::usage("an image is pushed to a tag; its digest follows from its content"));
    }
    let images = open_all(forge, &asked.image, asked.arch.as_deref())?;
    let packed = pack(&images, &asked.image)?;
    let registry = connect(forge, &reference, asked.plain_http)?;
    let from = asked.mount_from.as_deref().map(|from| repository(from, &reference)).transpose()?;
    let bytes = push_blobs(forge, &registry, &images, &packed, from.as_deref())?;
    forge.reporter.phase("Pushing the manifest");
    let (manifest, media_type) = document(&images, &packed)?;
    if packed.len() > 1 {
        for one in &packed {
            let digest = Digest::of(&one.manifest).to_string();
            registry.put_manifest(&digest, &one.media_type, &one.manifest)?;
        }
    }
    forge.cancel.check()?;
    registry.put_manifest(&reference.version(), &media_type, &manifest)?;
    // What is about it needs it there.
    let (path, _) = split_reference(&asked.image);
    let mut subjects: Vec<_> = packed.iter().map(|one| Digest::of(&one.manifest)).collect();
    subjects.push(Digest::of(&manifest));
    let attached = ImageFile::open(&path, &forge.temp_dir)?.attached(&subjects)?;
    let bytes = bytes + push_attached(&registry, &attached)?;
    Ok(Pushed { reference: reference.to_string(), digest: Digest::of(&manifest).to_string(), bytes })
}

/// The repository that is meant, of the same registry.
fn repository(from: &str, target: &Reference) -> Result<String> {
    let whole = from.strip_prefix(&format!("{}/", target.registry)).unwrap_or(from);
    let named = Reference::parse(&format!("{}/{whole}", target.registry))?;
    if named.repository == target.repository {
        return Err(Error::usage("blobs are taken over from another repository than that of the image")
            .option("mount-from"));
    }
    Ok(named.repository)
}

/// The repository of a base that is in the registry `target`, from which its blobs need not be sent.
pub fn mountable(base: &Path, target: &str) -> Option<String> {
    let target = Reference::parse(target).ok()?;
    let base = (!split_reference(base).0.exists()).then(|| in_registry(base).ok())??;
    (base.registry == target.registry && base.repository != target.repository).then_some(base.repository)
}

/// A directory for an image that is pushed or loaded and not kept; it goes with this.
///
/// # Errors
///
/// If it cannot be made.
pub fn place_in_passing(forge: &Forge) -> Result<tempfile::TempDir> {
    tempfile::tempdir_in(&forge.temp_dir).map_err(|e| {
        Error::io(format!("cannot make a directory in {}", forge.temp_dir.display()), e)
            .hint("TMPDIR names another place.")
    })
}

/// The registry of `reference`, as this user.
pub(crate) fn connect(forge: &Forge, reference: &Reference, plain_http: bool) -> Result<Registry> {
    forge.reporter.phase(&format!("Connecting to {}", reference.registry));
    let http = Http::new(forge.fetcher.config());
    let http = http.map_err(|e| Error::new(ErrorKind::Config, "cannot prepare connections").because(&e))?;
    let settings = Settings { http, auth_files: forge.auth_files.clone(), plain_http };
    Registry::connect(&settings, reference)
}

/// The images as registries take them; several have to be one but for their platform.
pub(super) fn pack(images: &[Image], path: &Path) -> Result<Vec<Packed>> {
    check_platforms(images, &path.display().to_string())?;
    images.iter().map(Image::pack).collect()
}

/// Several images in one file make an index if each is for another platform.
fn check_platforms(images: &[Image], path: &str) -> Result<()> {
    let platform = |image: &Image| (image.arch.clone(), image.variant.clone());
    let doubled = images
        .iter()
        .enumerate()
        .any(|(index, image)| images[..index].iter().any(|other| platform(other) == platform(image)));
    match doubled {
        true => Err(Error::usage(format!("{path} has several images for the same platform"))
            .hint(format!("Name one as {path}:NAME."))),
        false => Ok(()),
    }
}

/// What the tag will lead to, with its media type: the manifest, or an index of several.
pub(super) fn document(images: &[Image], packed: &[Packed]) -> Result<(Vec<u8>, String)> {
    if let [one] = packed {
        return Ok((one.manifest.clone(), one.media_type.clone()));
    }
    // The index that is there keeps its digest, by which it may be signed.
    let first = images.first().and_then(|image| image.index.as_ref());
    if let Some(index) = first
        && images.iter().all(|image| image.index.as_ref() == first)
        && let Ok(known) = serde_json::from_slice::<Value>(&index.bytes)
        && known["manifests"].as_array().is_some_and(|all| all.len() == images.len())
    {
        let media_type = known["mediaType"].as_str().unwrap_or(INDEX);
        return Ok((index.bytes.clone(), media_type.to_owned()));
    }
    Ok((index(images, packed)?, INDEX.to_owned()))
}

fn index(images: &[Image], packed: &[Packed]) -> Result<Vec<u8>> {
    let manifests = images.iter().zip(packed).map(|(image, packed)| {
        let mut platform = json!({ "architecture": image.arch, "os": "linux" });
        if let Some(variant) = &image.variant {
            platform["variant"] = variant.as_str().into();
        }
        json!({
            "mediaType": packed.media_type,
            "digest": Digest::of(&packed.manifest).to_string(),
            "size": packed.manifest.len(),
            "platform": platform,
        })
    });
    let index =
        json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests.collect::<Vec<Value>>() });
    serde_json::to_vec(&index)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode an index").because(&e))
}

/// A blob of one of the images.
enum Source<'a> {
    Layer(&'a Layer),
    Config(&'a [u8]),
}

/// Sends all blobs, each once; returns how many bytes that took.
fn push_blobs(
    forge: &Forge,
    registry: &Registry,
    images: &[Image],
    packed: &[Packed],
    from: Option<&str>,
) -> Result<u64> {
    let mut blobs: HashMap<Digest, (u64, Source<'_>)> = HashMap::new();
    for (image, packed) in images.iter().zip(packed) {
        for (layer, (digest, size)) in image.layers.iter().zip(&packed.layers) {
            blobs.insert(*digest, (*size, Source::Layer(layer)));
        }
        let config = &image.config;
        blobs.insert(config.digest, (config.bytes.len() as u64, Source::Config(&config.bytes)));
    }
    let total = blobs.values().map(|(size, _)| size).sum();
    // The largest first: the last to end decides.
    let mut queue: Vec<_> = blobs.into_iter().collect();
    queue.sort_by_key(|(digest, (size, _))| (*size, *digest));
    forge.reporter.phase("Pushing blobs");
    let (queue, done, bytes) = (Mutex::new(queue), AtomicU64::new(0), AtomicU64::new(0));
    let first_error = Mutex::new(None);
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let advance = |count: u64| {
        let done = done.fetch_add(count, Ordering::Relaxed) + count;
        forge.reporter.progress(done.min(total), total, "bytes");
    };
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some((digest, (size, source))) = take() {
                    let sent = AtomicU64::new(0);
                    let pushed = forge.cancel.check().and_then(|()| {
                        let blob = blob(digest, size, &source);
                        registry.push_blob(&blob, from, &|count| {
                            sent.fetch_add(count, Ordering::Relaxed);
                            advance(count);
                        })
                    });
                    match pushed {
                        Ok(count) => {
                            bytes.fetch_add(count, Ordering::Relaxed);
                            advance(size.saturating_sub(sent.into_inner()));
                        }
                        Err(error) => {
                            first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                        }
                    }
                }
            });
        }
    });
    match first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        None => Ok(bytes.into_inner()),
        Some(error) => Err(error),
    }
}

fn blob<'a>(digest: Digest, size: u64, source: &'a Source<'a>) -> Blob<'a> {
    let open = move |offset: u64| -> Result<Box<dyn std::io::Read>> {
        Ok(match source {
            Source::Layer(layer) => Box::new(layer.raw_at(offset)),
            Source::Config(bytes) => {
                let rest = bytes.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
                Box::new(std::io::Cursor::new(rest.to_vec()))
            }
        })
    };
    Blob { digest, size, open: Box::new(open) }
}
