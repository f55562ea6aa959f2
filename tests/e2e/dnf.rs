//! Packages of RPM become a root filesystem: their files, and the database that rpm goes on with.

use std::fs;

use ctr_forge_tests::archive::content;
use ctr_forge_tests::rpm::{self, Repository, Rpm};
use ctr_forge_tests::{Forge, Need, Output, Server, Test};
use serde_json::Value;

/// What it takes to make packages and repositories.
pub(crate) const RPM: &[Need] = &[
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::Tool("busybox"),
];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "dnf::packages_and_what_they_need", needs: RPM, run: packages_and_what_they_need },
    Test { name: "dnf::files_of_all_kinds", needs: RPM, run: files_of_all_kinds },
    Test { name: "dnf::documentation_and_languages", needs: RPM, run: documentation_and_languages },
    Test { name: "dnf::words", needs: RPM, run: words },
    Test { name: "dnf::weak_dependencies_and_excludes", needs: RPM, run: weak_dependencies_and_excludes },
    Test { name: "dnf::files_that_only_filelists_have", needs: RPM, run: filelists },
    Test { name: "dnf::owners_by_name", needs: RPM, run: owners_by_name },
    Test { name: "dnf::package_files", needs: RPM, run: package_files },
    Test { name: "dnf::locks", needs: RPM, run: locks },
    Test { name: "dnf::same_bytes", needs: RPM, run: same_bytes },
];

/// What a command must leave nothing of when it fails.
const RESULTS: [&str; 6] = ["-o", "rootfs.tar", "--report", "report.json", "--lock", "made.lock"];

/// A repository in the directory to work in, and the key that it is signed with.
pub(crate) struct World {
    pub(crate) forge: Forge,
}

impl World {
    pub(crate) fn new(repository: &Repository) -> Self {
        let world = Self::empty();
        repository.write(&world.forge.path("repo"));
        world
    }

    /// Without a repository.
    pub(crate) fn empty() -> Self {
        let forge = Forge::new();
        let place = |name: &str| forge.path(name).to_str().unwrap().to_owned();
        let (temporary, cache) = (place("tmp"), place("cache"));
        let forge = forge.env("TMPDIR", &temporary).env("CTR_FORGE_CACHE", &cache);
        fs::create_dir(forge.path("tmp")).unwrap();
        forge.write("key.asc", rpm::signer().public());
        Self { forge }
    }

    /// A repository of these packages, all well.
    pub(crate) fn of(rpms: impl IntoIterator<Item = Rpm>) -> Self {
        Self::new(&Repository::new(rpms))
    }

    /// The place of a repository, as `--repo` has it.
    pub(crate) fn place(&self, folder: &str) -> String {
        self.forge.path(folder).to_str().unwrap().to_owned()
    }

    /// The words of a command without a repository, that trusts the key.
    pub(crate) fn bare(more: &[&str]) -> Vec<String> {
        let words = ["source", "dnf", "--key", "key.asc"];
        [&words[..], more].concat().into_iter().map(str::to_owned).collect()
    }

    /// The words of a command that takes packages from the repository.
    pub(crate) fn words(&self, more: &[&str]) -> Vec<String> {
        Self::bare(&[more, &["--repo", &self.place("repo")]].concat())
    }

    /// The packages are installed into `rootfs.tar`.
    #[track_caller]
    pub(crate) fn ok(&self, more: &[&str]) -> Output {
        let output = if more.contains(&"-o") { &[][..] } else { &["-o", "rootfs.tar"] };
        self.forge.run(self.words(&[more, output].concat())).expect_code(0)
    }

