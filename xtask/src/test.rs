//! `cargo xtask test`: all the tests, and an honest count.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::{cargo, setup, workspace};

/// Sets up, builds, tests. `words` are passed on to the tests.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    setup::run()?;
    // The binary and the plugins must lie beside each other before a test starts them.
    crate::run(&mut cargo(&["build", "--workspace"]))?;
    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    if !words.is_empty() {
        tests.arg("--").args(words);
    }
    let mut child =
        tests.stdout(Stdio::piped()).spawn().map_err(|e| format!("cannot run cargo test: {e}"))?;
    let mut sums = [0u64; 3];
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            for (sum, count) in sums.iter_mut().zip(counts(&line)) {
                *sum += count;
            }
        }
    }
    let status = child.wait().map_err(|e| format!("cannot wait for cargo test: {e}"))?;
    let skips = check_skips();
    let [passed, failed, skipped] = sums;
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    skips?;
    if status.success() { Ok(()) } else { Err("tests failed".into()) }
}

/// `test result: ok. 5 passed; 0 failed; 1 ignored; …`
fn counts(line: &str) -> [u64; 3] {
    let Some(counts) = line.strip_prefix("test result: ") else { return [0; 3] };
    let count = |word: &str| {
        let before = counts.split(word).next()?.trim_end();
        before.rsplit(' ').next()?.parse().ok()
    };
    ["passed", "failed", "ignored"].map(|word| count(word).unwrap_or(0))
}

/// Says what was skipped; on the reference system, a skip that is not listed is a failure.
fn check_skips() -> Result<(), String> {
    let skipped = fs::read_to_string(workspace().join("target/e2e-skipped.txt")).unwrap_or_default();
    let allowed = fs::read_to_string(workspace().join("tests/allowed-skips.txt")).unwrap_or_default();
    let allowed: Vec<_> = allowed.lines().filter(|line| !line.starts_with('#')).collect();
    let mut unexpected = Vec::new();
    for line in skipped.lines() {
        println!("skipped: {line}");
        let name = line.split(": ").next().unwrap_or(line);
        if !allowed.contains(&name) {
            unexpected.push(name);
        }
    }
    match setup::is_reference_system() && !unexpected.is_empty() {
        true => Err(format!("skipped, but not in tests/allowed-skips.txt: {}", unexpected.join(", "))),
        false => Ok(()),
    }
}
