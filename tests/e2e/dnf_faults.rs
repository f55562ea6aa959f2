//! Packages of RPM that are not what somebody has signed, do harm, or do not go together: each is
//! refused by its name, and nothing is left.

use std::fs;
use std::time::Duration;

use ctr_forge_tests::archive::listing;
use ctr_forge_tests::debian::Hash;
use ctr_forge_tests::rpm::parts::{self, Parts};
use ctr_forge_tests::rpm::{self, Moment, Repository};
use ctr_forge_tests::server::Fault;
use ctr_forge_tests::{Key, Need, Rpm, Server, Test};
use serde_json::Value;

use crate::dnf::{RPM, World, hello};

/// As [`RPM`], and file systems that are small.
const SMALL: &[Need] = &[
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::MountNamespace,
];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "dnf_faults::signatures_of_nobody_known", needs: RPM, run: signatures_of_nobody_known },
    Test { name: "dnf_faults::no_key_is_known_for_others", needs: RPM, run: no_key_for_others },
    Test { name: "dnf_faults::keys", needs: RPM, run: keys },
    Test { name: "dnf_faults::tampered_packages", needs: RPM, run: tampered_packages },
    Test { name: "dnf_faults::cut_packages", needs: RPM, run: cut_packages },
    Test { name: "dnf_faults::a_package_file_that_changes", needs: RPM, run: a_package_file_that_changes },
    Test { name: "dnf_faults::other_packages", needs: RPM, run: other_packages },
    Test { name: "dnf_faults::choices_that_cannot_be", needs: RPM, run: choices_that_cannot_be },
    Test { name: "dnf_faults::conflicting_files", needs: RPM, run: conflicting_files },
    Test { name: "dnf_faults::locks_of_others", needs: RPM, run: locks_of_others },
    Test { name: "dnf_faults::broken_locks", needs: RPM, run: broken_locks },
    Test { name: "dnf_faults::escapes", needs: RPM, run: escapes },
    Test { name: "dnf_faults::hostile_names", needs: RPM, run: hostile_names },
    Test { name: "dnf_faults::one_package_twice", needs: RPM, run: one_package_twice },
    Test { name: "dnf_faults::no_space", needs: SMALL, run: no_space },
];

/// What messages call [`bad`].
const BAD: &str = "bad-1.0-1.noarch";

fn bad() -> Rpm {
    Rpm::new("bad", "1.0-1").file("usr/share/bad", "bad ".repeat(5000), 0o644)
}

/// The package `bad` of a repository is refused with this code and these words.
#[track_caller]
fn refused(repository: &Repository, code: i32, says: &[&str]) {
    World::new(repository).refuses(code, &["bad"], &[says, &[BAD]].concat());
}

/// A repository of `bad`, changed.
fn changed(moment: Moment, change: fn(&mut Vec<u8>)) -> Repository {
    Repository::new([bad()]).change(moment, "Packages/b/*", change)
}

/// Puts other bytes in the place of these everywhere in a package whose payload is not
/// compressed, and has all digests fit again: only signatures can tell.
fn forge(package: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let before = Parts::of(package);
    let digests = |package: &[u8]| {
        let Parts { header, payload, .. } = Parts::of(package);
        [
            Hash::Sha256.of(&package[payload]),
            Hash::Sha256.of(&package[header.clone()]),
            Hash::Sha1.of(&package[header]),
        ]
    };
    let [old_payload, old_sha256, old_sha1] = digests(package);
    let replace = |bytes: &mut [u8], from: &str, to: &str| {
        let places: Vec<usize> =
            (0..bytes.len()).filter(|&at| bytes[at..].starts_with(from.as_bytes())).collect();
        places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
    };
    replace(&mut package[before.header.start..], from, to);
    let new_payload = digests(package)[0].clone();
    replace(&mut package[before.header.clone()], &old_payload, &new_payload);
    let [_, new_sha256, new_sha1] = digests(package);
    replace(&mut package[before.signature.clone()], &old_sha256, &new_sha256);
    replace(&mut package[before.signature], &old_sha1, &new_sha1);
}

