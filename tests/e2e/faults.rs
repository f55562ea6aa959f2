//! A plugin can break its contract in any way it likes: what is left is an error that says so.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use ctr_forge_tests::{Faulty, Forge, Need, Output, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "faults::none", needs: &[], run: none },
    Test { name: "faults::crashes_are_reported", needs: &[], run: crashes_are_reported },
    Test { name: "faults::answers_are_checked", needs: &[], run: answers_are_checked },
    Test { name: "faults::events_are_checked", needs: &[], run: events_are_checked },
    Test { name: "faults::a_flood_is_cut", needs: &[], run: a_flood_is_cut },
    Test { name: "faults::prints_become_log_lines", needs: &[], run: prints_become_log_lines },
    Test { name: "faults::streams_are_checked", needs: &[], run: streams_are_checked },
    Test { name: "faults::a_pipe_kept_open_ends", needs: &[], run: a_pipe_kept_open_ends },
    Test { name: "faults::children_are_ended", needs: &[Need::Tool("setsid")], run: children_are_ended },
    Test { name: "faults::options_must_agree", needs: &[], run: options_must_agree },
    Test { name: "faults::services_are_checked", needs: &[], run: services_are_checked },
    Test { name: "faults::services_from_many_threads", needs: &[], run: services_from_many_threads },
    Test { name: "faults::no_network", needs: &[Need::Root], run: no_network },
    Test { name: "faults::methods_in_a_root", needs: &[Need::Sandbox], run: methods_in_a_root },
    Test { name: "faults::surroundings_are_clean", needs: &[], run: surroundings_are_clean },
    Test { name: "faults::programs_are_held_to_it_too", needs: &[], run: programs_are_held_to_it_too },
    Test { name: "faults::files_that_cannot_be_used", needs: &[], run: files_that_cannot_be_used },
];

/// A directory with the plugin in it, all of whose processes can be found.
fn forge(faulty: &Faulty) -> Forge {
    let forge = Forge::new();
    let directory = forge.directory().to_str().unwrap().to_owned();
    faulty.write(forge.path("plugins/faulty.so"));
    fs::write(forge.path("hello"), "hello").unwrap();
    forge.env("TMPDIR", &directory).env("CTR_FORGE_PLUGIN_PATH", &format!("{directory}/plugins"))
}

/// Runs the source; whatever comes of it, nothing is left running and other plugins work.
#[track_caller]
fn source(forge: &Forge, more: &[&str]) -> Output {
    let output = forge.run([&["source", "faulty", "-o", "rootfs.tar"], more].concat());
    assert_eq!(forge.processes(), Vec::<String>::new());
    assert_eq!(output.code == 0, forge.path("rootfs.tar").exists(), "{}", output.stderr);
    let _ = fs::remove_file(forge.path("rootfs.tar"));
    assert_eq!(forge.names("."), ["hello", "plugins"], "nothing is left");
    forge.ok(["source", "scratch", "--copy", "hello:/hello", "-o", "scratch.tar"]);
    fs::remove_file(forge.path("scratch.tar")).unwrap();
    output
}

