//! An image: what it says of itself, and its layers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::rc::Rc;
use std::sync::Arc;

use ctr_forge_oci::media_type;
use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::{Compression, Decoder, Digest, Hasher, MAGIC_LEN};
use serde_json::json;
use sha2::{Digest as _, Sha512};

use crate::store::{Blob, BlobReader, Document};

/// How an image lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A directory: image-spec `image-layout.md`.
    OciLayout,
    /// The same in a tar archive.
    OciArchive,
    /// What `docker save` writes.
    Docker,
    /// App Container Image: appc 0.8.11.
    Aci,
}

impl Format {
    /// `oci`, `oci-archive`, `docker`, `aci`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OciLayout => "oci",
            Self::OciArchive => "oci-archive",
            Self::Docker => "docker",
            Self::Aci => "aci",
        }
    }
}

/// An image.
#[derive(Debug)]
pub struct Image {
    /// How it lies on disk.
    pub format: Format,
    /// What it is called there.
    pub names: Vec<String>,
    /// The index that has it and images for other platforms, where there is one.
    pub index: Option<Arc<Document>>,
    /// The manifest, of a format that has one with a digest: OCI.
    pub manifest: Option<Document>,
    /// The manifest's media type.
    pub media_type: Option<String>,
    /// The configuration; of an ACI its manifest.
    pub config: Document,
    /// OCI's name of the architecture.
    pub arch: Option<String>,
    /// And its variant.
    pub variant: Option<String>,
    /// When it was made, as it says.
    pub created: Option<String>,
    /// The layers, base first.
    pub layers: Vec<Layer>,
}

/// A layer.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its media type, where the format has one.
    pub media_type: Option<String>,
    /// Of its bytes as they lie there, where the format says.
    pub digest: Option<Digest>,
    /// Of its tar stream, where the format says.
    pub diff_id: Option<Digest>,
    /// Bytes as they lie there.
    pub size: u64,
    /// Names in the tar begin with this.
    pub(crate) prefix: &'static str,
    pub(crate) blob: Blob,
}

/// Something that is about an image: a signature, a bill of materials.
#[derive(Debug)]
pub struct Attached {
    /// The manifest that it is about.
    pub subject: Digest,
    /// What it is, as a media type.
    pub artifact_type: String,
    /// Free words on it.
    pub annotations: BTreeMap<String, String>,
    /// Its own manifest.
    pub manifest: Document,
    /// Its content, and last its configuration.
    pub blobs: Vec<Layer>,
}

impl Image {
    /// By what engines know it: the digest of its configuration; of an ACI, the SHA-512 of its tar
    /// (appc `spec/types.md`, "Image ID Type").
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn id(&self) -> Result<String> {
        let [layer] = &self.layers[..] else { return Ok(self.config.digest.to_string()) };
        if self.format != Format::Aci {
            return Ok(self.config.digest.to_string());
        }
        let mut sha = Sha512::new();
        let mut raw = layer.raw();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match raw.read(&mut buffer).map_err(|e| Error::io("cannot read the image", e))? {
                0 => break,
                count => sha.update(&buffer[..count]),
            }
        }
        let hex: String = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("sha512-{hex}"))
    }
}

/// An image as registries take it.
#[derive(Debug)]
pub struct Packed {
    /// The manifest.
    pub manifest: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// Digest and size of each layer's blob, base first.
    pub layers: Vec<(Digest, u64)>,
}

impl Image {
    /// The image's manifest and blobs for a registry: its own, or one made for an image of a format
    /// that has none.
    ///
    /// # Errors
    ///
    /// If registries take no such image, or a layer cannot be read.
    pub fn pack(&self) -> Result<Packed> {
        if let (Some(manifest), Some(media_type)) = (&self.manifest, &self.media_type) {
            let layers = self.layers.iter().map(|layer| Some((layer.digest?, layer.size)));
            let layers =
                layers.collect::<Option<_>>().ok_or_else(|| Error::input("a layer has no digest"))?;
            return Ok(Packed { manifest: manifest.bytes.clone(), media_type: media_type.clone(), layers });
        }
        if self.format == Format::Aci {
            return Err(Error::new(ErrorKind::Unsupported, "registries take no App Container Images")
                .hint("ctr-forge squash IMAGE.aci -o image makes an OCI image of it."));
        }
        let mut layers = Vec::new();
        let mut descriptors = Vec::new();
        for layer in &self.layers {
            let cannot = |e| Error::io("cannot read a layer", e);
            let media_type = layer.compression().map_err(cannot)?.layer_media_type().ok_or_else(|| {
                Error::new(
                    ErrorKind::Unsupported,
                    "a layer is compressed in a way that registries have no name for",
                )
                .hint("ctr-forge squash IMAGE -o image packs it anew.")
            })?;
            let digest = digest_of(layer.raw()).map_err(cannot)?;
            descriptors
                .push(json!({ "mediaType": media_type, "digest": digest.to_string(), "size": layer.size }));
            layers.push((digest, layer.size));
        }
        let config = json!({
            "mediaType": media_type::CONFIG,
            "digest": self.config.digest.to_string(),
            "size": self.config.bytes.len(),
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "config": config,
            "layers": descriptors,
        });
        let manifest = serde_json::to_vec(&manifest)
            .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode a manifest").because(&e))?;
        Ok(Packed { manifest, media_type: media_type::MANIFEST.to_owned(), layers })
    }
}

