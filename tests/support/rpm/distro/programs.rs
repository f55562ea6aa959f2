//! A shell that runs, what scripts call, and programs with modes and capabilities of their own.

use super::libraries::LIBC;
use super::{busybox, native, noarch};
use crate::rpm::Rpm;

pub(super) fn packages() -> Vec<Rpm> {
    let mut rpms = vec![shell(), bash()];
    rpms.extend(coreutils());
    rpms.extend(APPLETS.iter().map(|(name, evr, links)| linked(native(name, evr), links)));
    rpms.extend([shadow_utils(), util_linux(), sudo(), iputils(), alternatives(), git()]);
    rpms.extend(editors());
    rpms
}

/// Packages whose programs are busybox.
const APPLETS: &[(&str, &str, &[&str])] = &[
    ("sed", "4.9-4.fc42", &["sed"]),
    ("grep", "3.11-10.fc42", &["grep", "egrep", "fgrep"]),
    ("findutils", "1:4.10.0-5.fc42", &["find", "xargs"]),
    ("gawk", "5.3.1-1.fc42", &["awk"]),
    ("tar", "2:1.35-5.fc42", &["tar"]),
    ("gzip", "1.13-3.fc42", &["gzip", "gunzip", "zcat"]),
    ("which", "2.23-1.fc42", &["which"]),
    ("diffutils", "3.10-9.fc42", &["diff", "cmp"]),
];

/// What scripts call most.
const COREUTILS: &[&str] = &[
    "[",
    "basename",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dirname",
    "env",
    "expr",
    "false",
    "head",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "printf",
    "readlink",
    "rm",
    "rmdir",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "tail",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "uniq",
    "wc",
];

/// Links to busybox.
fn linked(rpm: Rpm, links: &[&str]) -> Rpm {
    let rpm = rpm.requires(LIBC).requires("busybox");
    links.iter().fold(rpm, |rpm, link| rpm.symlink(&format!("usr/bin/{link}"), "busybox"))
}

/// It needs nothing, so that scripts of all others can run.
fn shell() -> Rpm {
    native("busybox", "1:1.37.0-1.fc42").field("Requires(pre)", "filesystem").shared_file(
        "usr/bin/busybox",
        &busybox(),
        0o755,
    )
}

fn bash() -> Rpm {
    native("bash", "5.2.37-1.fc42")
        .provides("/bin/sh, /bin/bash")
        .requires(LIBC)
        .field("Requires(post)", "busybox")
        .requires("busybox, filesystem >= 3, libtinfo.so.6()(64bit)")
        .lua("post", BASH_POST)
        .symlink("usr/bin/sh", "busybox")
        .file("usr/bin/bash", "#!/usr/bin/busybox sh\nexec busybox sh \"$@\"\n", 0o755)
        .config("etc/skel/.bashrc", "# nothing\n")
        .config("etc/skel/.bash_profile", "# nothing\n")
}

const BASH_POST: &str = r#"
local shells = io.open("/etc/shells", "a+")
if shells then
  shells:seek("set", 0)
  local known = "\n" .. shells:read("*all")
  for _, shell in ipairs({"/bin/sh", "/bin/bash"}) do
    if not known:find("\n" .. shell .. "\n", 1, true) then
      shells:write(shell .. "\n")
    end
  end
  shells:close()
end
"#;

/// Two packages of which one can be there.
fn coreutils() -> [Rpm; 3] {
    let evr = "9.6-2.fc42";
    let common = native("coreutils-common", evr)
        .recommends("hostname")
        .config("etc/DIR_COLORS", "TERM xterm\n")
        .file("usr/share/locale/de/LC_MESSAGES/coreutils.mo", "de\n", 0o644)
        .marked("%lang(de)")
        .file("usr/share/man/man1/ls.1.gz", "a page\n", 0o644)
        .marked("%doc");
    let whole = linked(native("coreutils", evr), COREUTILS)
        .requires("coreutils-common = 9.6-2.fc42")
        .conflicts("coreutils-single")
        .provides("/bin/true, bundled(gnulib)");
    let single = linked(native("coreutils-single", evr), COREUTILS)
        .provides("coreutils = 9.6-2.fc42, /bin/true")
        .conflicts("coreutils < 8.24");
    [common, whole, single]
}