fn signatures_of_nobody_known() {
    let unsigned = Repository::new([bad().unsigned()]);
    refused(&unsigned, 9, &["nobody has signed", "--allow-untrusted repo-1"]);
    let world = World::new(&unsigned);
    world.ok(&["bad", "--allow-untrusted", "repo-1"]).says(&["repo-1 is used without a signature"]);
    let strange = Repository::new([bad().signed_by(Key::new("somebody else"))]);
    refused(&strange, 9, &["none of this repository's keys", &Key::new("somebody else").fingerprint()[24..]]);
    refused(&Repository::new([bad().signed_by(Key::rsa())]), 9, &["none of this repository's keys"]);
    // The metadata's signature is not the packages'.
    let world = World::new(&unsigned);
    let place = world.place("");
    world.forge.write(
        "site.repo",
        format!("[site]\nbaseurl=file://{place}repo\ngpgkey=file://{place}key.asc\nrepo_gpgcheck=1\n"),
    );
    let words = World::bare(&["bad", "--repo-file", "site.repo"]);
    world.refuses_words(9, words, &["nobody has signed", BAD, "--allow-untrusted site"]);
}

/// rpm itself has one keyring, of the keys of all repositories.
fn no_key_for_others() {
    let other = Key::new("other");
    let world = World::of([hello()]);
    Repository::new([bad()]).write(&world.forge.path("other"));
    world.forge.write("other.asc", other.public());
    let place = world.place("");
    let repo = |name: &str, folder: &str, key: &str| {
        format!("[{name}]\nbaseurl=file://{place}{folder}\ngpgkey=file://{place}{key}.asc\n")
    };
    world.forge.write("site.repo", repo("ours", "repo", "key") + &repo("theirs", "other", "other"));
    let words = |more: &[&str]| World::bare(&[more, &["--repo-file", "site.repo"]].concat());
    world.refuses_words(9, words(&["hello", "bad"]), &["none of this repository's keys", BAD]);
    world.forge.ok(words(&["hello", "-o", "rootfs.tar"]));
    // With the same keys it goes: the packages are fine.
    world.forge.write("site.repo", repo("ours", "repo", "key") + &repo("theirs", "other", "key"));
    world.forge.ok(words(&["hello", "bad", "-o", "rootfs.tar"]));
}

fn keys() {
    let world = World::of([hello()]);
    let place = world.place("repo");
    let words = |more: &[&str]| -> Vec<String> {
        let words = ["source", "dnf", "hello", "--repo", place.as_str()];
        words.iter().chain(more).map(|&word| word.to_owned()).collect()
    };
    world.refuses_words(
        9,
        words(&[]),
        &["no key is known that may sign for repository repo-1", "--key FILE"],
    );
    world.refuses_words(5, words(&["--key", "missing.asc"]), &["missing.asc"]);
    world.forge.write("none.asc", "no key\n");
    world.refuses_words(9, words(&["--key", "none.asc"]), &["none.asc"]);
    for (code, key, why) in [
        (9, Key::new("rpm").revoked(), "revoked"),
        (14, Key::new("rpm").expires(rpm::DATE - 1000), "the key expired on Tue, 14 Nov 2023"),
    ] {
        world.forge.write("old.asc", key.public());
        let says = ["hello-1.0-1.noarch of repository repo-1 cannot be used", why];
        world.refuses_words(code, words(&["--key", "old.asc"]), &says);
    }
    let unknown = words(&["--key", "key.asc", "--allow-untrusted", "site"]);
    world.refuses_words(13, unknown, &["there is no repository \"site\"", "repo-1"]);
    world.forge.write("other.asc", Key::new("other").public());
    world.forge.ok(words(&["--key", "other.asc", "--key", "key.asc", "-o", "rootfs.tar"]));
}

fn tampered_packages() {
    let wrong = ["wrong content", "sha256"];
    refused(&changed(Moment::Late, |package| parts::tamper_header(package)), 9, &wrong);
    refused(&changed(Moment::Late, |package| parts::tamper_payload(package)), 9, &wrong);
    // The metadata describes what was made of it.
    let header = changed(Moment::Early, |package| {
        let at = package.windows(13).position(|bytes| bytes == b"made for a te").unwrap();
        package[at] ^= 1;
    });
    refused(&header, 9, &["its header is damaged", "SHA-256"]);
    let raw = || bad().payload("w.ufdio");
    let forged = Repository::new([raw()]).change(Moment::Early, "Packages/b/*", |package| {
        forge(package, "made for a test", "made for a tset")
    });
    refused(&forged, 9, &["repo-1"]);
    for payload in ["w.ufdio", "w9.gzdio", "w6.xzdio", "w3.zstdio", "w9.bzdio"] {
        let repository =
            Repository::new([bad().payload(payload)])
                .change(Moment::Early, "Packages/b/*", |package| parts::tamper_payload(package));
        refused(&repository, 9, &["its payload was changed: its SHA-256 is"]);
    }
    // What stands behind it is changed, too.
    refused(&changed(Moment::Early, |package| package.push(0)), 9, &["its payload was changed"]);
}

