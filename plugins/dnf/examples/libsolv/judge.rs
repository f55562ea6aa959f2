//! Whether a choice agrees with libsolv's.

use std::collections::{BTreeMap, BTreeSet};

use ctr_forge_source_dnf::package::Package;
use ctr_forge_source_dnf::resolve::{Offer, Request, Want, resolve};
use ctr_forge_source_dnf::version::Evr;

use super::read::{Case, Repository, dependency};

pub(crate) enum Verdict {
    Agrees,
    Differs(String),
    Inexpressible(String),
}

fn inexpressible(why: impl Into<String>) -> Verdict {
    Verdict::Inexpressible(why.into())
}

fn compare<T: PartialEq + std::fmt::Debug>(ours: &T, theirs: &T) -> Verdict {
    match ours == theirs {
        true => Verdict::Agrees,
        false => Verdict::Differs(format!("ours {ours:?}, libsolv's {theirs:?}")),
    }
}

pub(crate) fn judge(case: &Case) -> Verdict {
    if case.jobs.iter().any(|job| job.starts_with("evrcmp ")) {
        return judge_versions(case);
    }
    if let Some(line) = case.strange.first() {
        return inexpressible(format!("it says: {line}"));
    }
    if case.disttype == "deb" {
        return inexpressible("it is about Debian");
    }
    if let Some(why) = unknown_flag(case) {
        return inexpressible(why);
    }
    if case.solver_flags.iter().any(|flag| flag == "allowuninstall") {
        return judge_pairs(case);
    }
    let installed = case.repositories.iter().find(|repository| repository.name == case.system);
    if installed.is_some_and(|repository| !repository.packages.is_empty()) {
        return inexpressible("packages are installed");
    }
    let wants: Vec<_> = case.jobs.iter().map(|job| want(case, job)).collect();
    if let Some(index) = wants.iter().position(Option::is_none) {
        return inexpressible(format!("there is a job: {}", case.jobs[index]));
    }
    let wants: Vec<Want> = wants.into_iter().flatten().collect();
    match case.kinds.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => inexpressible("there is no result"),
        ["rules"] => judge_rules(case, &wants),
        ["proof"] => compare(&solve(case, &wants).is_err(), &true),
        _ => judge_transaction(case, &wants),
    }
}

/// What is chosen, as `testsolv -r` would say.
pub(crate) fn solution(case: &Case) -> String {
    let wants: Vec<Want> = case.jobs.iter().filter_map(|job| want(case, job)).collect();
    match solve(case, &wants) {
        Ok(chosen) => chosen.iter().map(|package| format!("install {package}\n")).collect(),
        Err(error) => format!("problem {}\n", error.replace('\n', "\nproblem ")),
    }
}

/// Flags that change what a fresh root gets, and are no part of a request.
fn unknown_flag(case: &Case) -> Option<String> {
    const UNKNOWN: [&str; 4] =
        ["strictrepopriority", "strongrecommends", "onlynamespacerecommended", "focusbest"];
    let flag = case.solver_flags.iter().find(|flag| UNKNOWN.contains(&flag.as_str()))?;
    Some(format!("there is a flag: {flag}"))
}

fn all(case: &Case) -> impl Iterator<Item = (usize, &Repository, &Package)> {
    let repositories = case.repositories.iter().enumerate();
    repositories
        .flat_map(|(index, repository)| repository.packages.iter().map(move |one| (index, repository, one)))
}

fn title(repository: &Repository, package: &Package) -> String {
    format!("{}@{}", package.nevra(), repository.name)
}

fn offers(case: &Case) -> Vec<Offer<'_>> {
    let offer = |(index, repository, package): (usize, &Repository, _)| {
        let priority = u32::try_from(1000 - repository.priority).unwrap_or(0);
        Offer { package, repository: index, priority, is_local: false, hidden: None }
    };
    all(case)
        .filter(|(_, repository, one)| !case.disabled.contains(&title(repository, one)))
        .map(offer)
        .collect()
}

/// The number of an offer.
fn numbered(case: &Case, name: &str) -> Option<usize> {
    let offers = offers(case);
    offers.iter().position(|offer| title(&case.repositories[offer.repository], offer.package) == name)
}

fn want(case: &Case, job: &str) -> Option<Want> {
    let job = job.split(" [").next()?;
    match job.split(' ').collect::<Vec<_>>()[..] {
        ["install", "name", name] => Some(Want::Word(name.to_owned())),
        ["install", "name" | "provides", ref words @ ..] => {
            dependency(&words.join(" ")).map(Want::Dependency)
        }
        ["install", "pkg" | "oneof", name] => numbered(case, name).map(Want::Offer),
        _ => None,
    }
}

fn request<'a>(case: &'a Case, wants: &'a [Want], exclude: &'a [String]) -> Request<'a> {
    let arch = match case.arch.as_str() {
        "" | "unset" => "x86_64",
        arch => arch,
    };
    let weak = !case.solver_flags.iter().any(|flag| flag == "ignorerecommended");
    Request { wants, arch, weak, exclude }
}

fn solve(case: &Case, wants: &[Want]) -> Result<BTreeSet<String>, String> {
    let offers = offers(case);
    let chosen = resolve(&offers, &request(case, wants, &[])).map_err(|error| error.to_string())?;
    let name = |index: &usize| title(&case.repositories[offers[*index].repository], offers[*index].package);
    Ok(chosen.iter().map(name).collect())
}

