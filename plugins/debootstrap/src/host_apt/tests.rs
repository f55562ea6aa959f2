//! Tests with the configuration of real images and mirrors that do not exist.

use super::*;
use crate::releases::find;

/// A folder like `/etc/apt` with these files.
fn apt(files: &[(&str, &str)]) -> (tempfile::TempDir, HostApt) {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let apt = HostApt::read(root.path());
    (root, apt)
}

/// `URL` or `URL via PROXY` for the release's main and security archive.
fn transports(apt: &HostApt, release: &str, arch: &str) -> [Vec<String>; 2] {
    let release = find(release).unwrap();
    let repositories = release.repositories(arch, &["main".to_owned()], None);
    let shown = |transport: Transport| match transport.proxy {
        Some(proxy) => format!("{} via {proxy}", transport.url),
        None => transport.url,
    };
    [0, 2].map(|index| {
        let found = repositories.get(index).map(|repository| apt.transports(repository, release));
        found.unwrap_or_default().into_iter().map(shown).collect()
    })
}

const NONE: [&str; 0] = [];

#[test]
fn the_file_of_debian_11() {
    let list = "deb http://mirror.example/debian bullseye main\n\
                deb-src http://mirror.example/src bullseye main\n\
                deb http://mirror.example/debian-security bullseye-security main\n\
                deb http://mirror.example/debian bullseye-updates main\n\
                deb http://other.example/debian bullseye-backports main\n";
    let (_root, apt) = apt(&[("sources.list", list)]);
    let main = ["http://mirror.example/debian", "http://other.example/debian"];
    for release in ["bullseye", "trixie", "forky"] {
        let found = transports(&apt, release, "amd64");
        assert_eq!(
            found,
            [main.map(str::to_owned).to_vec(), vec!["http://mirror.example/debian-security".to_owned()]]
        );
    }
    assert_eq!(transports(&apt, "sid", "amd64")[0], main);
    assert_eq!(transports(&apt, "noble", "amd64"), [NONE, NONE]);
    assert_eq!(apt.notes(), NONE);
}

#[test]
fn the_mirror_lists_of_debian_12_in_the_cloud() {
    let sources = "Types: deb deb-src\n\
                   URIs: mirror+file:///etc/apt/mirrors/debian.list\n\
                   Suites: bookworm bookworm-updates bookworm-backports\n\
                   Components: main\n\
                   \n\
                   Types: deb deb-src\n\
                   URIs: mirror+file:///etc/apt/mirrors/debian-security.list\n\
                   Suites: bookworm-security\n\
                   Components: main\n";
    let (_root, apt) = apt(&[
        ("sources.list", "# See /etc/apt/sources.list.d/debian.sources\n"),
        ("sources.list.d/debian.sources", sources),
        (
            "mirrors/debian.list",
            "# ours\nhttps://near.example/debian/\tpriority:1\nhttps://far.example/debian\n",
        ),
        ("mirrors/debian-security.list", "https://security.debian.org/debian-security\n"),
    ]);
    let [main, security] = transports(&apt, "bookworm", "arm64");
    assert_eq!(main, ["https://near.example/debian", "https://far.example/debian"]);
    assert_eq!(security, NONE, "the canonical place is no news");
}

#[test]
fn the_stanzas_of_debian_13_and_of_containers() {
    let stanza = |url: &str, suites: &str, keyring: &str| {
        format!("Types: deb\nURIs: {url}\nSuites: {suites}\nComponents: main\nSigned-By: {keyring}\n\n")
    };
    let keyring = "/usr/share/keyrings/debian-archive-keyring.pgp";
    let sources = stanza("http://cdn.example/debian", "trixie trixie-updates", keyring)
        + &stanza("http://cdn.example/debian-security", "trixie-security", keyring);
    let (_root, apt) = apt(&[("sources.list.d/debian.sources", &sources)]);
    let [main, security] = transports(&apt, "bookworm", "amd64");
    assert_eq!(main, ["http://cdn.example/debian"]);
    assert_eq!(security, ["http://cdn.example/debian-security"]);
}

