//! An image as the documents that describe it: what a request comes to,
//! before anything is placed anywhere.

use ctr_forge_plugin::{Error, ErrorKind, ImageConfig, ImageName, LayerRef, Result};
use serde::Serialize;
use sha2::Digest as _;

use crate::config::Config;
use crate::manifest::{Manifest, annotation, media_type};
use crate::{Descriptor, Index, Platform, layout};

/// A JSON document and the descriptor that points at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The JSON.
    pub bytes: Vec<u8>,
    /// Its media type, digest and size.
    pub descriptor: Descriptor,
}

impl Document {
    pub(crate) fn new(media_type: &'static str, value: &impl Serialize) -> Result<Self> {
        let bytes = to_json(value)?;
        let descriptor = Descriptor::new(media_type, digest(&bytes), bytes.len() as u64);
        Ok(Self { bytes, descriptor })
    }
}

/// An image: its documents, and its layers by their descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The configuration; its digest is the image ID.
    pub config: Document,
    /// The manifest.
    pub manifest: Document,
    /// The layers, base first; one may stand here more than once.
    pub layers: Vec<Descriptor>,
    /// The names that it was given.
    pub names: Vec<ImageName>,
    /// What it runs on.
    pub platform: Platform,
}

impl Image {
    /// The image that `image` and `layers`, base first, describe.
    ///
    /// Fails with [`ErrorKind::Input`] if the image's date is outside of the years
    /// 1 to 9999, or a digest is no SHA-256.
    pub fn new(image: &ImageConfig, layers: &[LayerRef]) -> Result<Self> {
        for layer in layers {
            layout::blob_name(&layer.digest)?;
            layout::blob_name(&layer.diff_id)?;
        }
        let config = Document::new(media_type::CONFIG, &Config::new(image, layers)?)?;
        let layers: Vec<_> = layers.iter().map(Descriptor::from).collect();
        let manifest = Document::new(
            media_type::MANIFEST,
            &Manifest::new(&config.descriptor, &layers, &image.annotations),
        )?;
        Ok(Self { config, manifest, layers, names: image.tags.clone(), platform: image.into() })
    }

    /// The image ID: the digest of the configuration.
    pub fn id(&self) -> &str {
        &self.config.descriptor.digest
    }

    /// What an index has of it: the manifest once for each name, or once without a name.
    pub fn entries(&self) -> Vec<Descriptor> {
        named(&self.in_index(), &self.names)
    }

    fn in_index(&self) -> Descriptor {
        Descriptor { platform: Some(self.platform.clone()), ..self.manifest.descriptor.clone() }
    }
}

/// Images that are one but for their platform: an index of their manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platforms {
    /// The index.
    pub index: Document,
    names: Vec<ImageName>,
}

impl Platforms {
    /// The index of `images`, with the names of the first.
    ///
    /// Fails with [`ErrorKind::Input`] if two are for one platform.
    pub fn new(images: &[Image]) -> Result<Self> {
        let mut index = Index::new();
        for (number, image) in images.iter().enumerate() {
            if images[..number].iter().any(|other| other.platform == image.platform) {
                let message = format!("two images are for the platform {}", image.platform.architecture);
                return Err(Error::input(message));
            }
            index.push(&image.in_index())?;
        }
        let names = images.first().map(|image| image.names.clone()).unwrap_or_default();
        Ok(Self { index: Document::new(media_type::INDEX, &index)?, names })
    }

    /// What the index of a layout has of it: see [`Image::entries`].
    pub fn entries(&self) -> Vec<Descriptor> {
        named(&self.index.descriptor, &self.names)
    }
}

/// A descriptor once for each name, or once without.
fn named(unnamed: &Descriptor, names: &[ImageName]) -> Vec<Descriptor> {
    if names.is_empty() {
        return vec![unnamed.clone()];
    }
    let named = names.iter().map(|name| Descriptor {
        annotations: [
            (annotation::IMAGE_NAME.into(), name.full.clone()),
            (annotation::REF_NAME.into(), name.tag.clone()),
        ]
        .into(),
        ..unnamed.clone()
    });
    named.collect()
}

/// `value` as JSON without white space.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode a document of the image").because(&e))
}

