//! The C library with its triggers and languages, other libraries, and those for i686 beside them.

use super::{isa, native, noarch};
use crate::rpm::{Rpm, arch};

/// The version of the C library.
const GLIBC: &str = "2.41-1.fc42";

/// What nearly everything needs.
pub(super) const LIBC: &str = "libc.so.6()(64bit)";

pub(super) fn packages() -> Vec<Rpm> {
    let mut rpms = vec![glibc(), glibc_common(), gconv_extra()];
    rpms.extend(languages());
    rpms.extend(LIBRARIES.iter().map(|&(name, evr, soname)| library(name, evr, soname, "lib64")));
    if arch() == "x86_64" {
        rpms.push(glibc_for_i686());
        rpms.extend(LIBRARIES[..4].iter().map(|&(name, evr, soname)| library(name, evr, soname, "lib")));
    }
    rpms.extend(special());
    rpms
}

/// Names, versions and what programs are linked with. The first four are there for i686 too.
const LIBRARIES: &[(&str, &str, &str)] = &[
    ("libgcc", "15.0.1-1.fc42", "libgcc_s.so.1"),
    ("ncurses-libs", "6.5-5.fc42", "libtinfo.so.6"),
    ("zlib-ng-compat", "2.2.4-3.fc42", "libz.so.1"),
    ("openssl-libs", "1:3.2.4-3.fc42", "libcrypto.so.3"),
    ("libstdc++", "15.0.1-1.fc42", "libstdc++.so.6"),
    ("libselinux", "3.8-1.fc42", "libselinux.so.1"),
    ("libacl", "2.3.2-3.fc42", "libacl.so.1"),
    ("libattr", "2.5.2-5.fc42", "libattr.so.1"),
    ("libcap", "2.73-2.fc42", "libcap.so.2"),
    ("libxcrypt", "4.4.38-7.fc42", "libcrypt.so.2"),
    ("audit-libs", "4.0.3-2.fc42", "libaudit.so.1"),
    ("pcre2", "10.45-1.fc42", "libpcre2-8.so.0"),
    ("gmp", "1:6.3.0-4.fc42", "libgmp.so.10"),
    ("xz-libs", "1:5.8.1-2.fc42", "liblzma.so.5"),
    ("bzip2-libs", "1.0.8-20.fc42", "libbz2.so.1"),
    ("readline", "8.2-13.fc42", "libreadline.so.8"),
    ("expat", "2.7.1-1.fc42", "libexpat.so.1"),
    ("libffi", "3.4.6-5.fc42", "libffi.so.8"),
    ("sqlite-libs", "3.47.2-2.fc42", "libsqlite3.so.0"),
    ("apr", "1.7.5-2.fc42", "libapr-1.so.0"),
];

/// A library for 64 or, in `lib`, for 32 bits. What is no part of either is the same in both.
fn library(name: &str, evr: &str, soname: &str, folder: &str) -> Rpm {
    let (mark, rpm) = match folder {
        "lib" => ("", native(name, evr).arch("i686")),
        _ => ("()(64bit)", native(name, evr)),
    };
    let rpm = match name {
        "zlib-ng-compat" => rpm.obsoletes("zlib < 1.3").provides("zlib = 1.3.1.zlib-ng"),
        "ncurses-libs" => rpm.requires("ncurses-base = 6.5-5.fc42"),
        "openssl-libs" => rpm.requires("crypto-policies >= 20230614, ca-certificates"),
        "libselinux" => rpm.requires(&format!("libpcre2-8.so.0{mark}")),
        "pcre2" => rpm.requires("pcre2-syntax = 10.45-1.fc42"),
        // They need each other, as many do.
        "libacl" => rpm.requires(&format!("libattr.so.1{mark}")),
        "libattr" => rpm.recommends(&format!("libacl.so.1{mark}")),
        // It is installed before the C library, which needs it, and before the links in the root, of
        // which it knows nothing: its files are in `/lib64`.
        "libgcc" => return library_files(rpm, soname, folder, mark),
        _ => rpm,
    };
    library_files(rpm, soname, &format!("usr/{folder}"), mark)
        .requires(&format!("libc.so.6{mark}, rtld(GNU_HASH)"))
}

