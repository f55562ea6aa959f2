//! The archive: an uncompressed tar of documents, then blobs.
//!
//! | member | read by |
//! |---|---|
//! | `oci-layout`, `index.json` | containerd, and Docker where containerd keeps its images |
//! | `manifest.json` | Docker otherwise, podman, skopeo |
//! | `repositories` | tools from before `manifest.json` |
//! | `blobs/sha256/…` | all |
//!
//! It is not compressed as a whole: its layers are, and some readers take no
//! compressed archive. Documents come first, so that who looks for them need
//! not read past the layers.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use ctr_forge_oci::layout::{BLOBS, INDEX_FILE, LAYOUT, LAYOUT_FILE, SHA256, blob_name, blob_path};
use ctr_forge_oci::{Image, Index, Layer};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use serde::Serialize;
use tar::{EntryType, Header};

/// Largest number that a header's twelve octal digits hold, the last being a NUL (POSIX ustar).
const MAX_OCTAL: u64 = 0o777_7777_7777;

/// Bytes in a block of a tar archive.
const BLOCK: u64 = 512;

/// Writes the archive of an image to `out`. `layers` are its layers' blobs, each once;
/// `created` is the time of all members, seconds since 1970; `step` hears of every piece copied.
pub(crate) fn write<W: Write>(
    out: W,
    image: &Image,
    created: i64,
    layers: &[Layer],
    step: &mut impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    // Times before 1970 and after 2242 do not fit the header; one more PAX
    // record per member is not worth the exactness of a time that no reader uses.
    let mtime = u64::try_from(created).unwrap_or(0).min(MAX_OCTAL);
    let mut archive = Archive { out: BufWriter::new(out), mtime };
    archive.file(LAYOUT_FILE, LAYOUT)?;
    archive.file(INDEX_FILE, &index(image)?)?;
    archive.file("manifest.json", &manifest(image)?)?;
    if let Some(repositories) = repositories(image)? {
        archive.file("repositories", &repositories)?;
    }
    archive.directory(&format!("{BLOBS}/"))?;
    archive.directory(&format!("{BLOBS}/{SHA256}/"))?;
    for document in [&image.config, &image.manifest] {
        archive.file(&blob_path(&document.descriptor.digest)?, &document.bytes)?;
    }
    for layer in layers {
        archive.layer(layer, step)?;
    }
    archive.finish()
}

/// `index.json`: one entry for each name, for each is a name of its own in containerd.
fn index(image: &Image) -> Result<Vec<u8>> {
    let mut index = Index::new();
    for entry in image.entries() {
        index.push(&entry)?;
    }
    index.to_json()
}

/// `manifest.json`: the images of the archive, as `docker load` has read them since 1.10.
fn manifest(image: &Image) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Item {
        config: String,
        repo_tags: Option<Vec<String>>,
        layers: Vec<String>,
    }
    let names = image.names.iter().map(|name| format!("{}:{}", name.name, name.tag));
    let layers = image.layers.iter().map(|layer| blob_path(&layer.digest));
    to_json(&[Item {
        config: blob_path(image.id())?,
        repo_tags: (!image.names.is_empty()).then(|| names.collect()),
        layers: layers.collect::<Result<_>>()?,
    }])
}

/// `repositories`: names and tags, each with its topmost layer; `None` without a name or layer.
fn repositories(image: &Image) -> Result<Option<Vec<u8>>> {
    let Some(top) = image.layers.last().filter(|_| !image.names.is_empty()) else { return Ok(None) };
    let top = blob_name(&top.digest)?;
    let mut repositories: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for name in &image.names {
        repositories.entry(&name.name).or_default().insert(&name.tag, top);
    }
    to_json(&repositories).map(Some)
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode a document of the archive").because(&e))
}

/// A tar archive whose headers say nothing about the machine it is written on.
///
/// The `tar` crate's own builder is not used: dropped after a failure, it writes
/// the end marker all the same, and what is broken off would look whole.
struct Archive<W: Write> {
    out: BufWriter<W>,
    mtime: u64,
}

