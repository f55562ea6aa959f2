//! A script into the steps that it comes to, if each of its lines is known.
//!
//! This is no shell. A line is one of a few forms that Alpine's packages are full of, or the
//! whole script is one that is known by its digest; anything else is not understood, and then
//! nothing is.

use std::collections::VecDeque;

use ctr_forge_rootfs::Digest;

use super::accounts::{AddGroup, AddUser};

/// What a line comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// `addgroup`.
    AddGroup(AddGroup),
    /// `adduser`.
    AddUser(AddUser),
    /// `addgroup USER GROUP`.
    Join {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// `chown USER:GROUP PATH`, of a file that is held back.
    Chown {
        /// The user.
        user: String,
        /// The group.
        group: String,
        /// In the root.
        path: String,
    },
    /// `ln -sf TARGET PATH`.
    Link {
        /// What it leads to.
        target: String,
        /// In the root.
        path: String,
    },
    /// `mkdir -p PATH`.
    Directory(String),
    /// `busybox --install -s`: a link for each program that busybox is, where there is nothing.
    BusyboxLinks,
    /// By this program of busybox: only if it is there by then.
    By(&'static str, Box<Step>),
    /// Only if the link at this path leads there.
    IfLink {
        /// The link.
        path: String,
        /// What it has to lead to.
        target: String,
        /// Then.
        step: Box<Step>,
    },
}

/// A whole script that is known, by the digest of its lines without comments and empty ones.
struct Known {
    digest: &'static str,
    steps: &'static [Step],
    /// Beginnings of the names of packages with which it does more.
    unless: &'static [&'static str],
}

/// The trigger of busybox, as Alpine 3.20 has it. With a kernel's modules it does more:
/// see `modelled`.
const KNOWN: &[Known] = &[Known {
    digest: "sha256:ee9a4fa1a1f7fe847db63603df19d2f5b45684d6f8d47112f770738c66fefa5f",
    steps: &[Step::BusyboxLinks],
    unless: &["busybox-suid", "busybox-extras", "linux-"],
}];

/// The program that a script is for, by its path in the root, if its scripts can be known.
pub(super) fn interpreter(text: &str) -> Option<&'static str> {
    match text.lines().next()?.trim() {
        "#!/bin/sh" => Some("bin/sh"),
        "#!/bin/busybox sh" => Some("bin/busybox"),
        _ => None,
    }
}

/// The steps of a script; `has` says whether there is a package whose name begins so.
pub(super) fn parse(text: &str, has: &dyn Fn(&str) -> bool) -> Option<Vec<Step>> {
    interpreter(text)?;
    let lines = text.lines().skip(1).map(str::trim);
    let mut lines: VecDeque<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let digest = digest(lines.iter().copied());
    if let Some(known) = KNOWN.iter().find(|known| known.digest == digest) {
        return (!known.unless.iter().any(|package| has(package))).then(|| known.steps.to_vec());
    }
    let mut steps = Vec::new();
    // A script fails with its last command.
    let mut may_fail = false;
    while let Some(line) = lines.pop_front() {
        if line == "exit 0" {
            return Some(steps);
        }
        let ends_well = line.ends_with("|| true") || line.ends_with("|| :") || line == LINKS;
        may_fail = !ends_well && !line.starts_with("mkdir -p ") && !line.starts_with("/bin/busybox ");
        match line.starts_with("case ") {
            true => steps.push(renamed(line, &mut lines)?),
            false => steps.extend(line_steps(line)?),
        }
    }
    (!may_fail).then_some(steps)
}

/// What gives the programs of busybox their links, and ends the script if it cannot.
const LINKS: &str = "/bin/busybox --install -s || exit 1";

/// Of lines, each with its end.
fn digest<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    Digest::of(text.as_bytes()).to_string()
}

/// What `alpine-baselayout` does with a link of its own that got another name.
const RENAMED: [&str; 3] = [
    "case \"$(readlink etc/profile.d/color_prompt.sh 2>/dev/null || true)\" in",
    "color_prompt) ln -sf color_prompt.sh.disabled etc/profile.d/color_prompt.sh;;",
    "esac",
];

/// The step that [`RENAMED`] comes to.
fn renamed(first: &str, lines: &mut VecDeque<&str>) -> Option<Step> {
    let block = [first, lines.pop_front()?, lines.pop_front()?];
    let path = "etc/profile.d/color_prompt.sh".to_owned();
    let link = Step::Link { target: "color_prompt.sh.disabled".to_owned(), path: path.clone() };
    let step = Box::new(Step::By("ln", Box::new(link)));
    (block == RENAMED).then(|| Step::IfLink { path, target: "color_prompt".to_owned(), step })
}

/// The steps of one line. Where a command of these fails, it leaves all as it was.
fn line_steps(line: &str) -> Option<Vec<Step>> {
    if let Some(rest) = line.strip_prefix("[ -e ") {
        let (path, command) = rest.split_once(" ] && ")?;
        let path = plain(path)?;
        let steps = line_steps(command)?;
        // What is asked for must be what is changed: of others it is not known whether they are there.
        let is_its_owner = |step: &Step| matches!(step, Step::By(_, step) if matches!(&**step, Step::Chown { path: other, .. } if *other == path));
        return steps.iter().all(is_its_owner).then_some(steps);
    }
    if line == LINKS {
        return Some(vec![Step::BusyboxLinks]);
    }
    let words: Vec<&str> = without_tail(line)?.split_ascii_whitespace().collect();
    let words: Vec<&str> = words.iter().map(|&text| word(text)).collect::<Option<_>>()?;
    match words.split_first()? {
        (&"/bin/busybox", ["--install", "-s"]) => Some(vec![Step::BusyboxLinks]),
        (&"/bin/busybox", ["mkdir", arguments @ ..]) => directories(arguments),
        (command, arguments) => {
            let name = COMMANDS.into_iter().find(|name| name == command)?;
            let steps = command_steps(name, arguments)?.into_iter();
            Some(steps.map(|step| Step::By(name, Box::new(step))).collect())
        }
    }
}

