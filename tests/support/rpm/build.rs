//! Runs `rpmbuild` and `rpmsign` with nothing of the machine's or the user's settings, once for
//! the same packages.

use std::fs;
use std::hash::{Hash as _, Hasher};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::build::fixtures;
use crate::openpgp::Key;

use super::spec::Batch;
use super::{DATE, Rpm, What};

/// What makes packages the same everywhere, and keeps from them what is not asked for. Debian
/// names a `gpg2` that it has not.
const MACROS: &[(&str, &str)] = &[
    ("_buildhost", "test.example.org"),
    ("use_source_date_epoch_as_buildtime", "1"),
    ("clamp_mtime_to_source_date_epoch", "1"),
    ("source_date_epoch_from_changelog", "0"),
    ("_rpmfilename", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"),
    ("__spec_install_post", "%{nil}"),
    ("__check_files", "%{nil}"),
    ("debug_package", "%{nil}"),
    ("_build_id_links", "none"),
    ("_binaries_in_noarch_packages_terminate_build", "0"),
    ("__gpg", "/usr/bin/gpg"),
    ("_gpg_digest_algo", "sha256"),
    ("_gpg_sign_cmd_extra_args", "--batch --quiet --faked-system-time 20231114T221320!"),
];

/// Builds and signs packages; their files, in the same order.
pub fn build(rpms: &[Rpm]) -> Vec<PathBuf> {
    // Tests that want the same wait for each other instead of building it twice.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let batches = Batch::of(rpms);
    let folders: Vec<PathBuf> = std::thread::scope(|scope| {
        let threads: Vec<_> = batches.iter().map(|batch| scope.spawn(|| folder(batch))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut files = vec![PathBuf::new(); rpms.len()];
    for (batch, folder) in batches.iter().zip(folders) {
        for (place, rpm) in &batch.rpms {
            files[*place] = folder.join(rpm.filename());
        }
    }
    files
}

/// Where the packages are, which are built unless they are there.
fn folder(batch: &Batch<'_>) -> PathBuf {
    let all = fixtures("rpm");
    let folder = all.join(digest(batch));
    if !folder.is_dir() {
        fs::create_dir_all(&all).unwrap();
        let work = tempfile::tempdir().unwrap();
        let made = tempfile::tempdir_in(&all).unwrap();
        rpmbuild(batch, work.path(), made.path());
        if let Some(key) = batch.signer() {
            rpmsign(key, work.path(), made.path());
        }
        // Another process may have been quicker; its packages are the same.
        if fs::rename(made.path(), &folder).is_ok() {
            let _ = made.keep();
        }
    }
    folder
}

fn rpmbuild(batch: &Batch<'_>, work: &Path, made: &Path) {
    let (spec, root) = (work.join("fixture.spec"), work.join("root"));
    fs::write(&spec, batch.spec()).unwrap();
    batch.write(&root);
    let mut command = tool("rpmbuild", work);
    command.args(["-bb", "--quiet", "--noclean", "--target", batch.target(), "--buildroot"]).arg(&root);
    define(&mut command, "_topdir", &work.join("top").display().to_string());
    define(&mut command, "_rpmdir", &made.display().to_string());
    define(&mut command, "_binary_payload", batch.payload());
    run(command.arg(&spec));
}

/// Signs all packages of a folder.
fn rpmsign(key: &Key, work: &Path, made: &Path) {
    let gnupg = work.join("gnupg");
    fs::DirBuilder::new().mode(0o700).create(&gnupg).unwrap();
    fs::write(work.join("secret.asc"), key.secret()).unwrap();
    let mut import = tool("gpg", work);
    run(import.args(["--batch", "--quiet", "--import"]).arg(work.join("secret.asc")));
    let mut command = tool("rpmsign", work);
    define(&mut command, "_gpg_name", &key.fingerprint());
    define(&mut command, "_gpg_path", &gnupg.display().to_string());
    let files = fs::read_dir(made).unwrap().map(|entry| entry.unwrap().path());
    run(command.arg("--addsign").args(files));
    run(tool("gpgconf", work).args(["--kill", "all"]));
}

/// A program, not yet started, that knows no other home than `work`.
fn tool(program: &str, work: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", work).env("GNUPGHOME", work.join("gnupg")).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    command.env("SOURCE_DATE_EPOCH", DATE.to_string()).env("RPM_FORCE_DEBIAN", "1");
    if program.starts_with("rpm") {
        MACROS.iter().for_each(|(name, value)| define(&mut command, name, value));
    }
    command
}

fn define(command: &mut Command, name: &str, value: &str) {
    command.args(["--define", &format!("{name} {value}")]);
}

pub(super) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {}{said}", String::from_utf8_lossy(&output.stdout));
}

/// The digest of all that packages are made from, but for the tools.
fn digest(batch: &Batch<'_>) -> String {
    let mut digest = Content(Sha256::new());
    (MACROS, DATE, batch.spec(), batch.target(), batch.payload()).hash(&mut digest);
    batch.signer().map(Key::secret).hash(&mut digest);
    for (path, what) in batch.contents() {
        path.hash(&mut digest);
        match what {
            What::File(content) => content.hash(&mut digest),
            What::Directory => 0.hash(&mut digest),
            What::Symlink(target) => (1, target).hash(&mut digest),
            What::Hardlink(original) => (2, original).hash(&mut digest),
        }
    }
    digest.0.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Hashing into a digest that is the same at every run.
struct Content(Sha256);

impl Hasher for Content {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the digest is taken as it is")
    }
}
