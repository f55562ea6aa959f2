//! Scripts in the manner of real ones, in a temporary directory. Each begins by going there.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::*;

fn call(body: &str, numbers: &[usize]) -> Call {
    Call {
        name: "%post(x-1-1.noarch)".into(),
        words: vec!["<lua>".into()],
        numbers: numbers.to_vec(),
        macros: Macros::of("x86_64", "/usr/lib/sysimage/rpm"),
        ..Call::new("", body.as_bytes())
    }
}

/// Runs a script whose variable `root` is the directory.
fn run_in(root: &Path, body: &str) -> Result<(), String> {
    let body = format!("local root = {:?};{body}", root.to_str().unwrap());
    run(&call(&body, &[1]), body.as_bytes(), None)
}

fn check(body: &str) {
    let directory = tempfile::tempdir().unwrap();
    let ended = run_in(directory.path(), body);
    assert_eq!(ended, Ok(()), "{body}");
}

/// A root that is made anew: directories, and links where older ones had directories.
#[test]
fn a_script_of_filesystem_lays_out_the_root() {
    let directory = tempfile::tempdir().unwrap();
    run_in(
        directory.path(),
        r#"
        posix.umask("rwxr-xr-x")
        for _, path in ipairs({ "/usr", "/usr/bin", "/usr/lib", "/var", "/var/tmp" }) do
            posix.mkdir(root .. path)
        end
        for _, name in ipairs({ "bin", "lib" }) do
            posix.symlink("usr/" .. name, root .. "/" .. name)
        end
        posix.chmod(root .. "/var/tmp", "1777")
        local stat = posix.stat(root .. "/bin")
        if stat and stat.type == "link" and posix.readlink(root .. "/bin") == "usr/bin" then
            local file = io.open(root .. "/done", "w")
            file:write(tostring(stat.size))
        end
        return 0
        "#,
    )
    .unwrap();
    let at = |path: &str| directory.path().join(path);
    assert_eq!(fs::read_link(at("lib")).unwrap(), Path::new("usr/lib"));
    assert_eq!(fs::metadata(at("var/tmp")).unwrap().permissions().mode() & 0o7777, 0o1777);
    assert_eq!(fs::read_to_string(at("done")).unwrap(), "7.0");
}

/// What glibc does after its installation: old files go, programs are started if they are there.
#[test]
fn a_script_of_glibc_cleans_and_starts_programs() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| directory.path().join(path);
    fs::create_dir_all(at("lib64/tls")).unwrap();
    fs::write(at("lib64/libold.so.1"), "").unwrap();
    fs::write(at("lib64/libc.so.6"), "").unwrap();
    fs::write(at("ld.so.conf"), "# note\n").unwrap();
    run_in(
        directory.path(),
        r#"
        local libraries = root .. "/lib64"
        local remove = {}
        for name in posix.files(libraries) do
            if string.match(name, "^libold") then
                table.insert(remove, libraries .. "/" .. name)
            end
        end
        for _, path in ipairs(remove) do assert(os.remove(path)) end
        local function start(program, ...)
            if posix.access(program, "x") then
                local pid = posix.fork()
                if pid == 0 then
                    posix.redirect2null(2)
                    assert(posix.exec(program, ...))
                elseif pid > 0 then
                    return posix.wait(pid) == pid
                end
            end
        end
        assert(start("/bin/sh", "-c", "echo ran > \"$1\"; exit 3", "x", root .. "/ran"))
        assert(start("/nowhere/x") == nil)
        local lines = {}
        for line in io.lines(root .. "/ld.so.conf") do table.insert(lines, line) end
        local conf = assert(io.open(root .. "/ld.so.conf", "a"))
        conf:write("include ld.so.conf.d/*.conf\n")
        assert(#lines == 1)
        "#,
    )
    .unwrap();
    assert!(!at("lib64/libold.so.1").exists() && at("lib64/libc.so.6").exists());
    assert_eq!(fs::read_to_string(at("ran")).unwrap(), "ran\n");
    assert_eq!(fs::read_to_string(at("ld.so.conf")).unwrap(), "# note\ninclude ld.so.conf.d/*.conf\n");
}

