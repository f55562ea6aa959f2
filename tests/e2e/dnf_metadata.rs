//! Metadata of RPM repositories that is not what somebody has signed, is no metadata, or is old:
//! each is refused, and the repository is named.

use std::fs;
use std::io::{Read, repeat};
use std::time::{Duration, Instant};

use ctr_forge_tests::debian::Hash;
use ctr_forge_tests::rpm::metalink::metalink;
use ctr_forge_tests::rpm::{DATE, Moment, Repository, signer};
use ctr_forge_tests::server::Fault;
use ctr_forge_tests::{Compression, Key, Rpm, Server, Test};

use crate::dnf::{RPM, World, hello};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "dnf_metadata::signatures", needs: RPM, run: signatures },
    Test { name: "dnf_metadata::damaged", needs: RPM, run: damaged },
    Test { name: "dnf_metadata::no_metadata", needs: RPM, run: no_metadata },
    Test { name: "dnf_metadata::no_packages", needs: RPM, run: no_packages },
    Test { name: "dnf_metadata::bombs", needs: RPM, run: bombs },
    Test { name: "dnf_metadata::places_outside", needs: RPM, run: places_outside },
    Test { name: "dnf_metadata::packages_that_lie", needs: RPM, run: packages_that_lie },
    Test { name: "dnf_metadata::needs_that_are_left_out", needs: RPM, run: needs_that_are_left_out },
    Test { name: "dnf_metadata::weak_checksums", needs: RPM, run: weak_checksums },
    Test { name: "dnf_metadata::stale_mirrors", needs: RPM, run: stale_mirrors },
    Test { name: "dnf_metadata::bad_metalinks", needs: RPM, run: bad_metalinks },
    Test { name: "dnf_metadata::mirrors_and_signatures", needs: RPM, run: mirrors_and_signatures },
    Test { name: "dnf_metadata::metalinks_by_another_name", needs: RPM, run: metalinks_by_another_name },
    Test { name: "dnf_metadata::repositories_that_are_away", needs: RPM, run: repositories_that_are_away },
    Test { name: "dnf_metadata::a_server_that_fails", needs: RPM, run: a_server_that_fails },
];

/// The repository is refused with this code and these words.
#[track_caller]
fn refused(repository: &Repository, code: i32, says: &[&str]) {
    World::new(repository).refuses(code, &["hello"], &[&["cannot use repo-1", "repo"], says].concat());
}

fn repository() -> Repository {
    Repository::new([hello()])
}

/// The words of a command whose repository is in a file, with these lines.
fn in_file(world: &World, lines: &str) -> Vec<String> {
    let place = world.place("");
    let head = format!("[site]\ngpgkey=file://{place}key.asc\n");
    world.forge.write("site.repo", head + &lines.replace("PLACE", &format!("file://{place}repo")));
    World::bare(&["hello", "--repo-file", "site.repo"])
}

/// A file of a repository's metadata.
#[derive(Clone)]
struct Data {
    kind: &'static str,
    place: &'static str,
    content: Vec<u8>,
    open_size: u64,
}

/// Metadata that is nothing but these files, whatever they are.
fn described(files: &[Data]) -> String {
    let data = |Data { kind, place, content, open_size }: &Data| {
        format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{}</checksum><location href=\"{place}\"/>\
             <timestamp>1</timestamp><size>{}</size><open-size>{open_size}</open-size></data>",
            Hash::Sha256.of(content),
            content.len()
        )
    };
    let all: String = files.iter().map(data).collect();
    format!("<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>1</revision>{all}</repomd>")
}

fn primary(content: impl Into<Vec<u8>>) -> Data {
    let content = content.into();
    Data { kind: "primary", place: "repodata/primary", open_size: content.len() as u64, content }
}

/// Puts these files in the place of a repository's metadata.
fn replace(world: &World, files: &[Data]) {
    world.forge.sh("rm -rf repo/repodata cache");
    files.iter().for_each(|data| drop(world.forge.write(format!("repo/{}", data.place), &data.content)));
    world.forge.write("repo/repodata/repomd.xml", described(files));
}

/// The list of packages, as `createrepo_c` made it.
fn packages(world: &World) -> String {
    world.forge.sh("zcat repo/repodata/*-primary.xml.gz").stdout()
}

