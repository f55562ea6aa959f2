//! Images of every format and of others' tools: looked at, flattened, and the same tree in each.

use std::fs;

use ctr_forge_tests::archive::{Member, archive, listing};
use ctr_forge_tests::{Forge, Need, Test, difficult};
use serde_json::Value;

const SKOPEO: Need = Need::Tool("skopeo");
const UMOCI: Need = Need::Tool("umoci");

pub(crate) const TESTS: &[Test] = &[
    Test { name: "images::one_tree_in_every_format", needs: &[SKOPEO], run: one_tree_in_every_format },
    Test { name: "images::inspect_says_what_is_there", needs: &[], run: inspect_says_what_is_there },
    Test { name: "images::what_is_not_what_it_says", needs: &[], run: what_is_not_what_it_says },
    Test {
        name: "images::squash_is_what_umoci_unpacks",
        needs: &[Need::Root, UMOCI],
        run: squash_is_what_umoci_unpacks,
    },
    Test {
        name: "images::whiteouts_mean_the_layers_below",
        needs: &[UMOCI],
        run: whiteouts_mean_the_layers_below,
    },
    Test { name: "images::squash_keeps_the_configuration", needs: &[], run: squash_keeps_the_configuration },
    Test { name: "images::aci_is_valid", needs: &[Need::Built("actool")], run: aci_is_valid },
    Test {
        name: "images::aci_is_found_by_its_name",
        needs: &[Need::Built("actool"), Need::Tool("gpg"), Need::Tool("python3")],
        run: aci_is_found_by_its_name,
    },
    Test { name: "images::aci_says_what_it_cannot", needs: &[], run: aci_says_what_it_cannot },
    Test { name: "images::no_half_image", needs: &[], run: no_half_image },
    Test { name: "images::a_full_disk", needs: &[Need::Root, Need::MountNamespace], run: a_full_disk },
    Test { name: "images::a_layout_as_one_file", needs: &[SKOPEO], run: a_layout_as_one_file },
    Test { name: "images::several_platforms_at_once", needs: &[SKOPEO], run: several_platforms_at_once },
    Test { name: "images::an_import_is_one_tree", needs: &[], run: an_import_is_one_tree },
    Test { name: "images::annotations", needs: &[SKOPEO], run: annotations },
    Test { name: "images::several_inputs_are_one_aci", needs: &[], run: several_inputs_are_one_aci },
];

fn digest(forge: &Forge, image: &str) -> String {
    let digest = forge.ok(["inspect", "--tree-digest", image]).stdout();
    assert!(digest.starts_with("sha256:") && digest.len() == 72, "{digest}");
    digest
}

fn inspected(forge: &Forge, image: &str) -> Value {
    serde_json::from_slice(&forge.ok(["--json", "inspect", image]).stdout).unwrap()
}

/// A tree with everything that has ever been difficult.
fn one_tree_in_every_format() {
    let forge = Forge::new();
    forge.write("rootfs.tar", difficult::tar());
    let mut images = Vec::new();
    for (format, compressions) in [
        ("oci", &["gzip", "zstd", "none"][..]),
        ("docker", &["gzip", "none"]),
        ("aci", &["gzip", "xz", "bzip2", "none"]),
    ] {
        for compression in compressions {
            let image = format!("{format}-{compression}");
            let words = ["output", format, "rootfs.tar", "-o", &image, "--tag", "r.example/app:1"];
            forge.ok(words.iter().chain(&["--compression", compression]));
            images.push(image);
        }
    }
    forge.sh("skopeo copy -q oci:oci-gzip:1 docker-archive:copied.tar:r.example/app:1; \
         skopeo copy -q oci:oci-zstd:1 oci-archive:copied-oci.tar:1; gzip -k docker-none");
    images.extend(["copied.tar", "copied-oci.tar", "docker-none.gz"].map(str::to_owned));
    let first = digest(&forge, &images[0]);
    for image in &images {
        assert_eq!(digest(&forge, image), first, "{image}");
    }
    // And back: the tree of an image, packed again.
    forge.ok(["squash", "aci-xz", "--format", "rootfs", "-o", "again.tar"]);
    forge.ok(["output", "oci", "again.tar", "-o", "again"]);
    assert_eq!(digest(&forge, "again"), first);
}

