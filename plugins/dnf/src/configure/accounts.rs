//! Users and groups of the root, as systemd-sysusers adds what a package declares (systemd's
//! `src/sysusers/sysusers.c`).
//!
//! Numbers that a line fixes are given if nobody has them. Others are sought from 999 downward,
//! for users and groups together, so that a user and the group of the same name have the same
//! number. The order of the lines decides who is first, and nothing else: the same packages in the
//! same order have the same numbers.

use std::borrow::Cow;
use std::collections::HashMap;

use super::sysusers::{Line, Primary, User};

/// The numbers that are given to those who want none in particular. The lower end of a
/// distribution (`SYS_UID_MIN` of login.defs(5)) is never reached by a root that works.
const FIRST: u32 = 1;
const LAST: u32 = 999;

/// A password that nothing comes to.
const LOCKED: &str = "!*";
const NOLOGIN: &str = "/usr/sbin/nologin";
const ROOT_SHELL: &str = "/bin/sh";

/// The contents of `etc/passwd`, `etc/group`, `etc/shadow` and `etc/gshadow`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// passwd(5)
    pub passwd: Vec<u8>,
    /// group(5)
    pub group: Vec<u8>,
    /// shadow(5); where there is none, it is made for new users, to be of mode 0000.
    pub shadow: Option<Vec<u8>>,
    /// gshadow(5); where there is none, it is made for new groups, to be of mode 0000.
    pub gshadow: Option<Vec<u8>>,
    /// The date of new passwords: days since 1970.
    pub day: u32,
}

/// What cannot be added. systemd-sysusers says so and goes on, and so does rpm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The user is to be in a group that nobody declares.
    #[error("user {user} cannot be added, as there is no group {group}")]
    NoGroup {
        /// The user.
        user: String,
        /// The name or number of the group.
        group: String,
    },
    /// All numbers are taken.
    #[error("{name} cannot be added, as no number from {FIRST} to {LAST} is free")]
    NoNumber {
        /// The user or group.
        name: String,
    },
}

impl Accounts {
    /// Adds what the lines of one file declare and is not there.
    ///
    /// Returns what cannot be added.
    pub fn apply(&mut self, lines: &[Line]) -> Vec<AccountError> {
        let wanted = Wanted::of(lines);
        let mut change = Change {
            users: Numbers::read(&self.passwd),
            groups: Numbers::read(&self.group),
            next: LAST,
            new_users: Vec::new(),
            new_groups: Vec::new(),
        };
        let mut errors = Vec::new();
        for &(name, gid) in &wanted.groups {
            errors.extend(change.add_group(name, gid, None, false).err());
        }
        for user in &wanted.users {
            errors.extend(change.add_user(user).err());
        }
        let Change { new_users, new_groups, .. } = change;
        self.write_groups(&new_groups, &wanted.members);
        self.write_users(&new_users);
        errors
    }

    fn write_groups(&mut self, groups: &[(&str, u32)], members: &Members<'_>) {
        add_members(&mut self.group, members);
        if let Some(gshadow) = &mut self.gshadow {
            add_members(gshadow, members);
        }
        for (name, number) in groups {
            let list = join(&[], members.of(name));
            append(&mut self.group, &format!("{name}:x:{number}:{list}"));
            append(self.gshadow.get_or_insert_default(), &format!("{name}:{LOCKED}::{list}"));
        }
    }

    fn write_users(&mut self, users: &[(&User, u32, u32)]) {
        for &(user, uid, gid) in users {
            let User { name, gecos, .. } = user;
            let home = user.home.as_deref().unwrap_or("/");
            let usual = if uid == 0 { ROOT_SHELL } else { NOLOGIN };
            let shell = user.shell.as_deref().unwrap_or(usual);
            append(&mut self.passwd, &format!("{name}:x:{uid}:{gid}:{gecos}:{home}:{shell}"));
            // A date long past: no way of logging in is left, not even one without a password.
            let expiry = if user.is_locked { "1" } else { "" };
            let line = format!("{name}:{LOCKED}:{}:::::{expiry}:", self.day);
            append(self.shadow.get_or_insert_default(), &line);
        }
    }
}

/// What lines declare. Of two lines for one name the first counts.
struct Wanted<'a> {
    users: Vec<Cow<'a, User>>,
    groups: Vec<(&'a str, Option<u32>)>,
    members: Members<'a>,
}

/// The groups that are to have members, and these.
struct Members<'a>(Vec<(&'a str, Vec<&'a str>)>);

