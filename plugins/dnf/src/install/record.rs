//! What is kept of a package for the database, and for those that come after it.

use crate::rpm::FileInfo;
use crate::rpm::header::Header;

/// What became of a file (`rpmfileState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It is there, or it is a ghost.
    Normal = 0,
    /// It was not wanted.
    NotInstalled = 2,
    /// That of another architecture is there.
    WrongColor = 4,
}

/// A package that is installed.
#[derive(Debug, Clone)]
pub struct Installed {
    /// What messages call it: name, version, release and architecture.
    pub title: String,
    /// Its name.
    pub name: String,
    /// The main header.
    pub header: Header,
    /// The header of signatures.
    pub signature: Header,
    /// The files that the header names, in its order.
    pub files: Vec<FileInfo>,
    /// What became of each of them: [`State`] as rpm's number, as `FILESTATES` has it.
    pub states: Vec<u8>,
    /// The colours of the root: `INSTALLCOLOR`.
    pub color: u32,
    /// Users and groups that own its files and are not there: `user NAME`, `group NAME`, sorted.
    pub strangers: Vec<String>,
}

impl Installed {
    /// The files that are there as this package has them, directories too; ghosts are not.
    pub fn present(&self) -> impl Iterator<Item = &FileInfo> {
        let states = self.files.iter().zip(&self.states);
        let present = states.filter(|(file, state)| **state == State::Normal as u8 && !file.is_ghost());
        present.map(|(file, _)| file)
    }
}
