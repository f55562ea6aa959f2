//! What programs see, and what becomes of what they do.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use ctr_forge_plugin::message::InsideRequest;
use ctr_forge_plugin::sandbox::{Cover, RunParams, Rung};
use ctr_forge_plugin::{FileRef, Role};
use ctr_forge_rootfs::Kind;

use crate::support::{IN_MEMORY, World, device, shell, temporary};

type Test = (&'static str, fn(Rung));

pub(crate) const TESTS: &[Test] = &[
    ("what_a_program_does_is_in_the_root", what_a_program_does_is_in_the_root),
    ("owners_are_those_that_were_meant", owners_are_those_that_were_meant),
    ("devices_of_packages_come_out_as_devices", devices_of_packages_come_out_as_devices),
    ("a_program_sees_a_machine_of_its_own", a_program_sees_a_machine_of_its_own),
    ("nothing_outlives_its_program", nothing_outlives_its_program),
    ("outcomes_are_told", outcomes_are_told),
    ("covers_are_seen_by_the_program_alone", covers_are_seen_by_the_program_alone),
    ("a_plugins_method_is_called_in_the_root", a_plugins_method_is_called_in_the_root),
    ("descriptors_are_where_they_are_expected", descriptors_are_where_they_are_expected),
    ("links_do_not_lead_out", links_do_not_lead_out),
    ("nothing_is_left", nothing_is_left),
    ("the_root_is_where_it_belongs", the_root_is_where_it_belongs),
    ("what_changed_is_told", what_changed_is_told),
];

fn what_a_program_does_is_in_the_root(rung: Rung) {
    let mut world = World::new(rung);
    world.sh("mkdir -p a/b; echo hi > a/b/c; chmod 4750 a/b/c");
    let entries = world.export();
    let (entry, content) = &entries["a/b/c"];
    assert_eq!((entry.mode, &content[..]), (0o4750, &b"hi\n"[..]));
    assert!(!entries.contains_key("proc") && !entries.contains_key("dev"), "only the program saw them");
}

fn owners_are_those_that_were_meant(rung: Rung) {
    let mut world = World::new(rung);
    assert_eq!(world.sh("stat -c '%u:%g %a' etc/shadow"), "0:42 640\n");
    world.sh("touch f; chown 1000:65534 f; mkdir d; chown 7 d; stat -c %u f d");
    let entries = world.export();
    for (name, owner) in [("etc/shadow", (0, 42)), ("f", (1000, 65534)), ("d", (7, 0)), ("bin/sh", (0, 0))] {
        assert_eq!((entries[name].0.uid, entries[name].0.gid), owner, "{name}");
    }
}

fn devices_of_packages_come_out_as_devices(rung: Rung) {
    let mut world = World::new(rung);
    world.apply(vec![device("lib/null")]);
    let entries = world.export();
    let (entry, _) = &entries["lib/null"];
    assert!(matches!(entry.kind, Kind::CharDevice(number) if (number.major, number.minor) == (1, 3)));
    assert_eq!((entry.uid, entry.gid, entry.mode), (0, 5, 0o620));
}

fn a_program_sees_a_machine_of_its_own(rung: Rung) {
    let mut world = World::new(rung);
    assert_eq!(
        world.sh("id -u; cat /proc/sys/kernel/hostname; echo x > /dev/null; ls /dev/fd/0 > /dev/null"),
        "0\nlocalhost\n"
    );
    let pids = world.sh("ls /proc");
    assert!(pids.lines().filter(|name| name.parse::<u32>().is_ok()).count() <= 4, "{pids}");
    assert!(!world.sh_any("echo x > /proc/sys/kernel/hostname").is_success() || rung != Rung::Mapped);
    assert!(!world.sh_any("echo 1 > /sys/power/state").is_success());
    assert_eq!(world.sh("cat /proc/net/dev | grep -c :").trim(), "1", "no network but its own");
    assert_eq!(world.sh("echo $HOME-$USER-$FOO"), "--\n");
    world.sh("test -e /dev/stdin; /bin/busybox ln -s /proc/self/fd/1 out; stat out; stat -L /dev/stdout; test ! -e /none");
    // Files that a script leaves in /dev are gone with it.
    world.sh("echo x > /dev/left");
    assert!(!world.sh_any("ls /dev/left").is_success());
}

fn nothing_outlives_its_program(rung: Rung) {
    let mut world = World::new(rung);
    let began = std::time::Instant::now();
    world.sh("(sleep 98765 &) ; (sleep 98765 > /dev/null 2>&1 &)");
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(!processes().iter().any(|words| words.contains("98765")), "a daemon lives");
}

fn processes() -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok()).collect()
}

