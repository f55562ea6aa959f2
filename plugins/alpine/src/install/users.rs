//! Users and groups of the root, by which the files of packages name their owners.
//!
//! apk looks each name up in the root's own `etc/passwd` and `etc/group`, so that a user that a
//! script has made with the next free number has the files that are his. The number in the
//! package counts where there is no such name.

use std::collections::HashMap;

use ctr_forge_rootfs::RootPath;

pub(crate) const PASSWD: &str = "etc/passwd";
pub(crate) const GROUP: &str = "etc/group";

/// Numbers by name.
#[derive(Debug, Default)]
pub(crate) struct Users {
    users: HashMap<Vec<u8>, u32>,
    groups: HashMap<Vec<u8>, u32>,
}

impl Users {
    /// Takes in a file, if it is one of those.
    pub(crate) fn learn(&mut self, path: &RootPath, content: &[u8]) {
        match path.as_bytes() {
            bytes if bytes == PASSWD.as_bytes() => self.users = numbers(content),
            bytes if bytes == GROUP.as_bytes() => self.groups = numbers(content),
            _ => {}
        }
    }

    pub(super) fn user(&self, name: &[u8], number: u32) -> u32 {
        lookup(&self.users, name, number)
    }

    pub(super) fn group(&self, name: &[u8], number: u32) -> u32 {
        lookup(&self.groups, name, number)
    }
}

fn lookup(known: &HashMap<Vec<u8>, u32>, name: &[u8], number: u32) -> u32 {
    match name {
        b"" => number,
        b"root" => 0,
        name => known.get(name).copied().unwrap_or(number),
    }
}

/// The third field of each line by the first (passwd(5), group(5)); the first line counts.
fn numbers(content: &[u8]) -> HashMap<Vec<u8>, u32> {
    let mut numbers = HashMap::new();
    for line in content.split(|&byte| byte == b'\n') {
        let mut fields = line.split(|&byte| byte == b':');
        let (name, number) = (fields.next(), fields.nth(1));
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if let (Some(name), Some(number)) = (name, number) {
            numbers.entry(name.to_vec()).or_insert(number);
        }
    }
    numbers
}