    /// It fails with this code and these words, and leaves nothing behind.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, more: &[&str], says: &[&str]) -> Output {
        self.refuses_words(code, self.words(more), says)
    }

    /// As [`World::refuses`], with all words of the command.
    #[track_caller]
    pub(crate) fn refuses_words(&self, code: i32, words: Vec<String>, says: &[&str]) -> Output {
        let before = self.forge.names(".");
        let output = self.forge.run(words.into_iter().chain(RESULTS.map(str::to_owned)));
        let output = output.expect_code(code).says(says);
        let mut after = self.forge.names(".");
        after.retain(|name| name != "cache" || before.contains(name));
        assert_eq!(after, before);
        assert_eq!(self.forge.names("tmp"), Vec::<String>::new());
        output
    }

    /// A file of the root, which has to be there.
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> String {
        let bytes = self.file(path).unwrap_or_else(|| panic!("there is no {path}"));
        String::from_utf8(bytes).unwrap()
    }

    /// A file of the root.
    pub(crate) fn file(&self, path: &str) -> Option<Vec<u8>> {
        content(&self.forge.read("rootfs.tar")[..], path)
    }

    /// All paths of the root with mode and owner: `-rwxr-xr-x 0/0 usr/bin/x`.
    pub(crate) fn listing(&self) -> Vec<String> {
        let list = "tar --numeric-owner -tvf rootfs.tar | awk '{ $3 = $4 = $5 = \"\"; print }' | tr -s ' '";
        self.forge.sh(list).stdout().lines().map(|line| line.trim_end_matches('/').to_owned()).collect()
    }

    /// What the machine's rpm says to this query of the root, which is unpacked for it.
    #[track_caller]
    pub(crate) fn rpm(&self, query: &str) -> String {
        let script = "rm -rf unpacked && mkdir unpacked && tar -C unpacked --xattrs --xattrs-include='*' -xpf rootfs.tar";
        self.forge.sh(script);
        let place = match self.forge.path("unpacked/usr/lib/sysimage/rpm/rpmdb.sqlite").exists() {
            true => "/usr/lib/sysimage/rpm",
            false => "/var/lib/rpm",
        };
        let root = self.place("unpacked");
        let rpm = format!("RPM_FORCE_DEBIAN=1 rpm --root {root} --dbpath {place}");
        self.forge.sh(&format!("{rpm} {query} 2>&1")).stdout()
    }

    /// Names and versions of the packages in the database, sorted.
    #[track_caller]
    pub(crate) fn installed(&self) -> Vec<String> {
        let text = self.rpm("-qa --qf '%{NAME}-%{EVR}\\n'");
        let mut names: Vec<String> =
            text.lines().filter(|line| !line.starts_with("gpg-pubkey")).map(str::to_owned).collect();
        names.sort();
        names
    }

    pub(crate) fn report(&self) -> Value {
        serde_json::from_slice(&self.forge.read("report.json")).unwrap()
    }
}

pub(crate) fn hello() -> Rpm {
    Rpm::new("hello", "1.0-1").file("usr/bin/hello", "hello\n", 0o755)
}

fn packages_and_what_they_need() {
    let app = Rpm::new("app", "2:2.1-3").requires("lib >= 1.0, libx.so.1()(64bit), /usr/bin/tool").file(
        "usr/bin/app",
        "app",
        0o755,
    );
    let lib = Rpm::new("lib", "1.3-2").requires("base").file("usr/lib/lib", "lib", 0o644);
    let old = Rpm::new("lib", "1.0-9").file("usr/lib/lib", "old", 0o644);
    let libx = Rpm::new("libx", "1-1").provides("libx.so.1()(64bit)");
    let tool = Rpm::new("tool", "3-1").file("usr/bin/tool", "tool", 0o755);
    let base = Rpm::new("base", "1-1").dir("etc", 0o755).config("etc/base", "base\n");
    let other = Rpm::new("other", "1-1");
    let world = World::of([app, lib, old, libx, tool, base, other]);
    world.ok(&["app", "--report", "report.json"]);
    assert_eq!(world.text("usr/lib/lib"), "lib");
    let names = ["app-2:2.1-3", "base-1-1", "lib-1.3-2", "libx-1-1", "tool-3-1"];
    assert_eq!(world.installed(), names);
    assert_eq!(world.rpm("-Va"), "");
    assert_eq!(world.rpm("-qf /usr/bin/app").trim(), "app-2.1-3.noarch");
    let report = world.report();
    let packages = report["build"]["packages"].as_array().unwrap();
    assert_eq!(packages.len(), names.len(), "{report:#}");
    let app = packages.iter().find(|package| package["name"] == "app").unwrap();
    assert_eq!(app["version"], "2:2.1-3");
    assert!(app["purl"].as_str().unwrap().starts_with("pkg:rpm/"), "{app}");
    assert_eq!(app["checked-by"], "host");
}

