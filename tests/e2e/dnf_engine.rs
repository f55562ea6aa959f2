//! `--engine dnf`: the machine's dnf makes the same tree as by itself, and as the native engine
//! does; what it cannot do is said before it begins, and what fails leaves nothing.

use std::fs;
use std::path::PathBuf;

use ctr_forge_tests::rpm::distro::PROFILE;
use ctr_forge_tests::rpm::{self, Repository, Rpm};
use ctr_forge_tests::server::Fault;
use ctr_forge_tests::{Key, Need, Server, Test};

use crate::dnf::{World, hello};
use crate::dnf_distro::{DNF, compare, theirs, world};

const OTHER: &[Need] = &[
    Need::Root,
    Need::Sandbox,
    Need::OtherUser,
    Need::MountNamespace,
    Need::Tool("newuidmap"),
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::Tool("busybox"),
    Need::Tool("dnf"),
];

const MACHINE: &[Need] = &[
    Need::Root,
    Need::Sandbox,
    Need::MountNamespace,
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::Tool("busybox"),
    Need::Tool("dnf"),
];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "dnf_engine::dnf_is_dnf", needs: DNF, run: dnf_is_dnf },
    Test { name: "dnf_engine::both_engines_make_the_same", needs: DNF, run: both_engines },
    Test { name: "dnf_engine::same_bytes_for_everybody", needs: OTHER, run: same_bytes_for_everybody },
    Test { name: "dnf_engine::where_the_database_goes", needs: DNF, run: where_the_database_goes },
    Test { name: "dnf_engine::directories_of_the_machine", needs: DNF, run: directories },
    Test { name: "dnf_engine::requests_that_fail", needs: DNF, run: requests_that_fail },
    Test { name: "dnf_engine::packages_of_others", needs: DNF, run: packages_of_others },
    Test { name: "dnf_engine::what_tools_cannot_do", needs: DNF, run: what_tools_cannot_do },
    Test { name: "dnf_engine::what_is_cleaned", needs: DNF, run: what_is_cleaned },
    Test { name: "dnf_engine::files_left_out", needs: MACHINE, run: files_left_out },
    Test { name: "dnf_engine::settings_of_repositories", needs: DNF, run: settings_of_repositories },
];

/// The words of a command for the repository of a server.
fn words(server: &Server, more: &[&str]) -> Vec<String> {
    World::bare(&[more, &["--repo", &server.url(""), "--engine", "dnf"]].concat())
}

fn serve(world: &World) -> Server {
    Server::new(world.forge.path("repo"))
}

/// It fails with this code and these words, and leaves nothing behind.
#[track_caller]
fn refuses(world: &World, code: i32, words: Vec<String>, says: &[&str]) {
    let before = world.forge.names(".");
    let results = ["-o", "rootfs.tar", "--report", "report.json"].map(str::to_owned);
    world.forge.run(words.into_iter().chain(results)).expect_code(code).says(says);
    let mut after = world.forge.names(".");
    after.retain(|name| name != "cache" || before.contains(name));
    assert_eq!(after, before);
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
    world.forge.no_process_within(5);
}

fn dnf_is_dnf() {
    let world = world();
    let server = serve(&world);
    let more = [PROFILE, &["--docs", "-o", "rootfs.tar", "--report", "report.json"]].concat();
    world.forge.ok(words(&server, &more));
    theirs(&world, PROFILE);
    compare(&world.forge);
    let report = world.report();
    assert_eq!(report["sandbox"], "mapped");
    let packages = report["build"]["packages"].as_array().unwrap();
    let find = |name: &str| packages.iter().find(|package| package["name"] == name).unwrap();
    assert_eq!(find("nginx")["version"], "2:1.28.0-1.fc42");
    assert!(find("httpd")["purl"].as_str().unwrap().starts_with("pkg:rpm/"), "{}", find("httpd"));
    let cleaned = report["build"]["cleaned"].to_string();
    assert!(cleaned.contains("/.dnf") && cleaned.contains(".rpm.lock"), "{cleaned}");
}

