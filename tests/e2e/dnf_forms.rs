//! Repositories of RPM in all the forms in which they are written, with groups and modules; and
//! what is told of a choice.

use ctr_forge_tests::rpm::metalink::metalink;
use ctr_forge_tests::rpm::{Repository, signer};
use ctr_forge_tests::{Compression, Rpm, Server, Test};

use crate::dnf::{RPM, World, hello};
use crate::dnf_repositories::{chosen, refused, section};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "dnf_forms::compressions", needs: RPM, run: compressions },
    Test { name: "dnf_forms::other_metadata", needs: RPM, run: other_metadata },
    Test { name: "dnf_forms::groups", needs: RPM, run: groups },
    Test { name: "dnf_forms::modules", needs: RPM, run: modules },
    Test { name: "dnf_forms::module_hotfixes", needs: RPM, run: module_hotfixes },
    Test { name: "dnf_forms::dry_run", needs: RPM, run: dry_run },
    Test { name: "dnf_forms::who_vouches", needs: RPM, run: who_vouches },
    Test { name: "dnf_forms::foreign_architectures", needs: RPM, run: foreign_architectures },
    Test { name: "dnf_forms::keys_in_the_database", needs: RPM, run: keys_in_the_database },
    Test { name: "dnf_forms::files_of_the_machine", needs: RPM, run: files_of_the_machine },
];

#[track_caller]
fn gives(world: &World, words: &[&str], names: &[&str]) {
    world.ok(words);
    assert_eq!(world.installed(), names, "{words:?}");
}

/// A package that needs a file which only lists of files have.
fn deep() -> [Rpm; 2] {
    [
        Rpm::new("app", "1-1").requires("/usr/share/deep/file"),
        Rpm::new("deep", "1-1").file("usr/share/deep/file", "deep", 0o644),
    ]
}

fn compressions() {
    for compression in [Compression::Gzip, Compression::Bzip2, Compression::Xz, Compression::Zstd] {
        let world = World::new(&Repository::new(deep()).compression(compression));
        gives(&world, &["app"], &["app-1-1", "deep-1-1"]);
    }
}

fn other_metadata() {
    for words in [
        &["--checksum=sha512"][..],
        &["--zck"],
        &["--database"],
        &["--simple-md-filenames"],
        &["--unique-md-filenames"],
    ] {
        let repository =
            words.iter().fold(Repository::new(deep()), |repository, word| repository.argument(word));
        let repository =
            repository.metadata("updateinfo", "<updates></updates>").metadata("strange", "anything");
        let world = World::new(&repository);
        gives(&world, &["app"], &["app-1-1", "deep-1-1"]);
    }
    // Packages may lie elsewhere than the metadata.
    let world = World::new(&Repository::new(deep()));
    let script = "mv repo moved; mkdir repo; createrepo_c -q --baseurl file://$PWD/moved -o repo moved";
    world.forge.sh(script);
    gives(&world, &["app"], &["app-1-1", "deep-1-1"]);
}

const COMPS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Example//DTD Comps info//EN" "comps.dtd">
<comps>
  <group><id>core</id><name>Core</name><name xml:lang="de">Kern</name><packagelist>
    <packagereq type="mandatory">base</packagereq>
    <packagereq type="default">tool</packagereq>
    <packagereq type="optional">extra</packagereq>
    <packagereq type="mandatory">is-not-there</packagereq>
    <packagereq type="default" basearchonly="true" arch="s390x">mainframe</packagereq>
  </packagelist></group>
  <group><id>web</id><name>Web Server</name><packagelist>
    <packagereq type="mandatory">hello</packagereq>
  </packagelist></group>
  <group><id>names</id><name>Names</name><packagelist>
    <packagereq type="mandatory">base</packagereq>
    <packagereq type="mandatory">virtual</packagereq>
    <packagereq type="mandatory">ext*</packagereq>
  </packagelist></group>
  <group><id>broken</id><name>Broken</name><packagelist>
    <packagereq type="mandatory">broken</packagereq>
  </packagelist></group>
  <group><id>broken-default</id><name>Broken, too</name><packagelist>
    <packagereq type="default">broken</packagereq>
  </packagelist></group>
  <group><id>broken-where-base-is</id><name>Broken, too</name><packagelist>
    <packagereq type="conditional" requires="base">broken</packagereq>
  </packagelist></group>
  <environment><id>server</id><name>Server</name>
    <grouplist><groupid>core</groupid><groupid>web</groupid></grouplist>
    <optionlist><groupid>more</groupid></optionlist>
  </environment>
