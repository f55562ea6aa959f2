//! Users and groups of the root, by which the files of packages name their owners.
//!
//! rpm looks each name up in the root's own `etc/passwd` and `etc/group` when the file is made.
//! What belongs to somebody who is not there belongs to root, and loses what would let others act
//! for him (`rpmfilesStat`).

use std::collections::{BTreeMap, HashMap};

use ctr_forge_rootfs::{Entry, RootPath};

const PASSWD: &str = "etc/passwd";
const GROUP: &str = "etc/group";
/// The files of users and groups.
const FILES: [&str; 4] = [PASSWD, GROUP, "etc/shadow", "etc/gshadow"];

/// Numbers by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    users: HashMap<Vec<u8>, u32>,
    groups: HashMap<Vec<u8>, u32>,
    /// Those files as packages have brought them, and their contents.
    files: BTreeMap<String, (Entry, Vec<u8>)>,
}

impl Users {
    /// Takes in lines as of `/etc/passwd` (passwd(5)). Of a name that is known the new number counts.
    pub fn learn_passwd(&mut self, text: &[u8]) {
        learn(&mut self.users, text);
    }

    /// Takes in lines as of `/etc/group` (group(5)). Of a name that is known the new number counts.
    pub fn learn_group(&mut self, text: &[u8]) {
        learn(&mut self.groups, text);
    }

    /// The number of a user; `None` if there is none of that name.
    pub fn user(&self, name: &[u8]) -> Option<u32> {
        find(&self.users, name)
    }

    /// The number of a group; `None` if there is none of that name.
    pub fn group(&self, name: &[u8]) -> Option<u32> {
        find(&self.groups, name)
    }

    /// A file of users or groups as a package has brought it.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.files.get(path).map(|(entry, _)| entry)
    }

    /// The contents of the files of users and groups that packages have brought, by path.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        self.files.iter().map(|(path, (_, content))| (path.clone(), content.clone())).collect()
    }

    /// Whether a file with this path is one that users are learned from.
    pub(super) fn wants(path: &RootPath) -> bool {
        FILES.iter().any(|wanted| wanted.as_bytes() == path.as_bytes())
    }

    /// Takes in such a file.
    pub(super) fn learn(&mut self, entry: &Entry, content: &[u8]) {
        let Some(path) = FILES.into_iter().find(|path| path.as_bytes() == entry.path.as_bytes()) else {
            return;
        };
        match path {
            PASSWD => self.learn_passwd(content),
            GROUP => self.learn_group(content),
            _ => {}
        }
        self.files.insert(path.to_owned(), (entry.clone(), content.to_vec()));
    }
}

fn find(known: &HashMap<Vec<u8>, u32>, name: &[u8]) -> Option<u32> {
    match name {
        b"root" => Some(0),
        name => known.get(name).copied(),
    }
}

/// The third field of each line by the first; of a text's lines the first counts.
fn learn(known: &mut HashMap<Vec<u8>, u32>, text: &[u8]) {
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    for line in lines.into_iter().rev() {
        let mut fields = line.split(|&byte| byte == b':');
        let (name, number) = (fields.next(), fields.nth(1));
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if let (Some(name), Some(number)) = (name, number) {
            known.insert(name.to_vec(), number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_name() {
        let mut users = Users::default();
        users.learn_passwd(
            b"root:x:7:7:::\nann:x:1000:100:Ann:/home/ann:/bin/sh\nann:x:1:1:::\nbroken\nx:y:z\n",
        );
        users.learn_group(b"mail:x:12:\n");
        assert_eq!((users.user(b"root"), users.user(b"ann"), users.user(b"x")), (Some(0), Some(1000), None));
        assert_eq!(
            (users.group(b"mail"), users.group(b"ann"), users.group(b"root")),
            (Some(12), None, Some(0))
        );
        users.learn_passwd(b"ann:x:1001:100:::\nbob:x:1002:100:::");
        assert_eq!((users.user(b"ann"), users.user(b"bob")), (Some(1001), Some(1002)));
    }
}
