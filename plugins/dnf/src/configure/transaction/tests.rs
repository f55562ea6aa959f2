//! The order beside a record of the real rpm 4.18: three packages that set each other off, whose
//! scripts wrote what ran, with what arguments and paths.

use std::fmt::Write;

use super::*;
use crate::configure::triggers::{Condition, Triggers};

const PREIN: u64 = 1 << 25;
const IN: u64 = 1 << 16;

fn script() -> Option<Script> {
    Some(Script::new(Vec::new(), Some(Vec::new()), 0))
}

fn triggers(conditions: &[(&str, u64, &str, usize)]) -> Triggers {
    let conditions = conditions.iter().map(|&(name, flags, evr, script)| Condition {
        name: name.into(),
        flags,
        evr: evr.into(),
        script,
    });
    Triggers { conditions: conditions.collect(), scripts: vec![Script::default(); 9] }
}

fn file_triggers(triggers: &[(u32, &[&str])]) -> FileTriggers {
    let triggers = triggers.iter().map(|&(priority, prefixes)| FileTrigger {
        prefixes: prefixes.iter().map(|prefix| prefix.as_bytes().to_vec()).collect(),
        priority,
        script: Script::default(),
    });
    FileTriggers(triggers.collect())
}

fn package(name: &str, files: &[&str]) -> Package {
    let directory = |path: &&str| path.as_bytes()[..=path.rfind('/').unwrap()].to_vec();
    Package {
        name: name.into(),
        provides: vec![Provide { flags: evr::EQUAL, evr: "1-1".into() }],
        files: files.iter().map(|path| path.as_bytes().to_vec()).collect(),
        directories: files.iter().map(directory).collect::<BTreeSet<_>>().into_iter().collect(),
        rpm: "4.18.0".into(),
        ..Package::default()
    }
}

fn packages() -> [Package; 3] {
    let mut a = package(
        "a",
        &["/dat", "/dat/z", "/data", "/data/top", "/data/x", "/data/x/1", "/data/x/g", "/etc/a"],
    );
    a.scriptlets = Scriptlets {
        pretrans: script(),
        pre: script(),
        post: script(),
        posttrans: script(),
        triggers: triggers(&[
            ("b", PREIN, "", 0),
            ("b", IN, "", 1),
            ("b", IN | 12, "1", 2),
            ("a", IN, "", 3),
            ("b", IN | 2, "1", 4),
            ("b", IN, "", 5),
            ("c", IN, "", 5),
        ]),
        file_triggers: file_triggers(&[
            (20000, &["/data"]),
            (100, &["/data", "/data/x"]),
            (1_000_000, &["/dat"]),
        ]),
        transaction_file_triggers: file_triggers(&[
            (5, &["/data"]),
            (50, &["/data/top", "/data/x", "/etc/b", "/nowhere"]),
            (1_000_000, &["/etc"]),
        ]),
    };
    let mut b = package("b", &["/data/x/b1", "/data/xy", "/etc/b"]);
    b.scriptlets = Scriptlets {
        pretrans: script(),
        pre: script(),
        post: script(),
        posttrans: script(),
        triggers: triggers(&[
            ("a", PREIN, "", 0),
            ("a", IN, "", 1),
            ("a", IN, "", 2),
            ("c", IN, "", 2),
            ("b", IN, "", 4),
        ]),
        file_triggers: file_triggers(&[(1_000_000, &["/data"])]),
        transaction_file_triggers: FileTriggers::default(),
    };
    let mut c = package("c", &["/data/c"]);
    c.scriptlets = Scriptlets {
        pre: script(),
        post: script(),
        triggers: triggers(&[("a", IN, "", 0), ("d", IN, "", 1)]),
        file_triggers: file_triggers(&[(1_000_000, &["/data/c"])]),
        ..Scriptlets::default()
    };
    [a, b, c]
}

/// The steps as a text. Packages are called `a`, `b`, `c`.
fn log(packages: &[Package]) -> String {
    let mut log = String::new();
    let mut transaction = Transaction::new(packages);
    while let Some(step) = transaction.next() {
        let name = |place: usize| packages[place].name.clone();
        let line = match &step {
            Step::Users(package) => format!("{} users", name(*package)),
            Step::Unpack(package) => format!("{} unpack", name(*package)),
            Step::Script { package, slot, argument } => {
                format!("{} {} {argument}", name(*package), slot.name())
            }
            Step::Trigger { owner, by, script, moment, arguments } => {
                format!("{} {} {} #{script} {arguments:?}", name(*owner), moment.name(), name(*by))
            }
            Step::FileTrigger { owner, trigger, transaction: whole, among, arguments } => {
                let scriptlets = &packages[*owner].scriptlets;
                let list =
                    if *whole { &scriptlets.transaction_file_triggers } else { &scriptlets.file_triggers };
                let paths = transaction.paths(&list.0[*trigger], among);
                let paths: Vec<_> = paths.map(|path| std::str::from_utf8(path).unwrap()).collect();
                let kind = if *whole { "transfile" } else { "file" };
                format!("{} {kind} #{trigger} {arguments:?} {}", name(*owner), paths.join(" "))
            }
        };
        writeln!(log, "{line}").unwrap();
    }
    log
}

