//! Writing an image layout, alone or as an addition to one that is there.
//!
//! All goes into an empty directory by way of its descriptor; the host brings
//! the files to their places in the order in which they are named here, the
//! index last, so whoever reads it finds all that it points at.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use ctr_forge_oci::layout::{self, BLOBS, INDEX_FILE, LAYOUT, LAYOUT_FILE, SHA256};
use ctr_forge_oci::{Document, Image, Index, Layer, Platforms};
use ctr_forge_plugin::{Error, Result};
use rustix::fs::{Mode, OFlags, mkdirat, openat};

use crate::existing::{Blob, Existing};

/// A layout that is being written.
pub(crate) struct Layout<'a> {
    /// The images that it will have.
    pub(crate) index: Index,
    /// The files written so far, relative, in order.
    pub(crate) files: Vec<String>,
    /// Blobs of the existing layout that were not what their names say, relative.
    pub(crate) damaged: Vec<String>,
    directory: File,
    blobs: OwnedFd,
    existing: Option<Existing<'a>>,
}

impl<'a> Layout<'a> {
    /// Begins in an empty directory.
    pub(crate) fn new(directory: File, mut existing: Option<Existing<'a>>) -> Result<Self> {
        let blobs = make_directory(make_directory(&directory, BLOBS)?, SHA256)?;
        let index = existing.as_mut().map(|existing| std::mem::take(&mut existing.index));
        let (files, damaged) = (Vec::new(), Vec::new());
        Ok(Self { index: index.unwrap_or_default(), files, damaged, directory, blobs, existing })
    }

    /// Writes images, which are one but for their platform: their blobs, and the index that has them.
    /// Returns the image's id; of several, the digest of their index.
    pub(crate) fn add(
        &mut self,
        images: &[Image],
        layers: &[Layer],
        step: &mut impl FnMut(u64) -> Result<()>,
    ) -> Result<String> {
        for layer in layers {
            let wanted = self.wants(&layer.digest, layer.size)?;
            let name = layout::blob_name(&layer.digest)?;
            match wanted && !layer.link(&self.blobs, name)? {
                true => layer.copy(&mut create(&self.blobs, name)?, step)?,
                false => step(layer.size)?,
            }
        }
        let mut documents: Vec<_> =
            images.iter().flat_map(|image| [&image.config, &image.manifest]).collect();
        let platforms;
        let (id, entries) = match images {
            [image] => (image.id().to_owned(), image.entries()),
            images => {
                platforms = Platforms::new(images)?;
                documents.push(&platforms.index);
                (platforms.index.descriptor.digest.clone(), platforms.entries())
            }
        };
        for document in documents {
            self.document(document)?;
        }
        if self.existing.is_none() {
            self.file(LAYOUT_FILE, LAYOUT)?;
        }
        for entry in entries {
            self.index.replace(&entry)?;
        }
        self.file(INDEX_FILE, &self.index.to_json()?)?;
        Ok(id)
    }

    fn document(&mut self, document: &Document) -> Result<()> {
        let digest = &document.descriptor.digest;
        // Two platforms may share one: `files` names no file twice.
        if !self.files.contains(&layout::blob_path(digest)?)
            && self.wants(digest, document.descriptor.size)?
        {
            write(create(&self.blobs, layout::blob_name(digest)?)?, digest, &document.bytes)?;
        }
        Ok(())
    }

    /// Whether a blob is to be written; it is not if the existing layout has it.
    fn wants(&mut self, digest: &str, size: u64) -> Result<bool> {
        let path = layout::blob_path(digest)?;
        if let Some(existing) = &self.existing {
            match existing.blob(digest, size)? {
                Blob::Intact => return Ok(false),
                Blob::Damaged => self.damaged.push(path.clone()),
                Blob::Missing => {}
            }
        }
        self.files.push(path);
        Ok(true)
    }

    fn file(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.files.push(name.to_owned());
        write(create(&self.directory, name)?, name, content)
    }
}

fn write(mut file: File, name: &str, content: &[u8]) -> Result<()> {
    file.write_all(content).map_err(|e| Error::io(format!("cannot write \"{name}\""), e))
}

