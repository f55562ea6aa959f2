//! Packages whose scripts run: what they do is in the root, what they must not do is not, and
//! whatever becomes of them, nothing is left behind.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use ctr_forge_tests::machine::{arch, machine};
use ctr_forge_tests::server::Fault;
use ctr_forge_tests::{Deb, Need, Output, Suite, Test};
use rustix::process::{Pid, Signal, kill_process};

use crate::debian_trust::{World, noise};

const SANDBOX: &[Need] = &[Need::Sandbox, Need::Tool("dpkg")];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "debian_scripts::what_scripts_do_is_there", needs: SANDBOX, run: what_scripts_do_is_there },
    Test { name: "debian_scripts::scripts_are_reported", needs: SANDBOX, run: scripts_are_reported },
    Test { name: "debian_scripts::dpkg_is_content", needs: SANDBOX, run: dpkg_is_content },
    Test { name: "debian_scripts::same_bytes", needs: SANDBOX, run: same_bytes },
    Test {
        name: "debian_scripts::same_bytes_on_a_kept_base",
        needs: SANDBOX,
        run: same_bytes_on_a_kept_base,
    },
    Test { name: "debian_scripts::same_bytes_on_every_rung", needs: SANDBOX, run: same_bytes_on_every_rung },
    Test {
        name: "debian_scripts::same_bytes_as_an_ordinary_user",
        needs: &[Need::Sandbox, Need::OtherUser, Need::Tool("newuidmap")],
        run: same_bytes_as_an_ordinary_user,
    },
    Test { name: "debian_scripts::triggers_and_diversions", needs: SANDBOX, run: triggers_and_diversions },
    Test { name: "debian_scripts::pre_dependencies", needs: SANDBOX, run: pre_dependencies },
    Test { name: "debian_scripts::scripts_that_fail", needs: SANDBOX, run: scripts_that_fail },
    Test { name: "debian_scripts::scripts_that_misbehave", needs: SANDBOX, run: scripts_that_misbehave },
    Test {
        name: "debian_scripts::killed_while_a_script_runs",
        needs: SANDBOX,
        run: killed_while_a_script_runs,
    },
    Test { name: "debian_scripts::killed_in_each_phase", needs: SANDBOX, run: killed_in_each_phase },
    Test { name: "debian_scripts::a_mirror_that_breaks_off", needs: SANDBOX, run: a_mirror_that_breaks_off },
    Test { name: "debian_scripts::sigint_ends_a_script", needs: SANDBOX, run: sigint_ends_a_script },
    Test { name: "debian_scripts::no_sandbox", needs: SANDBOX, run: no_sandbox },
    Test { name: "debian_scripts::skipped_by_word", needs: SANDBOX, run: skipped_by_word },
    Test { name: "debian_scripts::slim", needs: SANDBOX, run: slim },
];

fn world(more: impl IntoIterator<Item = Deb>) -> World {
    World::new(&[Suite::debian("bookworm").with(machine()).with(more)])
}

fn words(world: &World, more: &[&str]) -> Vec<String> {
    let url = world.server.url("");
    let words = ["source", "debootstrap", "bookworm", "--variant", "essential", "--apt-config", "apt"];
    let from = ["--mirror", &url, "--key", "key.asc", "--arch", arch()];
    [&words[..], &from, more].concat().into_iter().map(str::to_owned).collect()
}

#[track_caller]
fn ok(world: &World, more: &[&str]) -> Output {
    world.forge.run(words(world, more)).expect_code(0)
}

/// It fails like this, and nothing is left: no result, no process, no directory.
#[track_caller]
fn fails(world: &World, code: i32, more: &[&str], says: &[&str]) {
    let words = [&words(world, more)[..], &["-o".into(), "rootfs.tar".into()]].concat();
    let output = world.forge.run(words).expect_code(code).says(says);
    assert!(!world.forge.path("rootfs.tar").exists(), "{}", output.stderr);
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
    world.forge.no_process_within(5);
}

fn package(name: &str) -> Deb {
    Deb::new(name, "1.0").arch("all")
}

fn postinst(name: &str, script: &str) -> Deb {
    package(name).script("postinst", &format!("#!/bin/sh\nset -e\n{script}\n"))
}

