//! What is installed of Alpine's packages is what apk installs: beside the real one, which our
//! own build puts into a root.
//!
//! Needs Alpine's packages beside the checkout: see [`Need::AlpinePackages`].

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use ctr_forge_source_alpine::dependency::Dependency;
use ctr_forge_source_alpine::package::parse_index;
use ctr_forge_source_alpine::resolve::{Offer, Request, resolve};
use ctr_forge_source_alpine::version;
use ctr_forge_tests::runner::alpine_packages;
use ctr_forge_tests::{Compression, Forge, Need, Test, archive};

/// How many worlds are drawn.
const WORLDS: usize = 200;
/// How many of them have the same repositories.
const OF_ONE: usize = 10;
/// Names in a repository.
const NAMES: usize = 40;

const NEEDS: &[Need] = &[Need::AlpinePackages, Need::Root];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "alpine_oracle::the_choice_is_that_of_apk", needs: NEEDS, run: the_choice_is_that_of_apk },
    Test { name: "alpine_oracle::versions_have_the_order_of_apk", needs: NEEDS, run: versions_are_apks },
    Test { name: "alpine_oracle::a_root_is_as_apk_makes_it", needs: NEEDS, run: a_root_is_as_apk_makes_it },
    Test { name: "alpine_oracle::apk_goes_on_with_a_root", needs: NEEDS, run: apk_goes_on },
    Test {
        name: "alpine_oracle::known_scripts_do_what_they_are_known_for",
        needs: &[Need::AlpinePackages, Need::Sandbox],
        run: known_scripts,
    },
    Test {
        name: "alpine_oracle::the_machines_apk_makes_the_same",
        needs: &[Need::AlpinePackages, Need::Root, Need::Sandbox],
        run: the_machines_apk,
    },
    Test {
        name: "alpine_oracle::the_root_runs",
        needs: &[
            Need::AlpinePackages,
            Need::Root,
            Need::MountNamespace,
            Need::Tool("umoci"),
            Need::Tool("crun"),
        ],
        run: the_root_runs,
    },
];

/// The arguments of a build of Alpine's packages.
fn source(more: &[&str]) -> Vec<String> {
    let data = alpine_packages().unwrap();
    let key = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path());
    let key = key.into_iter().find(|path| path.extension().is_some_and(|e| e == "pub")).unwrap();
    let words = [
        "source",
        "alpine",
        "--arch",
        "amd64",
        "--repo",
        data.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
    ];
    words.iter().chain(more).map(|&word| word.to_owned()).collect()
}

/// A directory with a root that has apk, at `apk` in it, and Alpine's packages at `repository`.
fn with_apk() -> Forge {
    let forge = Forge::new();
    forge.ok(source(&["-o", "apk.tar"]));
    forge.sh("mkdir -p apk/new && tar -xpf apk.tar -C apk --numeric-owner");
    let data = alpine_packages().unwrap();
    forge.sh(&format!("cp -r {} apk/repository && cp apk/repository/*.pub apk/etc/apk/keys", data.display()));
    forge
}

