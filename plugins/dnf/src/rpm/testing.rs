//! Package files for tests, made here so that every byte of them is known.

use std::fs::File;
use std::io::Write;

use super::digest::{Algorithm, of};
use super::tag;

/// A value of a tag.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Int16(Vec<u16>),
    Int32(Vec<u32>),
    Int64(Vec<u64>),
    Text(String),
    Binary(Vec<u8>),
    Texts(Vec<String>),
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn texts(texts: &[&str]) -> Self {
        Self::Texts(texts.iter().map(|&text| text.to_owned()).collect())
    }

    /// Type, count, alignment, bytes.
    fn encode(&self) -> (u32, usize, usize, Vec<u8>) {
        let zeroed = |text: &String| [text.as_bytes(), b"\0"].concat();
        match self {
            Self::Int16(all) => (3, all.len(), 2, all.iter().flat_map(|n| n.to_be_bytes()).collect()),
            Self::Int32(all) => (4, all.len(), 4, all.iter().flat_map(|n| n.to_be_bytes()).collect()),
            Self::Int64(all) => (5, all.len(), 8, all.iter().flat_map(|n| n.to_be_bytes()).collect()),
            Self::Text(text) => (6, 1, 1, zeroed(text)),
            Self::Binary(bytes) => (7, bytes.len(), 1, bytes.clone()),
            Self::Texts(all) => (8, all.len(), 1, all.iter().flat_map(zeroed).collect()),
        }
    }
}

