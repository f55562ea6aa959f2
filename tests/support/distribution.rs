//! A distribution in miniature: what Debian's packages are like, without what is in them.
//!
//! Programs are scripts that do nothing, so nothing of it runs; libraries are texts.
//!
//! | package | what there is to it |
//! |---|---|
//! | `base-files` | essential; the links of a merged `/usr`; a conffile; a postinst; pre-depends on a virtual package; `+` in its version |
//! | `base-passwd` | essential; the users and groups of the distribution |
//! | `bash` | essential; conffiles in a folder, a hidden one |
//! | `coreutils` | essential; hard links; a file in `/bin`, which is a link |
//! | `dash` | essential; `/bin/sh`, in `/bin`, which is a link |
//! | `dpkg` | essential; folders with nothing in them |
//! | `perl-base` | essential; provides a package in a version |
//! | `util-linux` | essential; setuid, and a group known by name alone |
//! | `libc6`, `libgcc-s1` | `Multi-Arch: same`; depend on each other |
//! | `mawk` | required; provides `awk`; `Multi-Arch: foreign` |
//! | `debconf`, `tzdata` | required; for all architectures; `tzdata` has an alternative dependency and a postinst |
//! | `apt`, `adduser`, `gpgv` | important; `apt` depends on the first alternative of which there is one |
//! | `hello`, `hello-traditional` | exclude each other; the second provides and replaces the first |
//! | `bsd-mailx` | depends on the first of two that provide `mail-transport-agent`, or the other |
//! | `exim4-daemon-light`, `postfix` | provide, and conflict with, `mail-transport-agent` |
//! | `libdemo-perl` | what only the version that `perl-base` provides satisfies |
//! | `libdemo1` | two versions, of which the one with an epoch is the newer; `Multi-Arch: same` |
//! | `demo` | `1.0` and `1.0~rc1`, which is the older; triggers; a file that its group may read |
//! | `demo-unmet` | depends on what there is not |
//! | `demo-extra` | in the component `contrib`; recommends and suggests |

use crate::deb::Deb;

/// The packages for an architecture, by dpkg's name, with those for all.
pub fn distribution(arch: &str) -> Vec<Deb> {
    let mut debs = essential(arch);
    debs.extend(required(arch));
    debs.extend(important(arch));
    debs.extend(optional(arch));
    debs
}

/// The names of the essential packages and all that these need, sorted.
pub const ESSENTIAL: &[&str] = &[
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dash",
    "dpkg",
    "libc6",
    "libgcc-s1",
    "mawk",
    "perl-base",
    "util-linux",
];

