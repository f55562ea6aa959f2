//! Images as the programs of others see them: validated, copied, unpacked, loaded and run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use ctr_forge_tests::archive::{Member, archive, listing};
use ctr_forge_tests::layout::Image;
use ctr_forge_tests::{Forge, Need, Test};
use serde_json::{Value, json};

const SKOPEO: Need = Need::Tool("skopeo");
const UMOCI: Need = Need::Tool("umoci");
const CONTAINERS: &[Need] = &[Need::Root, Need::MountNamespace, Need::Tool("podman"), Need::Tool("runc")];

const ENGINES: &[Need] = &[
    Need::Root,
    Need::MountNamespace,
    Need::Tool("podman"),
    Need::Tool("dockerd"),
    Need::Tool("docker"),
    Need::Tool("runc"),
];

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "clients::layouts_are_valid",
        needs: &[SKOPEO, UMOCI, Need::Tool("oci-image-tool")],
        run: layouts_are_valid,
    },
    Test { name: "clients::archives_are_valid", needs: &[SKOPEO], run: archives_are_valid },
    Test { name: "clients::the_configuration_arrives", needs: &[SKOPEO], run: the_configuration_arrives },
    Test { name: "clients::architectures_arrive", needs: &[SKOPEO], run: architectures_arrive },
    Test { name: "clients::podman_runs_archives", needs: CONTAINERS, run: podman_runs_archives },
    Test {
        name: "clients::crun_runs_layouts",
        needs: &[Need::Root, Need::MountNamespace, UMOCI, Need::Tool("crun"), Need::Tool("jq")],
        run: crun_runs_layouts,
    },
    Test {
        name: "clients::a_system_runs",
        needs: &[Need::Root, Need::Tool("busybox"), UMOCI, Need::Tool("chroot")],
        run: a_system_runs,
    },
    Test { name: "clients::tags_are_added_and_replaced", needs: &[SKOPEO], run: tags_are_added_and_replaced },
    Test { name: "clients::several_inputs_are_several_layers", needs: &[UMOCI], run: several_inputs },
    Test { name: "clients::other_directories_are_refused", needs: &[], run: other_directories_are_refused },
    Test { name: "clients::inputs_are_not_written_over", needs: &[], run: inputs_are_not_written_over },
    Test { name: "clients::archives_with_two_names", needs: &[SKOPEO], run: archives_with_two_names },
    Test { name: "clients::engines_load", needs: ENGINES, run: engines_load },
    Test {
        name: "clients::containerd_imports",
        needs: &[
            Need::Root,
            Need::MountNamespace,
            Need::Tool("containerd"),
            Need::Tool("ctr"),
            Need::Tool("runc"),
        ],
        run: containerd_imports,
    },
    Test {
        name: "clients::buildah_builds_upon",
        needs: &[Need::Root, Need::MountNamespace, Need::Tool("buildah")],
        run: buildah_builds_upon,
    },
    Test { name: "clients::nothing_is_loaded", needs: &[], run: nothing_is_loaded },
    Test {
        name: "clients::an_ordinary_user_makes_and_unpacks",
        needs: &[Need::OtherUser, SKOPEO, UMOCI],
        run: an_ordinary_user,
    },
];

