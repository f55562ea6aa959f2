//! `ctr-forge output`: from root filesystems to an image.
//!
//! Each input becomes one layer: read in, normalised, written as a tar whose
//! digest is the diffID and compressed in the same pass. The plugin gets
//! finished layers and an image configuration, and a place to write to that
//! becomes visible only when all has succeeded.
//!
//! | module | what it does |
//! |---|---|
//! | `layer` | from an input to a finished layer |
//! | `known` | layers of earlier runs, so that what is packed again is not compressed again |
//! | `place` | where the result is made until all of it is there |

mod known;
mod layer;
mod place;

use std::path::PathBuf;
use std::time::Duration;

use ctr_forge_plugin::message::method;
use ctr_forge_plugin::{
    Component, Error, ErrorKind, ImageConfig, LayerForm, LayerRef, OutputReport, PackageTarget,
    PlatformImage, Result, Role,
};

pub(super) use self::known::Earlier;
pub use self::layer::form_name;
pub(super) use self::layer::{Finished, layer_form, make_layer, options};
use self::layer::{make_layers, merges};
pub(super) use self::place::Place;
use super::base;
use super::{possible_date, report_faults, request, require_tools};
use crate::destination::refuse_inputs;
use crate::discovery::Plugin;
use crate::image::ImageWords;
use crate::options::{Files, Options};
use crate::worker::{Job, Trace};
use crate::{Attachments, Forge};

/// What `ctr-forge output` is asked for.
#[derive(Debug)]
pub struct OutputRequest {
    /// Which of the plugin's outputs.
    pub component: String,
    /// Its options.
    pub options: Options,
    /// What goes in, for each platform.
    pub platforms: Vec<PlatformInputs>,
    /// How the image is run and named.
    pub image: ImageWords,
    /// Keep owners, modes, times and extended attributes of folders.
    pub preserve: bool,
    /// An image whose layers come first: `PATH[:NAME]`, or `HOST/NAME:TAG` in a registry.
    pub base: Option<PathBuf>,
    /// Speak HTTP without TLS to the registry of the base.
    pub plain_http: bool,
    /// The form of the layers, where it is not the component's first.
    pub compression: Option<LayerForm>,
    /// Where the result goes; `-` is standard output, for an output that can write one file.
    pub target: PathBuf,
}

/// What goes into the image for one platform.
#[derive(Debug, Clone, Default)]
pub struct PlatformInputs {
    /// An architecture, by its OCI name or the name that `uname` or a distribution uses; this
    /// machine's where none is named.
    pub arch: Option<String>,
    /// Root filesystems, base first: tars, folders, `-` for standard input.
    pub inputs: Vec<PathBuf>,
}

/// What an output made.
#[derive(Debug, Clone)]
pub struct Published {
    /// What the plugin reports.
    pub report: OutputReport,
    /// Where the result is.
    pub target: PathBuf,
}

/// Makes an image with `plugin`.
pub fn output(forge: &Forge, plugin: &Plugin, asked: &OutputRequest) -> Result<Published> {
    let (published, trace) = output_traced(forge, plugin, asked, None)?;
    report_faults(forge, plugin, &trace.faults);
    Ok(published)
}

/// [`output`], with what the plugin did meanwhile. Its call has `limit` to answer.
pub(crate) fn output_traced(
    forge: &Forge,
    plugin: &Plugin,
    asked: &OutputRequest,
    limit: Option<Duration>,
) -> Result<(Published, Trace)> {
    let component = plugin.component(Role::Output, &asked.component).ok_or_else(|| {
        Error::usage(format!("plugin \"{}\" has no output \"{}\"", plugin.manifest.name, asked.component))
    })?;
    require_tools(forge, component)?;
    check_inputs(asked)?;
    check_platforms(component, asked)?;
    let place = Place::new(forge, component, &asked.target)?;
    let images = asked.platforms.iter().map(|inputs| make_image(forge, component, asked, inputs, &place));
    let packed = Packed { images: images.collect::<Result<_>>()?, options: &asked.options, place };
    package(forge, plugin, component, packed, limit)
        .map(|(report, trace)| (Published { report, target: asked.target.clone() }, trace))
}

