//! Packages of apk become a root filesystem: their files, and the database that apk goes on with.

use std::fs;

use base64::Engine as _;
use ctr_forge_tests::apk::{Repository, Signer, identity};
use ctr_forge_tests::archive::content;
use ctr_forge_tests::{Apk, Forge, Output, Server, Test};
use serde_json::Value;

pub(crate) const TESTS: &[Test] = &[
    Test { name: "alpine::packages_and_what_they_need", needs: &[], run: packages_and_what_they_need },
    Test { name: "alpine::the_database_is_apks", needs: &[], run: the_database },
    Test { name: "alpine::scripts_and_triggers_are_kept", needs: &[], run: scripts_and_triggers },
    Test { name: "alpine::etc_apk", needs: &[], run: etc_apk },
    Test { name: "alpine::signers", needs: &[], run: signers },
    Test { name: "alpine::files_of_others", needs: &[], run: files_of_others },
    Test { name: "alpine::directories_of_several", needs: &[], run: directories_of_several },
    Test { name: "alpine::owners_by_name", needs: &[], run: owners_by_name },
    Test { name: "alpine::left_out_paths_leave_the_database_too", needs: &[], run: left_out_paths },
    Test { name: "alpine::same_bytes", needs: &[], run: same_bytes },
    Test { name: "alpine::architectures", needs: &[], run: architectures },
];

/// A repository in the directory to work in, and the key that it is signed with.
pub(crate) struct World {
    pub(crate) forge: Forge,
}

/// What a command must leave nothing of when it fails.
const RESULTS: [&str; 6] = ["-o", "rootfs.tar", "--report", "report.json", "--lock", "made.lock"];

impl World {
    pub(crate) fn new(repository: Repository) -> Self {
        let forge = Forge::new();
        let place = |name: &str| forge.path(name).to_str().unwrap().to_owned();
        let (temporary, cache) = (place("tmp"), place("cache"));
        let forge = forge.env("TMPDIR", &temporary).env("CTR_FORGE_CACHE", &cache);
        fs::create_dir(forge.path("tmp")).unwrap();
        forge.write("one.rsa.pub", Signer::one().public());
        repository.write(&forge.path("repo"));
        Self { forge }
    }

    /// A repository of these packages, all well.
    pub(crate) fn of(apks: impl IntoIterator<Item = Apk>) -> Self {
        Self::new(Repository::new(apks))
    }

    /// The place of a repository, as `--repo` has it.
    pub(crate) fn place(&self, folder: &str) -> String {
        self.forge.path(folder).to_str().unwrap().to_owned()
    }

    /// The words of a command without a repository, that trusts the first key.
    pub(crate) fn bare(more: &[&str]) -> Vec<String> {
        let arch = if more.contains(&"--arch") { &[][..] } else { &["--arch", "amd64"] };
        let words = ["source", "alpine", "--no-base", "--key", "one.rsa.pub"];
        [&words[..], arch, more].concat().into_iter().map(str::to_owned).collect()
    }

    /// The words of a command that takes packages from the repository.
    pub(crate) fn words(&self, more: &[&str]) -> Vec<String> {
        Self::bare(&[more, &["--repo", &self.place("repo")]].concat())
    }

    /// The packages are installed into `rootfs.tar`.
    #[track_caller]
    pub(crate) fn ok(&self, more: &[&str]) -> Output {
        let output = if more.contains(&"-o") { &[][..] } else { &["-o", "rootfs.tar"] };
        self.forge.run(self.words(&[more, output].concat())).expect_code(0)
    }

