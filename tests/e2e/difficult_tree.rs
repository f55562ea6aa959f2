//! A tree with all that goes wrong comes through unchanged, for us and for the unpackers of others.

use std::fs;
use std::path::Path;

use ctr_forge_rootfs::{Entry, Kind, Reader};
use ctr_forge_tests::archive::{Member, archive, content, listing, record};
use ctr_forge_tests::difficult::{self, FAR_FUTURE};
use ctr_forge_tests::layout::Image;
use ctr_forge_tests::unpacked::{assert_same, expected, found};
use ctr_forge_tests::{Forge, Need, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "difficult_tree::through_a_source", needs: &[], run: through_a_source },
    Test { name: "difficult_tree::in_any_order", needs: &[], run: in_any_order },
    Test { name: "difficult_tree::into_a_layer", needs: &[], run: into_a_layer },
    Test {
        name: "difficult_tree::into_a_docker_archive",
        needs: &[Need::Tool("tar")],
        run: into_a_docker_archive,
    },
    Test {
        name: "difficult_tree::listed_by_other_tars",
        needs: &[Need::Tool("tar"), Need::Tool("bsdtar"), Need::Tool("python3")],
        run: listed_by_other_tars,
    },
    Test {
        name: "difficult_tree::unpacked_by_tar",
        needs: &[Need::Root, Need::Tool("tar")],
        run: unpacked_by_tar,
    },
    Test {
        name: "difficult_tree::unpacked_by_umoci",
        needs: &[Need::Root, Need::Tool("umoci")],
        run: unpacked_by_umoci,
    },
    Test {
        name: "difficult_tree::unpacked_by_podman",
        needs: &[Need::Root, Need::MountNamespace, Need::Tool("podman")],
        run: unpacked_by_podman,
    },
    Test {
        name: "difficult_tree::from_disk_and_back",
        needs: &[Need::Root, Need::Tool("tar")],
        run: from_disk_and_back,
    },
    Test { name: "difficult_tree::sparse_files", needs: &[Need::Tool("tar")], run: sparse_files },
    Test {
        name: "difficult_tree::sparse_files_over_8_gib",
        needs: &[Need::Tool("tar")],
        run: sparse_files_over_8_gib,
    },
    Test { name: "difficult_tree::global_headers", needs: &[], run: global_headers },
];

/// The tree in a directory, and an epoch that is later than all in it.
fn forge() -> Forge {
    let forge = Forge::new().env("SOURCE_DATE_EPOCH", "250000000000");
    forge.write("in.tar", difficult::tar());
    forge
}

fn layout(forge: &Forge) -> Vec<u8> {
    forge.ok(["output", "oci", "in.tar", "-o", "image", "--tag", "x:1"]);
    Image::open(&forge.path("image"), "1").layers().remove(0)
}

fn through_a_source() {
    let forge = forge();
    let tar = forge.ok(["source", "scratch", "--tar", "in.tar"]).stdout;
    assert_eq!(listing(&tar[..]), listing(&forge.read("in.tar")[..]));
    assert_eq!(listing(&tar[..]).len(), difficult::tree().len());
    assert!(tar == forge.read("in.tar"), "what is canonical stays as it is, byte for byte");
}

fn in_any_order() {
    let forge = forge();
    let mut writer = ctr_forge_rootfs::Writer::new(Vec::new());
    for object in difficult::tree().iter().rev() {
        writer.entry(&object.entry, &mut &object.content[..]).unwrap();
    }
    forge.write("reverse.tar", writer.finish().unwrap());
    let output = forge.ok(["source", "scratch", "--tar", "reverse.tar"]);
    assert_eq!(listing(&output.stdout[..]), listing(&forge.read("in.tar")[..]));
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
}

fn into_a_layer() {
    let forge = forge();
    assert_eq!(listing(&layout(&forge)[..]), listing(&forge.read("in.tar")[..]));
}

fn into_a_docker_archive() {
    let forge = forge();
    forge.ok(["output", "docker", "in.tar", "-o", "docker.tar", "--tag", "x:1"]);
    forge.sh("mkdir image; tar -C image -xf docker.tar");
    let layers = Image::open(&forge.path("image"), "1").layers();
    assert_eq!(listing(&layers[0][..]), listing(&forge.read("in.tar")[..]));
}

fn listed_by_other_tars() {
    let forge = forge();
    forge.write("layer.tar", layout(&forge));
    let count = difficult::tree().len();
    forge.write("count.py", "import tarfile\nprint(len(tarfile.open('layer.tar').getmembers()))\n");
    let lines = |script: &str| forge.sh(script).stdout().lines().count();
    // GNU tar escapes newlines in names when it lists them.
    assert_eq!(lines("tar -tf layer.tar"), count);
    assert_eq!(lines("LC_ALL=C bsdtar -tf layer.tar"), count);
    assert_eq!(forge.sh("python3 count.py").stdout().trim(), count.to_string());
}

/// The dates that ext4 and xfs can both keep. What a link has is not kept by all.
fn keeps(entry: &Entry) -> bool {
    entry.mtime != FAR_FUTURE && !entry.path.as_bytes().ends_with(b"far")
}