</comps>
"#;

fn groups() {
    let rpms = ["base", "tool", "extra", "mainframe"].map(|name| Rpm::new(name, "1-1"));
    let more = [
        hello(),
        Rpm::new("provider", "1-1").provides("virtual"),
        Rpm::new("broken", "1-1").requires("what-nobody-has"),
    ];
    let world = World::new(&Repository::new(rpms).with(more).comps(COMPS));
    gives(&world, &["@core"], &["base-1-1", "tool-1-1"]);
    gives(&world, &["@Core", "extra"], &["base-1-1", "extra-1-1", "tool-1-1"]);
    gives(&world, &["@web server"], &["hello-1.0-1"]);
    gives(&world, &["@^server"], &["base-1-1", "hello-1.0-1", "tool-1-1"]);
    gives(&world, &["@server"], &["base-1-1", "hello-1.0-1", "tool-1-1"]);
    gives(&world, &["@core", "--exclude", "tool"], &["base-1-1"]);
    // As in dnf: by name alone, and what is there has to come.
    gives(&world, &["@names"], &["base-1-1"]);
    world.ok(&["@core", "@names"]).says(&["packages of groups: is-not-there, virtual, ext*"]);
    let needs = "broken-1-1.noarch needs what-nobody-has";
    world.refuses(15, &["@broken"], &[needs]);
    world.refuses(15, &["@broken-default"], &[needs]);
    gives(&world, &["@broken-where-base-is", "tool"], &["tool-1-1"]);
    world.refuses(15, &["@broken-where-base-is", "base"], &["broken"]);
    gives(&world, &["@broken", "@web", "--exclude", "broken"], &["hello-1.0-1"]);
    world.refuses(13, &["@cor"], &["no group \"@cor\"", "core, web"]);
    world.refuses(13, &["@^core"], &["no environment \"@^core\"", "server"]);
    world.refuses(2, &["@"], &["\"@\" names no group"]);
    let world = World::of([hello()]);
    world.refuses(13, &["@core"], &["no group \"@core\"", "They have no groups"]);
}

/// Two streams of `node`, of which 18 is the default, and one of `tool` that needs node's 20.
const MODULES: &str = "---
document: modulemd
version: 2
data:
  name: node
  stream: 18
  version: 1
  context: aaaaaaaa
  profiles:
    common: {rpms: [node]}
    minimal: {rpms: [node-base]}
  artifacts:
    rpms: ['node-0:18-1.noarch', 'node-base-0:18-1.noarch']
...
---
document: modulemd
version: 2
data:
  name: node
  stream: 20
  version: 1
  context: bbbbbbbb
  profiles:
    common: {rpms: [node]}
    minimal: {rpms: [node-base]}
  artifacts:
    rpms: ['node-0:20-1.noarch', 'node-base-0:20-1.noarch']
...
---
document: modulemd
version: 2
data:
  name: tool
  stream: new
  version: 1
  context: cccccccc
  dependencies:
  - requires: {node: [20]}
  profiles:
    default: {rpms: [tool]}
  artifacts:
    rpms: ['tool-0:1-1.noarch']
...
---
document: modulemd-defaults
version: 1
data:
  module: node
  stream: 18
  profiles:
    18: [common]
...
";

fn modular() -> Repository {
    let node = |version: &str| {
        let evr = format!("{version}-1");
        [Rpm::new("node", &evr).requires("node-base"), Rpm::new("node-base", &evr)]
    };
    let rpms = [node("18"), node("20"), node("22")].concat();
    Repository::new(rpms)
        .with([Rpm::new("tool", "1-1").requires("node"), hello()])
        .metadata("modules", MODULES)
}

