//! What is only known once all entries have come: hard links to later files, and dates.

use std::sync::Arc;

use super::inode::{Inode, Object};
use super::resolve::{Last, resolve};
use super::{Duplicates, Tree, TreeError};
use crate::RootPath;

impl Tree {
    /// Settles hard links to files that came after them, and dates: whatever
    /// is dated later than `epoch` (seconds since 1970), as everything
    /// [`super::TOUCHED`] is, will be dated `epoch`.
    pub fn normalise(&mut self, epoch: i64) -> Result<(), TreeError> {
        self.settle_links()?;
        self.epoch = Some(epoch);
        Ok(())
    }

    /// Gives every hard link that awaited its file the file.
    pub(super) fn settle_links(&mut self) -> Result<(), TreeError> {
        let longest = self.awaiting.len();
        for path in self.awaiting.clone() {
            self.settle_link(path, longest)?;
        }
        self.awaiting.clear();
        Ok(())
    }

    /// Settles the link at `path` and all it leads through. More than
    /// `longest` links in a row, which is all there are, lead in a circle.
    fn settle_link(&mut self, path: RootPath, longest: usize) -> Result<(), TreeError> {
        let mut chain: Vec<RootPath> = Vec::new();
        let mut at = path;
        let file = loop {
            match self.names.get(&at) {
                Some(inode) => match &inode.object {
                    Object::Awaited(target) if chain.len() <= longest => {
                        let target = self.link_target(target);
                        chain.push(std::mem::replace(&mut at, target));
                    }
                    Object::Awaited(target) => {
                        return Err(TreeError::DanglingLink { target: target.clone(), path: at });
                    }
                    _ => break inode.clone(),
                },
                None => match chain.pop() {
                    Some(path) => return Err(TreeError::DanglingLink { path, target: at }),
                    // The name itself is gone: removed since.
                    None => return Ok(()),
                },
            }
        };
        self.link_all(chain, &at, &file)
    }

    fn link_all(
        &mut self,
        names: Vec<RootPath>,
        target: &RootPath,
        file: &Arc<Inode>,
    ) -> Result<(), TreeError> {
        for path in names {
            if file.is_directory() {
                return Err(TreeError::LinkToDirectory { path, target: target.clone() });
            }
            self.names.insert(path, file.clone());
        }
        Ok(())
    }

    /// The name in the tree that a hard link to `target` means.
    pub(super) fn link_target(&self, target: &RootPath) -> RootPath {
        let real = match self.duplicates {
            Duplicates::Refuse => None,
            Duplicates::LastWins => resolve(&self.names, target, Last::Stays).ok(),
        };
        real.unwrap_or_else(|| target.clone())
    }
}
