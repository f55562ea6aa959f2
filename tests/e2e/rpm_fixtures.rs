//! The fixtures of RPM are what they say: rpm and dnf take those that are good and refuse the others.

use ctr_forge_tests::rpm::distro::{PROFILE, distro};
use ctr_forge_tests::rpm::host_dnf::{dnf, rpm};
use ctr_forge_tests::rpm::metalink::metalink;
use ctr_forge_tests::rpm::{Moment, Repository, parts, signer};
use ctr_forge_tests::{Compression, Forge, Key, Need, Rpm, Server, Test};

const BUILD: &[Need] =
    &[Need::Tool("rpmbuild"), Need::Tool("rpmsign"), Need::Tool("createrepo_c"), Need::Tool("gpgconf")];
const READ: &[Need] = &[
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpgconf"),
    Need::Tool("bsdtar"),
];
const DNF: &[Need] = &[
    Need::Root,
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpgconf"),
    Need::Tool("dnf"),
    Need::Tool("busybox"),
];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "rpm_fixtures::rpm_takes_packages", needs: READ, run: rpm_takes_packages },
    Test { name: "rpm_fixtures::rpm_refuses_damage", needs: BUILD, run: rpm_refuses_damage },
    Test { name: "rpm_fixtures::repositories_are_the_same", needs: BUILD, run: repositories_are_the_same },
    Test { name: "rpm_fixtures::dnf_takes_metadata_of_all_forms", needs: DNF, run: dnf_takes_metadata },
    Test { name: "rpm_fixtures::dnf_installs_the_distribution", needs: DNF, run: dnf_installs },
];

fn hello() -> Rpm {
    Rpm::new("hello", "1:1.0~rc1-1.fc42")
        .field("Vendor", "100% nobody")
        .requires("(a if b), c >= 2:1.0")
        .field("Requires(pre)", "d")
        .obsoletes("hallo < 2")
        .file("usr/bin/hello", "#!/bin/sh\n", 0o4755)
        .owner("root", "mail")
        .marked("%caps(cap_net_raw=ep)")
        .hardlink("usr/bin/hullo", "usr/bin/hello")
        .symlink("usr/bin/[", "hello")
        .dir("var/lib/hello", 0o1777)
        .config("etc/hello.conf", "100%\n")
        .ghost("etc/hello.ghost", 0o600)
        .doc("usr/share/doc/hello/README", "read\n")
        .file("usr/share/locale/de/hello.mo", "de\n", 0o644)
        .marked("%lang(de)")
        .script("post", "echo 100% %{name}\n")
        .lua("pretrans", "print('lua')\n")
        .section("transfiletriggerin", "-P 2000000 -- /usr/lib /lib", "cat\n")
        .section("triggerin", "-- bash > 5", "true\n")
}

/// A directory with these packages in `repo`, and rpm's macros for it.
fn written(repository: Repository) -> Forge {
    let forge = Forge::new().env("RPM_FORCE_DEBIAN", "1");
    repository.write(&forge.path("repo"));
    forge.write("key.asc", signer().public());
    forge
        .write(".rpmmacros", format!("%_dbpath {}/db\n%_pkgverify_level all\n", forge.directory().display()));
    forge.sh("rpmkeys --import key.asc");
    forge
}

fn rpm_takes_packages() {
    let payloads = ["w3.zstdio", "w2.xzdio", "w9.gzdio", "w9.bzdio", "w2.lzdio", "w.ufdio"];
    let rpms = payloads.iter().enumerate().map(|(number, payload)| {
        let arch = if number % 2 == 0 { "noarch" } else { "aarch64" };
        hello().arch(arch).field("Summary", payload).payload(payload)
    });
    // Of one name there is one file.
    for rpm in rpms {
        let file = format!("repo/Packages/h/{}", rpm.filename());
        let forge = written(Repository::new([rpm]));
        forge.sh(&format!("rpmkeys -K {file} | grep -q 'digests signatures OK'"));
        let query = "%{NEVRA} %{VENDOR} %{BUILDHOST}\\n[%{FILENAMES} %{FILEMODES:perms} %{FILEGROUPNAME} %{FILECAPS}\\n]";
        let shown = forge.sh(&format!(
            "rpm -qp --qf '{query}' {file}; rpm -qp --requires --scripts --triggers \
             --filetriggers --configfiles --docfiles {file}; rpm2cpio {file} | bsdtar -tf -"
        ));
        let shown = shown.stdout();
        for line in [
            "hello-1:1.0~rc1-1.fc42.",
            " 100% nobody test.example.org",
            "/usr/bin/hello -rwsr-xr-x mail cap_net_raw=ep",
            "/var/lib/hello drwxrwxrwt root",
            "/usr/bin/[ lrwxrwxrwx",
            "(a if b)",
            "echo 100% %{name}",
            "using <lua>",
            "/etc/hello.conf",
            "./usr/bin/hullo",
        ] {
            assert!(shown.contains(line), "{line} is not in {shown}");
        }
        assert!(!shown.contains("./etc/hello.ghost"), "{shown}");
    }
}