/// A header with its region, which begins with the tag `region`.
pub(crate) fn header(region: u32, tags: &[(u32, Value)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    let words = |index: &mut Vec<u8>, words: [u32; 4]| {
        words.iter().for_each(|word| index.extend(word.to_be_bytes()));
    };
    let mut tags = tags.to_vec();
    tags.sort_by_key(|(tag, _)| *tag);
    for (tag, value) in &tags {
        let (kind, count, align, bytes) = value.encode();
        data.resize(data.len().next_multiple_of(align), 0);
        words(&mut index, [*tag, kind, data.len() as u32, count as u32]);
        data.extend(bytes);
    }
    let (entries, at) = (tags.len() as u32 + 1, data.len() as u32);
    words(&mut data, [region, 7, (entries * 16).wrapping_neg(), 16]);
    let mut head = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    head.extend(entries.to_be_bytes());
    head.extend((data.len() as u32).to_be_bytes());
    words(&mut head, [region, 7, at, 16]);
    [head, index, data].concat()
}

fn new_head(name: &str, size: usize) -> Vec<u8> {
    let fields = [1, 0o100_644, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() + 1, 0];
    let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
    pad(format!("070701{fields}{name}\0").into_bytes())
}

fn pad(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An entry of an archive in the new form, padded.
pub(crate) fn new_entry(name: &str, content: &[u8]) -> Vec<u8> {
    pad([new_head(name, content.len()), content.to_vec()].concat())
}

/// An entry in rpm's short form, padded.
pub(crate) fn index_entry(index: u32, content: &[u8]) -> Vec<u8> {
    pad([pad(format!("07070X{index:08x}").into_bytes()), content.to_vec()].concat())
}

/// The end of an archive.
pub(crate) fn trailer() -> Vec<u8> {
    new_entry("TRAILER!!!", b"")
}

/// A file of a package for tests.
#[derive(Debug, Clone)]
pub(crate) struct TestFile {
    pub(crate) path: String,
    pub(crate) mode: u16,
    pub(crate) content: Vec<u8>,
    pub(crate) user: String,
    pub(crate) group: String,
    pub(crate) flags: u32,
    pub(crate) langs: String,
    pub(crate) caps: String,
    pub(crate) inode: u32,
    pub(crate) color: u32,
    pub(crate) rdev: u16,
}

impl TestFile {
    pub(crate) fn new(path: &str, mode: u16, content: &str) -> Self {
        Self {
            path: path.to_owned(),
            mode,
            content: content.into(),
            user: "root".into(),
            group: "root".into(),
            flags: 0,
            langs: String::new(),
            caps: String::new(),
            inode: 0,
            color: 0,
            rdev: 0,
        }
    }

    /// A file of mode 644.
    pub(crate) fn file(path: &str, content: &str) -> Self {
        Self::new(path, 0o100_644, content)
    }

    /// A directory of mode 755.
    pub(crate) fn directory(path: &str) -> Self {
        Self::new(path, 0o040_755, "")
    }

    /// A link.
    pub(crate) fn link(path: &str, target: &str) -> Self {
        Self::new(path, 0o120_777, target)
    }

    pub(crate) fn owned(self, user: &str, group: &str) -> Self {
        Self { user: user.into(), group: group.into(), ..self }
    }

    pub(crate) fn flagged(self, flags: u32) -> Self {
        Self { flags, ..self }
    }

    pub(crate) fn colored(self, color: u32) -> Self {
        Self { color, ..self }
    }

    fn kind(&self) -> u16 {
        self.mode & 0o170_000
    }

    fn split(&self) -> (&str, &str) {
        self.path.split_at(self.path.rfind('/').map_or(0, |slash| slash + 1))
    }
}

/// A package for tests. What it has is not checked, so that it can be broken.
#[derive(Debug, Clone)]
pub(crate) struct TestPackage {
    pub(crate) name: String,
    pub(crate) arch: String,
    pub(crate) files: Vec<TestFile>,
    /// Further tags of the main header; those that are there already are replaced.
    pub(crate) tags: Vec<(u32, Value)>,
    pub(crate) signature: Vec<(u32, Value)>,
    /// The archive, if it is not to be that of the files.
    pub(crate) archive: Option<Vec<u8>>,
    /// Whether entries are in rpm's short form.
    pub(crate) is_stripped: bool,
    pub(crate) compressor: Option<&'static str>,
    /// Without a digest of the payload.
    pub(crate) is_old: bool,
}

impl TestPackage {
    pub(crate) fn new(name: &str, files: Vec<TestFile>) -> Self {
        Self {
            name: name.to_owned(),
            arch: "x86_64".to_owned(),
            files,
            tags: Vec::new(),
            signature: Vec::new(),
            archive: None,
            is_stripped: false,
            compressor: Some("gzip"),
            is_old: false,
        }
    }

    pub(crate) fn with(mut self, tag: u32, value: Value) -> Self {
        self.tags.push((tag, value));
        self
    }

    fn is_last_name(&self, at: usize) -> bool {
        let inode = self.files[at].inode;
        inode == 0 || self.files[at + 1..].iter().all(|other| other.inode != inode)
    }

    /// What its files come to.
    pub(crate) fn cpio(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        for (at, file) in self.files.iter().enumerate().filter(|(_, file)| file.flags & 64 == 0) {
            let content = if self.is_last_name(at) { &file.content[..] } else { b"" };
            archive.extend(match self.is_stripped {
                true => index_entry(at as u32, content),
                false => new_entry(&format!(".{}", file.path), content),
            });
        }
        archive.extend(trailer());
        archive
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let plain = self.archive.clone().unwrap_or_else(|| self.cpio());
        match self.compressor {
            Some("gzip") => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
                encoder.write_all(&plain).unwrap();
                encoder.finish().unwrap()
            }
            Some("zstd") => zstd::encode_all(&plain[..], 1).unwrap(),
            Some("xz") => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
                encoder.write_all(&plain).unwrap();
                encoder.finish().unwrap()
            }
            Some("lzma") => {
                let options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
                let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
                let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
                encoder.write_all(&plain).unwrap();
                encoder.finish().unwrap()
            }
            Some("bzip2") => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(&plain).unwrap();
                encoder.finish().unwrap()
            }
            _ => plain,
        }
    }

    pub(crate) fn main_header(&self) -> Vec<u8> {
        let mut tags = vec![
            (tag::NAME, Value::text(&self.name)),
            (tag::VERSION, Value::text("1.0")),
            (tag::RELEASE, Value::text("2")),
            (tag::ARCH, Value::text(&self.arch)),
            (tag::SOURCERPM, Value::text("test-1.0-2.src.rpm")),
            (tag::PAYLOADFORMAT, Value::text("cpio")),
        ];
        tags.extend(self.compressor.map(|name| (tag::PAYLOADCOMPRESSOR, Value::text(name))));
        if !self.is_old {
            let digest = of(Algorithm::Sha256, &self.payload());
            tags.push((tag::PAYLOADSHA256, Value::texts(&[&digest])));
            tags.push((tag::PAYLOADSHA256ALGO, Value::Int32(vec![8])));
        }
        tags.extend(self.file_tags());
        tags.retain(|(tag, _)| self.tags.iter().all(|(other, _)| other != tag));
        tags.extend(self.tags.iter().cloned());
        header(tag::HEADERIMMUTABLE, &tags)
    }

    fn file_tags(&self) -> Vec<(u32, Value)> {
        if self.files.is_empty() {
            return Vec::new();
        }
        let mut directories: Vec<&str> = self.files.iter().map(|file| file.split().0).collect();
        directories.sort_unstable();
        directories.dedup();
        let index =
            |file: &TestFile| directories.iter().position(|one| *one == file.split().0).unwrap() as u32;
        let int32 = |of: &dyn Fn(&TestFile) -> u32| Value::Int32(self.files.iter().map(of).collect());
        let int16 = |of: &dyn Fn(&TestFile) -> u16| Value::Int16(self.files.iter().map(of).collect());
        let text = |of: &dyn Fn(&TestFile) -> String| Value::Texts(self.files.iter().map(of).collect());
        let digest = |file: &TestFile| match file.kind() {
            0o100_000 => of(Algorithm::Sha256, &file.content),
            _ => String::new(),
        };
        let target = |file: &TestFile| match file.kind() {
            0o120_000 => String::from_utf8(file.content.clone()).unwrap(),
            _ => String::new(),
        };
        vec![
            (tag::BASENAMES, text(&|file| file.split().1.to_owned())),
            (tag::DIRNAMES, Value::texts(&directories)),
            (tag::DIRINDEXES, int32(&index)),
            (tag::FILEMODES, int16(&|file| file.mode)),
            (tag::FILESIZES, int32(&|file| file.content.len() as u32)),
            (tag::FILEMTIMES, int32(&|_| 1_700_000_000)),
            (tag::FILEUSERNAME, text(&|file| file.user.clone())),
            (tag::FILEGROUPNAME, text(&|file| file.group.clone())),
            (tag::FILEDIGESTS, text(&digest)),
            (tag::FILEDIGESTALGO, Value::Int32(vec![8])),
            (tag::FILELINKTOS, text(&target)),
            (tag::FILEFLAGS, int32(&|file| file.flags)),
            (tag::FILEVERIFYFLAGS, int32(&|_| u32::MAX)),
            (tag::FILELANGS, text(&|file| file.langs.clone())),
            (tag::FILECAPS, text(&|file| file.caps.clone())),
            (tag::FILEDEVICES, int32(&|_| 1)),
            (tag::FILEINODES, int32(&|file| file.inode)),
            (tag::FILECOLORS, int32(&|file| file.color)),
            (tag::FILERDEVS, int16(&|file| file.rdev)),
        ]
    }

    /// All of its file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let main = self.main_header();
        let mut signature = vec![
            (tag::SHA1HEADER, Value::text(&of(Algorithm::Sha1, &main))),
            (tag::SHA256HEADER, Value::text(&of(Algorithm::Sha256, &main))),
            (tag::SIG_PAYLOADSIZE, Value::Int32(vec![self.cpio().len() as u32])),
        ];
        signature.retain(|(tag, _)| self.signature.iter().all(|(other, _)| other != tag));
        signature.extend(self.signature.iter().cloned());
        let mut signature = header(tag::HEADERSIGNATURES, &signature);
        signature.resize(signature.len().next_multiple_of(8), 0);
        let mut lead = vec![0; 96];
        lead[..6].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3, 0]);
        [lead, signature, main, self.payload()].concat()
    }

    /// Its file.
    pub(crate) fn file(&self) -> File {
        to_file(&self.bytes())
    }
}

/// A file without a name that has these bytes.
pub(crate) fn to_file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}
