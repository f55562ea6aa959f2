//! Where packages of RPM come from: words and files that name repositories, who signs for each,
//! and which of them a package is taken from.

use std::fs;

use ctr_forge_tests::rpm::metalink::metalink;
use ctr_forge_tests::rpm::{self, Repository, signer};
use ctr_forge_tests::server::Fault;
use ctr_forge_tests::{Forge, Key, Rpm, Server, Test};

use crate::dnf::{RPM, World, hello};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "dnf_repositories::words", needs: RPM, run: words },
    Test { name: "dnf_repositories::files", needs: RPM, run: files },
    Test { name: "dnf_repositories::files_that_are_wrong", needs: RPM, run: files_that_are_wrong },
    Test { name: "dnf_repositories::variables", needs: RPM, run: variables },
    Test { name: "dnf_repositories::mirrors", needs: RPM, run: mirrors },
    Test { name: "dnf_repositories::checks", needs: RPM, run: checks },
    Test { name: "dnf_repositories::which_is_preferred", needs: RPM, run: which_is_preferred },
    Test { name: "dnf_repositories::what_is_shown", needs: RPM, run: what_is_shown },
    Test { name: "dnf_repositories::logins", needs: RPM, run: logins },
    Test { name: "dnf_repositories::offline", needs: RPM, run: offline },
    Test { name: "dnf_repositories::releases", needs: RPM, run: releases },
    Test { name: "dnf_repositories::mirrors_of_a_release", needs: RPM, run: mirrors_of_a_release },
    Test { name: "dnf_repositories::tokens", needs: RPM, run: tokens },
    Test { name: "dnf_repositories::help", needs: &[], run: help },
];

/// The package `app` of this version in a repository of its own, in this folder.
fn app(world: &World, folder: &str, version: &str) {
    Repository::new([app_rpm(version)]).write(&world.forge.path(folder));
}

fn app_rpm(version: &str) -> Rpm {
    Rpm::new("app", &format!("{version}-1")).file("usr/bin/app", version, 0o755)
}

/// A section of a repository file. `DIR` is the folder that is worked in.
pub(crate) fn section(world: &World, id: &str, lines: &str) -> String {
    format!("[{id}]\nname=Repository {id}\n{lines}\n").replace("DIR", &world.place(""))
}

/// Installs what these words and the repository file say; names and versions of it.
#[track_caller]
pub(crate) fn chosen(world: &World, file: &str, words: &[&str]) -> Vec<String> {
    world.forge.write("site.repo", file);
    world.forge.ok(World::bare(&[words, &["--repo-file", "site.repo", "-o", "rootfs.tar"]].concat()));
    world.installed()
}

/// It is refused with this code and these words.
#[track_caller]
pub(crate) fn refused(world: &World, file: &str, words: &[&str], code: i32, says: &[&str]) {
    world.forge.write("site.repo", file);
    world.refuses_words(code, World::bare(&[words, &["--repo-file", "site.repo"]].concat()), says);
}

fn words() {
    let world = World::of([hello()]);
    let (place, server) = (world.place("repo"), Server::new(world.forge.path("repo")));
    let with = |words: &[&str]| {
        world
            .forge
            .ok(World::bare(&[words, &["hello", "-o", "rootfs.tar", "--report", "report.json"]].concat()));
        assert_eq!(world.installed(), ["hello-1.0-1"]);
        world.report()["build"]["packages"][0]["url"].as_str().unwrap().to_owned()
    };
    let file = format!("file://{place}");
    for word in [&place, &format!("{place}/"), &file, &format!("site={place}"), &format!("my.site-1={file}/")]
    {
        assert_eq!(with(&["--repo", word]), format!("{file}/Packages/h/hello-1.0-1.noarch.rpm"));
    }
    assert!(with(&["--repo", &server.url("")]).starts_with(&server.url("Packages")));
    with(&["--repo", &place, "--repo", &server.url("")]);
    with(&["--repo", &format!("a={place}"), "--repo", &format!("b={}", server.url("gone")), "--from", "a"]);
    let refuses = |code, words: &[&str], says: &[&str]| {
        world.refuses_words(code, World::bare(&[words, &["hello"]].concat()), says);
    };
    let (a, b) = (format!("a={place}"), format!("a={}", server.url("")));
    refuses(2, &["--repo", &a, "--repo", &b], &["two repositories \"a\"", "--repo NAME=URL"]);
    refuses(13, &["--repo", &a, "--from", "b"], &["no repository \"b\"", "it has a"]);
    for word in ["", "x", "x=", "http://", "a=b=c", "https://a b/"] {
        refuses(2, &["--repo", word], &["is no repository", "URL"]);
    }
}

