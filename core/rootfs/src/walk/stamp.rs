//! What tells one state of a file from another, without its content.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::AsFd;

use rustix::fs::Statx;

use super::device;

/// File systems of this machine alone on which every write moves the change time, one through a
/// mapping at the latest when the page is next written to after it went to the disk: by their
/// numbers in statfs(2). Not tmpfs, where writes through a mapping move nothing, and none that a
/// server or another program answers for.
const NOTE_CHANGES: [u32; 7] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
    0xca45_1a4e, // bcachefs
    0x794c_7630, // overlayfs
];

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

    pub(super) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.size) << 64 | u128::from(self.state)).to_le_bytes()
    }
}

/// Whether file systems note every change; each is asked once in a row of files.
#[derive(Debug, Default)]
pub(super) struct Noting(Option<(u64, bool)>);

impl Noting {
    /// When `file`, whose attributes are `stat`, changed last, in seconds since 1970; the greatest
    /// number where the change time says nothing.
    pub(super) fn changed(&mut self, stat: &Statx, file: impl AsFd) -> i64 {
        if self.is_noted(stat, file) { stat.stx_ctime.tv_sec } else { i64::MAX }
    }

    fn is_noted(&mut self, stat: &Statx, file: impl AsFd) -> bool {
        let device = device(stat);
        match self.0 {
            Some((known, noted)) if known == device => noted,
            _ => {
                // The numbers have 32 bits; the field is wider on most machines, and signed.
                let number = rustix::fs::fstatfs(file).map(|found| found.f_type as u32);
                let noted = number.is_ok_and(|number| NOTE_CHANGES.contains(&number));
                self.0.insert((device, noted)).1
            }
        }
    }
}
