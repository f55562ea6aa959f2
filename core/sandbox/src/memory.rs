//! How much memory a root may take that is built in it.
//!
//! A root is ten thousands of small files that nobody needs once the stream is written. On a disk
//! each costs a journal, an inode and its removal; in a tmpfs of the sandbox's own mount namespace
//! it costs nothing of that, and all goes with the process. But memory that is full ends builds, so
//! it is used only where there is far more than needed.

use std::fs;
use std::path::{Path, PathBuf};

/// How often what is expected has to fit.
const MARGIN: u64 = 4;

/// The most bytes that a root of about `bytes` may take in memory; `None` where it belongs on disk.
pub(crate) fn limit(bytes: u64) -> Option<u64> {
    limit_of(bytes, available()?)
}

fn limit_of(bytes: u64, available: u64) -> Option<u64> {
    (bytes.checked_mul(MARGIN)? <= available).then_some(available / 2)
}

/// What is free, of the machine and of each control group that this process is in.
fn available() -> Option<u64> {
    let machine = field(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?.checked_mul(1024)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let headroom = groups.lines().filter_map(group).flat_map(|(root, path, files)| {
        let directories: Vec<PathBuf> = path.ancestors().map(|part| root.join(part)).collect();
        directories.into_iter().filter_map(move |directory| headroom(&directory, files))
    });
    Some(headroom.fold(machine, u64::min))
}

/// What the files of a control group are called: the limit, what is used, and what of that the
/// kernel can take back.
type Files = [&'static str; 3];

/// Where a line of `/proc/self/cgroup` leads (cgroups(7)), if it is about memory.
fn group(line: &str) -> Option<(&'static Path, PathBuf, Files)> {
    let mut fields = line.splitn(3, ':');
    let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let path = PathBuf::from(path.trim_start_matches('/'));
    match (id, controllers) {
        ("0", "") => {
            Some((Path::new("/sys/fs/cgroup"), path, ["memory.max", "memory.current", "inactive_file"]))
        }
        (_, controllers) if controllers.split(',').any(|one| one == "memory") => Some((
            Path::new("/sys/fs/cgroup/memory"),
            path,
            ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"],
        )),
        _ => None,
    }
}

fn headroom(directory: &Path, [limit, used, inactive]: Files) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(directory.join(name)).ok()?.trim().parse::<u64>().ok();
    // "max" is no limit.
    let (limit, used) = (number(limit)?, number(used)?);
    let stat = fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
    let inactive = field(&stat, inactive).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(inactive)))
}

/// The number after a word at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| (words.next()? == name).then(|| words.next()?.parse().ok())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_fits_well_is_built_in_memory() {
        assert_eq!(limit_of(100, 400), Some(200));
        assert_eq!(limit_of(100, 399), None);
        assert_eq!(limit_of(u64::MAX, u64::MAX), None);
        assert!(available().is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn limits_of_groups_count() {
        let directory = tempfile::tempdir().unwrap();
        let files = group("0::/a/b").unwrap().2;
        let put = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        put("memory.max", "max\n");
        put("memory.current", "700\n");
        assert_eq!(headroom(directory.path(), files), None);
        put("memory.max", "1000\n");
        assert_eq!(headroom(directory.path(), files), Some(300));
        put("memory.stat", "anon 5\ninactive_file 200\n");
        assert_eq!(headroom(directory.path(), files), Some(500));
        assert_eq!(group("4:cpu,memory:/x").unwrap().1, Path::new("x"));
        assert!(group("5:cpu:/x").is_none() && group("").is_none());
    }
}
