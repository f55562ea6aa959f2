//! `ctr-forge plugin test`: does a plugin keep the contract?
//!
//! Every check runs in a worker of its own, with a limit on its time, so that
//! no fault hides another. A check that cannot be made for want of options is
//! skipped and says so; it never counts as passed.
//!
//! | module | what it checks |
//! |---|---|
//! | `protocol` | methods and requests that no component should fall over |
//! | `source` | a build: its stream, its manners, the same bytes twice |
//! | `output` | a package made from layers known beforehand |

mod output;
mod protocol;
mod source;

use std::time::Duration;

use ctr_forge_plugin::{Component, Error, Result, Role};
use serde::Serialize;

use crate::Forge;
use crate::discovery::Plugin;
use crate::options::Options;
use crate::worker::{Fault, Job, Trace};

/// How long a plugin has for one call, and for obeying CANCEL.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For any call.
    pub call: Duration,
    /// From CANCEL to the answer of the call.
    pub cancel: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { call: Duration::from_secs(60), cancel: Duration::from_secs(2) }
    }
}

/// One check and what came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// What is checked, with the component: `source scratch: same bytes twice`.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The plugin keeps the contract here.
    Passed,
    /// It does not, and how.
    Failed(String),
    /// It could not be checked, and why.
    Skipped(String),
}

/// What is tested and how.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    forge: &'a Forge,
    plugin: &'a Plugin,
    role: Role,
    component: &'a Component,
    options: &'a Options,
    limits: Limits,
}

/// Runs all checks on every component of `plugin`. `options` gives those with which it builds
/// or packages; `tell` is called after each check.
pub fn test(
    forge: &Forge,
    plugin: &Plugin,
    options: impl Fn(&Component) -> Result<Options>,
    limits: Limits,
    tell: &mut dyn FnMut(&Check),
) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for role in [Role::Source, Role::Output] {
        for component in plugin.manifest.components(role) {
            let mut add = |name: &str, outcome: Outcome| {
                // What a job that was stopped did says nothing of the plugin.
                if forge.cancel.times() > 0 {
                    return;
                }
                let check = Check { name: format!("{} {}: {name}", role.name(), component.id), outcome };
                tell(&check);
                checks.push(check);
            };
            forge.cancel.check()?;
            let options = match options(component) {
                Ok(options) => options,
                Err(error) => {
                    add("options", Outcome::Skipped(format!("{error}: give them with --with NAME=VALUE")));
                    Options::default()
                }
            };
            let subject = Subject { forge, plugin, role, component, options: &options, limits };
            if !protocol::check(&subject, &mut add) {
                continue;
            }
            match role {
                Role::Source => source::check(&subject, &mut add),
                Role::Output => output::check(&subject, &mut add),
            }
        }
    }
    forge.cancel.check()?;
    Ok(checks)
}

impl<'a> Subject<'a> {
    fn job(&self) -> Result<Job<'a>> {
        let mut job = Job::start(self.forge, self.plugin, self.component)?;
        job.set_deadline(Some(self.limits.call));
        Ok(job)
    }
}

impl Outcome {
    fn of(result: Result<(), String>) -> Self {
        result.map_or_else(Outcome::Failed, |()| Outcome::Passed)
    }
}

/// An error on one line.
fn text(error: &Error) -> String {
    error.to_string().replace('\n', " | ")
}

/// The manners of a job that succeeded, a check each.
fn manners(trace: &Trace, add: &mut dyn FnMut(&str, Outcome)) {
    let find = |wanted: &dyn Fn(&Fault) -> Option<String>| match trace.faults.iter().find_map(wanted) {
        Some(fault) => Outcome::Failed(fault),
        None => Outcome::Passed,
    };
    add(
        "prints nothing",
        find(&|fault| match fault {
            Fault::Printed(line) => Some(format!(
                "it printed on standard output: \"{}\"; use events instead",
                line.escape_debug()
            )),
            _ => None,
        }),
    );
    add(
        "events can be read",
        find(&|fault| match fault {
            Fault::BadEvent(why) => Some(format!("an event is malformed: {why}")),
            Fault::ProgressWentBack => Some("progress went back within one phase".into()),
            _ => None,
        }),
    );
    add(
        "events can be followed",
        find(&|fault| match fault {
            Fault::Flood => {
                Some(format!("it sent {} events; send progress a few times a second at most", trace.events))
            }
            _ => None,
        }),
    );
    add(
        "leaves no process",
        find(&|fault| match fault {
            Fault::LeftProcesses(count) => {
                Some(format!("{count} process(es) were still there; wait for what is started"))
            }
            Fault::DidNotExit => Some("it did not exit when the host was done; no thread may keep it".into()),
            _ => None,
        }),
    );
}
