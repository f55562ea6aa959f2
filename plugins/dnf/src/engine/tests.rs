use std::path::PathBuf;

use super::*;
use crate::places::Place;
use crate::repository::Variables;

struct World {
    packages: Vec<String>,
    exclude: Vec<String>,
    repositories: Vec<Repository>,
    variables: BTreeMap<String, String>,
    languages: Option<Vec<String>>,
}

impl World {
    fn new() -> Self {
        let updates = Repository {
            id: "updates".into(),
            metalink: Some("https://example.org/metalink?repo=updates-$releasever&arch=$basearch".into()),
            keys: vec![b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n".to_vec()],
            gpgcheck: true,
            priority: Some(10),
            exclude: vec!["kernel*".into(), "nano".into()],
            ..Repository::default()
        };
        let site = Repository {
            id: "site".into(),
            baseurls: vec!["https://example.org/a".into(), "https://example.org/b".into()],
            keys: vec![vec![0x99, 1, 2], b"text".to_vec()],
            repo_gpgcheck: true,
            more: vec![("username".into(), "me".into())],
            ..Repository::default()
        };
        Self {
            packages: vec!["bash".into(), "@core".into()],
            exclude: vec!["less".into(), "vim*".into()],
            repositories: vec![updates, site],
            variables: [("stream".to_owned(), "9-stream".to_owned())].into(),
            languages: None,
        }
    }

    fn task(&self) -> Task<'_> {
        Task {
            program: "/usr/bin/dnf",
            packages: &self.packages,
            exclude: &self.exclude,
            repositories: &self.repositories,
            release: "42",
            foreign_arch: None,
            variables: &self.variables,
            platform: None,
            weak_deps: false,
            docs: false,
            scripts: true,
            languages: self.languages.as_deref(),
            database: "/usr/lib/sysimage/rpm",
            epoch: 7,
            timeout: None,
        }
    }
}

fn file(tool: Tool, task: &Task<'_>, name: &str) -> String {
    let files = files::files(tool, task).unwrap();
    files.into_iter().find(|(path, _)| path.ends_with(name)).unwrap().1
}

#[test]
fn dnf_is_told_all_places() {
    let world = World::new();
    let params = params(Tool::Dnf4, &Task { foreign_arch: Some("aarch64"), ..world.task() }).unwrap();
    assert_eq!(
        params.argv[4..],
        [
            "/usr/bin/dnf",
            "--config=/tmp/engine/dnf.conf",
            "--installroot=/tmp/root",
            "--releasever=42",
            "--setopt=reposdir=/tmp/engine/repos.d",
            "--setopt=varsdir=/tmp/engine/vars",
            "--noplugins",
            "--assumeyes",
            "--forcearch=aarch64",
            "install",
            "bash",
            "@core",
        ]
    );
    assert_eq!(params.env["HOME"], "/tmp/engine/home");
    assert_eq!(params.env["SOURCE_DATE_EPOCH"], "7");
    assert!(params.network && params.view == View::Machine);
    assert!(params.covers.keys().all(|path| path.starts_with("/tmp/engine/")));
}

