//! Packages and repositories of RPM, made by `rpmbuild`, `rpmsign` and `createrepo_c`.
//!
//! ```ignore
//! let hello = Rpm::new("hello", "1:1.0-1")
//!     .requires("/bin/sh, glibc >= 2.34")
//!     .file("usr/bin/hello", "#!/bin/sh\necho hello\n", 0o755)
//!     .symlink("usr/bin/hi", "hello")
//!     .script("post", "echo installed\n");
//! Repository::new([hello]).write(&forge.path("repo"));
//! // … --repo PATH --key key.asc, which holds `rpm::signer().public()` …
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | `spec` | a spec file of many packages |
//! | `build` | runs `rpmbuild` and `rpmsign`, once for the same packages |
//! | [`host_dnf`] | the machine's dnf, to compare with |
//! | `repository` | runs `createrepo_c`; signs and damages what it has made |
//! | `metalink` | which mirrors have a repository |
//! | [`parts`] | where the parts of a package file are |
//! | [`distro`] | a small Fedora |
//!
//! A start of `rpmbuild` takes longer than a package, so all packages that can be are in one spec
//! file. What was built is kept in the target directory under the digest of all that it was made
//! from. The bytes are the same at every run, whoever and wherever builds.

mod build;
pub mod distro;
pub mod host_dnf;
pub mod metalink;
pub mod parts;
mod repository;
mod spec;

pub use build::build;
pub use repository::{Moment, Repository};

use std::sync::Arc;

use crate::openpgp::Key;

/// The date of every file, package and signature, in seconds: in November 2023.
pub const DATE: u32 = 1_700_000_000;

/// The key that signs packages and metadata where no other is named.
pub fn signer() -> Key {
    Key::new("rpm")
}

/// The machine's architecture, in rpm's name for it.
pub fn arch() -> &'static str {
    std::env::consts::ARCH
}

/// A package to be built.
#[derive(Debug, Clone)]
pub struct Rpm {
    name: String,
    epoch: Option<u32>,
    version: String,
    release: String,
    arch: String,
    fields: Vec<(String, String)>,
    scripts: Vec<(String, String)>,
    items: Vec<Item>,
    payload: String,
    signer: Option<Key>,
}

/// Something that a package installs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    /// Without a slash at its beginning.
    path: String,
    what: What,
    mode: u32,
    owner: (String, String),
    /// As in the list of files of a spec: `%config %caps(…)`.
    directives: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    File(Arc<[u8]>),
    Directory,
    Symlink(String),
    Hardlink(String),
}

impl Rpm {
    /// A package with no files, for any architecture. `evr` is `EPOCH:VERSION-RELEASE`, of which
    /// the epoch may be missing.
    pub fn new(name: &str, evr: &str) -> Self {
        let (epoch, rest) = evr.split_once(':').map_or((None, evr), |(e, rest)| (Some(e), rest));
        let (version, release) = rest.split_once('-').unwrap();
        Self {
            name: name.into(),
            epoch: epoch.map(|epoch| epoch.parse().unwrap()),
            version: version.into(),
            release: release.into(),
            arch: "noarch".into(),
            fields: Vec::new(),
            scripts: Vec::new(),
            items: Vec::new(),
            payload: "w3.zstdio".into(),
            signer: Some(signer()),
        }
    }

    /// For this architecture, as rpm calls it.
    #[must_use]
    pub fn arch(mut self, arch: &str) -> Self {
        self.arch = arch.into();
        self
    }

    /// A line of its preamble, such as `Vendor`, or `Requires(pre)`. There may be several of one
    /// name, but not of `License`, `Summary` and `URL`, where the last counts.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// What it needs, with commas between: `a, b >= 1.0`.
    #[must_use]
    pub fn requires(self, what: &str) -> Self {
        self.field("Requires", what)
    }

    /// What it offers, with commas between.
    #[must_use]
    pub fn provides(self, what: &str) -> Self {
        self.field("Provides", what)
    }

    /// What it cannot stand, with commas between.
    #[must_use]
    pub fn conflicts(self, what: &str) -> Self {
        self.field("Conflicts", what)
    }

    /// What it takes the place of, with commas between.
    #[must_use]
    pub fn obsoletes(self, what: &str) -> Self {
        self.field("Obsoletes", what)
    }

