//! The files that a tool is given, in place of all that the machine has of the kind.

use std::fmt::Write;

use ctr_forge_plugin::{Error, FetchIdentity, Result};

use super::{KEPT, Repository, Task, Tool};
use crate::rpmdb::pubkey::armoured;

/// The user's directory.
pub(crate) const HOME: &str = "/tmp/engine/home";
/// The tool's configuration.
pub(crate) const CONFIGURATION: &str = "/tmp/engine/dnf.conf";
/// The directory of repositories.
pub(crate) const REPOSITORIES: &str = "/tmp/engine/repos.d";
/// The directory of variables.
pub(crate) const VARIABLES: &str = "/tmp/engine/vars";

/// Plugins of rpm that speak to services of a running machine, or write to its logs.
const PLUGINS: [&str; 8] =
    ["audit", "dbus_announce", "fapolicyd", "fsverity", "ima", "selinux", "syslog", "systemd_inhibit"];

/// All of them, with the paths that they are to have.
///
/// # Errors
///
/// A value that does not fit into a line of its file.
pub(crate) fn files(tool: Tool, task: &Task<'_>) -> Result<Vec<(String, String)>> {
    let repositories = repositories(tool, task)?;
    let mut configuration = configuration(tool, task)?;
    // dnf5 takes directories of repositories for those of the root, its configuration not.
    if tool == Tool::Dnf5 {
        configuration += &repositories;
    }
    let mut files = vec![
        (format!("{HOME}/.rpmmacros"), macros(task)?),
        (CONFIGURATION.to_owned(), configuration),
        (
            format!("{REPOSITORIES}/engine.repo"),
            if tool == Tool::Dnf5 { String::new() } else { repositories },
        ),
    ];
    for (name, value) in task.variables {
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(Error::usage(format!("\"{name}\" is no name of a variable")));
        }
        files.push((format!("{VARIABLES}/{name}"), line(name, value)?.to_owned() + "\n"));
    }
    let keys = task.repositories.iter().enumerate().flat_map(|(number, repository)| {
        let keys = repository.keys.iter().enumerate();
        keys.map(move |(key, bytes)| (key_path(number, key), armoured(bytes)))
    });
    files.extend(keys);
    for (number, repository) in task.repositories.iter().enumerate() {
        let pems = pems(repository).map(|(name, text)| (pem_path(number, name), text.to_owned()));
        files.extend(pems);
    }
    Ok(files)
}

fn configuration(tool: Tool, task: &Task<'_>) -> Result<String> {
    let word = |yes: bool| if yes { "1" } else { "0" }.to_owned();
    let mut lines = vec![
        ("plugins", word(false)),
        ("assumeyes", word(true)),
        ("gpgcheck", word(true)),
        ("reposdir", REPOSITORIES.to_owned()),
        ("cachedir", format!("{KEPT}/cache")),
        ("persistdir", format!("{KEPT}/state")),
        ("keepcache", word(false)),
        ("obsoletes", word(true)),
        ("diskspacecheck", word(false)),
    ];
    lines.extend(tool.settings());
    if tool != Tool::Yum {
        lines.extend([
            ("best", word(true)),
            ("install_weak_deps", word(task.weak_deps)),
            ("skip_if_unavailable", word(false)),
        ]);
    }
    let flags = [("nodocs", !task.docs), ("noscripts", !task.scripts)];
    let flags: Vec<&str> = flags.iter().filter(|(_, wanted)| *wanted).map(|(flag, _)| *flag).collect();
    if !flags.is_empty() {
        lines.push(("tsflags", flags.join(",")));
    }
    if !task.exclude.is_empty() {
        lines.push((exclude(tool), task.exclude.join(",")));
    }
    lines.extend(task.platform.map(|platform| ("module_platform_id", platform.to_owned())));
    section("main", &lines)
}

/// What it calls packages that are not to come.
fn exclude(tool: Tool) -> &'static str {
    match tool {
        Tool::Yum => "exclude",
        _ => "excludepkgs",
    }
}

fn repositories(tool: Tool, task: &Task<'_>) -> Result<String> {
    let mut text = String::new();
    for (number, repository) in task.repositories.iter().enumerate() {
        text += &self::repository(tool, number, repository)?;
    }
    Ok(text)
}

