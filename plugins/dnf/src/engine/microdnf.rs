//! microdnf: all places have to be named on the command line, and are the machine's.

use ctr_forge_plugin::sandbox::ROOT_IN_MACHINE;

use super::files::{CONFIGURATION, REPOSITORIES, VARIABLES};
use super::{KEPT, Task};

/// Settings of its own.
pub(super) fn settings() -> Vec<(&'static str, String)> {
    vec![("logdir", format!("{KEPT}/log"))]
}

/// What it cannot do.
pub(super) fn cannot(task: &Task<'_>) -> Option<&'static str> {
    let asked = [
        ("cannot install for another architecture", task.foreign_arch.is_some()),
        ("knows no groups", task.packages.iter().any(|word| word.starts_with('@'))),
        ("cannot leave scripts out", !task.scripts),
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
        format!("--setopt=cachedir={ROOT_IN_MACHINE}{KEPT}/cache"),
        format!("--setopt=reposdir={REPOSITORIES}"),
        format!("--setopt=varsdir={VARIABLES}"),
        format!("--setopt=install_weak_deps={}", u8::from(task.weak_deps)),
        "--noplugins".to_owned(),
        "--assumeyes".to_owned(),
    ];
    // It reads flags of transactions from nowhere else.
    argv.extend((!task.docs).then(|| "--nodocs".to_owned()));
    argv.extend(task.platform.map(|platform| format!("--setopt=module_platform_id={platform}")));
    argv.push("install".to_owned());
    argv.extend(task.packages.iter().cloned());
    argv
}