fn cut_packages() {
    refused(&changed(Moment::Late, parts::truncate), 9, &["wrong size"]);
    refused(&changed(Moment::Late, Vec::clear), 9, &["wrong size"]);
    refused(
        &changed(Moment::Late, |package| *package = b"<html>Log in here</html>".to_vec()),
        9,
        &["wrong size"],
    );
    refused(&changed(Moment::Early, parts::truncate), 9, &["its payload was changed"]);
    let world = World::of([hello(), bad()]);
    fs::remove_file(world.forge.path("repo/Packages/b").join(bad().filename())).unwrap();
    world.refuses(13, &["hello", "bad"], &[BAD, "Packages/b/bad-1.0-1.noarch.rpm"]);
    let whole = fs::read(&rpm::build(&[bad()])[0]).unwrap();
    for length in [0, 50, 96, 200, Parts::of(&whole).header.start, Parts::of(&whole).payload.start - 1] {
        let world = World::empty();
        world.forge.write("bad.rpm", &whole[..length]);
        let words = World::bare(&["./bad.rpm", "--repo", "/var/empty"]);
        world.refuses_words(4, words, &["/bad.rpm cannot be used"]);
    }
}

/// Whoever may write to a package file may do so after it was looked at.
fn a_package_file_that_changes() {
    let mine = |text: &str| Rpm::new("mine", "1-1").requires("slow").file("etc/mine", text, 0o644);
    let world = World::of([Rpm::new("slow", "1-1")]);
    let server = Server::new(world.forge.path("repo"));
    let files = rpm::build(&[mine("first"), mine("other")]);
    let [first, other] = [0, 1].map(|number| fs::read(&files[number]).unwrap());
    world.forge.write("mine.rpm", &first);
    // It is fetched when the user's own file was looked at already.
    server.fault("*.rpm", Fault::Slow(2000));
    let words = World::bare(&["./mine.rpm", "--repo", &server.url(""), "-o", "rootfs.tar"]);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| world.forge.run(words));
        while server.count("*.rpm") == 0 && !run.is_finished() {
            std::thread::sleep(Duration::from_millis(10));
        }
        // The file keeps its place on the disk.
        fs::write(world.forge.path("mine.rpm"), &other).unwrap();
        run.join().unwrap().expect_code(0);
    });
    assert_eq!(world.text("etc/mine"), "first");
}

/// What is at its place is another package: `dnf_metadata` has those that metadata lies about.
fn other_packages() {
    let swapped = |package: &mut Vec<u8>| *package = fs::read(&rpm::build(&[hello()])[0]).unwrap();
    refused(&changed(Moment::Late, swapped), 9, &["wrong size"]);
    let rebuilt = |package: &mut Vec<u8>| {
        let len = package.len();
        *package = fs::read(&rpm::build(&[bad().field("Vendor", "somebody")])[0]).unwrap();
        package.resize(len, 0);
    };
    refused(&changed(Moment::Late, rebuilt), 9, &["wrong content: expected sha256:"]);
}

fn strange_rpm() -> Rpm {
    Rpm::new("strange", "1-1").requires("rpmlib(Unknown) <= 4.0-1")
}

