use std::io::Read;

use ctr_forge_rootfs::{Duplicates, Entry, Kind, Reader, Tree};

use super::*;
use crate::rpm::testing::{TestFile, TestPackage, Value};
use crate::rpm::{PayloadError, tag};

const GHOST: u32 = 64;
const DOC: u32 = 2;
const LICENSE: u32 = 128;

struct Setup {
    arch: &'static str,
    nodocs: bool,
    langs: Option<Vec<String>>,
    exclude: Exclude,
}

impl Setup {
    fn plain() -> Self {
        Self { arch: "x86_64", nodocs: false, langs: None, exclude: Exclude::new::<&str>([]).unwrap() }
    }

    fn install(&self, packages: &[TestPackage]) -> Result<(Vec<Installed>, Vec<Item>), InstallError> {
        let langs = self.langs.as_deref();
        let settings = Settings { arch: self.arch, nodocs: self.nodocs, langs, exclude: &self.exclude };
        let mut install = Install::new(Writer::new(Vec::new()).with_packages(), settings);
        for package in packages {
            install.package(&mut Rpm::open(package.file()).unwrap(), &chosen(package))?;
        }
        let (records, sink) = install.finish();
        Ok((records, items(&sink.finish().unwrap())))
    }

    fn items(&self, packages: &[TestPackage]) -> Vec<Item> {
        self.install(packages).unwrap().1
    }

    fn states(&self, package: &TestPackage) -> Vec<u8> {
        self.install(std::slice::from_ref(package)).unwrap().0.remove(0).states
    }
}

fn chosen(package: &TestPackage) -> Chosen {
    let evr = Evr { epoch: 0, version: "1.0".into(), release: Some("2".into()) };
    Chosen { name: package.name.clone(), evr, arch: package.arch.clone() }
}

/// An entry, with its content.
type Item = (Entry, String);

fn items(tar: &[u8]) -> Vec<Item> {
    let mut reader = Reader::new(tar);
    let mut items = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut content = String::new();
        reader.read_to_string(&mut content).unwrap();
        items.push((entry, content));
    }
    items
}

fn paths(items: &[Item]) -> Vec<String> {
    items.iter().map(|(entry, _)| entry.path.to_string()).collect()
}

fn package(name: &str, files: &[TestFile]) -> TestPackage {
    TestPackage::new(name, files.to_vec())
}

fn fault(result: Result<(Vec<Installed>, Vec<Item>), InstallError>) -> String {
    let error = result.unwrap_err();
    format!("{error}: {}", error.fault)
}

#[test]
fn files_of_every_kind_come_as_they_are() {
    let files = [
        TestFile::directory("/d"),
        TestFile { caps: "cap_net_raw=ep".into(), ..TestFile::new("/d/prog", 0o104_755, "content") },
        TestFile::link("/d/link", "prog"),
        TestFile { rdev: 0x0103, ..TestFile::new("/d/null", 0o020_666, "") },
        TestFile::new("/d/pipe", 0o010_600, ""),
        TestFile::file("/d/ghost", "").flagged(GHOST),
    ];
    let (records, items) = Setup::plain().install(&[package("test", &files)]).unwrap();
    assert_eq!(paths(&items), ["/d", "/d/prog", "/d/link", "/d/null", "/d/pipe"]);
    let (program, content) = &items[1];
    assert_eq!((&**content, program.mode, program.mtime), ("content", 0o4755, 1_700_000_000));
    assert_eq!(program.xattrs.get(b"security.capability").unwrap()[..6], [1, 0, 0, 2, 0, 0x20]);
    assert_eq!(program.package.as_deref(), Some("test"));
    assert_eq!((&items[2].0.kind, items[2].0.mode), (&Kind::Symlink(b"prog"[..].into()), 0o777));
    assert!(matches!(items[3].0.kind, Kind::CharDevice(device) if (device.major, device.minor) == (1, 3)));
    assert_eq!(items[4].0.kind, Kind::Fifo);
    assert_eq!((&records[0].states[..], records[0].color), (&[0; 6][..], 3));
    assert_eq!((&*records[0].title, records[0].present().count()), ("test-1.0-2.x86_64", 5));
}

