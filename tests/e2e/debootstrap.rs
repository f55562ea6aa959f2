//! Packages become a root filesystem: the files that dpkg would unpack, with its database.

use std::fs;

use ctr_forge_tests::debian;
use ctr_forge_tests::distribution::{ESSENTIAL, distribution};
use ctr_forge_tests::openpgp::keyring;
use ctr_forge_tests::{Archive, Deb, Forge, Need, Output, Server, Suite, Test};
use serde_json::Value;

const DPKG: &[Need] = &[Need::Tool("dpkg-deb"), Need::Root];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "debootstrap::the_tree_is_dpkgs", needs: DPKG, run: the_tree_is_dpkgs },
    Test { name: "debootstrap::dpkg_reads_the_database", needs: DPKG, run: dpkg_reads_the_database },
    Test { name: "debootstrap::left_out_paths_leave_the_database_too", needs: DPKG, run: left_out_paths },
    Test { name: "debootstrap::same_bytes", needs: &[Need::OtherUser], run: same_bytes },
    Test { name: "debootstrap::repositories_as_apt_writes_them", needs: &[], run: repositories },
    Test { name: "debootstrap::ubuntu", needs: &[], run: ubuntu },
    Test { name: "debootstrap::versions_and_suites", needs: &[], run: versions_and_suites },
    Test { name: "debootstrap::architectures", needs: &[], run: architectures },
    Test { name: "debootstrap::custom", needs: &[], run: custom },
    Test { name: "debootstrap::package_files", needs: &[], run: package_files },
    Test { name: "debootstrap::report_and_dry_run", needs: &[], run: report_and_dry_run },
    Test { name: "debootstrap::an_image_of_it", needs: &[], run: an_image_of_it },
    Test { name: "debootstrap::two_at_once", needs: &[], run: two_at_once },
];

fn forge() -> Forge {
    prepared(Forge::new())
}

fn prepared(forge: Forge) -> Forge {
    fs::create_dir(forge.path("no-apt")).unwrap();
    forge.write("key.gpg", keyring(&[debian::key()]));
    forge
}

fn bookworm() -> Archive {
    Archive::new(&[Suite::debian("bookworm").with(distribution("amd64"))])
}

/// The words for an archive on a server.
fn words<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let start = ["source", "debootstrap", "bookworm", "--mirror", url, "--key", "key.gpg"];
    let variant = if more.contains(&"--variant") { &[][..] } else { &["--variant", "extract"] };
    [&start[..], &["--apt-config", "no-apt"], variant, more].concat()
}

#[track_caller]
fn make(forge: &Forge, server: &Server, more: &[&str]) -> Output {
    let url = server.url("");
    forge.ok(words(&url, &[&["-o", "rootfs.tar"][..], more].concat()))
}

fn the_tree_is_dpkgs() {
    let (forge, archive) = (forge(), bookworm());
    make(&forge, &archive.serve(), &["?essential", "--report", "report.json"]);
    // What dpkg-deb makes of the same packages, one over the other, base-files first.
    let report: Value = serde_json::from_slice(&forge.read("report.json")).unwrap();
    let packages = report["build"]["packages"].as_array().unwrap();
    let mut names: Vec<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let pool = archive.path().join("pool").display().to_string();
    let unpack = names.iter().map(|name| {
        let deb = format!("$(find {pool} -name '{name}_*_a*.deb')");
        format!(
            "dpkg-deb --fsys-tarfile {deb} | tar -xp --numeric-owner --keep-directory-symlink -C theirs\n"
        )
    });
    let merged = "mkdir -p theirs ours; for d in bin sbin lib lib32 lib64 libx32; do mkdir -p theirs/usr/$d; ln -s usr/$d theirs/$d; done\n";
    forge.sh(&format!("{merged}{}", unpack.collect::<String>()));
    forge.sh("tar -xpf rootfs.tar --numeric-owner -C ours; rm -r ours/var/lib/dpkg; mkdir -p theirs/var/lib; rm -rf theirs/var/lib/dpkg");
    let list = "find . -printf '%P %y %m %U:%G %l\\n' | LC_ALL=C sort";
    forge
        .sh(&format!("diff <(cd ours; {list}) <(cd theirs; {list}) && diff -r --no-dereference ours theirs"));
    names.sort_unstable();
    assert_eq!(names, ESSENTIAL);
}