/// Podman and umoci know no dates before 1970, and some versions leave those of links alone.
fn keeps_most(entry: &Entry) -> bool {
    keeps(entry) && !entry.path.as_bytes().starts_with(b"dates") && !matches!(entry.kind, Kind::Symlink(_))
}

/// As [`compare`], for a reader in Go: it takes an attribute that is empty for none, as POSIX has it
/// of every PAX record.
#[track_caller]
fn compare_go(what: &str, root: &Path) {
    let mut expected = expected(&difficult::tree(), keeps_most);
    expected.values_mut().for_each(|line| *line = line.replace(" user.empty=", ""));
    assert_same(what, &expected, &found(root, keeps_most));
}

#[track_caller]
fn compare(what: &str, root: &Path, keeps: fn(&Entry) -> bool) {
    assert_same(what, &expected(&difficult::tree(), keeps), &found(root, keeps));
}

fn unpacked_by_tar() {
    let forge = forge();
    forge.write("layer.tar", layout(&forge));
    // It says that the far future is implausible and is right.
    forge.sh("mkdir root; tar -C root --numeric-owner --xattrs --xattrs-include='*' -xpf layer.tar");
    compare("tar", &forge.path("root"), keeps);
}

fn unpacked_by_umoci() {
    let forge = forge();
    layout(&forge);
    forge.sh("umoci unpack --image image:1 bundle");
    compare_go("umoci", &forge.path("bundle/rootfs"));
}

fn unpacked_by_podman() {
    let forge = forge();
    forge.ok(["output", "docker", "in.tar", "-o", "docker.tar", "--tag", "x:1"]);
    let podman = "podman --root $PWD/p --runroot $PWD/r --storage-driver vfs --cgroup-manager=cgroupfs --events-backend=file --log-level=error";
    let script = format!(
        "unshare -m bash -euc '{podman} load -qi docker.tar >&2; root=$({podman} image mount $({podman} images -q)); cp -a \"$root\" root'"
    );
    forge.sh(&script);
    compare_go("podman", &forge.path("root"));
}

fn from_disk_and_back() {
    let forge = forge();
    forge.sh("mkdir root; tar -C root --numeric-owner --xattrs --xattrs-include='*' -xpf in.tar");
    forge.ok(["source", "scratch", "--preserve", "--overlay", "root", "-o", "out.tar"]);
    forge.sh("mkdir again; tar -C again --numeric-owner --xattrs --xattrs-include='*' -xpf out.tar");
    compare("from disk", &forge.path("again"), keeps);
}

fn sparse_files() {
    let forge = Forge::new();
    forge.sh("truncate -s 40M holes; for at in 0 1000 9999999 41900000; do printf data | dd of=holes bs=1 seek=$at conv=notrunc status=none; done; truncate -s 1M empty");
    let plain = listing(&forge.sh("tar -cf - --format=posix holes empty").stdout[..]);
    for format in
        ["gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0"]
    {
        forge.sh(&format!("tar -cf in.tar --sparse --format={format} holes empty"));
        assert!(fs::metadata(forge.path("in.tar")).unwrap().len() < 1 << 20, "{format} stores holes");
        let tar = forge.ok(["source", "scratch", "--tar", "in.tar"]).stdout;
        assert!(content(&tar[..], "holes").unwrap() == forge.read("holes"), "{format}");
        assert!(content(&tar[..], "empty").unwrap() == forge.read("empty"), "{format}");
        // Layers hold no sparse files: not all readers know them.
        assert!(tar.len() > 41 << 20);
        let columns = |lines: &[String], path: &str| {
            let line = lines.iter().find(|line| line.starts_with(path)).unwrap();
            line.split(' ').take(5).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(columns(&listing(&tar[..]), "/holes"), columns(&plain, "/holes"), "{format}");
    }
}

/// Their headers alone: to write out what they stand for would take minutes.
fn sparse_files_over_8_gib() {
    let forge = Forge::new();
    forge.sh("truncate -s 9G holes; printf data | dd of=holes bs=1 seek=9000000000 conv=notrunc status=none");
    for format in ["gnu", "posix --sparse-version=0.1", "posix --sparse-version=1.0"] {
        forge.sh(&format!("tar -cf in.tar --sparse --hole-detection=seek --format={format} holes"));
        let mut reader = Reader::new(fs::File::open(forge.path("in.tar")).unwrap());
        let entry = reader.next_entry().unwrap().unwrap();
        assert_eq!(entry.kind, Kind::File { size: 9 << 30 }, "{format}");
        assert!(reader.next_entry().unwrap().is_none(), "{format}");
    }
}

fn global_headers() {
    let forge = Forge::new();
    let members = [
        Member::extended(b'g', record("comment", "made by nobody") + &record("uid", "77")),
        Member::file("a", "a"),
        Member::extended(b'x', record("uid", "88")),
        Member::file("b", "b"),
        Member::file("c", "c"),
    ];
    forge.write("in.tar", archive(&members));
    let tar = forge.ok(["source", "scratch", "--tar", "in.tar"]).stdout;
    let owners: Vec<_> =
        listing(&tar[..]).iter().map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect();
    assert_eq!(owners, ["0:0", "77:0", "88:0", "77:0"]);
    assert!(!tar.windows(6).any(|bytes| bytes == b"nobody"), "no global header comes out");
}
