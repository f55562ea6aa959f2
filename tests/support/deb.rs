//! Debian packages made in memory, byte by byte: also those that no honest builder makes.
//!
//! ```ignore
//! let hello = Deb::new("hello", "1.0")
//!     .field("Depends", "libc6 (>= 2.34)")
//!     .file("usr/bin/hello", "#!/bin/sh\necho hello\n", 0o755)
//!     .symlink("usr/bin/hi", "hello")
//!     .conffile("/etc/hello.conf", "greeting = hello\n")
//!     .script("postinst", "#!/bin/sh\n");
//! let file = hello.build();
//! ```
//!
//! Folders above a path are added, and `md5sums` is written, as builders do. To make
//! something else of it, take its members, change them and put them together with [`ar`]:
//!
//! ```ignore
//! let mut members = hello.members();
//! members.swap(1, 2);
//! let disordered = hello.clone().raw(ar(&members));
//! ```

use std::collections::BTreeSet;
use std::io::{self, Read};

use crate::archive::{BLOCK, Member};
use crate::compression::Compression;
use crate::debian::Hash;

/// The date of every file in a package, in seconds: in November 2023.
pub const DATE: i64 = 1_700_000_000;

/// Length of a name in a tar header.
const NAME: usize = 100;

/// A package to be built. An archive holds it as `control` says, except for what it claims.
#[derive(Debug, Clone)]
pub struct Deb {
    fields: Vec<(String, String)>,
    claims: Vec<(String, String)>,
    component: String,
    published: bool,
    control: Vec<Member>,
    data: Vec<Member>,
    folders: BTreeSet<String>,
    conffiles: String,
    md5sums: String,
    size: usize,
    compression: Option<Compression>,
    control_bomb: u64,
    data_bomb: u64,
    data_tar: Option<Vec<u8>>,
    raw: Option<Vec<u8>>,
}

impl Deb {
    /// A package of `amd64` with no files.
    pub fn new(name: &str, version: &str) -> Self {
        let fields = [
            ("Package", name),
            ("Version", version),
            ("Architecture", "amd64"),
            ("Maintainer", "Nobody <nobody@example.org>"),
            ("Section", "misc"),
            ("Priority", "optional"),
        ];
        Self {
            fields: fields.map(|(name, value)| (name.into(), value.into())).into(),
            claims: Vec::new(),
            component: "main".into(),
            published: true,
            control: Vec::new(),
            data: Vec::new(),
            folders: BTreeSet::new(),
            conffiles: String::new(),
            md5sums: String::new(),
            size: 0,
            compression: None,
            control_bomb: 0,
            data_bomb: 0,
            data_tar: None,
            raw: None,
        }
        .field("Description", &format!("{name}, which is made for a test"))
    }

