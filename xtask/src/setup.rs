//! What the tests need beside Rust, installed where that can be done without asking.
//!
//! On Debian as root the tools come from the distribution's packages; as
//! anybody else, or elsewhere, nothing is installed and the tests that need
//! them are skipped and counted.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A program, and the Debian package that has it.
const TOOLS: &[(&str, &str)] = &[
    ("skopeo", "skopeo"),
    ("umoci", "umoci"),
    ("oci-image-tool", "oci-image-tool"),
    ("podman", "podman"),
    ("crun", "crun"),
    ("runc", "runc"),
    ("busybox", "busybox-static"),
    ("bsdtar", "libarchive-tools"),
    ("gcc", "gcc"),
    ("make", "make"),
    ("python3", "python3"),
    ("jq", "jq"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
    ("bzip2", "bzip2"),
    ("setfattr", "attr"),
    ("setcap", "libcap2-bin"),
    ("newuidmap", "uidmap"),
    ("pigz", "pigz"),
    ("musl-gcc", "musl-tools"),
    ("mmdebstrap", "mmdebstrap"),
    ("debootstrap", "debootstrap"),
    ("docker-registry", "docker-registry"),
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("buildah", "buildah"),
    ("gpg", "gpg"),
    ("gpg-connect-agent", "gpgconf"),
    ("htpasswd", "apache2-utils"),
    ("openssl", "openssl"),
    ("gpgconf", "gpgconf"),
    ("rpm", "rpm"),
    ("rpmbuild", "rpm"),
    ("rpmsign", "rpm"),
    ("createrepo_c", "createrepo-c"),
    ("dnf", "dnf"),
    ("sqlite3", "sqlite3"),
];

pub(crate) fn run() -> Result<(), String> {
    install(TOOLS)?;
    build_actool()?;
    add_musl();
    Ok(())
}

/// Debian 12 as root: the system on which no test may be skipped unless it is listed.
pub(crate) fn is_reference_system() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let bookworm = release.lines().any(|line| line == "VERSION_CODENAME=bookworm");
    bookworm && is_root() && Path::new("/usr/bin/apt-get").exists()
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Installs the packages of those programs that are not there.
pub(crate) fn install(tools: &[(&str, &str)]) -> Result<(), String> {
    let missing: Vec<_> =
        tools.iter().filter(|(tool, _)| !on_path(tool)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_reference_system() {
        println!("not installed, so tests that need them are skipped: {}", missing.join(" "));
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    crate::run(Command::new("apt-get").args(["-qq", "update"]).stdout(Stdio::null()))?;
    let mut install = Command::new("apt-get");
    install.args(["-qq", "install", "-y", "--no-install-recommends"]).args(&missing);
    install.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    crate::run(&mut install)
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path).chain(more).any(|directory| directory.join(tool).is_file())
}

/// The validator of App Container Images, of which Debian has the source alone.
fn build_actool() -> Result<(), String> {
    const SOURCE: &str = "/usr/share/gocode/src/github.com/appc/spec/actool";
    let actool = crate::workspace().join("target/tools/actool");
    if actool.is_file() || !is_reference_system() {
        return Ok(());
    }
    install(&[("go", "golang-go")])?;
    if !Path::new(SOURCE).is_dir() {
        let mut install = Command::new("apt-get");
        install.args(["-qq", "install", "-y", "--no-install-recommends", "golang-github-appc-spec-dev"]);
        crate::run(install.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))?;
    }
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&actool).arg("github.com/appc/spec/actool");
    build.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    crate::run(build.env("GOCACHE", crate::workspace().join("target/tools/cache")))
}

/// Rust's standard library for static programs, where rustup can have it.
fn add_musl() {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let added = Command::new("rustup").args(["target", "add", &target]).stderr(Stdio::null()).status();
    if !added.is_ok_and(|status| status.success()) {
        println!("rustup cannot add {target}, so tests that need it are skipped unless it is there already");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs of Debian's essential packages and of apt's: they are always there.
    const ESSENTIAL: &[&str] =
        &["apt-get", "chroot", "dpkg", "dpkg-deb", "gpgv", "gzip", "mknod", "setsid", "tar"];

    #[test]
    fn every_tool_that_a_test_needs_is_installed() {
        let tests = crate::workspace().join("tests/e2e");
        let mut needed = 0;
        for file in fs::read_dir(tests).expect("the tests") {
            let text = fs::read_to_string(file.expect("a file").path()).expect("a text");
            for rest in text.split("Need::Tool(\"").skip(1) {
                let tool = rest.split('"').next().unwrap_or_default();
                let installed = TOOLS.iter().any(|(known, _)| *known == tool);
                assert!(installed || ESSENTIAL.contains(&tool), "nobody installs {tool}");
                needed += 1;
            }
        }
        assert!(needed > 10, "the needs were not found");
    }
}
