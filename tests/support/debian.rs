//! Archives of Debian's and Ubuntu's shape, small, signed, and damaged where a test wants it.
//!
//! A [`Suite`] is described, then written into a folder, which can have several and which a
//! [`Server`] serves. Without keys of their own, suites are signed by [`key`].
//!
//! ```ignore
//! let suite = Suite::debian("bookworm").with(distribution("amd64")).with([Deb::new("new", "1")]);
//! let archive = Archive::new(&[suite]);
//! let server = archive.serve();
//! server.fault("*/Packages*", server::Fault::Status(503));
//! forge.write("key.asc", debian::key().public());
//! // … --mirror server.url("") --keyring key.asc …
//! assert_eq!(server.count("*.deb"), 0);
//! ```
//!
//! The bytes are the same at every run.

use std::fs::{self, File};
use std::io::{Read, repeat};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use crate::compression::Compression;
use crate::deb::{self, Deb};
use crate::openpgp::{self, Key};
use crate::server::Server;

pub use crate::mirror::host_mirror;

/// The date of suites, in seconds: the beginning of 2024.
pub const DATE: u32 = 1_704_067_200;

/// The key that signs where no other is named.
pub fn key() -> Key {
    Key::new("archive")
}

/// A date as `Release` files have it.
pub fn date(seconds: u32) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.into())).replace("GMT", "UTC")
}

/// A digest in indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// `MD5Sum`, which nobody should trust.
    Md5,
    /// `SHA1`, which nobody should trust.
    Sha1,
    /// `SHA256`.
    Sha256,
    /// `SHA512`.
    Sha512,
}

impl Hash {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// Its name in `Release` and under `by-hash`.
    pub fn section(self) -> &'static str {
        match self {
            Self::Md5 => "MD5Sum",
            other => other.field(),
        }
    }

    /// Its name in `Packages`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Md5 => "MD5sum",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

/// Which files carry the signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// `InRelease` alone.
    Inline,
    /// `Release` and `Release.gpg`.
    Detached,
    /// All three.
    Both,
}

/// Damage to the indexes that `Release` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Under their names they are of another day; by digest they are right.
    Stale,
    /// Each has one byte that is another, under every name.
    Corrupt,
    /// Each ends in the middle, under every name.
    Truncated,
    /// There are none.
    Missing,
    /// Those that are compressed unpack to so many bytes more than `Release` says; their own
    /// digests are right.
    Bomb(u64),
}

/// A suite: what lies in a folder of `dists`, and its packages in the pool.
#[derive(Debug, Clone)]
pub struct Suite {
    path: String,
    fields: Vec<(String, String)>,
    date: u32,
    architectures: Vec<String>,
    index_of_all: bool,
    debs: Vec<Deb>,
    compression: Compression,
    forms: Vec<Compression>,
    hashes: Vec<Hash>,
    by_hash: bool,
    keys: Vec<Key>,
    signed: Signed,
    damage: Option<Damage>,
}

impl Suite {
    /// As Debian has it: with MD5 and SHA-256, indexes by digest, and packages for all
    /// architectures in the index of each.
    pub fn debian(codename: &str) -> Self {
        let hashes = &[Hash::Md5, Hash::Sha256];
        let suite = Self::new(codename, "Debian", Compression::Xz).hashes(hashes);
        suite.field("No-Support-for-Architecture-all", "Packages")
    }

    /// As Ubuntu has it: with all digests and packages compressed with zstd.
    pub fn ubuntu(codename: &str) -> Self {
        Self::new(codename, "Ubuntu", Compression::Zstd).hashes(&Hash::ALL)
    }

    fn new(codename: &str, origin: &str, compression: Compression) -> Self {
        let fields = [("Origin", origin), ("Label", origin), ("Suite", codename), ("Codename", codename)];
        Self {
            path: codename.into(),
            fields: fields.map(|(name, value)| (name.into(), value.into())).into(),
            date: DATE,
            architectures: vec!["amd64".into()],
            index_of_all: false,
            debs: Vec::new(),
            compression,
            forms: vec![Compression::Gzip, Compression::Xz],
            hashes: Vec::new(),
            by_hash: true,
            keys: vec![key()],
            signed: Signed::Both,
            damage: None,
        }
    }

    /// Adds packages.
    #[must_use]
    pub fn with(mut self, debs: impl IntoIterator<Item = Deb>) -> Self {
        self.debs.extend(debs);
        self
    }

