//! A root in a sandbox: packages unpacked, their scripts run, cleaned, and the root as a stream.
//!
//! As apk does it: the `pre-install` of a package, its files, its `post-install`, then the next;
//! at the end the triggers (apk-package(5)).

use std::fs::File;

use ctr_forge_packages::root;
use ctr_forge_plugin::sandbox::{Cover, RunOutcome, RunParams};
use ctr_forge_plugin::{Error, ErrorKind, Host, Result, Rootfs, Script, ScriptOutcome};
use ctr_forge_rootfs::RootPath;

use super::{INSTALL, TRIGGER, triggers};
use crate::build::{Built, Task, cannot_install, chosen};
use crate::install::users::{GROUP, PASSWD};
use crate::install::{DATABASE, Install, Record};

/// What busybox' `adduser` and `addgroup` leave beside the files that they change.
const BACKUPS: [&str; 3] = ["/etc/passwd-", "/etc/group-", "/etc/shadow-"];

/// Directories whose content is of a running system.
const PASSING: [&str; 2] = ["/run", "/tmp"];

const SHADOW: &str = "/etc/shadow";

/// Builds the root and writes it to `stream`.
pub(crate) fn run(task: &Task<'_>, stream: &File) -> Result<Built> {
    let installed: u64 =
        task.lock.packages.iter().fold(0, |sum: u64, package| sum.saturating_add(package.installed_size));
    let rootfs = task.host.rootfs(task.arch, installed.checked_mul(2))?;
    let install = Install::new(root::nowhere(), task.settings, &[]);
    let mut build = Build { task, rootfs: &rootfs, install, scripts: Vec::new() };
    task.host.phase("Unpacking and configuring packages");
    // The place of apk's database, where scripts lie while they run.
    root::directories(&rootfs, ["lib", "lib/apk", DATABASE])?;
    for index in 0..task.lock.packages.len() {
        build.package(index)?;
        task.host.progress(index as u64 + 1, task.lock.packages.len() as u64, "packages")?;
    }
    build.triggers()?;
    let Build { install, scripts, .. } = build;
    task.host.phase("Finishing the root filesystem");
    let records = root::write(&rootfs, |sink| {
        let mut install = install;
        install.redirect(sink);
        let (records, sink) = install.finish(&task.settled).map_err(cannot_install)?;
        root::finish(sink)?;
        Ok(records)
    })?;
    let cleaned = clean(&rootfs, &records)?;
    date_shadow(task.host, &rootfs, task.epoch)?;
    rootfs.export_without(stream, task.exclude)?;
    Ok(Built { scripts, cleaned })
}

/// A root on its way.
struct Build<'b, 'a> {
    task: &'b Task<'a>,
    rootfs: &'b Rootfs<'b>,
    install: Install<'a, root::Sink>,
    scripts: Vec<Script>,
}

impl Build<'_, '_> {
    /// Installs one package, its scripts around its files.
    fn package(&mut self, index: usize) -> Result<()> {
        let task = self.task;
        let package = &task.lock.packages[index];
        let mut apk = task.archives.open(index)?;
        let scripts = apk.control.scripts.clone();
        let title = package.title();
        let [before, after] = INSTALL;
        if let Some(text) = scripts.get(before) {
            self.script(&package.name, &title, before, text, std::slice::from_ref(&package.version))?;
        }
        let install = &mut self.install;
        root::write(self.rootfs, |sink| {
            install.redirect(sink);
            install.package(&mut apk, &chosen(package, task.lock)).map_err(cannot_install)?;
            install.directories().map_err(cannot_install)?;
            root::finish(install.redirect(root::nowhere()))
        })?;
        task.archives.done(index)?;
        if let Some(text) = scripts.get(after) {
            self.script(&package.name, &title, after, text, std::slice::from_ref(&package.version))?;
        }
        Ok(())
    }

    /// Runs the triggers, each with the directories that it is for.
    fn triggers(&mut self) -> Result<()> {
        let mut fired = Vec::new();
        for record in self.install.records() {
            let Ok(package) = record.control.package() else { continue };
            let directories = triggers::directories(&package.triggers, self.install.records());
            if let (false, Some(text)) = (directories.is_empty(), record.control.scripts.get(TRIGGER)) {
                fired.push((record.chosen.name.clone(), record.title(), text.clone(), directories));
            }
        }
        for (name, title, text, directories) in fired {
            self.script(&name, &title, TRIGGER, &text, &directories)?;
        }
        Ok(())
    }

