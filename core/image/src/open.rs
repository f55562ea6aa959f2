//! Which format a path has, and which image of it is meant.

use std::path::{Path, PathBuf};

use ctr_forge_oci::layout::{INDEX_FILE, LAYOUT_FILE};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::Digest;

use crate::image::{Attached, Format, Image};
use crate::store::Store;
use crate::{aci, docker, oci};

/// A directory or file with images in it.
#[derive(Debug)]
pub struct ImageFile {
    path: PathBuf,
    format: Format,
    store: Store,
}

/// `PATH[:NAME]`: the path, and which image in it. A path that is there as it is written is that.
pub fn split_reference(text: &Path) -> (PathBuf, Option<String>) {
    if text.exists() {
        return (text.to_owned(), None);
    }
    let Some(words) = text.to_str() else { return (text.to_owned(), None) };
    // docker's names have colons themselves.
    for (at, _) in words.match_indices(':') {
        let (path, name) = (Path::new(&words[..at]), &words[at + 1..]);
        if !name.is_empty() && path.exists() {
            return (path.to_owned(), Some(name.to_owned()));
        }
    }
    (text.to_owned(), None)
}

impl ImageFile {
    /// Looks at what is at `path`. What has to be decompressed goes into a file without a name in
    /// `temporary`.
    ///
    /// # Errors
    ///
    /// If it is no image, or cannot be read.
    pub fn open(path: &Path, temporary: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|e| {
            let error = Error::io(format!("cannot read {}", path.display()), e);
            error.hint("An image is an OCI layout (a directory), or a file made by output, docker save or podman save.")
        })?;
        if metadata.is_dir() {
            let store = Store::directory(path);
            let (has_layout, has_index) = (store.has(LAYOUT_FILE), store.has(INDEX_FILE));
            if !has_layout && !has_index {
                return Err(Error::input(format!("{} is no OCI image layout", path.display())).hint(
                    "A folder with a root filesystem is packed with: ctr-forge output oci FOLDER -o image",
                ));
            }
            return Ok(Self { path: path.to_owned(), format: Format::OciLayout, store });
        }
        let (store, _) = Store::archive(path, temporary)?;
        let format = if store.has(docker::MANIFEST_FILE) {
            Format::Docker
        } else if store.has(INDEX_FILE) {
            Format::OciArchive
        } else if store.has(aci::MANIFEST) {
            Format::Aci
        } else {
            return Err(Error::input(format!("{} is no image", path.display()))
                .hint("A root filesystem is packed with: ctr-forge output oci ROOTFS -o image"));
        };
        Ok(Self { path: path.to_owned(), format, store })
    }

    /// Which format it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// All images in it, in its order.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn images(&self) -> Result<Vec<Image>> {
        match self.format {
            Format::OciLayout | Format::OciArchive => {
                let entries = oci::entries(&self.store)?;
                entries.iter().map(|entry| oci::image(&self.store, entry, self.format)).collect()
            }
            Format::Docker => {
                docker::items(&self.store)?.iter().map(|item| docker::image(&self.store, item)).collect()
            }
            Format::Aci => Ok(vec![aci::image(&self.store)?]),
        }
    }

    /// What is there about the manifests `subjects`, and about that again. Only layouts have such.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn attached(&self, subjects: &[Digest]) -> Result<Vec<Attached>> {
        match self.format {
            Format::OciLayout | Format::OciArchive => oci::attached(&self.store, subjects),
            Format::Docker | Format::Aci => Ok(Vec::new()),
        }
    }

    /// All images with this name: one for each platform, if it is more than one.
    ///
    /// # Errors
    ///
    /// If there is none, or one cannot be read.
    pub fn named(&self, name: &str) -> Result<Vec<Image>> {
        let mut images = self.images()?;
        let all: Vec<_> = images.iter().map(|image| described(&image.names, image.arch.clone())).collect();
        images.retain(|image| is_called(&image.names, name));
        if images.is_empty() {
            let message = format!("{} has no image called \"{name}\"", self.path.display());
            let error = Error::new(ErrorKind::NotFound, message);
            return Err(error.hint(format!("There are: {}", listed(&all))));
        }
        Ok(images)
    }

    /// The one image with this name and architecture, where those are given.
    ///
    /// # Errors
    ///
    /// If there is none, or more than one.
    pub fn image(&self, name: Option<&str>, arch: Option<&str>) -> Result<Image> {
        let has_name = |names: &[String]| name.is_none_or(|wanted| is_called(names, wanted));
        let mut found = Vec::new();
        let mut all = Vec::new();
        match self.format {
            Format::OciLayout | Format::OciArchive => {
                for entry in oci::entries(&self.store)? {
                    let of_arch = arch.is_none_or(|arch| entry.arch().is_none_or(|found| found == arch));
                    all.push(described(&entry.names, entry.arch()));
                    if has_name(&entry.names) && of_arch {
                        found.push(oci::image(&self.store, &entry, self.format)?);
                    }
                }
            }
            _ => {
                for image in self.images()? {
                    all.push(described(&image.names, image.arch.clone()));
                    if has_name(&image.names) && arch.is_none_or(|arch| image.arch.as_deref() == Some(arch)) {
                        found.push(image);
                    }
                }
            }
        }
        match (found.len(), found.pop()) {
            (1, Some(image)) => Ok(image),
            (0, _) => {
                let wanted = [name.map(|n| format!("called \"{n}\"")), arch.map(|a| format!("for {a}"))];
                let wanted = wanted.into_iter().flatten().collect::<Vec<_>>().join(" ");
                let error = Error::new(
                    ErrorKind::NotFound,
                    format!("{} has no image {wanted}", self.path.display()).trim_end().to_owned(),
                );
                Err(error.hint(format!("There are: {}", listed(&all))))
            }
            _ => Err(Error::usage(format!("{} has several images", self.path.display())).hint(format!(
                "Name one as {}:NAME, or with --arch. There are: {}",
                self.path.display(),
                listed(&all)
            ))),
        }
    }
}

/// Whether one of the names is this one, whole or its tag.
fn is_called(names: &[String], wanted: &str) -> bool {
    names.iter().any(|name| name == wanted || name.ends_with(&format!(":{wanted}")))
}

fn described(names: &[String], arch: Option<String>) -> String {
    let name = if names.is_empty() { "(without a name)".to_owned() } else { names.join(", ") };
    match arch {
        Some(arch) => format!("{name} for {arch}"),
        None => name,
    }
}

fn listed(all: &[String]) -> String {
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}
