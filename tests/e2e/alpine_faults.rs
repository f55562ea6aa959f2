//! Indexes and packages of apk that are not what somebody has signed, or do harm: each is
//! refused by its name, and nothing is written.

use std::time::{Duration, Instant};

use ctr_forge_tests::apk::{Repository, Signer, gzip};
use ctr_forge_tests::archive::{Member, archive, listing};
use ctr_forge_tests::{Apk, Test};

use crate::alpine::{World, hello};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "alpine_faults::indexes_of_nobody_known", needs: &[], run: indexes_of_nobody_known },
    Test { name: "alpine_faults::keys", needs: &[], run: keys },
    Test { name: "alpine_faults::damaged_indexes", needs: &[], run: damaged_indexes },
    Test { name: "alpine_faults::unreadable_indexes", needs: &[], run: unreadable_indexes },
    Test { name: "alpine_faults::no_key_is_known_for_others", needs: &[], run: no_key_for_others },
    Test { name: "alpine_faults::other_packages", needs: &[], run: other_packages },
    Test { name: "alpine_faults::tampered_packages", needs: &[], run: tampered_packages },
    Test { name: "alpine_faults::cut_packages", needs: &[], run: cut_packages },
    Test { name: "alpine_faults::more_than_a_package", needs: &[], run: more_than_a_package },
    Test { name: "alpine_faults::bombs", needs: &[], run: bombs },
    Test { name: "alpine_faults::escapes", needs: &[], run: escapes },
    Test { name: "alpine_faults::hostile_names", needs: &[], run: hostile_names },
    Test { name: "alpine_faults::version_3", needs: &[], run: version_3 },
];

/// The repository is refused with this code and these words, and so it is as a lock's.
#[track_caller]
fn index(repository: Repository, code: i32, says: &[&str]) {
    World::new(repository).refuses(code, &["hello"], says);
}

/// The package `bad` is refused with this code and these words.
#[track_caller]
fn package(apk: Apk, code: i32, says: &[&str]) {
    let says = [says, &["bad-1.0-r0"]].concat();
    World::of([apk]).refuses(code, &["bad"], &says);
}

fn bad() -> Apk {
    Apk::new("bad", "1.0-r0").file("etc/bad", "bad", 0o644)
}

fn repository() -> Repository {
    Repository::new([hello()])
}

fn indexes_of_nobody_known() {
    index(
        repository().signed([]),
        9,
        &["cannot use", "repo", "its index is not signed", "--allow-untrusted"],
    );
    let unknown = ["cannot use", "repo", "the index has a signature that none of the keys has made"];
    index(repository().signed([Signer::two()]), 9, &unknown);
    // The name of a key is no key.
    index(repository().signed([Signer::two().named("one.rsa.pub")]), 9, &unknown);
    index(repository().signed([Signer::one().spoiled()]), 9, &unknown);
    index(repository().signed([Signer::one().unknown_way()]), 9, &["no way that is known here", "DSA"]);
    let world = World::new(repository().signed([]));
    // A key that is named has to fit, and without one nobody has.
    world.refuses(9, &["hello", "--allow-untrusted"], &["its index is not signed", "A key is known for it"]);
    let place = world.place("repo");
    let words = ["source", "alpine", "--no-base", "--arch", "amd64", "hello", "--allow-untrusted"];
    let output = world.forge.ok(words.iter().chain(&["-o", "rootfs.tar", "--repo", place.as_str()]));
    output.says(&["without a signature"]);
    // Where keys are named, what is signed has to be signed by them.
    let world = World::new(repository().signed([Signer::two()]));
    world.refuses(9, &["hello", "--allow-untrusted"], &unknown);
}