fn outcomes_are_told(rung: Rung) {
    let mut world = World::new(rung);
    let outcome = world.sh_any("echo out; echo err >&2; exit 3");
    assert_eq!((outcome.code, outcome.output.as_str()), (Some(3), "out\nerr\n"));
    let outcome = world.sh_any("kill -9 $$");
    assert_eq!((outcome.code, outcome.signal), (None, Some(9)));
    let outcome = world.run_with(RunParams { timeout: Some(1), ..shell("echo a; sleep 1000") });
    assert!(outcome.timed_out && outcome.output == "a\n", "{outcome:?}");
    let params = RunParams { argv: vec!["/bin/none".to_owned()], ..RunParams::default() };
    let error = world.sandbox().run(params, Vec::new(), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("cannot run /bin/none in the root"), "{error}");
    let mut lines = Vec::new();
    world.sandbox().run(shell("echo a; echo b; printf c"), Vec::new(), &mut |line| lines.push(line)).unwrap();
    assert_eq!(lines, ["a", "b", "c"]);
    // The end of a long output is kept.
    let outcome = world.sh_any("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done");
    assert!(outcome.output.len() <= 64 << 10 && outcome.output.ends_with("line 19999\n"));
}

fn covers_are_seen_by_the_program_alone(rung: Rung) {
    let mut world = World::new(rung);
    world.sh("mkdir sbin; echo old > sbin/there");
    let covers = [
        ("/sbin/there", "#!/bin/sh\necho covered\n"),
        ("/sbin/new", "#!/bin/sh\nexit 101\n"),
        ("/no/x", "y"),
    ];
    let covers: BTreeMap<_, _> =
        covers.iter().map(|(a, b)| ((*a).to_owned(), Cover::Text((*b).to_owned()))).collect();
    let script = "/sbin/there; /sbin/new || echo $?; ls /no 2> /dev/null || echo none; \
                  rm -f /sbin/there 2> /dev/null || echo stays";
    let outcome = world.run_with(RunParams { covers, ..shell(script) });
    assert_eq!(outcome.output, "covered\n101\nnone\nstays\n");
    assert_eq!(world.sh("cat sbin/there; ls sbin"), "old\nthere\n");
}

fn a_plugins_method_is_called_in_the_root(rung: Rung) {
    let mut world = World::new(rung);
    let mut call = |name: &str| {
        let inside = InsideRequest {
            role: Role::Source,
            component: "x".into(),
            name: name.into(),
            params: serde_json::Value::Null,
        };
        let env = BTreeMap::from([("HOME".to_owned(), "/".to_owned())]);
        let params = RunParams { inside: Some(inside), env, ..RunParams::default() };
        world.sandbox().call(params, "text".into(), Vec::new(), &mut |_| ())
    };
    let outcome = call("write").unwrap();
    assert_eq!(outcome.answer, Some(serde_json::json!({ "wrote": "text", "uid": 0 })));
    assert_eq!((outcome.code, outcome.output.as_str()), (Some(0), "writing\n"));
    assert_eq!(call("environment").unwrap().answer, Some(serde_json::json!({ "HOME": "/" })));
    assert!(call("other").unwrap_err().to_string().contains("no other"));
    let outcome = call("abort").unwrap();
    assert_eq!((outcome.answer, outcome.signal), (None, Some(6)));
    let (entry, content) = &world.export()["etc/from-inside"];
    assert_eq!((entry.uid, entry.gid, &content[..]), (7, 8, &b"text"[..]));
}

