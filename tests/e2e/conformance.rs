//! `plugin test`: what is right passes, and every fault that it can find it finds by name.

use std::fs;
use std::path::{Path, PathBuf};

use ctr_forge_tests::build::{fixtures, rust_tool, workspace_directory};
use ctr_forge_tests::{Faulty, Forge, Need, Output, Test};
use serde_json::Value;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "conformance::the_plugins_of_this_workspace",
        needs: &[],
        run: the_plugins_of_this_workspace,
    },
    Test {
        name: "conformance::templates_in_c",
        needs: &[Need::Tool("make"), Need::Tool("gcc")],
        run: templates_in_c,
    },
    Test {
        name: "conformance::templates_in_python",
        needs: &[Need::Tool("python3")],
        run: templates_in_python,
    },
    Test { name: "conformance::templates_in_rust", needs: &[], run: templates_in_rust },
    Test { name: "conformance::a_plugin_without_fault", needs: &[], run: a_plugin_without_fault },
    Test { name: "conformance::faults_of_requests_are_found", needs: &[], run: faults_of_requests_are_found },
    Test { name: "conformance::faults_of_builds_are_found", needs: &[], run: faults_of_builds_are_found },
    Test { name: "conformance::bad_streams_are_found", needs: &[], run: bad_streams_are_found },
    Test {
        name: "conformance::bad_manners_are_found",
        needs: &[Need::Tool("setsid")],
        run: bad_manners_are_found,
    },
    Test { name: "conformance::deafness_is_found", needs: &[], run: deafness_is_found },
    Test { name: "conformance::files_that_are_no_plugin", needs: &[], run: files_that_are_no_plugin },
];

/// Nothing fails, nothing is skipped, and something passes.
#[track_caller]
pub(crate) fn passes(forge: &Forge, words: &[&str]) {
    let output = forge.ok([&["plugin", "test"], words].concat());
    let stdout = output.stdout();
    let summary = stdout.lines().last().unwrap();
    assert!(summary.ends_with(" passed, 0 failed, 0 skipped"), "{stdout}");
    assert!(stdout.lines().filter(|line| line.starts_with("ok   ")).count() >= 10, "{stdout}");
}

fn the_plugins_of_this_workspace() {
    let forge = Forge::new();
    forge.write("hello", "hello");
    passes(&forge, &["scratch", "--with", "copy=hello:/hello"]);
    passes(&forge, &["oci"]);
    passes(&forge, &["docker"]);
    // What cannot be checked does not count as passed.
    let output = forge.ok(["plugin", "test", "scratch"]).stdout();
    assert!(
        output.contains("skip source scratch: builds") && output.contains("--with NAME=VALUE"),
        "{output}"
    );
}

/// Makes a plugin with `plugin new`; its directory and the component's command.
fn new_plugin(forge: &Forge, language: &str, kind: &str) -> PathBuf {
    let name = format!("my-{kind}");
    forge.ok(["plugin", "new", &name, "--kind", kind, "--lang", language]).says(&["README.md says how"]);
    forge.path(name)
}

/// Tests the plugin at `file` and makes something with it.
fn works(forge: &Forge, file: &Path, kind: &str) {
    let file = file.to_str().unwrap();
    passes(forge, &[file]);
    let name = format!("my-{kind}");
    match kind {
        "source" => {
            forge.ok(["--plugin", file, "source", &name, "--greeting", "welcome", "-o", "rootfs.tar"]);
            assert_eq!(forge.sh("tar -xOf rootfs.tar etc/greeting").stdout(), "welcome\n");
        }
        _ => {
            forge.write("hello", "hello");
            forge.ok(["source", "scratch", "--copy", "hello:/hello", "-o", "rootfs.tar"]);
            forge.ok(["--plugin", file, "output", &name, "rootfs.tar", "-o", "image"]);
            assert!(forge.path("image").exists());
        }
    }
}

fn templates_in_c() {
    for kind in ["source", "output"] {
        let forge = Forge::new();
        let directory = new_plugin(&forge, "c", kind);
        Output::of(forge.prepare("make", ["-s"]).current_dir(&directory)).expect_code(0);
        let file = directory.join(format!("ctr-forge-{kind}-my-{kind}.so"));
        works(&forge, &file, kind);
        let entry = format!("ctr_forge_plugin_v1_my_{kind}");
        let symbols =
            forge.sh(&format!("nm -D --defined-only '{}' | cut -d' ' -f3", file.display())).stdout();
        assert_eq!(symbols.trim(), entry, "one symbol is exported");
    }
}

fn templates_in_python() {
    for kind in ["source", "output"] {
        let forge = Forge::new();
        let directory = new_plugin(&forge, "python", kind);
        works(&forge, &directory.join(format!("ctr-forge-{kind}-my-{kind}")), kind);
    }
}

fn templates_in_rust() {
    for kind in ["source", "output"] {
        let forge = Forge::new();
        let directory = new_plugin(&forge, "rust", kind);
        let target = fixtures("templates");
        build_rust(&directory, &[env!("CARGO")], &target);
        works(&forge, &target.join(format!("debug/libmy_{kind}.so")), kind);
        // The same as a program.
        works(&forge, &target.join(format!("debug/ctr-forge-{kind}-my-{kind}")), kind);
    }
}

