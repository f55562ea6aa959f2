//! What an entry takes over from the host: owner, mode, time, extended attributes.

use std::os::fd::AsFd;

use rustix::fs::{FileType, Statx};
use rustix::io::Errno;

use super::{Attributes, capability};
use crate::{Entry, Kind, RootPath, Xattrs};

/// The most that the kernel stores, of names as of one value
/// (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX` in `linux/limits.h`).
const XATTR_MAX: usize = 65536;

impl Attributes {
    /// The entry at `path` for an object with these attributes on the host.
    pub(super) fn entry(&self, path: RootPath, kind: Kind, stat: &Statx) -> Entry {
        // The mask drops the type.
        let mode = stat.stx_mode & 0o7777;
        match *self {
            Attributes::Preserve => Entry {
                uid: stat.stx_uid,
                gid: stat.stx_gid,
                mtime: stat.stx_mtime.tv_sec,
                ..Entry::new(path, kind, mode)
            },
            Attributes::Plain { mtime } => {
                // Not the entry's kind: a second name of a symbolic link is a hard link.
                let mode = match FileType::from_raw_mode(stat.stx_mode.into()) {
                    FileType::Symlink => 0o777,
                    FileType::Directory => 0o755,
                    _ if mode & 0o111 != 0 => 0o755,
                    _ => 0o644,
                };
                Entry { mtime, ..Entry::new(path, kind, mode) }
            }
        }
    }
}

/// Whether an attribute says something about the file itself, and not about
/// this host: SELinux labels follow its policy, IMA and EVM values its keys,
/// `trusted.overlay.*` is how overlayfs keeps its books in a layer's directory.
fn travels(name: &[u8]) -> bool {
    match name {
        b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default" => true,
        _ if name.starts_with(b"trusted.overlay.") => false,
        _ => name.starts_with(b"user.") || name.starts_with(b"trusted."),
    }
}

/// The extended attributes of an open file or directory that belong in an image.
pub(super) fn xattrs(file: impl AsFd) -> Result<Xattrs, Errno> {
    let mut xattrs = Xattrs::default();
    // Most files have none: to ask with room for none spares them the buffer.
    match rustix::fs::flistxattr(&file, &mut [0; 1][..]) {
        // Not every file system has them.
        Ok(0) | Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(xattrs),
        Ok(_) | Err(Errno::RANGE) => {}
        Err(error) => return Err(error),
    }
    let mut names = vec![0; XATTR_MAX];
    let length = rustix::fs::flistxattr(&file, &mut names[..])?;
    let mut value = Vec::new();
    for name in names[..length].split(|&byte| byte == 0).filter(|name| travels(name)) {
        value.resize(XATTR_MAX, 0);
        match rustix::fs::fgetxattr(&file, name, &mut value[..]) {
            // Removed since it was listed.
            Err(Errno::NODATA) => {}
            result => xattrs.insert(name, &value[..result?]),
        }
    }
    capability::forget_namespace(&mut xattrs);
    Ok(xattrs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_host_stay_behind() {
        for name in ["user.x", "trusted.x", "security.capability", "system.posix_acl_default"] {
            assert!(travels(name.as_bytes()), "{name}");
        }
        for name in ["security.selinux", "security.ima", "trusted.overlay.opaque", "system.nfs4_acl", ""] {
            assert!(!travels(name.as_bytes()), "{name}");
        }
    }
}
