//! What a packager or administrator allows: TOML drop-ins, and who may own a plugin's file.
//!
//! Drop-ins are read from `share/ctr-forge/policy.d` beside the installation
//! (the packager's) and then from `/etc/ctr-forge/policy.d` (the
//! administrator's), each directory in the order of its file names; what comes
//! later wins.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ctr_forge_plugin::{Error, ErrorKind, Result};
use serde::Deserialize;

/// The policy in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    enabled: Option<Vec<String>>,
    disabled: Vec<String>,
    allow_user_plugins: Option<bool>,
    allow_path_executables: Option<bool>,
    trusted_dirs: Vec<PathBuf>,
    sha256: BTreeMap<String, String>,
    install_hint: BTreeMap<String, String>,
}

/// One drop-in file. An unknown key is an error: a policy that is half understood protects nobody.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct DropIn {
    /// Only these plugins, by name.
    enabled: Option<Vec<String>>,
    /// Not these plugins.
    disabled: Option<Vec<String>>,
    /// Whether plugins from the user's own directories and environment count.
    allow_user_plugins: Option<bool>,
    /// Whether programs on `PATH` count.
    allow_path_executables: Option<bool>,
    /// Directories whose ownership is not checked: file systems that cannot tell it.
    trusted_dirs: Option<Vec<PathBuf>>,
    /// Plugin name → SHA-256 of its file in hexadecimal.
    sha256: Option<BTreeMap<String, String>>,
    /// Source or output → how to install it, for "no such source".
    install_hint: Option<BTreeMap<String, String>>,
}

impl Policy {
    /// Reads the drop-ins (`*.toml`) of these directories; one that does not exist is empty.
    pub fn read(directories: &[PathBuf]) -> Result<Self> {
        let mut policy = Self::default();
        for directory in directories {
            let mut files = match fs::read_dir(directory) {
                Ok(entries) => entries
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|e| cannot_read(directory, e))?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(cannot_read(directory, error)),
            };
            files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
            files.sort();
            for file in files {
                let text = fs::read_to_string(&file).map_err(|e| cannot_read(&file, e))?;
                policy.apply(
                    Self::parse(&text)
                        .map_err(|e| e.context(format!("cannot use policy {}", file.display())))?,
                );
            }
        }
        Ok(policy)
    }

    fn parse(text: &str) -> Result<DropIn> {
        toml::from_str(text).map_err(|e| Error::new(ErrorKind::Config, e.to_string().trim_end().to_owned()))
    }

    fn apply(&mut self, drop_in: DropIn) {
        self.enabled = drop_in.enabled.or(self.enabled.take());
        self.disabled = drop_in.disabled.unwrap_or(std::mem::take(&mut self.disabled));
        self.allow_user_plugins = drop_in.allow_user_plugins.or(self.allow_user_plugins);
        self.allow_path_executables = drop_in.allow_path_executables.or(self.allow_path_executables);
        self.trusted_dirs = drop_in.trusted_dirs.unwrap_or(std::mem::take(&mut self.trusted_dirs));
        self.sha256.extend(drop_in.sha256.unwrap_or_default());
        self.install_hint.extend(drop_in.install_hint.unwrap_or_default());
    }

    /// Whether plugins from the user's own directories and environment count. They do unless said otherwise.
    pub fn allows_user_plugins(&self) -> bool {
        self.allow_user_plugins.unwrap_or(true)
    }

    /// Whether programs on `PATH` count. They do unless said otherwise.
    pub fn allows_path_executables(&self) -> bool {
        self.allow_path_executables.unwrap_or(true)
    }

    /// How to install the source or output `id`, if the packager says.
    pub fn install_hint(&self, id: &str) -> Option<&str> {
        self.install_hint.get(id).map(String::as_str)
    }

    /// An error if the plugin of this name is not to be used.
    pub fn check_name(&self, name: &str) -> Result<()> {
        let listed = |list: &[String]| list.iter().any(|other| other == name);
        if listed(&self.disabled) || self.enabled.as_deref().is_some_and(|enabled| !listed(enabled)) {
            return Err(Error::new(ErrorKind::Permission, "the policy of this installation disables it")
                .hint("The policy is in /etc/ctr-forge/policy.d and share/ctr-forge/policy.d."));
        }
        Ok(())
    }

    /// An error if the policy pins another digest for the plugin of this name.
    pub fn check_digest(&self, name: &str, file: &File) -> Result<()> {
        let Some(pinned) = self.sha256.get(name) else { return Ok(()) };
        let digest = crate::services::digest_of(file, &mut || Ok(()))?.0.hex();
        match digest.eq_ignore_ascii_case(pinned) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Verification,
                format!("its SHA-256 is {digest}, the policy pins {pinned}"),
            )),
        }
    }

    /// An error if somebody else than root or the caller could have put `file` in place.
    ///
    /// The file and every directory above it must belong to root or to `uid`
    /// and not be writable for all (a sticky directory may be). The file must
    /// not be writable for its group either, but where `group_may_write`.
    pub fn check_owners(&self, path: &Path, file: &Metadata, uid: u32, group_may_write: bool) -> Result<()> {
        if self.trusted_dirs.iter().any(|directory| path.starts_with(directory)) {
            return Ok(());
        }
        let group = if group_may_write { 0 } else { 0o020 };
        check_one(path, file, uid, 0o002 | group)?;
        check_directories(path, uid)
    }

    /// As [`Policy::check_owners`], of the place where a file was found: it may be a link.
    pub fn check_place(&self, path: &Path, uid: u32) -> Result<()> {
        if self.trusted_dirs.iter().any(|directory| path.starts_with(directory)) {
            return Ok(());
        }
        // The mode of a link means nothing; its owner put it there.
        let metadata = fs::symlink_metadata(path).map_err(|e| cannot_read(path, e))?;
        check_one(path, &metadata, uid, 0)?;
        check_directories(path, uid)
    }
}

