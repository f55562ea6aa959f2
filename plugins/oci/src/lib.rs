//! `ctr-forge output oci`: an image as an OCI image layout (image-spec 1.1, `image-layout.md`).
//!
//! | module | what it does |
//! |---|---|
//! | `layout` | writes blobs, `oci-layout` and `index.json` into the empty directory |
//! | `existing` | reads the layout that is at the final place already |

mod existing;
mod layout;

use ctr_forge_oci::{Image, Layer, progress};
use ctr_forge_plugin::{Destination, Error, Host, Output, OutputReport, PackageTarget, Request, Result};
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
        let Destination::Directory { directory, existing } = &target.destination else {
            return Err(Error::plugin("an OCI image layout cannot be written into a file"));
        };
        let image = Image::new(&target.image, &target.layers)?;
        let layers = Layer::take(&target.layers, |file| host.take(file))?;
        let digest = |file: &_| Ok(host.digest(file)?.digest);
        let existing = match existing {
            Some(existing) => Existing::open(host.take(*existing)?, &digest)?,
            None => None,
        };
        let mut layout = Layout::new(host.take(*directory)?, existing)?;
        host.phase("Writing the image layout");
        layout.add(&image, &layers, &mut progress(host, &layers))?;
        for blob in &layout.damaged {
            host.warn(format!("\"{blob}\" in the existing layout was damaged and is written anew"));
        }
        let hints = hints(&image, layout.index.len());
        Ok(OutputReport { files: layout.files, id: Some(image.id().to_owned()), hints })
    }
}

/// How to use `image` in a layout of `count` images.
fn hints(image: &Image, count: usize) -> Vec<String> {
    match image.names.first() {
        Some(name) => vec![
            format!("Run it: podman run --rm oci:{{}}:{}", name.tag),
            format!("Push it: skopeo copy oci:{{}}:{} docker://REGISTRY/NAME:TAG", name.tag),
            format!("Unpack it: umoci unpack --image {{}}:{} bundle", name.tag),
        ],
        None if count == 1 => vec!["Run it: podman run --rm oci:{}".to_owned()],
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
