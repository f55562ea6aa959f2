//! The ids that a user may use beside the own one: `subuid(5)`.
//!
//! Programs in a root want 65536 ids. For an ordinary user, `newuidmap` and `newgidmap` give
//! those that the administrator has set aside. The machine's root needs nobody to give them,
//! and gets a range all the same, so that a package's script never is root outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ctr_forge_plugin::sandbox::Rung;
use ctr_forge_plugin::{Error, ErrorKind, Result};

/// Ids in a root: 0 to 65535, as `nobody` is 65534.
const IDS: u32 = 1 << 16;

/// Where root's range begins unless `/etc/subuid` has one for it: the last of those that
/// systemd sets aside for containers (`systemd-nspawn`, 524288 to 1879048191), which it gives
/// out from the other end.
const ROOT_BASE: u32 = 0x6FFF_0000;

/// A range of ids: inside from, outside from, how many.
type Range = (u32, u32, u32);

/// Which ids a user namespace will have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    users: Vec<Range>,
    groups: Vec<Range>,
}

impl Mapping {
    /// What this user has for a rung; `None` for one without a user namespace.
    pub(crate) fn for_rung(rung: Rung) -> Result<Option<Self>> {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        match rung {
            Rung::Mapped => Self::range(uid, gid).map(Some),
            Rung::Single => Ok(Some(Self::single(uid, gid))),
            Rung::Chroot => Ok(None),
        }
    }

    /// One id: the user's own, or another one in root's place.
    fn single(uid: u32, gid: u32) -> Self {
        match uid {
            0 => Self { users: vec![(0, ROOT_BASE, 1)], groups: vec![(0, ROOT_BASE, 1)] },
            _ => Self { users: vec![(0, uid, 1)], groups: vec![(0, gid, 1)] },
        }
    }

    /// All ids of an installation.
    fn range(uid: u32, gid: u32) -> Result<Self> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = name_of(&passwd, uid);
        let read = |file: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            ranges(&text, name, uid)
        };
        let (users, groups) = (read("/etc/subuid"), read("/etc/subgid"));
        if uid == 0 {
            return Ok(Self { users: for_root(&users), groups: for_root(&groups) });
        }
        if users.is_empty() || groups.is_empty() {
            let file = if users.is_empty() { "/etc/subuid" } else { "/etc/subgid" };
            let who = name.map_or_else(|| uid.to_string(), ToOwned::to_owned);
            let message = format!("{file} gives \"{who}\" no further ids");
            let hint = format!("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {who}");
            return Err(Error::new(ErrorKind::Permission, message).hint(hint));
        }
        Ok(Self { users: beside(uid, &users), groups: beside(gid, &groups) })
    }

    /// Gives a directory to whoever is root inside.
    pub(crate) fn own(&self, directory: &Path) -> Result<()> {
        let first = |ranges: &[Range]| ranges.first().map(|range| range.1);
        std::os::unix::fs::chown(directory, first(&self.users), first(&self.groups))
            .map_err(|e| Error::io(format!("cannot give {} away", directory.display()), e))
    }

    /// Gives the ids to the process `pid`, which is in a new user namespace.
    pub(crate) fn give_to(&self, pid: u32) -> Result<()> {
        let (users, groups) = (lines(&self.users), lines(&self.groups));
        let is_root = rustix::process::geteuid().is_root();
        if !is_root && self.users.len() > 1 {
            return helper("newuidmap", pid, &users).and_then(|()| helper("newgidmap", pid, &groups));
        }
        let write = |file: &str, text: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::write(&path, text).map_err(|e| Error::io(format!("cannot write {path}"), e))
        };
        if !is_root {
            // user_namespaces(7): else a group could be dropped that forbids something.
            write("setgroups", "deny")?;
        }
        write("uid_map", &users).and_then(|()| write("gid_map", &groups))
    }
}

fn helper(program: &str, pid: u32, map: &str) -> Result<()> {
    // Set-uid programs of the system, wherever PATH leads.
    let place = ["/usr/bin", "/bin", "/usr/local/bin"].iter().map(|dir| Path::new(dir).join(program));
    let missing = || {
        Error::new(ErrorKind::MissingTool, format!("{program} is not installed")).hint(
            "Install the package uidmap (Debian, Ubuntu, openSUSE: uidmap or shadow; Fedora: shadow-utils).",
        )
    };
    let place = place.into_iter().find(|path| path.is_file()).ok_or_else(missing)?;
    let output = Command::new(place)
        .arg(pid.to_string())
        .args(map.split_whitespace())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Error::io(format!("cannot run {program}"), e))?;
    if output.status.success() {
        return Ok(());
    }
    let mut error = Error::new(ErrorKind::Permission, format!("{program} refuses"));
    error.causes.push(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    Err(error)
}

/// Lines as the kernel and `newuidmap` want them.
fn lines(ranges: &[Range]) -> String {
    ranges.iter().map(|(inside, outside, count)| format!("{inside} {outside} {count}\n")).collect()
}

/// The first 65536 ids of others for root, who is none of them.
fn for_root(ranges: &[(u32, u32)]) -> Vec<Range> {
    match ranges.iter().find(|(_, count)| *count >= IDS) {
        Some(&(first, _)) => vec![(0, first, IDS)],
        None => vec![(0, ROOT_BASE, IDS)],
    }
}

/// The user as root, the ids of others behind.
fn beside(own: u32, ranges: &[(u32, u32)]) -> Vec<Range> {
    let mut mapped = vec![(0, own, 1)];
    let mut next = 1;
    for &(first, count) in ranges {
        let count = count.min(IDS - next);
        if count > 0 {
            mapped.push((next, first, count));
            next += count;
        }
    }
    mapped
}

/// First id and number of ids of each range that `text` gives the user.
fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let mut ranges = Vec::new();
    for line in text.lines() {
        let mut fields = line.trim().split(':');
        let (Some(owner), Some(first), Some(count)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let mine = name == Some(owner) || owner.parse() == Ok(uid);
        if let (true, Ok(first), Ok(count)) = (mine, first.parse::<u32>(), count.parse::<u32>())
            && count > 0
            && first.checked_add(count).is_some()
        {
            ranges.push((first, count));
        }
    }
    ranges
}

fn name_of(passwd: &str, uid: u32) -> Option<&str> {
    let mut users = passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    users.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_root_and_the_ids_set_aside_follow() {
        let text = "# x\nann:100000:65536\nbob:1:2\n1000:300000:10\nann:no:1\nann:4294967295:9\n";
        let found = ranges(text, Some("ann"), 1000);
        assert_eq!(found, [(100_000, 65_536), (300_000, 10)]);
        assert_eq!(beside(1000, &found), [(0, 1000, 1), (1, 100_000, 65_535)]);
        assert_eq!(beside(5, &[(10, 3), (20, 4)]), [(0, 5, 1), (1, 10, 3), (4, 20, 4)]);
        assert_eq!(lines(&[(0, 5, 1), (1, 10, 3)]), "0 5 1\n1 10 3\n");
    }

    #[test]
    fn root_is_never_root_inside() {
        assert_eq!(for_root(&[(7, 100), (200_000, 70_000)]), [(0, 200_000, IDS)]);
        assert_eq!(for_root(&[]), [(0, ROOT_BASE, IDS)]);
    }

    #[test]
    fn users_are_found_by_their_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbroken\nann:x:1000:1000::/:/bin/sh\n";
        assert_eq!(name_of(passwd, 1000), Some("ann"));
        assert_eq!(name_of(passwd, 1), None);
    }
}