    /// It fails with this code and these words, and leaves nothing behind.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, more: &[&str], says: &[&str]) -> Output {
        self.refuses_words(code, self.words(more), says)
    }

    /// As [`World::refuses`], with all words of the command.
    #[track_caller]
    pub(crate) fn refuses_words(&self, code: i32, words: Vec<String>, says: &[&str]) -> Output {
        let before = self.forge.names(".");
        let output = self.forge.run(words.into_iter().chain(RESULTS.map(str::to_owned)));
        let output = output.expect_code(code).says(says);
        let mut after = self.forge.names(".");
        after.retain(|name| name != "cache" || before.contains(name));
        assert_eq!(after, before);
        assert_eq!(self.forge.names("tmp"), Vec::<String>::new());
        output
    }

    /// A file of the root, which has to be there.
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> String {
        let bytes = self.file(path).unwrap_or_else(|| panic!("there is no {path}"));
        String::from_utf8(bytes).unwrap()
    }

    /// A file of the root.
    pub(crate) fn file(&self, path: &str) -> Option<Vec<u8>> {
        content(&self.forge.read("rootfs.tar")[..], path)
    }

    /// All paths of the root with mode and owner: `-rwxr-xr-x 0/0 usr/bin/x`.
    pub(crate) fn listing(&self) -> Vec<String> {
        let list = "tar --numeric-owner -tvf rootfs.tar | awk '{ $3 = $4 = $5 = \"\"; print }' | tr -s ' '";
        self.forge.sh(list).stdout().lines().map(|line| line.trim_end_matches('/').to_owned()).collect()
    }

    /// Names and versions of the packages in the database, in its order.
    pub(crate) fn installed(&self) -> Vec<String> {
        let text = self.text("lib/apk/db/installed");
        let field =
            |letter: &str| text.lines().filter_map(|line| line.strip_prefix(letter)).collect::<Vec<_>>();
        field("P:").iter().zip(field("V:")).map(|(name, version)| format!("{name}-{version}")).collect()
    }

    /// A package's lines in the database.
    #[track_caller]
    pub(crate) fn stanza(&self, name: &str) -> String {
        let text = self.text("lib/apk/db/installed");
        let found = text.split_inclusive("\n\n").find(|stanza| stanza.contains(&format!("\nP:{name}\n")));
        found.unwrap_or_else(|| panic!("{name} is not in {text}")).to_owned()
    }

    pub(crate) fn report(&self) -> Value {
        serde_json::from_slice(&self.forge.read("report.json")).unwrap()
    }
}

pub(crate) fn hello() -> Apk {
    Apk::new("hello", "1.0-r0").file("usr/bin/hello", "hello\n", 0o755)
}

fn packages_and_what_they_need() {
    let app =
        Apk::new("app", "2.1-r0").depends("lib>=1.0 so:libx.so.1 cmd:tool").file("usr/bin/app", "app", 0o755);
    let lib = Apk::new("lib", "1.3-r2").depends("base").file("usr/lib/lib", "lib", 0o644);
    let libx =
        Apk::new("libx", "0.1-r0").provides("so:libx.so.1=1.0.0").file("usr/lib/libx.so.1", "x", 0o755);
    let tool = Apk::new("tool", "5-r0").provides("cmd:tool=5-r0");
    let other = Apk::new("other", "1-r0").file("usr/bin/other", "other", 0o755);
    let world = World::of([app, lib, libx, tool, other, Apk::new("base", "3-r0").dir("tmp", 0o1777)]);
    world.ok(&["app", "--report", "report.json"]);
    assert_eq!(world.installed(), ["app-2.1-r0", "base-3-r0", "lib-1.3-r2", "libx-0.1-r0", "tool-5-r0"]);
    assert_eq!(world.text("usr/bin/app"), "app");
    let listing = world.listing();
    for line in ["drwxrwxrwt 0/0 tmp", "-rwxr-xr-x 0/0 usr/lib/libx.so.1", "-rw-r--r-- 0/0 usr/lib/lib"] {
        assert!(listing.iter().any(|other| other == line), "{line} is not in {listing:?}");
    }
    assert!(!listing.iter().any(|line| line.contains("other")), "{listing:?}");
    let report = world.report();
    let packages = report["build"]["packages"].as_array().unwrap();
    let app = packages.iter().find(|package| package["name"] == "app").unwrap();
    assert_eq!(app["purl"].as_str().unwrap().split('?').next().unwrap(), "pkg:apk/alpine/app@2.1-r0");
    assert!(app["url"].as_str().unwrap().ends_with("/repo/x86_64/app-2.1-r0.apk"), "{app}");
    assert_eq!(app["licences"], serde_json::json!(["MIT"]));
}