fn files() {
    let world = World::of([hello()]);
    app(&world, "other", "1");
    let site = section(&world, "site", "baseurl=file://DIRrepo/");
    let off = section(&world, "off", "baseurl=file://DIRother\nenabled=0");
    let file = format!("# A comment\n[main]\ngpgcheck=0\n\n{site}metadata_expire=1d\ncolor=blue\n{off}");
    assert_eq!(chosen(&world, &file, &["hello"]), ["hello-1.0-1"]);
    world.forge.write("site.repo", &file);
    let words = World::bare(&["hello", "--repo-file", "site.repo", "-o", "rootfs.tar"]);
    let said = world
        .forge
        .ok(words)
        .says(&["site.repo: its section [main] is left out", "\"color\" of site"])
        .stderr;
    assert_eq!(said.matches("[main]").count(), 1, "it is said once: {said}");
    refused(&world, &file, &["app"], 13, &["no package is called app", "site (file://"]);
    assert_eq!(chosen(&world, &file, &["app", "--from", "off"]), ["app-1-1"]);
    assert_eq!(chosen(&world, &file, &["app", "hello", "--from", "off,site"]), ["app-1-1", "hello-1.0-1"]);
    // Files, and words beside them.
    world.forge.write("more.repo", section(&world, "more", "baseurl=file://DIRother"));
    assert_eq!(
        chosen(&world, &file, &["app", "hello", "--repo-file", "more.repo"]),
        ["app-1-1", "hello-1.0-1"]
    );
    assert_eq!(chosen(&world, &file, &["app", "hello", "--repo", &world.place("other")]).len(), 2);
    // The next URL is asked where the first has nothing.
    let urls = section(&world, "site", "baseurl=file://DIRgone, file://DIRrepo\n  http://127.0.0.1:1/");
    assert_eq!(chosen(&world, &urls, &["hello"]), ["hello-1.0-1"]);
}

fn files_that_are_wrong() {
    let world = World::of([hello()]);
    let wrong = |file: &str, says: &[&str]| refused(&world, file, &["hello"], 2, says);
    wrong("nonsense\n", &["site.repo: line 1 \"nonsense\" is no section, key or comment"]);
    wrong("[a]\nenabled=perhaps\n", &["\"perhaps\" is no yes or no for \"enabled\" of a"]);
    wrong("[a]\npriority=high\n", &["\"high\" is no number for \"priority\" of a"]);
    wrong("[a]\n[a]\n", &["two repositories \"a\""]);
    wrong("[files]\nbaseurl=file:///x\n", &["no repository can be called \"files\"", "package files"]);
    wrong("[a]\nbaseurl=file:///x\n\n  file:///y\n", &["site.repo: line 4 belongs to nothing"]);
    wrong("[a/b]\nbaseurl=file:///x\n", &["\"a/b\" can be no repository's id"]);
    wrong("[a]\nname=A\n", &["repository a has no baseurl, metalink or mirrorlist"]);
    wrong("[a]\nbaseurl=ftp://user:secret@host/x\n", &["\"ftp://host/x\" of repository a is no URL"]);
    wrong("", &["no repository is left to use"]);
    wrong(
        "[a]\nbaseurl=file:///x\nenabled=0\n",
        &["no repository is left to use", "disabled (a)", "--from a"],
    );
    wrong(
        "[a]\nbaseurl=file:///x\ngpgkey=http://host/key\n",
        &["\"http://host/key\" is no place for a key of repository a"],
    );
    let key = "[a]\nbaseurl=file:///x\ngpgkey=file:///nowhere/key\n";
    refused(&world, key, &["hello"], 5, &["cannot read file:///nowhere/key, a key of repository a"]);
    let missing = World::bare(&["hello", "--repo-file", "missing.repo"]);
    world.refuses_words(5, missing, &["missing.repo"]);
}