fn files_of_all_kinds() {
    let rpm = Rpm::new("kinds", "1-1")
        .dir("usr/lib/kinds", 0o750)
        .file("usr/bin/suid", "suid", 0o4755)
        .file("usr/bin/ping", "ping", 0o755)
        .marked("%caps(cap_net_raw=p)")
        .symlink("usr/bin/link", "ping")
        .file("usr/share/a", "the same", 0o644)
        .hardlink("usr/share/b", "usr/share/a")
        .hardlink("usr/share/c", "usr/share/a")
        .file("usr/share/empty", "", 0o600)
        .ghost("var/log/kinds.log", 0o644)
        .config("etc/kinds.conf", "a = b\n");
    for payload in ["w9.gzdio", "w6.xzdio", "w3.zstdio", "w9.bzdio", "w.ufdio", "w6.lzdio"] {
        let world = World::of([rpm.clone().payload(payload)]);
        world.ok(&["kinds"]);
        let listing = world.listing();
        let has = |line: &str| assert!(listing.iter().any(|there| there == line), "{line} {listing:#?}");
        has("drwxr-x--- 0/0 usr/lib/kinds");
        has("-rwsr-xr-x 0/0 usr/bin/suid");
        has("lrwxrwxrwx 0/0 usr/bin/link -> ping");
        has("hrw-r--r-- 0/0 usr/share/b link to usr/share/a");
        has("-rw------- 0/0 usr/share/empty");
        assert!(!listing.iter().any(|line| line.contains("kinds.log")), "a ghost has come");
        assert_eq!(world.rpm("-V kinds"), "", "{payload}");
        let capabilities = world.forge.sh("getcap unpacked/usr/bin/ping").stdout();
        assert!(capabilities.trim_end().ends_with("cap_net_raw=p"), "{capabilities}");
    }
}

fn documentation_and_languages() {
    let rpm = Rpm::new("book", "1-1")
        .file("usr/bin/book", "book", 0o755)
        .doc("usr/share/doc/book/README", "read me")
        .license("usr/share/licenses/book/COPYING", "copy me")
        .file("usr/share/locale/de/book.mo", "Buch", 0o644)
        .marked("%lang(de)")
        .file("usr/share/locale/fr/book.mo", "livre", 0o644)
        .marked("%lang(fr)");
    let world = World::of([rpm]);
    let has = |path: &str| world.file(path).is_some();
    world.ok(&["book"]);
    assert!(!has("usr/share/doc/book/README") && has("usr/share/licenses/book/COPYING"));
    assert!(has("usr/share/locale/de/book.mo") && has("usr/share/locale/fr/book.mo"));
    // What was left out on purpose is nothing that rpm misses.
    assert_eq!(world.rpm("-V book"), "");
    assert!(world.rpm("-qs book").contains("not installed"));
    world.ok(&["book", "--docs", "--langs", "de"]);
    assert!(has("usr/share/doc/book/README"));
    assert!(has("usr/share/locale/de/book.mo") && !has("usr/share/locale/fr/book.mo"));
    world.ok(&["book", "--langs", "none"]);
    assert!(!has("usr/share/locale/de/book.mo"));
    world.ok(&["book", "--exclude-path", "/usr/share/locale/**"]);
    assert!(!has("usr/share/locale/de/book.mo") && has("usr/bin/book"));
    assert_eq!(world.rpm("-V book"), "");
}

fn words() {
    let world = World::of([
        Rpm::new("bash", "5.1-1").file("usr/bin/bash", "old", 0o755),
        Rpm::new("bash", "5.2-1").file("usr/bin/bash", "new", 0o755),
        Rpm::new("perl-libs", "4:5.38-1").provides("perl(Encode) = 3"),
        Rpm::new("git-core", "2-1").file("usr/bin/git", "git", 0o755),
        Rpm::new("new", "2-1").obsoletes("old < 2").provides("old = 2"),
        Rpm::new("old", "1-1"),
    ]);
    let gives = |word: &str, names: &[&str]| {
        world.ok(&[word]);
        assert_eq!(world.installed(), names, "{word}");
    };
    gives("bash", &["bash-5.2-1"]);
    gives("bash-5.1", &["bash-5.1-1"]);
    gives("bash-5.1-1.noarch", &["bash-5.1-1"]);
    gives("bash < 5.2", &["bash-5.1-1"]);
    gives("perl(Encode)", &["perl-libs-4:5.38-1"]);
    gives("perl(Encode) >= 2", &["perl-libs-4:5.38-1"]);
    gives("/usr/bin/git", &["git-core-2-1"]);
    gives("b?sh", &["bash-5.2-1"]);
    gives("old", &["new-2-1"]);
    world.refuses(13, &["bahs"], &["bahs", "bash"]);
    world.refuses(13, &["/usr/bin/nothing"], &["/usr/bin/nothing"]);
    world.refuses(2, &[], &["no package"]);
}

fn weak_dependencies_and_excludes() {
    let world = World::of([
        Rpm::new("app", "1-1").recommends("extra").requires("(plugin if base)"),
        Rpm::new("extra", "1-1"),
        Rpm::new("base", "1-1"),
        Rpm::new("plugin", "1-1"),
        Rpm::new("needy", "1-1").requires("base"),
    ]);
    world.ok(&["app"]);
    assert_eq!(world.installed(), ["app-1-1"]);
    world.ok(&["app", "--weak-deps"]);
    assert_eq!(world.installed(), ["app-1-1", "extra-1-1"]);
    world.ok(&["app", "base"]);
    assert_eq!(world.installed(), ["app-1-1", "base-1-1", "plugin-1-1"]);
    world.ok(&["app", "--weak-deps", "--exclude", "ext*"]);
    assert_eq!(world.installed(), ["app-1-1"]);
    world.refuses(15, &["needy", "--exclude", "base"], &["needy", "base"]);
}

