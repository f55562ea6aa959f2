//! Small packages into one stream, and what the stream then holds.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, Write as _};

use ctr_forge_rootfs::{Duplicates, Entry, Kind, Reader, Tree};

use super::*;
use crate::deb::tests::{deb, tar, tar_entry};

/// A package in the making.
#[derive(Clone)]
struct Package {
    name: &'static str,
    arch: &'static str,
    fields: String,
    control: Vec<(&'static str, String)>,
    entries: Vec<Vec<u8>>,
}

fn package(name: &'static str) -> Package {
    Package { name, arch: "amd64", fields: String::new(), control: Vec::new(), entries: Vec::new() }
}

impl Package {
    fn arch(mut self, arch: &'static str) -> Self {
        self.arch = arch;
        self
    }

    fn field(mut self, field: &str) -> Self {
        self.fields.push_str(field);
        self.fields.push('\n');
        self
    }

    fn control(mut self, name: &'static str, content: &str) -> Self {
        self.control.push((name, content.to_owned()));
        self
    }

    fn entry(mut self, name: &str, kind: u8, link: &str, content: &str) -> Self {
        self.entries.push(tar_entry(name, kind, 0o755, link, content.as_bytes()));
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.entry(name, b'0', "", content)
    }

    fn directory(self, name: &str) -> Self {
        self.entry(name, b'5', "", "")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(name, b'2', target, "")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(name, b'1', target, "")
    }

    fn build(&self) -> Archive {
        let description = format!(
            "Package: {}\nVersion: 1\nArchitecture: {}\n{}Description: b \n c\n",
            self.name, self.arch, self.fields
        );
        let mut control = vec![("control", description.as_str())];
        control.extend(self.control.iter().map(|(name, content)| (*name, content.as_str())));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&deb(&control, &tar(&self.entries))).unwrap();
        file.rewind().unwrap();
        let (name, arch) = (self.name.to_owned(), self.arch.to_owned());
        let file_name = format!("{name}.deb");
        let chosen = Chosen { name, version: "1".to_owned(), arch, file_name };
        Archive { chosen, file, plain: Plain::Unknown }
    }
}

struct Options<'a> {
    mode: Mode,
    exclude: &'a [&'a str],
    merged_usr: MergedUsr,
    foreign: &'a [&'a str],
    jobs: usize,
}

const PLAIN: Options<'_> =
    Options { mode: Mode::Extract, exclude: &[], merged_usr: MergedUsr::No, foreign: &[], jobs: 2 };

/// A root, by path, that the host's tree takes too.
struct Root {
    entries: BTreeMap<String, (Entry, Vec<u8>)>,
    installed: Installed,
    stream: Vec<u8>,
}

fn try_install(packages: &[Package], options: &Options<'_>) -> Result<Root, InstallError> {
    let exclude = Exclude::new(options.exclude).unwrap();
    let foreign: Vec<_> = options.foreign.iter().map(|&arch| arch.to_owned()).collect();
    let Options { mode, merged_usr, jobs, .. } = *options;
    let settings = Settings { arch: "amd64", foreign: &foreign, mode, exclude: &exclude, merged_usr, jobs };
    let debs = packages.iter().map(|package| Ok(package.build()));
    let (installed, writer) = install(Writer::new(Vec::new()).with_packages(), debs, &settings, |_| Ok(()))?;
    let stream = writer.finish().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut tree = Tree::new_in(directory.path(), Duplicates::Refuse).unwrap();
    tree.read_tar(&mut Reader::new(&stream[..])).unwrap();
    let mut reader = Reader::new(&stream[..]);
    let mut entries = BTreeMap::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        entries.insert(entry.path.to_string(), (entry, content));
    }
    Ok(Root { entries, installed, stream })
}