/// The sum of what apk hashes of extended attributes: each name and value behind its length.
fn sum_of_xattr(name: &str, value: &str) -> String {
    let parts = [name, value].map(|part| [&(part.len() as u32).to_be_bytes()[..], part.as_bytes()].concat());
    identity(&parts.concat())
}

fn the_database() {
    let small = Apk::new("small", "1.2-r3")
        .depends("needed !unwanted")
        .provides("cmd:small=1.2-r3")
        .replaces("big<2")
        .field("provider_priority", "7")
        .field("commit", "0123abcd")
        .dir("root", 0o700)
        .file("etc/small.conf", "small = yes\n", 0o644)
        .file("usr/bin/small", "program", 0o755)
        .hardlink("usr/bin/smaller", "usr/bin/small")
        .symlink("usr/bin/tiny", "/bin/busybox")
        .file("usr/lib/attributed", "x", 0o755)
        .xattr("user.note", "seen")
        .file("var/empty/.keep_small", "", 0o644);
    let (size, id) = (small.build().len(), small.identity());
    let world = World::of([small, Apk::new("needed", "1-r0")]);
    world.ok(&["small"]);
    let conf = identity(b"small = yes\n");
    let [program, x, note] = [identity(b"program"), identity(b"x"), sum_of_xattr("user.note", "seen")];
    // The sum of the link is that of so many in each Alpine.
    let expected = format!(
        "C:{id}\nP:small\nV:1.2-r3\nA:x86_64\nS:{size}\nI:4116\nT:small, which is made for a test\n\
        U:https://example.org/\nL:MIT\no:small\nt:1700000000\nc:0123abcd\nk:7\nD:needed !unwanted\n\
        p:cmd:small=1.2-r3\nr:big<2\nF:etc\nR:small.conf\nZ:{conf}\nF:root\nM:0:0:700\nF:usr\nF:usr/bin\n\
        R:small\na:0:0:755\nZ:{program}\nR:smaller\na:0:0:755\nZ:{program}\nR:tiny\na:0:0:777\n\
        Z:Q1pcfTfDNEbNKQc2s1tia7da05M8Q=\nF:usr/lib\nR:attributed\na:0:0:755:{note}\nZ:{x}\nF:var\nF:var/empty\n\n"
    );
    assert_eq!(world.stanza("small"), expected);
    assert_eq!(world.installed(), ["needed-1-r0", "small-1.2-r3"]);
    let listing = world.listing();
    for line in
        ["drwx------ 0/0 root", "lrwxrwxrwx 0/0 usr/bin/tiny -> /bin/busybox", "drwxr-xr-x 0/0 var/empty"]
    {
        assert!(listing.iter().any(|other| other == line), "{line} is not in {listing:?}");
    }
    assert!(
        listing.iter().any(|line| line.ends_with("usr/bin/smaller link to usr/bin/small")),
        "{listing:?}"
    );
    assert!(!listing.iter().any(|line| line.contains(".keep_")), "{listing:?}");
}

