//! libsolv's test cases: repositories, jobs and results, a line each. Lines that begin with `#>`
//! are the content of the line before them that ends in `<inline>`.

use std::io;
use std::path::Path;

use ctr_forge_source_dnf::dependency::{Dependency, Relation, Rich};
use ctr_forge_source_dnf::package::{Package, Requirement};
use ctr_forge_source_dnf::version::Evr;

#[derive(Debug, Clone, Default)]
pub(crate) struct Repository {
    pub(crate) name: String,
    /// Higher is better.
    pub(crate) priority: i64,
    pub(crate) packages: Vec<Package>,
}

/// What is asked in one state of the world.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    pub(crate) repositories: Vec<Repository>,
    /// The repository of what is installed.
    pub(crate) system: String,
    pub(crate) arch: String,
    pub(crate) disttype: String,
    pub(crate) solver_flags: Vec<String>,
    pub(crate) pool_flags: Vec<String>,
    /// Each without the word `job`.
    pub(crate) jobs: Vec<String>,
    /// Packages that are disabled, as `nevra@repository`.
    pub(crate) disabled: Vec<String>,
    /// Lines that nothing here understands.
    pub(crate) strange: Vec<String>,
    pub(crate) kinds: Vec<String>,
    pub(crate) result: Vec<String>,
}

pub(crate) fn cases(path: &Path) -> io::Result<Vec<Case>> {
    let text = std::fs::read_to_string(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut cases = Vec::new();
    let mut case = Case::default();
    let lines: Vec<&str> = text.lines().collect();
    let mut number = 0;
    while let Some(line) = lines.get(number) {
        number += 1;
        let inline = || lines[number..].iter().map_while(|line| line.strip_prefix("#>")).collect::<Vec<_>>();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            [word, ..] if word.starts_with('#') => {}
            ["nextjob", ..] => {
                cases.push(case.clone());
                (case.solver_flags, case.jobs, case.kinds, case.result) = Default::default();
            }
            ["repo", name, priority, ..] => {
                let text = match words[3..] {
                    ["testtags", "<inline>"] => inline().join("\n"),
                    ["testtags", file] => std::fs::read_to_string(folder.join(file))?,
                    _ => String::new(),
                };
                let priority = priority.parse().unwrap_or(0);
                case.repositories.push(Repository {
                    name: name.to_owned(),
                    priority,
                    packages: packages(&text),
                });
            }
            ["system", arch, ref rest @ ..] => {
                case.arch = arch.to_owned();
                case.disttype = rest.first().map_or("rpm", |word| *word).to_owned();
                case.system = rest.get(1).map_or("", |word| *word).to_owned();
            }
            ["solverflags", ref flags @ ..] => set(&mut case.solver_flags, flags),
            ["poolflags", ref flags @ ..] => set(&mut case.pool_flags, flags),
            ["job", ref job @ ..] => case.jobs.push(job.join(" ")),
            ["disable", "pkg", package] => case.disabled.push(package.to_owned()),
            ["feature", ..] => {}
            ["evrcmp", ..] => case.jobs.push(line.to_string()),
            ["result", kinds, ..] => {
                case.kinds = kinds.split(',').map(str::to_owned).collect();
                case.result.extend(inline().into_iter().map(str::to_owned));
            }
            _ => case.strange.push(line.to_string()),
        }
    }
    cases.push(case);
    Ok(cases)
}

fn set(flags: &mut Vec<String>, words: &[&str]) {
    for word in words {
        match word.strip_prefix('!') {
            Some(off) => flags.retain(|flag| flag != off),
            None => flags.push((*word).to_owned()),
        }
    }
}

/// Packages in libsolv's `testtags`.
fn packages(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = Vec::new();
    let mut block = None;
    for line in text.lines() {
        let (tag, value) = match (&block, line.get(..5)) {
            (Some(tag), _) if !line.starts_with('-') => (format!("{tag}:"), line),
            (_, Some(tag)) if line.starts_with('=') => (tag[1..].to_owned(), line[5..].trim()),
            _ => {
                block = line.strip_prefix('+').map(|tag| tag.trim_end_matches(':').to_owned());
                continue;
            }
        };
        if tag == "Pkg:" {
            packages.extend(package(value));
        } else if let Some(package) = packages.last_mut() {
            set_tag(package, &tag, value);
        }
    }
    packages
}

fn package(value: &str) -> Option<Package> {
    let words: Vec<_> = value.split_whitespace().collect();
    let [name, version, release, ref arch @ ..] = words[..] else { return None };
    let evr = Evr::parse(&format!("{version}-{release}")).ok()?;
    let arch = arch.first().copied().unwrap_or("noarch");
    Some(Package { name: name.into(), evr, arch: arch.into(), ..Package::default() })
}

