//! What packages' scripts do: left undone, written down without running them, or run.
//!
//! Scripts run in a root with this machine's own static busybox, as packages have it.

use std::fs;

use ctr_forge_tests::apk::Repository;
use ctr_forge_tests::machine::arch;
use ctr_forge_tests::{Apk, Need, Output, Test};

use crate::alpine::World;

const SANDBOX: &[Need] = &[Need::Sandbox, Need::Tool("busybox")];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "alpine_scripts::skipped_by_word", needs: &[], run: skipped_by_word },
    Test { name: "alpine_scripts::users_and_groups_are_modelled", needs: &[], run: users_and_groups },
    Test { name: "alpine_scripts::triggers_are_modelled", needs: &[], run: modelled_triggers },
    Test { name: "alpine_scripts::modelled_is_what_running_makes", needs: SANDBOX, run: modelled_is_run },
    Test { name: "alpine_scripts::what_scripts_do_is_there", needs: SANDBOX, run: what_scripts_do_is_there },
    Test { name: "alpine_scripts::one_that_is_not_known_runs_all", needs: SANDBOX, run: one_runs_all },
    Test { name: "alpine_scripts::triggers_run_at_the_end", needs: SANDBOX, run: triggers_run },
    Test { name: "alpine_scripts::owners_are_those_of_the_root", needs: SANDBOX, run: owners },
    Test { name: "alpine_scripts::scripts_that_fail", needs: SANDBOX, run: scripts_that_fail },
    Test { name: "alpine_scripts::same_bytes", needs: SANDBOX, run: same_bytes },
];

/// Programs that the scripts call. The shell has the others built in.
const APPLETS: [&str; 14] = [
    "cat", "chmod", "chown", "date", "echo", "ln", "ls", "mkdir", "readlink", "rm", "sed", "sh", "sleep",
    "touch",
];

/// A package for every architecture.
fn package(name: &str) -> Apk {
    Apk::new(name, "1.0-r0").field("arch", "noarch")
}

/// The shell of this machine, in a package.
fn busybox() -> Apk {
    let places = ["/usr/bin/busybox", "/bin/busybox"];
    let program = places.iter().find_map(|place| fs::read(place).ok()).expect("busybox is there");
    let apk = package("busybox")
        .file("bin/busybox", program, 0o755)
        .dir("tmp", 0o1777)
        .dir("run", 0o755)
        .dir("etc", 0o755);
    APPLETS.iter().fold(apk, |apk, name| apk.symlink(&format!("bin/{name}"), "/bin/busybox"))
}

/// The links of a busybox that is none: for scripts that are not run.
fn links() -> Apk {
    let apk = package("links").file("bin/busybox", "no program", 0o755);
    ["bin/sh", "bin/mkdir", "usr/sbin/addgroup", "usr/sbin/adduser"]
        .iter()
        .fold(apk, |apk, path| apk.symlink(path, "/bin/busybox"))
}

/// The files that users and groups are in.
fn accounts() -> Apk {
    package("accounts")
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644)
        .file("etc/group", "root:x:0:root\nshadow:x:42:\n", 0o644)
        .file("etc/shadow", "root:*::0:::::\n", 0o640)
        .owner((0, "root"), (42, "shadow"))
}

/// Packages of the machine's architecture, whose scripts run.
fn world(apks: impl IntoIterator<Item = Apk>) -> World {
    let name = std::env::consts::ARCH;
    World::new(Repository::new(apks.into_iter().chain([busybox()])).arch(name))
}

#[track_caller]
fn ok(world: &World, more: &[&str]) -> Output {
    world.ok(&[more, &["--arch", arch(), "--report", "report.json"]].concat())
}

/// What became of each script: `PACKAGE SCRIPT OUTCOME`.
fn outcomes(world: &World) -> Vec<String> {
    let report = world.report();
    let scripts = report["build"]["scripts"].as_array().cloned().unwrap_or_default();
    let word = |script: &serde_json::Value, name: &str| script[name].as_str().unwrap().to_owned();
    let line = |script| ["package", "script", "outcome"].map(|name| word(script, name)).join(" ");
    scripts.iter().map(line).collect()
}