fn shadow_utils() -> Rpm {
    native("shadow-utils", "2:4.17.4-1.fc42")
        .requires(LIBC)
        .requires("libselinux.so.1()(64bit), setup, busybox")
        .file("usr/sbin/useradd", USERADD, 0o755)
        .file("usr/sbin/groupadd", GROUPADD, 0o755)
        .file("usr/bin/chage", "chage\n", 0o4755)
        .file("usr/bin/gpasswd", "gpasswd\n", 0o4755)
        .file("usr/bin/newuidmap", "newuidmap\n", 0o755)
        .marked("%caps(cap_setuid=ep)")
        .file("usr/bin/newgidmap", "newgidmap\n", 0o755)
        .marked("%caps(cap_setgid=ep)")
        .config("etc/login.defs", "SYS_UID_MIN 201\nSYS_UID_MAX 999\n")
        .config("etc/default/useradd", "HOME=/home\n")
        .ghost("etc/subuid", 0o644)
}

/// The day of the last change is that of the build, unless the environment has another.
const USERADD: &str = r#"#!/usr/bin/busybox sh
# useradd -r -u ID -g GROUP -d HOME -s SHELL -c COMMENT NAME
set -e
id=
group=
home=/
shell=/usr/sbin/nologin
comment=
while getopts rMu:g:d:s:c: option; do
  case $option in
    u) id=$OPTARG ;;
    g) group=$OPTARG ;;
    d) home=$OPTARG ;;
    s) shell=$OPTARG ;;
    c) comment=$OPTARG ;;
  esac
done
shift $((OPTIND - 1))
test -n "$1"
busybox grep -q "^$1:" /etc/passwd && exit 9
: "${group:=$1}"
gid=$(busybox grep "^$group:" /etc/group | busybox cut -d : -f 3)
if test -z "$id"; then
  id=999
  while busybox grep -q "^[^:]*:[^:]*:$id:" /etc/passwd; do id=$((id - 1)); done
fi
day=$((${SOURCE_DATE_EPOCH:-$(busybox date +%s)} / 86400))
echo "$1:x:$id:$gid:$comment:$home:$shell" >> /etc/passwd
echo "$1:!:$day::::::" >> /etc/shadow
"#;

const GROUPADD: &str = r#"#!/usr/bin/busybox sh
# groupadd -r -g ID NAME
set -e
id=
while getopts rfg: option; do
  case $option in
    g) id=$OPTARG ;;
  esac
done
shift $((OPTIND - 1))
test -n "$1"
busybox grep -q "^$1:" /etc/group && exit 9
if test -z "$id"; then
  id=999
  while busybox grep -q "^[^:]*:[^:]*:$id:" /etc/group; do id=$((id - 1)); done
fi
echo "$1:x:$id:" >> /etc/group
echo "$1:!::" >> /etc/gshadow
"#;

fn util_linux() -> Rpm {
    native("util-linux", "2.40.4-7.fc42")
        .requires(LIBC)
        .field("Requires(post)", "coreutils")
        .script(
            "post",
            "touch /var/log/lastlog\nchown root:utmp /var/log/lastlog\nchmod 0664 /var/log/lastlog\n",
        )
        .ghost("var/log/lastlog", 0o664)
        .owner("root", "utmp")
        .file("usr/bin/mount", "mount\n", 0o4755)
        .file("usr/bin/su", "su\n", 0o4755)
        .file("usr/bin/wall", "wall\n", 0o2755)
        .owner("root", "tty")
        .file("usr/sbin/nologin", "#!/usr/bin/sh\nexit 1\n", 0o755)
        .file("etc/pam.d/su", "auth required\n", 0o600)
        .marked("%config(noreplace)")
}