fn install_all(packages: &[Package], options: &Options<'_>) -> Root {
    try_install(packages, options).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(packages: &[Package], options: &Options<'_>) -> String {
    try_install(packages, options).err().unwrap().to_string()
}

impl Root {
    fn text(&self, path: &str) -> &str {
        let (_, content) = self.entries.get(path).unwrap_or_else(|| panic!("no {path}"));
        std::str::from_utf8(content).unwrap()
    }

    fn kind(&self, path: &str) -> Option<&Kind> {
        self.entries.get(path).map(|(entry, _)| &entry.kind)
    }

    fn info(&self, name: &str) -> &str {
        self.text(&format!("/var/lib/dpkg/info/{name}"))
    }

    fn status(&self) -> &str {
        self.text("/var/lib/dpkg/status")
    }
}

fn symlink(target: &str) -> Kind {
    Kind::Symlink(target.as_bytes().into())
}

#[test]
fn the_database_says_what_dpkg_would() {
    let a = package("a")
        .field("X-Odd: y \nMulti-Arch: same")
        .control("conffiles", "/etc/a.conf\n/etc/gone\n")
        .control("postinst", "#!/bin/sh\n")
        .control("triggers", "interest-noawait /usr/share/x\ninterest names\n")
        .directory("./")
        .directory("./etc/")
        .file("./etc/a.conf", "setting\n")
        .file("./usr/bin/a", "a\n")
        .hard_link("./usr/bin/b", "./usr/bin/a");
    let root = install_all(&[a], &PLAIN);
    let status = format!(
        "Package: a\nStatus: install ok unpacked\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1\n\
         Conffiles:\n /etc/a.conf {}\nDescription: b \n c\nX-Odd: y \n\n",
        md5("setting\n")
    );
    assert_eq!(root.status(), status);
    assert_eq!(root.info("format"), "1\n");
    assert_eq!(root.info("a:amd64.list"), "/.\n/etc\n/etc/a.conf\n/usr/bin/a\n/usr/bin/b\n");
    let sums = format!("{0}  usr/bin/a\n{0}  usr/bin/b\n", md5("a\n"));
    assert_eq!(root.info("a:amd64.md5sums"), sums);
    assert_eq!(root.entries["/var/lib/dpkg/info/a:amd64.postinst"].0.mode, 0o755);
    assert_eq!(root.entries["/var/lib/dpkg/info/a:amd64.conffiles"].0.mode, 0o644);
    assert_eq!(root.text("/var/lib/dpkg/triggers/File"), "/usr/share/x a:amd64/noawait\n");
    assert_eq!(root.text("/var/lib/dpkg/triggers/names"), "a:amd64\n");
    assert_eq!(root.text("/var/lib/dpkg/triggers/Unincorp"), "");
    assert_eq!(root.text("/var/lib/dpkg/arch"), "amd64\n");
    assert_eq!(root.kind("/usr"), Some(&Kind::Directory), "made, for nobody has it");
    let report = &root.installed.packages[0];
    assert_eq!((report.scripts.join(" ").as_str(), report.files), ("postinst triggers", 3));
}

fn md5(text: &str) -> String {
    use md5::Digest as _;
    conffiles::hex(&md5::Md5::digest(text).into())
}

#[test]
fn what_has_nothing_to_run_is_installed() {
    let packages = [package("a").control("prerm", ""), package("b").control("preinst", "")];
    let options = Options { mode: Mode::Custom, ..PLAIN };
    let root = install_all(&packages, &options);
    let states: Vec<_> = root.status().lines().filter(|line| line.starts_with("Status")).collect();
    assert_eq!(states, ["Status: install ok installed", "Status: install ok unpacked"]);
}

#[test]
fn merged_usr_takes_all_that_is_below_its_links() {
    let a = package("a")
        .directory("./bin/")
        .file("./bin/sh", "sh")
        .hard_link("./bin/rsh", "./bin/sh")
        .symlink("./bin/other", "/usr/bin/other")
        .file("./usr/bin/other", "other");
    let b = package("b").symlink("./lib64", "/usr/lib64").file("./lib64/ld.so", "ld");
    let root = install_all(&[a, b], &Options { merged_usr: MergedUsr::AllAbis, ..PLAIN });
    assert_eq!(root.kind("/bin"), Some(&symlink("usr/bin")));
    assert_eq!(root.kind("/sbin"), Some(&symlink("usr/sbin")));
    assert_eq!(root.kind("/lib64"), Some(&symlink("/usr/lib64")), "the package's own");
    assert_eq!(root.entries["/lib64"].0.package.as_deref(), Some("b"));
    assert_eq!(root.kind("/usr/sbin"), Some(&Kind::Directory));
    assert_eq!(root.text("/usr/bin/sh"), "sh");
    assert_eq!(root.kind("/usr/bin/rsh"), Some(&Kind::HardLink(unpack::literal("usr/bin/sh"))));
    assert_eq!(root.text("/usr/bin/other"), "other", "not a link to itself");
    assert_eq!(root.text("/usr/lib64/ld.so"), "ld");
    assert_eq!(root.info("a.list"), "/.\n/bin\n/bin/sh\n/bin/rsh\n/bin/other\n/usr/bin/other\n");
}

#[test]
fn directories_and_links_to_them_stay_what_they_are() {
    let a = package("a").directory("./d/").directory("./real/").symlink("./link", "real");
    let b = package("b").symlink("./d", "real").directory("./link/").file("./link/x", "x").file("./d/y", "y");
    let root = install_all(&[a, b], &PLAIN);
    assert_eq!(root.kind("/d"), Some(&Kind::Directory));
    assert_eq!(root.kind("/link"), Some(&symlink("real")));
    assert_eq!(root.text("/real/x"), "x");
    assert_eq!(root.text("/d/y"), "y");
    assert_eq!(root.info("b.list"), "/.\n/d\n/link\n/link/x\n/d/y\n");
}

#[test]
fn a_directory_has_the_attributes_of_the_first_that_ships_it() {
    let mut a = package("a").file("./t/x", "");
    a.entries.push(tar_entry("./t/", b'5', 0o1777, "", b""));
    let b = package("b").directory("./t/");
    let root = install_all(&[a, b], &PLAIN);
    let (entry, _) = &root.entries["/t"];
    assert_eq!((entry.mode, entry.package.as_deref()), (0o1777, Some("a")));
}

#[test]
fn a_file_belongs_to_one_package() {
    let file = |name, content| package(name).file("./x", content);
    let message = "package b has /x, which is also in package a";
    assert_eq!(refusal(&[file("a", "1"), file("b", "1")], &PLAIN), message);
    let other = file("b", "1").field("Replaces: a (<< 1), c");
    assert_eq!(refusal(&[file("a", "1"), other], &PLAIN), message);
    let late = file("b", "1").field("Replaces: a (<= 1)");
    let message = "package b replaces /x of package a, but is unpacked after it";
    assert_eq!(refusal(&[file("a", "1"), late.clone()], &PLAIN), message);
    let root = install_all(&[late, file("a", "2").hard_link("./y", "./x")], &PLAIN);
    assert_eq!(root.text("/x"), "1");
    assert_eq!(root.text("/y"), "2", "the link becomes the file");
    assert_eq!(root.info("a.list"), "/.\n/y\n");
    assert_eq!(refusal(&[file("a", "").file("./x", "")], &PLAIN), "package a has /x twice");
    let over = [package("a").directory("./x/"), file("b", "")];
    assert_eq!(refusal(&over, &PLAIN), "package b has /x, but that is a directory of other packages");
    let under = [file("a", ""), package("b").directory("./x/")];
    assert_eq!(refusal(&under, &PLAIN), "package b has /x, which is also in package a");
}

#[test]
fn architectures_share_what_is_the_same() {
    let lib = |arch, content| {
        package("lib").arch(arch).field("Multi-Arch: same").file("./doc", content).symlink("./l", "doc")
    };
    let options = Options { foreign: &["i386"], ..PLAIN };
    let i386 = lib("i386", "1").hard_link("./i386", "./doc");
    let root = install_all(&[lib("amd64", "1"), i386], &options);
    assert_eq!(root.info("lib:i386.list"), "/.\n/doc\n/l\n/i386\n");
    assert_eq!(root.text("/var/lib/dpkg/arch"), "amd64\ni386\n");
    let message = refusal(&[lib("amd64", "1"), lib("i386", "2")], &options);
    assert_eq!(message, "package lib:i386 has /doc, which is different in package lib:amd64");
    let message = refusal(&[lib("arm64", "1")], &options);
    assert_eq!(message, "lib.deb: the package's description is for the architecture arm64");
    assert_eq!(refusal(&[lib("i386", ""), lib("i386", "")], &options), "package lib:i386 is there twice");
}

#[test]
fn what_is_excluded_is_nowhere() {
    let a = package("a")
        .control("conffiles", "/etc/a\n/etc/b\n")
        .control(
            "md5sums",
            "0123456789abcdef0123456789abcdef  usr/share/doc/a/news\n00000000000000000000000000000000  x\n",
        )
        .file("./etc/a", "")
        .file("./etc/b", "")
        .directory("./usr/share/doc/")
        .directory("./usr/share/doc/a/")
        .file("./usr/share/doc/a/copyright", "licence\n")
        .file("./usr/share/doc/a/news", "news")
        .hard_link("./news", "./usr/share/doc/a/news")
        .hard_link("./news2", "./usr/share/doc/a/news");
    let b = package("b").directory("./usr/share/doc/b/").file("./usr/share/doc/b/keep", "");
    let exclude = &["usr/share/doc", "!usr/share/doc/*/keep", "etc/b"];
    let root = install_all(&[a, b], &Options { exclude, ..PLAIN });
    assert_eq!(root.info("a.list"), "/.\n/etc/a\n/usr/share/doc\n/news\n/news2\n");
    assert_eq!(root.info("b.list"), "/.\n/usr/share/doc/b\n/usr/share/doc/b/keep\n");
    assert_eq!(root.info("a.md5sums"), "00000000000000000000000000000000  x\n");
    assert_eq!(root.info("a.conffiles"), "/etc/a\n");
    assert!(!root.status().contains("/etc/b"));
    assert_eq!(root.kind("/usr/share/doc/a"), None);
    assert_eq!(root.kind("/usr/share/doc/b"), Some(&Kind::Directory));
    assert_eq!(root.text("/news"), "news");
    assert_eq!(root.kind("/news2"), Some(&Kind::HardLink(unpack::literal("news"))));
    assert_eq!(root.installed.packages[0].licence_text.as_deref(), Some("licence\n"));
}

#[test]
fn exclusion_looks_at_where_a_path_ends_up() {
    let a = package("a").file("./bin/x", "").file("./bin/y", "");
    let root =
        install_all(&[a], &Options { exclude: &["usr/bin/x"], merged_usr: MergedUsr::AllAbis, ..PLAIN });
    assert_eq!(root.info("a.list"), "/.\n/bin/y\n");
}

#[test]
fn hostile_paths_are_refused() {
    for (package, message) in [
        (package("a").file("../x", ""), "cannot read the files of package a"),
        (package("a").file("./x/../../y", ""), "cannot read the files of package a"),
        (package("a").hard_link("./x", "../etc/passwd"), "cannot read the files of package a"),
        (
            package("a").hard_link("./x", "/etc/passwd"),
            "package a has /x, a hard link to /etc/passwd, which is not a file that came before",
        ),
        (
            package("a").symlink("./out", "../..").file("./out/x", ""),
            "package a has /out/x, which leads out of the root by the symbolic link /out",
        ),
        (
            package("a").symlink("./l", "l/m").file("./l/x", ""),
            "package a has /l/x, which leads through more than 40 symbolic links",
        ),
        (
            package("a").file("./f", "").file("./f/x", ""),
            "package a has /f/x, which is below /f, which is no directory",
        ),
        (package("a").file("./a\nb", ""), "package a has /a\\nb, whose name has a newline in it"),
        (
            package("a").file("./var/lib/dpkg/status", ""),
            "package a has /var/lib/dpkg/status, but only dpkg itself may write files there",
        ),
        (
            package("a").symlink("./d", "var/lib/dpkg").file("./d/info/b.list", ""),
            "package a has /d/info/b.list, but only dpkg itself may write files there",
        ),
        (
            package("a").control("triggers", "interest ../status\n"),
            "package a: the control file triggers has the line \"interest ../status\", which does not name one trigger",
        ),
        (
            package("a").field("Status: install ok installed"),
            "a.deb: the package's description has a field Status, which only dpkg's database may have",
        ),
    ] {
        assert_eq!(refusal(&[package], &PLAIN), message);
    }
}

#[test]
fn the_database_cannot_be_led_away() {
    let root = install_all(&[package("a").symlink("./var", "srv").directory("./var/lib/dpkg/info/")], &PLAIN);
    assert_eq!(root.kind("/var"), Some(&Kind::Directory));
}

#[test]
fn the_package_is_the_one_that_was_chosen() {
    let debs = || {
        let mut archive = package("a").build();
        archive.chosen.version = "2".to_owned();
        [Ok(archive)].into_iter()
    };
    let exclude = Exclude::default();
    let settings = Settings {
        arch: "amd64",
        foreign: &[],
        mode: Mode::Extract,
        exclude: &exclude,
        merged_usr: MergedUsr::No,
        jobs: 1,
    };
    let result = install(Writer::new(Vec::new()), debs(), &settings, |_| Ok(()));
    let message = "a.deb: the package's Version is 1, but the index says 2";
    assert_eq!(result.unwrap_err().to_string(), message);
}

#[test]
fn threads_change_nothing() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let content = "x".repeat(300_000);
    let packages = names.map(|name| package(name).file(&format!("./{name}"), &content));
    let streams = [1, 2, 7].map(|jobs| install_all(&packages, &Options { jobs, ..PLAIN }).stream);
    assert!(streams[0] == streams[1] && streams[1] == streams[2]);
}

