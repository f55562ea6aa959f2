//! `--engine`: a tool of the machine chooses and installs the packages, and we do the rest.
//!
//! It works on a root of the host's, as root of a user namespace ([`View::Machine`]), with files
//! that are made here and nothing of the machine's settings: its configuration, its repositories
//! and the keys that count. What it keeps for itself (metadata, packages, logs, history) it is
//! told to keep in one directory of the root ([`KEPT`]), which goes when it has ended.
//!
//! | module | what it knows |
//! |---|---|
//! | [`files`] | configuration, repositories, keys, rpm's macros |
//! | `install` | what `resolve` and `build` are with a tool |
//! | `clean` | what is left in the root |
//! | `dnf4`, `dnf5`, `microdnf`, `yum` | a tool's command line and settings, and what it cannot do |
//!
//! rpm from 4.18 on takes the times that it notes from `SOURCE_DATE_EPOCH`
//! (`rpmtsGetTime`), so that the database is the same at every run; before that it has those of
//! the moment in `INSTALLTIME` and `INSTALLTID`.

mod clean;
mod dnf4;
mod dnf5;
pub(crate) mod files;
mod install;
mod microdnf;
mod yum;

use std::collections::BTreeMap;
use std::path::Path;

use ctr_forge_plugin::sandbox::{Cover, ROOT_IN_MACHINE, RunParams, View};
use ctr_forge_plugin::{Check, Error, ErrorKind, FetchIdentity, Host, Result, Rootfs};
use serde::Deserialize;

pub(crate) use install::{build, resolve};

/// Where in the root a tool keeps what is its own.
pub(crate) const KEPT: &str = "/.dnf";

/// Directories of the machine that a tool sees empty.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run", "/tmp", "/var/tmp"];

/// Scripts expect devices and processes. What is mounted is gone with the tool; the directories
/// below have the modes that they have in every distribution.
const START: &str = r#"set -e
mkdir -m 0755 "$ROOT/dev"
mkdir -m 0555 "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount --rbind /proc "$ROOT/proc"
exec "$@"
"#;

/// Who installs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Engine {
    /// This plugin.
    #[default]
    Native,
    /// The first tool that the machine has.
    Host,
    /// What the machine calls `dnf`: of version 4 or 5.
    Dnf,
    /// dnf5(8).
    Dnf5,
    /// microdnf(8).
    Microdnf,
    /// What the machine calls `yum`: of version 3, or a name for dnf.
    Yum,
}

/// A tool of the machine, by the command line that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Version 4 of dnf.
    Dnf4,
    /// Version 5 of dnf.
    Dnf5,
    /// The small one for containers.
    Microdnf,
    /// Version 3 of yum.
    Yum,
}

/// The names that are looked for, the better one first.
const NAMES: [(&str, Engine); 4] =
    [("dnf5", Engine::Dnf5), ("dnf", Engine::Dnf), ("microdnf", Engine::Microdnf), ("yum", Engine::Yum)];

impl Tool {
    /// The one that is wanted, and where it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::MissingTool`].
    pub(crate) fn find(engine: Engine, host: &Host) -> Result<(Self, String)> {
        let wanted: Vec<&str> = NAMES
            .iter()
            .filter(|(_, of)| [*of, Engine::Host].contains(&engine))
            .map(|(name, _)| *name)
            .collect();
        for name in &wanted {
            if let Some(path) = host.tool(name)? {
                return Ok((Self::of(name, Path::new(&path)), path));
            }
        }
        let message = format!("{} is not installed on this machine", wanted.join(" or "));
        let hint = "Without --engine nothing of the machine is needed.";
        Err(Error::new(ErrorKind::MissingTool, message).hint(hint).option("engine"))
    }

