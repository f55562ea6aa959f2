//! The same input gives the same bytes, whoever makes them, where and when.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

use ctr_forge_rootfs::{Attributes, Duplicates, Tree, Walk};
use ctr_forge_tests::archive::{Member, archive, listing};
use ctr_forge_tests::layout::Image;
use ctr_forge_tests::runner::folder_at_rest;
use ctr_forge_tests::{Forge, Need, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "reproducible::layers_of_the_cache", needs: &[], run: layers_of_the_cache },
    Test { name: "reproducible::a_folder_at_rest", needs: &[Need::Settles], run: a_folder_at_rest },
    Test { name: "reproducible::a_fingerprint_is_of_one_state", needs: &[Need::Settles], run: one_state },
    Test { name: "reproducible::twice_the_same_bytes", needs: &[], run: twice_the_same_bytes },
    Test { name: "reproducible::any_number_of_threads", needs: &[], run: any_number_of_threads },
    Test { name: "reproducible::any_environment", needs: &[], run: any_environment },
    Test { name: "reproducible::any_user", needs: &[Need::OtherUser], run: any_user },
    Test { name: "reproducible::any_order_on_disk", needs: &[], run: any_order_on_disk },
    Test {
        name: "reproducible::the_epoch_is_the_latest_date",
        needs: &[],
        run: the_epoch_is_the_latest_date,
    },
    Test { name: "reproducible::without_epoch_the_input_dates_it", needs: &[], run: the_input_dates_it },
];

/// More than a few chunks of a layer, hard to compress, and always the same.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8 & 0x3f
    };
    (0..length).map(|_| step()).collect()
}

/// Writes the input of all tests here, names in the order of `names`.
fn write_input(forge: &Forge, names: &[&str]) {
    for name in names {
        forge.write(format!("folder/{name}"), name);
    }
    forge.write("folder/noise", noise(5 << 20));
    symlink("noise", forge.path("folder/link")).unwrap();
    fs::hard_link(forge.path("folder/a"), forge.path("folder/a-again")).unwrap();
    let members = [Member::file("etc/os-release", "ID=x\n"), Member::link("etc/link", b'2', "os-release")];
    forge.write("base.tar", archive(&members));
}

/// A tar, a Docker archive and the index of a layout, made by a script that begins with `setup`.
fn make(forge: &Forge, setup: &str) -> [Vec<u8>; 3] {
    let script = "
        rm -rf \"$OUT\"; mkdir \"$OUT\"
        $FORGE source scratch --tar \"$IN/base.tar\" --overlay \"$IN/folder\" --copy \"$IN/folder/a\":/opt/ -o \"$OUT/root.tar\"
        $FORGE output docker \"$OUT/root.tar\" \"$IN/folder\" -o \"$OUT/docker.tar\" --tag x:1 --label b=c --env A=1 --arch amd64
        $FORGE output oci \"$OUT/root.tar\" \"$IN/folder\" -o \"$OUT/oci\" --tag x:1 --cmd /x --arch amd64";
    forge.sh(&format!("IN=$PWD; OUT=$PWD/out; {setup}; {script}"));
    ["root.tar", "docker.tar", "oci/index.json"].map(|name| forge.read(format!("out/{name}")))
}

#[track_caller]
fn same(what: &str, first: &[Vec<u8>; 3], second: &[Vec<u8>; 3]) {
    for (index, name) in ["root.tar", "docker.tar", "index.json"].iter().enumerate() {
        assert!(first[index] == second[index], "{what}: {name} differs");
    }
}

fn twice_the_same_bytes() {
    let forge = Forge::new();
    write_input(&forge, &["a", "b"]);
    let first = make(&forge, "true");
    assert!(first[1].len() > 4 << 20, "the layers should be of several chunks");
    same("twice", &first, &make(&forge, "sleep 1.1"));
    // And it is the input that decides.
    forge.write("folder/b", "B");
    let changed = make(&forge, "true");
    assert!((0..3).all(|index| first[index] != changed[index]));
}

fn any_number_of_threads() {
    let forge = Forge::new();
    write_input(&forge, &["a", "b"]);
    let [first, rest @ ..] = [1, 2, 4].map(|jobs| make(&forge, &format!("export CTR_FORGE_JOBS={jobs}")));
    rest.iter().for_each(|other| same("jobs", &first, other));
}

