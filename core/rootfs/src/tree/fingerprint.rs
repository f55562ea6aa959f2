//! Whether a tree is the one of the last time, told without reading content.
//!
//! As git's index and cargo do: a file that is the same inode with the same size and times has the
//! same content, if it had been left alone for a while when it was read. Unlike those, only where
//! the file system is known to note every change, and after a minute: by then what was written
//! through a mapping has gone to the disk, and the next write through it moves the time
//! (Linux, `Documentation/admin-guide/sysctl/vm.rst`, `dirty_expire_centisecs`: 30 s).

use super::Tree;
use super::inode::Object;
use crate::write::head;
use crate::{Digest, Hasher, Kind};

impl Tree {
    /// Two trees that have the same one are written as the same bytes by
    /// [`write_to`](Tree::write_to).
    ///
    /// `None` unless all files lie on the host and changed last before `settled`, in seconds since
    /// 1970. To mean anything, that is [`Tree::SETTLES`] before the tree was read, or earlier.
    pub fn fingerprint(&self, settled: i64) -> Option<Digest> {
        let mut hasher = Hasher::new();
        for (entry, inode) in self.listing() {
            hasher.update(&head(&entry, false).ok()?);
            match (&entry.kind, &inode.object) {
                (Kind::File { .. }, Object::OnHost(file)) => hasher.update(&file.settled_stamp(settled)?),
                (Kind::File { .. }, _) => return None,
                _ => {}
            }
        }
        Some(hasher.finish())
    }

    /// How long a file has to be left alone, in seconds, to be known by its times.
    pub const SETTLES: i64 = 60;
}