fn scripts_and_triggers() {
    let first = Apk::new("first", "1-r0")
        .script("post-install", "#!/bin/sh\necho installed\n")
        .script("pre-upgrade", "#!/bin/sh\necho upgrade\n");
    let second = Apk::new("second", "2-r1")
        .depends("first")
        .script("trigger", "#!/bin/sh\necho triggered\n")
        .triggers("/usr/share/* +/etc/watched");
    let ids = [first.identity(), second.identity()];
    let world = World::of([first, second]);
    world.ok(&["second", "--scripts", "skip"]);
    world.forge.write("scripts.tar", world.file("lib/apk/db/scripts.tar").unwrap());
    let names = world.forge.sh("tar -tvf scripts.tar | awk '{ print $1, $6 }'").stdout();
    let expected = format!(
        "-rwxr-xr-x first-1-r0.{0}.post-install\n-rwxr-xr-x first-1-r0.{0}.pre-upgrade\n\
        -rwxr-xr-x second-2-r1.{1}.trigger\n",
        ids[0], ids[1]
    );
    assert_eq!(names, expected);
    let script =
        content(&world.forge.read("scripts.tar")[..], &format!("first-1-r0.{}.post-install", ids[0]));
    assert_eq!(script.unwrap(), b"#!/bin/sh\necho installed\n");
    assert_eq!(world.text("lib/apk/db/triggers"), format!("{} /usr/share/* +/etc/watched\n", ids[1]));
}

fn etc_apk() {
    let world = World::of([hello(), Apk::new("apk-tools", "2.14-r0"), Apk::new("more", "1-r0")]);
    Repository::new([Apk::new("more", "2-r0")]).write(&world.forge.path("edge"));
    world.forge.write("words", "hello  more@edge\napk-tools\n");
    let server = Server::new(world.forge.directory());
    let (repo, edge) = (server.url("repo"), server.url("edge"));
    let local = world.place("repo");
    world.forge.write("repositories", format!("# comment\n\n{local}\n{repo}/\n @edge {edge}\n"));
    let words = ["--world", "words", "--repo-file", "repositories", "-o", "rootfs.tar"];
    world.forge.ok(World::bare(&words));
    assert_eq!(world.installed(), ["apk-tools-2.14-r0", "hello-1.0-r0", "more-2-r0"]);
    assert_eq!(world.text("etc/apk/world"), "apk-tools\nhello\nmore@edge\n");
    assert_eq!(world.text("etc/apk/arch"), "x86_64\n");
    // A folder of this machine is none in the image.
    assert_eq!(world.text("etc/apk/repositories"), format!("{repo}\n@edge {edge}\n"));
    assert!(world.stanza("more").contains("\ns:edge\n"), "{}", world.stanza("more"));
    // Who has apk in his image can go on with it.
    assert_eq!(world.text("etc/apk/keys/one.rsa.pub"), Signer::one().public());
    world.ok(&["hello"]);
    assert_eq!(world.file("etc/apk/keys/one.rsa.pub"), None);
}

fn signers() {
    let (one, two) = (Signer::one, Signer::two);
    for signers in [
        vec![one().sha256()],
        vec![two(), one()],
        vec![two().sha256(), two(), one().sha256(), one()],
        vec![one().named("other.rsa.pub")],
        vec![one().unknown_way(), one()],
        vec![one().spoiled(), one().sha256()],
    ] {
        let said = format!("{signers:?}");
        // What the index vouches for needs no signature of its own.
        let world = World::new(Repository::new([hello().signed([])]).signed(signers));
        let output = world.forge.run(world.words(&["hello", "-o", "rootfs.tar", "--report", "report.json"]));
        assert_eq!(output.code, 0, "{said}: {}", output.stderr);
        let report = world.report();
        let link = &report["build"]["trust"][0];
        assert_eq!(
            (&link["how"], link["signers"][0].as_str().unwrap()),
            (&"signature".into(), &*fingerprint())
        );
    }
}

/// Of the first key: the SHA-256 of what is in its PEM.
fn fingerprint() -> String {
    let lines = Signer::one().public().lines().filter(|line| !line.starts_with('-'));
    let der = base64::engine::general_purpose::STANDARD.decode(lines.collect::<String>()).unwrap();
    ctr_forge_tests::debian::Hash::Sha256.of(&der).to_uppercase()
}