fn inspect_says_what_is_there() {
    let forge = Forge::new();
    let big = vec![7; 5000];
    forge.write("rootfs.tar", archive(&[Member::file("etc/small", "x"), Member::file("usr/big", &big)]));
    let words = ["--tag", "app:1", "--entrypoint", "[\"/usr/big\"]", "--arch", "arm/v7"];
    forge.ok(["output", "oci", "rootfs.tar", "-o", "image"].iter().chain(&words));
    let text = forge.ok(["inspect", "image:1"]).stdout();
    for line in ["platform   linux/arm/v7", "  Entrypoint         [\"/usr/big\"]", "/usr/big"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let image = &inspected(&forge, "image")[0];
    assert_eq!(image["largest"][0], serde_json::json!(["/usr/big", 5000]));
    assert_eq!(image["bytes"], 5001);
    assert_eq!(image["layers"][0]["compression"], "gzip");
    forge.ok(["output", "oci", "rootfs.tar", "-o", "image", "--tag", "app:2", "--arch", "arm64"]);
    assert_eq!(inspected(&forge, "image").as_array().unwrap().len(), 2);
    forge.fails(2, ["inspect", "--tree-digest", "image"]).says(&["several images"]);
    forge.ok(["inspect", "--tree-digest", "image", "--arch", "arm64"]);
    forge.fails(13, ["inspect", "image:3"]).says(&["no image called \"3\"", "app:2 for arm64"]);
    forge.fails(4, ["inspect", "rootfs.tar"]).says(&["is no image", "ctr-forge output"]);
    forge.fails(4, ["inspect", "."]).says(&["is no OCI image layout"]);
    assert!(forge.run(["inspect", "nothing"]).says(&["cannot read nothing"]).code != 0);
}

fn what_is_not_what_it_says() {
    let forge = Forge::new();
    forge.write("rootfs.tar", archive(&[Member::file("etc/x", "some content")]));
    let make = || {
        forge.sh("rm -rf image");
        forge.ok(["output", "oci", "rootfs.tar", "-o", "image", "--tag", "app:1", "--compression", "none"]);
        let image = inspected(&forge, "image")[0].clone();
        let path = |digest: &Value| forge.path("image/blobs/sha256").join(&digest.as_str().unwrap()[7..]);
        (path(&image["layers"][0]["digest"]), path(&image["digest"]), path(&image["id"]))
    };
    let refused = |says: &[&str]| {
        let code = forge.run(["squash", "image", "-o", "out"]).says(says).code;
        assert!(!forge.path("out").exists() && code != 0);
        code
    };
    let (layer, ..) = make();
    let changed = String::from_utf8_lossy(&fs::read(&layer).unwrap()).replace("some content", "else content");
    fs::write(&layer, changed).unwrap();
    assert_eq!(refused(&["is not what the image says", "was expected"]), 9);
    let (layer, ..) = make();
    fs::write(&layer, [fs::read(&layer).unwrap(), vec![0; 512]].concat()).unwrap();
    assert_eq!(refused(&["bytes instead of"]), 9);
    let (layer, ..) = make();
    fs::remove_file(&layer).unwrap();
    assert_eq!(refused(&["lacks the blob"]), 4);
    let (_, manifest, _) = make();
    let changed = String::from_utf8(fs::read(&manifest).unwrap()).unwrap();
    fs::write(&manifest, changed.replace("\"schemaVersion\":2", "\"schemaVersion\":3")).unwrap();
    assert_eq!(refused(&["is not what its name says"]), 9);
    let (.., config) = make();
    fs::write(&config, vec![b' '; 5 << 20]).unwrap();
    refused(&["may have 4194304"]);
}

/// Two layers in which everything that was becomes something else.
fn layered(forge: &Forge, below: &[Member], above: &[Member]) {
    forge.write("below.tar", archive(below));
    forge.write("above.tar", archive(above));
    forge.sh("umoci init --layout image; umoci new --image image:1; \
         for layer in below above; do umoci raw add-layer --image image:1 $layer.tar; done");
}

fn dir(name: &str) -> Member {
    Member::new(name, b'5')
}

fn squash_is_what_umoci_unpacks() {
    let forge = Forge::new();
    let below = [
        dir("a/"),
        Member::file("a/x", "1"),
        Member::file("a/y", "2"),
        dir("opaque/"),
        Member::file("opaque/1", "1"),
        dir("opaque/deep/"),
        Member::file("opaque/deep/2", "2"),
        Member::file("file-to-dir", "f"),
        dir("dir-to-file/"),
        Member::file("dir-to-file/in", "i"),
        Member::link("link-to-file", b'2', "a"),
        Member::file("one", "linked"),
        Member::link("other", b'1', "one"),
        dir("gone/"),
        dir("gone/deep/"),
        Member::file("gone/deep/file", "g"),
        Member::file("to-link", "t"),
    ];
    let above = [
        Member::file(".wh.gone", ""),
        Member::file("a/.wh.x", ""),
        Member::file("opaque/.wh..wh..opq", ""),
        Member::file("opaque/3", "3"),
        dir("file-to-dir/"),
        Member::file("file-to-dir/new", "n"),
        Member::file("dir-to-file", "now a file"),
        Member::file("link-to-file", "now a file too"),
        Member::file("one", "replaced"),
        Member::link("to-link", b'2', "a/y"),
    ];
    layered(&forge, &below, &above);
    forge.ok(["squash", "image:1", "--format", "rootfs", "-o", "ours.tar"]);
    forge.sh("umoci unpack --image image:1 bundle > /dev/null 2>&1; mkdir ours; tar -xpf ours.tar -C ours");
    let list = "find . -mindepth 1 -printf '%P %y %m %U:%G %n %l\\n' | LC_ALL=C sort";
    forge.sh(&format!("diff <(cd ours; {list}) <(cd bundle/rootfs; {list})"));
    forge.sh("diff -r --no-dereference ours bundle/rootfs");
    forge.sh("test ! -e ours/gone; test ! -e ours/opaque/1; test $(cat ours/other) = linked");
    // As an image of one layer it is the same tree.
    forge.ok(["squash", "image:1", "-o", "squashed"]);
    assert_eq!(digest(&forge, "squashed"), digest(&forge, "image:1"));
    assert_eq!(inspected(&forge, "squashed")[0]["layers"].as_array().unwrap().len(), 1);
}

fn whiteouts_mean_the_layers_below() {
    let forge = Forge::new();
    let below =
        [dir("d/"), Member::file("d/old", "1"), Member::file("f", "old"), dir("k/"), Member::file("k/z", "")];
    // Wherever they stand: behind what their own layer has.
    let above = [
        dir("d/"),
        Member::file("d/new", "2"),
        Member::file("f", "new"),
        Member::file("k/mine", "m"),
        Member::file("d/.wh..wh..opq", ""),
        Member::file(".wh.f", ""),
        Member::file(".wh.k", ""),
        Member::file(".wh.never", ""),
        Member::file(".wh..wh.plnk", ""),
    ];
    layered(&forge, &below, &above);
    let squashed = forge.ok(["squash", "image:1", "--format", "rootfs", "-o", "-"]).stdout;
    let names: Vec<_> =
        listing(&squashed[..]).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["/", "/d", "/d/new", "/f", "/k", "/k/mine"]);
    forge.sh("rm -rf image");
    layered(&forge, &below, &[Member::file("d/.wh.", "")]);
    forge.fails(4, ["squash", "image:1", "-o", "out"]).says(&["deletes nothing"]);
    // In an ACI the same names are files like others; in the other formats they cannot be.
    forge.write("odd.tar", archive(&[Member::file(".wh.odd", "x")]));
    forge.ok(["output", "aci", "odd.tar", "-o", "odd.aci", "--name", "odd"]);
    let squashed = forge.ok(["squash", "odd.aci", "--format", "rootfs", "-o", "-"]).stdout;
    assert!(listing(&squashed[..]).iter().any(|line| line.starts_with("/.wh.odd")));
    forge.fails(4, ["squash", "odd.aci", "-o", "out"]).says(&["/.wh.odd", "cannot be in an image"]);
}

