//! A small Fedora, 300 packages with what is difficult in real ones, of which scripts run: what
//! comes out is what the machine's dnf and rpm make of the same request.

use std::fs;
use std::path::Path;

use ctr_forge_rootfs::{Entry, Kind, RootPath};
use ctr_forge_tests::rpm::distro::{self, PROFILE};
use ctr_forge_tests::rpm::host_dnf::{DATABASE, dnf, rpm};
use ctr_forge_tests::rpm::{DATE, Repository, Rpm};
use ctr_forge_tests::unpacked::{Listing, assert_same, found};
use ctr_forge_tests::{Forge, Need, Server, Test};

use crate::dnf::World;

/// What it takes to have the machine's dnf beside ours, and scripts run.
pub(crate) const DNF: &[Need] = &[
    Need::Root,
    Need::Sandbox,
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::Tool("busybox"),
    Need::Tool("dnf"),
    Need::Tool("sqlite3"),
];
const IMAGE: &[Need] = &[
    Need::Root,
    Need::Sandbox,
    Need::MountNamespace,
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::Tool("busybox"),
    Need::Tool("umoci"),
    Need::Tool("crun"),
    Need::Tool("jq"),
];
const OTHERS: &[Need] = &[
    Need::Root,
    Need::Sandbox,
    Need::OtherUser,
    Need::MountNamespace,
    Need::Tool("newuidmap"),
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::Tool("busybox"),
];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "dnf_distro::a_root_is_as_dnf_makes_it", needs: DNF, run: as_dnf_makes_it },
    Test { name: "dnf_distro::so_it_is_without_documentation", needs: DNF, run: without_documentation },
    Test { name: "dnf_distro::the_image_runs", needs: IMAGE, run: the_image_runs },
    Test { name: "dnf_distro::same_bytes_for_everybody", needs: OTHERS, run: same_bytes_for_everybody },
    Test { name: "dnf_distro::same_bytes_without_a_sandbox", needs: DNF, run: same_bytes_without_a_sandbox },
];

/// The time of the build, some time after that of the packages: so it can be seen what has which.
const EPOCH: u32 = DATE + 1000;

/// What dnf leaves behind that is no part of an image, and why.
const LEFT: [(&str, &str); 11] = [
    ("dev/null", "a script has written there, where nothing is mounted"),
    ("etc/dnf", "which streams of modules dnf has chosen: none"),
    ("etc/dnf/modules.d", "the same"),
    ("usr/lib/sysimage/rpm/.rpm.lock", "a lock"),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite", "compared row by row"),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite-shm", "of a database in use"),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite-wal", "the same"),
    ("var/log/dnf.log", "logs"),
    ("var/log/hawkey.log", "logs"),
    ("var/log/lastlog", "logs, which scripts have begun"),
    ("var/log/tmpfiles-seen", "the same"),
];

/// The distribution, with [`EPOCH`] for the time.
pub(crate) fn world() -> World {
    let world = World::new(&distro::distro());
    World { forge: world.forge.env("SOURCE_DATE_EPOCH", &EPOCH.to_string()) }
}

/// What the machine's dnf makes of these words, in `theirs`.
pub(crate) fn theirs(world: &World, words: &[&str]) {
    let server = Server::new(world.forge.path("repo"));
    dnf(&world.forge, "theirs", &[server.url("")], &[&["install"], words].concat()).expect_code(0);
}

/// Unpacks `rootfs.tar` into `ours`, and compares it with `theirs`.
pub(crate) fn compare(forge: &Forge) {
    forge.sh(
        "rm -rf ours; mkdir ours; tar -C ours --numeric-owner --xattrs --xattrs-include='*' -xpf rootfs.tar",
    );
    let (mut theirs, mut ours) = (tree(&forge.path("theirs")), tree(&forge.path("ours")));
    let paths = LEFT.map(|(path, _)| RootPath::new(path.as_bytes()).unwrap());
    theirs.retain(|path, _| !paths.contains(path));
    ours.retain(|path, _| path.file_name() != b"rpmdb.sqlite");
    assert_same("dnf's tree, and ours", &theirs, &ours);
    compare_databases(forge);
}

/// Paths, types, modes, owners, attributes, contents, names of the same file. Of the dates those of
/// packages' files: what was made or changed later, as directories are, has another on each side.
pub(crate) fn tree(root: &Path) -> Listing {
    let is_of_package = |entry: &Entry| entry.mtime < EPOCH.into() && entry.kind != Kind::Directory;
    found(root, is_of_package)
}