/// The programs that are known.
const COMMANDS: [&str; 6] = ["true", ":", "mkdir", "addgroup", "adduser", "chown"];

/// The steps of a program of busybox.
fn command_steps(command: &str, arguments: &[&str]) -> Option<Vec<Step>> {
    match command {
        "true" | ":" => Some(Vec::new()),
        "mkdir" => directories(arguments),
        "addgroup" => group(arguments),
        "adduser" => AddUser::parse(arguments).map(|user| vec![Step::AddUser(user)]),
        "chown" => {
            let [owner, path] = arguments else { return None };
            let (user, group) =
                owner.split_once(':').filter(|(user, group)| is_name(user) && is_name(group))?;
            let path = plain(path).filter(|path| super::HELD_BACK.contains(&path.as_str()))?;
            Some(vec![Step::Chown { user: user.to_owned(), group: group.to_owned(), path }])
        }
        _ => None,
    }
}

fn group(arguments: &[&str]) -> Option<Vec<Step>> {
    if let [user, group] = arguments
        && is_name(user)
        && is_name(group)
    {
        return Some(vec![Step::Join { user: (*user).to_owned(), group: (*group).to_owned() }]);
    }
    AddGroup::parse(arguments).map(|group| vec![Step::AddGroup(group)])
}

fn directories(arguments: &[&str]) -> Option<Vec<Step>> {
    let (first, paths) = arguments.split_first()?;
    if *first != "-p" || paths.is_empty() {
        return None;
    }
    // What lies there is removed in the end.
    let passes = |path: &str| {
        ["run", "tmp", "var/run"].iter().any(|place| {
            path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let paths = paths.iter().map(|path| plain(path).filter(|path| !passes(path)));
    paths.map(|path| path.map(Step::Directory)).collect()
}

/// Whether it is the name of a user or a group, and no number.
pub(super) fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// A command without what says where its messages go and that it may fail.
fn without_tail(line: &str) -> Option<&str> {
    let mut line = line.trim();
    loop {
        let tails = ["|| true", "|| :", "2>/dev/null", "1>/dev/null", ">/dev/null", "2>&1", ";"];
        match tails.iter().find_map(|tail| line.strip_suffix(tail)) {
            Some(rest) if rest.ends_with(|c: char| c.is_whitespace()) || rest.len() + 1 == line.len() => {
                line = rest.trim_end();
            }
            Some(_) => return None,
            None => return Some(line),
        }
    }
}

/// A word that means itself, without its quotes.
fn word(text: &str) -> Option<&str> {
    let inner = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => text,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._:+-@,=".contains(c);
    (!inner.is_empty() && inner.chars().all(is_plain)).then_some(inner)
}

/// A path in the root. Scripts are started in its root directory.
fn plain(text: &str) -> Option<String> {
    let path = word(text).filter(|word| !word.starts_with('-'))?.trim_start_matches('/');
    let is_clean = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    is_clean.then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Vec<Step>> {
        super::parse(text, &|_| false)
    }

    #[test]
    fn known_lines_are_steps() {
        let script = "#!/bin/sh\n# note\n\naddgroup -S -g 82 www-data 2>/dev/null\n\
            adduser -S -D -H -h /var/lib/x -s /sbin/nologin -G x -g x x 2>/dev/null || true\n\
            addgroup x www-data 2>/dev/null\nchown root:shadow etc/shadow\n\
            [ -e etc/shadow- ] && chown root:shadow etc/shadow-\nexit 0\nrm -rf /\n";
        let steps = parse(script).unwrap();
        assert_eq!(steps.len(), 5);
        assert!(matches!(&steps[4], Step::By("chown", _)));
        let script = format!("#!/bin/sh\n{}\n\t{}\n{}\nexit 0\n", RENAMED[0], RENAMED[1], RENAMED[2]);
        assert!(matches!(&parse(&script).unwrap()[..], [Step::IfLink { .. }]));
        assert_eq!(
            parse("#!/bin/busybox sh\n/bin/busybox --install -s || exit 1\n").unwrap(),
            [Step::BusyboxLinks]
        );
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for line in [
            "rm -rf /x",
            "addgroup $x",
            "adduser -S x",
            "chown root:root etc/other",
            "mkdir /x",
            "echo x > /y",
            "addgroup -S x; rm y",
            "mkdir -p -m 0700 /x",
            "mkdir -p /run/x",
            "chown 0:42 etc/passwd",
            "chown :shadow etc/shadow",
            "[ -e etc/group- ] && mkdir -p /x",
            "addgroup -S a:b",
            "adduser -S -D -H -h / -s /x -G x -u 99999999 x",
            "adduser -S -D -H -h / -s /x -G x -g a:b x",
            "addgroup -S `id`",
            "ln -sf ../../x ../y",
            "if true",
            "/bin/busybox rm x",
            "addgroup -S x && rm y",
            "case $1 in",
            "addgroup -S x # and",
            "addgroup -S 'x'",
        ] {
            assert_eq!(parse(&format!("#!/bin/sh\n{line}\n")), None, "{line}");
        }
        assert_eq!(parse("#!/usr/bin/lua\nexit 0\n"), None);
        assert_eq!(parse(""), None);
    }
}