fn library_files(rpm: Rpm, soname: &str, folder: &str, mark: &str) -> Rpm {
    let file = format!("{soname}.0");
    rpm.provides(&format!("{soname}{mark}"))
        .file(&format!("{folder}/{file}"), format!("{soname}{mark}\n"), 0o755)
        .symlink(&format!("{folder}/{soname}"), &file)
}

/// What is in the C library for both architectures.
fn glibc_of(folder: &str, mark: &str) -> Rpm {
    native("glibc", GLIBC)
        .provides(&format!("libc.so.6{mark}, rtld(GNU_HASH)"))
        .provides(&format!("libc.so.6(GLIBC_2.34){mark}", mark = mark.trim_start_matches("()")))
        .requires(&format!("glibc-common = {GLIBC}, glibc-langpack = {GLIBC}, libgcc >= 10, basesystem"))
        .field("Suggests", "glibc-minimal-langpack")
        .field("Recommends", &format!("(glibc-gconv-extra = {GLIBC} if redhat-rpm-config)"))
        .lua("pretrans", GLIBC_PRETRANS)
        .lua("post", GLIBC_POST)
        .config("etc/ld.so.conf", "include ld.so.conf.d/*.conf\n")
        .config("etc/nsswitch.conf", "passwd: files\ngroup: files\n")
        .dir("etc/ld.so.conf.d", 0o755)
        .ghost("etc/ld.so.cache", 0o644)
        .marked("%config %verify(not md5 size mtime)")
        .file(&format!("usr/{folder}/libc.so.6"), format!("the C library in {folder}\n"), 0o755)
        .file(&format!("usr/{folder}/libm.so.6"), format!("more of it in {folder}\n"), 0o755)
}

fn glibc() -> Rpm {
    glibc_of("lib64", "()(64bit)").file("usr/lib64/ld-linux.so.2", "the loader\n", 0o755)
}

fn glibc_for_i686() -> Rpm {
    glibc_of("lib", "").arch("i686").file("usr/lib/ld-linux.so.2", "the other loader\n", 0o755)
}

const GLIBC_PRETRANS: &str = r#"
local release = posix.uname("%r")
local major = tonumber(release:match("^(%d+)"))
if major and major < 3 then
  error("FATAL: kernel too old", 0)
end
"#;

/// It runs where there is no shell yet.
const GLIBC_POST: &str = r#"
local cache = "/var/cache/ldconfig"
if not posix.stat(cache) then
  posix.mkdir("/var/cache")
  posix.mkdir(cache)
  posix.chmod(cache, "0700")
end
local out = io.open(cache .. "/made-by", "w")
out:write("glibc ", tostring(arg[2] or "?"), "\n")
out:close()
"#;

fn glibc_common() -> Rpm {
    native("glibc-common", GLIBC)
        .requires(&format!("glibc = {GLIBC}, busybox"))
        .section("transfiletriggerin", "-P 2000000 -- /lib /usr/lib /lib64 /usr/lib64", "/sbin/ldconfig\n")
        .section(
            "transfiletriggerpostun",
            "-P 2000000 -- /lib /usr/lib /lib64 /usr/lib64",
            "/sbin/ldconfig\n",
        )
        .file("usr/sbin/ldconfig", LDCONFIG, 0o755)
        .file("usr/bin/getent", GETENT, 0o755)
        .file("usr/share/locale/de/LC_MESSAGES/libc.mo", "de\n", 0o644)
        .marked("%lang(de)")
        .file("usr/share/locale/fr/LC_MESSAGES/libc.mo", "fr\n", 0o644)
        .marked("%lang(fr)")
}

const LDCONFIG: &str = "#!/usr/bin/busybox sh\n\
    # A list of libraries stands for the loader's cache.\n\
    cd /usr || exit 1\n\
    busybox find lib lib64 -name '*.so.*' | busybox sort > /etc/ld.so.cache.new\n\
    busybox mv /etc/ld.so.cache.new /etc/ld.so.cache\n";