fn the_choice_is_that_of_apk() {
    let forge = with_apk();
    forge.sh("chroot apk /sbin/apk --root /new --initdb add");
    forge.write("apk/new/etc/apk/repositories", "/main\n@edge /edge\n");
    let mut random = Random(7);
    let set = |titles: &[String]| titles.iter().cloned().collect::<BTreeSet<_>>();
    let (mut alike, mut in_order, mut refused, mut differences) = (0, 0, 0, String::new());
    let mut indexes = [String::new(), String::new()];
    for number in 0..WORLDS {
        if number % OF_ONE == 0 {
            indexes = [index(&mut random, "0"), index(&mut random, "1")];
            for (name, text) in ["main", "edge"].iter().zip(&indexes) {
                let tar = archive::archive(&[
                    archive::Member::file("DESCRIPTION", "x"),
                    archive::Member::file("APKINDEX", text),
                ]);
                forge.write(format!("apk/{name}/x86_64/APKINDEX.tar.gz"), Compression::Gzip.encode(&tar[..]));
            }
        }
        let world = world(&mut random);
        match (apk(&forge, &world), ours(&indexes, &world)) {
            (Some(theirs), Ok(ours)) if theirs == ours => {
                in_order += 1;
                alike += 1;
            }
            // apk goes through what waits for a package in the order of a hash table.
            (Some(theirs), Ok(ours)) if set(&theirs) == set(&ours) => alike += 1,
            (Some(theirs), ours) => {
                writeln!(
                    differences,
                    "{number}: {}\n  apk {}\n  we  {ours:?}",
                    world.join(" "),
                    theirs.join(" ")
                )
                .unwrap();
            }
            // Where apk gives up we may find a way.
            (None, _) => refused += 1,
        }
    }
    assert!(
        differences.is_empty(),
        "{alike} alike, {refused} refused by apk, and these differ:\n{differences}"
    );
    assert!(alike > WORLDS / 2, "{alike} alike, {refused} refused by apk");
    assert!(in_order > alike * 9 / 10, "{in_order} of {alike} are in apk's order");
}

/// Packages with all that apk knows: versions, provided names, priorities, conflicts.
fn index(random: &mut Random, build: &str) -> String {
    let mut text = String::new();
    for number in 0..NAMES {
        if build == "1" && random.below(2) == 0 {
            continue;
        }
        for revision in 0..=random.below(3) {
            let version = format!("{}.{}-r{revision}", 1 + random.below(2), random.below(3));
            // Base64 of 20 bytes; no two are the same, for then apk takes them for one package.
            let identity = format!("Q1{number:024}{revision}{build}A=");
            writeln!(text, "C:{identity}\nP:p{number}\nV:{version}\nA:x86_64\nS:1000\nI:1000\nT:x\nU:x\nL:x\no:o{number}\nt:1").unwrap();
            let depends: Vec<String> = (0..random.below(3)).map(|_| dependency(random)).collect();
            line(&mut text, 'D', &depends);
            let mut provides: BTreeSet<String> = BTreeSet::new();
            if random.below(3) == 0 {
                provides.insert(format!("so:lib{}.so={}", random.below(6), 1 + random.below(2)));
            }
            if random.below(5) == 0 {
                provides.insert(format!("virtual{}", random.below(3)));
            }
            line(&mut text, 'p', &provides.into_iter().collect::<Vec<_>>());
            if random.below(4) == 0 {
                line(
                    &mut text,
                    'k',
                    &[random.below(3).to_string()].map(|k| if k == "0" { String::new() } else { k }),
                );
            }
            if random.below(8) == 0 {
                line(
                    &mut text,
                    'i',
                    &[format!("p{}", random.below(NAMES)), format!("p{}", random.below(NAMES))],
                );
            }
            text.push('\n');
        }
    }
    text
}

fn line(text: &mut String, letter: char, words: &[String]) {
    if words.iter().any(|word| !word.is_empty()) {
        writeln!(text, "{letter}:{}", words.join(" ")).unwrap();
    }
}

fn dependency(random: &mut Random) -> String {
    let name = format!("p{}", random.below(NAMES));
    match random.below(40) {
        0 => format!("!{name}"),
        1 => format!("{name}~1"),
        2..5 => format!("{name}>={}", 1 + random.below(2)),
        5..15 => format!("so:lib{}.so", random.below(6)),
        15..18 => format!("virtual{}", random.below(3)),
        _ => name,
    }
}

fn world(random: &mut Random) -> Vec<String> {
    let mut world: BTreeSet<String> = BTreeSet::new();
    for _ in 0..1 + random.below(3) {
        let name = format!("p{}", random.below(NAMES));
        if world.iter().any(|word| word.trim_start_matches('!').starts_with(&name)) {
            continue;
        }
        world.insert(match random.below(10) {
            0 => format!("{name}@edge"),
            1 => format!("{name}<2"),
            2 => format!("so:lib{}.so", random.below(6)),
            _ => name,
        });
    }
    world.into_iter().collect()
}

