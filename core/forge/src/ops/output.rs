//! `ctr-forge output`: from root filesystems to an image.
//!
//! Each input becomes one layer: read in, normalised, written as a tar whose
//! digest is the diffID and compressed in the same pass. The plugin gets
//! finished layers and an image configuration, and a place to write to that
//! becomes visible only when all has succeeded.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ctr_forge_plugin::message::method;
use ctr_forge_plugin::{
    Component, Destination, Error, ImageConfig, LayerForm, LayerRef, OutputReport, PackageTarget, Result,
    Role, Writes,
};
use ctr_forge_rootfs::{
    Attributes, Compression, Decoder, Duplicates, Layer, LayerError, LayerOptions, Reader, TOUCHED, Tree,
    Walk, Writer, write_layer,
};

use super::base;
use super::{
    Cancellable, CancellableFile, because, empty_tree, possible_date, report_faults, request, require_tools,
    temporary_file, unless_cancelled,
};
use crate::destination::{StagedDirectory, StagedFile, refuse_inputs};
use crate::discovery::Plugin;
use crate::image::ImageWords;
use crate::options::{Files, Options};
use crate::worker::{Job, Trace};
use crate::{Attachments, Forge};

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

/// What `ctr-forge output` is asked for.
#[derive(Debug)]
pub struct OutputRequest {
    /// Which of the plugin's outputs.
    pub component: String,
    /// Its options.
    pub options: Options,
    /// Root filesystems, base first: tars, folders, `-` for standard input.
    pub inputs: Vec<PathBuf>,
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
    /// Where the result goes; `-` is standard output, for an output that writes one file.
    pub target: PathBuf,
}

/// What an output made.
#[derive(Debug, Clone)]
pub struct Published {
    /// What the plugin reports.
    pub report: OutputReport,
    /// Where the result is.
    pub target: PathBuf,
}

/// A finished layer in a temporary file.
pub(super) struct Finished {
    pub(super) layer: Layer,
    pub(super) file: File,
    pub(super) form: LayerForm,
    pub(super) newest: i64,
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
    // Before the long work: words that are wrong, a place that cannot be written.
    asked.image.check(0)?;
    let place = Place::new(forge, component, &asked.target)?;
    let mut layers = Vec::new();
    let base = asked.base.as_ref().map(|wanted| {
        let arch = asked.image.arch.as_deref();
        base::base(forge, component, wanted, arch, asked.plain_http, &place)
    });
    let base = base.transpose()?;
    let mut merged = None;
    for input in &asked.inputs {
        let name = title(input);
        forge.reporter.phase(&format!("Reading {name}"));
        let tree = match merged.take() {
            Some(tree) => tree,
            None => empty_tree(forge, Duplicates::LastWins)?,
        };
        let tree = read_input(forge, asked, input, &name, tree)?;
        if component.merges {
            merged = Some(tree);
            continue;
        }
        layers.push(make_layer(forge, component, asked.compression, tree, &name, &place)?);
    }
    if let Some(tree) = merged {
        let names: Vec<_> = asked.inputs.iter().map(|input| title(input)).collect();
        layers.push(make_layer(forge, component, asked.compression, tree, &names.join(" and "), &place)?);
    }
    let newest = layers.iter().map(|layer| layer.newest).max().unwrap_or(0);
    let mut image = asked.image.check(forge.epoch.unwrap_or(newest))?;
    if let Some(base::Base { config, layers: below }) = base {
        image = base::merged(config, image, asked.image.arch.is_some());
        layers.splice(0..0, below);
    }
    let options = &asked.options;
    package(forge, plugin, component, Packed { image, layers, options, place }, limit)
        .map(|(report, trace)| (Published { report, target: asked.target.clone() }, trace))
}

/// What an image is made of, ready for its plugin.
pub(super) struct Packed<'a> {
    pub(super) image: ImageConfig,
    pub(super) layers: Vec<Finished>,
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
    let Packed { image, layers, options, place } = packed;
    let mut files = Attachments::new();
    let arch =
        image.variant.as_ref().map_or(image.arch.clone(), |variant| format!("{}/{variant}", image.arch));
    let layers = layers.into_iter().map(|layer| layer.attach(&mut files)).collect();
    let target = PackageTarget { image, layers, destination: place.attach(forge, &mut files)? };
    let options = options.to_request(Files::Opened, &mut files)?;
    let mut job = Job::start(forge, plugin, component)?;
    job.set_deadline(limit);
    let message = request(forge, Role::Output, &component.id, &arch, options, target);
    let report: OutputReport = job.call(method::PACKAGE, message, files)?;
    let trace = job.finish()?;
    forge.cancel.check()?;
    place.publish(&report)?;
    Ok((report, trace))
}

