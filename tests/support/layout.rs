//! What is in an OCI image layout, read as the specification says and no more.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use ctr_forge_rootfs::{Decoder, Digest};
use serde_json::Value;

/// An image of a layout.
#[derive(Debug)]
pub struct Image {
    layout: PathBuf,
    /// The manifest.
    pub manifest: Value,
    /// The image configuration.
    pub config: Value,
}

/// The annotation that holds the tag.
const TAG: &str = "org.opencontainers.image.ref.name";

impl Image {
    /// The image with `tag` in the layout at `layout`.
    #[track_caller]
    pub fn open(layout: &Path, tag: &str) -> Self {
        let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
        let entries = index["manifests"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["annotations"][TAG] == tag);
        let entry = entry.unwrap_or_else(|| panic!("no tag {tag} in {index}"));
        let manifest: Value = serde_json::from_slice(&blob(layout, entry)).unwrap();
        let config = serde_json::from_slice(&blob(layout, &manifest["config"])).unwrap();
        Self { layout: layout.to_owned(), manifest, config }
    }

    /// The layers, base first, as tars. Each is held against its diffID.
    #[track_caller]
    pub fn layers(&self) -> Vec<Vec<u8>> {
        let diff_ids = self.config["rootfs"]["diff_ids"].as_array().unwrap();
        let layers = self.manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), diff_ids.len());
        let tar = |(layer, diff_id): (&Value, &Value)| {
            let mut tar = Vec::new();
            Decoder::new(&blob(&self.layout, layer)[..]).unwrap().read_to_end(&mut tar).unwrap();
            assert_eq!(Digest::of(&tar).to_string(), diff_id.as_str().unwrap());
            tar
        };
        layers.iter().zip(diff_ids).map(tar).collect()
    }
}

/// What a descriptor refers to, held against its digest and size.
#[track_caller]
fn blob(layout: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap();
    let mut content = Vec::new();
    let path = layout.join("blobs").join(digest.replace(':', "/"));
    File::open(path).unwrap().read_to_end(&mut content).unwrap();
    assert_eq!(Digest::of(&content).to_string(), digest);
    assert_eq!(descriptor["size"], content.len());
    content
}
