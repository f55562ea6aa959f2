//! `cargo xtask demo`: README's first command.
//!
//! Signed packages of Debian become an OCI image, with a line that says how to
//! run it. Nothing but cargo and a network is needed.

use std::process::Command;

use crate::{cargo, workspace};

pub(crate) fn run() -> Result<(), String> {
    let target = workspace().join("target");
    crate::run(&mut cargo(&["build", "--release", "--workspace"]))?;
    let demo = target.join("demo");
    std::fs::create_dir_all(&demo).map_err(|e| format!("{}: {e}", demo.display()))?;
    let forge = |words: &[&str]| {
        let mut command = Command::new(target.join("release/ctr-forge"));
        command.current_dir(workspace()).args(words);
        eprintln!("+ ctr-forge {}", words.join(" "));
        crate::run(&mut command)
    };
    let source = ["source", "debootstrap", "bookworm", "--variant", "extract", "busybox-static"];
    forge(&[&source[..], &["--exclude-path", "usr/share/doc/**", "-o", "target/demo/rootfs.tar"]].concat())?;
    let output = ["output", "oci", "target/demo/rootfs.tar", "-o", "target/demo/image", "--tag", "mini:1"];
    forge(&[&output[..], &["--cmd", "[\"/bin/busybox\", \"sh\"]"]].concat())
}
