//! What the packages' scriptlets do: run in rpm's order, around the packages' files.
//!
//! | module | what it does |
//! |---|---|
//! | `script` | a package's own scriptlets, from its header |
//! | `triggers` | its triggers and file triggers, and what sets them off |
//! | `transaction` | the order of all of it, without doing any |
//! | `run` | one scriptlet in the sandbox |
//! | `lua` | rpm's own interpreter, in the root |
//! | `sysusers`, `accounts`, `declared` | users and groups that packages declare, and the files that have them |
//! | `macros` | the macros that scriptlets use |
//! | `evr` | versions as triggers and Lua compare them |
//!
//! The caller unpacks: [`Configure::run`] says when, through [`Install`]. A script before its
//! package's files that fails is an error, as the package would be missing; all others that fail
//! are warnings, as in rpm.
//!
//! Scriptlets are never guessed at: even an `ldconfig` without a text is run, as links that it makes
//! may be what the next script needs.

pub mod accounts;
pub(crate) mod declared;
mod evr;
mod lua;
pub mod macros;
pub mod run;
pub mod script;
pub mod sysusers;
pub mod transaction;
pub mod triggers;

use ctr_forge_plugin::{Error, ErrorKind, Host, Result, Rootfs, Script as Reported, ScriptOutcome};

pub use lua::inside;

use run::{Failure, Ran, Settings, Task};
use script::Script;
use transaction::{Package, Slot, Step, Transaction};

/// What is done to the root between scriptlets. Packages are named by their places.
pub trait Install {
    /// Makes the users and groups that a package brings (sysusers.d(5)).
    ///
    /// # Errors
    ///
    /// If that cannot be done.
    fn users(&mut self, package: usize) -> Result<()>;

    /// Unpacks its files into the root.
    ///
    /// # Errors
    ///
    /// If that cannot be done.
    fn unpack(&mut self, package: usize) -> Result<()>;
}

/// An installation of packages into a root that is empty.
#[derive(Debug)]
pub struct Configure<'a> {
    host: &'a Host,
    rootfs: &'a Rootfs<'a>,
    packages: &'a [Package],
    settings: &'a Settings,
    report: Vec<Reported>,
}

impl<'a> Configure<'a> {
    /// Prepares one, in the order of the packages.
    pub fn new(
        host: &'a Host,
        rootfs: &'a Rootfs<'a>,
        packages: &'a [Package],
        settings: &'a Settings,
    ) -> Self {
        Self { host, rootfs, packages, settings, report: Vec::new() }
    }

    /// Does all of it; returns which scriptlets ran.
    ///
    /// # Errors
    ///
    /// Those of `install`, and if a scriptlet fails that must not, or cannot be run at all.
    pub fn run(mut self, install: &mut dyn Install) -> Result<Vec<Reported>> {
        let mut transaction = Transaction::new(self.packages);
        while let Some(step) = transaction.next() {
            match step {
                Step::Users(package) => install.users(package)?,
                Step::Unpack(package) => install.unpack(package)?,
                step => {
                    if let Some(due) = due(self.packages, &transaction, &step) {
                        self.scriptlet(&due)?;
                    }
                }
            }
        }
        Ok(self.report)
    }

    fn scriptlet(&mut self, due: &Due<'_>) -> Result<()> {
        self.host.check_cancelled()?;
        let Ran { outcome, failure } = run::run(self.rootfs, self.settings, &due.task)?;
        match failure {
            Some(failure) if due.is_critical() => return Err(failed(&due.task.name, failure)),
            Some(failure) => self.host.warn(warning(&due.task.name, &failure)),
            None => {}
        }
        let began = outcome.as_ref().map(|outcome| outcome.began).filter(|began| *began > 0);
        let changed = match began.filter(|_| self.settings.changes) {
            Some(began) => self.rootfs.changes(began)?.into_iter().map(|change| change.path).collect(),
            None => Vec::new(),
        };
        self.report.push(Reported {
            package: due.package.name.clone(),
            script: due.kind.clone(),
            outcome: if outcome.is_some() { ScriptOutcome::Run } else { ScriptOutcome::Skipped },
            millis: outcome.map(|outcome| outcome.millis),
            changed,
        });
        Ok(())
    }
}

/// A scriptlet whose turn it is.
struct Due<'p> {
    package: &'p Package,
    /// `%post`
    kind: String,
    slot: Option<Slot>,
    task: Task<'p>,
}