    /// What a program of this name is: distributions let old names lead to the newer programs.
    fn of(name: &str, path: &Path) -> Self {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let real = real.file_name().and_then(|name| name.to_str()).unwrap_or(name);
        match (real, name) {
            ("dnf5", _) => Self::Dnf5,
            ("microdnf", _) => Self::Microdnf,
            ("yum", _) => Self::Yum,
            (real, _) if real.starts_with("dnf") => Self::Dnf4,
            (_, "dnf5") => Self::Dnf5,
            (_, "microdnf") => Self::Microdnf,
            _ => Self::Dnf4,
        }
    }

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dnf4 => "dnf",
            Self::Dnf5 => "dnf5",
            Self::Microdnf => "microdnf",
            Self::Yum => "yum",
        }
    }

    /// Settings of its own, beside those that all have.
    fn settings(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Dnf4 => dnf4::settings(),
            Self::Dnf5 => dnf5::settings(),
            Self::Microdnf => microdnf::settings(),
            Self::Yum => yum::settings(),
        }
    }

    /// What it is called with.
    fn command(self, task: &Task<'_>) -> Vec<String> {
        match self {
            Self::Dnf4 => dnf4::command(task),
            Self::Dnf5 => dnf5::command(task),
            Self::Microdnf => microdnf::command(task),
            Self::Yum => yum::command(task),
        }
    }

    /// What of the task it cannot do, as the end of a sentence that begins with its name.
    fn cannot(self, task: &Task<'_>) -> Option<&'static str> {
        match self {
            Self::Dnf4 | Self::Dnf5 => None,
            Self::Microdnf => microdnf::cannot(task),
            Self::Yum => yum::cannot(task),
        }
    }
}

/// The tools that the machine has, for `doctor`.
///
/// # Errors
///
/// Those of the host.
pub(crate) fn checks(host: &Host) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (name, _) in NAMES {
        if let Some(path) = host.tool(name)? {
            checks.push(Check { name: format!("engine {name}: {path}"), ok: true, hint: None });
        }
    }
    Ok(checks)
}

/// A repository that a tool is told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Repository {
    /// What it is called: letters, digits, `-`, `_`, `.` and `:`.
    pub id: String,
    /// Where it is; `$releasever` and the like are the tool's to replace.
    pub baseurls: Vec<String>,
    /// Where a list of its mirrors is, with digests.
    pub metalink: Option<String>,
    /// Where a plain list of its mirrors is.
    pub mirrorlist: Option<String>,
    /// The keys that count for it, armoured or not.
    pub keys: Vec<Vec<u8>>,
    /// Whether its packages have to be signed.
    pub gpgcheck: bool,
    /// Whether its metadata has to be signed.
    pub repo_gpgcheck: bool,
    /// Less comes first; 99 where it is not said.
    pub priority: Option<i32>,
    /// Packages that it is taken not to have: patterns of names.
    pub exclude: Vec<String>,
    /// How its servers are met, where that is not as usual.
    pub identity: Option<FetchIdentity>,
    /// Further settings, such as `cost` and `includepkgs`.
    pub more: Vec<(String, String)>,
}

/// What a tool is to install.
#[derive(Debug, Clone)]
pub(crate) struct Task<'a> {
    /// Where the tool is.
    pub program: &'a str,
    /// Names, names with versions, capabilities, files, `@groups`.
    pub packages: &'a [String],
    /// Packages that are not to come: patterns of names.
    pub exclude: &'a [String],
    /// From where.
    pub repositories: &'a [Repository],
    /// What `$releasever` is.
    pub release: &'a str,
    /// The architecture as rpm calls it, where it is not the machine's.
    pub foreign_arch: Option<&'a str>,
    /// Further variables of repositories.
    pub variables: &'a BTreeMap<String, String>,
    /// What modules take for the platform: `platform:el9`.
    pub platform: Option<&'a str>,
    /// Whether what packages recommend comes too.
    pub weak_deps: bool,
    /// Whether files of documentation are installed.
    pub docs: bool,
    /// Whether scripts run.
    pub scripts: bool,
    /// Languages whose files are installed, as rpm's `%_install_langs` has them; all where nothing
    /// is said.
    pub languages: Option<&'a [String]>,
    /// Where the database of packages is to be: `/usr/lib/sysimage/rpm`.
    pub database: &'a str,
    /// Seconds since 1970 that stand for the time of the installation.
    pub epoch: i64,
    /// Seconds after which the tool is ended.
    pub timeout: Option<u64>,
}