/// The listing of a tar: mode, owners, size or device, name.
fn listing(world: &World, tar: &str) -> String {
    world.forge.sh(&format!("tar --numeric-owner -tvf {tar} | sed 's/  */ /g' | cut -d' ' -f1,2,6-")).stdout()
}

fn what_scripts_do_is_there() {
    let script =
        "test \"$1\" = configure; test \"$DEBIAN_FRONTEND\" = noninteractive; test -z \"$HOST_SECRET\"
        mkdir -p /etc/demo; echo made > /etc/demo/file; chmod 4750 /etc/demo/file; chown 33:42 /etc/demo/file
        chmod 4755 /etc/demo/file
        useradd --system --shell /bin/false demo; ln -s file /etc/demo/link; mkfifo -m 600 /etc/demo/pipe
        echo x > /dev/null; echo left > /dev/left; invoke-rc.d x start 2> /dev/null || true
        /usr/sbin/policy-rc.d && exit 9; test $? = 101; start-stop-daemon --start --exec /bin/false";
    let world = world([postinst("demo", script)]);
    world.forge.sh("export HOST_SECRET=1");
    ok(&world, &["demo", "-o", "rootfs.tar"]);
    let listing = listing(&world, "rootfs.tar");
    for line in [
        "-rwsr-xr-x 33/42 etc/demo/file",
        "lrwxrwxrwx 0/0 etc/demo/link -> file",
        "prw------- 0/0 etc/demo/pipe",
        "-rw-r----- 0/42 etc/shadow",
        "drwxrwxrwt 0/0 tmp/",
    ] {
        assert!(listing.lines().any(|other| other == line), "{line} is not in\n{listing}");
    }
    assert!(!listing.contains("dev/left") && !listing.contains("policy-rc.d"), "{listing}");
    world.forge.sh("tar -xOf rootfs.tar etc/passwd | grep ^demo:");
}

fn scripts_are_reported() {
    let world = world([postinst("demo", "echo x > /etc/made-by-demo; sleep 0.1")]);
    ok(&world, &["demo", "-o", "rootfs.tar", "--report", "report.json"]);
    let report: serde_json::Value = serde_json::from_slice(&world.forge.read("report.json")).unwrap();
    let scripts = report["build"]["scripts"].as_array().unwrap();
    let find = |package: &str, name: &str| {
        let script = scripts.iter().find(|script| script["package"] == package && script["script"] == name);
        script.unwrap_or_else(|| panic!("no {name} of {package} in {scripts:?}"))
    };
    let demo = find("demo", "postinst");
    assert_eq!(demo["outcome"], "run");
    assert_eq!(demo["changed"], serde_json::json!(["/etc/made-by-demo"]));
    assert!(demo["millis"].as_u64().unwrap() >= 100, "{demo}");
    let passwd = find("base-passwd", "preinst")["changed"].to_string();
    assert!(passwd.contains("/etc/passwd") && passwd.contains("/etc/shadow"), "{passwd}");
    assert!(["mapped", "single"].contains(&report["sandbox"].as_str().unwrap()), "{report}");
    assert!(report["build"]["cleaned"].to_string().contains("/var/lib/dpkg/lock"), "{report}");
}

fn dpkg_is_content() {
    let world = world([postinst("demo", "true").conffile("/etc/demo.conf", "x\n")]);
    ok(&world, &["demo", "-o", "rootfs.tar"]);
    world.forge.sh("mkdir root; tar -xpf rootfs.tar -C root");
    let dpkg = |words: &str| world.forge.sh(&format!("dpkg --root=$PWD/root {words}")).stdout();
    assert_eq!((dpkg("--audit"), dpkg("--verify")), (String::new(), String::new()));
    let states = world.forge.sh("dpkg-query --root=$PWD/root -W -f '${Package} ${Status}\\n'").stdout();
    assert!(
        states.lines().count() >= 6 && states.lines().all(|line| line.ends_with(" install ok installed")),
        "{states}"
    );
}

