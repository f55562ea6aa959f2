//! The Debian mirror that the host's apt uses, for tests with real packages.

use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long all questions together may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The URL of a mirror that has Debian 12, from the host's apt configuration; `None` if it has
/// none, or none that answers within 10 s. Asked once for all tests.
pub fn host_mirror() -> Option<String> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let end = Instant::now() + LIMIT;
        configured()?.into_iter().find(|url| has_bookworm(url, end))
    };
    FOUND.get_or_init(find).clone()
}

/// The repositories that apt knows, without their last slash.
fn configured() -> Option<Vec<String>> {
    let output = Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]).output().ok()?;
    let mut urls = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let url = line.trim_end_matches('/').to_owned();
        if url.starts_with("http") && !urls.contains(&url) {
            urls.push(url);
        }
    }
    Some(urls)
}

/// Asks with apt's own client, as it knows the host's proxies and certificates.
fn has_bookworm(url: &str, end: Instant) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let from = format!("{url}/dists/bookworm/InRelease");
    let mut command = Command::new("/usr/lib/apt/apt-helper");
    command.args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=0", "download-file", &from]);
    command.arg(directory.path().join("InRelease"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}