#[test]
fn the_stanzas_of_ubuntu_24_04() {
    let stanza = |url: &str, suites: &str| {
        format!(
            "Types: deb\nURIs: {url}\nSuites: {suites}\nComponents: main universe restricted multiverse\n\
             Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n\n"
        )
    };
    let sources = stanza("http://mirror.example/ubuntu/", "noble noble-updates noble-backports")
        + &stanza("http://security.ubuntu.com/ubuntu/", "noble-security");
    let (_root, apt) = apt(&[("sources.list.d/ubuntu.sources", &sources)]);
    assert_eq!(transports(&apt, "noble", "amd64"), [vec!["http://mirror.example/ubuntu".to_owned()], vec![]]);
    assert_eq!(transports(&apt, "jammy", "arm64"), [NONE, NONE], "ports are elsewhere");
    assert_eq!(transports(&apt, "mantic", "amd64"), [NONE, NONE], "no mirror has old releases");
    assert_eq!(transports(&apt, "trixie", "amd64"), [NONE, NONE]);
}

#[test]
fn third_parties_are_no_mirrors() {
    let list = "deb https://packages.example/repos/code stable main\n\
                deb [signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example/debian bookworm main\n\
                deb [signed-by=0123456789012345678901234567890123456789] https://vendor.example/debian bookworm main\n\
                deb https://download.example/linux/debian bookworm stable\n\
                deb https://apt.example/repos/apt bookworm-pgdg main\n\
                deb http://raspbian.example/raspbian/ bookworm main contrib rpi\n\
                deb http://ppa.launchpadcontent.net/some/ppa/ubuntu noble main\n\
                deb http://packages.example/mint virginia main upstream\n\
                deb http://flat.example/ ./\n";
    let (_root, apt) = apt(&[("sources.list.d/vendors.list", list)]);
    assert_eq!(transports(&apt, "bookworm", "amd64"), [NONE, NONE]);
    assert_eq!(transports(&apt, "noble", "amd64"), [NONE, NONE]);
}

#[test]
fn mirrors_are_known_by_alias_key_and_old_security_suite() {
    let fingerprint = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8";
    let list = format!(
        "deb http://a.example/debian stable main\n\
         deb [signed-by={fingerprint}!] http://b.example/cache testing main\n\
         deb http://c.example/apt-proxy buster main\n\
         deb http://d.example/debian-security buster/updates main\n\
         deb file:/srv/mirror/debian sid main\n"
    );
    let (_root, apt) = apt(&[("sources.list", &list)]);
    let [main, security] = transports(&apt, "trixie", "amd64");
    let expected = [
        "http://a.example/debian",
        "http://b.example/cache",
        "http://c.example/apt-proxy",
        "file:///srv/mirror/debian",
    ];
    assert_eq!(main, expected);
    assert_eq!(security, ["http://d.example/debian-security"]);
}

#[test]
fn proxies() {
    let conf = "Acquire::http::Proxy \"http://proxy.example:3142/\";\n\
                Acquire::http::Proxy::direct.example \"DIRECT\";\n\
                Acquire::https { Proxy::special.example \"http://special-proxy.example\"; };\n";
    let list = "deb http://mirror.example:8080/debian trixie main\n\
                deb http://direct.example/debian trixie main\n\
                deb https://special.example/debian trixie main\n\
                deb http://ftp.debian.org/debian trixie main\n\
                deb file:/srv/debian trixie main\n";
    let (_root, apt) = apt(&[("apt.conf.d/02proxy", conf), ("sources.list", list)]);
    let expected = [
        "http://mirror.example:8080/debian via http://proxy.example:3142",
        "http://direct.example/debian",
        "https://special.example/debian via http://special-proxy.example",
        "http://ftp.debian.org/debian via http://proxy.example:3142",
        "file:///srv/debian",
        "https://ftp.debian.org/debian via http://proxy.example:3142",
    ];
    assert_eq!(transports(&apt, "trixie", "amd64")[0], expected);
    let mine = Repository::new("http://direct.example/x".into(), "trixie".into());
    assert_eq!(apt.transports(&mine, find("trixie").unwrap()), []);
    let snapshot = find("trixie").unwrap().repositories("amd64", &[], Some(&"2026-01-01".parse().unwrap()));
    assert_eq!(apt.transports(&snapshot[0], find("trixie").unwrap()).len(), 1, "a mirror has no snapshots");
}