impl<W: Write> Archive<W> {
    fn directory(&mut self, path: &str) -> Result<()> {
        self.small(path, EntryType::Directory, &[])
    }

    fn file(&mut self, path: &str, content: &[u8]) -> Result<()> {
        self.small(path, EntryType::Regular, content)
    }

    /// A member whose content is in memory.
    fn small(&mut self, path: &str, kind: EntryType, content: &[u8]) -> Result<()> {
        let size = content.len() as u64;
        self.header(path, kind, size)
            .and_then(|()| self.out.write_all(content))
            .and_then(|()| self.pad(size))
            .map_err(|e| unwritable(path, e))
    }

    /// Passes a layer's blob through piece by piece.
    fn layer(&mut self, layer: &Layer, step: &mut impl FnMut(u64) -> Result<()>) -> Result<()> {
        let path = blob_path(&layer.digest)?;
        if layer.size > MAX_OCTAL {
            self.small("PaxHeaders/layer", EntryType::XHeader, size_record(layer.size).as_bytes())?;
        }
        self.header(&path, EntryType::Regular, layer.size).map_err(|e| unwritable(&path, e))?;
        layer.copy(&mut self.out, step)?;
        self.pad(layer.size).map_err(|e| unwritable(&path, e))
    }

    /// The end marker: two blocks of zeros.
    fn finish(mut self) -> Result<()> {
        self.out
            .write_all(&[0; 2 * BLOCK as usize])
            .and_then(|()| self.out.flush())
            .map_err(|e| Error::io("cannot write the end of the archive", e))
    }

    fn header(&mut self, path: &str, kind: EntryType, size: u64) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_path(path)?;
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size);
        header.set_mtime(self.mtime);
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    /// Fills the last block of a member of `size` bytes.
    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = size.next_multiple_of(BLOCK) - size;
        self.out.write_all(&[0; BLOCK as usize][..padding as usize])
    }
}

/// A PAX record for a size that does not fit a header (POSIX pax, "pax Extended Header").
fn size_record(size: u64) -> String {
    let size = size.to_string();
    // Its own length leads it: two digits, as the size has 11 to 20.
    format!("{} size={size}\n", "00 size=\n".len() + size.len())
}