fn modules() {
    let world = World::new(&modular());
    let with = |version: &str| [format!("node-{version}-1"), format!("node-base-{version}-1")];
    let gives = |words: &[&str], names: &[String]| {
        world.ok(words);
        assert_eq!(world.installed(), names, "{words:?}");
    };
    // Those of the default stream, though others are newer, and though no module has one of them.
    gives(&["node"], &with("18"));
    gives(&["@node"], &with("18"));
    gives(&["@node:20"], &with("20"));
    gives(&["@node:20/minimal"], &with("20")[1..]);
    gives(&["@node/minimal"], &with("18")[1..]);
    gives(&["node", "@node:20/minimal"], &with("20"));
    gives(&["@tool:new"], &[&with("20")[..], &["tool-1-1".to_owned()]].concat());
    gives(&["hello"], &["hello-1.0-1".to_owned()]);
    world.refuses(15, &["tool"], &["tool cannot be had: tool-1-1.noarch is hidden by modules"]);
    world.refuses(13, &["@tool"], &["module \"tool\" has no default stream", "new"]);
    world.refuses(13, &["@node:19"], &["module \"node\" has no stream \"19\", but 18, 20"]);
    world.refuses(13, &["@node:20/large"], &["no profile \"large\", but common, minimal"]);
    world.refuses(13, &["@nodes:20"], &["no module \"nodes\""]);
    world.refuses(13, &["@node:18", "@node:20"], &["two streams are asked for"]);
    world.refuses(13, &["@tool:new", "@node:18"], &["stream \"new\" of module \"tool\" needs node:20"]);
    let broken = World::new(&Repository::new([hello()]).metadata("modules", "data: [\n"));
    broken.refuses(4, &["hello"], &["cannot use repo-1", "its modules cannot be used"]);
}

fn module_hotfixes() {
    let world = World::new(&modular());
    Repository::new([Rpm::new("node-base", "18.1-1")]).write(&world.forge.path("fixes"));
    let place = world.place("");
    let words = |more: &str| {
        let file = format!("[fixes]\nbaseurl=file://{place}fixes\n{more}\n");
        world.forge.write("fixes.repo", file);
        world.ok(&["node-base", "--repo-file", "fixes.repo"]);
        world.installed()
    };
    assert_eq!(words(""), ["node-base-18-1"]);
    assert_eq!(words("module_hotfixes=1"), ["node-base-18.1-1"]);
}

