//! `ctr-forge squash`: all layers of an image as one.

use std::io::Write;
use std::path::PathBuf;

use ctr_forge_image::Image;
use ctr_forge_plugin::{Error, LayerForm, Result, Role};
use ctr_forge_rootfs::{Tree, Writer};

use super::inspect::{flattened, open};
use super::output::{
    Described, Earlier, Packed, Place, Published, layer_form, make_layer, options as layer_options, package,
};
use super::{Cancellable, because, report_faults, require_tools, unless_cancelled};
use crate::Forge;
use crate::destination::{StagedFile, refuse_inputs};
use crate::discovery::Plugin;
use crate::image::parse_name;
use crate::options::Options;

/// What `ctr-forge squash` is asked for.
#[derive(Debug)]
pub struct SquashRequest {
    /// `PATH[:NAME]`.
    pub image: PathBuf,
    /// Which of several.
    pub arch: Option<String>,
    /// Names of the result; none for those that the image has.
    pub tags: Vec<String>,
    /// The form of the layer, where it is not the output's first.
    pub compression: Option<LayerForm>,
    /// Where the result goes.
    pub target: PathBuf,
}

/// Flattens an image into one of `plugin`'s output `component`, with its configuration.
///
/// # Errors
///
/// If it is no image, or something in it cannot be in the other format.
pub fn squash(
    forge: &Forge,
    plugin: &Plugin,
    component: &str,
    options: &Options,
    asked: &SquashRequest,
) -> Result<Published> {
    let component = plugin
        .component(Role::Output, component)
        .ok_or_else(|| Error::usage(format!("there is no output \"{component}\"")))?;
    require_tools(forge, component)?;
    let form = layer_form(component, asked.compression)?;
    let earlier = Earlier::find(forge, layer_options(forge, form), [asked.image.as_path()]);
    let (image, tree) = read(forge, asked)?;
    let mut config = image.to_config()?;
    let names = if asked.tags.is_empty() { &image.names } else { &asked.tags };
    // A layout's name may be a tag alone, which names nothing elsewhere.
    let full = names.iter().filter(|name| !asked.tags.is_empty() || name.contains(':'));
    config.tags = full.map(|name| parse_name(name)).collect::<Result<_>>()?;
    let place = Place::new(forge, component, &asked.target)?;
    let layer = make_layer(forge, component, form, tree, "the image", &earlier, &place)?;
    let images = vec![Described { config, layers: vec![layer] }];
    let packed = Packed { images, options, place };
    let (report, trace) = package(forge, plugin, component, packed, None)?;
    report_faults(forge, plugin, &trace.faults);
    Ok(Published { report, target: asked.target.clone() })
}

/// Flattens an image into a root filesystem, without its configuration.
///
/// # Errors
///
/// If it is no image.
pub fn squash_rootfs(forge: &Forge, asked: &SquashRequest) -> Result<()> {
    let staged = match asked.target.as_os_str() == "-" {
        true => None,
        false => Some(StagedFile::new(&asked.target)?),
    };
    let (_, mut tree) = read(forge, asked)?;
    let newest = tree.newest().unwrap_or(0);
    tree.normalise(forge.epoch.unwrap_or(newest)).map_err(|e| because("cannot use the image", &e))?;
    match staged {
        Some(staged) => {
            write(forge, &tree, staged.file())?;
            staged.publish()
        }
        None => write(forge, &tree, &mut std::io::stdout().lock()),
    }
}

fn read(forge: &Forge, asked: &SquashRequest) -> Result<(Image, Tree)> {
    if asked.target.as_os_str() != "-" {
        let (path, _) = ctr_forge_image::split_reference(&asked.image);
        refuse_inputs(&asked.target, [&path])?;
    }
    let image = open(forge, &asked.image, asked.arch.as_deref())?;
    let tree = flattened(forge, &image)?.tree;
    Ok((image, tree))
}

fn write(forge: &Forge, tree: &Tree, sink: impl Write) -> Result<()> {
    const WHAT: &str = "cannot write the root filesystem";
    forge.reporter.phase("Writing the root filesystem");
    let mut writer =
        Writer::new(std::io::BufWriter::with_capacity(1 << 20, Cancellable::new(sink, &forge.cancel)));
    if let Err(error) = tree.write_to(&mut writer) {
        let _ = writer.break_off();
        return Err(unless_cancelled(forge, because(WHAT, &error)));
    }
    let finished = writer.finish().and_then(|mut sink| sink.flush());
    finished.map_err(|e| unless_cancelled(forge, Error::io(WHAT, e)))
}