/// Without users, of whom rpm 4.18 leaves more to scripts.
fn both_engines() {
    let world = world();
    let server = serve(&world);
    let more = ["rpm", "coreutils", "glibc-langpack-de", "ncurses-base", "nano", "--langs", "de"];
    let more =
        [&more[..], &["--exclude-path", "/usr/share/licenses/**", "--exclude", "coreutils-single"]].concat();
    world.forge.ok(words(&server, &[&more[..], &["-o", "theirs.tar"]].concat()));
    world.ok(&more);
    let list = "tar --numeric-owner --xattrs -tvf";
    let different = "grep -v rpmdb.sqlite";
    world.forge.sh(&format!("diff <({list} rootfs.tar | {different}) <({list} theirs.tar | {different})"));
    assert!(world.file("usr/share/locale/de/LC_MESSAGES/libc.mo").is_some());
    assert!(world.file("usr/share/locale/fr/LC_MESSAGES/libc.mo").is_none());
    assert_eq!(world.rpm("-Va"), "");
    world.forge.sh("cp theirs.tar rootfs.tar");
    // rpm itself is not told of what is left out behind its back.
    let missing = world.rpm("-Va || true");
    assert!(
        !missing.is_empty() && missing.lines().all(|line| line.contains("/usr/share/licenses/")),
        "{missing}"
    );
}

fn same_bytes_for_everybody() {
    let world = world();
    let server = serve(&world);
    let more = ["coreutils", "httpd-filesystem", "iputils"];
    world.forge.ok(words(&server, &[&more[..], &["-o", "rootfs.tar"]].concat()));
    let again = words(&server, &[&more[..], &["-o", "again.tar"]].concat()).join(" ");
    let settings = "umask 077; export TZ=Asia/Tokyo LC_ALL=de_DE.UTF-8 CTR_FORGE_JOBS=1";
    world
        .forge
        .sh(&format!("sleep 1; {settings}; $FORGE {again}; cmp rootfs.tar again.tar; rm -r cache again.tar"));
    world.forge.sh("chown -R 65534:65534 .; chmod 755 .");
    world.forge.sh(&format!(
        "unshare -m bash -ec 'echo 65534:300000:65536 > ids; chmod 644 ids; \
         mount --bind ids /etc/subuid; mount --bind ids /etc/subgid; \
         setpriv --reuid 65534 --regid 65534 --clear-groups $FORGE {again}'"
    ));
    world.forge.sh("cmp rootfs.tar again.tar");
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
}

/// Of a distribution that is not known: where its packages have it.
fn where_the_database_goes() {
    let new = Rpm::new("new", "1-1")
        .dir("usr/lib/sysimage/rpm", 0o755)
        .symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm");
    let old = Rpm::new("old", "1-1").dir("var/lib/rpm", 0o755);
    let macros = "%_dbpath %{_var}/elsewhere\n%_db_backend sqlite\n%_var /var\n";
    let own = Rpm::new("own", "1-1").file("usr/lib/rpm/macros", macros, 0o644);
    let world = World::new(&Repository::new([new, old, own, hello()]));
    let server = serve(&world);
    for (name, place) in [
        ("new", "usr/lib/sysimage/rpm"),
        ("old", "var/lib/rpm"),
        ("own", "var/elsewhere"),
        ("hello", "var/lib/rpm"),
    ] {
        world.forge.ok(words(&server, &[name, "-o", "theirs.tar"]));
        world.ok(&[name]);
        let list = |tar: &str| world.forge.sh(&format!("tar -tf {tar}")).stdout();
        assert_eq!(list("theirs.tar"), list("rootfs.tar"), "{name}");
        assert!(list("rootfs.tar").contains(&format!("{place}/rpmdb.sqlite\n")), "{name}");
    }
}

/// A directory that goes when the test is over, however that ends.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn directories() {
    let world = World::of([hello()]);
    let refused = world.words(&["hello", "--engine", "dnf"]);
    refuses(&world, 11, refused, &["/repo", "hidden", "served"]);
    let place = Place(PathBuf::from(format!("/srv/ctr-forge-test-{}", std::process::id())));
    world.forge.sh(&format!("cp -r repo {}", place.0.display()));
    let repo = place.0.display().to_string();
    world.forge.ok(World::bare(&["hello", "--engine", "dnf", "--repo", &repo, "-o", "rootfs.tar"]));
    assert_eq!(world.text("usr/bin/hello"), "hello\n");
}

fn requests_that_fail() {
    let needy = Rpm::new("needy", "1-1").requires("nothing-there >= 3");
    let rude = Rpm::new("rude", "1-1").file("usr/bin/hello", "not hello", 0o755);
    let early = Rpm::new("early", "1-1").lua("pre", "error('too early')\n");
    let late = Rpm::new("late", "1-1").lua("post", "error('too late')\n");
    let slow = Rpm::new("slow", "1-1").lua("post", "posix.sleep(1000)\n");
    let world = World::of([hello(), needy, rude, early, late, slow]);
    let server = serve(&world);
    let refuses = |more: &[&str], says: &[&str]| refuses(&world, 10, words(&server, more), says);
    refuses(&["hallo"], &["dnf failed", "No match for argument: hallo", "-v shows"]);
    refuses(&["needy"], &["nothing provides nothing-there >= 3"]);
    refuses(&["hello", "rude"], &["usr/bin/hello", "conflicts"]);
    refuses(&["early"], &["too early"]);
    refuses(&["slow", "--script-timeout", "3"], &["dnf took longer"]);
    let late = words(&server, &["late", "-o", "rootfs.tar"]);
    world.forge.ok(late).says(&["warning: Error in POSTIN scriptlet in rpm package late"]);
    server.fault("*.rpm", Fault::Status(404));
    refuses(&["hello"], &["404"]);
}

