//! Packages that make users, keep certificates or react to others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::libraries::LIBC;
use super::{native, noarch};
use crate::rpm::Rpm;

pub(super) fn packages() -> Vec<Rpm> {
    let mut rpms = vec![certificates(), p11_kit(), systemd(), standalone_sysusers(), polkit(), dbus_broker()];
    rpms.extend(httpd());
    rpms.extend(nginx());
    rpms.extend(chrony());
    rpms
}

/// What it ships is put together by a script, also when another package adds to it.
fn certificates() -> Rpm {
    noarch("ca-certificates", "2024.2.69-3.fc42")
        .field("Requires(post)", "bash, coreutils, grep")
        .requires("p11-kit-trust >= 0.24")
        .script("post", "/usr/bin/update-ca-trust\n")
        .section("transfiletriggerin", "-- /usr/share/pki/ca-trust-source", TRUST_TRIGGER)
        .file("usr/bin/update-ca-trust", UPDATE_CA_TRUST, 0o755)
        .file("usr/share/pki/ca-trust-source/ca-bundle.trust.p11-kit", "one authority\n", 0o644)
        .dir("etc/pki/ca-trust/extracted/pem", 0o755)
        .ghost("etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", 0o444)
        .symlink("etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem")
        .symlink("etc/ssl/certs", "../pki/tls/certs")
}

const UPDATE_CA_TRUST: &str = "#!/bin/sh\nset -e\n\
    out=/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem\n\
    umask 022\ncat /usr/share/pki/ca-trust-source/* > $out.new\nchmod 0444 $out.new\nmv -f $out.new $out\n";

/// It is told on its standard input which files have set it off.
const TRUST_TRIGGER: &str = "sort > /var/lib/ca-trust-changed\n/usr/bin/update-ca-trust\n";

fn p11_kit() -> Rpm {
    native("p11-kit-trust", "0.25.5-5.fc42")
        .requires("libffi.so.8()(64bit)")
        .field("Requires(post)", "alternatives")
        .script(
            "post",
            "/usr/sbin/alternatives --install /usr/lib64/libnssckbi.so libnssckbi.so /usr/lib64/pkcs11/p11-kit-trust.so 30\n",
        )
        .ghost("usr/lib64/libnssckbi.so", 0o755)
        .file("usr/lib64/pkcs11/p11-kit-trust.so", "trust\n", 0o755)
}

/// It makes users of what others ship, when all is unpacked.
fn systemd() -> Rpm {
    native("systemd", "257.5-2.fc42")
        .requires(LIBC)
        .requires("dbus-common, (util-linux or util-linux-core)")
        .field("Requires(pre)", "coreutils, grep, shadow-utils")
        .field("Conflicts", "systemd-standalone-sysusers")
        .provides("syslog, systemd-sysusers = 257.5-2.fc42")
        .script("pre", &user("systemd-network", 192, "/", "systemd Network Management"))
        .script("post", "touch /etc/machine-id\nchmod 0444 /etc/machine-id\n")
        .section(
            "transfiletriggerin",
            "-P 1000700 -- /usr/lib/sysusers.d",
            "/usr/bin/systemd-sysusers || :\n",
        )
        .section("filetriggerin", "-P 900900 -- /usr/lib/tmpfiles.d", "cat >> /var/log/tmpfiles-seen\n")
        .section("triggerin", "-- polkit", "echo \"polkit $1 $2\" > /var/lib/systemd-saw-polkit\n")
        .ghost("etc/machine-id", 0o444)
        .marked("%config(noreplace)")
        .file("usr/bin/systemd-sysusers", SYSUSERS, 0o755)
        .dir("usr/lib/sysusers.d", 0o755)
        .dir("usr/lib/tmpfiles.d", 0o755)
        .file("usr/lib/sysusers.d/systemd.conf", "u systemd-oom - \"Out of memory\" / -\n", 0o644)
        .dir("var/lib/systemd", 0o755)
        .dir("var/log/journal", 0o2755)
        .owner("root", "mail")
}

