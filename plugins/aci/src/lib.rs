//! `ctr-forge output aci`: an image as one file for rkt (App Container specification 0.8.11).
//!
//! | module | what it does |
//! |---|---|
//! | `manifest` | the image's manifest, with what the specification demands of each word |
//! | `archive` | the tar archive of manifest and files, its compression and its id |

mod archive;
mod manifest;

use std::collections::BTreeMap;

use ctr_forge_plugin::{Destination, Error, Host, Output, OutputReport, PackageTarget, Request, Result};
use serde::Deserialize;

use crate::archive::Compression;

ctr_forge_plugin::export_plugin!(aci: output "aci" => Aci);

/// The output.
#[derive(Debug)]
pub struct Aci;

/// As `plugin.toml` has them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    compression: Compression,
    /// Each `NAME=JSON`.
    #[serde(default)]
    isolator: Vec<BTreeMap<String, String>>,
}

impl Output for Aci {
    type Options = Options;

    fn package(&self, request: &Request<Options, PackageTarget>, host: &Host) -> Result<OutputReport> {
        let (options, target) = (&request.options, &request.target);
        let Destination::File { file } = &target.destination else {
            return Err(Error::plugin("an ACI cannot be written into a directory"));
        };
        let [layer] = &target.layers[..] else {
            return Err(Error::plugin("an ACI has one tree, and several layers came"));
        };
        let manifest = manifest::manifest(options, &target.image, host)?;
        host.phase("Writing the image");
        let (layer, file) = (host.take(layer.file)?, host.take(*file)?);
        let settings = archive::Settings {
            compression: options.compression,
            created: target.image.created,
            jobs: request.context.jobs,
        };
        let id = archive::write(file, &manifest, layer, &settings, &mut || host.check_cancelled())?;
        host.info(format!("the image's id is {id}"));
        let hints = vec!["Run it: rkt --insecure-options=image run {}".to_owned()];
        Ok(OutputReport { files: Vec::new(), id: Some(id), hints })
    }
}

#[cfg(test)]
mod tests {
    use ctr_forge_plugin::{Manifest, Merges, Role, Writes};

    #[test]
    fn the_manifest_names_this_output() {
        let manifest: Manifest = toml::from_str(include_str!("../plugin.toml")).unwrap();
        let [component] = manifest.components(Role::Output) else { panic!("one output") };
        assert_eq!((manifest.name.as_str(), component.id.as_str()), ("aci", "aci"));
        assert_eq!((component.writes, &component.merges), (Writes::File, &Merges::Fixed(true)));
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
    }
}
