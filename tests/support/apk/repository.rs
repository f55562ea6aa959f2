//! Repositories of packages, with a signed index, and damage to them.

use std::fs;
use std::path::Path;

use crate::archive::{Member, archive};

use super::signer::{self, Signer};
use super::{ARCH, Apk, gzip};

/// A repository of one architecture. Others may lie in the same folder.
#[derive(Debug, Clone)]
pub struct Repository {
    arch: String,
    apks: Vec<Apk>,
    signers: Vec<Signer>,
    text: Option<Vec<u8>>,
    copies: usize,
    raw: Option<Vec<u8>>,
    trailing: Vec<u8>,
    cut: usize,
    swapped: Vec<(String, String)>,
}

impl Repository {
    /// A repository of these packages.
    pub fn new(apks: impl IntoIterator<Item = Apk>) -> Self {
        Self {
            arch: ARCH.into(),
            apks: apks.into_iter().collect(),
            signers: vec![Signer::one()],
            text: None,
            copies: 1,
            raw: None,
            trailing: Vec::new(),
            cut: 0,
            swapped: Vec::new(),
        }
    }

    /// Its architecture, as apk calls it.
    #[must_use]
    pub fn arch(mut self, arch: &str) -> Self {
        self.arch = arch.into();
        self
    }

    /// Who signs its index, if not [`Signer::one`] alone: nobody, perhaps.
    #[must_use]
    pub fn signed(mut self, signers: impl IntoIterator<Item = Signer>) -> Self {
        self.signers = signers.into_iter().collect();
        self
    }

    /// This text in place of its index's.
    #[must_use]
    pub fn text(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// So many files of the index in its tar.
    #[must_use]
    pub fn copies(mut self, copies: usize) -> Self {
        self.copies = copies;
        self
    }

    /// These bytes in place of its index.
    #[must_use]
    pub fn raw_index(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw = Some(bytes.into());
        self
    }

    /// Bytes behind the end of its index, which nobody has signed.
    #[must_use]
    pub fn trailing(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.trailing = bytes.into();
        self
    }

    /// Its index without its last bytes, so many.
    #[must_use]
    pub fn truncated(mut self, bytes: usize) -> Self {
        self.cut = bytes;
        self
    }

    /// The file of the package `b` has the name of the file of `a`, and the other way round.
    #[must_use]
    pub fn swapped(mut self, a: &str, b: &str) -> Self {
        self.swapped.extend([(a.into(), b.into()), (b.into(), a.into())]);
        self
    }

    /// Writes it into a folder: `ARCH/APKINDEX.tar.gz` and the packages beside it. What is there
    /// and has another name stays.
    pub fn write(&self, folder: &Path) {
        let folder = folder.join(&self.arch);
        fs::create_dir_all(&folder).unwrap();
        let built: Vec<_> = self.apks.iter().map(Apk::built).collect();
        let mut stanzas = Vec::new();
        for (at, apk) in self.apks.iter().enumerate() {
            let (file, _) = &built[self.place_of(at)];
            stanzas.extend(apk.stanza(built[at].1.clone(), file.len()).bytes());
            fs::write(folder.join(apk.filename()), file).unwrap();
        }
        fs::write(folder.join("APKINDEX.tar.gz"), self.index(stanzas)).unwrap();
    }

    /// Which package's file has the name of the one at this place.
    fn place_of(&self, at: usize) -> usize {
        let name = |apk: &Apk| apk.get("pkgname");
        let other = self.swapped.iter().find(|(swapped, _)| *swapped == name(&self.apks[at]));
        let place = |other: &String| self.apks.iter().position(|apk| name(apk) == *other).unwrap();
        other.map_or(at, |(_, other)| place(other))
    }

    fn index(&self, stanzas: Vec<u8>) -> Vec<u8> {
        if let Some(bytes) = &self.raw {
            return bytes.clone();
        }
        let text = self.text.clone().unwrap_or(stanzas);
        let mut members = vec![Member::file("DESCRIPTION", "made for a test")];
        members.extend((0..self.copies).map(|_| Member::file("APKINDEX", &text)));
        let tar = gzip(archive(&members).as_slice());
        let mut bytes = [signer::member(&self.signers, &tar), tar, self.trailing.clone()].concat();
        bytes.truncate(bytes.len() - self.cut);
        bytes
    }
}
