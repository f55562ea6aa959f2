//! Packages that others have made are read as they were meant, and choices are those of libsolv.
//!
//! Needs data beside the checkout: see [`Need::RpmPackages`] and [`Need::LibsolvCases`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ctr_forge_tests::runner::{libsolv_cases, rpm_packages};
use ctr_forge_tests::{Need, Rpm, Test};
use serde_json::Value;

use crate::dnf::World;

#[path = "../../plugins/dnf/examples/libsolv/judge.rs"]
#[allow(dead_code, reason = "the example has more to say than whether all agree")]
mod judge;
#[path = "../../plugins/dnf/examples/libsolv/read.rs"]
mod read;

const NEEDS: &[Need] = &[
    Need::RpmPackages,
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
];

/// Scripts run there, too.
const SCRIPTS: &[Need] = &[
    Need::RpmPackages,
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::Tool("busybox"),
    Need::Sandbox,
];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "dnf_oracle::signatures_of_every_kind", needs: NEEDS, run: signatures_of_every_kind },
    Test { name: "dnf_oracle::packages_of_every_kind", needs: NEEDS, run: packages_of_every_kind },
    Test { name: "dnf_oracle::rich_dependencies", needs: NEEDS, run: rich_dependencies },
    Test { name: "dnf_oracle::scripts_of_every_kind", needs: SCRIPTS, run: scripts_of_every_kind },
    Test {
        name: "dnf_oracle::the_choice_is_that_of_libsolv",
        needs: &[Need::LibsolvCases],
        run: the_choice_is_that_of_libsolv,
    },
];

/// A repository of what `rpm-basic` needs, which is nothing that there is.
fn world() -> World {
    World::of([
        Rpm::new("ego", "1-1").file("usr/sbin/ego", "", 0o755),
        Rpm::new("methylamine", "1.0.0-1"),
        Rpm::new("morality", "1-1"),
        Rpm::new("regret", "1-1"),
        Rpm::new("people", "1-1").provides("user(jane), group(jane), group(bob)"),
    ])
}

/// The words of a command that installs a package file, with these keys.
fn words(world: &World, file: &str, keys: &[&str], more: &[&str]) -> Vec<String> {
    let data = rpm_packages().unwrap();
    let path = |below: String| data.join(below).to_str().unwrap().to_owned();
    let mut words: Vec<String> = ["source", "dnf"].map(str::to_owned).into();
    words.push(path(format!("RPMS/{file}.rpm")));
    keys.iter().for_each(|key| words.extend(["--key".into(), path(format!("signing_keys/{key}.asc"))]));
    // The keys are for package files; the repository beside them has one of its own.
    let place = world.place("");
    world
        .forge
        .write("site.repo", format!("[site]\nbaseurl=file://{place}repo\ngpgkey=file://{place}key.asc\n"));
    words.extend(["--repo-file", "site.repo"].iter().chain(more).map(|&word| word.to_owned()));
    words
}

