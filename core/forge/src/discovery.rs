//! Finds plugins: where they may lie, which are refused, which are shadowed.
//!
//! No code of a plugin runs here. A file is opened once, checked through that
//! descriptor, and loaded later through the same one, so what was checked is
//! what is loaded. A bad plugin is refused with its reason and never stops the
//! search: one broken file must not take the others with it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ctr_forge_plugin::abi::{ABI_MAJOR, PluginTable};
use ctr_forge_plugin::{Component, Error, ErrorKind, Manifest, Result, Role};
use semver::Version;

use crate::manifest::{self, who_must_move};
use crate::note::{self, MAX_MANIFEST, Note, NoteError};
use crate::policy::Policy;

/// What a program that is a plugin is called.
pub const EXECUTABLE_PREFIXES: [&str; 2] = ["ctr-forge-source-", "ctr-forge-output-"];

/// Where a plugin was found, in the order of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Named with `--plugin` or `--plugin-dir`.
    CommandLine,
    /// In a directory of `CTR_FORGE_PLUGIN_PATH`.
    Environment,
    /// Beside this binary in cargo's target directory.
    Development,
    /// In the user's data directory.
    User,
    /// In `lib/ctr-forge/plugins` or `libexec/ctr-forge` of this installation or the system.
    System,
    /// A program on `PATH`.
    Path,
    /// Linked into this binary.
    Bundled,
}

impl Origin {
    /// In a few words, for lists.
    pub fn describe(self) -> &'static str {
        match self {
            Origin::CommandLine => "named on the command line",
            Origin::Environment => "from CTR_FORGE_PLUGIN_PATH",
            Origin::Development => "beside this binary, built by cargo",
            Origin::User => "the user's own",
            Origin::System => "installed",
            Origin::Path => "on PATH",
            Origin::Bundled => "built in",
        }
    }

    /// Whether the user, not the system's administrator, put it there.
    fn is_users(self) -> bool {
        matches!(self, Origin::CommandLine | Origin::Environment | Origin::User)
    }
}

/// A plugin linked into this binary.
#[derive(Debug, Clone, Copy)]
pub struct Bundled {
    /// Its entry: the table it would export as a library.
    pub entry: extern "C" fn() -> *const PluginTable,
}

/// Where to look, in order. Built by the caller, who may read the environment.
#[derive(Debug, Clone, Default)]
pub struct SearchPath {
    /// Single files, named by the user: a failure of one of these is worth an error.
    pub files: Vec<PathBuf>,
    /// Directories with libraries and programs.
    pub directories: Vec<(Origin, PathBuf)>,
    /// Directories of which only programs count.
    pub path: Vec<PathBuf>,
    /// Linked in.
    pub bundled: Vec<Bundled>,
}

/// What a plugin's code is in.
#[derive(Debug, Clone)]
pub enum Code {
    /// A dynamic library.
    Library(Arc<File>),
    /// A program.
    Executable(Arc<File>),
    /// This binary.
    Bundled(Bundled),
}

/// A plugin that can be used.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Where it came from.
    pub origin: Origin,
    /// Its file; empty for a bundled one.
    pub path: PathBuf,
    /// What its code is in.
    pub code: Code,
    /// The manifest's bytes: the library's own must be the same.
    pub manifest_bytes: Vec<u8>,
}

/// A file that looked like a plugin and is not used.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
    /// Where it was found.
    pub origin: Origin,
    /// Why, and what to do.
    pub error: Error,
}

/// All that the search found.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// In the order of the search.
    pub plugins: Vec<Plugin>,
    /// In the order of the search.
    pub refused: Vec<Refused>,
    /// Plugins of a name found before, with the place of the one that is used.
    pub shadowed: Vec<(Plugin, String)>,
}

impl Plugin {
    /// The component of this role and id.
    pub fn component(&self, role: Role, id: &str) -> Option<&Component> {
        self.manifest.components(role).iter().find(|component| component.id == id)
    }

    /// The file, or that there is none.
    pub fn place(&self) -> String {
        match self.code {
            Code::Bundled(_) => "(built in)".into(),
            _ => self.path.display().to_string(),
        }
    }
}

impl Catalog {
    /// Looks through `search`. Never fails: what is wrong with a file is in `refused`.
    pub fn find(search: &SearchPath, policy: &Policy, host: &Version) -> Self {
        let mut scan =
            Scan { catalog: Self::default(), policy, host, uid: rustix::process::geteuid().as_raw() };
        for file in &search.files {
            scan.file(file, Origin::CommandLine);
        }
        for (origin, directory) in &search.directories {
            scan.directory(directory, *origin, true);
        }
        if policy.allows_path_executables() {
            for directory in &search.path {
                scan.directory(directory, Origin::Path, false);
            }
        }
        for bundled in &search.bundled {
            scan.bundled(*bundled);
        }
        scan.catalog
    }