fn repository(tool: Tool, number: usize, repository: &Repository) -> Result<String> {
    let Repository { id, .. } = repository;
    let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
    if !is_id || id == "main" {
        return Err(Error::usage(format!("\"{id}\" is no name of a repository")).option("repo"));
    }
    let word = |yes: bool| if yes { "1" } else { "0" }.to_owned();
    let mut lines = vec![
        ("name", id.clone()),
        ("enabled", word(true)),
        ("gpgcheck", word(repository.gpgcheck)),
        ("repo_gpgcheck", word(repository.repo_gpgcheck)),
    ];
    // One that cannot be read is an error, not a repository less.
    lines.push(("skip_if_unavailable", word(false)));
    let keys = (0..repository.keys.len()).map(|key| format!("file://{}", key_path(number, key)));
    let lists = [
        ("baseurl", repository.baseurls.join(" ")),
        ("metalink", repository.metalink.clone().unwrap_or_default()),
        ("mirrorlist", repository.mirrorlist.clone().unwrap_or_default()),
        ("gpgkey", keys.collect::<Vec<_>>().join(" ")),
        ("priority", repository.priority.map(|number| number.to_string()).unwrap_or_default()),
        (exclude(tool), repository.exclude.join(",")),
    ];
    lines.extend(lists.into_iter().filter(|(_, value)| !value.is_empty()));
    lines.extend(pems(repository).map(|(name, _)| (name, pem_path(number, name))));
    lines.extend(repository.more.iter().map(|(name, value)| (name.as_str(), value.clone())));
    section(id, &lines)
}

fn section(name: &str, lines: &[(&str, String)]) -> Result<String> {
    let mut text = format!("[{name}]\n");
    for (key, value) in lines {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}={}", line("setting", key)?, line(key, value)?);
    }
    Ok(text + "\n")
}

/// A value that ends its line and begins no other.
fn line<'a>(key: &str, value: &'a str) -> Result<&'a str> {
    match value.chars().any(char::is_control) {
        true => Err(Error::usage(format!("the value of {key} has a control character in it: {value:?}"))),
        false => Ok(value),
    }
}

/// rpm's macros: where the database is (Debian's rpm has it in the user's directory), and what is
/// no part of an image.
///
/// rpm reads those of the machine before them, and what these say of files to be left out
/// would count where nothing is said here (`skipInstallFiles` of its `lib/transaction.c`).
fn macros(task: &Task<'_>) -> Result<String> {
    let mut text =
        format!("%_dbpath {}\n%_db_backend sqlite\n", line("the database's place", task.database)?);
    text += &format!("%_install_langs {}\n", languages(task)?);
    text += &format!("%_excludedocs {}\n%_netsharedpath %{{nil}}\n", u8::from(!task.docs));
    for plugin in PLUGINS {
        text += &format!("%__transaction_{plugin} %{{nil}}\n");
    }
    Ok(text)
}

/// As rpm has them: a list with `all` in it is none, and with an empty one no language is wanted.
fn languages(task: &Task<'_>) -> Result<String> {
    let languages = match task.languages {
        None => return Ok("all".to_owned()),
        Some([]) => return Ok("%{nil}".to_owned()),
        Some(languages) => languages.join(":"),
    };
    if languages.contains(['%', ' ']) {
        return Err(Error::usage(format!("\"{languages}\" is no list of languages")));
    }
    line("languages", &languages).map(str::to_owned)
}

/// Certificates and keys for the servers of a repository, by the settings that name their files.
fn pems(repository: &Repository) -> impl Iterator<Item = (&'static str, &str)> {
    let identity = repository.identity.iter();
    let named = identity.flat_map(|FetchIdentity { authorities, certificate, key, .. }| {
        [("sslcacert", authorities), ("sslclientcert", certificate), ("sslclientkey", key)]
    });
    named.filter_map(|(name, text)| Some((name, text.as_deref()?)))
}

/// Where such a file is.
fn pem_path(repository: usize, name: &str) -> String {
    format!("/tmp/engine/keys/{repository}-{name}.pem")
}

/// Where a key of a repository is.
fn key_path(repository: usize, key: usize) -> String {
    format!("/tmp/engine/keys/{repository}-{key}.asc")
}