/// What apk would install, in its order; `None` where it gives up.
fn apk(forge: &Forge, world: &[String]) -> Option<Vec<String>> {
    let words: Vec<String> = world.iter().map(|word| format!("'{word}'")).collect();
    let command =
        "chroot apk /sbin/apk --root /new --arch x86_64 --allow-untrusted --no-cache --simulate add";
    let output = forge.sh_any(&format!("{command} {}", words.join(" ")));
    let line = |line: &str| {
        let (name, version) = line.split_once(") Installing ")?.1.split_once(" (")?;
        // `name@tag` where it comes from a tagged repository.
        let name = name.split('@').next()?;
        Some(format!("{name}-{}", version.trim_end_matches(')')))
    };
    (output.code == 0).then(|| output.stdout().lines().filter_map(line).collect())
}

fn ours(indexes: &[String; 2], world: &[String]) -> Result<Vec<String>, String> {
    let mut offers = Vec::new();
    for (number, text) in indexes.iter().enumerate() {
        for package in parse_index(text) {
            let package = package.map_err(|(stanza, error)| format!("{stanza}: {error}"))?;
            offers.push(Offer { package, repositories: 1 << number });
        }
    }
    let wants: Vec<_> = world.iter().map(|word| Dependency::parse(word).unwrap()).collect();
    let request = Request { wants: &wants, tags: &[None, Some("edge")] };
    let chosen = resolve(&offers, &request).map_err(|error| error.to_string())?;
    Ok(chosen.into_iter().map(|id| offers[id].package.title()).collect())
}

