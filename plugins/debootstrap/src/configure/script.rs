//! What scripts find, and running a `preinst`.

use std::collections::BTreeMap;

use ctr_forge_packages::root;
use ctr_forge_plugin::sandbox::{Cover, RunOutcome, RunParams};
use ctr_forge_plugin::{Error, ErrorKind, Result, Rootfs, Script, ScriptOutcome};

use super::Task;
use crate::deb::Control;

/// Where dpkg has the control files of a package whose `preinst` runs. debconf looks there for
/// the package's name and templates.
const TEMPORARY: &str = "/var/lib/dpkg/tmp.ci";

/// A daemon is started on a machine, not in an image: invoke-rc.d(8) asks this, 101 says no.
const POLICY: (&str, &str) = ("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");

/// Scripts that do not ask invoke-rc.d call start-stop-daemon; it moved from `/sbin` with merged
/// /usr. Whether there is an init to restart scripts ask ischroot(1), which cannot tell: libc6
/// would wait a second for one. In the root of a build there is none, as in a chroot.
const YES: &str = "#!/bin/sh\nexit 0\n";

/// What every program of a build is started with.
pub(super) fn command(task: &Task<'_>, argv: &[&str]) -> Result<RunParams> {
    let env = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOME", "/root".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("DEBIAN_FRONTEND", "noninteractive".to_owned()),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true".to_owned()),
        ("DEBCONF_NOWARNINGS", "yes".to_owned()),
        ("SOURCE_DATE_EPOCH", task.epoch.to_string()),
        // What systemd's and others' scripts ask (https://systemd.io/CONTAINER_INTERFACE).
        ("container", "ctr-forge".to_owned()),
    ];
    let covers = [
        POLICY,
        ("/sbin/start-stop-daemon", YES),
        ("/usr/sbin/start-stop-daemon", YES),
        ("/usr/bin/ischroot", YES),
    ];
    Ok(RunParams {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        covers: covers
            .into_iter()
            .map(|(path, text)| (path.to_owned(), Cover::Text(text.to_owned())))
            .collect(),
        timeout: task.options.script_timeout()?,
        ..RunParams::default()
    })
}

/// Runs the `preinst` of a package, if it has one, where and with what dpkg runs it (Debian
/// Policy 6.5, dpkg(1)).
pub(super) fn preinst(
    task: &Task<'_>,
    rootfs: &Rootfs<'_>,
    package: &str,
    arch: &str,
    control: &Control,
) -> Result<Option<Script>> {
    if control.get("preinst").is_none() {
        return Ok(None);
    }
    let files = control.iter().map(|(name, file)| (format!("{TEMPORARY}/{name}"), 0o755, &*file.content));
    root::put(rootfs, files)?;
    let path = format!("{TEMPORARY}/preinst");
    let mut params = command(task, &[&path, "install"])?;
    let dpkg = task.lock.packages.iter().find(|package| package.name == "dpkg");
    let dpkg = dpkg.map(|package| package.version.as_str()).unwrap_or_default();
    let told = [
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("DPKG_MAINTSCRIPT_ARCH", arch),
        ("DPKG_MAINTSCRIPT_DEBUG", "0"),
        ("DPKG_MAINTSCRIPT_NAME", "preinst"),
        ("DPKG_MAINTSCRIPT_PACKAGE", package),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
        ("DPKG_ROOT", ""),
        ("DPKG_RUNNING_VERSION", dpkg),
    ];
    params.env.extend(
        told.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect::<BTreeMap<_, _>>(),
    );
    let outcome = rootfs.run(&params)?;
    if !outcome.is_success() {
        return Err(failed(package, "preinst", &outcome));
    }
    rootfs.remove(vec![TEMPORARY.to_owned()])?;
    let changes = rootfs.changes(outcome.began)?;
    Ok(Some(Script {
        package: package.to_owned(),
        script: "preinst".to_owned(),
        outcome: ScriptOutcome::Run,
        millis: Some(outcome.millis),
        changed: changes.into_iter().map(|change| change.path).filter(|path| is_reported(path)).collect(),
    }))
}

/// Whether a path that changed is a script's work and not dpkg's own.
pub(super) fn is_reported(path: &str) -> bool {
    match path.strip_prefix("/var/lib/dpkg/") {
        Some(rest) => ["alternatives/", "diversions", "statoverride"].iter().any(|own| rest.starts_with(own)),
        None => path != "/var/log/dpkg.log",
    }
}

/// That a script failed: how, and the end of what it printed.
pub(super) fn failed(package: &str, script: &str, outcome: &RunOutcome) -> Error {
    let mut error =
        Error::new(ErrorKind::ToolFailed, format!("the script {script} of {package} {}", outcome.how()));
    error.causes.extend(outcome.last_lines());
    match outcome.timed_out {
        true => error.hint("--script-timeout SECONDS gives scripts more time; 0 is without an end."),
        false => error.hint("-v shows all that scripts print."),
    }
}