/// A script of the package cannot make them: they are there while it runs.
#[test]
fn what_is_mounted_over_is_made() {
    let ghost = |path: &str| TestFile::directory(path).flagged(GHOST);
    let files = [ghost("/proc"), ghost("/sys"), ghost("/other"), TestFile::file("/sys/x", "")];
    let (_, items) =
        Setup::plain().install(&[package("a", &files), package("b", &[ghost("/proc")])]).unwrap();
    assert_eq!(paths(&items), ["/sys", "/sys/x", "/proc"]);
}

#[test]
fn a_package_must_be_the_chosen_one() {
    let package = package("test", &[]);
    let exclude = Exclude::new::<&str>([]).unwrap();
    let settings = Settings { arch: "x86_64", nodocs: false, langs: None, exclude: &exclude };
    let mut install = Install::new(Writer::new(Vec::new()), settings);
    let other = Chosen { name: "other".into(), ..chosen(&package) };
    let mut rpm = Rpm::open(package.file()).unwrap();
    let error = install.package(&mut rpm, &other).unwrap_err();
    assert_eq!(error.fault.to_string(), "it says that it is test-1.0-2.x86_64");
    install.package(&mut rpm, &chosen(&package)).unwrap();
    assert!(matches!(*install.package(&mut rpm, &chosen(&package)).unwrap_err().fault, Fault::Again));
}

#[test]
fn names_of_one_file_are_hard_links() {
    let linked = |path: &str| TestFile { inode: 9, ..TestFile::file(path, "one") };
    let files = [linked("/a/one"), TestFile::file("/a/other", "x"), linked("/b/two"), linked("/c/three")];
    let items = Setup::plain().items(&[package("test", &files)]);
    assert_eq!(paths(&items), ["/a", "/a/other", "/a/one", "/b", "/b/two", "/c", "/c/three"]);
    assert_eq!(items[2].1, "one");
    for link in [4, 6] {
        assert_eq!(items[link].0.kind, Kind::HardLink(RootPath::new(b"a/one").unwrap()));
    }
    // Left out names take nothing with them.
    let linked = [linked("/a"), linked("/b").flagged(DOC), linked("/c").flagged(DOC)];
    let setup = Setup { nodocs: true, ..Setup::plain() };
    let (records, items) = setup.install(&[package("test", &linked)]).unwrap();
    assert_eq!((&*items[0].1, items.len()), ("one", 1));
    assert_eq!(records[0].states, [0, 2, 2]);
}

#[test]
fn owners_are_found_by_name() {
    let passwd = TestFile::file("/etc/passwd", "root:x:0:0:::\nann:x:7:8:::\n");
    let group = TestFile::file("/etc/group", "root:x:0:\nmail:x:12:\n");
    let own = |path: &str, user: &str, group: &str| TestFile::new(path, 0o106_755, "").owned(user, group);
    let mine = package(
        "mine",
        &[own("/ann", "ann", "mail"), own("/bob", "bob", "mail"), own("/cat", "ann", "cats")],
    );
    let (records, items) = Setup::plain().install(&[package("setup", &[passwd, group]), mine]).unwrap();
    let owned: Vec<_> = items[3..].iter().map(|(entry, _)| (entry.uid, entry.gid, entry.mode)).collect();
    assert_eq!(owned, [(7, 12, 0o6755), (0, 12, 0o2755), (7, 0, 0o4755)]);
    assert_eq!(records[1].strangers, ["group cats", "user bob"]);
}

#[test]
fn users_can_be_told() {
    let exclude = Exclude::new::<&str>([]).unwrap();
    let settings = Settings { arch: "x86_64", nodocs: false, langs: None, exclude: &exclude };
    let mut install = Install::new(Writer::new(Vec::new()), settings);
    install.users_mut().learn_passwd(b"ann:x:7:8:::\n");
    let package = package("test", &[TestFile::file("/a", "").owned("ann", "root")]);
    install.package(&mut Rpm::open(package.file()).unwrap(), &chosen(&package)).unwrap();
    assert!(install.exists(&RootPath::new(b"a").unwrap()) && !install.exists(&RootPath::new(b"b").unwrap()));
    assert_eq!(items(&install.finish().1.finish().unwrap())[0].0.uid, 7);
}