fn any_environment() {
    let forge = Forge::new();
    write_input(&forge, &["a", "b"]);
    let first = make(&forge, "true");
    for setup in [
        "umask 077",
        "export TZ=Asia/Kathmandu",
        "export LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8",
        "mkdir -p d; cd d",
        "export TMPDIR=$PWD",
    ] {
        same(setup, &first, &make(&forge, setup));
    }
}

fn any_user() {
    let names = ["a", "b"];
    let (root, other) = (Forge::new(), Forge::for_other_user());
    write_input(&root, &names);
    write_input(&other, &names);
    assert_ne!(root.sh("id -u").stdout, other.sh("id -u").stdout);
    same("users", &make(&root, "true"), &make(&other, "umask 077"));
}

fn any_order_on_disk() {
    let mut names: Vec<String> = (0..200).map(|n| format!("a{n}/file")).chain(["a".into()]).collect();
    let forward = Forge::new();
    write_input(&forward, &names.iter().map(String::as_str).collect::<Vec<_>>());
    names.reverse();
    let backward = Forge::new();
    write_input(&backward, &names.iter().map(String::as_str).collect::<Vec<_>>());
    same("order", &make(&forward, "true"), &make(&backward, "true"));
}

/// A tar with a file of 1970 and one of 2033.
fn old_and_new() -> Vec<u8> {
    let mut new = Member::file("new", "");
    new.set(136, format!("{:011o}\0", 2_000_000_000).as_bytes());
    let mut old = Member::file("old", "");
    old.set(136, format!("{:011o}\0", 1_000).as_bytes());
    archive(&[new, old])
}

fn the_epoch_is_the_latest_date() {
    let forge = Forge::new().env("SOURCE_DATE_EPOCH", "1700000000");
    forge.write("in.tar", old_and_new());
    forge.write("file", "");
    let tar = forge.ok(["source", "scratch", "--tar", "in.tar", "--copy", "file:/file"]).stdout;
    let dates: Vec<_> =
        listing(&tar[..]).iter().map(|line| line.split(' ').nth(5).unwrap().to_owned()).collect();
    assert_eq!(dates, ["1700000000", "1700000000", "1700000000", "1000"], "root, copy, new, old");
    forge.ok(["output", "oci", "in.tar", "-o", "image", "--tag", "x:1"]);
    let image = Image::open(&forge.path("image"), "1");
    assert_eq!(image.config["created"], "2023-11-14T22:13:20Z");
    assert!(image.layers()[0] == forge.ok(["source", "scratch", "--tar", "in.tar"]).stdout);
}

fn the_input_dates_it() {
    let forge = Forge::new();
    forge.write("in.tar", old_and_new());
    forge.ok(["output", "oci", "in.tar", "-o", "image", "--tag", "x:1"]);
    assert_eq!(Image::open(&forge.path("image"), "1").config["created"], "2033-05-18T03:33:20Z");
    forge.write("folder/x", "");
    forge.ok(["output", "oci", "folder", "-o", "image", "--tag", "x:2"]);
    assert_eq!(Image::open(&forge.path("image"), "2").config["created"], "1970-01-01T00:00:00Z");
}

/// A layer that is taken from the cache, whole or to where it differs, is the one that is made.
fn layers_of_the_cache() {
    let forge = Forge::new();
    let cache = forge.path("cache").display().to_string();
    let forge = forge.env("CTR_FORGE_CACHE", &cache);
    for (name, byte) in [("a", 1), ("m", 2), ("z", 3)] {
        let noise = noise(3 << 20).into_iter().map(|b| b ^ byte).collect::<Vec<_>>();
        forge.write(format!("tree/{name}"), noise);
    }
    let blob = |image: &str| {
        let index = forge.sh(&format!("find {image}/blobs -size +1M")).stdout();
        forge.path(index.trim())
    };
    let index = |image: &str| forge.read(format!("{image}/index.json"));
    for compression in ["gzip", "zstd"] {
        let make = |image: &str| {
            forge.sh(&format!("rm -rf {image}"));
            forge.ok(["output", "oci", "tree", "-o", image, "--tag", "x:1", "--compression", compression]);
        };
        let fresh = |image: &str| {
            forge.sh("rm -rf cache");
            make(image);
        };
        fresh("first");
        make("again");
        assert!(index("again") == index("first"), "{compression}");
        // One file under several names, where the file system is one.
        assert!(blob("again").metadata().unwrap().nlink() >= 3);
        // What differs from the middle on, and what is shorter.
        forge.write("tree/m", noise(3 << 20));
        make("changed");
        forge.sh("mv tree/z z");
        make("shorter");
        fresh("fresh-shorter");
        forge.sh("mv z tree/z");
        fresh("fresh-changed");
        assert!(index("changed") == index("fresh-changed"), "{compression}");
        assert!(index("shorter") == index("fresh-shorter"), "{compression}");
        // What the cache has is compared before it is used, and what is known of it is no more than that.
        for harm in ["printf x | dd of=$f bs=1 seek=500000 conv=notrunc 2> /dev/null", ": > $f", "rm $f"] {
            fresh("first");
            forge.sh(&format!(
                "for f in $(find cache/sha256 -type f); do cp $f $f.new; mv $f.new $f; {harm}; done"
            ));
            make("again");
            assert!(index("again") == index("first"), "{compression}: {harm}");
            forge.ok(["inspect", "again"]);
        }
        // For the archive of docker it is the same blob.
        forge.ok(["output", "docker", "tree", "-o", "docker.tar", "--tag", "x:1"]);
        forge.ok(["inspect", "docker.tar"]);
    }
    // Where there is no place for it, nothing is lost.
    forge.sh("rm -rf cache; : > cache");
    forge.ok(["output", "oci", "tree", "-o", "without", "--tag", "x:1"]);
}

