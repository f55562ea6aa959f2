//! Whether a tree is the one of the last time, told without reading content.
//!
//! As git's index and cargo do: a file that is the same inode with the same size and times has the
//! same content, if it had been left alone for a while when it was read. Unlike those, only where
//! the file system is known to note every change, and is still mounted as it was.

use super::Tree;
use super::inode::Object;
use crate::write::head;
use crate::{Digest, Hasher, Kind};

impl Tree {
    /// While the machine runs, trees that have the same one are written as the same bytes by
    /// [`write_to`](Tree::write_to) and the same version of this crate.
    ///
    /// `None` unless all files lie on the host, on file systems that note every change, and changed
    /// last before `settled`, in seconds since 1970. By then whatever was written through a mapping
    /// must have gone to the disk, so that the next write through it moves the time: how long that
    /// takes the kernel's `dirty_expire_centisecs` and `dirty_writeback_centisecs` say.
    pub fn fingerprint(&self, settled: i64) -> Option<Digest> {
        let mut hasher = Hasher::new();
        for (entry, inode) in self.listing() {
            hasher.update(&head(&entry, false).ok()?);
            match (&entry.kind, &inode.object) {
                (Kind::File { .. }, Object::OnHost(file)) => {
                    file.settled_stamp(settled)?.iter().for_each(|part| hasher.update(&part.to_le_bytes()));
                }
                (Kind::File { .. }, _) => return None,
                _ => {}
            }
        }
        Some(hasher.finish())
    }
}
