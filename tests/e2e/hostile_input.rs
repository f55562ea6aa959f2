//! Archives made to do harm: each is refused by name, and nothing comes of it.

use std::fs;
use std::time::{Duration, Instant};

use ctr_forge_tests::archive::{Member, archive, content, listing, record};
use ctr_forge_tests::{Forge, Need, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "hostile_input::names_that_leave_the_root", needs: &[], run: names_that_leave_the_root },
    Test {
        name: "hostile_input::links_are_followed_inside_the_root",
        needs: &[Need::Tool("tar")],
        run: links_are_followed_inside_the_root,
    },
    Test { name: "hostile_input::hard_links_to_nothing", needs: &[], run: hard_links_to_nothing },
    Test { name: "hostile_input::sizes_that_are_claimed", needs: &[], run: sizes_that_are_claimed },
    Test { name: "hostile_input::archives_cut_anywhere", needs: &[], run: archives_cut_anywhere },
    Test { name: "hostile_input::what_is_no_single_archive", needs: &[], run: what_is_no_single_archive },
    Test {
        name: "hostile_input::compressed_data_that_is_broken",
        needs: &[Need::Tool("gzip"), Need::Tool("xz"), Need::Tool("zstd"), Need::Tool("bzip2")],
        run: compressed_data_that_is_broken,
    },
    Test { name: "hostile_input::memory_that_is_claimed", needs: &[], run: memory_that_is_claimed },
    Test { name: "hostile_input::headers_with_wrong_checksums", needs: &[], run: wrong_checksums },
    Test { name: "hostile_input::absurd_extended_headers", needs: &[], run: absurd_extended_headers },
    Test { name: "hostile_input::names_that_look_like_whiteouts", needs: &[], run: whiteout_names },
    Test { name: "hostile_input::many_small_entries", needs: &[], run: many_small_entries },
];

/// Each command that takes in an archive refuses this one with exit code 4 and these words, and
/// leaves nothing.
#[track_caller]
fn refused(archive: &[u8], said: &[&str]) {
    let forge = Forge::new();
    forge.write("in.tar", archive);
    fs::create_dir(forge.path("tmp")).unwrap();
    let forge = forge.env("TMPDIR", "tmp");
    let source = ["source", "scratch", "--tar", "in.tar", "-o", "out"];
    for words in [
        source,
        ["output", "oci", "in.tar", "--tag=x", "-o", "out"],
        ["output", "docker", "in.tar", "--tag=x", "-o", "out"],
    ] {
        let started = Instant::now();
        let output = forge.run(words);
        assert_eq!(output.code, 4, "{words:?}: {}", output.stderr);
        output.says(&["in.tar"]).says(said);
        assert!(started.elapsed() < Duration::from_secs(20), "{words:?} took {:?}", started.elapsed());
        assert_eq!(forge.names("."), ["in.tar", "tmp"], "{words:?}");
        assert!(forge.names("tmp").is_empty(), "{words:?}");
    }
}

fn names_that_leave_the_root() {
    for name in ["../canary", "a/../../canary", "..", "/../canary", "a/.."] {
        refused(&archive(&[Member::file("a/first", ""), Member::file(name, "x")]), &[name, ".."]);
    }
    let long = record("path", &format!("{}/../../canary", "d/".repeat(100)));
    refused(&archive(&[Member::extended(b'x', long), Member::file("short", "x")]), &["canary", ".."]);
    refused(&archive(&[Member::link("link", b'1', "../../etc/passwd")]), &["link", ".."]);
    // An absolute name is one below the root, as every reader takes it.
    let forge = Forge::new();
    let inside = forge.path("canary").display().to_string();
    forge.write("in.tar", archive(&[Member::file(&inside, "x")]));
    let tar = forge.ok(["source", "scratch", "--tar", "in.tar"]).stdout;
    assert_eq!(content(&tar[..], inside.trim_start_matches('/')).unwrap(), b"x");
    assert_eq!(forge.names("."), ["in.tar"]);
}

fn links_are_followed_inside_the_root() {
    let forge = Forge::new();
    let canary = forge.write("outside/canary", "alive");
    let outside = forge.path("outside").display().to_string();
    let up = format!("{}{outside}", "../".repeat(20));
    for target in [&outside, &up] {
        let members = [
            Member::link("door", b'2', target),
            Member::file("door/canary", "dead"),
            Member::link("loop", b'2', "loop"),
            Member::file("loop/x", "x"),
        ];
        forge.write("in.tar", archive(&members));
        let words = ["--tar", "in.tar", "-o", "out.tar"];
        forge.ok([&["source", "scratch"], &words[..]].concat());
        let tar = forge.read("out.tar");
        let inside = format!("{}/canary", outside.trim_start_matches('/'));
        assert_eq!(content(&tar[..], &inside).unwrap(), b"dead", "{:?}", listing(&tar[..]));
        // What comes out asks nobody to write through a link.
        forge.sh("rm -rf root; mkdir root; tar -C root -xf out.tar; test -L root/door; test -f root/loop/x");
        forge.ok(["output", "oci", "in.tar", "-o", "image"]);
        assert_eq!(fs::read(&canary).unwrap(), b"alive");
        assert_eq!(forge.names("outside"), ["canary"]);
    }
}

