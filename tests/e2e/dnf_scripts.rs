//! Scripts and triggers of packages: run in rpm's order and with what rpm gives them, told in the
//! report, and kept from doing harm.
//!
//! They run in a root with this machine's own static busybox, as packages have it.

use std::fs;
use std::net::TcpListener;

use ctr_forge_tests::rpm::host_dnf::dnf;
use ctr_forge_tests::rpm::{self, Repository, Rpm};
use ctr_forge_tests::{Need, Server, Test};
use serde_json::Value;

use crate::dnf::World;
use crate::dnf_distro::DNF;

const SANDBOX: &[Need] = &[
    Need::Sandbox,
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::Tool("busybox"),
];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "dnf_scripts::the_order_is_that_of_rpm", needs: DNF, run: the_order_is_that_of_rpm },
    Test { name: "dnf_scripts::lua_is_that_of_rpm", needs: DNF, run: lua_is_that_of_rpm },
    Test { name: "dnf_scripts::what_scripts_do_is_there", needs: SANDBOX, run: what_scripts_do_is_there },
    Test { name: "dnf_scripts::skipped_by_word", needs: SANDBOX, run: skipped_by_word },
    Test { name: "dnf_scripts::scripts_that_stop_all", needs: SANDBOX, run: scripts_that_stop_all },
    Test { name: "dnf_scripts::scripts_that_fail", needs: SANDBOX, run: scripts_that_fail },
    Test { name: "dnf_scripts::users_and_groups", needs: SANDBOX, run: users_and_groups },
    Test { name: "dnf_scripts::scripts_do_not_get_out", needs: SANDBOX, run: scripts_do_not_get_out },
];

/// Programs that scripts call.
const APPLETS: [&str; 20] = [
    "cat", "chmod", "chown", "cut", "date", "echo", "env", "grep", "id", "ln", "ls", "mkdir", "mknod", "nc",
    "rm", "sh", "sleep", "sort", "touch", "tr",
];

