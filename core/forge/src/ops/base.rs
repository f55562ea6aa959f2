//! `--base`: an image whose layers are used as they are, under those that are made.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use ctr_forge_image::{Format, Image, ImageFile, split_reference};
use ctr_forge_plugin::{Component, Error, ErrorKind, ImageConfig, LayerForm, Result};
use ctr_forge_registry::{Pulled, Reference, Registry};
use ctr_forge_rootfs::{Compression, Digest, Layer};
use serde::Deserialize;

use super::inspect::open;
use super::output::{Finished, Place, form_name};
use super::push::{connect, place_in_passing};
use crate::Forge;

/// Blobs below a layout that are named by SHA-256 (image-spec `image-layout.md`).
const BLOBS: &str = "blobs/sha256";

/// An image to build upon.
pub(super) struct Base {
    pub(super) config: ImageConfig,
    pub(super) layers: Vec<Finished>,
}

/// Reads the image `PATH[:NAME]`, or pulls `HOST/NAME:TAG` where no such path is.
pub(super) fn base(
    forge: &Forge,
    component: &Component,
    merges: bool,
    wanted: &Path,
    arch: Option<&str>,
    plain_http: bool,
    place: &Place,
) -> Result<Base> {
    if merges {
        let message =
            format!("\"{}\" has one tree, so layers of a base cannot be used as they are", component.id);
        return Err(Error::new(ErrorKind::Unsupported, message)
            .hint("ctr-forge squash BASE --format rootfs -o base.tar makes a root filesystem to name first.")
            .option("base"));
    }
    let (path, _) = split_reference(wanted);
    let pulled;
    let image = match path.exists() {
        true => in_file(forge, wanted, arch)?,
        false => {
            let reference = in_registry(wanted)?;
            pulled = pull(forge, &reference, arch, plain_http)?;
            ImageFile::open(pulled.path(), &forge.temp_dir)?.image(None, None)?
        }
    };
    forge.reporter.phase("Reading the base");
    let layers = (0..image.layers.len()).map(|index| finished(forge, component, &image, index, place));
    Ok(Base { layers: layers.collect::<Result<_>>()?, config: image.to_config()? })
}

/// The image of a file or layout that is meant: of several, the one for this machine.
fn in_file(forge: &Forge, wanted: &Path, arch: Option<&str>) -> Result<Image> {
    match open(forge, wanted, arch) {
        Err(error) if error.kind == ErrorKind::Usage && arch.is_none() => {
            open(forge, wanted, Some(&crate::image::host_arch().0)).map_err(|_| error)
        }
        result => result,
    }
}

/// The image of a registry that is meant. Its host has to be there: a path with a slip of the pen
/// in it is not to be asked for on the network.
pub(super) fn in_registry(wanted: &Path) -> Result<Reference> {
    let missing = || {
        let message = format!("{} is neither there nor in a registry", wanted.display());
        Error::new(ErrorKind::NotFound, message)
            .hint("An image in a registry is named with its host: registry.example/app:1")
            .option("base")
    };
    let text = wanted.to_str().ok_or_else(missing)?;
    let host = text.trim_start_matches("docker://").split_once('/').map(|(host, _)| host);
    let is_host = |host: &str| host == "localhost" || (host.contains(['.', ':']) && !host.starts_with('.'));
    match host.is_some_and(is_host) {
        true => Reference::parse(text).map_err(|error| missing().because(&error)),
        false => Err(missing()),
    }
}

