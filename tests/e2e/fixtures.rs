//! The fixtures are what they say: Debian's own tools take those that are good and refuse the others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ctr_forge_tests::archive::{Member, archive};
use ctr_forge_tests::deb::ar;
use ctr_forge_tests::debian::{self, Damage, Hash, Signed};
use ctr_forge_tests::distribution::{ESSENTIAL, distribution};
use ctr_forge_tests::openpgp::keyring;
use ctr_forge_tests::server::Fault;
use ctr_forge_tests::{Archive, Compression, Deb, Forge, Key, Need, Output, Server, Suite, Test};

const DPKG: &[Need] = &[Need::Tool("dpkg-deb")];
const APT: &[Need] = &[Need::Tool("apt-get"), Need::Tool("gpgv")];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "fixtures::dpkg_takes_packages", needs: DPKG, run: dpkg_takes_packages },
    Test { name: "fixtures::dpkg_refuses_damage", needs: DPKG, run: dpkg_refuses_damage },
    Test { name: "fixtures::bombs_are_small", needs: DPKG, run: bombs_are_small },
    Test { name: "fixtures::apt_takes_archives", needs: APT, run: apt_takes_archives },
    Test { name: "fixtures::apt_refuses_signatures", needs: APT, run: apt_refuses_signatures },
    Test { name: "fixtures::apt_refuses_damage", needs: APT, run: apt_refuses_damage },
    Test { name: "fixtures::apt_resolves_the_distribution", needs: APT, run: apt_resolves_the_distribution },
    Test { name: "fixtures::archives_are_the_same", needs: &[], run: archives_are_the_same },
    Test { name: "fixtures::the_server_serves", needs: &[], run: the_server_serves },
    Test { name: "fixtures::the_server_fails", needs: &[], run: the_server_fails },
    Test { name: "fixtures::the_server_ends", needs: &[], run: the_server_ends },
];

fn hello() -> Deb {
    let long = format!("usr/share/doc/hello/{}", "long".repeat(30));
    Deb::new("hello", "1:1.0+x~1")
        .depends("libc6 (>= 2.3)")
        .file("usr/bin/hello", "hello", 0o4755)
        .owner((0, "root"), (42, "shadow"))
        .symlink("usr/bin/hi", "hello")
        .hardlink("usr/bin/hullo", "usr/bin/hello")
        .file(&long, "long", 0o644)
        .symlink("usr/bin/long", &format!("../../{long}"))
        .dir("var/lib/hello", 0o1777)
        .conffile("/etc/hello.conf", "a = b\n")
        .script("postinst", "#!/bin/sh\nexit 0\n")
}

fn dpkg_takes_packages() {
    let forge = Forge::new();
    for compression in Compression::ALL {
        forge.write("hello.deb", hello().compression(*compression).build());
        let shown =
            forge.sh("dpkg-deb -I hello.deb; dpkg-deb -f hello.deb Version; dpkg-deb -c hello.deb").stdout();
        for line in ["./var/lib/hello/", "/etc/hello.conf", "postinst", "1:1.0+x~1", "drwxrwxrwt root/root"] {
            assert!(shown.contains(line), "{compression:?}: {shown}");
        }
        assert!(shown.contains("-rwsr-xr-x root/shadow"), "{shown}");
        forge.sh("rm -rf root; dpkg-deb -x hello.deb root; cat root/usr/bin/hi root/usr/bin/hullo root/usr/bin/long");
        forge.sh(
            "mkdir root/c; dpkg-deb -e hello.deb root/c; cd root; md5sum --check c/md5sums; cat c/conffiles",
        );
        assert_eq!(forge.names("root/usr/bin"), ["hello", "hi", "hullo", "long"]);
    }
}