fn keys() {
    let world = World::new(repository());
    let without = |more: &[&str]| {
        let words =
            ["source", "alpine", "--no-base", "--arch", "amd64", "hello", "--repo", &world.place("repo")];
        words.iter().chain(more).map(|&word| word.to_owned()).collect::<Vec<_>>()
    };
    world.refuses_words(9, without(&[]), &["no key is known that may sign for", "repo", "--key FILE"]);
    world.refuses_words(5, without(&["--key", "missing.pub"]), &["missing.pub"]);
    world.forge.write("two.rsa.pub", Signer::two().public());
    world.forge.write("none.rsa.pub", "no key\n");
    world.refuses_words(9, without(&["--key", "two.rsa.pub"]), &["none of the keys has made"]);
    world.refuses_words(
        9,
        without(&["--key", "none.rsa.pub"]),
        &["none.rsa.pub is no RSA public key of at most 4096 bits in PEM"],
    );
    world.forge.ok([
        without(&["--key", "two.rsa.pub", "--key", "one.rsa.pub"]),
        vec!["-o".into(), "x.tar".into()],
    ]
    .concat());
}

fn damaged_indexes() {
    let bytes_behind = ["cannot use", "repo"];
    index(repository().trailing("more"), 9, &bytes_behind);
    index(repository().trailing(gzip(&b"a member"[..])), 9, &bytes_behind);
    index(repository().trailing([0; 512]), 9, &bytes_behind);
    for cut in [1, 8, 100] {
        index(repository().truncated(cut), 9, &["the index has a signature that none of the keys has made"]);
    }
    index(repository().raw_index(&b"<html>Log in here</html>"[..]), 4, &["its index cannot be read"]);
    index(repository().raw_index([]), 4, &["its index cannot be read"]);
    // Who asks for no signature gets no other damage.
    for repository in [repository().trailing("more"), repository().truncated(8)] {
        let world = World::new(repository.signed([]));
        let output = world.forge.run(world.words(&["hello", "--allow-untrusted", "-o", "rootfs.tar"]));
        assert!([4, 9].contains(&output.code), "{}", output.stderr);
        assert!(!world.forge.path("rootfs.tar").exists());
    }
}

fn unreadable_indexes() {
    index(repository().copies(0), 4, &["its index has no file APKINDEX"]);
    index(repository().copies(2), 4, &["its index has two files APKINDEX"]);
    index(repository().text(&b"C:\xff\xfe\nP:hello\n"[..]), 4, &["cannot use", "its index"]);
    // A stanza that says nothing that can be used is none; the others count.
    for text in ["", "words\nwithout letters\n", "P:hello\nV:1.0-r0\n\n", "C:Q1AAAA\nP:hello\nV:1.0-r0\n\n"] {
        index(repository().text(text), 13, &["there is no package \"hello\""]);
    }
    let world =
        World::of([hello(), bad().claims('X', "a letter that nobody knows"), bad().claims('S', "many")]);
    world.ok(&["hello"]);
}

/// The keys that are named are for the repositories that are named.
fn no_key_for_others() {
    let world = World::new(repository());
    let server = ctr_forge_tests::Server::new(world.forge.path("repo"));
    let url = server.url("");
    std::fs::create_dir_all(world.forge.path("repo/v3.20")).unwrap();
    world.forge.sh("ln -s .. repo/v3.20/main");
    let words = ["hello", "--release", "v3.20", "--components", "main", "--mirror", &url];
    let both = World::bare(&[&words[..], &["--repo", &world.place("repo")]].concat());
    world.refuses_words(9, both, &["v3.20/main", "none of the keys has made"]);
    // Without others, they are for the release: somebody's own mirror, signed anew.
    world.forge.ok(World::bare(&[&words[..], &["-o", "rootfs.tar"]].concat()));
}

