//! Real packages of Debian, through the mirror that the host's apt is configured for.

use ctr_forge_tests::{Forge, Need, Test, debian};

const MIRROR: &[Need] = &[Need::Mirror];
const MMDEBSTRAP: &[Need] = &[Need::Mirror, Need::Root, Need::Tool("mmdebstrap")];
const ROOT: &[Need] = &[Need::Mirror, Need::Root, Need::Sandbox, Need::MountNamespace];
const CRUN: &[Need] = &[
    Need::Mirror,
    Need::Root,
    Need::MountNamespace,
    Need::Tool("umoci"),
    Need::Tool("crun"),
    Need::Tool("jq"),
];

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "debian_mirror::bookworm_is_as_mmdebstrap_makes_it",
        needs: MMDEBSTRAP,
        run: bookworm_as_mmdebstrap,
    },
    Test {
        name: "debian_mirror::trixie_is_as_mmdebstrap_makes_it",
        needs: MMDEBSTRAP,
        run: trixie_as_mmdebstrap,
    },
    Test {
        name: "debian_mirror::minbase_of_bookworm_is_as_mmdebstrap_makes_it",
        needs: MMDEBSTRAP,
        run: minbase_of_bookworm,
    },
    Test {
        name: "debian_mirror::minbase_of_trixie_is_as_mmdebstrap_makes_it",
        needs: MMDEBSTRAP,
        run: minbase_of_trixie,
    },
    Test { name: "debian_mirror::scripts_have_their_effects", needs: ROOT, run: scripts_have_their_effects },
    Test { name: "debian_mirror::busybox_runs", needs: CRUN, run: busybox_runs },
    Test { name: "debian_mirror::foreign_architectures", needs: MIRROR, run: foreign_architectures },
    Test { name: "debian_mirror::records_name_the_distribution", needs: MIRROR, run: records },
    Test { name: "debian_mirror::what_has_expired_is_refused", needs: MIRROR, run: expired },
];

/// One cache for all: the mirror is asked once for each file.
pub(crate) fn forge() -> Forge {
    let cache = ctr_forge_tests::runner::shared_directory().join("debian-mirror");
    Forge::new().env("CTR_FORGE_CACHE", &cache.display().to_string())
}

