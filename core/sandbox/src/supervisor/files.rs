//! Owners, devices and attributes of files, and to whom new ones are born.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use ctr_forge_rootfs::{Device, Kind};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Statx, fstat, mkdirat, mknodat, openat, statat, symlinkat,
};
use rustix::io::Errno;

use super::calls::{FileCall, Form};
use super::notice::Verdict;
use super::people::People;
use super::target::{Found, Given, Target};
use crate::owners::{Owner, Owners, device, stat};

/// "As it is", for an owner.
const SAME: u32 = u32::MAX;

pub(super) fn answer(
    call: FileCall,
    target: &Target<'_>,
    people: &mut People,
    owners: &mut Owners,
    listener: BorrowedFd<'_>,
) -> Result<Verdict, Errno> {
    let follows = |index: usize| target.number(index) & libc::AT_SYMLINK_NOFOLLOW.cast_unsigned() == 0;
    match call {
        FileCall::Stat(_)
        | FileCall::Lstat(_)
        | FileCall::Fstat(_)
        | FileCall::FstatAt(_)
        | FileCall::Statx
            if owners.is_empty() =>
        {
            Ok(Verdict::Continue)
        }
        FileCall::Chown => chown(target, target.open(&target.path(0)?, true)?, 1, owners, listener),
        FileCall::Lchown => chown(target, target.open(&target.path(0)?, false)?, 1, owners, listener),
        FileCall::Fchown => {
            let file = target.descriptor(target.number(0).cast_signed())?;
            chown(target, file, 1, owners, listener)
        }
        FileCall::FchownAt => chown(target, at(target, 0, 4, follows(4))?, 2, owners, listener),
        FileCall::Stat(form) => attributes(target, target.open(&target.path(0)?, true)?, form, 1, owners),
        FileCall::Lstat(form) => attributes(target, target.open(&target.path(0)?, false)?, form, 1, owners),
        FileCall::Fstat(form) => {
            let file = target.descriptor(target.number(0).cast_signed())?;
            attributes(target, file, form, 1, owners)
        }
        FileCall::FstatAt(form) => attributes(target, at(target, 0, 3, follows(3))?, form, 2, owners),
        FileCall::Statx => statx(target, at(target, 0, 2, follows(2))?, owners),
        FileCall::Mknod => node(target, &target.path(0)?, 1, people, owners, listener),
        FileCall::MknodAt => node(target, &target.path_at(0)?, 2, people, owners, listener),
        FileCall::Mkdir => directory(target, &target.path(0)?, 1, people, owners, listener),
        FileCall::MkdirAt => directory(target, &target.path_at(0)?, 2, people, owners, listener),
        FileCall::Symlink => link(target, &target.path(1)?, people, owners, listener),
        FileCall::SymlinkAt => link(target, &target.path_at(1)?, people, owners, listener),
        FileCall::Open => open(target, &target.path(0)?, target.number(1), 2, people, owners, listener),
        FileCall::OpenAt => open(target, &target.path_at(0)?, target.number(2), 3, people, owners, listener),
        FileCall::Creat => {
            let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
            open(target, &target.path(0)?, flags.cast_unsigned(), 1, people, owners, listener)
        }
    }
}

/// A directory, a path and flags: what they lead to.
fn at(target: &Target<'_>, first: usize, flags: usize, follow: bool) -> Result<Found, Errno> {
    let empty = target.number(flags) & libc::AT_EMPTY_PATH.cast_unsigned() != 0;
    // With no path at all, some calls mean the descriptor (Linux 6.11).
    if empty && target.notice.argument(first + 1) == 0 {
        return target.descriptor(target.number(first).cast_signed());
    }
    let given = target.path_at(first)?;
    match given.directory() {
        libc::AT_FDCWD if given.is_empty() => Ok(Found::Elsewhere),
        number if given.is_empty() && empty => target.descriptor(number),
        _ => target.open(&given, follow),
    }
}

/// Notes a new owner, with all that the kernel does on the way (`chown(2)`): programs lose the
/// right to be another user's, and capabilities.
fn chown(
    target: &Target<'_>,
    found: Found,
    first: usize,
    owners: &mut Owners,
    listener: BorrowedFd<'_>,
) -> Result<Verdict, Errno> {
    let Found::File(file) = found else { return Ok(Verdict::Continue) };
    if !target.notice.is_valid(listener) {
        return Err(Errno::SRCH);
    }
    let attributes = stat(file.as_fd())?;
    let mut owner = owners.lookup_by(file.as_fd(), &attributes).cloned().unwrap_or_default();
    let (uid, gid) = (target.number(first), target.number(first + 1));
    owner.uid = if uid == SAME { owner.uid } else { uid };
    owner.gid = if gid == SAME { owner.gid } else { gid };
    owners.record(file.as_fd(), &owner)?;
    touch(&file, &attributes);
    Ok(Verdict::DONE)
}