/// What every root here has.
fn base() -> Rpm {
    let places = ["/usr/bin/busybox", "/bin/busybox"];
    let program = places.iter().find_map(|place| fs::read(place).ok()).expect("busybox is there");
    let rpm = Rpm::new("base", "1-1")
        .arch(rpm::arch())
        .provides("/bin/sh, /usr/bin/perl")
        .symlink("bin", "usr/bin")
        .file("usr/bin/busybox", program, 0o755)
        .dir("var/tmp", 0o1777)
        .dir("tmp", 0o1777)
        .config("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        .config("etc/group", "root:x:0:\nmail:x:12:\n")
        .file("etc/shadow", "root:*:19000:0:99999:7:::\n", 0o000);
    APPLETS.iter().fold(rpm, |rpm, name| rpm.symlink(&format!("usr/bin/{name}"), "busybox"))
}

fn package(name: &str) -> Rpm {
    Rpm::new(name, "1-1").requires("base")
}

fn world(rpms: impl IntoIterator<Item = Rpm>) -> World {
    World::new(&Repository::new(rpms.into_iter().chain([base()])))
}

/// What became of each script: `PACKAGE SCRIPT OUTCOME`.
fn outcomes(world: &World) -> Vec<String> {
    let word = |script: &Value, name: &str| script[name].as_str().unwrap().to_owned();
    let line = |script: &Value| ["package", "script", "outcome"].map(|name| word(script, name)).join(" ");
    scripts(world).iter().map(line).collect()
}

fn scripts(world: &World) -> Vec<Value> {
    world.report()["build"]["scripts"].as_array().cloned().unwrap_or_default()
}

/// The same packages by ours and by the machine's dnf leave this file with the same content, which
/// is returned.
fn same_as_rpm(world: &World, words: &[&str], path: &str) -> String {
    world.ok(&[words, &["--docs", "--report", "report.json"]].concat());
    let server = Server::new(world.forge.path("repo"));
    dnf(&world.forge, "theirs", &[server.url("")], &[&["install"], words].concat()).expect_code(0);
    let theirs = String::from_utf8(world.forge.read(format!("theirs/{path}"))).unwrap();
    let ours = world.text(path);
    assert!(ours == theirs, "{path}\n--- rpm\n{theirs}\n--- ours\n{ours}");
    ours
}

/// A script that writes down that it ran, with its arguments and its input.
fn note(what: &str) -> String {
    format!("echo \"{what} ($*) $(cat | tr '\\n' ' ')\" >> /log\n")
}

fn lua_note(what: &str) -> String {
    format!(
        "local log = io.open('/log', 'a')\n\
         log:write('{what} (', tostring(arg[2]), ') ', tostring(arg[3]), '\\n')\nlog:close()\n"
    )
}

/// A package that writes down when its own scripts run.
fn noting(name: &str, version: &str, needs: &str) -> Rpm {
    let rpm = Rpm::new(name, version).requires(needs).field("Requires(pre)", needs);
    let rpm = rpm.lua("pretrans", &lua_note(&format!("{name} pretrans")));
    let script = |rpm: Rpm, kind: &str| rpm.script(kind, &note(&format!("{name} {kind}")));
    ["pre", "post", "posttrans", "preun", "postun"].iter().fold(rpm, |rpm, kind| script(rpm, kind))
}

fn the_order_is_that_of_rpm() {
    let trigger = |rpm: Rpm, kind: &str, rest: &str| {
        let what = format!("{} {kind} {}", rpm.filename(), rest.replace(['<', '>'], "_"));
        match rest.contains("-p <lua>") {
            true => rpm.section(kind, rest, &lua_note(&what)),
            false => rpm.section(kind, rest, &note(&what)),
        }
    };
    let watcher = [
        ("triggerin", "-- app > 1"),
        ("triggerin", "-- app, lib"),
        ("triggerin", "-p <lua> -- last"),
        ("triggerin", "-- base"),
        ("triggerin", "-- app < 2"),
        ("triggerprein", "-- app"),
        ("triggerprein", "-- last >= 0:1-1"),
        ("triggerun", "-- app"),
        ("filetriggerin", "-- /usr/share/app /usr/lib"),
        ("filetriggerin", "-P 5000 -- /usr/share"),
        ("filetriggerin", "-P 2000000 -- /usr"),
        ("filetriggerin", "-P 9999 -p <lua> -- /usr/share/app"),
        ("filetriggerun", "-- /usr"),
        ("transfiletriggerin", "-- /usr/share/app"),
        ("transfiletriggerin", "-P 10 -- /usr/lib/app /usr/lib"),
        ("transfiletriggerin", "-P 2000001 -p <lua> -- /usr"),
        ("transfiletriggerin", "-- /nowhere"),
        ("transfiletriggerun", "-- /usr"),
    ];
    let app = [
        ("triggerin", "-- watcher"),
        ("triggerin", "-- base, app"),
        ("triggerprein", "-- watcher"),
        ("filetriggerin", "-- /usr/share/app"),
        ("transfiletriggerin", "-- /usr/share/watcher"),
    ];
    let last = [
        ("filetriggerin", "-- /usr/share/app /usr/share/watcher"),
        ("filetriggerin", "-P 100 -- /usr/bin/busybox"),
        ("transfiletriggerin", "-P 3000000 -- /usr/share"),
    ];
    let all = |rpm: Rpm, triggers: &[(&str, &str)]| {
        triggers.iter().fold(rpm, |rpm, (kind, rest)| trigger(rpm, kind, rest))
    };
    let world = world([
        all(noting("watcher", "1-1", "base"), &watcher)
            .file("usr/share/watcher", "x", 0o644)
            .dir("usr/share/shared", 0o755),
        all(noting("app", "2-1", "watcher"), &app)
            .dir("usr/share/shared", 0o755)
            .file("usr/share/shared/same", "same", 0o644)
            .file("usr/share/app/one", "1", 0o644)
            .file("usr/share/app/two", "2", 0o644)
            .file("usr/lib/app", "3", 0o644)
            .doc("usr/share/app/README", "4"),
        all(noting("lib", "1-1", "app"), &[]).file("usr/lib/lib/deep/file", "5", 0o644),
        all(noting("last", "1-1", "lib"), &last)
            .file("usr/share/applied", "6", 0o644)
            .ghost("usr/share/app/ghost", 0o644)
            .file("usr/share/shared/same", "same", 0o644),
    ]);
    let log = same_as_rpm(&world, &["last"], "log");
    for kind in [
        "pretrans",
        "pre ",
        "post ",
        "posttrans",
        "triggerin",
        "triggerprein",
        "filetriggerin",
        "transfiletriggerin",
    ] {
        assert!(log.contains(kind), "{kind}: {log}");
    }
    assert!(!log.contains("un ") && log.lines().count() > 40, "{log}");
    let ran = outcomes(&world);
    assert_eq!(ran.len(), log.lines().count(), "{ran:#?}");
    assert_eq!(ran[0], "watcher %pretrans run");
}

/// Names and what they come to.
const LUA: &str = r##"
local out = io.open("/lua-log", "w")
local function tell(name, ...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  out:write(name, ": ", table.concat(parts, ", "), "\n")
end
local function try(name, f, ...) tell(name, pcall(f, ...)) end
local function sorted(list) table.sort(list) return table.concat(list, " ") end

tell("arguments", #arg, arg[1], arg[2], arg[3])
tell("umask", posix.umask())
tell("mkdir", posix.mkdir("/made"), posix.mkdir("/made/deep"))
tell("mkdir again", posix.mkdir("/made"))
tell("stat", posix.stat("/made", "type"), posix.stat("/made", "mode"), posix.stat("/made", "uid"))
tell("stat of nothing", posix.stat("/nothing"))
local stat = posix.stat("/etc/passwd")
tell("stat of a file", stat.type, stat.mode, stat.size, stat.nlink, stat.uid, stat.gid)
tell("chmod", posix.chmod("/made", "0751"), posix.stat("/made", "mode"))
tell("chmod by letters", posix.chmod("/made", "u=rwx,g+s,o-x"), posix.stat("/made", "mode"))
tell("chmod in full", posix.chmod("/made/deep", "rwxr-s--x"), posix.stat("/made/deep", "mode"))
tell("chmod of nothing", posix.chmod("/nothing", "0700"))
tell("chown", posix.chown("/made", 33, 44), posix.stat("/made", "uid"), posix.stat("/made", "gid"))
tell("chown by name", posix.chown("/made/deep", "root", "mail"), posix.stat("/made/deep", "gid"))
tell("symlink", posix.symlink("../etc/passwd", "/made/link"), posix.readlink("/made/link"))
tell("symlink again", posix.symlink("x", "/made/link"))
tell("link", posix.link("/etc/passwd", "/made/hard"), posix.stat("/made/hard", "nlink"))
tell("fifo", posix.mkfifo("/made/fifo"), posix.stat("/made/fifo", "type"))
tell("dir", sorted(posix.dir("/made")))
local names = {}
for name in posix.files("/made") do names[#names + 1] = name end
tell("files", sorted(names))
tell("dir of nothing", posix.dir("/nothing"))
tell("access", posix.access("/etc/passwd", "r"), posix.access("/etc/passwd"), posix.access("/nothing", "f"))
tell("unlink", posix.unlink("/made/hard"), posix.unlink("/made/hard"))
tell("rmdir", posix.rmdir("/made"))
tell("rename", os.rename("/made/link", "/made/renamed"), posix.readlink("/made/renamed"))
tell("remove", os.remove("/made/renamed"), os.remove("/made/renamed"))
tell("directory", posix.getcwd(), posix.chdir("/made"), posix.getcwd(), posix.chdir("/"))
tell("utime", posix.utime("/made/deep", 1000, 2000), posix.stat("/made/deep", "mtime"))
tell("user", posix.getpasswd("root", "uid"), posix.getpasswd(0, "name"), posix.getpasswd("root", "shell"))
tell("no user", posix.getpasswd("nobody-at-all"))
local group = posix.getgroup("mail")
tell("group", group.name, group.gid, posix.getgroup(0).name)
tell("system", posix.uname("%s"))
tell("environment", posix.setenv("WORD", "word"), posix.getenv("WORD"), posix.unsetenv("WORD"), posix.getenv("WORD"))
tell("errno", posix.errno() ~= nil)
tell("type of id", type(posix.getprocessid("pid")), posix.getprocessid("uid"), posix.getprocessid("egid"))

local child = posix.fork()
if child == 0 then
  posix.exec("/bin/sh", "-c", "echo child $0 $1 > /child", "zero", "one")
  io.open("/child", "w"):write("no exec"):close()
  os.exit(1)
end
tell("wait", posix.wait(child) == child)
for line in io.lines("/child") do tell("child", line) end
local lost = posix.fork()
if lost == 0 then
  tell("exec of nothing", posix.exec("/no/such/program"))
  error("what is still to be written is the parent's")
end
posix.wait(lost)
tell("os.execute", os.execute("exit 3"))
tell("os.execute well", os.execute("test -e /made"))
local pipe = io.popen("echo from a pipe")
tell("popen", pipe:read("*l"), pipe:close())
tell("rpm.execute well", rpm.execute("/bin/sh", "-c", "exit 0"))

tell("vercmp", rpm.vercmp("1:1.0-1", "2.0-1"), rpm.vercmp("1.0~rc1-1", "1.0-1"), rpm.vercmp("1.0", "1.0"))
tell("expand", rpm.expand("100%% %{?nothing}%{!?nothing:there}"), rpm.expand("%{nothing}"))
rpm.define("mine own")
tell("define", rpm.expand("<%{mine}>"), rpm.isdefined and rpm.isdefined("mine"))
rpm.undefine("mine")
tell("undefine", rpm.expand("<%{?mine}>"))
tell("base64", rpm.b64encode("any text"), rpm.b64decode("YW55IHRleHQ="))
try("error", error, "on purpose", 0)
try("nil", function() return nothing.there end)
tell("string", ("%5.2f|%-5s|"):format(3.14159, "x"), ("a,b"):find(",", 1, true), #("x"):rep(100))
local file = io.open("/made/text", "w+")
file:write("one\n", 2, "\nthree")
file:seek("set", 0)
tell("read", file:read("l"), file:read("n"), file:read("a"))
file:close()
out:close()
"##;

fn lua_is_that_of_rpm() {
    let world = world([package("lua").lua("post", LUA)]);
    let log = same_as_rpm(&world, &["lua"], "lua-log");
    assert!(log.lines().count() > 50, "{log}");
}

fn what_scripts_do_is_there() {
    let before = "set -e\ntest ! -e /usr/share/demo\ntest -z \"$HOST_SECRET\"\necho before > /order\n";
    let after = "set -e\ntest -e /usr/share/demo\necho after >> order\n\
        echo \"$# $1 $0 $(pwd) $PATH $HOME $SOURCE_DATE_EPOCH $(env | wc -l)\" > /told\n\
        mkdir -p /var/lib/made; chmod 700 /var/lib/made; chown 33:44 /var/lib/made; chmod 4755 /usr/share/demo\n\
        echo x > /tmp/left; echo x > /run/left || mkdir /run; echo x > /dev/null; echo x > /var/log/left; echo id > /etc/machine-id\n";
    let after = after.replace("$(env | wc -l)", "$(env | cut -d= -f1 | sort | tr '\\n' ' ')");
    let demo = package("demo").file("usr/share/demo", "x", 0o644).dir("var/log", 0o755).dir("run", 0o755);
    let demo = demo.script("pre", before).script("post", &after).lua("posttrans", "posix.sleep(0)\n");
    let world = world([demo]);
    let world = World { forge: world.forge.env("HOST_SECRET", "secret") };
    world.ok(&["demo", "--report", "report.json"]);
    assert_eq!(outcomes(&world), ["demo %pre run", "demo %post run", "demo %posttrans run"]);
    assert_eq!(world.text("order"), "before\nafter\n");
    let told = world.text("told");
    assert!(told.starts_with("1 1 /var/tmp/rpm-tmp."), "{told}");
    assert!(
        told.contains(" / /sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin / 1700000000 HOME PATH PWD"),
        "{told}"
    );
    let listing = world.listing();
    for line in ["drwx------ 33/44 var/lib/made", "-rwsr-xr-x 0/0 usr/share/demo", "drwxrwxrwt 0/0 tmp"] {
        assert!(listing.iter().any(|other| other == line), "{line} is not in {listing:?}");
    }
    for left in ["left", "rpm-tmp", "dev/", "proc"] {
        assert!(!listing.iter().any(|line| line.contains(left)), "{left}: {listing:?}");
    }
    assert_eq!(world.text("etc/machine-id"), "");
    let scripts = scripts(&world);
    assert!(scripts.iter().all(|script| script["millis"].is_u64()), "{scripts:#?}");
    let changed = scripts[1]["changed"].to_string();
    assert!(changed.contains("/told") && changed.contains("/usr/share/demo"), "{changed}");
    assert!(!changed.contains("busybox"), "{changed}");
    let cleaned = world.report()["build"]["cleaned"].to_string();
    for path in ["/tmp/left", "/run/left", "/var/log/left", "/etc/machine-id"] {
        assert!(cleaned.contains(path), "{cleaned}");
    }
    assert_eq!(world.rpm("-V base").replace("demo", ""), "");
}

fn skipped_by_word() {
    let bad = package("bad")
        .lua("pretrans", "error('pretrans')\n")
        .script("pre", "exit 3\n")
        .script("post", "exit 4\n")
        .script("posttrans", "exit 5\n")
        .section("triggerin", "-- base", "exit 6\n")
        .section("triggerprein", "-- base", "exit 9\n")
        .section("triggerun", "-- base", "exit 10\n")
        .section("filetriggerin", "-- /usr", "exit 7\n")
        .section("transfiletriggerin", "-- /usr", "exit 8\n");
    let world = world([bad, package("good")]);
    world.ok(&["bad", "good", "--scripts", "skip", "--report", "report.json"]).says(&["were not run", "bad"]);
    let kinds = [
        "pretrans",
        "pre",
        "post",
        "posttrans",
        "triggerin",
        "triggerprein",
        "filetriggerin",
        "transfiletriggerin",
    ];
    assert_eq!(outcomes(&world), kinds.map(|kind| format!("bad %{kind} skipped")));
    assert_eq!(world.rpm("-V bad base"), "");
    assert!(world.rpm("-q --scripts bad").contains("exit 3"));
}

fn scripts_that_stop_all() {
    let speaking = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo line $i; done; echo what went wrong >&2\nexit 3\n";
    let world = world([
        package("bad").script("pre", speaking),
        package("killed").script("pre", "kill -9 $$\n"),
        package("early").lua("pretrans", "print('spoken')\nerror('too early')\n"),
        package("no-shell").script("pretrans", "exit 0\n"),
        package("odd").section("pre", "-p /usr/bin/perl", "print 'x'\n"),
        package("slow").script("post", "echo waiting\nsleep 1000 &\nsleep 1000\n"),
        package("slow-lua").lua("post", "print('waiting')\nwhile true do end\n"),
        package("wrong-lua").lua("pre", "assert(load('local = 1'))\n"),
    ]);
    for (name, says) in [
        ("bad", &["%pre(bad-1-1.noarch) scriptlet failed, exit status 3", "line 20", "what went wrong"][..]),
        ("killed", &["%pre(killed-1-1.noarch) scriptlet failed, signal 9"]),
        ("early", &["%pretrans(early-1-1.noarch) scriptlet failed, exit status 1", "spoken", "too early"]),
        (
            "no-shell",
            &["%pretrans(no-shell-1-1.noarch) scriptlet failed, exit status 127", "interpreter /bin/sh"],
        ),
        ("odd", &["%pre(odd-1-1.noarch) scriptlet failed, exit status 127", "interpreter /usr/bin/perl"]),
        ("wrong-lua", &["%pre(wrong-lua-1-1.noarch) scriptlet failed, exit status 1", "<name> expected"]),
    ] {
        world.refuses(10, &[name], says);
        world.forge.no_process_within(5);
    }
    for name in ["slow", "slow-lua"] {
        let title = format!("%post({name}-1-1.noarch) took longer than it may");
        world.refuses(10, &[name, "--script-timeout", "1"], &[&title, "waiting", "--script-timeout SECONDS"]);
        world.forge.no_process_within(5);
    }
    world.refuses(2, &["slow", "--script-timeout", "soon"], &["soon", "no number of seconds"]);
}

/// As with rpm, what fails behind the files is no reason to stop.
fn scripts_that_fail() {
    let fails = package("fails")
        .file("usr/share/fails", "x", 0o644)
        .script("post", "echo first\necho what went wrong >&2\nexit 3\n")
        .lua("posttrans", "error('on purpose')\n")
        .section("triggerin", "-p /usr/bin/perl -- base", "print 'x'\n")
        .section("filetriggerin", "-- /usr/share/fails", "exit 5\n")
        .section("transfiletriggerin", "-- /usr/share", "exit 6\n");
    let next = package("next").requires("fails").script("post", "echo next > /next\n");
    let world = world([fails, next]);
    world.ok(&["next", "--report", "report.json"]).says(&[
        "warning: %post(fails-1-1.noarch) scriptlet failed, exit status 3 (what went wrong)",
        "%posttrans(fails-1-1.noarch) scriptlet failed, exit status 1",
        "on purpose",
        "%triggerin(fails-1-1.noarch) scriptlet failed, exit status 127",
        "interpreter /usr/bin/perl",
        "%filetriggerin(fails-1-1.noarch) scriptlet failed, exit status 5",
        "%transfiletriggerin(fails-1-1.noarch) scriptlet failed, exit status 6",
    ]);
    assert_eq!(world.text("next"), "next\n");
    let ran = outcomes(&world);
    assert_eq!(ran.len(), 6, "{ran:#?}");
    let skipped: Vec<_> = ran.iter().filter(|line| line.ends_with(" skipped")).collect();
    assert_eq!(skipped, ["fails %triggerin skipped"], "{ran:#?}");
    assert_eq!(world.rpm("-Va"), "");
}

fn users_and_groups() {
    // "u declared 150 …", as rpmbuild from 4.19 on notes it, and a group without a number.
    let declared = package("declared")
        .provides(
            "user(declared) = dSBkZWNsYXJlZCAxNTAgIkEgdXNlciIgL3Nydg==, group(declared)"
                .replace("==", "AA")
                .as_str(),
        )
        .provides("group(shared) = ZyBzaGFyZWQgLQAA")
        .file("srv/declared", "x", 0o640)
        .owner("declared", "shared");
    let added = package("added")
        .script(
            "pre",
            "echo 'added:x:777:778:added:/:/bin/false' >> /etc/passwd\necho 'added:x:778:' >> /etc/group\n\
            echo \"added:!:$(($(date +%s) / 86400))::::::\" >> /etc/shadow\n",
        )
        .file("srv/added", "x", 0o2640)
        .owner("added", "added");
    let later = package("later").requires("added").file("srv/later", "x", 0o600).owner("added", "unknown");
    // "u lonely 160:nowhere"
    let lonely = Rpm::new("a-lonely", "1-1").provides("user(lonely) = dSBsb25lbHkgMTYwOm5vd2hlcmUA");
    let world = world([declared, added, later, lonely]);
    let output = world.ok(&["later", "declared", "a-lonely"]);
    let output = output.says(&["later-1-1.noarch has files of group unknown"]);
    assert_eq!(output.stderr.matches("user lonely cannot be added").count(), 1, "{}", output.stderr);
    let listing = world.listing();
    let owner = |path: &str| listing.iter().find(|line| line.ends_with(path)).unwrap().clone();
    assert!(owner("srv/declared").starts_with("-rw-r----- 150/"), "{listing:#?}");
    assert!(!owner("srv/declared").contains("150/0"), "{listing:#?}");
    assert_eq!(owner("srv/added"), "-rw-r-S--- 777/778 srv/added");
    assert_eq!(owner("srv/later"), "-rw------- 777/0 srv/later");
    // The day of the packages, in November 2023.
    let shadow = world.text("etc/shadow");
    assert!(shadow.contains("\nadded:!:19675::::::\n") && shadow.contains("root:*:19000:"), "{shadow}");
    assert!(shadow.contains("\ndeclared:!*:19675:"), "{shadow}");
    assert!(world.text("etc/passwd").contains("declared:x:150:"), "{}", world.text("etc/passwd"));
}

fn scripts_do_not_get_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let secret = format!("/var/tmp/ctr-forge-secret-{}", std::process::id());
    fs::write(&secret, "secret").unwrap();
    let script = format!(
        "exec 2> /errors\n\
         cat {secret} && echo read >> /escaped\n\
         cat /../../../..{secret} && echo climbed >> /escaped\n\
         cat /proc/1/root{secret} && echo through-proc >> /escaped\n\
         echo x | nc -w 1 127.0.0.1 {port} && echo spoke >> /escaped\n\
         mknod /disk b 8 0 && cat /disk | grep -q . && echo disk >> /escaped\n\
         echo x > /proc/sysrq-trigger && echo sysrq >> /escaped\n\
         touch /sys/kernel/x && echo sys >> /escaped\n\
         kill -0 {pid} && echo signal >> /escaped\n\
         rm -f /disk; exit 0\n",
        pid = std::process::id()
    );
    let lua = format!(
        "for _, path in ipairs({{'{secret}', '/proc/1/root{secret}', '/../..{secret}'}}) do\n\
           if io.open(path) then io.open('/escaped', 'a'):write('lua ' .. path .. '\\n'):close() end\nend\n"
    );
    let world = world([package("out").script("post", &script).lua("posttrans", &lua)]);
    for sandbox in ["mapped", "single"] {
        world.ok(&["out", "--sandbox", sandbox]);
        assert_eq!(world.file("escaped").map(String::from_utf8), None, "{sandbox}");
        assert!(world.file("errors").is_some());
        assert!(listener.accept().is_err(), "{sandbox}");
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    fs::remove_file(&secret).unwrap();
}