fn sudo() -> Rpm {
    native("sudo", "1.9.15-7.p5.fc42")
        .requires(LIBC)
        .recommends("(vim-minimal if vim-enhanced)")
        .file("usr/bin/sudo", "sudo\n", 0o4111)
        .hardlink("usr/bin/sudoedit", "usr/bin/sudo")
        .file("etc/sudoers", "root ALL=(ALL) ALL\n", 0o440)
        .marked("%config(noreplace)")
        .dir("etc/sudoers.d", 0o750)
        .dir("var/db/sudo", 0o700)
}

fn iputils() -> Rpm {
    native("iputils", "20240905-3.fc42")
        .requires("libcap.so.2()(64bit)")
        .file("usr/bin/ping", "ping\n", 0o755)
        .marked("%caps(cap_net_raw=p)")
        .file("usr/bin/arping", "arping\n", 0o755)
        .marked("%caps(cap_net_raw=p)")
        .file("usr/bin/clockdiff", "clockdiff\n", 0o755)
        .marked("%caps(cap_net_raw,cap_sys_time=ep)")
}

fn alternatives() -> Rpm {
    native("alternatives", "1.33-1.fc42")
        .requires("busybox")
        .dir("etc/alternatives", 0o755)
        .dir("var/lib/alternatives", 0o755)
        .file("usr/sbin/alternatives", ALTERNATIVES, 0o755)
        .symlink("usr/sbin/update-alternatives", "alternatives")
}

const ALTERNATIVES: &str = r#"#!/usr/bin/busybox sh
# alternatives --install LINK NAME PATH PRIORITY: the highest priority wins.
set -e
test "$1" = --install
known=/var/lib/alternatives/$3
echo "$5 $4" >> "$known"
best=$(busybox sort -rn "$known" | busybox head -n 1)
busybox ln -sfn "${best#* }" "/etc/alternatives/$3"
busybox ln -sfn "/etc/alternatives/$3" "$2"
"#;

/// Hard links with their content in the last of many.
fn git() -> Rpm {
    let mut rpm = native("git-core", "2.49.0-1.fc42")
        .requires(LIBC)
        .requires("libcrypto.so.3()(64bit), libz.so.1()(64bit)")
        .requires("(less if bash)")
        .file("usr/libexec/git-core/git", "git in many places\n".repeat(100), 0o755);
    for name in ["add", "commit", "diff", "fetch", "log", "push"] {
        rpm = rpm.hardlink(&format!("usr/libexec/git-core/git-{name}"), "usr/libexec/git-core/git");
    }
    rpm.symlink("usr/bin/git", "../libexec/git-core/git")
}

/// Editors that are alternatives to each other, of which one has several versions.
fn editors() -> Vec<Rpm> {
    let vim = |name: &str, path: &str, priority: u32| {
        let post = format!("/usr/sbin/alternatives --install /usr/bin/editor editor /{path} {priority}\n");
        native(name, "2:9.1.1275-1.fc42")
            .requires(LIBC)
            .field("Requires(post)", "alternatives")
            .script("post", &post)
            .ghost("usr/bin/editor", 0o755)
            .file(path, format!("{name}\n"), 0o755)
    };
    let nano = |evr: &str| {
        native("nano", evr)
            .requires(LIBC)
            .file("usr/bin/nano", format!("nano {evr}\n"), 0o755)
            .config("etc/nanorc", evr)
    };
    vec![
        vim("vim-minimal", "usr/bin/vi", 10),
        vim("vim-enhanced", "usr/bin/vim", 50).requires("vim-common = 2:9.1.1275-1.fc42"),
        noarch("vim-common", "2:9.1.1275-1.fc42").requires("vim-filesystem"),
        noarch("vim-filesystem", "2:9.1.1275-1.fc42").dir("usr/share/vim", 0o755),
        native("less", "668-2.fc42").requires(LIBC).file("usr/bin/less", "less\n", 0o755),
        native("hostname", "3.25-2.fc42").file("usr/bin/hostname", "hostname\n", 0o755),
        nano("8.3-1.fc42"),
        nano("8.3^20250401git1-1.fc42"),
        nano("8.4~rc1-1.fc42"),
    ]
}
