//! Configuration files: which files those are, and what dpkg has to remember of them.
//!
//! `dpkg --unpack` puts them beside their names, as `NAME.dpkg-new`, and moves them when it
//! configures the package. Here they lie under their names at once, as with
//! `dpkg-deb --extract`: the database has the digest of the file that came with the
//! package, as it would after that, and dpkg leaves a file alone if there is no new one.

use std::collections::HashMap;

use ctr_forge_rootfs::RootPath;

use super::InstallError;
use super::record::{Record, What};

/// A line of a package's `conffiles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conffile {
    pub(super) path: RootPath,
    /// `remove-on-upgrade`: an earlier version had it, this one has not.
    pub(super) removed: bool,
}

/// Reads `conffiles` of `package`: deb-conffiles(5).
pub(super) fn parse(package: &str, file: &[u8]) -> Result<Vec<Conffile>, InstallError> {
    let lines = file.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty());
    let parse = |line: &[u8]| {
        let wrong = |what| InstallError::Line {
            package: package.to_owned(),
            file: "conffiles",
            line: line.escape_ascii().to_string(),
            what,
        };
        let path = line.strip_prefix(b"remove-on-upgrade ");
        let removed = path.is_some();
        let path = path.unwrap_or(line);
        if !path.starts_with(b"/") {
            return Err(wrong("is no absolute path"));
        }
        let path = RootPath::new(path).map_err(|_| wrong("is no path in the root"))?;
        Ok(Conffile { path, removed })
    };
    lines.map(parse).collect()
}

/// The value of the field `Conffiles`: a newline, blank, path, digest for each.
pub(super) fn field(record: &Record) -> Vec<u8> {
    let digests: HashMap<&RootPath, [u8; 16]> = match record.conffiles.is_empty() {
        true => HashMap::new(),
        false => {
            record.paths.iter().filter_map(|path| Some((&path.path, kept_digest(&path.what)?))).collect()
        }
    };
    let mut value = Vec::new();
    for conffile in &record.conffiles {
        let state = match digests.get(&conffile.path) {
            _ if conffile.removed => "newconffile remove-on-upgrade".to_owned(),
            Some(md5) => hex(md5),
            // Left out, or never there.
            None => continue,
        };
        value.extend_from_slice(b"\n /");
        value.extend_from_slice(conffile.path.as_bytes());
        value.push(b' ');
        value.extend_from_slice(state.as_bytes());
    }
    value
}

/// The digest of a file that the package has in the root.
pub(super) fn kept_digest(what: &What) -> Option<[u8; 16]> {
    match what {
        What::Object { kept: true, md5 } => *md5,
        _ => None,
    }
}

/// As dpkg writes it.
pub(super) fn hex(md5: &[u8; 16]) -> String {
    md5.iter().map(|byte| format!("{byte:02x}")).collect()
}
