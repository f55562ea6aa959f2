//! `cargo xtask demo`: README's first command.
//!
//! A real root filesystem tarball and a real program become an OCI image, with
//! a line that says how to run it. Nothing but cargo is needed.

use std::process::Command;

use crate::{cargo, workspace};

pub(crate) fn run() -> Result<(), String> {
    let target = workspace().join("target");
    crate::run(&mut cargo(&["build", "--release", "--workspace"]))?;
    // Static, so that the image needs no C library.
    crate::run(&mut cargo(&["rustc", "--release", "-p", "hello", "--", "-C", "target-feature=+crt-static"]))?;
    let demo = target.join("demo");
    std::fs::create_dir_all(&demo).map_err(|e| format!("{}: {e}", demo.display()))?;
    let forge = || {
        let mut command = Command::new(target.join("release/ctr-forge"));
        command.current_dir(workspace());
        command
    };
    crate::run(
        forge()
            .args(["source", "scratch", "--tar", "examples/rootfs/debian-base-files.tar.xz"])
            .args(["--copy", "target/release/hello:/usr/bin/hello", "--exclude-path", "usr/share/doc/**"])
            .args(["-o", "target/demo/hello.tar"]),
    )?;
    crate::run(forge().args(["output", "oci", "target/demo/hello.tar", "-o", "target/demo/image"]).args([
        "--tag",
        "hello:1",
        "--entrypoint",
        "[\"/usr/bin/hello\"]",
    ]))
}