fn dpkg_refuses_damage() {
    let whole = hello().build();
    let mut members = hello().members();
    members.swap(1, 2);
    let not_a_tar = hello().data_tar("not a tar".repeat(100)).build();
    for bad in [whole[..whole.len() - 20].to_vec(), ar(&members), not_a_tar] {
        let forge = Forge::new();
        forge.write("bad.deb", bad);
        assert_ne!(forge.sh_any("dpkg-deb -x bad.deb root").code, 0);
    }
    let escape = Deb::new("escape", "1").member(Member::file("../../escaped", "")).build();
    let forge = Forge::new();
    forge.write("escape.deb", escape);
    assert!(forge.sh("dpkg-deb -c escape.deb").stdout().contains("../../escaped"));
    let tar = archive(&[Member::link("./a", b'2', "/etc"), Member::file("./a/passwd", "")]);
    forge.write("link.deb", Deb::new("link", "1").data_tar(tar).build());
    assert!(forge.sh("dpkg-deb -c link.deb").stdout().contains("./a -> /etc"));
}

fn bombs_are_small() {
    let forge = Forge::new();
    let bomb = Deb::new("bomb", "1").compression(Compression::Zstd);
    let bombs = [("fsys", bomb.clone().data_bomb(1 << 30)), ("ctrl", bomb.control_bomb(1 << 30))];
    for (part, deb) in bombs {
        let bytes = deb.build();
        assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
        forge.write("bomb.deb", bytes);
        let listed = forge.sh(&format!("dpkg-deb --{part}-tarfile bomb.deb | tar -tv")).stdout();
        assert!(listed.contains("1073741824"), "{part}: {listed}");
    }
}

/// A root for apt to work in, that uses these suites of this server.
fn apt(server: &Server, key: &[u8], suites: &[&str]) -> Forge {
    let forge = Forge::new().env("APT_CONFIG", "apt.conf");
    let root = forge.directory().display().to_string();
    let name = if key.starts_with(b"-----") { "key.asc" } else { "key.gpg" };
    forge.write(name, key);
    forge.write("status", "");
    let line = |suite: &&str| format!("deb [signed-by={root}/{name}] {} {suite} main\n", server.url(""));
    forge.write("etc/apt/sources.list", suites.iter().map(line).collect::<String>());
    for folder in ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial"] {
        std::fs::create_dir_all(forge.path(folder)).unwrap();
    }
    let settings = [
        ("Dir", root.as_str()),
        ("Dir::State::status", &format!("{root}/status")),
        ("APT::Architecture", "amd64"),
        ("APT::Sandbox::User", "root"),
        ("pkgCacheGen::ForceEssential", ","),
        ("Acquire::Languages", "none"),
        ("Acquire::Retries", "0"),
        ("Acquire::http::Timeout", "5"),
    ];
    let settings = settings.map(|(name, value)| format!("{name} \"{value}\";\n")).concat();
    forge.write("apt.conf", format!("{settings}APT::Architectures {{ \"amd64\"; }};\n"));
    forge
}

/// Updates and downloads `hello`.
fn try_apt(server: &Server, key: &[u8], suite: &str) -> Output {
    let forge = apt(server, key, &[suite]);
    forge.sh_any("apt-get update --error-on=any && apt-get download hello && dpkg-deb -I hello_*.deb")
}

fn suite() -> Suite {
    Suite::debian("bookworm").with([hello()])
}

