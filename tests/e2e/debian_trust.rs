//! Nothing of a Debian archive is used unless a key of that archive vouches for it.

use ctr_forge_tests::archive::{Member, archive, content, listing};
use ctr_forge_tests::debian::{self, Damage, Hash, Signed};
use ctr_forge_tests::server::Fault;
use ctr_forge_tests::{Archive, Compression, Deb, Forge, Key, Output, Server, Suite, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "debian_trust::signatures", needs: &[], run: signatures },
    Test { name: "debian_trust::altered_text", needs: &[], run: altered_text },
    Test { name: "debian_trust::unsigned_archives", needs: &[], run: unsigned_archives },
    Test { name: "debian_trust::no_key_vouches_for_others", needs: &[], run: no_key_vouches_for_others },
    Test {
        name: "debian_trust::the_hosts_mirror_is_not_trusted",
        needs: &[],
        run: the_hosts_mirror_is_not_trusted,
    },
    Test { name: "debian_trust::dates", needs: &[], run: dates },
    Test { name: "debian_trust::replayed_suites", needs: &[], run: replayed_suites },
    Test { name: "debian_trust::digests", needs: &[], run: digests },
    Test { name: "debian_trust::damaged_indexes", needs: &[], run: damaged_indexes },
    Test { name: "debian_trust::an_archive_in_publication", needs: &[], run: an_archive_in_publication },
    Test { name: "debian_trust::damaged_packages", needs: &[], run: damaged_packages },
    Test { name: "debian_trust::escapes", needs: &[], run: escapes },
    Test { name: "debian_trust::bombs", needs: &[], run: bombs },
];

/// An archive, its server and a directory to work in.
pub(crate) struct World {
    pub(crate) archive: Archive,
    pub(crate) server: Server,
    pub(crate) forge: Forge,
}

/// What a command must leave nothing of when it fails.
const RESULTS: [&str; 6] = ["-o", "rootfs.tar", "--report", "report.json", "--lock", "made.lock"];

pub(crate) const HELLO: &str = "/pool/main/h/hello/hello_1.0_amd64.deb";

/// Bytes that do not compress.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

pub(crate) fn hello() -> Deb {
    Deb::new("hello", "1.0").file("usr/bin/hello", noise(300_000), 0o755)
}

pub(crate) fn suite() -> Suite {
    Suite::debian("bookworm").with([hello()])
}

impl World {
    pub(crate) fn new(suites: &[Suite]) -> Self {
        let archive = Archive::new(suites);
        let server = archive.serve();
        let forge = Forge::new();
        let place = |name: &str| forge.path(name).to_str().unwrap().to_owned();
        let (temporary, cache) = (place("tmp"), place("cache"));
        let forge = forge.env("TMPDIR", &temporary).env("CTR_FORGE_CACHE", &cache);
        forge.write("apt/sources.list", "");
        forge.write("key.asc", debian::key().public());
        std::fs::create_dir(forge.path("tmp")).unwrap();
        Self { archive, server, forge }
    }

    /// The words of a command that takes the suite from this server.
    pub(crate) fn words(&self, more: &[&str]) -> Vec<String> {
        let url = self.server.url("");
        let words = ["source", "debootstrap", "bookworm", "--variant", "extract", "--apt-config", "apt"];
        let from = ["--mirror", &url, "--key", "key.asc", "--arch", "amd64"];
        [&words[..], &from, more].concat().into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn run(&self, more: &[&str]) -> Output {
        self.forge.run(self.words(more))
    }

    #[track_caller]
    pub(crate) fn ok(&self, more: &[&str]) -> Output {
        self.run(more).expect_code(0)
    }

    /// It fails with this code and these words, leaves nothing behind, and does no harm to the
    /// next run, for which the archive is well again.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, more: &[&str], says: &[&str]) -> Output {
        let output = self.refuses(self.words(more), code, says);
        self.server.heal();
        self.archive.put(&suite());
        self.forge.write("key.asc", debian::key().public());
        self.ok(&["hello", "-o", "well.tar"]);
        std::fs::remove_file(self.forge.path("well.tar")).unwrap();
        output
    }

