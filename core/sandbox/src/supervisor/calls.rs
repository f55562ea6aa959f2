//! The calls that are answered, by architecture.
//!
//! Numbers are those of `arch/x86/entry/syscalls/syscall_{64,32}.tbl` and
//! `include/uapi/asm-generic/unistd.h`.

use super::notice::Notice;

/// `AUDIT_ARCH_*` of `linux/audit.h`.
pub(super) const X86_64: u32 = 0xC000_003E;
pub(super) const I386: u32 = 0x4000_0003;
pub(super) const AARCH64: u32 = 0xC000_00B7;

/// A call that is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Person(Person),
    File(FileCall),
}

/// Calls about who a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    SetUid,
    SetGid,
    SetReUid,
    SetReGid,
    SetResUid,
    SetResGid,
    SetFsUid,
    SetFsGid,
    SetGroups,
    GetUid,
    GetGid,
    GetEuid,
    GetEgid,
    GetResUid,
    GetResGid,
    GetGroups,
}

/// Calls about files. `At` has a directory first; of those without, `Fd` has a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileCall {
    Chown,
    Lchown,
    Fchown,
    FchownAt,
    Stat(Form),
    Lstat(Form),
    Fstat(Form),
    FstatAt(Form),
    Statx,
    Mknod,
    MknodAt,
    Mkdir,
    MkdirAt,
    Symlink,
    SymlinkAt,
    Open,
    OpenAt,
    Creat,
}

/// The layout of attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `struct stat` of a 64-bit architecture.
    Native,
    /// `struct stat64` of i386.
    Stat64,
}

use FileCall as F;
use Person as P;

const fn p(call: Person) -> Call {
    Call::Person(call)
}

const fn f(call: FileCall) -> Call {
    Call::File(call)
}

/// Number and call.
pub(super) type Numbers = &'static [(u32, Call)];

pub(super) const ON_X86_64: Numbers = &[
    (2, f(F::Open)),
    (4, f(F::Stat(Form::Native))),
    (5, f(F::Fstat(Form::Native))),
    (6, f(F::Lstat(Form::Native))),
    (83, f(F::Mkdir)),
    (85, f(F::Creat)),
    (88, f(F::Symlink)),
    (92, f(F::Chown)),
    (93, f(F::Fchown)),
    (94, f(F::Lchown)),
    (102, p(P::GetUid)),
    (104, p(P::GetGid)),
    (105, p(P::SetUid)),
    (106, p(P::SetGid)),
    (107, p(P::GetEuid)),
    (108, p(P::GetEgid)),
    (113, p(P::SetReUid)),
    (114, p(P::SetReGid)),
    (115, p(P::GetGroups)),
    (116, p(P::SetGroups)),
    (117, p(P::SetResUid)),
    (118, p(P::GetResUid)),
    (119, p(P::SetResGid)),
    (120, p(P::GetResGid)),
    (122, p(P::SetFsUid)),
    (123, p(P::SetFsGid)),
    (133, f(F::Mknod)),
    (257, f(F::OpenAt)),
    (258, f(F::MkdirAt)),
    (259, f(F::MknodAt)),
    (260, f(F::FchownAt)),
    (262, f(F::FstatAt(Form::Native))),
    (266, f(F::SymlinkAt)),
    (332, f(F::Statx)),
];

pub(super) const ON_I386: Numbers = &[
    (5, f(F::Open)),
    (8, f(F::Creat)),
    (14, f(F::Mknod)),
    (39, f(F::Mkdir)),
    (83, f(F::Symlink)),
    (195, f(F::Stat(Form::Stat64))),
    (196, f(F::Lstat(Form::Stat64))),
    (197, f(F::Fstat(Form::Stat64))),
    (198, f(F::Lchown)),
    (199, p(P::GetUid)),
    (200, p(P::GetGid)),
    (201, p(P::GetEuid)),
    (202, p(P::GetEgid)),
    (203, p(P::SetReUid)),
    (204, p(P::SetReGid)),
    (205, p(P::GetGroups)),
    (206, p(P::SetGroups)),
    (207, f(F::Fchown)),
    (208, p(P::SetResUid)),
    (209, p(P::GetResUid)),
    (210, p(P::SetResGid)),
    (211, p(P::GetResGid)),
    (212, f(F::Chown)),
    (213, p(P::SetUid)),
    (214, p(P::SetGid)),
    (215, p(P::SetFsUid)),
    (216, p(P::SetFsGid)),
    (295, f(F::OpenAt)),
    (296, f(F::MkdirAt)),
    (297, f(F::MknodAt)),
    (298, f(F::FchownAt)),
    (300, f(F::FstatAt(Form::Stat64))),
    (304, f(F::SymlinkAt)),
    (383, f(F::Statx)),
];

pub(super) const ON_AARCH64: Numbers = &[
    (33, f(F::MknodAt)),
    (34, f(F::MkdirAt)),
    (36, f(F::SymlinkAt)),
    (54, f(F::FchownAt)),
    (55, f(F::Fchown)),
    (56, f(F::OpenAt)),
    (79, f(F::FstatAt(Form::Native))),
    (80, f(F::Fstat(Form::Native))),
    (143, p(P::SetReGid)),
    (144, p(P::SetGid)),
    (145, p(P::SetReUid)),
    (146, p(P::SetUid)),
    (147, p(P::SetResUid)),
    (148, p(P::GetResUid)),
    (149, p(P::SetResGid)),
    (150, p(P::GetResGid)),
    (151, p(P::SetFsUid)),
    (152, p(P::SetFsGid)),
    (158, p(P::GetGroups)),
    (159, p(P::SetGroups)),
    (174, p(P::GetUid)),
    (175, p(P::GetEuid)),
    (176, p(P::GetGid)),
    (177, p(P::GetEgid)),
    (291, f(F::Statx)),
];

/// `fsync`, `fdatasync`, `sync`, `syncfs`, `msync`, `sync_file_range`: the tree is thrown away
/// on failure anyway, so nothing has to reach the disk.
pub(super) fn syncs(arch: u32) -> &'static [u32] {
    match arch {
        X86_64 => &[26, 74, 75, 162, 277, 306],
        I386 => &[36, 118, 144, 148, 314, 344],
        _ => &[81, 82, 83, 84, 227, 267],
    }
}

/// What could do the same by other ways, and programs do without: `openat2`, whose flags no
/// filter sees, and `io_uring_*`, whose calls none sees. Numbers are the same everywhere.
pub(super) const REFUSED: &[u32] = &[425, 426, 427, 437];

/// The newest call that is known: `file_setattr` of Linux 6.17.
pub(super) const NEWEST: u32 = 469;

/// The calls of an architecture; `None` where it has none that is answered.
pub(super) fn of(arch: u32) -> Option<Numbers> {
    match arch {
        X86_64 => Some(ON_X86_64),
        I386 => Some(ON_I386),
        AARCH64 => Some(ON_AARCH64),
        _ => None,
    }
}

/// The architectures whose programs this machine runs.
pub(super) fn of_this_machine() -> &'static [u32] {
    match std::env::consts::ARCH {
        "x86_64" => &[X86_64, I386],
        "aarch64" => &[AARCH64],
        _ => &[],
    }
}

impl Call {
    /// Which call waits.
    pub(super) fn of(notice: &Notice) -> Option<Self> {
        let number = u32::try_from(notice.number()).ok()?;
        of(notice.arch())?.iter().find(|(known, _)| *known == number).map(|(_, call)| *call)
    }
}