/// A layer of the base as if it had been made here; its digests are compared.
fn finished(
    forge: &Forge,
    component: &Component,
    image: &Image,
    index: usize,
    place: &Place,
) -> Result<Finished> {
    let layer = &image.layers[index];
    let title = layer.title(index);
    let compression = layer.compression().map_err(|e| Error::io(format!("cannot read {title}"), e))?;
    let form = match compression {
        Compression::None => Some(LayerForm::Tar),
        Compression::Gzip => Some(LayerForm::Gzip),
        Compression::Zstd => Some(LayerForm::Zstd),
        Compression::Xz | Compression::Bzip2 => None,
    };
    let form = form.filter(|form| component.layers.contains(form) && image.format != Format::Aci);
    let form = form.ok_or_else(|| {
        let known: Vec<_> = component.layers.iter().map(|&form| form_name(form)).collect();
        Error::new(
            ErrorKind::Unsupported,
            format!("{title} of the base cannot be in an image of format \"{}\"", component.id),
        )
        .hint(format!(
            "It takes layers in the forms {}; ctr-forge squash packs the base anew.",
            known.join(", ")
        ))
        .option("base")
    })?;
    forge.cancel.check()?;
    let (diff_id, diff_size) = layer.check(&title)?;
    let mut file = place.layer_file(forge)?;
    let digest =
        copy(&mut layer.raw(), &mut file).map_err(|e| Error::io(format!("cannot copy {title}"), e))?;
    let layer = Layer { diff_id, diff_size, digest, size: layer.size, compression };
    Ok(Finished { layer, file, form, newest: 0 })
}

fn copy(from: &mut dyn io::Read, to: &mut File) -> io::Result<Digest> {
    let mut hasher = ctr_forge_rootfs::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                to.write_all(&buffer[..count])?;
            }
        }
    }
    to.rewind()?;
    Ok(hasher.finish())
}

/// What the base says, where `own` says nothing; `arch` tells whether the user named one.
pub(super) fn merged(base: ImageConfig, own: ImageConfig, has_arch: bool) -> ImageConfig {
    let (arch, variant) = match has_arch || base.arch.is_empty() {
        true => (own.arch, own.variant),
        false => (base.arch, base.variant),
    };
    // As docker has it: another program does not get the arguments of the old one.
    let cmd = if own.entrypoint.is_some() { own.cmd } else { own.cmd.or(base.cmd) };
    ImageConfig {
        os: own.os,
        arch,
        variant,
        created: own.created.max(base.created),
        entrypoint: own.entrypoint.or(base.entrypoint),
        cmd,
        env: environment(base.env, own.env),
        user: own.user.or(base.user),
        workdir: own.workdir.or(base.workdir),
        ports: base.ports.into_iter().chain(own.ports).collect(),
        volumes: base.volumes.into_iter().chain(own.volumes).collect(),
        labels: base.labels.into_iter().chain(own.labels).collect(),
        // What is said of the base is not said of this.
        annotations: own.annotations,
        stop_signal: own.stop_signal.or(base.stop_signal),
        tags: own.tags,
    }
}

/// The variables of both, each in the place where it stood first.
fn environment(base: Vec<String>, own: Vec<String>) -> Vec<String> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut all: Vec<String> = Vec::new();
    for variable in base.into_iter().chain(own) {
        let name = variable.split('=').next().unwrap_or_default().to_owned();
        match places.get(&name) {
            Some(&place) => all[place] = variable,
            None => {
                places.insert(name, all.len());
                all.push(variable);
            }
        }
    }
    all
}

#[derive(Debug, Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    os: String,
}

#[derive(Debug, Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// Pulls an image into a layout of its own, which goes with what is returned.
fn pull(
    forge: &Forge,
    reference: &Reference,
    arch: Option<&str>,
    plain_http: bool,
) -> Result<tempfile::TempDir> {
    let place = place_in_passing(forge)?;
    let registry = connect(forge, reference, plain_http)?;
    let mut pulled = registry.manifest(&reference.version())?;
    if let Ok(index) = serde_json::from_slice::<Index>(&pulled.bytes) {
        let chosen = choose(&index, arch, reference)?;
        pulled = registry.manifest(&chosen.digest)?;
    }
    let manifest: Manifest = serde_json::from_slice(&pulled.bytes)
        .map_err(|e| Error::input(format!("the manifest of {reference} cannot be read")).because(&e))?;
    let blobs = place.path().join(BLOBS);
    let cannot = |e| Error::io(format!("cannot write to {}", place.path().display()), e);
    fs::create_dir_all(&blobs).map_err(cannot)?;
    forge.reporter.phase(&format!("Pulling {reference}"));
    let all = || manifest.layers.iter().chain([&manifest.config]);
    let total = all().map(|blob| blob.size).sum();
    let mut done = 0;
    for blob in all() {
        fetch(forge, &registry, blob, &blobs, &mut |count| {
            done += count;
            forge.reporter.progress(done, total, "bytes");
        })?;
    }
    write_layout(place.path(), &pulled).map_err(cannot)?;
    Ok(place)
}