/// The image for one platform, its layers in temporary files.
fn make_image(
    forge: &Forge,
    component: &Component,
    asked: &OutputRequest,
    PlatformInputs { arch, inputs }: &PlatformInputs,
    place: &Place,
) -> Result<Described> {
    let arch = arch.as_deref();
    let base = asked.base.as_ref().map(|wanted| {
        let merges = merges(component, &asked.options);
        base::base(forge, component, merges, wanted, arch, asked.plain_http, place)
    });
    let base = base.transpose()?;
    let mut layers = make_layers(forge, component, asked, inputs, place)?;
    let newest = layers.iter().map(|layer| layer.newest).max().unwrap_or(0);
    let mut config = asked.image.check(arch, forge.epoch.unwrap_or(newest))?;
    if let Some(base::Base { config: below, layers: lower }) = base {
        config = base::merged(below, config, arch.is_some());
        layers.splice(0..0, lower);
    }
    Ok(Described { config, layers })
}

/// An image for one platform: how it is run, and its layers.
pub(super) struct Described {
    pub(super) config: ImageConfig,
    pub(super) layers: Vec<Finished>,
}

/// What is made, ready for its plugin.
pub(super) struct Packed<'a> {
    /// At least one; more of a component that takes several platforms.
    pub(super) images: Vec<Described>,
    pub(super) options: &'a Options,
    pub(super) place: Place,
}

/// Has the plugin write the image, and publishes it.
pub(super) fn package(
    forge: &Forge,
    plugin: &Plugin,
    component: &Component,
    packed: Packed<'_>,
    limit: Option<Duration>,
) -> Result<(OutputReport, Trace)> {
    let Packed { images, options, place } = packed;
    let mut files = Attachments::new();
    let created = images.iter().map(|image| image.config.created).max().unwrap_or(0);
    let mut images = images.into_iter().map(|Described { config, layers }| {
        let layers: Vec<LayerRef> = layers.into_iter().map(|layer| layer.attach(&mut files)).collect();
        (config, layers)
    });
    let (image, layers) =
        images.next().ok_or_else(|| Error::new(ErrorKind::Internal, "an output of no image"))?;
    let others = images.map(|(image, layers)| PlatformImage { image, layers }).collect();
    let variant = image.variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
    let arch = format!("{}{variant}", image.arch);
    let target = PackageTarget { image, layers, others, destination: place.attach(forge, &mut files)? };
    let options = options.to_request(Files::Opened, &mut files)?;
    let mut job = Job::start(forge, plugin, component)?;
    job.set_deadline(limit);
    let message = request(forge, Role::Output, &component.id, &arch, options, target);
    let report: OutputReport = job.call(method::PACKAGE, message, files)?;
    let trace = job.finish()?;
    forge.cancel.check()?;
    place.publish(forge, &report, forge.epoch.unwrap_or(possible_date(created)))?;
    Ok((report, trace))
}

fn check_inputs(asked: &OutputRequest) -> Result<()> {
    let inputs = || asked.platforms.iter().flat_map(|platform| &platform.inputs);
    if inputs().filter(|input| input.as_os_str() == "-").count() > 1 {
        return Err(Error::usage("standard input (\"-\") can be named only once"));
    }
    // Before the long work: words that are wrong.
    for platform in &asked.platforms {
        asked.image.check(platform.arch.as_deref(), 0)?;
    }
    if asked.target.as_os_str() == "-" {
        return Ok(());
    }
    let base = asked.base.as_ref().map(|base| ctr_forge_image::split_reference(base).0);
    // A layout may grow by an image upon one of its own.
    let base = base.filter(|path| !path.is_dir());
    refuse_inputs(&asked.target, inputs().chain(asked.options.paths()).chain(&base))
}

fn check_platforms(component: &Component, asked: &OutputRequest) -> Result<()> {
    if asked.platforms.len() > 1 && !component.platforms {
        let message = format!("an image of format \"{}\" is for one platform", component.id);
        return Err(Error::new(ErrorKind::Unsupported, message)
            .hint("ctr-forge output oci takes several: --arch amd64 ROOTFS --arch arm64 ROOTFS")
            .option("arch"));
    }
    for (number, platform) in asked.platforms.iter().enumerate() {
        let config = asked.image.check(platform.arch.as_deref(), 0)?;
        for other in &asked.platforms[..number] {
            let other = asked.image.check(other.arch.as_deref(), 0)?;
            if (&other.arch, &other.variant) == (&config.arch, &config.variant) {
                return Err(Error::usage(format!("two images are for the architecture {}", config.arch))
                    .hint("Root filesystems after one --arch are its layers, up to the next --arch.")
                    .option("arch"));
            }
        }
    }
    Ok(())
}