/// Builds a plugin from the template with the crates that are here already.
pub(crate) fn build_rust(directory: &Path, cargo: &[&str], target: &Path) {
    fs::copy(workspace_directory().join("Cargo.lock"), directory.join("Cargo.lock")).unwrap();
    let mut command = rust_tool(cargo[0]);
    command.args(&cargo[1..]).args(["build", "--offline", "--quiet"]);
    command.current_dir(directory).env("CARGO_TARGET_DIR", target);
    Output::of(&mut command).expect_code(0);
}

/// The failed checks of the plugin with this fault: name and reason.
fn failures(fault: &str, more: &[&str]) -> Vec<(String, String)> {
    let forge = Forge::new();
    let directory = forge.directory().to_str().unwrap().to_owned();
    let forge = forge.env("TMPDIR", &directory);
    Faulty::new(fault).write(forge.path("faulty.so"));
    let output = forge.run([&["plugin", "test", "faulty.so", "--json"], more].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(forge.processes(), Vec::<String>::new());
    assert_eq!(forge.names("."), ["faulty.so"]);
    let checks = report["checks"].as_array().unwrap().iter();
    let failed: Vec<_> = checks
        .filter_map(|check| {
            let why = check["outcome"]["failed"].as_str()?;
            let name = check["name"].as_str()?.strip_prefix("source faulty: ")?;
            Some((name.to_owned(), why.to_owned()))
        })
        .collect();
    assert_eq!(output.code, if failed.is_empty() { 0 } else { 12 }, "{report:#}");
    failed
}

/// A fault, the check that finds it, and what that says. No other check fails.
fn check(cases: &[(&str, &str, &str)]) {
    for (fault, name, words) in cases {
        let failed = failures(fault, &[]);
        let [(found, why)] = &failed[..] else { panic!("{fault}: {failed:?}") };
        assert!(found == name && why.contains(words), "{fault}: {failed:?}");
    }
}

fn a_plugin_without_fault() {
    assert_eq!(failures("none", &[]), []);
    let forge = Forge::new();
    Faulty::new("prints").write(forge.path("faulty.so"));
    let output = forge.fails(12, ["plugin", "test", "faulty.so"]).stdout();
    assert!(output.contains("\nFAIL source faulty: prints nothing\n     it printed"), "{output}");
    assert!(output.ends_with("\n12 passed, 1 failed, 0 skipped\n"), "{output}");
}

fn faults_of_requests_are_found() {
    check(&[
        ("no-table", "loads", "the manifest in its code is not the one in its note"),
        ("takes-any-method", "answers an unknown method", "it answered a method that does not exist"),
        ("chokes", "answers garbage", "SIGABRT"),
        (
            "takes-any-option",
            "refuses an unknown option",
            "it took an option that its manifest does not have",
        ),
        ("forgets-option", "knows the options of its manifest", "its code refuses it"),
        ("doctor-not-json", "answers doctor and complete", "its answer is not JSON"),
    ]);
}

fn faults_of_builds_are_found() {
    check(&[
        ("panic", "builds", "panicked: the sky is falling"),
        ("panic-thread", "builds", "the sky is falling in a thread"),
        ("abort", "builds", "SIGABRT"),
        ("exit", "builds", "exited with code 7"),
        ("answer-not-json", "builds", "its answer is not JSON"),
        ("answer-huge", "builds", "is over the limit of 16777216"),
        ("answer-code", "builds", "which means nothing"),
        ("unknown-service", "builds", "no service \"no.such.service\""),
        ("random", "same bytes twice", "the same request gave sha256:"),
    ]);
}

fn bad_streams_are_found() {
    check(&[
        ("stream-empty", "builds", "empty"),
        ("stream-garbage", "builds", "its stream is refused"),
        ("stream-half", "builds", "etc/faulty"),
        ("stream-unended", "builds", "without the end-of-archive marker"),
        ("stream-twice", "builds", "etc/twice"),
        ("stream-dotdot", "builds", "../x"),
    ]);
}

fn bad_manners_are_found() {
    check(&[
        ("prints", "prints nothing", "it printed on standard output: \"words on standard output\""),
        ("event-not-json", "events can be read", "an event is malformed"),
        ("progress-back", "events can be read", "progress went back"),
        ("flood", "events can be followed", "it sent 20000"),
        ("child", "leaves no process", "1 process(es) were still there"),
        ("daemon", "leaves no process", "1 process(es) were still there"),
    ]);
}

fn deafness_is_found() {
    check(&[("deaf", "obeys CANCEL", "it had not answered 2s after CANCEL")]);
    let failed = failures("hang", &["--timeout", "1"]);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(
        failed[0].0 == "builds" && failed[0].1.contains("did not answer \"build\" in time"),
        "{failed:?}"
    );
}

fn files_that_are_no_plugin() {
    let forge = Forge::new();
    forge.write("text.so", "no plugin");
    forge.fails(12, ["plugin", "test", "text.so"]).says(&["text.so cannot be used", "not an ELF file"]);
    Faulty::new("none").abi(2).write(forge.path("faulty.so"));
    forge.fails(12, ["plugin", "test", "faulty.so"]).says(&["built for plugin ABI v2"]);
    forge.fails(2, ["plugin", "test", "absent"]).says(&["there is no file and no plugin \"absent\""]);
}