fn descriptors_are_where_they_are_expected(rung: Rung) {
    let mut world = World::new(rung);
    let files = BTreeMap::from([(3, FileRef { fd: 1 }), (9, FileRef { fd: 0 })]);
    let params = RunParams { files, ..shell("cat <&3; cat <&9; ls /proc/self/fd") };
    let given = vec![temporary(b"nine\n"), temporary(b"three\n")];
    let outcome = world.sandbox().run(params, given, &mut |_| ()).unwrap();
    // ls has one for the directory, which takes the lowest number that is free.
    assert_eq!(outcome.output, "three\nnine\n0\n1\n2\n3\n4\n9\n");
    let input = |number| RunParams { files: BTreeMap::from([(number, FileRef { fd: 0 })]), ..shell("cat") };
    let mut run = |params| world.sandbox().run(params, vec![temporary(b"/usr/lib/a\n")], &mut |_| ());
    assert_eq!(run(input(0)).unwrap().output, "/usr/lib/a\n");
    assert_eq!(run(RunParams { files: BTreeMap::new(), ..input(0) }).unwrap().output, "");
    run(input(1)).unwrap_err();
}

fn links_do_not_lead_out(rung: Rung) {
    let mut world = World::new(rung);
    let outside = world.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "x").unwrap();
    let outside = outside.to_str().unwrap().to_owned();
    world.sh(&format!("/bin/busybox ln -s {outside} out; /bin/busybox ln -s /proc/1/root up; /bin/busybox ln -s ../../../../../etc rel"));
    assert!(world.sandbox().read("/out/secret".into()).unwrap().is_none());
    assert!(world.sandbox().list("/out".into()).unwrap().is_none());
    assert_eq!(world.sandbox().list("/rel".into()).unwrap().unwrap(), ["shadow"]);
    world.sandbox().remove(vec!["/out/secret".into(), "/nowhere/x".into()]).unwrap();
    assert!(fs::exists(format!("{outside}/secret")).unwrap());
    world.sandbox().remove(vec!["/rel".into(), "/bin/../etc".into()]).unwrap_err();
    assert!(world.sandbox().list("/etc".into()).unwrap().is_some());
}

fn nothing_is_left(rung: Rung) {
    let mut world = World::new(rung);
    world.sh("mkdir -p a/b/c; touch a/b/c/d; chown 5:5 a/b/c/d a/b; chmod 0 a/b a");
    let count = |world: &World| fs::read_dir(world.directory.path()).unwrap().count();
    assert_eq!(count(&world), 1);
    drop(world.sandbox.take().unwrap().begin_to_end());
    assert_eq!(count(&world), 0);
    // Nor of one that is abandoned.
    let mut world = World::new(rung);
    world.sh("mkdir a; touch a/b; chown 5:5 a a/b; chmod 0 a");
    world.sandbox = None;
    assert_eq!(count(&world), 0);
}

fn what_changed_is_told(rung: Rung) {
    let mut world = World::new(rung);
    let began = world.sh_any("echo x >> etc/shadow; mkdir d; touch d/e").began;
    let changes = world.sandbox().changes(began).unwrap();
    let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["/d/e", "/etc/shadow"]);
}

fn the_root_is_where_it_belongs(rung: Rung) {
    let world = World::new(rung);
    let build = fs::read_dir(world.directory.path()).unwrap().next().unwrap().unwrap();
    let on_disk = fs::read_dir(build.path().join("root")).unwrap().count();
    assert_eq!(on_disk == 0, IN_MEMORY.get());
}