/// Every package is signed by a key of the request, or it does not come.
fn packages_of_others() {
    let unsigned = Rpm::new("unsigned", "1-1").unsigned();
    let stranger = Rpm::new("stranger", "1-1").signed_by(Key::new("stranger"));
    let world = World::of([hello(), unsigned, stranger]);
    let server = serve(&world);
    refuses(&world, 10, words(&server, &["unsigned"]), &["unsigned-1-1.noarch.rpm", "not signed"]);
    refuses(&world, 10, words(&server, &["stranger"]), &["stranger-1-1.noarch"]);
    world.forge.write("key.asc", Key::new("stranger").public());
    refuses(&world, 10, words(&server, &["hello"]), &["hello-1.0-1.noarch"]);
    // Metadata that somebody else has signed is not even read.
    world.forge.write("key.asc", rpm::signer().public());
    let repo = format!(
        "[theirs]\nbaseurl={}\ngpgkey=file://{}\nrepo_gpgcheck=1\n",
        server.url(""),
        world.place("key.asc")
    );
    world.forge.write("site.repo", repo);
    world.forge.ok([
        "source",
        "dnf",
        "hello",
        "--repo-file",
        "site.repo",
        "--engine",
        "dnf",
        "-o",
        "rootfs.tar",
    ]);
    fs::remove_file(world.forge.path("rootfs.tar")).unwrap();
    world.forge.write("key.asc", Key::new("stranger").public());
    let words = ["source", "dnf", "hello", "--repo-file", "site.repo", "--engine", "dnf"];
    refuses(&world, 9, words.map(str::to_owned).into(), &["repomd.xml"]);
}

fn what_tools_cannot_do() {
    let world = World::of([hello()]);
    fs::copy(rpm::build(&[hello()]).remove(0), world.forge.path("mine.rpm")).unwrap();
    let server = serve(&world);
    for (more, code, says) in [
        (&["./mine.rpm"][..], 11, "package files"),
        (&["hello", "--sandbox", "single"], 11, "range of ids"),
        (&["hello", "--engine", "yum"], 7, "yum is not installed"),
        (&["--", "-hello"], 2, "-hello"),
    ] {
        let mut words = words(&server, &[]);
        if more.contains(&"--engine") {
            words.truncate(words.len() - 2);
        }
        words.extend(more.iter().map(|&word| word.to_owned()));
        let output = world.forge.run(words);
        assert!(output.code == code && output.stderr.contains(says), "{code}: {more:?} {output:?}");
    }
    let lock = words(&server, &["hello", "-o", "rootfs.tar", "--lock", "made.lock"]);
    world.forge.fails(11, lock).says(&["no lock can be made", "the tool chooses"]);
    assert!(!world.forge.path("made.lock").exists() && !world.forge.path("rootfs.tar").exists());
}