fn other_packages() {
    let world = World::new(Repository::new([hello(), bad()]).swapped("hello", "bad"));
    let identities = [hello().identity(), bad().identity()];
    let says = ["hello-1.0-r0", "it is another package", &identities[0], &identities[1]];
    world.refuses(9, &["hello"], &says);
    package(bad().claims('V', "1.0-r0").field("pkgver", "0.9-r0"), 9, &["it says that it is bad-0.9-r0"]);
    package(bad().claims('P', "bad").field("pkgname", "good"), 9, &["it says that it is good-1.0-r0"]);
    package(bad().claims('A', "x86_64").field("arch", "aarch64"), 4, &["it is for aarch64, not for x86_64"]);
    package(bad().claims('S', "17"), 9, &["wrong size"]);
    package(bad().raw("<html>Log in here</html>"), 4, &["cannot be decompressed"]);
    package(bad().raw([]), 4, &[]);
    let world = World::of([hello(), bad()]);
    world.forge.sh("rm repo/x86_64/bad-1.0-r0.apk");
    world.refuses(13, &["hello", "bad"], &["bad-1.0-r0", "is not there"]);
}

fn tampered_packages() {
    // The files are changed, the rest is as it was.
    let [signatures, control, data] = bad().parts();
    let [_, other_control, other_data] = bad().file("etc/more", "more", 0o644).parts();
    let changed = bad().raw([&signatures[..], &control, &other_data].concat());
    package(changed, 9, &["its data member was changed", "sha256"]);
    // What describes them, too: but that is what the index vouches for.
    let changed = bad().raw([&signatures[..], &other_control, &other_data].concat());
    package(changed, 9, &["it is another package", &bad().identity()]);
    let mut flipped = data.clone();
    flipped[data.len() / 2] ^= 1;
    let output = World::of([bad().raw([&signatures[..], &control, &flipped].concat())]);
    let output = output.forge.run(output.words(&["bad"]));
    assert!([4, 9].contains(&output.code), "{}", output.stderr);
    package(bad().field("datahash", &"0".repeat(64)), 9, &["its data member was changed", "0000"]);
    package(bad().field("datahash", "0123"), 9, &["no datahash"]);
    package(bad().field("datahash", ""), 9, &["no datahash"]);
    package(bad().checksum(&"0".repeat(40)), 9, &["/etc/bad has not the checksum that the package says"]);
    package(bad().checksum("no sum"), 9, &["/etc/bad has not the checksum that the package says"]);
    package(
        bad().symlink("etc/link", "bad").checksum(&"1".repeat(40)),
        9,
        &["/etc/link has not the checksum"],
    );
}

fn cut_packages() {
    let parts = bad().parts().map(|part| part.len());
    let whole: usize = parts.iter().sum();
    for (length, says) in [
        (0, "cannot be installed"),
        (10, "cannot be decompressed"),
        (parts[0] - 1, "cannot be decompressed"),
        (parts[0], "cannot be decompressed"),
        (parts[0] + parts[1] / 2, "cannot be decompressed"),
        (parts[0] + parts[1], "cannot be installed"),
        (parts[0] + parts[1] + 20, "cannot be installed"),
        (whole - 9, "cannot be installed"),
        (whole - 1, "cannot be installed"),
    ] {
        package(bad().truncated(length), 4, &[says]);
    }
    // The index has the size of the whole.
    package(bad().truncated(whole - 1).claims('S', &whole.to_string()), 9, &["wrong size"]);
}

fn more_than_a_package() {
    let says = ["there are bytes behind its last member"];
    package(bad().trailing("x"), 9, &says);
    package(bad().trailing([0; 4096]), 9, &says);
    package(bad().trailing(gzip(archive(&[Member::file("etc/more", "x")]).as_slice())), 9, &says);
    package(
        bad().member(Member::file(".PKGINFO", "pkgname = other")),
        4,
        &["/.PKGINFO has no place among its files"],
    );
    package(
        bad().file(".post-install", "#!/bin/sh\n", 0o755),
        4,
        &["/.post-install has no place among its files"],
    );
    package(
        bad().file("lib/apk/db/installed", "C:forged\n", 0o644),
        4,
        &["/lib/apk/db/installed has no place among its files"],
    );
    package(bad().data_tar("not a tar".repeat(100)), 4, &["its data member is no tar"]);
    package(
        bad().hardlink("etc/second", "etc/bad").member(Member::link("etc/x", b'1', "etc/other")),
        4,
        &["/etc/x"],
    );
}