fn variables() {
    let world = World::of([hello()]);
    world.forge.sh("mkdir -p 9.4/x86_64 9/aarch64; mv repo 9.4/x86_64/os; cp -r 9.4/x86_64/os 9/aarch64/os");
    for (url, words) in [
        ("$releasever/$basearch/os", &["--release", "9.4"][..]),
        ("$releasever/${basearch}/os", &["--releasever", "9.4"]),
        ("${releasever_major}.$releasever_minor/$arch/os", &["--release", "9.4"]),
        ("${releasever_major}.$releasever_minor/$arch/os", &["--release", "8", "--var", "releasever=9.4"]),
        ("$site/$basearch/os", &["--var", "site=9.4"]),
        ("${site}/$basearch/$kind", &["--var", "site=9.4", "--var", "kind=os"]),
        ("${site:-9.4}/${basearch}/os", &[]),
        ("${site:+9.4}/x86_64/os", &["--var", "site=7"]),
        ("9/$basearch/os", &["--arch", "arm64"]),
    ] {
        let file = section(&world, "site-$basearch", &format!("baseurl=file://DIR{url}"));
        let arch = if words.contains(&"--arch") { &[][..] } else { &["--arch", "amd64"] };
        assert_eq!(chosen(&world, &file, &[words, arch, &["hello"]].concat()), ["hello-1.0-1"], "{url}");
        if !url.contains('{') || words.is_empty() {
            let word = format!("file://{}{url}", world.place(""));
            world
                .forge
                .ok(World::bare(&[words, arch, &["hello", "--repo", &word, "-o", "rootfs.tar"]].concat()));
        }
    }
    let file = section(&world, "site", "baseurl=file://DIR$unknown/os");
    refused(
        &world,
        &file,
        &["hello"],
        13,
        &["$unknown/os\" of repository site has a variable without a value", "--var"],
    );
    refused(&world, &file, &["hello", "--var", "unknown"], 2, &["\"unknown\" is no NAME=VALUE"]);
}

fn mirrors() {
    let world = World::of([hello()]);
    let server = Server::new(world.forge.path(""));
    let list = format!("# comment\n{}\n{}\nrsync://x/\n", server.url("gone/$basearch"), server.url("repo/"));
    world.forge.write("list", list);
    let file = section(&world, "site", &format!("mirrorlist={}", server.url("list?arch=$basearch")));
    let words = ["hello", "--report", "report.json", "--lock", "site.lock"];
    assert_eq!(chosen(&world, &file, &words), ["hello-1.0-1"]);
    assert!(server.count("/gone/x86_64/*") + server.count("/gone/aarch64/*") > 0);
    // A lock that was made by one mirror is good by another.
    world.forge.sh("rm -r cache; mv repo moved");
    world.forge.write("list", server.url("moved"));
    chosen(&world, &file, &words);
    for text in ["", "# nothing\n", "<html>Log in here</html>"] {
        world.forge.write("list", text);
        refused(&world, &file, &["hello"], 4, &["cannot use site", "its mirror list has no mirror"]);
    }
    let repomd = world.forge.read("moved/repodata/repomd.xml");
    let url = server.url("moved/repodata/repomd.xml");
    world.forge.write("metalink", metalink(&[url], &repomd, []));
    let file = section(&world, "site", &format!("metalink={}", server.url("metalink")));
    assert_eq!(chosen(&world, &file, &["hello", "--report", "report.json"]), ["hello-1.0-1"]);
    // It says of the metadata what it is to be, and that is in the report.
    let report = world.report();
    let links = report["build"]["trust"].as_array().unwrap();
    let link = links.iter().find(|link| link["subject"].as_str().unwrap().ends_with("repomd.xml")).unwrap();
    assert_eq!(link["listed-in"], server.url("metalink"), "{report:#}");
}