fn skipped_by_word() {
    let bad = package("bad")
        .script("pre-install", "#!/bin/sh\nexit 3\n")
        .script("post-install", "#!/bin/sh\nexit 4\n")
        .script("post-upgrade", "#!/bin/sh\nexit 5\n")
        .script("trigger", "#!/bin/sh\nexit 6\n")
        .triggers("/usr/share");
    let world = World::of([bad, package("good").dir("usr/share", 0o755)]);
    let output = world.ok(&["bad", "good", "--scripts", "skip", "--report", "report.json"]);
    output.says(&["were not run", "bad"]);
    let expected = ["bad pre-install skipped", "bad post-install skipped", "bad trigger skipped"];
    assert_eq!(outcomes(&world), expected);
}

/// The script by which Alpine's packages make their users.
const USERS: &str = "#!/bin/sh\n\n# users of the application\naddgroup -S -g 82 www-data 2>/dev/null\n\
    addgroup -S app 2>/dev/null\n\
    adduser -S -D -H -h /var/lib/app -s /sbin/nologin -G app -g \"app\" app 2>/dev/null\n\
    addgroup app www-data 2>/dev/null\n\nexit 0\n";

fn users_and_groups() {
    let app = package("app").depends("accounts links").script("pre-install", USERS).dir("var/lib/app", 0o750);
    let app = app
        .owner((1000, "app"), (1000, "app"))
        .file("srv/www", "x", 0o640)
        .owner((7, "app"), (7, "www-data"));
    let again = package("again").depends("app").script("pre-install", USERS);
    let world = World::of([links(), accounts(), app, again]);
    world.ok(&["again", "--report", "report.json"]);
    let passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:100:100:app:/var/lib/app:/sbin/nologin\n";
    assert_eq!(world.text("etc/passwd"), passwd);
    // busybox lists a user among the members of his own group.
    let group = "root:x:0:root\nshadow:x:42:\nwww-data:x:82:app\napp:x:100:app\n";
    assert_eq!(world.text("etc/group"), group);
    // The day of the packages, in November 2023.
    assert_eq!(world.text("etc/shadow"), "root:*::0:::::\napp:!:19675:0:99999:7:::\n");
    let listing = world.listing();
    for line in ["drwxr-x--- 100/100 var/lib/app", "-rw-r----- 100/82 srv/www", "-rw-r----- 0/42 etc/shadow"]
    {
        assert!(listing.iter().any(|other| other == line), "{line} is not in {listing:?}");
    }
    assert_eq!(outcomes(&world), ["app pre-install modelled", "again pre-install modelled"]);
}

fn modelled_triggers() {
    let watcher =
        package("watcher").depends("links").script("trigger", "#!/bin/sh\nmkdir -p /var/cache/watched\n");
    let none = watcher.clone().triggers("/usr/share/nothing");
    let world = World::of([links(), none, package("good").file("usr/share/good/x", "x", 0o644)]);
    world.ok(&["watcher", "good", "--report", "report.json"]);
    assert_eq!(outcomes(&world), Vec::<String>::new());
    assert!(!world.listing().iter().any(|line| line.ends_with("var/cache/watched")));
    let world = World::of([
        links(),
        watcher.triggers("/usr/share/g*"),
        package("good").file("usr/share/good/x", "x", 0o644),
    ]);
    world.ok(&["watcher", "good", "--report", "report.json"]);
    assert_eq!(outcomes(&world), ["watcher trigger modelled"]);
    assert!(world.listing().contains(&"drwxr-xr-x 0/0 var/cache/watched".to_owned()));
}

fn modelled_is_run() {
    let links = package("links").depends("busybox listed").script(
        "post-install",
        "#!/bin/busybox sh\n/bin/busybox mkdir -p /usr/bin /usr/sbin /sbin\n/bin/busybox --install -s || exit 1\n",
    );
    let paths = World::of([]).forge.sh("busybox --list-full | sed 's,^,/,'").stdout();
    let listed = package("listed").file("etc/busybox-paths.d/busybox", paths, 0o644);
    let renamed = "etc/profile.d/color_prompt.sh";
    let script = format!(
        "#!/bin/sh\nmkdir -p /var/lib/more/deep /etc/there 2>/dev/null\n\
         [ -e etc/shadow- ] && chown root:root etc/shadow-\n\
         case \"$(readlink {renamed} 2>/dev/null || true)\" in\n\
         \tcolor_prompt) ln -sf color_prompt.sh.disabled {renamed};;\nesac\nexit 0\nrm -rf /\n"
    );
    let more = package("more").depends("links").symlink(renamed, "color_prompt").dir("etc/there", 0o700);
    let more = more.script("post-install", &script);
    let world = world([links, listed, more]);
    ok(&world, &["more"]);
    assert_eq!(outcomes(&world), ["links post-install modelled", "more post-install modelled"]);
    let modelled = world.listing();
    for path in [
        "usr/bin/awk -> /bin/busybox",
        "var/lib/more/deep",
        "etc/profile.d/color_prompt.sh -> color_prompt.sh.disabled",
    ] {
        assert!(modelled.iter().any(|line| line.ends_with(path)), "{path} is not in {modelled:?}");
    }
    world.forge.sh("mv rootfs.tar modelled.tar");
    ok(&world, &["more", "--scripts", "run"]);
    assert_eq!(outcomes(&world), ["links post-install run", "more post-install run"]);
    let run = world.listing();
    let differ =
        |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>();
    assert_eq!((differ(&modelled, &run), differ(&run, &modelled)), (vec![], vec![]));
    world.forge.sh("cmp modelled.tar rootfs.tar");
}