fn apt_takes_archives() {
    let public = |key: Key| keyring(&[key]);
    let one = || public(debian::key());
    let several = [Key::new("unknown"), debian::key(), Key::rsa()];
    let other = Key::new("other");
    let cases = [
        (suite().signed(Signed::Inline), one()),
        (suite().signed(Signed::Detached), debian::key().public().into()),
        (suite().hashes(&[Hash::Sha512]).forms(&[Compression::Xz]), one()),
        (suite().keys(several.clone()), one()),
        (suite().keys(several).signed(Signed::Detached), one()),
        (suite().keys([Key::rsa()]), public(Key::rsa())),
        (suite().keys([other.clone().with_subkey()]), public(other.clone().with_subkey())),
        (suite().keys([other.clone()]), public(other.expires(u32::MAX))),
        (suite().index_of_all().with([Deb::new("all", "1").arch("all")]), one()),
        (suite().damage(Damage::Stale), one()),
    ];
    for (number, (suite, key)) in cases.into_iter().enumerate() {
        let archive = Archive::new(&[suite]);
        let server = archive.serve();
        let output = try_apt(&server, &key, "bookworm");
        assert_eq!(output.code, 0, "{number}: {}", output.stderr);
        assert_eq!(server.count("/pool/main/h/hello/hello_1.0+x~1_amd64.deb"), 1);
        assert_eq!((server.count("*/by-hash/*") > 0, server.count("*/Packages*")), (true, 0), "{number}");
    }
    let archive = Archive::new(&[suite().by_hash(false).valid_until(u32::MAX)]);
    let server = archive.serve();
    try_apt(&server, &one(), "bookworm").expect_code(0);
    assert_eq!((server.count("*/by-hash/*"), server.count("*/Packages*")), (0, 1));
    let ubuntu = Archive::new(&[Suite::ubuntu("noble").with([hello()]).field("NotAutomatic", "yes")]);
    try_apt(&ubuntu.serve(), &one(), "noble").expect_code(0);
}

fn apt_refuses_signatures() {
    let key = debian::key;
    let other = Key::new("other");
    let cases = [
        ("unsigned", suite().keys([]), key(), "is not signed"),
        ("unknown", suite().keys([other]), key(), "NO_PUBKEY"),
        ("spoiled", suite().keys([key().spoiled()]), key(), "BADSIG"),
        ("spoiled", suite().keys([key().spoiled()]).signed(Signed::Detached), key(), "BADSIG"),
        ("expired", suite(), key().expires(1_600_000_000), "EXPKEYSIG"),
        ("revoked", suite(), key().revoked(), "REVKEYSIG"),
        ("sha1", suite().keys([Key::rsa().sha1()]), Key::rsa(), "not signed"),
        ("valid until", suite().valid_until(debian::DATE + 86_400), key(), "is expired"),
        ("future", suite().date(u32::MAX - 1), key(), "not valid yet"),
    ];
    for (what, suite, key, words) in cases {
        let archive = Archive::new(&[suite]);
        let output = try_apt(&archive.serve(), &keyring(&[key]), "bookworm");
        assert_ne!(output.code, 0, "{what}");
        assert!(output.stderr.contains(words), "{what}: {}", output.stderr);
    }
}

fn apt_refuses_damage() {
    let no = |damage| Suite::debian("bookworm").with([hello()]).by_hash(false).damage(damage);
    let with = |deb| Suite::debian("bookworm").with([deb]);
    let zeros = "0".repeat(64);
    let cases = [
        (no(Damage::Stale), "unexpected size"),
        (no(Damage::Corrupt), "Hash Sum mismatch"),
        (no(Damage::Truncated), "unexpected size"),
        (no(Damage::Missing), "404"),
        (suite().damage(Damage::Corrupt), "Hash Sum mismatch"),
        (suite().hashes(&[Hash::Md5]), "No Hash entry"),
        (with(hello().missing()), "404"),
        (with(hello().claims("SHA256", &zeros)), "Hash Sum mismatch"),
        (with(hello().claims("Size", "5")), "unexpected size"),
    ];
    for (number, (suite, words)) in cases.into_iter().enumerate() {
        let archive = Archive::new(&[suite]);
        let output = try_apt(&archive.serve(), &keyring(&[debian::key()]), "bookworm");
        assert_ne!(output.code, 0, "{number}");
        assert!(output.stderr.contains(words), "{number}: {}", output.stderr);
    }
}