fn checks() {
    let world = World::new(&Repository::new([hello().unsigned()]));
    Repository::new([app_rpm("1").signed_by(Key::new("other"))]).write(&world.forge.path("other"));
    world.forge.write("other.asc", Key::new("other").public());
    world.forge.write("both.asc", Key::new("other").public() + &signer().public());
    let site = |lines: &str| section(&world, "site", &format!("baseurl=file://DIRrepo\n{lines}"));
    let other = |lines: &str| section(&world, "other", &format!("baseurl=file://DIRother\n{lines}"));
    let hint = "--allow-untrusted site";
    refused(
        &world,
        &site("gpgcheck=0"),
        &["hello"],
        9,
        &["site has neither gpgcheck nor repo_gpgcheck", hint],
    );
    refused(&world, &site("gpgcheck=1"), &["hello"], 9, &["nobody has signed hello-1.0-1.noarch", hint]);
    chosen(&world, &site("gpgcheck=0"), &["hello", "--allow-untrusted", "site"]);
    chosen(&world, &site(""), &["hello", "--allow-untrusted", "site"]);
    // Metadata that is signed vouches for packages.
    chosen(&world, &site("gpgcheck=0\nrepo_gpgcheck=1"), &["hello"]);
    // What is said of one repository is said of no other.
    let both = site("") + &other("gpgkey=file://DIRkey.asc");
    refused(&world, &both, &["app", "--allow-untrusted", "site"], 9, &["app-1-1.noarch of repository other"]);
    let both = site("") + &other("gpgkey=file://DIRother.asc");
    chosen(&world, &both, &["app", "hello", "--allow-untrusted", "site"]);
    chosen(&world, &other("gpgkey=file://DIRboth.asc"), &["app"]);
    chosen(&world, &other("gpgkey=file://DIRkey.asc file://DIRother.asc"), &["app"]);
    chosen(&world, &other("gpgkey=DIRother.asc"), &["app"]);
    // A file's own keys count, and not those of the command beside them.
    let words = ["app", "--key", "other.asc"];
    refused(&world, &other("gpgkey=file://DIRkey.asc"), &words, 9, &["app-1-1.noarch of repository other"]);
    chosen(&world, &other(""), &words);
}

fn which_is_preferred() {
    let world = World::empty();
    app(&world, "one", "1");
    app(&world, "two", "2");
    app(&world, "three", "2");
    let file = |one: &str, two: &str, three: &str| -> String {
        [("one", one), ("two", two), ("three", three)]
            .map(|(id, lines)| section(&world, id, &format!("baseurl=file://DIR{id}\n{lines}")))
            .concat()
    };
    let from = |one: &str, two: &str, three: &str| {
        chosen(&world, &file(one, two, three), &["app", "--report", "report.json"]);
        let url = world.report()["build"]["packages"][0]["url"].as_str().unwrap().to_owned();
        ["one", "two", "three"].into_iter().find(|id| url.contains(&format!("/{id}/Packages"))).unwrap()
    };
    assert_eq!(from("", "", ""), "two", "the newest, of those the first");
    assert_eq!(from("priority=98", "", ""), "one");
    assert_eq!(from("priority=100", "", ""), "two");
    assert_eq!(from("", "priority=100", ""), "three");
    assert_eq!(from("", "", "cost=500"), "three", "of two that are alike the cheaper one");
    assert_eq!(from("cost=1", "", ""), "two", "the newest all the same");
    assert_eq!(from("", "enabled=0", ""), "three");
    let words = ["app-1", "--report", "report.json"];
    assert_eq!(chosen(&world, &file("", "", ""), &words), ["app-1-1"]);
    // It is a preference, and does not hide what is asked for.
    assert_eq!(chosen(&world, &file("", "priority=1", ""), &["app = 1"]), ["app-1-1"]);
}