impl<'a> Wanted<'a> {
    fn of(lines: &'a [Line]) -> Self {
        let mut wanted = Self { users: Vec::new(), groups: Vec::new(), members: Members(Vec::new()) };
        for line in lines {
            match line {
                Line::User(user) if !wanted.has_user(&user.name) => {
                    wanted.users.push(Cow::Borrowed(user));
                }
                Line::Group { name, gid } if !wanted.has_group(name) => wanted.groups.push((name, *gid)),
                Line::Member { user, group } => wanted.members.add(group, user),
                _ => {}
            }
        }
        wanted.add_implied();
        wanted
    }

    /// Who is to be a member is to be there, and so is the group.
    fn add_implied(&mut self) {
        for (group, users) in std::mem::take(&mut self.members.0) {
            for &name in &users {
                if !self.has_user(name) {
                    let user = User { name: name.to_owned(), ..User::default() };
                    self.users.push(Cow::Owned(user));
                }
            }
            if !self.has_user(group) && !self.has_group(group) {
                self.groups.push((group, None));
            }
            self.members.0.push((group, users));
        }
    }

    fn has_user(&self, name: &str) -> bool {
        self.users.iter().any(|user| user.name == name)
    }

    fn has_group(&self, name: &str) -> bool {
        self.groups.iter().any(|(group, _)| *group == name)
    }
}

impl<'a> Members<'a> {
    fn add(&mut self, group: &'a str, user: &'a str) {
        match self.0.iter_mut().find(|(name, _)| *name == group) {
            Some((_, users)) => users.push(user),
            None => self.0.push((group, vec![user])),
        }
    }

    fn of(&self, group: &str) -> &[&'a str] {
        self.0.iter().find(|(name, _)| *name == group).map_or(&[], |(_, users)| users)
    }
}

