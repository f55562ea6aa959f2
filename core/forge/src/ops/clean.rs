//! `ctr-forge clean`: what builds left that were killed, and the cache.

use std::path::PathBuf;

use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_sandbox::{Choice, Settings, Swept, sweep};

use crate::Forge;

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Directories of builds.
    pub directories: Vec<PathBuf>,
    /// Bytes of the cache.
    pub cache_bytes: u64,
}

/// Removes the directories of dead builds, and where asked for all of the cache.
///
/// # Errors
///
/// If something cannot be removed; what can be is, all the same.
pub fn clean(forge: &Forge, cache: bool) -> Result<Cleaned> {
    let Swept { removed: directories, failed } = sweep(&settings(forge, Choice::Auto, String::new(), None))?;
    let cannot = |e| Error::new(ErrorKind::Io, "cannot empty the cache").because(&e);
    let cache_bytes = if cache { forge.fetcher.clear().map_err(cannot)? } else { 0 };
    match failed.into_iter().next() {
        None => Ok(Cleaned { directories, cache_bytes }),
        Some((path, error)) => Err(error.context(format!("cannot remove {}", path.display()))),
    }
}

/// How sandboxes are made.
///
/// A root of about `bytes` may be built in memory.
pub(crate) fn settings(forge: &Forge, choice: Choice, arch: String, bytes: Option<u64>) -> Settings {
    Settings {
        executable: forge.executable.clone(),
        env: forge.worker_env.clone(),
        temp_dir: forge.temp_dir.clone(),
        choice,
        arch,
        bytes: bytes.filter(|_| forge.memory),
    }
}