/// A release package that links one of several files into its place.
#[test]
fn a_script_of_a_release_package_chooses_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| directory.path().join(path);
    fs::write(at("os-release-server"), "VARIANT=Server\n").unwrap();
    fs::write(at("os-release"), "VARIANT=\n").unwrap();
    symlink("os-release", at("old")).unwrap();
    run_in(
        directory.path(),
        r#"
        local function select(variant)
            local target = root .. "/os-release-" .. variant
            if not posix.access(target, "r") then return nil end
            local link = root .. "/old"
            if posix.stat(link, "type") == "link" then posix.unlink(link) end
            return posix.symlink("os-release-" .. variant, link)
        end
        assert(select("cloud") == nil)
        assert(select("server") == 0)
        if posix.stat(root .. "/none") ~= nil then error("there is nothing") end
        local _, why, number = posix.stat(root .. "/none")
        assert(why == root .. "/none: No such file or directory" and number == 2)
        local text, errno = posix.errno()
        assert(text == "No such file or directory" and errno == 2)
        "#,
    )
    .unwrap();
    assert_eq!(fs::read_to_string(at("old")).unwrap(), "VARIANT=Server\n");
}

#[test]
fn arguments_are_one_off_and_numbers() {
    let body =
        "assert(arg[1] == '<lua>' and arg[2] == 1 and arg[3] == 2 and arg[4] == nil and next(opt) == nil)";
    assert_eq!(run(&call(body, &[1, 2]), body.as_bytes(), None), Ok(()));
    let body = "assert(RPM_INSTALL_PREFIX[1] == '/opt' and rpm.next_file == nil)";
    let with_prefix = Call { prefixes: vec!["/opt".into()], ..call(body, &[1]) };
    assert_eq!(run(&with_prefix, body.as_bytes(), None), Ok(()));
}

#[test]
fn file_triggers_get_their_paths() {
    let directory = tempfile::tempdir().unwrap();
    let body = format!(
        "local f = io.open('{}', 'w'); local p = rpm.next_file()
         while p do f:write(p, '|'); p = rpm.next_line() end",
        directory.path().join("list").display()
    );
    let paths = Cursor::new(b"/usr/lib/a\n/usr/lib/\xff\n/b".to_vec());
    assert_eq!(run(&call(&body, &[1]), body.as_bytes(), Some(Box::new(paths))), Ok(()));
    assert_eq!(fs::read(directory.path().join("list")).unwrap(), b"/usr/lib/a|/usr/lib/\xff|/b|");
}

#[test]
fn failures_say_where_and_why() {
    let why = |body: &str| run(&call(body, &[1]), body.as_bytes(), None).unwrap_err();
    let place = "[string \"%post(x-1-1.noarch)\"]";
    assert_eq!(why("\n\nerror('boom')"), format!("{place}:3: boom"));
    assert_eq!(why("\nos.exit(0)"), format!("{place}:2: exit not permitted in this context"));
    assert_eq!(why("posix.exec('/bin/true')"), format!("{place}:1: exec not permitted in this context"));
    assert!(why("x = = 1").starts_with(&format!("{place}:1: unexpected symbol")), "{}", why("x = = 1"));
    assert_eq!(
        why("\nnothing.here()"),
        format!("{place}:2: attempt to index a nil value (global 'nothing')")
    );
    assert!(why("posix.mkdir()").contains("string expected, got nil"), "{}", why("posix.mkdir()"));
    assert!(why("assert(posix.mkdir('/no/where'))").contains("/no/where: No such file or directory"));
    assert!(
        why("local t = {} while true do t[#t + 1] = string.rep('x', 1 << 20) .. #t end").contains("memory")
    );
}

