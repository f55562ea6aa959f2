//! A root in a sandbox: packages unpacked, their scripts run, cleaned, and the root as a stream.

use std::fs::File;

use ctr_forge_packages::{file, root};
use ctr_forge_plugin::{Error, Result, Rootfs};
use ctr_forge_rootfs::RootPath;

use crate::build::{Built, Planned, Task, cannot_install, chosen, links, tell_strangers};
use crate::clean;
use crate::configure::declared::{self, Contents, Declared, FILES, GROUP, PASSWD};
use crate::configure::macros::Macros;
use crate::configure::run::Settings;
use crate::configure::transaction::Package;
use crate::configure::{self, Configure};
use crate::database;
use crate::install::Install;

/// The name of this plugin's source.
const COMPONENT: &str = "dnf";

/// Builds the root and writes it to `stream`.
pub(crate) fn build(task: &Task<'_>, packages: &[Planned], stream: &File) -> Result<Built> {
    let sizes = task.lock.packages.iter().map(|package| package.installed_size);
    let installed = sizes.fold(0, u64::saturating_add);
    let rootfs = task.host.rootfs(task.arch, installed.checked_mul(2))?;
    task.host.phase("Unpacking and configuring packages");
    let mut install = Install::new(root::nowhere(), task.settings);
    install.expect(links(packages));
    let mut unpacking =
        Unpacking { task, packages, rootfs: &rootfs, install, declared: Declared::default(), done: 0 };
    let settings = Settings {
        component: COMPONENT.to_owned(),
        epoch: task.epoch,
        timeout: task.options.script_timeout()?,
        macros: Macros::of(&task.lock.arch, &database::usual(task.lock)),
        changes: true,
    };
    let scriptlets: Vec<Package> = packages.iter().map(|planned| planned.package.clone()).collect();
    let scripts = Configure::new(task.host, &rootfs, &scriptlets, &settings).run(&mut unpacking)?;
    task.host.phase("Finishing the root filesystem");
    let (records, _) = unpacking.install.finish();
    tell_strangers(task.host, &records);
    let mut cleaned = database::into_root(task, &rootfs, &records)?;
    cleaned.extend(clean::clean(task, &rootfs, &records)?);
    rootfs.export_without(stream, task.exclude)?;
    Ok(Built { scripts, cleaned })
}

/// Packages on their way into the root.
struct Unpacking<'b, 'a> {
    task: &'b Task<'a>,
    packages: &'b [Planned],
    rootfs: &'b Rootfs<'b>,
    install: Install<'a, root::Sink>,
    declared: Declared,
    done: u64,
}

impl Unpacking<'_, '_> {
    /// Files of users and groups, as they are now.
    fn accounts(&self, paths: &[&str]) -> Result<Contents> {
        let mut contents = Contents::new();
        for path in paths {
            if let Some(file) = self.rootfs.read(format!("/{path}"))? {
                let content = file::bounded(file);
                let content = content.map_err(|e| Error::io(format!("cannot read {path} in the root"), e))?;
                contents.insert((*path).to_owned(), content);
            }
        }
        Ok(contents)
    }
}

impl configure::Install for Unpacking<'_, '_> {
    fn users(&mut self, package: usize) -> Result<()> {
        let files = &self.packages[package].declared;
        if files.is_empty() {
            return Ok(());
        }
        self.declared.add(files);
        let before = self.accounts(&FILES.map(|(path, _)| path))?;
        let after = self.declared.apply(before.clone(), self.task.epoch, self.task.host);
        if !self.install.exists(&RootPath::new(b"etc").map_err(|e| Error::plugin(e.to_string()))?) {
            root::directories(self.rootfs, ["etc"])?;
        }
        let install = &mut self.install;
        root::write(self.rootfs, |sink| {
            install.redirect(sink);
            declared::write(install, &before, &after)?;
            root::finish(install.redirect(root::nowhere()))
        })
    }

    fn unpack(&mut self, package: usize) -> Result<()> {
        // Scripts make users, too.
        let accounts = self.accounts(&[PASSWD, GROUP])?;
        declared::learn(self.install.users_mut(), &accounts);
        let mut rpm = self.task.archives.open(package)?;
        let chosen = chosen(&self.task.lock.packages[package])?;
        let install = &mut self.install;
        root::write(self.rootfs, |sink| {
            install.redirect(sink);
            install.package(&mut rpm, &chosen).map_err(cannot_install)?;
            root::finish(install.redirect(root::nowhere()))
        })?;
        self.done += 1;
        self.task.host.progress(self.done, self.task.lock.packages.len() as u64, "packages")
    }
}