/// Has a tool fill the root, and removes what it has left there, which is returned.
///
/// The keys of packages that it has installed stay in the database, as packages `gpg-pubkey`.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] for what the tool cannot do, [`ErrorKind::Usage`] for words that it
/// would take for something else, [`ErrorKind::ToolFailed`].
pub(crate) fn run(host: &Host, rootfs: &Rootfs<'_>, tool: Tool, task: &Task<'_>) -> Result<Vec<String>> {
    let params = params(tool, task)?;
    host.phase(format!("Running {}", tool.name()));
    let outcome = rootfs.run(&params)?;
    if !outcome.is_success() {
        let mut error = Error::new(ErrorKind::ToolFailed, format!("{} {}", tool.name(), outcome.how()));
        error.causes.extend(outcome.last_lines());
        return Err(error.hint("-v shows all that it prints."));
    }
    for line in failed_scripts(&outcome.output) {
        host.warn(line);
    }
    clean::check(rootfs, tool, task.database)?;
    clean::clean(rootfs, task.database)
}

/// The call of the sandbox.
///
/// # Errors
///
/// As [`run`], before anything runs.
pub(crate) fn params(tool: Tool, task: &Task<'_>) -> Result<RunParams> {
    check(tool, task)?;
    let mut argv: Vec<String> = ["/bin/sh", "-c", START, "sh"].map(str::to_owned).into();
    argv.extend(tool.command(task));
    let covers = files::files(tool, task)?.into_iter().map(|(path, text)| (path, Cover::Text(text)));
    let is_remote = |repository: &Repository| urls(repository).any(|url| !url.starts_with("file:"));
    Ok(RunParams {
        argv,
        env: env(task.epoch),
        view: View::Machine,
        covers: covers.collect(),
        network: task.repositories.iter().any(is_remote),
        timeout: task.timeout,
        ..RunParams::default()
    })
}

/// An error for what the tool cannot do, or would misunderstand.
fn check(tool: Tool, task: &Task<'_>) -> Result<()> {
    if let Some(what) = tool.cannot(task) {
        let message = format!("{} {what}", tool.name());
        let hint = "Without --engine it can be done.";
        return Err(Error::new(ErrorKind::Unsupported, message).hint(hint).option("engine"));
    }
    if let Some(word) = task.packages.iter().find(|word| !is_package(word)) {
        let message = format!("{} would not take \"{word}\" for the name of a package", tool.name());
        return Err(Error::usage(message).option("package"));
    }
    let hidden = |url: &&str| {
        let path = url.strip_prefix("file:").map(|path| path.trim_start_matches("//"));
        path.is_some_and(|path| HIDDEN.iter().any(|hidden| Path::new(path).starts_with(hidden)))
    };
    match task.repositories.iter().flat_map(urls).find(hidden) {
        None => Ok(()),
        Some(url) => {
            let message =
                format!("{} does not see {url}: directories of users are hidden from it", tool.name());
            let hint =
                "A repository below /srv can be used, and one that is served over HTTP by this machine.";
            Err(Error::new(ErrorKind::Unsupported, message).hint(hint).option("repo"))
        }
    }
}

/// Whether a tool takes the word for something that is in a repository: it is no option, no file
/// of the machine and no URL, whose packages nobody would verify.
fn is_package(word: &str) -> bool {
    let is_other = word.is_empty() || word.starts_with('-') || word.ends_with(".rpm") || word.contains("://");
    !is_other && !word.chars().any(char::is_control)
}

fn urls(repository: &Repository) -> impl Iterator<Item = &str> {
    let lists = repository.metalink.iter().chain(&repository.mirrorlist);
    repository.baseurls.iter().chain(lists).map(String::as_str)
}

/// Debian's rpm warns of itself unless it is told to be content.
fn env(epoch: i64) -> BTreeMap<String, String> {
    let words = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOME", files::HOME.to_owned()),
        ("TMPDIR", "/tmp".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("RPM_FORCE_DEBIAN", "1".to_owned()),
        ("SOURCE_DATE_EPOCH", epoch.to_string()),
        ("ROOT", ROOT_IN_MACHINE.to_owned()),
    ];
    words.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What is said of scripts that failed, where the tool goes on: by rpm, by dnf of version 4
/// (`Error in POSTIN scriptlet in rpm package x`) and of version 5 (`Non-critical error in %post
/// scriptlet: x`).
fn failed_scripts(output: &str) -> impl Iterator<Item = &str> {
    let tells = |line: &&str| {
        let is_error = line.contains("Error in ") || line.contains("error in ");
        line.contains("scriptlet failed") || is_error && line.contains(" scriptlet")
    };
    let lines = output.lines().map(|line| line.trim().trim_start_matches(">>> ")).filter(tells);
    lines.map(|line| line.trim_start_matches("warning: "))
}

#[cfg(test)]
mod tests;