    /// As [`World::refused`] with all words of the command, and without the next run.
    #[track_caller]
    pub(crate) fn refuses(&self, words: Vec<String>, code: i32, says: &[&str]) -> Output {
        let before = self.forge.names(".");
        let results = RESULTS.map(str::to_owned);
        let output = self.forge.run(words.into_iter().chain(results));
        let output = output.expect_code(code).says(says);
        let mut after = self.forge.names(".");
        after.retain(|name| name != "cache" || before.contains(name));
        assert_eq!(after, before);
        assert_eq!(self.forge.names("tmp"), Vec::<String>::new());
        assert_eq!(self.forge.processes(), Vec::<String>::new());
        output
    }
}

fn signatures() {
    let other = Key::new("other");
    let unknown = other.fingerprint();
    let key = debian::key;
    let cases = [
        (suite().keys([key().spoiled()]), key(), 9, ["InRelease of bookworm is not what", "signed"]),
        (
            suite().keys([key().spoiled()]).signed(Signed::Detached),
            key(),
            9,
            ["Release of bookworm is not what", "signed"],
        ),
        (suite().keys([other]), key(), 9, [unknown.as_str(), "none of this repository's keys"]),
        (suite(), key().expires(1_600_000_000), 14, ["the key expired on", "2020"]),
        (suite(), key().revoked(), 9, ["the key is revoked", "compromised"]),
        (suite().keys([Key::rsa().sha1()]), Key::rsa(), 9, ["SHA1", "which does not count"]),
    ];
    for (suite, key, code, says) in cases {
        let world = World::new(&[suite]);
        world.forge.write("key.asc", key.public());
        world.refused(code, &["hello"], &says);
    }
}

fn altered_text() {
    let world = World::new(&[suite()]);
    let signed = std::fs::read_to_string(world.archive.path().join("dists/bookworm/InRelease")).unwrap();
    let altered = signed.replace("Label: Debian", "Label: Debina");
    world.server.fault("*/InRelease", Fault::Body(altered.into()));
    world.refused(9, &["hello"], &["is not what", &debian::key().fingerprint()]);
    world.server.fault("*/InRelease", Fault::Body(format!("{signed}Label: more\n").into()));
    world.refused(9, &["hello"], &["is not cleanly signed"]);
    world.server.fault("*/InRelease", Fault::Body(b"<html>Log in here</html>".to_vec()));
    world.refused(9, &["hello"], &["is not signed"]);
}

fn unsigned_archives() {
    let world = World::new(&[suite().keys([])]);
    world.refused(9, &["hello"], &["it is not signed", "trusted=yes", "--repo"]);
    // Somebody on the way could leave the signature out.
    for file in ["*/InRelease", "*/Release.gpg"] {
        world.server.fault(file, Fault::Status(404));
    }
    world.refused(9, &["hello"], &["it is not signed"]);
    world.archive.put(&suite().keys([]));
    let line = format!("deb [trusted=yes] {} bookworm main", world.server.url(""));
    let words = ["--variant", "extract", "--apt-config", "apt", "--mirror", &line, "--arch", "amd64"];
    let output =
        world.forge.ok([&["source", "debootstrap", "bookworm", "hello", "-o", "t.tar"], &words[..]].concat());
    assert!(output.stderr.contains("without a signature"), "{}", output.stderr);
}

fn no_key_vouches_for_others() {
    let (world, other) = (World::new(&[suite()]), Key::new("other"));
    world.forge.write("other.asc", other.public());
    let second = |suite: Suite| Archive::new(&[suite.with([Deb::new("more", "1.0")])]);
    let line = |server: &Server, key: &str| {
        format!("deb [signed-by={}] {} extra main", world.forge.path(key).display(), server.url(""))
    };
    let archive = second(Suite::debian("extra").keys([other.clone()]));
    let server = archive.serve();
    world.ok(&["hello", "more", "--repo", &line(&server, "other.asc"), "-o", "both.tar"]);
    // Each of the keys for what the other signed.
    let swapped = line(&server, "key.asc");
    let says = [&other.fingerprint(), "none of this repository's keys", "extra"];
    world.refused(9, &["hello", "more", "--repo", &swapped], &says);
    let archive = second(Suite::debian("extra"));
    let server = archive.serve();
    let says = [&debian::key().fingerprint(), "none of this repository's keys", "extra"];
    world.refused(9, &["hello", "more", "--repo", &line(&server, "other.asc")], &says);
    let missing = line(&server, "missing.asc");
    world.refuses(world.words(&["hello", "--repo", &missing]), 5, &["missing.asc"]);
}