/// Headers, and all that packages can be found by. When and in which order they came is not the same.
fn compare_databases(forge: &Forge) {
    let names =
        |root: &str| sorted(&rpm(forge, root, &["-qa", "--dbpath", &format!("/{DATABASE}")]).stdout());
    assert_eq!(names("ours"), names("theirs"));
    let all = |root: &str, words: &[&str]| {
        let dbpath = format!("/{DATABASE}");
        sorted(&rpm(forge, root, &[words, &["--dbpath", &dbpath]].concat()).expect_code(0).stdout())
    };
    for query in
        [&["-Va"][..], &["-qa", "--scripts", "--triggers", "--filetriggers"], &["-qa", "--changelog"]]
    {
        assert_eq!(all("ours", query), all("theirs", query), "{query:?}");
    }
    assert_eq!(all("ours", &["-Va"]), [""; 0]);
    let headers = |root: &str| {
        let dbpath = format!("/{DATABASE}");
        let xml = rpm(forge, root, &["-qa", "--xml", "--dbpath", &dbpath]).expect_code(0).stdout();
        let headers = xml.split("</rpmHeader>").filter(|header| !header.contains("gpg-pubkey"));
        let mut headers: Vec<String> = headers.map(|header| without(header, &OF_THE_MOMENT)).collect();
        headers.sort();
        headers
    };
    for (ours, theirs) in headers("ours").iter().zip(&headers("theirs")) {
        assert_eq!(ours, theirs);
    }
    let rows = |root: &str| sorted(&forge.sh(&rows_of(&format!("{root}/{DATABASE}/rpmdb.sqlite"))).stdout());
    assert_eq!(rows("ours"), rows("theirs"));
    // One second after the other, as rpm has it with SOURCE_DATE_EPOCH.
    let times = |root: &str, start: u32| -> Vec<u32> {
        let query = ["-qa", "--qf", "%{INSTALLTIME}\n%{INSTALLTID}\n"];
        let times = all(root, &query);
        times.iter().map(|time| time.parse::<u32>().unwrap() - start).collect()
    };
    assert_eq!(times("ours", EPOCH), times("theirs", DATE));
}

/// A header without these tags.
pub(crate) fn without(header: &str, tags: &[&str]) -> String {
    let stays = |tag: &&str| !tags.iter().any(|name| tag.starts_with(&format!("\"{name}\"")));
    header.split("<rpmTag name=").filter(stays).map(str::trim).collect::<Vec<_>>().join("\n")
}

/// What is of the moment in a header.
pub(crate) const OF_THE_MOMENT: [&str; 3] = ["Installtime", "Installtid", "Dbinstance"];