fn dpkg_reads_the_database() {
    let (forge, archive) = (forge(), bookworm());
    make(&forge, &archive.serve(), &["?essential", "tzdata", "demo"]);
    forge.sh("mkdir root; tar -xpf rootfs.tar -C root");
    let audit = forge.sh("dpkg --root=$PWD/root --audit").stdout();
    assert!(audit.contains("unpacked but not yet configured") && audit.contains("base-files"), "{audit}");
    assert!(!audit.contains("missing"), "{audit}");
    assert_eq!(forge.sh("dpkg --root=$PWD/root --verify").stdout(), "");
    let states = forge.sh("dpkg-query --admindir=root/var/lib/dpkg -W -f '${Status} ${Package}\\n'").stdout();
    assert!(states.lines().all(|line| line.starts_with("install ok unpacked")), "{states}");
    let files = forge.sh("dpkg --root=$PWD/root -L dash").stdout();
    assert!(files.starts_with("/.\n"), "{files}");
    forge.sh("dpkg --root=$PWD/root -S /etc/bash.bashrc || dpkg --root=$PWD/root -S bash");
    let conffiles =
        forge.sh("dpkg-query --admindir=root/var/lib/dpkg -W -f '${Conffiles}' base-files").stdout();
    let line = conffiles.lines().find(|line| line.contains('/')).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let sum = forge.sh(&format!("md5sum root{}", words[0])).stdout();
    assert!(sum.starts_with(words[1]), "{conffiles} {sum}");
    assert_eq!(forge.sh("cat root/var/lib/dpkg/arch").stdout(), "amd64\n");
}

fn left_out_paths() {
    let deb = Deb::new("documented", "1")
        .file("usr/bin/documented", "x", 0o755)
        .file("usr/share/doc/documented/README", "read", 0o644)
        .conffile("/etc/documented.conf", "a")
        .conffile("/etc/kept.conf", "b");
    let archive = Archive::new(&[Suite::debian("bookworm").with([deb])]);
    let forge = forge();
    let leave = ["--exclude-path", "usr/share/doc/**", "--exclude-path", "etc/documented.conf"];
    make(&forge, &archive.serve(), &[&["documented"][..], &leave].concat());
    forge.sh("mkdir root; tar -xpf rootfs.tar -C root");
    assert_eq!(forge.sh("dpkg --root=$PWD/root --verify").stdout(), "");
    for file in ["info/documented.list", "info/documented.md5sums", "status"] {
        let text = String::from_utf8(forge.read(format!("root/var/lib/dpkg/{file}"))).unwrap();
        assert!(!text.contains("README") && !text.contains("documented.conf"), "{file}: {text}");
    }
    let status = String::from_utf8(forge.read("root/var/lib/dpkg/status")).unwrap();
    assert!(status.contains("/etc/kept.conf"), "{status}");
}

fn same_bytes() {
    let archive = bookworm();
    let server = archive.serve();
    let url = server.url("");
    let all = words(&url, &["?essential", "tzdata", "demo", "-o", "rootfs.tar"]);
    let first = forge();
    first.ok(&all);
    let expected = first.read("rootfs.tar");
    for (name, value) in
        [("CTR_FORGE_JOBS", "1"), ("CTR_FORGE_JOBS", "4"), ("TZ", "Asia/Tokyo"), ("LC_ALL", "de_DE.UTF-8")]
    {
        let forge = forge().env(name, value);
        forge.ok(&all);
        assert!(forge.read("rootfs.tar") == expected, "{name}={value}");
    }
    // From the cache, under another umask, and from a lock.
    first.sh(&format!("umask 077; $FORGE {} --lock l.lock; cmp rootfs.tar rootfs.tar", quoted(&all)));
    assert!(first.read("rootfs.tar") == expected, "umask");
    first.ok(all.iter().chain(&["--lock", "l.lock"]));
    assert!(first.read("rootfs.tar") == expected, "lock");
    let other = prepared(Forge::for_other_user());
    other.sh("true");
    other.ok(&all);
    assert!(other.read("rootfs.tar") == expected, "another user");
    let dated = forge().env("SOURCE_DATE_EPOCH", "1000000000");
    dated.ok(&all);
    let newest = dated.sh("tar --full-time -tvf rootfs.tar | awk '{ print $4 }' | sort | tail -1").stdout();
    assert!(newest.trim() <= "2001-09-09", "{newest}");
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("'{word}' ")).collect()
}