fn the_hosts_mirror_is_not_trusted() {
    let world = World::new(&[suite()]);
    world.forge.write("apt/sources.list", format!("deb {} bookworm main\n", world.server.url("")));
    // Everything beyond this machine is out of reach.
    let words = ["source", "debootstrap", "bookworm", "--variant", "extract", "--apt-config", "apt", "hello"];
    let proxy = ["--arch", "amd64"];
    let forge = Forge::new().env("http_proxy", "http://127.0.0.1:1").env("https_proxy", "http://127.0.0.1:1");
    std::fs::create_dir(forge.path("apt")).unwrap();
    std::fs::copy(world.forge.path("apt/sources.list"), forge.path("apt/sources.list")).unwrap();
    let forge = forge.env("no_proxy", "127.0.0.1");
    let output = forge.fails(9, [&words[..], &proxy, &["-o", "rootfs.tar"]].concat());
    let output = output.says(&[&debian::key().fingerprint(), "none of this repository's keys"]);
    assert!(output.stderr.contains("https://ftp.debian.org/debian bookworm"), "{}", output.stderr);
    assert!(world.server.count("*/InRelease") > 0);
    assert!(!forge.path("rootfs.tar").exists());
}

fn dates() {
    let world = World::new(&[suite().valid_until(debian::DATE + 86_400)]);
    world.ok(&["hello", "--no-check-valid-until", "-o", "old.tar"]);
    world.refused(14, &["hello"], &["expired on", "2024", "--no-check-valid-until"]);
    let world = World::new(&[suite().field("Date", &debian::date(u32::MAX - 1))]);
    world.refused(14, &["hello"], &["in the future", "clock"]);
    let world = World::new(&[suite().date(u32::MAX - 1)]);
    world.refused(14, &["hello"], &["the signature is of the future"]);
}

fn replayed_suites() {
    let world = World::new(&[suite(), Suite::debian("bullseye").with([hello()])]);
    let other = std::fs::read(world.archive.path().join("dists/bullseye/InRelease")).unwrap();
    world.server.fault("*/bookworm/InRelease", Fault::Body(other));
    world.refused(9, &["hello"], &["it is the index of \"bullseye\"", "not of \"bookworm\""]);
}

fn digests() {
    let world = World::new(&[suite().hashes(&[Hash::Md5, Hash::Sha1])]);
    world.refused(9, &["hello"], &["only MD5 or SHA-1"]);
    let world = World::new(&[suite().hashes(&[])]);
    world.refused(9, &["hello"], &["no digests"]);
}

fn damaged_indexes() {
    for by_hash in [true, false] {
        for (damage, says) in [
            (Damage::Truncated, "wrong size"),
            (Damage::Corrupt, "wrong content"),
            (Damage::Missing, "is not there"),
        ] {
            let world = World::new(&[suite().by_hash(by_hash).damage(damage)]);
            let code = if damage == Damage::Missing { 13 } else { 9 };
            world.refused(code, &["hello"], &[says, "does not agree with its signed index", "try again"]);
        }
    }
    let world = World::new(&[suite().by_hash(false).damage(Damage::Stale)]);
    world.refused(9, &["hello"], &["wrong size", "does not agree with its signed index"]);
}

