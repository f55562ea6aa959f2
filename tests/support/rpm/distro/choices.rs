//! Packages between which there is a choice: obsoletes, conflicts, rich dependencies, versions.

use super::libraries::LIBC;
use super::{native, noarch};
use crate::rpm::{Rpm, arch};

pub(super) fn packages() -> Vec<Rpm> {
    let mut rpms = obsoletes();
    rpms.extend(rich());
    rpms.extend(kernels());
    rpms.extend(python());
    if arch() == "x86_64" {
        rpms.push(steam());
    }
    rpms
}

fn obsoletes() -> Vec<Rpm> {
    vec![
        native("dnf5", "5.2.13.1-1.fc42")
            .obsoletes("dnf < 5, yum < 5, microdnf < 4")
            .provides("dnf = 5.2.13.1-1.fc42, yum = 5.2.13.1-1.fc42, microdnf = 5.2.13.1-1.fc42")
            .requires("libsqlite3.so.0()(64bit), rpm-libs >= 4.17")
            .symlink("usr/bin/dnf", "dnf5")
            .file("usr/bin/dnf5", "dnf5\n", 0o755),
        noarch("dnf", "4.22.0-1.fc42").requires("python3").file("usr/bin/dnf-3", "dnf\n", 0o755),
        noarch("yum", "4.22.0-1.fc42").requires("dnf = 4.22.0-1.fc42"),
        native("rpm-libs", "4.20.1-1.fc42").requires(LIBC).requires("rpm = 4.20.1-1.fc42"),
        native("rpm", "4.20.1-1.fc42")
            .requires("coreutils, rpm-libs = 4.20.1-1.fc42")
            .dir("usr/lib/sysimage/rpm", 0o755)
            .symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm"),
        // Who asks for the old name gets the new one; of a version that is not obsolete, the old one.
        noarch("old-name", "1.0-1"),
        noarch("new-name", "2.0-1").obsoletes("old-name < 2").provides("old-name = 2.0-1"),
        noarch("old-name-user", "1.0-1").requires("old-name"),
    ]
}

fn rich() -> Vec<Rpm> {
    let plain = |name: &str| noarch(name, "1.0-1");
    vec![
        noarch("rich-user", "1.0-1")
            .requires("(rich-a or rich-b)")
            .requires("(rich-c if bash)")
            .requires("(rich-d if absent-package else rich-e)")
            .requires("(rich-capability >= 2 with rich-capability < 4)")
            .requires("(rich-thing without rich-unwanted)")
            .recommends("(rich-weak and rich-c)")
            .field("Conflicts", "(rich-f unless rich-e)"),
        plain("rich-a"),
        plain("rich-b"),
        plain("rich-c"),
        plain("rich-d"),
        plain("rich-e"),
        plain("rich-f"),
        plain("rich-weak"),
        noarch("rich-1", "1.0-1").provides("rich-capability = 1"),
        noarch("rich-3", "1.0-1").provides("rich-capability = 3"),
        noarch("rich-5", "1.0-1").provides("rich-capability = 5"),
        noarch("rich-thing-good", "1.0-1").provides("rich-thing"),
        noarch("rich-thing-bad", "2.0-1").provides("rich-thing, rich-unwanted"),
        // Nobody can install them.
        noarch("broken-needs-nothing-there", "1.0-1").requires("nothing-there >= 3"),
        noarch("broken-conflict", "1.0-1")
            .requires("coreutils-single, coreutils-common")
            .conflicts("busybox"),
        noarch("supplements-bash", "1.0-1").field("Supplements", "bash"),
        noarch("enhances-bash", "1.0-1").field("Enhances", "bash"),
    ]
}

/// Of which several can be there at once.
fn kernels() -> Vec<Rpm> {
    let kernel = |evr: &str| {
        let (version, _) = evr.split_once('-').unwrap();
        native("kernel-core", evr)
            .provides(&format!("kernel = {evr}, installonlypkg(kernel)"))
            .file(&format!("usr/lib/modules/{version}/vmlinuz"), format!("{version}\n"), 0o755)
            .ghost(&format!("boot/vmlinuz-{version}"), 0o755)
    };
    ["6.14.0-63.fc42", "6.14.5-300.fc42", "6.14.11-300.fc42"].map(kernel).into()
}

fn python() -> Vec<Rpm> {
    vec![
        native("python3", "3.13.3-1.fc42")
            .provides("python(abi) = 3.13, /usr/bin/python")
            .requires("python3-libs = 3.13.3-1.fc42")
            .file("usr/bin/python3.13", "python\n", 0o755)
            .hardlink("usr/bin/python3-debug", "usr/bin/python3.13")
            .symlink("usr/bin/python3", "python3.13"),
        native("python3-libs", "3.13.3-1.fc42")
            .requires("libexpat.so.1()(64bit), python-pip-wheel >= 23.1.2")
            .recommends("(python3-tkinter if libX11)")
            .file("usr/lib64/python3.13/os.py", "import this\n", 0o644)
            .file("usr/lib64/python3.13/__pycache__/os.cpython-313.pyc", "compiled\n", 0o644),
        noarch("python-pip-wheel", "24.3.1-2.fc42"),
        noarch("python3-six", "1.17.0-2.fc42").requires("python(abi) = 3.13").obsoletes("python2-six < 1.17"),
        noarch("python2-six", "1.16.0-1.fc42").requires("python(abi) = 2.7"),
    ]
}

/// For 32 bits, with all that it needs.
fn steam() -> Rpm {
    native("steam", "1.0.0.82-4.fc42")
        .arch("i686")
        .requires("libc.so.6, libz.so.1, libcrypto.so.3, libtinfo.so.6, libgcc_s.so.1")
        .file("usr/bin/steam", "#!/bin/sh\n", 0o755)
}
