//! `ctr-forge attach`: something that is about an image, beside it: a bill of materials, a
//! signature (image-spec `manifest.md`, "subject").
//!
//! An image lies in a layout on disk or in a registry, and what is attached goes where it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ctr_forge_image::{Attached, Format, ImageFile, MAX_DOCUMENT, split_reference};
use ctr_forge_oci::layout::{BLOBS, INDEX_FILE, SHA256};
use ctr_forge_oci::{
    Artifact, Descriptor, Document, EMPTY_CONFIG, Index, MAX_INDEX, empty_config, media_type,
};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_registry::{Blob, Referrer, Registry};
use ctr_forge_rootfs::Digest;
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use serde_json::Value;

use super::base::in_registry;
use super::inspect::open_all;
use super::push::{connect, document, pack};
use crate::Forge;
use crate::destination::StagedDirectory;

/// Largest file that is attached, in bytes: it is held in memory.
const MAX_FILE: u64 = 256 << 20;

/// Most of what is attached already that is looked at.
const MAX_ATTACHED: usize = 64;

/// How files of a layout are opened, which may be anybody's.
const PLAIN: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

/// What `ctr-forge attach` is asked for.
#[derive(Debug)]
pub struct AttachRequest {
    /// The image that is meant.
    pub image: ImagePlace,
    /// What is said of it.
    pub file: PathBuf,
    /// What that is, as a media type: `application/spdx+json`.
    pub media_type: String,
    /// Free words on it.
    pub annotations: BTreeMap<String, String>,
}

/// An image on disk or in a registry.
#[derive(Debug, Clone)]
pub struct ImagePlace {
    /// `PATH[:NAME]`, or `HOST/NAME:TAG` where no such path is.
    pub image: PathBuf,
    /// Which of several.
    pub arch: Option<String>,
    /// Speak HTTP without TLS.
    pub plain_http: bool,
}

/// What was attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedTo {
    /// The digest of its own manifest.
    pub digest: String,
    /// That of the manifest that it is about.
    pub subject: String,
}

/// Attaches a file to an image.
///
/// # Errors
///
/// If the image is not there, or nothing can be put beside it.
pub fn attach(forge: &Forge, asked: &AttachRequest) -> Result<AttachedTo> {
    if !is_media_type(&asked.media_type) {
        let message = format!("\"{}\" is no media type", asked.media_type.escape_debug());
        return Err(Error::usage(message)
            .hint("It is as application/spdx+json or application/vnd.cyclonedx+json.")
            .option("type"));
    }
    let bytes = whole(&asked.file)?;
    let home = Home::of(forge, &asked.image)?;
    let layer = home.blob(&asked.media_type, &bytes, asked);
    home.attach(forge, &asked.media_type, vec![(layer, bytes)], &asked.annotations)
}

/// Where an image is.
pub(super) struct Home {
    /// Its manifest, or the index of all its platforms.
    pub(super) subject: Descriptor,
    pub(super) digest: Digest,
    at: At,
}

enum At {
    Layout(PathBuf),
    Registry(Box<Registry>),
}