    /// The plugin and component for `ctr-forge ROLE ID`; the first found wins.
    pub fn component(&self, role: Role, id: &str) -> Option<(&Plugin, &Component)> {
        self.plugins.iter().find_map(|plugin| Some((plugin, plugin.component(role, id)?)))
    }

    /// Every component of a role that can be used, sorted by id.
    pub fn components(&self, role: Role) -> Vec<(&Plugin, &Component)> {
        let mut found: Vec<(&Plugin, &Component)> = Vec::new();
        for plugin in &self.plugins {
            for component in plugin.manifest.components(role) {
                if !found.iter().any(|(_, other)| other.id == component.id) {
                    found.push((plugin, component));
                }
            }
        }
        found.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
        found
    }
}

struct Scan<'a> {
    catalog: Catalog,
    policy: &'a Policy,
    host: &'a Version,
    uid: u32,
}

impl Scan<'_> {
    fn directory(&mut self, directory: &Path, origin: Origin, libraries: bool) {
        // The current directory is nobody's plugin directory (CWE-426).
        if !directory.is_absolute() {
            let error = Error::new(ErrorKind::Config, "a relative directory is never searched for plugins");
            return self.refuse(directory, origin, error.hint("Name it with its absolute path."));
        }
        let Ok(entries) = fs::read_dir(directory) else { return };
        let mut files: Vec<_> = entries
            .flatten()
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.as_encoded_bytes();
                (libraries && name.ends_with(b".so")) || is_executable_name(name)
            })
            .map(|entry| entry.path())
            .collect();
        files.sort();
        for file in files {
            self.file(&file, origin);
        }
    }

    fn file(&mut self, path: &Path, origin: Origin) {
        match self.open(path, origin) {
            Ok(Some(plugin)) => self.add(plugin),
            Ok(None) => {}
            Err(error) => self.refuse(path, origin, error),
        }
    }

    fn refuse(&mut self, path: &Path, origin: Origin, error: Error) {
        self.catalog.refused.push(Refused { path: path.to_owned(), origin, error });
    }

    fn add(&mut self, plugin: Plugin) {
        match self.shadow_of(&plugin).map(Plugin::place) {
            // One file may be reached twice, by two entries of the search path.
            Some(place) if place == plugin.place() => {}
            Some(place) => self.catalog.shadowed.push((plugin, place)),
            None => self.catalog.plugins.push(plugin),
        }
    }

    /// The plugin found before that has this one's name, or has a component of each of its words.
    fn shadow_of(&self, plugin: &Plugin) -> Option<&Plugin> {
        let named = self.catalog.plugins.iter().find(|other| other.manifest.name == plugin.manifest.name);
        named.or_else(|| {
            let owner = |role| {
                let components = plugin.manifest.components(role).iter();
                components
                    .map(move |component| self.catalog.component(role, &component.id).map(|(owner, _)| owner))
            };
            let owners: Option<Vec<_>> = owner(Role::Source).chain(owner(Role::Output)).collect();
            owners.and_then(|owners| owners.first().copied())
        })
    }

    /// `None` for a file that has nothing to do with us.
    fn open(&self, path: &Path, origin: Origin) -> Result<Option<Plugin>> {
        if origin.is_users() && !self.policy.allows_user_plugins() {
            return Err(Error::new(
                ErrorKind::Permission,
                "the policy of this installation allows no plugins of users",
            )
            .hint("Ask the administrator: allow-user-plugins in /etc/ctr-forge/policy.d."));
        }
        let cannot_open = |e| Error::io("it cannot be opened", e);
        // What is called a program, and what lies beside it, is told by the name
        // it was found by; who could have put it there, by where it really is.
        let real = path.canonicalize().map_err(cannot_open)?;
        let (file, metadata) = open_regular(&real)?;
        let note = match note::read(&file) {
            Ok(note) => Some(note),
            // Libraries that are no plugins lie in a target directory by nature.
            Err(NoteError::Missing) if origin == Origin::Development => return Ok(None),
            Err(NoteError::Missing | NoteError::NotElf) if is_executable(path) => None,
            Err(error) => return Err(refusal(error)),
        };
        // Whoever can write the plugin beside a binary that cargo built can write the binary too.
        self.policy.check_owners(&real, &metadata, self.uid, origin == Origin::Development)?;
        // And who put a link to it in place.
        self.policy.check_place(&std::path::absolute(path).map_err(cannot_open)?, self.uid)?;
        let sidecar = if is_executable(path) { self.read_sidecar(path)? } else { None };
        let manifest_bytes = reconcile(note, sidecar, self.host)?;
        let manifest = manifest::parse(&manifest_bytes, self.host)?;
        self.policy.check_name(&manifest.name)?;
        self.policy.check_digest(&manifest.name, &file)?;
        let code = match is_executable(path) {
            true if metadata.mode() & 0o111 == 0 => {
                return Err(
                    Error::plugin("it is not executable").hint(format!("chmod +x '{}'", path.display()))
                );
            }
            true => Code::Executable(Arc::new(file)),
            false => Code::Library(Arc::new(file)),
        };
        Ok(Some(Plugin { manifest, origin, path: real, code, manifest_bytes }))
    }

    fn read_sidecar(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let mut name = path.as_os_str().to_owned();
        name.push(".toml");
        let path = PathBuf::from(name);
        let cannot_read = |e| Error::io(format!("cannot read {}", path.display()), e);
        if path.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let real = path.canonicalize().map_err(cannot_read)?;
        let (mut file, metadata) =
            open_regular(&real).map_err(|e| e.context(format!("cannot read {}", path.display())))?;
        self.policy.check_owners(&real, &metadata, self.uid, false)?;
        self.policy.check_place(&std::path::absolute(&path).map_err(cannot_read)?, self.uid)?;
        let mut text = Vec::new();
        file.by_ref().take(MAX_MANIFEST as u64 + 1).read_to_end(&mut text).map_err(cannot_read)?;
        match text.len() > MAX_MANIFEST {
            true => Err(Error::plugin(format!("{} is longer than {MAX_MANIFEST} bytes", path.display()))),
            false => Ok(Some(text)),
        }
    }

    fn bundled(&mut self, bundled: Bundled) {
        // SAFETY: the entry is that of a plugin in this binary, its table a static.
        let bytes = unsafe { ctr_forge_plugin::abi::plugin_manifest((bundled.entry)()) }.unwrap_or_default();
        let checked = manifest::parse(bytes, self.host).and_then(|manifest| {
            self.policy.check_name(&manifest.name)?;
            Ok(manifest)
        });
        match checked {
            Ok(manifest) => self.add(Plugin {
                manifest,
                origin: Origin::Bundled,
                path: PathBuf::new(),
                code: Code::Bundled(bundled),
                manifest_bytes: bytes.to_vec(),
            }),
            Err(error) => self.refuse(Path::new("(built in)"), Origin::Bundled, error),
        }
    }
}