/// A folder that nobody has touched for a minute is not read again, and gives the same image.
fn a_folder_at_rest() {
    let forge = Forge::new();
    let cache = forge.path("cache").display().to_string();
    let forge = forge.env("CTR_FORGE_CACHE", &cache);
    let library = folder_at_rest().unwrap().display().to_string();
    let make = |image: &str| {
        let words = ["-v", "output", "oci", library.as_str(), "-o", image, "--tag", "x:1"];
        let said = forge.ok(words).stderr;
        (said.contains("has not changed"), forge.read(format!("{image}/index.json")))
    };
    let (rested, first) = make("first");
    assert!(!rested);
    assert_eq!(make("again"), (true, first.clone()));
    forge.ok(["inspect", "again"]);
    // Without what the cache has, it is read.
    forge.sh("find cache/sha256 -type f -size +1M -delete");
    assert_eq!(make("anew"), (false, first.clone()));
    assert_eq!(make("again-anew"), (true, first));
    // One that has just been written is read, even with the same dates.
    forge.sh(&format!("cp -a {library}/. copy"));
    let copy = |image: &str| {
        forge
            .ok(["-v", "output", "oci", "copy", "-o", image, "--tag", "x:1"])
            .stderr
            .contains("has not changed")
    };
    assert!(!copy("copy-first") && !copy("copy-again"));
}

/// What tells that a folder has not changed changes with all that is in it, and with its dates.
fn one_state() {
    let forge = Forge::new();
    forge.write("folder/x", "abc");
    symlink("x", forge.path("folder/link")).unwrap();
    let fingerprint_of = |attributes, settled| {
        let mut tree = Tree::new_in(forge.directory(), Duplicates::Refuse).unwrap();
        let walk = Walk { attributes, one_file_system: false };
        tree.read_directory(&forge.path("folder"), &walk, &mut || true).unwrap();
        tree.normalise(0).unwrap();
        tree.fingerprint(settled)
    };
    let plain = Attributes::Plain { mtime: 0 };
    let fingerprint = |attributes| fingerprint_of(attributes, i64::MAX);
    let first = fingerprint(plain);
    assert!(first.is_some() && first == fingerprint(plain));

    // The same size and date, and yet another content.
    let file = fs::File::options().write(true).open(forge.path("folder/x")).unwrap();
    let (date, changed) = (file.metadata().unwrap().modified().unwrap(), || {
        let stat = file.metadata().unwrap();
        (stat.ctime(), stat.ctime_nsec())
    });
    let before = changed();
    // The kernel's clock may tick as rarely as a hundred times a second.
    while changed() == before {
        file.write_all_at(b"xyz", 0).unwrap();
        file.set_modified(date).unwrap();
    }
    let second = fingerprint(plain);
    assert!(second.is_some() && second != first);

    // Attributes count as far as they are in the stream.
    let kept = fingerprint(Attributes::Preserve);
    file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    assert_ne!(fingerprint(Attributes::Preserve), kept);
    let links = fingerprint(plain);
    fs::remove_file(forge.path("folder/link")).unwrap();
    symlink("y", forge.path("folder/link")).unwrap();
    assert_ne!(fingerprint(plain), links);

    // What changed a moment ago may change again within the same tick of the clock.
    let (changed, _) = changed();
    assert_eq!(fingerprint_of(plain, changed), None);
    assert!(fingerprint_of(plain, changed + 1).is_some());
}