#[test]
fn a_configuration_says_what_was_asked_for() {
    let world = World::new();
    let text = file(Tool::Dnf4, &world.task(), "dnf.conf");
    for line in [
        "[main]",
        "plugins=0",
        "gpgcheck=1",
        "reposdir=/tmp/engine/repos.d",
        "cachedir=/.dnf/cache",
        "logdir=/.dnf/log",
        "best=1",
        "install_weak_deps=0",
        "skip_if_unavailable=0",
        "tsflags=nodocs",
        "excludepkgs=less,vim*",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
    let other =
        Task { docs: true, scripts: false, weak_deps: true, platform: Some("platform:el9"), ..world.task() };
    let text = file(Tool::Dnf4, &other, "dnf.conf");
    for line in ["install_weak_deps=1", "tsflags=noscripts", "module_platform_id=platform:el9"] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
    assert_eq!(file(Tool::Dnf4, &world.task(), "vars/stream"), "9-stream\n");
}

#[test]
fn repositories_have_their_own_keys() {
    let world = World::new();
    let text = file(Tool::Dnf4, &world.task(), "engine.repo");
    assert_eq!(
        text,
        "[updates]\nname=updates\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=0\nskip_if_unavailable=0\n\
         metalink=https://example.org/metalink?repo=updates-$releasever&arch=$basearch\n\
         gpgkey=file:///tmp/engine/keys/0-0.asc\npriority=10\nexcludepkgs=kernel*,nano\n\n\
         [site]\nname=site\nenabled=1\ngpgcheck=0\nrepo_gpgcheck=1\nskip_if_unavailable=0\n\
         baseurl=https://example.org/a https://example.org/b\n\
         gpgkey=file:///tmp/engine/keys/1-0.asc file:///tmp/engine/keys/1-1.asc\nusername=me\n\n"
    );
    // dnf5 has them in its configuration.
    assert!(file(Tool::Dnf5, &world.task(), "dnf.conf").ends_with(&text));
    assert_eq!(file(Tool::Dnf5, &world.task(), "engine.repo"), "");
}

#[test]
fn binary_keys_are_armoured() {
    let world = World::new();
    assert_eq!(
        file(Tool::Dnf4, &world.task(), "keys/1-0.asc"),
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQEC\n=SwwJ\n-----END PGP PUBLIC KEY BLOCK-----\n"
    );
    assert_eq!(file(Tool::Dnf4, &world.task(), "keys/1-1.asc"), "text");
}

#[test]
fn rpm_is_told_where_its_database_is_and_which_files_are_wanted() {
    let mut world = World::new();
    let text = |world: &World| file(Tool::Dnf4, &world.task(), ".rpmmacros");
    let begins = "%_dbpath /usr/lib/sysimage/rpm\n%_db_backend sqlite\n%_install_langs";
    let ends = "%_excludedocs 1\n%_netsharedpath %{nil}\n";
    for (languages, value) in [(None, "all"), (Some(&[][..]), "%{nil}"), (Some(&["de", "en_US"]), "de:en_US")]
    {
        world.languages = languages.map(|words| words.iter().map(|&word| word.to_owned()).collect());
        let text = text(&world);
        assert!(text.starts_with(&format!("{begins} {value}\n{ends}")), "{text}");
    }
    assert!(text(&world).contains("%__transaction_systemd_inhibit %{nil}\n"));
    let with_docs = file(Tool::Dnf4, &Task { docs: true, ..world.task() }, ".rpmmacros");
    assert!(with_docs.contains("\n%_excludedocs 0\n"), "{with_docs}");
    world.languages = Some(vec!["%(id)".into()]);
    assert!(files::files(Tool::Dnf4, &world.task()).is_err());
}

fn place() -> Place {
    Place {
        id: "site".into(),
        bases: vec!["https://me:secret@example.org/a".into()],
        metalink: None,
        mirrorlist: None,
        canonical: None,
        identities: Vec::new(),
        keys: Vec::new(),
        fingerprints: Vec::new(),
        gpgcheck: true,
        repo_gpgcheck: false,
        priority: 99,
        cost: 1000,
        exclude: Vec::new(),
        include: Vec::new(),
        module_hotfixes: false,
        skip_if_unavailable: false,
        variables: Variables::default(),
    }
}

#[test]
fn machines_are_called_as_rpm_calls_them() {
    for (arch, is_little, name) in [
        ("x86_64", true, "x86_64"),
        ("powerpc64", true, "ppc64le"),
        ("arm", true, "armv7hl"),
        ("x86", true, "i686"),
        ("s390x", false, "s390x"),
    ] {
        assert_eq!(install::of_rpm(arch, is_little), name);
    }
}

#[test]
fn what_is_usual_is_not_said() {
    let mut world = World::new();
    world.repositories = vec![install::repository(&place())];
    world.variables.clear();
    assert_eq!(
        file(Tool::Yum, &world.task(), "engine.repo"),
        "[site]\nname=site\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=0\nskip_if_unavailable=0\n\
         baseurl=https://me:secret@example.org/a\n\n"
    );
    params(Tool::Yum, &world.task()).unwrap();
}

#[test]
fn all_that_a_repository_says_is_said() {
    let mut world = World::new();
    let identity = FetchIdentity {
        url: "https://example.org/a".into(),
        authorities: Some("CA\n".into()),
        certificate: Some("CERTIFICATE\n".into()),
        key: Some("KEY\n".into()),
    };
    let place = Place {
        identities: vec![identity],
        priority: -1,
        cost: 500,
        exclude: vec!["b".into()],
        include: vec!["a*".into(), "c".into()],
        module_hotfixes: true,
        ..place()
    };
    world.repositories = vec![install::repository(&place)];
    let text = file(Tool::Dnf4, &world.task(), "engine.repo");
    let ends = "priority=-1\nexcludepkgs=b\nsslcacert=/tmp/engine/keys/0-sslcacert.pem\n\
        sslclientcert=/tmp/engine/keys/0-sslclientcert.pem\nsslclientkey=/tmp/engine/keys/0-sslclientkey.pem\n\
        includepkgs=a*,c\ncost=500\nmodule_hotfixes=1\n\n";
    assert!(text.ends_with(ends), "{text}");
    for (name, content) in
        [("sslcacert", "CA\n"), ("sslclientcert", "CERTIFICATE\n"), ("sslclientkey", "KEY\n")]
    {
        assert_eq!(file(Tool::Dnf4, &world.task(), &format!("keys/0-{name}.pem")), content);
    }
}

#[test]
fn nothing_gets_into_another_line_or_file() {
    let bad = |change: fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        params(Tool::Dnf4, &world.task()).unwrap_err();
    };
    bad(|world| world.repositories[0].id = "a]\n[main".into());
    bad(|world| world.repositories[0].id = "main".into());
    bad(|world| world.repositories[0].metalink = Some("https://x\ngpgcheck=0".into()));
    bad(|world| world.repositories[1].baseurls[1] = "https://x\rgpgcheck=0".into());
    bad(|world| world.repositories[1].more[0].1 = "me\ngpgcheck=0".into());
    bad(|world| world.exclude[0] = "a\nb".into());
    bad(|world| drop(world.variables.insert("../x".into(), String::new())));
    bad(|world| drop(world.variables.insert("x".into(), "a\nb".into())));
}

