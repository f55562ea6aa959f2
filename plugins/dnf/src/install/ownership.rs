//! Files that are in two packages (`handleOverlappedFiles` of rpm's `lib/transaction.c`).
//!
//! Two packages may have the same object at one place: the first brings it. Of two ELF files that
//! differ, those of 64 bits are taken where both kinds can run. All else is a conflict, also two
//! directories that do not belong to the same user or have other modes.

use ctr_forge_rootfs::RootPath;

use super::error::Fault;
use super::record::State;
use super::root::{Node, Owner};
use super::{Install, Installed};
use crate::rpm::{FileInfo, FileKind};

/// Files of 64 bits are preferred (`%_prefer_color`).
const PREFERRED: u32 = 2;

/// Most paths of all packages together: each takes some hundred bytes of memory.
const MAX_PATHS: usize = 4 << 20;

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes into the stream, at this place.
    Written(RootPath),
    /// It does not: it is there already, or it is not wanted.
    LeftOut,
}

/// Who of two may have a place.
#[derive(Debug, PartialEq, Eq)]
enum Winner {
    Later,
    Earlier,
}

impl<W: std::io::Write> Install<'_, W> {
    /// What becomes of each file of the last package. Those that were not wanted are marked.
    pub(super) fn place(&mut self, index: usize) -> Result<Vec<Fate>, Fault> {
        let count = self.records[index].files.len();
        let mut fates = vec![Fate::LeftOut; count];
        let mut excluded = Vec::new();
        for file in 0..count {
            let owner = Owner { package: index, file };
            let info = &self.records[index].files[file];
            if self.records[index].states[file] != State::Normal as u8 || info.is_ghost() {
                continue;
            }
            let real = self.resolve(&info.path)?;
            if self.settings.exclude.excludes(&real) {
                excluded.push((owner, real));
                self.records[index].states[file] = State::NotInstalled as u8;
                continue;
            }
            self.place_one(owner, real, &mut fates)?;
        }
        self.keep_needed(excluded, &mut fates)?;
        Ok(fates)
    }

    fn resolve(&self, path: &RootPath) -> Result<RootPath, Fault> {
        self.root.resolve(path).map_err(|fault| Fault::Path { path: path.clone(), fault })
    }

    /// A directory that is to be left out stays if something in it does.
    fn keep_needed(&mut self, excluded: Vec<(Owner, RootPath)>, fates: &mut [Fate]) -> Result<(), Fault> {
        if excluded.is_empty() {
            return Ok(());
        }
        let mut needed = std::collections::HashSet::new();
        for fate in &*fates {
            let Fate::Written(real) = fate else { continue };
            let mut above = std::iter::successors(real.parent(), RootPath::parent);
            while above.next().is_some_and(|path| needed.insert(path)) {}
        }
        for (owner, real) in excluded {
            let file = &self.records[owner.package].files[owner.file];
            if file.kind() == Some(FileKind::Directory) && needed.contains(&real) {
                self.records[owner.package].states[owner.file] = State::Normal as u8;
                self.place_one(owner, real, fates)?;
            }
        }
        Ok(())
    }

    fn place_one(&mut self, owner: Owner, real: RootPath, fates: &mut [Fate]) -> Result<(), Fault> {
        if self.root.len() > MAX_PATHS {
            return Err(Fault::TooMany);
        }
        let file = &self.records[owner.package].files[owner.file];
        let is_directory = file.kind() == Some(FileKind::Directory);
        match self.root.get(&real).map(Node::owner) {
            None => {}
            Some(None) if is_directory => {}
            Some(None) => return Err(Fault::OverDirectory { path: real }),
            Some(Some(other)) => {
                let theirs = &self.records[other.package].files[other.file];
                if is_same(file, theirs) {
                    return Ok(());
                }
                let loser = match winner(file, theirs, self.records[owner.package].color) {
                    Some(Winner::Later) => other,
                    Some(Winner::Earlier) => owner,
                    None => return Err(clash(real, &self.records[other.package])),
                };
                self.records[loser.package].states[loser.file] = State::WrongColor as u8;
                if loser == owner {
                    return Ok(());
                }
                if loser.package == owner.package {
                    fates[loser.file] = Fate::LeftOut;
                }
            }
        }
        let file = &self.records[owner.package].files[owner.file];
        let node = match file.kind() {
            Some(FileKind::Directory) => Node::Directory(owner),
            Some(FileKind::Symlink) => Node::Symlink(owner, file.target.clone()),
            _ => Node::Other(owner),
        };
        self.root.insert(real.clone(), node);
        fates[owner.file] = Fate::Written(real);
        Ok(())
    }
}

fn clash(path: RootPath, owner: &Installed) -> Fault {
    Fault::Clash { path, owner: owner.title.clone() }
}

/// Whether two files are one and the same (`rpmfilesCompare`). Dates do not count.
fn is_same(one: &FileInfo, other: &FileInfo) -> bool {
    let is_link = |file: &FileInfo| file.kind() == Some(FileKind::Symlink);
    if one.mode != other.mode && !(is_link(one) && is_link(other)) {
        return false;
    }
    let content = match one.kind() {
        Some(FileKind::Symlink) => one.target == other.target,
        Some(FileKind::File) => one.size == other.size && one.digest == other.digest,
        Some(FileKind::CharDevice | FileKind::BlockDevice) => one.rdev == other.rdev,
        _ => true,
    };
    content && one.user == other.user && one.group == other.group
}

/// Which of two ELF files is taken (`handleColorConflict`).
fn winner(later: &FileInfo, earlier: &FileInfo, colors: u32) -> Option<Winner> {
    let (later, earlier) = (later.color & colors, earlier.color & colors);
    match later != 0 && earlier != 0 && later != earlier {
        true if later & PREFERRED != 0 => Some(Winner::Later),
        true if earlier & PREFERRED != 0 => Some(Winner::Earlier),
        _ => None,
    }
}
