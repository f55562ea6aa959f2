//! `--engine`: the tools of the machine make the same tree as by themselves, and what is ours
//! is as theirs where an archive has Ubuntu's form.

use ctr_forge_tests::debian::Hash;
use ctr_forge_tests::machine::{arch, machine};
use ctr_forge_tests::{Deb, Need, Suite, Test};

use crate::debian_mirror::{DIFFERENT, apt_lines, compare, forge};
use crate::debian_trust::World;

const MMDEBSTRAP: &[Need] = &[Need::Sandbox, Need::Root, Need::Tool("mmdebstrap"), Need::Tool("dpkg")];
const REAL: &[Need] = &[Need::Mirror, Need::Sandbox, Need::Root, Need::Tool("mmdebstrap")];
const REAL_DEBOOTSTRAP: &[Need] = &[Need::Mirror, Need::Sandbox, Need::Root, Need::Tool("debootstrap")];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "debian_engines::a_tool_installs", needs: MMDEBSTRAP, run: a_tool_installs },
    Test {
        name: "debian_engines::a_tool_installs_for_an_ordinary_user",
        needs: &[Need::Sandbox, Need::OtherUser, Need::Tool("newuidmap"), Need::Tool("mmdebstrap")],
        run: a_tool_installs_for_an_ordinary_user,
    },
    Test { name: "debian_engines::what_tools_cannot_do", needs: MMDEBSTRAP, run: what_tools_cannot_do },
    Test { name: "debian_engines::a_tool_that_fails", needs: MMDEBSTRAP, run: a_tool_that_fails },
    Test { name: "debian_engines::ubuntu_is_as_mmdebstrap_makes_it", needs: MMDEBSTRAP, run: ubuntu },
    Test { name: "debian_engines::mmdebstrap_is_mmdebstrap", needs: REAL, run: mmdebstrap_is_mmdebstrap },
    Test {
        name: "debian_engines::debootstrap_is_debootstrap",
        needs: REAL_DEBOOTSTRAP,
        run: debootstrap_is_debootstrap,
    },
];

/// What a root has of the machine or of the build when a tool has made it, and why it is not in ours.
const CLEANED: [(&str, &str); 6] = [
    ("dev/*", "devices are the engine's that runs the image"),
    ("etc/hostname|etc/resolv.conf", "copies of the machine's"),
    (
        "etc/apt/sources.list|etc/apt/sources.list.d/*.sources",
        "the mirror of the machine; ours names the distribution's",
    ),
    ("etc/.pwd.lock|var/lib/dpkg/lock|var/lib/dpkg/lock-frontend|var/lib/dpkg/triggers/Lock", "locks"),
    ("var/lib/apt/lists/*|var/cache/apt/*|run/*", "of a running system"),
    ("var/log/*|var/cache/ldconfig/aux-cache|etc/machine-id", "when and where it was made"),
];

fn demo() -> Deb {
    let script = "#!/bin/sh\nset -e\nuseradd --system --no-create-home demo\necho made > /etc/made\n\
        chown demo /etc/made\nchmod 4750 /etc/made\n";
    Deb::new("demo", "1.0").arch("all").script("postinst", script).file("etc/shipped", "x", 0o640)
}

fn words(world: &World, suite: &str, more: &[&str]) -> Vec<String> {
    let url = world.server.url("");
    let words = ["source", "debootstrap", suite, "--variant", "essential", "--apt-config", "apt"];
    let from = ["--mirror", &url, "--key", "key.asc", "--arch", arch()];
    [&words[..], &from, more].concat().into_iter().map(str::to_owned).collect()
}

/// One whose packages a tool can install: it takes what is essential, and `usr-is-merged` is not.
fn world() -> World {
    World::new(&[Suite::debian("bookworm").architectures(&[arch()]).with(machine()).with([demo()])])
}

