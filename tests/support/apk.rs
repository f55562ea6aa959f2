//! Packages and repositories of apk made in memory, byte by byte: also those that no honest
//! builder makes.
//!
//! ```ignore
//! let hello = Apk::new("hello", "1.0-r0")
//!     .depends("musl so:libx.so.1")
//!     .file("usr/bin/hello", "#!/bin/sh\necho hello\n", 0o755)
//!     .symlink("usr/bin/hi", "hello")
//!     .script("post-install", "#!/bin/sh\n");
//! Repository::new([hello]).write(&forge.path("repo"));
//! // … --repo PATH --key one.rsa.pub …
//! ```
//!
//! A package is three gzip members, an index two (apk-package(5)): the signatures, what they
//! sign, and the files. Without other [`Signer`]s, both are signed by [`Signer::one`]. The bytes
//! are the same at every run.

mod member;
mod repository;
mod signer;

pub use member::gzip;
pub use repository::Repository;
pub use signer::Signer;

use std::collections::BTreeSet;
use std::io::{Read, repeat};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::archive::{BLOCK, Member, record};
use crate::debian::Hash;

use member::Item;

/// The date of every file and package, in seconds: in November 2023.
pub const DATE: i64 = 1_700_000_000;

/// The architecture of packages and repositories that name no other, as apk calls it.
pub const ARCH: &str = "x86_64";

/// Fields that a package may have several of.
const LISTS: [&str; 5] = ["depend", "provides", "install_if", "replaces", "triggers"];

/// The letters of an index and the fields of `.PKGINFO` that they stand for.
const LETTERS: [(char, &str); 14] = [
    ('P', "pkgname"),
    ('V', "pkgver"),
    ('A', "arch"),
    ('I', "size"),
    ('T', "pkgdesc"),
    ('U', "url"),
    ('L', "license"),
    ('o', "origin"),
    ('t', "builddate"),
    ('c', "commit"),
    ('D', "depend"),
    ('p', "provides"),
    ('i', "install_if"),
    ('k', "provider_priority"),
];

/// A package to be built. An index holds it as `.PKGINFO` says, except for what it claims.
#[derive(Debug, Clone)]
pub struct Apk {
    fields: Vec<(String, String)>,
    claims: Vec<(char, String)>,
    scripts: Vec<(String, String)>,
    items: Vec<Item>,
    members: Vec<Member>,
    folders: BTreeSet<String>,
    size: usize,
    signers: Vec<Signer>,
    control_bomb: u64,
    data_tar: Option<Vec<u8>>,
    data_bomb: u64,
    trailing: Vec<u8>,
    end: Option<usize>,
    raw: Option<Vec<u8>>,
}

impl Apk {
    /// A package with no files.
    pub fn new(name: &str, version: &str) -> Self {
        let fields = [
            ("pkgname", name),
            ("pkgver", version),
            ("url", "https://example.org/"),
            ("builddate", "1700000000"),
            ("arch", ARCH),
            ("origin", name),
            ("license", "MIT"),
        ];
        Self {
            fields: fields.map(|(name, value)| (name.into(), value.into())).into(),
            claims: Vec::new(),
            scripts: Vec::new(),
            items: Vec::new(),
            members: Vec::new(),
            folders: BTreeSet::new(),
            size: 0,
            signers: vec![Signer::one()],
            control_bomb: 0,
            data_tar: None,
            data_bomb: 0,
            trailing: Vec::new(),
            end: None,
            raw: None,
        }
        .field("pkgdesc", &format!("{name}, which is made for a test"))
    }

