//! What is asked for in vain, servers that fail, disks that are full: each is told as what it is.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ctr_forge_tests::distribution::distribution;
use ctr_forge_tests::server::Fault;
use ctr_forge_tests::{Deb, Need, Output, Suite, Test};
use rustix::process::{Pid, Signal, kill_process};

use crate::debian_trust::{HELLO, World, hello, suite};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "debian_faults::what_there_is_not", needs: &[], run: what_there_is_not },
    Test { name: "debian_faults::unsatisfiable_requests", needs: &[], run: unsatisfiable_requests },
    Test { name: "debian_faults::nobody_answers", needs: &[], run: nobody_answers },
    Test { name: "debian_faults::a_cut_connection_is_resumed", needs: &[], run: a_cut_connection_is_resumed },
    Test { name: "debian_faults::a_busy_server", needs: &[], run: a_busy_server },
    Test { name: "debian_faults::redirects", needs: &[], run: redirects },
    Test {
        name: "debian_faults::sigint_ends_a_silent_download",
        needs: &[],
        run: sigint_ends_a_silent_download,
    },
    Test { name: "debian_faults::passwords", needs: &[], run: passwords },
    Test { name: "debian_faults::proxies", needs: &[], run: proxies },
    Test { name: "debian_faults::offline", needs: &[], run: offline },
    Test { name: "debian_faults::the_cache_is_checked", needs: &[], run: the_cache_is_checked },
    Test { name: "debian_faults::full_disks", needs: &[Need::MountNamespace], run: full_disks },
    Test { name: "debian_faults::killed_in_the_middle", needs: &[], run: killed_in_the_middle },
    Test { name: "debian_faults::two_at_once", needs: &[], run: two_at_once },
    Test { name: "debian_faults::package_files", needs: &[], run: package_files },
    Test { name: "debian_faults::locks", needs: &[], run: locks },
    Test { name: "debian_faults::bad_locks", needs: &[], run: bad_locks },
];

fn what_there_is_not() {
    let world = World::new(&[Suite::debian("bookworm").with(distribution("amd64"))]);
    let refuses = |more: &[&str], code, says: &[&str]| {
        world.refuses(world.words(more), code, says);
    };
    refuses(&["helo"], 13, &["there is no package helo", "hello"]);
    refuses(&["mail-transport-agent"], 13, &["mail-transport-agent", "exim4-daemon-light", "postfix"]);
    refuses(&["hello=9.9"], 13, &["hello has no version 9.9", "2.10-3"]);
    refuses(&["hello/sid"], 13, &["no repository has the suite \"sid\"", "bookworm"]);
    refuses(&["hello", "--components", "main,universe"], 13, &["no component \"universe\"", "main, contrib"]);
    let mut other = world.words(&["hello"]);
    *other.iter_mut().find(|word| *word == "amd64").unwrap() = "arm64".into();
    world.refuses(other, 13, &["no architecture \"arm64\"", "amd64"]);
    let unknown =
        ["source", "debootstrap", "bokworm", "hello", "--variant", "extract", "--apt-config", "apt"];
    world.refuses(
        unknown.map(str::to_owned).into(),
        13,
        &["no release \"bokworm\"", "Did you mean bookworm"],
    );
    let line = format!("deb {} trixie main", world.server.url(""));
    refuses(&["hello", "--repo", &line], 13, &["there is no suite \"trixie\" at", "dists/trixie/Release"]);
}

fn unsatisfiable_requests() {
    let world = World::new(&[Suite::debian("bookworm").with(distribution("amd64"))]);
    let because = |more: &[&str]| {
        let head = "error: the packages asked for cannot be installed together from bookworm\n";
        let output = world.refuses(world.words(more), 15, &[head]);
        output.stderr.split_once(head).unwrap().1.to_owned()
    };
    assert_eq!(
        because(&["demo-unmet"]),
        "  because: demo-unmet 1.0 needs no-such-package (>= 2), but there is no no-such-package\n"
    );
    let both = because(&["hello", "hello-traditional"]);
    assert!(both.contains("hello-traditional 2.10-6 conflicts with hello"), "{both}");
    let excluded = because(&["demo", "--exclude", "libdemo1"]);
    assert!(excluded.contains("libdemo1 (>= 1:1.0)") && excluded.contains("exclude"), "{excluded}");
}

fn nobody_answers() {
    let world = World::new(&[suite()]);
    let words = ["source", "debootstrap", "bookworm", "hello", "--variant", "extract", "--apt-config", "apt"];
    let words = [&words[..], &["--mirror", "http://127.0.0.1:1/debian", "--key", "key.asc"]].concat();
    let words = words.into_iter().map(str::to_owned).collect();
    world.refuses(words, 8, &["cannot connect", "127.0.0.1:1/debian", "http_proxy"]);
}