/// A fault, the exit code that it leads to, and what is said.
type Case = (&'static str, i32, &'static [&'static str]);

fn check(cases: &[Case]) {
    for (fault, code, words) in cases {
        let output = source(&forge(&Faulty::new(fault)), &[]);
        assert_eq!(output.code, *code, "{fault}: {}", output.stderr);
        output.says(words);
    }
}

/// What every error of the kind `plugin` says: whose fault it is and what to do.
fn check_plugin_faults(cases: &[Case]) {
    for (fault, code, words) in cases {
        check(&[(fault, *code, words), (fault, *code, &["plugin \"faulty\"", "hint: ", "plugin test"])]);
    }
}

fn none() {
    check(&[("none", 0, &[])]);
    let output = source(&forge(&Faulty::new("panic")), &["--fault", "none"]).expect_code(0);
    assert!(!output.stderr.contains("panic"), "an option is stronger than its default: {}", output.stderr);
}

fn crashes_are_reported() {
    check_plugin_faults(&[
        ("panic", 12, &["failed in \"build\"", "panicked: the sky is falling, at ", "faults.rs:"]),
        ("panic-thread", 12, &["panicked: the sky is falling in a thread, at "]),
        ("abort", 12, &["was ended by SIGABRT (it aborted) in the middle of \"build\""]),
        ("segfault", 12, &["was ended by SIGSEGV"]),
        ("exit", 12, &["exited with code 7 in the middle of \"build\""]),
        ("complains-and-aborts", 12, &["was ended by SIGABRT", "it said last: these are my last words"]),
    ]);
    // Refused before it was called: another remedy.
    check(&[(
        "no-table",
        12,
        &["plugin \"faulty\"", "the manifest in its code is not the one in its note", "Rebuild the plugin."],
    )]);
}

fn answers_are_checked() {
    check_plugin_faults(&[
        ("answer-not-json", 12, &["its answer is not JSON"]),
        ("answer-nothing", 12, &["its answer is not JSON"]),
        ("answer-wrong-type", 12, &["answered \"build\" with something that cannot be read"]),
        ("answer-no-error", 12, &["answered \"build\" with something that cannot be read"]),
        ("answer-code", 12, &["it answered with code 77, which means nothing"]),
        ("answer-huge", 12, &["its answer of 100000000 bytes is over the limit of 16777216"]),
    ]);
}

fn events_are_checked() {
    check(&[
        ("event-not-json", 0, &[]),
        ("event-huge", 0, &["an event was dropped", "100000000 bytes is over the limit"]),
        ("progress-back", 0, &[]),
    ]);
}

fn a_flood_is_cut() {
    let output = source(&forge(&Faulty::new("flood")), &["-vv"]).expect_code(0);
    let shown = output.stderr.lines().filter(|line| line.starts_with("event ")).count();
    assert!((9_000..=10_000).contains(&shown), "{shown} are shown");
    output.says(&["plugin \"faulty\" sends more than 10000 events"]);
}

fn prints_become_log_lines() {
    let plain = source(&forge(&Faulty::new("prints")), &[]).expect_code(0);
    assert!(!plain.stderr.contains("words"), "{}", plain.stderr);
    source(&forge(&Faulty::new("prints")), &["-v"]).says(&["faulty (stdout): words on standard output"]);
    let output = source(&forge(&Faulty::new("complains")), &["-v"]);
    assert!(!output.stderr.contains('\x1b'), "nothing that steers a terminal gets through");
    output.expect_code(0).says(&["faulty: words on standard error"]);
    // Where the result goes to standard output, nothing mixes with it.
    let forge = forge(&Faulty::new("prints"));
    let tar = forge.ok(["source", "faulty"]).stdout;
    assert_eq!(tar, forge.ok(["source", "faulty", "--fault", "none"]).stdout);
}

fn streams_are_checked() {
    let refused = "plugin \"faulty\" sent a root filesystem that cannot be used";
    for (fault, words) in [
        ("stream-empty", ""),
        ("stream-garbage", ""),
        ("stream-half", "etc/faulty"),
        ("stream-unended", "without the end-of-archive marker"),
        ("stream-twice", "etc/twice"),
        ("stream-dotdot", "../x"),
    ] {
        let output = source(&forge(&Faulty::new(fault)), &[]).says(&[refused, words]);
        assert_eq!(output.code, 4, "{fault}: {}", output.stderr);
        // A reader of standard output must not take what came for a whole tar.
        let piped = forge(&Faulty::new(fault)).fails(4, ["source", "faulty"]);
        assert!(!piped.stdout.is_empty() && !piped.stdout.ends_with(&[0; 1024]), "{fault}");
    }
}

fn a_pipe_kept_open_ends() {
    check(&[("stays-open", 0, &[])]);
}

fn children_are_ended() {
    const LEFT: &str = "warning: plugin \"faulty\" left 1 process(es) behind; they were ended";
    check(&[("daemon", 0, &[LEFT]), ("child", 0, &[LEFT])]);
}

fn options_must_agree() {
    let forge = forge(&Faulty::new("forgets-option"));
    let output = source(&forge, &["--extra", "one"]);
    output.expect_code(2).says(&["unknown option \"extra\""]);
    forge.fails(2, ["source", "faulty", "--extra", "three"]).says(&["three", "one, two"]);
    forge.fails(2, ["source", "faulty", "--extr", "one"]).says(&["--extr", "--extra"]);
}

fn services_are_checked() {
    check(&[
        ("unknown-service", 11, &["this ctr-forge has no service \"no.such.service\"", "newer ctr-forge"]),
        ("digest-pipe", 2, &["only a regular file can be read here"]),
        ("digest-not-open", 12, &["plugin \"faulty\" failed", "names file 999"]),
        ("digest-nothing", 2, &["the parameters of \"file.digest\" are wrong"]),
    ]);
}

fn services_from_many_threads() {
    check(&[("services", 0, &[])]);
}

fn no_network() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let fault = format!("connect:{}", server.local_addr().unwrap().port());
    let output = source(&forge(&Faulty::new(&fault)), &["--report", "plugins/report"]);
    output.expect_code(5).says(&["cannot connect to 127.0.0.1"]);
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err(), "nothing got through");
    // It is what it seems: the same plugin gets through where it may.
    let allowed = Faulty::new(&fault).patch(b"duplicates = \"refuse\"\n", b"needs.network = true \n");
    source(&forge(&allowed), &[]).expect_code(0);
    server.accept().unwrap();
}

