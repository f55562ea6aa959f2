//! Steps into the stream, without running anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ctr_forge_plugin::{Error, ErrorKind, Result, Script, ScriptOutcome};
use ctr_forge_rootfs::{Kind, TOUCHED};

use super::accounts::{Accounts, owner};
use super::script::Step;
use super::{TRIGGER, interpreter, no_interpreter, steps, triggers};
use crate::build::cannot_install;
use crate::install::users::{GROUP, PASSWD};
use crate::install::{Install, InstallError};
use crate::lock::Lock;

const SHADOW: &str = "etc/shadow";

/// Files that known scripts change: they are written at the end. busybox' list of its own
/// programs is read then.
pub(crate) const HELD_BACK: &[&str] =
    &[PASSWD, GROUP, SHADOW, "etc/passwd-", "etc/group-", "etc/shadow-", LIST];

/// The paths of busybox' links, one a line, as its package has them.
const LIST: &str = "etc/busybox-paths.d/busybox";

/// What a link of busybox leads to.
const BUSYBOX: &str = "/bin/busybox";

/// What scripts come to, so far.
#[derive(Debug, Default)]
pub(crate) struct Modelled {
    /// Seconds since 1970.
    epoch: i64,
    wants_links: bool,
    /// Links of packages that lead elsewhere now.
    changed: BTreeMap<String, String>,
    directories: BTreeSet<String>,
    /// What became of each script.
    pub(crate) scripts: Vec<Script>,
}

impl Modelled {
    /// Nothing yet. New passwords will be dated `epoch`, seconds since 1970.
    pub(crate) fn new(epoch: i64) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// Takes in what the script of the package that comes or came last does.
    pub(crate) fn script<W: Write>(
        &mut self,
        install: &mut Install<'_, W>,
        (package, script): (&str, &str),
        steps: &[Step],
    ) {
        for step in steps {
            self.step(install, step);
        }
        self.scripts.push(Script {
            package: package.to_owned(),
            script: script.to_owned(),
            outcome: ScriptOutcome::Modelled,
            millis: None,
            changed: Vec::new(),
        });
    }

    fn step<W: Write>(&mut self, install: &mut Install<'_, W>, step: &Step) {
        match step {
            Step::BusyboxLinks => self.wants_links = true,
            Step::By(command, step) if self.has(install, command) => self.step(install, step),
            Step::Directory(path) => _ = self.directories.insert(path.clone()),
            Step::Link { target, path } => _ = self.changed.insert(path.clone(), target.clone()),
            Step::IfLink { path, target, step } if install.is_link(path) == Some(target.as_bytes()) => {
                self.step(install, step);
            }
            Step::By(..) | Step::IfLink { .. } => {}
            Step::Chown { user, group, path } => {
                let mut content = |path| install.deferred(path).map(|(_, content)| content.clone());
                let (passwd, groups) = (content(PASSWD), content(GROUP));
                let ids = owner(&passwd.unwrap_or_default(), &groups.unwrap_or_default(), (user, group));
                if let (Some((uid, gid)), Some((entry, _))) = (ids, install.deferred(path)) {
                    (entry.uid, entry.gid) = (uid, gid);
                }
            }
            Step::AddGroup(_) | Step::AddUser(_) | Step::Join { .. } => self.account(install, step),
        }
    }

    /// Whether a program of busybox has its link by now: from busybox itself, or in a package.
    fn has<W: Write>(&self, install: &Install<'_, W>, command: &str) -> bool {
        let is_link =
            |folder: &&str| install.is_link(&format!("{folder}/{command}")) == Some(BUSYBOX.as_bytes());
        self.wants_links || ["usr/sbin", "usr/bin", "sbin", "bin"].iter().any(is_link)
    }

    /// Changes the files of accounts, where there are any.
    fn account<W: Write>(&self, install: &mut Install<'_, W>, step: &Step) {
        let content =
            |install: &mut Install<'_, W>, path| install.deferred(path).map(|(_, content)| content.clone());
        let (Some(mut passwd), Some(mut group)) = (content(install, PASSWD), content(install, GROUP)) else {
            return;
        };
        let mut shadow = content(install, SHADOW);
        let before = (passwd.clone(), group.clone(), shadow.clone());
        let day = self.epoch.div_euclid(24 * 60 * 60);
        let mut accounts = Accounts { passwd: &mut passwd, group: &mut group, shadow: shadow.as_mut(), day };
        match step {
            Step::AddGroup(asked) => accounts.add_group(asked),
            Step::AddUser(asked) => accounts.add_user(asked),
            Step::Join { user, group } => accounts.join(user, group),
            _ => {}
        }
        let files = [
            (PASSWD, Some(before.0), Some(passwd)),
            (GROUP, Some(before.1), Some(group)),
            (SHADOW, before.2, shadow),
        ];
        for (path, before, after) in files {
            let Some(after) = after.filter(|after| before.as_ref() != Some(after)) else { continue };
            if let Some((entry, content)) = install.deferred(path) {
                entry.mtime = TOUCHED;
                *content = after;
            }
            install.relearn(path);
        }
    }

    /// The triggers, and all that is left to be written.
    ///
    /// # Errors
    ///
    /// If a trigger finds what it does more for, or the stream takes no more.
    pub(crate) fn finish<W: Write>(&mut self, install: &mut Install<'_, W>, lock: &Lock) -> Result<()> {
        let mut fired = Vec::new();
        for record in install.records() {
            let Ok(package) = record.control.package() else { continue };
            let directories = triggers::directories(&package.triggers, install.records());
            if directories.is_empty() {
                continue;
            }
            let Some(steps) = steps(&record.control, TRIGGER, lock) else { continue };
            let interpreter = interpreter(&record.control, TRIGGER);
            if let Some(missing) = interpreter.filter(|path| !install.exists(path)) {
                return Err(no_interpreter(&record.title(), TRIGGER, missing));
            }
            let indexes = package.triggers.contains(&"/lib/modules/*");
            if indexes && directories.iter().any(|path| path.starts_with("/lib/modules/")) {
                let message =
                    format!("the trigger of {} indexes kernel modules, which has to be run", package.name);
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .hint("--scripts run has all scripts run.")
                    .option("scripts"));
            }
            fired.push((package.name.to_owned(), steps));
        }
        for (package, steps) in fired {
            self.script(install, (&package, TRIGGER), &steps);
        }
        self.write(install).map_err(cannot_install)
    }

    fn write<W: Write>(&mut self, install: &mut Install<'_, W>) -> Result<(), InstallError> {
        let mut links = BTreeSet::new();
        if self.wants_links {
            let list = install.deferred(LIST).map(|(_, content)| content.clone()).unwrap_or_default();
            let list = String::from_utf8_lossy(&list).into_owned();
            let paths = list.lines().map(|line| line.trim_start_matches('/').to_owned());
            links.extend(paths.filter(|path| !path.is_empty() && !install.exists(path)));
        }
        for path in std::mem::take(&mut self.directories) {
            if !install.exists(&path) {
                install.put(&path, Kind::Directory, 0o755, b"")?;
            }
        }
        let links = links.into_iter().map(|path| (path, BUSYBOX.to_owned()));
        for (path, target) in std::mem::take(&mut self.changed).into_iter().chain(links) {
            install.put(&path, Kind::Symlink(target.into_bytes().into()), 0o777, b"")?;
        }
        Ok(())
    }
}
