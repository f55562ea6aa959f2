//! The files that a tool is given, in place of all that the machine has of the kind.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ctr_forge_plugin::{Error, Result};

use super::{KEPT, Repository, Task, Tool};

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
fn macros(task: &Task<'_>) -> Result<String> {
    let mut text =
        format!("%_dbpath {}\n%_db_backend sqlite\n", line("the database's place", task.database)?);
    if !task.languages.is_empty() {
        let languages = task.languages.join(":");
        if languages.contains(['%', ' ']) {
            return Err(Error::usage(format!("\"{languages}\" is no list of languages")));
        }
        text += &format!("%_install_langs {}\n", line("languages", &languages)?);
    }
    for plugin in PLUGINS {
        text += &format!("%__transaction_{plugin} %{{nil}}\n");
    }
    Ok(text)
}

/// Where a key of a repository is.
fn key_path(repository: usize, key: usize) -> String {
    format!("/tmp/engine/keys/{repository}-{key}.asc")
}

/// A key in ASCII armour (RFC 9580, 6), as rpm takes no other.
fn armoured(key: &[u8]) -> String {
    if key.first().is_none_or(|first| first & 0x80 == 0) {
        return String::from_utf8_lossy(key).into_owned();
    }
    let base64 = STANDARD.encode(key);
    let mut text = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n".to_owned();
    for line in base64.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    let sum = STANDARD.encode(&crc24(key).to_be_bytes()[1..]);
    text + &format!("={sum}\n-----END PGP PUBLIC KEY BLOCK-----\n")
}

/// The checksum of an armour (RFC 9580, 6.1).
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00B7_04CE, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 16, |sum, _| {
            let next = sum << 1;
            if next & 0x0100_0000 == 0 { next } else { next ^ 0x0186_4CFB }
        })
    })
}