fn squash_keeps_the_configuration() {
    let forge = Forge::new();
    forge.write("a.tar", archive(&[Member::file("a", "1")]));
    forge.write("b.tar", archive(&[Member::file("b", "2")]));
    let words = [
        "output",
        "oci",
        "a.tar",
        "b.tar",
        "-o",
        "image",
        "--tag",
        "r.example/app:1",
        "--entrypoint",
        "[\"/a\", \"x\"]",
        "--env",
        "A=1",
        "--user",
        "1:2",
        "--workdir",
        "/w",
        "--port",
        "80",
        "--volume",
        "/v",
        "--label",
        "k=v",
        "--arch",
        "arm64",
    ];
    forge.ok(words);
    for format in ["oci", "docker", "aci"] {
        forge.ok(["squash", "image", "--format", format, "-o", format]);
        // Through each format and back.
        forge.ok(["squash", format, "-o", &format!("back-{format}")]);
        let (first, last) =
            (&inspected(&forge, "image")[0], &inspected(&forge, &format!("back-{format}"))[0]);
        let config = |image: &Value| {
            let mut config = image["config"]["config"].clone();
            config.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            config
        };
        assert_eq!(config(last), config(first), "{format}");
        for key in ["arch", "names", "created", "tree-digest"] {
            assert_eq!(last[key], first[key], "{format}: {key}");
        }
    }
    forge.ok(["squash", "image", "-o", "other", "--tag", "new:2", "--compression", "zstd"]);
    let other = &inspected(&forge, "other")[0];
    assert_eq!(other["layers"][0]["compression"], "zstd");
    assert!(other["names"][0].as_str().unwrap().ends_with("/new:2"));
    forge.fails(2, ["squash", "image", "-o", "x", "--format", "cramfs"]).says(&["no output \"cramfs\""]);
    forge.fails(2, ["squash", "image", "-o", "image"]).says(&["image"]);
}

