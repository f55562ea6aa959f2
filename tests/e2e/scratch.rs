//! The source `scratch`: what lands where, who wins, and what is refused.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use ctr_forge_tests::archive::{Member, archive, content, listing};
use ctr_forge_tests::{Forge, Need, Test};
use serde_json::Value;

pub(crate) const TESTS: &[Test] = &[
    Test { name: "scratch::files_get_place_owner_and_mode", needs: &[], run: files_get_place_owner_and_mode },
    Test { name: "scratch::folders_are_copied_with_all_in_them", needs: &[], run: folders_are_copied },
    Test {
        name: "scratch::tarballs_in_every_compression",
        needs: &[Need::Tool("gzip"), Need::Tool("xz"), Need::Tool("zstd"), Need::Tool("bzip2")],
        run: tarballs_in_every_compression,
    },
    Test { name: "scratch::overlays_respect_links", needs: &[], run: overlays_respect_links },
    Test { name: "scratch::later_inputs_win", needs: &[], run: later_inputs_win },
    Test { name: "scratch::excluded_paths", needs: &[], run: excluded_paths },
    Test { name: "scratch::preserve_keeps_attributes", needs: &[], run: preserve_keeps_attributes },
    Test {
        name: "scratch::preserve_keeps_owners_and_xattrs",
        needs: &[Need::Root, Need::Tool("setfattr"), Need::Tool("setcap")],
        run: preserve_keeps_owners_and_xattrs,
    },
    Test { name: "scratch::the_report", needs: &[], run: the_report },
    Test { name: "scratch::a_file_that_changes_is_an_error", needs: &[], run: a_file_that_changes },
    Test { name: "scratch::programs_without_their_loader", needs: &[], run: programs_without_their_loader },
    Test { name: "scratch::wrong_inputs_are_explained", needs: &[], run: wrong_inputs_are_explained },
    Test { name: "scratch::failures_leave_nothing_behind", needs: &[], run: failures_leave_nothing_behind },
    Test { name: "scratch::devices_and_pipes_are_not_replaced", needs: &[], run: pipes_are_not_replaced },
    Test { name: "scratch::links_are_written_through", needs: &[], run: links_are_written_through },
    Test {
        name: "scratch::unreadable_files_are_a_matter_of_permission",
        needs: &[Need::OtherUser],
        run: unreadable_files,
    },
];

/// What `ctr-forge source scratch` makes of these arguments: one line for each entry but the root.
#[track_caller]
fn made(forge: &Forge, arguments: &[&str]) -> Vec<String> {
    let mut lines = listing(&tar(forge, arguments)[..]);
    assert_eq!(lines.remove(0), "/ d 755 0:0 - 0 - - -");
    lines
}

#[track_caller]
fn tar(forge: &Forge, arguments: &[&str]) -> Vec<u8> {
    forge.ok([&["source", "scratch"], arguments].concat()).stdout
}

/// The lines without size, digest and what follows.
fn short(lines: &[String]) -> Vec<String> {
    let columns = |line: &String| line.split(' ').take(4).collect::<Vec<_>>().join(" ");
    lines.iter().map(columns).collect()
}