fn rpm_refuses_damage() {
    let rpms = |name: &str| Rpm::new(name, "1-1").file(&format!("usr/share/{name}"), "x".repeat(5000), 0o644);
    let repository = Repository::new([
        rpms("good"),
        rpms("unsigned").unsigned(),
        rpms("foreign").signed_by(Key::new("somebody else")),
        rpms("header"),
        rpms("payload"),
        rpms("short"),
    ])
    .change(Moment::Early, "*/header-*", |package| parts::tamper_header(package))
    .change(Moment::Late, "*/payload-*", |package| parts::tamper_payload(package))
    .change(Moment::Late, "*/short-*", parts::truncate);
    let forge = written(repository);
    let check = |name: &str| forge.sh_any(&format!("rpmkeys -K repo/Packages/*/{name}-1-1.noarch.rpm"));
    assert_eq!(check("good").code, 0);
    for name in ["unsigned", "foreign", "header", "payload", "short"] {
        assert_ne!(check(name).code, 0, "{name}");
    }
}

fn repositories_are_the_same() {
    let forge = Forge::new();
    for folder in ["one", "two"] {
        let repository = Repository::new([hello(), Rpm::new("other", "1-1")]).comps("<comps/>\n");
        repository.metadata("modules", "---\n").write(&forge.path(folder));
    }
    forge.sh("diff -r one two; grep -q modules one/repodata/repomd.xml");
    // What the distribution is made of is built once; only the first test to ask waits.
    let start = std::time::Instant::now();
    distro().write(&forge.path("three"));
    let first = start.elapsed();
    distro().write(&forge.path("four"));
    assert!(start.elapsed() - first < std::time::Duration::from_secs(3));
    forge.sh("diff -r three four; test $(find three -name '*.rpm' | wc -l) -gt 290");
}

fn dnf_takes_metadata() {
    let hello = || Rpm::new("hello", "1-1").file("usr/share/hello", "x", 0o644);
    let plain = || Repository::new([hello()]);
    let repositories = [
        plain().compression(Compression::Xz),
        plain().compression(Compression::Bzip2),
        plain().compression(Compression::Zstd),
        plain().argument("--checksum=sha512"),
        plain().argument("--zck"),
        plain().argument("--database"),
    ];
    for (number, repository) in repositories.into_iter().enumerate() {
        let forge = Forge::new();
        repository.write(&forge.path("repo"));
        let server = Server::new(forge.path("repo"));
        let repomd = forge.read("repo/repodata/repomd.xml");
        let urls = [server.url("repodata/repomd.xml")];
        forge.write("repo/metalink", metalink(&urls, &repomd, [&b"older"[..]]));
        let url = match number {
            0 => format!("\nmetalink={}", server.url("metalink")),
            _ => server.url(""),
        };
        dnf(&forge, "root", &[url], &["install", "/usr/share/hello"]).expect_code(0);
        let names = rpm(&forge, "root", &["-qa", "--qf", "%{NAME}\n"]).stdout();
        assert!(names.contains("hello\n"), "{names}");
    }
}

fn dnf_installs() {
    let forge = Forge::new();
    distro().write(&forge.path("repo"));
    let server = Server::new(forge.path("repo"));
    let url = [server.url("")];
    let install = [&["install", "@everything"], PROFILE].concat();
    let output = dnf(&forge, "root", &url, &install).expect_code(0);
    let said = output.stdout() + &output.stderr;
    for word in ["arning", "rror", "ailed", "not found"] {
        assert!(!said.contains(word), "{said}");
    }
    let verified = rpm(&forge, "root", &["-Va"]);
    assert_eq!((verified.code, verified.stdout().as_str()), (0, ""), "{}", verified.stderr);
    for line in [
        "apache:x:48:48:Apache:/usr/share/httpd:/usr/sbin/nologin",
        "polkitd:x:114:114:User for polkitd:/:/usr/sbin/nologin",
    ] {
        let passwd = String::from_utf8(forge.read("root/etc/passwd")).unwrap();
        assert!(passwd.contains(line), "{passwd}");
    }
    forge.sh("chroot root /bin/sh -c 'ls -l /usr/bin/editor' | grep -q /etc/alternatives/editor");
    for (words, says) in [
        (&["install", "broken-needs-nothing-there"][..], "nothing provides nothing-there >= 3"),
        (&["install", "broken-conflict"], "conflict"),
        (&["install", "coreutils", "coreutils-single"], "conflicts with coreutils-single"),
    ] {
        let output = dnf(&forge, "other", &url, words).expect_code(1);
        assert!(output.stderr.contains(says), "{}", output.stderr);
    }
}