/// A script that prints what the tables say. Packages are called by their digests, as their
/// numbers follow the order; of keys, which have none, dnf has another encoding of the same.
fn rows_of(database: &str) -> String {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT IN ('Packages', 'Installtid')";
    let rows = "SELECT '$table', hex(row.key), hex(digest.key), row.idx FROM \\\"$table\\\" row JOIN Sigmd5 digest USING (hnum)";
    format!(
        "sqlite3 {database} \"{tables}\" > tables; \
         while read -r table; do echo \"$table\"; sqlite3 {database} \"{rows}\"; done < tables; \
         sqlite3 {database} \"SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'\"; \
         sqlite3 {database} 'PRAGMA user_version; PRAGMA application_id; PRAGMA integrity_check'"
    )
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// From 4.19 on rpm makes users that packages declare, and whoever does that locks their passwords
/// with another word. This machine's rpm is older and leaves it to scripts.
pub(crate) const LOCKED: &str = "sed -i 's/^\\([a-z]*\\):!\\*:/\\1:!:/' rootfs/etc/shadow rootfs/etc/gshadow";

fn as_dnf_makes_it() {
    let world = world();
    world.ok(&[PROFILE, &["--docs"]].concat());
    theirs(&world, PROFILE);
    world
        .forge
        .sh("mkdir rootfs; tar -C rootfs --numeric-owner --xattrs --xattrs-include='*' -xpf rootfs.tar");
    world.forge.sh(&format!("{LOCKED}; tar -C rootfs --xattrs -cf rootfs.tar ."));
    compare(&world.forge);
}

fn without_documentation() {
    let world = world();
    let words = ["rpm", "coreutils", "glibc-langpack-de", "ncurses-base", "git-core"];
    world.ok(&words);
    theirs(&world, &[&["--setopt=tsflags=nodocs"], &words[..]].concat());
    compare(&world.forge);
}

fn the_image_runs() {
    let world = world();
    let forge = &world.forge;
    world.ok(PROFILE);
    forge.ok(["output", "oci", "rootfs.tar", "-o", "image", "--tag", "distro:42", "--cmd", "/bin/sh"]);
    forge.sh("umoci unpack --image image:42 bundle; mkdir state");
    let script = "id apache; . /etc/os-release; echo $ID $VERSION_ID; test -s /etc/ld.so.cache; \
                  ls -l /usr/bin/editor; stat -c %a /usr/bin/sudo; cat /etc/machine-id; echo $((6 * 7)) > /dev/null";
    let config = "jq --arg script \"$SCRIPT\" '.process.terminal=false | .process.args=[\"/bin/sh\",\"-euc\",$script]'";
    forge.sh(&format!("SCRIPT='{script}'; {config} bundle/config.json > c; mv c bundle/config.json"));
    let inside = "umount /sys/fs/cgroup/unified 2> /dev/null || true; cd bundle; crun --root ../state run ctr-forge-$$ < /dev/null";
    let output = forge.sh(&format!("unshare -m bash -euc '{inside}'")).stdout();
    assert!(output.starts_with("uid=48(apache) gid=48(apache) groups=48(apache)\nfedora 42\n"), "{output}");
    assert!(output.contains("/usr/bin/editor -> /etc/alternatives/editor\n4111\n"), "{output}");
}

fn same_bytes_for_everybody() {
    let world = world();
    world.ok(PROFILE);
    let forge = &world.forge;
    let words = world.words(&[PROFILE, &["-o", "again.tar"]].concat()).join(" ");
    let settings = "umask 077; export TZ=Asia/Tokyo LC_ALL=de_DE.UTF-8 CTR_FORGE_JOBS=1";
    for sandbox in ["mapped", "single"] {
        forge.sh(&format!(
            "{settings}; $FORGE {words} --sandbox {sandbox}; cmp rootfs.tar again.tar; rm -r cache again.tar"
        ));
    }
    forge.sh("chown -R 65534:65534 .; chmod 755 .");
    let user = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    forge.sh(&format!("{user} $FORGE {words} --sandbox single"));
    forge.sh("cmp rootfs.tar again.tar; rm again.tar");
    forge.sh(&format!(
        "unshare -m bash -ec 'echo 65534:300000:65536 > ids; chmod 644 ids; \
         mount --bind ids /etc/subuid; mount --bind ids /etc/subgid; {user} $FORGE {words} --sandbox mapped'"
    ));
    forge.sh("cmp rootfs.tar again.tar");
    assert_eq!(forge.names("tmp"), Vec::<String>::new());
}

/// Files of all kinds in a package whose script does nothing.
fn kinds() -> Rpm {
    Rpm::new("kinds", "1-1")
        .lua("post", "-- nothing\n")
        .dir("etc", 0o755)
        .config("etc/passwd", "root:x:0:0::/:/bin/sh\nwww:x:48:49::/:/bin/sh\n")
        .config("etc/group", "root:x:0:\nweb:x:49:\n")
        .dir("proc", 0o555)
        .marked("%ghost")
        .dir("usr/lib/kinds", 0o2750)
        .owner("www", "web")
        .file("usr/bin/suid", "suid", 0o4755)
        .file("usr/bin/ping", "ping", 0o755)
        .marked("%caps(cap_net_raw=p)")
        .symlink("usr/bin/link", "ping")
        .file("usr/share/a", "the same", 0o644)
        .owner("nobody-known", "web")
        .hardlink("usr/share/b", "usr/share/a")
        .ghost("var/log/kinds.log", 0o644)
        .dir("usr/share/doc/kinds", 0o755)
        .marked("%doc")
        .doc("usr/share/doc/kinds/README", "read me")
        .license("usr/share/licenses/kinds/COPYING", "copy me")
        .file("usr/share/locale/de/kinds.mo", "de", 0o644)
        .marked("%lang(de)")
        .file("usr/share/locale/fr/kinds.mo", "fr", 0o644)
        .marked("%lang(fr)")
}

/// Files that a root in a sandbox has gone through are as they were on their way into a stream.
fn same_bytes_without_a_sandbox() {
    let other = Rpm::new("other", "1-1").requires("kinds").file("srv/other", "x", 0o600).owner("www", "web");
    let world = World::new(&Repository::new([kinds(), other]));
    let has = |path: &str| world.file(path).is_some();
    let [doc, german, french] =
        ["usr/share/doc/kinds/README", "usr/share/locale/de/kinds.mo", "usr/share/locale/fr/kinds.mo"];
    for (options, there) in [
        (&[][..], [false, true, true]),
        (&["--docs"], [true, true, true]),
        (&["--docs", "--langs", "de"], [true, true, false]),
        (&["--langs", "none", "--exclude-path", "/usr/share/a", "--exclude-path", "/proc"], [false; 3]),
        (
            &["--docs", "--exclude-path", "/usr/share/**", "--exclude-path", "!/usr/share/locale/fr/**"],
            [false, false, true],
        ),
    ] {
        world.ok(&[&["other", "--scripts", "skip"], options].concat());
        fs::rename(world.forge.path("rootfs.tar"), world.forge.path("streamed.tar")).unwrap();
        world.ok(&[&["other", "--report", "report.json"], options].concat());
        world.forge.sh("cmp rootfs.tar streamed.tar");
        assert_eq!(world.report()["build"]["scripts"][0]["outcome"], "run");
        assert_eq!([doc, german, french].map(has), there, "{options:?}");
        assert!(has("usr/share/licenses/kinds/COPYING") || options.contains(&"/usr/share/**"));
        assert_eq!(world.rpm("-V kinds other"), "", "{options:?}");
    }
}