fn hard_links_to_nothing() {
    let gone = "is a hard link to a file that is not there";
    let alone = [Member::link("a", b'1', "b")];
    let circle = [Member::link("a", b'1', "b"), Member::link("b", b'1', "a")];
    let itself = [Member::link("a", b'1', "a")];
    for (members, name) in [(&alone[..], "/a"), (&circle, "/b"), (&itself, "/a")] {
        let forge = Forge::new();
        forge.write("in.tar", archive(members));
        for words in [
            ["source", "scratch", "--tar", "in.tar", "-o", "x"],
            ["output", "docker", "in.tar", "--tag=x", "-o", "x"],
        ] {
            forge.fails(4, words).says(&[name, gone]);
            assert_eq!(forge.names("."), ["in.tar"]);
        }
    }
    let directory = [Member::new("d/", b'5'), Member::link("a", b'1', "d")];
    let forge = Forge::new();
    forge.write("in.tar", archive(&directory));
    forge
        .fails(4, ["source", "scratch", "--tar", "in.tar"])
        .says(&["/a is a hard link to /d, which is a directory"]);
}

fn sizes_that_are_claimed() {
    for size in [1 << 20, 9 << 30, 1 << 40, i64::MAX as u64] {
        let mut huge = Member::file("huge", "x");
        huge.claim(size);
        refused(&huge.bytes(), &["huge", "truncated"]);
    }
    let mut negative = Member::file("negative", "x");
    negative.set(124, &[0xff; 12]);
    refused(&archive(&[negative]), &["negative", "size"]);
    let mut words = Member::file("words", "x");
    words.set(124, b"many bytes \0");
    refused(&archive(&[words]), &["words", "size is not a number"]);
    let sized = [Member::extended(b'x', record("size", "99999999999999")), Member::file("sized", "x")];
    refused(&archive(&sized), &["sized", "truncated"]);
    let sized = [Member::extended(b'x', record("size", "99999999999999999999")), Member::file("sized", "x")];
    refused(&archive(&sized), &["size"]);
    let mut owner = Member::file("owner", "x");
    owner.set(108, &[0x80, 0, 0, 1, 0, 0, 0, 0]);
    refused(&archive(&[owner]), &["owner", "uid is out of range"]);
}

fn archives_cut_anywhere() {
    let name = record("path", &"n".repeat(200));
    let members = [
        Member::new("d/", b'5'),
        Member::file("d/first", [b'1'; 700]),
        Member::extended(b'x', name),
        Member::file("second", [b'2'; 512]),
        Member::link("third", b'1', "d/first"),
    ];
    let whole = archive(&members);
    let forge = Forge::new();
    // The end marker is two blocks, of which the first is enough.
    let end = whole.len() - 1024;
    let between = [512, 1024, 2048, 3584, end];
    for cut in (1..=end).step_by(211).chain(between) {
        forge.write("cut.tar", &whole[..cut]);
        let output = forge.run(["source", "scratch", "--tar", "cut.tar", "-o", "out.tar"]);
        assert_eq!(output.code, 4, "cut at {cut}: {}", output.stderr);
        output.says(&["cut.tar"]);
        assert_eq!(forge.names("."), ["cut.tar"]);
    }
    for cut in between {
        forge.write("cut.tar", &whole[..cut]);
        forge
            .fails(4, ["output", "oci", "cut.tar", "-o", "image"])
            .says(&["truncated", &format!("byte {cut}")]);
        assert_eq!(forge.names("."), ["cut.tar"]);
    }
    forge.write("cut.tar", &whole);
    forge.ok(["source", "scratch", "--tar", "cut.tar", "-o", "out.tar"]);
}

fn what_is_no_single_archive() {
    refused(b"", &["empty"]);
    refused(b"no archive, just text\n", &["not a tar archive"]);
    refused(&[b'#'; 4096], &["not a tar archive"]);
    let one = archive(&[Member::file("one", "1")]);
    let two = archive(&[Member::file("two", "2")]);
    refused(&[&one[..], &two].concat(), &["another archive"]);
    refused(&[&one[..], b"trailing"].concat(), &["garbage"]);
    let elf = fs::read(std::env::current_exe().unwrap()).unwrap();
    refused(&elf[..1 << 16], &["not a tar archive"]);
}