fn check_directories(path: &Path, uid: u32) -> Result<()> {
    for directory in path.ancestors().skip(1) {
        let metadata = fs::metadata(directory).map_err(|e| cannot_read(directory, e))?;
        let sticky = metadata.mode() & 0o1000 != 0;
        check_one(directory, &metadata, uid, if sticky { 0 } else { 0o002 })?;
    }
    Ok(())
}

fn check_one(path: &Path, metadata: &Metadata, uid: u32, forbidden: u32) -> Result<()> {
    let remedy = |hint: String| {
        hint + " If its file system cannot tell owners, name its directory in the policy's trusted-dirs."
    };
    if metadata.uid() != 0 && metadata.uid() != uid {
        let message =
            format!("{} belongs to user {}, who is neither root nor you", path.display(), metadata.uid());
        return Err(Error::new(ErrorKind::Permission, message)
            .hint(remedy(format!("Make it yours: chown {uid} '{}'.", path.display()))));
    }
    if metadata.mode() & forbidden != 0 {
        let who = if metadata.mode() & 0o002 & forbidden != 0 { "everybody" } else { "its group" };
        let mode = metadata.mode() & 0o7777;
        let message = format!("{} can be written by {who} (mode {mode:04o})", path.display());
        return Err(Error::new(ErrorKind::Permission, message)
            .hint(remedy(format!("Take that away: chmod go-w '{}'.", path.display()))));
    }
    Ok(())
}

fn cannot_read(path: &Path, error: std::io::Error) -> Error {
    Error::io(format!("cannot read {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn later_drop_ins_win() {
        let directory = tempfile::tempdir().unwrap();
        let vendor = directory.path().join("vendor");
        fs::create_dir(&vendor).unwrap();
        fs::write(vendor.join("10.toml"), "disabled = [\"a\"]\nallow-user-plugins = false\n").unwrap();
        fs::write(vendor.join("20.toml"), "disabled = [\"b\"]\n[install-hint]\ndnf = \"apt install it\"\n")
            .unwrap();
        fs::write(vendor.join("README"), "not = toml = at all").unwrap();
        let policy = Policy::read(&[vendor.clone(), directory.path().join("absent")]).unwrap();
        assert!(policy.check_name("a").is_ok() && policy.check_name("b").is_err());
        assert!(!policy.allows_user_plugins() && policy.allows_path_executables());
        assert_eq!(policy.install_hint("dnf"), Some("apt install it"));

        fs::write(vendor.join("30.toml"), "disable = [\"typo\"]\n").unwrap();
        let error = Policy::read(&[vendor]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.to_string().contains("30.toml"), "{error}");
    }

    #[test]
    fn only_what_is_named_where_names_are_given() {
        let mut policy = Policy::default();
        policy.apply(Policy::parse("enabled = [\"scratch\"]").unwrap());
        assert!(policy.check_name("scratch").is_ok() && policy.check_name("dnf").is_err());
    }

    #[test]
    fn files_that_others_can_write_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap().join("plugin.so");
        fs::write(&path, "").unwrap();
        let uid = rustix::process::getuid().as_raw();
        let check = |mode: u32, group_may_write: bool| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Policy::default().check_owners(&path, &fs::metadata(&path).unwrap(), uid, group_may_write)
        };
        assert!(check(0o755, false).is_ok());
        assert!(check(0o775, true).is_ok());
        let error = check(0o775, false).unwrap_err();
        assert!(error.message.contains("by its group (mode 0775)"), "{error}");
        let error = check(0o777, true).unwrap_err();
        assert!(error.message.contains("by everybody") && error.hints[0].contains("chmod go-w"), "{error}");
        let trusting =
            Policy { trusted_dirs: vec![directory.path().canonicalize().unwrap()], ..Policy::default() };
        assert!(trusting.check_owners(&path, &fs::metadata(&path).unwrap(), uid, false).is_ok());
    }
}