fn choices_that_cannot_be() {
    let arm = Rpm::new("arm", "1-1").arch("aarch64");
    let world = World::of([
        hello(),
        Rpm::new("needy", "1-1").requires("/usr/bin/missing"),
        Rpm::new("newer", "1-1").requires("hello >= 2"),
        strange_rpm(),
        Rpm::new("foe", "1-1").conflicts("hello"),
        Rpm::new("rich", "1-1").requires("(missing or absent)"),
        Rpm::new("parent", "1-1").requires("needy"),
        arm.clone(),
    ]);
    let because = |words: &[&str], says: &[&str]| {
        let head = "the packages asked for cannot be installed together";
        world.refuses(15, words, &[&[head], says].concat());
    };
    because(&["needy"], &["needy-1-1.noarch needs /usr/bin/missing", "nothing provides it"]);
    because(&["parent"], &["parent-1-1.noarch needs needy", "needy-1-1.noarch needs /usr/bin/missing"]);
    because(&["newer"], &["newer-1-1.noarch needs hello >= 2", "the newest is hello-1.0-1.noarch"]);
    // Metadata says nothing of what a package needs of rpm itself.
    let strange = ["strange-1-1.noarch needs rpmlib(Unknown) <= 4.0-1", "no feature of an rpm that is known"];
    world.refuses(11, &["strange"], &strange);
    fs::copy(&rpm::build(&[strange_rpm()])[0], world.forge.path("strange.rpm")).unwrap();
    because(&["./strange.rpm"], &strange);
    because(&["foe", "hello"], &["foe-1-1.noarch conflicts with hello-1.0-1.noarch"]);
    because(&["rich"], &["rich-1-1.noarch needs (missing or absent)"]);
    world.refuses(13, &["arm", "--arch", "amd64"], &["no package is called arm"]);
    fs::copy(&rpm::build(&[arm])[0], world.forge.path("arm.rpm")).unwrap();
    let unfit = ["arm-1-1.aarch64", "architecture that does not run here"];
    world.refuses(15, &["./arm.rpm", "--arch", "amd64"], &unfit);
    world.refuses(13, &["helo"], &["helo", "there is hello", "repo-1", &world.place("repo"), "--repo"]);
    world.refuses(13, &["hello-3"], &["hello-3"]);
    world.refuses(15, &["hello >= 3"], &["hello >= 3", "the newest is hello-1.0-1.noarch"]);
    let heir = World::of([hello(), Rpm::new("heir", "1-1").obsoletes("hello < 2")]);
    heir.refuses(15, &["heir", "hello-1.0"], &["heir-1-1.noarch obsoletes hello-1.0-1.noarch"]);
    world.refuses(2, &["hello >> 3"], &["hello >> 3"]);
    world.refuses(13, &["hello", "--arch", "loong64"], &["there is no architecture \"loong64\" of rpm's"]);
}

fn conflicting_files() {
    let one = || Rpm::new("one", "1-1").file("etc/same", "one", 0o644).file("etc/fine", "x", 0o644);
    let clash = |two: Rpm, says: &[&str]| {
        let world = World::of([one(), two.requires("one").file("etc/fine", "x", 0o644)]);
        world.refuses(4, &["two"], &[says, &["two-1-1.noarch cannot be installed", "/etc/same"]].concat());
    };
    let two = || Rpm::new("two", "1-1");
    clash(two().file("etc/same", "two", 0o644), &["is another file than that of one-1-1.noarch"]);
    clash(two().file("etc/same", "one", 0o600), &["is another file than that of one-1-1.noarch"]);
    clash(two().symlink("etc/same", "fine"), &["is another file than that of one-1-1.noarch"]);
    clash(two().file("etc/same/below", "two", 0o644), &["below"]);
    clash(two().dir("etc/same", 0o755), &["is another file than that of one-1-1.noarch"]);
    // The same file is no conflict.
    let world = World::of([one(), two().requires("one").file("etc/same", "one", 0o644)]);
    world.ok(&["two"]);
    assert_eq!(world.rpm("-Va"), "");
}

/// Changes the source's part of a lock that is in `made.lock`.
fn with_lock(world: &World, lock: &[u8], change: impl Fn(&mut Value)) -> Vec<String> {
    let mut value: Value = serde_json::from_slice(lock).unwrap();
    change(&mut value["lock"]);
    world.forge.write("made.lock", value.to_string());
    world.words(&["hello", "--lock", "made.lock", "-o", "x.tar"])
}