fn touch(file: &OwnedFd, attributes: &Statx) {
    let mode = u32::from(attributes.stx_mode);
    let kind = FileType::from_raw_mode(mode);
    if kind == FileType::Symlink {
        return;
    }
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut kept = mode & 0o7777;
    if kind == FileType::RegularFile {
        kept &= !libc::S_ISUID;
        if mode & libc::S_IXGRP != 0 {
            kept &= !libc::S_ISGID;
        }
        let _ = rustix::fs::removexattr(&*path, c"security.capability");
    }
    // Also where the mode stays: that the file changed shows in its time.
    let _ = rustix::fs::chmod(&*path, Mode::from_raw_mode(kept));
}

/// What is noted of a file; `None` where the kernel's answer is right.
fn noted<'o>(found: &Found, owners: &'o Owners) -> Result<Option<&'o Owner>, Errno> {
    match found {
        Found::File(file) => owners.lookup(file.as_fd()),
        Found::Elsewhere => Ok(None),
    }
}

fn attributes(
    target: &Target<'_>,
    found: Found,
    form: Form,
    result: usize,
    owners: &Owners,
) -> Result<Verdict, Errno> {
    let (Found::File(file), Some(owner)) = (&found, noted(&found, owners)?) else {
        return Ok(Verdict::Continue);
    };
    let mut stat = fstat(file)?;
    (stat.st_uid, stat.st_gid) = (owner.uid, owner.gid);
    if let Some(kind) = &owner.node {
        stat.st_mode = stat.st_mode & 0o7777 | kind_bits(kind);
        let number = device(kind).unwrap_or(Device { major: 0, minor: 0 });
        stat.st_rdev = rustix::fs::makedev(number.major, number.minor) as _;
    }
    let bytes = match form {
        // SAFETY: a struct of plain numbers without padding that matters, as the kernel writes it.
        Form::Native => unsafe {
            std::slice::from_raw_parts((&raw const stat).cast::<u8>(), size_of_val(&stat)).to_vec()
        },
        Form::Stat64 => stat64(&stat),
    };
    target.write(target.notice.argument(result), &bytes)?;
    Ok(Verdict::DONE)
}

/// `struct stat64` of `arch/x86/include/uapi/asm/stat.h`, 96 bytes.
#[expect(clippy::unnecessary_cast, reason = "the fields have other types on other architectures")]
fn stat64(stat: &rustix::fs::Stat) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96);
    bytes.extend((stat.st_dev as u64).to_ne_bytes());
    let words = [0, stat.st_ino as u32, stat.st_mode as u32, stat.st_nlink as u32, stat.st_uid, stat.st_gid];
    words.iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
    bytes.extend((stat.st_rdev as u64).to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend((stat.st_size as u64).to_ne_bytes());
    bytes.extend((stat.st_blksize as u32).to_ne_bytes());
    bytes.extend((stat.st_blocks as u64).to_ne_bytes());
    for (seconds, nanoseconds) in [
        (stat.st_atime as i64, stat.st_atime_nsec as u64),
        (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
    ] {
        bytes.extend((seconds as u32).to_ne_bytes());
        bytes.extend((nanoseconds as u32).to_ne_bytes());
    }
    bytes.extend((stat.st_ino as u64).to_ne_bytes());
    bytes
}

fn statx(target: &Target<'_>, found: Found, owners: &Owners) -> Result<Verdict, Errno> {
    let (Found::File(file), Some(owner)) = (&found, noted(&found, owners)?) else {
        return Ok(Verdict::Continue);
    };
    let mask = rustix::fs::StatxFlags::from_bits_retain(target.number(3));
    let mut stat = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, mask)?;
    (stat.stx_uid, stat.stx_gid) = (owner.uid, owner.gid);
    if let Some(kind) = &owner.node {
        stat.stx_mode = stat.stx_mode & 0o7777 | u16::try_from(kind_bits(kind)).unwrap_or(0);
        let number = device(kind).unwrap_or(Device { major: 0, minor: 0 });
        (stat.stx_rdev_major, stat.stx_rdev_minor) = (number.major, number.minor);
    }
    // SAFETY: the kernel's own struct, of plain numbers.
    let bytes = unsafe { std::slice::from_raw_parts((&raw const stat).cast::<u8>(), size_of_val(&stat)) };
    target.write(target.notice.argument(4), bytes)?;
    Ok(Verdict::DONE)
}

fn kind_bits(kind: &Kind) -> u32 {
    if matches!(kind, Kind::BlockDevice(_)) { libc::S_IFBLK } else { libc::S_IFCHR }
}

/// To whom what is made in `parent` is born: whoever makes it, and in a directory with the
/// setgid bit that directory's group (`inode(7)`).
fn heir(target: &Target<'_>, parent: &OwnedFd, people: &mut People, owners: &Owners) -> Result<Owner, Errno> {
    let (uid, mut gid) = people.maker(target);
    if !owners.is_empty() && !owners.are_real() {
        let attributes = stat(parent.as_fd())?;
        if u32::from(attributes.stx_mode) & libc::S_ISGID != 0 {
            gid = owners.lookup_by(parent.as_fd(), &attributes).map_or(0, |owner| owner.gid);
        }
    }
    Ok(Owner { uid, gid, node: None })
}