fn bookworm_as_mmdebstrap() {
    // This mmdebstrap merges only if told.
    as_mmdebstrap("bookworm", "auto", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
    as_mmdebstrap("bookworm", "no", "");
}

fn trixie_as_mmdebstrap() {
    // There base-files has the links.
    as_mmdebstrap("trixie", "auto", "");
}

/// The essential set of a suite, file by file.
///
/// Left aside is what neither comes from a package: mmdebstrap's devices, its apt files, the
/// host's resolv.conf and hostname that it copies, the texts of an empty package that its hook
/// makes up, and dpkg's database, of which it has none.
fn as_mmdebstrap(suite: &str, merged: &str, hook: &str) {
    let forge = forge();
    let words =
        ["source", "debootstrap", suite, "--variant", "extract", "?essential", "--merged-usr", merged];
    forge.ok(words.iter().chain(&["-o", "ours.tar"]));
    // The same packages, so that apt need not choose: an old apt does not know a new release's rules.
    let listed =
        forge.ok(["source", "debootstrap", suite, "--variant", "extract", "?essential", "--dry-run"]);
    let packages: Vec<String> =
        listed.stdout().lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
    let lines = apt_lines(suite);
    forge.sh(&format!(
        "mmdebstrap --mode=root --variant=extract {hook} --include={} {suite} theirs.tar {}",
        packages.join(","),
        lines.join(" ")
    ));
    forge.sh(
        "for t in ours theirs; do mkdir $t; tar -xpf $t.tar --numeric-owner --exclude='./dev/*' -C $t; done",
    );
    forge.sh(
        "for t in ours theirs; do cd $t; rm -rf etc/apt/{sources.list,apt.conf.d,sources.list.d,trusted.gpg.d,preferences.d} \
         etc/{fstab,hostname,resolv.conf} var/lib/{dpkg,apt} var/cache/apt var/log/apt; \
         rm -rf usr/share/doc/usr-is-merged; rmdir --ignore-fail-on-non-empty etc/apt 2> /dev/null || true; cd ..; done",
    );
    let list = "find . -mindepth 1 -printf '%P %y %m %U:%G %l\\n' | LC_ALL=C sort";
    forge.sh(&format!("diff <(cd ours; {list}) <(cd theirs; {list})"));
    forge.sh("diff -r --no-dereference ours theirs");
    // dpkg's own view of ours.
    forge.sh("mkdir root; tar -xpf ours.tar -C root; test -z \"$(dpkg --root=$PWD/root --verify)\"");
    let audit = forge.sh("dpkg --root=$PWD/root --audit").stdout();
    assert!(audit.contains("base-files") && !audit.contains("missing"), "{audit}");
}

/// What may differ from mmdebstrap's tar, as `case` of a shell has it, and why.
pub(crate) const DIFFERENT: [(&str, &str); 10] = [
    ("dev/*", "an engine makes these; here only packages do"),
    ("etc/fstab|etc/hostname|etc/resolv.conf", "the machine's own, which it copies, and an empty one"),
    (
        "etc/apt/sources.list|etc/apt/sources.list.d/debian.sources",
        "the same in the older form; ours names no mirror",
    ),
    ("etc/.pwd.lock", "a lock of the build"),
    ("var/lib/apt/extended_states", "apt has installed the packages there"),
    ("var/lib/apt/lists/lock|var/lib/apt/lists/partial", "apt makes them"),
    ("var/cache/apt/archives/lock|var/cache/apt/archives/partial", "apt makes them"),
    ("var/lib/dpkg/lock|var/lib/dpkg/lock-frontend|var/lib/dpkg/triggers/Lock", "locks of the build"),
    ("var/lib/dpkg/*-old", "the state before the last change, of which there are fewer here"),
    ("usr/share/doc/usr-is-merged*", "its hook makes up the package that we take from the archive"),
];

fn minbase_of_bookworm() {
    minbase_as_mmdebstrap("bookworm", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
}

fn minbase_of_trixie() {
    minbase_as_mmdebstrap("trixie", "");
}

/// A whole installation, scripts run, file by file.
fn minbase_as_mmdebstrap(suite: &str, hook: &str) {
    let forge = forge().env("SOURCE_DATE_EPOCH", "1700000000");
    forge.ok(["source", "debootstrap", suite, "--variant", "minbase", "-o", "ours.tar"]);
    let lines = apt_lines(suite).join(" ");
    forge.sh(&format!("mmdebstrap --quiet --mode=root --variant=minbase {hook} {suite} theirs.tar {lines}"));
    compare(&forge, &DIFFERENT.map(|(pattern, _)| pattern).join("|"));
    forge.sh("test -z \"$(dpkg --root=$PWD/ours --verify; dpkg --root=$PWD/ours --audit)\"");
}

/// Whether `ours.tar` and `theirs.tar` have the same tree in them, but for what matches the
/// patterns of a shell's `case`. Dates are left aside.
#[track_caller]
pub(crate) fn compare(forge: &Forge, patterns: &str) {
    forge.sh(
        "for t in ours theirs; do mkdir $t; tar -xpf $t.tar --numeric-owner --exclude='./dev/*' -C $t; done",
    );
    // Paths, types, modes, owners and link targets; then contents.
    let list = format!(
        "find . -mindepth 1 -printf '%P %y %m %U:%G %l\\n' | LC_ALL=C sort | \
         while read -r line; do case ${{line%% *}} in {patterns}) ;; *) echo \"$line\" ;; esac; done"
    );
    forge.sh(&format!("diff <(cd ours; {list}) <(cd theirs; {list})"));
    forge.sh(&format!(
        "for t in ours theirs; do (cd $t; find . -type f -printf '%P\\n' | LC_ALL=C sort | \
         while read -r path; do case $path in {patterns}) ;; *) sha256sum \"$path\" ;; esac; done > ../$t.sums); done; \
         diff ours.sums theirs.sums"
    ));
}

pub(crate) fn apt_lines(suite: &str) -> Vec<String> {
    let mirror = debian::host_mirror().unwrap();
    let line = |suite: &str, url: &str| {
        format!("'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {url} {suite} main'")
    };
    let security = mirror.strip_suffix("/debian").map(|host| format!("{host}/debian-security"));
    let mut lines = vec![line(suite, &mirror), line(&format!("{suite}-updates"), &mirror)];
    lines.extend(security.map(|url| line(&format!("{suite}-security"), &url)));
    lines
}

/// What is missing where scripts are only unpacked, and that the result can be built upon.
fn scripts_have_their_effects() {
    let forge = forge();
    let words = ["source", "debootstrap", "bookworm", "--variant", "minbase"];
    let packages = ["ca-certificates", "openssh-server", "python3-yaml", "-o", "root.tar"];
    forge.ok(words.iter().chain(&packages));
    forge.sh("mkdir root; tar -xpf root.tar --numeric-owner -C root");
    for check in [
        "test -L root/etc/alternatives/awk",
        "test $(grep -c BEGIN root/etc/ssl/certs/ca-certificates.crt) -gt 100",
        "grep ^sshd: root/etc/passwd",
        "test -s root/etc/ld.so.cache",
        "ls root/usr/lib/python3/dist-packages/yaml/__pycache__/*.pyc",
        "test \"$(stat -c %g root/etc/shadow)\" = 42",
        "test \"$(stat -c %a root/usr/bin/ssh-agent)\" = 2755",
        "chroot root runuser -u nobody -- id -un | grep nobody",
    ] {
        forge.sh(check);
    }
    // One more package, by the apt inside, from the mirror that this machine may use.
    let lines = apt_lines("bookworm").iter().map(|line| format!("echo {line};")).collect::<String>();
    forge.sh(&format!("rm root/etc/apt/sources.list.d/*; {{ {lines} }} > root/etc/apt/sources.list"));
    forge.sh("unshare -m bash -ec 'cp /etc/resolv.conf /etc/hosts root/etc/; cp -a /etc/ssl/certs root/etc/ssl/; \
         cp -a /etc/apt/apt.conf.d/* root/etc/apt/apt.conf.d/ 2> /dev/null || true; \
         mount -t proc proc root/proc; mount --rbind /dev root/dev; \
         chroot root apt-get update -q > log 2>&1; \
         DEBIAN_FRONTEND=noninteractive chroot root apt-get install -qy hello >> log 2>&1; chroot root hello'");
}

fn busybox_runs() {
    let forge = forge();
    forge.sh("$FORGE source debootstrap bookworm --variant extract busybox-static | \
         $FORGE output oci - -o image --tag mini:1 --cmd '[\"/bin/busybox\", \"echo\", \"it runs\"]'");
    forge.sh("umoci unpack --image image:1 bundle; mkdir state");
    forge.sh("jq '.process.terminal = false' bundle/config.json > c && mv c bundle/config.json");
    let inside = "umount /sys/fs/cgroup/unified 2> /dev/null || true; cd bundle; crun --root ../state run ctr-forge-$$ < /dev/null";
    let output = forge.sh(&format!("unshare -m bash -c '{inside}'"));
    assert_eq!(output.stdout(), "it runs\n");
}

fn foreign_architectures() {
    let forge = forge();
    let words =
        ["source", "debootstrap", "trixie", "--variant", "extract", "--include", "curl", "--arch", "arm64"];
    let output = forge.ok(words.iter().chain(&["--report", "report.json", "--dry-run"]));
    let lines = output.stdout();
    assert!(lines.lines().any(|line| line.starts_with("curl\t") && line.ends_with("\tarm64")), "{lines}");
    assert!(lines.lines().any(|line| line.starts_with("libc6\t")), "{lines}");
}

fn records() {
    let forge = forge();
    let words = ["source", "debootstrap", "bookworm", "--variant", "extract", "busybox-static"];
    forge.ok(words.iter().chain(&["-o", "a.tar", "--report", "report.json", "--lock", "a.lock"]));
    let mirror = debian::host_mirror().unwrap();
    let host = mirror.split('/').nth(2).unwrap();
    for file in ["report.json", "a.lock"] {
        let text = String::from_utf8(forge.read(file)).unwrap();
        assert!(text.contains("https://ftp.debian.org/debian"), "{file}: {text}");
        assert!(host.ends_with("ftp.debian.org") || !text.contains(host), "{file} names {host}");
    }
    forge.ok(words.iter().chain(&["-o", "b.tar", "--offline"]));
    forge.sh("cmp a.tar b.tar");
}

/// Whatever suite of the mirror has expired by now; sid's indexes are valid for a week.
fn expired() {
    let forge = forge();
    let words = ["source", "debootstrap", "sid", "--variant", "extract", "busybox-static", "-o", "sid.tar"];
    let output = forge.run(words);
    if output.code != 0 {
        output.expect_code(14).says(&["expired on", "--no-check-valid-until"]);
    }
    forge.ok(words.iter().chain(&["--no-check-valid-until"]));
}