impl Home {
    /// Finds an image.
    pub(super) fn of(forge: &Forge, wanted: &ImagePlace) -> Result<Self> {
        let (path, _) = split_reference(&wanted.image);
        let arch = wanted.arch.as_deref();
        if path.exists() {
            let format = ImageFile::open(&path, &forge.temp_dir)?.format();
            if format != Format::OciLayout {
                let message = format!("{} is of the format \"{}\"", path.display(), format.name());
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .hint("Something can be attached in an OCI layout (a directory), or in a registry."));
            }
            let images = open_all(forge, &wanted.image, arch)?;
            let (manifest, media_type) = document(&images, &pack(&images, &wanted.image)?)?;
            return Ok(Self::new(At::Layout(path), &manifest, media_type));
        }
        let reference = in_registry(&wanted.image)?;
        if arch.is_some() {
            return Err(
                Error::usage("an image in a registry is named by its tag or digest alone").option("arch")
            );
        }
        let registry = connect(forge, &reference, wanted.plain_http)?;
        let pulled = registry.manifest(&reference.version())?;
        let media_type = pulled.media_type.split(';').next().unwrap_or_default().trim().to_owned();
        Ok(Self::new(At::Registry(Box::new(registry)), &pulled.bytes, media_type))
    }

    fn new(at: At, manifest: &[u8], media_type: String) -> Self {
        let digest = Digest::of(manifest);
        let subject = Descriptor::new(media_type, digest.to_string(), manifest.len() as u64);
        Self { subject, digest, at }
    }

    /// The repository, without tag or digest, of an image in a registry.
    pub(super) fn repository(&self) -> Option<String> {
        match &self.at {
            At::Layout(_) => None,
            At::Registry(registry) => {
                let reference = registry.reference();
                Some(format!("{}/{}", reference.registry, reference.repository))
            }
        }
    }

    pub(super) fn registry(&self) -> Option<&Registry> {
        match &self.at {
            At::Layout(_) => None,
            At::Registry(registry) => Some(registry),
        }
    }

    fn blob(&self, media_type: &str, bytes: &[u8], asked: &AttachRequest) -> Descriptor {
        let mut layer =
            Descriptor::new(media_type.to_owned(), Digest::of(bytes).to_string(), bytes.len() as u64);
        // By which oras and others call the file that they write.
        if let Some(name) = asked.file.file_name().and_then(|name| name.to_str()) {
            layer.annotations.insert("org.opencontainers.image.title".into(), name.to_owned());
        }
        layer
    }

    /// Puts something that is about the image beside it.
    pub(super) fn attach(
        &self,
        forge: &Forge,
        artifact_type: &str,
        blobs: Vec<(Descriptor, Vec<u8>)>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<AttachedTo> {
        let (descriptors, mut contents): (Vec<_>, Vec<_>) = blobs.into_iter().unzip();
        let manifest = Artifact { artifact_type, subject: &self.subject, blobs: &descriptors, annotations }
            .manifest()?;
        let mut all = descriptors;
        all.push(empty_config());
        contents.push(EMPTY_CONFIG.to_vec());
        let blobs: Vec<_> = all.iter().zip(&contents).collect();
        match &self.at {
            At::Layout(path) => add_to_layout(forge, path, &blobs, &manifest)?,
            At::Registry(registry) => {
                for (descriptor, bytes) in blobs {
                    push_bytes(registry, &descriptor.digest, bytes)?;
                }
                put(registry, &self.digest, &manifest)?;
            }
        }
        Ok(AttachedTo { digest: manifest.descriptor.digest, subject: self.digest.to_string() })
    }

    /// What is attached already, of this type.
    pub(super) fn attached(&self, forge: &Forge, artifact_type: &str) -> Result<Vec<Vec<u8>>> {
        let mut manifests = Vec::new();
        match &self.at {
            At::Layout(path) => {
                let all = ImageFile::open(path, &forge.temp_dir)?.attached(&[self.digest])?;
                let own = all.into_iter().filter(|one| one.subject == self.digest);
                manifests.extend(
                    own.filter(|one| one.artifact_type == artifact_type).map(|one| one.manifest.bytes),
                );
            }
            At::Registry(registry) => {
                let all = registry.referrers(&self.digest)?;
                let own = all.iter().filter(|one| one.artifact_type == artifact_type);
                for Referrer { digest, .. } in own.take(MAX_ATTACHED) {
                    manifests.push(registry.manifest(&digest.to_string())?.bytes);
                }
            }
        }
        Ok(manifests)
    }

    /// A small blob of something attached.
    pub(super) fn small_blob(&self, forge: &Forge, digest: &Digest, size: u64) -> Result<Vec<u8>> {
        if size > MAX_DOCUMENT {
            return Err(Error::input(format!(
                "the blob {digest} has {size} bytes, and may have {MAX_DOCUMENT}"
            )));
        }
        let mut bytes = Vec::new();
        match &self.at {
            At::Layout(path) => {
                let path = path.join(BLOBS).join(SHA256).join(digest.hex());
                // Whatever lies there is not followed, and a pipe is not waited for.
                let file = rustix::fs::open(&path, PLAIN, Mode::empty());
                let file = file.map_err(|e| Error::io(format!("cannot read {}", path.display()), e))?;
                let file = File::from(file);
                file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes)
            }
            At::Registry(registry) => {
                let mut file = super::temporary_file(forge)?;
                registry.blob(digest, size, &mut file, &|_| {})?;
                std::io::Seek::rewind(&mut file).and_then(|()| file.read_to_end(&mut bytes))
            }
        }
        .map_err(|e| Error::io(format!("cannot read the blob {digest}"), e))?;
        match Digest::of(&bytes) == *digest {
            true => Ok(bytes),
            false => Err(Error::new(
                ErrorKind::Verification,
                format!("the blob {digest} is not what its name says"),
            )),
        }
    }
}

