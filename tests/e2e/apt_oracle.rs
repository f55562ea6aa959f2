//! The resolver chooses what apt chooses: requests drawn at random, over the real archive.
//!
//! apt works with a configuration, lists and an empty package database of its own, so what it
//! says depends on nothing of this machine but the mirror. In the library, not through the
//! binary: the index is read once for all requests.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use ctr_forge_source_debootstrap::package::{self, Package};
use ctr_forge_source_debootstrap::resolve::{Request, Want, resolve};
use ctr_forge_tests::{Forge, Need, Test, debian};

/// How many requests are drawn.
const REQUESTS: usize = 200;
/// Most packages of one request.
const MOST: usize = 4;

pub(crate) const TESTS: &[Test] = &[Test {
    name: "apt_oracle::the_choice_is_that_of_apt",
    needs: &[Need::Mirror, Need::Tool("apt-get")],
    run: the_choice_is_that_of_apt,
}];

fn the_choice_is_that_of_apt() {
    let forge = Forge::new();
    let index = index(&forge);
    let packages = package::parse(&index, 0, |arch| ["amd64", "all"].contains(&arch)).unwrap();
    assert!(packages.len() > 50_000, "{} packages", packages.len());
    let essential: Vec<&str> =
        packages.iter().filter(|package| package.essential).map(|package| package.name).collect();
    let mut random = Random(1);
    let (mut alike, mut refused, mut differences) = (0, 0, String::new());
    for number in 0..REQUESTS {
        let count = 1 + random.below(MOST);
        let mut words: Vec<&str> = (0..count).map(|_| packages[random.below(packages.len())].name).collect();
        if number % 2 == 0 {
            words.extend(&essential);
        }
        match (apt(&forge, &words), ours(&packages, &words)) {
            (Some(theirs), Ok(ours)) if theirs == ours => alike += 1,
            (Some(theirs), Ok(ours)) => {
                let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| format!("{:?}", a.difference(b));
                let (apt, we) = (only(&theirs, &ours), only(&ours, &theirs));
                writeln!(differences, "{words:?}: only apt {apt}, only we {we}").unwrap();
            }
            (Some(_), Err(error)) => writeln!(differences, "{words:?}: we refuse: {error}").unwrap(),
            // Where apt gives up we may find a way.
            (None, _) => refused += 1,
        }
    }
    assert!(
        differences.is_empty(),
        "{alike} alike, {refused} refused by apt, and these differ:\n{differences}"
    );
    assert!(alike > REQUESTS * 9 / 10, "{alike} alike, {refused} refused by apt");
}

/// The index of bookworm's main component, as apt has verified it, in a root for [`apt`].
fn index(forge: &Forge) -> Vec<u8> {
    let mirror = debian::host_mirror().unwrap();
    let root = forge.directory().display();
    for folder in ["lists/partial", "cache/archives/partial", "none"] {
        fs::create_dir_all(forge.path(folder)).unwrap();
    }
    forge.write("status", "");
    forge.write("sources.list", format!("deb {mirror} bookworm main\n"));
    forge.write(
        "apt.conf",
        format!(
            "Dir::Etc::main \"{root}/none\";\nDir::Etc::parts \"{root}/none\";\n\
             Dir::Etc::preferencesparts \"{root}/none\";\nDir::Etc::sourceparts \"{root}/none\";\n\
             Dir::Etc::sourcelist \"{root}/sources.list\";\nDir::State::lists \"{root}/lists\";\n\
             Dir::State::status \"{root}/status\";\nDir::State::extended_states \"{root}/extended\";\n\
             Dir::Cache \"{root}/cache\";\nAPT::Architecture \"amd64\";\nAPT::Architectures \"amd64\";\n\
             APT::Install-Recommends \"false\";\nAPT::Install-Suggests \"false\";\n\
             APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
             pkgCacheGen::ForceEssential \",\";\nDebug::NoLocking \"true\";\n",
        ),
    );
    forge.sh("APT_CONFIG=$PWD/apt.conf apt-get update");
    let files = forge
        .sh("APT_CONFIG=$PWD/apt.conf apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages'");
    let file = files.stdout();
    let file = Path::new(file.trim());
    forge.sh(&format!("APT_CONFIG=$PWD/apt.conf /usr/lib/apt/apt-helper cat-file {}", file.display())).stdout
}

/// `name=version` of all that apt would install; `None` where it would not.
fn apt(forge: &Forge, words: &[&str]) -> Option<BTreeSet<String>> {
    let install = "APT_CONFIG=$PWD/apt.conf LC_ALL=C apt-get install --simulate";
    let output = forge.sh_any(&format!("{install} {}", words.join(" ")));
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
        Some(format!("{name}={}", rest.split(' ').next()?))
    };
    (output.code == 0).then(|| output.stdout().lines().filter_map(line).collect())
}

fn ours(packages: &[Package<'_>], words: &[&str]) -> Result<BTreeSet<String>, String> {
    let want = |word: &&str| Want::Package {
        name: (*word).to_owned(),
        arch: None,
        version: None,
        repositories: None,
    };
    let wants: Vec<Want> = words.iter().map(want).collect();
    let request = Request { arch: "amd64", foreign: &[], wants: &wants, exclude: &[], priorities: &[] };
    let chosen = resolve(packages, &request).map_err(|error| error.to_string())?;
    Ok(chosen.iter().map(|&n| format!("{}={}", packages[n].name, packages[n].version)).collect())
}

/// A small generator (splitmix64), so that a seed means the same requests everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}
