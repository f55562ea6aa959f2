//! What happens when an entry meets what is already in the tree.
//!
//! Two settings ask for two answers ([`Duplicates`]). The stream of one source
//! is made by a program that knows what it does: a contradiction in it is a
//! bug, and is refused. A user's overlay is put over a system it knows little
//! of: there the later entry wins, and a system's own links are respected.

use std::sync::Arc;

use super::inode::{Inode, Object};
use super::resolve::{Blocked, Last, resolve};
use super::{Duplicates, Tree, TreeError, TreeWarning};
use crate::RootPath;

impl Tree {
    /// Gives `inode` the name `path`, or what `path` leads to.
    pub(super) fn place(&mut self, path: RootPath, inode: Arc<Inode>) -> Result<(), TreeError> {
        let path = self.locate(path)?;
        let Some(old) = self.names.get(&path).cloned() else {
            self.name(path, inode);
            return Ok(());
        };
        match (old.is_directory(), inode.is_directory()) {
            (true, true) => {}
            _ if path.is_root() => return Err(TreeError::Root { what: inode.what() }),
            _ if self.duplicates == Duplicates::Refuse => {
                return Err(TreeError::Duplicate { path, first: old.what(), second: inode.what() });
            }
            (false, false) if Arc::ptr_eq(&old, &inode) => return Ok(()),
            (false, true) if old.link_target().is_some() => {
                if let Some(end) = self.directory_behind(&path) {
                    self.place_missing(end, inode);
                    return Ok(());
                }
                self.replace(&path, &old, &inode);
            }
            _ => self.replace(&path, &old, &inode),
        }
        self.name(path, inode);
        Ok(())
    }

    /// Where an entry for `path` goes; all above that are directories when this returns.
    fn locate(&mut self, path: RootPath) -> Result<RootPath, TreeError> {
        let Some(parent) = path.parent() else {
            return Ok(path);
        };
        if self.names.get(&parent).is_some_and(|inode| inode.is_directory()) {
            return Ok(path);
        }
        let real = match self.duplicates {
            Duplicates::Refuse => self.check_parents(path)?,
            Duplicates::LastWins => self.follow_parents(path)?,
        };
        self.make_parents(&real);
        Ok(real)
    }

    /// An error unless every parent of `path` is a directory or not there.
    fn check_parents(&self, path: RootPath) -> Result<RootPath, TreeError> {
        for parent in std::iter::successors(path.parent(), RootPath::parent) {
            match self.names.get(&parent) {
                Some(inode) if inode.is_directory() => break,
                Some(inode) => return Err(TreeError::Parent { path, parent, what: inode.what() }),
                None => {}
            }
        }
        Ok(path)
    }

    /// Follows links above `path`. What is in the way, or leads nowhere, becomes a directory.
    fn follow_parents(&mut self, path: RootPath) -> Result<RootPath, TreeError> {
        loop {
            match resolve(&self.names, &path, Last::Stays) {
                Ok(real) => return Ok(real),
                Err(Blocked::Path(source)) => return Err(TreeError::Path { path, source }),
                Err(Blocked::At(obstacle)) => {
                    let made = Arc::new(Inode::made());
                    if let Some(old) = self.names.insert(obstacle.clone(), made) {
                        let (old, below) = (old.what(), path.clone());
                        self.warnings.push(TreeWarning::MadeDirectory { path: obstacle, old, below });
                    }
                }
            }
        }
    }

    fn make_parents(&mut self, path: &RootPath) {
        for parent in std::iter::successors(path.parent(), RootPath::parent) {
            if self.names.contains_key(&parent) {
                break;
            }
            self.names.insert(parent, Arc::new(Inode::made()));
        }
    }

    /// Where a directory lies, or can be made, behind the link at `link`.
    ///
    /// With `/bin` a link to `usr/bin`, an overlay's `bin/` means that
    /// directory: to replace the link would hide every program in it. The link
    /// stays, as dpkg leaves it, and the directory it leads to keeps its attributes.
    fn directory_behind(&self, link: &RootPath) -> Option<RootPath> {
        let end = resolve(&self.names, link, Last::IsFollowed).ok()?;
        self.names.get(&end).is_none_or(|inode| inode.is_directory()).then_some(end)
    }

    fn place_missing(&mut self, path: RootPath, inode: Arc<Inode>) {
        if !self.names.contains_key(&path) {
            self.make_parents(&path);
            self.name(path, inode);
        }
    }

    /// Removes what is below `path` and says what will take its place.
    fn replace(&mut self, path: &RootPath, old: &Inode, new: &Inode) {
        let (path, new) = (path.clone(), new.what());
        let warning = match old.is_directory() {
            true => TreeWarning::Removed { below: self.clear(&path), path, new },
            false => TreeWarning::Replaced { path, old: old.what(), new },
        };
        self.warnings.push(warning);
    }

    /// Removes all that is below `path` and returns how many names that were.
    pub(super) fn clear(&mut self, path: &RootPath) -> usize {
        let names = self.names.range(path..).skip(1).map(|(name, _)| name);
        let below: Vec<RootPath> = names.take_while(|name| name.starts_with(path)).cloned().collect();
        for name in &below {
            self.names.remove(name);
        }
        below.len()
    }

    fn name(&mut self, path: RootPath, inode: Arc<Inode>) {
        if let Object::Awaited(_) = inode.object {
            self.awaiting.push(path.clone());
        }
        self.names.insert(path, inode);
    }
}
