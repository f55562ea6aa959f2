//! Users and groups that packages declare, made before the files that are theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ctr_forge_plugin::{Error, Host, Result};
use ctr_forge_rootfs::{Entry, Kind, RootPath, TOUCHED};

use super::accounts::Accounts;
use super::sysusers::Line;
use crate::install::{Install, Users};

pub(crate) const PASSWD: &str = "etc/passwd";
pub(crate) const GROUP: &str = "etc/group";

/// The files of users and groups, with the modes that they have where no package brings them.
pub(crate) const FILES: [(&str, u16); 4] =
    [(PASSWD, 0o644), (GROUP, 0o644), ("etc/shadow", 0), ("etc/gshadow", 0)];

const DAY: i64 = 24 * 60 * 60;

/// What packages have declared so far.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// By file of the packages, in their order.
    files: Vec<Vec<Line>>,
    /// What the user was told cannot be: all is tried again with each package.
    told: BTreeSet<String>,
}

impl Declared {
    /// Takes note of what a package declares, by its files.
    pub(crate) fn add(&mut self, files: &[Vec<Line>]) {
        self.files.extend_from_slice(files);
    }

    /// These contents of the four files, with all that was declared and is not there. The dates of
    /// passwords are those of `epoch`, in seconds since 1970.
    pub(crate) fn apply(&mut self, contents: Contents, epoch: i64, host: &Host) -> Contents {
        let take = |path: &str| contents.get(path).cloned();
        let [passwd, group, shadow, gshadow] = FILES.map(|(path, _)| take(path));
        let mut accounts = Accounts {
            passwd: passwd.unwrap_or_default(),
            group: group.unwrap_or_default(),
            shadow,
            gshadow,
            day: u32::try_from(epoch.div_euclid(DAY)).unwrap_or(0),
        };
        for lines in &self.files {
            for error in accounts.apply(lines) {
                let what = error.to_string();
                if self.told.insert(what.clone()) {
                    host.warn(what);
                }
            }
        }
        let Accounts { passwd, group, shadow, gshadow, .. } = accounts;
        // Where nobody is declared, no file is made.
        let is_there =
            |(path, _): &(&str, u16), content: &[u8]| contents.contains_key(*path) || !content.is_empty();
        let after = FILES.iter().zip([Some(passwd), Some(group), shadow, gshadow]);
        let after = after.filter_map(|(file, content)| Some((file, content?)));
        after
            .filter(|(file, content)| is_there(file, content))
            .map(|((path, _), content)| ((*path).to_owned(), content))
            .collect()
    }
}

/// Contents of files by their paths.
pub(crate) type Contents = BTreeMap<String, Vec<u8>>;

/// Lets the files of the next packages belong to these users and groups.
pub(crate) fn learn(users: &mut Users, contents: &Contents) {
    let of = |path: &str| contents.get(path).map(Vec::as_slice).unwrap_or_default();
    users.learn_passwd(of(PASSWD));
    users.learn_group(of(GROUP));
}

/// Writes files whose content is not that of `before` into the stream, as they were but for that.
pub(crate) fn write<W: Write>(
    install: &mut Install<'_, W>,
    before: &Contents,
    after: &Contents,
) -> Result<()> {
    for (path, mode) in FILES {
        let Some(content) = after.get(path).filter(|content| before.get(path) != Some(content)) else {
            continue;
        };
        let size = content.len() as u64;
        let entry = match install.users_mut().entry(path) {
            Some(entry) => Entry { kind: Kind::File { size }, mtime: TOUCHED, ..entry.clone() },
            None => {
                let path = RootPath::new(path.as_bytes()).map_err(|e| Error::plugin(e.to_string()))?;
                Entry { mtime: TOUCHED, ..Entry::new(path, Kind::File { size }, mode) }
            }
        };
        let written = install.sink_mut().entry(&entry, &mut &content[..]);
        written.map_err(|e| Error::plugin("cannot write users and groups").because(&e))?;
    }
    Ok(())
}
