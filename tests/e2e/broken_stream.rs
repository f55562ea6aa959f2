//! A source that fails must not look like one that has succeeded, to whoever reads its stream.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use ctr_forge_tests::archive::{Member, archive, try_listing};
use ctr_forge_tests::{Forge, Need, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "broken_stream::tars_fail_with_the_source",
        needs: &[Need::Tool("tar"), Need::Tool("bsdtar"), Need::Tool("python3")],
        run: tars_fail_with_the_source,
    },
    Test {
        name: "broken_stream::podman_import_fails_with_the_source",
        needs: &[Need::Root, Need::MountNamespace, Need::Tool("podman")],
        run: podman_import_fails_with_the_source,
    },
    Test {
        name: "broken_stream::an_output_fails_with_its_source",
        needs: &[],
        run: an_output_fails_with_its_source,
    },
    Test {
        name: "broken_stream::the_code_and_the_bytes_agree",
        needs: &[],
        run: the_code_and_the_bytes_agree,
    },
    Test { name: "broken_stream::a_stopped_source", needs: &[], run: a_stopped_source },
    Test { name: "broken_stream::a_reader_that_goes_away", needs: &[], run: a_reader_that_goes_away },
    Test { name: "broken_stream::a_device_that_is_full", needs: &[], run: a_device_that_is_full },
    Test {
        name: "broken_stream::a_device_is_not_replaced",
        needs: &[Need::Root, Need::Tool("mknod")],
        run: a_device_is_not_replaced,
    },
];

/// Ways to fail: before anything is read, in the middle of a tar, at its end, and of the command line.
const FAILURES: [&str; 7] = [
    "--copy /nonexistent:/x",
    "--copy good:/x --copy /nonexistent:/y",
    "--tar cut.tar",
    "--copy good:/x --tar between.tar",
    "--tar garbage",
    "--cpy good:/x",
    "--copy good:../x",
];

fn forge() -> Forge {
    let forge = Forge::new();
    forge.write("good", "content");
    let whole = archive(&[Member::file("a", [b'a'; 3000]), Member::file("b", "b")]);
    forge.write("cut.tar", &whole[..2000]);
    forge.write("between.tar", &whole[..3584]);
    forge.write("garbage", "garbage");
    forge
}

#[track_caller]
fn reader_fails(forge: &Forge, words: &str, reader: &str) {
    let script = format!("{{ $FORGE -q source scratch {words} || echo $? > code; }} | {reader}");
    let output = forge.sh_any(&format!("set +o pipefail; {script}"));
    assert!(String::from_utf8_lossy(&forge.read("code")).trim().parse::<u8>().unwrap() > 1);
    assert_ne!(output.code, 0, "{reader} took the stream of {words}: {}", output.stdout());
}

fn tars_fail_with_the_source() {
    let forge = forge();
    forge.write("read.py", "import sys, tarfile\nfor m in tarfile.open(fileobj=sys.stdin.buffer, mode='r|'):\n  m.isfile() and tarfile\n");
    for words in FAILURES {
        for reader in ["tar tf -", "bsdtar -tf -", "tar -xf - -C .", "tar xf - --to-stdout"] {
            reader_fails(&forge, words, reader);
        }
    }
    // The same readers take a good one.
    for reader in ["tar tf -", "bsdtar -tf -"] {
        forge.sh(&format!("$FORGE -q source scratch --copy good:/x | {reader}"));
    }
}

fn podman_import_fails_with_the_source() {
    let forge = forge();
    let podman = "podman --root $PWD/p --runroot $PWD/r --storage-driver vfs --cgroup-manager=cgroupfs --events-backend=file --log-level=error";
    for words in FAILURES {
        reader_fails(&forge, words, &format!("unshare -m {podman} import -q - broken:1"));
    }
    forge.sh(&format!("$FORGE -q source scratch --copy good:/x | unshare -m {podman} import -q - good:1"));
    let images = forge.sh(&format!("unshare -m {podman} images --format '{{{{.Repository}}}}'")).stdout();
    assert_eq!(images.trim(), "localhost/good");
}

fn an_output_fails_with_its_source() {
    let forge = forge();
    for words in FAILURES {
        reader_fails(&forge, words, "$FORGE -q output oci - -o image --tag x:1");
        reader_fails(&forge, words, "$FORGE -q source scratch --tar - -o out.tar");
        assert_eq!(forge.names("."), ["between.tar", "code", "cut.tar", "garbage", "good"]);
    }
}

/// A program that asks for JSON, or looks at nothing but the bytes, sees it too.
fn the_code_and_the_bytes_agree() {
    let forge = forge();
    for words in FAILURES {
        let words: Vec<_> = ["--json", "source", "scratch"].into_iter().chain(words.split(' ')).collect();
        let output = forge.run(&words);
        assert_ne!(output.code, 0);
        assert!(try_listing(&output.stdout[..]).is_err(), "{words:?}");
        assert!(output.stdout.len() <= 512, "nothing of the root filesystem came: {words:?}");
        let error: serde_json::Value = serde_json::from_str(&output.stderr).unwrap();
        assert_eq!(error["error"]["exit_code"], output.code);
        // Where the result goes into a file, standard output is nobody's tar.
        let output = forge.run([&words[..], &["-o", "out.tar"]].concat());
        assert!(output.code != 0 && output.stdout.is_empty(), "{words:?}");
    }
}

/// Stopped by a signal while it waits for its input.
fn a_stopped_source() {
    let forge = forge();
    let mut command = forge.command(["source", "scratch", "--tar", "-"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&forge.read("cut.tar")).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let started = Instant::now();
    forge.sh(&format!("kill -TERM {}", child.id()));
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(try_listing(&bytes[..]).is_err());
}

fn a_reader_that_goes_away() {
    let forge = forge();
    forge.write("large", vec![7; 8 << 20]);
    let started = Instant::now();
    let script = "set +o pipefail; { $FORGE -q source scratch --copy large:/x || echo $? > code; } 2> error | head -c 10 | wc -c";
    assert_eq!(forge.sh(script).stdout().trim(), "10");
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(forge.read("code"), b"5\n");
    let error = String::from_utf8(forge.read("error")).unwrap();
    assert!(error.contains("cannot write the root filesystem") && error.contains("Broken pipe"), "{error}");
}

fn a_device_that_is_full() {
    let forge = forge();
    let full = "No space left on device";
    forge.sh_any("$FORGE -q source scratch --copy good:/x > /dev/full").expect_code(5).says(&[full]);
    forge.ok(["source", "scratch", "--copy", "good:/x", "-o", "in.tar"]);
    forge.sh_any("$FORGE -q output docker in.tar --tag x:1 -o - > /dev/full").expect_code(5).says(&[full]);
}

/// A node of our own: a mistake here should cost nobody the one in `/dev`.
fn a_device_is_not_replaced() {
    let forge = forge();
    forge.ok(["source", "scratch", "--copy", "good:/x", "-o", "in.tar"]);
    forge.sh("mknod full c 1 7; ln -s full link");
    for words in [
        "source scratch --copy good:/x -o full",
        "source scratch --copy good:/x -o link",
        "source scratch --copy good:/x -o out.tar --report full",
        "output docker in.tar --tag x:1 -o full",
    ] {
        forge.fails(2, words.split(' ')).says(&["is a device or pipe"]);
    }
    assert_eq!(forge.sh("stat -c %F full").stdout(), "character special file\n");
    assert!(!forge.path("out.tar").exists());
}