fn set_mode(path: impl AsRef<std::path::Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn files_get_place_owner_and_mode() {
    let forge = Forge::new();
    forge.write("motd", "hello\n");
    set_mode(forge.write("tool", "x"), 0o4711);
    let copies =
        ["motd:/etc/motd", "motd:/srv/", "tool:bin/tool", "tool:/app/a:1000:1001", "motd:/app/b:1:2:4750"];
    let words: Vec<_> = copies.iter().flat_map(|copy| ["--copy", copy]).collect();
    let tar = tar(&forge, &words);
    let expected = [
        "/ d 755 0:0",
        "/app d 755 0:0",
        "/app/a f 755 1000:1001",
        "/app/b f 4750 1:2",
        "/bin d 755 0:0",
        "/bin/tool f 755 0:0",
        "/etc d 755 0:0",
        "/etc/motd f 644 0:0",
        "/srv d 755 0:0",
        "/srv/motd f 644 0:0",
    ];
    assert_eq!(short(&listing(&tar[..])), expected);
    assert_eq!(content(&tar[..], "srv/motd").unwrap(), b"hello\n");
}

fn folders_are_copied() {
    let forge = Forge::new();
    forge.write("folder/sub/file", "1");
    symlink("/nowhere", forge.path("folder/link")).unwrap();
    fs::hard_link(forge.path("folder/sub/file"), forge.path("folder/again")).unwrap();
    fs::create_dir(forge.path("folder/empty")).unwrap();
    let lines = made(&forge, &["--copy", "folder:/opt/x:7:8:0600"]);
    let expected = [
        "/opt d 755 0:0",
        "/opt/x d 755 7:8",
        "/opt/x/again f 600 7:8",
        "/opt/x/empty d 755 7:8",
        "/opt/x/link l 777 7:8",
        "/opt/x/sub d 755 7:8",
        "/opt/x/sub/file h 600 7:8",
    ];
    assert_eq!(short(&lines), expected, "one file with two names stays one");
    assert!(lines[4].contains(" /nowhere "), "{}", lines[4]);
}

fn tarballs_in_every_compression() {
    let forge = Forge::new();
    forge.write("plain.tar", archive(&[Member::file("etc/motd", "hello\n")]));
    let expected = made(&forge, &["--tar", "plain.tar"]);
    assert_eq!(short(&expected), ["/etc d 755 0:0", "/etc/motd f 644 0:0"]);
    for tool in ["gzip", "xz", "zstd", "bzip2"] {
        // The name says nothing: the content does.
        forge.sh(&format!("{tool} -q -c plain.tar > misnamed.tar"));
        assert!(forge.read("misnamed.tar") != forge.read("plain.tar"));
        assert_eq!(made(&forge, &["--tar", "misnamed.tar"]), expected, "{tool}");
        let piped = forge.sh("$FORGE source scratch --tar - < misnamed.tar").stdout;
        assert_eq!(listing(&piped[..])[1..], expected, "{tool} from standard input");
    }
}

fn overlays_respect_links() {
    let forge = Forge::new();
    let merged = [
        Member::new("usr/bin/", b'5'),
        Member::file("usr/bin/old", "old"),
        Member::link("bin", b'2', "usr/bin"),
        Member::link("sbin", b'2', "/usr/bin"),
    ];
    forge.write("base.tar", archive(&merged));
    forge.write("over/bin/new", "new");
    forge.write("over/sbin/admin", "admin");
    let lines = short(&made(&forge, &["--tar", "base.tar", "--overlay", "over"]));
    let paths: Vec<_> = lines.iter().map(|line| line.rsplitn(3, ' ').last().unwrap()).collect();
    let expected =
        ["/bin l", "/sbin l", "/usr d", "/usr/bin d", "/usr/bin/admin f", "/usr/bin/new f", "/usr/bin/old f"];
    assert_eq!(paths, expected);
}

fn later_inputs_win() {
    let forge = Forge::new();
    let files = |content: &str| ["a", "b", "c"].map(|name| Member::file(name, content));
    forge.write("1.tar", archive(&files("tar 1")));
    forge.write("2.tar", archive(&files("tar 2")));
    forge.write("over/b", "overlay");
    forge.write("over/c", "overlay");
    forge.write("c", "copy");
    // Not the order of the words, but that of the kinds.
    let words = ["--copy", "c:/c", "--overlay", "over", "--tar", "1.tar", "--tar", "2.tar"];
    let output = forge.ok([&["source", "scratch"], &words[..]].concat());
    let of = |name| String::from_utf8(content(&output.stdout[..], name).unwrap()).unwrap();
    assert_eq!(["a", "b", "c"].map(of), ["tar 2", "overlay", "copy"]);
    assert!(output.stderr.contains("/a: a file is replaced by a file that comes later"), "{}", output.stderr);
}

fn excluded_paths() {
    let forge = Forge::new();
    let members = [
        Member::file("usr/share/doc/a/copyright", "keep"),
        Member::file("usr/share/doc/a/NEWS", "news"),
        Member::link("etc/news", b'1', "usr/share/doc/a/NEWS"),
        Member::link("etc/news2", b'1', "usr/share/doc/a/NEWS"),
    ];
    forge.write("in.tar", archive(&members));
    let patterns = ["--exclude-path", "usr/share/doc/**", "--exclude-path", "!**/copyright"];
    let tar = tar(&forge, &[&["--tar", "in.tar"], &patterns[..]].concat());
    let lines = short(&listing(&tar[..]));
    let paths: Vec<_> = lines.iter().map(|line| line.rsplitn(3, ' ').last().unwrap()).collect();
    let expected = [
        "/ d",
        "/etc d",
        "/etc/news f",
        "/etc/news2 h",
        "/usr d",
        "/usr/share d",
        "/usr/share/doc d",
        "/usr/share/doc/a d",
        "/usr/share/doc/a/copyright f",
    ];
    assert_eq!(paths, expected);
    assert_eq!(content(&tar[..], "etc/news").unwrap(), b"news", "the content came with the name left out");
    forge
        .fails(2, ["source", "scratch", "--tar", "in.tar", "--exclude-path", "[z"])
        .says(&["exclude pattern", "[z"]);
}

fn preserve_keeps_attributes() {
    let forge = Forge::new().env("SOURCE_DATE_EPOCH", "2000000000");
    set_mode(forge.write("folder/file", "x"), 0o6711);
    forge.sh("touch -d @1234567890 folder/file; chmod 1770 folder; touch -d @1234567891 folder");
    let (uid, gid) = fs::metadata(forge.path("folder")).map(|m| (m.uid(), m.gid())).unwrap();
    let lines = listing(&tar(&forge, &["--preserve", "--copy", "folder:/f", "--copy", "folder/file:/g"])[..]);
    let file = |path: &str| format!("{path} f 6711 {uid}:{gid} 1 1234567890");
    assert!(lines[1].starts_with(&format!("/f d 1770 {uid}:{gid} - 1234567891 ")), "{}", lines[1]);
    assert!(lines[2].starts_with(&file("/f/file")) && lines[3].starts_with(&file("/g")), "{lines:?}");
    let plain = listing(&tar(&forge, &["--copy", "folder:/f"])[..]);
    assert!(plain[2].starts_with("/f/file f 755 0:0 1 2000000000 "), "{}", plain[2]);
}

fn preserve_keeps_owners_and_xattrs() {
    let forge = Forge::new();
    forge.write("folder/file", "x");
    forge.sh("chown 4294967294:3000000 folder/file; setfattr -n user.a -v b folder/file");
    forge.sh("setcap cap_net_raw=ep folder/file");
    let lines = made(&forge, &["--preserve", "--overlay", "folder"]);
    assert!(lines[0].starts_with("/file f 644 4294967294:3000000 "), "{}", lines[0]);
    assert!(
        lines[0].contains(" security.capability=\\x01\\x00\\x00\\x02") && lines[0].ends_with(" user.a=b")
    );
    let plain = made(&forge, &["--overlay", "folder"]);
    assert!(plain[0].starts_with("/file f 644 0:0 ") && plain[0].ends_with(" -"), "{}", plain[0]);
}

fn the_report() {
    let forge = Forge::new().env("SOURCE_DATE_EPOCH", "12345");
    forge.write("x", "x");
    let words = [
        "source",
        "scratch",
        "--copy",
        "x:/a/x",
        "--arch",
        "armhf",
        "-o",
        "out.tar",
        "--report",
        "report.json",
    ];
    forge.ok(words);
    let report: Value = serde_json::from_slice(&forge.read("report.json")).unwrap();
    assert_eq!(report["format"], 1);
    assert_eq!((&report["plugin"], &report["source"]), (&"scratch".into(), &"scratch".into()));
    assert_eq!((&report["arch"], &report["epoch"]), (&"arm/v7".into(), &12345.into()));
    assert_eq!(report["entries"], listing(&forge.read("out.tar")[..]).len());
    forge.fails(5, ["source", "scratch", "--copy", "x:/x", "-o", "2.tar", "--report", "absent/r.json"]);
    assert_eq!(forge.names("."), ["out.tar", "report.json", "x"], "no 2.tar: the report came first");
}

fn a_file_that_changes() {
    let forge = Forge::new();
    let path = forge.write("folder/log", vec![b'x'; 32 << 20]);
    for words in [["--copy", "folder/log:/log"], ["--overlay", "folder"]] {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
                while !done.load(Ordering::Relaxed) {
                    std::os::unix::fs::FileExt::write_all_at(&file, b"y", 0).unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            });
            let output = forge.run([&["source", "scratch", "-o", "out.tar"], &words[..]].concat());
            done.store(true, Ordering::Relaxed);
            output.expect_code(4).says(&["log", "changed while it was read"]);
        });
        assert_eq!(forge.names("."), ["folder"]);
    }
}