#[test]
fn words_that_are_no_packages_are_refused() {
    for word in ["-x", "--nogpgcheck", "./x.rpm", "https://example.org/x", "", "a\nb"] {
        let mut world = World::new();
        world.packages.push(word.into());
        let error = params(Tool::Dnf4, &world.task()).unwrap_err();
        assert_eq!(error.option.as_deref(), Some("package"), "{word}");
    }
    for word in
        ["bash-5.2-1.fc42", "libc.so.6()(64bit)", "/usr/bin/[", "@^minimal-environment", "(a or b)", "x*"]
    {
        assert!(is_package(word), "{word}");
    }
}

#[test]
fn repositories_that_a_tool_does_not_see_are_refused() {
    let of = |url: &str| {
        let mut world = World::new();
        world.repositories =
            vec![Repository { id: "a".into(), baseurls: vec![url.into()], ..Repository::default() }];
        params(Tool::Dnf4, &world.task()).map(|params| params.network)
    };
    assert!(!of("file:///srv/mirror").unwrap());
    assert!(of("http://example.org/").unwrap());
    for url in ["file:///home/me/repo", "file:/tmp/repo", "file:///root"] {
        assert_eq!(of(url).unwrap_err().option.as_deref(), Some("repo"), "{url}");
    }
}

#[test]
fn the_small_and_the_old_one_can_do_less() {
    let mut world = World::new();
    let refused = |tool, task: &Task<'_>| params(tool, task).unwrap_err().message;
    assert_eq!(refused(Tool::Microdnf, &world.task()), "microdnf knows no groups");
    assert_eq!(refused(Tool::Yum, &world.task()), "yum cannot be given variables");
    world.packages.pop();
    let params = params(Tool::Microdnf, &world.task()).unwrap();
    assert!(params.argv.iter().any(|word| word == "--setopt=cachedir=/tmp/root/.dnf/cache"));
    assert!(params.argv.iter().any(|word| word == "--nodocs"));
    world.variables.clear();
    assert_eq!(refused(Tool::Yum, &world.task()), "yum knows no priorities");
    world.repositories.remove(0);
    let text = file(Tool::Yum, &world.task(), "dnf.conf");
    assert!(text.contains("\nexclude=less,vim*\n") && !text.contains("weak"), "{text}");
}

#[test]
fn old_names_lead_to_new_tools() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    for (name, real, tool) in [
        ("dnf", "dnf5", Tool::Dnf5),
        ("yum", "dnf-3", Tool::Dnf4),
        ("microdnf", "dnf5", Tool::Dnf5),
        ("dnf", "dnf-3", Tool::Dnf4),
    ] {
        std::fs::write(path(real), "").unwrap();
        let _ = std::fs::remove_file(path(name));
        std::os::unix::fs::symlink(real, path(name)).unwrap();
        assert_eq!(Tool::of(name, &path(name)), tool, "{name} -> {real}");
    }
    assert_eq!(Tool::of("yum", Path::new("/absent/yum")), Tool::Yum);
    assert_eq!(Tool::of("dnf", Path::new("/absent/dnf")), Tool::Dnf4);
}

#[test]
fn scripts_that_failed_are_told() {
    let output =
        "Installing : x\nwarning: %post(x-1-1.noarch) scriptlet failed, exit status 3\n\nComplete!\n";
    fn told(output: &str) -> Vec<&str> {
        failed_scripts(output).collect()
    }
    assert_eq!(told(output), ["%post(x-1-1.noarch) scriptlet failed, exit status 3"]);
    for line in
        ["Error in POSTIN scriptlet in rpm package x", "Non-critical error in %post scriptlet: x-0:1-1"]
    {
        let output = format!(">>> Running %post scriptlet: x\n>>> {line}\n");
        assert_eq!(told(&output), [line]);
    }
}
