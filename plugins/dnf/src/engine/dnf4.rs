//! dnf of version 4: what it keeps is below the root, whatever is said, and so is its
//! configuration, unless its place is named on the command line.

use ctr_forge_plugin::sandbox::ROOT_IN_MACHINE;

use super::files::{CONFIGURATION, REPOSITORIES, VARIABLES};
use super::{KEPT, Task};

/// Settings of its own.
pub(super) fn settings() -> Vec<(&'static str, String)> {
    vec![("logdir", format!("{KEPT}/log")), ("deltarpm", "0".into()), ("color", "never".into())]
}

/// What it is called with.
pub(super) fn command(task: &Task<'_>) -> Vec<String> {
    let mut argv = vec![
        task.program.to_owned(),
        format!("--config={CONFIGURATION}"),
        format!("--installroot={ROOT_IN_MACHINE}"),
        format!("--releasever={}", task.release),
        // With none of its own, it would take the machine's.
        format!("--setopt=reposdir={REPOSITORIES}"),
        format!("--setopt=varsdir={VARIABLES}"),
        "--noplugins".to_owned(),
        "--assumeyes".to_owned(),
    ];
    argv.extend(task.foreign_arch.map(|arch| format!("--forcearch={arch}")));
    argv.push("install".to_owned());
    argv.extend(task.packages.iter().cloned());
    argv
}