fn programs_without_their_loader() {
    let forge = Forge::new();
    forge.write("script", "#!/bin/sh\necho hello\n");
    let warning = "needs /bin/sh, which is not in this root filesystem";
    let warned = |words: &[&str]| {
        let output = forge.ok([&["source", "scratch", "-o", "x.tar"], words].concat());
        output.stderr.contains(warning)
    };
    assert!(warned(&["--copy", "script:/run"]));
    assert!(!warned(&["--copy", "script:/run", "--copy", "script:/bin/sh"]));
    // This test itself is linked dynamically.
    let ourselves = format!("{}:/test", std::env::current_exe().unwrap().display());
    forge
        .ok(["source", "scratch", "-o", "x.tar", "--copy", &ourselves])
        .says(&["/test needs /lib", "statically"]);
}

fn wrong_inputs_are_explained() {
    let forge = Forge::new();
    forge.write("file", "no tar at all");
    forge.write("folder/x", "x");
    let cases: [(i32, &[&str], &[&str]); 11] = [
        (5, &["--tar", "folder"], &["cannot read", "folder"]),
        (4, &["--tar", "file"], &["file", "not a tar archive"]),
        (2, &["--overlay", "file"], &["file is no folder", "--tar", "--copy"]),
        (5, &["--tar", "absent.tar"], &["absent.tar", "No such file"]),
        (5, &["--copy", "absent:/x"], &["absent", "No such file"]),
        (5, &["--overlay", "absent"], &["absent", "No such file"]),
        (2, &["--copy", "file:../x"], &["file:../x", "\"..\""]),
        (2, &["--copy", "file:."], &["file is a file", "cannot become the root", "End DST in /"]),
        (2, &["--copy", "file:/x:a:b"], &["no numeric owner"]),
        (2, &["--copy", "file:/x:1:2:888"], &["no octal mode"]),
        (2, &["--copy", "/dev/null:/x"], &["/dev/null", "neither a file nor a folder"]),
    ];
    for (code, words, said) in cases {
        let output = forge.run([&["source", "scratch", "-o", "out.tar"], words].concat());
        assert_eq!(output.code, code, "{words:?}: {}", output.stderr);
        output.says(said);
    }
    forge
        .fails(2, ["source", "scratch", "--copy", "file:/x", "-o", "folder"])
        .says(&["folder is a directory", "folder/NAME"]);
    assert_eq!(forge.names("."), ["file", "folder"]);
    assert_eq!(forge.names("folder"), ["x"]);
}