fn set_tag(package: &mut Package, tag: &str, value: &str) {
    let Some(dependency) = dependency(value) else { return };
    let relation = || match &dependency {
        Dependency::Simple(relation) => Some(relation.clone()),
        Dependency::Rich(_) => None,
    };
    match tag {
        "Prv:" if value.starts_with('/') => package.files.push(value.into()),
        "Prv:" => package.provides.extend(relation()),
        "Obs:" => package.obsoletes.extend(relation()),
        "Req:" => package.requires.push(Requirement { dependency, pre: false }),
        "Prq:" => package.requires.push(Requirement { dependency, pre: true }),
        "Con:" => package.conflicts.push(dependency),
        "Rec:" => package.recommends.push(dependency),
        "Sug:" => package.suggests.push(dependency),
        "Sup:" => package.supplements.push(dependency),
        "Enh:" => package.enhances.push(dependency),
        "Fls:" => package.files.push(value.into()),
        _ => {}
    }
}

/// libsolv's signs for rich dependencies, in rpm's words.
const SIGNS: [(&str, &str); 7] = [
    (" & ", "and"),
    (" | ", "or"),
    (" + ", "with"),
    (" - ", "without"),
    (" <IF> ", "if"),
    (" <UNLESS> ", "unless"),
    (" <ELSE> ", "else"),
];

/// A dependency in the words of test cases.
pub(crate) fn dependency(text: &str) -> Option<Dependency> {
    let (operands, words) = parts(text)?;
    let mut operands = operands.into_iter();
    let first = operands.next()?;
    let first = match first.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) if is_balanced(inner) => dependency(inner)?,
        _ if words.is_empty() => Dependency::Simple(Relation::parse(first).ok()?),
        _ => dependency(first)?,
    };
    let Some(&word) = words.first() else { return Some(first) };
    let rest: Vec<&str> = operands.collect();
    if word == "if" || word == "unless" {
        let condition = rest.first()?;
        let (condition, other) = otherwise(condition)?;
        let rich = if word == "if" {
            Rich::If(first, condition, other)
        } else {
            Rich::Unless(first, condition, other)
        };
        return Some(Dependency::Rich(Box::new(rich)));
    }
    let rest: Option<Vec<_>> = rest.into_iter().map(dependency).collect();
    let all: Vec<_> = std::iter::once(first).chain(rest?).collect();
    let rich = match word {
        "and" => Rich::And(all),
        "or" => Rich::Or(all),
        "with" => Rich::With(all),
        "without" => {
            let [first, second] = <[Dependency; 2]>::try_from(all).ok()?;
            Rich::Without(first, second)
        }
        _ => return None,
    };
    Some(Dependency::Rich(Box::new(rich)))
}

/// `(condition <ELSE> other)`
fn otherwise(text: &str) -> Option<(Dependency, Option<Dependency>)> {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    match parts(inner)? {
        (operands, words) if words == ["else"] => {
            Some((dependency(operands[0])?, Some(dependency(operands[1])?)))
        }
        _ => Some((dependency(text)?, None)),
    }
}

fn is_balanced(text: &str) -> bool {
    let mut open = 0_i32;
    let mut lowest = 0;
    for byte in text.bytes() {
        open += i32::from(byte == b'(') - i32::from(byte == b')');
        lowest = lowest.min(open);
    }
    open == 0 && lowest == 0
}

/// What stands between signs, outside of parentheses, and the signs.
fn parts(text: &str) -> Option<(Vec<&str>, Vec<&'static str>)> {
    let (mut operands, mut words) = (Vec::new(), Vec::new());
    let (mut start, mut place, mut open) = (0, 0, 0_usize);
    while place < text.len() {
        let rest = text.get(place..)?;
        let sign = SIGNS.iter().find(|(sign, _)| open == 0 && rest.starts_with(sign));
        if let Some((sign, word)) = sign {
            operands.push(text[start..place].trim());
            words.push(*word);
            place += sign.len();
            start = place;
            continue;
        }
        match rest.as_bytes().first() {
            Some(b'(') => open += 1,
            Some(b')') => open = open.checked_sub(1)?,
            _ => {}
        }
        place += rest.chars().next().map_or(1, char::len_utf8);
    }
    operands.push(text[start..].trim());
    // What mixes signs needs parentheses, but for one kind that libsolv's own printer leaves out.
    words.windows(2).all(|pair| pair[0] == pair[1]).then_some((operands, words))
}
