//! Repositories: what `createrepo_c` makes of packages, signed, and damage to that.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use crate::compression::Compression;
use crate::debian::Hash;
use crate::openpgp::{self, Key};
use crate::server::matches;

use super::build::run;
use super::{DATE, Rpm, build, signer};

/// A repository.
#[derive(Debug, Clone)]
pub struct Repository {
    rpms: Vec<Rpm>,
    signers: Vec<Key>,
    compression: Compression,
    arguments: Vec<String>,
    comps: Option<String>,
    more: Vec<(String, String)>,
    changes: Vec<Change>,
}

/// When a file of a repository is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before there is metadata, which then describes what was changed.
    Early,
    /// Before the metadata is signed.
    Middle,
    /// At last.
    Late,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    moment: Moment,
    pattern: &'static str,
    change: fn(&mut Vec<u8>),
}

impl Repository {
    /// A repository of these packages.
    pub fn new(rpms: impl IntoIterator<Item = Rpm>) -> Self {
        Self {
            rpms: rpms.into_iter().collect(),
            signers: vec![signer()],
            compression: Compression::Gzip,
            arguments: Vec::new(),
            comps: None,
            more: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Further packages.
    #[must_use]
    pub fn with(mut self, rpms: impl IntoIterator<Item = Rpm>) -> Self {
        self.rpms.extend(rpms);
        self
    }

    /// Who signs its metadata, if not [`signer`] alone: nobody, perhaps.
    #[must_use]
    pub fn signed(mut self, signers: impl IntoIterator<Item = Key>) -> Self {
        self.signers = signers.into_iter().collect();
        self
    }

    /// How its metadata is compressed.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Another word for `createrepo_c`: `--checksum=sha512`, `--zck`, `--database`.
    #[must_use]
    pub fn argument(mut self, word: &str) -> Self {
        self.arguments.push(word.into());
        self
    }

    /// Its groups: a comps.xml.
    #[must_use]
    pub fn comps(mut self, xml: &str) -> Self {
        self.comps = Some(xml.into());
        self
    }

    /// More metadata: `("modules", "modules.yaml's content")`.
    #[must_use]
    pub fn metadata(mut self, kind: &str, content: &str) -> Self {
        self.more.push((kind.into(), content.into()));
        self
    }

    /// Changes files whose path in the repository is like `pattern`, in which `*` stands for any
    /// characters.
    #[must_use]
    pub fn change(mut self, moment: Moment, pattern: &'static str, change: fn(&mut Vec<u8>)) -> Self {
        self.changes.push(Change { moment, pattern, change });
        self
    }

    /// Its packages.
    pub fn rpms(&self) -> &[Rpm] {
        &self.rpms
    }

    /// Writes it into a folder: `repodata`, and `Packages` with a folder for each first letter.
    pub fn write(&self, folder: &Path) {
        for (rpm, file) in self.rpms.iter().zip(build(&self.rpms)) {
            let name = rpm.filename();
            let place = folder.join("Packages").join(name[..1].to_lowercase());
            fs::create_dir_all(&place).unwrap();
            fs::copy(file, place.join(&name)).unwrap();
            // `createrepo_c` notes it.
            let file = fs::File::options().write(true).open(place.join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(DATE.into())).unwrap();
        }
        fs::create_dir_all(folder).unwrap();
        self.apply(Moment::Early, folder);
        self.create(folder);
        self.apply(Moment::Middle, folder);
        if !self.signers.is_empty() {
            let repomd = fs::read(folder.join("repodata/repomd.xml")).unwrap();
            let signatures = openpgp::sign(&repomd, &self.signers, DATE);
            fs::write(folder.join("repodata/repomd.xml.asc"), signatures).unwrap();
        }
        self.apply(Moment::Late, folder);
    }

    /// Its metadata.
    fn create(&self, folder: &Path) {
        let work = tempfile::tempdir().unwrap();
        let mut command = Command::new("createrepo_c");
        let date = DATE.to_string();
        command.args(["--quiet", "--set-timestamp-to-revision", "--revision", &date]);
        command.args(self.general_compression()).args(&self.arguments);
        if !self.arguments.iter().any(|word| word == "--database") {
            command.arg("--no-database");
        }
        if let Some(comps) = &self.comps {
            fs::write(work.path().join("comps.xml"), comps).unwrap();
            command.arg("--groupfile").arg(work.path().join("comps.xml"));
        }
        run(command.arg(folder));
        let repodata = folder.join("repodata");
        for (kind, content) in &self.more {
            let file = work.path().join(kind);
            fs::write(&file, content).unwrap();
            let mut command = Command::new("modifyrepo_c");
            command.args(["--mdtype", kind]).args([&file, &repodata]);
            run(&mut command);
        }
        if self.compression == Compression::Zstd {
            zstd(&repodata);
        }
    }

    /// What it can be told; Debian's cannot write zstd.
    fn general_compression(&self) -> Option<&'static str> {
        match self.compression {
            Compression::Xz => Some("--general-compress-type=xz"),
            Compression::Bzip2 => Some("--general-compress-type=bz2"),
            _ => None,
        }
    }

    fn apply(&self, moment: Moment, folder: &Path) {
        for Change { pattern, change, .. } in self.changes.iter().filter(|change| change.moment == moment) {
            let mut changed = 0;
            for file in files(folder) {
                let path = file.strip_prefix(folder).unwrap();
                if matches(pattern, path.to_str().unwrap()) {
                    let mut content = fs::read(&file).unwrap();
                    change(&mut content);
                    fs::write(&file, content).unwrap();
                    changed += 1;
                }
            }
            assert!(changed > 0, "no file is like {pattern}");
        }
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files
}

/// Puts zstd in gzip's place, in files, their names and what `repomd.xml` says of them.
fn zstd(repodata: &Path) {
    let repomd = fs::read_to_string(repodata.join("repomd.xml")).unwrap();
    let (head, records) = repomd.split_once("  <data").unwrap();
    let mut changed = head.to_owned();
    for record in records.split("  <data") {
        changed += "  <data";
        changed += &zstd_record(repodata, record).unwrap_or_else(|| record.to_owned());
    }
    fs::write(repodata.join("repomd.xml"), changed).unwrap();
}

/// What is said of a file that was gzip's; `None` for others.
fn zstd_record(repodata: &Path, record: &str) -> Option<String> {
    let name = between(record, "repodata/", "\"").strip_suffix(".gz")?;
    let old = repodata.join(format!("{name}.gz"));
    let gzip = fs::read(&old).unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut plain).unwrap();
    let zstd = Compression::Zstd.encode(plain.as_slice());
    fs::remove_file(old).unwrap();
    let (sum, digest) = (between(record, "<checksum type=\"sha256\">", "<"), Hash::Sha256.of(&zstd));
    let file = format!("{name}.zst").replace(sum, &digest);
    fs::write(repodata.join(&file), &zstd).unwrap();
    let size = |bytes: usize| format!("<size>{bytes}</size>");
    let record = record.replace(&format!("{name}.gz"), &file).replace(sum, &digest);
    Some(record.replace(&size(gzip.len()), &size(zstd.len())))
}

/// What is between the first of these and the next of those.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}