    /// Sets a field of `control`; further lines of a value begin with a space.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        set(&mut self.fields, name, value);
        self
    }

    /// Leaves a field out of `control`.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self
    }

    /// `Architecture`: dpkg's name, or `all`.
    #[must_use]
    pub fn arch(self, arch: &str) -> Self {
        self.field("Architecture", arch)
    }

    /// `Depends`.
    #[must_use]
    pub fn depends(self, relations: &str) -> Self {
        self.field("Depends", relations)
    }

    /// The component of an archive that it belongs to, if not `main`.
    #[must_use]
    pub fn component(mut self, component: &str) -> Self {
        self.component = component.into();
        self
    }

    /// A field of its stanza in the index of an archive where that is another than in the
    /// package: also `Filename`, `Size` and `SHA256`.
    #[must_use]
    pub fn claims(mut self, name: &str, value: &str) -> Self {
        set(&mut self.claims, name, value);
        self
    }

    /// It is in the index of an archive, but not in its pool.
    #[must_use]
    pub fn missing(mut self) -> Self {
        self.published = false;
        self
    }

    /// A file.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        let path = path.trim_start_matches('/');
        self.md5sums += &format!("{}  {path}\n", Hash::Md5.of(content.as_ref()));
        self.size += content.as_ref().len();
        self.put(path, b'0', mode, "", content.as_ref())
    }

    /// A folder. Those above anything need not be named.
    #[must_use]
    pub fn dir(mut self, path: &str, mode: u32) -> Self {
        self.folders.insert(path.into());
        self.put(&format!("{path}/"), b'5', mode, "", b"")
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.put(path, b'2', 0o777, target, b"")
    }

    /// A further name for a file that was added before.
    #[must_use]
    pub fn hardlink(self, path: &str, file: &str) -> Self {
        self.put(path, b'1', 0o644, &format!("./{file}"), b"")
    }

    /// The owner of what was added last, with names as the package has them.
    #[must_use]
    pub fn owner(mut self, (uid, user): (u32, &str), (gid, group): (u32, &str)) -> Self {
        let last = self.data.last_mut().expect("something was added");
        last.set(108, format!("{uid:07o}\0").as_bytes()).set(116, format!("{gid:07o}\0").as_bytes());
        last.set(265, format!("{user:\0<32}").as_bytes()).set(297, format!("{group:\0<32}").as_bytes());
        self
    }

    /// Any member of the data, with its name as it is, such as `../../etc/passwd`.
    #[must_use]
    pub fn member(mut self, member: Member) -> Self {
        self.data.push(member);
        self
    }

    /// A file that is the administrator's to change, by its absolute path.
    #[must_use]
    pub fn conffile(mut self, path: &str, content: &str) -> Self {
        self.conffiles += &format!("{path}\n");
        self.file(path, content, 0o644)
    }

    /// A maintainer script: `preinst`, `postinst`, `prerm`, `postrm` or `config`.
    #[must_use]
    pub fn script(self, name: &str, text: &str) -> Self {
        self.control_file(name, text, 0o755)
    }

    /// Another file beside `control`, such as `triggers` or `shlibs`.
    #[must_use]
    pub fn control_file(self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.control_member(member(&format!("./{name}"), b'0', mode, "", content.as_ref()))
    }

    /// Any member beside `control`, which comes first.
    #[must_use]
    pub fn control_member(mut self, member: Member) -> Self {
        self.control.push(member);
        self
    }

    /// How it is compressed, if not as is usual in the archive it is put in.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Ends the control archive with a file of so many zeros.
    #[must_use]
    pub fn control_bomb(mut self, bytes: u64) -> Self {
        self.control_bomb = bytes;
        self
    }

    /// Ends the data archive with a file of so many zeros.
    ///
    /// A bomb of 1 GiB takes half a second to make with zstd, and several with xz.
    #[must_use]
    pub fn data_bomb(mut self, bytes: u64) -> Self {
        self.data_bomb = bytes;
        self
    }

    /// These bytes in place of the data archive, to be compressed.
    #[must_use]
    pub fn data_tar(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.data_tar = Some(bytes.into());
        self
    }

    /// These bytes in place of the whole package; the index is still that of the fields.
    #[must_use]
    pub fn raw(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw = Some(bytes.into());
        self
    }

    /// The value of a field of `control`; empty if it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// The text of `control`.
    pub fn control(&self) -> String {
        stanza(&self.control_fields())
    }

    /// The package file, compressed with xz unless told otherwise.
    pub fn build(&self) -> Vec<u8> {
        self.build_as(Compression::Xz)
    }

    /// The package file, compressed like this unless told otherwise.
    pub fn build_as(&self, usual: Compression) -> Vec<u8> {
        self.raw.clone().unwrap_or_else(|| ar(&self.members_as(usual)))
    }

    /// The members of the package file, with their names.
    pub fn members(&self) -> Vec<(String, Vec<u8>)> {
        self.members_as(Compression::Xz)
    }

    fn members_as(&self, usual: Compression) -> Vec<(String, Vec<u8>)> {
        let compression = self.compression.unwrap_or(usual);
        // deb(5) has these for the data alone.
        let old = matches!(compression, Compression::Bzip2 | Compression::Lzma);
        let for_control = if old { Compression::Gzip } else { compression };
        let control = for_control.encode(tar(&self.control_members(), self.control_bomb));
        let data = match &self.data_tar {
            Some(bytes) => compression.encode(bytes.as_slice()),
            None => compression.encode(tar(&self.data, self.data_bomb)),
        };
        vec![
            ("debian-binary".into(), b"2.0\n".into()),
            (format!("control.tar{}", for_control.extension()), control),
            (format!("data.tar{}", compression.extension()), data),
        ]
    }

    fn control_fields(&self) -> Vec<(String, String)> {
        let mut fields = self.fields.clone();
        if self.get("Installed-Size").is_empty() {
            fields.push(("Installed-Size".into(), self.size.div_ceil(1024).to_string()));
        }
        fields
    }

    fn control_members(&self) -> Vec<Member> {
        let mut members = vec![member("./", b'5', 0o755, "", b"")];
        let lists =
            [("control", &self.control()), ("conffiles", &self.conffiles), ("md5sums", &self.md5sums)];
        for (name, text) in lists.into_iter().filter(|(_, text)| !text.is_empty()) {
            members.push(member(&format!("./{name}"), b'0', 0o644, "", text.as_bytes()));
        }
        members.extend(self.control.iter().cloned());
        members
    }

    fn put(mut self, path: &str, typeflag: u8, mode: u32, target: &str, content: &[u8]) -> Self {
        let folders = path.trim_end_matches('/').match_indices('/').map(|(end, _)| &path[..end]);
        for folder in std::iter::once("").chain(folders) {
            if self.folders.insert(folder.into()) {
                let name = if folder.is_empty() { "./".into() } else { format!("./{folder}/") };
                self.data.push(member(&name, b'5', 0o755, "", b""));
            }
        }
        let name = format!("./{path}");
        // dpkg knows GNU's way to write long names, and not that of POSIX.
        for (long, flag) in [(name.as_str(), b'L'), (target, b'K')] {
            if long.len() > NAME {
                self.data.push(Member::extended(flag, format!("{long}\0")));
            }
        }
        self.data.push(member(&name, typeflag, mode, target, content));
        self
    }

    /// Where it lies in an archive: `pool/main/h/hello/hello_1.0_amd64.deb`.
    pub fn filename(&self) -> String {
        let name = self.get("Package");
        let source = self.get("Source").split(' ').next().filter(|source| !source.is_empty()).unwrap_or(name);
        let letters = if source.starts_with("lib") { 4 } else { 1 };
        let folder = &source[..letters.min(source.len())];
        // The epoch is not part of a file's name.
        let version = self.get("Version");
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        let arch = self.get("Architecture");
        format!("pool/{}/{folder}/{source}/{name}_{version}_{arch}.deb", self.component)
    }

    /// Its stanza in an index, for a file with these bytes.
    pub(crate) fn index_stanza(&self, file: &[u8], hashes: &[Hash]) -> String {
        let mut fields = self.control_fields();
        fields.push(("Filename".into(), self.filename()));
        fields.push(("Size".into(), file.len().to_string()));
        fields.extend(hashes.iter().map(|hash| (hash.field().into(), hash.of(file))));
        for (name, value) in &self.claims {
            set(&mut fields, name, value);
        }
        stanza(&fields)
    }

    /// The component that it belongs to.
    pub(crate) fn in_component(&self) -> &str {
        &self.component
    }

    /// Whether the pool has it.
    pub(crate) fn is_published(&self) -> bool {
        self.published
    }
}