fn aci_is_valid() {
    let forge = Forge::new();
    forge.write("rootfs.tar", difficult::tar());
    let actool = ctr_forge_tests::build::tool("actool");
    let words = [
        "output",
        "aci",
        "rootfs.tar",
        "-o",
        "full.aci",
        "--tag",
        "example.com/app:1.2",
        "--entrypoint",
        "[\"/a\"]",
        "--cmd",
        "[\"b\"]",
        "--env",
        "A=1",
        "--user",
        "1000",
        "--workdir",
        "/w",
        "--port",
        "80",
        "--port",
        "53/udp",
        "--volume",
        "/data",
        "--volume",
        "/Data",
        "--label",
        "k=v",
        "--isolator",
        "resource/memory={\"limit\":\"1G\"}",
        "--isolator",
        "os/linux/no-new-privileges=true",
        "--annotation",
        "homepage=https://example.com",
        "--arch",
        "arm64",
    ];
    forge.ok(words);
    forge.ok([
        "output",
        "aci",
        "rootfs.tar",
        "-o",
        "bare.aci",
        "--name",
        "example.com/library",
        "--compression",
        "xz",
    ]);
    for image in ["full.aci", "bare.aci"] {
        forge.sh(&format!("{} --debug validate {image}", actool.display()));
    }
    let manifest = forge.sh(&format!("{} cat-manifest full.aci", actool.display())).stdout();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["app"]["exec"], serde_json::json!(["/a", "b"]));
    assert_eq!((&manifest["app"]["user"], &manifest["app"]["group"]), (&"1000".into(), &"1000".into()));
    assert!(manifest["labels"].to_string().contains("aarch64"), "{manifest}");
    // The id is that of the tar, whatever the compression; and hard links lead into rootfs/.
    let id = forge.ok(["--json", "output", "aci", "rootfs.tar", "-o", "gz.aci", "--name", "x"]).stdout();
    let id = serde_json::from_str::<Value>(&id).unwrap()["id"].as_str().unwrap().to_owned();
    let sum = forge.sh("gzip -dc < gz.aci | sha512sum").stdout();
    assert_eq!(id, format!("sha512-{}", sum.split(' ').next().unwrap()));
    assert_eq!(inspected(&forge, "gz.aci")[0]["id"], id.as_str());
    let links =
        forge.sh("gzip -dc < gz.aci | tar -tv | grep ' link to ' | grep -vc 'link to rootfs/' || true");
    assert_eq!(links.stdout().trim(), "0");
}

