//! Where packages of apk come from, and which of them are chosen.

use std::path::PathBuf;

use ctr_forge_tests::apk::{Repository, Signer};
use ctr_forge_tests::server::Fault;
use ctr_forge_tests::{Apk, Server, Test};
use serde_json::Value;

use crate::alpine::{World, hello};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "alpine_repositories::tags", needs: &[], run: tags },
    Test { name: "alpine_repositories::versions", needs: &[], run: versions },
    Test { name: "alpine_repositories::what_there_is_not", needs: &[], run: what_there_is_not },
    Test { name: "alpine_repositories::conflicts_are_explained", needs: &[], run: conflicts },
    Test { name: "alpine_repositories::providers", needs: &[], run: providers },
    Test { name: "alpine_repositories::install_if", needs: &[], run: install_if },
    Test { name: "alpine_repositories::locks", needs: &[], run: locks },
    Test { name: "alpine_repositories::bad_locks", needs: &[], run: bad_locks },
    Test { name: "alpine_repositories::offline", needs: &[], run: offline },
    Test { name: "alpine_repositories::dry_run", needs: &[], run: dry_run },
    Test { name: "alpine_repositories::passwords", needs: &[], run: passwords },
    Test { name: "alpine_repositories::package_files", needs: &[], run: package_files },
];

/// What is installed for a request.
#[track_caller]
fn chosen(world: &World, words: &[&str]) -> Vec<String> {
    world.ok(words);
    let installed = world.installed();
    std::fs::remove_file(world.forge.path("rootfs.tar")).unwrap();
    installed
}

fn tags() {
    let world = World::of([hello(), Apk::new("app", "1-r0").depends("hello"), Apk::new("plain", "1-r0")]);
    let newer =
        [Apk::new("hello", "2.0-r0").depends("lib"), Apk::new("lib", "1-r0"), Apk::new("only", "1-r0")];
    Repository::new(newer).write(&world.forge.path("edge"));
    let edge = format!("@edge {}", world.place("edge"));
    let with = |words: &[&str]| chosen(&world, &[&["--repo", &edge], words].concat());
    assert_eq!(with(&["hello"]), ["hello-1.0-r0"]);
    assert_eq!(with(&["hello@edge"]), ["hello-2.0-r0", "lib-1-r0"]);
    // Who needs it takes what the tag has brought.
    assert_eq!(with(&["app", "hello@edge"]), ["app-1-r0", "hello-2.0-r0", "lib-1-r0"]);
    assert_eq!(with(&["plain@edge"]), ["plain-1-r0"]);
    let only = |word| ["--repo", &edge, word];
    world.refuses(15, &only("only"), &["only is asked for", "a tag that is not named"]);
    let says = ["no repository has the tag \"@testing\"", "hello@testing", "--repo '@testing URL'"];
    world.refuses(13, &only("hello@testing"), &says);
    // Without a tag, the second repository is as good as the first.
    assert_eq!(chosen(&world, &["hello", "--repo", &world.place("edge")]), ["hello-2.0-r0", "lib-1-r0"]);
}

fn versions() {
    let hello = |version| Apk::new("hello", version).file("usr/bin/hello", version, 0o755);
    let world = World::of(["1.2.3-r0", "1.10-r0", "1.2_rc1-r0", "1.2.3-r1", "2.0-r0"].map(hello));
    for (word, version) in [
        ("hello", "2.0-r0"),
        ("hello~1.2", "1.2.3-r1"),
        ("hello<2", "1.10-r0"),
        ("hello=1.2.3-r0", "1.2.3-r0"),
        ("hello<1.2", "1.2_rc1-r0"),
    ] {
        assert_eq!(chosen(&world, &[word]), [format!("hello-{version}")], "{word}");
    }
    assert_eq!(chosen(&world, &["hello", "!hello>1.99"])[0], "hello-1.10-r0");
    world.refuses(15, &["hello>3"], &["hello>3 is asked for", "there is only hello-"]);
    world.refuses(15, &["hello", "!hello"], &["cannot be installed together", "hello"]);
    world.refuses(2, &["hello=="], &["hello==", "is no dependency"]);
}