fn signatures_of_every_kind() {
    let world = world();
    let [ecdsa, ed25519, rsa] =
        ["ecdsa-nistp256", "ed25519", "rsa4096"].map(|kind| format!("v4/rpm-testkey-v4-{kind}"));
    let [ed25519_6, rsa_6, mldsa] =
        ["ed25519", "rsa4k", "mldsa65-ed25519"].map(|kind| format!("v6/rpm-testkey-v6-{kind}"));
    let good = |file: &str, key: &str, other: &str| {
        let file = format!("{file}-2.3.4-5.el9.noarch");
        world.forge.ok(words(&world, &file, &[key], &["-o", "rootfs.tar", "--report", "report.json"]));
        let report = world.report();
        let packages = report["build"]["packages"].as_array().unwrap();
        let is_it = |one: &Value| one["name"] == "rpm-basic" && one["version"] == "1:2.3.4-5.el9";
        assert!(packages.len() == 5 && packages.iter().any(is_it), "{report:#}");
        world.forge.ok(words(&world, &file, &[other, key], &["-o", "rootfs.tar"]));
        world.forge.sh("rm rootfs.tar report.json");
        world.refuses_words(
            9,
            words(&world, &file, &[other], &[]),
            &["none of this repository's keys", &file],
        );
    };
    good("v4/signed/rpm-basic-with-ecdsa", &ecdsa, &rsa);
    good("v4/signed/rpm-basic-with-ed25519", &ed25519, &ecdsa);
    good("v4/signed/rpm-basic-with-rsa4096", &rsa, &ed25519);
    good("v6/signed/rpm-basic-with-ed25519", &ed25519_6, &rsa_6);
    good("v6/signed/rpm-basic-with-rsa4k", &rsa_6, &ed25519_6);
    // Of several signatures any will do.
    for key in [&ecdsa, &ed25519, &rsa] {
        good("v4/signed/rpm-basic-with-ima", key, &rsa_6);
    }
    good("v6/signed/rpm-basic-multiple-signatures", &ed25519_6, &ed25519);
    good("v6/signed/rpm-basic-multiple-signatures", &rsa_6, &rsa);
    let file = "v6/signed/rpm-basic-with-mldsa65-ed25519-2.3.4-5.el9.noarch";
    world.refuses_words(11, words(&world, file, &[&mldsa], &[]), &["ML-DSA-65+Ed25519"]);
    let unsigned = words(&world, "v6/rpm-basic-2.3.4-5.el9.noarch", &[&rsa_6], &[]);
    world.refuses_words(9, unsigned, &["nobody has signed", "--allow-untrusted files"]);
}

/// All that rpm lists is there, and nothing else.
fn packages_of_every_kind() {
    let world = world();
    for file in [
        "v4/rpm-basic-2.3.4-5.el9.noarch",
        "v4/rpm-empty-0-0.x86_64",
        "v6/rpm-basic-2.3.4-5.el9.noarch",
        "v6/gzip/rpm-basic-2.3.4-5.el9.noarch",
        "v6/xz/rpm-basic-2.3.4-5.el9.noarch",
        "v6/zstd/rpm-basic-2.3.4-5.el9.noarch",
        "v6/rpm-empty-0-0.x86_64",
        "v6/rpm-file-attrs-1.0-1.noarch",
        "v6/rpm-file-types-1.0-1.noarch",
        "v6/rpm-hardlinks-1.0-1.noarch",
        "v6/rpm-i18n-1.0-1.noarch",
        "v6/rpm-with-patch-1.0-0.noarch",
    ] {
        let more = [
            "--allow-untrusted",
            "files",
            "--docs",
            "--arch",
            "amd64",
            "--scripts",
            "skip",
            "-o",
            "rootfs.tar",
        ];
        world.forge.sh("rm -f rootfs.tar");
        world.forge.ok(words(&world, file, &[], &more));
        let listed = listed(&world, &rpm_packages().unwrap().join(format!("RPMS/{file}.rpm")));
        let there: BTreeMap<String, String> = world.listing().iter().filter_map(|line| entry(line)).collect();
        for (path, mode) in &listed {
            assert_eq!(there.get(path), Some(mode), "{path} of {file}: {there:#?}");
        }
        let name = Path::new(file).file_name().unwrap().to_str().unwrap();
        let installed = world.installed();
        let is_it = |one: &String| name.starts_with(&one.replace("1:", "").replace("0:", ""));
        assert!(installed.iter().any(is_it), "{name} is not in {installed:?}");
    }
}