    /// What should come with it, with commas between.
    #[must_use]
    pub fn recommends(self, what: &str) -> Self {
        self.field("Recommends", what)
    }

    /// A file.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.shared_file(path, &content.as_ref().into(), mode)
    }

    /// A file with a content that other packages have too.
    #[must_use]
    pub fn shared_file(self, path: &str, content: &Arc<[u8]>, mode: u32) -> Self {
        self.put(path, What::File(content.clone()), mode)
    }

    /// A directory. Those above anything belong to nobody unless they are named.
    #[must_use]
    pub fn dir(self, path: &str, mode: u32) -> Self {
        self.put(path, What::Directory, mode)
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.put(path, What::Symlink(target.into()), 0o777)
    }

    /// A further name for a file that was added before.
    #[must_use]
    pub fn hardlink(self, path: &str, original: &str) -> Self {
        let first = self.items.iter().find(|item| item.path == original).unwrap().clone();
        let mut rpm = self.put(path, What::Hardlink(original.into()), first.mode);
        let last = rpm.items.last_mut().unwrap();
        (last.owner, last.directives) = (first.owner, first.directives);
        rpm
    }

    /// A configuration file that an upgrade does not replace.
    #[must_use]
    pub fn config(self, path: &str, content: &str) -> Self {
        self.file(path, content, 0o644).marked("%config(noreplace)")
    }

    /// A file that belongs to it and that it does not bring.
    #[must_use]
    pub fn ghost(self, path: &str, mode: u32) -> Self {
        self.file(path, "", mode).marked("%ghost")
    }

    /// A file of its documentation.
    #[must_use]
    pub fn doc(self, path: &str, content: &str) -> Self {
        self.file(path, content, 0o644).marked("%doc")
    }

    /// A licence's text.
    #[must_use]
    pub fn license(self, path: &str, content: &str) -> Self {
        self.file(path, content, 0o644).marked("%license")
    }

    /// Gives what was added last to this user and group.
    #[must_use]
    pub fn owner(mut self, user: &str, group: &str) -> Self {
        self.items.last_mut().unwrap().owner = (user.into(), group.into());
        self
    }

    /// Directives of a spec for what was added last: `%config`, `%caps(cap_net_raw=ep)`, `%lang(de)`.
    #[must_use]
    pub fn marked(mut self, directives: &str) -> Self {
        let item = self.items.last_mut().unwrap();
        item.directives = [&item.directives, directives].map(|text| text.trim()).join(" ");
        self
    }

    /// A script for `/bin/sh`: of `pre`, `post`, `preun`, `postun`, `pretrans`, `posttrans`.
    #[must_use]
    pub fn script(self, kind: &str, text: &str) -> Self {
        self.section(kind, "", text)
    }

    /// A script for rpm's Lua.
    #[must_use]
    pub fn lua(self, kind: &str, text: &str) -> Self {
        self.section(kind, "-p <lua>", text)
    }

    /// A script or trigger with what stands behind the package's name in its first line:
    /// `("transfiletriggerin", "-P 2000000 -- /usr/lib", …)`.
    #[must_use]
    pub fn section(mut self, kind: &str, rest: &str, text: &str) -> Self {
        let head = format!("%{kind} -n {} {rest}", self.name);
        self.scripts.push((head.trim_end().into(), text.into()));
        self
    }

    /// How its payload is compressed: `w3.zstdio`, `w2.xzdio`, `w9.gzdio`, `w9.bzdio`, `w9.lzdio`,
    /// `w.ufdio`.
    #[must_use]
    pub fn payload(mut self, io: &str) -> Self {
        self.payload = io.into();
        self
    }

    /// Signed by this key instead.
    #[must_use]
    pub fn signed_by(mut self, key: Key) -> Self {
        self.signer = Some(key);
        self
    }

    /// Signed by nobody.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.signer = None;
        self
    }

    /// Its name in a repository: `hello-1.0-1.noarch.rpm`.
    pub fn filename(&self) -> String {
        format!("{}-{}-{}.{}.rpm", self.name, self.version, self.release, self.arch)
    }

    fn put(mut self, path: &str, what: What, mode: u32) -> Self {
        let owner = ("root".to_owned(), "root".to_owned());
        self.items.push(Item { path: path.into(), what, mode, owner, directives: String::new() });
        self
    }
}
