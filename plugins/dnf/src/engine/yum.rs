//! yum of version 3, as CentOS 7 has it: it knows nothing of weak dependencies, and no variables
//! but those of the machine.

use ctr_forge_plugin::sandbox::ROOT_IN_MACHINE;

use super::files::CONFIGURATION;
use super::{KEPT, Task};

/// Settings of its own.
pub(super) fn settings() -> Vec<(&'static str, String)> {
    vec![("logfile", format!("{KEPT}/log/yum.log")), ("color", "never".into())]
}

/// What it cannot do.
pub(super) fn cannot(task: &Task<'_>) -> Option<&'static str> {
    let asked = [
        ("cannot install for another architecture", task.foreign_arch.is_some()),
        ("cannot be given variables", !task.variables.is_empty()),
        ("knows no weak dependencies", task.weak_deps),
        ("knows no modules", task.platform.is_some()),
        ("knows no priorities", task.repositories.iter().any(|repository| repository.priority.is_some())),
    ];
    asked.into_iter().find(|(_, asked)| *asked).map(|(what, _)| what)
}

/// What it is called with.
pub(super) fn command(task: &Task<'_>) -> Vec<String> {
    let mut argv = vec![
        task.program.to_owned(),
        format!("--config={CONFIGURATION}"),
        format!("--installroot={ROOT_IN_MACHINE}"),
        format!("--releasever={}", task.release),
        "--noplugins".to_owned(),
        "--assumeyes".to_owned(),
        "install".to_owned(),
    ];
    argv.extend(task.packages.iter().cloned());
    argv
}