fn locks_of_others() {
    let world = World::of([hello(), bad()]);
    world.ok(&["hello", "--lock", "made.lock"]);
    let lock = world.forge.read("made.lock");
    let fails = |code, words: Vec<String>, says: &[&str]| {
        world.forge.fails(code, words).says(says);
        assert!(!world.forge.path("x.tar").exists());
    };
    let of = |more: &[&str]| world.words(&[more, &["--lock", "made.lock", "-o", "x.tar"]].concat());
    fails(2, of(&["hello", "bad"]), &["the lock was made for"]);
    fails(2, of(&["hello", "--docs"]), &["the lock was made for"]);
    let other = "0".repeat(64);
    let digest =
        with_lock(&world, &lock, |lock| lock["packages"][0]["digest"] = format!("sha256:{other}").into());
    fails(9, digest, &["hello-1.0-1.noarch", "wrong content", &other]);
    // A package of the same name that is another one.
    world.forge.sh("rm -r cache");
    let rebuilt = hello().field("Vendor", "somebody");
    fs::copy(&rpm::build(&[rebuilt])[0], world.forge.path("repo/Packages/h").join(hello().filename()))
        .unwrap();
    world.forge.write("made.lock", &lock);
    fails(9, of(&["hello"]), &["hello-1.0-1.noarch", "wrong"]);
    world.forge.sh("rm repo/Packages/h/*");
    fails(13, of(&["hello"]), &["hello-1.0-1.noarch"]);
    // The package file that the lock has is another now.
    world.forge.sh("rm made.lock");
    fs::copy(&rpm::build(&[bad()])[0], world.forge.path("mine.rpm")).unwrap();
    world.ok(&["./mine.rpm", "--lock", "made.lock"]);
    fs::copy(&rpm::build(&[bad().field("Vendor", "me")])[0], world.forge.path("mine.rpm")).unwrap();
    fails(4, of(&["./mine.rpm"]), &[BAD, "that is not given", "Delete the lock"]);
}

fn broken_locks() {
    let world = World::of([hello()]);
    world.ok(&["hello", "--lock", "made.lock"]);
    let lock = world.forge.read("made.lock");
    let with = |change: &dyn Fn(&mut Value), says: &str| {
        world.forge.fails(4, with_lock(&world, &lock, change)).says(&[says, "Delete it to resolve anew"]);
        assert!(!world.forge.path("x.tar").exists());
    };
    let package =
        |key: &'static str, value: Value| move |lock: &mut Value| lock["packages"][0][key] = value.clone();
    with(&package("name", "../../x".into()), "an impossible name or version");
    with(&package("version", "1/2".into()), "an impossible name or version");
    with(&package("arch", "".into()), "an impossible name or version");
    with(&package("digest", "md5:abc".into()), "no digest");
    with(&package("digest", "sha256:abc".into()), "no digest");
    with(&package("repository", 7.into()), "no repository");
    with(&package("location", "../../etc/passwd".into()), "an impossible place");
    with(&package("location", "/etc/passwd".into()), "an impossible place");
    with(&|lock| lock["repositories"][0]["url"] = "/etc".into(), "that is none");
    with(&|lock| lock["repositories"][0]["id"] = "a\nb".into(), "that is none");
    with(&|lock| lock["release"] = "9\n".into(), "a release that is none");
    with(&|lock| lock["packages"] = "none".into(), "no part for dnf that can be read");
    let others = with_lock(&world, &lock, |lock| lock["repositories"][0]["id"] = "other".into());
    world
        .forge
        .fails(4, others)
        .says(&["hello-1.0-1.noarch from a repository that this request does not have"]);
    world.forge.write("made.lock", "no lock");
    world.forge.fails(4, world.words(&["hello", "--lock", "made.lock", "-o", "x.tar"])).says(&["made.lock"]);
}

/// Names and links that lead elsewhere do so in the root, and not out of it.
fn escapes() {
    let escaped = || !fs::exists("/etc/escaped").unwrap() && !fs::exists("/var/tmp/escaped").unwrap();
    let free = |world: &World, more: &[&str]| {
        let words = world.words(&[more, &["--allow-untrusted", "repo-1", "-o", "rootfs.tar"]].concat());
        world.forge.run(words)
    };
    let hostile = |change: fn(&mut Vec<u8>)| {
        let rpm =
            Rpm::new("bad", "1-1").file("usr/share/inner/escaped", "x", 0o644).payload("w.ufdio").unsigned();
        World::new(&Repository::new([rpm]).change(Moment::Early, "Packages/b/*", change))
    };
    let changes: [fn(&mut Vec<u8>); 2] = [
        |package| forge(package, "/usr/share/inner", "/usr/../../../xy"),
        |package| forge(package, "escaped", "../../x"),
    ];
    for change in changes {
        let world = hostile(change);
        free(&world, &["bad"]).expect_code(4).says(&["bad-1-1.noarch cannot be installed"]);
        assert!(escaped() && !world.forge.path("rootfs.tar").exists());
    }
    // A link leads no further than the root.
    for target in ["/etc", "../../../../etc"] {
        let link = Rpm::new("link", "1-1").symlink("usr/away", target);
        let app = Rpm::new("app", "1-1").requires("link").file("usr/away/escaped", "x", 0o644);
        let world = World::of([link, app]);
        world.ok(&["app"]);
        assert_eq!(world.text("etc/escaped"), "x");
        assert!(escaped());
    }
}