const GETENT: &str = "#!/usr/bin/busybox sh\nexec busybox grep -m 1 \"^$2:\" \"/etc/$1\"\n";

fn gconv_extra() -> Rpm {
    native("glibc-gconv-extra", GLIBC)
        .requires(&format!("glibc({}) = {GLIBC}, glibc-common = {GLIBC}", isa()))
        .lua("post", GCONV_POST)
        .file("usr/lib64/gconv/gconv-modules", "module INTERNAL\n", 0o644)
        .file("usr/sbin/iconvconfig", "#!/usr/bin/busybox sh\necho \"$*\" > /usr/lib64/gconv/cache\n", 0o755)
        .ghost("usr/lib64/gconv/cache", 0o644)
}

const GCONV_POST: &str = r#"
local iconvconfig = "/usr/sbin/iconvconfig"
if posix.access(iconvconfig, "x") then
  local child = posix.fork()
  if child == 0 then
    posix.exec(iconvconfig, "-o", "/usr/lib64/gconv/cache", "--nostdlib")
  elseif child > 0 then
    posix.wait(child)
  end
end
"#;

fn languages() -> Vec<Rpm> {
    let pack = |name: &str| {
        native(name, GLIBC)
            .provides(&format!("glibc-langpack = {GLIBC}"))
            .requires(&format!("glibc = {GLIBC}"))
    };
    let mut rpms = vec![
        pack("glibc-minimal-langpack"),
        pack("glibc-all-langpacks")
            .lua("posttrans", ALL_LANGPACKS_POSTTRANS)
            .file("usr/lib/locale/locale-archive.tmpl", "all languages\n", 0o644)
            .ghost("usr/lib/locale/locale-archive", 0o644),
    ];
    for language in ["en", "de", "fr"] {
        let file = format!("usr/lib/locale/{language}_XX.utf8/LC_CTYPE");
        let supplements = format!("(glibc and (langpacks-{language} or langpacks-core-{language}))");
        rpms.push(pack(&format!("glibc-langpack-{language}")).field("Supplements", &supplements).file(
            &file,
            format!("{language}\n"),
            0o644,
        ));
        let core = format!("langpacks-core-{language}");
        rpms.push(noarch(&core, "4.2-5.fc42").field("Supplements", "(langpacks-core and unknown-desktop)"));
    }
    rpms
}

const ALL_LANGPACKS_POSTTRANS: &str = r#"
os.rename("/usr/lib/locale/locale-archive.tmpl", "/usr/lib/locale/locale-archive")
local empty = io.open("/usr/lib/locale/locale-archive.tmpl", "w")
empty:close()
"#;

/// What goes with libraries.
fn special() -> Vec<Rpm> {
    vec![
        noarch("ncurses-base", "6.5-5.fc42")
            .file("usr/share/terminfo/x/xterm", "a terminal\n", 0o644)
            .hardlink("usr/share/terminfo/x/xterm-color", "usr/share/terminfo/x/xterm")
            .hardlink("usr/share/terminfo/x/xterm-256color", "usr/share/terminfo/x/xterm"),
        noarch("pcre2-syntax", "10.45-1.fc42"),
        noarch("crypto-policies", "20250214-1.fc42")
            .field("Conflicts", "openssl-libs < 1:3.0")
            .lua("post", CRYPTO_POST)
            .config("etc/crypto-policies/config", "DEFAULT\n")
            .dir("etc/crypto-policies/back-ends", 0o755)
            .ghost("etc/crypto-policies/state-current", 0o644)
            .file("usr/share/crypto-policies/DEFAULT/openssl.txt", "a policy\n", 0o644),
        // What the newer one has taken the place of is still there.
        library("zlib", "1.2.13-6.fc42", "libz.so.1", "lib64"),
    ]
}

const CRYPTO_POST: &str = r#"
local policy = "DEFAULT"
local link = "/etc/crypto-policies/back-ends/openssl.config"
if not posix.stat(link) then
  posix.symlink("/usr/share/crypto-policies/" .. policy .. "/openssl.txt", link)
end
local state = io.open("/etc/crypto-policies/state-current", "w")
state:write(policy, "\n")
state:close()
"#;
