//! Packages that are there for their number: a random graph, the same at every run. All of them
//! can be installed together.

use super::libraries::LIBC;
use super::{native, noarch};
use crate::rpm::Rpm;

/// How many there are, older versions not counted.
const COUNT: usize = 180;

const BEGINNINGS: &[&str] =
    &["al", "bor", "cel", "dan", "el", "fen", "gor", "hal", "ir", "jun", "kel", "lor", "mar", "nor", "ol"];
const ENDS: &[&str] =
    &["ba", "da", "dro", "fi", "go", "ka", "li", "mo", "na", "pe", "ra", "si", "ta", "vo", "xu", "za"];

pub(super) fn packages() -> Vec<Rpm> {
    let mut random = Random(42);
    (0..COUNT).flat_map(|number| versions(number, &mut random)).collect()
}

/// Their names.
pub(super) fn names() -> Vec<String> {
    (0..COUNT).map(name).collect()
}

fn name(number: usize) -> String {
    let word =
        format!("{}{}", BEGINNINGS[number % BEGINNINGS.len()], ENDS[number / BEGINNINGS.len() % ENDS.len()]);
    match number % 5 {
        0 | 1 => format!("lib{word}"),
        2 => word,
        3 => format!("{word}-data"),
        _ => format!("{word}-tools"),
    }
}

fn version(number: usize) -> String {
    format!("{}.{}-{}.fc42", 1 + number % 4, number % 17, 1 + number % 3)
}

/// A package, and sometimes an older version of it.
fn versions(number: usize, random: &mut Random) -> Vec<Rpm> {
    let older = (number % 20 == 7).then(|| filler(number, "0.9-1.fc42", &mut Random(number as u64)));
    older.into_iter().chain([filler(number, &version(number), random)]).collect()
}

fn filler(number: usize, evr: &str, random: &mut Random) -> Rpm {
    let name = name(number);
    let mut rpm = match number % 5 {
        3 => noarch(&name, evr),
        _ => native(&name, evr).requires(LIBC),
    };
    rpm = match number % 5 {
        0 | 1 => {
            let soname = format!("{name}.so.1");
            rpm.provides(&format!("{soname}()(64bit)"))
                .file(&format!("usr/lib64/{soname}.0"), random.text(), 0o755)
                .symlink(&format!("usr/lib64/{soname}"), &format!("{soname}.0"))
        }
        3 => rpm
            .file(&format!("usr/share/{name}/table"), random.text(), 0o644)
            .file(&format!("usr/share/locale/de/LC_MESSAGES/{name}.mo"), "de\n", 0o644)
            .marked("%lang(de)"),
        _ => rpm
            .file(&format!("usr/bin/{name}"), format!("#!/bin/sh\necho {name}\n"), 0o755)
            .doc(&format!("usr/share/man/man1/{name}.1.gz"), "a page\n")
            .config(&format!("etc/{name}.conf"), &random.text()),
    };
    for _ in 0..random.below(4).min(number) {
        rpm = rpm.requires(&dependency(random.below(number), random));
    }
    if number % 40 == 20 {
        // They need each other.
        rpm = rpm.requires(&self::name(number + 1));
    } else if number % 40 == 21 {
        rpm = rpm.requires(&self::name(number - 1));
    }
    match number % 11 {
        4 => rpm.recommends(&self::name(random.below(COUNT))),
        6 => rpm.field("Suggests", &self::name(random.below(COUNT))),
        8 => rpm.script("post", &format!("test -e /usr/share/licenses/{name}/COPYING || exit 1\n")),
        9 => rpm.field("Requires(post)", "coreutils").script("post", &format!("mkdir -p /var/lib/{name}\n")),
        _ => rpm,
    }
}

/// One of the ways to need a package.
fn dependency(number: usize, random: &mut Random) -> String {
    let name = name(number);
    match (number % 5, random.below(4)) {
        (0 | 1, 0 | 1) => format!("{name}.so.1()(64bit)"),
        (2 | 4, 0) => format!("/usr/bin/{name}"),
        (3, 0) => format!("/usr/share/{name}/table"),
        (_, 2) => format!("{name} >= {}", version(number).split('-').next().unwrap()),
        (_, 3) => format!("({name} or nothing-there)"),
        _ => name,
    }
}

/// Numbers that look random: a linear congruential generator.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }

    /// Some lines, which compress badly.
    fn text(&mut self) -> String {
        (0..1 + self.below(40))
            .map(|_| format!("{:x}{:x}\n", self.below(1 << 30), self.below(1 << 30)))
            .collect()
    }
}