fn a_tool_installs() {
    let world = world();
    let engine = ["demo", "usr-is-merged", "--engine", "mmdebstrap"];
    let more = [&engine[..], &["-o", "rootfs.tar", "--report", "report.json"]].concat();
    world.forge.run(words(&world, "bookworm", &more)).expect_code(0);
    let listing = world.forge.sh("tar --numeric-owner -tvf rootfs.tar").stdout();
    let made = listing.lines().find(|line| line.ends_with("etc/made")).unwrap();
    assert!(made.starts_with("-rwsr-x---") && !made.contains(" 0/0 "), "{made}");
    assert!(!listing.contains("resolv.conf") && !listing.contains("/dev/null"), "{listing}");
    let report: serde_json::Value = serde_json::from_slice(&world.forge.read("report.json")).unwrap();
    assert_eq!(report["sandbox"], "mapped");
    assert_eq!(report["build"]["trust"][0]["how"], "signature");
    let packages = report["build"]["packages"].as_array().unwrap();
    assert!(packages.iter().any(|package| package["name"] == "demo"), "{packages:?}");
    // The same request, the same bytes; and the machine's own files are as they were.
    let again = [&engine[..], &["-o", "again.tar"]].concat();
    world.forge.run(words(&world, "bookworm", &again)).expect_code(0);
    world.forge.sh("cmp rootfs.tar again.tar");
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
}

fn a_tool_installs_for_an_ordinary_user() {
    let world = world();
    let more = ["demo", "usr-is-merged", "--engine", "host", "-o", "rootfs.tar"];
    world.forge.run(words(&world, "bookworm", &more)).expect_code(0);
    world.forge.sh("mv rootfs.tar root.tar; rm -r cache; chown -R 65534:65534 .; chmod 755 .");
    let command = words(&world, "bookworm", &more).join(" ");
    world.forge.sh(&format!(
        "unshare -m bash -ec 'echo 65534:300000:65536 > ids; chmod 644 ids; \
         mount --bind ids /etc/subuid; mount --bind ids /etc/subgid; \
         setpriv --reuid 65534 --regid 65534 --clear-groups $FORGE {command}'"
    ));
    world.forge.sh("cmp root.tar rootfs.tar");
}

fn what_tools_cannot_do() {
    let world = world();
    world.forge.write("my.deb", Deb::new("mine", "1").build());
    for (more, says) in [
        (&["--exclude", "demo"][..], "--exclude"),
        (&["--merged-usr", "no"], "--merged-usr"),
        (&["--scripts", "skip"], "--scripts"),
        (&["--lock", "made.lock"], "no lock can be made: mmdebstrap chooses"),
        (&["./my.deb"], "--package"),
    ] {
        let more = [&["--engine", "mmdebstrap", "-o", "rootfs.tar"], more].concat();
        world.forge.run(words(&world, "bookworm", &more)).expect_code(11).says(&[says]);
        assert!(!world.forge.path("rootfs.tar").exists() && !world.forge.path("made.lock").exists());
    }
    let more = ["--engine", "mmdebstrap", "--sandbox", "single", "-o", "rootfs.tar"];
    world.forge.run(words(&world, "bookworm", &more)).expect_code(11).says(&["range of ids"]);
    let more = ["--engine", "apt", "-o", "rootfs.tar"];
    world.forge.run(words(&world, "bookworm", &more)).expect_code(2).says(&["mmdebstrap"]);
}

fn a_tool_that_fails() {
    let broken =
        Deb::new("broken", "1.0").arch("all").script("postinst", "#!/bin/sh\necho why >&2\nexit 7\n");
    let peeks = Deb::new("peeks", "1.0").arch("all").script(
        "postinst",
        "#!/bin/sh\ncd /proc/1/root || exit 0\ntest ! -e key.asc || exit 8\n\
         if touch usr/x etc/x home/x; then exit 9; fi 2> /dev/null\n",
    );
    let suite = Suite::debian("bookworm").architectures(&[arch()]).with(machine()).with([broken, peeks]);
    let world = World::new(&[suite]);
    let run = |package: &str| {
        let more = [package, "usr-is-merged", "--engine", "mmdebstrap", "-o", "rootfs.tar"];
        world.forge.run(words(&world, "bookworm", &more))
    };
    run("broken").expect_code(10).says(&["mmdebstrap failed", "-v shows"]);
    assert!(!world.forge.path("rootfs.tar").exists());
    assert_eq!(world.forge.names("tmp"), Vec::<String>::new());
    world.forge.no_process_within(5);
    // A script that breaks out of the tool's root finds nothing that it can write to.
    run("peeks").expect_code(0);
}