fn create(directory: impl AsFd, name: &str) -> Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::from_raw_mode(0o644));
    file.map(File::from).map_err(|e| Error::io(format!("cannot create \"{name}\""), e))
}

fn make_directory(parent: impl AsFd, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    mkdirat(&parent, name, Mode::from_raw_mode(0o755))
        .and_then(|()| openat(&parent, name, flags, Mode::empty()))
        .map_err(|e| Error::io(format!("cannot make the directory \"{name}\""), e))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use ctr_forge_plugin::{ErrorKind, FileRef, ImageConfig, ImageName, LayerForm, LayerRef};
    use sha2::Digest as _;
    use tempfile::{TempDir, tempdir};

    use super::*;

    fn digest_of(content: &[u8]) -> String {
        let hex: String = sha2::Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }

    fn digest(file: &File) -> Result<String> {
        Ok(digest_of(&std::io::read_to_string(file).unwrap().into_bytes()))
    }

    /// Packages one layer into `place` as the host would, and returns the files and damaged blobs.
    fn package(place: &Path, tag: Option<&str>, content: &str) -> Result<(Vec<String>, Vec<String>)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let (form, size, digest_of) = (LayerForm::Tar, content.len() as u64, digest_of(content.as_bytes()));
        let layers = [LayerRef {
            file: FileRef { fd: 0 },
            form,
            digest: digest_of.clone(),
            size,
            diff_id: digest_of,
            diff_size: size,
        }];
        let name = |tag: &str| ImageName { name: "n".into(), tag: tag.into(), full: format!("h/n:{tag}") };
        let (os, arch) = ("linux".into(), "amd64".into());
        let config =
            ImageConfig { os, arch, tags: tag.map(name).into_iter().collect(), ..Default::default() };
        let image = Image::new(&config, &layers).unwrap();
        let layers = Layer::take(&layers, |_| Ok(file.try_clone().unwrap())).unwrap();
        let staging = tempdir().unwrap();
        let existing = match File::open(place) {
            Ok(existing) => Existing::open(existing, &digest)?,
            Err(_) => None,
        };
        let mut layout = Layout::new(File::open(&staging).unwrap(), existing)?;
        layout.add(&[image], &layers, &mut |_| Ok(()))?;
        for file in &layout.files {
            fs::create_dir_all(place.join(file).parent().unwrap()).unwrap();
            fs::rename(staging.path().join(file), place.join(file)).unwrap();
        }
        Ok((layout.files, layout.damaged))
    }

    fn place() -> (TempDir, std::path::PathBuf) {
        let root = tempdir().unwrap();
        let place = root.path().join("image");
        (root, place)
    }

    fn index(place: &Path) -> serde_json::Value {
        serde_json::from_slice(&fs::read(place.join("index.json")).unwrap()).unwrap()
    }

    fn tags(place: &Path) -> Vec<String> {
        let index = index(place);
        let tag =
            |entry: &serde_json::Value| entry["annotations"]["org.opencontainers.image.ref.name"].clone();
        let tags = index["manifests"].as_array().unwrap().iter().map(tag);
        tags.map(|tag| tag.as_str().unwrap_or("-").to_owned()).collect()
    }

    #[test]
    fn a_new_layout_has_the_index_last_and_blobs_by_their_digests() {
        let (_root, place) = place();
        let (files, damaged) = package(&place, Some("1"), "layer").unwrap();
        assert_eq!(files.len(), 5);
        assert_eq!(files[0], format!("blobs/sha256/{}", &digest_of(b"layer")[7..]));
        assert_eq!(files[3..], ["oci-layout", "index.json"]);
        assert!(damaged.is_empty());
        for blob in &files[..3] {
            let content = fs::read(place.join(blob)).unwrap();
            assert_eq!(*blob, format!("blobs/sha256/{}", &digest_of(&content)[7..]));
        }
    }

    #[test]
    fn an_empty_directory_is_as_good_as_none() {
        let root = tempdir().unwrap();
        let (files, _) = package(root.path(), None, "layer").unwrap();
        assert!(files.contains(&"oci-layout".to_owned()));
    }

    #[test]
    fn other_tags_stay_and_known_blobs_are_not_written_again() {
        let (_root, place) = place();
        package(&place, Some("1"), "layer").unwrap();
        package(&place, Some("2"), "other").unwrap();
        let (files, _) = package(&place, Some("3"), "layer").unwrap();
        assert_eq!(files, ["index.json"]);
        assert_eq!(tags(&place), ["1", "2", "3"]);
    }

    #[test]
    fn the_same_tag_is_replaced() {
        let (_root, place) = place();
        for tag in [Some("1"), None, Some("2")] {
            package(&place, tag, "layer").unwrap();
        }
        let before = index(&place);
        package(&place, Some("1"), "newer").unwrap();
        package(&place, None, "newer").unwrap();
        assert_eq!(tags(&place), ["1", "-", "2"]);
        let (old, new) = (&before["manifests"], &index(&place)["manifests"]);
        assert!(old[0]["digest"] != new[0]["digest"] && old[1]["digest"] != new[1]["digest"]);
        assert_eq!(old[2], new[2]);
    }

    #[test]
    fn damaged_blobs_are_written_anew() {
        let (_root, place) = place();
        let (files, _) = package(&place, Some("1"), "layer").unwrap();
        let blobs: Vec<_> = files[..3].iter().map(|blob| place.join(blob)).collect();
        let good: Vec<_> = blobs.iter().map(|blob| fs::read(blob).unwrap()).collect();
        fs::write(&blobs[0], "LAYER").unwrap();
        fs::write(&blobs[1], "short").unwrap();
        fs::rename(&blobs[2], place.join("elsewhere")).unwrap();
        symlink(place.join("elsewhere"), &blobs[2]).unwrap();
        let (again, damaged) = package(&place, Some("1"), "layer").unwrap();
        assert_eq!(again[..3], files[..3]);
        assert_eq!(damaged, files[..3]);
        assert!(blobs.iter().map(|blob| fs::read(blob).unwrap()).eq(good));
    }

    #[test]
    fn what_is_no_layout_is_refused() {
        let root = tempdir().unwrap();
        fs::write(root.path().join("notes"), "").unwrap();
        let error = package(root.path(), None, "layer").unwrap_err();
        assert_eq!((error.kind, error.hints.len()), (ErrorKind::Usage, 1));
        let file = package(&root.path().join("notes"), None, "layer").unwrap_err();
        assert_eq!((file.kind, file.hints.len()), (ErrorKind::Usage, 1));
    }

    #[test]
    fn broken_layouts_are_refused() {
        for (layout, index, kind) in [
            ("nonsense", "", ErrorKind::Input),
            (r#"{"imageLayoutVersion":"9.0.0"}"#, "", ErrorKind::Unsupported),
            (r#"{"imageLayoutVersion":"1.0.0"}"#, "[]", ErrorKind::Input),
        ] {
            let root = tempdir().unwrap();
            fs::write(root.path().join("oci-layout"), layout).unwrap();
            fs::write(root.path().join("index.json"), index).unwrap();
            assert_eq!(package(root.path(), None, "layer").unwrap_err().kind, kind);
            assert_eq!(fs::read_to_string(root.path().join("index.json")).unwrap(), index);
        }
    }

    #[test]
    fn a_pipe_or_a_huge_index_is_not_read() {
        let (_root, place) = place();
        package(&place, None, "layer").unwrap();
        let index = place.join("index.json");
        fs::File::create(&index).unwrap().set_len(5 << 20).unwrap();
        assert_eq!(package(&place, None, "layer").unwrap_err().kind, ErrorKind::Input);
        fs::remove_file(&index).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &index, fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert_eq!(package(&place, None, "layer").unwrap_err().kind, ErrorKind::Input);
    }

    #[test]
    fn what_an_interrupted_tool_left_is_completed() {
        let (_root, place) = place();
        package(&place, Some("1"), "layer").unwrap();
        fs::remove_file(place.join("index.json")).unwrap();
        assert_eq!(package(&place, Some("1"), "layer").unwrap().0, ["index.json"]);
        assert_eq!(tags(&place), ["1"]);
    }
}