#[test]
fn the_order_of_files_is_apts() {
    let proxy = |name: &str| format!("Acquire::http::Proxy \"http://{name}.example\";");
    let files = [
        ("apt.conf.d/10a", proxy("a")),
        ("apt.conf.d/20b.conf", proxy("b")),
        ("apt.conf.d/30c.bak", proxy("c")),
        ("apt.conf.d/40d~", proxy("d")),
    ];
    let mut files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let proxy_of = |files: &[(&str, &str)]| apt(files).1.proxy("http://mirror.example");
    assert_eq!(proxy_of(&files).as_deref(), Some("http://b.example"));
    files.push(("apt.conf", "Acquire::http::Proxy \"http://last.example\";"));
    assert_eq!(proxy_of(&files).as_deref(), Some("http://last.example"));
    files.push(("apt.conf", "#clear Acquire::http::Proxy;"));
    assert_eq!(proxy_of(&files), None);
    let lists = [
        ("sources.list.d/b.list", "deb http://b.example sid main"),
        ("sources.list.d/a.sources", "URIs: http://a.example\nSuites: sid\nComponents: main"),
        ("sources.list.d/c.list.disabled", "deb http://c.example sid main"),
        ("sources.list", "deb http://first.example sid main"),
    ];
    let found = transports(&apt(&lists).1, "sid", "amd64");
    assert_eq!(found[0], ["http://first.example", "http://a.example", "http://b.example"]);
}

#[test]
fn what_is_of_no_use_is_noted_and_hides_nothing_else() {
    let list = "nonsense\n\
                deb https://user:secret@private.example/debian trixie main\n\
                deb mirror+https://mirrors.example/list trixie main\n\
                deb http://mirror.example/debian trixie main\n";
    let (root, apt) = apt(&[
        ("sources.list", list),
        ("sources.list.d/binary.list", "\u{0}"),
        ("sources.list.d/folder.list/file", ""),
        ("auth.conf", "machine mirror.example login user password secret"),
        ("apt.conf.d/proxy", "Acquire::http::Proxy \"http://user:secret@proxy.example\";"),
    ]);
    assert_eq!(transports(&apt, "trixie", "amd64")[0], ["http://mirror.example/debian"]);
    let notes = apt.notes().join("\n").replace(&root.path().display().to_string(), "APT");
    assert!(notes.contains("APT/sources.list, line 1: unknown type \"nonsense\""), "{notes}");
    assert!(notes.contains("APT/sources.list, line 2: the URL names a user or password"), "{notes}");
    assert!(notes.contains("APT/sources.list, line 3: scheme \"mirror+https\" is not supported"), "{notes}");
    assert!(notes.contains("APT/sources.list.d/folder.list: not a regular file"), "{notes}");
    assert!(notes.contains("apt's acquire::http::proxy: the URL names a user or password"), "{notes}");
    assert!(!format!("{apt:?}").contains("secret"), "{apt:?}");
}

#[test]
fn a_host_without_apt_has_nothing_to_offer() {
    let apt = HostApt::read(Path::new("/nonexistent"));
    assert_eq!(transports(&apt, "trixie", "amd64"), [NONE, NONE]);
    assert_eq!(apt.notes(), NONE);
}