fn aci_says_what_it_cannot() {
    let forge = Forge::new();
    forge.write("rootfs.tar", archive(&[Member::file("a", "1")]));
    for (code, more, says) in [
        (2, &["--name", "Upper"][..], "no name for an ACI"),
        (2, &[], "--name example.com/app"),
        (11, &["--name", "x", "--arch", "riscv64"], "no name for the architecture riscv64"),
        (2, &["--name", "x", "--isolator", "resource/disk={}"], "is not known"),
        (2, &["--name", "x", "--cmd", "/a", "--isolator", "resource/cpu=1"], "does not allow"),
        (2, &["--name", "x", "--isolator", "os/linux/cpu-shares=4"], "the image has none"),
        (2, &["--name", "x", "--annotation", "homepage=x"], "is to be a URL"),
        (2, &["--name", "x", "--compression", "zstd"], "zstd"),
    ] {
        let words = ["output", "aci", "rootfs.tar", "-o", "x.aci"];
        forge.fails(code, words.iter().chain(more)).says(&[says]);
        assert!(!forge.path("x.aci").exists(), "{more:?}");
    }
}

fn several_inputs_are_one_aci() {
    let forge = Forge::new();
    forge.write("a.tar", archive(&[Member::file("both", "a"), Member::file("a", "1")]));
    forge.write("b.tar", archive(&[Member::file("both", "b"), Member::file("b", "2")]));
    forge.ok(["output", "aci", "a.tar", "b.tar", "-o", "ab.aci", "--name", "ab", "--compression", "none"]);
    forge.sh("test $(tar -xOf ab.aci rootfs/both) = b; tar -xOf ab.aci rootfs/a rootfs/b; test $(tar -tf ab.aci | grep -c both) = 1");
}

fn a_layout_as_one_file() {
    let forge = Forge::new();
    forge.write("rootfs.tar", archive(&[Member::file("etc/x", "1")]));
    let make = |target: &str| forge.ok(["output", "oci", "rootfs.tar", "-o", target, "--tag", "app:1"]);
    make("image");
    make("image.tar");
    forge.sh("skopeo copy -q oci-archive:image.tar:1 dir:copied");
    assert_eq!(inspected(&forge, "image.tar")[0]["digest"], inspected(&forge, "image")[0]["digest"]);
    assert_eq!(inspected(&forge, "image.tar")[0]["format"], "oci-archive");
    // Twice the same bytes, also where it is piped.
    assert!(make("-").stdout == forge.read("image.tar"));
    let names = forge.sh("tar -tvf image.tar | awk '{print $2, $6}' | grep -v blobs/sha256/.").stdout();
    assert_eq!(names, "0/0 ./\n0/0 blobs/\n0/0 blobs/sha256/\n0/0 index.json\n0/0 oci-layout\n");
    // What is a directory stays one, whatever its name.
    forge.sh("mv image layout.tar");
    make("layout.tar");
    assert_eq!(forge.names("layout.tar"), ["blobs", "index.json", "oci-layout"]);
    // An archive is written anew, and a failure leaves the old one.
    let before = forge.read("image.tar");
    forge.write("broken.tar", "broken");
    forge.fails(4, ["output", "oci", "broken.tar", "-o", "image.tar"]);
    assert!(forge.read("image.tar") == before);
    assert!(!forge.names(".").iter().any(|name| name.starts_with('.')), "{:?}", forge.names("."));
}