impl Finished {
    fn attach(self, files: &mut Attachments) -> LayerRef {
        LayerRef {
            file: files.add(self.file),
            form: self.form,
            digest: self.layer.digest.to_string(),
            size: self.layer.size,
            diff_id: self.layer.diff_id.to_string(),
            diff_size: self.layer.diff_size,
        }
    }
}

/// Where the result is made, until it is published.
pub(super) enum Place {
    File(StagedFile),
    Directory(StagedDirectory),
    /// A temporary file that is copied to standard output at the end.
    Stdout(File),
}

impl Place {
    pub(super) fn new(forge: &Forge, component: &Component, target: &Path) -> Result<Self> {
        let stdout = target.as_os_str() == "-";
        match component.writes {
            Writes::Directory if stdout => Err(Error::usage(format!(
                "\"{}\" writes a directory, which cannot go to standard output",
                component.id
            ))
            .hint("Name a directory with -o.")),
            Writes::Directory => StagedDirectory::new(target).map(Self::Directory),
            Writes::File if stdout => temporary_file(forge).map(Self::Stdout),
            Writes::File => StagedFile::new(target).map(Self::File),
        }
    }

    fn attach(&self, forge: &Forge, files: &mut Attachments) -> Result<Destination> {
        let mut waiting = || {
            forge.reporter.phase("Waiting for another process that writes there");
            forge.cancel.check()
        };
        let clone = |file: &File| file.try_clone().map_err(|e| Error::io("cannot pass a file on", e));
        Ok(match self {
            Place::File(staged) => Destination::File { file: files.add(clone(staged.file())?) },
            Place::Stdout(file) => Destination::File { file: files.add(clone(file)?) },
            Place::Directory(staged) => Destination::Directory {
                directory: files.add(staged.open()?),
                existing: staged.existing(&mut waiting)?.map(|existing| files.add(existing)),
            },
        })
    }

    /// A file for a layer. An output that writes a directory can have it there without a copy.
    pub(super) fn layer_file(&self, forge: &Forge) -> Result<File> {
        if let Place::Directory(staged) = self
            && let Some(file) = staged.unnamed_file()
        {
            return Ok(file);
        }
        temporary_file(forge)
    }

    fn publish(self, report: &OutputReport) -> Result<()> {
        match self {
            Place::File(staged) => staged.publish(),
            Place::Directory(staged) => staged.publish(&report.files),
            Place::Stdout(mut file) => {
                let mut stdout = io::stdout().lock();
                io::Seek::rewind(&mut file)
                    .and_then(|()| io::copy(&mut file, &mut stdout))
                    .and_then(|_| stdout.flush())
                    .map_err(|e| Error::io("cannot write to standard output", e))
            }
        }
    }
}

fn check_inputs(asked: &OutputRequest) -> Result<()> {
    if asked.inputs.iter().filter(|input| input.as_os_str() == "-").count() > 1 {
        return Err(Error::usage("standard input (\"-\") can be named only once"));
    }
    if asked.target.as_os_str() == "-" {
        return Ok(());
    }
    let base = asked.base.as_ref().map(|base| ctr_forge_image::split_reference(base).0);
    // A layout may grow by an image upon one of its own.
    let base = base.filter(|path| !path.is_dir());
    refuse_inputs(&asked.target, asked.inputs.iter().chain(asked.options.paths()).chain(&base))
}

/// The form in which a component gets its layers: the one that is wanted, or the one it likes best.
fn layer_form(component: &Component, wanted: Option<LayerForm>) -> Result<LayerForm> {
    let Some(wanted) = wanted else {
        let first = component.layers.first().copied();
        return first
            .ok_or_else(|| Error::plugin(format!("output \"{}\" takes no form of layer", component.id)));
    };
    if component.layers.contains(&wanted) {
        return Ok(wanted);
    }
    let known: Vec<_> = component.layers.iter().map(|&form| form_name(form)).collect();
    Err(Error::usage(format!(
        "\"{}\" cannot have layers in the form \"{}\"",
        component.id,
        form_name(wanted)
    ))
    .hint(format!("It takes: {}.", known.join(", ")))
    .option("compression"))
}

