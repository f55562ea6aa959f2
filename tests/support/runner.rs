//! Runs tests that have needs.
//!
//! A test whose needs are not met is reported as ignored, with the need beside
//! its name, and written to `e2e-skipped.txt` in the target directory. On the
//! reference system, `cargo xtask test` fails on any that is not in
//! `tests/allowed-skips.txt`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, OnceLock};

use ctr_forge_rootfs::{Attributes, Duplicates, Tree, Walk};
use libtest_mimic::{Arguments, Trial};

/// A test: a name that says the property, what it needs, and a function that panics if it fails.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    /// `file::property`.
    pub name: &'static str,
    /// What the machine must have.
    pub needs: &'static [Need],
    /// The test.
    pub run: fn(),
}

/// Something that not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// A program on `PATH`.
    Tool(&'static str),
    /// A program that the set-up builds: see [`crate::build::tool`].
    Built(&'static str),
    /// To run as root.
    Root,
    /// To be able to run a program as another, ordinary user (root and `setpriv`).
    OtherUser,
    /// Rust's standard library and a C compiler for the static musl target of this machine.
    Musl,
    /// A nightly toolchain.
    Nightly,
    /// To be able to mount in a mount namespace of its own.
    MountNamespace,
    /// User namespaces in which programs of packages can run.
    Sandbox,
    /// A mirror of Debian that the host's apt uses and that answers.
    Mirror,
    /// A kernel and file systems that say when a file changed last: see [`folder_at_rest`].
    Settles,
    /// To be run by `cargo xtask matrix`: what it takes changes from day to day.
    Matrix,
    /// Alpine's own packages: see [`alpine_packages`].
    AlpinePackages,
    /// Packages of RPM that others have made: see [`rpm_packages`].
    RpmPackages,
    /// libsolv's own test cases: see [`libsolv_cases`].
    LibsolvCases,
}

impl Need {
    fn describe(self) -> String {
        match self {
            Need::Tool(tool) | Need::Built(tool) => tool.into(),
            Need::Root => "root".into(),
            Need::OtherUser => "another user".into(),
            Need::Musl => "musl target".into(),
            Need::Nightly => "nightly toolchain".into(),
            Need::MountNamespace => "mount namespace".into(),
            Need::Sandbox => "user namespaces".into(),
            Need::Mirror => "the network's Debian mirror".into(),
            Need::Settles => "Linux 6.8, ext4 or the like, and a folder at rest".into(),
            Need::Matrix => "cargo xtask matrix".into(),
            Need::AlpinePackages => "Alpine's packages".into(),
            Need::RpmPackages => "packages of RPM made elsewhere".into(),
            Need::LibsolvCases => "libsolv's test cases".into(),
        }
    }

    fn is_met(self) -> bool {
        static KNOWN: OnceLock<Mutex<HashMap<Need, bool>>> = OnceLock::new();
        let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap();
        *known.entry(self).or_insert_with(|| self.check())
    }

    fn check(self) -> bool {
        match self {
            Need::Tool(tool) => on_path(tool),
            Need::Built(tool) => crate::build::tool(tool).is_file(),
            Need::Root => rustix::process::geteuid().is_root(),
            Need::OtherUser => {
                rustix::process::geteuid().is_root()
                    && succeeds("setpriv", &["--reuid=65534", "--clear-groups", "true"])
            }
            Need::Musl => {
                let target = musl_target();
                let found = crate::build::rust_tool("rustc")
                    .args(["--print", "target-libdir", "--target", &target])
                    .output();
                // Some of what the binary is made of is written in C.
                on_path("musl-gcc")
                    && found.is_ok_and(|out| Path::new(String::from_utf8_lossy(&out.stdout).trim()).is_dir())
            }
            Need::Nightly => {
                let run = ["run", "nightly", "rustc", "--version"];
                let output = crate::build::rust_tool("rustup").args(run).output();
                output.is_ok_and(|output| output.status.success())
            }
            Need::MountNamespace => succeeds("unshare", &["-m", "true"]),
            Need::Sandbox => succeeds("unshare", &["--user", "--map-root-user", "--mount", "true"]),
            Need::Mirror => crate::mirror::host_mirror().is_some(),
            Need::Settles => folder_at_rest().is_some() && has_fingerprint(Path::new("/var/tmp")),
            Need::Matrix => std::env::var_os("CTR_FORGE_MATRIX").is_some(),
            Need::AlpinePackages => alpine_packages().is_some(),
            Need::RpmPackages => rpm_packages().is_some(),
            Need::LibsolvCases => libsolv_cases().is_some(),
        }
    }
}

/// A folder of some megabytes that nobody has touched for long: perl's own modules.
pub fn folder_at_rest() -> Option<PathBuf> {
    let output = Command::new("perl").args(["-MConfig", "-e", "print $Config{privlibexp}"]).output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?).canonicalize().ok()?;
    has_fingerprint(&folder.join("unicore")).then_some(folder)
}