    /// Sets a field of `Release`, such as `Suite`, `Label` or `NotAutomatic`.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        deb::set(&mut self.fields, name, value);
        self
    }

    /// Leaves a field out of `Release`, also `Date`.
    #[must_use]
    pub fn without(self, name: &str) -> Self {
        self.field(name, "")
    }

    /// When it was made, in seconds: the date of its files and signatures too.
    #[must_use]
    pub fn date(mut self, seconds: u32) -> Self {
        self.date = seconds;
        self
    }

    /// `Valid-Until`, in seconds.
    #[must_use]
    pub fn valid_until(self, seconds: u32) -> Self {
        self.field("Valid-Until", &date(seconds))
    }

    /// Its folder in `dists`, where that is not the codename: `bookworm/updates`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    /// dpkg's names of its architectures.
    #[must_use]
    pub fn architectures(mut self, names: &[&str]) -> Self {
        self.architectures = names.iter().copied().map(Into::into).collect();
        self
    }

    /// Packages for all architectures have an index of their own and are in no other.
    #[must_use]
    pub fn index_of_all(mut self) -> Self {
        self.index_of_all = true;
        self.without("No-Support-for-Architecture-all")
    }

    /// The digests in `Release` and `Packages`.
    #[must_use]
    pub fn hashes(mut self, hashes: &[Hash]) -> Self {
        self.hashes = hashes.into();
        self
    }

    /// Whether indexes are also to be had by their digest, as `Release` then says.
    #[must_use]
    pub fn by_hash(mut self, offered: bool) -> Self {
        self.by_hash = offered;
        self
    }

    /// The forms of each index; `Release` lists the plain one also where it is not to be had.
    #[must_use]
    pub fn forms(mut self, forms: &[Compression]) -> Self {
        self.forms = forms.into();
        self
    }

    /// The keys that sign; none leaves `Release` alone.
    #[must_use]
    pub fn keys(mut self, keys: impl IntoIterator<Item = Key>) -> Self {
        self.keys = keys.into_iter().collect();
        self
    }

    /// Which files carry the signatures.
    #[must_use]
    pub fn signed(mut self, signed: Signed) -> Self {
        self.signed = signed;
        self
    }

    /// Damages the indexes.
    #[must_use]
    pub fn damage(mut self, damage: Damage) -> Self {
        self.damage = Some(damage);
        self
    }

    /// Writes it below `root`, over what is there. Panics if the pool has another package of the
    /// same file name, as when a Debian and an Ubuntu suite share one.
    pub fn write(&self, root: &Path) {
        let folder = root.join("dists").join(&self.path);
        let mut listed = Vec::new();
        for (path, packages) in self.indexes(root) {
            let plain = Compression::None;
            listed.push((format!("{path}/Packages"), self.index(plain, &packages)));
            for form in &self.forms {
                let name = format!("{path}/Packages{}", form.extension());
                let index = self.index(*form, &packages);
                self.write_index(&folder, &name, *form, &packages, &index);
                if *form != plain {
                    listed.push((name, index));
                }
            }
        }
        self.sign(&folder, &self.release(&listed));
    }

    /// Writes the packages; the folders of the indexes and what these say.
    fn indexes(&self, root: &Path) -> Vec<(String, String)> {
        let stanzas: Vec<(&Deb, String)> = self.debs.iter().map(|deb| (deb, self.pool(root, deb))).collect();
        let mut indexes = Vec::new();
        for component in self.components() {
            for arch in self.indexed_architectures() {
                let is_in = |deb: &Deb| {
                    let of = deb.get("Architecture");
                    deb.in_component() == component && (of == arch || of == "all" && !self.index_of_all)
                };
                let packages: Vec<_> =
                    stanzas.iter().filter(|(deb, _)| is_in(deb)).map(|(_, stanza)| stanza.as_str()).collect();
                indexes.push((format!("{component}/binary-{arch}"), packages.join("\n")));
            }
        }
        indexes
    }

    fn pool(&self, root: &Path, deb: &Deb) -> String {
        let file = deb.build_as(self.compression);
        if deb.is_published() {
            let path = root.join(deb.filename());
            let other = fs::read(&path).is_ok_and(|there| there != file);
            assert!(!other, "another package has this name: {}", path.display());
            self.file(&path, &file);
        }
        deb.index_stanza(&file, &self.hashes)
    }

    fn components(&self) -> Vec<&str> {
        let mut components = vec!["main"];
        for deb in &self.debs {
            if !components.contains(&deb.in_component()) {
                components.push(deb.in_component());
            }
        }
        components
    }

    fn indexed_architectures(&self) -> impl Iterator<Item = &str> {
        self.index_of_all.then_some("all").into_iter().chain(self.architectures.iter().map(String::as_str))
    }

    /// An index as `Release` knows it.
    fn index(&self, form: Compression, packages: &str) -> Vec<u8> {
        let more = match self.damage {
            Some(Damage::Bomb(bytes)) if form != Compression::None => bytes,
            _ => 0,
        };
        form.encode(packages.as_bytes().chain(repeat(b'\n').take(more)))
    }

    /// Writes an index as it is found, under all its names.
    fn write_index(&self, folder: &Path, name: &str, form: Compression, packages: &str, index: &[u8]) {
        let mut named = index.to_vec();
        let mut by_digest = index.to_vec();
        match self.damage {
            None | Some(Damage::Bomb(_)) => {}
            Some(Damage::Missing) => return,
            Some(Damage::Stale) => named = form.encode(format!("{packages}\nPackage: other\n").as_bytes()),
            Some(Damage::Corrupt) => {
                by_digest.get_mut(index.len() / 2).into_iter().for_each(|byte| *byte ^= 1);
            }
            Some(Damage::Truncated) => by_digest.truncate(index.len() / 2),
        }
        if matches!(self.damage, Some(Damage::Corrupt | Damage::Truncated)) {
            named.clone_from(&by_digest);
        }
        self.file(&folder.join(name), &named);
        let folder = folder.join(name);
        let folder = folder.parent().unwrap().join("by-hash");
        for hash in self.hashes.iter().filter(|_| self.by_hash) {
            self.file(&folder.join(hash.section()).join(hash.of(index)), &by_digest);
        }
    }

    fn release(&self, listed: &[(String, Vec<u8>)]) -> String {
        let all = self.indexes_all_in_each().then_some("all");
        let architectures: Vec<_> = all.into_iter().chain(self.indexed_architectures()).collect();
        let mut fields = vec![("Date".to_owned(), date(self.date))];
        fields.push(("Architectures".into(), architectures.join(" ")));
        fields.push(("Components".into(), self.components().join(" ")));
        if self.by_hash {
            fields.push(("Acquire-By-Hash".into(), "yes".into()));
        }
        for (name, value) in &self.fields {
            deb::set(&mut fields, name, value);
        }
        fields.retain(|(_, value)| !value.is_empty());
        let mut text = deb::stanza(&fields);
        for hash in &self.hashes {
            let line =
                |(name, index): &(String, Vec<u8>)| format!(" {} {} {name}\n", hash.of(index), index.len());
            text += &format!("{}:\n{}", hash.section(), listed.iter().map(line).collect::<String>());
        }
        text
    }

    /// Debian says that it has packages for all architectures where they are in every index.
    fn indexes_all_in_each(&self) -> bool {
        self.fields.iter().any(|(name, value)| name == "No-Support-for-Architecture-all" && !value.is_empty())
    }

    fn sign(&self, folder: &Path, release: &str) {
        for old in ["InRelease", "Release", "Release.gpg"] {
            let _ = fs::remove_file(folder.join(old));
        }
        let is_signed = !self.keys.is_empty();
        if is_signed && self.signed != Signed::Detached {
            let text = openpgp::clear_sign(release, &self.keys, self.date);
            self.file(&folder.join("InRelease"), text.as_bytes());
        }
        if !is_signed || self.signed != Signed::Inline {
            self.file(&folder.join("Release"), release.as_bytes());
        }
        if is_signed && self.signed != Signed::Inline {
            let signatures = openpgp::sign(release.as_bytes(), &self.keys, self.date);
            self.file(&folder.join("Release.gpg"), signatures.as_bytes());
        }
    }

    fn file(&self, path: &Path, content: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        let date = UNIX_EPOCH + Duration::from_secs(self.date.into());
        File::options().write(true).open(path).unwrap().set_modified(date).unwrap();
    }
}

/// A folder with suites in it, that everybody can read, removed when dropped.
#[derive(Debug)]
pub struct Archive {
    directory: TempDir,
}

impl Archive {
    /// A folder with these suites.
    pub fn new(suites: &[Suite]) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let everybody = fs::Permissions::from_mode(0o755);
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("ctr-forge-archive-").permissions(everybody);
        let archive = Self { directory: builder.tempdir_in("/var/tmp").unwrap() };
        suites.iter().for_each(|suite| archive.put(suite));
        archive
    }

    /// Writes a suite into it, or over the same suite of the day before.
    pub fn put(&self, suite: &Suite) {
        suite.write(self.path());
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The folder's `file:` URL.
    pub fn file_url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Serves the folder.
    pub fn serve(&self) -> Server {
        Server::new(self.path())
    }
}