/// Opens a file that must be a regular one. Another sort could keep us waiting for ever.
fn open_regular(path: &Path) -> Result<(File, fs::Metadata)> {
    let cannot_open = |e| Error::io("it cannot be opened", e);
    let file =
        fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(cannot_open)?;
    let metadata = file.metadata().map_err(cannot_open)?;
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(Error::plugin("it is not a regular file")),
    }
}

fn is_executable_name(name: &[u8]) -> bool {
    EXECUTABLE_PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
        // A library, a sidecar and cargo's list of dependencies may begin so too.
        && ![".so", ".toml", ".d"].iter().any(|end| name.ends_with(end.as_bytes()))
}

fn is_executable(path: &Path) -> bool {
    path.file_name().is_some_and(|name| is_executable_name(name.as_encoded_bytes()))
}

fn refusal(error: NoteError) -> Error {
    let kind = if matches!(error, NoteError::Io(_)) { ErrorKind::Io } else { ErrorKind::Plugin };
    let refusal = Error::new(kind, error.to_string());
    match &error {
        NoteError::OtherMachine { .. } => refusal.hint("Install the plugin that was built for this machine, or rebuild it."),
        NoteError::Damaged(_) => refusal.hint("Install or build it again."),
        NoteError::Missing | NoteError::NotElf => {
            refusal.hint("A library needs export_plugin! or CTRF_EMBED_MANIFEST, a script a manifest beside it: see docs/PLUGIN-PROTOCOL.md.")
        }
        NoteError::Several => refusal.hint("Put what both need into a third crate."),
        NoteError::Io(source) => refusal.because(source),
    }
}

/// The manifest's bytes, from note, sidecar or both.
fn reconcile(note: Option<Note>, sidecar: Option<Vec<u8>>, host: &Version) -> Result<Vec<u8>> {
    match (note, sidecar) {
        (Some(note), _) if note.abi_major != ABI_MAJOR => {
            let message = format!(
                "it is built for plugin ABI v{}, this ctr-forge {host} speaks v{ABI_MAJOR}",
                note.abi_major
            );
            Err(Error::plugin(message).hint(who_must_move(note.abi_major > ABI_MAJOR)))
        }
        (Some(note), Some(sidecar)) if note.manifest != sidecar => {
            Err(Error::plugin("its note and the manifest beside it differ")
                .hint("Remove the manifest beside it, or rebuild the plugin."))
        }
        (Some(note), _) => Ok(note.manifest),
        (None, Some(sidecar)) => Ok(sidecar),
        (None, None) => Err(refusal(NoteError::Missing)),
    }
}