/// The signed index is of the day before for the first who asks, what it lists is of today.
fn an_archive_in_publication() {
    let world = World::new(&[suite().by_hash(false)]);
    let old = std::fs::read(world.archive.path().join("dists/bookworm/InRelease")).unwrap();
    world.archive.put(&suite().by_hash(false).with([Deb::new("new", "1.0")]));
    world.server.fault_times(1, "*/InRelease", Fault::Body(old));
    world.ok(&["new", "-o", "new.tar"]);
    assert_eq!(world.server.count("*/InRelease"), 2);
    // The index comes a moment later than what lists it.
    world.forge.sh("rm -r cache");
    world.server.fault_times(1, "*/Packages*", Fault::Status(404));
    world.ok(&["new", "-o", "newer.tar"]);
}

fn damaged_packages() {
    let of = |deb: Deb| World::new(&[Suite::debian("bookworm").with([deb])]);
    let bad = || Deb::new("bad", "1.0").file("etc/bad", "bad", 0o644);
    of(bad().missing()).refused(13, &["bad"], &["bad 1.0", "is not there", "pool/main/b/bad"]);
    let claims = of(bad().claims("SHA256", &"0".repeat(64)));
    claims.refused(9, &["bad"], &["wrong content", "sha256:0000", "bad_1.0_amd64.deb"]);
    of(bad().claims("Size", "5")).refused(9, &["bad"], &["wrong size", "bad_1.0_amd64.deb"]);
    of(bad().claims("Version", "2.0").claims("Filename", "pool/main/b/bad/bad_1.0_amd64.deb")).refused(
        4,
        &["bad"],
        &["Version is 1.0", "index says 2.0"],
    );
    of(bad().raw("not a package")).refused(4, &["bad"], &["is no Debian package"]);
    let whole = bad().build();
    let short = of(bad().raw(&whole[..whole.len() - 20]));
    short.refused(4, &["bad"], &["cut short"]);
    of(bad().data_tar("not a tar".repeat(100))).refused(
        4,
        &["bad"],
        &["files of package bad", "not a tar archive"],
    );
    let world = of(hello());
    std::fs::write(world.archive.path().join(&HELLO[1..]), hello().file("etc/more", "", 0o644).build())
        .unwrap();
    world.refuses(world.words(&["hello"]), 9, &["hello_1.0_amd64.deb has the wrong"]);
}

fn escapes() {
    let of = |tar: Vec<u8>| {
        let world = World::new(&[Suite::debian("bookworm").with([Deb::new("bad", "1.0").data_tar(tar)])]);
        world.forge.write("outside", "untouched");
        world
    };
    let up = of(archive(&[Member::file("./../../escaped", "x")]));
    up.refused(4, &["bad"], &["package bad", "escaped", "could leave the root"]);
    // An absolute name is below the root, and a link leads no further than that.
    let inside = [
        archive(&[Member::file("/etc/absolute", "x")]),
        archive(&[Member::link("./a", b'2', "/etc"), Member::file("./a/passwd", "x")]),
        archive(&[Member::link("./a", b'2', "../../../etc"), Member::file("./a/passwd", "x")]),
    ];
    for tar in inside {
        let world = of(tar);
        let output = world.run(&["bad", "-o", "rootfs.tar"]);
        match output.code {
            0 => {
                let names = listing(&world.forge.read("rootfs.tar")[..]);
                assert!(names.iter().all(|name| !name.contains("..") || name.contains("->")), "{names:?}");
            }
            code => assert_eq!(code, 4, "{}", output.stderr),
        }
        assert_eq!(world.forge.read("outside"), b"untouched");
    }
    let tar = archive(&[Member::file("./usr/good", "x")]);
    let world = of(tar);
    world.ok(&["bad", "-o", "rootfs.tar"]);
    assert_eq!(content(&world.forge.read("rootfs.tar")[..], "usr/good"), Some(b"x".to_vec()));
}

fn bombs() {
    let world = World::new(&[suite().damage(Damage::Bomb(1 << 31)).forms(&[Compression::Gzip])]);
    world.refused(4, &["hello"], &["Packages", "does not unpack to"]);
    let bomb = Deb::new("bomb", "1.0").compression(Compression::Zstd).control_bomb(1 << 30);
    let world = World::new(&[Suite::debian("bookworm").with([bomb])]);
    world.refused(4, &["bomb"], &["control"]);
}
