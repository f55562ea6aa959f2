//! What tells one state of a file from another, without its content.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rustix::fs::{AtFlags, Statx, StatxFlags};

use super::device;

/// File systems of this machine alone on which every write moves the change time; one through a
/// mapping does so at the latest when the page is next written to after it went to the disk. By
/// their numbers in statfs(2).
///
/// Not tmpfs, where a mapping that has been written through once moves nothing any more; not
/// overlayfs, which may lie upon that; and none that a server or another program answers for.
const NOTE_CHANGES: [u32; 6] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
    0xca45_1a4e, // bcachefs
];

/// The number of a mount that no other has had since the machine started (`STATX_MNT_ID_UNIQUE`,
/// Linux 6.8). Device numbers do come again, and images can be made with any times.
const UNIQUE_MOUNT: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// The state of a file when it was looked at.
///
/// All but the size is kept as a hash, because a tree may hold a million of these. Both times are
/// in it: not every network file system moves the change time on each write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    state: u64,
}

impl Stamp {
    pub(super) fn of(stat: &Statx) -> Self {
        let mut state = DefaultHasher::new();
        (device(stat), stat.stx_ino).hash(&mut state);
        for time in [stat.stx_mtime, stat.stx_ctime] {
            (time.tv_sec, time.tv_nsec).hash(&mut state);
        }
        Self { size: stat.stx_size, state: state.finish() }
    }
}

/// What a walk has seen of its files altogether. Not kept for each: there may be a million.
#[derive(Debug)]
pub(super) struct Seen {
    /// When one changed last, in seconds since 1970; the greatest number where the change time of
    /// one says nothing.
    changed: AtomicI64,
    /// The mounts that they lie on, as a hash.
    mounts: AtomicU64,
}

impl Seen {
    pub(super) fn nothing() -> Self {
        Self { changed: AtomicI64::new(i64::MIN), mounts: AtomicU64::new(0) }
    }

    /// What stands for the content of a file, if all changed last before this second since 1970,
    /// on file systems that note every change.
    pub(super) fn settled(&self, stamp: &Stamp, before: i64) -> Option<[u64; 3]> {
        let is_settled = self.changed.load(Ordering::Relaxed) < before;
        is_settled.then(|| [stamp.size, stamp.state, self.mounts.load(Ordering::Relaxed)])
    }
}

/// The device of the last file, and whether it notes changes: it is asked once in a row of files.
#[derive(Debug, Default)]
pub(super) struct Noting(Option<(u64, bool)>);

impl Noting {
    /// Takes down that `file`, whose attributes are `stat`, was seen.
    pub(super) fn see(&mut self, seen: &Seen, stat: &Statx, file: impl AsFd) {
        let device = device(stat);
        let noted = match self.0 {
            Some((known, noted)) if known == device => noted,
            _ => {
                let mount = mount_that_notes(file);
                let mut mounts = DefaultHasher::new();
                (seen.mounts.load(Ordering::Relaxed), mount).hash(&mut mounts);
                seen.mounts.store(mounts.finish(), Ordering::Relaxed);
                self.0.insert((device, mount.is_some())).1
            }
        };
        let changed = if noted { stat.stx_ctime.tv_sec } else { i64::MAX };
        seen.changed.fetch_max(changed, Ordering::Relaxed);
    }
}

/// The number of the mount that a file lies on, if its file system notes every change.
fn mount_that_notes(file: impl AsFd) -> Option<u64> {
    // The numbers have 32 bits; the field is wider on most machines, and signed.
    let number = rustix::fs::fstatfs(&file).ok()?.f_type as u32;
    let stat = rustix::fs::statx(&file, c"", AtFlags::EMPTY_PATH, UNIQUE_MOUNT).ok()?;
    let is_known = NOTE_CHANGES.contains(&number) && stat.stx_mask & UNIQUE_MOUNT.bits() != 0;
    is_known.then_some(stat.stx_mnt_id)
}