    /// Runs a script where and with what apk runs it.
    fn script(
        &mut self,
        package: &str,
        title: &str,
        script: &str,
        text: &[u8],
        words: &[String],
    ) -> Result<()> {
        let text = String::from_utf8(text.to_vec())
            .map_err(|_| Error::input(format!("the script {script} of {title} is no text")))?;
        let path = format!("/{DATABASE}/{title}.{script}");
        let argv = std::iter::once(path.clone()).chain(words.iter().cloned()).collect();
        let env = [
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("APK_PACKAGE", package),
            ("APK_SCRIPT", script),
            ("SOURCE_DATE_EPOCH", &self.task.epoch.to_string()),
        ];
        let outcome = self.rootfs.run(&RunParams {
            argv,
            env: env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            covers: [(path, Cover::Text(text))].into_iter().collect(),
            timeout: self.task.options.script_timeout()?,
            ..RunParams::default()
        });
        let outcome = outcome.map_err(|error| {
            error.context(format!("the script {script} of {title} cannot be run")).hint(super::NO_INTERPRETER)
        })?;
        if !outcome.is_success() {
            return Err(failed(title, script, &outcome));
        }
        for path in [PASSWD, GROUP] {
            let content = self.rootfs.read_all(&format!("/{path}"))?;
            let path = RootPath::new(path.as_bytes()).map_err(|e| Error::plugin(e.to_string()))?;
            self.install.users.learn(&path, &content);
        }
        let changes = self.rootfs.changes(outcome.began)?.into_iter().map(|change| change.path);
        self.scripts.push(Script {
            package: package.to_owned(),
            script: script.to_owned(),
            outcome: ScriptOutcome::Run,
            millis: Some(outcome.millis),
            changed: changes.filter(|path| !path.starts_with(&format!("/{DATABASE}"))).collect(),
        });
        self.task.host.check_cancelled()
    }
}

/// That a script failed: how, and the end of what it printed.
fn failed(title: &str, script: &str, outcome: &RunOutcome) -> Error {
    let how = match outcome.code {
        Some(127) => "could not be started, or found no program (127)".to_owned(),
        _ => outcome.how(),
    };
    let mut error = Error::new(ErrorKind::ToolFailed, format!("the script {script} of {title} {how}"));
    error.causes.extend(outcome.last_lines());
    match outcome.timed_out {
        true => error.hint("--script-timeout SECONDS gives scripts more time; 0 is without an end."),
        false => error.hint("-v shows all that scripts print; --scripts skip leaves them undone."),
    }
}

/// Removes what is no part of an image, and what says when it was built; returns what was there.
fn clean(rootfs: &Rootfs<'_>, records: &[Record]) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for path in BACKUPS {
        if rootfs.read(path)?.is_some() && !records.iter().any(|record| record.has(path)) {
            gone.push(path.to_owned());
        }
    }
    for directory in PASSING {
        let names = rootfs.list(directory)?.unwrap_or_default();
        let paths = names.into_iter().map(|name| format!("{directory}/{name}"));
        gone.extend(paths.filter(|path| !records.iter().any(|record| record.has(path))));
    }
    rootfs.remove(gone.clone())?;
    Ok(gone)
}

/// Passwords have the date of the packages, not that of the build (shadow(5), the third field):
/// busybox' `adduser` asks the clock. Its `sed` leaves the file's owner and mode as they are.
pub(crate) fn date_shadow(host: &Host, rootfs: &Rootfs<'_>, epoch: i64) -> Result<()> {
    let day = epoch.div_euclid(24 * 60 * 60);
    let text = String::from_utf8_lossy(&rootfs.read_all(SHADOW)?).into_owned();
    let late = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, days) = (fields.next()?, fields.nth(1)?);
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        (is_name && days.parse::<i64>().ok()? > day)
            .then(|| format!("s/^\\({name}:[^:]*\\):{days}:/\\1:{day}:/"))
    });
    let edits: Vec<String> = late.flat_map(|edit| ["-e".to_owned(), edit]).collect();
    if edits.is_empty() {
        return Ok(());
    }
    let argv = ["/bin/busybox", "sed", "-i"].map(str::to_owned).into_iter();
    let argv = argv.chain(edits).chain([SHADOW.to_owned()]).collect();
    let outcome = rootfs.run(&RunParams { argv, ..RunParams::default() })?;
    if !outcome.is_success() {
        host.warn("etc/shadow has the date of this build, for there is no busybox to change it");
    }
    Ok(())
}
