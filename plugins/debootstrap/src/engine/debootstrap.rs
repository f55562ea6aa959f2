//! debootstrap(8): a resolver of its own, one repository, the root's dpkg.

use std::path::Path;

use ctr_forge_plugin::sandbox::ROOT_IN_MACHINE;
use ctr_forge_plugin::{Error, ErrorKind, Result};

use super::{Command, Task, proxies};
use crate::options::{Options, Variant};

/// Where it keeps what it knows of each suite.
const SUITES: &str = "/usr/share/debootstrap/scripts";

/// It makes devices unless they are there, and a user namespace cannot have any: it gets those
/// of the machine. In this kind of container it knows that it cannot test for them (its
/// `check_sane_mount`). The keys are in one file as gpgv(1) takes them, one behind the other.
const START: &str = r#"set -e
mkdir "$ROOT/dev"
mount --rbind /dev "$ROOT/dev"
cat /dev/null "$@" > /tmp/keyring.gpg
set -f
IFS='
'
exec $COMMAND
"#;

/// An option that was given and that debootstrap has nothing for.
pub(super) fn cannot(options: &Options) -> Option<&'static str> {
    match options.variant {
        Variant::Required | Variant::Buildd | Variant::Important => None,
        _ => Some("variant"),
    }
}

/// What it is called with.
pub(super) fn command(task: &Task<'_>) -> Result<Command> {
    let (Some(place), Some(keys)) = (task.places.first(), task.keys.first()) else {
        return Err(Error::plugin("there is no repository"));
    };
    if keys.iter().any(|key| key.ends_with(".asc")) {
        let message = "debootstrap takes keys in binary form, and here is one in ASCII armour";
        let hint = "gpg --dearmor < KEY.asc > KEY.gpg makes one.";
        return Err(Error::new(ErrorKind::Unsupported, message).hint(hint).option("key"));
    }
    let repository = &place.repository;
    let base = place.bases.first().ok_or_else(|| Error::plugin("a repository has no place"))?;
    let mut command = vec![task.program.to_owned(), format!("--arch={}", task.arch)];
    command.extend(match task.options.variant {
        Variant::Required => Some("--variant=minbase".to_owned()),
        Variant::Buildd => Some("--variant=buildd".to_owned()),
        _ => None,
    });
    command.push(match repository.trusted {
        true => "--no-check-gpg".to_owned(),
        false => "--keyring=/tmp/keyring.gpg".to_owned(),
    });
    let lists = [
        ("include", names(task.options)?),
        ("exclude", task.options.exclude.iter().map(String::as_str).collect()),
        ("components", repository.components.iter().map(String::as_str).collect()),
    ];
    let lists = lists.iter().filter(|(_, names)| !names.is_empty());
    command.extend(lists.map(|(option, names)| format!("--{option}={}", names.join(","))));
    command.extend(match task.options.merged_usr.as_deref() {
        Some("yes") => Some("--merged-usr".to_owned()),
        Some("no") => Some("--no-merged-usr".to_owned()),
        _ => None,
    });
    command.extend([repository.suite.clone(), ROOT_IN_MACHINE.to_owned(), base.url.clone()]);
    command.extend(script(task));

    let mut argv: Vec<String> = ["/bin/sh", "-c", START, "sh"].map(str::to_owned).into();
    argv.extend(keys.iter().cloned());
    let mut env = proxies(task.places);
    let own = [
        ("container", "lxc".to_owned()),
        ("ROOT", ROOT_IN_MACHINE.to_owned()),
        ("COMMAND", command.join("\n")),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    Ok(Command { argv, env })
}

/// The packages: it knows names and nothing else.
fn names(options: &Options) -> Result<Vec<&str>> {
    let names = options.named()?;
    match names.iter().find(|name| name.contains(['?', '=', '/', ':'])) {
        None => Ok(names),
        Some(name) => {
            let message = format!("debootstrap takes names of packages, and \"{name}\" says more");
            Err(Error::new(ErrorKind::Unsupported, message).option("package"))
        }
    }
}

/// What stands for a suite that it does not know: it is older than the suite.
fn script(task: &Task<'_>) -> Option<String> {
    let is_known = |name: &str| Path::new(SUITES).join(name).exists();
    let stands = match task.release.distribution.as_deref() {
        Some("ubuntu") => "gutsy",
        _ => "sid",
    };
    (!is_known(&task.places.first()?.repository.suite)).then(|| format!("{SUITES}/{stands}"))
}