/// Pairs of versions such as packages have.
fn versions_are_apks() {
    let forge = with_apk();
    let mut random = Random(3);
    let mut version = || {
        let mut text = (1 + random.below(3)).to_string();
        for _ in 0..random.below(3) {
            write!(text, ".{}", [0, 1, 2, 9, 10, 20][random.below(6)]).unwrap();
        }
        text += ["", "", "a", "b"][random.below(4)];
        for _ in 0..random.below(2) {
            text += ["_alpha", "_beta1", "_pre2", "_rc1", "_p1", "_git20240101", "_cvs"][random.below(7)];
        }
        text + ["", "-r0", "-r1", "-r10"][random.below(4)]
    };
    let pairs: Vec<(String, String)> = (0..2000).map(|_| (version(), version())).collect();
    let script: String = pairs.iter().map(|(a, b)| format!("/sbin/apk version -t '{a}' '{b}'\n")).collect();
    forge.write("apk/compare.sh", script);
    let said = forge.sh("chroot apk /bin/sh /compare.sh").stdout();
    let wrong: Vec<String> = pairs
        .iter()
        .zip(said.lines())
        .filter_map(|((a, b), sign)| {
            let ours = match version::compare(a, b) {
                std::cmp::Ordering::Less => "<",
                std::cmp::Ordering::Equal => "=",
                std::cmp::Ordering::Greater => ">",
            };
            (ours != sign).then(|| format!("{a} {sign} {b}, and we say {ours}"))
        })
        .collect();
    assert_eq!(said.lines().count(), pairs.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The packages of Alpine's own images.
const BASE: &str = "alpine-baselayout alpine-keys apk-tools busybox libc-utils";

/// What apk leaves of the moment, and what it makes before the first package.
const OF_THE_MOMENT: &str = "dev/console dev/null dev/random dev/urandom dev/zero etc/passwd- etc/group- \
                             etc/shadow- lib/apk/db/lock lib/apk/exec var/cache/apk etc/apk/repositories etc/apk/keys \
                             repository";

fn a_root_is_as_apk_makes_it() {
    let forge = with_apk();
    forge.sh("mkdir -p apk/new/etc/apk/keys && cp apk/repository/*.pub apk/new/etc/apk/keys");
    forge.sh(&format!(
        "chroot apk /sbin/apk --root /new --initdb --arch x86_64 -X /repository --no-cache add {BASE}"
    ));
    forge.sh("mkdir ours && tar -xpf apk.tar -C ours --numeric-owner");
    for path in OF_THE_MOMENT.split_whitespace() {
        forge.sh(&format!("rm -rf ours/{path} apk/new/{path}"));
    }
    // The day on which a password was made: the packages' for us.
    forge.sh("sed -i -E 's/^(klogd:!):[0-9]+:/\\1:DAY:/' ours/etc/shadow apk/new/etc/shadow");
    forge.sh("cmp ours/lib/apk/db/installed apk/new/lib/apk/db/installed");
    forge.sh("cmp ours/lib/apk/db/triggers apk/new/lib/apk/db/triggers");
    // The same members, of which only the owners' names differ.
    let scripts = "tar --numeric-owner -tvf {}/lib/apk/db/scripts.tar";
    let list = |root: &str| forge.sh(&scripts.replace("{}", root)).stdout();
    assert_eq!(list("ours"), list("apk/new"));
    forge.sh("rm ours/lib/apk/db/scripts.tar apk/new/lib/apk/db/scripts.tar");
    let tree = |root: &str| {
        let every =
            "find . -printf '%P %y %m %U %G %s %l\\n' | sed -E 's/^([^ ]*) d (.*) [0-9]+ $/\\1 d \\2/'";
        let sums = "find . -type f -exec sha256sum {} +";
        forge.sh(&format!("cd {root} && {{ {every}; {sums}; }} | LC_ALL=C sort")).stdout()
    };
    let (ours, theirs) = (tree("ours"), tree("apk/new"));
    let only = |a: &str, b: &str| {
        let b: BTreeSet<&str> = b.lines().collect();
        a.lines().filter(|line| !b.contains(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    // The root directory itself is the machine's, not a package's.
    let is_root = |line: &String| line.starts_with(" d ");
    let differ: Vec<String> =
        only(&ours, &theirs).into_iter().chain(only(&theirs, &ours)).filter(|line| !is_root(line)).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

fn apk_goes_on() {
    let forge = with_apk();
    let audit =
        forge.sh("chroot apk /sbin/apk audit --system --full | grep -v -e ^A -e '^[UM] etc/apk' || true");
    let audit: Vec<String> = audit.stdout().lines().map(str::to_owned).collect();
    assert!(audit.iter().all(|line| line.contains("repository") || line.contains("new")), "{audit:#?}");
    forge.write("apk/etc/apk/repositories", "/repository\n");
    let fixed = forge.sh("chroot apk /sbin/apk --no-cache fix 2>&1").stdout();
    assert!(fixed.contains("OK: ") && !fixed.contains("ERROR"), "{fixed}");
    forge.sh(
        "chroot apk /sbin/apk --no-cache del libc-utils && chroot apk /sbin/apk --no-cache add libc-utils",
    );
    forge.sh("chroot apk /sbin/apk info -L musl | grep -q lib/ld-musl-x86_64.so.1");
    let checked = forge.sh("chroot apk /sbin/apk audit --system").stdout();
    assert_eq!(checked, "");
    // Every link of busybox is there.
    forge.sh("chroot apk /bin/busybox --list-full | while read path; do test -e apk/$path || { echo $path; exit 1; }; done");
}

fn known_scripts() {
    let forge = Forge::new();
    forge.ok(source(&["-o", "modelled.tar", "--report", "modelled.json"]));
    forge.ok(source(&["-o", "run.tar", "--scripts", "run", "--report", "run.json"]));
    let outcomes = |report: &str| {
        let report: serde_json::Value = serde_json::from_slice(&forge.read(report)).unwrap();
        let scripts = report["build"]["scripts"].as_array().unwrap().clone();
        scripts.into_iter().map(|script| script["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes("modelled.json"), ["modelled"; 4]);
    assert_eq!(outcomes("run.json"), ["run"; 4]);
    forge.sh("cmp modelled.tar run.tar");
    forge.ok(source(&["-o", "skipped.tar", "--scripts", "skip", "--report", "skipped.json"]));
    assert_eq!(outcomes("skipped.json"), ["skipped"; 4]);
    assert!(!archive::listing(&forge.read("skipped.tar")[..]).iter().any(|line| line.contains("bin/ls")));
}

/// A musl-linked apk runs on any machine, by its own loader.
fn the_machines_apk() {
    let forge = with_apk();
    // A tool of the machine sees neither temporary files nor home directories.
    let place = Place(PathBuf::from(format!("/usr/local/lib/ctr-forge-test-{}", std::process::id())));
    let place = &place.0;
    forge.sh(&format!("mkdir -p {0}/bin && cp -r apk {0}/apk", place.display()));
    let root = place.join("apk").display().to_string();
    let wrapper = format!(
        "#!/bin/sh\nexec {root}/lib/ld-musl-x86_64.so.1 --library-path {root}/lib:{root}/usr/lib {root}/sbin/apk \"$@\"\n"
    );
    fs::write(place.join("bin/apk"), wrapper).unwrap();
    forge.sh(&format!("chmod 755 {}/bin/apk", place.display()));
    let path = format!("{}/bin:{}", place.display(), std::env::var("PATH").unwrap());
    let forge = forge.env("PATH", &path);
    let repository = format!("{root}/repository");
    let key = fs::read_dir(&repository).unwrap().map(|entry| entry.unwrap().path());
    let key = key.into_iter().find(|path| path.extension().is_some_and(|e| e == "pub")).unwrap();
    let words = |engine| {
        let key = key.to_str().unwrap();
        ["source", "alpine", "--arch", "amd64", "--repo", &repository, "--key", key, "--engine", engine]
            .map(str::to_owned)
    };
    forge.ok(words("apk").iter().map(String::as_str).chain(["-o", "apk.tar"]));
    forge.ok(words("native").iter().map(String::as_str).chain(["-o", "native.tar"]));
    let list = |tar: &str| forge.sh(&format!("tar --numeric-owner -tvf {tar}")).stdout();
    let (theirs, ours) = (list("apk.tar"), list("native.tar"));
    // Sizes and dates stand before the path.
    let what = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("{} {} {}", words[0], words[1], words[5..].join(" "))
    };
    let set = |text: &str| text.lines().map(what).collect::<BTreeSet<_>>();
    let (theirs, ours) = (set(&theirs), set(&ours));
    // apk makes this one before its package comes, and leaves it as it is.
    let differ: Vec<_> =
        theirs.symmetric_difference(&ours).filter(|line| !line.ends_with(" lib/apk/exec/")).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

/// A directory that goes when the test is over, however that ends.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn the_root_runs() {
    let forge = Forge::new();
    forge.ok(source(&["-o", "root.tar"]));
    forge.ok(["output", "oci", "root.tar", "-o", "image", "--tag", "alpine:alpine", "--cmd", "/bin/sh"]);
    forge.sh("umoci unpack --image image:alpine bundle; mkdir state");
    let config = "jq '.process.terminal=false | .process.args=[\"/bin/sh\",\"-c\",\"apk info | wc -l; id klogd; apk audit --system\"]'";
    forge.sh(&format!("{config} bundle/config.json > c; mv c bundle/config.json"));
    let inside = "umount /sys/fs/cgroup/unified 2> /dev/null || true; cd bundle; crun --root ../state run ctr-forge-$$ < /dev/null";
    let output = forge.sh(&format!("unshare -m bash -euc '{inside}'"));
    assert_eq!(output.stdout(), "14\nuid=100(klogd) gid=101(klogd) groups=101(klogd),101(klogd)\n");
}

/// A small generator (splitmix64), so that a seed means the same worlds everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}