fn same_bytes() {
    let world =
        world([postinst("demo", "useradd --system demo; date +%s > /etc/now-$(echo $SOURCE_DATE_EPOCH)")
            .file("usr/share/demo/x", "x", 0o644)]);
    // What is dated by the clock is a script's own affair, so it is left out here.
    let demo = ["demo", "--exclude-path", "etc/now-*"];
    ok(&world, &[&demo[..], &["-o", "a.tar"]].concat());
    world.forge.sh("rm -r cache; sleep 1.1");
    let again = words(&world, &[&demo[..], &["-o", "b.tar"]].concat()).join(" ");
    world.forge.sh(&format!("umask 077; CTR_FORGE_JOBS=1 $FORGE {again}"));
    world.forge.sh("cmp a.tar b.tar");
}

fn same_bytes_on_a_kept_base() {
    let trigger = postinst("demo", "echo \"$1\" >> /etc/demo-calls").control_file(
        "triggers",
        "interest-noawait /usr/share/watched\n",
        0o644,
    );
    let world = world([trigger, package("more").file("usr/share/watched/more", "x", 0o644)]);
    let asked = ["demo", "more"];
    ok(&world, &[&asked[..], &["-o", "nothing.tar"]].concat());
    let again = ok(&world, &[&asked[..], &["-o", "base.tar"]].concat());
    assert!(again.stderr.contains("configured before"), "{}", again.stderr);
    world.forge.sh("cmp nothing.tar base.tar");
    // A base of other packages is another one.
    world.forge.sh("rm -r cache");
    let first = ok(&world, &["-o", "alone.tar"]);
    assert!(!first.stderr.contains("configured before"));
    ok(&world, &[&asked[..], &["-o", "added.tar"]].concat());
    world.forge.sh("cmp nothing.tar added.tar");
}