fn files_of_others() {
    let first =
        || Apk::new("first", "1.0-r0").file("etc/shared", "first", 0o644).file("etc/first", "x", 0o644);
    let second = || Apk::new("second", "1.0-r0").depends("first").file("etc/shared", "second", 0o755);
    let with = |first, second| {
        let world = World::of([first, second]);
        world.ok(&["second"]);
        let has = |name| world.stanza(name).contains("R:shared\n");
        (world.text("etc/shared"), has("first"), has("second"))
    };
    let of_second = ("second".to_owned(), false, true);
    assert_eq!(with(first(), second().replaces("first")), of_second);
    assert_eq!(with(first(), second().replaces("first<2")), of_second);
    assert_eq!(with(first(), second().field("origin", "first")), of_second);
    let of_first = ("first".to_owned(), true, false);
    assert_eq!(with(first().replaces("second"), second()), of_first);
    let by_priority = |first_priority, second_priority| {
        let first = first().replaces("second").field("replaces_priority", first_priority);
        with(first, second().replaces("first").field("replaces_priority", second_priority))
    };
    assert_eq!((by_priority("5", "3"), by_priority("3", "5")), (of_first, of_second.clone()));
    assert_eq!(by_priority("4", "4"), of_second);
    let says =
        ["second-1.0-r0 cannot be installed", "/etc/shared", "first-1.0-r0", "neither replaces the other"];
    World::of([first(), second()]).refuses(4, &["second"], &says);
    World::of([first(), second().replaces("first>=2")]).refuses(4, &["second"], &says);
}

fn directories_of_several() {
    let first = Apk::new("first", "1-r0").dir("var/spool", 0o775).owner((8, "mail"), (12, "mail"));
    let second = Apk::new("second", "1-r0").depends("first").dir("var/spool", 0o750).dir("var/log", 0o700);
    let third =
        Apk::new("third", "1-r0").depends("second").file("var/log/third", "x", 0o644).dir("var/log", 0o755);
    let world = World::of([first, second, third]);
    world.ok(&["third"]);
    let listing = world.listing();
    for line in ["drwxr-x--- 0/0 var/spool", "drwx------ 0/0 var/log"] {
        assert!(listing.iter().any(|other| other == line), "{line} is not in {listing:?}");
    }
    assert!(world.stanza("first").contains("F:var/spool\nM:8:12:775\n"), "{}", world.stanza("first"));
    let file = |path: &str| Apk::new("fourth", "1-r0").depends("first").file(path, "x", 0o644);
    let world = World::of([Apk::new("first", "1-r0").dir("etc/x", 0o755), file("etc/x")]);
    world.refuses(
        4,
        &["fourth"],
        &["fourth-1-r0", "/etc/x is a directory in one package and none in another"],
    );
}

fn owners_by_name() {
    let base = Apk::new("base", "1-r0")
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:55:56:web:/:/bin/false\n", 0o644)
        .file("etc/group", "root:x:0:root\nweb:x:56:\n", 0o644);
    let app = Apk::new("app", "1-r0")
        .depends("base")
        .file("srv/by-name", "x", 0o640)
        .owner((1000, "web"), (1000, "web"))
        .dir("srv/folder", 0o750)
        .owner((1000, "web"), (0, "root"))
        .file("srv/nobody", "x", 0o644)
        .owner((1234, "missing"), (4321, "missing"))
        .file("srv/root", "x", 0o644)
        .owner((5, "root"), (5, "root"));
    let world = World::of([base, app]);
    for scripts in ["auto", "skip"] {
        world.ok(&["app", "--scripts", scripts]);
        let listing = world.listing();
        for line in [
            "-rw-r----- 55/56 srv/by-name",
            "drwxr-x--- 55/0 srv/folder",
            "-rw-r--r-- 1234/4321 srv/nobody",
            "-rw-r--r-- 0/0 srv/root",
        ] {
            assert!(listing.iter().any(|other| other == line), "--scripts {scripts}: {line}: {listing:?}");
        }
        let stanza = world.stanza("app");
        assert!(
            stanza.contains("R:by-name\na:55:56:640\n") && stanza.contains("F:srv/folder\nM:55:0:750\n"),
            "{stanza}"
        );
    }
}

