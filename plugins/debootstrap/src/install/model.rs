//! What is known of packages in a root, as it is kept beside that root for a later build: the
//! files of each, and where they lie. Reading it is a hundred times less than the packages.

use std::collections::BTreeMap;

use ctr_forge_rootfs::{Entry, RootPath};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::record::{Record, Shipped, What};
use super::root::{Directory, Node, Root};
use super::{Chosen, Settings};
use crate::deb::{Control, ControlFile};

/// What is known of a root.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Model {
    nodes: Vec<(Bytes, KeptNode)>,
    names: usize,
    records: Vec<KeptRecord>,
}

/// Bytes that mostly are ASCII, as a text: one character for each.
#[derive(Debug)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0.iter().copied().map(char::from).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = text.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<_, _>>();
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}

impl Bytes {
    fn path(&self) -> Option<RootPath> {
        RootPath::new(&self.0).ok()
    }
}

impl From<&RootPath> for Bytes {
    fn from(path: &RootPath) -> Self {
        Self(path.as_bytes().to_vec())
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum KeptNode {
    Directory { shipped: bool, written: bool, attributes: Option<Attributes> },
    Symlink { target: Bytes, owner: Option<usize> },
    Other { owner: usize, md5: Option<[u8; 16]> },
}

/// Of a directory that is to be written when something in it is.
#[derive(Debug, Serialize, Deserialize)]
struct Attributes {
    mode: u16,
    uid: u32,
    gid: u32,
    mtime: i64,
    package: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptRecord {
    name: String,
    version: String,
    arch: String,
    control: BTreeMap<String, (u16, Bytes)>,
    paths: Vec<(Bytes, KeptWhat)>,
    licence_text: Option<String>,
    changed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
enum KeptWhat {
    Directory { real: Option<Bytes> },
    Object { kept: bool, md5: Option<[u8; 16]> },
}

impl Model {
    /// Of a root and its packages; `None` where something cannot be kept.
    pub(super) fn of(root: &Root, names: usize, records: &[Record]) -> Option<Self> {
        let nodes = root.iter().map(|(path, node)| Some((path.into(), KeptNode::of(node)?)));
        let nodes = nodes.collect::<Option<Vec<_>>>()?;
        Some(Self { nodes, names, records: records.iter().map(KeptRecord::of).collect() })
    }

    /// The other way round; `None` where it is damaged.
    pub(super) fn into_parts(self, settings: &Settings<'_>) -> Option<(Root, usize, Vec<Record>)> {
        let mut root = Root::new();
        for (path, node) in self.nodes {
            let path = path.path()?;
            root.insert(path.clone(), node.into_node(&path)?);
        }
        let records = self.records.into_iter().map(|record| record.into_record(settings));
        Some((root, self.names, records.collect::<Option<_>>()?))
    }

    /// Name, version and architecture of each package, in their order.
    pub(crate) fn packages(&self) -> impl Iterator<Item = [&str; 3]> {
        self.records.iter().map(|record| [&*record.name, &*record.version, &*record.arch])
    }
}

impl KeptNode {
    fn of(node: &Node) -> Option<Self> {
        Some(match node {
            Node::Directory(Directory { shipped, written, entry }) => {
                let attributes = match entry.as_deref() {
                    None => None,
                    Some(entry) if entry.xattrs.is_empty() => Some(Attributes {
                        mode: entry.mode,
                        uid: entry.uid,
                        gid: entry.gid,
                        mtime: entry.mtime,
                        package: entry.package.as_deref().map(str::to_owned),
                    }),
                    Some(_) => return None,
                };
                Self::Directory { shipped: *shipped, written: *written, attributes }
            }
            Node::Symlink { target, owner } => {
                Self::Symlink { target: Bytes(target.to_vec()), owner: *owner }
            }
            Node::Other { owner, md5 } => Self::Other { owner: *owner, md5: *md5 },
        })
    }

    fn into_node(self, path: &RootPath) -> Option<Node> {
        Some(match self {
            Self::Directory { shipped, written, attributes } => {
                let entry = attributes.map(|Attributes { mode, uid, gid, mtime, package }| {
                    let package = package.map(Into::into);
                    Box::new(Entry { mode, uid, gid, mtime, package, ..Entry::directory(path.clone()) })
                });
                Node::Directory(Directory { shipped, written, entry })
            }
            Self::Symlink { target, owner } => Node::Symlink { target: target.0.into(), owner },
            Self::Other { owner, md5 } => Node::Other { owner, md5 },
        })
    }
}

impl KeptRecord {
    fn of(record: &Record) -> Self {
        let control = record.control.iter();
        let control = control.map(|(name, file)| (name.to_owned(), (file.mode, Bytes(file.content.clone()))));
        let what = |what: &What| match what {
            What::Directory { real } => KeptWhat::Directory { real: real.as_ref().map(Bytes::from) },
            What::Object { kept, md5 } => KeptWhat::Object { kept: *kept, md5: *md5 },
        };
        Self {
            name: record.name.clone(),
            version: record.version.clone(),
            arch: record.arch.clone(),
            control: control.collect(),
            paths: record.paths.iter().map(|shipped| ((&shipped.path).into(), what(&shipped.what))).collect(),
            licence_text: record.licence_text.clone(),
            changed: record.changed,
        }
    }

    fn into_record(self, settings: &Settings<'_>) -> Option<Record> {
        let file_name = format!("{}_{}_{}.deb", self.name, self.version, self.arch);
        let chosen = Chosen { name: self.name, version: self.version, arch: self.arch, file_name };
        let control = self.control.into_iter();
        let control = control.map(|(name, (mode, content))| (name, ControlFile { mode, content: content.0 }));
        let mut record = Record::new(chosen, Control::from_files(control.collect()), settings).ok()?;
        for (path, what) in self.paths {
            let what = match what {
                KeptWhat::Directory { real } => {
                    What::Directory { real: real.map(|real| real.path().ok_or(())).transpose().ok()? }
                }
                KeptWhat::Object { kept, md5 } => What::Object { kept, md5 },
            };
            record.paths.push(Shipped { path: path.path()?, what });
        }
        record.licence_text = self.licence_text;
        record.changed = self.changed;
        Some(record)
    }
}