fn bombs() {
    let began = Instant::now();
    package(bad().control_bomb(256 << 20), 4, &["its control member has more than"]);
    package(bad().data_bomb(256 << 20), 4, &["its data member is no tar"]);
    let mut claims = Member::new("usr/bomb", b'0');
    claims.claim(1 << 40);
    package(bad().member(claims), 4, &["its data member is no tar"]);
    let mut endless = vec![gzip(std::io::Read::take(std::io::repeat(0), 256 << 20))];
    endless.extend(bad().parts());
    package(bad().raw(endless.concat()), 4, &["first member has more than"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

fn escapes() {
    for name in ["../escaped", "etc/../../escaped", ".."] {
        package(bad().member(Member::file(name, "x")), 4, &["could leave the root"]);
    }
    package(bad().member(Member::link("etc/hard", b'1', "../../etc/passwd")), 4, &["etc/hard"]);
    // An absolute name is below the root, and a link leads no further than that.
    for members in [
        vec![Member::file("/etc/absolute", "x")],
        vec![Member::link("a", b'2', "/etc"), Member::file("a/escaped", "x")],
        vec![Member::link("a", b'2', "../../../../var/tmp"), Member::file("a/escaped", "x")],
    ] {
        let world = World::of([members.into_iter().fold(bad(), Apk::member)]);
        let output = world.forge.run(world.words(&["bad", "-o", "rootfs.tar"]));
        assert!([0, 4].contains(&output.code), "{}", output.stderr);
        if output.code == 0 {
            let lines = listing(&world.forge.read("rootfs.tar")[..]);
            let paths: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
            assert!(paths.iter().all(|path| path.starts_with('/') && !path.contains("..")), "{paths:?}");
        }
        assert!(
            !std::path::Path::new("/etc/escaped").exists()
                && !std::path::Path::new("/var/tmp/escaped").exists()
        );
    }
}

fn hostile_names() {
    package(bad().file("etc/a\nR:b", "x", 0o644), 4, &["has a line break in its name"]);
    package(bad().dir("etc/a\nF:b", 0o755), 4, &["has a line break in its name"]);
    // Such a package cannot lie in a folder, but an index can say that it does.
    let stanza = |name: &str, more: &str| {
        format!("C:{}\nP:{name}\nV:1.0-r0\nA:x86_64\nS:1\nI:1\n{more}\n\n", bad().identity())
    };
    for name in ["../../etc/passwd", "a/b", ".hidden", "-o", "a\u{7}"] {
        // Two packages of one checksum would be one package.
        let needy = stanza("needy", &format!("D:{name}")).replace(&bad().identity(), &hello().identity());
        let world = World::new(repository().text(needy + &stanza(name, "p:good")));
        let output = world.forge.run(world.words(&["needy", "-o", "rootfs.tar"]));
        assert!([13, 15].contains(&output.code), "{name:?}: {} {}", output.code, output.stderr);
        world.refuses(13, &["good"], &["there is no package \"good\""]);
    }
    for more in ["V:1.0/../../x", "V:../1", "V:1.0\u{1b}[31m", "A:../x86_64"] {
        let world = World::new(repository().text(stanza("bad", more)));
        world.refuses(13, &["bad"], &["there is no package \"bad\""]);
    }
}

fn version_3() {
    index(repository().raw_index(&b"ADB.pckg"[..]), 11, &["its index is in apk's version 3 format (ADB)"]);
    index(
        repository().raw_index(&b"ADBd\0\0\0\0"[..]),
        11,
        &["its index is in apk's version 3 format (ADB)"],
    );
    package(bad().raw(&b"ADB.pckg"[..]), 11, &["it is in apk's version 3 format (ADB)"]);
    let world = World::of([hello()]);
    world.forge.write("new.apk", "ADB.pckg");
    world.refuses(11, &["./new.apk"], &["new.apk", "apk's version 3 format (ADB)"]);
}