fn compressed_data_that_is_broken() {
    let forge = Forge::new();
    forge.write("plain.tar", archive(&[Member::file("a", "a".repeat(5000)), Member::file("b", "b")]));
    for tool in ["gzip", "xz", "zstd", "bzip2"] {
        forge.sh(&format!("{tool} -q -c plain.tar > whole"));
        let whole = forge.read("whole");
        for cut in [12, whole.len() / 2, whole.len() - 1] {
            refused(&whole[..cut], &[]);
        }
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x55;
        refused(&flipped, &[]);
        refused(&[&whole[..], b"trailing"].concat(), &[]);
    }
}

fn memory_that_is_claimed() {
    // A frame that asks for a window of 2 GiB, with one empty block (RFC 8878, 3.1.1).
    refused(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00, 0, 0, 0], &["zstd"]);
    // 16 MiB of zeros in a few bytes are no archive of 16 MiB, whatever the header says.
    let mut bomb = Member::file("bomb", "");
    bomb.claim(1 << 44);
    let forge = Forge::new();
    forge.write("head", bomb.bytes());
    forge.sh("{ cat head; head -c 16M /dev/zero; } | gzip -9 > bomb.gz");
    let packed = forge.read("bomb.gz");
    assert!(packed.len() < 20_000);
    refused(&packed, &["bomb", "truncated"]);
}

fn wrong_checksums() {
    let mut first = archive(&[Member::file("first", "1")]);
    first[148] ^= 1;
    refused(&first, &["not a tar archive"]);
    let mut second = archive(&[Member::file("first", "1"), Member::file("second", "2")]);
    second[1024 + 100] ^= 1;
    refused(&second, &["no tar header at byte 1024", "checksum"]);
}

fn absurd_extended_headers() {
    let with = |records: &str| archive(&[Member::extended(b'x', records), Member::file("victim", "x")]);
    for (records, said) in [
        ("no record", "malformed"),
        ("99999 path=x\n", "malformed"),
        ("12 path=abcd", "malformed"),
        (&record("uid", "-1"), "uid"),
        (&record("uid", "4294967296"), "uid"),
        (&record("mtime", "tomorrow"), "mtime"),
        (&record("path", "a\0b"), "NUL"),
        (&record("path", &"x".repeat(256)), "longer than 255 bytes"),
        (&record("path", &format!("{}x", "d/".repeat(2100))), "longer than 4096 bytes"),
        (&record("SCHILY.xattr.", "x"), "extended attribute"),
    ] {
        refused(&with(records), &[said]);
    }
    let mut endless = Member::extended(b'x', "");
    endless.claim(1 << 33);
    refused(&endless.bytes(), &["longer than 1048576 bytes"]);
    let twice = [Member::extended(b'x', record("uid", "1")), Member::extended(b'x', record("uid", "2"))];
    refused(&archive(&[&twice[..], &[Member::file("x", "")]].concat()), &["two extended headers"]);
    refused(&archive(&twice[..1]), &["belongs to no entry"]);
    let global = [Member::extended(b'g', record("path", "everything")), Member::file("x", "")];
    refused(&archive(&global), &["global header cannot set \"path\""]);
    refused(&archive(&[Member::file("", "x")]), &["name is empty"]);
    refused(&archive(&[Member::link("link", b'2', "")]), &["link", "target"]);
}

/// For a root filesystem they are names like any other, and as such they come through.
fn whiteout_names() {
    let forge = Forge::new();
    forge.write("in.tar", archive(&[Member::file("etc/.wh.passwd", "x"), Member::file("etc/passwd", "y")]));
    let tar = forge.ok(["source", "scratch", "--tar", "in.tar"]).stdout;
    assert_eq!(content(&tar[..], "etc/.wh.passwd").unwrap(), b"x");
    // As a file of a layer it would delete another.
    for output in ["oci", "docker"] {
        forge.fails(4, ["output", output, "in.tar", "-o", "image"]).says(&[
            "/etc/.wh.passwd",
            output,
            "delete files there",
        ]);
        assert!(!forge.path("image").exists());
    }
    assert_eq!(content(&tar[..], "etc/passwd").unwrap(), b"y");
}

fn many_small_entries() {
    let forge = Forge::new();
    let members: Vec<_> = (0..200_000).map(|n| Member::file(format!("{:02}/{n}", n % 100), "")).collect();
    forge.write("in.tar", archive(&members));
    forge.ok(["source", "scratch", "--tar", "in.tar", "-o", "out.tar"]);
    // 100 directories and the root.
    assert_eq!(fs::metadata(forge.path("out.tar")).unwrap().len(), 512 * (200_000 + 101 + 2));
}
