//! Who owns what, where the file system cannot say it.
//!
//! With a range of ids the kernel keeps owners itself. With a single one, all files belong to
//! it, and who is to own them is kept here. Device nodes cannot be made in a user namespace at
//! all: an empty file stands for each, and what it is to be is kept here too.
//!
//! A record is of a file, not of a path: renaming keeps it, and it must die with its file.
//! Inode numbers alone do not tell files apart, for a new file soon has the number of one that
//! was removed. File systems know a generation beside it, which is part of the handle of a
//! file (`name_to_handle_at(2)`); where one has no handles, the time of birth has to do.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::{AsRawFd, BorrowedFd};

use ctr_forge_plugin::sandbox::Rung;
use ctr_forge_rootfs::{Device, Kind};
use rustix::fs::{AtFlags, Statx, StatxFlags, statx};
use rustix::io::Errno;

/// Who owns what.
#[derive(Debug)]
pub(crate) struct Owners {
    rung: Rung,
    /// By device and inode number.
    records: HashMap<(u64, u64), Record>,
}

#[derive(Debug)]
struct Record {
    /// Tells the file from others that have had its number.
    generation: u64,
    owner: Owner,
}

/// What a file is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The device that the file stands for.
    pub(crate) node: Option<Kind>,
}

impl Owners {
    pub(crate) fn new(rung: Rung) -> Self {
        Self { rung, records: HashMap::new() }
    }

    /// Whether the kernel keeps owners.
    pub(crate) fn are_real(&self) -> bool {
        self.rung != Rung::Single
    }

    /// Whether device nodes can be made.
    pub(crate) fn can_make_nodes(&self) -> bool {
        self.rung == Rung::Chroot
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Notes what the file is to be.
    pub(crate) fn record(&mut self, file: BorrowedFd<'_>, owner: &Owner) -> Result<(), Errno> {
        let stat = stat(file)?;
        if *owner == Owner::default() {
            // That is what a file is of which nothing is noted.
            self.records.remove(&number(&stat));
            return Ok(());
        }
        let record = Record { generation: generation(file, &stat), owner: owner.clone() };
        self.records.insert(number(&stat), record);
        Ok(())
    }

    /// What the file is to be, if that was noted.
    pub(crate) fn lookup(&self, file: BorrowedFd<'_>) -> Result<Option<&Owner>, Errno> {
        match self.is_empty() {
            true => Ok(None),
            false => stat(file).map(|stat| self.lookup_by(file, &stat)),
        }
    }

    /// As [`Owners::lookup`], where `stat` of the file is known.
    pub(crate) fn lookup_by(&self, file: BorrowedFd<'_>, stat: &Statx) -> Option<&Owner> {
        let record = self.records.get(&number(stat))?;
        (record.generation == generation(file, stat)).then_some(&record.owner)
    }
}

/// The attributes of an open file.
pub(crate) fn stat(file: BorrowedFd<'_>) -> Result<Statx, Errno> {
    let flags = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    statx(file, c"", AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT, flags)
}

fn number(stat: &Statx) -> (u64, u64) {
    (u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor), stat.stx_ino)
}

/// `struct file_handle` of `linux/fcntl.h`, with room for `MAX_HANDLE_SZ`.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    data: [u8; 128],
}

fn generation(file: BorrowedFd<'_>, stat: &Statx) -> u64 {
    let mut handle = Handle { bytes: 128, kind: 0, data: [0; 128] };
    let mut mount: libc::c_int = 0;
    // SAFETY: the handle has the room that it says, and all pointers outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            file.as_raw_fd(),
            c"".as_ptr(),
            &raw mut handle,
            &raw mut mount,
            libc::AT_EMPTY_PATH,
        )
    };
    let mut hasher = DefaultHasher::new();
    match result {
        0 => handle.data[..handle.bytes.min(128) as usize].hash(&mut hasher),
        _ => (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec).hash(&mut hasher),
    }
    hasher.finish()
}

/// The number of a device node.
pub(crate) fn device(kind: &Kind) -> Option<Device> {
    match kind {
        Kind::CharDevice(device) | Kind::BlockDevice(device) => Some(*device),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_record_dies_with_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let mut owners = Owners::new(Rung::Single);
        let owner = Owner { uid: 5, gid: 6, node: None };
        let mut reused = 0;
        let mut numbers = std::collections::HashSet::new();
        for _ in 0..1000 {
            let file = File::create(&path).unwrap();
            assert_eq!(owners.lookup(file.as_fd()).unwrap(), None);
            reused += usize::from(!numbers.insert(number(&stat(file.as_fd()).unwrap())));
            owners.record(file.as_fd(), &owner).unwrap();
            assert_eq!(owners.lookup(file.as_fd()).unwrap(), Some(&owner));
            fs::remove_file(&path).unwrap();
        }
        println!("{reused} numbers were used again");
    }

    #[test]
    fn a_record_follows_its_file_and_links() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mut owners = Owners::new(Rung::Single);
        let owner = Owner { uid: 5, gid: 0, node: None };
        owners.record(File::create(at("a")).unwrap().as_fd(), &owner).unwrap();
        fs::rename(at("a"), at("b")).unwrap();
        fs::hard_link(at("b"), at("c")).unwrap();
        assert_eq!(owners.lookup(File::open(at("c")).unwrap().as_fd()).unwrap(), Some(&owner));
        owners.record(File::open(at("c")).unwrap().as_fd(), &Owner::default()).unwrap();
        assert!(owners.is_empty());
    }
}