fn several_platforms_at_once() {
    let forge = Forge::new();
    for (arch, content) in [("amd64", "a"), ("arm64", "b")] {
        forge.write(format!("{arch}.tar"), archive(&[Member::file("arch", content), Member::file("x", "")]));
    }
    forge.write("both.tar", archive(&[Member::file("both", "1")]));
    let arm = ["--arch", "aarch64", "arm64.tar", "both.tar"];
    let words = ["output", "oci", "--tag", "app:1", "--arch", "amd64", "amd64.tar"];
    for target in ["image", "image.tar"] {
        forge.ok(words.iter().chain(&arm).chain(&["-o", target]));
        let images = inspected(&forge, &format!("{target}:1"));
        let of =
            |n: usize| (images[n]["arch"].as_str().unwrap(), images[n]["layers"].as_array().unwrap().len());
        assert_eq!((of(0), of(1)), (("amd64", 1), ("arm64", 2)));
    }
    // One name, which readers follow to their own platform.
    let index = forge.read("image/index.json");
    let index: Value = serde_json::from_slice(&index).unwrap();
    let [entry] = &index["manifests"].as_array().unwrap()[..] else { panic!("{index}") };
    assert!(entry["mediaType"].as_str().unwrap().contains("image.index"), "{index}");
    forge.sh("skopeo --override-arch arm64 copy -q oci:image:1 oci:arm:1; skopeo inspect oci:arm:1 | grep -q arm64; \
         skopeo copy -q --all oci-archive:image.tar:1 oci:all:1");
    for target in ["image", "image.tar"] {
        let own = forge.ok(["inspect", "--tree-digest", target, "--arch", "arm64"]).stdout();
        assert_eq!(digest(&forge, "arm"), own, "{target}");
    }
    // The same tag once more is replaced as a whole.
    forge.ok(["output", "oci", "both.tar", "-o", "image", "--tag", "app:1"]);
    assert_eq!(inspected(&forge, "image").as_array().unwrap().len(), 1);
    // Words that do not fit.
    let say = |code: i32, format: &str, words: &[&str], says: &str| {
        forge.fails(code, ["output", format, "-o", "never"].iter().chain(words)).says(&[says]);
        assert!(!forge.path("never").exists());
    };
    say(
        2,
        "oci",
        &["both.tar", "--arch", "amd64", "--arch", "arm64", "arm64.tar"],
        "stands before every --arch",
    );
    say(
        2,
        "oci",
        &["--arch", "amd64", "--arch", "arm64", "arm64.tar"],
        "no root filesystem follows --arch amd64",
    );
    say(2, "oci", &["--arch", "arm64", "both.tar", "--arch", "aarch64", "arm64.tar"], "two images are for");
    say(2, "docker", &["--arch", "amd64", "both.tar", "--arch", "arm64", "arm64.tar"], "multiple times");
}