fn failures_leave_nothing_behind() {
    let forge = Forge::new();
    fs::create_dir(forge.path("tmp")).unwrap();
    forge.write("out.tar", "before");
    forge.write("file", "x");
    let tmp = forge.path("tmp");
    let mut command =
        forge.command(["source", "scratch", "--copy", "file:/a", "--copy", "absent:/b", "-o", "out.tar"]);
    ctr_forge_tests::Output::of(command.env("TMPDIR", &tmp)).expect_code(5);
    assert_eq!(forge.read("out.tar"), b"before");
    assert_eq!(forge.names("."), ["file", "out.tar", "tmp"]);
    let mut command = forge.command(["source", "scratch", "--copy", "file:/a", "-o", "out.tar"]);
    ctr_forge_tests::Output::of(command.env("TMPDIR", &tmp)).expect_code(0);
    assert_eq!(forge.names("."), ["file", "out.tar", "tmp"]);
    assert!(forge.names("tmp").is_empty());
    forge
        .fails(5, ["source", "scratch", "--copy", "file:/a", "-o", "absent/out.tar"])
        .says(&["absent/out.tar"]);
}

fn pipes_are_not_replaced() {
    let forge = Forge::new();
    forge.write("file", "x");
    forge.sh("mkfifo pipe");
    forge.ok(["source", "scratch", "--copy", "file:/a", "-o", "in.tar"]);
    for words in [&["source", "scratch", "--copy", "file:/a"][..], &["output", "docker", "in.tar"]] {
        let output = forge.fails(2, [words, &["-o", "pipe"]].concat());
        output.says(&["pipe is a device or pipe", "-o - > pipe"]);
    }
    assert!(fs::symlink_metadata(forge.path("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(forge.names("."), ["file", "in.tar", "pipe"]);
}

fn links_are_written_through() {
    let forge = Forge::new();
    forge.write("file", "x");
    forge.write("real/out.tar", "before");
    symlink("real/out.tar", forge.path("link.tar")).unwrap();
    forge.ok(["source", "scratch", "--copy", "file:/a", "-o", "link.tar"]);
    assert_eq!(listing(&forge.read("real/out.tar")[..]).len(), 2);
    assert!(fs::symlink_metadata(forge.path("link.tar")).unwrap().is_symlink());
    assert_eq!(forge.names("real"), ["out.tar"]);
}

fn unreadable_files() {
    let forge = Forge::for_other_user();
    set_mode(forge.write("secret", "x"), 0o600);
    forge.write("folder/public", "x");
    set_mode(forge.write("folder/secret", "x"), 0o600);
    for words in [["--copy", "secret:/x"], ["--overlay", "folder"], ["--tar", "secret"]] {
        let output = forge.fails(6, [&["source", "scratch", "-o", "out.tar"], &words[..]].concat());
        output.says(&["secret", "Permission denied"]);
    }
    fs::create_dir(forge.path("closed")).unwrap();
    let output = forge.fails(6, ["source", "scratch", "--copy", "folder/public:/x", "-o", "closed/out.tar"]);
    output.says(&["closed/out.tar", "Permission denied"]);
    forge.ok(["source", "scratch", "--copy", "folder/public:/x", "-o", "out.tar"]);
    assert_eq!(forge.names("."), ["closed", "folder", "out.tar", "prefix", "secret"]);
}