/// Does all that breaks sandboxes in which owners are only pretended, and asks how it looks.
const DIFFICULT: &str = "
    mkdir -p /d/open; cd /d; chmod 1777 open
    useradd --system --uid 500 --gid 50 --home-dir /d/home --create-home demo
    stat -c '%n %u:%g %a' /etc/shadow /etc/passwd home
    cp -a /etc/shadow copied; install -o 33 -g 42 -m 2750 /etc/passwd installed
    install -d -o 33 -g 50 -m 2775 group; touch group/born; mkdir group/below; ln -s x group/link; touch group/below/born
    mknod -m 640 device c 1 3; mknod block b 7 0; chown 0:42 device; mkfifo -m 620 pipe
    setpriv --reuid demo --regid 50 --init-groups touch home/own; setpriv --reuid demo --regid 50 --clear-groups id
    setpriv --reuid 33 --regid 50 --clear-groups sh -c 'umask 077; touch open/other; id -u; id -g; mkdir open/dir'
    touch set; chmod 6755 set; chown 1:1 set; touch later; chown 1:1 later; chmod 4755 later
    i=0; while [ $i -lt 50 ]; do touch churn; chown $i:$i churn; rm churn; touch churn; stat -c %u:%g churn; i=$((i+1)); done
    tar -cf - group installed | (mkdir out; cd out; tar -xpf -)
    ln installed linked; mv later renamed; ln -s installed symbolic; chown -h 7:7 symbolic; chown 8:8 symbolic
    chown --reference=/etc/shadow churn; chgrp 50 home/own; chown -R 12:13 out
    cd group; touch ../group/../relative; chown 9 ../relative; cd /; touch /d/../d/dots; chown :9 /d/../d/dots
    # Where the kernel keeps owners, a device looks like the file that stands for it.
    cd /d; for name in * */*; do case $name in block | device) ;; *) stat -c '%n %F %u:%g %a' $name; esac; done";

fn difficult() -> Deb {
    postinst("difficult", &format!("exec > /etc/told\n{DIFFICULT}"))
}

fn same_bytes_on_every_rung() {
    let world = world([difficult()]);
    for rung in ["mapped", "single"] {
        ok(&world, &["difficult", "--sandbox", rung, "-o", &format!("{rung}.tar")]);
        world.forge.sh("rm -r cache");
    }
    // Where nobody names a place, the root is built in memory.
    for rung in ["mapped", "single"] {
        let words = words(&world, &["difficult", "--sandbox", rung, "-o", "memory.tar"]).join(" ");
        world.forge.sh(&format!("env -u TMPDIR $FORGE {words}; cmp {rung}.tar memory.tar; rm -r cache"));
    }
    let told = |rung: &str| world.forge.sh(&format!("tar -xOf {rung}.tar etc/told")).stdout();
    let list = |rung: &str| listing(&world, &format!("{rung}.tar"));
    assert_eq!(told("mapped"), told("single"));
    assert_eq!(list("mapped"), list("single"));
    world.forge.sh("cmp mapped.tar single.tar");
    let list = list("single");
    for line in [
        "-rw-r--r-- 33/50 d/group/born",
        "drwxr-sr-x 0/50 d/group/below/",
        "crw-r----- 0/42 d/device",
        "brw-r--r-- 0/0 d/block",
        "-rw-r--r-- 500/50 d/home/own",
        "-rw------- 33/50 d/open/other",
        "-rwxr-xr-x 1/1 d/set",
        "-rwsr-xr-x 1/1 d/renamed",
        "-rw-r--r-- 0/42 d/churn",
    ] {
        let (mode, rest) = line.split_once(' ').unwrap();
        let found = list.lines().find(|other| other.ends_with(rest.split(' ').next_back().unwrap()));
        let found = found.unwrap_or_else(|| panic!("{line}: not in\n{list}"));
        assert!(found.starts_with(mode) || line.contains("group/born"), "{line}: {found}");
    }
}

/// As root, and as a user with subordinate ids or without.
fn same_bytes_as_an_ordinary_user() {
    let world = world([difficult()]);
    ok(&world, &["difficult", "-o", "root.tar"]);
    world.forge.sh("rm -r cache; chown -R 65534:65534 .; chmod 755 .");
    let command = words(&world, &["difficult", "--sandbox", "single", "-o", "user.tar"]).join(" ");
    world.forge.sh(&format!("setpriv --reuid 65534 --regid 65534 --clear-groups $FORGE {command}"));
    world.forge.sh("cmp root.tar user.tar; rm -r cache");
    // For the time of this test alone, and for nobody else.
    let mapped = words(&world, &["difficult", "--sandbox", "mapped", "-o", "mapped.tar"]).join(" ");
    let script = format!(
        "unshare -m bash -ec 'echo 65534:300000:65536 > ids; chmod 644 ids; \
         mount --bind ids /etc/subuid; mount --bind ids /etc/subgid; \
         setpriv --reuid 65534 --regid 65534 --clear-groups $FORGE {mapped}'"
    );
    world.forge.sh(&script);
    world.forge.sh("cmp root.tar mapped.tar");
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
    let without = words(&world, &["difficult", "--sandbox", "mapped", "-o", "none.tar"]).join(" ");
    let output =
        world.forge.sh_any(&format!("setpriv --reuid 65534 --regid 65534 --clear-groups $FORGE {without}"));
    output.expect_code(6).says(&["/etc/subuid", "usermod --add-subuids"]);
    let chroot = words(&world, &["difficult", "--sandbox", "chroot", "-o", "none.tar"]).join(" ");
    let output =
        world.forge.sh_any(&format!("setpriv --reuid 65534 --regid 65534 --clear-groups $FORGE {chroot}"));
    output.expect_code(6).says(&["\"chroot\" cannot be had here", "it takes root"]);
}

fn triggers_and_diversions() {
    let watcher = postinst("watcher", "echo \"$@\" >> /etc/calls").control_file(
        "triggers",
        "interest-noawait /usr/share/watched\n",
        0o644,
    );
    let diverter = Deb::new("diverter", "1.0")
        .arch("all")
        .field("Pre-Depends", "watcher")
        .script("preinst", "#!/bin/sh\nset -e\ndpkg-divert --package diverter --add --rename --divert /usr/bin/tool.real /usr/bin/tool\n")
        .file("usr/bin/tool", "of the diverter", 0o755);
    let last = Deb::new("last", "1.0")
        .arch("all")
        .field("Pre-Depends", "diverter")
        .file("usr/bin/tool", "of the last", 0o755)
        .file("usr/share/watched/it", "x", 0o644);
    let world = world([watcher, diverter, last]);
    ok(&world, &["last", "-o", "rootfs.tar"]);
    world.forge.sh("mkdir root; tar -xpf rootfs.tar -C root");
    let read = |path: &str| String::from_utf8(world.forge.read(format!("root/{path}"))).unwrap();
    assert_eq!(read("usr/bin/tool"), "of the diverter");
    assert_eq!(read("usr/bin/tool.real"), "of the last");
    assert_eq!(read("etc/calls"), "configure \ntriggered /usr/share/watched\n");
    world.forge.sh("test -z \"$(dpkg --root=$PWD/root --verify)\"");
}

fn pre_dependencies() {
    let first = postinst("first", "echo ready > /etc/first");
    let second = package("second")
        .field("Pre-Depends", "first")
        .script("preinst", "#!/bin/sh\nset -e\ngrep ready /etc/first\ntest ! -e /usr/share/second\ntest \"$DPKG_MAINTSCRIPT_NAME\" = preinst\n")
        .file("usr/share/second", "x", 0o644);
    ok(&world([first, second]), &["second", "-o", "rootfs.tar"]);
}

fn scripts_that_fail() {
    let world = world([
        postinst("bad", "echo what went wrong >&2; exit 3"),
        package("early").script("preinst", "#!/bin/sh\necho too early; exit 4\n"),
    ]);
    fails(&world, 10, &["bad"], &["bad cannot be configured", "exit status 3", "what went wrong"]);
    fails(&world, 10, &["early"], &["the script preinst of early failed with exit status 4", "too early"]);
    ok(&world, &["-o", "rootfs.tar"]);
}

fn scripts_that_misbehave() {
    let world = world([
        postinst("hangs", "echo waiting; sleep 1000"),
        postinst("daemon", "(sleep 4321 > /dev/null 2>&1 &)"),
        postinst("filler", "dd if=/dev/zero of=/big bs=1M 2>&1"),
        postinst(
            "escapes",
            "cd /proc/1/root/ && test ! -e /proc/1/root/key.asc && echo x > /proc/1/root/inside",
        ),
        postinst("devices", "echo x > /dev/sda"),
    ]);
    fails(
        &world,
        10,
        &["hangs", "--script-timeout", "2"],
        &["postinst of hangs took longer", "waiting", "--script-timeout"],
    );
    ok(&world, &["daemon", "-o", "rootfs.tar"]);
    world.forge.no_process_within(5);
    assert!(!world.forge.sh_any("pgrep -f 'sleep 4321'").stdout().contains(char::is_numeric));
    ok(&world, &["escapes", "-o", "escaped.tar"]);
    assert!(listing(&world, "escaped.tar").contains("inside"));
    ok(&world, &["devices", "-o", "devices.tar"]);
    assert!(!listing(&world, "devices.tar").contains("sda"));
    if rustix::process::geteuid().is_root() {
        let command = words(&world, &["filler", "-o", "filled.tar"]).join(" ");
        let script = format!(
            "unshare -m bash -c 'mount -t tmpfs -o size=200m,mode=700 none tmp; code=0; $FORGE {command} || code=$?; \
             ls tmp; exit $code'"
        );
        let output = world.forge.sh_any(&script).expect_code(10).says(&["No space left"]);
        assert_eq!(output.stdout(), "");
    }
}

/// How long a script sleeps that no other run of these tests has sleep as long.
fn seconds(test: u32) -> u32 {
    100_000 + 10 * std::process::id() + test
}

/// Starts a build whose script sleeps so long, and waits until it does.
fn begun(world: &World, seconds: u32) -> std::process::Child {
    let mut command = world.forge.command(words(world, &["waits", "-v", "-o", "rootfs.tar"]));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while world.forge.sh_any(&format!("pgrep -fx 'sleep {seconds}'")).code != 0 {
        assert!(Instant::now() < end, "the script never ran");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn killed_while_a_script_runs() {
    let world = world([postinst("waits", &format!("sleep {}", seconds(1)))]);
    let mut child = begun(&world, seconds(1));
    child.kill().unwrap();
    child.wait().unwrap();
    world.forge.no_process_within(10);
    assert!(!world.forge.path("rootfs.tar").exists());
    assert_eq!(world.forge.names("tmp").len(), 1, "its directory stays");
    // The next build removes it.
    ok(&world, &["-o", "rootfs.tar"]);
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
    // And so does whoever asks.
    let mut child = begun(&world, seconds(1));
    assert_eq!(world.forge.ok(["clean"]).stdout(), "", "what runs is left alone");
    child.kill().unwrap();
    child.wait().unwrap();
    let removed = world.forge.ok(["clean", "--cache"]).stdout();
    assert!(removed.contains("/tmp/ctr-forge-build-"), "{removed}");
    assert_eq!((world.forge.names("tmp"), world.forge.names("cache")), (vec![], vec!["partial".to_owned()]));
}

fn killed_in_each_phase() {
    let world = world([postinst("demo", "echo x > /etc/demo")]);
    ok(&world, &["demo", "-o", "good.tar"]);
    let mut seen = Vec::new();
    for phase in [
        "Reading the signed indexes",
        "Choosing packages",
        "Fetching and unpacking",
        "Unpacking packages",
        "Configuring packages",
        "Keeping configured packages",
        "Finishing the root filesystem",
        "Writing the root filesystem",
    ] {
        // Without what an earlier build kept, so that there is something to do in each.
        world.forge.sh("rm -rf cache");
        let mut command = world.forge.command(words(&world, &["demo", "-o", "rootfs.tar"]));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        for line in lines {
            if line.starts_with(phase) {
                child.kill().unwrap();
                seen.push(phase);
                break;
            }
        }
        child.wait().unwrap();
        world.forge.no_process_within(10);
        assert!(!world.forge.path("rootfs.tar").exists(), "{phase}");
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
    ok(&world, &["demo", "-o", "rootfs.tar"]);
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
    world.forge.sh("cmp good.tar rootfs.tar");
}

fn a_mirror_that_breaks_off() {
    let world = world([postinst("demo", "true").file("usr/lib/demo/big", noise(400_000), 0o644)]);
    world.server.fault("/pool/main/d/demo/*", Fault::Cut(100));
    fails(&world, 8, &["demo"], &["demo_1.0_all.deb"]);
    world.server.heal();
    ok(&world, &["demo", "-o", "rootfs.tar"]);
}

fn sigint_ends_a_script() {
    let world = world([postinst("waits", &format!("sleep {}", seconds(2)))]);
    let mut child = begun(&world, seconds(2));
    let began = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(8));
    world.forge.no_process_within(10);
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
}

fn no_sandbox() {
    let world = world([]);
    let command = words(&world, &["-o", "rootfs.tar"]).join(" ");
    let inside = |command: &str| {
        format!("unshare -Ur bash -c 'echo 0 > /proc/sys/user/max_user_namespaces && exec {command}'")
    };
    let output = world.forge.sh_any(&inside(&format!("$FORGE {command}"))).expect_code(6);
    output.says(&["cannot be run in a root of their own", "mapped:", "single:", "--scripts skip"]);
    assert!(!world.forge.path("rootfs.tar").exists());
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
}

fn skipped_by_word() {
    let world = world([postinst("demo", "exit 3")]);
    let output = ok(&world, &["demo", "--scripts", "skip", "-o", "rootfs.tar"]);
    output.says(&["were not run", "demo"]);
}

fn slim() {
    let demo = package("demo")
        .file("usr/share/doc/demo/changelog", "x", 0o644)
        .file("usr/share/doc/demo/copyright", "x", 0o644)
        .file("usr/share/man/man1/demo.1", "x", 0o644)
        .script("postinst", "#!/bin/sh\nmkdir -p /usr/share/man/man1; echo x > /usr/share/man/man1/made.1\n");
    let world = world([demo]);
    ok(&world, &["demo", "--slim", "-o", "rootfs.tar"]);
    let listing = listing(&world, "rootfs.tar");
    assert!(
        listing.contains("demo/copyright") && !listing.contains("changelog") && !listing.contains("man1/"),
        "{listing}"
    );
    world.forge.sh("mkdir root; tar -xpf rootfs.tar -C root; test -z \"$(dpkg --root=$PWD/root --verify)\"");
}