#[test]
fn copies_of_the_process_do_not_go_on() {
    check(
        r#"
        local pid = posix.fork()
        if pid == 0 then
            local f = io.open(root .. "/child", "w")
            f:write("written")
            os.exit(4)
        end
        assert(posix.wait(pid) == pid)
        assert(io.open(root .. "/child"):read("a") == "written")
        "#,
    );
    // One that neither becomes another program nor ends is ended.
    check(
        r#"
        local pid = posix.fork()
        if pid > 0 then
            assert(posix.wait(pid) == pid)
            io.open(root .. "/parent", "w")
        end
        "#,
    );
    // The environment is changed in a copy, which has one thread.
    check(
        r#"
        local pid = posix.fork()
        if pid == 0 then
            posix.setenv("CTR_FORGE_A", "1")
            posix.setenv("CTR_FORGE_A", "2", false)
            posix.putenv("CTR_FORGE_B=3")
            local seen = os.getenv("CTR_FORGE_A") .. posix.getenv("CTR_FORGE_B")
            posix.unsetenv("CTR_FORGE_A")
            local _, _, code = rpm.execute("/bin/sh", "-c", "exit ${CTR_FORGE_A-5}$CTR_FORGE_B")
            if seen == "13" and code == 53 and posix.setenv("", "x") == nil then
                io.open(root .. "/well", "w"):close()
            end
            os.exit()
        end
        posix.wait(pid)
        assert(posix.access(root .. "/well"))
        "#,
    );
}

#[test]
fn programs_are_started_and_waited_for() {
    check(
        r#"
        assert(rpm.execute("/bin/sh", "-c", "exit 0") == 0)
        local ok, why, code = rpm.execute("sh", "-c", "exit 3")
        assert(ok == nil and why == "exit code" and code == 3)
        ok, why, code = rpm.execute("/no/where")
        assert(ok == nil and why == "No such file or directory" and code == 2)
        ok, why, code = rpm.spawn({ "sh", "-c", "kill -9 $$" })
        assert(ok == nil and why == "exit signal" and code == 9)
        local out = root .. "/out"
        assert(rpm.spawn({ "sh", "-c", "cat; echo b >&2" }, { stdin = "/dev/null", stdout = out, stderr = out }) == 0)
        assert(io.open(out):read("a") == "b\n")
        assert(not pcall(rpm.spawn, {}) and not pcall(rpm.spawn, { "true" }, { other = "x" }))
        assert(os.execute("exit 2") == nil and io.popen("echo hi"):read("l") == "hi")
        "#,
    );
}