impl Due<'_> {
    /// Whether a package is not installed where it fails. For rpm from version 6 on that holds for
    /// `%triggerprein` too; here it is as before, when packages relied on it.
    fn is_critical(&self) -> bool {
        matches!(self.slot, Some(Slot::Pretrans | Slot::Pre)) || self.task.script.critical
    }
}

/// The scriptlet of a step.
fn due<'p>(packages: &'p [Package], transaction: &Transaction<'p>, step: &Step) -> Option<Due<'p>> {
    let (place, kind, slot, script, arguments, paths): (_, _, _, &'p Script, _, _) = match step {
        Step::Users(_) | Step::Unpack(_) => return None,
        Step::Script { package, slot, argument } => {
            let script = slot.script(&packages[*package].scriptlets)?;
            (*package, format!("%{}", slot.name()), Some(*slot), script, vec![*argument], None)
        }
        Step::Trigger { owner, script, moment, arguments, .. } => {
            let script = packages[*owner].scriptlets.triggers.scripts.get(*script)?;
            (*owner, format!("%{}", moment.name()), None, script, arguments.to_vec(), None)
        }
        Step::FileTrigger { owner, trigger, transaction: is_whole, among, arguments } => {
            let scriptlets = &packages[*owner].scriptlets;
            let (kind, list) = match is_whole {
                true => ("%transfiletriggerin", &scriptlets.transaction_file_triggers),
                false => ("%filetriggerin", &scriptlets.file_triggers),
            };
            let trigger = list.0.get(*trigger)?;
            let mut paths = Vec::new();
            for path in transaction.paths(trigger, among) {
                paths.extend_from_slice(path);
                paths.push(b'\n');
            }
            (*owner, kind.to_owned(), None, &trigger.script, arguments.clone(), Some(paths))
        }
    };
    let package = &packages[place];
    let name = format!("{kind}({})", package.title);
    let task = Task { name, script, arguments, prefixes: &package.prefixes, paths };
    Some(Due { package, kind, slot, task })
}

/// As rpm says it, and the last that the script printed.
fn warning(name: &str, failure: &Failure) -> String {
    let last = failure.lines.last().map(|line| format!(" ({line})")).unwrap_or_default();
    format!("{name} scriptlet failed, {}{last}", failure.how)
}

fn failed(name: &str, failure: Failure) -> Error {
    let mut error = Error::new(ErrorKind::ToolFailed, format!("{name} scriptlet failed, {}", failure.how));
    error.causes.extend(failure.lines);
    error.hint("-v shows all that scripts print.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configure::script::Scriptlets;
    use crate::configure::triggers::{FileTrigger, FileTriggers};

    fn package() -> Package {
        let script = Script::new(Vec::new(), Some(b"true".to_vec()), 0);
        let trigger = FileTrigger { script: script.clone(), prefixes: vec![b"/d".to_vec()], priority: 1 };
        Package {
            name: "a".into(),
            title: "a-1-1.noarch".into(),
            files: [&b"/d/x"[..], b"/d/\xff"].map(<[u8]>::to_vec).to_vec(),
            directories: vec![b"/d/".to_vec()],
            scriptlets: Scriptlets {
                pre: Some(script.clone()),
                post: Some(script),
                file_triggers: FileTriggers(vec![trigger]),
                ..Scriptlets::default()
            },
            ..Package::default()
        }
    }

    #[test]
    fn scriptlets_have_their_names_arguments_and_paths() {
        let packages = [package()];
        let mut transaction = Transaction::new(&packages);
        let mut all = Vec::new();
        while let Some(step) = transaction.next() {
            all.extend(due(&packages, &transaction, &step));
        }
        let seen: Vec<_> =
            all.iter().map(|due| (due.kind.as_str(), due.is_critical(), &due.task.arguments[..])).collect();
        assert_eq!(seen, [("%pre", true, &[1][..]), ("%post", false, &[1]), ("%filetriggerin", false, &[0])]);
        assert_eq!(all[0].task.name, "%pre(a-1-1.noarch)");
        assert_eq!(all[2].task.paths.as_deref(), Some(&b"/d/x\n/d/\xff\n"[..]));
    }

    #[test]
    fn messages_are_rpms() {
        let failure = Failure { how: "exit status 3".into(), lines: vec!["a".into(), "b".into()] };
        let name = "%post(a-1-1.noarch)";
        assert_eq!(warning(name, &failure), format!("{name} scriptlet failed, exit status 3 (b)"));
        let error = failed(name, failure);
        assert_eq!(error.message, format!("{name} scriptlet failed, exit status 3"));
        assert_eq!(error.causes, ["a", "b"]);
    }
}