#[test]
fn a_broken_package_ends_all_threads() {
    let mut packages = vec![package("a").file("./a", &"x".repeat(18 << 20))];
    packages.extend(["b", "c", "d", "e"].map(package));
    packages[0].entries.push(b"garbage".repeat(100));
    assert_eq!(refusal(&packages, &PLAIN), "cannot read the files of package a");
}

#[test]
fn a_decompressed_form_serves_as_well() {
    let package = package("a").file("./usr/a", "content").symlink("./usr/l", "a");
    let exclude = Exclude::default();
    let settings = Settings {
        arch: "amd64",
        foreign: &[],
        mode: Mode::Extract,
        exclude: &exclude,
        merged_usr: MergedUsr::No,
        jobs: 1,
    };
    let stream = |plain: Plain| {
        let mut copied = None;
        let archive = [Ok(Archive { plain, ..package.build() })].into_iter();
        let (_, writer) = install(Writer::new(Vec::new()), archive, &settings, |step| {
            copied = Some(step.copied);
            Ok(())
        })
        .unwrap();
        (writer.finish().unwrap(), copied.unwrap())
    };
    let mut copy = tempfile::tempfile().unwrap();
    let (first, copied) = stream(Plain::CopyTo(copy.try_clone().unwrap()));
    assert!(copied);
    copy.rewind().unwrap();
    assert!(stream(Plain::Here(copy)) == (first.clone(), false));
    // A full disk is no reason to fail.
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert!(stream(Plain::CopyTo(full)) == (first, false));
}
