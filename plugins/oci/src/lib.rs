//! `ctr-forge output oci`: an image as an OCI image layout (image-spec 1.1, `image-layout.md`).
//!
//! | module | what it does |
//! |---|---|
//! | `layout` | writes blobs, `oci-layout` and `index.json` into the empty directory |
//! | `existing` | reads the layout that is at the final place already |

mod existing;
mod layout;

use ctr_forge_oci::{Image, Layer, progress};
use ctr_forge_plugin::{
    Destination, Error, Host, ImageConfig, ImageName, Output, OutputReport, PackageTarget, Request, Result,
};
use serde::Deserialize;

use crate::existing::Existing;
use crate::layout::Layout;

ctr_forge_plugin::export_plugin!(oci: output "oci" => Oci);

/// The output.
#[derive(Debug)]
pub struct Oci;

/// It has no options beyond those of every output.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {}

impl Output for Oci {
    type Options = Options;

    fn package(&self, request: &Request<Options, PackageTarget>, host: &Host) -> Result<OutputReport> {
        let target = &request.target;
        let Destination::Directory { directory, existing, archive } = &target.destination else {
            return Err(Error::plugin("an OCI image layout cannot be written into a file"));
        };
        let others = target.others.iter().map(|other| Image::new(&other.image, &other.layers));
        let images: Vec<_> = std::iter::once(Image::new(&target.image, &target.layers))
            .chain(others)
            .collect::<Result<_>>()?;
        let all = target.others.iter().flat_map(|other| &other.layers);
        let layers: Vec<_> = target.layers.iter().chain(all).cloned().collect();
        let layers = Layer::take(&layers, |file| host.take(file))?;
        let digest = |file: &_| Ok(host.digest(file)?.digest);
        let existing = match existing {
            Some(existing) => Existing::open(host.take(*existing)?, &digest)?,
            None => None,
        };
        let mut layout = Layout::new(host.take(*directory)?, existing)?;
        host.phase("Writing the image layout");
        let id = layout.add(&images, &layers, &mut progress(host, &layers))?;
        for blob in &layout.damaged {
            host.warn(format!("\"{blob}\" in the existing layout was damaged and is written anew"));
        }
        let hints = hints(&target.image, layout.index.len(), *archive);
        Ok(OutputReport { files: layout.files, id: Some(id), hints })
    }
}

/// How to use `image` in a layout of `count` images.
fn hints(image: &ImageConfig, count: usize, archive: bool) -> Vec<String> {
    let transport = if archive { "oci-archive" } else { "oci" };
    match image.tags.first() {
        Some(ImageName { tag, .. }) => {
            let run = format!("Run it: podman run --rm {transport}:{{}}:{tag}");
            let push = format!("Push it: ctr-forge push {{}}:{tag} REGISTRY/NAME:TAG");
            let unpack = format!("Unpack it: umoci unpack --image {{}}:{tag} bundle");
            [run, push].into_iter().chain((!archive).then_some(unpack)).collect()
        }
        None if count == 1 => vec![format!("Run it: podman run --rm {transport}:{{}}")],
        // A path alone is refused by tools where the layout has several images.
        None => vec!["Give it a name with --tag, by which tools can tell it from others in {}.".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use ctr_forge_plugin::{Manifest, Role, Writes};

    #[test]
    fn the_manifest_names_this_output() {
        let manifest: Manifest = toml::from_str(include_str!("../plugin.toml")).unwrap();
        let [component] = manifest.components(Role::Output) else { panic!("one output") };
        assert_eq!((manifest.name.as_str(), component.id.as_str()), ("oci", "oci"));
        assert_eq!(component.writes, Writes::Directory);
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
    }
}