fn an_import_is_one_tree() {
    let forge = Forge::new();
    forge.write("a.tar", archive(&[Member::file("both", "a"), Member::file("a", "1")]));
    forge.write("b.tar", archive(&[Member::file("both", "b")]));
    let words = ["output", "docker", "a.tar", "b.tar", "--import", "--tag", "app:1", "--env", "A=it's {}"];
    forge
        .ok(words.iter().chain(&["-o", "import.tar", "--compression", "none"]))
        .says(&["docker import --change 'ENV A=\"it'\\''s {''}\"' import.tar app:1"]);
    forge.sh("test \"$(tar -tf import.tar | sort | tr '\\n' ' ')\" = './ a both '; test $(tar -xOf import.tar both) = b");
    forge.fails(11, words.iter().chain(&["-o", "x.tar", "--env", "B=1\n2"])).says(&["ENV B has one"]);
    forge.fails(2, words.iter().chain(&["--load"])).says(&["--import"]);
    assert!(!forge.path("x.tar").exists());
}

fn annotations() {
    let forge = Forge::new();
    forge.write("rootfs.tar", archive(&[Member::file("a", "1")]));
    let words =
        ["rootfs.tar", "--tag", "app:1", "--annotation", "org.example.a=1", "--annotation", "org.example.b="];
    forge.ok(["output", "oci", "-o", "image"].iter().chain(&words));
    forge.ok(["output", "aci", "-o", "image.aci"].iter().chain(&words));
    let manifest: Value =
        serde_json::from_str(&forge.sh("skopeo inspect --raw oci:image:1").stdout()).unwrap();
    let expected = serde_json::json!({"org.example.a": "1", "org.example.b": ""});
    assert_eq!(manifest["annotations"], expected);
    // They stay with the image when it is packed anew.
    forge.ok(["squash", "image.aci", "-o", "again"]);
    forge.ok(["squash", "image", "-o", "squashed"]);
    for image in ["image", "again", "squashed"] {
        assert_eq!(inspected(&forge, image)[0]["annotations"], expected, "{image}");
    }
    forge.fails(2, ["output", "oci", "-o", "x", "rootfs.tar", "--annotation", "a"]).says(&["NAME=VALUE"]);
}

/// The discovery of the specification's own tool, against a web server that shows the directory.
fn aci_is_found_by_its_name() {
    let forge = Forge::new();
    let home = forge.path("gnupg").display().to_string();
    let forge = forge.env("GNUPGHOME", &home);
    forge.sh("mkdir -m 700 gnupg; gpg --batch --quiet --passphrase '' --quick-gen-key ann@example.com rsa2048 sign never");
    forge.write("rootfs.tar", archive(&[Member::file("a", "1")]));
    let words = ["output", "aci", "rootfs.tar", "--arch", "amd64", "-o", "app.aci"];
    let found = ["--tag", "localhost/team/app:1.2", "--sign-key", "ann@example.com", "--discovery", "www"];
    forge
        .ok(words.iter().chain(&found))
        .says(&["https://localhost/aci/localhost/team/app-1.2-linux-amd64.aci"]);
    let actool = ctr_forge_tests::build::tool("actool");
    let discovered = forge.sh(&format!(
        "python3 -u -m http.server --directory www --bind 127.0.0.1 0 > port 2> /dev/null & \
         for i in $(seq 100); do grep -q port port 2> /dev/null && break; sleep 0.1; done; \
         port=$(grep -o 'port [0-9]*' port); \
         {} discover --insecure --port ${{port#port }} localhost/team/app:1.2,os=linux,arch=amd64; kill $!",
        actool.display()
    ));
    let text = discovered.stdout() + &discovered.stderr;
    for place in [
        "aci/localhost/team/app-1.2-linux-amd64.aci",
        "aci/localhost/team/app-1.2-linux-amd64.aci.asc",
        "pubkeys.gpg",
    ] {
        assert!(text.contains(&format!("https://localhost/{place}")), "{place} is not in {text}");
        assert!(forge.path("www").join(place).is_file(), "{place}");
    }
    // What is found is what rkt would check.
    forge.sh("cmp app.aci www/aci/localhost/team/app-1.2-linux-amd64.aci; mkdir -m 700 rkt; \
         export GNUPGHOME=$PWD/rkt; gpg -q --import www/pubkeys.gpg; cd www/aci/localhost/team; \
         gpg -q --verify app-1.2-linux-amd64.aci.asc app-1.2-linux-amd64.aci; gpgconf --kill all");
    // Another version stands beside it; without a key the old signature would be wrong.
    forge.ok(words.iter().chain(&["--tag", "localhost/team/app:1.3", "--discovery", "www"]));
    forge.ok(words.iter().chain(&["--tag", "localhost/team/app:1.2", "--discovery", "www", "--env", "A=1"]));
    let names = ["app-1.2-linux-amd64.aci", "app-1.3-linux-amd64.aci"];
    assert_eq!(forge.names("www/aci/localhost/team"), names);
    // A page of somebody else's is theirs.
    forge.write("www/team/other/index.html", "<html>mine</html>");
    let other = ["--tag", "localhost/team/other:1", "--discovery", "www"];
    forge.fails(2, words.iter().chain(&other)).says(&["not by ctr-forge", "<meta name=\"ac-discovery\""]);
    assert_eq!(forge.read("www/team/other/index.html"), b"<html>mine</html>");
    forge.fails(2, words.iter().chain(&["--name", "localhost/x", "--discovery", "www"])).says(&["--tag"]);
    forge
        .fails(2, ["output", "aci", "rootfs.tar", "-o", "-", "--name", "x", "--sign-key", "ann@example.com"])
        .says(&["standard output"]);
    forge.sh("gpgconf --kill all");
}