fn hostile_names() {
    let rpm = |name: &str| {
        Rpm::new(name, "1-1").file("usr/share/new+line", "x", 0o644).payload("w.ufdio").unsigned()
    };
    let untrusted = ["--allow-untrusted", "repo-1"];
    let newline = Repository::new([rpm("bad")])
        .change(Moment::Early, "Packages/b/*", |package| forge(package, "new+line", "new\nline"));
    let world = World::new(&newline);
    world.ok(&[&["bad"], &untrusted[..]].concat());
    assert!(listing(&world.forge.read("rootfs.tar")[..]).iter().any(|line| line.contains("new")));
    // Such a package is none, and the others are there.
    for change in [
        |package: &mut Vec<u8>| forge(package, "evilname", "../evil/"),
        |package: &mut Vec<u8>| forge(package, "evilname", "evil\nnam"),
        |package: &mut Vec<u8>| forge(package, "evilname", "evil nam"),
        |package: &mut Vec<u8>| forge(package, "evilname", "-vilname"),
    ] {
        let repository =
            Repository::new([rpm("evilname"), hello()]).change(Moment::Early, "Packages/e/*", change);
        let world = World::new(&repository);
        world.ok(&[&["hello"], &untrusted[..]].concat()).says(&["of repo-1 is left out", "is no name"]);
        world.refuses(13, &[&["/usr/share/new+line"], &untrusted[..]].concat(), &["/usr/share/new+line"]);
        let mut file = fs::read(&rpm::build(&[rpm("evilname")])[0]).unwrap();
        change(&mut file);
        world.forge.write("evil.rpm", file);
        let says = ["/evil.rpm cannot be used", "its header has an impossible name"];
        world.refuses(4, &["./evil.rpm", "--allow-untrusted", "files"], &says);
    }
    let mut file = fs::read(&rpm::build(&[rpm("evilname")])[0]).unwrap();
    forge(&mut file, "evilname", "evil\u{1b}[1m");
    world.forge.write("evil.rpm", file);
    let output = world.refuses(4, &["./evil.rpm"], &["its header has an impossible name"]);
    assert!(!output.stderr.contains('\u{1b}'));
}

fn one_package_twice() {
    let world = World::of([hello()]);
    world.forge.sh("mkdir repo/Packages/x; cp repo/Packages/h/* repo/Packages/x/; cp -r repo again");
    world.forge.sh("rm -r repo/repodata; createrepo_c -q repo");
    let again = world.place("again");
    for words in [&["hello"][..], &["hello", "hello"], &["hello", "hello.noarch", "hello = 1.0"]] {
        world.ok(&[words, &["--repo", &again]].concat());
        assert_eq!(world.installed(), ["hello-1.0-1"]);
    }
    world.forge.sh("cp repo/Packages/h/* mine.rpm");
    world.ok(&["./mine.rpm", "hello"]);
    assert_eq!(world.installed(), ["hello-1.0-1"]);
    world.ok(&["./mine.rpm", "./mine.rpm"]);
    assert_eq!(world.installed(), ["hello-1.0-1"]);
}

fn no_space() {
    let full = "No space left on device";
    let big = Rpm::new("big", "1-1").file("usr/share/big", vec![7; 4 << 20], 0o644).payload("w.ufdio");
    let world = World::of([big]);
    let server = Server::new(world.forge.path("repo"));
    let words = World::bare(&["big", "--repo", &server.url("")]).join(" ");
    world.forge.sh_any(&format!("$FORGE -q {words} > /dev/full")).expect_code(5).says(&[full]);
    for folder in ["cache", "out"] {
        let small = format!("mkdir -p {folder}; mount -t tmpfs -o size=1m,mode=700 none {folder}");
        let script = format!("unshare -m sh -c '{small}; exec \"$FORGE\" -q {words} -o out/rootfs.tar'");
        world.forge.sh("rm -rf cache; mkdir -p out");
        world.forge.sh_any(&script).expect_code(5).says(&[full]);
        assert!(world.forge.names("out").is_empty() && world.forge.names("tmp").is_empty());
    }
}
