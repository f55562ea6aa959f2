//! dnf of version 5: all that it reads and keeps is below the root, but for the configuration and
//! the variables whose places are named on the command line (dnf5-installroot(7)).

use ctr_forge_plugin::sandbox::ROOT_IN_MACHINE;

use super::files::{CONFIGURATION, VARIABLES};
use super::{KEPT, Task};

/// Settings of its own. File dependencies need metadata that it does not read by itself.
pub(super) fn settings() -> Vec<(&'static str, String)> {
    vec![
        ("logdir", format!("{KEPT}/log")),
        ("system_cachedir", format!("{KEPT}/cache")),
        ("system_state_dir", format!("{KEPT}/state")),
        ("optional_metadata_types", "comps,filelists".into()),
    ]
}

/// What it is called with.
pub(super) fn command(task: &Task<'_>) -> Vec<String> {
    let mut argv = vec![
        task.program.to_owned(),
        format!("--config={CONFIGURATION}"),
        format!("--installroot={ROOT_IN_MACHINE}"),
        format!("--releasever={}", task.release),
        format!("--setopt=varsdir={VARIABLES}"),
        "--assumeyes".to_owned(),
    ];
    argv.extend(task.foreign_arch.map(|arch| format!("--forcearch={arch}")));
    argv.push("install".to_owned());
    argv.extend(task.packages.iter().cloned());
    argv
}
