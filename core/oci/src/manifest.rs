//! The image manifest and what it is made of (image-spec `manifest.md`, `descriptor.md`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use ctr_forge_plugin::{ImageConfig, LayerRef};
use serde::Serialize;

/// Media types (image-spec `media-types.md`).
pub mod media_type {
    use ctr_forge_plugin::LayerForm;

    /// `index.json`.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// A manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An image configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// `{}`, where an artifact has no configuration.
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

    /// A layer, as it is compressed.
    pub fn layer(form: LayerForm) -> &'static str {
        match form {
            LayerForm::Tar => "application/vnd.oci.image.layer.v1.tar",
            LayerForm::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            LayerForm::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// Keys of annotations.
pub mod annotation {
    /// The tag, on a descriptor of `index.json` (image-spec `annotations.md`).
    pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
    /// The full reference, from which containerd takes an image's name when it imports an
    /// archive; so Docker does as well, where containerd keeps its images.
    pub const IMAGE_NAME: &str = "io.containerd.image.name";
}

/// What points at a blob and says what it is (image-spec `descriptor.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// See [`media_type`].
    pub media_type: Cow<'static, str>,
    /// `sha256:…`.
    pub digest: String,
    /// In bytes.
    pub size: u64,
    /// See [`annotation`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<Cow<'static, str>, String>,
    /// What the image runs on; only in an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What an artifact is; only in an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// A descriptor as a manifest has it.
    pub fn new(media_type: impl Into<Cow<'static, str>>, digest: String, size: u64) -> Self {
        let (media_type, annotations) = (media_type.into(), BTreeMap::new());
        Self { media_type, digest, size, annotations, platform: None, artifact_type: None }
    }
}

impl From<&LayerRef> for Descriptor {
    fn from(layer: &LayerRef) -> Self {
        Self::new(media_type::layer(layer.form), layer.digest.clone(), layer.size)
    }
}

/// What an image runs on, by OCI names (image-spec `image-index.md`, "platform").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Platform {
    /// `amd64`.
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// `v7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl From<&ImageConfig> for Platform {
    fn from(image: &ImageConfig) -> Self {
        Self { architecture: image.arch.clone(), os: image.os.clone(), variant: image.variant.clone() }
    }
}

/// The manifest: configuration and layers of one image, or what an artifact has instead.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest<'a> {
    pub(crate) schema_version: u32,
    pub(crate) media_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<&'a str>,
    pub(crate) config: &'a Descriptor,
    pub(crate) layers: &'a [Descriptor],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<&'a Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: &'a BTreeMap<String, String>,
}

impl<'a> Manifest<'a> {
    pub(crate) fn new(
        config: &'a Descriptor,
        layers: &'a [Descriptor],
        annotations: &'a BTreeMap<String, String>,
    ) -> Self {
        let (schema_version, media_type) = (2, media_type::MANIFEST);
        Self { schema_version, media_type, artifact_type: None, config, layers, subject: None, annotations }
    }
}
