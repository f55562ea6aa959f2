//! App Container Images: `manifest` and `rootfs/` in one tar archive (appc 0.8.11, `aci.md`).

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use ctr_forge_oci::APPC_ARCHITECTURES;
use ctr_forge_plugin::{Error, ImageConfig, Result};
use serde::Deserialize;

use crate::image::{Format, Image, Layer};
use crate::oci::parse;
use crate::store::{Blob, Document, Store};

/// The image's description in the archive.
pub(crate) const MANIFEST: &str = "manifest";

/// All files of the image lie below this.
const ROOTFS: &str = "rootfs";

#[derive(Debug, Deserialize)]
struct Manifest {
    name: String,
    #[serde(default)]
    labels: Vec<Pair>,
    #[serde(default)]
    annotations: Vec<Pair>,
}

#[derive(Debug, Deserialize)]
struct Pair {
    name: String,
    value: String,
}

/// Reads the image.
pub(crate) fn image(store: &Store) -> Result<Image> {
    let config = store.document(MANIFEST)?.ok_or_else(|| Error::input("there is no manifest"))?;
    let manifest: Manifest = parse(&config, MANIFEST)?;
    let find = |pairs: &[Pair], name: &str| {
        pairs.iter().find(|pair| pair.name == name).map(|pair| pair.value.clone())
    };
    let label = find(&manifest.labels, "arch");
    let known = label.as_deref().and_then(|label| APPC_ARCHITECTURES.iter().find(|known| known.2 == label));
    let Store::Archive { file, .. } = store else {
        return Err(Error::input("an ACI is a file"));
    };
    let names = match find(&manifest.labels, "version") {
        Some(version) => vec![format!("{}:{version}", manifest.name)],
        None => vec![manifest.name],
    };
    Ok(Image {
        format: Format::Aci,
        names,
        index: None,
        manifest: None,
        media_type: None,
        config,
        arch: known.map(|known| known.0.to_owned()).or(label),
        variant: known.and_then(|known| known.1).map(str::to_owned),
        created: find(&manifest.annotations, "created"),
        layers: vec![layer(file)?],
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct App {
    exec: Vec<String>,
    user: String,
    group: String,
    working_directory: String,
    environment: Vec<Pair>,
    ports: Vec<Port>,
    mount_points: Vec<MountPoint>,
    user_labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Port {
    protocol: String,
    port: u16,
}

#[derive(Debug, Deserialize)]
struct MountPoint {
    path: String,
}

/// How the image is run, in OCI's words (appc `spec/aci.md`, "Image Manifest Schema").
/// What the manifest says of the image, but for the date, which has a place of its own.
pub(crate) fn annotations(manifest: &Document) -> BTreeMap<String, String> {
    let manifest = parse::<Manifest>(manifest, MANIFEST).ok();
    let pairs = manifest.into_iter().flat_map(|manifest| manifest.annotations);
    pairs.filter(|pair| pair.name != "created").map(|pair| (pair.name, pair.value)).collect()
}

pub(crate) fn config(manifest: &Document, base: ImageConfig) -> Result<ImageConfig> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(default)]
        app: Option<App>,
    }
    let manifest: Manifest = parse(manifest, MANIFEST)?;
    let Some(app) = manifest.app else { return Ok(base) };
    let user = match (app.user.as_str(), app.group.as_str()) {
        ("" | "0" | "root", "" | "0" | "root") => None,
        (user, "") => Some(user.to_owned()),
        (user, group) => Some(format!("{user}:{group}")),
    };
    Ok(ImageConfig {
        entrypoint: (!app.exec.is_empty()).then_some(app.exec),
        env: app.environment.into_iter().map(|pair| format!("{}={}", pair.name, pair.value)).collect(),
        user,
        workdir: Some(app.working_directory).filter(|path| !path.is_empty()),
        ports: app.ports.into_iter().map(|port| format!("{}/{}", port.port, port.protocol)).collect(),
        volumes: app.mount_points.into_iter().map(|point| point.path).collect(),
        labels: app.user_labels,
        ..base
    })
}

/// The whole archive is the layer.
fn layer(file: &Arc<File>) -> Result<Layer> {
    let size = file.metadata().map_err(|e| Error::io("cannot read the image", e))?.len();
    let blob = Blob::of(file.clone(), size);
    Ok(Layer { media_type: None, digest: None, diff_id: None, size, prefix: ROOTFS, blob })
}