/// Whether a tree on this file system can have a [fingerprint](Tree::fingerprint).
fn has_fingerprint(place: &Path) -> bool {
    let Ok(folder) = tempfile::tempdir_in("/var/tmp") else { return false };
    let read = || -> Option<bool> {
        let mut tree = Tree::new_in(folder.path(), Duplicates::Refuse).ok()?;
        let walk = Walk { attributes: Attributes::Plain { mtime: 0 }, one_file_system: true };
        std::fs::write(folder.path().join("file"), "x").ok()?;
        let place = if place == Path::new("/var/tmp") { folder.path() } else { place };
        tree.read_directory(place, &walk, &mut || true).ok()?;
        tree.normalise(0).ok()?;
        Some(tree.len() > 1 && tree.fingerprint(i64::MAX).is_some())
    };
    read().unwrap_or(false)
}

/// A signed repository of Alpine's packages with the key beside it, for x86_64: in `ALPINE_PACKAGES`,
/// or in `shared/data/alpine` beside the checkout.
pub fn alpine_packages() -> Option<PathBuf> {
    data("ALPINE_PACKAGES", "alpine").filter(|place| place.join("x86_64/APKINDEX.tar.gz").is_file())
}

/// Packages of format 4 and 6, in `RPMS`, and the keys that signed some of them, in `signing_keys`,
/// as the crate `rpm` has them among its tests: in `RPM_PACKAGES`, or in `shared/data/rpm` beside
/// the checkout.
pub fn rpm_packages() -> Option<PathBuf> {
    data("RPM_PACKAGES", "rpm").filter(|place| place.join("RPMS/v6/signed").is_dir())
}

/// libsolv's `test/testcases`: in `LIBSOLV_CASES`, or in `shared/data/libsolv` beside the checkout.
pub fn libsolv_cases() -> Option<PathBuf> {
    data("LIBSOLV_CASES", "libsolv").filter(|place| place.join("choose").is_dir())
}

/// The folder that a variable names, or one beside the checkout.
fn data(variable: &str, folder: &str) -> Option<PathBuf> {
    let beside = || crate::build::workspace_directory().join("../shared/data").join(folder);
    std::env::var_os(variable).map_or_else(beside, PathBuf::from).canonicalize().ok()
}

/// The static musl target of this machine.
pub fn musl_target() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps some tools where an ordinary user's PATH does not lead.
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).any(|directory| directory.join(tool).is_file())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A folder for what all tests of a run share, which goes with it.
///
/// Not in /tmp: that may be memory, or mounted so that nothing can be executed or owned.
pub fn shared_directory() -> &'static Path {
    SHARED.get_or_init(|| {
        let directory = tempfile::Builder::new().prefix("ctr-forge-tests-").tempdir_in("/var/tmp");
        directory.unwrap().keep()
    })
}

static SHARED: OnceLock<PathBuf> = OnceLock::new();

/// Runs the tests as cargo's own harness would, with its arguments.
pub fn run(tests: &[&[Test]]) -> ExitCode {
    let code = run_all(tests);
    // What is static is never dropped.
    if let Some(directory) = SHARED.get() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    code
}

fn run_all(tests: &[&[Test]]) -> ExitCode {
    let arguments = Arguments::from_args();
    if !arguments.list {
        crate::build::workspace();
    }
    let mut skipped = String::new();
    let mut trials = Vec::new();
    for test in tests.iter().copied().flatten() {
        let unmet: Vec<_> =
            test.needs.iter().filter(|need| !need.is_met()).map(|need| need.describe()).collect();
        let run = test.run;
        let trial = Trial::test(test.name, move || {
            run();
            Ok(())
        });
        trials.push(match unmet.is_empty() {
            true => trial,
            false => {
                skipped += &format!("{}: needs {}\n", test.name, unmet.join(", "));
                trial.with_ignored_flag(true).with_kind(format!("needs {}", unmet.join(", ")))
            }
        });
    }
    std::fs::write(crate::build::target_directory().join("e2e-skipped.txt"), skipped).unwrap();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Panics unless every `.rs` file in `directory` is one of `modules`: a forgotten file tests nothing.
pub fn check_modules(directory: &str, modules: &[&str]) {
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_module = path.extension().is_some_and(|extension| extension == "rs") && name != "main";
        assert!(!is_module || modules.contains(&name.as_str()), "{} is in no list of tests", path.display());
    }
}