/// A method of the plugin itself is called in the root that it builds.
fn methods_in_a_root() {
    let run = |fault: &str| {
        let forge = forge(&Faulty::new(fault));
        let output = forge.run(["source", "faulty", "-v", "-o", "rootfs.tar"]);
        (forge, output)
    };
    let (forge, output) = run("in-root");
    output.expect_code(0).says(&["told from the root"]);
    forge.sh("tar -xOf rootfs.tar made | grep -x 'by the plugin'");
    for (fault, code, says) in [
        ("in-root-fails", 2, "it fails in the root"),
        ("in-root-panics", 12, "panicked: the root is falling"),
        ("in-root-aborts", 10, "\"aborts\" in the root was ended by signal 6"),
        ("in-root-hangs", 10, "\"hangs\" in the root took longer than it may"),
    ] {
        let (forge, output) = run(fault);
        output.expect_code(code).says(&[says]);
        assert!(!forge.path("rootfs.tar").exists());
        forge.no_process_within(5);
    }
}

fn surroundings_are_clean() {
    let forge = forge(&Faulty::new("surroundings")).env("SECRET", "1").env("LC_ALL", "de_DE.UTF-8");
    let forge = forge.env("TZ", "Asia/Tokyo").env("RUST_BACKTRACE", "1");
    forge.sh("umask 077; exec 7</etc/passwd 11</etc/passwd; \"$FORGE\" source faulty -o rootfs.tar");
}

fn programs_are_held_to_it_too() {
    let cases = [
        ("printf 'HTTP/1.1 200 OK\\r\\n\\r\\n' >&3; sleep 600", "broke the protocol"),
        ("exit 0", "exited with code 0 in the middle of \"resolve\""),
        ("echo no idea >&2; exit 3", "it said last: no idea"),
        ("kill -SEGV $$", "was ended by SIGSEGV"),
        ("exec 3>&-; sleep 600", "in the middle of \"resolve\""),
    ];
    let manifest = fs::read_to_string("plugins/faulty/plugin.toml").unwrap();
    for (script, words) in cases {
        let forge = forge(&Faulty::new("none"));
        fs::remove_file(forge.path("plugins/faulty.so")).unwrap();
        let program = forge.write("plugins/ctr-forge-source-faulty", format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        forge.write("plugins/ctr-forge-source-faulty.toml", &manifest);
        source(&forge, &[]).expect_code(12).says(&["plugin \"faulty\"", words, "plugin test"]);
    }
}

/// Damage to the file itself: each is refused by name, with what to do.
fn files_that_cannot_be_used() {
    let good = Faulty::new("none");
    let truncated = Faulty(good.0[..200_000].to_vec());
    let cut_note = Faulty(good.0[..700].to_vec());
    let cases: [(&Faulty, i32, &[&str]); 5] = [
        (&good.clone().abi(2), 12, &["built for plugin ABI v2", "speaks v1", "Upgrade ctr-forge"]),
        (
            &good.clone().patch(b"ctr-forge ^0.1", b"ctr-forge ^9.9"),
            12,
            &["it needs ctr-forge ^9.9, this is ctr-forge", "Upgrade ctr-forge"],
        ),
        (&good.clone().other_machine(), 12, &["built for s390x, this ctr-forge for", "Install the plugin"]),
        (&cut_note, 12, &["is truncated or damaged", "Install or build it again"]),
        (&truncated, 12, &["was ended by SIGBUS (a file that it had mapped was cut"]),
    ];
    for (faulty, code, words) in cases {
        let forge = forge(&good);
        faulty.write(forge.path("plugins/faulty.so"));
        let output = forge.run(["--plugin", "plugins/faulty.so", "source", "faulty", "-o", "rootfs.tar"]);
        output.expect_code(code).says(words).says(&["faulty"]);
        forge.ok(["source", "scratch", "--copy", "hello:/hello", "-o", "scratch.tar"]);
    }
    let forge = forge(&good);
    good.write_as(forge.path("plugins/faulty.so"), 0o777);
    let output = forge.run(["--plugin", "plugins/faulty.so", "source", "faulty"]);
    output.expect_code(6).says(&["faulty.so can be written by everybody (mode 0777)", "chmod go-w"]);
    // Found, not named: passed over, and remembered where it is asked for.
    forge.fails(2, ["source", "faulty"]).says(&["there is no source \"faulty\"", "faulty.so was refused"]);
}
