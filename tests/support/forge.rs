//! Runs the binary as a user does: in a directory of its own, with a clean environment.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A directory to work in and the binary to run there.
#[derive(Debug)]
pub struct Forge {
    directory: TempDir,
    binary: PathBuf,
    environment: Vec<(String, String)>,
    user: Option<u32>,
}

/// Somebody who is not root and owns nothing.
const NOBODY: u32 = 65534;

/// What a command did.
#[derive(Debug)]
pub struct Output {
    /// Its exit code; 128 and the signal's number where a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Default for Forge {
    fn default() -> Self {
        Self::new()
    }
}

impl Forge {
    /// A new, empty directory, and the binary that cargo built.
    pub fn new() -> Self {
        Self::with_binary(crate::build::profile_directory().join("ctr-forge"))
    }

    /// As [`Forge::new`], with another binary.
    pub fn with_binary(binary: PathBuf) -> Self {
        // Not in /tmp: that may be memory, or mounted so that nothing can be executed or owned.
        let directory = tempfile::Builder::new().prefix("ctr-forge-test-").tempdir_in("/var/tmp").unwrap();
        Self { directory, binary, environment: Vec::new(), user: None }
    }

    /// As [`Forge::new`], for an ordinary user, to whom the directory belongs.
    ///
    /// Binary and plugins are installed in it, as the user might not reach those that cargo built.
    pub fn for_other_user() -> Self {
        let mut forge = Self::new();
        let built = crate::build::profile_directory();
        let installed = |name: &str| {
            let place = forge.path(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            let from = built.join(place.file_name().unwrap());
            fs::hard_link(&from, &place).or_else(|_| fs::copy(&from, &place).map(drop)).unwrap();
            place
        };
        for plugin in [
            "source_alpine",
            "source_scratch",
            "source_debootstrap",
            "source_dnf",
            "output_oci",
            "output_docker",
            "output_aci",
        ] {
            installed(&format!("prefix/lib/ctr-forge/plugins/libctr_forge_{plugin}.so"));
        }
        forge.binary = installed("prefix/bin/ctr-forge");
        std::os::unix::fs::chown(forge.directory(), Some(NOBODY), Some(NOBODY)).unwrap();
        forge.user = Some(NOBODY);
        forge
    }

    /// The same directory with another binary, which may lie in it.
    #[must_use]
    pub fn with(mut self, binary: PathBuf) -> Self {
        self.binary = binary;
        self
    }

    /// Sets an environment variable for all further commands.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A path in the directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory().join(name)
    }

    /// Writes a file in the directory, with the folders above it.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The content of a file in the directory.
    #[track_caller]
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The binary with these arguments, not yet started.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        self.prepare(&self.binary, arguments)
    }

    /// Another program, not yet started, in the same directory and environment.
    pub fn prepare<S: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = match self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
                command.arg(program.as_ref());
                command
            }
        };
        command
            .args(arguments)
            .current_dir(self.directory())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        Output::of(&mut self.command(arguments))
    }

    /// Runs the binary, which must succeed.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.run(arguments).expect_code(0)
    }

    /// Runs the binary, which must fail with this exit code.
    #[track_caller]
    pub fn fails<S: AsRef<OsStr>>(&self, code: i32, arguments: impl IntoIterator<Item = S>) -> Output {
        self.run(arguments).expect_code(code)
    }

    /// Runs a shell script in the directory, which must succeed. `$FORGE` is the binary.
    #[track_caller]
    pub fn sh(&self, script: &str) -> Output {
        self.sh_any(script).expect_code(0)
    }

    /// Runs a shell script in the directory, whatever comes of it.
    pub fn sh_any(&self, script: &str) -> Output {
        let mut command = self.prepare("bash", ["-euo", "pipefail", "-c", script]);
        command.env("FORGE", &self.binary);
        // Where Debian keeps what only administrators use.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        Output::of(&mut command)
    }

    /// Processes that have the directory's name in their environment or arguments: the commands
    /// run here, which have it as `HOME`, and with `TMPDIR` set to it all that workers start.
    pub fn processes(&self) -> Vec<String> {
        let needle = self.directory().as_os_str().as_encoded_bytes();
        let has = |text: &[u8]| text.windows(needle.len()).any(|window| window == needle);
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let found = processes.filter_map(|process| {
            let read = |file: &str| fs::read(process.join(file)).unwrap_or_default();
            let arguments = read("cmdline");
            let name = || format!("{}: {}", process.display(), String::from_utf8_lossy(&arguments));
            (has(&arguments) || has(&read("environ"))).then(name)
        });
        found.collect()
    }

    /// Panics unless all processes of [`Forge::processes`] are gone within so many seconds.
    #[track_caller]
    pub fn no_process_within(&self, seconds: u64) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !self.processes().is_empty() {
            assert!(Instant::now() < end, "left behind: {:?}", self.processes());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The names in a folder of the directory, sorted, hidden ones included.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Output {
    /// Runs a command and waits for it.
    pub fn of(command: &mut Command) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let code = output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        Self { code, stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Standard output as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Panics unless the exit code was this.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout(), self.stderr);
        self
    }

    /// Panics unless standard error contains each of `words`.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "expected \"{word}\" in: {}", self.stderr);
        }
        self
    }
}