/// Permissions less those that the program's mask takes away.
fn masked(target: &Target<'_>, mode: u32) -> Mode {
    let mask = target.status("Umask", 8).unwrap_or(0o022);
    Mode::from_raw_mode(mode & 0o7777 & !mask)
}

/// What is to be done where something is made: the directory, the name, and to whom it is born.
/// `None` where that is nothing special.
fn birth(
    target: &Target<'_>,
    given: &Given,
    people: &mut People,
    owners: &Owners,
    listener: BorrowedFd<'_>,
) -> Result<Option<(OwnedFd, Vec<u8>, Owner)>, Errno> {
    let Some((parent, name)) = target.parent(given)? else { return Ok(None) };
    let owner = heir(target, &parent, people, owners)?;
    match owner == Owner::default() || !target.notice.is_valid(listener) {
        true => Ok(None),
        false => Ok(Some((parent, name, owner))),
    }
}

fn note(parent: &OwnedFd, name: &[u8], owner: &Owner, owners: &mut Owners) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(parent, name, flags, Mode::empty())?;
    owners.record(file.as_fd(), owner)
}

fn directory(
    target: &Target<'_>,
    given: &Given,
    mode: usize,
    people: &mut People,
    owners: &mut Owners,
    listener: BorrowedFd<'_>,
) -> Result<Verdict, Errno> {
    let Some((parent, name, owner)) = birth(target, given, people, owners, listener)? else {
        return Ok(Verdict::Continue);
    };
    mkdirat(&parent, &*name, masked(target, target.number(mode)))?;
    note(&parent, &name, &owner, owners)?;
    Ok(Verdict::DONE)
}

fn link(
    target: &Target<'_>,
    given: &Given,
    people: &mut People,
    owners: &mut Owners,
    listener: BorrowedFd<'_>,
) -> Result<Verdict, Errno> {
    let Some((parent, name, owner)) = birth(target, given, people, owners, listener)? else {
        return Ok(Verdict::Continue);
    };
    let text = target.text(target.notice.argument(0))?;
    symlinkat(&*text, &parent, &*name)?;
    note(&parent, &name, &owner, owners)?;
    Ok(Verdict::DONE)
}

fn node(
    target: &Target<'_>,
    given: &Given,
    mode: usize,
    people: &mut People,
    owners: &mut Owners,
    listener: BorrowedFd<'_>,
) -> Result<Verdict, Errno> {
    let bits = target.number(mode);
    let number = target.notice.argument(mode + 1);
    let number = Device { major: rustix::fs::major(number), minor: rustix::fs::minor(number) };
    let kind = match bits & libc::S_IFMT {
        libc::S_IFCHR => Some(Kind::CharDevice(number)),
        libc::S_IFBLK => Some(Kind::BlockDevice(number)),
        _ => None,
    };
    let special = birth(target, given, people, owners, listener)?;
    let (parent, name, mut owner) = match (special, &kind) {
        (Some(special), _) => special,
        (None, None) => return Ok(Verdict::Continue),
        (None, Some(_)) => match target.parent(given)? {
            Some((parent, name)) => (parent, name, Owner::default()),
            None => return Ok(Verdict::Continue),
        },
    };
    let file_type = match (&kind, bits & libc::S_IFMT) {
        (None, libc::S_IFIFO) => FileType::Fifo,
        (None, libc::S_IFSOCK) => FileType::Socket,
        // A device cannot be made here: an empty file stands for it, and what it is to be is noted.
        _ => FileType::RegularFile,
    };
    mknodat(&parent, &*name, file_type, masked(target, bits), 0)?;
    owner.node = kind;
    note(&parent, &name, &owner, owners)?;
    Ok(Verdict::DONE)
}

/// `open` with `O_CREAT`. Where the file is there, the kernel opens it.
fn open(
    target: &Target<'_>,
    given: &Given,
    flags: u32,
    mode: usize,
    people: &mut People,
    owners: &mut Owners,
    listener: BorrowedFd<'_>,
) -> Result<Verdict, Errno> {
    let flags = flags.cast_signed();
    if flags & libc::O_CREAT == 0 {
        return Ok(Verdict::Continue);
    }
    let Some((parent, name, owner)) = birth(target, given, people, owners, listener)? else {
        return Ok(Verdict::Continue);
    };
    match statat(&parent, &*name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => {}
        _ => return Ok(Verdict::Continue),
    }
    let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&parent, &*name, create, masked(target, target.number(mode)))?;
    owners.record(file.as_fd(), &owner)?;
    if flags & libc::O_EXCL == 0 {
        return Ok(Verdict::Continue);
    }
    // The kernel would find that it is there.
    let own = OFlags::from_bits_retain((flags & !(libc::O_CREAT | libc::O_EXCL)).cast_unsigned());
    let file = openat(&parent, &*name, own | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())?;
    Ok(Verdict::Open(file, flags & libc::O_CLOEXEC != 0))
}
