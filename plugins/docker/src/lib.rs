//! `ctr-forge output docker`: an image as an archive for `docker load`.
//!
//! The archive is the one that `docker save` writes since Docker 25: an OCI
//! image layout and, for older readers, `manifest.json`, both pointing at the
//! same blobs.
//!
//! | module | what it does |
//! |---|---|
//! | `archive` | the archive |
//! | `import` | the root filesystem alone, with the command for `docker import` |

mod archive;
mod import;

use ctr_forge_oci::{Image, Layer, progress};
use ctr_forge_plugin::{
    Destination, Error, ErrorKind, FileRef, Host, Output, OutputReport, PackageTarget, Request, Result,
};
use serde::Deserialize;

ctr_forge_plugin::export_plugin!(docker: output "docker" => Docker);

/// Most layers that Docker loads: its storage drivers, `overlay2` among them, put
/// no more than 127 directories over each other, and a container adds two of its own.
const MAX_LAYERS: usize = 125;

/// The output.
#[derive(Debug)]
pub struct Docker;

/// As `plugin.toml` has them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    #[serde(default)]
    import: bool,
}

impl Output for Docker {
    type Options = Options;

    fn package(&self, request: &Request<Options, PackageTarget>, host: &Host) -> Result<OutputReport> {
        let target = &request.target;
        let Destination::File { file } = &target.destination else {
            return Err(Error::plugin("a Docker archive cannot be written into a directory"));
        };
        if request.options.import {
            return import(target, *file, host);
        }
        check_layers(target.layers.len())?;
        let image = Image::new(&target.image, &target.layers)?;
        let layers = Layer::take(&target.layers, |file| host.take(file))?;
        let file = host.take(*file)?;
        host.phase("Writing the archive");
        archive::write(file, &image, target.image.created, &layers, &mut progress(host, &layers))?;
        let hints = ["Load it: docker load -i {}", "Or: podman load -i {}"].map(str::to_owned).into();
        Ok(OutputReport { files: Vec::new(), id: Some(image.id().to_owned()), hints })
    }
}

fn import(target: &PackageTarget, file: FileRef, host: &Host) -> Result<OutputReport> {
    // Before the work: what cannot be said.
    let command = import::command(&target.image)?;
    if let Some(signal) = &target.image.stop_signal {
        host.warn(format!("docker import takes no stop signal: say --stop-signal {signal} to docker run"));
    }
    let layers = Layer::take(&target.layers, |file| host.take(file))?;
    host.phase("Writing the root filesystem");
    import::write(host.take(file)?, &layers, &mut progress(host, &layers))?;
    let id = target.layers.first().map(|layer| layer.diff_id.clone());
    Ok(OutputReport { files: Vec::new(), id, hints: vec![format!("Import it: {command}")] })
}

fn check_layers(count: usize) -> Result<()> {
    if count > MAX_LAYERS {
        let message = format!("the image has {count} layers, and Docker cannot mount more than {MAX_LAYERS}");
        return Err(Error::new(ErrorKind::Unsupported, message).hint(
            "Put what the layers hold into fewer, or write an OCI image layout: ctr-forge output oci.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ctr_forge_plugin::{Manifest, Merges, Role, Writes};

    use super::*;

    #[test]
    fn the_manifest_names_this_output() {
        let manifest: Manifest = toml::from_str(include_str!("../plugin.toml")).unwrap();
        let [component] = manifest.components(Role::Output) else { panic!("one output") };
        assert_eq!((manifest.name.as_str(), component.id.as_str()), ("docker", "docker"));
        assert_eq!((component.writes, &component.merges), (Writes::File, &Merges::With("import".into())));
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn refuses_more_layers_than_docker_mounts() {
        assert!(check_layers(125).is_ok());
        assert_eq!(check_layers(126).unwrap_err().kind, ErrorKind::Unsupported);
    }
}
