//! Where a path leads once the symbolic links of the tree are followed.
//!
//! The rules are the kernel's for `openat2(2)` with `RESOLVE_IN_ROOT`: an
//! absolute target starts again at the root, `..` at the root stays there. One
//! rule is wider: what does not exist may still be made, so a path may lead on
//! through missing directories.

use super::Names;
use crate::{PathError, RootPath};

/// Links followed for one path before it counts as leading nowhere; the
/// kernel's limit (`MAXSYMLINKS` in `linux/namei.h`).
const MAX_LINKS: u32 = 40;

/// Whether a link at the very end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Stays,
    IsFollowed,
}

/// Why a path leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// This component of the path is no directory and leads to none.
    At(RootPath),
    /// Links lead to something that is no path.
    Path(PathError),
}

impl From<PathError> for Blocked {
    fn from(error: PathError) -> Self {
        Blocked::Path(error)
    }
}

/// The path without links that `path` leads to. All of it that exists, but for
/// the last component, is directories.
pub(super) fn resolve(names: &Names, path: &RootPath, last: Last) -> Result<RootPath, Blocked> {
    let mut here = RootPath::root();
    // Innermost component first. The first `own` of these were in `path`, the
    // others come from links.
    let mut rest: Vec<Box<[u8]>> = path.components().map(Box::from).collect();
    rest.reverse();
    let mut own = rest.len();
    let mut named = RootPath::root();
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match &*part {
            b"" | b"." => continue,
            b".." => {
                here = here.parent().unwrap_or_default();
                continue;
            }
            _ => {}
        }
        let next = here.join(&part)?;
        if rest.len() < own {
            own = rest.len();
            named = next.clone();
        }
        match names.get(&next) {
            Some(inode) if rest.is_empty() && (last == Last::Stays || inode.link_target().is_none()) => {
                here = next;
            }
            None => here = next,
            Some(inode) if inode.is_directory() => here = next,
            Some(inode) => {
                let Some(target) = inode.link_target().filter(|_| links < MAX_LINKS) else {
                    return Err(Blocked::At(named));
                };
                links += 1;
                if target.starts_with(b"/") {
                    here = RootPath::root();
                }
                rest.extend(target.split(|&byte| byte == b'/').rev().map(Box::from));
            }
        }
    }
    Ok(here)
}