fn what_there_is_not() {
    let world = World::of([hello(), Apk::new("needy", "1-r0").depends("so:libmissing.so.1")]);
    let place = world.place("repo");
    world.refuses(13, &["helo"], &["there is no package \"helo\"", "hello", &place, "--repo"]);
    world.refuses(15, &["needy"], &["needy-1-r0 needs so:libmissing.so.1", "there is no so:libmissing.so.1"]);
    world.refuses(2, &[], &["no package was named"]);
    let nowhere = World::bare(&["hello", "--repo", &world.place("nowhere")]);
    world.refuses_words(13, nowhere, &["there is no repository for x86_64 at", "nowhere"]);
    world.refuses_words(
        2,
        World::bare(&["hello", "--repo", "relative/path"]),
        &["relative/path", "is no repository"],
    );
    let unreachable = World::bare(&["hello", "--repo", "http://127.0.0.1:1/alpine"]);
    world.refuses_words(8, unreachable, &["cannot use http://127.0.0.1:1/alpine", "cannot connect"]);
    let of_alpine = World::bare(&["hello", "--release", "nonsense"]);
    world.refuses_words(13, of_alpine, &["no release \"nonsense\" of Alpine", "edge"]);
}

fn conflicts() {
    let first = Apk::new("first", "1-r0").depends("!second");
    let old = Apk::new("old", "1-r0").depends("lib<2");
    let new = Apk::new("new", "1-r0").depends("lib>=2");
    let vim = |name| Apk::new(name, "1-r0").provides("editor=1");
    let libs = [Apk::new("lib", "1.0-r0"), Apk::new("lib", "2.0-r0")];
    let world = World::of(
        [first, Apk::new("second", "1-r0"), old, new, vim("vim"), vim("emacs")].into_iter().chain(libs),
    );
    let because = |words: &[&str]| {
        let head = "error: the packages asked for cannot be installed together\n";
        world.refuses(15, words, &[head]).stderr.split_once(head).unwrap().1.to_owned()
    };
    let apart = because(&["first", "second"]);
    assert!(apart.contains("first-1-r0 cannot be beside second-1-r0: it has !second"), "{apart}");
    let versions = because(&["old", "new"]);
    for word in ["old-1-r0", "new-1-r0", "lib<2", "lib>=2"] {
        assert!(versions.contains(word), "{word}: {versions}");
    }
    let shared = because(&["vim", "emacs"]);
    assert!(shared.contains("vim-1-r0") && shared.contains("emacs-1-r0"), "{shared}");
    assert!(shared.contains("only one package can be editor"), "{shared}");
}

fn providers() {
    let mailer = |name: &str, priority: &str| {
        let apk = Apk::new(name, "1-r0").provides("mailer").file("usr/sbin/sendmail", name, 0o755);
        if priority.is_empty() { apk } else { apk.field("provider_priority", priority) }
    };
    let app = || Apk::new("app", "1-r0").depends("mailer");
    let both = World::of([app(), mailer("exim", "10"), mailer("postfix", "20"), mailer("aaa", "")]);
    assert_eq!(chosen(&both, &["app"]), ["app-1-r0", "postfix-1-r0"]);
    assert_eq!(chosen(&both, &["app", "!postfix"]), ["app-1-r0", "exim-1-r0"]);
    // What nobody prefers is not taken by itself.
    let neither = World::of([app(), mailer("exim", ""), mailer("postfix", "")]);
    neither.refuses(15, &["app"], &["app-1-r0 needs mailer", "must be named", "exim-1-r0", "postfix-1-r0"]);
    assert_eq!(chosen(&neither, &["app", "exim"]), ["app-1-r0", "exim-1-r0"]);
}

fn install_if() {
    let app = Apk::new("app", "1-r0");
    let doc = Apk::new("app-doc", "1-r0").field("install_if", "app=1-r0").field("install_if", "docs");
    let other = Apk::new("app-other", "1-r0").field("install_if", "app=2-r0").field("install_if", "docs");
    let world = World::of([app, doc, other, Apk::new("docs", "1-r0")]);
    assert_eq!(chosen(&world, &["app"]), ["app-1-r0"]);
    assert_eq!(chosen(&world, &["docs"]), ["docs-1-r0"]);
    assert_eq!(chosen(&world, &["app", "docs"]), ["app-1-r0", "app-doc-1-r0", "docs-1-r0"]);
    assert_eq!(chosen(&world, &["app", "docs", "!app-doc"]), ["app-1-r0", "docs-1-r0"]);
}