const RECORD: &str = "\
a pretrans 1
b pretrans 1
a users
a pre 1
a unpack
a file #2 [0] /dat /dat/z /data /data/top /data/x /data/x/1 /data/x/g
a file #0 [0] /data /data/top /data/x /data/x/1 /data/x/g
a post 1
a triggerin a #3 [1, 1]
a triggerin a #3 [1, 1]
a file #1 [0] /data /data/top /data/x /data/x/1 /data/x/g /data/x /data/x/1 /data/x/g
b users
a triggerprein b #0 [1, 0]
b triggerprein a #0 [0, 1]
b pre 1
b unpack
a file #2 [0] /data/x/b1 /data/xy
b file #0 [0] /data/x/b1 /data/xy
a file #0 [0] /data/x/b1 /data/xy
b file #0 [0] /data /data/top /data/x /data/x/1 /data/x/g
b post 1
a triggerin b #1 [1, 1]
b triggerin b #4 [1, 1]
b triggerin a #1 [1, 1]
b triggerin b #4 [1, 1]
a file #1 [0] /data/x/b1 /data/xy /data/x/b1 /data/xy
c users
c pre 1
c unpack
a file #2 [0] /data/c
b file #0 [0] /data/c
c file #0 [0] /data/c
a file #0 [0] /data/c
c post 1
a triggerin c #5 [1, 1]
b triggerin c #2 [1, 1]
c triggerin a #0 [1, 1]
a file #1 [0] /data/c
a posttrans 1
b posttrans 1
a transfile #2 [0] /etc/a /etc/b
a transfile #1 [0] /data/x /data/x/1 /data/x/g /data/x/b1 /data/xy
a transfile #0 [0] /data /data/top /data/x /data/x/1 /data/x/g /data/x/b1 /data/xy /data/c
";

#[test]
fn the_order_is_that_of_the_real_rpm() {
    let log = log(&packages());
    for (number, (ours, theirs)) in log.lines().zip(RECORD.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {number}");
    }
    assert_eq!(log, RECORD);
}

#[test]
fn newer_packages_get_numbers_for_file_triggers() {
    let mut packages = packages();
    packages[1].rpm = "4.20.1".into();
    let log = log(&packages);
    assert!(log.contains("b file #0 [1, 1] /data/x/b1"), "{log}");
    assert!(log.contains("a file #2 [0] /data/x/b1"), "{log}");
}

#[test]
fn packages_of_one_name_are_counted() {
    let packages = [package("lib", &[]), package("lib", &[])].map(|mut package| {
        package.scriptlets = Scriptlets { post: script(), posttrans: script(), ..Scriptlets::default() };
        package
    });
    let log: Vec<_> = log(&packages).lines().map(str::to_owned).collect();
    let scripts: Vec<_> = log.iter().filter(|line| line.contains(" post")).collect();
    assert_eq!(scripts, ["lib post 1", "lib post 2", "lib posttrans 2", "lib posttrans 2"]);
}

#[test]
fn nothing_is_done_for_no_packages() {
    assert_eq!(log(&[]), "");
}

#[test]
fn what_another_has_brought_sets_off_nothing_for_the_next() {
    let trigger = FileTrigger { prefixes: vec![b"/d".to_vec()], ..FileTrigger::default() };
    let package = Package {
        files: [&b"/d"[..], b"/d/own"].map(<[u8]>::to_vec).to_vec(),
        shared: [0].into(),
        directories: vec![b"/".to_vec(), b"/d/".to_vec()],
        ..Package::default()
    };
    let packages = [package];
    let transaction = Transaction::new(&packages);
    let paths = |among| transaction.paths(&trigger, &among).collect::<Vec<_>>();
    assert_eq!(paths(Among::Package(0)), [&b"/d/own"[..]]);
    assert_eq!(paths(Among::Database(0..1)), [&b"/d"[..], b"/d/own"]);
}