fn repositories() {
    let archive = bookworm();
    let server = archive.serve();
    let url = server.url("");
    let forge = forge();
    let key = forge.path("key.gpg").display().to_string();
    let inline: String = debian::key()
        .public()
        .lines()
        .map(|line| if line.is_empty() { " .\n".into() } else { format!(" {line}\n") })
        .collect();
    let file = archive.file_url();
    for mirror in [
        format!("deb [signed-by={key}] {url} bookworm main contrib"),
        format!("Types: deb\nURIs: {url}\nSuites: bookworm\nComponents: main contrib\nSigned-By: {key}\n"),
        format!("Types: deb\nURIs: {url}\nSuites: bookworm\nComponents: main contrib\nSigned-By:\n{inline}"),
        format!("deb [signed-by={key}] {file} bookworm main contrib"),
    ] {
        let words =
            ["source", "debootstrap", "bookworm", "--variant", "extract", "hello", "-o", "rootfs.tar"];
        forge.ok(words.iter().chain(&["--apt-config", "no-apt", "--mirror", &mirror]));
    }
    let unsigned = Archive::new(&[Suite::debian("bookworm").with([Deb::new("mine", "1")]).keys([])]);
    let unsigned = unsigned.serve();
    let trusted = format!("deb [trusted=yes] {} bookworm main\n", unsigned.url(""));
    forge.write("mine.list", &trusted);
    for more in [["--repo", &trusted], ["--repo-file", "mine.list"]] {
        let output = make(&forge, &server, &[&["mine", "--report", "r.json"][..], &more].concat());
        output.says(&["used without a signature"]);
        assert!(String::from_utf8(forge.read("r.json")).unwrap().contains("\"how\": \"user\""));
    }
    make(&forge, &server, &["demo-extra", "--components", "main,contrib"]);
}

fn ubuntu() {
    let archive = Archive::new(&[Suite::ubuntu("noble").with(distribution("amd64"))]);
    let server = archive.serve();
    let forge = forge();
    let url = server.url("");
    let words = ["source", "debootstrap", "24.04", "--variant", "extract", "?essential", "-o", "rootfs.tar"];
    let mirror = ["--apt-config", "no-apt", "--mirror", &url, "--key", "key.gpg", "--report", "r.json"];
    forge.ok(words.iter().chain(&mirror));
    assert!(String::from_utf8(forge.read("r.json")).unwrap().contains("pkg:deb/ubuntu/dash@"));
}

/// `name version` of what a dry run prints.
#[track_caller]
fn chosen(forge: &Forge, server: &Server, more: &[&str]) -> Vec<String> {
    let url = server.url("");
    let output = forge.ok(words(&url, &[&["--dry-run"][..], more].concat()));
    let line = |line: &str| line.split('\t').take(2).collect::<Vec<_>>().join(" ");
    output.stdout().lines().map(line).collect()
}

fn versions_and_suites() {
    let tool = |version| Deb::new("tool", version);
    let backports = Suite::debian("bookworm-backports")
        .with([tool("3")])
        .field("NotAutomatic", "yes")
        .field("ButAutomaticUpgrades", "yes");
    let archive = Archive::new(&[
        Suite::debian("bookworm").with([tool("1")]),
        Suite::debian("bookworm-updates").with([tool("2")]),
        backports,
    ]);
    let server = archive.serve();
    let forge = forge();
    let line = |suite: &str| format!("deb {} {suite} main", server.url(""));
    let (updates, backports) = (line("bookworm-updates"), line("bookworm-backports"));
    let repos = ["--repo", &updates, "--repo", &backports];
    let choose = |word: &str| chosen(&forge, &server, &[&[word][..], &repos].concat());
    assert_eq!(choose("tool"), ["tool 2"]);
    assert_eq!(choose("tool=1"), ["tool 1"]);
    assert_eq!(choose("tool/bookworm-backports"), ["tool 3"]);
}

fn architectures() {
    let debs = distribution("arm64");
    let suite = Suite::debian("bookworm").with(debs).with(distribution("i386"));
    let archive = Archive::new(&[suite.architectures(&["arm64", "i386"])]);
    let server = archive.serve();
    let forge = forge();
    make(&forge, &server, &["libc6", "libc6:i386", "--arch", "arm64", "--foreign-arch", "i386"]);
    let names = forge.sh("tar -tf rootfs.tar").stdout();
    for name in ["var/lib/dpkg/info/libc6:arm64.list", "var/lib/dpkg/info/libc6:i386.list"] {
        assert!(names.contains(name), "{names}");
    }
    assert_eq!(forge.sh("tar -xOf rootfs.tar var/lib/dpkg/arch").stdout(), "arm64\ni386\n");
}

fn custom() {
    let forge = forge();
    let archive = bookworm();
    let server = archive.serve();
    let url = server.url("");
    forge
        .fails(11, words(&url, &["--variant", "custom", "base-files", "-o", "rootfs.tar"]))
        .says(&["postinst", "--scripts skip"]);
    assert!(!forge.path("rootfs.tar").exists());
    forge.ok(words(
        &url,
        &["--variant", "custom", "base-files", "hello", "-o", "rootfs.tar", "--scripts", "skip"],
    ));
    let status = forge.sh("tar -xOf rootfs.tar var/lib/dpkg/status").stdout();
    let state = |name: &str| {
        let stanza = status.split("\n\n").find(|stanza| stanza.starts_with(&format!("Package: {name}\n")));
        stanza.unwrap().lines().find(|line| line.starts_with("Status")).unwrap().to_owned()
    };
    assert_eq!(state("hello"), "Status: install ok installed");
    assert_eq!(state("base-files"), "Status: install ok unpacked");
}