fn signatures() {
    let refused = |repository: Repository, says: &[&str]| {
        let world = World::new(&repository);
        let words = in_file(&world, "baseurl=PLACE\nrepo_gpgcheck=1\n");
        world.refuses_words(9, words, &[&["cannot use site (file:///", "/repo)"], says].concat());
        // Who does not ask for it does not get it.
        world.forge.ok([in_file(&world, "baseurl=PLACE\n"), vec!["-o".into(), "rootfs.tar".into()]].concat());
    };
    refused(repository().signed([]), &["its metadata is not signed", "repomd.xml.asc"]);
    refused(repository().signed([Key::new("other")]), &["none of this repository's keys"]);
    refused(repository().signed([Key::new("rpm").spoiled()]), &["repomd.xml of site"]);
    refused(
        repository().change(Moment::Late, "repodata/repomd.xml", |text| text.push(b'\n')),
        &["repomd.xml of site"],
    );
    refused(
        repository().change(Moment::Late, "repodata/repomd.xml.asc", |text| *text = b"none".to_vec()),
        &["repomd.xml"],
    );
    refused(repository().change(Moment::Late, "repodata/repomd.xml.asc", Vec::clear), &["repomd.xml"]);
    let weak = World::new(&repository().signed([Key::rsa().sha1()]));
    weak.forge.write("key.asc", Key::rsa().public());
    weak.refuses_words(9, in_file(&weak, "baseurl=PLACE\nrepo_gpgcheck=1\n"), &["SHA1"]);
    let world = World::new(&repository().signed([Key::new("other"), signer()]));
    let words = in_file(&world, "baseurl=PLACE\nrepo_gpgcheck=1\ngpgcheck=0\n");
    world.forge.ok([words, vec!["-o".into(), "rootfs.tar".into()]].concat());
}

fn damaged() {
    let late = |pattern, change| repository().change(Moment::Late, pattern, change);
    refused(
        &late("repodata/*-primary.xml.gz", |bytes| bytes[30] ^= 1),
        9,
        &["cannot fetch primary", "wrong content"],
    );
    refused(
        &late("repodata/*-primary.xml.gz", |bytes| bytes.truncate(100)),
        9,
        &["cannot fetch primary", "wrong size"],
    );
    refused(
        &late("repodata/*-primary.xml.gz", |bytes| bytes.push(0)),
        9,
        &["cannot fetch primary", "wrong size"],
    );
    let repomd = |change| late("repodata/repomd.xml", change);
    let cannot = "its repomd.xml cannot be used";
    refused(&repomd(|text| text.truncate(text.len() - 10)), 4, &[cannot, "is cut short"]);
    refused(&repomd(Vec::clear), 4, &[cannot, "is cut short"]);
    refused(&repomd(|text| *text = b"<html>Log in here</html>".to_vec()), 4, &[cannot, "begins with <html>"]);
    refused(&repomd(|text| *text = vec![0xff; 5000]), 4, &[cannot]);
    refused(&repomd(|text| *text = b"<repomd></repomd>".to_vec()), 4, &[cannot, "lists no primary metadata"]);
    refused(
        &repomd(|text| *text = vec![b' '; 17 << 20]),
        9,
        &["repomd.xml of repo-1", "more than 16777216 bytes"],
    );
    // What nobody reads may be anything, and what is read is whole.
    let world = World::new(&late("repodata/*-other.xml.gz", Vec::clear));
    world.ok(&["hello"]);
    let world = World::new(&late("repodata/*-filelists.xml.gz", |bytes| bytes[30] ^= 1));
    world.ok(&["hello"]);
    world.refuses(9, &["/usr/share/none"], &["cannot use repo-1", "cannot fetch filelists", "wrong content"]);
}

fn no_metadata() {
    let world = World::of([hello()]);
    let with = |content: &[u8], says: &[&str]| {
        replace(&world, &[primary(content)]);
        world.refuses(
            4,
            &["hello"],
            &[&["cannot use repo-1 (file://", "its packages cannot be read"], says].concat(),
        );
    };
    let list = packages(&world);
    let gzip = Compression::Gzip.encode(list.as_bytes());
    with(&list.as_bytes()[..list.rfind("</metadata>").unwrap()], &["is cut short"]);
    with(b"no metadata", &[]);
    with(b"", &["is cut short"]);
    with(b"<html>Log in here</html>", &["begins with <html>"]);
    with(&gzip[..gzip.len() / 2], &[]);
    with(format!("{list}{list}").as_bytes(), &[]);
    replace(&world, &[primary(list)]);
    world.ok(&["hello"]);
}