/// What GNU calls the architecture: `x86_64-linux-gnu`.
pub fn multiarch(arch: &str) -> String {
    let cpu = match arch {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    format!("{cpu}-linux-gnu")
}

const LIBC: &str = "libc6 (>= 2.34)";

const PASSWD: &str = "root:*:0:0:root:/root:/bin/bash\nman:*:6:12:man:/var/cache/man:/usr/sbin/nologin\n";
const GROUP: &str = "root:*:0:\ntty:*:5:\nshadow:*:42:\n";

fn essential(arch: &str) -> Vec<Deb> {
    let essential = |name: &str, version: &str| {
        let deb = Deb::new(name, version).arch(arch).field("Essential", "yes");
        deb.field("Priority", "required").field("Section", "admin")
    };
    let base_passwd = essential("base-passwd", "3.6.1")
        .field("Pre-Depends", LIBC)
        .file("usr/share/base-passwd/passwd.master", PASSWD, 0o644)
        .file("usr/share/base-passwd/group.master", GROUP, 0o644);
    let bash = essential("bash", "5.2.15-2+b2")
        .field("Pre-Depends", LIBC)
        .depends("base-files (>= 2.1.12)")
        .with_program("bin/bash")
        .conffile("/etc/bash.bashrc", "PS1='$ '\n")
        .conffile("/etc/skel/.bashrc", "# nothing\n");
    let coreutils = essential("coreutils", "9.1-1")
        .field("Pre-Depends", LIBC)
        .with_program("bin/ls")
        .with_program("usr/bin/test")
        .hardlink("usr/bin/[", "usr/bin/test");
    let dash = essential("dash", "0.5.12-2")
        .field("Pre-Depends", LIBC)
        .with_program("bin/dash")
        .symlink("bin/sh", "dash");
    let dpkg = essential("dpkg", "1.21.22")
        .field("Pre-Depends", LIBC)
        .with_program("usr/bin/dpkg")
        .conffile("/etc/dpkg/dpkg.cfg", "no-debsig\n")
        .dir("var/lib/dpkg/info", 0o755)
        .dir("var/lib/dpkg/updates", 0o755);
    let perl_base = essential("perl-base", "5.36.0-7")
        .field("Pre-Depends", LIBC)
        .field("Provides", "libfile-temp-perl (= 0.2311), perlapi-5.36.0")
        .with_program("usr/bin/perl");
    let util_linux = essential("util-linux", "2.38.1-5")
        .field("Pre-Depends", LIBC)
        .file("bin/mount", program("bin/mount"), 0o4755)
        .file("usr/bin/wall", program("usr/bin/wall"), 0o2755)
        .owner((0, "root"), (5, "tty"));
    vec![essential_base_files(arch), base_passwd, bash, coreutils, dash, dpkg, perl_base, util_linux]
}

fn essential_base_files(arch: &str) -> Deb {
    let mut deb = Deb::new("base-files", "12.4+deb12u5")
        .arch(arch)
        .field("Essential", "yes")
        .field("Priority", "required")
        .field("Section", "admin")
        .field("Pre-Depends", "awk")
        .field(
            "Description",
            "Debian base system\n This has a description of more lines.\n .\n - Like others.",
        )
        .file("usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n", 0o644)
        .symlink("etc/os-release", "../usr/lib/os-release")
        .conffile("/etc/debian_version", "12.5\n")
        .dir("tmp", 0o1777)
        .dir("var/log", 0o755)
        .script("postinst", "#!/bin/sh\nset -e\nchmod 1777 /tmp\n");
    for name in ["bin", "lib", "lib64", "sbin"] {
        deb = deb.dir(&format!("usr/{name}"), 0o755).symlink(name, &format!("usr/{name}"));
    }
    deb
}

fn required(arch: &str) -> Vec<Deb> {
    let required = |name: &str, version: &str| Deb::new(name, version).field("Priority", "required");
    let library = |name: &str, version: &str| {
        let folder = format!("usr/lib/{}", multiarch(arch));
        required(name, version)
            .arch(arch)
            .field("Priority", "optional")
            .field("Multi-Arch", "same")
            .field("Section", "libs")
            .file(&format!("{folder}/{name}.so"), format!("{name} for {arch}\n"), 0o644)
            .file(&format!("usr/share/doc/{name}/copyright"), "Nobody's.\n", 0o644)
    };
    vec![
        library("libc6", "2.36-9+deb12u4")
            .depends("libgcc-s1")
            .field("Source", "glibc")
            .conffile("/etc/ld.so.conf.d/libc.conf", "/usr/local/lib\n"),
        library("libgcc-s1", "12.2.0-14").depends("libc6 (>= 2.35)").field("Source", "gcc-12 (12.2.0-14)"),
        required("mawk", "1.3.4.20200120-3.1")
            .arch(arch)
            .field("Multi-Arch", "foreign")
            .field("Pre-Depends", LIBC)
            .field("Provides", "awk")
            .with_program("usr/bin/mawk"),
        required("debconf", "1.5.82")
            .arch("all")
            .field("Provides", "debconf-2.0")
            .with_program("usr/bin/debconf"),
        required("tzdata", "2024a-0+deb12u1")
            .arch("all")
            .depends("debconf (>= 0.5) | debconf-2.0")
            .file("usr/share/zoneinfo/Etc/UTC", "TZif2", 0o644)
            .symlink("usr/share/zoneinfo/UTC", "Etc/UTC")
            .script("postinst", "#!/bin/sh\nset -e\necho Etc/UTC >/etc/timezone\n"),
    ]
}

fn important(arch: &str) -> Vec<Deb> {
    let important = |name: &str, version: &str| Deb::new(name, version).field("Priority", "important");
    vec![
        important("apt", "2.6.1")
            .arch(arch)
            .depends("adduser, gpgv2 | gpgv | gpgv1, libc6 (>= 2.34)")
            .with_program("usr/bin/apt-get")
            .dir("var/lib/apt/lists/partial", 0o700)
            .owner((100, "_apt"), (0, "root")),
        important("adduser", "3.134")
            .arch("all")
            .depends("passwd | base-passwd")
            .with_program("usr/sbin/adduser"),
        important("gpgv", "2.2.40-1.1").arch(arch).depends(LIBC).with_program("usr/bin/gpgv"),
    ]
}

fn optional(arch: &str) -> Vec<Deb> {
    let hello = |name: &str, version: &str| Deb::new(name, version).arch(arch).depends(LIBC);
    let mailer = |name: &str, version: &str| {
        let deb = hello(name, version).with_program("usr/sbin/sendmail");
        let agent = "mail-transport-agent";
        deb.field("Provides", agent).field("Conflicts", agent).field("Replaces", agent)
    };
    let mut debs = vec![
        hello("hello", "2.10-3").with_program("usr/bin/hello").file(
            "usr/share/doc/hello/NEWS",
            "New!\n",
            0o644,
        ),
        hello("hello-traditional", "2.10-6")
            .field("Provides", "hello")
            .field("Conflicts", "hello")
            .field("Replaces", "hello")
            .with_program("usr/bin/hello"),
        mailer("exim4-daemon-light", "4.96-15+deb12u4"),
        mailer("postfix", "3.7.10-0+deb12u1"),
        hello("bsd-mailx", "8.1.2-0.20220412cvs-1")
            .depends("exim4-daemon-light | mail-transport-agent")
            .with_program("usr/bin/bsd-mailx"),
        Deb::new("libdemo-perl", "1-1").arch("all").depends("libfile-temp-perl (>= 0.23)"),
    ];
    debs.extend(demos(arch));
    debs
}

fn demos(arch: &str) -> Vec<Deb> {
    let demo = |name: &str, version: &str| Deb::new(name, version).arch(arch);
    let library = |version: &str| {
        let path = format!("usr/lib/{}/libdemo.so.1", multiarch(arch));
        let deb = demo("libdemo1", version).field("Multi-Arch", "same").file(&path, version, 0o644);
        deb.control_file("shlibs", "libdemo 1 libdemo1\n", 0o644)
    };
    let program = |version: &str| {
        demo("demo", version)
            .depends("libdemo1 (>= 1:1.0), libdemo-perl")
            .with_program("usr/bin/demo")
            .file("etc/demo.secret", "secret\n", 0o640)
            .owner((0, "root"), (42, "shadow"))
            .control_file("triggers", "interest-noawait /usr/share/demo\n", 0o644)
    };
    vec![
        library("2.0-1"),
        library("1:1.0-2"),
        program("1.0~rc1"),
        program("1.0"),
        demo("demo-unmet", "1.0").depends("demo (>= 1.0), no-such-package (>= 2)"),
        demo("demo-extra", "1.0")
            .component("contrib")
            .field("Section", "contrib/misc")
            .depends("demo")
            .field("Recommends", "hello")
            .field("Suggests", "bsd-mailx"),
    ]
}

/// What a program does: nothing.
fn program(path: &str) -> String {
    format!("#!/bin/sh\n# {path} does nothing.\n")
}

impl Deb {
    fn with_program(self, path: &str) -> Self {
        self.file(path, program(path), 0o755)
    }
}