fn package_files() {
    let archive = bookworm();
    let server = archive.serve();
    let forge = forge();
    let mine = |content: &str| Deb::new("mine", "1").depends("hello").file("mine", content, 0o644).build();
    forge.write("mine.deb", mine("one"));
    make(&forge, &server, &["./mine.deb", "--lock", "l.lock"]);
    let names = forge.sh("tar -tf rootfs.tar").stdout();
    assert!(names.contains("\nmine\n") && names.contains("usr/bin/hello"), "{names}");
    make(&forge, &server, &["./mine.deb", "--lock", "l.lock"]);
    forge.write("mine.deb", mine("two"));
    let url = server.url("");
    forge
        .fails(4, words(&url, &["./mine.deb", "--lock", "l.lock", "-o", "other.tar"]))
        .says(&["the lock names a package file of mine 1", "Delete the lock"]);
    forge.write("more.deb", Deb::new("more", "1").build());
    let both = words(&url, &["./mine.deb", "./more.deb", "--lock", "l.lock", "-o", "other.tar"]);
    assert_ne!(forge.run(both).code, 0);
    assert!(!forge.path("other.tar").exists());
}

fn report_and_dry_run() {
    let copyright = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
                     Files: *\nCopyright: somebody\nLicense: MIT\n";
    let deb = Deb::new("tool", "1:2.0+x")
        .file("usr/share/doc/tool/copyright", copyright, 0o644)
        .script("postinst", "#!/bin/sh\n");
    let archive = Archive::new(&[Suite::debian("bookworm").with([deb])]);
    let server = archive.serve();
    let forge = forge();
    let url = server.url("");
    let dry = forge.ok(words(&url, &["tool", "--dry-run", "-o", "rootfs.tar", "--report", "dry.json"]));
    assert_eq!(dry.stdout(), "tool\t1:2.0+x\tamd64\n");
    assert!(!forge.path("rootfs.tar").exists());
    let output = make(&forge, &server, &["tool", "--report", "report.json"]);
    assert_eq!(output.stdout(), "");
    let warnings: Vec<_> = output.stderr.lines().filter(|line| line.starts_with("warning")).collect();
    assert_eq!(warnings.len(), 1, "{}", output.stderr);
    assert!(warnings[0].contains("1 script was not run, of tool"), "{warnings:?}");
    let report: Value = serde_json::from_slice(&forge.read("report.json")).unwrap();
    let build = &report["build"];
    let tool = &build["packages"][0];
    assert_eq!(tool["purl"], "pkg:deb/debian/tool@1:2.0%2Bx?arch=amd64&distro=bookworm");
    assert_eq!(tool["licences"], serde_json::json!(["MIT"]));
    assert_eq!(tool["checked-by"], "host");
    assert!(tool["url"].as_str().unwrap().starts_with(url.trim_end_matches('/')), "{tool}");
    assert_eq!(build["scripts"][0]["script"], "postinst");
    assert_eq!(build["scripts"][0]["outcome"], "skipped");
    let trust = build["trust"].as_array().unwrap();
    assert!(trust.len() == 2 && trust.iter().all(|link| link["checked-by"] == "host"), "{trust:?}");
    assert_eq!(trust[0]["signers"][0], debian::key().fingerprint());
    assert_eq!(trust[1]["listed-in"], trust[0]["subject"]);
}

fn an_image_of_it() {
    let archive = bookworm();
    let server = archive.serve();
    let forge = forge();
    let url = server.url("");
    let source = quoted(&words(&url, &["hello"]));
    forge.sh(&format!("$FORGE {source} | $FORGE output oci - -o image --tag mini:1 --cmd '[\"/bin/sh\"]'"));
    assert!(forge.path("image/index.json").exists());
}

fn two_at_once() {
    let archive = bookworm();
    let server = archive.serve();
    let forge = forge();
    let url = server.url("");
    let command = |name: &'static str| {
        let mut command = forge.command(words(&url, &["?essential", "-o", name]));
        command.stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let mut running = ["a.tar", "b.tar", "c.tar"].map(command);
    for child in &mut running {
        assert!(child.wait().unwrap().success());
    }
    forge.sh("cmp a.tar b.tar; cmp a.tar c.tar");
}