/// Every output with what it writes.
const OUTPUTS: [(&str, &str); 4] =
    [("oci", "image"), ("oci", "image.tar"), ("docker", "docker.tar"), ("aci", "app.aci")];

/// Something that takes a while to pack.
fn noisy(forge: &Forge) {
    forge.sh("mkdir tree; head -c 40000000 /dev/urandom > tree/noise");
}

/// Killed at any moment, nothing that is not whole has the final name, and the next run is as any.
fn no_half_image() {
    let forge = Forge::new();
    noisy(&forge);
    for (output, place) in OUTPUTS {
        let words = format!("-q output {output} tree --tag example.com/app:1");
        forge.ok(format!("{words} -o whole-{place}").split(' '));
        for delay in ["0.02", "0.1", "0.2", "0.3", "0.45", "0.6"] {
            let killed = forge.sh_any(&format!("timeout -s KILL {delay} $FORGE {words} -o {place}"));
            let there = forge.path(place).exists();
            assert!(killed.code != 0 || there, "{output} {delay}: {killed:?}");
            if there {
                forge.sh(&format!("diff -r {place} whole-{place}; rm -r {place}"));
            }
        }
        forge.ok(format!("{words} -o {place}").split(' '));
        forge.sh(&format!("diff -r {place} whole-{place}"));
        // Over one that is there: the old one or the new one.
        forge.sh_any(&format!("timeout -s KILL 0.2 $FORGE {words} --env A=1 -o {place}"));
        forge.ok(["inspect", place]);
    }
}

fn a_full_disk() {
    let forge = Forge::new();
    noisy(&forge);
    forge.sh("mkdir full small; echo x > small/x");
    for (output, place) in OUTPUTS {
        let words = format!("-q output {output} --tag example.com/app:1 -o full/{place}");
        let said = forge.sh(&format!(
            "unshare -m bash -euc 'mount -t tmpfs -o size=5m full full; code=0; $FORGE {words} tree || code=$?; \
             test $code = 5; test ! -e full/{place}; $FORGE {words} small; $FORGE inspect full/{place} > seen; ls -A full'"
        ));
        assert_eq!(said.stdout(), format!("{place}\n"), "{output}");
        assert!(said.stderr.contains("No space left on device"), "{}", said.stderr);
    }
}
