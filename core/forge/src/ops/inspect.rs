//! `ctr-forge inspect`: what is in an image, of whatever format.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use ctr_forge_image::{Flattened, Image, ImageFile, flatten, split_reference};
use ctr_forge_plugin::{Error, Result};
use ctr_forge_rootfs::{Digest, Hasher, Kind, Tree, Writer};
use serde::Serialize;
use serde_json::Value;

use super::because;
use crate::Forge;
use crate::image::parse_arch;

/// How many of the largest files are listed.
const LARGEST: usize = 10;

/// An image, looked at. Its digests have been compared with its content.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspected {
    /// `oci`, `oci-archive`, `docker`, `aci`.
    pub format: &'static str,
    /// What it is called in its file.
    pub names: Vec<String>,
    /// The digest of its manifest, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// By what engines know it: the digest of its configuration; of an ACI, that of its tar.
    pub id: String,
    /// OCI's name of the architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// When it was made, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What its manifest says of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The configuration as it is; of an ACI, its manifest.
    pub config: Value,
    /// Base first.
    pub layers: Vec<InspectedLayer>,
    /// Names in the tree that the layers come to.
    pub entries: usize,
    /// Bytes of its files, each counted once.
    pub bytes: u64,
    /// The largest of them.
    pub largest: Vec<(String, u64)>,
    /// The digest of the tree: the same for the same tree in every format.
    pub tree_digest: String,
}

/// A layer, looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InspectedLayer {
    /// Of its bytes, where the image says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Of its tar stream.
    pub diff_id: String,
    /// Bytes as they lie there.
    pub size: u64,
    /// Bytes of the tar stream.
    pub diff_size: u64,
    /// `none`, `gzip`, `zstd`, `xz`, `bzip2`.
    pub compression: String,
}

/// Opens `PATH[:NAME]`, and picks the image meant.
pub(crate) fn open(forge: &Forge, reference: &Path, arch: Option<&str>) -> Result<Image> {
    let (path, name) = split_reference(reference);
    ImageFile::open(&path, &forge.temp_dir)?.image(name.as_deref(), known_arch(arch)?.as_deref())
}

/// Opens `PATH[:NAME]`: all images there, all of that name, or the one of that name and architecture.
pub(crate) fn open_all(forge: &Forge, reference: &Path, arch: Option<&str>) -> Result<Vec<Image>> {
    let (path, name) = split_reference(reference);
    let file = ImageFile::open(&path, &forge.temp_dir)?;
    let images = match (&name, known_arch(arch)?) {
        (None, None) => file.images()?,
        (Some(name), None) => file.named(name)?,
        (name, arch) => vec![file.image(name.as_deref(), arch.as_deref())?],
    };
    match images.is_empty() {
        true => Err(Error::input(format!("{} has no image in it", path.display()))),
        false => Ok(images),
    }
}

/// OCI's name of an architecture, with its variant, of what people call it.
fn known_arch(arch: Option<&str>) -> Result<Option<String>> {
    let Some(arch) = arch else { return Ok(None) };
    let (arch, variant) = parse_arch(arch)?;
    Ok(Some(variant.map_or(arch.clone(), |variant| format!("{arch}/{variant}"))))
}

/// Lays an image's layers one upon the other.
pub(crate) fn flattened(forge: &Forge, image: &Image) -> Result<Flattened> {
    forge.reporter.phase("Reading the layers");
    flatten(image, &forge.temp_dir, &mut || forge.cancel.check())
}

/// Looks at the image `reference`: `PATH[:NAME]`; at all in it, where neither name nor `arch` is given.
///
/// # Errors
///
/// If it is no image, or not what it says it is.
pub fn inspect(forge: &Forge, reference: &Path, arch: Option<&str>) -> Result<Vec<Inspected>> {
    open_all(forge, reference, arch)?.iter().map(|image| inspect_one(forge, image)).collect()
}

fn inspect_one(forge: &Forge, image: &Image) -> Result<Inspected> {
    let Flattened { mut tree, layers } = flattened(forge, image)?;
    let tree_digest = tree_digest(&mut tree)?.to_string();
    let config = serde_json::from_slice(&image.config.bytes)
        .map_err(|e| Error::input("the configuration cannot be read").because(&e))?;
    let mut files = files(&tree);
    files.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let bytes = files.iter().map(|(_, size)| size).sum();
    files.truncate(LARGEST);
    let seen = image.layers.iter().zip(&layers).map(|(layer, (diff_id, diff_size))| {
        let compression = layer.compression().map_err(|e| Error::io("cannot read a layer", e))?;
        Ok(InspectedLayer {
            digest: layer.digest.map(|digest| digest.to_string()),
            diff_id: diff_id.to_string(),
            size: layer.size,
            diff_size: *diff_size,
            compression: compression.to_string(),
        })
    });
    let variant = image.variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
    Ok(Inspected {
        format: image.format.name(),
        names: image.names.clone(),
        digest: image.manifest.as_ref().map(|manifest| manifest.digest.to_string()),
        id: image.id()?,
        arch: image.arch.as_ref().map(|arch| format!("{arch}{variant}")),
        created: image.created.clone(),
        annotations: image.annotations(),
        config,
        layers: seen.collect::<Result<_>>()?,
        entries: tree.len(),
        bytes,
        largest: files,
        tree_digest,
    })
}

/// The files of a tree with their sizes; of several names of one, the first.
fn files(tree: &Tree) -> Vec<(String, u64)> {
    let files = tree.entries().filter_map(|entry| match entry.kind {
        Kind::File { size } => Some((entry.path.to_string(), size)),
        _ => None,
    });
    files.collect()
}

/// The digest of a tree: that of the tar stream in which all is in its canonical form. No date is
/// clamped, so it says what a container sees.
pub(crate) fn tree_digest(tree: &mut Tree) -> Result<Digest> {
    const WHAT: &str = "cannot read the tree";
    // Directories that no layer has are as old as the newest of all.
    let newest = tree.newest().unwrap_or(0);
    tree.normalise(newest).map_err(|e| because(WHAT, &e))?;
    let mut writer = Writer::new(HashWriter::default());
    tree.write_to(&mut writer).map_err(|e| because(WHAT, &e))?;
    Ok(writer.finish().map_err(|e| Error::io(WHAT, e))?.0.finish())
}

/// Takes in bytes for their digest alone.
#[derive(Default)]
pub(crate) struct HashWriter(pub(crate) Hasher);

impl Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