/// A program without a loader: says its arguments, directory and a variable.
fn hello() -> PathBuf {
    static HELLO: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let directory = ctr_forge_tests::build::target_directory().join("e2e-hello");
        fs::create_dir_all(&directory).unwrap();
        let (source, program) = (directory.join("hello.rs"), directory.join("hello"));
        fs::write(&source, "fn main() {\n    println!(\"hello {:?} in {:?} A={:?}\", std::env::args().collect::<Vec<_>>(), std::env::current_dir().unwrap(), std::env::var(\"A\"));\n}\n").unwrap();
        let status = Command::new("rustc")
            .args(["--edition=2024", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-o"])
            .args([&program, &source])
            .status();
        assert!(status.unwrap().success(), "rustc failed");
        program
    };
    HELLO.get_or_init(build).clone()
}

/// `hello.tar`, in a directory of its own.
fn forge() -> Forge {
    let forge = Forge::new();
    make_hello(&forge);
    forge
}

fn make_hello(forge: &Forge) {
    let copy = format!("{}:/hello", hello().display());
    forge.ok(["source", "scratch", "--copy", &copy, "-o", "hello.tar"]);
}

/// Everything that can be said of an image.
const WORDS: [&str; 22] = [
    "--entrypoint",
    "[\"/hello\", \"first\"]",
    "--cmd",
    "[\"second word\"]",
    "--env",
    "A=one two",
    "--env",
    "B=",
    "--user",
    "1000:1001",
    "--workdir",
    "/work",
    "--port",
    "80",
    "--port",
    "53/udp",
    "--volume",
    "/data",
    "--label",
    "org.example.k=v=w",
    "--stop-signal",
    "SIGINT",
];

#[track_caller]
fn json_of(forge: &Forge, script: &str) -> Value {
    serde_json::from_slice(&forge.sh(script).stdout).unwrap()
}

fn layouts_are_valid() {
    let forge = forge();
    forge.ok([
        &["output", "oci", "hello.tar", "-o", "image", "--tag", "hello:1"],
        &["--arch", "amd64"][..],
        &WORDS[..],
    ]
    .concat());
    forge.sh("oci-image-tool validate --type image --ref name=1 image");
    forge.sh("umoci stat --image image:1; umoci unpack --rootless --image image:1 bundle");
    assert!(forge.read("bundle/rootfs/hello") == fs::read(hello()).unwrap());
    forge.sh("skopeo copy oci:image:1 dir:copied");
    let inspected = json_of(&forge, "skopeo inspect oci:image:1");
    assert_eq!((&inspected["Architecture"], &inspected["Os"]), (&json!("amd64"), &json!("linux")));
    assert_eq!(inspected["Layers"].as_array().unwrap().len(), 1);
    // These clients do look: a byte changed in a layer is noticed.
    let layer = inspected["Layers"][0].as_str().unwrap().replace(':', "/");
    forge.sh(&format!("printf x | dd of=image/blobs/{layer} bs=1 seek=100 conv=notrunc status=none"));
    assert_ne!(forge.sh_any("skopeo copy oci:image:1 dir:again").code, 0);
}

fn archives_are_valid() {
    let forge = forge();
    forge
        .ok([&["output", "docker", "hello.tar", "-o", "hello.docker", "--tag", "hello:1"], &WORDS[..]]
            .concat());
    forge.ok([&["output", "oci", "hello.tar", "-o", "image", "--tag", "hello:1"], &WORDS[..]].concat());
    forge.sh("skopeo copy docker-archive:hello.docker oci:copied:1");
    forge.sh("skopeo copy oci-archive:hello.docker dir:other");
    let (ours, theirs) = (Image::open(&forge.path("image"), "1"), Image::open(&forge.path("copied"), "1"));
    assert!(ours.layers() == theirs.layers() && ours.layers()[0] == forge.read("hello.tar"));
    assert_eq!(ours.config["config"], theirs.config["config"]);
    // Standard output gets the same bytes.
    let piped =
        forge.ok([&["output", "docker", "hello.tar", "-o", "-", "--tag", "hello:1"], &WORDS[..]].concat());
    assert!(piped.stdout == forge.read("hello.docker"));
}

fn the_configuration_arrives() {
    let forge = forge();
    forge.ok([&["output", "oci", "hello.tar", "-o", "image", "--tag", "hello:1"], &WORDS[..]].concat());
    forge
        .ok([&["output", "docker", "hello.tar", "-o", "hello.docker", "--tag", "hello:1"], &WORDS[..]]
            .concat());
    for image in ["oci:image:1", "docker-archive:hello.docker"] {
        let config = json_of(&forge, &format!("skopeo inspect --config {image}"));
        let expected = json!({
            "Entrypoint": ["/hello", "first"],
            "Cmd": ["second word"],
            "Env": ["A=one two", "B="],
            "User": "1000:1001",
            "WorkingDir": "/work",
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
            "Volumes": {"/data": {}},
            "Labels": {"org.example.k": "v=w"},
            "StopSignal": "SIGINT",
        });
        assert_eq!(config["config"], expected, "{image}");
        assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    }
}

fn architectures_arrive() {
    let forge = forge();
    for (word, arch, variant) in [("aarch64", "arm64", ""), ("armhf", "arm", "v7"), ("s390x", "s390x", "")] {
        forge.ok(["output", "oci", "hello.tar", "-o", "image", "--tag", "x:1", "--arch", word]);
        let config = json_of(&forge, "skopeo inspect --raw --config oci:image:1");
        assert_eq!(config["architecture"], arch);
        assert_eq!(config["variant"].as_str().unwrap_or_default(), variant);
        forge.sh(&format!("skopeo --override-arch {arch} copy oci:image:1 dir:copied-{arch}"));
    }
}

/// Podman with all that it keeps in the directory. No process may raise its limits here.
const PODMAN: &str = "podman --root $PWD/p --runroot $PWD/r --storage-driver vfs --cgroup-manager=cgroupfs --events-backend=file --log-level=error";
const RUN: &str = "run --rm --network=none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --runtime runc";

fn podman_runs_archives() {
    let forge = forge();
    let words = [
        "--entrypoint",
        "/hello",
        "--cmd",
        "[\"a b\"]",
        "--env",
        "A=1",
        "--workdir",
        "/w",
        "--tag",
        "hello:1",
    ];
    forge.ok([&["output", "docker", "hello.tar", "-o", "hello.docker"], &words[..]].concat());
    let run = |arguments: &str| {
        let image = format!("$({PODMAN} images -q)");
        forge.sh(&format!("unshare -m bash -euc '{PODMAN} {RUN} {image} {arguments}'")).stdout()
    };
    forge.sh(&format!("unshare -m {PODMAN} load -qi hello.docker"));
    assert_eq!(run(""), "hello [\"/hello\", \"a b\"] in \"/w\" A=Ok(\"1\")\n");
    assert_eq!(run("other"), "hello [\"/hello\", \"other\"] in \"/w\" A=Ok(\"1\")\n");
    let names = forge.sh(&format!("unshare -m {PODMAN} images --format '{{{{.Tag}}}}'"));
    assert_eq!(names.stdout(), "1\n");
}

fn crun_runs_layouts() {
    let forge = forge();
    forge.ok([&["output", "oci", "hello.tar", "-o", "image", "--tag", "hello:1"], &WORDS[..]].concat());
    forge.sh("umoci unpack --image image:1 bundle; mkdir state");
    let inside = "umount /sys/fs/cgroup/unified 2> /dev/null || true; cd bundle; crun --root ../state run ctr-forge-$$ < /dev/null";
    let config = "jq '.process.terminal=false' bundle/config.json > c; mv c bundle/config.json";
    let output = forge.sh(&format!("{config}; unshare -m sh -c '{inside}'"));
    assert_eq!(
        output.stdout(),
        "hello [\"/hello\", \"first\", \"second word\"] in \"/work\" A=Ok(\"one two\")\n"
    );
}

/// A root filesystem with a shell, links and an overlay, as a distribution's would be.
fn a_system_runs() {
    let forge = Forge::new();
    forge.sh("mkdir -p base/usr/bin base/etc; cp $(command -v busybox) base/usr/bin/busybox; ln -s usr/bin base/bin; ln -s busybox base/usr/bin/sh; tar -C base --xattrs -cJf base.tar.xz .");
    forge.sh("{ ldd base/usr/bin/busybox 2> /dev/null | grep -o '/[^ ]*' || true; } | while read -r library; do mkdir -p libs/$(dirname $library); cp -L $library libs/$library; done; mkdir -p libs");
    forge.write("over/bin/greet", "#!/bin/sh\nread -r name < /etc/name\necho \"greetings from $name\"\n");
    forge.sh("chmod +x over/bin/greet");
    forge.write("name", "the image\n");
    let made = "$FORGE source scratch --tar base.tar.xz --overlay libs --overlay over --copy name:/etc/";
    forge.sh(&format!("{made} | $FORGE output oci - -o image --tag system --cmd /bin/greet"));
    forge.sh("umoci unpack --image image:latest bundle");
    assert_eq!(forge.sh("chroot bundle/rootfs /bin/greet").stdout(), "greetings from the image\n");
}

fn tags_are_added_and_replaced() {
    let forge = forge();
    forge.write("other.tar", archive(&[Member::file("other", "x")]));
    let id = |tag: &str| json_of(&forge, &format!("skopeo inspect oci:image:{tag}"))["Digest"].clone();
    forge.ok(["output", "oci", "hello.tar", "-o", "image", "--tag", "x:1"]);
    let first = id("1");
    forge.ok(["output", "oci", "other.tar", "-o", "image", "--tag", "x:2"]);
    assert!(id("1") == first && id("2") != first);
    let second = id("2");
    forge.ok(["output", "oci", "other.tar", "-o", "image", "--tag", "x:1", "--label", "new=1"]);
    assert!(id("1") != first && id("2") == second);
    let index: Value = serde_json::from_slice(&forge.read("image/index.json")).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    for tag in ["1", "2"] {
        forge.sh(&format!("skopeo copy oci:image:{tag} dir:copied-{tag}"));
    }
    // A failure leaves all as it was.
    let before = forge.names("image/blobs/sha256");
    forge.fails(4, ["output", "oci", "image/oci-layout", "-o", "other", "--tag", "x:3"]);
    forge.write("broken.tar", "broken");
    forge.fails(4, ["output", "oci", "broken.tar", "-o", "image", "--tag", "x:1"]);
    assert!(forge.names("image/blobs/sha256") == before && id("2") == second);
    assert!(!forge.names(".").iter().any(|name| name.starts_with('.')), "{:?}", forge.names("."));
}

fn several_inputs() {
    let forge = forge();
    forge.write("base.tar", archive(&[Member::file("a", "base"), Member::file("b", "base")]));
    forge.write("folder/b", "folder");
    forge.ok(["output", "oci", "base.tar", "folder", "-o", "image", "--tag", "x:1"]);
    let image = Image::open(&forge.path("image"), "1");
    let layers = image.layers();
    let paths = |index: usize| {
        let lines = listing(&layers[index][..]);
        lines.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (layers.len(), paths(0), paths(1)),
        (2, vec!["/".into(), "/a".into(), "/b".into()], vec!["/".into(), "/b".into()])
    );
    assert_eq!(image.config["history"].as_array().unwrap().len(), 2);
    forge.sh("umoci unpack --rootless --image image:1 bundle");
    assert_eq!(
        (forge.read("bundle/rootfs/a"), forge.read("bundle/rootfs/b")),
        (b"base".into(), b"folder".into())
    );
}

fn other_directories_are_refused() {
    let forge = forge();
    forge.write("mine/thesis", "years of work");
    forge
        .fails(2, ["output", "oci", "hello.tar", "-o", "mine", "--tag", "x:1"])
        .says(&["no image layout", "oci-layout"]);
    forge
        .fails(2, ["output", "oci", "hello.tar", "-o", "mine/thesis", "--tag", "x:1"])
        .says(&["mine/thesis is a file"]);
    forge
        .fails(2, ["output", "docker", "hello.tar", "-o", "mine", "--tag", "x:1"])
        .says(&["mine is a directory"]);
    assert_eq!(forge.names("."), ["hello.tar", "mine"]);
    assert_eq!(
        (forge.names("mine"), forge.read("mine/thesis")),
        (vec!["thesis".into()], b"years of work".into())
    );
    fs::create_dir(forge.path("empty")).unwrap();
    forge.ok(["output", "oci", "hello.tar", "-o", "empty", "--tag", "x:1"]);
    assert_eq!(forge.names("empty"), ["blobs", "index.json", "oci-layout"]);
}

fn inputs_are_not_written_over() {
    let forge = forge();
    let before = forge.read("hello.tar");
    forge.write("folder/x", "x");
    fs::create_dir(forge.path("folder/image")).unwrap();
    std::os::unix::fs::symlink("hello.tar", forge.path("alias.tar")).unwrap();
    for (output, input, target, message) in [
        ("docker", "hello.tar", "hello.tar", "is an input"),
        ("docker", "hello.tar", "alias.tar", "is an input"),
        ("docker", "folder", "folder/x", "lies in an input"),
        ("docker", "folder", "folder/new", "lies in an input"),
        ("oci", "folder", "folder", "is an input"),
        ("oci", "folder", "folder/image", "lies in an input"),
        ("oci", "folder/x", "folder", "holds an input"),
    ] {
        forge
            .fails(2, ["output", output, input, "-o", target, "--tag", "x:1"])
            .says(&[message, "Name another place"]);
    }
    assert!(forge.read("hello.tar") == before && forge.read("folder/x") == b"x");
    assert_eq!(forge.names("folder"), ["image", "x"]);
}

fn archives_with_two_names() {
    let forge = forge();
    forge.ok([
        "output",
        "docker",
        "hello.tar",
        "-o",
        "hello.docker",
        "--tag",
        "hello:1",
        "--tag",
        "registry.example:5000/team/hello:two",
    ]);
    for name in ["hello:1", "registry.example:5000/team/hello:two"] {
        let inspected = json_of(&forge, &format!("skopeo inspect docker-archive:hello.docker:{name}"));
        assert_eq!(inspected["Layers"].as_array().unwrap().len(), 1, "{name}");
    }
    assert_ne!(forge.sh_any("skopeo inspect docker-archive:hello.docker:hello:2").code, 0);
}

fn an_ordinary_user() {
    let forge = Forge::for_other_user();
    // Into the directory, as the user may not see where it was built.
    fs::copy(hello(), forge.path("hello")).unwrap();
    forge.ok(["source", "scratch", "--copy", "hello:/hello", "-o", "hello.tar"]);
    forge.ok([&["output", "oci", "hello.tar", "-o", "image", "--tag", "hello:1"], &WORDS[..]].concat());
    forge
        .ok([&["output", "docker", "hello.tar", "-o", "hello.docker", "--tag", "hello:1"], &WORDS[..]]
            .concat());
    forge.sh("skopeo copy --insecure-policy oci:image:1 dir:copied; skopeo copy --insecure-policy docker-archive:hello.docker oci:again:1");
    forge.sh("umoci unpack --rootless --image image:1 bundle; bundle/rootfs/hello");
    assert_eq!(
        forge.sh("stat -c %u hello.tar hello.docker image/index.json").stdout(),
        "65534\n65534\n65534\n"
    );
}

/// Engines that run take an archive through their sockets.
fn engines_load() {
    let forge = forge();
    let wait = "for i in $(seq 100); do test -S $1 && break; sleep 0.1; done";
    forge.ok([
        "output",
        "docker",
        "hello.tar",
        "-o",
        "image.tar",
        "--tag",
        "hello:1",
        "--entrypoint",
        "/hello",
    ]);
    let podman = "podman --root $PWD/p --runroot $PWD/r --storage-driver vfs --cgroup-manager=cgroupfs --events-backend=file";
    let output = forge.sh(&format!(
        "wait() {{ {wait}; }}; {podman} system service -t 30 unix://$PWD/podman.sock > log 2>&1 & wait podman.sock; \
         DOCKER_HOST=unix://$PWD/podman.sock $FORGE load image.tar; \
         DOCKER_HOST=unix://$PWD/podman.sock $FORGE output docker hello.tar --load --tag direct:2; \
         {podman} images --format '{{{{.Repository}}}}:{{{{.Tag}}}}'; \
         {podman} save -q -o podman-saved.tar hello:1; \
         {podman} save -q --format oci-archive -o podman-oci.tar hello:1; \
         {podman} import -q {IMPORT} import.tar imported:1 > imported; \
         {podman} inspect imported:1 > podman-imported.json; kill %1; rm -rf p r",
        IMPORT = change(&forge),
    ));
    for name in ["Loaded image: docker.io/library/hello:1", "docker.io/library/direct:2"] {
        assert!(output.stdout().contains(name), "{}", output.stdout());
    }
    let output = forge.sh(&format!(
        "wait() {{ {wait}; }}; echo '{{}}' > d.json; \
         dockerd --config-file d.json --data-root $PWD/d --exec-root $PWD/e --pidfile $PWD/pid -H unix://$PWD/docker.sock \
         --iptables=false --ip6tables=false --bridge=none --ip-forward=false --ip-masq=false --userland-proxy=false \
         --storage-driver vfs > dlog 2>&1 & wait docker.sock; \
         code=0; DOCKER_HOST=unix://$PWD/docker.sock $FORGE load image.tar || code=$?; \
         D=\"docker -H unix://$PWD/docker.sock\"; $D run --rm --network none hello:1 || code=$?; \
         $D save -o docker-saved.tar hello:1 || code=$?; \
         $D import {IMPORT} import.tar imported:1 > imported || code=$?; \
         $D inspect imported:1 > docker-imported.json || code=$?; \
         $D run --rm --network none imported:1 || code=$?; \
         kill $(cat pid); while kill -0 $(cat pid) 2> /dev/null; do sleep 0.1; done; rm -rf d e; exit $code",
        IMPORT = change(&forge),
    ));
    assert!(
        output.stdout().contains("Loaded image: hello:1") && output.stdout().contains("hello ["),
        "{}",
        output.stdout()
    );
    assert!(
        output.stdout().contains("hello [\"/hello\", \"first\", \"second word\"] in \"/work\""),
        "{output:?}"
    );
    let tree = |image: &str| forge.ok(["inspect", "--tree-digest", image]).stdout();
    for saved in ["podman-saved.tar", "podman-oci.tar", "docker-saved.tar"] {
        assert_eq!(tree(saved), tree("image.tar"), "{saved}");
    }
    forge.ok([&["output", "oci", "hello.tar", "-o", "all", "--tag", "all:1"], &WORDS[..]].concat());
    let expected = &json_of(&forge, "skopeo inspect --config oci:all:1")["config"];
    for engine in ["docker", "podman"] {
        let imported = &json_of(&forge, &format!("cat {engine}-imported.json"))[0]["Config"];
        for key in IMPORTED {
            assert_eq!(imported[key], expected[key], "{engine}: {key}");
        }
    }
}

/// What is said by `--change`, as the configuration calls it.
const IMPORTED: [&str; 8] =
    ["Entrypoint", "Cmd", "Env", "User", "WorkingDir", "ExposedPorts", "Volumes", "Labels"];

/// Makes `import.tar`, and returns the words of the command for it that say how it is run.
fn change(forge: &Forge) -> String {
    let words = [&["--json", "output", "docker", "hello.tar", "-o", "import.tar", "--import"], &WORDS[..]];
    let output = forge.ok(words.concat()).says(&["takes no stop signal"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let hint = report["hints"][0].as_str().unwrap();
    let words = hint.strip_prefix("Import it: docker import ").unwrap();
    words.strip_suffix(" import.tar").unwrap().to_owned()
}

fn nothing_is_loaded() {
    let forge = forge().env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    forge.ok(["output", "docker", "hello.tar", "-o", "image.tar"]);
    forge.ok(["output", "oci", "hello.tar", "-o", "image"]);
    forge.fails(13, ["load", "image.tar"]).says(&["no engine is running", "/nonexistent/docker.sock"]);
    forge.fails(2, ["load", "image"]).says(&["in the format \"oci\"", "--format docker"]);
    forge.fails(4, ["load", "hello.tar"]).says(&["is no image"]);
    let to_stdout = ["output", "docker", "hello.tar", "-o", "-", "--load"];
    forge.fails(2, to_stdout).says(&["cannot be loaded and written to standard output"]);
    let ssh = forge.env("DOCKER_HOST", "ssh://host");
    ssh.fails(11, ["load", "image.tar"]).says(&["ssh://host"]);
}

fn containerd_imports() {
    let forge = forge();
    let words = ["--tag", "hello:1", "--entrypoint", "[\"/hello\", \"x\"]", "--workdir", "/"];
    for (output, file) in [("docker", "docker.tar"), ("oci", "oci.tar")] {
        forge.ok(["output", output, "hello.tar", "-o", file].iter().chain(&words));
        let config = "version = 2\nroot = \"%s/c\"\nstate = \"%s/s\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
                      [grpc]\naddress = \"%s/c.sock\"\n[ttrpc]\naddress = \"%s/t.sock\"\n";
        let said = forge.sh(&format!(
            "printf '{config}' $PWD $PWD $PWD $PWD > c.toml; containerd -c c.toml > clog 2>&1 & \
             for i in $(seq 100); do test -S c.sock && break; sleep 0.1; done; \
             C=\"ctr -a $PWD/c.sock\"; code=0; \
             $C image import --snapshotter native {file} || code=$?; $C image check || code=$?; mkdir -p mounted; \
             $C run --rm --cgroup '' --snapshotter native docker.io/library/hello:1 ran-$$ < /dev/null || code=$?; \
             kill %1; wait %1 || true; umount -R c s 2> /dev/null || true; rm -rf c s c.sock t.sock; exit $code"
        ));
        let said = said.stdout();
        assert!(said.contains("docker.io/library/hello:1") && said.contains("complete"), "{file}: {said}");
        assert!(said.contains("hello [\"/hello\", \"x\"] in \"/\""), "{file}: {said}");
    }
}

fn buildah_builds_upon() {
    let forge = forge();
    forge.ok(["output", "oci", "hello.tar", "-o", "image", "--tag", "hello:1", "--env", "A=of the image"]);
    forge.ok([
        "output",
        "docker",
        "hello.tar",
        "-o",
        "docker.tar",
        "--tag",
        "hello:1",
        "--env",
        "A=of the image",
    ]);
    for image in ["oci:image:1", "docker-archive:docker.tar"] {
        let said = forge.sh(&format!(
            "B=\"buildah --root $PWD/b --runroot $PWD/br --storage-driver vfs\"; c=$($B from {image}); \
             $B run --isolation chroot $c -- /hello; $B commit -q --format oci $c oci:built:1 > /dev/null; \
             $B rm -a > /dev/null; $B rmi -a -f > /dev/null; rm -rf b br"
        ));
        assert!(said.stdout().contains("A=Ok(\"of the image\")"), "{image}: {}", said.stdout());
        // What it makes of ours, ours reads.
        forge.ok(["squash", "built", "--format", "rootfs", "-o", "built.tar"]);
        forge.sh("tar -xOf built.tar hello > one; tar -xOf hello.tar hello > other; cmp one other; test -s one; rm -r built");
    }
}