fn what_is_shown() {
    let world = World::of([hello(), app_rpm("1"), Rpm::new("needy", "1-1").requires("hello")]);
    let site = |lines: &str| section(&world, "site", &format!("baseurl=file://DIRrepo\n{lines}"));
    for lines in ["excludepkgs=hello", "exclude=h*lo", "excludepkgs=x,*.noarch", "includepkgs=app needy"] {
        let why = "hello cannot be had: hello-1.0-1.noarch is excluded in the repository site";
        refused(&world, &site(lines), &["hello"], 15, &[why]);
    }
    refused(&world, &site("excludepkgs=hello"), &["needy"], 15, &["needy-1-1.noarch needs hello"]);
    for lines in
        ["excludepkgs=app", "includepkgs=hello", "includepkgs=h*, x", "includepkgs=hello*\nexclude=app"]
    {
        assert_eq!(chosen(&world, &site(lines), &["hello"]), ["hello-1.0-1"], "{lines}");
    }
    app(&world, "other", "2");
    let both = site("") + &section(&world, "other", "baseurl=file://DIRother\nexcludepkgs=app");
    assert_eq!(chosen(&world, &both, &["app"]), ["app-1-1"]);
}

fn logins() {
    let world = World::of([
        hello().unsigned(),
        app_rpm("1").requires("/usr/share/x"),
        Rpm::new("x", "1-1").file("usr/share/x", "", 0o644),
    ]);
    let server = Server::new(world.forge.path("repo"));
    server.fault("*", Fault::Auth("some user".into(), "se:cr@et/%".into()));
    let url = server.url("");
    let lines = |login: &str| {
        section(&world, "site", &format!("baseurl={url}\nrepo_gpgcheck=1\ngpgcheck=0\n{login}"))
    };
    let words = ["hello", "app", "--report", "report.json", "--lock", "made.lock"];
    let is_secret = |file: &str| {
        let text = String::from_utf8_lossy(&world.forge.read(file)).into_owned();
        assert!(
            !text.contains("se:cr") && !text.contains("se%3Acr") && !text.contains("some%20user"),
            "{file}: {text}"
        );
    };
    refused(&world, &lines(""), &["hello"], 8, &["cannot use site", "HTTP status 401", "~/.netrc"]);
    let wrong = lines("username=some user\npassword=wrong");
    refused(&world, &wrong, &["hello"], 8, &["cannot use site", "HTTP status 401"]);
    let right = lines("username=some user\npassword='se:cr@et/%'");
    assert_eq!(chosen(&world, &right, &words), ["app-1-1", "hello-1.0-1", "x-1-1"]);
    ["rootfs.tar", "report.json", "made.lock"].iter().for_each(|file| is_secret(file));
    // The lock has no login, so the file that has one is asked again.
    world.forge.sh("rm -r cache");
    chosen(&world, &right, &words);
    world.forge.sh("rm -r cache made.lock");
    let netrc = format!("machine http://{} login \"some user\" password \"se:cr@et/%\"\n", server.address());
    server.heal();
    server.fault("*", Fault::Auth("user".into(), "secret".into()));
    world.forge.write(".netrc", netrc.replace("\"some user\"", "user").replace("\"se:cr@et/%\"", "secret"));
    assert_eq!(chosen(&world, &lines(""), &words).len(), 3);
    for file in ["rootfs.tar", "report.json", "made.lock"] {
        assert!(!String::from_utf8_lossy(&world.forge.read(file)).contains("secret"), "{file}");
    }
    // Somebody else's server does not get to know.
    let stranger = Server::new(world.forge.path("repo"));
    server.heal();
    server.fault("*.rpm", Fault::Redirect(stranger.url("Packages/h/hello-1.0-1.noarch.rpm")));
    world.forge.sh("rm -r cache made.lock .netrc");
    chosen(&world, &lines("username=user\npassword=secret"), &["hello"]);
    let requests = stranger.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.header("authorization").is_none()));
}