fn apt_resolves_the_distribution() {
    for suite in [Suite::debian("bookworm"), Suite::ubuntu("bookworm")] {
        let archive = Archive::new(&[suite.with(distribution("amd64"))]);
        let server = archive.serve();
        let forge = apt(&server, &keyring(&[debian::key()]), &["bookworm"]);
        forge.sh("apt-get update --error-on=any");
        let installs = |packages: &str| -> Vec<String> {
            let output =
                forge.sh(&format!("apt-get install --simulate --no-install-recommends {packages}")).stdout();
            let names = output.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
            let mut names: Vec<_> = names.map(str::to_owned).collect();
            names.sort();
            names
        };
        let essential = installs("'?essential'");
        assert_eq!(essential, ESSENTIAL);
        assert!(installs("demo").contains(&"perl-base".into()));
        assert!(installs("bsd-mailx").contains(&"exim4-daemon-light".into()));
        assert!(installs("apt tzdata").contains(&"gpgv".into()));
        assert_ne!(forge.sh_any("apt-get install -s hello hello-traditional").code, 0);
        assert!(forge.sh_any("apt-get install -s demo-unmet").stdout().contains("unmet dependencies"));
        assert!(forge.sh("apt-cache policy libdemo1 demo").stdout().contains("Candidate: 1:1.0-2"));
        let all = forge.sh("apt-get download $(apt-cache pkgnames | grep -vx -e awk -e 'perlapi.*')");
        forge.sh("for deb in *.deb; do dpkg-deb -I $deb; dpkg-deb -x $deb root-$deb; done");
        assert_eq!(all.code, 0);
    }
}

fn archives_are_the_same() {
    let make = || {
        let suites = [
            suite().keys([Key::rsa(), debian::key().with_subkey()]),
            Suite::ubuntu("noble").with([Deb::new("a", "1")]),
        ];
        let archive = Archive::new(&suites);
        let forge = Forge::new();
        let list = format!("cd {} && find . -type f -exec sha256sum {{}} + | sort", archive.path().display());
        forge.sh(&list).stdout()
    };
    let first = make();
    assert!(first.lines().count() > 20, "{first}");
    assert_eq!(first, make());
    assert_eq!(Key::new("a").fingerprint(), Key::new("a").fingerprint());
    assert_ne!(Key::new("a").fingerprint(), Key::new("b").fingerprint());
}

/// Sends these requests on one connection; everything that comes until it ends.
fn talk(server: &Server, requests: &[&str]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for request in requests {
        stream.write_all(request.replace('\n', "\r\n").as_bytes()).unwrap();
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).replace('\r', "")
}

const CLOSE: &str = "Host: a\nConnection: close\n\n";

fn folder() -> (Forge, Server) {
    let forge = Forge::new();
    forge.write("a/b+c", "0123456789");
    let server = Server::new(forge.directory());
    (forge, server)
}

