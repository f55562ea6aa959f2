//! From an input to a finished layer.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ctr_forge_plugin::{Component, Error, LayerForm, LayerRef, Level, Merges, Result};
use ctr_forge_rootfs::{
    Attributes, Compression, Decoder, Duplicates, Layer, LayerError, LayerOptions, Reader, TOUCHED, Tree,
    Walk, Writer,
};

use super::super::{Cancellable, CancellableFile, because, empty_tree, possible_date, unless_cancelled};
use super::known::Earlier;
use super::{OutputRequest, Place};
use crate::options::Options;
use crate::{Attachments, Forge};

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

/// The layers of `inputs`: one each, or one of all.
pub(super) fn make_layers(
    forge: &Forge,
    component: &Component,
    asked: &OutputRequest,
    inputs: &[PathBuf],
    place: &Place,
) -> Result<Vec<Finished>> {
    let read = |input: &Path, tree| {
        let name = title(input);
        forge.reporter.phase(&format!("Reading {name}"));
        read_input(forge, asked.preserve, input, &name, tree)
    };
    let form = layer_form(component, asked.compression)?;
    let earlier =
        |inputs: &[PathBuf]| Earlier::find(forge, options(forge, form), inputs.iter().map(PathBuf::as_path));
    if !merges(component, &asked.options) {
        let one = |input: &PathBuf| {
            let earlier = earlier(std::slice::from_ref(input));
            let tree = read(input, empty_tree(forge, Duplicates::LastWins)?)?;
            make_layer(forge, component, form, tree, &title(input), &earlier, place)
        };
        return inputs.iter().map(one).collect();
    }
    let earlier = earlier(inputs);
    let mut tree = empty_tree(forge, Duplicates::LastWins)?;
    for input in inputs {
        tree = read(input, tree)?;
    }
    let names: Vec<_> = inputs.iter().map(|input| title(input)).collect();
    Ok(vec![make_layer(forge, component, form, tree, &names.join(" and "), &earlier, place)?])
}

/// Whether all inputs become one layer.
pub(super) fn merges(component: &Component, options: &Options) -> bool {
    match &component.merges {
        Merges::Fixed(merges) => *merges,
        Merges::With(option) => options.is_given(option),
    }
}

/// A finished layer in a temporary file.
pub(in crate::ops) struct Finished {
    pub(in crate::ops) layer: Layer,
    pub(in crate::ops) file: File,
    pub(in crate::ops) form: LayerForm,
    /// The newest date of its entries, in seconds since 1970.
    pub(in crate::ops) newest: i64,
}

impl Finished {
    pub(super) fn attach(self, files: &mut Attachments) -> LayerRef {
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

/// The form in which a component gets its layers: the one that is wanted, or the one it likes best.
pub(in crate::ops) fn layer_form(component: &Component, wanted: Option<LayerForm>) -> Result<LayerForm> {
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

/// How a layer of this form is made.
pub(in crate::ops) fn options(forge: &Forge, form: LayerForm) -> LayerOptions {
    let compression = match form {
        LayerForm::Tar => Compression::None,
        LayerForm::Gzip => Compression::Gzip,
        LayerForm::Zstd => Compression::Zstd,
    };
    LayerOptions { compression, level: None, threads: forge.jobs }
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
pub(in crate::ops) fn make_layer(
    forge: &Forge,
    component: &Component,
    form: LayerForm,
    mut tree: Tree,
    name: &str,
    earlier: &Earlier,
    place: &Place,
) -> Result<Finished> {
    // Dates that came with the entries are part of them: a tar's, or a folder's where they are kept.
    let newest = possible_date(tree.newest().unwrap_or(0));
    tree.normalise(forge.epoch.unwrap_or(newest)).map_err(|e| because(format!("cannot use {name}"), &e))?;
    for warning in tree.take_warnings() {
        forge.reporter.warning(&format!("{name}: {warning}"), None);
    }
    check_names(component, &tree, name)?;
    let fingerprint = earlier.fingerprint(&tree);
    if let Some((layer, file)) = fingerprint.and_then(|fingerprint| earlier.unchanged(fingerprint)) {
        forge.reporter.log(Level::Info, &format!("{name} has not changed: its layer is in the cache"));
        return Ok(Finished { layer, file, form, newest });
    }
    forge.reporter.phase(&format!("Packing {name}"));
    let what = format!("cannot pack {name}");
    let fill = |sink: &mut dyn Write| -> Result<()> {
        let mut writer = Writer::new(Cancellable::new(sink, &forge.cancel));
        tree.write_to(&mut writer).map_err(|e| because(&what, &e))?;
        writer.finish().map(drop).map_err(|e| Error::io(&what, e))
    };
    let file = || place.layer_file(forge);
    let (layer, file) = earlier.write(forge, (&tree, fingerprint), file, fill).map_err(|error| {
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
fn read_input(forge: &Forge, preserve: bool, input: &Path, name: &str, mut tree: Tree) -> Result<Tree> {
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
        let attributes = if preserve { Attributes::Preserve } else { plain };
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