fn no_packages() {
    let world = World::new(&Repository::new([]));
    world.refuses(13, &["hello"], &["no package is called hello", "repo-1 (file://", "--repo"]);
    fs::create_dir(world.forge.path("empty")).unwrap();
    let at = |place: &str| World::bare(&["hello", "--repo", place]);
    for place in [world.place("empty"), world.place("nowhere")] {
        let says = ["cannot use repo-1", &place, "repodata/repomd.xml", "That is no repository"];
        world.refuses_words(13, at(&place), &says);
    }
    let server = Server::new(world.forge.path("empty"));
    let says = ["cannot use repo-1", &server.url(""), "repodata/repomd.xml", "That is no repository"];
    world.refuses_words(13, at(&server.url("")), &says);
    world.refuses_words(2, at("relative/path"), &["relative/path", "is no repository", "URL"]);
    world.refuses_words(2, at("ftp://host/x"), &["ftp://host/x", "is no repository"]);
}

fn bombs() {
    let began = Instant::now();
    let world = World::of([hello()]);
    let list = packages(&world);
    let with = |data: Data, says: &[&str]| {
        replace(&world, &[data]);
        world.refuses(4, &["hello"], &[&["cannot use repo-1"], says].concat());
    };
    let zeros = |compression: Compression, from: &str| {
        let content = from.as_bytes().chain(repeat(b' ').take(32 << 20));
        primary(compression.encode(content))
    };
    for compression in [Compression::Gzip, Compression::Zstd] {
        // It says what it is, or that it is small.
        with(
            Data { open_size: 32 << 20, ..zeros(compression, "<metadata x='") },
            &["its packages cannot be read"],
        );
        with(Data { open_size: 500, ..zeros(compression, &list) }, &["its packages cannot be read"]);
    }
    with(Data { open_size: 1 << 50, ..primary(list.clone()) }, &["its primary has", "more than"]);
    // YAML that is cut is YAML.
    let content = b"---\ndocument: a\n...\n---\ndocument: b\n".to_vec();
    let modules = Data { kind: "modules", place: "repodata/modules", content, open_size: 20 };
    replace(&world, &[primary(list.clone()), modules]);
    world.refuses(4, &["hello"], &["cannot use repo-1", "its modules has more than the 20 bytes"]);
    let entities = format!(
        "<!DOCTYPE x [<!ENTITY a \"{}\">{}]><metadata>&j;</metadata>",
        "a".repeat(1000),
        ('b'..='j')
            .map(|name| format!(
                "<!ENTITY {name} \"{}\">",
                format!("&{};", char::from(name as u8 - 1)).repeat(10)
            ))
            .collect::<String>()
    );
    with(primary(entities), &["its packages cannot be read", "has a document type of its own"]);
    with(primary("<metadata><package>&a;</package></metadata>"), &["unknown entity \"a\""]);
    let external = "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><metadata><package>&x;</package></metadata>";
    with(primary(external), &["unknown entity \"x\""]);
    with(primary(format!("<metadata>{}", "<a>".repeat(100_000))), &["deep"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

fn places_outside() {
    let world = World::of([hello()]);
    let list = packages(&world);
    for place in ["../primary.xml", "/etc/passwd", "repodata/%2e%2e/%2E%2e/x", "https://example.org/x"] {
        replace(&world, &[primary(list.clone())]);
        let data = Data { place, ..primary(list.clone()) };
        world.forge.write("repo/repodata/repomd.xml", described(&[data]));
        let says =
            ["cannot use repo-1", "its repomd.xml cannot be used", "\"primary\" has no good place", place];
        world.refuses(4, &["hello"], &says);
    }
    let good = "href=\"Packages/h/hello-1.0-1.noarch.rpm\"";
    assert!(list.contains(good));
    for place in
        ["href=\"../hello.rpm\"", "href=\"/etc/passwd\"", "href=\"hello.rpm\" xml:base=\"ftp://x\"", ""]
    {
        replace(&world, &[primary(list.replace(good, place))]);
        world.refuses(
            13,
            &["hello"],
            &["package \"hello\" of repo-1 is left out", "no package is called hello"],
        );
    }
}

/// A file that somebody has signed is another package than the list says.
fn packages_that_lie() {
    let world = World::of([hello(), Rpm::new("old", "0.9-1")]);
    let list = packages(&world);
    replace(&world, &[primary(list.replace("ver=\"0.9\"", "ver=\"1.0\""))]);
    world.refuses(9, &["old"], &["the file of old-1.0-1.noarch is that of old-0.9-1.noarch"]);
    replace(&world, &[primary(list.replace("<name>old", "<name>new"))]);
    world.refuses(9, &["new"], &["the file of new-0.9-1.noarch is that of old-0.9-1.noarch"]);
    replace(&world, &[primary(list.replace("<arch>noarch", "<arch>x86_64"))]);
    world.refuses(
        9,
        &["old", "--arch", "amd64"],
        &["the file of old-0.9-1.x86_64 is that of old-0.9-1.noarch"],
    );
    // Nor is it as large as it likes.
    let sized = list.replacen("<size package=\"", "<size package=\"115292150460684", 1);
    assert_ne!(sized, list);
    replace(&world, &[primary(sized.clone())]);
    let name =
        if sized.find("<name>hello").unwrap() < sized.find("<name>old").unwrap() { "hello" } else { "old" };
    world.refuses(4, &[name], &[name, "more than the 32 GiB that a package may have"]);
    // What is wrong with one package costs no other.
    let broken = list.replacen("<name>old</name>", "<name>../old</name>", 1);
    replace(&world, &[primary(broken)]);
    world.ok(&["hello"]).says(&["package \"\" of repo-1 is left out: \"../old\" is no name"]);
}

/// What a package needs is in its header, under the signature, and holds whatever the list says.
fn needs_that_are_left_out() {
    let world = World::of([hello().requires("old"), Rpm::new("old", "0.9-1")]);
    let list = packages(&world);
    let needs = "<rpm:entry name=\"old\"/>";
    assert!(list.contains(needs), "{list}");
    replace(&world, &[primary(list.replace(needs, ""))]);
    let says = ["the packages are not what their repositories say of them", "hello-1.0-1.noarch needs old"];
    world.refuses(9, &["hello"], &says);
    world.ok(&["hello", "old"]);
}

fn weak_checksums() {
    for kind in ["sha1", "md5"] {
        let repository = repository().argument(&format!("--checksum={kind}"));
        refused(&repository, 9, &["primary", kind]);
    }
    let world = World::of([hello()]);
    let list = packages(&world);
    let strong = Hash::Sha256.of(&world.forge.read("repo/Packages/h/hello-1.0-1.noarch.rpm"));
    let weak = Hash::Sha1.of(&world.forge.read("repo/Packages/h/hello-1.0-1.noarch.rpm"));
    let list = list.replace("checksum type=\"sha256\"", "checksum type=\"sha1\"").replace(&strong, &weak);
    replace(&world, &[primary(list)]);
    world.refuses(9, &["hello"], &["vouches for hello-1.0-1.noarch by sha1"]);
}

/// A folder with mirrors `old` and `new` of a repository, served, and the words of a command.
struct Mirrors {
    world: World,
    server: Server,
}

impl Mirrors {
    fn new() -> Self {
        let world = World::empty();
        repository().write(&world.forge.path("repo/old"));
        let new = Rpm::new("hello", "2.0-1").file("usr/bin/hello", "new", 0o755);
        Repository::new([new]).write(&world.forge.path("repo/new"));
        let server = Server::new(world.forge.path("repo"));
        Self { world, server }
    }

    fn repomd(&self, mirror: &str) -> Vec<u8> {
        self.world.forge.read(format!("repo/{mirror}/repodata/repomd.xml"))
    }

    /// Words of a command with a metalink that names these mirrors, which are to have the newest
    /// metadata, or some older one.
    fn words(&self, mirrors: &[&str], older: &[&[u8]]) -> Vec<String> {
        let url = |mirror: &&str| self.server.url(&format!("{mirror}/repodata/repomd.xml"));
        let urls: Vec<String> = mirrors.iter().map(url).collect();
        let text = metalink(&urls, &self.repomd("new"), older.iter().copied());
        self.world.forge.write("repo/metalink", text);
        self.world.forge.sh("rm -rf cache");
        self.server.forget();
        in_file(&self.world, &format!("metalink={}\n", self.server.url("metalink?repo=x")))
    }

    #[track_caller]
    fn gives(&self, words: Vec<String>, version: &str) {
        self.world.forge.ok([words, vec!["-o".into(), "rootfs.tar".into()]].concat());
        assert_eq!(self.world.installed(), [format!("hello-{version}-1")]);
    }
}

fn stale_mirrors() {
    let mirrors = Mirrors::new();
    mirrors.gives(mirrors.words(&["new", "old"], &[]), "2.0");
    assert_eq!(mirrors.server.count("/old/*"), 0, "the best one is asked, and no other");
    mirrors.gives(mirrors.words(&["old", "new"], &[]), "2.0");
    assert!(mirrors.server.count("/old/*") > 0);
    mirrors.gives(mirrors.words(&["gone", "new"], &[]), "2.0");
    let stale = mirrors.words(&["old", "old"], &[]);
    let says = ["cannot use site", &mirrors.server.url("metalink"), "all its mirrors are stale", "Try again"];
    mirrors.world.refuses_words(14, stale, &says);
    mirrors.world.refuses_words(13, mirrors.words(&["gone"], &[]), &["cannot use site", "is not there"]);
    // The metalink may allow what is a step behind.
    let old = mirrors.repomd("old");
    mirrors.gives(mirrors.words(&["old"], &[&old]), "1.0");
    mirrors.gives(mirrors.words(&["old", "new"], &[&old]), "2.0");
    mirrors.gives(mirrors.words(&["old"], &[b"another", &old]), "1.0");
    // A mirror in the middle of its update, or one that has lost a file.
    let words = mirrors.words(&["new", "again"], &[]);
    mirrors.world.forge.sh("cp -r repo/new repo/again; rm -r repo/new/Packages");
    mirrors.gives(words, "2.0");
    let words = mirrors.words(&["new", "again"], &[]);
    mirrors.world.forge.sh("rm repo/new/repodata/*primary*");
    mirrors.gives(words, "2.0");
}

fn bad_metalinks() {
    let mirrors = Mirrors::new();
    let words = mirrors.words(&["new"], &[]);
    let good = String::from_utf8(mirrors.world.forge.read("repo/metalink")).unwrap();
    let with = |text: &str, says: &[&str]| {
        mirrors.world.forge.write("repo/metalink", text);
        let says = [&["cannot use site", "its metalink is of no use"], says].concat();
        mirrors.world.refuses_words(4, words.clone(), &says);
    };
    with("<html>Log in here</html>", &["begins with <html>"]);
    with(&good[..good.rfind("</metalink>").unwrap()], &["is cut short"]);
    with(&good.replace("sha256", "sha1").replace("sha512", "sha1"), &["no SHA-256 or SHA-512"]);
    with(&good.replace("name=\"repomd.xml\"", "name=\"other\""), &["says nothing of repomd.xml"]);
    with(&good.replace("<url protocol", "<x protocol").replace("</url>", "</x>"), &["no mirror"]);
    with(&good.replace("http://127", "rsync://127"), &["no mirror"]);
    fs::remove_file(mirrors.world.forge.path("repo/metalink")).unwrap();
    mirrors.world.refuses_words(13, words, &["cannot use site", "the metalink of site"]);
}

/// A mirror that spoils the signature gets nobody to take something older, or nothing.
fn mirrors_and_signatures() {
    let mirrors = Mirrors::new();
    let forge = &mirrors.world.forge;
    let site = |names: &[&str], older: &[&[u8]], more: &str| {
        let words = mirrors.words(names, older);
        let text = String::from_utf8(forge.read("site.repo")).unwrap();
        forge.write("site.repo", format!("{text}repo_gpgcheck=1\n{more}"));
        words
    };
    let signed = |folder: &str| format!("repo/{folder}/repodata/repomd.xml.asc");
    let old = mirrors.repomd("old");
    forge.sh("cp -r repo/new repo/spoiled");
    forge.write(signed("spoiled"), forge.read(signed("old")));
    // Another mirror has the right one.
    mirrors.gives(site(&["spoiled", "new"], &[&old], ""), "2.0");
    forge.sh("cp -r repo/new repo/bare; rm repo/bare/repodata/repomd.xml.asc");
    mirrors.gives(site(&["bare", "spoiled", "new"], &[&old], ""), "2.0");
    // No mirror has, and the metalink allows what is a step behind.
    let away = "skip_if_unavailable=1\n";
    for more in ["", away] {
        let says = ["cannot use site", "repomd.xml of site"];
        mirrors.world.refuses_words(9, site(&["spoiled", "old"], &[&old], more), &says);
        let says = ["cannot use site", "its metadata is not signed"];
        mirrors.world.refuses_words(9, site(&["bare"], &[&old], more), &says);
    }
    // What nobody has is stale, whoever has signed it.
    mirrors.world.refuses_words(14, site(&["old"], &[], ""), &["all its mirrors are stale"]);
    // A key that has expired makes nothing stale.
    forge.write("key.asc", signer().expires(DATE - 1000).public());
    let words = site(&["new", "old"], &[&old], away);
    mirrors.world.refuses_words(14, words, &["cannot use site", "the key expired on"]);
    // Without a metalink, too, what is bad is not away.
    forge.write("key.asc", signer().public());
    let place = mirrors.server.url("spoiled");
    let words = in_file(
        &mirrors.world,
        &format!("baseurl={place} http://127.0.0.1:1/\nrepo_gpgcheck=1\nskip_if_unavailable=1\n"),
    );
    mirrors.world.refuses_words(9, words, &["cannot use site", "repomd.xml of site"]);
}

/// As dnf, which goes by the URL of a mirror list.
fn metalinks_by_another_name() {
    let mirrors = Mirrors::new();
    let words = |names: &[&str]| {
        let words = mirrors.words(names, &[]);
        let text = String::from_utf8(mirrors.world.forge.read("site.repo")).unwrap();
        mirrors.world.forge.write("site.repo", text.replace("metalink=", "mirrorlist="));
        words
    };
    mirrors.gives(words(&["old", "new"]), "2.0");
    mirrors.world.refuses_words(14, words(&["old"]), &["cannot use site", "all its mirrors are stale"]);
    let words = words(&["new"]);
    mirrors.world.forge.write("repo/metalink", mirrors.server.url("new"));
    mirrors.world.refuses_words(4, words, &["cannot use site", "its metalink is of no use"]);
}

fn repositories_that_are_away() {
    let world = World::of([hello()]);
    let away = "http://127.0.0.1:1/os";
    let word = World::bare(&["hello", "--repo", away]);
    world.refuses_words(8, word, &["cannot use repo-1 (http://127.0.0.1:1/os)", "cannot connect"]);
    let lines = format!("baseurl=PLACE\n[away]\nbaseurl={away}\ngpgkey=file://{}\n", world.place("key.asc"));
    world.refuses_words(8, in_file(&world, &lines), &["cannot use away", "cannot connect"]);
    let mut words = in_file(&world, &(lines + "skip_if_unavailable=1\n"));
    words.extend(["-o".into(), "rootfs.tar".into()]);
    world.forge.ok(words).says(&["away", "is left out, as its skip_if_unavailable says"]);
    // What is there and bad is not away.
    world.forge.sh("cp -r repo broken; echo x > broken/repodata/repomd.xml");
    let broken = format!("file://{}", world.place("broken"));
    let lines = format!(
        "baseurl=PLACE\n[broken]\nbaseurl={broken}\ngpgkey=file://{}\nskip_if_unavailable=1\n",
        world.place("key.asc")
    );
    world.refuses_words(4, in_file(&world, &lines), &["cannot use broken"]);
}

fn a_server_that_fails() {
    let world = World::of([hello()]);
    let server = Server::new(world.forge.path("repo"));
    let words = World::bare(&["hello", "--repo", &server.url("")]);
    let with = |pattern: &str, fault: Fault, code: i32, says: &[&str]| {
        server.heal();
        world.forge.sh("rm -rf cache");
        server.fault(pattern, fault);
        world.refuses_words(code, words.clone(), says);
    };
    with("*", Fault::Auth("user".into(), "secret".into()), 8, &["HTTP status 401", "~/.netrc"]);
    with("*", Fault::Status(403), 8, &["cannot use repo-1", "HTTP status 403"]);
    with("*.rpm", Fault::Status(404), 13, &["hello-1.0-1.noarch", "is not there"]);
    with("*.rpm", Fault::Truncate(100), 9, &["hello-1.0-1.noarch", "wrong size"]);
    with(
        "*.rpm",
        Fault::Body(b"<html>Log in here</html>".to_vec()),
        9,
        &["hello-1.0-1.noarch", "wrong size"],
    );
    with("*primary.xml.gz", Fault::Status(404), 13, &["cannot use repo-1", "primary of repo-1"]);
}