    /// Sets a field of `.PKGINFO`, or adds to one that there may be several of. `datahash` is
    /// right unless it is set.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        match self.fields.iter_mut().find(|(field, _)| field == name) {
            Some(field) if !LISTS.contains(&name) => field.1 = value.into(),
            _ => self.fields.push((name.into(), value.into())),
        }
        self
    }

    /// What it needs, with blanks between.
    #[must_use]
    pub fn depends(self, words: &str) -> Self {
        self.list("depend", words)
    }

    /// What it provides, with blanks between.
    #[must_use]
    pub fn provides(self, words: &str) -> Self {
        self.list("provides", words)
    }

    /// What it may take files of, with blanks between.
    #[must_use]
    pub fn replaces(self, words: &str) -> Self {
        self.list("replaces", words)
    }

    /// The directories that its trigger is for, with blanks between.
    #[must_use]
    pub fn triggers(self, patterns: &str) -> Self {
        self.field("triggers", patterns)
    }

    fn list(self, field: &str, words: &str) -> Self {
        words.split_ascii_whitespace().fold(self, |apk, word| apk.field(field, word))
    }

    /// A line of its stanza in an index where that is another than in the package: also `S`, the
    /// size, and `C`, the identity.
    #[must_use]
    pub fn claims(mut self, letter: char, value: &str) -> Self {
        self.claims.push((letter, value.into()));
        self
    }

    /// A file.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.size += content.as_ref().len();
        self.put(Item::file(path, content.as_ref(), mode))
    }

    /// A directory. Those above anything need not be named.
    #[must_use]
    pub fn dir(mut self, path: &str, mode: u32) -> Self {
        self.folders.insert(path.into());
        self.put(Item::directory(path, mode))
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.put(Item::symlink(path, target))
    }

    /// A further name for a file that was added before. They are written sorted, and the further
    /// name has to be the later one.
    #[must_use]
    pub fn hardlink(self, path: &str, file: &str) -> Self {
        assert!(path > file, "{file} has to come before {path}");
        let first = self.items.iter().find(|item| item.path == file).expect("the file was added");
        let link = first.hardlink(path);
        self.put(link)
    }

    /// The owner of what was added last, with names as the package has them.
    #[must_use]
    pub fn owner(mut self, user: (u32, &str), group: (u32, &str)) -> Self {
        self.last().owner(user, group);
        self
    }

    /// An extended attribute of what was added last.
    #[must_use]
    pub fn xattr(mut self, name: &str, value: &str) -> Self {
        self.last().records += &record(&format!("SCHILY.xattr.{name}"), value);
        self
    }

    /// The checksum of what was added last, in hexadecimal, whatever it should be.
    #[must_use]
    pub fn checksum(mut self, sum: &str) -> Self {
        self.last().checksum = Some(sum.into());
        self
    }

    fn last(&mut self) -> &mut Item {
        self.items.last_mut().expect("something was added")
    }

    /// Any member of the data, behind all others, with its name as it is, such as `../../etc`.
    #[must_use]
    pub fn member(mut self, member: Member) -> Self {
        self.members.push(member);
        self
    }

    /// A script: `pre-install`, `post-install`, `trigger` and others.
    #[must_use]
    pub fn script(mut self, name: &str, text: &str) -> Self {
        self.scripts.push((name.into(), text.into()));
        self
    }

    /// Who signs it, if not [`Signer::one`] alone: nobody, perhaps.
    #[must_use]
    pub fn signed(mut self, signers: impl IntoIterator<Item = Signer>) -> Self {
        self.signers = signers.into_iter().collect();
        self
    }

    /// Ends the control member with a file of so many zeros.
    #[must_use]
    pub fn control_bomb(mut self, bytes: u64) -> Self {
        self.control_bomb = bytes;
        self
    }

    /// Has so many zeros behind the end of the data's tar, in its member.
    #[must_use]
    pub fn data_bomb(mut self, bytes: u64) -> Self {
        self.data_bomb = bytes;
        self
    }

    /// These bytes in place of the tar of its files.
    #[must_use]
    pub fn data_tar(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.data_tar = Some(bytes.into());
        self
    }

    /// Bytes behind the last member; a further member is one of [`gzip`].
    #[must_use]
    pub fn trailing(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.trailing = bytes.into();
        self
    }

    /// Only its first bytes, so many; the index has the size that is left.
    #[must_use]
    pub fn truncated(mut self, length: usize) -> Self {
        self.end = Some(length);
        self
    }

    /// These bytes in place of the whole package; the index is still that of the fields.
    #[must_use]
    pub fn raw(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw = Some(bytes.into());
        self
    }

    /// The value of a field; those of which there may be several with blanks between.
    pub fn get(&self, name: &str) -> String {
        let values = self.fields.iter().filter(|(field, _)| field == name);
        values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The package file.
    pub fn build(&self) -> Vec<u8> {
        self.built().0
    }

    /// The package file and its identity.
    fn built(&self) -> (Vec<u8>, String) {
        let parts = self.parts();
        let whole = || [&parts.concat()[..], &self.trailing].concat();
        let mut bytes = self.raw.clone().unwrap_or_else(whole);
        bytes.truncate(self.end.unwrap_or(usize::MAX));
        (bytes, identity(&parts[1]))
    }

    /// Its members as they are compressed: signatures, control, data. The first may be empty.
    pub fn parts(&self) -> [Vec<u8>; 3] {
        let data = gzip(self.data());
        let control = gzip(self.control(&Hash::Sha256.of(&data)));
        [signer::member(&self.signers, &control), control, data]
    }

    /// What indexes and the database call it: `Q1` and the SHA-1 of its control member.
    pub fn identity(&self) -> String {
        identity(&self.parts()[1])
    }

    fn data(&self) -> Box<dyn Read + '_> {
        if let Some(bytes) = &self.data_tar {
            return Box::new(bytes.as_slice());
        }
        let mut items: Vec<&Item> = self.items.iter().collect();
        items.sort_by(|a, b| a.path.cmp(&b.path));
        let members = self.members.iter().flat_map(Member::bytes);
        let mut bytes: Vec<u8> = items.iter().flat_map(|item| item.bytes()).chain(members).collect();
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        Box::new(std::io::Cursor::new(bytes).chain(repeat(0).take(self.data_bomb)))
    }

    /// The tar of the control member, which lacks its end.
    fn control(&self, datahash: &str) -> impl Read + use<> {
        let mut bytes = Item::file(".PKGINFO", self.pkginfo(datahash).as_bytes(), 0o644).plain_bytes();
        for (name, text) in &self.scripts {
            bytes.extend(Item::file(&format!(".{name}"), text.as_bytes(), 0o755).plain_bytes());
        }
        if self.control_bomb > 0 {
            bytes.extend(Member::new(".bomb", b'0').claim(self.control_bomb).bytes());
        }
        std::io::Cursor::new(bytes).chain(repeat(0).take(self.control_bomb))
    }

    fn pkginfo(&self, datahash: &str) -> String {
        let size = self.installed_size();
        let more = [("size", size.as_str()), ("datahash", datahash)];
        let more = more.iter().filter(|(name, _)| self.fields.iter().all(|(field, _)| field != name));
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let lines = fields.chain(more.copied()).map(|(name, value)| format!("{name} = {value}\n"));
        std::iter::once("# Made for a test\n".to_owned()).chain(lines).collect()
    }

    fn put(mut self, item: Item) -> Self {
        let path = item.path.clone();
        for (end, _) in path.match_indices('/') {
            if self.folders.insert(path[..end].into()) {
                self.items.push(Item::directory(&path[..end], 0o755));
            }
        }
        self.items.push(item);
        self
    }

    /// Its name in a repository: `hello-1.0-r0.apk`.
    pub fn filename(&self) -> String {
        let [name, version] = [('P', "pkgname"), ('V', "pkgver")].map(|(l, f)| self.claimed(l, self.get(f)));
        format!("{name}-{version}.apk")
    }

    /// Its stanza in an index, for a file of so many bytes, and the empty line that ends it.
    fn stanza(&self, identity: String, size: usize) -> String {
        let mut lines = vec![('C', identity)];
        for (letter, field) in LETTERS {
            match letter {
                'I' => lines.extend([('S', size.to_string()), ('I', self.installed_size())]),
                _ => lines.push((letter, self.get(field))),
            }
        }
        let lines = lines.into_iter().map(|(letter, value)| (letter, self.claimed(letter, value)));
        let lines = lines.filter(|(_, value)| !value.is_empty());
        lines.map(|(letter, value)| format!("{letter}:{value}\n")).chain(["\n".into()]).collect()
    }

    /// What a line of its stanza has.
    fn claimed(&self, letter: char, value: String) -> String {
        let claimed = self.claims.iter().find(|(claimed, _)| *claimed == letter);
        claimed.map_or(value, |(_, value)| value.clone())
    }

    fn installed_size(&self) -> String {
        Some(self.get("size")).filter(|size| !size.is_empty()).unwrap_or((4096 + self.size).to_string())
    }
}

/// `Q1` and the SHA-1 of these bytes in Base64.
pub fn identity(bytes: &[u8]) -> String {
    format!("Q1{}", STANDARD.encode(Sha1::digest(bytes)))
}