/// Logs and what a running system has go, but for what packages have brought, wherever links of
/// packages lead; what is behind a link of a script stays.
fn what_is_cleaned() {
    let links = Rpm::new("links", "1-1").dir("run", 0o755).symlink("var/run", "../run");
    let script = "local function put(path) io.open(path, 'w'):write('x'):close() end\n\
        for _, path in ipairs({'/var/log/own', '/var/log/deep', '/run/own'}) do put(path .. '/stray') end\n\
        put('/var/log/stray')\n\
        posix.mkdir('/run/stray')\n\
        posix.mkdir('/srv')\n\
        posix.mkdir('/srv/logs')\n\
        put('/srv/logs/data')\n\
        posix.rmdir('/var/log/moved')\n\
        posix.symlink('/srv/logs', '/var/log/moved')\n\
        for _, name in ipairs({'.keyring.lock', 'rpmdb.sqlite-shm', 'rpmdb.sqlite-wal'}) do\n\
        put('/var/lib/rpm/' .. name) end\n";
    let service = Rpm::new("service", "1-1")
        .requires("links")
        .dir("var/lib/rpm", 0o755)
        .dir("var/log/own", 0o700)
        .dir("var/log/moved", 0o755)
        .file("var/log/deep/kept", "kept", 0o644)
        .file("var/run/own/kept", "kept", 0o644);
    // rpm itself has its database open while the scripts of its transaction run.
    let ours = service.clone().lua("posttrans", script);
    let theirs = service
        .lua("posttrans", &script.replace("'.keyring.lock', 'rpmdb.sqlite-shm', 'rpmdb.sqlite-wal'", ""));
    let listing = |service: Rpm, engine: &str| {
        let world = World::of([links.clone(), service]);
        let server = serve(&world);
        let words = ["service", "--repo", &server.url(""), "--engine", engine, "--report", "report.json"];
        world.forge.ok(World::bare(&[&words[..], &["-o", "rootfs.tar"]].concat()));
        let cleaned = world.report()["build"]["cleaned"].to_string();
        for path in
            ["/var/log/own/stray", "/var/log/deep/stray", "/run/own/stray", "/var/log/stray", "/run/stray"]
        {
            assert!(cleaned.contains(&format!("\"{path}\"")), "{engine}: {path} {cleaned}");
        }
        assert_eq!(world.rpm("-V links").trim(), "");
        world.listing()
    };
    let ours = listing(ours, "native");
    for line in [
        "drwx------ 0/0 var/log/own",
        "-rw-r--r-- 0/0 var/log/deep/kept",
        "-rw-r--r-- 0/0 run/own/kept",
        "-rw-r--r-- 0/0 srv/logs/data",
        "lrwxrwxrwx 0/0 var/log/moved -> /srv/logs",
    ] {
        assert!(ours.iter().any(|other| other == line), "{line} {ours:#?}");
    }
    assert!(
        !ours.iter().any(|line| line.contains("stray") || line.contains("sqlite-") || line.contains(".lock"))
    );
    assert_eq!(listing(theirs, "dnf"), ours);
}

/// What rpm's macros of the machine leave out is there all the same, and the languages are those
/// that were asked for.
fn files_left_out() {
    let book = Rpm::new("book", "1-1")
        .file("usr/share/book", "book", 0o644)
        .doc("usr/share/doc/book/README", "read me")
        .file("usr/share/locale/de/book.mo", "Buch", 0o644)
        .marked("%lang(de)")
        .file("usr/share/locale/no/book.mo", "bok", 0o644)
        .marked("%lang(no)");
    let world = World::of([book]);
    let server = serve(&world);
    world.forge.sh("cp /usr/lib/rpm/macros macros; \
         printf '%s\\n' '%_install_langs fr' '%_excludedocs 1' '%_netsharedpath /usr/share' >> macros");
    let list = |tar: &str| world.forge.sh(&format!("tar -tf {tar}")).stdout();
    for (options, there) in [
        (&["--docs"][..], [true, true, true]),
        (&["--langs", "none"], [false, false, false]),
        (&["--langs", "de"], [false, true, false]),
    ] {
        let words = words(&server, &[&["book", "-o", "theirs.tar"], options].concat()).join(" ");
        world
            .forge
            .sh(&format!("unshare -m bash -ec 'mount --bind macros /usr/lib/rpm/macros; $FORGE {words}'"));
        world.ok(&[&["book"], options].concat());
        let theirs = list("theirs.tar");
        assert_eq!(theirs, list("rootfs.tar"), "{options:?}");
        let has = |path: &str| theirs.contains(path);
        assert!(has("usr/share/book\n"), "{theirs}");
        assert_eq!(["README", "de/book.mo", "no/book.mo"].map(has), there, "{options:?}");
    }
}

/// What a `.repo` file says, the tool is told.
fn settings_of_repositories() {
    let world = World::of([hello(), Rpm::new("other", "1-1")]);
    let server = serve(&world);
    let key = world.place("key.asc");
    let file = format!(
        "[some]\nbaseurl={}\ngpgkey=file://{key}\nincludepkgs=hello,more*\npriority=-1\ncost=500\nmodule_hotfixes=1\n\
         [away]\nbaseurl={}\ngpgkey=file://{key}\nskip_if_unavailable=1\n",
        server.url(""),
        server.url("nowhere/"),
    );
    world.forge.write("site.repo", file);
    let words = |name: &str| -> Vec<String> {
        let words = ["source", "dnf", name, "--repo-file", "site.repo", "--engine", "dnf"];
        words.map(str::to_owned).into()
    };
    refuses(&world, 10, words("other"), &["dnf failed", "other"]);
    world.forge.ok([words("hello"), vec!["-o".into(), "rootfs.tar".into()]].concat());
    assert_eq!(world.text("usr/bin/hello"), "hello\n");
}
