//! A plugin that misbehaves as it is told, and the damage that can be done to a plugin's file.
//!
//! It is built once. What it does is chosen by the default of an option in its
//! manifest, which is patched in the bytes of a copy, and so is all else here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::build;

/// Width of the option's default in the manifest.
const WIDTH: usize = 32;
/// Bytes from the beginning within which the note lies.
const NOTES: usize = 64 << 10;

/// The bytes of the library, to be changed.
#[derive(Debug, Clone)]
pub struct Faulty(pub Vec<u8>);

impl Faulty {
    /// The plugin with this fault; `none` is one that works.
    pub fn new(fault: &str) -> Self {
        let bytes = fs::read(build::faulty()).unwrap();
        let none = format!("default = \"{:WIDTH$}\"", "none");
        Self(bytes).patch(none.as_bytes(), format!("default = \"{fault:WIDTH$}\"").as_bytes())
    }

    /// Replaces `from`, which must be in the note; nothing moves.
    #[must_use]
    pub fn patch(mut self, from: &[u8], to: &[u8]) -> Self {
        assert_eq!(from.len(), to.len(), "a patch cannot move what is behind it");
        // Linkers put notes first of all.
        let place = self.0[..NOTES].windows(from.len()).position(|window| window == from);
        let at = place.unwrap_or_else(|| panic!("{} is not in the plugin", from.escape_ascii()));
        self.0[at..at + to.len()].copy_from_slice(to);
        self
    }

    /// Another version of the plugin, `1.0.N`.
    #[must_use]
    pub fn version(self, patch: u8) -> Self {
        self.patch(b"version = \"1.0.0\"", format!("version = \"1.0.{patch}\"").as_bytes())
    }

    /// Built for another ABI.
    #[must_use]
    pub fn abi(self, major: u32) -> Self {
        let head = |major: u32| {
            let words = [major, 0].map(u32::to_ne_bytes).concat();
            [b"ctr-forge\0\0\0".as_slice(), &words].concat()
        };
        self.patch(&head(1), &head(major))
    }

    /// Built for s390x, by the word of its ELF header.
    #[must_use]
    pub fn other_machine(mut self) -> Self {
        self.0[18..20].copy_from_slice(&22u16.to_ne_bytes());
        self
    }

    /// Writes it to a file, as a library is installed.
    pub fn write(&self, path: impl AsRef<Path>) {
        self.write_as(path, 0o755);
    }

    /// Writes it to a file with this mode.
    pub fn write_as(&self, path: impl AsRef<Path>, mode: u32) {
        fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
        fs::write(&path, &self.0).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}