fn choose<'a>(index: &'a Index, arch: Option<&str>, reference: &Reference) -> Result<&'a Descriptor> {
    let (own, variant) = match arch {
        Some(arch) => crate::image::parse_arch(arch)?,
        None => crate::image::host_arch(),
    };
    let is_it = |descriptor: &&Descriptor| {
        descriptor.platform.as_ref().is_some_and(|platform| {
            let os = platform.os.is_empty() || platform.os == "linux";
            let same = variant.is_none() || platform.variant.is_none() || platform.variant == variant;
            os && platform.architecture == own && same
        })
    };
    index.manifests.iter().find(is_it).ok_or_else(|| {
        let known = index.manifests.iter().filter_map(|one| one.platform.as_ref());
        let known: Vec<_> = known.map(|platform| platform.architecture.as_str()).collect();
        Error::new(ErrorKind::NotFound, format!("{reference} has no image for {own}"))
            .hint(format!("It has: {}. --arch names one.", known.join(", ")))
    })
}

fn fetch(
    forge: &Forge,
    registry: &Registry,
    blob: &Descriptor,
    blobs: &Path,
    got: &mut dyn FnMut(u64),
) -> Result<()> {
    forge.cancel.check()?;
    let digest: Digest =
        blob.digest.parse().map_err(|e| Error::input("a manifest names no digest").because(&e))?;
    let path: PathBuf = blobs.join(digest.hex());
    let mut file =
        File::create(&path).map_err(|e| Error::io(format!("cannot make {}", path.display()), e))?;
    let count = std::cell::Cell::new(0);
    registry.blob(&digest, blob.size, &mut file, &|bytes| count.set(count.get() + bytes))?;
    got(count.get());
    Ok(())
}

fn write_layout(place: &Path, pulled: &Pulled) -> io::Result<()> {
    fs::write(place.join(BLOBS).join(pulled.digest.hex()), &pulled.bytes)?;
    fs::write(place.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let index = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": pulled.media_type.split(';').next().unwrap_or_default(),
            "digest": pulled.digest.to_string(),
            "size": pulled.bytes.len(),
        }],
    });
    fs::write(place.join("index.json"), index.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_anew_wins() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let base = ImageConfig {
            arch: "arm64".into(),
            created: 5,
            entrypoint: Some(words(&["/base"])),
            cmd: Some(words(&["arguments"])),
            env: words(&["A=1", "B=1"]),
            user: Some("1".into()),
            ..ImageConfig::default()
        };
        let own = |entrypoint: Option<Vec<String>>| ImageConfig {
            os: "linux".into(),
            arch: "amd64".into(),
            entrypoint,
            env: words(&["B=2", "C=3"]),
            ..ImageConfig::default()
        };
        let same = merged(base.clone(), own(None), false);
        assert_eq!((same.arch.as_str(), same.created, same.user.as_deref()), ("arm64", 5, Some("1")));
        assert_eq!(same.env, ["A=1", "B=2", "C=3"]);
        assert_eq!((same.entrypoint, same.cmd), (Some(words(&["/base"])), Some(words(&["arguments"]))));
        let other = merged(base, own(Some(words(&["/own"]))), true);
        assert_eq!(
            (other.arch.as_str(), other.entrypoint, other.cmd),
            ("amd64", Some(words(&["/own"])), None)
        );
    }
}