fn dry_run() {
    let world = World::of(deep());
    let output = world.forge.ok(world.words(&["app", "--dry-run"]));
    let said = output.stdout();
    for word in ["app", "deep", "1-1"] {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(!world.forge.path("rootfs.tar").exists());
    world.refuses(13, &["ap", "--dry-run"], &["no package is called ap"]);
    world.refuses(
        15,
        &["app", "--exclude", "deep", "--dry-run"],
        &["app-1-1.noarch needs /usr/share/deep/file"],
    );
}

/// Every step from a key to a package is in the report.
fn who_vouches() {
    let world = World::of(deep());
    let place = world.place("");
    let file = format!("[site]\nbaseurl=file://{place}repo\ngpgkey=file://{place}key.asc\nrepo_gpgcheck=1\n");
    world.forge.write("site.repo", file);
    let words = ["app", "--repo-file", "site.repo", "-o", "rootfs.tar", "--report", "report.json"];
    world.forge.ok(World::bare(&words));
    let report = world.report();
    let links = report["build"]["trust"].as_array().unwrap();
    let link = |subject: &str| {
        let found = links.iter().find(|link| link["subject"].as_str().unwrap().contains(subject));
        found.unwrap_or_else(|| panic!("{subject} is not in {report:#}"))
    };
    let key = signer().fingerprint();
    for subject in ["/repodata/repomd.xml", "app-1-1.noarch", "deep-1-1.noarch"] {
        assert_eq!(
            (&link(subject)["how"], &link(subject)["signers"][0]),
            (&"signature".into(), &key.clone().into())
        );
    }
    for subject in ["-primary.xml.gz", "-filelists.xml.gz"] {
        let link = link(subject);
        assert_eq!(
            (&link["how"], &link["listed-in"]),
            (&"digest".into(), &format!("file://{place}repo/repodata/repomd.xml").into())
        );
    }
    let packages = report["build"]["packages"].as_array().unwrap();
    let app = packages.iter().find(|package| package["name"] == "app").unwrap();
    assert_eq!(app["url"], format!("file://{place}repo/Packages/a/app-1-1.noarch.rpm"));
    assert_eq!((&app["version"], &app["arch"]), (&"1-1".into(), &"noarch".into()));
}

fn foreign_architectures() {
    let rpm = |arch: &str| Rpm::new("native", "1-1").arch(arch).file("usr/bin/native", arch, 0o755);
    let world = World::of([rpm("x86_64"), rpm("aarch64"), rpm("i686"), Rpm::new("old", "1-1").arch("i686")]);
    for (arch, rpm) in [("arm64", "aarch64"), ("amd64", "x86_64"), ("386", "i686")] {
        world.ok(&["native", "--arch", arch, "--report", "report.json"]);
        assert_eq!(world.text("usr/bin/native"), rpm);
        assert_eq!(world.rpm("-qa --qf '%{ARCH}\\n'").lines().filter(|line| *line != "(none)").count(), 1);
        assert_eq!(world.report()["build"]["packages"][0]["arch"], rpm);
    }
    let both = ["native", "native.i686", "--arch", "amd64"];
    world.refuses(
        4,
        &both,
        &["native-1-1.x86_64 cannot be installed", "another file than that of native-1-1.i686"],
    );
    world.ok(&["old", "--arch", "amd64"]);
    world.refuses(13, &["old", "--arch", "arm64"], &["no package is called old"]);
}

/// rpm knows the keys of the repositories, in whichever form they were named.
fn keys_in_the_database() {
    let world = World::of([hello()]);
    world.forge.sh("gpg --dearmor < key.asc > key.gpg");
    let repo = world.place("repo");
    for keys in [&["--key", "key.asc"][..], &["--key", "key.gpg"], &["--key", "key.gpg", "--key", "key.asc"]]
    {
        let words = ["source", "dnf", "hello", "--repo", &repo, "-o", "rootfs.tar"];
        world.forge.ok([&words[..], keys].concat());
        assert_eq!(world.rpm("-qa").matches("gpg-pubkey").count(), 1, "{keys:?}");
    }
}

/// What a server says leads to no file of the machine.
fn files_of_the_machine() {
    let world = World::of([hello()]);
    let repomd = world.forge.read("repo/repodata/repomd.xml");
    let server = Server::new(world.forge.path(""));
    let file = format!("file://{}", world.place("repo"));
    world.forge.write("list", &file);
    let lines = format!("mirrorlist={}", server.url("list"));
    refused(&world, &section(&world, "site", &lines), &["hello"], 4, &["its mirror list has no mirror"]);
    world.forge.write("metalink", metalink(&[format!("{file}/repodata/repomd.xml")], &repomd, []));
    let lines = format!("metalink={}", server.url("metalink"));
    refused(&world, &section(&world, "site", &lines), &["hello"], 4, &["no mirror that can be used"]);
    // One of the machine's own may.
    for lines in ["mirrorlist=file://DIRlist", "metalink=file://DIRmetalink"] {
        chosen(&world, &section(&world, "site", lines), &["hello"]);
    }
    let script = "mv repo moved; mkdir repo; createrepo_c -q --baseurl file://$PWD/moved -o repo moved";
    world.forge.sh(script);
    chosen(&world, &section(&world, "site", "baseurl=file://DIRrepo"), &["hello"]);
    let says = ["package \"hello\" of site is left out: it is said to be a file of this machine"];
    let served = section(&world, "site", &format!("baseurl={}", server.url("repo")));
    refused(&world, &served, &["hello"], 13, &says);
    let script =
        "sed -i \"s|<location href|<location xml:base='file://$PWD/repo' href|\" repo/repodata/repomd.xml";
    world.forge.sh(script);
    chosen(&world, &section(&world, "site", "baseurl=file://DIRrepo"), &["hello"]);
    refused(&world, &served, &["hello"], 4, &["its primary is said to be a file of this machine"]);
}