#[test]
fn files_are_made_changed_and_described() {
    check(
        r#"
        local file = root .. "/f"
        local f = rpm.open(file, "w"); assert(f:write("hello") == 5); f:close()
        f = rpm.open(file); assert(f:seek("set", 1) == 1 and f:read(2) == "el" and f:read() == "lo"); f:close()
        assert(not pcall(rpm.open, root .. "/none"))
        assert(posix.chmod(file, 640) == 0 and posix.stat(file, "mode") == "rw-r-----")
        assert(posix.chmod(file, "u+x") == 0 and posix.stat(file).mode == "rwxr-----")
        assert(not pcall(posix.chmod, file, "what"))
        assert(posix.link(file, root .. "/g") == 0 and posix.stat(file, "nlink") == 2)
        assert(posix.mkfifo(root .. "/p") == 0 and posix.stat(root .. "/p", "type") == "fifo")
        assert(posix.utime(file, 5, 6) == 0 and posix.stat(file, "mtime") == 5 and posix.stat(file, "atime") == 6)
        assert(posix.rmdir(root .. "/g") == nil and posix.unlink(root .. "/g") == 0)
        local names = posix.dir(root)
        assert(#names == 4 and names[1] == "." and names[3] == "f" and names[4] == "p")
        assert(select(2, posix.dir(root .. "/none")) == root .. "/none: No such file or directory")
        local path, temporary = posix.mkstemp(root .. "/tXXXXXX")
        temporary:write("x"); temporary:close()
        assert(posix.stat(path, "size") == 1 and posix.stat(path, "mode") == "rw-------")
        assert(posix.chown(file, posix.getprocessid("uid"), posix.getprocessid("gid")) == 0)
        assert(not pcall(posix.stat, file, "colour") and not pcall(posix.access, file, "z"))
        assert(not pcall(posix.access, "a\0b"))
        "#,
    );
}

#[test]
fn people_are_those_of_the_root() {
    check(
        r#"
        local root_user = posix.getpasswd("root")
        assert(root_user.uid == 0 and root_user.name == "root" and posix.getpasswd(0, "gid") == 0)
        assert(posix.getpasswd("nobody-is-called-so") == nil and posix.getgroup("nobody-is-called-so") == nil)
        assert(posix.getgroup(0).name == "root" and posix.getgroup("root").gid == 0)
        assert(posix.getprocessid().pid == posix.getprocessid("pid"))
        assert(posix.getlogin() == nil and posix.ttyname() == nil)
        assert(posix.uname("%s") == "Linux" and posix.sysconf("version") == 200809)
        assert(posix.pathconf("/", "name_max") == 255 and posix.times("utime") >= 0)
        "#,
    );
}

#[test]
fn macros_and_versions_are_rpms() {
    check(
        r#"
        assert(rpm.expand("%{_libdir}/x %{unknown}") == "/usr/lib64/x %{unknown}")
        rpm.define("mine 1%{_lib}"); assert(rpm.expand("%mine") == "1lib64" and macros.mine == "1lib64")
        macros.other = "2"; assert(rpm.isdefined("other") and macros.none == nil)
        rpm.undefine("other"); assert(not rpm.isdefined("other") and not pcall(rpm.define, "x"))
        assert(rpm.vercmp("1:1-1", "2-1") == 1 and rpm.vercmp("1~rc", "1") == -1 and rpm.vercmp("1", "1") == 0)
        assert(not pcall(rpm.vercmp, "", "1"))
        local a, b = rpm.ver("5:1.0-2"), rpm.ver(3, "5a", 1)
        assert(b < a and a > b and a == rpm.ver("5:1.0-2") and a <= a and tostring(a) == "5:1.0-2" and a.v == "1.0")
        assert(rpm.b64encode("hello") == "aGVsbG8=\n" and rpm.b64decode("aGVs\nbG8") == "hello")
        assert(rpm.b64decode("!") == nil and rpm.b64encode("hello", 0) == "aGVsbG8=")
        local words = rpm.splitargs("a  b\tc"); assert(#words == 3 and rpm.unsplitargs(words) == "a b c")
        assert(#rpm.splitargs(rpm.unsplitargs({ "a b", "" })) == 2)
        assert(rpm.glob(root .. "/*")[1] == root .. "/*")
        "#,
    );
}

#[test]
fn an_answer_comes_from_a_call_as_it_travels() {
    let mut call = call("", &[1]);
    call.body = STANDARD.encode("error('x', 0)");
    let answer = inside(serde_json::to_value(&call).unwrap()).unwrap();
    assert_eq!(answer, serde_json::json!({ "failure": "x" }));
    call.body = String::new();
    assert_eq!(inside(serde_json::to_value(&call).unwrap()).unwrap(), serde_json::json!({ "failure": null }));
    inside(serde_json::json!({ "body": "%" })).unwrap_err();
}

#[test]
fn owners_can_be_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("f"), "").unwrap();
    let uid = fs::metadata(directory.path()).unwrap().uid();
    // Somebody whom nobody knows leaves the owner as it is.
    run_in(directory.path(), "assert(posix.chown(root .. '/f', 'nobody-is-called-so') == 0)").unwrap();
    assert_eq!(fs::metadata(directory.path().join("f")).unwrap().uid(), uid);
}
