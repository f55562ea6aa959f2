//! `cargo xtask matrix`: real packages of Debian on every way that there is.
//!
//! The essential set of each suite, for each architecture, in each sandbox and with each engine.
//! A root must come out the same, to the byte, in every sandbox. It takes the network's mirror,
//! root, and some ten minutes. At the end come those end-to-end tests that stand on a suite which
//! is not released yet.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::{cargo, setup, workspace};

const SUITES: &[&str] = &["bookworm", "trixie"];
/// OCI's names. One of them runs under emulation.
const ARCHITECTURES: &[&str] = &["amd64", "arm64"];
const SANDBOXES: &[&str] = &["mapped", "single", "chroot"];
/// What a tool makes of a set: it knows no essential one, or takes long under emulation.
const TOOLS: &[(&str, &str)] = &[("mmdebstrap", "apt"), ("debootstrap", "minbase")];

/// One build.
struct Case {
    suite: &'static str,
    arch: &'static str,
    sandbox: &'static str,
    engine: &'static str,
    variant: &'static str,
}

pub(crate) fn run() -> Result<(), String> {
    setup::install(&[("qemu-aarch64-static", "qemu-user-static"), ("debootstrap", "debootstrap")])?;
    crate::run(&mut cargo(&["build", "--release", "--workspace"]))?;
    let place = workspace().join("target/matrix");
    let mut digests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut failed, mut made) = (0, 0);
    for case in cases() {
        // A cache for each: what one sandbox has kept would serve the next.
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).map_err(|e| format!("cannot make {}: {e}", place.display()))?;
        let began = Instant::now();
        let name = format!(
            "{:9} {:6} {:11} {:8} {}",
            case.suite, case.arch, case.engine, case.variant, case.sandbox
        );
        match build(&case, &place) {
            Ok(digest) => {
                made += 1;
                println!("{name:50} {:6.1} s  {}", began.elapsed().as_secs_f64(), &digest[..16]);
                let same = format!("{} {} {}", case.suite, case.arch, case.engine);
                digests.entry(same).or_default().push(digest);
            }
            Err(error) => {
                failed += 1;
                println!("{name:50} FAILED\n{error}");
            }
        }
    }
    let _ = fs::remove_dir_all(&place);
    let differing = digests.iter().filter(|(_, digests)| digests.iter().any(|other| *other != digests[0]));
    let differing: Vec<_> = differing.map(|(name, _)| name.as_str()).collect();
    println!("\n{made} made, {failed} failed, {} that differ between sandboxes", differing.len());
    match failed == 0 && differing.is_empty() {
        true => next(),
        false => Err(format!("the matrix is not as it should be; differing: {}", differing.join(", "))),
    }
}

/// The tests that take what is not released yet.
fn next() -> Result<(), String> {
    let words = ["test", "-p", "ctr-forge-tests", "--test", "e2e", "--", "_next::"];
    crate::run(cargo(&words).env("CTR_FORGE_MATRIX", "1"))
}

fn cases() -> impl Iterator<Item = Case> {
    let of = |suite: &'static str| {
        let native = ARCHITECTURES.iter().flat_map(move |&arch| {
            let case = move |&sandbox| Case { suite, arch, sandbox, engine: "native", variant: "essential" };
            SANDBOXES.iter().map(case)
        });
        let case =
            move |&(engine, variant)| Case { suite, arch: "amd64", sandbox: "mapped", engine, variant };
        native.chain(TOOLS.iter().map(case))
    };
    SUITES.iter().flat_map(move |&suite| of(suite))
}

/// Makes a root and returns its digest.
fn build(case: &Case, place: &Path) -> Result<String, String> {
    let binary: PathBuf = workspace().join("target/release/ctr-forge");
    let tar = place.join("rootfs.tar");
    let output = Command::new(binary)
        .args(["source", "debootstrap", case.suite, "--variant", case.variant, "--arch", case.arch])
        .args(["--sandbox", case.sandbox, "--engine", case.engine, "-o"])
        .arg(&tar)
        .env("CTR_FORGE_CACHE", place.join("cache"))
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let sum = Command::new("sha256sum").arg(&tar).output().map_err(|e| e.to_string())?;
    let sum = String::from_utf8_lossy(&sum.stdout).split(' ').next().unwrap_or_default().to_owned();
    if sum.len() == 64 { Ok(sum) } else { Err("sha256sum says nothing".into()) }
}
