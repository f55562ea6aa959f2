//! What the packages' scripts do: modelled where all of it is known, else run.
//!
//! | module | what it does |
//! |---|---|
//! | `script` | a script into the steps that it comes to, if each of its lines is known |
//! | `accounts` | `adduser` and `addgroup`, on the files that they change |
//! | `modelled` | steps into the stream |
//! | `run` | a root in a sandbox: packages unpacked, scripts run, cleaned |
//! | `triggers` | which directories a trigger is told of |
//!
//! One script that is not known makes all of them run: what it finds is then what apk would
//! have made. A test has the known ones run and compares.

mod accounts;
mod modelled;
mod run;
mod script;
mod triggers;

use ctr_forge_plugin::{Error, ErrorKind};

use crate::apk::Control;
use crate::lock::Lock;

pub(crate) use modelled::{HELD_BACK, Modelled};
pub(crate) use run::{date_shadow, run};
pub(crate) use script::Step;

/// The scripts that a new root runs, in their order around a package's files.
pub(crate) const INSTALL: [&str; 2] = ["pre-install", "post-install"];

/// A package's trigger.
pub(crate) const TRIGGER: &str = "trigger";

/// The steps of a package's script, if all of it is known; `None` if not.
pub(crate) fn steps(control: &Control, script: &str, lock: &Lock) -> Option<Vec<Step>> {
    let text = std::str::from_utf8(control.scripts.get(script)?).ok()?;
    script::parse(text, &|start| lock.packages.iter().any(|there| there.name.starts_with(start)))
}

/// The program that a script which is known is for, by its path in the root.
pub(crate) fn interpreter(control: &Control, script: &str) -> Option<&'static str> {
    script::interpreter(std::str::from_utf8(control.scripts.get(script)?).ok()?)
}

/// What helps a script that cannot be started.
const NO_INTERPRETER: &str = "Is its interpreter among the packages? Of Alpine's, busybox-binsh brings /bin/sh. \
                              --scripts skip leaves scripts undone.";

/// As if it had been run: packages that are installed before have to bring it.
pub(crate) fn no_interpreter(title: &str, script: &str, path: &str) -> Error {
    let message = format!("the script {script} of {title} cannot be run");
    let mut error = Error::new(ErrorKind::ToolFailed, message);
    error.causes.push(format!("there is no /{path} when it is its turn"));
    error.hint(NO_INTERPRETER)
}

/// The first script of a package that is not known, of those that a new root runs.
pub(crate) fn unknown(control: &Control, lock: &Lock) -> Option<&'static str> {
    let has_triggers = control.package().is_ok_and(|package| !package.triggers.is_empty());
    let triggers = has_triggers.then_some(TRIGGER);
    INSTALL
        .into_iter()
        .chain(triggers)
        .find(|script| control.scripts.contains_key(script) && steps(control, script, lock).is_none())
}