/// The same for small systems.
fn standalone_sysusers() -> Rpm {
    native("systemd-standalone-sysusers", "257.5-2.fc42").provides("systemd-sysusers = 257.5-2.fc42").file(
        "usr/bin/systemd-sysusers",
        SYSUSERS,
        0o755,
    )
}

/// Makes those users of `/usr/lib/sysusers.d` that are not there (sysusers.d(5)).
const SYSUSERS: &str = r#"#!/bin/sh
cat /usr/lib/sysusers.d/*.conf | while read -r kind name id rest; do
  test "$id" = - && id=
  case $kind in
    g) /usr/bin/getent group "$name" > /dev/null || /usr/sbin/groupadd -r ${id:+-g "$id"} "$name" ;;
    u)
      /usr/bin/getent group "$name" > /dev/null || /usr/sbin/groupadd -r ${id:+-g "$id"} "$name"
      /usr/bin/getent passwd "$name" > /dev/null || /usr/sbin/useradd -r ${id:+-u "$id"} -g "$name" "$name" ;;
  esac
done
"#;

/// A script that makes a user and a group of that name.
fn user(name: &str, id: u32, home: &str, comment: &str) -> String {
    format!(
        "getent group {name} > /dev/null || groupadd -f -g {id} -r {name}\n\
         if ! getent passwd {name} > /dev/null; then\n\
         \x20 useradd -r -u {id} -g {name} -d {home} -s /usr/sbin/nologin -c \"{comment}\" {name}\nfi\nexit 0\n"
    )
}

/// A user of sysusers.d, which new versions of rpm make before they unpack, by what is provided.
fn sysusers(rpm: Rpm, name: &str, id: u32, home: &str, comment: &str) -> Rpm {
    let line = format!("u {name} {id} \"{comment}\" {home} /usr/sbin/nologin");
    // Filled up with zeros, for an equals sign is in no version.
    let word = STANDARD.encode(format!("{line:\0<0$}", line.len().next_multiple_of(3)));
    rpm.provides(&format!("user({name}) = {word}, group({name})")).file(
        &format!("usr/lib/sysusers.d/{name}.conf"),
        format!("{line}\n"),
        0o644,
    )
}

/// Its user is made by a script too, as for old versions of rpm.
fn polkit() -> Rpm {
    let (name, id, home, comment) = ("polkitd", 114, "/", "User for polkitd");
    sysusers(native("polkit", "126-2.fc42"), name, id, home, comment)
        .requires(LIBC)
        .field("Requires(pre)", "shadow-utils, glibc-common, bash")
        .requires("(systemd if httpd)")
        .script("pre", &user(name, id, home, comment))
        .dir("etc/polkit-1/rules.d", 0o700)
        .owner("polkitd", "root")
        .file("etc/polkit-1/rules.d/50-default.rules", "// none\n", 0o640)
        .owner("polkitd", "polkitd")
        .file("usr/bin/pkexec", "pkexec\n", 0o4755)
        .file("usr/lib/tmpfiles.d/polkit.conf", "d /run/polkit\n", 0o644)
}

/// Its user is made by rpm alone, from 4.19 on; before that, its files are root's.
fn dbus_broker() -> Rpm {
    sysusers(native("dbus-broker", "36-5.fc42"), "dbus", 81, "/", "System Message Bus")
        .requires("dbus-common")
        .file("usr/libexec/dbus-launch-helper", "helper\n", 0o4750)
        .owner("root", "dbus")
}

fn httpd() -> Vec<Rpm> {
    let evr = "2.4.63-1.fc42";
    let same = |name: &str| format!("{name} = {evr}");
    let (name, id, home) = ("apache", 48, "/usr/share/httpd");
    vec![
        native("httpd", evr)
            .requires(&same("httpd-core"))
            .requires("system-logos-httpd, /etc/mime.types")
            .recommends("mod_http2, mod_lua")
            .field("Suggests", "httpd-manual")
            .field("Requires(pre)", "httpd-filesystem")
            .script("post", "test \"$1\" = 1\ngetent passwd apache > /dev/null\n")
            .script("posttrans", "test -e /etc/machine-id && cat /etc/machine-id > /dev/null\nexit 0\n")
            .dir("etc/httpd", 0o755)
            .config("etc/httpd/conf/httpd.conf", "Listen 80\n")
            .dir("var/log/httpd", 0o700)
            .dir("var/cache/httpd", 0o700)
            .owner("apache", "apache"),
        native("httpd-core", evr)
            .requires(&same("httpd-tools"))
            .requires(&same("httpd-filesystem"))
            .requires("libapr-1.so.0()(64bit), (systemd or openrc)")
            .provides("webserver, httpd-mmn = 20120211x8664")
            .file("usr/sbin/httpd", "httpd\n", 0o755)
            .file("usr/sbin/suexec", "suexec\n", 0o510)
            .owner("root", "apache")
            .marked("%caps(cap_setuid,cap_setgid+pe)"),
        sysusers(noarch("httpd-filesystem", evr), name, id, home, "Apache")
            .field("Requires(pre)", "shadow-utils, glibc-common, /bin/sh")
            .script("pre", &user(name, id, home, "Apache"))
            .dir("var/www", 0o755)
            .dir("var/www/html", 0o755)
            .dir(home.trim_start_matches('/'), 0o755),
        native("httpd-tools", evr).requires("libapr-1.so.0()(64bit)").file("usr/bin/ab", "ab\n", 0o755),
        noarch("httpd-manual", evr)
            .requires(&same("httpd"))
            .doc("usr/share/httpd/manual/index.html", "read\n"),
        native("mod_http2", "2.0.29-3.fc42").requires("httpd-mmn = 20120211x8664"),
        native("mod_lua", evr).requires(&same("httpd")),
        noarch("mailcap", "2.1.54-8.fc42")
            .config("etc/mime.types", "text/plain txt\n")
            .config("etc/mailcap", "x\n"),
        logos("fedora-logos", "42.0.1-1.fc42"),
        logos("generic-logos-httpd", "18.0.0-28.fc42"),
        noarch("dbus-common", "1:1.16.0-3.fc42").dir("etc/dbus-1", 0o755),
    ]
}

/// Two that provide the same; without more to say for either, the shorter name comes.
fn logos(name: &str, evr: &str) -> Rpm {
    noarch(name, evr).provides("system-logos-httpd = 42").conflicts("anaconda-images <= 10").file(
        &format!("usr/share/pixmaps/{name}.png"),
        "a picture\n",
        0o644,
    )
}

fn nginx() -> [Rpm; 2] {
    let evr = "2:1.28.0-1.fc42";
    let pre = user("nginx", 977, "/var/lib/nginx", "Nginx web server");
    [
        native("nginx", evr)
            .requires("nginx-filesystem = 2:1.28.0-1.fc42, libpcre2-8.so.0()(64bit)")
            .requires("((nginx-mod-mail with webserver) or nginx-filesystem)")
            .provides("webserver")
            .file("usr/sbin/nginx", "nginx\n", 0o755)
            .dir("var/lib/nginx", 0o770)
            .owner("nginx", "root")
            .dir("var/log/nginx", 0o711)
            .owner("nginx", "root"),
        noarch("nginx-filesystem", evr)
            .field("Requires(pre)", "shadow-utils, glibc-common, bash")
            .script("pre", &pre)
            .dir("etc/nginx", 0o755)
            .dir("usr/share/nginx/html", 0o755),
    ]
}

/// It needs files of which primary metadata says nothing.
fn chrony() -> [Rpm; 3] {
    [
        native("chrony", "4.6.1-2.fc42")
            .requires("/usr/share/zoneinfo/Etc/UTC, /usr/libexec/chrony-helper, /usr/bin/getent")
            .config("etc/chrony.conf", "pool 2.fedora.pool.ntp.org iburst\n"),
        noarch("chrony-helper", "4.6.1-2.fc42").file("usr/libexec/chrony-helper", "helper\n", 0o755),
        noarch("tzdata", "2025b-1.fc42")
            .file("usr/share/zoneinfo/Etc/UTC", "TZif2", 0o644)
            .hardlink("usr/share/zoneinfo/UTC", "usr/share/zoneinfo/Etc/UTC")
            .hardlink("usr/share/zoneinfo/Zulu", "usr/share/zoneinfo/Etc/UTC"),
    ]
}
