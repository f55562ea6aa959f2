//! What an entry of a tree costs in memory. Alone in its process, so that
//! nothing else allocates.

use std::fs;
use std::io;

use ctr_forge_rootfs::{Attributes, Duplicates, Entry, Kind, RootPath, Tree, TreeError, Walk, walk};

/// Enough that fixed costs do not count, few enough for an unoptimised build.
const ENTRIES: u64 = 10_000;

#[test]
fn an_entry_costs_at_most_300_bytes() {
    let resident = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    // 47 bytes, as long as a path in a Debian system is on average.
    let entry = |number: u64| {
        let name = format!("usr/share/{:03}/some-package/locale/{number:012}", number / 1000);
        let path = RootPath::new(name.as_bytes()).unwrap();
        let package = Some("some-package".into());
        Entry { package, ..Entry::new(path, Kind::File { size: 1 }, 0o644) }
    };
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("twenty-bytes-of-name"), "x").unwrap();
    let options = Walk { attributes: Attributes::Plain { mtime: 0 }, one_file_system: false };
    let mut host_file = None;
    walk(directory.path(), &options, &mut |_, file| {
        host_file = file.map(|file| file.into_source());
        Ok::<_, TreeError>(())
    })
    .unwrap();

    let mut tree = Tree::new_in(directory.path(), Duplicates::Refuse).unwrap();
    tree.insert(entry(0), &mut &b"x"[..]).unwrap();
    let before = resident();
    (1..ENTRIES).for_each(|number| tree.insert(entry(number), &mut io::repeat(b'x')).unwrap());
    let spooled = (resident() - before) / ENTRIES;

    let mut tree_of_host = Tree::new_in(directory.path(), Duplicates::Refuse).unwrap();
    let before = resident();
    for number in 0..ENTRIES {
        tree_of_host.insert_host_file(entry(number), host_file.clone().unwrap()).unwrap();
    }
    let on_host = (resident() - before) / ENTRIES;
    println!("in the spool {spooled} bytes for each entry, on the host {on_host}");
    assert!(spooled <= 300 && on_host <= 300, "spooled: {spooled}, on the host: {on_host}");
    assert_eq!(tree.len(), tree_of_host.len());
}