fn the_server_serves() {
    let (_forge, server) = folder();
    let get = |path: &str, more: &str| talk(&server, &[&format!("GET {path} HTTP/1.1\n{more}{CLOSE}")]);
    let whole = get("/a/b%2bc", "");
    assert!(whole.starts_with("HTTP/1.1 200 OK\nContent-Length: 10\n") && whole.ends_with("\n\n0123456789"));
    for (range, content) in [("2-3", "23"), ("8-", "89"), ("-1", "9"), ("8-99", "89")] {
        let part = get("/a/b+c", &format!("Range: bytes={range}\n"));
        assert!(part.contains(" 206 ") && part.ends_with(&format!("\n\n{content}")), "{part}");
    }
    assert!(get("/a/b+c", "Range: bytes=10-\n").contains("416 Range Not Satisfiable"));
    for name in ["ETag", "Last-Modified"] {
        let value = whole.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
        let header = if name == "ETag" { "If-None-Match" } else { "If-Modified-Since" };
        assert!(get("/a/b+c", &format!("{header}: {value}\n")).contains("304 Not Modified"));
        let part = get("/a/b+c", &format!("Range: bytes=1-2\nIf-Range: {value}\n"));
        assert!(part.ends_with("\n\n12"), "{part}");
    }
    assert!(get("/a/b+c", "Range: bytes=1-2\nIf-Range: \"x\"\n").ends_with("\n\n0123456789"));
    for path in ["/a", "/none", "/../../etc/passwd", "//etc/passwd", "/a/../../../etc/passwd"] {
        assert!(get(path, "").contains("404"), "{path}");
    }
    server.forget();
    let request = "GET http://elsewhere.example.org/a/b+c HTTP/1.1\n\n";
    let head = format!("HEAD /a/b+c?x HTTP/1.1\nX-Y: z\n{CLOSE}");
    let both = talk(&server, &[request, &head]);
    assert_eq!((both.matches(" 200 OK").count(), both.matches("0123456789").count()), (2, 1), "{both}");
    let requests = server.requests();
    assert_eq!((requests.len(), server.count("/a/*")), (2, 2));
    assert_eq!(requests[0].proxied_for.as_deref(), Some("elsewhere.example.org"));
    assert_eq!((requests[1].method.as_str(), requests[1].header("x-y")), ("HEAD", Some("z")));
}

fn the_server_fails() {
    let (_forge, server) = folder();
    let get = |more: &str| talk(&server, &[&format!("GET /a/b+c HTTP/1.1\n{more}{CLOSE}")]);
    let with = |fault: Fault| {
        server.heal();
        server.fault("*b+c", fault);
        get("")
    };
    server.fault_times(2, "*/b*", Fault::Status(503));
    assert!(get("").contains(" 503 ") && get("").contains(" 503 ") && get("").contains(" 200 "));
    server.fault("/other/*", Fault::Status(500));
    assert!(get("").contains(" 200 "));
    let cut = with(Fault::Cut(3));
    assert!(cut.contains("Content-Length: 10\n") && cut.ends_with("\n\n012"), "{cut}");
    let short = with(Fault::Truncate(3));
    assert!(short.contains("Content-Length: 3\n") && short.ends_with("\n\n012"), "{short}");
    let wrong = with(Fault::Length(99));
    assert!(wrong.contains("Content-Length: 99\n") && wrong.ends_with("\n\n0123456789"), "{wrong}");
    assert!(with(Fault::Redirect("/c".into())).contains(" 302 Found\nContent-Length: 4\nLocation: /c\n"));
    assert!(with(Fault::Body("xyz".into())).ends_with("\n\nxyz"));
    assert_eq!(with(Fault::HangUp), "");
    assert!(with(Fault::IgnoreRange).contains(" 200 "));
    assert!(get("Range: bytes=2-3\n").ends_with("\n\n0123456789"));
    assert!(with(Fault::Auth("Aladdin".into(), "open sesame".into())).contains(" 401 "));
    // The example of RFC 7617, 2.
    assert!(get("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\n").contains(" 200 "));
    let start = Instant::now();
    assert!(with(Fault::Slow(40)).ends_with("\n\n0123456789"));
    assert!(start.elapsed() > Duration::from_millis(200));
}

fn the_server_ends() {
    let (_forge, server) = folder();
    server.fault("*", Fault::Silent);
    let mut silent = TcpStream::connect(server.address()).unwrap();
    let mut idle = TcpStream::connect(server.address()).unwrap();
    write!(silent, "GET / HTTP/1.1\r\n\r\n").unwrap();
    while server.requests().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(server.requests()[0].status, 0);
    let (start, address) = (Instant::now(), server.address());
    drop(server);
    assert!(start.elapsed() < Duration::from_secs(1));
    for stream in [&mut silent, &mut idle] {
        assert_eq!(stream.read(&mut [0; 10]).unwrap_or(0), 0);
    }
    assert!(TcpStream::connect(address).is_err());
}