fn digest_of(mut reader: impl Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

impl Layer {
    /// Its bytes as they lie there, from an offset on.
    pub fn raw_at(&self, offset: u64) -> impl Read + use<> {
        self.blob.reader_at(offset)
    }

    /// What the layer is called in messages: its digest, or its place.
    pub fn title(&self, index: usize) -> String {
        match self.digest.or(self.diff_id) {
            Some(digest) => format!("layer {digest}"),
            None => format!("layer {}", index + 1),
        }
    }

    /// Reads all of it and compares; returns digest and length of its tar stream.
    ///
    /// # Errors
    ///
    /// If it is not what the image says.
    pub fn check(&self, title: &str) -> Result<(Digest, u64)> {
        let tar = self.tar().map_err(|e| Error::io(format!("cannot read {title}"), e))?;
        tar.finish(self, title)
    }

    /// Its bytes as they lie there. Whether they are those of `digest` is for the reader to see.
    pub fn raw(&self) -> impl Read + use<> {
        self.blob.reader()
    }

    /// How it is compressed.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn compression(&self) -> io::Result<Compression> {
        let mut head = Vec::with_capacity(MAGIC_LEN);
        self.blob.reader().take(MAGIC_LEN as u64).read_to_end(&mut head)?;
        Ok(Compression::from_magic(&head))
    }

    /// Its tar stream, which is compared with the digests when [`Checked::finish`] is called.
    pub(crate) fn tar(&self) -> io::Result<Checked> {
        let seen = Rc::new(RefCell::new(Seen::default()));
        let raw = Raw { reader: self.blob.reader(), seen: seen.clone() };
        let decoder = Decoder::new(BufReader::with_capacity(1 << 20, raw))?;
        Ok(Checked { decoder, plain: Seen::default(), raw: seen })
    }
}

/// What went through a reader.
#[derive(Debug, Default)]
struct Seen {
    hasher: Hasher,
    bytes: u64,
}

impl Seen {
    fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

/// A layer's bytes on their way to the decoder.
struct Raw {
    reader: BlobReader,
    seen: Rc<RefCell<Seen>>,
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.seen.borrow_mut().add(&buffer[..count]);
        Ok(count)
    }
}

/// A layer's tar stream on its way through both digests.
pub(crate) struct Checked {
    decoder: Decoder<BufReader<Raw>>,
    plain: Seen,
    raw: Rc<RefCell<Seen>>,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.plain.add(&buffer[..count]);
        Ok(count)
    }
}

impl Checked {
    /// Reads what is left and compares; returns digest and length of the tar stream.
    pub(crate) fn finish(mut self, layer: &Layer, title: &str) -> Result<(Digest, u64)> {
        let cannot = |e| Error::io(format!("cannot read {title}"), e);
        io::copy(&mut self, &mut io::sink()).map_err(cannot)?;
        let Self { decoder, plain, raw } = self;
        drop(decoder);
        let mut raw = raw.take();
        // What lies behind the end of the compressed stream is part of the blob.
        let mut rest = layer.blob.reader_at(raw.bytes);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match rest.read(&mut buffer).map_err(cannot)? {
                0 => break,
                count => raw.add(&buffer[..count]),
            }
        }
        let (diff_id, digest) = (plain.hasher.finish(), raw.hasher.finish());
        for (expected, found) in [(layer.digest, digest), (layer.diff_id, diff_id)] {
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                let message = format!("{title} is not what the image says");
                let mut error = Error::new(ErrorKind::Verification, message);
                error.causes.push(format!("{expected} was expected and {found} found"));
                return Err(error);
            }
        }
        Ok((diff_id, plain.bytes))
    }
}