/// How `--compression` calls a form.
pub fn form_name(form: LayerForm) -> &'static str {
    match form {
        LayerForm::Tar => "none",
        LayerForm::Gzip => "gzip",
        LayerForm::Zstd => "zstd",
    }
}

fn title(input: &Path) -> String {
    if input.as_os_str() == "-" { "standard input".into() } else { input.display().to_string() }
}

/// Packs a tree, which is called `name`.
pub(super) fn make_layer(
    forge: &Forge,
    component: &Component,
    compression: Option<LayerForm>,
    mut tree: Tree,
    name: &str,
    place: &Place,
) -> Result<Finished> {
    let form = layer_form(component, compression)?;
    // Dates that came with the entries are part of them: a tar's, or a folder's where they are kept.
    let newest = possible_date(tree.newest().unwrap_or(0));
    tree.normalise(forge.epoch.unwrap_or(newest)).map_err(|e| because(format!("cannot use {name}"), &e))?;
    for warning in tree.take_warnings() {
        forge.reporter.warning(&format!("{name}: {warning}"), None);
    }
    check_names(component, &tree, name)?;
    forge.reporter.phase(&format!("Packing {name}"));
    let file = place.layer_file(forge)?;
    let options = LayerOptions {
        compression: match form {
            LayerForm::Tar => Compression::None,
            LayerForm::Gzip => Compression::Gzip,
            LayerForm::Zstd => Compression::Zstd,
        },
        level: None,
        threads: forge.jobs,
    };
    let what = format!("cannot pack {name}");
    let fill = |sink: &mut dyn Write| -> Result<()> {
        let mut writer = Writer::new(Cancellable::new(sink, &forge.cancel));
        tree.write_to(&mut writer).map_err(|e| because(&what, &e))?;
        writer.finish().map(drop).map_err(|e| Error::io(&what, e))
    };
    let (layer, file) = write_layer(file, &options, fill).map_err(|error| {
        let error = match error {
            LayerError::Fill(error) => error,
            error => because(&what, &error),
        };
        unless_cancelled(forge, error)
    })?;
    Ok(Finished { layer, file, form, newest })
}

/// Refuses names that would mean something else in a layer of this format.
fn check_names(component: &Component, tree: &Tree, name: &str) -> Result<()> {
    let Some(prefix) = &component.reserved_prefix else { return Ok(()) };
    match tree.paths().find(|path| path.file_name().starts_with(prefix.as_bytes())) {
        None => Ok(()),
        Some(path) => {
            let message = format!("{path} of {name} cannot be in an image of format \"{}\"", component.id);
            Err(Error::input(message).hint(format!(
                "Names that begin with \"{prefix}\" delete files there: leave it out, or rename it."
            )))
        }
    }
}

/// Takes an input into `tree`, over what is there.
fn read_input(
    forge: &Forge,
    asked: &OutputRequest,
    input: &Path,
    name: &str,
    mut tree: Tree,
) -> Result<Tree> {
    let cannot_read = |e: io::Error| {
        let missing = e.kind() == io::ErrorKind::NotFound;
        let error = Error::io(format!("cannot read {name}"), e);
        if missing {
            error.hint("A root filesystem is a tar, a folder, or \"-\" for standard input.")
        } else {
            error
        }
    };
    if input.as_os_str() == "-" {
        let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(cannot_read)?;
        read_tar(forge, &mut tree, stdin.into(), name)?;
        return Ok(tree);
    }
    if fs::metadata(input).map_err(cannot_read)?.is_dir() {
        let plain = Attributes::Plain { mtime: TOUCHED };
        let attributes = if asked.preserve { Attributes::Preserve } else { plain };
        let walk = Walk { attributes, one_file_system: false };
        let read = tree.read_directory(input, &walk, &mut || forge.cancel.times() == 0);
        read.map_err(|e| unless_cancelled(forge, because(format!("cannot read {name}"), &e)))?;
        return Ok(tree);
    }
    read_tar(forge, &mut tree, File::open(input).map_err(cannot_read)?, name)?;
    Ok(tree)
}

fn read_tar(forge: &Forge, tree: &mut Tree, file: File, name: &str) -> Result<()> {
    let decoder = Decoder::new(BufReader::with_capacity(BUFFER, CancellableFile::new(file, &forge.cancel)))
        .map_err(|e| unless_cancelled(forge, Error::io(format!("cannot read {name}"), e)))?;
    let mut reader = Reader::new(decoder);
    tree.read_tar(&mut reader).map_err(|e| {
        unless_cancelled(forge, because(format!("{name} is not a root filesystem that can be used"), &e))
    })
}