fn unwritable(path: &str, error: io::Error) -> Error {
    Error::io(format!("cannot write \"{path}\" into the archive"), error)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use ctr_forge_plugin::{FileRef, ImageConfig, ImageName, LayerForm, LayerRef};
    use tar::Archive as Reader;

    use super::*;

    fn layer_ref(digit: &str, size: u64) -> LayerRef {
        let digest = format!("sha256:{}", digit.repeat(64));
        let (file, diff_id) = (FileRef { fd: 0 }, digest.clone());
        LayerRef { file, form: LayerForm::Tar, digest, size, diff_id, diff_size: size }
    }

    fn file(content: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    }

    fn config(created: i64, names: &[&str]) -> ImageConfig {
        let name = |text: &&str| {
            let (name, tag) = text.split_once(':').unwrap();
            ImageName { name: name.into(), tag: tag.into(), full: format!("registry.example/{text}") }
        };
        let (os, arch, tags) = ("linux".into(), "amd64".into(), names.iter().map(name).collect());
        ImageConfig { os, arch, created, tags, ..ImageConfig::default() }
    }

    /// An archive of two layers, of which the first is used twice.
    fn archive(created: i64, names: &[&str]) -> Vec<u8> {
        let layers = [layer_ref("a", 5), layer_ref("b", 512), layer_ref("a", 5)];
        let image = Image::new(&config(created, names), &layers).unwrap();
        let content = |size: u64| file(&"x".repeat(size as usize));
        let mut contents = [content(5), content(512)].into_iter();
        let layers = Layer::take(&layers, |_| Ok(contents.next().unwrap())).unwrap();
        let mut out = Vec::new();
        write(&mut out, &image, created, &layers, &mut |_| Ok(())).unwrap();
        out
    }

    fn names(archive: &[u8]) -> Vec<String> {
        let mut reader = Reader::new(archive);
        let entries = reader.entries().unwrap();
        entries.map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned()).collect()
    }

    fn member(archive: &[u8], name: &str) -> serde_json::Value {
        let mut reader = Reader::new(archive);
        let mut entries = reader.entries().unwrap().map(Result::unwrap);
        let mut text = String::new();
        let mut entry = entries.find(|entry| entry.path().unwrap().to_str() == Some(name)).unwrap();
        entry.read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn members_in_order_and_a_layer_used_twice_once() {
        let archive = archive(0, &["hello:1"]);
        let names = names(&archive);
        let expected =
            ["oci-layout", "index.json", "manifest.json", "repositories", "blobs/", "blobs/sha256/"];
        assert_eq!(names[..6], expected);
        assert_eq!(names.len(), 10);
        assert_eq!(names[8..], ["a", "b"].map(|digit| format!("blobs/sha256/{}", digit.repeat(64))));
        let manifest = member(&archive, "manifest.json");
        assert_eq!(manifest[0]["Config"], names[6]);
        assert_eq!(manifest[0]["Layers"], serde_json::json!([names[8], names[9], names[8]]));
        assert_eq!(archive.len() % 512, 0);
    }

    #[test]
    fn twice_the_same_bytes_and_nothing_of_the_machine() {
        let [first, second] = [(); 2].map(|()| archive(1_700_000_000, &["hello:1"]));
        assert!(first == second);
        for entry in Reader::new(&first[..]).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            assert_eq!((header.username_bytes(), header.groupname_bytes()), (Some(&b""[..]), Some(&b""[..])));
            assert_eq!(header.mtime().unwrap(), 1_700_000_000);
            let mode = if header.entry_type().is_dir() { 0o755 } else { 0o644 };
            assert_eq!(header.mode().unwrap(), mode);
        }
    }

    #[test]
    fn each_name_is_in_every_list() {
        let archive = archive(0, &["hello:1", "hello:2", "world:1"]);
        let manifest = member(&archive, "manifest.json");
        assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["hello:1", "hello:2", "world:1"]));
        let repositories = member(&archive, "repositories");
        let top = "a".repeat(64);
        assert_eq!(repositories, serde_json::json!({"hello": {"1": top, "2": top}, "world": {"1": top}}));
        let index = member(&archive, "index.json");
        let full = |n: usize| index["manifests"][n]["annotations"]["io.containerd.image.name"].clone();
        assert_eq!(
            [0, 1, 2].map(full),
            ["hello:1", "hello:2", "world:1"].map(|n| format!("registry.example/{n}"))
        );
    }

    #[test]
    fn without_a_name() {
        let archive = archive(0, &[]);
        assert!(!names(&archive).contains(&"repositories".to_owned()));
        assert!(member(&archive, "manifest.json")[0]["RepoTags"].is_null());
        assert_eq!(member(&archive, "index.json")["manifests"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn times_that_do_not_fit_a_header_are_clamped() {
        for (created, mtime) in [(-1, 0), (253_402_300_799, MAX_OCTAL)] {
            let archive = archive(created, &[]);
            let mut reader = Reader::new(&archive[..]);
            let entry = reader.entries().unwrap().next().unwrap().unwrap();
            assert_eq!(entry.header().mtime().unwrap(), mtime);
        }
    }

    #[test]
    fn a_size_record_counts_itself() {
        for size in [MAX_OCTAL + 1, 99_999_999_999, 100_000_000_000, u64::MAX] {
            let record = size_record(size);
            assert_eq!(record, format!("{} size={size}\n", record.len()));
        }
    }

    #[test]
    fn what_is_broken_off_does_not_look_whole() {
        let layers = [layer_ref("a", 5), layer_ref("b", 5)];
        let image = Image::new(&config(0, &[]), &layers).unwrap();
        let layers = Layer::take(&layers, |_| Ok(file("layer"))).unwrap();
        let mut out = Vec::new();
        let cancel = |_| Err(Error::new(ErrorKind::Cancelled, "the job was cancelled"));
        let error = write(&mut out, &image, 0, &layers, &mut { cancel }).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Cancelled);
        assert!(out.ends_with(b"layer"), "neither padding nor an end marker");
    }
}