#[test]
fn documentation_goes_with_its_directories_and_licences_stay() {
    let files = [
        TestFile::directory("/doc"),
        TestFile::directory("/doc/test"),
        TestFile::file("/doc/test/README", "").flagged(DOC),
        TestFile::directory("/lic"),
        TestFile::file("/lic/COPYING", "").flagged(DOC | LICENSE),
        TestFile::file("/lic/more", "").flagged(DOC),
    ];
    let package = package("test", &files);
    let setup = Setup { nodocs: true, ..Setup::plain() };
    assert_eq!(setup.states(&package), [2, 2, 2, 0, 0, 2]);
    assert_eq!(paths(&setup.items(std::slice::from_ref(&package))), ["/lic", "/lic/COPYING"]);
    assert_eq!(Setup::plain().states(&package), [0; 6]);
}

#[test]
fn only_wanted_languages_are_there() {
    let lang = |path: &str, langs: &str| TestFile { langs: langs.into(), ..TestFile::file(path, "") };
    let files = [
        lang("/de", "de"),
        lang("/fr", "fr"),
        lang("/both", "fr|de"),
        lang("/at", "de_AT"),
        lang("/all", ""),
    ];
    let states = |wanted: &[&str]| {
        let langs = wanted.iter().map(|&lang| lang.to_owned()).collect();
        Setup { langs: Some(langs), ..Setup::plain() }.states(&package("test", &files))
    };
    assert_eq!(states(&["de_DE"]), [0, 2, 0, 2, 0]);
    assert_eq!(states(&["fr", "de_AT"]), [0; 5]);
    assert_eq!(states(&[]), [2, 2, 2, 2, 0]);
}

#[test]
fn what_the_user_excludes_is_not_there() {
    let files = [
        TestFile::directory("/doc"),
        TestFile::directory("/doc/a"),
        TestFile::file("/doc/a/x", ""),
        TestFile::directory("/doc/b"),
        TestFile::file("/doc/b/keep", ""),
    ];
    let exclude = Exclude::new(["/doc", "/doc/**", "!/doc/b/keep"]).unwrap();
    let setup = Setup { exclude, ..Setup::plain() };
    let (records, items) = setup.install(&[package("test", &files)]).unwrap();
    assert_eq!(records[0].states, [0, 2, 2, 0, 0]);
    assert_eq!(paths(&items), ["/doc", "/doc/b", "/doc/b/keep"]);
}

#[test]
fn the_same_file_may_be_in_two_packages() {
    let shared = [TestFile::directory("/d"), TestFile::file("/d/x", "same"), TestFile::link("/d/l", "x")];
    let more = [&shared[..], &[TestFile::file("/d/y", "more")]].concat();
    let (records, items) = Setup::plain().install(&[package("a", &shared), package("b", &more)]).unwrap();
    assert_eq!(paths(&items), ["/d", "/d/x", "/d/l", "/d/y"]);
    assert_eq!((&records[0].states[..], &records[1].states[..]), (&[0; 3][..], &[0; 4][..]));
}

#[test]
fn different_files_at_one_place_are_a_conflict() {
    let plain = Setup::plain();
    let clash = |a: TestFile, b: TestFile| fault(plain.install(&[package("a", &[a]), package("b", &[b])]));
    let file = || TestFile::file("/d/x", "one");
    let expected = "b-1.0-2.x86_64 cannot be installed: /d/x is another file than that of a-1.0-2.x86_64";
    assert_eq!(clash(file(), TestFile::file("/d/x", "two")), expected);
    assert_eq!(clash(file(), TestFile::new("/d/x", 0o100_600, "one")), expected);
    assert_eq!(clash(file(), file().owned("ann", "root")), expected);
    assert_eq!(clash(file(), TestFile::link("/d/x", "one")), expected);
    assert_eq!(clash(TestFile::link("/d/x", "a"), TestFile::link("/d/x", "b")), expected);
    assert_eq!(clash(TestFile::directory("/d/x"), TestFile::new("/d/x", 0o040_700, "")), expected);
    assert!(
        clash(file(), TestFile::link("/d", "e"))
            .ends_with("/d would take the place of a directory with files in it")
    );
    assert!(clash(TestFile::file("/d", ""), file()).ends_with("/d/x is below /d, which is no directory"));
    // What is not there is no conflict.
    let ghost = file().flagged(GHOST);
    assert!(plain.install(&[package("a", &[ghost]), package("b", &[TestFile::file("/d/x", "two")])]).is_ok());
}