fn filelists() {
    let world = World::of([
        Rpm::new("app", "1-1").requires("/usr/share/deep/file"),
        Rpm::new("deep", "1-1").file("usr/share/deep/file", "deep", 0o644),
    ]);
    world.ok(&["app"]);
    assert_eq!(world.installed(), ["app-1-1", "deep-1-1"]);
}

fn owners_by_name() {
    let setup = Rpm::new("setup", "1-1")
        .config("etc/passwd", "root:x:0:0::/root:/bin/sh\nwww:x:48:49::/:/bin/sh\n")
        .config("etc/group", "root:x:0:\nweb:x:49:\n");
    let app = Rpm::new("app", "1-1")
        .field("Requires(pre)", "setup")
        .file("srv/www", "www", 0o640)
        .owner("www", "web")
        .file("srv/nobody", "nobody", 0o6755)
        .owner("unknown", "unknown");
    let world = World::of([setup, app]);
    world.ok(&["app"]);
    let listing = world.listing();
    assert!(listing.contains(&"-rw-r----- 48/49 srv/www".to_owned()), "{listing:#?}");
    // As rpm has it: what is nobody's is root's, and does nothing in root's name.
    assert!(listing.contains(&"-rwxr-xr-x 0/0 srv/nobody".to_owned()), "{listing:#?}");
}

fn package_files() {
    let mine = Rpm::new("mine", "1-1").requires("base").file("usr/bin/mine", "mine", 0o755);
    let stranger = Rpm::new("stranger", "1-1").unsigned();
    let world = World::of([Rpm::new("base", "1-1"), Rpm::new("mine", "9-1")]);
    let files = rpm::build(&[mine, stranger]);
    for (file, name) in files.iter().zip(["mine.rpm", "stranger.rpm"]) {
        fs::copy(file, world.forge.path(name)).unwrap();
    }
    world.ok(&["./mine.rpm"]);
    assert_eq!(world.installed(), ["base-1-1", "mine-1-1"]);
    world.refuses(9, &["./stranger.rpm"], &["nobody has signed", "stranger", "--allow-untrusted files"]);
    world.ok(&["./stranger.rpm", "--allow-untrusted", "files"]).says(&["without a signature"]);
    assert_eq!(world.installed(), ["stranger-1-1"]);
    world.refuses(5, &["./nothing.rpm"], &["nothing.rpm"]);
    fs::write(world.forge.path("text.rpm"), "no package").unwrap();
    world.refuses(4, &["./text.rpm"], &["text.rpm"]);
}

fn locks() {
    let world = World::of([hello()]);
    let server = Server::new(world.forge.path("repo"));
    let ok = |more: &[&str]| {
        let words = World::bare(&[more, &["--repo", &server.url(""), "-o", "rootfs.tar"]].concat());
        world.forge.ok(words);
    };
    ok(&["hello", "--lock", "made.lock"]);
    let first = world.forge.read("rootfs.tar");
    // A newer package does not matter to who has a lock.
    fs::remove_dir_all(world.forge.path("repo/repodata")).unwrap();
    Repository::new([hello(), Rpm::new("hello", "2.0-1")]).write(&world.forge.path("repo"));
    ok(&["hello", "--lock", "made.lock"]);
    assert_eq!(world.forge.read("rootfs.tar"), first);
    ok(&["hello"]);
    assert_eq!(world.installed(), ["hello-2.0-1"]);
    // What was fetched is there without the network, too.
    fs::remove_dir_all(world.forge.path("repo")).unwrap();
    ok(&["hello", "--lock", "made.lock", "--offline"]);
    assert_eq!(world.forge.read("rootfs.tar"), first);
}

fn same_bytes() {
    let world = World::of([hello(), Rpm::new("app", "1-1").requires("hello").file("etc/app", "x", 0o644)]);
    world.ok(&["app"]);
    let again = world.words(&["app", "-o", "again.tar"]).join(" ");
    for setting in ["umask 077", "export TZ=Asia/Tokyo LC_ALL=de_DE.UTF-8", "export CTR_FORGE_JOBS=1"] {
        for cache in ["true", "rm -r cache"] {
            world.forge.sh(&format!("{cache}; {setting}; $FORGE {again}; cmp rootfs.tar again.tar"));
        }
    }
}