fn offline() {
    let world = World::of([
        hello().requires("needed"),
        Rpm::new("needed", "1-1").requires("/usr/share/deep"),
        Rpm::new("deep", "1-1").file("usr/share/deep", "", 0o644),
    ]);
    let server = Server::new(world.forge.path("repo"));
    let served = |more: &[&str]| World::bare(&[more, &["--repo", &server.url("")]].concat());
    world.refuses_words(8, served(&["hello", "--offline"]), &["not in the cache", "offline"]);
    assert_eq!(server.count("*"), 0);
    world.forge.ok(served(&["hello", "-o", "rootfs.tar"]));
    assert_eq!((server.count("*/repomd.xml"), server.count("*filelists*"), server.count("*.rpm")), (1, 1, 3));
    assert_eq!(server.count("*other.xml*"), 0);
    server.forget();
    world.forge.ok(served(&["hello", "-o", "again.tar"]));
    assert_eq!(server.count("*.rpm") + server.count("*.gz"), 0, "what is known by its digest is kept");
    server.forget();
    world.forge.ok(served(&["hello", "-o", "offline.tar", "--offline"]));
    assert_eq!(server.count("*"), 0);
    world.forge.sh("cmp rootfs.tar again.tar; cmp rootfs.tar offline.tar");
    // What is kept goes the whole way of checks again.
    world.forge.sh("for file in $(find cache -type f); do chmod u+w $file; printf XX >> $file; done");
    world.forge.ok(served(&["hello", "-o", "healed.tar"]));
    world.forge.sh("cmp rootfs.tar healed.tar");
}

fn releases() {
    let world = World::empty();
    let refuses = |words: &[&str], says: &[&str]| {
        let words = [&["source", "dnf", "bash"], words].concat();
        world.refuses_words(13, words.into_iter().map(str::to_owned).collect(), says);
    };
    refuses(
        &["--release", "9"],
        &["no release \"9\" of Fedora", "known are 40", "Did you mean centos-stream-9"],
    );
    refuses(&["--release", "fedroa-42"], &["no release \"fedroa-42\"", "Did you mean fedora-42?"]);
    refuses(&["--release", "fedora-7"], &["no release \"fedora-7\"", "--repo URL"]);
    refuses(&["--release", "42", "--distro", "rocky"], &["no release \"42\" of Rocky", "fedora-42"]);
    refuses(
        &["--distro", "slackware"],
        &["no distribution \"slackware\"", "fedora", "--repo URL --key FILE"],
    );
    refuses(&["--release", "42", "--arch", "riscv64"], &["Fedora 42", "riscv64", "amd64"]);
    let repo = format!("fedora={}", world.place("repo"));
    refuses(
        &["--release", "42", "--repo", &repo, "--from", "fedorra"],
        &["no repository \"fedorra\"", "fedora, updates"],
    );
}