fn locks() {
    let world = World::of([hello()]);
    world.ok(&["hello", "--lock", "made.lock"]);
    let lock = world.forge.read("made.lock");
    // The repository has moved on, but still has what it had.
    let newer = Apk::new("hello", "1.1-r0").file("usr/bin/hello", "new", 0o755);
    Repository::new([newer]).write(&world.forge.path("repo"));
    world.forge.sh("rm -r cache");
    world.ok(&["hello", "--lock", "made.lock", "-o", "again.tar"]);
    world.forge.sh("cmp rootfs.tar again.tar");
    assert!(lock == world.forge.read("made.lock"), "the lock is as it was");
    world.ok(&["hello"]);
    assert_eq!(world.installed(), ["hello-1.1-r0"]);
    let other = world.words(&["hello", "hello", "--lock", "made.lock", "-o", "x.tar"]);
    world.forge.fails(2, other).says(&["the lock was made for"]);
    // A package of the same name and version that is another one.
    let rebuilt =
        Apk::new("hello", "1.0-r0").file("usr/bin/hello", "other\n", 0o755).field("builddate", "1700000001");
    Repository::new([rebuilt]).write(&world.forge.path("repo"));
    world.forge.sh("rm -r cache");
    let words = world.words(&["hello", "--lock", "made.lock", "-o", "x.tar"]);
    world.forge.fails(9, words.clone()).says(&["hello-1.0-r0"]);
    world.forge.sh("rm repo/x86_64/hello-1.0-r0.apk");
    world.forge.fails(13, words).says(&["hello-1.0-r0", "is not there"]);
    assert!(!world.forge.path("x.tar").exists());
}

fn bad_locks() {
    let world = World::of([hello()]);
    world.ok(&["hello", "--lock", "made.lock"]);
    let lock: Value = serde_json::from_slice(&world.forge.read("made.lock")).unwrap();
    let with = |change: &dyn Fn(&mut Value), says: &str| {
        let mut lock = lock.clone();
        change(&mut lock["lock"]);
        world.forge.write("made.lock", lock.to_string());
        let words = world.words(&["hello", "--lock", "made.lock", "-o", "x.tar"]);
        world.forge.fails(4, words).says(&[says, "Delete it to resolve anew"]);
        assert!(!world.forge.path("x.tar").exists());
    };
    with(&|lock| lock["packages"][0]["name"] = "../../x".into(), "an impossible name or version");
    with(&|lock| lock["packages"][0]["version"] = "1/2".into(), "an impossible name or version");
    with(&|lock| lock["packages"][0]["identity"] = "Q2abc".into(), "no identity for hello");
    with(&|lock| lock["packages"][0]["repository"] = 7.into(), "no repository for hello");
    with(&|lock| lock["repositories"][0]["url"] = "/etc".into(), "which is no URL");
    with(&|lock| lock["world"][0] = "a\nb".into(), "in its world");
    with(&|lock| lock["world"][0] = "--allow-untrusted".into(), "does not begin with a dash");
    with(&|lock| lock["release"] = "v3\n".into(), "which is no word");
    with(&|lock| lock["packages"] = "none".into(), "no part for alpine that can be read");
}

/// Words of a command that takes packages from a server.
fn served(server: &Server, more: &[&str]) -> Vec<String> {
    World::bare(&[more, &["--repo", &server.url("")]].concat())
}

fn offline() {
    let world = World::of([hello().depends("needed"), Apk::new("needed", "1-r0")]);
    let server = Server::new(world.forge.path("repo"));
    let says = ["not in the cache", "offline"];
    world.refuses_words(8, served(&server, &["hello", "--offline"]), &says);
    assert_eq!(server.count("*"), 0);
    world.forge.ok(served(&server, &["hello", "-o", "rootfs.tar"]));
    assert_eq!((server.count("*/APKINDEX.tar.gz"), server.count("*.apk")), (1, 2));
    server.forget();
    world.forge.ok(served(&server, &["hello", "-o", "again.tar"]));
    assert_eq!(server.count("*.apk"), 0, "packages are kept");
    server.forget();
    world.forge.ok(served(&server, &["hello", "-o", "offline.tar", "--offline"]));
    assert_eq!(server.count("*"), 0);
    world.forge.sh("cmp rootfs.tar again.tar; cmp rootfs.tar offline.tar");
    // What is kept goes the whole way of checks again.
    world.forge.sh("for file in $(find cache -type f); do chmod u+w $file; printf XX >> $file; done");
    world.forge.ok(served(&server, &["hello", "-o", "healed.tar"]));
    world.forge.sh("cmp rootfs.tar healed.tar");
}

