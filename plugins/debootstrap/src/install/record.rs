//! What is kept of a package for the database.

use ctr_forge_rootfs::RootPath;

use super::conffiles::{self, Conffile};
use super::replaces::{self, Replaces};
use super::status::{self, Field};
use super::triggers::{self, Interest};
use super::{Chosen, InstallError, InstalledPackage, Settings};
use crate::deb::Control;

/// A package that was, or is being, unpacked.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) arch: String,
    /// `Multi-Arch: same`: it can be installed for several architectures at once.
    pub(super) same: bool,
    pub(super) control: Control,
    pub(super) fields: Vec<Field>,
    pub(super) replaces: Vec<Replaces>,
    pub(super) conffiles: Vec<Conffile>,
    pub(super) interests: Vec<Interest>,
    /// Whether the digests of its files are needed: for the list of them that it lacks, for
    /// its configuration files, or to compare them with another architecture's.
    pub(super) hashed: bool,
    /// All that it ships, in its order.
    pub(super) paths: Vec<Shipped>,
    pub(super) licence_text: Option<String>,
    /// Whether what the database says of it is no longer so.
    pub(super) changed: bool,
}

/// Something that a package ships.
#[derive(Debug)]
pub(super) struct Shipped {
    /// As the package has it.
    pub(super) path: RootPath,
    pub(super) what: What,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum What {
    /// A directory, which lies at `real` if that is elsewhere.
    Directory { real: Option<RootPath> },
    /// Anything else, and whether the package still has it.
    Object { kept: bool, md5: Option<[u8; 16]> },
}

impl Record {
    /// A package of which nothing is unpacked yet.
    pub(super) fn new(
        chosen: Chosen,
        control: Control,
        settings: &Settings<'_>,
    ) -> Result<Self, InstallError> {
        let wrong = |what| InstallError::Control { file: chosen.file_name.clone(), what };
        let fields = status::parse(control.description()).map_err(wrong)?;
        for (field, expected) in
            [("Package", &chosen.name), ("Version", &chosen.version), ("Architecture", &chosen.arch)]
        {
            let found = status::text(&fields, field);
            if found != Some(expected) {
                let (file, expected) = (chosen.file_name, expected.clone());
                let found = found.unwrap_or("missing").to_owned();
                return Err(InstallError::Disagrees { file, field, expected, found });
            }
        }
        if !is_name(&chosen.name) {
            return Err(wrong("has a name that no package can have".to_owned()));
        }
        let known = |arch: &str| arch == "all" || arch == settings.arch;
        if !known(&chosen.arch) && !settings.foreign.contains(&chosen.arch) {
            return Err(wrong(format!("is for the architecture {}", chosen.arch)));
        }
        let Chosen { name, version, arch, .. } = chosen;
        let mut record = Self {
            replaces: replaces::parse(status::text(&fields, "Replaces").unwrap_or_default()),
            same: status::text(&fields, "Multi-Arch") == Some("same"),
            conffiles: conffiles::parse(&name, control.get("conffiles").unwrap_or_default())?,
            interests: triggers::parse(&name, control.get("triggers").unwrap_or_default())?,
            hashed: false,
            paths: Vec::new(),
            licence_text: None,
            changed: false,
            name,
            version,
            arch,
            control,
            fields,
        };
        let compared = record.same && !settings.foreign.is_empty();
        let listed = record.control.get("md5sums").is_some();
        record.hashed = compared || !listed || !record.conffiles.is_empty();
        Ok(record)
    }

    /// The name where it must be told from the same package of another architecture.
    pub(super) fn full_name(&self) -> String {
        match self.same {
            true => format!("{}:{}", self.name, self.arch),
            false => self.name.clone(),
        }
    }

    /// Whether nothing has to be run to make the package work.
    pub(super) fn has_nothing_to_run(&self) -> bool {
        self.scripts().is_empty()
    }

    /// Another package has taken the file at `path` over.
    pub(super) fn lose(&mut self, path: &RootPath) {
        for shipped in self.paths.iter_mut().filter(|shipped| shipped.path == *path) {
            if let What::Object { kept, .. } = &mut shipped.what {
                *kept = false;
            }
        }
        self.changed = true;
    }

    fn scripts(&self) -> Vec<String> {
        let scripts = ["preinst", "postinst"].into_iter().filter(|name| self.control.get(name).is_some());
        let triggers = (!self.interests.is_empty()).then_some("triggers");
        scripts.chain(triggers).map(str::to_owned).collect()
    }

    /// What the caller is told.
    pub(super) fn report(&self) -> InstalledPackage {
        let files = self.paths.iter().filter(|path| matches!(path.what, What::Object { kept: true, .. }));
        let size = status::text(&self.fields, "Installed-Size").unwrap_or_default();
        InstalledPackage {
            name: self.name.clone(),
            arch: self.arch.clone(),
            licence_text: self.licence_text.clone(),
            scripts: self.scripts(),
            installed_size: size.parse().unwrap_or(0),
            files: files.count() as u64,
        }
    }
}

/// Whether `name` can be a package's (Debian Policy 5.6.7); dpkg takes capitals and `_` too,
/// but its own database gives these another meaning.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() < 128
        && name.as_bytes().first().is_some_and(|&b| plain(b))
        && name.bytes().all(|b| plain(b) || matches!(b, b'+' | b'-' | b'.'))
}