/// The directories that real packages have, and that mmdebstrap makes where no package does.
fn apt() -> Deb {
    let mut deb = Deb::new("apt", "1.0").arch("all");
    for directory in [
        "etc/apt/apt.conf.d",
        "etc/apt/preferences.d",
        "etc/apt/sources.list.d",
        "etc/dpkg/dpkg.cfg.d",
        "var/cache/apt/archives",
        "var/lib/apt/lists",
        "var/lib/dpkg/alternatives",
        "var/log/apt",
    ] {
        let parents = directory.match_indices('/').map(|(end, _)| &directory[..end]);
        for path in parents.chain([directory]).filter(|path| path.contains('/') || *path == "etc") {
            deb = deb.dir(path, 0o755);
        }
    }
    deb
}

/// zstd and SHA-512 alone: as an archive of Ubuntu's may be.
fn ubuntu() {
    let suite = Suite::ubuntu("noble").hashes(&[Hash::Sha512]).architectures(&[arch()]);
    let world = World::new(&[suite.with(machine()).with([demo(), apt()])]);
    let forge = &world.forge;
    let more = ["demo", "apt", "usr-is-merged", "-o", "ours.tar"];
    let epoch = "1700000000";
    let mut command = forge.command(words(&world, "noble", &more));
    let output = command.env("SOURCE_DATE_EPOCH", epoch).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let url = world.server.url("");
    forge.sh(&format!(
        "SOURCE_DATE_EPOCH={epoch} mmdebstrap --quiet --mode=root --variant=essential --include=demo,apt,usr-is-merged \
         --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr noble theirs.tar 'deb [signed-by='$PWD'/key.asc] {url} noble main'"
    ));
    // Where apt finds the archive, and its key.
    let sources = "etc/apt/keyrings|etc/apt/keyrings/ubuntu-1.asc|etc/apt/sources.list.d/ubuntu.sources";
    compare(forge, &format!("{}|{sources}", DIFFERENT.map(|(pattern, _)| pattern).join("|")));
    let apt = forge.sh("tar -xOf ours.tar etc/apt/sources.list.d/ubuntu.sources").stdout();
    assert!(apt.contains("\nSigned-By: /etc/apt/keyrings/ubuntu-1.asc\n"), "{apt}");
    forge.sh("tar -xOf ours.tar etc/apt/keyrings/ubuntu-1.asc | cmp - key.asc");
}

fn mmdebstrap_is_mmdebstrap() {
    let forge = forge().env("SOURCE_DATE_EPOCH", "1700000000");
    let engine = ["--engine", "mmdebstrap", "-o", "ours.tar"];
    forge.ok(["source", "debootstrap", "bookworm", "--variant", "apt", "hostname"].iter().chain(&engine));
    let lines = apt_lines("bookworm").join(" ");
    forge.sh(&format!(
        "mmdebstrap --quiet --mode=root --variant=apt --include=hostname \
         --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr bookworm theirs.tar {lines}"
    ));
    compare(&forge, &CLEANED.map(|(pattern, _)| pattern).join("|"));
}

fn debootstrap_is_debootstrap() {
    let forge = forge().env("SOURCE_DATE_EPOCH", "1700000000");
    let engine = ["--engine", "debootstrap", "-o", "ours.tar"];
    forge.ok(["source", "debootstrap", "bookworm", "--variant", "minbase"].iter().chain(&engine));
    let mirror = ctr_forge_tests::debian::host_mirror().unwrap();
    forge.sh(&format!("debootstrap --variant=minbase bookworm root {mirror} > log 2>&1"));
    forge.sh("tar -C root --numeric-owner -cf theirs.tar .; rm -rf root");
    compare(&forge, &CLEANED.map(|(pattern, _)| pattern).join("|"));
}