/// Paths and modes of what a package brings, as rpm has it.
fn listed(world: &World, file: &Path) -> Vec<(String, String)> {
    let query = "[%{FILENAMES} %{FILEMODES:perms} %{FILEFLAGS}\\n]";
    let rpm = format!("RPM_FORCE_DEBIAN=1 rpm -qp --nosignature --qf '{query}' {}", file.display());
    let text = world.forge.sh(&rpm).stdout();
    let line = |line: &str| -> Option<(String, String)> {
        let [path, mode, flags] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        let is_ghost = flags.parse::<u32>().unwrap() & 1 << 6 != 0;
        (!is_ghost).then(|| (path.trim_start_matches('/').to_owned(), mode.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// Path and mode in a line of a listing. Hard links are written as what they are a name of.
fn entry(line: &str) -> Option<(String, String)> {
    let mut words = line.splitn(3, ' ');
    let (mode, _, path) = (words.next()?, words.next()?, words.next()?);
    let path = path.split(" -> ").next()?.split(" link to ").next()?;
    Some((path.trim_end_matches('/').to_owned(), mode.replacen('h', "-", usize::from(mode.starts_with('h')))))
}

fn rich_dependencies() {
    let package = |name: &str| Rpm::new(&format!("pkg{name}"), "4-1");
    let with = |names: &[&str]| World::of(names.iter().map(|name| package(name)));
    let file = "v6/rpm-rich-deps-1.0-1.noarch";
    let more = ["--allow-untrusted", "files", "-o", "rootfs.tar"];
    let all = [
        "A", "B", "C", "D", "E", "F", "G", "H", "I", "P", "Q", "S", "U", "V", "W", "X", "BB", "CC", "DD",
        "EE", "FF", "GG",
    ];
    let both = Rpm::new("both", "1-1").provides("pkgO, pkgP");
    let world = World::of(all.iter().map(|name| package(name)).chain([both]));
    world.forge.ok(words(&world, file, &[], &more));
    let installed = world.installed();
    for name in ["both-1-1", "pkgC-4-1", "pkgD-4-1", "pkgQ-4-1", "pkgU-4-1"] {
        assert!(installed.iter().any(|one| one == name), "{name} is not in {installed:?}");
    }
    let few = with(&["A"]);
    let words = words(&few, file, &[], &more[..2]);
    few.refuses_words(15, words, &["rpm-rich-deps-1.0-1.noarch needs"]);
}

fn scripts_of_every_kind() {
    let busybox = fs::read(which("busybox")).unwrap();
    let shell = Rpm::new("shell", "1-1").file("bin/sh", busybox, 0o755).arch(ctr_forge_tests::rpm::arch());
    let world = World::of([shell]);
    let file = "v6/rpm-scriptlets-1.0-1.noarch";
    // Before all packages there is no shell for `%pretrans`, and rpm ends there, too.
    let words = |more: &[&str]| words(&world, file, &[], &[more, &["--allow-untrusted", "files"]].concat());
    let says = ["%pretrans(rpm-scriptlets-1.0-1.noarch) scriptlet failed", "/bin/sh"];
    world.refuses_words(10, words(&[]), &says);
    world.forge.ok(words(&["--scripts", "skip", "-o", "rootfs.tar", "--report", "report.json"]));
    let report = world.report();
    let scripts = report["build"]["scripts"].as_array().unwrap();
    let ran: Vec<&str> = scripts.iter().filter_map(|script| script["script"].as_str()).collect();
    for script in ["%pretrans", "%pre", "%post", "%posttrans"] {
        assert!(ran.iter().any(|name| name.trim_start_matches('%') == &script[1..]), "{script}: {report:#}");
    }
    assert!(scripts.iter().all(|script| script["outcome"] == "skipped"), "{report:#}");
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file()).unwrap()
}

fn the_choice_is_that_of_libsolv() {
    let mut agree = 0;
    for file in cases(&libsolv_cases().unwrap()) {
        for case in read::cases(&file).unwrap() {
            match judge::judge(&case) {
                judge::Verdict::Agrees => agree += 1,
                judge::Verdict::Differs(why) => panic!("{}: {why}", file.display()),
                judge::Verdict::Inexpressible(_) => {}
            }
        }
    }
    // Most of libsolv's cases are about systems that are there already.
    assert!(agree >= 51, "{agree}");
}

/// All cases below a folder.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = paths.flat_map(|path| match path.is_dir() {
        true => cases(&path),
        false => vec![path],
    });
    found.filter(|path| path.extension().is_some_and(|extension| extension == "t")).collect()
}