fn what_scripts_do_is_there() {
    let before =
        "#!/bin/sh\nset -e\ntest ! -e /usr/share/demo\ntest -z \"$HOST_SECRET\"\necho before > /etc/order\n";
    let after = "#!/bin/sh\nset -e\ntest -e /usr/share/demo\necho after >> etc/order\n\
        echo \"$# $1 $2 $(pwd) $APK_PACKAGE $APK_SCRIPT $SOURCE_DATE_EPOCH\" > /etc/told\n\
        mkdir -p /var/lib/made; chmod 700 /var/lib/made; chown 33:44 /var/lib/made; chmod 4755 /usr/share/demo\n\
        echo x > /tmp/left; echo x > /run/left; echo x > /dev/null\n";
    let demo = package("demo").depends("busybox").dir("etc", 0o755).file("usr/share/demo", "x", 0o644);
    let world = world([demo.script("pre-install", before).script("post-install", after)]);
    ok(&world, &["demo"]);
    assert_eq!(outcomes(&world), ["demo pre-install run", "demo post-install run"]);
    assert_eq!(world.text("etc/order"), "before\nafter\n");
    assert_eq!(world.text("etc/told"), "1 1.0-r0  / demo post-install 1700000000\n");
    let listing = world.listing();
    for line in ["drwx------ 33/44 var/lib/made", "-rwsr-xr-x 0/0 usr/share/demo", "drwxrwxrwt 0/0 tmp"] {
        assert!(listing.iter().any(|other| other == line), "{line} is not in {listing:?}");
    }
    for left in ["left", "exec", "lib/apk/db/demo", "db/lock"] {
        assert!(!listing.iter().any(|line| line.contains(left)), "{left}: {listing:?}");
    }
    let report = world.report();
    let changed = report["build"]["scripts"][1]["changed"].to_string();
    assert!(changed.contains("/etc/told") && changed.contains("/usr/share/demo"), "{changed}");
    assert!(report["build"]["cleaned"].to_string().contains("/tmp/left"), "{report}");
    assert!(world.stanza("demo").contains("R:demo\nZ:"), "{}", world.stanza("demo"));
}

fn one_runs_all() {
    let known =
        package("known").depends("busybox").script("post-install", "#!/bin/sh\nmkdir -p /var/known\n");
    let odd = package("odd").depends("known").script("post-install", "#!/bin/sh\necho \"$1\" > /var/odd\n");
    let world = world([known, odd]);
    ok(&world, &["known"]);
    assert_eq!(outcomes(&world), ["known post-install modelled"]);
    ok(&world, &["odd"]);
    assert_eq!(outcomes(&world), ["known post-install run", "odd post-install run"]);
    assert_eq!(world.text("var/odd"), "1.0-r0\n");
    let listing = world.listing();
    assert!(listing.iter().any(|line| line == "drwxr-xr-x 0/0 var/known"), "{listing:?}");
}

fn triggers_run() {
    let watcher = package("watcher")
        .depends("busybox")
        .script("trigger", "#!/bin/sh\nfor path; do echo \"$path $(ls $path)\"; done > /etc-told\n")
        .triggers("/usr/share/* +/etc/watched");
    let later = package("later").depends("watcher").file("usr/share/b/two", "x", 0o644);
    let later = later.file("usr/share/a/one", "x", 0o644).file("usr/share/a/deep/three", "x", 0o644);
    let last = package("last").depends("later").dir("etc/watched", 0o755);
    let world = world([watcher, later, last]);
    ok(&world, &["last"]);
    assert_eq!(outcomes(&world), ["watcher trigger run"]);
    assert_eq!(world.text("etc-told"), "/etc/watched \n/usr/share/a deep\none\n/usr/share/b two\n");
}

