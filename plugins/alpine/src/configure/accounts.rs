//! `adduser` and `addgroup`, on the files that they change.
//!
//! As busybox has them (`loginutils/adduser.c`, `loginutils/addgroup.c` of 1.36), in the forms
//! that packages use: system users without a home of their own making.

use super::script::is_name;

/// The first and the last number that a system user or group is given.
const SYSTEM: std::ops::RangeInclusive<u32> = 100..=999;

/// `addgroup -S [-g NUMBER] NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddGroup {
    name: String,
    number: Option<u32>,
}

/// `adduser -S -D -H -h HOME -s SHELL -G GROUP [-u NUMBER] [-g WORDS] NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddUser {
    name: String,
    number: Option<u32>,
    group: String,
    gecos: String,
    home: String,
    shell: String,
}

/// A number that every busybox takes.
fn parse_number(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|&number| number < 60_000)
}

/// The content of the files.
#[derive(Debug)]
pub(super) struct Accounts<'a> {
    pub(super) passwd: &'a mut Vec<u8>,
    pub(super) group: &'a mut Vec<u8>,
    pub(super) shadow: Option<&'a mut Vec<u8>>,
    /// The date of new passwords: days since 1970.
    pub(super) day: i64,
}

impl AddGroup {
    pub(super) fn parse(arguments: &[&str]) -> Option<Self> {
        let (mut number, mut is_system, mut name) = (None, false, None);
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            match argument {
                "-S" => is_system = true,
                "-g" => number = Some(parse_number(arguments.next()?)?),
                word if is_name(word) && name.is_none() => name = Some(word.to_owned()),
                _ => return None,
            }
        }
        Some(Self { name: name.filter(|_| is_system)?, number })
    }
}

impl AddUser {
    pub(super) fn parse(arguments: &[&str]) -> Option<Self> {
        let (mut flags, mut name) = (Vec::new(), None);
        let (mut number, mut group, mut gecos, mut home, mut shell) = (None, None, None, None, None);
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            let mut value = || arguments.next().map(|&value| value.to_owned());
            match argument {
                "-S" | "-D" | "-H" => flags.push(argument),
                "-SDH" | "-SHD" | "-DSH" | "-DHS" | "-HSD" | "-HDS" => flags.extend(["-S", "-D", "-H"]),
                "-u" => number = Some(parse_number(&value()?)?),
                "-G" => group = Some(value()?),
                "-g" => gecos = Some(value()?),
                "-h" => home = Some(value()?),
                "-s" => shell = Some(value()?),
                word if is_name(word) && name.is_none() => name = Some(word.to_owned()),
                _ => return None,
            }
        }
        let fields = [&gecos, &home, &shell];
        if fields.iter().any(|field| field.as_ref().is_some_and(|field| field.contains(':')))
            || !group.as_ref().is_none_or(|group| is_name(group))
        {
            return None;
        }
        ["-S", "-D", "-H"].iter().all(|flag| flags.contains(flag)).then_some(())?;
        let gecos = gecos.unwrap_or_else(|| "Linux User,,,".to_owned());
        Some(Self { name: name?, number, group: group?, gecos, home: home?, shell: shell? })
    }
}

impl Accounts<'_> {
    /// Nothing happens if there is such a group, or nobody may have the number.
    pub(super) fn add_group(&mut self, asked: &AddGroup) {
        if find(self.group, &asked.name).is_some() {
            return;
        }
        let number = match asked.number {
            Some(number) if is_taken(self.group, number) => return,
            Some(number) => number,
            None => match SYSTEM.into_iter().find(|&number| !is_taken(self.group, number)) {
                Some(number) => number,
                None => return,
            },
        };
        append(self.group, &format!("{}:x:{number}:", asked.name));
    }

    /// Nothing happens if there is such a user, no such group, or nobody may have the number.
    pub(super) fn add_user(&mut self, asked: &AddUser) {
        let Some(gid) = find(self.group, &asked.group).and_then(|fields| number(&fields)) else { return };
        if find(self.passwd, &asked.name).is_some() {
            return;
        }
        let uid = match asked.number {
            Some(number) if is_taken(self.passwd, number) => return,
            Some(number) => number,
            None => match SYSTEM.into_iter().find(|&number| !is_taken(self.passwd, number)) {
                Some(number) => number,
                None => return,
            },
        };
        let AddUser { name, gecos, home, shell, .. } = asked;
        append(self.passwd, &format!("{name}:x:{uid}:{gid}:{gecos}:{home}:{shell}"));
        let day = self.day;
        if let Some(shadow) = &mut self.shadow {
            append(shadow, &format!("{name}:!:{day}:0:99999:7:::"));
        }
        self.join(&asked.name, &asked.group);
    }

    /// Makes a user a member of a group, unless there is no such user or group.
    pub(super) fn join(&mut self, user: &str, group: &str) {
        if find(self.passwd, user).is_none() {
            return;
        }
        let mut text = String::from_utf8_lossy(self.group).into_owned();
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let mut fields: Vec<&str> = line.split(':').collect();
                let [name, _, _, members] = fields.as_mut_slice() else { return line.to_owned() };
                if *name != group || members.split(',').any(|member| member == user) {
                    return line.to_owned();
                }
                let separator = if members.is_empty() { "" } else { "," };
                format!("{line}{separator}{user}")
            })
            .collect();
        text = lines.join("\n");
        text.push('\n');
        *self.group = text.into_bytes();
    }
}

/// The numbers of a user and a group by their names.
pub(super) fn owner(passwd: &[u8], group: &[u8], names: (&str, &str)) -> Option<(u32, u32)> {
    Some((number(&find(passwd, names.0)?)?, number(&find(group, names.1)?)?))
}

/// The fields of a name's line.
fn find(content: &[u8], name: &str) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(content);
    let mut lines = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
    lines.find(|fields| fields.first().is_some_and(|first| first == name))
}

fn number(fields: &[String]) -> Option<u32> {
    fields.get(2)?.parse().ok()
}

fn is_taken(content: &[u8], wanted: u32) -> bool {
    let text = String::from_utf8_lossy(content);
    text.lines().any(|line| line.split(':').nth(2).and_then(|digits| digits.parse().ok()) == Some(wanted))
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

    #[test]
    fn users_and_groups_are_added_once_with_the_next_number() {
        let mut passwd = b"root:x:0:0:root:/root:/bin/sh\n".to_vec();
        let mut group = b"root:x:0:root\nusers:x:100:".to_vec();
        let mut shadow = b"root:*::0:::::\n".to_vec();
        let mut accounts =
            Accounts { passwd: &mut passwd, group: &mut group, shadow: Some(&mut shadow), day: 19_000 };
        let user =
            AddUser::parse(&["-S", "-D", "-H", "-h", "/dev/null", "-s", "/sbin/nologin", "-G", "web", "web"]);
        let user = user.unwrap();
        accounts.add_user(&user);
        assert_eq!(accounts.passwd.len(), 30, "there is no group yet");
        for _ in 0..2 {
            accounts.add_group(&AddGroup::parse(&["-S", "web"]).unwrap());
            accounts.add_group(&AddGroup::parse(&["-S", "-g", "0", "taken"]).unwrap());
            accounts.add_user(&user);
            accounts.join("web", "users");
            accounts.join("nobody", "users");
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(text(group), "root:x:0:root\nusers:x:100:web\nweb:x:101:web\n");
        assert!(text(passwd).ends_with("\nweb:x:100:101:Linux User,,,:/dev/null:/sbin/nologin\n"));
        assert_eq!(text(shadow), "root:*::0:::::\nweb:!:19000:0:99999:7:::\n");
    }
}
