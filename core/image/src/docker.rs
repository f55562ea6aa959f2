//! What `docker save` writes: `manifest.json` names configurations and layers by their paths.

use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::Digest;
use serde::Deserialize;

use crate::image::{Format, Image, Layer};
use crate::oci::{Config, diff_ids, parse};
use crate::store::Store;

/// What makes an archive one of docker's.
pub(crate) const MANIFEST_FILE: &str = "manifest.json";

/// An image of the archive, before it is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Item {
    config: String,
    #[serde(default)]
    pub(crate) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// The images of the archive.
pub(crate) fn items(store: &Store) -> Result<Vec<Item>> {
    let document = store.document(MANIFEST_FILE)?;
    let document = document.ok_or_else(|| Error::input("there is no manifest.json"))?;
    parse(&document, MANIFEST_FILE)
}

/// Reads an image.
pub(crate) fn image(store: &Store, item: &Item) -> Result<Image> {
    let config = store.document(&item.config)?.ok_or_else(|| missing(&item.config))?;
    // Docker names it by its digest; older tools gave it any name.
    let stem = item.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if let Ok(expected) = format!("sha256:{stem}").parse::<Digest>()
        && expected != config.digest
    {
        let message = format!("\"{}\" is not what its name says", item.config.escape_debug());
        return Err(Error::new(ErrorKind::Verification, message));
    }
    let read: Config = parse(&config, "the configuration")?;
    let diff_ids = diff_ids(&read)?;
    let paths = item.layers.as_deref().unwrap_or_default();
    if diff_ids.len() != paths.len() {
        let message = format!("the image has {} layers and {} diffIDs of them", paths.len(), diff_ids.len());
        return Err(Error::input(message));
    }
    let layer = |(path, diff_id): (&String, &Digest)| {
        let blob = store.open(path)?.ok_or_else(|| missing(path))?;
        let (size, diff_id) = (blob.size, Some(*diff_id));
        Ok(Layer { media_type: None, digest: None, diff_id, size, prefix: "", blob })
    };
    let layers = paths.iter().zip(&diff_ids).map(layer).collect::<Result<_>>()?;
    Ok(Image {
        format: Format::Docker,
        names: item.repo_tags.clone().unwrap_or_default(),
        index: None,
        manifest: None,
        media_type: None,
        config,
        arch: read.architecture,
        variant: read.variant,
        created: read.created,
        layers,
    })
}

fn missing(path: &str) -> Error {
    Error::input(format!("the archive lacks \"{}\", which its manifest names", path.escape_debug()))
}