/// What comes to the files.
struct Change<'a> {
    users: Numbers,
    groups: Numbers,
    /// The next number to try.
    next: u32,
    new_users: Vec<(&'a User, u32, u32)>,
    new_groups: Vec<(&'a str, u32)>,
}

impl<'a> Change<'a> {
    /// The number of a group, which is added if there is none of this name. Where only the group
    /// that has a number will do (`is_strict`), none is added.
    fn add_group(
        &mut self,
        name: &'a str,
        gid: Option<u32>,
        uid: Option<u32>,
        is_strict: bool,
    ) -> Result<u32, AccountError> {
        let is_new = self.is_new_group(name);
        if let Some(gid) = self.groups.number(name).filter(|_| !is_strict || !is_new) {
            return Ok(gid);
        }
        if let Some(gid) = gid.filter(|_| is_strict) {
            let no_group = || AccountError::NoGroup { user: name.to_owned(), group: gid.to_string() };
            return if self.groups.has(gid) { Ok(gid) } else { Err(no_group()) };
        }
        let gid = gid.filter(|&gid| !self.groups.has(gid));
        let gid = gid.or_else(|| uid.filter(|&uid| self.is_free_for_group(uid, name)));
        let gid = match gid {
            Some(gid) => gid,
            None => self.search(name, Self::is_free_for_group)?,
        };
        self.groups.add(name, gid);
        self.new_groups.push((name, gid));
        Ok(gid)
    }

    fn add_user(&mut self, user: &'a User) -> Result<(), AccountError> {
        let name = &*user.name;
        let (gid, is_strict) = self.primary(user)?;
        if self.users.number(name).is_some() {
            return Ok(());
        }
        let is_fit = |uid: &u32| match is_strict {
            true => !self.users.has(*uid),
            false => self.is_free_for_user(*uid, name),
        };
        let uid = user.uid.filter(is_fit);
        let uid = match uid.or_else(|| Some(gid).filter(|&gid| self.is_free_for_user(gid, name))) {
            Some(uid) => uid,
            None => self.search(name, Self::is_free_for_user)?,
        };
        self.users.add(name, uid);
        self.new_users.push((user, uid, gid));
        Ok(())
    }

    /// The number of a user's first group, and whether that was declared apart from the user: then
    /// it says nothing of the user's own number.
    fn primary(&mut self, user: &'a User) -> Result<(u32, bool), AccountError> {
        let name = &*user.name;
        match &user.group {
            Primary::Number(gid) => self.add_group(name, Some(*gid), user.uid, true).map(|gid| (gid, true)),
            Primary::Named(group) => match self.groups.number(group) {
                Some(gid) => Ok((gid, true)),
                None => Err(AccountError::NoGroup { user: name.to_owned(), group: group.clone() }),
            },
            Primary::Own => {
                let is_strict = self.is_new_group(name);
                self.add_group(name, None, user.uid, false).map(|gid| (gid, is_strict))
            }
        }
    }

    fn is_new_group(&self, name: &str) -> bool {
        self.new_groups.iter().any(|(group, _)| *group == name)
    }

    /// Not where a user of another name has it.
    fn is_free_for_group(&self, number: u32, name: &str) -> bool {
        !self.groups.has(number) && self.users.name(number).is_none_or(|user| user == name.as_bytes())
    }

    /// Not where a group of another name has it.
    fn is_free_for_user(&self, number: u32, name: &str) -> bool {
        !self.users.has(number) && self.groups.name(number).is_none_or(|group| group == name.as_bytes())
    }

    /// The next free number. What was tried once is not tried again.
    fn search(&mut self, name: &str, is_free: fn(&Self, u32, &str) -> bool) -> Result<u32, AccountError> {
        while self.next >= FIRST {
            let number = self.next;
            self.next -= 1;
            if is_free(self, number, name) {
                return Ok(number);
            }
        }
        Err(AccountError::NoNumber { name: name.to_owned() })
    }
}

/// Names and numbers of a file. The first line for each counts.
#[derive(Default)]
struct Numbers {
    by_name: HashMap<Vec<u8>, u32>,
    by_number: HashMap<u32, Vec<u8>>,
}

impl Numbers {
    fn read(content: &[u8]) -> Self {
        let mut numbers = Self::default();
        for line in content.split(|&byte| byte == b'\n') {
            let mut fields = line.split(|&byte| byte == b':');
            let (name, number) = (fields.next(), fields.nth(1));
            let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            if let (Some(name), Some(number)) = (name, number) {
                numbers.by_name.entry(name.to_vec()).or_insert(number);
                numbers.by_number.entry(number).or_insert_with(|| name.to_vec());
            }
        }
        numbers
    }

    fn add(&mut self, name: &str, number: u32) {
        self.by_name.insert(name.into(), number);
        self.by_number.entry(number).or_insert_with(|| name.into());
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.by_name.get(name.as_bytes()).copied()
    }

    fn name(&self, number: u32) -> Option<&[u8]> {
        self.by_number.get(&number).map(Vec::as_slice)
    }

    fn has(&self, number: u32) -> bool {
        self.by_number.contains_key(&number)
    }
}

/// Adds members to the groups that are there.
fn add_members(content: &mut Vec<u8>, members: &Members<'_>) {
    let lines = content.split(|&byte| byte == b'\n');
    let lines = lines.map(|line| with_members(line, members).unwrap_or_else(|| line.to_vec()));
    *content = lines.collect::<Vec<_>>().join(&b'\n');
}

/// A line of group(5) or gshadow(5) with its new members, if there are any.
fn with_members(line: &[u8], members: &Members<'_>) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let fields: Vec<&str> = text.split(':').collect();
    let [name, password, third, list] = fields[..] else { return None };
    let old: Vec<&str> = list.split(',').filter(|member| !member.is_empty()).collect();
    let new = members.of(name);
    let is_new = new.iter().any(|member| !old.contains(member));
    is_new.then(|| format!("{name}:{password}:{third}:{}", join(&old, new)).into_bytes())
}

/// Members, sorted, each once.
fn join(old: &[&str], new: &[&str]) -> String {
    let mut all = [old, new].concat();
    all.sort_unstable();
    all.dedup();
    all.join(",")
}

fn append(content: &mut Vec<u8>, line: &str) {
    if content.last().is_some_and(|&last| last != b'\n') {
        content.push(b'\n');
    }
    content.extend(line.as_bytes());
    content.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        text.lines().map(|line| Line::parse(line).unwrap()).collect()
    }

    fn accounts(passwd: &str, group: &str) -> Accounts {
        Accounts { passwd: passwd.into(), group: group.into(), day: 1, ..Accounts::default() }
    }

    fn text(content: &[u8]) -> &str {
        std::str::from_utf8(content).unwrap()
    }

    /// The files are what systemd-sysusers 252 has made of the same.
    #[test]
    fn users_and_groups_are_those_that_systemd_makes() {
        let mut accounts = Accounts {
            shadow: Some(b"root:*:19000::::::\n".to_vec()),
            gshadow: Some(b"root:::\nwheel:!::root\n".to_vec()),
            ..accounts(
                "root:x:0:0:root:/root:/bin/bash\nlast:x:999:999::/:/bin/sh",
                "root:x:0:\nwheel:x:10:root,zoe,bob\nlast:x:998:\n",
            )
        };
        let declared = "u web - 'Web server' /srv/web\nu db 26 DB /var/lib/db /bin/bash\ng grp 55\ng grp2 -\n\
                        m web grp\nm zed extra\nm db wheel\nm abe wheel\nu a 400:grp2 A\nu b -:web";
        for _ in 0..2 {
            assert_eq!(accounts.apply(&lines(declared)), []);
        }
        assert_eq!(
            text(&accounts.passwd),
            "root:x:0:0:root:/root:/bin/bash\nlast:x:999:999::/:/bin/sh\n\
             web:x:995:995:Web server:/srv/web:/usr/sbin/nologin\ndb:x:26:26:DB:/var/lib/db:/bin/bash\n\
             a:x:400:997:A:/:/usr/sbin/nologin\nb:x:994:995::/:/usr/sbin/nologin\n\
             zed:x:993:993::/:/usr/sbin/nologin\nabe:x:992:992::/:/usr/sbin/nologin\n"
        );
        assert_eq!(
            text(&accounts.group),
            "root:x:0:\nwheel:x:10:abe,bob,db,root,zoe\nlast:x:998:\ngrp:x:55:web\ngrp2:x:997:\n\
             extra:x:996:zed\nweb:x:995:\ndb:x:26:\nzed:x:993:\nabe:x:992:\n"
        );
        assert_eq!(
            text(accounts.shadow.as_ref().unwrap()),
            "root:*:19000::::::\nweb:!*:1::::::\ndb:!*:1::::::\na:!*:1::::::\nb:!*:1::::::\nzed:!*:1::::::\n\
             abe:!*:1::::::\n"
        );
        assert_eq!(
            text(accounts.gshadow.as_ref().unwrap()),
            "root:::\nwheel:!::abe,db,root\ngrp:!*::web\ngrp2:!*::\nextra:!*::zed\nweb:!*::\ndb:!*::\nzed:!*::\n\
             abe:!*::\n"
        );
    }

    #[test]
    fn an_empty_root_gets_all_four_files() {
        let mut accounts = accounts("", "");
        accounts.apply(&lines("u root 0 Super /root\nu! locked 5"));
        let passwd = "root:x:0:0:Super:/root:/bin/sh\nlocked:x:5:5::/:/usr/sbin/nologin\n";
        assert_eq!(text(&accounts.passwd), passwd);
        assert_eq!(text(&accounts.group), "root:x:0:\nlocked:x:5:\n");
        assert_eq!(accounts.shadow.unwrap(), b"root:!*:1::::::\nlocked:!*:1:::::1:\n");
        assert_eq!(accounts.gshadow.unwrap(), b"root:!*::\nlocked:!*::\n");
    }

    #[test]
    fn numbers_that_are_taken_are_not_given() {
        let mut accounts = accounts("a:x:5:5::/:/bin/sh\n", "a:x:5:\nwheel:x:10:\n");
        assert_eq!(accounts.apply(&lines("u b 5\ng c 10\nu d 10\nu e 7:10")), []);
        assert_eq!(
            text(&accounts.passwd),
            "a:x:5:5::/:/bin/sh\nb:x:998:998::/:/usr/sbin/nologin\nd:x:997:997::/:/usr/sbin/nologin\n\
             e:x:7:10::/:/usr/sbin/nologin\n"
        );
        assert_eq!(text(&accounts.group), "a:x:5:\nwheel:x:10:\nc:x:999:\nb:x:998:\nd:x:997:\n");
    }

    #[test]
    fn a_user_without_a_group_is_not_added() {
        let mut accounts = accounts("", "");
        let errors = accounts.apply(&lines("u a 5:none\nu b 6:7\nu c 8"));
        let texts: Vec<String> = errors.iter().map(AccountError::to_string).collect();
        assert_eq!(texts[0], "user a cannot be added, as there is no group none");
        assert_eq!(texts[1], "user b cannot be added, as there is no group 7");
        assert_eq!(text(&accounts.passwd), "c:x:8:8::/:/usr/sbin/nologin\n");
    }

    #[test]
    fn when_all_numbers_are_taken_it_is_said() {
        let all: String = (1..=999).map(|number| format!("u{number}:x:{number}:\n")).collect();
        let mut accounts = accounts("", &all);
        let errors = accounts.apply(&lines("g more -"));
        assert_eq!(errors, [AccountError::NoNumber { name: "more".into() }]);
        assert_eq!(text(&accounts.group), all);
    }
}