/// Pushes what a layout has about the manifests `subjects`; returns how many bytes that took.
pub(super) fn push_attached(registry: &Registry, all: &[Attached]) -> Result<u64> {
    let mut sent = 0;
    for Attached { subject, artifact_type, annotations, manifest, blobs } in all {
        for layer in blobs {
            let digest = layer.digest.ok_or_else(|| Error::input("a blob has no digest"))?;
            let open = move |offset| -> Result<Box<dyn Read>> { Ok(Box::new(layer.raw_at(offset))) };
            sent += registry.push_blob(
                &Blob { digest, size: layer.size, open: Box::new(open) },
                None,
                &|_| {},
            )?;
        }
        let words = annotations.iter().map(|(name, value)| (name.clone().into(), value.clone()));
        let descriptor = Descriptor {
            annotations: words.collect(),
            artifact_type: Some(artifact_type.clone()),
            ..Descriptor::new(media_type::MANIFEST, manifest.digest.to_string(), manifest.bytes.len() as u64)
        };
        put(registry, subject, &Document { bytes: manifest.bytes.clone(), descriptor })?;
    }
    Ok(sent)
}

fn put(registry: &Registry, subject: &Digest, manifest: &Document) -> Result<()> {
    let entry: Value = serde_json::to_value(&manifest.descriptor)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode a descriptor").because(&e))?;
    registry.put_referrer(subject, &manifest.bytes, &entry)?;
    super::cosign::put(registry, subject, manifest)
}

/// Pushes a blob that is in memory.
pub(super) fn push_bytes(registry: &Registry, digest: &str, bytes: &[u8]) -> Result<()> {
    let digest =
        digest.parse().map_err(|e| Error::new(ErrorKind::Internal, "a broken digest").because(&e))?;
    let open = move |offset: u64| -> Result<Box<dyn Read>> {
        let rest = bytes.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        Ok(Box::new(std::io::Cursor::new(rest.to_vec())))
    };
    let blob = Blob { digest, size: bytes.len() as u64, open: Box::new(open) };
    registry.push_blob(&blob, None, &|_| {}).map(drop)
}

/// Adds blobs and the manifest that names them to a layout, its index last.
fn add_to_layout(
    forge: &Forge,
    path: &Path,
    blobs: &[(&Descriptor, &Vec<u8>)],
    manifest: &Document,
) -> Result<()> {
    let staged = StagedDirectory::new(path)?;
    let existing = staged.existing(&mut || forge.cancel.check())?;
    let existing =
        existing.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("{} is gone", path.display())))?;
    let mut index = Vec::new();
    let cannot = |e| Error::io(format!("cannot read the index of {}", path.display()), e);
    let file = openat(&existing, INDEX_FILE, PLAIN, Mode::empty()).map_err(|e| cannot(e.into()))?;
    File::from(file).take(MAX_INDEX).read_to_end(&mut index).map_err(cannot)?;
    let mut index = Index::read(&index)?;
    index.add(&manifest.descriptor)?;
    let directory = staged.open()?;
    let mut files = Vec::new();
    let documents = blobs.iter().map(|(descriptor, bytes)| (&descriptor.digest, *bytes));
    let documents = documents.chain([(&manifest.descriptor.digest, &manifest.bytes)]);
    let written = (|| {
        mkdirat(&directory, BLOBS, Mode::from_raw_mode(0o755))?;
        mkdirat(&directory, format!("{BLOBS}/{SHA256}"), Mode::from_raw_mode(0o755))?;
        for (digest, bytes) in documents {
            let name = format!("{BLOBS}/{SHA256}/{}", digest.trim_start_matches("sha256:"));
            if !files.contains(&name) {
                write(&directory, &name, bytes)?;
                files.push(name);
            }
        }
        Ok(())
    })();
    written
        .and_then(|()| {
            let index = index.to_json().map_err(std::io::Error::other)?;
            files.push(INDEX_FILE.to_owned());
            write(&directory, INDEX_FILE, &index)
        })
        .map_err(|e| Error::io(format!("cannot write to {}", path.display()), e))?;
    staged.publish(&files)
}

fn write(directory: impl AsFd, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    File::from(openat(directory, name, flags, Mode::from_raw_mode(0o644))?).write_all(bytes)
}

fn whole(path: &Path) -> Result<Vec<u8>> {
    let cannot = |e| Error::io(format!("cannot read {}", path.display()), e);
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(cannot)?;
    match bytes.len() as u64 > MAX_FILE {
        false => Ok(bytes),
        true => Err(Error::input(format!("{} has more than {MAX_FILE} bytes", path.display()))),
    }
}

/// `type/subtype` (RFC 6838, section 4.2).
fn is_media_type(text: &str) -> bool {
    let part = |part: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        !part.is_empty() && part.len() <= 127 && part.bytes().all(good)
    };
    text.split_once('/').is_some_and(|(kind, rest)| part(kind) && part(rest))
}