#[test]
fn of_two_programs_that_of_64_bits_is_there() {
    let elf = |name: &str, arch: &str, color: u32| TestPackage {
        arch: arch.into(),
        ..package(name, &[TestFile::file("/bin/x", name).colored(color)])
    };
    let [small, large] = [elf("small", "i686", 1), elf("large", "x86_64", 2)];
    let plain = Setup::plain();
    let (records, items) = plain.install(&[small.clone(), large.clone()]).unwrap();
    assert_eq!((&records[0].states[..], &records[1].states[..]), (&[4][..], &[0][..]));
    // The later one counts.
    assert_eq!(items.iter().map(|(_, content)| &**content).collect::<Vec<_>>(), ["", "small", "large"]);
    let (records, items) = plain.install(&[large.clone(), small.clone()]).unwrap();
    assert_eq!((&records[0].states[..], &records[1].states[..]), (&[0][..], &[4][..]));
    assert_eq!(items.last().unwrap().1, "large");
    let other = elf("other", "x86_64", 2);
    assert!(plain.install(&[large.clone(), other]).is_err());
    // Where nothing of 64 bits can run, colours are nothing.
    let i686 = Setup { arch: "i686", ..Setup::plain() };
    assert!(i686.install(&[small, large]).is_err());
}

#[test]
fn paths_lead_through_the_links_of_the_root() {
    let filesystem = package(
        "filesystem",
        &[TestFile::link("/bin", "usr/bin"), TestFile::directory("/usr"), TestFile::directory("/usr/bin")],
    );
    let old = package("old", &[TestFile::file("/bin/x", "x")]);
    let new = package("new", &[TestFile::file("/usr/bin/x", "x"), TestFile::file("/usr/bin/y", "y")]);
    let items = Setup::plain().items(&[filesystem.clone(), old.clone(), new]);
    assert_eq!(paths(&items), ["/bin", "/usr", "/usr/bin", "/usr/bin/x", "/usr/bin/y"]);
    let other = package("other", &[TestFile::file("/usr/bin/x", "z")]);
    assert!(fault(Setup::plain().install(&[filesystem, old, other])).contains("/usr/bin/x is another file"));
}

#[test]
fn directories_that_nobody_has_are_roots() {
    let early = package("early", &[TestFile::file("/a/b/c", "")]);
    let late = package("late", &[TestFile::new("/a/b", 0o040_700, "")]);
    let items = Setup::plain().items(&[early, late]);
    let found: Vec<_> = items.iter().map(|(entry, _)| (entry.path.to_string(), entry.mode)).collect();
    let expected = [("/a", 0o755), ("/a/b", 0o755), ("/a/b/c", 0o644), ("/a/b", 0o700)];
    assert_eq!(found, expected.map(|(path, mode)| (path.to_owned(), mode)));
}

#[test]
fn a_file_that_was_changed_is_found_before_it_is_whole() {
    let files = [TestFile::file("/a", "right")];
    let wrong = package("test", &[TestFile::file("/a", "wrong")]).cpio();
    let changed = TestPackage { archive: Some(wrong), ..package("test", &files) };
    let error = Setup::plain().install(&[changed]).unwrap_err();
    assert_eq!(error.kind(), ctr_forge_plugin::ErrorKind::Verification);
    let Fault::Write(ctr_forge_rootfs::WriteError::Content { source, .. }) = *error.fault else { panic!() };
    assert!(source.get_ref().unwrap().downcast_ref::<PayloadError>().is_some());
}

#[test]
fn what_comes_is_a_tree() {
    let setup = package("setup", &[TestFile::directory("/"), TestFile::link("/lib", "usr/lib")]);
    let linked = |path: &str| TestFile { inode: 9, ..TestFile::file(path, "one") };
    let more = package("more", &[linked("/lib/a"), linked("/lib/b")]).with(tag::EPOCH, Value::Int32(vec![0]));
    let (_, items) = Setup::plain().install(&[setup, more]).unwrap();
    let mut tree = Tree::new_in(&std::env::temp_dir(), Duplicates::LastWins).unwrap();
    for (entry, content) in items {
        tree.insert(entry, &mut content.as_bytes()).unwrap();
    }
    assert!(tree.normalise(0).is_ok());
}