fn a_cut_connection_is_resumed() {
    let world = World::new(&[suite()]);
    world.server.fault_times(1, "*.deb", Fault::Cut(100_000));
    world.ok(&["hello", "-o", "rootfs.tar"]);
    let requests = world.server.requests();
    let asked: Vec<_> = requests.iter().filter(|request| request.path == HELLO).collect();
    assert_eq!((asked.len(), asked[1].status), (2, 206), "{asked:?}");
    let range = asked[1].header("range").unwrap();
    assert!(range.starts_with("bytes=") && range != "bytes=0-", "{range}");
    // A server that cannot do that has to send all of it again.
    world.forge.sh("rm -r cache");
    world.server.fault("*.deb", Fault::IgnoreRange);
    world.server.fault_times(1, "*.deb", Fault::Cut(100_000));
    world.ok(&["hello", "-o", "again.tar"]);
    assert_eq!(world.forge.read("rootfs.tar"), world.forge.read("again.tar"));
    world.forge.sh("rm -r cache *.tar");
    world.server.heal();
    world.server.fault("*.deb", Fault::Cut(0));
    world.refused(8, &["hello"], &["the connection was cut after 0 bytes", "hello_1.0_amd64.deb"]);
}

fn a_busy_server() {
    let world = World::new(&[suite()]);
    world.server.fault_times(2, "*.deb", Fault::Status(503));
    world.ok(&["hello", "-o", "rootfs.tar"]);
    assert_eq!(world.server.count(HELLO), 3);
    world.forge.sh("rm -r cache rootfs.tar");
    world.server.fault("*/InRelease", Fault::Status(403));
    world.refused(8, &["hello"], &["HTTP status 403", "cannot use"]);
}

fn redirects() {
    let world = World::new(&[suite()]);
    fs::create_dir(world.archive.path().join("else")).unwrap();
    fs::copy(world.archive.path().join(&HELLO[1..]), world.archive.path().join("else/where")).unwrap();
    world.server.fault(HELLO, Fault::Redirect("/else/where".into()));
    world.ok(&["hello", "-o", "rootfs.tar"]);
    assert_eq!(world.server.count("/else/where"), 1);
    world.forge.sh("rm -r cache rootfs.tar");
    world.server.heal();
    world.server.fault(HELLO, Fault::Redirect("file:///etc/passwd".into()));
    world.refused(8, &["hello"], &["redirect", "hello_1.0_amd64.deb"]);
}