/// A package file, or any other `ar` archive, of these members (deb(5), ar(5)).
pub fn ar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let size = content.len();
        bytes.extend(format!("{name:<16}{DATE:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, "100644").bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

/// Sets a field where it is, or adds it.
pub(crate) fn set(fields: &mut Vec<(String, String)>, name: &str, value: &str) {
    match fields.iter_mut().find(|(field, _)| field == name) {
        Some(field) => field.1 = value.into(),
        None => fields.push((name.into(), value.into())),
    }
}

/// Fields as a stanza, without the empty line that ends it.
pub(crate) fn stanza(fields: &[(String, String)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// A member of root's, with its name cut to what a header holds.
fn member(name: &str, typeflag: u8, mode: u32, target: &str, content: &[u8]) -> Member {
    let cut = |text: &str| text.as_bytes()[..text.len().min(NAME)].to_vec();
    let mut member = Member::file(cut(name), content);
    member.set(156, &[typeflag]).set(157, &cut(target));
    member.set(100, format!("{mode:07o}\0").as_bytes()).set(136, format!("{DATE:011o}\0").as_bytes());
    member.set(265, b"root").set(297, b"root");
    member
}

/// A complete archive of these members and a file with so many zeros, not held in memory.
fn tar(members: &[Member], zeros: u64) -> impl Read + use<> {
    let mut bytes: Vec<u8> = members.iter().flat_map(Member::bytes).collect();
    if zeros > 0 {
        bytes.extend(Member::new("./bomb", b'0').claim(zeros).bytes());
    }
    let rest = zeros.next_multiple_of(BLOCK as u64) + 2 * BLOCK as u64;
    io::Cursor::new(bytes).chain(io::repeat(0).take(rest))
}