/// A user that a script makes, and one whom a package brings.
fn owners() {
    let made = package("made").depends("busybox accounts").script(
        "pre-install",
        "#!/bin/sh\necho 'app:x:777:778:app:/:/bin/false' >> /etc/passwd\necho 'app:x:778:' >> /etc/group\n",
    );
    let app = |name: &str| package(name).file(&format!("srv/{name}"), "x", 0o640);
    let app = |name| app(name).owner((5, "app"), (6, "app"));
    let world = world([
        accounts(),
        made.file("srv/made", "x", 0o640).owner((5, "app"), (6, "app")),
        app("later").depends("made"),
    ]);
    ok(&world, &["later"]);
    let listing = world.listing();
    for line in ["-rw-r----- 777/778 srv/made", "-rw-r----- 777/778 srv/later"] {
        assert!(listing.iter().any(|other| other == line), "{line} is not in {listing:?}");
    }
    let brought = package("brought").file("etc/passwd", "app:x:60:61:app:/:/bin/false\n", 0o644);
    let brought = brought.file("etc/group", "app:x:61:\n", 0o644);
    let last = package("last").depends("busybox owned").script("post-install", "#!/bin/sh\necho > /made\n");
    let world = self::world([brought, app("owned").depends("brought"), last]);
    ok(&world, &["last"]);
    assert_eq!(outcomes(&world), ["last post-install run"]);
    let listing = world.listing();
    assert!(listing.iter().any(|line| line == "-rw-r----- 60/61 srv/owned"), "{listing:?}");
}

fn scripts_that_fail() {
    let script = |name: &str, when: &str, text: &str| package(name).depends("busybox").script(when, text);
    let world = world([
        script("bad", "post-install", "#!/bin/sh\necho what went wrong >&2\nexit 3\n"),
        script("early", "pre-install", "#!/bin/sh\necho too early\nexit 4\n"),
        script("late", "trigger", "#!/bin/sh\necho too late\nexit 5\n").triggers("/bin"),
        script("slow", "post-install", "#!/bin/sh\necho waiting\nsleep 1000\n"),
        script("odd", "post-install", "#!/usr/bin/lua\nprint 'x'\n"),
    ]);
    for (name, says) in [
        ("bad", ["the script post-install of bad-1.0-r0 failed with exit status 3", "what went wrong"]),
        ("early", ["the script pre-install of early-1.0-r0 failed with exit status 4", "too early"]),
        ("late", ["the script trigger of late-1.0-r0 failed with exit status 5", "too late"]),
        ("odd", ["cannot run", "odd-1.0-r0.post-install"]),
    ] {
        world.refuses(10, &[name, "--arch", arch()], &says);
        world.forge.no_process_within(5);
    }
    let says = ["post-install of slow-1.0-r0 took longer", "waiting", "--script-timeout"];
    world.refuses(10, &["slow", "--arch", arch(), "--script-timeout", "1"], &says);
    world.forge.no_process_within(5);
    world.refuses(
        2,
        &["slow", "--arch", arch(), "--script-timeout", "soon"],
        &["soon", "no number of seconds"],
    );
}

fn same_bytes() {
    let demo = package("demo").depends("busybox").file("usr/share/demo/x", "x", 0o644).script(
        "post-install",
        "#!/bin/sh\nset -e\nmkdir -p /var/lib/demo\nfor i in 3 1 2; do echo $i > /var/lib/demo/$i; done\n\
        ln -s x /usr/share/demo/link\ntouch /usr/share/demo/x\n",
    );
    let world = world([demo]);
    ok(&world, &["demo"]);
    let again = world.words(&["demo", "--arch", arch(), "-o", "again.tar"]).join(" ");
    for setting in ["--sandbox single", "--sandbox mapped"] {
        world
            .forge
            .sh(&format!("sleep 1.1; umask 077; TZ=Asia/Tokyo CTR_FORGE_JOBS=1 $FORGE {again} {setting}"));
        world.forge.sh("cmp rootfs.tar again.tar");
    }
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
}