fn left_out_paths() {
    let app = Apk::new("app", "1-r0")
        .file("usr/bin/app", "app", 0o755)
        .file("usr/share/man/man1/app.1", "man", 0o644)
        .file("usr/share/doc/app/README", "read", 0o644)
        .hardlink("usr/share/doc/app/SECOND", "usr/share/doc/app/README")
        .file("usr/lib/app/keep", "keep", 0o644)
        .file("usr/lib/app/other", "other", 0o644);
    let world = World::of([app]);
    let patterns = ["usr/share/man", "usr/share/doc/app/README", "usr/lib/app/**", "!usr/lib/app/keep"];
    let words = patterns.iter().flat_map(|pattern| ["--exclude-path", pattern]);
    world.ok(&["app"].into_iter().chain(words).collect::<Vec<_>>());
    let (stanza, listing) = (world.stanza("app"), world.listing());
    assert!(stanza.contains("F:usr/share\nF:usr/share/doc\nF:usr/share/doc/app\nR:SECOND\n"), "{stanza}");
    // A second name keeps the content, and what is brought back is in the database too.
    assert_eq!(world.text("usr/share/doc/app/SECOND"), "read");
    assert!(stanza.contains("F:usr/lib/app\nR:keep\n"), "{stanza}");
    for gone in ["man1", "README", "other"] {
        assert!(
            !stanza.contains(gone) && !listing.iter().any(|line| line.contains(gone)),
            "{stanza}{listing:?}"
        );
    }
    assert!(
        stanza.contains("R:app\n") && listing.iter().any(|line| line.ends_with("usr/bin/app")),
        "{stanza}"
    );
}

fn same_bytes() {
    let apks = (0..20).map(|number| {
        let name = format!("package{number}");
        let path = format!("usr/lib/{name}/file");
        Apk::new(&name, "1-r0")
            .file(&path, name.repeat(1000), 0o644)
            .script("pre-install", "#!/bin/sh\nexit 0\n")
            .depends("shell")
    });
    let apks = apks.chain([Apk::new("shell", "1-r0").file("bin/sh", "no program", 0o755)]);
    let names: Vec<String> = (0..20).map(|number| format!("package{number}")).collect();
    let world = World::of(apks);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.ok(&names);
    let reversed: Vec<String> =
        world.words(&names.iter().rev().copied().chain(["-o", "again.tar"]).collect::<Vec<_>>());
    let reversed = reversed.join(" ");
    for setting in [
        "umask 077",
        "export TZ=Asia/Tokyo LC_ALL=de_DE.UTF-8",
        "export CTR_FORGE_JOBS=1",
        "export CTR_FORGE_JOBS=4",
    ] {
        for cache in ["true", "rm -r cache"] {
            world.forge.sh(&format!("{cache}; {setting}; $FORGE {reversed}; cmp rootfs.tar again.tar"));
        }
    }
}

fn architectures() {
    let world = World::of([hello()]);
    let says = ["there is no repository for aarch64 at", "repo"];
    world.refuses(13, &["hello", "--arch", "arm64"], &says);
    let arm = hello().field("arch", "aarch64").file("usr/bin/hello-arm", "arm", 0o755);
    let all = Apk::new("all", "1-r0").field("arch", "noarch");
    let foreign = Apk::new("foreign", "1-r0");
    Repository::new([arm, all, foreign]).arch("aarch64").write(&world.forge.path("repo"));
    world.ok(&["hello", "all", "--arch", "arm64"]);
    assert_eq!(world.text("usr/bin/hello-arm"), "arm");
    assert_eq!(world.text("etc/apk/arch"), "aarch64\n");
    assert!(world.stanza("all").contains("\nA:noarch\n"));
    fs::remove_file(world.forge.path("rootfs.tar")).unwrap();
    world.refuses(13, &["foreign", "--arch", "arm64"], &["there is no package \"foreign\""]);
    world.refuses(11, &["hello", "--arch", "arm/v5"], &["Alpine has no architecture for \"arm/v5\""]);
}