fn dry_run() {
    let world = World::of([hello().depends("needed"), Apk::new("needed", "1-r0")]);
    let output = world.forge.ok(world.words(&["hello", "--dry-run"]));
    assert!(output.stdout().contains("hello") && output.stdout().contains("needed"), "{}", output.stdout());
    world.refuses(13, &["helo", "--dry-run"], &["there is no package \"helo\""]);
}

fn passwords() {
    let world = World::of([hello()]);
    let server = Server::new(world.forge.path("repo"));
    server.fault("*", Fault::Auth("user".into(), "secret".into()));
    world.refuses_words(8, served(&server, &["hello"]), &["HTTP status 401"]);
    let netrc = format!("machine http://{} login user password secret\n", server.address());
    world.forge.write(".netrc", netrc);
    let results = ["hello", "-o", "rootfs.tar", "--report", "report.json", "--lock", "made.lock"];
    world.forge.ok(served(&server, &results));
    for file in ["rootfs.tar", "report.json", "made.lock"] {
        assert!(!String::from_utf8_lossy(&world.forge.read(file)).contains("secret"), "{file}");
    }
}

fn package_files() {
    let world = World::of([hello(), Apk::new("mine", "9-r0")]);
    let mine = || Apk::new("mine", "2.0-r0").depends("hello").file("usr/bin/mine", "mine", 0o755);
    let write = |apk: Apk| -> PathBuf { world.forge.write("mine.apk", apk.build()) };
    write(mine().signed([]));
    world.refuses(9, &["./mine.apk"], &["nobody has signed", "mine.apk", "--allow-untrusted"]);
    write(mine().signed([Signer::two()]));
    world.refuses(9, &["./mine.apk"], &["mine.apk", "none of the keys has made", "--allow-untrusted"]);
    write(mine().trailing("more"));
    world.refuses(9, &["./mine.apk"], &["mine", "bytes behind its last member"]);
    // What is signed vouches for the files, too.
    let [signatures, control, _] = mine().parts();
    let [_, _, other] = mine().file("etc/more", "more", 0o644).parts();
    write(mine().raw([signatures, control, other].concat()));
    world.refuses(9, &["./mine.apk"], &["mine-2.0-r0", "its data member was changed"]);
    write(mine().signed([]));
    let free = world.ok(&["./mine.apk", "--allow-untrusted", "--report", "report.json"]);
    assert_eq!(world.installed(), ["hello-1.0-r0", "mine-2.0-r0"], "{}", free.stderr);
    assert!(world.report()["build"]["trust"].to_string().contains("\"user\""), "{}", world.report());
    let signed = mine().signed([Signer::two(), Signer::one().sha256()]);
    write(signed.clone());
    world.ok(&["./mine.apk", "--lock", "made.lock"]);
    assert_eq!(world.installed(), ["hello-1.0-r0", "mine-2.0-r0"]);
    assert_eq!(world.text("etc/apk/world"), format!("mine><{}\n", signed.identity()));
    assert!(world.stanza("mine").contains(&format!("\nS:{}\n", signed.build().len())));
    write(mine().field("license", "BSD"));
    let words = world.words(&["./mine.apk", "--lock", "made.lock", "-o", "x.tar"]);
    world.forge.fails(4, words).says(&["mine-2.0-r0", "that is not given", "Delete the lock"]);
    world.forge.sh("rm made.lock rootfs.tar report.json");
    world.forge.write("mine.apk", "not a package");
    world.refuses(4, &["./mine.apk"], &["mine.apk cannot be used", "cannot be decompressed"]);
    world.refuses(5, &["./missing.apk"], &["missing.apk"]);
}