/// Starts it and waits until the server was asked for `pattern`.
fn begun(world: &World, pattern: &str) -> std::process::Child {
    let mut command = world.forge.command(world.words(&["hello", "-o", "rootfs.tar", "--lock", "made.lock"]));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while world.server.count(pattern) == 0 {
        assert!(Instant::now() < end, "{pattern} was never asked for");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn sigint_ends_a_silent_download() {
    for pattern in ["*/InRelease", "*.deb"] {
        let world = World::new(&[suite()]);
        world.server.fault(pattern, Fault::Silent);
        let mut child = begun(&world, pattern);
        let asked = Instant::now();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        // The host ends by force, after 5 seconds, what waits for a download.
        assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
        assert_eq!(world.forge.processes(), Vec::<String>::new());
        assert_eq!(world.forge.names("."), ["apt", "cache", "key.asc", "tmp"]);
        world.server.heal();
        world.ok(&["hello", "-o", "rootfs.tar"]);
    }
}

fn passwords() {
    let world = World::new(&[suite()]);
    let locked = || world.server.fault("*", Fault::Auth("user".into(), "secret".into()));
    locked();
    let output = world.refused(8, &["hello"], &["HTTP status 401"]);
    assert!(!output.stderr.contains("secret"));
    world.forge.sh("rm -r cache");
    locked();
    let address = world.server.address();
    world.forge.write(".netrc", format!("machine http://{address} login user password wrong\n"));
    let output = world.refuses(world.words(&["hello"]), 8, &["HTTP status 401"]);
    assert!(!output.stderr.contains("wrong"), "{}", output.stderr);
    world.forge.write(".netrc", format!("machine http://{address} login user password secret\n"));
    world.ok(&["hello", "-o", "rootfs.tar", "--report", "report.json", "--lock", "made.lock"]);
    for file in ["rootfs.tar", "report.json", "made.lock"] {
        assert!(!String::from_utf8_lossy(&world.forge.read(file)).contains("secret"), "{file}");
    }
}

fn proxies() {
    let world = World::new(&[suite()]);
    let mut command = world.forge.command([
        "source",
        "debootstrap",
        "bookworm",
        "hello",
        "--variant",
        "extract",
        "--apt-config",
        "apt",
        "--arch",
        "amd64",
        "--key",
        "key.asc",
        "--mirror",
        "http://packages.example/",
        "-o",
        "rootfs.tar",
    ]);
    command.env("http_proxy", world.server.url(""));
    Output::of(&mut command).expect_code(0);
    let requests = world.server.requests();
    assert!(requests.iter().all(|request| request.proxied_for.as_deref() == Some("packages.example")));
    assert!(requests.len() > 2);
}

fn offline() {
    let world = World::new(&[suite()]);
    world.refuses(
        world.words(&["hello", "--offline"]),
        8,
        &["not in the cache", "offline", "Run it once without --offline"],
    );
    assert_eq!(world.server.count("*"), 0);
    world.ok(&["hello", "-o", "rootfs.tar"]);
    world.server.forget();
    world.ok(&["hello", "-o", "again.tar", "--offline"]);
    assert_eq!(world.server.count("*"), 0);
    assert_eq!(world.forge.read("rootfs.tar"), world.forge.read("again.tar"));
}

fn the_cache_is_checked() {
    let world = World::new(&[suite()]);
    world.ok(&["hello", "-o", "rootfs.tar"]);
    world.server.forget();
    // The package and its decompressed form.
    world.forge.sh("files=$(find cache -type f -size +200k); test $(echo $files | wc -w) = 2
         for file in $files; do chmod u+w $file
         printf X | dd of=$file bs=1 seek=1000 conv=notrunc status=none; done");
    world.ok(&["hello", "-o", "again.tar"]);
    assert_eq!(world.server.count(HELLO), 1);
    assert_eq!(world.forge.read("rootfs.tar"), world.forge.read("again.tar"));
    world.forge.sh("chmod 777 cache");
    let says = ["the cache directory", "cannot be trusted", "CTR_FORGE_CACHE"];
    world.refuses(world.words(&["hello"]), 6, &says);
    world.forge.sh("chmod 755 cache");
    world.ok(&["hello", "-o", "third.tar"]);
}

fn full_disks() {
    for place in ["cache", "tmp", "out"] {
        let world = World::new(&[suite()]);
        for folder in ["cache", "out"] {
            fs::create_dir(world.forge.path(folder)).unwrap();
        }
        let words = world.words(&["hello", "-o", "out/rootfs.tar"]).join(" ");
        let script = format!(
            "unshare -m bash -c 'mount -t tmpfs -o size=100k,mode=700 none {place}
             code=0; $FORGE {words} || code=$?; ls {place} | grep -v tmp; exit $code'"
        );
        let output = world.forge.sh_any(&script);
        if output.code == 0 {
            assert_eq!(place, "tmp", "only what is not needed may be full");
        } else {
            let output = output.expect_code(5).says(&["No space left"]);
            assert!(!output.stdout().contains("rootfs.tar"), "{}", output.stdout());
        }
        assert_eq!(world.forge.processes(), Vec::<String>::new());
        world.ok(&["hello", "-o", "rootfs.tar"]);
    }
}

fn killed_in_the_middle() {
    let whole = World::new(&[suite()]);
    whole.ok(&["hello", "-o", "rootfs.tar"]);
    let world = World::new(&[suite()]);
    world.server.fault("*.deb", Fault::Slow(100_000));
    let mut child = begun(&world, "*.deb");
    std::thread::sleep(Duration::from_millis(700));
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    world.forge.no_process_within(5);
    for name in ["rootfs.tar", "made.lock"] {
        assert!(!world.forge.path(name).exists(), "{name}");
    }
    world.server.heal();
    world.ok(&["hello", "-o", "rootfs.tar"]);
    assert!(world.forge.read("rootfs.tar") == whole.forge.read("rootfs.tar"));
    // In the middle of unpacking: the second package does not come.
    let world = World::new(&[suite().with([Deb::new("second", "1.0").depends("hello")])]);
    world.server.fault("*/second*", Fault::Silent);
    let mut command = world.forge.command(world.words(&["second", "-o", "rootfs.tar"]));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while world.server.count("*/second*") == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    world.forge.no_process_within(5);
    assert!(!world.forge.path("rootfs.tar").exists());
    world.server.heal();
    world.ok(&["second", "-o", "rootfs.tar"]);
}

fn two_at_once() {
    let world = World::new(&[suite()]);
    world.server.fault("*.deb", Fault::Slow(400_000));
    let run = |name: &'static str| world.ok(&["hello", "-o", name]);
    std::thread::scope(|scope| {
        scope.spawn(|| run("first.tar"));
        scope.spawn(|| run("second.tar"));
    });
    assert!(world.forge.read("first.tar") == world.forge.read("second.tar"));
}

fn package_files() {
    let world = World::new(&[suite()]);
    world.forge.write("mine.deb", Deb::new("mine", "2.0").depends("hello").build());
    world.ok(&["./mine.deb", "-o", "rootfs.tar", "--report", "report.json", "--lock", "made.lock"]);
    let report: serde_json::Value = serde_json::from_slice(&world.forge.read("report.json")).unwrap();
    assert!(report.to_string().contains("\"mine\"") && report.to_string().contains("\"hello\""), "{report}");
    world
        .forge
        .write("mine.deb", Deb::new("mine", "2.0").depends("hello").file("etc/more", "", 0o644).build());
    let says = ["mine 2.0", "that is not given", "Delete the lock"];
    world.forge.fails(4, world.words(&["./mine.deb", "-o", "again.tar", "--lock", "made.lock"])).says(&says);
    assert!(!world.forge.path("again.tar").exists());
    world.forge.write("mine.deb", "not a package");
    world.forge.sh("rm made.lock rootfs.tar report.json");
    world.refused(4, &["./mine.deb"], &["mine.deb is no Debian package"]);
    world.refuses(world.words(&["./missing.deb"]), 5, &["missing.deb"]);
}

fn locks() {
    let world = World::new(&[suite()]);
    world.ok(&["hello", "-o", "rootfs.tar", "--lock", "made.lock"]);
    // The archive has moved on, but its pool still has what it had.
    let newer = Deb::new("hello", "2.0").file("usr/bin/hello", "new", 0o755);
    world.archive.put(&Suite::debian("bookworm").with([newer]));
    world.forge.sh("rm -r cache");
    world.server.forget();
    let lock = world.forge.read("made.lock");
    world.ok(&["hello", "-o", "again.tar", "--lock", "made.lock"]);
    assert!(world.forge.read("rootfs.tar") == world.forge.read("again.tar"));
    assert_eq!((world.server.count("*"), world.server.count(HELLO)), (1, 1));
    assert!(lock == world.forge.read("made.lock"), "the lock is as it was");
    world.ok(&["hello", "-o", "new.tar"]);
    assert!(world.forge.read("rootfs.tar") != world.forge.read("new.tar"));
    let says = ["the lock was made for", "no-check-valid-until"];
    let other = world.words(&["hello", "--no-check-valid-until", "-o", "x.tar", "--lock", "made.lock"]);
    world.forge.fails(2, other).says(&says);
    let other = world.words(&["hello", "hello", "-o", "x.tar", "--lock", "made.lock"]);
    world.forge.fails(2, other).says(&["the lock was made for package ="]);
    world.forge.sh(&format!("rm -r cache {}", world.archive.path().join(&HELLO[1..]).display()));
    let gone = world.words(&["hello", "-o", "x.tar", "--lock", "made.lock"]);
    world.forge.fails(13, gone).says(&["hello 1.0", "is not there"]);
    assert!(!world.forge.path("x.tar").exists());
}

fn bad_locks() {
    let world = World::new(&[suite()]);
    world.ok(&["hello", "-o", "rootfs.tar", "--lock", "made.lock"]);
    let lock: serde_json::Value = serde_json::from_slice(&world.forge.read("made.lock")).unwrap();
    let digest =
        ctr_forge_tests::debian::Hash::Sha256.of(&fs::read(world.archive.path().join(&HELLO[1..])).unwrap());
    let with = |text: String, code, says: &[&str]| {
        world.forge.write("made.lock", text);
        world.forge.fails(code, world.words(&["hello", "-o", "x.tar", "--lock", "made.lock"])).says(says);
        assert!(!world.forge.path("x.tar").exists());
        assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
    };
    assert!(lock.to_string().contains(&digest));
    with(lock.to_string().replace(&digest, &"0".repeat(64)), 9, &["wrong content", "hello_1.0"]);
    let mut named = lock.clone();
    named["lock"]["packages"][0]["path"] = serde_json::json!({ "$fd": 0 });
    with(named.to_string(), 4, &["made.lock cannot be used", "$fd"]);
    with("not a lock".into(), 4, &["made.lock cannot be used", "it is not a lock"]);
    assert_eq!(hello().get("Version"), "1.0");
}