/// The SHA-256 of `bytes` as a digest.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex: String = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use ctr_forge_plugin::{FileRef, LayerForm};

    use super::*;

    fn layer(form: LayerForm, digit: &str) -> LayerRef {
        let digest = format!("sha256:{}", digit.repeat(64));
        let diff_id = format!("sha256:{}", "d".repeat(64));
        LayerRef { file: FileRef { fd: 0 }, form, digest, size: 10, diff_id, diff_size: 20 }
    }

    fn full() -> ImageConfig {
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        ImageConfig {
            os: "linux".into(),
            arch: "arm".into(),
            variant: Some("v7".into()),
            created: 1,
            entrypoint: Some(list(&["/hello"])),
            cmd: Some(list(&[])),
            env: list(&["B=2", "A=1"]),
            user: Some("1:1".into()),
            workdir: Some("/w".into()),
            ports: ["80/tcp".to_owned()].into(),
            volumes: ["/v".to_owned()].into(),
            labels: [("k".to_owned(), "\"v\"".to_owned())].into(),
            annotations: [("org.example.a".to_owned(), "b".to_owned())].into(),
            stop_signal: Some("SIGTERM".into()),
            tags: Vec::new(),
        }
    }

    fn text(document: &Document) -> &str {
        std::str::from_utf8(&document.bytes).unwrap()
    }

    #[test]
    fn documents_of_a_full_image() {
        let image = Image::new(&full(), &[layer(LayerForm::Gzip, "a"), layer(LayerForm::Zstd, "b")]).unwrap();
        let diff_id = format!("sha256:{}", "d".repeat(64));
        let history = r#"{"created":"1970-01-01T00:00:01Z","created_by":"ctr-forge"}"#;
        let config = [
            r#"{"created":"1970-01-01T00:00:01Z","architecture":"arm","os":"linux","variant":"v7","#,
            r#""config":{"User":"1:1","ExposedPorts":{"80/tcp":{}},"Env":["B=2","A=1"],"#,
            r#""Entrypoint":["/hello"],"Cmd":[],"Volumes":{"/v":{}},"WorkingDir":"/w","#,
            r#""Labels":{"k":"\"v\""},"StopSignal":"SIGTERM"},"#,
            &format!(r#""rootfs":{{"type":"layers","diff_ids":["{diff_id}","{diff_id}"]}},"#),
            &format!(r#""history":[{history},{history}]}}"#),
        ];
        assert_eq!(text(&image.config), config.concat());
        let manifest = [
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
            r#""config":{"mediaType":"application/vnd.oci.image.config.v1+json","#,
            &format!(r#""digest":"{}","size":{}}},"#, image.id(), image.config.bytes.len()),
            r#""layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","#,
            &format!(r#""digest":"sha256:{}","size":10}},"#, "a".repeat(64)),
            r#"{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd","#,
            &format!(r#""digest":"sha256:{}","size":10}}],"#, "b".repeat(64)),
            r#""annotations":{"org.example.a":"b"}}"#,
        ];
        assert_eq!(text(&image.manifest), manifest.concat());
    }

    #[test]
    fn nothing_is_said_of_what_is_not_set() {
        let image = ImageConfig { os: "linux".into(), arch: "amd64".into(), ..ImageConfig::default() };
        let image = Image::new(&image, &[]).unwrap();
        assert_eq!(
            text(&image.config),
            concat!(
                r#"{"created":"1970-01-01T00:00:00Z","architecture":"amd64","os":"linux","#,
                r#""config":{},"rootfs":{"type":"layers","diff_ids":[]},"history":[]}"#
            )
        );
        let [entry] = &image.entries()[..] else { panic!("one entry") };
        assert!(entry.annotations.is_empty());
    }

    #[test]
    fn every_name_has_an_entry() {
        let name = |name: &str, tag: &str| ImageName {
            name: name.into(),
            tag: tag.into(),
            full: format!("registry.example/{name}:{tag}"),
        };
        let tags = vec![name("a", "1"), name("b", "2")];
        let image = Image::new(&ImageConfig { tags, ..full() }, &[]).unwrap();
        let entries = image.entries();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].annotations[annotation::REF_NAME], "2");
        assert_eq!(entries[1].annotations[annotation::IMAGE_NAME], "registry.example/b:2");
        assert_eq!(entries[1].platform.as_ref().unwrap().variant.as_deref(), Some("v7"));
    }

    #[test]
    fn several_platforms_are_one_index() {
        let name = ImageName { name: "a".into(), tag: "1".into(), full: "registry.example/a:1".into() };
        let one = |arch: &str| {
            let (arch, variant, tags) = (arch.to_owned(), None, vec![name.clone()]);
            Image::new(&ImageConfig { arch, variant, tags, ..full() }, &[]).unwrap()
        };
        let images = [one("amd64"), one("arm64")];
        let platforms = Platforms::new(&images).unwrap();
        let text = text(&platforms.index);
        for image in &images {
            assert!(text.contains(&image.manifest.descriptor.digest), "{text}");
        }
        assert!(!text.contains("ref.name"), "{text}");
        let [entry] = &platforms.entries()[..] else { panic!("one entry") };
        assert_eq!(entry.media_type, media_type::INDEX);
        assert_eq!(entry.annotations[annotation::REF_NAME], "1");
        assert!(entry.platform.is_none());
        assert!(Platforms::new(&[one("amd64"), one("amd64")]).is_err());
    }

    #[test]
    fn refuses_a_date_without_text_and_a_digest_that_is_none() {
        let late = ImageConfig { created: i64::MAX, ..full() };
        assert_eq!(Image::new(&late, &[]).unwrap_err().kind, ErrorKind::Input);
        assert!(Image::new(&full(), &[layer(LayerForm::Tar, "/")]).is_err());
    }
}