fn judge_transaction(case: &Case, wants: &[Want]) -> Verdict {
    let colors = case.pool_flags.iter().any(|flag| flag == "implicitobsoleteusescolors");
    let mut arches: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, _, package) in all(case).filter(|(_, _, package)| &*package.arch != "noarch") {
        arches.entry(&package.name).or_default().insert(&package.arch);
    }
    if !colors && arches.values().any(|arches| arches.len() > 1) {
        return inexpressible("a name cannot have two architectures there");
    }
    let has_problem = case.result.iter().any(|line| line.starts_with("problem "));
    match (solve(case, wants), has_problem) {
        (Err(_), true) => Verdict::Agrees,
        (Ok(chosen), true) => Verdict::Differs(format!("ours {chosen:?}, libsolv's a problem")),
        (Err(error), false) => Verdict::Differs(format!("ours a problem: {}", error.replace('\n', "; "))),
        (Ok(chosen), false) => {
            let installs = case.result.iter().filter_map(|line| line.strip_prefix("install "));
            compare(&chosen, &installs.map(str::to_owned).collect())
        }
    }
}

/// The result is rules: every set of packages that meets them must be found to hold, and no other.
fn judge_rules(case: &Case, wants: &[Want]) -> Verdict {
    let mut rules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in case.result.iter().filter_map(|line| line.strip_prefix("rule ")) {
        let mut words = line.splitn(3, ' ');
        if let (Some(_), Some(rule), Some(literal)) = (words.next(), words.next(), words.next()) {
            rules.entry(rule).or_default().push(literal.trim());
        }
    }
    let offers = offers(case);
    let names: Vec<_> =
        offers.iter().map(|offer| title(&case.repositories[offer.repository], offer.package)).collect();
    let speak_of =
        |name: &str| rules.values().flatten().any(|literal| literal.trim_start_matches('-') == name);
    let (spoken, unspoken): (Vec<_>, Vec<_>) = (0..offers.len()).partition(|&index| speak_of(&names[index]));
    for set in 0_u32..1 << spoken.len() {
        let is_in = |place: usize| set & 1 << place != 0;
        let has = |name: &str| spoken.iter().position(|&index| names[index] == name).is_some_and(is_in);
        let is_true =
            |literal: &&str| literal.strip_prefix('-').map_or_else(|| has(literal), |name| !has(name));
        let meets = rules.values().all(|literals| literals.iter().any(is_true));
        let (inside, outside): (Vec<_>, Vec<_>) =
            spoken.iter().enumerate().partition(|(place, _)| is_in(*place));
        let inside: Vec<usize> = inside.into_iter().map(|(_, &index)| index).collect();
        let outside = outside.into_iter().map(|(_, &index)| index).chain(unspoken.iter().copied());
        let wants: Vec<_> =
            wants.iter().cloned().chain(inside.iter().map(|&index| Want::Offer(index))).collect();
        let exclude: Vec<_> = outside.map(|index| offers[index].package.nevra()).collect();
        let holds = resolve(&offers, &request(case, &wants, &exclude)).is_ok();
        if holds != meets {
            return Verdict::Differs(format!(
                "of {:?}",
                inside.iter().map(|&index| &names[index]).collect::<Vec<_>>()
            ));
        }
    }
    Verdict::Agrees
}

/// A job removes installed packages that cannot be beside what it installs: those, and no others,
/// must not go together with it.
fn judge_pairs(case: &Case) -> Verdict {
    let Some(system) = case.repositories.iter().find(|repository| repository.name == case.system) else {
        return inexpressible("nothing is installed");
    };
    let is_simple = |line: &String| line.starts_with("erase ") || line.starts_with("install ");
    let jobs: Vec<_> = case.jobs.iter().map(|job| want(case, job)).collect();
    let ([Some(job)], true) = (&jobs[..], case.result.iter().all(is_simple)) else {
        return inexpressible("packages are installed");
    };
    let erased: BTreeSet<_> = case.result.iter().filter_map(|line| line.strip_prefix("erase ")).collect();
    for package in &system.packages {
        let name = title(system, package);
        let Some(offer) = numbered(case, &name) else { continue };
        let goes = solve(case, &[job.clone(), Want::Offer(offer)]).is_ok();
        if goes == erased.contains(name.as_str()) {
            return Verdict::Differs(format!(
                "{name} {} with {}",
                if goes { "goes" } else { "does not go" },
                case.jobs[0]
            ));
        }
    }
    Verdict::Agrees
}

fn judge_versions(case: &Case) -> Verdict {
    for line in &case.result {
        let words: Vec<_> = line.split(' ').collect();
        let [.., a, sign, b] = words[..] else { return inexpressible(line) };
        let (Ok(first), Ok(second)) = (Evr::parse(a), Evr::parse(b)) else { return inexpressible(line) };
        let ours = match first.compare(&second) {
            std::cmp::Ordering::Less => "<",
            std::cmp::Ordering::Equal => "=",
            std::cmp::Ordering::Greater => ">",
        };
        if ours != sign {
            return Verdict::Differs(format!("ours {a} {ours} {b}, libsolv's {sign}"));
        }
    }
    Verdict::Agrees
}
