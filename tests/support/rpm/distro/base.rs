//! What is there before anything else: directories, users, the release.

use super::{RELEASE, native, noarch};
use crate::rpm::Rpm;

pub(super) fn packages() -> Vec<Rpm> {
    let mut rpms = vec![filesystem(), setup(), basesystem()];
    rpms.extend(release());
    rpms
}

/// Directories and their modes.
const DIRECTORIES: &[(&str, u32)] = &[
    ("boot", 0o555),
    ("dev", 0o755),
    ("etc", 0o755),
    ("etc/opt", 0o755),
    ("etc/pki", 0o755),
    ("etc/profile.d", 0o755),
    ("etc/skel", 0o755),
    ("home", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("root", 0o550),
    ("run", 0o755),
    ("srv", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o555),
    ("usr/lib", 0o555),
    ("usr/lib/sysimage", 0o755),
    ("usr/lib64", 0o555),
    ("usr/libexec", 0o755),
    ("usr/local", 0o755),
    ("usr/local/bin", 0o755),
    ("usr/sbin", 0o555),
    ("usr/share", 0o755),
    ("usr/share/doc", 0o755),
    ("usr/share/licenses", 0o755),
    ("usr/share/man", 0o755),
    ("usr/src", 0o755),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];

/// Links and where they lead.
const LINKS: &[(&str, &str)] = &[
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("sbin", "usr/sbin"),
    ("usr/tmp", "../var/tmp"),
    ("var/lock", "../run/lock"),
    ("var/mail", "spool/mail"),
    ("var/run", "../run"),
];

fn filesystem() -> Rpm {
    let mut rpm = native("filesystem", "3.18-36.fc42")
        .field("Requires(pre)", "setup")
        .provides("filesystem(merged-usr)")
        .lua("pretrans", FILESYSTEM_PRETRANS)
        .lua("post", FILESYSTEM_POST);
    for (path, mode) in DIRECTORIES {
        rpm = rpm.dir(path, *mode);
    }
    for (path, target) in LINKS {
        rpm = rpm.symlink(path, target);
    }
    for path in ["proc", "sys"] {
        rpm = rpm.dir(path, 0o555).marked("%ghost");
    }
    for language in ["de", "fr"] {
        rpm = rpm.dir(&format!("usr/share/locale/{language}"), 0o755).marked(&format!("%lang({language})"));
    }
    rpm.dir("var/spool/mail", 0o775).owner("root", "mail").dir("var/adm", 0o755).ghost("var/log/wtmp", 0o664)
}

const FILESYSTEM_PRETRANS: &str = r#"
-- Whatever is unpacked first has to find the links.
for _, name in ipairs({"/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/proc", "/sys", "/dev"}) do
  if not posix.stat(name) then
    posix.mkdir(name)
  end
end
posix.chmod("/proc", "r-xr-xr-x")
posix.chmod("/sys", "0555")
for _, name in ipairs({"bin", "lib", "lib64", "sbin"}) do
  if posix.stat("/" .. name, "type") == nil then
    posix.symlink("usr/" .. name, "/" .. name)
  end
end
return 0
"#;

const FILESYSTEM_POST: &str = r#"
posix.symlink("../proc/self/mounts", "/etc/mtab")
posix.mkdir("/usr/src/debug")
posix.chmod("/usr/src/debug", "rwxr-x---")
local now = posix.stat("/usr/src/debug")
if now.mode ~= "rwxr-x---" then
  error("chmod does nothing: " .. now.mode)
end
return 0
"#;

const PASSWD: &str = "root:x:0:0:Super User:/root:/bin/bash\n\
    bin:x:1:1:bin:/bin:/usr/sbin/nologin\n\
    mail:x:8:12:mail:/var/spool/mail:/usr/sbin/nologin\n\
    nobody:x:65534:65534:Kernel Overflow User:/:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nbin:x:1:\nsys:x:3:\ntty:x:5:\nmem:x:8:\nmail:x:12:\nutmp:x:22:\nusers:x:100:\nnobody:x:65534:\n";
const SHADOW: &str =
    "root:!unprovisioned:::::::\nbin:*::0:99999:7:::\nmail:*::0:99999:7:::\nnobody:*::0:99999:7:::\n";
const GSHADOW: &str = "root:::\nbin:::\nsys:::\ntty:::\nmem:::\nmail:::\nutmp:::\nusers:::\nnobody:::\n";

/// For files whose content scripts change.
const CHANGES: &str = "%verify(not md5 size mtime)";

fn setup() -> Rpm {
    let mut rpm = noarch("setup", "2.15.0-13.fc42")
        .field("Requires", "system-release")
        .lua("post", SETUP_POST)
        .config("etc/passwd", PASSWD)
        .marked(CHANGES)
        .config("etc/group", GROUP)
        .marked(CHANGES)
        .file("etc/shadow", SHADOW, 0o000)
        .marked(&format!("%config(noreplace) {CHANGES}"))
        .file("etc/gshadow", GSHADOW, 0o000)
        .marked(&format!("%config(noreplace) {CHANGES}"))
        .config("etc/shells", "/usr/sbin/nologin\n")
        .marked(CHANGES)
        .config("etc/hosts", "127.0.0.1 localhost\n")
        .config("etc/profile", "PATH=/usr/local/bin:/usr/bin\nexport PATH\n")
        .config("etc/services", "ssh 22/tcp\n")
        .ghost("etc/fstab", 0o644)
        .file("etc/motd", "", 0o644)
        .marked("%config(noreplace)");
    for (user, id) in [("root", 0), ("bin", 1), ("mail", 8), ("nobody", 65534)] {
        rpm = rpm.provides(&format!("user({user})")).provides(&format!("group({user})"));
        assert!(PASSWD.contains(&format!("{user}:x:{id}:")));
    }
    rpm.provides("group(tty), group(utmp)")
}

const SETUP_POST: &str = r#"
for _, name in ipairs({"passwd", "shadow", "group", "gshadow"}) do
  os.remove("/etc/" .. name .. ".rpmnew")
end
if posix.access("/usr/bin/newaliases", "x") then
  os.execute("/usr/bin/newaliases > /dev/null")
end
"#;

/// It has no files, and is there for the order of installation alone.
fn basesystem() -> Rpm {
    Rpm::new("basesystem", "11-22.fc42").field("Requires(pre)", "filesystem, setup")
}

/// The release, of which one of two variants is to be chosen.
fn release() -> Vec<Rpm> {
    let evr = "42-23";
    let os_release = format!(
        "NAME=\"Fedora Linux\"\nVERSION=\"{RELEASE}\"\nID=fedora\nVERSION_ID={RELEASE}\n\
         PLATFORM_ID=\"platform:f{RELEASE}\"\nPRETTY_NAME=\"Mini Linux {RELEASE}\"\n"
    );
    let common = noarch("fedora-release-common", evr)
        .provides(&format!("system-release = {RELEASE}, system-release({RELEASE}), redhat-release"))
        .requires("fedora-release-variant = 42-23, fedora-repos(42)")
        .field("Suggests", "fedora-release")
        .file("usr/lib/os-release.d/common", "x\n", 0o644)
        .symlink("etc/os-release", "../usr/lib/os-release")
        .symlink("etc/system-release", "fedora-release")
        .config("etc/fedora-release", "Mini release 42\n")
        .config("etc/issue", "\\S\n");
    let variant = |name: &str, identity: &str| {
        noarch(name, evr)
            .provides("fedora-release-variant = 42-23, system-release-product")
            .requires("fedora-release-common = 42-23")
            .field("Conflicts", "fedora-release-identity")
            .provides(&format!("fedora-release-identity = 42-23, base-module(platform:f42), {identity}"))
            .file("usr/lib/os-release", format!("{os_release}VARIANT_ID={identity}\n"), 0o644)
    };
    let repos = noarch("fedora-repos", "42-1")
        .provides("fedora-repos(42), system-repos = 42-1")
        .requires("fedora-gpg-keys >= 42-1, system-release(42)")
        .dir("etc/yum.repos.d", 0o755)
        .config("etc/yum.repos.d/fedora.repo", "[fedora]\nname=Fedora $releasever - $basearch\nenabled=1\n");
    let keys = noarch("fedora-gpg-keys", "42-1")
        .dir("etc/pki/rpm-gpg", 0o755)
        .file("etc/pki/rpm-gpg/RPM-GPG-KEY-fedora-42-primary", crate::rpm::signer().public(), 0o644)
        .symlink("etc/pki/rpm-gpg/RPM-GPG-KEY-42-fedora", "RPM-GPG-KEY-fedora-42-primary");
    vec![
        common,
        variant("fedora-release", "basic"),
        variant("fedora-release-container", "container"),
        repos,
        keys,
    ]
}