/// A mirror of the user's is only transport: the release's own keys have to fit, and a key that is
/// given is for other packages. Who signs such packages anew gives the repository a name of its own,
/// or a file that names the key.
fn mirrors_of_a_release() {
    let world = World::of([hello()]);
    let repo = format!("fedora={}", world.place("repo"));
    let words = |more: &[&str]| -> Vec<String> {
        let words = ["source", "dnf", "hello", "--release", "42", "--repo", &repo, "--from", "fedora"];
        words.iter().chain(more).map(|&word| word.to_owned()).collect()
    };
    let says = [
        "hello-1.0-1.noarch of repository fedora cannot be used",
        "none of this repository's keys",
        "--repo NAME=URL --key FILE",
    ];
    world.refuses_words(9, words(&[]), &says);
    world.refuses_words(9, words(&["--key", "key.asc"]), &says);
    fs::copy(&rpm::build(&[app_rpm("1")])[0], world.forge.path("app.rpm")).unwrap();
    world.refuses_words(9, words(&["./app.rpm", "--key", "key.asc"]), &says);
    let own = format!("own={}", world.place("repo"));
    let words_of_own =
        World::bare(&["hello", "--release", "42", "--repo", &own, "--from", "own", "-o", "rootfs.tar"]);
    world.forge.ok(words_of_own);
    let file = section(&world, "fedora", "baseurl=file://DIRrepo\ngpgkey=file://DIRkey.asc");
    chosen(&world, &file, &["hello", "--release", "42", "--from", "fedora"]);
    assert!(world.rpm("-qa").contains("gpg-pubkey"));
    world.forge.ok(words(&["--allow-untrusted", "fedora", "-o", "rootfs.tar", "--report", "report.json"]));
    let report = world.report();
    let package = &report["build"]["packages"][0];
    let url = package["url"].as_str().unwrap();
    assert!(url.starts_with("https://") && url.ends_with("/os/Packages/h/hello-1.0-1.noarch.rpm"), "{url}");
    assert!(package["purl"].as_str().unwrap().starts_with("pkg:rpm/fedora/hello@1.0-1?"), "{package}");
    assert!(!report.to_string().contains(&world.place("repo")), "{report:#}");
    assert!(world.file("usr/lib/sysimage/rpm/rpmdb.sqlite").is_some(), "where Fedora has it");
}

/// What stands behind a "?" may be a secret: it is asked with, and not written down.
fn tokens() {
    let world = World::of([hello()]);
    let server = Server::new(world.forge.path("repo"));
    let file = section(&world, "site", &format!("baseurl={}", server.url("?token=s3cret")));
    let words = ["hello", "--report", "report.json", "--lock", "made.lock"];
    chosen(&world, &file, &words);
    // The lock knows of no token, and the file is asked again.
    world.forge.sh("rm -r cache");
    server.forget();
    chosen(&world, &file, &words);
    assert_eq!(server.count("*.rpm"), 1);
    let url = world.report()["build"]["packages"][0]["url"].as_str().unwrap().to_owned();
    assert_eq!(url, server.url("Packages/h/hello-1.0-1.noarch.rpm"));
    for file in ["rootfs.tar", "report.json", "made.lock"] {
        assert!(!String::from_utf8_lossy(&world.forge.read(file)).contains("s3cret"), "{file}");
    }
}

fn help() {
    let forge = Forge::new();
    let help = forge.ok(["source", "dnf", "--help"]).stdout();
    for word in [
        "--release <RELEASE>",
        "--distro <DISTRIBUTION>",
        "--repo <REPO>",
        "--repo-file <FILE>",
        "--from <REPO,…>",
        "--var <NAME=VALUE>",
        "--key <FILE>",
        "--allow-untrusted <REPO,…>",
        "--exclude <PACKAGE,…>",
        "--weak-deps",
        "--docs",
        "--engine",
        "Examples:",
    ] {
        assert!(help.contains(word), "{word} is not in: {help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = forge.ok(["completions", shell]).stdout();
        assert!(["repo-file", "weak-deps", "releasever"].iter().all(|word| script.contains(word)), "{shell}");
    }
    let sources = forge.ok(["source", "--help"]).stdout();
    assert!(sources.contains("dnf") && sources.contains("RPM packages"), "{sources}");
    forge.fails(2, ["source", "dnf", "bash", "--weak-dep"]).says(&["--weak-dep", "--weak-deps"]);
    forge.fails(2, ["source", "dnf", "bash", "--engine", "zypper"]).says(&["zypper", "microdnf"]);
    forge.fails(2, ["source", "dnf", "--release", "42"]).says(&["no package was named"]);
}
